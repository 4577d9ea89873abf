# SPDX-License-Identifier: Apache-2.0
"""A sensor as the collector sees one, independent of our own sender: enrols, signs batches, sends them.

usage: sensor.py enrol PORT CA.crt TOKEN NAME DIR     key, certificate and ca of a sensor into DIR
       sensor.py send PORT DIR JOURNAL                every batch of a journal, in requests of 50
"""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import ssl
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID

ZERO = "0" * 64


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key:
    def __init__(self, seed=None):
        self.sk = ed25519.Ed25519PrivateKey.from_private_bytes(seed or os.urandom(32))
        self.x = b64(self.sk.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
        self.kid = b64(hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{self.x}"}}'.encode()).digest())  # RFC 7638

    @staticmethod
    def load(path):
        return Key(unb64(json.loads(pathlib.Path(path).read_text())["d"]))

    def jwk(self):
        return {"kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.kid}

    def jws(self, typ, payload, header=None):
        head = {"alg": "Ed25519", "typ": typ, "kid": self.kid} | (header or {})
        text = b64(json.dumps(head).encode()) + "." + b64(payload if isinstance(payload, bytes) else json.dumps(payload).encode())
        return text + "." + b64(self.sk.sign(text.encode()))


def leaf(line):
    return hashlib.sha256(b"\0" + line).digest()


def root(lines):
    """RFC 6962 2.1"""
    if not lines:
        return hashlib.sha256(b"").digest()
    if len(lines) == 1:
        return leaf(lines[0])
    k = 1
    while k * 2 < len(lines):
        k *= 2
    return hashlib.sha256(b"\1" + root(lines[:k]) + root(lines[k:])).digest()


class Chain:
    """Signed batches of made-up alerts, one after the other."""

    def __init__(self, key, iss, epoch=None):
        self.key, self.iss, self.epoch = key, iss, epoch or int(time.time())
        self.number, self.seq, self.prev = 0, 0, ZERO

    def lines(self, n, **over):
        out = []
        for i in range(n):
            seq = str(self.seq + i + 1)
            now = time.time()
            when = over.get("time") or time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".%06d+0000" % (now % 1 * 1e6)
            meta = {"il_seq": [seq], "il_rule": [over.get("rule", "setpoints")], "il_conduit": ["hmi-filler"], "il_verdict": ["reject"],
                    "il_reason": ["otherwise"], "il_src": [over.get("src", "hmi1")], "il_dst": [over.get("dst", "plc-filler")],
                    "il_op": ["write_registers"], "il_access": ["write"], "il_object": [over.get("object", "holding 100..119")],
                    "mitre_technique_id": ["T0855", "T1692.001", "T0836"], "il_site": [over.get("site", "bottling-line-2")],
                    "il_pdu": ['{"txn":7,"values":[1,2]}']} | over.get("meta", {})
            out.append(json.dumps({"timestamp": when, "flow_id": 1, "event_type": "alert", "src_ip": "10.1.2.5", "src_port": 40000,
                                   "dest_ip": "10.1.2.130", "dest_port": 502, "proto": "TCP", "direction": "to_server", "app_proto": over.get("app_proto", "modbus"),
                                   "host": self.iss, "alert": {"action": "blocked", "gid": 62443, "signature_id": over.get("sid", 1000000001),
                                                               "rev": 1, "signature": over.get("signature", "Interlock hmi-filler: write_registers is not allowed"),
                                                               "category": "Unauthorized Command", "severity": over.get("severity", 1), "metadata": meta}}).encode())
        return out

    def batch(self, lines=(), header=None, **over):
        """Bytes of the next batch; over changes members of its payload (then the chain does not go on from it)."""
        body = b"".join(line + b"\n" for line in lines)
        p = {"v": 1, "iss": self.iss, "epoch": self.epoch, "batch": self.number + 1, "first": self.seq + 1, "last": self.seq + len(lines),
             "n": len(lines), "sha256": hashlib.sha256(body).hexdigest(), "root": root(list(lines)).hex(), "prev": self.prev,
             "iat": round(time.time(), 3)} | over
        jws = self.key.jws("interlock-batch+jws", p, header)
        if not {k for k in over if k not in ("oldest", "lost", "final", "iat")} and not header:
            self.number, self.seq = self.number + 1, self.seq + len(lines)
            self.prev = hashlib.sha256(jws.encode()).hexdigest()
        self.jws = jws
        return jws.encode() + b"\n" + body


class Sensor:
    def __init__(self, port, folder, timeout=30):
        self.port, self.dir, self.timeout = port, pathlib.Path(folder), timeout
        self.conn = None

    def context(self, cert=True):
        c = ssl.create_default_context(cafile=str(self.dir / "ca.crt"))
        c.minimum_version = ssl.TLSVersion.TLSv1_3
        if cert:
            c.load_cert_chain(self.dir / "client.crt", self.dir / "client.key")
        return c

    def call(self, method, path, body=b"", headers=None, cert=True):
        for again in (False, True):
            try:
                if not self.conn or not cert:
                    self.close()
                    self.conn = http.client.HTTPSConnection("127.0.0.1", self.port, context=self.context(cert), timeout=self.timeout)
                self.conn.request(method, path, body, headers or {})
                r = self.conn.getresponse()
                data = r.read()
                out = r.status, data if r.headers.get_content_type() == "application/octet-stream" else json.loads(data) if data else {}, r.headers
                if not cert:
                    self.close()
                return out
            except (http.client.HTTPException, OSError):
                self.close()
                if again:
                    raise

    def close(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def send(self, *batches, **headers):
        status, answer, _ = self.call("POST", "/ingest/v1/batches", b"".join(batches),
                                      {"Content-Type": "application/vnd.interlock.batches"} | headers)
        return status, answer

    @staticmethod
    def request():
        """A transport key, and a request for it in PEM."""
        tls = ec.generate_private_key(ec.SECP256R1())
        csr = x509.CertificateSigningRequestBuilder().subject_name(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])).sign(tls, hashes.SHA256())  # a name nobody believes
        return tls, csr.public_bytes(serialization.Encoding.PEM).decode()

    def use(self, tls, certificate):
        (self.dir / "client.key").write_bytes(tls.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        (self.dir / "client.crt").write_text(certificate)

    def enrol(self, ca, token, name, key, proof=None):
        self.dir.mkdir(parents=True, exist_ok=True)
        (self.dir / "ca.crt").write_text(pathlib.Path(ca).read_text())
        tls, csr = self.request()
        status, answer, _ = self.call("POST", "/ingest/v1/enrol", json.dumps({
            "token": token, "name": name, "csr": csr, "jwks": {"keys": [key.jwk()]},
            "proof": proof or key.jws("interlock-enrol+jws", {"v": 1, "token": token})}), cert=False)
        if status == 200:
            self.use(tls, answer["certificate"])
            (self.dir / "receipt.jwks").write_text(json.dumps(answer["receipt_jwks"]))
        return status, answer


def journal(folder):
    """(JWS, lines) of every batch, in order"""
    for f in sorted(pathlib.Path(folder).glob("*.jws")):
        eve = f.with_suffix(".eve").read_bytes().split(b"\n")
        at = 0
        for jws in f.read_text().split():
            n = json.loads(unb64(jws.split(".")[1]))["n"]
            yield jws.encode() + b"\n" + b"".join(line + b"\n" for line in eve[at:at + n])
            at += n


if __name__ == "__main__":
    if sys.argv[1] == "enrol":
        port, ca, token, name, folder = sys.argv[2:]
        pathlib.Path(folder).mkdir(exist_ok=True)
        keyfile = pathlib.Path(folder) / "key"
        key = Key.load(keyfile) if keyfile.exists() else Key()
        status, answer = Sensor(int(port), folder).enrol(ca, token, name, key)
        print(status, json.dumps(answer.get("error") or answer["state"]))
    else:
        port, folder, path = sys.argv[2:]
        s, todo = Sensor(int(port), folder), list(journal(path))
        for i in range(0, len(todo), 50):
            status, answer = s.send(*todo[i:i + 50])
            print(status, json.dumps(answer)[:300])
