#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo` runs to its end and shows an alert, its rule and a chain that holds; and the
# output in README.md is output of this program, line by line.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

B=$B sh mk/demo.sh >"$tmp/out"
for protocol in modbus s7 opcua; do # what each of them was denied
	grep -q "$protocol/tcp, .* PDUs" "$tmp/out"
done
grep -q 'frame [0-9]*: unit 1 holding 100 = 5000' "$tmp/out"
grep -q 'frame [0-9]*: DB10.DBB19..22 = 01 02 03 04' "$tmp/out"
grep -q '"signature":"Interlock mes-recipes: Write ns=2;i=1001, ... to plc-caps not allowed by any rule"' "$tmp/out"
grep -q 'no pattern of it matches "ns=2;i=1001"' "$tmp/out"
tail -n 2 "$tmp/out" | grep -q 'the chain holds, complete'

# Lines between ```text and ```; "..." stands for lines that were left out, at an end of a
# line for the rest of it.  Keys and host differ from run to run.
anonymous() { sed "s|$B/|build/|g; s/^key id .*/key id .../; s/sensor [^ ,]*,/sensor ...,/"; }
anonymous <"$tmp/out" >"$tmp/lines"
awk '/^```text/ { on = 1; next } /^```/ { on = 0 } on' README.md | B=build anonymous |
	awk -v out="$tmp/lines" '
	BEGIN { while ((getline line < out) > 0) have[++n] = line; at = 1 }
	/^ *\.\.\.$/ || /^$/ { next }
	{
		want = $0; cut = sub(/\.\.\.$/, "", want) + sub(/^\.\.\./, "", want); count++
		for (i = at; i <= n; i++)
			if (have[i] == $0 || cut && index(have[i], want)) { at = i + 1; next }
		print "README.md shows, and the demo does not print (in this order; mk/readme.py): " $0; bad = 1
	}
	END { if (count < 20) { print "README.md shows no output"; bad = 1 } exit bad }'
echo "the demo runs, README.md shows what it prints"
