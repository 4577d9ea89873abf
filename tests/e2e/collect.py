# SPDX-License-Identifier: Apache-2.0
"""What sensors send and people see; what is refused.  Run by collect.sh; prints TAP."""
import atexit
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import jsonschema
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import collector
from collector import INTERLOCK, Collector, Person, until
from sensor import Chain, Key, Sensor, b64, root, unb64

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp).start()
atexit.register(co.stop)
viewer, analyst, admin = (Person(co.page, u) for u in ("viewer", "analyst", "admin"))


def sensor(name, key=None):
    s, key = Sensor(co.ingest, tmp / name), key or Key()
    status, answer = s.enrol(co.dir / "ca.crt", co.token(name), name, key)
    assert (status, answer["state"]) == (200, "active"), answer
    s.key, s.chain = key, Chain(key, name)
    return s


def of(name):
    return next(s for s in viewer.get("sensors")["items"] if s["name"] == name)


def incidents(name, rule):
    return [i for i in viewer.items("incidents", sensor=name) if i["rule"] == rule]


s1 = sensor("s1")


def stored():
    """what is sent is stored, receipted, listed, and proven by another program's arithmetic"""
    lines = s1.chain.lines(30) + s1.chain.lines(0)
    status, answer = s1.send(s1.chain.batch(lines))
    assert (status, answer["stored"], answer["duplicate"]) == (200, 1, 0), answer
    head, payload, _ = answer["receipt"].split(".")
    assert json.loads(unb64(head))["typ"] == "interlock-receipt+jws"
    p = json.loads(unb64(payload))
    assert (p["sub"], p["epoch"], p["batch"], p["prev"]) == ("s1", s1.chain.epoch, 1, s1.chain.prev), p
    items = viewer.items("alerts", sensor="s1", limit=7)
    assert len(items) == 30 and len({i["id"] for i in items}) == 30
    a = viewer.get(f"alerts/{items[0]['id']}")
    assert a["eve"].encode() in lines and a["proof"]["state"] == "verified" and a["pdu"]["values"] == [1, 2], a
    assert a["proof"]["root"] == root(lines).hex() and len(a["related"]) == 20
    assert (a["src"]["name"], a["dst"]["port"], a["action"], a["techniques"]) == ("hmi1", 502, "blocked", ["T0855", "T1692.001", "T0836"])
    proof = viewer.call("GET", f"/api/v1/alerts/{a['id']}/proof", raw=True)[1]
    (tmp / "proof.json").write_bytes(proof)
    (tmp / "s1.pub").write_text(json.dumps(s1.key.jwk()))
    subprocess.run([INTERLOCK, "journal", "prove", "--check", tmp / "proof.json", "--key", tmp / "s1.pub"], check=True, capture_output=True)
    inc = viewer.get(f"incidents/{a['incident']}")
    assert inc["alerts"] == 30 and inc["src"] == "hmi1" and inc["severity"] == 1, inc


def again():
    """the same batches again are told and not stored twice; the order in a request is the chain's"""
    b = [s1.chain.batch(s1.chain.lines(2)) for _ in range(1)]
    b.append(s1.chain.batch(s1.chain.lines(3)))
    assert s1.send(*b)[1]["stored"] == 2
    for _ in range(2):
        status, answer = s1.send(*b)
        assert (status, answer["stored"], answer["duplicate"]) == (200, 0, 2), answer
    assert len(viewer.items("alerts", sensor="s1")) == 35
    late = [s1.chain.batch(s1.chain.lines(1)), s1.chain.batch(s1.chain.lines(1))]
    status, answer = s1.send(late[1], late[0])
    assert status == 409 and answer["error"]["code"] == "gap" and answer["have"]["batch"] == 3, answer
    assert s1.send(*late)[0] == 200
    assert s1.call("GET", "/ingest/v1/position")[1] == {"epoch": s1.chain.epoch, "batch": 5}


def forged():
    """forged, truncated and foreign batches are refused, and nothing of them is stored"""
    s, other = sensor("forged"), Key()
    good = s.chain.batch(s.chain.lines(5))
    assert s.send(good)[0] == 200
    peek = Chain(s.key, "forged", s.chain.epoch)
    peek.number, peek.seq, peek.prev = s.chain.number, s.chain.seq, s.chain.prev
    lines = peek.lines(3)
    ok = peek.batch(lines)
    cases = {
        "line changed": ok.replace(b"hmi1", b"hmi2", 1),
        "line missing": ok[:ok.rindex(b"{")],
        "cut": ok[:-7],
        "signature": ok.replace(ok.split(b"\n")[0][-4:], b"AAAA", 1),
        "no batch": b"", "text": b"hello\n", "binary": bytes(range(256)) * 40,
        "another's key": Chain(other, "forged", s.chain.epoch).batch(lines),
        "another's name": Chain(s.key, "s1", s.chain.epoch).batch(lines),
    }
    for alg in ("none", "HS256", "EdDSA ", "ES256", None, 7):
        cases[f"alg {alg}"] = peek.batch(lines, header={"alg": alg})
    cases["typ"] = peek.batch(lines, header={"typ": "interlock-permit+jws"})
    cases["crit"] = peek.batch(lines, header={"crit": ["exp"]})
    unsigned = cases["alg none"].split(b"\n", 1)
    cases["none, no signature"] = unsigned[0].rsplit(b".", 1)[0] + b".\n" + unsigned[1]
    for over in ({"v": 2}, {"n": 10 ** 9}, {"n": -1}, {"first": 0}, {"sha256": "0" * 63}, {"root": "g" * 64}, {"iss": "x" * 300}, {"batch": 0},
                 {"epoch": 2 ** 60}):
        cases[f"payload {over}"] = peek.batch(lines, **over)
    for what, body in cases.items():
        status, answer = s.send(body)
        assert status in (400, 422) and "error" in answer, (what, status, answer)
        assert s.call("GET", "/ingest/v1/position")[1]["batch"] == 1, what
    assert len(viewer.items("alerts", sensor="forged")) == 5
    assert incidents("forged", "chain.signature")[0]["severity"] == 1


def fork():
    """two batches with one number are a fork: refused, an incident, shown at the sensor"""
    s = sensor("fork")
    first = s.chain.batch(s.chain.lines(1))
    assert s.send(first)[0] == 200
    twin = Chain(s.key, "fork", s.chain.epoch)
    status, answer = s.send(twin.batch(twin.lines(2)))
    assert status == 409 and answer["error"]["code"] == "fork", answer
    assert of("fork")["chain"] == "fork" and of("fork")["state"] == "trouble"
    assert incidents("fork", "chain.fork")[0]["kind"] == "chain"
    assert s.send(s.chain.batch(s.chain.lines(1)))[0] == 200  # the true one goes on
    twin.number, twin.seq = s.chain.number, s.chain.seq
    assert s.send(twin.batch(twin.lines(1)))[1]["error"]["code"] == "fork"  # another prev


def gap():
    """what is missing is asked for; what the sensor itself removed, and signed for, is a shown loss"""
    s = sensor("gap")
    assert s.send(s.chain.batch(s.chain.lines(2)))[0] == 200
    for _ in range(3):
        s.chain.batch(s.chain.lines(2))  # these are lost with the journal's oldest segment
    kept = s.chain.batch(s.chain.lines(2))
    status, answer = s.send(kept)
    assert (status, answer["error"]["code"], answer["have"]) == (409, "gap", {"epoch": s.chain.epoch, "batch": 1})
    s.chain.batch((), oldest=4)
    assert s.send(kept, **{"Interlock-Statement": s.chain.jws})[0] == 409  # batch 4 is said to be there
    last = s.chain.batch((), oldest=5)
    status, answer = s.send(kept, **{"Interlock-Statement": s.chain.jws.replace("A", "B")})
    assert status in (400, 422), answer
    status, answer = s.send(kept, **{"Interlock-Statement": s.chain.jws})
    assert status == 200, answer
    assert of("gap")["gaps"] == [{"epoch": s.chain.epoch, "from": 2, "to": 4, "signed_loss": True}] and of("gap")["chain"] == "gap"
    assert incidents("gap", "chain.loss")
    assert s.send(last)[0] == 409


def reinstalled():
    """a sensor that lost its state begins a new epoch: taken, and told"""
    s = sensor("anew")
    assert s.send(s.chain.batch(s.chain.lines(1)))[0] == 200
    old, s.chain = s.chain, Chain(s.key, "anew", s.chain.epoch + 10)
    assert s.send(s.chain.batch(s.chain.lines(1)))[0] == 200
    assert incidents("anew", "chain.epoch")
    status, answer = s.send(old.batch(old.lines(1)))  # never seen, and its epoch is over
    assert (status, answer["error"]["code"]) == (409, "fork"), answer
    assert of("anew")["epoch"] == s.chain.epoch


def enrolment():
    """tokens work once, for their name and key; a pending sensor waits for an admin; a revoked one is out"""
    key, s = Key(), Sensor(co.ingest, tmp / "pending")
    ca = co.dir / "ca.crt"
    assert s.enrol(ca, "A" * 32, "pending", key)[0] == 403
    token = co.token("pending", "--site", "hall-1")
    assert s.enrol(ca, token, "other", key)[0] == 403
    assert s.enrol(ca, token, "pending", key, proof=Key().jws("interlock-enrol+jws", {"token": token}))[0] == 422
    assert s.enrol(ca, token, "pending", key, proof=key.jws("interlock-batch+jws", {"token": token}))[0] == 422
    assert s.enrol(ca, token, "pending", key, proof=key.jws("interlock-enrol+jws", {"token": "x"}))[0] == 422
    status, answer = s.enrol(ca, token, "pending", key)
    assert (status, answer["state"]) == (200, "pending"), answer
    assert s.enrol(ca, token, "pending", key)[0] == 403  # once
    s.enrol_key, chain = key, Chain(key, "pending")
    b = chain.batch(chain.lines(1))
    status, answer = s.send(b)
    assert (status, answer["error"]["code"]) == (403, "pending"), answer
    assert of("pending")["state"] == "pending" and of("pending")["keys"][0]["kid"] == key.kid
    me = of("pending")["id"]
    assert admin.post(f"sensors/{me}", {"action": "approve"})[1]["state"] == "ok"
    assert s.send(b)[0] == 200
    assert s.call("POST", "/ingest/v1/batches", b, cert=False)[0] == 401
    status, answer = admin.post(f"sensors/{me}", {"action": "rotate"})
    new, again = Key(), Sensor(co.ingest, tmp / "pending2")
    assert again.enrol(ca, answer["token"], "pending", new)[1]["state"] == "active"
    assert s.send(chain.batch())[0] == 403  # the certificate before
    s = again
    assert s.send(chain.batch(chain.lines(1)))[0] in (200, 409)  # what the old key signed is still in the journal
    assert {k["state"] for k in of("pending")["keys"]} == {"active", "retired"}
    kid = Key()
    bound = Sensor(co.ingest, tmp / "bound")
    token = co.token("bound", "--kid", kid.kid)
    assert bound.enrol(ca, token, "bound", Key())[0] == 403
    assert bound.enrol(ca, token, "bound", kid)[1]["state"] == "active"
    assert admin.post(f"sensors/{me}", {"action": "revoke"})[1]["state"] == "revoked"
    s.close()
    assert s.send(chain.batch())[0] == 403


def roles():
    """nobody, viewer, analyst, admin: each may what he may, and what is refused is in the audit log"""
    nobody = Person(co.page)
    spec = [("GET", p, "viewer") for p in "me overview alerts incidents sensors map assets attack timeline search?q=ab proposals export".split()]
    spec += [("GET", "audit", "admin"), ("GET", "users", "admin"), ("POST", "sensors/tokens", "admin"), ("POST", "sensors/1", "admin"),
             ("POST", "users", "admin"), ("POST", "users/nobody", "admin"), ("POST", "incidents/1", "analyst"), ("POST", "alerts/1/expected", "analyst"),
             ("POST", "proposals/1", "analyst"), ("GET", "library", "viewer"), ("POST", "library/reload", "admin"), ("POST", "incidents/1/steps", "analyst"), ("POST", "incidents/1/apply", "admin"), ("GET", "prepared", "viewer"), ("GET", "rollouts", "viewer"), ("POST", "rollouts", "admin"),
             ("GET", "incidents/1/export", "viewer"), ("GET", "destinations", "viewer"), ("POST", "destinations", "admin"), ("POST", "incidents/1/share", "analyst"),
             ("GET", "indicators", "viewer"), ("POST", "indicators", "analyst"), ("POST", "indicators/1/remove", "analyst"), ("GET", "watch-list", "viewer"),
             ("POST", "incidents/1/bulletin", "analyst"), ("GET", "bulletins", "analyst"), ("GET", "notifications", "viewer"), ("GET", "contacts", "admin"), ("POST", "contacts", "admin"), ("GET", "bulletins/1/bulletin.jws", "analyst")]
    order = ["viewer", "analyst", "admin"]
    for method, path, least in spec:
        status = nobody.call(method, "/api/v1/" + path, "{}" if method == "POST" else None)[0]
        assert status == 401, (path, status)
        for who in (viewer, analyst, admin):
            status = who.call(method, "/api/v1/" + path, "{}" if method == "POST" else None)[0]
            may = order.index(who.user) >= order.index(least)
            assert (status == 403) != may, (method, path, who.user, status)
            if method == "POST" and may:  # a session alone is not enough
                status, answer, _ = who.call(method, "/api/v1/" + path, "{}", csrf=False)
                assert (status, answer["error"]["code"]) == (403, "csrf")
                assert who.call(method, "/api/v1/" + path, "{}", csrf=False, headers={"X-CSRF-Token": viewer.csrf if who is not viewer else "x"})[0] == 403
    time.sleep(1.1)  # refusals are written so many a second; the next one says how many were not
    assert viewer.call("GET", "/api/v1/users")[0] == 403 and nobody.call("GET", "/api/v1/alerts")[0] == 401
    log = admin.items("audit", limit=500)
    assert any("more before are not listed" in e["text"] for e in log)
    assert any(e["action"] == "refused" and e["user"] == "viewer" and e["object"] == "/api/v1/users" for e in log)
    assert any(e["action"] == "refused" and e["user"] == "" for e in log)


def incident_work():
    """an analyst takes an incident, says something, closes it; it is logged who did"""
    i = viewer.items("incidents", sensor="s1")[0]["id"]
    assert analyst.post(f"incidents/{i}", {"state": "ack", "assignee": "analyst", "note": "<script>alert(1)</script>"})[1]["state"] == "ack"
    got = viewer.get(f"incidents/{i}")
    assert got["assignee"] == "analyst" and {(e["user"], e["text"]) for e in got["log"]} >= {("analyst", "<script>alert(1)</script>"), ("analyst", "acknowledged")}
    assert analyst.post(f"incidents/{i}", {"state": "burnt"})[0] == 400 and analyst.post("incidents/999999", {"state": "ack"})[0] == 404


def proposal():
    """an alert that was expected becomes disabled rules of the sensor's policy with what they change; without the policy that is said"""
    a = viewer.items("alerts", sensor="s1")[0]["id"]
    status, answer = analyst.post(f"alerts/{a}/expected", {"note": "new recipe"})
    p = answer["proposal"]
    assert status == 200 and p["state"] == "proposed" and p["policy"] == "" and yaml.safe_load(p["rule_yaml"]) is None and "policy propose" in p["rule_yaml"], answer
    s, name = sensor("p1"), "policies/filling-line.yaml"
    text = pathlib.Path(name).read_text()
    eve = subprocess.run([INTERLOCK, "replay", "-q", "--inline", "-p", name, "--eve", "-", "pcaps/mixed/plant.pcap"], capture_output=True, text=True).stdout.splitlines()
    alert = next(x for x in map(json.loads, eve) if x["alert"]["metadata"].get("il_op") == ["write_single_register"])
    alert["alert"]["metadata"]["il_seq"] = ["1"]
    (tmp / "one.json").write_text(json.dumps(alert))
    assert s.send(s.chain.batch([json.dumps(alert).encode()]))[0] == 200
    a = viewer.items("alerts", sensor="p1")[0]["id"]

    def put(files, main="plant.yaml"):
        return s.call("PUT", "/ingest/v1/policy", json.dumps({"v": 1, "name": main, "files": files}))[:2]

    for wrong in ({"plant.yaml": "interlock: 1\nmode: alert\nzones: 3\n"}, {}, {"plant.yaml": 3}, {"plant.yaml": text.replace("zones:", "include: [no.yaml]\nzones:")}):
        status, answer = put(wrong)
        assert status == 422, (wrong, answer)
    why = put({"plant.yaml": "interlock: 1\nmode: alert\nzones: 3\n"})[1]["error"]["message"]
    assert why.startswith("plant.yaml:"), why
    assert put({"plant.yaml": text})[0] == 200
    status, answer = analyst.post(f"alerts/{a}/expected", {"note": "new recipe"})
    p = answer["proposal"]
    rule = yaml.safe_load(p["rule_yaml"])[0]
    assert status == 200 and rule["enabled"] is False and rule["functions"] == ["write_single_register"], p
    assert p["policy"] == alert["alert"]["metadata"]["il_policy"][0] and p["diff"].startswith("+ ") and "judged by" not in p["notes"], p
    said = subprocess.run([INTERLOCK, "policy", "propose", "-p", name, tmp / "one.json"], capture_output=True, text=True).stdout
    assert all(line.strip() in said for line in p["rule_yaml"].splitlines() + p["diff"].splitlines()), (said, p)
    got = s.call("GET", "/ingest/v1/proposals")[1]["items"][0]
    assert {k: got[k] for k in ("id", "rule_yaml", "diff", "policy", "note")} == {k: p[k] for k in ("id", "rule_yaml", "diff", "policy", "note")}
    assert next(x for x in viewer.get("proposals")["items"] if x["id"] == p["id"])["state"] == "fetched"
    both = {"plant.yaml": text + "include: [more.yaml]\n", "more.yaml": "interlock: 1\nzones: {cell2: {level: 1, nets: [10.1.9.0/24]}}\n"}
    assert put(both)[0] == 200 and put({"plant.yaml": both["plant.yaml"]})[0] == 422
    assert "cell2" in {z["name"] for z in viewer.get("map")["zones"] if z["site"] == "bottling-line-2"}
    assert put({"plant.yaml": text + "# another text, the same rules\n"})[0] == 200
    p = analyst.post(f"alerts/{a}/expected", {})[1]["proposal"]
    assert "the alert was judged by policy " + alert["alert"]["metadata"]["il_policy"][0] in p["notes"], p
    assert {z["name"] for z in viewer.get("map")["zones"] if z["site"] == "bottling-line-2"} >= {"scada", "cell1"}


def rolled_out():
    """a signed policy is offered to the sensors of its stage; what is not signed, too much or not theirs is refused"""
    folder = tmp / "rolled"
    folder.mkdir()
    line, other = sensor("r1"), sensor("r2")
    (folder / "p.yaml").write_text("interlock: 1\nsite: r\nmode: enforce\ninclude: [z.yaml]\n")
    (folder / "z.yaml").write_text("interlock: 1\nzones: {a: {level: 1, nets: [10.1.9.0/24]}}\n")
    subprocess.run([INTERLOCK, "key", "new", folder / "k"], check=True, capture_output=True)
    subprocess.run([INTERLOCK, "policy", "sign", "--key", folder / "k", folder / "p.yaml"], check=True, capture_output=True)
    files = {n: (folder / n).read_text() for n in ("p.yaml", "z.yaml")}
    good = {"policy": {"name": "p.yaml", "files": files}, "minisig": (folder / "p.yaml.minisig").read_text(), "stages": [["r1"], ["r2"]]}
    for bad, status in [({"minisig": ""}, 400), ({"minisig": None}, 400), ({"policy": {}}, 400), ({"policy": {"name": "p.yaml", "files": files | {"z.yaml": files["z.yaml"] + " "}}}, 400),
                        ({"policy": {"name": "p.yaml", "files": {"p.yaml": files["p.yaml"]}}}, 400), ({"stages": []}, 400), ({"stages": [[]]}, 400), ({"stages": ["r1"]}, 400), ({"stages": [[7]]}, 404),
                        ({"stages": [["nobody"]]}, 404), ({"stages": [["r1", "r1"]]}, 409), ({"trial_s": 60, "soak_s": 50}, 400), ({"soak_s": -1}, 400), ({"trial_s": "long"}, 400)]:
        assert admin.post("rollouts", good | bad)[0] == status, bad
    assert viewer.post("rollouts", good)[0] == analyst.post("rollouts", good)[0] == 403
    assert viewer.get("rollouts")["items"] == []
    assert line.call("GET", "/ingest/v1/rollout")[1] == {}
    status, r = admin.post("rollouts", good)
    assert status == 200 and r["state"] == "running" and [s["stage"] for s in r["sensors"]] == [1, 2], r
    assert admin.post("rollouts", good)[0] == 409
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("id") == r["id"], 5)
    offer = line.call("GET", "/ingest/v1/rollout")[1]
    assert offer == {"id": r["id"], "policy": r["policy"], "name": "p.yaml", "trial_s": 600, "confirm": False}, offer
    assert other.call("GET", "/ingest/v1/rollout")[1] == {} and other.call("GET", f"/ingest/v1/rollout/{r['id']}")[0] == 404
    bundle, got = line.call("GET", f"/ingest/v1/rollout/{r['id']}")[1], {}
    while bundle:
        head, bundle = bundle.split(b"\n", 1)
        n, name = head.split(b" ", 1)
        got[name.decode()], bundle = bundle[:int(n)].decode(), bundle[int(n):]
    assert got == files | {"p.yaml.minisig": good["minisig"]}, got
    # Its word alone does not make it run that: a signed line has to say so.
    assert line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=in_force")[1]["id"] == r["id"]
    assert [s["step"] for s in viewer.get(f"rollouts/{r['id']}")["sensors"]] == ["offered", "waits"]
    assert line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=refused&why=no%20key%3Cscript%3E")[1] == {}
    got = viewer.get(f"rollouts/{r['id']}")
    assert got["state"] == "failed" and got["sensors"][0]["step"] == "refused" and got["sensors"][0]["said"] == "no key<script>", got
    assert len(incidents("r1", "rollout.failed")) == 1
    assert admin.post(f"rollouts/{r['id']}", {"do": "go"})[0] == 409 and admin.post(f"rollouts/{r['id']}", {"do": "burn"})[0] == 400
    assert admin.post("rollouts/999", {"do": "stop"})[0] == 404 and viewer.post(f"rollouts/{r['id']}", {"do": "stop"})[0] == 403
    r = admin.post("rollouts", good)[1]
    assert admin.post(f"rollouts/{r['id']}", {"do": "stop"})[1]["state"] == "stopped"
    # What its signed lines say counts: on trial, confirmed when asked and told so, and pinned when all of it is done.
    r = admin.post("rollouts", good | {"stages": [["r1"]], "soak_s": 0, "automatic": True})[1]
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("id") == r["id"], 5)
    # An incident that begins with the very lines which tell of the policy may have come of it.
    told = [json.dumps(json.loads(l), separators=(",", ":")).encode() for l in line.chain.lines(1, meta={"il_policy": [r["policy"]], "il_build": ["aaaa000000000001"]})]
    assert line.send(line.chain.batch(told))[0] == 200
    until(lambda: viewer.get(f"rollouts/{r['id']}")["state"] == "held", 10)
    assert "has incident" in viewer.get(f"rollouts/{r['id']}")["why"] and not line.call("GET", "/ingest/v1/rollout")[1]["confirm"]
    assert admin.post(f"rollouts/{r['id']}", {"do": "go"})[1]["state"] == "running"
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("confirm"), 10)
    assert viewer.get(f"rollouts/{r['id']}")["sensors"][0]["step"] == "confirming"
    assert line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=in_force")[0] == 200
    until(lambda: viewer.get(f"rollouts/{r['id']}")["state"] == "done", 5)
    assert next(f["pinned_policy"] for f in viewer.get("fleet")["items"] if f["name"] == "r1") == r["policy"]
    assert {"rollout.begin", "rollout.go", "rollout.stop"} <= {e["action"] for e in admin.items("audit")}


def described():
    """openapi.yaml has every route with its role, and real answers are as it says"""
    spec = yaml.safe_load(pathlib.Path("collector/openapi.yaml").read_text())
    routes = re.findall(r'^ROUTE\((\w+), (\w+), "(\w+)", "([^"]+)"', pathlib.Path("collector/routes.def").read_text(), re.M)
    have = {(m.upper(), re.sub(r"{\w+}", "*", p)): op["x-role"] for p, ops in spec["paths"].items() for m, op in ops.items() if m != "parameters"}
    assert have == {(m, p): role.lower() for _, role, m, p in routes}, set(have) ^ {(m, p) for _, _, m, p in routes}
    resolver = jsonschema.RefResolver("", spec)
    a, i = viewer.items("alerts", sensor="s1")[0]["id"], viewer.items("incidents")[0]["id"]
    ids = {"/api/v1/library/playbooks/{id}": "plc-stop", "/api/v1/library/pages/{id}": "s7", "/api/v1/alerts/{id}": a, "/api/v1/alerts/{id}/proof": a, "/api/v1/incidents/{id}": i, "/api/v1/assets/{id}": None,
           "/api/v1/rollouts/{id}": viewer.get("rollouts")["items"][0]["id"]}
    checked = 0
    for path, ops in spec["paths"].items():
        schema = ops.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json", {}).get("schema")
        if not schema or not path.startswith("/api/") or ids.get(path, 1) is None:
            continue
        status, answer, _ = admin.call("GET", path.replace("{id}", str(ids.get(path, ""))) + ("?q=plc" if path.endswith("search") else ""))
        assert status == 200, (path, status)
        jsonschema.Draft202012Validator(schema, resolver=resolver).validate(answer)
        checked += 1
    assert checked >= 19, checked
    error = {"$ref": "#/components/schemas/Error"}
    for who, path in ((Person(co.page), "/api/v1/alerts"), (viewer, "/api/v1/alerts/1"), (viewer, "/api/v1/nothing"), (viewer, "/api/v1/users")):
        status, answer, _ = who.call("GET", path)
        assert status >= 400
        jsonschema.Draft202012Validator(error, resolver=resolver).validate(answer)


def playbook():
    """the best playbook stands beside an alert and its incident; steps are ticked by analysts, stored, and told"""
    stop = s1.chain.lines(1, src="eng1", dst="plc-caps", app_proto="s7", rule="r-stop",
                          meta={"il_op": ["stop"], "il_access": ["control"], "il_seq": [str(s1.chain.seq + 1)], "mitre_technique_id": ["T0855", "T0858"]})
    assert s1.send(s1.chain.batch(stop))[0] == 200
    a = viewer.get(f"alerts/{viewer.items('alerts', sensor='s1', limit=1)[0]['id']}")
    at = f"incidents/{a['incident']}"
    found = subprocess.run([INTERLOCK, "library", "find", "--json", "--signature", str(a["signature_id"]), "--op", "stop", "--access", "control", "--reason", a["reason"],
                            "--proto", a["proto"], "--technique", "T0858", "library"], capture_output=True, text=True).stdout
    best = [p["id"] for p in json.loads(found)["playbooks"]]
    for got in (a, viewer.get(at)):
        assert got["playbook"]["id"] == "plc-stop" == best[0] and got["playbook"]["title"]["zh"], got["playbook"]
        assert {p["id"] for p in got["playbooks"]} and got["pages"][0]["id"] == "s7" and got["ticks"] == [], (got["playbooks"], got["pages"], got["ticks"])
    step = {"playbook": "plc-stop", "step": a["playbook"]["steps"][0]["id"], "done": True, "note": "<b>hall 2</b>"}
    assert viewer.post(at + "/steps", step)[0] == 403
    status, t = analyst.post(at + "/steps", step)
    t = t["ticks"][0]
    assert status == 200 and (t["user"], t["step"], t["version"], t["note"]) == ("analyst", step["step"], a["playbook"]["version"], "<b>hall 2</b>"), t
    assert abs(t["time"] - time.time() * 1000) < 60000
    assert admin.post(at + "/steps", step | {"note": ""})[1]["ticks"] == [t]  # who was first stays
    other = next(p for p in a["playbooks"])
    first = viewer.get(f"library/playbooks/{other['id']}")["steps"][0]["id"]
    assert len(admin.post(at + "/steps", step | {"playbook": other["id"], "step": first})[1]["ticks"]) == 2
    assert viewer.get(f"alerts/{a['id']}")["ticks"][0] == t
    assert [x["playbook"] for x in analyst.post(at + "/steps", step | {"done": False})[1]["ticks"]] == [other["id"]]
    log = [e["text"] for e in viewer.get(at)["log"]]
    assert {f"done: plc-stop/{step['step']}", f"not done after all: plc-stop/{step['step']}", "<b>hall 2</b>"} <= set(log), log
    said = [(e["user"], e["text"]) for e in admin.items("audit", limit=500) if e["action"] == "step" and e["object"] == str(a["incident"])]
    assert said[::-1] == [("analyst", f"done plc-stop/{step['step']} version {t['version']}"), ("admin", f"done {other['id']}/{first} version {other['version']}"),
                          ("analyst", f"undone plc-stop/{step['step']} version {t['version']}")], said
    for wrong, status in (({"step": "no-such"}, 404), ({"playbook": "../x"}, 404), ({"done": 1}, 400), ({"note": "x" * 501}, 400)):
        assert analyst.post(at + "/steps", step | wrong)[0] == status, wrong
    assert analyst.post("incidents/999999/steps", step)[0] == 404
    page = viewer.get("library/pages/s7")
    assert page["body"]["zh"] and viewer.call("GET", "/api/v1/library/pages/nothing")[0] == 404
    lost = [i for i in viewer.items("incidents", sensor="gap") if i["rule"] == "chain.loss"][0]["id"]
    assert viewer.get(f"incidents/{lost}")["playbook"]["id"] == "journal-gap"


def applied():
    """a step's prepared policy or permit: offered by an admin to sensors it is for, ticked when they have confirmed, told when they refuse"""
    folder = tmp / "prepared"
    folder.mkdir()
    line = sensor("a1")
    sensor("a2")
    for k in ("k", "lead"):
        subprocess.run([INTERLOCK, "key", "new", folder / k], check=True, capture_output=True)
    (folder / "p.yaml").write_text("interlock: 1\nsite: a\nmode: enforce\nzones: {a: {level: 1, nets: [10.1.9.0/24]}}\n")

    def prepare(*args):
        r = subprocess.run([INTERLOCK, "collect", "prepare", co.dir, *args], capture_output=True, text=True)
        return int(r.stdout) if r.returncode == 0 and r.stdout else r.stderr

    def permit(name, *args):
        subprocess.run([INTERLOCK, "permit", "new", "--key", folder / "lead", "--by", "J. Doe", "--site", "a", "--window", "service", "--from", "hmi", "--to", "plc", "-o", folder / name, *args], check=True)
        return next(l.split()[1] for l in subprocess.run([INTERLOCK, "permit", "show", folder / name], capture_output=True, text=True).stdout.splitlines())

    assert "minisig" in prepare("read-only", folder / "p.yaml", "--sensor", "a1")
    subprocess.run([INTERLOCK, "policy", "sign", "--key", folder / "k", folder / "p.yaml"], check=True, capture_output=True)
    jti = permit("good.jws", "--until", "1h")
    permit("late.jws", "--until", f"@{int(time.time()) - 60}", "--start", f"@{int(time.time()) - 120}")
    assert "no such sensor" in prepare("read-only", folder / "p.yaml", "--sensor", "a1,nobody") and "a name is" in prepare("Read", folder / "p.yaml", "--sensor", "a1")
    assert "expired" in prepare("late", folder / "late.jws", "--permit", "--sensor", "a1") and "not a permit" in prepare("x", folder / "p.yaml", "--permit", "--sensor", "a1")
    policy, other = prepare("read-only", folder / "p.yaml", "--sensor", "a1"), prepare("service", folder / "good.jws", "--permit", "--sensor", "a1,a2")
    items = {p["id"]: p for p in viewer.get("prepared")["items"]}
    assert [(items[i]["name"], items[i]["kind"], items[i]["sensors"], items[i]["permit"]) for i in (policy, other)] == [("read-only", "policy", ["a1"], ""), ("service", "permit", ["a1", "a2"], jti)], items
    assert abs(items[policy]["signed"] - time.time() * 1000) < 60000 and items[other]["expires"] > time.time() * 1000 and len(items[policy]["policy"]) == 32

    assert line.send(line.chain.batch(line.chain.lines(1)))[0] == 200
    i = viewer.items("incidents", sensor="a1")[0]["id"]
    at = f"incidents/{i}"
    steps = {s["action"]["kind"]: (s["id"]) for s in viewer.get("library/playbooks/program-download")["steps"] if "action" in s}
    idle = next(s["id"] for s in viewer.get("library/playbooks/program-download")["steps"] if "action" not in s)
    body = {"playbook": "program-download", "step": steps["policy"], "prepared": policy, "soak_s": 0}
    for who in (viewer, analyst):
        assert who.post(at + "/apply", body)[0] == 403
    assert admin.call("POST", f"/api/v1/{at}/apply", body, csrf=False)[0] == 403
    for wrong, status in (({"step": idle}, 404), ({"step": steps["permit"]}, 400), ({"playbook": "no"}, 404), ({"prepared": 999}, 404), ({"prepared": "1"}, 400), ({"sensors": ["a2"]}, 404),
                          ({"sensors": ["nobody"]}, 404), ({"sensors": [7]}, 404), ({"sensors": "a1"}, 400), ({"sensors": ["a1", "a1"]}, 409), ({"trial_s": 1}, 400), ({"prepared": other}, 400), ({"soak_s": 600}, 400)):
        assert admin.post(at + "/apply", body | wrong)[0] == status, wrong
    assert admin.post("incidents/999999/apply", body | {"sensors": ["a1"]})[0] == 404 and viewer.get(at)["applied"] == []

    # A policy: ticked off when the sensor's own lines say that it is confirmed, not when it is offered.
    status, r = admin.post(at + "/apply", body)
    assert status == 200 and (r["kind"], r["incident"], r["step"], r["stages"], r["sensors"][0]["name"]) == ("policy", i, steps["policy"], 1, "a1"), r
    assert admin.post(at + "/apply", body | {"step": steps["permit"], "prepared": other})[0] == 409
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("policy") == r["policy"], 5)
    assert viewer.get(at)["ticks"] == [] and viewer.get(at)["applied"][0]["state"] == "running"
    told = [json.dumps(json.loads(l), separators=(",", ":")).encode() for l in line.chain.lines(1, meta={"il_policy": [r["policy"]], "il_build": ["aaaa000000000001"]})]
    assert line.send(line.chain.batch(told))[0] == 200
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("confirm"), 10)
    line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=in_force")
    until(lambda: viewer.get(at)["ticks"], 10)
    t = viewer.get(at)["ticks"][0]
    assert (t["playbook"], t["step"], t["user"], t["note"]) == ("program-download", steps["policy"], "admin", f"#{r['id']} p.yaml"), t

    # A permit: its id, its bytes; the sender's word needs a signed line that one opened.
    permit_of = {"playbook": "program-download", "step": steps["permit"], "prepared": other}
    r = admin.post(at + "/apply", permit_of)[1]
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("id") == r["id"], 5)
    assert line.call("GET", "/ingest/v1/rollout")[1] == {"id": r["id"], "kind": "permit", "permit": jti}
    assert line.call("GET", f"/ingest/v1/rollout/{r['id']}")[1].decode().strip() == (folder / "good.jws").read_text().strip()
    line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=in_force")
    assert viewer.get(f"rollouts/{r['id']}")["sensors"][0]["step"] == "offered"
    assert line.send(line.chain.batch(line.chain.lines(1, meta={"il_event": ["permit.opened"]})))[0] == 200
    line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=in_force")
    until(lambda: len(viewer.get(at)["ticks"]) == 2, 10)
    assert viewer.get(f"rollouts/{r['id']}")["state"] == "done" and line.call("GET", "/ingest/v1/rollout")[1] == {}
    assert next(f["pinned_policy"] for f in viewer.get("fleet")["items"] if f["name"] == "a1") == items[policy]["policy"]  # a permit pins nothing

    # Refused, stopped, too late: told in the log, and the step is as it was.
    assert analyst.post(at + "/steps", {"playbook": "program-download", "step": steps["permit"], "done": False})[0] == 200
    r = admin.post(at + "/apply", permit_of | {"sensors": ["a1"]})[1]
    until(lambda: line.call("GET", "/ingest/v1/rollout")[1].get("id") == r["id"], 5)
    line.call("GET", f"/ingest/v1/rollout?id={r['id']}&state=refused&why=signed%20by%20a%20key%20that%20may%20not")
    assert viewer.get(f"rollouts/{r['id']}")["state"] == "failed"
    r = admin.post(at + "/apply", permit_of)[1]
    assert admin.post(f"rollouts/{r['id']}", {"do": "stop"})[1]["state"] == "stopped"
    for seconds in (3, 9, 27, 81):  # as many as it takes to bring it here in time
        permit("soon.jws", "--until", f"@{int(time.time()) + seconds}")
        if isinstance(short := prepare("short", folder / "soon.jws", "--permit", "--sensor", "a1"), int):
            break
    expires = next(p["expires"] for p in viewer.get("prepared")["items"] if p["id"] == short)
    time.sleep(max(0, expires / 1000 - time.time()))
    assert admin.post(at + "/apply", permit_of | {"prepared": short})[0] == 400
    got = viewer.get(at)
    log = [(e["key"], e["value"]) for e in got["log"]]
    assert ("stopped", f"#{r['id']}") in log and any(k == "not_applied" and "a1 refuses it" in v for k, v in log) and [k for k, _ in log].count("applied") == 2, log
    assert len(got["ticks"]) == 1 and [a["state"] for a in got["applied"]] == ["stopped", "failed", "done", "done"], got["applied"]
    said = [(e["ok"], e["text"]) for e in admin.items("audit", limit=500) if e["action"] == "step.apply" and e["object"] == str(i)]
    assert (True, f'program-download/{steps["policy"]}: policy read-only to ["a1"]') in said and any(not ok for ok, _ in said), said
    assert subprocess.run([INTERLOCK, "collect", "prepare", co.dir, "--remove", str(policy)]).returncode == 0 and policy not in {p["id"] for p in viewer.get("prepared")["items"]}


def library():
    """with a key the library has to be signed by it, and never gets older, also after a restart"""
    folder = tmp / "lib"
    books = folder / "library"
    shutil.copytree("library", books)

    def il(*args):
        return subprocess.run([INTERLOCK, *map(str, args)], check=True, capture_output=True)

    def version(n, sign=True):
        head = books / "library.yaml"
        head.write_text(re.sub(r"(?m)^version: \d+", f"version: {n}", head.read_text()))
        if sign:
            il("library", "sign", "--key", folder / "k", books)

    def state(who):
        x = who.get("library")
        return x["state"], x["version"], x["refused"]

    il("key", "new", folder / "k")
    il("key", "new", folder / "other")
    own = Collector(folder, ["--library", str(books), "--library-key", str(folder / "k.pub")], stderr=subprocess.DEVNULL).start()
    try:
        boss, eye = Person(own.page, "admin"), Person(own.page, "viewer")
        assert state(eye) == ("refused", 0, True)  # nobody signed it
        assert boss.get("library")["problems"] and eye.get("library")["problems"] == []
        version(7)
        assert boss.post("library/reload", {})[1]["state"] == "verified" and state(eye) == ("verified", 7, False)
        assert len(eye.get("library")["playbooks"]) >= 12
        for bad in (lambda: version(8, sign=False), lambda: version(6), lambda: il("library", "sign", "--key", folder / "other", books)):
            bad()
            boss.post("library/reload", {})
            assert state(eye) == ("verified", 7, True)
        version(6)
        own.stop()
        own.start()
        boss, eye = Person(own.page, "admin"), Person(own.page, "viewer")
        assert state(eye) == ("refused", 0, True) and "older" in boss.get("library")["problems"][0]
        version(8)
        own.proc.send_signal(signal.SIGHUP)
        collector.until(lambda: state(eye) == ("verified", 8, False))
        # The line of a reload by signal comes after the library is in force.
        collector.until(lambda: [e["ok"] for e in boss.items("audit") if e["action"] == "library"] == [True, False, False, False, True])
    finally:
        own.stop()


def filters():
    """a text, a technique, two things at once: every page of a list has what a look at all of them finds, in its order"""
    s = sensor("many")
    now = int(time.time())
    for n in range(6):  # a third of them hours ago, so that there is much time without any
        lines = []
        for i in range(40):
            when = now - 3600 * 7 * (i % 3) - 37 * (n * 40 + i)
            lines += s.chain.lines(1, src=f"station-{i % 7}", dst=f"plc-{n}", rule=f"r{i % 5}", object=f"holding {i}", site=f"hall-{i % 2}",
                                   app_proto=("modbus", "s7")[i % 11 == 0], severity=1 + i % 3, time=time.strftime("%Y-%m-%dT%H:%M:%S.000000+0000", time.gmtime(when)),
                                   signature="\u5199\u5165\u5bc4\u5b58\u5668 \"100%\"" if i == 17 else "write",
                                   meta={"il_seq": [str(s.chain.seq + i + 1)], "mitre_technique_id": [("T0855", "T0888", "T0843")[i % 13 % 3]]})
        assert s.send(s.chain.batch(lines))[0] == 200
    everything = viewer.items("alerts", sensor="many", limit=500)
    assert len(everything) == 240 and everything == sorted(everything, key=lambda a: (-a["time"], -a["id"]))

    def text(q):
        return lambda a: any(q.lower() in (x or "").lower() for x in (a["signature"], a["src"]["name"], a["dst"]["name"], a["rule"], a["object"], a["op"],
                                                                     a["src"]["ip"], a["dst"]["ip"], a["conduit"]))
    looks = [({"q": q}, text(q)) for q in ("station-3", "holding 17", "OLDING 1", "\u5bc4\u5b58\u5668", '"100%"', "r4", "4", "%", "no such text", "plc-5")]
    looks += [({"technique": "T0888"}, lambda a: a["techniques"] == ["T0888"]), ({"site": "hall-1"}, lambda a: a["site"] == "hall-1"),
              ({"proto": "s7"}, lambda a: a["proto"] == "s7"), ({"technique": "T0999"}, lambda a: False),
              ({"device": "station-2", "rule": "r1"}, lambda a: a["src"]["name"] == "station-2" and a["rule"] == "r1"),
              ({"device": "plc-4", "q": "holding 3", "severity": "1"}, lambda a: a["dst"]["name"] == "plc-4" and text("holding 3")(a) and a["severity"] == 1),
              ({"proto": "s7", "technique": "T0855", "site": "hall-0", "from": (now - 3600 * 8) * 1000}, lambda a: a["proto"] == "s7" and a["techniques"] == ["T0855"]
               and a["site"] == "hall-0" and a["time"] >= (now - 3600 * 8) * 1000),
              ({"q": "write", "to": (now - 3600 * 6) * 1000}, lambda a: text("write")(a) and a["time"] < (now - 3600 * 6) * 1000)]
    for args, fits in looks:
        want = [a["id"] for a in everything if fits(a)]
        for limit in (3, 50):
            got = [a["id"] for a in viewer.items("alerts", sensor="many", limit=limit, **args)]
            assert got == want, (args, limit, len(got), len(want))
    assert {a["sensor"] for a in viewer.get("search", q="holding 17")["alerts"]} == {"many"}
    lines = viewer.call("GET", "/api/v1/export?format=ndjson&sensor=many&q=holding%2017", raw=True)[1].splitlines()
    assert len(lines) == 6


def plant():
    """the map says who made a device, and of what no policy has not on which level it is"""
    s = sensor("mapper")
    assert s.call("PUT", "/ingest/v1/model", json.dumps({"v": 1, "site": "hall-9", "zones": [{"name": "cell", "level": 1}], "conduits": [], "devices": [
        {"name": "press", "zone": "cell", "ips": ["10.9.0.1"], "role": "plc"}, {"name": "robot", "zone": "cell", "ips": ["10.9.0.2"], "role": "plc"}]}))[0] == 200
    assert s.call("PUT", "/ingest/v1/assets", json.dumps({"devices": [
        {"id": "1", "name": "press", "vendor": "Siemens", "model": "S7-1500", "addresses": [{"ip": "10.9.0.1"}]},
        {"id": "2", "name": "10.9.0.2", "vendor": "KUKA", "addresses": [{"ip": "10.9.0.2"}]}]}))[0] == 200
    assert s.send(s.chain.batch(s.chain.lines(1, src="10.9.0.66", dst="press", site="hall-9")))[0] == 200
    zones = {z["name"]: z for z in viewer.get("map")["zones"] if z["site"] == "hall-9"}
    assert zones["cell"]["level"] == 1 and zones["not in the policy"]["level"] is None, zones
    made = {d["name"]: (d["vendor"], d["model"]) for z in zones.values() for d in z["devices"]}
    assert made == {"press": ("Siemens", "S7-1500"), "robot": ("KUKA", None), "10.9.0.66": (None, None)}, made
    other = sensor("mapper-too")
    assert other.call("PUT", "/ingest/v1/model", json.dumps({"v": 1, "site": "hall-8", "zones": [{"name": "cell", "level": 1}], "conduits": [], "devices": [
        {"name": "press", "zone": "cell", "ips": ["10.9.0.1"], "role": "plc"}]}))[0] == 200
    assert other.send(other.chain.batch(other.chain.lines(1, src="10.9.0.66", dst="press", site="hall-8")))[0] == 200
    assert other.send(other.chain.batch(other.chain.lines(2, src="10.9.0.66", dst="press", site="hall-8")))[0] == 200
    # A third one's policy names no site: it is where the sensor was enrolled to.
    third, key = Sensor(co.ingest, tmp / "mapper-three"), Key()
    assert third.enrol(co.dir / "ca.crt", co.token("mapper-three", "--approve", "--site", "hall-7"), "mapper-three", key)[0] == 200
    third.chain = Chain(key, "mapper-three")
    assert third.call("PUT", "/ingest/v1/model", json.dumps({"v": 1, "zones": [{"name": "lone", "level": 1}], "conduits": [], "devices": [
        {"name": "press", "zone": "lone", "ips": ["10.9.0.1"], "role": "plc"}]}))[0] == 200
    assert third.send(third.chain.batch(third.chain.lines(5, src="10.9.0.67", dst="press", meta={"il_site": []})))[0] == 200
    got = viewer.get("map")
    assert [(z["site"], d["alerts_24h"]) for z in got["zones"] if z["name"] == "lone" for d in z["devices"]] == [("hall-7", 5)]
    for site, makes, day in (("hall-8", None, 3), ("hall-9", "Siemens", 1)):  # a press at each, and each was tried by another 10.9.0.66
        there = [d for z in got["zones"] if z["site"] == site for d in z["devices"] if d["name"] in ("press", "10.9.0.66")]
        assert {d["alerts_24h"] for d in there} == {day}, there
        assert sorted((d["name"], d["vendor"]) for d in there) == [("10.9.0.66", None), ("press", makes)], there
        assert [(e["from"], e["to"], e["alerts"]) for e in got["edges"] if e["site"] == site] == [("10.9.0.66", "press", day)]


def quiet():
    """open incidents that went quiet are closed, those that somebody took up and a silent sensor's are not; heartbeats go when they are old"""
    own = Collector(tmp / "quiet", ["--close-quiet", "2s", "--silent", "2s"]).start()
    try:
        who, eye, s = Person(own.page, "analyst"), Person(own.page, "viewer"), Sensor(own.ingest, tmp / "quiet")
        key = Key()
        assert s.enrol(own.dir / "ca.crt", own.token("s"), "s", key)[0] == 200
        chain = Chain(key, "s")
        assert s.send(chain.batch(chain.lines(1, rule="a") + chain.lines(1, rule="b", meta={"il_seq": ["2"]})), chain.batch())[0] == 200
        first = {i["rule"]: i["id"] for i in eye.items("incidents")}
        assert who.post(f"incidents/{first['hmi-filler/b']}", {"state": "ack"})[0] == 200
        collector.until(lambda: eye.get(f"incidents/{first['hmi-filler/a']}")["state"] == "closed")
        assert "nothing more" in eye.get(f"incidents/{first['hmi-filler/a']}")["log"][0]["text"]
        collector.until(lambda: [i for i in eye.items("incidents") if i["rule"] == "sensor.silent"])
        time.sleep(3)
        assert {i["rule"]: i["state"] for i in eye.items("incidents")} == {"hmi-filler/a": "closed", "hmi-filler/b": "ack", "sensor.silent": "open"}
        own.stop()

        def batches(change=None):
            if change:
                own.sql(change)
            return int(own.sql("SELECT count(*) FROM batch")[0][0])

        assert batches("UPDATE batch SET time = time - 2 * 86400000") == 2
        own.options += ["--keep-heartbeats", "3"]
        own.start()
        time.sleep(1)
        own.stop()
        assert batches() == 2
        own.options = []
        own.start()
        collector.until(lambda: batches() == 1)
    finally:
        own.stop()


def served(port):
    """What a listener shows: certificate."""
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as k, c.wrap_socket(k) as t:
        return x509.load_der_x509_certificate(t.getpeercert(True))


def renewed():
    """a certificate is renewed over itself: both are good until the new one is used, then it alone"""
    s = sensor("renewed")

    def renew():
        tls, csr = s.request()
        status, answer, _ = s.call("POST", "/ingest/v1/renew", json.dumps({"csr": csr}))
        assert status == 200 and answer["until"] > (time.time() + 396 * 86400) * 1000, answer
        return tls, answer["certificate"]

    def asks(tls, certificate):
        s.close()
        s.use(tls, certificate)
        return s.call("GET", "/ingest/v1/position")[0]

    assert s.call("POST", "/ingest/v1/renew", "{}")[0] == 400 and s.call("POST", "/ingest/v1/renew", '{"csr":"x"}')[0] == 422
    assert s.call("POST", "/ingest/v1/renew", json.dumps({"csr": s.request()[1]}), cert=False)[0] == 401
    old = ((s.dir / "client.key").read_bytes(), (s.dir / "client.crt").read_text())
    lost, kept = renew(), renew()  # the answer to the first did not arrive
    assert s.call("GET", "/ingest/v1/position")[0] == 200
    assert asks(*kept) == 200 and s.send(s.chain.batch(s.chain.lines(1)))[0] == 200
    assert x509.load_pem_x509_certificate(kept[1].encode()).subject.rfc4514_string() == "CN=renewed"
    assert asks(*lost) == 403
    s.close()
    (s.dir / "client.key").write_bytes(old[0])
    (s.dir / "client.crt").write_text(old[1])
    assert s.call("GET", "/ingest/v1/position")[0] == 403
    until = x509.load_pem_x509_certificate(kept[1].encode()).not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()
    assert of("renewed")["certificate_until"] == until * 1000
    assert [e["object"] for e in admin.items("audit", limit=500) if e["action"] == "sensor.renew"] == ["renewed"] * 2


def short_lives():
    """certificates of seconds: the sender and the collector renew theirs while they run, nothing is lost; who slept enrols again"""
    folder, state = tmp / "short", tmp / "short" / "state"
    own = Collector(folder, ["--cert-life", "9s"])
    own.cli("init", folder / "other", "--cert-life", "9s")
    for name in ("server.crt", "server.key", "ca.crt", "ca.key"):
        shutil.copy(folder / "other" / name, own.dir / name)
    own.start()
    send = None
    try:
        key = Key()
        (folder / "k").write_text(json.dumps(key.jwk() | {"use": "sig", "d": b64(key.sk.private_bytes_raw() if hasattr(key.sk, "private_bytes_raw") else
                                                          key.sk.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))}))
        os.chmod(folder / "k", 0o600)
        first = served(own.ingest)
        asleep = Sensor(own.ingest, folder / "asleep")
        assert asleep.enrol(own.dir / "ca.crt", own.token("asleep"), "asleep", Key())[0] == 200
        url = f"https://127.0.0.1:{own.ingest}"
        subprocess.run([INTERLOCK, "send", "enrol", "--collector", url, "--token", own.token("sender"), "--ca", own.dir / "ca.crt", "--key", folder / "k", "--name", "sender",
                        "--dir", folder / "id"], check=True, capture_output=True)
        enrolled = (folder / "id" / "transport.crt").read_bytes()
        journal, chain = folder / "journal", Chain(key, "sender")
        journal.mkdir()
        (journal / "key.pub").write_text(json.dumps(key.jwk() | {"use": "sig"}))
        state.mkdir()
        sent = []

        def more(n):
            lines = chain.lines(n)
            body = chain.batch(lines)
            sent.extend(lines)
            with open(journal / "00000001.eve", "ab") as eve, open(journal / "00000001.jws", "ab") as jws:
                eve.write(b"".join(line + b"\n" for line in lines))
                eve.flush()
                jws.write(body.split(b"\n")[0] + b"\n")

        more(3)
        send = subprocess.Popen([INTERLOCK, "send", "--user", "root", "--journal", journal, "--state", state, "--identity", folder / "id", url], stderr=subprocess.PIPE, text=True)
        end = time.time() + 15
        while time.time() < end:
            more(2)
            time.sleep(1)
        eye = Person(own.page, "viewer")
        collector.until(lambda: len(eye.items("alerts", sensor="sender", limit=500)) == len(sent))
        got = eye.call("GET", "/api/v1/export?format=eve&sensor=sender", raw=True)[1].split(b"\n")[:-1][::-1]
        assert got == sent
        assert (folder / "id" / "transport.crt").read_bytes() == enrolled and (state / "transport.pem").exists()
        now = served(own.ingest)
        assert now.not_valid_after > first.not_valid_after and now.public_key() == first.public_key() and now.serial_number != first.serial_number
        assert now.extensions.get_extension_for_class(x509.SubjectAlternativeName) == first.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        subprocess.run(["openssl", "verify", "-CAfile", own.dir / "ca.crt", own.dir / "server.crt"], check=True, capture_output=True)
        asleep.close()
        assert asleep.call("GET", "/ingest/v1/position")[0] == 401  # its certificate has ended
    finally:
        if send:
            send.terminate()
            print("# " + send.communicate()[1].replace("\n", "\n# "))
        own.stop()


def page_certificate():
    """the page's certificate of somebody else is taken when it lies there and the collector is told; one that does not fit its key is not"""
    def lay(crt, key):
        shutil.copy(crt, own.dir / "page.crt")
        shutil.copy(key, own.dir / "page.key")
        own.proc.send_signal(signal.SIGHUP)

    own = Collector(tmp / "tls", users=False)
    own.plain = False
    for n in "12":
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN=page {n}", "-days", "2",
                        "-keyout", tmp / f"p{n}.key", "-out", tmp / f"p{n}.crt"], check=True, capture_output=True)
    own.start()
    try:
        assert served(own.page).issuer.rfc4514_string().startswith("CN=Interlock collector")
        for n in "12":
            lay(tmp / f"p{n}.crt", tmp / f"p{n}.key")
            collector.until(lambda: served(own.page).subject.rfc4514_string() == f"CN=page {n}")
        lay(tmp / "p1.crt", tmp / "p2.key")
        time.sleep(1)
        assert served(own.page).subject.rfc4514_string() == "CN=page 2"
    finally:
        own.stop()


def demo():
    """--demo: a plant with two sensors, alerts, packets, playbooks and a map within seconds; it ends cleanly and leaves nothing"""
    (tmp / "demo").mkdir()
    p = subprocess.Popen([INTERLOCK, "collect", "--demo", "--listen", "127.0.0.1:0", "--ingest", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True, env=os.environ | {"TMPDIR": str(tmp / "demo")})
    try:
        page = int(re.search(r"page http://127.0.0.1:(\d+)", p.stdout.readline())[1])
        user, password = re.match(r"user (\w+), password (\S+)", p.stdout.readline()).groups()
        who = Person(page, user, password)
        assert {(s["name"], s["site"], s["chain"]) for s in who.get("sensors")["items"]} == {("guard-line-1", "bottling-line-1", "whole"), ("guard-line-2", "bottling-line-2", "whole")}
        zones = {(z["site"], z["name"], z["level"]) for z in who.get("map")["zones"] if z["level"] is not None}
        assert zones == {("bottling-line-1", "panels", 2), ("bottling-line-1", "moulding", 1), ("bottling-line-2", "scada", 2), ("bottling-line-2", "cell1", 1)}, zones
        for name in ("guard-line-1", "guard-line-2"):
            detected = [a for a in who.items("alerts", sensor=name, limit=500, q="stop") if a["category"] == "Unauthorized Command" and 200 <= a["signature_id"] < 300]
            a = who.get(f"alerts/{detected[0]['id']}")
            assert a["evidence"] and a["proof"]["state"] == "verified" and a["playbook"]["id"] == "plc-stop", a
            assert who.call("GET", f"/api/v1/alerts/{a['id']}/evidence", raw=True)[1].startswith(b"\x0a\x0d\x0d\x0a")
        # what matters is open, the rest is in somebody's hands, each folded into one
        state = [[i for i in who.items("incidents", limit=200) if i["state"] == s] for s in ("open", "ack", "closed")]
        assert 5 < len(state[0]) < 20 and all(len(x) > 10 and all(i["assignee"] for i in x) for x in state[1:]), [len(x) for x in state]
        assert max(i["alerts"] for i in state[0]) > 100 and sum(i["severity"] == 1 for i in state[0]) > 5
        ticked = who.get(f"incidents/{next(i for i in state[1] if 'plc-stop' in i['title'])['id']}")
        assert len(ticked["ticks"]) == 4 and {t["playbook"] for t in ticked["ticks"]} == {ticked["playbook"]["id"]}, ticked["ticks"]
        assert len(who.get("destinations")["items"]) == 2 and len(who.get("indicators")["items"]) == 3 and len(who.get("assets")["items"]) > 5
        denied = next(a for a in who.items("alerts", sensor="guard-line-2", limit=500) if a["op"] == "write_single_register")
        assert "enabled: false" in who.post(f"alerts/{denied['id']}/expected", {})[1]["proposal"]["rule_yaml"]
        status, html, _ = who.call("GET", "/", raw=True)
        built = (pathlib.Path(INTERLOCK).parent / "web" / "index.html").exists()
        assert (status, b"<!doctype html>" in html.lower()) == ((200, True) if built else (404, False)), (status, built, html)
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=30)
        assert (p.returncode, out, err) == (0, "", ""), (p.returncode, out, err)
        assert not list((tmp / "demo").iterdir())
    finally:
        p.kill()
        p.communicate()


def evidence():
    """packets of an alert: only those whose hash its signed line has"""
    data = b"\x0a\x0d\x0d\x0a" + bytes(300)
    line = s1.chain.lines(1, meta={"il_evidence_sha256": [hashlib.sha256(data).hexdigest()], "il_seq": [str(s1.chain.seq + 1)]})
    assert s1.send(s1.chain.batch(line))[0] == 200
    at = f"/ingest/v1/evidence/{s1.chain.epoch}/{s1.chain.seq}"
    assert s1.call("PUT", at, data + b"x")[0] == 422 and s1.call("PUT", at, b"")[0] == 422
    assert s1.call("PUT", at[:-len(str(s1.chain.seq))] + "99999", data)[0] == 404
    a = viewer.items("alerts", sensor="s1")[0]["id"]
    assert viewer.get(f"alerts/{a}")["evidence"] is False and viewer.call("GET", f"/api/v1/alerts/{a}/evidence")[0] == 404
    assert s1.call("PUT", at, data)[0] == 200 and viewer.get(f"alerts/{a}")["evidence"] is True
    status, got, h = viewer.call("GET", f"/api/v1/alerts/{a}/evidence", raw=True)
    assert got == data and h["Content-Type"] == "application/x-pcapng"


def audit_signed():
    """the audit log is a journal that our own verifier accepts"""
    out = subprocess.run([INTERLOCK, "journal", "verify", co.dir / "audit", "--key", co.dir / "audit.key.pub"], capture_output=True, text=True)
    assert out.returncode == 0, out


if __name__ == "__main__":
    collector.run([stored, again, forged, fork, gap, reinstalled, enrolment, roles, incident_work, proposal, playbook, library,
                   filters, plant, quiet, renewed, short_lives, page_certificate, demo, evidence, rolled_out, applied, described, audit_signed])
