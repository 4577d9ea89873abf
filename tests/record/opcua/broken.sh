#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Connections that end badly: a client killed amid its session, a server killed and started again, to which the client comes
# back with a new channel; then what the server refuses at once: something that is not OPC UA, a HEL with a buffer
# too small, a message of an unknown channel.
# stacks: node-opcua client (client.js), node-opcua server (server.js), raw socket client (refused.py)
. "$(dirname "$0")/plant.sh"
kill_child() { # PID: what timeout, or the shell before it, runs
	local pid=$1
	while pgrep -P "$pid" >/dev/null; do pid=$(pgrep -P "$pid"); done
	kill -KILL "$pid"
}

opc_up
capture
opc_client hang &
client=$!
talking 1
sleep 2
kill_child $client
wait $client || :
opc_client "with retry=30" work:6000 &
client=$!
talking 1
sleep 2
kill_child "$SERVER"
wait "$SERVER" || :
opc_serve
wait $client
on mes python3 "$OPC_DIR/refused.py" 10.1.2.131 "$PORT"
capture_end
