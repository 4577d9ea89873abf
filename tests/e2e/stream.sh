#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two collectors before one data base, three nats-servers between: leader, collector, data base, network lost meanwhile.  About 30 s; ROUNDS=20 for more.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
"$INTERLOCK" --version | grep -q '+nats' || { echo "built without libnats"; exit 77; }
PATH=$PATH:/usr/sbin command -v nats-server >/dev/null || { echo "nats-server is not installed"; exit 77; }
PATH=$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1 exec python3 -W ignore tests/e2e/stream.py
