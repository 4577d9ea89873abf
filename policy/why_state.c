/* SPDX-License-Identifier: Apache-2.0 */
/*
 * why_state.c - what rules ask of the values that devices have last had, in words:
 * "interlock coil 3 is 0: last read 1, 3.2 s ago".
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/memory.h"
#include "policy/table.h"
#include "policy/why.h"

struct text {
	char *p;
	size_t size, n;
};

__attribute__((format(printf, 2, 3))) static void
put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = t->n < t->size ? vsnprintf(t->p + t->n, t->size - t->n, fmt, ap) : 0;
	va_end(ap);
	t->n += n > 0 ? (size_t)n : 0;
}

static void
put_value(struct text *t, const struct value_shape *s, uint64_t key)
{
	if (s->kind == VALUE_REAL)
		put(t, "%.9g", value_key_real(key));
	else if (s->kind == VALUE_SIGNED)
		put(t, "%" PRId64, (int64_t)(key ^ VALUE_SIGN));
	else
		put(t, "%" PRIu64, key);
}

static void
put_set(struct text *t, const struct limit *l)
{
	for (uint32_t i = 0; i < l->set.n && i < 4; i++) {
		put(t, i ? ", " : "");
		put_value(t, &l->shape, l->set.v[i].lo);
		if (l->set.v[i].hi != l->set.v[i].lo) {
			put(t, "..");
			put_value(t, &l->shape, l->set.v[i].hi);
		}
	}
	if (l->set.n > 4)
		put(t, ", ...");
}

enum known { KNOWN, NEVER, TOO_OLD };

/* The last value in the shape of l, at address first. */
static enum known
last_value(const struct policy_state *st, const struct fact *f, uint32_t unit, uint8_t space,
    uint32_t sub, uint32_t first, const struct value_shape *s, uint64_t within, uint64_t *key,
    struct memory_value *v)
{
	struct memory_key k = {.unit = unit,
	    .sub = sub,
	    .first = first,
	    .what = (uint32_t)f->proto << 24 | (uint32_t)space << 16 | s->cell};

	if (!st)
		return NEVER;
	k.server = st->server;
	if (!policy_memory_get(st->memory, &k, v) || v->known_ns > st->now_ns ||
	    !value_key(s, value_turn(s, v->raw), key))
		return NEVER;
	return st->now_ns - v->known_ns > within ? TOO_OLD : KNOWN;
}

static void
put_past(struct text *t, const struct policy_state *st, const struct value_shape *s,
    enum known known, uint64_t key, const struct memory_value *v, uint64_t within)
{
	if (known == NEVER) {
		put(t, "not known");
		return;
	}
	put(t, "last read ");
	put_value(t, s, key);
	put(t, ", %.1f s ago", (double)(st->now_ns - v->known_ns) / 1e9);
	if (known == TOO_OLD)
		put(t, ", and asked for within %.9g s", (double)within / 1e9);
}

static const char *
place(const struct dis_schema *sc, uint8_t space, uint32_t sub, uint32_t first, uint32_t count,
    char *buf, size_t size)
{
	struct fact_item it = {.space = space, .sub = sub, .first = first, .count = count};

	return dissector_show_item(sc, &it, buf, size);
}

bool
why_whens(const struct dis_schema *sc, const struct rule *r, const struct fact *f,
    const struct policy_state *st, char *buf, size_t size)
{
	struct text t = {buf, size, 0};
	char at[96];

	buf[0] = '\0';
	for (uint32_t i = 0; i < r->whens.n; i++) {
		const struct when *w = &r->whens.v[i];
		const struct limit *l = &w->is;
		struct memory_value v;
		uint64_t key = 0;
		enum known known = last_value(st, f, w->unit_said ? w->unit : f->unit, l->at.space,
		    l->at.sub, l->at.first, &l->shape, w->within, &key, &v);
		bool holds = known == KNOWN ? limit_holds(l, key) : r->deny;

		if (!holds)
			t.n = 0; /* this one alone is why */
		put(&t, "%sinterlock %s ", t.n ? "; " : "",
		    place(sc, l->at.space, l->at.sub, l->at.first, l->shape.cell, at, sizeof(at)));
		if (w->unit_said)
			put(&t, "of unit %" PRIu32 " ", w->unit);
		put(&t, "is ");
		put_set(&t, l);
		put(&t, ": ");
		put_past(&t, st, &l->shape, known, key, &v, w->within);
		if (!holds)
			return false;
	}
	return true;
}

bool
why_change(const struct dis_schema *sc, const struct limit *l, const struct fact *f,
    const struct fact_item *it, uint32_t i, bool deny, const struct policy_state *st, char *buf,
    size_t size)
{
	struct text t = {buf, size, 0};
	uint32_t first = it->first + i;
	struct memory_value v;
	uint64_t key = 0, last = 0, since;
	enum known known;
	char at[96];

	buf[0] = '\0';
	if (!l->changes || !value_read(&l->shape, it, i, &key))
		return true;
	first -= (first - l->shape.first) % l->shape.cell;
	known = last_value(
	    st, f, f->unit, it->space, it->sub, first, &l->shape, l->change.within, &last, &v);
	if (known == KNOWN) {
		since = v.written_ns == 0 || v.written_ns > st->now_ns ? UINT64_MAX
								       : st->now_ns - v.written_ns;
		if (value_change_ok(&l->shape, &l->change, key, last, since))
			return true;
	} else if (deny) {
		return true;
	}
	put(&t, "change of %s to ",
	    place(sc, it->space, it->sub, first, l->shape.cell, at, sizeof(at)));
	put_value(&t, &l->shape, key);
	put(&t, known == KNOWN ? " is too much: " : " cannot be measured: ");
	put_past(&t, st, &l->shape, known, last, &v, l->change.within);
	if (known == KNOWN && l->change.per_ns && v.written_ns != 0 && v.written_ns <= st->now_ns)
		put(&t, ", last written %.3f s ago", (double)(st->now_ns - v.written_ns) / 1e9);
	return false;
}
