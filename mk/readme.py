#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts what the demo prints now into README.md, shortened; look at the difference before a commit.

usage: B=build sh mk/demo.sh | mk/readme.py     (in the root of the tree; tests/e2e/demo.sh checks it)
"""
import os
import re
import sys

text = sys.stdin.read().replace(os.environ.get("B", "build") + "/", "build/")
out = re.sub(r"sensor [^ ,]*,", "sensor ...,", text).rstrip("\n").split("\n")


def at(prefix, start=0):
    return next(i for i in range(start, len(out)) if out[i].startswith(prefix))


def part(first, last):
    return out[at(first):at(last, at(first) + 1)]


talk = part("conversations", "other traffic")
ends = [i for i, line in enumerate(talk) if re.match(r"  \S", line)] + [len(talk)]
found = part("not allowed", "told")
last = [i for i, line in enumerate(found) if re.match(r" +\d+  \w", line)]
eve = next(line for line in out if line.startswith('{"timestamp"'))

shown = [
    *part("# A morning", "conversations"),
    "conversations", *talk[ends[0]:ends[0] + 1], "        ...", *talk[ends[1]:ends[2]],
    talk[ends[2]], "        ...", *talk[ends[2] + 6:ends[2] + 11], "        ...", "",
    *part("other traffic", "rules that decided"),
    "not allowed", *found[1:last[5]], "           ...", "",
    *out[at("packets"):at("packets") + 3], "  ...", "",
    *part("alerts", "# The MES"),
    *out[at("# The MES"):at("# The MES") + 2],
    "..." + eve[eve.index('"alert":'):eve.index('"category"')] + "...", "",
    *out[at("# Why"):at("# Why") + 2], "...", *out[at("PDU 1"):],
]
readme = open("README.md").read()
head, rest = readme.split("```text\n", 1)
tail = rest.split("```\n", 1)[1]
with open("README.md", "w") as f:
    f.write(head + "```text\n" + "\n".join(shown) + "\n```\n" + tail)
