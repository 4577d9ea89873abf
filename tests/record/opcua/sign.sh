#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same in security mode Sign, a user with a password: all is readable, and signed.  The OPN messages are encrypted, as
# always when the policy is not None.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client "with mode=Sign,policy=Basic256Sha256,user=operator" read write view call
opc_client "with mode=Sign,policy=Aes256_Sha256_RsaPss" read history
capture_end
