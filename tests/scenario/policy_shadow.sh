#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A policy beside the one in force, on live traffic (libmodbus): it says what it would have stopped, and stops
# nothing; then it is promoted.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq minisign
lib_start
need_libmodbus
topo_up && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
D=$TMP/guard
POL=$TMP/policy.yaml NEXT=$TMP/next.yaml

policy() { # POLLED WRITTEN [FROM]
	cat <<-EOF
		interlock: 1
		site: shadow
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  eng: {zone: scada, ip: ${IP[eng]}}
		  plc1: {zone: cell, ip: ${IP[plc1]}}
		conduits:
		  - name: c
		    from: [${3:-hmi}]
		    to: [plc1]
		    otherwise: reject
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: read, holding: [$1]}
		        - {name: set, units: [1], functions: [6], holding: [$2]}
	EOF
}
ctl() { "$INTERLOCK" ctl --socket "$D/ctl" "$@"; }
rep() { ctl --json shadow | jq -r ".result.$1"; }
st() { ctl --json status | jq -r ".result.$1"; }
events() { grep -o '"il_event":\["[^"]*' "$D/eve.json" | sed 's/.*"//' | grep -cx "$1"; }
client() { on "${NODE:-hmi}" "$TMP/mb_client" "${IP[plc1]}" 502 "$@"; }

policy 0..119 100..100 >"$POL"
policy 0..109 100..101 >"$NEXT"
t "a guard" dut guard -p "$POL"
none() { [[ $(ctl shadow) == "no policy is judged beside"* ]]; }
t "no shadow" none
bg hmi "$TMP/poll" "$TMP/mb_client" "${IP[plc1]}" 502 for:40:20
SESSION=$PID
begin() { (cd "$TMP" && [[ $(ctl shadow next.yaml) == "judged beside generation 1, and nothing is stopped by it"* ]]); }
t "begins" begin
t "is an alert" wait_for 5 eval '[ "$(events shadow.begun)" = 1 ]'
# Three reads that it would stop, a write that it would let through
t "what it would stop passes" client r3:110:1 r3:111:2 r3:112:3
t "what it would let through does not" client w6:101:7=exception
stopped() { wait_for 5 eval '[ "$(ctl --json shadow | jq "[.result.differences[] | select(.would == \"stop\") | .examples[].object] | index(\"holding 112..114\")")" != null ]'; }
t "what it would have stopped is told" stopped
page() {
	local out
	out=$(ctl shadow)
	[ $? = 1 ] && grep -q 'would have stopped: 3$' <<<"$out" && grep -q 'would have let through: 1$' <<<"$out" &&
		grep -q 'reject by conduit c: otherwise; in force: allow by rule c/poll (line 20)' <<<"$out" &&
		grep -q 'hmi (10.1.2.5:[0-9]*) -> plc1 (10.1.2.130:502)  write_single_register unit 1 holding 101$' <<<"$out" && return
	sed 's/^/# /' <<<"$out"
	return 1
}
t "as a page" page
numbers() { # of one answer: polls go on
	ctl --json shadow | jq -e '.result | .would_pass == 1 and .would_stop == 3 and 3 == ([.differences[] | select(.would == "stop") | .count] | add)' >/dev/null
}
t "as JSON" numbers
t "in status" eval '[[ $(ctl status) == *"shadow    next.yaml since "*"would have stopped "* ]]'
t "in metrics" eval 'ctl metrics >"$TMP/metrics" && grep -qx "interlock_shadow 1" "$TMP/metrics" && grep -q "^interlock_shadow_differences{would=\"pass\"} 1" "$TMP/metrics"'
t "nothing of it is an alert of the policy" eval '! grep -q "holding 11[0-9]" "$D/eve.json"'
second() { ! ctl shadow "$POL" 2>/dev/null; }
t "one at a time" second
worker_dies() { # it goes on, and counts anew
	pkill -9 -P "$DUT_PID" guard-worker
	wait_for 40 eval '[ "$(st "processes[] | select(.name == \"worker\") | .up")" = true ] && [ "$(rep judged)" -gt 0 ]' && wait_for 10 client r3:110:1 &&
		wait_for 5 eval '[ "$(rep would_stop)" -gt 0 ]'
}
t "the worker dies: the next one goes on with it" worker_dies
t "stop" eval 'ctl shadow --stop && none && [ "$(st shadow)" = null ]'
t "is an alert too" wait_for 5 eval '[ "$(events shadow.ended)" = 1 ]'
t "stop again: there is none" eval '! ctl shadow --stop 2>/dev/null && ! ctl shadow --promote 2>/dev/null'
bad() { local out; echo 'zones: 7' >"$TMP/bad.yaml"; out=$(ctl shadow "$TMP/bad.yaml" 2>&1) && return 1; grep -q 'bad.yaml:1:' <<<"$out" && none; }
t "one with errors" bad
reloaded() { ctl shadow "$NEXT" >/dev/null && ctl reload >/dev/null && none && wait_for 5 eval '[ "$(events shadow.ended)" = 2 ]'; }
t "a reload ends it" reloaded
viewer() { # may look, no more
	chmod 755 "$TMP" "$D"
	local out
	as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$INTERLOCK" ctl --socket "$D/ctl" "$@" 2>&1; }
	out=$(as shadow --stop) && return 1
	grep -q 'neither viewer nor admin\|for admins' <<<"$out"
}
t "others may not" viewer

# --- promoted -----------------------------------------------------------------------------------------
policy 0..99 101..101 >"$TMP/all"
sed '/^conduits/,$d' "$TMP/all" >"$NEXT"
echo 'include: next-rules.yaml' >>"$NEXT"
{ echo 'interlock: 1' && sed -n '/^conduits/,$p' "$TMP/all"; } >"$TMP/next-rules.yaml"
promote() {
	ctl shadow "$NEXT" >/dev/null && policy 0..0 0..0 >"$NEXT" && rm "$TMP/next-rules.yaml" && [[ $(ctl shadow --promote) == "the policy is in force, generation "* ]] &&
		none && client r3:99:1 r3:101:1=exception && client w6:100:7=exception
}
t "what ran is promoted, whatever its files say since" promote
kept() { [ "$(st policy.file_differs)" = true ] && grep -q '101..101' "$D/keep"/kept-outside.yaml*; }
t "and kept, since the guard's file is another" kept
wait "$SESSION"
t "the session lived through it" grep -q '^polled' "$TMP/poll"
restarted() { dut_stop; dut guard -p "$POL" && client r3:99:1 r3:101:1=exception; }
t "a guard that is started again has it" restarted
installed() { policy 0..99 101..101 >"$POL" && ctl reload >/dev/null && [ "$(st policy.file_differs)" = null ] && ! [ -e "$D/keep/kept-outside.yaml" ]; }
t "until the file is installed" installed
trial() {
	policy 0..50 101..101 >"$NEXT" && ctl shadow "$NEXT" >/dev/null && ctl shadow --promote --confirm 5s >/dev/null && client r3:60:1=exception &&
		wait_for 15 client r3:60:1 && [ "$(st policy.trial)" = null ]
}
t "on trial" trial
trial_confirmed() {
	ctl shadow "$NEXT" >/dev/null && ctl shadow --promote --confirm 1m >/dev/null && client r3:60:1=exception && ctl confirm >/dev/null &&
		kept && dut_stop && dut guard -p "$POL" && client r3:60:1=exception
}
t "on trial, and confirmed" trial_confirmed
dut_stop

# --- a connection that it would let through, signatures --------------------------------------------------
rm -rf "$D/keep"
policy 0..99 101..101 hmi >"$POL"
policy 0..99 101..101 'hmi, eng' >"$NEXT"
minisign -G -W -p "$TMP/p.pub" -s "$TMP/p.key" >/dev/null
sign() { minisign -S -W -s "$TMP/p.key" -m "$1" -t "timestamp:$2" >/dev/null; }
sign "$POL" 1000
t "with signatures" dut guard -p "$POL" --require-signed "$TMP/p.pub"
unsigned() { local out; out=$(ctl shadow "$NEXT" 2>&1) && return 1; grep -q 'is not signed' <<<"$out"; }
t "one that is not signed is not even judged" unsigned
signed() { sign "$NEXT" 2000 && ctl shadow "$NEXT" >/dev/null && ctl shadow --promote >/dev/null && grep -q '"signed":2000,' "$D/keep/accepted-outside.json" && NODE=eng client r3:10:1; }
t "a signed one is promoted, and is the last one" signed
t_end
