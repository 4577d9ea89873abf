#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The collector's page in a real browser: builds it, then tests/web/page.test.mjs drives it.
# usage: [B=build] web.sh [--pictures | PART-OF-A-TEST'S-NAME]
set -u

cd "$(dirname "$0")/../.." || exit 2
export B=${B:-build}
skip() { echo "$1"; exit 77; }

command -v node >/dev/null && command -v npm >/dev/null || skip "no node or npm"
command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || skip "no chromium"
lock=tests/web/package-lock.json
if [ ! -e tests/web/node_modules/.package-lock.json ] || [ $lock -nt tests/web/node_modules/.package-lock.json ]; then
	log=$(cd tests/web && timeout 200 npm ci --no-audit --no-fund --ignore-scripts --loglevel=error 2>&1) ||
		skip "npm: $(grep -m 1 -i error <<<"$log")"
	touch tests/web/node_modules/.package-lock.json
fi
# Without npm's registry there is nothing to build from; an error of ours is an error.
if ! log=$(make --no-print-directory web 2>&1); then
	[ -e collector/web/node_modules/.package-lock.json ] || skip "npm: $(grep -m 1 -i error <<<"$log")"
	printf '%s\n' "$log"
	exit 1
fi
case ${1:-} in
--pictures) exec node tests/web/pictures.mjs "${@:2}" ;;
*) exec timeout 500 node tests/web/page.test.mjs "$@" ;;
esac
