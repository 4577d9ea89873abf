#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a packet of a capture costs `replay` with full policy, beside others that read captures.

For each protocol tests/tools/traffic makes a capture; every reader gets it, in turn, several times. Counted is CPU
time of the whole process. Off it goes what the same reader takes for a capture of one round (start-up), and from each
the same: what a bare loop over libpcap takes (ndpiReader and tshark's like read so; `replay` reads usual captures itself). tshark, a hundred times as slow, gets a
capture of a twentieth of the size. Facts are written to /dev/null: what a disk takes is the disk's. The median of each is printed, and the ratios of the
medians.

Before anything is timed it is looked at whether each did its work: replay judged every PDU and allowed it,
ndpiReader named the protocol (it does not know OPC UA), tshark found the PDUs.

usage: replay.py [-n PACKETS] [-f FLOWS] [-r RUNS] [--json FILE] [PROTOCOL...]
"""
import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
B = os.path.join(ROOT, os.environ.get("B", "build"))
INTERLOCK = os.path.join(B, "interlock")
POLICY = os.path.join(ROOT, "tests/bench/replay.yaml")
TSHARK = {"modbus": "modbus", "s7": "s7comm", "opcua": "opcua"}
NDPI = {"modbus": "Modbus", "s7": "S7Comm", "opcua": None}


def cpu(argv):
    """Seconds of CPU, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode != 0:
        sys.exit("replay.py: %s: status %d\n%s" % (" ".join(argv), run.returncode, run.stderr))
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, run.stdout


def median(values):
    return sorted(values)[len(values) // 2]


def make(path, proto, flows, packets):
    with open(path, "wb") as out:
        subprocess.run([os.path.join(B, "tests/tools/traffic"), proto, str(flows), str(packets)], stdout=out,
                       check=True)


class Reader:
    def __init__(self, name, argv, share=1):
        self.name, self.argv, self.share = name, argv, share
        self.seconds = []
        self.start = []

    def measure(self, big, small):
        self.seconds.append(cpu(self.argv(big))[0])
        self.start.append(cpu(self.argv(small))[0])

    def per_packet(self, packets):
        """Microseconds, start-up taken off."""
        return (median(self.seconds) - median(self.start)) * 1e6 * self.share / packets


def readers(proto):
    r = [Reader("libpcap loop", lambda f: [os.path.join(B, "tests/tools/readloop"), f]),
         Reader("interlock replay", lambda f: [INTERLOCK, "replay", "-q", "-p", POLICY, f]),
         Reader("  with --facts", lambda f: [INTERLOCK, "replay", "-q", "-p", POLICY, "--facts", "/dev/null", f])]
    if shutil.which("ndpiReader"):
        r.append(Reader("ndpiReader", lambda f: ["ndpiReader", "-q", "-i", f]))
    if shutil.which("tshark"):
        r.append(Reader("tshark", lambda f: ["tshark", "-n", "-Q", "-r", f, "-Y", TSHARK[proto] + " && frame.number == 0"],
                        share=20))
    return r


def check(proto, big, small, flows, packets):
    """Each really does what it is timed for."""
    out = json.loads(cpu([INTERLOCK, "replay", "--json", "-p", POLICY, big])[1])["captures"][0]
    pdus = packets - 3 * flows  # all but the handshakes of TCP
    judged = out["pdus"]["all"]
    if judged != pdus:
        sys.exit("replay.py: %s: %d PDUs of %d" % (proto, judged, pdus))
    if shutil.which("ndpiReader") and NDPI[proto]:
        text = cpu(["ndpiReader", "-i", big])[1]
        if NDPI[proto].lower() not in text.lower():
            sys.exit("replay.py: ndpiReader did not name " + proto)
    if shutil.which("tshark"):
        n = len(cpu(["tshark", "-n", "-r", small, "-Y", TSHARK[proto]])[1].splitlines())
        if n < 2 * flows:
            sys.exit("replay.py: tshark found %d PDUs of %s" % (n, proto))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("-n", type=int, default=1000000)
    ap.add_argument("-f", type=int, default=200)
    ap.add_argument("-r", type=int, default=5)
    ap.add_argument("--json")
    ap.add_argument("protocol", nargs="*", default=["modbus", "s7", "opcua"])
    o = ap.parse_args()
    result = {}
    print("microseconds of CPU per packet, %d packets, %d flows, median of %d interleaved runs" % (o.n, o.f, o.r))
    for name in ("ndpiReader", "tshark"):
        if not shutil.which(name):
            print("skipped: %s is not installed" % name)
    with tempfile.TemporaryDirectory() as tmp:
        for proto in o.protocol:
            files = {k: os.path.join(tmp, k) for k in ("big", "part", "one")}
            first = 9 * o.f  # handshakes of TCP and of the protocol, and one round
            make(files["big"], proto, o.f, o.n)
            make(files["part"], proto, o.f, o.n // 20 + first)
            make(files["one"], proto, o.f, first)
            check(proto, files["big"], files["one"], o.f, o.n)
            all_readers = readers(proto)
            for _ in range(o.r):
                for r in all_readers:
                    r.measure(files["part"] if r.share > 1 else files["big"], files["one"])
            us = {r.name.strip(): r.per_packet(o.n - (0 if r.share > 1 else first)) for r in all_readers}
            loop = us["libpcap loop"]
            ours = us["interlock replay"] - loop
            print("\n%-20s %10s %12s %22s" % (proto, "per packet", "reading off", "replay takes of it"))
            for r in all_readers:
                cost = us[r.name.strip()]
                line = "%-20s %10.3f %12.3f" % (r.name, cost, cost - loop)
                if r.name in ("ndpiReader", "tshark"):
                    line += "%22s" % ("1/%.1f" % ((cost - loop) / ours))
                print(line)
            print("PDUs a second with --facts: %.1f million" % (1 / us["with --facts"]))
            result[proto] = us
            os.unlink(files["big"])
    if o.json:
        with open(o.json, "w", encoding="utf-8") as out:
            json.dump({"packets": o.n, "flows": o.f, "runs": o.r, "microseconds": result}, out, indent=1)


main()
