#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# interlock send before interlock collect: what goes along with alerts, and what comes back.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+send' || { echo "built without the sender"; exit 77; }
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/send_collect.py
