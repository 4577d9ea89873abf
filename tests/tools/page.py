#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program on a terminal of its own, gives it keys, and says what its page showed.

usage: page.py ROWSxCOLS STEP... -- PROGRAM ARG...
  TEXT        wait (20 s at most) until the page shows it
  key:NAME    press tab, q, up, down, right, pgdn, or a letter
  size:RxC    the terminal gets another size
Ends when the program has; 0: every step came true, the program ended, and left the terminal as it was.  What it wrote behind its page is
printed; its status is the last line.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

KEYS = {"tab": "\t", "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "pgdn": "\x1b[6~"}
size, rest = sys.argv[1], sys.argv[2:]
steps, program = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
seen = b""


def resize(fd, text):
    rows, cols = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def page():
    """The last whole page, as it would stand there."""
    text = seen.decode("latin-1").split("\x1b[H")[-1]
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


def fail(why):
    os.kill(pid, signal.SIGKILL)
    sys.exit(f"{why}\n{page()}")


def read(seconds):
    global seen
    ready, _, _ = select.select([fd], [], [], seconds)
    if not ready:
        return True
    try:
        got = os.read(fd, 65536)
    except OSError:
        return False
    seen += got
    return bool(got)


master, slave = pty.openpty()
resize(master, size)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for n in (0, 1):
        os.dup2(slave, n)
    os.execvp(program[0], program)
fd = master
for step in steps:
    end = time.time() + 20
    if step.startswith("key:"):
        os.write(fd, KEYS.get(step[4:], step[4:]).encode())
        continue
    if step.startswith("size:"):
        resize(fd, step[5:])
        continue
    seen = seen[-65536:]
    while step not in page():
        if time.time() > end:
            fail(f"never shown: {step}")
        read(0.2)
end = time.time() + 20
status = None
while status is None:
    read(0.1)
    done, code = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(code)
    elif time.time() > end:
        fail("it does not end")
while select.select([fd], [], [], 0.2)[0] and read(0):
    pass
if termios.tcgetattr(slave) != before or not seen.decode("latin-1").rfind("\x1b[?1049l") > seen.decode("latin-1").rfind("\x1b[?1049h"):
    sys.exit("the terminal is not as it was")
print(seen.decode("latin-1").split("\x1b[?1049l")[-1].replace("\r", ""))
print(status)
