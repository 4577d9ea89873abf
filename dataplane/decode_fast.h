/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_fast.h - the straight path of decode(), for the burst loop to inline.
 *
 * Takes the frame that nearly every frame is: Ethernet, at most one 802.1Q
 * tag, IPv4 without options, not a fragment, wholly captured, TCP.  Anything
 * else answers false and is decode_general()'s business; the two agree on all
 * frames that both can take (tests/unit/decode_test.c compares them).
 *
 * Here, and only here, hostile bytes are read without base/cur.h: one test of
 * caplen covers all loads at fixed offsets (58 = 14 + 4 + 20 + 20 bytes with
 * a tag, 54 without), and no load depends on a length that came from the wire.
 */
#ifndef DATAPLANE_DECODE_FAST_H
#define DATAPLANE_DECODE_FAST_H

#include <string.h>

#include "dataplane/decode.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_VLAN 0x8100 /* 802.1Q customer tag */

/* Every frame that decode_fast() refuses; the reason, as decode() gives it. */
enum drop_reason decode_general(const struct pkt *p, struct layers *l);

static inline uint32_t
decode_be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t
decode_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t
decode_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

/* What has to be known of the common frame to find its flow: where things are. */
struct head {
	uint16_t pay_len, vlan;
	uint8_t l4_off, pay_off;
};

/* Is it the common frame, and sound?  *h is written in any case. */
static inline bool
decode_head(const struct pkt *p, struct head *h)
{
	enum { ETH = 14, TAG = 4, IP = 20, TCP = 20 };
	const uint8_t *b = p->bytes, *ip;
	uint32_t type, vlan = 0, off = ETH, tot, doff;
	uint64_t first;

	if (p->link != LINK_ETHERNET || p->caplen < ETH + IP + TCP)
		return false;
	type = decode_be16(b + 12);
	if (type == ETHERTYPE_VLAN) {
		if (p->caplen < ETH + TAG + IP + TCP)
			return false;
		vlan = decode_be16(b + 14) & 0xfff;
		type = decode_be16(b + 16);
		off += TAG;
	}
	ip = b + off;
	/* version and IHL, TOS, total length, id, flags and offset: one load, one compare */
	first = decode_be64(ip);
	tot = (uint32_t)(first >> 32) & 0xffff;
	doff = (ip[IP + 12] >> 4) * 4u;
	if (type != ETHERTYPE_IPV4 || (first & 0xff00000000003fff) != 0x4500000000000000 ||
	    ip[9] != NET_PROTO_TCP || doff < TCP || IP + doff > tot || off + tot > p->caplen)
		return false;
	h->l4_off = (uint8_t)(off + IP);
	h->pay_off = (uint8_t)(off + IP + doff);
	h->pay_len = (uint16_t)(tot - IP - doff);
	h->vlan = (uint16_t)vlan;
	return true;
}

/* All layers of a frame of which decode_head() said yes. */
static inline void
decode_rest(const struct pkt *p, const struct head *h, struct layers *l)
{
	const uint8_t *b = p->bytes, *tcp = b + h->l4_off;
	uint32_t ports = decode_be32(tcp);
	uint32_t word = decode_be32(tcp + 12); /* data offset, flags, window */

	l->flags = LAYER_IP | LAYER_L4 | LAYER_ETHERNET;
	l->ethertype = ETHERTYPE_IPV4;
	l->vlan = h->vlan;
	l->proto = NET_PROTO_TCP;
	l->tcp_flags = word >> 16 & 0x3f;
	l->sport = (uint16_t)(ports >> 16);
	l->dport = (uint16_t)ports;
	l->tcp_win = (uint16_t)word;
	l->l3_off = (uint16_t)(h->l4_off - 20);
	l->l4_off = h->l4_off;
	l->pay_off = h->pay_off;
	l->pay_len = h->pay_len;
	l->seq = decode_be32(tcp + 4);
	l->ack = decode_be32(tcp + 8);
	l->l3_end = (uint32_t)h->pay_off + h->pay_len;
	l->src = tcp - 8;
	l->dst = tcp - 4;
	l->dmac = b;
	l->smac = b + 6;
	l->frag_id = 0;
	l->frag_off = 0;
	l->frag_more = false;
}

/*
 * The ones' complement sum (RFC 1071) of n bytes, modulo 65535 and 0 only where all of them are: it does
 * not care in which byte order it is taken, nor in how wide steps.
 */
static inline uint64_t
decode_sum(const uint8_t *p, uint32_t n)
{
	typedef uint64_t pair __attribute__((vector_size(16)));
	pair v, both = {0, 0};
	uint64_t sum, w = 0;
	uint32_t four;
	uint16_t two;

	for (; n >= 16; p += 16, n -= 16) {
		memcpy(&v, p, sizeof(v));
		both += (v & UINT32_MAX) + (v >> 32);
	}
	sum = both[0] + both[1];
	if (n >= 8) {
		memcpy(&w, p, 8);
		sum += (w & UINT32_MAX) + (w >> 32);
		p += 8, n -= 8;
	}
	if (n & 4) {
		memcpy(&four, p, 4);
		sum += four;
		p += 4;
	}
	if (n & 2) {
		memcpy(&two, p, 2);
		sum += two;
		p += 2;
	}
	return n & 1 ? sum + *p : sum;
}

/* A sum that includes the checksum itself: all ones. */
static inline bool
decode_sum_ok(uint64_t sum)
{
	return sum != 0 && sum % 0xffff == 0;
}

/* Both checksums of a frame of which decode_head() said yes. */
static inline bool
decode_head_sums_ok(const struct pkt *p, const struct head *h)
{
	enum { IP = 20, ADDRS = 8 };
	const uint8_t *tcp = p->bytes + h->l4_off;
	const uint32_t n = (uint32_t)h->pay_off - h->l4_off + h->pay_len, end = ADDRS + n;
	uint64_t ip[2], last, sum;
	uint32_t four;

	memcpy(ip, tcp - IP, sizeof(ip));
	memcpy(&four, tcp - 4, sizeof(four));
	sum = (ip[0] & UINT32_MAX) + (ip[0] >> 32) + (ip[1] & UINT32_MAX) + (ip[1] >> 32) + four;
	if (!decode_sum_ok(sum))
		return false;
	/* The bytes behind the last whole eight are the top of the last eight there are. */
	memcpy(&last, tcp + n - 8, sizeof(last));
	last = last >> 1 >> (63 - 8 * (end & 7));
	sum = decode_sum(tcp - ADDRS, end & ~7u) + (last & UINT32_MAX) + (last >> 32);
	return decode_sum_ok(sum + __builtin_bswap16((uint16_t)n) + (NET_PROTO_TCP << 8));
}

static inline bool
decode_fast(const struct pkt *p, struct layers *l)
{
	struct head h;

	if (!decode_head(p, &h))
		return false;
	decode_rest(p, &h, l);
	return true;
}

/* decode(), with the straight path inlined. */
static inline enum drop_reason
decode_inline(const struct pkt *p, struct layers *l)
{
	return decode_fast(p, l) ? DROP_NONE : decode_general(p, l);
}

#endif /* DATAPLANE_DECODE_FAST_H */
