#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# TAXII 2.1: what a destination may read and write, held against the specification; an indicator that comes this way
# becomes an alert of a sensor.  About 10 s.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/taxii.py
