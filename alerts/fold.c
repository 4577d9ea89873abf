/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - see fold.h.  Packet side: bounded work, no allocation, no clock. */
#include "alerts/fold.h"

#include <string.h>

#define FOLD_TOLD FOLD_ENTRIES /* index of the copy */
#define ORDER()	  fold_order()

_Static_assert(sizeof(struct record) % 8 == 0, "record_op() must find fold_entry.op");
_Static_assert(
    offsetof(struct fold_entry, op) == offsetof(struct fold_entry, rec) + sizeof(struct record),
    "record_op() must find fold_entry.op");
_Static_assert(sizeof(struct fold_key) % 16 == 0, "hashed in pairs of 8 bytes");

void
fold_init(struct fold *f, uint64_t window_ns, uint64_t seed)
{
	f->window_ns = window_ns;
	f->seed = hash_seed_make(seed);
}

/* Padding is zero: keys are compared as bytes. */
static void
key_make(struct fold_key *k, const struct record *r)
{
	memset(k, 0, sizeof(*k));
	k->src = r->tuple.src;
	k->dst = r->tuple.dst;
	k->flow_id = r->flow_id;
	k->anomalies = r->anomalies;
	k->rule = r->verdict.rule;
	k->conduit = r->verdict.conduit;
	k->unit = r->unit;
	k->item_sub = r->item_sub;
	k->item_first = r->item_first;
	k->item_count = r->item_count;
	k->item_hash = r->item_hash;
	k->code = r->code;
	k->sub = r->sub;
	k->kind = r->kind;
	k->cond = r->cond;
	k->reason = r->verdict.reason;
	k->would = r->verdict.would;
	k->proto = r->proto;
	k->fact_kind = r->fact_kind;
	k->item_space = r->item_space;
	k->to_client = r->to_client;
	/* Connections nobody may open have a flow each (source ports count up):
	 * the pair of addresses and the port asked for are the object. */
	if (r->kind == EVENT_FLOW) {
		k->flow_id = (uint64_t)r->tuple.proto << 32 | r->tuple.dport;
	} else if (r->kind == EVENT_L2 || ((r->kind == EVENT_GUARD || r->kind == EVENT_DETECTION) &&
					      r->tuple.proto == 0)) {
		memcpy(k->src.b, r->tuple.smac, 6);
		memcpy(k->dst.b, r->tuple.dmac, 6);
	}
}

static uint64_t
key_hash(const struct fold *f, const struct fold_key *k)
{
	const uint8_t *p = (const uint8_t *)k;
	uint64_t h = 0, a, b;

	/* by pairs that do not wait for each other; the seed is in each, and its place */
	for (size_t i = 0; i < sizeof(*k); i += 16) {
		memcpy(&a, p + i, 8);
		memcpy(&b, p + i + 8, 8);
		h += hash_mum(a ^ (f->seed.s0 + i * 0x9e3779b97f4a7c15u), b ^ f->seed.s1);
	}
	return hash_mix(f->seed, h, sizeof(*k));
}

static void
list_remove(struct fold *f, struct fold_count *c)
{
	if (c->older)
		f->count[c->older - 1].newer = c->newer;
	else
		f->oldest = c->newer;
	if (c->newer)
		f->count[c->newer - 1].older = c->older;
	else
		f->newest = c->older;
	c->older = c->newer = 0;
}

static void
list_append(struct fold *f, uint32_t at)
{
	struct fold_count *c = &f->count[at];

	c->older = f->newest;
	c->newer = 0;
	if (f->newest)
		f->count[f->newest - 1].newer = at + 1;
	else
		f->oldest = at + 1;
	f->newest = at + 1;
}

/* The entry's alert when it counted something, else NULL; the entry is free. */
static const struct record *
close_entry(struct fold *f, uint32_t at)
{
	struct fold_count *c = &f->count[at];
	struct record *r = &f->entry[at].rec;

	list_remove(f, c);
	fold_sum(r, c);
	f->closed = c->count > 0 ? at + 1 : 0;
	ORDER();
	c->state = f->closed ? FOLD_CLOSED : FOLD_FREE;
	return f->closed ? r : NULL;
}

static void
open_entry(struct fold *f, uint32_t at, const struct fold_key *k, uint32_t tag,
    const struct record *head, const char *op)
{
	struct fold_count *c = &f->count[at];
	struct fold_entry *e = &f->entry[at];

	f->tag[at] = tag;
	e->key = *k;
	e->rec = *head;
	e->rec.count = c->count = 0;
	e->rec.folded = true;
	e->rec.op_len = (uint8_t)(op ? strnlen(op, RECORD_OP_MAX) : 0);
	if (e->rec.op_len)
		memcpy(e->op, op, e->rec.op_len);
	c->opened_ns = head->ts_ns;
	c->serial = ++f->serial;
	ORDER();
	c->state = FOLD_OPEN;
	list_append(f, at);
}

void
fold_fetch(const struct fold *f, uint32_t at)
{
	__builtin_prefetch(&f->count[at % FOLD_ENTRIES], 1);
}

enum fold_answer
fold_put(struct fold *f, const struct record *head, const char *op, const struct record **closed)
{
	const uint32_t none = UINT32_MAX;
	uint32_t first, tag, e = none, oldest = none, spare = none;
	struct fold_key k;
	uint64_t h;

	*closed = NULL;
	key_make(&k, head);
	h = key_hash(f, &k);
	tag = (uint32_t)(h >> 32);
	first = (uint32_t)(h % FOLD_SETS) * FOLD_WAYS;
	for (uint32_t i = first; i < first + FOLD_WAYS && e == none; i++)
		if (f->tag[i] == tag && f->count[i].state == FOLD_OPEN &&
		    memcmp(&f->entry[i].key, &k, sizeof(k)) == 0)
			e = i;
	for (uint32_t i = first; i < first + FOLD_WAYS && e == none; i++) {
		if (f->count[i].state != FOLD_OPEN)
			spare = i;
		else if (oldest == none || f->count[i].opened_ns < f->count[oldest].opened_ns)
			oldest = i;
	}
	if (e != none && !fold_is_over(f, &f->count[e], head->ts_ns)) {
		f->at = e;
		fold_count_in(&f->count[e], head->ts_ns, head->frame, head->count);
		return FOLD_COUNTED;
	}
	if (e == none && spare == none) {
		e = oldest;
		f->evicted++;
	}
	f->at = e != none ? e : spare;
	if (e == none) {
		open_entry(f, spare, &k, tag, head, op);
		return FOLD_TELL;
	}
	if (close_entry(f, e)) { /* its alert must outlive its place */
		f->entry[FOLD_TOLD] = f->entry[e];
		f->count[FOLD_TOLD] = f->count[e];
		ORDER();
		f->closed = FOLD_TOLD + 1;
		*closed = &f->entry[FOLD_TOLD].rec;
	}
	open_entry(f, e, &k, tag, head, op);
	return FOLD_TELL;
}

const struct record *
fold_due(struct fold *f, uint64_t now_ns)
{
	while (f->oldest) {
		uint32_t at = f->oldest - 1;
		const struct record *told;

		if (now_ns != UINT64_MAX && !fold_is_over(f, &f->count[at], now_ns))
			return NULL;
		told = close_entry(f, at);
		if (told)
			return told;
	}
	return NULL;
}

void
fold_told(struct fold *f)
{
	if (f->closed)
		f->count[f->closed - 1].state = FOLD_FREE;
	f->closed = 0;
}

/* What was closed and did not get into the ring is open again. */
void
fold_reopen(struct fold *f, bool put)
{
	struct fold_count *c;

	if (f->closed > 0 && f->closed <= FOLD_TOLD + 1) {
		c = &f->count[f->closed - 1];
		if (c->state == FOLD_CLOSED)
			c->state = put ? FOLD_FREE : FOLD_OPEN;
	}
	f->closed = 0;
}

const struct record *
fold_left(struct fold *f, uint32_t *at)
{
	while (*at <= FOLD_TOLD) {
		uint32_t i = (*at)++;
		struct fold_count *c = &f->count[i];
		struct record *r = &f->entry[i].rec;

		if (c->state != FOLD_OPEN || c->count == 0)
			continue;
		/* A process that was made to write anything leaves anything. */
		if (r->op_len > RECORD_OP_MAX || r->note_len != 0 || r->pdu_len != 0)
			continue;
		fold_sum(r, c);
		f->closed = i + 1;
		ORDER();
		c->state = FOLD_CLOSED;
		return r;
	}
	return NULL;
}
