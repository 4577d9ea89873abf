#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes every capture of pcaps/modbus anew, with its note.  usage: all.sh [NAME...]
# Needs root, and what `sh mk/deps.sh record` installs.  Ports, sequence numbers and times
# differ each time: the facts in tests/golden belong to the captures that are committed.
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- polling all-functions exceptions pipelining segmented midstream rtu-over-tcp \
	udp ipv6-vlan attack-day
for name; do bash "./$name.sh"; done
