#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same jobs as in areas.pcap, multi.pcap, system.pcap and control.pcap, but each TSDU of both sides comes in several
# COTP data units of 1 to 61 octets, every third one after an empty data unit.  Client and server are the real ones; a
# program beside each of them frames their bytes anew (reframe.py).
# stacks: node-snap7 client (client.js), reframing (reframe.py), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 127.0.0.1
serve plc-caps t 102 python3 "$NET_HERE/reframe.py" 10.1.2.131 127.0.0.1 cotp server
serve eng1 t 102 python3 "$NET_HERE/reframe.py" 127.0.0.1 10.1.2.131 cotp client
sleep 0.5
capture
on eng1 node "$NET_HERE/client.js" 127.0.0.1 areas multi system control
capture_end
