# SPDX-License-Identifier: Apache-2.0
"""Evidence, devices, the map and proposals between our sender and our collector.  Run by send_collect.sh; prints TAP."""
import atexit
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid

import yaml

import collector
from collector import INTERLOCK, Collector, Person, until
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
    # A clock that was five hours ahead meanwhile, and is right again: what comes now goes, although it is older than what went last.
    mark = json.loads((tmp / "st" / "evidence.place").read_text())
    for iat in (mark["iat"] + 5 * 3600 * 1000, mark["iat"]):
        co.sql("DELETE FROM evidence")
        (tmp / "st" / "evidence.place").write_text(json.dumps(mark | {"iat": iat}, separators=(",", ":")) + "\n")
        send("--evidence", tmp / "ev")
        assert co.sql("SELECT count(*) FROM evidence") == [("1" if iat != mark["iat"] else "0",)], iat


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
    # An included file goes along, byte for byte.
    parts = copy.read_text().split("\nconduits:\n")
    copy.write_text(parts[0] + "\ninclude: [more.yaml]\n")
    (tmp / "more.yaml").write_text("interlock: 1\nconduits:\n" + parts[1])
    send("--policy", copy)
    doc = json.loads(sqlite3.connect(f"file:{co.dir}/collector.db?mode=ro", uri=True).execute("SELECT doc FROM policy").fetchone()[0])
    assert doc == {"v": 1, "name": "plant.yaml", "files": {f: (tmp / f).read_text() for f in ("plant.yaml", "more.yaml")}}, doc
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


def ruled():
    """of a sensor whose policy is there, a proposal has the rule, disabled, and what it would allow"""
    il("key", "new", tmp / "key2")
    il("send", "enrol", "--collector", f"https://localhost:{co.ingest}", "--token", co.token("s2"), "--ca", co.dir / "ca.crt",
       "--key", tmp / "key2", "--name", "s2", "--dir", tmp / "id2")
    il("replay", "-q", "-p", POLICY, "--journal", tmp / "j2", "--key", tmp / "key2", "--name", "s2", "pcaps/mixed/plant.pcap", ok=(0, 1))
    sensor = ("send", "--journal", tmp / "j2", "--state", tmp / "st2", "--identity", tmp / "id2", "--user", "root", "--once",
              "--policy", POLICY, "--proposals", tmp / "proposals2", f"https://localhost:{co.ingest}")
    il(*sensor)
    write = next(a for a in viewer.items("alerts", sensor="s2") if a["op"] == "write_single_register")
    status, got = analyst.post(f"alerts/{write['id']}/expected", {"note": "the new recipe"})
    assert status == 200 and got["proposal"]["diff"], got
    il(*sensor)
    text = next((tmp / "proposals2").iterdir()).read_text()
    lines = text.splitlines()
    at = lines.index("# Enabled, it would newly allow:")
    assert lines[at + 1:at + 2] == ["#   " + d for d in got["proposal"]["diff"].splitlines()][:1], text
    assert yaml.safe_load(text)[0]["enabled"] is False and "values:" in text, text


def warned():
    """addresses that the collector warns of are fetched with their signature, again only when there are others"""
    address = "198.51.100.7"

    def indicator(ip):
        return {"type": "indicator", "spec_version": "2.1", "id": "indicator--" + str(uuid.uuid4()), "created": "2026-01-01T00:00:00.000Z",
                "modified": "2026-01-01T00:00:00.000Z", "pattern": f"[ipv4-addr:value = '{ip}']", "pattern_type": "stix",
                "valid_from": "2026-01-01T00:00:00Z"}

    def bundle(*ips):
        (tmp / "bundle.json").write_text(json.dumps({"type": "bundle", "id": "bundle--" + str(uuid.uuid4()), "objects": [indicator(i) for i in ips]}))
        co.cli("import", co.dir, tmp / "bundle.json")

    def good():
        pub = il("key", "show", "--minisign", co.dir / "share.key.pub").splitlines()[-1]
        return subprocess.run(["minisign", "-V", "-q", "-m", listed, "-P", pub], capture_output=True).returncode == 0

    listed = tmp / "warn" / "watch.list"
    listed.parent.mkdir()
    bundle(address)
    for part in range(3):  # more than an answer of 64 KiB
        bundle(*(f"10.{part}.{i // 200}.{i % 200}" for i in range(400)))
    send("--watch-list", listed)
    text = listed.read_text()
    assert f"address {address} " in text and "end 1201" in text and len(text) > 70000 and good(), text[:200]
    runs = subprocess.Popen([INTERLOCK, "send", "--journal", tmp / "j", "--state", tmp / "st", "--identity", tmp / "id", "--user", "root",
                             "--watch-list", listed, f"https://localhost:{co.ingest}"], stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.5)
        first = listed.stat().st_ino
        time.sleep(11)  # it has asked again
        assert listed.stat().st_ino == first
        bundle("198.51.100.8")
        until(lambda: "198.51.100.8 " in listed.read_text() and good(), 15)
    finally:
        runs.terminate()
        runs.wait(20)


if __name__ == "__main__":
    collector.run([enrolled, evidence, devices, proposals, zones, ruled, warned])
