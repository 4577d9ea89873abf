#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every rule of `make lint` finds its own violation, in a scratch copy of the rules
# and a tree of a few files; and says nothing about the same tree without it.

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir -p mk base dissectors/toy policy dataplane cli tests
	cp "$BATS_TEST_DIRNAME"/../../mk/* mk/
	sed -i /^except/d mk/hotpath # of files that are not in this tree
	printf '/* SPDX-License-Identifier: Apache-2.0 */\n#include "base/x.h"\nint\nx_get(void)\n{\n\treturn 0;\n}\n' >base/x.c
	printf '/* SPDX-License-Identifier: Apache-2.0 */\n/* Gives 0. */\nint x_get(void);\n' >base/x.h
	printf '/* SPDX-License-Identifier: Apache-2.0 */\nconst int dissector_toy = 1;\n' >dissectors/toy/toy.c
	export B=$BATS_TEST_TMPDIR/b
}

# expect STATUS TEXT: what the last run had to answer
expect() {
	[ "$status" -eq "$1" ] && [[ $output == *"$2"* ]] || { echo "status $status: $output"; return 1; }
}

# rule NAME TEXT: it passes now; after the caller's change on standard input
# (a shell script) it fails and the output has the text
rule() {
	run bash mk/lint.sh "$1"
	expect 0 "ok 1 $1"
	bash -eu
	run bash mk/lint.sh "$1"
	expect 1 "not ok 1 $1"
	expect 1 "$2"
}

@test "layers: base may not include policy" {
	rule layers 'base/x.c:8: base/ may not include policy/' <<<"echo '#include \"policy/policy.h\"' >>base/x.c"
}
@test "layers: only cli includes dataplane" {
	echo '#include "dataplane/engine.h"' >cli/main.c
	rule layers 'dissectors/toy/toy.c:3: dissectors/ may not include dataplane/' \
		<<<"echo '#include \"dataplane/engine.h\"' >>dissectors/toy/toy.c"
}
@test "layers: a library has one home" {
	echo '#include <yaml.h>' >policy/yaml.c
	rule layers 'cli/main.c:1: <yaml.h> has another home' <<<"echo '#include <yaml.h>' >cli/main.c"
}
@test "layers: an unknown library has none" {
	rule layers '<zmq.h> has no home' <<<"echo '#include <zmq.h>' >cli/main.c"
}
@test "calls: a banned one, not its name in a comment or text" {
	printf 'const char *s = "strcpy(a, b)"; /* strcpy(a, b) */\nint not_strcpy(int);\n' >>base/x.c
	rule calls 'base/x.c:10: strcpy() is banned' <<<"printf 'void f(char *d) { strcpy(d, \"\"); }\n' >>base/x.c"
}
@test "hotpath: no allocation in a dissector, but at start" {
	printf 'void *\ntoy_new(void)\n{\n\treturn malloc(1);\n}\n' >>dissectors/toy/toy.c
	rule hotpath 'toy_pdu() is on the packet path and calls malloc()' \
		<<<"printf 'void *\ntoy_pdu(void)\n{\n\treturn malloc(1);\n}\n' >>dissectors/toy/toy.c"
}
@test "hotpath: no log, no clock, no start-up function" {
	for call in log_warn clock_mono_ns pthread_mutex_lock frag_new; do
		printf 'void\na(void)\n{\n\t%s();\n}\n' $call >dataplane/a.c
		run bash mk/lint.sh hotpath
		expect 1 "calls $call()"
	done
}
@test "hotpath: an exception that is not needed" {
	rule hotpath 'needs no exception' <<<"echo 'except x in dataplane/x.c: because' >>mk/hotpath"
}
@test "headers: a prototype without a comment" {
	rule headers 'base/x.h:5: x_put has no comment' <<<"printf '\nint x_put(void);\n' >>base/x.h"
}
@test "tidy: no licence line" {
	rule tidy 'base/y.c:1: the first line names the licence' <<<"echo 'int y;' >base/y.c"
}
@test "tidy: unfinished work" {
	rule tidy 'unfinished' <<<"echo '/* TO''DO: later */' >>base/x.c"
}
@test "tidy: a long file that does not say why" {
	rule tidy '1009 lines' <<<"for i in {2..1003}; do echo; done >>base/x.c"
}
@test "exports: a second symbol, a shared one that others use, none at all" {
	mkdir -p b/dissectors/toy b/base
	build() { gcc -c -o b/dissectors/toy/toy.o dissectors/toy/toy.c; }
	build
	run bash mk/lint.sh exports
	expect 0 ""
	echo 'int helper = 1;' >>dissectors/toy/toy.c && build
	run bash mk/lint.sh exports
	expect 1 "exports helper"
	echo 'const int dissector_toy = 1; int toy_helper = 1;' >dissectors/toy/toy.c && build
	run bash mk/lint.sh exports
	expect 0 ""
	echo 'extern int toy_helper; int f(void); int f(void) { return toy_helper; }' | gcc -c -x c -o b/base/x.o -
	run bash mk/lint.sh exports
	expect 1 "toy_helper, and others use it"
	rm b/base/x.o
	echo 'int toy_helper = 1;' >dissectors/toy/toy.c && build
	run bash mk/lint.sh exports
	expect 1 "has no dissector_toy"
}
@test "alone: a header that needs another before it" {
	rule alone 'base/x.h: does not compile alone' <<<"echo 'uint8_t x_byte(void);' >>base/x.h"
}
@test "cppcheck: a read beyond an array" {
	rule cppcheck 'arrayIndexOutOfBounds' \
		<<<"printf 'int\ny(void)\n{\n\tint a[2] = {0, 0};\n\treturn a[2];\n}\n' >>base/x.c"
}
@test "format: a changed line, not the lines around it" {
	cp "$BATS_TEST_DIRNAME"/../../.clang-format .
	printf 'int  old_style ;\n' >>base/x.c
	git init -q . && git add base && git -c user.name=t -c user.email=t@t commit -q -m one
	export LINT_BASE=HEAD
	rule format 'int  new_style ;' <<<"printf '\nint  new_style ;\n' >>base/x.c"
	[[ $output != *"-int  old_style"* ]]
}
@test "scripts: an unquoted expansion that breaks" {
	rule scripts 'mk/y.sh' <<<"printf '#!/bin/sh\ncd \$1/x\nlocal a=\$(b)\n' >mk/y.sh"
}
@test "an unknown rule is a usage error" {
	run bash mk/lint.sh nonsense
	expect 2 "no such rule"
}
