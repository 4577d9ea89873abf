#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold the facts of our own captures against what tshark reads in them, live.

usage: compare_tshark.py [--interlock PROGRAM] [--facts FILE] [--known FILE] [CAPTURE...]

CAPTURE defaults to all of pcaps/{modbus,s7,opcua,mixed}.  --facts takes FILE instead of running the program (one
capture then).  The PDUs of a frame are compared in their order, and every field that tshark shows:

  modbus  source, kind, function code, unit, transaction (RTU has none), exception, sub-code, address, count, the second
          range of FC 23, register values, file records
  s7      source, kind, ROSCTR, PDU reference, function, userdata group and sub-function, SZL id and index, every S7ANY item,
          return codes, values, block, PI service, error class and code, PDU size, TSAPs
  opcua   source, kind, message type, chunk type, size, channel, token, sequence number, request id, type of the body, policy,
          mode, endpoint, status, NodeIds and attributes (of a message in several chunks: together, at the last one)

A fact of kind `malformed` may stand for any kind.  Differences that are tshark's are listed one by one, with a reason, in
compare_tshark.known (capture, frame, difference as printed, reason; tabs between); one that does not occur any more is
a difference too.  Prints a line per capture and one per difference; status 0 when all agree, 1 when not, 77 without tshark.
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
import tshark_modbus  # noqa: E402 (they live beside the recordings, which count with them)
import tshark_opcua  # noqa: E402
import tshark_s7  # noqa: E402

BLOCKS = {"08": "OB", "0A": "DB", "0B": "SDB", "0C": "FC", "0D": "SFC", "0E": "FB", "0F": "SFB"}
VALUE_SHOWN = 480  # bytes of a value that a fact of S7 shows
MODBUS_ALWAYS = "src", "kind", "code", "unit"
MODBUS_SHOWN = "txn", "exception", "subcode", "addr", "count", "write_addr", "write_count", "values", "records"
S7_SHOWN = ("src", "kind", "rosctr", "pdu_ref", "code", "group", "subcode", "szl_id", "szl_index", "items", "return_codes",
            "values", "block", "pi_service", "error_class", "error_code", "error", "pdu_size", "src_tsap", "dst_tsap")
OPCUA_SHOWN = ("src", "kind", "msg", "chunk", "size", "channel", "token", "seq", "request_id", "code", "policy_uri", "mode",
               "endpoint", "status", "nodes", "attributes")


def pairs(pdu, fact, names, ours=dict.get):
    """(field, tshark's value, ours) where they differ and tshark has one."""
    for name in names:
        theirs = getattr(pdu, name)
        if theirs is not None and theirs != (mine := ours(fact, name)):
            yield name, theirs, mine


def modbus(pdu, fact):
    def ours(fact, name):
        value = fact.get(name)
        if name == "records" and value is not None:
            return [(r.get("file"), r.get("record"), r.get("count")) for r in value]
        return value
    for name in MODBUS_ALWAYS:
        if getattr(pdu, name) != fact.get(name) and not (name == "kind" and fact["kind"] == "malformed"):
            yield name, getattr(pdu, name), fact.get(name)
    broken = fact["kind"] == "malformed"  # what a broken PDU carries has no values
    yield from pairs(pdu, fact, [n for n in MODBUS_SHOWN if not (broken and n == "values")], ours)


def s7(pdu, fact):
    def ours(fact, name):
        value = fact.get(name)
        if name == "kind" and value == "exception":
            return "response"
        if name == "kind" and value == "malformed":
            return pdu.kind
        if name == "items" and value is not None:
            return [(i["area"], i.get("db", 0), i.get("byte", i.get("number")), i.get("bit", 0), i["count"]) for i in value]
        if name == "block" and value is not None:
            return value["type"], value.get("number")
        if name == "values":
            return [v for v in value or [i.get("data") for i in fact.get("items", ())] if v]
        return value
    if pdu.block:
        pdu.block = BLOCKS[pdu.block[0]], int(pdu.block[1])
    for name in "src_tsap", "dst_tsap":
        if text := getattr(pdu, name):
            setattr(pdu, name, text.replace(":", ".").upper())
    if pdu.values:
        pdu.values = [v[:2 * VALUE_SHOWN] for v in pdu.values]
    yield from pairs(pdu, fact, S7_SHOWN, ours)


class Opcua:
    """Knows what the chunks before the last one of a message named."""
    def __init__(self):
        self.status = {}
        self.open = collections.defaultdict(lambda: {"nodes": [], "attributes": []})

    def __call__(self, pdu, fact):
        key = fact["src"], fact["sport"], fact.get("request_id")
        so_far = self.open[key]
        for name, values in so_far.items():
            values += fact.get(name, ())
        self.status.setdefault(key, fact.get("status"))

        def ours(fact, name):
            if name in so_far:
                return so_far[name]
            if name == "status":
                return self.status[key]
            if name == "kind" and fact["kind"] == "malformed":
                return pdu.kind
            return fact.get(name, "F" if name == "chunk" else None)
        if pdu.kind == "other":
            pdu.kind = None
        if "url_long" in fact["anomalies"]:  # the fact has its beginning
            pdu.endpoint = None
        yield from pairs(pdu, fact, OPCUA_SHOWN, ours)
        if pdu.chunk != "C":
            del self.open[key], self.status[key]


PROTOS = {"modbus": (tshark_modbus.read, lambda: modbus), "s7": (tshark_s7.read, lambda: s7), "opcua": (tshark_opcua.read, Opcua)}


def compare(capture, proto, lines):
    """Number of PDUs tshark has, and (frame, text) of each difference."""
    read, maker = PROTOS[proto]
    differences = maker()
    theirs, ours = collections.defaultdict(list), collections.defaultdict(list)
    for p in read(capture, RECORD / capture.resolve().parent.name / f"{capture.stem}.sh"):
        theirs[p.frame].append(p)
    for line in lines:
        fact = json.loads(line)
        if fact["proto"] == proto:
            ours[fact["frame"]].append(fact)
    found = []
    for frame in sorted(theirs.keys() | ours.keys()):
        for pdu, fact in itertools.zip_longest(theirs.get(frame, ()), ours.get(frame, ())):
            if fact is None:
                texts = [f"missing: {proto} {pdu.kind} {getattr(pdu, 'label', None) or pdu.code}"]
            elif pdu is None:
                texts = [f"extra: {proto} {fact['kind']} {fact['op']} {fact['anomalies']}"]
            else:
                texts = [f"{name} is {b}, tshark says {a}" for name, a, b in differences(pdu, fact)]
            found += [(frame, text) for text in texts]
    return sum(map(len, theirs.values())), found


def facts_of(program, capture):
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as out:
        run = subprocess.run([program, "replay", "--facts", out.name, capture], stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, timeout=120)
        if run.returncode not in (0, 1):
            sys.exit(f"{capture}: status {run.returncode}: {run.stderr.strip()}")
        return out.readlines()


def read_known(path):
    """{(capture, frame, difference)}; each line has a reason behind these."""
    known = set()
    for n, line in enumerate(path.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            fields = line.split("\t")
            if len(fields) != 4 or not all(fields):
                sys.exit(f"{path}:{n}: want capture, frame, difference, reason")
            known.add((fields[0], int(fields[1]), fields[2]))
    return known


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--interlock", default=ROOT / "build" / "interlock")
    ap.add_argument("--facts")
    ap.add_argument("--known", type=pathlib.Path, default=pathlib.Path(__file__).with_suffix(".known"))
    ap.add_argument("capture", nargs="*", type=pathlib.Path)
    a = ap.parse_args()
    if not shutil.which("tshark"):
        print("tshark is not installed")
        return 77
    captures = a.capture or sorted(f for d in (*PROTOS, "mixed") for f in (ROOT / "pcaps" / d).glob("*.pcap"))
    known = read_known(a.known)
    pdus = bad = 0
    for capture in captures:
        lines = open(a.facts).readlines() if a.facts else facts_of(a.interlock, capture)
        folder = capture.resolve().parent.name
        name, n, wrong = f"{folder}/{capture.stem}", 0, []
        for proto in PROTOS if folder == "mixed" else [folder]:
            count, found = compare(capture, proto, lines)
            n, wrong = n + count, wrong + found
        here = {(frame, text) for (cap, frame, text) in known if cap == name}
        new = [f"frame {frame}: {text}" for frame, text in wrong if (frame, text) not in here]
        new += [f"frame {frame}: known, and does not occur: {text}" for frame, text in sorted(here - set(wrong))]
        for text in new:
            print(f"  {name} {text}")
        print(f"{name}: {n} PDUs, {len(new)} differences" + (f", {len(here)} known" if here else ""))
        pdus, bad = pdus + n, bad + len(new)
    print(f"compare_tshark: {len(captures)} captures, {pdus} PDUs, {bad} differences")
    return 0 if captures and pdus and not bad else 1


sys.exit(main())
