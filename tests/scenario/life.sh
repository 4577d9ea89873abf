#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A plant that polls while things happen to the guard: reload, dead processes, a flood, take-over, stop.
# The HMI (libmodbus) keeps one TCP session over all of it, or the case says otherwise.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq
lib_start
need_libmodbus

policy() { # [KEYS OF THE HMI'S CONDUIT]
	cat >"$TMP/policy.yaml" <<-EOF
		interlock: 1
		site: scenario
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/28]}
		  it: {port: outside, nets: [10.1.2.16/28]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  eng: {zone: scada, ip: ${IP[eng]}}
		  mes: {zone: it, ip: ${IP[mes]}}
		  plc1: {zone: cell, ip: ${IP[plc1]}}
		conduits:
		  - name: hmi-plc
		    from: [hmi]
		    to: [plc1]
		    otherwise: reject
		    ${1:-fail: closed}
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: read, holding: [0..${2:-119}]}
		        - {name: set, units: [1], functions: [6, 16], holding: [100..${2:-119}]}
		  - name: mes-plc
		    from: [mes]
		    to: [plc1]
		    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: read, holding: [0..99]}]}
	EOF
}

client() { on hmi "$TMP/mb_client" "${IP[plc1]}" 502 "$@"; }

# during SECONDS LONGEST-MS COMMAND...: polls for so long, and until COMMAND, which begins after a second, is done; all
# polls are answered, none took longer (TCP doubles its patience each time, so what is lost for a second costs two), and then
# the same session still writes what it may and is refused what it may not.  Then, not while a busy machine is at COMMAND
# still: what is asked of an engine that is just leaving is asked again by TCP, after half a second too.
during() {
	local pid longest n busy status
	sleep 60 &
	busy=$!
	# shellcheck disable=SC2086 # steps
	bg hmi "$TMP/poll" "$TMP/mb_client" "${IP[plc1]}" 502 poll:5 ${BEFORE:-} "for:$1:5:$busy" w6:101:7 w6:130:1=exception poll:5
	pid=$PID
	sleep 1
	"${@:3}"
	status=$?
	{ kill "$busy" && wait "$busy"; } 2>/dev/null
	[ $status = 0 ] || { echo "# ${*:3} failed"; stop "$pid"; return 1; }
	wait "$pid" || { sed 's/^/# /' "$TMP/poll"; tail -n 5 "$GUARD_DIR/log" | sed 's/^/# /'; return 1; }
	read -r _ n _ longest < <(grep '^polled' "$TMP/poll")
	echo "# $n polls, the longest took $longest ms"
	[ "$longest" -le "$2" ]
}

# the processes of the guard, by what they do: the worker has the rings of AF_XDP in its memory
process() { # worker|other
	local pid
	for pid in $(pgrep -P "$DUT_PID"); do
		if grep -q 'socket:' "/proc/$pid/maps"; then [ "$1" = worker ] && echo "$pid"; else [ "$1" = other ] && echo "$pid"; fi
	done
}

kill_worker() {
	local pid
	pid=$(process worker)
	[ -n "$pid" ] && kill -9 "$pid"
}

kill_others() { # signer
	local pid
	for pid in $(process other); do kill -9 "$pid"; done
}

logged() { # TEXT: since the last call of mark
	tail -n +"$MARK" "$GUARD_DIR/log" | grep -qE "$1"
}
mark() { MARK=$(($(wc -l <"$GUARD_DIR/log") + 1)); }

alerted() { # EVENT of the guard itself
	grep -q "\"il_event\":\[\"$1\"\]" "$GUARD_DIR/eve.json"
}

reload() { # another policy: one register more
	mark
	policy "" 120
	kill -HUP "$DUT_PID"
	wait_for 10 logged 'generation 2'
}

reload_bad() {
	mark
	echo 'nonsense: [' >"$TMP/policy.yaml"
	kill -HUP "$DUT_PID"
	wait_for 10 logged 'policy.yaml:'
}

flood() {
	"$TOOLS/frames" "$P-mes:eth0" "$P-b:b0" syn 502 3 "${IP[mes]},${IP[plc1]},${MAC[plc1]}" >"$TMP/flood"
	echo "# $(cat "$TMP/flood") connections begun"
	[ "$(cat "$TMP/flood")" -gt 10000 ]
}

take_over() {
	local old=$DUT_PID
	guard_start -p "$TMP/policy.yaml" --take-over || return 1
	wait_for 10 eval "! kill -0 $old" || { echo "# the first guard is still there"; return 1; }
}

refuses() { client w6:130:1=exception poll:5; }

murder() { # all at once: nothing passes; the next guard goes on
	local pids
	# shellcheck disable=SC2046 # a list
	pids="$DUT_PID $(echo $(pgrep -P "$DUT_PID"))"
	# shellcheck disable=SC2086
	{ kill -9 $pids; wait "$DUT_PID"; } 2>/dev/null
	on hmi timeout 1 "$TMP/mb_client" "${IP[plc1]}" 502 poll:1 >/dev/null 2>&1 && { echo "# forwards without a guard"; return 1; }
	guard_start -p "$TMP/policy.yaml"
}

policy
topo_up && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
ports_note
dut guard -p "$TMP/policy.yaml" || exit 1
t "reload while polling" during 3 2000 reload
t "the new policy is in force" client w6:120:5 w6:121:5=exception
t "a policy that does not load changes nothing" during 3 2000 reload_bad
policy "" 120
t "still the policy before it" client w6:120:5 w6:121:5=exception
t "the worker is killed while polling" during 6 8000 kill_worker
t "refusals after that" refuses
t "the signer is killed while polling" during 3 2000 kill_others
t "one zone floods, the other polls" during 5 5000 flood
t "a take-over while polling" during 6 8000 take_over
# Both ends count differently since the refusal, and only the guard knows how.
BEFORE="w6:130:1=exception w6:130:2=exception poll:5"
t "a take-over behind two refusals" during 6 8000 take_over
BEFORE=''
t "the connections were handed over" grep -q 'goes on with [1-9][0-9]* connections of the one before' "$GUARD_DIR/log"
t "refusals by the new guard" refuses
t "all is killed, a new guard is started, the session lives" during 10 18000 murder
dut_stop
t "a clean stop puts the ports back" ports_same

policy 'latency: 1us'
dut guard -p "$TMP/policy.yaml" || exit 1
client for:2:5 >/dev/null
t "latency above the budget is told" wait_for 10 alerted latency.budget
DUT_KILLED=$DUT_PID
# shellcheck disable=SC2046 # a list
{ kill -9 "$DUT_KILLED" $(pgrep -P "$DUT_KILLED"); wait "$DUT_KILLED"; } 2>/dev/null
DUT='' DUT_PID=''
back=--restore
[ -z "${FAST:-}" ] || back="--detach --pin /sys/fs/bpf/$P" # the filter goes on until it is told to end; then the same
# shellcheck disable=SC2086 # options
on g "$INTERLOCK" guard $back --state "$GUARD_DIR/state" >"$TMP/restore" 2>&1
t "guard ${back%% *} puts back what a killed guard left" ports_same
topo_down

too_long() { # no answer, but the other port's MTU; the next ping then fits
	on hmi ping -c 2 -i 0.2 -W 1 -M "do" -s 1450 "${IP[plc1]}" >"$TMP/ping" 2>&1
	grep -q 'Frag needed and DF set (mtu = 1400)' "$TMP/ping" || { sed 's/^/# /' "$TMP/ping"; return 1; }
	on hmi ping -qc 2 -i 0.2 -W 1 -M "do" -s 1372 "${IP[plc1]}" >/dev/null
}

topo_up -m 1500,1400 && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
policy 'icmp: [echo]'
dut guard -p "$TMP/policy.yaml" || exit 1
t "ports of unequal MTU: the sender is told" too_long
t "ports of unequal MTU: polls" client poll:100
t_end
