#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Secure channels of a short life, in mode None and Sign: tokens are renewed while the session goes on.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up lifetime=2000
capture
opc_client "with lifetime=2000" work:5000 "with lifetime=2000,mode=Sign,policy=Basic256Sha256" work:5000
capture_end
