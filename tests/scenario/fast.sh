#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guard --fast-path: polls that the kernel judges, and what it leaves to the engine; a worker that is
# killed, policies that change and a successor, all under one session; the same with sessions of OPC UA, in mode
# None and signed (node-opcua).
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"

need_root
need_guard
need_kernel_path "what the kernel judges"
need python3 jq openssl
lib_start
need_npm
topo_up || exit 1
POL=$TMP/policy.yaml
export FAST=1

cat >"$POL" <<-EOT
	interlock: 1
	site: fast
	mode: enforce
	l2: {arp: any}
	zones:
	  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}
	  cell: {level: 1, port: inside, nets: [10.1.2.128/25]}
	devices:
	  hmi: {zone: scada, ip: ${IP[hmi]}}
	  mes: {zone: scada, ip: ${IP[mes]}}
	  plc1: {zone: cell, ip: ${IP[plc1]}}
	conduits:
	  - name: polls
	    from: [hmi]
	    to: [plc1]
	    otherwise: reject
	    modbus:
	      addressing: zero-based
	      allow:
	        - {name: poll, units: [1], functions: [3, 6], holding: [0..199]}
	  - name: sessions
	    from: [mes]
	    to: [plc1]
	    opcua:
	      encrypted: drop
	      security: {policies: [None, Basic256Sha256], modes: [None, Sign]}
	      allow:
	        - {name: session, services: [session, discovery]}
	        - {name: watch, services: [Read, subscribe], nodes: ["ns=2;s=Line.*", "ns=2;s=Recipe.*", "ns=0;*", "i=*"]}
EOT

MB="python3 $ROOT/tests/scenario/peers/mb_poll.py"

ctl() { "$INTERLOCK" ctl --socket "$GUARD_CTL" "$@"; }
status() { ctl status --json | jq .result; }
counters() { ctl counters --json | jq .result; }
fast() { status | jq -r ".fast_path | $1"; }

session() { # one that lives from case to case: do WHAT N
	mkfifo "$TMP/in"
	: >"$TMP/out"
	(LIMIT=200 on hmi $MB "${IP[plc1]}") <"$TMP/in" >"$TMP/out" 2>&1 &
	exec 7>"$TMP/in"
	LINES_SEEN=0
}
begin() { echo "$1 $2" >&7; }
answered() { [ "$(grep -c . "$TMP/out")" -gt "$LINES_SEEN" ]; }
ends() { # what was begun is done, without a failure
	wait_for 50 answered
	LINES_SEEN=$((LINES_SEEN + 1))
	sed -n "${LINES_SEEN}p" "$TMP/out" | grep -q '^done' && return
	cat "$TMP/out"
	return 1
}
does() { begin "$1" "$2" && ends; }

serve plc1 t 502 "$TMP/server" $MB server || exit 1
t "starts" dut guard -p "$POL"
served() {
	[ "$(fast '[.conduits[] | .served] | @csv')" = 'true,true' ] && [ "$(fast .off)" = null ] && return
	status | jq .fast_path
	return 1
}
t "says which conduits the kernel serves" served
session
t "a session polls" does poll 300
mostly() {
	local n
	n=$(fast '.conduits[] | select(.conduit == "polls") | .per_mille')
	[ "$n" -ge 950 ] && return
	status | jq .fast_path
	return 1
}
t "... and after a while at least 95 % of it is the kernel's" eval 'does poll 2000 && mostly'
t "writes that are allowed arrive, and only once" does set 100
hits() { # all of them, whoever counted: 2300 polls, 100 writes and 100 reads
	[ "$(counters | jq '.rules[] | select(.rule == "poll") | .hits')" = 2500 ]
}
t "hits of the rule are complete" wait_for 20 hits
balance() { counters |
	jq -e '.packets | .received + .injected == .forwarded + .dropped + .consumed + .held' >/dev/null; }
t "the packets balance" wait_for 20 balance

# The worker dies, and nobody may start another one: the parent is stopped.
PARENT=$DUT_PID
alone() {
	local worker
	worker=$(pgrep -P "$PARENT" guard-worker) || return 1
	kill -STOP "$PARENT"
	kill -9 "$worker"
	does poll 300
	local r=$?
	kill -CONT "$PARENT"
	[ $r = 0 ]
}
t "the worker is killed: the polls go on without one" alone
back() { [ "$(status | jq -r '.processes[] | select(.name == "worker") | "\(.up) \(.restarts)"')" = "true 1" ]; }
t "there is another one" wait_for 20 back
t "... and polls and writes of the same session go on" eval 'does poll 300 && does set 20'
t "what is forbidden is refused in the same session, and polls go on" eval 'does forbid 1 && does poll 50'
exec 7>&-
wait_for 10 eval '! pgrep -f "mb_poll.py ${IP[plc1]}" >/dev/null'
rm -f "$TMP/in"
session
t "another session" does poll 300
reloads() {
	begin poll 2000
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		ctl reload >/dev/null || return 1
	done
	ends
}
t "ten policies under polling: none fails" reloads

# OPC UA.  A session polls one node and has a subscription, so that several Publish requests wait all the time.
exec 7>&-
PEERS=$ROOT/tests/scenario/peers PKI=$TMP/pki
mkdir -p "$PKI"
openssl req -x509 -newkey rsa:2048 -sha256 -days 365 -nodes -keyout "$PKI/mes.key" -out "$PKI/mes.crt" -subj "/O=interlock/CN=mes" \
	-addext "subjectAltName=URI:urn:mes:interlock,DNS:mes" -addext "keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign" \
	-addext "extendedKeyUsage=clientAuth" 2>/dev/null
bg plc1 "$TMP/ua-server" node "$PEERS/opcua_server.js" "${IP[plc1]}" 4840 "$PKI.plc1" || exit 1
wait_for 60 listens plc1 t 4840 || { cat "$TMP/ua-server"; exit 1; }
ua() { LIMIT=120 on mes node "$PEERS/opcua_client.js" "opc.tcp://${IP[plc1]}:4840/plc" "$PKI" "$@"; }
ua_per_mille() { fast '.conduits[] | select(.conduit == "sessions") | .per_mille'; }
ua_alone() { # MODE: much of it is the kernel's; and nothing fails while nobody else is there
	local pid r worker
	ua "$1" 1 watch poll:600 sleep:100 poll:3000 sleep:100 poll:20 >"$TMP/ua" 2>&1 &
	pid=$!
	wait_for 60 eval '[ "$(ua_per_mille)" -ge 700 ]' || { status | jq .fast_path; cat "$TMP/ua"; return 1; }
	worker=$(pgrep -P "$PARENT" guard-worker) && kill -9 "$worker"
	wait "$pid"
	r=$?
	cat "$TMP/ua"
	return $r
}
reload_shares() { ctl reload >/dev/null; }
t "OPC UA: the kernel has the polls, and they outlive the worker" ua_alone None
t "... a new policy counts anew" reload_shares
t "OPC UA, signed: the same" ua_alone Sign
stops() { dut_stop && [ ! -e "/sys/fs/bpf/$P" ] && ! ip -n "$P-g" link show outside | grep -q prog/xdp; }
t "a stop leaves nothing pinned" stops
t_end
