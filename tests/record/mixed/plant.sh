#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A morning in bottling line 2, with the three protocols and the IT traffic around them in one capture.  As usual:
#
#   hmi1      polls plc-filler by Modbus and moves its set points; polls plc-caps by S7 (DB1, DB10, M) and writes DB10.DBB0..20
#   mes       reads, watches and writes the recipe of plc-caps by OPC UA (Sign, Basic256Sha256, a user with a password)
#   others    DNS, HTTP, HTTPS, SSH, SMB2 and RDP between mes and infra, ping, ARP, LLDP
#
# And what nobody allowed:
#
#   hmi1      Modbus: a set point out of range, a value that is no step, a coil; S7: writes beside the recipe, across its end, to
#             an output and with one bad item among good ones, then stops and starts the PLC
#   eng1      at a time when no service is planned: reads blocks, tries a download, sets the clock, stops and starts the PLC
#   mes       OPC UA: writes a machine value, a recipe with one node too many, calls Stop; then a session without security
#   attacker  looks for hosts, writes by Modbus, stops the PLC by S7, reads by OPC UA
# stacks: libmodbus client (mb_client.c), pymodbus server (pb_server.py), node-snap7 client and server (client.js, server.js), node-opcua client and server (client.js, server.js), raw socket client (attack.py), IT noise (noise.py)
. "$(dirname "$0")/../opcua/plant.sh"
export PORT=4840
net_npm
NET_HERE=$NET_DIR/modbus build_mb
mkdir -p "$PKI"
for name in mes operator erp; do opc_cert $name; done
net_up hmi1 eng1 mes infra attacker plc-filler plc-caps
ip -n $NET_PREFIX-sw link set br0 type bridge group_fwd_mask 0x4000 # or no bridge passes LLDP on
serve plc-filler t 502 "${PB_SERVER[@]}" tcp 10.1.2.130 502
serve plc-caps t 102 node "$NET_DIR/s7/server.js" 10.1.2.131
serve infra t 443 python3 "$NET_HERE/noise.py" server 10.1.2.10 "$PKI/erp.crt" "$PKI/erp.key"
opc_serve
s7() { on "$1" node "$NET_DIR/s7/client.js" 10.1.2.131 "${@:2}"; }
attack() { on attacker python3 "$NET_DIR/modbus/attack.py" "$@"; }

capture
on plc-caps python3 "$NET_HERE/noise.py" lldp eth0 plc-caps
on hmi1 "$MB_CLIENT" 10.1.2.130 502 1 poll:60:150 &
filler=$!
s7 hmi1 caps:40 &
caps=$!
on mes ping -c 2 -i 0.3 10.1.2.10
on mes python3 "$NET_HERE/noise.py" client 10.1.2.10
opc_client "with mode=Sign,policy=Basic256Sha256,user=operator" mes
on hmi1 "$MB_CLIENT" 10.1.2.130 502 1 w6:100:5000 w6:101:55 w5:8:1
s7 hmi1 astray
s7 eng1 engineer
opc_client "with mode=Sign,policy=Basic256Sha256,user=operator" astray "with user=anonymous" work:300
attack scan 10.1.2.{129..132}
attack writes 10.1.2.130
s7 attacker control
on attacker "${NAMED[@]}" mes "${NODE[@]}" "$OPC_DIR/client.js" opc.tcp://10.1.2.131:4840/plc "$PKI" work:300
on plc-caps python3 "$NET_HERE/noise.py" lldp eth0 plc-caps
wait $filler $caps
capture_end
