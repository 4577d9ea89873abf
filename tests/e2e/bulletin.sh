#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A bulletin: redacted, readable in English and Chinese, verified by openssl and by npm's jose, nothing of ours taking part.
# About 15 s (fonts are cut to what a PDF shows).
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
export JOSE=tests/e2e/jose
if [ ! -d "$JOSE/node_modules" ]; then
	log=$(cd "$JOSE" && timeout 200 npm ci --no-audit --no-fund --ignore-scripts --loglevel=error 2>&1) ||
		{ echo "$log"; echo "npm: jose could not be installed"; exit 77; }
fi
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/bulletin.py
