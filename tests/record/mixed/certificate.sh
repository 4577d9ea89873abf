#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What TLS servers say of themselves.  Up to TLS 1.2 their certificates go over the wire in clear:
#
#   plc-filler  TLS 1.2, a certificate of 44 names that needs three segments
#   plc-caps    TLS 1.0, a certificate that it signed itself, good for a hundred years
#   eng1        TLS 1.2, one of the plant's own authority, good for a hundred years
#   hmi1        TLS 1.2, one that names its authority twice, and who connects shows one too
#   infra       TLS 1.3, which hides the certificate
#
# mes connects to each of them once.
# stacks: openssl s_server and s_client
. "$(dirname "$0")/../netns.sh"
command -v openssl >/dev/null || { echo "skipped: no openssl"; exit 77; }
cd "$NET_TMP" || exit

own() { # NAME DAYS SUBJECT: NAME.crt and NAME.key
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.crt" -days "$2" -subj "$3" 2>/dev/null
}
signed() { # NAME DAYS SUBJECT [EXTENSION]: by the plant's own authority
	openssl req -new -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$3" 2>/dev/null
	openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days "$2" -out "$1.crt" \
		-extfile <(echo "${4:-basicConstraints=CA:FALSE}") 2>/dev/null
}
own ca 3650 '/O=Interlock Plant Owner/CN=Line 2 CA'
signed plc-filler 3650 '/C=DE/ST=Bavaria/L=Nuremberg/O=Interlock Recorders of Bottling Line Two/OU=Filling/CN=panel-7.line2.example' \
	"subjectAltName=$(printf 'DNS:panel-7-%02d.bottling-line-two.plant.recorders.example,' {1..43})DNS:panel-7.line2.example"
own plc-caps 36500 '/C=DE/CN=caps panel/O=Panel Makers, Inc.'
signed eng1 36500 '/C=DE/O=Station Makers/CN=station 9'
signed hmi1 3650 '/CN=hmi1' authorityKeyIdentifier=keyid,issuer:always
signed mes 3650 '/O=Interlock Recorders/CN=mes client'
signed infra 3650 '/O=Interlock Recorders/CN=hidden.example'

tls() { # HOST [OPTION...]: a server
	serve "$1" t 443 openssl s_server -accept 443 -cert "$1.crt" -key "$1.key" -quiet "${@:2}"
}
connect() { # ADDRESS [OPTION...]: mes does, and says something
	# shellcheck disable=SC2016 # of the inner shell
	on mes sh -c '{ sleep 0.2; echo hello; sleep 0.2; } | openssl s_client -connect "$@"' sh "$1:443" "${@:2}"
}
net_up hmi1 eng1 mes infra plc-filler plc-caps
tls plc-filler -tls1_2
tls plc-caps -tls1 -cipher DEFAULT@SECLEVEL=0
tls eng1 -tls1_2
tls hmi1 -tls1_2 -Verify 1 -CAfile ca.crt
tls infra -tls1_3

capture
connect 10.1.2.130 -tls1_2 -servername filler.example
connect 10.1.2.131 -tls1 -cipher DEFAULT@SECLEVEL=0
connect 10.1.2.9 -tls1_2
connect 10.1.2.5 -tls1_2 -cert mes.crt -key mes.key
connect 10.1.2.10 -tls1_3
capture_end
