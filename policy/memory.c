/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - the values of memory.h, and the requests whose answers will tell some.
 *
 * Two tables without chains: a key has one bucket of WAYS places.  Requests are numbered as they
 * go by (seq), which is all that is needed to tell whether a write came between.
 */
#include "policy/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "policy/table.h"

#define WAYS	   4u
#define ITEMS	   8u	 /* watched items of one request that are remembered */
#define CELLS_MOST 4096u /* values that one request may touch; beyond it all is forgotten */

struct value {
	struct memory_key key;
	uint64_t raw, known_ns, written_ns;
	uint64_t open_until; /* writes under way are given up */
	uint64_t seq;	     /* of the request that the value is from, or the last write */
	uint64_t ended;	     /* when the last write ended, counted as seq is */
	uint64_t born;	     /* requests before it are not its business */
	uint32_t epoch;	     /* 0: free */
	uint8_t open;	     /* writes under way */
	bool known;
	bool doubt; /* writes overlapped: none of them tells anything */
	bool whole; /* raw is what the write under way will make of it */
};

struct asked_item {
	uint32_t sub, first, count;
	uint16_t at; /* place among the request's items */
	uint8_t space, access;
};

/* A request that has gone on its way and touches what is watched. */
struct asked {
	uint64_t flow, seq, ns;
	uint32_t txn, unit;
	uint16_t code, n_items;		     /* n_items: of the request, watched or not */
	uint8_t proto, n;		     /* n 0: free */
	bool believed; /* the rules allow it, so its answer may teach something */
	struct asked_item item[ITEMS], head; /* head: what the answer will name, watched or not */
};

struct policy_memory {
	struct hash_seed seed;
	struct value *values;
	struct asked *asked;
	uint32_t value_mask, asked_mask; /* buckets - 1 */
	uint32_t epoch;
	uint64_t seq;
	uint64_t blind_until; /* a write under way was forgotten: nothing new is believed before */
	uint64_t gone;	      /* when the last write ended of what was forgotten */
	size_t bytes;
	struct memory_stats st;
};

struct policy_memory *
policy_memory_new(size_t bytes, uint64_t seed)
{
	struct policy_memory *m = calloc(1, sizeof(*m));
	uint32_t values = 16, asked = 16; /* buckets */

	if (!m)
		return NULL;
	while ((size_t)values * 2 * WAYS * sizeof(struct value) <= bytes / 4 * 3)
		values *= 2;
	while ((size_t)asked * 2 * WAYS * sizeof(struct asked) <= bytes / 4 && asked < 256)
		asked *= 2;
	m->seed = hash_seed_make(seed);
	m->value_mask = values - 1;
	m->asked_mask = asked - 1;
	m->epoch = 1;
	m->values = calloc((size_t)values * WAYS, sizeof(*m->values));
	m->asked = calloc((size_t)asked * WAYS, sizeof(*m->asked));
	m->bytes = sizeof(*m) + (size_t)values * WAYS * sizeof(*m->values) +
		   (size_t)asked * WAYS * sizeof(*m->asked);
	if (!m->values || !m->asked) {
		policy_memory_free(m);
		return NULL;
	}
	return m;
}

void
policy_memory_free(struct policy_memory *m)
{
	if (!m)
		return;
	free(m->values);
	free(m->asked);
	free(m);
}

size_t
policy_memory_bytes(const struct policy_memory *m)
{
	return m->bytes;
}

void
policy_memory_stats(const struct policy_memory *m, struct memory_stats *out)
{
	*out = m->st;
}

/* --- values ------------------------------------------------------------------------------ */

static struct value *
bucket_of(const struct policy_memory *m, const struct memory_key *k)
{
	uint64_t h = hash_16(m->seed, k->server.b);

	h = hash_mix(
	    m->seed, h ^ ((uint64_t)k->unit << 32 | k->what), (uint64_t)k->sub << 32 | k->first);
	return m->values + (size_t)((uint32_t)h & m->value_mask) * WAYS;
}

static struct value *
value_find(const struct policy_memory *m, const struct memory_key *k)
{
	struct value *v = bucket_of(m, k);

	for (unsigned i = 0; i < WAYS; i++, v++)
		if (v->epoch == m->epoch && memcmp(&v->key, k, sizeof(*k)) == 0)
			return v;
	return NULL;
}

/* A place for it: free, or the one that was touched longest ago, rather without a write. */
static struct value *
value_make(struct policy_memory *m, const struct memory_key *k)
{
	struct value *v = value_find(m, k), *all, *best;

	if (v)
		return v;
	best = all = bucket_of(m, k);
	for (unsigned i = 0; i < WAYS; i++) {
		v = &all[i];
		if (v->epoch != m->epoch) {
			best = v;
			break;
		}
		if ((v->open != 0) < (best->open != 0) ||
		    ((v->open != 0) == (best->open != 0) && v->seq < best->seq))
			best = v;
	}
	if (best->epoch == m->epoch) {
		m->st.evicted++;
		if (best->open && best->open_until > m->blind_until)
			m->blind_until = best->open_until;
		if (best->ended > m->gone)
			m->gone = best->ended;
	}
	memset(best, 0, sizeof(*best));
	best->key = *k;
	best->born = m->seq;
	best->ended = m->gone;
	best->epoch = m->epoch;
	return best;
}

/* Everything; a write that was under way may still be. */
static void
forget_all(struct policy_memory *m, uint64_t now)
{
	m->epoch += m->epoch == UINT32_MAX ? 2 : 1;
	m->gone = m->seq;
	m->blind_until = now + MEMORY_OPEN_NS;
}

bool
policy_memory_get(
    const struct policy_memory *m, const struct memory_key *k, struct memory_value *out)
{
	const struct value *v = m ? value_find(m, k) : NULL;

	if (!v || !v->known)
		return false;
	*out = (struct memory_value){v->raw, v->known_ns, v->written_ns};
	return true;
}

/* Writes that nobody has answered for so long. */
static void
give_up(struct value *v, uint64_t now)
{
	if (v->open && now >= v->open_until) {
		v->open = 0;
		v->doubt = false;
	}
}

static void
write_begins(struct value *v, uint64_t seq, uint64_t now, bool whole, uint64_t raw)
{
	if (v->open && v->seq == seq) { /* the same place twice in one request */
		v->whole = v->whole && whole && v->raw == raw;
		return;
	}
	give_up(v, now);
	v->doubt = v->open != 0;
	v->open = v->open == UINT8_MAX ? UINT8_MAX : (uint8_t)(v->open + 1);
	v->open_until = now + MEMORY_OPEN_NS;
	v->known = false;
	v->whole = whole;
	v->raw = raw;
	v->seq = seq;
	v->written_ns = now;
}

static bool
write_ends(struct value *v, uint64_t seq, uint64_t ended, uint64_t now, bool done)
{
	give_up(v, now);
	if (!v->open || v->ended == ended || seq < v->born)
		return false;
	v->open--;
	v->ended = ended;
	v->known = done && !v->doubt && v->whole && v->seq == seq;
	v->known_ns = now;
	if (!v->open) {
		v->doubt = false;
		v->open_until = 0;
	}
	return v->known;
}

static bool
read_tells(struct value *v, const struct asked *a, uint64_t now, uint64_t raw)
{
	give_up(v, now);
	if (v->open || a->seq <= v->ended || a->seq <= v->seq || a->ns < v->open_until)
		return false;
	v->known = true;
	v->known_ns = now;
	v->raw = raw;
	v->seq = a->seq;
	return true;
}

/* --- what a request or answer touches ------------------------------------------------------ */

/* Of one item, the values that are watched. */
struct touch {
	const struct tb_watch *w, *end;
	uint32_t at, last; /* cells of w still to come; none when at > last */
	bool begun;
};

static void
touch_begin(const struct policy *p, uint8_t proto, const struct fact_item *it, struct touch *t)
{
	const struct tb_watch *w = p->watch + p->watch_at[proto],
			      *end = p->watch + p->watch_at[proto + 1];
	size_t lo = 0, hi = (size_t)(end - w), mid;

	while (lo < hi) { /* the first that may reach the item */
		mid = lo + (hi - lo) / 2;
		if (w[mid].space < it->space ||
		    (w[mid].space == it->space && w[mid].reach < it->first))
			lo = mid + 1;
		else
			hi = mid;
	}
	*t = (struct touch){.w = w + lo, .end = end};
}

static uint64_t
item_last(const struct fact_item *it)
{
	uint64_t last = (uint64_t)it->first + it->count - 1;

	return last < UINT32_MAX ? last : UINT32_MAX;
}

/* The next cell; false: no more. */
static bool
touch_next(struct touch *t, const struct fact_item *it, uint32_t *first)
{
	uint64_t last = item_last(it);

	for (; it->count != 0 && t->w != t->end && t->w->space == it->space && t->w->first <= last;
	     t->w++, t->begun = false) {
		if (t->w->last < it->first || it->sub < t->w->sub || it->sub > t->w->sub_last)
			continue;
		if (!t->begun) {
			uint32_t from = it->first > t->w->first ? it->first - t->w->first : 0;

			t->at = t->w->first + from / t->w->cell * t->w->cell;
			t->last = last < t->w->last ? (uint32_t)last : t->w->last;
			t->begun = true;
		}
		if (t->at <= t->last && t->at >= t->w->first) {
			*first = t->at;
			t->at += t->w->cell;
			return true;
		}
	}
	return false;
}

static void
key_make(struct memory_key *k, const struct policy_state *st, uint8_t proto, uint32_t unit,
    const struct fact_item *it, const struct touch *t, uint32_t first)
{
	k->server = st->server;
	k->unit = unit;
	k->what = (uint32_t)proto << 24 | (uint32_t)it->space << 16 | t->w->cell;
	k->sub = it->sub;
	k->first = first;
}

/* The value of a cell that an item has, all of it. */
static bool
cell_raw(const struct touch *t, const struct fact_item *it, uint32_t first, uint64_t *raw)
{
	struct value_shape s = {.first = first, .cell = t->w->cell, .bits = (uint8_t)t->w->bits};

	*raw = 0;
	if (first < it->first || (uint64_t)first + t->w->cell > (uint64_t)it->first + it->count ||
	    !value_raw(&s, it, first - it->first, raw))
		return false;
	if (s.bits == 1)
		*raw = *raw != 0;
	return true;
}

/* --- requests ------------------------------------------------------------------------------ */

static struct asked *
asked_bucket(const struct policy_memory *m, const struct policy_state *st, const struct fact *f)
{
	uint64_t h =
	    hash_mix(m->seed, st->flow, (uint64_t)f->txn << 32 ^ (uint64_t)f->unit << 16 ^ f->code);

	return m->asked + (size_t)((uint32_t)h & m->asked_mask) * WAYS;
}

static struct asked *
asked_make(struct policy_memory *m, const struct policy_state *st, const struct fact *f)
{
	struct asked *a = asked_bucket(m, st, f), *best = a;

	for (unsigned i = 0; i < WAYS; i++, a++) {
		if (a->n == 0) {
			best = a;
			break;
		}
		if (a->seq < best->seq)
			best = a;
	}
	m->st.lost += best->n != 0 && st->now_ns - best->ns < MEMORY_OPEN_NS;
	memset(best, 0, sizeof(*best));
	best->flow = st->flow;
	best->seq = ++m->seq;
	best->ns = st->now_ns;
	best->txn = f->txn;
	best->unit = f->unit;
	best->code = f->code;
	best->proto = f->proto;
	best->n_items = f->n_items;
	return best;
}

static bool
note_write(struct policy_memory *m, const struct policy *p, const struct policy_state *st,
    const struct fact *f, const struct fact_item *it, uint64_t seq, uint32_t *budget)
{
	struct memory_key k;
	struct touch t;
	uint64_t raw;
	uint32_t first;

	touch_begin(p, f->proto, it, &t);
	while (touch_next(&t, it, &first)) {
		bool whole = cell_raw(&t, it, first, &raw);

		if ((*budget)-- == 0)
			return false;
		key_make(&k, st, f->proto, f->unit, it, &t, first);
		write_begins(value_make(m, &k), seq, st->now_ns, whole, raw);
	}
	return true;
}

static bool
touches(const struct policy *p, uint8_t proto, const struct fact_item *it)
{
	struct touch t;
	uint32_t first;

	touch_begin(p, proto, it, &t);
	return touch_next(&t, it, &first);
}

static struct asked_item
asked_item(const struct fact_item *it, uint32_t i)
{
	return (struct asked_item){.sub = it->sub,
	    .first = it->first,
	    .count = it->count,
	    .at = (uint16_t)i,
	    .space = it->space,
	    .access = it->access};
}

static void
note_request(const struct policy *p, const struct policy_state *st, struct policy_memory *m,
    const struct fact *f, const struct verdict *v, bool carried)
{
	uint32_t budget = CELLS_MOST, i = 0;
	struct fact_iter iter = {0};
	struct asked_item head = {0};
	struct asked *a = NULL;
	struct fact_item it;

	if (!carried)
		return;
	for (; fact_next(f, &iter, &it); i++) {
		if (i == 0 || (it.access & ACC_READ && head.access & ACC_WRITE))
			head = asked_item(&it, i);
		if (!touches(p, f->proto, &it))
			continue;
		if (!a)
			a = asked_make(m, st, f);
		a->believed = v->would < VERDICT_REJECT;
		if (it.access & ACC_WRITE && !note_write(m, p, st, f, &it, a->seq, &budget)) {
			forget_all(m, st->now_ns);
			a->n = 0;
			m->st.lost++;
			return;
		}
		if (a->n < ITEMS && i <= UINT16_MAX)
			a->item[a->n++] = asked_item(&it, i);
		else
			m->st.lost++; /* a write of it stays under way until it is given up */
	}
	if (a)
		a->head = head;
}

/* --- answers ------------------------------------------------------------------------------- */

static bool
asked_is(const struct asked *a, const struct policy_state *st, const struct fact *f)
{
	if (a->n == 0 || a->flow != st->flow || a->txn != f->txn || a->unit != f->unit ||
	    a->code != f->code || a->proto != f->proto)
		return false;
	if (dissectors[f->proto]->answer || f->kind != FACT_RESPONSE || f->n_items == 0)
		return true;
	/* serial lines have no transactions */
	return a->head.space == f->item.space && a->head.first == f->item.first &&
	       a->head.count == f->item.count;
}

/* What an answer brings of an item that was asked for; false: it does not say. */
static bool
answer_item(
    const struct asked *a, const struct asked_item *ai, const struct fact *f, struct fact_item *it)
{
	const struct dissector *d = dissectors[f->proto];

	*it = (struct fact_item){.space = ai->space,
	    .access = ai->access,
	    .sub = ai->sub,
	    .first = ai->first,
	    .count = ai->count};
	if (f->kind != FACT_RESPONSE)
		return false;
	if (d->answer) {
		if (!d->answer(f, ai->at, a->n_items, it))
			return false;
	} else if (!(ai->access & ACC_WRITE)) {
		if (f->n_items == 0 || f->item.space != ai->space || f->item.first != ai->first ||
		    f->item.count != ai->count || !(f->item.access & ACC_READ))
			return false;
		it->vals = f->item.vals;
		it->enc = f->item.enc;
	}
	return ai->access & ACC_WRITE || it->vals;
}

static void
learn_item(const struct policy *p, const struct policy_state *st, struct policy_memory *m,
    const struct asked *a, const struct fact_item *it, bool good, uint64_t ended)
{
	bool write = (it->access & ACC_WRITE) != 0;
	bool sure = good && a->believed && a->ns >= m->blind_until;
	struct memory_key k;
	struct value *v;
	struct touch t;
	uint64_t raw;
	uint32_t first;

	touch_begin(p, a->proto, it, &t);
	while (touch_next(&t, it, &first)) {
		key_make(&k, st, a->proto, a->unit, it, &t, first);
		if (write) {
			v = value_find(m, &k);
			m->st.learned += v && write_ends(v, a->seq, ended, st->now_ns, sure);
		} else if (sure && cell_raw(&t, it, first, &raw)) {
			m->st.learned += read_tells(value_make(m, &k), a, st->now_ns, raw);
		}
	}
}

/* Anomalies that only say how we came to see it. */
#define PLAIN_ANOMALIES (FACT_A_MIDSTREAM | FACT_A_RESYNC)

static void
note_answer(const struct policy *p, const struct policy_state *st, struct policy_memory *m,
    const struct fact *f, const struct verdict *v, bool carried)
{
	struct asked *a = asked_bucket(m, st, f), *best = NULL;
	bool clear = carried && f->kind == FACT_RESPONSE && v->would < VERDICT_REJECT &&
		     !(f->anomalies & ~PLAIN_ANOMALIES);
	struct fact_item it;

	if (f->anomalies & FACT_A_UNSOLICITED)
		return;
	for (unsigned i = 0; i < WAYS; i++, a++) {
		if (!asked_is(a, st, f))
			continue;
		if (st->now_ns - a->ns >= MEMORY_OPEN_NS) {
			a->n = 0;
			continue;
		}
		if (best)
			clear = false; /* whose answer is it? */
		if (!best || a->seq < best->seq)
			best = a;
	}
	if (!best)
		return;
	m->seq++;
	/* Of two items that write the same to one place, one that was done is enough. */
	for (unsigned i = 0; i < 2u * best->n; i++) {
		const struct asked_item *ai = &best->item[i % best->n];
		bool good = answer_item(best, ai, f, &it) && clear;

		if (good == (i < best->n))
			learn_item(p, st, m, best, &it, good, m->seq);
	}
	best->n = 0;
}

void
policy_memory_note(const struct policy *p, const struct policy_state *st, struct policy_memory *m,
    const struct fact *f, const struct verdict *v, bool carried)
{
	if (f->proto >= p->n_protos || p->watch_at[f->proto] == p->watch_at[f->proto + 1])
		return;
	if (f->kind == FACT_REQUEST || f->kind == FACT_OTHER)
		note_request(p, st, m, f, v, carried);
	else if (f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION)
		note_answer(p, st, m, f, v, carried);
}

void
policy_memory_rebind(struct policy_memory *m, const struct policy *before,
    const struct policy *after, uint64_t now_ns)
{
	if (before && after && before->watch_hash == after->watch_hash)
		return;
	forget_all(m, now_ns);
	memset(m->asked, 0, ((size_t)m->asked_mask + 1) * WAYS * sizeof(*m->asked));
}
