#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Read and write of every area (DB, M, I, Q, C, T) in every width (bit, byte, word, dword, real, counter,
# timer); then a read of 2000 and a write of 1000 bytes that the client cuts into jobs of the negotiated PDU size.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 areas
capture_end
