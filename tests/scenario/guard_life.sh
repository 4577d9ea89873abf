#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The life of a guard: start, what passes and what does not, reload, take-over, the end of each of its
# processes, stop; and that nothing of it is left.
. "$(dirname "$0")/_lib.sh"

need_root
need python3 jq
topo_up || exit 1
D=$TMP/guard
POL=$TMP/policy.yaml
PINS=/sys/fs/bpf/$P # with FAST=1

cat >"$TMP/good.yaml" <<-EOT
	interlock: 1
	site: life
	mode: enforce
	l2: {arp: any}
	zones:
	  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}
	  cell: {level: 1, port: inside, nets: [10.1.2.128/25]}
	devices:
	  hmi: {zone: scada, ip: ${IP[hmi]}}
	  plc1: {zone: cell, ip: ${IP[plc1]}}
	conduits:
	  - name: hmi-plc1
	    from: [hmi]
	    to: [plc1]
	    icmp: [echo]
	    modbus:
	      addressing: zero-based
	      allow:
	        - {name: poll, units: [1], functions: read, holding: [0..199]}
EOT
cp "$TMP/good.yaml" "$POL"

# A Modbus server and client of their own: a session that says how long its longest wait was.
cat >"$TMP/mb.py" <<-'EOT'
	import socket, struct, sys, threading, time
	def rx(s, n):
	    b = b''
	    while len(b) < n:
	        c = s.recv(n - len(b))
	        if not c: raise EOFError
	        b += c
	    return b
	def serve(c):
	    try:
	        while True:
	            t, p, n, u = struct.unpack('>HHHB', rx(c, 7)); d = rx(c, n - 1)
	            r = bytes([3, 20]) + bytes(20) if d[0] == 3 else d
	            c.sendall(struct.pack('>HHHB', t, 0, len(r) + 1, u) + r)
	    except (EOFError, OSError): pass
	def ask(s, t, pdu):
	    s.sendall(struct.pack('>HHHB', t, 0, len(pdu) + 1, 1) + pdu)
	    n = struct.unpack('>HHHB', rx(s, 7))[2]; return rx(s, n - 1)
	what, host = sys.argv[1:3]
	if what == 'server':
	    l = socket.socket(); l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); l.bind((host, 502)); l.listen(64)
	    while True: threading.Thread(target=serve, args=(l.accept()[0],), daemon=True).start()
	s = socket.create_connection((host, 502), timeout=20)
	read = struct.pack('>BHH', 3, 0, 10)
	if what == 'poll':      # COUNT GAP: reads of one session
	    worst = 0
	    for i in range(int(sys.argv[3])):
	        t = time.time(); assert ask(s, i, read)[0] == 3; worst = max(worst, time.time() - t)
	        time.sleep(float(sys.argv[4]))
	    print('longest wait %.3f s' % worst)
	if what == 'write':     # is not answered
	    assert ask(s, 1, read)[0] == 3
	    s.settimeout(1.5)
	    try: ask(s, 2, struct.pack('>BHH', 6, 5, 77))
	    except (socket.timeout, ConnectionError, EOFError): sys.exit(0)
	    sys.exit('a write was answered')
EOT
poll() { on hmi python3 "$TMP/mb.py" poll "${IP[plc1]}" "$@"; }
write() { on hmi python3 "$TMP/mb.py" write "${IP[plc1]}"; }

# ask VERB: the answer of the guard, as it gave it; descriptors that come with it are printed behind
cat >"$TMP/ask.py" <<-'EOT'
	import array, os, socket, sys
	s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])
	s.sendall(('{"v":1,"verb":"%s"}\n' % sys.argv[2]).encode())
	text, fds = b'', array.array('i')
	while not text.endswith(b'\n'):
	    data, anc, _, _ = s.recvmsg(1 << 20, 4096)
	    if not data: break
	    text += data
	    for level, kind, d in anc: fds.frombytes(d)
	sys.stdout.write(text.decode())
	for fd in fds: sys.stdout.write(os.pread(fd, 1 << 20, 0).decode())
EOT
ask() { python3 "$TMP/ask.py" "$D/ctl" "$1"; }

child() { pgrep -P "$DUT_PID" "guard-$1"; }
events() { grep -o '"il_event":\["[^"]*' "$D/eve.json" | sed 's/.*"//'; }
said() { tail -n +"${MARK:-1}" "$D/log" | grep -q "$1"; }
mark() { MARK=$(($(wc -l <"$D/log") + 1)); }

# What a guard changes of its ports and what is attached to them.
settings() {
	local i
	for i in outside inside; do
		(in_ns g ethtool -k $i) | grep -v '^Features'
		(in_ns g ip -d link show $i) | grep -oE 'PROMISC|NOARP|xdp|promiscuity [0-9]+'
		(in_ns g cat /proc/sys/net/ipv6/conf/$i/{disable_ipv6,accept_ra,autoconf,addr_gen_mode})
	done
}
nothing_left() {
	[ "$(settings)" = "$BEFORE" ] || { settings | diff - <(echo "$BEFORE"); return 1; }
	[ -z "$(find "$D" -name 'ports-*' -o -name ctl)" ] || { find "$D"; return 1; }
	[ ! -e "$PINS/record" ] || { echo "$PINS is there"; return 1; }
	! pgrep -f "guard.*--state $D" >/dev/null
}

# --- what it refuses -----------------------------------------------------------------------------

refuses() { # WHAT ARGS: says so, with status 2, and leaves nothing
	local what=$1 out
	shift
	out=$(in_ns g timeout 20 "$INTERLOCK" guard --ctl "$D/ctl" --state "$D/state" "$@" 2>&1)
	[ $? = 2 ] && grep -q "$what" <<<"$out" && nothing_left && return
	echo "$out"
	return 1
}
mkdir -p "$D"
BEFORE=$(settings)
BOTH=(--outside xdp:outside --inside xdp:inside)
sed '/^mode/d' "$POL" >"$TMP/nomode.yaml"
echo 'zones: 7' >"$TMP/bad.yaml"
t "no policy" refuses 'policy is needed' "${BOTH[@]}"
t "a policy that is not there" refuses 'No such file' "${BOTH[@]}" -p /nonexistent
t "a policy with errors, all of them" refuses 'bad.yaml:1:' "${BOTH[@]}" -p "$TMP/bad.yaml"
t "a policy without a mode" refuses 'says no mode' "${BOTH[@]}" -p "$TMP/nomode.yaml"
t "one port twice" refuses 'the same interface' --outside xdp:outside --inside xdp:outside -p "$POL"
t "no such interface" refuses 'no such interface' --outside xdp:outside --inside xdp:nowhere -p "$POL"
t "something that is no port" refuses 'a port is' --outside outside --inside xdp:inside -p "$POL"
t "a key that is not there" refuses 'nokey' "${BOTH[@]}" -p "$POL" --journal "$D/j" --key "$TMP/nokey"
in_addr() { ip -n "$P-g" addr add 192.0.2.1/24 dev outside && refuses 'has an IP address' "${BOTH[@]}" -p "$POL"; }
t "a port with an address" in_addr
ip -n "$P-g" addr del 192.0.2.1/24 dev outside
no_root() { # a user cannot even look at the interfaces
	local out
	out=$(in_ns g setpriv --reuid 65534 --clear-groups --bounding-set -all "$INTERLOCK" guard "${BOTH[@]}" -p "$POL" 2>&1)
	[ $? = 2 ] && grep -q 'started by root' <<<"$out"
}
t "somebody who is not root" no_root

# --- life ----------------------------------------------------------------------------------------

serve plc1 t 502 "$TMP/server" python3 "$TMP/mb.py" server 0.0.0.0 || exit 1
t "starts" dut guard -p "$POL"
lines() { said "outside: outside, $([ "$GUARD_PORTS" = xdp ] && echo native XDP || echo DPDK), MTU 1500" && said 'inside: inside' && said 'mode enforce, 1 conduits' && said 'memory: '; }
t "says what it found" lines
second() { # another one on the same ports
	local out
	out=$(in_ns g timeout 20 "$INTERLOCK" guard "${BOTH[@]}" -p "$POL" --ctl "$D/ctl2" --state "$D/state" 2>&1)
	[ $? = 2 ] && grep -q 'guards it' <<<"$out"
}
t "a second guard of the same ports is refused" second
t "an allowed session passes" poll 200 0
t "a write is stopped" write
t "and is an alert" wait_for 5 grep -q write_single_register "$D/eve.json"
stranger() { ! on eng timeout 2 python3 "$TMP/mb.py" poll "${IP[plc1]}" 1 0 2>/dev/null; }
t "nobody else gets through" stranger
flows() { poll 1 0 && ask flows | grep -q "^tcp ${IP[hmi]}:[0-9]* -> ${IP[plc1]}:502 .*hmi-plc1"; }
t "ctl flows" flows
status() { ask status | jq -e '.ok and .result' >/dev/null; }
t "ctl status" status

# Each process has what docs/OPERATIONS.md says, and no more.
privileges() {
	local name user caps nnp seccomp pid bad=0 want
	want=$(sed -n '/^| process | user | capabilities/,/^$/p' "$ROOT/docs/OPERATIONS.md" | sed -n '3,$p')
	[ -n "$want" ] || { echo "docs/OPERATIONS.md has no table"; return 1; }
	while IFS='|' read -r _ name user caps nnp seccomp _; do
		read -r name user caps nnp seccomp <<<"$name $user ${caps// /} $nnp $seccomp"
		case $name in
		parent) pid=$DUT_PID ;;
		builder | metrics) continue ;; # lives for a moment; not in every guard
		*) pid=$(child "$name") ;;
		esac
		for set in CapEff CapPrm CapBnd; do
			[ "$(capsh --decode="$(awk "/^$set/ {print \$2}" "/proc/$pid/status")" | sed 's/.*=//; s/cap_//g; s/,/,/g')" = \
				"$([ "$caps" = none ] || echo "$caps")" ] || { echo "$name: $set: $(grep $set "/proc/$pid/status")"; bad=1; }
		done
		[ "$(awk '/^NoNewPrivs/ {print $2}' "/proc/$pid/status")" = "$nnp" ] || { echo "$name: NoNewPrivs"; bad=1; }
		[ "$(awk '/^Seccomp:/ {print $2}' "/proc/$pid/status")" = "$seccomp" ] || { echo "$name: Seccomp"; bad=1; }
		case $user in
		root) user=0 ;;
		*) user=$(id -u "${user//\`/}" 2>/dev/null || { [ "$name" = signer ] && echo 0 || id -u nobody; }) ;;
		esac
		[ "$(awk '/^Uid/ {print $2, $3, $4, $5}' "/proc/$pid/status")" = "$user $user $user $user" ] || { echo "$name: Uid"; bad=1; }
	done <<<"$want"
	return $bad
}
if command -v capsh >/dev/null; then t "rights are those of the documentation" privileges; else t_skip "rights are those of the documentation" "no capsh"; fi
no_files() { # of the worker: no file but the standard ones, and an empty root
	local pid own='socket:\|eventpoll\|bpf-map'
	[ "$GUARD_PORTS" = xdp ] || own+='\|^pipe:\|timerfd\|^/memfd:nohuge' # EAL's
	pid=$(child worker)
	[ -z "$(find "/proc/$pid/fd" -mindepth 1 \( -name '[3-9]' -o -name '[1-9][0-9]*' \) -printf '%l\n' | grep -v "$own")" ] &&
		[ "$(readlink "/proc/$pid/root")" != / ]
}
t "the worker has no file and no root" no_files
idle() { # processor time of all processes in 3 seconds
	local a b pids
	pids="$DUT_PID $(pgrep -P "$DUT_PID")"
	used() { for p in $pids; do cut -d' ' -f14,15 "/proc/$p/stat"; done | awk '{ n += $1 + $2 } END { print n }'; }
	a=$(used)
	sleep 3
	b=$(used)
	[ $((b - a)) -le 12 ] || { echo "$((b - a)) ticks in 3 s"; return 1; }
}
t "an idle guard is idle" idle

# --- reload ----------------------------------------------------------------------------------------

reload_good() { sed 's/0\.\.199/0..50/' "$TMP/good.yaml" >"$POL" && [ "$(ask reload | jq .result.generation)" = 2 ] && poll 5 0; }
t "a reload" reload_good
reload_bad() {
	cp "$1" "$POL"
	ask reload | jq -e '.ok == false' | grep -q true && ask reload | jq -r .error | grep -q "$2" && poll 5 0
}
t "a policy with errors is refused, and why" reload_bad "$TMP/bad.yaml" ':1:'
t "one without a mode too" reload_bad "$TMP/nomode.yaml" 'says no mode'
reload_hup() { mark && cp "$TMP/good.yaml" "$POL" && kill -HUP "$DUT_PID" && wait_for 5 said 'generation 3' && poll 5 0; }
t "a reload by HUP" reload_hup
reload_under() { # a session does not notice
	bg hmi "$TMP/poll" python3 "$TMP/mb.py" poll "${IP[plc1]}" 300 0.005
	local client=$PID
	for _ in 1 2 3 4 5 6; do ask reload | jq -e .ok >/dev/null || return 1; done
	wait "$client" && [ "$(child worker | wc -l)" = 1 ] && ! said 'ended unexpectedly'
}
t "six reloads under a session" reload_under

# --- processes that end ----------------------------------------------------------------------------

another() { [ -n "$(child "$1")" ] && [ "$(child "$1")" != "$2" ]; } # NAME PID
killed() { # NAME SIGNAL SECONDS: a session lives through it; the process is there again
	local was client
	was=$(child "$1")
	mark
	bg hmi "$TMP/poll" python3 "$TMP/mb.py" poll "${IP[plc1]}" 150 0.02
	client=$PID
	sleep 0.5
	kill "-$2" "$was"
	wait_for "$3" said "$1: ended unexpectedly" && wait "$client" && cat "$TMP/poll" &&
		wait_for 5 another "$1" "$was" # with the kernel path the session is over before it is there
}
t "kill -9 of the worker" killed worker KILL 5
t "kill -9 of the signer" killed signer KILL 5
t "a worker that hangs" killed worker STOP 8
t "is an alert" wait_for 5 eval '[ "$(events | grep -c guard.worker_died)" = 2 ]'
builder_killed() { # the reload fails, nothing else
	(while :; do pkill -9 -P "$DUT_PID" guard-builder && break; done) &
	local hunter=$! answer
	answer=$(ask reload)
	kill $hunter 2>/dev/null
	wait $hunter 2>/dev/null
	jq -e '.ok == false or .ok' <<<"$answer" >/dev/null && poll 5 0
}
t "kill -9 of the builder" builder_killed
parent_killed() { # nothing passes, nothing of it goes on; the next start cleans up
	local old
	old=$(pgrep -P "$DUT_PID")
	stop "$DUT_PID" KILL
	# shellcheck disable=SC2086 # a list
	wait_for 10 eval "! kill -0 $(echo $old | sed 's/ / 2>\/dev\/null || ! kill -0 /g') 2>/dev/null" || return 1
	! on hmi timeout 2 python3 "$TMP/mb.py" poll "${IP[plc1]}" 1 0 2>/dev/null || return 1
	dut guard -p "$POL" && poll 20 0
}
t "kill -9 of the parent, and a new start" parent_killed
restored() {
	stop "$DUT_PID" KILL
	DUT_PID=''
	sleep 1
	if [ -n "${FAST:-}" ]; then # the filter goes on: --restore sees that, wherever it is pinned
		(in_ns g "$INTERLOCK" guard --restore --state "$D/state") 2>&1 | grep -c "left alone: its filter is pinned in $PINS" | grep -qx 2 &&
			ip -n "$P-g" -d link show outside | grep -q prog/xdp &&
			(in_ns g "$INTERLOCK" guard --detach --pin "$PINS" --state "$D/state")
	else
		(in_ns g "$INTERLOCK" guard --restore --state "$D/state")
	fi && rm -f "$D/ctl" && nothing_left
}
t "kill -9 of the parent, and --restore" restored

# --- take-over -------------------------------------------------------------------------------------

t "starts again" dut guard -p "$POL"
take_over() { # another process, the same session
	local client old=$DUT_PID
	bg hmi "$TMP/poll" python3 "$TMP/mb.py" poll "${IP[plc1]}" 200 0.02
	client=$PID
	sleep 0.5
	guard_start -p "$POL" --take-over || return 1
	wait "$client" && cat "$TMP/poll" || return 1
	wait "$old"
	[ $? = 0 ] && awk '{ exit !($3 < 2.5) }' "$TMP/poll"
}
t "a take-over" take_over
t "and another one" take_over
t "are alerts, one each" eval '[ "$(events | grep -c guard.taken_over)" = 2 ]'
failed_take_over() { # the new one cannot: the old one goes on
	cp "$TMP/bad.yaml" "$TMP/bad2.yaml"
	! (in_ns g timeout 20 "$INTERLOCK" guard "${BOTH[@]}" -p "$TMP/bad2.yaml" --take-over --ctl "$D/ctl" --state "$D/state" 2>/dev/null) && poll 10 0
}
t "a take-over that cannot begin changes nothing" failed_take_over
taken_and_dropped() { # asks, and goes away
	mark
	python3 - "$D/ctl" <<-'EOT'
		import array, os, socket, sys
		s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
		r, w = os.pipe(); os.set_blocking(r, False)
		fds = array.array('i', [os.memfd_create('x'), r])
		s.sendmsg([b'{"v":1,"verb":"takeover"}\n'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
		assert b'"ok":true' in s.recv(4096)
	EOT
	wait_for 15 said 'this guard goes on' && sleep 1 && poll 10 0
}
t "a successor that dies leaves the guard in force" taken_and_dropped
nobody_there() {
	stop "$DUT_PID" KILL
	sleep 1
	guard_start -p "$POL" --take-over && said 'a clean start' && poll 10 0
}
mark
t "a take-over from a dead guard is a clean start" nobody_there

# --- the link --------------------------------------------------------------------------------------

link_follow() {
	dut_stop
	dut guard -p "$POL" --link-follow || return 1
	mark
	ip -n "$P-b" link set b0 down
	wait_for 3 said 'inside: link is lost' && wait_for 3 eval '! ip -n $P-a link show a0 | grep -q LOWER_UP' || return 1
	ip -n "$P-b" link set b0 up
	wait_for 3 said 'inside: link is back' && wait_for 3 eval 'ip -n $P-a link show a0 | grep -q LOWER_UP' && poll 10 0
}
t "a lost link is said, and followed" link_follow
t "and is an alert" wait_for 3 eval 'events | grep -q port.link'

# --- the end ---------------------------------------------------------------------------------------

stopped() {
	stop "$DUT_PID"
	DUT_PID=''
	said 'its ports are as they were before' && nothing_left
}
t "a stop leaves nothing" stopped
journal() { "$INTERLOCK" journal verify --key "$D/key.pub" "$D/journal" | grep -q 'complete: signed end'; }
t "the journal is whole and has an end" journal
ctl_stop() {
	dut guard -p "$POL" || return 1
	ask stop | jq -e .ok >/dev/null && wait "$DUT_PID" && DUT_PID='' && nothing_left
}
t "ctl stop" ctl_stop
t_end
