#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs/policy.schema.json is what the program makes of its tables, and says of policies what
# `policy check` says.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build} il=${INTERLOCK:-${B:-build}/interlock}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$B/tests/tools/policy_keys" -s >"$tmp/schema.json"
cmp "$tmp/schema.json" docs/policy.schema.json || {
	echo "docs/policy.schema.json is old: $B/tests/tools/policy_keys -s >docs/policy.schema.json"
	exit 1
}
python3 tests/schema/policy.py docs/policy.schema.json "$il" policies/*.yaml docs/POLICY.md
# A schema without a key has to be caught, or nothing above means anything.
python3 - "$tmp" <<-'EOF'
	import json, sys
	schema = json.load(open("docs/policy.schema.json", encoding="utf-8"))
	del schema["$defs"]["conduit"]["properties"]["latency"]
	json.dump(schema, open(sys.argv[1] + "/less.json", "w", encoding="utf-8"))
EOF
if python3 tests/schema/policy.py "$tmp/less.json" "$il" policies/guard.yaml >"$tmp/said"; then
	echo "a key that is missing from the schema was not noticed"
	exit 1
fi
grep -q "'latency' was unexpected" "$tmp/said"
