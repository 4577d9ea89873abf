#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# learn from a port: a bridge between an HMI and a PLC of libmodbus, and the side port of it on which learn listens.
. "$(dirname "$0")/_lib.sh"
. "$(dirname "$0")/_mirror.sh"

learn() { # ARGS: in the background, and wait until it listens
	rm -f "$TMP/err"
	ip netns exec "$P-sw" timeout "$LIMIT" "$INTERLOCK" learn -o "$TMP/l.yaml" --live side "$@" 2>"$TMP/err" &
	LISTEN=$!
	heard
}
learned() {
	grep -q 'holding: \[0\.\.9' "$TMP/l.yaml" && grep -q 'values: {100: 700' "$TMP/l.yaml" &&
		grep -Eq 'limits: \{rate: [125]0*/s\} +# at most [0-9]+ requests of one connection in a second' "$TMP/l.yaml"
}

case_stopped() {
	learn && promiscuous 1 && talk || return 1
	sleep 2
	kill -TERM "$LISTEN" # timeout hands it on
	wait "$LISTEN"
	[ $? = 0 ] && learned && promiscuous 0
}
case_packets() {
	learn --packets 60 && talk || return 1
	wait "$LISTEN" && learned_some
}
learned_some() { grep -q ': 60 frames' "$TMP/l.yaml" && grep -q 'modbus:' "$TMP/l.yaml"; }
case_time() {
	learn --for 3s && talk || return 1
	wait "$LISTEN" && learned
}
case_own() { # a veth has no filter of its own, so only the flag tells
	learn --own --for 2s || return 1
	promiscuous 0 || return 1
	grep -q 'CapEff:.0000000000000000' "/proc/$(pgrep -P "$LISTEN" | head -1)/status" || return 1
	talk
	wait "$LISTEN" && grep -q 'listening, and no longer root; nothing is sent' "$TMP/err"
}
# Nothing is sent: what the side port counts as sent does not grow.
case_silent() {
	local before after
	before=$(in_ns sw cat /sys/class/net/side/statistics/tx_packets)
	learn --for 2s && talk || return 1
	wait "$LISTEN"
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
	kill -TERM "$LISTEN" # timeout hands it on
	wait "$LISTEN" || return 1
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
