#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Names out of register maps, tag tables and node sets: in rules, in complaints, in alerts and reports, in what is signed.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	cp "$ROOT"/tests/names/* .
	run "$INTERLOCK" policy check plant.yaml
	[[ $output != *"no expat"* ]] || skip "built without expat"
}

# expect STATUS TEXT
expect() { [ "$status" -eq "$1" ] && [[ $output == *"$2"* ]] || { echo "status $status: $output"; return 1; }; }
# with SED: the plant's policy changed, as p.yaml
with() { sed "$1" plant.yaml >p.yaml; }
check() { run "$INTERLOCK" policy check p.yaml; }

@test "rules with names say the same as rules with addresses" {
	cat >cases.yaml <<-'EOF'
		s/names: filler.csv//; /^names:/,/mes.xml/d
		s/input: \[Boiler1.Level\]/input: [3]/; s/coils: \[Pump1.Run\]/coils: [3]/
		s/Boiler1.Setpoint: 0/100: 0/; s/Boiler1.Temperature: 10.5..90/102..103: {min: 10.5, max: 90, type: real}/
		s/holding: \[Boiler1.Setpoint, Boiler1.Temperature\]/holding: [100, 102..103]/
		s/Recipe.Sugar/DB10.DBW4/; s/nodes: \[Boiler1.Setpoint\]/nodes: ["nsu=urn:plant:caps;s=Recipe.Sugar"]/
	EOF
	sed -f cases.yaml plant.yaml >plain.yaml
	! grep -q Boiler1 plain.yaml
	for c in modbus/attack-day modbus/all-functions s7/areas opcua/none mixed/plant; do
		for p in plant plain; do
			"$INTERLOCK" replay -q -p $p.yaml --facts - "$ROOT/pcaps/$c.pcap" 2>/dev/null |
				jq -c '[.frame, .op, .verdict, .rule]' >$p.facts || :
		done
		[ -s plant.facts ]
		cmp plant.facts plain.facts
	done
	grep -q '"hmi-filler/poll"\|"allow"' plant.facts
}

@test "the notations of a register map are the same map" {
	with 's/filler.csv/filler-4x.csv/'
	run "$INTERLOCK" policy diff plant.yaml p.yaml "$ROOT/pcaps/modbus/attack-day.pcap"
	expect 0 "no verdict differs"
	with 's/filler.csv/[filler.csv, filler-4x.csv]/' # both, and they agree
	check
	expect 0 "0 errors"
	sed -i 's/40101/40102/' filler-4x.csv
	check
	expect 2 'p.yaml:21:63: rule "poll": holding: "Boiler1.Setpoint" names two things: filler-4x.csv:3 and filler.csv:2'
}

@test "STEP 7's list of symbols, in the character set it is written in" {
	with 's/caps.tsv/caps.sdf/; s/write: \[Recipe.Sugar\]/write: [Motor_on, Speed, Recipe, "Kühlung"]/'
	check
	expect 0 "0 errors"
	with 's/caps.tsv/caps.sdf/; s/write: \[Recipe.Sugar\]/write: [Cyclic]/' # a block is no address
	check
	expect 2 '"Cyclic" goes on behind its address, and it is no name either'
}

@test "what is not a name is told, with the nearest one" {
	for c in 's/input: .Boiler1.Level/input: [Boiler1.Levle/|input: "Boiler1.Levle" is neither an address nor a name, did you mean "Boiler1.Level"?' \
		's/Boiler1.Setpoint: 0/Boiler1.Setpont: 0/|values: "Boiler1.Setpont" is neither an address nor a name, did you mean "Boiler1.Setpoint"?' \
		's/nodes: .Boiler1.Setpoint/nodes: [Boiler1.Setpint/|nodes: "Boiler1.Setpint" is neither a node nor a name, did you mean "Boiler1.Setpoint"?' \
		's/input: .Boiler1.Level/input: [Pump1.Run/|input: "Pump1.Run" is coil, by filler.csv:5' \
		's/write: .Recipe.Sugar/write: [Boiler1.Setpoint/|and it is no name either' \
		's/names: filler.csv/names: ..\/filler.csv/|is not below the directory of the policy' \
		's/names: filler.csv/names: \/etc\/passwd/|a name is relative to the file that it stands in' \
		's/names: filler.csv/names: none.csv/|none.csv: No such file' \
		's/  plc-caps: .caps/  plc-cap: [caps/|names: "plc-cap" is not a device'; do
		with "${c%%|*}"
		check
		expect 2 "${c#*|}"
	done
	mkdir dir && ln -s /etc/passwd link.csv
	with 's/names: filler.csv/names: dir/'
	check
	expect 2 "not a file"
	with 's/names: filler.csv/names: link.csv/'
	check
	expect 2 "a symbolic link is not followed"
}

@test "what is wrong in a file is told with its line" {
	for c in 's/holding;100;/holding;65536;/|filler.csv:2: holding 65536 reaches beyond 65535' \
		's/input;3;/inputs;3;/|filler.csv:4: "inputs" is none of coils, discrete, input, holding' \
		's/;real;/;reel;/|filler.csv:3: "reel" is not a type whose size is known' 's/^Pump1.Run//|filler.csv:5: a name is missing' \
		's/^name;space;address/nome;space;address/|filler.csv:1: a header is missing'; do
		sed "${c%%|*}" "$ROOT/tests/names/filler.csv" >filler.csv
		with ''
		check
		expect 2 "${c#*|}"
	done
	sed 's/DB10.DBW4/DB10.DBQ4/' "$ROOT/tests/names/caps.tsv" >caps.tsv
	check
	expect 2 'caps.tsv:4: "DB10.DBQ4"'
	printf '\xff\xfen\0a\0' >caps.tsv
	check
	expect 2 "caps.tsv:1: it is UTF-16"
}

@test "XML of strangers is refused: entities, depth, other documents, what is cut off" {
	head='<?xml version="1.0"?>'
	for c in "$head<!DOCTYPE a [<!ENTITY x \"y\">]><UANodeSet>&x;</UANodeSet>|a document type" \
		"$head<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><UANodeSet/>|a document type" \
		"$head<html/>|not a UANodeSet" "$head<UANodeSet><UAVariable>|mes.xml:1: XML: no element found" \
		"$head<UANodeSet><UAVariable NodeId=\"ns=9;i=1\" BrowseName=\"x\"/></UANodeSet>|a name space that NamespaceUris does not list" \
		"$head<UANodeSet><UAVariable NodeId=\"i=*\" BrowseName=\"x\"/></UANodeSet>|holds * or ?" \
		"$head<UANodeSet>$(printf '<a>%.0s' {1..40})|more than 32"; do
		printf '%s' "${c%%|*}" >mes.xml
		with ''
		check
		expect 2 "${c#*|}"
	done
}

@test "alerts, reports and why say the name beside the address" {
	"$INTERLOCK" replay -p plant.yaml --eve eve.json "$ROOT/pcaps/modbus/attack-day.pcap" >report.txt 2>/dev/null || [ $? = 1 ]
	jq -es '[.[] | select(.alert.metadata.il_object == ["holding 100"])] | length > 0 and
		all(.alert.metadata.il_name == ["Boiler1.Setpoint"] and (.alert.signature | contains("holding 100 (Boiler1.Setpoint)")))' eve.json
	/usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" eve.json
	frame=$(jq -s '[.[] | select(.alert.metadata.il_object == ["holding 100"])][0].pcap_cnt' eve.json)
	run "$INTERLOCK" why -p plant.yaml --frame "$frame" "$ROOT/pcaps/modbus/attack-day.pcap"
	expect 1 "write_single_register"
	frame=$("$INTERLOCK" replay -q -p plant.yaml --facts - "$ROOT/pcaps/modbus/attack-day.pcap" 2>/dev/null |
		jq -s '[.[] | select(.src == "10.1.2.5" and .op == "write_single_register" and .addr == 100)][0].frame')
	run "$INTERLOCK" why -p plant.yaml --frame "$frame" "$ROOT/pcaps/modbus/attack-day.pcap"
	expect 0 "item 1: write holding 100 (Boiler1.Setpoint)"
	run "$INTERLOCK" replay --json -p plant.yaml "$ROOT/pcaps/modbus/attack-day.pcap"
	[[ $output == *'unit 1 holding 100 (Boiler1.Setpoint) = 65535'* ]]
}

@test "names are part of the policy's hash, and of what is signed" {
	command -v minisign >/dev/null || skip "minisign is missing"
	with '' && mv p.yaml plant.yaml
	hash() { "$INTERLOCK" replay -q -p plant.yaml --json "$ROOT/pcaps/modbus/polling.pcap" 2>/dev/null | jq -r .policy.sha256; }
	one=$(hash)
	[ "$one" = "$(sha256sum plant.yaml filler.csv caps.tsv mes.xml | sha256sum | cut -d ' ' -f 1)" ]
	"$INTERLOCK" key new k.json >/dev/null
	"$INTERLOCK" policy sign --key k.json plant.yaml 2>/dev/null
	"$INTERLOCK" key show --minisign k.json.pub >mini.pub
	minisign -V -p mini.pub -m plant.yaml | grep -q "policy:$one"
	run -0 "$INTERLOCK" policy verify --key k.json.pub plant.yaml
	run -1 "$INTERLOCK" replay -q --require-signed k.json.pub -p plant.yaml "$ROOT/pcaps/modbus/attack-day.pcap"
	sed -i 's/;100;/;101;/' filler.csv
	[ "$(hash)" != "$one" ]
	run -1 "$INTERLOCK" policy verify --key k.json.pub plant.yaml
	expect 1 "its signature does not cover the files"
	run -2 "$INTERLOCK" replay -q --require-signed k.json.pub -p plant.yaml "$ROOT/pcaps/modbus/attack-day.pcap"
	expect 2 "its signature does not cover the files"
}

@test "an included file's names lie beside it; what two devices name is one file" {
	mkdir cell1
	mv filler.csv cell1/
	{ echo "interlock: 1"; grep -A4 "^devices:" plant.yaml; } >cell1/devices.yaml
	sed '/^devices:/,/^  plc-caps: {/d; s/^mode:/include: [cell1\/devices.yaml]\n&/' plant.yaml >p.yaml
	sed -i 's/131}/131, names: filler.csv}/' cell1/devices.yaml
	check
	expect 0 "0 errors"
	run "$INTERLOCK" replay -q -p p.yaml --json "$ROOT/pcaps/modbus/polling.pcap"
	[[ $output == *"$(sha256sum p.yaml cell1/devices.yaml cell1/filler.csv caps.tsv mes.xml | sha256sum | cut -d ' ' -f 1)"* ]]
	sed -i 's/names: filler.csv/names: devices.yaml/' cell1/devices.yaml
	check
	expect 2 "cell1/devices.yaml is a part of the policy"
	sed -i 's/names: devices.yaml/names: ..\/..\/filler.csv/' cell1/devices.yaml
	check
	expect 2 "is not below the directory of the policy"
}

@test "a file beyond its bound is not read" {
	{ cat filler.csv; head -c 16777216 /dev/zero | tr '\0' '#'; } >big.csv
	with 's/filler.csv/big.csv/'
	check
	expect 2 "big.csv: longer than 16 MiB"
	for i in $(seq 64); do cp filler.csv f$i.csv; done
	with "s/filler.csv/[$(printf 'f%d.csv, ' $(seq 64))]/"
	check
	expect 2 "more than 64 files"
}
