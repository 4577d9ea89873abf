#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RTU framing (unit, PDU, CRC; no MBAP) over TCP, as serial device servers speak it: the basic
# functions and polling to port 502 of plc-filler, the same to port 4001 of plc-caps.
# stacks: pymodbus client (pb_client.py, RTU framer), pymodbus server (pb_server.py, RTU framer)
# rtu: 502 4001
. "$(dirname "$0")/../netns.sh"
net_up eng1 plc-filler plc-caps
serve plc-filler t 502 "${PB_SERVER[@]}" rtu 10.1.2.130 502
serve plc-caps t 4001 "${PB_SERVER[@]}" rtu 10.1.2.131 4001
capture
on eng1 "${PY[@]}" "$NET_HERE/pb_client.py" rtu 10.1.2.130 502 basic polling
on eng1 "${PY[@]}" "$NET_HERE/pb_client.py" rtu 10.1.2.131 4001 basic polling
capture_end
