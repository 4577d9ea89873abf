#!/bin/sh
# Prints make variables for the libraries this machine has.
# usage: features.sh [WITHOUT...]   e.g. features.sh ndpi
# libpcap, libyaml, libsodium, nettle and jansson are always there; the rest are features.
set -eu
cpp= libs= have= absent=
for lib in libpcap:libpcap yaml-0.1:yaml libsodium:sodium nettle:nettle jansson:jansson; do
	pc=${lib%%:*}
	pkg-config --exists "$pc" || { echo "\$(error ${lib##*:} is missing: run 'make deps')"; exit 0; }
	cpp="$cpp $(pkg-config --cflags "$pc")" libs="$libs $(pkg-config --libs "$pc")"
done
for lib in libndpi:NDPI libdpdk:DPDK libbpf:BPF libxdp:XDP; do
	pc=${lib%%:*} name=${lib##*:} off=
	for w in "$@"; do [ "$w" = "$(echo "$name" | tr A-Z a-z)" ] && off=1; done
	if [ -z "$off" ] && pkg-config --exists "$pc"; then
		have="$have $name"
	else
		absent="$absent $name"
	fi
done
echo "FEATURE_CPPFLAGS :=$cpp"
echo "FEATURE_LDLIBS :=$libs"
echo "FEATURES_HAVE :=$have"
echo "FEATURES_ABSENT :=$absent"
