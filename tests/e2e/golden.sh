#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Replays each golden case and compares facts and exit status, byte for byte.
# usage: [B=build] golden.sh [CASE...]         CASE: a folder of tests/golden, e.g. modbus/polling
#        [B=build] golden.sh --update CASE     write the facts of this case anew; look at the diff
#
# A case is tests/golden/PROTO/NAME/ with facts.jsonl and case.yaml:
#   about: one line for the reader
#   pcap: pcaps/modbus/polling.pcap
#   options: -p policies/cell.yaml         more arguments of replay; may be absent
#   status: 0                              what replay must return; default 0
#   checks:                                jq conditions over the list of all facts; may be absent
#     - length == 466
set -euo pipefail
cd "$(dirname "$0")/../.."
program=${INTERLOCK:-${B:-build}/interlock}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

value() { # KEY FILE: of a top-level `key: value`
	sed -n "s/^$1: *//p" "$2"
}

replay() { # CASE: facts to $tmp/facts; fails with a message
	local case=$1 yaml=tests/golden/$1/case.yaml pcap status=0 want
	local -a options
	[ -f "$yaml" ] || { echo "$yaml: no such case"; return 1; }
	pcap=$(value pcap "$yaml")
	read -ra options <<<"$(value options "$yaml")"
	want=$(value status "$yaml")
	"$program" replay "${options[@]}" --facts "$tmp/facts" "$pcap" >"$tmp/out" 2>"$tmp/err" || status=$?
	[ $status = "${want:-0}" ] || {
		echo "$case: status $status instead of ${want:-0}"
		head -n 5 "$tmp/err"
		return 1
	}
	sed -n '/^checks:/,/^[^ ]/ s/^  - //p' "$yaml" >"$tmp/checks"
	while IFS= read -r check; do
		jq -es "$check" "$tmp/facts" >/dev/null || { echo "$case: not so: $check"; return 1; }
	done <"$tmp/checks"
}

if [ "${1:-}" = --update ]; then
	[ $# = 2 ] || { echo "usage: golden.sh --update CASE (one at a time)"; exit 2; }
	replay "$2"
	install -m 644 "$tmp/facts" "tests/golden/$2/facts.jsonl"
	git diff --stat -- "tests/golden/$2"
	exit 0
fi

n=0 bad=0
[ $# -gt 0 ] || mapfile -t cases < <(find tests/golden -name case.yaml -printf '%P\n' | sort)
[ $# -gt 0 ] && cases=("$@")
for case in "${cases[@]%/case.yaml}"; do
	n=$((n + 1))
	if replay "$case" && diff -u "tests/golden/$case/facts.jsonl" "$tmp/facts" >"$tmp/diff"; then
		echo "ok $n $case"
	else
		echo "not ok $n $case"
		bad=1
		[ ! -s "$tmp/diff" ] || head -n 20 "$tmp/diff" | cut -c 1-400 | sed 's/^/# /'
		: >"$tmp/diff"
	fi
done
[ $n -gt 0 ] || { echo "no cases in tests/golden"; exit 1; }
echo "1..$n"
exit $bad
