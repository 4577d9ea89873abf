#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job on a real capture: verdicts, an alert, the rule behind it, and the proof.
# usage: [B=build] demo.sh   (in the root of the tree, after make)
set -eu

B=${B:-build}
il=$B/interlock policy=policies/cell.yaml capture=pcaps/modbus/attack-day.pcap
dir=$B/demo
rm -rf "$dir"
mkdir -p "$dir"

say() { printf '\n# %s\n' "$*"; }
# run STATUS COMMAND...: shows it, runs it, and insists on how it ends
run() {
	want=$1 got=0
	shift
	printf '$ %s\n' "$*"
	"$@" || got=$?
	[ "$got" = "$want" ] || { echo "demo: status $got, expected $want" >&2; exit 1; }
}

say "A sensor has a key; who verifies gets the public half."
run 0 "$il" key new "$dir/sensor.key"

say "A day in a bottling cell, judged by the cell's policy (status 1: something is not allowed)."
run 1 "$il" replay -p $policy --eve "$dir/eve.json" --journal "$dir/journal" --key "$dir/sensor.key" $capture

say "The HMI itself wrote where nobody may.  The alert, as the SIEM gets it:"
run 0 grep -m 1 never-the-safety-words "$dir/eve.json"

say "The rule that caused it:"
frame=$(sed -n '/never-the-safety-words/ { s/.*"pcap_cnt":\([0-9]*\).*/\1/p; q; }' "$dir/eve.json")
run 1 "$il" why -p $policy --frame "$frame" $capture

say "A copy of the journal in which somebody changed one digit of that alert:"
cp -r "$dir/journal" "$dir/forged"
sed -i '/never-the-safety-words/ s/"severity":1/"severity":3/' "$dir/forged"/*.eve
run 1 "$il" journal verify --key "$dir/sensor.key.pub" "$dir/forged"

say "The journal itself; the public key is enough to see that nothing was removed or changed:"
run 0 "$il" journal verify --key "$dir/sensor.key.pub" "$dir/journal"
