#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Reading and watching under way when the recording begins, in mode None and in Sign at the same time: no handshake, no
# HEL, no OPN, and no session is seen to be opened.  Their end is there.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
opc_client work:8000 &
none=$!
opc_client "with mode=Sign,policy=Basic256Sha256" subscribe:8000 &
sign=$!
talking 2
sleep 2
capture
wait $none $sign
capture_end
