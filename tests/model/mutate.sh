#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# mutate.sh - does the model notice a compiler, an evaluator or a memory that is wrong?
#
#   tests/model/mutate.sh [BUILD [PATTERN]]     default build; all of it must have been built.
#                                               PATTERN: only the mistakes of which a line has it
#
# Each line of mutate.list is one small mistake in one source file.  It is made in a copy, that
# file alone is compiled again, the model is linked with it in front of the library, and must find
# a difference within PAIRS pairs and STEPS steps, or, what is rare, within ten times as many.
# What the naive evaluator has from the same reader as the tables is for a unit test to notice;
# its line says which.  A mistake that is not noticed, or that does not apply any more, is a
# failure; so is a program that finds one where none is.  JOBS (2) run at a time.
set -u
cd "$(dirname "$0")/../.." || exit 2
B=${1:-build}
PAIRS=${PAIRS:-40000} STEPS=${STEPS:-40000} SEED=${SEED:-1}
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export B PAIRS STEPS SEED work compile libs

compile=$(make -n --no-print-directory -W policy/eval.c B="$B" "$B/policy/eval.o" |
    grep -o '[^;&]* -c -o .*' | tail -n 1)
compile=${compile#*@}
compile=${compile%% -MMD*}
[ -n "$compile" ] || { echo "mutate: no command that compiles policy/eval.c" >&2; exit 2; }
libs=$(make -n --no-print-directory -W tests/model/policy_model.c B="$B" "$B/tests/model/policy_model" |
    grep -o 'libinterlock.a .*' | tail -n 1)
libs=${libs#libinterlock.a }

cc_to() { # source, object, folder in front of all others
	eval "$compile -w ${3:+-iquote \"\$3\"} -c -o \"\$2\" \"\$1\""
}

link() { # program, object in front of the library, result
	local with=()

	[ "$1" = policy_model ] && with=("$B"/tests/model/naive*.o)
	# shellcheck disable=SC2086
	${CC:-cc} -o "$3" "$work/$1.o" "$2" "${with[@]}" "$B/libinterlock.a" $libs
}

run() { # program, its name, output: its own status
	if [ "$2" != policy_model ]; then
		timeout 120 "$1" >"$3" 2>&1
		return
	fi
	timeout 300 "$1" "$PAIRS" "$SEED" "$STEPS" >"$3" 2>&1 || return
	[ "${4:-}" = once ] || timeout 300 "$1" $((PAIRS * 10)) $((SEED + 1)) $((STEPS * 10)) >"$3" 2>&1
}

# A line of the list, its number: one line of output, and a file when it was noticed.
one() {
	local line=$1 n=$2 dir="$work/$2" file source program

	file=${line%%|*} source=${line%%|*}
	mkdir -p "$dir"
	# shellcheck disable=SC2001
	program=$(sed 's/\\|/ /g' <<<"$line" | cut -d'|' -f4)
	program=${program:-policy_model}
	case $file in
	*:*)	# a header, and who includes it
		source=${file#*:} file=${file%:*}
		mkdir -p "$dir/${file%/*}"
		mutate "$line" "$file" "$dir/$file" || return 0
		cp "$source" "$dir/m.c"
		;;
	*)
		mutate "$line" "$file" "$dir/m.c" || return 0
		;;
	esac
	if ! cc_to "$dir/m.c" "$dir/m.o" "$dir" || ! link "$program" "$dir/m.o" "$dir/program"; then
		echo "does not build: $line"
	elif run "$dir/program" "$program" "$dir/out"; then
		echo "NOT NOTICED: $line"
	else
		echo "noticed ($program, ${SECONDS} s) $line"
		: >"$work/noticed.$n"
	fi
	rm -rf "$dir"
}

mutate() { # line, file, copy
	python3 - "$@" <<'EOF'
import re
import sys
_, old, new = [s.replace("\\|", "|") for s in re.split(r"(?<!\\)\|", sys.argv[1])][:3]
text = open(sys.argv[2]).read()
flat = re.escape(old).replace(r"\ ", r"\s+")
if len(re.findall(flat, text)) != 1:
    sys.exit(f"mutate: {sys.argv[2]}: found {len(re.findall(flat, text))} times: {old}")
open(sys.argv[3], "w").write(re.sub(flat, lambda m: new, text))
EOF
}
export -f cc_to link run one mutate

list=$(grep -v '^#' "${LIST:-tests/model/mutate.list}" | grep -F -e "${2:-|}")
: >"$work/none.c"
cc_to "$work/none.c" "$work/none.o"
for p in policy_model $(sed 's/\\|/ /g' <<<"$list" | cut -s -d'|' -f4 | sort -u); do
	src=tests/unit/$p.c
	[ "$p" = policy_model ] && src=tests/model/$p.c
	if ! cc_to "$src" "$work/$p.o" || ! link "$p" "$work/none.o" "$work/$p" ||
	    ! run "$work/$p" "$p" "$work/out" once; then
		echo "mutate: $p does not build, or fails as it is" >&2
		tail -n 3 "$work/out" >&2
		exit 2
	fi
done
n=$(wc -l <<<"$list")
nl -ba -w1 -s' ' <<<"$list" | while read -r i line; do printf '%s\0%s\0' "$line" "$i"; done |
    xargs -0 -n 2 -P "${JOBS:-2}" bash -c 'one "$1" "$2"' mutate
found=$(find "$work" -name 'noticed.*' | wc -l)
echo "$n mistakes, $((n - found)) not noticed"
[ "$n" = "$found" ]
