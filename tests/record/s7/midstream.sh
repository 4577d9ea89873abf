#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Polling as in polling.pcap, but the recording begins when the connections have been open for a while: no
# handshake, no COTP connect, no setup.  Their end is there.
# stacks: nodes7 client (poll.js), node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up hmi1 mes plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
on mes node "$NET_HERE/client.js" 10.1.2.131 panel:60 &
panel=$!
on hmi1 node "$NET_HERE/poll.js" 10.1.2.131 60 40 &
poll=$!
sleep 1.2
capture
wait $panel $poll
capture_end
