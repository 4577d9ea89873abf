#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A policy on trial: reload --confirm, what happens when nobody confirms, and when the guard is started again
# meanwhile.  A session (libmodbus) lives through all of it.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq minisign
lib_start
need_libmodbus
topo_up && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
D=$TMP/guard
POL=$TMP/policy.yaml

policy() { # RANGE: what may be written; in a file that the policy includes
	cat >"$POL" <<-EOF
		interlock: 1
		site: trial
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		include: rules.yaml
	EOF
	cat >"$TMP/rules.yaml" <<-EOF
		interlock: 1
		conduits:
		  - name: c
		    from: [scada/*]
		    to: [cell/*]
		    otherwise: reject
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: read, holding: [0..119]}
		        - {name: set, units: [1], functions: [6], holding: [$1]}
	EOF
}
ctl() { "$INTERLOCK" ctl --socket "$D/ctl" "$@"; }
st() { ctl --json status | jq -r ".result.policy.$1"; }
events() { grep -o '"il_event":\["[^"]*' "$D/eve.json" | sed 's/.*"//' | grep -cx "$1"; }
event() { wait_for 5 eval "[ \"\$(events $1)\" = $2 ]" || { echo "# $1: $(events "$1"), not $2"; return 1; }; }
client() { on hmi "$TMP/mb_client" "${IP[plc1]}" 502 "$@"; }
# may REGISTER..: these may be written and no other of 100 to 102
may() {
	local r
	for r in 100 101 102; do
		case " $* " in
		*" $r "*) client w6:$r:7 >/dev/null ;;
		*) client w6:$r:7=exception >/dev/null ;;
		esac || { echo "# register $r"; return 1; }
	done
}
kept() { [ -e "$D/keep/instead-of-outside.sha256" ] && [ -e "$D/keep/kept-outside.yaml" ] && grep -q '^[0-9]* rules.yaml$' "$D/keep/kept-outside.yaml.files"; }
not_kept() { [ -z "$(find "$D/keep" -type f 2>/dev/null)" ]; }

policy 100..100
t "a guard" dut guard -p "$POL"
t "register 100 may be written" may 100
bg hmi "$TMP/poll" "$TMP/mb_client" "${IP[plc1]}" 502 for:60:20
SESSION=$PID

# --- confirmed -----------------------------------------------------------------------------------
policy 101..101
t "reload --confirm" eval '[[ $(ctl reload --confirm 2m) == *"generation 2"*"in force again in 2 min 0 s"* ]]'
t "is in force at once" may 101
attention() { local out; out=$(ctl status); [ $? = 1 ] && grep -q '! generation 2 is NOT CONFIRMED: in 1 min 5[0-9] s generation 1' <<<"$out"; }
t "status counts down" attention
t "the one before is kept" kept
again() { local out; out=$(ctl reload 2>&1) && return 1; grep -q 'on trial: confirm it, roll it back, or --force' <<<"$out"; }
t "another reload is refused meanwhile" again
t "HUP too" eval 'kill -HUP "$DUT_PID"; wait_for 5 grep -q "reload: generation 2 is in force on trial" "$D/log" && [ "$(st generation)" = 2 ]'
t "confirm" eval '[[ $(ctl confirm) == "confirmed: generation 2 stays"* ]]'
t "nothing is kept, nothing waits" eval 'not_kept && ctl status >/dev/null'
t "confirm again: there is nothing" eval '! ctl confirm 2>/dev/null'
t "rollback: there is nothing" eval '! ctl rollback 2>/dev/null'

# --- not confirmed ---------------------------------------------------------------------------------
policy 102..102
t "reload --confirm 5s" eval 'ctl reload --confirm 5s >/dev/null && may 102'
t "it goes back by itself" wait_for 15 eval '[ "$(st generation)" = 2 ]'
t "the one before is in force" may 101
told() { local out; out=$(ctl status); [ $? = 1 ] && grep -q '! in force is the policy that was confirmed or promoted last, not .*policy.yaml' <<<"$out"; }
t "status says that the file is another" told
t "rollback by hand" eval 'ctl reload --confirm 1h >/dev/null && may 102 && ctl rollback >/dev/null && may 101'
worker_dies() { # meanwhile: the trial goes on, and ends as it should
	local was
	ctl reload --confirm 12s >/dev/null || return 1
	was=$(pgrep -P "$DUT_PID" guard-worker)
	kill -9 "$was"
	wait_for 5 eval '! kill -0 $was 2>/dev/null' && wait_for 40 eval '[ "$(ctl --json status | jq -r ".result.processes[] | select(.name == \"worker\") | .up")" = true ]'
	wait_for 10 may 102 && wait_for 20 eval '[ "$(st generation)" = 2 ]' && may 101
}
t "the worker dies in a trial" worker_dies
signer_dies() { # names of both policies are there afterwards
	ctl reload --confirm 6s >/dev/null || return 1
	pkill -9 -P "$DUT_PID" guard-signer
	wait_for 20 eval '[ "$(st generation)" = 2 ]' && client w6:110:7=exception && wait_for 8 eval 'tail -n 3 "$D/eve.json" | grep -q "\"il_conduit\":\[\"c\"\]"'
}
t "the signer dies in a trial" signer_dies
bad() { local out; echo 'zones: 7' >"$POL"; out=$(ctl reload --confirm 1m 2>&1) && return 1; [ "$(st generation)" = 2 ] && [ "$(st trial)" = null ]; }
t "a policy with errors begins no trial" bad
policy 102..102
forced() { # a trial that follows a trial goes back to the last confirmed one
	ctl reload --confirm 1h >/dev/null && policy 100..102 && ctl reload --confirm 6s --force >/dev/null && may 100 101 102 &&
		wait_for 15 eval '[ "$(st generation)" = 2 ]' && may 101
}
t "a trial in a trial" forced
t "reload for good" eval 'policy 100..101; ctl reload >/dev/null && may 100 101 && not_kept && [ "$(st trial) $(st file_differs)" = "null null" ]'
t "alerts: begun" event policy.unconfirmed 7
t "alerts: confirmed" event policy.confirmed 1
t "alerts: rolled back" event policy.rolled_back 5
wait "$SESSION" 2>/dev/null
t "one session lived through it" eval 'grep -q "^polled" "$TMP/poll" || { cat "$TMP/poll"; false; }'

# --- the guard starts again in a trial -----------------------------------------------------------------
export GOOD
GOOD=$(st sha256)
policy 100..102
ctl reload --confirm 1h >/dev/null
policy 102..102 # a trial in a trial: what is kept is not the first one
ctl reload --confirm 1h --force >/dev/null
killed() { stop "$DUT_PID" KILL; sleep 1; dut guard -p "$POL"; }
t "killed in a trial, and started again" killed
t "the last confirmed policy is in force" eval '[ "$(st sha256)" = "$GOOD" ] && may 100 101'
t "and it is told" eval 'told && event policy.rolled_back 6'
t "stopped and started again: the same" eval 'dut_stop; dut guard -p "$POL" && [ "$(st sha256)" = "$GOOD" ] && told'
t "a reload takes the file" eval 'ctl reload >/dev/null && may 102 && not_kept'
policy 100..100
ctl reload --confirm 1h >/dev/null
policy 101..101
t "another file since: a start takes it" eval 'dut_stop; dut guard -p "$POL" && may 101 && not_kept'
taken_over() {
	policy 102..102 && ctl reload --confirm 1h >/dev/null && guard_start -p "$POL" --take-over && may 101 && told
}
t "a take-over ends a trial as a start does" taken_over
dut_stop

# --- signed ------------------------------------------------------------------------------------------
rm -rf "$D/keep"
minisign -G -W -p "$TMP/p.pub" -s "$TMP/p.key" >/dev/null
sign() { minisign -S -W -s "$TMP/p.key" -m "$POL" -t "timestamp:$1	policy:$(cd "$TMP" && sha256sum policy.yaml rules.yaml | sha256sum | cut -d ' ' -f 1)" >/dev/null; }
policy 100..100
sign 1000
signed() { dut guard -p "$POL" --require-signed "$TMP/p.pub" && may 100; }
t "with signatures: a guard" signed
rolled() { # what was on trial and did not pass is not the last one
	policy 101..101 && sign 2000 && ctl reload --confirm 5s >/dev/null && may 101 && wait_for 15 may 100 &&
		grep -q '"signed":1000,' "$D/keep/accepted-outside.json" && policy 102..102 && sign 1500 && ctl reload >/dev/null
}
t "one that is rolled back does not count" rolled
restarted() {
	policy 101..101 && sign 2000 && ctl reload --confirm 1h >/dev/null && dut_stop && signed_start && may 102
}
signed_start() { dut guard -p "$POL" --require-signed "$TMP/p.pub"; }
t "what is kept is kept with its signature" restarted
changed() { # who changes what is kept gets no start
	dut_stop
	sed -i 's/102\.\.102/0..65535/' "$D/keep/kept-outside.yaml.files"
	! signed_start 2>/dev/null && grep -q 'does not cover the files' "$D/log" || return 1
	sed -i 's/mode: enforce/mode:  learn /' "$D/keep/kept-outside.yaml"
	! signed_start 2>/dev/null && grep -q 'was changed' "$D/log"
}
t "and verified" changed
t_end
