#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# interlock ctl and the metrics, against the parts of a guard that talk (tests/tools/ctl_stub.c).

bats_require_minimum_version 1.5.0

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" # others than root ask too
	export ROOT=$BATS_TEST_DIRNAME/../..
	export IL=${INTERLOCK:-$ROOT/build/interlock}
	[[ $IL == /* ]] || IL=$ROOT/$IL
	export STUB=$(dirname "$IL")/tests/tools/ctl_stub
	cp "$ROOT/policies/cell.yaml" plant.yaml
	"$IL" key new key >/dev/null
	port=$((20000 + $$ % 20000))
	echo $port >port
	"$STUB" "$PWD/ctl.sock" "$PWD/plant.yaml" 127.0.0.1:$port "$PWD/journal" "$PWD/key" "$PWD/eve.json" \
		>log 2>&1 3>&- &
	echo $! >pid
	for _ in $(seq 400); do [ -S ctl.sock ] && [ -s eve.json ] && break; sleep 0.1; done
}
teardown_file() {
	cd "$BATS_FILE_TMPDIR"
	kill "$(cat pid)" 2>/dev/null || true
}
setup() {
	cd "$BATS_FILE_TMPDIR"
	"$IL" --version | grep -q '+xdp' || skip "built without xdp"
}
ctl() { "$IL" ctl --socket "$PWD/ctl.sock" "$@"; }
# what arrives at the socket, raw
raw() { python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect("ctl.sock")
s.sendall(sys.argv[1].encode() + b"\n")
s.shutdown(socket.SHUT_WR)
while (b := s.recv(65536)): sys.stdout.buffer.write(b)' "$1"; }
get() { python3 -c '
import sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())' "http://127.0.0.1:$(cat port)$1"; }

@test "status is a page, and all is well" {
	run -0 ctl status
	[[ $output == *"policy    $PWD/plant.yaml (site bottling-line-2): mode enforce"* ]]
	[[ $output == *"received 1,234,567 + injected 3 = forwarded 1,234,500 + dropped 66"* ]]
	[[ $output == *"hmi-filler                      10,000   65.5 us  100.0 us"* ]]
	[[ $output == *"filter    l2.policy"* ]]
	[[ $output == *"journal   $PWD/journal: "* ]]
	[[ $output != *" ! "* ]]
}

@test "status as JSON is what the protocol says" {
	run -0 ctl --json status
	jq -e '.v == 1 and .ok and .result.packets.received == 1234567 and
		(.result.ports | map(.name)) == ["eth1", "eth2"] and
		.result.conduits[0].packets == 10000 and .result.alerts.journal.batch >= 1' <<<"$output"
}

@test "counters names every reason and every rule" {
	run -0 ctl counters
	[[ $output == *"policy.no_conduit"* && $output == *"setpoints"* && $output == *"599,940"* ]]
	run -0 ctl --json counters
	jq -e '[.result.drops[] | select(.by == "engine")] | length > 30' <<<"$output"
	jq -e '.result.rules | map(select(.hits == 599940)) | length == 1' <<<"$output"
}

@test "flows come as a file" {
	run -0 ctl flows
	[ "$output" = "hmi1 plc-filler tcp 40000 502 open" ]
}

@test "reload: in force, or refused with the line, and status says so" {
	run -0 ctl reload
	[[ $output == "the policy is in force, generation "* ]]
	sed -i 's/functions: read/functions: reed/' plant.yaml
	run -2 ctl reload
	[[ $output == *"plant.yaml:"*"reed"* ]]
	run -1 ctl status
	[[ $output == *"! reload refused at 20"*"reed"* ]]
	cp "$ROOT/policies/cell.yaml" plant.yaml
	run -0 ctl reload
	run -0 ctl status
}

@test "a policy on trial: said at once, counted down, confirmed" {
	run -0 ctl reload --confirm 10m
	[[ $output == *"is in force again in 10 min 0 s, unless: interlock ctl confirm"* ]]
	run -1 ctl status
	[[ $output == *"! generation "*" is NOT CONFIRMED: in 10 min 0 s generation 1 is in force again"* ]]
	run -0 ctl --json status
	jq -e '.result.policy.trial | .left_s == 600 and .back_to == 1 and (.until | test("^20"))' <<<"$output"
	ctl metrics | grep -qx 'interlock_policy_on_trial 1'
	run -0 ctl confirm
	[[ $output == "confirmed: generation "*" stays in force" ]]
	run -0 ctl status
	run -2 ctl confirm
	ctl metrics | grep -qx 'interlock_policy_on_trial 0'
	# what is no time, and a verb that has none
	for t in 10 x 0m 10y -1m 99999999999s; do run -2 ctl reload --confirm "$t"; done
	run -2 ctl status --confirm 10m
	[[ $output == *"status: does not take that option"* ]]
}

@test "shadow: what is asked, and what is no question" {
	run -0 ctl shadow
	[ "$output" = "no policy is judged beside the one in force" ]
	run -0 ctl --json shadow
	jq -e '.result.on == false' <<<"$output"
	run -2 ctl shadow no-such-file.yaml
	[[ $output == *"no-such-file.yaml: No such file"* ]]
	run -2 ctl shadow plant.yaml plant.yaml
	run -2 ctl status plant.yaml
	run -2 ctl reload --promote
	[[ $output == *"reload: does not take that option"* ]]
	ctl metrics | grep -qx 'interlock_shadow 0'
}

@test "panic: in capitals, first of all" {
	run -0 ctl panic open
	[ "$output" = "PANIC OPEN: everything passes" ]
	run -1 ctl status
	[[ ${lines[1]} == "  ! PANIC OPEN: EVERYTHING PASSES, by user 0 (process 1) since 20"*" UTC, until ctl panic off" ]]
	run -0 ctl --json status
	jq -e '.result.panic | .mode == "open" and .until == null' <<<"$output"
	run -0 ctl panic island
	run -1 ctl status
	[[ ${lines[1]} == *"PANIC ISLAND: NOTHING PASSES BETWEEN THE PORTS"* ]]
	ctl metrics | grep -qx 'interlock_panic{mode="island"} 1'
	run -0 ctl panic off
	[ "$output" = "the policy is in force again" ]
	run -0 ctl status
	run -2 ctl panic
	run -2 ctl panic open --for never
	run -2 ctl status --for 1m
}

@test "the EVE file is opened anew after a rename" {
	mv eve.json eve.json.1
	run -0 ctl reopen
	for _ in $(seq 400); do [ -e eve.json ] && break; sleep 0.1; done
	run -0 ctl reload
	for _ in $(seq 400); do [ -s eve.json ] && break; sleep 0.1; done
	grep -q policy.loaded eve.json
	grep -q guard.started eve.json.1
}

@test "wrong usage and no guard are status 2" {
	run -2 ctl
	run -2 ctl explode
	[[ $output == *"no such verb"* ]]
	run -2 ctl --nonsense status
	run -2 "$IL" ctl --socket "$PWD/nowhere.sock" status
	[[ $output == *"is a guard running?"* ]]
	touch dead.sock
	run -2 "$IL" ctl --socket "$PWD/dead.sock" status
	run -2 "$IL" ctl --socket "/$(printf 'x%.0s' $(seq 200))" status
	[[ $output == *"too long"* ]]
}

@test "the protocol without our program" {
	run -0 raw '{"v":1,"verb":"status","id":7}'
	jq -e '.id == 7 and .ok' <<<"$output"
	run -0 raw '{"v":9,"verb":"status"}'
	jq -e '.ok == false and .code == "unsupported"' <<<"$output"
	run -0 raw 'hello'
	jq -e '.ok == false and .code == "syntax"' <<<"$output"
}

@test "viewers look, others do not even that" {
	[ "$(id -u)" = 0 ] || skip "needs root to be somebody else"
	as() { setpriv --reuid=65534 --regid="$1" --clear-groups "$IL" ctl --socket "$PWD/ctl.sock" "$2"; }
	run -0 as 65534 status
	run -2 as 65534 reload
	[[ $output == *"reload is for admins"* ]]
	run -2 as 12345 status
	[[ $output == *"neither viewer nor admin"* ]]
	grep -q "reload refused to user 65534" log
	grep -q "user 65534 .* is neither viewer nor admin" log
}

@test "metrics: the format, by a parser that is not ours" {
	"$IL" --version | grep -q '+metrics' || skip "built without libmicrohttpd"
	get /metrics >metrics.txt
	run -0 /usr/bin/python3 - <<-'EOF'
	from prometheus_client.parser import text_string_to_metric_families
	fam = {f.name: f for f in text_string_to_metric_families(open("metrics.txt").read())}
	value = lambda n, **l: [s.value for f in fam.values() for s in f.samples if s.name == n and s.labels == l]
	assert value("interlock_packets_received_total") == [1234567], "received"
	assert value("interlock_packets_dropped_total", reason="policy.pdu") == [60]
	assert value("interlock_filter_dropped_total", port="inside", reason="l2.policy") == [33]
	lat = fam["interlock_latency_seconds"]
	assert lat.type == "histogram"
	b = [(float(s.labels["le"]), s.value) for s in lat.samples
	     if s.name.endswith("_bucket") and s.labels["conduit"] == "hmi-filler"]
	assert b == sorted(b) and [v for _, v in b] == sorted(v for _, v in b) and b[-1] == (float("inf"), 10000)
	assert value("interlock_latency_seconds_count", conduit="hmi-filler") == [10000]
	assert abs(value("interlock_latency_seconds_sum", conduit="hmi-filler")[0] - 0.6508) < 0.01
	assert all(f.documentation and f.type != "untyped" for f in fam.values())
	print(len(fam), "families")
	EOF
	[[ $output == *" families" ]]
	# the text of ctl is the same
	ctl metrics >ctl.txt
	diff <(grep -o '^[a-z_]*' ctl.txt | sort -u) <(grep -o '^[a-z_]*' metrics.txt | sort -u)
}

@test "metrics: nothing else is served, and rude clients change nothing" {
	"$IL" --version | grep -q '+metrics' || skip "built without libmicrohttpd"
	run -1 get /
	[[ $output == *"404"* ]]
	run -0 /usr/bin/python3 - "$(cat port)" <<-'EOF'
	import socket, sys, time
	def ask(data, port=int(sys.argv[1])):
	    s = socket.create_connection(("127.0.0.1", port), 5)
	    s.settimeout(5)
	    try:
	        s.sendall(data)
	        s.shutdown(socket.SHUT_WR)
	        return s.recv(200).decode("latin1")
	    except OSError as e:
	        return str(e)
	# One address has so many connections, and those above may not be seen closed yet.
	def answered(data, want, until=time.monotonic() + 8):
	    while want not in (got := ask(data)):
	        assert time.monotonic() < until, got
	        time.sleep(0.1)
	answered(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", " 405 ")
	ask(b"\x16\x03\x01\x02\x00" + b"A" * 500)
	ask(b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n")
	held = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5) for _ in range(5)]
	answered(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", " 200 ")
	EOF
	get /metrics | grep -q '^interlock_process_up{process="metrics"} 1'
}

@test "a permit is opened once, listed, revoked, and all of it is told" {
	x=$("$IL" key show --jwk key.pub | python3 -c 'import json, sys; print(json.load(sys.stdin)["x"])')
	cp plant.yaml plant.before
	cat >plant.yaml <<-END
	interlock: 1
	site: s
	mode: enforce
	permits: {keys: [$x], grace: 1s}
	windows: {w: {when: "daily 00:00-24:00", tz: UTC, needs: permit}}
	zones: {a: {nets: [10.0.1.0/24]}, b: {nets: [10.0.2.0/24]}}
	devices: {eng: {zone: a, ip: 10.0.1.2}, plc: {zone: b, ip: 10.0.2.1}}
	conduits: [{name: e, from: [eng], to: [plc], only-in: w, s7: {allow: [{name: any, functions: all}]}}]
	END
	ctl reload
	"$IL" permit new --key key --by "J. Doe" --site s --window w --from eng --to plc --until 1h -o p.jws
	id=$("$IL" permit show p.jws | sed -n 's/^permit *//p')
	run -0 ctl permit p.jws
	[[ $output == "open: permit $id" ]]
	run -0 ctl permits
	[[ $output == *"clock: good"* && $output == *"$id  open"*"eng to plc  J. Doe"* ]]
	run -2 ctl permit p.jws
	[[ $output == *"it was used before"* ]]
	run -0 ctl permit --revoke "$id"
	run -2 ctl permit --revoke "$id"
	run -2 ctl permit p.jws
	run -2 ctl permit
	run -2 ctl permit --revoke x p.jws
	for _ in $(seq 400); do grep -q permit.over eve.json && break; sleep 0.1; done
	for e in permit.opened permit.refused permit.closed permit.over; do
		grep "\"il_event\":\[\"$e\"\]" eve.json | grep -qe "$id, by J. Doe"
	done
	run -0 ctl permits
	[[ $output == *"no permit is open"* ]]
	cp plant.before plant.yaml
	ctl reload
}

# What is at DIR is another user's: nothing of it is believed.
bundle() { # FILE...: those of a folder, as policy/bundle.h has them
	local f
	for f; do printf '%s %s\n' "$(stat -c %s "$f")" "$f" && cat "$f"; done
}
offer() { printf '{"v":1,"id":%d,"policy":"%s","name":"%s","trial_s":60,"confirm":false}' "$@"; }
@test "rollout: what is offered is verified, tried once, and nothing else is touched" {
	rm -rf roll && mkdir -p roll/p roll/offers && cd roll
	"$IL" key new key >/dev/null && "$IL" key new other >/dev/null
	cp "$ROOT/policies/cell.yaml" p/new.yaml && echo '# another one' >>p/new.yaml
	"$IL" policy sign --key key p/new.yaml >/dev/null
	hash=$(sha256sum p/new.yaml | cut -c 1-32)
	roll() { run ! --separate-stderr "$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub rollout offers; }
	no() { # ID WHY: this offer is refused for that
		roll
		[ "$status" = 1 ]
		cat offers/state.json
		jq -e --argjson id "$1" --arg why "$2" '.id == $id and .state == "refused" and (.why | test($why))' offers/state.json
	}

	"$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub rollout offers # nothing is offered
	[ ! -e offers/state.json ]
	ln -s /etc/passwd offers/offer.json
	"$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub rollout offers
	rm offers/offer.json
	for bad in '{' '[]' "$(offer 0 x new.yaml)" "$(offer 1 "$hash" ../new.yaml)" "$(offer 1 "${hash}00" new.yaml)"; do
		echo "$bad" >offers/offer.json
		"$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub rollout offers 2>/dev/null
		[ ! -e offers/state.json ]
	done

	offer 1 "$hash" new.yaml >offers/offer.json
	no 1 'policy.bundle: No such file'
	ls -l offers/state.json | grep '^-rw-r--r--' # its reader is another user
	touch victim && ln -sf ../victim offers/state.json && ln -sf ../victim offers/state.json.new && ln -s ../p/new.yaml offers/policy.bundle
	offer 2 "$hash" new.yaml >offers/offer.json
	no 2 'policy.bundle: Too many levels'
	[ ! -s victim ] && [ ! -L offers/state.json ] && rm offers/policy.bundle
	id=3
	for bytes in '' '999999999999 new.yaml' "$(printf '3 new.yaml\nabcX')" "$(head -c 300 /dev/zero | tr '\0' 7)"; do
		printf '%s' "$bytes" >offers/policy.bundle
		offer $id "$hash" new.yaml >offers/offer.json
		no $id '.'
		id=$((id + 1))
	done
	truncate -s 17M offers/policy.bundle
	offer 10 "$hash" new.yaml >offers/offer.json
	no 10 'File too large'
	(cd p && bundle new.yaml) >offers/policy.bundle
	offer 11 "$hash" new.yaml >offers/offer.json
	no 11 'new.yaml.minisig'
	(cd p && bundle new.yaml new.yaml.minisig) >offers/policy.bundle
	offer 12 "$(printf '0%.0s' {1..32})" new.yaml >offers/offer.json
	no 12 "the files are policy $hash"
	sed -i s/another/changed/ p/new.yaml && (cd p && bundle new.yaml new.yaml.minisig) >offers/policy.bundle
	offer 13 "$hash" new.yaml >offers/offer.json
	no 13 'was changed after key'
	"$IL" policy sign --key other p/new.yaml >/dev/null && (cd p && bundle new.yaml new.yaml.minisig) >offers/policy.bundle
	offer 14 "$(sha256sum p/new.yaml | cut -c 1-32)" new.yaml >offers/offer.json
	no 14 'signed by'

	# Signed by who may: it gets to the guard, which here says yes and then runs what it did.
	"$IL" policy sign --key key p/new.yaml >/dev/null && (cd p && bundle new.yaml new.yaml.minisig) >offers/policy.bundle
	offer 15 "$(sha256sum p/new.yaml | cut -c 1-32)" new.yaml >offers/offer.json
	run -0 "$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub rollout offers
	[ "$output" = 'roll-out 15: on_trial' ]
	roll
	[ "$output" = 'roll-out 15: rolled_back: it was not confirmed in time' ]
	roll # tried once
	[ "$status" = 1 ] && [ -z "$output" ]
	# It was in force; what somebody loads by hand after that is no roll back.
	echo '{"v":1,"id":15,"state":"in_force","why":""}' >offers/state.json
	run -0 "$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub rollout offers
	[ -z "$output" ] && grep -q in_force offers/state.json
}

@test "rollout: a permit is for the guard to judge, only where it may come this way, and once" {
	rm -rf give && mkdir -p give/offers && cd give
	"$IL" key new key >/dev/null && "$IL" key new lead >/dev/null
	"$IL" permit new --key lead --by "J. Doe" --site x --window service --from hmi --to plc --until 1h -o p.jws
	id=$("$IL" permit show p.jws | sed -n 's/^permit *//p')
	give() { # OFFER WHY [OPTION]...
		printf '{"v":1,"id":%d,"kind":"permit","permit":"%s"}' "$1" "${ID-$id}" >offers/offer.json
		run -1 "$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub "${@:3}" rollout offers
		cat offers/state.json
		jq -e --argjson id "$1" --arg why "$2" '.id == $id and .state == "refused" and (.why | test($why))' offers/state.json
	}
	cp p.jws offers/permit.jws
	give 1 'ctl rollout --permits'
	give 2 'may not sign permits here' --permits
	[ "$output" = 'roll-out 2: refused: signed by a key that may not sign permits here' ]
	give 2 . --permits
	[ -z "$output" ] # tried once
	ID=another give 3 "it is permit $id, not the one offered" --permits
	rm offers/permit.jws
	give 4 'permit.jws: No such file' --permits
	ln -s "$PWD/p.jws" offers/permit.jws
	give 5 'permit.jws: Too many levels' --permits
	rm offers/permit.jws && head -c 9000 /dev/zero | tr '\0' a >offers/permit.jws
	give 6 'File too large' --permits
	echo 'a.b.c' >offers/permit.jws
	give 7 'not a permit' --permits
	for bad in '{"v":1,"id":8,"kind":"permit"}' '{"v":1,"id":8,"kind":"permit","permit":""}' '{"v":1,"id":8,"kind":"burn","permit":"x"}' '{"v":1,"id":0,"kind":"permit","permit":"x"}'; do
		echo "$bad" >offers/offer.json
		"$IL" ctl --socket "$BATS_FILE_TMPDIR/ctl.sock" --key key.pub --permits rollout offers 2>/dev/null
		jq -e '.id == 7' offers/state.json
	done
}

@test "stop signs the end, and the socket is gone" {
	run -0 ctl stop
	for _ in $(seq 400); do kill -0 "$(cat pid)" 2>/dev/null || break; sleep 0.1; done
	[ ! -e ctl.sock ]
	run -0 "$IL" journal verify --key key.pub journal
	[[ $output == *"complete: signed end"* ]]
	cat eve.json.1 eve.json >all.json
	grep -q guard.stopped all.json
	run -0 /usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" all.json
}

@test "every event of a guard is valid EVE, with an id of its own" {
	"$(dirname "$IL")/tests/tools/guard_events" >events.json
	run -0 /usr/bin/python3 "$ROOT/tests/schema/validate.py" "$ROOT/tests/schema/eve.schema.json" events.json
	n=$(grep -c '^GUARD_EVENT' "$ROOT/alerts/guard_event.def")
	[ "$(jq -r .alert.signature_id events.json | sort -un | wc -l)" = "$n" ]
	[ "$(jq -r .alert.signature_id events.json | sort -n | head -1)" = 100 ]
	# in their order: an id is never given to another event
	run -0 jq -r 'select(.src_ip == null and .ether == null and .alert.metadata.il_note == null) |
		"\(.alert.signature_id) \(.alert.metadata.il_event[0])"' events.json
	[ "${lines[0]}" = "100 guard.started" ]
	[ "${lines[3]}" = "103 guard.worker_died" ]
	[ "${lines[9]}" = "109 port.link" ]
}
