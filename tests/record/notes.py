#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write the note beside a capture: where it comes from, and what tshark sees in it.

usage: notes.py pcaps/PROTOCOL/NAME.pcap...

The first lines of the note are the top comment of tests/record/PROTOCOL/NAME.sh.  Versions are those
of this machine, so this runs right after the recording.
"""
import collections
import datetime
import functools
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys

import tshark_modbus
import tshark_opcua
import tshark_s7

HERE = pathlib.Path(__file__).parent
PACKAGE = {"libmodbus": "libmodbus5", "pymodbus": "python3-pymodbus"}


@functools.cache
def npm_packages():
    """What package-lock.json pins of our own wishes: name and version."""
    packages = json.loads((HERE / "package-lock.json").read_text())["packages"]
    return {name: packages["node_modules/" + name]["version"] for name in packages[""]["dependencies"]}


def version(package):
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True)
    return f"{package} {out.stdout}" if out.returncode == 0 else f"{package} (version unknown)"


def recorder(script):
    """Text and stacks of a recording script."""
    text, stacks = [], ""
    for line in script.read_text().split("\n")[2:]:
        if not line.startswith("#"):
            break
        if line.startswith("# stacks: "):
            stacks = line[10:]
        elif not line.startswith(("# rtu: ", "# tshark: ", "# opcua: ")):
            text.append(line[2:])
    return text, stacks


def wrap(text):
    """Comment lines as Markdown: indented lines become a list."""
    return "\n".join(re.sub(r"^  (\S+)  +", r"* \1: ", re.sub(r"^ {4,}", "  ", line)) for line in text)


def runs(counts):
    """Neighbouring codes with the same counts share a row."""
    first = None
    for code in sorted(counts):
        if first is None:
            first = code
        if counts.get(code + 1) != counts[code]:
            if first == code:
                yield str(code), counts[code]
            else:
                yield f"{first}-{code} each", counts[code]
            first = None


def modbus_tables(pcap, script):
    counts, framings = {}, collections.Counter()
    exceptions = collections.Counter()
    for p in tshark_modbus.read(pcap, script):
        counts.setdefault(p.code, collections.Counter())[p.kind] += 1
        framings[p.framing] += 1
        if p.exception is not None:
            exceptions[p.exception] += 1
    lines = ["", "| function | requests | responses | exceptions |", "|---:|---:|---:|---:|"]
    lines += [f"| {codes} | {c['request']} | {c['response']} | {c['exception']} |" for codes, c in runs(counts)]
    if exceptions:
        lines += ["", "Exceptions by code: " + ", ".join(f"{k}: {n}" for k, n in sorted(exceptions.items())) + "."]
    return framings, lines


def s7_tables(pcap, script):
    counts, errors, jobs = {}, collections.Counter(), collections.Counter()
    for p in tshark_s7.read(pcap, script):
        counts.setdefault(p.label, collections.Counter())[p.kind or "request"] += 1
        jobs["S7" if p.rosctr else "COTP"] += 1
        if p.error_class or p.error_code:
            errors[f"0x{p.error_class:02x}{p.error_code:02x}"] += 1
        for code in p.return_codes or ():
            if code != 0xFF:
                errors[f"item 0x{code:02x}"] += 1
    lines = ["", "| PDU | requests | responses |", "|---|---:|---:|"]
    lines += [f"| {label} | {c['request']} | {c['response']} |" for label, c in sorted(counts.items())]
    if errors:
        lines += ["", "Errors by class and code, or of single items: " +
                  ", ".join(f"{k}: {n}" for k, n in sorted(errors.items())) + "."]
    return jobs, lines


def opcua_tables(pcap, script):
    counts, statuses, chunks = {}, collections.Counter(), collections.Counter()
    for p in tshark_opcua.read(pcap, script):
        counts.setdefault(p.label, collections.Counter())[p.chunk] += 1
        chunks["OPC UA chunks"] += 1
        if p.status:
            statuses[f"0x{p.status:08x}"] += 1
    lines = ["", "| message | final chunks | others |", "|---|---:|---:|"]
    lines += [f"| {label} | {c['F']} | {c['C'] + c['A']} |" for label, c in sorted(counts.items())]
    if statuses:
        lines += ["", "Results other than good: " + ", ".join(f"{k}: {n}" for k, n in sorted(statuses.items())) + "."]
    return chunks, lines


TABLES = {"modbus": modbus_tables, "s7": s7_tables, "opcua": opcua_tables}


def note(pcap):
    proto = pcap.resolve().parent.name
    script = HERE / proto / f"{pcap.stem}.sh"
    text, stacks = recorder(script)
    raw = pcap.read_bytes()
    start = struct.unpack_from("<I", raw, 24)[0]
    frames, at = 0, 24
    while at < len(raw):
        at += 16 + struct.unpack_from("<I", raw, at + 8)[0]
        frames += 1
    kinds, tables = collections.Counter(), []
    for name in TABLES if proto == "mixed" else [proto]:
        of_this, lines = TABLES[name](pcap, script)
        kinds.update(of_this)
        tables += lines if of_this else []
    lines = [f"# {pcap.name}", "", wrap(text), "",
             "* Origin: recorded by `tests/record/{}/{}` on {} in network namespaces on one machine; the vendors' "
             "MAC prefixes are real, the devices are not.".format(
                 proto, script.name, datetime.datetime.fromtimestamp(start, datetime.timezone.utc).date()),
             f"* Stacks: {stacks}.",
             "* Versions: " + ", ".join([version(PACKAGE[s]) for s in PACKAGE if s in stacks] +
                                        [f"{n} {v}" for n, v in npm_packages().items() if f"{n} " in stacks] +
                                        [version("tcpdump"), "counted with " + version("tshark")]) + ".",
             "* Licence: Apache-2.0, our own recording.",
             f"* SHA-256: `{hashlib.sha256(raw).hexdigest()}`",
             f"* {frames} frames, {len(raw)} bytes; {sum(kinds.values())} PDUs" +
             ": " * bool(kinds) + ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())) + "."]
    pcap.with_suffix(".md").write_text("\n".join(lines + tables) + "\n")


for name in sys.argv[1:]:
    note(pathlib.Path(name))
