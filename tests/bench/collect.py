#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed batches of simulated sensors into the collector, then the page's own queries.  make bench-collector

ALERTS (200000; the claim is about 10000000), SENSORS (100), LINES of a batch (200), THREADS (one for each sensor), DIR (a
temporary one; give one on a real disk).  DB=pg: with a PostgreSQL of its own there, as Debian installs it.  All are signed and
verified, ten millions too; BULK=10: a tenth is, the rest are copies of it (collect_bulk.py), which is quicker when only the questions
are of interest.  TLS=ALERTS: so many more over
HTTPS, by ten sensors that are not ours.  Prints rates and milliseconds; judges nothing.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "e2e"))
from collector import Collector, Person  # noqa: E402
from pg import Cluster  # noqa: E402
from sensor import Chain, Key, Sensor  # noqa: E402

REPEAT = 10


def over_tls(co, alerts, lines, ticks, sensors=10):
    """Batches that were signed before, by sensors with certificates of their own, in requests of one batch."""
    work = []
    for i in range(sensors):
        s, key, name = Sensor(co.ingest, root / f"tls-{i}"), Key(), f"tls-{i}"
        assert s.enrol(co.dir / "ca.crt", co.token(name), name, key)[0] == 200
        chain = Chain(key, name)
        work.append((s, [chain.batch(chain.lines(lines)) for _ in range(alerts // lines // sensors)]))

    def send(s, batches):
        for b in batches:
            assert s.send(b)[0] == 200

    threads = [threading.Thread(target=send, args=w) for w in work]
    cpu, t = ticks(), time.perf_counter()
    for th in threads:
        th.start()
    for th in threads:
        th.join()
    n, took = sum(len(b) for _, b in work) * lines, time.perf_counter() - t
    print(f"{n} alerts over TLS: {n / took:.0f}/s, {(ticks() - cpu) * 1e4 / n:.1f} us of processor each")


build = pathlib.Path(os.environ.get("B", "build"))
e = os.environ.get
root = pathlib.Path(e("DIR") or tempfile.mkdtemp())
data = root / "data"
pg = url = name = None
try:
    if e("DB") == "pg":
        pg = Cluster(root / "pg", real=True)
        url = pg.database()
        name = url.split("?")[0].split("/")[-1]
    if not data.exists():
        bulk = int(e("BULK", "1"))
        subprocess.run([build / "bench/collect_load", data, str(int(e("ALERTS", "200000")) // bulk), e("SENSORS", "100"), e("LINES", "200"), e("THREADS", e("SENSORS", "100"))], check=True, env=os.environ | ({"DB": url} if url else {}))
        if bulk > 1:  # one behind the other, so that they are as dense as before
            shift = int(e("ALERTS")) / bulk * 604800 / 1e7 // 60 * 60
            subprocess.run([sys.executable, pathlib.Path(__file__).parent / "collect_bulk.py", pg.admin.replace("/postgres?", f"/{name}?") if pg else data / "collector.db", str(bulk), str(int(shift))], check=True)
    size = int(pg.sql("SELECT pg_database_size(current_database())", name)[0][0]) if pg else sum(f.stat().st_size for f in data.glob("collector.db*"))
    print(f"data base: {size / 1e6:.0f} MB", flush=True)
    co = Collector(root, users=False).start()
    try:
        who = Person(co.page, "bench", "bench bench bench")
        now = int(time.time() * 1000)
        week = now - 7 * 86400 * 1000
        first = who.get("incidents", limit=1)["items"][0]["id"]

        def ticks():
            """Processor time of the collector, in hundredths of a second."""
            fields = pathlib.Path(f"/proc/{co.proc.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        for what, path in [
            ("newest 50", "alerts?limit=50"), ("by device and rule", "alerts?limit=50&device=plc-7&rule=rule-6"),
            ("by device and a rule it never met", "alerts?limit=50&device=plc-7&rule=rule-7"), ("by sensor", "alerts?limit=50&sensor=sensor-042"),
            ("severity 1", "alerts?limit=50&severity=1"), ("a page in the middle", f"alerts?limit=50&to={week + 3 * 86400 * 1000}"),
            ("count per hour of a week", f"timeline?from={week}&to={now}&by=severity"),
            ("... by device", f"timeline?from={week}&to={now}&by=device"), ("map", "map"), ("overview", "overview"), ("incidents", "incidents"),
            ("one incident", f"incidents/{first}"), ("one alert, proven", "alerts/%d" % who.get("alerts", limit=1)["items"][0]["id"]),
            ("timeline by device, a day", f"timeline?from={now - 86400000}&to={now}&by=device"),
            ("a technique that all have", "alerts?limit=50&technique=T0855"), ("a rare technique", "alerts?limit=50&technique=T0843"),
            ("text: in all", "alerts?limit=50&q=holding"), ("text: a device", "alerts?limit=50&q=plc-7"), ("text: rare", "alerts?limit=50&q=DB+"),
            ("text: nowhere", "alerts?limit=50&q=no+such+text"), ("text and technique", "alerts?limit=50&q=plc-7&technique=T0843"),
            ("device and site", "alerts?limit=50&device=plc-7&site=plant-1"), ("protocol, severity 1", "alerts?limit=50&proto=opcua&severity=1"),
            ("search", "search?q=plc-7"), ("search: rare", "search?q=DB+"), ("sensors", "sensors"), ("ATT&CK", "attack"),
        ]:
            times, cpu = [], ticks()
            for _ in range(REPEAT):
                t = time.perf_counter()
                status = who.call("GET", "/api/v1/" + path, raw=True)[0]
                times.append((time.perf_counter() - t) * 1000)
            print(f"{what:36} {status}  first {times[0]:7.1f} ms, then {min(times[1:]):7.1f}, of processor {(ticks() - cpu) * 10 / REPEAT:5.0f}")
        if e("TLS"):
            over_tls(co, int(e("TLS")), int(e("LINES", "200")), ticks)
        print(f"memory at most {co.memory_kib() / 1024:.0f} MB")
    finally:
        co.stop()
finally:
    if pg:
        pg.stop()
    if not e("DIR"):
        shutil.rmtree(root, True)
