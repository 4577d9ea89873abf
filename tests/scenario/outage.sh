#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Guard, sender, collector, each where it belongs: an attack while nobody reaches the collector is there afterwards, whole and in
# order, also over a network that loses what is above some packets a second; and who looks at the guard's own alerts sees
# that they did not arrive.
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq python3 nft openssl
"$INTERLOCK" --version | grep -q '+send' || skip "built without the sender"
"$INTERLOCK" --version | grep -q '+collector' || skip "built without the collector"
lib_start
need_libmodbus
topo_up || exit 1
ip netns add "$P-c" || exit 1
ip -n "$P-g" link add m0 type veth peer name m1 netns "$P-c" || exit 1
for end in g:m0:1 c:m1:2; do
	IFS=: read -r ns dev n <<<"$end"
	ip -n "$P-$ns" addr add 10.9.0.$n/24 dev "$dev"
	ip -n "$P-$ns" link set "$dev" up
	ip -n "$P-$ns" link set lo up
done

pol=$TMP/plant.yaml
cat >"$pol" <<'END'
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
    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: read, holding: [0..199]}]}
END
dut guard -p "$pol" --sender "$TMP/sent" --sender-behind 2s || exit 1
serve plc1 t 502 "$TMP/srv" "$TMP/mb_server" 502 "$TMP/adu" || exit 1
attack() { local i; for ((i = $1; i < $2; i++)); do on hmi "$TMP/mb_client" "${IP[plc1]}" 502 "w6:$i:7=exception" >/dev/null || return 1; done; }
told() { jq -se "any(.[]; .alert.metadata.il_event[0] == \"$1\")" "$GUARD_DIR/eve.json"; }

"$INTERLOCK" collect init "$TMP/co" --host 10.9.0.2 >/dev/null || exit 1
printf 'correct horse battery\n' | "$INTERLOCK" collect user "$TMP/co" viewer --role viewer || exit 1
serve c t 8444 "$TMP/co.log" "$INTERLOCK" collect "$TMP/co" --plain --listen 127.0.0.1:8443 --ingest 10.9.0.2:8444 || exit 1
"$INTERLOCK" collect token "$TMP/co" "$(hostname)" --approve >"$TMP/token" || exit 1
URL=https://10.9.0.2:8444
enrol() {
	on g "$INTERLOCK" send enrol --collector $URL --token "$(grep -oE '[A-Za-z0-9_-]{32}' "$TMP/token" | head -n 1)" --ca "$TMP/co/ca.crt" \
		--key "$GUARD_DIR/key" --name "$(hostname)" --dir "$TMP/id"
}
t "the sensor enrols" enrol
# Of the user who signs here, who reads its status.
sender() {
	bg g "$TMP/send.log" "$INTERLOCK" send -v --journal "$GUARD_DIR/journal" --state "$TMP/sent" --identity "$TMP/id" --user root --retry-max 1s --timeout 4s $URL
	SEND=$PID
}
sender

# il_seq of what the collector has, against what was signed.
cat >"$TMP/have.py" <<'END'
import json, sys
sys.path.insert(0, sys.argv[1] + "/tests/e2e")
from collector import Person
p = Person(8443, "viewer")
have = sorted(int(json.loads(e)["alert"]["metadata"]["il_seq"][0]) if isinstance(e, str) else int(e["alert"]["metadata"]["il_seq"][0])
              for e in (p.get(f"alerts/{a['id']}")["eve"] for a in p.items("alerts")))
signed = sorted(json.loads(l)["alert"]["metadata"]["il_seq"][0] for f in sys.argv[2:] for l in open(f))
signed = sorted(map(int, signed))
print(len(have), "of", len(signed))
sys.exit(have != signed)
END
same() { PYTHONDONTWRITEBYTECODE=1 on c /usr/bin/python3 "$TMP/have.py" "$ROOT" "$GUARD_DIR"/journal/*.eve; }
t "an attack" attack 0 3
t "is at the collector" wait_for 10 same

ip -n "$P-g" link set m0 down
t "another one, while the network is cut" attack 10 30
t "that nothing arrives is an alert" wait_for 15 told sender.behind
behind() { ! "$INTERLOCK" send status "$TMP/sent" >"$TMP/status" && grep -q retrying "$TMP/status"; }
t "and the status of the sender" wait_for 10 behind

# Thirty packets a second at most; what is above is lost.
slow() {
	(in_ns c nft -f - <<-'END') &&
		table ip s {
			chain in { type filter hook input priority 0; iifname "m1" limit rate over 30/second burst 10 packets drop
			}
			chain out { type filter hook output priority 0; oifname "m1" limit rate over 30/second burst 10 packets drop
			}
		}
	END
		ip -n "$P-g" link set m0 up
}
t "the network is there again, and is a bad one" slow
t "a third one meanwhile" attack 40 45
t "that they arrive is an alert" wait_for 40 told sender.delivered
t "all of it is at the collector, once, and nothing else" wait_for 20 same
(in_ns c nft delete table ip s)

# kill -9, while polls go on: they lose nothing, and the next sender goes on where this one was.
killed() {
	local poll
	bg hmi "$TMP/poll" "$TMP/mb_client" "${IP[plc1]}" 502 poll:5 for:3:5 poll:5
	poll=$PID
	attack 50 55 || return 1
	pkill -9 -f "send -v --journal $GUARD_DIR/journal" || return 1
	attack 60 65 || return 1
	sleep 0.5
	sender
	wait "$poll" || { sed 's/^/# /' "$TMP/poll"; return 1; }
}
t "kill -9 of the sender under polls: none fails" killed
t "and all that was signed meanwhile arrives, once" wait_for 20 same

stopped() { ctl_stop && wait_for 20 test ! -S "$GUARD_CTL"; }
ctl_stop() { "$INTERLOCK" ctl --socket "$GUARD_CTL" stop; }
t "the guard stops" stopped
t "the end arrives, too" wait_for 10 same
whole() { "$INTERLOCK" journal verify --key "$GUARD_DIR/key.pub" "$GUARD_DIR/journal" | grep 'complete: signed end'; }
t "the journal is complete" whole
kill "$SEND" 2>/dev/null
ip netns pids "$P-c" | xargs -r kill 2>/dev/null
ip netns del "$P-c"
t_end
