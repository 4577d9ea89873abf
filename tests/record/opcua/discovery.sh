#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What anybody may ask without a session: endpoints (one per security policy and mode the server offers, with its
# certificate each), servers, servers on the network.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up policies=all
capture
opc_client discovery
capture_end
