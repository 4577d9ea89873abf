#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Facts against the ground truth of the public captures.  Status 77: they are not here.
# usage: [CORPUS=dir] corpus.sh PROGRAM [PROTO]
# What remains different is listed, PDU by PDU, in tests/corpus/excuse-PROTO.tsv.
set -eu
program=$1 proto=${2:-modbus}
corpus=${CORPUS:-../shared/corpus} excuse=tests/corpus/excuse-$proto.tsv
[ -f "$corpus/compare.py" ] || { echo "no captures in $corpus (CORPUS=)"; exit 77; }
set -- --interlock "$program" --corpus "$corpus"
[ ! -f "$excuse" ] || set -- "$@" --excuse "$excuse"
exec python3 "$corpus/compare.py" "$@" --list "$proto"
