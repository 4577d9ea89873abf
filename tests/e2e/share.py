# SPDX-License-Identifier: Apache-2.0
"""What of an incident leaves: redaction, STIX, MISP.  Run by share.sh; prints TAP."""
import atexit
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import jsonschema

import collector
from collector import INTERLOCK, Collector, Person
from secrets import found
from sensor import Chain, Key, Sensor

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp).start()
atexit.register(co.stop)
viewer, analyst, admin = (Person(co.page, u) for u in ("viewer", "analyst", "admin"))

# Everything of the incident that is about this plant, by class.
SECRET = {
    "names": ["hmi-zulu7", "plc-yankee3", "guard-xray9", "site-whiskey", "conduit-victor", "rule-uniform"],
    "addresses": ["10.77.31.5", "10.77.32.130", "2a00:77::5", "00:1b:1b:ca:fe:01", "00:1b:1b:ca:fe:02", "51877"],
    "users": ["tango-analyst", "anna.sierra"],
    "objects": ["holding 47123", "Boiler.Romeo"],
    "values": ["48711", "quebec-recipe"],
    "notes": ["papa was here", "oscar in the title"],
    "raw": ["deadbeefcafe4711"],
}
ALL = [s for group in SECRET.values() for s in group]
FORMATS = ("stix", "misp", "json")
frames = b"\x0a\x0d\x0d\x0a" + bytes(40) + b"deadbeefcafe4711" + b"10.77.31.5"


def lines(chain, n, src="10.77.31.5"):
    out = []
    for raw in chain.lines(n, src="hmi-zulu7", rule="rule-uniform", object="holding 47123", site="site-whiskey",
                           signature="oscar in the title: hmi-zulu7 wrote to plc-yankee3",
                           meta={"il_dst": ["plc-yankee3"], "il_conduit": ["conduit-victor"], "il_name": ["Boiler.Romeo"], "il_note": ["papa was here, near 10.77.31.5"],
                                 "il_pdu": ['{"txn":7,"values":[48711],"text":"quebec-recipe","of":"hmi-zulu7"}'],
                                 "il_evidence_sha256": [hashlib.sha256(frames).hexdigest()]}):
        o = json.loads(raw) | {"src_ip": src, "dest_ip": "10.77.32.130", "src_port": 51877,
                               "ether": {"src_mac": "00:1b:1b:ca:fe:01", "dest_mac": "00:1b:1b:ca:fe:02"}}
        out.append(json.dumps(o).encode())
    return out


s = Sensor(co.ingest, tmp / "s")
key = Key()
assert s.enrol(co.dir / "ca.crt", co.token("guard-xray9"), "guard-xray9", key)[0] == 200
chain = Chain(key, "guard-xray9")
assert s.send(chain.batch(lines(chain, 3) + lines(chain, 1, "2a00:77::5")))[0] == 200
assert s.call("PUT", f"/ingest/v1/evidence/{chain.epoch}/1", frames)[0] == 200
incident = viewer.items("incidents")[0]["id"]
co.cli("user", co.dir, "tango-analyst", "--role", "analyst", text=collector.PASSWORD + "\n")
who = Person(co.page, "tango-analyst")
for change in ({"assignee": "anna.sierra"}, {"note": "papa was here: asked anna.sierra about plc-yankee3"}):
    assert who.post(f"incidents/{incident}", change)[0] == 200
for name, args in {"none": (), "cert": ("--tlp", "green", "--as", "Plant operators' CERT"), "peer": ("--keep", "names,addresses", "--tlp", "amber+strict"),
                   "own": ("--keep", "names,addresses,users,objects,values,notes", "--tlp", "red"),
                   "court": ("--keep", "names,addresses,users,objects,values,notes,raw", "--tlp", "red"), "half": ("--keep", "raw,notes,objects,values")}.items():
    co.cli("destination", co.dir, name, *args)


def export(who, to, how="stix"):
    status, data, _ = who.call("GET", f"/api/v1/incidents/{incident}/export?to={to}&format={how}", raw=True)
    assert status == 200, (to, how, status, data)
    return data


def nothing():
    """a destination that keeps nothing gets none of the incident's secrets, in no format and for no role"""
    record = export(admin, "court", "json")
    assert found(record, ALL) == set(ALL), set(ALL) - found(record, ALL)  # the search finds them where they are
    for who in (viewer, analyst, admin):
        for how in FORMATS:
            for to in ("none", "cert"):
                assert not found(export(who, to, how), ALL), (who.user, how, to, found(export(who, to, how), ALL))
    for how in FORMATS:
        assert not found(co.cli("export", co.dir, incident, "--to", "none", "--format", how).encode(), ALL)


def classes():
    """what a destination keeps is there, what it does not is not, also inside sentences and values that are kept"""
    for how in FORMATS:
        got = found(export(admin, "peer", how), ALL)
        assert not got & {x for c in ("users", "objects", "values", "notes", "raw") for x in SECRET[c]}, got
        assert {"10.77.31.5", "10.77.32.130"} <= got and (how == "stix" or "hmi-zulu7" in got), (how, got)
    got = found(export(admin, "half", "json"), ALL)
    assert not got & {x for c in ("names", "addresses", "users", "raw") for x in SECRET[c]}, got  # raw has all in it: refused
    assert {"papa was here", "48711", "quebec-recipe", "holding 47123"} <= got, got
    record = json.loads(export(admin, "court", "json"))
    assert record["items"][-1]["frames"] and record["items"][0]["line"] and record["items"][0]["state_of_proof"] == "verified"


def roles():
    """a viewer gets everything redacted, an analyst no values and no raw parts, whatever the destination keeps"""
    for how in FORMATS:
        assert not found(export(viewer, "court", how), ALL)
        assert not found(export(analyst, "court", how), SECRET["values"] + SECRET["raw"])
    assert found(export(analyst, "court", "json"), SECRET["notes"]) and found(export(admin, "own", "json"), SECRET["values"])
    assert viewer.post("destinations", {"name": "x"})[0] == 403 and analyst.post("destinations", {"name": "x"})[0] == 403
    assert viewer.call("GET", f"/api/v1/incidents/{incident}/export?to=nobody")[0] == 404
    assert viewer.call("GET", f"/api/v1/incidents/{incident}/export?to=none&format=pdf")[0] == 400
    assert viewer.call("GET", "/api/v1/incidents/999/export?to=none")[0] == 404
    for bad in ({"name": ""}, {"name": "a b"}, {"name": "x", "keep": "names,everything"}, {"name": "x", "tlp": "white"}, {"name": "x", "identity": ""}):
        assert admin.post("destinations", bad)[0] == 400, bad
    status, answer = admin.post("destinations", {"name": "by-rest", "keep": "names", "tlp": "clear"})
    assert status == 200 and {"name": "by-rest", "keep": "names", "tlp": "clear"}.items() <= [d for d in answer["items"] if d["name"] == "by-rest"][0].items()
    log = [e for e in admin.items("audit") if e["action"] == "share" and e["user"] == "admin"]
    assert any(e["text"] == "json to court, kept: names,addresses,users,objects,values,notes,raw" for e in log), log
    looked = viewer.call("GET", f"/api/v1/incidents/{incident}/export?to=none&format=json&preview=1", raw=True)  # looking is not taking
    assert looked[1] == export(viewer, "none", "json") and "Content-Disposition" not in looked[2]
    assert [e["action"] for e in admin.items("audit") if e["user"] == "viewer" and e["action"].startswith("share")][:2] == ["share", "share.preview"]


def pseudonyms():
    """pseudonyms stay the same for one destination and differ between two; so do ids"""
    a, again, b = (json.loads(export(viewer, to, "json")) for to in ("none", "none", "cert"))
    assert a == again and a["src"] == a["items"][0]["src"] and re.fullmatch("name-[0-9a-f]{10}", a["src"])
    for member in ("src", "dst", "sensor", "site", "assignee"):
        assert a[member] != b[member], member
    assert a["items"][0]["src_ip"].startswith("2001:db8:") and a["items"][0]["src_mac"][1] in "26ae"
    ids = [{o["id"] for o in json.loads(export(viewer, to))["objects"] if o["type"] not in ("attack-pattern", "marking-definition")} for to in ("none", "cert")]
    assert not ids[0] & ids[1]
    assert export(viewer, "none") == export(viewer, "none")


# --- STIX -------------------------------------------------------------------------------------------

schemas = pathlib.Path(os.environ["STIX"]) / "node_modules/stixview/src/stix2-schemas"
store = {}
for path in schemas.rglob("*.json"):
    o = json.loads(path.read_text())
    store[o["$id"]] = o


def judge(bundle):
    """Every object against its own schema of OASIS's; those of TLP 2.0 came after these schemas, and are compared."""
    by_type = {path.stem: json.loads(path.read_text()) for path in schemas.rglob("*.json")}
    checked = set()
    for o in [bundle] + bundle["objects"]:
        if o["type"] == "marking-definition":
            assert o["extensions"]["extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"]["tlp_2_0"] in o["name"].lower(), o
            continue
        schema = by_type[o["type"]]
        if o["type"] == "bundle":
            del schema["properties"]["objects"]  # one by one, here
        v = jsonschema.Draft7Validator(schema, resolver=jsonschema.RefResolver(schema["$id"], schema, store), format_checker=jsonschema.FormatChecker())
        errors = [e.message[:300] for e in v.iter_errors(o)]
        assert not errors, (o, errors)
        checked.add(o["type"])
    ids = [o["id"] for o in bundle["objects"]]
    assert len(ids) == len(set(ids))
    for o in bundle["objects"]:  # every reference leads somewhere
        for k, v in o.items():
            for r in ([v] if k.endswith("_ref") else v if k.endswith("_refs") else []):
                assert r in ids, (o, r)
    return checked


def stix():
    """a bundle is valid by OASIS's schemas, says what is asked for, and has the ids that the specification gives"""
    for to in ("none", "cert", "peer", "own", "court"):
        text = export(admin, to)
        bundle = json.loads(text)
        kinds = judge(bundle)
        assert {"identity", "sighting", "indicator", "observed-data", "attack-pattern", "course-of-action", "relationship", "network-traffic", "grouping",
                "ipv4-addr" if to in ("peer", "own", "court") else "ipv6-addr"} <= kinds, kinds
        (tmp / "bundle.json").write_bytes(text)
        out = subprocess.run(["node", pathlib.Path(os.environ["STIX"]) / "ids.mjs", tmp / "bundle.json"], capture_output=True, text=True)
        assert re.fullmatch(r"[4-9] ids\n", out.stdout), out
        of = {o["type"]: o for o in bundle["objects"]}
        assert of["sighting"]["count"] == 4 and of["observed-data"]["number_observed"] == 4
        refs = {r["external_id"] for o in bundle["objects"] if o["type"] == "attack-pattern" for r in o["external_references"]}
        assert {"T0855", "T1692.001", "T0836"} == refs, refs
        assert [r["url"] for o in bundle["objects"] for r in o.get("external_references", ()) if r["external_id"] == "T1692.001"] == ["https://attack.mitre.org/techniques/T1692/001"]
        assert {o["relationship_type"] for o in bundle["objects"] if o["type"] == "relationship"} == {"indicates", "mitigates"}
        assert of["marking-definition"]["name"] == {"none": "TLP:AMBER", "cert": "TLP:GREEN", "peer": "TLP:AMBER+STRICT"}.get(to, "TLP:RED")
        assert of["identity"]["name"] == ("Plant operators' CERT" if to == "cert" else "Interlock")
        plain = to in ("peer", "own", "court")
        assert (of["indicator"]["pattern"] == "[ipv6-addr:value = '2a00:77::5']" if plain else "modbus" in of["indicator"]["pattern"]), of["indicator"]
        assert all(("defanged" in o) == (not plain) for o in bundle["objects"] if o["type"].endswith("-addr"))
    out = subprocess.run([INTERLOCK, "collect", "export", co.dir, str(incident), "--to", "peer"], capture_output=True, check=True).stdout
    assert json.loads(out) == json.loads(export(admin, "peer"))


# --- MISP -------------------------------------------------------------------------------------------

# Of MISP's describeTypes: which types stand in the categories that we use.
MISP = {"Network activity": {"ip-src", "ip-dst", "ip-dst|port", "mac-address", "text"}, "Internal reference": {"text", "comment"}, "Other": {"text", "comment"}}


def misp():
    """an event of MISP: categories and types that go together, numbers as texts, TLP and techniques as tags"""
    for to in ("none", "peer", "court"):
        e = json.loads(export(admin, to, "misp"))["Event"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", e["date"]) and e["threat_level_id"] == "1" and e["analysis"] == "0" and e["info"]
        for a in e["Attribute"]:
            assert a["type"] in MISP[a["category"]], a
            assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", a["uuid"])
            assert a["type"] != "text" or not a["to_ids"]
        assert len({a["uuid"] for a in e["Attribute"]}) == len(e["Attribute"])
        tags = {t["name"] for t in e["Tag"]}
        assert 'misp-galaxy:mitre-ics-techniques="Modify Parameter - T0836"' in tags and any(t.startswith("tlp:") for t in tags), tags
        kinds = {a["type"] for a in e["Attribute"]}
        assert ("ip-src" in kinds) == (to != "none"), kinds


if __name__ == "__main__":
    collector.run([nothing, classes, roles, pseudonyms, stix, misp])
