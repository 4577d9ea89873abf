#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Security mode SignAndEncrypt, with two policies and two kinds of users: only heads of chunks and certificates are readable.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client "with mode=SignAndEncrypt,policy=Basic256Sha256,user=certificate" read write call \
	"with mode=SignAndEncrypt,policy=Aes256_Sha256_RsaPss,user=operator" view
capture_end
