# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# An HMI and a PLC of libmodbus on a hub, and `side`, a port of it that sees all, in the namespace sw.  Sourced, after
# _lib.sh, by what listens there.  LISTEN: the pid of it.
need_root
need jq tcpdump
TMP=$(mktemp -d)
trap 'kill "${LISTEN:-}" "${SERVER:-}" 2>/dev/null; for n in hmi plc sw; do ip netns del "$P-$n" 2>/dev/null; done; rm -rf "$TMP"' EXIT
need_libmodbus

in_ns() { local n=$1; shift; ip netns exec "$P-$n" "$@"; }
for n in hmi plc sw; do
	ip netns add "$P-$n"
	in_ns "$n" ip link set lo up # or libmodbus finds no address to listen on
done
in_ns sw ip link add br0 type bridge stp_state 0 mcast_snooping 0 ageing_time 0 # a hub: every port sees all, as a mirror port
for h in hmi:10.1.2.5 plc:10.1.2.130; do
	in_ns sw ip link add "${h%:*}" type veth peer name eth0 netns "$P-${h%:*}"
	in_ns sw ip link set "${h%:*}" master br0 up
	in_ns "${h%:*}" ip link set eth0 up
	in_ns "${h%:*}" ip addr add "${h#*:}/24" dev eth0
done
in_ns sw ip link add span type veth peer name side
in_ns sw ip link set span master br0 up
in_ns sw ip link set side up
in_ns sw ip link set br0 up
ip netns exec "$P-plc" timeout 300 "$TMP/mb_server" 502 "$TMP/adus" &
SERVER=$!
for _ in {1..100}; do in_ns plc ss -Hltn 'sport = :502' | grep -q . && break; sleep 0.1; done

heard() { # "listening" was said in $TMP/err
	for _ in {1..200}; do
		grep -qs 'listening' "$TMP/err" && return 0
		sleep 0.05
	done
	cat "$TMP/err"
	return 1
}
promiscuous() { [[ $(in_ns sw ip -d link show side) == *"promiscuity $1 "* ]]; }
talk() { in_ns hmi timeout "$LIMIT" "$TMP/mb_client" 10.1.2.130 502 unit:1 poll:40 w6:100:700 w16:110:1,2,3 r1:0:8; }
