#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# interlock send against a collector that is not ours (tests/tools/collector.mjs, JWS by npm's jose), and
# against everything such a collector may do wrong: what is stored there is what was signed here, or the
# sender says what is the matter and asks no more often than it should.
# shellcheck disable=SC2030,SC2031 # each test is its own

ROOT=${ROOT:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
IL=${INTERLOCK:-$ROOT/${B:-build}/interlock}
WRITER=$(dirname "$IL")/tests/tools/journal_writer
PATH=$PATH:/usr/sbin:/sbin

issue() { # NAME CA [NAMES]: NAME.key, NAME.crt
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null &&
		openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 2 -out "$1.crt" \
			-extfile <(echo "subjectAltName=${3:-IP:127.0.0.1}") 2>/dev/null
}
authority() { # NAME
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.crt" -days 2 -subj "/CN=$1" 2>/dev/null
}

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	chmod 755 .. . # the sender is not root for long
	"$IL" --version | grep -q '+send' || skip "this build has no sender"
	[ -x "$WRITER" ] || skip "journal_writer is not built"
	cp -r "$ROOT/tests/e2e/jose" jose
	npm --prefix jose ci --no-audit --no-fund --fetch-retries=1 >npm.log 2>&1 || skip "npm cannot get jose: $(tail -n 1 npm.log)"
	authority ca && authority otherca && issue server ca && issue transport ca && issue stranger otherca && issue elsewhere ca DNS:elsewhere.example
	"$IL" key new sensor >/dev/null && "$IL" key new receipt.jwk >/dev/null && "$IL" key new other.jwk >/dev/null
	mkdir id
	cp ca.crt transport.crt transport.key id/
	cp receipt.jwk.pub id/receipt.jwks
	"$WRITER" j sensor s1 120 20 0 # 121 batches, 1 MB
	chmod -R a+rX id j
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	chmod -R a+rX ..
	cp -r "$BATS_FILE_TMPDIR"/id .
	mkdir c
	cp "$BATS_FILE_TMPDIR"/{ca.crt,server.crt,server.key,sensor.pub,receipt.jwk,other.jwk} c/
	J=$BATS_FILE_TMPDIR/j
	PORT=0 SENDER='' NODE=''
}

teardown() {
	[ -z "$SENDER" ] || kill -9 "$SENDER" 2>/dev/null || :
	[ -z "$NODE" ] || kill -9 "$NODE" 2>/dev/null || :
	[ -z "${WRITING:-}" ] || kill -9 "$WRITING" 2>/dev/null || :
}

collector() { # [VAR=VALUE...]: starts it, at the port it had
	rm -f c/port
	env JOSE_DIR="$BATS_FILE_TMPDIR/jose" "$@" node "$ROOT/tests/tools/collector.mjs" c "$PORT" >c/out 2>&1 3>&- &
	NODE=$!
	within 10 test -s c/port || { cat c/out; return 1; }
	PORT=$(cat c/port)
	URL=https://127.0.0.1:$PORT
	echo "{\"v\":1,\"url\":\"$URL\",\"sensor\":\"s1\"}" >id/collector.json
}
gone() { kill -9 "$NODE"; wait "$NODE" 2>/dev/null || :; NODE=''; }
send() { # [OPTION...]
	timeout 60 "$IL" send -v --journal "$J" --state st --identity id --retry-max 1s --timeout 5s "$@" "$URL" >>err 2>&1
}
sender() {
	"$IL" send -v --journal "$J" --state st --identity id --retry-max 1s --timeout 5s "$@" "$URL" >>err 2>&1 3>&- &
	SENDER=$!
}
ended() { # STATUS
	local got=0
	wait "$SENDER" || got=$?
	SENDER=''
	[ $got = "$1" ] || { echo "status $got"; cat err; return 1; }
}
within() { # SECONDS COMMAND...
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}
said() { grep -qF "$1" err || { echo "not said: $1"; cat err; return 1; }; }
says() { within 10 grep -qF "$1" err || { echo "not said: $1"; cat err c/log; return 1; }; }
posts() { grep -c POST c/log; }
same() { # what is stored is what was signed, byte for byte, once, in order
	jq -r .jws c/stored | cmp - <(cat "$J"/*.jws) && jq -j .text c/stored | cmp - <(cat "$J"/*.eve)
}
output() { jq -r ".outputs[0].$1" st/status.json; }
# The place on disk, and the receipt for it, are those of the last batch.
kept() {
	[ "$(jq -c '[.epoch,.batch]' st/*.place)" = "$(jq -c '[.epoch,.batch]' c/stored | tail -n 1)" ] &&
		[ "$(jq -rR 'split(".")[1] | gsub("-";"+") | gsub("_";"/") | @base64d | fromjson | .batch' st/receipt)" = "$(jq .batch c/stored | tail -n 1)" ]
}

@test "all of a journal arrives, byte for byte, in few requests" {
	collector
	send --once
	same && kept
	[ "$(posts)" -le 4 ]
	[ "$(output behind_alerts)" = 0 ]
	[ "$(output batches)" = 121 ]
}

@test "a sender that starts anew asks where to go on, also without its state" {
	collector
	send --once
	rm -rf st
	send --once
	same
	[ "$(posts)" -le 4 ] # nothing was sent again
}

@test "what is signed while it runs arrives within a second or two" {
	J=$PWD/live
	collector
	"$WRITER" live "$BATS_FILE_TMPDIR/sensor" s1 40 3 50 3>&- &
	WRITING=$!
	within 5 test -s live/00000001.jws
	chmod -R a+rX live
	sender
	wait $WRITING
	within 2 same
	kill -TERM "$SENDER"
	ended 0
	kept
}

@test "a collector that goes and comes back: nothing is missing, nothing is twice" {
	J=$PWD/live
	collector
	"$WRITER" live "$BATS_FILE_TMPDIR/sensor" s1 60 3 50 3>&- &
	WRITING=$!
	within 5 test -s live/00000001.jws
	chmod -R a+rX live
	sender
	within 5 test -s c/stored
	gone
	says "retrying" || says "Failed to connect"
	sleep 1
	collector
	wait $WRITING
	within 5 same
	kill -TERM "$SENDER"
	ended 0
	said "batches arrive again"
}

@test "the answer is lost, before or after it stored: once is enough" {
	collector
	echo drop-before >c/mode
	sender --once
	within 5 test "$(posts 2>/dev/null || echo 0)" -ge 1 || within 5 grep -q POST c/log
	echo drop-after >c/mode
	within 8 test -s c/stored
	echo ok >c/mode
	ended 0
	same && kept
}

@test "503 with Retry-After is waited for" {
	collector
	echo "busy 3" >c/mode
	sender --once
	within 5 grep -q busy c/log
	start=$SECONDS
	echo ok >c/mode
	sleep 2
	[ "$(posts)" = 1 ]
	ended 0
	[ $((SECONDS - start)) -ge 2 ]
	same
}

@test "413 makes requests smaller; a batch that is too large alone is told, and is no loop" {
	collector
	echo "large 100000" >c/mode
	send --once
	same
	rm c/stored c/log
	gone
	collector
	echo "large 1000" >c/mode
	sender
	says "413 to batch 1 alone"
	sleep 2
	[ "$(posts)" -le 14 ]
	[ "$(output state)" = refused ]
}

@test "409 for ever is told, and is no loop" {
	collector
	echo conflict >c/mode
	sender
	says "does not take batch 1 of epoch"
	says ", again"
	sleep 2
	[ "$(posts)" -le 5 ]
	[ "$(output state)" = refused ]
	[ ! -e st/receipt ]
	echo ok >c/mode
	within 5 same
}

@test "a receipt that is not the collector's word for this batch moves nothing" {
	collector
	for how in key batch hash sensor typ cut; do
		echo "receipt-$how" >c/mode
		rm -rf st c/stored err
		gone
		collector
		sender
		says "receipt: "
		kill -TERM "$SENDER"
		ended 1
		[ ! -e st/receipt ] && [ ! -e st/*.place ] || { echo "$how: believed"; cat err; return 1; }
	done
}

@test "answers that are none: a page, too long, a redirect, errors" {
	collector
	for how in html long "redirect $PORT" "error 500" "error 401" "error 422"; do
		echo "$how" >c/mode
		rm -f c/log err
		sender
		within 5 grep -q POST c/log
		sleep 0.6
		kill -TERM "$SENDER"
		ended 1
		[ "$(posts)" -le 4 ]
		[ ! -e c/stored ] && [ ! -e st/receipt ]
		case $how in
		html) said "receipt: the answer has none" ;;
		long) said "longer than 65536 bytes" ;;
		redirect*) said "refuses: 307" ;;
		"error 500") said "says 500: no ?[31mreason" ;;
		*) said "refuses: ${how#error }" ;;
		esac
	done
}

@test "whom the sender does not know gets nothing" {
	collector
	cp "$BATS_FILE_TMPDIR/otherca.crt" id/ca.crt # its certificate is of another CA
	sender
	says "certificate"
	kill -TERM "$SENDER"
	ended 1
	cp "$BATS_FILE_TMPDIR/ca.crt" id/ca.crt
	gone
	cp "$BATS_FILE_TMPDIR/elsewhere.crt" c/server.crt # the right CA, another name
	cp "$BATS_FILE_TMPDIR/elsewhere.key" c/server.key
	rm err
	collector
	sender
	says "certificate"
	kill -TERM "$SENDER"
	ended 1
	gone
	cp "$BATS_FILE_TMPDIR"/server.{crt,key} c/
	rm err
	collector TLS_MIN=TLSv1.2 TLS_MAX=TLSv1.2 # older than 1.3
	sender
	says "127.0.0.1"
	kill -TERM "$SENDER"
	ended 1
	[ ! -e c/log ] # not one request came through
}

@test "whom the collector does not know sends nothing, and says so" {
	cp "$BATS_FILE_TMPDIR/stranger.crt" id/transport.crt
	cp "$BATS_FILE_TMPDIR/stranger.key" id/transport.key
	chmod a+r id/*
	collector
	sender
	says "127.0.0.1"
	sleep 1
	kill -TERM "$SENDER"
	ended 1
	[ ! -e c/log ]
}

@test "a collector that hangs: SIGTERM ends it within its limit, and nothing is lost" {
	collector
	echo "slow 60000" >c/mode
	sender --timeout 60s --drain 1s
	within 5 grep -q POST c/log
	start=$SECONDS
	kill -TERM "$SENDER"
	ended 1
	[ $((SECONDS - start)) -le 4 ]
	said "the journal has it"
	echo ok >c/mode
	send --once
	same
}

@test "killed at random, again and again: what is stored is what was signed" {
	J=$PWD/live
	collector
	"$WRITER" live "$BATS_FILE_TMPDIR/sensor" s1 200 10 20 20000 100000000 3>&- &
	WRITING=$!
	within 5 test -s live/00000001.jws
	chmod -R a+rX live
	for _ in {1..8}; do
		sender
		sleep "0.$((RANDOM % 6))$((RANDOM % 10))"
		kill -9 "$SENDER"
		wait "$SENDER" 2>/dev/null || :
	done
	wait $WRITING
	chmod -R a+rX live
	send --once
	same && kept
}

@test "what was removed before it could be sent is told and proved by the sensor's own statement" {
	J=$PWD/full
	"$WRITER" full "$BATS_FILE_TMPDIR/sensor" s1 30 20 0 60000 240000
	chmod -R a+rX full
	[ ! -e full/00000001.jws ] # it was too small for all
	collector
	send --once
	same
	said "are not in the journal any more"
	grep -q 'statement oldest' c/log
	[ "$(output skipped_batches)" -gt 0 ]
}

@test "a collector that has more than the journal: told, and nothing is sent" {
	collector
	send --once
	epoch=$(jq -r .epoch c/stored | tail -n 1)
	gone
	jq -c ".epoch = $((epoch + 100))" c/stored >c/s && mv c/s c/stored # the sensor's disk was put back to an old state
	collector
	rm -f err c/log
	sender
	says "was sent already"
	kill -TERM "$SENDER"
	ended 1
	[ ! -e c/log ] || [ "$(posts)" = 0 ]
	[ "$(output state)" != current ]
}

@test "damage in the journal is told and sent no further" {
	cp -r "$J" bad
	J=$PWD/bad
	sed -i '1200s/10\.1\.2\.9/10.1.2.8/' bad/00000001.eve
	chmod -R a+rX bad
	collector
	sender
	says "a line is not the one that was signed"
	kill -TERM "$SENDER"
	ended 1
	[ "$(jq -j .text c/stored | wc -l)" -lt 1200 ]
}

@test "a full disk under its state: it sends on, and says that a restart sends again" {
	[ "$(id -u)" = 0 ] || skip "needs root"
	mkdir st && mount -t tmpfs -o size=64k,mode=777 none st || skip "no tmpfs here"
	collector
	dd if=/dev/zero of=st/filler bs=1k count=64 2>/dev/null || :
	sender --once
	ended 0
	umount -l st
	same
	said "its place cannot be kept"
}

@test "usage" {
	for args in "" "--journal j" "--journal j --state s" "--journal j --state s gopher://x:1" "--journal j --state s https://x" \
		"--journal j --state s https://x:0" "--journal j --state s https://x:99999" "--journal j --state s https://x:1,format=x" \
		"--journal j --state s https://x:1,later=1"; do
		# shellcheck disable=SC2086
		run "$IL" send $args
		[ "$status" = 2 ] || { echo "$args: $status $output"; return 1; }
	done
	run "$IL" send --help
	[ "$status" = 0 ]
	run "$IL" send --journal nowhere --state st https://127.0.0.1:1
	[ "$status" = 2 ]
}
