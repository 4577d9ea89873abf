#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints make variables for the libraries this machine has.
# usage: features.sh [WITHOUT...]   e.g. features.sh ndpi dpdk
#
# libpcap, libyaml, libsodium, nettle and jansson are always there; the rest are
# features.  A feature has one home file: without the library the file is left
# out of the build, without the file the library is not linked.  What speaks with networks
# is of the second program, interlock-net, and its libraries go there alone.
set -eu

cpp='' libs='' net='' have='' absent='' skip='' own=''

command -v pkg-config >/dev/null || { echo "pkg-config is missing: run 'make deps'" >&2; exit 1; }
for lib in libpcap:libpcap yaml-0.1:libyaml libsodium:libsodium nettle:nettle jansson:jansson; do
	pc=${lib%%:*}
	pkg-config --exists "$pc" || { echo "${lib##*:} is missing: run 'make deps'" >&2; exit 1; }
	cpp="$cpp $(pkg-config --cflags "$pc")" libs="$libs $(pkg-config --libs "$pc")"
done

# feature NAME MODULES HOME [REST]: on when pkg-config knows all modules and nobody said
# WITHOUT; REST: more files (make patterns) that go with it
feature() {
	name=$1 modules=$2 home=$3 up=$(echo "$1" | tr '[:lower:]' '[:upper:]')
	# shellcheck disable=SC2086 # modules is a list
	case " $without " in
	*" $name "*) ;;
	*) if pkg-config --exists $modules; then
		have="$have $name"
		[ -e "$home" ] || return 0
		cpp="$cpp -DHAVE_$up"
		if [ "$name" = dpdk ]; then
			# Its headers warn, and want another processor than the rest: for its home alone.
			own=$(pkg-config --cflags $modules | sed 's/-I *\([^ ]*\)/-isystem \1/g; s/-isystem \/usr\/include / /')
			libs="$libs -Wl,--as-needed -lrte_ethdev -lrte_mbuf -lrte_mempool -lrte_hash -lrte_ring -lrte_eal"
			return 0
		fi
		cpp="$cpp $(pkg-config --cflags $modules)"
		case " $of_net " in
		*" $name "*) net="$net $(pkg-config --libs $modules)" ;;
		*) libs="$libs $(pkg-config --libs $modules)" ;;
		esac
		return 0
	fi ;;
	esac
	absent="$absent $name" skip="$skip $home${4:+ $4}"
}
without=$*
# A collector tells people of incidents, by libcurl.
pkg-config --exists libcurl || without="$without collector"
of_net="metrics collector send nats pg"
feature ndpi libndpi dataplane/classify_ndpi.c
feature dpdk libdpdk dataplane/io/io_dpdk.c "tests/tools/dpdk_%.c"
# The guard: its filter is compiled for the kernel by clang, and made a header by bpftool.
command -v clang >/dev/null && PATH=$PATH:/usr/sbin command -v bpftool >/dev/null || without="$without xdp"
# Signer and builder are beside who sees packets, a watch or a guard; a guard is not without a watch.
beside="guard/signer.c guard/builder.c guard/msg.c guard/text.c"
alone=$(for f in guard/*.c; do case " $beside " in *" $f "*) ;; *) printf '%s ' "$f" ;; esac; done)
feature watch "libseccomp libcap" cli/keeper.c "cli/lists.c $beside"
case "$have " in *" watch "*) ;; *) without="$without xdp" ;; esac
feature xdp "libbpf libxdp libseccomp libcap" dataplane/io/io_xdp.c "ebpf/%.c $alone tests/tools/xdp_%.c"
feature expat expat policy/sym_xml.c
feature metrics libmicrohttpd guard/metrics_http.c
feature collector "libmicrohttpd gnutls sqlite3 libzstd" collector/http.c "collector/%.c cli/net/%collect.c cli/net/collect_%.c tests/tools/collect_%.c"
feature send "libcurl gnutls libseccomp libcap" sender/client.c "sender/%.c collector/forward%.c cli/net/cmd_send.c"
# The home of libseccomp and libcap is in a build that confines anybody.
case "$have " in *" watch "* | *" send "*) ;; *) skip="$skip base/sandbox.c" ;; esac
feature nats libnats collector/stream_nats.c
feature pg libpq collector/db_pg.c "collector/db_pg_%.c"

case "$have " in
*" collector "*) net="$net $(pkg-config --libs libcurl)" ;;
*) skip="$skip sharing/%.c" ;;
esac

echo "FEATURE_CPPFLAGS :=$cpp"
echo "FEATURE_LDLIBS :=$libs"
echo "NET_LDLIBS :=$net"
echo "DPDK_CPPFLAGS := $own"
echo "FEATURE_SKIP :=$skip"
echo "FEATURES_HAVE :=$have"
echo "FEATURES_ABSENT :=$absent"
