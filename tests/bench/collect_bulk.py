#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A collector's data base made TIMES as large: for questions about many alerts, without signing each of them.

usage: collect_bulk.py DATA-BASE|URL-OF-A-SUPERUSER TIMES [SHIFT]

What is in it was signed and verified; every copy of it is the same rows SHIFT seconds (120, a multiple of 60) earlier each time (later when
negative), in an epoch of its own, with incidents of their own.  Sums are added up as at insert, to the hour.  Chains mean nothing afterwards.
PostgreSQL by psql; it is analysed at the end, as autovacuum would have.
"""
import sqlite3
import subprocess
import sys
import time

where, times, shift = sys.argv[1], int(sys.argv[2]), int(sys.argv[3] if len(sys.argv) > 3 else 120) * 1000
assert shift % 60000 == 0
pg = where.startswith("postgresql:")
if not pg:
    db = sqlite3.connect(where)
    db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA temp_store = MEMORY")


def ask(sql):
    """The first column of each row."""
    if not pg:
        return [r[0] for r in db.execute(sql)]
    out = subprocess.run(["psql", "-qXAtv", "ON_ERROR_STOP=1", "-c", sql, where], check=True, capture_output=True, text=True).stdout
    return out.splitlines()


def names(table):
    return ask(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY ordinal_position" if pg else f"SELECT name FROM pragma_table_info('{table}')")


most = {t: int(ask(f"SELECT max(id) FROM {t}")[0]) for t in ("batch", "alert", "incident")}
sums = {"agg": ("n", "blocked"), "minute": ("n", "blocked"), "edge": ("n", "blocked"), "technique": ("n",), "seen": ()}
columns = {t: names(t) for t in (*most, *sums)}
keys = {t: ask(f"SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = '{t}'::regclass AND i.indisprimary") for t in sums} if pg else {}
for t in sums:
    ask(f"CREATE {'UNLOGGED' if pg else 'TEMP'} TABLE {t}_0 AS SELECT * FROM {t}")


def copy(table, **change):
    to = columns[table]
    source = f"{table} WHERE id <= {most[table]}" if table in most else f"{table}_0 WHERE true"
    add = [f"{s} = {table + '.' if pg else ''}{s} + excluded.{s}" for s in sums.get(table, ())]
    merge = "" if table in most else f" ON CONFLICT{'(' + ', '.join(keys[table]) + ')' if pg else ''} DO " + (f"UPDATE SET {', '.join(add)}" if add else "NOTHING")
    into, what = [f'"{n}"' for n in to], [change.get(n, f'"{n}"') for n in to]
    ask(f"INSERT INTO {table}({', '.join(into)}) SELECT {', '.join(what)} FROM {source}{merge}")


began = time.time()
for k in range(1, times):
    by, batch, incident = k * shift, k * most["batch"], k * most["incident"]
    copy("batch", id=f"id + {batch}", epoch=f"epoch + {k}", time=f"time - {by}")
    copy("incident", id=f"id + {incident}", first=f"first - {by}", last=f"last - {by}", fold="decode(md5(random()::text), 'hex')" if pg else "randomblob(16)")
    copy("alert", id=f"id + {batch * 65536}", time=f"time - {by}", incident=f"incident + {incident}")
    copy("agg", hour=f"hour - {round(by / 3600000)}")
    copy("minute", t=f"t - {by // 60000}")
    copy("edge", last=f"last - {by}")
    copy("technique")
    copy("seen", t=f"t - {by // 60000}")
    if not pg:
        db.commit()
    print(f"{k + 1} times as large after {time.time() - began:.0f} s", flush=True)
for t in sums:
    ask(f"DROP TABLE {t}_0")
if pg:
    for t in ("batch", "incident"):
        ask(f"SELECT setval(coalesce(pg_get_serial_sequence('{t}', 'id'), '{t}_id'), {times * most[t]})")
    ask("VACUUM (ANALYZE)")
else:
    db.close()
