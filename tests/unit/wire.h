/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - makes TCP conversations frame by frame for tests of the engine.
 *
 * A side has an address, a port and a sequence number; wire_tcp() builds the
 * Ethernet, IPv4 and TCP headers with right checksums around a payload.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/pkt.h"

#ifndef WIRE_FRAME_MAX
#define WIRE_FRAME_MAX 2048u
#endif

struct wire_side {
	uint32_t ip;
	uint16_t port;
	uint32_t seq; /* next to send */
};

struct wire {
	struct wire_side side[2]; /* [0] client, [1] server */
	uint64_t now_ns, frame;
	uint8_t buf[WIRE_FRAME_MAX];
};

static inline void
wire_put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
wire_put32(uint8_t *p, uint32_t v)
{
	wire_put16(p, v >> 16);
	wire_put16(p + 2, v & 0xffff);
}

static inline uint32_t
wire_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A frame of side `from` at sequence number seq; valid until the next call. */
static inline struct pkt
wire_tcp_at(struct wire *w, unsigned from, uint32_t seq, uint8_t flags, const void *data, size_t n)
{
	const struct wire_side *me = &w->side[from], *peer = &w->side[from ^ 1];
	uint8_t *b = w->buf, *ip = b + 14, *tcp = ip + 20;
	uint32_t sum;

	memset(b, 0, 54);
	memcpy(b, from ? "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" : "\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0", 14);
	ip[0] = 0x45;
	wire_put16(ip + 2, (unsigned)(40 + n));
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	wire_put32(ip + 12, me->ip);
	wire_put32(ip + 16, peer->ip);
	wire_put16(ip + 10, ~wire_sum(ip, 20, 0) & 0xffff);
	wire_put16(tcp, me->port);
	wire_put16(tcp + 2, peer->port);
	wire_put32(tcp + 4, seq);
	if (flags & 16)
		wire_put32(tcp + 8, peer->seq);
	tcp[12] = 0x50;
	tcp[13] = flags;
	wire_put16(tcp + 14, 64240);
	if (n)
		memcpy(tcp + 20, data, n);
	sum = wire_sum(ip + 12, 8, (uint32_t)(6 + 20 + n));
	wire_put16(tcp + 16, ~wire_sum(tcp, 20 + n, sum) & 0xffff);
	w->now_ns += 1000000;
	w->frame++;
	return (struct pkt){
	    .bytes = b,
	    .ts_ns = w->now_ns,
	    .frame = w->frame,
	    .caplen = (uint32_t)(54 + n),
	    .wirelen = (uint32_t)(54 + n),
	    .port = (uint8_t)from,
	};
}

/* The next bytes of a side, in order. */
static inline struct pkt
wire_tcp(struct wire *w, unsigned from, uint8_t flags, const void *data, size_t n)
{
	struct pkt p = wire_tcp_at(w, from, w->side[from].seq, flags, data, n);

	w->side[from].seq += (uint32_t)n + ((flags & 3) != 0);
	return p;
}

#endif /* TESTS_WIRE_H */
