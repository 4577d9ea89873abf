#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# watch under load: RATE packets a second for LOAD_S seconds beside two real peers; every frame that the interface counts is either
# judged or counted as missed, and none is missed.  RATE=100000 LOAD_S=5 is what docs/PERFORMANCE.md measured; less by default, since
# other tests run beside it.
. "$(dirname "$0")/_lib.sh"
. "$(dirname "$0")/_mirror.sh"
RATE=${RATE:-20000} LOAD_S=${LOAD_S:-3}
for n in hmi plc sw; do in_ns $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done # or somebody speaks beside the test
sleep 1
"$TOOLS/traffic" modbus 64 $((RATE * LOAD_S)) >"$TMP/flood.pcap"
"$INTERLOCK" replay --json "$TMP/flood.pcap" >"$TMP/flood.json"

received() { in_ns sw cat /sys/class/net/side/statistics/rx_packets; }
listen() { # OUT ARGS: pid in LISTEN
	rm -f "$TMP/err"
	ip netns exec "$P-sw" "$INTERLOCK" watch -i side --json --user root "${@:2}" 2>"$TMP/err" >"$1" &
	LISTEN=$!
	heard
}
flood() { # and the peers meanwhile
	: >"$TMP/adus"
	talk >/dev/null &
	local peers=$!
	in_ns sw timeout "$LIMIT" "$TOOLS/flood" span "$TMP/flood.pcap" "$RATE" "$LOAD_S" >"$TMP/sent" && wait $peers
}
# What the interface counted from when watch began to be started or was there, to when it was told to end or had ended: at
# least and at most, since the peers may ask for an address (ARP) in between.
began() { early=$(received); }
there() { late=$(received); }
ends() { least=$(($(received) - late)); }
ended() { most=$(($(received) - early)); }
each_once() { # SUM
	echo "# interface $least to $most, watch $1"
	[ "$1" -ge "$least" ] && [ "$1" -le "$most" ]
}
sum() { jq -s "map(.captures[0]$1) | add" "${@:2}"; }

case_load() {
	began
	listen "$TMP/out" --detect --assets "$TMP/a.json" --conversations "$TMP/talk.json" --eve "$TMP/eve" --ring 64M || return 1
	there
	flood || return 1
	sleep 1
	ends
	awk -v hz="$(getconf CLK_TCK)" '{ printf "# cpu %.2f s\n", ($14 + $15) / hz }' "/proc/$LISTEN/stat"
	awk '/VmHWM/ { printf "# memory %d MiB\n", $2 / 1024 }' "/proc/$LISTEN/status"
	kill -TERM $LISTEN
	wait $LISTEN || return 1
	ended
	echo "# $(cut -d' ' -f1 "$TMP/sent") frames in $(cut -d' ' -f2 "$TMP/sent") s, beside $(wc -l <"$TMP/adus") requests of the peers"
	each_once "$(sum .packets.received "$TMP/out")" && ! grep -q 'frames came faster' "$TMP/err" &&
		[ "$(jq -s 'map(select(.alert.metadata.il_event[0] == "watch.missed")) | length' "$TMP/eve")" = 0 ] || { cat "$TMP/err"; return 1; }
	# and each PDU: those of the capture, and of the peers as the server counts them
	[ "$(jq '[.conversations[] | select(.server.ip == "10.1.2.130").requests] | add' "$TMP/talk.json")" = "$(wc -l <"$TMP/adus")" ] &&
		[ "$(sum .pdus.all "$TMP/out")" = $(($(sum .pdus.all "$TMP/flood.json") + 2 * $(wc -l <"$TMP/adus"))) ]
}
# Two that share the interface: each connection is one's alone, both directions of it, and nothing is lost between them.
case_fanout() {
	local first
	began
	listen "$TMP/one" --fanout 7 --facts "$TMP/f1" || return 1
	first=$LISTEN
	listen "$TMP/two" --fanout 7 --facts "$TMP/f2" || return 1
	there
	flood || return 1
	sleep 1
	ends
	kill -TERM $first $LISTEN
	wait $first && wait $LISTEN || return 1
	ended
	for n in 1 2; do jq -r '[[.src, .sport], [.dst, .dport]] | sort | flatten | join(" ")' "$TMP/f$n" | sort -u >"$TMP/c$n"; done
	echo "# $(wc -l <"$TMP/c1") and $(wc -l <"$TMP/c2") connections"
	each_once "$(sum .packets.received "$TMP/one" "$TMP/two")" && [ -s "$TMP/c1" ] && [ -s "$TMP/c2" ] &&
		[ -z "$(comm -12 "$TMP/c1" "$TMP/c2")" ] && [ "$(sort "$TMP/c1" "$TMP/c2" | wc -l)" = 65 ] &&
		[ "$(sum .pdus.all "$TMP/one" "$TMP/two")" = $(($(sum .pdus.all "$TMP/flood.json") + 2 * $(wc -l <"$TMP/adus"))) ]
}
case_wrong() {
	local bad
	for bad in "--ring 1k" "--ring 4G" "--snaplen 1" "--snaplen 70000" "--fanout 70000" "--fanout x" "--fanout 0"; do
		# shellcheck disable=SC2086 # words
		in_ns sw timeout 10 "$INTERLOCK" watch -i side --for 1s $bad >/dev/null 2>&1
		[ $? = 2 ] || { echo "$bad"; return 1; }
	done
	in_ns sw timeout 10 "$INTERLOCK" watch -i side --for 1s --snaplen 128 --own -q
}

t "no frame is lost, and each PDU is judged" case_load
t "two share an interface by connection" case_fanout
t "sizes and groups that cannot be" case_wrong
t_end
