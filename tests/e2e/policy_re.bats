#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# re: in the place of a glob judges recorded OPC UA as the names written out do, and says so in why and explain.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	C=$ROOT/pcaps/opcua/none.pcap
	"$INTERLOCK" learn "$C" 2>/dev/null | sed '/^ *enabled: false$/d; s/^mode: alert/mode: enforce/' >names.yaml
}

verdicts() { "$INTERLOCK" replay -q -p "$1" --facts - "$C" | jq -c '[.frame, .op, .verdict, .rule]'; }

@test "expressions allow what the names they stand for allow, and nothing beside" {
	nodes=$(grep -m 1 '^ *nodes: \["' names.yaml)
	count=$(grep -o '"[^"]*"' <<<"$nodes" | wc -l)
	[ "$count" -gt 3 ]
	# All names in one expression, punctuation with a backslash.
	re=$(grep -o '"[^"]*"' <<<"$nodes" | tr -d '"' | sed 's/[][(){}.*+?|^$\\]/\\&/g; s/\\\*/.*/g; s/^/(/; s/$/)/' | paste -sd '|')
	RE="$re" awk '/^ *nodes: \["/ && !done { sub(/\[.*/, ""); print $0 "['"'"'re:" ENVIRON["RE"] "'"'"']"; done = 1; next } { print }' names.yaml >re.yaml
	run -0 "$INTERLOCK" policy check re.yaml
	cmp <(verdicts names.yaml) <(verdicts re.yaml)
	# One letter more, and it is another name.
	sed "s/'re:\(.*\)'/'re:(\1)x'/" re.yaml >other.yaml
	run -0 "$INTERLOCK" policy check other.yaml
	! cmp -s <(verdicts names.yaml) <(verdicts other.yaml)
	frame=$("$INTERLOCK" replay -q -p other.yaml --facts - "$C" | jq -s '[.[] | select(.op == "Read" and .verdict == "drop")][0].frame')
	run -1 "$INTERLOCK" why -p other.yaml --frame "$frame" "$C"
	[[ $output == *"no pattern of it matches"* ]]
	run -0 "$INTERLOCK" why -p re.yaml --frame "$frame" "$C"
	run -0 "$INTERLOCK" policy explain re.yaml
	[[ $output == *"re:("* ]]
}

@test "what has no table is refused with its reason; 1024 is enough" {
	sed "s/nodes: \[\".*/nodes: ['re:(a)\\\\1', 're:.*a.{9}']/" names.yaml >bad.yaml
	run -2 "$INTERLOCK" policy check bad.yaml
	[[ $output == *'nodes: re: references to groups (\1) are not supported'* ]]
	[[ $output == *"nodes: re: it needs more than 256 states"* ]]
	sed "0,/nodes: \[\".*/s//nodes: [$(for i in $(seq 1025); do printf "'re:n%d(a|b)', " "$i"; done)]/" names.yaml >many.yaml
	run -2 "$INTERLOCK" policy check many.yaml
	[[ $output == *"a policy has at most 1024 expressions"* ]]
	[ "$(grep -c 1024 <<<"$output")" = 1 ]
	sed -i "s/'re:n1025(a|b)', //" many.yaml
	run -0 "$INTERLOCK" policy check many.yaml
}
