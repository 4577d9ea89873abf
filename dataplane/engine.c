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
#include "dataplane/repair.h"
#include "policy/memory.h"

#define DEFAULT_MEMORY (64u << 20)
#define MIN_FLOWS      64u
#define CLOCK_BACK_NS  UINT64_C(2000000000)
#define FRAG_DATAGRAMS 64u /* in reassembly at once; fewer when memory is small */

/* --- setup --------------------------------------------------------------------------- */

static void
on_gone(void *ctx, struct flow *f)
{
	struct engine *e = ctx;

	if (__builtin_expect(f->guard.fast != 0, 0))
		path_forget(e, f);
	stream_release(e, f);
	feed_release(e, f);
	if (e->inline_mode)
		quota_remove(e, f);
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

/* What only a guard waits for; ticks until it wants to be asked again, 0: it does not. */
static uint32_t
guard_timer(struct engine *e, struct flow *f)
{
	uint32_t waits[3] = {part_timer(e, f), refusal_timer(e, f), stream_timer(e, f)};
	uint32_t again = 0;

	for (unsigned i = 0; i < 3; i++)
		if (waits[i] != 0 && (again == 0 || waits[i] < again))
			again = waits[i];
	return again;
}

void
engine_wake(struct engine *e, struct flow *f, uint32_t ticks)
{
	const struct repair *r = repair_of(e, f);

	if (r && r->armed && ticks > RESEND_TICKS)
		ticks = RESEND_TICKS;
	flow_timer(&e->flows, f, ticks);
}

static uint32_t
on_timer(void *ctx, struct flow *f)
{
	struct engine *e = ctx;
	uint32_t idle = e->flows.now_tick - f->last_tick, limit, left, ours = 0;

	if (!e->inline_mode && (f->dir[0].ooo != CELL_NONE || f->dir[1].ooo != CELL_NONE)) {
		/* Not removed: the table is at it.  Nothing held passes, it goes at its next packet. */
		if (!e->inline_mode && engine_stale(e, f))
			(void)engine_rebind(e, f, 0, NULL, NULL);
		stream_expire(e, f, false);
	}
	if (e->inline_mode)
		ours = guard_timer(e, f);
	limit = patience(f);
	if (idle > UINT32_MAX / 2)
		left = limit; /* packet time went back */
	else
		left = idle >= limit ? 0 : limit - idle;
	return ours != 0 && left > ours ? ours : left;
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
	e->scratch = aligned_alloc(64, SCRATCH_BYTES + 2 * SCRATCH_FRAME);
	e->classify = conf->classify ? classify_new() : NULL;
	e->rule_hits =
	    calloc(ENGINE_RULES, sizeof(*e->rule_hits)); /* used as far as there are rules */
	e->memory = policy_memory_new(
	    (conf->memory_bytes ? conf->memory_bytes : DEFAULT_MEMORY) / 64, conf->seed);
	e->shadow_state =
	    shadow_new((conf->memory_bytes ? conf->memory_bytes : DEFAULT_MEMORY) / 64, conf->seed);
	e->waits =
	    waits_new((conf->memory_bytes ? conf->memory_bytes : DEFAULT_MEMORY) / 256, conf->seed);
	e->epoch = 1;
	e->two_ports = conf->mtu[0] != 0 || conf->mtu[1] != 0;
	if (!e->frags || !e->scratch || !e->rule_hits || !e->memory || !e->shadow_state ||
	    !e->waits || flow_table_init(&e->flows, flows, conf->seed) < 0 ||
	    cells_init(&e->cells, cells) < 0 ||
	    (conf->inline_mode && quotas_init(&e->quotas, flows) < 0) ||
	    (conf->inline_mode && conf->fast && path_new(e) < 0)) {
		engine_free(e);
		return NULL;
	}
	e->sweep_at = e->flows.max;
	clock_policy(e);
	if (conf->inline_mode)
		quotas_share(&e->quotas, &e->flows, conf->policy);
	e->flows.on_gone = on_gone;
	e->flows.on_timer = on_timer;
	e->flows.ctx = e;
	e->sink.e = e;
	e->call.transfer = transfer_step;
	e->st.memory_bytes = sizeof(*e) + e->flows.bytes + frag_bytes(e->frags) + SCRATCH_BYTES +
			     2 * SCRATCH_FRAME + classify_bytes(e->classify) + e->quotas.bytes +
			     ENGINE_RULES * sizeof(*e->rule_hits) + policy_memory_bytes(e->memory) +
			     shadow_bytes(e->shadow_state) + waits_bytes(e->waits);
	for (unsigned k = 0; k < CELL__CLASSES; k++)
		e->st.memory_bytes += (size_t)cells[k] * cell_sizes[k];
	return e;
}

void
engine_free(struct engine *e)
{
	if (!e)
		return;
	path_free(e);
	flow_table_fini(&e->flows);
	quotas_fini(&e->quotas);
	cells_fini(&e->cells);
	frag_free(e->frags);
	classify_free(e->classify);
	free(e->scratch);
	free(e->rule_hits);
	policy_memory_free(e->memory);
	shadow_free(e->shadow_state);
	waits_free(e->waits);
	free(e);
}

uint32_t
engine_max_flows(const struct engine *e)
{
	return e->flows.max;
}

/* --- fates ---------------------------------------------------------------------------- */

/* Carry out what the stream layer decided about a frame. */
void
engine_settle(struct engine *e, struct pkt *p, const struct layers *l, const struct seg_result *r)
{
	if (r->fate == FATE_HELD || r->fate == FATE_CONSUMED) {
		p->fate = r->fate;
		return;
	}
	if (!e->inline_mode)
		return;
	/* Part of it may go, or (fate forward) its header alone: a keep-alive. */
	if (r->fate == FATE_DROP && r->keep == r->skip)
		engine_drop(p, (enum drop_reason)r->reason);
	else if (e->sink.fl->guard.repair != CELL_NONE && !(l->tcp_flags & TCP_SYN))
		repair_settle(e, e->sink.fl, e->sink.dir, p, l, r);
	else if (r->keep == l->pay_len && r->skip == 0 && !inline_unclean(p, l))
		return;
	else if (!inline_trim(e, p, l, r->skip, r->keep))
		engine_drop(p, DROP_TCP_POOL_FULL);
}

void
engine_release(struct engine *e, struct pkt *p, const struct layers *l, const struct seg_result *r)
{
	engine_settle(e, p, l, r);
	if (p->fate == FATE_HELD)
		return; /* goes on waiting, for the rest of a PDU */
	e->st.held--;
	p->conduit = e->sink.fl->bind.conduit;
	if (p->fate == FATE_FORWARD) {
		e->st.forwarded++;
		if (e->conf.io)
			(void)e->conf.io->be->tx(e->conf.io, p);
	} else if (p->fate == FATE_CONSUMED) {
		e->st.consumed++;
	} else {
		e->st.dropped[p->reason]++;
	}
}

/* --- transport -------------------------------------------------------------------------- */

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

static inline void
tcp_packet(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    uint32_t candidate)
{
	struct flow *f = engine_find(e, k, candidate);

	if (__builtin_expect(f != NULL && !engine_stale(e, f), 1) && !e->inline_mode) {
		unsigned dir = engine_direction(f, k);

		f->last_tick = e->flows.now_tick;
		p->conduit = f->bind.conduit;
		engine_aim(e, f, dir, l);
		if (__builtin_expect(usual_packet(e, p, l, f, dir), 1))
			return;
	}
	engine_tcp(e, p, l, k, f);
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

/* A live clock was put back; a few frames in another order than their times are not that. */
static bool
put_back(const struct engine *e, uint64_t now_ns)
{
	return e->inline_mode && now_ns + CLOCK_BACK_NS < e->now_ns;
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
	if (burst[n - 1].ts_ns > now || put_back(e, burst[n - 1].ts_ns))
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
		if (__builtin_expect(e->packet_clock, 0))
			clock_packet(e, p->ts_ns);
		p->fate = FATE_FORWARD;
		p->reason = DROP_NONE;
		p->conduit = RULE_NONE;
		if (__builtin_expect(why[i] != DROP_NONE, 0))
			engine_drop(p, (enum drop_reason)why[i]);
		else if (__builtin_expect(l[i].flags & LAYER_STRANGE, 0) && e->inline_mode &&
			 !engine_extension(e, p, &l[i]))
			; /* dropped */
		else if (__builtin_expect(e->panic == PANIC_ISLAND, 0) &&
			 l[i].flags & (LAYER_L4 | LAYER_FRAGMENT | LAYER_IP))
			engine_drop(p, DROP_PANIC_ISLAND);
		else if (__builtin_expect((l[i].flags & LAYER_L4) != 0, 1)) {
			if (l[i].proto == NET_PROTO_TCP)
				tcp_packet(e, p, &l[i], &k[i], candidate[i]);
			else
				engine_udp(e, p, &l[i], &k[i], candidate[i]);
		} else if (l[i].flags & LAYER_FRAGMENT)
			engine_fragment(e, p, &l[i]);
		else if (l[i].flags & LAYER_IP)
			engine_other_ip(e, p, &l[i]);
		else
			engine_l2(e, p, &l[i]);
		if (__builtin_expect(e->panic == PANIC_OPEN && p->fate == FATE_DROP, 0))
			panic_pass(e, p);
		if (__builtin_expect(p->fate != FATE_FORWARD, 0))
			account(e, p);
		e->st.would_drop += e->sink.would_drop;
		if (e->conf.on_packet)
			show_packet(e, p, &l[i], why[i] == DROP_NONE);
	}
	e->st.bytes += bytes;
	if (__builtin_expect(e->path != NULL, 0))
		path_burst_end(e);
}

/* Requests that have waited too long. */
static void
overdue(struct engine *e)
{
	const struct wait *w;

	e->sink.ts_ns = e->now_ns;
	while ((w = waits_due(e->waits, e->now_ns)))
		judge_overdue(e, w);
}

void
engine_tick(struct engine *e, uint64_t now_ns)
{
	unsigned fragments = 0;

	if (now_ns > e->now_ns || put_back(e, now_ns))
		e->now_ns = now_ns;
	clock_tick(e);
	flow_advance(&e->flows, e->now_ns);
	if (__builtin_expect(e->path != NULL, 0))
		path_tick(e);
	(void)frag_expire(e->frags, e->now_ns, &fragments);
	if (waits_maybe_due(e->waits, e->now_ns))
		overdue(e);
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
		if (f->dir[0].ooo != CELL_NONE || f->dir[1].ooo != CELL_NONE) {
			if (!e->inline_mode && engine_stale(e, f))
				(void)engine_rebind(e, f, 0, NULL, NULL);
			stream_expire(e, f, true);
		}
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
