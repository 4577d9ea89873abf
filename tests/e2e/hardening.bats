#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The programs were linked and compiled as the Makefile's HARD and LDFLAGS say; read from
# the programs themselves, so that a lost flag shows.

setup() {
	bin=${INTERLOCK:-$BATS_TEST_DIRNAME/../../build/interlock}
	bins=$bin
	[ ! -e "$bin-net" ] || bins="$bin $bin-net"
}

has() { # has TEXT COMMAND...
	local text=$1
	shift
	run "$@"
	[ "$status" -eq 0 ] && [[ $output == *"$text"* ]] || { echo "no \"$text\" in: $output"; return 1; }
}

@test "position independent" {
	for bin in $bins; do
		has 'Position-Independent Executable' readelf -h "$bin"
		has 'PIE' readelf -d "$bin"
	done
}
@test "full RELRO: relocated before start, then read-only" {
	for bin in $bins; do
		has 'GNU_RELRO' readelf -lW "$bin"
		has 'BIND_NOW' readelf -d "$bin"
	done
}
@test "no executable stack, no segment writable and executable" {
	for bin in $bins; do
		run bash -c "readelf -lW '$bin' | grep GNU_STACK"
		[[ $output == *'RW '* ]] || { echo "$output"; return 1; }
		run bash -c "readelf -lW '$bin' | grep -E 'LOAD.* RWE'"
		[ -z "$output" ] || return 1
	done
}
@test "stack protector" {
	for bin in $bins; do
		has '__stack_chk_fail' readelf -W --dyn-syms "$bin"
	done
}
@test "fortified calls" {
	for bin in $bins; do
		run bash -c "readelf -W --dyn-syms '$bin' | grep -cE '__(memcpy|snprintf|vsnprintf|fprintf|vfprintf|memmove|memset|read)_chk'"
		[ "$output" -ge 2 ] || return 1
	done
}
@test "control-flow enforcement: every object of ours has IBT and shadow stack" {
	[ "$(uname -m)" = x86_64 ] || skip "an x86 feature"
	# Debian 12's start files (Scrt1.o, crti.o) have no such mark, so the linker leaves it
	# off the program as a whole; the code in it is ours object by object.
	objects=$(find "$(dirname "$bin")"/{base,dissectors,policy,alerts,dataplane,cli,gen} -name '*.o' ! -name '*.bpf.o')
	[ "$(wc -w <<<"$objects")" -gt 20 ]
	for o in $objects; do
		has 'IBT, SHSTK' readelf -nW "$o"
	done
}
@test "no search path of libraries is built in" {
	for bin in $bins; do
		run bash -c "readelf -d '$bin' | grep -E 'RPATH|RUNPATH'"
		[ -z "$output" ] || return 1
	done
}
