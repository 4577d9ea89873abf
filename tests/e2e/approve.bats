#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# policy approve: the rules that are meant are approved, and not one byte beside them changes.

bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_TMPDIR" || return 1
	"$INTERLOCK" learn -o p.yaml "$ROOT/pcaps/modbus/polling.pcap" 2>/dev/null
	cp p.yaml before.yaml
}

# said TEXT: the last output has it
said() { [[ $output == *"$1"* ]] || { echo "\"$1\" is not in: $output"; return 1; }; }
same() { cmp "$1" "$2" || { diff "$1" "$2"; return 1; }; }

@test "what a learned policy waits for is listed, approved one by one, and then in force" {
	run -1 "$INTERLOCK" policy approve p.yaml
	said "p.yaml:22: hmi1-plc1/poll"
	said "2 of 2 rules wait for approval"
	run -0 "$INTERLOCK" policy approve p.yaml poll
	said "approved hmi1-plc1/poll"
	# The first such line is gone, all else is there.
	same p.yaml <(sed '0,/^ *enabled: false$/{/^ *enabled: false$/d}' before.yaml)
	run -0 "$INTERLOCK" policy approve p.yaml hmi1-plc1/poll
	said "hmi1-plc1/poll is approved already"
	run -0 "$INTERLOCK" policy approve p.yaml --all
	said "approved hmi1-plc1/write"
	same p.yaml <(sed '/^ *enabled: false$/d' before.yaml)
	run -0 "$INTERLOCK" policy approve p.yaml
	said "nothing waits for approval"
	run -0 "$INTERLOCK" replay -q -p p.yaml "$ROOT/pcaps/modbus/polling.pcap"
}

@test "--by says who, in the place of the line" {
	run -0 "$INTERLOCK" policy approve --by "A. Müller, shift 2" p.yaml write
	said "approved hmi1-plc1/write by A. Müller, shift 2"
	same <(sed '/# approved by A. Müller, shift 2, 20[0-9-]*$/d' p.yaml) <(tac before.yaml | sed '0,/^ *enabled: false$/{/^ *enabled: false$/d}' | tac)
	grep -Eq '^          # approved by A. Müller, shift 2, 20[0-9]{2}-[0-9]{2}-[0-9]{2}$' p.yaml
	run -2 "$INTERLOCK" policy approve --by $'two\nlines' p.yaml poll
	said "--by: a name of one line"
}

@test "any layout: in braces, with comments, first in its rule, other line ends, behind a link" {
	cat >hand.yaml <<-'EOF'
		interlock: 1 # Größe
		mode: alert
		zones:
		  a: {level: 2, nets: [10.0.0.0/31]}
		  b: {level: 1, nets: [10.0.0.2/31]}
		devices:
		  hmi: {zone: a, ip: 10.0.0.1}
		  plc: {zone: b, ip: 10.0.0.2}
		conduits:
		  - name: c
		    from: [hmi]
		    to: [plc]
		    modbus:
		      addressing: zero-based
		      deny: [{name: "ñ", enabled: false, units: all, functions: [6], holding: [7]}, {enabled: 'false', name: e, units: all, functions: [6], holding: [8]}]
		      allow:
		        - enabled: false   # ask Eva
		          name: first
		          units: [1]
		          functions: [3]
		          holding: [1]
		        - name: last
		          enabled:    false  # until the 3rd
		          units: [1] # enabled: false
		          functions: [3]
		          holding: [2]
	EOF
	for crlf in '' 's/$/\r/'; do
		sed "$crlf" hand.yaml >h.yaml
		ln -sf h.yaml link.yaml
		chmod 640 h.yaml
		run -0 "$INTERLOCK" policy approve link.yaml --all
		[ -L link.yaml ] && [ "$(stat -c %a h.yaml)" = 640 ]
		sed -e '/deny/{s/enabled: false/enabled: true/; s/'"'false'/'true'"'/}' -e 's/- enabled: false/- enabled: true/' \
			-e 's/enabled:    false  # until/# until/' -e "$crlf" hand.yaml >want.yaml
		same h.yaml want.yaml
	done
	run -0 "$INTERLOCK" policy approve --by Eva hand.yaml ñ first last
	grep -qx '      # ñ approved by Eva, 20.*' hand.yaml
	grep -qx '          # approved by Eva, 20[0-9-]*; until the 3rd' hand.yaml
	grep -qx '        # first approved by Eva, 20.*' hand.yaml
	run -1 "$INTERLOCK" policy approve hand.yaml
	said "1 of 4 rules wait"
}

@test "what cannot be done changes nothing: 2, and why" {
	run -2 "$INTERLOCK" policy approve p.yaml pol
	said 'p.yaml: there is no rule "pol" in this file; did you mean "poll"?'
	# One bad name spoils all.
	run -2 "$INTERLOCK" policy approve p.yaml poll sulk
	same p.yaml before.yaml
	"$INTERLOCK" learn -o two.yaml "$ROOT/pcaps/s7/polling.pcap" 2>/dev/null
	run -2 "$INTERLOCK" policy approve two.yaml poll
	said '2 rules are called "poll"; say which:'
	run -0 "$INTERLOCK" policy approve two.yaml hmi2-plc1/poll
	# A rule of an included file is not of this one.
	{ printf 'interlock: 1\nconduits:\n'; sed -n '/^  - name:/,$p' two.yaml; } >part.yaml
	{ sed '/^conduits:/,$d' two.yaml; echo 'include: [part.yaml]'; } >main.yaml
	run -2 "$INTERLOCK" policy approve main.yaml write
	said 'rule "write" is in part.yaml, line '
	run -2 "$INTERLOCK" policy approve nowhere.yaml --all
	said "nowhere.yaml: No such file"
	run -2 "$INTERLOCK" policy approve p.yaml --all poll
	said "rules or --all, not both"
	sed -i 's/^mode: alert/mode: no/' p.yaml
	run -2 "$INTERLOCK" policy approve p.yaml --all
	said "has errors: nothing was changed"
	same p.yaml <(sed 's/^mode: alert/mode: no/' before.yaml)
	[ -z "$(find . -name 'p.yaml.*')" ]
}

@test "a signature that does not fit any more is named" {
	"$INTERLOCK" key new k >/dev/null
	"$INTERLOCK" policy sign --key k p.yaml >/dev/null
	run -0 "$INTERLOCK" policy approve p.yaml --all
	said "p.yaml.minisig is of the text before: sign it again"
	run -1 "$INTERLOCK" policy verify --key k.pub p.yaml
}
