# SPDX-License-Identifier: Apache-2.0
"""Notifications.  Run by notify.sh; prints TAP."""
import atexit
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import pathlib
import re
import shutil
import socketserver
import tempfile
import threading
import time

import collector
import notify_tls
from collector import Collector, Person, until
from secrets import found
from sensor import Chain, Key, Sensor

SECRET = ["hmi-zulu7", "plc-yankee3", "guard-xray9", "10.77.31.5", "48711"]
KEY = "a secret of the webhook"
mails, posts, logs = [], [], []
answers = []  # what the webhook says next: a status, or a body; 200 when empty


class Mail(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs."""
    timeout = 20

    def handle(self):
        self.say("220 here")
        to = []
        while line := self.rfile.readline().strip().decode():
            verb = line.split()[0].upper()
            if verb == "DATA":
                self.say("354 go on")
                data = b""
                while not data.endswith(b"\r\n.\r\n"):
                    data += self.rfile.readline()
                mails.append((to, data[:-3]))
                self.say("250 taken")
            elif verb == "RCPT":
                to.append(line)
                self.say("250 yes")
            elif verb == "QUIT":
                return self.say("221 bye")
            else:
                self.say("250 yes")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class Hook(http.server.BaseHTTPRequestHandler):
    timeout = 20

    def do_POST(self):
        posts.append((time.time(), self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        say = answers.pop(0) if answers else 200
        self.send_response(say if isinstance(say, int) else 200)
        body = b"" if isinstance(say, int) else say.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Log(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self):
        logs.append(self.rfile.read())


def serve(kind):
    s = socketserver.ThreadingTCPServer(("127.0.0.1", 0), kind)
    s.daemon_threads = True
    threading.Thread(target=s.serve_forever, daemon=True).start()
    atexit.register(s.shutdown)
    return s.server_address[1]


mail, hook, log = serve(Mail), serve(Hook), serve(Log)
tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
co = Collector(tmp, ["--escalate", "3s", "--silent", "1h"]).start()
atexit.register(co.stop)
viewer, analyst, admin = (Person(co.page, u) for u in ("viewer", "analyst", "admin"))
s, key = Sensor(co.ingest, tmp / "s"), Key()
assert s.enrol(co.dir / "ca.crt", co.token("guard-xray9"), "guard-xray9", key)[0] == 200
chain = Chain(key, "guard-xray9")
co.cli("destination", co.dir, "out")
(tmp / "secret").write_text(KEY + "\n")


def contact(name, address, *args):
    co.cli("contact", co.dir, name, "--to", "out", "--address", address, *args)


def alert(rule, severity=1):
    lines = [json.dumps(json.loads(x) | {"src_ip": "10.77.31.5"}).encode()
             for x in chain.lines(1, src="hmi-zulu7", rule=rule, severity=severity, meta={"il_dst": [f"plc-yankee3-{rule}"], "il_pdu": ['{"values":[48711]}']})]
    assert s.send(chain.batch(lines))[0] == 200
    return next(i["id"] for i in viewer.items("incidents") if i["dst"] == f"plc-yankee3-{rule}")


def sent(incident, **over):
    return [d for d in viewer.get("notifications")["items"] if d["incident"] == incident and over.items() <= d.items()]


def before():
    """without contacts nobody is told, and what was before the first contact is not told later"""
    first = alert("early")
    time.sleep(1.5)
    contact("operator", f"http://127.0.0.1:{hook}/x", "--secret", tmp / "secret")
    contact("shift", "mail:anna@plant.example", "--via", f"smtp://127.0.0.1:{mail}", "--from", "interlock@plant.example", "--level", "2")
    contact("soc", f"syslog://127.0.0.1:{log}", "--level", "3", "--severity", "2")
    time.sleep(1.5)
    assert not posts and not sent(first)
    for bad in ({"address": "http://elsewhere.example/x", "secret": KEY}, {"address": "https://x.example", "secret": "short"}, {"address": "mail:anna"},
                {"address": "mail:a@b\r\nBcc: c@d", "via": "smtps://x", "from": "a@b"}, {"address": "ftp://x", "secret": KEY}, {"address": "syslog://x"},
                {"address": "https://x.example", "secret": KEY, "level": 10}, {"address": "https://x.example", "secret": KEY, "to": "nobody"}):
        assert admin.post("contacts", {"name": "bad", "to": "out"} | bad)[0] == 400, bad
    assert KEY not in json.dumps(admin.get("contacts"))


def told():
    """the first level is told at once: signed, redacted, once"""
    i = alert("told")
    until(lambda: posts)
    when, headers, body = posts.pop()
    t, v = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Interlock-Signature"]).groups()
    assert hmac.compare_digest(v, hmac.new(KEY.encode(), t.encode() + b"." + body, hashlib.sha256).hexdigest()) and abs(time.time() - int(t)) < 30
    o = json.loads(body)
    assert (o["incident"], o["severity"], o["level"], o["tlp"]) == (i, 1, 1, "amber") and o["title"] == "Unauthorized Command: write_registers (modbus)", o
    assert not found(body, SECRET) and o["src"].startswith("name-")
    assert not mails and not logs
    assert viewer.post("notifications/ack", {"token": o["token"]})[0] == 200
    assert viewer.get(f"incidents/{i}")["state"] == "ack" and viewer.get(f"incidents/{i}")["log"][0]["user"] == "operator"
    for token in ("", "x" * 22, o["token"][:-1], o["token"] + "A"):
        assert Person(co.page).call("POST", "/api/v1/notifications/ack", {"token": token}, csrf=False)[0] == 404, token
    time.sleep(4)
    assert not mails and not posts and [d["notice"] for d in sent(i)] == ["acknowledged"]  # acknowledged: nobody else is told


def escalated():
    """nobody answers: the next level, then the next; who takes it up in the page ends it"""
    i = alert("escalated")
    start = time.time()
    until(lambda: mails, 15)
    assert 2 < time.time() - start < 9
    to, data = mails.pop()
    m = email.message_from_bytes(data, policy=email.policy.default)
    assert to == ["RCPT TO:<anna@plant.example>"] and b"\r\nTo: <anna@plant.example>\r\n" in data and b"\r\nFrom: <interlock@plant.example>\r\n" in data, (to, data[:300])
    assert m["Subject"] == f"Interlock: incident {i}, severity 1 (nobody has answered yet)" and m["Auto-Submitted"] == "auto-generated"
    text = m.get_content()
    assert "write_registers" in text and not found(data, SECRET) and not found(text.encode(), SECRET)
    token = re.search(r'"token": "([\w-]{22})"', text)[1]
    until(lambda: logs, 15)
    n, line = logs.pop().decode().split(" ", 1)
    assert int(n) == len(line.encode()) and re.match(r"<129>1 \d{4}-\d\d-\d\dT\S+Z \S+ interlock - incident \[incident@62443 id=\"%d\" severity=\"1\" level=\"3\"\] " % i, line), line
    until(lambda: [d["notice"] for d in sent(i)][:1] == ["nobody left"], 15)
    assert [d["level"] for d in sent(i)] == [3, 2, 1]
    assert Person(co.page).call("POST", "/api/v1/notifications/ack", {"token": token}, csrf=False)[0] == 200
    j = alert("taken-up")
    until(lambda: sent(j, state="sent"))
    assert analyst.post(f"incidents/{j}", {"state": "ack"})[0] == 200
    k = alert("less", severity=2)  # only the SOC wants to know, and it is told at once: its level is the lowest that does
    until(lambda: sent(k, state="sent"))
    assert [(d["contact"], d["level"]) for d in sent(k)] == [("soc", 3)]
    time.sleep(3.5)
    assert len(sent(j)) == 1 and not mails


def retried():
    """a receiver that fails is tried again, later each time; a restart forgets nothing; an answer may acknowledge"""
    posts.clear()
    answers[:] = [500, '{"ack": true}']
    i = alert("retried")
    until(lambda: sent(i, tries=1, state="due"))
    assert sent(i)[0]["error"] == "HTTP status 500"
    co.stop()
    co.start()
    for p in (viewer, analyst, admin):
        p.__init__(co.page, p.user)
    s.port = co.ingest
    s.close()
    until(lambda: sent(i, tries=2, state="sent"), 20)
    assert len(posts) == 2 and posts[1][0] - posts[0][0] >= 4.5
    assert viewer.get(f"incidents/{i}")["state"] == "ack"


def bounded():
    """twenty messages to a contact in ten minutes, the rest waits and says so"""
    posts.clear()
    first = [alert(f"many-{n}") for n in range(24)]
    until(lambda: sum(d["error"].startswith("waits") for i in first for d in sent(i)) >= 4, 20)
    assert len(posts) <= 20, len(posts)
    total = [d for d in viewer.get("notifications")["items"] if d["contact"] == "operator" and d["state"] == "sent"]
    assert len(total) == 20, len(total)


if __name__ == "__main__":
    collector.run([before, told, escalated, retried, bounded, *notify_tls.tests])
