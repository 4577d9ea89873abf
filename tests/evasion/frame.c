/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.c - frames as nobody should send them, by a packet socket.
 *
 *	Ethernet | 802.1Q tags | IPv4 options or IPv6 extension headers | TCP or UDP | bytes behind it
 *
 * The datagram is made whole, with right checksums, then spoilt as asked, then cut into
 * fragments.  The attacker's interface has no address: what the kernel there hears means
 * nothing to it.  ARP (RFC 826) and Neighbor Solicitations (RFC 4861) are answered here.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/evasion/evade.h"

enum { ETH_BYTES = 14, TCP_PROTO = 6, UDP_PROTO = 17, ICMP6 = 58, FRAG_HEADER = 44 };

void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

unsigned
get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

uint32_t
sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n >= 2; p += 2, n -= 2)
		sum += get16(p);
	if (n)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* --- the segment ------------------------------------------------------------------------------- */

static unsigned
flag_bits(const char *s, bool has_data)
{
	static const char letters[] = "FSRPAUEC";
	unsigned v = 0;

	if (!s)
		return has_data ? 0x18 : 0x10;
	for (; *s; s++) {
		const char *at = strchr(letters, *s);

		if (at)
			v |= 1u << (at - letters);
	}
	return v;
}

/* The transport header and its payload; returns its length. */
static uint32_t
transport(const struct shot *s, struct bytes payload, uint8_t *b, bool v6, const uint8_t *addrs)
{
	const struct mods *m = s->m;
	uint32_t n, hl = 20;

	if (s->udp) {
		n = 8 + payload.n;
		put16(b, s->c->sport);
		put16(b + 2, 502);
		put16(b + 4, n + (uint32_t)m->udp_len);
		put16(b + 6, 0);
		memcpy(b + 8, payload.p ? payload.p : b, payload.n);
	} else {
		static const uint16_t port[PROTOS] = {502, 102, 4840};
		bool back = m->spoof;

		memset(b, 0, 20);
		put16(b + (back ? 2 : 0), s->c->sport);
		put16(b + (back ? 0 : 2), port[s->p->k->proto]);
		put32(b + 4, s->seq);
		b[13] = (uint8_t)(flag_bits(s->flags, payload.n > 0) | (m->urg ? 0x20 : 0));
		if (b[13] & 0x10)
			put32(b + 8, s->ack);
		put16(b + 14, m->has_win ? m->win : 64240);
		put16(b + 18, m->urg);
		if (s->ts || m->has_ts) {
			memcpy(b + hl, "\1\1\10\12", 4);
			put32(b + hl + 4, s->ts);
			put32(b + hl + 8, b[13] & 0x10 ? s->c->ts_recent : 0);
			hl += 12;
		}
		if (m->topt.n) {
			memcpy(b + hl, m->topt.p, m->topt.n);
			hl += m->topt.n;
		}
		while (hl & 3)
			b[hl++] = 1;
		b[12] = (uint8_t)((m->doff ? m->doff : hl / 4) << 4);
		if (payload.n)
			memcpy(b + hl, payload.p, payload.n);
		n = hl + payload.n;
	}
	{
		uint8_t *sum = b + (s->udp ? 6 : 16);
		uint32_t v = sum16(addrs, v6 ? 32 : 8, (s->udp ? UDP_PROTO : TCP_PROTO) + n);

		put16(sum, 0);
		v = ~sum16(b, n, v) & 0xffff;
		put16(sum, m->no_sum ? 0 : m->bad_sum ? v ^ 0x5a5a : v ? v : 0xffff);
	}
	return n;
}

/* --- around it ----------------------------------------------------------------------------------- */

static void
transmit(const uint8_t *b, uint32_t n, bool door)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET,
	    .sll_ifindex = door ? w.door_ifindex : w.raw_ifindex,
	    .sll_halen = 6,
	};

	memcpy(to.sll_addr, b, 6);
	capture_frame(b, n);
	for (unsigned i = 0; i < 50; i++) {
		if (sendto(door ? w.door : w.raw, b, n, 0, (struct sockaddr *)&to, sizeof(to)) ==
		    (ssize_t)n) {
			w.frames++;
			return;
		}
		if (errno != ENOBUFS && errno != EAGAIN)
			break;
		usleep(1000);
	}
	die("a frame of %u bytes cannot be sent: %s", n, strerror(errno));
}

static uint32_t
ethernet(const struct shot *s, uint8_t *b, bool v6, uint32_t payload)
{
	const struct mods *m = s->m;
	uint32_t at = 12;

	memcpy(b, w.peer_mac, 6);
	if (m->mac == 'b')
		memset(b, 0xff, 6);
	else if (m->mac == 'm')
		memcpy(b, "\x01\x00\x5e\x01\x02\x03", 6);
	memcpy(b + 6, w.mac, 6);
	for (unsigned i = 0; i < m->n_tags; i++, at += 4) {
		put16(b + at, m->tag[i] & 0x8000 ? 0x88a8 : 0x8100);
		put16(b + at + 2, m->tag[i] & 0xfff);
	}
	if (m->snap) {
		put16(b + at, payload + 8);
		memcpy(b + at + 2, "\xaa\xaa\3\0\0\0", 6);
		at += 8;
	}
	put16(b + at, v6 ? 0x86dd : 0x0800);
	return at + 2;
}

/* IPv6 extension headers (RFC 8200 4); returns their bytes and what the fixed header names. */
static uint32_t
extensions(const struct mods *m, uint8_t last, uint8_t *b, uint8_t *first)
{
	static const struct {
		char c;
		uint8_t proto;
		uint8_t body[8];
	} kinds[] = {
	    {'h', 0, {0, 0, 1, 4, 0, 0, 0, 0}}, /* PadN */
	    {'d', 60, {0, 0, 1, 4, 0, 0, 0, 0}},
	    {'u', 60, {0, 0, 0x1e, 4, 1, 2, 3, 4}},	  /* an option to be skipped */
	    {'x', 60, {0, 0, 0x9e, 4, 1, 2, 3, 4}},	  /* an option that ends the packet */
	    {'r', 43, {0, 0, 0, 0, 0, 0, 0, 0}},	  /* type 0, segments left 0 */
	    {'f', FRAG_HEADER, {0, 0, 0, 0, 0, 0, 0, 7}}, /* atomic (RFC 6946) */
	};
	uint32_t n = 0;
	uint8_t *next = first;

	*first = last;
	for (unsigned i = 0; i < m->n_ext; i++)
		for (unsigned k = 0; k < sizeof(kinds) / sizeof(*kinds); k++)
			if (kinds[k].c == m->ext[i]) {
				*next = kinds[k].proto;
				memcpy(b + n, kinds[k].body, 8);
				next = b + n;
				*next = last;
				n += 8;
			}
	return n;
}

static void
ip4_send(
    const struct shot *s, const uint8_t *body, uint32_t n, unsigned id, unsigned frag, bool last)
{
	const struct mods *m = s->m;
	uint32_t ihl = 20 + m->iopt.n, at;
	uint8_t b[2048], *ip;

	at = ethernet(s, b, false, ihl + n);
	ip = b + at;
	memset(ip, 0, 20);
	ip[0] = (uint8_t)(0x40 | ihl / 4);
	put16(ip + 2, ihl + n + (uint32_t)m->ip_len);
	put16(ip + 4, id);
	put16(ip + 6, frag | (m->df || (m->n_frags == 0 && !s->udp) ? 0x4000 : 0));
	ip[8] = m->ttl ? m->ttl : 64;
	ip[9] = s->udp ? UDP_PROTO : TCP_PROTO;
	memcpy(ip + 12, m->spoof ? w.peer4 : w.ip4, 4);
	memcpy(ip + 16, m->spoof ? w.ip4 : w.peer4, 4);
	if (m->iopt.n)
		memcpy(ip + 20, m->iopt.p, m->iopt.n);
	put16(ip + 10, (~sum16(ip, ihl, 0) & 0xffff) ^ (m->bad_ip_sum ? 0x5a5a : 0));
	memcpy(ip + ihl, body, n);
	at += ihl + n;
	if (m->pad.n && last) {
		memcpy(b + at, m->pad.p, m->pad.n);
		at += m->pad.n;
	}
	transmit(b, at, s->door);
}

static void
ip6_send(const struct shot *s, const uint8_t *body, uint32_t n, uint8_t next)
{
	const struct mods *m = s->m;
	uint8_t b[2048], *ip;
	uint32_t at = ethernet(s, b, true, 40 + n);

	ip = b + at;
	memset(ip, 0, 8);
	ip[0] = 0x60;
	put16(ip + 4, n + (uint32_t)m->ip_len);
	ip[6] = next;
	ip[7] = m->ttl ? m->ttl : 64;
	memcpy(ip + 8, m->spoof ? w.peer6 : w.ip6, 16);
	memcpy(ip + 24, m->spoof ? w.ip6 : w.peer6, 16);
	memcpy(ip + 40, body, n);
	at += 40 + n;
	if (m->pad.n) {
		memcpy(b + at, m->pad.p, m->pad.n);
		at += m->pad.n;
	}
	transmit(b, at, s->door);
}

static void
fragments(const struct shot *s, const uint8_t *body, const uint8_t *alt, uint32_t n, uint8_t next,
    bool v6)
{
	static unsigned count;
	unsigned id = 0x1000 + ++count;

	for (unsigned i = 0; i < s->m->n_frags; i++) {
		const struct frag *f = &s->m->frag[i];
		uint32_t to = f->to < n ? f->to : n, from = f->from < to ? f->from : to;
		const uint8_t *src = (f->alt ? alt : body) + from;
		bool more = to < n || f->more;
		uint8_t b[2048];

		if (!v6) {
			ip4_send(
			    s, src, to - from, id & 0xffff, (more ? 0x2000u : 0) | from / 8, true);
			continue;
		}
		b[0] = next;
		b[1] = 0;
		put16(b + 2, from | more);
		put32(b + 4, id);
		memcpy(b + 8, src, to - from);
		ip6_send(s, b, 8 + to - from, FRAG_HEADER);
	}
}

void
frame_send(const struct shot *s)
{
	static unsigned id;
	const struct mods *m = s->m;
	bool v6 = s->p->k->v6;
	uint8_t addrs[32], body[2048], alt[2048], next = s->udp ? UDP_PROTO : TCP_PROTO;
	uint32_t ext = 0, n;

	if (v6) {
		memcpy(addrs, m->spoof ? w.peer6 : w.ip6, 16);
		memcpy(addrs + 16, m->spoof ? w.ip6 : w.peer6, 16);
		ext = extensions(m, next, body, &next);
		memcpy(alt, body, ext);
	} else {
		memcpy(addrs, m->spoof ? w.peer4 : w.ip4, 4);
		memcpy(addrs + 4, m->spoof ? w.ip4 : w.peer4, 4);
	}
	if (s->data.n > 1400)
		die("%s: %u bytes do not fit a segment", s->p->k->name, s->data.n);
	n = ext + transport(s, s->data, body + ext, v6, addrs);
	(void)transport(s, m->alt.n ? m->alt : s->data, alt + ext, v6, addrs);
	for (unsigned i = 0; i < (m->times ? m->times : 1); i++)
		if (m->n_frags)
			fragments(s, body, alt, n, next, v6);
		else if (v6)
			ip6_send(s, body, n, next);
		else
			ip4_send(s, body, n, ++id & 0xffff, 0, true);
}

/* --- who has that address? ------------------------------------------------------------------------- */

static void
arp_send(unsigned what, const uint8_t *to_mac, const uint8_t *to_ip)
{
	uint8_t b[60] = {0};

	memcpy(b, to_mac, 6);
	memcpy(b + 6, w.mac, 6);
	put16(b + 12, 0x0806);
	memcpy(b + 14, "\0\1\10\0\6\4", 6);
	put16(b + 20, what);
	memcpy(b + 22, w.mac, 6);
	memcpy(b + 28, w.ip4, 4);
	if (what == 2)
		memcpy(b + 32, to_mac, 6);
	memcpy(b + 38, to_ip, 4);
	transmit(b, sizeof(b), false);
}

/* Neighbor Solicitation or Advertisement, with the link-layer address. */
static void
nd_send(unsigned type, const uint8_t *to_mac, const uint8_t *to, const uint8_t *target)
{
	uint8_t b[86] = {0}, *ip = b + 14, *icmp = ip + 40;
	uint32_t sum;

	memcpy(b, to_mac, 6);
	memcpy(b + 6, w.mac, 6);
	put16(b + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, 32);
	ip[6] = ICMP6;
	ip[7] = 255;
	memcpy(ip + 8, w.ip6, 16);
	memcpy(ip + 24, to, 16);
	icmp[0] = (uint8_t)type;
	icmp[4] = type == 136 ? 0x60 : 0; /* solicited, override */
	memcpy(icmp + 8, target, 16);
	icmp[24] = type == 135 ? 1 : 2;
	icmp[25] = 1;
	memcpy(icmp + 26, w.mac, 6);
	sum = sum16(ip + 8, 32, ICMP6 + 32);
	put16(icmp + 2, ~sum16(icmp, 32, sum) & 0xffff);
	transmit(b, sizeof(b), false);
}

static unsigned answered;

static void
hear_arp(const uint8_t *b, uint32_t n)
{
	if (n < 42 || memcmp(b + 38, w.ip4, 4) != 0)
		return;
	if (get16(b + 20) == 1)
		arp_send(2, b + 22, b + 28);
	else if (memcmp(b + 28, w.peer4, 4) == 0) {
		memcpy(w.peer_mac, b + 22, 6);
		answered |= 1;
	}
}

static void
hear_nd(const uint8_t *b, uint32_t n)
{
	const uint8_t *ip = b + 14, *icmp = ip + 40;

	if (n < 78)
		return;
	if (icmp[0] == 135 && memcmp(icmp + 8, w.ip6, 16) == 0)
		nd_send(136, b + 6, ip + 8, w.ip6);
	else if (icmp[0] == 136 && memcmp(icmp + 8, w.peer6, 16) == 0) {
		memcpy(w.peer_mac, b + 6, 6);
		answered |= 2;
	}
}

/* --- what comes back ------------------------------------------------------------------------------- */

static void
hear_options(const uint8_t *o, uint32_t n, struct heard *h)
{
	for (uint32_t i = 0; i + 1 < n && o[i] != 0; i += o[i] == 1	 ? 1
							  : o[i + 1] < 2 ? n
									 : o[i + 1])
		if (o[i] == 8 && i + 10 <= n) {
			h->has_ts = true;
			h->tsval = get32(o + i + 2);
		}
}

static void
hear(const uint8_t *b, uint32_t n, bool tap)
{
	const uint8_t *ip = b + ETH_BYTES, *tcp;
	struct heard h = {0};
	uint32_t hl, len;

	if (n < ETH_BYTES + 20)
		return;
	if (get16(b + 12) == 0x0806) {
		hear_arp(b, n);
		return;
	}
	if (get16(b + 12) == 0x0800 && ip[0] >> 4 == 4 && ip[9] == TCP_PROTO) {
		hl = (ip[0] & 15u) * 4u;
		len = get16(ip + 2);
	} else if (get16(b + 12) == 0x86dd && n >= ETH_BYTES + 40 && ip[6] == TCP_PROTO) {
		hl = 40;
		len = 40 + get16(ip + 4);
	} else {
		if (get16(b + 12) == 0x86dd && n >= ETH_BYTES + 40 && ip[6] == ICMP6)
			hear_nd(b, n);
		return;
	}
	if (len > n - ETH_BYTES || len < hl + 20)
		return;
	tcp = ip + hl;
	h.sport = (uint16_t)get16(tcp);
	h.dport = (uint16_t)get16(tcp + 2);
	h.seq = get32(tcp + 4);
	h.ack = get32(tcp + 8);
	h.flags = tcp[13];
	h.win = get16(tcp + 14);
	if ((tcp[12] >> 4) * 4u < 20 || hl + (tcp[12] >> 4) * 4u > len)
		return;
	h.len = len - hl - (tcp[12] >> 4) * 4u;
	hear_options(tcp + 20, (tcp[12] >> 4) * 4u - 20, &h);
	play_hear(&h, tap);
}

static void
receive(int fd, bool outgoing)
{
	static uint8_t b[65536 + 64];

	for (;;) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		ssize_t n =
		    recvfrom(fd, b, sizeof(b), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

		if (n <= 0)
			return;
		if ((from.sll_pkttype == PACKET_OUTGOING) != outgoing)
			continue;
		if (!outgoing)
			capture_frame(b, (uint32_t)n);
		hear(b, (uint32_t)n, outgoing);
	}
}

void
link_receive(void)
{
	receive(w.raw, false);
}

void
tap_receive(void)
{
	receive(w.tap, true);
}

void
link_open(const char *ifname)
{
	struct ifreq r = {0};
	struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
	int size = 8 << 20;

	w.raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", ifname);
	if (w.raw < 0 || ioctl(w.raw, SIOCGIFINDEX, &r) < 0)
		die("%s: %s", ifname, strerror(errno));
	w.raw_ifindex = all.mr_ifindex = r.ifr_ifindex;
	if (ioctl(w.raw, SIOCGIFHWADDR, &r) < 0)
		die("%s: %s", ifname, strerror(errno));
	memcpy(w.mac, r.ifr_hwaddr.sa_data, 6);
	(void)setsockopt(w.raw, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	(void)setsockopt(w.raw, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	{
		struct sockaddr_ll me = {.sll_family = AF_PACKET,
		    .sll_protocol = htons(ETH_P_ALL),
		    .sll_ifindex = w.raw_ifindex};

		if (bind(w.raw, (struct sockaddr *)&me, sizeof(me)) < 0)
			die("%s: %s", ifname, strerror(errno));
	}
}

bool
link_resolve(void)
{
	uint8_t group[16] = {0xff, 2, [11] = 1, 0xff}, mac[6] = {0x33, 0x33, 0xff};

	memcpy(group + 13, w.peer6 + 13, 3);
	memcpy(mac + 3, w.peer6 + 13, 3);
	for (unsigned i = 0; i < 20 && answered != 3; i++) {
		struct pollfd p = {.fd = w.raw, .events = POLLIN};

		if (!(answered & 1))
			arp_send(1, (const uint8_t *)"\xff\xff\xff\xff\xff\xff", w.peer4);
		if (!(answered & 2))
			nd_send(135, mac, group, w.peer6);
		for (unsigned k = 0; k < 10 && answered != 3; k++)
			if (poll(&p, 1, 10) > 0)
				link_receive();
	}
	return answered == 3;
}
