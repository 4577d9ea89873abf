#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# S7 through the guard: node-snap7 and nodes7 unchanged, what is forbidden stopped, told, signed.
# DUT_KIND=bridge runs the peers without a guard: then only what must pass is tried.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need jq
lib_start
need_npm
KIND=${DUT_KIND:-guard}
[ "$KIND" != guard ] || need_guard
PEERS=$ROOT/tests/scenario/peers

policy() { # OTHERWISE [VLAN]
	cat >"$TMP/policy.yaml" <<-EOF
		interlock: 1
		site: scenario
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25, "fd00:12::/120"]}
		  cell: {port: inside, nets: [10.1.2.128/25, "fd00:12::100/120"]${2:+, vlan: $2}}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  eng6: {zone: scada, ip: "${IP6[eng]}"}
		  plc2-6: {zone: cell, ip: "${IP6[plc2]}"}
		  eng: {zone: scada, ip: ${IP[eng]}}
		  plc2: {zone: cell, ip: ${IP[plc2]}}
		conduits:
		  - name: panel
		    from: [hmi]
		    to: [plc2]
		    otherwise: $1
		    s7:
		      allow:
		        - {name: connect, functions: [setup]}
		        - {name: poll, functions: [read], read: [DB1, DB10.DBB0..47, M0.0..15.7]}
		        - {name: recipe, functions: [write], write: [DB10.DBB0..20], values: {DB10.DBW4: 0..1000}}
		        - {name: status, functions: [read-szl], szl: [0x11, 0x1c, 0x131, 0x424]}
		  - name: station
		    from: [eng, eng6]
		    to: [plc2, plc2-6]
		    otherwise: $1
		    s7:
		      allow: [{name: data, functions: [session, read, write], read: all, write: all}]
	EOF
}

client() { # NODE STEP...
	local node=$1
	shift
	on "$node" node "$PEERS/s7_client.js" "${IP[plc2]}" "$@"
}

# shellcheck disable=SC2054 # commas are part of the steps
ALLOWED=(read:10:0:21 flags:0:16 write:10:4:03e8 write:10:6:0102030405060708 multi-read:1.0,10.5,1.7 multi-write:10.2.7,10.20.9 szl:0x11
	status poll:20)
# shellcheck disable=SC2054
FORBIDDEN=(write:10:30:01 write:10:19:01020304 write:10:4:03e9 write:10:5:01 write:20:0:01 outputs:0:01 read:20:0:4 read:10:40:10
	multi-write:10.2.1,20.0.7 stop start delete:77 upload:10 clock szl:0x19)

forbidden() { # OUTCOME
	local f
	for f in "${FORBIDDEN[@]}"; do echo "$f=$1" poll:2; done
}

untouched() { # what the server says it was asked, since line $1
	tail -n +"$1" "$TMP/server" | grep -iE 'DB20|control|stop|delete|upload|clock|Write.*(Area : PA|Start : (30|19),)|Write.*Start : 5,' && return 1
	[ "$(wc -l <"$TMP/server")" -gt "$1" ] # it did speak
}

told() {
	local n
	"$INTERLOCK" journal verify --key "$GUARD_DIR/key.pub" "$GUARD_DIR/journal" >"$TMP/verify" || { cat "$TMP/verify"; return 1; }
	n=$(jq -s '[.[] | select(.event_type == "alert") | (.alert.metadata.il_count // ["1"])[0] | tonumber] | add' "$GUARD_DIR/eve.json")
	echo "# $n alerts for ${#FORBIDDEN[@]} forbidden requests"
	[ "$n" -ge ${#FORBIDDEN[@]} ]
}

# snap7 sees it only when it happens to read: else it waits in vain.  Both kernels know of the reset.
reset() {
	local node
	client hmi poll:3 stop=silent >"$TMP/reset" || grep -q '^stop=silent: gone' "$TMP/reset" || { cat "$TMP/reset"; return 1; }
	for node in hmi plc2; do
		[ "$(on $node nstat -asz TcpEstabResets | awk '$1 == "TcpEstabResets" { print $2 }')" -ge 1 ] || { echo "# $node: no reset"; return 1; }
	done
}

nodes7() { on eng node "$ROOT/tests/record/s7/poll.js" "$1" 20 10; }

sessions() { # 50 at once, each polls and writes: five stations with ten sessions each
	local i pids=() bad=0
	for i in 1 2 3 4 5; do
		on hmi node "$PEERS/s7_client.js" "${IP[plc2]}*10" poll:20 write:10:4:00c8 read:10:0:21 poll:20 >"$TMP/session.$i" 2>&1 &
		pids+=($!)
	done
	wait_for 20 fifty
	bad=$?
	for i in "${pids[@]}"; do wait "$i" || bad=1; done
	[ $bad = 0 ] || { cat "$TMP"/session.*; return 1; }
}

fifty() { [ "$( (in_ns plc2 ss -Htn state established "sport = :102") | wc -l)" -ge 50 ]; }

start() {
	policy "$@"
	rm -rf "$TMP/guard"
	if [ "$KIND" = guard ]; then dut guard -p "$TMP/policy.yaml"; else dut "$KIND"; fi
}

# snap7 speaks IPv4 alone: over IPv6 the guard sees its bytes in connections that plc2 takes to it.
peers() {
	serve plc2 t 102 "$TMP/server" node "$PEERS/s7_server.js" &&
		serve plc2 t6 102 "$TMP/six" node "$PEERS/six.js" 102
}

topo_up && peers && start reject || exit 1
t "node-snap7: all that is allowed" client hmi "${ALLOWED[@]}"
t "nodes7: an HMI's day" nodes7 "${IP[plc2]}"
t "nodes7 over IPv6" nodes7 "${IP6[plc2]}"
t "50 sessions at once" sessions
if [ "$KIND" = guard ]; then
	at=$(($(wc -l <"$TMP/server") + 1))
	# shellcheck disable=SC2046 # words
	t "reject: the controller's error for each, the session goes on" client hmi $(forbidden refused)
	t "reject: 10 000 polls of the session after a refusal" client hmi stop=refused poll:10000
	t "nothing forbidden reached the controller" untouched "$at"
	dut_stop
	t "each is told, the journal is signed and whole" told
	start drop || exit 1
	t "drop: no answer" client hmi poll:3 stop=silent
	dut_stop
	start reset || exit 1
	t "reset: the connection ends, at both ends" reset
	t "reset: another session is served" client hmi poll:50
	dut_stop
	t "drop and reset: nothing forbidden reached the controller" untouched "$at"
fi
topo_down

topo_up -v 110 && peers && start reject 110 || exit 1
t "in a VLAN: all that is allowed" client hmi "${ALLOWED[@]}"
t "in a VLAN over IPv6" nodes7 "${IP6[plc2]}"
[ "$KIND" != guard ] || t "in a VLAN: reject" client hmi stop=refused poll:100
t_end
