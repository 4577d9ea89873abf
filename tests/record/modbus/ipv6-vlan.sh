#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Polling over IPv6 (untagged), over IPv4 in VLAN 110, and over IPv6 in VLAN 110 (802.1Q tags, with
# neighbour discovery and ARP as they happen).  20 cycles each.  The tags are put on by the hosts
# (vlan_nic.py).
# stacks: libmodbus client (mb_client.c), libmodbus server (mb_server.c)
. "$(dirname "$0")/../netns.sh"
build_mb
net_up hmi1 plc-filler
for host in hmi1 plc-filler; do
	net_vlan $host 110
	net_ip6 $host eth0 fd00:10:1:2
	net_ip6 $host vlan110 fd00:10:1:110
done
for address in fd00:10:1:2::130 10.1.2.130 fd00:10:1:110::130; do
	serve plc-filler t 502 "$MB_SERVER" $address 502
	[ $address = fd00:10:1:2::130 ] && capture
	on hmi1 "$MB_CLIENT" $address 502 1 poll:20:20
	serve_end
done
capture_end
