#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# interlock send: enrolment, and what is no collector: syslog over TLS (a receiver in Python that
# checks RFC 5424 and 5425), Unix sockets, files that are rotated; and our own collector, end to end.

ROOT=${ROOT:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
IL=${INTERLOCK:-$ROOT/${B:-build}/interlock}
WRITER=$(dirname "$IL")/tests/tools/journal_writer

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	"$IL" --version | grep -q '+send' || skip "this build has no sender"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj "/CN=ca" 2>/dev/null
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj "/CN=server" 2>/dev/null
	openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out server.crt \
		-extfile <(echo "subjectAltName=IP:127.0.0.1") 2>/dev/null
	"$IL" key new sensor >/dev/null
	"$WRITER" j sensor s1 60 10 0
	chmod -R a+rX j
}
setup() {
	cd "$BATS_TEST_TMPDIR" || return
	F=$BATS_FILE_TMPDIR J=$BATS_FILE_TMPDIR/j PIDS=''
	chmod 777 .
	cp "$F/ca.crt" . && chmod a+r ca.crt
}
teardown() { for p in $PIDS; do kill -9 "$p" 2>/dev/null || :; done; }

within() { # SECONDS COMMAND...: SECONDS on an idle machine
	local until=$((SECONDS + 4 * $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}
once() { timeout 60 "$IL" send -v --once --journal "$J" --state st --retry-max 1s --timeout 6s "$@" 2>>err || { cat err; return 1; }; }
receiver() { # CA|- [LIMIT]
	python3 "$ROOT/tests/tools/syslog_tls.py" "$F/server.crt" "$F/server.key" "$1" got "${@:2}" >port 2>recv.err 3>&- &
	PIDS="$PIDS $!"
	within 40 test -s port
	PORT=$(head -n 1 port)
}

@test "a file has the bytes that were signed, through a rotation; CEF beside it" {
	once file:a.eve
	cmp a.eve <(cat "$J"/*.eve)
	rm -rf st a.eve
	cp -r "$J" part && chmod -R u+w part && J=$PWD/part
	"$IL" send --journal part --state st file:a.eve file:a.cef,format=cef 2>>err 3>&- &
	PIDS=$!
	within 10 test -s a.eve
	within 10 cmp -s a.eve <(cat part/*.eve)
	if [ "$(id -u)" = 0 ]; then # nobody in particular, with no rights, in all its threads
		for t in /proc/"$PIDS"/task/*; do
			diff - <(grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):' "$t/status" | tr -s '\t0' ' 0') <<-'END'
				CapPrm: 0
				CapEff: 0
				CapBnd: 0
				NoNewPrivs: 1
				Seccomp: 2
			END
			[ "$(awk '/^Uid/ {print $2}' "$t/status")" != 0 ]
		done
	fi
	mv a.eve a.eve.1
	"$WRITER" part "$F/sensor" s1 5 10 0
	chmod -R a+rX part
	within 10 test -s a.eve
	within 10 cmp -s <(cat a.eve.1 a.eve) <(cat part/*.eve)
	within 10 test "$(wc -l <a.cef)" = "$(cat part/*.eve | wc -l)"
	! grep -v '^CEF:0|Interlock|Interlock|[^|]*|3|write of holding 100 = 7\\|x\\\\y|9|rt=' a.cef
}

@test "syslog over TLS: every alert, in frames and headers as the RFCs want them" {
	receiver -
	once "syslog+tls://127.0.0.1:$PORT,ca=ca.crt"
	within 5 cmp -s got <(cat "$J"/*.eve)
	[ ! -s recv.err ]
}

@test "a receiver that resets the connection gets all that it did not acknowledge again" {
	receiver - 100
	once "syslog+tls://127.0.0.1:$PORT,ca=ca.crt"
	within 5 cmp -s <(sort -u got) <(cat "$J"/*.eve | sort -u)
}

@test "a receiver of another name or CA gets nothing" {
	receiver -
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -out x.crt -days 2 -subj "/CN=x" 2>/dev/null
	chmod a+r x.crt
	"$IL" send --journal "$J" --state st --retry-max 1s "syslog+tls://127.0.0.1:$PORT,ca=x.crt,name=a" \
		"syslog+tls://localhost:$PORT,ca=ca.crt,name=b" 2>err 3>&- &
	PIDS="$PIDS $!"
	within 10 grep -qi "a: 127.0.0.1:$PORT: .*not trusted" err
	within 10 grep -qi "b: localhost:$PORT: .*name" err
	[ ! -s got ]
	trouble() { local out; out=$("$IL" send status st 2>&1); [ $? = 1 ] && [[ $out == *retrying* ]]; }
	within 5 trouble # it is written each second
}

@test "Unix sockets, stream and datagram" {
	python3 - >py.out 2>&1 3>&- <<'END' &
import os, select, socket
s = socket.socket(socket.AF_UNIX); s.bind("s.sock"); s.listen()
d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.bind("d.sock")
for n in ("s.sock", "d.sock"): os.chmod(n, 0o777)
conns, out = [], {"s": open("s.got", "wb", 0), "d": open("d.got", "wb", 0)}
while True:
    for r in select.select([s, d] + conns, [], [])[0]:
        if r is s: conns.append(s.accept()[0])
        elif r is d: out["d"].write(d.recv(65536))
        else:
            data = r.recv(65536)
            if data: out["s"].write(data)
            else: conns.remove(r)
END
	PIDS=$!
	within 10 test -S d.sock
	once unix:s.sock unix-dgram:d.sock
	within 5 cmp -s s.got <(cat "$J"/*.eve)
	within 5 cmp -s d.got <(cat "$J"/*.eve)
}

@test "enrolment and an alert's way, with interlock collect" {
	"$IL" --version | grep -q '+collector' || skip "this build has no collector"
	"$IL" collect init c --host 127.0.0.1 >init.out
	token=$("$IL" collect token c s1 --approve | grep -oE '[A-Za-z0-9_-]{32}' | head -n 1)
	port=$((20000 + RANDOM % 10000))
	"$IL" collect c --listen 127.0.0.1:$((port + 1)) --ingest 127.0.0.1:$port >c.out 2>&1 3>&- &
	PIDS=$!
	fp=$(openssl x509 -in c/ca.crt -outform der | sha256sum | cut -d' ' -f1)
	within 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
	enrol() { "$IL" send enrol --collector https://127.0.0.1:$port --key "$F/sensor" --dir id --name s1 "$@"; }
	run enrol --token wrong --ca-fingerprint "$fp"
	[ "$status" = 2 ] && [[ $output == *refuses* ]] || { echo "$output"; cat c.out init.out; return 1; }
	run enrol --token "$token" --ca-fingerprint "${fp:1}0"
	[ "$status" = 2 ] && [[ $output == *"none has that fingerprint"* ]]
	[ ! -e id/collector.json ] && [ ! -e id/transport.key ]
	enrol --token "$token" --ca-fingerprint "$fp"
	run enrol --token "$token" --ca-fingerprint "$fp"
	[ "$status" = 2 ] && [[ $output == *"is there already"* ]]
	once --identity id https://127.0.0.1:$port
	[ "$(jq '.outputs[0].behind_alerts' st/status.json)" = 0 ]
	python3 -c 'import sys, base64, json
print(json.loads(base64.urlsafe_b64decode(open("st/receipt").read().split(".")[1] + "=="))["batch"])' >batch
	[ "$(cat batch)" = "$(jq -r .batch st/https*.place)" ] && [ "$(cat batch)" = 61 ]
	rm -rf st
	once --identity id https://127.0.0.1:$port # asked where to go on: nothing is left
}
