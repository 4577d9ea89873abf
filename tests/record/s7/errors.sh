#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a PLC refuses: absent data blocks, ranges that end outside, an unknown system status list, an unknown block
# type, an upload.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 errors
capture_end
