/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.c - from addresses and ports to the conduit that governs them.  Runs once per flow.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/table.h"
#include "policy/window.h"

static uint32_t
addr_hash(const struct net_addr *a)
{
	uint64_t x, y;

	memcpy(&x, a->b, 8);
	memcpy(&y, a->b + 8, 8);
	x = (x ^ (y * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(x >> 32);
}

/* --- building -------------------------------------------------------------------------- */

static int
net_longest_first(const void *va, const void *vb)
{
	const struct tb_net *a = va, *b = vb;

	if (a->p.len != b->p.len)
		return b->p.len - a->p.len;
	return memcmp(a->p.addr.b, b->p.addr.b, 16);
}

static void
build_nets(struct policy *p, const struct ruleset *rs)
{
	uint32_t n = 0;

	for (uint32_t z = 0; z < rs->n_zones; z++)
		n += rs->zones[z].n_nets;
	p->nets = arena_array(&p->keep, n + 1u, sizeof(*p->nets));
	for (uint32_t z = 0; z < rs->n_zones; z++)
		for (uint32_t i = 0; i < rs->zones[z].n_nets; i++)
			p->nets[p->n_nets++] = (struct tb_net){rs->zones[z].nets[i], z};
	qsort(p->nets, p->n_nets, sizeof(*p->nets), net_longest_first);
	for (unsigned l = 0, i = p->n_nets; l <= 129; l++) { /* first net shorter than l */
		while (i > 0 && p->nets[i - 1].p.len < l)
			i--;
		p->net_len[l] = i;
	}
}

void
compile_bind(struct policy *p, const struct ruleset *rs)
{
	uint32_t size = 16;

	build_nets(p, rs);
	while (size < rs->n_devices * 2)
		size *= 2;
	p->device_mask = size - 1;
	p->device_slot = arena_array(&p->keep, size, sizeof(*p->device_slot));
	for (uint32_t d = 0; d < rs->n_devices; d++) {
		uint32_t i = addr_hash(&rs->devices[d].ip);

		while (p->device_slot[i & p->device_mask] != 0)
			i++;
		p->device_slot[i & p->device_mask] = d + 1;
	}
	p->pairs = *rs->pairs;
}

/* --- looking up ---------------------------------------------------------------------------- */

uint32_t
bind_device(const struct policy *p, const struct net_addr *a)
{
	uint32_t i = addr_hash(a), d;

	while ((d = p->device_slot[i & p->device_mask]) != 0) {
		if (net_addr_eq(&p->rs->devices[d - 1].ip, a))
			return d - 1;
		i++;
	}
	return UINT32_MAX;
}

uint32_t
bind_zone(const struct policy *p, const struct net_addr *a)
{
	uint32_t group = 0, lo, hi, mid;

	while (group < p->n_nets) { /* one group per prefix length, longest first */
		uint8_t len = p->nets[group].p.len;
		uint32_t end = p->net_len[len];

		for (lo = group, hi = end; lo < hi;) {
			mid = lo + (hi - lo) / 2;
			if (net_prefix_has(&p->nets[mid].p, a))
				return p->nets[mid].zone;
			if (memcmp(p->nets[mid].p.addr.b, a->b, 16) < 0)
				lo = mid + 1;
			else
				hi = mid;
		}
		group = end;
	}
	return UINT32_MAX;
}

unsigned
bind_ends(const struct policy *p, const struct net_addr *a, uint32_t end[3])
{
	uint32_t device = bind_device(p, a), zone;
	unsigned n = 0;

	if (device != UINT32_MAX) {
		zone = p->rs->devices[device].zone;
		end[n++] = end_key(END_DEVICE, device);
		end[n++] = end_key(END_ZONE, zone);
	} else {
		zone = bind_zone(p, a);
	}
	if (zone != UINT32_MAX)
		end[n++] = end_key(END_ANY, zone);
	return n;
}

uint32_t
bind_lookup_ends(
    const struct policy *p, const uint32_t *from, unsigned nf, const uint32_t *to, unsigned nt)
{
	uint32_t c;

	/* Narrow before wide, counted from the widest end of either side; the
	 * load has made sure that of two equally narrow pairs only one is written
	 * or a narrower one is. */
	for (unsigned wide = 0; nf && nt && wide <= nf - 1 + nt - 1; wide++)
		for (unsigned f = 0; f <= wide && f < nf; f++) {
			if (wide - f >= nt)
				continue;
			c = pair_map_get(&p->pairs, pair_key(from[f], to[wide - f]));
			if (c != PAIR_NONE)
				return c;
		}
	return RULE_NONE;
}

uint32_t
bind_lookup(const struct policy *p, const struct net_addr *src, const struct net_addr *dst)
{
	uint32_t from[3], to[3];
	unsigned nf = bind_ends(p, src, from), nt = bind_ends(p, dst, to);

	return bind_lookup_ends(p, from, nf, to, nt);
}

/* --- binding ----------------------------------------------------------------------------------- */

struct verdict
bind_verdict(const struct policy *p, uint8_t mode, uint8_t would, uint8_t reason, uint32_t conduit)
{
	return (struct verdict){.action = mode_apply(mode, would), .would = would, .reason = reason,
	    .mode = mode, .rule = RULE_NONE, .conduit = conduit, .generation = p->generation};
}

static uint8_t
ports_served(const struct conduit *c, const struct net_tuple *t)
{
	uint8_t bits = 0;

	for (uint32_t i = 0; i < c->n_blocks; i++)
		for (uint32_t j = 0; j < c->blocks[i].ports.n; j++) {
			const struct port_span *s = &c->blocks[i].ports.v[j];

			if (t->dport >= s->lo && t->dport <= s->hi &&
			    ((t->proto == NET_PROTO_TCP && s->tcp) ||
				(t->proto == NET_PROTO_UDP && s->udp)))
				bits |= (uint8_t)(1u << i);
		}
	return bits;
}

/*
 * The usual port of a protocol that we read.  `apps:` is not for these, nor for ports that a
 * block serves: a name is given once, and what follows it is not read.
 */
static bool
registered_port(uint16_t port)
{
	for (unsigned i = 0; i < n_dissectors; i++)
		for (const uint16_t *p = dissectors[i]->ports; p && *p; p++)
			if (*p == port)
				return true;
	return false;
}

/*
 * Does the frame carry a VLAN that one of the two zones has?  What a SPAN port shows without a
 * tag may have had one.
 */
bool
bind_vlan_fits(const struct policy *p, uint32_t zs, uint32_t zd, uint16_t vlan, uint8_t port)
{
	uint16_t vs = zs != UINT32_MAX ? p->rs->zones[zs].vlan : 0;
	uint16_t vd = zd != UINT32_MAX ? p->rs->zones[zd].vlan : 0;

	if ((vs == 0 && vd == 0) || (vlan == 0 && !(port & NET_PORT_TWO)))
		return true;
	return (vs != 0 && vlan == vs) || (vd != 0 && vlan == vd);
}

bool
bind_port_fits(const struct policy *p, uint32_t zone, uint8_t port)
{
	uint8_t want = zone != UINT32_MAX ? p->rs->zones[zone].port : ZONE_PORT_UNSAID;

	return want == ZONE_PORT_UNSAID || !(port & NET_PORT_TWO) ||
	       want == (port & 1 ? ZONE_INSIDE : ZONE_OUTSIDE);
}

/* Both ends: the sender is on this side, the receiver on the other. */
static bool
place_fits(const struct policy *p, const struct net_tuple *t)
{
	uint32_t zs = bind_zone(p, &t->src), zd = bind_zone(p, &t->dst);

	return bind_port_fits(p, zs, t->port) && bind_port_fits(p, zd, t->port ^ 1) &&
	       bind_vlan_fits(p, zs, zd, t->vlan, t->port);
}

bool
bind_mac_fits(const struct policy *p, const struct net_addr *a, const uint8_t mac[6])
{
	static const uint8_t none[6];
	uint32_t d;

	if (memcmp(mac, none, sizeof(none)) == 0)
		return true;
	d = bind_device(p, a);
	return d == UINT32_MAX || !p->rs->devices[d].has_mac ||
	    memcmp(p->rs->devices[d].mac, mac, 6) == 0;
}

/*
 * The verdict on a packet between two addresses that its conduit serves, or not: the worst of
 * that, the place it came from, and its MACs.
 */
struct verdict
bind_between(const struct policy *p, const struct net_tuple *t, uint32_t c, bool served)
{
	const struct tb_conduit *cd;
	uint8_t would = VERDICT_ALLOW, reason = REASON_RULE;

	if (c == RULE_NONE)
		return bind_verdict(p, p->rs->mode, VERDICT_DROP, REASON_NO_CONDUIT, RULE_NONE);
	cd = &p->conduits[c];
	if (!served) { /* an opening holds nothing a protocol could refuse */
		would = cd->otherwise == VERDICT_REJECT ? VERDICT_DROP : cd->otherwise;
		reason = REASON_PORT;
	}
	if (would < p->rs->l2.mac &&
	    (!bind_mac_fits(p, &t->src, t->smac) || !bind_mac_fits(p, &t->dst, t->dmac))) {
		would = p->rs->l2.mac;
		reason = REASON_L2;
	}
	if (would < VERDICT_DROP && !place_fits(p, t)) {
		would = VERDICT_DROP;
		reason = REASON_PLACE;
	}
	return bind_verdict(p, cd->mode, would, reason, c);
}

/* The rule of `l4:` for a port, or NULL. */
static const struct rule *
l4_rule(const struct conduit *c, const struct net_tuple *t)
{
	for (uint32_t i = 0; c->l4 && i < c->l4->allow.n; i++) {
		const struct rule *r = c->l4->allow.v[i];

		for (uint32_t j = 0; r->enabled && j < r->ports.n; j++)
			if (t->dport >= r->ports.v[j].lo && t->dport <= r->ports.v[j].hi &&
			    ((t->proto == NET_PROTO_TCP && r->ports.v[j].tcp) ||
				(t->proto == NET_PROTO_UDP && r->ports.v[j].udp)))
				return r;
	}
	return NULL;
}

/* What the rule says, unless the place or a MAC is worse. */
static struct verdict
l4_verdict(const struct policy *p, const struct rule *r, const struct verdict v)
{
	uint8_t mode = r->mode == MODE_UNSET ? p->conduits[v.conduit].mode : r->mode;
	struct verdict own = bind_verdict(p, mode, r->verdict, REASON_RULE, v.conduit);

	own.rule = r->index;
	return v.would > own.would ? v : own;
}

/* --- windows ----------------------------------------------------------------------------------- */

static bool
among(const struct net_addr *v, uint8_t n, const struct net_addr *a)
{
	for (uint8_t i = 0; i < n; i++)
		if (net_addr_eq(&v[i], a))
			return true;
	return false;
}

bool
permit_between(const struct policy_permit *m, const struct net_tuple *t)
{
	return among(m->from, m->n_from, &t->src) && among(m->to, m->n_to, &t->dst);
}

/* Is one of these windows open for these ends?  rule: for what it allows, or RULE_NONE.  grace: or may
 * what runs come to its end? */
static bool
open_for(const struct policy *p, uint64_t only_in, uint32_t conduit, uint32_t rule,
    const struct policy_clock *c, const struct net_tuple *t, bool grace)
{
	uint32_t may = c ? c->permits | (grace ? c->ending : 0u) : 0u;

	if (only_in == 0 || (c && only_in & (c->open | (grace ? c->grace : 0))))
		return true;
	for (; may != 0; may &= may - 1) {
		const struct policy_permit *m = &c->permit[__builtin_ctz(may)];

		if (m->windows & only_in && (m->conduit == RULE_NONE || m->conduit == conduit) &&
		    permit_between(m, t) && (rule == RULE_NONE || permit_rule(p, m, c->open, rule)))
			return true;
	}
	return false;
}

bool
policy_conduit_open(const struct policy *p, uint32_t conduit, const struct policy_clock *c,
    const struct net_tuple *t, bool grace)
{
	return conduit >= p->n_conduits ||
	       open_for(p, p->conduits[conduit].only_in, conduit, RULE_NONE, c, t, grace);
}

bool
policy_rule_open(
    const struct policy *p, uint32_t rule, const struct policy_clock *c, const struct net_tuple *t)
{
	return rule >= p->rs->n_rules || open_for(p, p->rs->rules[rule]->only_in,
					     p->rs->rule_conduit[rule]->index, rule, c, t, true);
}

struct verdict
bind_window(const struct policy *p, const struct net_tuple *t, const struct policy_clock *clock,
    struct verdict v)
{
	const struct tb_conduit *c;

	if (v.would >= VERDICT_DROP || v.conduit == RULE_NONE || v.reason == REASON_PORT)
		return v;
	c = &p->conduits[v.conduit];
	if (open_for(p, c->only_in, v.conduit, v.reason == REASON_RULE ? v.rule : RULE_NONE, clock,
		t, false))
		return v;
	v = bind_verdict(p, c->mode, c->otherwise == VERDICT_REJECT ? VERDICT_DROP : c->otherwise,
	    REASON_WINDOW, v.conduit);
	v.rule = (uint32_t)__builtin_ctzll(c->only_in);
	return v;
}

struct verdict
policy_bind_in(const struct policy *p, const struct net_tuple *t, const struct policy_clock *clock,
    struct policy_bind *out)
{
	uint32_t c = bind_lookup(p, &t->src, &t->dst);
	const struct rule *l4 = NULL;
	struct verdict v;

	*out = (struct policy_bind){.conduit = c, .generation = (uint16_t)p->generation};
	if (c != RULE_NONE) {
		out->blocks = ports_served(&p->rs->conduits[c], t);
		out->flags = p->conduits[c].flags;
		if (out->blocks & p->conduits[c].rejects)
			out->flags |= BIND_REJECT;
		if (out->blocks & (p->conduits[c].rates | p->conduits[c].timeouts))
			out->flags |= BIND_RATE;
		if (out->blocks & p->conduits[c].states)
			out->flags |= BIND_STATE;
		l4 = out->blocks ? NULL : l4_rule(&p->rs->conduits[c], t);
		if (out->blocks)
			out->flags |= BIND_PORT_OK;
		else if (l4)
			out->flags |= BIND_L4;
		else if (p->rs->conduits[c].apps.n && !registered_port(t->dport))
			out->flags |= BIND_APPS;
	}
	v = l4 ? l4_verdict(p, l4, bind_between(p, t, c, true))
	       : bind_between(p, t, c, (out->flags & (BIND_PORT_OK | BIND_APPS)) != 0);
	return bind_window(p, t, clock, v);
}

struct verdict
policy_bind(const struct policy *p, const struct net_tuple *t, struct policy_bind *out)
{
	return policy_bind_in(p, t, NULL, out);
}

bool
policy_app_allowed(const struct policy *p, const struct policy_bind *b, const char *name)
{
	const struct globs *apps;

	if (b->conduit >= p->n_conduits)
		return false;
	apps = &p->rs->conduits[b->conduit].apps;
	for (uint32_t i = 0; i < apps->n; i++)
		if (strcasecmp(apps->v[i], name) == 0)
			return true;
	return false;
}

struct verdict
policy_app(const struct policy *p, const struct policy_bind *b)
{
	return bind_verdict(p, p->conduits[b->conduit].mode, VERDICT_ALLOW, REASON_APP, b->conduit);
}

struct verdict
policy_condition(const struct policy *p, const struct policy_bind *b, enum policy_cond c)
{
	uint32_t conduit = b && b->conduit < p->n_conduits ? b->conduit : RULE_NONE;
	uint8_t mode = conduit != RULE_NONE ? p->conduits[conduit].mode : p->rs->mode;
	uint8_t would = conduit != RULE_NONE ? p->conduits[conduit].cond[c] : p->rs->cond[c];
	struct verdict v = bind_verdict(p, mode, would, REASON_CONDITION, conduit);

	v.rule = c;
	return v;
}
