#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy propose: an expected alert becomes a rule or an entry of the baseline, disabled; enabled by hand, that alert is gone and nothing else.

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

P=$ROOT/pcaps
is() { [ "$1" = "$2" ] || { echo "got $1"; return 1; }; }
judge() { # POLICY CAPTURE [OPTION...]: alerts in eve
	"$INTERLOCK" replay -q --no-fold -p "$1" --eve eve "${@:3}" "$2" || [ $? = 1 ]
}
propose() { run "$INTERLOCK" policy propose "$@"; }
plant() { # rest of the conduit's block on standard input
	cat <<-END
	interlock: 1
	mode: enforce
	zones: {it: {nets: [10.0.0.0/24]}}
	devices: {hmi: {zone: it, ip: 10.0.0.1}, plc: {zone: it, ip: 10.0.0.2}}
	conduits:
	  - name: panel
	    from: [hmi]
	    to: [plc]
	    modbus:
	END
	cat
}

@test "each kind of alert of a plant: enabled it is gone, and nothing else is" {
	each() { "$ROOT/tests/e2e/propose_each.py" "$INTERLOCK" "$ROOT/policies/$1" "$P/mixed/plant.pcap" "${PROPOSE_EVERY:-$2}"; }
	read -r proposed refused < <(each filling-line.yaml 5)
	[ "$proposed" -ge 7 ]
	read -r proposed refused < <(each cell.yaml 9)
	[ "$proposed" -ge 3 ]
}
@test "the rule says what was seen and no more: unit, register, value, as the block counts" {
	plant >p.yaml <<-END
	      addressing: 4xxxx
	      allow:
	        - {name: poll, units: [1], functions: [3], holding: [40001..40011]}
	END
	"$ROOT/tests/e2e/mkpcap.py" c.pcap open write:7:55 write:7:60 write:9:1 read close
	judge p.yaml c.pcap
	is "$(wc -l <eve)" 3
	head -2 eve >a.json
	propose -p p.yaml -o new.yaml a.json
	[ "$status" = 0 ]
	[[ $output == *"- {name: expected-write-single-register, enabled: false, units: [1], functions: [write_single_register], holding: [40008], values: {40008: 55..60}}"* ]]
	[[ $output == *"+ panel/expected-write-single-register: once enabled, hmi may, of plc, write holding 40008 of unit 1"* ]]
	# in its place, all else as it was
	diff p.yaml new.yaml >d || true
	is "$(grep -c '^[<>]' d)" 1
	grep -q '^>         - {name: expected-write-single-register, enabled: false' d
	cp eve before
	judge new.yaml c.pcap
	is "$(wc -l <eve)" 3
	"$INTERLOCK" policy approve --by me new.yaml expected-write-single-register
	judge new.yaml c.pcap
	is "$(jq -r '.alert.metadata.il_object[0]' eve)" "holding 9"
	# another value of the same register is still none of it
	"$ROOT/tests/e2e/mkpcap.py" d.pcap open write:7:61 close
	judge new.yaml d.pcap
	is "$(wc -l <eve)" 1
	# what enabling it would do to recorded traffic is policy diff's own word
	propose -p p.yaml --capture c.pcap a.json
	[ "$status" = 0 ] && [[ $output == *"           2  write_single_register: drop -> allow"* ]]
	[[ $output == *"PDUs judged by p.yaml and the proposal, enabled: 0 would be stopped, 2 would pass"* ]]
}
@test "by number out of a journal that holds; a second time another name" {
	plant >p.yaml <<-END
	      {addressing: one-based, allow: [{name: expected-write-single-register, units: [1], functions: [6], holding: [1]}]}
	END
	"$ROOT/tests/e2e/mkpcap.py" c.pcap open write:7:55 coil close
	judge p.yaml c.pcap --journal j
	propose -p p.yaml --journal j -o new.yaml 1 2
	[ "$status" = 0 ] && [[ $output == *"name: expected-write-single-register-2, "*"holding: [8]"* ]]
	[[ $output == *"name: expected-write-single-coil, "*"coils: [2]"* ]]
	is "$(grep -c 'enabled: false' new.yaml)" 1
	"$INTERLOCK" policy approve new.yaml --all
	judge new.yaml c.pcap
	[ ! -s eve ]
	propose -p p.yaml --journal j 9
	[ "$status" = 2 ] && [[ $output == *"there is no alert 9"* ]]
	sed -i 's/hmi/hmx/' j/*.eve
	propose -p p.yaml --journal j 1
	[ "$status" = 2 ] && [[ $output == *"the chain is broken"* ]]
}
@test "what no rule changes is said, and nothing in force is written over" {
	plant >p.yaml <<-END
	      addressing: zero-based
	      deny: [{name: never, units: all, functions: [6], holding: [7]}]
	      allow: [{name: poll, units: [1], functions: [3], holding: [0..9]}]
	END
	"$ROOT/tests/e2e/mkpcap.py" c.pcap open write:7:55 answer stranger close
	judge p.yaml c.pcap
	while read -r line; do
		echo "$line" >a.json
		propose -p p.yaml -o new.yaml a.json
		[ "$status" = 1 ] && [ ! -e new.yaml ] && [[ $output == *"not proposed, or to be known:"* ]] || { echo "$line"; return 1; }
	done <eve
	is "$(wc -l <eve)" 3
	head -1 eve >a.json
	propose -p p.yaml a.json
	[[ $output == *"rule never, p.yaml:11, denies it: only taking that back would allow it"* ]]
	cp p.yaml q.yaml
	ln q.yaml r.yaml
	propose -p q.yaml -o r.yaml a.json
	[ "$status" = 2 ] && [[ $output == *"what is in force is not written over"* ]]
	cmp p.yaml q.yaml
	echo '{"x":1}' >b.json
	propose -p p.yaml b.json
	[ "$status" = 2 ] && [[ $output == *"line 1 is no alert"* ]]
}
@test "a detection: an entry of the baseline, disabled; enabled, that finding is gone and is counted" {
	watch() { "$INTERLOCK" replay -q --no-fold "$@" --eve eve "$P/mixed/plant.pcap"; }
	found() { jq -r '[.alert.metadata.il_detection[0], .src_ip, .dest_ip, .alert.metadata.il_op[0], .pcap_cnt] | @tsv' "$1" | sort; }
	watch --detect
	cp eve before
	jq -c 'select(.alert.metadata.il_detection[0] == "plc-stop" and .src_ip == "10.1.2.66")' before | head -1 >a.json
	propose --out-baseline b.json a.json
	[ "$status" = 0 ]
	is "$(jq -c . b.json)" '{"interlock_baseline":1,"expected":[{"detection":"plc-stop","from":"10.1.2.66","to":"10.1.2.131","port":102,"op":"stop","enabled":false}]}'
	watch --baseline b.json
	diff <(found before) <(found eve)
	jq '.expected[].enabled = true' b.json >c.json
	watch --baseline c.json
	[ "$(wc -l <eve)" -lt "$(wc -l <before)" ]
	diff <(found before) <(found eve) >d || true
	! grep '^>' d
	[ "$(grep '^<' d | grep -vc 'plc-stop	10.1.2.66	10.1.2.131	\(stop\)\?	')" = 0 ]
	# a second one beside it; it outlives learning
	jq -c 'select(.alert.metadata.il_detection[0] == "scan-units")' before | head -1 >a.json
	propose --baseline c.json --out-baseline e.json a.json
	is "$(jq '.expected | length' e.json)" 2
	jq '.expected[].enabled = true' e.json >f.json
	watch --baseline f.json --learn-for 1h
	! grep -q scan-units eve
	is "$(jq -c '[.expected[].detection]' f.json)" '["plc-stop","scan-units"]'
	is "$(jq '.conversations | length > 3' f.json)" true
	for bad in '{"detection":"x"}' '{"detection":"flood","from":"z"}' '{"detection":"flood","from":"1.2.3.4","to":"1.2.3.4","port":0}'; do
		echo "{\"interlock_baseline\":1,\"expected\":[$bad]}" >g.json
		run watch --baseline g.json
		[ "$status" = 2 ] && [[ $output == *"g.json: no baseline"* ]]
	done
}
