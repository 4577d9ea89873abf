#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who is told of an incident: mail, webhook and syslog to receivers of this test on the loopback, retries, escalation,
# acknowledgement, bounds; TLS.  About 45 s.
cd "$(dirname "$0")/../.." || exit 2
"$INTERLOCK" --version | grep -q '+collector' || { echo "built without the collector"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec timeout 150 python3 -W ignore tests/e2e/notify.py
