/* SPDX-License-Identifier: Apache-2.0 */
/* rules.c - small things over rules.h that the checker, the compiler and `why` share. */
#include "policy/rules.h"

#include <stdlib.h>
#include <string.h>

#include "policy/re.h"

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
limit_holds(const struct limit *l, uint64_t key)
{
	for (uint32_t i = 0; i < l->set.n; i++)
		if (l->set.v[i].lo <= key && key <= l->set.v[i].hi)
			return l->step <= 1 || (key - l->base) % l->step == 0;
	return false;
}

bool
cond_holds(const struct cond *c, const struct fact_props *props, bool deny, bool unknown)
{
	const struct dis_key *k = c->key;
	uint32_t bit = 1u << (k->kind == KEY_TEXT ? k->prop + 16u : k->prop);

	if (props && props->na & bit)
		return !deny;
	if (!props || !(props->known & bit))
		return unknown;
	if (k->kind != KEY_TEXT)
		return ivals_has(&c->set, props->num[k->prop]);
	for (uint32_t i = 0; i < c->globs.n; i++)
		if (pattern_match(c->globs.v[i], props->text[k->prop].p, props->text[k->prop].n))
			return true;
	return false;
}

/* --- names ------------------------------------------------------------------------- */

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

const struct re_table *
glob_re(const char *text)
{
	uintptr_t at;

	if (strncmp(text, "re:", 3) != 0)
		return NULL;
	at = (uintptr_t)text + strlen(text) + 1;
	return (const struct re_table *)((at + 3) & ~(uintptr_t)3);
}

bool
pattern_match(const char *pattern, const char *text, size_t len)
{
	const struct re_table *t = glob_re(pattern);
	if (!t)
		return glob_match(pattern, text, len);
	return len >= t->lit && memcmp(text, re_lit(t), t->lit) == 0 &&
	       re_fits(t, text + t->lit, len - t->lit);
}

struct glob
glob_parse(const char *text)
{
	const char *semi = strncmp(text, "nsu=", 4) == 0 ? strchr(text, ';') : NULL;

	if (!semi)
		return (struct glob){.text = text};
	return (struct glob){text + 4, (uint32_t)(semi - text) - 4, semi + 1};
}

uint32_t
name_ns_len(const char *name, uint32_t len)
{
	uint32_t i = 3;

	if (len < 5 || memcmp(name, "ns=", 3) != 0)
		return 0;
	while (i < len && name[i] >= '0' && name[i] <= '9')
		i++;
	return i > 3 && i < len && name[i] == ';' ? i + 1 : 0;
}

const char *
item_uri(const struct fact_item *it, uint32_t *len)
{
	static const char base[] = "http://opcfoundation.org/UA/"; /* OPC 10000-6, 5.3.1.10 */

	if (it->uri) {
		*len = it->uri_len;
		return it->uri;
	}
	if (!it->name || name_ns_len(it->name, it->name_len) != 0)
		return NULL;
	*len = sizeof(base) - 1;
	return base;
}

bool
names_hit(const struct rule *r, unsigned slot, const struct fact_item *it)
{
	const struct globs *g = &r->names[slot];
	uint32_t ns, uri_len = 0;
	const char *uri = item_uri(it, &uri_len);

	if (!it->name && g->n != 0 && r->deny)
		return true;
	ns = it->name ? name_ns_len(it->name, it->name_len) : 0;
	for (uint32_t i = 0; i < g->n; i++) {
		struct glob p = glob_parse(g->v[i]);

		if (!it->name) {
			if (strcmp(g->v[i], "*") == 0)
				return true;
		} else if (!p.uri) {
			if (pattern_match(p.text, it->name, it->name_len))
				return true;
		} else if (uri ? uri_len == p.uri_len && memcmp(uri, p.uri, uri_len) == 0 : r->deny) {
			if (pattern_match(p.text, it->name + ns, it->name_len - ns))
				return true;
		}
	}
	return false;
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

bool
schema_encrypts(const struct dis_schema *s)
{
	for (unsigned i = 0; i < s->n_keys; i++)
		if (s->keys[i].map)
			return true;
	for (unsigned i = 0; i < s->n_ops; i++)
		if (strcmp(s->ops[i].name, "encrypted") == 0)
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

uint64_t
rules_windows(const struct ruleset *rs, uint32_t conduit)
{
	const struct conduit *c = &rs->conduits[conduit];
	uint64_t bits = c->only_in;

	for (uint32_t b = 0; b < c->n_blocks; b++) {
		for (uint32_t i = 0; i < c->blocks[b].deny.n; i++)
			bits |= c->blocks[b].deny.v[i]->only_in;
		for (uint32_t i = 0; i < c->blocks[b].allow.n; i++)
			bits |= c->blocks[b].allow.v[i]->only_in;
	}
	return bits;
}
