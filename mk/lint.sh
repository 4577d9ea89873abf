#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The rules a machine can hold; a line per rule, in TAP.  Exit status 1 when one is broken.
# usage: [B=build] lint.sh [RULE...]   (in the root of the tree; `exports` wants B built)
set -u

B=${B:-build}
CC=${CC:-cc}
rules="layers calls hotpath headers tidy exports alone cppcheck format scripts"

lint_layers() { sh mk/check-layers.sh; }
lint_calls() { python3 mk/check-source.py calls; }
lint_hotpath() { python3 mk/check-source.py hotpath; }
lint_headers() { python3 mk/check-source.py headers; }
lint_tidy() { python3 mk/check-source.py tidy; }

# One symbol leaves the folder of a dissector.  Files of one folder may share
# names that begin with the folder's; nobody else may use those.
lint_exports() {
	local dir p all bad=0
	[ -d "$B/dissectors" ] || { echo "$B: nothing is built there"; return 1; }
	all=$(mktemp)
	find "$B" -name '*.o' ! -path "$B/tests/*" -exec nm -A --undefined-only {} + >"$all"
	for dir in dissectors/[!_]*/; do
		p=$(basename "$dir")
		nm -g --defined-only "$B/dissectors/$p"/*.o | awk 'NF == 3 { print $3 }' | sort -u | awk -v p="$p" \
			-v dir="$B/dissectors/$p/" -v all="$all" '
			BEGIN { while ((getline line < all) > 0)
				if (index(line, dir) != 1) { n = split(line, f, " "); used[f[n]] = 1 } }
			$0 == "dissector_" p { main = 1; next }
			index($0, p "_") != 1 { print "dissectors/" p " exports " $0; bad = 1; next }
			$0 in used { print "dissectors/" p " exports " $0 ", and others use it"; bad = 1 }
			END { if (!main) { print "dissectors/" p " has no dissector_" p; bad = 1 } exit bad }' || bad=1
	done
	rm -f "$all"
	return $bad
}

# Every header compiles alone, so that includes need no order.  (*.bpf.h: for the kernel, by clang, as
# parts of the programs.)
lint_alone() {
	local h bad=0
	while read -r h; do
		$CC -D_GNU_SOURCE -I. -std=c17 -Wall -Wextra -Werror -Wno-unused -fmax-errors=1 -x c \
			-fsyntax-only -include "$h" /dev/null || { echo "$h: does not compile alone"; bad=1; }
	done < <(find base dissectors policy alerts dataplane ebpf assets watch guard sender sharing collector cli -name '*.h' ! -name '*.bpf.h' 2>/dev/null)
	return $bad
}

lint_cppcheck() {
	mkdir -p "$B/cppcheck"
	# shellcheck disable=SC2046 # a list of folders
	cppcheck --quiet --std=c11 --language=c -D_GNU_SOURCE -D__x86_64__ '-DSEC(x)=' '-DLIBBPF_OPTS(T, n, ...)=struct T n' -I. -j 2 --cppcheck-build-dir="$B/cppcheck" \
		--enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppressions-list=mk/cppcheck.suppress --template='{file}:{line}: {id}: {message}' \
		$(ls -d base dissectors policy alerts dataplane ebpf assets watch guard sender sharing collector cli 2>/dev/null) 2>&1
}

# Changed lines only: against LINT_BASE, else where this branch left the upstream.
lint_format() {
	local base out
	base=$(git merge-base HEAD "${LINT_BASE:-origin/main}" 2>/dev/null) ||
		{ echo "skip: there is no base to compare with (LINT_BASE)"; return 77; }
	out=$(git clang-format --diff --quiet --extensions c,h "$base" 2>&1)
	case $out in
	'' | 'no modified files to format' | *'did not modify any files') return 0 ;;
	esac
	printf '%s\n' "$out"
	return 1
}

lint_scripts() {
	local found=()
	while IFS= read -r f; do
		case $(head -c 64 "$f" | head -n 1 | tr -d '\0') in '#!'*sh) found+=("$f") ;; esac
	done < <(find mk tests pcaps contrib .ci -type f ! -path '*/node_modules/*' ! -path 'tests/fuzz/corpus/*' 2>/dev/null)
	shellcheck -x -S warning "${found[@]}"
}

[ $# -gt 0 ] && rules=$*
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0 status=0
for rule in $rules; do
	declare -F "lint_$rule" >/dev/null || { echo "no such rule: $rule" >&2; exit 2; }
	{ "lint_$rule" >"$tmp/$rule" 2>&1; echo $? >"$tmp/$rule.rc"; } &
done
wait
for rule in $rules; do
	n=$((n + 1))
	case $(cat "$tmp/$rule.rc") in
	0) echo "ok $n $rule" ;;
	77) echo "ok $n $rule # $(tail -n 1 "$tmp/$rule")" ;;
	*) echo "not ok $n $rule"; head -n 60 "$tmp/$rule" | sed "s/^/# /"; status=1 ;;
	esac
done
echo "1..$n"
exit $status
