#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every kind of user in modes None and Sign: nobody, name and password, certificate; and a wrong password.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client "with user=anonymous" work:1 "with user=operator" work:1 "with user=certificate" work:1 "with user=wrong" work:1 \
	"with mode=Sign,policy=Basic256Sha256,user=operator" work:1 "with mode=Sign,policy=Basic256Sha256,user=certificate" work:1 \
	"with mode=Sign,policy=Aes256_Sha256_RsaPss,user=wrong" work:1
capture_end
