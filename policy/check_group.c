/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_group.c - devices under one name: groups, which may hold groups, and roles.
 *
 * A group is taken apart into its devices before anything else sees it; what stays of it is the
 * list, by which overlap.c tells which of two groups is the narrower one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/check.h"

struct grouping {
	struct check *k;
	const struct ynode **key, **value;     /* [group]; its name, and what it is made of */
	const struct ynode *open[GROUP_DEPTH]; /* keys of the groups that are being read */
	unsigned depth;
	bool *done; /* [group] */
};

static int
u32_cmp(const void *va, const void *vb)
{
	uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;

	return (a > b) - (a < b);
}

/* Ascending, each once. */
static void
devices_sort(struct device_group *g)
{
	uint32_t n = 0;

	if (g->n == 0)
		return;
	qsort(g->devices, g->n, sizeof(*g->devices), u32_cmp);
	for (uint32_t i = 1; i < g->n; i++)
		if (g->devices[i] != g->devices[n])
			g->devices[++n] = g->devices[i];
	g->n = n + 1;
}

struct device_list {
	uint32_t *v;
	uint32_t n, cap;
};

/* False: there are too many by now, said once. */
static bool
device_add(struct check *k, const struct ynode *at, struct device_list *l, uint32_t device)
{
	if (k->n_group_devices >= GROUP_DEVICES)
		return false;
	if (++k->n_group_devices == GROUP_DEVICES) {
		check_error(k, at, "groups: more than %u devices in all of them", GROUP_DEVICES);
		return false;
	}
	vec_push(k->keep, l, device);
	return true;
}

static void group_read(struct grouping *gs, uint32_t group);

/* The devices of another group, which is read first when it is not yet. */
static void
group_within(struct grouping *gs, const char *who, const struct ynode *at, uint32_t group,
    struct device_list *l)
{
	struct check *k = gs->k;
	const struct device_group *g = &k->rs->groups.v[group];

	for (unsigned i = 0; i < gs->depth; i++)
		if (strcmp(gs->open[i]->s, g->name) == 0) {
			const struct place open = place_of(gs->open[i]);
			struct where w;

			check_error(k, at, "%s: group \"%s\" is within itself (%s)", who, g->name,
			    where_is(k->c, &open, &w));
			return;
		}
	if (!gs->done[group] && gs->depth == GROUP_DEPTH) {
		check_error(k, at, "%s: more than %u groups within each other", who, GROUP_DEPTH);
		return;
	}
	group_read(gs, group);
	g = &k->rs->groups.v[group];
	for (uint32_t i = 0; i < g->n && device_add(k, at, l, g->devices[i]); i++)
		;
	k->rs->groups.v[group].used = true;
}

static void
group_element(struct grouping *gs, const char *who, const struct ynode *at, struct device_list *l)
{
	struct check *k = gs->k;
	const struct name_entry *e;
	const struct device_group *g;
	const char *s, *near;
	uint32_t role;

	if (!check_text(k, at, who, &s))
		return;
	if (strncmp(s, ROLE_PREFIX, strlen(ROLE_PREFIX)) == 0) {
		role = group_of_role(k, who, at, s + strlen(ROLE_PREFIX));
		if (role == UINT32_MAX)
			return;
		g = &k->rs->groups.v[role];
		for (uint32_t i = 0; i < g->n && device_add(k, at, l, g->devices[i]); i++)
			;
		return;
	}
	e = names_find(k, s);
	if (e && e->kind == NAME_DEVICE) {
		(void)device_add(k, at, l, e->index);
	} else if (e && e->kind == NAME_GROUP) {
		group_within(gs, who, at, e->index, l);
	} else if (e) {
		check_error(k, at, "%s: \"%s\" is a %s; a group holds devices and groups", who, s,
		    e->kind == NAME_ZONE ? "zone" : "conduit");
	} else {
		near = names_nearest(k, s);
		check_error(k, at, "%s: there is no device or group \"%s\"%s%s%s", who, s,
		    near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
}

static void
group_read(struct grouping *gs, uint32_t group)
{
	struct check *k = gs->k;
	const struct ynode *n = gs->value[group];
	struct device_list l = {0};
	struct what what = {""};
	const char *who = what_name(&what, "group", k->rs->groups.v[group].name);

	if (gs->done[group])
		return;
	gs->done[group] = true;
	if (n->kind == Y_MAP || list_n(n) == 0) {
		check_error(k, n, "%s: expected a list of devices and groups", who);
		return;
	}
	gs->open[gs->depth++] = gs->key[group];
	for (uint32_t i = 0; i < list_n(n); i++)
		group_element(gs, who, list_at(n, i), &l);
	gs->depth--;
	k->rs->groups.v[group].devices = l.v; /* roles may have moved the list of groups */
	k->rs->groups.v[group].n = l.n;
	devices_sort(&k->rs->groups.v[group]);
}

void
check_groups(struct check *k, const struct ynode *n)
{
	struct device_groups *all = &k->rs->groups;
	struct grouping gs = {.k = k};
	uint32_t named;
	const char *name;

	if (n->kind != Y_MAP) {
		check_error(k, n, "groups: expected a map of groups by name");
		return;
	}
	if (n->n > GROUPS_MAX) {
		check_error(k, n, "groups: a policy has at most %u", GROUPS_MAX);
		return;
	}
	gs.key = arena_array(k->scratch, n->n + 1, sizeof(*gs.key));
	gs.value = arena_array(k->scratch, n->n + 1, sizeof(*gs.value));
	gs.done = arena_array(k->scratch, n->n + 1, sizeof(*gs.done));
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];

		if (!check_name(k, key, "group", &name))
			continue;
		gs.key[all->n] = key;
		gs.value[all->n] = n->kids[2 * (size_t)i + 1];
		names_add(k, key, name, NAME_GROUP, all->n);
		vec_push(
		    k->keep, all, ((struct device_group){.name = name, .place = place_of(key)}));
	}
	named = all->n;
	for (uint32_t i = 0; i < named; i++)
		group_read(&gs, i);
}

/* --- roles ---------------------------------------------------------------------------------- */

static const char *
role_nearest(const struct check *k, const char *role)
{
	const char *pair[2] = {NULL, NULL}, *best = NULL;

	for (uint32_t i = 0; i < k->rs->n_devices && i < 2000 && !best; i++)
		if ((pair[0] = k->rs->devices[i].role) != NULL)
			best = complain_nearest(role, pair);
	return best;
}

uint32_t
group_of_role(struct check *k, const char *who, const struct ynode *n, const char *role)
{
	struct device_groups *all = &k->rs->groups;
	struct device_list l = {0};
	const char *near;

	for (uint32_t i = 0; i < all->n; i++) /* no name of a group holds a colon */
		if (strcmp(all->v[i].name, n->s) == 0)
			return i;
	for (uint32_t i = 0; i < k->rs->n_devices; i++)
		if (k->rs->devices[i].role && strcmp(k->rs->devices[i].role, role) == 0 &&
		    !device_add(k, n, &l, i))
			return UINT32_MAX;
	if (l.n == 0) {
		near = role_nearest(k, role);
		check_error(k, n, "%s: no device has the role \"%s\"%s%s%s", who, role,
		    near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
		return UINT32_MAX;
	}
	if (all->n >= 2 * GROUPS_MAX) {
		check_error(k, n, "%s: more than %u groups and roles", who, 2 * GROUPS_MAX);
		return UINT32_MAX;
	}
	vec_push(k->keep, all,
	    ((struct device_group){.name = arena_strn(k->keep, n->s, n->n),
		.place = place_of(n),
		.devices = l.v,
		.n = l.n,
		.used = true}));
	return all->n - 1;
}

void
check_groups_used(struct check *k)
{
	for (uint32_t i = 0; i < k->rs->groups.n; i++)
		if (!k->rs->groups.v[i].used) {
			check_warn(k, &k->rs->groups.v[i].place, "group \"%s\": nothing names it",
			    k->rs->groups.v[i].name);
			complain_tag(k->c, "policy.idle-group", NULL);
		}
}
