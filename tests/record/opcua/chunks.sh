#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Buffers of 8192 bytes: a ByteString of 40 kB written and read back, and five hundred nodes read and written, each message in many
# chunks; a part of it in Sign mode.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up chunk=8192
capture
opc_client "with chunk=8192" blob:40000 bulk:500 "with chunk=8192,mode=Sign,policy=Basic256Sha256" blob:20000/0 bulk:200
capture_end
