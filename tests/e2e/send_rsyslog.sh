#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# interlock send to a real syslog server: Debian's rsyslog, TLS with certificates on both sides, octet counting.  What
# it has parsed and written is what was signed, line by line.  Its own configuration, no service of the machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
B=${B:-build} IL=${INTERLOCK:-$PWD/${B:-build}/interlock}
PATH=$PATH:/usr/sbin:/sbin
"$IL" --version | grep -q '+send' || { echo "this build has no sender"; exit 77; }
command -v rsyslogd >/dev/null || { echo "no rsyslogd here (mk/deps.sh test)"; exit 77; }
compgen -G '/usr/lib/*/rsyslog/lmnsd_gtls.so' >/dev/null || { echo "rsyslog has no TLS here (rsyslog-gnutls)"; exit 77; }
tmp=$(mktemp -d)
server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || :; rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/ca.key" -out "$tmp/ca.crt" -days 2 -subj /CN=ca 2>/dev/null
for name in server sensor; do
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/$name.key" -out "$tmp/$name.csr" -subj "/CN=$name" 2>/dev/null
	openssl x509 -req -in "$tmp/$name.csr" -CA "$tmp/ca.crt" -CAkey "$tmp/ca.key" -CAcreateserial -days 2 -out "$tmp/$name.crt" \
		-extfile <(echo subjectAltName=IP:127.0.0.1,DNS:$name) 2>/dev/null
done
"$IL" key new "$tmp/key" >/dev/null
"$B/tests/tools/journal_writer" "$tmp/j" "$tmp/key" s1 40 25 0
n=$(cat "$tmp"/j/*.eve | wc -l)
chmod -R a+rX "$tmp"

port=$((20000 + RANDOM % 10000))
cat >"$tmp/conf" <<END
global(workDirectory="$tmp" maxMessageSize="128k" parser.escapeControlCharactersOnReceive="off"
       defaultNetstreamDriverCAFile="$tmp/ca.crt" defaultNetstreamDriverCertFile="$tmp/server.crt" defaultNetstreamDriverKeyFile="$tmp/server.key")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["sensor"])
input(type="imtcp" port="$port" address="127.0.0.1" ruleset="got")
template(name="line" type="string" string="%msg%\n")
template(name="head" type="string" string="%pri% %hostname% %app-name% %procid% %msgid% %structured-data% %timereported:::date-rfc3339%\n")
ruleset(name="got") {
	action(type="omfile" file="$tmp/got" template="line")
	action(type="omfile" file="$tmp/heads" template="head")
}
END
rsyslogd -n -C -f "$tmp/conf" -i "$tmp/pid" >"$tmp/said" 2>&1 &
server=$!
for _ in {1..100}; do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
	kill -0 "$server" 2>/dev/null || { cat "$tmp/said"; exit 1; }
	sleep 0.1
done

mkdir -m 777 "$tmp/run"
timeout 60 "$IL" send --once --journal "$tmp/j" --state "$tmp/run/st" --retry-max 1s \
	"syslog+tls://127.0.0.1:$port,ca=$tmp/ca.crt,cert=$tmp/sensor.crt,key=$tmp/sensor.key" || { cat "$tmp/said"; exit 1; }
for _ in {1..100}; do
	[ "$(cat "$tmp/got" 2>/dev/null | wc -l)" -ge "$n" ] && break
	sleep 0.1
done
sed 's/^ //' "$tmp/got" | cmp - <(cat "$tmp"/j/*.eve) || { head -n 2 "$tmp/got"; exit 1; }
echo "$(wc -l <"$tmp/got") alerts, byte for byte"

# Every header was understood: facility 13, who sends, which batch and number.
[ "$(awk '$2 == "s1" && $3 == "interlock" && $4 == "-" && $5 == "alert" && $1 >= 104 && $1 <= 111' "$tmp/heads" | wc -l)" = "$n" ] ||
	{ head -n 3 "$tmp/heads"; exit 1; }
[ "$(grep -oE ' seq="[0-9]+"' "$tmp/heads" | sort -u | wc -l)" = "$n" ]
echo "headers and structured data were parsed"

# Whom it does not know, it takes nothing from; and that is said.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/x.key" -out "$tmp/x.crt" -days 2 -subj /CN=x 2>/dev/null
chmod a+r "$tmp"/x.*
timeout 3 "$IL" send --journal "$tmp/j" --state "$tmp/run/st2" --retry-max 1s --drain 1s \
	"syslog+tls://127.0.0.1:$port,ca=$tmp/ca.crt,cert=$tmp/x.crt,key=$tmp/x.key" 2>"$tmp/err" || :
[ "$(wc -l <"$tmp/got")" = "$n" ] && [ -s "$tmp/err" ] || { cat "$tmp/err"; exit 1; }
echo "a stranger is refused: $(head -n 1 "$tmp/err")"
