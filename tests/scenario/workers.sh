#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guard with ports of DPDK and two workers: each pair of hosts is one worker's, whatever queue its frames come by; what the
# guard does as a whole (alerts, numbers, reload, panic, shadow, the end of a worker) it does with both.  That it guards as
# with one is shown by the other scenarios: GUARD_PORTS=af_packet WORKERS=2 [QUEUES=2].
# shellcheck source=tests/scenario/_lib.sh
GUARD_PORTS=${GUARD_PORTS:-af_packet}
WORKERS=${WORKERS:-2} QUEUES=${QUEUES:-1}
. "$(dirname "$0")/_lib.sh"
need_root
need jq tcpdump
need_guard
lib_start
need_libmodbus
D=$TMP/guard

# --- whose frame it is, in the driver's hands --------------------------------------------------------

frames_of() { tcpdump -nr "$1" 2>/dev/null | wc -l; }
device() { # NUMBER "CAPTURES": a queue for each
	local f
	printf net_pcap%s "$1"
	for f in $2; do printf ',rx_pcap=%s,tx_pcap=%s' "$TMP/$f" "$TMP/out-$1$f"; done
}
# N "OUTSIDE" "INSIDE": N workers forward captures: every pair is one worker's, both ways; nothing is lost
spread() {
	local n=$1 in=0 out=0 line f
	for f in $2 $3; do in=$((in + $(frames_of "$TMP/$f"))); done
	line=$("$TOOLS/dpdk_workers" "$n" "$(device 0 "$2")" "$(device 1 "$3")" $in) || return 1
	for f in $2; do out=$((out + $(frames_of "$TMP/out-0$f"))); done
	for f in $3; do out=$((out + $(frames_of "$TMP/out-1$f"))); done
	echo "# $n workers, $in frames in, $out out: $line"
	[ "$in" = "$out" ] && grep -q 'pairs 300, seen both ways 300, by two workers 0; .*, lost 0, not sent 0' <<<"$line" || return 1
	# shellcheck disable=SC2046 # numbers
	set -- $(sed 's/^frames //; s/;.*//' <<<"$line")
	[ $# = "$n" ] || return 1
	for f; do [ "$f" -gt $((in / n / 2)) ] || return 1; done
}
"$TOOLS/traffic" modbus 200 20 >"$TMP/a.pcap" && "$TOOLS/traffic" s7 300 10 >"$TMP/b.pcap" && cp "$TMP/b.pcap" "$TMP/c.pcap" || exit 1
t "two workers, devices of one queue" spread 2 a.pcap b.pcap
t "two workers, one device with two queues" spread 2 "a.pcap b.pcap" c.pcap
t "three workers" spread 3 a.pcap b.pcap

# --- what it refuses -----------------------------------------------------------------------------------

policy() { # [MODBUS RULE]
	cat >"$TMP/policy.yaml" <<-EOF
		interlock: 1
		site: scenario
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		conduits:
		  - name: c
		    from: [scada/*]
		    to: [cell/*]
		    icmp: [echo]
		    otherwise: reject
		    modbus:
		      addressing: zero-based
		      allow: [${1:-{name: r, units: [1], functions: read, holding: [0..199]\}}]
	EOF
}
BOTH=(--outside "$(port outside)" --inside "$(port inside)")
refuses() { # WHAT ARGS
	local what=$1 out
	shift
	out=$(in_ns g timeout 20 "$INTERLOCK" guard --ctl "$D/ctl" --state "$D/state" --keep-dir "$D/keep" -p "$TMP/policy.yaml" "$@" 2>&1)
	[ $? = 2 ] && grep -qF -e "$what" <<<"$out" && ports_same && return
	echo "$out"
	return 1
}
VALUES='{name: w, units: [1], functions: [6], holding: [5], values: {5: {min: 0, max: 100, change: 10}}}'
values() { policy "$VALUES" && refuses 'policy.yaml:16:' "${BOTH[@]}" --workers 2 && refuses 'each with some of its clients' "${BOTH[@]}" --workers 2; }
number() { refuses '--workers 0' "${BOTH[@]}" --workers 0 && refuses '--workers 17' "${BOTH[@]}" --workers 17; }
kernel() { refuses '--workers is of dpdk: ports' --outside xdp:outside --inside xdp:inside --workers 2; }
queues() { refuses 'has 3 queues for 2 workers' --outside dpdk:net_af_packet0,iface=outside,qpairs=3 --inside dpdk:net_af_packet1,iface=inside --workers 2; }

topo_up || exit 1
mkdir -p "$D"
ports_note
t "rules on the last value of a device" values
policy
t "a number that is none" number
t "ports in front of which is the filter in the kernel" kernel
t "more queues than workers" queues

# --- two workers -----------------------------------------------------------------------------------------

ask() { "$INTERLOCK" ctl --socket "$GUARD_CTL" --json "$@"; }
worker() { ask status | jq -r '.result.processes[] | select(.name == "worker") | .pid'; }
for i in plc1 plc2; do serve $i t 502 "$TMP/server.$i" "$TMP/mb_server" 502 "$TMP/mb.$i" || exit 1; done
dut guard -p "$TMP/policy.yaml" || exit 1

each_pair() { # MODBUS...: of all stations with both controllers at once
	local from to pids=() bad=0
	for from in a hmi eng mes; do
		for to in plc1 plc2; do
			on $from "$TMP/mb_client" "${IP[$to]}" 502 "$@" >"$TMP/pair.$from.$to" 2>&1 &
			pids+=($!)
		done
	done
	for to in "${pids[@]}"; do wait "$to" || bad=1; done
	[ $bad = 0 ] || cat "$TMP"/pair.*
	return $bad
}
at_ports() { # frames that they have got
	local in=0 i
	for i in outside inside; do in=$((in + $(ip -n "$P-g" -j -s link show dev $i | jq '.[0].stats64.rx.packets'))); done
	echo $in
}
counted() { ask status | jq '.result.packets | .received + .lost_before'; }
sleep 1.1 # sums are made once a second
AT_PORTS=$(at_ports) COUNTED=$(counted)
t "eight pairs of hosts" each_pair poll:100 w6:100:1=exception poll:50
both() { # have judged some, each connection one of them; the sums are those of the whole
	ask status | jq -ce '.result | .workers as $w | .packets, .flows, $w,
		($w | length == 2 and all(.[]; .pdus > 100 and .flows_active > 0 and .generation == 1)
			and all(.[]; .received + .injected == .forwarded + .dropped + .consumed + .held)
			and (map(.flows_active) | add) == 8)' | sed 's/^/# /'
	[ "${PIPESTATUS[1]}" = 0 ]
}
sleep 1.1
t "both have judged some" both
listed() { # every connection once, by whoever judges it
	"$INTERLOCK" ctl --socket "$GUARD_CTL" flows >"$TMP/flows" && sed 's/^/# /' "$TMP/flows" &&
		[ "$(grep -c ':502\|502' "$TMP/flows")" = 8 ] && [ "$(sort "$TMP/flows" | uniq -d | wc -l)" = 0 ]
}
t "ctl flows has all" listed
told() { # what each worker denied is told once, and signed
	[ "$(grep '"event_type":"alert"' "$D/eve.json" | grep -c '"dest_port":502')" = 8 ] && "$INTERLOCK" journal verify --key "$D/key.pub" "$D/journal" >/dev/null
}
t "the alerts of both are in one journal" wait_for 5 told
exact() { # since the guard began
	[ $(($(counted) - COUNTED)) = $(($(at_ports) - AT_PORTS)) ]
}
t "every frame is counted once" wait_for 3 exact
metrics() { ask metrics | jq -r .result.text >"$TMP/metrics" && [ "$(grep -c '^interlock_worker_packets_received_total{worker="[01]"} [1-9]' "$TMP/metrics")" = 2 ]; }
t "metrics show each" metrics

rights() { # of every thread: no capability, no way to get one, the filter of system calls
	local thread n=0
	for thread in /proc/"$(worker)"/task/*; do
		n=$((n + 1))
		grep -Eq '^CapPrm:\s*0*$' "$thread/status" && grep -Eq '^CapBnd:\s*0*$' "$thread/status" &&
			grep -Eq '^NoNewPrivs:\s*1' "$thread/status" && grep -Eq '^Seccomp:\s*2' "$thread/status" &&
			[ "$(awk '/^Uid:/ { print $2 }' "$thread/status")" != 0 ] || { cat "$thread/comm" "$thread/status"; return 1; }
	done
	echo "# $n threads"
	[ $n -ge 3 ] # EAL's, too
}
t "their threads have no rights" rights
t "they sleep when there is nothing" idles "$(worker)" 10 2

# --- all of them at once -----------------------------------------------------------------------------------

reload() { # under polls of all pairs: sessions go on, and both have the new policy
	local n pid ok
	each_pair for:2:5 >"$TMP/polls" 2>&1 &
	pid=$!
	for n in 1 2 3 4 5; do
		policy "{name: r$n, units: [1], functions: read, holding: [0..199]}"
		ask reload >/dev/null || return 1
	done
	policy "$VALUES"
	ask reload >"$TMP/reload" && return 1
	grep -q 'each with some of its clients' "$TMP/reload" || return 1
	wait $pid
	ok=$?
	[ $ok = 0 ] || cat "$TMP/polls"
	ask status | jq -ce '.result | .policy.generation as $g | [.workers[].generation], ($g > 5 and all(.workers[]; .generation == $g))' >"$TMP/gens" || ok=1
	sed 's/^/# /' "$TMP/gens"
	return $ok
}
t "reloads under polls; one that asks for values is refused" reload
policy
shadow() { # a stricter policy beside it: differences of both workers are one report
	each_pair poll:1 && policy "{name: r, units: [1], functions: read, holding: [0..4]}" &&
		ask shadow "$TMP/policy.yaml" >/dev/null && each_pair poll:20 &&
		wait_for 2 eval 'ask shadow | jq -e ".result | .would_stop == 160 and .judged >= 320 and (.differences | length == 1 and .[0].count == 160)"' &&
		ask shadow --stop >/dev/null
}
t "a shadow is judged by both" shadow
island() { # nothing passes, whoever's it is; then all of it again
	ask panic island >/dev/null || return 1
	local from to
	for from in hmi eng mes; do for to in plc1 plc2; do
		on $from ping -qnc 1 -W 0.2 "${IP[$to]}" >/dev/null && return 1
	done; done
	ask panic off >/dev/null && each_pair poll:3
}
t "panic is of both" island
# Permits are on one page that all read: what each pair may, whoever's it is.
hours() { # the policy with a window that needs a permit
	policy "{name: set, units: [1], functions: [3, 6], holding: [100..102]}" && sed -i -e "/^mode:/a permits: {keys: [$X], max: 1h, grace: 1s}" \
		-e '/^mode:/a windows: {service: {when: "daily 00:00-24:00", tz: UTC, needs: permit}}' \
		-e '/^conduits:/i devices:' -e 's/^    otherwise: reject/    only-in: service\n&/' \
		-e 's/^    from: .*/    from: [a, hmi, eng, mes]/; s/^    to: .*/    to: [plc1, plc2]/' "$TMP/policy.yaml" || return 1
	local i
	for i in a hmi eng mes; do sed -i "/^conduits:/i \  $i: {zone: scada, ip: ${IP[$i]}}" "$TMP/policy.yaml"; done
	for i in plc1 plc2; do sed -i "/^conduits:/i \  $i: {zone: cell, ip: ${IP[$i]}}" "$TMP/policy.yaml"; done
}
no_pair() { # MODBUS: of none
	local from to pids=()
	for from in a hmi eng mes; do for to in plc1 plc2; do
		on $from timeout 2 "$TMP/mb_client" "${IP[$to]}" 502 "$@" >/dev/null 2>&1 &
		pids+=($!)
	done; done
	for to in "${pids[@]}"; do wait "$to" && from=passed; done
	[ "$from" != passed ]
}
permitted() {
	local id
	"$INTERLOCK" key new "$TMP/lead" >/dev/null && X=$("$INTERLOCK" key show --jwk "$TMP/lead.pub" | jq -r .x) && hours &&
		ask reload >/dev/null && no_pair w6:100:7 || { echo "before"; return 1; }
	"$INTERLOCK" permit new --key "$TMP/lead" --by "J. Doe" -p "$TMP/policy.yaml" --window service --from a,hmi,eng,mes --to plc1,plc2 \
		--until 30m -o "$TMP/p.jws" >/dev/null && id=$("$INTERLOCK" permit show "$TMP/p.jws" | sed -n 's/^permit *//p') &&
		ask permit "$TMP/p.jws" >/dev/null && wait_for 10 each_pair w6:100:7 || { echo "given: $id"; return 1; }
	ask permit --revoke "$id" >/dev/null && wait_for 20 no_pair w6:100:7 || { echo "revoked"; return 1; }
	policy && ask reload >/dev/null && each_pair poll:3
}
t "a permit opens for both, and closes for both" permitted
killed() { # one process: all of it ends, and begins again
	local w
	w=$(worker)
	kill -9 "$w"
	wait_for 10 eval '[ "$(worker)" -gt 0 ] && [ "$(worker)" != '"$w"' ]' || return 1
	wait_for 10 each_pair poll:5
}
t "the worker is killed" killed
balance() { # nothing of what was counted before is gone, and it still adds up
	ask counters | jq -ce '.result.packets, (.result.packets | .received + .injected == .forwarded + .dropped + .consumed + .held and .received > 5000)' | sed 's/^/# /'
	[ "${PIPESTATUS[1]}" = 0 ]
}
t "every frame is accounted for" balance
# Behind refusals, since both ends count differently then, and only the guard knows how.  Of each pair of hosts one connection: the next guard has other workers, and whose it is its own seed says.
over() { # FROM TO: a take-over under polls of all pairs, all sessions go on
	local old=$DUT_PID pid ok n
	each_pair w6:100:1=exception w6:100:1=exception for:5:10 w6:100:1=exception poll:5 >"$TMP/polls" 2>&1 &
	pid=$!
	sleep 1
	WORKERS=$2
	guard_start -p "$TMP/policy.yaml" --take-over || { kill $pid; return 1; }
	wait "$old" 2>/dev/null
	wait $pid
	ok=$?
	n=$(sed -n 's/.*goes on with \([0-9]*\) connections of the one before.*/\1/p' "$D/log" | tail -n 1)
	echo "# $n connections from $1 workers to $2"
	[ $ok = 0 ] || cat "$TMP/polls"
	[ $ok = 0 ] && [ "$n" -ge 8 ] && [ "$(ask status | jq '[.result.workers[].worker] | length')" = "$2" ] && each_pair poll:5
}
t "another guard with three workers takes over, all sessions go on" over 2 3
t "and one with two from that" over 3 2
dut_stop
t "its end is signed" eval '"$INTERLOCK" journal verify --key "$D/key.pub" "$D/journal" | grep complete'
t "the ports are as they were" ports_same
t_end
