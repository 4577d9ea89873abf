#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `limits:` of a zone: what is above them is dropped, counted and told, and others do not notice.  The same over AF_XDP, where the filter
# in the kernel counts, and with ports of DPDK (GUARD_PORTS, WORKERS), where the workers do.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq
lib_start
need_libmodbus

policy() { # LIMITS of the zone of hmi and eng
	cat >"$TMP/policy.yaml" <<-EOF
		interlock: 1
		site: scenario
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/28], limits: $1}
		  it: {port: outside, nets: [10.1.2.16/28]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		conduits:
		  - name: c
		    from: [scada/*, it/*]
		    to: [cell/*]
		    icmp: [echo]
		    modbus: {addressing: zero-based, allow: [{name: r, units: [1], functions: read, holding: [0..199]}]}
	EOF
}
ask() { "$INTERLOCK" ctl --socket "$GUARD_CTL" --json "$@"; }
client() { on "$1" "$TMP/mb_client" "${IP[plc1]}" 502 "${@:2}"; }
over() { # REASON: packets that were dropped for it so far
	ask counters | jq --arg r "$1" '[.result.drops[] | select(.by == "filter" and .reason == $r) | .packets] | add // 0'
}
arrived() { ip -n "$P-$1" -j -s link show dev eth0 | jq '.[0].stats64.rx.packets'; }

policy '{packets: 300/s, flows: 20/s}'
topo_up && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
dut guard -p "$TMP/policy.yaml" || exit 1

below() { # polls of a usual plant: nothing is dropped
	client hmi for:2:20 && [ "$(over limit.packets)" = 0 ] && [ "$(over limit.flows)" = 0 ]
}
t "polls below the limits" below

# Twenty at once, and twenty a second; SYN after SYN is sent as fast as it goes.
flood() { # SECONDS: connections begun, of which few arrive
	local before n came t0=$EPOCHREALTIME t
	before=$(arrived plc1)
	"$TOOLS/frames" "$P-hmi:eth0" "$P-b:b0" syn 502 "$1" "${IP[hmi]},${IP[plc1]},${MAC[plc1]}" >"$TMP/flood" || return 1
	t=$((${EPOCHREALTIME/[.,]/} - ${t0/[.,]/}))
	came=$(($(arrived plc1) - before)) n=$(over limit.flows)
	echo "# $(cat "$TMP/flood") begun in $((t / 1000)) ms: $came arrived, $n dropped"
	# What else arrives in that time: polls of the other zone, ARP
	[ "$(cat "$TMP/flood")" -gt 5000 ] && [ "$n" -gt 1000 ] && [ "$came" -le $((20 * (t / 1000000 + 2) + ${2:-40})) ]
}
t "connections above the limit" flood 2
other() { # the other zone polls on during a flood, and is answered
	local pid
	client mes for:3:5 >"$TMP/mes" 2>&1 &
	pid=$!
	flood 2 4000 || return 1
	wait $pid || { cat "$TMP/mes"; return 1; }
	sed 's/^/# /' "$TMP/mes"
}
t "another zone does not notice" other
again() { sleep 1.1; client hmi for:1:20; }
t "when it is over the zone may go on" again

packets() { # echo requests as fast as they go: three hundred at once, and three hundred a second
	local was n t0 t
	sleep 1.1
	was=$(over limit.packets) t0=$EPOCHREALTIME
	on eng ping -qfc 2500 -w 10 -l 100 -W 1 "${IP[plc1]}" >"$TMP/ping"
	t=$((${EPOCHREALTIME/[.,]/} - ${t0/[.,]/}))
	n=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$TMP/ping")
	echo "# $(grep received "$TMP/ping"); $(($(over limit.packets) - was)) dropped, in $((t / 1000)) ms"
	[ "$n" -ge 300 ] && [ "$n" -le $((300 * (t + 1000000) / 1000000)) ] && [ $(($(over limit.packets) - was)) -gt 500 ]
}
t "packets above the limit" packets

told() { # as alerts, with how many they stand for; a handful a second, not one for each
	local r
	for r in limit.flows limit.packets; do
		jq -se --arg r "$r" '[.[] | select(.event_type == "alert" and ([.. | strings] | index($r)))] | length > 0 and length < 200' "$GUARD_DIR/eve.json" >/dev/null || return 1
	done
}
t "they are told" wait_for 5 told
metrics() {
	ask metrics | jq -r .result.text >"$TMP/metrics"
	grep -E 'interlock_filter_dropped_total\{port="outside",reason="limit\.(flows|packets)"\} [1-9]' "$TMP/metrics" | sed 's/^/# /'
	[ "$(grep -cE 'interlock_filter_dropped_total\{port="outside",reason="limit\.(flows|packets)"\} [1-9]' "$TMP/metrics")" = 2 ]
}
t "metrics show both" metrics
shown() { ask status | jq -e '[.result.drops[] | select(.by == "filter" and .reason == "limit.packets" and .outside > 0 and .inside == 0 and .bytes > 0)] | length == 1' >/dev/null; }
t "ctl status shows them by port, with bytes" shown

reload() { # other limits, and none
	local was
	policy '{packets: 20000/s}' && ask reload >/dev/null && sleep 0.2 || return 1
	was=$(over limit.packets)
	on eng ping -qfc 1000 -w 10 -l 50 "${IP[plc1]}" >"$TMP/ping" && [ "$(over limit.packets)" = "$was" ] || { cat "$TMP/ping"; return 1; }
	policy '{flows: 5/s}' && ask reload >/dev/null && client hmi poll:3 || return 1
	was=$(over limit.flows)
	"$TOOLS/frames" "$P-hmi:eth0" "$P-b:b0" syn 502 1 "${IP[hmi]},${IP[plc1]},${MAC[plc1]}" >"$TMP/flood" && [ "$(over limit.flows)" -gt "$was" ]
}
t "a reload with other limits" reload
balance() { ask counters | jq -e '.result.packets | .received + .injected == .forwarded + .dropped + .consumed + .held' >/dev/null; }
t "every frame is accounted for" balance
killed() { # of the worker: counters go on, limits hold
	local was w
	was=$(over limit.flows)
	w=$(ask status | jq -r '.result.processes[] | select(.name == "worker") | .pid')
	kill -9 "$w"
	wait_for 10 client mes poll:3 && [ "$(over limit.flows)" -ge "$was" ] || { echo "was $was, is $(over limit.flows)"; return 1; }
	"$TOOLS/frames" "$P-hmi:eth0" "$P-b:b0" syn 502 1 "${IP[hmi]},${IP[plc1]},${MAC[plc1]}" >"$TMP/flood" && [ "$(over limit.flows)" -gt "$was" ]
}
t "the worker is killed" killed
dut_stop
t_end
