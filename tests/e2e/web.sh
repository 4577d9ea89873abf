#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The collector's page in a real browser: builds it, then tests/web/page.test.mjs drives it before a mock, with --real
# tests/web/real.test.mjs before a real collector and a real sensor.
# usage: [B=build] web.sh [--pictures | [--real] PART-OF-A-TEST'S-NAME]
set -u

cd "$(dirname "$0")/../.." || exit 2
export B=${B:-build}
skip() { echo "$1"; exit 77; }

command -v node >/dev/null && command -v npm >/dev/null || skip "no node or npm"
command -v chromium-headless-shell chromium >/dev/null || [ -n "${CHROMIUM:-}" ] || skip "no chromium"
mkdir -p "$B"
exec 9>"$B/web.lock" # one makes it ready, whoever else waits
flock 9
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
exec 9>&-
case ${1:-} in
--real)
	export INTERLOCK=${INTERLOCK:-$PWD/$B/interlock}
	"$INTERLOCK" --version | grep -q '+send.*+collector' || skip "built without the sender or the collector"
	ports='hostname sensor-xray9 && ip link set lo up && ip link add name sense0 type veth peer name feed0 && ip link set sense0 up && ip link set feed0 up'
	unshare -nu sh -c "$ports" 2>/dev/null || skip "no network namespaces here, or not root"
	exec unshare -nu sh -c "$ports"' && exec timeout 200 node tests/web/real.test.mjs "$@"' sh "${@:2}"
	;;
--pictures) exec node tests/web/pictures.mjs "${@:2}" ;;
*) exec timeout 500 node tests/web/page.test.mjs "$@" ;;
esac
