#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# interlock send against a collector that is not ours: what is stored there is what was signed here, whatever happens to
# either of them.
# shellcheck disable=SC2030,SC2031 # each test is its own

load _send.bash

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
	says "Failed to connect"
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
	echo "busy 2" >c/mode
	sender --once
	within 5 grep -q busy c/log
	start=$SECONDS
	echo ok >c/mode
	sleep 1
	[ "$(posts)" = 1 ]
	ended 0
	[ $((SECONDS - start)) -ge 1 ]
	same
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
	for _ in $(seq "${KILLS:-6}"); do
		sender
		sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
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
