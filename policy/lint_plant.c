/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint_plant.c - what is odd about the plant as a policy describes it: conduits that never govern,
 * that a guard never sees, devices without one, MACs, zones.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/lint.h"

#define PLANT_STEPS 4000000u /* pairs of devices looked up; then conduits are no longer compared */

struct plant {
	const struct ruleset *rs;
	struct complaints *c;
	uint32_t *zone_first, *zone_list; /* devices by zone */
	uint32_t steps;
};

static void
sort_devices(struct plant *p, struct arena *scratch)
{
	const struct ruleset *rs = p->rs;

	p->zone_first = arena_array(scratch, rs->n_zones + 2u, sizeof(*p->zone_first));
	p->zone_list = arena_array(scratch, rs->n_devices + 1u, sizeof(*p->zone_list));
	for (uint32_t d = 0; d < rs->n_devices; d++)
		p->zone_first[rs->devices[d].zone + 2]++;
	for (uint32_t z = 1; z < rs->n_zones + 2u; z++)
		p->zone_first[z] += p->zone_first[z - 1];
	for (uint32_t d = 0; d < rs->n_devices; d++)
		p->zone_list[p->zone_first[rs->devices[d].zone + 1]++] = d;
}

/* --- conduits that never govern -------------------------------------------------------------- */

/* The conduit of two ends, as bind.c looks it up. */
static uint32_t
governs(struct plant *p, uint32_t from, uint32_t to)
{
	uint32_t f[3], t[3], c, nf = 0, nt = 0;

	for (uint32_t e = from; e != END_NONE && nf < 3; e = end_wider(p->rs, e))
		f[nf++] = e;
	for (uint32_t e = to; e != END_NONE && nt < 3; e = end_wider(p->rs, e))
		t[nt++] = e;
	p->steps++;
	for (uint32_t wide = 0; wide <= nf - 1 + nt - 1; wide++)
		for (uint32_t i = 0; i <= wide && i < nf; i++) {
			if (wide - i >= nt)
				continue;
			c = pair_map_get(p->rs->pairs, pair_key(f[i], t[wide - i]));
			if (c != PAIR_NONE)
				return c;
		}
	return PAIR_NONE;
}

/* The i-th address that an end stands for, as its narrowest end; END_NONE: no more. */
static uint32_t
member(const struct plant *p, const struct endpoint *e, uint32_t i)
{
	uint32_t first, n;

	if (e->kind == END_DEVICE)
		return i == 0 ? end_key(END_DEVICE, e->index) : END_NONE;
	first = p->zone_first[e->index];
	n = p->zone_first[e->index + 1] - first;
	if (i < n)
		return end_key(END_DEVICE, p->zone_list[first + i]);
	return e->kind == END_ANY && i == n ? end_key(END_ANY, e->index) : END_NONE;
}

/* Is there an address pair that conduit c governs?  Else *hider is one that does in its place. */
static bool
pair_lives(struct plant *p, uint32_t c, const struct endpoint *a, const struct endpoint *b,
    uint32_t *hider)
{
	uint32_t from, to, g;

	for (uint32_t i = 0; (from = member(p, a, i)) != END_NONE; i++)
		for (uint32_t k = 0; (to = member(p, b, k)) != END_NONE; k++) {
			if (p->steps >= PLANT_STEPS)
				return true;
			if (from == to && from >> 30 == END_DEVICE)
				continue;
			if ((g = governs(p, from, to)) == c)
				return true;
			*hider = g;
		}
	return false;
}

static void
lint_hidden(struct plant *p, const struct conduit *c)
{
	uint32_t hider = PAIR_NONE;
	const struct conduit *h;

	for (uint32_t f = 0; f < c->from.n; f++)
		for (uint32_t t = 0; t < c->to.n; t++)
			if (pair_lives(p, c->index, &c->from.v[f], &c->to.v[t], &hider))
				return;
	if (hider == PAIR_NONE)
		return; /* zones without devices: said already */
	h = &p->rs->conduits[hider];
	complain_place(p->c, COMPLAINT_WARNING, &c->place,
	    "conduit \"%s\": never governs: more specific ones (\"%s\", %s) have all of its "
	    "pairs",
	    c->name, h->name, where_is(p->c, &h->place, &(struct where){""}));
	complain_tag(p->c, "policy.hidden-conduit", &h->place);
}

/* --- what a guard never sees ---------------------------------------------------------------- */

static uint8_t
end_side(const struct ruleset *rs, const struct endpoint *e)
{
	return rs->zones[e->kind == END_DEVICE ? rs->devices[e->index].zone : e->index].port;
}

static void
lint_side(struct plant *p, const struct conduit *c)
{
	for (uint32_t f = 0; f < c->from.n; f++)
		for (uint32_t t = 0; t < c->to.n; t++) {
			uint8_t a = end_side(p->rs, &c->from.v[f]),
				b = end_side(p->rs, &c->to.v[t]);

			if (a == ZONE_PORT_UNSAID || a != b)
				return;
		}
	if (c->from.n == 0 || c->to.n == 0)
		return;
	complain_place(p->c, COMPLAINT_WARNING, &c->place,
	    "conduit \"%s\": both ends lie %s: a guard between outside and inside never sees them "
	    "talk, and denies what comes round",
	    c->name, end_side(p->rs, &c->from.v[0]) == ZONE_INSIDE ? "inside" : "outside");
	complain_tag(p->c, "policy.same-side", NULL);
}

/* --- devices ----------------------------------------------------------------------------------- */

static void
mark_ends(const struct endpoints *v, uint8_t *device, uint8_t *zone)
{
	for (uint32_t i = 0; i < v->n; i++)
		(v->v[i].kind == END_DEVICE ? device : zone)[v->v[i].index] = 1;
}

static void
lint_idle(struct plant *p, struct arena *scratch)
{
	const struct ruleset *rs = p->rs;
	uint8_t *device = arena_array(scratch, rs->n_devices + 1u, 1);
	uint8_t *zone = arena_array(scratch, rs->n_zones + 1u, 1);

	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		mark_ends(&rs->conduits[i].from, device, zone);
		mark_ends(&rs->conduits[i].to, device, zone);
	}
	for (uint32_t d = 0; d < rs->n_devices && rs->n_conduits != 0; d++) {
		if (device[d] || zone[rs->devices[d].zone])
			continue;
		complain_place(p->c, COMPLAINT_NOTE, &rs->devices[d].place,
		    "device \"%s\": no conduit is about it: it may talk to nobody",
		    rs->devices[d].name);
		complain_tag(p->c, "policy.idle-device", NULL);
	}
}

static int
mac_cmp(const void *va, const void *vb)
{
	const struct device *const *a = va, *const *b = vb;
	int r = memcmp((*a)->mac, (*b)->mac, 6);

	if (r == 0)
		r = net_addr_is4(&(*a)->ip) - net_addr_is4(&(*b)->ip);
	return r ? r : (*a > *b) - (*a < *b);
}

/* One MAC, two addresses of one family: a router's, or a slip.  (IPv4 and IPv6 of one host are fine.) */
static void
lint_macs(struct plant *p, struct arena *scratch)
{
	const struct ruleset *rs = p->rs;
	const struct device **v = arena_array(scratch, rs->n_devices + 1u, sizeof(*v));
	uint32_t n = 0;

	for (uint32_t d = 0; d < rs->n_devices; d++)
		if (rs->devices[d].has_mac)
			v[n++] = &rs->devices[d];
	qsort(v, n, sizeof(*v), mac_cmp);
	for (uint32_t i = 1; i < n; i++) {
		const struct device *a = v[i - 1], *b = v[i];

		if (memcmp(a->mac, b->mac, 6) != 0 || net_addr_is4(&a->ip) != net_addr_is4(&b->ip))
			continue;
		complain_place(p->c, COMPLAINT_WARNING, &b->place,
		    "device \"%s\": device \"%s\" (%s) has the same MAC: behind a router "
		    "leave it out",
		    b->name, a->name, where_is(p->c, &a->place, &(struct where){""}));
		complain_tag(p->c, "policy.same-mac", &a->place);
	}
}

/* --- zones ------------------------------------------------------------------------------------- */

struct owned {
	const struct net_prefix *p;
	const struct zone *z;
};

static int
owned_cmp(const void *va, const void *vb)
{
	const struct owned *a = va, *b = vb;
	int r = memcmp(a->p->addr.b, b->p->addr.b, 16);

	return r ? r : a->p->len - b->p->len; /* the wider first */
}

/* Nets inside those of another zone: in order of addresses the wider ones are a stack. */
static void
lint_zones(struct plant *p, struct arena *scratch)
{
	const struct ruleset *rs = p->rs;
	const struct owned *stack[130];
	struct owned *v;
	uint32_t n = 0, deep = 0;

	for (uint32_t z = 0; z < rs->n_zones; z++)
		n += rs->zones[z].n_nets;
	v = arena_array(scratch, n + 1u, sizeof(*v));
	n = 0;
	for (uint32_t z = 0; z < rs->n_zones; z++)
		for (uint32_t i = 0; i < rs->zones[z].n_nets; i++)
			v[n++] = (struct owned){&rs->zones[z].nets[i], &rs->zones[z]};
	qsort(v, n, sizeof(*v), owned_cmp);
	for (uint32_t i = 0; i < n; i++) {
		char net[NET_ADDR_STRLEN];

		while (deep > 0 && !net_prefix_has(stack[deep - 1]->p, &v[i].p->addr))
			deep--;
		if (deep > 0 && stack[deep - 1]->z != v[i].z) {
			const struct zone *wide = stack[deep - 1]->z;

			complain_place(p->c, COMPLAINT_NOTE, &v[i].z->place,
			    "zone \"%s\": its net %s lies inside one of zone \"%s\" (%s), and "
			    "takes "
			    "these addresses from it%s",
			    v[i].z->name, net_addr_str(&v[i].p->addr, net), wide->name,
			    where_is(p->c, &wide->place, &(struct where){""}),
			    wide->port && v[i].z->port && wide->port != v[i].z->port
				? "; they lie on different sides of a guard"
				: "");
			complain_tag(p->c, "policy.zones-overlap", &wide->place);
		}
		if (deep < sizeof(stack) / sizeof(stack[0]))
			stack[deep++] = &v[i];
	}
}

void
lint_plant(const struct ruleset *rs, struct arena *scratch, struct complaints *c)
{
	struct plant p = {.rs = rs, .c = c};

	sort_devices(&p, scratch);
	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		lint_hidden(&p, &rs->conduits[i]);
		lint_side(&p, &rs->conduits[i]);
	}
	lint_idle(&p, scratch);
	lint_macs(&p, scratch);
	lint_zones(&p, scratch);
}

/* A day later than its last second, it is past in every time zone. */
void
lint_dates(const struct ruleset *rs, uint64_t now_s, struct complaints *c)
{
	for (uint32_t i = 0; i < rs->n_windows; i++) {
		const struct window *w = &rs->windows[i];
		uint64_t last = 0;

		for (uint32_t k = 0; k < w->dates.n; k++)
			if (w->dates.v[k].hi > last)
				last = w->dates.v[k].hi;
		if (w->dates.n == 0 || w->week.n != 0 || last + 86400 >= now_s)
			continue;
		complain_place(c, COMPLAINT_WARNING, &w->place,
		    "window \"%s\": all its dates are past: it does not open again", w->name);
		complain_tag(c, "policy.past-window", NULL);
	}
}
