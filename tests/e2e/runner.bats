#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tests/run counts what its suites say, and a suite cannot pass by dying.

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir -p tests/e2e
	cp "$BATS_TEST_DIRNAME"/../run tests/
}

script() { printf '%s\n' "$2" >"tests/e2e/$1.sh"; }

# closing STATUS LINE: how tests/run ended
closing() {
	run env -u CMOCKA_MESSAGE_OUTPUT -u AGAIN -u AGAIN_UNTIL B=b bash tests/run -n 'e2e/*'
	[ "$status" -eq "$1" ] && [ "${lines[-1]}" = "$2" ] || { echo "status $status: $output"; return 1; }
}

@test "a script passes, fails, and is skipped with its reason" {
	script pass 'exit 0'
	closing 0 "1 passed, 0 failed, 0 skipped"
	script none 'echo no such device; exit 77'
	closing 0 "1 passed, 0 failed, 1 skipped"
	[[ $output == *"skip  e2e/none"*"no such device"* ]]
	script fail 'echo what went wrong; exit 3'
	closing 1 "1 passed, 1 failed, 1 skipped"
	[[ $output == *"FAIL  e2e/fail"*"--- e2e-fail"*"what went wrong"* ]]
}
@test "every case of TAP counts, skipped ones of bats and of cmocka too" {
	script tap 'printf "1..4\nok 1 - a\nok 2 b # skip not here\nnot ok 3 # SKIP c\nok 4 - d\n"'
	closing 0 "2 passed, 0 failed, 2 skipped"
	script tap 'printf "1..2\nok 1 - a\nnot ok 2 - b\n# why\n"; exit 1'
	closing 1 "1 passed, 1 failed, 0 skipped"
}
@test "cases that were planned and never came have failed" {
	script tap 'printf "1..3\nok 1 - a\n"; kill -SEGV $$'
	closing 1 "1 passed, 2 failed, 0 skipped"
}
@test "all cases fine and a bad exit status: failed (a leak found at exit)" {
	script tap 'printf "1..1\nok 1 - a\n"; exit 1'
	closing 1 "1 passed, 1 failed, 0 skipped"
}
@test "an empty plan has failed" {
	script tap 'printf "1..0\n"'
	closing 1 "0 passed, 1 failed, 0 skipped"
}
@test "a suite that hangs is stopped" {
	script slow 'sleep 60'
	export LIMIT=1
	closing 1 "0 passed, 1 failed, 0 skipped"
	[[ $output == *"still running after 1 seconds"* ]]
}
@test "no suite of that name is a usage error" {
	run env B=b bash tests/run -n 'e2e/none'
	[ "$status" -eq 2 ]
}
@test "what fails beside the others is run again by itself, and told" {
	mkdir -p tests/scenario
	lane='echo run >>"$ROOT/runs"; [ "$(wc -l <"$ROOT/runs")" -gt '
	printf '%s\n' "$lane 1 ] || { echo too late; exit 1; }" >tests/scenario/once.sh
	run env -u CMOCKA_MESSAGE_OUTPUT -u AGAIN -u AGAIN_UNTIL B=b bash tests/run -n 'scenario/?' scenario/once
	[ "$status" -eq 0 ] && [ "${lines[-1]}" = "1 passed, 0 failed, 0 skipped" ]
	echo "$output"
	[[ $output == *"FAIL  scenario/once"*"run again"*"too late"*"ok    scenario/once"*"run again by itself: scenario/once"* ]]
	rm runs
	run env -u CMOCKA_MESSAGE_OUTPUT -u AGAIN_UNTIL B=b AGAIN=0 bash tests/run -n 'scenario/?' scenario/once
	[ "$status" -eq 1 ] && [ "$(wc -l <runs)" -eq 1 ]
	rm runs
	printf '%s\n' "$lane 9 ]" >tests/scenario/once.sh
	run env -u CMOCKA_MESSAGE_OUTPUT -u AGAIN -u AGAIN_UNTIL B=b bash tests/run -n 'scenario/?' scenario/once
	[ "$status" -eq 1 ] && [ "$(wc -l <runs)" -eq 2 ] && [[ $output != *"by itself:"* ]]
}
@test "many failures, and suites without real time, are not run again" {
	mkdir -p tests/scenario tests/unit b/tests/unit
	for t in a b c; do printf 'echo %s >>"$ROOT/runs"; exit 1\n' $t >tests/scenario/$t.sh; done
	run env -u CMOCKA_MESSAGE_OUTPUT -u AGAIN -u AGAIN_UNTIL B=b bash tests/run -n 'scenario/?' scenario/once
	[ "$status" -eq 1 ] && [ "${lines[-1]}" = "0 passed, 3 failed, 0 skipped" ] && [ "$(wc -l <runs)" -eq 3 ]
	rm runs
	touch tests/unit/x_test.c
	printf '#!/bin/sh\necho run >>"$ROOT/runs"; exit 1\n' >b/tests/unit/x_test
	chmod +x b/tests/unit/x_test
	run env -u CMOCKA_MESSAGE_OUTPUT -u AGAIN -u AGAIN_UNTIL B=b bash tests/run -n unit/x
	[ "$status" -eq 1 ] && [ "$(wc -l <runs)" -eq 1 ]
}
