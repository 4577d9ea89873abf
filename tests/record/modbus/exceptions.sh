#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Requests that a device refuses, to two servers.  plc-filler (libmodbus): illegal data address
# and value, exceptions 4, 5, 6, 7, 8, 10, 11 (a program of ours around libmodbus gives these on
# purpose: its modbus_reply_exception()), a unit behind no gateway, a unit that never answers
# (the client gives up, closes and connects again).  plc-caps (pymodbus): illegal function, address, value.
# A read of 126 registers and such are sent as they are: pymodbus's classes do not check.
# stacks: pymodbus client (pb_client.py), libmodbus server (mb_server.c), pymodbus server (pb_server.py)
. "$(dirname "$0")/../netns.sh"
build_mb
net_up eng1 plc-filler plc-caps
serve plc-filler t 502 "$MB_SERVER" 10.1.2.130 502
serve plc-caps t 502 "${PB_SERVER[@]}" tcp 10.1.2.131 502
capture
on eng1 "${PY[@]}" "$NET_HERE/pb_client.py" tcp 10.1.2.130 502 specials exceptions
on eng1 "${PY[@]}" "$NET_HERE/pb_client.py" tcp 10.1.2.131 502 exceptions
capture_end
