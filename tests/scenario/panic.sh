#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The switch that is stronger than the policy, on live traffic: island stops all of IP, open lets all of it pass and
# tells, off brings the policy back; also when the worker dies meanwhile.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq
lib_start
need_libmodbus
topo_up && serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
D=$TMP/guard
POL=$TMP/policy.yaml

cat >"$POL" <<-EOT
	interlock: 1
	site: panic
	mode: enforce
	l2: {arp: any}
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
	    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: read, holding: [0..119]}]}
EOT
ctl() { "$INTERLOCK" ctl --socket "$D/ctl" "$@"; }
st() { ctl --json status | jq -r ".result.$1"; }
told() { grep -o '"il_event":\["[^"]*' "$D/eve.json" | sed 's/.*"//' | grep -cx "$1"; }
event() { wait_for 5 eval "[ \"\$(told $1)\" = $2 ]" || { echo "# $1: $(told "$1"), not $2"; return 1; }; }
client() { on "${NODE:-hmi}" timeout 8 "$TMP/mb_client" "${IP[plc1]}" 502 "$@" >/dev/null 2>&1; }
worker() { pgrep -P "$DUT_PID" guard-worker; }
worker_dies() {
	local was
	was=$(worker)
	kill -9 "$was"
	wait_for 40 eval '[ -n "$(worker)" ] && [ "$(worker)" != "'"$was"'" ] && [ "$(st "processes[] | select(.name == \"worker\") | .up")" = true ]'
}
enforced() { client poll:3 && client w6:110:77=silent && ! NODE=eng client poll:1; }

t "a guard" dut guard -p "$POL"
t "the policy is in force" enforced

# --- island ----------------------------------------------------------------------------------------
t "panic island" eval '[[ $(ctl panic island) == "PANIC ISLAND: nothing of IP passes"* ]]'
cut_off() { ! client poll:1 && ! on hmi ping -qnc 1 -W 1 "${IP[plc1]}" >/dev/null; }
t "nothing passes" cut_off
page() { local out; out=$(ctl status); [ $? = 1 ] && grep -q "$1" <<<"$out"; }
t "status says so first" page '! PANIC ISLAND: NOTHING PASSES BETWEEN THE PORTS, by user 0 (process [0-9]*) since .* until ctl panic off'
t "metrics" eval 'ctl metrics >"$TMP/m" && grep -qx "interlock_panic{mode=\"island\"} 1" "$TMP/m" && grep -qx "interlock_panic{mode=\"open\"} 0" "$TMP/m"'
t "a signed alert, and by whom" eval 'event panic.island 1 && grep panic.island "$D/eve.json" | grep -q "by user 0"'
arp() { on hmi ip neigh flush dev eth0; on hmi timeout 5 bash -c 'ping -qnc 1 -W 1 '"${IP[plc1]}"' >/dev/null; ip neigh show '"${IP[plc1]}"' | grep -q lladdr'; }
t "what is below IP goes by the policy" arp
t "the worker dies: the next one is an island too" eval 'worker_dies && cut_off'
t "a reload changes nothing about it" eval 'ctl reload >/dev/null && cut_off'
t "panic off" eval '[[ $(ctl panic off) == "the policy is in force again" ]] && enforced && [ "$(st panic)" = null ]'
t "is an alert" event panic.off 1
t "off again: there is none" eval '! ctl panic off 2>/dev/null'

# --- open ------------------------------------------------------------------------------------------
t "panic open" eval '[[ $(ctl panic open --for 1h) == "PANIC OPEN: everything passes" ]]'
t "a write that the policy denies passes" client w6:110:77 poll:2
t "and is told, as let through" wait_for 5 eval 'grep write_single_register "$D/eve.json" | tail -n 1 | grep -q "\"action\":\"allowed\""'
t "who may not talk at all does" eval 'NODE=eng client poll:3 w6:111:1'
t "what the policy does not know passes" eval 'on hmi ping -qnc 2 -i 0.2 -W 1 "${IP[plc1]}" >/dev/null'
t "IPv6 too" eval 'on hmi ping -6 -qnc 2 -i 0.2 -W 1 "${IP6[plc1]}" >/dev/null'
t "status says so first" page '! PANIC OPEN: EVERYTHING PASSES, by user 0 (process [0-9]*) since .* until 20'
t "the worker dies: the next one is open too" eval 'worker_dies && wait_for 10 client w6:110:78 && NODE=eng client poll:3'
t "a reload changes nothing about it" eval 'wait_for 20 eval "ctl reload >/dev/null 2>&1" && client w6:110:79'
t "what passed is counted" eval 'on hmi ping -qnc 2 -i 0.2 -W 1 "${IP[plc1]}" >/dev/null; wait_for 5 eval "[ \$(st panic.passed) -gt 0 ]"'
t "is a signed alert" event panic.open 1
t "from open to island" eval 'ctl panic island >/dev/null && cut_off && event panic.island 2'
t "off" eval 'ctl panic off >/dev/null && enforced'

# --- its end -----------------------------------------------------------------------------------------
t "for some seconds" eval 'ctl panic open --for 4s >/dev/null && client w6:110:80'
t "it ends by itself" eval 'wait_for 10 eval "[ \"\$(st panic)\" = null ]" && enforced && event panic.off 3'
t "what is no word, no time" eval '! ctl panic 2>/dev/null && ! ctl panic wide 2>/dev/null && ! ctl panic open --for 0s 2>/dev/null && ! ctl panic off --for 1h 2>/dev/null'
others() { chmod 755 "$TMP" "$D"; ! setpriv --reuid=65534 --regid=65534 --clear-groups "$INTERLOCK" ctl --socket "$D/ctl" panic open 2>/dev/null && [ "$(st panic)" = null ]; }
t "not for others" others
restarted() {
	ctl panic open >/dev/null && event panic.open 3 && dut_stop && [ "$(told panic.off)" = 4 ] && dut guard -p "$POL" && enforced
}
t "a guard that is started again has the policy, and it was told" restarted
t "the journal holds" eval '"$INTERLOCK" journal verify --key "$D/key.pub" "$D/journal" >/dev/null'
dut_stop
t_end
