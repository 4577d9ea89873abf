#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OPC UA through the guard: node-opcua unchanged, what is forbidden stopped, told, signed.
# DUT_KIND=bridge runs the peers without a guard: then only what must pass is tried.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need jq openssl
lib_start
need_npm
KIND=${DUT_KIND:-guard}
[ "$KIND" != guard ] || need_guard
LIMIT=90
PEERS=$ROOT/tests/scenario/peers PKI=$TMP/pki

policy() { # OTHERWISE [VLAN]: hmi speaks in mode None, mes has to sign
	local rules
	rules='allow:
		        - {name: session, services: [session, discovery]}
		        - {name: watch, services: [Read, browse, subscribe], nodes: ["ns=2;*", "ns=0;*", "i=*"]}
		        - {name: recipe, services: [Write], nodes: ["ns=2;s=Recipe.*"]}
		        - {name: start, services: [Call], nodes: ["ns=2;s=Line", "ns=2;s=Line.Start"]}'
	sed 's/^\t\t//' >"$TMP/policy.yaml" <<-EOF
		interlock: 1
		site: scenario
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25, "fd00:12::/120"]}
		  cell: {port: inside, nets: [10.1.2.128/25, "fd00:12::100/120"]${2:+, vlan: $2}}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  mes: {zone: scada, ip: ${IP[mes]}}
		  eng: {zone: scada, ip: ${IP[eng]}}
		  plc2: {zone: cell, ip: ${IP[plc2]}}
		  hmi6: {zone: scada, ip: "${IP6[hmi]}"}
		  mes6: {zone: scada, ip: "${IP6[mes]}"}
		  plc2-6: {zone: cell, ip: "${IP6[plc2]}"}
		conduits:
		  - name: hmi-plc
		    from: [hmi, hmi6]
		    to: [plc2, plc2-6]
		    otherwise: $1
		    opcua:
		      encrypted: drop
		      $rules
		  - name: mes-plc
		    from: [mes, mes6]
		    to: [plc2, plc2-6]
		    otherwise: reset
		    opcua:
		      security: {policies: [Basic256Sha256], modes: [Sign]}
		      encrypted: reset
		      $rules
	EOF
}

client_at() { # HOST NODE MODE SESSIONS STEP...
	local host=$1 node=$2
	shift 2
	on "$node" node "$PEERS/opcua_client.js" "opc.tcp://$host:4840/plc" "$PKI.$node" "$@"
}
client() { client_at "${IP[plc2]}" "$@"; }
client6() { client_at "[${IP6[plc2]}]" "$@"; }

cert() { # FOLDER NAME: a self-signed certificate, with the URI that OPC 10000-6 6.2.2 asks for
	mkdir -p "$1"
	openssl req -x509 -newkey rsa:2048 -sha256 -days 365 -nodes -keyout "$1/$2.key" -out "$1/$2.crt" -subj "/O=interlock/CN=$2" \
		-addext "subjectAltName=URI:urn:$2:interlock,DNS:$2" \
		-addext "keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign" \
		-addext "extendedKeyUsage=clientAuth,serverAuth" 2>/dev/null
}

ALLOWED=(read browse subscribe write:Recipe.Sugar:2.5 call:Start poll:20)

untouched() { # the server's own word
	grep -E 'Line.Mode|call Stop' "$TMP/server" && return 1
	grep -q 'write Recipe.Sugar' "$TMP/server" && grep -q 'call Start' "$TMP/server"
}

told() {
	"$INTERLOCK" journal verify --key "$GUARD_DIR/key.pub" "$GUARD_DIR/journal" >"$TMP/verify" || { cat "$TMP/verify"; return 1; }
	local n
	n=$(jq -s '[.[] | select(.event_type == "alert") | (.alert.metadata.il_count // ["1"])[0] | tonumber] | add' "$GUARD_DIR/eve.json")
	echo "# $n alerts"
	[ "$n" -ge "$1" ]
}

kernel_had() {
	"$INTERLOCK" ctl --socket "$GUARD_CTL" status --json | jq -c '.result.fast_path | [.per_mille, (.conduits[] | .per_mille)]' | tee "$TMP/share"
	jq -e ".[0] > 0" "$TMP/share" >/dev/null
}

start() {
	policy "$@"
	rm -rf "$TMP/guard"
	if [ "$KIND" = guard ]; then dut guard -p "$TMP/policy.yaml"; else dut "$KIND"; fi
}

for node in hmi mes; do cert "$PKI.$node" mes || exit 1; done
up() { # OTHERWISE [VLAN]
	topo_up ${2:+-v "$2"} && bg plc2 "$TMP/server" node "$PEERS/opcua_server.js" "${IP[plc2]}" 4840 "$PKI.plc2" && start "$@" || exit 1
	wait_for 60 listens plc2 t 4840 || { cat "$TMP/server"; exit 1; }
}

up reject
t "mode None: all that is allowed" client hmi None 1 "${ALLOWED[@]}"
t "mode Sign: all that is allowed" client mes Sign 1 "${ALLOWED[@]}"
t "mode None over IPv6" client6 hmi None 1 "${ALLOWED[@]}"
t "mode Sign over IPv6" client6 mes Sign 1 "${ALLOWED[@]}"
t "50 sessions at once" client hmi None 50 read write:Recipe.Water:3 poll:20
t "50 sessions at once, signed" client mes Sign 50 read write:Recipe.Water:3 poll:20
if [ "$KIND" = guard ]; then
	t "reject: a fault for each, the session goes on" client hmi None 1 poll:2 write:Line.Mode:2=refused poll:5 call:Stop=refused poll:5 \
		write-two:Recipe.Sugar:Line.Mode=refused poll:500 write:Recipe.Sugar:4 call:Start
	t "signed: the connection is reset" client mes Sign 1 poll:2 write:Line.Mode:2=gone
	t "signed: a call to a forbidden method" client mes Sign 1 poll:2 call:Stop=gone
	t "mode None where Sign is asked" client mes None 1 open=gone
	t "encrypted where it has to be readable" client mes SignAndEncrypt 1 open=gone
	t "another session is served" client mes Sign 1 poll:20
	t "nothing forbidden reached the controller" untouched
	[ -z "${FAST:-}" ] || t "part of it was judged in the kernel" kernel_had
	dut_stop
	t "each is told, the journal is signed and whole" told 7
fi
topo_down

up reject 110
t "in a VLAN: mode None" client hmi None 1 "${ALLOWED[@]}"
t "in a VLAN: mode Sign, over IPv6" client6 mes Sign 1 "${ALLOWED[@]}"
[ "$KIND" != guard ] || t "in a VLAN: reject" client hmi None 1 poll:2 write:Line.Mode:2=refused poll:50
t_end
