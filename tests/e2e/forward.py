# SPDX-License-Identifier: Apache-2.0
"""A site, a region, a centre: the same signed bytes at each.  Run by forward.sh; prints TAP."""
import atexit
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import collector
from collector import INTERLOCK, Collector, Person, until
from sensor import Chain, Key, Sensor, unb64

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
SEED = int(os.environ.get("SEED", time.time()))
dice = random.Random(SEED)
print("# SEED", SEED)


def level(name):
    co = Collector(tmp / name).start()
    co.options += ["--ingest", f"127.0.0.1:{co.ingest}"]  # stays where it is when it starts again
    atexit.register(co.stop)
    return co


def join(lower, upper, name, *how):
    """lower passes on to upper; it begins to with its next start"""
    token = upper.token(name, *how)
    lower.cli("join", lower.dir, "--collector", f"https://127.0.0.1:{upper.ingest}", "--token", token, "--ca", upper.dir / "ca.crt", "--name", name)
    lower.stop()
    lower.start()


people = {}


def person(co, user="viewer"):
    """logged in once per start: that is dear"""
    at = co.proc.pid, user
    if at not in people:
        people[at] = Person(co.page, user)
    return people[at]


def enrolled(co, name, *more):
    s, key = Sensor(co.ingest, tmp / (name + "-id")), Key()
    status, answer = s.enrol(co.dir / "ca.crt", co.token(name, *(more or ("--approve",))), name, key)
    assert (status, answer["state"]) == (200, "active"), answer
    s.key, s.chain, s.sent = key, Chain(key, name), []
    return s


def send(s, n):
    lines = s.chain.lines(n)
    status, answer = s.send(s.chain.batch(lines))
    assert status == 200, answer
    s.sent += lines


def of(co, name):
    return next((s for s in person(co).get("sensors")["items"] if s["name"] == name), None)


def eve(co, name):
    """The lines that are stored of a sensor."""
    data = person(co).call("GET", f"/api/v1/export?format=eve&sensor={name}", raw=True)[1]
    return sorted(data.split(b"\n")[:-1])


def same(co, s, seconds=20):
    until(lambda: of(co, s.chain.iss) and of(co, s.chain.iss)["batch"] == s.chain.number, seconds)
    assert eve(co, s.chain.iss) == sorted(s.sent), (len(eve(co, s.chain.iss)), len(s.sent))
    assert of(co, s.chain.iss)["chain"] == "whole"


def incidents(co, name, rule):
    return [i for i in person(co).items("incidents", sensor=name) if i["rule"] == rule]


site, region, centre = level("site"), level("region"), level("centre")
s1 = enrolled(site, "guard-1", "--approve", "--site", "hall-1")
s2 = enrolled(site, "guard-2")
s3 = enrolled(region, "guard-3")


def chained():
    """site, region, centre: approved where no relay vouches, stored, receipted and proven with the sensor's key alone"""
    for _ in range(3):
        send(s1, dice.randint(1, 20))
        send(s2, 0)
    join(region, centre, "west", "--approve", "--vouches")
    join(site, region, "site-1", "--relay")
    relay = until(lambda: person(region).get("network")["relays"])[0]
    assert (relay["name"], relay["state"], relay["vouches"]) == ("site-1", "pending", False), relay
    time.sleep(0.5)
    assert of(region, "guard-1") is None
    admin = person(region, "admin")
    assert admin.post(f"sensors/{relay['id']}", {"action": "approve"})[0] == 200
    got = until(lambda: of(region, "guard-1"), 30)  # the site tries again
    assert (got["state"], got["path"], got["site"], got["keys"][0]["kid"]) == ("pending", ["site-1"], "hall-1", s1.key.kid), got
    time.sleep(1)
    assert of(region, "guard-1")["batch"] == 0 and of(centre, "guard-1") is None
    for name in ("guard-1", "guard-2"):
        admin.post(f"sensors/{of(region, name)['id']}", {"action": "approve"})
    for s in (s1, s2, s3):
        send(s, 5)
        same(region, s)
        same(centre, s)
    assert [of(c, "guard-1")["path"] for c in (site, region, centre)] == [[], ["site-1"], ["west", "site-1"]]
    assert of(centre, "guard-3")["path"] == ["west"] and of(centre, "guard-1")["site"] == "hall-1"
    who = person(centre)
    (tmp / "s1.pub").write_text(json.dumps(s1.key.jwk()))
    for a in who.items("alerts", sensor="guard-1")[:3]:
        (tmp / "proof").write_bytes(who.call("GET", f"/api/v1/alerts/{a['id']}/proof", raw=True)[1])
        subprocess.run([INTERLOCK, "journal", "prove", "--check", tmp / "proof", "--key", tmp / "s1.pub"], check=True, capture_output=True)
    up = person(site).get("network")["upstream"]
    assert (up["name"], up["state"], up["behind_batches"]) == ("site-1", "current", 0), up
    assert {x["name"]: x["state"] for x in up["sensors"]} == {"guard-1": "active", "guard-2": "active"}
    assert who.get("network")["relays"][0]["sensors"] == 3 and who.get("network")["upstream"] is None
    receipt = until(lambda: site.sql("SELECT f.receipt FROM forward f JOIN sensor s ON s.id = f.sensor WHERE s.name = 'guard-1'")[0][0])  # written once a second
    jwk = json.loads((site.dir / "upstream/receipt.jwks").read_text())["keys"][0]
    assert jwk["kid"] == json.loads((region.dir / "receipt.key.pub").read_text())["kid"]
    assert json.loads(unb64(receipt.split(".")[1]))["sub"] == "guard-1"


def away():
    """the centre is away: the region keeps, shows how far behind it is, and brings all of it afterwards"""
    centre.stop(signal.SIGKILL)
    for _ in range(20):
        send(s1, dice.randint(0, 10))
        send(s3, 1)
    same(region, s1)
    up = until(lambda: (lambda u: u["state"] == "retrying" and u["behind_batches"] >= 30 and u)(person(region).get("network")["upstream"]))
    assert up["behind_sensors"] >= 2 and up["last_error"], up
    centre.start()
    for s in (s1, s3):
        same(centre, s, 60)


def killed():
    """each of the three killed at random while batches come in: exactly once everywhere"""
    end = threading.Event()

    def feed():
        while not end.is_set():
            for s in (s1, s2):
                lines = s.chain.lines(dice.randint(0, 6))
                batch = s.chain.batch(lines)
                while True:  # as a sender does
                    try:
                        status, _ = s.send(batch)
                        if status == 200:
                            break
                    except (OSError, http.client.HTTPException):
                        pass
                    time.sleep(0.05)
                s.sent += lines
            time.sleep(0.02)
    t = threading.Thread(target=feed)
    t.start()
    for _ in range(int(os.environ.get("KILLS", 5))):
        time.sleep(dice.uniform(0.1, 0.6))
        co = dice.choice((site, region, centre))
        co.stop(signal.SIGKILL)
        co.start()
    end.set()
    t.join()
    for s in (s1, s2):
        for co in (site, region, centre):
            same(co, s, 90)


def rotated():
    """a new key of a sensor waits for the admin where the relay does not vouch, and comes along where it does"""
    admin = person(site, "admin")
    token = admin.post(f"sensors/{of(site, 'guard-2')['id']}", {"action": "rotate"})[1]["token"]
    new = Key()
    assert s2.enrol(site.dir / "ca.crt", token, "guard-2", new)[1]["state"] == "active"
    s2.close()
    s2.key = s2.chain.key = new
    send(s2, 3)
    me = until(lambda: (lambda g: any(k["state"] == "pending" for k in g["keys"]) and g)(of(region, "guard-2")))
    assert {k["kid"]: k["state"] for k in me["keys"]}[new.kid] == "pending"
    time.sleep(0.5)
    assert of(region, "guard-2")["batch"] == s2.chain.number - 1 and not incidents(region, "guard-2", "chain.signature")
    person(region, "admin").post(f"sensors/{me['id']}", {"action": "approve"})
    same(region, s2, 30)
    same(centre, s2, 30)
    assert {k["state"] for k in of(centre, "guard-2")["keys"]} == {"active", "retired"}


class Relay(Sensor):
    """A relay that may do anything but sign for a sensor."""

    def __init__(self, co, name, *how):
        super().__init__(co.ingest, tmp / (name + "-relay"))
        self.name, self.key, self.co = name, Key(), co
        assert self.enrol(co.dir / "ca.crt", co.token(name, *how), name, self.key)[0] == 200

    def announce(self, *sensors, key=None, **over):
        aud = json.loads((self.co.dir / "receipt.key.pub").read_text())["kid"]
        p = {"v": 1, "iss": self.name, "aud": aud, "sensors": [
            {"name": n, "site": "", "path": [], "keys": [k.jwk() | {"state": "active"}]} | more for n, k, *rest in sensors for more in (rest or [{}])]}
        return self.call("PUT", "/ingest/v1/sensors", (key or self.key).jws("interlock-announce+jws", p | over))[:2]

    def states(self, *sensors):
        status, answer = self.announce(*sensors)
        assert status == 200, answer
        return [i["state"] for i in answer["items"]]

    def put(self, name, *batches, **headers):
        return self.send(*batches, **({"Interlock-Sensor": name} | headers))


def hostile():
    """a relay cannot forge, reorder, speak for others or take a name; what it lost it has to sign for"""
    bad, plain = Relay(centre, "bad", "--approve", "--vouches"), Relay(centre, "plain", "--approve", "--relay")
    k = Key()
    c = Chain(k, "far")
    one, two, three, four = (c.batch(c.lines(2)) for _ in range(4))
    assert bad.put("far", one)[0] == 403  # not announced
    assert bad.states(("far", k)) == ["active"]
    assert bad.send(one)[0] == 403 and s1.send(one, **{"Interlock-Sensor": "far"})[0] == 403
    assert bad.put("guard-1", Chain(s1.key, "guard-1").batch())[0] == 403
    for body in (one.replace(b"hmi1", b"hmi2", 1), one[:-9], Chain(Key(), "far", c.epoch).batch(c.lines(1)), Chain(k, "guard-1", c.epoch).batch(c.lines(1))):
        assert bad.put("far", body)[0] in (400, 422), body[:80]
    assert of(centre, "far")["batch"] == 0 and incidents(centre, "far", "chain.signature")
    status, answer = bad.put("far", two, one)
    assert status == 409 and answer["error"]["code"] == "gap" and answer["have"]["batch"] == 0, answer
    assert bad.put("far", one)[1]["stored"] == 1 and bad.put("far", one)[1]["duplicate"] == 1

    # announcements: another's signature, name, addressee; names that are taken; a second way to the same sensor
    for over in ({"iss": "plain"}, {"aud": "x" * 43}, {"v": 2}, {"sensors": [{}]}, {"sensors": [{"name": "a/b", "site": "", "path": [], "keys": [k.jwk()]}]}):
        assert bad.announce(("x", k), **over)[0] == 422, over
    assert bad.announce(("x", k), key=k)[0] == 422 and s3.call("PUT", "/ingest/v1/sensors", b"x")[0] in (403, 401)
    assert bad.states(("guard-1", k), ("west", k), ("new", k, {"path": ["site-9"]})) == ["taken", "taken", "active"]
    assert incidents(centre, "bad", "relay.conflict")[0]["severity"] == 1
    assert of(centre, "new")["path"] == ["bad", "site-9"] and of(centre, "guard-1")["keys"][0]["kid"] == s1.key.kid
    assert plain.put("far", two)[0] == 403
    assert plain.states(("far", k)) == ["active"]  # the same key: the same sensor
    status, answer = plain.put("far", one, two)
    assert (status, answer["stored"], answer["duplicate"]) == (200, 1, 1), answer
    assert bad.put("far", two)[1]["duplicate"] == 1 and of(centre, "far")["batch"] == 2
    assert plain.states(("other", Key())) == ["pending"] and of(centre, "other")["state"] == "pending"

    # what is missing: by the relay's word only, and told
    def loss(relay, **over):
        return relay.key.jws("interlock-loss+jws", {"v": 1, "iss": relay.name, "sub": "far", "epoch": c.epoch, "batch": 4} | over)
    assert bad.put("far", four)[0] == 409
    for jws in (loss(bad, sub="new"), loss(bad, iss="plain"), loss(plain), k.jws("interlock-loss+jws", {"v": 1}), "x"):
        assert bad.put("far", four, **{"Interlock-Loss": jws})[0] in (400, 422), jws
    assert bad.put("far", four, **{"Interlock-Loss": loss(bad, batch=3)})[0] == 409
    assert bad.put("far", four, **{"Interlock-Loss": loss(bad)})[0] == 200
    i = incidents(centre, "far", "chain.loss")[0]
    assert i["severity"] == 2 and "by bad" in i["title"] and of(centre, "far")["chain"] == "gap", i
    assert bad.states(("far", k, {"keys": [k.jwk() | {"state": "revoked"}]})) == ["revoked"]
    assert bad.put("far", three)[0] == 403
    admin = person(centre, "admin")
    relay = next(r for r in admin.get("network")["relays"] if r["name"] == "bad")
    assert admin.post(f"sensors/{relay['id']}", {"action": "revoke"})[0] == 200
    bad.close()
    assert bad.announce()[0] == 403


def late():
    """joined when heartbeats are gone already: the alerts are all there, and it is told that only empty batches are missing"""
    young, upper = level("young"), level("upper")
    s = enrolled(young, "guard-9")
    for n in (3, 0, 0, 2, 0, 4):
        send(s, n)
    young.stop()
    assert young.sql("SELECT count(*) FROM batch WHERE n = 0") == [("3",)]
    young.sql("DELETE FROM batch WHERE n = 0")
    join(young, upper, "y", "--approve", "--vouches")
    same(upper, s)
    i = incidents(upper, "guard-9", "chain.loss")[0]
    assert i["severity"] == 3 and "by y" in i["title"] and "no alert is missing" in i["title"], i
    assert [g["signed_loss"] for g in of(upper, "guard-9")["gaps"]] == [True, True]
    for co in (young, upper):
        co.stop()


if __name__ == "__main__":
    collector.run([chained, away, killed, rotated, hostile, late])
