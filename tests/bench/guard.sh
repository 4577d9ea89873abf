#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Modbus round trips at 2 000 a second through the guard, beside a Linux bridge and a bridge with an nft
# payload match, taken in turns.  Prints each round and, at the end, the median of each and its
# ratio to the bridge of the same round.  Exit status 1 when the guard's p50 is above LIMIT_RATIO
# times the bridge's.  `fast` is the guard with --fast-path, `redirect` an XDP program that does nothing but send
# frames out by the other port: of these the ratio is printed as well.  All of it twice: the second time
# frames that the policy denies come in by the outside port meanwhile, as fast as another CPU can send them.
#
# usage: [ROUNDS=5] [SECONDS_EACH=3] [RATE=2000] [LIMIT_RATIO=3] [FLOOD=no|only] tests/bench/guard.sh [DEVICE...]
#   DEVICE  bridge nft guard fast redirect (all five, when absent), forward: AF_XDP without engine
#           and policy
# Peers and guard run with real-time priority (RUN_BY=), so that what else the machine does is not in the
# figures: a bridge works in the sender's own context and would not feel it, a process does.
RUN_BY=${RUN_BY-$(chrt -f 20 true 2>/dev/null && echo chrt -f 20)}
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/../scenario/_lib.sh"
need_root
ROUNDS=${ROUNDS:-5} EACH=${SECONDS_EACH:-3} RATE=${RATE:-2000} LIMIT_RATIO=${LIMIT_RATIO:-3}
[ $# -gt 0 ] || set -- bridge nft guard fast redirect
case ${FLOOD:-} in
'') PHASES='calm flood' ;;
no) PHASES=calm ;;
*) PHASES=flood ;;
esac

topo_up || exit 1
cat >"$TMP/policy.yaml" <<-EOF
	interlock: 1
	site: bench
	mode: enforce
	l2: {arp: any}
	zones: {scada: {port: outside, nets: [10.1.2.0/25]}, cell: {port: inside, nets: [10.1.2.128/25]}}
	devices: {hmi: {zone: scada, ip: ${IP[a]}}, plc: {zone: cell, ip: ${IP[b]}}}
	conduits:
	  - name: hmi-plc
	    from: [hmi]
	    to: [plc]
	    otherwise: reject
	    modbus:
	      addressing: zero-based
	      allow:
	        - {name: poll, units: [1], functions: read, holding: [0..199]}
	        - {name: set, units: [1], functions: [6, 16], holding: [100..119], values: {100: 0..1500}}
EOF

place() { # DEVICE
	case $1 in
	guard) dut guard -p "$TMP/policy.yaml" ;;
	fast) FAST=1 dut guard -p "$TMP/policy.yaml" ;;
	redirect) redirect_on ;;
	forward)
		bg g "$TMP/fwd" "$TOOLS/xdp_forward" outside inside
		FWD=$PID
		wait_for 5 grep -q ready "$TMP/fwd"
		;;
	*) dut "$1" ;;
	esac
}

take_away() {
	case $1 in
	forward) stop "$FWD" ;;
	redirect) redirect_off ;;
	*) dut_stop ;;
	esac
}

PIN=/sys/fs/bpf/redirect-$$
redirect_on() {
	local i n at=0
	bpftool prog loadall "$B/gen/tests/bench/redirect.bpf.o" "$PIN" pinmaps "$PIN" || return 1
	for i in outside inside; do
		n=$(ip -n "$P-g" -j link show "$i" | jq '.[0].ifindex')
		(in_ns g bpftool map update pinned "$PIN/redirect_to" key $at 0 0 0 value $((n & 255)) $((n >> 8)) 0 0) || return 1
		at=$((at + 1))
	done
	(in_ns g bpftool net attach xdpdrv pinned "$PIN/redirect_out" dev outside) &&
		(in_ns g bpftool net attach xdpdrv pinned "$PIN/redirect_in" dev inside)
}
redirect_off() {
	(in_ns g bpftool net detach xdpdrv dev outside)
	(in_ns g bpftool net detach xdpdrv dev inside)
	rm -r "$PIN"
}

flood_on() {
	bg a "$TMP/flood" taskset -c $(($(nproc) - 1)) python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 9))
while True:
	try: s.send(b"x" * 40)
	except OSError: pass' "${IP[b]}"
	FLOODER=$PID
}

sed -n 's/^model name.*: //p' /proc/cpuinfo | uniq -c | sed 's/^ *//'
uname -sr
echo "$(nproc) CPUs, load $(cut -d ' ' -f 1-3 /proc/loadavg); $("$INTERLOCK" --version | head -n 1)"
echo "veth pairs, native XDP, AF_XDP copy mode, MTU 1500${RUN_BY:+, $RUN_BY}; $RATE transactions/s for $EACH s, $ROUNDS rounds; microseconds"
serve b t 502 "$TMP/rtt" "$TOOLS/rtt" serve 0.0.0.0 502 || exit 1
rounds() { # PHASE DEVICE...
	local round device p50 p99 p999 max
	printf '%-5s %-8s %10s %10s %10s %10s\n' round device p50 p99 p99.9 max
	for ((round = 1; round <= ROUNDS; round++)); do
		for device in "${@:2}"; do
			place "$device" || exit 1
			on a "$TOOLS/rtt" poll "${IP[b]}" 502 "$RATE" 1 >/dev/null || exit 1 # neighbours, caches
			[ "$1" = calm ] || flood_on
			read -r _ p50 p99 p999 max < <(on a "$TOOLS/rtt" poll "${IP[b]}" 502 "$RATE" "$EACH") || exit 1
			[ "$1" = calm ] || stop "$FLOODER"
			take_away "$device"
			printf '%-5s %-8s %10s %10s %10s %10s\n' "$round" "$device" "$p50" "$p99" "$p999" "$max"
			echo "$round $device $p50 $p99 $p999" >>"$TMP/rounds.$1"
		done
	done
}

summary() { # FILE: of rounds; false when the guard is too slow
	awk -v limit="$LIMIT_RATIO" '
function median(list, n,    i, j, t, a) {
	split(list, a, " ")
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
	return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}
FNR == NR { # the file is read twice
	for (k = 3; k <= 5; k++) {
		if ($2 == "redirect") bare[$1, k] = $k
		if ($2 == "bridge") base[$1, k] = $k
	}
	next
}
{
	if (!($2 in n)) order[++devices] = $2
	n[$2]++
	for (k = 3; k <= 5; k++) {
		all[$2, k] = all[$2, k] " " $k
		if (bare[$1, k] > 0) over[$2, k] = over[$2, k] " " $k / bare[$1, k]
		if (base[$1, k] > 0) ratio[$2, k] = ratio[$2, k] " " $k / base[$1, k]
	}
}
END {
	printf "\n%-8s %10s %10s %10s   median of the ratios to the bridge of the same round\n", "median", "p50", "p99", "p99.9"
	for (i = 1; i <= devices; i++) {
		d = order[i]
		printf "%-8s %10.1f %10.1f %10.1f   ", d, median(all[d, 3], n[d]), median(all[d, 4], n[d]), median(all[d, 5], n[d])
		if (!(("bridge") in n)) { print ""; continue }
		r = median(ratio[d, 3], n[d])
		printf "%.2f  %.2f  %.2f\n", r, median(ratio[d, 4], n[d]), median(ratio[d, 5], n[d])
		if (d == "guard") { seen = 1; bad = r > limit }
	}
	if (("fast" in n) && ("redirect" in n))
		printf "fast: p50 is %.2f and p99.9 %.2f times the bare redirect (goals: 1.15 and 2)\n", median(over["fast", 3], n["fast"]), median(over["fast", 5], n["fast"])
	if (seen) printf "guard: p50 is %.2f times the bridge (goal: at most %s)\n", median(ratio["guard", 3], n["guard"]), limit
	exit bad
}' "$1" "$1"
}

bad=0
for phase in $PHASES; do
	[ "$phase" = calm ] || printf '\nwhile another CPU sends what is denied, as fast as it can:\n'
	rounds "$phase" "$@"
	summary "$TMP/rounds.$phase" || [ "$phase" = flood ] || bad=1
done
exit $bad
