/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn_write.c - what was gathered, as a policy that a person can read.
 *
 * Conduits whose lines are equal become one: first those from the same device, then those to
 * the same devices.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/learn_int.h"

#define RATE_MIN 10u /* times, until a mean interval says something */
#define COLUMN	 56  /* where comments begin */

/* --- conduits --------------------------------------------------------------------------------------- */

struct ends {
	uint32_t *v;
	uint32_t n, cap;
};
struct conduit {
	struct ends from, to;
	struct body body;
	uint32_t existing; /* of the policy that is there already */
	bool gone;	   /* merged into another */
};
struct conduits {
	struct conduit *v;
	uint32_t n, cap;
};

static bool
same_ends(const struct ends *a, const struct ends *b)
{
	return a->n == b->n && memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0;
}

static bool
same_body(const struct body *a, const struct body *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i].text, b->v[i].text) != 0)
			return false;
	return true;
}

static void
line_merge(struct line *to, const struct line *x)
{
	learn_merge(&to->seen, &x->seen);
	if (x->peak > to->peak)
		to->peak = x->peak;
}

/* Conduits that say the same, of the same one end, become one. */
static void
join_conduits(struct learn *l, struct conduits *c, bool by_from)
{
	for (uint32_t i = 0; i < c->n; i++)
		for (uint32_t k = i + 1; k < c->n && !c->v[i].gone; k++) {
			struct conduit *a = &c->v[i], *b = &c->v[k];
			struct ends *to = by_from ? &a->to : &a->from,
				    *add = by_from ? &b->to : &b->from;

			if (b->gone || a->existing != b->existing ||
			    !same_ends(by_from ? &a->from : &a->to, by_from ? &b->from : &b->to) ||
			    !same_body(&a->body, &b->body))
				continue;
			for (uint32_t e = 0; e < add->n; e++)
				vec_push(l->a, to, add->v[e]);
			for (uint32_t e = 0; e < a->body.n; e++)
				line_merge(&a->body.v[e], &b->body.v[e]);
			b->gone = true;
		}
}

static struct conduits
conduits_of(struct learn *l)
{
	struct conduits c = {0};

	for (uint32_t i = 0; i < l->pairs.n; i++) {
		const struct learn_pair *p = &l->pairs.v[i];
		struct conduit k = {.existing = p->conduit};

		learn_body(l, &k.body, p, p->conduit != RULE_NONE);
		if (k.body.n == 0)
			continue;
		vec_push(l->a, &k.from, p->from);
		vec_push(l->a, &k.to, p->to);
		vec_push(l->a, &c, k);
	}
	join_conduits(l, &c, true);
	join_conduits(l, &c, false);
	return c;
}

/* --- the whole -------------------------------------------------------------------------------------- */

static void
put_evidence(struct learn *l, struct learn_text *t, const struct learn_evidence *e)
{
	char when[CLOCK_STRLEN];
	uint64_t shown = e->n < LEARN_FRAMES ? e->n : LEARN_FRAMES;
	double span = (double)(e->last_ns - e->first_ns) / 1e9;

	learn_put(l, t, "# %" PRIu64 " time%s", e->n, e->n == 1 ? "" : "s");
	learn_put(l, t, ", %.19s", clock_str(e->first_ns, when));
	if (e->n > 1)
		learn_put(l, t, " to %.19s", clock_str(e->last_ns, when));
	if (e->n >= RATE_MIN)
		learn_put(l, t, ", every %.3g s", span / (double)(e->n - 1));
	learn_put(l, t, "; frame%s", e->n == 1 ? "" : "s");
	for (uint64_t i = 0; i < shown; i++)
		learn_put(l, t, "%s %" PRIu64, i ? "," : "", e->frames[i]);
	if (e->n > shown)
		learn_put(l, t, " ... %" PRIu64, e->last_frame);
}

static void
put_lines(struct learn *l, struct learn_text *t, const struct body *b, bool enabled)
{
	for (uint32_t i = 0; i < b->n; i++) {
		const struct line *x = &b->v[i];

		if (x->approval && enabled)
			continue;
		if (x->peak != 0) {
			char limit[64];

			snprintf(limit, sizeof(limit), "%s {rate: %u/s}", x->text,
			    learn_rate_of(x->peak));
			learn_put(l, t,
			    "%-*s  # at most %u request%s of one connection in a second\n",
			    COLUMN - 2, limit, x->peak, x->peak == 1 ? "" : "s");
			continue;
		}
		if (!x->proof) {
			learn_put(l, t, "%s\n", x->text);
			continue;
		}
		learn_put(l, t, "%-*s  ", COLUMN - 2, x->text);
		put_evidence(l, t, &x->seen);
		learn_put(
		    l, t, "%s\n", x->risky ? "; CHANGES THE STATE OR PROGRAM OF THE DEVICE" : "");
	}
}

static void
put_ends(struct learn *l, struct learn_text *t, const char *key, const struct ends *e)
{
	learn_put(l, t, "    %s: [", key);
	for (uint32_t i = 0; i < e->n; i++)
		learn_put(l, t, "%s%s", i ? ", " : "", l->devices.v[e->v[i]].name);
	learn_put(l, t, "]\n");
}

static void
put_conduit(struct learn *l, struct learn_text *t, const struct conduit *c, bool enabled)
{
	learn_put(l, t, "  - name: %s-%s", l->devices.v[c->from.v[0]].name,
	    l->devices.v[c->to.v[0]].name);
	if (c->from.n + c->to.n > 2)
		learn_put(l, t, "-and-%u-more", c->from.n + c->to.n - 2);
	learn_put(l, t, "\n");
	put_ends(l, t, "from", &c->from);
	put_ends(l, t, "to", &c->to);
	put_lines(l, t, &c->body, enabled);
}

static int
by_address(const void *a, const void *b)
{
	const struct learn_device *const *x = a, *const *y = b;

	return memcmp((*x)->addr.b, (*y)->addr.b, sizeof((*x)->addr.b));
}

static struct learn_device **
sorted(struct learn *l)
{
	struct learn_device **d =
	    arena_array(l->a, l->devices.n + 1u, sizeof(struct learn_device *));

	for (uint32_t i = 0; i < l->devices.n; i++)
		d[i] = &l->devices.v[i];
	qsort(d, l->devices.n, sizeof(struct learn_device *), by_address);
	return d;
}

/* The widest prefixes, not wider than /24 or /64, that hold no address of another zone. */
static void
put_nets(struct learn *l, struct learn_text *t, struct learn_device *const *d, const char *zone)
{
	bool first = true;

	for (uint32_t i = 0; i < l->devices.n;) {
		struct net_prefix p = {d[i]->addr, 128};
		uint32_t last = i;
		uint8_t least = net_addr_is4(&d[i]->addr) ? 120 : 64;
		char text[NET_ADDR_STRLEN];

		if (d[i]->declared || strcmp(d[i]->zone, zone) != 0) {
			i++;
			continue;
		}
		for (uint8_t len = 127; len >= least; len--) {
			struct net_prefix wide = {d[i]->addr, len};
			bool ours = true;

			for (unsigned bit = len; bit < 128; bit++)
				wide.addr.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
			for (uint32_t k = 0; k < l->devices.n && ours; k++)
				ours = !net_prefix_has(&wide, &d[k]->addr) ||
				       (!d[k]->declared && strcmp(d[k]->zone, zone) == 0);
			if (!ours)
				break;
			p = wide;
		}
		while (last + 1 < l->devices.n && net_prefix_has(&p, &d[last + 1]->addr))
			last++;
		learn_put(l, t, "%s\"%s/%u\"", first ? "" : ", ", net_addr_str(&p.addr, text),
		    net_addr_is4(&p.addr) ? p.len - 96u : p.len);
		first = false;
		i = last + 1;
	}
}

static void
put_device(struct learn *l, struct learn_text *t, const struct learn_device *d)
{
	char addr[NET_ADDR_STRLEN], mac[NET_ADDR_STRLEN];

	learn_put(
	    l, t, "  %s: {zone: %s, ip: \"%s\"", d->name, d->zone, net_addr_str(&d->addr, addr));
	if (d->has_mac && !d->macs_differ)
		learn_put(l, t, ", mac: \"%s\"", net_mac_str(d->mac, mac));
	if (d->role)
		learn_put(l, t, ", role: %s", d->role);
	learn_put(l, t, "}\n");
}

static bool
in_zone(const struct learn *l, const char *zone)
{
	for (uint32_t i = 0; i < l->devices.n; i++)
		if (!l->devices.v[i].declared && strcmp(l->devices.v[i].zone, zone) == 0)
			return true;
	return false;
}

static void
put_zones(struct learn *l, struct learn_text *t, struct learn_device *const *d)
{
	static const struct {
		const char *name;
		unsigned level;
	} zones[] = {{"scada", 2}, {"cell", 1}};

	learn_put(l, t, "zones:%s\n", l->devices.n ? "" : " {}");
	for (unsigned z = 0; z < 2; z++) {
		if (!in_zone(l, zones[z].name))
			continue;
		learn_put(l, t, "  %s: {level: %u, nets: [", zones[z].name, zones[z].level);
		put_nets(l, t, d, zones[z].name);
		learn_put(l, t, "]}\n");
	}
	learn_put(l, t, "devices:%s\n", l->devices.n ? "" : " {}");
	for (uint32_t i = 0; i < l->devices.n; i++)
		if (!d[i]->declared)
			put_device(l, t, d[i]);
}

static void
put_l2(struct learn *l, struct learn_text *t)
{
	static const struct {
		uint16_t type;
		const char *name;
	} usual[] = {{0x88cc, "lldp"}, {0x88e3, "mrp"}, {0x88f7, "ptp"}};

	learn_put(l, t, "l2: {arp: bound, allow: [stp, lldp, mrp, ptp");
	for (uint32_t i = 0; i < l->ethertypes.n; i++) {
		bool known = false;

		for (unsigned k = 0; k < 3; k++)
			known |= usual[k].type == l->ethertypes.v[i].sub;
		if (!known)
			learn_put(l, t, ", 0x%04x", l->ethertypes.v[i].sub);
	}
	learn_put(l, t, "]%s}\n", l->routers ? ", ra: alert" : "");
}

void
learn_write(struct learn *l, const char *header, bool enabled, struct learn_text *out)
{
	struct learn_device **d = sorted(l);
	struct conduits c = conduits_of(l);
	bool any = false;

	learn_put(l, out,
	    "%s# Nothing is allowed yet: every rule says `enabled: false`. Read it, take out what "
	    "should not\n"
	    "# be, and take that line away from what may stay. The mode only tells; `enforce` "
	    "enforces.\n"
	    "interlock: 1\nmode: alert\n",
	    header);
	put_l2(l, out);
	put_zones(l, out, d);
	learn_put(l, out, "conduits:");
	for (uint32_t i = 0; i < c.n; i++) {
		if (c.v[i].gone)
			continue;
		learn_put(l, out, any ? "" : "\n");
		any = true;
		put_conduit(l, out, &c.v[i], enabled);
	}
	if (!any)
		learn_put(l, out, " []\n");
}

bool
learn_write_more(struct learn *l, const char *path, struct learn_text *out)
{
	struct learn_device **d = sorted(l);
	struct conduits c = conduits_of(l);
	bool said = false;

	for (uint32_t i = 0; i < c.n; i++) {
		const struct conduit *k = &c.v[i];
		unsigned line, col;

		if (k->gone || k->existing == RULE_NONE ||
		    policy_conduit_place(l->base, k->existing, &line, &col) < 0)
			continue;
		learn_put(l, out, "%s# To conduit \"%s\", %s:%u:%u; for", said ? "\n" : "",
		    policy_conduit_name(l->base, k->existing), path, line, col);
		for (uint32_t e = 0; e < k->from.n; e++)
			learn_put(l, out, " %s", l->devices.v[k->from.v[e]].name);
		learn_put(l, out, " ->");
		for (uint32_t e = 0; e < k->to.n; e++)
			learn_put(l, out, " %s", l->devices.v[k->to.v[e]].name);
		learn_put(l, out, "\n");
		put_lines(l, out, &k->body, false);
		said = true;
	}
	for (uint32_t i = 0, first = 1; i < l->devices.n; i++) {
		bool talks = false;

		for (uint32_t p = 0; p < l->pairs.n; p++)
			talks |= &l->devices.v[l->pairs.v[p].from] == d[i] ||
				 &l->devices.v[l->pairs.v[p].to] == d[i];
		if (d[i]->declared || !talks)
			continue;
		if (first)
			learn_put(l, out, "%s# New devices; their zones are guesses.\ndevices:\n",
			    said ? "\n" : "");
		first = 0;
		said = true;
		put_device(l, out, d[i]);
	}
	for (uint32_t i = 0, first = 1; i < c.n; i++) {
		if (c.v[i].gone || c.v[i].existing != RULE_NONE)
			continue;
		if (first)
			learn_put(l, out, "%s# Pairs that have no conduit.\nconduits:\n",
			    said ? "\n" : "");
		first = 0;
		said = true;
		put_conduit(l, out, &c.v[i], false);
	}
	return said;
}
