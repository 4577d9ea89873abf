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

#include "policy/complain.h"
#include "policy/table.h"

struct image { /* the words, each distinct run once */
	struct arena *a;
	uint32_t *w, n, cap;
	struct run {
		uint32_t off, len;
	} *slot;
	uint32_t mask, used;
};

struct words {
	uint32_t *v;
	uint32_t n, cap;
};

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

struct set { /* rules that fit a unit and a function */
	uint64_t *bits;
	uint32_t id; /* class number, or -> slots */
};
struct sets {
	struct set *v;
	uint32_t n, cap;
	uint32_t *slot, mask; /* by content: index + 1 */
};

struct compiler {
	struct image im;
	struct arena *a; /* of the block at hand */
	struct arena *t; /* of the set at hand */
	uint64_t work;
	bool too_big;
	/* the block at hand */
	const struct conduit *conduit;
	const struct block *block;
	const struct dis_schema *sc;
	const struct rule **rules;
	uint32_t n_rules, n_words; /* 64-bit words of a set */
	uint32_t otherwise;
	/* the set at hand */
	const struct rule **in;
	uint32_t n_in;
};

static bool
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

/* The index of these words in the image. */
static uint32_t
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

/* A denial that is only rehearsed decides nothing: what follows it still does. */
static bool
rule_ends(const struct compiler *k, const struct rule *r)
{
	return !r->deny || rule_mode(k, r) == MODE_ENFORCE;
}

static uint32_t
put_limit(struct compiler *k, const struct limit *l)
{
	struct words w = {0};

	vec_push(k->t, &w, l->set.n);
	vec_push(k->t, &w, l->step);
	vec_push(k->t, &w, l->set.v[0].lo);
	for (uint32_t i = 0; i < l->set.n; i++) {
		vec_push(k->t, &w, l->set.v[i].lo);
		vec_push(k->t, &w, l->set.v[i].hi);
	}
	return image_put(&k->im, w.v, w.n);
}

struct cands {
	struct tb_cand *v;
	uint32_t n, cap;
	bool depends; /* on what is written */
	bool ended;   /* an unconditional candidate ends the list */
};

static void
cand_add(struct compiler *k, struct cands *cs, const struct rule *r, const struct limit *l,
    bool limits)
{
	struct tb_cand c = {.rule = r->index, .bits = rule_bits(k, r)};

	if (cs->ended)
		return;
	c.limit = l ? put_limit(k, l) : 0;
	c.flags = (r->deny ? CAND_DENY : 0u) | (rule_ends(k, r) ? CAND_ENDS : 0u) |
	    (limits ? CAND_LIMITS : 0u);
	vec_push(k->t, cs, c);
	if (l || (limits && !r->deny))
		cs->depends = true;
	else if (rule_ends(k, r))
		cs->ended = true;
}

static struct tb_seg
cands_seg(struct compiler *k, struct cands *cs, uint32_t last)
{
	struct tb_seg seg = {.last = last, .rule = RULE_NONE};
	struct outcome o = {0};

	if (!cs->ended)
		vec_push(k->t, cs, ((struct tb_cand){.rule = RULE_NONE, .bits = k->otherwise,
		    .flags = CAND_ALWAYS | CAND_ENDS}));
	work_add(k, cs->n);
	if (cs->depends) {
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
		vec_push(k->t, out, s);
}

static uint32_t
dir_put(struct compiler *k, const struct segs *segs)
{
	struct words d = {0};
	uint32_t page[TB_PAGE], n_pages, s = 0, first;

	first = segs->n > 1 ? segs->v[segs->n - 2].last : 0; /* of the last boundary */
	n_pages = segs->n > 1 ? (first >> TB_PAGE_SHIFT) + 1 : 0;
	vec_push(k->t, &d, n_pages > TB_PAGES_MAX ? TB_SEARCH : TB_PAGED);
	vec_push(k->t, &d, image_put(&k->im, (const uint32_t *)segs->v, segs->n * 4));
	vec_push(k->t, &d, n_pages > TB_PAGES_MAX ? 0 : n_pages);
	vec_push(k->t, &d, segs->n - 1);
	for (uint32_t i = 0; d.v[0] == TB_PAGED && i < n_pages; i++) {
		uint32_t at = i << TB_PAGE_SHIFT;

		if (segs->v[s].last >= at + TB_PAGE - 1) {
			vec_push(k->t, &d, s | TB_UNIFORM);
		} else {
			for (uint32_t j = 0; j < TB_PAGE; j++) {
				while (segs->v[s].last < at + j)
					s++;
				page[j] = s;
			}
			vec_push(k->t, &d, image_put(&k->im, page, TB_PAGE));
		}
		while (s + 1 < segs->n && segs->v[s].last < at + TB_PAGE)
			s++;
	}
	work_add(k, d.n);
	return image_put(&k->im, d.v, d.n);
}

/* The rules whose piece is open at the sweep's place, as candidates. */
static struct tb_seg
sweep_seg(struct compiler *k, const uint64_t *active, const struct limit *const *limit,
    const bool *limits, uint32_t last)
{
	struct cands cs = {0};

	work_add(k, k->n_in / 64 + 1);
	for (uint32_t i = 0; i <= k->n_in / 64 && !cs.ended; i++)
		for (uint64_t m = active[i]; m != 0 && !cs.ended; m &= m - 1) {
			uint32_t r = i * 64 + (uint32_t)__builtin_ctzll(m);

			cand_add(k, &cs, k->in[r], limit[r], limits[r]);
		}
	return cands_seg(k, &cs, last);
}

/* limits[k]: rule k limits values in this space (and slot). */
static uint32_t
sweep(struct compiler *k, const struct pieces *ps, const bool *limits)
{
	struct event *ev = arena_array(k->t, 2 * (size_t)ps->n + 1, sizeof(*ev));
	uint64_t *active = arena_array(k->t, k->n_in / 64 + 1u, sizeof(*active));
	const struct limit **limit = arena_array(k->t, k->n_in + 1u, sizeof(*limit));
	struct segs segs = {0};
	uint32_t n = 0, i = 0, at = 0;

	for (uint32_t p = 0; p < ps->n; p++) {
		ev[n++] = (struct event){ps->v[p].lo, true, &ps->v[p]};
		if (ps->v[p].hi != UINT32_MAX)
			ev[n++] = (struct event){ps->v[p].hi + 1, false, &ps->v[p]};
	}
	qsort(ev, n, sizeof(*ev), event_cmp);
	for (;;) {
		for (; i < n && ev[i].at == at; i++) {
			const struct piece *p = ev[i].piece;

			if (p->limit)
				limit[p->k] = ev[i].start ? p->limit : NULL;
			else if (ev[i].start)
				active[p->k / 64] |= UINT64_C(1) << (p->k % 64);
			else
				active[p->k / 64] &= ~(UINT64_C(1) << (p->k % 64));
		}
		seg_add(k, &segs,
		    sweep_seg(k, active, limit, limits, i < n ? ev[i].at - 1 : UINT32_MAX));
		if (i == n || k->too_big)
			break;
		at = ev[i].at;
	}
	segs.v[segs.n - 1].last = UINT32_MAX;
	return dir_put(k, &segs);
}

/* --- one slot of a set ------------------------------------------------------------------------------ */

/* Pieces of rule i in a slot, for one subdivision. */
static void
rule_pieces(struct compiler *k, uint32_t i, unsigned space, unsigned slot, uint32_t sub,
    struct pieces *out)
{
	const struct rule *r = k->in[i];
	const struct rects *reach = &r->reach[slot];
	struct ivals merged = {0};

	if (r->everything)
		vec_push(k->t, &merged, ((struct ival){0, UINT32_MAX}));
	for (uint32_t j = 0; j < reach->n; j++)
		if (reach->v[j].sub <= sub && sub <= reach->v[j].sub_last)
			vec_push(k->t, &merged, ((struct ival){reach->v[j].first, reach->v[j].last}));
	ivals_normalise(&merged);
	for (uint32_t j = 0; j < merged.n; j++)
		vec_push(k->t, out, ((struct piece){merged.v[j].lo, merged.v[j].hi, i, NULL}));
	for (uint32_t j = 0; slot % 2 == 1 && j < r->limits[space].n; j++) {
		const struct limit *l = &r->limits[space].v[j];

		if (l->at.sub <= sub && sub <= l->at.sub_last)
			vec_push(k->t, out, ((struct piece){l->at.first, l->at.last, i, l}));
	}
	work_add(k, reach->n + merged.n + r->limits[space].n + 1);
}

static uint32_t
compile_flat(struct compiler *k, unsigned space, unsigned slot, uint32_t sub)
{
	bool *limits = arena_array(k->t, k->n_in + 1u, sizeof(*limits));
	struct pieces ps = {0};

	for (uint32_t i = 0; i < k->n_in && !k->too_big; i++) {
		limits[i] = slot % 2 == 1 && k->in[i]->limits[space].n != 0;
		rule_pieces(k, i, space, slot, sub, &ps);
	}
	return sweep(k, &ps, limits);
}

static int
u32_cmp(const void *va, const void *vb)
{
	uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;

	return (a > b) - (a < b);
}

/* A space with subdivisions: a dir for every run of them that the same rules reach. */
static uint32_t
compile_subs(struct compiler *k, unsigned space, unsigned slot)
{
	struct words at = {0}, pairs = {0};
	uint32_t dir, prev = 0, d[4];

	vec_push(k->t, &at, 0);
	for (uint32_t i = 0; i < k->n_in; i++) {
		const struct rects *reach = &k->in[i]->reach[slot];
		const struct limits *ls = &k->in[i]->limits[space];

		for (uint32_t j = 0; j < reach->n; j++) {
			vec_push(k->t, &at, reach->v[j].sub);
			vec_push(k->t, &at, reach->v[j].sub_last + 1); /* wraps to 0: harmless */
		}
		for (uint32_t j = 0; slot % 2 == 1 && j < ls->n; j++) {
			vec_push(k->t, &at, ls->v[j].at.sub);
			vec_push(k->t, &at, ls->v[j].at.sub_last + 1);
		}
	}
	qsort(at.v, at.n, sizeof(*at.v), u32_cmp);
	for (uint32_t i = 0; i < at.n && !k->too_big; i++) {
		if (i != 0 && at.v[i] == at.v[i - 1])
			continue;
		dir = compile_flat(k, space, slot, at.v[i]);
		if (dir != prev) {
			vec_push(k->t, &pairs, at.v[i]);
			vec_push(k->t, &pairs, dir);
		}
		prev = dir;
	}
	if (k->too_big)
		return 0;
	d[0] = TB_SUBS;
	d[1] = image_put(&k->im, pairs.v, pairs.n);
	d[2] = pairs.n / 2;
	d[3] = 0;
	return image_put(&k->im, d, 4);
}

/* A space of names: the rules that have a glob there, in order. */
static uint32_t
compile_names(struct compiler *k, unsigned slot)
{
	struct cands cs = {0};
	uint32_t d[4];

	for (uint32_t i = 0; i < k->n_in && work_add(k, 1); i++) {
		const struct rule *r = k->in[i];

		if (r->everything || r->names[slot].n != 0)
			vec_push(k->t, &cs, ((struct tb_cand){.rule = r->index, .bits = rule_bits(k, r),
			    .flags = slot << 8 | (rule_ends(k, r) ? CAND_ENDS : 0u)}));
	}
	vec_push(k->t, &cs, ((struct tb_cand){.rule = RULE_NONE, .bits = k->otherwise,
	    .flags = CAND_ALWAYS | CAND_ENDS}));
	d[0] = TB_NAMES;
	d[1] = image_put(&k->im, (const uint32_t *)cs.v, cs.n * 4);
	d[2] = cs.n;
	d[3] = 0;
	return image_put(&k->im, d, 4);
}

/* --- one set ------------------------------------------------------------------------------------------- */

/* A fact without items: an allow rule needs no more, a deny rule must not ask for addresses. */
static uint32_t
compile_itemless(struct compiler *k)
{
	struct cands cs = {0};
	struct tb_seg seg;

	for (uint32_t i = 0; i < k->n_in; i++)
		if (!k->in[i]->deny || k->in[i]->everything)
			cand_add(k, &cs, k->in[i], NULL, false);
	seg = cands_seg(k, &cs, UINT32_MAX);
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
			dir = compile_names(k, s);
		else if (k->sc->spaces[s / 2].max_sub != 0)
			dir = compile_subs(k, s / 2, s);
		else
			dir = compile_flat(k, s / 2, s, 0);
		vec_push(k->t, &slots, dir);
	}
	off = image_put(&k->im, slots.v, slots.n);
	arena_reset(k->t);
	return off;
}

/* The entry for this content; *fresh when it is new (bits are then copied). */
static struct set *
sets_find(struct compiler *k, struct sets *t, const uint64_t *bits, bool *fresh)
{
	uint32_t h;

	if (t->n * 2 >= t->mask) {
		t->mask = t->mask ? t->mask * 2 + 1 : 63;
		t->slot = arena_array(k->a, (size_t)t->mask + 1, sizeof(*t->slot));
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
	vec_push(k->a, t, ((struct set){arena_array(k->a, k->n_words, sizeof(*bits)), 0}));
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
		s = sets_find(k, classes, active, &fresh);
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
			s = sets_find(k, &cells, both, &fresh);
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
	struct tb_block *t;
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
	t->port_bit = 1u << at;
	t->otherwise = k->otherwise;
	t->n_opx = k->sc->n_opx;
	t->n_spaces = k->sc->n_spaces;
	t->units = image_put(&k->im, units.v, units.n);
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
compile_tables(struct policy *p, const struct ruleset *rs, struct arena scratch[3],
    struct complaints *c)
{
	struct compiler k = {.im = {.a = &scratch[0]}, .a = &scratch[1], .t = &scratch[2]};
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
