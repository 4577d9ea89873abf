#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make install DESTDIR= PREFIX=` writes there and nowhere else, and what it wrote runs
# without the source tree; the build is reproducible: the same sources give the same bytes.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

make -s B="$B" install DESTDIR="$tmp/root" PREFIX=/opt/il
[ "$(cd "$tmp" && find . -maxdepth 3 -mindepth 3)" = ./root/opt/il ] || { find "$tmp"; exit 1; }
for f in bin/interlock share/man/man1/interlock.1 share/doc/interlock/README.md share/doc/interlock/LICENSE; do
	[ -s "$tmp/root/opt/il/$f" ] || { echo "$f was not installed"; exit 1; }
done
for p in policies/*.yaml library/playbooks/*.yaml library/knowledge/*.md; do
	cmp "$p" "$tmp/root/opt/il/share/interlock/$p"
done
(cd / && env -i "$tmp/root/opt/il/bin/interlock" --version)
echo "installed"

# The collector finds there what it serves: the page, where one was built, its description, the library.
if "$tmp/root/opt/il/bin/interlock" --version | grep -q '[+]collector'; then
	(
		il=$tmp/root/opt/il/bin/interlock
		cd /
		env -i "$il" collect init "$tmp/data" >/dev/null
		echo "correct horse battery" | env -i "$il" collect user "$tmp/data" anna --role viewer
		env -i "$il" collect "$tmp/data" --plain --listen 127.0.0.1:0 --ingest 127.0.0.1:0 >"$tmp/at" &
		trap 'kill $!; wait $! || true' EXIT
		for _ in $(seq 400); do grep -q . "$tmp/at" && break || sleep 0.1; done
		at=$(grep -oE 'http://127.0.0.1:[0-9]+' "$tmp/at")
		curl -fsS -c "$tmp/jar" -d '{"user":"anna","password":"correct horse battery"}' "$at/api/v1/login" >"$tmp/me"
		curl -fsS -b "$tmp/jar" "$at/api/v1/library" | grep -q '"state":"unverified"'
		curl -fsS "$at/api/v1/openapi.yaml" | grep -q '^openapi: 3.1'
		if [ -e "$OLDPWD/$B/web/index.html" ]; then
			curl -fsS "$at/" | cmp - "$OLDPWD/$B/web/index.html"
			for f in $(grep -oE '(src|href)="/[^"]+' "$OLDPWD/$B/web/index.html" | cut -d / -f 2-); do
				curl -fsS -o "$tmp/file" "$at/$f"
				cmp "$tmp/file" "$OLDPWD/$B/web/$f"
			done
			echo "the page is served as it was built"
		fi
	)
fi

# Who sees packets, holds the key or reads a policy has no library in it that speaks with networks or keeps a data
# base; these are in the second program, which is found where the first one is, and nowhere else.
net='curl|microhttpd|gnutls|sqlite|libnats|nghttp|ldap|libssl|libssh'
prog=$tmp/root/opt/il/bin/interlock second=$tmp/root/opt/il/libexec/interlock/interlock-net
if ldd "$prog" | grep -E "$net"; then exit 1; fi
if "$prog" --version | grep -qE '[+](send|collector)'; then
	[ "$(ldd "$second" | grep -cE 'libcurl|libmicrohttpd|libgnutls|libsqlite')" -ge 2 ]
	verb=$("$prog" --version | grep -oE '[+](send|collector)' | head -n 1 | sed 's/.send/send/; s/.collector/collect/')
	(cd / && env -i "$prog" "$verb" --help >/dev/null)
	mkdir "$tmp/alone" "$tmp/path"
	cp "$prog" "$tmp/alone"
	printf '#!/bin/sh\necho no\n' >"$tmp/path/interlock-net"
	chmod +x "$tmp/path/interlock-net"
	(cd "$tmp/path" && PATH=$tmp/path:$PATH "$tmp/alone/interlock" "$verb" --help) >"$tmp/said" 2>&1 && { cat "$tmp/said"; exit 1; }
	grep -q 'interlock-net: No such file' "$tmp/said"
	# With rights that its caller does not have it believes the compiled-in place alone.
	if [ "$(id -u)" = 0 ] && setcap cap_net_raw+ep "$tmp/alone/interlock" 2>/dev/null; then
		cp "$tmp/path/interlock-net" "$tmp/alone"
		chmod 755 "$tmp" "$tmp/alone"
		setpriv --reuid 65534 --clear-groups "$tmp/alone/interlock" "$verb" --help >"$tmp/said" 2>&1 || :
		if grep -qx no "$tmp/said"; then exit 1; fi
		setcap -r "$tmp/alone/interlock"
		[ "$(setpriv --reuid 65534 --clear-groups "$tmp/alone/interlock" "$verb" --help)" = no ]
	fi
	echo "two programs"
fi

# Every sixth file, and all that is generated, anew, in another folder (WHOLE=1: everything); the rest as it is.
if [ -z "${WHOLE:-}" ]; then
	# shellcheck disable=SC2046,SC2086
	tar c -C "$B" features.mk $(cd "$B" && find base dissectors policy alerts dataplane ebpf assets watch guard sender sharing collector cli -name '*.[od]') | tar x -C "$tmp" --one-top-level=again
	find "$tmp/again" -name '*.o' | sort | awk 'NR % 6 == 0' | xargs rm
fi
touch "$tmp/before"
make -s -j2 B="$tmp/again" all >/dev/null
[ "$(find "$tmp/again" -name '*.o' -newer "$tmp/before" | wc -l)" -ge 40 ] # they were compiled
# Debug information names the build folder; the code may not.
for name in interlock $([ ! -e "$B/interlock-net" ] || echo interlock-net); do
	for f in "$B" "$tmp/again"; do
		objcopy --strip-all --remove-section .note.gnu.build-id "$f/$name" "$tmp/stripped"
		sha256sum <"$tmp/stripped"
	done | sort -u >"$tmp/sums"
	[ "$(wc -l <"$tmp/sums")" = 1 ] || { echo "two builds of the same sources differ: $name"; exit 1; }
done
echo "two builds are the same"
