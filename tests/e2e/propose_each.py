#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each kind of alert of a capture is proposed, enabled, and judged again: it is gone, and nothing else is.

usage: propose_each.py INTERLOCK POLICY CAPTURE [EVERY]       (EVERY: each n-th kind of alert, 1)

Of the alerts that a policy gives on a capture, one of each kind (who, what, which object) is given to `policy propose`.  What is
proposed as it stands must change nothing but the connection that a new conduit opens; enabled by `policy approve` every alert that
goes must be one of that pair and operation, the given one among them, and none may come.  Prints, tab-separated: proposed, refused.
"""
import json
import os
import subprocess
import sys
import tempfile

interlock, policy, capture = sys.argv[1:4]
every = int(sys.argv[4]) if len(sys.argv) > 4 else 1


def run(*args, ok=(0,)):
    p = subprocess.run([interlock, *args], capture_output=True, text=True)
    if p.returncode not in ok:
        sys.exit(f"{' '.join(args)}: status {p.returncode}\n{p.stdout}{p.stderr}")
    return p


def alerts(pol):
    run("replay", "-q", "--no-fold", "-p", pol, "--eve", "eve", capture, ok=(0, 1))
    with open("eve") as f:
        return [json.loads(line) for line in f]


def meta(a, key):
    return a["alert"]["metadata"].get(key, [""])[0]


def key(a):
    """What an alert is about; not its number, nor the policy's."""
    m = {k: v for k, v in a["alert"]["metadata"].items() if k not in ("il_seq", "il_policy", "il_src", "il_dst")}
    return json.dumps({**{k: a.get(k) for k in ("src_ip", "dest_ip", "src_port", "ether")}, "m": m, "n": a["pcap_cnt"]}, sort_keys=True)


def pair(a):
    return {a.get("src_ip"), a.get("dest_ip")}


os.chdir(tempfile.mkdtemp(dir=os.environ.get("BATS_TEST_TMPDIR")))
before = alerts(policy)
kinds, proposed, refused = {}, 0, 0
for a in before:
    if a.get("direction") == "to_server" and meta(a, "il_kind") == "request":
        kinds.setdefault((a["src_ip"], a["dest_ip"], meta(a, "il_op"), meta(a, "il_object")), a)
old = {key(a): a for a in before}
for a in list(kinds.values())[::every]:
    with open("a.json", "w") as f:
        json.dump(a, f)
    if os.path.exists("new.yaml"):
        os.unlink("new.yaml")
    p = run("policy", "propose", "-p", policy, "-o", "new.yaml", "a.json", ok=(0, 1))
    if p.returncode == 1:
        if "not proposed" not in p.stdout:
            sys.exit(f"refused without a reason: {p.stdout}{a}")
        refused += 1
        continue
    proposed += 1
    fresh = "+ conduit" in p.stdout
    now = {key(x): x for x in alerts("new.yaml")}
    gone = [old[k] for k in old.keys() - now.keys()]
    if not fresh and (gone or now.keys() - old.keys()):
        sys.exit(f"a disabled rule changes {len(gone)} alerts: {p.stdout}")
    run("policy", "approve", "new.yaml", "--all")
    now = {key(x): x for x in alerts("new.yaml")}
    if fresh:  # its connections are bound elsewhere now: judge who and what alone
        now = {(x["pcap_cnt"], meta(x, "il_op"), meta(x, "il_kind")): x for x in now.values()}
        was = {(x["pcap_cnt"], meta(x, "il_op"), meta(x, "il_kind")): x for x in before}
    else:
        was = old
    gone, come = [was[k] for k in was.keys() - now.keys()], [now[k] for k in now.keys() - was.keys()]
    if not any(x["pcap_cnt"] == a["pcap_cnt"] for x in gone):
        sys.exit(f"still told: {a}\n{p.stdout}")
    for x in gone:
        same = pair(x) == pair(a) and (meta(x, "il_op") in ("", meta(a, "il_op")) or meta(x, "il_kind") in ("response", "exception"))
        opened = fresh and ("src_ip" not in x or pair(x) == pair(a) and meta(x, "il_access") == "session")
        if not same and not opened:
            sys.exit(f"another alert went too: {x}\n{p.stdout}")
    for x in come:
        if not fresh or pair(x) != pair(a):
            sys.exit(f"an alert came: {x}\n{p.stdout}")
print(proposed, refused, sep="\t")
