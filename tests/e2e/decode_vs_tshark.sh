#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compares what decode() finds in each frame with what tshark finds: VLAN,
# addresses, transport, ports, sequence number, lengths, and the number of frames.
# usage: [B=build] decode_vs_tshark.sh [FOLDER...]   (default: pcaps and ../shared/corpus)
# tshark takes longer to start than to read most captures, so it reads them as one
# (mergecap), and what it says is cut again by the counts of frames (capinfos); a capture that
# these two do not read to its end is given to it by itself.
# A frame that tshark shows and decode() refuses counts as different; the known
# ones are in decode_vs_tshark.known, each with its reason.
set -euo pipefail
export LC_ALL=C
here=$(dirname "$0") dump=${B:-build}/tests/tools/decode_dump
[ $# -gt 0 ] || set -- pcaps ../shared/corpus
command -v tshark >/dev/null || { echo "tshark is not installed"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# tshark's columns in the form of decode_dump.  The layer behind the first IP
# header decides, so that packets quoted in ICMP or carried in tunnels do not.
tshark_dump() {
	tshark -n -r "$1" -o ip.defragment:FALSE -o ipv6.defragment:FALSE \
		-o tcp.analyze_sequence_numbers:FALSE -T fields -E occurrence=f -E separator=/t \
		-e frame.number -e vlan.id -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst \
		-e tcp.srcport -e tcp.dstport -e tcp.seq_raw -e tcp.len \
		-e udp.srcport -e udp.dstport -e udp.length \
		-e ip.flags.mf -e ip.frag_offset -e ipv6.fraghdr.more -e ipv6.fraghdr.offset \
		-e frame.protocols 2>"$tmp/err" |
	awk -F '\t' -v OFS='\t' '{
		n = split($18, layer, ":"); l3 = l4 = ""
		for (i = 1; i <= n && l3 == ""; i++)
			if (layer[i] == "ip" || layer[i] == "ipv6") l3 = layer[i]
		while (i <= n && layer[i] ~ /^(ipv6\.|ah$)/) i++
		if (i <= n) l4 = layer[i]
		src = l3 == "ip" ? $3 : l3 == "ipv6" ? $5 : ""
		dst = l3 == "ip" ? $4 : l3 == "ipv6" ? $6 : ""
		vlan = $2 == 0 ? "" : $2
		if (l3 == "ip" && ($14 + 0 || $15 + 0) || l3 == "ipv6" && ($16 + 0 || $17 + 0))
			print $1, vlan, src, dst, "frag", "", "", "", "", ""
		else if (l4 == "tcp") print $1, vlan, src, dst, "tcp", $7, $8, $9, $10, ""
		else if (l4 == "udp") print $1, vlan, src, dst, "udp", $11, $12, "", $13, ""
		else print $1, vlan, src, dst, "", "", "", "", "", ""
	}'
}

# all_theirs: tshark's columns of every file listed in $tmp/whole, as $tmp/theirs.N, N the line
all_theirs() {
	local -a whole
	mapfile -t whole <"$tmp/whole"
	[ ${#whole[@]} -gt 0 ] || return 0
	capinfos -T -r -Q -c -M "${whole[@]}" 2>/dev/null | cut -d '"' -f 4 >"$tmp/counts"
	[ "$(wc -l <"$tmp/counts")" -eq ${#whole[@]} ]
	mergecap -a -F pcapng -w "$tmp/all.pcapng" "${whole[@]}"
	tshark_dump "$tmp/all.pcapng" | awk -F '\t' -v OFS='\t' -v dir="$tmp" '
		BEGIN { while ((getline n <(dir "/counts")) > 0) last[++files] = (base[files] = last[files - 1]) + n; at = 1 }
		{ while ($1 > last[at]) at++
		  $1 -= base[at]; print >(dir "/theirs." at) }'
}

# compare FILE: what we dumped in $tmp/ours with $tmp/theirs
compare() {
	local side f=$1
	files=$((files + 1)) frames=$((frames + $(wc -l <"$tmp/ours")))
	awk -v f="${f##*/}" '$1 == f {print $2}' "$here/decode_vs_tshark.known" >"$tmp/known"
	for side in ours theirs; do
		awk -F '\t' -v known="$tmp/known" \
			'BEGIN {while ((getline n <known) > 0) skip[n]} !($1 in skip)' \
			"$tmp/$side" >"$tmp/$side.cmp"
	done
	diff "$tmp/ours.cmp" "$tmp/theirs.cmp" >"$tmp/diff" && return
	bad=$((bad + 1))
	echo "different: $f (< decode, > tshark)"
	head -6 "$tmp/diff"
}

for folder; do
	[ -d "$folder" ] || { echo "skipped: no folder $folder"; continue; }
	find "$folder" -name '*.pcap' -o -name '*.pcapng' | sort
done >"$tmp/list"
sed -n '/^skipped:/p' "$tmp/list"
sed -i '/^skipped:/d' "$tmp/list"
mapfile -t list <"$tmp/list"
[ ${#list[@]} -gt 0 ] || exit 77
capinfos -T -r -Q -c -M "${list[@]}" 2>"$tmp/cut" >"$tmp/counts" || true
grep -o '"[^"]*"' "$tmp/cut" | tr -d '"' | sort -u >"$tmp/odd"
grep -vxFf "$tmp/odd" "$tmp/list" >"$tmp/whole" || true
all_theirs

files=0 frames=0 bad=0 n=0
for f in "${list[@]}"; do
	if grep -qxF "$f" "$tmp/odd"; then
		tshark_dump "$f" >"$tmp/theirs" || true
	else
		n=$((n + 1))
		cat "$tmp/theirs.$n" >"$tmp/theirs" 2>/dev/null || : >"$tmp/theirs"
	fi
	"$dump" "$f" >"$tmp/ours" 2>"$tmp/why" || {
		grep -Eq "is not supported|like interfaces only" "$tmp/why" &&
			{ echo "skipped: $(cat "$tmp/why")"; continue; }
		echo "note: $(cat "$tmp/why")"
	}
	compare "$f"
done
echo "decode_vs_tshark: $frames frames of $files captures, $bad captures differ"
[ "$files" -gt 0 ] || exit 77
[ "$bad" -eq 0 ]
