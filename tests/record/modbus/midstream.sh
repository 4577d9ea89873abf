#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Normal polling as in polling.pcap, but the recording begins when the connection has been open
# for a while: there is no handshake, and the first frame belongs to a cycle under way.  Its end is there.
# stacks: libmodbus client (mb_client.c), libmodbus server (mb_server.c)
. "$(dirname "$0")/../netns.sh"
build_mb
net_up hmi1 plc-filler
serve plc-filler t 502 "$MB_SERVER" 10.1.2.130 502
on hmi1 "$MB_CLIENT" 10.1.2.130 502 1 poll:60:50 &
polling=$!
sleep 0.5
capture
wait $polling
capture_end
