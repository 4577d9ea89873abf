#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every line of the files against a JSON Schema.

usage: validate.py SCHEMA FILE...     status 1 when a line is not valid
"""
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1], encoding="utf-8"))
kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
kind.check_schema(schema)
validator = kind(schema)
lines = errors = 0
for name in sys.argv[2:]:
    for n, line in enumerate(open(name, encoding="utf-8"), 1):
        lines += 1
        for error in validator.iter_errors(json.loads(line)):
            errors += 1
            print(f"{name}:{n}: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}")
print(f"{lines} lines, {errors} errors")
sys.exit(errors > 0 or lines == 0)
