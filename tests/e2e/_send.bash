#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# For send*.bats: a sender, a journal of 121 batches, and a collector that is not ours (tests/tools/collector.mjs, JWS by
# npm's jose). c/mode says how it misbehaves.
# shellcheck disable=SC2030,SC2031,SC2034 # each test is its own

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
within() { # SECONDS COMMAND...: SECONDS on an idle machine
	local until=$((SECONDS + 4 * $1))
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
