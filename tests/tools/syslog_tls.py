#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A syslog receiver by RFC 5425: TLS, octet counting; and a check of each message against RFC 5424.

usage: syslog_tls.py CERT KEY CA|- OUT [LIMIT]   prints its port; OUT gets the MSG of every message, a line each
With CA a client has to show a certificate of it.  After LIMIT messages of a connection it is reset.
"""
import re
import socket
import ssl
import struct
import sys

HEADER = re.compile(
    rb'<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) ([!-~]{1,255}) ([!-~]{1,48}) '
    rb'([!-~]{1,128}) ([!-~]{1,32}) ((?:\[[!-~]+?(?: [!-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])+) ', re.S)

cert, key, ca, out = sys.argv[1:5]
limit = int(sys.argv[5]) if len(sys.argv) > 5 else 0
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key)
if ca != "-":
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    raw, _ = listener.accept()
    try:
        peer = context.wrap_socket(raw, server_side=True)
    except (ssl.SSLError, OSError) as e:
        print(f"refused: {e}", flush=True)
        continue
    buf, seen = b"", 0
    with open(out, "ab", buffering=0) as f:
        while True:
            try:
                data = peer.recv(65536)
            except OSError:
                break
            if not data:
                break
            buf += data
            while True:
                m = re.match(rb"([1-9]\d{0,5}) ", buf)
                if not m or len(buf) < m.end() + int(m.group(1)):
                    break
                message, buf = buf[m.end():m.end() + int(m.group(1))], buf[m.end() + int(m.group(1)):]
                head = HEADER.match(message)
                if not head or int(head.group(1)) > 191:
                    sys.exit(f"not RFC 5424: {message[:200]!r}")
                f.write(message[head.end():] + b"\n")
                seen += 1
            if limit and seen >= limit:
                limit = 0  # once
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                break
    peer.close()
