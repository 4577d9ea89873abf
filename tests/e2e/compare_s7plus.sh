#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Would the comparison of S7comm-plus facts with the ground truth notice?  One wrong field, one
# fact less and one fact more must each be a difference.  (mk/corpus.sh compares all captures.)
# usage: [B=build] [CORPUS=dir] compare_s7plus.sh; status 77: the captures are not here
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${INTERLOCK:-${B:-build}/interlock} corpus=${CORPUS:-../shared/corpus}
capture=iti__S7-1200-Uploading-OB1-TIAV12.pcap
[ -f "$corpus/s7comm_plus/$capture" ] || { echo "no captures in $corpus (CORPUS=)"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
compare=(python3 tests/e2e/compare_s7plus.py --corpus "$corpus")
"$program" replay --facts "$tmp/good" "$corpus/s7comm_plus/$capture" >/dev/null
"${compare[@]}" --facts "$tmp/good" $capture
for change in '/"frame":10,/ s/"version":2/"version":3/' '/"frame":10,/ s/"code":1346/"code":1347/' \
	'/"frame":17,/ s/"seq":4/"seq":5/' '/"frame":17,/ s/"opcode":50/"opcode":49/' '/"frame":17,/ s/"data_len":80/"data_len":81/' \
	'/"frame":128,/ s/"fragment":2/"fragment":1/' '/"frame":17,/ d' '/"frame":17,/ p'; do
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
