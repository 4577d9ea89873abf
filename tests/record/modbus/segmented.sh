#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ADUs cut over TCP segments by the client (TCP_NODELAY and a pause between the pieces): three
# functions at every offset, a tail and the next head in one segment, two ADUs one byte at a time.
# Then a connection whose client offers an MSS of 88, so that the server's long answers come in pieces.
# tshark 4.0 loses step at headers cut within eight bytes; its counts below are of the ADUs joined by us.
# stacks: raw socket client (cut.py), libmodbus server (mb_server.c)
# tshark: joined
. "$(dirname "$0")/../netns.sh"
build_mb
net_up hmi1 plc-filler
serve plc-filler t 502 "$MB_SERVER" 10.1.2.130 502
capture
on hmi1 python3 "$NET_HERE/cut.py" segments 10.1.2.130
on hmi1 python3 "$NET_HERE/cut.py" small 10.1.2.130
capture_end
