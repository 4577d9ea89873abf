#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# learn from a port: a bridge between an HMI and a PLC of libmodbus, and the side port of it on which learn listens.
. "$(dirname "$0")/_lib.sh"
need_root
need jq tcpdump
TMP=$(mktemp -d)
trap 'kill "${LEARN:-}" "${SERVER:-}" 2>/dev/null; for n in hmi plc sw; do ip netns del "$P-$n" 2>/dev/null; done; rm -rf "$TMP"' EXIT
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

learn() { # ARGS: in the background, and wait until it listens
	rm -f "$TMP/err"
	ip netns exec "$P-sw" timeout "$LIMIT" "$INTERLOCK" learn -o "$TMP/l.yaml" --live side "$@" 2>"$TMP/err" &
	LEARN=$!
	for _ in {1..200}; do
		grep -qs 'listening' "$TMP/err" && return 0
		sleep 0.05
	done
	cat "$TMP/err"
	return 1
}
promiscuous() { [[ $(in_ns sw ip -d link show side) == *"promiscuity $1 "* ]]; }
talk() { in_ns hmi timeout "$LIMIT" "$TMP/mb_client" 10.1.2.130 502 unit:1 poll:40 w6:100:700 w16:110:1,2,3 r1:0:8; }
learned() {
	grep -q 'holding: \[0\.\.9' "$TMP/l.yaml" && grep -q 'values: {100: 700' "$TMP/l.yaml" &&
		grep -Eq 'limits: \{rate: [125]0*/s\} +# at most [0-9]+ requests of one connection in a second' "$TMP/l.yaml"
}

case_stopped() {
	learn && promiscuous 1 && talk || return 1
	sleep 2
	kill -TERM "$LEARN" # timeout hands it on
	wait "$LEARN"
	[ $? = 0 ] && learned && promiscuous 0
}
case_packets() {
	learn --packets 60 && talk || return 1
	wait "$LEARN" && learned_some
}
learned_some() { grep -q ': 6[0-9] frames' "$TMP/l.yaml" && grep -q 'modbus:' "$TMP/l.yaml"; }
case_time() {
	learn --for 3s && talk || return 1
	wait "$LEARN" && learned
}
case_own() { # a veth has no filter of its own, so only the flag tells
	learn --own --for 2s || return 1
	promiscuous 0 || return 1
	talk
	wait "$LEARN" && grep -q 'listening; nothing is sent' "$TMP/err"
}
# Nothing is sent: what the side port counts as sent does not grow.
case_silent() {
	local before after
	before=$(in_ns sw cat /sys/class/net/side/statistics/tx_packets)
	learn --for 2s && talk || return 1
	wait "$LEARN"
	after=$(in_ns sw cat /sys/class/net/side/statistics/tx_packets)
	[ "$before" = "$after" ]
}
# Approved, it lets the same happen again, and nothing else.
case_approved() {
	ip netns exec "$P-sw" timeout "$LIMIT" tcpdump -Z root -p -U -i side -w "$TMP/again.pcap" 2>"$TMP/td" &
	local dump=$!
	for _ in {1..100}; do grep -qs listening "$TMP/td" && break; sleep 0.1; done
	learn && talk || return 1
	sleep 2
	kill -TERM "$LEARN" # timeout hands it on
	wait "$LEARN" || return 1
	kill -TERM "$dump"
	wait "$dump"
	sed '/^ *enabled: false$/d; s/^mode: alert/mode: enforce/' "$TMP/l.yaml" >"$TMP/ok.yaml"
	"$INTERLOCK" replay -q -p "$TMP/ok.yaml" "$TMP/again.pcap" || { cat "$TMP/l.yaml"; return 1; }
	"$INTERLOCK" replay -q -p "$TMP/ok.yaml" "$ROOT/pcaps/modbus/attack-day.pcap"
	[ $? = 1 ]
}
case_wrong() {
	in_ns sw "$INTERLOCK" learn --live nix0 -o "$TMP/x.yaml" 2>"$TMP/err"
	[ $? = 2 ] && grep -q nix0 "$TMP/err" &&
		! "$INTERLOCK" learn --live side --for 5x 2>/dev/null && ! "$INTERLOCK" learn --for 5s x.pcap 2>/dev/null
}

t "a signal ends it: what was seen is written, and the interface is as it was" case_stopped
t "so many frames" case_packets
t "so long" case_time
t "not promiscuous when asked" case_own
t "it sends nothing" case_silent
t "approved, it fits the traffic and stops an attack" case_approved
t "what it cannot do is said" case_wrong
t_end
