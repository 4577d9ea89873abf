#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Facts of pcaps/ against tshark's reading, and a look whether the comparison would notice: one wrong
# field, one fact less and one fact more must each be a difference, for each protocol.
# usage: [B=build] compare_tshark.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${INTERLOCK:-${B:-build}/interlock}
compare=(python3 tests/e2e/compare_tshark.py --interlock "$program")
"${compare[@]}"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

notices() { # CAPTURE CHANGE...: sed scripts, each of which makes a wrong list of facts
	local capture=$1 change
	shift
	"$program" replay --facts "$tmp/good" "$capture" >/dev/null || [ $? = 1 ]
	for change; do
		sed "$change" "$tmp/good" >"$tmp/bad"
		if cmp -s "$tmp/good" "$tmp/bad"; then
			echo "no such line in the facts of $capture: $change"
			exit 1
		fi
		if "${compare[@]}" --facts "$tmp/bad" "$capture" >"$tmp/out"; then
			echo "not noticed in $capture: $change"
			exit 1
		fi
	done
}

notices pcaps/modbus/all-functions.pcap '/"code":16,/ s/"count":[0-9]*/"count":7/' '5 s/"unit":1/"unit":2/' \
	'9 s/"frame":[0-9]*/"frame":1/' '/"kind":"response"/ s/"txn":3,/"txn":4,/' '12d' '12p'
notices pcaps/s7/control.pcap '1 s/"dst_tsap":"01/"dst_tsap":"02/' '3 s/"pdu_size":480/"pdu_size":240/' '5 s/"code":41/"code":40/' \
	'7 s/"szl_id":[0-9]*/"szl_id":1/' '9 s/P_PROGRAM/_INSE/' '6 s/"error_code":0/"error_code":4/' '8 s/"pdu_ref":[0-9]*/"pdu_ref":1/' \
	'12d' '12p'
notices pcaps/s7/polling.pcap '/"op":"write"/ s/"byte":[0-9]*/"byte":999/' '0,/"area":"DB"/ s/"area":"DB"/"area":"M"/' \
	'/"op":"write"/ s/"data":"../"data":"ff/' '/"values"/ s/"return_codes":\[255/"return_codes":[10/'
notices pcaps/opcua/none.pcap 's/ns=2;s=Line.Stop/ns=2;s=Line.Start/' '/"op":"Write"/ s/"attributes":\[13/"attributes":[1/' \
	'9 s/"request_id":[0-9]*/"request_id":99/' '4 s/"channel":1/"channel":2/' '/"op":"Call"/ s/"status":0/"status":1/' '20d' '20p' \
	's/"mode":"None"/"mode":"Sign"/' '12 s/"code":[0-9]*/"code":1/'
notices pcaps/opcua/chunks.pcap '/"chunk":"C"/ s/ns=2;s=Bulk.7"/ns=2;s=Bulk.8"/' '0,/"chunk":"C"/ s/"chunk":"C"/"chunk":"F"/' \
	's/"size":8192/"size":8191/'
