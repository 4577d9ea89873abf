/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile_gate.c - what is asked of a fact beside its items: the properties that
 * rules ask for, what the block asks of every request, its limits.
 *
 * Properties go on where units end.  A class is a set of rules; the values of a
 * property fall into symbols that the same rules speak of; class and symbol give
 * the next class.  So any number of rules costs one look-up per property.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"

enum { SYM_UNKNOWN = 0, SYM_NA, SYM_NUMBERS, SYM_NO = SYM_NUMBERS, SYM_YES };

static uint32_t
prop_bit(const struct dis_key *key)
{
	return key->kind == KEY_TEXT ? key->prop + 16u : key->prop;
}

static const struct cond *
cond_of(const struct rule *r, const struct dis_key *key)
{
	for (uint32_t i = 0; i < r->conds.n; i++)
		if (r->conds.v[i].key == key)
			return &r->conds.v[i];
	return NULL;
}

static bool
same_globs(const struct globs *a, const struct globs *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

/* Rules that a class keeps for one symbol of a step. */
struct symbol {
	uint64_t *keeps;
};

static void
keep(struct symbol *s, uint32_t rule)
{
	s->keeps[rule / 64] |= UINT64_C(1) << (rule % 64);
}

static struct symbol *
symbols_new(struct compiler *k, uint32_t n)
{
	struct symbol *s = arena_array(k->a, n, sizeof(*s));

	for (uint32_t i = 0; i < n; i++)
		s[i].keeps = arena_array(k->a, k->n_words, sizeof(uint64_t));
	return s;
}

/* The classes behind a step; *classes becomes them. */
static void
step_put(struct compiler *k, struct sets *classes, struct words *steps, struct tb_step t,
    const struct symbol *sym)
{
	uint64_t *bits = arena_array(k->a, k->n_words, sizeof(*bits));
	struct words next = {0};
	struct sets after = {0};
	struct set *s;
	bool fresh;

	for (uint32_t c = 0; c < classes->n; c++)
		for (uint32_t y = 0; y < t.n_sym && work_add(k, k->n_words); y++) {
			for (uint32_t i = 0; i < k->n_words; i++)
				bits[i] = classes->v[c].bits[i] & sym[y].keeps[i];
			s = sets_find(k, k->a, &after, bits, &fresh);
			if (fresh)
				s->id = after.n - 1;
			vec_push(k->a, &next, s->id);
		}
	if (k->too_big)
		return;
	t.next = image_put(&k->im, next.v, next.n);
	for (uint32_t i = 0; i < sizeof(t) / 4; i++)
		vec_push(k->a, steps, ((const uint32_t *)&t)[i]);
	*classes = after;
}

static int
u32_cmp(const void *va, const void *vb)
{
	uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;

	return (a > b) - (a < b);
}

/* A number or word: its values fall into runs. */
static void
number_step(struct compiler *k, const struct dis_key *key, struct sets *classes,
    struct words *steps)
{
	struct words at = {0}, runs = {0};
	struct symbol *sym;

	vec_push(k->a, &at, 0);
	for (uint32_t r = 0; r < k->n_rules; r++) {
		const struct cond *c = cond_of(k->rules[r], key);

		for (uint32_t j = 0; c && j < c->set.n; j++) {
			vec_push(k->a, &at, c->set.v[j].lo);
			vec_push(k->a, &at, c->set.v[j].hi + 1);
		}
	}
	qsort(at.v, at.n, sizeof(*at.v), u32_cmp);
	vec_push(k->a, &runs, 0);
	for (uint32_t i = 0; i < at.n; i++)
		if (i == 0 || at.v[i] != at.v[i - 1]) {
			vec_push(k->a, &runs, at.v[i]);
			vec_push(k->a, &runs, SYM_NUMBERS + runs.v[0]++);
		}
	sym = symbols_new(k, SYM_NUMBERS + runs.v[0]);
	for (uint32_t r = 0; r < k->n_rules && work_add(k, runs.v[0]); r++) {
		const struct cond *c = cond_of(k->rules[r], key);
		bool deny = k->rules[r]->deny;

		if (!c || deny)
			keep(&sym[SYM_UNKNOWN], r);
		if (!c || !deny)
			keep(&sym[SYM_NA], r);
		for (uint32_t j = 0; j < runs.v[0]; j++)
			if (!c || ivals_has(&c->set, runs.v[1 + 2 * (size_t)j]))
				keep(&sym[SYM_NUMBERS + j], r);
	}
	step_put(k, classes, steps, (struct tb_step){.bit = prop_bit(key),
	    .n_sym = SYM_NUMBERS + runs.v[0], .syms = image_put(&k->im, runs.v, runs.n)}, sym);
}

/* One list of patterns, of all the rules that have it. */
static void
text_step(struct compiler *k, const struct cond *list, struct sets *classes, struct words *steps)
{
	struct symbol *sym = symbols_new(k, SYM_YES + 1);

	for (uint32_t r = 0; r < k->n_rules && work_add(k, 1); r++) {
		const struct cond *c = cond_of(k->rules[r], list->key);
		bool other = !c || !same_globs(&c->globs, &list->globs);

		if (other || k->rules[r]->deny)
			keep(&sym[SYM_UNKNOWN], r);
		if (other || !k->rules[r]->deny)
			keep(&sym[SYM_NA], r);
		if (other)
			keep(&sym[SYM_NO], r);
		keep(&sym[SYM_YES], r);
	}
	step_put(k, classes, steps, (struct tb_step){.bit = prop_bit(list->key), .n_sym = SYM_YES + 1,
	    .syms = compile_texts(k, &list->globs)}, sym);
}

/* Keys that rules use, and of texts every different list. */
static void
collect_steps(struct compiler *k, struct conds *out)
{
	for (uint32_t r = 0; r < k->n_rules; r++)
		for (uint32_t i = 0; i < k->rules[r]->conds.n; i++) {
			const struct cond *c = &k->rules[r]->conds.v[i];
			bool seen = false;

			for (uint32_t j = 0; j < out->n && !seen; j++)
				seen = out->v[j].key == c->key && (c->key->kind != KEY_TEXT ||
				    same_globs(&out->v[j].globs, &c->globs));
			if (seen)
				continue;
			if (out->n == BLOCK_STEPS) {
				k->fault = "the rules ask for more than 64 different properties and lists";
				k->too_big = true;
				return;
			}
			vec_push(k->a, out, *c);
		}
}

/*
 * only-in: rules leave the class while none of their windows is open.  What the conduit says
 * holds for its allow rules: a denial is one at any time.
 */
static uint64_t
windows_of(const struct compiler *k, const struct rule *r, bool conduit)
{
	if (conduit)
		return r->deny ? 0 : k->conduit->only_in;
	return r->only_in;
}

static void
window_step(
    struct compiler *k, uint64_t mask, bool conduit, struct sets *classes, struct words *steps)
{
	const uint32_t bits[2] = {(uint32_t)mask, (uint32_t)(mask >> 32)};
	struct symbol *sym = symbols_new(k, 2);

	for (uint32_t r = 0; r < k->n_rules && work_add(k, 1); r++) {
		if (windows_of(k, k->rules[r], conduit) != mask)
			keep(&sym[0], r);
		keep(&sym[1], r);
	}
	step_put(k, classes, steps,
	    (struct tb_step){.bit = TB_STEP_WINDOW, .n_sym = 2, .syms = image_put(&k->im, bits, 2)},
	    sym);
}

/* The different lists of windows of the rules, the conduit's first. */
static uint32_t
collect_windows(struct compiler *k, uint64_t mask[BLOCK_WINDOWS + 1])
{
	uint32_t n = 0, i;

	mask[n++] = k->conduit->only_in;
	for (uint32_t r = 0; r < k->n_rules; r++) {
		uint64_t own = k->rules[r]->only_in;

		for (i = 1; own != 0 && i < n && mask[i] != own; i++)
			;
		if (own == 0 || i < n)
			continue;
		if (n > BLOCK_WINDOWS) {
			k->fault = "its rules are only-in more than 16 different lists of windows";
			k->too_big = true;
			return n;
		}
		mask[n++] = own;
	}
	return n;
}

void
compile_steps(struct compiler *k, struct sets *classes, struct tb_block *t)
{
	struct conds conds = {0};
	struct words steps = {0};
	uint64_t mask[BLOCK_WINDOWS + 1];
	uint32_t n_masks = collect_windows(k, mask), n_windows = n_masks - (mask[0] == 0);

	collect_steps(k, &conds);
	if (k->too_big || conds.n + n_windows == 0)
		return;
	vec_push(k->a, &steps, conds.n + n_windows);
	for (uint32_t i = 0; i < 3; i++)
		vec_push(k->a, &steps, 0);
	for (uint32_t i = 0; i < conds.n && !k->too_big; i++) {
		if (conds.v[i].key->kind == KEY_TEXT)
			text_step(k, &conds.v[i], classes, &steps);
		else
			number_step(k, conds.v[i].key, classes, &steps);
	}
	for (uint32_t i = 0; i < n_masks && !k->too_big; i++)
		if (mask[i] != 0)
			window_step(k, mask[i], i == 0, classes, &steps);
	if (k->too_big)
		return;
	t->steps = image_put(&k->im, steps.v, steps.n);
	t->gate |= GATE_STEPS | (n_windows ? GATE_WINDOW : 0u);
}

/* --- the block itself ---------------------------------------------------------------------- */

static uint32_t
key_index(const struct compiler *k, const struct dis_key *key)
{
	return (uint32_t)k->block->proto << 16 | (uint32_t)(key - k->sc->keys);
}

static uint32_t
words_mask(const struct cond *c)
{
	uint32_t mask = 0;

	for (uint32_t w = 0; w < 32; w++)
		mask |= (uint32_t)ivals_has(&c->set, w) << w;
	return mask;
}

static void
put_floor(struct compiler *k, struct tb_block *t)
{
	const struct conds *floor = &k->block->floor;
	struct tb_ask *ask = arena_array(k->a, floor->n + 1u, sizeof(*ask));
	struct tb_offer *offer = arena_array(k->a, floor->n + 1u, sizeof(*offer));
	uint32_t n = 0;

	*(uint32_t *)ask = floor->n; /* the count stands in front, in a place of the same size */
	for (uint32_t i = 0; i < floor->n; i++) {
		const struct cond *c = &floor->v[i];
		struct words set = {0};

		vec_push(k->a, &set, c->set.n);
		for (uint32_t j = 0; j < c->set.n; j++) {
			vec_push(k->a, &set, c->set.v[j].lo);
			vec_push(k->a, &set, c->set.v[j].hi);
		}
		ask[1 + i] = (struct tb_ask){.bit = prop_bit(c->key), .key = key_index(k, c->key),
		    .words = words_mask(c), .set = c->key->kind == KEY_TEXT ?
		    compile_texts(k, &c->globs) : image_put(&k->im, set.v, set.n)};
		if (c->key->offer != 0)
			offer[1 + n++] = (struct tb_offer){c->key->offer - 1u, key_index(k, c->key),
			    words_mask(c)};
	}
	*(uint32_t *)offer = n;
	if (floor->n != 0) {
		t->floor = image_put(&k->im, (const uint32_t *)ask, (floor->n + 1) * 4);
		t->gate |= GATE_FLOOR;
	}
	if (n != 0) {
		t->offers = image_put(&k->im, (const uint32_t *)offer, (n + 1) * 3);
		t->gate |= GATE_OFFERS;
	}
}

void
compile_gate(struct compiler *k, struct tb_block *t)
{
	const struct block *b = k->block;
	struct tb_max *max = arena_array(k->a, b->limits.n + 1u, sizeof(*max));
	uint8_t mode = k->conduit->mode, below = k->conduit->otherwise;

	if (below == VERDICT_ALERT) /* as with a deny rule: what is below the floor is refused */
		below = VERDICT_DROP;
	put_floor(k, t);
	*(uint32_t *)max = b->limits.n;
	for (uint32_t i = 0; i < b->limits.n; i++)
		max[1 + i] = (struct tb_max){b->limits.v[i].key->prop,
		    key_index(k, b->limits.v[i].key), b->limits.v[i].max};
	if (b->limits.n != 0) {
		t->limits = image_put(&k->im, (const uint32_t *)max, (b->limits.n + 1) * 3);
		t->gate |= GATE_LIMITS;
	}
	t->below = tb_bits(mode_apply(mode, below), below, REASON_SECURITY, mode);
	t->rate = b->rate;
	t->timeout_us = (uint32_t)(b->timeout_ns / 1000);
	t->over = tb_bits(mode_apply(mode, b->over), b->over, REASON_LIMIT, mode);
	t->told = tb_bits(mode_apply(mode, VERDICT_ALERT), VERDICT_ALERT, REASON_SECURITY, mode);
	t->gate |= b->learn_once ? GATE_LEARN : 0u;
	t->gate |= b->endpoint_only ? GATE_ENDPOINT : 0u;
	if (b->encrypted != BLOCK_UNSAID) {
		t->encrypted = tb_bits(mode_apply(mode, b->encrypted), b->encrypted, REASON_CONDITION,
		    mode);
		t->gate |= GATE_ENCRYPTED;
	}
}
