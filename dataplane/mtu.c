/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mtu.c - a frame that does not fit out of the other port.
 *
 * A bridge does not fragment, and it has no address; the sender would go on losing such frames without
 * ever learning why.  It is told in the name of whom it spoke to, which is as far as it can
 * know the truth: something on the way to there takes no more than so many bytes.
 *
 *   IPv4  "fragmentation needed" with the MTU (RFC 1191 4), also where "do not fragment"
 *	   is not set: a host that then goes on without is told again, and lowers its estimate too
 *   IPv6  "packet too big" (RFC 4443 3.2); the least that it may say is 1280
 *
 * Only of what is allowed: of a known flow, or an echo the policy lets pass.  Never about errors,
 * groups or fragments.  Bounded by packet time; what is not told is dropped all the same.
 */
#include <string.h>

#include "dataplane/engine_int.h"

#define TELL_EVERY_NS UINT64_C(10000000)  /* 100 a second ... */
#define TELL_BURST_NS UINT64_C(500000000) /* ... after 50 at once */
#define QUOTE4_MAX    548u		  /* RFC 1812 4.3.2.3: the whole is at most 576 bytes */
#define QUOTE6_MAX    1232u		  /* RFC 4443 2.4 (c): at most 1280 */
#define ETH_MIN	      60u
#define HOPS	      64u

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t
sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (; n >= 2; p += 2, n -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (n)
		sum += (uint32_t)p[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Bounds how often; a clock that went back does not silence us. */
static bool
may_tell(struct engine *e)
{
	uint64_t now = e->sink.ts_ns;

	if (e->told_ns > now + TELL_BURST_NS + TELL_EVERY_NS || e->told_ns + TELL_BURST_NS < now)
		e->told_ns = now;
	if (e->told_ns > now + TELL_BURST_NS)
		return false;
	e->told_ns += TELL_EVERY_NS;
	return true;
}

/* Somebody whom an error may be sent to (RFC 1122 3.2.2, RFC 4443 2.4 (e)). */
static bool
to_one_host(const struct pkt *p, const struct layers *l)
{
	if (!(l->flags & LAYER_ETHERNET) || l->smac[0] & 1 || l->dmac[0] & 1)
		return false;
	/* An ethertype right before IP: not LLC, whose length would have to follow. */
	if (l->l3_off < 2 || p->bytes[l->l3_off - 2] < 6 || p->bytes[12] < 6)
		return false;
	if (l->flags & LAYER_V6)
		return l->src[0] != 0xff && l->dst[0] != 0xff;
	return (l->src[0] & 0xf0) < 0xe0 && l->src[0] != 0 && (l->dst[0] & 0xf0) < 0xe0;
}

/* The IPv4 header and message, at ip; its length. */
static uint32_t
too_big4(uint8_t *ip, const struct layers *l, uint32_t mtu, uint32_t n)
{
	uint8_t *m = ip + 20;

	ip[0] = 0x45;
	put16(ip + 2, 28 + n);
	ip[6] = 0x40; /* not to be fragmented; the id means nothing then (RFC 6864) */
	ip[8] = HOPS;
	ip[9] = NET_PROTO_ICMP;
	memcpy(ip + 12, l->dst, 4);
	memcpy(ip + 16, l->src, 4);
	put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
	m[0] = 3;
	m[1] = 4;
	put16(m + 6, mtu);
	put16(m + 2, ~sum16(m, 8 + n, 0) & 0xffff);
	return 28 + n;
}

static uint32_t
too_big6(uint8_t *ip, const struct layers *l, uint32_t mtu, uint32_t n)
{
	uint8_t *m = ip + 40;

	ip[0] = 0x60;
	put16(ip + 4, 8 + n);
	ip[6] = NET_PROTO_ICMP6;
	ip[7] = HOPS;
	memcpy(ip + 8, l->dst, 16);
	memcpy(ip + 24, l->src, 16);
	m[0] = 2;
	put16(m + 4, mtu >> 16);
	put16(m + 6, mtu & 0xffff);
	put16(m + 2, ~sum16(m, 8 + n, sum16(ip + 8, 32, NET_PROTO_ICMP6 + 8 + n)) & 0xffff);
	return 48 + n;
}

static void
tell_sender(struct engine *e, const struct pkt *p, const struct layers *l, uint32_t mtu)
{
	bool v6 = (l->flags & LAYER_V6) != 0;
	uint32_t most = v6 ? QUOTE6_MAX : QUOTE4_MAX, head = v6 ? 48u : 28u;
	uint32_t n = l->l3_end - l->l3_off, len;
	uint8_t *f = e->scratch + e->scratch_used;
	struct pkt out;

	n = n < most ? n : most;
	if (!e->conf.io || l->l3_off + head + n + ETH_MIN > SCRATCH_BYTES - e->scratch_used)
		return;
	memset(f, 0, l->l3_off + head);
	memcpy(f, p->bytes, l->l3_off); /* tags and type are the same */
	memcpy(f, l->smac, 6);
	memcpy(f + 6, l->dmac, 6);
	memcpy(f + l->l3_off + head, p->bytes + l->l3_off, n);
	if (v6)
		len = too_big6(f + l->l3_off, l, mtu < 1280 ? 1280 : mtu, n);
	else
		len = too_big4(f + l->l3_off, l, mtu < 0xffff ? mtu : 0xffff, n);
	len += l->l3_off;
	out = (struct pkt){
	    .bytes = f,
	    .ts_ns = p->ts_ns,
	    .frame = p->frame,
	    .caplen = len,
	    .wirelen = len,
	    .link = p->link,
	    .port = p->port ^ 1, /* leaves by the port that p came by */
	    .conduit = p->conduit,
	};
	e->scratch_used += (len + 63u) & ~63u;
	e->st.injected++;
	e->st.forwarded++;
	(void)e->conf.io->be->tx(e->conf.io, &out);
}

bool
engine_fits(struct engine *e, struct pkt *p, const struct layers *l)
{
	uint32_t mtu = e->conf.mtu[(p->port & 1) ^ 1];

	if (mtu == 0 || l->l3_end - l->l3_off <= mtu || !e->inline_mode)
		return true;
	if (to_one_host(p, l) && may_tell(e))
		tell_sender(e, p, l, mtu);
	engine_drop(p, DROP_MTU);
	return false;
}
