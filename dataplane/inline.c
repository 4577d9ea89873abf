/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inline.c - frames that leave a guard other than they came.
 *
 * A segment that holds allowed PDUs and then a denied one leaves with the
 * allowed ones only; one that repeats acknowledged bytes leaves without them.
 * Sequence number, IP length, IP checksum (RFC 1071) and TCP checksum are made
 * anew, FIN and PSH of a removed tail are cleared.
 */
#include <string.h>

#include "dataplane/engine_int.h"

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

static void
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* The TCP checksum over pseudo header (RFC 9293 3.1, RFC 8200 8.1) and segment. */
static void
tcp_checksum(uint8_t *frame, const struct layers *l, uint32_t tcp_len)
{
	uint8_t *tcp = frame + l->l4_off;
	bool v6 = (l->flags & LAYER_V6) != 0;
	const uint8_t *addrs = frame + l->l3_off + (v6 ? 8 : 12);
	uint32_t sum = sum16(addrs, v6 ? 32 : 8, NET_PROTO_TCP + tcp_len);

	put16(tcp + 16, 0);
	put16(tcp + 16, ~sum16(tcp, tcp_len, sum) & 0xffff);
}

bool
inline_trim(struct engine *e, struct pkt *p, const struct layers *l, uint32_t skip, uint32_t keep)
{
	uint32_t len = l->pay_off + keep - skip, seq = l->seq + skip;
	bool tail = keep < l->pay_len;
	uint8_t *f = e->scratch + e->scratch_used;
	uint8_t *ip = f + l->l3_off;

	if (len > SCRATCH_BYTES - e->scratch_used)
		return false;
	memcpy(f, p->bytes, l->pay_off);
	memcpy(f + l->pay_off, p->bytes + l->pay_off + skip, keep - skip);
	put16(f + l->l4_off + 4, seq >> 16);
	put16(f + l->l4_off + 6, seq & 0xffff);
	if (l->flags & LAYER_V6) {
		put16(ip + 4, len - l->l3_off - 40u);
	} else {
		put16(ip + 2, len - l->l3_off);
		put16(ip + 10, 0);
		put16(ip + 10, ~sum16(ip, (ip[0] & 15u) * 4u, 0) & 0xffff);
	}
	if (tail)
		f[l->l4_off + 13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	tcp_checksum(f, l, len - l->l4_off);
	e->scratch_used += (len + 63u) & ~63u;
	p->bytes = f;
	p->caplen = p->wirelen = len;
	return true;
}
