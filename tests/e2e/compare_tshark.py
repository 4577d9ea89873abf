#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the facts of our own Modbus captures against what tshark reads in them, live.

usage: compare_tshark.py [--interlock PROGRAM] [--facts FILE] [CAPTURE...]

CAPTURE defaults to all of pcaps/modbus.  --facts takes FILE instead of running the program (one
capture then).  The PDUs of a frame are compared in their order: source, kind, function code, unit,
transaction (RTU has none), exception, sub-code, address, count and the second range of FC 23 where tshark
shows them (requests, and the answers that repeat them), register values, file records.  A fact of kind `malformed` may stand for
any kind.  Prints a line per capture and one per difference; status 0 when all agree, 1 when not, 77
without tshark.
"""
import argparse
import collections
import itertools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "record"
sys.path.insert(0, str(RECORD))
import tshark_modbus  # noqa: E402 (lives beside the recordings, which count with it)

ALWAYS = "src", "kind", "code", "unit"
SHOWN = "txn", "exception", "subcode", "addr", "count", "write_addr", "write_count", "values", "records"


def field(fact, name):
    """A field of the fact in the form tshark_modbus gives it."""
    value = fact.get(name)
    if name == "records" and value is not None:
        return [(r.get("file"), r.get("record"), r.get("count")) for r in value]
    return value


def differences(pdu, fact):
    """(field, tshark's value, ours) of one pair."""
    for name in ALWAYS:
        theirs, ours = getattr(pdu, name), fact.get(name)
        if theirs != ours and not (name == "kind" and ours == "malformed"):
            yield name, theirs, ours
    for name in SHOWN:
        theirs, ours = getattr(pdu, name), field(fact, name)
        if name == "values" and fact.get("kind") == "malformed":
            continue  # what a broken PDU carries has no values
        if theirs is not None and theirs != ours:
            yield name, theirs, ours


def compare(capture, lines):
    """Number of PDUs tshark has, number of differences."""
    theirs, ours = collections.defaultdict(list), collections.defaultdict(list)
    for p in tshark_modbus.read(capture, RECORD / "modbus" / f"{capture.stem}.sh"):
        theirs[p.frame].append(p)
    for line in lines:
        fact = json.loads(line)
        if fact["proto"] == "modbus":
            ours[fact["frame"]].append(fact)
    bad = 0
    for frame in sorted(theirs.keys() | ours.keys()):
        for pdu, fact in itertools.zip_longest(theirs.get(frame, ()), ours.get(frame, ())):
            if fact is None:
                found = [f"missing: {pdu.kind} of function {pdu.code}"]
            elif pdu is None:
                found = [f"extra: {fact.get('kind')} {fact.get('op')} {fact.get('anomalies')}"]
            else:
                found = [f"{name} is {b}, tshark says {a}" for name, a, b in differences(pdu, fact)]
            bad += len(found)
            for text in found:
                print(f"  {capture.name} frame {frame}: {text}")
    return sum(map(len, theirs.values())), bad


def facts_of(program, capture):
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
        run = subprocess.run([program, "replay", "--facts", out.name, capture], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, timeout=120)
        if run.returncode not in (0, 1):
            sys.exit(f"{capture}: status {run.returncode}: {run.stderr.strip()}")
        return out.readlines()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--interlock", default=ROOT / "build" / "interlock")
    ap.add_argument("--facts")
    ap.add_argument("capture", nargs="*", type=pathlib.Path, default=sorted((ROOT / "pcaps" / "modbus").glob("*.pcap")))
    a = ap.parse_args()
    if not shutil.which("tshark"):
        print("tshark is not installed")
        return 77
    pdus = bad = 0
    for capture in a.capture:
        lines = open(a.facts).readlines() if a.facts else facts_of(a.interlock, capture)
        n, wrong = compare(capture, lines)
        print(f"{capture.name}: {n} PDUs, {wrong} differences")
        pdus, bad = pdus + n, bad + wrong
    print(f"compare_tshark: {len(a.capture)} captures, {pdus} PDUs, {bad} differences")
    return 0 if a.capture and pdus and not bad else 1


sys.exit(main())
