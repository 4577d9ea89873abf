#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A long capture out of short ones: each is played from a given second on, as often as asked for.

usage: mkday.py OUT (CAPTURE AT [TIMES EVERY])... separated by commas
       mkday.py day.pcap polling.pcap 0 60 60 , attack-day.pcap 4000
AT and EVERY are seconds of packet time from 2026-01-01 00:00:00 UTC on; they may be negative, and go back.
"""
import struct
import sys

START = 1767225600


def read(path):
    data = open(path, "rb").read()
    magic = struct.unpack("<I", data[:4])[0]
    scale = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}[magic]
    link, at, out = struct.unpack("<I", data[20:24])[0], 24, []
    while at + 16 <= len(data):
        s, frac, n, wire = struct.unpack("<4I", data[at:at + 16])
        out.append((s * 10**9 + frac * scale, wire, data[at + 16:at + 16 + n]))
        at += 16 + n
    return link, out


def moved(b, k):
    """The same segment of another connection: the client's port, which is the larger one, is another each time."""
    if k == 0 or len(b) < 54 or b[12:14] != b"\x08\x00" or b[23] != 6:
        return b
    at = 14 + (b[14] & 15) * 4
    sport, dport = struct.unpack(">HH", b[at:at + 4])
    where = at if sport > dport else at + 2
    old = max(sport, dport)
    new = 20000 + (old + k * 7919) % 40000
    total = (~struct.unpack(">H", b[at + 16:at + 18])[0] & 0xFFFF) + (~old & 0xFFFF) + new  # RFC 1624
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    b = bytearray(b)
    b[where:where + 2] = struct.pack(">H", new)
    b[at + 16:at + 18] = struct.pack(">H", ~total & 0xFFFF)
    return bytes(b)


def main():
    out, parts, part = open(sys.argv[1], "wb"), [], []
    for a in sys.argv[2:] + [","]:
        if a == ",":
            parts.append(part)
            part = []
        else:
            part.append(a)
    first = True
    for path, at, *rest in parts:
        times, every = (int(rest[0]), float(rest[1])) if rest else (1, 0)
        link, frames = read(path)
        if first:
            out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link))
        first = False
        for k in range(times):
            shift = int((START + float(at) + k * every) * 10**9) - frames[0][0]
            for ns, wire, b in frames:
                t, b = ns + shift, moved(b, k)
                out.write(struct.pack("<4I", t // 10**9, t % 10**9, len(b), wire) + b)


main()
