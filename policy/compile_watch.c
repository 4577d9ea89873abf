/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_watch.c - what rules ask of the values devices have last had: the conditions
 * themselves, the list of all places that have to be remembered for them, and the conduits whose
 * requests have to be looked at for it.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"

uint32_t
compile_whens(struct compiler *k, struct arena *a, const struct rule *r)
{
	struct words w = {0};

	vec_push(a, &w, r->whens.n);
	for (uint32_t i = 0; i < r->whens.n; i++) {
		const struct when *c = &r->whens.v[i];
		struct tb_when t = {.limit = compile_limit(k, a, &c->is),
		    .space = c->is.at.space,
		    .sub = c->is.at.sub,
		    .unit = c->unit,
		    .any_unit = !c->unit_said,
		    .within = {(uint32_t)c->within, (uint32_t)(c->within >> 32)}};

		for (uint32_t j = 0; j < sizeof(t) / 4; j++)
			vec_push(a, &w, ((const uint32_t *)&t)[j]);
	}
	work_add(k, w.n);
	return image_put(&k->im, w.v, w.n);
}

/* --- what is watched ----------------------------------------------------------------------- */

struct watches {
	struct tb_watch *v;
	uint32_t n, cap;
};

static void
watch_add(struct arena *a, struct watches *out, const struct limit *l)
{
	vec_push(a, out,
	    ((struct tb_watch){.space = l->at.space,
		.sub = l->at.sub,
		.sub_last = l->at.sub_last,
		.first = l->at.first,
		.last = l->at.last,
		.cell = l->shape.cell,
		.bits = l->shape.bits}));
}

static void
watch_rule(struct arena *a, struct watches *out, const struct rule *r, unsigned n_spaces)
{
	for (uint32_t i = 0; r->enabled && i < r->whens.n; i++)
		watch_add(a, out, &r->whens.v[i].is);
	for (unsigned s = 0; r->enabled && s < n_spaces; s++)
		for (uint32_t i = 0; i < r->limits[s].n; i++)
			if (r->limits[s].v[i].changes)
				watch_add(a, out, &r->limits[s].v[i]);
}

static int
cmp(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* Ranges of the same cells stand together. */
static int
alike_cmp(const void *va, const void *vb)
{
	const struct tb_watch *a = va, *b = vb;
	int d = cmp(a->space, b->space);

	if (d == 0)
		d = cmp(a->cell, b->cell);
	if (d == 0)
		d = cmp(a->first % a->cell, b->first % b->cell);
	if (d == 0)
		d = cmp(a->sub, b->sub);
	if (d == 0)
		d = cmp(a->sub_last, b->sub_last);
	return d != 0 ? d : cmp(a->first, b->first);
}

static bool
alike(const struct tb_watch *a, const struct tb_watch *b)
{
	return a->space == b->space && a->cell == b->cell && a->sub == b->sub &&
	       a->sub_last == b->sub_last && a->first % a->cell == b->first % b->cell;
}

static int
place_cmp(const void *va, const void *vb)
{
	const struct tb_watch *a = va, *b = vb;
	int d = cmp(a->space, b->space);

	if (d == 0)
		d = cmp(a->first, b->first);
	if (d == 0)
		d = cmp(a->last, b->last);
	if (d == 0)
		d = cmp(a->cell, b->cell);
	return d != 0 ? d : cmp(a->sub, b->sub);
}

static void
watch_merge(struct watches *w)
{
	uint32_t n = 0;

	if (w->n == 0)
		return;
	qsort(w->v, w->n, sizeof(*w->v), alike_cmp);
	for (uint32_t i = 1; i < w->n; i++) {
		if (alike(&w->v[n], &w->v[i]) && w->v[i].first <= (uint64_t)w->v[n].last + 1) {
			if (w->v[i].last > w->v[n].last)
				w->v[n].last = w->v[i].last;
		} else {
			w->v[++n] = w->v[i];
		}
	}
	w->n = n + 1;
	qsort(w->v, w->n, sizeof(*w->v), place_cmp);
	for (uint32_t i = 0; i < w->n; i++) {
		w->v[i].reach = w->v[i].last;
		if (i != 0 && w->v[i - 1].space == w->v[i].space &&
		    w->v[i - 1].reach > w->v[i].last)
			w->v[i].reach = w->v[i - 1].reach;
	}
}

void
compile_watch(struct policy *p, const struct ruleset *rs, struct arena *scratch)
{
	uint32_t *at = arena_array(&p->keep, n_dissectors + 1u, sizeof(*at));
	struct watches all = {0};
	struct tb_watch *to;

	p->watch_hash = UINT64_C(0xcbf29ce484222325);
	for (unsigned proto = 0; proto < n_dissectors; proto++) {
		struct watches w = {0};

		for (uint32_t i = 0; i < rs->n_rules; i++)
			if (rs->rule_block[i]->proto == proto)
				watch_rule(
				    scratch, &w, rs->rules[i], dissectors[proto]->schema->n_spaces);
		watch_merge(&w);
		for (uint32_t i = 0; i < w.n; i++)
			vec_push(scratch, &all, w.v[i]);
		at[proto + 1] = all.n;
		p->watch_hash = (p->watch_hash ^ w.n) * UINT64_C(0x100000001b3);
	}
	to = arena_array(&p->keep, all.n + 1u, sizeof(*to));
	if (all.n != 0)
		memcpy(to, all.v, all.n * sizeof(*to));
	for (uint32_t i = 0; i < all.n * (sizeof(*to) / 4); i++)
		p->watch_hash =
		    (p->watch_hash ^ ((const uint32_t *)to)[i]) * UINT64_C(0x100000001b3);
	p->watch = to;
	p->watch_at = at;
}

/* --- of which devices ---------------------------------------------------------------------- */

/* Servers of whom rules ask, by the ends of their conduits: a device; of a zone, some device or any
 * address. */
struct servers {
	bool *device, *zone_some, *zone_all;
};

static void
hash_add(uint64_t *h, const void *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*h = (*h ^ ((const uint8_t *)data)[i]) * UINT64_C(0x100000001b3);
}

/* Another address behind the same name is another server. */
static void
hash_end(uint64_t *h, const struct ruleset *rs, const struct endpoint *e)
{
	hash_add(h, &e->kind, sizeof(e->kind));
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (e->kind == END_DEVICE ? d == e->index : rs->devices[d].zone == e->index)
			hash_add(h, rs->devices[d].ip.b, 16);
	for (uint32_t i = 0; e->kind == END_ANY && i < rs->zones[e->index].n_nets; i++) {
		hash_add(h, rs->zones[e->index].nets[i].addr.b, 16);
		hash_add(
		    h, &rs->zones[e->index].nets[i].len, sizeof(rs->zones[e->index].nets[i].len));
	}
}

static bool
rule_asks(const struct rule *r, unsigned n_spaces)
{
	bool asks = r->whens.n != 0;

	for (unsigned s = 0; s < n_spaces; s++)
		for (uint32_t i = 0; i < r->limits[s].n; i++)
			asks = asks || r->limits[s].v[i].changes;
	return r->enabled && asks;
}

static bool
block_asks(const struct block *b)
{
	bool asks = false;

	for (uint32_t i = 0; i < b->deny.n; i++)
		asks = asks || rule_asks(b->deny.v[i], b->dis->schema->n_spaces);
	for (uint32_t i = 0; i < b->allow.n; i++)
		asks = asks || rule_asks(b->allow.v[i], b->dis->schema->n_spaces);
	return asks;
}

static void
servers_add(
    struct policy *p, const struct ruleset *rs, const struct endpoints *to, const struct servers *v)
{
	for (uint32_t i = 0; i < to->n; i++) {
		const struct endpoint *e = &to->v[i];

		hash_end(&p->watch_hash, rs, e);
		if (e->kind == END_DEVICE) {
			v->device[e->index] = true;
			v->zone_some[rs->devices[e->index].zone] = true;
		} else {
			v->zone_some[e->index] = v->zone_all[e->index] = true;
		}
	}
}

static bool
servers_meet(const struct ruleset *rs, const struct endpoints *to, const struct servers *v)
{
	for (uint32_t i = 0; i < to->n; i++) {
		const struct endpoint *e = &to->v[i];

		if (e->kind == END_DEVICE
			? v->device[e->index] || v->zone_all[rs->devices[e->index].zone]
			: v->zone_some[e->index])
			return true;
	}
	return false;
}

uint8_t *
compile_states(struct policy *p, const struct ruleset *rs, struct arena *a)
{
	uint8_t *states = arena_array(a, rs->n_conduits + 1u, sizeof(*states));

	for (unsigned proto = 0; proto < n_dissectors; proto++) {
		struct servers v;

		if (p->watch_at[proto] == p->watch_at[proto + 1])
			continue;
		v.device = arena_array(a, rs->n_devices + 1u, sizeof(bool));
		v.zone_some = arena_array(a, rs->n_zones + 1u, sizeof(bool));
		v.zone_all = arena_array(a, rs->n_zones + 1u, sizeof(bool));
		hash_add(&p->watch_hash, &proto, sizeof(proto));
		for (uint32_t c = 0; c < rs->n_conduits; c++)
			for (uint32_t b = 0; b < rs->conduits[c].n_blocks; b++)
				if (rs->conduits[c].blocks[b].proto == proto &&
				    block_asks(&rs->conduits[c].blocks[b]))
					servers_add(p, rs, &rs->conduits[c].to, &v);
		for (uint32_t c = 0; c < rs->n_conduits; c++)
			for (uint32_t b = 0; b < rs->conduits[c].n_blocks; b++)
				if (rs->conduits[c].blocks[b].proto == proto &&
				    servers_meet(rs, &rs->conduits[c].to, &v))
					states[c] |= (uint8_t)(1u << b);
	}
	return states;
}
