#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands between a real S7 client or server and the wire and frames anew what it says.

usage: reframe.py LISTEN SERVER cotp client|server      segment client

cotp     what goes to the wire: each TSDU (what COTP's data units carry) as several DTs, RFC 1006 6, of 1, 2, 3, ...
         octets, up to 61, the last with EOT; every third TSDU begins with an empty DT.  What comes from the wire:
         joined again, for snap7 1.4 loses its place in a TSDU of more than two DTs.  One stands before the client,
         one before the server.
segment  each TPKT of the client in two TCP segments, cut one octet later every time; every sixteenth octet by octet
"""
import itertools
import selectors
import socket
import sys
import time

PAUSE = 0.002  # seconds between two segments
CR, DT, EOT = 0xE0, 0xF0, 0x80


def tpkts(data):
    """Whole TPKTs, and what is left."""
    got = []
    while len(data) >= 4 and len(data) >= (n := data[2] << 8 | data[3]):
        got.append(data[:n])
        data = data[n:]
    return got, data


def tpkt(body):
    return bytes([3, 0, *(4 + len(body)).to_bytes(2, "big")]) + body


def as_cotp(packets, count=itertools.count(1)):
    """One TPKT per data unit; only DT is taken apart."""
    for p in packets:
        if p[5] != DT:
            yield p
            continue
        n = next(count)
        size, user = n % 61 + 1, p[7:]
        pieces = [user[i:i + size] for i in range(0, len(user), size)]
        if n % 3 == 0:
            pieces.insert(0, b"")
        for piece in pieces[:-1]:
            yield tpkt(bytes([2, DT, 0]) + piece)
        yield tpkt(bytes([2, DT, EOT]) + pieces[-1])


def as_whole():
    """One TPKT per TSDU again."""
    held = b""

    def join(packets):
        nonlocal held
        for p in packets:
            if p[5] != DT:
                yield p
                continue
            held += p[7:]
            if p[6] & EOT:
                yield tpkt(bytes([2, DT, EOT]) + held)
                held = b""
    return join


def as_segments(packets, count=itertools.count(1)):
    for p in packets:
        n = next(count)
        if n % 16 == 0:
            yield from (p[i:i + 1] for i in range(len(p)))
        else:
            cut = n % (len(p) - 1) + 1
            yield p[:cut]
            yield p[cut:]


def relay(client, server, to_server, to_client):
    sel, left = selectors.DefaultSelector(), {client: b"", server: b""}
    for s in left:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sel.register(s, selectors.EVENT_READ)
    while True:
        for key, _ in sel.select():
            peer, frame = (server, to_server) if key.fileobj is client else (client, to_client)
            try:
                data = key.fileobj.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                server.close()
                client.close()
                return
            packets, left[key.fileobj] = tpkts(left[key.fileobj] + data)
            for piece in frame(packets):
                peer.sendall(piece)
                if frame is as_segments:
                    time.sleep(PAUSE)


listen, target, mode, side = sys.argv[1:]
door = socket.create_server((listen, 102))
while True:
    inside, _ = door.accept()
    outside = socket.create_connection((target, 102))
    if mode == "segment":
        relay(inside, outside, as_segments, iter)
    elif side == "client":
        relay(inside, outside, as_cotp, as_whole())
    else:
        relay(inside, outside, as_whole(), as_cotp)
