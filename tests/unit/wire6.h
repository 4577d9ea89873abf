/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire6.h - frames of IPv6 with extension headers, and ICMP of both families around
 * whatever bytes, checksums right.
 */
#ifndef TESTS_WIRE6_H
#define TESTS_WIRE6_H

#include <stdlib.h>

#include "tests/unit/wire.h"

struct frame {
	uint8_t b[9300];
	uint32_t len, l3, l4; /* l4: where the transport header begins */
};

/* Ethernet of whoever is behind `port`: 0 outside, 1 inside; vlan 0 = none. */
static inline void
frame_eth(struct frame *f, unsigned port, unsigned vlan, unsigned type)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->b, port ? "\x02\0\0\0\0\1\x02\0\0\0\0\2" : "\x02\0\0\0\0\2\x02\0\0\0\0\1", 12);
	f->len = 12;
	if (vlan) {
		wire_put16(f->b + f->len, 0x8100);
		wire_put16(f->b + f->len + 2, vlan);
		f->len += 4;
	}
	wire_put16(f->b + f->len, type);
	f->l3 = f->len += 2;
}

static inline void
frame_add(struct frame *f, const void *p, size_t n)
{
	if (f->len + n > sizeof(f->b))
		abort();
	if (n)
		memcpy(f->b + f->len, p, n);
	f->len += (uint32_t)n;
}

static inline void
frame_ip4(struct frame *f, uint8_t proto, uint32_t src, uint32_t dst, uint8_t ttl)
{
	uint8_t *ip = f->b + f->l3;

	ip[0] = 0x45;
	ip[6] = 0x40;
	ip[8] = ttl;
	ip[9] = proto;
	wire_put32(ip + 12, src);
	wire_put32(ip + 16, dst);
	f->l4 = f->len = f->l3 + 20;
}

/* src, dst: 16 bytes; ext: extension headers, each beginning with the next one's number. */
static inline void
frame_ip6(struct frame *f, uint8_t next, const uint8_t *src, const uint8_t *dst, uint8_t hops,
    const void *ext, size_t n)
{
	uint8_t *ip = f->b + f->l3;

	ip[0] = 0x60;
	ip[6] = next;
	ip[7] = hops;
	memcpy(ip + 8, src, 16);
	memcpy(ip + 24, dst, 16);
	f->len = f->l3 + 40;
	frame_add(f, ext, n);
	f->l4 = f->len;
}

/* Lengths and checksums of what stands there; proto: of the transport. */
static inline struct pkt
frame_end(struct frame *f, uint8_t proto, unsigned port)
{
	uint8_t *ip = f->b + f->l3, *l4 = f->b + f->l4;
	uint32_t n = f->len - f->l4, at = proto == 6 ? 16 : proto == 17 ? 6 : 2, sum = 0;

	if (ip[0] >> 4 == 6) {
		wire_put16(ip + 4, f->len - f->l3 - 40);
		sum = wire_sum(ip + 8, 32, proto + n);
	} else {
		wire_put16(ip + 2, f->len - f->l3);
		wire_put16(ip + 10, 0);
		wire_put16(ip + 10, ~wire_sum(ip, (ip[0] & 15u) * 4u, 0) & 0xffff);
		if (proto != 1)
			sum = wire_sum(ip + 12, 8, proto + n);
	}
	if (proto == 17)
		wire_put16(l4 + 4, n);
	if (n >= at + 2) {
		wire_put16(l4 + at, 0);
		wire_put16(l4 + at, ~wire_sum(l4, n, sum) & 0xffff);
	}
	return (struct pkt){
	    .bytes = f->b, .caplen = f->len, .wirelen = f->len, .port = (uint8_t)port, .frame = 1};
}

static inline void
frame_tcp(struct frame *f, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
    uint8_t flags, const void *data, size_t n)
{
	uint8_t h[20] = {0};

	wire_put16(h, sport);
	wire_put16(h + 2, dport);
	wire_put32(h + 4, seq);
	wire_put32(h + 8, ack);
	h[12] = 0x50;
	h[13] = flags;
	wire_put16(h + 14, 64240);
	frame_add(f, h, 20);
	frame_add(f, data, n);
}

/* Type, code, the four bytes behind the checksum, body. */
static inline void
frame_icmp(struct frame *f, uint8_t type, uint8_t code, uint32_t word, const void *body, size_t n)
{
	uint8_t h[8] = {type, code};

	wire_put32(h + 4, word);
	frame_add(f, h, 8);
	frame_add(f, body, n);
}

#endif /* TESTS_WIRE6_H */
