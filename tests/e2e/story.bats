#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# One policy from the first recording to a guard in service, as a plant engineer lives it.  Each test is the next day
# of the same story and goes on with the files of the one before.
#
# The plant: the panel hmi1 polls the filler, moves its set point (register 100) and writes the recipe (101 to 104).

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return 1
	cp "$ROOT/pcaps/modbus/polling.pcap" monday.pcap      # a clean day
	cp "$ROOT/pcaps/modbus/attack-day.pcap" friday.pcap # and one that is not
	cat >filler.csv <<-'EOF'
		name;space;address;type;count;description
		Boiler1.Setpoint;holding;100;uint16;;
		Recipe.Sugar;holding;101;uint16;2;
		Recipe.Water;holding;103;uint16;2;
		Filler.Run;coils;0;bool;16;outputs: nobody's business
	EOF
}
setup() { cd "$BATS_FILE_TMPDIR" || return 1; }
teardown_file() { [ ! -s "$BATS_FILE_TMPDIR/pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/pid")" 2>/dev/null || true; }

# said TEXT: the last output has this line, or part of one
said() { [[ $output == *"$1"* ]] || { echo "\"$1\" is not in: $output"; return 1; }; }

@test "Monday: she records a day and lets interlock learn from it" {
	run -0 "$INTERLOCK" learn -o plant.yaml monday.pcap
	said "2 devices, 1 pairs, 520 PDUs; approved, it would not let pass 0 of what is in the captures"
	# Two rules are enough, and each says why it is there.
	[ "$(grep -c '        - name:' plant.yaml)" = 2 ]
	grep -q '# 240 times, 2026-11-23T23:43:47 to 2026-11-23T23:43:50, .*; frames 6, 10, 12 ... 642' plant.yaml
	grep -q 'values: {100: 127..1443, 101..102: {min: 0, max: 90, step: 10}' plant.yaml
	grep -q 'limits: {rate: 200/s} *# at most 87 requests of one connection in a second' plant.yaml
	# Nothing of it is in force: who has not read it has approved nothing.
	[ "$(grep -c '^ *enabled: false$' plant.yaml)" = 2 ]
	run -1 "$INTERLOCK" replay -p plant.yaml monday.pcap
	said "260 not allowed by plant.yaml"
}

@test "Tuesday: she reads it, approves it, and gives the registers their names" {
	run -0 "$INTERLOCK" policy approve --by "her, after reading it" plant.yaml poll write
	sed -i 's/^mode: alert/mode: enforce/; s/^interlock: 1/&\nsite: bottling-line-2/' plant.yaml
	sed -i 's/role: plc}/role: plc, names: filler.csv}/; s/plc1/filler/g; s/hmi1/panel/g' plant.yaml
	sed -i 's/holding: \[100..104\]/holding: [Boiler1.Setpoint, Recipe.Sugar, Recipe.Water]/' plant.yaml
	sed -i 's/values: {100: 127..1443, 101..102:/values: {Boiler1.Setpoint: 0..1500, Recipe.Sugar:/; s/103..104: {min/Recipe.Water: {min/' plant.yaml
	# The outputs are nobody's; she says so, so that it will be told by this name.
	sed -i 's/^      allow:/      deny:\n        - {name: hands-off-outputs, units: all, functions: write, coils: [Filler.Run]}\n&/' plant.yaml
	run -0 "$INTERLOCK" policy check --strict plant.yaml
	# All that happened on Monday would still happen; there is nothing more to propose.
	run -0 "$INTERLOCK" replay -p plant.yaml monday.pcap
	said "everything is allowed by plant.yaml"
	run -0 "$INTERLOCK" learn -p plant.yaml monday.pcap
	said "all are allowed by the policy that is there"
}

@test "Friday: somebody attacks, and every attack has a name" {
	run -1 "$INTERLOCK" replay -q -p plant.yaml --eve eve.json friday.pcap
	alert() { # what of the alerts that jq's condition selects: rule or reason, object, technique
		jq -r "select($1) | .alert.metadata | \"\(.il_rule[0] // .il_reason[0]): \(.il_name[0] // .il_op[0]): \(.mitre_technique_id[0])\"" eve.json |
			sort -u
	}
	# The panel itself was turned: it wrote outputs, and set points beyond what the plant stands.
	[ "$(alert '.src_ip == "10.1.2.5" and .alert.metadata.il_rule')" = "hands-off-outputs: Filler.Run: T0855" ]
	alert '.src_ip == "10.1.2.5"' | grep -qx "otherwise: Boiler1.Setpoint: T0855"
	grep -q 'write_single_register holding 100 (Boiler1.Setpoint) to filler not allowed by any rule' eve.json
	# Somebody who has no business here looked around, and more.
	alert '.src_ip == "10.1.2.66"' >attacker
	for line in "default_deny: null: T0848" "default_deny: report_local_address: T0888" "default_deny: Boiler1.Setpoint: T0855" \
		"default_deny: write_file_record: T0855" "default_deny: umas_stop_plc: T0843"; do
		grep -qx "$line" attacker || { echo "not told: $line"; cat attacker; return 1; }
	done
	jq -es '[.[].alert.metadata.mitre_technique_id[]?] | unique | contains(["T0801", "T0816", "T0836", "T0848", "T0855", "T0888"])' eve.json
	# What the policy stops, it stops for all of the attacker's 445 requests: none is allowed.
	[ "$("$INTERLOCK" replay -q -p plant.yaml --facts - friday.pcap | jq -s '[.[] | select(.src == "10.1.2.66" and
		.kind == "request" and .verdict == "allow")] | length')" = 0 ]
	# And why one of them did not pass can be asked.
	frame=$(jq -s '[.[] | select(.alert.metadata.il_rule == ["hands-off-outputs"])][0].pcap_cnt' eve.json)
	run -1 "$INTERLOCK" why -p plant.yaml --frame "$frame" friday.pcap
	said '(Filler.Run)'
	said hands-off-outputs
}

@test "the week after: a change is proposed, and seen on recorded traffic before it is made" {
	sed 's/Boiler1.Setpoint: 0..1500/Boiler1.Setpoint: 0..1000/' plant.yaml >next.yaml
	run -1 "$INTERLOCK" policy diff plant.yaml next.yaml monday.pcap
	said "3  write_single_register: allow -> drop"
	said "frame 324: unit 1 holding 100 (Boiler1.Setpoint) = 1073"
	said "520 PDUs judged by plant.yaml and next.yaml: 3 would be stopped, 0 would pass"
	# That was too tight: Monday's work goes up to 1443.
	sed -i 's/0..1000/0..1450/' next.yaml
	run -0 "$INTERLOCK" policy diff plant.yaml next.yaml monday.pcap
	said "no verdict differs"
}

@test "she signs it, with the names that are part of it" {
	"$INTERLOCK" key new plant.key >/dev/null
	run -0 "$INTERLOCK" policy sign --key plant.key --comment "approved by two" next.yaml
	run -0 "$INTERLOCK" policy verify --key plant.key.pub next.yaml
	said "approved by two"
	# A register map that says something else is another policy.
	cp filler.csv filler.bak
	sed -i 's/;100;/;99;/' filler.csv
	run -1 "$INTERLOCK" policy verify --key plant.key.pub next.yaml
	said "its signature does not cover the files"
	mv filler.bak filler.csv
	run -0 "$INTERLOCK" replay -q --require-signed plant.key.pub -p next.yaml monday.pcap
}

@test "and the guard takes it, without a break" {
	"$INTERLOCK" --version | grep -q '+xdp' || skip "built without xdp"
	stub=$(dirname "$INTERLOCK")/tests/tools/ctl_stub
	[ -x "$stub" ] || skip "no stub of a guard"
	"$INTERLOCK" key new sensor.key >/dev/null
	"$stub" "$PWD/ctl.sock" "$PWD/plant.yaml" 127.0.0.1:$((20000 + ($$ + 7) % 20000)) "$PWD/journal" "$PWD/sensor.key" "$PWD/guard.json" \
		>stub.log 2>&1 3>&- &
	echo $! >pid
	for _ in $(seq 400); do [ -S ctl.sock ] && break; sleep 0.1; done
	hash() { "$INTERLOCK" ctl --socket "$PWD/ctl.sock" --json status | jq -er .result.policy.sha256; }
	before=$(hash)
	cp next.yaml plant.yaml
	run -0 "$INTERLOCK" ctl --socket "$PWD/ctl.sock" reload
	[ "$(hash)" != "$before" ]
	# What is in force is what was signed: the same text, the same names.
	signed=$(sha256sum plant.yaml filler.csv | sha256sum | cut -d ' ' -f 1)
	[ "$(hash)" = "$signed" ]
	# A slip of the hand changes nothing, and is told with its line.
	sed -i 's/Boiler1.Setpoint: 0/Boiler1.Setpont: 0/' plant.yaml
	run -2 "$INTERLOCK" ctl --socket "$PWD/ctl.sock" reload
	said '"Boiler1.Setpont" is neither an address nor a name, did you mean "Boiler1.Setpoint"?'
	[ "$(hash)" = "$signed" ]
}
