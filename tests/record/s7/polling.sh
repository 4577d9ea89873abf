#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An HMI's normal day: nodes7 reads seventeen tags of DB1, DB2, DB10, DB100, M, I, Q, T and C in a cycle (it
# joins neighbours, and keeps several jobs open at once when the PLC allows it), writes set points every fifth cycle,
# a bit, a word and a string every seventh; a panel made of node-snap7 polls beside it.
# stacks: nodes7 client (poll.js), node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up hmi1 mes plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on mes node "$NET_HERE/client.js" 10.1.2.131 panel:40 &
panel=$!
on hmi1 node "$NET_HERE/poll.js" 10.1.2.131 40 40
wait $panel
capture_end
