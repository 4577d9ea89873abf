#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Judges each capture of detect_corpus.tsv by itself with `replay --detect`, and says what was found, missed and false.

usage: detect_corpus.py INTERLOCK TREE [CORPUS] [--table]
       detect_corpus.py --list TREE: what alerts/detection.def says, as the table of docs/DETECTION.md
Without --table: a line for each capture that is not as the list has it, and status 1.  With: the tables of docs/DETECTION.md.
Without CORPUS the rows of the corpus are left out.
"""
import json
import os
import re
import subprocess
import sys
import tempfile


def rows(tree, corpus):
    here = os.path.dirname(os.path.abspath(__file__))
    for line in open(os.path.join(here, "detect_corpus.tsv"), encoding="utf-8"):
        if line.startswith("#") or not line.strip():
            continue
        place, name, kind, want, known, note = line.rstrip("\n").split("\t")
        base = os.path.join(tree, "pcaps") if place == "tree" else corpus
        if base:
            words = [set() if x == "-" else set(x.split()) for x in (want, known)]
            yield os.path.join(base, name), place, name, kind, words[0], words[1], note


def judge(interlock, path, *options):
    """The alerts of detections, and how long the capture is in hours."""
    out = subprocess.run([interlock, "replay", "-q", "--detect", "--memory", "16M", *options, "--no-fold", "--eve", "-", path],
                         capture_output=True, text=True, check=False)
    if out.returncode > 1 and "cut" not in out.stderr and "frames before it judged" not in out.stderr:
        sys.exit(f"{path}: {out.stderr}")
    alerts = [json.loads(line) for line in out.stdout.splitlines()]
    return [a["alert"]["metadata"]["il_detection"][0] for a in alerts if "il_detection" in a["alert"]["metadata"]]


def stranger(interlock, tree, path, tmp):
    """The same with what another plant has learned: nobody in the capture was there."""
    base = os.path.join(tmp, "baseline.json")
    if not os.path.exists(base):
        subprocess.run([interlock, "replay", "-q", "--learn-for", "1h", "--baseline", base,
                        os.path.join(tree, "pcaps/s7/polling.pcap")], check=True)
    return judge(interlock, path, "--baseline", base)


def listing(tree):
    text = open(os.path.join(tree, "alerts/detection.def"), encoding="utf-8").read()
    row = r'^DETECTION\(\w+, "([^"]+)", (\d), "[^"]+", (\d), "([^"]+)", "([^"]+)",\s*"([^"]+)"\)'
    print("| id | name | severity | what | needs a baseline | ATT&CK for ICS | when it is wrong |\n|---:|---|---:|---|---|---|---|")
    for i, (name, severity, base, attack, what, wrong) in enumerate(re.findall(row, text, re.M)):
        print(f"| {200 + i} | `{name}` | {severity} | {what} | {'yes' if base == '1' else ''} | {attack.replace(' ', ', ')} | {wrong} |")
    return 0


def main():
    if sys.argv[1] == "--list":
        return listing(sys.argv[2])
    args = [a for a in sys.argv[1:] if a != "--table"]
    interlock, tree, corpus = args[0], args[1], args[2] if len(args) > 2 else None
    table = "--table" in sys.argv
    hit = missed = false = true = benign = most = 0
    attack_rows, false_rows, blind, bad = [], [], [], []
    with tempfile.TemporaryDirectory() as tmp:
        for path, _, name, kind, want, known, note in rows(tree, corpus):
            got = judge(interlock, path)
            extra = set()
            if kind == "attack" and any(w.startswith("baseline:") for w in want):
                extra = {"baseline:" + g for g in stranger(interlock, tree, path, tmp)}
            seen = set(got) | extra
            wrong = sorted(g for g in got if g not in want | known)
            if kind == "attack":
                hit += len(want & seen)
                missed += len(want - seen)
                true += sum(g in want | known for g in got) + len(want & extra)
                attack_rows.append((name, note, want, want - seen, sorted(set(got) & known)))
                if want - seen:
                    bad.append(f"{name}: missed {' '.join(sorted(want - seen))}")
            elif kind == "benign":
                benign += 1
                most = max(most, len(got))
                true += sum(g in known for g in got)
                false += len(wrong)
                if wrong:
                    false_rows.append((name, note, wrong))
            else:
                blind.append((name, note, got))
            if kind == "attack" and wrong:
                false += len(wrong)
                false_rows.append((name, note, wrong))
    if not table:
        print("\n".join(bad))
        print(f"{hit} of {hit + missed} found; {false} false of {true + false} alerts; at most {most} of a benign capture")
        return 1 if bad or most > 10 else 0
    print("| capture | what its notes say | found | missed | beside it |\n|---|---|---|---|---|")
    for name, note, want, miss, beside in attack_rows:
        print(f"| `{name}` | {note} | {', '.join(sorted(want - miss))} | {', '.join(sorted(miss)) or 'none'} | {', '.join(beside)} |")
    print(f"\nRecall: {hit} of {hit + missed} ({100 * hit // (hit + missed)} %). Precision: {true} of {true + false} alerts are about "
          f"what is really there ({100 * true // (true + false)} %). {benign} benign captures, at most {most} alerts of one.\n")
    print("False alerts, all of them:\n\n| capture | what it is | told |\n|---|---|---|")
    for name, note, wrong in false_rows:
        print(f"| `{name}` | {note} | {', '.join(sorted(set(wrong)))} ({len(wrong)}) |")
    if blind:
        print("\nNot seen: attacks by protocols that no dissector here reads.\n\n| capture | what its notes say | told all the same |\n|---|---|---|")
        for name, note, got in blind:
            print(f"| `{name}` | {note} | {', '.join(sorted(set(got))) or 'nothing'} |")
    return 0


sys.exit(main())
