#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is a window open?  The windows of docs/POLICY.md, the obvious way, by python's zoneinfo.

Lines in: ZONE<tab>WHEN<tab>UNIX_SECONDS; lines out: 0 or 1.  Shares nothing with policy/window.c.
"""
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def days(text):
    if text == "daily":
        return set(range(7))
    out = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        a, b = DAYS.index(first), DAYS.index(last or first)
        while True:
            out.add(a)
            if a == b:
                break
            a = (a + 1) % 7
    return out


def minutes(text):
    return int(text[:2]) * 60 + int(text[3:])


def weekly(when, local):
    names, hours = when.split()
    start, end = map(minutes, hours.split("-"))
    now, today = local.hour * 60 + local.minute, local.weekday()
    if start < end:
        return today in days(names) and start <= now < end
    return (today in days(names) and now >= start) or ((today - 1) % 7 in days(names) and now < end)


def once(when, local):
    start, end = (datetime.strptime(x.strip(), "%Y-%m-%d %H:%M") for x in when.split(".."))
    return start <= local.replace(tzinfo=None, fold=0) < end


for line in sys.stdin:
    zone, when, at = line.rstrip("\n").split("\t")
    local = datetime.fromtimestamp(int(at), timezone.utc).astimezone(ZoneInfo(zone))
    print(int(once(when, local) if ".." in when else weekly(when, local)))
