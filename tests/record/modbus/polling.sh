#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Normal polling: hmi1 reads its screen from plc-filler in a steady cycle (FC 3, 4, 1, 2),
# moves the set point in holding register 100 within 0..1500 (FC 6) every fifth cycle and writes
# the recipe in 101..104 in steps of 10 within 0..100 (FC 16) every seventh.  One connection
# from its handshake to its end; 60 cycles, half a second each in a plant, in some 3 seconds.
# stacks: libmodbus client (mb_client.c), libmodbus server (mb_server.c)
. "$(dirname "$0")/../netns.sh"
build_mb
net_up hmi1 plc-filler
serve plc-filler t 502 "$MB_SERVER" 10.1.2.130 502
capture
on hmi1 "$MB_CLIENT" 10.1.2.130 502 1 poll:60:50
capture_end
