# SPDX-License-Identifier: Apache-2.0
"""Evidence, devices, the map and proposals between our sender and our collector.  Run by send_collect.sh; prints TAP."""
import atexit
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import yaml

import collector
from collector import INTERLOCK, Collector, Person
from sensor import Chain, Key

POLICY = "policies/filling-line.yaml"
tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp).start()
atexit.register(co.stop)
viewer, analyst = Person(co.page, "viewer"), Person(co.page, "analyst")

PACKETS = b"\x0a\x0d\x0d\x0a" + os.urandom(3000)


def il(*args, ok=(0,)):
    r = subprocess.run(["timeout", "20", INTERLOCK, *map(str, args)], capture_output=True, text=True)
    assert r.returncode in ok, (args, r.returncode, r.stdout, r.stderr)
    return r.stdout + r.stderr


def send(*more):
    return il("send", "--journal", tmp / "j", "--state", tmp / "st", "--identity", tmp / "id", "--user", "root", "--once", *more,
              f"https://localhost:{co.ingest}")


def enrolled():
    """a sensor enrols, and a journal is there that another program has signed"""
    il("key", "new", tmp / "key")
    il("send", "enrol", "--collector", f"https://localhost:{co.ingest}", "--token", co.token("s1"), "--ca", co.dir / "ca.crt",
       "--key", tmp / "key", "--name", "s1", "--dir", tmp / "id")
    chain = Chain(Key.load(tmp / "key"), "s1")
    lines = chain.lines(1, meta={"il_evidence_sha256": [hashlib.sha256(PACKETS).hexdigest()]})
    chain.batch(lines)
    (tmp / "j").mkdir()
    shutil.copy(tmp / "key.pub", tmp / "j" / "key.pub")
    (tmp / "j" / "00000001.jws").write_text(chain.jws + "\n")
    (tmp / "j" / "00000001.eve").write_bytes(b"".join(x + b"\n" for x in lines))
    (tmp / "ev").mkdir()
    (tmp / "ev" / f"{chain.epoch}-1.pcapng").write_bytes(PACKETS)
    (tmp / "ev" / f"{chain.epoch}-1.pcapng.new").write_bytes(b"half")
    il("replay", "-q", "--assets", tmp / "assets.json", "pcaps/mixed/plant.pcap", ok=(0, 1))


def evidence():
    """evidence goes after its alert, and comes back byte for byte"""
    send("--evidence", tmp / "ev")
    a = viewer.items("alerts", sensor="s1")[0]
    assert viewer.get(f"alerts/{a['id']}")["evidence"] is True
    status, got, _ = viewer.call("GET", f"/api/v1/alerts/{a['id']}/evidence", raw=True)
    assert (status, got) == (200, PACKETS)


def devices():
    """the list of devices is the collector's, and the same"""
    send("--assets", tmp / "assets.json")
    want = {x["ip"] for d in json.loads((tmp / "assets.json").read_text())["devices"] for x in d.get("addresses", [])}
    have = {ip for d in viewer.items("assets") for ip in d.get("ips", [])}
    assert want and want <= have, (want, have)


def zones():
    """the map has the policy's zones with their levels, and its conduits; a policy that changes, changes it"""
    copy = tmp / "plant.yaml"
    text = pathlib.Path(POLICY).read_text()
    copy.write_text(text)
    send("--policy", copy)
    plant = yaml.safe_load(text)
    got = viewer.get("map")
    assert {z["name"]: z["level"] for z in got["zones"]} == {n: z["level"] for n, z in plant["zones"].items()}, got["zones"]
    where = {d["name"]: z["name"] for z in got["zones"] for d in z["devices"]}
    assert {n: where.get(n) for n in plant["devices"]} == {n: d["zone"] for n, d in plant["devices"].items()}, where
    assert any(e["allowed"] for e in got["edges"]), got["edges"]
    first = next(iter(plant["zones"]))
    copy.write_text(text.replace(f"{first}:", "renamed:", 1).replace(f"zone: {first}", "zone: renamed"))
    send("--policy", copy)
    assert "renamed" in {z["name"] for z in viewer.get("map")["zones"]}
    copy.write_text("interlock: 7\n")  # said, and the map stays
    assert "plant.yaml:1:" in send("--policy", copy)
    assert "renamed" in {z["name"] for z in viewer.get("map")["zones"]}


def proposals():
    """a rule that is proposed becomes a disabled file of its owner alone, once; nothing applies it"""
    a = viewer.items("alerts", sensor="s1")[0]["id"]
    ids = [analyst.post(f"alerts/{a}/expected", {"note": f"new\nrecipe {i}"})[1]["proposal"] for i in range(7)]
    out = tmp / "proposals"
    for _ in range(2):  # five at a time
        said = send("--proposals", out)
    files = {f.name: f for f in out.iterdir()}
    assert set(files) == {f"proposal-{p['id']}.yaml" for p in ids}, (files, said)
    for p in ids:
        f = files[f"proposal-{p['id']}.yaml"]
        assert f.stat().st_mode & 0o777 == 0o600
        text = f.read_text()
        assert p["rule_yaml"] in text and "new recipe" in text.splitlines()[0] and "Disabled" in text.splitlines()[1], text
        yaml.safe_load(text)
    assert json.loads((tmp / "st" / "status.json").read_text())["proposals"] == {"newest": ids[-1]["id"], "file": f"proposal-{ids[-1]['id']}.yaml"}
    assert all(x["state"] == "fetched" for x in viewer.get("proposals")["items"])
    files[f"proposal-{ids[0]['id']}.yaml"].unlink()  # a person was done with it
    send("--proposals", out)
    assert len(list(out.iterdir())) == 6


if __name__ == "__main__":
    collector.run([enrolled, evidence, devices, zones, proposals])
