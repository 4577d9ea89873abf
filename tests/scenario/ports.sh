#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guard's ports: made ready, and put back as they were, whatever happens to the guard.
# (tools/xdp_ports: no filter, no engine.)
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need jq
[ -x "$TOOLS/xdp_ports" ] || skip "built without libxdp"

PORTS=''

setup() { # LOG [OPTION...]: pid in PORTS
	[ ! -e "/proc/${PORTS:-none}" ] || stop "$PORTS" # of a case that failed
	bg g "$1" "$TOOLS/xdp_ports" setup "$TMP/state" outside inside "${@:2}"
	PORTS=$PID
	wait_for 5 grep -q ready "$1"
}

refused() { # TEXT ARGUMENTS...: does not start, says why and changes nothing
	local text=$1
	shift
	on g timeout 5 "$TOOLS/xdp_ports" setup "$TMP/state" "$@" >"$TMP/refused" && return 1
	grep -q "$text" "$TMP/refused" || { sed 's/^/# /' "$TMP/refused"; return 1; }
}

recover() { on g "$TOOLS/xdp_ports" recover "$TMP/state" >"$TMP/recover"; }
said() { grep -q "$1" "$TMP/recover" || { sed 's/^/# /' "$TMP/recover"; return 1; }; }
left() { ls "$TMP/state"; [ -z "$(ls -A "$TMP/state")" ]; }

ready() { # as a port has to be
	local i f bad=0
	for i in outside inside; do
		ip -n "$P-g" -j -d link show $i | jq -e '.[0] | (.flags | index("PROMISC") and index("UP") and index("NOARP"))
			and .promiscuity == 1' >/dev/null || { echo "# $i: flags"; bad=1; }
		for f in generic-receive-offload tcp-segmentation-offload generic-segmentation-offload rx-vlan-offload tx-vlan-offload; do
			(in_ns g ethtool -k $i) | grep -qE "^$f: (off|on \[fixed\])" || { echo "# $i: $f"; bad=1; }
		done
		[ "$(in_ns g sysctl -n net.ipv6.conf.$i.disable_ipv6)" = 1 ] || { echo "# $i: IPv6"; bad=1; }
		[ -z "$(ip -n "$P-g" -o addr show $i)" ] || { echo "# $i: has an address"; bad=1; }
	done
	return $bad
}

quiet() { # says nothing of its own: no router solicitation, no MLD, no ARP
	bg a "$TMP/heard" tcpdump -c 1 -nei a0 ether host "$(mac_of outside)"
	sleep 2
	stop "$PID"
	grep -q '^0 packets captured' "$TMP/heard" || { sed 's/^/# /' "$TMP/heard"; return 1; }
}
mac_of() { ip -n "$P-g" -j link show "$1" | jq -r '.[0].address'; }

clean_stop() {
	setup "$TMP/one" && ready || return 1
	stop "$PORTS"
	ports_same && left
}

killed() {
	setup "$TMP/one" || return 1
	stop "$PORTS" KILL
	ready && recover && said 'outside: as it was' && said 'inside: as it was' && ports_same && left
}

killed_and_started() { # the second knows what was before the first
	setup "$TMP/one" || return 1
	stop "$PORTS" KILL
	setup "$TMP/two" && ready || return 1
	stop "$PORTS"
	ports_same && left
}

taken_over() {
	local first
	setup "$TMP/one" || return 1
	first=$PORTS PORTS=''
	refused "process $first guards it" outside inside || return 1
	recover && said "left alone: process $first" && ready || return 1
	setup "$TMP/two" take-over || return 1
	stop "$first" # leaves them to the second
	ready || return 1
	stop "$PORTS"
	ports_same && left
}

half() { # the second port cannot be guarded: the first is put back
	refused 'there is no such interface' outside none && ports_same && left &&
		refused 'same interface' outside outside && ports_same && left &&
		refused 'loopback' outside lo && ports_same && left
}

address() {
	local r=0
	ip -n "$P-g" addr add 192.0.2.1/24 dev inside
	ip -n "$P-g" addr add 2001:db8::1/64 dev inside nodad
	ports_note
	refused 'inside: has an IP address' outside inside && ports_same && left || r=1
	setup "$TMP/one" addresses || r=1
	stop "$PORTS"
	ports_same || r=1 # above all: the addresses are still there
	ip -n "$P-g" addr flush dev inside scope global
	return $r
}

down() { # a port that was down is up while it is guarded, and down after
	ip -n "$P-g" link set inside down
	ports_note
	clean_stop
}

gone() { # the interface went with the guard; another has its name now
	setup "$TMP/one" || return 1
	stop "$PORTS" KILL
	ip -n "$P-g" link del inside
	ip -n "$P-g" link add inside type veth peer name b0 netns "$P-b"
	recover && said 'inside: nothing to put back' && said 'outside: as it was' && left
}

strange() { # somebody's file: said, and nothing is changed
	mkdir -p "$TMP/state"
	echo '{"v":1,"ifname":"outside","flags":{"up":0}}' >"$TMP/state/ports-outside.json"
	ports_note
	refused 'ports-outside.json: is not what a guard left' outside inside && ports_same || return 1
	recover && return 1
	said 'ports-outside.json' && ports_same
}

topo_up || exit 1
(in_ns g sysctl -qw net.ipv6.conf.outside.accept_ra=2)
(in_ns g ethtool -K outside gro on)
wait_for 5 eval '! ip -n "$P-g" addr | grep -q tentative'
ports_note
t "a clean stop puts everything back" clean_stop
t "what a killed guard left is put back" killed
t "a guard that follows a killed one knows the originals" killed_and_started
t "a second guard takes over, or is refused" taken_over
t "half a setup is undone" half
setup "$TMP/one"
t "a guarded port says nothing of its own" quiet
t "MTU and queues are told" grep -q '^outside mtu 1500 queues 1 carrier 1$' "$TMP/one"
stop "$PORTS"
t "a port with an address is refused, or keeps it" address
t "a port that was down" down
t "another interface of the same name" gone
t "a file that is not ours" strange
topo_down

topo_up -q 3 -m 1500,1400 || exit 1
rm -rf "$TMP/state"
setup "$TMP/one"
t "unequal MTU and several queues are told" grep -q '^inside mtu 1400 queues 3 ' "$TMP/one"
stop "$PORTS"
t_end
