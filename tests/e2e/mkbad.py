#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes captures that are broken in one way each; needs only the standard library.

usage: mkbad.py FOLDER

index.tsv in FOLDER says of each: file, frames that can still be read, how
reading ends (eof, truncated, format, unsupported, io), and what is wrong.
Each good frame is a Modbus read (FC 3) from 10.0.0.1 to 10.0.0.2:502, and every
one continues the same connection, so that the readable ones can be judged.
"""
import os
import struct
import sys


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def frame(i):
    """Request number i of one connection: Ethernet, IPv4, TCP, Modbus."""
    src, dst = b"\x0a\0\0\x01", b"\x0a\0\0\x02"
    pdu = struct.pack("!HHHBBHH", i + 1, 0, 6, 1, 3, i, 1)
    tcp = struct.pack("!HHIIBBHHH", 40000, 502, 1 + 12 * i, 1, 0x50, 0x18, 1024, 0, 0)
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp) + len(pdu))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + pdu)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(pdu), i, 0x4000, 64, 6, 0) + src + dst
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex("020000000002020000000001") + b"\x08\0" + ip + tcp + pdu


FRAMES = [frame(i) for i in range(4)]


def head(magic=0xA1B2C3D4, snap=65535, link=1, end="<", version=(2, 4)):
    return struct.pack(end + "IHHiIII", magic, *version, 0, 0, snap, link)


def record(data, end="<", caplen=None, wirelen=None, sec=1700000000, frac=0):
    n = len(data)
    return struct.pack(end + "IIII", sec, frac, n if caplen is None else caplen,
                       n if wirelen is None else wirelen) + data


def pcap(frames=None, **kw):
    end = kw.get("end", "<")
    frames = FRAMES if frames is None else frames
    return head(**kw) + b"".join(record(f, end, frac=i) for i, f in enumerate(frames))


def block(kind, body, length=None, end="<", tail=None):
    body += b"\0" * (-len(body) % 4)
    n = len(body) + 12 if length is None else length
    return struct.pack(end + "II", kind, n) + body + struct.pack(end + "I", n if tail is None else tail)


def shb(end="<", magic=0x1A2B3C4D):
    return block(0x0A0D0D0A, struct.pack(end + "IHHq", magic, 1, 0, -1), end=end)


def option(code, value, end="<"):
    return struct.pack(end + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def idb(link=1, snap=65535, options=b"", end="<"):
    return block(1, struct.pack(end + "HHI", link, 0, snap) + options, end=end)


def epb(data, iface=0, caplen=None, wirelen=None, end="<", **kw):
    n = len(data)
    return block(6, struct.pack(end + "IIIII", iface, 0x60A24, 0x2E5C8000,
                                n if caplen is None else caplen,
                                n if wirelen is None else wirelen) + data, end=end, **kw)


def spb(data, wirelen=None):
    return block(3, struct.pack("<I", len(data) if wirelen is None else wirelen) + data)


def ng(*blocks):
    return shb() + idb() + b"".join(blocks)


def cases():
    f = FRAMES
    good = pcap()
    one = 16 + len(f[0])
    bad_len = head() + record(f[0]) + record(f[1], caplen=0x7FFFFFFF) + record(f[2])
    # good ones: what must still be read
    yield "good.pcap", good, 4, "eof", "nothing"
    yield "good_be.pcap", pcap(end=">"), 4, "eof", "nothing; other byte order"
    yield "good_ns.pcap", pcap(magic=0xA1B23C4D), 4, "eof", "nothing; nanoseconds"
    yield "good_ns_be.pcap", pcap(magic=0xA1B23C4D, end=">"), 4, "eof", "nothing; both"
    yield "good.pcapng", ng(*map(epb, f)), 4, "eof", "nothing"
    yield "good_be.pcapng", (shb(">") + idb(end=">") + b"".join(epb(x, end=">") for x in f)), 4, \
        "eof", "nothing; other byte order"
    yield "good_spb.pcapng", ng(*map(spb, f)), 4, "eof", "nothing; simple packet blocks"
    yield "good_unknown_block.pcapng", ng(epb(f[0]), block(0x0BAD, b"x" * 40), epb(f[1])), 2, \
        "eof", "a block of unknown type is skipped"
    yield "header_only.pcap", head(), 0, "eof", "no frame"
    yield "snaplen_0.pcap", pcap(snap=0), 4, "eof", "snaplen 0 means no limit"
    yield "snaplen_huge.pcap", pcap(snap=0xFFFFFFFF), 4, "eof", "snaplen 2^32 - 1"
    yield "snaplen_20.pcap", pcap(snap=20), 4, "eof", "records longer than snaplen are cut to it"
    yield "empty_frames.pcap", head() + record(b"", wirelen=60) * 3 + record(f[0]), 4, "eof", \
        "records of 0 bytes"
    yield "wirelen_small.pcap", head() + record(f[0], wirelen=10), 1, "eof", \
        "captured more than there was"
    yield "time_far.pcap", head() + record(f[0], sec=0xFFFFFFFF, frac=0xFFFFFFFF), 1, "eof", \
        "time stamp beyond all bounds"
    yield "headers_cut.pcap", head() + b"".join(record(x[:40], wirelen=len(x)) for x in f), 4, \
        "eof", "frames captured to 40 bytes"
    # no capture at all
    yield "empty.pcap", b"", 0, "truncated", "0 bytes"
    yield "text.pcap", b"this is no capture, but a line of text\n", 0, "format", "text"
    yield "zeros.pcap", b"\0" * 4096, 0, "format", "zeros"
    yield "magic_only.pcap", good[:4], 0, "truncated", "ends in the file header"
    yield "header_cut.pcap", good[:23], 0, "truncated", "ends in the file header"
    yield "version_9.pcap", pcap(version=(9, 9)), 0, "format", "version 9.9"
    yield "link_wifi.pcap", pcap(link=127), 0, "unsupported", "radiotap"
    yield "link_unknown.pcap", pcap(link=60000), 0, "unsupported", "link type nobody has"
    # it breaks off
    yield "cut_in_record_header.pcap", good[:24 + one + 7], 1, "truncated", "ends in frame 2's header"
    yield "cut_in_frame.pcap", good[:-5], 3, "truncated", "ends in the last frame"
    yield "caplen_huge.pcap", bad_len, 1, "format", "frame 2 claims 2 GiB"
    yield "caplen_over.pcap", head() + record(f[0]) + record(f[1], caplen=len(f[1]) + 400), 1, \
        "truncated", "frame 2 claims more than the file has"
    yield "shb_only.pcapng", shb(), 0, "format", "no interface before the end"
    yield "shb_magic.pcapng", shb(magic=0xDEADBEEF), 0, "format", "byte order mark of neither order"
    yield "no_idb.pcapng", shb() + epb(f[0]), 0, "format", "a packet before any interface"
    yield "cut_in_block.pcapng", ng(epb(f[0]), epb(f[1]))[:-30], 1, "truncated", "ends in block 4"
    yield "length_0.pcapng", ng(epb(f[0]), epb(f[1], length=0)), 1, "format", "block length 0"
    yield "length_odd.pcapng", ng(epb(f[0]), epb(f[1], length=101)), 1, "format", \
        "block length 101"
    yield "length_huge.pcapng", ng(epb(f[0]), epb(f[1], length=0xFFFFFFFC)), 1, "format", \
        "block length 2^32 - 4"
    yield "tail_differs.pcapng", ng(epb(f[0]), epb(f[1], tail=32)), 1, "format", \
        "both lengths of a block differ"
    yield "epb_caplen.pcapng", ng(epb(f[0]), epb(f[1], caplen=0x10000000)), 1, "format", \
        "caplen greater than its block"
    yield "epb_iface.pcapng", ng(epb(f[0]), epb(f[1], iface=7)), 1, "format", \
        "interface that was never described"
    yield "option_long.pcapng", shb() + idb(options=struct.pack("<HH", 9, 60000) + b"\6\0\0\0") + \
        epb(f[0]), 0, "format", "an option longer than its block"
    yield "tsresol_0.pcapng", shb() + idb(options=option(9, b"\xff") + option(0, b"")) + epb(f[0]), \
        0, "format", "time stamps of 2^-127 s"
    yield "links_differ.pcapng", ng(epb(f[0]), idb(link=101), epb(f[1][14:], iface=1)), 1, \
        "unsupported", "two interfaces of different link type"


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: mkbad.py FOLDER")
    os.makedirs(sys.argv[1], exist_ok=True)
    with open(os.path.join(sys.argv[1], "index.tsv"), "w", encoding="ascii") as index:
        for name, data, frames, end, why in cases():
            with open(os.path.join(sys.argv[1], name), "wb") as out:
                out.write(data)
            index.write(f"{name}\t{frames}\t{end}\t{why}\n")


if __name__ == "__main__":
    main()
