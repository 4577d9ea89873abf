#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes the captures of pcaps/ anew, with their notes.  usage: all.sh [PROTOCOL[/NAME]...]
# Needs root, and what `sh mk/deps.sh record` installs; the stacks of npm come by themselves.  Ports,
# sequence numbers and times differ each time: the facts in tests/golden belong to the captures that
# are committed.
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- modbus s7 opcua mixed
for what; do
	if [ -d "$what" ]; then
		for script in "$what"/*.sh; do bash "$script"; done
	else
		bash "$what.sh"
	fi
done
