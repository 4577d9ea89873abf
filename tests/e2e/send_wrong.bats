#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# interlock send against everything that a collector or a disk may do wrong: it says what is the matter, believes nothing that
# is not signed, and asks no more often than it should.
# shellcheck disable=SC2030,SC2031 # each test is its own

load _send.bash

@test "413 makes requests smaller; a batch that is too large alone is told, and is no loop" {
	collector
	echo "large 100000" >c/mode
	send --once
	same
	rm c/stored c/log
	echo "large 1000" >c/mode
	sender
	says "413 to batch 1 alone"
	sleep 1
	[ "$(posts)" -le 12 ]
	[ "$(output state)" = refused ]
}

@test "409 for ever is told, and is no loop" {
	collector
	echo conflict >c/mode
	sender
	says "does not take batch 1 of epoch"
	says ", again"
	sleep 1
	[ "$(posts)" -le 4 ]
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
		sleep 0.2
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
	kill -TERM "$SENDER"
	ended 1
	[ ! -e c/log ]
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
