#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What both ends of a connection see on a network that loses nothing, while requests of it are
# rejected: tshark finds no wrong checksum, no gap, nothing acknowledged that was not there.
set -eu
B=${B:-build}
prog=$B/tests/unit/ends_random_test
if ! command -v tshark >/dev/null; then echo "tshark is not installed"; exit 77; fi
[ -x "$prog" ] || { echo "$prog is not built"; exit 1; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
wrong='tcp.checksum.status == 0 || ip.checksum.status == 0 || _ws.malformed ||
	tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order ||
	tcp.analysis.spurious_retransmission || tcp.analysis.window_full && tcp.len == 0'
bad=0 frames=0
for seed in 4 5 6 7 12 13 14 15 28 29 30 31; do
	ENDS_SEED=$seed ENDS_CAPTURE=$dir "$prog" >"$dir/log" 2>&1 || { cat "$dir/log"; exit 1; }
	for end in client server; do
		n=$(tshark -r "$dir/$end.pcap" 2>/dev/null | wc -l)
		frames=$((frames + n))
		[ "$n" -gt 20 ] || { echo "seed $seed, $end: only $n frames"; bad=1; }
		tshark -r "$dir/$end.pcap" -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y "$wrong" 2>/dev/null >"$dir/found"
		[ -s "$dir/found" ] || continue
		echo "seed $seed, $end:"
		head -5 "$dir/found"
		bad=1
	done
done
echo "$frames frames"
exit $bad
