#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Block transfers: upload of five blocks, download of two, delete.  node-snap7's server refuses the uploads and
# downloads at their first job, so that only requests and refusals are here; DBGet and DBFill are reads and writes.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 blocks
capture_end
