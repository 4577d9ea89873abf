#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client that puts ADUs into segments its own way (raw TCP socket, TCP_NODELAY).

usage: cut.py pipeline|segments|small ADDRESS

pipeline  several ADUs per segment, several requests open at once
segments  each ADU cut at every place, two ADUs over three segments, one byte at a time
small     the client's MSS is 88, so that long answers come in pieces
"""
import sys
import time

import wire

PAUSE = 0.004  # seconds between two segments of one ADU

REQUESTS = [wire.read(3, 0, 10), wire.read(4, 0, 8), wire.read(1, 0, 16), wire.write_one(6, 100, 1200),
            wire.write_words(101, [10, 20, 30, 40]), wire.write_coils(20, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]),
            wire.read(2, 0, 16), wire.read(3, 200, 125)]


def expect(s, n):
    got = wire.answers(s, n)
    if len(got) != n:
        sys.exit(f"{len(got)} answers to {n} requests")


def pipeline(s):
    txn = 0
    for burst in 2, 3, 5, 8, 3:                       # in one segment
        out = b""
        for pdu in REQUESTS[:burst]:
            txn += 1
            out += wire.adu(txn, 1, pdu)
        s.sendall(out)
        expect(s, burst)
    for _ in range(3):                                # a segment each, none waits for an answer
        for pdu in REQUESTS:
            txn += 1
            s.sendall(wire.adu(txn, 1, pdu))
        expect(s, len(REQUESTS))
    out = b"".join(wire.adu(txn + 1 + i, 1, wire.read(3, 8 * i, 125)) for i in range(16))
    s.sendall(out)                                    # 4 KiB of answers: ADUs straddle segments
    expect(s, 16)


def pieces(s, *parts):
    for part in parts:
        s.sendall(part)
        time.sleep(PAUSE)


def segments(s):
    txn = 0x1000
    for pdu in REQUESTS[0], REQUESTS[3], REQUESTS[4]:
        for cut in range(1, 7 + len(pdu)):
            txn += 1
            whole = wire.adu(txn, 1, pdu)
            pieces(s, whole[:cut], whole[cut:])
            expect(s, 1)
    for cut in 1, 5, 7, 8, 11:                        # a tail and the next head share a segment
        one, two = wire.adu(txn + 1, 1, REQUESTS[4]), wire.adu(txn + 2, 1, REQUESTS[3])
        txn += 2
        pieces(s, one[:cut], one[cut:] + two[:cut], two[cut:])
        expect(s, 2)
    for pdu in REQUESTS[0], REQUESTS[4]:
        txn += 1
        pieces(s, *(bytes([b]) for b in wire.adu(txn, 1, pdu)))
        expect(s, 1)


def small(s):
    for i, pdu in enumerate((wire.read(3, 0, 125), wire.read(1, 0, 1000), wire.read(4, 100, 60))):
        s.sendall(wire.adu(0x2000 + i, 1, pdu))
        expect(s, 1)


plan, address = sys.argv[1:]
conn = wire.connect(address, mss=88 if plan == "small" else None)
{"pipeline": pipeline, "segments": segments, "small": small}[plan](conn)
conn.close()
