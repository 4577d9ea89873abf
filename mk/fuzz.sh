#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one libFuzzer harness for some seconds over the corpus in the tree.
# usage: fuzz.sh BUILD-FOLDER NAME SECONDS
# New inputs stay in the build folder; a crash is written there and fails.
set -eu
dir=$1 name=$2 seconds=$3
corpus=tests/fuzz/corpus/$name
[ -d "$corpus" ] || { echo "$corpus: a harness needs a corpus in the tree" >&2; exit 1; }
mkdir -p "$dir/corpus/$name"
dict=tests/fuzz/$name.dict
[ -f "$dict" ] && set -- -dict="$dict" || set --
# libFuzzer's own status for a crash is 77, which tests/run takes for "skipped".
exec "$dir/fuzz_$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -error_exitcode=1 \
	-print_final_stats=1 -artifact_prefix="$dir/$name-" "$@" "$dir/corpus/$name" "$corpus"
