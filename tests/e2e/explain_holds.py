#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the rules that `policy explain --json` tells decide as the engine did?

usage: explain_holds.py EXPLAIN.json FACTS.jsonl

Judges every Modbus request of the facts by what explain says alone (nothing of Interlock's code
takes part), and compares with the verdict in the facts.  Of other protocols: an allowed request
is by a rule of that conduit whose functions hold it.  Prints how many were compared.
"""
import json
import sys

SPACE = {1: "coil", 2: "discrete", 3: "holding", 4: "input", 5: "coil", 6: "holding", 15: "coil",
         16: "holding", 22: "holding", 23: "holding"}
WRITES = {5, 6, 15, 16, 22}


def inside(pairs, x):
    return any(lo <= x <= hi for lo, hi in pairs)


def elements(f):
    """(space, address, value or None, write) of a Modbus request."""
    code, space = f["code"], SPACE.get(f["code"])
    if space is None or "addr" not in f:
        return []
    values = f.get("values") or []
    out = []
    if code == 23:
        out += [(space, f["addr"] + i, None, False) for i in range(f["count"])]
        return out + [(space, f["write_addr"] + i, values[i] if i < len(values) else None, True)
                      for i in range(f["write_count"])]
    for i in range(f.get("count", 1)):
        out.append((space, f["addr"] + i, values[i] if code in WRITES and i < len(values) else None,
                    code in WRITES))
    return out


def holds(limits, space, addr, values, masked):
    """True, False, or None: cannot be known (a part of a wider value, a mask)."""
    mine = [l for l in limits if l["space"] == space]
    if masked and mine:
        return None
    for l in mine:
        lo, hi = l["range"]
        if not lo <= addr <= hi:
            continue
        if "in" not in l or l["change"]:
            return "skip"
        cell = max(1, l["bits"] // 16) if space == "holding" else 1
        at = addr - (addr - lo) % cell
        row = [values.get((space, at + k)) for k in range(cell)]
        if None in row:
            return None
        v = 0
        for x in row:
            v = v << 16 | int(x)
        return inside(l["in"], v) and (v - l["base"]) % max(1, l["step"]) == 0
    return True


def matches(rule, f, el, values):
    deny = rule["list"] == "deny"
    if not rule["enabled"] or not inside(rule["units"], f["unit"]):
        return False
    if not any(x["code"] == f["code"] and x.get("sub", f.get("subcode")) == f.get("subcode")
               for x in rule["functions"]):
        return False
    if el is None:
        return rule["everything"] or not deny
    space, addr, _, write = el
    if not rule["everything"] and not any(
            r["space"] == space and r["range"][0] <= addr <= r["range"][1]
            for r in rule["write" if write else "read"]):
        return False
    if rule["interlocks"] or rule["only_in"]:
        return "skip"
    if not write:
        return True
    h = holds(rule["values"], space, addr, values, f["code"] == 22)
    return deny if h is None else h


def judge(rules, f):
    els = elements(f) or [None]
    values = {(s, a): v for s, a, v, w in elements(f) if w}
    for el in els:
        for rule in rules:
            m = matches(rule, f, el, values)
            if m == "skip":
                return None
            if m:
                if rule["list"] == "deny":
                    return False
                break
        else:
            return False
    return True


def main():
    with open(sys.argv[1], encoding="utf-8") as fp:
        x = json.load(fp)
    names = {d["ip"]: d["device"] for d in x["devices"]}
    may = {(m["from"], m["to"]): m["conduit"] for m in x["may"]}
    conduits = {c["conduit"]: c for c in x["conduits"]}
    compared = allowed = others = bad = 0
    with open(sys.argv[2], encoding="utf-8") as fp:
        facts = [json.loads(line) for line in fp]
    for f in facts:
        if f["kind"] != "request" or f["reason"] not in ("rule", "otherwise", "default_deny"):
            continue
        pair = names.get(f["src"]), names.get(f["dst"])
        name = may.get(pair) if None not in pair else None
        if None not in pair and name != f["conduit"]:
            print(f"frame {f['frame']}: explain says conduit {name}, the engine {f['conduit']}")
            bad += 1
            continue
        if name is None:
            continue
        c = conduits[name]
        rules = [r for b in c["protocols"] if b["protocol"] == f["proto"] for r in b["rules"]]
        if c["mode"] != "enforce" or any("mode" in r for r in rules):
            continue
        passed = f["verdict"] in ("allow", "alert")
        if f["proto"] != "modbus":
            if f["reason"] != "rule" or not passed:
                continue
            mine = [r for r in rules if r["rule"] == f["rule"]]
            if not mine or not any(o["code"] == f["code"] or o["name"] == f["op"] for o in mine[0]["functions"]):
                print(f"frame {f['frame']}: {f['op']} is not among the functions of {f['rule']}")
                bad += 1
            others += 1
            continue
        said = judge(rules, f)
        if said is None:
            continue
        compared += 1
        allowed += said
        if said != passed:
            print(f"frame {f['frame']}: explain: {said}, the engine: {f['verdict']} by {f['rule']}: {json.dumps(f)}")
            bad += 1
    print(compared, allowed, others)
    sys.exit(1 if bad else 0)


main()
