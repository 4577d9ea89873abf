/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_value.c - what may be written: a map from ranges to limits, and the types
 * of IEC 61131-3 that a limit may be of.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/check.h"

#define VALUES_MAX 1024u /* entries under one values key where the space has subdivisions */

static const struct value_type {
	const char *name;
	uint8_t bits, kind; /* enum value_kind */
} types[] = {
    {"bool", 1, VALUE_UNSIGNED},
    {"byte", 8, VALUE_UNSIGNED}, {"usint", 8, VALUE_UNSIGNED}, {"uint8", 8, VALUE_UNSIGNED},
    {"sint", 8, VALUE_SIGNED}, {"int8", 8, VALUE_SIGNED},
    {"word", 16, VALUE_UNSIGNED}, {"uint", 16, VALUE_UNSIGNED}, {"uint16", 16, VALUE_UNSIGNED},
    {"int", 16, VALUE_SIGNED}, {"int16", 16, VALUE_SIGNED},
    {"dword", 32, VALUE_UNSIGNED}, {"udint", 32, VALUE_UNSIGNED}, {"uint32", 32, VALUE_UNSIGNED},
    {"dint", 32, VALUE_SIGNED}, {"int32", 32, VALUE_SIGNED},
    {"lword", 64, VALUE_UNSIGNED}, {"ulint", 64, VALUE_UNSIGNED}, {"uint64", 64, VALUE_UNSIGNED},
    {"lint", 64, VALUE_SIGNED}, {"int64", 64, VALUE_SIGNED},
    {"real", 32, VALUE_REAL}, {"float32", 32, VALUE_REAL},
    {"lreal", 64, VALUE_REAL}, {"float64", 64, VALUE_REAL},
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

struct value_check {
	struct rule_check *rc;
	const char *key;
	struct limit *l;
	char range[64]; /* "0..65535", for messages */
};

/* --- numbers as keys -------------------------------------------------------------------- */

static uint64_t
unsigned_max(uint8_t bits)
{
	return bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

/* Digits, a point, an exponent: what strtod() takes beyond that is not for a policy. */
static int
real_text(const char *s, bool narrow, uint64_t *key)
{
	char *end;
	double d;

	if (strspn(s, "0123456789.eE+-") != strlen(s) || (s[0] != '-' && (s[0] < '0' || s[0] > '9')))
		return ERR_SYNTAX;
	d = narrow ? (double)strtof(s, &end) : strtod(s, &end);
	if (*end || end == s)
		return ERR_SYNTAX;
	if (!isfinite(d))
		return ERR_RANGE;
	*key = value_real_key(d);
	return 0;
}

static int
value_text(const struct value_check *vc, const char *s, uint64_t *key)
{
	const struct value_shape *sh = &vc->l->shape;
	uint64_t v, half = UINT64_C(1) << (sh->bits - 1);
	bool minus = s[0] == '-';
	int r;

	if (sh->kind == VALUE_REAL)
		return real_text(s, sh->bits == 32, key);
	if (sh->kind == VALUE_UNSIGNED) {
		if (minus)
			return text_number(s + 1, UINT64_MAX, &v) == ERR_SYNTAX ? ERR_SYNTAX : ERR_RANGE;
		return text_number(s, unsigned_max(sh->bits), key);
	}
	r = text_number(s + minus, minus ? half : half - 1, &v);
	if (r == 0)
		*key = (minus ? 0 - v : v) ^ VALUE_SIGN;
	return r;
}

static int
value_span(const struct value_check *vc, const char *s, struct span *out)
{
	const char *dots = strstr(s, "..");
	char first[48];
	size_t n = dots ? (size_t)(dots - s) : 0;
	int r;

	if (!dots) {
		r = value_text(vc, s, &out->lo);
		out->hi = out->lo;
		return r;
	}
	if (n >= sizeof(first))
		return ERR_SYNTAX;
	memcpy(first, s, n);
	first[n] = '\0';
	if ((r = value_text(vc, first, &out->lo)) < 0 || (r = value_text(vc, dots + 2, &out->hi)) < 0)
		return r;
	return out->lo > out->hi ? ERR_RANGE : 0;
}

static void
range_say(struct value_check *vc)
{
	const struct value_shape *sh = &vc->l->shape;
	uint64_t max = unsigned_max(sh->bits);

	if (sh->kind == VALUE_REAL)
		snprintf(vc->range, sizeof(vc->range), "what a %u-bit number can be", sh->bits);
	else if (sh->kind == VALUE_SIGNED)
		snprintf(vc->range, sizeof(vc->range), "-%llu..%llu",
		    (unsigned long long)(max / 2) + 1, (unsigned long long)(max / 2));
	else
		snprintf(vc->range, sizeof(vc->range), "0..%llu", (unsigned long long)max);
}

/* One value or range; where: what it is called when it is a map's entry. */
static bool
check_span(struct value_check *vc, const struct ynode *n, bool single, struct span *out)
{
	const char *s;
	int r;

	if (!check_text(vc->rc->k, n, vc->rc->who, &s))
		return false;
	r = single ? value_text(vc, s, &out->lo) : value_span(vc, s, out);
	if (r == ERR_RANGE)
		check_error(vc->rc->k, n, "%s: %s: %s is outside %s", vc->rc->who, vc->key, s,
		    vc->range);
	else if (r < 0 && single)
		check_error(vc->rc->k, n, "%s: %s: \"%s\" is not a number", vc->rc->who, vc->key, s);
	else if (r < 0)
		check_error(vc->rc->k, n, "%s: %s: \"%s\" is neither a value nor a range a..b",
		    vc->rc->who, vc->key, s);
	return r == 0;
}

static int
span_cmp(const void *va, const void *vb)
{
	const struct span *a = va, *b = vb;

	return (a->lo > b->lo) - (a->lo < b->lo);
}

/* 7, 0..1500, or a list of these. */
static bool
check_set(struct value_check *vc, const struct ynode *n)
{
	struct spans *set = &vc->l->set;
	struct span span;
	uint32_t m = 0;
	bool ok = true;

	if (n->kind == Y_MAP || list_n(n) == 0) {
		check_error(vc->rc->k, n, "%s: %s: no value is permitted", vc->rc->who, vc->key);
		return false;
	}
	for (uint32_t i = 0; i < list_n(n); i++) {
		if (check_span(vc, list_at(n, i), false, &span))
			vec_push(vc->rc->k->keep, set, span);
		else
			ok = false;
	}
	if (!ok)
		return false;
	qsort(set->v, set->n, sizeof(*set->v), span_cmp);
	for (uint32_t i = 1; i < set->n; i++) /* merge what overlaps */
		if (set->v[i].lo <= set->v[m].hi)
			set->v[m].hi = set->v[i].hi > set->v[m].hi ? set->v[i].hi : set->v[m].hi;
		else
			set->v[++m] = set->v[i];
	set->n = m + 1;
	return true;
}

/* --- the shape of a value ------------------------------------------------------------------ */

enum { V_MIN, V_MAX, V_STEP, V_TYPE, V_ORDER, V_IN, V_CHANGE, V_WITHIN, V__N };

static bool
check_type(struct value_check *vc, const struct ynode *n, struct value_type *t)
{
	const char *words[N_TYPES + 1];
	char who[NAME_LEN_MAX + 140];
	unsigned w;

	for (w = 0; w < N_TYPES; w++)
		words[w] = types[w].name;
	words[w] = NULL;
	snprintf(who, sizeof(who), "%s: %s: type", vc->rc->who, vc->key);
	if (!check_word(vc->rc->k, n, who, words, &w))
		return false;
	*t = types[w];
	return true;
}

const char *
value_type_known(const char *word, uint64_t *bits)
{
	for (size_t i = 0; i < N_TYPES; i++)
		if (strcmp(types[i].name, word) == 0) {
			*bits = types[i].bits;
			return types[i].name;
		}
	return NULL;
}

/* What the addresses hold: a type, or unsigned in the width they are written in. */
static bool
check_shape(struct value_check *vc, const struct ynode *at, const struct ynode *const *v)
{
	static const char *const orders[] = {"high-word-first", "low-word-first", NULL};
	const struct dis_space *sp = &vc->rc->sc->spaces[vc->l->at.space];
	struct value_shape *sh = &vc->l->shape;
	uint32_t width = (vc->l->at.width ? vc->l->at.width : 1) * sp->value_bits;
	struct value_type t = {"", (uint8_t)width, VALUE_UNSIGNED};
	uint64_t n = (uint64_t)vc->l->at.last - vc->l->at.first + 1;
	const struct sym *sym = vc->rc->sym;
	struct check *k = vc->rc->k;
	unsigned w;

	if (width == 0 || width > 64) {
		check_error(k, at, "%s: %s: these addresses hold no values", vc->rc->who, vc->key);
		return false;
	}
	if (v[V_TYPE] && !check_type(vc, v[V_TYPE], &t))
		return false;
	for (w = 0; !v[V_TYPE] && sym && sym->type && w < N_TYPES; w++)
		if (strcmp(types[w].name, sym->type) == 0)
			t = types[w];
	if (t.bits < width || t.bits % sp->value_bits != 0) {
		check_error(k, v[V_TYPE] ? v[V_TYPE] : at,
		    "%s: %s: type %s has %u bits, the addresses are written in %u", vc->rc->who,
		    vc->key, t.name, t.bits, width);
		return false;
	}
	*sh = (struct value_shape){.first = vc->l->at.first, .cell = t.bits / sp->value_bits,
	    .bits = t.bits, .kind = t.kind};
	if (n % sh->cell != 0) {
		check_error(k, at, "%s: %s: %llu bits are no whole number of values of %u bits",
		    vc->rc->who, vc->key, (unsigned long long)n * sp->value_bits, sh->bits);
		return false;
	}
	if (sp->value_bits == 1 && sh->cell > 1 && sh->first % 8 != 0) {
		check_error(k, at, "%s: %s: a value of %u bits starts at a byte", vc->rc->who, vc->key,
		    sh->bits);
		return false;
	}
	sh->low_word_first = sym && sym->low_word_first && sh->bits >= 32;
	if (v[V_ORDER]) {
		if (sh->bits < 32) {
			check_error(k, v[V_ORDER], "%s: %s: a value of %u bits has no order of words",
			    vc->rc->who, vc->key, sh->bits);
			return false;
		}
		if (!check_word(k, v[V_ORDER], vc->rc->who, orders, &w))
			return false;
		sh->low_word_first = w == 1;
	}
	range_say(vc);
	return true;
}

static bool
check_step(struct value_check *vc, const struct ynode *const *v)
{
	struct span span, step;
	struct value_shape sh = vc->l->shape;
	bool ok;

	if (!check_span(vc, v[V_MIN], true, &span))
		return false;
	if (!check_span(vc, v[V_MAX], true, &step))
		return false;
	span.hi = step.lo;
	if (span.lo > span.hi) {
		check_error(vc->rc->k, v[V_MAX], "%s: %s: max %s is below min %s", vc->rc->who, vc->key,
		    v[V_MAX]->s, v[V_MIN]->s);
		return false;
	}
	vec_push(vc->rc->k->keep, &vc->l->set, span);
	vc->l->base = span.lo;
	if (!v[V_STEP])
		return true;
	if (sh.kind == VALUE_REAL) {
		check_error(vc->rc->k, v[V_STEP], "%s: %s: a step is for integers", vc->rc->who, vc->key);
		return false;
	}
	vc->l->shape.kind = VALUE_UNSIGNED; /* a difference, not a value */
	range_say(vc);
	ok = check_span(vc, v[V_STEP], true, &step);
	if (ok && step.lo == 0)
		check_error(vc->rc->k, v[V_STEP], "%s: %s: 0 is outside 1..%llu", vc->rc->who, vc->key,
		    (unsigned long long)unsigned_max(sh.bits));
	vc->l->shape.kind = sh.kind;
	vc->l->step = step.lo;
	return ok && step.lo != 0;
}

bool
check_is(struct rule_check *rc, const char *key, const struct ynode *at, const struct ynode *is,
    const struct ynode *type, const struct ynode *order, struct limit *out)
{
	const struct ynode *v[V__N] = {[V_TYPE] = type, [V_ORDER] = order};
	struct value_check vc = {.rc = rc, .key = key, .l = out};

	out->step = 1;
	out->place = place_of(is);
	if (!check_shape(&vc, at, v))
		return false;
	if (out->at.last - out->at.first + 1 != out->shape.cell) {
		check_error(rc->k, at, "%s: %s: more than one value", rc->who, key);
		return false;
	}
	return check_set(&vc, is);
}

/* Every value of the shape. */
static void
set_all(struct value_check *vc)
{
	struct span span = {0, UINT64_MAX};

	vec_push(vc->rc->k->keep, &vc->l->set, span);
}

/* 7, 0..1500, [0, 1, 10..20], {min, max, step, type, order, change, within} or, for the first
 * three, in. */
static bool
check_limit(struct rule_check *rc, const char *key, const struct ynode *at, const struct ynode *n,
    struct limit *out)
{
	struct field fields[V__N] = {{"min", FIELD_MUST}, {"max", FIELD_MUST}, {"step", FIELD_MAY},
	    {"type", FIELD_MAY}, {"order", FIELD_MAY}, {"in", FIELD_MAY}, {"change", FIELD_MAY},
	    {"within", FIELD_MAY}};
	const struct ynode *v[V__N] = {NULL};
	struct value_check vc = {.rc = rc, .key = key, .l = out};
	char who[NAME_LEN_MAX + 140];

	out->step = 1;
	out->place = place_of(n);
	if (n->kind != Y_MAP)
		return check_shape(&vc, at, v) && check_set(&vc, n);
	snprintf(who, sizeof(who), "%s: %s", rc->who, key);
	for (uint32_t i = 0; i < n->n; i++)
		if (strcmp(n->kids[2 * (size_t)i]->s, "in") == 0 ||
		    strcmp(n->kids[2 * (size_t)i]->s, "change") == 0)
			fields[V_MIN].need = fields[V_MAX].need = FIELD_MAY;
	if (!check_map(rc->k, n, who, fields, V__N, v, NULL, NULL) || !check_shape(&vc, at, v))
		return false;
	if (v[V_WITHIN] && !v[V_CHANGE]) {
		check_error(rc->k, v[V_WITHIN],
		    "%s: \"within\" says how old a value may be that "
		    "\"change\" is measured from",
		    who);
		return false;
	}
	if (v[V_CHANGE] && !check_change(rc, who, v[V_CHANGE], v[V_WITHIN], out))
		return false;
	if (v[V_CHANGE] && !v[V_IN] && !v[V_MIN] && !v[V_MAX] && !v[V_STEP]) {
		set_all(&vc);
		return true;
	}
	if (!v[V_IN] && (!v[V_MIN] || !v[V_MAX])) {
		check_error(rc->k, n, "%s: min and max go together", who);
		return false;
	}
	if (!v[V_IN])
		return check_step(&vc, v);
	if (v[V_MIN] || v[V_MAX] || v[V_STEP]) {
		check_error(rc->k, n, "%s: \"in\" stands for itself, without min, max and step", who);
		return false;
	}
	return check_set(&vc, v[V_IN]);
}

/* --- all of them ------------------------------------------------------------------------------ */

static bool
rects_meet(const struct dis_range *a, const struct dis_range *b)
{
	return a->sub <= b->sub_last && b->sub <= a->sub_last && a->first <= b->last &&
	    b->first <= a->last;
}

static int
limit_cmp(const void *va, const void *vb)
{
	const struct limit *a = va, *b = vb;

	if (a->at.first != b->at.first)
		return a->at.first < b->at.first ? -1 : 1;
	return (a->place.line > b->place.line) - (a->place.line < b->place.line);
}

/* One address has at most one limit in a rule, and the rule must reach it. */
static void
limits_fit(struct rule_check *rc, const struct dis_key *key, uint8_t space)
{
	struct limits *ls = &rc->r->limits[space];
	const struct rects *reach = &rc->r->reach[slot_of(space, ACC_WRITE)];
	uint32_t span = rc->sc->spaces[space].max_sub ? ls->n : 1;
	struct where w;

	if (ls->n == 0)
		return;
	qsort(ls->v, ls->n, sizeof(*ls->v), limit_cmp);
	for (uint32_t i = 0; i < ls->n; i++) {
		const struct limit *l = &ls->v[i];
		bool reached = reach->n > 4096; /* too many to look through: believe it */

		for (uint32_t j = i; j > 0 && i - j < span; j--)
			if (rects_meet(&ls->v[j - 1].at, &l->at)) {
				complain_place(rc->k->c, COMPLAINT_ERROR, &l->place,
				    "%s: %s: %s already limits some of these addresses", rc->who,
				    key->name, where_is(rc->k->c, &ls->v[j - 1].place, &w));
				break;
			}
		for (uint32_t j = 0; j < reach->n && !reached; j++)
			reached = rects_meet(&reach->v[j], &l->at);
		if (!reached)
			complain_place(rc->k->c, COMPLAINT_ERROR, &l->place,
			    "%s: %s: a limit for addresses that no range of the rule reaches for "
			    "writing",
			    rc->who, key->name);
	}
}

void
check_limits_fit(struct rule_check *rc, const struct dis_key *key)
{
	if (key->space != DIS_SPACE_ANY)
		limits_fit(rc, key, key->space);
	else
		for (uint8_t s = 0; s < rc->sc->n_spaces; s++)
			limits_fit(rc, key, s);
}

void
check_values(struct rule_check *rc, const struct dis_key *key, const struct ynode *n)
{
	bool subs = key->space == DIS_SPACE_ANY || rc->sc->spaces[key->space].max_sub != 0;

	if (n->kind != Y_MAP) {
		check_error(rc->k, n, "%s: %s: expected a map from addresses to values", rc->who,
		    key->name);
		return;
	}
	if (subs && n->n > VALUES_MAX) {
		check_error(rc->k, n, "%s: %s: at most %u entries", rc->who, key->name, VALUES_MAX);
		return;
	}
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *at = n->kids[2 * (size_t)i];
		struct limit l = {.step = 1};

		rc->sym = NULL;
		if (strcmp(at->s, "all") == 0 && key->space != DIS_SPACE_ANY)
			l.at = (struct dis_range){.sub_last = rc->sc->spaces[key->space].max_sub,
			    .last = rc->sc->spaces[key->space].max, .space = key->space};
		else if (!check_range(rc, key, at, &l.at))
			continue;
		if (check_limit(rc, key->name, at, n->kids[2 * (size_t)i + 1], &l))
			vec_push(rc->k->keep, &rc->r->limits[l.at.space], l);
	}
}
