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

void
cand_add(struct compiler *k, struct arena *a, struct cands *cs, const struct rule *r,
    uint32_t limit, uint32_t flags)
{
	struct tb_cand c = {.rule = r->index, .bits = rule_bits(k, r), .limit = limit};

	if (cs->ended)
		return;
	if (r->whens.n != 0)
		c.when = compile_whens(k, a, r);
	c.flags = flags | (r->deny ? CAND_DENY : 0u) | (rule_decides(k, r) ? CAND_ENDS : 0u);
	vec_push(a, cs, c);
	if (limit || c.when || (flags & CAND_LIMITS && !r->deny))
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

int
event_cmp(const void *va, const void *vb)
{
	const struct event *a = va, *b = vb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (int)a->start - (int)b->start; /* ends first */
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

static bool
may_reject(const struct conduit *c, const struct block *b)
{
	if (!b->dis->refuse)
		return false;
	if (c->mode == MODE_ENFORCE && (c->otherwise == VERDICT_REJECT ||
					   ((b->limits.n || b->rate) && b->over == VERDICT_REJECT)))
		return true;
	for (uint32_t i = 0; i < b->deny.n; i++) {
		const struct rule *r = b->deny.v[i];

		if (r->enabled && r->verdict == VERDICT_REJECT &&
		    (r->mode == MODE_UNSET ? c->mode : r->mode) == MODE_ENFORCE)
			return true;
	}
	return false;
}

bool
compile_tables(struct policy *p, const struct ruleset *rs, struct arena scratch[4],
    struct complaints *c)
{
	struct compiler k = {.im = {.a = &scratch[0]}, .a = &scratch[1], .t = &scratch[2],
	    .u = &scratch[3]};
	const uint8_t *states = compile_states(p, rs, &scratch[0]);
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
		conduits[i].flags = cd->strict ? BIND_STRICT : 0;
		conduits[i].only_in = cd->only_in;
		conduits[i].states = states[i];
		if (rules_windows(rs, i))
			conduits[i].flags |= BIND_WINDOW;
		for (uint32_t b = 0; b < cd->n_blocks; b++) {
			if (may_reject(cd, &cd->blocks[b]))
				conduits[i].rejects |= (uint8_t)(1u << b);
			if (cd->blocks[b].rate)
				conduits[i].rates |= (uint8_t)(1u << b);
			if (cd->blocks[b].timeout_ns)
				conduits[i].timeouts |= (uint8_t)(1u << b);
		}
		for (uint32_t b = 0; b < cd->n_blocks && !k.too_big; b++)
			block_of[i * p->n_protos + cd->blocks[b].proto] = compile_block(&k, cd, b);
		arena_reset(k.a);
		k.res = NULL;
		if (k.too_big && k.fault) {
			complain_place(c, COMPLAINT_ERROR, &cd->place, "conduit \"%s\": %s",
			    cd->name, k.fault);
			return false;
		}
		if (k.too_big) {
			complain_place(c, COMPLAINT_ERROR, &cd->place,
			    "conduit \"%s\": the rules so far combine to more than %u MiB of "
			    "tables",
			    cd->name, TB_WORDS_MAX >> 18);
			return false;
		}
	}
	w = arena_array(&p->keep, k.im.n + 16u, sizeof(*w));
	while ((uintptr_t)w % 64 != 0) /* arena_array gave 16 words more than it takes */
		w++;
	memcpy(w, k.im.w, k.im.n * sizeof(*w));
	p->w = w;
	p->n_w = k.im.n;
	p->block_of = block_of;
	p->conduits = conduits;
	p->no_conduit = tb_bits(mode_apply(rs->mode, VERDICT_DROP), VERDICT_DROP, REASON_NO_CONDUIT,
	    rs->mode);
	return true;
}
