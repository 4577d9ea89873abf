#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What sensors run and should run, and how their clocks stand.  About 5 s.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/fleet.py
