#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What anybody may ask without a session: endpoints (one per security policy and mode the server offers, with its
# certificate each), servers, servers on the network.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up policies=Basic128Rsa15+Basic256+Basic256Sha256+Aes128_Sha256_RsaOaep+Aes256_Sha256_RsaPss
capture
opc_client discovery
capture_end
