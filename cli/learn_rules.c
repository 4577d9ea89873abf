/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn_rules.c - what a pair did, as the rules of a conduit.
 *
 * Functions of one kind become one rule per unit, units that do the same share it. Keys and
 * notations are those of the protocol's schema.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/learn_int.h"
#include "dissectors/dissector.h"
#include "policy/explain.h"

#define STEM_MIN   4u  /* names that begin alike become a glob from so many on */
#define NAMES_MAX  24u /* names of a rule before globs are made of them */
#define STEP_MIN   6u  /* changes of a value, until its steps are believed */
#define VALUES_MAX 16u /* limits of a rule, each written out; then one for all */

/* --- text ----------------------------------------------------------------------------------------- */

void
learn_put(struct learn *l, struct learn_text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (t->n + (size_t)n + 1 > t->cap) {
		size_t cap = 2 * (t->n + (size_t)n + 1) + 256;
		char *p = arena_get(l->a, cap);

		if (t->n != 0)
			memcpy(p, t->p, t->n);
		t->p = p;
		t->cap = cap;
	}
	va_start(ap, fmt);
	(void)vsnprintf(t->p + t->n, t->cap - t->n, fmt, ap);
	va_end(ap);
	t->n += (size_t)n;
}

/* A quoted scalar; what a terminal would act on stays outside. */
static void
put_quoted(struct learn *l, struct learn_text *t, const char *s)
{
	learn_put(l, t, "\"");
	for (; *s; s++)
		if (*s == '"' || *s == '\\')
			learn_put(l, t, "\\%c", *s);
		else if ((unsigned char)*s < 0x20 || *s == 0x7f)
			learn_put(l, t, "?");
		else
			learn_put(l, t, "%c", *s);
	learn_put(l, t, "\"");
}

/* --- lines ---------------------------------------------------------------------------------------- */

static struct line *
add_line(struct learn *l, struct body *b, struct learn_text *t)
{
	vec_push(l->a, b, ((struct line){.text = t->n ? t->p : ""}));
	*t = (struct learn_text){0};
	return &b->v[b->n - 1];
}

void
learn_merge(struct learn_evidence *to, const struct learn_evidence *e)
{
	if (e->n == 0)
		return;
	if (to->n == 0) {
		*to = *e;
		return;
	}
	if (e->first_ns < to->first_ns)
		to->first_ns = e->first_ns;
	if (e->last_ns > to->last_ns)
		to->last_ns = e->last_ns;
	for (uint64_t i = 0; i < e->n && i < LEARN_FRAMES; i++) {
		uint64_t f = e->frames[i];
		uint64_t k = to->n < LEARN_FRAMES ? to->n : LEARN_FRAMES;

		/* The earliest frames, in order. */
		if (k < LEARN_FRAMES)
			to->frames[k] = UINT64_MAX;
		for (uint64_t j = 0; j < LEARN_FRAMES && j <= k; j++)
			if (f < to->frames[j]) {
				uint64_t swap = to->frames[j];

				to->frames[j] = f;
				f = swap;
			}
		to->n++;
	}
	to->n += e->n > LEARN_FRAMES ? e->n - LEARN_FRAMES : 0;
	if (e->last_frame > to->last_frame)
		to->last_frame = e->last_frame;
}

/* --- rules ------------------------------------------------------------------------------------------ */

enum class {
	CLASS_SESSION = 0,
	CLASS_READ,
	CLASS_WRITE,
	CLASS_MASKED,
	CLASS_EXCHANGE,
	CLASS_RISKY
};

struct rule {
	enum class class;
	const char *risky; /* the one function of CLASS_RISKY */
	struct learn_runs units, *runs[2], subs[2];
	struct learn_names names[2], ops;
	struct learn_values values;
	uint8_t value_space;
	struct learn_evidence seen;
	const char *text; /* without name, units and evidence: what makes two rules the same */
	bool gone;
};
struct rules {
	struct rule *v;
	uint32_t n, cap;
};

static bool
any_runs(const struct learn_runs *r, const struct dis_schema *sc)
{
	for (unsigned i = 0; r && i < sc->n_spaces; i++)
		if (r[i].n != 0)
			return true;
	return false;
}

static enum class class_of(const struct dis_schema *sc, const struct learn_op *o) {
	bool reads = any_runs(o->runs[0], sc) || o->names[0].n != 0;
	bool writes = any_runs(o->runs[1], sc) || o->names[1].n != 0;

	if (o->access & (ACC_CONTROL | ACC_PROGRAM)) return CLASS_RISKY;
	if (o->masked) return CLASS_MASKED;
	if (reads && writes) return CLASS_EXCHANGE;
	if (writes || o->access & ACC_WRITE) return CLASS_WRITE;
	return reads || o->access & ACC_READ ? CLASS_READ : CLASS_SESSION;
}

/* How rules call this function: its name, or its number where the name says too little. */
static const char *
op_text(struct learn *l, const struct dis_schema *sc, const struct learn_op *o)
{
	const struct dis_op *row = dissector_op(sc, o->opx);
	struct learn_text t = {0};
	unsigned same = 0;

	for (unsigned i = 0; row && i < sc->n_ops; i++)
		same += strcmp(sc->ops[i].name, row->name) == 0;
	if (row && same == 1 && row->code == o->code)
		return row->name;
	learn_put(l, &t, "%u", o->code);
	if (o->sub != FACT_NO_SUB)
		learn_put(l, &t, "/%u", o->sub);
	return t.p;
}

static void
runs_join(struct learn *l, struct learn_runs *to, const struct learn_runs *r)
{
	/* Both are in order and small; touching runs become one when they are written. */
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t k = to->n;

		vec_push(l->a, to, r->v[i]);
		for (; k > 0 &&
		       (to->v[k - 1].sub > r->v[i].sub ||
			   (to->v[k - 1].sub == r->v[i].sub && to->v[k - 1].first > r->v[i].first));
		     k--)
			to->v[k] = to->v[k - 1];
		to->v[k] = r->v[i];
	}
}

static void
names_join(struct learn *l, struct learn_names *to, const struct learn_names *n)
{
	to->over |= n->over;
	for (uint32_t i = 0; i < n->n; i++) {
		bool seen = false;

		for (uint32_t k = 0; k < to->n && !seen; k++)
			seen = strcmp(to->v[k].s, n->v[i].s) == 0;
		if (!seen)
			vec_push(l->a, to, n->v[i]);
	}
}

static void
rule_take(struct learn *l, const struct dis_schema *sc, struct rule *r, const struct learn_op *o)
{
	struct learn_name name = {op_text(l, sc, o)};
	struct learn_names one = {&name, 1, 1, false};

	names_join(l, &r->ops, &one);
	for (unsigned w = 0; w < 2; w++) {
		for (unsigned s = 0; s < sc->n_spaces; s++)
			runs_join(l, &r->runs[w][s], &o->runs[w][s]);
		names_join(l, &r->names[w], &o->names[w]);
		runs_join(l, &r->subs[w], &o->subs[w]);
	}
	learn_merge(&r->seen, &o->seen);
	r->values.over |= o->values.over;
	r->value_space = o->values.n != 0 ? o->value_space : r->value_space;
	for (uint32_t i = 0; i < o->values.n; i++) {
		const struct learn_value *v = &o->values.v[i];
		uint32_t k = 0;

		while (k < r->values.n && r->values.v[k].addr != v->addr)
			k++;
		if (k == r->values.n)
			vec_push(l->a, &r->values, *v);
		else
			learn_value_join(&r->values.v[k], v);
	}
}

/* The rule of this kind and unit. */
static struct rule *
rule_of(struct learn *l, const struct dis_schema *sc, struct rules *rs, enum class class,
    const struct learn_op *o)
{
	const char *risky = class == CLASS_RISKY ? op_text(l, sc, o) : NULL;
	struct rule r = {.class = class, .risky = risky};

	for (uint32_t i = 0; i < rs->n; i++)
		if (rs->v[i].class == class && rs->v[i].units.v[0].first == o->unit &&
		    (!risky || strcmp(risky, rs->v[i].risky) == 0))
			return &rs->v[i];
	vec_push(l->a, &r.units, ((struct learn_run){0, o->unit, o->unit}));
	for (unsigned w = 0; w < 2; w++)
		r.runs[w] = arena_array(l->a, sc->n_spaces, sizeof(*r.runs[w]));
	vec_push(l->a, rs, r);
	return &rs->v[rs->n - 1];
}

/* --- keys of a rule ------------------------------------------------------------------------------- */

/* In the notation of the block that is there; what that cannot say is no address at all, so that nobody enables it unread. */
static bool
put_as_there(struct learn *l, struct learn_text *t, const struct dis_schema *sc, uint8_t space,
    const struct learn_run *r)
{
	static const uint8_t none[DIS_OPTION_MAX];
	const struct dis_key *k = dis_schema_key(sc, KEY_RANGE, space, 0);
	const struct dis_range as = {
	    .space = space, .sub = r->sub, .sub_last = r->sub, .first = r->first, .last = r->last};
	char text[64];

	if (!k || memcmp(l->opt, none, sizeof(none)) == 0)
		return false;
	learn_put(l, t, "%s",
	    policy_notation_run(sc, k, l->opt, &as, text, sizeof(text)) ? text
									: "not-in-this-notation");
	return true;
}

static void
put_run(struct learn *l, struct learn_text *t, const struct dis_schema *sc, uint8_t space,
    const struct learn_run *r)
{
	char first[64], last[64];
	const char *colon;

	if (put_as_there(l, t, sc, space, r))
		return;
	if (sc->show_range) {
		learn_put(l, t, "%s",
		    sc->show_range(space, r->sub, r->first, r->last, first, sizeof(first)));
		return;
	}
	if (!sc->show_addr) {
		learn_put(l, t, r->last != r->first ? "%u..%u" : "%u", r->first, r->last);
		return;
	}
	learn_put(l, t, "%s", sc->show_addr(space, r->sub, r->first, first, sizeof(first)));
	if (r->last == r->first)
		return;
	(void)sc->show_addr(space, r->sub, r->last, last, sizeof(last));
	colon = strchr(last, ':'); /* of a subdivision: once is enough */
	learn_put(l, t, "..%s", colon ? colon + 1 : last);
}

/* Runs of one space behind "key: [": *first says whether something is there already. */
static void
put_runs(struct learn *l, struct learn_text *t, const struct dis_schema *sc, uint8_t space,
    const struct learn_runs *runs, bool *first)
{
	for (uint32_t i = 0; i < runs->n;) {
		struct learn_run r = runs->v[i++];

		while (i < runs->n && runs->v[i].sub == r.sub &&
		       runs->v[i].first <= (uint64_t)r.last + 1) {
			if (runs->v[i].last > r.last)
				r.last = runs->v[i].last;
			i++;
		}
		learn_put(l, t, *first ? "" : ", ");
		*first = false;
		put_run(l, t, sc, space, &r);
	}
}

/* Ranges of one access, each key once.  before: indentation, or what separates in a map. */
static void
put_ranges(struct learn *l, struct body *b, const struct dis_schema *sc,
    const struct learn_runs *runs, uint8_t access, const char *indent)
{
	for (unsigned i = 0; i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];
		struct learn_text t = {0};
		bool first = true;

		if (k->kind != KEY_RANGE)
			continue;
		for (unsigned s = 0; s < sc->n_spaces; s++)
			if (runs[s].n != 0 &&
			    dis_schema_key(sc, KEY_RANGE, (uint8_t)s, access) == k) {
				if (first)
					learn_put(l, &t, "%s%s: [", indent, k->name);
				put_runs(l, &t, sc, (uint8_t)s, &runs[s], &first);
			}
		if (first)
			continue;
		learn_put(l, &t, "]");
		(void)add_line(l, b, &t);
	}
}

/* "ns=2;s=Recipe." of "ns=2;s=Recipe.Sugar"; the name space alone of others. */
static size_t
stem_of(const char *name)
{
	const char *s = strchr(name, ';'), *dot = strrchr(name, '.'), *slash = strrchr(name, '/');

	if (slash && (!dot || slash > dot))
		dot = slash;
	if (dot && (!s || dot > s))
		return (size_t)(dot - name) + 1;
	return s && s[1] && s[2] ? (size_t)(s - name) + 3 : 0;
}

/* Names; many that begin alike become a glob. */
static void
put_names(struct learn *l, struct learn_text *t, const struct learn_names *n)
{
	bool *done = arena_array(l->a, n->n + 1u, sizeof(*done)), first = true;

	for (uint32_t i = 0; i < n->n; i++) {
		size_t stem = stem_of(n->v[i].s);
		uint32_t like = 0;

		if (done[i])
			continue;
		for (uint32_t k = i; k < n->n && stem; k++)
			like += strncmp(n->v[k].s, n->v[i].s, stem) == 0;
		learn_put(l, t, first ? "" : ", ");
		first = false;
		if ((n->n <= NAMES_MAX && !n->over) || like < STEM_MIN) {
			put_quoted(l, t, n->v[i].s);
			continue;
		}
		put_quoted(l, t, arena_strn(l->a, n->v[i].s, stem));
		t->p[--t->n] = '\0'; /* the star goes inside */
		learn_put(l, t, "*\"");
		for (uint32_t k = i; k < n->n; k++)
			done[k] |= strncmp(n->v[k].s, n->v[i].s, stem) == 0;
	}
}

static int
by_addr(const void *a, const void *b)
{
	const struct learn_value *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* Does it go in steps? Said only when it was seen often enough. */
static bool
steps(const struct learn_value *v)
{
	return v->step > 1 && v->step < v->max - v->min && v->changes >= STEP_MIN;
}

static void
put_values(struct learn *l, struct body *b, const struct dis_schema *sc, struct rule *r)
{
	const struct dis_key *k = dis_schema_key(sc, KEY_VALUES, r->value_space, 0);
	struct learn_values *v = &r->values;
	struct learn_text t = {0};
	bool coarse = v->n > VALUES_MAX;

	if (!k || v->n == 0 || v->over)
		return;
	qsort(v->v, v->n, sizeof(*v->v), by_addr);
	learn_put(l, &t, "          %s: {", k->name);
	for (uint32_t i = 0, j; i < v->n; i = j) {
		struct learn_value x = v->v[i];

		for (j = i + 1; j < v->n && v->v[j].addr == v->v[j - 1].addr + 1; j++) {
			if (!coarse && (v->v[j].min != x.min || v->v[j].max != x.max ||
					   steps(&v->v[j]) != steps(&x)))
				break;
			learn_value_join(&x, &v->v[j]);
		}
		learn_put(l, &t, i ? ", " : "");
		put_run(
		    l, &t, sc, r->value_space, &(struct learn_run){0, x.addr, v->v[j - 1].addr});
		if (steps(&x))
			learn_put(l, &t, ": {min: %u, max: %u, step: %u}", x.min, x.max, x.step);
		else
			learn_put(l, &t, x.max != x.min ? ": %u..%u" : ": %u", x.min, x.max);
	}
	learn_put(l, &t, "}");
	(void)add_line(l, b, &t);
}

/* Attributes that are written, where they are not just the usual one. */
static void
put_subs(struct learn *l, struct body *b, const struct dis_key *k, const struct learn_runs *r,
    const char *indent)
{
	struct learn_text t = {0};
	bool other = false;

	for (uint32_t i = 0; i < r->n; i++)
		for (uint32_t a = r->v[i].first; a <= r->v[i].last; a++)
			if (a >= k->lo && a <= k->hi) {
				learn_put(l, &t, "%s%u", t.n ? ", " : "", a);
				other |= a != k->write_sub;
			}
	if (other) {
		struct learn_text line = {0};

		learn_put(l, &line, "%s%s: [%s]", indent, k->name, t.p);
		(void)add_line(l, b, &line);
	}
}

/* What a rule says of one access, as its own lines, or in the protocol's sub-map for it. */
static void
put_access(struct learn *l, struct body *b, const struct dis_schema *sc, struct rule *r, unsigned w,
    bool both)
{
	uint8_t access = w ? ACC_WRITE : ACC_READ;
	const struct dis_key *names =
	    r->names[w].n ? dis_schema_key(sc, KEY_PATTERN, 0, access) : NULL;
	const struct dis_key *map = NULL, *sub = dis_schema_key(sc, KEY_SUB, 0, 0);
	const char *indent = "          ";
	struct learn_text t = {0};

	for (unsigned i = 0; i < sc->n_keys && both; i++)
		if (sc->keys[i].kind == KEY_ACCESS && sc->keys[i].access == access)
			map = &sc->keys[i];
	if (map && (names || any_runs(r->runs[w], sc))) {
		learn_put(l, &t, "          %s:", map->name);
		(void)add_line(l, b, &t);
		indent = "            ";
	}
	put_ranges(l, b, sc, r->runs[w], access, indent);
	if (names) {
		learn_put(l, &t, "%s%s: [", indent, names->name);
		put_names(l, &t, &r->names[w]);
		learn_put(l, &t, "]");
		(void)add_line(l, b, &t);
	}
	if (w && sub)
		put_subs(l, b, sub, &r->subs[w], indent);
}

/* Everything of a rule but its name, units and evidence. */
static void
put_what(struct learn *l, struct body *b, const struct dis_schema *sc, struct rule *r)
{
	const struct dis_key *ops = dis_schema_key(sc, KEY_OPS, 0, 0);
	bool reads = any_runs(r->runs[0], sc) || r->names[0].n != 0;
	bool writes = any_runs(r->runs[1], sc) || r->names[1].n != 0;
	struct learn_text t = {0};

	learn_put(l, &t, "          %s: [", ops ? ops->name : "functions");
	for (uint32_t i = 0; i < r->ops.n; i++)
		learn_put(l, &t, "%s%s", i ? ", " : "", r->ops.v[i].s);
	learn_put(l, &t, "]");
	(void)add_line(l, b, &t);
	put_access(l, b, sc, r, 0, reads && writes);
	put_access(l, b, sc, r, 1, reads && writes);
	if (r->class != CLASS_MASKED)
		put_values(l, b, sc, r);
}

/* Units whose rules say the same share one. */
static void
join_units(struct learn *l, const struct dis_schema *sc, struct rules *rs)
{
	for (uint32_t i = 0; i < rs->n; i++) {
		struct learn_text t = {0};
		struct body b = {0};

		put_what(l, &b, sc, &rs->v[i]);
		for (uint32_t k = 0; k < b.n; k++)
			learn_put(l, &t, "%s\n", b.v[k].text);
		rs->v[i].text = t.p;
	}
	for (uint32_t i = 0; i < rs->n; i++)
		for (uint32_t k = i + 1; k < rs->n && !rs->v[i].gone; k++) {
			struct rule *r = &rs->v[k];

			if (r->gone || r->class != rs->v[i].class ||
			    strcmp(r->text, rs->v[i].text) != 0)
				continue;
			runs_join(l, &rs->v[i].units, &r->units);
			learn_merge(&rs->v[i].seen, &r->seen);
			r->gone = true;
		}
}

static void
put_rule(struct learn *l, struct body *b, const struct dis_schema *sc, struct rule *r,
    struct rules *rs, const char *prefix)
{
	static const char *const names[] = {"session", "poll", "write", "masked-write", "exchange"};
	const char *stem = r->class == CLASS_RISKY ? r->risky : names[r->class];
	const struct dis_key *unit = NULL;
	unsigned before = 0, same = 0;
	struct learn_text t = {0};
	struct line *line;

	for (uint32_t i = 0; i < rs->n; i++)
		if (!rs->v[i].gone && rs->v[i].class == r->class &&
		    (!r->risky || strcmp(r->risky, rs->v[i].risky) == 0)) {
			before += &rs->v[i] < r;
			same++;
		}
	learn_put(l, &t, "        - name: %s", prefix);
	for (const char *s = stem; *s; s++)
		learn_put(l, &t, "%c", *s == '/' ? '-' : *s);
	if (same > 1)
		learn_put(l, &t, "-%u", before + 1);
	line = add_line(l, b, &t);
	line->proof = true;
	line->seen = r->seen;
	line->risky = r->class == CLASS_RISKY;
	learn_put(l, &t, "          enabled: false");
	add_line(l, b, &t)->approval = true;
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (sc->keys[i].kind == KEY_UNIT)
			unit = &sc->keys[i];
	if (unit) {
		bool first = true;

		learn_put(l, &t, "          %s: [", unit->name);
		for (uint32_t i = 0; i < r->units.n;) {
			struct learn_run u = r->units.v[i++];

			while (i < r->units.n && r->units.v[i].first <= (uint64_t)u.last + 1)
				u.last = r->units.v[i++].last;
			learn_put(l, &t, u.last != u.first ? "%s%u..%u" : "%s%u", first ? "" : ", ",
			    u.first, u.last);
			first = false;
		}
		learn_put(l, &t, "]");
		(void)add_line(l, b, &t);
	}
	put_what(l, b, sc, r);
}

/* --- blocks and conduits ---------------------------------------------------------------------------- */

static void
put_floor(
    struct learn *l, struct body *b, const struct dis_schema *sc, const struct learn_floor *fl)
{
	struct learn_text t = {0};
	const char *map = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < sc->n_keys && n < LEARN_FLOORS; i++) {
		const struct dis_key *k = &sc->keys[i];
		bool first = true;

		if (!k->map || k->kind != KEY_WORD)
			continue;
		if (fl[n].unknown || fl[n].words == 0) {
			n++;
			continue;
		}
		for (unsigned w = 0; w < 32 && k->words[w]; w++)
			if (fl[n].words >> w & 1 && k->words[w][0]) {
				if (!map)
					learn_put(l, &t, "      %s: {%s: [", map = k->map, k->name);
				else if (first)
					learn_put(l, &t, ", %s: [", k->name);
				learn_put(l, &t, "%s%s", first ? "" : ", ", k->words[w]);
				first = false;
			}
		if (!first)
			learn_put(l, &t, "]");
		n++;
	}
	if (!map)
		return;
	learn_put(l, &t, "}");
	(void)add_line(l, b, &t);
}

static bool
usual_port(const struct dissector *ds, uint16_t port)
{
	for (const uint16_t *p = ds->ports; p && *p; p++)
		if (*p == port)
			return true;
	return false;
}

static void
put_ports(struct learn *l, struct body *b, const struct learn_pair *p, uint8_t proto)
{
	const struct dissector *ds = dissectors[proto];
	struct learn_text t = {0};
	bool usual = true, first = true;

	for (uint32_t i = 0; i < p->talks.n; i++)
		if (p->talks.v[i].proto == proto)
			usual &= usual_port(ds, p->talks.v[i].port) &&
				 (!p->talks.v[i].udp || ds->datagrams);
	if (usual)
		return;
	learn_put(l, &t, "      ports: [");
	for (uint32_t i = 0; i < p->talks.n; i++)
		if (p->talks.v[i].proto == proto) {
			learn_put(l, &t, "%s%s%u", first ? "" : ", ",
			    p->talks.v[i].udp ? "udp/" : "tcp/", p->talks.v[i].port);
			first = false;
		}
	learn_put(l, &t, "]");
	(void)add_line(l, b, &t);
}

uint32_t
learn_rate_of(uint32_t peak)
{
	static const uint32_t steps[] = {1, 2, 5};
	uint64_t want = 2 * (uint64_t)peak, ten = 1;

	for (;; ten *= 10)
		for (unsigned i = 0; i < 3; i++)
			if (steps[i] * ten >= want || ten >= 100000000)
				return (uint32_t)(steps[i] * ten);
}

/* The number is put in when conduits have been joined: the highest of them. */
static void
add_rate(struct learn *l, struct body *b, uint32_t peak)
{
	struct learn_text t = {0};

	learn_put(l, &t, "      limits:");
	add_line(l, b, &t)->peak = peak;
}

/* One protocol of a pair, on all its ports. */
static void
put_block(
    struct learn *l, struct body *b, const struct learn_pair *p, uint8_t proto, bool rules_only)
{
	const struct dis_schema *sc = dissectors[proto]->schema;
	struct learn_floor floor[LEARN_FLOORS] = {0};
	struct rules rs = {0};
	struct learn_text t = {0};
	char prefix[32] = "";
	bool encrypted = false;
	uint32_t peak = 0;

	for (uint32_t i = 0; i < p->talks.n; i++) {
		const struct learn_talk *k = &p->talks.v[i];

		if (k->proto != proto) {
			/* Names are unique in a conduit. */
			snprintf(prefix, sizeof(prefix), "%s-", dissectors[proto]->name);
			continue;
		}
		encrypted |= k->encrypted;
		peak = k->peak > peak ? k->peak : peak;
		for (unsigned f = 0; f < LEARN_FLOORS; f++) {
			floor[f].words |= k->floor[f].words;
			floor[f].unknown |= k->floor[f].unknown;
		}
		for (uint32_t o = 0; o < k->ops.n; o++)
			rule_take(l, sc,
			    rule_of(l, sc, &rs, class_of(sc, &k->ops.v[o]), &k->ops.v[o]),
			    &k->ops.v[o]);
	}
	join_units(l, sc, &rs);
	if (!rules_only) {
		learn_put(l, &t, "    %s:", dissectors[proto]->name);
		(void)add_line(l, b, &t);
		for (unsigned i = 0; i < sc->n_options; i++)
			if (sc->options[i].required) {
				learn_put(l, &t, "      %s: %s", sc->options[i].name,
				    sc->options[i].words[0]);
				(void)add_line(l, b, &t);
			}
		put_ports(l, b, p, proto);
		put_floor(l, b, sc, floor);
		if (encrypted) {
			learn_put(l, &t, "      encrypted: endpoint-only");
			(void)add_line(l, b, &t);
		}
		if (peak != 0)
			add_rate(l, b, peak);
		learn_put(l, &t, "      allow:");
		(void)add_line(l, b, &t);
	}
	for (int class = CLASS_SESSION; class <= CLASS_RISKY; class ++)
		for (uint32_t i = 0; i < rs.n; i++)
			if (!rs.v[i].gone && rs.v[i].class == (enum class) class)
				put_rule(l, b, sc, &rs.v[i], &rs, prefix);
}

/* The place of rules for a conduit that is there, and the notation that they are written in if it is not the usual one. */
static void
put_where(struct learn *l, struct body *b, const struct learn_pair *p, uint8_t proto)
{
	const struct dis_schema *sc = dissectors[proto]->schema;
	struct learn_text t = {0};

	learn_put(l, &t, "      # %s: allow:", dissectors[proto]->name);
	if (policy_block_options(l->base, p->conduit, proto, l->opt))
		for (unsigned i = 0; i < sc->n_options && i < DIS_OPTION_MAX; i++)
			if (sc->options[i].required && l->opt[i] != 0)
				learn_put(l, &t, " with its %s: %s", sc->options[i].name,
				    sc->options[i].words[l->opt[i]]);
	(void)add_line(l, b, &t);
}

void
learn_body(struct learn *l, struct body *b, const struct learn_pair *p, bool rules_only)
{
	struct learn_text t = {0};

	if (p->echo && !rules_only) {
		learn_put(l, &t, "    icmp: [echo]");
		(void)add_line(l, b, &t);
	}
	if (p->apps.n != 0 && !rules_only) {
		learn_put(l, &t, "    apps: [");
		for (uint32_t i = 0; i < p->apps.n; i++)
			learn_put(l, &t, "%s%s", i ? ", " : "", p->apps.v[i].s);
		learn_put(l, &t, "]");
		(void)add_line(l, b, &t);
	}
	for (unsigned proto = 0; proto < n_dissectors; proto++)
		for (uint32_t i = 0; i < p->talks.n; i++)
			if (p->talks.v[i].proto == proto) {
				memset(l->opt, 0, sizeof(l->opt));
				if (rules_only)
					put_where(l, b, p, (uint8_t)proto);
				put_block(l, b, p, (uint8_t)proto, rules_only);
				break;
			}
}
