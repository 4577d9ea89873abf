#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Facts of pcaps/modbus against tshark's reading, and a look whether the comparison would notice:
# one wrong field, one fact less and one fact more must each be a difference.
# usage: [B=build] compare_tshark.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${INTERLOCK:-${B:-build}/interlock} capture=pcaps/modbus/all-functions.pcap
compare=(python3 tests/e2e/compare_tshark.py --interlock "$program")
"${compare[@]}"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$program" replay --facts "$tmp/good" $capture >/dev/null
"${compare[@]}" --facts "$tmp/good" $capture >/dev/null
for change in '/"code":16,/ s/"count":[0-9]*/"count":7/' '5 s/"unit":1/"unit":2/' '9 s/"frame":[0-9]*/"frame":1/' \
	'/"kind":"response"/ s/"txn":3,/"txn":4,/' '12d' '12p'; do
	sed "$change" "$tmp/good" >"$tmp/bad"
	if cmp -s "$tmp/good" "$tmp/bad"; then
		echo "no such line in the facts: $change"
		exit 1
	fi
	if "${compare[@]}" --facts "$tmp/bad" $capture >"$tmp/out"; then
		echo "not noticed: $change"
		exit 1
	fi
done
