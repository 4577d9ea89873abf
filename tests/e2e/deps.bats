#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# mk/deps.sh with a list of its own and false apt-get, sudo and id before the real ones.

setup() {
	cd "$BATS_TEST_TMPDIR"
	mkdir -p mk bin
	cp "$BATS_TEST_DIRNAME"/../../mk/deps.sh mk/
	cat >mk/deps <<-'EOF'
		# a comment
		build  shell    sh
		build  nothing  no-such-command
		test   libnone  pc:no-such-library
		test   headers  /no/such/header.h
		other  whole    /bin/sh
	EOF
	tool apt-get 'echo "apt-get $*" >>log; [ ! -e offline ]'
	tool sudo 'echo "sudo" >>log; "$@"'
	tool id 'cat uid'
	echo 0 >uid
	PATH=$PWD/bin:$PATH
}

tool() {
	printf '#!/bin/sh\n%s\n' "$2" >"bin/$1"
	chmod +x "bin/$1"
}

expect() {
	[ "$status" -eq "$1" ] && [[ $output == *"$2"* ]] || { echo "status $status: $output"; return 1; }
}

@test "silent, and apt is not asked, when nothing is missing" {
	run sh mk/deps.sh other
	expect 0 ""
	[ -z "$output" ]
	[ ! -e log ]
}
@test "updates once, then installs only what is missing, without recommended packages" {
	run sh mk/deps.sh build test
	expect 0 "missing: nothing libnone headers"
	[ "$(wc -l <log)" = 2 ]
	[[ $(head -1 log) == *'DPkg::Lock::Timeout=300 update' ]]
	[[ $(tail -1 log) == *'install -y --no-install-recommends nothing libnone headers' ]]
}
@test "a kind is not another kind" {
	run sh mk/deps.sh build
	expect 0 "missing: nothing"
	[[ $output != *libnone* ]]
}
@test "as another user it says so and asks sudo" {
	echo 1000 >uid
	run sh mk/deps.sh build
	expect 0 "sudo may ask for your password"
	[ "$(head -1 log)" = sudo ]
}
@test "fails when apt fails" {
	touch offline
	run sh mk/deps.sh build
	[ "$status" -ne 0 ]
	[ "$(wc -l <log)" = 1 ]
}
@test "without apt-get it names the packages" {
	rm bin/apt-get
	for t in sh dirname id cat; do ln -sf "$(PATH=/usr/bin:/bin command -v $t)" bin/; done
	run env PATH="$PWD/bin" sh mk/deps.sh build
	expect 2 "missing: nothing"
	expect 2 "no apt-get"
}
@test "without sudo it shows the command" {
	echo 1000 >uid
	rm bin/sudo
	for t in sh dirname cat; do ln -sf "$(PATH=/usr/bin:/bin command -v $t)" bin/; done
	run env PATH="$PWD/bin" sh mk/deps.sh build
	expect 2 "run this as root: apt-get install --no-install-recommends nothing"
}
@test "the list of the tree: every line has a kind, a package and a probe" {
	run awk '/^#/ || NF == 0 { next } NF != 3 || $1 !~ /^(build|test|bench|record)$/ { print FILENAME ": " $0; bad = 1 }
		END { exit bad }' "$BATS_TEST_DIRNAME"/../../mk/deps
	expect 0 ""
}
