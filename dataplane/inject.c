/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject.c - frames that a guard makes itself: acknowledgements, resets, bytes that it has
 * to deliver.
 *
 * A frame of ours looks like one of the side it speaks for: link header with its VLAN
 * tags, addresses and ports out of a frame of that direction, or of the other one turned
 * round; no options but timestamps, where the connection uses them (RFC 7323 3.2).
 * It leaves at once, in front of the burst at hand, and counts as injected and forwarded.
 */
#include <string.h>

#include "dataplane/decode_fast.h"
#include "dataplane/repair.h"

#define TTL	  64
#define IP_DF	  0x4000u

enum { OPT_NOP = 1, OPT_TS = 8, TS_LEN = 10, TS_ROOM = 12 };

/* Bytes of the Ethernet header up to the type behind the last VLAN tag; 0: it is not one
 * that we can write. */
static uint32_t
link_tags(const struct pkt *p, const struct layers *l)
{
	struct cur c = cur_make(p->bytes, l->l3_off);
	uint32_t n = 12;

	cur_skip(&c, 12);
	for (uint16_t type = cur_be16(&c); cur_ok(&c); n += 4) {
		if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
			return n + 2 <= TMPL_LINK ? n : 0;
		cur_skip(&c, 2);
		type = cur_be16(&c);
	}
	return 0;
}

bool
tmpl_make(struct tmpl *t, const struct pkt *p, const struct layers *l, bool turned)
{
	bool v6 = (l->flags & LAYER_V6) != 0;
	const bool usual = l->smac && l->l3_off == 14 && !v6; /* Ethernet II, no tag */
	uint8_t n_ip = v6 ? 40 : 20, alen = v6 ? 16 : 4, *ip;
	uint32_t n = usual ? 12 : l->smac ? link_tags(p, l) : l->l3_off;

	t->n_ip = 0;
	if ((l->smac && n == 0) || n + 2u > TMPL_LINK)
		return false;
	if (usual)
		memcpy(t->bytes, p->bytes, 34);
	else
		memcpy(t->bytes, p->bytes, n);
	if (l->smac) {
		if (turned) {
			memcpy(t->bytes, l->smac, 6);
			memcpy(t->bytes + 6, l->dmac, 6);
		}
		put_be16(t->bytes + n, v6 ? 0x86dd : 0x0800); /* never SNAP */
		n += 2;
	}
	ip = t->bytes + n;
	if (!usual)
		memcpy(ip, p->bytes + l->l3_off, n_ip);
	if (v6) {
		ip[6] = NET_PROTO_TCP; /* no extension headers */
	} else {
		ip[0] = 0x45;
		put_be16(ip + 6, (uint32_t)(ip[6] << 8) & IP_DF);
	}
	if (turned && !v6) {
		memcpy(ip + 12, l->dst, 4);
		memcpy(ip + 16, l->src, 4);
	} else if (turned) {
		memcpy(ip + n_ip - 2 * alen, l->dst, alen);
		memcpy(ip + n_ip - alen, l->src, alen);
	}
	if (ip[v6 ? 7 : 8] < TTL) /* it has to arrive */
		ip[v6 ? 7 : 8] = TTL;
	t->link = p->link;
	t->n_link = (uint8_t)n;
	t->n_ip = n_ip;
	t->port = p->port ^ turned;
	t->sport = turned ? l->dport : l->sport;
	t->dport = turned ? l->sport : l->dport;
	return true;
}

/* Headers for a direction: as its last frame had them, else made of the frame at hand. */
static const struct tmpl *
tmpl_for(const struct engine *e, const struct flow *f, unsigned dir, struct tmpl *room)
{
	const struct repair *r = repair_of(e, f);

	if (r && r->tmpl[dir].n_ip)
		return &r->tmpl[dir];
	if (e->at_hand && tmpl_make(room, e->at_hand, e->at_hand_l, e->at_hand_dir != dir))
		return room;
	return NULL;
}

static void
leave(struct engine *e, const struct pkt *p)
{
	e->st.injected++;
	e->st.forwarded++;
	if (e->conf.io)
		(void)e->conf.io->be->tx(e->conf.io, p);
}

void
inject_copy(struct engine *e, const struct pkt *p)
{
	leave(e, p);
}

static inline void
put_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, 8);
}

/* RFC 1071, of numbers as they are read: of 64 bits, and what comes of a sum of them. */
static inline uint64_t
sum64(uint64_t v)
{
	return (v >> 32) + (v & UINT32_MAX);
}

static inline uint32_t
fold16(uint64_t sum)
{
	sum = sum64(sum);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

/*
 * Headers of IPv4 and TCP at b, of len bytes with the payload, which is there already.  They are added up as they are
 * made: what was written by halves and is read whole a CPU waits for longer than all of this takes.
 */
static void
head4(struct engine *e, const struct flow *f, const struct made *m, uint8_t *b, uint32_t opt)
{
	const uint8_t *from = m->t->bytes + m->t->n_link;
	const uint32_t n = 20 + opt + m->len, to = decode_be32(from + 16);
	const uint64_t off = (20 + opt) / 4, ack = m->flags & TCP_ACK ? m->ack : 0;
	uint64_t ip0 = decode_be64(from), ip1 = decode_be64(from + 8);
	uint64_t tcp0 = (uint64_t)m->t->sport << 48 | (uint64_t)m->t->dport << 32 | m->seq;
	uint64_t tcp1 = ack << 32 | off << 28 | (uint64_t)m->flags << 16 | m->win;
	uint64_t sum;

	ip0 = (ip0 & 0xffff00000000ffff) | (uint64_t)(20 + n) << 32 | (uint64_t)++e->ip_id << 16;
	ip1 &= 0xffff0000ffffffff;
	sum = sum64(ip0) + sum64(ip1) + to;
	put_be64(b, ip0);
	put_be64(b + 8, ip1 | (uint64_t)(~fold16(sum) & 0xffff) << 32);
	put_be32(b + 16, to);
	sum = sum64(tcp0) + sum64(tcp1) + (ip1 & UINT32_MAX) + to + NET_PROTO_TCP + n;
	if (opt) {
		const struct flow_guard *g = guard_of(e, f);
		const uint32_t val = g->ts[m->dir], echo = g->ts[m->dir ^ 1];

		sum +=
		    (OPT_NOP << 24 | OPT_NOP << 16 | OPT_TS << 8 | TS_LEN) + (uint64_t)val + echo;
		put_be32(b + 40, OPT_NOP << 24 | OPT_NOP << 16 | OPT_TS << 8 | TS_LEN);
		put_be32(b + 44, val);
		put_be32(b + 48, echo);
	}
	if (m->len) {
		uint16_t of = (uint16_t)fold16(decode_sum(m->p, m->len));

		sum += decode_be16((const uint8_t *)&of); /* a sum cares for no byte order */
	}
	put_be64(b + 20, tcp0);
	put_be64(b + 28, tcp1);
	put_be32(b + 36, (~fold16(sum) & 0xffff) << 16);
}

void
inject_frame(struct engine *e, const struct flow *f, const struct made *m)
{
	const struct tmpl *t = m->t;
	uint32_t opt = guard_of(e, f)->flags & GUARD_TS ? TS_ROOM : 0;
	uint32_t head = t->n_link + t->n_ip + 20u + opt, len = head + m->len;
	struct layers l = {
	    .flags = t->n_ip == 40 ? LAYER_V6 : 0,
	    .l3_off = t->n_link,
	    .l4_off = (uint16_t)(t->n_link + t->n_ip),
	};
	uint8_t *b = e->scratch + SCRATCH_BYTES, *tcp = b + l.l4_off;
	struct pkt p = {
	    .bytes = b,
	    .caplen = len,
	    .wirelen = len,
	    .link = t->link,
	    .port = t->port,
	    .ts_ns = e->now_ns > e->sink.ts_ns ? e->now_ns : e->sink.ts_ns,
	    .frame = e->sink.frame,
	    .conduit = f->bind.conduit,
	};

	if (t->n_ip == 0 || len > SCRATCH_FRAME)
		return;
	if (m->len)
		memcpy(b + head, m->p, m->len);
	if (t->n_ip == 20) {
		memcpy(b, t->bytes, t->n_link);
		head4(e, f, m, b + t->n_link, opt);
		leave(e, &p);
		return;
	}
	memcpy(b, t->bytes, t->n_link + t->n_ip);
	memset(tcp, 0, 20 + opt);
	put_be16(tcp, t->sport);
	put_be16(tcp + 2, t->dport);
	put_be32(tcp + 4, m->seq);
	if (m->flags & TCP_ACK)
		put_be32(tcp + 8, m->ack);
	tcp[12] = (uint8_t)((20 + opt) / 4 << 4);
	tcp[13] = m->flags;
	put_be16(tcp + 14, m->win);
	if (opt) {
		tcp[20] = tcp[21] = OPT_NOP;
		tcp[22] = OPT_TS;
		tcp[23] = TS_LEN;
		put_be32(tcp + 24, guard_of(e, f)->ts[m->dir]);
		put_be32(tcp + 28, guard_of(e, f)->ts[m->dir ^ 1]);
	}
	inline_lengths(b, &l, len);
	leave(e, &p);
}

/* The next number that the receiver of a direction will take, when all we let go arrives. */
static uint32_t
next_out(const struct engine *e, const struct flow *f, unsigned dir)
{
	const struct repair *r = repair_of(e, f);

	return r ? repair_out(r, dir, guard_of(e, f)->sent[dir]) : guard_of(e, f)->sent[dir];
}

/*
 * Acknowledgement and window of the next frame of ours in a direction: what its receiver
 * was told last, and the window as its sender offered it then.
 */
static void
answer(const struct engine *e, const struct flow *f, unsigned dir, struct made *m)
{
	const struct repair *r = repair_of(e, f);
	uint32_t ack = f->dir[dir ^ 1].acked, win = f->dir[dir].win;

	repair_ack(e, f, dir, r ? repair_out(r, dir ^ 1, ack - 1) + 1 : ack, &ack, &win);
	if (f->dir[dir ^ 1].flags & DIR_FIN && ack == f->dir[dir ^ 1].nxt &&
	    guard_of(e, f)->flags & GUARD_RESET)
		ack++;
	m->ack = ack;
	m->win = (uint16_t)win;
}

void
inject_ack(struct engine *e, struct flow *f, unsigned dir)
{
	struct tmpl room;
	struct made m = {
	    .t = tmpl_for(e, f, dir, &room),
	    .dir = (uint8_t)dir,
	    .flags = TCP_ACK,
	    .seq = next_out(e, f, dir),
	};

	if (!m.t || !(f->dir[dir].flags & DIR_SEEN) || !(f->dir[dir ^ 1].flags & DIR_SEEN))
		return;
	answer(e, f, dir, &m);
	inject_frame(e, f, &m);
}

/* What one segment may carry: as much as its sender has used already. */
static uint32_t
piece_most(const struct engine *e, const struct flow *f, unsigned dir)
{
	return guard_of(e, f)->big[dir] > PIECE_MIN ? guard_of(e, f)->big[dir] : PIECE_MIN;
}

void
inject_bytes(
    struct engine *e, struct flow *f, unsigned dir, uint32_t seq, const uint8_t *p, uint32_t len)
{
	uint32_t most = piece_most(e, f, dir);
	struct tmpl room;
	struct made m = {.t = tmpl_for(e, f, dir, &room), .dir = (uint8_t)dir};

	if (!m.t)
		return;
	answer(e, f, dir, &m);
	for (uint32_t at = 0; at < len; at += m.len) {
		m.len = len - at < most ? len - at : most;
		m.flags = TCP_ACK | (at + m.len == len ? TCP_PSH : 0);
		m.seq = seq + at;
		m.p = p + at;
		inject_frame(e, f, &m);
	}
}

void
inject_range(struct engine *e, struct flow *f, unsigned dir, uint32_t from, uint32_t to)
{
	const struct repair *r = repair_of(e, f);
	uint8_t *room = e->scratch + SCRATCH_BYTES + SCRATCH_FRAME;
	uint32_t most = piece_most(e, f, dir), n;

	if (seq_diff(f->dir[dir].acked, from) > 0)
		from = f->dir[dir].acked;
	while (seq_diff(to, from) > 0) {
		from = repair_run(r, dir, from, to, &n);
		if (n > most)
			n = most;
		n = stream_copy(e, &f->dir[dir], from, room, n);
		if (n == 0)
			return;
		repair_patch(e, r, dir, from, room, n);
		inject_bytes(e, f, dir, r ? repair_out(r, dir, from) : from, room, n);
		from += n;
	}
}

/*
 * RFC 9293 3.10.7.4, RFC 5961 3.2: a stack obeys at once a reset whose number is exactly the
 * next it expects, and asks back otherwise: inject_reply() then knows the number.
 * Towards a side of which nothing was seen the number is what the other one has
 * acknowledged to it.
 */
void
inject_reset(struct engine *e, struct flow *f)
{
	flow_stir(&e->flows, f);
	guard_of(e, f)->flags =
	    (uint8_t)((guard_of(e, f)->flags | GUARD_RESET) & ~(GUARD_WANT_RESET));
	for (unsigned dir = 0; dir < 2; dir++) {
		const struct tcp_dir *d = &f->dir[dir];
		struct tmpl room;
		struct made m = {
		    .t = tmpl_for(e, f, dir, &room),
		    .dir = (uint8_t)dir,
		    .flags = TCP_RST | TCP_ACK,
		    .seq = next_out(e, f, dir),
		};

		part_give_up(e, f, dir, DROP_POLICY_PDU);
		if (!m.t)
			continue;
		if (!(d->flags & DIR_SEEN)) {
			if (!e->at_hand || e->at_hand_dir == dir)
				continue;
			m.seq = e->at_hand_l->ack;
		} else if (d->flags & DIR_FIN) {
			m.seq++;
		}
		answer(e, f, dir, &m);
		m.win = 0;
		inject_frame(e, f, &m);
	}
	e->st.resets++;
	f->state = FLOW_CLOSED;
	f->dir[0].flags |= DIR_BLOCKED;
	f->dir[1].flags |= DIR_BLOCKED;
	flow_timer(&e->flows, f, FLOW_TICKS(10));
}

/*
 * RFC 9293 3.10.7.1: what still comes is answered with the number that it asks for.  Data once in a
 * tick: who has missed the answer says them again later than that (RFC 6298), and a flood is not answered with
 * another.  A bare acknowledgement may ask for the number (RFC 5961 3.2): each is answered.
 */
void
inject_reply(struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l,
    uint32_t last_tick)
{
	struct tmpl t;
	struct made m = {
	    .t = &t,
	    .dir = (uint8_t)(dir ^ 1),
	    .flags = TCP_RST,
	    .seq = l->ack,
	};

	e->note = "the connection was reset";
	p->fate = FATE_CONSUMED;
	if ((l->pay_len != 0 && last_tick == e->flows.now_tick) || l->tcp_flags & TCP_RST ||
	    !(l->tcp_flags & TCP_ACK) || !tmpl_make(&t, p, l, true))
		return;
	inject_frame(e, f, &m);
}
