/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overlap.c - for every pair of addresses one conduit is the most specific.
 *
 * A conduit is more specific than another when neither of its ends is wider and one is
 * narrower: device, then group (of two groups the one whose devices are all in the other), then
 * a zone's declared devices, then zone/star.  Two that match the same pair, with neither more
 * specific, would make the order of the file decide; that is a load error unless their content is
 * equal, or a third is more specific than both.
 *
 * An end is looked up as a device, a zone's devices or a zone (bind.c); a pair of such ends is a
 * cell here.  A conduit written for groups is in the cells of all their devices, so several may
 * meet in one cell: the most specific of them gets it.
 */
#include <stdio.h>
#include <string.h>

#include "policy/check.h"

static bool
same_node(const struct ynode *a, const struct ynode *b)
{
	uint32_t n = a->kind == Y_MAP ? 2 * a->n : a->n;

	if (a->kind != b->kind || a->n != b->n)
		return false;
	if (a->kind == Y_SCALAR)
		return strcmp(a->s, b->s) == 0;
	for (uint32_t i = 0; i < n; i++)
		if (!same_node(a->kids[i], b->kids[i]))
			return false;
	return true;
}

static const struct ynode *
map_find(const struct ynode *map, const char *key)
{
	for (uint32_t i = 0; i < map->n; i++)
		if (strcmp(map->kids[2 * (size_t)i]->s, key) == 0)
			return map->kids[2 * (size_t)i + 1];
	return NULL;
}

/* Equal but for name and ends? */
static bool
same_content(const struct conduit *a, const struct conduit *b)
{
	static const char *const skip[] = {"name", "from", "to", NULL};
	const struct ynode *ma = a->yaml, *mb = b->yaml, *v;

	if (ma->n != mb->n)
		return false;
	for (uint32_t i = 0; i < ma->n; i++) {
		const char *key = ma->kids[2 * (size_t)i]->s;
		unsigned s = 0;

		while (skip[s] && strcmp(skip[s], key) != 0)
			s++;
		v = map_find(mb, key);
		if (!v || (!skip[s] && !same_node(ma->kids[2 * (size_t)i + 1], v)))
			return false;
	}
	return true;
}

struct written { /* one pair as a conduit writes it */
	uint32_t from, to, conduit;
	uint32_t from_group, to_group; /* as in struct endpoint */
	uint32_t next;		       /* in the same cell: index + 1 */
	struct place place;
};

struct overlap {
	struct check *k;
	struct pair_map cells; /* -> the first of them, later the most specific */
	struct written *v;
	uint32_t n;
	bool *reported; /* [conduit]: complained about, once each is enough */
	uint64_t steps;
	uint32_t last_a, last_b; /* the question differ() answered last */
	bool last_differ;
	uint8_t *within; /* [group * n_groups + group]: enum within */
};
#define OVERLAP_STEPS UINT64_C(20000000) /* comparisons; a second or so */

/* An end in the text of a conduit. */
static const char *
end_text(const struct ruleset *rs, uint32_t end, uint32_t group, char *buf, size_t size)
{
	uint32_t index = end & ((1u << 30) - 1);

	if (group != 0)
		snprintf(
		    buf, size, "%s (of %s)", rs->devices[index].name, rs->groups.v[group - 1].name);
	else
		snprintf(buf, size, "%s%s",
		    end >> 30 == END_DEVICE ? rs->devices[index].name : rs->zones[index].name,
		    end >> 30 == END_ANY ? "/*" : "");
	return buf;
}

/* w and other both match what is from w.from or narrower and to `to`. */
static void
overlap_complain(struct overlap *o, const struct written *from, const struct written *to,
    const struct written *w, uint32_t other)
{
	const struct ruleset *rs = o->k->rs;
	char f[2 * NAME_LEN_MAX + 16], t[2 * NAME_LEN_MAX + 16];
	struct where at;

	if (o->reported[w->conduit])
		return;
	o->reported[w->conduit] = true;
	complain_place(o->k->c, COMPLAINT_ERROR, &w->place,
	    "conduit \"%s\": from %s to %s is governed by conduit \"%s\" (%s) just as "
	    "specifically",
	    rs->conduits[w->conduit].name, end_text(rs, from->from, from->from_group, f, sizeof(f)),
	    end_text(rs, to->to, to->to_group, t, sizeof(t)), rs->conduits[other].name,
	    where_is(o->k->c, &rs->conduits[other].place, &at));
	complain_tag(o->k->c, "policy.ambiguous-conduits", &rs->conduits[other].place);
}

static bool
differ(struct overlap *o, uint32_t a, uint32_t b)
{
	const struct ruleset *rs = o->k->rs;

	if (a == b)
		return false;
	if (a != o->last_a || b != o->last_b) {
		o->last_a = a;
		o->last_b = b;
		o->last_differ = !same_content(&rs->conduits[a], &rs->conduits[b]);
	}
	return o->last_differ;
}

/* --- which is narrower ------------------------------------------------------------------------ */

enum within { WITHIN_UNKNOWN = 0, WITHIN_YES, WITHIN_NO };

static bool
devices_within(const struct device_group *a, const struct device_group *b)
{
	uint32_t j = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		while (j < b->n && b->devices[j] < a->devices[i])
			j++;
		if (j == b->n || b->devices[j] != a->devices[i])
			return false;
	}
	return true;
}

/* Is end a not wider than b?  Both hold some address; groups as in struct endpoint. */
static bool
end_within(struct overlap *o, uint32_t a, uint32_t a_group, uint32_t b, uint32_t b_group)
{
	const struct device_groups *all = &o->k->rs->groups;
	uint8_t *known;

	if (a != b)
		return a >> 30 > b >> 30;
	if (a_group == b_group || a_group == 0)
		return true;
	if (b_group == 0)
		return false;
	known = &o->within[(size_t)(a_group - 1) * all->n + b_group - 1];
	if (*known == WITHIN_UNKNOWN)
		*known = devices_within(&all->v[a_group - 1], &all->v[b_group - 1]) ? WITHIN_YES
										    : WITHIN_NO;
	return *known == WITHIN_YES;
}

/* Is e nowhere wider than f? */
static bool
written_within(struct overlap *o, const struct written *e, const struct written *f)
{
	return end_within(o, e->from, e->from_group, f->from, f->from_group) &&
	       end_within(o, e->to, e->to_group, f->to, f->to_group);
}

/* The cell of a pair: its most specific conduit is put in front. */
static bool
overlap_cell(struct overlap *o, uint32_t slot)
{
	uint32_t best = o->cells.conduit[slot];

	for (uint32_t at = o->v[best].next; at != 0; at = o->v[at - 1].next) {
		if (++o->steps > OVERLAP_STEPS)
			return false;
		if (written_within(o, &o->v[at - 1], &o->v[best]) &&
		    !written_within(o, &o->v[best], &o->v[at - 1]))
			best = at - 1;
	}
	for (uint32_t at = o->cells.conduit[slot] + 1; at != 0; at = o->v[at - 1].next) {
		const struct written *e = &o->v[at - 1], *b = &o->v[best];
		const struct written *last = e->conduit > b->conduit ? e : b;

		if (++o->steps > OVERLAP_STEPS)
			return false;
		if (e->conduit != b->conduit &&
		    written_within(o, e, b) == written_within(o, b, e) &&
		    differ(o, e->conduit, b->conduit))
			overlap_complain(o, last, last, last, (last == e ? b : e)->conduit);
	}
	o->cells.conduit[slot] = best;
	return true;
}

/*
 * E = (a, b) and F = (a', b') with a' the cell of a or wider and b that of b' or wider: both match
 * (a, b').  When neither is more specific something has to be written for (a, b') that is.
 */
static void
overlap_meet(struct overlap *o, const struct written *e, const struct written *f)
{
	uint32_t meet;

	if (written_within(o, e, f) || written_within(o, f, e))
		return;
	meet = pair_map_get(&o->cells, pair_key(e->from, f->to));
	if (meet != PAIR_NONE &&
	    end_within(o, o->v[meet].from, o->v[meet].from_group, e->from, e->from_group) &&
	    end_within(o, o->v[meet].to, o->v[meet].to_group, f->to, f->to_group))
		return;
	if (differ(o, e->conduit, f->conduit))
		overlap_complain(o, e, f, f, e->conduit);
}

/* first/next chain the E's by every (a', b) they could meet an F under. */
static bool
overlap_crossing(struct overlap *o)
{
	const struct ruleset *rs = o->k->rs;
	struct arena *a = o->k->scratch;
	struct pair_map heads;
	uint32_t *next = arena_array(a, 3 * (size_t)o->n + 1, sizeof(*next));
	uint32_t *first = arena_array(a, 3 * (size_t)o->n + 1, sizeof(*first));
	bool groups = rs->groups.n != 0; /* else what has an end in common is comparable */
	uint32_t slot, n_slots = 0;

	pair_map_init(a, &heads, 3 * o->n);
	for (uint32_t i = 0; i < o->n; i++) {
		uint32_t wide = groups ? o->v[i].from : end_wider(rs, o->v[i].from);

		for (unsigned j = 0; wide != END_NONE; wide = end_wider(rs, wide), j++) {
			slot = pair_map_put(&heads, pair_key(wide, o->v[i].to), n_slots);
			n_slots += slot == n_slots;
			next[3 * (size_t)i + j] = first[slot];
			first[slot] = 3 * i + j + 1;
		}
	}
	for (uint32_t i = 0; i < o->n; i++) {
		const struct written *f = &o->v[i];
		uint32_t wide = groups ? f->to : end_wider(rs, f->to);

		for (; wide != END_NONE; wide = end_wider(rs, wide)) {
			slot = pair_map_get(&heads, pair_key(f->from, wide));
			if (slot == PAIR_NONE)
				continue;
			for (uint32_t at = first[slot]; at != 0; at = next[at - 1]) {
				const struct written *e = &o->v[(at - 1) / 3];

				if (++o->steps > OVERLAP_STEPS)
					return false;
				if (e->from != f->from || e->to != f->to)
					overlap_meet(o, e, f);
			}
		}
	}
	return true;
}

static void
overlap_write(
    struct overlap *o, const struct conduit *c, const struct endpoint *f, const struct endpoint *t)
{
	struct written w = {.from = end_key(f->kind, f->index),
	    .to = end_key(t->kind, t->index),
	    .conduit = c->index,
	    .from_group = f->group,
	    .to_group = t->group,
	    .place = t->place};
	uint32_t first = pair_map_put(&o->cells, pair_key(w.from, w.to), o->n);

	if (first != o->n) { /* behind the first: the order of the rest does not matter */
		w.next = o->v[first].next;
		o->v[first].next = o->n + 1;
	}
	o->v[o->n++] = w;
}

void
check_overlaps(struct check *k)
{
	struct ruleset *rs = k->rs;
	struct overlap o = {.k = k, .last_a = UINT32_MAX};
	uint64_t total = rules_pairs(rs);
	bool done = true;

	if (total > CONDUIT_PAIRS) {
		complain_at(k->c, COMPLAINT_ERROR, 0, 0,
		    "conduits: %llu pairs of from and to; at "
		    "most %u",
		    (unsigned long long)total, CONDUIT_PAIRS);
		return;
	}
	pair_map_init(k->scratch, &o.cells, (uint32_t)total);
	o.v = arena_array(k->scratch, total + 1, sizeof(*o.v));
	o.reported = arena_array(k->scratch, rs->n_conduits + 1, sizeof(*o.reported));
	o.within = arena_array(k->scratch, (size_t)rs->groups.n * rs->groups.n + 1, 1);
	for (uint32_t i = 0; i < rs->n_conduits; i++)
		for (uint32_t f = 0; f < rs->conduits[i].from.n; f++)
			for (uint32_t t = 0; t < rs->conduits[i].to.n; t++)
				overlap_write(&o, &rs->conduits[i], &rs->conduits[i].from.v[f],
				    &rs->conduits[i].to.v[t]);
	for (uint32_t i = 0; done && i <= o.cells.mask; i++)
		if (o.cells.conduit[i] != PAIR_NONE)
			done = overlap_cell(&o, i);
	if (!done || !overlap_crossing(&o))
		complain_at(k->c, COMPLAINT_ERROR, 0, 0,
		    "conduits: too many of them cross each other "
		    "to tell which is the most specific");
	rs->pairs = arena_get(k->keep, sizeof(*rs->pairs));
	pair_map_init(k->keep, rs->pairs, o.cells.n);
	for (uint32_t i = 0; i <= o.cells.mask; i++)
		if (o.cells.conduit[i] != PAIR_NONE)
			pair_map_put(rs->pairs, o.cells.key[i], o.v[o.cells.conduit[i]].conduit);
}
