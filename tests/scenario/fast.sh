#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guard --fast-path: polls that the kernel judges, and what it leaves to the engine; a worker that is
# killed, policies that change and a successor, all under one session.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"

need_root
need_guard
need python3 jq
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
	      allow:
	        - {name: all, services: [session]}
EOT

# A server that keeps what was written, and one session that does what it reads from a pipe.
cat >"$TMP/mb.py" <<-'EOT'
	import socket, struct, sys, threading, time
	def rx(s, n):
	    b = b''
	    while len(b) < n:
	        c = s.recv(n - len(b))
	        if not c: raise EOFError
	        b += c
	    return b
	regs = [0] * 300
	def serve(c):
	    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	    try:
	        while True:
	            t, p, n, u = struct.unpack('>HHHB', rx(c, 7)); d = rx(c, n - 1)
	            a, v = struct.unpack('>HH', d[1:5])
	            if d[0] == 6:
	                regs[a] = v; r = d
	            else: r = struct.pack('>BB%dH' % v, 3, 2 * v, *regs[a:a + v])
	            c.sendall(struct.pack('>HHHB', t, 0, len(r) + 1, u) + r)
	    except (EOFError, OSError): pass
	def ask(s, t, pdu):
	    s.sendall(struct.pack('>HHHB', t & 65535, 0, len(pdu) + 1, 1) + pdu)
	    got, p, n, u = struct.unpack('>HHHB', rx(s, 7)); d = rx(s, n - 1)
	    assert got == t & 65535 and u == 1, (got, t)
	    return d
	if sys.argv[1] == 'server':
	    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind(('0.0.0.0', 502)); l.listen(64)
	    while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
	s = socket.create_connection((sys.argv[1], 502), timeout=40)
	s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	t = 0
	for line in sys.stdin:
	    what, n = line.split()[0], int(line.split()[1])
	    for i in range(n):
	        t += 1
	        if what == 'poll':
	            d = ask(s, t, struct.pack('>BHH', 3, 0, 10)); ok = d[0] == 3 and len(d) == 22
	        elif what == 'set': # and what is read is that
	            ok = ask(s, t, struct.pack('>BHH', 6, 5, i)) == struct.pack('>BHH', 6, 5, i)
	            t += 1
	            ok = ok and ask(s, t, struct.pack('>BHH', 3, 5, 1)) == struct.pack('>BBH', 3, 2, i)
	        else: ok = ask(s, t, struct.pack('>BHH', 6, 250, 7)) == b'\x86\x02' # forbid
	        if not ok: print('failed', what, i, flush=True); sys.exit(1)
	        time.sleep(0.003)
	    print('done', what, n, flush=True)
EOT

ctl() { "$INTERLOCK" ctl --socket "$GUARD_CTL" "$@"; }
status() { ctl status --json | jq .result; }
counters() { ctl counters --json | jq .result; }
fast() { status | jq -r ".fast_path | $1"; }

session() { # one that lives from case to case: do WHAT N
	mkfifo "$TMP/in"
	: >"$TMP/out"
	(LIMIT=200 on hmi python3 "$TMP/mb.py" "${IP[plc1]}") <"$TMP/in" >"$TMP/out" 2>&1 &
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

serve plc1 t 502 "$TMP/server" python3 "$TMP/mb.py" server || exit 1
t "starts" dut guard -p "$POL"
served() {
	[ "$(fast '[.conduits[] | .served] | @csv')" = 'true,false' ] && [ "$(fast .off)" = null ] && return
	status | jq .fast_path
	return 1
}
t "says which conduits the kernel serves: not that of OPC UA" served
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
wait_for 10 eval '! pgrep -f "mb.py ${IP[plc1]}" >/dev/null'
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
t_end
