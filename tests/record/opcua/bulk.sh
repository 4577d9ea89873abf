#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A thousand nodes in one message that fits one chunk of 64 KiB: read, written, twice.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client bulk bulk
capture_end
