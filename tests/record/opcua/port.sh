#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The server listens on 48010.
# opcua: 48010
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
export PORT=48010
opc_up
capture
opc_client read call
capture_end
