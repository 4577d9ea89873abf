#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits of a block that are about a connection, over a capture of an HMI that asks faster
# than it is answered: 122 requests in 0.72 s on two connections, up to 16 at once.

setup() {
	il=${INTERLOCK:-$BATS_TEST_DIRNAME/../../build/interlock}
	[[ $il == /* ]] || il=$BATS_TEST_DIRNAME/../../$il
	pcap=$BATS_TEST_DIRNAME/../../pcaps/modbus/pipelining.pcap
	cd "$BATS_TEST_TMPDIR"
}

# judge LIMITS: facts by that policy in facts.json
judge() {
	cat >limits.yaml <<-EOF
	interlock: 1
	mode: enforce
	l2: {arp: any}
	zones: {all: {nets: [0.0.0.0/0]}}
	conduits:
	  - name: c
	    from: [all/*]
	    to: [all/*]
	    modbus:
	      addressing: zero-based
	      limits: {$1}
	      allow: [{name: a, units: all, functions: all, coils: all, discrete: all, input: all, holding: all}]
	EOF
	"$il" replay -p limits.yaml --facts facts.json "$pcap" >report
}

count() { grep -c "\"kind\":\"$1\".*\"verdict\":\"$2\".*$3" facts.json; }

@test "rate: a second's worth of each connection, and what the time between gives" {
	run judge 'rate: 5/s, over: drop'
	[ "$status" -eq 1 ]
	[ "$(count request drop '"reason":"limit","key":"rate"')" -eq 111 ]
	[ "$(count request allow '')" -eq 11 ]
	[ "$(count response allow '')" -eq 122 ]
	grep 'by c: limit rate' report
}

@test "rate: nobody is above one that is not reached" {
	run judge 'rate: 122/s, over: drop'
	[ "$status" -eq 0 ]
	[ "$(count request allow '')" -eq 122 ]
}

@test "pending: told by default, counted by what is open" {
	run judge 'pending: 4'
	[ "$status" -eq 0 ]
	[ "$(count request alert '"key":"pending"')" -gt 20 ]
	run judge 'pending: 255, over: drop'
	[ "$status" -eq 0 ]
}
