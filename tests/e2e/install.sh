#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make install DESTDIR= PREFIX=` writes there and nowhere else, and what it wrote runs
# without the source tree; the build is reproducible: the same sources give the same bytes.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

make -s B="$B" install DESTDIR="$tmp/root" PREFIX=/opt/il
[ "$(cd "$tmp" && find . -maxdepth 3 -mindepth 3)" = ./root/opt/il ] || { find "$tmp"; exit 1; }
for f in bin/interlock share/man/man1/interlock.1 share/doc/interlock/README.md share/doc/interlock/LICENSE; do
	[ -s "$tmp/root/opt/il/$f" ] || { echo "$f was not installed"; exit 1; }
done
for p in policies/*.yaml library/playbooks/*.yaml library/knowledge/*.md; do
	cmp "$p" "$tmp/root/opt/il/share/interlock/$p"
done
(cd / && env -i "$tmp/root/opt/il/bin/interlock" --version)
echo "installed"

make -s -j2 B="$tmp/again" all >/dev/null
# Debug information names the build folder; the code may not.
for f in "$B" "$tmp/again"; do
	objcopy --strip-all --remove-section .note.gnu.build-id "$f/interlock" "$tmp/stripped"
	sha256sum <"$tmp/stripped"
done | sort -u >"$tmp/sums"
[ "$(wc -l <"$tmp/sums")" = 1 ] || { echo "two builds of the same sources differ"; exit 1; }
echo "two builds are the same"
