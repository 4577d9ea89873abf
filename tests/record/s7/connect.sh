#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Connections as a programming device (PG), a panel (OP) and S7 basic, to several racks and slots,
# with asked PDU sizes of 240, 480 and 960 (what is granted shows in how many jobs a read of 1000 bytes needs),
# and with TSAPs as small controllers (LOGO!, S7-200) use them.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 connect
capture_end
