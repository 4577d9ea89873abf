#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The collector as a process: people by curl's eyes, sensors by an implementation that is not ours
# (Python's ssl and cryptography).  About 25 s.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/collect.py
