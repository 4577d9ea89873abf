#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every security policy and mode, and every kind of user: none, name and password, certificate; a wrong password.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up policies=all
capture
opc_client "with user=anonymous" work:1 "with user=operator" work:1 "with user=certificate" work:1 "with user=wrong" work:1 \
	"with mode=Sign,policy=Basic128Rsa15,user=operator" work:1 "with mode=SignAndEncrypt,policy=Basic128Rsa15" work:1 \
	"with mode=Sign,policy=Basic256,user=certificate" work:1 "with mode=SignAndEncrypt,policy=Basic256" work:1 \
	"with mode=Sign,policy=Basic256Sha256,user=wrong" work:1 "with mode=SignAndEncrypt,policy=Basic256Sha256" work:1 \
	"with mode=Sign,policy=Aes128_Sha256_RsaOaep,user=certificate" work:1 \
	"with mode=Sign,policy=Aes256_Sha256_RsaPss,user=operator" work:1
capture_end
