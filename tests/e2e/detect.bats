#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --detect, --learn-for, --baseline: what is found without rules, what is not, and that docs/DETECTION.md says so.

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

P=$ROOT/pcaps
detect() { # CAPTURE [OPTION...]: names of what was told in `found`, alerts in `eve`
	"$INTERLOCK" replay -q --detect --no-fold --eve eve "${@:2}" "$1" || [ $? = 1 ]
	names >found
}
names() { jq -r '.alert.metadata.il_detection[0] // empty' eve; }
is() { [ "$1" = "$2" ] || { echo "got $1"; return 1; }; }
day() { "$ROOT/tests/e2e/mkday.py" "$@"; }
between() { awk -v name="$1" '$0 == "<!-- " name " -->" { on = 1; next } /^<!-- end -->/ { on = 0 } on' "$ROOT/docs/DETECTION.md"; }

@test "every attack of the captures is found, and what is false is counted" {
	corpus=()
	[ -d "$ROOT/$CORPUS" ] && corpus=("$ROOT/$CORPUS")
	"$ROOT/tests/e2e/detect_corpus.py" "$INTERLOCK" "$ROOT" "${corpus[@]}"
	# that the script can fail: with another kind of capture in its place something is missing
	cp -r "$ROOT/tests/e2e" e2e
	sed -i '/^tree	modbus\/polling/s/benign	-/attack	plc-stop/' e2e/detect_corpus.tsv
	run e2e/detect_corpus.py "$INTERLOCK" "$ROOT"
	[ "$status" = 1 ] && [[ $output == *"modbus/polling.pcap: missed plc-stop"* ]]
}
@test "docs/DETECTION.md has the tables that the script makes" {
	"$ROOT/tests/e2e/detect_corpus.py" --list "$ROOT" >want
	[ "$(wc -l <want)" -gt 25 ]
	between list | diff want -
	[ -d "$ROOT/$CORPUS" ] || skip "no corpus: the table of captures is not compared"
	"$INTERLOCK" --version | grep -q '+ndpi' || skip "no nDPI: protocols of offices have no name"
	"$ROOT/tests/e2e/detect_corpus.py" "$INTERLOCK" "$ROOT" "$ROOT/$CORPUS" --table | diff <(between captures) -
}
@test "an hour to learn, then a bad day: everything of it, nothing before" {
	day day.pcap "$P/modbus/polling.pcap" 0 120 31 , "$P/modbus/polling.pcap" 3730 2 31 , "$P/modbus/attack-day.pcap" 3800
	detect day.pcap --learn-for 1h --baseline b.json
	python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" eve || [ $? = 77 ]
	is "$(jq -r '.timestamp[11:19]' eve | sort | head -1)" 01:03:21
	for d in new-device new-conversation new-function new-object second-master programming-source value plc-stop plc-mode \
		scan-hosts scan-units scan-functions exception-storm flood programming-access program-download; do
		grep -qx $d found || { echo "$d is missing"; return 1; }
	done
	[ "$(wc -l <found)" -le 40 ]
	# who polls as ever is told only for what he does otherwise
	is "$(jq -r 'select(.src_ip == "10.1.2.5").alert.metadata.il_detection[0]' eve | sort -u | tr '\n' ' ')" "new-function new-object value "
	is "$(jq -r 'select(.alert.metadata.il_detection[0] == "value" and .alert.metadata.il_object[0] == "holding 100").alert.metadata.il_note[0]' eve)" \
		"object 100: value 5000 is not in 127..1443"
	# the file knows the same, another process: the same is told of the attack alone
	detect "$P/modbus/attack-day.pcap" --baseline b.json
	for d in new-device new-conversation new-function second-master value plc-stop flood; do grep -qx $d found; done
	detect "$P/modbus/polling.pcap" --baseline b.json
	[ ! -s found ]
	# learned once more, nothing else is in it
	cp b.json c.json
	"$INTERLOCK" replay -q --learn-for 1h --baseline c.json "$P/modbus/polling.pcap"
	for x in .hosts '.conversations[].functions | map([.code, .subcode])' '.conversations[].values | map([.at, .min, .max])' '.conversations[].objects'; do
		diff <(jq -S "[$x] | flatten | sort" b.json) <(jq -S "[$x] | flatten | sort" c.json)
	done
}
@test "who only read writes; who polls falls silent; both are told once" {
	tshark -v >/dev/null 2>&1 || skip "no tshark"
	tshark -r "$P/mixed/plant.pcap" -Y 'ip.addr == 10.1.2.5 && tcp.port == 502 && frame.number < 300' -F pcap -w all.pcap
	w=$(tshark -r all.pcap -Y 'modbus.func_code in {5, 6, 15, 16, 22, 23}' -T fields -e frame.number | head -1)
	tshark -r all.pcap -Y "frame.number < $w" -F pcap -w reads.pcap
	day day.pcap reads.pcap 0 40 3 , all.pcap 200
	detect day.pcap --learn-for 100s
	is "$(grep -c new-writer found)" 1
	# the S7 client goes on, so that time goes on: Modbus is not asked any more
	mergecap -F pcap -w m.pcap <(day /dev/stdout "$P/modbus/polling.pcap" 0 30 3.1) <(day /dev/stdout "$P/s7/polling.pcap" 1 120 2) 2>/dev/null || skip "no mergecap"
	detect m.pcap --learn-for 80s
	[ "$(grep -c poll-silence found)" -ge 1 ]
	is "$(jq -r 'select(.alert.metadata.il_detection[0] == "poll-silence").dest_ip' eve | sort -u)" 10.1.2.130
}
@test "24 hours, midnight, a clock that jumps by a year and back: flat memory, nothing told" {
	rss() { /usr/bin/env python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$INTERLOCK" replay -q --learn-for 30m --eve eve "$1"; }
	day hour.pcap "$P/modbus/polling.pcap" 0 60 60
	day long.pcap "$P/modbus/polling.pcap" 39600 288 300
	hour=$(rss hour.pcap)
	[ ! -s eve ]
	long=$(rss long.pcap)
	[ ! -s eve ]
	echo "$hour KiB after an hour, $long KiB after 24"
	[ $((long - hour)) -lt 2048 ]
	# into the next year, back by two years, and on
	day jump.pcap "$P/modbus/polling.pcap" 0 60 60 , "$P/modbus/polling.pcap" 31536000 5 60 , "$P/modbus/polling.pcap" -31536000 5 60 , "$P/modbus/polling.pcap" 3700 5 60
	detect jump.pcap --learn-for 30m
	[ ! -s found ]
	# time that is jumped over ends no learning
	day jump.pcap "$P/modbus/polling.pcap" 0 , "$P/modbus/attack-day.pcap" 86400
	detect jump.pcap --learn-for 1h
	! grep -q '^new-\|^value\|^second' found
}
@test "one thing is told once an hour, and how often it was meanwhile" {
	day day.pcap "$P/s7/control.pcap" 0 100 60
	detect day.pcap
	n=$(grep -c plc-stop found)
	[ "$n" -ge 2 ] && [ "$n" -le 4 ]
	single=$("$INTERLOCK" replay -q --facts - "$P/s7/control.pcap" | jq -r 'select(.kind == "request").op' | grep -c '^\(stop\|mode_stop\)$')
	is "$(jq 'select(.alert.metadata.il_detection[0] == "plc-stop") | .alert.metadata.il_count[0] // "1" | tonumber' eve | awk '{ n += $1 } END { print n }')" $((100 * single))
}
@test "evidence: the frames of a finding, its hash, and the alert made again from them" {
	detect "$P/mixed/plant.pcap" --evidence ev
	n=0
	while read -r line; do
		n=$((n + 1))
		echo "$line" >a$n.json
		f=$(jq -r '.alert.metadata.il_evidence[0]' a$n.json)
		is "$(sha256sum <"ev/$f" | cut -d' ' -f1)" "$(jq -r '.alert.metadata.il_evidence_sha256[0]' a$n.json)"
		run "$INTERLOCK" replay --evidence ev a$n.json
		[ "$status" = 0 ] && [[ $output == *"made again from ev/$f"* ]] || { echo "$output"; return 1; }
	done < <(jq -c 'select(.alert.metadata.il_evidence)' eve)
	[ $n -ge 10 ]
	is "$(find ev -type f | wc -l)" $n
	# another reader finds no fault in them, 64 frames at most, the last one is the one that shows it
	if tshark -v >/dev/null 2>&1; then
		for f in ev/*; do [ "$(tshark -r "$f" 2>/dev/null | wc -l)" -le 64 ]; done
		f=$(jq -r 'select(.alert.metadata.il_detection[0] == "plc-stop" and .src_ip == "10.1.2.66").alert.metadata.il_evidence[0] // empty' eve | head -1)
		is "$(tshark -r "ev/$f" -T fields -e s7comm.param.func 2>/dev/null | tail -1)" 0x29
	fi
	# the name is the journal's epoch and the alert's number, by which a collector finds its alert; without a journal the first second
	is "$(jq -r 'select(.alert.metadata.il_evidence).alert.metadata | .il_evidence[0] | sub("^[0-9]+-"; "")' eve | tr '\n' ' ')" \
		"$(jq -r 'select(.alert.metadata.il_evidence).alert.metadata.il_seq[0] + ".pcapng"' eve | tr '\n' ' ')"
	detect "$P/mixed/plant.pcap" --evidence ev2 --journal j
	epoch=$("$INTERLOCK" journal verify j --json | jq '[.. | .epoch? // empty | numbers] | first')
	is "$(find ev2 -name "$epoch-*.pcapng" | wc -l)" $n
	# the same once more: the same names, the same bytes
	cp -r ev before
	detect "$P/mixed/plant.pcap" --evidence ev
	is "$(find ev -type f | wc -l)" $n
	for f in before/*; do cmp "$f" "ev/${f##*/}"; done
	# frames that are others, a build that was another, a finding that is not in them
	f=$(jq -r '.alert.metadata.il_evidence[0]' a1.json)
	printf x >>"ev/$f"
	run "$INTERLOCK" replay --evidence ev a1.json
	[ "$status" = 2 ] && [[ $output == *"is not what the alert was made from"* ]]
	cp "before/$f" "ev/$f"
	jq -c '.alert.metadata.il_build = ["0000000000000000"]' a1.json >b.json
	run "$INTERLOCK" replay --evidence ev b.json
	[ "$status" = 0 ] && [[ $output == *"another build made it: 0000000000000000; this is "* ]]
	jq -c '.src_ip = "10.1.2.99"' a1.json >b.json
	run "$INTERLOCK" replay --evidence ev b.json
	[ "$status" = 1 ] && [[ $output == *"not made again"* ]]
	run "$INTERLOCK" replay --evidence ev -p "$ROOT/policies/filling-line.yaml" a1.json
	[[ $output == *"another policy made it: none; here it is "* ]]
}
@test "evidence: at most 1024 files, the oldest makes room; a directory that cannot be" {
	mkdir ev
	for i in $(seq 1 1024); do : >ev/1-$i.pcapng; done
	: >ev/keep.pcapng
	detect "$P/s7/control.pcap" --evidence ev
	new=$(find ev -name '1[0-9]*-*.pcapng' | wc -l)
	[ "$new" -ge 2 ]
	is "$(find ev -name '1*-*.pcapng' | wc -l)" 1024
	[ -e ev/keep.pcapng ] && [ ! -e ev/1-1.pcapng ] && [ -e ev/1-1024.pcapng ]
	: >file
	run "$INTERLOCK" replay --eve eve --evidence file "$P/s7/control.pcap"
	[ "$status" = 2 ] && [[ $output == *"file: Not a directory"* ]]
}
@test "what cannot be: a baseline that is not there or none, is said before a packet" {
	run "$INTERLOCK" replay --baseline nothing.json "$P/s7/control.pcap"
	[ "$status" = 2 ] && [[ $output == *"nothing.json: is not there; --learn-for"* ]]
	for text in '{}' '[' '{"interlock_baseline":2}' '{"interlock_baseline":1,"hosts":[{"ip":"x"}]}' '{"interlock_baseline":1,"conversations":[{"client":"1.2.3.4"}]}'; do
		echo "$text" >bad.json
		run "$INTERLOCK" replay --baseline bad.json "$P/s7/control.pcap"
		[ "$status" = 2 ] && [[ $output == *"bad.json: "* ]]
	done
}
@test "a baseline is signed, and only that one is taken" {
	"$INTERLOCK" replay -q --learn-for 1h --baseline b.json "$P/modbus/polling.pcap"
	"$INTERLOCK" key new plant.key >/dev/null
	"$INTERLOCK" key new other.key >/dev/null
	look() { run "$INTERLOCK" replay -q --baseline b.json --baseline-signed "$1" "$P/modbus/attack-day.pcap"; }
	look plant.key.pub
	[ "$status" = 2 ] && [[ $output == *"b.json: is not signed"* ]]
	"$INTERLOCK" key sign --key plant.key b.json
	look plant.key.pub
	[ "$status" = 0 ]
	look other.key.pub
	[ "$status" = 2 ]
	# what it is signed for nobody changes: an entry that keeps a finding quiet
	cp b.json before
	jq -c '.expected = [{"detection":"flood","from":"10.1.2.66","to":"10.1.2.130","enabled":true}]' before >b.json
	look plant.key.pub
	[ "$status" = 2 ] && [[ $output == *"b.json.minisig: "* ]]
	cp before b.json
	look plant.key.pub
	[ "$status" = 0 ]
	run "$INTERLOCK" replay -q --baseline b.json --learn-for 1h --baseline-signed plant.key.pub "$P/modbus/polling.pcap"
	[ "$status" = 2 ] && cmp before b.json
	# a program that is not ours finds the same
	command -v minisign >/dev/null || skip "no minisign"
	"$INTERLOCK" key show --minisign plant.key.pub >plant.pub
	minisign -Vm b.json -p plant.pub
}
@test "evidence of what a policy denies, and the alert made again from it" {
	"$INTERLOCK" replay -q -p "$ROOT/policies/filling-line.yaml" --eve eve --evidence ev "$P/mixed/plant.pcap" || [ $? = 1 ]
	n=0
	while read -r line; do
		n=$((n + 1))
		[ $((n % 8)) = 1 ] || continue
		echo "$line" >a.json
		run "$INTERLOCK" replay -p "$ROOT/policies/filling-line.yaml" --evidence ev a.json
		[ "$status" = 0 ] && [[ $output == *"made again from ev/"* ]] || { echo "$output"; return 1; }
	done < <(jq -c 'select(.alert.metadata.il_evidence and (.alert.metadata.il_detection | not))' eve)
	[ $n -ge 60 ] && is "$(find ev -type f | wc -l)" "$(jq -r '.alert.metadata.il_evidence[0] // empty' eve | sort -u | wc -l)"
	# by a policy that allows it, it is not
	jq -c 'select(.alert.metadata.il_object == ["coil 8"])' eve | head -1 >a.json
	"$INTERLOCK" policy propose -p "$ROOT/policies/filling-line.yaml" -o new.yaml a.json >/dev/null
	"$INTERLOCK" policy approve new.yaml --all
	run "$INTERLOCK" replay -p new.yaml --evidence ev a.json
	[ "$status" = 1 ] && [[ $output == *"another policy made it: "* ]] && [[ $output == *"not made again"* ]]
}
