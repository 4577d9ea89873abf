#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of the policy language against the program that reads it.

usage: policy.py SCHEMA INTERLOCK FILE...

Whole policies (FILE.yaml, and the yaml blocks of FILE.md) have to be valid.  Then each of them is
broken in many ways, a key or a word at a time; what the schema refuses the program must refuse too,
and of unknown keys the reverse holds as well.
"""
import copy
import json
import re
import subprocess
import sys

import jsonschema
import yaml

schema = json.load(open(sys.argv[1], encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
interlock = sys.argv[2]


class Loader(yaml.SafeLoader):
    """Only true and false are truth values, and nothing is a date: as policy/yaml.c has it."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, r) for tag, r in rules if tag.rsplit(":", 1)[1] not in ("timestamp", "bool", "int", "float")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), "tf")
Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^(?:0|[1-9][0-9]*|0x[0-9a-fA-F]+)$"), "0123456789")


def policies(path):
    text = open(path, encoding="utf-8").read()
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.S | re.M) if path.endswith(".md") else [text]


def usable(tree):
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    run = subprocess.run([interlock, "policy", "check", "-"], input=text.encode(), capture_output=True, check=False)
    return run.returncode == 0, run.stderr.decode()


def maps(tree, path=()):
    """Every map of the language: those under values and the like hold notations."""
    if isinstance(tree, dict):
        yield path, tree
        for key, value in tree.items():
            yield from maps(value, path + (key,))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from maps(value, path + (i,))


def at(tree, path):
    for step in path:
        tree = tree[step]
    return tree


bad = checked = 0
for name in sys.argv[3:]:
    for n, text in enumerate(policies(name)):
        tree = yaml.load(text, Loader)  # noqa: S506 (a SafeLoader)
        for error in validator.iter_errors(tree):
            bad += 1
            print(f"{name} ({n}): {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")
        ok, said = usable(tree)
        if not ok:
            bad += 1
            print(f"{name} ({n}): what was read is not what was written: {said}")
        for path, _ in list(maps(tree)):
            if path and path[-1] in ("zones", "devices", "groups", "sets") or any("values" in str(p) for p in path):
                continue  # names and addresses are keys there
            broken = copy.deepcopy(tree)
            at(broken, path)["no-such-key"] = 1
            checked += 1
            ok, _said = usable(broken)
            if ok or validator.is_valid(broken):
                bad += 1
                print(f"{name} ({n}): a key nobody knows in /{'/'.join(map(str, path))}: "
                      f"program {'takes' if ok else 'refuses'} it, schema {'takes' if validator.is_valid(broken) else 'refuses'} it")
        for path, here in list(maps(tree)):
            for key in list(here)[len(path) % 3 :: 3]:  # a third of them is enough
                broken = copy.deepcopy(tree)
                at(broken, path)[key] = {"no": "map"}
                checked += 1
                if not validator.is_valid(broken) and usable(broken)[0]:
                    bad += 1
                    print(f"{name} ({n}): the schema refuses what the program takes: /{'/'.join(map(str, path))}/{key}")
print(f"{checked} broken policies, {bad} differences")
sys.exit(bad > 0 or checked == 0)
