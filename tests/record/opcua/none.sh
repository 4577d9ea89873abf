#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Security mode None, anonymous: Read (one node, several, other attributes, every built-in type, a range of an array, nodes that
# are not there), Write (every built-in type, arrays, several nodes, refused ones), Browse with continuation, paths, registered nodes and
# the use of their aliases, Call, history, node management and queries (which the server refuses).
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client read write view call history manage
capture_end
