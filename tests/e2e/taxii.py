# SPDX-License-Identifier: Apache-2.0
"""The server of TAXII 2.1 and the watch list.  Run by taxii.sh; prints TAP."""
import atexit
import base64
import http.client
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import jsonschema

import collector
from collector import INTERLOCK, Collector, Person
from secrets import found
from sensor import Chain, Key, Sensor

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp).start()
atexit.register(co.stop)
viewer, analyst = (Person(co.page, u) for u in ("viewer", "analyst"))
CLIENT, MAC = "10.1.2.5", "00:1b:1b:aa:bb:01"  # of pcaps/modbus/polling.pcap
TYPE = "application/taxii+json;version=2.1"
SECRET = ["hmi-zulu7", "plc-yankee3", "guard-xray9", "10.77.31.5", "10.77.32.130", "48711"]

co.cli("destination", co.dir, "cert")
co.cli("destination", co.dir, "peer", "--keep", "names,addresses")
token = {"cert": co.cli("account", co.dir, "cert", "--writes"), "peer": co.cli("account", co.dir, "peer")}

assert {d["name"]: d["account"] for d in viewer.get("destinations")["items"]} == {"cert": "writes", "peer": "reads"}  # the page says so
assert not any(t in json.dumps(viewer.get("destinations")) for t in token.values())
s, key = Sensor(co.ingest, tmp / "s"), Key()
assert s.enrol(co.dir / "ca.crt", co.token("guard-xray9"), "guard-xray9", key)[0] == 200
chain = Chain(key, "guard-xray9")


def alerts(n=3, **over):
    lines = [json.dumps(json.loads(x) | {"src_ip": "10.77.31.5", "dest_ip": "10.77.32.130"}).encode()
             for x in chain.lines(n, src="hmi-zulu7", meta={"il_dst": ["plc-yankee3"], "il_pdu": ['{"values":[48711]}']}, **over)]
    assert s.send(chain.batch(lines))[0] == 200
    return viewer.items("incidents")[0]["id"]


# The resources of TAXII 2.1 (OASIS Standard, sections 3.6, 3.7, 4.1, 4.2, 4.3, 5.1, 5.2, 5.6, 5.8): members, and which must be there.
TEXT, BOOL, INT = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}Z$"}
ADDED = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}


def resource(required, **members):
    return {"type": "object", "required": required.split(), "additionalProperties": False, "properties": members}


def array(of):
    return {"type": "array", "items": of, "minItems": 1}


ONE = resource("id version", id=TEXT, version=TIME, message=TEXT)
COLLECTION = resource("id title can_read can_write", id={"type": "string", "pattern": r"^[0-9a-f]{8}-[0-9a-f-]{27}$"}, title=TEXT, description=TEXT,
                      alias=TEXT, can_read=BOOL, can_write=BOOL, media_types=array(TEXT))
SCHEMA = {
    "discovery": resource("title", title=TEXT, description=TEXT, contact=TEXT, default=TEXT, api_roots=array(TEXT)),
    "root": resource("title versions max_content_length", title=TEXT, description=TEXT, versions=array(TEXT), max_content_length={"type": "integer", "minimum": 1}),
    "collections": resource("", collections=array(COLLECTION)),
    "collection": COLLECTION,
    "envelope": resource("", more=BOOL, next=TEXT, objects=array({"type": "object", "required": ["id", "type", "spec_version"]})),
    "manifest": resource("", more=BOOL, next=TEXT, objects=array(resource("id date_added version", id=TEXT, date_added=ADDED, version=TIME, media_type=TEXT))),
    "versions": resource("", more=BOOL, next=TEXT, versions=array(TIME)),
    "status": resource("id status total_count success_count failure_count pending_count", id=TEXT, status={"enum": ["complete", "pending"]}, request_timestamp=ADDED,
                       total_count=INT, success_count=INT, successes={"type": "array", "items": ONE}, failure_count=INT, failures={"type": "array", "items": ONE},
                       pending_count=INT, pendings={"type": "array", "items": ONE}),
    "error": resource("title", title=TEXT, description=TEXT, error_id=TEXT, error_code=TEXT, http_status={"type": "string", "pattern": "^[0-9]{3}$"},
                      external_details=TEXT, details={"type": "object"}),
}


class Client:
    def __init__(self, name, secret=None, scheme="Basic"):
        secret = secret or token[name]
        self.auth = "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode() if scheme == "Basic" else f"{scheme} {secret}"
        self.ids = None

    def call(self, path, kind="error", want=200, method="GET", body=None, **headers):
        h = {"Accept": TYPE, "Authorization": self.auth} | {k.replace("_", "-"): v for k, v in headers.items()}
        conn = http.client.HTTPConnection("127.0.0.1", co.page, timeout=20)
        conn.request(method, "/taxii2/" + path, body if body is None or isinstance(body, bytes) else json.dumps(body), {k: v for k, v in h.items() if v is not None})
        r = conn.getresponse()
        data = r.read()
        conn.close()
        assert r.status == want, (path, r.status, data[:300])
        assert r.headers["Content-Type"] == TYPE, (path, r.headers["Content-Type"])
        o = json.loads(data)
        jsonschema.Draft202012Validator(SCHEMA[kind if want < 400 else "error"]).validate(o)
        if want >= 400:
            assert o["http_status"] == str(want)
        self.headers, self.data = r.headers, data
        return o

    def at(self, title):
        return "share/collections/" + next(c["id"] for c in self.call("share/collections/", "collections")["collections"] if c["title"] == title) + "/"

    def objects(self, where, **args):
        return self.call(where + "objects/?" + urllib.parse.urlencode(args), "envelope").get("objects", [])


cert, peer = Client("cert"), Client("peer")
incident = alerts()


def described():
    """discovery, root, collections: each as the specification has it; accounts by Basic and Bearer"""
    for c in (cert, Client("cert", scheme="Bearer")):
        d = c.call("", "discovery")
        assert d["default"] in d["api_roots"] and d["default"] == "/taxii2/share/"
        assert c.call("share/", "root")["versions"] == [TYPE]
        cols = {x["title"]: x for x in c.call("share/collections/", "collections")["collections"]}
        assert cols["incidents"]["can_read"] and not cols["incidents"]["can_write"] and cols["indicators"]["can_write"]
        assert c.call(c.at("incidents"), "collection") == cols["incidents"]
    assert not any(x["can_write"] for x in peer.call("share/collections/", "collections")["collections"])


def refused():
    """who has no account, asks for another type, another version, or what is not there"""
    for bad in (Client("cert", "x" * 43), Client("peer", token["cert"]), Client("cert", "x", "Bearer"), Client("cert", "", "Digest")):
        bad.call("", want=401)
        assert bad.headers["WWW-Authenticate"].startswith("Basic")
        bad.call("share/collections/", want=401)
    cert.call("", want=401, Authorization=None)
    cert.call("", want=406, Accept="application/json")
    cert.call("", want=406, Accept="application/taxii+json;version=2.0")
    cert.call("", "discovery", Accept="application/taxii+json")
    cert.call("nothing/", want=404)
    cert.call("share/collections/" + str(uuid.uuid4()) + "/", want=404)
    cert.call(peer.at("incidents"), want=404)  # another's collection is not there at all
    at = cert.at("incidents")
    cert.call(at + "objects/indicator--" + str(uuid.uuid4()) + "/", want=404)
    for query in ("limit=0", "limit=x", "added_after=yesterday", "match[version]=newest", "next=abc"):
        cert.call(at + "objects/?" + query, want=400)
    cert.call("share/status/" + str(uuid.uuid4()) + "/", want=404)
    log = Person(co.page, "admin").items("audit")
    assert any(e["action"] == "refused" and e["text"] == "GET taxii" for e in log), log[:3]


def shared():
    """nothing is there until it is shared; then its own redacted objects are, and no others"""
    at = cert.at("incidents")
    assert cert.objects(at) == [] and peer.objects(peer.at("incidents")) == []
    assert viewer.post(f"incidents/{incident}/share", {"to": "cert"})[0] == 403
    assert analyst.post(f"incidents/{incident}/share", {"to": "nobody"})[0] == 404
    status, answer = analyst.post(f"incidents/{incident}/share", {"to": "cert"})
    assert status == 200 and answer["objects"] > 8, answer
    got = cert.objects(at)
    assert len(got) == answer["objects"] and not found(cert.data, SECRET), found(cert.data, SECRET)
    assert {"indicator", "sighting", "attack-pattern", "observed-data"} <= {o["type"] for o in got}
    assert peer.objects(peer.at("incidents")) == []
    assert analyst.post(f"incidents/{incident}/share", {"to": "cert"})[1]["objects"] == 0  # it is there already
    assert analyst.post(f"incidents/{incident}/share", {"to": "peer"})[0] == 200
    peer.objects(peer.at("incidents"))
    assert found(peer.data, SECRET) == set(SECRET) - {"48711", "guard-xray9", "hmi-zulu7", "plc-yankee3"}, found(peer.data, SECRET)  # a bundle has no names


def pages():
    """limit, next, added_after, match: every object once, in the order it came, with its headers"""
    at = cert.at("incidents")
    everything = cert.objects(at)
    ids = [o["id"] for o in everything]
    manifest = cert.call(at + "manifest/", "manifest")["objects"]
    assert [m["id"] for m in manifest] == ids and [m["date_added"] for m in manifest] == sorted({m["date_added"] for m in manifest})
    got, after = [], {}
    while True:
        page = cert.call(at + "objects/?" + urllib.parse.urlencode({"limit": 3} | after), "envelope")
        got += [o["id"] for o in page["objects"]]
        assert cert.headers["X-TAXII-Date-Added-Last"] == manifest[len(got) - 1]["date_added"], cert.headers
        assert cert.headers["X-TAXII-Date-Added-First"] == manifest[len(got) - len(page["objects"])]["date_added"]
        if not page["more"]:
            break
        after = {"next": page["next"]}
    assert got == ids
    assert [o["id"] for o in cert.objects(at, added_after=manifest[4]["date_added"])] == ids[5:]
    assert cert.objects(at, added_after=manifest[-1]["date_added"]) == []
    assert {o["type"] for o in cert.objects(at, **{"match[type]": "indicator,sighting"})} == {"indicator", "sighting"}
    assert [o["id"] for o in cert.objects(at, **{"match[id]": ids[3] + "," + ids[1]})] == [ids[1], ids[3]]
    assert len(cert.objects(at, **{"match[spec_version]": "2.1"})) == len(ids) and cert.objects(at, **{"match[spec_version]": "2.0"}) == []
    assert [o["id"] for o in cert.call(at + f"objects/{ids[2]}/", "envelope")["objects"]] == [ids[2]]


def versions():
    """an incident that goes on is a newer version of its objects; last, first, all and one by its time can be asked for"""
    at = cert.at("incidents")
    before = {o["id"]: o for o in cert.objects(at)}
    time.sleep(0.01)
    alerts(2)
    assert analyst.post(f"incidents/{incident}/share", {"to": "cert"})[1]["objects"] > 3
    sighting = next(o for o in cert.objects(at) if o["type"] == "sighting")
    old = before[sighting["id"]]
    assert sighting["count"] == 5 and old["count"] == 3 and sighting["modified"] > old["modified"]
    assert cert.call(at + f"objects/{sighting['id']}/versions/", "versions")["versions"] == [old["modified"], sighting["modified"]]
    one = {"match[id]": sighting["id"]}
    for version, want in (("last", [5]), ("first", [3]), ("all", [3, 5]), (old["modified"], [3]), ("first,last", [3, 5]), ("2020-01-01T00:00:00.000Z", [])):
        assert [o["count"] for o in cert.objects(at, **one | {"match[version]": version})] == want, version
    assert len({o["id"] for o in cert.objects(at)}) == len(cert.objects(at)) >= len(before)


def indicator(pattern, **over):
    return {"type": "indicator", "spec_version": "2.1", "id": "indicator--" + str(uuid.uuid4()), "created": "2026-01-01T00:00:00.000Z",
            "modified": "2026-01-01T00:00:00.000Z", "pattern": pattern, "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z", "name": "from the CERT"} | over


def watched():
    return {(i["value"], i["source"]) for i in viewer.get("indicators")["items"]}


def sent():
    """objects that are sent: a status says what became of each, also later; what cannot be watched for has its reason, and is counted"""
    at = cert.at("indicators")
    good = indicator("[ipv4-addr:value = '198.51.100.7' OR mac-addr:value = '02:00:5e:00:53:01'] OR [network-traffic:dst_ref.value = '2001:db8:9::7']")
    cases = {
        "syntax": ["", "ipv4-addr:value = '1.2.3.4'", "[ipv4-addr:value = '1.2.3.4'", "[ipv4-addr:value = '1.2.3.4'] x]", "[value = '1.2.3.4']", "[ipv4-addr:value = '1.2.3.4' '5']"],
        "operator": ["[ipv4-addr:value != '1.2.3.4']", "[ipv4-addr:value IN ('1.2.3.4')]", "[ipv4-addr:value = '1.2.3.4' AND ipv4-addr:value = '1.2.3.5']",
                     "[NOT ipv4-addr:value = '1.2.3.4']", "[ipv4-addr:value LIKE '1.2.3.%']", "[(ipv4-addr:value = '1.2.3.4')]", "[ipv4-addr:value ISSUBSET '1.2.3.0/24']"],
        "qualifier": ["[ipv4-addr:value = '1.2.3.4'] WITHIN 5 SECONDS", "[ipv4-addr:value = '1.2.3.4'] AND [ipv4-addr:value = '1.2.3.5']",
                      "([ipv4-addr:value = '1.2.3.4'])", "[ipv4-addr:value = '1.2.3.4'] FOLLOWEDBY [ipv4-addr:value = '1.2.3.5']"],
        "path": ["[domain-name:value = 'evil.example']", "[network-traffic:dst_port = 502]", "[file:hashes.'SHA-256' = 'aa']", "[ipv4-addr:value = '1.2.3.4' OR url:value = 'http://x']"],
        "value": ["[ipv4-addr:value = '10.0.0.0/8']", "[ipv4-addr:value = 'x']", "[ipv4-addr:value = 7]", "[ipv4-addr:value = '255.255.255.255']", "[ipv6-addr:value = '::1']",
                  "[mac-addr:value = 'ff:ff:ff:ff:ff:ff']", "[ipv4-addr:value = '2001:db8::1']", "[ipv4-addr:value = '127.0.0.1']"],
        "many": ["[" + " OR ".join(f"ipv4-addr:value = '198.51.100.{i}'" for i in range(1, 70)) + "]"],
    }
    objects, want = [good], {}
    for reason, patterns in cases.items():
        for p in patterns:
            objects.append(indicator(p))
            want[objects[-1]["id"]] = reason
    for over in ({"pattern_type": "snort"}, {"valid_until": "2026-01-02T00:00:00Z"}, {"revoked": True}):
        objects.append(indicator("[ipv4-addr:value = '198.51.100.200']", **over))
        want[objects[-1]["id"]] = "pattern-type" if "pattern_type" in over else "expired"
    objects += [{"type": "note", "spec_version": "2.1", "id": "note--" + str(uuid.uuid4()), "content": "x", "object_refs": [good["id"]]}, {"type": "indicator", "id": "x"}, {"no": 1}]
    st = cert.call(at + "objects/", "status", want=202, method="POST", body={"objects": objects}, Content_Type=TYPE)
    assert st["total_count"] == len(objects) and st["failure_count"] == 2 and st["success_count"] == len(objects) - 2, st
    assert cert.call(f"share/status/{st['id']}/", "status") == st
    peer.call(f"share/status/{st['id']}/", want=404)
    said = {x["id"]: x["message"] for x in st["successes"] if "message" in x}
    assert said[good["id"]] == "watched for"
    counted = viewer.get("indicators")["refused"]
    by_reason = {}
    for reason in want.values():
        by_reason[reason] = by_reason.get(reason, 0) + 1
    assert counted == by_reason | {"object": 1}, (counted, by_reason)
    assert watched() == {("198.51.100.7", "cert"), ("02:00:5e:00:53:01", "cert"), ("2001:db8:9::7", "cert")}, watched()
    assert cert.call(at + "objects/", "status", want=202, method="POST", body={"objects": [good]}, Content_Type=TYPE)["success_count"] == 1
    newer = good | {"modified": "2026-02-01T00:00:00.000Z", "pattern": "[ipv4-addr:value = '198.51.100.8/32']"}
    cert.call(at + "objects/", "status", want=202, method="POST", body={"objects": [newer]}, Content_Type=TYPE)
    assert watched() == {("198.51.100.8", "cert")}
    cert.call(at + "objects/", "status", want=202, method="POST", body={"objects": [newer | {"modified": "2026-02-02T00:00:00.000Z", "revoked": True}]}, Content_Type=TYPE)
    assert watched() == set() and len(cert.objects(at, **{"match[id]": good["id"], "match[version]": "all"})) == 3
    cert.call(at + "objects/", want=415, method="POST", body={"objects": [good]}, Content_Type="application/json")
    cert.call(at + "objects/", want=422, method="POST", body={"objects": []}, Content_Type=TYPE)
    cert.call(at + "objects/", want=422, method="POST", body={"objects": [good] * 1001}, Content_Type=TYPE)
    cert.call(cert.at("incidents") + "objects/", want=403, method="POST", body={"objects": [good]}, Content_Type=TYPE)
    peer.call(peer.at("indicators") + "objects/", want=403, method="POST", body={"objects": [good]}, Content_Type=TYPE)


def sensor():
    """an import becomes a signed list, and the list an alert of a sensor; a list that was changed, or signed by another, is refused"""
    bundle = {"type": "bundle", "id": "bundle--" + str(uuid.uuid4()), "objects": [indicator("[ipv4-addr:value = '%s']" % CLIENT), indicator("[url:value = 'x']")]}
    (tmp / "bundle.json").write_text(json.dumps(bundle))
    out = co.cli("import", co.dir, tmp / "bundle.json")
    assert out.splitlines() == ["1 taken", "1 refused: path: it is about something that no sensor here looks at"], out
    co.cli("watch-list", co.dir, tmp / "watch")
    assert subprocess.run(["minisign", "-V", "-q", "-m", tmp / "watch", "-P", minisign_pub()], capture_output=True).returncode == 0
    key = ["--watch-list-key", co.dir / "share.key.pub"]

    def replay(*args):
        (tmp / "eve").unlink(missing_ok=True)
        r = subprocess.run([INTERLOCK, "replay", "-q", "--eve", tmp / "eve", *map(str, args), "pcaps/modbus/polling.pcap"], capture_output=True, text=True)
        lines = [json.loads(x) for x in (tmp / "eve").read_text().splitlines()] if (tmp / "eve").exists() else []
        return r, [x for x in lines if x["alert"]["metadata"].get("il_detection") == ["indicator"]]

    r, hits = replay("--watch-list", tmp / "watch", *key)
    assert len(hits) == 1 and hits[0]["alert"]["severity"] == 1 and hits[0]["alert"]["signature_id"] == 229, (r, hits)
    assert hits[0]["alert"]["metadata"]["il_note"] == [CLIENT + ", " + bundle["objects"][0]["id"]], hits[0]
    assert CLIENT in (hits[0]["src_ip"], hits[0]["dest_ip"])
    assert replay("--detect")[1] == []
    # the same by the API of a sensor and of a person; removed, it is no longer told
    for o in (s.call("GET", "/ingest/v1/watch-list")[1], viewer.get("watch-list")):
        assert o["list"] == (tmp / "watch").read_text() and "trusted comment" in o["minisig"]
    assert analyst.post("indicators/indicator--none/remove", {})[0] == 404
    assert analyst.post(f"indicators/{bundle['objects'][0]['id']}/remove", {})[0] == 200 and watched() == set()
    assert analyst.post("indicators", {"objects": [indicator("[mac-addr:value = '%s']" % MAC)]})[1] == {"taken": 1, "refused": {}}
    co.cli("watch-list", co.dir, tmp / "watch2")
    hits = replay("--watch-list", tmp / "watch2", *key)[1]
    assert hits and hits[0]["alert"]["metadata"]["il_note"][0].startswith(MAC), hits
    expired = indicator("[ipv4-addr:value = '%s']" % CLIENT, valid_until=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)))
    assert analyst.post("indicators", {"objects": [expired]})[0] == 200  # until is held against the time of the packets, which are older
    # what is not in order
    text, sig = (tmp / "watch").read_bytes(), (tmp / "watch.minisig").read_bytes()
    other = tmp / "other.key"
    subprocess.run([INTERLOCK, "key", "new", other], check=True, capture_output=True)
    for name, body, keyfile in (("changed", text.replace(b"serial", b"serial "), key[1]), ("cut", text[:-6], key[1]), ("foreign", text, f"{other}.pub")):
        (tmp / name).write_bytes(body)
        (tmp / f"{name}.minisig").write_bytes(sig)
        r, hits = replay("--watch-list", tmp / name, "--watch-list-key", keyfile)
        assert r.returncode == 2 and not hits, (name, r)
    assert replay("--watch-list", tmp / "watch")[0].returncode == 2


def minisign_pub():
    """minisign's form of our public key: base64("Ed" || first 8 bytes of BLAKE2b-256 || key)."""
    import hashlib
    jwk = json.loads((co.dir / "share.key.pub").read_text())
    pk = base64.urlsafe_b64decode(jwk["x"] + "=")
    return base64.b64encode(b"Ed" + hashlib.blake2b(pk, digest_size=32).digest()[:8] + pk).decode()


if __name__ == "__main__":
    collector.run([described, refused, shared, pages, versions, sent, sensor])
