#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an OPC UA server refuses with ERR or by closing, OPC 10000-6 7.1.2.  usage: refused.py ADDRESS PORT"""
import socket
import struct
import sys

URL = b"opc.tcp://10.1.2.131:4840/plc"


def message(kind, body):
    return kind + struct.pack("<I", 8 + len(body)) + body


def hello(receive=65536, send=65536, url=URL):
    return message(b"HELF", struct.pack("<IIIIIi", 0, receive, send, 0, 0, len(url)) + url)


def stray(kind, type_id, rest=b""):
    """A whole request, with its header, in a channel that nobody opened."""
    header = struct.pack("<HQIIiI3x", 0, 0, 1, 0, -1, 1000)
    return message(kind, struct.pack("<IIIIBBH", 4711, 1, 1, 1, 1, 0, type_id) + header + rest)


def say(*parts):
    """One connection; each part waits for the answer to the one before."""
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2) as s:
        for part in parts:
            try:
                s.sendall(part)
                if not s.recv(65536):
                    return
            except OSError:
                return


say(b"GET / HTTP/1.1\r\nHost: plc-caps\r\n\r\n")
say(hello(receive=100, send=100))
say(hello(url=b"x" * 5000))
say(hello(), stray(b"MSGF", 473, b"\x01"))            # CloseSession
say(hello(), stray(b"CLOF", 452))                     # CloseSecureChannel
say(hello(), hello())
