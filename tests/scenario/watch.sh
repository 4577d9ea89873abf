#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# watch on a mirror port: between an HMI and a PLC of libmodbus on a hub, told and not stopped.
. "$(dirname "$0")/_lib.sh"
. "$(dirname "$0")/_mirror.sh"

cat >"$TMP/p.yaml" <<'END'
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
        - {name: set, units: [1], functions: [16], holding: [110..112]}
END

PORT=side
watch() { # ARGS: in the background, and wait until it listens
	rm -f "$TMP/err" "$TMP/eve" "$TMP/facts" "$TMP/out"
	ip netns exec "$P-sw" timeout "$LIMIT" "$INTERLOCK" watch -i "$PORT" --eve "$TMP/eve" --facts "$TMP/facts" "$@" 2>"$TMP/err" >"$TMP/out" &
	LISTEN=$!
	heard
}
ended() { # STATUS: with SIGTERM
	kill -TERM "$LISTEN"
	wait "$LISTEN"
	local got=$?
	[ $got = "$1" ] || { echo "status $got"; cat "$TMP/err"; return 1; }
}
events() { jq -r '.alert.metadata.il_event[0] // .alert.metadata.il_rule[0] // .alert.metadata.il_reason[0]' "$TMP/eve"; }

# The write of register 100 is not allowed: it is told, and the PLC got it (mb_client reads it again).
case_told() {
	watch -p "$TMP/p.yaml" && promiscuous 1 && talk || return 1
	sleep 2
	[ -s "$TMP/facts" ] && [ -s "$TMP/eve" ] || return 1 # not only at the end
	ended 1 && promiscuous 0 || return 1
	jq -e -s 'map(select(.alert.metadata.il_op == ["write_single_register"])) | length == 1 and .[0].alert.action == "allowed"' "$TMP/eve" >/dev/null &&
		[ "$(events | sed -n '1p;$p' | paste -sd' ')" = "watch.started watch.stopped" ] && grep -q 'hmi1' "$TMP/out"
}
# Whatever goes by has a fact, as many as tshark finds PDUs in what tcpdump saw at the same port.
case_facts() {
	need tshark
	ip netns exec "$P-sw" timeout "$LIMIT" tcpdump -Z root -p -U -i side -w "$TMP/side.pcap" 2>"$TMP/td" &
	local dump=$! theirs
	for _ in {1..100}; do grep -qs listening "$TMP/td" && break; sleep 0.1; done
	watch --json && talk || return 1
	sleep 2
	ended 0 || return 1
	kill -TERM "$dump"
	wait "$dump"
	theirs=$(tshark -r "$TMP/side.pcap" -d tcp.port==502,mbtcp -Y mbtcp -T fields -e mbtcp.trans_id 2>/dev/null | tr ',' '\n' | wc -l)
	[ "$theirs" -gt 80 ] && [ "$(wc -l <"$TMP/facts")" = "$theirs" ] &&
		[ "$(jq .captures[0].pdus.all "$TMP/out")" = "$theirs" ]
}
# All is open, so it need be root no more: no capability, nobody's ids, and none can come back.
case_rights() {
	local pid
	chmod 711 "$TMP" # whoever it is then has to get there
	watch --journal "$TMP/journal" || return 1
	pid=$(pgrep -P "$LISTEN" | head -1)
	grep -E '^(Uid|Cap(Prm|Eff|Inh|Bnd)|NoNewPrivs|Seccomp:)' "/proc/$pid/status" >"$TMP/rights"
	talk
	sleep 7 # a heartbeat is signed while nothing else is
	ended 0 || return 1
	! grep -qE '^Uid:.*\<0\>' "$TMP/rights" && [ "$(grep -c 'Cap.*0000000000000000' "$TMP/rights")" = 4 ] &&
		grep -q 'NoNewPrivs:.1' "$TMP/rights" && grep -q 'Seccomp:.2' "$TMP/rights" && "$INTERLOCK" journal verify "$TMP/journal" | tee "$TMP/v" &&
		grep -q 'complete: signed end' "$TMP/v" && grep -qE 'in ([3-9]|[1-9][0-9]) batches' "$TMP/v"
}
# More than the ring of the kernel holds while it is stopped: counted, told, and said.
case_missed() {
	local pid
	watch --every 1s || return 1
	pid=$(pgrep -P "$LISTEN" | head -1)
	kill -STOP "$pid"
	in_ns hmi timeout "$LIMIT" /usr/bin/python3 - <<'END'
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
frame = b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x88\xb5" + bytes(1400)
for _ in range(30000):
    s.send(frame)
END
	kill -CONT "$pid"
	sleep 6
	ended 0 || return 1
	jq -e -s 'map(select(.alert.metadata.il_event == ["watch.missed"])) | length >= 1 and (.[0].alert.metadata.il_count[0] | tonumber > 100)' "$TMP/eve" >/dev/null &&
		grep -q 'frames came faster' "$TMP/err" && grep -qE '[1-9][0-9]* frames missed' "$TMP/err"
}
# The same over a port of DPDK; all threads of it give their rights up, and the interface is left as it was.
case_dpdk() {
	local pid bad all
	PORT=dpdk:net_af_packet0,iface=side
	watch -p "$TMP/p.yaml" || return 1
	PORT=side
	pid=$(pgrep -P "$LISTEN" | head -1)
	bad=$(cat /proc/"$pid"/task/*/status | grep -cE '^(Uid:.*\<0\>|CapEff:.*[1-9a-f])')
	promiscuous 0 || all=yes # how often: the driver asks more than once
	talk
	sleep 1
	ended 1 || return 1
	[ "$bad" = 0 ] && [ "$all" = yes ] && promiscuous 0 && [ "$(wc -l <"$TMP/facts")" -gt 80 ] &&
		jq -e -s 'map(select(.alert.metadata.il_op == ["write_single_register"])) | length == 1' "$TMP/eve" >/dev/null
}
# Both devices, with the MACs that they have; whoever else the kernel lets speak here has no IPv4 address.
case_assets() {
	watch --assets "$TMP/a.json" && talk || return 1
	ended 0 || return 1 # at once: what the kernel has is in it
	[ "$(wc -l <"$TMP/facts")" -gt 80 ] || return 1
	jq -r '.devices[] | select(.addresses[0].ip // "" | startswith("10.")) | "\(.addresses[0].ip) \(.macs[0].mac) \(.role)"' "$TMP/a.json" >"$TMP/got"
	printf '%s\n' "10.1.2.5 $(in_ns hmi cat /sys/class/net/eth0/address) hmi" "10.1.2.130 $(in_ns plc cat /sys/class/net/eth0/address) plc" |
		diff - "$TMP/got" && jq -e '[.no_room_for[]] | add == 0' "$TMP/a.json" >/dev/null
}
listed() { # SERIAL LINE...: signed
	{ printf 'interlock-watch-list 1\nserial %s\n' "$1"; shift; for l; do echo "$l"; done; echo "end $#"; } >"$TMP/new/list"
	"$INTERLOCK" key sign --key "$TMP/lk" "$TMP/new/list" >/dev/null 2>&1 && chmod 644 "$TMP"/new/* && mv "$TMP/new/list.minisig" "$TMP/list.minisig" && mv "$TMP/new/list" "$TMP/list"
}
case_list() {
	mkdir -p "$TMP/new"
	[ -e "$TMP/lk" ] || "$INTERLOCK" key new "$TMP/lk" >/dev/null
	listed 5 || return 1
	chmod 755 "$TMP" # it is read by who is no longer root
	watch --watch-list "$TMP/list" --watch-list-key "$TMP/lk.pub" && talk || return 1
	listed 6 "address 10.1.2.5 0 indicator--me" || return 1
	for _ in {1..100}; do grep -q 'serial 6, 1 entries' "$TMP/err" && break; sleep 0.1; done
	talk || return 1
	listed 4 || return 1
	for _ in {1..100}; do grep -q 'serial 4 is older than 6, which stays' "$TMP/err" && break; sleep 0.1; done
	ended 0 && grep -q 'serial 4 is older than 6' "$TMP/err" &&
		jq -e -s 'map(select(.alert.metadata.il_detection == ["indicator"])) | length == 1 and (.[0].alert.metadata.il_note[0] | test("10.1.2.5, indicator--me"))' "$TMP/eve" >/dev/null
}
case_gone() {
	watch || return 1
	in_ns sw ip link del side
	wait "$LISTEN"
	local got=$?
	in_ns sw ip link add span type veth peer name side
	in_ns sw ip link set span master br0 up
	in_ns sw ip link set side up
	[ $got = 2 ] && grep -q 'side' "$TMP/err" && events | grep -q watch.stopped
}
case_time() {
	watch --for 2s && talk || return 1
	wait "$LISTEN" && [ -s "$TMP/facts" ] && watch --packets 20 && talk || return 1
	wait "$LISTEN" && [ -s "$TMP/facts" ]
}
# The page: both devices and what they say to each other, the alert of the policy, keys, and the terminal as it was.
case_top() {
	(sleep 1.5; talk >/dev/null) &
	local got peers=$!
	in_ns sw "$ROOT/tests/tools/page.py" 30x100 "interlock watch side" "hmi1 " "tcp/502 modbus" size:12x60 key:tab "[devices]" key:tab "[alerts]" \
		"otherwise, hmi1 -> plc1: write_single" key:right "[conversations]" key:down key:q -- \
		"$INTERLOCK" watch -i side -p "$TMP/p.yaml" --top --user nobody >"$TMP/out" 2>"$TMP/err"
	got=$?
	wait $peers
	[ $got = 0 ] && [ "$(tail -1 "$TMP/out")" = 1 ] && grep -q 'not allowed' "$TMP/out" || { cat "$TMP/out" "$TMP/err"; return 1; }
}
# Without a terminal plain lines, and nothing in them that a terminal would act on.
case_plain() {
	in_ns sw timeout "$LIMIT" "$INTERLOCK" watch -i side -p "$TMP/p.yaml" --top -q --for 4s >"$TMP/out" 2>"$TMP/err" &
	LISTEN=$!
	sleep 1.5
	talk || return 1
	wait "$LISTEN"
	[ "$(grep -c ' frames/s ' "$TMP/out")" -ge 3 ] && grep -q '^alert .*write_single_register' "$TMP/out" && grep -q '^  hmi1 -> plc1 tcp/502 modbus ' "$TMP/out" &&
		! grep -q $'[\001-\010\013-\037]' "$TMP/out" || { cat "$TMP/out" "$TMP/err"; return 1; }
}
# A clock that is put back by an hour makes nobody listen an hour longer.
case_clock() {
	cat >"$TMP/back.c" <<-'END'
	#define _GNU_SOURCE
	#include <dlfcn.h>
	#include <time.h>
	int clock_gettime(clockid_t id, struct timespec *ts)
	{
		static int (*real)(clockid_t, struct timespec *);
		static long begun;
		if (!real)
			*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
		int r = real(id, ts);
		if (id == CLOCK_REALTIME && begun == 0)
			begun = ts->tv_sec;
		if (id == CLOCK_REALTIME && ts->tv_sec > begun)
			ts->tv_sec -= 3600;
		return r;
	}
	END
	cc -shared -fPIC -o "$TMP/back.so" "$TMP/back.c" -ldl && chmod 755 "$TMP" "$TMP/back.so" || return 1
	LD_PRELOAD=$TMP/back.so ASAN_OPTIONS=verify_asan_link_order=0 in_ns sw timeout 15 "$INTERLOCK" watch -i side --for 3s -q 2>"$TMP/err" >/dev/null
	local got=$?
	[ $got = 0 ] || { echo "status $got"; cat "$TMP/err"; return 1; }
}
case_wrong() {
	in_ns sw "$INTERLOCK" watch -i nix0 2>"$TMP/err"
	[ $? = 2 ] && grep -q nix0 "$TMP/err" || return 1
	local bad
	for bad in "" "-i side x.pcap" "-i side --for 5x" "-i side --key k" "-i side --packets 0" "-i side --facts - --json" "-i side --top --json" "-i dpdk:net_null0 --own"; do
		# shellcheck disable=SC2086 # words
		"$INTERLOCK" watch $bad >/dev/null 2>&1
		[ $? = 2 ] || { echo "$bad"; return 1; }
	done
}

t "what is not allowed is told, and arrives" case_told
t "a fact per PDU, as tshark counts them" case_facts
t "no longer root, and the journal is whole" case_rights
t "what the kernel could not hand over is counted and told" case_missed
if "$INTERLOCK" --version | grep -q '+dpdk'; then
	t "over a port of DPDK" case_dpdk
else
	echo "ok $((++T_N)) - over a port of DPDK # skip built without dpdk"
fi
t "the devices that were heard, each once" case_assets
t "the interface goes away" case_gone
t "so long, so many frames" case_time
t "--top: a page, keys, and the terminal as it was" case_top
t "--top without a terminal: lines" case_plain
t "a list of addresses is replaced while it listens, never by an older one" case_list
t "--for is by a clock that only goes on" case_clock
t "what it cannot do is said" case_wrong
t_end
