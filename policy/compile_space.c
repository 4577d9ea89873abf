/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_space.c - the rules of a set in one space, for one access: a sweep over
 * its addresses, one per run of subdivisions that the same rules reach.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"

uint32_t
compile_limit(struct compiler *k, struct arena *a, const struct limit *l)
{
	size_t bytes = sizeof(struct tb_limit) + l->set.n * sizeof(struct span);
	struct tb_limit *t = arena_get(a, bytes);

	t->n = l->set.n;
	t->shape = l->shape;
	t->step = l->step;
	t->base = l->base;
	t->changes = l->changes;
	t->change = l->change;
	memcpy(t->set, l->set.v, l->set.n * sizeof(*l->set.v));
	return image_put(&k->im, (const uint32_t *)t, (uint32_t)(bytes / 4));
}

/* --- one space: the sweep ---------------------------------------------------------------------- */

struct segs {
	struct tb_seg *v;
	uint32_t n, cap;
};

static void
seg_add(struct compiler *k, struct segs *out, struct tb_seg s)
{
	struct tb_seg *p = out->n ? &out->v[out->n - 1] : NULL;

	if (p && p->list == s.list && p->rule == s.rule && p->bits == s.bits)
		p->last = s.last;
	else
		vec_push(k->u, out, s);
}

/*
 * Segs as a dir.  Addresses are looked up in steps of 1 << shift, the coarsest in
 * which all boundaries lie: a space of bits that is used by the byte has an
 * eighth of the pages.  Many pages for few segs are not worth their memory.
 */
static uint32_t
dir_put(struct compiler *k, const struct segs *segs, bool many)
{
	uint32_t n_pages = 0, s = 0, bounds = 0, shift = 0, most;
	_Alignas(uint32_t) uint8_t page[TB_PAGE];
	struct words d = {0};

	for (uint32_t i = 0; i + 1 < segs->n; i++)
		bounds |= segs->v[i].last + 1;
	if (bounds != 0) {
		shift = (uint32_t)__builtin_ctz(bounds);
		n_pages = (segs->v[segs->n - 2].last >> shift >> TB_PAGE_SHIFT) + 1;
	}
	most = many ? TB_PAGES_SOME + 2 * segs->n : TB_PAGES_FEW + 4 * segs->n;
	if (n_pages > TB_PAGES_MAX || n_pages > most)
		vec_push(k->u, &d, TB_SEARCH);
	else
		vec_push(k->u, &d, TB_PAGED);
	vec_push(k->u, &d, image_put(&k->im, (const uint32_t *)segs->v, segs->n * 4));
	vec_push(k->u, &d, n_pages);
	vec_push(k->u, &d, segs->n - 1);
	vec_push(k->u, &d, shift);
	for (uint32_t i = 0; d.v[0] == TB_PAGED && i < n_pages; i++) {
		uint64_t at = (uint64_t)i << TB_PAGE_SHIFT << shift, size = (uint64_t)TB_PAGE << shift;
		uint32_t first = s;

		if (segs->v[s].last >= at + size - 1) {
			vec_push(k->u, &d, 0);
		} else {
			for (uint64_t j = 0; j < TB_PAGE; j++) {
				while (s + 1 < segs->n && segs->v[s].last < at + (j << shift))
					s++; /* a coarse page may go past the last address */
				page[j] = (uint8_t)(s - first);
			}
			vec_push(k->u, &d, image_put(&k->im, (const uint32_t *)page, TB_PAGE / 4));
		}
		vec_push(k->u, &d, first);
		while (s + 1 < segs->n && segs->v[s].last < at + size)
			s++;
	}
	work_add(k, d.n);
	return image_put(&k->im, d.v, d.n);
}

/* A rule the sweep knows of, and what holds of it at its place. */
struct open {
	const struct rule *rule;
	uint32_t pieces; /* that are open: the rule reaches the address when there is one */
	uint32_t limit;	 /* of the address, in the image */
	bool limits;	 /* the rule limits values in this space */
};

/* The rules whose piece is open at the sweep's place, as candidates. */
static struct tb_seg
sweep_seg(struct compiler *k, const uint64_t *active, const struct open *open, uint32_t n,
    uint32_t last)
{
	struct cands cs = {0};

	work_add(k, n / 64 + 1);
	for (uint32_t i = 0; i <= n / 64 && !cs.ended; i++)
		for (uint64_t m = active[i]; m != 0 && !cs.ended; m &= m - 1) {
			const struct open *o = &open[i * 64 + (uint32_t)__builtin_ctzll(m)];

			cand_add(k, k->u, &cs, o->rule, o->limit, o->limits ? CAND_LIMITS : 0);
		}
	return cands_seg(k, k->u, &cs, last, false);
}

static int
piece_cmp(const void *va, const void *vb)
{
	const struct piece *a = va, *b = vb;

	return (a->k > b->k) - (a->k < b->k);
}

/* Rules are numbered by their place among those that have pieces here. */
static struct open *
sweep_rules(struct compiler *k, struct pieces *ps, unsigned slot, uint32_t *n)
{
	struct open *open = arena_array(k->u, ps->n + 1u, sizeof(*open));
	uint32_t m = 0;

	if (ps->n != 0)
		qsort(ps->v, ps->n, sizeof(*ps->v), piece_cmp);
	for (uint32_t p = 0; p < ps->n; p++) {
		const struct rule *r = k->in[ps->v[p].k];

		if (m == 0 || open[m - 1].rule != r)
			open[m++] = (struct open){.rule = r,
			    .limits = slot % 2 == 1 && r->limits[slot / 2].n != 0};
		ps->v[p].k = m - 1;
	}
	*n = m;
	return open;
}

/* From address 0 to the end; a new seg wherever a piece starts or ends. */
static uint32_t
sweep(struct compiler *k, struct pieces *ps, unsigned slot, bool many)
{
	struct event *ev = arena_array(k->u, 2 * (size_t)ps->n + 1, sizeof(*ev));
	uint64_t *active = arena_array(k->u, ps->n / 64 + 1u, sizeof(*active));
	struct segs segs = {0};
	uint32_t n = 0, m, i = 0, at = 0;
	struct open *open = sweep_rules(k, ps, slot, &m), *o;

	for (uint32_t p = 0; p < ps->n; p++) {
		ev[n++] = (struct event){ps->v[p].lo, true, &ps->v[p]};
		if (ps->v[p].hi != UINT32_MAX)
			ev[n++] = (struct event){ps->v[p].hi + 1, false, &ps->v[p]};
	}
	qsort(ev, n, sizeof(*ev), event_cmp);
	for (;;) {
		for (; i < n && ev[i].at == at; i++) {
			const struct piece *p = ev[i].piece;

			o = &open[p->k];
			if (p->limit)
				o->limit = ev[i].start ? compile_limit(k, k->u, p->limit) : 0;
			else
				o->pieces += ev[i].start ? 1u : UINT32_MAX;
			if (o->pieces != 0)
				active[p->k / 64] |= UINT64_C(1) << (p->k % 64);
			else
				active[p->k / 64] &= ~(UINT64_C(1) << (p->k % 64));
		}
		seg_add(k, &segs, sweep_seg(k, active, open, m, i < n ? ev[i].at - 1 : UINT32_MAX));
		if (i == n || k->too_big)
			break;
		at = ev[i].at;
	}
	segs.v[segs.n - 1].last = UINT32_MAX;
	return dir_put(k, &segs, many);
}

/* --- one slot of a set ------------------------------------------------------------------------------ */

/* A piece and the subdivisions it lies in. */
struct rect {
	uint32_t sub, sub_last;
	struct piece piece;
};
struct rect_list {
	struct rect *v;
	uint32_t n, cap;
};

static void
collect_rects(struct compiler *k, unsigned slot, struct rect_list *out)
{
	for (uint32_t i = 0; i < k->n_in; i++) {
		const struct rule *r = k->in[i];
		const struct rects *reach = &r->reach[slot];
		const struct limits *ls = &r->limits[slot / 2];

		if (r->everything)
			vec_push(k->t, out,
			    ((struct rect){0, UINT32_MAX, {0, UINT32_MAX, i, NULL}}));
		for (uint32_t j = 0; j < reach->n; j++)
			vec_push(k->t, out, ((struct rect){reach->v[j].sub, reach->v[j].sub_last,
			    {reach->v[j].first, reach->v[j].last, i, NULL}}));
		for (uint32_t j = 0; slot % 2 == 1 && j < ls->n; j++)
			vec_push(k->t, out, ((struct rect){ls->v[j].at.sub, ls->v[j].at.sub_last,
			    {ls->v[j].at.first, ls->v[j].at.last, i, &ls->v[j]}}));
	}
	work_add(k, k->n_in + out->n);
}

uint32_t
compile_flat(struct compiler *k, unsigned slot)
{
	struct rect_list rects = {0};
	struct pieces ps = {0};
	uint32_t dir;

	collect_rects(k, slot, &rects);
	for (uint32_t i = 0; i < rects.n; i++)
		vec_push(k->u, &ps, rects.v[i].piece);
	dir = sweep(k, &ps, slot, false);
	arena_reset(k->u);
	return dir;
}

/* {first sub, dir} pairs as a dir: paged like addresses, or searched when far apart. */
static uint32_t
subs_put(struct compiler *k, const struct words *pairs)
{
	uint32_t n = pairs->n / 2, page[TB_PAGE], n_pages, s = 0;
	struct words d = {0};

	n_pages = n > 1 ? ((pairs->v[2 * (size_t)n - 2] - 1) >> TB_PAGE_SHIFT) + 1 : 0;
	if (n_pages > TB_PAGES_MAX) {
		vec_push(k->t, &d, TB_SUBS_FAR);
		vec_push(k->t, &d, image_put(&k->im, pairs->v, pairs->n));
		vec_push(k->t, &d, n);
		return image_put(&k->im, d.v, d.n);
	}
	vec_push(k->t, &d, TB_SUBS);
	vec_push(k->t, &d, 0);
	vec_push(k->t, &d, n_pages);
	vec_push(k->t, &d, pairs->v[pairs->n - 1]);
	vec_push(k->t, &d, 0);
	for (uint32_t i = 0; i < n_pages; i++) {
		uint32_t at = i * TB_PAGE;

		while (s + 1 < n && pairs->v[2 * (size_t)s + 2] <= at)
			s++;
		if (s + 1 == n || pairs->v[2 * (size_t)s + 2] > at + TB_PAGE - 1) {
			vec_push(k->t, &d, pairs->v[2 * (size_t)s + 1] | TB_UNIFORM);
			continue;
		}
		for (uint32_t j = 0; j < TB_PAGE; j++) {
			while (s + 1 < n && pairs->v[2 * (size_t)s + 2] <= at + j)
				s++;
			page[j] = pairs->v[2 * (size_t)s + 1];
		}
		vec_push(k->t, &d, image_put(&k->im, page, TB_PAGE));
	}
	work_add(k, n_pages);
	return image_put(&k->im, d.v, d.n);
}

static void
pairs_add(struct compiler *k, struct words *pairs, uint32_t first, uint32_t dir)
{
	if (pairs->n != 0 && pairs->v[pairs->n - 1] == dir)
		return;
	vec_push(k->t, pairs, first);
	vec_push(k->t, pairs, dir);
}

struct sub_event {
	uint32_t at;
	bool start;
	uint32_t rect;
};

static int
sub_event_cmp(const void *va, const void *vb)
{
	const struct sub_event *a = va, *b = vb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (int)a->start - (int)b->start;
}

/*
 * A space with subdivisions: a dir for every run of them that the same rules
 * reach.  The rects that are open are kept in an array, each knowing its place.
 */
uint32_t
compile_subs(struct compiler *k, unsigned slot)
{
	struct rect_list rects = {0};
	struct sub_event *ev;
	struct words pairs = {0};
	uint32_t *open, *place, n = 0, m = 0, i = 0, at = 0;

	collect_rects(k, slot, &rects);
	ev = arena_array(k->t, 2 * (size_t)rects.n + 1, sizeof(*ev));
	open = arena_array(k->t, rects.n + 1u, sizeof(*open));
	place = arena_array(k->t, rects.n + 1u, sizeof(*place));
	for (uint32_t r = 0; r < rects.n; r++) {
		ev[n++] = (struct sub_event){rects.v[r].sub, true, r};
		if (rects.v[r].sub_last != UINT32_MAX)
			ev[n++] = (struct sub_event){rects.v[r].sub_last + 1, false, r};
	}
	qsort(ev, n, sizeof(*ev), sub_event_cmp);
	while (!k->too_big) {
		struct pieces ps = {0};

		for (; i < n && ev[i].at == at; i++) {
			uint32_t r = ev[i].rect;

			if (ev[i].start) {
				place[r] = m;
				open[m++] = r;
			} else {
				open[place[r]] = open[--m];
				place[open[m]] = place[r];
			}
		}
		for (uint32_t j = 0; j < m && work_add(k, 1); j++)
			vec_push(k->u, &ps, rects.v[open[j]].piece);
		pairs_add(k, &pairs, at, sweep(k, &ps, slot, true));
		arena_reset(k->u);
		if (i == n)
			return subs_put(k, &pairs);
		at = ev[i].at;
	}
	return 0;
}

static int
u32_cmp(const void *va, const void *vb)
{
	uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;

	return (a > b) - (a < b);
}

/* Names, by what of them is touched where rules ask for that (attributes). */
uint32_t
compile_named(struct compiler *k, unsigned slot)
{
	struct words at = {0}, pairs = {0}, dirs = {0};
	bool *has = arena_array(k->t, k->n_in + 1u, sizeof(*has)), fresh;
	uint64_t *bits = arena_array(k->t, k->n_words, sizeof(*bits));
	struct sets seen = {0};
	struct set *s;

	vec_push(k->t, &at, 0);
	for (uint32_t i = 0; i < k->n_in; i++)
		for (uint32_t j = 0; j < k->in[i]->subs[slot].n; j++) {
			vec_push(k->t, &at, k->in[i]->subs[slot].v[j].lo);
			vec_push(k->t, &at, k->in[i]->subs[slot].v[j].hi + 1); /* 0: harmless */
		}
	qsort(at.v, at.n, sizeof(*at.v), u32_cmp);
	for (uint32_t i = 0; i < at.n && work_add(k, k->n_in + 1); i++) {
		if (i != 0 && at.v[i] == at.v[i - 1])
			continue;
		memset(bits, 0, k->n_words * sizeof(*bits));
		for (uint32_t r = 0; r < k->n_in; r++) {
			const struct ivals *subs = &k->in[r]->subs[slot];

			has[r] = subs->n == 0 || ivals_has(subs, at.v[i]);
			bits[r / 64] |= (uint64_t)has[r] << (r % 64);
		}
		s = sets_find(k, k->t, &seen, bits, &fresh);
		if (fresh) {
			s->id = dirs.n;
			vec_push(k->t, &dirs, compile_names(k, slot, has));
			arena_reset(k->u);
		}
		pairs_add(k, &pairs, at.v[i], dirs.v[s->id]);
	}
	if (k->too_big)
		return 0;
	return pairs.n == 2 ? pairs.v[1] : subs_put(k, &pairs);
}

