#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Captures by other ways into the engine: out of memory (--fast), through a driver of DPDK.  The verdicts, facts and
# frames are those of a file.

setup() {
	cd "${ROOT:-$BATS_TEST_DIRNAME/../..}" || return
	I=${INTERLOCK:-$PWD/${B:-build}/interlock}
	T=$BATS_TEST_TMPDIR
	shopt -s nullglob
	CAPS=(pcaps/modbus/*.pcap pcaps/mixed/*.pcap)
}

judge() { # NAME ARGS...: its facts, alerts, summary and status
	local name=$1 status=0
	shift
	"$I" replay -p policies/cell.yaml --facts "$T/$name.facts" --eve "$T/$name.eve" --json "$@" >"$T/$name.json" 2>"$T/$name.err" || status=$?
	echo "$status" >"$T/$name.status"
}

@test "--fast says what a file says" {
	[ ${#CAPS[@]} -ge 11 ]
	for f in "${CAPS[@]}"; do
		rm -f "$T"/*.eve
		judge file "$f"
		judge fast --fast "$f"
		cmp "$T/file.facts" "$T/fast.facts"
		cmp "$T/file.status" "$T/fast.status"
		diff <(jq -c 'del(.flow_id)' "$T/file.eve") <(jq -c 'del(.flow_id)' "$T/fast.eve")
		diff <(jq -S . "$T/file.json") <(jq -S 'walk(if type == "object" then del(.judged_ns) else . end)' "$T/fast.json")
		jq -e '[.. | .judged_ns? // empty | . > 0] | length == 1 and all' "$T/fast.json"
	done
}

@test "--fast prints how long judging took" {
	run "$I" replay --fast pcaps/modbus/polling.pcap
	[ "$status" = 0 ]
	[[ "$output" =~ "judged in "[0-9.]+" s: "[0-9]+" ns per frame, "[0-9]+" per PDU, "[0-9.]+" M frames/s" ]]
	run "$I" replay pcaps/modbus/polling.pcap
	[[ "$output" != *"judged in"* ]]
}

@test "--fast: a capture that breaks off, one that is not there, --write" {
	head -c 3000 pcaps/modbus/polling.pcap >"$T/cut.pcap"
	run "$I" replay --fast "$T/cut.pcap"
	[ "$status" = 2 ]
	[[ "$output" == *cut.pcap*truncated* || "$output" == *cut.pcap*ends* ]]
	run "$I" replay --fast "$T/nothing.pcap"
	[ "$status" = 2 ]
	run "$I" replay --fast --write "$T/x.pcap" pcaps/modbus/polling.pcap
	[ "$status" = 2 ]
	[[ "$output" == *"writes no frames"* ]]
}

# Where nobody wants to see facts the engine does not read what it knows (dataplane/quick.h), and the summary only counts it.
@test "the summary is the same whether PDUs are read in full or known" {
	for p in modbus s7 opcua; do
		"${B:-build}/tests/tools/traffic" $p 50 20000 >"$T/$p.pcap"
	done
	"${B:-build}/tests/tools/traffic" modbus 8400 84000 >"$T/many.pcap" # more conversations than it tells apart
	for f in "$T"/*.pcap; do
		"$I" replay -p tests/bench/replay.yaml --json "$f" >"$T/known"
		"$I" replay -p tests/bench/replay.yaml --json --facts "$T/facts" "$f" >"$T/read"
		cmp "$T/known" "$T/read"
		[ "$(jq '.captures[0].pdus.all' "$T/known")" = "$(wc -l <"$T/facts")" ]
	done
	jq -e '.captures[0].conversations | length == 50 and all(.functions | length == 3)' <("$I" replay -p tests/bench/replay.yaml --json "$T/s7.pcap")
	for f in "${CAPS[@]}"; do
		"$I" replay -p policies/cell.yaml --json "$f" >"$T/known" || [ $? = 1 ]
		"$I" replay -p policies/cell.yaml --json --facts "$T/facts" "$f" >"$T/read" || [ $? = 1 ]
		cmp "$T/known" "$T/read"
	done
}

frames() { tcpdump -r "$1" -nt -xx 2>/dev/null; } # all but the time: net_pcap writes its own

@test "through net_pcap: the frames of --write, byte for byte, and its facts" {
	"$I" --version | grep -q '+dpdk' || skip "built without dpdk"
	[ "$(id -u)" = 0 ] || skip "needs root"
	for f in pcaps/modbus/{segmented,attack-day,pipelining,ipv6-vlan}.pcap; do
		cp "$f" "$T/in.pcap"
		rm -f "$T/out.pcap" "$T/want.pcap"
		run "$I" replay -q -p policies/cell.yaml --write "$T/want.pcap" --facts "$T/want.facts" "$T/in.pcap"
		want=$status
		run "$I" replay -q -p policies/cell.yaml --inline --facts "$T/out.facts" "dpdk:net_pcap0,rx_pcap=$T/in.pcap,tx_pcap=$T/out.pcap"
		[ "$status" = "$want" ]
		[ "$(frames "$T/want.pcap" | wc -l)" -gt 100 ]
		cmp <(frames "$T/want.pcap") <(frames "$T/out.pcap")
		cmp "$T/want.facts" "$T/out.facts"
	done
}
