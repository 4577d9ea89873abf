/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sets.c - named sets: "$name" stands for what the set of that name holds, wherever a list of
 * values may stand.
 *
 * They are put in before anything else looks at the tree, so no part of the checker knows of
 * them; a value that came by a set remembers which (struct ynode), for complaints.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/check.h"

enum set_state { SET_UNREAD = 0, SET_OPEN, SET_READ };

struct set {
	const struct ynode *key, *value;
	uint8_t state; /* enum set_state */
	bool used;
	struct nodes {
		struct ynode **v;
		uint32_t n, cap;
	} holds;
};

struct expansion {
	struct check *k;
	struct set *sets; /* by name */
	uint32_t n_sets;
	uint32_t n_nodes; /* put in so far */
	bool full;
};

static int
set_cmp(const void *va, const void *vb)
{
	const struct set *a = va, *b = vb;

	return strcmp(a->key->s, b->key->s);
}

static bool
is_use(const struct ynode *n)
{
	return n->kind == Y_SCALAR && n->s[0] == '$';
}

static struct set *
set_find(struct expansion *x, const struct ynode *use)
{
	struct ynode key = {.s = use->s + 1};
	struct set want = {.key = &key}, *found;
	const char *pair[2] = {NULL, NULL}, *near = NULL;

	found = x->n_sets ? bsearch(&want, x->sets, x->n_sets, sizeof(want), set_cmp) : NULL;
	if (found)
		return found;
	for (uint32_t i = 0; i < x->n_sets && i < 2000 && !near; i++) {
		pair[0] = x->sets[i].key->s;
		near = complain_nearest(use->s + 1, pair);
	}
	check_error(x->k, use, "there is no set \"%s\"%s%s%s", use->s,
	    near ? ", did you mean \"$" : "", near ? near : "", near ? "\"?" : "");
	return NULL;
}

/* A value as it stands in the set, at the place where the set is used. */
static void
node_add(struct expansion *x, struct nodes *to, const struct ynode *value, const struct ynode *use,
    const struct ynode *set)
{
	struct ynode *n;

	if (x->n_nodes == SETS_VALUES) {
		if (!x->full)
			check_error(x->k, use, "sets: more than %u values in all places together",
			    SETS_VALUES);
		x->full = true;
		return;
	}
	x->n_nodes++;
	n = arena_get(x->k->scratch, sizeof(*n));
	*n = *value;
	n->line = use->line;
	n->col = use->col;
	n->file = use->file;
	n->set = set;
	vec_push(x->k->scratch, to, n);
}

static void set_read(struct expansion *x, struct set *s);

/* "$$x" is the text "$x". */
static bool
is_literal(const struct ynode *n)
{
	return n->s[1] == '$';
}

static void
literal(struct ynode *n)
{
	n->s++;
	n->n--;
}

/* What "$name" stands for. */
static void
use_add(struct expansion *x, struct nodes *to, const struct ynode *use)
{
	struct set *s;

	if (is_literal(use)) {
		node_add(x, to, use, use, use->set);
		if (!x->full)
			literal(to->v[to->n - 1]);
		return;
	}
	s = set_find(x, use);
	if (!s)
		return;
	s->used = true;
	if (s->state == SET_OPEN) {
		check_error(x->k, use, "set \"%s\" is within itself", use->s);
		return;
	}
	set_read(x, s);
	for (uint32_t i = 0; i < s->holds.n && !x->full; i++)
		node_add(x, to, s->holds.v[i], use, s->key);
}

static void
set_read(struct expansion *x, struct set *s)
{
	if (s->state != SET_UNREAD)
		return;
	s->state = SET_OPEN;
	if (s->value->kind == Y_MAP || list_n(s->value) == 0)
		check_error(x->k, s->value, "set \"%s\": expected a list of values", s->key->s);
	for (uint32_t i = 0; s->value->kind != Y_MAP && i < list_n(s->value); i++) {
		const struct ynode *e = list_at(s->value, i);

		if (e->kind != Y_SCALAR)
			check_error(x->k, e, "set \"%s\": a set holds values, not a %s", s->key->s,
			    e->kind == Y_LIST ? "list" : "map");
		else if (is_use(e))
			use_add(x, &s->holds, e);
		else
			node_add(x, &s->holds, e, e, NULL);
	}
	s->state = SET_READ;
}

/* --- putting them in ------------------------------------------------------------------------ */

static void expand(struct expansion *x, struct ynode *n);

static void
expand_list(struct expansion *x, struct ynode *list)
{
	struct nodes out = {0};
	bool any = false;

	for (uint32_t i = 0; i < list->n; i++)
		any = any || is_use(list->kids[i]);
	for (uint32_t i = 0; i < list->n; i++) {
		struct ynode *e = list->kids[i];

		if (is_use(e))
			use_add(x, &out, e);
		else if (any)
			vec_push(x->k->scratch, &out, e);
		if (!is_use(e))
			expand(x, e);
	}
	if (any) {
		list->kids = out.v;
		list->n = out.n;
	}
}

/* A value alone, where a list could be. */
static struct ynode *
expand_value(struct expansion *x, struct ynode *use)
{
	struct ynode *list;
	struct nodes out = {0};

	if (is_literal(use)) {
		literal(use);
		return use;
	}
	use_add(x, &out, use);
	list = arena_get(x->k->scratch, sizeof(*list));
	*list = (struct ynode){.kind = Y_LIST,
	    .line = use->line,
	    .col = use->col,
	    .file = use->file,
	    .n = out.n,
	    .kids = out.v};
	return list;
}

/* Keys of a map from addresses to values may be sets: the value is that of each. */
static void
expand_map(struct expansion *x, struct ynode *map)
{
	struct nodes out = {0}, keys = {0};
	bool any = false;

	for (uint32_t i = 0; i < map->n; i++) {
		struct ynode **value = &map->kids[2 * (size_t)i + 1];

		any = any || is_use(map->kids[2 * (size_t)i]);
		if (is_use(*value))
			*value = expand_value(x, *value);
		else
			expand(x, *value);
	}
	for (uint32_t i = 0; any && i < map->n; i++) {
		struct ynode *key = map->kids[2 * (size_t)i];

		keys.n = 0;
		if (is_use(key))
			use_add(x, &keys, key);
		else
			vec_push(x->k->scratch, &keys, key);
		for (uint32_t j = 0; j < keys.n; j++) {
			vec_push(x->k->scratch, &out, keys.v[j]);
			vec_push(x->k->scratch, &out, map->kids[2 * (size_t)i + 1]);
		}
	}
	if (any) {
		map->kids = out.v;
		map->n = out.n / 2;
	}
}

static void
expand(struct expansion *x, struct ynode *n)
{
	if (n->kind == Y_LIST)
		expand_list(x, n);
	else if (n->kind == Y_MAP)
		expand_map(x, n);
}

void
sets_expand(struct check *k, const struct ynode *root)
{
	const struct ynode *map = NULL;
	struct expansion x = {.k = k};
	const char *name;

	for (uint32_t i = 0; root->kind == Y_MAP && i < root->n; i++)
		if (strcmp(root->kids[2 * (size_t)i]->s, "sets") == 0)
			map = root->kids[2 * (size_t)i + 1];
	if (map && map->kind != Y_MAP) {
		check_error(k, map, "sets: expected a map of sets by name");
		return;
	}
	x.sets = arena_array(k->scratch, map ? map->n + 1 : 1, sizeof(*x.sets));
	for (uint32_t i = 0; map && i < map->n; i++)
		if (check_name(k, map->kids[2 * (size_t)i], "set", &name))
			x.sets[x.n_sets++] = (struct set){
			    .key = map->kids[2 * (size_t)i], .value = map->kids[2 * (size_t)i + 1]};
	qsort(x.sets, x.n_sets, sizeof(*x.sets), set_cmp);
	for (uint32_t i = 1; i < x.n_sets; i++) /* from two files: in one, yaml.c has said so */
		if (set_cmp(&x.sets[i - 1], &x.sets[i]) == 0) {
			const struct ynode *a = x.sets[i - 1].key, *b = x.sets[i].key;
			const struct place first = place_of(a->file < b->file ? a : b);

			check_error(k, a->file < b->file ? b : a,
			    "set \"%s\": %s already has a set of that "
			    "name",
			    a->s, where_is(k->c, &first, &(struct where){""}));
			x.sets[i - 1].used = x.sets[i].used = true; /* one of them may be */
		}
	for (uint32_t i = 0; i < x.n_sets; i++)
		set_read(&x, &x.sets[i]);
	for (uint32_t i = 0; root->kind == Y_MAP && i < root->n; i++) {
		struct ynode *value = root->kids[2 * (size_t)i + 1];

		if (value == map)
			continue;
		if (is_use(value))
			root->kids[2 * (size_t)i + 1] = expand_value(&x, value);
		else
			expand(&x, value);
	}
	for (uint32_t i = 0; i < x.n_sets; i++) {
		struct place at = place_of(x.sets[i].key);

		if (!x.sets[i].used) {
			check_warn(k, &at, "set \"%s\": nothing uses it", x.sets[i].key->s);
			complain_tag(k->c, "policy.idle-set", NULL);
		}
	}
}
