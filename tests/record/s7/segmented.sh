#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same jobs as in areas.pcap, multi.pcap, system.pcap and control.pcap, but each TPKT of the client comes in two TCP
# segments, cut one octet later every time, and every sixteenth octet by octet.  The client is the real one; a
# program between it and the PLC writes its bytes in pieces (reframe.py).
# stacks: node-snap7 client (client.js), reframing (reframe.py), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
serve eng1 t 102 python3 "$NET_HERE/reframe.py" 127.0.0.1 10.1.2.131 segment client
capture
on eng1 node "$NET_HERE/client.js" 127.0.0.1 areas multi system control
capture_end
