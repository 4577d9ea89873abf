/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fastpath_twin.h - what the kernel does with a connection that it may judge, in plain C and from
 * the design's text: slow, one entry per connection, a fixed rule instead of tables.
 *
 * It allows Modbus function 3 of unit 1 within registers 0..99, and S7 reads of one item of bytes in
 * DB1; of OPC UA what the engine has allowed.  Everything that it does not know whole and sure goes up.
 */
#ifndef TESTS_FASTPATH_TWIN_H
#define TESTS_FASTPATH_TWIN_H

#include <string.h>

#include "dataplane/decode.h"
#include "dataplane/fastpath.h"

#define TWIN_SLOTS 16u

struct twin_stats {
	uint64_t passed, up, takes, returns, again; /* again: retransmissions that it passed on */
};

struct twin_entry {
	bool used;
	struct net_tuple t; /* client to server */
	char proto;	    /* 'm', 's', 'o' */
	uint32_t generation;
	struct fast_flow f;
	/* the board */
	bool valid;
	struct fast_offer o;
};

struct twin {
	struct fast_path path;
	uint32_t generation; /* of the set in force */
	uint64_t key;
	bool serves; /* nothing else is created */
	struct twin_stats st;
	struct twin_entry e[TWIN_SLOTS];
	/* what a test breaks on purpose */
	bool no_hash, no_count;
};

static inline int32_t
twin_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

static uint64_t
twin_hash(void *ctx, const uint8_t *p, uint32_t n)
{
	const struct twin *w = ctx;
	uint64_t h = w->key ^ n;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return h ^ h >> 29;
}

/* --- PDUs --------------------------------------------------------------------------------- */

static inline uint32_t
twin_be16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static bool
whole_request(char proto, const uint8_t *p, uint32_t n)
{
	if (proto == 'm')
		return n == 12 && twin_be16(p + 2) == 0 && twin_be16(p + 4) == 6 && p[6] == 1 &&
		       p[7] == 3 && twin_be16(p + 10) >= 1 &&
		       twin_be16(p + 8) + twin_be16(p + 10) <= 100;
	return n == 31 && p[0] == 3 && p[1] == 0 && twin_be16(p + 2) == n &&
	       memcmp(p + 4, "\x02\xf0\x80\x32\x01\0\0", 7) == 0 && twin_be16(p + 13) == 14 &&
	       twin_be16(p + 15) == 0 && memcmp(p + 17, "\x04\x01\x12\x0a\x10\x02", 6) == 0 &&
	       twin_be16(p + 23) >= 1 && twin_be16(p + 23) <= 200 && twin_be16(p + 25) == 1 &&
	       p[27] == 0x84 && p[28] == 0 && (p[30] & 7) == 0;
}

/* The transaction that an answer repeats. */
static bool
same_reference(char proto, const uint8_t *a, const uint8_t *b)
{
	return proto == 'm' ? memcmp(a, b, 2) == 0 : memcmp(a + 11, b + 11, 2) == 0;
}

static bool
whole_answer(char proto, const uint8_t *q, const uint8_t *p, uint32_t n)
{
	uint32_t bytes;

	if (proto == 'm') {
		bytes = 2 * twin_be16(q + 10);
		return n == 9 + bytes && memcmp(p, q, 4) == 0 && twin_be16(p + 4) == 3 + bytes &&
		       memcmp(p + 6, q + 6, 2) == 0 && p[8] == bytes;
	}
	bytes = twin_be16(q + 23);
	return n == 25 + bytes && p[0] == 3 && p[1] == 0 && twin_be16(p + 2) == n &&
	       memcmp(p + 4, "\x02\xf0\x80\x32\x03\0\0", 7) == 0 &&
	       memcmp(p + 11, q + 11, 2) == 0 && twin_be16(p + 13) == 2 &&
	       twin_be16(p + 15) == 4 + bytes && twin_be16(p + 17) == 0 && p[19] == 4 &&
	       p[20] == 1 && p[21] == 0xff && p[22] == 4 && twin_be16(p + 23) == 8 * bytes;
}

/* --- OPC UA -------------------------------------------------------------------------------- */

static inline uint32_t
twin_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Is it the next message of the channel in its direction? */
static bool
ua_next(const struct dis_lent *l, unsigned dir, const uint8_t *p, uint32_t n)
{
	return n >= 28 && memcmp(p, "MSGF", 4) == 0 && twin_le32(p + 4) == n &&
	       twin_le32(p + 8) == l->channel && twin_le32(p + 12) == l->token[dir] &&
	       twin_le32(p + 16) == l->seq[dir] + 1 && n <= l->max[dir] && p[24] == 1 && p[25] == 0;
}

static unsigned
ua_place(const struct dis_lent *l, uint32_t request)
{
	unsigned i = 0;

	while (i < l->n_open && l->request[i] != request)
		i++;
	return i;
}

/* A session's token that is a number of two bytes: then time and handle lie at 32..43. */
static bool
ua_request(struct twin *w, struct twin_entry *e, const uint8_t *p, uint32_t n)
{
	struct dis_lent *l = &e->f.lent;
	uint8_t b[FAST_ALIKE];
	bool known = false;

	if (n > sizeof(b) || !ua_next(l, 0, p, n) || n < 59u + l->sig || p[28] != 1 ||
	    l->n_open == DIS_LENT_OPEN || ua_place(l, twin_le32(p + 20)) != l->n_open)
		return false;
	memcpy(b, p, n);
	memset(b + 4, 0, 20);
	memset(b + 32, 0, 12);
	for (unsigned i = 0; i < FAST_KNOWN; i++)
		known |= e->o.known[i].len == n - l->sig &&
			 e->o.known[i].hash == twin_hash(w, b, n - l->sig);
	if (!known)
		return false;
	l->seq[0]++;
	l->request[l->n_open] = twin_le32(p + 20);
	l->type[l->n_open++] = (uint16_t)(p[26] | p[27] << 8);
	return true;
}

static bool
ua_answer(struct twin_entry *e, const uint8_t *p, uint32_t n)
{
	struct dis_lent *l = &e->f.lent;
	unsigned at, type;

	if (!ua_next(l, 1, p, n) || n < 52u + l->sig || p[44] != 0 || twin_le32(p + 45) + 1 > 1 ||
	    (p[49] | p[50] | p[51]) != 0 || (at = ua_place(l, twin_le32(p + 20))) == l->n_open)
		return false;
	type = p[26] | (unsigned)p[27] << 8;
	if (type != l->type[at] + 3u)
		return false;
	l->seq[1]++;
	l->n_open--;
	l->request[at] = l->request[l->n_open];
	l->type[at] = l->type[l->n_open];
	return true;
}

/* --- frames -------------------------------------------------------------------------------- */

struct twin_seen {
	unsigned dir;
	struct layers l;
	const uint8_t *pay;
	bool fit;
	uint32_t ts;
};

/* Options: none, or timestamps with their two NOPs; SACK besides where there is no payload. */
static bool
options(const struct layers *l, const uint8_t *b, uint32_t *ts)
{
	const uint8_t *o = b + l->l4_off + 20;
	uint32_t n = l->pay_off - l->l4_off - 20u, at = 0;

	*ts = 0;
	if (n >= 12 && memcmp(o, "\1\1\x08\x0a", 4) == 0) {
		*ts = (uint32_t)o[4] << 24 | (uint32_t)o[5] << 16 | twin_be16(o + 6);
		at = 12;
	}
	if (at < n && l->pay_len == 0 && n - at >= 4 && memcmp(o + at, "\1\1\5", 3) == 0)
		at += 2u + o[at + 3];
	return at == n;
}

static struct twin_entry *
find(struct twin *w, unsigned port, const uint8_t *b, uint32_t n, struct twin_seen *s)
{
	struct pkt p = {.bytes = b, .caplen = n, .wirelen = n, .port = (uint8_t)port};
	struct net_tuple t;

	memset(&s->l, 0, sizeof(s->l));
	if (decode(&p, &s->l) != DROP_NONE || s->l.proto != NET_PROTO_TCP)
		return NULL;
	layers_tuple(&s->l, (uint8_t)port, &t);
	for (unsigned i = 0; i < TWIN_SLOTS; i++) {
		struct twin_entry *e = &w->e[i];
		struct net_tuple back = net_tuple_reverse(&e->t);
		const struct net_tuple *as[2] = {&e->t, &back};

		for (unsigned dir = 0; e->used && dir < 2; dir++)
			if (memcmp(&as[dir]->src, &t.src, 16) == 0 &&
			    memcmp(&as[dir]->dst, &t.dst, 16) == 0 && as[dir]->sport == t.sport &&
			    as[dir]->dport == t.dport && as[dir]->vlan == t.vlan) {
				s->dir = dir;
				s->pay = b + s->l.pay_off;
				s->fit = (s->l.tcp_flags & ~TCP_PSH) == TCP_ACK &&
					 ((e->t.port & 1u) ^ dir) == port &&
					 options(&s->l, b, &s->ts) &&
					 decode_ip_checksum_ok(&p, &s->l) &&
					 decode_l4_checksum_ok(&p, &s->l);
				return e;
			}
	}
	return NULL;
}

static bool
ack_fits(const struct twin_entry *e, const struct twin_seen *s)
{
	const struct fast_way *o = &e->f.way[s->dir ^ 1];

	return twin_after(s->l.ack, o->acked) >= 0 && twin_after(s->l.ack, o->next) <= 0;
}

static void
acknowledge(struct twin_entry *e, const struct twin_seen *s)
{
	struct fast_way *d = &e->f.way[s->dir], *o = &e->f.way[s->dir ^ 1];

	o->acked = s->l.ack;
	d->win = s->l.tcp_win;
	if (s->ts != 0 && (d->ts == 0 || twin_after(s->ts, d->ts) > 0))
		d->ts = s->ts;
	while (o->n_sent > 0 && twin_after(o->sent[0].seq + o->sent[0].len, o->acked) <= 0)
		memmove(&o->sent[0], &o->sent[1], --o->n_sent * sizeof(o->sent[0]));
}

static bool
sent_before(struct twin *w, struct twin_entry *e, const struct twin_seen *s)
{
	const struct fast_way *d = &e->f.way[s->dir];

	for (unsigned i = 0; i < d->n_sent; i++)
		if (d->sent[i].seq == s->l.seq && d->sent[i].len == s->l.pay_len &&
		    (w->no_hash || d->sent[i].hash == twin_hash(w, s->pay, s->l.pay_len)))
			return twin_after(s->l.ack, e->f.way[s->dir ^ 1].next) <= 0;
	return false;
}

/* The frame is committed to an entry that is the twin's. */
static bool
fits(struct twin *w, struct twin_entry *e, const struct twin_seen *s)
{
	struct fast_way *d = &e->f.way[s->dir];
	const struct fast_way *o = &e->f.way[s->dir ^ 1];
	uint32_t win = (uint32_t)o->win << o->wscale, n = s->l.pay_len;

	if (!s->fit || e->generation != w->generation)
		return false;
	if (n == 0) {
		if ((s->l.seq != d->next && s->l.seq != d->next - 1) || !ack_fits(e, s))
			return false;
		acknowledge(e, s);
		return true;
	}
	if (sent_before(w, e, s)) {
		w->st.again++;
		return true;
	}
	if (s->l.seq != d->next || !ack_fits(e, s) || d->n_sent == FAST_SENT ||
	    twin_after(s->l.seq + n, d->acked + (win < 65535 ? 65535 : win)) > 0)
		return false;
	if (e->proto == 'o') {
		if (s->dir == 0 ? !ua_request(w, e, s->pay, n) : !ua_answer(e, s->pay, n))
			return false;
		e->f.n_open = e->f.lent.n_open;
	} else if (s->dir == 0) {
		if (n > FAST_ADU || e->f.n_open == FAST_OPEN || !whole_request(e->proto, s->pay, n))
			return false;
		for (unsigned i = 0; i < e->f.n_open; i++)
			if (same_reference(e->proto, e->f.open[i].bytes, s->pay))
				return false;
		e->f.open[e->f.n_open].len = (uint8_t)n;
		memcpy(e->f.open[e->f.n_open++].bytes, s->pay, n);
	} else {
		if (e->f.n_open == 0 || !whole_answer(e->proto, e->f.open[0].bytes, s->pay, n))
			return false;
		memmove(&e->f.open[0], &e->f.open[1], --e->f.n_open * sizeof(e->f.open[0]));
	}
	acknowledge(e, s);
	d->sent[d->n_sent++] = (struct fast_record){s->l.seq, n, twin_hash(w, s->pay, n)};
	d->next += n;
	e->f.pdus++;
	return true;
}

/* A frame comes in by a port: true, it goes out by the other; false, it goes up. */
static inline bool
twin_frame(struct twin *w, unsigned port, const uint8_t *b, uint32_t n)
{
	struct twin_seen s;
	struct twin_entry *e = find(w, port, b, n, &s);
	struct twin_entry was;

	if (!e) {
		w->st.up++;
		return false;
	}
	was = *e;
	if (e->valid && !e->f.theirs && (e->o.seen == e->f.up || w->no_count) &&
	    e->o.generation == w->generation) {
		for (unsigned i = 0; i < 2; i++) {
			e->f.way[i] = e->o.way[i];
			e->f.way[i].n_sent = 0;
		}
		e->f.lent = e->o.lent;
		e->f.n_open = e->o.lent.n_open;
		e->generation = e->o.generation;
		if (fits(w, e, &s)) {
			e->f.theirs = true;
			w->st.takes++;
			goto passes;
		}
		*e = was;
	} else if (e->f.theirs && e->valid && fits(w, e, &s)) {
		goto passes;
	}
	if (e->f.theirs) {
		e->f.theirs = false;
		e->f.epoch++;
		w->st.returns++;
	}
	e->f.up++;
	w->st.up++;
	return false;
passes:
	e->f.packets++;
	e->f.bytes += n;
	w->st.passed++;
	return true;
}

/* --- the interface -------------------------------------------------------------------------- */

static bool
twin_serves(void *ctx, uint32_t conduit, const char *proto)
{
	const struct twin *w = ctx;

	(void)conduit;
	return w->serves && (strcmp(proto, "modbus") == 0 || strcmp(proto, "s7") == 0 ||
				strcmp(proto, "opcua") == 0);
}

static bool
twin_create(
    void *ctx, uint32_t slot, const struct net_tuple *t, uint32_t conduit, const char *proto)
{
	struct twin *w = ctx;

	(void)conduit;
	if (slot >= TWIN_SLOTS || w->e[slot].used)
		return false;
	w->e[slot] = (struct twin_entry){.used = true, .t = *t, .proto = proto[0]};
	return true;
}

static void
twin_drop(void *ctx, uint32_t slot, const struct net_tuple *t)
{
	(void)t;
	((struct twin *)ctx)->e[slot].used = false;
}

static void
twin_offer(void *ctx, uint32_t slot, const struct fast_offer *o)
{
	struct twin *w = ctx;

	w->e[slot].o = *o;
	w->e[slot].valid = true;
}

static void
twin_withdraw(void *ctx, uint32_t slot)
{
	((struct twin *)ctx)->e[slot].valid = false;
}

static bool
twin_read(void *ctx, uint32_t slot, const struct net_tuple *t, struct fast_flow *out)
{
	const struct twin *w = ctx;

	(void)t;
	*out = w->e[slot].f;
	return w->e[slot].used;
}

static void
twin_settle(void *ctx)
{
	(void)ctx;
}

static bool
twin_left(void *ctx, uint64_t *cursor, uint32_t *slot, struct net_tuple *t, const char **proto,
    struct fast_flow *out)
{
	struct twin *w = ctx;

	for (; *cursor < TWIN_SLOTS; ++*cursor)
		if (w->e[*cursor].used) {
			*slot = (uint32_t)*cursor;
			*t = w->e[*cursor].t;
			*proto = w->e[*cursor].proto == 'm'   ? "modbus"
				 : w->e[*cursor].proto == 's' ? "s7"
							      : "opcua";
			*out = w->e[*cursor].f;
			++*cursor;
			return true;
		}
	return false;
}

static const struct fast_ops twin_ops = {twin_serves, twin_create, twin_drop, twin_offer,
    twin_withdraw, twin_read, twin_settle, twin_hash, twin_left};

static inline void
twin_init(struct twin *w, uint64_t key)
{
	memset(w, 0, sizeof(*w));
	w->path = (struct fast_path){.ops = &twin_ops, .ctx = w, .slots = TWIN_SLOTS};
	w->key = key;
	w->serves = true;
}

#endif /* TESTS_FASTPATH_TWIN_H */
