/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ports.c - settings of an interface by ioctl and /proc, changed and put back.
 *
 * All settings have one form: a kind, a name, an integer.  `wanted` lists what a port needs;
 * what differs is noted with its value, the note is synced, then it is changed.  Restoring
 * goes through the notes backwards.
 */
#include "guard/ports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "base/err.h"
#include "ebpf/gate.h"
#include "guard/pins.h"

#ifdef __clang__ /* the kernel's structs end in arrays without a size, and stand before those here */
#pragma clang diagnostic ignored "-Wgnu-variable-sized-type-not-at-end"
#endif

#define FEATURES_MAX  128u /* netdev features that we can read; Linux has 64 */
#define FEATURE_WORDS (FEATURES_MAX / 32)

static const struct {
	uint8_t kind;
	int32_t value;
	const char *name;
} wanted[] = {
    /* Nothing of its own goes out, nothing is configured by what comes in. */
    {PORT_SYSCTL, 1, "disable_ipv6"}, /* not where it has IPv6 addresses (--allow-addresses) */
    {PORT_SYSCTL, 1, "addr_gen_mode"},
    {PORT_SYSCTL, 0, "accept_ra"},
    {PORT_SYSCTL, 0, "autoconf"},
    {PORT_FLAG, 1, "noarp"},
    /* A frame is a frame, with its tags.  Checksums may be verified by hardware, ours count. */
    {PORT_FEATURE, 0, "rx-gro"},
    {PORT_FEATURE, 0, "rx-gro-hw"},
    {PORT_FEATURE, 0, "rx-gro-list"},
    {PORT_FEATURE, 0, "rx-udp-gro-forwarding"},
    {PORT_FEATURE, 0, "rx-lro"},
    {PORT_FEATURE, 0, "rx-vlan-hw-parse"},
    {PORT_FEATURE, 0, "rx-vlan-stag-hw-parse"},
    {PORT_FEATURE, 0, "rx-vlan-filter"},
    {PORT_FEATURE, 0, "rx-vlan-stag-filter"},
    {PORT_FEATURE, 0, "tx-vlan-hw-insert"},
    {PORT_FEATURE, 0, "tx-vlan-stag-hw-insert"},
    {PORT_FEATURE, 0, "tx-tcp-segmentation"},
    {PORT_FEATURE, 0, "tx-tcp-ecn-segmentation"},
    {PORT_FEATURE, 0, "tx-tcp-mangleid-segmentation"},
    {PORT_FEATURE, 0, "tx-tcp-accecn-segmentation"},
    {PORT_FEATURE, 0, "tx-tcp6-segmentation"},
    {PORT_FEATURE, 0, "tx-udp-segmentation"},
    {PORT_FEATURE, 0, "tx-generic-segmentation"},
    /* Frames for others, last: the port is ready. */
    {PORT_FLAG, 1, "promisc"},
    {PORT_FLAG, 1, "up"},
};

/* --- one setting ----------------------------------------------------------------------------- */

static int
if_ioctl(int sock, unsigned long request, const char *ifname, struct ifreq *ifr)
{
	(void)snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", ifname);
	return ioctl(sock, request, ifr);
}

static int
if_ethtool(int sock, const char *ifname, void *cmd)
{
	struct ifreq ifr = {.ifr_data = cmd};

	return if_ioctl(sock, SIOCETHTOOL, ifname, &ifr);
}

static int
flag_bit(const char *name)
{
	return strcmp(name, "up") == 0	      ? IFF_UP
	       : strcmp(name, "promisc") == 0 ? IFF_PROMISC
	       : strcmp(name, "noarp") == 0   ? IFF_NOARP
					      : 0;
}

static int
flag_get(int sock, const char *ifname, const char *name, int32_t *value)
{
	struct ifreq ifr = {0};

	if (if_ioctl(sock, SIOCGIFFLAGS, ifname, &ifr) < 0)
		return -errno;
	*value = (ifr.ifr_flags & flag_bit(name)) != 0;
	return 0;
}

static int
flag_set(int sock, const char *ifname, const char *name, int32_t value)
{
	struct ifreq ifr = {0};
	int bit = flag_bit(name);

	if (if_ioctl(sock, SIOCGIFFLAGS, ifname, &ifr) < 0)
		return -errno;
	ifr.ifr_flags = (short)(value ? ifr.ifr_flags | bit : ifr.ifr_flags & ~bit);
	return if_ioctl(sock, SIOCSIFFLAGS, ifname, &ifr) < 0 ? -errno : 0;
}

/* The number of a feature here, and the words that hold all of them; -ENOENT when this kernel has
 * none of the name.  What they are called is the kernel's, the same for all interfaces: asked once. */
static int
feature_index(int sock, const char *ifname, const char *name, uint32_t *words)
{
	struct {
		struct ethtool_sset_info h;
		uint32_t n;
	} info = {.h = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = UINT64_C(1) << ETH_SS_FEATURES}};
	static struct {
		struct ethtool_gstrings h;
		char text[FEATURES_MAX][ETH_GSTRING_LEN];
	} names;

	if (names.h.len == 0) {
		if (if_ethtool(sock, ifname, &info) < 0)
			return -errno;
		if (info.n > FEATURES_MAX)
			return -E2BIG;
		names.h = (struct ethtool_gstrings){
		    .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = info.n};
		if (if_ethtool(sock, ifname, &names) < 0) {
			names.h.len = 0;
			return -errno;
		}
	}
	*words = (names.h.len + 31) / 32;
	for (unsigned i = 0; i < names.h.len; i++)
		if (strncmp(names.text[i], name, ETH_GSTRING_LEN) == 0)
			return (int)i;
	return -ENOENT;
}

static int
feature_get(int sock, const char *ifname, const char *name, int32_t *value)
{
	struct {
		struct ethtool_gfeatures h;
		struct ethtool_get_features_block block[FEATURE_WORDS];
	} get = {.h = {.cmd = ETHTOOL_GFEATURES, .size = FEATURE_WORDS}};
	const struct ethtool_get_features_block *b;
	uint32_t bit, words;
	int i = feature_index(sock, ifname, name, &words);

	if (i < 0)
		return i;
	if (if_ethtool(sock, ifname, &get) < 0)
		return -errno;
	b = &get.block[i / 32];
	bit = UINT32_C(1) << (i % 32);
	if (!(b->available & bit) || (b->never_changed & bit))
		return -ENOENT; /* fixed: not ours to change */
	*value = (b->requested & bit) != 0;
	return 0;
}

static int
feature_set(int sock, const char *ifname, const char *name, int32_t value)
{
	struct {
		struct ethtool_sfeatures h;
		struct ethtool_set_features_block block[FEATURE_WORDS];
	} set = {.h = {.cmd = ETHTOOL_SFEATURES, .size = FEATURE_WORDS}};
	uint32_t bit, words;
	int i = feature_index(sock, ifname, name, &words);

	if (i < 0)
		return i;
	bit = UINT32_C(1) << (i % 32);
	set.block[i / 32].valid = bit;
	set.block[i / 32].requested = value ? bit : 0;
	set.h.size = words; /* all of them, or it is refused */
	return if_ethtool(sock, ifname, &set) < 0 ? -errno : 0;
}

static int
sysctl_open(const char *ifname, const char *name, int flags)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", ifname, name);
	return open(path, flags | O_CLOEXEC);
}

static int
sysctl_get(const char *ifname, const char *name, int32_t *value)
{
	int fd = sysctl_open(ifname, name, O_RDONLY);
	char text[16];
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	*value = (int32_t)strtol(text, NULL, 10);
	return 0;
}

static int
sysctl_set(const char *ifname, const char *name, int32_t value)
{
	int fd = sysctl_open(ifname, name, O_WRONLY), r = 0;
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", value);

	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)n) != n)
		r = -errno;
	close(fd);
	return r;
}

/* 0, -ENOENT when the interface has no such setting that could be changed, or -errno. */
static int
setting_get(int sock, const char *ifname, uint8_t kind, const char *name, int32_t *value)
{
	switch (kind) {
	case PORT_FLAG:
		return flag_get(sock, ifname, name, value);
	case PORT_FEATURE:
		return feature_get(sock, ifname, name, value);
	default:
		return sysctl_get(ifname, name, value);
	}
}

static int
setting_set(int sock, const char *ifname, uint8_t kind, const char *name, int32_t value)
{
	switch (kind) {
	case PORT_FLAG:
		return flag_set(sock, ifname, name, value);
	case PORT_FEATURE:
		return feature_set(sock, ifname, name, value);
	default:
		return sysctl_set(ifname, name, value);
	}
}

/* --- one port -------------------------------------------------------------------------------- */

struct addresses {
	bool v4, v6; /* link-local IPv6 is not counted: every interface has one */
};

static int
addresses_of(const char *ifname, struct addresses *out)
{
	struct ifaddrs *all;

	*out = (struct addresses){0};
	if (getifaddrs(&all) < 0)
		return err_from_errno(errno);
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || strcmp(a->ifa_name, ifname) != 0)
			continue;
		if (a->ifa_addr->sa_family == AF_INET)
			out->v4 = true;
		else if (a->ifa_addr->sa_family == AF_INET6)
			out->v6 |= !IN6_IS_ADDR_LINKLOCAL(
			    &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr);
	}
	freeifaddrs(all);
	return 0;
}

/* What there is to know of an interface, and whether it can be guarded.  0 or ERR_*, said. */
static int
probe(int sock, const struct ports_conf *conf, const char *ifname, struct port *port,
    struct addresses *addr, char *err, size_t size)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {0};
	int r;

	if (strlen(ifname) >= IFNAMSIZ || if_ioctl(sock, SIOCGIFINDEX, ifname, &ifr) < 0)
		return err_say(err, size, ERR_NOTFOUND, "%s: there is no such interface", ifname);
	*port = (struct port){.ifindex = ifr.ifr_ifindex};
	(void)snprintf(port->name, sizeof(port->name), "%s", ifname);
	if (if_ioctl(sock, SIOCGIFMTU, ifname, &ifr) < 0)
		return err_say(
		    err, size, err_from_errno(errno), "%s: MTU: %s", ifname, strerror(errno));
	port->mtu = (uint32_t)ifr.ifr_mtu;
	if (if_ioctl(sock, SIOCGIFFLAGS, ifname, &ifr) < 0 || ifr.ifr_flags & IFF_LOOPBACK)
		return err_say(err, size, ERR_UNSUPPORTED, "%s: a loopback interface", ifname);
	if (if_ethtool(sock, ifname, &ch) == 0)
		port->queues = ch.combined_count + ch.rx_count;
	if (port->queues == 0)
		port->queues = 1;
	if ((r = addresses_of(ifname, addr)) < 0)
		return err_say(err, size, r, "%s: addresses: %s", ifname, err_str(r));
	if ((addr->v4 || addr->v6) && !conf->allow_addresses)
		return err_say(err, size, ERR_USAGE,
		    "%s: has an IP address; a port of the guard has none (ip addr flush dev %s, or "
		    "--allow-addresses: nobody will reach it while it is guarded)",
		    ifname, ifname);
	return 0;
}

_Static_assert(sizeof(wanted) / sizeof(wanted[0]) <= 32, "a bit for each");

/* Fill `s` with what has to be changed, and its values now; *right: bits of what is as wanted, when a
 * predecessor has set it.  0 or ERR_*, said. */
static int
plan(int sock, const struct addresses *addr, struct port_state *s, uint32_t *right, char *err,
    size_t size)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *name = wanted[i].name;
		int32_t value = 0;
		int r;

		if (addr->v6 && strcmp(name, "disable_ipv6") == 0)
			continue; /* it would take them away for good */
		r = setting_get(sock, s->ifname, wanted[i].kind, name, &value);
		if (r == -ENOENT || r == -EOPNOTSUPP)
			continue;
		if (r < 0)
			return err_say(err, size, err_from_errno(-r), "%s: %s: %s", s->ifname, name,
			    strerror(-r));
		if (value == wanted[i].value)
			*right |= UINT32_C(1) << i;
		else if (!port_state_note(s, wanted[i].kind, name, value))
			return err_say(err, size, ERR_FULL, "%s: too many settings", s->ifname);
	}
	return 0;
}

/* What is right is left alone: while a guard takes over, connections wait for this, and a change
 * takes the kernel's lock of all interfaces. */
static int
change(int sock, const struct port_state *s, uint32_t right, char *err, size_t size)
{
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int r;

		if (right >> i & 1 || !port_state_find(s, wanted[i].kind, wanted[i].name))
			continue;
		r = setting_set(sock, s->ifname, wanted[i].kind, wanted[i].name, wanted[i].value);
		if (r < 0)
			return err_say(err, size, err_from_errno(-r), "%s: %s: %s", s->ifname,
			    wanted[i].name, strerror(-r));
	}
	return 0;
}

static int
put_back(int sock, const struct port_state *s, char *err, size_t size)
{
	int first = 0;

	for (unsigned i = s->n; i-- > 0;) {
		const struct port_setting *v = &s->v[i];
		int r = setting_set(sock, s->ifname, v->kind, v->name, v->value);

		if (r < 0 && first == 0)
			first = err_say(err, size, err_from_errno(-r),
			    "%s: %s could not be set back to %d: %s", s->ifname, v->name, v->value,
			    strerror(-r));
	}
	return first;
}

/* What a guard left of this interface, if anything: its originals are ours.  0 or ERR_*, said. */
static int
inherit(int dirfd, const struct ports_conf *conf, struct port_state *s, bool *was, char *err,
    size_t size)
{
	struct port_state old;
	int r = port_state_load(&old, dirfd, s->ifname, err, size);

	if (r < 0)
		return r == ERR_NOTFOUND ? 0 : r;
	if (port_state_owned(&old) && !conf->take_over)
		return err_say(
		    err, size, ERR_EXISTS, "%s: process %d guards it", s->ifname, (int)old.pid);
	if (!port_state_applies(&old, s))
		return 0;
	*was = true;
	memcpy(s->v, old.v, sizeof(s->v));
	s->n = old.n;
	return 0;
}

static int
port_setup(struct ports *p, const struct ports_conf *conf, unsigned i, char *err, size_t size)
{
	struct port *port = &p->port[i];
	struct addresses addr = {0};
	struct port_state s;
	uint32_t right = 0;
	int r;

	if (conf->no_netdev[i]) {
		*port = (struct port){.queues = 1};
		(void)snprintf(port->name, sizeof(port->name), "%s", conf->ifname[i]);
		return 0;
	}
	r = probe(p->sock, conf, conf->ifname[i], port, &addr, err, size);

	if (r < 0)
		return r;
	if ((r = port_state_init(&s, port->name, port->ifindex)) < 0)
		return err_say(err, size, r, "%s: /proc: %s", port->name, err_str(r));
	if ((r = inherit(p->dirfd, conf, &s, &port->inherited, err, size)) < 0 ||
	    (r = plan(p->sock, &addr, &s, &right, err, size)) < 0 ||
	    (r = port_state_save(&s, p->dirfd, err, size)) < 0)
		return r;
	port->set = true;
	return change(p->sock, &s, right, err, size);
}

static int
port_restore(struct ports *p, unsigned i, char *err, size_t size)
{
	struct port *port = &p->port[i];
	struct port_state s;
	int r;

	if (!port->set)
		return 0;
	port->set = false;
	if ((r = port_state_load(&s, p->dirfd, port->name, err, size)) < 0)
		return r == ERR_NOTFOUND ? 0 : r;
	if (s.pid != getpid())
		return 0; /* somebody has taken over */
	if ((r = put_back(p->sock, &s, err, size)) < 0)
		return r; /* the file stays, for another try */
	return port_state_remove(p->dirfd, port->name);
}

/* --- both ------------------------------------------------------------------------------------ */

/* The state directory, locked until it is closed or unlocked; made when missing. */
static int
open_dir(const char *path)
{
	int fd;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		(void)flock(fd, LOCK_EX);
	return fd;
}

int
ports_setup(struct ports *p, const struct ports_conf *conf, char *err, size_t size)
{
	const char *dir = conf->state_dir ? conf->state_dir : PORT_STATE_DIR;
	char ignored[1] = "";
	int r = 0;

	*p = (struct ports){.dirfd = -1};
	p->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (p->sock < 0 || (p->dirfd = open_dir(dir)) < 0)
		r = err_say(err, size, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	if (r == 0 && strcmp(conf->ifname[0], conf->ifname[1]) == 0)
		r = err_say(err, size, ERR_USAGE, "%s: outside and inside are the same interface",
		    conf->ifname[0]);
	for (unsigned i = 0; i < 2 && r == 0; i++)
		r = port_setup(p, conf, i, err, size);
	if (p->dirfd >= 0)
		(void)flock(p->dirfd, LOCK_UN);
	if (r < 0)
		(void)ports_restore(p, ignored, sizeof(ignored));
	return r;
}

int
ports_restore(struct ports *p, char *err, size_t size)
{
	char ignored[1] = "";
	int r = 0;

	if (p->dirfd >= 0)
		(void)flock(p->dirfd, LOCK_EX);
	for (unsigned i = 0; i < 2; i++) {
		int one =
		    port_restore(p, i, r == 0 ? err : ignored, r == 0 ? size : sizeof(ignored));

		r = r == 0 ? one : r;
	}
	if (p->dirfd >= 0)
		close(p->dirfd);
	if (p->sock >= 0)
		close(p->sock);
	p->dirfd = p->sock = -1;
	return r;
}

/* One file of the state directory.  0 or ERR_*; line says what was done. */
static int
recover(int dirfd, int sock, const char *ifname, char *line, size_t size)
{
	struct port_state s, now;
	char pins[GATE_PIN_PATH];
	int r = port_state_load(&s, dirfd, ifname, line, size);

	if (r < 0)
		return r;
	if (port_state_owned(&s)) {
		(void)err_say(
		    line, size, 0, "%s: left alone: process %d guards it", ifname, (int)s.pid);
		return 0;
	}
	if (port_state_init(&now, ifname, (int)if_nametoindex(ifname)) < 0 ||
	    !port_state_applies(&s, &now)) {
		(void)err_say(
		    line, size, 0, "%s: nothing to put back: it is another interface now", ifname);
		return port_state_remove(dirfd, ifname);
	}
	if (pins_of_port(s.ifindex, pins)) {
		(void)err_say(line, size, 0,
		    "%s: left alone: its filter is pinned in %s and goes on (guard --detach)",
		    ifname, pins);
		return 0;
	}
	(void)(gate_clean(s.ifindex) || gate_clean_driver(s.ifindex));
	if ((r = put_back(sock, &s, line, size)) < 0)
		return r;
	(void)err_say(
	    line, size, 0, "%s: as it was before process %d guarded it", ifname, (int)s.pid);
	return port_state_remove(dirfd, ifname);
}

int
ports_recover(const char *state_dir, void (*said)(const char *line))
{
	const char *path = state_dir ? state_dir : PORT_STATE_DIR;
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), first = 0, dirfd = open_dir(path);
	DIR *dir = dirfd >= 0 ? fdopendir(dup(dirfd)) : NULL;
	const struct dirent *d;

	if (sock < 0 || !dir)
		first = err_from_errno(errno);
	while (dir && (d = readdir(dir))) {
		char ifname[IFNAMSIZ], name[PORT_STATE_NAME], line[256] = "";
		int r;

		if (sscanf(d->d_name, "ports-%15[^/]", ifname) != 1)
			continue;
		if (strlen(ifname) > 5 && strcmp(ifname + strlen(ifname) - 5, ".json") == 0)
			ifname[strlen(ifname) - 5] = '\0';
		if (strcmp(port_state_name(ifname, name), d->d_name) != 0)
			continue;
		r = recover(dirfd, sock, ifname, line, sizeof(line));
		if (said)
			said(line);
		first = first == 0 ? r : first;
	}
	if (dir)
		closedir(dir);
	if (dirfd >= 0)
		close(dirfd);
	if (sock >= 0)
		close(sock);
	return first;
}

bool
port_carrier(const struct ports *p, unsigned port)
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};

	return p->port[port].ifindex == 0 || if_ethtool(p->sock, p->port[port].name, &link) < 0 ||
	       link.data != 0;
}
