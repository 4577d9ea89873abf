#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The collector killed, its disk full, its clients hostile.  KILLS= how often it is killed (5).
# About 40 s; the disk needs root (a small tmpfs in a mount namespace of its own).
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
[ "$(id -u)" = 0 ] && exec unshare -m --propagation private python3 -W ignore tests/e2e/collect_faults.py
exec python3 -W ignore tests/e2e/collect_faults.py
