#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a fleet costs one collector: 1, 10, 100, 1000 simulated sensors.  make bench-scale

ALERTS (100000) and empty batches (a tenth) of each size, batches of LINES (50), THREADS (4), FLEETS ("1 10 100 1000").  For each: processor
time per alert and per empty batch (signed outside of it, verified, stored, synced; no TLS), data base per alert, memory, and what
the page asks for.  The same with PostgreSQL (PG=0: not): beside the collector's the server's processor time.  Processor time is told because it holds on a busy machine; rates are of this one.  Then one collector that passes 1000 sensors on to another.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from collector import Collector, Person  # noqa: E402
from pg import BIN, Cluster  # noqa: E402

build = pathlib.Path(os.environ.get("B", "build"))
e = os.environ.get
alerts, lines, threads = int(e("ALERTS", "100000")), e("LINES", "50"), e("THREADS", "4")


def load(data, n, sensors, per, db=None):
    out = subprocess.run([build / "bench/collect_load", data, str(n), str(sensors), per, threads], check=True, capture_output=True, text=True,
                         env=os.environ | ({"DB": db} if db else {})).stdout
    rate, each = re.findall(r"(\d+)/s since the start, ([\d.]+) us", out)[-1]
    return int(rate), float(each)


def size(data):
    return sum(f.stat().st_size for f in data.glob("collector.db*"))


def ticks(pid):
    """Seconds of processor."""
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(f[11]) + int(f[12])) / 100


def ms(who, path, n=5):
    times = []
    for _ in range(n):
        t = time.perf_counter()
        assert who.call("GET", "/api/v1/" + path, raw=True)[0] == 200
        times.append((time.perf_counter() - t) * 1000)
    return min(times)


def forwarded(folder, data, count):
    """All of it to a second collector."""
    below, above = Collector(folder, users=False), Collector(folder / "above").start()
    try:
        token = above.token("site", "--vouches", "--approve")
        below.cli("join", data, "--collector", f"https://127.0.0.1:{above.ingest}", "--token", token, "--ca", above.dir / "ca.crt", "--name", "site")
        below.start()
        who, t = Person(below.page, "bench", "bench bench bench"), time.perf_counter()
        while True:
            up = who.get("network")["upstream"]
            if up["alerts"] >= count:
                break
            time.sleep(0.2)
        took = time.perf_counter() - t
        cpu = ticks(below.proc.pid), ticks(above.proc.pid)
        print(f"passed on: {up['batches']} batches of {len(up['sensors'])} sensors, {count} alerts in {took:.0f} s; of processor {cpu[0] / count * 1e6:.0f} us "
              f"an alert below, {cpu[1] / count * 1e6:.0f} above; memory below {below.memory_kib() / 1024:.0f} MB, above {above.memory_kib() / 1024:.0f} MB", flush=True)
        before = ticks(below.proc.pid), ticks(above.proc.pid)
        time.sleep(10)
        print(f"at rest: {(ticks(below.proc.pid) - before[0]) * 10:.1f} % of a processor below, {(ticks(above.proc.pid) - before[1]) * 10:.1f} % above", flush=True)
    finally:
        below.stop()
        above.stop()


for n in map(int, e("FLEETS", "1 10 100 1000").split()):
    root = pathlib.Path(tempfile.mkdtemp(dir=e("DIR")))
    data = root / "data"
    try:
        rate, cpu = load(data, alerts, n, lines)
        disk = size(data) / alerts
        erate, ecpu = load(root / "empty", max(alerts // 10, n), n, "0")
        co = Collector(root, users=False).start()
        who = Person(co.page, "bench", "bench bench bench")
        shown = "  ".join(f"{p} {ms(who, p):.0f} ms" for p in ("overview", "sensors", "alerts?limit=50"))
        print(f"{n:5} sensors: {rate} alerts/s, {cpu:.0f} us of processor an alert, {disk:.0f} bytes; empty batch {ecpu:.0f} us, {erate}/s; "
              f"{shown}; memory {co.memory_kib() / 1024:.0f} MB", flush=True)
        co.stop()
        if n == 1000:
            forwarded(root, data, alerts)
    finally:
        shutil.rmtree(root, True)


def spent(pid):
    """Seconds of processor of a server and of all that it has started, those that have ended too."""
    f = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(map(int, f[11:15])) / 100 + sum(ticks(c) for c in children)


if e("PG", "1") == "1" and (BIN / "initdb").exists():
    root = pathlib.Path(tempfile.mkdtemp(dir=e("DIR")))
    server = Cluster(root / "pg", real=True)
    try:
        for n in map(int, e("FLEETS", "1 10 100 1000").split()):
            url, before = server.database(), spent(server.proc.pid)
            rate, cpu = load(root / f"d{n}", alerts, n, lines, url)
            time.sleep(1)  # for its last child to be counted
            theirs = (spent(server.proc.pid) - before) / alerts * 1e6
            size_of = int(server.sql("SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace", url.split("?")[0].split("/")[-1])[0][0])
            print(f"PostgreSQL, {n} sensors: {rate}/s, an alert {cpu:.0f} us of the collector and {theirs:.0f} of the server, {size_of / alerts:.0f} bytes", flush=True)
    finally:
        server.stop()
        shutil.rmtree(root, True)
