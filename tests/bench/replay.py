#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a packet of a capture costs `replay` with full policy, beside others that read captures.

For each protocol tests/tools/traffic makes a capture; every reader gets it, in turn, several times. Counted is CPU
time of the whole process, and off it goes what the same reader takes in the same lap for a capture of one round
(start-up). tshark, a hundred times as slow, gets a capture of a twentieth of the size. Facts are written to /dev/null:
what a disk takes is the disk's. Of each reader the median of the laps is printed and their quartiles, of its peers the
ratio of the medians, and the quartiles of the laps' ratios. Start-up takes as long as a million packets: where others
want the same processors a single lap says little.

These are ratios of all that a packet takes. Then from both sides is taken what a bare loop over libpcap takes, which is
how the peers read. `replay` reads usual captures itself, and all of it can take less than that loop: then there is nothing
left to divide by.

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
PEERS = ("ndpiReader", "tshark")


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


def spread(values):
    """The median, and the quartiles of the laps."""
    v, q = sorted(values), len(values) // 4
    return "%.3f  (%.3f to %.3f)" % (median(v), v[q], v[-1 - q])


def share_of(ratio):
    return "1/%.1f" % ratio if ratio > 0 else "?"  # a lap in which start-up took longer than all of the capture


def make(path, proto, flows, packets):
    with open(path, "wb") as out:
        subprocess.run([os.path.join(B, "tests/tools/traffic"), proto, str(flows), str(packets)], stdout=out,
                       check=True)


class Reader:
    def __init__(self, name, argv, share=1):
        self.name, self.argv, self.share = name, argv, share
        self.laps = []  # microseconds per packet, start-up taken off

    def measure(self, big, small, packets):
        seconds = cpu(self.argv(big))[0] - cpu(self.argv(small))[0]
        self.laps.append(seconds * 1e6 * self.share / packets)


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
    ap.add_argument("-r", type=int, default=7)
    ap.add_argument("--json")
    ap.add_argument("protocol", nargs="*", default=["modbus", "s7", "opcua"])
    o = ap.parse_args()
    result = {}
    print("microseconds of CPU per packet, %d packets, %d flows, median of %d laps (quartiles); load %.1f"
          % (o.n, o.f, o.r, os.getloadavg()[0]))
    for name in PEERS:
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
                    r.measure(files["part"] if r.share > 1 else files["big"], files["one"],
                              o.n - (0 if r.share > 1 else first))
            ours = all_readers[1].laps
            print("\n%-18s %-30s %s" % (proto, "per packet", "replay takes of it"))
            for r in all_readers:
                line = "%-18s %-30s" % (r.name, spread(r.laps))
                if r.name in PEERS:
                    laps = sorted(theirs / us if us else 0 for theirs, us in zip(r.laps, ours))
                    line += " %s  (%s to %s)" % (share_of(median(r.laps) / median(ours)),
                                                 share_of(laps[len(laps) // 4]), share_of(laps[-1 - len(laps) // 4]))
                print(line)
            loop = median(all_readers[0].laps)
            rest = median(ours) - loop
            for r in all_readers:
                if r.name in PEERS:
                    print("of %s, reading taken off: %s" % (
                        r.name, share_of((median(r.laps) - loop) / rest) if rest > 0
                        else "nothing, all of replay takes less than the loop"))
            print("PDUs a second with --facts: %.1f million" % (1 / median(all_readers[2].laps)), flush=True)
            result[proto] = {r.name.strip(): r.laps for r in all_readers}
            os.unlink(files["big"])
    if o.json:
        with open(o.json, "w", encoding="utf-8") as out:
            json.dump({"packets": o.n, "flows": o.f, "runs": o.r, "microseconds_by_lap": result}, out, indent=1)


main()
