# SPDX-License-Identifier: Apache-2.0
"""Bulletins.  Run by bulletin.sh; prints TAP."""
import atexit
import hashlib
import html
import html.parser
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import collector
from collector import Collector, Person
from secrets import found
from sensor import Chain, Key, Sensor, leaf

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp).start()
atexit.register(co.stop)
viewer, analyst = (Person(co.page, u) for u in ("viewer", "analyst"))
SECRET = ["hmi-zulu7", "plc-yankee3", "guard-xray9", "10.77.31.5", "10.77.32.130", "48711", "holding 47123", "papa was here", "analyst"]
s, key = Sensor(co.ingest, tmp / "s"), Key()
assert s.enrol(co.dir / "ca.crt", co.token("guard-xray9"), "guard-xray9", key)[0] == 200
chain = Chain(key, "guard-xray9")
lines = [json.dumps(json.loads(x) | {"src_ip": "10.77.31.5", "dest_ip": "10.77.32.130"}).encode()
         for x in chain.lines(5, src="hmi-zulu7", object="holding 47123 <b>&", meta={"il_dst": ["plc-yankee3"], "il_pdu": ['{"values":[48711]}']})]
assert s.send(chain.batch(lines))[0] == 200
incident = viewer.items("incidents")[0]["id"]
assert analyst.post(f"incidents/{incident}", {"note": "papa was here <script>alert(1)</script>"})[0] == 200
co.cli("destination", co.dir, "cert", "--tlp", "green", "--as", "Plant operators' CERT")
co.cli("destination", co.dir, "court", "--keep", "names,addresses,users,objects,values,notes,raw", "--tlp", "red")


def make(name, *args):
    co.cli("bulletin", co.dir, incident, "-o", tmp / name, *args)
    return tmp / name


def commands(folder):
    """What the bulletin itself says how to verify it, run in its folder by a shell that has no network and nothing of ours."""
    text = html.unescape(re.search(r'<pre id="verify">(.*?)</pre>', (folder / "bulletin.html").read_text(), re.S)[1])
    assert "interlock" not in text
    cmd = ["unshare", "-n", "sh", "-e", "-c", text] if os.getuid() == 0 else ["sh", "-e", "-c", text]
    return subprocess.run(cmd, cwd=folder, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})


def jose(folder):
    return subprocess.run(["node", pathlib.Path(os.environ["JOSE"]) / "bulletin.mjs", folder], capture_output=True, text=True)


def verified():
    """what stands in the bulletin verifies it with openssl alone, and so does jose; a changed file, signature or key does not pass"""
    d = make("cert", "--to", "cert", "--no-pdf")
    out = commands(d)
    assert out.returncode == 0 and "Signature Verified Successfully" in out.stdout, out
    hashes = {n: hashlib.sha256((d / n).read_bytes()).hexdigest() for n in ("bulletin.html", "evidence.json")}
    for h in hashes.values():
        assert out.stdout.count(h) == 2, out.stdout  # what was signed, and what is there
    assert jose(d).stdout == "bulletin.html\nevidence.json\n"
    kid = json.loads((d / "key.jwk").read_text())["kid"]
    assert kid in (d / "bulletin.html").read_text() and kid == json.loads((co.dir / "share.key.pub").read_text())["kid"]
    text = (d / "bulletin.html").read_text()
    (d / "bulletin.html").write_text(text.replace("green", "clear"))
    assert commands(d).stdout.count(hashes["bulletin.html"]) == 1 and jose(d).returncode != 0
    (d / "bulletin.html").write_text(text)
    jws = (d / "bulletin.jws").read_text()
    (d / "bulletin.jws").write_text(jws[:-3] + ("A" if jws[-3] != "A" else "B") + jws[-2:])
    assert commands(d).returncode != 0 and jose(d).returncode != 0
    head, payload, sig = jws.split(".")
    (d / "bulletin.jws").write_text(".".join([head, payload[:-4] + "AAAA", sig]))
    assert commands(d).returncode != 0 and jose(d).returncode != 0
    (d / "bulletin.jws").write_text(jws)
    assert commands(d).returncode == 0


def redacted():
    """nothing of the plant is in any file of a bulletin to who may have nothing; what is kept is escaped"""
    d = make("zh", "--to", "cert", "--lang", "zh")
    for f in d.iterdir():
        assert not found(f.read_bytes(), SECRET), (f, found(f.read_bytes(), SECRET))
    assert (d / "bulletin.pdf").read_bytes()[:5] == b"%PDF-"
    text = subprocess.run(["pdftotext", "-layout", d / "bulletin.pdf", "-"], capture_output=True, text=True, check=True).stdout
    for part in ("工业控制系统安全事件通报", "TLP:GREEN", "处置建议", "已验证", "T0836", "openssl pkeyutl"):
        assert part in text, (part, text)
    assert not found(text.encode(), SECRET)
    fonts = subprocess.run(["pdffonts", d / "bulletin.pdf"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"\+NotoSansCJK\S*\s.*\syes\s+yes\s", fonts.replace("-", "").replace(" SC", "")), fonts  # embedded, a subset
    out = commands(d)
    assert out.returncode == 0 and out.stdout.count(hashlib.sha256((d / "bulletin.pdf").read_bytes()).hexdigest()) == 2
    assert jose(d).stdout == "bulletin.html\nbulletin.pdf\nevidence.json\n"
    full = make("court", "--to", "court", "--no-pdf")
    page = (full / "bulletin.html").read_text()
    assert "holding 47123 &lt;b&gt;&amp;" in page and "<script" not in page and "hmi-zulu7 (10.77.31.5)" in page and "http" not in page


def proven():
    """the evidence leads to the root, by another's arithmetic; where raw parts may leave, to the sensor's own signature"""
    for name, raw in (("cert", False), ("court", True)):
        folder = tmp / name
        alerts = json.loads((folder / "evidence.json").read_text())["alerts"]
        assert len(alerts) == 5
        for a in alerts:
            h, i, n = bytes.fromhex(a["leaf"]), a["index"], a["n"]
            assert h == leaf(lines[i])
            for p in map(bytes.fromhex, a["path"]):  # RFC 9162 2.1.3.2
                if i % 2 or i == n - 1:
                    h = hashlib.sha256(b"\1" + p + h).digest()
                    while i % 2 == 0 and i:
                        i, n = i // 2, (n + 1) // 2
                else:
                    h = hashlib.sha256(b"\1" + h + p).digest()
                i, n = i // 2, (n + 1) // 2
            assert h.hex() == a["root"] and a["state_of_proof"] == "verified"
            assert a["batch_sha256"] == hashlib.sha256(chain.jws.encode()).hexdigest()
            assert ("line" in a) == ("jws" in a) == raw
            if raw:
                assert a["line"].encode() == lines[a["index"]] and a["jws"] == chain.jws and json.loads(a["key"])["x"] == key.x


class Fields(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "link", "iframe", "object") and not any(k.startswith("on") or k in ("src", "href") for k, _ in attrs), tag
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page():
    """both languages have the same fields, one after the other, in well-formed HTML that fetches nothing; by REST as by the command"""
    made = {}
    for lang in ("en", "zh"):
        status, answer = analyst.post(f"incidents/{incident}/bulletin", {"to": "cert", "lang": lang})
        assert status == 200, answer
        files = {f: analyst.call("GET", f"/api/v1/bulletins/{answer['id']}/{f}", raw=True) for f in
                 ("bulletin.html", "evidence.json", "bulletin.jws", "key.pem", "key.jwk")}
        folder = tmp / f"rest-{lang}"
        folder.mkdir()
        for f, (st, data, h) in files.items():
            assert st == 200, f
            (folder / f).write_bytes(data)
        assert commands(folder).returncode == 0 and not found(files["bulletin.html"][1], SECRET)
        assert analyst.call("GET", f"/api/v1/bulletins/{answer['id']}/bulletin.pdf")[0] == 404
        made[lang] = Fields(files["bulletin.html"][1].decode()).tags
    assert made["en"] == made["zh"] and made["en"].count("h2") == 5
    assert [b["lang"] for b in analyst.get("bulletins")["items"]] == ["zh", "en"]
    assert viewer.post(f"incidents/{incident}/bulletin", {"to": "cert"})[0] == 403
    assert analyst.post(f"incidents/{incident}/bulletin", {"to": "cert", "lang": "fr"})[0] == 400
    assert analyst.post(f"incidents/{incident}/bulletin", {"to": "nobody"})[0] == 404
    status, answer = analyst.post(f"incidents/{incident}/bulletin", {"to": "court"})  # an analyst's has no raw parts
    assert status == 200 and b'"line"' not in analyst.call("GET", f"/api/v1/bulletins/{answer['id']}/evidence.json", raw=True)[1]


if __name__ == "__main__":
    collector.run([verified, redacted, proven, page])
