/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c - small things over rules.h that the checker, the compiler and `why` share. */
#include "policy/rules.h"

#include <stdlib.h>
#include <string.h>

bool
ivals_has(const struct ivals *s, uint32_t v)
{
	uint32_t lo = 0, hi = s->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (s->v[mid].hi < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->v[lo].lo <= v;
}

static int
ival_cmp(const void *va, const void *vb)
{
	const struct ival *a = va, *b = vb;

	return (a->lo > b->lo) - (a->lo < b->lo);
}

void
ivals_normalise(struct ivals *s)
{
	uint32_t n = 0;

	if (s->n == 0)
		return;
	qsort(s->v, s->n, sizeof(*s->v), ival_cmp);
	for (uint32_t i = 1; i < s->n; i++) {
		if (s->v[n].hi == UINT32_MAX || s->v[i].lo <= s->v[n].hi + 1) {
			if (s->v[i].hi > s->v[n].hi)
				s->v[n].hi = s->v[i].hi;
		} else {
			s->v[++n] = s->v[i];
		}
	}
	s->n = n + 1;
}

bool
limit_holds(const struct limit *l, uint32_t value)
{
	return ivals_has(&l->set, value) &&
	    (l->step <= 1 || (value - l->set.v[0].lo) % l->step == 0);
}

/* '*' any run of bytes, '?' any one byte.  Linear: only the last star is retried. */
bool
glob_match(const char *glob, const char *text, size_t len)
{
	const char *star = NULL, *end = text + len, *back = text;

	while (text < end) {
		if (*glob == '*') {
			star = ++glob;
			back = text;
		} else if (*glob == '?' || (*glob != '\0' && *glob == *text)) {
			glob++;
			text++;
		} else if (star) {
			glob = star;
			text = ++back;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

uint32_t
rules_zone_of(const struct ruleset *rs, const struct net_addr *a)
{
	uint32_t best = UINT32_MAX;
	int len = -1;

	for (uint32_t z = 0; z < rs->n_zones; z++)
		for (uint32_t i = 0; i < rs->zones[z].n_nets; i++)
			if (rs->zones[z].nets[i].len > len &&
			    net_prefix_has(&rs->zones[z].nets[i], a)) {
				best = z;
				len = rs->zones[z].nets[i].len;
			}
	return best;
}

bool
schema_has(const struct dis_schema *s, uint8_t kind, uint8_t space)
{
	for (unsigned i = 0; i < s->n_keys; i++)
		if (s->keys[i].kind == kind && (space == SPACE_NONE || s->keys[i].space == space))
			return true;
	return false;
}

/* --- pairs of ends ------------------------------------------------------------------ */

static uint32_t
pair_slot(const struct pair_map *m, uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15u;
	uint32_t i = (uint32_t)(h >> 32) & m->mask;

	while (m->conduit[i] != PAIR_NONE && m->key[i] != key)
		i = (i + 1) & m->mask;
	return i;
}

void
pair_map_init(struct arena *a, struct pair_map *m, uint32_t n)
{
	uint32_t size = 16;

	while (size < n + n / 2 + 1)
		size *= 2;
	m->key = arena_array(a, size, sizeof(*m->key));
	m->conduit = arena_array(a, size, sizeof(*m->conduit));
	memset(m->conduit, 0xff, size * sizeof(*m->conduit));
	m->mask = size - 1;
	m->n = 0;
}

uint32_t
pair_map_put(struct pair_map *m, uint64_t key, uint32_t conduit)
{
	uint32_t i = pair_slot(m, key);

	if (m->conduit[i] == PAIR_NONE) {
		m->key[i] = key;
		m->conduit[i] = conduit;
		m->n++;
	}
	return m->conduit[i];
}

uint32_t
pair_map_get(const struct pair_map *m, uint64_t key)
{
	return m->conduit[pair_slot(m, key)];
}

uint32_t
end_wider(const struct ruleset *rs, uint32_t end)
{
	uint32_t index = end & ((1u << 30) - 1);

	switch (end >> 30) {
	case END_DEVICE:
		return end_key(END_ZONE, rs->devices[index].zone);
	case END_ZONE:
		return end_key(END_ANY, index);
	default:
		return END_NONE;
	}
}

uint64_t
rules_pairs(const struct ruleset *rs)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < rs->n_conduits; i++)
		n += (uint64_t)rs->conduits[i].from.n * rs->conduits[i].to.n;
	return n;
}
