#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --conversations and --map: equal to what tshark counts in the same frames.

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

convs() { "$INTERLOCK" replay -q --conversations c.json "${@:2}" "$1" || [ $? = 1 ]; }
is() { # JQ WANT
	got=$(jq -r "$1" c.json)
	[ "$got" = "$2" ] || { echo "$1: got $got"; return 1; }
}
tshark_() { command -v tshark >/dev/null || skip "no tshark"; }

@test "frames and bytes of each TCP and UDP conversation are those of tshark" {
	tshark_
	for f in mixed/plant modbus/attack-day modbus/midstream s7/polling opcua/subscribe modbus/udp; do
		convs "$ROOT/pcaps/$f.pcap"
		# by unordered pair of addresses, since tshark has one for each pair of ports
		for l4 in tcp udp; do
			tshark -r "$ROOT/pcaps/$f.pcap" -Y "$l4 && !icmp" -T fields -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst -e frame.len |
				awk -F'\t' '{ a = $1 $3; b = $2 $4; k = a < b ? a " " b : b " " a; n[k]++; s[k] += $5 }
					END { for (k in n) print k, n[k], s[k] }' | sort
		done >want
		for l4 in tcp udp; do
			jq -r --arg l4 $l4 '.conversations[] | select(.transport == $l4) | ([.client.ip, .server.ip] | sort | join(" "))
				+ " \(.to_server.frames + .to_client.frames) \(.to_server.bytes + .to_client.bytes)"' c.json |
				awk '{ n[$1 " " $2] += $3; s[$1 " " $2] += $4 } END { for (k in n) print k, n[k], s[k] }' | sort
		done >got
		diff want got || { echo "$f"; return 1; }
		is .evicted 0
		is '[.no_room_for[]] | add' 0
	done
}
@test "functions, values and exceptions of Modbus are those of tshark" {
	tshark_
	f=$ROOT/pcaps/modbus/polling.pcap
	convs "$f"
	tshark -r "$f" -d tcp.port==502,mbtcp -Y 'modbus && tcp.dstport == 502' -T fields -e modbus.func_code | tr , '\n' | sort -n | uniq -c | awk '{print $2, $1}' >want
	jq -r '.conversations[] | .functions // [] | .[] | "\(.code) \(.requests)"' c.json | sort -n >got
	diff want got
	[ -s want ]
	# what function 16 writes: each register, how often, smallest and largest
	tshark -r "$f" -Y 'modbus.func_code == 16 && tcp.dstport == 502' -T fields -e modbus.reference_num -e modbus.regval_uint16 |
		awk '{ m = split($2, v, ","); for (i = 1; i <= m; i++) { k = $1 + i - 1; x = v[i] + 0
				if (!(k in lo) || x < lo[k]) lo[k] = x; if (x > hi[k]) hi[k] = x; n[k]++ } }
			END { for (k in n) print "holding " k, n[k], lo[k], hi[k] }' | sort >want
	jq -r '.conversations[] | .values // [] | .[] | select(.access == "write") | "\(.object) \(.count) \(.min) \(.max)"' c.json |
		grep -v '^holding 100 ' | sort >got # 100 is written by function 6 too
	diff want got
	[ -s want ]
	f=$ROOT/pcaps/modbus/exceptions.pcap
	convs "$f"
	want=$(tshark -r "$f" -d tcp.port==502,mbtcp -Y 'modbus.exception_code && tcp.srcport == 502' -T fields -e modbus.exception_code | tr , '\n' | wc -l)
	is '[.conversations[] | .exceptions // 0] | add' "$want"
}
@test "poll period and what follows what: as the recording script polls" {
	convs "$ROOT/pcaps/mixed/plant.pcap"
	# 60 rounds of four reads, some 150 ms apart
	is '.conversations[] | select(.client.ip == "10.1.2.5" and .port == 502) | .functions[] | select(.op == "read_coils") | .period_ms | to_entries | map(.value) | add' 59
	is '.conversations[] | select(.client.ip == "10.1.2.5" and .port == 502) | .transitions[] | select(.from == "read_input_registers" and .to == "read_coils") | .count' 60
	is '[.conversations[] | select(.protocol == "modbus") | .client.ip] | unique | join(" ")' "10.1.2.5 10.1.2.66"
	is '[.conversations[] | select(.client.ip == "10.1.2.66" and .protocol == "modbus") | .units | length] | add' 10
}
@test "the map: levels by what devices do, and by the policy; three forms of it" {
	for kind in json dot mmd; do "$INTERLOCK" replay -q --map m.$kind "$ROOT/pcaps/mixed/plant.pcap"; done
	mv m.json c.json
	is '[.nodes[] | "\(.ip | split(".")[3]):\(.level)"] | join(" ")' "5:2 9:2 10:4 20:3 66:2 130:1 131:1"
	is '.edges | length' 15
	grep -qx '		n5\["10.1.2.130"\]' m.mmd
	grep -qx '	n0 -->|modbus, changes| n5' m.mmd
	grep -q '"level 1: control"' m.dot
	[ "$(grep -c ' -> ' m.dot)" = 15 ]
	! command -v dot >/dev/null || dot -Tsvg m.dot >/dev/null
	"$INTERLOCK" replay -q -p "$ROOT/policies/filling-line.yaml" --map m.json "$ROOT/pcaps/mixed/plant.pcap" || [ $? = 1 ]
	mv m.json c.json
	is '.nodes[] | select(.ip == "10.1.2.130") | "\(.label) \(.level)"' "plc-filler 1"
}
@test "a map without a kind, two outputs on standard output: refused before a packet" {
	run "$INTERLOCK" replay --map m "$ROOT/pcaps/mixed/plant.pcap"
	[ "$status" = 2 ] && [[ $output == *".dot, .mmd or .json"* ]]
	run "$INTERLOCK" replay --conversations - --assets - "$ROOT/pcaps/mixed/plant.pcap"
	[ "$status" = 2 ]
}
