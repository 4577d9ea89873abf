#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The protocol between kernel and engine (docs/PROTOCOL.kernel.md), by spin; and protocols that are
# almost it, in which spin has to find the fault.

setup() {
	command -v spin >/dev/null || skip "no spin (Debian package spin)"
	model=$PWD/tests/spin/owner.pml both=$PWD/tests/spin/pairs.pml lock=$PWD/tests/spin/lock.pml
	cd "$BATS_TEST_TMPDIR" || return 1
}

look() {
	spin -a "$@" "$model" >spin.log || { cat spin.log; return 2; }
	cc "${OPT:--O2}" -DSAFETY -DCOLLAPSE -o pan pan.c || return 2
	./pan -m100000 >pan.log 2>&1 || { cat pan.log; return 2; }
	grep -q 'Search not completed\|max search depth' pan.log && ! grep -q 'errors: [1-9]' pan.log && {
		cat pan.log
		return 2
	}
	grep -o 'errors: [0-9]*' pan.log
}

@test "no number is judged twice or by an old count, no offer taken with a frame on its way" {
	run look
	echo "$output"
	[ "$output" = "errors: 0" ]
	grep 'states, stored' pan.log
}

@test "both directions: each number once and in turn, each answer with its request" {
	model=$both
	run look
	echo "$output"
	[ "$output" = "errors: 0" ]
	grep 'states, stored' pan.log
	grep -A1 'unreached in proctype' pan.log | grep -c '(0 of' | grep -qx 2 # cpu and engine: all of it was looked at
}

@test "both directions: every mistake is found" {
	OPT=-O0 # most are found at once, and compiled slowly
	model=$both
	for mistake in NO_FEED NO_REST NO_CLEAR NO_BOTH NO_EPOCH NO_SEEN 'NO_COUNT -DNO_LATE'; do
		echo "$mistake"
		# shellcheck disable=SC2086 # two words
		run look -D$mistake
		[ "$output" = "errors: 1" ]
	done
}

@test "the lock: one writes at a time, what is read is whole, nobody waits for the dead" {
	model=$lock
	run look
	echo "$output"
	[ "$output" = "errors: 0" ]
	grep 'states, stored' pan.log
	grep -A1 'unreached in proctype' pan.log | grep -c '(0 of' | grep -qx 2 # cpu and engine: all of it was looked at
}

@test "the lock: every mistake is found" {
	OPT=-O0 # most are found at once, and compiled slowly
	model=$lock
	for mistake in NO_SWAP NO_KEY NO_TAKING NO_AGAIN NO_ODD EARLY WAITS NO_HEIR; do
		echo "$mistake"
		run look -D$mistake
		[ "$output" = "errors: 1" ]
	done
}

@test "found: seen is not compared" {
	OPT=-O0
	run look -DNO_SEEN
	[ "$output" = "errors: 1" ]
}

@test "without the count of frames numbers are still judged once, and in turn" {
	run look -DNO_COUNT -DANY_TAKE
	[ "$output" = "errors: 0" ]
}

@test "found: the engine does not ask for the epoch" {
	OPT=-O0
	run look -DNO_EPOCH
	[ "$output" = "errors: 1" ]
}

@test "found: the engine does not count what it got" {
	OPT=-O0
	run look -DNO_COUNT
	[ "$output" = "errors: 1" ]
}

@test "found: the kernel believes an offer that is being written" {
	OPT=-O0
	run look -DNO_VERSION
	[ "$output" = "errors: 1" ]
}

@test "found: a frame that was late is judged all the same" {
	OPT=-O0
	run look -DNO_COUNT -DANY_TAKE -DNO_LATE
	[ "$output" = "errors: 1" ]
}
