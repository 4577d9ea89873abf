#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An 802.1Q interface in user space, for kernels that have none.

usage: vlan_nic.py PARENT NAME ID      makes the TAP device NAME; runs until it is killed

What the host sends through NAME leaves PARENT with the tag, what arrives there with the tag
comes out of NAME.  The kernel takes the tag off before a packet socket sees the frame, so
it is read from the auxiliary data (packet(7), PACKET_AUXDATA).
"""
import contextlib
import fcntl
import os
import select
import socket
import struct
import sys

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 0x0003, 263, 8, 4
TP_STATUS_VLAN_VALID = 0x10
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
AUXDATA = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid

parent, name, vid = sys.argv[1], sys.argv[2], int(sys.argv[3])
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
wire.bind((parent, 0))
tag = struct.pack(">HH", 0x8100, vid)

while True:
    for fd in select.select([tap, wire], [], [])[0]:
        if fd == tap:
            frame = os.read(tap, 2048)
            wire.send(frame[:12] + tag + frame[12:])
            continue
        frame, anc, _, addr = wire.recvmsg(2048, 256)
        aux = [AUXDATA.unpack(d[:AUXDATA.size]) for level, kind, d in anc if (level, kind) == (SOL_PACKET, PACKET_AUXDATA)]
        if addr[2] != PACKET_OUTGOING and aux and aux[0][0] & TP_STATUS_VLAN_VALID and aux[0][5] & 0xFFF == vid:
            with contextlib.suppress(OSError):  # NAME is down
                os.write(tap, frame)
