/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - rules to tables (table.h has the picture).
 *
 * Rules of a block are numbered deny first, then allow, each in file order:
 * that is the order in which they are tried.  Sets of rules are bit sets over
 * those numbers.  Units fall into classes that the same rules speak of; a
 * (class, function) pair leaves a set; each set is compiled once.  Within a
 * set every space is swept from address 0 to the end, and a new seg starts
 * where a range or a value limit starts or ends.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"

/* An address range in which rule k of the set is (limit NULL) or is limited. */
struct piece {
	uint32_t lo, hi, k;
	const struct limit *limit;
};
struct pieces {
	struct piece *v;
	uint32_t n, cap;
};

struct event { /* of a sweep: at this address a piece starts or has ended */
	uint32_t at;
	bool start;
	const struct piece *piece;
};

bool
work_add(struct compiler *k, uint64_t n)
{
	k->work += n;
	if (k->work > TB_WORK_MAX || k->im.n > TB_WORDS_MAX)
		k->too_big = true;
	return !k->too_big;
}

/* --- the image --------------------------------------------------------------------------- */

static uint32_t
words_hash(const uint32_t *p, uint32_t n)
{
	uint64_t h = n;

	for (uint32_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
	return (uint32_t)(h >> 32);
}

static uint32_t *
run_find(struct image *im, const uint32_t *p, uint32_t n)
{
	uint32_t i = words_hash(p, n) & im->mask;

	while (im->slot[i].off != 0 && (im->slot[i].len != n ||
	    memcmp(im->w + im->slot[i].off, p, n * sizeof(*p)) != 0))
		i = (i + 1) & im->mask;
	im->slot[i].len = n;
	return &im->slot[i].off;
}

static void
image_rehash(struct image *im)
{
	struct run *old = im->slot;
	uint32_t n = old ? im->mask + 1 : 0;

	im->mask = old ? im->mask * 2 + 1 : 1023;
	im->slot = arena_array(im->a, (size_t)im->mask + 1, sizeof(*im->slot));
	for (uint32_t i = 0; i < n; i++)
		if (old[i].off != 0)
			*run_find(im, im->w + old[i].off, old[i].len) = old[i].off;
}

/* Room for n words at a multiple of four: a seg lies in one cache line. */
static uint32_t
image_room(struct image *im, uint32_t n)
{
	uint32_t off = im->n;
	uint32_t *w;

	while (im->cap - im->n < n + 4) {
		w = arena_grow(im->a, im->w, &im->cap, sizeof(*im->w));
		im->w = w;
	}
	im->n += (n + 3) & ~3u;
	return off;
}

uint32_t
image_put(struct image *im, const uint32_t *p, uint32_t n)
{
	uint32_t *at, off;

	if (im->used * 2 >= im->mask)
		image_rehash(im);
	at = run_find(im, p, n);
	if (*at == 0) {
		off = image_room(im, n);
		memcpy(im->w + off, p, n * sizeof(*p));
		*at = off;
		im->used++;
	}
	return *at;
}

/* --- candidates of one seg ------------------------------------------------------------------ */

static uint8_t
rule_mode(const struct compiler *k, const struct rule *r)
{
	return r->mode == MODE_UNSET ? k->conduit->mode : r->mode;
}

static uint32_t
rule_bits(const struct compiler *k, const struct rule *r)
{
	uint8_t mode = rule_mode(k, r);

	return tb_bits(mode_apply(mode, r->verdict), r->verdict, REASON_RULE, mode);
}

bool
rule_decides(const struct compiler *k, const struct rule *r)
{
	return !r->deny || rule_mode(k, r) == MODE_ENFORCE;
}

static uint32_t
put_limit(struct compiler *k, const struct limit *l)
{
	size_t bytes = sizeof(struct tb_limit) + l->set.n * sizeof(struct span);
	struct tb_limit *t = arena_get(k->u, bytes);

	t->n = l->set.n;
	t->shape = l->shape;
	t->step = l->step;
	t->base = l->base;
	memcpy(t->set, l->set.v, l->set.n * sizeof(*l->set.v));
	return image_put(&k->im, (const uint32_t *)t, (uint32_t)(bytes / 4));
}

void
cand_add(struct compiler *k, struct arena *a, struct cands *cs, const struct rule *r,
    uint32_t limit, uint32_t flags)
{
	struct tb_cand c = {.rule = r->index, .bits = rule_bits(k, r), .limit = limit};

	if (cs->ended)
		return;
	c.flags = flags | (r->deny ? CAND_DENY : 0u) | (rule_decides(k, r) ? CAND_ENDS : 0u);
	vec_push(a, cs, c);
	if (limit || (flags & CAND_LIMITS && !r->deny))
		cs->depends = true;
	else if (rule_decides(k, r))
		cs->ended = true;
}

struct tb_seg
cands_seg(struct compiler *k, struct arena *a, struct cands *cs, uint32_t last, bool whole)
{
	struct tb_seg seg = {.last = last, .rule = RULE_NONE};
	struct outcome o = {0};

	if (!cs->ended)
		vec_push(a, cs, ((struct tb_cand){.rule = RULE_NONE, .bits = k->otherwise,
		    .flags = CAND_LAST | CAND_ENDS | UINT32_MAX << CAND_ORDER}));
	work_add(k, cs->n);
	if (cs->depends || whole) {
		seg.list = image_put(&k->im, (const uint32_t *)cs->v,
		    cs->n * (uint32_t)(sizeof(*cs->v) / sizeof(uint32_t)));
	} else {
		for (uint32_t i = 0; i < cs->n; i++)
			outcome_add(&o, cs->v[i].rule, cs->v[i].bits);
		seg.rule = o.rule;
		seg.bits = outcome_bits(&o);
	}
	return seg;
}

/* --- one space: the sweep ---------------------------------------------------------------------- */

static int
event_cmp(const void *va, const void *vb)
{
	const struct event *a = va, *b = vb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (int)a->start - (int)b->start; /* ends first */
}

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
	uint32_t page[TB_PAGE], n_pages = 0, s = 0, bounds = 0, shift = 0, most;
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

		if (segs->v[s].last >= at + size - 1) {
			vec_push(k->u, &d, s | TB_UNIFORM);
		} else {
			for (uint64_t j = 0; j < TB_PAGE; j++) {
				while (segs->v[s].last < at + (j << shift))
					s++;
				page[j] = s;
			}
			vec_push(k->u, &d, image_put(&k->im, page, TB_PAGE));
		}
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
				o->limit = ev[i].start ? put_limit(k, p->limit) : 0;
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

static uint32_t
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
		bool same = true;

		for (uint32_t j = 0; j < TB_PAGE; j++) {
			while (s + 1 < n && pairs->v[2 * (size_t)s + 2] <= i * TB_PAGE + j)
				s++;
			page[j] = pairs->v[2 * (size_t)s + 1];
			same = same && page[j] == page[0];
		}
		vec_push(k->t, &d, same ? page[0] | TB_UNIFORM : image_put(&k->im, page, TB_PAGE));
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
static uint32_t
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
static uint32_t
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

/* --- one set ------------------------------------------------------------------------------------------- */

/* A fact without items: an allow rule needs no more, a deny rule must not ask for addresses. */
static uint32_t
compile_itemless(struct compiler *k)
{
	struct cands cs = {0};
	struct tb_seg seg;

	for (uint32_t i = 0; i < k->n_in; i++)
		if (!k->in[i]->deny || (k->in[i]->everything && !k->in[i]->subs_stated))
			cand_add(k, k->t, &cs, k->in[i], 0, 0);
	seg = cands_seg(k, k->t, &cs, UINT32_MAX, false);
	return image_put(&k->im, (const uint32_t *)&seg, 4);
}

static uint32_t
compile_set(struct compiler *k, const uint64_t *bits)
{
	struct words slots = {0};
	uint32_t off;

	k->in = arena_array(k->t, k->n_rules + 1u, sizeof(struct rule *));
	k->n_in = 0;
	for (uint32_t i = 0; i < k->n_words; i++)
		for (uint64_t m = bits[i]; m != 0; m &= m - 1)
			k->in[k->n_in++] = k->rules[i * 64 + (uint32_t)__builtin_ctzll(m)];
	work_add(k, k->n_words + k->n_in);
	vec_push(k->t, &slots, compile_itemless(k));
	for (unsigned s = 0; s < 2u * k->sc->n_spaces; s++) {
		uint32_t dir;

		if (schema_has(k->sc, KEY_PATTERN, (uint8_t)(s / 2)))
			dir = compile_named(k, s);
		else if (k->sc->spaces[s / 2].max_sub != 0)
			dir = compile_subs(k, s);
		else
			dir = compile_flat(k, s);
		vec_push(k->t, &slots, dir);
	}
	off = image_put(&k->im, slots.v, slots.n);
	arena_reset(k->t);
	return off;
}

struct set *
sets_find(struct compiler *k, struct arena *a, struct sets *t, const uint64_t *bits, bool *fresh)
{
	uint32_t h;

	if (t->n * 2 >= t->mask) {
		t->mask = t->mask ? t->mask * 2 + 1 : 63;
		t->slot = arena_array(a, (size_t)t->mask + 1, sizeof(*t->slot));
		for (uint32_t i = 0; i < t->n; i++) {
			h = words_hash((const uint32_t *)t->v[i].bits, k->n_words * 2);
			while (t->slot[h & t->mask] != 0)
				h++;
			t->slot[h & t->mask] = i + 1;
		}
	}
	h = words_hash((const uint32_t *)bits, k->n_words * 2);
	for (; t->slot[h & t->mask] != 0; h++) {
		struct set *s = &t->v[t->slot[h & t->mask] - 1];

		if (memcmp(s->bits, bits, k->n_words * sizeof(*bits)) == 0) {
			*fresh = false;
			return s;
		}
	}
	vec_push(a, t, ((struct set){arena_array(a, k->n_words, sizeof(*bits)), 0}));
	memcpy(t->v[t->n - 1].bits, bits, k->n_words * sizeof(*bits));
	t->slot[h & t->mask] = t->n;
	*fresh = true;
	return &t->v[t->n - 1];
}

/* --- one block ---------------------------------------------------------------------------------------------- */

/* Units to classes: {first unit, class} pairs, ascending, from 0 on. */
static void
compile_units(struct compiler *k, struct sets *classes, struct words *pairs)
{
	struct event *ev;
	struct piece *ps;
	uint64_t *active = arena_array(k->a, k->n_words, sizeof(*active));
	uint32_t n = 0, np = 0, i = 0, at = 0;
	struct set *s;
	bool fresh;

	for (uint32_t r = 0; r < k->n_rules; r++)
		np += k->rules[r]->units.n;
	ps = arena_array(k->a, np + 1u, sizeof(*ps));
	ev = arena_array(k->a, 2 * (size_t)np + 1, sizeof(*ev));
	np = 0;
	for (uint32_t r = 0; r < k->n_rules; r++)
		for (uint32_t j = 0; j < k->rules[r]->units.n; j++) {
			const struct ival *u = &k->rules[r]->units.v[j];

			ps[np] = (struct piece){u->lo, u->hi, r, NULL};
			ev[n++] = (struct event){u->lo, true, &ps[np]};
			if (u->hi != UINT32_MAX)
				ev[n++] = (struct event){u->hi + 1, false, &ps[np]};
			np++;
		}
	qsort(ev, n, sizeof(*ev), event_cmp);
	for (;;) {
		for (; i < n && ev[i].at == at; i++)
			active[ev[i].piece->k / 64] ^= UINT64_C(1) << (ev[i].piece->k % 64);
		s = sets_find(k, k->a, classes, active, &fresh);
		if (fresh)
			s->id = classes->n - 1;
		if (pairs->n == 0 || pairs->v[pairs->n - 1] != s->id) {
			vec_push(k->a, pairs, at);
			vec_push(k->a, pairs, s->id);
		}
		if (i == n || !work_add(k, k->n_words))
			break;
		at = ev[i].at;
	}
}

static void
compile_rows(struct compiler *k, const struct sets *classes, uint32_t *row)
{
	uint64_t *ops = arena_array(k->a, (size_t)k->sc->n_opx * k->n_words, sizeof(*ops));
	uint64_t *both = arena_array(k->a, k->n_words, sizeof(*both));
	struct sets cells = {0};
	struct set *s;
	bool fresh;

	for (uint32_t r = 0; r < k->n_rules; r++)
		for (uint32_t x = 0; x < k->sc->n_opx; x++)
			if (rule_has_op(k->rules[r], x))
				ops[x * k->n_words + r / 64] |= UINT64_C(1) << (r % 64);
	for (uint32_t c = 0; c < classes->n; c++)
		for (uint32_t x = 0; x < k->sc->n_opx; x++) {
			for (uint32_t i = 0; i < k->n_words; i++)
				both[i] = classes->v[c].bits[i] & ops[x * k->n_words + i];
			s = sets_find(k, k->a, &cells, both, &fresh);
			if (fresh)
				s->id = compile_set(k, s->bits);
			row[c * k->sc->n_opx + x] = s->id;
			if (!work_add(k, k->n_words))
				return;
		}
}

static uint32_t
compile_block(struct compiler *k, const struct conduit *c, uint32_t at)
{
	const struct block *b = &c->blocks[at];
	uint8_t mode = c->mode;
	struct words pairs = {0}, units = {0};
	struct sets classes = {0};
	struct tb_block head = {0}, *t;
	uint32_t n_row, off, size;
	uint32_t *row;

	k->conduit = c;
	k->block = b;
	k->sc = b->dis->schema;
	k->n_rules = 0;
	k->rules = arena_array(k->a, b->deny.n + b->allow.n + 1u, sizeof(struct rule *));
	for (uint32_t i = 0; i < b->deny.n; i++)
		if (b->deny.v[i]->enabled)
			k->rules[k->n_rules++] = b->deny.v[i];
	for (uint32_t i = 0; i < b->allow.n; i++)
		if (b->allow.v[i]->enabled)
			k->rules[k->n_rules++] = b->allow.v[i];
	k->n_words = k->n_rules / 64 + 1;
	k->otherwise = tb_bits(mode_apply(mode, c->otherwise), c->otherwise, REASON_OTHERWISE, mode);
	compile_units(k, &classes, &pairs);
	compile_steps(k, &classes, &head);
	if (k->too_big)
		return 0;
	n_row = classes.n * k->sc->n_opx;
	row = arena_array(k->a, n_row + 1u, sizeof(*row));
	compile_rows(k, &classes, row);
	if (k->too_big)
		return 0;
	vec_push(k->a, &units, pairs.n / 2);
	for (uint32_t i = 0; i < pairs.n; i++)
		vec_push(k->a, &units, pairs.v[i]);
	size = (uint32_t)sizeof(*t) / 4 + n_row;
	t = arena_get(k->a, size * 4u);
	*t = head;
	t->port_bit = 1u << at;
	t->otherwise = k->otherwise;
	t->n_opx = k->sc->n_opx;
	t->n_spaces = k->sc->n_spaces;
	t->units = image_put(&k->im, units.v, units.n);
	compile_gate(k, t);
	for (uint32_t u = 0, p = 0; u < TB_UNITS; u++) {
		while (p + 2 < pairs.n && pairs.v[p + 2] <= u)
			p += 2;
		t->unit_class[u] = (uint8_t)pairs.v[p + 1];
	}
	memcpy(t->row, row, n_row * sizeof(*row));
	off = image_put(&k->im, (const uint32_t *)t, size);
	return off;
}

bool
compile_tables(struct policy *p, const struct ruleset *rs, struct arena scratch[4],
    struct complaints *c)
{
	struct compiler k = {.im = {.a = &scratch[0]}, .a = &scratch[1], .t = &scratch[2],
	    .u = &scratch[3]};
	struct tb_conduit *conduits;
	uint32_t *block_of, *w;

	(void)image_room(&k.im, 4); /* index 0 is nobody's */
	p->n_conduits = rs->n_conduits;
	p->n_protos = n_dissectors;
	block_of = arena_array(&p->keep, (size_t)rs->n_conduits * p->n_protos + 1, sizeof(*block_of));
	conduits = arena_array(&p->keep, rs->n_conduits + 1u, sizeof(*conduits));
	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		const struct conduit *cd = &rs->conduits[i];

		conduits[i].mode = cd->mode;
		conduits[i].otherwise = cd->otherwise;
		memcpy(conduits[i].cond, cd->cond, sizeof(conduits[i].cond));
		for (uint32_t b = 0; b < cd->n_blocks && !k.too_big; b++)
			block_of[i * p->n_protos + cd->blocks[b].proto] = compile_block(&k, cd, b);
		arena_reset(k.a);
		if (k.too_big && k.fault) {
			complain_at(c, COMPLAINT_ERROR, cd->place.line, cd->place.col,
			    "conduit \"%s\": %s", cd->name, k.fault);
			return false;
		}
		if (k.too_big) {
			complain_at(c, COMPLAINT_ERROR, cd->place.line, cd->place.col,
			    "conduit \"%s\": the rules so far combine to more than %u MiB of tables",
			    cd->name, TB_WORDS_MAX >> 18);
			return false;
		}
	}
	w = arena_array(&p->keep, k.im.n + 16u, sizeof(*w));
	while ((uintptr_t)w % 64 != 0) /* arena_array gave 16 words more than it takes */
		w++;
	memcpy(w, k.im.w, k.im.n * sizeof(*w));
	p->w = w;
	p->block_of = block_of;
	p->conduits = conduits;
	p->no_conduit = tb_bits(mode_apply(rs->mode, VERDICT_DROP), VERDICT_DROP, REASON_NO_CONDUIT,
	    rs->mode);
	return true;
}
