/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repair.c - the numbers of a connection from which a guard took bytes out, or into which it
 * put some; see repair.h for the picture.
 *
 * Every frame of such a connection leaves with the numbers that its receiver counts:
 * sequence number, acknowledgement, window (the right edge is kept, RFC 9293 3.8.6),
 * SACK blocks (RFC 2018, RFC 2883).  Timestamps stay as they are: nothing is shifted there, and
 * frames of ours repeat the newest value of the side that they speak for.
 * Bytes taken out are left out of every segment that repeats them; a segment that
 * runs across bytes put in leaves in two.
 */
#include <string.h>

#include "dataplane/repair.h"

enum { OPT_END = 0, OPT_NOP = 1, OPT_SACK = 5 };

/* --- the flow's cell ------------------------------------------------------------------ */

struct repair *
repair_get(struct engine *e, struct flow *f)
{
	struct repair *r = repair_of(e, f);
	cell_id id;

	if (r)
		return r;
	if ((id = cell_get(&e->cells, sizeof(*r))) == CELL_NONE) {
		e->st.pool_full++;
		return NULL;
	}
	r = (struct repair *)(void *)cell_at(&e->cells, id)->data;
	memset(r, 0, sizeof(*r));
	for (unsigned dir = 0; dir < 2; dir++)
		r->raw[dir] = r->told[dir] = r->edge[dir] = f->dir[dir ^ 1].acked;
	guard_of(e, f)->repair = id;
	if (e->at_hand) {
		(void)tmpl_make(&r->tmpl[e->at_hand_dir], e->at_hand, e->at_hand_l, false);
		(void)tmpl_make(&r->tmpl[e->at_hand_dir ^ 1], e->at_hand, e->at_hand_l, true);
	}
	return r;
}

static void
patches_drop_first(struct engine *e, struct repair *r, unsigned dir)
{
	struct cell *last = cell_at(&e->cells, r->patches[dir]);
	cell_id first = last->next;

	if (first == r->patches[dir])
		r->patches[dir] = CELL_NONE;
	else
		last->next = cell_at(&e->cells, first)->next;
	cell_put(&e->cells, first);
}

void
repair_release(struct engine *e, struct flow *f)
{
	struct repair *r = repair_of(e, f);

	if (!r)
		return;
	for (unsigned dir = 0; dir < 2; dir++) {
		for (unsigned i = 0; i < r->n[dir]; i++)
			if (r->edit[dir][i].bytes != CELL_NONE)
				cell_put(&e->cells, r->edit[dir][i].bytes);
		while (r->patches[dir] != CELL_NONE)
			patches_drop_first(e, r, dir);
	}
	cell_put(&e->cells, guard_of(e, f)->repair);
	guard_of(e, f)->repair = CELL_NONE;
}

/* --- numbers --------------------------------------------------------------------------- */

uint32_t
repair_out(const struct repair *r, unsigned dir, uint32_t seq)
{
	const struct edit *ed = r->edit[dir];
	uint32_t out = dir == DIR_TO_SERVER ? seq - r->shift[dir] : seq + r->shift[dir];

	for (unsigned i = 0; i < r->n[dir]; i++, ed++) {
		int32_t behind = seq_diff(seq, ed->at);

		if (dir == DIR_TO_SERVER) {
			if (behind > 0)
				out -= (uint32_t)behind < ed->n ? (uint32_t)behind : ed->n;
		} else if (ed->state != EDIT_WAITS && behind >= 0) {
			out += ed->n;
		}
	}
	return out;
}

uint32_t
repair_in(const struct repair *r, unsigned dir, uint32_t ack)
{
	const struct edit *ed = r->edit[dir];
	uint32_t in = dir == DIR_TO_SERVER ? ack + r->shift[dir] : ack - r->shift[dir];

	for (unsigned i = 0; i < r->n[dir]; i++, ed++) {
		int32_t behind = seq_diff(in, ed->at);

		if (dir == DIR_TO_SERVER) {
			if (behind < 0)
				break;
			in += ed->n;
		} else if (ed->state != EDIT_WAITS) {
			if (behind <= 0)
				break;
			in -= (uint32_t)behind < ed->n ? (uint32_t)behind : ed->n;
		}
	}
	return in;
}

void
repair_acked(struct engine *e, struct flow *f, unsigned dir, uint32_t ack)
{
	struct repair *r = repair_of(e, f);
	uint32_t acked = f->dir[dir].acked;

	while (r->n[dir] > 0) {
		struct edit *ed = &r->edit[dir][0];

		if (dir == DIR_TO_SERVER ? seq_diff(ack, ed->at - r->shift[dir]) < 0
					 : ed->state != EDIT_SENT ||
					       seq_diff(ack, ed->at + r->shift[dir] + ed->n) < 0)
			break;
		r->shift[dir] += ed->n;
		if (ed->bytes != CELL_NONE)
			cell_put(&e->cells, ed->bytes);
		r->n[dir]--;
		repair_progress(e, f);
		memmove(ed, ed + 1, r->n[dir] * sizeof(*ed));
	}
	while (r->patches[dir] != CELL_NONE) {
		const struct cell *c =
		    cell_at(&e->cells, cell_at(&e->cells, r->patches[dir])->next);
		const struct patch *last =
		    (const struct patch *)(const void *)c->data + c->total - 1;

		if (seq_diff(last->seq + last->len, acked) > 0)
			break;
		patches_drop_first(e, r, dir);
	}
}

void
repair_take_out(struct engine *e, struct flow *f, uint32_t at, uint32_t n)
{
	struct repair *r = repair_of(e, f);
	struct tcp_dir *d = &f->dir[DIR_TO_SERVER];

	if (r->n[DIR_TO_SERVER] > 0) {
		struct edit *last = &r->edit[DIR_TO_SERVER][r->n[DIR_TO_SERVER] - 1];

		if (last->at + last->n == at) { /* two in a row are one */
			last->n += n;
			return;
		}
	}
	r->edit[DIR_TO_SERVER][r->n[DIR_TO_SERVER]++] =
	    (struct edit){.at = at, .n = n, .state = EDIT_SENT, .since = e->flows.now_tick};
	/* All in front of them has arrived: then they have, for the client. */
	if (d->acked == at) {
		d->acked = at + n;
		repair_acked(e, f, DIR_TO_SERVER, at - r->shift[DIR_TO_SERVER]);
	}
}

uint32_t
repair_run(const struct repair *r, unsigned dir, uint32_t seq, uint32_t end, uint32_t *n)
{
	for (unsigned i = 0; r && dir == DIR_TO_SERVER && i < r->n[dir]; i++) {
		const struct edit *ed = &r->edit[dir][i];

		if (seq_diff(ed->at, seq) > 0) {
			if (seq_diff(end, ed->at) > 0)
				end = ed->at;
			break;
		}
		if (seq_diff(ed->at + ed->n, seq) > 0)
			seq = ed->at + ed->n;
	}
	*n = seq_diff(end, seq) > 0 ? end - seq : 0;
	return seq;
}

/* --- bytes that leave with other values --------------------------------------------------- */

bool
repair_patch_add(struct engine *e, struct repair *r, unsigned dir, const struct patch *patch)
{
	struct cell *c = r->patches[dir] ? cell_at(&e->cells, r->patches[dir]) : NULL;

	if (!c || (c->total + 1) * sizeof(*patch) > cell_room(r->patches[dir])) {
		cell_id id = cell_get(&e->cells, CELL_P_SIZE - sizeof(struct cell));

		if (id == CELL_NONE) {
			e->st.pool_full++;
			return false;
		}
		c = cell_at(&e->cells, id);
		c->next = id;
		c->total = 0;
		if (r->patches[dir]) {
			struct cell *last = cell_at(&e->cells, r->patches[dir]);

			c->next = last->next;
			last->next = id;
		}
		r->patches[dir] = id;
	}
	((struct patch *)(void *)c->data)[c->total++] = *patch;
	return true;
}

bool
repair_renumber(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, struct cur pdu)
{
	const struct dissector *ds = dissectors[f->dis];
	struct repair *r = repair_of(e, f);
	struct dis_patch want[DIS_PATCHES];
	unsigned n = ds->renumber(&e->call, pdu, want);

	for (unsigned i = 0; i < n && i < DIS_PATCHES; i++) {
		struct patch p = {.seq = seq + want[i].off, .len = want[i].len};

		if (p.len == 0 || p.len > sizeof(p.bytes))
			continue;
		memcpy(p.bytes, want[i].bytes, p.len);
		if (!repair_patch_add(e, r, dir, &p))
			return false;
	}
	return true;
}

void
repair_patch(const struct engine *e, const struct repair *r, unsigned dir, uint32_t seq, uint8_t *p,
    uint32_t n)
{
	cell_id id = r ? r->patches[dir] : CELL_NONE;

	if (id == CELL_NONE)
		return;
	do {
		const struct cell *c;
		const struct patch *pa;

		id = cell_at(&e->cells, id)->next;
		c = cell_at(&e->cells, id);
		pa = (const struct patch *)(const void *)c->data;
		for (uint32_t i = 0; i < c->total; i++, pa++)
			for (uint32_t k = 0; k < pa->len; k++) {
				uint32_t at = pa->seq + k - seq;

				if (at < n)
					p[at] = pa->bytes[k];
			}
	} while (id != r->patches[dir]);
}

/* --- acknowledgements ------------------------------------------------------------------------ */

/*
 * In frames of direction dir: *ack is in, raw is out, *win as the header has it.  What we
 * have acknowledged ourselves stays so; the right edge of the window stays
 * where the receiver put it, less what it will find there of ours.
 */
void
repair_ack(const struct engine *e, const struct flow *f, unsigned dir, uint32_t raw, uint32_t *ack,
    uint32_t *win)
{
	const struct repair *r = repair_of(e, f);
	const struct flow_guard *g = guard_of(e, f);
	uint32_t offered, edge;
	uint8_t scale = tcp_rare(&f->dir[dir])->wscale;

	if (!r)
		return;
	if (g->flags & GUARD_ACKED << (dir ^ 1) && seq_diff(*ack, f->dir[dir ^ 1].acked) >= 0 &&
	    seq_diff(r->gacked[dir ^ 1], *ack) > 0)
		*ack = r->gacked[dir ^ 1];
	if (f->flags & FLOW_MIDSTREAM)
		return; /* the scale is not known */
	offered = *win << scale;
	edge = repair_in(r, dir ^ 1, raw + offered) - *ack;
	if (edge == offered)
		return;
	if ((int32_t)edge < 0)
		edge = 0;
	*win = edge >> scale > UINT16_MAX ? UINT16_MAX : edge >> scale;
}

/*
 * SACK blocks of a frame in direction dir, in its header's copy.  A block that has become
 * empty (it spoke of bytes of ours), or begins at the acknowledgement (what is missing in
 * front of it is ours to repeat), goes.
 */
static void
sacks(
    const struct repair *r, unsigned dir, uint8_t *tcp, uint32_t n_head, uint32_t raw, uint32_t ack)
{
	for (uint32_t at = 20; at + 1 < n_head && tcp[at] != OPT_END;) {
		uint32_t n = tcp[at] == OPT_NOP ? 1 : tcp[at + 1], kept = 2;

		if (n == 0 || n > n_head - at || (n < 2 && tcp[at] != OPT_NOP))
			return;
		if (tcp[at] != OPT_SACK) {
			at += n;
			continue;
		}
		for (uint32_t k = 2; k + 8 <= n; k += 8) {
			uint32_t left = get_be32(tcp + at + k), right = get_be32(tcp + at + k + 4);
			uint32_t l = repair_in(r, dir ^ 1, left), t = repair_in(r, dir ^ 1, right);

			if (seq_diff(t, l) <= 0 ||
			    (seq_diff(l, ack) <= 0 && seq_diff(left, raw) > 0))
				continue;
			put_be32(tcp + at + kept, l);
			put_be32(tcp + at + kept + 4, t);
			kept += 8;
		}
		if (kept == 2)
			kept = 0;
		else
			tcp[at + 1] = (uint8_t)kept;
		memset(tcp + at + kept, OPT_NOP, n - kept);
		at += n;
	}
}

/* --- frames that leave ------------------------------------------------------------------------- */

/*
 * The number of a frame without bytes.  Its receiver expects what comes behind the last
 * byte that left; a keep-alive must stay in front of that, or it gets no answer.
 */
static uint32_t
empty_seq(const struct engine *e, const struct flow *f, unsigned dir, const struct layers *l)
{
	const struct repair *r = repair_of(e, f);
	const struct tcp_dir *d = &f->dir[dir];
	uint32_t edge = repair_out(r, dir, guard_of(e, f)->sent[dir]), seq = l->seq;

	/* RFC 5961 3: only a reset with exactly the next number is one.  It must not become so. */
	if (l->tcp_flags & TCP_RST && seq != d->nxt)
		return edge + (seq - d->nxt);
	if (seq_diff(seq, guard_of(e, f)->sent[dir]) < 0) {
		uint32_t out = repair_out(r, dir, seq);

		return seq_diff(out, edge) < 0 ? out : edge - 1;
	}
	return d->flags & DIR_FIN && seq == d->nxt + 1 ? edge + 1 : edge;
}

/* What a side is told, and whether that is more than before. */
static void
remember_told(struct repair *r, unsigned dir, uint32_t ack, uint32_t edge)
{
	r->news = seq_diff(ack, r->told[dir]) > 0 || seq_diff(edge, r->edge[dir]) > 0;
	if (seq_diff(ack, r->told[dir]) > 0)
		r->told[dir] = ack;
	if (seq_diff(edge, r->edge[dir]) > 0)
		r->edge[dir] = edge;
}

/* Header of p with the receiver's numbers; where payload goes. */
static uint8_t *
head(struct engine *e, struct flow *f, unsigned dir, const struct pkt *p, const struct layers *l,
    uint8_t *to, uint32_t seq)
{
	struct repair *r = repair_of(e, f);
	uint8_t *tcp = to + l->l4_off;

	memcpy(to, p->bytes, l->pay_off);
	put_be32(tcp + 4, seq);
	inline_clean(tcp, l);
	if (l->tcp_flags & TCP_ACK) {
		uint32_t raw = get_be32(tcp + 8), ack = l->ack, win = l->tcp_win;

		repair_ack(e, f, dir, raw, &ack, &win);
		remember_told(r, dir, ack, ack + (win << tcp_rare(&f->dir[dir])->wscale));
		sacks(r, dir, tcp, l->pay_off - l->l4_off, raw, ack);
		put_be32(tcp + 8, ack);
		put_be16(tcp + 14, win);
	}
	return to + l->pay_off;
}

static void
leaves_as(struct engine *e, struct pkt *p, const struct layers *l, uint8_t *b, uint32_t len)
{
	inline_lengths(b, l, len);
	e->scratch_used += (len + 63u) & ~63u;
	p->bytes = b;
	p->caplen = p->wirelen = len;
}

/* Without bytes, or none of those it came with. */
static void
settle_empty(
    struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l, bool fin)
{
	uint8_t *b = e->scratch + e->scratch_used;
	const struct repair *r;

	/* FIN is numbered: it goes when everything in front of it has */
	(void)head(e, f, dir, p, l, b,
	    fin ? repair_out(repair_of(e, f), dir, guard_of(e, f)->sent[dir])
		: empty_seq(e, f, dir, l));
	/*
	 * An acknowledgement that only speaks of what is ours says nothing to the other
	 * end; three of them would look like a loss to it (RFC 5681 3.2).
	 */
	r = repair_of(e, f);
	if ((l->tcp_flags & ~TCP_PSH) == TCP_ACK && l->pay_len == 0 && r->raw_moved && !r->news) {
		e->note = "acknowledges what is ours";
		p->fate = FATE_CONSUMED;
		return;
	}
	if (l->pay_len > 0)
		b[l->l4_off + 13] &= (uint8_t)(fin ? ~TCP_PSH : ~(TCP_FIN | TCP_PSH));
	leaves_as(e, p, l, b, l->pay_off);
}

/* Bytes a..stop of p's payload, with a header of their own. */
static bool
piece_make(struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l,
    uint32_t a, uint32_t stop, bool end)
{
	const struct repair *r = repair_of(e, f);
	uint8_t *b = e->scratch + e->scratch_used, *at;
	uint32_t n;

	if (l->pay_off + (stop - a) > SCRATCH_BYTES - e->scratch_used) {
		engine_drop(p, DROP_TCP_POOL_FULL);
		return false;
	}
	at = head(e, f, dir, p, l, b, repair_out(r, dir, a));
	for (; seq_diff(stop, a) > 0; a += n, at += n) {
		a = repair_run(r, dir, a, stop, &n);
		memcpy(at, p->bytes + l->pay_off + (a - l->seq), n);
		repair_patch(e, r, dir, a, at, n);
	}
	if (!end)
		b[l->l4_off + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	leaves_as(e, p, l, b, (uint32_t)(at - b));
	return true;
}

/* Where we put something in first, behind a and not behind end; end when nowhere. */
static uint32_t
next_put_in(const struct repair *r, uint32_t a, uint32_t end, bool *there)
{
	*there = false;
	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++) {
		const struct edit *ed = &r->edit[DIR_TO_CLIENT][i];

		if (ed->state == EDIT_WAITS || seq_diff(ed->at, a) <= 0)
			continue;
		*there = seq_diff(end, ed->at) >= 0;
		return *there ? ed->at : end;
	}
	return end;
}

void
repair_settle(struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l,
    const struct seg_result *res)
{
	const struct repair *r = repair_of(e, f);
	uint32_t a = l->seq + res->skip, end = l->seq + res->keep, n;
	bool fin = l->tcp_flags & TCP_FIN && res->keep == l->pay_len, there = false;

	if (seq_diff(f->dir[dir].acked, a) > 0) /* has arrived, or was taken out */
		a = seq_diff(end, f->dir[dir].acked) > 0 ? f->dir[dir].acked : end;
	if (dir == DIR_TO_SERVER)
		a = repair_run(r, dir, a, end, &n);
	else
		refusal_flush(e, f, a);
	while (dir == DIR_TO_CLIENT && seq_diff(end, a) > 0) {
		uint32_t stop = next_put_in(r, a, end, &there);
		struct pkt front = *p;

		if (!there || (stop == end && !fin && !refusal_due(e, f, end)))
			break;
		/* what stands in front of bytes of ours leaves first */
		if (!piece_make(e, f, dir, &front, l, a, stop, false)) {
			engine_drop(p, DROP_TCP_POOL_FULL);
			return;
		}
		inject_copy(e, &front);
		refusal_flush(e, f, stop);
		a = stop;
	}
	if (seq_diff(end, a) > 0) {
		(void)piece_make(e, f, dir, p, l, a, end, res->keep == l->pay_len);
		return;
	}
	if (res->keep > res->skip && !fin) {
		if (!there)
			e->note = "taken out";
		p->fate = FATE_CONSUMED;
		return;
	}
	if (l->pay_off > SCRATCH_BYTES - e->scratch_used)
		engine_drop(p, DROP_TCP_POOL_FULL);
	else
		settle_empty(e, f, dir, p, l, fin);
}
