#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The security policies that none of the other captures has: Basic128Rsa15 and Basic256, which are deprecated, and
# Aes128_Sha256_RsaOaep.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up policies=Basic128Rsa15+Basic256+Aes128_Sha256_RsaOaep
capture
opc_client "with mode=Sign,policy=Basic128Rsa15,user=operator" work:1 \
	"with mode=SignAndEncrypt,policy=Basic128Rsa15" work:1 \
	"with mode=Sign,policy=Basic256,user=certificate" work:1 \
	"with mode=Sign,policy=Aes128_Sha256_RsaOaep" work:1 "with mode=SignAndEncrypt,policy=Aes128_Sha256_RsaOaep" work:1
capture_end
