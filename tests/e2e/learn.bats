#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# learn: what it proposes keeps the recorded traffic going, and stops what is not of it.

PLANT=$ROOT/pcaps/mixed/plant.pcap

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	command -v editcap >/dev/null || skip "editcap is missing"
}

# Takes the line away that a person would.
approve() { sed '/^ *enabled: false$/d; s/^mode: alert/mode: enforce/' "$1"; }
# expect STATUS TEXT
expect() { [ "$status" -eq "$1" ] && [[ $output == *"$2"* ]] || { echo "status $status: $output"; return 1; }; }

@test "approved, it lets everything pass that it was learned from" {
	for c in modbus/{all-functions,ipv6-vlan,midstream,pipelining,polling,rtu-over-tcp,segmented} \
		opcua/{bulk,chunks,discovery,encrypt,none,sign,subscribe,users,renewal} \
		s7/{areas,blocks,connect,control,cotp,multi,polling,segmented,system}; do
		"$INTERLOCK" learn -o l.yaml "$ROOT/pcaps/$c.pcap" 2>err
		grep -q "would not let pass 0 of" err || { echo "$c: $(cat err)"; return 1; }
		approve l.yaml >ok.yaml
		"$INTERLOCK" policy check ok.yaml >check.txt 2>&1 || { cat check.txt; return 1; }
		"$INTERLOCK" replay -q -p ok.yaml "$ROOT/pcaps/$c.pcap" || { echo "$c is not let through"; return 1; }
	done
}

@test "nothing is allowed before a person has approved it" {
	"$INTERLOCK" learn -o l.yaml "$PLANT"
	rules=$(grep -c '^        - name: ' l.yaml)
	[ "$rules" -gt 20 ]
	[ "$(grep -c '^          enabled: false$' l.yaml)" -eq "$rules" ]
	"$INTERLOCK" policy check l.yaml >/dev/null 2>&1
	n=$("$INTERLOCK" replay -q -p l.yaml --facts - "$PLANT" |
		jq -s '[.[] | select(.kind == "request" and .verdict == "allow")] | length')
	[ "$n" -eq 0 ]
}

@test "a quiet morning is learned; then each attack of the day is not allowed" {
	# the forbidden actions begin at frame 1102 (pcaps/mixed/plant.md)
	editcap -r "$PLANT" morning.pcap 1-1101
	"$INTERLOCK" learn -o l.yaml morning.pcap 2>err
	grep -q "would not let pass 0 of" err
	approve l.yaml >ok.yaml
	"$INTERLOCK" replay -q -p ok.yaml morning.pcap
	# What the policy written by hand stops is stopped by the learned one as well.
	for p in "$ROOT/policies/filling-line.yaml" ok.yaml; do
		"$INTERLOCK" replay -q -p "$p" --facts - "$PLANT" | jq -r 'select(.kind == "request" and
			(.verdict | IN("drop", "reject", "reset"))) | "\(.frame) \(.op)"' | sort -u >"$(basename "$p").denied"
	done
	[ "$(wc -l <filling-line.yaml.denied)" -gt 40 ]
	missed=$(comm -23 filling-line.yaml.denied ok.yaml.denied)
	[ -z "$missed" ] || { echo "not stopped: $missed"; return 1; }
}

@test "it is small: ranges are merged, devices have roles, rules say what they come from" {
	editcap -r "$PLANT" morning.pcap 1-1101
	"$INTERLOCK" learn -o l.yaml morning.pcap
	[ "$(grep -c '^        - name: ' l.yaml)" -le 8 ]
	grep -q 'functions: \[read_holding_registers, ' l.yaml
	grep -q 'ip: "10.1.2.130", mac: "00:80:f4:aa:bb:30", role: plc}' l.yaml
	grep -q 'ip: "10.1.2.5", .*role: hmi}' l.yaml
	grep -q 'read: \[MB0..15, DB1.DBB0..31, DB10.DBB0..20\]' l.yaml
	grep -Eq '# [0-9]+ times, 2026-11-24T02:36:4[0-9] to .*, every 0\.[0-9]+ s; frames [0-9]+, [0-9]+, [0-9]+ \.\.\. [0-9]+' l.yaml
	grep -q 'apps: \[DNS, HTTP' l.yaml
	! grep -q 'CHANGES THE STATE' l.yaml
	"$INTERLOCK" learn "$PLANT" 2>/dev/null | grep -q 'name: stop .*CHANGES THE STATE OR PROGRAM OF THE DEVICE'
}

@test "with a policy that is there: only what it does not allow, and where that goes" {
	editcap -r "$PLANT" morning.pcap 1-1101
	"$INTERLOCK" learn -o l.yaml morning.pcap
	approve l.yaml >ok.yaml
	run "$INTERLOCK" learn -p ok.yaml morning.pcap
	expect 0 "all are allowed by the policy that is there"
	run "$INTERLOCK" learn -p ok.yaml -o more.yaml "$PLANT"
	expect 1 "not all are allowed"
	grep -q '^# To conduit "hmi1-plc1", ok.yaml:[0-9]*:[0-9]*; for hmi1 -> plc1$' more.yaml
	grep -q 'values: {100: 5000' more.yaml
	grep -q '^# New devices' more.yaml
	grep -q 'ip: "10.1.2.66"' more.yaml
	! grep -q 'read_input_registers' <(sed -n '/To conduit "hmi1-plc1"/,/^$/p' more.yaml)
}

@test "what no policy can let pass is said, and what cannot be read: 2" {
	run "$INTERLOCK" learn -o l.yaml "$ROOT/pcaps/s7/stray-answer.pcap"
	expect 0 "would not let pass 3 of"
	grep -q '^#   1 plc1 -> hmi1, block_info by condition unparsable: .* frame 17$' l.yaml
	run "$INTERLOCK" learn nowhere.pcap
	expect 2 "nowhere.pcap"
	run "$INTERLOCK" learn
	expect 2 "which captures?"
	run "$INTERLOCK" learn -o /nowhere/x "$PLANT"
	expect 2 "/nowhere/x"
	head -c 50000 "$PLANT" >cut.pcap
	run "$INTERLOCK" learn -o cut.yaml cut.pcap
	[ "$status" -eq 2 ]
	"$INTERLOCK" policy check cut.yaml >/dev/null 2>&1
}
@test "-p: addresses as the conduit that is there writes them, and as it means them" {
	for addressing in zero-based one-based 4xxxx 4xxxxx; do
		case $addressing in zero-based) at=0 want=0..9 ;; one-based) at=1 want=1..10 ;; 4xxxx) at=40001 want=40001..40010 ;; 4xxxxx) at=400001 want=400001..400010 ;; esac
		cat >p.yaml <<-END
		interlock: 1
		site: there
		mode: enforce
		zones:
		  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}
		  cell: {level: 1, port: inside, nets: [10.1.2.128/25]}
		devices:
		  hmi1: {zone: scada, ip: 10.1.2.5}
		  plc-filler: {zone: cell, ip: 10.1.2.130}
		conduits:
		  - name: hmi-filler
		    from: [hmi1]
		    to: [plc-filler]
		    modbus:
		      addressing: $addressing
		      allow:
		        - {name: one, units: [1], functions: [3], holding: [$at]}
		END
		run "$INTERLOCK" learn -p p.yaml -o more.yaml "$ROOT/pcaps/modbus/polling.pcap"
		[ "$status" = 1 ]
		grep -qF "holding: [$want]" more.yaml || { cat more.yaml; return 1; }
		# what is proposed, enabled where it belongs, allows exactly that traffic
		sed -n '/modbus: allow:/,$p' more.yaml | sed '1d; /enabled: false/d' >>p.yaml
		run "$INTERLOCK" learn -p p.yaml -o more.yaml "$ROOT/pcaps/modbus/polling.pcap"
		[ "$status" = 0 ] || { echo "$addressing: $output"; cat more.yaml; return 1; }
	done
}
