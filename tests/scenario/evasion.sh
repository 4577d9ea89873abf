#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The evasion suite (tests/evasion/, docs/EVASION.md) against an open bridge, a packet filter,
# the engine alone, and the guard.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/_lib.sh"

need_root
need nft
LOG=${TMPDIR:-/tmp}

board() { # DEVICE [OTHERWISE [STRICT]]: its scoreboard in $LOG/DEVICE; the status of run.sh
	DUT=$1 OTHERWISE=${2:-drop} STRICT=${3:-} bash "$ROOT/tests/evasion/run.sh" >"$LOG/$1" 2>&1
}

passes() {
	board "$@" && grep -h ' cases: \|by the kernel alone' "$LOG/$1" && return
	grep -v ' pass *$\|skipped:' "$LOG/$1"
	return 1
}

# Each trick works through an open device, or the victim's stack refuses it: else a case would
# prove nothing.  Seen as a device under test, a bridge stops nothing and loses no twin.
open_bridge() {
	board bridge
	[ $? = 1 ] && grep -q ' 0 not as expected$' "$LOG/bridge" && grep -q ' 0 twins lost' "$LOG/bridge" &&
		grep -q '^plain .* LEAKED' "$LOG/bridge" && return
	grep -v ' yes *$' "$LOG/bridge"
	return 1
}

# A match on the payload stops the plain write, not one that is cut; it harms no honest client.
packet_filter() {
	board nft
	grep -q '^plain .* stopped' "$LOG/nft" && grep -q '^split .* LEAKED' "$LOG/nft" &&
		grep -q ' 0 twins lost' "$LOG/nft" && tail -n 1 "$LOG/nft" && return
	cat "$LOG/nft"
	return 1
}

t "each trick works on the victim, or its stack is known to refuse it" open_bridge
t "the suite sees what a packet filter misses" packet_filter
t "the engine, otherwise: reject, strict" passes engine reject strict
if "$INTERLOCK" --help | grep -q '^ *guard '; then
	FAST=1 t "the guard with --fast-path, otherwise: drop" passes guard drop
	FAST=1 t "the guard with --fast-path, otherwise: reject" passes guard reject
	t "the guard, otherwise: reset, strict" passes guard reset strict
else
	t_skip "the guard" "this build has no guard"
fi
t_end
