#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy check: every finding has an id, a place and what it is also about, in text, JSON and SARIF.

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

bad() {
	cat <<-'Y'
	interlock: 1
	mode: enforce
	zones:
	  office: {level: 4, port: outside, nets: [10.0.0.0/16]}
	  scada: {level: 2, port: outside, nets: [10.0.2.0/24]}
	  cell: {level: 1, port: inside, nets: [10.1.0.0/24]}
	devices:
	  pc: {zone: office, ip: 10.0.0.5, mac: "02:00:00:00:00:01"}
	  hmi: {zone: scada, ip: 10.0.2.5, mac: "02:00:00:00:00:01"}
	  spare: {zone: office, ip: 10.0.0.6}
	  plc: {zone: cell, ip: 10.1.0.1}
	  plc2: {zone: cell, ip: 10.1.0.2}
	conduits:
	  - name: cells
	    from: [hmi]
	    to: [cell]
	    modbus: {addressing: zero-based, allow: [{name: poll, units: all, functions: read, holding: all}]}
	  - name: one
	    from: [hmi]
	    to: [plc]
	    modbus:
	      addressing: zero-based
	      deny:
	        - {name: safe, units: all, functions: write, holding: [50..60]}
	      allow:
	        - {name: poll, units: [1], functions: read, holding: [0..99]}
	        - {name: more, units: [1], functions: [3], holding: [10..20]}
	        - {name: set, units: [1], functions: [6], holding: [40..55]}
	        - {name: never, units: [1], functions: [6], holding: [52]}
	  - name: two
	    from: [hmi]
	    to: [plc2]
	    s7: {allow: [{name: r, functions: [read], read: [DB1]}]}
	  - name: from-office
	    from: [pc]
	    to: [plc]
	    modbus: {addressing: zero-based, allow: [{name: w, units: [1], functions: [6], holding: [1]}]}
	  - name: aside
	    from: [hmi]
	    to: [pc]
	    icmp: [echo]
	Y
}

@test "every kind of finding, with place and related place" {
	bad >bad.yaml
	run "$INTERLOCK" policy check --json bad.yaml
	[ "$status" -eq 0 ]
	echo "$output" >c.json
	[ "$(jq -r '.complaints[] | "\(.level) \(.id) \(.line) \(.related.line // 0)"' c.json)" = \
		"note policy.zones-overlap 5 4
warning policy.same-mac 9 8
note policy.idle-device 10 0
warning policy.hidden-conduit 14 30
warning policy.redundant-rule 27 26
note policy.contradictory-rules 28 24
warning policy.shadowed-rule 29 24
warning policy.write-from-above 37 4
warning policy.same-side 38 0" ] || { jq -r '.complaints[] | "\(.level) \(.id) \(.line) \(.related.line // 0)"' c.json; return 1; }
	[ "$(jq -c '[.errors, .warnings, .notes]' c.json)" = "[0,6,3]" ]
	run "$INTERLOCK" policy check --strict bad.yaml
	[ "$status" -eq 1 ]
	[[ $output == *'bad.yaml:27:11: warning: rule "more": adds nothing: rule "poll" (line 26) allows all of it [policy.redundant-rule]'* ]]
	[[ $output == *'bad.yaml:28:11: note: rule "set": a part of it never happens: deny rule "safe" (line 24) takes holding 50..55 [policy.contradictory-rules]'* ]]
	[[ $output == *'0 errors, 6 warnings, 3 notes'* ]]
}

@test "a window whose dates are past does not open again, and can be accepted" {
	{
		printf 'windows:\n  old: {when: "2024-12-24 06:00..2025-01-04 06:00", tz: Europe/Berlin}\n'
		printf '  coming: {when: ["2024-12-24 06:00..2025-01-04 06:00", "2099-12-24 06:00..2100-01-04 06:00"], tz: Europe/Berlin}\n'
		printf '  weekly: {when: ["2024-12-24 06:00..2025-01-04 06:00", "Sun 22:00-02:00"], tz: Europe/Berlin}\n'
		bad | sed 's/name: two/&, only-in: [old, coming, weekly]/; s/^  - name: two.*/  - name: two\n    only-in: [old, coming, weekly]/'
	} >w.yaml
	run "$INTERLOCK" policy check w.yaml
	[[ $output == *'w.yaml:2:3: warning: window "old": all its dates are past: it does not open again [policy.past-window]'* ]] || { echo "$output"; return 1; }
	[ "$(grep -c past-window <<<"$output")" = 1 ]
	sed -i 's/^  old: .*/& # interlock: accept policy.past-window/' w.yaml
	run "$INTERLOCK" policy check w.yaml
	[[ $output != *past-window* ]]
}

@test "SARIF: conforms, with rules, places, related places and suppressions" {
	bad | sed 's/holding: \[10..20\]}/&  # interlock: accept policy.redundant-rule/' >bad.yaml
	run "$INTERLOCK" policy check --sarif x.sarif bad.yaml
	[ "$status" -eq 0 ]
	[[ $output == *"5 warnings"* ]]
	"$ROOT/tests/schema/sarif.py" x.sarif
	[ "$(jq '.runs[0].results | length' x.sarif)" -eq 9 ]
	[ "$(jq -c '[.runs[0].results[] | select(.suppressions) | .ruleId]' x.sarif)" = '["policy.redundant-rule"]' ]
	[ "$(jq -c '.runs[0].results[] | select(.ruleId == "policy.shadowed-rule") | [.level, .locations[0].physicalLocation.region.startLine, .relatedLocations[0].physicalLocation.region.startLine]' x.sarif)" = '["warning",29,24]' ]
	# errors as well; - is standard output
	sed 's/port: inside/port: insides/; s/nets: \[10.1/netz: [10.1/' bad.yaml >broken.yaml
	run "$INTERLOCK" policy check --sarif - broken.yaml
	[ "$status" -eq 2 ]
	"$INTERLOCK" policy check --sarif - broken.yaml >b.sarif 2>/dev/null || true
	"$ROOT/tests/schema/sarif.py" b.sarif
	[ "$(jq -c '[.runs[0].results[] | select(.level == "error") | .ruleId] | unique' b.sarif)" = '["policy.missing-key","policy.unknown-key","policy.unknown-word"]' ] ||
		{ jq -c '.runs[0].results[] | [.ruleId, .message.text]' b.sarif; return 1; }
	[ "$(jq .runs[0].invocations[0].exitCode b.sarif)" -eq 2 ]
	# those of a replay conform too
	"$INTERLOCK" replay -q -p "$ROOT/policies/cell.yaml" --sarif r.sarif "$ROOT/pcaps/modbus/attack-day.pcap" >/dev/null || true
	"$ROOT/tests/schema/sarif.py" r.sarif
}

@test "every id of a warning or note is in the reference, and the reference has no other" {
	grep -ho '"policy\.[a-z-]*"' "$ROOT"/policy/*.c "$ROOT"/cli/policy_check.c | tr -d '"' | sort -u >code
	sed -n '/^## Warnings/,/^## How it is enforced/p' "$ROOT/docs/POLICY.md" | grep -o '`policy\.[a-z-]*`' | tr -d '\140' | sort -u >doc
	diff code doc
}

@test "rules that recorded traffic never uses" {
	run "$INTERLOCK" policy check --json --hits "$ROOT/pcaps/mixed/plant.pcap" "$ROOT/policies/filling-line.yaml"
	[ "$status" -eq 0 ]
	jq -r '.complaints[] | select(.id == "policy.never-hit") | .line' <<<"$output" | sort >said
	"$INTERLOCK" replay -p "$ROOT/policies/filling-line.yaml" --json "$ROOT/pcaps/mixed/plant.pcap" >r.json 2>/dev/null || true
	# what replay counts as hit is told nowhere, all else is
	"$INTERLOCK" policy explain --json "$ROOT/policies/filling-line.yaml" | jq -r '.conduits[] | .conduit as $c | .protocols[].rules[] | "\($c)/\(.rule) \(.line)"' | sort >rules
	jq -r '.captures[0].rules[] | select(.hits > 0) | .conduit + "/" + .rule' r.json | sort >hit
	join -v 1 rules hit | cut -d' ' -f2 | sort >want
	[ -s want ] && diff want said
	# of a guard's counters; what it did not have is not told
	jq '{rules: [.captures[0].rules[] | select(.rule != "names")]}' r.json >counters.json
	run "$INTERLOCK" policy check --json --counters counters.json "$ROOT/policies/filling-line.yaml"
	[ "$status" -eq 0 ]
	names=$(grep -w "mes-recipes/names" rules | cut -d' ' -f2)
	grep -vx "$names" want >fewer
	diff fewer <(jq -r '.complaints[] | select(.id == "policy.never-hit") | .line' <<<"$output" | sort)
	echo '{"rules": 3}' >no.json
	run "$INTERLOCK" policy check --counters no.json "$ROOT/policies/filling-line.yaml"
	[ "$status" -eq 2 ]
	[[ $output == *"no.json: not what"* ]]
}
