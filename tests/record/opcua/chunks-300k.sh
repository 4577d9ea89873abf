#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A message of 300 kB: one Write in some forty chunks of 8192 bytes.  Larger than our captures usually are.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
export SIZE_MAX=400000
opc_up chunk=8192
capture
opc_client "with chunk=8192" blob:300000/0
capture_end
