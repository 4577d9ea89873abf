#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The life of a watch that runs for months: who has the key, what dies and what goes on, what is read again, what is written while it listens.
. "$(dirname "$0")/_lib.sh"
. "$(dirname "$0")/_mirror.sh"

policy() { # HOLDING: what hmi1 may write
	cat <<-END
	interlock: 1
	site: watched
	mode: enforce
	zones:
	  scada: {level: 2, port: outside, nets: [10.1.2.0/25]}
	  cell: {level: 1, port: inside, nets: [10.1.2.128/25]}
	devices:
	  hmi1: {zone: scada, ip: 10.1.2.5}
	  plc1: {zone: cell, ip: 10.1.2.130}
	conduits:
	  - name: poll
	    from: [hmi1]
	    to: [plc1]
	    otherwise: drop
	    modbus:
	      addressing: zero-based
	      allow:
	        - {name: poll, units: [1], functions: read, holding: [0..199], coils: [0..63]}
	        - {name: set-$1, units: [1], functions: [6, 16], holding: [$1..119]}
	END
}
chmod 755 "$TMP" # whoever watch is then has to get there
"$INTERLOCK" key new "$TMP/key" >/dev/null || exit 1

watch() { # ARGS: in the background, and wait until it listens; WATCH: its pid
	rm -rf "$TMP/err" "$TMP/eve" "$TMP/journal"
	ip netns exec "$P-sw" timeout "$LIMIT" "$INTERLOCK" watch -i side --eve "$TMP/eve" --journal "$TMP/journal" --key "$TMP/key" "$@" 2>"$TMP/err" >"$TMP/out" &
	LISTEN=$!
	heard || return 1
	WATCH=$(pgrep -P "$LISTEN" | head -1)
	KEEPER=$(pgrep -P "$WATCH" -x watch-keeper)
}
signer() { pgrep -P "$KEEPER" -x watch-signer; }
another() { local s; s=$(signer) && [ -n "$s" ] && [ "$s" != "$1" ]; } # THAN
ended() { # STATUS
	kill -TERM "$WATCH"
	wait "$LISTEN"
	local got=$?
	[ $got = "$1" ] || { echo "status $got"; cat "$TMP/err"; return 1; }
}
within() { # COMMAND...: true in forty seconds
	for _ in {1..800}; do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
	echo "not within 40 s: $*"; cat "$TMP/err"
	return 1
}
said() { grep -qF -- "$1" "$TMP/err"; }
whole() { # the journal, to its signed end; nothing is missing from it
	"$INTERLOCK" journal verify --key "$TMP/key.pub" "$TMP/journal" >"$TMP/v" && grep -q 'complete: signed end' "$TMP/v" || { cat "$TMP/v"; return 1; }
}
tells() { [ "$(denied write_single_register) $(denied write_multiple_registers)" = "$*" ]; }
denied() { jq -r 'select(.alert.metadata.il_op) | .alert.metadata.il_op[0]' "$TMP/eve" | grep -c "$1"; }

# What parses packets has neither the rights to read the key nor its bytes; what has the key sees no packet, and no other file.
case_key() {
	policy 110 >"$TMP/p.yaml"
	watch -p "$TMP/p.yaml" || return 1
	local s uid
	s=$(signer) uid=$(awk '/^Uid/ { print $2 }' "/proc/$WATCH/status")
	[ "$uid" != 0 ] && [ "$(stat -c %u%a "$TMP/key")" = 0600 ] || return 1
	# as watch is: may it read the key, or look into the signer or the keeper?
	/usr/bin/python3 - "$uid" "$WATCH" "$s" "$KEEPER" "$TMP/key" <<-'END' || return 1
	import base64, json, os, sys
	uid, watch, signer, keeper, key = int(sys.argv[1]), *sys.argv[2:]
	secret = base64.urlsafe_b64decode(json.load(open(key))["d"] + "=")
	def has(pid):
	    with open(f"/proc/{pid}/mem", "rb", 0) as inside:
	        for line in open(f"/proc/{pid}/maps"):
	            span, rights = line.split()[:2]
	            begin, end = (int(x, 16) for x in span.split("-"))
	            if rights[0] != "r" or "[v" in line:
	                continue
	            try:
	                inside.seek(begin)
	                if secret in (inside.read(end - begin) or b""):
	                    return True
	            except OSError:
	                pass
	    return False
	if not has(signer): sys.exit("the signer has no key: then nothing was looked for")
	if has(watch): sys.exit("the key is in the memory of watch")
	if has(keeper): sys.exit("the key is in the memory of the keeper")
	os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
	for path in key, f"/proc/{signer}/mem", f"/proc/{keeper}/mem":
	    try:
	        open(path, "rb").close()
	        sys.exit(f"{path} can be read")
	    except PermissionError:
	        pass
	END
	in_ns sw ss -0 -H -p >"$TMP/sockets" # who has a packet socket
	grep -q "pid=$WATCH," "$TMP/sockets" && ! grep -qE "pid=($s|$KEEPER)," "$TMP/sockets" && grep -q 'Seccomp:.2' "/proc/$s/status" || return 1
	talk && ended 1 && whole
}
# The signer is killed in the middle of it, again and again: the next one goes on, nothing is lost, nothing twice.
case_signer_killed() {
	policy 110 >"$TMP/p.yaml"
	watch -p "$TMP/p.yaml" || return 1
	local was
	for _ in 1 2 3; do
		was=$(signer)
		kill -9 "$was"
		talk || return 1
		within another "$was" || return 1
	done
	talk
	ended 1 && said "signal 9; begins again" && whole || return 1
	# w6 of register 100 is not allowed; of four equal ones in a minute one is an alert, and what it stands for is counted
	[ "$(jq -s 'map(select(.alert.metadata.il_op == ["write_single_register"]) | (.alert.metadata.il_count[0] // "1" | tonumber)) | add' "$TMP/eve")" = 4 ] &&
		[ "$(jq -r '.alert.metadata.il_seq[0]' "$TMP/eve" | sort | uniq -d | wc -l)" = 0 ] &&
		jq -e -s 'map(select(.alert.signature | test("alerts lost"))) == []' "$TMP/eve" >/dev/null
}
# Watch itself is killed: what it had said is signed, and so is the end; nobody is left.
case_watch_killed() {
	policy 110 >"$TMP/p.yaml"
	watch -p "$TMP/p.yaml" && talk || return 1
	sleep 1
	local s; s=$(signer)
	kill -9 "$WATCH"
	wait "$LISTEN"
	within eval "! kill -0 $s && ! kill -0 $KEEPER" || return 1
	whole && [ "$(denied write_single_register)" = 1 ] &&
		[ "$(jq -r 'select(.alert.metadata.il_event == ["watch.stopped"]) | .alert.metadata.il_note[0]' "$TMP/eve")" = "the process that listened ended unexpectedly" ]
}
# Who keeps the signer is killed: watch says so and ends, since nothing it sees would be signed.
case_keeper_killed() {
	watch || return 1
	kill -9 "$KEEPER"
	wait "$LISTEN"
	[ $? = 2 ] && said "not be signed any more" && within whole
}
# Another policy, while packets come: from then on it judges, with its names; one with errors changes nothing.
case_reload() {
	policy 110 >"$TMP/p.yaml"
	watch -p "$TMP/p.yaml" && talk && within tells 1 0 || return 1
	policy 100 >"$TMP/p.yaml"
	kill -HUP "$WATCH"
	within said "read again, and in force" && talk || return 1 # register 100 is allowed now
	sed -i 's/holding: \[100/holding: [7000000/' "$TMP/p.yaml"
	kill -HUP "$WATCH"
	within said "the policy in force stays" && grep -q 'p.yaml:19:' "$TMP/err" && talk || return 1
	sleep 1 # what the kernel holds back is still judged by it
	kill -9 "$(signer)" # the next one has the names of the policy in force
	policy 115 >"$TMP/p.yaml"
	kill -HUP "$WATCH"
	for _ in {1..200}; do [ "$(grep -c 'read again, and in force' "$TMP/err")" = 2 ] && break; sleep 0.05; done
	talk || return 1
	ended 1 && whole || return 1
	# 100 is not allowed by the first, nothing by the second, 100 and 110 to 112 by the last
	tells 2 1 &&
		[ "$(jq -r '.alert.metadata.il_event[0] // empty' "$TMP/eve" | sort | uniq -c | awk '{ print $2, $1 }' | paste -sd, )" = "policy.loaded 2,policy.refused 1,watch.started 1,watch.stopped 1" ] || { cat "$TMP/eve"; return 1; }
}
# A signed policy is read again only when it is signed again; the baseline as a whole or not at all.
case_reload_signed() {
	policy 110 >"$TMP/p.yaml"
	"$INTERLOCK" key new "$TMP/pk" >/dev/null
	"$INTERLOCK" policy sign --key "$TMP/pk" "$TMP/p.yaml" >/dev/null || return 1
	echo '{"interlock_baseline": 1, "hosts": [], "conversations": []}' >"$TMP/b.json"
	chmod 644 "$TMP/b.json"
	watch -p "$TMP/p.yaml" --require-signed "$TMP/pk.pub" --baseline "$TMP/b.json" || return 1
	policy 100 >"$TMP/p.yaml"
	echo '{"interlock_baseline": 1, "hosts": [{"ip": "x"}], "conversations": []}' >"$TMP/b.json"
	kill -HUP "$WATCH"
	within said "the policy in force stays" && within said 'the baseline stays as it was' || return 1
	"$INTERLOCK" policy sign --key "$TMP/pk" "$TMP/p.yaml" >/dev/null || return 1
	echo '{"interlock_baseline": 1, "expected": [{"detection": "new-conversation", "from": "10.1.2.5", "to": "10.1.2.130", "enabled": true}]}' >"$TMP/b.json"
	kill -HUP "$WATCH"
	within said "read again, and in force" && within said "b.json: read again" && talk || return 1
	ended 0
}
# The devices are on disk while it listens, whole at any moment; a full disk is said, and stops nothing.
case_lists() {
	mkdir -p "$TMP/small"
	mount -t tmpfs -o size=64k tmpfs "$TMP/small" || return 1
	trap 'umount "$TMP/small" 2>/dev/null' RETURN
	watch --assets "$TMP/small/a.json" --conversations "$TMP/c.json" --map "$TMP/m.dot" --lists-every 1s && talk || return 1
	within eval 'jq -e ".devices | length >= 2" "$TMP/small/a.json"' && within eval 'jq -e ".conversations | length >= 1" "$TMP/c.json"' && within grep -q digraph "$TMP/m.dot" || return 1
	cp "$TMP/small/a.json" "$TMP/before"
	head -c 70000 /dev/zero >"$TMP/small/full" 2>/dev/null
	within said "No space left on device" && talk || return 1
	jq -e '.devices | length >= 2' "$TMP/small/a.json" >/dev/null || return 1 # as it was; and nothing half written stays
	within eval '[ "$(echo "$TMP"/small/*)" = "$TMP/small/a.json $TMP/small/full" ]' || return 1
	rm "$TMP/small/full"
	within eval '! cmp -s "$TMP/small/a.json" "$TMP/before"' || return 1
	ended 0 && grep -q 'lists: .* could not be written' "$TMP/err" && ! ls "$TMP"/*.part 2>/dev/null || return 1
	# what it knew is there after a restart, first times too; what is damaged is said
	watch --assets "$TMP/k.json" --assets-state "$TMP/k.state" && talk && sleep 1 && ended 0 || return 1
	cp "$TMP/k.json" "$TMP/before"
	watch --assets "$TMP/k.json" --assets-state "$TMP/k.state" && ended 0 || return 1
	[ "$(jq -c '[.devices[] | [.id, .first_seen]] | .[0:2]' "$TMP/k.json")" = "$(jq -c '[.devices[] | [.id, .first_seen]] | .[0:2]' "$TMP/before")" ] || return 1
	printf x >>"$TMP/k.state"
	watch --assets "$TMP/k.json" --assets-state "$TMP/k.state" && ended 0 && said "begins anew" || return 1
	# asked for
	watch --assets "$TMP/small/b.json" --lists-every 10m && talk || return 1
	[ ! -e "$TMP/small/b.json" ] || return 1
	within eval 'kill -USR1 "$WATCH"; sleep 0.3; jq -e ".devices | length >= 2" "$TMP/small/b.json"' && ended 0
}
# Evidence is named by the alert that another process has numbered.
case_evidence() {
	policy 110 >"$TMP/p.yaml"
	mkdir -p "$TMP/ev"
	watch -p "$TMP/p.yaml" --detect --evidence "$TMP/ev" && talk || return 1
	sleep 1
	ended 1 || return 1
	local n=0 f
	for f in $(jq -r '.alert.metadata.il_evidence[0] // empty' "$TMP/eve"); do
		n=$((n + 1))
		[ "$(sha256sum <"$TMP/ev/$f" | cut -c 1-64)" = "$(jq -r "select(.alert.metadata.il_evidence == [\"$f\"]) | .alert.metadata.il_evidence_sha256[0]" "$TMP/eve")" ] || { echo "$f"; return 1; }
	done
	[ $n -ge 1 ] && [ "$(find "$TMP/ev" -name '*.pcapng' | wc -l)" = $n ]
}
# --user root is what it says.
case_root() {
	watch --user root || return 1
	ended 0 && said "still root" && ! said "no longer root"
}

t "the key is not where packets are" case_key
t "a signer that is killed is begun again, and nothing is lost" case_signer_killed
t "watch is killed: the journal has a signed end" case_watch_killed
t "the keeper is killed: watch ends and says why" case_keeper_killed
t "another policy while packets come, and one with errors" case_reload
t "what has to be signed is read again only when it is" case_reload_signed
t "the lists are on disk while it listens" case_lists
t "evidence has the name of its alert" case_evidence
t "--user root says what it is" case_root
t_end
