# SPDX-License-Identifier: Apache-2.0
"""Builds, policies, drift and clocks of a fleet.  Run by fleet.sh; prints TAP."""
import atexit
import json
import pathlib
import shutil
import tempfile
import time

import collector
from collector import Collector, Person
from sensor import Chain, Key, Sensor

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp).start()
atexit.register(co.stop)
viewer, admin = Person(co.page, "viewer"), Person(co.page, "admin")
OLD, NEW = {"il_build": ["aaaa000000000001"], "il_policy": ["1111111111111111"]}, {"il_build": ["bbbb000000000002"], "il_policy": ["2222222222222222"]}


def sensor(name):
    s, key = Sensor(co.ingest, tmp / name), Key()
    assert s.enrol(co.dir / "ca.crt", co.token(name), name, key)[0] == 200
    s.chain = Chain(key, name)
    return s


def send(s, meta=None, **over):
    lines = []
    if meta:
        lines = s.chain.lines(1, meta=meta | {"il_seq": [str(s.chain.seq + 1)]})
        lines = [json.dumps(json.loads(x), separators=(",", ":")).encode() for x in lines]  # as ours are written
    status, answer = s.send(s.chain.batch(lines, **over))
    assert status == 200, answer


fleet = [sensor(f"g{i}") for i in range(3)]


def of(name):
    return next(i for i in viewer.get("fleet")["items"] if i["name"] == name)


def drift(name):
    return [i for i in viewer.items("incidents", sensor=name) if i["rule"] == "fleet.drift"]


def drifted():
    """what is pinned and what runs: shown, and an incident when a sensor leaves it; nothing is pinned for who is not there"""
    for s in fleet:
        send(s, OLD)
    f = viewer.get("fleet")
    assert f["builds"] == [{"value": OLD["il_build"][0], "sensors": 3}] and all(i["drift"] == [] for i in f["items"]), f
    assert viewer.post("fleet", {"sensors": ["g0"], "build": "current"})[0] == 403
    for bad in ({}, {"sensors": []}, {"sensors": ["g0"]}, {"sensors": ["g0"], "build": "a b"}, {"sensors": ["g0"], "policy": 7}, {"sensors": "g0", "build": "x"}):
        assert admin.post("fleet", bad)[0] == 400, bad
    assert admin.post("fleet", {"sensors": ["g0", "nobody"], "policy": "current"})[0] == 404 and of("g0")["pinned_policy"] == ""
    names = [s.chain.iss for s in fleet]
    assert admin.post("fleet", {"sensors": names, "policy": "current", "build": "current"})[0] == 200
    assert (of("g1")["pinned_policy"], of("g1")["drift"]) == (OLD["il_policy"][0], [])
    send(fleet[0], NEW)
    assert of("g0")["drift"] == ["build", "policy"] and len(drift("g0")) == 1 and not drift("g1")
    # a stage of a roll-out: what the second should run from now on; it has drifted until it does
    assert admin.post("fleet", {"sensors": ["g1"], "policy": NEW["il_policy"][0], "build": NEW["il_build"][0]})[0] == 200
    assert of("g1")["drift"] == ["build", "policy"]
    send(fleet[1], NEW)
    assert of("g1")["drift"] == [] and not drift("g1")
    assert admin.post("fleet", {"sensors": ["g0"], "policy": "", "build": ""})[0] == 200 and of("g0")["drift"] == []
    assert any(e["action"] == "fleet.pin" for e in admin.items("audit"))


def clocks():
    """offsets of clocks are seen in batches alone; what waited long does not make a clock late"""
    a, b, c = fleet
    now = time.time()
    send(a, iat=round(now - 400, 3))  # was in the journal for long
    send(a, iat=round(now - 0.2, 3))
    send(a, iat=round(now - 300, 3))
    assert -2000 < of("g0")["clock_offset_ms"] < 100, of("g0")
    send(b, iat=round(time.time() + 30, 3))
    assert 28000 < of("g1")["clock_offset_ms"] < 30100, of("g1")
    fresh = sensor("late")
    assert of("late")["clock_offset_ms"] is None
    send(fresh, iat=round(time.time() - 90, 3))
    assert -92000 < of("late")["clock_offset_ms"] < -89900, of("late")


if __name__ == "__main__":
    collector.run([drifted, clocks])
