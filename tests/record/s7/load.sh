#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Blocks into a controller and out of it: DB10 is downloaded and uploaded again; DB11, which the controller gives up with an
# error after the first piece; DB12, in the middle of which it closes the connection.  The client is node-snap7's;
# the controller is our own program (loader.py), since node-snap7's server takes no blocks.
# stacks: node-snap7 client (client.js), loader.py
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 python3 "$NET_HERE/loader.py" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 load
capture_end
