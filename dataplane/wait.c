/* SPDX-License-Identifier: Apache-2.0 */
/* wait.c - see wait.h.  Buckets of a few places; the oldest gives way. */
#include "dataplane/wait.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define WAYS	 4u
#define GRAIN_NS UINT64_C(50000000)    /* between two looks at the whole table */
#define KEEP_NS	 UINT64_C(60000000000) /* a late answer is known as one for so long */

struct waits {
	struct hash_seed seed;
	struct wait *v;
	uint32_t mask, scan; /* buckets - 1; place of the look at hand */
	uint64_t seq, next_ns, lost;
	uint64_t soonest; /* of what the look at hand has passed */
};

struct waits *
waits_new(size_t bytes, uint64_t seed)
{
	struct waits *w = calloc(1, sizeof(*w));
	uint32_t buckets = 16;

	if (!w)
		return NULL;
	while ((size_t)buckets * 2 * WAYS * sizeof(*w->v) <= bytes && buckets < 512)
		buckets *= 2;
	w->seed = hash_seed_make(seed);
	w->mask = buckets - 1;
	w->next_ns = w->soonest = UINT64_MAX;
	w->v = calloc((size_t)buckets * WAYS, sizeof(*w->v));
	if (!w->v) {
		free(w);
		return NULL;
	}
	return w;
}

void
waits_free(struct waits *w)
{
	if (!w)
		return;
	free(w->v);
	free(w);
}

size_t
waits_bytes(const struct waits *w)
{
	return sizeof(*w) + ((size_t)w->mask + 1) * WAYS * sizeof(*w->v);
}

uint64_t
waits_lost(const struct waits *w)
{
	return w->lost;
}

static struct wait *
bucket_of(const struct waits *ws, uint64_t flow_hash, uint32_t txn, uint32_t unit)
{
	uint64_t h = hash_mix(ws->seed, flow_hash, (uint64_t)txn << 32 | unit);

	return ws->v + (size_t)((uint32_t)h & ws->mask) * WAYS;
}

void
waits_add(struct waits *ws, struct wait w, const struct fact *f)
{
	struct wait *v = bucket_of(ws, w.flow_hash, f->txn, f->unit), *best = v;

	for (unsigned i = 0; i < WAYS; i++, v++)
		if (v->seq < best->seq)
			best = v;
	ws->lost += best->seq != 0 && !best->late;
	w.seq = ++ws->seq;
	w.txn = f->txn;
	w.unit = f->unit;
	w.code = f->code;
	w.sub = f->sub;
	w.opx = f->opx;
	w.op = f->op;
	w.proto = f->proto;
	w.dir = f->dir;
	w.access = f->access;
	w.late = false;
	w.has_item = f->n_items != 0 && !f->item.name;
	if (w.has_item) {
		w.space = f->item.space;
		w.item_access = f->item.access;
		w.sub_item = f->item.sub;
		w.first = f->item.first;
		w.count = f->item.count;
	}
	*best = w;
	if (w.deadline_ns < ws->next_ns)
		ws->next_ns = w.deadline_ns;
	if (w.deadline_ns < ws->soonest)
		ws->soonest = w.deadline_ns;
}

bool
waits_take(
    struct waits *ws, uint64_t flow_hash, uint32_t isn, const struct fact *f, struct wait *out)
{
	struct wait *v = bucket_of(ws, flow_hash, f->txn, f->unit), *best = NULL;

	for (unsigned i = 0; i < WAYS; i++, v++)
		if (v->seq != 0 && v->flow_hash == flow_hash && v->isn == isn && v->txn == f->txn &&
		    v->unit == f->unit && v->proto == f->proto && v->dir != f->dir &&
		    (!best || v->seq < best->seq))
			best = v;
	if (!best)
		return false;
	*out = *best;
	best->seq = 0;
	return true;
}

bool
waits_maybe_due(const struct waits *ws, uint64_t now_ns)
{
	return now_ns >= ws->next_ns;
}

const struct wait *
waits_due(struct waits *ws, uint64_t now_ns)
{
	uint32_t n = (ws->mask + 1) * WAYS;

	if (ws->scan == 0)
		ws->soonest = UINT64_MAX;
	while (ws->scan < n) {
		struct wait *w = &ws->v[ws->scan++];

		if (w->seq == 0)
			continue;
		if (w->late) {
			if (now_ns - w->deadline_ns > KEEP_NS)
				w->seq = 0;
		} else if (now_ns >= w->deadline_ns) {
			w->late = true;
			return w;
		} else if (w->deadline_ns < ws->soonest) {
			ws->soonest = w->deadline_ns;
		}
	}
	ws->scan = 0;
	ws->next_ns = ws->soonest;
	if (ws->next_ns < now_ns + GRAIN_NS)
		ws->next_ns = now_ns + GRAIN_NS;
	return NULL;
}

void
waits_fact(const struct wait *w, struct fact *f)
{
	*f = (struct fact){.proto = w->proto,
	    .kind = FACT_REQUEST,
	    .access = w->access,
	    .dir = w->dir,
	    .code = w->code,
	    .sub = w->sub,
	    .opx = w->opx,
	    .unit = w->unit,
	    .txn = w->txn,
	    .op = w->op};
	if (!w->has_item)
		return;
	f->n_items = 1;
	f->item = (struct fact_item){.space = w->space,
	    .access = w->item_access,
	    .sub = w->sub_item,
	    .first = w->first,
	    .count = w->count};
}
