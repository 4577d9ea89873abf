#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command line: verbs, options, exit status, reports.

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	mk() { python3 "$BATS_TEST_DIRNAME/mkpcap.py" "$@"; }
	mk good.pcap open read write close
	mk bad.pcap open read write:5:101 coil split stranger close
	cat >plant.yaml <<-EOF
	interlock: 1
	site: test bench
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
	      deny:
	        - {name: no-coils, units: all, functions: [5], coils: all}
	      allow:
	        - {name: poll, units: [1], functions: read, holding: [0..99]}
	        - {name: set, units: [1], functions: [6], holding: [5], values: {5: 0..100}}
	EOF
	sed 's/enforce/alert/' plant.yaml >alert.yaml
	sed 's/to: \[plc\]/to: [plc]\n    otherwise: alert/' plant.yaml >otherwise.yaml
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
has() { grep -qF -- "$1" <<<"$output" || { echo "no '$1' in: $output"; return 1; }; }
err_has() { grep -qF -- "$1" err || { echo "no '$1' in: $(cat err)"; return 1; }; }
# json EXPRESSION FILE: true in python, with d = the document
json() { python3 -c "import json,sys; d=json.load(open(sys.argv[2])); assert eval(sys.argv[1]), d" "$1" "$2"; }

@test "--version names version, build, protocols and features" {
	is 0 "$il" --version
	[[ $output =~ ^interlock\ [0-9]+\.[0-9]+\.[0-9]+\ \(build\ [0-9a-f]{16}\) ]]
	has "protocols: modbus"
	has "features:"
}
@test "--help lists the verbs, each has help of its own" {
	is 0 "$il" --help
	for v in $(sed -n 's/^  \([a-z]*\) .*/\1/p' <<<"$output" | grep -v interlock); do
		is 0 "$il" "$v" --help
		has usage
	done
}
@test "without a verb: help on standard error, status 2" {
	is 2 "$il"
	[ -z "$output" ]
	err_has "usage: interlock"
}
@test "unknown verb, option and value are status 2 and named" {
	is 2 "$il" frobnicate
	err_has "interlock: frobnicate: unknown verb"
	is 2 "$il" replay --frobnicate good.pcap
	err_has "unknown option --frobnicate"
	is 2 "$il" replay -z good.pcap
	err_has "unknown option -z"
	is 2 "$il" replay --facts
	err_has "--facts needs a value"
	is 2 "$il" replay --memory lots good.pcap
	err_has "--memory lots"
	is 2 "$il" replay
	err_has "no capture"
}
@test "options that exclude each other are refused" {
	is 2 "$il" replay --json --facts - good.pcap
	err_has "only one output"
	is 2 "$il" replay - -
	err_has "only one input"
	is 2 "$il" replay --key k good.pcap
	err_has "--key needs --journal"
	is 2 "$il" replay --write x.pcap good.pcap bad.pcap
	err_has "--write takes one capture"
	is 2 "$il" replay --sarif x good.pcap
	err_has "--sarif needs a policy"
}

@test "replay: status 0 when all is allowed" {
	is 0 "$il" replay -p plant.yaml good.pcap
	has "everything is allowed by plant.yaml"
}
@test "replay: status 1 in every mode when something is not" {
	is 1 "$il" replay -p plant.yaml bad.pcap
	is 1 "$il" replay -p alert.yaml bad.pcap
	has "let through: mode alert"
	is 1 "$il" replay -p otherwise.yaml bad.pcap
}
@test "replay: without a policy everything is allowed" {
	is 0 "$il" replay bad.pcap
	has "no policy was given"
}
@test "replay: the summary says who, what, by which rule, and the balance" {
	is 1 "$il" replay -p plant.yaml bad.pcap
	has "hmi -> plc:502  modbus/tcp"
	has "write_multiple_registers"
	grep -q "allow  hmi-plc/poll  plant.yaml:19:" <<<"$output"
	grep -q "by hmi-plc/no-coils  plant.yaml:17:" <<<"$output"
	has "unit 1 holding 5 = 101"
	has "tcp port 23"
	grep -qE "received 1?[0-9]+ = judged [0-9]+ \+ dropped 0 \+ consumed 0 \+ held 0" <<<"$output"
}
@test "replay: no colour and no progress unless on a terminal" {
	is 1 "$il" replay -p plant.yaml bad.pcap
	[[ $output != *$'\033'* ]]
	[ ! -s err ]
}
@test "replay: colour on a terminal, not with NO_COLOR" {
	command -v script >/dev/null || skip "no script(1)"
	script -qec true /dev/null >/dev/null 2>&1 || skip "no pseudo-terminal to be had"
	script -qec "TERM=xterm NO_COLOR= '$il' replay -p plant.yaml bad.pcap" /dev/null >tty || true
	grep -q $'\033\[31m' tty
	script -qec "TERM=xterm NO_COLOR=1 '$il' replay -p plant.yaml bad.pcap" /dev/null >tty || true
	! grep -q $'\033' tty
}
@test "replay: -q is quiet" {
	is 1 "$il" replay -q -p plant.yaml bad.pcap
	[ -z "$output" ] && [ ! -s err ]
}
@test "replay: --json is one object with the same content" {
	is 1 "$il" replay --json -p plant.yaml bad.pcap
	echo "$output" >j
	json 'd["exit"] == 1 and d["policy"]["mode"] == "enforce" and len(d["policy"]["sha256"]) == 64' j
	json 'd["captures"][0]["complete"] and d["captures"][0]["not_allowed"] == 4' j
	json 'sum(d["captures"][0]["packets"][k] for k in ("forwarded","consumed","held")) == d["captures"][0]["packets"]["received"]' j
	json '{f["op"] for c in d["captures"][0]["conversations"] for f in c["functions"]} == {"read_holding_registers","write_single_register","write_single_coil","write_multiple_registers"}' j
	json '[r["hits"] for r in d["captures"][0]["rules"] if r["rule"] == "poll"] == [1]' j
	json '[f["id"] for f in d["captures"][0]["findings"]] == ["hmi-plc/otherwise","hmi-plc/no-coils","hmi-plc/otherwise","default_deny"]' j
}
@test "replay: --facts has one line per PDU, members in their order" {
	is 1 "$il" replay -q -p alert.yaml --facts f bad.pcap
	python3 - <<-EOF
	import json
	lines = open("f").read().splitlines()
	facts = [json.loads(l) for l in lines]
	assert len(facts) == 8, len(facts)
	for f in facts:
	    k = list(f)
	    assert k[:11] == ["frame","ts","proto","src","sport","dst","dport","kind","code","op","access"], k
	    assert k[11] == "anomalies" and k[-4:] == ["verdict","rule","conduit","reason"], k
	assert '"ts":1700000000.030000000,' in lines[0]
	assert [f["frame"] for f in facts] == [4,5,6,7,8,9,11,12]
	assert [f["verdict"] for f in facts if f["kind"] == "request"] == ["allow","drop","drop","drop"]
	assert [f["rule"] for f in facts if f["kind"] == "request"] == ["poll",None,"no-coils",None]
	assert all(f["reason"] == "response" for f in facts if f["kind"] == "response")
	EOF
}
@test "replay: --facts without a policy has no verdict; - is standard output" {
	is 0 "$il" replay --facts - good.pcap
	[ "$(wc -l <<<"$output")" -eq 4 ]
	[[ $output != *verdict* ]]
	err_has "no policy was given"
}
@test "replay: several captures make one report, facts name the capture" {
	is 1 "$il" replay --json -p plant.yaml --facts f good.pcap bad.pcap
	echo "$output" >j
	json '[c["not_allowed"] for c in d["captures"]] == [0, 4]' j
	[ "$(grep -c '^{"capture":"good.pcap","frame"' f)" -eq 4 ]
	[ "$(grep -c '^{"capture":"bad.pcap","frame"' f)" -eq 8 ]
}
@test "replay: alerts of several captures name theirs, also those that close a storm" {
	cp bad.pcap other.pcap
	is 1 "$il" replay -q -p plant.yaml --eve e bad.pcap other.pcap
	"$il" replay -q -p plant.yaml --eve e1 bad.pcap || true
	[ "$(grep -c '"pcap_filename":"bad.pcap"' e)" -eq "$(wc -l <e1)" ]
	[ "$(grep -c '"pcap_filename":"other.pcap"' e)" -eq "$(wc -l <e1)" ]
	[ "$(wc -l <e)" -eq $((2 * $(wc -l <e1))) ]
}
@test "replay: a capture from standard input" {
	is 1 "$il" replay -p plant.yaml - <bad.pcap
	is 1 bash -c "cat bad.pcap | '$il' replay -p plant.yaml -"
}
@test "replay: a policy from standard input" {
	is 1 "$il" replay -p - bad.pcap <plant.yaml
}
@test "replay: the same input gives the same output" {
	"$il" replay --json -p plant.yaml --facts f1 bad.pcap >j1 || true
	"$il" replay --json -p plant.yaml --facts f2 bad.pcap >j2 || true
	cmp f1 f2
	cmp j1 j2
}
@test "replay: --memory is obeyed" {
	is 0 "$il" replay --json --memory 8M good.pcap
	echo "$output" >j
	json '4 << 20 <= d["captures"][0]["memory_bytes"] <= 16 << 20' j
}
@test "replay: --inline and --write drop what is not allowed, and write the rest as it was" {
	is 1 "$il" replay -p plant.yaml --json --write out.pcap bad.pcap
	echo "$output" >j
	json 'd["inline"] and d["captures"][0]["packets"]["dropped"]["policy.no_conduit"] == 1' j
	# what passed completes none of the denied PDUs
	"$il" replay -q --facts f out.pcap
	[ "$(grep -c '"kind":"request"' f)" -eq 1 ]
	is 0 "$il" replay -q -p plant.yaml --write out.pcap good.pcap
	"$il" replay -q --facts f1 good.pcap
	"$il" replay -q --facts f2 out.pcap
	cmp f1 f2
}
@test "replay: --eve and --journal get an alert for what is not allowed" {
	rm -rf journal key key.pub
	"$il" key new key
	is 1 "$il" replay -p plant.yaml --eve eve --journal journal --key key bad.pcap
	[ "$(grep -c '"event_type":"alert"' eve)" -ge 4 ]
	has "signed batch"
	is 0 "$il" journal verify --key key.pub journal
}
@test "replay: --junit is well-formed and counts what it contains" {
	is 1 "$il" replay -q -p plant.yaml --junit x.xml good.pcap bad.pcap
	! command -v xmllint >/dev/null || xmllint --noout x.xml
	python3 - <<-EOF
	import xml.etree.ElementTree as E
	good, bad = E.parse("x.xml").getroot()
	for s in (good, bad):
	    assert len(s) == int(s.get("tests")) and len(s.findall("testcase/failure/..")) == int(s.get("failures"))
	assert (good.get("tests"), good.get("failures"), bad.get("failures")) == ("2", "0", "4"), bad.attrib
	f = [c for c in bad if c.get("name") == "write_single_coil"][0]
	assert f.get("classname") == "hmi -> plc:502"
	assert "plant.yaml:17:" in f[0].text and "frame 8" in f[0].text
	EOF
}
@test "replay: --sarif has what SARIF 2.1.0 asks for" {
	is 1 "$il" replay -q -p plant.yaml --sarif x.sarif bad.pcap
	python3 - <<-EOF
	import json
	d = json.load(open("x.sarif"))
	assert d["version"] == "2.1.0" and d["\$schema"].endswith("sarif-schema-2.1.0.json")
	(run,) = d["runs"]
	driver = run["tool"]["driver"]
	ids = [r["id"] for r in driver["rules"]]
	assert driver["name"] == "Interlock" and len(ids) == len(set(ids)) == 3, ids
	assert run["invocations"][0]["executionSuccessful"] is True
	assert len(run["results"]) == 4
	for r in run["results"]:
	    assert r["ruleId"] in ids and r["level"] in ("error", "warning", "note") and r["message"]["text"]
	    at = r["locations"][0]["physicalLocation"]
	    assert at["artifactLocation"]["uri"] == "plant.yaml" and at["region"]["startLine"] >= 1
	    assert r["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bad.pcap"
	    assert r["occurrenceCount"] == 1 and r["partialFingerprints"]
	lines = {r["ruleId"]: r["locations"][0]["physicalLocation"]["region"]["startLine"] for r in run["results"]}
	assert lines == {"hmi-plc/otherwise": 11, "hmi-plc/no-coils": 17, "default_deny": 1}, lines
	EOF
}

@test "replay: a signal ends a run in good order: reported, signed, status 2" {
	rm -rf fifo ended key key.pub
	mkfifo fifo
	"$il" key new key
	"$il" replay -p plant.yaml --json --journal ended --key key fifo >j 2>err 3>&- &
	pid=$!
	exec 9>fifo
	cat bad.pcap >&9
	python3 - <<-'EOF' # until it has read all of it; then what it has read is judged
		import fcntl, os, struct, termios, time
		fd = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
		for _ in range(400):
		    if struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0] == 0:
		        break
		    time.sleep(0.05)
	EOF
	sleep 0.5
	kill -TERM "$pid"
	wait "$pid" && status=0 || status=$?
	exec 9>&-
	[ "$status" -eq 2 ]
	err_has "interlock: fifo: interrupted after 16 frames"
	json 'd["captures"][0]["not_allowed"] == 4 and not d["captures"][0]["complete"]' j
	is 0 "$il" journal verify --key key.pub ended
}

@test "why: an allowed frame, with the rule and its line" {
	is 0 "$il" why -p plant.yaml --frame 4 good.pcap
	has "10.0.0.1 -> 10.0.0.2"
	has '"op":"read_holding_registers"'
	grep -q 'plant.yaml:19:.*"poll".*matches' <<<"$output"
}
@test "why: a denied frame, with each rule that did not match" {
	is 1 "$il" why -p plant.yaml --frame 6 bad.pcap
	grep -q 'plant.yaml:20:.*"set".*outside' <<<"$output"
	is 1 "$il" why -p alert.yaml --frame 8 bad.pcap
	has "mode enforce would drop"
}
@test "why: a frame that completes no PDU, and one of nobody's connection" {
	is 0 "$il" why -p plant.yaml --frame 10 bad.pcap
	has "completes no PDU"
	is 1 "$il" why -p plant.yaml --frame 13 bad.pcap
	has "default_deny"
}
@test "why: no such frame, and wrong usage, are status 2" {
	is 2 "$il" why -p plant.yaml --frame 99 good.pcap
	err_has "good.pcap: no frame 99; it has 10"
	is 2 "$il" why -p plant.yaml --frame 0 good.pcap
	is 2 "$il" why -p plant.yaml good.pcap
	is 2 "$il" why --frame 1 good.pcap
}

@test "policy check: status 0, 1 with --strict, 2" {
	is 0 "$il" policy check plant.yaml
	has "2 zones, 2 devices, 1 conduits, 3 rules"
	# the value limit is undone by a second rule: a warning
	sed '$a\        - {name: undone, units: [1], functions: [6], holding: [5]}' plant.yaml >warn.yaml
	is 0 "$il" policy check warn.yaml
	err_has "warn.yaml:21:"
	is 1 "$il" policy check --strict warn.yaml
	sed 's/from: \[hmi\]/from: [nobody]/' plant.yaml >broken.yaml
	is 2 "$il" policy check broken.yaml
	err_has "broken.yaml:12:"
}
@test "policy check: --json, and standard input" {
	is 0 "$il" policy check --json plant.yaml
	echo "$output" >j
	json 'd["usable"] and d["errors"] == 0 and d["rules"] == 3 and d["complaints"] == []' j
	is 2 "$il" policy check --json - <<<"interlock: 1
	zones: 3"
	echo "$output" >j
	json 'not d["usable"] and d["errors"] == len([c for c in d["complaints"] if c["level"] == "error"]) > 0' j
}
@test "policy: only what this version has" {
	is 2 "$il" policy
	is 2 "$il" policy paint plant.yaml
	err_has "this version has: approve, check, diff, explain, need, propose, sign, test, verify"
}

@test "contrib/ci/replay.sh judges and leaves the reports" {
	mkdir -p ci && cd ci && rm -f ./*
	is 0 env PROGRAM="$il" POLICY=../plant.yaml CAPTURES='../good*.pcap' bash "$BATS_TEST_DIRNAME/../../contrib/ci/replay.sh"
	[ -s interlock.xml ] && [ -s interlock.sarif ] && [ -s interlock.txt ]
	is 1 env PROGRAM="$il" POLICY=../plant.yaml CAPTURES='../*.pcap' bash "$BATS_TEST_DIRNAME/../../contrib/ci/replay.sh"
	is 2 env PROGRAM="$il" POLICY=../plant.yaml CAPTURES='none/*.pcap' bash "$BATS_TEST_DIRNAME/../../contrib/ci/replay.sh"
	err_has "no capture matches"
}
