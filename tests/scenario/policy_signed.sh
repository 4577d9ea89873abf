#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# guard --require-signed: signatures are minisign's own.  What is not signed, is signed by another, was changed
# or is older is not put in force, by a reload or by a start.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq minisign
topo_up || exit 1
D=$TMP/guard
POL=$TMP/policy.yaml

policy() { # RANGE: what may be polled, so that each is another file
	cat <<-EOF
		interlock: 1
		site: signed
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		conduits:
		  - name: c
		    from: [scada/*]
		    to: [cell/*]
		    modbus: {addressing: zero-based, allow: [{name: poll, units: [1], functions: read, holding: [0..$1]}]}
	EOF
}
# sign KEY SECONDS: as somebody who signs at that time
sign() { minisign -S -W -s "$TMP/$1.key" -m "$POL" -t "timestamp:$2" >/dev/null; }
put() { # RANGE [KEY SECONDS]
	policy "$1" >"$POL"
	rm -f "$POL.minisig"
	[ $# = 1 ] || sign "$2" "$3"
}
for k in plant other; do minisign -G -W -p "$TMP/$k.pub" -s "$TMP/$k.key" >/dev/null || exit 1; done

refused_start() { # WHAT: status 2, and one line says why
	local out
	out=$(in_ns g timeout 20 "$INTERLOCK" guard --outside xdp:outside --inside xdp:inside --ctl "$D/ctl" --state-dir "$D/state" \
		--keep-dir "$D/keep" -p "$POL" --require-signed "${2:-$TMP/plant.pub}" 2>&1)
	[ $? = 2 ] && grep -q "$1" <<<"$out" && return
	sed 's/^/# /' <<<"$out"
	return 1
}
ctl() { "$INTERLOCK" ctl --socket "$D/ctl" "$@"; }
in_force() { ctl --json status | jq -e --arg s "$(sha256sum "$POL" | cut -d' ' -f1)" '.result.policy.sha256 == $s' >/dev/null; }
refused() { # WHAT: the reload says why, and the policy that was in force stays
	local was out
	was=$(ctl --json status | jq -r .result.policy.sha256)
	out=$(ctl reload 2>&1) && { echo "# was taken: $out"; return 1; }
	grep -q "$1" <<<"$out" || { echo "# $out"; return 1; }
	[ "$(ctl --json status | jq -r .result.policy.sha256)" = "$was" ]
}
taken() { ctl reload >/dev/null && in_force; }

mkdir -p "$D"
put 9
t "unsigned: no start" refused_start 'is not signed: there is no .minisig'
put 9 other 1000
t "signed by another key: no start" refused_start 'is not signed by one of these keys'
put 9 plant 1000
echo '#' >>"$POL"
t "changed since: no start" refused_start 'was changed'
put 9 plant 1000
sed -i 's/timestamp:1000/timestamp:9999/' "$POL.minisig"
t "another time: no start" refused_start 'trusted comment is not the one that was signed'
policy 9 >"$POL"
minisign -S -W -s "$TMP/plant.key" -m "$POL" -t "without a time" >/dev/null
t "without a time: no start" refused_start 'does not say when it was made'
t "a key that is not there: no start" refused_start nokey "$TMP/nokey"
put 9 plant 1000
t "signed: a start" dut guard -p "$POL" --require-signed "$TMP/plant.pub"
t "what was accepted is kept" grep -q '"signed":1000,' "$D/keep/accepted-outside.json"

put 19
t "unsigned: no reload" refused 'is not signed: there is no .minisig'
put 19 other 2000
t "signed by another key: no reload" refused 'is not signed by one of these keys'
put 19 plant 2000
sed -i 's/0\.\.19/0..65535/' "$POL"
t "changed since: no reload" refused 'was changed'
put 19 plant 999
t "older: no reload" refused 'is older (signed 1970-01-01T00:16:39'
put 9 plant 1000
t "the same again" taken
put 19 plant 1000
t "another of the same second: no reload" refused 'in the same second'
put 19 plant 2000
t "newer" taken
put 9 plant 1000
t "back to the one before: no reload" refused 'is older'
t "HUP does not either" eval 'kill -HUP "$DUT_PID"; wait_for 5 eval "[ \$(grep -c \"reload: refused\" \"$D/log\") = 7 ]" && ! in_force'
t "each of them is an alert" wait_for 5 eval '[ "$(grep -c policy.refused "$D/eve.json")" = 7 ]'
dut_stop
t "nor a start: the last one is known" refused_start 'is older'
cp "$D/keep/accepted-outside.json" "$TMP/accepted"
echo '{' >"$D/keep/accepted-outside.json"
t "what cannot be read is not taken for nothing" refused_start 'remove it to begin anew'
cp "$TMP/accepted" "$D/keep/accepted-outside.json"
sign plant 3000
t "signed again: back to the one before" dut guard -p "$POL" --require-signed "$TMP/plant.pub"
t "and it is in force" in_force
put 29 plant 2000
t "what was newer then is older now" refused 'is older'
broken_after() { # a signed policy with an error changes nothing, not the time either
	echo 'zones: 7' >"$POL"
	sign plant 5000
	refused ':1:' && put 9 plant 4000 && taken
}
t "an error in a newer one does not count" broken_after
dut_stop
t_end
