#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a text search can hold.

usage: check-source.py calls|hotpath|headers|tidy     (in the root of the tree)

calls    no function that cannot know the size of what it writes or reads
hotpath  what mk/hotpath says about the packet path
headers  every prototype in a header has a comment before it, beside it or before its
         group, or a comment of the header says what name() does
tidy     licence line first, no marks of unfinished work, long files say why
"""
import fnmatch
import pathlib
import re
import sys

FOLDERS = "base dissectors policy alerts dataplane ebpf assets watch guard sender sharing collector cli tests".split()

BANNED = {
    "strcpy": "snprintf or memcpy", "strcat": "snprintf", "sprintf": "snprintf", "vsprintf": "vsnprintf",
    "stpcpy": "memcpy", "gets": "getline", "alloca": "a fixed buffer", "strtok": "strsep or a cursor",
    "atoi": "strtoul with a check", "atol": "strtoul with a check", "atoll": "strtoull with a check",
    "atof": "strtod with a check", "system": "posix_spawn", "popen": "posix_spawn",
    "tmpnam": "mkstemp", "mktemp": "mkstemp", "rand": "a seeded generator of the caller",
}
SLOW = re.compile(
    r"^(malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|free|strdup|strndup|v?asprintf|mmap|munmap"
    r"|v?f?printf|puts|fputs|fputc|putchar|fwrite|fflush|perror|syslog|log_(error|warn|info|debug)"
    r"|clock_(wall|mono|cpu)_ns|clock_gettime|gettimeofday|time|(us|nano)?sleep|pthread_\w+|sem_\w+"
    r"|getenv|f?open|f?close|\w+_(new|free|init|fini))$")
SET_UP = re.compile(r"_(init|fini|new|free)$")
LINES_MAX = 1000
CALL = re.compile(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(")

bad = 0


def complain(path, line, text):
    global bad
    bad += 1
    print(f"{path}:{line}: {text}")


def sources(pattern="*.[ch]"):
    for folder in FOLDERS:
        yield from sorted(pathlib.Path(folder).rglob(pattern))


def without_comments(text):
    """The same lines; comments are gone, strings and characters empty."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(m):
        s = m.group()
        return s[0] * 2 if s[0] in "\"'" else " " + "\n" * s.count("\n")
    return token.sub(blank, text)


def calls_of(path):
    """(line number, function it is in, name called) of a file."""
    inside = head = None
    for n, line in enumerate(without_comments(path.read_text()).split("\n"), 1):
        if line.startswith("{"):
            inside = head
        elif line.startswith("}"):
            inside = None
        elif line[:1].isalpha() or line[:1] == "_":
            m = CALL.search(line)
            head = m.group(1) if m else head
        if line.startswith("#"):
            continue
        for m in CALL.finditer(line):
            yield n, inside, m.group(1)


def check_calls():
    for path in sources():
        for n, _, name in calls_of(path):
            if name in BANNED:
                complain(path, n, f"{name}() is banned: use {BANNED[name]}")


def check_hotpath():
    patterns, excepted = [], {}
    for n, line in enumerate(open("mk/hotpath"), 1):
        line = line.split("#")[0].strip()
        m = re.match(r"except (\w+) in (\S+): .+", line)
        if m:
            excepted[m.group(2), m.group(1)] = n
        elif line:
            patterns.append(line)
    used = set()
    for path in sources():
        if not any(len(path.parts) == len(pathlib.Path(p).parts) and fnmatch.fnmatch(str(path), p) for p in patterns):
            continue
        for n, inside, name in calls_of(path):
            if inside is None or SET_UP.search(inside) or not SLOW.match(name):
                continue
            if (str(path), inside) in excepted:
                used.add((str(path), inside))
            else:
                complain(path, n, f"{inside}() is on the packet path and calls {name}() (mk/hotpath)")
    for key in excepted.keys() - used:
        complain("mk/hotpath", excepted[key], f"{key[1]} in {key[0]} needs no exception")


def check_headers():
    for path in sources("*.h"):
        if path.parts[0] == "tests":
            continue
        text = path.read_text()
        lines, bare = text.split("\n"), without_comments(text).split("\n")
        at = 0
        while at < len(bare):
            start = at
            at += 1
            if not (bare[start][:1].isalpha() or bare[start][:1] == "_"):
                continue
            end, depth = start, 0
            while end < len(bare):
                depth += bare[end].count("{") + bare[end].count("(") - bare[end].count("}") - bare[end].count(")")
                if depth <= 0 and (";" in bare[end] or bare[end].startswith("}")):
                    break
                end += 1
            at = end + 1
            statement = " ".join(bare[start:end + 1])
            if "{" in statement or "(" not in statement or statement.startswith("typedef"):
                continue
            group = start
            while group > 0 and lines[group - 1].strip():
                group -= 1
            name = CALL.search(statement).group(1)
            beside = any(lines[i].strip() != bare[i].strip() for i in range(group, min(end + 1, len(bare))))
            if not beside and f" {name}()" not in text:
                complain(path, start + 1, f"{name} has no comment")


def check_tidy():
    unfinished = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    scripts = [p for f in ("mk", "tests", "pcaps", "contrib", ".ci") for p in pathlib.Path(f).rglob("*")
               if p.is_file() and (p.suffix in (".sh", ".py", ".bats") or p.name == "run") and "node_modules" not in p.parts]
    for path in [*sources(), *sources("*.def"), *scripts]:
        lines = path.read_text().split("\n")
        if not any("SPDX-License-Identifier: " in s for s in lines[:2]):
            complain(path, 1, "the first line names the licence (SPDX-License-Identifier)")
        for n, line in enumerate(lines, 1):
            if unfinished.search(line):
                complain(path, n, "unfinished: " + line.strip())
        if path.suffix in (".c", ".h") and len(lines) - 1 > LINES_MAX and " lines" not in "\n".join(lines[:40]):
            complain(path, 1, f"{len(lines) - 1} lines; above {LINES_MAX} the top comment says why")


if len(sys.argv) != 2 or sys.argv[1] not in ("calls", "hotpath", "headers", "tidy"):
    sys.exit(__doc__)
{"calls": check_calls, "hotpath": check_hotpath, "headers": check_headers, "tidy": check_tidy}[sys.argv[1]]()
sys.exit(bad > 0)
