# SPDX-License-Identifier: Apache-2.0
"""Mail by TLS and HTTPS webhooks: servers of this test behind OpenSSL, a CA that the collector is told.  Run by notify.py."""
import atexit
import base64
import datetime
import http.server
import pathlib
import shutil
import socketserver
import ssl
import tempfile
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collector import Collector, Person, until
from sensor import Chain, Key, Sensor

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
LOGIN = "interlock:a word for mail"


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def issue(what, issuer=None, host=None):
    """(certificate, key): a CA of its own, or of host by issuer; and a file of both."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    b = x509.CertificateBuilder().subject_name(name(what)).issuer_name(issuer[0].subject if issuer else name(what)).public_key(key.public_key())
    b = b.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
    b = b.add_extension(x509.BasicConstraints(not host, None), True)
    if host:
        b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
    cert = b.sign(issuer[1] if issuer else key, hashes.SHA256())
    pem = cert.public_bytes(serialization.Encoding.PEM)
    (tmp / f"{what}.crt").write_bytes(pem)
    (tmp / f"{what}.pem").write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return cert, key


plant, stranger = issue("plant-ca"), issue("stranger-ca")
issue("good", plant, "localhost"), issue("elsewhere", plant, "elsewhere.example"), issue("strange", stranger, "localhost")


def context(what):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(tmp / f"{what}.pem")
    return c


class Mail(socketserver.StreamRequestHandler):
    """RFC 5321 with STARTTLS (3207) and AUTH PLAIN (4954), each only where it may be."""
    timeout = 20

    def handle(self):
        srv = self.server
        self.tls, self.auth, to = srv.implicit, None, []
        if self.tls and not self.secure():
            return
        self.say("220 here")
        while line := self.rfile.readline().strip().decode():
            verb = line.split()[0].upper()
            srv.said.append((self.tls, verb))
            if verb == "EHLO":
                self.say("250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME" if self.tls else "250-here\r\n250 STARTTLS" if srv.tls else "250-here\r\n250 AUTH PLAIN")
            elif verb == "STARTTLS" and srv.tls:
                self.say("220 go on")
                if not self.secure():
                    return
            elif verb == "AUTH":
                given = line.split()[2] if len(line.split()) > 2 else (self.say("334 "), self.rfile.readline().strip().decode())[1]
                self.auth = base64.b64decode(given).decode().split("\0", 1)[1].replace("\0", ":")
                self.say("235 yes" if self.auth == LOGIN else "535 no")
            elif verb == "RCPT":
                to.append(line)
                self.say("250 yes")
            elif verb == "DATA":
                self.say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += self.rfile.readline()
                srv.mails.append((self.tls, self.auth, to, data))
                self.say("250 taken")
            elif verb == "QUIT":
                return self.say("221 bye")
            else:
                self.say("250 yes")

    def secure(self):
        try:
            self.connection = self.request = self.server.context.wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, OSError):  # they do not like who we are
            return False
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.tls = True
        return True

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

    def handle_error(self, *_):
        pass


def mail(what=None, implicit=False, port=0):
    """what: whose certificate; None: no TLS at all."""
    s = Server(("127.0.0.1", port), Mail)
    s.said, s.mails, s.tls, s.implicit, s.context = [], [], what is not None, implicit, what and context(what)
    return run(s)


def run(s):
    s.port = s.server_address[1]
    threading.Thread(target=s.serve_forever, args=(0.1,), daemon=True).start()
    return s


class Hook(http.server.BaseHTTPRequestHandler):
    timeout = 20

    def do_POST(self):
        self.server.posts.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def hook(what):
    s = Server(("127.0.0.1", 0), Hook)
    s.posts, s.socket = [], context(what).wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
    return run(s)


class Plant:
    def __init__(self, folder, *options):
        self.co = Collector(tmp / folder, ["--escalate", "4s", "--silent", "1h", *options]).start()
        atexit.register(self.co.stop)
        self.viewer, s, key = Person(self.co.page, "viewer"), Sensor(self.co.ingest, tmp / folder / "s"), Key()
        assert s.enrol(self.co.dir / "ca.crt", self.co.token("guard-1"), "guard-1", key)[0] == 200
        self.sensor, self.chain = s, Chain(key, "guard-1")
        self.co.cli("destination", self.co.dir, "out")
        (tmp / "login").write_text(LOGIN + "\n")
        (tmp / "secret").write_text("a secret of the webhook\n")

    def mailed(self, contact, url, level="1"):
        self.co.cli("contact", self.co.dir, contact, "--to", "out", "--address", "mail:anna@plant.example", "--via", url, "--from", "interlock@plant.example", "--secret", tmp / "login", "--level", level)

    def hooked(self, contact, url, level="1"):
        self.co.cli("contact", self.co.dir, contact, "--to", "out", "--address", url, "--secret", tmp / "secret", "--level", level)

    def alert(self, rule):
        assert self.sensor.send(self.chain.batch(self.chain.lines(1, rule=rule)))[0] == 200

    def sent(self, contact):
        return [d for d in self.viewer.get("notifications")["items"] if d["contact"] == contact]


def mail_by_tls():
    """mail by STARTTLS and by TLS from the first byte, webhook by HTTPS: with the CA that was given; the password never before TLS"""
    p = Plant("one", "--notify-ca", tmp / "plant-ca.crt")
    a, b, c = mail("good"), mail("good", implicit=True), hook("good")
    p.mailed("starttls", f"smtp://localhost:{a.port}")
    p.mailed("implicit", f"smtps://localhost:{b.port}")
    p.hooked("hook", f"https://localhost:{c.port}/x")
    p.alert("told")
    until(lambda: a.mails and b.mails and c.posts, 20)
    for s in (a, b):
        tls, auth, to, data = s.mails[0]
        assert (tls, auth, to) == (True, LOGIN, ["RCPT TO:<anna@plant.example>"]) and b"Subject: Interlock: incident" in data, s.mails
        assert all(tls or verb in ("EHLO", "STARTTLS", "QUIT") for tls, verb in s.said), s.said
    p.co.stop()


def refused_by_tls():
    """another CA, another host's certificate, no TLS, nobody there: nothing is said to them, it is told why, tried again, and the next level is told"""
    p = Plant("two", "--notify-ca", tmp / "plant-ca.crt")
    bad = {"strange": mail("strange"), "elsewhere": mail("elsewhere", implicit=True), "plain": mail(), "gone": mail("good")}
    hooks, next_level = {"hook-strange": hook("strange"), "hook-elsewhere": hook("elsewhere")}, hook("good")
    bad["gone"].shutdown(), bad["gone"].server_close()
    for k, s in bad.items():
        p.mailed(k, f"{'smtps' if s.implicit else 'smtp'}://localhost:{s.port}")
    for k, s in hooks.items():
        p.hooked(k, f"https://localhost:{s.port}/x")
    p.hooked("next", f"https://localhost:{next_level.port}/x", "2")
    p.alert("refused")
    everybody = [*bad, *hooks]
    until(lambda: all(p.sent(k) and p.sent(k)[0]["tries"] >= 1 for k in everybody), 30)
    why = {k: p.sent(k)[0]["error"] for k in everybody}
    assert all(p.sent(k)[0]["state"] == "due" for k in everybody), why
    for k in ("strange", "elsewhere", "hook-strange", "hook-elsewhere"):
        assert "certificate" in why[k].lower() or "SSL" in why[k], why
    until(lambda: next_level.posts, 30)  # the escalation does not wait for them
    until(lambda: all(p.sent(k)[0]["tries"] >= 2 for k in everybody), 40)
    assert not any(s.mails for s in bad.values()) and not any(s.posts for s in hooks.values())
    assert not any(verb in ("AUTH", "MAIL", "RCPT", "DATA") for s in bad.values() for _, verb in s.said), [s.said for s in bad.values()]
    back = mail("good", port=bad["gone"].port)  # it comes back: what waited is told
    until(lambda: back.mails and p.sent("gone")[0]["state"] == "sent", 60)
    assert back.mails[0][1] == LOGIN
    p.co.stop()


def without_the_ca():
    """the system's certificates do not lead to the plant's CA: without --notify-ca its server is refused; a file that is not there is said at the start"""
    p = Plant("three")
    s = mail("good")
    p.mailed("mail", f"smtp://localhost:{s.port}")
    p.alert("system")
    until(lambda: p.sent("mail") and p.sent("mail")[0]["tries"] >= 1, 30)
    assert not s.mails and p.sent("mail")[0]["state"] == "due"
    p.co.stop()
    p.co.options += ["--notify-ca", str(tmp / "none.crt")]
    try:
        p.co.start()
        raise AssertionError("it started")
    except RuntimeError:
        p.co.proc.wait(10)
        p.co.proc = None


tests = [mail_by_tls, refused_by_tls, without_the_ca]
