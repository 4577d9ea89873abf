#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, and is silent when nothing is.
# usage: deps.sh KIND...   kinds of mk/deps: build, test, bench (bench-dpdk), record (pcaps/*/ scripts)
set -eu

list=$(dirname "$0")/deps

there() {
	case $1 in
	/*) [ -e "$1" ] ;;
	pc:*) command -v pkg-config >/dev/null && pkg-config --exists "${1#pc:}" ;;
	clang:*) clang -print-resource-dir 2>/dev/null | {
		read -r dir && ls "$dir"/lib/linux/libclang_rt."${1#clang:}"*.a
	} >/dev/null 2>&1 ;;
	py:*) python3 -c "import ${1#py:}" 2>/dev/null || /usr/bin/python3 -c "import ${1#py:}" 2>/dev/null ;;
	*) PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

missing=
for kind in "$@"; do
	while read -r k package probe; do
		[ "$k" = "$kind" ] || continue
		there "$probe" || missing="$missing $package"
	done <"$list"
done
[ -n "$missing" ] || exit 0

echo "missing:$missing"
if ! command -v apt-get >/dev/null; then
	echo "there is no apt-get here: install what these Debian packages hold, then try again" >&2
	exit 2
fi
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "run this as root: apt-get install --no-install-recommends$missing" >&2
		exit 2
	}
	as_root=sudo
	echo "installing them with apt-get; sudo may ask for your password"
fi
apt() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}
# Servers are for the tests to start: not for this machine, now or at its next start.
case " $missing " in
*" rsyslog "* | *" nats-server "* | *" postgresql-15 "*)
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		trap '$as_root rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' | $as_root tee /usr/sbin/policy-rc.d >/dev/null
		$as_root chmod 755 /usr/sbin/policy-rc.d
	fi
	;;
esac
apt update
# shellcheck disable=SC2086 # a list of packages
apt install -y --no-install-recommends $missing
for unit in rsyslog:"rsyslog syslog.socket" nats-server:nats-server postgresql-15:postgresql; do
	case " $missing " in
	*" ${unit%%:*} "*)
		# shellcheck disable=SC2086 # a list of units
		! command -v systemctl >/dev/null || $as_root systemctl --quiet disable ${unit#*:} 2>/dev/null || :
		;;
	esac
done
