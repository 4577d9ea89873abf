/* SPDX-License-Identifier: Apache-2.0 */
/* kit.c - see kit.h. */
#include "tests/ebpf/kit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/xsk.h>

#include "base/net.h"

/* --- frames ------------------------------------------------------------------------------- */

struct make {
	uint8_t *b;
	size_t n;
	size_t type, ip,
	    next; /* where the type, the IP header, its next-header field are; 0 none */
	bool v6, len_set;
	size_t end; /* of the datagram; 0: at n */
	size_t l4;  /* where the transport header is; 0: none */
	size_t sum; /* where its checksum goes */
	uint8_t proto;
};

static void
m_put(struct make *m, const void *p, size_t n)
{
	if (m->n + n > KIT_FRAME_MAX)
		abort();
	memcpy(m->b + m->n, p, n);
	m->n += n;
}

static void
m_be(struct make *m, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m_put(m, &(uint8_t){(uint8_t)(v >> 8 * (n - 1 - i))}, 1);
}

static void
set16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void
kit_mac(const char *name, uint8_t mac[6])
{
	static const struct {
		const char *name;
		uint8_t mac[6];
	} named[] = {{"*", {255, 255, 255, 255, 255, 255}}, {"0", {0}},
	    {"bridge", {1, 0x80, 0xc2, 0, 0, 0}}, {"pvst", {1, 0, 0x0c, 0xcc, 0xcc, 0xcd}}};

	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strcmp(named[i].name, name) == 0) {
			memcpy(mac, named[i].mac, 6);
			return;
		}
	memcpy(mac, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)name[0]}, 6);
}

/* The type of what follows goes where the last one left room. */
static void
m_type(struct make *m, unsigned type)
{
	if (m->type)
		set16(m->b + m->type, type);
}

static void
m_next(struct make *m, unsigned proto)
{
	m->b[m->next] = (uint8_t)proto;
}

/* An extension header of 8 bytes; the first of its own proto number. */
static size_t
m_ext(struct make *m, unsigned proto)
{
	size_t at = m->n;

	m_next(m, proto);
	m->next = at;
	m_put(m, (uint8_t[8]){0}, 8);
	return at;
}

static void
split(const char *s, char sep, char *a, char *b, size_t size)
{
	const char *p = strchr(s, sep);

	if (!p)
		abort();
	(void)snprintf(a, size, "%.*s", (int)(p - s), s);
	(void)snprintf(b, size, "%s", p + 1);
}

static struct net_addr
addr(const char *s)
{
	struct net_addr a;

	if (net_addr_parse(s, &a) < 0)
		abort();
	return a;
}

static void
word_ip(struct make *m, const char *a, const char *b)
{
	struct net_addr s = addr(a), d = addr(b);

	m->v6 = strchr(a, ':') != NULL;
	m_type(m, m->v6 ? 0x86dd : 0x0800);
	m->ip = m->n;
	m->len_set = false;
	if (m->v6) {
		m_put(m, (uint8_t[8]){0x60, [7] = 64}, 8);
		m_put(m, s.b, 16);
		m_put(m, d.b, 16);
		m->next = m->ip + 6;
		m_next(m, 59);
	} else {
		m_put(m, (uint8_t[12]){0x45, [8] = 64}, 12);
		m_put(m, s.b + 12, 4);
		m_put(m, d.b + 12, 4);
		m->next = m->ip + 9;
		m_next(m, 253);
	}
}

static void
word_frag(struct make *m, const char *v)
{
	unsigned off = (unsigned)strtoul(v, NULL, 0), more = strchr(v, '+') != NULL;

	if (m->v6) {
		size_t at = m_ext(m, 44);

		set16(m->b + at + 2, off | more);
	} else {
		set16(m->b + m->ip + 6, off / 8 | more << 13);
	}
}

static void
word_tcp(struct make *m, const char *v)
{
	static const char names[] = "FSRPA";
	char a[64], b[64], *flags;
	unsigned bits = 0x10;

	split(v, '>', a, b, sizeof(a));
	if ((flags = strchr(b, ':')) != NULL)
		for (bits = 0, flags++; *flags; flags++)
			bits |= 1u << (strchr(names, *flags) - names);
	m_next(m, m->proto = 6);
	m->l4 = m->n;
	m->sum = m->n + 16;
	m_be(m, strtoul(a, NULL, 0), 2);
	m_be(m, strtoul(b, NULL, 0), 2);
	m_put(m, (uint8_t[16]){[8] = 0x50, [9] = (uint8_t)bits, [10] = 0xff, [11] = 0xff}, 16);
}

static void
word_udp(struct make *m, const char *v)
{
	char a[64], b[64];

	split(v, '>', a, b, sizeof(a));
	m_next(m, m->proto = 17);
	m->l4 = m->n;
	m->sum = m->n + 6;
	m_be(m, strtoul(a, NULL, 0), 2);
	m_be(m, strtoul(b, NULL, 0), 2);
	m_put(m, (uint8_t[4]){0, 8}, 4);
}

static void
word_icmp(struct make *m, const char *v, const char *target)
{
	const char *code = strchr(v, '/');
	struct net_addr t;

	m_next(m, m->proto = m->v6 ? 58 : 1);
	m->l4 = m->n;
	m->sum = m->n + 2;
	m_put(m,
	    (uint8_t[8]){
		(uint8_t)strtoul(v, NULL, 0), code ? (uint8_t)strtoul(code + 1, NULL, 0) : 0},
	    8);
	if (!target)
		return;
	t = addr(target);
	m_put(m, t.b, 16);
}

static void
word_arp(struct make *m, const char *v)
{
	char who[64], tip[64], mac[16], sip[64];
	struct net_addr s, t;
	uint8_t smac[6];

	split(v, '>', who, tip, sizeof(who));
	split(who, '@', mac, sip, sizeof(mac));
	split(who, '@', tip, sip, sizeof(sip));
	split(v, '>', who, tip, sizeof(who));
	s = addr(sip);
	t = addr(tip);
	kit_mac(mac, smac);
	m_type(m, 0x0806);
	m_put(m, (uint8_t[8]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
	m_put(m, smac, 6);
	m_put(m, s.b + 12, 4);
	m_put(m, (uint8_t[6]){0}, 6);
	m_put(m, t.b + 12, 4);
}

static void
word_tag(struct make *m, unsigned tpid, unsigned vid)
{
	m_type(m, tpid);
	m_be(m, vid, 2);
	m->type = m->n;
	m_be(m, 0, 2);
}

static void
word_snap(struct make *m, uint8_t oui)
{
	m_type(m, 0x0040);
	m_put(m, (uint8_t[6]){0xaa, 0xaa, 3, 0, 0, oui}, 6);
	m->type = m->n;
	m_be(m, 0, 2);
}

static bool
word_link(struct make *m, const char *w, const char *v)
{
	char a[64], b[64];
	uint8_t mac[6];

	if (strcmp(w, "eth") == 0) {
		split(v, '>', a, b, sizeof(a));
		kit_mac(b, mac);
		m_put(m, mac, 6);
		kit_mac(a, mac);
		m_put(m, mac, 6);
		m->type = m->n;
		m_be(m, 0, 2);
	} else if (strcmp(w, "vlan") == 0) {
		word_tag(m, 0x8100, (unsigned)strtoul(v, NULL, 0));
	} else if (strcmp(w, "qinq") == 0) {
		word_tag(m, 0x88a8, (unsigned)strtoul(v, NULL, 0));
	} else if (strcmp(w, "old") == 0) {
		word_tag(m, 0x9100, (unsigned)strtoul(v, NULL, 0));
	} else if (strcmp(w, "snap") == 0) {
		word_snap(m, 0);
	} else if (strcmp(w, "snapf8") == 0) {
		word_snap(m, 0xf8);
	} else if (strcmp(w, "llc") == 0) {
		m_type(m, 0x0026);
		m_be(m, strtoul(v, NULL, 16), 2);
		m_be(m, 3, 1);
	} else if (strcmp(w, "type") == 0) {
		m_type(m, (unsigned)strtoul(v, NULL, 16));
	} else if (strcmp(w, "hex") == 0) {
		for (; v[0] && v[1]; v += 2)
			m_be(m, strtoul((char[3]){v[0], v[1], 0}, NULL, 16), 1);
	} else if (strcmp(w, "arp") == 0) {
		word_arp(m, v);
	} else {
		return false;
	}
	return true;
}

static bool
word_net(struct make *m, const char *w, const char *v)
{
	char a[64], b[64];
	unsigned n = (unsigned)strtoul(v, NULL, 0);

	if (strcmp(w, "ip") == 0) {
		split(v, '>', a, b, sizeof(a));
		word_ip(m, a, b);
	} else if (strcmp(w, "opt") == 0) {
		m->b[m->ip] = (uint8_t)(0x45 + n);
		for (unsigned i = 0; i < n; i++)
			m_put(m, "\1\1\1\1", 4);
	} else if (strcmp(w, "ihl") == 0) {
		m->b[m->ip] = (uint8_t)(0x40 | n);
	} else if (strcmp(w, "ver") == 0) {
		m->b[m->ip] = (uint8_t)((m->b[m->ip] & 15) | n << 4);
	} else if (strcmp(w, "hop") == 0) {
		m->b[m->ip + (m->v6 ? 7 : 8)] = (uint8_t)n;
	} else if (strcmp(w, "len") == 0) {
		set16(m->b + m->ip + (m->v6 ? 4 : 2), n);
		m->len_set = true;
	} else if (strcmp(w, "frag") == 0 || strcmp(w, "frag6") == 0) {
		word_frag(m, v);
	} else if (strcmp(w, "hbh") == 0) {
		(void)m_ext(m, 0);
	} else if (strcmp(w, "rt") == 0) {
		(void)m_ext(m, 43);
	} else if (strcmp(w, "dst") == 0) {
		(void)m_ext(m, 60);
	} else if (strcmp(w, "ah") == 0) {
		m->b[m_ext(m, 51) + 1] = 4; /* 24 bytes: as IPsec with a digest of 12 makes them */
		m_put(m, (uint8_t[16]){0}, 16);
	} else if (strcmp(w, "proto") == 0) {
		m_next(m, n);
	} else {
		return false;
	}
	return true;
}

static bool
word_rest(struct make *m, const char *w, char *v)
{
	char a[64], b[64];

	if (strcmp(w, "tcp") == 0) {
		word_tcp(m, v);
	} else if (strcmp(w, "udp") == 0) {
		word_udp(m, v);
	} else if (strcmp(w, "icmp") == 0) {
		word_icmp(m, v, NULL);
	} else if (strcmp(w, "nd") == 0) {
		split(v, ':', a, b, sizeof(a));
		word_icmp(m, a, b);
	} else if (strcmp(w, "pad") == 0) {
		m->end = m->n;
		for (unsigned long i = strtoul(v, NULL, 0); i > 0; i--)
			m_be(m, 0, 1);
	} else {
		return false;
	}
	return true;
}

/* RFC 1071 */
static uint32_t
sum_add(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static void
sum_put(uint8_t *p, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	set16(p, ~sum & 0xffff);
}

static void
checksums(struct make *m)
{
	uint8_t *ip = m->b + m->ip;
	size_t len = m->end - m->l4;
	uint32_t sum;

	if (!m->v6)
		sum_put(ip + 10, sum_add(0, ip, (ip[0] & 15u) * 4u));
	if (m->l4 == 0)
		return;
	sum = sum_add((uint32_t)len, m->b + m->l4, len);
	if (m->proto == 1)
		sum -= (uint32_t)len; /* no pseudo-header */
	else
		sum = sum_add(sum + m->proto, ip + (m->v6 ? 8 : 12), m->v6 ? 32 : 8);
	sum_put(m->b + m->sum, sum);
}

size_t
kit_frame(uint8_t out[KIT_FRAME_MAX], const char *words)
{
	struct make m = {.b = out};
	char text[512], *save = NULL;
	size_t cut = SIZE_MAX;

	memset(out, 0, KIT_FRAME_MAX);
	(void)snprintf(text, sizeof(text), "%s", words);
	for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *v = strchr(w, ':');

		if (v)
			*v++ = '\0';
		else
			v = w + strlen(w);
		if (strcmp(w, "cut") == 0)
			cut = strtoul(v, NULL, 0);
		else if (!word_link(&m, w, v) && !word_net(&m, w, v) && !word_rest(&m, w, v)) {
			(void)fprintf(stderr, "kit: no such word: %s\n", w);
			abort();
		}
	}
	if (m.end == 0)
		m.end = m.n;
	if (m.ip && !m.len_set)
		set16(out + m.ip + (m.v6 ? 4 : 2), (unsigned)(m.end - m.ip - (m.v6 ? 40 : 0)));
	if (m.ip)
		checksums(&m);
	return m.n < cut ? m.n : cut;
}

/* --- the filter ------------------------------------------------------------------------------ */

static int
run(const struct gate *g, unsigned port, const uint8_t *frame, size_t n, unsigned runs,
    uint32_t *ns)
{
	struct gate_program p;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = (uint32_t)n,
	    .repeat = (int)runs);

	if (gate_program(g, port, &p) < 0 || bpf_prog_test_run_opts(p.fd, &o) < 0)
		return -errno;
	if (ns)
		*ns = o.duration;
	return (int)o.retval;
}

bool
kit_passes(const struct gate *g, unsigned port, const uint8_t *frame, size_t n, unsigned runs,
    uint32_t *ns)
{
	int r = run(g, port, frame, n, runs, ns);

	if (r != XDP_REDIRECT && r != XDP_DROP) {
		(void)fprintf(stderr, "kit: a run of %zu bytes ended with %d\n", n, r);
		abort();
	}
	return r == XDP_REDIRECT;
}

const char *
kit_verdict(const struct gate *g, unsigned port, const uint8_t *frame, size_t n)
{
	struct gate_count was[GATE_COUNT_MAX], now[GATE_COUNT_MAX];
	unsigned rows = gate_counts(g, was, GATE_COUNT_MAX);
	const char *said = NULL;

	if (kit_passes(g, port, frame, n, 1, NULL))
		return "engine";
	(void)gate_counts(g, now, GATE_COUNT_MAX);
	for (unsigned i = 0; i < rows; i++)
		if (now[i].packets[port] == was[i].packets[port] + 1 &&
		    now[i].bytes[port] == was[i].bytes[port] + n && !said)
			said = now[i].reason;
		else if (memcmp(now[i].packets, was[i].packets, sizeof(was[i].packets)) != 0)
			return "counted twice";
	return said ? said : "not counted";
}

const char *
kit_why_not(void)
{
	static char why[256];
	struct gate *g;

	if (geteuid() != 0)
		return "not root: the kernel's filter cannot be loaded";
	g = gate_open(why, sizeof(why));
	if (!g)
		return why;
	gate_close(g);
	return NULL;
}

/* --- a cable --------------------------------------------------------------------------------- */

extern char **environ;

int
kit_command(const char *const argv[])
{
	char *args[16] = {0};
	int status = -1;
	pid_t pid;

	for (unsigned i = 0; argv[i] && i < 15; i++)
		args[i] = (char *)(uintptr_t)argv[i];
	if (posix_spawnp(&pid, args[0], NULL, NULL, args, environ) != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char *
kit_namespace(void)
{
	static const char conf[] = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return "no network namespaces";
	if ((fd = open(conf, O_WRONLY | O_CLOEXEC)) >= 0) { /* or the host says things of its own */
		if (write(fd, "1", 1) != 1)
			(void)fprintf(stderr, "%s: %s\n", conf, strerror(errno));
		(void)close(fd);
	}
	if (kit_command((const char *[]){
		"ip", "link", "add", "il0", "type", "veth", "peer", "name", "il1", NULL}) != 0 ||
	    kit_command((const char *[]){"ip", "link", "set", "il0", "up", NULL}) != 0 ||
	    kit_command((const char *[]){"ip", "link", "set", "il1", "up", NULL}) != 0)
		return "no veth pair";
	return NULL;
}

#define FRAMES 256u

static struct {
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp, rx;
	uint8_t *area;
} sock;

static const char *
open_socket(void)
{
	const struct xsk_socket_config conf = {.rx_size = FRAMES,
	    .tx_size = FRAMES,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	    .bind_flags = XDP_COPY};
	uint32_t at;

	sock.area =
	    mmap(NULL, FRAMES * 4096u, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sock.area == MAP_FAILED ||
	    xsk_umem__create(&sock.umem, sock.area, FRAMES * 4096u, &sock.fill, &sock.comp, NULL) <
		0 ||
	    xsk_socket__create(&sock.xsk, "il0", 0, sock.umem, &sock.rx, NULL, &conf) < 0)
		return "no AF_XDP socket";
	if (xsk_ring_prod__reserve(&sock.fill, FRAMES, &at) != FRAMES)
		return "no room in the fill ring";
	for (uint32_t i = 0; i < FRAMES; i++)
		*xsk_ring_prod__fill_addr(&sock.fill, at + i) = (uint64_t)i * 4096;
	xsk_ring_prod__submit(&sock.fill, FRAMES);
	return NULL;
}

const char *
kit_socket(const struct gate *g)
{
	const char *why = sock.xsk ? NULL : open_socket();
	uint32_t key = 0;
	int fd;

	if (why)
		return why;
	fd = xsk_socket__fd(sock.xsk);
	for (unsigned port = 0; port < 2; port++)
		if (bpf_map_update_elem(gate_xskmap(g, port), &key, &fd, BPF_ANY) < 0)
			return "the socket does not go into the XSKMAP";
	return NULL;
}

void
kit_take_socket(const struct gate *g)
{
	const uint32_t key = 0;

	for (unsigned port = 0; port < 2; port++)
		(void)bpf_map_delete_elem(gate_xskmap(g, port), &key);
}

unsigned
kit_received(uint8_t last[KIT_FRAME_MAX], size_t *n)
{
	uint32_t at, fill, got = xsk_ring_cons__peek(&sock.rx, FRAMES, &at);

	if (got == 0)
		return 0;
	if (xsk_ring_prod__reserve(&sock.fill, got, &fill) != got)
		abort();
	for (uint32_t i = 0; i < got; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&sock.rx, at + i);

		*n = d->len;
		memcpy(last, sock.area + d->addr, d->len < KIT_FRAME_MAX ? d->len : KIT_FRAME_MAX);
		*xsk_ring_prod__fill_addr(&sock.fill, fill + i) = d->addr & ~(uint64_t)4095;
	}
	xsk_ring_prod__submit(&sock.fill, got);
	xsk_ring_cons__release(&sock.rx, got);
	return got;
}

int
kit_fast_begin(struct gate **gate, struct fast **fast)
{
	const char *why = kit_why_not(), *const ports[2] = {"il0", "il1"};
	char err[256] = "";

	*gate = NULL;
	*fast = NULL;
	if (!why)
		why = kit_namespace();
	if (why) {
		puts(why);
		return 77;
	}
	if (!(*gate = gate_open_fast(err, sizeof(err))) ||
	    !(*fast = fast_open(*gate, err, sizeof(err))))
		why = err;
	for (unsigned i = 0; i < 2 && !why; i++)
		if (gate_attach(*gate, i, (int)if_nametoindex(ports[i]), GATE_AUTO, false, err,
			sizeof(err)) < 0)
			why = err;
	if (!why)
		why = kit_socket(*gate);
	if (why)
		(void)fprintf(stderr, "%s\n", why);
	return why ? 1 : 0;
}

void
kit_fast_end(struct gate *gate, struct fast *fast)
{
	fast_close(fast);
	gate_close(gate);
}
