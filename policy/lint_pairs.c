/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint_pairs.c - allow rules that earlier ones cover, alone or together, and the part of an allow
 * rule that a denial takes away.
 *
 * Ranges of a block are put in the order of their beginnings, with the farthest end so far beside
 * each, so that those which hold an address are found without looking at all.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"

#define COVER_MAX 3u /* rules named that cover one together */

struct entry {			    /* a range of an allow rule */
	uint64_t begin, end, reach; /* sub << 32 | address; reach: the farthest end up to here */
	const struct dis_range *at;
	uint32_t rule; /* place in the allow list */
	uint32_t slot;
};
struct entries {
	struct entry *v;
	uint32_t n, cap;
};

struct cover {
	struct lint *l;
	struct entries e;
	uint32_t *first; /* [slot] where its entries begin; one more at the end */
	uint32_t rule;	 /* that is to be covered */
	uint32_t by[COVER_MAX + 1], n_by;
};

static int
entry_cmp(const void *va, const void *vb)
{
	const struct entry *a = va, *b = vb;

	if (a->slot != b->slot)
		return a->slot < b->slot ? -1 : 1;
	if (a->begin != b->begin)
		return a->begin < b->begin ? -1 : 1;
	return (a->rule > b->rule) - (a->rule < b->rule);
}

static void
gather(struct cover *cv, struct arena *scratch)
{
	const struct block *b = cv->l->b;
	unsigned slots = 2u * cv->l->sc->n_spaces;
	uint32_t at = 0;

	for (uint32_t i = 0; i < b->allow.n; i++)
		for (unsigned s = 0; b->allow.v[i]->enabled && s < slots; s++)
			for (uint32_t k = 0; k < b->allow.v[i]->reach[s].n; k++) {
				const struct dis_range *r = &b->allow.v[i]->reach[s].v[k];
				struct entry e = {.begin = (uint64_t)r->sub << 32 | r->first,
				    .end = (uint64_t)r->sub_last << 32 | r->last,
				    .at = r,
				    .rule = i,
				    .slot = s};

				vec_push(scratch, &cv->e, e);
			}
	if (cv->e.n != 0)
		qsort(cv->e.v, cv->e.n, sizeof(*cv->e.v), entry_cmp);
	cv->first = arena_array(scratch, slots + 1u, sizeof(*cv->first));
	for (unsigned s = 0; s <= slots; s++) {
		while (at < cv->e.n && cv->e.v[at].slot < s)
			at++;
		cv->first[s] = at;
	}
	for (uint32_t i = 0; i < cv->e.n; i++) {
		bool same = i > 0 && cv->e.v[i - 1].slot == cv->e.v[i].slot;
		uint64_t before = same ? cv->e.v[i - 1].reach : 0;

		cv->e.v[i].reach = before > cv->e.v[i].end ? before : cv->e.v[i].end;
	}
}

/* --- does a rule take over from another? -------------------------------------------------- */

static bool
conds_same(const struct rule *a, const struct rule *b)
{
	if (a->conds.n != b->conds.n)
		return false;
	for (uint32_t i = 0; i < a->conds.n; i++) {
		const struct cond *x = &a->conds.v[i], *y = &b->conds.v[i];

		if (x->key != y->key || x->set.n != y->set.n || x->globs.n != y->globs.n)
			return false;
		for (uint32_t k = 0; k < x->set.n; k++)
			if (x->set.v[k].lo != y->set.v[k].lo || x->set.v[k].hi != y->set.v[k].hi)
				return false;
		for (uint32_t k = 0; k < x->globs.n; k++)
			if (strcmp(x->globs.v[k], y->globs.v[k]) != 0)
				return false;
	}
	return true;
}

/* Which parts of named things (attributes): none said is all of them. */
static bool
subs_within(const struct lint *l, const struct rule *in, const struct rule *of)
{
	for (unsigned s = 0; s < 2u * l->sc->n_spaces; s++) {
		const struct ivals *a = &in->subs[s], *b = &of->subs[s];

		if (b->n == 0)
			continue;
		if (a->n == 0)
			return false;
		for (uint32_t i = 0; i < a->n; i++)
			for (uint64_t x = a->v[i].lo; x <= a->v[i].hi && x < 4096; x++)
				if (!ivals_has(b, (uint32_t)x))
					return false;
	}
	return true;
}

/* Whatever of rule r the other reaches, it allows as r does or sooner. */
static bool
stands_in(const struct lint *l, const struct rule *o, const struct rule *r)
{
	return o->enabled && o->mode == r->mode && o->whens.n == 0 &&
	       (o->only_in == 0 || o->only_in == r->only_in) && !lint_rule_limits(l, o) &&
	       subs_within(l, r, o) && (o->conds.n == 0 || conds_same(o, r)) &&
	       lint_ops_within(l, r, o) && lint_units_within(r, o);
}

static void
remember(struct cover *cv, uint32_t rule)
{
	for (uint32_t i = 0; i < cv->n_by; i++)
		if (cv->by[i] == rule)
			return;
	if (cv->n_by <= COVER_MAX)
		cv->by[cv->n_by++] = rule;
}

/* The range of an earlier rule that holds sub..sub_last:from and goes farthest; NULL: none. */
static const struct entry *
holds(struct cover *cv, uint32_t slot, const struct dis_range *r, uint32_t from)
{
	const struct rule_list *rules = &cv->l->b->allow;
	const struct rule *covered = rules->v[cv->rule];
	uint64_t point = (uint64_t)r->sub << 32 | from;
	uint32_t lo = cv->first[slot], hi = cv->first[slot + 1];
	const struct entry *best = NULL;

	while (lo < hi) { /* the first that begins behind the point */
		uint32_t mid = lo + (hi - lo) / 2;

		if (cv->e.v[mid].begin <= point)
			lo = mid + 1;
		else
			hi = mid;
	}
	while (lo > cv->first[slot] && cv->e.v[lo - 1].reach >= point) {
		const struct entry *e = &cv->e.v[--lo];

		if (!lint_work_left(cv->l))
			return NULL;
		if (e->rule >= cv->rule || e->at->sub > r->sub || e->at->sub_last < r->sub_last ||
		    e->at->first > from || e->at->last < from ||
		    (best && best->at->last >= e->at->last))
			continue;
		if (stands_in(cv->l, rules->v[e->rule], covered))
			best = e;
	}
	return best;
}

static bool
range_covered(struct cover *cv, uint32_t slot, const struct dis_range *r)
{
	uint64_t from = r->first;

	while (from <= r->last) {
		const struct entry *e = holds(cv, slot, r, (uint32_t)from);

		if (!e)
			return false;
		remember(cv, e->rule);
		from = (uint64_t)e->at->last + 1;
	}
	return true;
}

/* Does one pattern match all that the other does?  Only what is plain: equal, or "stem*". */
static bool
glob_within(const char *in, const char *of)
{
	size_t n = strlen(of);

	if (strcmp(in, of) == 0)
		return true;
	if (glob_re(glob_parse(of).text)) /* what another expression takes is not worked out */
		return false;
	if (n == 0 || of[n - 1] != '*' || strcspn(of, "*?") != n - 1)
		return false;
	return strncmp(in, of, n - 1) == 0;
}

static bool
glob_covered(struct cover *cv, uint32_t slot, const char *glob)
{
	const struct rule_list *rules = &cv->l->b->allow;

	for (uint32_t i = 0; i < cv->rule && lint_work_left(cv->l); i++) {
		const struct globs *g = &rules->v[i]->names[slot];

		for (uint32_t k = 0; k < g->n; k++)
			if (lint_work_left(cv->l) && glob_within(glob, g->v[k]) &&
			    stands_in(cv->l, rules->v[i], rules->v[cv->rule])) {
				remember(cv, i);
				return true;
			}
	}
	return false;
}

/* A rule without addresses: its functions and units in one earlier rule. */
static bool
plain_covered(struct cover *cv)
{
	const struct rule_list *rules = &cv->l->b->allow;

	for (uint32_t i = 0; i < cv->rule && lint_work_left(cv->l); i++)
		if (stands_in(cv->l, rules->v[i], rules->v[cv->rule])) {
			remember(cv, i);
			return true;
		}
	return false;
}

static bool
covered(struct cover *cv)
{
	const struct rule *r = cv->l->b->allow.v[cv->rule];
	bool any = false;

	cv->n_by = 0;
	if (r->units.n == 0)
		return false;
	for (unsigned s = 0; s < 2u * cv->l->sc->n_spaces; s++) {
		for (uint32_t i = 0; i < r->reach[s].n; i++, any = true)
			if (!range_covered(cv, s, &r->reach[s].v[i]))
				return false;
		for (uint32_t i = 0; i < r->names[s].n; i++, any = true)
			if (!glob_covered(cv, s, r->names[s].v[i]))
				return false;
	}
	return any || plain_covered(cv);
}

static void
tell_covered(struct cover *cv)
{
	const struct rule_list *rules = &cv->l->b->allow;
	const struct rule *r = rules->v[cv->rule], *o = rules->v[cv->by[0]];
	bool same = true;

	for (uint32_t i = 0; i < cv->n_by; i++)
		same = same && rules->v[cv->by[i]]->verdict == r->verdict;
	if (cv->n_by == 1)
		complain_place(cv->l->c, COMPLAINT_WARNING, &r->place,
		    "rule \"%s\": %s: rule \"%s\" (%s) allows all of it%s", r->name,
		    same ? "adds nothing" : "never matters", o->name,
		    where_is(cv->l->c, &o->place, &(struct where){""}),
		    same ? "" : " before it, with another verdict");
	else
		complain_place(cv->l->c, COMPLAINT_WARNING, &r->place,
		    "rule \"%s\": %s: rules \"%s\" (%s), \"%s\" (%s)%s together allow "
		    "all of it%s",
		    r->name, same ? "adds nothing" : "never matters", o->name,
		    where_is(cv->l->c, &o->place, &(struct where){""}), rules->v[cv->by[1]]->name,
		    where_is(cv->l->c, &rules->v[cv->by[1]]->place, &(struct where){""}),
		    cv->n_by > 2 ? " and others" : "",
		    same ? "" : " before it, not all with its verdict");
	complain_tag(cv->l->c, same ? "policy.redundant-rule" : "policy.shadowed-rule", &o->place);
}

/* --- what denials take away ---------------------------------------------------------------- */

/* The first range of both, in *at; its slot, or UINT32_MAX. */
static uint32_t
ranges_meet(struct lint *l, const struct rule *r, const struct rule *d, struct dis_range *at)
{
	for (unsigned s = 0; s < 2u * l->sc->n_spaces; s++)
		for (uint32_t i = 0; i < r->reach[s].n; i++)
			for (uint32_t k = 0; k < d->reach[s].n; k++) {
				const struct dis_range *x = &r->reach[s].v[i],
						       *y = &d->reach[s].v[k];

				l->steps++;
				if (x->sub > y->sub_last || y->sub > x->sub_last ||
				    x->first > y->last || y->first > x->last)
					continue;
				*at = (struct dis_range){.sub = x->sub > y->sub ? x->sub : y->sub,
				    .first = x->first > y->first ? x->first : y->first,
				    .last = x->last < y->last ? x->last : y->last,
				    .space = (uint8_t)(s / 2)};
				return s;
			}
	return UINT32_MAX;
}

static const char *
common_op(const struct lint *l, const struct rule *a, const struct rule *b, unsigned *more)
{
	const char *name = NULL;

	*more = 0;
	for (unsigned i = 0; i < l->sc->n_ops; i++)
		if (rule_has_op(a, l->sc->ops[i].opx) && rule_has_op(b, l->sc->ops[i].opx)) {
			*more += name != NULL;
			name = name ? name : l->sc->ops[i].name;
		}
	return name;
}

/* An allow rule and a denial over partly the same requests: which part never happens. */
static void
lint_taken(struct lint *l, const struct rule *r, const struct rule *d)
{
	struct dis_range at = {0};
	uint32_t slot = UINT32_MAX;
	char what[96] = "", times[40] = "";
	struct fact_item it;
	const char *op;
	unsigned more = 0;

	if (!d->enabled || d->mode == MODE_ALERT || d->mode == MODE_LEARN || d->conds.n ||
	    d->whens.n || d->only_in || !lint_ops_meet(l, r, d) || !lint_units_meet(r, d))
		return;
	if (!d->everything && (slot = ranges_meet(l, r, d, &at)) == UINT32_MAX)
		return;
	if (!d->everything) {
		it = (struct fact_item){.space = at.space,
		    .sub = at.sub,
		    .first = at.first,
		    .count = at.last - at.first + 1};
		dissector_show_item(l->sc, &it, what, sizeof(what));
	}
	op = d->everything ? common_op(l, r, d, &more) : what;
	if (more)
		snprintf(times, sizeof(times), " and %u more functions", more);
	complain_place(l->c, COMPLAINT_NOTE, &r->place,
	    "rule \"%s\": a part of it never happens: deny rule \"%s\" (%s) takes %s%s%s", r->name,
	    d->name, where_is(l->c, &d->place, &(struct where){""}), op ? op : "functions", times,
	    lint_rule_limits(l, d) ? ", for some values" : "");
	complain_tag(l->c, "policy.contradictory-rules", &d->place);
}

/* --- all of it ------------------------------------------------------------------------------ */

void
lint_pairs(struct lint *l, struct arena *scratch)
{
	struct cover cv = {.l = l};
	const struct block *b = l->b;
	uint32_t gone = 0;

	gather(&cv, scratch);
	for (cv.rule = 0; cv.rule < b->allow.n; cv.rule++) {
		const struct rule *r = b->allow.v[cv.rule];

		/* both lists are in the order of the file */
		while (gone < l->shadowed.n && l->shadowed.v[gone]->index < r->index)
			gone++;
		if (!r->enabled || (gone < l->shadowed.n && l->shadowed.v[gone] == r))
			continue;
		if (covered(&cv) && cv.n_by != 0)
			tell_covered(&cv);
		for (uint32_t i = 0; i < b->deny.n && lint_work_left(l); i++)
			lint_taken(l, r, b->deny.v[i]);
	}
}
