#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A bad day in cell 1.  hmi1 polls plc-filler all the time, as in polling.pcap.  Meanwhile:
#
#   attacker  looks for hosts and units (connects to 10.1.2.128-140, 43/14 to ten units)
#   attacker  sweeps the function codes 1..127
#   attacker  writes coils and set points (FC 5, 6, 15, 16, 22, 23)
#   hmi1      a second program on it writes where the HMI may not: values and addresses out of range,
#             a step that is no multiple of 10, a coil, outputs (FC 5, 6, 15, 16)
#   attacker  restarts communications, clears counters, forces listen-only mode (FC 8), tries UMAS (FC 90)
#   attacker  floods: 150 writes and 150 reads, 25 to a segment, then resets the connection
#
# pymodbus acknowledges listen-only mode by silence, as specified, but goes on answering afterwards.
# It refuses UMAS as an illegal function: only the requests are those of a real attack.
# stacks: libmodbus client (mb_client.c), raw socket client (attack.py), pymodbus server (pb_server.py)
. "$(dirname "$0")/../netns.sh"
build_mb
net_up hmi1 attacker plc-filler plc-caps
serve plc-filler t 502 "${PB_SERVER[@]}" tcp 10.1.2.130 502
attack() { on attacker python3 "$NET_HERE/attack.py" "$@"; }
capture
on hmi1 "$MB_CLIENT" 10.1.2.130 502 1 poll:60:130 &
polling=$!
sleep 1
attack scan 10.1.2.{128..140}
attack sweep 10.1.2.130
attack writes 10.1.2.130
on hmi1 "$MB_CLIENT" 10.1.2.130 502 1 w6:100:5000 w6:101:55 w6:119:7 w16:200:1,2,3,4 w16:118:1,1,1 \
	w5:8:1 w15:8:1,1,1,1
attack stop 10.1.2.130
attack flood 10.1.2.130
wait $polling
capture_end
