#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A window that needs a permit, on a running guard: refused, opened, used, carried over a reload and the end of a
# worker, revoked; a session of its time is refused new requests at once and reset when the grace is over.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq python3
lib_start
need_libmodbus
topo_up && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
D=$TMP/guard
POL=$TMP/policy.yaml
"$INTERLOCK" key new "$TMP/lead" >/dev/null
X=$("$INTERLOCK" key show --jwk "$TMP/lead.pub" | jq -r .x)

policy() { # HOURS
	cat >"$POL" <<-EOF
		interlock: 1
		site: line-2
		mode: enforce
		l2: {arp: any}
		permits: {keys: [$X], max: 1h, grace: 3s}
		windows: {service: {when: "$1", tz: Europe/Berlin, needs: permit}}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  plc1: {zone: cell, ip: ${IP[plc1]}}
		conduits:
		  - name: c
		    from: [hmi]
		    to: [plc1]
		    only-in: service
		    otherwise: reject
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: read, holding: [0..119]}
		        - {name: set, units: [1], functions: [6], holding: [100..102]}
	EOF
}
ctl() { "$INTERLOCK" ctl --socket "$D/ctl" "$@"; }
events() { grep -o '"il_event":\["[^"]*' "$D/eve.json" | sed 's/.*"//' | grep -cx "$1"; }
event() { wait_for 10 eval "[ \"\$(events $1)\" = $2 ]" || { echo "# $1: $(events "$1"), not $2"; return 1; }; }
client() { on hmi timeout 5 "$TMP/mb_client" "${IP[plc1]}" 502 "$@" >/dev/null 2>&1; }
permit() { "$INTERLOCK" permit new --key "$TMP/lead" --by "J. Doe, order 4711" -p "$POL" --window service --from hmi --to plc1 --until 30m -o "$TMP/$1.jws" "${@:2}"; }
id() { "$INTERLOCK" permit show "$TMP/$1.jws" | sed -n 's/^permit *//p'; }

policy "daily 00:00-24:00"
t "a guard" dut guard -p "$POL"
t "without a permit nobody connects" eval '! client w6:100:7'
t "and the alert names the window" wait_for 5 grep -q '"il_window":\["service"\]' "$D/eve.json"
permit p1
t "a permit is given" ctl permit "$TMP/p1.jws"
t "and told" event permit.opened 1
t "what it is for passes" wait_for 5 client w6:100:7
t "what no rule allows does not" client w6:103:7=exception
t "ctl permits" eval '[[ $(ctl permits) == *"clock: good"*"open"*"hmi to plc1  J. Doe, order 4711"* ]]'
t "it is not given twice" eval '! ctl permit "$TMP/p1.jws" 2>/dev/null'
bg hmi "$TMP/poll" "$TMP/mb_client" "${IP[plc1]}" 502 for:60:20
export SESSION=$PID
t "a reload leaves it open" eval 'ctl reload >/dev/null && client w6:101:7 && kill -0 $SESSION'
worker_dies() {
	local was
	was=$(pgrep -P "$DUT_PID" guard-worker)
	kill -9 "$was"
	wait_for 40 eval '[ "$(ctl --json status | jq -r ".result.processes[] | select(.name == \"worker\") | .up")" = true ]'
	wait_for 10 client w6:102:7
}
t "so does the end of a worker" worker_dies
# one that says nothing, so that it is there still when the grace is over
bg hmi "$TMP/idle" bash -c "exec 3<>/dev/tcp/${IP[plc1]}/502 && echo open; sleep 60"
t "a session that says nothing" wait_for 10 grep -qx open "$TMP/idle"
t "revoked" ctl permit --revoke "$(id p1)"
t "no new connection" wait_for 5 eval '! client w6:100:7'
t "closed and its grace over are told" eval 'event permit.closed 1 && event permit.over 1'
ended() { grep '"il_reason":\["window"\]' "$D/eve.json" | grep '"il_verdict":\["reset"\]' | grep -q '"il_window":\["service"\]'; }
t "what is open in its conduit is ended then" wait_for 15 ended
t "the session of its time is at its end" wait_for 15 eval '! kill -0 $SESSION 2>/dev/null'
t "a revoked permit is not given again" eval '! ctl permit "$TMP/p1.jws" 2>/dev/null'
t "the guard is started again" eval 'dut_stop; dut guard -p "$POL"'
t "does not make it new" eval '! ctl permit "$TMP/p1.jws" 2>"$TMP/err" && grep -q "used before" "$TMP/err"'
permit p2 --max 3s
t "one of three seconds" eval 'ctl permit "$TMP/p2.jws" >/dev/null && wait_for 2 client w6:100:7'
t "closes by itself" eval 'event permit.closed 2 && wait_for 5 eval "! client w6:100:7"'
permit p3
day=$(TZ=Europe/Berlin date -d '+3 days' +%a)
policy "$day 00:00-00:01"
t "outside the hours of its window it opens nothing" eval 'ctl reload >/dev/null && ctl permit "$TMP/p3.jws" >/dev/null && ! client w6:100:7'
t_end
