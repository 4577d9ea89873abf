#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Plays the evasion suite against a device and prints its scoreboard; docs/EVASION.md tells more.
#
#   DUT=guard|engine|nft|bridge|none   the device, in a namespace of its own (default: guard)
#   IFACES=OUT,IN    or a device of yours between two interfaces of this machine; NETNS:IFACE too
#   OTHERWISE=drop|reject|reset        what the guard's policy does (default: drop)
#   STRICT=1                           it holds half PDUs back
#   FAST=1           (DUT=guard) with --fast-path; fails when the kernel has judged nothing
#   ONLY=TEXT        cases with that in their name
#   RECORD=FILE.gz   (DUT=bridge) keeps the frames, for tests/e2e/evasion.sh
#
# Exit status 0: every case passed; 1: not; 2: could not be run; 77: needs root or namespaces.
DEVICE=${DUT:-guard}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/scenario/_lib.sh
. "$HERE/../scenario/_lib.sh"

IFACES=${IFACES:-} OTHERWISE=${OTHERWISE:-drop}
EVADE=$ROOT/$B/tests/evasion/evade
[[ $B = /* ]] && EVADE=$B/tests/evasion/evade
ENGINE=${EVADE%evade}engine
OPEN=${EVADE%evade}open.tsv
CASES=("$HERE/cases" "$HERE/cases-reject")
BACK=()

victim_addresses() { # add|del NETNS IFACE
	ip -n "$2" addr "$1" 10.1.2.102/24 dev "$3" && ip -n "$2" addr "$1" fd00:12::102/64 dev "$3" nodad
}

put_back() { # interfaces of the user, as they were
	local cmd
	for cmd in "${BACK[@]}"; do eval "$cmd" 2>/dev/null; done
	BACK=()
}

set_sysctl() { # NETNS NAME=VALUE...
	local ns=$1 was
	shift
	for one; do
		was=$(nsenter --net="/run/netns/$ns" sysctl -n "${one%%=*}") || return 1
		nsenter --net="/run/netns/$ns" sysctl -qw "$one" || return 1
		BACK=("nsenter --net=/run/netns/$ns sysctl -qw '${one%%=*}=$was'" "${BACK[@]}")
	done
}

# The attacker's kernel says nothing (it has no address); the victim's takes what comes.
ends_ready() { # NETNS IFACE NETNS IFACE
	set_sysctl "$1" "net.ipv6.conf.$2.disable_ipv6=1" &&
		set_sysctl "$3" net.ipv4.tcp_fastopen=0x603 net.core.somaxconn=4096 \
			net.ipv4.tcp_syncookies=0 net.ipv4.tcp_max_syn_backlog=4096
}

play() { # ARGS: of evade; ports that an earlier run has not used
	PORTS=$((${PORTS:-12384} + 4000))
	timeout -k 5 300 "$EVADE" --attacker "$A" --victim "$V" --ports $PORTS ${ONLY:+--only "$ONLY"} "$@" "${CASES[@]}"
}

# Nothing in between: a cable of its own.  There is no way round it either.
dut_none() {
	ip -n "$P-b" addr flush dev b0
	ip -n "$P-a" link add a1 type veth peer name b1 netns "$P-b" &&
		ip -n "$P-a" link set a1 addrgenmode none up &&
		victim_addresses add "$P-b" b1 && ip -n "$P-b" link set b1 up && (in_ns b ethtool -K b1 tx off >/dev/null) || return 1
	A=$P-a:a1 V=$P-b:b1 DOOR=''
	ends_ready "$P-a" a1 "$P-b" b1
}

dut_policy() {
	sed "s/otherwise: drop\$/otherwise: $OTHERWISE${STRICT:+\n    strict: true}/" "$HERE/guard.yaml" >"$TMP/guard.yaml"
}

device_up() {
	case $DEVICE in
	bridge) lib_bridge && DUT=bridge ;;
	nft) need nft && lib_bridge && DUT=bridge && (in_ns g nft -f "$HERE/bridge.nft") ;;
	none) dut_none ;;
	engine)
		dut_policy
		bg g "$TMP/engine.log" "$ENGINE" outside inside "$TMP/guard.yaml"
		DUT=guard DUT_PID=$PID
		ip -n "$P-b" neigh replace fd00:12::42 lladdr "${MAC[a]}" dev b0
		wait_for 10 grep -q ready "$TMP/engine.log"
		;;
	guard) dut_policy && dut guard -p "$TMP/guard.yaml" ;;
	*) echo "DUT=$DEVICE?" >&2 && return 1 ;;
	esac
}

# Interfaces of the user: NETNS:IFACE stays where it is, IFACE is moved into a namespace of ours.
take_iface() { # WHICH NAME; says NETNS IFACE
	local which=$1 ns if
	case $2 in
	*:*) ns=${2%%:*} if=${2#*:} ;;
	*)
		ns=$P-u$which if=$2
		ip netns add "$ns" && ip link set "$if" netns "$ns" || return 1
		BACK+=("ip -n $ns link set $if netns 1" "ip link set $if up")
		;;
	esac
	ip -n "$ns" link set "$if" up || return 1
	if ip -n "$ns" -4 -br addr show dev "$if" | grep -q /; then
		echo "$2 has an address: give the suite an interface without one" >&2
		return 1
	fi
	if [ "$which" = in ]; then
		victim_addresses add "$ns" "$if" || return 1
		BACK=("victim_addresses del $ns $if" "${BACK[@]}")
	fi
	TAKEN=$ns:$if
}

[ -x "$EVADE" ] || { echo "$EVADE is not built: make evasion" >&2; exit 2; }
need_root
topo_up || exit 2
ip -n "$P-a" addr flush dev a0 && ip -n "$P-b" addr flush dev b0 && victim_addresses add "$P-b" b0 || exit 2
ends_ready "$P-a" a0 "$P-b" b0
A=$P-a:a0 V=$P-b:b0 DOOR=$P-g:inside

# What each trick does to the victim when nothing is in between; once for this list of cases.
if [ "$DEVICE" = bridge ] || [ -n "${ONLY:-}" ] || [ ! "$OPEN" -nt "${CASES[0]}" ] ||
	[ ! "$OPEN" -nt "${CASES[1]}" ] || [ ! "$OPEN" -nt "$EVADE" ]; then
	lib_bridge && DUT=bridge
	[ "$DEVICE" = bridge ] && echo "does it work on the victim, through an open bridge?"
	play --open --door "$DOOR" --results "$TMP/open.tsv" >"$TMP/open.log" 2>&1
	status=$?
	if [[ $DEVICE = bridge && -z ${RECORD:-} || $status != 0 ]]; then cat "$TMP/open.log"; fi
	[ $status = 0 ] || exit $status
	if [ -n "${ONLY:-}" ]; then
		OPEN=$TMP/open.tsv
	else
		cp "$TMP/open.tsv" "$OPEN.$$" && mv "$OPEN.$$" "$OPEN"
	fi
	if [ "$DEVICE" != bridge ]; then dut_stop; fi
fi

if [ -n "$IFACES" ]; then
	trap 'put_back; lib_down' EXIT
	take_iface out "${IFACES%,*}" || exit 2
	A=$TAKEN
	take_iface in "${IFACES#*,}" || exit 2
	V=$TAKEN
	ends_ready "${A%%:*}" "${A#*:}" "${V%%:*}" "${V#*:}" || exit 2
	echo "device between $A and $V"
	play --known "$OPEN"
	exit
fi

if [ -n "${RECORD:-}" ]; then # as it is on a wire: nothing merged, nobody goes round
	[ "$DEVICE" = bridge ] || { echo "RECORD wants DUT=bridge" >&2; exit 2; }
	(in_ns a ethtool -K a0 gro off >/dev/null)
	PORTS=16384 # the first ports are those of the run before
	play --pcap "$TMP/pcap" | tail -n 1
	gzip -9nc "$TMP/pcap" >"$RECORD" && (cd "$HERE" && sha256sum cases) >"${RECORD%.gz}.cases"
	exit
fi
if [ "$DEVICE" = bridge ]; then
	echo
	echo "and as a device under test:"
else
	device_up || { cat "$TMP/engine.log" 2>/dev/null; echo "the device does not start" >&2; exit 2; }
	echo "device: $DEVICE$([[ $DEVICE = guard || $DEVICE = engine ]] && echo ", otherwise: $OTHERWISE${STRICT:+, strict}${FAST:+, fast path}")"
fi
reject=()
if [[ $OTHERWISE = reject && ($DEVICE = guard || $DEVICE = engine) ]]; then reject=(--reject); fi
play ${DOOR:+--door "$DOOR"} --known "$OPEN" "${reject[@]}"
status=$?
if [[ -n ${FAST:-} && $DEVICE = guard ]]; then
	alone=$("$INTERLOCK" ctl --socket "$GUARD_CTL" status --json | jq '.result.fast_path.kernel')
	echo "$alone frames were judged by the kernel alone"
	if [[ -z ${ONLY:-} && ! $alone -gt 0 ]]; then status=1; fi
fi
if [ -n "${VERBOSE:-}" ] && [ "$DEVICE" = engine ]; then dut_stop; cat "$TMP/engine.log"; fi
exit $status
