# SPDX-License-Identifier: Apache-2.0
"""Looks for secrets in what leaves: as they are, and in every base64 and hexadecimal part of it, whatever it is packed into.

usage: secrets.py FILE... < LIST     LIST is JSON, texts; prints {FILE: [which of them]}
"""
import base64
import binascii
import json
import pathlib
import re
import sys
import zlib


def layers(data, depth=0):
    """data, and everything that is encoded in it."""
    yield data
    if depth == 4:
        return
    if data[:5] == b"%PDF-":
        for m in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.S):
            try:
                yield from layers(zlib.decompress(m[1]), depth + 1)
            except zlib.error:
                pass
    for run in set(re.findall(rb"[A-Za-z0-9+/_-]{12,}=*", data)):
        text = run.rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
        for cut in range(4):  # a run may begin with letters that are not of it
            part = text[cut:]
            try:
                yield from layers(base64.b64decode(part + b"=" * (-len(part) % 4)), depth + 1)
            except binascii.Error:
                yield base64.b64decode(part[:len(part) // 4 * 4])
            if depth > 0:
                break
    for run in set(re.findall(rb"[0-9a-fA-F]{12,}", data)):
        yield binascii.unhexlify(run[:len(run) // 2 * 2])


def found(data, secrets):
    """Which of the secrets (texts) are in it?"""
    want = {s: s.encode().lower() for s in secrets}
    out = set()
    for layer in layers(data):
        low = layer.lower()
        out |= {s for s, b in want.items() if b in low}
    return out


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    print(json.dumps({f: sorted(found(pathlib.Path(f).read_bytes(), wanted)) for f in sys.argv[1:]}))
