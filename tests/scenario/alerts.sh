#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a real guard tells: alerts signed through kill -9 of worker and signer, ctl, metrics, EVE for logrotate.
. "$(dirname "$0")/_lib.sh"
need_root
need jq python3
lib_start
need_libmodbus
topo_up || exit 1
ip -n "$P-g" link set lo up

pol=$TMP/plant.yaml
cat >"$pol" <<'EOF'
interlock: 1
site: bottling-line-2
mode: enforce
zones:
  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}
  cell1: {level: 1, port: inside, nets: [10.1.2.128/25]}
devices:
  hmi1: {zone: scada, ip: 10.1.2.5, role: hmi}
  plc-filler: {zone: cell1, ip: 10.1.2.130, role: plc}
conduits:
  - name: hmi-filler
    from: [hmi1]
    to: [plc-filler]
    otherwise: reject
    latency: 2s
    modbus:
      addressing: zero-based
      allow:
        - {name: poll, units: [1], functions: read, holding: [0..199]}
        - {name: setpoints, units: [1], functions: [6, 16], holding: [100..119]}
EOF
dut guard -p "$pol" --metrics 127.0.0.1:9621 --sender "$TMP/sent" --sender-behind 2s || exit 1
serve plc1 t 502 "$TMP/srv" "$TMP/mb_server" 502 "$TMP/adu" || exit 1
ctl() { "$INTERLOCK" ctl --socket "$GUARD_CTL" "$@"; }
modbus() { on hmi "$TMP/mb_client" "${IP[plc1]}" 502 "$@"; }
told() { cat "$GUARD_DIR"/eve.json* | jq -se "any(.[]; $1)"; } # JQ: is there such an alert?
pid_of() { ctl --json status | jq -e ".result.processes[] | select(.name == \"$1\" and .up).pid"; }

status_page() {
	ctl status >"$TMP/page"; local rc=$?
	cat "$TMP/page"
	[ $rc -eq "$1" ] && grep -q "^outside   outside *up" "$TMP/page" && grep -q "site bottling-line-2" "$TMP/page"
}
t "a session passes, and status says that all is well" modbus poll:500 w6:100:7
t "status is 0" status_page 0
t "a forbidden write is refused" modbus w6:5:7=exception poll:10
t "and told" wait_for 5 told '.alert.signature_id == 3 and .alert.action == "blocked" and .in_iface == "outside"'
t "so is that the guard is in force" told '.alert.metadata.il_event[0] == "guard.started"'

if "$INTERLOCK" --version | grep -q '+send'; then
	# No sender runs yet; then one does.  (Of the signer's user, who reads its status.)
	t "nobody sends them on: that is told" wait_for 10 told '.alert.metadata | .il_event[0] == "sender.behind" and (.il_note[0] | test("does not run"))'
	"$INTERLOCK" send --journal "$GUARD_DIR/journal" --state "$TMP/sent" --user root "file:$TMP/sent.eve" 2>"$TMP/send.err" &
	SEND=$!
	t "and that somebody does" wait_for 10 told '.alert.metadata.il_event[0] == "sender.delivered"'
	sent() { grep -q '"sender.delivered"' "$TMP/sent.eve"; }
	t "what is told arrives there, too" wait_for 5 sent
	kill "$SEND"
	wait "$SEND" 2>/dev/null
fi

# With FAST=1 the kernel has most of them: they are counted, but take no time in the engine.
counted() { ctl --json status | jq -e '([.result.fast_path.conduits // [] | .[].kernel] | add // 0) as $kernel |
	.result.conduits[] | select(.name == "hmi-filler") | .packets > 4 and .packets + $kernel > 1000 and .p50_ns > 0 and .p50_ns <= .p99_ns and .p99_ns <= .max_ns and .budget_ns == 2000000000 and .over_budget == 0'; }
balanced() { ctl --json status | jq -e '.result.packets | .received + .injected == .forwarded + .dropped + .consumed + .held'; }
t "its packets are counted with their latency" wait_for 5 counted
t "the balance holds" wait_for 5 balanced
hits() { ctl --json counters | jq -e '.result.rules[] | select(.rule == "setpoints").hits >= 1'; }
t "the rule has its hit" wait_for 5 hits

flows() { modbus poll:5 wait:3000 >/dev/null & local job=$!; sleep 1; ctl flows | grep "10.1.2.5:[0-9]* -> 10.1.2.130:502 modbus hmi-filler open"
	local rc=$?; wait $job; return $rc; }
t "the connection is in the list of flows" flows

metrics() { (in_ns g /usr/bin/python3 -c '
import urllib.request
from prometheus_client.parser import text_string_to_metric_families as p
f = {m.name: m for m in p(urllib.request.urlopen("http://127.0.0.1:9621/metrics", timeout=5).read().decode())}
print(len(f), "families")
assert f["interlock_packets_received"].samples[0].value > 1000
assert {s.labels["process"]: s.value for s in f["interlock_process_up"].samples} == dict(parent=1, worker=1, signer=1, metrics=1)
'); }
if "$INTERLOCK" --version | grep -q '+metrics' && /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null; then
	t "Prometheus can read the numbers" metrics
	t "twice" metrics
fi

refused() { ! ctl reload && status_page 1 | grep '! reload refused'; }
sed -i 's/functions: read/functions: reed/' "$pol"
t "a policy with an error is refused" refused
t "which is told" wait_for 5 told '.alert.metadata.il_event[0] == "policy.refused"'
sed -i 's/functions: reed/functions: read/' "$pol"
t "without it it is in force" ctl reload
t "which is told too" wait_for 5 told '.alert.metadata.il_event[0] == "policy.loaded"'

rotate() { mv "$GUARD_DIR/eve.json" "$GUARD_DIR/eve.json.1" && ctl reopen && modbus w6:7:7=exception &&
	wait_for 5 grep -q 'holding 7' "$GUARD_DIR/eve.json"; }
t "the EVE file can be rotated" rotate

reborn() { # NAME: killed, another one comes
	local was now
	was=$(pid_of "$1")
	kill -9 "$was" || return 1
	for _ in $(seq 400); do
		now=$(pid_of "$1") && [ "$now" != "$was" ] && return
		sleep 0.1
	done
	return 1
}
for i in 1 2 3; do
	modbus "w6:$((20 + i)):1=exception" >/dev/null
	t "the signer is killed ($i)" reborn signer
	modbus "w6:$((30 + i)):1=exception" >/dev/null
done
t "nothing is left out" wait_for 10 told '(.alert.metadata.il_object[0] // "") == "holding 33"'
t "the worker is killed" reborn worker
t "traffic goes on" wait_for 10 modbus poll:100
t "and the guard tells" wait_for 5 told '.alert.metadata.il_event[0] == "guard.worker_died"'
t "status says so: 1" status_page 1

denied() {
	! setpriv --reuid=65534 --regid=65534 --clear-groups "$INTERLOCK" ctl --socket "$GUARD_CTL" status >"$TMP/no" 2>&1 &&
		grep "neither viewer nor admin" "$TMP/no"
}
chmod 755 "$TMP" "$GUARD_DIR"
t "a stranger gets no answer" denied

storm() { modbus w6:50:1=exception w6:50:1=exception w6:50:1=exception w6:50:1=exception; }
t "a storm of four is folded" storm
stopped() { ctl stop && wait_for 20 test ! -S "$GUARD_CTL"; }
t "stop" stopped
whole() { "$INTERLOCK" journal verify --key "$GUARD_DIR/key.pub" "$GUARD_DIR/journal" | tee "$TMP/verify" | grep 'complete: signed end'; }
t "the journal is complete, with a signed end" wait_for 10 whole
all() { # every forbidden write once, none lost
	local i
	for i in 5 7 21 22 23 31 32 33; do
		[ "$(cat "$GUARD_DIR"/journal/*.eve | grep -c "\"il_object\":\[\"holding $i\"\]")" = 1 ] || { echo "holding $i"; return 1; }
	done
	! grep 'lost' "$TMP/verify" &&
		cat "$GUARD_DIR"/journal/*.eve | jq -se '[.[].alert.metadata | select(.il_object[0] == "holding 50") |
			.il_count[0] // "1" | tonumber] == [1, 3]'
}
t "with every alert once" all
valid() { cat "$GUARD_DIR"/eve.json* >"$TMP/all.json"; /usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" "$TMP/all.json"; }
if /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then t "every line is valid" valid; fi
t_end
