/* SPDX-License-Identifier: Apache-2.0 */
/* naive_permit.c - see naive_permit.h. */
#include "tests/model/naive_permit.h"

#include <stdio.h>
#include <string.h>

static bool
is_device(const struct ruleset *rs, const char *name, const struct net_addr *a)
{
	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (strcmp(rs->devices[d].name, name) == 0)
			return memcmp(rs->devices[d].ip.b, a->b, 16) == 0;
	return false;
}

static bool
between(const struct ruleset *rs, const struct permit *m, const struct net_tuple *t)
{
	bool from = false, to = false;

	for (unsigned i = 0; i < m->n_from; i++)
		from |= is_device(rs, m->from[i], &t->src);
	for (unsigned i = 0; i < m->n_to; i++)
		to |= is_device(rs, m->to[i], &t->dst);
	return from && to;
}

/* The windows that it opens. */
static uint64_t
opens(const struct ruleset *rs, const struct permit *m)
{
	uint64_t w = 0;

	for (uint32_t i = 0; i < rs->n_windows; i++)
		if (rs->windows[i].needs_permit &&
		    (m->window[0] == '\0' || strcmp(m->window, rs->windows[i].name) == 0))
			w |= UINT64_C(1) << i;
	return w;
}

static bool
here(const struct permit *m, const struct conduit *c)
{
	return m->conduit[0] == '\0' || strcmp(m->conduit, c->name) == 0;
}

/* Words of sets and functions: '-' and '_' are one. */
static bool
word_is(const char *word, const char *name)
{
	size_t n = strlen(name);

	if (strlen(word) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((word[i] == '_' ? '-' : word[i]) != (name[i] == '_' ? '-' : name[i]))
			return false;
	return true;
}

/* A set's name comes before that of a function. */
static bool
has_function(const struct dis_schema *sc, const struct permit *m, const struct fact *f)
{
	const struct dis_op *op = NULL;

	for (unsigned i = 0; i < sc->n_ops; i++)
		if (sc->ops[i].opx == f->opx)
			op = &sc->ops[i];
	for (unsigned i = 0; op && i < m->n_functions; i++) {
		bool is_set = false;

		if (strcmp(m->functions[i], "all") == 0) {
			if (op->known)
				return true;
			continue;
		}
		for (unsigned s = 0; sc->sets && sc->sets[s]; s++)
			if (word_is(m->functions[i], sc->sets[s])) {
				is_set = true;
				if (op->sets >> s & 1)
					return true;
			}
		if (!is_set && word_is(m->functions[i], op->name))
			return true;
	}
	return m->n_functions == 0;
}

static bool
shut(uint64_t only_in, uint64_t open)
{
	return only_in != 0 && (only_in & open) == 0;
}

/* A rule that it names, or one that is open anyway. */
static bool
rule_named(const struct ruleset *rs, const struct permit *m, uint32_t rule, uint64_t open)
{
	const struct conduit *c = rs->rule_conduit[rule];
	char full[2 * PERMIT_NAME];

	if (!shut(rs->rules[rule]->only_in, open) && !shut(c->only_in, open))
		return true;
	(void)snprintf(full, sizeof(full), "%s/%s", c->name, rs->rules[rule]->name);
	for (unsigned i = 0; i < m->n_rules; i++)
		if (strcmp(m->rules[i], rs->rules[rule]->name) == 0 ||
		    strcmp(m->rules[i], full) == 0)
			return true;
	return false;
}

/* Each item by itself has to be let pass by such a rule; w: what the whole request gets. */
static bool
rules_hold(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    const struct past *past, const struct permit *m, uint64_t open, const struct verdict *w)
{
	struct fact one = *f;
	struct fact_iter it = {0};

	if (m->n_rules == 0 || w->would >= VERDICT_REJECT)
		return true;
	if (w->reason != REASON_RULE || !rule_named(rs, m, w->rule, open))
		return false;
	one.n_items = 1;
	one.next = NULL;
	while (f->n_items > 1 && fact_next(f, &it, &one.item)) {
		struct verdict v = naive_judge(rs, t, &one, past, open | opens(rs, m));

		if (v.reason != REASON_RULE || !rule_named(rs, m, v.rule, open))
			return false;
	}
	return true;
}

struct verdict
naive_permitted(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    const struct past *past, const struct naive_permits *n)
{
	uint64_t open = n->open | (f->goes_on ? n->grace : 0);
	struct verdict v = naive_judge(rs, t, f, past, open);

	if (v.reason != REASON_WINDOW)
		return v;
	for (unsigned i = 0; i < PERMITS_MAX; i++) {
		const struct permit *m = &n->v[i].m;
		struct verdict w;

		if (!(n->v[i].on || (n->v[i].ending && f->goes_on)) || !between(rs, m, t) ||
		    !here(m, &rs->conduits[v.conduit]) ||
		    !has_function(dissectors[f->proto]->schema, m, f))
			continue;
		w = naive_judge(rs, t, f, past, open | opens(rs, m));
		if (w.reason == REASON_WINDOW || w.would >= v.would ||
		    !rules_hold(rs, t, f, past, m, open, &w))
			continue;
		v = w;
		v.permit = i + 1;
	}
	if (v.permit != 0 && v.would == VERDICT_ALLOW && f->access & (ACC_PROGRAM | ACC_CONTROL)) {
		v.would = VERDICT_ALERT;
		v.action = v.mode == MODE_LEARN ? VERDICT_ALLOW : VERDICT_ALERT;
	}
	return v;
}

struct verdict
naive_permitted_open(
    const struct ruleset *rs, const struct net_tuple *t, bool echo, const struct naive_permits *n)
{
	struct verdict v = naive_open(rs, t, echo, n->open), all;

	if (v.reason != REASON_WINDOW)
		return v;
	all = naive_open(rs, t, echo, ~UINT64_C(0));
	for (unsigned i = 0; i < PERMITS_MAX; i++) {
		const struct permit *m = &n->v[i].m;

		if (n->v[i].on && between(rs, m, t) && here(m, &rs->conduits[v.conduit]) &&
		    (opens(rs, m) & rs->conduits[v.conduit].only_in) != 0 &&
		    (m->n_rules == 0 || all.reason != REASON_RULE || all.rule == RULE_NONE ||
			rule_named(rs, m, all.rule, n->open)))
			return all;
	}
	return v;
}
