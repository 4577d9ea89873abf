#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it: node-opcua's server and client, with certificates made for this recording.
. "${BASH_SOURCE[0]%/*}/../netns.sh"
OPC_DIR=$NET_DIR/opcua PKI=$NET_TMP/pki

opc_cert() { # NAME: a self-signed application certificate, with the URI that OPC 10000-6 6.2.2 asks for
	openssl req -x509 -newkey rsa:2048 -sha256 -days 3650 -nodes -keyout "$PKI/$1.key" -out "$PKI/$1.crt" \
		-subj "/O=interlock/CN=$1" -addext "subjectAltName=URI:urn:$1:interlock,DNS:$1" \
		-addext "keyUsage=digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyCertSign" \
		-addext "extendedKeyUsage=clientAuth,serverAuth" 2>/dev/null
}

# Node.js decrypts RSA PKCS#1 v1.5, which Basic128Rsa15 asks for, only when it is told to.
NODE=(node --security-revert=CVE-2023-46809)

# A host name of its own each, or this machine's name would be in every message.
# shellcheck disable=SC2016 # the inner shell's arguments
NAMED=(unshare --uts sh -c 'hostname "$0" && exec "$@"')

opc_up() { # [SERVER OPTION...]: mes, plc-caps and its server on PORT
	net_npm
	mkdir -p "$PKI"
	opc_cert mes
	opc_cert operator
	net_up mes plc-caps
	opc_serve "$@"
}

opc_serve() {
	serve plc-caps t "${PORT:=4840}" "${NAMED[@]}" plc-caps \
		"${NODE[@]}" "$OPC_DIR/server.js" 10.1.2.131 "$PORT" "$PKI" "$@"
}

opc_client() { # STEP...
	on mes "${NAMED[@]}" mes "${NODE[@]}" "$OPC_DIR/client.js" "opc.tcp://10.1.2.131:$PORT/plc" "$PKI" "$@"
}

talking() { # N: until so many clients are connected
	local i
	for ((i = 0; i < 200; i++)); do
		[ "$(ip netns exec "$NET_PREFIX-plc-caps" ss -Htn state established "sport = :$PORT" | wc -l)" -ge "$1" ] && return
		sleep 0.1
	done
	echo "no $1 clients came" >&2
	return 1
}
