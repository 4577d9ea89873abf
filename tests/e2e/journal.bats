#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# key, journal and the alerts of replay, end to end: what a SOC gets and what it can prove.
# Verifiers that nobody here wrote: npm's jose, openssl, sha256sum, a JSON Schema validator.

ROOT=${ROOT:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
IL=${INTERLOCK:-$ROOT/${B:-build}/interlock}
CAPTURE=$ROOT/pcaps/modbus/attack-day.pcap

setup_file() {
	cd "$BATS_FILE_TMPDIR" || return
	"$IL" key new key >/dev/null
	cp "$ROOT/policies/cell.yaml" .
	cp "$CAPTURE" day.pcap
	"$IL" replay -p cell.yaml --eve eve.json --journal good --key key day.pcap >/dev/null || [ $? = 1 ]
}

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	ln -s "$BATS_FILE_TMPDIR"/{key,key.pub,cell.yaml,day.pcap,eve.json,good} .
	cp -r "$BATS_FILE_TMPDIR/good" j
}

# status, and what the output contains
expect() {
	[ "$status" -eq "$1" ] && [[ $output == *"$2"* ]] || { echo "status $status: $output"; return 1; }
}

verify() { run "$IL" journal verify --key key.pub j; }

# payload N: what batch N states
payload() { jq -rR 'split(".")[1] | gsub("-";"+") | gsub("_";"/") | @base64d' j/00000001.jws | sed -n "$1p"; }

@test "a key is made once, secret, and shown without its secret" {
	run "$IL" key new mine
	expect 0 "key id"
	[ "$(stat -c %a mine)" = 600 ]
	jq -e '.d' mine >/dev/null
	cp mine mine.was
	run "$IL" key new mine
	expect 2 "never overwritten"
	cmp mine mine.was
	run "$IL" key show mine
	expect 0 "$(jq -r .x mine)"
	[[ $output != *"$(jq -r .d mine)"* ]]
	run "$IL" key show cell.yaml
	expect 2 "cell.yaml: not a JSON Web Key"
	chmod 644 mine
	run "$IL" replay -p cell.yaml --journal n --key mine day.pcap
	expect 2 "others may read this secret key"
}

@test "usage errors are status 2, help is 0" {
	for args in "key" "key new" "key new a b" "key old a" "journal" "journal verify" "journal verify a b" \
		"journal prove j" "journal prove j x" "journal prove j 0" "journal look j" "journal verify --epoch 1 j" \
		"journal verify --check p" "key show --jwt a"; do
		# shellcheck disable=SC2086
		run "$IL" $args
		expect 2 "--help'"
	done
	run "$IL" key --help
	expect 0 "usage:"
	run "$IL" journal --help
	expect 0 "usage:"
}

@test "a replay leaves a complete chain" {
	verify
	expect 0 "the chain holds, complete"
	run "$IL" journal verify j
	expect 0 "consistent in itself"
	run "$IL" journal verify --json --key key.pub j
	[ "$(jq -r .state <<<"$output")" = complete ]
	[ "$(jq -r .alerts <<<"$output")" = "$(wc -l <eve.json)" ]
}

@test "the EVE file has the bytes that were signed" {
	cat j/*.eve | cmp - eve.json
}

@test "the same replay gives the same bytes" {
	"$IL" replay -p cell.yaml --eve again.json --journal again --key key day.pcap >/dev/null || [ $? = 1 ]
	cmp eve.json again.json
	cmp good/00000001.jws again/00000001.jws
}

@test "lines are valid against the schema, folded or not" {
	"$IL" replay -p cell.yaml --no-fold --eve all.json day.pcap >/dev/null || [ $? = 1 ]
	[ "$(wc -l <all.json)" -gt "$(wc -l <eve.json)" ]
	/usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" eve.json all.json
}

@test "folding hides no event: the counts add up" {
	"$IL" replay -p cell.yaml --no-fold --eve all.json day.pcap >/dev/null || [ $? = 1 ]
	[ "$(jq -s 'map(.alert.metadata.il_count[0] // "1" | tonumber) | add' eve.json)" = "$(wc -l <all.json)" ]
}

@test "jose (npm) verifies the journal, and finds a changed one" {
	cp -r "$ROOT"/tests/e2e/jose .
	rm -rf jose/node_modules
	npm --prefix jose ci --no-audit --no-fund --fetch-retries=1 >npm.log 2>&1 || skip "npm cannot get jose: $(tail -n 1 npm.log)"
	run node jose/verify.mjs key.pub j
	expect 0 "$(wc -l <eve.json) alerts, final"
	run node jose/verify.mjs j/key.pub j
	expect 0 "final"
	sed -i '3d' j/00000001.eve
	run node jose/verify.mjs key.pub j
	[ "$status" -ne 0 ]
}

@test "openssl and sha256sum verify the journal" {
	"$IL" key show --pem key.pub >pub.pem
	prev=$(printf '0%.0s' {1..64}) from=1 batches=0
	while read -r jws; do
		batches=$((batches + 1))
		printf %s "${jws%.*}" >signed
		sig=$(tr _- /+ <<<"${jws##*.}")
		base64 -d <<<"$sig==" >sig
		openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in signed -sigfile sig
		p=$(payload $batches)
		[ "$(jq -r .prev <<<"$p")" = "$prev" ]
		n=$(jq -r .n <<<"$p")
		[ "$n" = 0 ] || sed -n "$from,$((from + n - 1))p" j/00000001.eve | sha256sum | grep "$(jq -r .sha256 <<<"$p")"
		from=$((from + n))
		prev=$(printf %s "$jws" | sha256sum | cut -c1-64)
	done <j/00000001.jws
	[ "$batches" = "$(wc -l <j/00000001.jws)" ]
	[ "$((from - 1))" = "$(wc -l <eve.json)" ]
}

@test "a deleted line is found" {
	sed -i 5d j/00000001.eve
	verify
	expect 1 "the chain is BROKEN: segment 00000001: batch "
	expect 1 "alert 5 is not in its place"
}

@test "a deleted batch is found" {
	sed -i 3d j/00000001.jws
	verify
	expect 1 "batch 4 follows batch 2: those between are missing"
}

@test "two swapped batches are found" {
	sed -i -n '2{h;n;G};p' j/00000001.jws
	verify
	expect 1 "BROKEN"
}

@test "one flipped bit is found" {
	size=$(stat -c %s j/00000001.eve)
	for at in 0 $((size / 3)) $((size - 1)); do
		cp good/00000001.eve j/
		byte=$(xxd -s $at -l 1 -p j/00000001.eve)
		printf '%08x: %02x' $at $((0x$byte ^ 1)) | xxd -r - j/00000001.eve
		verify
		expect 1 "BROKEN"
	done
}

@test "a cut tail is open-ended, not complete" {
	cut=$(payload "\$" | jq .n)
	sed -i '$d' j/00000001.jws
	[ "$cut" = 0 ] || head -n "-$cut" good/00000001.eve >j/00000001.eve
	verify
	expect 0 "the chain holds, open-ended"
	run "$IL" journal verify --json --key key.pub j
	[ "$(jq -r .state <<<"$output")" = open-ended ]
}

@test "the key of somebody else does not verify" {
	"$IL" key new other >/dev/null
	run "$IL" journal verify --key other.pub j
	expect 1 "was not given"
}

@test "what is no journal is status 2" {
	run "$IL" journal verify --key key.pub /nowhere
	expect 2 "No such file"
	mkdir empty
	run "$IL" journal verify --key key.pub empty
	expect 2 "no segment"
	run "$IL" journal verify --key cell.yaml j
	expect 2 "not a JSON Web Key"
}

@test "show lists every alert, for people and for jq" {
	run "$IL" journal show --key key.pub j
	expect 0 "signed end"
	[ "$(grep -c Interlock <<<"$output")" = "$(wc -l <eve.json)" ]
	"$IL" journal show --json j | jq -c '.alerts[]' | cmp - <(jq -c . eve.json)
	sed -i 5d j/00000001.eve
	run "$IL" journal show j
	expect 1 "the chain is broken"
}

@test "one alert is proved to somebody who has only the key" {
	"$IL" journal prove --key key.pub j 7 >proof.json
	[ "$(jq -r .line proof.json)" = "$(sed -n 7p eve.json)" ]
	run "$IL" journal prove --key key.pub --check proof.json
	expect 0 "the proof holds: alert 7"
	run "$IL" journal prove --check proof.json
	expect 0 "checked with the key in the proof"
	jq -c '.line |= sub("severity\":[123]"; "severity\":9")' proof.json >forged.json
	run "$IL" journal prove --key key.pub --check forged.json
	expect 1 "does NOT hold"
	"$IL" key new other >/dev/null
	run "$IL" journal prove --key other.pub --check proof.json
	expect 1 "was not given"
	run "$IL" journal prove --key key.pub --check cell.yaml
	expect 2 "not a JSON object"
	run "$IL" journal prove --key key.pub j 99999
	expect 2 "no alert 99999"
}

@test "a proof is checked with sha256sum alone, as docs/FORMATS.md says" {
	"$IL" journal prove --key key.pub j 7 >proof.json
	h=$({ printf '\0'; jq -j .line proof.json; } | sha256sum | cut -c1-64)
	fn=$(jq .index proof.json) sn=$(($(jq .n proof.json) - 1))
	for p in $(jq -r '.path[]' proof.json); do
		if [ $((fn & 1)) = 1 ] || [ $fn = $sn ]; then
			h=$(printf '01%s%s' "$p" "$h" | xxd -r -p | sha256sum | cut -c1-64)
			while [ $((fn & 1)) = 0 ] && [ $fn != 0 ]; do fn=$((fn >> 1)) sn=$((sn >> 1)); done
		else
			h=$(printf '01%s%s' "$h" "$p" | xxd -r -p | sha256sum | cut -c1-64)
		fi
		fn=$((fn >> 1)) sn=$((sn >> 1))
	done
	jq -r .jws proof.json | jq -rR 'split(".")[1] | gsub("-";"+") | gsub("_";"/") | @base64d' >payload.json
	[ "$(jq -r .root payload.json)" = "$h" ]
}

@test "a second replay goes on with the chain; one without a key says so" {
	"$IL" replay -p cell.yaml --journal j --key key day.pcap >/dev/null || [ $? = 1 ]
	verify
	expect 0 "$((2 * $(wc -l <eve.json))) alerts"
	run "$IL" replay -p cell.yaml --journal j day.pcap
	expect 1 "no key was given"
	run "$IL" journal verify j
	expect 0 "complete"
}

@test "a journal that cannot be written is said before the first packet" {
	touch file
	run "$IL" replay -p cell.yaml --journal file --key key day.pcap
	expect 2 "journal file: "
	run "$IL" replay -p cell.yaml --journal /nowhere/j --key key day.pcap
	expect 2 "No such file"
	run "$IL" replay -p cell.yaml --journal j --key /nowhere/key day.pcap
	expect 2 "/nowhere/key: No such file"
	exec 9<j
	flock 9
	run "$IL" replay -p cell.yaml --journal j --key key day.pcap
	expect 2 "another program is writing to it"
}

@test "a disk that fills up is said, and what was stored verifies" {
	[ "$(id -u)" = 0 ] || skip "mounting a tmpfs needs root"
	unshare -m true 2>/dev/null || skip "needs a mount namespace"
	export IL
	run unshare --mount --propagation private bash -c '
		mkdir full && mount -t tmpfs -o size=192k none full || exit 77
		"$IL" replay -p cell.yaml --no-fold --journal full/j --key key day.pcap
		echo "status $?"
		"$IL" journal verify --key key.pub full/j
		echo "verify $?"
		mount -o remount,ro full || exit 77
		"$IL" replay -p cell.yaml --journal full/j --key key day.pcap
		echo "read-only $?"'
	[ "$status" != 77 ] || skip "mounting a tmpfs is not allowed here"
	expect 0 "No space left on device"
	expect 0 "status 2"
	expect 0 "the chain holds"
	expect 0 "verify 0"
	expect 0 "Read-only file system"
	expect 0 "read-only 2"
}
