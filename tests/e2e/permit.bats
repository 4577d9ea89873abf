#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Permits: signed, shown, verified (also by npm's jose), and what a capture made under one is worth.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR"
	ROOT=$BATS_TEST_DIRNAME/../..
	IL=${INTERLOCK:-$ROOT/build/interlock}
	[[ $IL == /* ]] || IL=$ROOT/$IL
	"$IL" key new key >/dev/null
	"$IL" key new other >/dev/null
	x=$("$IL" key show --jwk key.pub | python3 -c 'import json, sys; print(json.load(sys.stdin)["x"])')
	# DB10 .. DB12 into a controller, on a Saturday (2026-11-28 17:27:44 UTC)
	CAP=$ROOT/pcaps/s7/load.pcap
	cat >plant.yaml <<-END
	interlock: 1
	site: bottling-line-2
	mode: enforce
	permits: {keys: [$x], max: 8h, grace: 30s}
	windows:
	  service: {when: "Sat 16:00-20:00", tz: UTC, needs: permit, max: 4h}
	zones: {scada: {nets: [10.1.2.0/25]}, cell: {nets: [10.1.2.128/25]}}
	devices:
	  eng1:     {zone: scada, ip: 10.1.2.9}
	  eng2:     {zone: scada, ip: 10.1.2.10}
	  plc-caps: {zone: cell, ip: 10.1.2.131}
	conduits:
	  - name: engineering
	    from: [eng1, eng2]
	    to: [plc-caps]
	    only-in: service
	    s7: {allow: [{name: known, functions: all, read: all, write: all, blocks: all}]}
	END
	"$IL" policy check plant.yaml >/dev/null 2>check || sed -i 's/, blocks: all//' plant.yaml
}

new() { "$IL" permit new --key key --by "J. Doe, order 4711" -p plant.yaml --window service --from eng1 --to plc-caps "$@"; }

@test "a permit is signed, shown and verified; another key's is not" {
	new --until 2h --functions download,read -o p.jws
	run -0 "$IL" permit show p.jws
	[[ $output == *"J. Doe, order 4711"* && $output == *"functions download, read"* && $output == *"site      bottling-line-2"* ]]
	run -0 "$IL" permit verify --key key.pub p.jws
	[[ $output == *"signature good"* ]]
	run -0 "$IL" permit verify -p plant.yaml p.jws
	run -1 "$IL" permit verify --key other.pub p.jws
	sed 's/./&/;s/^\(.\{200\}\)./\1A/' p.jws >bad.jws
	! cmp -s p.jws bad.jws || sed 's/^\(.\{200\}\)./\1B/' p.jws >bad.jws
	run "$IL" permit verify --key key.pub bad.jws
	[ "$status" -ne 0 ]
	run -2 "$IL" permit show /dev/null
	run -2 "$IL" permit new --key key
}

@test "one that would open nothing is not signed" {
	run -1 "$IL" permit new --key key --by x -p plant.yaml --window service --from eng9 --to plc-caps --until 2h
	[[ $output == *'the policy has no device "eng9"'* ]]
	run -1 "$IL" permit new --key key --by x -p plant.yaml --window service --from eng1 --to plc-caps --until 2h --functions uplaod
	[[ $output == *'has "uplaod"'* ]]
	run -1 "$IL" permit new --key other --by x -p plant.yaml --window service --from eng1 --to plc-caps --until 2h
	[[ $output == *"a key that is not among permits: keys"* ]]
}

@test "jose (npm) verifies a permit" {
	new --until 2h -o p.jws
	cp -r "$ROOT"/tests/e2e/jose .
	rm -rf jose/node_modules
	npm --prefix jose ci --no-audit --no-fund --fetch-retries=1 >npm.log 2>&1 || skip "npm cannot get jose: $(tail -n 1 npm.log)"
	run -0 node jose/permit.mjs key.pub p.jws
	[[ $output == *"J. Doe, order 4711: eng1 to plc-caps, service" ]]
	run node jose/permit.mjs other.pub p.jws
	[ "$status" -ne 0 ]
}

@test "a download without a permit is refused, and says which window" {
	run -1 "$IL" replay -q --eve eve.json -p plant.yaml "$CAP"
	grep -q '"il_reason":\["window"\]' eve.json
	grep -q '"il_window":\["service"\]' eve.json
}

@test "under a permit it passes, and what it programs is told with it" {
	new --start @1795881600 --until @1795896000 -o p.jws
	run -0 "$IL" replay -q --no-fold --eve eve.json -p plant.yaml --permit p.jws "$CAP"
	grep '"il_op":\["request_download"\]' eve.json | grep -q '"il_permit":\["[A-Za-z0-9_-]*, by J. Doe, order 4711"\]'
	! grep -q '"il_reason":\["window"\]' eve.json
	run -0 "$IL" replay -q --inline -p plant.yaml --permit p.jws "$CAP"
	grep -v '"il_transfer"' eve.json >told.json
	run -0 /usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" told.json
}

@test "a permit holds for its ends, its functions, its time and the hours of its window only" {
	"$IL" permit new --key key --by x -p plant.yaml --window service --from eng2 --to plc-caps --start @1795881600 --until @1795896000 -o p.jws
	run -1 "$IL" replay -q -p plant.yaml --permit p.jws "$CAP"
	new --functions upload --start @1795881600 --until @1795896000 -o p.jws
	run -1 "$IL" replay -q -p plant.yaml --permit p.jws "$CAP"
	new --start @1795890000 --until @1795896000 -o p.jws
	run -1 "$IL" replay -q -p plant.yaml --permit p.jws "$CAP"
	new --start @1795881600 --until @1795896000 -o p.jws
	sed 's/Sat 16:00-20:00/Sun 16:00-20:00/' plant.yaml >sunday.yaml
	run -1 "$IL" replay -q -p sunday.yaml --permit p.jws "$CAP"
	sed 's/site: .*/site: line-3/' plant.yaml >line3.yaml
	run -2 "$IL" replay -q -p line3.yaml --permit p.jws "$CAP"
	[[ $output == *'it is for site "bottling-line-2"'* ]]
}

@test "why names the window" {
	frame=$("$IL" replay -q --facts - "$CAP" | python3 -c '
import json, sys
print(next(f["frame"] for f in map(json.loads, sys.stdin) if f["op"] == "request_download"))')
	run -1 "$IL" why -p plant.yaml --frame "$frame" "$CAP"
	[[ $output == *'only-in "service"'* && $output == *"its hours hold, and it needs a permit"* && $output == *'(window "service")'* ]]
}

# later NAME FRAME:SECONDS...: the capture, with frames from FRAME on so much later
later() {
	python3 - "$CAP" "$@" <<-'END'
	import struct, sys
	data, out, shifts = open(sys.argv[1], "rb").read(), sys.argv[2], [tuple(map(int, a.split(":"))) for a in sys.argv[3:]]
	f, at, n = open(out, "wb"), 24, 0
	f.write(data[:24])
	while at < len(data):
	    s, us, cap, wire = struct.unpack_from("<IIII", data, at)
	    n += 1
	    s += sum(by for frame, by in shifts if n >= frame)
	    f.write(struct.pack("<IIII", s, us, cap, wire) + data[at + 16:at + 16 + cap])
	    at += 16 + cap
	END
}
ops() { python3 -c '
import json, sys
for f in map(json.loads, open("facts")):
    if f["proto"] == "s7" and f["dst"] == "10.1.2.131" or "download" in f["op"]: print(f["op"], f["verdict"])' | uniq; }

@test "a download that runs when the permit ends comes to its end, and is made part of the program; a new one does not start" {
	new --start @1795881600 --until @1795886866 -o p.jws
	later cap.pcap 14:2 # DB10 was asked for at :44, the permit ends at :46
	run -1 "$IL" replay -q --inline --facts facts -p plant.yaml --permit p.jws cap.pcap
	run ops
	[[ $output == *"request_download alert"*"download_block allow"*"download_ended allow"*"insert_block alert"* ]]
	[[ $output == *"start_upload drop"* ]]
	[[ $(grep -c '"op":"request_download".*"kind":"request".*"verdict":"alert"\|"kind":"request".*"op":"request_download".*"verdict":"alert"' facts) == 1 ]]
}

@test "when the grace is over, what still runs is reset" {
	new --start @1795881600 --until @1795886866 -o p.jws
	later cap.pcap 14:2 18:40 # two of its pieces within the grace of 30 s, the rest behind it
	run -1 "$IL" replay -q --inline --eve eve.json --facts facts -p plant.yaml --permit p.jws cap.pcap
	grep -q '"il_reason":\["window"\].*"il_verdict":\["reset"\]' eve.json
	run ops
	[[ $output == *"download_block allow"* && $output != *"download_ended"* && $output != *"insert_block"* ]]
}

@test "why, diff and test show what a permit would change; rules and blocks narrow it" {
	sed -i 's/allow: .*/allow: [{name: look, functions: [setup, read], read: all}, {name: load, functions: all, blocks: all}]}/' plant.yaml
	frame=$("$IL" replay -q --facts - "$CAP" | python3 -c '
import json, sys
print(next(f["frame"] for f in map(json.loads, sys.stdin) if f["op"] == "request_download"))')
	span=(--start @1795881600 --until @1795896000)
	new "${span[@]}" --rules engineering/load,look --blocks 'DB*' -o p.jws
	run -0 "$IL" permit show p.jws
	[[ $output == *"rules     engineering/load, look"* && $output == *"blocks    DB*"* ]]
	run -1 "$IL" why -p plant.yaml --frame "$frame" "$CAP"
	run -0 "$IL" why -p plant.yaml --frame "$frame" --permit p.jws "$CAP"
	[[ $output == *"a permit for these ends and this function is open"* ]]
	new "${span[@]}" --blocks OB1 -o blocks.jws
	run -1 "$IL" why -p plant.yaml --frame "$frame" --permit blocks.jws "$CAP"
	[[ $output == *"permit 1 is open for other blocks"* ]]
	new "${span[@]}" --rules look -o rules.jws
	run -1 "$IL" why -p plant.yaml --frame "$frame" --permit blocks.jws --permit rules.jws "$CAP"
	[[ $output == *"permit 2 is open for other rules"* ]]
	# the connection's first frame, too
	run -1 "$IL" why -p plant.yaml --frame 3 "$CAP"
	run -0 "$IL" why -p plant.yaml --frame 3 --permit p.jws "$CAP"

	run -0 "$IL" policy diff plant.yaml plant.yaml "$CAP"
	run -1 "$IL" policy diff --permit p.jws plant.yaml plant.yaml "$CAP"
	[[ $output == *"request_download: drop -> alert"* && $output == *" 0 would be stopped, "* ]]
	run -1 "$IL" policy diff --permit rules.jws plant.yaml plant.yaml "$CAP"
	[[ $output != *"request_download"* && $output == *"setup"* ]]
	sed 's/keys: \[[^]]*/keys: [11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo/' plant.yaml >other.yaml
	run -2 "$IL" policy diff --permit p.jws plant.yaml other.yaml "$CAP"
	[[ $output == *"signed by a key that may not sign permits here"* ]]

	cat >t.yaml <<-END
		interlock-test: 1
		policy: plant.yaml
		capture: $CAP
		cases: [{name: loaded, expect: [{op: request_download, kind: request, verdict: alert, rule: load}]}]
	END
	run -1 "$IL" policy test t.yaml
	run -0 "$IL" policy test --permit p.jws t.yaml
	run -1 "$IL" policy test --permit blocks.jws t.yaml
}
