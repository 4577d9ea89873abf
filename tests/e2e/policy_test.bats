#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy test: the example in the tree, expectations that must fail, files that cannot be read.

EXAMPLE=$ROOT/policies/tests/filling-line.yaml
PLANT=$ROOT/pcaps/mixed/plant.pcap

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# file EXPECTATION...: a test file of one case
file() {
	printf 'interlock-test: 1\npolicy: %s\ncapture: %s\ncases:\n  - name: one\n    expect:\n' \
		"$ROOT/policies/filling-line.yaml" "$PLANT"
	printf '      - {%s}\n' "$@"
}

@test "the example in the tree holds, and its counts are those of the facts" {
	run "$INTERLOCK" policy test "$EXAMPLE"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok' <<<"$output")" -eq 5 ]
	[[ $output == *"1..5"* ]]
	"$INTERLOCK" replay -q -p "$ROOT/policies/filling-line.yaml" --facts facts.jsonl "$PLANT" || [ $? = 1 ]
	n=$(jq -s '[.[] | select(.proto == "s7" and .op == "read" and .kind == "request" and .src == "10.1.2.5" and .verdict == "allow")] | length' facts.jsonl)
	grep -q "proto: s7, op: read, verdict: allow, count: $n}" "$EXAMPLE"
}

@test "each kind of assertion can fail, with the line, the number and the frame" {
	for x in "op: stop, verdict: allow" "op: stop, verdict: drop, count: 5" "frame: 943, verdict: drop" \
		"frame: 943, rule: poll" "frame: 943, reason: otherwise" "from: hmi1, op: Write, verdict: allow" \
		"from: mes, op: Write, count: 0" "kind: connection, from: 10.1.2.66, verdict: allow"; do
		file "$x" >t.yaml
		run "$INTERLOCK" policy test t.yaml
		[ "$status" -eq 1 ] || { echo "$x: $status $output"; return 1; }
		[[ $output == *"not ok 1 - one"*"t.yaml:7:9: "*" selected"* ]]
	done
	file "op: stop, verdict: allow" >t.yaml
	run "$INTERLOCK" policy test t.yaml
	[[ $output == *"# frame 1151: stop: drop by caps: otherwise"* ]]
}

@test "the same expectations the right way round hold; inline too" {
	file "op: stop, verdict: [drop, reset]" "frame: 943, rule: mes-recipes/recipe" "from: mes, to: plc-caps, code: 673, count: 5" \
		"from: scada, kind: response, count: 1.." "from: hmi1, op: Write, count: 0" >t.yaml
	run "$INTERLOCK" policy test t.yaml
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	file "frame: 943, rule: recipe" "op: stop, verdict: [drop, reset]" | sed 's/- name: one/- name: one\n    inline: true/' >t.yaml
	run "$INTERLOCK" policy test t.yaml
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

@test "JUnit is well-formed and says what failed" {
	file "op: stop, verdict: allow" >t.yaml
	run "$INTERLOCK" policy test --junit r.xml "$EXAMPLE" t.yaml
	[ "$status" -eq 1 ]
	xmllint --noout r.xml
	[ "$(xmllint --xpath 'count(//testcase)' r.xml)" = 6 ]
	[ "$(xmllint --xpath 'count(//failure)' r.xml)" = 1 ]
	[ "$(xmllint --xpath 'string(//testsuite[2]/@failures)' r.xml)" = 1 ]
}

@test "all mistakes of a file at once, with line and column; nothing is judged then" {
	cat >bad.yaml <<-Y
	interlock-test: 2
	policy: $ROOT/policies/cell.yaml
	cases:
	  - {name: x, expect: {form: hmi1, verdict: alow}}
	  - {capture: y, expect: [{from: hmi7, count: 5..2, kind: foo}, {op: read}]}
	Y
	run "$INTERLOCK" policy test bad.yaml
	[ "$status" -eq 2 ]
	for want in '1:1: this version reads' '4:5: which capture?' '"form" is no key of an expectation; did you mean "from"?' \
		'"alow" is none' 'a case has a name' '"hmi7" is no device' 'kind: "foo"' 'count is a number' 'it asserts nothing'; do
		[[ $output == *"$want"* ]] || { echo "no $want in $output"; return 1; }
	done
	for text in '' '[' 'interlock-test: 1' 'cases: 7' '- a' '&a b'; do
		printf '%s\n' "$text" >bad.yaml
		run "$INTERLOCK" policy test bad.yaml
		[ "$status" -eq 2 ] || { echo "$text: $output"; return 1; }
	done
}

@test "a capture that breaks off: what was readable is judged, status 2" {
	head -c 100000 "$PLANT" >cut.pcap
	file "from: hmi1, op: read, verdict: allow" | sed "s#^capture:.*#capture: cut.pcap#" >t.yaml
	run "$INTERLOCK" policy test t.yaml
	[ "$status" -eq 2 ]
	[[ $output == *"cut.pcap: could not be read to its end"* ]]
}
