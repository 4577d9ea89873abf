/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.c - how an engine begins and ends, its timers, what becomes of a frame that was
 * judged, and its counters.
 */
#include "dataplane/engine.h"

#include <stdlib.h>
#include <string.h>

#include "alerts/alert.h"
#include "dataplane/repair.h"
#include "policy/memory.h"

#define DEFAULT_MEMORY (64u << 20)
#define MIN_FLOWS      64u
#define FRAG_DATAGRAMS 64u /* in reassembly at once; fewer when memory is small */

/* --- setup --------------------------------------------------------------------------- */

static void
on_gone(void *ctx, struct flow *f)
{
	struct engine *e = ctx;

	if (__builtin_expect(f->fast != 0, 0))
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
	uint32_t waits[3], again = 0;

	flow_sync(&e->flows, f);
	waits[0] = part_timer(e, f);
	waits[1] = refusal_timer(e, f);
	waits[2] = stream_timer(e, f);
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

	if (!e->inline_mode &&
	    (tcp_rare(&f->dir[0])->ooo != CELL_NONE || tcp_rare(&f->dir[1])->ooo != CELL_NONE)) {
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

/* The table is half full when no flow more is taken: two buckets for as many flows as one holds. */
_Static_assert(sizeof(struct flow) + sizeof(struct flow_guard) + sizeof(struct quota_link) +
		       2 * sizeof(struct flow_bucket) / FLOW_WAYS <=
		   256,
    "an idle flow of a guard, all told");

static size_t
flows_cost(uint32_t flows, bool inline_mode)
{
	return flow_table_cost(flows, inline_mode) + (inline_mode ? quotas_cost(flows) : 0);
}

size_t
engine_flow_bytes(bool inline_mode)
{
	return flows_cost(1u << 20, inline_mode) >> 20;
}

/* Split one number of bytes: half to flows, the rest to cells. */
static void
plan_memory(const struct engine_conf *c, uint32_t *flows, uint32_t cells[CELL__CLASSES])
{
	size_t total = c->memory_bytes ? c->memory_bytes : DEFAULT_MEMORY;
	size_t half = total / 2, cost, rest;

	*flows = c->max_flows ? c->max_flows : (uint32_t)(half / engine_flow_bytes(c->inline_mode));
	if (*flows < MIN_FLOWS)
		*flows = MIN_FLOWS;
	cost = flows_cost(*flows, c->inline_mode);
	rest = total > cost ? total - cost : total / 4;
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
	e->classify = conf->classify ? classify_new(conf->on_cert != NULL) : NULL;
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
	    !e->waits ||
	    quick_init(&e->quick, conf->memory_bytes ? conf->memory_bytes : DEFAULT_MEMORY,
		conf->seed) < 0 ||
	    flow_table_init(&e->flows, flows, conf->seed, conf->inline_mode) < 0 ||
	    cells_init(&e->cells, cells) < 0 ||
	    (conf->inline_mode &&
		strangers_init(&e->strangers,
		    conf->memory_bytes ? conf->memory_bytes : DEFAULT_MEMORY, conf->seed) < 0) ||
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
	e->call.grow = feed_grow;
	e->st.memory_bytes = sizeof(*e) + e->flows.bytes + frag_bytes(e->frags) + SCRATCH_BYTES +
			     2 * SCRATCH_FRAME + classify_bytes(e->classify) + e->quotas.bytes +
			     ENGINE_RULES * sizeof(*e->rule_hits) + policy_memory_bytes(e->memory) +
			     shadow_bytes(e->shadow_state) + waits_bytes(e->waits) +
			     e->quick.bytes + e->strangers.bytes;
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
	quick_fini(&e->quick);
	strangers_fini(&e->strangers);
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
	else if (guard_of(e, e->sink.fl)->repair != CELL_NONE && !(l->tcp_flags & TCP_SYN))
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

/* --- time ------------------------------------------------------------------------------------ */

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

	if (now_ns > e->now_ns || engine_put_back(e, now_ns))
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
		if (tcp_rare(&f->dir[0])->ooo != CELL_NONE ||
		    tcp_rare(&f->dir[1])->ooo != CELL_NONE) {
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
