#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy diff: against replay's own findings by each policy, and for what it must not say.

OLD=$ROOT/policies/filling-line.yaml
PLANT=$ROOT/pcaps/mixed/plant.pcap

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

@test "a policy does not differ from itself, on any of our captures" {
	for p in "$ROOT"/policies/*.yaml; do
		run "$INTERLOCK" policy diff "$p" "$p" "$ROOT"/pcaps/*/*.pcap
		[ "$status" -eq 0 ] || { echo "$p: $output"; return 1; }
		[[ $output == *"no verdict differs"* ]]
	done
}

@test "a changed limit: the writes that it stops and the one that it lets pass" {
	sed '/name: setpoints/,/119:/{s/100: 0..1500/100: 0..5000/;s/step: 10/step: 50/}' "$OLD" >new.yaml
	run "$INTERLOCK" policy diff --json "$OLD" new.yaml "$PLANT"
	[ "$status" -eq 1 ]
	echo "$output" >d.json
	[ "$(jq -c '[.stopped, .passed, .other, .not_listed]' d.json)" = "[8,1,0,0]" ]
	[ "$(jq -r '.differences[] | [.op, .count, .old.rule, .new.rule] | @tsv' d.json | tr '\t' ' ')" = \
		"write_multiple_registers 8 hmi-filler/setpoints hmi-filler/otherwise
write_single_register 1 hmi-filler/otherwise hmi-filler/setpoints" ]
	# the other way round, the same differences
	run "$INTERLOCK" policy diff --json new.yaml "$OLD" "$PLANT"
	[ "$(jq -c '[.stopped, .passed, .other]' <<<"$output")" = "[1,8,0]" ]
}

# refused FILE: requests and connections per capture that would be refused, as replay counts them
refused() {
	"$INTERLOCK" replay -q -p "$1" --facts - "$2" |
		jq -s '[.[] | select(.kind == "request" and (.verdict == "drop" or .verdict == "reject" or .verdict == "reset"))] | length'
}

@test "against an empty conduit list every request differs that was allowed" {
	cat >none.yaml <<-'Y'
	interlock: 1
	mode: enforce
	zones: {a: {level: 2, nets: [192.0.2.0/24]}}
	devices: {x: {zone: a, ip: 192.0.2.1}}
	conduits: [{name: c, from: [x], to: [x], modbus: {addressing: zero-based, allow: [{name: n, units: all, functions: read, holding: all}]}}]
	Y
	sed 's/^mode:.*/mode: enforce/; /mode: alert/s/mode: alert, *//' "$OLD" >old.yaml
	"$INTERLOCK" policy check old.yaml
	run "$INTERLOCK" policy diff --json old.yaml none.yaml "$ROOT/pcaps/modbus/attack-day.pcap"
	echo "$output" >d.json
	before=$(refused old.yaml "$ROOT/pcaps/modbus/attack-day.pcap")
	after=$(refused none.yaml "$ROOT/pcaps/modbus/attack-day.pcap")
	said=$(jq '[.differences[] | select(.op != "connection" and .op != "frame" and .old.verdict == "allow" and .new.verdict != "allow") | .count] | add' d.json)
	echo "before $before, after $after, said $said"
	[ "$said" -eq $((after - before)) ]
	[ "$(jq '[.differences[] | select(.op == "connection")] | length' d.json)" -gt 0 ]
	# and back: the connections that the first refuses are told although the second says nothing
	run "$INTERLOCK" policy diff --json none.yaml old.yaml "$ROOT/pcaps/modbus/attack-day.pcap"
	[ "$(jq '[.differences[] | select(.op == "connection" and .old.verdict == "drop" and .new.verdict == "allow") | .count] | add' <<<"$output")" -gt 0 ]
	[ "$(jq '[.stopped, .passed, .other] | add' <<<"$output")" = "$(jq '[.stopped, .passed, .other] | add' d.json)" ]
}

@test "what it cannot read: 2, with the reason" {
	run "$INTERLOCK" policy diff "$OLD" "$OLD"
	[ "$status" -eq 2 ]
	run "$INTERLOCK" policy diff "$OLD" nowhere.yaml "$PLANT"
	[ "$status" -eq 2 ]
	[[ $output == *"nowhere.yaml"* ]]
	head -c 3000 "$PLANT" >cut.pcap
	run "$INTERLOCK" policy diff "$OLD" "$OLD" cut.pcap
	[ "$status" -eq 2 ]
}
