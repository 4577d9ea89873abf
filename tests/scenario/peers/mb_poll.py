# SPDX-License-Identifier: Apache-2.0
"""Modbus in a few lines, for long sessions (tests/scenario/fast.sh, survive.sh).

mb_poll.py server          answers functions 3 and 6 on port 502 and keeps what was written; says so when it is
                           register 250, which no policy here allows
mb_poll.py ADDRESS         one session that does what standard input says, a line each: WHAT N
    poll N                 reads; each has an answer
    set N                  writes register 5; what is read behind it is that
    forbid N               writes register 250; each is refused by an exception
    loop FILE              polls until FILE is there; FILE.n has their number meanwhile
    mute N                 as forbid, without waiting for the answer; answers N: waits for them
  each line has an answer: done WHAT N; or failed, and the end
"""
import os
import socket
import struct
import sys
import threading
import time

PAUSE = 0.003
regs = [0] * 300


def receive(s, n):
    b = b""
    while len(b) < n:
        c = s.recv(n - len(b))
        if not c:
            raise EOFError
        b += c
    return b


def serve(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while True:
            txn, _, n, unit = struct.unpack(">HHHB", receive(c, 7))
            d = receive(c, n - 1)
            a, v = struct.unpack(">HH", d[1:5])
            if d[0] == 6:
                regs[a] = v
                r = d
                if a == 250:
                    print("register 250 was written", flush=True)
            else:
                r = struct.pack(">BB%dH" % v, 3, 2 * v, *regs[a : a + v])
            c.sendall(struct.pack(">HHHB", txn, 0, len(r) + 1, unit) + r)
    except (EOFError, OSError):
        pass


class Session:
    def __init__(self, address):
        self.s = socket.create_connection((address, 502), timeout=40)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.t = 0
        self.slowest = 0.0

    def send(self, pdu):
        self.t = (self.t + 1) & 65535
        self.s.sendall(struct.pack(">HHHB", self.t, 0, len(pdu) + 1, 1) + pdu)

    def answer(self, txn):
        got, _, n, unit = struct.unpack(">HHHB", receive(self.s, 7))
        d = receive(self.s, n - 1)
        assert got == txn and unit == 1, (got, txn)
        return d

    def ask(self, pdu):
        begin = time.monotonic()
        self.send(pdu)
        d = self.answer(self.t)
        self.slowest = max(self.slowest, time.monotonic() - begin)
        return d

    def poll(self, _):
        d = self.ask(struct.pack(">BHH", 3, 0, 10))
        return d[0] == 3 and len(d) == 22

    def set(self, i):
        pdu = struct.pack(">BHH", 6, 5, i & 65535)
        return self.ask(pdu) == pdu and self.ask(struct.pack(">BHH", 3, 5, 1)) == struct.pack(
            ">BBH", 3, 2, i & 65535
        )

    def forbid(self, _):
        return self.ask(struct.pack(">BHH", 6, 250, 7)) == b"\x86\x02"

    def mute(self, _):
        self.send(struct.pack(">BHH", 6, 250, 7))
        return True

    def answers(self, _):
        return self.answer(self.t) == b"\x86\x02"

    def loop(self, path):
        n = 0
        self.slowest = 0.0
        while not os.path.exists(path):
            if not self.poll(n):
                return -1
            n += 1
            if n % 20 == 0:
                with open(path + ".n", "w") as f:
                    print(n, file=f)
            time.sleep(PAUSE)
        with open(path + ".n", "w") as f:
            print(n, file=f)
        return n


def run(address):
    s = Session(address)
    for line in sys.stdin:
        what, arg = line.split()
        if what == "loop":
            n = s.loop(arg)
            if n < 0:
                print("failed loop", flush=True)
                return 1
            print("done loop %d, slowest %d ms" % (n, s.slowest * 1000), flush=True)
            continue
        for i in range(int(arg)):
            if not getattr(s, what)(i):
                print("failed", what, i, flush=True)
                return 1
            time.sleep(PAUSE)
        print("done", what, arg, flush=True)
    return 0


if sys.argv[1] == "server":
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("0.0.0.0", 502))
    listening.listen(64)
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
sys.exit(run(sys.argv[1]))
