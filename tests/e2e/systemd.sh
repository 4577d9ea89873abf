#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `make install` gives systemd is right for systemd.
set -euo pipefail
cd "${ROOT:-$(dirname "$0")/../..}"
B=${B:-build}
command -v systemd-analyze >/dev/null || { echo "skipped: no systemd-analyze"; exit 77; }

at=$(mktemp -d)
trap 'rm -rf "$at"' EXIT
make -s B="$B" DESTDIR="$at" PREFIX=/usr install >/dev/null
unit=$at/usr/lib/systemd/system/interlock-guard@.service
if grep -n '@BINDIR@\|@DOCDIR@' "$unit"; then exit 1; fi

# Directives, sections, the program: as an instance, with the program where it was installed.
sed "s|/usr/bin/interlock|$at&|" "$unit" >"$at/interlock-guard@line2.service"
said=$(systemd-analyze verify --man=no "$at/interlock-guard@line2.service" 2>&1 | grep -i 'interlock-guard' || :)
[ -z "$said" ] || { echo "$said"; exit 1; }

# No worse than what docs/OPERATIONS.md says; the unit says of each open point why.
if grep -q -- --offline <<<"$(systemd-analyze security --help)"; then
	systemd-analyze security --offline=true --threshold=45 "$at/interlock-guard@line2.service" >"$at/score" || { tail -n 1 "$at/score"; exit 1; }
	tail -n 1 "$at/score"
fi

# Sender and collector need nothing of what the guard needs.
for name in interlock-send@ interlock-rollout@ interlock-collect; do
	other=$at/usr/lib/systemd/system/$name.service
	copy=$at/${name/@/@line2}.service
	if grep -n '@BINDIR@\|@DOCDIR@' "$other"; then exit 1; fi
	sed "s|/usr/bin/interlock|$at&|" "$other" >"$copy"
	said=$(systemd-analyze verify --man=no "$copy" 2>&1 | grep -i "${name%@}" || :)
	[ -z "$said" ] || { echo "$said"; exit 1; }
	if grep -q -- --offline <<<"$(systemd-analyze security --help)"; then
		systemd-analyze security --offline=true --threshold=20 "$copy" >"$at/score" || { tail -n 1 "$at/score"; exit 1; }
		tail -n 1 "$at/score"
	fi
	verb=$(sed -n 's|^ExecStart=[^ ]*/interlock \([a-z]*\) .*|\1|p' "$other")
	for option in $(grep '^ExecStart=' "$other" | grep -o -- '--[a-z-]*'); do
		grep -q -- "$option " <<<"$("$B/interlock" "$verb" --help)" || { echo "$verb has no $option"; exit 1; }
	done
done

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$at/etc"
	systemd-sysusers --root="$at" interlock.conf
	for user in interlock interlock-send interlock-collect interlock-worker; do grep -q "^$user:" "$at/etc/passwd"; done
	systemd-tmpfiles --root="$at" --create interlock.conf
	[ -d "$at/var/lib/interlock" ]
fi

# The example is what the unit reads; every option in it exists.
(
	# shellcheck disable=SC1091
	. "$at/usr/share/interlock/interlock-guard.default"
	for name in $(grep -o '\${[A-Z]*}' "$unit" | tr -d '${}'); do
		[ -n "${!name:-}" ] || { echo "the example has no $name"; exit 1; }
	done
	for option in $(grep -o -- '--[a-z-]*' <<<"$OPTIONS $(sed -n '/^ExecStart=/,/[^\\]$/p' "$unit")"); do
		grep -q -- "$option " <<<"$("$B/interlock" guard --help)" || { echo "guard has no $option"; exit 1; }
	done
)
