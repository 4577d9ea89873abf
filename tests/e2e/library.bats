#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The library that is shipped: against its schema, the program's own options, the pages, and
# readers nobody here wrote (PyYAML, jsonschema, sha256sum, minisign).

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	il=$PWD/${INTERLOCK:-build/interlock}
	case ${INTERLOCK:-} in /*) il=$INTERLOCK ;; esac
	root=$PWD
}

# A line per command of all playbooks, actions and what undoes them included.
commands() {
	python3 - <<'PY'
import glob, yaml
for name in sorted(glob.glob("library/playbooks/*.yaml")):
    for steps in yaml.safe_load(open(name, encoding="utf-8"))["phases"].values():
        for step in steps:
            for line in step.get("commands", []) + [step["action"][k] for k in ("command", "undo") if "action" in step]:
                print(line)
PY
}

@test "the library reads without complaint" {
	run "$il" library check library
	[ "$status" -eq 0 ]
	[[ $output == "library: version "*" playbooks, "*" pages, not verified" ]]
}
@test "another YAML reader and the schema agree; what is wrong is refused by both" {
	python3 - "$il" "$BATS_TEST_TMPDIR" <<'PY'
import copy, glob, json, os, shutil, subprocess, sys
import jsonschema, yaml
il, tmp = sys.argv[1:]
schema = json.load(open("docs/playbook.schema.json"))
jsonschema.Draft202012Validator.check_schema(schema)
v = jsonschema.Draft202012Validator(schema)
books = sorted(glob.glob("library/playbooks/*.yaml"))
assert len(books) >= 12
for name in books:
    for e in v.iter_errors(yaml.safe_load(open(name, encoding="utf-8"))):
        sys.exit(f"{name}: {e.json_path}: {e.message}")
good = yaml.safe_load(open("library/playbooks/plc-stop.yaml", encoding="utf-8"))
def island(d): return next(s for s in d["phases"]["contain"] if "action" in s)
def drop(d, k): del d[k]
def policy(d): # its action as one of another kind
    s = island(d)
    s["action"] = {"kind": "policy", "command": "interlock ctl shadow --promote --confirm 10m", "undo": "interlock ctl rollback", "prepared": "read-only"}
    return s
wrong = [
    lambda d: d.update(extra=1), lambda d: drop(d, "never"), lambda d: drop(d["title"], "zh"),
    lambda d: d["title"].update(zh="English"), lambda d: d["match"].update(techniques=["855"]),
    lambda d: d["match"].update(signature_ids=[0]), lambda d: d["match"].update(reasons=["x"]),
    lambda d: drop(d["phases"], "safe"), lambda d: d.update(severity=4), lambda d: d.update(playbook=2),
    lambda d: island(d).update(role="boss"), lambda d: island(d)["action"].update(command="interlock ctl panic island"),
    lambda d: island(d)["action"].update(kind="policy"), lambda d: island(d)["action"].update(undo="reboot"),
    lambda d: island(d)["action"].update(command="interlock ctl panic island --for 5m; id"),
    lambda d: island(d)["action"].update(prepared="island"), lambda d: policy(d)["action"].update(prepared="No.yaml"), lambda d: policy(d)["action"].update(prepared=""),
    lambda d: island(d).update(commands=["ls"]), lambda d: d["questions"].clear(),
]
lib = os.path.join(tmp, "lib")
shutil.copytree("library", lib)
path = os.path.join(lib, "playbooks/plc-stop.yaml")
def ours(d):
    with open(path, "w", encoding="utf-8") as f:
        yaml.safe_dump(d, f, allow_unicode=True, sort_keys=False, width=1 << 20)
    return subprocess.run([il, "library", "check", lib], capture_output=True, text=True)
r = ours(good)
assert r.returncode == 0, r.stderr # as another writer writes it
named = copy.deepcopy(good)
policy(named)
assert v.is_valid(named) and ours(named).returncode == 0
for i, change in enumerate(wrong):
    d = copy.deepcopy(good)
    change(d)
    assert not v.is_valid(d), f"the schema takes case {i}"
    r = ours(d)
    assert r.returncode == 2 and path + ":" in r.stderr, f"case {i}: {r}"
PY
}
@test "every command of the playbooks is one that the program takes" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	commands | sort -u >"$BATS_TEST_TMPDIR/commands"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/commands")" -ge 30 ]
	cd "$BATS_TEST_TMPDIR/empty"
	while IFS= read -r line; do
		line=${line%%|*}
		read -ra word <<<"$line"
		[ "${word[0]}" = interlock ] || { echo "not ours: $line"; return 1; }
		word[0]=$il
		case ${word[1]} in
		# No guard of this machine is asked, whatever runs here.
		ctl) word+=(--socket "$PWD/no.sock") ;;
		# An interface that is not there: nothing is listened to.
		watch) word=("${word[@]/#eth2/no-such-if}") ;;
		# Of secret keys only the first half of the verb: it would write.
		key) word[3]=$PWD/${word[3]##*/} ;;
		esac
		# Files are not there, so it ends with a message about a file, a socket or an interface, never about its usage.
		timeout 20 "${word[@]}" </dev/null >out 2>&1 || true
		if grep -qE "try 'interlock|unknown verb|usage:" out || ! [ -s out ]; then
			echo "$line"
			cat out
			return 1
		fi
		rm -f ./*
	done <"$BATS_TEST_TMPDIR/commands"
}
@test "a command with an option that is not there would be found" {
	run "$il" ctl panic island --until 5m --socket "$BATS_TEST_TMPDIR/no.sock"
	[[ $output == *"try 'interlock"* ]]
	run "$il" ctl status --for 5m --socket "$BATS_TEST_TMPDIR/no.sock"
	[[ $output == *"try 'interlock"* ]]
}
@test "operations and protocols that playbooks name are those of dissectors" {
	"$il" --version | sed -n 's/^protocols://p' | tr ' ' '\n' >"$BATS_TEST_TMPDIR/protocols"
	python3 - "$BATS_TEST_TMPDIR/protocols" <<'PY'
import glob, re, sys, yaml
known = {"download", "upload"} # of blocks: alerts/eve.c
for f in glob.glob("dissectors/*/*.def") + glob.glob("dissectors/*/*.h"):
    known |= set(re.findall(r'"([a-z][a-z0-9_]*)"', open(f).read()))
protocols = set(open(sys.argv[1]).read().split())
for f in glob.glob("library/playbooks/*.yaml"):
    m = yaml.safe_load(open(f, encoding="utf-8"))["match"]
    strange = set(m.get("ops", [])) - known | set(m.get("protos", [])) - protocols
    if strange:
        sys.exit(f"{f}: {strange}")
PY
}
@test "each signature and event of severity 1 and 2 in the pages leads to a playbook" {
	# Rows of both tables of docs/FORMATS.md: | 100 | `guard.started` | what | 3 | and | 20, 21 | what | category | 2, 3 |
	awk -F' *\\| *' '
	/^\| [0-9, ]+ \|/ {
		n = split($2, id, /, */); s = $3 ~ /^`/ ? $5 : $5; m = split(s, sev, /, */)
		for (i = 1; i <= n; i++) { v = m == n ? sev[i] : s; if (v ~ /^[12]/ || v ~ /access/) print id[i] }
	}' docs/FORMATS.md | sort -nu >"$BATS_TEST_TMPDIR/ids"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/ids")" -ge 30 ]
	while read -r id; do
		"$il" library find --signature "$id" library | grep -q '^playbook ' || { echo "$id leads nowhere"; return 1; }
	done <"$BATS_TEST_TMPDIR/ids"
}
@test "signed: sha256sum and minisign agree, and a change is found" {
	cd "$BATS_TEST_TMPDIR"
	cp -r "$root/library" lib
	"$il" key new k >/dev/null
	"$il" library sign --key k lib
	run "$il" library verify --key k.pub lib
	[ "$status" -eq 0 ]
	[[ $output == *"signed by key "* ]]
	(cd lib && sha256sum --quiet -c MANIFEST)
	if command -v minisign >/dev/null; then
		"$il" key show --minisign k.pub >k.minisign
		minisign -Vq -p k.minisign -m lib/MANIFEST
	fi
	sed -i '1s/$/ # changed/' lib/playbooks/scan.yaml
	rm lib/knowledge/hmi.zh.md
	touch lib/playbooks/extra.yaml
	run "$il" library verify --key k.pub lib
	[ "$status" -eq 1 ]
	[[ $output == *"scan.yaml: was changed since it was signed"* ]]
	[[ $output == *"hmi.zh.md: was signed and is not there"* ]]
	[[ $output == *"extra.yaml: is not among the files that were signed"* ]]
	run "$il" library show --key k.pub lib scan
	[ "$status" -eq 2 ]
	run "$il" library sign --key k lib
	[ "$status" -eq 2 ]
	[[ $output == *"not signed"* ]]
}
@test "find and show are what they say, for people and machines" {
	"$il" library find --signature 3 --op stop --proto s7 library | head -1 | grep -q '^playbook plc-stop '
	"$il" library show --json library plc-stop | jq -e '.steps[0].phase == "safe" and (.steps | all(.text.zh != null))'
	"$il" library find --json --role engineering library | jq -e '.pages[0].id == "engineering-station"'
	run "$il" library find --technique T9999 library
	[ "$status" -eq 1 ]
	run "$il" library show library nobody
	[ "$status" -eq 1 ]
	run "$il" library check
	[ "$status" -eq 2 ]
}
