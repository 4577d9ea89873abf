/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.c - see flow.h.
 *
 * Key, 128 bits:  ka = lo address, hi address (IPv6: seeded hashes of both;
 * the addresses themselves are compared as well), kb = lo port,
 * hi port, VLAN, protocol, IP version.
 */
#include "dataplane/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define WAYS	    FLOW_WAYS
#define WHEEL_SLOTS 512u /* of one tick (134 ms): 68 s a turn */
#define EVICT_LOOKS 16u	 /* flows looked at to find an old one */
#define CROWDED	    5u	 /* flows in a bucket above which the second is considered */

/* Buckets for max flows at a load of at most one half. */
static uint32_t
bucket_count(uint32_t max)
{
	uint32_t n = max / WAYS * 2 + (max % WAYS * 2 + WAYS - 1) / WAYS;

	return n < 16 ? 16 : n;
}

size_t
flow_table_cost(uint32_t max, bool guard)
{
	return (size_t)max * (sizeof(struct flow) + (guard ? sizeof(struct flow_guard) : 0)) +
	       (size_t)bucket_count(max) * sizeof(struct flow_bucket);
}

int
flow_table_init(struct flow_table *t, uint32_t max, uint64_t seed, bool guard)
{
	memset(t, 0, sizeof(*t));
	t->max = max;
	t->n_buckets = bucket_count(max);
	t->seed = hash_seed_make(seed);
	t->flows = mem_table((size_t)max * sizeof(*t->flows));
	t->buckets = mem_table((size_t)t->n_buckets * sizeof(*t->buckets));
	t->guard = guard ? mem_table((size_t)max * sizeof(*t->guard)) : NULL;
	t->wheel = malloc(WHEEL_SLOTS * sizeof(*t->wheel));
	if (!t->flows || !t->buckets || (guard && !t->guard) || !t->wheel) {
		flow_table_fini(t);
		return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < max; i++) {
		t->flows[i].wheel_next = i + 1 < max ? i + 1 : FLOW_NONE; /* free list */
		t->flows[i].wheel_slot = UINT16_MAX;			  /* not in use */
	}
	for (unsigned i = 0; i < WHEEL_SLOTS; i++)
		t->wheel[i] = FLOW_NONE;
	t->bytes = flow_table_cost(max, guard);
	return 0;
}

void
flow_table_fini(struct flow_table *t)
{
	free(t->flows);
	free(t->buckets);
	free(t->guard);
	free(t->wheel);
	memset(t, 0, sizeof(*t));
}

void
flow_key_make6(const struct flow_table *t, const struct layers *l, struct flow_key *k)
{
	int order = memcmp(l->src, l->dst, 16);
	uint16_t lo_port, hi_port;

	k->src_is_lo = order < 0 || (order == 0 && l->sport <= l->dport);
	k->lo = k->src_is_lo ? l->src : l->dst;
	k->hi = k->src_is_lo ? l->dst : l->src;
	k->ka = hash_16(t->seed, k->lo) ^ (hash_16(t->seed, k->hi) << 1);
	lo_port = k->src_is_lo ? l->sport : l->dport;
	hi_port = k->src_is_lo ? l->dport : l->sport;
	k->kb = (uint64_t)lo_port << 48 | (uint64_t)hi_port << 32 | (uint64_t)l->vlan << 16 |
	    (uint64_t)l->proto << 8 | 6;
	k->hash = hash_mix(t->seed, k->ka, k->kb);
}

static struct flow *
bucket_lookup(const struct flow_table *t, const struct flow_bucket *b, const struct flow_key *k)
{
	for (unsigned hits = flow_tag_hits(b, flow_tag(k->hash)); hits != 0; hits &= hits - 1) {
		struct flow *f = &t->flows[b->idx[__builtin_ctz(hits)]];

		if (flow_matches(f, k))
			return f;
	}
	return NULL;
}

struct flow *
flow_lookup(const struct flow_table *t, const struct flow_key *k)
{
	const struct flow_bucket *b = flow_bucket1(t, k->hash);
	struct flow *f = bucket_lookup(t, b, k);

	if (f == NULL && b->spilled != 0)
		f = bucket_lookup(t, flow_bucket2(t, k->hash), k);
	return f;
}

/* --- timers ------------------------------------------------------------------ */

static void
wheel_unlink(struct flow_table *t, struct flow *f)
{
	if (f->wheel_prev != FLOW_NONE)
		t->flows[f->wheel_prev].wheel_next = f->wheel_next;
	else
		t->wheel[f->wheel_slot] = f->wheel_next;
	if (f->wheel_next != FLOW_NONE)
		t->flows[f->wheel_next].wheel_prev = f->wheel_prev;
}

static void
wheel_link(struct flow_table *t, struct flow *f, uint32_t ticks)
{
	uint32_t i = flow_index(t, f);

	if (ticks == 0)
		ticks = 1;
	if (ticks > WHEEL_SLOTS - 1)
		ticks = WHEEL_SLOTS - 1; /* asked again after a turn */
	f->wheel_slot = (uint16_t)((t->wheel_tick + ticks) % WHEEL_SLOTS);
	f->wheel_prev = FLOW_NONE;
	f->wheel_next = t->wheel[f->wheel_slot];
	if (f->wheel_next != FLOW_NONE)
		t->flows[f->wheel_next].wheel_prev = i;
	t->wheel[f->wheel_slot] = i;
}

void
flow_timer(struct flow_table *t, struct flow *f, uint32_t ticks)
{
	wheel_unlink(t, f);
	wheel_link(t, f, ticks);
}

static void
run_slot(struct flow_table *t, uint32_t slot)
{
	uint32_t i = t->wheel[slot];

	/* The list is taken off first: a flow that is linked again goes elsewhere
	 * or, after exactly one turn, to this slot's next life. */
	t->wheel[slot] = FLOW_NONE;
	while (i != FLOW_NONE) {
		struct flow *f = &t->flows[i];
		uint32_t again;

		i = f->wheel_next;
		if (i != FLOW_NONE)
			t->flows[i].wheel_prev = FLOW_NONE;
		f->wheel_next = f->wheel_prev = FLOW_NONE;
		again = t->on_timer ? t->on_timer(t->ctx, f) : 0;
		wheel_unlink(t, f); /* it may have been given a time meanwhile */
		wheel_link(t, f, again);
		if (again == 0) {
			t->expired++;
			flow_remove(t, f);
		}
	}
}

void
flow_advance(struct flow_table *t, uint64_t now_ns)
{
	uint32_t now, steps;

	/* A clock that was put back: ticks go on from where they were. */
	now_ns += t->skew_ns;
	if (now_ns < t->last_ns) {
		t->skew_ns += t->last_ns - now_ns;
		now_ns = t->last_ns;
	}
	t->last_ns = now_ns;
	now = (uint32_t)(now_ns >> FLOW_TICK_SHIFT);
	steps = now - t->wheel_tick;

	if (t->wheel_tick == 0 && t->now_tick == 0) { /* the first packet sets the clock */
		t->now_tick = t->wheel_tick = now;
		return;
	}
	t->now_tick = now;
	if (steps > WHEEL_SLOTS) /* a jump: one turn asks every flow */
		t->wheel_tick = now - (steps = WHEEL_SLOTS);
	for (; steps > 0; steps--) {
		t->wheel_tick++;
		run_slot(t, t->wheel_tick % WHEEL_SLOTS);
	}
}

/* --- making and removing ---------------------------------------------------------- */

static bool
bucket_put(struct flow_bucket *b, uint16_t tag, uint32_t idx)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (b->tag[i] == 0) {
			b->tag[i] = tag;
			b->idx[i] = idx;
			return true;
		}
	return false;
}

static unsigned
bucket_used(const struct flow_bucket *b)
{
	return WAYS - (unsigned)__builtin_popcount(flow_tag_hits(b, 0));
}

static bool
bucket_take(struct flow_bucket *b, uint32_t idx)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (b->tag[i] != 0 && b->idx[i] == idx) {
			b->tag[i] = 0;
			return true;
		}
	return false;
}

void
flow_remove(struct flow_table *t, struct flow *f)
{
	const uint64_t hash = flow_hash(t, f);
	struct flow_bucket *b = flow_bucket1(t, hash);
	uint32_t idx = flow_index(t, f);

	if (t->on_gone)
		t->on_gone(t->ctx, f);
	if (!bucket_take(b, idx)) {
		b->spilled--;
		(void)bucket_take(flow_bucket2(t, hash), idx);
	}
	wheel_unlink(t, f);
	f->wheel_slot = UINT16_MAX;
	f->kb = 0; /* nobody's key: no version of IP */
	f->quick = 0;
	f->wheel_next = t->free_head;
	t->free_head = idx;
	t->n_active--;
}

static uint32_t
age(const struct flow_table *t, const struct flow *f)
{
	uint32_t a = t->now_tick - f->last_tick;

	if (a > UINT32_MAX / 2)
		a = 0;
	/* What never became a conversation, and what has ended, goes first. */
	return f->state == FLOW_OPENING || f->state == FLOW_CLOSED ? a + (1u << 30) : a;
}

/* The oldest of a few flows in use; the hand goes round so that all get looked at. */
static void
evict_some(struct flow_table *t)
{
	struct flow *old = NULL;
	unsigned looks = 0;

	for (uint32_t i = 0; i < t->max && looks < EVICT_LOOKS; i++) {
		struct flow *f = &t->flows[t->hand];

		t->hand = t->hand + 1 < t->max ? t->hand + 1 : 0;
		if (f->wheel_slot == UINT16_MAX)
			continue;
		looks++;
		if (old == NULL || age(t, f) > age(t, old))
			old = f;
	}
	if (old) {
		t->evicted++;
		flow_remove(t, old);
	}
}

static void
evict_from(struct flow_table *t, const struct flow_bucket *a, const struct flow_bucket *b)
{
	struct flow *old = &t->flows[a->idx[0]];

	for (unsigned i = 0; i < 2 * WAYS; i++) {
		struct flow *f = &t->flows[i < WAYS ? a->idx[i] : b->idx[i - WAYS]];

		if (age(t, f) > age(t, old))
			old = f;
	}
	t->evicted++;
	flow_remove(t, old);
}

struct flow *
flow_create(struct flow_table *t, const struct flow_key *k, uint32_t ticks)
{
	struct flow_bucket *first = flow_bucket1(t, k->hash);
	struct flow_bucket *second = flow_bucket2(t, k->hash);
	struct flow *f;
	uint32_t idx;

	if (t->free_head == FLOW_NONE)
		evict_some(t);
	if (t->free_head == FLOW_NONE)
		return NULL;
	idx = t->free_head;
	/* A crowded first choice gives way to an emptier second: so neither fills
	 * up at the loads that the table is made for. */
	if (bucket_used(first) > CROWDED && bucket_used(second) < bucket_used(first)) {
		(void)bucket_put(second, flow_tag(k->hash), idx);
		first->spilled++;
	} else if (!bucket_put(first, flow_tag(k->hash), idx)) {
		evict_from(t, first, second);
		return flow_create(t, k, ticks); /* a place is free now: once */
	}
	f = &t->flows[idx];
	t->free_head = f->wheel_next;
	memset(f, 0, sizeof(*f));
	if (t->guard)
		memset(&t->guard[idx], 0, sizeof(t->guard[idx]));
	f->ka = k->ka;
	f->kb = k->kb;
	f->dis = FLOW_DIS_ASKING;
	f->last_tick = t->now_tick;
	f->bind.conduit = RULE_NONE;
	if (k->lo) {
		f->flags |= FLOW_V6;
		memcpy(f->dstate + FLOW_ADDRS_FROM, k->lo, 16);
		memcpy(f->dstate + FLOW_ADDRS_FROM + 16, k->hi, 16);
	}
	wheel_link(t, f, ticks);
	t->n_active++;
	t->created++;
	return f;
}

void
flow_tuple(const struct flow_table *t, const struct flow *f, bool from_client,
    struct net_tuple *out)
{
	bool src_lo = ((f->flags & FLOW_CLIENT_LO) != 0) == from_client;
	uint16_t lo_port = (uint16_t)(f->kb >> 48), hi_port = (uint16_t)(f->kb >> 32);

	(void)t; /* all of it lies in the record */
	if (f->flags & FLOW_V6) {
		out->src = net_addr_from6(f->dstate + FLOW_ADDRS_FROM + (src_lo ? 0 : 16));
		out->dst = net_addr_from6(f->dstate + FLOW_ADDRS_FROM + (src_lo ? 16 : 0));
	} else {
		uint32_t lo = __builtin_bswap32((uint32_t)(f->ka >> 32));
		uint32_t hi = __builtin_bswap32((uint32_t)f->ka);
		uint8_t src[4], dst[4];

		memcpy(src, src_lo ? &lo : &hi, 4);
		memcpy(dst, src_lo ? &hi : &lo, 4);
		out->src = net_addr_from4(src);
		out->dst = net_addr_from4(dst);
	}
	out->sport = src_lo ? lo_port : hi_port;
	out->dport = src_lo ? hi_port : lo_port;
	out->vlan = flow_vlan(f);
	out->proto = (uint8_t)(f->kb >> 8);
	out->port = ((f->flags & FLOW_CLIENT_PORT1) != 0) == from_client;
	memset(out->smac, 0, 6);
	memset(out->dmac, 0, 6);
}
