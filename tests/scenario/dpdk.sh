#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guard with ports of DPDK: what it refuses, its life, its sleep, its links.  That it guards as over AF_XDP is
# shown by the other scenarios with GUARD_PORTS=af_packet or af_xdp (tests/run runs some of them so).
# shellcheck source=tests/scenario/_lib.sh
GUARD_PORTS=${GUARD_PORTS:-af_packet}
[ "$GUARD_PORTS" != xdp ] || GUARD_PORTS=af_packet
. "$(dirname "$0")/_lib.sh"
need_root
[ -z "${FAST:-}" ] || skip "what the kernel judges: not with ports of DPDK"
need jq
need_guard
lib_start
need_libmodbus
D=$TMP/guard

policy() { # [LINE OF THE TOP LEVEL [LINE OF THE CONDUIT]]
	cat >"$TMP/policy.yaml" <<-EOF
		interlock: 1
		site: scenario
		mode: enforce
		${1:-# nothing}
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		conduits:
		  - name: c
		    from: [scada/*]
		    to: [cell/*]
		    icmp: [echo]
		    otherwise: reject
		    ${2:-# nothing}
		    modbus: {addressing: zero-based, allow: [{name: r, units: [1], functions: read, holding: [0..199]}]}
	EOF
}

# --- what it refuses -----------------------------------------------------------------------------

BOTH=(--outside "$(port outside)" --inside "$(port inside)")
refuses() { # WHAT ARGS: says so, with status 2, and nothing is left on the ports
	local what=$1 out
	shift
	out=$(in_ns g timeout 20 "$INTERLOCK" guard --ctl "$D/ctl" --state "$D/state" --keep-dir "$D/keep" -p "$TMP/policy.yaml" "$@" 2>&1)
	[ $? = 2 ] && grep -qF -e "$what" <<<"$out" && ports_same && return
	echo "$out"
	return 1
}
# shellcheck disable=SC2317 # called by t
open_policy() { policy 'fail: open' && refuses 'policy.yaml:4:7: fail: open: behind dpdk ports nothing passes' "${BOTH[@]}"; }
open_conduit() {
	policy '' 'fail: open' && refuses 'policy.yaml:15:11: fail: open: of one conduit' "${BOTH[@]}" &&
		refuses 'policy.yaml:15:11: fail: open: of one conduit' "${BOTH[@]}" --bypass "file:$TMP/relay"
}
kinds() { refuses 'both ports are' --outside "$(port outside)" --inside xdp:inside; }
kernel_only() { refuses '--fast-path' "${BOTH[@]}" --fast-path && refuses '--xdp' "${BOTH[@]}" --xdp generic; }
nothing() { refuses 'net_nonsense0' --outside dpdk:net_nonsense0 --inside dpdk:net_null1; }
absent() { refuses 'nowhere: there is no such interface' --outside "$(port nowhere)" --inside "$(port inside)"; }

topo_up || exit 1
mkdir -p "$D"
ports_note
t "fail: open without a relay, by file, line and column" open_policy
t "fail: open of one conduit, relay or not" open_conduit
policy
t "ports of two kinds" kinds
t "options of the filter in the kernel" kernel_only
t "a device that no driver knows" nothing
t "an interface that is not there" absent

# --- life ----------------------------------------------------------------------------------------

ask() { "$INTERLOCK" ctl --socket "$GUARD_CTL" --json "$@"; }
worker() { ask status | jq -r '.result.processes[] | select(.name == "worker") | .pid'; }
client() { on hmi "$TMP/mb_client" "${IP[plc1]}" 502 "$@"; }
serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1

relay() { # a policy that fails open, with a relay: disarmed while it guards, armed by its end
	echo armed >"$TMP/relay"
	policy 'fail: open'
	dut guard -p "$TMP/policy.yaml" --bypass "file:$TMP/relay" || return 1
	grep -q disarmed "$TMP/relay" && client poll:5 || return 1
	dut_stop
	grep -q '^armed' "$TMP/relay"
}
t "fail: open with a relay" relay

policy
dut guard -p "$TMP/policy.yaml" || exit 1
t "polls pass, a write is rejected, the session goes on" client poll:20 w6:100:1=exception poll:200
ping_mtu() { on hmi ping -qc 3 -i 0.05 -s 1472 -M "do" "${IP[plc1]}" >/dev/null; }
t "frames of the whole MTU" ping_mtu

rights() { # of every thread: no capability, no way to get one, the filter of system calls
	local thread n=0
	for thread in /proc/"$(worker)"/task/*; do
		n=$((n + 1))
		grep -Eq '^CapPrm:\s*0*$' "$thread/status" && grep -Eq '^CapBnd:\s*0*$' "$thread/status" &&
			grep -Eq '^NoNewPrivs:\s*1' "$thread/status" && grep -Eq '^Seccomp:\s*2' "$thread/status" &&
			[ "$(awk '/^Uid:/ { print $2 }' "$thread/status")" != 0 ] || { cat "$thread/comm" "$thread/status"; return 1; }
	done
	echo "# $n threads"
	[ $n -ge 2 ] # EAL's too
}
t "its threads have no rights" rights

t "sleeps when there is nothing" idles "$(worker)" 5 2

wakes() { # after silence a request does not wait for a sleep of 50 ms to end
	local i best=999999 us
	for i in 1 2 3 4 5; do
		sleep 0.1
		us=$(on hmi ping -nc 1 "${IP[plc1]}" | sed -n 's/.* time=\([0-9.]*\) ms/\1/p' | awk '{ printf "%d", $1 * 1000 }')
		[ -z "$us" ] || [ "$us" -ge $best ] || best=$us
	done
	echo "# round trip after 100 ms of silence: $best us at best"
	[ $best -lt 20000 ]
}
t "wakes at once" wakes

link() { # a lost link is told; what was for it meanwhile never comes
	local before
	before=$(wc -l <"$TMP/mb.log")
	ip -n "$P-b" link set b0 down
	wait_for 3 grep -q 'inside: link is lost' "$D/log" || return 1
	[ "$(ask status | jq -c '[.result.ports[].link]')" = '[true,false]' ] || return 1
	on hmi ping -qc 5 -i 0.05 -W 1 "${IP[plc1]}" >/dev/null && return 1
	wait_for 2 eval 'ask status | jq -e ".result.packets.lost.tx_down >= 5" >/dev/null' || return 1
	ip -n "$P-b" link set b0 up
	wait_for 3 grep -q 'inside: link is back' "$D/log" || return 1
	wait_for 5 client poll:3 && [ "$(wc -l <"$TMP/mb.log")" -gt "$before" ]
}
t "a link that is lost and comes back" link
told() { grep -o '"signature":"[^"]*link[^"]*"' "$D/eve.json" | sort | uniq -c | sed 's/^/# /' && grep -q 'link is lost' "$D/eve.json"; }
t "and is told" wait_for 5 told

balance() { # received + injected = forwarded + dropped + consumed + held; nothing was lost unseen
	ask counters | jq -e '.result.packets | .received + .injected == .forwarded + .dropped + .consumed + .held'
}
t "every frame is accounted for" balance

killed() { # of the worker: the next one takes over, whatever the driver left
	local w
	w=$(worker)
	kill -9 "$w"
	wait_for 10 eval '[ "$(worker)" -gt 0 ] && [ "$(worker)" != '"$w"' ]' || return 1
	wait_for 10 client poll:5
}
t "the worker is killed" killed
reload() { policy '' '' && ask reload >/dev/null && client poll:5 && policy 'fail: open' && ! ask reload >"$TMP/reload" && grep -q 'fail: open' "$TMP/reload"; }
t "a reload; one that fails open is refused" reload
gone() { # the whole guard is killed: a new one begins on what it left
	local p
	for p in $(pgrep -P "$DUT_PID") "$DUT_PID"; do kill -9 "$p"; done
	wait "$DUT_PID" 2>/dev/null
	policy
	guard_start -p "$TMP/policy.yaml" && client poll:5
}
t "the guard is killed" gone
over() { # a take-over keeps sessions
	local old=$DUT_PID pid
	client for:3:10 >"$TMP/long" 2>&1 &
	pid=$!
	sleep 0.2
	guard_start -p "$TMP/policy.yaml" --take-over || return 1
	wait "$old" 2>/dev/null
	wait $pid
	pid=$?
	sed 's/^/# /' "$TMP/long"
	return $pid
}
t "another guard takes over, the session goes on" over
dut_stop
t "the ports are as they were" ports_same

no_sockets() { # nothing wakes it: it sleeps longer and longer, a millisecond at most
	local pid ok
	bg g "$TMP/fwd" "$TOOLS/xdp_forward" dpdk:net_null0,no-rx=1 dpdk:net_null1,no-rx=1
	pid=$PID
	wait_for 10 grep -q ready "$TMP/fwd" || return 1
	idles "$pid" 10 20
	ok=$?
	stop "$pid"
	[ $ok = 0 ] && [ "$(awk 'END { print $5 }' "$TMP/fwd")" -gt 0 ]
}
t "sleeps where there is no socket to wait for" no_sockets

watches() { # a port that is listened to: facts of what goes by, and nothing is sent into it
	local pid out
	dut bridge || return 1
	bg g "$TMP/watch" "$INTERLOCK" watch -i "$(port outside)" --facts "$TMP/facts" --for 3s --quiet
	pid=$PID
	sleep 1.5
	client poll:20 || return 1
	out=$(on hmi ping -nc 5 -i 0.05 "${IP[plc1]}") || return 1
	wait "$pid" || { cat "$TMP/watch"; return 1; }
	echo "# $(wc -l <"$TMP/facts") facts"
	[ "$(wc -l <"$TMP/facts")" -ge 40 ] && ! grep -q DUP <<<"$out"
}
if [ "$GUARD_PORTS" = af_packet ]; then # AF_XDP takes the frames away from the bridge
	t "watch listens, and says nothing" watches
fi
t_end
