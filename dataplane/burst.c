/* SPDX-License-Identifier: Apache-2.0 */
/*
 * burst.c - bursts: decode, look up, judge, decide each frame's fate.
 *
 * A burst is worked in stages so that memory is asked for before it is needed:
 *
 *   1  find the headers, hash the tuple; the bucket is fetched
 *   2  find the candidate in it; the flow's first line is fetched, and what its dissector knows
 *   3  what hangs on the flow: bytes to compare, state in a cell, a guard's line; and where the
 *	request is looked for among the known ones (quick.h).  Not all at once: a core has some
 *	two dozen lines on their way at most, and turns away what is asked beyond
 *   4  judge, in order
 *
 * In 4 a packet is one of three, and each does what the next would have done as well:
 *
 *   known  an acknowledgement, or a whole PDU that is known; nothing else is written about it
 *   usual  watch only: the same with a PDU that has to be read
 *   other  everything else (tcp.c, other.c)
 */
#include <string.h>

#include "dataplane/decode_fast.h"
#include "dataplane/repair.h"

#define CLOCK_BACK_NS UINT64_C(2000000000)

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)

/* What the stages leave of one packet: one cache line, of which a burst has 32 and little else. */
struct look {
	uint64_t ka, kb, hash; /* of its flow_key */
	struct flow *flow;     /* perhaps; NULL: it has none, or none was found */
	union {
		struct quick_probe probe;
		const struct stranger *stranger; /* where its two ends are looked for; no flow */
	};
	struct head head; /* where `common` */
	uint8_t why;	  /* enum drop_reason of the headers */
	bool common;	  /* decode_head() said yes: layers are written when they are asked for */
	bool src_is_lo;
};
_Static_assert(sizeof(struct look) == 64, "one cache line");

bool
engine_put_back(const struct engine *e, uint64_t now_ns)
{
	return e->inline_mode && now_ns + CLOCK_BACK_NS < e->now_ns;
}

/* --- what is remembered of a segment -------------------------------------------------------- */

/*
 * n bytes, 8 at least, of a frame's payload into an empty cell: small ones without a branch on how
 * many.  What stands in front of them is copied too: headers, which every payload has, over
 * the cell's, which its owner writes afterwards.
 */
ALWAYS_INLINE void
copy_payload(struct cell *c, const uint8_t *from, uint32_t n)
{
	uint8_t *to = c->data;
	uint32_t i = 0;

	if (n <= CELL_S_SIZE - sizeof(struct cell)) {
		int32_t a = (int32_t)n - 48, b = (int32_t)n - 32;

		a = a < -16 ? -16 : a;
		b = b < -16 ? -16 : b;
		memcpy(to + a, from + a, 16);
		memcpy(to + b, from + b, 16);
		memcpy(to + (int32_t)n - 16, from + (int32_t)n - 16, 16);
		return;
	}
	for (; i + 64 <= n; i += 64) /* four at once: one copy in vectors, no turn of a loop each */
		for (unsigned k = 0; k < 64; k += 16)
			memcpy(to + i + k, from + i + k, 16);
	for (; i + 16 <= n; i += 16)
		memcpy(to + i, from + i, 16);
	memcpy(to + n - 16, from + n - 16, 16);
}
_Static_assert(offsetof(struct cell, data) == 16 && CELL_S_SIZE == 64, "as copy_payload() has it");

/*
 * The segment of a conversation that stands where it should: the other side's bytes are
 * acknowledged, these are remembered, and both directions stand behind them.  Nothing of this
 * direction was remembered, and at most one small cell of the other.
 */
ALWAYS_INLINE void
advance(struct engine *e, struct flow *f, struct tcp_dir *d, struct tcp_dir *o, uint32_t ack,
    uint32_t win, const uint8_t *pay, uint32_t len)
{
	const unsigned class = len <= CELL_S_SIZE - sizeof(struct cell) ? CELL_S : CELL_P;
	cell_id id = o->retain;
	struct cell *c;

	d->win = (uint16_t)win;
	o->acked = ack;
	if (id != CELL_NONE) {
		o->retain = CELL_NONE;
		o->n_retain = 0;
		if (len == 0 || id >> 30 != class) {
			cell_put(&e->cells, id);
			id = CELL_NONE;
		}
	}
	if (len == 0)
		return;
	if (id == CELL_NONE && unlikely((id = cell_get_small(&e->cells, class)) == CELL_NONE)) {
		id = cell_get(&e->cells, len);
		flow_stir(&e->flows, f); /* none, or no small one */
	}
	if (unlikely(id == CELL_NONE)) {
		e->st.pool_full++;
	} else {
		c = cell_at(&e->cells, id);
		copy_payload(c, pay, len);
		c->next = id;
		c->seq = d->nxt;
		c->len = len;
		d->retain = id;
		d->n_retain = 1;
	}
	d->nxt += len;
}

/* Has it no payload, or one to remember in a small cell, where none is remembered? */
ALWAYS_INLINE bool
fits_small(const struct tcp_dir *d, uint32_t len)
{
	return len == 0 ||
	       (len - 8 <= CELL_P_SIZE - sizeof(struct cell) - 8 && d->retain == CELL_NONE);
}

/* --- known ------------------------------------------------------------------------------------ */

/* Has somebody to see each fact, or may more be done about one than is remembered of it? */
static bool
quick_may(const struct engine *e)
{
	return e->policy && !e->shadow && (!e->conf.on_fact || e->conf.on_known) &&
	       e->panic == PANIC_OFF && !e->conf.no_quick && !e->path;
}

/* The next PDU of the conversation is one that is known: its verdict and state are as they would be. */
ALWAYS_INLINE bool
known_pdu(struct engine *e, const struct quick_probe *pr, const uint64_t *w, struct flow *f,
    unsigned dir, const struct pkt *pkt, const uint8_t *p, uint32_t len, const bool guard)
{
	const struct dissector *ds = dissectors[f->dis];
	const bool mid = (f->flags & FLOW_MIDSTREAM) != 0;
	const uint64_t meta = quick_meta(f, len);
	struct quick_entry *en;

	if (dir == DIR_TO_CLIENT)
		return ds->again(feed_state(e, f), p, len, DIR_TO_CLIENT, mid, 0);
	/* the flow may have become another since it was prepared: then it is not found */
	if (pr->n == 0 || e->call.gist_moved || (en = quick_find(pr->at, meta, w, pr->n)) == NULL)
		return false;
	if (unlikely(en->denied != 0)) {
		if (guard || !quick_deny(e, en, f, pkt, p, len))
			return false; /* a guard lets none of them pass */
	} else if (!ds->again(feed_state(e, f), p, len, DIR_TO_SERVER, mid, en->memo)) {
		return false;
	}
	quick_hit(&e->quick, en);
	if (en->rule != QUICK_NO_HIT)
		e->rule_hits[en->rule]++;
	return true;
}

/* Somebody counts what known_packet() let pass. */
ALWAYS_INLINE void
note_known(
    const struct engine *e, const struct pkt *p, const struct look *k, struct engine_known *out)
{
	const struct flow *f = k->flow;
	const unsigned dir = engine_direction(f, k->src_is_lo);

	out->flow_id = k->hash;
	out->flow_index = flow_index(&e->flows, f);
	out->opx = dissectors[f->dis]->known_opx(p->bytes + k->head.pay_off, (enum dis_dir)dir);
	out->proto = f->dis;
	out->kind = dir == DIR_TO_SERVER ? FACT_REQUEST : FACT_RESPONSE;
}

#define OFTEN_OFFERED 65535u /* bytes that every side takes, as inline_checks() has it */

/*
 * What a guard asks of a packet beside, that begins at seq, where all in front is judged or nothing passes any more: that a host would take it, and may
 * have it.  inline_checks() and engine_fits() ask no more of it; what is beyond the window here goes to them.  Pure.
 */
ALWAYS_INLINE bool
guard_lets(struct engine *e, const struct pkt *p, const struct head *h, const struct flow *f,
    unsigned dir, uint32_t seq)
{
	const uint32_t mtu = e->conf.mtu[(p->port & 1) ^ 1];
	const uint32_t len = h->pay_len + (uint32_t)h->pay_off - h->l4_off + 20u;
	const struct tcp_dir *d = &f->dir[dir];

	return e->flows.now_tick - f->last_tick <= FLOW_TICKS(86400) && (mtu == 0 || len <= mtu) &&
	       !engine_wrong_port(e, p, f, dir) && seq + h->pay_len - d->acked <= OFTEN_OFFERED &&
	       decode_head_sums_ok(p, h);
}

/* RFC 7323: has the packet options that time stamps may be among?  engine_take_note() has no eye for anything
 * else in one whose payload is remembered in a small cell. */
_Static_assert(CELL_P_SIZE <= PIECE_MIN, "of these none need be measured");
ALWAYS_INLINE bool
may_have_stamps(const struct head *h)
{
	return h->pay_off - h->l4_off >= 20 + 12;
}

/* False: not such a packet, and nothing was changed. */
ALWAYS_INLINE bool
known_packet(struct engine *e, struct pkt *p, const struct look *k, const uint64_t *w,
    const bool guard, uint32_t tally[2])
{
	struct flow *f = k->flow;
	const uint8_t *tcp = p->bytes + k->head.l4_off, *pay = p->bytes + k->head.pay_off;
	const uint32_t len = k->head.pay_len, word = decode_be32(tcp + 12);
	const uint32_t ack = decode_be32(tcp + 8);
	const unsigned dir = engine_direction(f, k->src_is_lo);
	struct tcp_dir *d = &f->dir[dir], *o = &f->dir[dir ^ 1];

	if (f->ka != k->ka || f->kb != k->kb || f->quick != (QUICK_ON | QUICK_CALM) ||
	    engine_stale(e, f) || (word >> 16 & 0x3f & ~(uint32_t)TCP_PSH) != TCP_ACK ||
	    decode_be32(tcp + 4) != d->nxt || ack != o->nxt || !fits_small(d, len))
		return false;
	if (guard && (!guard_lets(e, p, &k->head, f, dir, d->nxt) ||
			 (len != 0 && cells_out(&e->cells, len) && o->retain == CELL_NONE)))
		return false; /* what cannot be remembered may not pass */
	if (len != 0 && !known_pdu(e, &k->probe, w, f, dir, p, pay, len, guard))
		return false;
	if (guard && unlikely(may_have_stamps(&k->head))) {
		struct layers l;

		decode_rest(p, &k->head, &l);
		engine_take_note(e, f, dir, p, &l);
	}
	tally[dir] += len != 0;
	if (f->last_tick != e->flows.now_tick)
		f->last_tick = e->flows.now_tick;
	p->conduit = f->bind.conduit;
	p->fate = FATE_FORWARD;
	p->reason = DROP_NONE;
	advance(e, f, d, o, ack, word & 0xffff, pay, len);
	if (guard && unlikely(!(f->quick & QUICK_CALM)))
		guard_of(e, f)->sent[dir] = d->nxt;
	return true;
}

/* --- denied ----------------------------------------------------------------------------------- */

/* As account() would, of a frame that was counted as forwarded. */
static inline void
not_forwarded(struct engine *e, const struct pkt *p)
{
	if (p->fate == FATE_DROP)
		e->st.dropped[p->reason]++;
	else
		e->st.consumed++;
	e->st.forwarded--;
}

/*
 * A guard's packet of a flow that is stopped, or that it has reset.  False: not such a packet, and nothing
 * was changed.
 */
static __attribute__((noinline)) bool
stopped_packet(struct engine *e, struct pkt *p, const struct look *k)
{
	struct flow *f = k->flow;
	const uint8_t *tcp = p->bytes + k->head.l4_off;
	const uint32_t word = decode_be32(tcp + 12), ack = decode_be32(tcp + 8);
	const uint32_t seq = decode_be32(tcp + 4);
	const unsigned dir = engine_direction(f, k->src_is_lo);
	const bool ended = (f->quick & QUICK_ENDED) != 0;
	const uint32_t last_tick = f->last_tick;
	const bool told =
	    k->head.pay_len != 0 && last_tick == e->flows.now_tick; /* inject_reply() */
	struct tcp_dir *d = &f->dir[dir], *o = &f->dir[dir ^ 1];
	struct layers l;

	if (f->ka != k->ka || f->kb != k->kb || engine_stale(e, f) || e->conf.on_packet ||
	    (word >> 16 & 0x3f & ~(uint32_t)TCP_PSH) != TCP_ACK ||
	    (!ended && (!(d->flags & DIR_BLOCKED) || k->head.pay_len == 0 ||
			   (int32_t)(seq - d->nxt) < 0 || (int32_t)(ack - o->acked) > 0)) ||
	    !guard_lets(e, p, &k->head, f, dir, seq))
		return false;
	f->last_tick = e->flows.now_tick;
	p->conduit = f->bind.conduit;
	p->reason = DROP_NONE;
	if ((ended && !told) || may_have_stamps(&k->head) || k->head.pay_len > PIECE_MIN)
		decode_rest(p, &k->head, &l);
	if (ended && told) {
		p->fate = FATE_CONSUMED;
	} else if (ended) {
		e->sink.frame = p->frame;
		e->sink.ts_ns = p->ts_ns;
		inject_reply(e, f, dir, p, &l, last_tick);
	} else {
		if (may_have_stamps(&k->head) || k->head.pay_len > PIECE_MIN)
			engine_take_note(e, f, dir, p, &l);
		d->win = (uint16_t)word;
		engine_drop(p, DROP_TCP_BLOCKED);
	}
	e->quick.stopped++;
	not_forwarded(e, p);
	return true;
}

/* A packet of no flow, of two ends that are known to have no conduit: none was made since the burst was looked up. */
static bool
stranger_packet(struct engine *e, struct pkt *p, const struct look *k, const struct layers *l)
{
	if (!(k->common ||
		(k->why == DROP_NONE && l->flags & LAYER_L4 && !(l->flags & LAYER_V6))) ||
	    e->conf.on_packet || e->conf.on_event || k->stranger == NULL ||
	    !stranger_known(e, p, k->stranger, k->ka, k->kb, k->src_is_lo))
		return false;
	not_forwarded(e, p);
	return true;
}

/*
 * A guard's request that is known to be refused, in a flow that says nothing else.  False: it is not that, and
 * nothing was changed.
 */
static __attribute__((noinline)) bool
refused_packet(struct engine *e, struct pkt *p, const struct look *k, const uint64_t *w)
{
	struct flow *f = k->flow;
	const uint8_t *tcp = p->bytes + k->head.l4_off, *pay = p->bytes + k->head.pay_off;
	const uint32_t word = decode_be32(tcp + 12), ack = decode_be32(tcp + 8);
	const uint32_t len = k->head.pay_len;
	struct tcp_dir *d = &f->dir[DIR_TO_SERVER];
	uint8_t refusal[QUICK_REFUSAL];
	struct quick_entry *en;
	struct layers l;
	uint32_t n;

	if (k->probe.n == 0 || e->call.gist_moved || f->ka != k->ka || f->kb != k->kb ||
	    f->quick != (QUICK_ON | QUICK_REFUSING) || engine_stale(e, f) || e->conf.on_packet ||
	    e->conf.on_known || engine_direction(f, k->src_is_lo) != DIR_TO_SERVER ||
	    (word >> 16 & 0x3f & ~(uint32_t)TCP_PSH) != TCP_ACK || decode_be32(tcp + 4) != d->nxt ||
	    cells_out(&e->cells, len) || !refusal_ready(e, f, ack) ||
	    (en = quick_find(k->probe.at, quick_meta(f, len), w, k->probe.n)) == NULL ||
	    en->denied == 0 || !guard_lets(e, p, &k->head, f, DIR_TO_SERVER, d->nxt) ||
	    !quick_refuse(e, en, f, p, pay, refusal, &n))
		return false;
	quick_hit(&e->quick, en);
	if (en->rule != QUICK_NO_HIT)
		e->rule_hits[en->rule]++;
	f->last_tick = e->flows.now_tick;
	e->sink.frame = p->frame;
	e->sink.ts_ns = p->ts_ns;
	decode_rest(p, &k->head, &l);
	engine_take_note(e, f, DIR_TO_SERVER, p, &l);
	d->win = (uint16_t)word;
	refusal_next(e, f, ack, len, refusal, n);
	p->conduit = f->bind.conduit;
	p->fate = FATE_CONSUMED;
	p->reason = DROP_NONE;
	not_forwarded(e, p);
	return true;
}

/* Is it one of these? */
ALWAYS_INLINE bool
denied_packet(struct engine *e, struct pkt *p, const struct look *k, const struct layers *l,
    const uint64_t *w)
{
	if (k->flow == NULL)
		return e->strangers.some && stranger_packet(e, p, k, l);
	if (k->flow->quick & QUICK_REFUSING)
		return k->common && refused_packet(e, p, k, w);
	return k->flow->quick & (QUICK_STOPPED | QUICK_ENDED) && k->common &&
	       stopped_packet(e, p, k);
}

/* --- a run of them ---------------------------------------------------------------------------- */

/* Known packets from the front; how many. */
ALWAYS_INLINE unsigned
known_run(struct engine *e, struct pkt *p, const struct look *k, const struct layers *l,
    uint64_t w[][DIS_GIST_WORDS], unsigned n, const bool guard)
{
	const bool tells = e->conf.on_known != NULL;
	struct engine_known known[PKT_BURST];
	uint32_t tally[2] = {0, 0};
	unsigned i = 0, told = 0;

	while (i < n) {
		if (k[i].common && k[i].flow != NULL &&
		    known_packet(e, &p[i], &k[i], w[i], guard, tally)) {
			if (tells && k[i].head.pay_len != 0)
				note_known(e, &p[i], &k[i], &known[told++]);
		} else if (!guard || !denied_packet(e, &p[i], &k[i], &l[i], w[i])) {
			break;
		}
		i++;
	}
	if (told > 0)
		e->conf.on_known(e->conf.ctx, known, told);
	e->kinds[FACT_REQUEST] += tally[DIR_TO_SERVER];
	e->kinds[FACT_RESPONSE] += tally[DIR_TO_CLIENT];
	e->allowed += tally[DIR_TO_SERVER] + tally[DIR_TO_CLIENT];
	e->quick.known += tally[DIR_TO_SERVER] + tally[DIR_TO_CLIENT];
	return i;
}

static __attribute__((noinline)) unsigned
known_in_watch(struct engine *e, struct pkt *p, const struct look *k, const struct layers *l,
    uint64_t w[][DIS_GIST_WORDS], unsigned n)
{
	return known_run(e, p, k, l, w, n, false);
}

static __attribute__((noinline)) unsigned
known_in_guard(struct engine *e, struct pkt *p, const struct look *k, const struct layers *l,
    uint64_t w[][DIS_GIST_WORDS], unsigned n)
{
	return known_run(e, p, k, l, w, n, true);
}

/* --- usual ------------------------------------------------------------------------------------ */

/*
 * The packet that nearly every packet is: the next bytes of an open
 * conversation, exactly one whole PDU or none, nothing held, nothing owed.
 * Everything it does, the general path below does too.  False: not that packet,
 * and nothing was changed.
 */
static inline bool
usual_packet(
    struct engine *e, const struct pkt *p, const struct layers *l, struct flow *f, unsigned dir)
{
	struct tcp_dir *d = &f->dir[dir], *o = &f->dir[dir ^ 1];
	const uint8_t *pay = p->bytes + l->pay_off;
	const struct dissector *ds;

	if (!(f->quick & QUICK_CALM) || (l->tcp_flags & ~TCP_PSH) != TCP_ACK || l->seq != d->nxt ||
	    l->ack != o->nxt || !fits_small(d, l->pay_len))
		return false;
	ds = dissectors[f->dis];
	if (l->pay_len != 0 && ds->frame(cur_make(pay, l->pay_len), (enum dis_dir)dir,
				   f->variant) != (int32_t)l->pay_len)
		return false;
	advance(e, f, d, o, l->ack, l->tcp_win, pay, l->pay_len);
	if (l->pay_len != 0)
		(void)feed_pdu(e, ds, f, dir, pay, l->pay_len);
	return true;
}

static inline uint32_t
candidate_of(const struct engine *e, const struct look *k)
{
	return k->flow ? flow_index(&e->flows, k->flow) : FLOW_NONE;
}

static inline void
tcp_packet(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *key,
    uint32_t candidate)
{
	struct flow *f = engine_find(e, key, candidate);

	if (likely(f != NULL && !engine_stale(e, f)) && !e->inline_mode) {
		unsigned dir = engine_direction(f, key->src_is_lo);

		f->last_tick = e->flows.now_tick;
		p->conduit = f->bind.conduit;
		engine_aim(e, f, dir, l);
		if (likely(usual_packet(e, p, l, f, dir)))
			return;
	}
	engine_tcp(e, p, l, key, f);
}

/* --- the burst ------------------------------------------------------------------------------ */

static void __attribute__((noinline))
show_packet(struct engine *e, const struct pkt *p, struct layers *l, const struct look *k)
{
	struct net_tuple t = {0};
	struct engine_packet ep = {
	    .frame = p->frame,
	    .ts_ns = p->ts_ns,
	    .fate = p->fate,
	    .reason = p->reason,
	    .note = e->note,
	};

	if (k->common)
		decode_rest(p, &k->head, l);
	if (k->why == DROP_NONE && l->flags & LAYER_IP) {
		layers_tuple(l, p->port, &t);
		ep.tuple = &t;
	}
	e->conf.on_packet(e->conf.ctx, &ep);
}

/* A burst is counted as forwarded at first; this puts right what was not. */
static void __attribute__((noinline)) account(struct engine *e, const struct pkt *p)
{
	switch ((enum pkt_fate)p->fate) {
	case FATE_FORWARD:
		return;
	case FATE_DROP:
		e->st.dropped[p->reason]++;
		break;
	case FATE_HELD:
		e->st.held++;
		break;
	case FATE_CONSUMED:
		e->st.consumed++;
		break;
	}
	e->st.forwarded--;
}

/*
 * The flow's lines come; what hangs on them is asked for.  That it is the packet's flow is not known
 * for certain, and until its turn others may change it: nothing of what is found here is relied on.
 */
ALWAYS_INLINE void
look_ahead(const struct engine *e, const struct look *k)
{
	struct flow *f = k->flow;
	const unsigned dir = engine_direction(f, k->src_is_lo);
	cell_id id = f->dir[dir ^ 1].retain;

	if (e->inline_mode && (may_have_stamps(&k->head) || !(f->quick & QUICK_CALM))) {
		const struct flow_guard *g = guard_of(e, f);

		__builtin_prefetch(g, 1);
		__builtin_prefetch(&g->ts_known, 1); /* they may lie in two lines */
	}
	if (unlikely(f->quick & QUICK_REFUSING))
		__builtin_prefetch(f->rare);
	if (id != CELL_NONE) { /* its place will be written over */
		const char *lines = (const char *)cell_at(&e->cells, id);

		__builtin_prefetch(lines, 1);
		if (id >> 30 != CELL_S) {
			__builtin_prefetch(lines + 64, 1);
			if (k->head.pay_len > 128 - sizeof(struct cell))
				__builtin_prefetch(lines + 128, 1);
		}
	}
	if (f->flags & FLOW_STATE_CELL) {
		const char *lines = feed_state(e, f);

		__builtin_prefetch(lines, 1);
		__builtin_prefetch(lines + 64, 1);
	} else {
		__builtin_prefetch(f->dstate, 1); /* perhaps the first time it was turned away */
	}
}

/* And where a request is looked for among the known ones, for which its dissector may ask its state. */
ALWAYS_INLINE void
look_for(const struct engine *e, const struct pkt *p, struct look *k, uint64_t *w)
{
	struct flow *f = k->flow;
	const uint32_t len = k->head.pay_len;

	if (unlikely(f->quick & QUICK_REFUSING))
		repair_fetch(e, f);
	if (engine_direction(f, k->src_is_lo) == DIR_TO_SERVER &&
	    (f->quick == (QUICK_ON | QUICK_CALM) || f->quick == (QUICK_ON | QUICK_REFUSING)) &&
	    k->common && len - 8 <= CELL_P_SIZE - 8)
		quick_prepare(
		    &e->quick, &k->probe, w, f, feed_state(e, f), p->bytes + k->head.pay_off, len);
}

/* Of a burst; and of those that are denied, as it seems, what their storms are counted by, a step at a time. */
ALWAYS_INLINE void
look_for_all(const struct engine *e, const struct pkt *burst, struct look *k,
    uint64_t w[][DIS_GIST_WORDS], unsigned n)
{
	uint32_t at[PKT_BURST], asked = 0, denied = 0;

	for (unsigned i = 0; i < n; i++) {
		if (unlikely(k[i].flow == NULL))
			continue;
		look_for(e, &burst[i], &k[i], w[i]);
		at[asked] = i;
		asked += k[i].probe.n != 0;
	}
	if (likely(!e->quick.denies || !e->conf.alerts))
		return;
	for (unsigned i = 0; i < asked; i++) {
		const struct look *x = &k[at[i]];

		if (x->probe.at->denied == 0)
			continue;
		at[denied] = flow_index(&e->flows, x->flow);
		alerts_fetch(e->conf.alerts, at[denied++], false);
	}
	for (unsigned i = 0; i < denied; i++)
		alerts_fetch(e->conf.alerts, at[i], true);
}

/* Stages 1 to 3. */
static inline void
look_at(const struct engine *e, const struct pkt *burst, struct layers *l, struct look *k,
    uint64_t w[][DIS_GIST_WORDS], unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		__builtin_prefetch(burst[i].bytes + 64); /* where a short payload ends */
		if (burst[i].caplen > 128) {
			__builtin_prefetch(burst[i].bytes + 128);
			__builtin_prefetch(burst[i].bytes + 192);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *b = burst[i].bytes;
		struct head *h = &k[i].head;
		struct flow_key key;

		k[i].why = DROP_NONE;
		k[i].common = decode_head(&burst[i], h);
		if (likely(k[i].common)) {
			uint32_t ports = decode_be32(b + h->l4_off);

			flow_key_make4(&e->flows, b + h->l4_off - 8, b + h->l4_off - 4, ports >> 16,
			    ports & 0xffff, h->vlan, NET_PROTO_TCP, &key);
		} else {
			k[i].why = (uint8_t)decode_general(&burst[i], &l[i]);
			if (k[i].why != DROP_NONE || !(l[i].flags & LAYER_L4))
				continue;
			flow_key_make(&e->flows, &l[i], &key);
		}
		flow_prefetch_bucket(&e->flows, key.hash);
		k[i].ka = key.ka;
		k[i].kb = key.kb;
		k[i].hash = key.hash;
		k[i].src_is_lo = key.src_is_lo;
	}
	for (unsigned i = 0; i < n; i++) {
		const char *f;
		uint32_t at;

		k[i].flow = NULL;
		k[i].probe = (struct quick_probe){NULL, 0};
		if (unlikely(!k[i].common) && (k[i].why != DROP_NONE || !(l[i].flags & LAYER_L4)))
			continue;
		at = flow_candidate(&e->flows, k[i].hash);
		if (at == FLOW_NONE) {
			if (e->strangers.some)
				k[i].stranger =
				    stranger_fetch(&e->strangers, k[i].ka, k[i].kb, k[i].src_is_lo);
			continue;
		}
		k[i].flow = &e->flows.flows[at];
		f = (const char *)k[i].flow;
		__builtin_prefetch(f);
		__builtin_prefetch(f + 64, 1);
	}
	for (unsigned i = 0; i < n; i++)
		if (likely(k[i].flow != NULL))
			look_ahead(e, &k[i]);
	if (unlikely(e->strangers.some && e->conf.alerts))
		for (unsigned i = 0; i < n; i++)
			if (k[i].flow == NULL && k[i].stranger != NULL)
				alerts_place_fetch(e->conf.alerts,
				    &stranger_way(k[i].stranger, k[i].ka, k[i].src_is_lo)->storm);
	if (likely(e->quick.look))
		look_for_all(e, burst, k, w, n);
}

/* Every packet that is not known. */
static inline void
any_packet(struct engine *e, struct pkt *p, struct layers *l, const struct look *k)
{
	if (k->common)
		decode_rest(p, &k->head, l);
	e->sink.frame = p->frame;
	e->sink.ts_ns = p->ts_ns;
	e->sink.would_drop = false;
	if (unlikely(e->packet_clock))
		clock_packet(e, p->ts_ns);
	p->fate = FATE_FORWARD;
	p->reason = DROP_NONE;
	p->conduit = RULE_NONE;
	if (unlikely(k->why != DROP_NONE))
		engine_drop(p, (enum drop_reason)k->why);
	else if (unlikely(l->flags & LAYER_STRANGE) && e->inline_mode && !engine_extension(e, p, l))
		; /* dropped */
	else if (unlikely(e->panic == PANIC_ISLAND) &&
		 l->flags & (LAYER_L4 | LAYER_FRAGMENT | LAYER_IP))
		engine_drop(p, DROP_PANIC_ISLAND);
	else if (likely((l->flags & LAYER_L4) != 0)) {
		struct flow_key key;

		flow_key_make(&e->flows, l, &key);
		if (l->proto == NET_PROTO_TCP)
			tcp_packet(e, p, l, &key, candidate_of(e, k));
		else
			engine_udp(e, p, l, &key, candidate_of(e, k));
	} else if (l->flags & LAYER_FRAGMENT)
		engine_fragment(e, p, l);
	else if (l->flags & LAYER_IP)
		engine_other_ip(e, p, l);
	else
		engine_l2(e, p, l);
	if (unlikely(e->panic == PANIC_OPEN && p->fate == FATE_DROP))
		panic_pass(e, p);
	if (unlikely(p->fate != FATE_FORWARD))
		account(e, p);
	e->st.would_drop += e->sink.would_drop;
}

void
engine_burst(struct engine *e, struct pkt *burst, unsigned n)
{
	struct layers l[PKT_BURST];
	struct look k[PKT_BURST] __attribute__((aligned(64)));
	uint64_t w[PKT_BURST][DIS_GIST_WORDS]; /* of requests that may be known */
	uint64_t now = e->now_ns, bytes = 0, last = 0;
	bool quick, guard = e->inline_mode;

	if (n == 0)
		return;
	if (n > PKT_BURST)
		n = PKT_BURST;
	e->scratch_used = 0;
	e->call.gist_moved = false;
	e->quick_on = quick_may(e);
	e->quick.look = e->quick_on && quick_begin(&e->quick);
	look_at(e, burst, l, k, w, n);
	if (burst[n - 1].ts_ns > now || engine_put_back(e, burst[n - 1].ts_ns))
		now = burst[n - 1].ts_ns;
	if (now >> FLOW_TICK_SHIFT != e->now_ns >> FLOW_TICK_SHIFT)
		engine_tick(e, now);
	e->now_ns = now;
	e->st.received += n;
	e->st.forwarded += n;
	for (unsigned i = 0; i < n; i++) {
		bytes += burst[i].wirelen;
		last = burst[i].ts_ns > last ? burst[i].ts_ns : last;
	}
	quick = e->quick_on && (!e->packet_clock || !clock_moves(e, last));
	e->note = NULL;
	for (unsigned i = 0, known; i < n; i++) {
		if (likely(quick)) {
			known = guard ? known_in_guard(e, burst + i, k + i, l + i, w + i, n - i)
				      : known_in_watch(e, burst + i, k + i, l + i, w + i, n - i);
			for (; unlikely(e->conf.on_packet != NULL) && known > 0; i++, known--)
				show_packet(e, &burst[i], &l[i], &k[i]);
			if ((i += known) == n)
				break;
		}
		any_packet(e, &burst[i], &l[i], &k[i]);
		if (e->conf.on_packet)
			show_packet(e, &burst[i], &l[i], &k[i]);
		e->note = NULL;
	}
	e->st.bytes += bytes;
	e->sink.frame = burst[n - 1].frame; /* of what timers have to tell */
	e->sink.ts_ns = burst[n - 1].ts_ns;
	if (unlikely(e->path != NULL))
		path_burst_end(e);
}
