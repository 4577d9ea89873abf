/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse.c - verdict `reject`: a request is taken out of the client's stream, and the
 * protocol's own refusal is put into the server's.
 *
 *   client          guard                  server
 *     | A R B  ----> |                        |
 *     |              | A B ---------------->  |      R is acknowledged by us, as soon as all
 *     | <------ no R |                        |      in front of it is by the server
 *     | <---- for A  | <---------------- for A|
 *
 * A refusal goes only where one PDU of the server ends and the next has not begun: at
 * once when no answer is half on its way, else behind that answer.  Protocols with
 * transaction ids pair by these; where order is all there is (Modbus RTU), the answers to the
 * requests in front of it come first, as many as are open.
 *
 * The guard is the sender of what it puts in: it repeats it until the client has
 * acknowledged it (RFC 6298 in ticks: doubled each time, at most RESEND_TRIES), and at
 * once when a SACK shows that only this is missing.  As long as the client's window is
 * closed that goes on, as a probe.
 *
 * It becomes a reset when
 *   - the head of the request has left already (half a PDU is held only where the conduit
 *     is strict or may reject), or the request is longer than what is read in one piece;
 *   - the protocol has no refusal for it (dissector.refuse(): OPC UA that is signed);
 *   - the server has closed its side, or no boundary of its stream is known;
 *   - EDITS_MAX refusals are open, or there is no memory for one more;
 *   - the protocol numbers its messages, and an answer is half on its way;
 *   - the answers in front of it have not come within REFUSAL_WAIT;
 *   - the client does not acknowledge.
 */
#include <string.h>

#include "dataplane/repair.h"

/* --- one PDU ----------------------------------------------------------------------------- */

/* Has no PDU of the server left in part?  Then guard.sent is where one begins. */
static bool
at_boundary(const struct engine *e, const struct flow *f)
{
	const struct tcp_dir *s = &f->dir[DIR_TO_CLIENT];
	uint32_t half = tcp_rare(s)->carry != CELL_NONE ? tcp_rare(s)->carry_len : 0;

	return !(s->flags & (DIR_PART | DIR_DESYNC)) &&
	       guard_of(e, f)->sent[DIR_TO_CLIENT] == s->nxt - half;
}

bool
refusal_make(struct engine *e, struct flow *f, const struct fact *fact)
{
	const struct dissector *ds = dissectors[f->dis];
	const struct tcp_dir *s = &f->dir[DIR_TO_CLIENT];
	struct repair *r;
	size_t n;

	if (e->refusal != CELL_NONE)
		return true; /* another item of the same PDU */
	if (e->sink.dir != DIR_TO_SERVER || !ds->refuse || !(s->flags & DIR_SEEN) ||
	    s->flags & (DIR_DESYNC | DIR_BLOCKED | DIR_FIN) ||
	    f->dir[DIR_TO_SERVER].flags & DIR_PART || f->state == FLOW_CLOSED ||
	    seq_diff(e->pdu_at, guard_of(e, f)->sent[DIR_TO_SERVER]) < 0 ||
	    (ds->renumber && !at_boundary(e, f)) || !(r = repair_get(e, f)) ||
	    r->n[DIR_TO_SERVER] == EDITS_MAX || r->n[DIR_TO_CLIENT] == EDITS_MAX)
		return false;
	if ((e->refusal = cell_get(&e->cells, REFUSAL_MAX)) == CELL_NONE) {
		e->st.pool_full++;
		return false;
	}
	n = ds->refuse(&e->call, fact, cell_at(&e->cells, e->refusal)->data, REFUSAL_MAX);
	if (n == 0) {
		refusal_drop(e);
		return false;
	}
	cell_at(&e->cells, e->refusal)->len = (uint32_t)n;
	e->refusal_after = ds->unanswered ? ds->unanswered(e->call.state, f->variant) : 0;
	return true;
}

void
refusal_drop(struct engine *e)
{
	if (e->refusal != CELL_NONE)
		cell_put(&e->cells, e->refusal);
	e->refusal = CELL_NONE;
}

/* The first that wait for nothing more have their place at seq. */
static void
place(const struct engine *e, const struct flow *f, struct repair *r, uint32_t seq)
{
	if (seq_diff(seq, guard_of(e, f)->sent[DIR_TO_CLIENT]) < 0)
		return; /* what follows has left in part */
	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++) {
		struct edit *ed = &r->edit[DIR_TO_CLIENT][i];

		if (ed->state != EDIT_WAITS)
			continue;
		if (ed->answers > 0)
			break;
		ed->at = seq;
		ed->state = EDIT_PLACED;
	}
}

void
refusal_take(struct engine *e, struct flow *f, uint32_t at, uint32_t n)
{
	struct repair *r = repair_of(e, f);
	struct cell *c = cell_at(&e->cells, e->refusal);

	r->edit[DIR_TO_CLIENT][r->n[DIR_TO_CLIENT]++] = (struct edit){
	    .n = c->len,
	    .since = e->flows.now_tick,
	    .bytes = e->refusal,
	    .answers = (uint16_t)e->refusal_after,
	    .state = EDIT_WAITS,
	};
	e->refusal = CELL_NONE;
	e->st.refused++;
	r->renumber |= dissectors[f->dis]->renumber != NULL;
	repair_take_out(e, f, at, n);
	if (at_boundary(e, f)) {
		place(e, f, r, guard_of(e, f)->sent[DIR_TO_CLIENT]);
		refusal_flush(e, f, guard_of(e, f)->sent[DIR_TO_CLIENT]);
	}
	if (r->edit[DIR_TO_CLIENT][r->n[DIR_TO_CLIENT] - 1].state == EDIT_WAITS &&
	    f->dir[DIR_TO_SERVER].acked == at + n)
		inject_ack(e, f, DIR_TO_CLIENT);
	refusal_arm(e, f);
}

void
refusal_place(struct engine *e, struct flow *f, uint32_t seq, unsigned answers)
{
	struct repair *r = repair_of(e, f);

	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++) {
		struct edit *ed = &r->edit[DIR_TO_CLIENT][i];

		if (ed->state == EDIT_WAITS)
			ed->answers = ed->answers > answers ? (uint16_t)(ed->answers - answers) : 0;
	}
	place(e, f, r, seq);
}

/* --- it leaves, and again ---------------------------------------------------------------------- */

static uint32_t
out_at(const struct repair *r, unsigned i)
{
	uint32_t out = r->edit[DIR_TO_CLIENT][i].at + r->shift[DIR_TO_CLIENT];

	while (i-- > 0)
		out += r->edit[DIR_TO_CLIENT][i].n;
	return out;
}

static void
deliver(struct engine *e, struct flow *f, const struct repair *r, unsigned i)
{
	const struct edit *ed = &r->edit[DIR_TO_CLIENT][i];

	inject_bytes(e, f, DIR_TO_CLIENT, out_at(r, i), cell_at(&e->cells, ed->bytes)->data, ed->n);
}

bool
refusal_due(const struct engine *e, const struct flow *f, uint32_t seq)
{
	const struct repair *r = repair_of(e, f);

	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++)
		if (r->edit[DIR_TO_CLIENT][i].state == EDIT_PLACED &&
		    seq_diff(seq, r->edit[DIR_TO_CLIENT][i].at) >= 0)
			return true;
	return false;
}

void
refusal_flush(struct engine *e, struct flow *f, uint32_t seq)
{
	struct repair *r = repair_of(e, f);

	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++) {
		struct edit *ed = &r->edit[DIR_TO_CLIENT][i];

		if (ed->state != EDIT_PLACED || seq_diff(seq, ed->at) < 0)
			continue;
		ed->state = EDIT_SENT;
		deliver(e, f, r, i);
		refusal_arm(e, f);
	}
}

/* --- one after the other -------------------------------------------------------------------- */

bool
refusal_steady(const struct engine *e, const struct flow *f)
{
	const struct flow_guard *g = guard_of(e, f);
	const struct repair *r;

	if (g->repair == CELL_NONE || f->state != FLOW_OPEN || f->flags & FLOW_REOPEN ||
	    f->dis >= FLOW_DIS_NOBODY || dissectors[f->dis]->renumber ||
	    (g->flags & ~(GUARD_TS | GUARD_NOT_FAST)) != 0 || g->unseen != CELL_NONE ||
	    f->fast != 0 || !quota_is_grown(e, f))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_dir *d = &f->dir[i];
		const struct tcp_rare *x = &f->rare[i];

		if (d->flags != DIR_SEEN || (x->ooo | x->carry | d->retain) != CELL_NONE ||
		    x->is_long || g->n_part[i] != 0 || d->acked != d->nxt || g->sent[i] != d->nxt)
			return false;
	}
	r = repair_of(e, f);
	return r->n[DIR_TO_SERVER] == 0 && (r->patches[0] | r->patches[1]) == CELL_NONE &&
	       r->tmpl[DIR_TO_CLIENT].n_ip != 0 &&
	       (r->n[DIR_TO_CLIENT] == 0 ||
		   (r->n[DIR_TO_CLIENT] == 1 && r->edit[DIR_TO_CLIENT][0].state == EDIT_SENT));
}

bool
refusal_ready(const struct engine *e, const struct flow *f, uint32_t raw)
{
	const struct repair *r = repair_of(e, f);
	const uint32_t out = f->dir[DIR_TO_CLIENT].nxt + r->shift[DIR_TO_CLIENT];

	if (r->n[DIR_TO_CLIENT] == 0)
		return raw == out && e->cells.free[CELL_M] != CELL_NONE;
	return raw == out + r->edit[DIR_TO_CLIENT][0].n;
}

void
refusal_next(
    struct engine *e, struct flow *f, uint32_t raw, uint32_t len, const uint8_t *p, uint32_t n)
{
	struct repair *r = repair_of(e, f);
	struct edit *ed = &r->edit[DIR_TO_CLIENT][0];
	struct tcp_dir *d = &f->dir[DIR_TO_SERVER];

	/* translate(): the last one has arrived, and its cell is taken again */
	r->raw_moved = seq_diff(raw, r->raw[DIR_TO_SERVER]) > 0;
	r->raw[DIR_TO_SERVER] = raw;
	if (r->n[DIR_TO_CLIENT] == 0)
		ed->bytes = cell_get(&e->cells, REFUSAL_MAX);
	else
		r->shift[DIR_TO_CLIENT] += ed->n;
	/* refusal_make(), refusal_take() */
	memcpy(cell_at(&e->cells, ed->bytes)->data, p, n);
	cell_at(&e->cells, ed->bytes)->len = n;
	*ed = (struct edit){.at = f->dir[DIR_TO_CLIENT].nxt,
	    .n = n,
	    .since = e->flows.now_tick,
	    .bytes = ed->bytes,
	    .state = EDIT_SENT};
	r->n[DIR_TO_CLIENT] = 1;
	e->st.refused++;
	/* repair_take_out(): all in front of it has arrived, and so has it */
	d->acked += len;
	r->shift[DIR_TO_SERVER] += len;
	repair_progress(e, f);
	deliver(e, f, r, 0);
	refusal_arm(e, f);
	/* next_bytes(), part_advance() */
	d->nxt = guard_of(e, f)->sent[DIR_TO_SERVER] = d->acked;
}

void
refusal_asked(struct engine *e, struct flow *f, uint32_t raw)
{
	struct repair *r = repair_of(e, f);

	if (r->n[DIR_TO_CLIENT] == 0 || r->edit[DIR_TO_CLIENT][0].state != EDIT_SENT ||
	    r->fast == e->flows.now_tick || seq_diff(raw, out_at(r, 0)) < 0)
		return;
	r->fast = e->flows.now_tick;
	deliver(e, f, r, 0);
}

void
refusal_arm(struct engine *e, struct flow *f)
{
	struct repair *r = repair_of(e, f);

	r->last = e->flows.now_tick;
	if (r->armed)
		return;
	r->armed = true;
	r->tries = 0;
	r->due = e->flows.now_tick + RESEND_TICKS;
	flow_timer(&e->flows, f, RESEND_TICKS);
}

/* Bytes that we acknowledged, that may leave, and that their receiver has not acknowledged. */
static uint32_t
ours_until(const struct engine *e, const struct flow *f, unsigned dir)
{
	const struct flow_guard *g = guard_of(e, f);
	const struct repair *r = repair_of(e, f);
	uint32_t to = g->sent[dir];

	if (r && seq_diff(r->gacked[dir], to) < 0)
		to = r->gacked[dir];
	return g->flags & GUARD_ACKED << dir && seq_diff(to, f->dir[dir].acked) > 0
		   ? to
		   : f->dir[dir].acked;
}

uint32_t
refusal_timer(struct engine *e, struct flow *f)
{
	struct repair *r = repair_of(e, f);
	uint32_t now = e->flows.now_tick, back;
	bool open = false;

	if (!r || !r->armed)
		return 0;
	if (seq_diff(now, r->due) < 0)
		return r->due - now;
	if (r->tries == 0 && now - r->last < RESEND_TICKS) { /* younger than the timer */
		r->due = r->last + RESEND_TICKS;
		return r->due - now;
	}
	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++) {
		const struct edit *ed = &r->edit[DIR_TO_CLIENT][i];

		open = true;
		if (ed->state == EDIT_WAITS && now - ed->since > REFUSAL_WAIT)
			r->tries = RESEND_TRIES;
	}
	for (unsigned dir = 0; dir < 2; dir++)
		open |= guard_of(e, f)->flags & GUARD_ACKED << dir &&
			seq_diff(r->gacked[dir], f->dir[dir].acked) > 0;
	if (!open || guard_of(e, f)->flags & GUARD_RESET) {
		r->armed = false;
		return 0;
	}
	if (r->tries >= RESEND_TRIES) {
		e->note = "the client does not take what it was answered";
		inject_reset(e, f);
		r->armed = false;
		return 0;
	}
	back = RESEND_TICKS << (r->tries < 5 ? r->tries + 1 : 6);
	if (back > RESEND_MOST)
		back = RESEND_MOST;
	for (unsigned i = 0; i < r->n[DIR_TO_CLIENT]; i++)
		if (r->edit[DIR_TO_CLIENT][i].state != EDIT_WAITS) {
			r->edit[DIR_TO_CLIENT][i].state = EDIT_SENT;
			deliver(e, f, r, i);
			r->tries = (uint8_t)(r->tries + (f->dir[DIR_TO_SERVER].win != 0));
			break; /* the others when this one has arrived */
		}
	for (unsigned dir = 0; dir < 2; dir++) {
		uint32_t to = ours_until(e, f, dir);

		if (to == f->dir[dir].acked)
			continue;
		inject_range(e, f, dir, f->dir[dir].acked, to);
		r->tries = (uint8_t)(r->tries + (f->dir[dir ^ 1].win != 0));
	}
	r->due = now + back;
	return back;
}
