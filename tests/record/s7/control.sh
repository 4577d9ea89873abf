#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The CPU is stopped and started, hot and cold, more than once; memory compressed, RAM copied to ROM.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 control
capture_end
