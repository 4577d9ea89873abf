#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A panel that watches: subscription, monitored items (values with a dead band, an event filter), Publish for some seconds; items
# and subscription modified, triggering, publishing off and on, Republish of what is not there, all deleted.  Then a second session
# takes a subscription over.
# stacks: node-opcua client (client.js), node-opcua server (server.js)
. "$(dirname "$0")/plant.sh"
opc_up
capture
opc_client subscribe:3000 transfer
capture_end
