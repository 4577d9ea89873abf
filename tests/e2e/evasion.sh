#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The evasion suite without root: its frames as they went through an open bridge
# (tests/evasion/open.pcap.gz), judged by `replay --inline`; what it lets out is put together as a
# victim would.  docs/EVASION.md says how they are recorded anew when the cases change.
set -u
cd "$ROOT" || exit 2
bad=0 dir=tests/evasion
EVADE=$B/tests/evasion/evade

(cd $dir && sha256sum --quiet -c open.pcap.cases) ||
	{ echo "the cases have changed: make evasion DUT=bridge RECORD=$dir/open.pcap.gz"; exit 1; }
gunzip -c $dir/open.pcap.gz >"$TMPDIR/open.pcap" || exit 1

# Without a guard in between nearly every play leaks: the judge can see.
said=$("$EVADE" --ports 20384 --judge "$TMPDIR/open.pcap" $dir/cases | tail -n 1)
echo "open: $said"
[[ $said =~ ^([0-9]+)\ evil\ plays:\ ([0-9]+)\ leaked ]] && [ "${BASH_REMATCH[2]}" -ge $((BASH_REMATCH[1] - 5)) ] || bad=1

for word in drop reject reset; do
	sed "s/otherwise: drop\$/otherwise: $word/" $dir/guard.yaml >"$TMPDIR/guard.yaml"
	"$INTERLOCK" replay --inline -p "$TMPDIR/guard.yaml" --write "$TMPDIR/out.pcap" "$TMPDIR/open.pcap" \
		>"$TMPDIR/replay" 2>&1
	[ $? = 1 ] || { cat "$TMPDIR/replay"; bad=1; }
	said=$("$EVADE" --ports 20384 --judge "$TMPDIR/out.pcap" --verbose $dir/cases)
	[ $? = 0 ] || { grep LEAKED <<<"$said"; bad=1; }
	echo "$word: $(tail -n 1 <<<"$said")"
	# What fragments, and what a retransmission would bring: the others arrive at once.
	[[ $said =~ \;\ ([0-9]+)\ twins:\ ([0-9]+)\ arrived ]] && [ "${BASH_REMATCH[2]}" -ge $((BASH_REMATCH[1] - 30)) ] ||
		{ echo "$word: too few twins arrived"; head -n 40 <<<"$said"; bad=1; }
done
exit $bad
