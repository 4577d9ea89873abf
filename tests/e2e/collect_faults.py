# SPDX-License-Identifier: Apache-2.0
"""Faults and hostile clients.  Run by collect_faults.sh; prints TAP."""
import atexit
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import collector
from collector import Collector, Person, until
from sensor import Chain, Key, Sensor

tmp = pathlib.Path(tempfile.mkdtemp())
atexit.register(shutil.rmtree, tmp, True)
SEED = int(os.environ.get("SEED", time.time()))
dice = random.Random(SEED)
print("# SEED", SEED)


def enrolled(co, name, folder):
    s, key = Sensor(co.ingest, folder / name), Key()
    assert s.enrol(co.dir / "ca.crt", co.token(name), name, key)[0] == 200
    s.chain = Chain(key, name)
    return s


def eve(person, **args):
    """All lines that are stored of a sensor, oldest first."""
    data = person.call("GET", "/api/v1/export?format=eve&" + "&".join(f"{k}={v}" for k, v in args.items()), raw=True)[1]
    return data.split(b"\n")[:-1][::-1]


def deliver(s, batches, stop=None, log=None):
    """As a sender does: from where the collector is, again and again, until all are receipted."""
    end = time.time() + 120
    while time.time() < end:
        try:
            have = s.call("GET", "/ingest/v1/position")[1]["batch"]
            if log:
                assert have >= log["receipted"], (have, log)  # a receipt is never taken back
            if have == len(batches):
                return
            status, answer = s.send(*batches[have:have + dice.randint(1, 4)])
            if status == 200 and log is not None:
                log["receipted"] = max(log["receipted"], s.call("GET", "/ingest/v1/position")[1]["batch"])
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
    raise AssertionError("not delivered")


def killed():
    """killed at random while batches come in: what was receipted is there, and the stored set is the sent set"""
    folder = tmp / "killed"
    co = Collector(folder).start()
    try:
        s = enrolled(co, "s", folder)
        co.options += ["--ingest", f"127.0.0.1:{co.ingest}"]
        lines, batches = [], []
        for _ in range(60 * int(os.environ.get("KILLS", 5))):
            batch = s.chain.lines(dice.randint(0, 12))
            lines += batch
            batches.append(s.chain.batch(batch))
        log = {"receipted": 0}
        t = threading.Thread(target=deliver, args=(s, batches), kwargs={"log": log})
        t.start()
        for _ in range(int(os.environ.get("KILLS", 5))):
            time.sleep(dice.uniform(0.05, 0.6))
            co.stop(signal.SIGKILL)
            co.start()
        t.join()
        assert Person(co.page, "viewer").get("sensors")["items"][0]["chain"] == "whole"
        got = eve(Person(co.page, "viewer"))
        assert sorted(got) == sorted(lines), (len(got), len(lines))
    finally:
        co.stop()


class Wire:
    """A wire to a port that is cut and slow: each connection ends after some bytes, in either direction, or goes on drop by drop."""

    def __init__(self, port):
        self.port, self.cut, self.slowed, self.all = port, 0, 0, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                near = self.listener.accept()[0]
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            self.all += 1
            fate = dice.choice(("good", "cut", "cut", "slow"))
            left = [dice.randint(200, 40000)]
            self.slowed += fate == "slow"
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.carry, args=(a, b, fate, left), daemon=True).start()

    def carry(self, a, b, fate, left):
        try:
            while data := a.recv(4000 if fate == "slow" else 65536):
                left[0] -= len(data)
                if fate == "cut" and left[0] < 0:
                    self.cut += 1
                    b.sendall(data[:left[0]])  # half of it arrives
                    break
                if fate == "slow":
                    time.sleep(0.01)
                b.sendall(data)
        except OSError:
            pass
        for k in (a, b):
            try:
                k.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def wire():
    """a wire that is cut in the middle of requests and answers, and slow: the stored set is the sent set, once"""
    s = enrolled(co, "wire", tmp)
    s.close()
    w = Wire(co.ingest)
    s.port = w.at
    lines, batches = [], []
    for _ in range(60):
        batch = s.chain.lines(dice.randint(0, 30))
        lines += batch
        batches.append(s.chain.batch(batch))
    log = {"receipted": 0}
    end = time.time() + 100
    while log["receipted"] < len(batches) and time.time() < end:
        try:
            have = s.call("GET", "/ingest/v1/position")[1]["batch"]
            assert have >= log["receipted"]
            if s.send(*batches[have:have + dice.randint(1, 4)])[0] == 200:
                log["receipted"] = s.call("GET", "/ingest/v1/position")[1]["batch"]
            if dice.random() < 0.5:
                s.close()  # another connection, another fate
        except (OSError, http.client.HTTPException):
            s.close()
    w.listener.close()
    print(f"# {w.all} connections, {w.cut} cut, {w.slowed} slow")
    assert w.cut > 2 and w.slowed > 0
    got = eve(viewer, sensor="wire")
    assert sorted(got) == sorted(lines) and len(got) == len(lines), (len(got), len(lines))
    me = next(x for x in viewer.get("sensors")["items"] if x["name"] == "wire")
    assert (me["chain"], me["batch"], me["lost"]) == ("whole", len(batches), 0), me
    assert not viewer.items("incidents", sensor="wire") or {i["kind"] for i in viewer.items("incidents", sensor="wire")} == {"policy"}


def disk_full():
    """a full disk: refused with Retry-After, no receipt, nothing half; when there is room again it goes on"""
    folder = tmp / "small"
    folder.mkdir()
    if os.getuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", folder], capture_output=True).returncode:
        print("# the disk is not made small: that needs root")
        return
    co = Collector(folder).start()
    try:
        s = enrolled(co, "s", tmp)
        filler, sent, refused = folder / "filler", [], None
        batch = s.chain.lines(50)
        assert s.send(s.chain.batch(batch))[0] == 200
        sent += batch
        with open(filler, "wb", buffering=0) as f:  # what does not fit must not wait for the end
            try:
                while True:
                    f.write(os.urandom(65536))
            except OSError:
                pass
        for _ in range(200):
            batch = s.chain.lines(200)
            refused = s.chain.batch(batch)
            status, answer, headers = s.call("POST", "/ingest/v1/batches", refused)
            if status != 200:
                break
            sent += batch
        assert status == 503 and headers["Retry-After"] and "receipt" not in answer, (status, answer)
        assert co.proc.poll() is None
        filler.unlink()
        assert until(lambda: s.send(refused)[0] == 200)
        sent += batch
        got = eve(Person(co.page, "viewer"))
        assert sorted(got) == sorted(sent), (len(got), len(sent))
    finally:
        co.stop()
        subprocess.run(["umount", "-l", folder], check=False)


co = Collector(tmp / "main", ["--connections", "40", "--per-address", "40", "--silent", "2s"]).start()
atexit.register(co.stop)
viewer, admin = Person(co.page, "viewer"), Person(co.page, "admin")


def silent():
    """a sensor that stops is silent within seconds, an incident; heard again, that is over"""
    s = enrolled(co, "quiet", tmp)
    assert s.send(s.chain.batch())[0] == 200
    s.close()
    until(lambda: [x for x in viewer.get("sensors")["items"] if x["name"] == "quiet" and x["state"] == "silent"])
    i = [i for i in viewer.items("incidents", sensor="quiet") if i["rule"] == "sensor.silent"][0]
    assert i["state"] == "open" and i["kind"] == "sensor" and i["severity"] == 1
    assert s.send(s.chain.batch())[0] == 200
    i = viewer.get(f"incidents/{i['id']}")
    assert i["state"] == "closed" and "heard again" in [e["text"] for e in i["log"]], i


def clock():
    """a clock that jumped is told: by the time of a statement, and by what the sensor says it is"""
    s = enrolled(co, "clock", tmp)
    now = int(time.time() * 1000)
    assert s.send(s.chain.batch(), **{"Interlock-Time": str(now)})[0] == 200
    assert abs(next(x for x in viewer.get("sensors")["items"] if x["name"] == "clock")["clock_skew_ms"]) < 5000
    assert s.send(s.chain.batch(s.chain.lines(1), iat=time.time() + 7200), **{"Interlock-Time": str(now + 7200000)})[0] == 200
    assert [i for i in viewer.items("incidents", sensor="clock") if i["rule"] == "sensor.clock"]
    x = next(x for x in viewer.get("sensors")["items"] if x["name"] == "clock")
    assert x["state"] == "trouble" and 7100000 < x["clock_skew_ms"] < 7300000, x


SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static int64_t off(void)
{
	static volatile int64_t *p;
	if (!p)
		p = mmap(0, 8, PROT_READ, MAP_SHARED, open(getenv("OWN_CLOCK"), O_RDONLY), 0);
	return *p;
}
int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	int r = real(id, ts);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ts->tv_sec += off();
	return r;
}
time_t time(time_t *t)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return t ? *t = ts.tv_sec : ts.tv_sec;
}
int gettimeofday(struct timeval *tv, void *tz)
{
	struct timespec ts;
	(void)tz;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
"""


def own_clock():
    """the collector's own clock jumps two years ahead and back, and some hours: told, nothing lost or removed, nobody blamed, what is due is due when it was"""
    (tmp / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp / "shim.so", tmp / "shim.c", "-ldl"], check=True)
    offset, years, hours, half = tmp / "offset", 800 * 86400, 5 * 3600, 1800
    offset.write_bytes(struct.pack("q", 0))
    own = Collector(tmp / "own", ["--silent", "20m", "--keep-days", "90", "--escalate", "1h"],
                    env=os.environ | {"LD_PRELOAD": str(tmp / "shim.so"), "OWN_CLOCK": str(offset), "ASAN_OPTIONS": "verify_asan_link_order=0"}).start()
    try:
        (tmp / "secret").write_text("0123456789abcdef0123456789abcdef")
        own.cli("destination", own.dir, "out", "--keep", "names")
        own.cli("contact", own.dir, "nobody", "--to", "out", "--address", "http://127.0.0.1:1/x", "--secret", tmp / "secret")
        who, s, sent, told = Person(own.page, "viewer"), enrolled(own, "s", tmp / "own"), [], []
        due = "SELECT n.due FROM notice n JOIN incident i ON i.id = n.incident WHERE i.rule <> 'collector.clock' ORDER BY n.id LIMIT 1"

        def jumps():
            said = [re.search(r"jumped (\d+) h (\d+) min (\d+) s (ahead|back)", x["text"]) for i in who.items("incidents")
                    if i["rule"] == "collector.clock" for x in who.get(f"incidents/{i['id']}")["log"]]
            return sorted((int(m[1]) * 3600 + int(m[2]) * 60 + int(m[3])) * (1 if m[4] == "ahead" else -1) for m in said)

        def send(n):
            lines = s.chain.lines(n)
            sent.extend(lines)
            assert s.send(s.chain.batch(lines), **{"Interlock-Time": str(int(time.time() * 1000))})[0] == 200

        def jump(to):
            """Each is a line in the log of an incident, with how far it was."""
            told.append(to - struct.unpack("q", offset.read_bytes())[0])
            with open(offset, "r+b") as f:
                f.write(struct.pack("q", to))
            until(lambda: len(jumps()) == len(told) and all(abs(a - b) < 5 for a, b in zip(jumps(), sorted(told))))

        send(3)
        until(lambda: own.sql(due))
        was = int(own.sql(due)[0][0])
        jump(years)
        time.sleep(2.5)  # housekeeping looks meanwhile: nobody is silent, no session is over
        assert abs(int(own.sql(due)[0][0]) - was - years * 1000) < 2000
        assert s.send(b"x")[0] == 401  # for it the sensor's certificate is over: the sensor keeps what it has
        own.stop()  # begun anew in a wrong year: it removes nothing, and shows a certificate of that year until the clock is right
        own.start()
        who = Person(own.page, "viewer")
        time.sleep(3.5)
        jump(0)
        assert abs(int(own.sql(due)[0][0]) - was) < 2000
        s.close()
        s.port = own.ingest

        def there():
            try:
                return s.call("GET", "/ingest/v1/position")[0] == 200
            except OSError:
                return False
        until(there)
        send(3)
        jump(hours)
        send(3)
        jump(-half)
        send(3)
        jump(0)
        send(3)
        assert eve(who, sensor="s") == sent
        assert {i["rule"] for i in who.items("incidents")} == {"collector.clock", "hmi-filler/setpoints"}, who.items("incidents")
        x = next(x for x in who.get("sensors")["items"] if x["name"] == "s")
        assert (x["state"], x["chain"]) == ("ok", "whole") and abs(x["last_seen"] - time.time() * 1000) < 60000, x
    finally:
        own.stop()


def streamed():
    """what comes in is on the stream within 2 s, and a stream that comes back misses nothing"""
    def stream(last=None):
        c = http.client.HTTPConnection("127.0.0.1", co.page, timeout=20)
        c.request("GET", "/api/v1/stream", headers={"Cookie": viewer.cookie} | ({"Last-Event-ID": last} if last else {}))
        return c, c.getresponse()

    def event(r, kind):
        got = {}
        while True:
            line = r.readline()
            assert line, "the stream ended"
            name, _, value = line.decode().strip().partition(": ")
            if not name and got.get("event") == kind:
                return got["id"], json.loads(got["data"])
            got = got | {name: value} if name else {}

    s = enrolled(co, "live", tmp)
    c, r = stream()
    assert event(r, "hello")[1]["missed"] is False
    t = time.time()
    assert s.send(s.chain.batch(s.chain.lines(1)))[0] == 200
    at, alert = event(r, "alert")
    took = time.time() - t
    assert alert["sensor"] == "live", alert
    assert took < 2 or os.getloadavg()[0] > 2 * os.cpu_count(), took  # a machine that is busy with others proves nothing
    while event(r, "incident")[1]["sensor"] != "live":  # others may still change; the connection's time-out ends this
        pass
    c.close()
    assert s.send(s.chain.batch(s.chain.lines(3)))[0] == 200
    c, r = stream(at)
    assert [event(r, "alert")[1]["sensor"] for _ in range(3)] == ["live"] * 3
    c.close()
    c, r = stream("1000000")
    assert event(r, "hello")[1]["missed"] is True
    c.close()


SHARP = ["'; DROP TABLE alert; --", "\" OR 1=1 --", "<script>alert(1)</script>", "%_\\", "\x00\x01\n", "../../etc/passwd", "=cmd|' /C calc'!A0",
         "\u202e\u0000", "A" * 2000, "${jndi:ldap://x}", "{{7*7}}"]


def sharp():
    """SQL, script and the like in every field of an alert and every filter are only text"""
    s = enrolled(co, "sharp", tmp)
    before = len(viewer.items("alerts"))
    lines = []
    for i, text in enumerate(SHARP):
        over = {"src": text, "dst": text, "rule": text, "object": text, "site": text, "signature": text,
                "meta": {"il_seq": [str(s.chain.seq + 1)], "mitre_technique_id": [text], "il_op": [text], "il_conduit": [text], "il_pdu": [text]}}
        line = s.chain.lines(1, **over)
        lines += line
        assert s.send(s.chain.batch(line))[0] == 200, i
    items = viewer.items("alerts", sensor="sharp")
    assert len(items) == len(SHARP)
    assert {i["signature"] for i in items} >= {"<script>alert(1)</script>", "'; DROP TABLE alert; --"}
    for text in SHARP:
        for name in ("sensor", "site", "device", "rule", "severity", "action", "technique", "proto", "from", "to", "q", "incident", "cursor", "limit"):
            status = viewer.call("GET", "/api/v1/alerts?" + name + "=" + collector.urllib.parse.quote(text[:2000]))[0]
            assert status in (200, 400), (name, text, status)
        for path in ("incidents?q=", "search?q=", "assets?q=", "timeline?by=", "map?site=", "incidents?state=", "export?limit=5&q="):
            status = viewer.call("GET", "/api/v1/" + path + collector.urllib.parse.quote(text[:2000]), raw=True)[0]
            assert status in (200, 400), (path, text, status)
    csv = viewer.call("GET", "/api/v1/export?format=csv&sensor=sharp", raw=True)[1].decode()
    assert '"\'=cmd' in csv and '"=cmd' not in csv
    assert sorted(eve(viewer, sensor="sharp")) == sorted(lines)
    assert len(viewer.items("alerts")) == before + len(SHARP)
    body = json.dumps({"devices": [{"id": t, "name": t, "role": t, "zone": t, "addresses": [{"ip": t}], "macs": [{"mac": t}]} for t in SHARP]})
    assert s.call("PUT", "/ingest/v1/assets", body)[0] == 200
    model = {"v": 1, "site": SHARP[2], "zones": [{"name": t, "level": 99} for t in SHARP], "devices": [{"name": t, "zone": t, "ips": [t]} for t in SHARP],
             "conduits": [{"name": t, "from": SHARP, "to": SHARP, "protos": SHARP} for t in SHARP]}
    assert s.call("PUT", "/ingest/v1/model", json.dumps(model))[0] == 200
    assert viewer.get("map")["zones"] and viewer.get("assets")["items"]


def monsters():
    """huge and deep bodies are refused, by head, by count, by depth"""
    s = enrolled(co, "big", tmp)
    status, _, _ = raw_head(co.page, b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert status == 413, status
    try:  # refused by its head: whoever goes on sending finds the connection closed
        assert s.call("POST", "/ingest/v1/batches", b"e" * ((8 << 20) + 1))[0] == 413
    except OSError:
        s.close()
    for deep in (b"[" * 4000000, b'{"a":' * 100000, b'{"zones":' + b"[" * 1000000):
        assert s.call("PUT", "/ingest/v1/model", deep[:1 << 20])[0] == 400
    line = b'{"alert":' + b"[" * 30000 + b"]" * 2000
    status, answer = s.send(s.chain.batch([line]))
    assert status == 400, answer
    nobody = Person(co.page)
    assert nobody.call("POST", "/api/v1/login", b"[" * 4000)[0] == 400
    assert raw_head(co.page, b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n")[0] in (413, 431, 400, 0)
    assert raw_head(co.page, b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")[0] in (413, 414, 400, 0)
    assert viewer.get("health")["ok"]


def raw_head(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as k:
        try:
            k.sendall(data)
            got = k.recv(4096)
        except OSError:
            got = b""
    return (int(got.split(b" ")[1]) if got.startswith(b"HTTP/1.1 ") else 0), got, None


def paths():
    """no file outside of the page's folder, no hidden one, no link"""
    web = tmp / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>the page")
    (web / "assets" / "a.js").write_text("1")
    (web / ".secret").write_text("s")
    (web / "link.txt").symlink_to("/etc/passwd")
    (tmp / "outside.txt").write_text("outside")
    own = Collector(tmp / "paths", ["--web", str(web)]).start()
    try:
        p = Person(own.page)
        assert p.call("GET", "/", raw=True)[1].startswith(b"<!doctype") and p.call("GET", "/alerts/7", raw=True)[1].endswith(b"the page")
        status, _, h = p.call("GET", "/assets/a.js", raw=True)
        assert status == 200 and "immutable" in h["Cache-Control"] and h["Content-Type"].startswith("text/javascript")
        assert "default-src 'self'" in h["Content-Security-Policy"] and h["X-Content-Type-Options"] == "nosniff"
        for path in ("/../outside.txt", "/assets/../../outside.txt", "/%2e%2e/outside.txt", "/assets/%2e%2e/%2e%2e/outside.txt", "/..%2foutside.txt",
                     "/.secret", "/link.txt", "//etc/passwd.txt", "/assets\\..\\..\\outside.txt", "/a%00.js", "/assets/a.js/x.js", "/assets", "/%2e%2e%5coutside.txt",
                     "/collector.db", "/" + "a" * 400 + ".js"):
            with socket.create_connection(("127.0.0.1", own.page), timeout=10) as k:
                k.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                got = b"".join(iter(lambda: k.recv(65536), b""))
            assert b"outside" not in got.split(b"\r\n\r\n", 1)[-1].replace(b"outside.txt", b"") and b"root:" not in got and b"SQLite" not in got, (path, got)
            assert b" 404 " in got or b" 400 " in got or b"the page" in got, (path, got)
    finally:
        own.stop()


def crowd():
    """connections beyond the cap wait or are refused, slow ones are cut, memory stays within what is stated"""
    held = []
    for _ in range(60):
        try:
            k = socket.create_connection(("127.0.0.1", co.page), timeout=5)
            k.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n")
            held.append(k)
        except OSError:
            break
    threads = len(list(pathlib.Path(f"/proc/{co.proc.pid}/task").iterdir()))
    assert threads < 40 + 40 + 10, threads  # a thread per connection, and no more than the cap
    end, alive = time.time() + 40, len(held)
    while time.time() < end and alive:
        alive = 0
        for k in held:  # drip by drip: idle time-outs never see that
            try:
                k.sendall(b"a")
                alive += 1
            except OSError:
                pass
        time.sleep(1)
    assert alive == 0, f"{alive} slow clients are still there"
    for k in held:
        k.close()
    until(lambda: viewer.get("health")["ok"], 20)
    assert co.memory_kib() < 512 * 1024, co.memory_kib()


def guessing():
    """guessed passwords: five tries, then the address waits; others do not"""
    nobody = Person(co.page)
    got = [nobody.call("POST", "/api/v1/login", {"user": "analyst", "password": "guess number %d" % i})[0] for i in range(7)]
    assert got == [401] * 5 + [429] * 2, got
    status, _, h = nobody.call("POST", "/api/v1/login", {"user": "analyst", "password": collector.PASSWORD})
    assert status == 429 and int(h["Retry-After"]) > 60
    assert nobody.call("POST", "/api/v1/login", {"user": "nobody", "password": "guess number 1"})[0] == 401
    assert Person(co.page, "viewer").get("me")["user"] == "viewer"
    # All at once: who waits for his turn is counted as well.
    got = []
    tries = [threading.Thread(target=lambda i=i: got.append(
        Person(co.page).call("POST", "/api/v1/login", {"user": "crowd", "password": "guess number %d" % i})[0])) for i in range(12)]
    for t in tries:
        t.start()
    for t in tries:
        t.join()
    assert len(got) == 12 and got.count(401) <= 5 and set(got) == {401, 429}, got


def account_race():
    """an account that is disabled while it changes its password, or logs in, stays disabled"""
    admin, name = Person(co.page, "admin"), "temp"
    assert admin.post("users", {"name": name, "role": "viewer", "password": collector.PASSWORD})[0] == 200
    for n in range(6):
        person = Person(co.page, name)
        what = [lambda: person.post("me/password", {"old": collector.PASSWORD, "new": collector.PASSWORD}),
                lambda: person.call("POST", "/api/v1/login", {"user": name, "password": collector.PASSWORD})][n % 2]
        got = []
        t = threading.Thread(target=lambda: got.append(what()))
        t.start()
        time.sleep(0.02 * n)
        assert admin.post("users/" + name, {"disabled": True})[0] == 200
        t.join()
        assert [u["disabled"] for u in admin.get("users")["items"] if u["name"] == name] == [True], got
        if n % 2 and got[0][0] == 200:
            person.cookie = got[0][2]["Set-Cookie"].split(";")[0]
        assert person.call("GET", "/api/v1/me")[0] == 401, got
        assert admin.post("users/" + name, {"disabled": False})[0] == 200


if __name__ == "__main__":
    collector.run([killed, disk_full, wire, silent, clock, own_clock, streamed, sharp, monsters, paths, account_race, guessing, crowd])
