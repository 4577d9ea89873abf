#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Rules that ask what was last read, over a recorded conversation of libmodbus with itself: each
# write is judged as a reader of the capture file, a few lines of Python, says it must be.

POLICY=$ROOT/policies/tests/interlock.yaml
POLLING=$ROOT/pcaps/modbus/polling.pcap

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# Frame, and whether register 100 was known and at most $1, of each write of the recipe.
expected() {
	python3 - "$POLLING" "$1" <<'EOF'
import struct
import sys

data, most = open(sys.argv[1], "rb").read(), int(sys.argv[2])
at, frame, last, asked = 24, 0, None, {}
while at < len(data):
    n = struct.unpack_from("<IIII", data, at)[2]
    p, at, frame = data[at + 16:at + 16 + n], at + 16 + n, frame + 1
    ip = 14
    if p[12:14] != b"\x08\x00" or p[ip + 9] != 6:
        continue
    tcp = ip + (p[ip] & 15) * 4
    sport, dport = struct.unpack_from(">HH", p, tcp)
    b = p[tcp + (p[tcp + 12] >> 4) * 4:ip + struct.unpack_from(">H", p, ip + 2)[0]]
    if len(b) < 8:
        continue
    assert struct.unpack_from(">H", b, 4)[0] == len(b) - 6  # one PDU in each segment
    txn, fc = struct.unpack_from(">H", b)[0], b[7]
    if dport == 502:
        asked[txn] = (fc, *struct.unpack_from(">HH", b, 8))
        if fc == 6 and asked[txn][1] == 100:
            last = None  # under way
        if fc == 16:
            print(frame, "allow" if last is not None and last <= most else "drop")
    else:
        rfc, first, count = asked.pop(txn)
        if fc == 3 and first <= 100 < first + count:
            last = struct.unpack_from(">H", b, 9 + 2 * (100 - first))[0]
        elif fc == 6 and first == 100:
            last = count
EOF
}

judged() {
	"$INTERLOCK" replay -p "$1" --facts facts "$POLLING" >report || [ $? = 1 ]
	jq -r 'select(.kind == "request" and .code == 16) | "\(.frame) \(.verdict)"' facts
}

@test "the recipe is written when the set point is low, and only then" {
	expected 700 >want
	judged "$POLICY" >got
	diff want got
	[ "$(grep -c allow got)" -gt 0 ]
	[ "$(grep -c drop got)" -gt 0 ]
	for most in 0 300 1500; do
		sed "s/is: 0..700/is: 0..$most/" "$POLICY" >p.yaml
		diff <(expected $most) <(judged p.yaml)
	done
}

@test "why says what was read, and when" {
	denied=$(expected 700 | awk '$2 == "drop" {print $1; exit}')
	run "$INTERLOCK" why -p "$POLICY" --frame "$denied" "$POLLING"
	[ "$status" -eq 1 ]
	grep -E 'rule "recipe": interlock holding 100 is 0\.\.700: last read [0-9]+, 0\.[0-9] s ago' <<<"$output"
	allowed=$(expected 700 | awk '$2 == "allow" {print $1; exit}')
	run "$INTERLOCK" why -p "$POLICY" --frame "$allowed" "$POLLING"
	[ "$status" -eq 0 ]
	grep -E 'rule "recipe": matches \(interlock holding 100 is 0\.\.700: last read [0-9]+, 0\.[0-9] s ago\)' <<<"$output"
}

@test "what nobody may read is warned of, and never known" {
	sed 's/holding: all, input: all/input: all/' "$POLICY" >p.yaml
	run "$INTERLOCK" policy check p.yaml
	[[ $output == *"p.yaml:25:17: "*"no rule lets anybody read this address"* ]]
	[ "$(judged p.yaml | grep -c allow)" -gt 0 ] # after writes that were confirmed
	sed -i '/name: setpoint/d' p.yaml
	run "$INTERLOCK" policy check p.yaml
	[[ $output == *"p.yaml:24:17: "*"not known: the rule never allows anything"* ]]
	[ "$(judged p.yaml | grep -c allow)" -eq 0 ]
}

