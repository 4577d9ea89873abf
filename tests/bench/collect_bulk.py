#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A collector's data base made TIMES as large: for questions about many alerts, without signing each of them.

usage: collect_bulk.py DATA-BASE TIMES [SHIFT]

What is in it was signed and verified; every copy of it is the same rows SHIFT seconds (120, a multiple of 60) earlier each time (later when
negative), in an epoch of its own, with incidents of their own.  Sums are added up as at insert, to the hour.  Chains mean nothing afterwards.
"""
import sqlite3
import sys
import time

db = sqlite3.connect(sys.argv[1])
times, shift = int(sys.argv[2]), int(sys.argv[3] if len(sys.argv) > 3 else 120) * 1000
assert shift % 60000 == 0
db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA temp_store = MEMORY")
most = {t: db.execute(f"SELECT max(id) FROM {t}").fetchone()[0] for t in ("batch", "alert", "incident")}
sums = {"agg": ("n", "blocked"), "minute": ("n", "blocked"), "edge": ("n", "blocked"), "technique": ("n",), "seen": ()}
for t in sums:
    db.execute(f"CREATE TEMP TABLE {t}_0 AS SELECT * FROM {t}")


def copy(table, values, **change):
    names = [r[1] for r in db.execute(f"PRAGMA table_info({table})")]
    source = f"{table} WHERE id <= {most[table]}" if table in most else f"{table}_0 WHERE true"
    merge = "" if table in most else " ON CONFLICT DO " + (
        "UPDATE SET " + ", ".join(f"{s} = {s} + excluded.{s}" for s in sums[table]) if sums[table] else "NOTHING")
    db.execute(f"INSERT INTO {table}({', '.join(names)}) SELECT {', '.join(change.get(n, n) for n in names)} FROM {source}{merge}", values)


began = time.time()
for k in range(1, times):
    v = {"k": k, "by": k * shift, "hours": round(k * shift / 3600000), "batch": k * most["batch"], "incident": k * most["incident"]}
    copy("batch", v, id="id + :batch", epoch="epoch + :k", time="time - :by")
    copy("incident", v, id="id + :incident", first="first - :by", last="last - :by", fold="randomblob(16)")
    copy("alert", v, id="id + :batch * 65536", time="time - :by", incident="incident + :incident")
    copy("agg", v, hour="hour - :hours")
    copy("minute", v, t="t - :by / 60000")
    copy("edge", v, last="last - :by")
    copy("technique", v)
    copy("seen", v, t="t - :by / 60000")
    db.commit()
    print(f"{k + 1} times as large after {time.time() - began:.0f} s", flush=True)
db.close()
