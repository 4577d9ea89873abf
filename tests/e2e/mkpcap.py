#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes small captures of Modbus/TCP conversations; needs only the standard library.

usage: mkpcap.py FILE STEP...     (FILE - is standard output)

A capture is a list of steps, each one or more frames:
  open            the three-way handshake
  read[:ADDR[:N]] FC 3 request and its response
  write[:ADDR[:VALUE]]  FC 6 request and its response
  coil            FC 5 request and its response
  split           an FC 16 request in two segments, and its response
  answer          a response that nobody asked for
  ack             a segment without payload
  close           FIN both ways
  stranger[:PORT] a SYN from 10.0.0.66 to the server (default port 23)
  arp             an ARP request of the client
  repeat:N        the steps after it N times
Client 10.0.0.1:40000, server 10.0.0.2:502, unit 1; frames are 10 ms apart.
"""
import struct
import sys

CLIENT, SERVER, STRANGER = b"\x0a\0\0\x01", b"\x0a\0\0\x02", b"\x0a\0\0\x42"
SYN, ACK, PSH, FIN = 2, 16, 8, 1


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def mac(ip):
    return b"\x02\0" + ip


def tcp_frame(src, dst, sport, dport, seq, ack, flags, data=b""):
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 8192, 0, 0)
    pseudo = src + dst + struct.pack("!BBH", 0, 6, len(tcp) + len(data))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp + data)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(data), 1, 0x4000, 64, 6, 0) + src + dst
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return mac(dst) + mac(src) + b"\x08\0" + ip + tcp + data


class Conversation:
    def __init__(self, port=502):
        self.frames = []
        self.port = port
        self.seq = {CLIENT: 1000, SERVER: 5000}
        self.txn = 0

    def send(self, src, flags, data=b""):
        dst = SERVER if src == CLIENT else CLIENT
        ports = (40000, self.port) if src == CLIENT else (self.port, 40000)
        ack = self.seq[dst] if flags & ACK else 0
        self.frames.append(tcp_frame(src, dst, *ports, self.seq[src] & 0xFFFFFFFF,
                                     ack & 0xFFFFFFFF, flags, data))
        self.seq[src] += len(data) + (1 if flags & (SYN | FIN) else 0)

    def adu(self, pdu):
        return struct.pack("!HHHB", self.txn, 0, len(pdu) + 1, 1) + pdu

    def ask(self, request, response, cut=0):
        self.txn = self.txn + 1 & 0xFFFF
        data = self.adu(request)
        for part in (data[:cut], data[cut:]):
            if part:
                self.send(CLIENT, PSH | ACK, part)
        self.send(SERVER, PSH | ACK, self.adu(response))

    def step(self, name, *arg):
        arg = [int(a) for a in arg]
        if name == "open":
            self.send(CLIENT, SYN)
            self.send(SERVER, SYN | ACK)
            self.send(CLIENT, ACK)
        elif name == "close":
            self.send(CLIENT, FIN | ACK)
            self.send(SERVER, FIN | ACK)
            self.send(CLIENT, ACK)
        elif name == "ack":
            self.send(CLIENT, ACK)
        elif name == "read":
            addr, n = (arg + [0, 2][len(arg):])[:2]
            self.ask(struct.pack("!BHH", 3, addr, n), struct.pack("!BB", 3, 2 * n) + bytes(2 * n))
        elif name == "write":
            addr, value = (arg + [5, 7][len(arg):])[:2]
            pdu = struct.pack("!BHH", 6, addr, value)
            self.ask(pdu, pdu)
        elif name == "coil":
            pdu = struct.pack("!BHH", 5, 1, 0xFF00)
            self.ask(pdu, pdu)
        elif name == "split":
            self.ask(struct.pack("!BHHBHH", 16, 40, 2, 4, 1, 2), struct.pack("!BHH", 16, 40, 2), 9)
        elif name == "answer":
            self.txn = self.txn + 1 & 0xFFFF
            self.send(SERVER, PSH | ACK, self.adu(struct.pack("!BBH", 3, 2, 9)))
        elif name == "stranger":
            port = arg[0] if arg else 23
            self.frames.append(tcp_frame(STRANGER, SERVER, 50000, port, 1, 0, SYN))
        elif name == "arp":
            arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac(CLIENT) + CLIENT + bytes(6) + SERVER
            self.frames.append(b"\xff" * 6 + mac(CLIENT) + b"\x08\x06" + arp)
        else:
            sys.exit(f"mkpcap.py: {name}: unknown step")


def write_pcap(path, frames):
    with sys.stdout.buffer if path == "-" else open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i, f in enumerate(frames):
            us = 1_700_000_000_000_000 + 10_000 * i
            out.write(struct.pack("<IIII", us // 1_000_000, us % 1_000_000, len(f), len(f)) + f)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    c, steps, times = Conversation(), sys.argv[2:], 1
    for i, step in enumerate(steps):
        if step.startswith("repeat:"):
            times = int(step[7:])
            steps, rest = steps[:i], steps[i + 1:]
            break
    else:
        rest = []
    for step in steps + rest * times:
        c.step(*step.split(":"))
    write_pcap(sys.argv[1], c.frames)


if __name__ == "__main__":
    main()
