#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several ADUs in one segment and several requests open at once; nothing is lost or wrong.
# To plc-filler (libmodbus, whose answers Nagle's algorithm merges) and to plc-caps (pymodbus,
# one segment per answer).  The last burst is 16 reads of 125 registers, so that answers straddle
# segments.  The client is a raw TCP socket (cut.py), because no library here pipelines all functions.
# stacks: raw socket client (cut.py), libmodbus server (mb_server.c), pymodbus server (pb_server.py)
. "$(dirname "$0")/../netns.sh"
build_mb
net_up hmi1 plc-filler plc-caps
serve plc-filler t 502 "$MB_SERVER" 10.1.2.130 502
serve plc-caps t 502 "${PB_SERVER[@]}" tcp 10.1.2.131 502
capture
on hmi1 python3 "$NET_HERE/cut.py" pipeline 10.1.2.130
on hmi1 python3 "$NET_HERE/cut.py" pipeline 10.1.2.131
capture_end
