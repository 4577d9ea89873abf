#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy explain: its sentences against what the engine does with recorded traffic.

LINE=$ROOT/policies/filling-line.yaml
CELL=$ROOT/policies/cell.yaml
PLANT=$ROOT/pcaps/mixed/plant.pcap

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

@test "what it tells decides as the engine does, over all our captures" {
	total=0 yes=0 more=0
	for p in "$LINE" "$CELL" "$ROOT/policies/water-works.yaml"; do
		"$INTERLOCK" policy explain --json "$p" >x.json
		for c in "$ROOT"/pcaps/*/*.pcap; do
			"$INTERLOCK" replay -q -p "$p" --facts f.jsonl "$c" >/dev/null 2>&1 || true
			run "$ROOT/tests/e2e/explain_holds.py" x.json f.jsonl
			[ "$status" -eq 0 ] || { echo "$p, $c: $output"; return 1; }
			read -r n a o <<<"$output"
			total=$((total + n)) yes=$((yes + a)) more=$((more + o))
		done
	done
	echo "compared $total, of these allowed $yes, of other protocols $more"
	[ "$total" -gt 1000 ] && [ "$yes" -gt 300 ] && [ "$yes" -lt "$total" ] && [ "$more" -gt 100 ]
}

@test "the text: ports of l4, time limits, and what the files of names call it" {
	cp "$ROOT"/tests/names/* .
	sed -i 's/^    modbus:$/    l4:\n      - {name: web, ports: [443, udp\/123], verdict: alert}\n      - {name: shell, ports: [22], enabled: false}\n&\n      limits: {timeout: 2s}/' plant.yaml
	run "$INTERLOCK" policy explain --device hmi1 plant.yaml
	[ "$status" -eq 0 ]
	[[ $output == *'    open connections to tcp/443, udp/123, whatever is said there  [web; told each time]
      (1 rule is not approved: enabled: false)
'* ]] || { echo "$output"; return 1; }
	[[ $output == *'open modbus on port 502, told when an answer takes longer than 2 s, and there'* ]]
	[[ $output == *'[poll'*']
        that is Boiler1.Level, Boiler1.Setpoint, Boiler1.Temperature, Pump1.Run
'* ]]
	# l4 waits for approval like any other.
	run "$INTERLOCK" policy approve plant.yaml shell
	[ "$status" -eq 0 ]
	grep -q 'name: shell, ports: .22., enabled: true' plant.yaml
}

@test "the text: each device, what it may and must not, who may ask it" {
	run "$INTERLOCK" policy explain "$CELL"
	[ "$status" -eq 0 ]
	[[ $output == *'hmi1 (hmi, hall 2, panel 4; 10.1.2.5 in zone scada)
  may connect to plc-filler  [conduit hmi-filler, line'* ]]
	[[ $output == *'may write holding 100..119 of unit 1 with write_single_register (6), write_multiple_registers (16), but only holding 100 to 0..1500; each of holding 101..110 to 0..100 in steps of 10; holding 119 to 0 or 1  [setpoints]'* ]]
	[[ $output == *'must not read holding 118 and write holding 118 of any unit with every known function  [never-the-safety-words]'* ]]
	[[ $output == *'anything else is rejected with the protocol'"'"'s own refusal'* ]]
	[[ $output == *'  may be asked by historian: R  [history]
  may open no connection
  nobody else may open a connection to it'* ]]
	one=$output
	run "$INTERLOCK" policy explain "$CELL"
	[ "$output" = "$one" ]
}

@test "addresses are written as the policy counts them" {
	sed -n '/^interlock/,/^conduits/p' "$CELL" >w.yaml
	cat >>w.yaml <<-'Y'
	  - name: c
	    from: [hmi1]
	    to: [plc-caps]
	    modbus: {addressing: 4xxxx, allow: [{name: r, units: [1], functions: [3, 6], holding: [40001..40050], values: {40010: 0..7}}]}
	Y
	run "$INTERLOCK" policy explain --device hmi1 w.yaml
	[[ $output == *'read holding 40001..40050 and write holding 40001..40050 of unit 1'*'but only holding 40010 to 0..7'* ]]
	# on the wire they are counted from 0
	[ "$("$INTERLOCK" policy explain --json w.yaml | jq -c '.conduits[0].protocols[0].rules[0].read[0].range')" = "[0,49]" ]
}

@test "the matrix, and one device" {
	run "$INTERLOCK" policy explain --matrix "$LINE"
	[ "$output" = "$(printf 'from\tto\taccess\tconduit\nhmi1\tplc-filler\tRW\thmi-filler\nhmi1\tplc-caps\tRW\tcaps\neng1\tplc-caps\tRC\tengineering\nmes\tinfra\tapps\toffice-it\nmes\tplc-filler\tRWC\tmes-recipes\nmes\tplc-caps\tRWC\tmes-recipes')" ]
	run "$INTERLOCK" policy explain --matrix --device infra "$LINE"
	[ "${#lines[@]}" -eq 2 ]
	run "$INTERLOCK" policy explain --device mes "$LINE"
	[[ $output == "mes ("* || $output == $'\n'"mes ("* ]]
	[[ $output != *"hmi1 ("* ]]
	run "$INTERLOCK" policy explain --device nobody "$LINE"
	[ "$status" -eq 2 ]
	[[ $output == *"no device is called nobody"* ]]
}

@test "hits are those of the engine" {
	"$INTERLOCK" policy explain --json "$LINE" "$PLANT" >x.json
	"$INTERLOCK" replay -p "$LINE" --json "$PLANT" >r.json 2>/dev/null || true
	[ "$(jq -S '[.conduits[] | .conduit as $c | .protocols[].rules[] | {key: "\($c)/\(.rule)", value: .hits}] | from_entries' x.json)" = \
		"$(jq -S '[.captures[0].rules[]? | {key: (.conduit + "/" + .rule), value: .hits}] | from_entries' r.json)" ] ||
		{ jq '.captures[0] | keys' r.json; return 1; }
	run "$INTERLOCK" policy explain "$LINE" "$PLANT"
	[[ $output == *"[poll; kernel; 240 hits]"* ]]
}

@test "what the kernel judges behind a limit, and what is too large for it" {
	cat >z.yaml <<-'Y'
	interlock: 1
	mode: enforce
	zones: {a: {nets: [10.1.0.0/24], limits: {packets: 5000/s}}, b: {nets: [10.2.0.0/24]}}
	devices: {hmi: {zone: a, ip: 10.1.0.1}, plc: {zone: b, ip: 10.2.0.1}}
	conduits:
	  - name: c
	    from: [hmi]
	    to: [plc]
	    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: read, holding: [0..9]}]}
	Y
	run "$INTERLOCK" policy explain z.yaml
	[[ $output == *"[poll; kernel, behind the limit of its zone]"* ]]
	[[ $output != *"Too large"* ]]
	sed -i 's/, limits: {packets: 5000\/s}//' z.yaml
	run "$INTERLOCK" policy explain z.yaml
	[[ $output == *"[poll; kernel]"* ]]
	python3 - >many.yaml <<-'Y'
	print("interlock: 1\nmode: enforce\nzones: {a: {nets: [10.1.0.0/24]}, b: {nets: [10.2.0.0/24]}}\ndevices:\n  hmi: {zone: a, ip: 10.1.0.1}")
	for d in range(17): print(f"  plc{d}: {{zone: b, ip: 10.2.0.{d + 1}}}")
	print("conduits:")
	for d in range(17):
	    print(f"  - name: c{d}\n    from: [hmi]\n    to: [plc{d}]\n    modbus:\n      addressing: zero-based\n      allow:")
	    for i in range(964): print(f"        - {{name: r{i}, units: [1], functions: [3], holding: [{i}]}}")
	Y
	run "$INTERLOCK" policy explain many.yaml
	[[ $output == *"Too large for the kernel, which judges nothing of it alone: "*" 16388 rules (at most 16384)."* ]]
	[[ $output != *"; kernel"* ]]
}

# kernel POLICY CAPTURE: requests, of these the kernel's, reasons why not
kernel() { "$INTERLOCK" policy explain --json "$1" "$ROOT/pcaps/$2.pcap" 2>/dev/null | jq -c '.kernel | [.requests, .requests_alone, .requests_not]'; }
# wide ARGS: a policy that allows Modbus reads and writes between all; ARGS go into the block, then the write rule
wide() {
	cat <<-Y
	interlock: 1
	mode: enforce
	zones: {all: {nets: [0.0.0.0/0, "::/0"]}}
	devices: {}
	conduits:
	  - name: c
	    from: [all/*]
	    to: [all/*]
	    modbus:
	      addressing: zero-based
	      ports: [502, udp/502, 1502]
	      $1
	      allow:
	        - {name: r, units: all, functions: read, holding: all, coils: all, input: all, discrete: all}
	        - {name: w, units: all, functions: [5, 6, 15, 16], holding: all, coils: all $2}
	Y
}

@test "the kernel's share: what each thing that it cannot judge takes away" {
	wide >all.yaml
	# every poll is a PDU in a segment of its own, and allowed
	run kernel all.yaml modbus/polling
	n=$(jq '.[0]' <<<"$output")
	[ "$n" -gt 100 ]
	[ "$(jq -c '.[1:]' <<<"$output")" = "[$n,{}]" ]
	wide 'limits: {pending: 3}' >pending.yaml
	[ "$(kernel pending.yaml modbus/polling)" = "[$n,0,{\"limits\":$n}]" ]
	wide 'limits: {pending: 16}' >pending.yaml # more than the kernel lets wait
	[ "$(kernel pending.yaml modbus/polling)" = "[$n,$n,{}]" ]
	wide 'limits: {rate: 60000/s}' >rate.yaml
	[ "$(kernel rate.yaml modbus/polling)" = "[$n,0,{\"limits\":$n}]" ]
	# limits of values: exactly the writes of holding registers
	wide '' ', values: {0..65535: 0..65535}' >values.yaml
	"$INTERLOCK" replay -q -p values.yaml --facts f.jsonl "$ROOT/pcaps/modbus/polling.pcap" || true
	w=$(jq -s '[.[] | select(.kind == "request" and (.code == 6 or .code == 16))] | length' f.jsonl)
	[ "$w" -gt 0 ]
	[ "$(kernel values.yaml modbus/polling)" = "[$n,$((n - w)),{\"values\":$w}]" ]
	# a word to say about it: alerts are the engine's
	wide '' ', verdict: alert' >told.yaml
	w=$(jq -s '[.[] | select(.kind == "request" and .access == "write")] | length' f.jsonl)
	[ "$(kernel told.yaml modbus/polling)" = "[$n,$((n - w)),{\"verdict\":$w}]" ]
	# an interlock: the writes that ask for it, the polls that make it known, and so all of them
	wide '' ', when: {coils: 3, is: [0, 1]}' >past.yaml
	"$INTERLOCK" replay -q -p past.yaml --facts f.jsonl "$ROOT/pcaps/modbus/polling.pcap" || true
	w=$(jq -s '[.[] | select(.kind == "request" and .verdict == "allow")] | length' f.jsonl)
	[ "$w" -gt 0 ]
	[ "$(kernel past.yaml modbus/polling | jq '.[2].past')" = "$w" ]
	# several PDUs in a segment, one PDU in several, datagrams, another framing
	[ "$(kernel all.yaml modbus/udp | jq -c '.[1], (.[2] | keys)' | tr '\n' ' ')" = '0 ["udp"] ' ]
	[ "$(kernel all.yaml modbus/rtu-over-tcp | jq -c '.[1]')" = 0 ]
	[ "$(kernel all.yaml modbus/segmented | jq '.[2].segment > 0')" = true ]
	[ "$(kernel all.yaml modbus/pipelining | jq '.[2].segment > 0')" = true ]
	# of functions it reads 1 to 6, 15 and 16
	sed 's/functions: read,/functions: all,/' all.yaml >known.yaml
	"$INTERLOCK" replay -q -p known.yaml --facts f.jsonl "$ROOT/pcaps/modbus/all-functions.pcap" || true
	w=$(jq -s '[.[] | select(.kind == "request" and .verdict == "allow" and .anomalies == []
		and (.code | IN(1, 2, 3, 4, 5, 6, 15, 16) | not))] | length' f.jsonl)
	[ "$w" -gt 5 ]
	[ "$(kernel known.yaml modbus/all-functions | jq '.[2].function')" = "$w" ]
}

@test "the kernel's share of OPC UA: what is asked again, whatever it asks" {
	cat >ua.yaml <<-Y
	interlock: 1
	mode: enforce
	zones: {all: {nets: [0.0.0.0/0, "::/0"]}}
	devices: {}
	conduits:
	  - name: c
	    from: [all/*]
	    to: [all/*]
	    opcua:
	      encrypted: drop
	      security: {modes: [None, Sign, SignAndEncrypt]}
	      allow:
	        - {name: s, services: [session, discovery]}
	        - {name: poll, services: [read, browse, subscribe, write, call], nodes: ["*"]}
	Y
	for c in none sign subscribe; do
		"$INTERLOCK" replay -q -p ua.yaml --facts f.jsonl "$ROOT/pcaps/opcua/$c.pcap" || true
		# not what changes names, or is answered with more than a header
		w=$(jq -s '[.[] | select(.kind == "request" and .verdict == "allow" and (.access | IN("read", "write")) and
			(.op | IN("RegisterNodes", "UnregisterNodes", "CreateSubscription", "ModifySubscription") | not))] | length' f.jsonl)
		[ "$w" -gt 20 ]
		[ "$(kernel ua.yaml "opcua/$c" | jq '.[1]')" = "$w" ]
	done
	[ "$(kernel ua.yaml opcua/encrypt | jq '.[1]')" = 0 ] # cipher text
	run "$INTERLOCK" policy explain ua.yaml
	[[ $output == *"[poll; kernel when repeated]"* ]]
	sed -i 's/encrypted: drop/encrypted: drop\n      limits: {message: 1000}/' ua.yaml # what the kernel passes may be longer
	[ "$(kernel ua.yaml opcua/none | jq '.[1], (.[2].limits > 20)' | tr '\n' ' ')" = "0 true " ]
}

@test "what it cannot read: 2, with the reason" {
	run "$INTERLOCK" policy explain
	[ "$status" -eq 2 ]
	run "$INTERLOCK" policy explain --json --matrix "$LINE"
	[ "$status" -eq 2 ]
	run "$INTERLOCK" policy explain nowhere.yaml
	[ "$status" -eq 2 ]
	[[ $output == *"nowhere.yaml"* ]]
	head -c 3000 "$PLANT" >cut.pcap
	run "$INTERLOCK" policy explain "$LINE" cut.pcap
	[ "$status" -eq 2 ]
	[[ $output == *"requests"* ]]
	run "$INTERLOCK" policy explain --help
	[ "$status" -eq 0 ]
}
