#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fails when a file includes a folder or a library that mk/layers does not give it.
# usage: check-layers.sh   (in the root of the tree)
set -eu

files=$(find base dissectors policy alerts dataplane ebpf assets watch guard sender sharing collector cli -name "*.[ch]" 2>/dev/null || :)
# shellcheck disable=SC2086 # a list of files
awk '
# A shell pattern with * only, as a regular expression.
function rx(glob) { gsub(/\./, "[.]", glob); gsub(/\*/, ".*", glob); return "^" glob "$" }
function complain(text) { printf "%s:%d: %s (mk/layers)\n", FILENAME, FNR, text; bad = 1 }

FILENAME == "mk/layers" {
	if (/^#/ || NF == 0) next
	head = $0; sub(/:.*/, "", head)
	tail = $0; sub(/[^:]*: */, "", tail); if (tail == $0) tail = ""
	nh = split(head, h, " "); nt = split(tail, t, " ")
	for (i = 1; i <= nh; i++)
		if (h[i] ~ /^</) { header[++n] = rx(substr(h[i], 2, length(h[i]) - 2)); home[n] = tail }
		else for (j = 1; j <= nt; j++) ok[h[i], t[j]] = 1
	next
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split(FILENAME, a, "/"); from = a[1]
	to = $0; sub(/^[^"]*"/, "", to); sub(/".*/, "", to)
	if (to !~ /\//) { complain("include \"" to "\" with its folder"); next }
	sub(/\/.*/, "", to)
	if (to != from && !ok[from, to] && !ok[from, "*"]) complain(from "/ may not include " to "/")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	inc = $0; sub(/^[^<]*</, "", inc); sub(/>.*/, "", inc)
	known = fits = 0
	for (i = 1; i <= n; i++) {
		if (inc !~ header[i]) continue
		known = 1
		nt = split(home[i], t, " ")
		for (j = 1; j <= nt; j++) if (t[j] == "*" || FILENAME ~ rx(t[j])) fits = 1
	}
	if (!known) complain("<" inc "> has no home")
	else if (!fits) complain("<" inc "> has another home")
}
END { exit bad }' mk/layers $files
