/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.c - in-order bytes in, whole PDUs out.
 *
 * The window given to frame() and pdu() points into the packet unless a PDU
 * straddles segments; then its bytes gather in one carry cell.  While a header
 * is incomplete the carry grows by one byte at a time, so it never holds bytes
 * of the next PDU.  A PDU longer than max_pdu goes to part() piece by piece.
 */
#include <string.h>

#include "dataplane/repair.h"

static void
drop_carry(struct engine *e, struct tcp_dir *d)
{
	if (tcp_rare(d)->carry != CELL_NONE)
		cell_put(&e->cells, tcp_rare(d)->carry);
	tcp_rare(d)->carry = CELL_NONE;
	tcp_rare(d)->carry_len = 0;
	d->flags &= (uint8_t)~DIR_PART;
}

/* The lease hangs on the state's cell: its id is that cell's `total`. */
void *
dis_lease(struct dis_call *call, uint32_t want)
{
	struct engine *e = call->sink->e;
	struct flow *f = call->sink->fl;
	struct cell *state, *old = NULL, *c;
	uint32_t had = 0;
	cell_id id;

	if (!(f->flags & FLOW_STATE_CELL))
		return NULL;
	memcpy(&id, f->dstate, sizeof(id));
	state = cell_at(&e->cells, id);
	if (state->total != CELL_NONE) {
		old = cell_at(&e->cells, state->total);
		had = cell_room(state->total);
		if (had >= want)
			return old->data;
	}
	if ((id = cell_get(&e->cells, want < CELL_M_SIZE / 2 ? CELL_M_SIZE / 2 : want)) == CELL_NONE) {
		e->st.pool_full++;
		return NULL;
	}
	c = cell_at(&e->cells, id);
	memset(c->data, 0, cell_room(id));
	if (old) {
		memcpy(c->data, old->data, had);
		cell_put(&e->cells, state->total);
	}
	state->total = id;
	return c->data;
}

void *
feed_grow(struct dis_call *call)
{
	struct engine *e = call->sink->e;
	struct flow *f = call->sink->fl;
	const struct dissector *ds = dissectors[f->dis];
	cell_id id;
	uint8_t *to;

	if (f->flags & FLOW_STATE_CELL) { /* it may have room: see feed_state_begin() */
		memcpy(&id, f->dstate, sizeof(id));
		to = cell_at(&e->cells, id)->data;
		if (call->state != to || cell_room(id) < ds->state_most ||
		    cell_at(&e->cells, id)->len >= ds->state_most)
			return NULL;
		memset(to + ds->state_size, 0, ds->state_most - ds->state_size);
		cell_at(&e->cells, id)->len = ds->state_most;
		return to;
	}
	if (call->state != f->dstate)
		return NULL;
	if ((id = cell_get(&e->cells, ds->state_most)) == CELL_NONE) {
		e->st.pool_full++;
		return NULL;
	}
	to = cell_at(&e->cells, id)->data;
	memcpy(to, f->dstate, ds->state_size);
	memset(to + ds->state_size, 0, ds->state_most - ds->state_size);
	feed_state_cell(e, f, id, ds->state_most);
	call->state = to;
	return to;
}

/* A new PDU begins: what the engine has to say about it, said once. */
static inline void
set_anomalies(struct dis_call *call, struct tcp_dir *d)
{
	call->anomalies = 0;
	if (d->flags & (DIR_A_MIDSTREAM | DIR_A_RESYNC | DIR_A_GAP)) {
		call->anomalies = (d->flags & DIR_A_MIDSTREAM ? FACT_A_MIDSTREAM : 0) |
		    (d->flags & DIR_A_RESYNC ? FACT_A_RESYNC : 0) |
		    (d->flags & DIR_A_GAP ? FACT_A_GAP : 0);
		d->flags &= (uint8_t)~(DIR_A_MIDSTREAM | DIR_A_RESYNC | DIR_A_GAP);
	}
}

/* Do the PDUs of this flow leave with other numbers? */
static bool
numbers(const struct engine *e, const struct dissector *ds, const struct flow *f)
{
	const struct repair *r = repair_of(e, f);

	return r && r->renumber && ds->renumber;
}

/*
 * A guard's: the PDU was judged.  One that is refused is taken out, and then goes no further
 * without stopping those behind it.
 */
static bool __attribute__((noinline)) settle_pdu(
    struct engine *e, const struct dissector *ds, struct flow *f, unsigned dir, struct cur pdu)
{
	uint32_t n = (uint32_t)cur_left(&pdu);
	const struct repair *r;

	if (e->sink.worst == VERDICT_REJECT && e->refusal != CELL_NONE) {
		refusal_take(e, f, e->pdu_at, n);
		return true;
	}
	refusal_drop(e);
	if (e->sink.worst >= VERDICT_REJECT)
		return false;
	if ((r = repair_of(e, f)) == NULL)
		return true;
	if (numbers(e, ds, f) && !repair_renumber(e, f, dir, e->pdu_at, pdu)) {
		guard_of(e, f)->flags |= GUARD_WANT_RESET;
		return false;
	}
	if (dir == DIR_TO_CLIENT)
		refusal_place(e, f, e->pdu_at + n, 1);
	return true;
}

/* One whole PDU. False: it may not go on. */
static inline bool
give_pdu(struct engine *e, const struct dissector *ds, struct flow *f, unsigned dir, struct cur pdu)
{
	struct dis_call *call = &e->call;

	set_anomalies(call, &f->dir[dir]);
	e->sink.worst = VERDICT_ALLOW;
	e->sink.facts = SINK_NONE;
	call->memo = 0;
	ds->pdu(call, pdu);
	if (e->quick_on && sink_plain(&e->sink) && !call->datagram)
		quick_learn(e, f, pdu.p, (uint32_t)cur_left(&pdu));
	if (__builtin_expect(f->fast != 0, 0) && ds->alike)
		path_note(e, f, dir, pdu);
	return !e->inline_mode || settle_pdu(e, ds, f, dir, pdu);
}

static void
set_call(struct engine *e, struct flow *f, unsigned dir, bool datagram)
{
	e->call.dir = (uint8_t)dir;
	e->call.variant = f->variant;
	e->call.datagram = datagram;
	e->call.midstream = (f->flags & FLOW_MIDSTREAM) != 0;
	e->call.now_ns = e->sink.ts_ns;
	e->call.state = feed_state(e, f);
	e->call.sink = &e->sink;
}

/*
 * The boundary is lost.  Told once per loss; what follows in this segment
 * is not readable, the next segment start is asked for a boundary.  True when
 * the policy stops the direction here.
 */
static bool
lose_step(struct engine *e, struct flow *f, unsigned dir, enum policy_cond c, const char *op,
    uint64_t anomaly, enum drop_reason *reason)
{
	struct tcp_dir *d = &f->dir[dir];

	drop_carry(e, d);
	d->flags |= DIR_DESYNC;
	if (judge_condition(e, c, op, anomaly, NULL) < VERDICT_REJECT || !e->inline_mode)
		return false;
	*reason = c == COND_OVERLOAD ? DROP_TCP_POOL_FULL : DROP_POLICY_UNPARSABLE;
	return true;
}

/*
 * The PDU at the carry's front is done.  What a FRAME_NEED brought in behind it is the front of
 * the next; returns how much of that came with the segment at hand (of which fresh).
 */
static uint32_t
carry_shift(struct engine *e, struct tcp_dir *d, uint32_t done, uint32_t fresh)
{
	uint8_t *data = cell_at(&e->cells, tcp_rare(d)->carry)->data;

	tcp_rare(d)->carry_len -= done;
	if (tcp_rare(d)->carry_len == 0) {
		drop_carry(e, d);
		return 0;
	}
	memmove(data, data + done, tcp_rare(d)->carry_len);
	return fresh < tcp_rare(d)->carry_len ? fresh : tcp_rare(d)->carry_len;
}

/* A carry cell that holds at least want bytes, contents kept. */
static bool
carry_room(struct engine *e, struct tcp_dir *d, uint32_t want)
{
	cell_id id;

	if (tcp_rare(d)->carry != CELL_NONE && cell_room(tcp_rare(d)->carry) >= want)
		return true;
	if ((id = cell_get(&e->cells, want)) == CELL_NONE) {
		e->st.pool_full++;
		return false;
	}
	if (tcp_rare(d)->carry != CELL_NONE) {
		memcpy(cell_at(&e->cells, id)->data, cell_at(&e->cells, tcp_rare(d)->carry)->data,
		    tcp_rare(d)->carry_len);
		cell_put(&e->cells, tcp_rare(d)->carry);
	}
	tcp_rare(d)->carry = id;
	return true;
}

/* Pieces of a PDU longer than max_pdu. The cell keeps its length and the worst
 * verdict so far. False: the last piece may not go on. */
static bool
give_part(struct engine *e, const struct dissector *ds, struct tcp_dir *d, struct cur *seg)
{
	struct cell *c = cell_at(&e->cells, tcp_rare(d)->carry);
	uint32_t left = c->total - tcp_rare(d)->carry_len;
	uint32_t n = cur_left(seg) < left ? (uint32_t)cur_left(seg) : left;

	e->call.anomalies = 0;
	if (tcp_rare(d)->carry_len == 0)
		set_anomalies(&e->call, d);
	e->sink.worst = (uint8_t)c->len;
	ds->part(&e->call, cur_take(seg, n), tcp_rare(d)->carry_len, c->total);
	if (e->sink.fl->fast != 0 && ds->alike)
		path_doubt(e, e->sink.fl);
	refusal_drop(e);
	tcp_rare(d)->carry_len += n;
	c->len = e->sink.worst;
	if (tcp_rare(d)->carry_len < c->total)
		return true;
	drop_carry(e, d);
	return e->sink.worst < VERDICT_REJECT || !e->inline_mode;
}

static bool
begin_part(struct engine *e, struct tcp_dir *d, uint32_t total)
{
	struct cell *c;

	if (!carry_room(e, d, 1))
		return false;
	c = cell_at(&e->cells, tcp_rare(d)->carry);
	c->total = total;
	c->len = VERDICT_ALLOW;
	tcp_rare(d)->carry_len = 0;
	d->flags |= DIR_PART;
	return true;
}

static int32_t or_ours(struct engine *e, const struct flow *f, unsigned dir, struct cur w);
static uint32_t feed_other(struct engine *e, struct flow *f, unsigned dir, struct cur seg,
    enum drop_reason *reason);

/* The carry's front, completed from seg up to want bytes; false: no room. */
static bool
carry_fill(struct engine *e, struct tcp_dir *d, struct cur *seg, uint32_t want)
{
	uint32_t n;

	if (!carry_room(e, d, want))
		return false;
	n = (uint32_t)cur_copy(seg,
	    cell_at(&e->cells, tcp_rare(d)->carry)->data + tcp_rare(d)->carry_len,
	    want - tcp_rare(d)->carry_len);
	tcp_rare(d)->carry_len += n;
	e->st.copied_bytes += n;
	return true;
}

/* A PDU longer than max_pdu begins: from here on its bytes are only counted off. */
static bool
enter_part(struct engine *e, struct tcp_dir *d, uint32_t total, struct cur *first, uint8_t *room)
{
	uint32_t had =
	    tcp_rare(d)->carry != CELL_NONE ? tcp_rare(d)->carry_len : 0; /* comes first */

	if (had > PROBE_MAX)
		return false;
	if (had > 0)
		memcpy(room, cell_at(&e->cells, tcp_rare(d)->carry)->data, had);
	*first = cur_make(room, had);
	return begin_part(e, d, total);
}

/*
 * The loop proper.  Bytes of `seg` that may go on; less than all only inline.
 * Invariant: at the top, either carry is empty, or it holds the front of one
 * PDU and nothing more.
 */
static uint32_t
feed_loop(struct engine *e, struct flow *f, unsigned dir, struct cur seg, enum drop_reason *reason)
{
	const struct dissector *ds = dissectors[f->dis];
	struct tcp_dir *d = &f->dir[dir];
	const uint8_t *front = seg.p;
	bool anew = false;  /* they begin a PDU: there is nothing to go on from */
	uint32_t grown = 0; /* bytes the carry got since frame() was asked: its length may be known now */
	const uint32_t base = e->at;

	while (cur_left(&seg) > 0 || grown) {
		/* A PDU that its last byte completed stops in front of that byte. */
		uint32_t start = (uint32_t)(seg.p - front) - grown, want;
		bool held = tcp_rare(d)->carry != CELL_NONE;
		struct cur w = seg;
		int32_t n;
		uint32_t fresh = grown;

		e->pdu_at = base + (uint32_t)(seg.p - front);
		if (held && !(d->flags & DIR_PART))
			e->pdu_at -= tcp_rare(d)->carry_len;
		if (d->flags & DIR_PART) {
			if (!give_part(e, ds, d, &seg)) {
				*reason = DROP_POLICY_PDU;
				return start;
			}
			continue;
		}
		if (held)
			w = cur_make(
			    cell_at(&e->cells, tcp_rare(d)->carry)->data, tcp_rare(d)->carry_len);
		n = grown > 1 && !anew && ds->frame_on
			? ds->frame_on(w, (enum dis_dir)dir, f->variant, tcp_rare(d)->carry_len)
			: ds->frame(w, (enum dis_dir)dir, f->variant);
		grown = 0;
		anew = false;
		e->call.variant = f->variant;
		if (n == FRAME_OTHER)
			n = or_ours(e, f, dir, w);
		if (n > 0 && (uint32_t)n <= ds->max_pdu && (size_t)n <= cur_left(&w)) {
			bool ok = give_pdu(e, ds, f, dir, cur_take(held ? &w : &seg, (size_t)n));

			if (held) {
				grown = carry_shift(e, d, (uint32_t)n, fresh);
				anew = true;
			}
			if (!ok) {
				*reason = DROP_POLICY_PDU;
				return start;
			}
			continue;
		}
		want = n > 0 ? (uint32_t)n : n == FRAME_MORE ? (uint32_t)cur_left(&w) + 1 :
		    FRAME_IS_NEED(n) ? FRAME_NEEDED(n) : 0;
		if (n == FRAME_OTHER && !(held && tcp_rare(d)->carry_len > PROBE_MAX) &&
		    e->handed++ < HANDED_MAX) {
			enum drop_reason why = DROP_NONE;
			uint32_t before = (uint32_t)(seg.p - front);
			uint32_t r;

			e->at = base + before;
			r = feed_other(e, f, dir, seg, &why);

			if (why != DROP_NONE)
				*reason = why;
			return r == 0 && why != DROP_NONE ? start : before + r;
		}
		if (want > ds->max_pdu ? n <= 0 || !ds->part : n < 0 && want <= cur_left(&w)) {
			if (lose_step(e, f, dir, COND_UNPARSABLE, "lost_step", FACT_A_NOT_PROTO,
				reason))
				return start;
			break;
		}
		if (want > ds->max_pdu && numbers(e, ds, f)) {
			/* the number stands in front, and leaves with the first piece */
			if (cur_left(&w) < PROBE_MAX) {
				if (!carry_fill(e, d, &seg, PROBE_MAX)) {
					if (lose_step(e, f, dir, COND_OVERLOAD, "no_room",
						FACT_A_OVERLOAD, reason))
						return start;
					break;
				}
				if (tcp_rare(d)->carry_len < PROBE_MAX)
					break;
				grown = 1;
				continue;
			}
			if (!repair_renumber(e, f, dir, e->pdu_at, w)) {
				guard_of(e, f)->flags |= GUARD_WANT_RESET;
				*reason = DROP_POLICY_PDU;
				return start;
			}
		}
		if (want > ds->max_pdu) {
			uint8_t room[PROBE_MAX];
			struct cur first;

			if (!enter_part(e, d, want, &first, room)) {
				if (lose_step(e, f, dir, COND_OVERLOAD, "pdu_too_long",
					FACT_A_OVERLOAD, reason))
					return start;
				break;
			}
			if (cur_left(&first) > 0 && !give_part(e, ds, d, &first)) {
				*reason = DROP_POLICY_PDU;
				return start;
			}
			continue;
		}
		if (cur_left(&seg) == 0)
			break;
		if (n == FRAME_MORE && !held)
			want = 1; /* byte by byte, so that the carry never runs into the next PDU */
		if (!carry_fill(e, d, &seg, want)) {
			if (lose_step(e, f, dir, COND_OVERLOAD, "no_room", FACT_A_OVERLOAD, reason))
				return start;
			break;
		}
		if (tcp_rare(d)->carry_len < want)
			break;
		if (n <= 0) {
			grown = n == FRAME_MORE ? 1 : want - (held ? (uint32_t)cur_left(&w) : 0);
			continue;
		}
		w = cur_make(cell_at(&e->cells, tcp_rare(d)->carry)->data, want);
		{
			bool ok = give_pdu(e, ds, f, dir, w);

			drop_carry(e, d);
			if (!ok) {
				*reason = DROP_POLICY_PDU;
				return start;
			}
		}
	}
	return (uint32_t)(seg.end - front);
}

/* --- whose flow is it ------------------------------------------------------------- */

static bool
port_hint(const struct dissector *ds, uint16_t port)
{
	for (const uint16_t *p = ds->ports; p && *p; p++)
		if (*p == port)
			return true;
	return false;
}

/* Does the policy say that this port speaks it? */
static bool
served(const struct engine *e, const struct flow *f, unsigned dis)
{
	return e->policy && f->bind.blocks != 0 && policy_serves(e->policy, &f->bind, (uint8_t)dis);
}

static bool
is_whole(const struct dissector *ds, struct cur w, unsigned dir, uint8_t variant)
{
	int32_t n = ds->frame(w, (enum dis_dir)dir, variant);

	return n > 0 && (size_t)n <= cur_left(&w);
}

static uint16_t
server_port(const struct flow *f)
{
	return (uint16_t)(f->flags & FLOW_CLIENT_LO ? f->kb >> 32 : f->kb >> 48);
}

/* What it knows by direction, of a flow in which nothing was refused yet. */
static void
turn_guard(struct flow_guard *g, struct repair *r)
{
	struct flow_guard was = *g;

	g->ts_known = 0;
	for (unsigned i = 0; i < 2; i++) {
		g->sent[i] = was.sent[i ^ 1];
		g->ts[i] = was.ts[i ^ 1];
		g->n_part[i] = was.n_part[i ^ 1];
		g->big[i] = was.big[i ^ 1];
	}
	if (r) {
		uint32_t gacked = r->gacked[0];

		r->gacked[0] = r->gacked[1];
		r->gacked[1] = gacked;
	}
}

/* The other end is the client, it turns out (midstream on an unknown port). */
static void
turn_round(struct engine *e, struct flow *f)
{
	struct tcp_dir swap = f->dir[0];
	struct tcp_rare rare = f->rare[0];

	f->dir[0] = f->dir[1];
	f->dir[1] = swap;
	f->rare[0] = f->rare[1];
	f->rare[1] = rare;
	if (e->inline_mode)
		turn_guard(guard_of(e, f), repair_of(e, f));
	e->at_hand_dir ^= 1;
	f->flags ^= FLOW_CLIENT_LO | FLOW_CLIENT_PORT1;
	f->quick = 0;
	e->sink.dir ^= 1;
	e->sink.tuple_ok = false;
	if (e->policy) {
		struct net_tuple t;

		flow_tuple(&e->flows, f, true, &t);
		(void)engine_bind(e, &t, &f->bind);
	}
}

/*
 * Ask the dissectors, those hinted at by the port first (inline the policy has
 * already said that this port speaks one of them).  YES claims; so does MAYBE
 * with a whole PDU on a hinted port, since a first request with an unusual
 * function must not pass unread.  Inline, bytes that may be a header pass while
 * they are too few to be a PDU; from PROBE_DECIDE on the likeliest framing has it,
 * and what turns out otherwise loses step.  On a port that is known, by registration or by the
 * policy, half a PDU of any other protocol would pass, or not be told, with whatever it holds:
 * such a one has to be whole, and inline is not asked at all.  And inline a registered port
 * speaks the protocol's first framing only: bytes that are half a serial frame to us could
 * be junk and then a whole ADU to the device.
 */
static enum dis_probe_result
ask(const struct engine *e, const struct flow *f, struct cur w, unsigned dir, bool datagram, uint8_t *who,
    uint8_t *variant, bool *hinted)
{
	enum dis_probe_result best = PROBE_NO;
	uint16_t port = server_port(f);
	bool known = false, foreign;

	*hinted = false;
	for (unsigned i = 0; i < n_dissectors; i++)
		known |= port_hint(dissectors[i], port) || served(e, f, i);
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < n_dissectors; i++) {
			const struct dissector *ds = dissectors[i];
			bool hint = port_hint(ds, port);
			enum dis_probe_result r;
			uint8_t v = 0;

			if (hint != (pass == 0) || (datagram && !ds->datagrams))
				continue;
			*hinted |= hint || e->inline_mode;
			foreign = known && !hint && !served(e, f, i);
			if (foreign && e->inline_mode)
				continue;
			r = ds->probe(w, (enum dis_dir)dir, &v);
			if (v != 0 && hint && e->inline_mode)
				r = PROBE_NO;
			if (foreign && cur_left(&w) >= PROBE_DECIDE && !is_whole(ds, w, dir, v))
				r = PROBE_NO;
			if (r == PROBE_MAYBE && (hint || e->inline_mode)) {
				int32_t n = ds->frame(w, (enum dis_dir)dir, v);

				if (n > 0 && (size_t)n <= cur_left(&w))
					r = PROBE_YES;
				else if (e->inline_mode && cur_left(&w) >= PROBE_DECIDE)
					r = n > 0 || FRAME_IS_NEED(n) ? PROBE_YES : PROBE_NO;
			}
			if (r == PROBE_YES) {
				*who = (uint8_t)i;
				*variant = v;
				return PROBE_YES;
			}
			if (r > best)
				best = r;
		}
	return best;
}

/*
 * frame() said FRAME_OTHER.  In a flow that has proved to be the dissector's, what no other
 * dissector claims is a malformed PDU of its own: its length, with VARIANT_OURS in the
 * call.  All that is looked at lies in the PDU, so that the answer does not depend on the cut.
 */
static int32_t
or_ours(struct engine *e, const struct flow *f, unsigned dir, struct cur w)
{
	const struct dissector *ds = dissectors[f->dis];
	uint8_t who = 0, variant = 0;
	enum dis_probe_result r;
	size_t see = cur_left(&w);
	bool hinted, whole;
	int32_t n;

	if (!ds->settled || !ds->settled(e->call.state))
		return FRAME_OTHER;
	n = ds->frame(w, (enum dis_dir)dir, f->variant | VARIANT_OURS);
	whole = n > 0 && (size_t)n <= see;
	if (whole)
		see = (size_t)n;
	if (see > PROBE_MAX)
		see = PROBE_MAX;
	r = ask(e, f, cur_make(w.p, see), dir, false, &who, &variant, &hinted);
	if (r == PROBE_YES && who != f->dis)
		return FRAME_OTHER;
	if (r == PROBE_MAYBE && !whole && see < PROBE_MAX)
		return FRAME_MORE;
	e->call.variant |= VARIANT_OURS;
	return n;
}

void *
feed_state_begin(struct engine *e, struct flow *f, const struct dissector *ds)
{
	cell_id id;

	if (ds->state_size <= flow_state_room(f))
		return memset(f->dstate, 0, flow_state_room(f));
	/* room to grow in: it is the same class of cells, or nearly always */
	id = cell_get(&e->cells, ds->state_most ? ds->state_most : ds->state_size);
	if (id == CELL_NONE) {
		e->st.pool_full++;
		return NULL;
	}
	memset(cell_at(&e->cells, id)->data, 0, ds->state_size);
	feed_state_cell(e, f, id, ds->state_size);
	return cell_at(&e->cells, id)->data;
}

bool
feed_claim(struct engine *e, struct flow *f, uint8_t who, uint8_t variant)
{
	app_forget(e, f);
	if (!feed_state_begin(e, f, dissectors[who]))
		return false;
	f->dis = who;
	f->variant = variant;
	f->quick = 0;
	return true;
}

void
feed_drop_state(struct engine *e, struct flow *f)
{
	cell_id id;

	transfer_flow_gone(e, f);
	if (!(f->flags & FLOW_STATE_CELL))
		return;
	memcpy(&id, f->dstate, sizeof(id));
	if (cell_at(&e->cells, id)->total != CELL_NONE)
		cell_put(&e->cells, cell_at(&e->cells, id)->total);
	cell_put(&e->cells, id);
	f->flags &= (uint8_t)~FLOW_STATE_CELL;
}

/*
 * Bytes that waited for an owner, the last in front of number end, fed from a copy: they may be several PDUs.  What is denied of
 * them ends their direction, since they may be those of the segment at hand: owners that
 * come and go ask for both sides.
 */
static bool
feed_waiting(struct engine *e, struct flow *f, unsigned dir, uint32_t end, enum drop_reason *reason)
{
	struct tcp_dir *d = &f->dir[dir];
	uint8_t copy[PROBE_MAX];
	uint32_t n = tcp_rare(d)->carry_len;
	uint8_t old_dir = e->sink.dir;
	bool ok;

	if (tcp_rare(d)->carry == CELL_NONE || n > sizeof(copy))
		return true;
	memcpy(copy, cell_at(&e->cells, tcp_rare(d)->carry)->data, n);
	drop_carry(e, d);
	e->sink.dir = (uint8_t)dir;
	e->sink.tuple_ok = false;
	e->at = end - n;
	set_call(e, f, dir, false);
	ok = feed_loop(e, f, dir, cur_make(copy, n), reason) == n;
	if (!ok)
		d->flags |= DIR_BLOCKED;
	e->sink.dir = old_dir;
	e->sink.tuple_ok = false;
	return ok;
}

/*
 * First bytes of a flow nobody has claimed.  Returns bytes of p that may go on.
 */
static uint32_t __attribute__((noinline))
feed_unclaimed(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len,
    enum drop_reason *reason)
{
	struct tcp_dir *d = &f->dir[dir];
	struct cur w = cur_make(p, len);
	uint32_t taken = 0; /* bytes of p that are in the carry */
	uint8_t who = 0, variant = 0;
	bool hinted;
	enum dis_probe_result r;
	const uint32_t base = e->at;

	if (f->dis == FLOW_DIS_NOBODY &&
	    tcp_rare(d)->tries >= PROBE_TRIES) { /* asked often enough */
		app_payload(e, f, dir, p, len);
		if (app_decides(e, f, &len, reason))
			return len;
		goto nobody;
	}
	if (tcp_rare(d)->carry != CELL_NONE) {
		taken = PROBE_MAX - tcp_rare(d)->carry_len;
		taken = len < taken ? len : taken;
		memcpy(cell_at(&e->cells, tcp_rare(d)->carry)->data + tcp_rare(d)->carry_len, p,
		    taken);
		tcp_rare(d)->carry_len += taken;
		w = cur_make(cell_at(&e->cells, tcp_rare(d)->carry)->data, tcp_rare(d)->carry_len);
	}
	r = ask(e, f, w, dir, false, &who, &variant, &hinted);
	if (r != PROBE_YES && !hinted && (f->flags & FLOW_MIDSTREAM) &&
	    tcp_rare(d)->carry == CELL_NONE) {
		bool other_hint;

		if (ask(e, f, w, dir ^ 1, false, &who, &variant, &other_hint) == PROBE_YES) {
			turn_round(e, f);
			dir ^= 1;
			d = &f->dir[dir];
			r = PROBE_YES;
		}
	}
	if (r == PROBE_YES) {
		uint32_t passed;

		if (!feed_claim(e, f, who, variant))
			goto no_room;
		d->flags &= (uint8_t)~DIR_DESYNC;
		/* Order of time: what the other side said waited longer.  It may have sent
		 * the owner away again; then this side still waits, with `taken` bytes of p. */
		(void)feed_waiting(e, f, dir ^ 1, f->dir[dir ^ 1].nxt, reason);
		if (f->dis >= FLOW_DIS_NOBODY) {
			*reason = DROP_NONE;
			e->at = base + taken;
			passed = feed_unclaimed(e, f, dir, p + taken, len - taken, reason);
			return passed == 0 && *reason != DROP_NONE ? 0 : taken + passed;
		}
		if (!feed_waiting(e, f, dir, base + taken, reason))
			return 0;
		e->at = base + taken;
		if (f->dis >= FLOW_DIS_NOBODY)
			return taken + feed_unclaimed(e, f, dir, p + taken, len - taken, reason);
		set_call(e, f, dir, false);
		passed = feed_loop(e, f, dir, cur_make(p + taken, len - taken), reason);
		return taken + passed;
	}
	if (r == PROBE_MAYBE && cur_left(&w) < PROBE_MAX && !(d->flags & DIR_DESYNC)) {
		if (tcp_rare(d)->carry == CELL_NONE) {
			if (!carry_room(e, d, PROBE_MAX))
				goto no_room;
			memcpy(cell_at(&e->cells, tcp_rare(d)->carry)->data, p, len);
			tcp_rare(d)->carry_len = len;
		}
		return len; /* a header at most: nobody can act on it yet */
	}
	if (taken > 0) /* else w is p */
		app_payload(e, f, dir, w.p, (uint32_t)cur_left(&w));
	app_payload(e, f, dir, p + taken, len - taken);
	drop_carry(e, d);
	f->dis = FLOW_DIS_NOBODY;
	if (!hinted || tcp_rare(d)->tries < MIDSTREAM_TRIES)
		tcp_rare(d)->tries++;
	if (app_decides(e, f, &len, reason))
		return len;
	/* Midstream, the first segments may be the rest of a PDU we did not see. */
	if (hinted && !(f->flags & FLOW_TOLD) &&
	    (!(d->flags & DIR_DESYNC) || tcp_rare(d)->tries >= MIDSTREAM_TRIES)) {
		f->flags |= FLOW_TOLD;
		if (judge_condition(e, COND_UNPARSABLE, "not_protocol", FACT_A_NOT_PROTO, NULL) >=
			VERDICT_REJECT && e->inline_mode) {
			*reason = DROP_POLICY_UNPARSABLE;
			return 0;
		}
		return len;
	}
no_room:
	drop_carry(e, d);
nobody:
	/* What no dissector reads may pass a guard only where the policy says so. */
	if (e->inline_mode && e->policy &&
	    policy_condition(e->policy, &f->bind, COND_UNPARSABLE).action >= VERDICT_REJECT) {
		*reason = DROP_POLICY_UNPARSABLE;
		return 0;
	}
	return len;
}

/*
 * The dissector said that the PDU at its front is another protocol's.  What it
 * knew of the flow goes with it; half a PDU of the other side waits for the next
 * owner, as at the start of a flow.
 */
static uint32_t
feed_other(struct engine *e, struct flow *f, unsigned dir, struct cur seg, enum drop_reason *reason)
{
	struct tcp_dir *other = &f->dir[dir ^ 1];

	feed_drop_state(e, f);
	memset(f->dstate, 0, flow_state_room(f));
	f->quick = 0;
	f->dis = FLOW_DIS_ASKING;
	f->variant = 0;
	f->flags &= (uint8_t)~FLOW_TOLD;
	tcp_rare(&f->dir[0])->tries = tcp_rare(&f->dir[1])->tries = 0;
	if (other->flags & DIR_PART || tcp_rare(other)->carry_len > PROBE_MAX) {
		drop_carry(e, other);
		other->flags |= DIR_DESYNC | DIR_A_GAP;
	}
	return feed_unclaimed(e, f, dir, seg.p, (uint32_t)cur_left(&seg), reason);
}

/* A segment start after a loss of step: is it a boundary? */
static bool
resync(const struct flow *f, unsigned dir, struct cur w)
{
	const struct dissector *ds = dissectors[f->dis];
	uint8_t variant = 0;
	enum dis_probe_result r = ds->probe(w, (enum dis_dir)dir, &variant);

	if (r == PROBE_NO || variant != f->variant)
		return false;
	/* MAYBE is proof enough when the PDU fills the segment exactly. */
	return r == PROBE_YES ||
	    ds->frame(w, (enum dis_dir)dir, f->variant) == (int32_t)cur_left(&w);
}

static uint32_t
feed_segment(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len,
    enum drop_reason *reason)
{
	struct tcp_dir *d = &f->dir[dir];

	if (__builtin_expect(f->dis >= FLOW_DIS_NOBODY, 0))
		return feed_unclaimed(e, f, dir, p, len, reason);
	if (__builtin_expect(d->flags & DIR_DESYNC, 0)) {
		if (!resync(f, dir, cur_make(p, len))) {
			if (e->inline_mode && e->policy &&
			    policy_condition(e->policy, &f->bind, COND_UNPARSABLE).action >=
				VERDICT_REJECT) {
				*reason = DROP_POLICY_UNPARSABLE;
				return 0;
			}
			return len;
		}
		d->flags = (uint8_t)((d->flags & ~DIR_DESYNC) |
		    (d->flags & (DIR_A_MIDSTREAM | DIR_A_GAP) ? 0 : DIR_A_RESYNC));
	}
	set_call(e, f, dir, false);
	return feed_loop(e, f, dir, cur_make(p, len), reason);
}

uint32_t
feed_bytes(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len,
    enum drop_reason *reason)
{
	uint32_t passed;

	e->handed = 0;
	e->pdu_at = e->at - tcp_rare(&f->dir[dir])->carry_len;
	passed = feed_segment(e, f, dir, p, len, reason);
	if (__builtin_expect(f->dir[e->sink.dir].flags & DIR_BLOCKED, 0) && passed == len) {
		*reason = DROP_POLICY_PDU;
		return 0;
	}
	return passed;
}

bool
feed_datagram(struct engine *e, struct flow *f, unsigned dir, const uint8_t *p, uint32_t len,
    enum drop_reason *reason)
{
	struct tcp_dir *d = &f->dir[dir];
	struct cur w = cur_make(p, len);
	uint8_t who = 0, variant = 0;
	uint32_t passed = 1;
	bool hinted = true;

	if (f->dis >= FLOW_DIS_NOBODY) {
		if (f->dis == FLOW_DIS_NOBODY && tcp_rare(d)->tries >= PROBE_TRIES) {
			app_payload(e, f, dir, p, len);
			if (app_decides(e, f, &passed, reason))
				return passed != 0;
			goto unreadable;
		}
		if (ask(e, f, w, dir, true, &who, &variant, &hinted) != PROBE_YES ||
		    !feed_claim(e, f, who, variant)) {
			f->dis = FLOW_DIS_NOBODY;
			app_payload(e, f, dir, p, len);
			if (app_decides(e, f, &passed, reason)) {
				tcp_rare(d)->tries++;
				return passed != 0;
			}
			if (!hinted) {
				tcp_rare(d)->tries++;
				goto unreadable;
			}
			goto malformed;
		}
	}
	set_call(e, f, dir, true);
	while (cur_left(&w) > 0) {
		const struct dissector *ds = dissectors[f->dis];
		int32_t n = ds->frame(w, (enum dis_dir)dir, f->variant);

		if (n <= 0 || (uint32_t)n > ds->max_pdu || (size_t)n > cur_left(&w))
			goto malformed;
		if (!give_pdu(e, ds, f, dir, cur_take(&w, (size_t)n))) {
			*reason = DROP_POLICY_PDU;
			return false;
		}
	}
	return true;
malformed:
	if (judge_condition(e, COND_UNPARSABLE, "not_protocol", FACT_A_NOT_PROTO, NULL) <
		VERDICT_REJECT || !e->inline_mode)
		return true;
	*reason = DROP_POLICY_UNPARSABLE;
	return false;
unreadable:
	if (!e->inline_mode || !e->policy ||
	    policy_condition(e->policy, &f->bind, COND_UNPARSABLE).action < VERDICT_REJECT)
		return true;
	*reason = DROP_POLICY_UNPARSABLE;
	return false;
}

void
feed_gap(struct engine *e, struct flow *f, unsigned dir, uint32_t lost)
{
	struct tcp_dir *d = &f->dir[dir];

	drop_carry(e, d);
	d->flags |= DIR_DESYNC | DIR_A_GAP;
	e->st.gaps++;
	if (f->dis < FLOW_DIS_NOBODY && dissectors[f->dis]->gap) {
		set_call(e, f, dir, false);
		dissectors[f->dis]->gap(&e->call, lost);
	}
}

void
feed_forget(struct engine *e, struct tcp_dir *d)
{
	drop_carry(e, d);
}

void
feed_release(struct engine *e, struct flow *f)
{
	drop_carry(e, &f->dir[0]);
	drop_carry(e, &f->dir[1]);
	app_forget(e, f);
	feed_drop_state(e, f);
}
