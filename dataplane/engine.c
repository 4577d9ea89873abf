/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - bursts: decode, look up, judge, decide each frame's fate.
 *
 * A burst is worked in stages so that memory is asked for before it is needed:
 * all headers are decoded and hashed while the buckets are fetched, all
 * candidates are found while the flows are fetched, and only then are the
 * packets judged, in order.
 */
#include "dataplane/engine.h"

#include <stdlib.h>
#include <string.h>

#include "alerts/alert.h"
#include "dataplane/decode_fast.h"
#include "dataplane/engine_int.h"

#define DEFAULT_MEMORY (64u << 20)
#define MIN_FLOWS      64u
#define FRAG_DATAGRAMS 64u /* in reassembly at once; fewer when memory is small */

/* --- setup --------------------------------------------------------------------------- */

static void
on_gone(void *ctx, struct flow *f)
{
	struct engine *e = ctx;

	stream_release(e, f);
	feed_release(e, f);
	e->st.flows_active--;
}

/* How long a flow may be idle before it is forgotten.  A session that was
 * opened properly lives for months; it goes only when the table needs room. */
static uint32_t
patience(const struct flow *f)
{
	if ((uint8_t)(f->kb >> 8) != NET_PROTO_TCP)
		return FLOW_TICKS(300);
	switch ((enum flow_state)f->state) {
	case FLOW_OPENING:
		return FLOW_TICKS(60);
	case FLOW_CLOSED:
		return FLOW_TICKS(10);
	case FLOW_CLOSING:
		return FLOW_TICKS(3600);
	case FLOW_OPEN:
		break;
	}
	return UINT32_MAX / 4;
}

static uint32_t
on_timer(void *ctx, struct flow *f)
{
	struct engine *e = ctx;
	uint32_t idle = e->flows.now_tick - f->last_tick, limit = patience(f);

	if (f->dir[0].ooo != CELL_NONE || f->dir[1].ooo != CELL_NONE)
		stream_expire(e, f, false);
	if (idle > UINT32_MAX / 2)
		return limit; /* packet time went back */
	return idle >= limit ? 0 : limit - idle;
}

/* Split one number of bytes: half to flows, the rest to cells. */
static void
plan_memory(const struct engine_conf *c, uint32_t *flows, uint32_t cells[CELL__CLASSES])
{
	size_t total = c->memory_bytes ? c->memory_bytes : DEFAULT_MEMORY;
	size_t per_flow = flow_table_cost(1u << 20) >> 20;
	size_t half = total / 2, rest;

	*flows = c->max_flows ? c->max_flows : (uint32_t)(half / per_flow);
	if (*flows < MIN_FLOWS)
		*flows = MIN_FLOWS;
	rest = total > flow_table_cost(*flows) ? total - flow_table_cost(*flows) : total / 4;
	cells[CELL_S] = (uint32_t)(rest / 8 / CELL_S_SIZE) + 64;
	cells[CELL_P] = (uint32_t)(rest / 8 / CELL_P_SIZE) + 64;
	cells[CELL_M] = (uint32_t)(rest / 2 / CELL_M_SIZE) + 64;
	cells[CELL_L] = (uint32_t)(rest / 8 / CELL_L_SIZE) + 4;
}

struct engine *
engine_new(const struct engine_conf *conf)
{
	uint32_t flows, cells[CELL__CLASSES];
	unsigned datagrams;
	struct engine *e = aligned_alloc(64, (sizeof(*e) + 63) / 64 * 64);

	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->conf = *conf;
	e->policy = conf->policy;
	e->inline_mode = conf->inline_mode;
	plan_memory(conf, &flows, cells);
	datagrams = (unsigned)((conf->memory_bytes ? conf->memory_bytes : DEFAULT_MEMORY) >> 20);
	e->frags = frag_new(datagrams < 2 ? 2 : datagrams > FRAG_DATAGRAMS ? FRAG_DATAGRAMS : datagrams,
	    conf->seed);
	e->scratch = aligned_alloc(64, SCRATCH_BYTES);
	e->classify = conf->classify ? classify_new() : NULL;
	e->rule_hits = calloc(conf->policy ? policy_rule_count(conf->policy) + 1 : 1,
	    sizeof(*e->rule_hits));
	if (!e->frags || !e->scratch || !e->rule_hits ||
	    flow_table_init(&e->flows, flows, conf->seed) < 0 || cells_init(&e->cells, cells) < 0) {
		engine_free(e);
		return NULL;
	}
	e->flows.on_gone = on_gone;
	e->flows.on_timer = on_timer;
	e->flows.ctx = e;
	e->sink.e = e;
	e->st.memory_bytes = sizeof(*e) + e->flows.bytes + frag_bytes(e->frags) + SCRATCH_BYTES +
	    classify_bytes(e->classify);
	for (unsigned k = 0; k < CELL__CLASSES; k++)
		e->st.memory_bytes += (size_t)cells[k] * cell_sizes[k];
	return e;
}

void
engine_free(struct engine *e)
{
	if (!e)
		return;
	flow_table_fini(&e->flows);
	cells_fini(&e->cells);
	frag_free(e->frags);
	classify_free(e->classify);
	free(e->scratch);
	free(e->rule_hits);
	free(e);
}

uint32_t
engine_max_flows(const struct engine *e)
{
	return e->flows.max;
}

/* --- fates ---------------------------------------------------------------------------- */

static inline void
drop(struct pkt *p, enum drop_reason why)
{
	p->fate = FATE_DROP;
	p->reason = (uint8_t)why;
}

/* Carry out what the stream layer decided about a frame. */
static void
settle(struct engine *e, struct pkt *p, const struct layers *l, const struct seg_result *r)
{
	if (r->fate == FATE_HELD || r->fate == FATE_CONSUMED) {
		p->fate = r->fate;
		return;
	}
	if (!e->inline_mode || (r->keep == l->pay_len && r->skip == 0 && !inline_unclean(p, l)))
		return;
	/* Part of it may go, or (fate forward) its header alone: a keep-alive. */
	if (r->fate == FATE_DROP && r->keep == r->skip)
		drop(p, (enum drop_reason)r->reason);
	else if (!inline_trim(e, p, l, r->skip, r->keep))
		drop(p, DROP_TCP_POOL_FULL);
}

void
engine_release(struct engine *e, struct pkt *p, const struct layers *l, const struct seg_result *r)
{
	settle(e, p, l, r);
	e->st.held--;
	if (p->fate == FATE_FORWARD) {
		e->st.forwarded++;
		if (e->conf.io)
			(void)e->conf.io->be->tx(e->conf.io, p);
	} else {
		e->st.dropped[p->reason]++;
	}
}

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
static bool
from_client(const struct layers *l)
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
static struct flow *__attribute__((noinline))
new_flow(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k)
{
	bool client = from_client(l), syn = l->tcp_flags & TCP_SYN;
	struct policy_bind bind = {.conduit = RULE_NONE};
	struct flow *f;

	if (e->policy) {
		struct net_tuple t, back;
		struct verdict v;

		layers_tuple(l, p->port, &t);
		back = net_tuple_reverse(&t);
		v = policy_bind(e->policy, client ? &t : &back, &bind);
		if (v.would != VERDICT_ALLOW)
			judge_flow(e, &v, &t, k->hash, false);
		if (e->inline_mode && v.action >= VERDICT_REJECT) {
			drop(p, DROP_POLICY_CONDUIT);
			return NULL;
		}
		if (e->inline_mode && l->proto == NET_PROTO_TCP && syn && l->tcp_flags & TCP_ACK) {
			drop(p, DROP_TCP_NO_FLOW); /* answers nothing */
			return NULL;
		}
		if (e->inline_mode && l->proto == NET_PROTO_TCP && !syn &&
		    policy_condition(e->policy, &bind, COND_MIDSTREAM).action >= VERDICT_REJECT) {
			drop(p, DROP_TCP_NO_FLOW);
			return NULL;
		}
	}
	f = flow_create(&e->flows, k, l->proto == NET_PROTO_TCP ? FLOW_TICKS(60) : FLOW_TICKS(300));
	if (!f) {
		drop(p, DROP_FLOW_FULL);
		return NULL;
	}
	e->st.flows++;
	e->st.flows_active++;
	f->bind = bind;
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

	stream_expire(e, f, true); /* may turn it round; the new one is as its SYN says */
	e->sink.dir = dir;
	f->bind = bind;
	f->flags = (uint8_t)((f->flags & ~ends) | client);
	stream_release(e, f);
	feed_release(e, f);
	memset(f->dir, 0, sizeof(f->dir));
	memset(f->dstate, 0, sizeof(f->dstate));
	f->dis = FLOW_DIS_ASKING;
	f->variant = 0;
	f->state = FLOW_OPENING;
	f->flags &= (uint8_t)~(FLOW_MIDSTREAM | FLOW_TOLD | FLOW_REOPEN);
}

/* Window scale of a SYN (RFC 7323 2.2), 0 when absent. */
static uint8_t
window_scale(const struct pkt *p, const struct layers *l)
{
	uint32_t from = l->l4_off + 20u;
	struct cur c;

	if (l->pay_off < from || l->pay_off > p->caplen)
		return 0;
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

			return cur_ok(&c) && shift <= 14 ? shift : 0;
		}
		if (len < 2)
			break;
		cur_skip(&c, len - 2u);
	}
	return 0;
}

/*
 * SYN and SYN-ACK: where the directions begin, and whether a tuple is reused.
 *
 * A live session is not given up for one forged SYN: the answer, or data, must
 * agree with it.  Inline only the server's answer says that it has begun anew,
 * whatever we thought of the old connection: a FIN or RST that we saw may not
 * have reached it, and bytes judged as a beginning would be the middle to it.
 */
static void __attribute__((noinline))
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
	} else if ((d->flags & DIR_SEEN) && !(guard && answer && f->state == FLOW_OPENING)) {
		return; /* repeated */
	}
	if (guard && answer &&
	    (dir == DIR_TO_SERVER || !(o->flags & DIR_SEEN) || l->ack != o->nxt))
		return; /* does not answer this SYN */
	d->flags |= DIR_SEEN;
	d->nxt = d->acked = l->seq + 1;
	d->wscale = window_scale(p, l);
	d->win = l->tcp_win;
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

/* --- transport -------------------------------------------------------------------------- */

static inline void
aim(struct engine *e, struct flow *f, unsigned dir, const struct layers *l)
{
	e->sink.fl = f;
	e->sink.l = l;
	e->sink.dir = (uint8_t)dir;
	e->sink.tuple_ok = false;
}

static inline struct flow *
find(struct engine *e, const struct flow_key *k, uint32_t candidate)
{
	if (__builtin_expect(candidate != FLOW_NONE, 1)) {
		struct flow *f = &e->flows.flows[candidate];

		if (__builtin_expect(f->hash == k->hash && f->wheel_slot != UINT16_MAX &&
			flow_matches(&e->flows, f, k), 1))
			return f;
	}
	return flow_lookup(&e->flows, k);
}

static inline unsigned
direction(const struct flow *f, const struct flow_key *k)
{
	return k->src_is_lo == ((f->flags & FLOW_CLIENT_LO) != 0) ? DIR_TO_SERVER : DIR_TO_CLIENT;
}

static void __attribute__((noinline))
on_end(struct engine *e, struct flow *f, unsigned dir, const struct layers *l)
{
	struct tcp_dir *d = &f->dir[dir];

	if (l->tcp_flags & TCP_RST) {
		/* RFC 5961 3.2: only an exact number ends it at once; in watch a
		 * reset inside the window does, we cannot ask back. */
		if (!(d->flags & DIR_SEEN) || l->seq == d->nxt ||
		    (!e->inline_mode && in_window(f, dir, l)))
			/* Inline a client's reset may be made not to reach the device:
			 * the flow is remembered for as long as a half-closed one. */
			f->state = e->inline_mode && dir == DIR_TO_SERVER ? FLOW_CLOSING
									  : FLOW_CLOSED;
	} else if (l->tcp_flags & TCP_FIN && /* watch: also ahead of a hole */
	    (!(d->flags & DIR_SEEN) || l->seq + l->pay_len == d->nxt ||
		(!e->inline_mode && (int32_t)(l->seq + l->pay_len - d->nxt) > 0))) {
		d->flags |= DIR_FIN;
		f->state = f->dir[dir ^ 1].flags & DIR_FIN ? FLOW_CLOSED : FLOW_CLOSING;
	}
	if (f->state == FLOW_CLOSED)
		flow_timer(&e->flows, f, FLOW_TICKS(10));
}

/* The small copy of retain, 8 bytes and more, without a call. */
static inline void
copy_small(uint8_t *to, const uint8_t *from, uint32_t n)
{
	uint32_t i = 0;

	if (n < 16) {
		memcpy(to, from, 8);
		memcpy(to + n - 8, from + n - 8, 8);
		return;
	}
	for (; i + 64 <= n; i += 64) /* four at once: one copy in vectors, no turn of a loop each */
		for (unsigned k = 0; k < 64; k += 16)
			memcpy(to + i + k, from + i + k, 16);
	for (; i + 16 <= n; i += 16)
		memcpy(to + i, from + i, 16);
	memcpy(to + n - 16, from + n - 16, 16);
}

/*
 * The packet that nearly every packet is: the next bytes of an open
 * conversation, exactly one whole PDU or none, nothing held, nothing owed.
 * Everything it does, the general path below does too.  False: not that packet,
 * and nothing was changed.
 */
static inline bool
usual_packet(struct engine *e, const struct pkt *p, const struct layers *l, struct flow *f,
    unsigned dir)
{
	struct tcp_dir *d = &f->dir[dir], *o = &f->dir[dir ^ 1];
	const uint8_t *pay = p->bytes + l->pay_off;
	const struct dissector *ds = NULL;
	struct cell *c;
	cell_id id;

	if ((l->tcp_flags & ~TCP_PSH) != TCP_ACK || d->flags != DIR_SEEN || !(o->flags & DIR_SEEN) ||
	    l->seq != d->nxt || (d->ooo | d->carry | o->ooo) != CELL_NONE ||
	    f->dis >= FLOW_DIS_NOBODY || f->state != FLOW_OPEN ||
	    f->flags & FLOW_REOPEN)
		return false;
	/* The peer's bytes: all acknowledged (usual), or nothing new. */
	if (l->ack != o->nxt || o->n_retain > 1 || (o->retain >> 30) > CELL_P)
		return false;
	if (l->pay_len == 0) {
		d->win = l->tcp_win;
	} else {
		ds = dissectors[f->dis];
		if (l->pay_len > CELL_P_SIZE - sizeof(struct cell) || l->pay_len < 8 ||
		    d->retain != CELL_NONE ||
		    ds->frame(cur_make(pay, l->pay_len), (enum dis_dir)dir, f->variant) !=
			(int32_t)l->pay_len)
			return false;
		d->win = l->tcp_win;
	}
	if (o->retain != CELL_NONE) {
		cell_put(&e->cells, o->retain);
		o->retain = CELL_NONE;
		o->n_retain = 0;
	}
	o->acked = l->ack;
	if (l->pay_len == 0)
		return true;
	id = cell_get_small(
	    &e->cells, l->pay_len <= CELL_S_SIZE - sizeof(struct cell) ? CELL_S : CELL_P);
	if (__builtin_expect(id == CELL_NONE, 0))
		id = cell_get(&e->cells, l->pay_len);
	if (id == CELL_NONE) {
		e->st.pool_full++;
	} else {
		c = cell_at(&e->cells, id);
		c->next = id;
		c->seq = l->seq;
		c->len = l->pay_len;
		copy_small(c->data, pay, l->pay_len);
		d->retain = id;
		d->n_retain = 1;
	}
	d->nxt = l->seq + l->pay_len;
	(void)feed_pdu(e, ds, f, dir, pay, l->pay_len);
	return true;
}

/* Inline a side stays behind its port: nobody answers in the name of a device. */
static bool
wrong_port(struct engine *e, const struct pkt *p, const struct flow *f, unsigned dir)
{
	e->two_ports |= p->port != 0;
	return e->two_ports &&
	    p->port != (((f->flags & FLOW_CLIENT_PORT1) != 0) == (dir == DIR_TO_SERVER));
}

/* Guard only: false, and dropped, when no honest stack sends this. */
static bool __attribute__((noinline))
may_enter(struct engine *e, struct pkt *p, const struct layers *l, struct flow *f, unsigned dir)
{
	enum drop_reason why =
	    wrong_port(e, p, f, dir) ? DROP_POLICY_CONDUIT : inline_checks(p, l, f, dir);

	if (why == DROP_L4_CHECKSUM || why == DROP_IP_CHECKSUM)
		(void)judge_condition(e, COND_BAD_CHECKSUM, "bad_checksum", FACT_A_CHECKSUM, NULL);
	if (why != DROP_NONE)
		drop(p, why);
	return why == DROP_NONE;
}

/* Every other packet of TCP. */
static void __attribute__((noinline))
tcp_general(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    struct flow *f)
{
	struct seg_result r = {0, 0, FATE_FORWARD, 0};
	unsigned dir;

	if (__builtin_expect(f != NULL && (l->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN, 0) &&
	    direction(f, k) == DIR_TO_CLIENT &&
	    (f->state == FLOW_CLOSED || (!e->inline_mode && f->flags & FLOW_MIDSTREAM))) {
		/* The other end opens one: who is the client, and what it may, changes. */
		stream_expire(e, f, true);
		flow_remove(&e->flows, f);
		f = NULL;
	}
	if (__builtin_expect(f == NULL, 0)) {
		if (l->tcp_flags & TCP_RST && !e->inline_mode)
			return; /* ends nothing that we know */
		if ((f = new_flow(e, p, l, k)) == NULL)
			return;
	}
	dir = direction(f, k);
	f->last_tick = e->flows.now_tick;
	aim(e, f, dir, l);
	if (__builtin_expect(e->inline_mode, 0) && !may_enter(e, p, l, f, dir))
		return;
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
	if (l->tcp_flags & TCP_ACK && f->dir[dir ^ 1].flags & DIR_SEEN) {
		stream_acked(e, f, dir ^ 1, l->ack);
		dir = e->sink.dir; /* what was held may have turned the flow round */
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
	if (__builtin_expect(r.fate != FATE_FORWARD || e->inline_mode, 0))
		settle(e, p, l, &r);
	if (__builtin_expect(l->tcp_flags & (TCP_FIN | TCP_RST), 0) && p->fate == FATE_FORWARD)
		on_end(e, f, dir, l);
}

static inline void
tcp_packet(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    uint32_t candidate)
{
	struct flow *f = find(e, k, candidate);

	if (__builtin_expect(f != NULL, 1) && !e->inline_mode) {
		unsigned dir = direction(f, k);

		f->last_tick = e->flows.now_tick;
		aim(e, f, dir, l);
		if (__builtin_expect(usual_packet(e, p, l, f, dir), 1))
			return;
	}
	tcp_general(e, p, l, k, f);
}

static void
udp_packet(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    uint32_t candidate)
{
	struct flow *f = find(e, k, candidate);
	enum drop_reason why = DROP_NONE;
	unsigned dir;

	if (!f && (f = new_flow(e, p, l, k)) == NULL)
		return;
	dir = direction(f, k);
	f->last_tick = e->flows.now_tick;
	f->state = FLOW_OPEN;
	aim(e, f, dir, l);
	if (e->inline_mode && !may_enter(e, p, l, f, dir))
		return;
	if (l->pay_len > 0 &&
	    !feed_datagram(e, f, dir, p->bytes + l->pay_off, l->pay_len, &why))
		drop(p, why);
}

/* --- what is not TCP or UDP --------------------------------------------------------------- */

static void
l2_frame(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct policy_l2 l2 = {.ethertype = l->ethertype, .vlan = l->vlan};
	struct net_tuple t = {.vlan = l->vlan, .port = p->port};
	struct verdict v;

	if (!e->policy)
		return;
	if (l->smac) {
		memcpy(l2.smac, l->smac, 6);
		memcpy(l2.dmac, l->dmac, 6);
		memcpy(t.smac, l->smac, 6);
		memcpy(t.dmac, l->dmac, 6);
	}
	if (l->flags & LAYER_ARP)
		l2.arp = decode_arp(p, l, &l2);
	v = policy_eval_l2(e->policy, &l2);
	if (v.would != VERDICT_ALLOW)
		judge_flow(e, &v, &t, hash_mix(e->flows.seed, l->ethertype, l->vlan), true);
	if (e->inline_mode && v.action >= VERDICT_REJECT)
		drop(p, DROP_L2_POLICY);
}

/* ICMP and other IP protocols.  Inline an ICMP error passes when it speaks of
 * a flow we know (RFC 792: it quotes IP header and 8 bytes); nothing else does. */
static void
other_ip(struct engine *e, struct pkt *p, const struct layers *l)
{
	const uint8_t *in = p->bytes + l->pay_off + 8;
	struct layers quoted = {0};
	struct flow_key k;
	uint32_t hl;

	if (!e->inline_mode || !e->policy)
		return;
	if (l->proto != NET_PROTO_ICMP || l->flags & LAYER_V6 || l->pay_len < 8 + 20 + 4)
		goto out;
	switch (p->bytes[l->pay_off]) {
	case 3:	 /* destination unreachable; path MTU needs it */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		break;
	default: /* echo, redirect and the like may quote what they want */
		goto out;
	}
	hl = (in[0] & 15u) * 4u;
	if (in[0] >> 4 != 4 || hl < 20 || l->pay_len < 8 + hl + 4)
		goto out;
	quoted.flags = LAYER_IP | LAYER_L4;
	quoted.proto = in[9];
	quoted.vlan = l->vlan;
	quoted.src = in + 12;
	quoted.dst = in + 16;
	quoted.sport = (uint16_t)(in[hl] << 8 | in[hl + 1]);
	quoted.dport = (uint16_t)(in[hl + 2] << 8 | in[hl + 3]);
	flow_key_make(&e->flows, &quoted, &k);
	if (flow_lookup(&e->flows, &k))
		return;
out:
	drop(p, DROP_IP_PROTO);
}

static void transport(struct engine *e, struct pkt *p, const struct layers *l);

/*
 * Watch reassembles and judges the whole.  Guard refuses: what has left in
 * pieces cannot be called back.
 */
static void
fragment(struct engine *e, struct pkt *p, const struct layers *l)
{
	enum drop_reason why = DROP_NONE;
	const uint8_t *ip;
	uint32_t len;

	if (e->inline_mode && e->policy) {
		struct net_tuple t;
		struct verdict v = policy_condition(e->policy, NULL, COND_FRAGMENT);

		layers_tuple(l, p->port, &t);
		judge_flow(e, &v, &t, hash_mix(e->flows.seed, l->frag_id, 0), false);
		drop(p, DROP_FRAG_POLICY);
		return;
	}
	switch (frag_put(e->frags, p, l, e->now_ns, &ip, &len, &why)) {
	case FRAG_WAIT:
		return;
	case FRAG_DROP:
		drop(p, why);
		return;
	case FRAG_WHOLE:
		break;
	}
	{
		struct pkt whole = *p;
		struct layers wl = {0};

		if ((why = decode_ip(ip, len, (l->flags & LAYER_V6) != 0, &wl)) != DROP_NONE) {
			drop(p, why);
			return;
		}
		whole.bytes = ip;
		whole.caplen = whole.wirelen = len;
		wl.vlan = l->vlan;
		wl.smac = l->smac;
		wl.dmac = l->dmac;
		transport(e, &whole, &wl);
		p->fate = whole.fate;
		p->reason = whole.reason;
	}
}

static void
transport(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct flow_key k;

	if (!(l->flags & LAYER_L4)) {
		other_ip(e, p, l);
		return;
	}
	flow_key_make(&e->flows, l, &k);
	if (l->proto == NET_PROTO_TCP)
		tcp_packet(e, p, l, &k, FLOW_NONE);
	else
		udp_packet(e, p, l, &k, FLOW_NONE);
}

/* --- the burst ------------------------------------------------------------------------------ */

static void __attribute__((noinline))
show_packet(struct engine *e, const struct pkt *p, const struct layers *l, bool decoded)
{
	struct net_tuple t = {0};
	struct engine_packet ep = {
	    .frame = p->frame,
	    .ts_ns = p->ts_ns,
	    .fate = p->fate,
	    .reason = p->reason,
	    .note = e->note,
	};

	if (decoded && l->flags & LAYER_IP) {
		layers_tuple(l, p->port, &t);
		ep.tuple = &t;
	}
	e->conf.on_packet(e->conf.ctx, &ep);
}

/* A burst is counted as forwarded at first; this puts right what was not. */
static void __attribute__((noinline))
account(struct engine *e, const struct pkt *p)
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

void
engine_burst(struct engine *e, struct pkt *burst, unsigned n)
{
	struct layers l[PKT_BURST];
	struct flow_key k[PKT_BURST];
	uint32_t candidate[PKT_BURST];
	uint8_t why[PKT_BURST];
	uint64_t now = e->now_ns, bytes = 0;

	if (n == 0)
		return;
	if (n > PKT_BURST)
		n = PKT_BURST;
	e->scratch_used = 0;
	for (unsigned i = 0; i < n; i++) {
		__builtin_prefetch(burst[i].bytes + 64); /* where a short payload ends */
		if (burst[i].caplen > 128) {
			__builtin_prefetch(burst[i].bytes + 128);
			__builtin_prefetch(burst[i].bytes + 192);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		why[i] = (uint8_t)decode_inline(&burst[i], &l[i]);
		candidate[i] = FLOW_NONE;
		if (__builtin_expect((l[i].flags & LAYER_L4) != 0, 1) && why[i] == DROP_NONE) {
			flow_key_make(&e->flows, &l[i], &k[i]);
			flow_prefetch_bucket(&e->flows, k[i].hash);
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (why[i] == DROP_NONE && l[i].flags & LAYER_L4) {
			const char *f;

			candidate[i] = flow_candidate(&e->flows, k[i].hash);
			if (candidate[i] == FLOW_NONE)
				continue;
			f = (const char *)&e->flows.flows[candidate[i]];
			__builtin_prefetch(f);
			__builtin_prefetch(f + 64, 1);
			__builtin_prefetch(f + 128, 1);
			__builtin_prefetch(f + 192, 1);
		}
	for (unsigned i = 0; i < n; i++)
		if (candidate[i] != FLOW_NONE) {
			struct flow *f = &e->flows.flows[candidate[i]];

			if (f->dir[0].retain != CELL_NONE)
				__builtin_prefetch(cell_at(&e->cells, f->dir[0].retain), 1);
			if (f->dir[1].retain != CELL_NONE)
				__builtin_prefetch(cell_at(&e->cells, f->dir[1].retain), 1);
			if (f->flags & FLOW_STATE_CELL) {
				const char *state = feed_state(e, f);

				__builtin_prefetch(state, 1);
				__builtin_prefetch(state + 64, 1);
				__builtin_prefetch(state + 128, 1);
			}
		}
	if (burst[n - 1].ts_ns > now)
		now = burst[n - 1].ts_ns;
	if (now >> FLOW_TICK_SHIFT != e->now_ns >> FLOW_TICK_SHIFT)
		engine_tick(e, now);
	e->now_ns = now;
	e->st.received += n;
	e->st.forwarded += n;
	for (unsigned i = 0; i < n; i++) {
		struct pkt *p = &burst[i];

		bytes += p->wirelen;
		e->sink.frame = p->frame;
		e->sink.ts_ns = p->ts_ns;
		e->sink.would_drop = false;
		e->note = NULL;
		p->fate = FATE_FORWARD;
		p->reason = DROP_NONE;
		if (__builtin_expect(why[i] != DROP_NONE, 0))
			drop(p, (enum drop_reason)why[i]);
		else if (__builtin_expect((l[i].flags & LAYER_L4) != 0, 1)) {
			if (l[i].proto == NET_PROTO_TCP)
				tcp_packet(e, p, &l[i], &k[i], candidate[i]);
			else
				udp_packet(e, p, &l[i], &k[i], candidate[i]);
		} else if (l[i].flags & LAYER_FRAGMENT)
			fragment(e, p, &l[i]);
		else if (l[i].flags & LAYER_IP)
			other_ip(e, p, &l[i]);
		else
			l2_frame(e, p, &l[i]);
		if (__builtin_expect(p->fate != FATE_FORWARD, 0))
			account(e, p);
		e->st.would_drop += e->sink.would_drop;
		if (e->conf.on_packet)
			show_packet(e, p, &l[i], why[i] == DROP_NONE);
	}
	e->st.bytes += bytes;
}

void
engine_tick(struct engine *e, uint64_t now_ns)
{
	unsigned fragments = 0;

	if (now_ns > e->now_ns)
		e->now_ns = now_ns;
	flow_advance(&e->flows, e->now_ns);
	(void)frag_expire(e->frags, e->now_ns, &fragments);
	e->st.flows_evicted = e->flows.evicted;
	e->st.flows_expired = e->flows.expired;
}

void
engine_finish(struct engine *e)
{
	e->sink.ts_ns = e->now_ns;
	for (uint32_t i = 0; i < e->flows.max; i++) {
		struct flow *f = &e->flows.flows[i];

		if (f->wheel_slot == UINT16_MAX)
			continue;
		if (f->dir[0].ooo != CELL_NONE || f->dir[1].ooo != CELL_NONE)
			stream_expire(e, f, true);
		flow_remove(&e->flows, f);
	}
	e->st.flows_evicted = e->flows.evicted;
	e->st.flows_expired = e->flows.expired;
}

const struct engine_stats *
engine_stats(struct engine *e)
{
	struct engine_stats *s = &e->st;

	/* What is counted in another form on the packet path. */
	s->requests = e->kinds[FACT_REQUEST];
	s->responses = e->kinds[FACT_RESPONSE];
	s->exceptions = e->kinds[FACT_EXCEPTION];
	s->malformed = e->kinds[FACT_MALFORMED];
	s->pdus = s->requests + s->responses + s->exceptions + s->malformed + e->kinds[FACT_OTHER] -
	    e->told;
	s->verdicts[VERDICT_ALLOW] += e->allowed;
	s->would[VERDICT_ALLOW] += e->allowed;
	e->allowed = 0;
	return s;
}

const uint64_t *
engine_rule_hits(const struct engine *e)
{
	return e->rule_hits;
}

bool
engine_balanced(const struct engine_stats *s)
{
	uint64_t dropped = 0;

	for (unsigned i = 0; i < DROP__MAX; i++)
		dropped += s->dropped[i];
	return s->received + s->injected == s->forwarded + dropped + s->consumed + s->held;
}
