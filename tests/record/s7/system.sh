#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Userdata as an engineering tool sends it: system status lists (the longer answers come in fragments), blocks
# by count, type and number, clock read and set, protection level, password set and cleared.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 system
capture_end
