#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What of an incident leaves the collector: exports searched for its secrets, judged by OASIS's schemas of STIX and by a
# library for its ids (npm, neither written here).  About 25 s.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
export STIX=tests/e2e/stix
if [ ! -d "$STIX/node_modules" ]; then
	log=$(cd "$STIX" && timeout 200 npm ci --no-audit --no-fund --ignore-scripts --loglevel=error 2>&1) ||
		{ echo "$log"; echo "npm: the schemas of STIX could not be installed"; exit 77; }
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/share.py
