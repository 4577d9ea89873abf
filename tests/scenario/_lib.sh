# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Two zones in network namespaces and a device under test between them.  Sourced by tests/scenario/*.sh.
#
#   hmi eng mes --+                                        +-- plc1 plc2
#                 a: a0 ------ outside : g : inside ------ b0 :b
#
# a, g and b are namespaces; hmi eng mes plc1 plc2 too, each with its own MAC and addresses on eth0,
# a macvlan of a0 or b0.  a and b have addresses of their own (for flat tests and measurements).
# What leaves a0 and b0 looks like what leaves a NIC: checksums are complete, segments fit
# the MTU, tags are in the frame (native XDP on veth finishes none of these by itself).
#
#   need_root; need_guard; need TOOL...    skipped (77) with the reason when it cannot run
#   need_kernel_path WHY                   skipped unless the guard has the filter in the kernel
#   topo_up [-v VID] [-m MTU[,MTU]] [-q QUEUES]   the picture above, in less than a second
#   topo_down                              gone again, with all that runs there
#   dut none|bridge|nft|guard [ARGS]       put the device in place and wait until it forwards
#   dut_stop                               take it out
#   on NODE COMMAND...                     run there, at most LIMIT seconds, output as it comes
#   bg NODE LOG COMMAND...                 run there meanwhile; its pid is in PID
#   serve NODE t|u PORT LOG COMMAND...     as bg, waits until it listens
#   t NAME COMMAND...                      one case: "ok N - NAME" when the status is 0
#   t_end                                  the plan; the status of the script
#
# Addresses: IP[node] 10.1.2.N, IP6[node] fd00:12::N, MAC[node].  Everything is gone when the
# script ends, however it ends: a watcher cleans up after kill -9.
# `ip netns exec` would hide bpffs and change /sys, so programs are started by nsenter.
set -uo pipefail
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin

ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
B=${B:-build}
INTERLOCK=${INTERLOCK:-$ROOT/$B/interlock}
export TOOLS=$ROOT/$B/tests/tools
LIMIT=${LIMIT:-60} # seconds one program may take
RUN_BY=${RUN_BY:-} # e.g. chrt -f 20, for all programs
GUARD_PORTS=${GUARD_PORTS:-xdp} # how the guard has its ports: xdp, or DPDK's driver: af_packet, af_xdp
WORKERS=${WORKERS:-} # of a guard with ports of DPDK
QUEUES=${QUEUES:-1} # of each of these ports
P=il$$             # of all names outside our namespaces

# node  number of its addresses  MAC (vendors' prefixes are real, devices are not)
declare -A IP IP6 MAC
NODES="a:2:02:00:00:00:0a:02 b:202:02:00:00:00:0b:02 hmi:5:00:1b:1b:aa:bb:01 eng:9:00:1b:1b:aa:bb:09
	mes:20:00:50:56:aa:bb:20 plc1:130:00:80:f4:aa:bb:30 plc2:131:00:1b:1b:aa:bb:31"
for _node in $NODES; do
	IFS=: read -r _name _n _mac <<<"$_node"
	IP[$_name]=10.1.2.$_n IP6[$_name]=fd00:12::$_n MAC[$_name]=$_mac
done
DUT='' DUT_PID='' VID='' T_N=0 T_BAD=0 TMP=''
export PID=''

skip() { # WHY: the last line, as tests/run wants it
	echo "skipped: $*"
	exit 77
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	need ip ethtool nsenter ss
	ip netns add "$P-try" 2>/dev/null || skip "no network namespaces here"
	ip netns del "$P-try"
}

need() {
	local tool
	for tool; do command -v "$tool" >/dev/null || skip "no $tool"; done
}

need_guard() { # a guard can run here
	"$INTERLOCK" --version | grep -q '+xdp' || skip "built without xdp"
	[ "$GUARD_PORTS" = xdp ] || "$INTERLOCK" --version | grep -q '+dpdk' || skip "built without dpdk"
	[ -e /sys/kernel/btf/vmlinux ] || skip "this kernel has no BTF"
	/usr/bin/python3 -c 'import socket; socket.socket(44, socket.SOCK_RAW, 0)' 2>/dev/null || skip "this kernel has no AF_XDP"
}

need_kernel_path() { # WHY
	[ "$GUARD_PORTS" = xdp ] || skip "$1: not with ports of DPDK"
}

port() { # outside|inside: as the guard's options want it
	case $GUARD_PORTS in
	xdp) echo "xdp:$1" ;;
	af_packet) echo "dpdk:net_af_packet_$1,iface=$1$([ "$QUEUES" = 1 ] || echo ",qpairs=$QUEUES")" ;;
	*) echo "dpdk:net_${GUARD_PORTS}_$1,iface=$1$([ "$QUEUES" = 1 ] || echo ",queue_count=$QUEUES")" ;;
	esac
}

# --- everything goes when we go --------------------------------------------------------------

lib_down() {
	trap '' EXIT INT TERM
	if [ -n "$DUT_PID" ]; then dut_stop; fi
	topo_down
	[ -z "$TMP" ] || rm -rf "$TMP"
}

lib_wipe() { # what runs in our namespaces, then they: no one else uses names with our pid
	local ns pids
	for ns in $(ip netns list | awk -v p="$P-" 'index($1, p) == 1 { print $1 }'); do
		pids=$(ip netns pids "$ns" 2>/dev/null)
		# shellcheck disable=SC2086 # a list
		[ -z "$pids" ] || kill -9 $pids 2>/dev/null
		ip netns del "$ns" 2>/dev/null
	done
	rm -rf "/sys/fs/bpf/$P"
}

lib_start() {
	[ -z "$TMP" ] || return 0
	TMP=$(mktemp -d /tmp/il.XXXXXX) # short: paths of sockets have 107 bytes
	trap lib_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	# The watcher: waits for this shell, by whatever it dies, and wipes what is left then.
	(
		trap '' INT TERM HUP
		tail --pid=$$ -f /dev/null
		lib_wipe
		rm -rf "$TMP"
	) </dev/null >/dev/null 2>&1 &
	disown
}

# --- the topology ------------------------------------------------------------------------------

in_ns() { # NODE COMMAND...: becomes COMMAND
	local ns=/run/netns/$P-$1
	shift
	# shellcheck disable=SC2086 # a command
	exec nsenter --net="$ns" $RUN_BY "$@"
}

# A node's own interface: eth0, or the end of the cable
nic() {
	case $1 in a) echo a0 ;; b) echo b0 ;; g) echo outside ;; *) echo eth0 ;; esac
}

# The two ends tag what they send and take the tag off what they get; other frames stay as they
# are.  (Not every kernel has 8021q; this program needs only the bpf classifier.)
lib_vlan() { # VID
	local o=$TMP/vlan$1.o node
	need clang tc
	clang -std=gnu11 -O2 -Wall -Werror -target bpf -DVID="$1" \
		-idirafter "/usr/include/$(gcc -print-multiarch)" -c -o "$o" "$ROOT/tests/scenario/vlan.bpf.c" || return 1
	for node in a b; do
		(in_ns $node tc qdisc add dev ${node}0 clsact) &&
			(in_ns $node tc filter add dev ${node}0 egress bpf direct-action obj "$o" sec push) &&
			(in_ns $node tc filter add dev ${node}0 ingress bpf direct-action obj "$o" sec pop) ||
			return 1
	done
}

topo_up() {
	local OPTIND opt mtu=1500 mtu2='' queues=$QUEUES ns node cable
	while getopts v:m:q: opt; do
		case $opt in
		v) VID=$OPTARG ;;
		m) mtu=${OPTARG%,*} mtu2=${OPTARG#*,} ;;
		q) queues=$OPTARG ;;
		*) return 2 ;;
		esac
	done
	mtu2=${mtu2:-$mtu}
	lib_start
	for ns in a b g hmi eng mes plc1 plc2; do echo "netns add $P-$ns"; done | ip -batch - || return 1
	ip -n "$P-g" -batch - <<-EOF || return 1
		link add outside mtu $mtu numrxqueues $queues numtxqueues $queues type veth peer name a0 mtu $mtu numrxqueues $queues numtxqueues $queues netns $P-a
		link add inside mtu $mtu2 numrxqueues $queues numtxqueues $queues type veth peer name b0 mtu $mtu2 numrxqueues $queues numtxqueues $queues netns $P-b
		link set outside up
		link set inside up
	EOF
	for node in a b hmi eng mes plc1 plc2; do
		case $node in a | hmi | eng | mes) cable=a ;; *) cable=b ;; esac
		{
			echo "link set lo up"
			if [ $node = $cable ]; then
				echo "link set ${node}0 address ${MAC[$node]}"
			else # in the namespace of the cable, then moved
				ip -n "$P-$cable" link add link ${cable}0 name m$node address "${MAC[$node]}" type macvlan mode bridge || return 1
				ip -n "$P-$cable" link set m$node netns "$P-$node" name eth0 || return 1
			fi
			echo "link set $(nic $node) addrgenmode none"
			echo "link set $(nic $node) up"
			echo "addr add ${IP[$node]}/24 dev $(nic $node)"
			echo "addr add ${IP6[$node]}/64 dev $(nic $node) nodad"
		} >"$TMP/batch"
		ip -n "$P-$node" -batch "$TMP/batch" || return 1
	done
	for node in a b; do
		(in_ns $node ethtool -K ${node}0 tx off txvlan off rxvlan off gro on >/dev/null 2>&1) || return 1
	done
	[ -z "$VID" ] || lib_vlan "$VID"
}

topo_down() { # and everything that runs there
	{
		lib_wipe
		for ns in $(jobs -p); do wait "$ns"; done
	} 2>/dev/null
	VID=''
}

# --- programs ----------------------------------------------------------------------------------

on() {
	local node=$1
	shift
	(in_ns "$node" timeout -k 2 "$LIMIT" "$@")
}

bg() {
	local node=$1 log=$2
	shift 2
	: >"$log" # now, so that nobody finds in it what another run said
	(in_ns "$node" "$@") </dev/null >>"$log" 2>&1 &
	PID=$!
}

# wait_for SECONDS COMMAND...: until it succeeds; SECONDS is what an idle machine would need at most
PATIENCE=${PATIENCE:-4}
wait_for() {
	local i n=$(($1 * 20 * PATIENCE))
	shift
	for ((i = 0; i < n; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	return 1
}

listens() { (in_ns "$1" ss -Hln"$2" "sport = :$3") | grep -q .; }

serve() {
	local node=$1 proto=$2 port=$3 log=$4
	shift 4
	bg "$node" "$log" "$@"
	wait_for "$LIMIT" listens "$node" "$proto" "$port" && return
	echo "$node: $1 does not listen" >&2
	tail -n 20 "$log" >&2
	return 1
}

# stop PID [SIGNAL]: and wait for it
stop() {
	{
		kill "-${2:-TERM}" "$1"
		wait "$1"
	} 2>/dev/null
	return 0
}

# --- the device under test ------------------------------------------------------------------------

# The Modbus functions that write, by payload: what a packet filter can do.
lib_nft='add table bridge dut
add chain bridge dut forward { type filter hook forward priority 0; }
add rule bridge dut forward tcp dport 502 @ih,56,8 { 5, 6, 15, 16, 22, 23 } drop'

lib_bridge() {
	(in_ns g sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.outside.disable_ipv6=1 \
		net.ipv6.conf.inside.disable_ipv6=1)
	ip -n "$P-g" -batch - <<-EOF
		link add br0 type bridge stp_state 0 mcast_snooping 0 forward_delay 0
		link set outside master br0
		link set inside master br0
		link set br0 up
	EOF
}

forwards() { on a ping -qnc 1 -W 1 "${IP[b]}"; }

guard_settled() { guard_ready "$1" || ! kill -0 "$DUT_PID"; } # one that has ended gets ready no more
guard_ready() { tail -n +"$1" "$GUARD_DIR/log" | grep -q 'guard: in force'; }

# guard_start ARGS: the guard in g.  Its files are in $GUARD_DIR: log (of all starts), eve.json,
# journal/, ctl, state/.  Its key is $GUARD_DIR/key.
guard_start() {
	local lines
	GUARD_DIR=$TMP/guard GUARD_CTL=$TMP/guard/ctl
	mkdir -p "$GUARD_DIR"
	[ -e "$GUARD_DIR/key" ] || "$INTERLOCK" key new "$GUARD_DIR/key" >/dev/null || return 1
	touch "$GUARD_DIR/log"
	lines=$(wc -l <"$GUARD_DIR/log")
	(in_ns g "$INTERLOCK" guard --outside "$(port outside)" --inside "$(port inside)" --ctl "$GUARD_CTL" --state "$GUARD_DIR/state" \
		--keep-dir "$GUARD_DIR/keep" --eve "$GUARD_DIR/eve.json" --journal "$GUARD_DIR/journal" --key "$GUARD_DIR/key" ${FAST:+--fast-path --pin "/sys/fs/bpf/$P"} ${WORKERS:+--workers "$WORKERS"} "$@") </dev/null >>"$GUARD_DIR/log" 2>&1 &
	DUT_PID=$!
	wait_for 20 guard_settled $((lines + 1))
	guard_ready $((lines + 1)) && return
	echo "the guard does not get ready:" >&2
	tail -n 20 "$GUARD_DIR/log" >&2
	return 1
}

dut() { # KIND [ARGS]
	DUT=$1
	shift
	case $DUT in
	none) return 0 ;;
	bridge) lib_bridge && wait_for 5 forwards ;;
	nft) lib_bridge && (in_ns g nft -f - <<<"$lib_nft") && wait_for 5 forwards ;;
	guard) guard_start "$@" ;;
	*) echo "dut: $DUT?" >&2 && return 2 ;;
	esac
}

dut_stop() {
	case $DUT in
	bridge | nft)
		ip -n "$P-g" link del br0
		[ "$DUT" = bridge ] || (in_ns g nft delete table bridge dut)
		;;
	guard)
		[ -z "$DUT_PID" ] || stop "$DUT_PID"
		DUT_PID=''
		;;
	esac
	DUT=''
}

# --- ports --------------------------------------------------------------------------------------------

# All that can be seen of both interfaces; how long an address is valid is no setting.
ports_look() {
	local i
	for i in outside inside; do
		(in_ns g ethtool -k $i)
		ip -n "$P-g" -d link show $i
		ip -n "$P-g" -o addr show $i | awk '{ print $2, $3, $4 }'
		(in_ns g sysctl -ar "net[.]ipv[46][.](conf|neigh)[.]${i}[.]") | grep -v stable_secret
	done
}

ports_note() { ports_look >"$TMP/ports"; }

ports_same() { # as when they were noted; an address needs a moment to come back
	local i
	for ((i = 0; i < 60; i++)); do
		ports_look >"$TMP/ports.now"
		cmp -s "$TMP/ports" "$TMP/ports.now" && return
		sleep 0.05
	done
	diff "$TMP/ports" "$TMP/ports.now" | sed 's/^/# /'
	return 1
}

# --- peers ----------------------------------------------------------------------------------------

# The libmodbus programs of tests/scenario/peers, as $TMP/mb_server and $TMP/mb_client
need_libmodbus() {
	need gcc pkg-config
	pkg-config --exists libmodbus || skip "no libmodbus"
	local name
	for name in mb_server mb_client; do
		# shellcheck disable=SC2046 # flags
		gcc -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Wshadow -Werror -o "$TMP/$name" \
			"$ROOT/tests/scenario/peers/$name.c" $(pkg-config --cflags --libs libmodbus) || exit 1
	done
}

# The stacks that come from npm, as tests/record/package-lock.json pins them: once per build folder and
# lock file.  NODE_PATH then finds them.
need_npm() {
	local at lock=$ROOT/tests/record/package-lock.json node_home
	need node npm g++
	at=$ROOT/$B/npm/$(sha256sum "$lock" | cut -c 1-16)
	export NODE_PATH=$at/node_modules
	[ ! -e "$at/done" ] || return 0
	node_home=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
	[ -e "$node_home/include/node/node.h" ] || skip "no headers of node, node-snap7 is compiled with them"
	mkdir -p "$at"
	cp "${lock%/*}/package.json" "$lock" "$at"
	(
		cd "$at" && timeout 240 npm ci --no-audit --no-fund --ignore-scripts --loglevel=error &&
			cd node_modules/node-snap7 && # of all packages the only one that compiles something
			node "$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js" rebuild --nodedir="$node_home"
	) >"$at/log" 2>&1 || skip "npm: $(grep -m 1 -i error "$at/log")"
	touch "$at/done"
}

# --- cases ------------------------------------------------------------------------------------------

t() {
	local name=$1
	shift
	T_N=$((T_N + 1))
	if "$@"; then
		echo "ok $T_N - $name"
	else
		T_BAD=$((T_BAD + 1))
		echo "not ok $T_N - $name"
	fi
}

t_skip() { # NAME WHY
	T_N=$((T_N + 1))
	echo "ok $T_N - $1 # SKIP $2"
}

t_end() {
	echo "1..$T_N"
	[ $T_BAD -eq 0 ]
	exit
}

# What the threads of a process have had: ns of a processor; us of the clock; how often they went to sleep by themselves.
thread_times() { # PID
	cat /proc/"$1"/task/*/schedstat | awk '{ n += $1 } END { printf "%d ", n }' &&
		printf '%s ' "${EPOCHREALTIME/[.,]/}" && awk '/^voluntary/ { n += $2 } END { print n }' /proc/"$1"/task/*/status
}
# A second in which it takes less than PERCENT of a processor, and has slept so many TIMES: one that polls has none, one that sleeps has,
# though on a loaded machine not each.
idles() { # PID PERCENT TIMES
	local n share ran now slept was_ran was_now was_slept
	for n in {1..15}; do
		read -r was_ran was_now was_slept < <(thread_times "$1") || return 1
		sleep 1
		read -r ran now slept < <(thread_times "$1") || return 1
		share=$(((ran - was_ran) / 10 / (now - was_now)))
		echo "# $share % of $((now - was_now)) us, slept $((slept - was_slept)) times"
		[ $share -lt "$2" ] && [ $((slept - was_slept)) -ge "$3" ] && return 0
	done
	return 1
}
