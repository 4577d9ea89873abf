#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Modbus/UDP: the same ADU as over TCP, one per datagram, port 502.  The basic functions, polling,
# requests that are refused, and a unit that does not answer.
# stacks: pymodbus client (pb_client.py), pymodbus server (pb_server.py)
. "$(dirname "$0")/../netns.sh"
net_up eng1 plc-filler
serve plc-filler u 502 "${PB_SERVER[@]}" udp 10.1.2.130 502
capture
on eng1 "${PY[@]}" "$NET_HERE/pb_client.py" udp 10.1.2.130 502 basic polling exceptions
capture_end
