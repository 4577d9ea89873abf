/* SPDX-License-Identifier: Apache-2.0 */
/* explain_rule.c - one rule as a sentence, from its schema table alone. */
#include <inttypes.h>
#include <string.h>

#include "policy/explain_int.h"
#include "policy/table.h"

#define NAMES_SHOWN  12u /* functions, globs of one rule */
#define RANGES_SHOWN 24u
#define BASES	     10u

struct say {
	const struct block *b;
	const struct dis_schema *sc;
	const struct rule *r;
	FILE *to;
};

/* What separates the i-th of n: nothing, ", ", " and ". */
static const char *
between(uint32_t i, uint32_t n)
{
	return i == 0 ? "" : i + 1 == n ? " and " : ", ";
}

/* --- functions ------------------------------------------------------------------------- */

static bool
set_within(const struct say *s, unsigned set)
{
	bool any = false;

	for (unsigned i = 0; i < s->sc->n_ops; i++)
		if (s->sc->ops[i].sets >> set & 1) {
			if (!rule_has_op(s->r, s->sc->ops[i].opx))
				return false;
			any = true;
		}
	return any;
}

static bool
all_known(const struct say *s)
{
	for (unsigned i = 0; i < s->sc->n_ops; i++)
		if (s->sc->ops[i].known && !rule_has_op(s->r, s->sc->ops[i].opx))
			return false;
	return true;
}

/* How many functions of this set no earlier set of the sentence holds. */
static unsigned
set_adds(const struct say *s, unsigned set, uint32_t said)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->sc->n_ops; i++)
		n += s->sc->ops[i].sets >> set & 1 && !(s->sc->ops[i].sets & said);
	return n;
}

static bool
in_sentence(const struct dis_op *op, uint32_t said, bool all)
{
	return op->sets & said || (all && op->known);
}

static unsigned
access_order(uint8_t a)
{
	return a & ACC_PROGRAM ? 4 : a & ACC_CONTROL ? 3 : a & ACC_WRITE ? 2 : a & ACC_READ ? 1 : 0;
}

static void
put_op(const struct say *s, const struct dis_op *op, unsigned n)
{
	fprintf(s->to, "%s", n ? ", " : "");
	if (op->code > 255 || op->sub != FACT_NO_SUB)
		fprintf(s->to, "%s", op->name);
	else
		fprintf(s->to, "%s (%u)", op->name, op->code);
}

/* Sets first, then what is left by name, the gravest first. */
static void
put_functions(const struct say *s)
{
	uint32_t said = 0;
	unsigned n = 0, left = 0;
	bool all = all_known(s);

	if (all)
		fprintf(s->to, "every known function");
	for (unsigned set = 0; !all && s->sc->sets && s->sc->sets[set] && set < 32; set++)
		if (set_within(s, set) && set_adds(s, set, said) > 1) {
			fprintf(s->to, "%s\"%s\"", n++ ? ", " : "functions ", s->sc->sets[set]);
			said |= 1u << set;
		}
	n += all;
	for (unsigned grave = 5; grave-- > 0;)
		for (unsigned i = 0; i < s->sc->n_ops; i++) {
			const struct dis_op *op = &s->sc->ops[i];

			if (!rule_has_op(s->r, op->opx) || in_sentence(op, said, all) ||
			    access_order(op->access) != grave)
				continue;
			if (n >= NAMES_SHOWN)
				left++;
			else
				put_op(s, op, n++);
		}
	if (left)
		fprintf(s->to, " and %u more", left);
}

/* --- addresses ------------------------------------------------------------------------- */

uint32_t
policy_notation_base(const struct dis_schema *sc, const uint8_t *opt, uint8_t space)
{
	static const char *const zero[BASES] = {
	    "0", "1", "10001", "30001", "40001", "00001", "000001", "100001", "300001", "400001"};
	static const uint32_t base[BASES] = {
	    0, 1, 10001, 30001, 40001, 1, 1, 100001, 300001, 400001};
	const struct dis_key *k = NULL;
	struct dis_range r;
	char err[128];

	for (unsigned i = 0; i < sc->n_keys && !k; i++)
		if (sc->keys[i].kind == KEY_RANGE && sc->keys[i].space == space)
			k = &sc->keys[i];
	if (!k || !sc->parse_range || sc->n_options == 0 || sc->spaces[space].max_sub)
		return 0;
	for (unsigned i = 0; i < BASES; i++) {
		memset(&r, 0, sizeof(r));
		if (sc->parse_range(k, opt, zero[i], &r, err, sizeof(err)) == 0 && r.first == 0)
			return base[i];
	}
	return 0;
}

/* Does the text mean this run? */
static bool
means(const struct dis_schema *sc, const struct dis_key *k, const uint8_t *opt, const char *text,
    const struct dis_range *want)
{
	struct dis_range r = {0};
	char err[160];

	if (sc->parse_range(k, opt, text, &r, err, sizeof(err)) < 0)
		return false;
	return r.sub == want->sub && (r.sub_last == want->sub || r.sub_last == 0) &&
	       r.first == want->first && r.last == want->last &&
	       (k->space != DIS_SPACE_ANY || r.space == want->space);
}

bool
policy_notation_run(const struct dis_schema *sc, const struct dis_key *k, const uint8_t *opt,
    const struct dis_range *r, char *buf, size_t size)
{
	uint32_t base;

	if (!sc->parse_range) {
		snprintf(buf, size, "%u..%u", r->first, r->last);
		return true;
	}
	if (sc->show_range) {
		sc->show_range(r->space, r->sub, r->first, r->last, buf, size);
		return means(sc, k, opt, buf, r);
	}
	base = policy_notation_base(sc, opt, r->space);
	if (sc->spaces[r->space].max_sub) {
		snprintf(buf, size, "%u:%u..%u", r->sub, r->first, r->last);
		return means(sc, k, opt, buf, r);
	}
	/* 00101: the Modicon notation counts digits */
	for (int digits = 1; digits <= 6; digits++) {
		if (r->last != r->first)
			snprintf(buf, size, "%0*u..%0*u", digits, r->first + base, digits,
			    r->last + base);
		else
			snprintf(buf, size, "%0*u", digits, r->first + base);
		if (means(sc, k, opt, buf, r))
			return true;
	}
	return false;
}

bool
policy_block_options(const struct policy *pol, uint32_t conduit, uint8_t proto, uint8_t *opt)
{
	if (!pol || !pol->rs || conduit >= pol->rs->n_conduits)
		return false;
	for (uint32_t i = 0; i < pol->rs->conduits[conduit].n_blocks; i++) {
		const struct block *b = &pol->rs->conduits[conduit].blocks[i];

		if (b->proto != proto)
			continue;
		memcpy(opt, b->opt, DIS_OPTION_MAX);
		return true;
	}
	return false;
}

/* What rules call a space: its key ("coils"), where it has one of its own. */
static const char *
space_name(const struct say *s, uint8_t space)
{
	for (unsigned i = 0; i < s->sc->n_keys; i++)
		if (s->sc->keys[i].kind == KEY_RANGE && s->sc->keys[i].space == space)
			return s->sc->keys[i].name;
	return s->sc->spaces[space].name;
}

static void
put_range(const struct say *s, uint8_t space, const struct dis_range *r)
{
	const struct dis_space *sp = &s->sc->spaces[space];
	uint32_t base = policy_notation_base(s->sc, s->b->opt, space);
	bool whole = r->first == 0 && r->last >= sp->max;
	char buf[96];

	if (r->sub == 0 && r->sub_last >= sp->max_sub && whole) {
		fprintf(s->to, "any %s", space_name(s, space));
		return;
	}
	if (s->sc->show_range && r->sub == r->sub_last) {
		fprintf(s->to, "%s",
		    s->sc->show_range(space, r->sub, r->first, r->last, buf, sizeof(buf)));
		return;
	}
	fprintf(s->to, "%s ", space_name(s, space));
	if (sp->max_sub != 0)
		fprintf(s->to, r->sub == r->sub_last ? "%u" : "%u..%u", r->sub, r->sub_last);
	if (sp->max_sub != 0 && whole)
		return;
	fprintf(s->to, r->first == r->last ? "%s%u" : "%s%u..%u", sp->max_sub ? ":" : "",
	    r->first + base, r->last + base);
}

static uint32_t
put_reach(const struct say *s, unsigned write)
{
	uint32_t total = 0, n = 0;

	for (unsigned sp = 0; sp < s->sc->n_spaces; sp++)
		total += s->r->reach[2 * sp + write].n + s->r->names[2 * sp + write].n;
	for (unsigned sp = 0; sp < s->sc->n_spaces; sp++) {
		const struct rects *v = &s->r->reach[2 * sp + write];
		const struct globs *g = &s->r->names[2 * sp + write];

		for (uint32_t i = 0; i < v->n; i++)
			if (n++ < RANGES_SHOWN) {
				fprintf(s->to, "%s", between(n - 1, total));
				put_range(s, (uint8_t)sp, &v->v[i]);
			}
		for (uint32_t i = 0; i < g->n; i++)
			if (n++ < RANGES_SHOWN)
				fprintf(s->to, "%s%s \"%s\"", between(n - 1, total),
				    s->sc->spaces[sp].name, g->v[i]);
	}
	if (n > RANGES_SHOWN)
		fprintf(s->to, " and %u more", n - RANGES_SHOWN);
	return n;
}

static bool
reaches(const struct say *s, unsigned write)
{
	for (unsigned sp = 0; sp < s->sc->n_spaces; sp++)
		if (s->r->reach[2 * sp + write].n || s->r->names[2 * sp + write].n)
			return true;
	return false;
}

static bool
does(const struct say *s, uint8_t access)
{
	for (unsigned i = 0; i < s->sc->n_ops; i++)
		if (rule_has_op(s->r, s->sc->ops[i].opx) && s->sc->ops[i].access & access)
			return true;
	return false;
}

/* What a rule that does not speak of parts holds: all to read, the usual one to write. */
static bool
usual_subs(const struct dis_key *k, const struct ivals *v, unsigned write)
{
	if (v->n == 1 && v->v[0].lo <= k->lo && v->v[0].hi >= k->hi)
		return true;
	for (uint32_t i = 0; i < v->n; i++)
		if (v->v[i].hi >= k->lo &&
		    (v->v[i].lo != k->write_sub || v->v[i].hi != k->write_sub))
			return false;
	return write != 0;
}

/* Which part of a named thing (attributes). */
static void
put_subs(const struct say *s, unsigned write)
{
	for (unsigned i = 0; i < s->sc->n_keys; i++) {
		const struct dis_key *k = &s->sc->keys[i];
		const struct ivals *v;
		unsigned n = 0;

		if (k->kind != KEY_SUB || k->space >= s->sc->n_spaces)
			continue;
		v = &s->r->subs[2u * k->space + write];
		if (v->n == 0 || usual_subs(k, v, write))
			continue;
		fprintf(s->to, " (%s ", k->name);
		for (uint32_t j = 0; j < v->n; j++)
			for (uint64_t x = v->v[j].lo; x <= v->v[j].hi && n < NAMES_SHOWN; x++) {
				uint32_t w = 0;

				if (x < k->lo)
					continue;
				while (k->words && k->words[w] && w < x)
					w++;
				if (k->words && k->words[w] && w == x && k->words[w][0])
					fprintf(s->to, "%s%s", n++ ? ", " : "", k->words[w]);
				else
					fprintf(s->to, "%s%" PRIu64, n++ ? ", " : "", x);
			}
		fputc(')', s->to);
	}
}

/* --- values ---------------------------------------------------------------------------- */

static void
put_value(const struct limit *l, uint64_t key, FILE *to)
{
	uint64_t raw;
	double d;

	switch ((enum value_kind)l->shape.kind) {
	case VALUE_UNSIGNED:
		fprintf(to, "%" PRIu64, key);
		return;
	case VALUE_SIGNED:
		fprintf(to, "%" PRId64, (int64_t)(key ^ VALUE_SIGN));
		return;
	case VALUE_REAL:
		break;
	}
	raw = key & VALUE_SIGN ? key ^ VALUE_SIGN : ~key;
	memcpy(&d, &raw, sizeof(d));
	fprintf(to, l->shape.bits == 32 ? "%.7g" : "%.15g", d);
}

/* "50", or "50 in 1 s". */
static void
put_most(const struct limit *l, FILE *to)
{
	double most = (double)l->change.most;

	if (l->shape.kind == VALUE_REAL)
		memcpy(&most, &l->change.most, sizeof(most));
	fprintf(to, "%.9g", most);
	if (l->change.per_ns)
		fprintf(to, " in %.9g s", (double)l->change.per_ns / 1e9);
}

static void
put_set(const struct say *s, const struct limit *l)
{
	for (uint32_t i = 0; i < l->set.n && i < NAMES_SHOWN; i++) {
		fprintf(s->to, "%s", i == 0 ? "" : i + 1 == l->set.n ? " or " : ", ");
		put_value(l, l->set.v[i].lo, s->to);
		if (l->set.v[i].hi != l->set.v[i].lo) {
			fprintf(s->to, "..");
			put_value(l, l->set.v[i].hi, s->to);
		}
	}
	if (l->set.n > NAMES_SHOWN)
		fprintf(s->to, " or %u more", l->set.n - NAMES_SHOWN);
}

static void
put_limit(const struct say *s, uint8_t space, const struct limit *l)
{
	struct dis_range one = l->at;

	fprintf(s->to, "%s", l->at.last - l->at.first + 1 > l->shape.cell ? "each of " : "");
	put_range(s, space, &one);
	fprintf(s->to, " to ");
	if (l->set.n == 1 && l->set.v[0].lo == 0 && l->set.v[0].hi == UINT64_MAX)
		fprintf(s->to, "any value");
	else
		put_set(s, l);
	if (l->changes) {
		fprintf(s->to, ", changed by at most ");
		put_most(l, s->to);
	}
	if (l->step > 1) {
		fprintf(s->to, " in steps of %" PRIu64, l->step);
		if (l->set.n != 1 || l->set.v[0].lo != l->base) {
			fprintf(s->to, " from ");
			put_value(l, l->base, s->to);
		}
	}
}

static void
put_values(const struct say *s)
{
	uint32_t n = 0;

	for (unsigned sp = 0; sp < s->sc->n_spaces; sp++)
		for (uint32_t i = 0; i < s->r->limits[sp].n; i++)
			if (n++ < RANGES_SHOWN) {
				fprintf(s->to, n > 1	    ? "; "
					       : s->r->deny ? ", if it sets "
							    : ", but only ");
				put_limit(s, (uint8_t)sp, &s->r->limits[sp].v[i]);
			}
	if (n > RANGES_SHOWN)
		fprintf(s->to, "; and %u more limits", n - RANGES_SHOWN);
}

/* --- units and properties ---------------------------------------------------------------- */

static void
put_units(const struct say *s)
{
	const struct ivals *u = &s->r->units;

	for (unsigned i = 0; i < s->sc->n_keys; i++) {
		const struct dis_key *k = &s->sc->keys[i];

		if (k->kind != KEY_UNIT)
			continue;
		if (u->n == 1 && u->v[0].lo <= k->lo && u->v[0].hi >= k->hi) {
			fprintf(s->to, " of any unit");
			return;
		}
		fprintf(s->to, " of unit%s ", u->n == 1 && u->v[0].lo == u->v[0].hi ? "" : "s");
		for (uint32_t j = 0; j < u->n; j++) {
			fprintf(s->to, "%s%u", between(j, u->n), u->v[j].lo);
			if (u->v[j].hi != u->v[j].lo)
				fprintf(s->to, "..%u", u->v[j].hi);
		}
	}
}

static void
put_cond(const struct cond *c, FILE *to)
{
	unsigned n = 0;

	fprintf(to, "%s is ", c->key->name);
	for (uint32_t i = 0; i < c->globs.n; i++)
		fprintf(to, "%s\"%s\"", i ? " or " : "", c->globs.v[i]);
	for (uint32_t i = 0; i < c->set.n; i++) {
		const struct ival *v = &c->set.v[i];

		if (c->key->kind != KEY_WORD) {
			fprintf(to, v->lo == v->hi ? "%s%u" : "%s%u..%u", i ? " or " : "", v->lo,
			    v->hi);
			continue;
		}
		for (uint64_t x = v->lo; x <= v->hi && n < NAMES_SHOWN; x++) {
			uint32_t w = 0;

			while (w < x && c->key->words[w])
				w++;
			fprintf(to, "%s%s", n++ ? " or " : "",
			    c->key->words[w] ? c->key->words[w] : "?");
		}
	}
}

static void
put_conds(const struct conds *v, const char *when, FILE *to)
{
	for (uint32_t i = 0; i < v->n; i++) {
		fprintf(to, "%s", i == 0 ? when : " and ");
		put_cond(&v->v[i], to);
	}
}

void
explain_windows(const struct ruleset *rs, uint64_t only_in, FILE *to)
{
	unsigned n = 0;

	for (uint32_t w = 0; w < rs->n_windows; w++)
		if (only_in >> w & 1)
			fprintf(to, "%s%s%s", n++ ? " or " : " only in window ",
			    rs->windows[w].name,
			    rs->windows[w].needs_permit ? " with a permit" : "");
}

/* Interlocks. */
static void
put_whens(const struct say *s)
{
	for (uint32_t i = 0; i < s->r->whens.n; i++) {
		const struct when *w = &s->r->whens.v[i];

		fprintf(s->to, "%s", i == 0 ? ", while " : " and ");
		put_range(s, w->is.at.space, &w->is.at);
		if (w->unit_said)
			fprintf(s->to, " of unit %" PRIu32, w->unit);
		fprintf(s->to, " was last ");
		put_set(s, &w->is);
		fprintf(s->to, ", not longer ago than %.9g s%s", (double)w->within / 1e9,
		    s->r->deny ? ", or is not known" : "");
	}
}

/* --- the sentence ---------------------------------------------------------------------- */

void
policy_explain_rule(const struct policy *p, uint32_t rule, FILE *to)
{
	const struct block *b = p->rs->rule_block[rule];
	struct say s = {.b = b, .sc = b->dis->schema, .r = p->rs->rules[rule], .to = to};
	bool reads = reaches(&s, 0) && does(&s, ACC_READ);
	bool writes = reaches(&s, 1) && does(&s, ACC_WRITE | ACC_CONTROL | ACC_PROGRAM);

	if (reads) {
		fprintf(to, "read ");
		put_reach(&s, 0);
		put_subs(&s, 0);
	}
	if (writes) {
		fprintf(to, "%s", reads ? " and " : "");
		fprintf(to, does(&s, ACC_WRITE) ? "write " : "act on ");
		put_reach(&s, 1);
		put_subs(&s, 1);
	}
	if (!reads && !writes) {
		fprintf(to, "use ");
		put_functions(&s);
		put_units(&s);
		if (s.r->everything)
			fprintf(to, ", whatever they touch");
		else if (does(&s, ACC_READ | ACC_WRITE) &&
			 (schema_has(s.sc, KEY_RANGE, SPACE_NONE) ||
			     schema_has(s.sc, KEY_PATTERN, SPACE_NONE)))
			fprintf(to, ", as far as they touch no data");
	} else {
		put_units(&s);
		fprintf(to, " with ");
		put_functions(&s);
	}
	put_values(&s);
	put_conds(&s.r->conds, ", when ", to);
	explain_windows(p->rs, s.r->only_in, to);
	put_whens(&s);
}

/* --- letters --------------------------------------------------------------------------- */

/* Does a denial without addresses take this function away from the rule? */
static bool
op_denied(const struct block *b, const struct rule *r, uint32_t opx)
{
	for (uint32_t i = 0; i < b->deny.n; i++) {
		const struct rule *d = b->deny.v[i];
		bool all = true;

		if (!d->enabled || !d->everything || d->conds.n || d->whens.n || d->only_in ||
		    d->mode == MODE_ALERT || d->mode == MODE_LEARN || !rule_has_op(d, opx))
			continue;
		for (uint32_t u = 0; u < r->units.n && all; u++)
			all = ivals_has(&d->units, r->units.v[u].lo) &&
			      ivals_has(&d->units, r->units.v[u].hi);
		if (all && d->units.n == 1)
			return true;
	}
	return false;
}

static uint8_t
rule_access(const struct block *b, const struct rule *r)
{
	struct say s = {.b = b, .sc = b->dis->schema, .r = r};
	bool data =
	    schema_has(s.sc, KEY_RANGE, SPACE_NONE) || schema_has(s.sc, KEY_PATTERN, SPACE_NONE);
	uint8_t a = 0;

	for (unsigned i = 0; i < s.sc->n_ops; i++)
		if (rule_has_op(r, s.sc->ops[i].opx) && !op_denied(b, r, s.sc->ops[i].opx))
			a |= s.sc->ops[i].access;
	if (data && !reaches(&s, 1))
		a &= (uint8_t)~ACC_WRITE;
	return a;
}

const char *
policy_explain_letters(const struct policy *p, uint32_t conduit, char buf[8])
{
	const struct conduit *c = &p->rs->conduits[conduit];
	uint8_t a = 0;
	char *t = buf;

	for (uint32_t i = 0; i < c->n_blocks; i++)
		for (uint32_t k = 0; k < c->blocks[i].allow.n; k++)
			if (c->blocks[i].allow.v[k]->enabled)
				a |= rule_access(&c->blocks[i], c->blocks[i].allow.v[k]);
	if (a & ACC_READ)
		*t++ = 'R';
	if (a & ACC_WRITE)
		*t++ = 'W';
	if (a & ACC_CONTROL)
		*t++ = 'C';
	if (a & ACC_PROGRAM)
		*t++ = 'P';
	*t = '\0';
	if (t == buf)
		return c->apps.n ? "apps" : c->echo ? "ping" : "-";
	return buf;
}
