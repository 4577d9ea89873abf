/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint.c - warnings about a policy that loads: rules that can never match,
 * that an earlier denial covers, that touch data but name no addresses, that
 * undo the value limits of another; refusals that cannot be given; writes from far above.
 */
#include <string.h>

#include "policy/lint.h"

bool
lint_ops_meet(const struct lint *l, const struct rule *a, const struct rule *b)
{
	for (unsigned i = 0; i <= l->sc->n_opx / 64u; i++)
		if (a->ops[i] & b->ops[i])
			return true;
	return false;
}

bool
lint_ops_within(const struct lint *l, const struct rule *in, const struct rule *of)
{
	for (unsigned i = 0; i <= l->sc->n_opx / 64u; i++)
		if (in->ops[i] & ~of->ops[i])
			return false;
	return true;
}

bool
lint_units_meet(const struct rule *a, const struct rule *b)
{
	for (uint32_t i = 0, j = 0; i < a->units.n && j < b->units.n;) {
		if (a->units.v[i].lo <= b->units.v[j].hi && b->units.v[j].lo <= a->units.v[i].hi)
			return true;
		if (a->units.v[i].hi < b->units.v[j].hi)
			i++;
		else
			j++;
	}
	return false;
}

bool
lint_units_within(const struct rule *in, const struct rule *of)
{
	uint32_t j = 0;

	for (uint32_t i = 0; i < in->units.n; i++) {
		while (j < of->units.n && of->units.v[j].hi < in->units.v[i].lo)
			j++;
		if (j == of->units.n || of->units.v[j].lo > in->units.v[i].lo ||
		    of->units.v[j].hi < in->units.v[i].hi)
			return false;
	}
	return true;
}

static bool
rect_within(const struct dis_range *a, const struct rects *of)
{
	for (uint32_t i = 0; i < of->n; i++)
		if (of->v[i].sub <= a->sub && a->sub_last <= of->v[i].sub_last &&
		    of->v[i].first <= a->first && a->last <= of->v[i].last)
			return true;
	return false;
}

/* Every address of one rule in a single range of the other. */
static bool
reach_within(struct lint *l, const struct rule *in, const struct rule *of)
{
	if (of->everything)
		return true;
	for (unsigned s = 0; s < 2u * l->sc->n_spaces; s++) {
		if (in->names[s].n != 0)
			return false; /* globs are not compared */
		for (uint32_t i = 0; i < in->reach[s].n; i++) {
			l->steps += of->reach[s].n + 1;
			if (!rect_within(&in->reach[s].v[i], &of->reach[s]))
				return false;
		}
	}
	return true;
}

bool
lint_rule_reaches(const struct lint *l, const struct rule *r, unsigned write)
{
	for (unsigned s = 0; s < l->sc->n_spaces; s++)
		if (r->reach[2 * s + write].n != 0 || r->names[2 * s + write].n != 0)
			return true;
	return false;
}

bool
lint_rule_limits(const struct lint *l, const struct rule *r)
{
	for (unsigned s = 0; s < l->sc->n_spaces; s++)
		if (r->limits[s].n != 0)
			return true;
	return false;
}

/* Diagnostics may read too, but no addresses. */
static bool
rule_does(const struct lint *l, const struct rule *r, uint8_t access)
{
	for (unsigned i = 0; i < l->sc->n_ops; i++)
		if (rule_has_op(r, l->sc->ops[i].opx) && l->sc->ops[i].access & access &&
		    !(l->sc->ops[i].access & ACC_DIAG))
			return true;
	return false;
}

/* Anything but sessions and plain diagnostics may name objects. */
static bool
rule_acts(const struct lint *l, const struct rule *r)
{
	for (unsigned i = 0; i < l->sc->n_ops; i++)
		if (rule_has_op(r, l->sc->ops[i].opx) &&
		    l->sc->ops[i].access & (ACC_READ | ACC_WRITE | ACC_CONTROL | ACC_PROGRAM))
			return true;
	return false;
}

static void
warn(struct lint *l, const struct rule *r, const char *id, const char *text)
{
	complain_place(l->c, COMPLAINT_WARNING, &r->place, "rule \"%s\": %s", r->name, text);
	complain_tag(l->c, id, NULL);
}

/* --- one rule by itself ------------------------------------------------------------------- */

static bool
has_addresses(const struct dis_schema *sc)
{
	return schema_has(sc, KEY_RANGE, SPACE_NONE) || schema_has(sc, KEY_PATTERN, SPACE_NONE);
}

static void
lint_rule(struct lint *l, const struct rule *r)
{
	bool any_op = false,
	     no_addresses = !lint_rule_reaches(l, r, 0) && !lint_rule_reaches(l, r, 1);
	bool reads = rule_does(l, r, ACC_READ), writes = rule_does(l, r, ACC_WRITE);

	for (unsigned i = 0; i <= l->sc->n_opx / 64u; i++)
		any_op = any_op || r->ops[i] != 0;
	if (!any_op) {
		warn(l, r, "policy.never-matches", "names no function, so it never matches");
		return;
	}
	if (r->units.n == 0) {
		warn(l, r, "policy.never-matches", "names no unit, so it never matches");
		return;
	}
	if (lint_rule_limits(l, r) && !writes)
		warn(l, r, "policy.idle-limit", "limits values but names no function that writes");
	if (r->deny || !has_addresses(l->sc)) /* a denial of every function may name what it is after */
		return;
	if (no_addresses && (reads || writes))
		warn(l, r, "policy.no-addresses",
		    "names functions that touch data but no addresses: those it does not allow");
	else if (writes && lint_rule_reaches(l, r, 0) && !lint_rule_reaches(l, r, 1))
		warn(l, r, "policy.wrong-access",
		    "names functions that write but only addresses to read");
	else if (reads && lint_rule_reaches(l, r, 1) && !lint_rule_reaches(l, r, 0))
		warn(l, r, "policy.wrong-access",
		    "names functions that read but only addresses to write");
	if (!no_addresses && !rule_acts(l, r))
		warn(
		    l, r, "policy.idle-range", "names addresses but no function that touches data");
}

/* --- rules against each other ----------------------------------------------------------------- */

/* A rehearsed denial (mode alert or learn) covers nothing. */
static bool
denies_for_sure(const struct lint *l, const struct rule *r)
{
	return r->enabled && r->mode != MODE_ALERT && r->mode != MODE_LEARN &&
	       !lint_rule_limits(l, r) && r->conds.n == 0 && r->whens.n == 0 && !r->subs_stated;
}

static void
lint_shadowed(struct lint *l, struct rule *r, uint32_t denials, struct arena *scratch)
{
	for (uint32_t i = 0; i < denials && lint_work_left(l); i++) {
		const struct rule *d = l->b->deny.v[i];

		if (denies_for_sure(l, d) && lint_ops_within(l, r, d) && lint_units_within(r, d) &&
		    reach_within(l, r, d)) {
			/* a rule with addresses also allows what touches none; a denial with
			 * addresses leaves that alone */
			if (!d->everything && !lint_rule_reaches(l, r, 0) &&
			    !lint_rule_reaches(l, r, 1))
				continue;
			complain_place(l->c, COMPLAINT_WARNING, &r->place,
			    "rule \"%s\": never matters: deny rule \"%s\" (%s) covers all of it",
			    r->name, d->name, where_is(l->c, &d->place, &(struct where){""}));
			complain_tag(l->c, "policy.shadowed-rule", &d->place);
			if (!r->deny)
				vec_push(scratch, &l->shadowed, r);
			return;
		}
	}
}

static bool
rects_meet(const struct dis_range *a, const struct dis_range *b)
{
	return a->sub <= b->sub_last && b->sub <= a->sub_last && a->first <= b->last &&
	    b->first <= a->last;
}

/* Does rule r, without limits of its own there, reach what other limits? */
static bool
undoes(struct lint *l, const struct rule *r, const struct rule *other)
{
	for (unsigned s = 0; s < l->sc->n_spaces; s++) {
		const struct rects *reach = &r->reach[2 * s + 1];

		for (uint32_t i = 0;
		     r->whens.n == 0 && other->whens.n != 0 && i < other->reach[2 * s + 1].n; i++)
			for (uint32_t j = 0; j < reach->n; j++) {
				l->steps++;
				if (rects_meet(&other->reach[2 * s + 1].v[i], &reach->v[j]))
					return true;
			}
		if (r->limits[s].n != 0)
			continue;
		for (uint32_t i = 0; i < other->limits[s].n; i++)
			for (uint32_t j = 0; j < reach->n; j++) {
				l->steps++;
				if (rects_meet(&other->limits[s].v[i].at, &reach->v[j]))
					return true;
			}
	}
	return false;
}

static bool
writes_in_common(const struct lint *l, const struct rule *a, const struct rule *b)
{
	for (unsigned i = 0; i < l->sc->n_ops; i++)
		if (l->sc->ops[i].access & ACC_WRITE && rule_has_op(a, l->sc->ops[i].opx) &&
		    rule_has_op(b, l->sc->ops[i].opx))
			return true;
	return false;
}

static void
lint_undone(struct lint *l, const struct rule *r)
{
	for (uint32_t i = 0; i < l->limited.n && lint_work_left(l); i++) {
		const struct rule *o = l->limited.v[i];

		if (o == r || !lint_ops_meet(l, r, o) || !lint_units_meet(r, o) ||
		    !writes_in_common(l, r, o) || !undoes(l, r, o))
			continue;
		complain_place(l->c, COMPLAINT_WARNING, &r->place,
		    o->whens.n != 0 && r->whens.n == 0 ? "rule \"%s\": undoes the interlock of "
							 "rule \"%s\" (%s): it allows the "
							 "same writes at any time"
						       : "rule \"%s\": undoes value limits of rule "
							 "\"%s\" (%s): it allows any value "
							 "there",
		    r->name, o->name, where_is(l->c, &o->place, &(struct where){""}));
		complain_tag(l->c,
		    o->whens.n != 0 && r->whens.n == 0 ? "policy.undone-interlock"
						       : "policy.undone-limit",
		    &o->place);
		return;
	}
}

/* --- refusals ---------------------------------------------------------------------------------- */

static bool
asks_to_reject(const struct conduit *c, const struct block *b)
{
	bool asks = c->otherwise == VERDICT_REJECT ||
		    ((b->limits.n || b->rate) && b->over == VERDICT_REJECT);

	for (uint32_t i = 0; i < b->deny.n && !asks; i++)
		asks = b->deny.v[i]->enabled && b->deny.v[i]->verdict == VERDICT_REJECT;
	return asks;
}

/* Does the floor let in none of the sessions that can be answered? */
static const struct cond *
beyond_refusal(const struct block *b)
{
	for (uint32_t i = 0; i < b->floor.n; i++) {
		uint32_t words = b->floor.v[i].key->refuse;
		bool some = words == 0;

		for (uint32_t w = 0; w < 32 && !some; w++)
			some = words >> w & 1 && ivals_has(&b->floor.v[i].set, w);
		if (!some)
			return &b->floor.v[i];
	}
	return NULL;
}

static void
lint_reject(struct lint *l, const struct conduit *c, const struct block *b)
{
	const char *proto = b->dis->name;
	const struct cond *cond = beyond_refusal(b);

	if (!asks_to_reject(c, b))
		return;
	if (!b->dis->refuse) {
		complain_place(l->c, COMPLAINT_WARNING, &b->place,
		    "%s: it has no refusal "
		    "of its own: reject becomes reset",
		    proto);
		complain_tag(l->c, "policy.reject-becomes-reset", NULL);
		return;
	}
	if (cond) {
		complain_place(l->c, COMPLAINT_WARNING, &cond->place,
		    "%s: %s: nobody can "
		    "answer for the server in such a session: reject becomes reset",
		    proto, cond->key->name);
		complain_tag(l->c, "policy.reject-becomes-reset", NULL);
	}
	for (uint32_t i = 0; i < b->ports.n; i++)
		if (b->ports.v[i].udp && !b->ports.v[i].tcp) {
			complain_place(l->c, COMPLAINT_WARNING, &b->place,
			    "%s: over UDP "
			    "reject becomes drop",
			    proto);
			complain_tag(l->c, "policy.reject-becomes-drop", NULL);
			return;
		}
}

/* --- levels ------------------------------------------------------------------------------------ */

#define LEVEL_STEP 10 /* tenths: from one level to the next */

/* Level of an end in tenths, or -1 when its zone says none. */
static int
end_level(const struct ruleset *rs, const struct endpoint *e)
{
	uint32_t z = e->kind == END_DEVICE ? rs->devices[e->index].zone : e->index;
	const char *s = rs->zones[z].level;

	if (!s)
		return -1;
	return (s[0] - '0') * 10 + (s[1] == '.' ? s[2] - '0' : 0);
}

/* The two ends that are farthest apart, the higher one first; how far. */
static int
levels_apart(const struct ruleset *rs, const struct conduit *c, const struct endpoint **hi,
    const struct endpoint **lo)
{
	int most = 0;

	for (uint32_t f = 0; f < c->from.n; f++)
		for (uint32_t t = 0; t < c->to.n; t++) {
			int from = end_level(rs, &c->from.v[f]), to = end_level(rs, &c->to.v[t]);

			if (from < 0 || to < 0 || from - to <= most)
				continue;
			most = from - to;
			*hi = &c->from.v[f];
			*lo = &c->to.v[t];
		}
	return most;
}

static const struct zone *
zone_of(const struct ruleset *rs, const struct endpoint *e)
{
	return &rs->zones[e->kind == END_DEVICE ? rs->devices[e->index].zone : e->index];
}

/* IEC 62443 and the Purdue model: who changes a process is at most one level above it. */
static void
lint_levels(struct lint *l, const struct ruleset *rs, const struct conduit *c)
{
	const struct endpoint *hi = NULL, *lo = NULL;

	if (levels_apart(rs, c, &hi, &lo) <= LEVEL_STEP)
		return;
	for (uint32_t b = 0; b < c->n_blocks; b++)
		for (uint32_t i = 0; i < c->blocks[b].allow.n; i++) {
			const struct rule *r = c->blocks[b].allow.v[i];

			l->sc = c->blocks[b].dis->schema;
			if (!r->enabled || !rule_does(l, r, ACC_WRITE | ACC_CONTROL | ACC_PROGRAM))
				continue;
			complain_place(l->c, COMPLAINT_WARNING, &r->place,
			    "rule \"%s\": lets "
			    "zone \"%s\" (level %s) write to zone \"%s\" (level %s), more than one "
			    "level "
			    "below",
			    r->name, zone_of(rs, hi)->name, zone_of(rs, hi)->level,
			    zone_of(rs, lo)->name, zone_of(rs, lo)->level);
			complain_tag(l->c, "policy.write-from-above", &zone_of(rs, hi)->place);
		}
}

static void
lint_block(struct lint *l, const struct block *b, struct arena *scratch)
{
	uint32_t enabled = 0;

	l->b = b;
	l->sc = b->dis->schema;
	l->limited.n = l->shadowed.n = 0;
	lint_state(l->c, l->rs, l->conduit, b);
	for (uint32_t i = 0; i < b->allow.n; i++)
		if (b->allow.v[i]->enabled &&
		    (lint_rule_limits(l, b->allow.v[i]) || b->allow.v[i]->whens.n != 0))
			vec_push(scratch, &l->limited, b->allow.v[i]);
	for (uint32_t i = 0; i < b->deny.n; i++)
		if (b->deny.v[i]->enabled) {
			lint_rule(l, b->deny.v[i]);
			lint_shadowed(l, b->deny.v[i], i, scratch);
		}
	for (uint32_t i = 0; i < b->allow.n; i++)
		if (b->allow.v[i]->enabled) {
			enabled++;
			lint_rule(l, b->allow.v[i]);
			lint_shadowed(l, b->allow.v[i], b->deny.n, scratch);
			lint_undone(l, b->allow.v[i]);
		}
	if (schema_encrypts(l->sc) && enabled != 0 && b->encrypted == BLOCK_UNSAID) {
		complain_place(l->c, COMPLAINT_WARNING, &b->place,
		    "%s: no word on encrypted requests, which no rule can read: write "
		    "encrypted: drop, or endpoint-only",
		    b->dis->name);
		complain_tag(l->c, "policy.encrypted-unsaid", NULL);
	}
	if (b->endpoint_only && b->floor.n == 0) {
		complain_place(l->c, COMPLAINT_WARNING, &b->place,
		    "%s: encrypted: endpoint-only asks nothing of an encrypted session where "
		    "nothing is said under security",
		    b->dis->name);
		complain_tag(l->c, "policy.encrypted-unasked", NULL);
	}
	if (enabled == 0) {
		complain_place(l->c, COMPLAINT_WARNING, &b->place, "%s: no rule allows anything",
		    b->dis->name);
		complain_tag(l->c, "policy.idle-block", NULL);
	}
	lint_pairs(l, scratch);
}

/* Windows that nobody waits for, and such that nobody can open. */
static void
lint_windows(const struct ruleset *rs, struct complaints *c)
{
	for (uint32_t i = 0; i < rs->n_windows; i++) {
		const struct window *w = &rs->windows[i];

		if (!w->used) {
			complain_place(c, COMPLAINT_WARNING, &w->place,
			    "window \"%s\": nothing is only-in it", w->name);
			complain_tag(c, "policy.idle-window", NULL);
		}
		if (w->needs_permit && rs->n_permit_keys == 0) {
			complain_place(c, COMPLAINT_WARNING, &w->place,
			    "window \"%s\": needs a permit, and no key may sign one (permits: "
			    "keys): it never opens",
			    w->name);
			complain_tag(c, "policy.idle-window", NULL);
		}
	}
}

/* What holds nobody back while the engine is gone; a denial that waits for a permit. */
static void
lint_only_in(const struct ruleset *rs, const struct conduit *cd, struct complaints *c)
{
	if (cd->only_in && cd->fail_open) {
		complain_place(c, COMPLAINT_WARNING, &cd->place,
		    "conduit \"%s\": fail: open lets it pass outside its windows when the engine "
		    "is gone",
		    cd->name);
		complain_tag(c, "policy.fail-open-window", NULL);
	}
	for (uint32_t b = 0; b < cd->n_blocks; b++)
		for (uint32_t i = 0; i < cd->blocks[b].deny.n; i++) {
			const struct rule *r = cd->blocks[b].deny.v[i];

			for (uint32_t w = 0; w < rs->n_windows; w++) {
				if (!(r->only_in >> w & 1) || !rs->windows[w].needs_permit)
					continue;
				complain_place(c, COMPLAINT_WARNING, &r->place,
				    "rule \"%s\": a denial waits for no permit: in window \"%s\" "
				    "it never matches",
				    r->name, rs->windows[w].name);
				complain_tag(c, "policy.never-matches", &rs->windows[w].place);
			}
		}
}

void
lint_policy(const struct ruleset *rs, struct arena *scratch, struct complaints *c)
{
	struct lint l = {.c = c, .rs = rs};

	lint_windows(rs, c);

	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		const struct conduit *cd = &rs->conduits[i];

		l.conduit = cd;
		lint_levels(&l, rs, cd);
		lint_only_in(rs, cd, c);
		for (uint32_t j = 0; j < cd->n_blocks; j++) {
			lint_reject(&l, cd, &cd->blocks[j]);
			lint_block(&l, &cd->blocks[j], scratch);
		}
	}
	lint_plant(rs, scratch, c);
	if (l.steps >= LINT_STEPS) {
		complain_at(c, COMPLAINT_WARNING, 0, 0,
		    "too many rules to compare all of them with each other");
		complain_tag(c, "policy.too-many-rules", NULL);
	}
}
