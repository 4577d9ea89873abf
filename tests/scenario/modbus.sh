#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Modbus through the guard: libmodbus and pymodbus unchanged, what is forbidden stopped, told, signed.
# DUT_KIND=bridge runs the peers without a guard: then only what must pass is tried.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need jq
lib_start
need_libmodbus
KIND=${DUT_KIND:-guard}
[ "$KIND" != guard ] || need_guard
PY=(/usr/bin/python3 -W ignore)
"${PY[@]}" -c 'import pymodbus.client' 2>/dev/null || PY=()

# policy OTHERWISE [VLAN]: one HMI, one controller, an engineering station that may do anything
policy() {
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
		  hmi6: {zone: scada, ip: "${IP6[hmi]}"}
		  eng: {zone: scada, ip: ${IP[eng]}}
		  plc1: {zone: cell, ip: ${IP[plc1]}}
		  plc1-6: {zone: cell, ip: "${IP6[plc1]}"}
		conduits:
		  - name: hmi-plc
		    from: [hmi, hmi6]
		    to: [plc1, plc1-6]
		    otherwise: $1
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: read, holding: [0..199], coils: [0..63], discrete: all, input: all}
		        - {name: switch, units: [1], functions: [5, 15], coils: [0..15]}
		        - {name: set, units: [1], functions: [6, 16], holding: [100..119], values: {100: 0..1500, 119: [0, 1]}}
		        - {name: mask, units: [1], functions: [22], holding: [150..159]}
		        - {name: swap, units: [1], functions: [23], read: {holding: [0..99]}, write: {holding: [150..159]}}
		  - name: eng-plc
		    from: [eng]
		    to: [plc1]
		    modbus:
		      addressing: zero-based
		      allow: [{name: everything, units: all, functions: all, holding: all, coils: all, discrete: all, input: all, files: all}]
	EOF
}

client() { # NODE ADDRESS STEP...
	local node=$1 to=$2
	shift 2
	on "$node" "$TMP/mb_client" "$to" 502 "$@"
}

# shellcheck disable=SC2054 # commas are part of the steps
ALLOWED=(r1:0:16 r2:0:8 r3:0:125 r4:0:10 w5:3:1 w6:100:1500 w6:119:1 w15:0:1,0,1 w16:101:5,6,7 w22:150:0xff:0x10 rw23:0:4:152:9,8)
# outside range, unit, value
# shellcheck disable=SC2054
FORBIDDEN=(w5:16:1 w6:120:1 w6:100:1501 w6:119:2 w15:10:1,1,1,1,1,1,1 w16:99:1,2 w16:118:0,7 w22:100:0:1 w22:149:0:1 rw23:0:4:149:1
	rw23:95:10:150:1 r3:190:20 r1:60:10)

forbidden() { # OUTCOME: all of them as steps, in a session that polls between
	local f
	for f in "${FORBIDDEN[@]}"; do echo "$f=$1" poll:3; done
	echo unit:2 r3:0:1="$1" w6:100:1="$1" unit:1 poll:1
}

sessions() { # 50 at once, each polls and writes
	local i pids=() bad=0
	for ((i = 0; i < 50; i++)); do
		on hmi "$TMP/mb_client" "${IP[plc1]}" 502 poll:40 w6:$((101 + i % 10)):$i=ok poll:40 >"$TMP/session.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${!pids[@]}"; do
		# another session may have written in between: only then the value read back differs
		wait "${pids[i]}" || { grep -q 'Bad message' "$TMP/session.$i" || { bad=1 && cat "$TMP/session.$i"; }; }
	done
	return $bad
}

pymodbus() { # every public function, from the station that may
	on eng "${PY[@]}" "$ROOT/tests/record/modbus/pb_client.py" tcp "${IP[plc1]}" 502 basic polling >"$TMP/pb" || { cat "$TMP/pb"; return 1; }
	[ "$(grep -c -- '->' "$TMP/pb")" -ge 75 ] && ! grep -E 'ModbusIOException|Exception Response' "$TMP/pb"
}

untouched() { # nothing of FORBIDDEN is in what the server got: the log has no such write
	local adu fc unit addr n
	while read -r adu; do
		unit=$((16#${adu:12:2})) fc=$((16#${adu:14:2})) addr=$((16#${adu:16:4})) n=$((16#${adu:20:4}))
		case $fc in
		1 | 2 | 3 | 4) [ $unit = 1 ] && [ $((addr + n)) -le 200 ] && { [ $fc != 1 ] || [ $((addr + n)) -le 64 ]; } ;;
		5) [ $addr -lt 16 ] ;;
		6) [ $addr -ge 100 ] && [ $addr -lt 120 ] && { [ $addr != 100 ] || [ $n -le 1500 ]; } && { [ $addr != 119 ] || [ $n -le 1 ]; } ;;
		15) [ $((addr + n)) -le 16 ] ;;
		16) [ $addr -ge 100 ] && [ $((addr + n)) -le 119 ] ;;
		22) [ $addr -ge 150 ] && [ $addr -lt 160 ] ;;
		23) [ $((addr + n)) -le 100 ] && [ $((16#${adu:24:4})) -ge 150 ] ;;
		*) false ;;
		esac && [ $unit = 1 ] || { echo "# the server got $adu"; return 1; }
	done < <(tail -n +"${1:-1}" "$TMP/mb.log")
}

alerts() { # how many different requests were told
	jq -r 'select(.event_type == "alert") | .alert.signature' "$GUARD_DIR/eve.json" 2>/dev/null
}

told() { # each forbidden request has its alert in the signed journal, and the journal is whole
	local n want=$((${#FORBIDDEN[@]} + 2))
	"$INTERLOCK" journal verify --key "$GUARD_DIR/key.pub" "$GUARD_DIR/journal" >"$TMP/verify" || { cat "$TMP/verify"; return 1; }
	n=$(jq -s '[.[] | select(.event_type == "alert") | (.alert.metadata.il_count // ["1"])[0] | tonumber] | add' "$GUARD_DIR/eve.json")
	echo "# $n alerts for $want forbidden requests"
	[ "$n" -ge "$want" ]
}

reset() { # at both ends
	local node
	client hmi "${IP[plc1]}" poll:3 w6:120:1=gone || return 1
	for node in hmi plc1; do
		[ "$(on $node nstat -asz TcpEstabResets | awk '$1 == "TcpEstabResets" { print $2 }')" -ge 1 ] || { echo "# $node: no reset"; return 1; }
	done
}

plain() { client hmi "${IP[plc1]}" "${ALLOWED[@]}" poll:50; }
six() { client hmi "${IP6[plc1]}" "${ALLOWED[@]}" poll:50; }

start() { # OTHERWISE [VLAN]
	policy "$@"
	rm -rf "$TMP/guard"
	if [ "$KIND" = guard ]; then dut guard -p "$TMP/policy.yaml"; else dut "$KIND"; fi
}

peers() {
	serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log"
}

topo_up && peers && start reject || exit 1
t "libmodbus: all that is allowed" plain
t "libmodbus over IPv6" six
t "50 sessions at once" sessions
if [ ${#PY[@]} -gt 0 ]; then
	t "pymodbus: the basic functions and polling" pymodbus
else
	t_skip "pymodbus" "no python3-pymodbus"
fi
if [ "$KIND" = guard ]; then
	at=$(($(wc -l <"$TMP/mb.log") + 1))
	# shellcheck disable=SC2046 # words
	t "reject: an exception for each, the session goes on" client hmi "${IP[plc1]}" $(forbidden exception)
	t "reject: 10 000 polls of the session after a refusal" client hmi "${IP[plc1]}" w6:120:1=exception poll:10000
	# shellcheck disable=SC2046
	t "reject over IPv6" client hmi "${IP6[plc1]}" $(forbidden exception)
	t "nothing forbidden reached the controller" untouched "$at"
	dut_stop
	t "each is told, the journal is signed and whole" told

	start drop || exit 1
	t "drop: no answer" client hmi "${IP[plc1]}" poll:3 w6:120:1=silent
	t "drop: another session is served" client hmi "${IP[plc1]}" poll:100
	dut_stop

	start reset || exit 1
	t "reset: the connection ends at once, at both ends" reset
	t "reset: another session is served" client hmi "${IP[plc1]}" poll:100
	t "drop and reset: nothing forbidden reached the controller" untouched "$at"
	dut_stop
fi
topo_down

topo_up -v 110 && peers && start reject 110 || exit 1
t "in a VLAN: all that is allowed" plain
t "in a VLAN over IPv6" six
if [ "$KIND" = guard ]; then
	# shellcheck disable=SC2046
	t "in a VLAN: reject" client hmi "${IP[plc1]}" $(forbidden exception) poll:1000
	t "in a VLAN: nothing forbidden reached the controller" untouched
fi
t_end
