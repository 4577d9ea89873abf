#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A controller that takes blocks and gives them back, which node-snap7's server refuses to do.

usage: loader.py ADDRESS

It connects, sets up, and then: 1A, after which it asks for the block in pieces (1B) and ends (1C); 1D, 1E, 1F from what it
was given; PI services are confirmed.  DB11 it gives up with an error after the first piece, and in the middle of
DB12 it closes the connection.
"""
import socketserver
import sys

JOB, ACK_DATA = 1, 3
PIECE = 200  # bytes of content in a piece of an upload
blocks = {}


class Gone(Exception):
    pass


class Client(socketserver.BaseRequestHandler):
    ref = 0x100

    def exactly(self, n):
        data = b""
        while len(data) < n:
            got = self.request.recv(n - len(data))
            if not got:
                raise Gone
            data += got
        return data

    def tpkt(self):
        head = self.exactly(4)
        return self.exactly((head[2] << 8 | head[3]) - 4)

    def put(self, cotp):
        self.request.sendall(bytes([3, 0, *(4 + len(cotp)).to_bytes(2, "big")]) + cotp)

    def message(self):
        while True:
            cotp = self.tpkt()
            if cotp[1] == 0xE0:  # connect: confirmed with what was asked
                self.put(bytes([cotp[0], 0xD0]) + cotp[4:6] + b"\0\1\0" + cotp[7:])
            elif cotp[1] == 0xF0 and len(cotp) > 13:
                s7 = cotp[3:]
                head = 12 if s7[1] in (2, 3) else 10
                n = s7[6] << 8 | s7[7]
                return s7[1], s7[4:6], s7[head:head + n], s7[head + n:]

    def say(self, kind, ref, param, data=b""):
        head = bytes([0x32, kind, 0, 0]) + ref + len(param).to_bytes(2, "big") + len(data).to_bytes(2, "big")
        self.put(b"\x02\xf0\x80" + head + (b"\0\0" if kind == ACK_DATA else b"") + param + data)

    def job(self, param):
        """A job of ours, and what the client answers."""
        self.ref += 0x100
        ref = self.ref.to_bytes(2, "big")
        self.say(JOB, ref, param)
        kind, back, param, data = self.message()
        assert kind == ACK_DATA and back == ref, (kind, back)
        return param, data

    def download(self, name):
        content, more = b"", True
        file = bytes([len(name)]) + name
        number = int(name[3:8])
        while more:
            param, data = self.job(b"\x1b\0\0\0\0\0\0\0" + file)
            content += data[4:4 + (data[0] << 8 | data[1])]
            more = param[1] & 1
            if number == 11:
                self.job(b"\x1c\0\xd2\x10\0\0\0\0" + file)
                return
            if number == 12:
                raise Gone
        self.job(b"\x1c\0\0\0\0\0\0\0" + file)
        blocks[name[1:8]] = content

    def handle(self):
        sent = b""
        try:
            while True:
                kind, ref, param, _ = self.message()
                if kind != JOB:
                    continue
                code = param[0]
                name = param[9:9 + param[8]] if code in (0x1A, 0x1D) else b""
                if code == 0xF0:
                    self.say(ACK_DATA, ref, param[:6] + (480).to_bytes(2, "big"))
                elif code == 0x1A:
                    self.say(ACK_DATA, ref, b"\x1a")
                    self.download(name)
                elif code == 0x1D:
                    sent = blocks.get(name[1:8], b"")
                    self.say(ACK_DATA, ref, b"\x1d\0\1\0\0\0\0\7" + b"\7%07d" % len(sent))
                elif code == 0x1E:
                    piece, sent = sent[:PIECE], sent[PIECE:]
                    self.say(ACK_DATA, ref, bytes([0x1E, 1 if sent else 0]),
                             len(piece).to_bytes(2, "big") + b"\0\xfb" + piece)
                else:
                    self.say(ACK_DATA, ref, bytes([code]))
        except Gone:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server((sys.argv[1], 102), Client).serve_forever()
