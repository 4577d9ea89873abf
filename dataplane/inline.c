/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inline.c - frames that may not enter a guard, or leave it other than they came.
 *
 * A segment that holds allowed PDUs and then a denied one leaves with the
 * allowed ones only; one that repeats acknowledged bytes leaves without them.
 * Sequence number, IP length, IP checksum (RFC 1071) and TCP checksum are made
 * anew, FIN and PSH of a removed tail are cleared.  Urgent pointers and MPTCP are
 * taken out of whatever leaves.
 */
#include <string.h>

#include "dataplane/decode_fast.h"
#include "dataplane/engine_int.h"

/* Of a sum (decode_sum()), as it stands in a header: in the byte order of the sum. */
static void
put_checksum(uint8_t *to, uint64_t sum)
{
	uint16_t c;

	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	c = (uint16_t)~sum;
	memcpy(to, &c, 2);
}

/* The TCP checksum over pseudo header (RFC 9293 3.1, RFC 8200 8.1) and segment. */
static void
tcp_checksum(uint8_t *frame, const struct layers *l, uint32_t tcp_len)
{
	uint8_t *tcp = frame + l->l4_off;
	bool v6 = (l->flags & LAYER_V6) != 0;
	const uint8_t *addrs = frame + l->l3_off + (v6 ? 8 : 12);
	uint8_t rest[4];

	put_be32(rest, NET_PROTO_TCP + tcp_len);
	put_be16(tcp + 16, 0);
	put_checksum(tcp + 16,
	    decode_sum(addrs, v6 ? 32 : 8) + decode_sum(rest, 4) + decode_sum(tcp, tcp_len));
}

void
inline_lengths(uint8_t *f, const struct layers *l, uint32_t len)
{
	uint8_t *ip = f + l->l3_off;

	if (l->smac) { /* IEEE 802.3: a length where others have a type */
		uint32_t at = 12;

		while (at + 4 < l->l3_off && (f[at] == 0x81 || f[at] == 0x88 || f[at] == 0x91) &&
		       (f[at + 1] == 0 || f[at + 1] == 0xa8))
			at += 4;
		if (at + 2 < l->l3_off && f[at] < 6)
			put_be16(f + at, len - at - 2);
	}
	if (l->flags & LAYER_V6) {
		put_be16(ip + 4, len - l->l3_off - 40u);
	} else {
		put_be16(ip + 2, len - l->l3_off);
		put_be16(ip + 10, 0);
		put_checksum(ip + 10, decode_sum(ip, (ip[0] & 15u) * 4u));
	}
	tcp_checksum(f, l, len - l->l4_off);
}

/* --- headers a guard does not let pass as they are ------------------------------- */

enum {
	OPT_END = 0, OPT_NOP = 1,
	IPOPT_LSRR = 131, IPOPT_SSRR = 137, /* RFC 791 3.1: source routes */
	TCPOPT_MPTCP = 30,		    /* RFC 8684 3: one stream over several connections */
};

/* RFC 791, RFC 9293 3.1: the next option at or behind `at`; its offset, or len when
 * there is none.  *kind and *n are set; a bad length ends the list. */
static uint32_t
next_option(const uint8_t *o, uint32_t len, uint32_t at, uint8_t *kind, uint32_t *n)
{
	struct cur c = cur_make(o, len);

	cur_skip(&c, at);
	do
		*kind = cur_u8(&c);
	while (cur_ok(&c) && *kind == OPT_NOP);
	*n = cur_u8(&c);
	if (!cur_ok(&c) || *kind == OPT_END || *n < 2)
		return len;
	at = (uint32_t)(c.p - o) - 2;
	return *n <= len - at ? at : len;
}

/* A datagram that its destination would send on to somewhere else. */
static bool
source_routed(const struct pkt *p, const struct layers *l)
{
	const uint8_t *o = p->bytes + l->l3_off + 20;
	uint32_t len, n;
	uint8_t kind;

	if (l->flags & LAYER_V6 || (p->bytes[l->l3_off] & 15u) <= 5)
		return false;
	len = (p->bytes[l->l3_off] & 15u) * 4u - 20u;
	for (uint32_t at = 0; (at = next_option(o, len, at, &kind, &n)) < len; at += n)
		if (kind == IPOPT_LSRR || kind == IPOPT_SSRR)
			return true;
	return false;
}

uint32_t
inline_option(const uint8_t *o, uint32_t len, uint8_t want)
{
	uint8_t kind;
	uint32_t at = 0, n;

	while ((at = next_option(o, len, at, &kind, &n)) < len && kind != want)
		at += n;
	return at;
}

/* Offset of the MPTCP option of a SYN in its options, or their length. */
static uint32_t
mptcp_at(const uint8_t *tcp, uint32_t len, uint32_t *n)
{
	uint8_t kind;
	uint32_t at = 0;

	while ((at = next_option(tcp + 20, len, at, &kind, n)) < len && kind != TCPOPT_MPTCP)
		at += *n;
	return at;
}

/*
 * Urgent data: RFC 6093 3, some sockets take the urgent byte out of the stream, so
 * it is made ordinary.  MPTCP would let other connections carry parts of this
 * stream; without the option in the SYN both ends speak plain TCP (RFC 8684 3.7).
 */
bool
inline_unclean(const struct pkt *p, const struct layers *l)
{
	uint32_t len = l->pay_off - l->l4_off - 20u, n;

	return l->tcp_flags & TCP_URG ||
	    (l->tcp_flags & TCP_SYN && len > 0 && mptcp_at(p->bytes + l->l4_off, len, &n) < len);
}

void
inline_clean(uint8_t *tcp, const struct layers *l)
{
	uint32_t len = l->pay_off - l->l4_off - 20u, at, n;

	if (l->tcp_flags & TCP_URG) {
		tcp[13] &= (uint8_t)~TCP_URG;
		put_be16(tcp + 18, 0);
	}
	while (l->tcp_flags & TCP_SYN && (at = mptcp_at(tcp, len, &n)) < len)
		memset(tcp + 20 + at, OPT_NOP, n);
}

/* --- what no honest stack sends ---------------------------------------------------- */

static bool
flags_possible(uint8_t fl)
{
	if (fl & TCP_SYN)
		return !(fl & (TCP_FIN | TCP_RST));
	if (fl & TCP_RST)
		return !(fl & TCP_FIN);
	return (fl & TCP_ACK) != 0; /* RFC 9293 3.10.7.4: after the SYN, ACK is always set */
}

#define WINDOW_LEAST 65535 /* whatever was offered */

/* Inside what the peer offered, with one window of slack to the left. */
bool
in_window(const struct flow *f, unsigned dir, const struct layers *l)
{
	const struct tcp_dir *d = &f->dir[dir], *o = &f->dir[dir ^ 1];
	const int32_t right = (int32_t)(l->seq + l->pay_len - d->acked);
	const int32_t left = (int32_t)(l->seq - d->acked);
	uint32_t win;

	if (!(d->flags & DIR_SEEN) || (right <= WINDOW_LEAST && left >= -WINDOW_LEAST))
		return true;
	win = (uint32_t)o->win << tcp_rare(o)->wscale;
	if (win < WINDOW_LEAST || !(o->flags & DIR_SEEN))
		win = WINDOW_LEAST;
	if (f->flags & FLOW_MIDSTREAM)
		win = win < (1u << 20) ? 1u << 20 : win; /* the scale was not seen */
	return right <= (int64_t)win && left >= -(int64_t)win;
}

enum drop_reason
inline_checks(const struct pkt *p, const struct layers *l, const struct flow *f, unsigned dir)
{
	/* IP length 0 exists only in captures of offloaded traffic; hosts discard it. */
	if (l->flags & LAYER_GSO || source_routed(p, l))
		return DROP_IP_HEADER;
	if (l->proto == NET_PROTO_TCP && !flags_possible(l->tcp_flags))
		return DROP_TCP_FLAGS;
	if (!decode_ip_checksum_ok(p, l))
		return DROP_IP_CHECKSUM;
	if (!decode_l4_checksum_ok(p, l))
		return DROP_L4_CHECKSUM;
	if (l->proto != NET_PROTO_TCP || l->tcp_flags & TCP_SYN)
		return DROP_NONE;
	/* No server takes data before it has answered.  Who sends it now hopes that we
	 * begin to count here and that the device goes on with an older connection. */
	if (f->state == FLOW_OPENING && l->pay_len > 0)
		return DROP_TCP_NO_FLOW;
	return in_window(f, dir, l) ? DROP_NONE : DROP_TCP_WINDOW;
}

/* --- changed frames ------------------------------------------------------------------ */

bool
inline_trim(struct engine *e, struct pkt *p, const struct layers *l, uint32_t skip, uint32_t keep)
{
	uint32_t len = l->pay_off + keep - skip, seq = l->seq + skip;
	uint8_t *f = e->scratch + e->scratch_used;

	if (len > SCRATCH_BYTES - e->scratch_used)
		return false;
	memcpy(f, p->bytes, l->pay_off);
	memcpy(f + l->pay_off, p->bytes + l->pay_off + skip, keep - skip);
	put_be32(f + l->l4_off + 4, seq);
	if (keep < l->pay_len)
		f[l->l4_off + 13] &= (uint8_t)~(TCP_FIN | TCP_PSH);
	inline_clean(f + l->l4_off, l);
	inline_lengths(f, l, len);
	e->scratch_used += (len + 63u) & ~63u;
	p->bytes = f;
	p->caplen = p->wirelen = len;
	return true;
}
