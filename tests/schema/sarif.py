#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What SARIF 2.1.0 asks of the objects that Interlock writes, after the text of the standard.

usage: sarif.py FILE...     status 1 when one does not conform

Names in brackets are sections.  A member that the standard does not have is an error, as are a
wrong type, a missing required member, a ruleId without its rule, and a place outside a file.
"""
import json
import re
import sys

TEXT, INT, BOOL = str, int, bool
LEVEL = re.compile(r"^(none|note|warning|error)$")
URI = re.compile(r"^[A-Za-z0-9\-._~/:%!$&'()*+,;=@?#\[\]]*$")

# object: {member: type, a name of an object, a list of one, or a pattern}; required members
OBJECTS = {
    "sarifLog": ({"$schema": URI, "version": re.compile(r"^2\.1\.0$"), "runs": ["run"]}, ("version", "runs")),  # 3.13
    "run": ({"tool": "tool", "invocations": ["invocation"], "results": ["result"],  # 3.14
             "columnKind": re.compile("^(utf16CodeUnits|unicodeCodePoints)$")}, ("tool",)),
    "tool": ({"driver": "driver"}, ("driver",)),  # 3.18
    "driver": ({"name": TEXT, "semanticVersion": TEXT, "rules": ["rule"]}, ("name",)),  # 3.19
    "rule": ({"id": TEXT, "shortDescription": "text", "defaultConfiguration": "configuration"}, ("id",)),  # 3.49
    "configuration": ({"level": LEVEL}, ()),  # 3.50
    "text": ({"text": TEXT}, ("text",)),  # 3.12
    "message": ({"text": TEXT}, ("text",)),  # 3.11
    "invocation": ({"executionSuccessful": BOOL, "exitCode": INT,  # 3.20
                    "toolExecutionNotifications": ["notification"]}, ("executionSuccessful",)),
    "notification": ({"level": LEVEL, "message": "message"}, ("message",)),  # 3.58
    "result": ({"ruleId": TEXT, "level": LEVEL, "message": "message", "locations": ["location"],  # 3.27
                "relatedLocations": ["location"], "occurrenceCount": INT, "suppressions": ["suppression"],
                "partialFingerprints": "strings"}, ("message",)),
    "suppression": ({"kind": re.compile("^(inSource|external)$")}, ("kind",)),  # 3.35
    "location": ({"id": INT, "physicalLocation": "physical", "logicalLocations": ["logical"],  # 3.28
                  "message": "message"}, ()),
    "logical": ({"fullyQualifiedName": TEXT, "kind": TEXT}, ()),  # 3.33
    "physical": ({"artifactLocation": "artifact", "region": "region"}, ("artifactLocation",)),  # 3.29
    "artifact": ({"uri": URI}, ("uri",)),  # 3.4
    "region": ({"startLine": INT, "startColumn": INT}, ("startLine",)),  # 3.30
}
errors = []


def conform(value, kind, where):
    if isinstance(kind, list):
        if not isinstance(value, list):
            errors.append(f"{where}: not an array")
            return
        for i, v in enumerate(value):
            conform(v, kind[0], f"{where}/{i}")
    elif kind == "strings":
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            errors.append(f"{where}: not an object of strings")
    elif isinstance(kind, re.Pattern):
        if not isinstance(value, str) or not kind.match(value):
            errors.append(f"{where}: {value!r} is not allowed")
    elif isinstance(kind, type):
        if type(value) is not kind or (kind is int and value < 0):
            errors.append(f"{where}: {value!r} is no {kind.__name__}")
    else:
        members, required = OBJECTS[kind]
        if not isinstance(value, dict):
            errors.append(f"{where}: not an object")
            return
        errors.extend(f"{where}: {m} is missing" for m in required if m not in value)
        for m, v in value.items():
            if m in members:
                conform(v, members[m], f"{where}/{m}")
            else:
                errors.append(f"{where}: there is no {m} in {kind}")


def main():
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as fp:
            log = json.load(fp)
        conform(log, "sarifLog", name)
        for run in log.get("runs", []):
            ids = [r.get("id") for r in run["tool"]["driver"].get("rules", [])]
            if len(ids) != len(set(ids)):
                errors.append(f"{name}: two rules with one id")
            for r in run.get("results", []):
                if r.get("ruleId") not in ids:
                    errors.append(f"{name}: {r.get('ruleId')} has no rule")
                for at in r.get("locations", []):
                    region = at.get("physicalLocation", {}).get("region", {})
                    if region.get("startLine", 1) < 1 or region.get("startColumn", 1) < 1:
                        errors.append(f"{name}: a place before the file")
    print("\n".join(errors) or "conforms")
    sys.exit(1 if errors else 0)


main()
