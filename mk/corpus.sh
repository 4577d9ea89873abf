#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Facts against the ground truth of the public captures.  Status 77: they are not here.
# usage: [CORPUS=dir] corpus.sh PROGRAM [PROTO]
#
# What is left different must be exactly what tests/corpus/differences-PROTO.tsv lists,
# PDU by PDU with the reason, and at most one PDU in 200: a difference that is not
# listed fails, and so does a listed one that is no longer there.
set -eu
program=$1 proto=${2:-modbus}
corpus=${CORPUS:-../shared/corpus} listed=tests/corpus/differences-$proto.tsv
[ -f "$corpus/compare.py" ] || { echo "no captures in $corpus (CORPUS=)"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
case $proto in
s7comm_plus) set -- tests/e2e/compare_s7plus.py ;; # the captures' own script does not know it
*) set -- "$corpus/compare.py" --list "$proto" ;;
esac
python3 "$@" --interlock "$program" --corpus "$corpus" >"$dir/out" || [ $? -eq 1 ]
grep -v ' frame ' "$dir/out"
# "  CAPTURE frame N: missing ..." -> CAPTURE N missing; a wrong field has no word of its own
sed -n 's/^  \([^ ]*\) frame \([0-9]*\): \([a-z{]*\).*/\1 \2 \3/p' "$dir/out" |
	sed 's/ {$/ wrong/' | sort >"$dir/found"
grep -v '^#' "$listed" | awk -F'\t' 'NF { print $1, $2, $3 }' | sort >"$dir/listed"
n=$(wc -l <"$dir/found")
pdus=$(sed -n 's/^[0-9]* captures: \([0-9]*\) PDUs.*/\1/p' "$dir/out")
if ! diff "$dir/listed" "$dir/found" >"$dir/diff"; then
	echo "differences that $listed does not list (>), or lists in vain (<):"
	cat "$dir/diff"
	exit 1
fi
if [ "$pdus" -eq 0 ] || [ $((n * 200)) -gt "$pdus" ]; then
	echo "$n of $pdus PDUs differ"
	exit 1
fi
echo "$n of $pdus PDUs differ from the ground truth, each listed in $listed"
