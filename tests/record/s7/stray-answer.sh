#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Asked for information on a block that it does not have, node-snap7's server answers with what is left in its buffer: the
# head of its last block info, with that one's PDU reference and more bytes than its lengths tell; or, where there was none, a
# data unit whose content is no S7 PDU.  The jobs before and after are usual ones.
# stacks: node-snap7 client (client.js), node-snap7 server (server.js)
. "$(dirname "$0")/../netns.sh"
net_npm
net_up eng1 plc-caps
serve plc-caps t 102 node "$NET_HERE/server.js" 10.1.2.131
capture
on eng1 node "$NET_HERE/client.js" 10.1.2.131 stray
capture_end
