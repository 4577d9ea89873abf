# SPDX-License-Identifier: Apache-2.0
"""A running collector for tests: its process, its directory, people who log in, TAP."""
import http.client
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import uuid

INTERLOCK = os.environ.get("INTERLOCK", "build/interlock")
PASSWORD = "correct horse battery"


def new_database(server):
    """Another data base of the server that a URL names; its URL.  DB_SERVER: what all collectors of a test have instead of SQLite."""
    name = "t" + uuid.uuid4().hex[:12]
    subprocess.run(["psql", "-qXc", f"CREATE DATABASE {name}", server], check=True)
    return re.sub(r"^(\w+://[^/]*/)[^?]*", r"\1" + name, server)


class Collector:
    def __init__(self, folder=None, options=(), users=True, db=None, **popen):
        self.dir = pathlib.Path(folder or tempfile.mkdtemp()) / "data"
        self.options, self.popen = list(options), popen
        self.proc, self.plain = None, True
        self.dir.parent.mkdir(parents=True, exist_ok=True)
        if not self.dir.exists():
            if not db and "DB_SERVER" in os.environ:
                db = new_database(os.environ["DB_SERVER"])
            self.cli("init", self.dir, *(("--db", db) if db else ()))
            for name in ("viewer", "analyst", "admin") if users else ():
                self.cli("user", self.dir, name, "--role", name, text=PASSWORD + "\n")

    def cli(self, *args, text=None):
        return subprocess.run([INTERLOCK, "collect", *map(str, args)], input=text, capture_output=True, text=True, check=True).stdout.strip()

    def sql(self, text):
        """Rows that the data base itself has, or a change of it."""
        if (self.dir / "database.url").exists():
            out = subprocess.run(["psql", "-qXAtv", "ON_ERROR_STOP=1", "-F", "\t", "-c", text, (self.dir / "database.url").read_text().strip()],
                                 check=True, capture_output=True, text=True).stdout
            return [tuple(line.split("\t")) for line in out.splitlines()]
        with sqlite3.connect(self.dir / "collector.db") as db:
            return [tuple("" if x is None else str(x) for x in row) for row in db.execute(text).fetchall()]

    def token(self, name, *more):
        return self.cli("token", self.dir, name, *(more or ("--approve",)))

    def start(self):
        self.proc = subprocess.Popen([INTERLOCK, "collect", self.dir, "--listen", "127.0.0.1:0", "--ingest", "127.0.0.1:0",
                                      *(["--plain"] if self.plain else []), *self.options], stdout=subprocess.PIPE, text=True, **self.popen)
        line = self.proc.stdout.readline()
        m = re.search(r"127.0.0.1:(\d+).* port (\d+)", line)
        if not m:
            raise RuntimeError("the collector did not start: " + line)
        self.page, self.ingest = int(m[1]), int(m[2])
        return self

    def stop(self, how=signal.SIGTERM):
        if self.proc:
            self.proc.send_signal(how)
            self.proc.wait(30)
            self.proc.stdout.close()
        self.proc = None

    def memory_kib(self):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.proc.pid}/status").read_text())[1])


class Person:
    def __init__(self, port, user=None, password=PASSWORD):
        self.port, self.cookie, self.csrf, self.user = port, "", "", user
        if user:
            status, me, headers = self.call("POST", "/api/v1/login", {"user": user, "password": password}, csrf=False)
            assert status == 200, (status, me)
            self.cookie, self.csrf = headers["Set-Cookie"].split(";")[0], me["csrf"]

    def call(self, method, path, body=None, csrf=True, headers=None, raw=False):
        conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        h = dict(headers or {})
        if self.cookie:
            h["Cookie"] = self.cookie
        if csrf and self.csrf:
            h["X-CSRF-Token"] = self.csrf
        data = body if isinstance(body, (bytes, str, type(None))) else json.dumps(body)
        conn.request(method, path, data, h)
        r = conn.getresponse()
        got = r.read()
        conn.close()
        return r.status, got if raw else json.loads(got) if r.headers["Content-Type"].startswith("application/json") and got else got, r.headers

    def get(self, path, **args):
        query = "?" + urllib.parse.urlencode(args) if args else ""
        status, data, _ = self.call("GET", "/api/v1/" + path + query)
        assert status == 200, (path, status, data)
        return data

    def post(self, path, body):
        return self.call("POST", "/api/v1/" + path, body)[:2]

    def items(self, path, **args):
        """All pages of a list."""
        out, cursor = [], None
        while True:
            page = self.get(path, **args, **({"cursor": cursor} if cursor else {}))
            out += page["items"]
            cursor = page["next"]
            if not cursor:
                return out


def until(what, seconds=10):
    """What it says once that is true; seconds: what an idle machine would need at most."""
    seconds *= 4
    end = time.time() + seconds
    while time.time() < end:
        got = what()
        if got:
            return got
        time.sleep(0.1)
    raise AssertionError("did not come true within %s s" % seconds)


def run(tests):
    """TAP of functions; what fails is shown.  ONLY=NAME,... in the environment: only those."""
    only = os.environ.get("ONLY")
    tests = [t for t in tests if not only or t.__name__ in only.split(",")]
    bad = 0
    print(f"1..{len(tests)}", flush=True)
    for n, test in enumerate(tests, 1):
        try:
            test()
            print(f"ok {n} {test.__doc__ or test.__name__}", flush=True)
        except Exception:  # every failure is told
            bad += 1
            print(f"not ok {n} {test.__doc__ or test.__name__}\n# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    sys.exit(bad > 0)
