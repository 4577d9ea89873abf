/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part.c - half a PDU waits until the rest of it is here and the whole is judged.
 *
 *               acked        sent             nxt
 *   ...----------+------------+----------------+-----...
 *      delivered | on its way | waits: judged  |
 *                |            | when whole     |
 *
 * A frame of which no byte may leave is held, and counted so; its bytes are those that the
 * stream remembers until they are acknowledged (stream_retain), and from there they
 * leave, in frames of ours, in front of the segment that completed the PDU.  What a
 * segment has of the next PDU's front is cut off and waits as well.
 *
 * No deadlock: a sender may not send the rest before the front is acknowledged
 * (Nagle, RFC 9293 3.7.4, or a congestion window of one segment), so the guard
 * acknowledges what waits: when the sender pushed it, at every second segment
 * (RFC 1122 4.2.3.2), and when it comes again; never before all that left is acknowledged by
 * its receiver.  From then on these bytes are the guard's to deliver (refuse.c repeats them).
 *
 * Which: requests, where the conduit is strict or may reject; and both directions where it
 * may reject and the protocol numbers its messages (dissector.renumber()), since the
 * number stands in front and is known to be right when the PDU is whole.  Of a PDU longer than HOLD_MAX
 * the front is let go: then `reject` is a reset, and `strict` asks condition `overload`.
 *
 * When the rest does not come within PART_TICKS the frames are dropped, and their bytes
 * forgotten as if they had not come; unless we have acknowledged them: then they stay, since
 * nobody else can deliver them, and when memory becomes scarce their connection is reset.
 */
#include "dataplane/repair.h"

bool
part_holds(const struct engine *e, const struct flow *f, unsigned dir)
{
	const struct repair *r;

	if (dir == DIR_TO_SERVER && f->bind.flags & (BIND_STRICT | BIND_REJECT))
		return true;
	if (f->dis < FLOW_DIS_NOBODY && f->bind.flags & BIND_REJECT && dissectors[f->dis]->renumber)
		return true;
	r = repair_of(e, f);
	return r && r->renumber;
}

/* A PDU is longer than what may wait. True: it goes no further. */
static bool
too_long(struct engine *e, struct flow *f, unsigned dir)
{
	const struct repair *r = repair_of(e, f);
	const struct tcp_dir *d = &f->dir[dir];

	e->st.hold_over++;
	if (r && r->renumber && f->dis < FLOW_DIS_NOBODY && dissectors[f->dis]->renumber &&
	    !(d->flags & DIR_PART) &&
	    !repair_renumber(e, f, dir, e->pdu_at,
		cur_make(cell_at(&e->cells, tcp_rare(d)->carry)->data, tcp_rare(d)->carry_len))) {
		/* it would leave with the wrong number */
		guard_of(e, f)->flags |= GUARD_WANT_RESET;
		return true;
	}
	return dir == DIR_TO_SERVER && f->bind.flags & BIND_STRICT &&
	       judge_condition(e, COND_OVERLOAD, "pdu_too_long", FACT_A_OVERLOAD, NULL) >=
		   VERDICT_REJECT;
}

static void
let_go(struct engine *e, struct flow *f, unsigned dir)
{
	e->st.held -= guard_of(e, f)->n_part[dir];
	e->st.consumed += guard_of(e, f)->n_part[dir];
	guard_of(e, f)->n_part[dir] = 0;
}

void
part_advance(struct engine *e, struct flow *f, unsigned dir, uint32_t seq, bool denied)
{
	struct flow_guard *g = guard_of(e, f);
	struct tcp_dir *d = &f->dir[dir];
	uint32_t old = g->sent[dir], to = d->nxt;

	if (part_holds(e, f, dir)) {
		bool half = tcp_rare(d)->carry != CELL_NONE && !(d->flags & DIR_PART);

		if (!denied && ((half && tcp_rare(d)->carry_len > HOLD_MAX) ||
				   (d->flags & DIR_PART && !tcp_rare(d)->is_long))) {
			tcp_rare(d)->is_long = true;
			denied = too_long(e, f, dir);
		}
		if (denied) {
			if (seq_diff(e->pdu_at, to) < 0)
				to = e->pdu_at;
			d->flags |= DIR_BLOCKED;
		} else if (half && tcp_rare(d)->carry_len <= HOLD_MAX) {
			to -= tcp_rare(d)->carry_len;
		} else if (!half && !(d->flags & DIR_PART)) {
			tcp_rare(d)->is_long = false;
		}
	}
	if (seq_diff(to, old) > 0) {
		g->sent[dir] = to;
		let_go(e, f, dir);
		if (seq_diff(seq, to) < 0)
			to = seq;
		if (seq_diff(to, old) > 0)
			inject_range(e, f, dir, old, to);
		if (g->flags & GUARD_ACKED << dir)
			refusal_arm(e, f);
	}
	if (denied)
		part_give_up(e, f, dir, DROP_POLICY_PDU);
}

void
part_hold(struct engine *e, struct flow *f, unsigned dir, bool fresh, bool whole)
{
	struct flow_guard *g = guard_of(e, f);

	e->note = "half a PDU: waits for the rest";
	if (fresh && g->n_part[dir] == 0) {
		g->part_tick = (uint16_t)e->flows.now_tick;
		engine_wake(e, f, PART_TICKS);
	}
	g->n_part[dir] = (uint16_t)(g->n_part[dir] + (fresh && whole));
	if (!fresh || e->at_hand_l->tcp_flags & TCP_PSH || g->n_part[dir] > 1)
		g->flags |= (uint8_t)(GUARD_OWES_ACK << dir);
}

void
part_acknowledge(struct engine *e, struct flow *f, unsigned dir, bool at_once)
{
	struct flow_guard *g = guard_of(e, f);
	struct tcp_dir *d = &f->dir[dir];
	struct repair *r;

	if (!(g->flags & GUARD_OWES_ACK << dir) || seq_diff(d->acked, g->sent[dir]) < 0)
		return;
	g->flags &= (uint8_t) ~(GUARD_OWES_ACK << dir);
	if (d->nxt == g->sent[dir] || !(r = repair_get(e, f)))
		return;
	r->gacked[dir] = d->nxt;
	g->flags |= (uint8_t)(GUARD_ACKED << dir);
	refusal_arm(e, f);
	if (at_once)
		inject_ack(e, f, dir ^ 1);
}

void
part_give_up(struct engine *e, struct flow *f, unsigned dir, enum drop_reason why)
{
	e->st.held -= guard_of(e, f)->n_part[dir];
	e->st.dropped[why] += guard_of(e, f)->n_part[dir];
	guard_of(e, f)->n_part[dir] = 0;
}

static bool
scarce(const struct cells *c)
{
	bool is = false;

	for (unsigned k = CELL_S; k < CELL_L; k++)
		is |= c->used[k] > c->n[k] / 4 * 3;
	return is;
}

uint32_t
part_timer(struct engine *e, struct flow *f)
{
	struct flow_guard *g = guard_of(e, f);
	/* Of what is acknowledged and waits for more than two hours it looks young again: for PART_TICKS more. */
	uint32_t age = (uint16_t)(e->flows.now_tick - g->part_tick), again = 0;

	for (unsigned dir = 0; dir < 2; dir++) {
		struct tcp_dir *d = &f->dir[dir];

		if (d->nxt == g->sent[dir])
			continue;
		if (age < PART_TICKS) {
			again = PART_TICKS - age;
			continue;
		}
		part_give_up(e, f, dir, DROP_TCP_PART_TIMEOUT);
		if (!(g->flags & GUARD_ACKED << dir) || d->flags & DIR_BLOCKED) {
			feed_forget(e, d);
			stream_forget(e, d, g->sent[dir]);
		} else if (age < PART_RESET || !scarce(&e->cells)) {
			again = age < PART_RESET ? PART_RESET - age : PART_RESET;
		} else {
			inject_reset(e, f);
			return 0;
		}
	}
	return again;
}
