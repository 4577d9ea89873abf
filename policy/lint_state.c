/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint_state.c - warnings about rules that ask for the last value of an address which no rule
 * lets anybody read: it can never be known.
 */
#include "policy/complain.h"
#include "policy/rules.h"

#define STEPS_MOST UINT64_C(4000000)

/* Can both conduits lead to one device? */
static bool
same_target(const struct ruleset *rs, const struct conduit *a, const struct conduit *b)
{
	if (a == b)
		return true;
	for (uint32_t i = 0; i < a->to.n; i++)
		for (uint32_t j = 0; j < b->to.n; j++) {
			const struct endpoint *x = &a->to.v[i], *y = &b->to.v[j];
			uint32_t zx = x->kind == END_DEVICE ? rs->devices[x->index].zone : x->index;
			uint32_t zy = y->kind == END_DEVICE ? rs->devices[y->index].zone : y->index;

			if (x->kind == END_DEVICE && y->kind == END_DEVICE ? x->index == y->index
									   : zx == zy)
				return true;
		}
	return false;
}

static bool
rule_reads(const struct rule *r, const struct dis_schema *sc, const struct dis_range *at)
{
	const struct rects *reach = &r->reach[slot_of(at->space, ACC_READ)];
	bool reads = false;

	for (unsigned i = 0; i < sc->n_ops && !reads; i++)
		reads = rule_has_op(r, sc->ops[i].opx) && sc->ops[i].access & ACC_READ;
	for (uint32_t i = 0; r->enabled && reads && i < reach->n; i++)
		if (reach->v[i].sub <= at->sub && at->sub <= reach->v[i].sub_last &&
		    reach->v[i].first <= at->last && at->first <= reach->v[i].last)
			return true;
	return false;
}

static bool
anybody_reads(const struct ruleset *rs, const struct conduit *cd, const struct block *b,
    const struct dis_range *at, uint64_t *steps)
{
	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		const struct conduit *c = &rs->conduits[i];

		if (!same_target(rs, cd, c))
			continue;
		for (uint32_t j = 0; j < c->n_blocks; j++)
			for (uint32_t k = 0;
			     c->blocks[j].proto == b->proto && k < c->blocks[j].allow.n; k++) {
				if (++*steps > STEPS_MOST ||
				    rule_reads(c->blocks[j].allow.v[k], b->dis->schema, at))
					return true;
			}
	}
	return false;
}

static void
one_rule(struct complaints *c, const struct ruleset *rs, const struct conduit *cd,
    const struct block *b, const struct rule *r, uint64_t *steps)
{
	for (uint32_t i = 0; i < r->whens.n; i++) {
		const struct when *w = &r->whens.v[i];

		if (!anybody_reads(rs, cd, b, &w->is.at, steps)) {
			complain_place(c, COMPLAINT_WARNING, &w->place,
			    "rule \"%s\": when: no "
			    "rule lets anybody read this address of \"%s\", so it is not known: "
			    "the rule %s",
			    r->name, cd->name,
			    r->deny ? "denies all the time" : "never allows anything");
			complain_tag(c, "policy.never-known", NULL);
		}
	}
	for (unsigned s = 0; s < b->dis->schema->n_spaces; s++)
		for (uint32_t i = 0; i < r->limits[s].n; i++) {
			const struct limit *l = &r->limits[s].v[i];

			if (l->changes && !anybody_reads(rs, cd, b, &l->at, steps)) {
				complain_place(c, COMPLAINT_WARNING, &l->place,
				    "rule \"%s\": "
				    "change: no rule lets anybody read these addresses of \"%s\": "
				    "the first write "
				    "has nothing to differ from",
				    r->name, cd->name);
				complain_tag(c, "policy.never-known", NULL);
			}
		}
}

void
lint_state(
    struct complaints *c, const struct ruleset *rs, const struct conduit *cd, const struct block *b)
{
	uint64_t steps = 0;

	for (uint32_t i = 0; i < b->deny.n; i++)
		if (b->deny.v[i]->enabled)
			one_rule(c, rs, cd, b, b->deny.v[i], &steps);
	for (uint32_t i = 0; i < b->allow.n; i++)
		if (b->allow.v[i]->enabled)
			one_rule(c, rs, cd, b, b->allow.v[i], &steps);
}
