#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Collectors that pass on what their sensors have signed: site, region, centre, outages, kills, forged relays.  About 30 s; KILLS=50 for more.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
"$INTERLOCK" --version | grep -q '+send' || { echo "built without the sender"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/forward.py
