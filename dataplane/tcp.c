/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.c - connections: how they begin, are taken up again, and end; and every packet of
 * theirs that is not the usual one (burst.c).
 */
#include <string.h>

#include "dataplane/repair.h"

/* --- flows ----------------------------------------------------------------------------- */

static bool
known_port(uint16_t port)
{
	for (unsigned i = 0; i < n_dissectors; i++)
		for (const uint16_t *p = dissectors[i]->ports; p && *p; p++)
			if (*p == port)
				return true;
	return false;
}

/* Did the sender of this packet open the conversation? */
bool
engine_from_client(const struct layers *l)
{
	if (l->proto == NET_PROTO_TCP && l->tcp_flags & TCP_SYN)
		return !(l->tcp_flags & TCP_ACK);
	if (known_port(l->dport))
		return true;
	if (known_port(l->sport))
		return false;
	return l->proto != NET_PROTO_TCP || l->dport <= l->sport;
}

static void
orient(struct flow *f, const struct flow_key *k, bool src_is_client, uint8_t port)
{
	bool client_port1 = (port == 1) == src_is_client;

	f->flags &= (uint8_t)~(FLOW_CLIENT_LO | FLOW_CLIENT_PORT1);
	if (k->src_is_lo == src_is_client)
		f->flags |= FLOW_CLIENT_LO;
	if (client_port1)
		f->flags |= FLOW_CLIENT_PORT1;
}

/*
 * First packet of a conversation.  Inline, a flow exists only where the policy
 * lets one; watch keeps it, to say what was attempted.
 */
struct flow *
engine_new_flow(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k)
{
	bool client = engine_from_client(l), syn = l->tcp_flags & TCP_SYN;
	struct policy_bind bind = {.conduit = RULE_NONE, .generation = e->epoch};
	struct flow *f;

	if (e->policy) {
		struct net_tuple t, back;
		struct verdict v;

		engine_tuple(e, p, l, &t);
		back = net_tuple_reverse(&t);
		v = engine_bind(e, client ? &t : &back, &bind);
		if (e->shadow)
			shadow_flow(e, &t, client, &v);
		if (v.reason == REASON_RULE && v.rule != RULE_NONE)
			e->rule_hits[v.rule]++; /* of l4: a connection is all there is to count */
		if (v.would != VERDICT_ALLOW)
			judge_flow(e, &v, &t, k->hash, false);
		panic_cap(e, &v);
		if (e->inline_mode && v.action >= VERDICT_REJECT) {
			engine_drop(p, DROP_POLICY_CONDUIT);
			if (e->quick_on)
				stranger_learn(e, k, &t, &v);
			return NULL;
		}
		if (e->inline_mode && l->proto == NET_PROTO_TCP && syn && l->tcp_flags & TCP_ACK) {
			engine_drop(p, DROP_TCP_NO_FLOW); /* answers nothing */
			return NULL;
		}
		if (e->inline_mode && l->proto == NET_PROTO_TCP && !syn &&
		    policy_condition(e->policy, &bind, COND_MIDSTREAM).action >= VERDICT_REJECT) {
			engine_drop(p, DROP_TCP_NO_FLOW);
			return NULL;
		}
	}
	if (e->inline_mode && !quota_admit(e, bind.conduit)) {
		engine_drop(p, DROP_FLOW_FULL);
		return NULL;
	}
	f = flow_create(&e->flows, k, l->proto == NET_PROTO_TCP ? FLOW_TICKS(60) : FLOW_TICKS(300));
	if (!f) {
		engine_drop(p, DROP_FLOW_FULL);
		return NULL;
	}
	e->st.flows++;
	e->st.flows_active++;
	f->bind = bind;
	if (e->shadow)
		shadow_begin(e, f);
	if (e->inline_mode)
		quota_add(e, f);
	orient(f, k, client, p->port);
	if (l->proto == NET_PROTO_TCP && !syn) {
		f->flags |= FLOW_MIDSTREAM;
		f->state = FLOW_OPEN;
		e->st.midstream++;
	}
	return f;
}

/* A tuple is used again: the old conversation is over. */
static void
restart(struct engine *e, struct flow *f)
{
	const uint8_t ends = FLOW_CLIENT_LO | FLOW_CLIENT_PORT1;
	uint8_t client = f->flags & ends, dir = e->sink.dir;
	struct policy_bind bind = f->bind;

	if (f->fast != 0)
		path_forget(e, f);
	stream_expire(e, f, true); /* may turn it round; the new one is as its SYN says */
	e->sink.dir = dir;
	f->bind = bind;
	f->flags = (uint8_t)((f->flags & ~ends) | client);
	stream_release(e, f);
	feed_release(e, f);
	memset(f->dir, 0, sizeof(f->dir));
	memset(f->rare, 0, sizeof(f->rare));
	if (e->inline_mode)
		memset(guard_of(e, f), 0, sizeof(struct flow_guard));
	memset(f->dstate, 0, flow_state_room(f));
	f->meter = 0;
	if (e->shadow)
		shadow_begin(e, f);
	f->dis = FLOW_DIS_ASKING;
	f->quick = 0;
	f->variant = 0;
	f->state = FLOW_OPENING;
	f->flags &= (uint8_t) ~(FLOW_MIDSTREAM | FLOW_TOLD | FLOW_REOPEN | FLOW_NO_SCALE);
}

/* Window scale of a SYN (RFC 7323 2.2); NO_SCALE when absent. */
#define NO_SCALE 0xff

static uint8_t
window_scale(const struct pkt *p, const struct layers *l)
{
	uint32_t from = l->l4_off + 20u;
	struct cur c;

	if (l->pay_off < from || l->pay_off > p->caplen)
		return NO_SCALE;
	c = cur_make(p->bytes + from, l->pay_off - from);
	while (cur_left(&c) > 0) {
		uint8_t kind = cur_u8(&c), len;

		if (kind == 0)
			break;
		if (kind == 1)
			continue;
		len = cur_u8(&c);
		if (kind == 3 && len == 3) {
			uint8_t shift = cur_u8(&c);

			return !cur_ok(&c) ? NO_SCALE : shift <= 14 ? shift : 14;
		}
		if (len < 2)
			break;
		cur_skip(&c, len - 2u);
	}
	return NO_SCALE;
}

/*
 * SYN and SYN-ACK: where the directions begin, and whether a tuple is reused.
 *
 * A live session is not given up for one forged SYN: the answer, or data, must
 * agree with it.  Inline only the server's answer says that it has begun anew,
 * whatever we thought of the old connection: a FIN or RST that we saw may not
 * have reached it, and bytes judged as a beginning would be the middle to it.
 */
static void
on_syn(struct engine *e, struct flow *f, unsigned dir, const struct pkt *p, const struct layers *l)
{
	bool answer = l->tcp_flags & TCP_ACK, guard = e->inline_mode;
	struct tcp_dir *d = &f->dir[dir], *o = &f->dir[dir ^ 1];

	if (!answer && (d->flags & DIR_SEEN) && d->nxt != l->seq + 1) {
		bool live = f->state == FLOW_OPEN && (o->flags & DIR_SEEN) &&
		    !(f->flags & FLOW_MIDSTREAM);

		if (dir == DIR_TO_SERVER && !(f->flags & FLOW_MIDSTREAM) && l->seq == f->isn)
			return; /* repeated */
		if (guard ? f->state != FLOW_OPENING || dir == DIR_TO_CLIENT : live) {
			if (dir == DIR_TO_SERVER) {
				f->flags |= FLOW_REOPEN;
				f->reopen_isn = l->seq;
			}
			return;
		}
		restart(e, f);
	} else if (answer && dir == DIR_TO_CLIENT && (f->flags & FLOW_REOPEN) &&
	    l->ack == f->reopen_isn + 1) {
		f->isn = f->reopen_isn;
		restart(e, f);
		o->flags |= DIR_SEEN;
		o->nxt = o->acked = f->isn + 1;
		flow_sent(&e->flows, f, DIR_TO_SERVER);
	} else if ((d->flags & DIR_SEEN) && !(guard && answer && f->state == FLOW_OPENING)) {
		return; /* repeated */
	}
	if (guard && answer &&
	    (dir == DIR_TO_SERVER || !(o->flags & DIR_SEEN) || l->ack != o->nxt))
		return; /* does not answer this SYN */
	d->flags |= DIR_SEEN;
	d->nxt = d->acked = l->seq + 1;
	flow_sent(&e->flows, f, dir);
	tcp_rare(d)->wscale = window_scale(p, l);
	d->win = l->tcp_win;
	if (tcp_rare(d)->wscale == NO_SCALE) { /* it is used when both offer it, else by nobody */
		tcp_rare(d)->wscale = 0;
		if (answer)
			tcp_rare(o)->wscale = 0;
		else
			f->flags |= FLOW_NO_SCALE;
	} else if (answer && f->flags & FLOW_NO_SCALE) {
		tcp_rare(d)->wscale = 0;
	}
	if (answer)
		f->state = FLOW_OPEN;
	else if (dir == DIR_TO_SERVER)
		f->isn = l->seq;
}

/* Data that only fits the new number of a SYN seen on a live flow: the
 * capture is one-sided and the answer was not seen. */
static bool
reopened_by_data(const struct flow *f, unsigned dir, const struct layers *l)
{
	return (f->flags & FLOW_REOPEN) && dir == DIR_TO_SERVER &&
	    l->seq == f->reopen_isn + 1 && f->dir[dir].nxt != l->seq;
}

/* --- packets ------------------------------------------------------------------------------- */

static void
on_end(struct engine *e, struct flow *f, unsigned dir, const struct layers *l)
{
	struct tcp_dir *d = &f->dir[dir];

	if (l->tcp_flags & TCP_RST) {
		/* RFC 5961 3.2: only an exact number ends it at once; in watch a
		 * reset inside the window does, we cannot ask back. */
		if (!(d->flags & DIR_SEEN) || l->seq == d->nxt ||
		    (!e->inline_mode && in_window(f, dir, l))) {
			/* Inline a client's reset may be made not to reach the device:
			 * the flow is remembered for as long as a half-closed one. */
			f->state = e->inline_mode && dir == DIR_TO_SERVER ? FLOW_CLOSING
									  : FLOW_CLOSED;
			transfer_flow_gone(e, f);
		}
	} else if (l->tcp_flags & TCP_FIN && /* watch: also ahead of a hole */
	    (!(d->flags & DIR_SEEN) || l->seq + l->pay_len == d->nxt ||
		(!e->inline_mode && (int32_t)(l->seq + l->pay_len - d->nxt) > 0))) {
		d->flags |= DIR_FIN;
		f->state = f->dir[dir ^ 1].flags & DIR_FIN ? FLOW_CLOSED : FLOW_CLOSING;
	}
	if (f->state == FLOW_CLOSED)
		engine_wake(e, f, FLOW_TICKS(10));
}

/* Guard only: false, and dropped, when no honest stack sends this. */
bool
engine_may_enter(struct engine *e, struct pkt *p, const struct layers *l, struct flow *f, unsigned dir)
{
	enum drop_reason why =
	    engine_wrong_port(e, p, f, dir) ? DROP_POLICY_CONDUIT : inline_checks(p, l, f, dir);

	if (why == DROP_L4_CHECKSUM || why == DROP_IP_CHECKSUM)
		(void)judge_condition(e, COND_BAD_CHECKSUM, "bad_checksum", FACT_A_CHECKSUM, NULL);
	if (why != DROP_NONE)
		engine_drop(p, why);
	return why == DROP_NONE && engine_fits(e, p, l);
}

void
engine_take_note(
    struct engine *e, struct flow *f, unsigned dir, const struct pkt *p, const struct layers *l)
{
	static const uint8_t usual[4] = {1, 1, 8, 10}; /* RFC 7323 appendix A */
	struct flow_guard *g = guard_of(e, f);
	struct repair *r = repair_of(e, f);
	const uint8_t *o = p->bytes + l->l4_off + 20;
	uint32_t n = l->pay_off - l->l4_off - 20u, at = 2;

	if (l->pay_len > PIECE_MIN && l->pay_len > g->big[dir])
		g->big[dir] = (uint16_t)(l->pay_len < SEGMENT_MOST ? l->pay_len : SEGMENT_MOST);
	if (n >= 12 && (memcmp(o, usual, 4) == 0 || (at = inline_option(o, n, 8)) + 10 <= n)) {
		uint32_t val = get_be32(o + at + 2);

		if (!(g->ts_known >> dir & 1) || seq_diff(val, g->ts[dir]) > 0)
			g->ts[dir] = val;
		g->ts_known |= (uint8_t)(1 << dir);
		if (!(g->ts_known >> (dir ^ 1) & 1)) /* what the other side sent last, then */
			g->ts[dir ^ 1] = get_be32(o + at + 6);
		g->flags |= GUARD_TS;
	}
	if (r)
		(void)tmpl_make(&r->tmpl[dir], p, l, false);
}

/* The acknowledgement of a side as the other one counts, and what follows from it. */
static void
translate(struct engine *e, struct flow *f, unsigned dir, const struct pkt *p, struct layers *l)
{
	struct repair *r = repair_of(e, f);
	uint32_t raw = l->ack, edge = repair_out(r, dir ^ 1, guard_of(e, f)->sent[dir ^ 1]);

	l->ack = repair_in(r, dir ^ 1, raw);
	r->raw_moved = seq_diff(raw, r->raw[dir]) > 0;
	r->raw[dir] = raw;
	if (seq_diff(raw, edge) > 1)
		return; /* of what never left */
	if (dir == DIR_TO_SERVER && l->pay_len == 0 &&
	    inline_option(p->bytes + l->l4_off + 20, l->pay_off - l->l4_off - 20u, 5) <
		l->pay_off - l->l4_off - 20u)
		refusal_asked(e, f, raw);
	repair_acked(e, f, dir ^ 1, raw);
}

/* Does a FIN stand behind bytes that have not left?  Then it may not either. */
static bool
fin_too_early(const struct engine *e, const struct flow *f, unsigned dir, const struct layers *l)
{
	return l->tcp_flags & TCP_FIN && f->dir[dir].flags & DIR_SEEN &&
	       (guard_of(e, f)->repair != CELL_NONE || part_holds(e, f, dir)) &&
	       l->seq + l->pay_len != guard_of(e, f)->sent[dir];
}

/* A guard's, when the segment was judged: p leaves, waits or ends; frames of ours. */
static void
settle(struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l,
    struct seg_result *r, bool acked)
{
	if (r->fate == FATE_FORWARD && r->keep == l->pay_len && fin_too_early(e, f, dir, l)) {
		e->note = "FIN in front of bytes that wait";
		*r = (struct seg_result){0, 0, FATE_DROP, DROP_TCP_WAITS};
	} else if (l->tcp_flags & TCP_FIN && dir == DIR_TO_CLIENT &&
		   guard_of(e, f)->repair != CELL_NONE) {
		refusal_place(e, f, guard_of(e, f)->sent[dir], UINT16_MAX); /* now or never */
	}
	engine_settle(e, p, l, r);
	part_acknowledge(e, f, dir, true);
	if (acked && (p->fate == FATE_HELD || p->fate == FATE_CONSUMED))
		inject_ack(e, f, dir); /* what it acknowledged has to arrive */
	if (guard_of(e, f)->flags & GUARD_WANT_RESET) {
		if (p->fate == FATE_FORWARD && r->keep > r->skip) {
			inject_copy(e, p); /* the PDUs in front of it */
			p->fate = FATE_CONSUMED;
		} else if (p->fate == FATE_FORWARD) {
			engine_drop(p, DROP_POLICY_PDU);
		}
		inject_reset(e, f);
	}
	e->at_hand = NULL;
}

/*
 * Is it open, with both directions in step: in order, nothing held, owed, half there or
 * refused, and remembered bytes, if any, one small cell?  Then the next packet may be a usual one (burst.c).
 * What the usual ones do leaves it so; all else that changes it is done here, and asked of again
 * at its end, or by timers, which only touch what is not.
 */
static bool
calm(const struct engine *e, const struct flow *f)
{
	const struct flow_guard *g = e->inline_mode ? guard_of(e, f) : NULL;

	if (f->state != FLOW_OPEN || f->flags & FLOW_REOPEN || f->dis >= FLOW_DIS_NOBODY)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		const struct tcp_dir *d = &f->dir[i];

		if (d->flags != DIR_SEEN || (tcp_rare(d)->ooo | tcp_rare(d)->carry) != CELL_NONE ||
		    d->n_retain > 1 || (d->retain >> 30) > CELL_P ||
		    /* a side that has acknowledged what was not seen: those bytes stay remembered */
		    seq_diff(d->acked, d->nxt) > -(int32_t)(d->retain != CELL_NONE))
			return false;
		if (g != NULL &&
		    (g->sent[i] != d->nxt || g->n_part[i] != 0 || tcp_rare(d)->is_long))
			return false;
	}
	return g == NULL || ((g->flags & ~(GUARD_TS | GUARD_NOT_FAST)) == 0 &&
				(g->repair | g->unseen) == CELL_NONE && f->fast == 0);
}

/*
 * A guard's: is a direction blocked, and nothing else going on?  Then the next packet of it, from the first byte
 * that was not judged on, is dropped, and all it changes is the window (burst.c).  As with calm(), only what is
 * done here can change that, and timers that touch what waits.
 */
static bool
stopped(const struct engine *e, const struct flow *f)
{
	const unsigned busy = GUARD_WANT_RESET | GUARD_RESET | GUARD_OWES_ACK | GUARD_OWES_ACK << 1;
	const struct flow_guard *g = guard_of(e, f);

	return (f->dir[0].flags | f->dir[1].flags) & DIR_BLOCKED &&
	       f->dir[0].flags & f->dir[1].flags & DIR_SEEN && f->state != FLOW_OPENING &&
	       (f->rare[0].ooo | f->rare[1].ooo | g->repair) == CELL_NONE &&
	       (g->flags & busy) == 0 && quota_is_grown(e, f);
}

/* Every other packet of TCP. */
void
engine_tcp(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    struct flow *f)
{
	struct seg_result r = {0, 0, FATE_FORWARD, 0};
	struct layers in;
	unsigned dir;
	uint32_t acked, last_tick;

	if (f)
		flow_stir(&e->flows, f);
	if (__builtin_expect(e->path != NULL, 0) && f && f->fast != 0) {
		enum path_arrival a = path_arrives(e, f, p);

		if (a == PATH_THEIRS)
			return;
		if (a == PATH_GONE)
			f = NULL;
	}
	if (__builtin_expect(f != NULL && engine_stale(e, f), 0) &&
	    !engine_rebind(e, f, engine_direction(f, k->src_is_lo), p, l))
		return;
	if (__builtin_expect(f != NULL && (l->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN, 0) &&
	    engine_direction(f, k->src_is_lo) == DIR_TO_CLIENT &&
	    (f->state == FLOW_CLOSED || (!e->inline_mode && f->flags & FLOW_MIDSTREAM))) {
		/* The other end opens one: who is the client, and what it may, changes. */
		stream_expire(e, f, true);
		flow_remove(&e->flows, f);
		f = NULL;
	}
	if (__builtin_expect(f == NULL, 0)) {
		if (l->tcp_flags & TCP_RST && !e->inline_mode)
			return; /* ends nothing that we know */
		if ((f = engine_new_flow(e, p, l, k)) == NULL)
			return;
	}
	dir = engine_direction(f, k->src_is_lo);
	p->conduit = f->bind.conduit;
	if (e->inline_mode && e->flows.now_tick - f->last_tick > FLOW_TICKS(86400))
		guard_of(e, f)->ts_known = 0; /* they may have gone round: RFC 7323 5.5 */
	last_tick = f->last_tick;
	f->last_tick = e->flows.now_tick;
	engine_aim(e, f, dir, l);
	if (__builtin_expect(e->inline_mode, 0)) {
		guard_of(e, f)->flags &= (uint8_t)~GUARD_WANT_RESET;
		if (!engine_may_enter(e, p, l, f, dir))
			return;
		if (guard_of(e, f)->flags & GUARD_RESET && !(l->tcp_flags & TCP_SYN)) {
			inject_reply(e, f, dir, p, l, last_tick);
			f->quick |= QUICK_ENDED;
			return;
		}
		if (!(l->tcp_flags & TCP_SYN))
			engine_take_note(e, f, dir, p, l);
		e->at_hand = p;
		e->at_hand_l = l;
		e->at_hand_dir = dir;
		if (guard_of(e, f)->repair != CELL_NONE &&
		    (l->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK) {
			in = *l;
			translate(e, f, dir, p, &in);
			l = e->at_hand_l = e->sink.l = &in;
		}
	}
	if (__builtin_expect(l->tcp_flags & TCP_SYN, 0)) {
		on_syn(e, f, dir, p, l);
	} else {
		f->dir[dir].win = l->tcp_win;
		if (f->state == FLOW_OPENING && !e->inline_mode)
			f->state = FLOW_OPEN;
		if (__builtin_expect(f->flags & FLOW_REOPEN, 0) && !e->inline_mode &&
		    reopened_by_data(f, dir, l)) {
			restart(e, f);
			f->dir[dir].flags |= DIR_SEEN;
			f->dir[dir].nxt = f->dir[dir].acked = l->seq;
			f->state = FLOW_OPEN;
		}
	}
	if (__builtin_expect(e->inline_mode, 0) && dir == DIR_TO_SERVER && f->state == FLOW_OPEN &&
	    l->tcp_flags & TCP_ACK && f->dir[DIR_TO_CLIENT].flags & DIR_SEEN &&
	    l->ack == f->dir[DIR_TO_CLIENT].nxt)
		quota_grown(e, f); /* who answers with the server's number is where he says */
	acked = f->dir[dir ^ 1].acked;
	if (l->tcp_flags & TCP_ACK && f->dir[dir ^ 1].flags & DIR_SEEN) {
		stream_acked(e, f, dir ^ 1, l->ack);
		dir = e->sink.dir; /* what was held may have turned the flow round */
		if (e->inline_mode)
			part_acknowledge(e, f, dir ^ 1, false);
	}
	/* RFC 9293 3.10.7: text of a RST is not of the stream.  Data in a SYN is taken
	 * by some servers only (RFC 7413): inline it comes again behind the handshake. */
	if (l->pay_len > 0 && !(l->tcp_flags & TCP_RST) &&
	    !(l->tcp_flags & TCP_SYN && e->inline_mode)) {
		struct seg s = {
		    .p = p->bytes + l->pay_off,
		    .len = l->pay_len,
		    .seq = l->seq + (l->tcp_flags & TCP_SYN ? 1 : 0),
		    .pkt = p,
		    .l = l,
		};

		r = stream_segment(e, f, dir, &s);
		dir = e->sink.dir;
		if (__builtin_expect(l->flags & LAYER_CUT, 0))
			/* The rest was on the wire but not in the capture. */
			e->note = "capture cut the packet";
	}
	if (e->inline_mode)
		settle(e, f, dir, p, l, &r, f->dir[dir ^ 1].acked != acked);
	else if (__builtin_expect(r.fate != FATE_FORWARD, 0))
		engine_settle(e, p, l, &r);
	if (__builtin_expect(l->tcp_flags & (TCP_FIN | TCP_RST), 0) && p->fate == FATE_FORWARD)
		on_end(e, f, dir, l);
	if (__builtin_expect(e->path != NULL, 0))
		path_touch(e, f);
	if (calm(e, f))
		f->quick |= QUICK_CALM;
	else if (e->inline_mode && stopped(e, f))
		f->quick |= QUICK_STOPPED;
	else if (e->inline_mode && refusal_steady(e, f))
		f->quick |= QUICK_REFUSING;
}
