# SPDX-License-Identifier: Apache-2.0
"""Modbus ADUs by hand, for the clients that no library can play: [MSG] 3.1.3, [APP] 4 and 6."""
import socket
import struct

TIMEOUT = 0.5  # seconds to wait for an answer


def adu(txn, unit, pdu, protocol=0):
    return struct.pack(">HHHB", txn, protocol, len(pdu) + 1, unit) + pdu


def read(code, addr, count):
    return struct.pack(">BHH", code, addr, count)


def write_one(code, addr, value):
    return struct.pack(">BHH", code, addr, value)


def write_coils(addr, bits):
    packed = bytes(sum(bit << i for i, bit in enumerate(bits[k:k + 8])) for k in range(0, len(bits), 8))
    return struct.pack(">BHHB", 15, addr, len(bits), len(packed)) + packed


def write_words(addr, words):
    return struct.pack(">BHHB", 16, addr, len(words), 2 * len(words)) + struct.pack(f">{len(words)}H", *words)


def connect(host, port=502, timeout=TIMEOUT, mss=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if mss:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    s.connect((host, port))
    return s


def answers(s, n):
    """Up to n ADUs; fewer when the peer stops talking."""
    data, got = b"", []
    while len(got) < n:
        try:
            more = s.recv(65536)
        except OSError:  # a timeout is one
            break
        if not more:
            break
        data += more
        while len(data) >= 7 and len(data) >= 6 + (size := struct.unpack(">H", data[4:6])[0]):
            got.append(data[:6 + size])
            data = data[6 + size:]
    return got
