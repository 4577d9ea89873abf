#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# All 19 public functions between pymodbus client and server: 1-8, 11, 12, 15-17, 20-24 and
# 43/14 (basic, regular, extended, two single objects); of FC 8 the sub-functions 0-4, 10-18 and 20;
# the largest reads and writes.  FC 8/4 (listen only) has no answer, as the specification asks.
# pymodbus 3.0.0 answers FC 20 and 24 wrongly; pb_server.py replaces these two answers by
# what the specification says, everything else is pymodbus's own.
# stacks: pymodbus client (pb_client.py), pymodbus server (pb_server.py)
. "$(dirname "$0")/../netns.sh"
net_up eng1 plc-filler
serve plc-filler t 502 "${PB_SERVER[@]}" tcp 10.1.2.130 502
capture
on eng1 "${PY[@]}" "$NET_HERE/pb_client.py" tcp 10.1.2.130 502 functions
capture_end
