#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Inputs that cannot be read, outputs that cannot be written: a clear message, status 2,
# and what was readable is judged all the same.

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	python3 "$BATS_TEST_DIRNAME/mkbad.py" bad
	python3 "$BATS_TEST_DIRNAME/mkpcap.py" good.pcap open read write close
	python3 "$BATS_TEST_DIRNAME/mkpcap.py" many.pcap open repeat:2000 read
	cat >plant.yaml <<-EOF
	interlock: 1
	mode: enforce
	zones:
	  it: {level: 2, port: outside, nets: [10.0.0.0/31]}
	  ot: {level: 1, port: inside, nets: [10.0.0.2/31]}
	devices:
	  hmi: {zone: it, ip: 10.0.0.1, role: hmi}
	  plc: {zone: ot, ip: 10.0.0.2, role: plc}
	conduits:
	  - name: hmi-plc
	    from: [hmi]
	    to: [plc]
	    modbus:
	      addressing: zero-based
	      allow:
	        - {name: set, units: [1], functions: [6], holding: [5]}
	EOF
}
setup() {
	il=${INTERLOCK:-$BATS_TEST_DIRNAME/../../build/interlock}
	[[ $il == /* ]] || il=$BATS_TEST_DIRNAME/../../$il
	cd "$BATS_FILE_TMPDIR"
}

# is STATUS COMMAND...: run it, standard output in $output, standard error in err
is() {
	local want=$1
	shift
	output=$("$@" 2>err) && status=0 || status=$?
	[ "$status" -eq "$want" ] || { echo "status $status, not $want: $*"; echo "$output"; cat err; return 1; }
}
err_has() { grep -qF -- "$1" err || { echo "no '$1' in: $(cat err)"; return 1; }; }
# One message of ours: named, lower case behind the name, no trailing dot.
err_is_message() {
	[ "$(grep -c '^interlock: ' err)" -ge 1 ] || { cat err; return 1; }
	! grep -E '^interlock: .*\.$' err || return 1
	! grep -vE '^(interlock: |try )' err || return 1
}

@test "every broken capture: as many frames as can be read, the right status, a message" {
	n=0
	while IFS=$'\t' read -r file frames ends what; do
		n=$((n + 1))
		want=2
		[ "$ends" = eof ] && want=0
		is "$want" "$il" replay --json "bad/$file" || { echo "$file: $what"; return 1; }
		got=$(python3 -c 'import json,sys; print(json.load(sys.stdin)["captures"][0]["packets"]["received"])' <<<"$output")
		[ "$got" = "$frames" ] || { echo "$file: $got frames, not $frames"; return 1; }
		if [ "$want" = 2 ]; then
			err_has "interlock: bad/$file: "
			err_is_message
		else
			[ ! -s err ] || { cat err; return 1; }
		fi
	done <bad/index.tsv
	[ "$n" -ge 30 ]
}
@test "missing capture, a folder, a capture that may not be read" {
	is 2 "$il" replay nothere.pcap
	err_has "interlock: nothere.pcap: No such file or directory"
	is 2 "$il" replay .
	err_is_message
	[ "$(id -u)" -ne 0 ] || return 0 # root reads everything
	cp good.pcap secret.pcap && chmod 0 secret.pcap
	is 2 "$il" replay secret.pcap
	err_has "interlock: secret.pcap: Permission denied"
}
@test "empty standard input" {
	is 2 "$il" replay - </dev/null
	err_has "standard input: empty file"
}
@test "a broken capture among good ones: the others are judged, status 2 wins over 1" {
	is 2 "$il" replay --json -p plant.yaml good.pcap bad/cut_in_frame.pcap nothere.pcap good.pcap
	python3 - <<-EOF
	import json
	d = json.loads('''$output''')
	c = d["captures"]
	assert d["exit"] == 2
	assert [x["complete"] for x in c] == [True, False, False, True]
	assert [x["packets"]["received"] for x in c] == [10, 3, 0, 10]
	assert [x["not_allowed"] for x in c][0] == 1 and c[1]["not_allowed"] >= 1
	assert "frame 4" in c[1]["error"] and "3 frames before it judged" in c[1]["error"]
	EOF
}
@test "a truncated capture from a pipe says how far it went" {
	is 2 bash -c "head -c 300 good.pcap | '$il' replay -p plant.yaml --facts f -"
	err_has "standard input: frame 4: truncated"
	err_has "3 frames before it judged"
}
@test "a report of an incomplete run says so" {
	is 2 "$il" replay -q -p plant.yaml --junit x.xml --sarif x.sarif bad/cut_in_frame.pcap
	python3 - <<-EOF
	import json, xml.etree.ElementTree as E
	s = E.parse("x.xml").getroot()[0]
	assert s.get("errors") == "1" and s.find("testcase/error") is not None
	i = json.load(open("x.sarif"))["runs"][0]["invocations"][0]
	assert i["executionSuccessful"] is False and i["toolExecutionNotifications"], i
	EOF
}

@test "policy: missing, a folder, empty, not YAML, not UTF-8" {
	is 2 "$il" replay -p nothere.yaml good.pcap
	err_has "nothere.yaml"
	is 2 "$il" replay -p . good.pcap
	: >empty.yaml
	is 2 "$il" replay -p empty.yaml good.pcap
	err_has "empty.yaml"
	is 2 "$il" policy check bad/good.pcap
	printf 'interlock: "\xff\xfe"\n' >latin.yaml
	is 2 "$il" policy check latin.yaml
	err_has "latin.yaml"
}
@test "policy: every error at once, with line and column, and nothing is judged" {
	sed -e 's/functions: \[6\]/functions: [300]/' -e 's/from: \[hmi\]/from: [nobody]/' \
		-e 's/level: 1/levle: 1/' plant.yaml >wrong.yaml
	is 2 "$il" replay -p wrong.yaml --facts never good.pcap
	[ ! -e never ]
	[ -z "$output" ]
	for line in 5 11 16; do grep -q "^wrong.yaml:$line:[0-9]*: " err || { cat err; return 1; }; done
	err_has "interlock: wrong.yaml: not a usable policy"
	is 2 "$il" why -p wrong.yaml --frame 1 good.pcap
}

@test "an output that cannot be opened is told before the first packet" {
	for o in --facts --eve --junit --write; do
		is 2 "$il" replay -p plant.yaml "$o" no/such/folder/x good.pcap
		err_has "no/such/folder/x: No such file or directory"
	done
	is 2 "$il" replay -p plant.yaml --sarif . good.pcap
	err_is_message
}
@test "an output that takes nothing: status 2, and the file is named" {
	[ -w /dev/full ] || skip "no /dev/full"
	for o in --facts --eve --junit --sarif; do
		is 2 "$il" replay -q -p plant.yaml "$o" /dev/full good.pcap
		err_has "/dev/full"
		err_is_message
	done
	is 2 bash -c "'$il' replay good.pcap >/dev/full"
	err_has "standard output"
	is 2 bash -c "'$il' --help >/dev/full"
}
@test "a disk that fills up: told, and the rest is judged" {
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount a small tmpfs"
	unshare -m true 2>/dev/null || skip "needs a mount namespace"
	mkdir -p disk
	for o in "-p ../plant.yaml --facts" "-p ../plant.yaml --no-fold --eve" --write; do
		is 2 unshare -m bash -c "mount -t tmpfs -o size=64k none disk && cd disk &&
			'$il' replay --json $o out ../many.pcap"
		err_has "No space left on device"
		err_is_message
		# a guard whose output is full stops; the others judge on
		[ "$o" = --write ] || grep -q '"received":4003' <<<"$output" || { echo "$output"; return 1; }
	done
}
@test "a full journal disk and a journal that may not be written" {
	rm -f key key.pub
	"$il" key new key
	: >file
	is 2 "$il" replay -p plant.yaml --journal file/journal --key key good.pcap
	err_is_message
	is 2 "$il" replay -p plant.yaml --journal j --key nothere good.pcap
	err_has "nothere"
	[ "$(id -u)" -eq 0 ] || skip "needs root to mount a small tmpfs"
	unshare -m true 2>/dev/null || skip "needs a mount namespace"
	mkdir -p disk
	is 2 unshare -m bash -c "mount -t tmpfs -o size=64k none disk &&
		'$il' replay -p plant.yaml --no-fold --journal disk/j --key key many.pcap"
	err_has "No space left on device"
	is 2 unshare -m bash -c "mount -t tmpfs -o ro none disk &&
		'$il' replay -p plant.yaml --journal disk/j --key key good.pcap"
	err_has "Read-only file system"
}
@test "standard output is closed, or its reader leaves" {
	is 2 bash -c "'$il' replay good.pcap >&-"
	is 2 bash -c "'$il' replay -q --facts - many.pcap many.pcap many.pcap | head -c 1 >/dev/null; exit \${PIPESTATUS[0]}"
	err_has "standard output: Broken pipe"
}
@test "the capture is not overwritten by --write" {
	cp good.pcap same.pcap
	is 2 "$il" replay --write same.pcap same.pcap
	cmp good.pcap same.pcap
}
