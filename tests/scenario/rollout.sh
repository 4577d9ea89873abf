#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A signed policy goes from a collector to a guard, in stages and on trial: confirmed when nothing came of it, gone again when
# something did, refused when it is not signed by who may.  The same from a step of a playbook, a permit too.  Polls (libmodbus) go on through all of it.
# shellcheck source=tests/scenario/_lib.sh
. "$(dirname "$0")/_lib.sh"
need_root
need_guard
need jq openssl curl
"$INTERLOCK" --version | grep -q '+send' || skip "built without the sender"
"$INTERLOCK" --version | grep -q '+collector' || skip "built without the collector"
lib_start
need_libmodbus
topo_up || exit 1
ip netns add "$P-c" || exit 1
ip -n "$P-g" link add m0 type veth peer name m1 netns "$P-c" || exit 1
for end in g:m0:1 c:m1:2; do
	IFS=: read -r ns dev n <<<"$end"
	ip -n "$P-$ns" addr add 10.9.0.$n/24 dev "$dev"
	ip -n "$P-$ns" link set "$dev" up
	ip -n "$P-$ns" link set lo up
done
serve plc1 t 502 "$TMP/server" "$TMP/mb_server" 502 "$TMP/mb.log" || exit 1
D=$TMP/guard CO=$TMP/co SENSOR=$(hostname)
for k in policy other lead; do "$INTERLOCK" key new "$TMP/$k.key" >/dev/null || exit 1; done
X=$("$INTERLOCK" key show --jwk "$TMP/lead.key.pub" | jq -r .x)

policy() { # FOLDER RANGE [KEY]: what may be written is in a file that the policy includes
	mkdir -p "$TMP/$1/rules"
	cat >"$TMP/$1/plant.yaml" <<-EOF
		interlock: 1
		site: trial
		mode: enforce
		l2: {arp: any}
		zones:
		  scada: {port: outside, nets: [10.1.2.0/25]}
		  cell: {port: inside, nets: [10.1.2.128/25]}
		permits: {keys: [$X], max: 1h}
		windows: {service: {when: "daily 00:00-24:00", tz: Europe/Berlin, needs: permit}}
		devices:
		  hmi: {zone: scada, ip: ${IP[hmi]}}
		  plc1: {zone: cell, ip: ${IP[plc1]}}
		include: rules/cell.yaml
	EOF
	cat >"$TMP/$1/rules/cell.yaml" <<-EOF
		interlock: 1
		conduits:
		  - name: c
		    from: [scada/*]
		    to: [cell/*]
		    otherwise: reject
		    modbus:
		      addressing: zero-based
		      allow:
		        - {name: poll, units: [1], functions: read, holding: [0..119]}
		        - {name: set, units: [1], functions: [6], holding: [$2]}
		        - {name: service, units: [1], functions: [6], holding: [110..110], only-in: service}
	EOF
	"$INTERLOCK" policy sign --key "$TMP/${3-policy.key}" "$TMP/$1/plant.yaml" >/dev/null
}
ctl() { "$INTERLOCK" ctl --socket "$D/ctl" "$@"; }
client() { on hmi "$TMP/mb_client" "${IP[plc1]}" 502 "$@"; }
may() { # REGISTER: this may be written and no other of 100 to 102
	local r
	for r in 100 101 102; do
		if [ "$r" = "$1" ]; then client w6:$r:7 >/dev/null; else client w6:$r:7=exception >/dev/null; fi || { echo "# register $r"; return 1; }
	done
}
rollout() { "$INTERLOCK" collect rollout "$CO" "$@"; }
is() { # ID JQ: true of this roll-out
	rollout --json | jq -e --argjson id "$1" ".items[] | select(.id == \$id) | $2" >/dev/null
}
becomes() { wait_for "$1" is "$2" "$3" || { rollout | sed 's/^/# /'; tail -n 3 "$TMP/ctl.log" "$TMP/send.log" | sed 's/^/# /'; return 1; }; }
of() { echo "any(.sensors[]; .name == \"$1\" and .step == \"$2\")"; }

policy v1 100..100 || exit 1
sleep 1 # one signed in the same second is not newer
policy v2 101..101 && policy wrong 102..102 other.key || exit 1
mkdir "$TMP/etc" && cp -r "$TMP/v1/." "$TMP/etc" || exit 1
t "a guard that takes signed policies only" dut guard -p "$TMP/etc/plant.yaml" --require-signed "$TMP/policy.key.pub"
t "register 100 may be written" may 100
bg hmi "$TMP/poll" "$TMP/mb_client" "${IP[plc1]}" 502 for:240:20
SESSION=$PID

"$INTERLOCK" collect init "$CO" --host 10.9.0.2 >/dev/null || exit 1
"$INTERLOCK" collect user "$CO" ada --role admin <<<"correct horse battery" >/dev/null || exit 1
serve c t 8444 "$TMP/co.log" "$INTERLOCK" collect "$CO" --plain --library "$ROOT/library" --listen 127.0.0.1:8443 --ingest 10.9.0.2:8444 || exit 1
"$INTERLOCK" key new "$TMP/packing.key" >/dev/null
enrol() { # NAME KEY DIR
	local token
	token=$("$INTERLOCK" collect token "$CO" "$1" --approve) || return 1
	on g "$INTERLOCK" send enrol --collector https://10.9.0.2:8444 --token "$(grep -oE '[A-Za-z0-9_-]{32}' <<<"$token" | head -n 1)" --ca "$CO/ca.crt" \
		--key "$2" --name "$1" --dir "$3" >/dev/null
}
t "two sensors enrol" eval 'enrol "$SENSOR" "$GUARD_DIR/key" "$TMP/id" && enrol packing "$TMP/packing.key" "$TMP/id2"'
bg g "$TMP/send.log" "$INTERLOCK" send -v --journal "$D/journal" --state "$TMP/sent" --identity "$TMP/id" --user root --rollouts "$TMP/offers" \
	--retry-max 1s https://10.9.0.2:8444
SEND=$PID
follow() { # [OPTION]...
	bg g "$TMP/ctl.log" "$INTERLOCK" ctl --socket "$D/ctl" rollout "$TMP/offers" --key "$TMP/policy.key.pub" -p "$TMP/etc/plant.yaml" --follow "$@"
	FOLLOW=$PID
}
follow

# --- what the collector does not take --------------------------------------------------------------------
refused() { local out; out=$(rollout "$@" 2>&1) && return 1; grep -q "$WANT" <<<"$out" || { echo "# $out"; return 1; }; }
cp -r "$TMP/v2" "$TMP/unsigned" && rm "$TMP/unsigned/plant.yaml.minisig"
WANT='plant.yaml.minisig: No such file' t "a policy without a signature" refused "$TMP/unsigned/plant.yaml" --stage "$SENSOR"
cp -r "$TMP/v2" "$TMP/changed" && sed -i s/101/100/ "$TMP/changed/rules/cell.yaml"
WANT='the signature is not of these files' t "one of whose files was changed" refused "$TMP/changed/plant.yaml" --stage "$SENSOR"
WANT='nobody: no enrolled sensor' t "a sensor that it does not know" refused "$TMP/v2/plant.yaml" --stage nobody
WANT='longer than the soak' t "a trial that ends before the soak" refused "$TMP/v2/plant.yaml" --stage "$SENSOR" --soak 10m

# --- a good one ----------------------------------------------------------------------------------------------
t "a roll-out in two stages" eval 'ID=$(rollout "$TMP/v2/plant.yaml" --stage "$SENSOR" --stage packing --trial 60s --soak 3s)'
t "the guard has it on trial" becomes 30 "$ID" "$(of "$SENSOR" on_trial)"
t "register 101 may be written" may 101
WANT='has part in another' t "another one for the same sensor is refused" refused "$TMP/v1/plant.yaml" --stage "$SENSOR"
t "somebody else is refused something" eval 'on eng "$TMP/mb_client" "${IP[plc1]}" 502 w6:50:7=exception >/dev/null'
t "that incident holds it" becomes 20 "$ID" '.state == "held" and (.why | test("has incident"))'
t "somebody says: go on" rollout --go "$ID"
t "it is confirmed, and stage 1 is done" becomes 30 "$ID" ".state == \"held\" and .why == \"stage 1 of 2 is done\" and $(of "$SENSOR" in_force) and $(of packing waits)"
settled() { ctl status --json | jq -e '.result.policy | .trial == null and .file_differs != true' >/dev/null; }
t "nothing is on trial at the guard" wait_for 5 settled
kept() { diff -r "$TMP/v2" "$TMP/etc" | sed 's/^/# /'; [ "${PIPESTATUS[0]}" = 0 ]; }
t "its files are those that were rolled out" kept
t "the next stage" rollout --go "$ID"
t "is offered" becomes 10 "$ID" "$(of packing offered)"
t "and stopped" eval 'rollout --stop "$ID" && becomes 5 "$ID" ".state == \"stopped\""'
t "no offer is left at the first sensor" wait_for 15 test ! -e "$TMP/offers/offer.json"

# --- bad ones --------------------------------------------------------------------------------------------------
t "one that was signed by somebody else" eval 'ID=$(rollout "$TMP/wrong/plant.yaml" --stage "$SENSOR" --trial 30s --soak 1s)'
t "is refused by the sensor, which says why" becomes 30 "$ID" '.state == "failed" and (.sensors[0] | .step == "refused" and (.said | test("signed by key number")))'
t "one that is older" eval 'ID=$(rollout "$TMP/v1/plant.yaml" --stage "$SENSOR" --trial 30s --soak 1s)'
t "is refused by the guard" becomes 30 "$ID" '.state == "failed" and (.sensors[0] | .step == "refused" and (.said | test("older")))'
t "register 101 is still the one" may 101
# It cuts the sensor off: nobody can confirm it.
policy v3 102..102
t "one that nobody confirms" eval 'ID=$(rollout "$TMP/v3/plant.yaml" --stage "$SENSOR" --trial 20s --soak 5s)'
t "is on trial" becomes 30 "$ID" "$(of "$SENSOR" on_trial)"
ip -n "$P-g" link set m0 down
t "in force while the network is cut" may 102
back() { [ "$(ctl status --json | jq -r .result.policy.generation)" != "$GEN" ] && may 101; }
GEN=$(ctl status --json | jq -r .result.policy.generation)
t "gone by itself" wait_for 30 back
ip -n "$P-g" link set m0 up
t "the collector hears of it" becomes 40 "$ID" ".state == \"failed\" and $(of "$SENSOR" rolled_back)"
t "the files are as before" kept

# --- from a step of a playbook ------------------------------------------------------------------------------------
prepare() { "$INTERLOCK" collect prepare "$CO" "$@" --sensor "$SENSOR"; }
permit() { "$INTERLOCK" permit new --key "$TMP/$2.key" --by "J. Doe" --site trial --window service --from hmi --to plc1 --until 30m -o "$TMP/$1.jws"; }
api() { # METHOD PATH [BODY]
	on c curl -sS -b "$TMP/jar" -c "$TMP/jar" -X "$1" -H "X-CSRF-Token: $CSRF" ${3:+--data "$3"} "http://127.0.0.1:8443/api/v1/$2"
}
step() { jq -r --arg kind "$1" '[.phases[][] | select(.action.kind == $kind)][0].id' "$TMP/book.json"; }
apply() { # KIND PREPARED: ID is the roll-out
	ID=$(api POST "incidents/$INCIDENT/apply" "{\"playbook\":\"program-download\",\"step\":\"$(step "$1")\",\"prepared\":$2,\"trial_s\":${3:-60},\"soak_s\":2}" | jq -e .id)
}
ticked() { api GET "incidents/$INCIDENT" | jq -e --arg s "$(step "$1")" --arg note "#$ID " 'any(.ticks[]; .step == $s and .user == "ada" and (.note | startswith($note)))' >/dev/null; }
logged() { api GET "incidents/$INCIDENT" | jq -e --arg k "$1" --arg v "#$ID" 'any(.log[]; .key == $k and (.value | contains($v)))' >/dev/null; }
CSRF=-
CSRF=$(api POST login '{"user":"ada","password":"correct horse battery"}' | jq -r .csrf)
INCIDENT=$(api GET "incidents?sensor=$SENSOR&limit=50" | jq '[.items[] | select(.kind == "policy")][0].id')
"$INTERLOCK" library show --json "$ROOT/library" program-download | jq '{phases: (.steps | group_by(.phase))}' >"$TMP/book.json"
permit wrong other && permit good lead && policy v4 100..100 || exit 1
WRONG=$(prepare wrong "$TMP/wrong.jws" --permit) GOOD=$(prepare service "$TMP/good.jws" --permit) NARROW=$(prepare narrow "$TMP/v4/plant.yaml") || exit 1
service() { client w6:110:7 >/dev/null; }
t "what needs a permit is refused" eval '! service 2>/dev/null'
t "a permit where none are taken" apply permit "$WRONG"
t "is refused by the sensor, which says why" becomes 30 "$ID" '.state == "failed" and (.sensors[0].said | test("--permits"))'
stop "$FOLLOW"
follow --permits
t "one by a key that may not sign here" apply permit "$WRONG"
t "is refused by the guard" becomes 30 "$ID" '.state == "failed" and (.sensors[0].said | test("may not sign permits here"))'
t "and the incident's log has it" logged not_applied
t "a good one" apply permit "$GOOD"
t "is opened, and the step ticked" eval 'becomes 30 "$ID" ".state == \"done\"" && wait_for 5 ticked permit'
t "what it is for passes" wait_for 5 service
# What the guard told of those permits is an incident, too; what was there before the offer does not count.
t "a prepared policy" apply policy "$NARROW"
t "is on trial" becomes 30 "$ID" "$(of "$SENSOR" on_trial)"
t "stopped by an admin" eval '! ticked policy && api POST "rollouts/$ID" "{\"do\":\"stop\"}" >/dev/null && logged stopped'
policy v5 102..102 && LAST=$(prepare last "$TMP/v5/plant.yaml") || exit 1
rolled_back() { ctl rollback >/dev/null 2>&1; may 101; }
t "is no more at the guard" wait_for 10 rolled_back
t "another one" apply policy "$LAST"
t "is confirmed by the sensor, and the step ticked" eval 'becomes 40 "$ID" ".state == \"done\"" && wait_for 5 ticked policy && logged applied && may 102'

stop "$FOLLOW"
stop "$SEND"
t "no poll failed: its client goes on" kill -0 "$SESSION"
ip netns pids "$P-c" | xargs -r kill 2>/dev/null
ip netns del "$P-c"
t_end
