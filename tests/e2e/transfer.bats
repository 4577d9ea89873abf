#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A block that goes into a controller, or out of it, is told at its end with the SHA-256 of what was moved:
# held against the bytes as tshark takes them out of the same capture, and sha256sum.

LOAD=$ROOT/pcaps/s7/load.pcap

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	command -v tshark >/dev/null || skip "tshark is missing"
	cat >p.yaml <<-'EOF'
		interlock: 1
		mode: enforce
		zones:
		  scada: {level: 2, nets: [10.1.2.0/25]}
		  cell1: {level: 1, nets: [10.1.2.128/25]}
		devices:
		  eng1: {zone: scada, ip: 10.1.2.9}
		  plc-caps: {zone: cell1, ip: 10.1.2.131}
		conduits:
		  - name: engineering
		    from: [eng1]
		    to: [plc-caps]
		    s7:
		      allow:
		        - {name: session, functions: [setup]}
		        - {name: blocks, functions: [download, upload, pi-service], blocks: all}
	EOF
}

# content FILTER CAPTURE: what the pieces hold, in order.  TPKT 4, COTP 3, S7 12, function and status 2, length 2, 00 fb.
content() {
	tshark -r "$2" -Y "s7comm.header.rosctr == 3 && $1" -T fields -e tcp.payload 2>/dev/null |
		while read -r hex; do
			n=$((16#${hex:42:4}))
			printf %s "${hex:50:$((2 * n))}"
		done | xxd -r -p
}
# told DIRECTION BLOCK [CAPTURE]: end, bytes and hash as the EVE line has them
told() {
	"$INTERLOCK" replay -q -p p.yaml --eve - "${3:-$LOAD}" | jq -r --arg op "$1" --arg b "$2" '.alert.metadata |
		select(.il_transfer != null and .il_op[0] == $op and .il_object[0] == $b) |
		"\(.il_transfer[0]) \(.il_bytes[0]) \(.il_sha256[0]) \(.il_rule[0])"'
}
sum() { sha256sum | cut -d ' ' -f 1; }

@test "a download is told with what was loaded" {
	content 's7comm.param.func == 0x1b && frame.number < 24' "$LOAD" >db10
	[ "$(stat -c %s db10)" = 972 ]
	[ "$(told download DB10)" = "complete 972 $(sum <db10) blocks" ]
	"$INTERLOCK" replay -p p.yaml "$LOAD" >out
	grep -q "download  eng1 -> plc-caps  DB10  complete, 972 bytes in frame 23  by engineering/blocks" out
	grep -q "everything is allowed" out
	"$INTERLOCK" replay --json -p p.yaml "$LOAD" | jq -e --arg h "$(sum <db10)" \
		'.exit == 0 and .captures[0].told == 0 and .captures[0].blocks[0].sha256 == $h and
		(.captures[0].blocks | length) == 4'
}

@test "its alerts are valid EVE" {
	"$INTERLOCK" replay -q -p p.yaml --eve eve.json "$LOAD"
	[ "$(wc -l <eve.json)" = 4 ]
	/usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" eve.json
}

@test "the upload of the same block has the same hash" {
	content 's7comm.param.func == 0x1e' "$LOAD" >up
	content 's7comm.param.func == 0x1b && frame.number < 24' "$LOAD" >db10
	cmp up db10
	[ "$(told upload DB10)" = "complete 972 $(sum <up) blocks" ]
}

@test "what a controller gives up, and what a lost connection cuts off, is told as aborted" {
	content 's7comm.param.func == 0x1b && frame.number == 46' "$LOAD" >db11
	content 's7comm.param.func == 0x1b && frame.number == 65' "$LOAD" >db12
	[ "$(told download DB11)" = "aborted 462 $(sum <db11) blocks" ]
	[ "$(told download DB12)" = "aborted 462 $(sum <db12) blocks" ]
	[ "$(told download DB11 | wc -l)" = 1 ]
}

@test "of a download that was under way, or with bytes lost, only a part is told" {
	command -v editcap >/dev/null || skip "editcap is missing"
	editcap -r "$LOAD" late.pcap 18-26 # without the connection, the request and the first piece
	content 's7comm.param.func == 0x1b' late.pcap >rest
	[ "$(told download DB10 late.pcap)" = "partial 510 $(sum <rest) null" ]
	editcap "$LOAD" hole.pcap 19 # the second piece was never seen
	told download DB10 hole.pcap >hole
	grep -q "^partial " hole
}

@test "a download that is not allowed moves nothing through a guard, and none is told" {
	sed 's/download, upload, //' p.yaml >none.yaml
	"$INTERLOCK" replay -q --inline -p none.yaml --eve eve.json "$LOAD" || [ $? = 1 ]
	[ "$(jq -s '[.[] | select(.alert.metadata.il_transfer)] | length' eve.json)" = 0 ]
	[ "$(jq -s '[.[] | select(.alert.metadata.il_op == ["request_download"])] | length' eve.json)" -gt 0 ]
}

@test "the block that a controller of Siemens took, in a public capture" {
	public=${CORPUS:-$ROOT/../shared/corpus}/s7comm/iti__s7comm_downloading_block_db1.pcap
	[ -f "$public" ] || skip "the corpus is not here"
	sed 's/10\.1\.2\.0.25/192.168.1.0\/27/; s/10\.1\.2\.128.25/192.168.1.32\/27/; s/10\.1\.2\.9/192.168.1.10/
		s/10\.1\.2\.131/192.168.1.40/' p.yaml >public.yaml
	mv public.yaml p.yaml
	content 's7comm.param.func == 0x1b' "$public" >db1
	[ "$(told download DB1 "$public")" = "complete 500 $(sum <db1) blocks" ]
}
