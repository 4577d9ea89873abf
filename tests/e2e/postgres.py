# SPDX-License-Identifier: Apache-2.0
"""The collector's data base is PostgreSQL: the same answers as SQLite's, nothing lost and nothing twice.  Run by postgres.sh; prints TAP."""
import atexit
import datetime
import difflib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

import collector
from collector import INTERLOCK, PASSWORD, Collector, Person, until
from pg import Cable, Cluster
from sensor import Chain, Key, Sensor

tmp = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
atexit.register(shutil.rmtree, tmp, True)
SEED = int(os.environ.get("SEED", time.time()))
dice = random.Random(SEED)
print("# SEED", SEED)
server = Cluster(tmp / "pg")
atexit.register(server.stop)
DAY = 86400


def enrolled(co, name, key=None):
    s, key = Sensor(co.ingest, tmp / f"{co.dir.parent.name}-{name}", timeout=15), key or Key()
    assert s.enrol(co.dir / "ca.crt", co.token(name), name, key)[0] == 200
    s.chain, s.sent = Chain(key, name), []
    return s


def name_of(url):
    return urllib.parse.urlsplit(url).path[1:]


def a_day():
    """Lines of a day: what a replay of it tells, and made-up ones all around."""
    pcap, eve = tmp / "day.pcap", tmp / "eve"
    p = "pcaps/modbus/"
    subprocess.run(["tests/e2e/mkday.py", pcap, p + "polling.pcap", "0", "24", "3600", ",", p + "attack-day.pcap", "4000", "3", "20000"], check=True, capture_output=True)
    subprocess.run([INTERLOCK, "replay", "-q", "-p", "policies/filling-line.yaml", "--detect", "--no-fold", "--eve", eve, pcap], stderr=subprocess.DEVNULL)
    lines = [json.loads(x) for x in eve.read_text().splitlines() if '"alert"' in x]
    assert len(lines) > 100, len(lines)
    dice.shuffle(lines)
    now, out = time.time(), []
    first = min(x["timestamp"] for x in lines)
    begin = datetime.datetime.strptime(first[:26], "%Y-%m-%dT%H:%M:%S.%f")
    for x in lines[:400]:
        at = datetime.datetime.strptime(x["timestamp"][:26], "%Y-%m-%dT%H:%M:%S.%f") - begin
        x["timestamp"] = (datetime.datetime.utcfromtimestamp(now - DAY) + at % datetime.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
        out.append(x)
    chain = Chain(Key(), "x")
    for i in range(500):
        when = datetime.datetime.utcfromtimestamp(now - dice.uniform(0, DAY)).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")
        out.append(json.loads(chain.lines(1, time=when, rule=f"rule-{dice.randrange(9)}", src=f"hmi-{dice.randrange(6)}", dst=f"plc-{dice.randrange(12)}", site=f"site-{i % 3}",
                                          severity=dice.randint(1, 3), object=dice.choice(("holding 7", 'a "quoted" thing', "Ofen Süd 3", "100%_x", "ÄÖ\\")),
                                          app_proto=dice.choice(("modbus", "s7")))[0]))
    return out


class Both:
    """What is asked of one is asked of the other, and they have to say the same."""
    # when it came, and what is random or signed anew
    OWN = {"received", "last_seen", "first_seen", "since", "created", "last_login", "iat", "time_received", "issued", "verified_at", "until", "csrf", "expires", "skew_ms", "now", "certificate_until", "clock_offset_ms"}

    def __init__(self, *people):
        self.people, self.asked, self.bytes = people, 0, 0

    def plain(self, x, path=""):
        if isinstance(x, dict):
            return {k: "own" if v and (k in self.OWN or (k == "time" and path.endswith(("/log", "/proposal")))) else self.plain(v, path + "/" + k) for k, v in x.items()}
        if isinstance(x, str) and x.startswith("collector:"):
            return "the name of a collector is its key"
        return [self.plain(v, path) for v in x] if isinstance(x, list) else x

    def call(self, method, path, body=None, raw=False, order=True):
        got = [p.call(method, path, body, raw=raw)[:2] for p in self.people]
        a, b = ((s, sorted(d.split(b"\n")) if raw else self.plain(d)) for s, d in got)
        self.asked += 1
        self.bytes += len(str(a))
        if a != b:
            show = [json.dumps(x, indent=1, default=str, ensure_ascii=False).splitlines() for x in (a, b)]
            raise AssertionError(f"{method} {path}\n" + "\n".join(list(difflib.unified_diff(*show, "sqlite", "postgresql", lineterm="", n=2))[:60]))
        return got[0][1]

    def get(self, path, **args):
        return self.call("GET", "/api/v1/" + path + ("?" + urllib.parse.urlencode(args) if args else ""))

    def items(self, path, **args):
        out, cursor = [], None
        while True:
            page = self.get(path, **args, **({"cursor": cursor} if cursor else {}))
            out += page["items"]
            cursor = page.get("next")
            if not cursor:
                return out


def twins():
    """a day of signed alerts into both: every answer of the API is the same, and changes of people are"""
    lite, big = Collector(tmp / "lite"), Collector(tmp / "big", db=server.database())
    people = {}
    try:
        keys, lines = [Key(), Key()], a_day()
        chains = [Chain(k, f"guard-{i}", 7) for i, k in enumerate(keys)]
        batches = [[], []]
        for i in range(0, len(lines), 30):
            c = chains[i // 30 % 2]
            part = lines[i:i + 30]
            for k, x in enumerate(part):
                x["alert"].setdefault("metadata", {})["il_seq"] = [str(c.seq + k + 1)]
                x["host"] = c.iss
            batches[i // 30 % 2].append(c.batch([json.dumps(x).encode() for x in part]))
        for co in (lite, big):
            co.options = ["--never-close", "--silent", "1h"]
            co.start()
            for i, key in enumerate(keys):
                s = enrolled(co, f"guard-{i}", key)
                for batch in batches[i]:
                    assert s.send(batch)[0] == 200
                assert s.send(batches[i][0])[1]["duplicate"] == 1  # again: told, not stored twice
                assets = {"v": 1, "assets": [{"key": f"m{k}", "name": f"plc-{k}", "zone": f"z{k % 2}", "role": "plc", "addresses": [{"ip": f"10.0.0.{k}"}], "vendor": "V"} for k in range(5)]}
                s.call("PUT", "/ingest/v1/assets", json.dumps(assets).encode())
                s.close()
        for role in ("viewer", "analyst", "admin"):
            people[role] = Both(*(Person(co.page, role) for co in (lite, big)))
        v, analyst, admin = people["viewer"], people["analyst"], people["admin"]
        alerts = v.items("alerts", limit=300)
        assert len(alerts) == len(lines), (len(alerts), len(lines))
        now = int(time.time() * 1000) // 3600000 * 3600000
        some = dice.sample(alerts, 6)
        for a in some:
            v.get(f"alerts/{a['id']}")
            v.call("GET", f"/api/v1/alerts/{a['id']}/proof", raw=True)
        filters = [{"q": q} for q in ("plc-1", "RULE-3", "holding", "ofen süd", '"quoted"', "100%_x", "ÄÖ\\", "no such", "T0855", "pl", "x")]
        filters += [{"technique": "T0836"}, {"severity": "1"}, {"severity": "2,3"}, {"sensor": "guard-1"}, {"sensor": "2"}, {"site": "site-1"}, {"proto": "s7"}, {"rule": "rule-4"},
                    {"device": "plc-3"}, {"device": "plc-3", "q": "rule-1"}, {"device": "hmi-2", "rule": "rule-2"}, {"site": "site-2", "proto": "s7", "severity": "1"},
                    {"action": "blocked", "q": "hmi-5"}, {"from": now - 6 * 3600000, "to": now - 3600000}, {"from": now - 40000000, "device": "plc-2", "technique": "T0855"},
                    {"incident": next(a["incident"] for a in alerts if a.get("incident"))}, {"site": "nowhere"}]
        counts = [len(v.items("alerts", limit=dice.choice((60, 200, 500)), **f)) for f in filters]
        assert sum(n > 0 for n in counts) > 18, list(zip(filters, counts))
        for i in dice.sample(v.items("incidents", limit=100), 30):
            v.get(f"incidents/{i['id']}")
        for q in ({"q": "rule-1"}, {"state": "open"}, {"severity": "1"}, {"sensor": "guard-0"}):
            v.items("incidents", **q)
        for by in ("severity", "site", "proto", "rule", "sensor", "technique"):
            for step in (60000, 3600000, DAY * 1000):
                v.get("timeline", **{"by": by, "dim": by, "from": now - (3600000 if step == 60000 else DAY * 1000), "to": now + 3600000, "step": step})
        for path in ("health", "overview", "sensors", "map", "assets", "attack", "fleet", "network", "proposals", "library", "indicators", "notifications", "destinations"):
            v.get(path)
        for q in ("plc", "hmi-1", "rule-3", "guard", "site-1", "nothing at all"):
            v.get("search", q=q)
        for a in v.get("assets")["items"]:
            v.get(f"assets/{a['id']}")
        for form in ("eve", "csv", "ndjson"):
            v.call("GET", f"/api/v1/export?format={form}&q=plc-1", raw=True)
        # changes
        i = v.items("incidents")[0]["id"]
        for state in ("ack", "closed", "no such"):
            analyst.call("POST", f"/api/v1/incidents/{i}", {"state": state, "comment": "ö " + state})
        analyst.get(f"incidents/{i}")
        v.call("POST", f"/api/v1/incidents/{i}", {"state": "ack"})
        admin.call("POST", "/api/v1/users", {"name": "new", "role": "viewer", "password": "long enough a word"})
        admin.call("POST", "/api/v1/users", {"name": "new", "role": "viewer", "password": "long enough a word"})
        admin.call("POST", "/api/v1/users/new", {"role": "analyst"})
        admin.call("POST", "/api/v1/users/new", {"disabled": True})
        admin.call("POST", "/api/v1/users/nobody", {"disabled": True})
        admin.get("users")
        admin.call("POST", "/api/v1/fleet", {"sensors": ["guard-0"], "build": "b1"})
        v.get("fleet")
        analyst.call("POST", f"/api/v1/alerts/{some[0]['id']}/expected", {"note": "n"})
        for co in (lite, big):
            p = Person(co.page)
            assert p.call("POST", "/api/v1/login", {"user": "new", "password": "long enough a word"}, csrf=False)[0] == 401
        asked = sum(b.asked for b in people.values())
        print(f"# {len(lines)} alerts; {asked} answers, {sum(b.bytes for b in people.values())} bytes, the same of both")
        assert asked > 150
    finally:
        lite.stop()
        big.stop()
    assert [e.split("ERROR:")[1] for e in server.errors()] == ['  duplicate key value violates unique constraint "user_pkey"'], server.errors()


def eve(co, name):
    data = Person(co.page, "viewer").call("GET", f"/api/v1/export?format=eve&sensor={name}", raw=True)[1]
    return sorted(data.split(b"\n")[:-1])


def away():
    """the server restarts, its power fails, its connections are ended, the cable is cut: 503 with Retry-After, then it goes on by itself; each alert once"""
    cable = Cable(server.port)
    url = server.database(cable.port)
    co = Collector(tmp / "away", db=url)
    log = open(tmp / "away.log", "w")
    co.popen = {"stderr": log}
    co.start()
    stop, told, failed = threading.Event(), [], []
    try:
        fleet = [enrolled(co, f"s{i}") for i in range(3)]

        def feed(s):
            try:
                while not stop.is_set():
                    lines = s.chain.lines(dice.randint(0, 12))
                    batch, end = s.chain.batch(lines), time.time() + 40
                    while True:
                        assert time.time() < end, s.chain.iss
                        try:
                            status, answer, headers = s.call("POST", "/ingest/v1/batches", batch)
                        except (OSError, http.client.HTTPException):
                            s.close()
                            continue
                        if status == 200:
                            break
                        assert status == 503 and int(headers["Retry-After"]) > 0, (status, answer)
                        told.append(status)
                        time.sleep(0.1)
                    s.sent += lines
            except AssertionError as e:
                failed.append(e)

        threads = [threading.Thread(target=feed, args=(s,), daemon=True) for s in fleet]
        for t in threads:
            t.start()
        viewer = Person(co.page, "viewer")

        def goes_on():
            n = sum(len(s.sent) for s in fleet)
            until(lambda: failed or sum(len(s.sent) for s in fleet) > n + 25, 30)

        goes_on()
        for how in (signal.SIGINT, signal.SIGQUIT):
            server.stop(how)
            seen = set()
            for _ in range(4):
                status, data, headers = viewer.call("GET", "/api/v1/overview")
                seen.add((status, headers["Retry-After"] is not None))
                assert viewer.call("GET", "/api/v1/alerts/1")[0] == 503
                time.sleep(0.2)
            assert seen == {(503, True)}, seen
            assert Person(co.page).call("POST", "/api/v1/login", {"user": "viewer", "password": PASSWORD}, csrf=False)[0] == 503
            server.start()
            goes_on()
            until(lambda: viewer.call("GET", "/api/v1/overview")[0] == 200)
        for _ in range(2):
            server.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name_of(url)}'")
            goes_on()
        n = len(told)
        cable.cut()
        until(lambda: len(told) > n + 5)
        cable.join()
        goes_on()
        stop.set()
        for t in threads:
            t.join()
        assert not failed, failed
        total = 0
        for s in fleet:
            got = eve(co, s.chain.iss)
            assert got == sorted(s.sent), (s.chain.iss, len(got), len(s.sent))
            total += len(got)
        assert int(server.sql("SELECT count(*) FROM alert", name_of(url))[0][0]) == total
        assert int(server.sql("SELECT count(*) - count(DISTINCT (sensor, epoch, number)) FROM batch", name_of(url))[0][0]) == 0
        for x in Person(co.page, "viewer").get("sensors")["items"]:
            assert x["chain"] == "whole", x
        text = (tmp / "away.log").read_text()
        assert text.count("the server is away") >= 3 and text.count("the server is back") >= 3, text
        print(f"# {total} alerts receipted and stored, {len(told)} answers 503, {text.count('the server is away')} times away")
    finally:
        stop.set()
        cable.join()
        if not server.proc:
            server.start()
        co.stop()
        log.close()


def two():
    """two collectors at one data base, without a stream between: the same batch to both at once is stored by one; one of them watches, and the other when that is killed"""
    url, log = server.database(), server.errors()
    a = Collector(tmp / "two-a", ["--silent", "2s"], db=url)
    b = Collector(tmp / "two-b", ["--silent", "2s"], users=False, db=url)
    for name in ("ca.crt", "ca.key", "server.crt", "server.key", "receipt.key", "receipt.key.pub"):
        shutil.copy(a.dir / name, b.dir / name)
    try:
        a.start()
        b.start()
        s, t = enrolled(a, "s"), Sensor(b.ingest, tmp / "two-a-s", timeout=15)
        got, total = [], 0
        for n in range(40):
            batch, both = s.chain.batch([s.chain.lines(1, src=f"new {n} {k}", object=f"o {n} {k}")[0].replace(b'"il_seq": ["%d"]' % (s.chain.seq + 1), b'"il_seq": ["%d"]' % (s.chain.seq + 1 + k))
                                         for k in range(8)]), threading.Barrier(2)
            total += 8

            def send(to):
                both.wait()
                status, answer = to.send(batch)
                got.append((n, status, answer.get("stored"), answer.get("duplicate")))
            threads = [threading.Thread(target=send, args=(x,)) for x in (s, t)]
            for x in threads:
                x.start()
            for x in threads:
                x.join()
            assert sorted(got[-2:]) == [(n, 200, 0, 1), (n, 200, 1, 0)], got[-2:]
        assert server.errors() == log, server.errors()
        assert len(Person(a.page, "viewer").items("alerts")) == total
        assert server.sql("SELECT sum(n) FROM agg WHERE dim = 0", name_of(url)) == [(str(total),)]

        def silent():
            return [i["state"] for i in Person(a.page if a.proc else b.page, "viewer").items("incidents") if i["rule"] == "sensor.silent"]

        def leads():
            rows = server.sql("SELECT a.client_port FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory'"
                              f" AND l.granted AND l.classid::bigint << 32 | l.objid::bigint = 7812734552 AND d.datname = '{name_of(url)}'")
            return rows[0] if len(rows) == 1 else None
        until(lambda: silent() == ["open"])
        first = until(leads)
        time.sleep(1)
        assert silent() == ["open"]
        a.stop(signal.SIGKILL)
        s.close()
        t.close()
        assert t.send(s.chain.batch())[0] == 200
        until(lambda: sorted(silent()) == ["closed", "open"])
        assert leads() != first
    finally:
        a.stop()
        b.stop()


def retention():
    """what is old goes by whole partitions; what a collector above has not yet, stays; heartbeats go one by one"""
    url = server.database()
    co = Collector(tmp / "keep", ["--keep-days", "32"], db=url)
    db = name_of(url)

    def sql(text):
        return server.sql(text, db)

    def parts():
        return [r[0] for r in sql("SELECT relname FROM pg_class WHERE relname ~ '^(alert|batch)_[0-9]+$' AND relkind = 'r' ORDER BY 1")]
    try:
        co.start()
        s = enrolled(co, "s")
        assert s.send(s.chain.batch(s.chain.lines(3)))[0] == 200
        until(lambda: sql("SELECT count(*) FROM part WHERE made > 0") == [("1",)])
        assert parts() == ["alert_0", "batch_0"]
        for n in (1, 2):  # as if so many days had gone
            co.stop()
            days = f"- {20 * n * DAY * 1000}"
            sql(f"UPDATE part SET made = made {days}; UPDATE batch SET time = time {days}; UPDATE alert SET time = time {days}")
            co.start()
            if n == 2:
                sql("INSERT INTO forward SELECT id, 0, 0, 0, NULL FROM sensor")
            s.close()
            s.port = co.ingest
            until(lambda: f"alert_{n}" in parts())
            assert s.send(s.chain.batch(s.chain.lines(n)))[0] == 200
        assert parts() == [f"{t}_{n}" for t in ("alert", "batch") for n in range(3)]  # not forwarded yet
        assert sql("SELECT count(*), max(id) / 65536 / 67108864 FROM alert") == [("6", "2")]
        co.stop()
        co.start()  # there is none above: it forgets that
        until(lambda: parts() == [f"{t}_{n}" for t in ("alert", "batch") for n in (1, 2)])
        viewer = Person(co.page, "viewer")
        assert len(viewer.items("alerts")) == 3
        s.close()
        s.port = co.ingest
        assert s.send(s.chain.batch())[0] == 200
        sql("UPDATE batch SET time = time - 2 * 86400000 WHERE n = 0")
        co.stop()
        co.start()
        until(lambda: sql("SELECT count(*) FROM batch WHERE n = 0") == [("0",)])
        assert len(Person(co.page, "viewer").items("alerts")) == 3
    finally:
        co.stop()


def refused():
    """a password in the URL, a wrong one, a newer schema, a backup of it: said, and nothing is changed"""
    def fails(*args):
        r = subprocess.run([INTERLOCK, "collect", *map(str, args)], capture_output=True, text=True)
        assert r.returncode == 2, r
        return r.stderr
    url = server.database()
    assert "passfile" in fails("init", tmp / "r1", "--db", url.replace("il@", "il:secret@"))
    assert not (tmp / "r1/database.url").exists()
    (tmp / "wrong").write_text("*:*:*:il:no\n")
    (tmp / "wrong").chmod(0o600)
    assert "password authentication failed" in fails("init", tmp / "r2", "--db", url.replace(str(server.passfile), str(tmp / "wrong")))
    assert "SSL" in fails("init", tmp / "r3", "--db", url.replace("127.0.0.1", "127.0.0.2"))  # not local: never without TLS
    co = Collector(tmp / "r4", db=url)
    assert oct((co.dir / "database.url").stat().st_mode)[-3:] == "600" and PASSWORD not in (co.dir / "database.url").read_text()
    assert "pg_dump" in fails("backup", co.dir, tmp / "copy")
    server.sql("UPDATE interlock SET version = 99", name_of(url))
    assert "newer" in fails("user", co.dir, "x")
    log = server.errors()
    dump = subprocess.run(["pg_dump", "--format=custom", "--file", tmp / "dump", url], capture_output=True, text=True)
    assert dump.returncode == 0, dump.stderr
    again = server.database()
    subprocess.run(["pg_restore", "--no-owner", "--dbname", again, tmp / "dump"], check=True)
    assert server.sql("SELECT name FROM \"user\" ORDER BY 1", name_of(again)) == [("admin",), ("analyst",), ("viewer",)]
    assert server.errors() == log


if __name__ == "__main__":
    collector.run([twins, away, two, retention, refused])
