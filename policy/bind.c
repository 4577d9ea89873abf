/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bind.c - from addresses and ports to the conduit that governs them, and the
 * frames below IP.  Runs once per flow, and per non-IP frame.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "policy/table.h"

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
	pair_map_init(&p->keep, &p->pairs, (uint32_t)rules_pairs(rs));
	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		const struct conduit *c = &rs->conduits[i];

		for (uint32_t f = 0; f < c->from.n; f++)
			for (uint32_t t = 0; t < c->to.n; t++)
				pair_map_put(&p->pairs,
				    pair_key(end_key(c->from.v[f].kind, c->from.v[f].index),
					end_key(c->to.v[t].kind, c->to.v[t].index)), i);
	}
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
bind_lookup(const struct policy *p, const struct net_addr *src, const struct net_addr *dst)
{
	uint32_t from[3], to[3], c;
	unsigned nf = bind_ends(p, src, from), nt = bind_ends(p, dst, to);

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

/* --- binding ----------------------------------------------------------------------------------- */

static struct verdict
verdict_of(const struct policy *p, uint8_t mode, uint8_t would, uint8_t reason, uint32_t conduit)
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

/* A tagged frame must carry the VLAN of one of the two zones, when either names one. */
static bool
vlan_fits(const struct policy *p, const struct net_tuple *t)
{
	uint32_t a, b;
	uint16_t va, vb;

	if (t->vlan == 0)
		return true;
	a = bind_zone(p, &t->src);
	b = bind_zone(p, &t->dst);
	va = a != UINT32_MAX ? p->rs->zones[a].vlan : 0;
	vb = b != UINT32_MAX ? p->rs->zones[b].vlan : 0;
	return (va == 0 && vb == 0) || t->vlan == va || t->vlan == vb;
}

/* Does the frame's MAC fit the device declared at the address?  A capture
 * without link layer has none: that fits. */
static bool
mac_fits(const struct policy *p, const struct net_addr *a, const uint8_t mac[6])
{
	static const uint8_t none[6];
	uint32_t d;

	if (memcmp(mac, none, sizeof(none)) == 0)
		return true;
	d = bind_device(p, a);
	return d == UINT32_MAX || !p->rs->devices[d].has_mac ||
	    memcmp(p->rs->devices[d].mac, mac, 6) == 0;
}

struct verdict
policy_bind(const struct policy *p, const struct net_tuple *t, struct policy_bind *out)
{
	uint32_t c = bind_lookup(p, &t->src, &t->dst);
	const struct tb_conduit *cd;
	uint8_t would;

	*out = (struct policy_bind){.conduit = RULE_NONE, .generation = (uint16_t)p->generation};
	if (c == RULE_NONE || !vlan_fits(p, t))
		return verdict_of(p, p->rs->mode, VERDICT_DROP, REASON_NO_CONDUIT, RULE_NONE);
	cd = &p->conduits[c];
	out->conduit = c;
	out->blocks = ports_served(&p->rs->conduits[c], t);
	if (p->rs->conduits[c].apps.n && out->blocks == 0 && !registered_port(t->dport))
		out->flags = BIND_APPS;
	if (out->blocks == 0 && !out->flags) { /* an opening holds nothing a protocol could refuse */
		would = cd->otherwise == VERDICT_REJECT ? VERDICT_DROP : cd->otherwise;
		return verdict_of(p, cd->mode, would, REASON_PORT, c);
	}
	out->flags |= out->blocks ? BIND_PORT_OK : 0;
	if (p->rs->l2.mac != VERDICT_ALLOW &&
	    (!mac_fits(p, &t->src, t->smac) || !mac_fits(p, &t->dst, t->dmac)))
		return verdict_of(p, cd->mode, p->rs->l2.mac, REASON_L2, c);
	return verdict_of(p, cd->mode, VERDICT_ALLOW, REASON_RULE, c);
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
	return verdict_of(p, p->conduits[b->conduit].mode, VERDICT_ALLOW, REASON_APP, b->conduit);
}

struct verdict
policy_condition(const struct policy *p, const struct policy_bind *b, enum policy_cond c)
{
	uint32_t conduit = b && b->conduit < p->n_conduits ? b->conduit : RULE_NONE;
	uint8_t mode = conduit != RULE_NONE ? p->conduits[conduit].mode : p->rs->mode;
	uint8_t would = conduit != RULE_NONE ? p->conduits[conduit].cond[c] : p->rs->cond[c];
	struct verdict v = verdict_of(p, mode, would, REASON_CONDITION, conduit);

	v.rule = c;
	return v;
}

/* --- below IP ------------------------------------------------------------------------------------ */

#define L2_LLC_MAX 0x0600u /* below: a length, so LLC (IEEE 802.3) */

static bool
l2_is_stp(const struct policy_l2 *f)
{
	static const uint8_t bridge[6] = {0x01, 0x80, 0xc2, 0, 0, 0};	   /* IEEE 802.1D 7.12.3 */
	static const uint8_t pvst[6] = {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}; /* the per-VLAN form */

	return f->ethertype < L2_LLC_MAX &&
	    (memcmp(f->dmac, bridge, 6) == 0 || memcmp(f->dmac, pvst, 6) == 0);
}

static bool
l2_type_allowed(const struct l2_rules *r, uint16_t type)
{
	uint32_t lo = 0, hi = r->n_types;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->types[mid] < type)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n_types && r->types[lo] == type;
}

/* Both ends declared (a probe has no sender yet, RFC 5227), and the MACs fit. */
static uint8_t
l2_arp_bound(const struct policy *p, const struct policy_l2 *f)
{
	static const uint8_t zero[4];
	bool probe = memcmp(f->arp_sip.b + 12, zero, 4) == 0;

	if ((!probe && bind_device(p, &f->arp_sip) == UINT32_MAX) ||
	    bind_device(p, &f->arp_tip) == UINT32_MAX)
		return p->rs->l2.otherwise;
	if (!probe && (!mac_fits(p, &f->arp_sip, f->arp_smac) || memcmp(f->arp_smac, f->smac, 6) != 0))
		return p->rs->l2.mac;
	return VERDICT_ALLOW;
}

struct verdict
policy_eval_l2(const struct policy *p, const struct policy_l2 *f)
{
	const struct l2_rules *r = &p->rs->l2;
	uint8_t would = r->otherwise;

	if (f->arp) {
		if (r->arp == ARP_ANY)
			would = VERDICT_ALLOW;
		else if (r->arp == ARP_DROP)
			would = VERDICT_DROP;
		else
			would = l2_arp_bound(p, f);
	} else if (f->ethertype < L2_LLC_MAX ? r->stp && l2_is_stp(f) :
					       l2_type_allowed(r, f->ethertype)) {
		would = VERDICT_ALLOW;
	}
	return verdict_of(p, p->rs->mode, would, REASON_L2, RULE_NONE);
}
