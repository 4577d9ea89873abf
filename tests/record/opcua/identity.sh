#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who the server is: FindServers, and a session that reads the ServerStatus and the BuildInfo as structures, the BuildInfo's members
# in one Read among others, each in a Read of its own with all of them open at once, and values that are none of this.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client identity
capture_end
