#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The AF_XDP backend alone (tools/xdp_forward: no policy, no engine) between two zones.  With GUARD_PORTS=af_packet
# or af_xdp that of DPDK.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
[ -x "$TOOLS/xdp_forward" ] || skip "built without libxdp"

# The kernel takes the outer tag off in front of a packet socket, and net_af_packet puts a C-tag back.
[ "$GUARD_PORTS" != af_packet ] || export NO_S_TAG=1
A=$P-a:a0 B0=$P-b:b0
frames() { "$TOOLS/frames" "$A" "$B0" "$@"; }

end() { if [ "$GUARD_PORTS" = xdp ]; then echo "$1"; else port "$1"; fi; }

start() { # [BYTES]: xdp_forward; FWD is its pid
	bg g "$TMP/fwd" "$TOOLS/xdp_forward" "$(end outside)" "$(end inside)" "$@"
	FWD=$PID
	wait_for 10 grep -q ready "$TMP/fwd" && return
	cat "$TMP/fwd"
	return 1
}

finish() { # its counters: RX RX_DROPPED TX TX_DROPPED
	stop "$FWD"
	read -r RX RX_DROPPED TX TX_DROPPED _ < <(tail -n 1 "$TMP/fwd")
}

# frames that the cables had no room for: they are in the counters of who sent
cable_drops() {
	local node sum=0 n
	for node in a b g; do
		for n in $(ip -n "$P-$node" -j -s link | jq '.[] | .stats64.tx.dropped'); do sum=$((sum + n)); done
	done
	echo $sum
}

# What was sent has come out, or is in a counter, and nothing of it was changed or overtaken.
balance() { # N SIZE [BYTES]
	local sent got reordered bad cable
	start "${@:3}" || return 1
	cable=$(cable_drops)
	read -r sent got reordered bad < <(frames burst 88b5 "$1" "$2")
	cable=$(($(cable_drops) - cable))
	finish
	echo "# $sent sent, $got received, dropped: $RX_DROPPED received, $TX_DROPPED to send, $cable by the cable"
	[ $((got + RX_DROPPED + TX_DROPPED + cable)) -eq "$sent" ] && [ "$bad$reordered" = 00 ] &&
		[ "$RX" -eq $((TX + TX_DROPPED)) ]
}

idle() { # CPU time of an idle process in a second, below half a percent
	local a b
	sleep 0.5
	a=$(cut -d ' ' -f 1 "/proc/$FWD/schedstat")
	sleep 2
	b=$(cut -d ' ' -f 1 "/proc/$FWD/schedstat")
	echo "# $(((b - a) / 2000)) us per second"
	[ $(((b - a) / 2000)) -lt 5000 ]
}

wakes() { # a frame after 20 ms of silence is forwarded at once, not when a wait ends (100 ms)
	local p50 max
	read -r p50 max < <(frames slow 88b5 60 20)
	echo "# p50 $p50 us, at most $max us"
	[ "$p50" -lt 5000 ] && [ "$max" -lt 60000 ]
}

again() { # killed, started at once: the queues may still be busy
	for _ in 1 2 3; do
		stop "$FWD" KILL
		start && frames each 88b5 64 >/dev/null || return 1
	done
}

down() { # what waits for a port that is down never comes
	local sent got reordered bad
	start || return 1
	ip -n "$P-g" link set inside down
	read -r sent got reordered bad < <(frames oneway 88b5 500 100)
	ip -n "$P-g" link set inside up
	sleep 0.3
	frames each 88b5 64 >/dev/null || { echo "# does not forward after that"; return 1; }
	finish
	echo "# $sent sent, $got received, $reordered $bad; in all $RX came, $TX went out, $TX_DROPPED did not"
	[ "$sent" -eq 500 ] && [ "$got" -eq 0 ] && [ "$TX_DROPPED" -ge 500 ]
}

topo_up || exit 1
start || skip "$(tail -n 1 "$TMP/fwd")"
t "frames of every size, both ways, with tags, byte for byte" frames each 88b5 1514
t "frames that were made here" frames each 88b6 1514
t "frames that were shortened" frames each 88b7 1514
t "frames that were dropped do not come" frames each 88b8 70
t "sleeps when there is nothing" idle
t "wakes at once" wakes
t "starts again after kill -9" again
finish
t "a small burst is whole" balance 200 300
if [ "$GUARD_PORTS" != xdp ]; then
	t "a burst of 2000: what is lost is counted" balance 2000 300
	t_end
fi
t "a burst beyond the rings: what is lost is counted" balance 20000 300
t "small rings: what is lost is counted" balance 5000 1000 3000000
t "a port that is down" down
topo_down

topo_up -q 4
start || exit 1
t "four queues: every frame, byte for byte" frames each 88b5 200
finish
t "four queues: what is lost is counted" balance 10000 200
topo_down

topo_up -m 9000
if start; then
	t "jumbo frames, byte for byte" frames each 88b5 9014
	t "jumbo frames that were shortened" frames each 88b7 9014
	t "jumbo frames that were made here" frames each 88b6 9014
	finish
	t "bursts of jumbo frames: what is lost is counted" balance 3000 9000
else
	t_skip "jumbo frames" "$(tail -n 1 "$TMP/fwd")"
fi
t_end
