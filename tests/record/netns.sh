#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The plant in network namespaces, and one tcpdump on its switch.  Sourced by the scripts
# in modbus/, s7/, opcua/ and mixed/: each describes its capture in its top comment (which becomes the note beside the
# capture), calls net_up, starts a server, captures, lets clients talk.
#
#   hmi1 eng1 mes infra attacker --+
#                                  br0 --- plc-filler plc-caps        MTU 1500, no offloads
#
# The bridge is promiscuous, so every frame passes it exactly once, as on a SPAN port.
# Checksums and segments are those of the wire: offloads are off on every interface.
# All is bounded in time (LIMIT seconds per program) and gone when the script ends.
set -euo pipefail
export LC_ALL=C

NET_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NET_ROOT=$(cd "$NET_DIR/../.." && pwd)
NET_HERE=$(cd "$(dirname "$0")" && pwd) # the script's folder, which is named after the protocol
NET_PROTO=${NET_HERE##*/}
NET_NAME=$(basename "$0" .sh)
NET_PREFIX=il$$
LIMIT=${LIMIT:-60}
SIZE_MAX=300000 # bytes a capture may have: they are committed

[ "$(id -u)" = 0 ] || { echo "skipped: needs root"; exit 77; }
for tool in ip ethtool ss tcpdump tshark gcc; do
	PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
PATH=$PATH:/usr/sbin:/sbin

# name  last number of the address  MAC.  The vendors' prefixes are real, the devices are not.
declare -A NET_HOST=(
	[hmi1]="5 00:1b:1b:aa:bb:01" [eng1]="9 00:1b:1b:aa:bb:09" [mes]="20 00:50:56:aa:bb:20"
	[plc-filler]="130 00:80:f4:aa:bb:30" [plc-caps]="131 00:1b:1b:aa:bb:31"
	[infra]="10 00:50:56:aa:bb:10" [attacker]="66 02:00:00:00:00:66")
NET_TMP=$(mktemp -d)
NET_NS=() NET_PIDS=()

net_down() {
	local ns pid
	for pid in "${NET_PIDS[@]}"; do kill "$pid" 2>/dev/null || :; done
	wait
	for ns in "${NET_NS[@]}"; do ip netns del "$ns" 2>/dev/null || :; done
	rm -rf "$NET_TMP"
}
trap net_down EXIT
trap 'exit 130' INT TERM

net_ns() { # NAME: a new namespace; IPv6 only on demand, or its chatter fills the capture
	ip netns add "$NET_PREFIX-$1"
	NET_NS+=("$NET_PREFIX-$1")
	ip netns exec "$NET_PREFIX-$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 \
		net.ipv6.conf.default.disable_ipv6=1
	ip -n "$NET_PREFIX-$1" link set lo up
}

net_offloads_off() { # NAME INTERFACE
	ip netns exec "$NET_PREFIX-$1" ethtool -K "$2" tx off rx off tso off gso off gro off \
		txvlan off rxvlan off >/dev/null
}

# net_up HOST...: the switch, and the hosts with their addresses in 10.1.2.0/24
net_up() {
	local host number mac
	net_ns sw
	ip -n $NET_PREFIX-sw link add br0 type bridge stp_state 0 mcast_snooping 0
	ip -n $NET_PREFIX-sw link set br0 promisc on up
	for host; do
		read -r number mac <<<"${NET_HOST[$host]}"
		net_ns "$host"
		ip -n $NET_PREFIX-sw link add "$host" type veth peer name eth0 netns "$NET_PREFIX-$host"
		ip -n "$NET_PREFIX-$host" link set eth0 address "$mac" mtu 1500
		net_offloads_off sw "$host"
		net_offloads_off "$host" eth0
		ip -n $NET_PREFIX-sw link set "$host" master br0 up
		ip -n "$NET_PREFIX-$host" link set eth0 up
		ip -n "$NET_PREFIX-$host" addr add "10.1.2.$number/24" dev eth0
	done
}

# net_ip6 HOST INTERFACE NET: the host's number in an IPv6 network, without address detection
net_ip6() {
	local number
	read -r number _ <<<"${NET_HOST[$1]}"
	ip netns exec "$NET_PREFIX-$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=0 \
		net.ipv6.conf.default.disable_ipv6=0 "net.ipv6.conf.$2.disable_ipv6=0"
	ip -n "$NET_PREFIX-$1" link set "$2" addrgenmode none
	ip -n "$NET_PREFIX-$1" addr add "$3::$number/64" dev "$2" nodad
}

# net_vlan HOST ID: the host's IPv4 address moves into a VLAN, on interface vlanID.  Done in user
# space (vlan_nic.py), because not every kernel has the 8021q module.
net_vlan() {
	local number mac i
	read -r number mac <<<"${NET_HOST[$1]}"
	ip -n "$NET_PREFIX-$1" addr flush dev eth0
	ip netns exec "$NET_PREFIX-$1" timeout "$LIMIT" python3 "$NET_DIR/vlan_nic.py" eth0 "vlan$2" "$2" &
	NET_PIDS+=($!)
	for ((i = 0; i < 50; i++)); do
		ip -n "$NET_PREFIX-$1" link show "vlan$2" >/dev/null 2>&1 && break
		sleep 0.1
	done
	ip -n "$NET_PREFIX-$1" link set "vlan$2" address "$mac" mtu 1500
	net_offloads_off "$1" "vlan$2"
	ip -n "$NET_PREFIX-$1" link set "vlan$2" up
	ip -n "$NET_PREFIX-$1" addr add "10.1.2.$number/24" dev "vlan$2"
}

on() { # HOST COMMAND...: run there; what it prints is shown when it fails
	local host=$1 err
	shift
	err=$(mktemp -p "$NET_TMP")
	ip netns exec "$NET_PREFIX-$host" timeout "$LIMIT" "$@" >"$err" 2>&1 || {
		echo "$host: $*: status $?" >&2
		tail -n 20 "$err" >&2
		return 1
	}
}

# serve HOST t|u PORT COMMAND...: start it, wait until it listens.  Its pid is in SERVER.
serve() {
	local host=$1 proto=$2 port=$3 i
	shift 3
	ip netns exec "$NET_PREFIX-$host" timeout "$LIMIT" "$@" >"$NET_TMP/serve.$host" 2>&1 &
	SERVER=$!
	NET_PIDS+=("$SERVER")
	for ((i = 0; i < 100; i++)); do
		ip netns exec "$NET_PREFIX-$host" ss -Hln"$proto" "sport = :$port" | grep -q . && return
		sleep 0.1
	done
	echo "$host: $1 does not listen" >&2
	cat "$NET_TMP/serve.$host" >&2
	return 1
}

serve_end() { # the server started last
	kill "$SERVER"
	wait "$SERVER" 2>/dev/null || :
}

capture() { # from now on, all that passes the switch.  A short snapshot length: the kernel keeps
	# that many bytes for each frame, and drops frames when it has none left.
	local i
	ip netns exec $NET_PREFIX-sw timeout "$LIMIT" tcpdump -i br0 -Z root --immediate-mode -U -s 4096 -B 8192 \
		-w "$NET_TMP/pcap" 2>"$NET_TMP/tcpdump" &
	CAPTURE=$!
	NET_PIDS+=("$CAPTURE")
	for ((i = 0; i < 100; i++)); do
		grep -qs '^tcpdump: listening' "$NET_TMP/tcpdump" && break
		sleep 0.1
	done
	sleep 0.2
}

capture_end() { # stop, look at it, put it in its place and write its note
	local pcap=$NET_ROOT/pcaps/$NET_PROTO/$NET_NAME.pcap
	sleep 0.3
	kill -INT "$CAPTURE"
	wait "$CAPTURE" || :
	grep -q '^0 packets dropped by kernel' "$NET_TMP/tcpdump" || {
		cat "$NET_TMP/tcpdump" >&2
		return 1
	}
	[ "$(stat -c %s "$NET_TMP/pcap")" -le $SIZE_MAX ] || {
		echo "$NET_NAME: $(stat -c %s "$NET_TMP/pcap") bytes are more than $SIZE_MAX" >&2
		return 1
	}
	mkdir -p "${pcap%/*}"
	install -m 644 "$NET_TMP/pcap" "$pcap"
	python3 "$NET_DIR/notes.py" "$pcap"
}

# The stacks that come from npm: what package-lock.json pins, installed once into a folder outside
# the tree.  NODE_PATH then finds them.
net_npm() {
	local at
	at=${XDG_CACHE_HOME:-$HOME/.cache}/interlock/record-$(sha256sum "$NET_DIR/package-lock.json" | cut -c 1-16)
	export NODE_PATH=$at/node_modules
	[ ! -e "$at/done" ] || return 0
	mkdir -p "$at"
	cp "$NET_DIR/package.json" "$NET_DIR/package-lock.json" "$at"
	(
		cd "$at"
		npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
		cd node_modules/node-snap7 # of all packages the only one that compiles something
		node "$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js" rebuild \
			--nodedir="$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")"
	) >"$at/log" 2>&1 || {
		tail -n 20 "$at/log" >&2
		return 1
	}
	touch "$at/done"
}

# The libmodbus programs, built once per script.
build_mb() {
	local name
	for name in mb_server mb_client; do
		# shellcheck disable=SC2046 # flags
		gcc -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -o "$NET_TMP/$name" \
			"$NET_HERE/$name.c" $(pkg-config --cflags --libs libmodbus)
	done
	MB_SERVER=$NET_TMP/mb_server MB_CLIENT=$NET_TMP/mb_client
}

# pymodbus is Debian's, so the system's python runs it.
PY=(/usr/bin/python3 -W ignore)
PB_SERVER=("${PY[@]}" "$NET_DIR/modbus/pb_server.py")
export PB_SERVER MB_SERVER='' MB_CLIENT=''
