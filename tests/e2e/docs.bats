#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the pages name exists: files, make targets, verbs of the program.

setup() {
	cd "$BATS_TEST_DIRNAME/../.."
	il=${INTERLOCK:-build/interlock}
}

# Text in backticks, and indented commands, of all pages.
pages() { cat README.md CONTRIBUTING.md SECURITY.md docs/*.md; }

@test "files and folders that the pages name are there" {
	missing=
	for path in $(pages | grep -o '`[a-z_.]*/[A-Za-z0-9_./{},-]*`' | tr -d '`' | sort -u); do
		[ -d "${path%%/*}" ] || continue # get/put are words
		case $path in
		*X* | build/*) continue ;; # a pattern, what is built
		esac
		eval "for f in $path; do [ -e \"\$f\" ] || missing=\"\$missing \$f\"; done"
	done
	[ -z "$missing" ] || { echo "not there:$missing"; return 1; }
}
@test "make targets that the pages name are in make help" {
	make -s help | awk '{ print $1 }' >"$BATS_TEST_TMPDIR/targets"
	for t in $(pages | grep -oE '(`|^    )make [a-z-]+' | awk '{ print $2 }' | sort -u); do
		grep -qx "$t" "$BATS_TEST_TMPDIR/targets" || [[ $t == unit-* || $t == fuzz-* ]] || { echo "make $t"; return 1; }
	done
}
@test "verbs that the pages name are verbs of the program" {
	"$il" --help >"$BATS_TEST_TMPDIR/help"
	for v in $(pages | grep -oE '(`|^    |\$ )(build/)?interlock [a-z]+' | awk '{ print $NF }' | sort -u); do
		grep -qE "^  $v " "$BATS_TEST_TMPDIR/help" || { echo "interlock $v"; return 1; }
	done
}
@test "links between pages lead somewhere" {
	for page in README.md CONTRIBUTING.md SECURITY.md docs/*.md; do
		for to in $(grep -oE '\]\([^)#]+' "$page" | cut -c3- | grep -v '^http' || true); do
			[ -e "$(dirname "$page")/$to" ] || { echo "$page: $to"; return 1; }
		done
	done
}
