#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold facts of S7comm-plus against the ground truth of the public captures (CORPUS/truth/*.s7comm_plus.tsv).

usage: compare_s7plus.py --corpus DIR [--interlock PROGRAM | --facts FILE] [CAPTURE...]

tshark 4.0 has no S7comm-plus dissector: the truth is a reading of the transport data by another program. A row and a fact are
the same PDU when the frame agrees; then version, length, integrity, opcode, function and sequence number must as well.
Prints each difference as `  CAPTURE frame N: missing|extra|{field: (truth, fact)}`, last the totals. Exit 0 when there is none.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile

SUFFIX = ".s7comm_plus.tsv"
COLUMNS = {"version": "version", "data_len": "data_len", "integrity": "integrity", "opcode": "opcode",
           "function": "code", "seq": "seq"}


def number(text):
    return int(text, 0) if text else None


def read_row(row):
    """A row as the fact should say it; `part`: the continuation of a PDU, whose opcode the truth does not know.

    Where the truth has no function and number (parts, notifications, opcode 2), nothing is asked of them."""
    part = row["opcode"] == "fragment_or_encrypted"
    want = {fact: number(row[col]) for col, fact in COLUMNS.items()
            if not (part and col == "opcode") and (row[col] or col not in ("function", "seq"))}
    return want, part


def read_facts(path):
    """Facts with a version, by frame: COTP and empty DTs are not in the truth."""
    facts = {}
    with open(path) as f:
        for line in f:
            fact = json.loads(line)
            if fact["proto"] == "s7plus" and "version" in fact:
                facts.setdefault(fact["frame"], []).append(fact)
    return facts


def compare(name, truth, facts):
    rows = bad = 0
    with open(truth, newline="") as f:
        for row in csv.DictReader(f, delimiter="\t"):
            rows += 1
            frame = int(row["frame"])
            want, part = read_row(row)
            if not facts.get(frame):
                print(f"  {name} frame {frame}: missing {want}")
                bad += 1
                continue
            fact = facts[frame].pop(0)
            wrong = {k: (v, fact.get(k)) for k, v in want.items() if fact.get(k) != v}
            if part and fact.get("fragment", 0) < 2:
                wrong["fragment"] = ("2 or more", fact.get("fragment"))
            if wrong:
                print(f"  {name} frame {frame}: {wrong}")
                bad += 1
    for frame, left in facts.items():
        for fact in left:
            print(f"  {name} frame {frame}: extra {fact['kind']} {fact['op']} {fact['anomalies']}")
            bad += 1
    return rows, bad


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--corpus", required=True)
    ap.add_argument("--interlock", default="build/interlock")
    ap.add_argument("--facts", help="these facts, of the one CAPTURE named")
    ap.add_argument("capture", nargs="*")
    a = ap.parse_args()
    truths = os.path.join(a.corpus, "truth")
    names = a.capture or sorted(t[:-len(SUFFIX)] for t in os.listdir(truths) if t.endswith(SUFFIX))
    rows = bad = 0
    for name in names:
        with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
            if not a.facts:
                done = subprocess.run([a.interlock, "replay", "--facts", out.name,
                                       os.path.join(a.corpus, "s7comm_plus", name)],
                                      stdout=subprocess.DEVNULL, timeout=300)
                if done.returncode not in (0, 1):
                    sys.exit(f"{name}: exit status {done.returncode}")
            n, wrong = compare(name, os.path.join(truths, name + SUFFIX), read_facts(a.facts or out.name))
        print(f"s7plus   {name[:64]:64} rows {n:5} different {wrong:4}")
        rows += n
        bad += wrong
    print(f"{len(names)} captures: {rows} PDUs, {bad} differences")
    return 0 if rows and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
