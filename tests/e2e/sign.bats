#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy sign and verify, against minisign itself, both ways.

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	cp "$ROOT/policies/cell.yaml" p.yaml
	"$INTERLOCK" key new k >/dev/null
	command -v minisign >/dev/null || skip "minisign is missing"
}

@test "minisign verifies what interlock signs" {
	"$INTERLOCK" policy sign --key k --comment "release 7" p.yaml
	"$INTERLOCK" key show --minisign k.pub >k.minisign
	run minisign -V -p k.minisign -m p.yaml
	[ "$status" -eq 0 ]
	[[ $output == *"comment signature verified"* ]]
	[[ $output == *"file:p.yaml"*"release 7"* ]]
	echo "# another day" >>p.yaml
	run minisign -V -p k.minisign -m p.yaml
	[ "$status" -ne 0 ]
}

@test "interlock verifies what minisign signs" {
	minisign -G -W -p m.pub -s m.key >/dev/null
	minisign -S -W -s m.key -m p.yaml -t "approved by two people" >/dev/null
	run "$INTERLOCK" policy verify --key m.pub p.yaml
	[ "$status" -eq 0 ]
	[[ $output == *"comment: approved by two people"* ]]
	sed -i 's/two people/one person/' p.yaml.minisig
	run "$INTERLOCK" policy verify --key m.pub p.yaml
	[ "$status" -eq 1 ]
	[[ $output == *"trusted comment is not the one that was signed"* ]]
}

@test "a changed policy, another key, no signature: 1, 1, 2, each with the reason" {
	"$INTERLOCK" policy sign --key k p.yaml
	run "$INTERLOCK" policy verify --key k.pub p.yaml
	[ "$status" -eq 0 ]
	"$INTERLOCK" key new other >/dev/null
	run "$INTERLOCK" policy verify --key other.pub p.yaml
	[ "$status" -eq 1 ]
	[[ $output == *"not signed by one of these keys"* ]]
	echo >>p.yaml
	run "$INTERLOCK" policy verify --key k.pub p.yaml
	[ "$status" -eq 1 ]
	[[ $output == *"was changed after key"*"signed it"* ]]
	rm p.yaml.minisig
	run "$INTERLOCK" policy verify --key k.pub p.yaml
	[ "$status" -eq 2 ]
	[[ $output == *"p.yaml.minisig: No such file"* ]]
}

@test "a policy with errors is not signed; a public key signs nothing" {
	echo "zones: 7" >bad.yaml
	run "$INTERLOCK" policy sign --key k bad.yaml
	[ "$status" -eq 2 ]
	[[ $output == *"has errors: not signed"* ]]
	[ ! -e bad.yaml.minisig ]
	run "$INTERLOCK" policy sign --key k.pub p.yaml
	[ "$status" -eq 2 ]
	run "$INTERLOCK" policy sign p.yaml
	[ "$status" -eq 2 ]
}

@test "replay --require-signed: only a policy that this key has signed" {
	cap=$(find "$ROOT/pcaps/modbus" -name '*.pcap' | sort | head -1)
	minisign -G -W -p m.pub -s m.key >/dev/null
	run "$INTERLOCK" replay -q -p p.yaml --require-signed m.pub "$cap"
	[ "$status" -eq 2 ]
	[[ $output == *"p.yaml: is not signed"* ]]
	minisign -S -W -s m.key -m p.yaml >/dev/null
	run "$INTERLOCK" replay -q -p p.yaml --require-signed m.pub "$cap"
	[ "$status" -lt 2 ]
	run "$INTERLOCK" replay -q -p p.yaml --require-signed k.pub "$cap"
	[ "$status" -eq 2 ]
	[[ $output == *"not signed by one of these keys"* ]]
	echo "#" >>p.yaml
	run "$INTERLOCK" replay -q -p p.yaml --require-signed m.pub "$cap"
	[ "$status" -eq 2 ]
	[[ $output == *"was changed after key"* || $output == *"or was changed"* ]]
	run "$INTERLOCK" replay -q --require-signed m.pub "$cap"
	[ "$status" -eq 2 ]
	[[ $output == *"--require-signed needs a policy"* ]]
}
