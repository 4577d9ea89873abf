#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A protocol is a folder: dissectors/_template, copied and renamed in a scratch tree, is
# built, has policy keys and facts, and is judged, while no other file changes.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir "$tmp/tree"
folders="Makefile mk base policy alerts assets watch ebpf dataplane guard sender sharing collector cli"
# shellcheck disable=SC2086 # words
tar c --exclude=node_modules $folders dissectors | tar x -C "$tmp/tree"
cd "$tmp/tree"
cp -r dissectors/_template dissectors/pump
for f in dissectors/pump/*; do
	sed -i 's/toy/pump/g; s/TOY/PUMP/g' "$f"
	case $f in *toy*) mv "$f" "${f//toy/pump}" ;; esac
done
# What is built already is right for the copy too: no file of it changed.
if [ -e "$root/${B:-build}/features.mk" ]; then
	# shellcheck disable=SC2046,SC2086
	tar c -C "$root/${B:-build}" --ignore-failed-read features.mk gen libinterlock.a $(cd "$root/${B:-build}" && ls -d $folders dissectors 2>/dev/null) | tar x -C "$tmp/tree" --one-top-level=b
fi
make -s -j2 B=b all >/dev/null
b/interlock --version | grep -q '^protocols:.* pump'
B=b bash mk/lint.sh exports hotpath
diff -r -x pump -x b "$root/dissectors" dissectors
for d in $folders; do
	diff -r -x __pycache__ -x node_modules "$root/$d" "$d"
done
echo "built; only dissectors/pump is new"

cat >plant.yaml <<'EOF'
interlock: 1
site: test
mode: enforce
zones:
  it: {level: 2, port: outside, nets: [10.0.0.0/31]}
  ot: {level: 1, port: inside, nets: [10.0.0.2/31]}
devices:
  hmi: {zone: it, ip: 10.0.0.1, role: hmi}
  station: {zone: ot, ip: 10.0.0.2, role: plc}
conduits:
  - name: pumps
    from: [hmi]
    to: [station]
    otherwise: drop
    pump:
      deny:
        - {name: never, units: all, functions: all, cells: [13]}
      allow:
        - {name: poll, units: [1], functions: read, cells: [0..19]}
        - {name: speed, units: [1], functions: [write_cells], cells: [10..119], values: {10: 0..50}}
EOF
b/interlock policy check plant.yaml
sed 's/units: \[1\]/units: [300]/' plant.yaml >wrong.yaml
if b/interlock policy check wrong.yaml 2>err; then exit 1; fi
grep -q 'wrong.yaml:19:.*unit.* 300 ' err || { cat err; exit 1; }

# Each request with its answer.  The last write is longer than max_pdu: it is judged in
# pieces, the first of which is fine.
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$root/tests/e2e python3 - <<'EOF'
import struct
import mkpcap
from mkpcap import ACK, CLIENT, PSH, SERVER

def pdu(kind, txn, body=b""):
    return struct.pack("!2sBBHH", b"TY", kind, 1, txn, len(body)) + body

def write(txn, cell, *values):
    return pdu(2, txn, struct.pack(f"!H{len(values)}H", cell, *values))

c = mkpcap.Conversation(port=7007)
c.step("open")
long = write(6, 20, *range(100))
longer = write(7, 20, *range(300))
for ask, answer in [
    (pdu(1, 1, struct.pack("!HHHH", 0, 2, 8, 2)), pdu(129, 1, struct.pack("!4H", 1, 2, 3, 4))),
    (write(2, 10, 50), pdu(130, 2)),
    (write(3, 10, 51), pdu(130, 3)),
    (pdu(1, 4, struct.pack("!HH", 300, 1)), pdu(255, 4, b"\x02")),
    (write(5, 12, 1, 1), pdu(130, 5)),
    (long, pdu(130, 6)),
    (longer, pdu(130, 7)),
]:
    cut = 101 if len(ask) > 200 else len(ask)
    c.send(CLIENT, PSH | ACK, ask[:cut])
    if ask[cut:]:
        c.send(CLIENT, PSH | ACK, ask[cut:])
    c.send(SERVER, PSH | ACK, answer)
c.step("close")
mkpcap.write_pcap("pump.pcap", c.frames)
EOF

status=0
b/interlock replay -q -p plant.yaml --facts facts.jsonl pump.pcap || status=$?
[ $status = 1 ] || { echo "status $status, expected 1"; exit 1; }
jq -r 'select(.proto == "pump" and .kind == "request") | [.txn, .op, .verdict, .rule // .reason] | map(tostring) | join(" ")' \
	facts.jsonl | uniq >got
diff got - <<'EOF' || { cat facts.jsonl; exit 1; }
1 read_cells allow poll
2 write_cells allow speed
3 write_cells drop otherwise
4 read_cells drop otherwise
5 write_cells drop never
6 write_cells allow speed
7 write_cells allow speed
7 write_cells drop otherwise
EOF
jq -e -s 'any(.[]; .txn == 1 and .kind == "response" and .values == [1, 2, 3, 4])' facts.jsonl >/dev/null
jq -e -s 'any(.[]; .txn == 4 and .kind == "exception")' facts.jsonl >/dev/null
# The protocol's own members and the common ones share one object.
python3 -c 'import json, sys
for line in sys.stdin:
    json.loads(line, object_pairs_hook=lambda p: len(dict(p)) == len(p) or sys.exit("twice the same member: " + line))
' <facts.jsonl
echo "the copy of the toy protocol is judged: $(wc -l <facts.jsonl) facts"
