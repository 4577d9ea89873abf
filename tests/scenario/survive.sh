#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every process of a guard is killed in turn, under polls that the kernel judges: none fails, nothing that is
# forbidden passes, and the next guard goes on.  Then policies and successors.
# SWAPS, TAKEOVERS, CRASHES: how many (5, 1 and 1; the full run is 100, 20 and 10).
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"

need_root
need_guard
need_kernel_path "what outlives the guard"
need python3 jq bpftool
topo_up || exit 1
POL=$TMP/policy.yaml
PINS=/sys/fs/bpf/$P
MB="python3 $ROOT/tests/scenario/peers/mb_poll.py"
SWAPS=${SWAPS:-5} TAKEOVERS=${TAKEOVERS:-1} CRASHES=${CRASHES:-1}
export FAST=1

idle() { # allows the same as polls, to others: first or last, so that conduits and rules change their numbers
	cat <<-EOT
		  - {name: idle, from: [mes], to: [plc1], modbus: {addressing: zero-based, allow: [{name: idle, units: [1], functions: [3, 6], holding: [0..199]}]}}
	EOT
}
policy() { # SITE [LINE]
	cat >"$TMP/new.yaml" <<-EOT
		interlock: 1
		site: $1
		mode: enforce
		${2:-}
		l2: {arp: any}
		zones:
		  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}
		  cell: {level: 1, port: inside, nets: [10.1.2.128/25]}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  mes: {zone: scada, ip: ${IP[mes]}}
		  plc1: {zone: cell, ip: ${IP[plc1]}}
		  plc2: {zone: cell, ip: ${IP[plc2]}}
		conduits:
		$([ "$1" != swap1 ] || idle)
		  - name: polls
		    from: [hmi]
		    to: [plc1]
		    otherwise: reject
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: [3, 6], holding: [0..199]}
		  - name: history
		    from: [mes]
		    to: [plc2]
		    fail: open
		    modbus:
		      addressing: zero-based
		      limits: {rate: 60000/s}
		      allow:
		        - {name: all, units: [1], functions: [3], holding: [0..199]}
		$([ "$1" = swap1 ] || idle)
	EOT
	mv "$TMP/new.yaml" "$POL"
}

ctl() { "$INTERLOCK" ctl --socket "$GUARD_CTL" "$@"; }
status() { ctl status --json | jq .result; }
fast() { status | jq -r ".fast_path | $1"; }
log_has() { grep -q -- "$1" "$GUARD_DIR/log"; }

# --- sessions: NAME NODE ADDRESS ------------------------------------------------------------------

declare -A FD SEEN
session() {
	mkfifo "$TMP/$1.in"
	: >"$TMP/$1.out"
	(LIMIT=400 on "$2" $MB "$3") <"$TMP/$1.in" >"$TMP/$1.out" 2>&1 &
	local fd
	exec {fd}>"$TMP/$1.in"
	FD[$1]=$fd
	SEEN[$1]=0
}
begin() { echo "$2 $3" >&"${FD[$1]}"; }
answered() { [ "$(grep -c . "$TMP/$1.out")" -gt "${SEEN[$1]}" ]; }
ends() {
	wait_for 50 answered "$1"
	SEEN[$1]=$((SEEN[$1] + 1))
	sed -n "${SEEN[$1]}p" "$TMP/$1.out" >"$TMP/said"
	grep -q '^done' "$TMP/said" && return
	cat "$TMP/$1.out"
	return 1
}
does() { begin "$1" "$2" "$3" && ends "$1"; }

polling() { # polls all the time, until it has polled: in both conduits
	rm -f "$TMP/hmi.stop"* "$TMP/mes.stop"*
	begin hmi loop "$TMP/hmi.stop"
	begin mes loop "$TMP/mes.stop"
}
polled() { # NAME: how many
	cat "$TMP/$1.stop.n" 2>/dev/null || echo 0
}
more() { [ "$(polled "$1")" -ge "$2" ]; }
go_on() { # polls of both go on from here
	local name
	for name in hmi mes; do
		wait_for 20 more $name $(($(polled $name) + 40)) && continue
		echo "# no polls of $name: $(polled $name)"
		tail -n 3 "$TMP/$name.out"
		return 1
	done
}
above() { fast 'select(.connections != null) | .conduits[] | select(.conduit == "polls") | .engine'; }
owned() { # the kernel has the session again: polls go on, the engine sees none of them
	local i n
	for ((i = 0; i < 40; i++)); do
		n=$(above)
		go_on || return 1
		[ -n "$n" ] && [ "$(above)" = "$n" ] && return
	done
	status | jq .fast_path
	return 1
}
polled_all() {
	touch "$TMP/hmi.stop" "$TMP/mes.stop"
	ends hmi && sed 's/^/# hmi: /' "$TMP/said" && ends mes && sed 's/^/# mes: /' "$TMP/said"
}
unwritten() { # nothing that is forbidden has arrived
	! grep -H written "$TMP"/server*
}

# --- processes -----------------------------------------------------------------------------------------

child() { pgrep -P "$DUT_PID" "guard-$1"; }
restarted() { # NAME N: it is up, and was started again N times
	[ "$(status | jq -r --arg n "$1" '.processes[] | select(.name == $n) | "\(.up) \(.restarts)"')" = "true $2" ]
}
kill_child() { # NAME
	kill -9 "$(child "$1")" && go_on && wait_for 20 restarted "$1" 1 && owned
}
nobody() { ! ip netns pids "$P-g" | grep -q .; }
die() {
	{ kill -9 "$DUT_PID" && wait "$DUT_PID"; } 2>/dev/null
	DUT_PID=''
	wait_for 10 nobody
}
again() { dut guard -p "$POL" --metrics 127.0.0.1:9621 --bypass "file:$TMP/bypass" "$@"; }
told() { # EVENT TEXT: an alert
	jq -e -s --arg e "$1" --arg t "$2" 'any(.[]; .alert.metadata | .il_event[0] == $e and (.il_note[0] // "" | contains($t)))' "$GUARD_DIR/eve.json"
}
page() { # of ctl status, which ends with 1 when something wants attention
	ctl status >"$TMP/page"
	grep -q "$1" "$TMP/page"
}
bypass() { grep -q "$1" "$TMP/bypass"; } # closed: the policy never arms it, and no watchdog runs

policy survive
serve plc1 t 502 "$TMP/server1" $MB server || exit 1
serve plc2 t 502 "$TMP/server2" $MB server || exit 1
t "starts" again
session hmi hmi "${IP[plc1]}"
session mes mes "${IP[plc2]}"
session bad hmi "${IP[plc1]}"
mostly() { [ "$(fast '.conduits[] | select(.conduit == "polls") | .per_mille')" -ge 800 ]; }
kernel_has() { # and that of the HMI that will do what it must not is the kernel's too
	does hmi poll 300 && does bad poll 100 && does mes poll 20 && wait_for 10 mostly
}
t "the kernel has the connections that it may have" kernel_has
polling
t "worker: killed, polls go on, there is another one" kill_child worker
shown() { # away, and back: an alert each, and on the page
	wait_for 10 told engine.away '' && wait_for 10 told engine.back 'was away for' &&
		[ "$(fast '.away | "\(.now) \(.times)"')" = 'false 1' ] && page 'engine was away 1 times' &&
		[ "$(fast .pinned)" = "$PINS" ]
}
t "... it is said that no engine was there, and for how long" shown
t "signer: the same" kill_child signer
t "metrics: the same" kill_child metrics
builder() { # while it compiles, or before: the policy in force stays
	local was now pid i
	for ((i = 0; i < 50; i++)); do
		read -r was <"/proc/$DUT_PID/task/$DUT_PID/children"
		ctl reload >"$TMP/reload" 2>&1 &
		now=$was
		while [ "$now" = "$was" ] && kill -0 $! 2>/dev/null; do read -r now <"/proc/$DUT_PID/task/$DUT_PID/children"; done
		for pid in $now; do
			case " $was " in *" $pid "*) ;; *) kill -9 "$pid" ;; esac
		done 2>/dev/null
		wait $! || break
	done
	sed 's/^/# /' "$TMP/reload"
	[ $i -lt 50 ] && go_on && ctl reload >/dev/null && owned
}
t "builder: the policy stays, the next reload works" builder

both() { # everybody is dead: polls go on, what is forbidden does not arrive even in a known session
	die || return 1
	begin bad mute 1 && ends bad && go_on
}
t "parent: all of it is dead, polls go on" both
t "... and of what is forbidden nothing passes" unwritten
pinned() { ip -n "$P-g" link show outside | grep -q 'prog/xdp' && [ -e "$PINS/record" ]; }
t "... links and tables are pinned" pinned
refuses() { # WHY ARGS: a start that does not fit changes nothing
	local why=$1
	shift
	(in_ns g timeout -k 5 20 "$INTERLOCK" guard --ctl "$GUARD_CTL" --state "$GUARD_DIR/state" --keep-dir "$GUARD_DIR/keep" -p "$POL" \
		--fast-path --pin "$PINS" "$@") >"$TMP/refused" 2>&1
	[ $? = 2 ] && grep -q "does not fit: $why" "$TMP/refused" && grep -q -- '--detach' "$TMP/refused" && pinned && return
	cat "$TMP/refused"
	return 1
}
misfits() {
	refuses 'its outside port is outside, not inside' --outside xdp:inside --inside xdp:outside &&
		refuses 'its outside port is in native mode' --outside xdp:outside --inside xdp:inside --xdp generic
}
t "a guard with other ports or another mode is refused" misfits
record() { # WORD VALUE: of the record (ebpf/gate_pin.h)
	bpftool -j map dump pinned "$PINS/record" | python3 -c "
import json, sys
v = [int(b, 0) for b in json.load(sys.stdin)[0]['value']]
at = 4 * int(sys.argv[1])
v[at:at + 4] = int(sys.argv[2]).to_bytes(4, sys.byteorder)
print(*v)" "$1" "$2" >"$TMP/value" || return 1
	# shellcheck disable=SC2046 # bytes
	bpftool map update pinned "$PINS/record" key 0 0 0 0 value $(cat "$TMP/value")
}
others() {
	local abi
	abi=$(awk '$2 == "KFLOW_ABI" { print $3 + 0 }' "$ROOT/ebpf/flow_abi.h")
	record 1 99 && refuses 'its memory is of version 99' --outside xdp:outside --inside xdp:inside &&
		record 1 "$abi" && record 2 0 && refuses 'it is half written' --outside xdp:outside --inside xdp:inside &&
		record 2 1 && mv "$PINS/kflows" "$PINS/away" &&
		refuses 'its map kflows is missing' --outside xdp:outside --inside xdp:inside && mv "$PINS/away" "$PINS/kflows"
}
t "... and pins of another version, half written, or with a map missing" others
t "polls go on all the while" go_on
resumes() { again && log_has 'goes on with the filter that is pinned' && owned; }
t "the next guard takes over what is pinned" resumes
counted() { # of the time when nobody was there
	wait_for 10 told engine.back 'history: 0 frames were dropped' &&
		fast '.conduits[] | select(.conduit == "history") | .away_unjudged > 0' | grep -q true &&
		page 'history .* passed unjudged' &&
		ctl metrics >"$TMP/metrics" && grep -q 'interlock_engine_away_frames_total{conduit="history",fate="unjudged"} [1-9]' "$TMP/metrics"
}
t "... and says what passed unjudged meanwhile" counted
t "... the bypass was never armed, since the policy fails closed" bypass '^disarmed 0$'
t "... and answers what was asked of the known session while it was away: no" does bad answers 1
refused_while() {
	"$INTERLOCK" guard --detach --pin "$PINS" >"$TMP/detach" 2>&1
	[ $? = 2 ] && grep -q "process $DUT_PID guards with it" "$TMP/detach" && pinned
}
t "guard --detach is refused while a guard runs" refused_while
crashes() { # again and again
	local i
	for ((i = 0; i < CRASHES; i++)); do
		die && go_on && again && owned || return 1
	done
}
t "and again" crashes
t "no poll of any of these failed" polled_all

# --- policies, successors ----------------------------------------------------------------------------

hits() { # RULE
	ctl counters --json | jq --arg r "$1" '.result.rules[] | select(.rule == $r) | .hits'
}
still() { # nobody counts any more
	HITS=$(hits poll)
	sleep 1.5
	[ "$(hits poll)" = "$HITS" ]
}
swaps() {
	local i
	wait_for 20 still || return 1
	polling
	for ((i = 0; i < SWAPS; i++)); do
		policy "swap$((i % 2))"
		ctl reload >/dev/null || return 1
	done
	go_on && polled_all
}
t "$SWAPS policies under polling: no poll failed" swaps
once() { # each poll is one hit, whoever judged it and by which policy
	[ "$(hits poll)" = $((HITS + $(polled hmi))) ]
}
t "... each was judged once" wait_for 5 once
unmixed() { # what was found out under one policy and judged by the tables of another would be idle's
	[ "$(hits idle)" = 0 ] && [ "$(fast '[.conduits[] | select(.conduit == "idle") | .kernel + .engine] == [0]')" = true ] && return
	hits idle
	status | jq -c '.fast_path.conduits[]'
	return 1
}
t "... by one policy" unmixed
takes() {
	local i old
	for ((i = 0; i < TAKEOVERS; i++)); do
		old=$DUT_PID
		again --take-over || return 1
		wait "$old" || return 1
		go_on || return 1
	done
}
polling
t "$TAKEOVERS successors under polling" takes
t "no poll of any of these failed" polled_all
balance() {
	ctl counters --json | jq -e '.result.packets | .received + .injected == .forwarded + .dropped + .consumed + .held'
}
t "the packets balance" wait_for 20 balance
t "nothing that is forbidden has passed" unwritten

# --- the end ---------------------------------------------------------------------------------------------

gone() { ! ip -n "$P-g" link show outside | grep -q 'prog/xdp' && [ ! -e "$PINS" ]; }
kicked() { # the policy fails open now: a watchdog runs, and is kicked
	policy last 'fail: open' && ctl reload >/dev/null && wait_for 10 bypass '^disarmed [1-9]' || return 1
	cp "$TMP/bypass" "$TMP/first"
	wait_for 10 eval '! cmp -s "$TMP/first" "$TMP/bypass"' && status | jq -e '.bypass.state == "disarmed" and .bypass.watchdog_ms > 0'
}
t "with fail: open the watchdog of the bypass is kicked" kicked
bitten() { awk '{ at = $2 } END { getline up < "/proc/uptime"; split(up, u, " "); exit !(at < u[1] * 1000) }' "$TMP/bypass"; }
detaches() {
	die && wait_for 10 bitten || return 1
	(in_ns g "$INTERLOCK" guard --detach --pin "$PINS" --state "$GUARD_DIR/state") >"$TMP/detach" 2>&1 &&
		grep -q "$PINS/link_out: removed" "$TMP/detach" && grep -q "outside: as it was before" "$TMP/detach" && gone && return
	cat "$TMP/detach"
	return 1
}
t "guard --detach takes it all away" detaches
taken_off() { # a program that somebody took off: nothing goes on there, the next guard begins anew
	again && die && bpftool link detach pinned "$PINS/link_in" && again &&
		log_has "held no program any more on one of its ports: removed" && session anew hmi "${IP[plc1]}" && does anew poll 10 && pinned
}
t "pins of which a program was taken off are cleared by the next start" taken_off
new_ports() { # other interfaces of the same names, as after a driver was loaded again
	die || return 1
	ip -n "$P-g" link del outside && ip -n "$P-g" link del inside && ip -n "$P-g" -batch - <<-EOF || return 1
		link add outside type veth peer name out2
		link add inside type veth peer name in2
		link set outside up
		link set inside up
		link set out2 up
		link set in2 up
	EOF
	again && log_has "held no program any more on its ports: removed" && pinned && [ "$(fast .pinned)" = "$PINS" ]
}
t "... so are those of interfaces that are gone" new_ports
journal() { # epochs follow each other; every number is there, or a signed marker says it is not
	"$INTERLOCK" journal verify --key "$GUARD_DIR/key.pub" "$GUARD_DIR/journal" || return 1
	jq -r '.alert.metadata.il_seq[0]' "$GUARD_DIR/eve.json" | awk 'NR > 1 && $1 != last + 1 && $1 != 1 { print "# " last " then " $1; bad = 1 } { last = $1 } END { exit bad }'
}
t "the journal verifies, and no number of an alert is missing" journal
t_end
