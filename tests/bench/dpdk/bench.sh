#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make bench-dpdk: what DPDK's own forwarder does on this machine, then the bare loop and the engine (line.c).
# usage: bench.sh [quick] [--json]
set -u
cd "$(dirname "$0")/../../.." || exit 2
B=${B:-build} T=$(mktemp -d) SECONDS_EACH=3
trap 'rm -rf "$T"' EXIT
json='' quick=''
for arg; do
	case $arg in
	--json) json=--json ;;
	quick) quick=quick SECONDS_EACH=2 ;;
	*) echo "usage: bench.sh [quick] [--json]" >&2 && exit 2 ;;
	esac
done
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 2; }
free=$(awk '/^HugePages_Free/ { n = $2 } /^Hugepagesize/ { k = $2 } END { print int(n * k / 1024) }' /proc/meminfo)
EAL=(--no-pci --no-telemetry --log-level=error -m 512)
if [ "$free" -ge 512 ]; then EAL+=(--in-memory); pages=huge; else EAL+=(--no-huge --no-shconf); pages=small; fi

# testpmd MODE: M frames/s of one forwarding core, median of the seconds but the first
testpmd() {
	{ timeout -s INT $((SECONDS_EACH + 5)) dpdk-testpmd -l 0,1 "${EAL[@]}" --vdev "net_pcap0,rx_pcap=$T/t.pcap,infinite_rx=1" \
		--vdev net_null0 -- --forward-mode="$1" --stats-period 1 --total-num-mbufs=8191 --nb-cores=1 --no-flush-rx </dev/null; } 2>/dev/null |
		awk '/Rx-pps:/ && $2 > 0 { printf "%.1f\n", $2 / 1e6 }' | sort -n |
		awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "null" }'
}

io=null macswap=null
if command -v dpdk-testpmd >/dev/null && [ "$(nproc)" -ge 2 ]; then
	"$B/tests/tools/traffic" modbus 200 1000 >"$T/t.pcap" || exit 2
	io=$(testpmd io) macswap=$(testpmd macswap)
fi
[ "$(nproc)" -ge 2 ] && cores=0,1 || cores=0
"$B/bench/dpdk_line" -l "$cores" "${EAL[@]}" --vdev net_null0 --vdev net_null1 -- $quick $json >"$T/line" || { cat "$T/line"; exit 1; }
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD 2>/dev/null || commit=$commit+
if [ -n "$json" ]; then
	sed "s/^{/{\"commit\":\"$commit\",\"pages\":\"$pages\",\"testpmd_mpps\":{\"io\":$io,\"macswap\":$macswap},/" "$T/line"
else
	echo "commit $commit, $pages pages"
	echo "dpdk-testpmd, one core, net_pcap infinite_rx to net_null, M frames/s: io $io, macswap $macswap"
	echo
	cat "$T/line"
fi
