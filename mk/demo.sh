#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job on a real capture: verdicts, an alert, the rule behind it, and the proof.
# usage: [B=build] demo.sh   (in the root of the tree, after make)
set -eu

B=${B:-build}
il=$B/interlock policy=policies/filling-line.yaml capture=pcaps/mixed/plant.pcap
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

say "A morning on a filling line (Modbus, S7, OPC UA and office traffic), judged by its policy (status 1: something is not allowed)."
run 1 "$il" replay -p $policy --eve "$dir/eve.json" --journal "$dir/journal" --key "$dir/sensor.key" $capture

say "The MES wrote its recipe, and a node beside it in the same request.  The alert, as the SIEM gets it:"
run 0 grep -m 1 'Write ns=2;i=1001' "$dir/eve.json"

say "Why, rule by rule:"
frame=$(sed -n '/Write ns=2;i=1001/ { s/.*"pcap_cnt":\([0-9]*\).*/\1/p; q; }' "$dir/eve.json")
run 1 "$il" why -p $policy --frame "$frame" $capture

say "A copy of the journal in which somebody changed one digit of that alert:"
cp -r "$dir/journal" "$dir/forged"
sed -i '/Write ns=2;i=1001/ s/"severity":1/"severity":3/' "$dir/forged"/*.eve
run 1 "$il" journal verify --key "$dir/sensor.key.pub" "$dir/forged"

say "The journal itself; the public key is enough to see that nothing was removed or changed:"
run 0 "$il" journal verify --key "$dir/sensor.key.pub" "$dir/journal"
