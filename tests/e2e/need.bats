#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy need: the sheet of a newcomer says go or no-go, why, and from what; nobody can change it unseen.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	M=$ROOT/pcaps/modbus
	PLANT=$ROOT/pcaps/mixed/plant.pcap
}

# said TEXT: the last output has it
said() { [[ $output == *"$1"* ]] || { echo "\"$1\" is not in: $output"; return 1; }; }
# of CRITERION: its verdict in s.json
of() { jq -r ".criteria[] | select(.id == \"$1\").verdict" "${2:-s.json}"; }
# only FILE...: there is nothing else here
only() { [ "$(ls -A)" = "$(printf '%s\n' "$@" | sort)" ] || { ls -A; return 1; }; }

@test "a panel that polls and writes set points: go, with its writes as the condition" {
	run -0 "$INTERLOCK" policy need -o min.yaml --sheet s.json "$M/polling.pcap"
	said "go with conditions: 10.1.2.5 before it is let in"
	said "modbus write_single_register -> 10.1.2.130:502: 12 times, 2026-11-23T23:43:47 to 2026-11-23T23:43:50; frames 56, 110, 164 ... 644"
	said "none of      control, program, upload"
	[ "$(jq -c '[.verdict, .requests, .device.address, .device.given, .captures[0].sha256]' s.json)" = \
		"[\"go with conditions\",260,\"10.1.2.5\",false,\"$(sha256sum <"$M/polling.pcap" | cut -d ' ' -f 1)\"]" ]
	[ "$(of sufficient) $(of write) $(of control)" = "pass condition pass" ]
	[ "$(jq -r '.criteria[] | select(.id == "write").evidence[0].attack[0].id_v19' s.json)" = T1692.001 ]
	# The policy in the sheet is the one in the file, and once approved it is enough.
	jq -j .minimum.yaml s.json | cmp - min.yaml
	[ "$(jq -r .minimum.sha256 s.json)" = "$(sha256sum <min.yaml | cut -d ' ' -f 1)" ]
	sed '/^ *enabled: false$/d; s/^mode: alert/mode: enforce/' min.yaml >ok.yaml
	run -0 "$INTERLOCK" replay -q -p ok.yaml "$M/polling.pcap"
	# Who may write may write: nothing is left to say.
	run -0 "$INTERLOCK" policy need --allow-risk write --json "$M/polling.pcap"
	[ "$(jq -c '[.verdict, .reasons, .accepted]' <<<"$output")" = '["go",[],["write"]]' ]
}

@test "an attacker: no-go, and each kind of thing it did is named with its functions" {
	run -1 "$INTERLOCK" policy need --device 10.1.2.66 --sheet s.json "$M/attack-day.pcap"
	said "no-go: 10.1.2.66"
	[ "$(for c in control program unknown scan write discover refused malformed; do of $c; done | xargs)" = \
		"fail fail fail fail condition condition condition pass" ]
	jq -r '.criteria[].evidence[] | "\(.op) \(.attack[-1].id)"' s.json | sort -u >ops
	for op in "umas_stop_plc T0858" "firmware_replacement T0843" "restart_communications T0816" "write_file_record T0836" \
		"report_server_id T0801" "report_local_address T0888" "unassigned_25 null"; do
		grep -qx "$op" ops || { echo "not named: $op"; cat ops; return 1; }
	done
	# By S7: a stop and a start are both another operating mode, the start a restart as well.
	run -1 "$INTERLOCK" policy need --sheet u.json "$ROOT/pcaps/s7/control.pcap"
	[ "$(jq -r '[.criteria[].evidence[] | select(.op == "stop" or .op == "start") | "\(.op) \([.attack[].id] | join(","))"] | unique | join(" ")' u.json)" = \
		"start T0855,T0858,T0816 stop T0855,T0858" ]
	# What is accepted is accepted, the rest is not.
	run -1 "$INTERLOCK" policy need --device 10.1.2.66 --allow-risk control,program --sheet t.json "$M/attack-day.pcap"
	[ "$(of control t.json) $(of program t.json) $(of unknown t.json)" = "accepted accepted fail" ]
}

@test "the OPC UA client of the plant: a call, nobody's sessions in the clear, and services beside" {
	run -1 "$INTERLOCK" policy need --device 10.1.2.20 --sheet s.json "$PLANT"
	[ "$(for c in sufficient control unencrypted anonymous discover other upload; do of $c; done | xargs)" = \
		"pass fail condition condition condition condition pass" ]
	[ "$(jq -r '.criteria[] | select(.id == "control").evidence[0] | "\(.op) \(.example)"' s.json)" = "Call ns=2;s=Line ns=2;s=Line.Stop" ]
	[ "$(jq -r '[.criteria[] | select(.id == "other").evidence[].op] | join(" ")' s.json)" = "DNS HTTP TLS SSH SMB RDP" ]
	run -1 "$INTERLOCK" policy need --json "$ROOT/pcaps/s7/load.pcap"
	[ "$(of upload <(cat <<<"$output"))" = fail ]
	[ "$(of program <(cat <<<"$output"))" = fail ]
}

@test "against the policy in force: what it allows already, what it lacks, what it forbids" {
	cp "$ROOT/policies/cell.yaml" live.yaml
	run -0 "$INTERLOCK" policy need -p live.yaml --sheet s.json --allow-risk write "$M/polling.pcap"
	[ "$(jq -r .policy.sha256 s.json)" = "$(sha256sum <live.yaml | cut -d ' ' -f 1)" ]
	[ "$(jq -r .device.name s.json)" = hmi1 ]
	allowed=$(jq .by_policy.allowed s.json)
	[ "$(jq '[.by_policy.rules[].requests] | add' s.json)" = "$allowed" ]
	[ "$allowed" = "$("$INTERLOCK" replay -q -p live.yaml --facts - "$M/polling.pcap" 2>/dev/null |
		jq -s '[.[] | select(.kind == "request" and (.verdict | IN("allow", "alert")))] | length')" ]
	# Somebody new: all of it is missing, and goes to where the sheet says.
	"$INTERLOCK" learn "$M/polling.pcap" 2>/dev/null | sed '/^ *enabled: false$/d' >live.yaml
	run -0 "$INTERLOCK" policy need -p live.yaml --device 10.1.2.20 --allow-risk write "$ROOT/pcaps/s7/polling.pcap"
	said "does not allow 96 of 96 requests: add what is missing"
	said "--- what live.yaml lacks ---"
	# A rule that says no is no gap.
	sed 's/^      allow:/      deny: [{name: no-writes, units: all, functions: write, holding: all}]\n&/' live.yaml >deny.yaml
	run -1 "$INTERLOCK" policy need -p deny.yaml --allow-risk write "$M/polling.pcap"
	said "deny rules of deny.yaml forbid 20 of 260 requests"
}

@test "who the newcomer is: found out when there is one, asked for when there are more" {
	run -2 "$INTERLOCK" policy need --sheet s.json "$M/attack-day.pcap"
	said "who is the newcomer? 2 ask: name one with --device"
	said "  10.1.2.5  267 requests"
	said "  10.1.2.66  450 requests"
	run -2 "$INTERLOCK" policy need --device 10.1.2.130 "$M/polling.pcap"
	said "--device 10.1.2.130 asks nothing in the captures; who does:"
	run -2 "$INTERLOCK" policy need --device panel "$M/polling.pcap"
	said "a name needs the policy that knows it (-p)"
	run -1 --separate-stderr "$INTERLOCK" policy need -p "$ROOT/policies/cell.yaml" --device hmi1 --json "$M/attack-day.pcap"
	[ "$(jq -r '.device | "\(.address) \(.name)"' <<<"$output")" = "10.1.2.5 hmi1" ]
	! ls s.json* 2>/dev/null # nor what was to become it
}

@test "what cannot be read or written: 2, with the reason, and no half sheet" {
	head -c 50000 "$M/polling.pcap" >cut.pcap
	run -2 "$INTERLOCK" policy need --sheet s.json cut.pcap
	said "no-go"
	said "frame 530: truncated dump file"
	[ "$(of captures)" = fail ]
	rm s.json
	run -2 "$INTERLOCK" policy need nowhere.pcap
	said "nowhere.pcap: No such file"
	run -2 "$INTERLOCK" policy need --sheet /nowhere/s.json "$M/polling.pcap"
	said "/nowhere/s.json: No such file"
	run -2 "$INTERLOCK" policy need -o /nowhere/p.yaml --sheet s.json "$M/polling.pcap"
	said "/nowhere/p.yaml: No such file"
	run -2 "$INTERLOCK" policy need --sheet s.json --sign nokey "$M/polling.pcap"
	said "nokey"
	run -2 "$INTERLOCK" policy need --sign k "$M/polling.pcap"
	said "--sign signs what --sheet FILE writes"
	run -2 "$INTERLOCK" policy need --allow-risk write,luck "$M/polling.pcap"
	said "--allow-risk write,luck"
	run -2 "$INTERLOCK" policy need
	said "which captures?"
	only cut.pcap
}

@test "the sheet is signed; who changes it is found out, by interlock and by minisign" {
	"$INTERLOCK" key new k >/dev/null
	run -0 "$INTERLOCK" policy need --sheet s.json --sign k "$M/polling.pcap"
	run -0 "$INTERLOCK" policy verify --key k.pub s.json
	said "10.1.2.5: go with conditions"
	if command -v minisign >/dev/null; then
		"$INTERLOCK" key show --minisign k.pub >k.minisign
		run -0 minisign -V -p k.minisign -m s.json
		said "comment signature verified"
	fi
	sed 's/"go with conditions"/"go"/' s.json >t.json
	cp s.json.minisig t.json.minisig
	run -1 "$INTERLOCK" policy verify --key k.pub t.json
	said "was changed after key"
	# Neither is replaced unasked, and never one without the other.
	cp s.json before
	run -2 "$INTERLOCK" policy need --sheet s.json --sign k "$M/polling.pcap"
	said "s.json: is there already"
	cmp s.json before
	mv s.json elsewhere
	run -2 "$INTERLOCK" policy need --sheet s.json "$M/polling.pcap"
	said "s.json.minisig: is there already (--force replaces it: it would not be of this sheet)"
	run -0 "$INTERLOCK" policy need --sheet s.json --force "$M/polling.pcap"
	[ ! -e s.json.minisig ]
	run -0 "$INTERLOCK" policy need --sheet s.json --sign k --force "$M/polling.pcap"
	run -0 "$INTERLOCK" policy verify --key k.pub s.json
}
