# SPDX-License-Identifier: Apache-2.0
"""Puts some frames of a capture (pcap, Ethernet) on an interface, as fast as they go; prints when, in ms since 1970.

usage: inject.py IFACE CAPTURE FIRST LAST
"""
import socket
import struct
import sys
import time

iface, path, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
frames = []
with open(path, "rb") as f:
    order = "<" if f.read(24)[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    while head := f.read(16):
        frames.append(f.read(struct.unpack(order + "4I", head)[2]))
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind((iface, 0))
for frame in frames[first - 1:last]:
    out.send(frame)
print(int(time.time() * 1000))
