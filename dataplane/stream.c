/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - TCP order for one direction: what is old is compared, what is
 * early waits, the rest is in order (RFC 9293 3.10.7.4).
 *
 *            acked          nxt
 *   ...-------+--------------+--------------------+-------...
 *    gone     |  retained    |  in order: judge   |  ahead of a hole: hold
 *
 * First data wins.  Bytes that were judged stay in retain cells until the peer
 * acknowledges them; a retransmission that differs is an attempt to show the
 * guard one thing and the device another.  Segments ahead of a hole wait in
 * cells by sequence number.  A hole that is never filled becomes a loss in
 * watch (the receiver has the bytes, we do not) and a drop in guard (the
 * sender will send again).
 */
#include <string.h>

#include "dataplane/repair.h"

#define RETAIN_FEW 8u /* cells as small as the segments; then large ones, which fill up */

/* What a held segment needs to be judged, and inline to leave, later. */
struct held {
	uint64_t ts_ns, frame;
	uint32_t frame_len, wirelen;
	uint32_t pay_off; /* of the payload in the bytes kept */
	uint8_t link, port;
	uint8_t pad[2];
	uint32_t tick; /* of the engine's timers: a clock that is put back does not move it */
};

/* --- judged and not yet acknowledged -------------------------------------------- */

static void
retain_drop_first(struct engine *e, struct tcp_dir *d)
{
	struct cell *last = cell_at(&e->cells, d->retain);
	cell_id first = last->next;

	if (first == d->retain)
		d->retain = CELL_NONE;
	else
		last->next = cell_at(&e->cells, first)->next;
	cell_put(&e->cells, first);
	d->n_retain--;
}

static void
retain_clear(struct engine *e, struct tcp_dir *d)
{
	while (d->retain != CELL_NONE)
		retain_drop_first(e, d);
}

void
stream_retain(struct engine *e, struct tcp_dir *d, uint32_t seq, const uint8_t *p, uint32_t len)
{
	while (len > 0) {
		struct cell *last = d->retain ? cell_at(&e->cells, d->retain) : NULL;
		uint32_t room = last ? cell_room(d->retain) - last->len : 0;
		uint32_t n;

		if (room == 0 || last->seq + last->len != seq) {
			const uint32_t most = CELL_M_SIZE - (uint32_t)sizeof(struct cell);
			uint32_t want = len < most && d->n_retain < RETAIN_FEW ? len : most;
			cell_id id;
			struct cell *c;

			if (d->n_retain >= RETAIN_MAX)
				retain_drop_first(e, d);
			if ((id = cell_get(&e->cells, want)) == CELL_NONE) {
				e->st.pool_full++; /* cannot be compared later */
				return;
			}
			c = cell_at(&e->cells, id);
			c->seq = seq;
			if (d->retain) {
				last = cell_at(&e->cells, d->retain);
				c->next = last->next;
				last->next = id;
			} else {
				c->next = id;
			}
			d->retain = id;
			d->n_retain++;
			last = c;
			room = cell_room(id);
		}
		n = len < room ? len : room;
		memcpy(last->data + last->len, p, n);
		last->len += n;
		seq += n;
		p += n;
		len -= n;
	}
}

/*
 * Inline a byte may pass only if it can be compared until it is acknowledged:
 * else its retransmission could say something else.  The sender tries again.
 */
static bool
retain_fits(const struct engine *e, const struct tcp_dir *d, uint32_t seq, uint32_t len)
{
	const struct cells *c = &e->cells;
	const uint32_t most = CELL_M_SIZE - (uint32_t)sizeof(struct cell);
	uint32_t need, left = c->n[CELL_M] - c->used[CELL_M] + c->n[CELL_L] - c->used[CELL_L];

	if (d->retain) {
		const struct cell *last = cell_at(&e->cells, d->retain);
		uint32_t room = last->seq + last->len == seq ? cell_room(d->retain) - last->len : 0;

		len -= room < len ? room : len;
	}
	if (d->n_retain < RETAIN_FEW && len <= CELL_P_SIZE - sizeof(struct cell))
		left += c->n[CELL_P] - c->used[CELL_P];
	if (d->n_retain < RETAIN_FEW && len <= CELL_S_SIZE - sizeof(struct cell))
		left += c->n[CELL_S] - c->used[CELL_S];
	need = (len + most - 1) / most;
	return d->n_retain + need <= RETAIN_MAX && need <= left;
}

/* What the peer has acknowledged is not remembered any more, where that is all of a cell. */
static void
retain_acked(struct engine *e, struct tcp_dir *d)
{
	while (d->retain != CELL_NONE) {
		const struct cell *c = cell_at(&e->cells, cell_at(&e->cells, d->retain)->next);

		if (seq_diff(c->seq + c->len, d->acked) > 0)
			break;
		retain_drop_first(e, d);
	}
}

/* The next bytes: judge them and remember what passed. */
static uint32_t
next_bytes(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, const uint8_t *p,
    uint32_t len, enum drop_reason *why)
{
	struct tcp_dir *d = &f->dir[dir];
	uint32_t passed;
	bool denied;

	if (__builtin_expect(e->inline_mode, 0) && !retain_fits(e, d, seq, len)) {
		e->st.pool_full++;
		e->note = "no room to remember it";
		(void)judge_condition(e, COND_OVERLOAD, "retain_full", FACT_A_OVERLOAD, NULL);
		*why = DROP_TCP_POOL_FULL;
		return 0;
	}
	e->at = seq;
	passed = feed_bytes(e, f, dir, p, len, why);
	d = &f->dir[e->sink.dir]; /* the flow may have been turned round */
	stream_retain(e, d, seq, p, passed);
	if (__builtin_expect(e->inline_mode, 0) && guard_of(e, f)->repair != CELL_NONE)
		retain_acked(e, d); /* what was refused has arrived, in a way: repair_take_out() */
	d->nxt += passed;
	/* Where no boundary is known yet nothing was denied: the next try may begin at one. */
	denied = passed < len && !(d->flags & DIR_DESYNC);
	if (denied)
		d->flags |= DIR_BLOCKED;
	if (__builtin_expect(e->inline_mode, 0))
		part_advance(e, f, e->sink.dir, seq, denied);
	return passed;
}

/* False when some retained byte of [seq, seq + len) differs from p. */
static bool
retain_same(const struct engine *e, const struct tcp_dir *d, uint32_t seq, const uint8_t *p,
    uint32_t len)
{
	cell_id id = d->retain;

	if (id == CELL_NONE)
		return true;
	do {
		const struct cell *c;
		int32_t from, to;

		id = cell_at(&e->cells, id)->next;
		c = cell_at(&e->cells, id);
		from = seq_diff(c->seq, seq);
		to = from + (int32_t)c->len;
		if (from < (int32_t)len && to > 0) {
			uint32_t a = from > 0 ? (uint32_t)from : 0;
			uint32_t b = (uint32_t)to < len ? (uint32_t)to : len;

			if (memcmp(p + a, c->data + ((int32_t)a - from), b - a) != 0)
				return false;
		}
	} while (id != d->retain);
	return true;
}

void
stream_forget(struct engine *e, struct tcp_dir *d, uint32_t from)
{
	cell_id id = d->retain, last = CELL_NONE, first;

	d->nxt = from;
	if (id == CELL_NONE)
		return;
	first = cell_at(&e->cells, id)->next;
	cell_at(&e->cells, id)->next = CELL_NONE; /* no ring for a moment */
	d->retain = CELL_NONE;
	d->n_retain = 0;
	for (id = first; id != CELL_NONE;) {
		struct cell *c = cell_at(&e->cells, id);
		cell_id next = c->next;

		if (seq_diff(c->seq, from) >= 0) {
			cell_put(&e->cells, id);
		} else {
			if (seq_diff(c->seq + c->len, from) > 0)
				c->len = from - c->seq;
			last = id;
			d->n_retain++;
		}
		id = next;
	}
	if (last != CELL_NONE) {
		cell_at(&e->cells, last)->next = first;
		d->retain = last;
	}
}

uint32_t
stream_copy(const struct engine *e, const struct tcp_dir *d, uint32_t seq, uint8_t *to, uint32_t n)
{
	cell_id id = d->retain;
	uint32_t done = 0;

	if (id == CELL_NONE)
		return 0;
	do {
		const struct cell *c;
		uint32_t at, some;

		id = cell_at(&e->cells, id)->next;
		c = cell_at(&e->cells, id);
		at = seq + done - c->seq;
		if (at >= c->len)
			continue;
		some = c->len - at < n - done ? c->len - at : n - done;
		memcpy(to + done, c->data + at, some);
		done += some;
	} while (done < n && id != d->retain);
	return done;
}

void
stream_acked(struct engine *e, struct flow *f, unsigned dir, uint32_t ack)
{
	struct tcp_dir *d = &f->dir[dir];
	struct repair *r;

	if (seq_diff(ack, d->acked) <= 0)
		return;
	if (e->inline_mode) {
		if (d->flags & DIR_FIN && ack == d->nxt + 1)
			ack = d->nxt; /* and the FIN */
		if (seq_diff(ack, guard_of(e, f)->sent[dir]) > 0 || ack == d->acked)
			return; /* acknowledges what never passed: not to be believed */
		if ((r = repair_of(e, f)) != NULL) {
			if (seq_diff(ack, r->gacked[dir]) >= 0)
				guard_of(e, f)->flags &= (uint8_t) ~(GUARD_ACKED << dir);
			repair_progress(e, f);
		}
	}
	d->acked = ack;
	retain_acked(e, d);
	if (__builtin_expect(e->path != NULL, 0) && guard_of(e, f)->unseen != CELL_NONE)
		path_release(e, f);
	/* The receiver has what lies behind the hole: so it has the hole, and we
	 * shall not see it. */
	if (tcp_rare(d)->ooo != CELL_NONE && !e->inline_mode) {
		const struct cell *c = cell_at(&e->cells, tcp_rare(d)->ooo);

		if (seq_diff(ack, c->seq + c->total) >= 0)
			stream_expire(e, f, false);
	}
}

/* --- ahead of a hole ----------------------------------------------------------- */

static uint8_t *
held_bytes(struct cell *c)
{
	return c->data + sizeof(struct held);
}

/* Same place and length: equal bytes? */
static bool
held_same(struct cell *c, const struct seg *s)
{
	struct held h;

	memcpy(&h, c->data, sizeof(h));
	return memcmp(held_bytes(c) + h.pay_off, s->p, s->len) == 0;
}

static struct seg_result
overlap(struct engine *e, uint32_t len)
{
	e->st.overlap_differs++;
	e->note = "differs from what was seen before";
	if (judge_condition(e, COND_OVERLAP_DIFFERS, "overlap_differs", FACT_A_OVERLAP, NULL) >=
		VERDICT_REJECT && e->inline_mode)
		return (struct seg_result){0, 0, FATE_DROP, DROP_TCP_OVERLAP};
	/* Inline the first data wins whatever the policy says. */
	if (e->inline_mode)
		return (struct seg_result){0, 0, FATE_DROP, DROP_TCP_OVERLAP};
	return (struct seg_result){len, 0, FATE_FORWARD, 0};
}

/* Frames ahead of a hole may not take what bytes in order need to pass. */
static bool
cells_scarce(const struct cells *c)
{
	return c->used[CELL_M] > c->n[CELL_M] / 4 * 3;
}

static struct seg_result
hold(struct engine *e, struct flow *f, unsigned dir, const struct seg *s)
{
	struct tcp_dir *d = &f->dir[dir];
	uint32_t bytes = e->inline_mode ? s->pkt->caplen : s->len;
	struct held h = {
	    .ts_ns = e->sink.ts_ns,
	    .tick = e->flows.now_tick,
	    .frame = e->sink.frame,
	    .frame_len = bytes,
	    .wirelen = s->pkt->wirelen,
	    .pay_off = e->inline_mode ? s->l->pay_off : 0,
	    .link = s->pkt->link,
	    .port = s->pkt->port,
	};
	cell_id *at = &tcp_rare(d)->ooo, id;
	struct cell *c;

	e->st.out_of_order++;
	while (*at != CELL_NONE) {
		c = cell_at(&e->cells, *at);
		if (c->seq == s->seq && c->total == s->len) {
			if (!held_same(c, s))
				return overlap(e, s->len);
			e->note = "duplicate of a held segment";
			return e->inline_mode ? (struct seg_result){0, 0, FATE_CONSUMED, 0}
					      : (struct seg_result){s->len, 0, FATE_FORWARD, 0};
		}
		if (seq_diff(c->seq, s->seq) > 0)
			break;
		at = &c->next;
	}
	if (tcp_rare(d)->n_ooo >= OOO_MAX || (e->inline_mode && cells_scarce(&e->cells)) ||
	    (id = cell_get(&e->cells, bytes + (uint32_t)sizeof(h))) == CELL_NONE) {
		e->st.pool_full++;
		e->note = "no room to hold it";
		if (e->inline_mode) {
			(void)judge_condition(e, COND_OVERLOAD, "pool_full", FACT_A_OVERLOAD, NULL);
			return (struct seg_result){0, 0, FATE_DROP, DROP_TCP_POOL_FULL};
		}
		if (tcp_rare(d)->n_ooo > 0) { /* make room: the hole is a loss now */
			stream_expire(e, f, false);
			return stream_segment(e, f, e->sink.dir, s);
		}
		(void)judge_condition(e, COND_OVERLOAD, "pool_full", FACT_A_OVERLOAD, NULL);
		d->nxt = s->seq + s->len;
		feed_gap(e, f, dir, s->len);
		return (struct seg_result){s->len, 0, FATE_FORWARD, 0};
	}
	c = cell_at(&e->cells, id);
	c->seq = s->seq;
	c->len = bytes + (uint32_t)sizeof(h);
	c->total = s->len;
	memcpy(c->data, &h, sizeof(h));
	memcpy(held_bytes(c), e->inline_mode ? s->pkt->bytes : s->p, bytes);
	c->next = *at;
	*at = id;
	if (tcp_rare(d)->n_ooo++ == 0)
		engine_wake(e, f, e->inline_mode ? HELD_TICKS : HOLE_TICKS);
	e->note = "ahead of a hole: waits";
	return (struct seg_result){s->len, 0, e->inline_mode ? FATE_HELD : FATE_FORWARD, 0};
}

/* --- one segment ----------------------------------------------------------------- */

/*
 * What becomes of a segment at seq whose first `passed` bytes may go, as soon as the PDUs
 * that they are of are whole; skip of them are not needed any more.
 */
static struct seg_result
as_far_as_sent(struct engine *e, struct flow *f, uint32_t seq, uint32_t len, uint32_t passed,
    uint32_t skip, bool fresh, enum drop_reason why)
{
	unsigned dir = e->sink.dir;
	uint8_t fate = passed < len ? FATE_DROP : FATE_FORWARD;
	int32_t n = e->inline_mode ? seq_diff(guard_of(e, f)->sent[dir], seq) : 0;

	if (!e->inline_mode || n >= (int32_t)passed)
		return (struct seg_result){passed, skip, fate, (uint8_t)why};
	if (n < (int32_t)skip)
		n = (int32_t)skip;
	if (fate == FATE_DROP)
		return (struct seg_result){(uint32_t)n, skip, fate, (uint8_t)why};
	part_hold(e, f, dir, fresh, n == (int32_t)skip);
	if (n > (int32_t)skip)
		return (struct seg_result){(uint32_t)n, skip, FATE_FORWARD, 0};
	return (struct seg_result){0, 0, fresh ? FATE_HELD : FATE_CONSUMED, 0};
}

/* A segment without early bytes. */
static struct seg_result
old_or_next(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, const uint8_t *p,
    uint32_t len)
{
	struct tcp_dir *d = &f->dir[dir];
	uint32_t old = (uint32_t)seq_diff(d->nxt, seq), skip = 0;
	enum drop_reason why = DROP_NONE;
	uint32_t passed;

	if (old > len)
		old = len;
	if (old > 0) {
		bool gone = seq_diff(seq + len, d->acked) <= 0;

		e->st.retransmitted++;
		e->note = "retransmission";
		if (gone && len > 1 && repair_of(e, f)) {
			inject_ack(
			    e, f, dir ^ 1); /* perhaps bytes that only we have acknowledged */
			return (struct seg_result){0, 0, FATE_CONSUMED, 0};
		}
		if (gone && e->inline_mode) /* a keep-alive: goes on, without its bytes */
			return (struct seg_result){0, 0, FATE_FORWARD, 0};
		if (e->inline_mode && seq_diff(d->acked, seq) > 0)
			skip = (uint32_t)seq_diff(d->acked, seq); /* cannot be compared any more */
		if (!gone && !retain_same(e, d, seq, p, old)) {
			struct seg_result r = overlap(e, len);

			if (r.fate != FATE_FORWARD || old == len)
				return r;
		}
		if (__builtin_expect(e->path != NULL, 0) && guard_of(e, f)->unseen != CELL_NONE &&
		    !gone) {
			bool differs = false;
			uint32_t same = path_same(e, f, dir, seq, p, old, &differs);

			if (differs)
				return overlap(e, len);
			if (same < old) { /* as far as it can be compared, or its header alone */
				e->note = "cut otherwise than when the kernel judged it";
				if (same <= skip)
					return (struct seg_result){0, 0, FATE_FORWARD, 0};
				return (struct seg_result){same, skip, FATE_DROP, DROP_TCP_OVERLAP};
			}
		}
		if (old == len)
			return as_far_as_sent(e, f, seq, len, len, skip, false, DROP_NONE);
	}
	if (d->flags & DIR_BLOCKED) {
		e->note = "behind a denied PDU";
		return (struct seg_result){old, skip, FATE_DROP, DROP_TCP_BLOCKED};
	}
	passed = next_bytes(e, f, dir, seq + old, p + old, len - old, &why);
	return as_far_as_sent(e, f, seq, len, old + passed, skip, true, why);
}

/* Held segments that are in order now. */
static void
drain(struct engine *e, struct flow *f)
{
	struct dis_sink *s = &e->sink;
	uint64_t frame = s->frame, ts = s->ts_ns;
	const struct layers *l = s->l;

	for (;;) {
		struct tcp_dir *d = &f->dir[s->dir];
		cell_id id = tcp_rare(d)->ooo;
		struct cell *c;
		struct seg_result r;
		struct held h;

		if (id == CELL_NONE || seq_diff(cell_at(&e->cells, id)->seq, d->nxt) > 0)
			break;
		c = cell_at(&e->cells, id);
		memcpy(&h, c->data, sizeof(h));
		tcp_rare(d)->ooo = c->next;
		tcp_rare(d)->n_ooo--;
		s->frame = h.frame;
		s->ts_ns = h.ts_ns;
		s->l = NULL;
		s->tuple_ok = false;
		r = old_or_next(e, f, s->dir, c->seq, held_bytes(c) + h.pay_off, c->total);
		if (e->inline_mode) {
			struct pkt p = {
			    .bytes = held_bytes(c),
			    .ts_ns = h.ts_ns,
			    .frame = h.frame,
			    .caplen = h.frame_len,
			    .wirelen = h.wirelen,
			    .link = h.link,
			    .port = h.port,
			};
			const struct repair *rep = repair_of(e, f);
			struct layers hl;

			if (decode(&p, &hl) == DROP_NONE) {
				/* From before a refusal the number means something else; later
				 * frames have acknowledged more. */
				if (rep)
					hl.ack = repair_in(rep, s->dir ^ 1, hl.ack);
				if (rep && seq_diff(f->dir[s->dir ^ 1].acked, hl.ack) > 0)
					hl.ack = f->dir[s->dir ^ 1].acked;
				engine_release(e, &p, &hl, &r);
			}
		}
		cell_put(&e->cells, id);
	}
	s->frame = frame;
	s->ts_ns = ts;
	s->l = l;
	s->tuple_ok = false;
}

struct seg_result
stream_segment(struct engine *e, struct flow *f, unsigned dir, const struct seg *s)
{
	struct tcp_dir *d = &f->dir[dir];
	struct seg_result r;
	enum drop_reason why = DROP_NONE;

	if (__builtin_expect(!(d->flags & DIR_SEEN), 0)) {
		d->flags |= DIR_SEEN;
		d->nxt = d->acked = s->seq;
		flow_sent(&e->flows, f, dir);
		if (f->flags & FLOW_MIDSTREAM)
			d->flags |= DIR_DESYNC | DIR_A_MIDSTREAM;
	}
	/* The usual one: exactly the next bytes, nothing waits, nothing is blocked. */
	if (__builtin_expect(
		s->seq == d->nxt && tcp_rare(d)->ooo == CELL_NONE && !(d->flags & DIR_BLOCKED),
		1)) {
		uint32_t passed = next_bytes(e, f, dir, s->seq, s->p, s->len, &why);

		return as_far_as_sent(e, f, s->seq, s->len, passed, 0, true, why);
	}
	if (seq_diff(s->seq, d->nxt) > 0) {
		if (d->flags & DIR_BLOCKED) {
			e->note = "behind a denied PDU";
			return (struct seg_result){0, 0, FATE_DROP, DROP_TCP_BLOCKED};
		}
		return hold(e, f, dir, s);
	}
	r = old_or_next(e, f, dir, s->seq, s->p, s->len);
	if (tcp_rare(&f->dir[e->sink.dir])->ooo != CELL_NONE) {
		const char *note = e->note;

		drain(e, f);
		e->note = note;
	}
	return r;
}

/* A held frame that will never be judged. */
static void
give_up(struct engine *e, struct tcp_dir *d, enum drop_reason why)
{
	cell_id id = tcp_rare(d)->ooo;

	tcp_rare(d)->ooo = cell_at(&e->cells, id)->next;
	tcp_rare(d)->n_ooo--;
	cell_put(&e->cells, id);
	if (e->inline_mode) {
		e->st.held--;
		e->st.dropped[why]++;
	}
}

uint32_t
stream_timer(struct engine *e, struct flow *f)
{
	uint32_t again = 0;

	for (unsigned dir = 0; dir < 2; dir++) {
		struct tcp_dir *d = &f->dir[dir];
		uint32_t age = 0;

		for (cell_id id = tcp_rare(d)->ooo; id != CELL_NONE;
		     id = cell_at(&e->cells, id)->next) {
			struct held h;

			memcpy(&h, cell_at(&e->cells, id)->data, sizeof(h));
			if (e->flows.now_tick - h.tick > age)
				age = e->flows.now_tick - h.tick;
		}
		if (tcp_rare(d)->ooo == CELL_NONE)
			continue;
		if (age < HELD_TICKS)
			again = HELD_TICKS - age;
		while (age >= HELD_TICKS && tcp_rare(d)->ooo != CELL_NONE)
			give_up(e, d, DROP_TCP_HOLE_TIMEOUT);
	}
	return again;
}

void
stream_expire(struct engine *e, struct flow *f, bool end)
{
	struct dis_sink *s = &e->sink;
	struct dis_sink saved = *s;
	uint8_t client = f->flags & FLOW_CLIENT_LO;

	for (unsigned dir = 0; dir < 2; dir++) {
		while (tcp_rare(&f->dir[dir])->ooo != CELL_NONE) {
			struct tcp_dir *d = &f->dir[dir];
			uint32_t seq = cell_at(&e->cells, tcp_rare(d)->ooo)->seq;

			if (e->inline_mode) {
				give_up(e, d, end ? DROP_END_OF_INPUT : DROP_TCP_HOLE_TIMEOUT);
				continue;
			}
			s->fl = f;
			s->dir = (uint8_t)dir;
			s->tuple_ok = false;
			s->l = NULL;
			feed_gap(e, f, dir, seq - d->nxt);
			retain_clear(e, d);
			d->nxt = seq;
			drain(e, f);
		}
	}
	saved.would_drop = s->would_drop;
	*s = saved;
	s->tuple_ok = false;
	if (s->fl == f && (f->flags & FLOW_CLIENT_LO) != client)
		s->dir ^= 1; /* what was held has turned the flow round */
}

void
stream_release(struct engine *e, struct flow *f)
{
	for (unsigned dir = 0; dir < 2; dir++) {
		struct tcp_dir *d = &f->dir[dir];

		while (tcp_rare(d)->ooo != CELL_NONE)
			give_up(e, d, DROP_END_OF_INPUT);
		if (e->inline_mode)
			part_give_up(e, f, dir, DROP_END_OF_INPUT);
		retain_clear(e, d);
	}
	if (!e->inline_mode)
		return;
	if (guard_of(e, f)->unseen != CELL_NONE) {
		cell_put(&e->cells, guard_of(e, f)->unseen);
		guard_of(e, f)->unseen = CELL_NONE;
	}
	repair_release(e, f);
}
