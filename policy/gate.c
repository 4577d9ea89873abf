/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.c - the tables of gate.h, out of what policy_bind() looks up.  A verdict that the mode
 * takes back is not a filter's to enforce, so each word here is the one after its mode.
 */
#include "policy/gate.h"

#include "policy/kernel.h"
#include "policy/table.h"

_Static_assert(GATE_ARP_BOUND == (int)ARP_BOUND && GATE_ARP_ANY == (int)ARP_ANY &&
		   GATE_ARP_DROP == (int)ARP_DROP,
    "the same words");

static const struct gate_zone *
gate_zones(struct arena *a, const struct ruleset *rs)
{
	struct gate_zone *v = arena_array(a, rs->n_zones + 1u, sizeof(*v));

	for (uint32_t i = 0; i < rs->n_zones; i++) {
		const struct zone *z = &rs->zones[i];

		v[i] = (struct gate_zone){.vlan = z->vlan,
		    .vlan_any = z->vlan == 0,
		    .port = (int8_t)(z->port == ZONE_OUTSIDE  ? 0
				     : z->port == ZONE_INSIDE ? 1
							      : -1),
		    .packets_per_s = z->packets_per_s,
		    .flows_per_s = z->flows_per_s};
	}
	return v;
}

static const struct gate_device *
gate_devices(struct arena *a, const struct ruleset *rs)
{
	struct gate_device *v = arena_array(a, rs->n_devices + 1u, sizeof(*v));

	for (uint32_t i = 0; i < rs->n_devices; i++) {
		const struct device *d = &rs->devices[i];

		v[i] = (struct gate_device){.addr = d->ip, .zone = d->zone, .has_mac = d->has_mac};
		memcpy(v[i].mac, d->mac, sizeof(v[i].mac));
	}
	return v;
}

/* Every pair that policy_bind() may find, once. */
static const struct gate_pair *
gate_pairs(struct policy *p, uint32_t *n)
{
	struct gate_pair *v = arena_array(&p->keep, p->pairs.n + 1u, sizeof(*v));

	*n = 0;
	for (uint32_t i = 0; i <= p->pairs.mask; i++)
		if (p->pairs.conduit[i] != PAIR_NONE)
			v[(*n)++] = (struct gate_pair){(uint32_t)(p->pairs.key[i] >> 32),
			    (uint32_t)p->pairs.key[i], p->pairs.conduit[i]};
	return v;
}

static uint32_t
zone_of(const struct ruleset *rs, uint32_t end)
{
	uint32_t index = end & ((1u << 30) - 1);

	return end >> 30 == END_DEVICE ? rs->devices[index].zone : index;
}

/* A filter that passes a PDU by itself has to count it, when the zone of either end is counted. */
static void
mark_counted(
    const struct ruleset *rs, const struct gate_pair *pairs, uint32_t n, struct gate_conduit *v)
{
	for (uint32_t i = 0; i < n; i++)
		v[pairs[i].conduit].counted |= (rs->zones[zone_of(rs, pairs[i].from)].packets_per_s |
						   rs->zones[zone_of(rs, pairs[i].to)].packets_per_s) != 0;
}

/* --- ports ------------------------------------------------------------------------------ */

struct span_list {
	struct gate_span v[GATE_SPANS];
	unsigned n;
	bool full;
};

static void
span_add(struct span_list *s, struct gate_span one)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->v[i].tcp == one.tcp && s->v[i].udp == one.udp && s->v[i].lo <= one.lo &&
		    one.hi <= s->v[i].hi)
			return;
	if (s->n == GATE_SPANS)
		s->full = true;
	else
		s->v[s->n++] = one;
}

/* The blocks that a filter may judge by; it has one place for each protocol. */
static void
gate_blocks(
    const struct policy *p, const struct ruleset *rs, uint32_t conduit, struct gate_conduit *v)
{
	const struct conduit *c = &rs->conduits[conduit];

	for (uint32_t i = 0; i < c->n_blocks; i++)
		if (gate_fast_why(p, rs, conduit, i) == KERNEL_YES)
			v->block[gate_fast_proto(c->blocks[i].dis->name)] =
			    p->block_of[conduit * p->n_protos + c->blocks[i].proto];
}

static void
gate_conduit(const struct ruleset *rs, const struct conduit *c, struct gate_conduit *out)
{
	struct span_list s = {0};

	bool lets = c->otherwise == VERDICT_ALERT || c->mode != MODE_ENFORCE;

	*out = (struct gate_conduit){.echo = c->echo || lets,
	    .fail_open = c->fail_open,
	    .place = mode_apply(c->mode, VERDICT_DROP),
	    .mac = mode_apply(c->mode, rs->l2.mac)};
	for (uint32_t b = 0; b < c->n_blocks; b++)
		for (uint32_t i = 0; i < c->blocks[b].ports.n; i++) {
			const struct port_span *p = &c->blocks[b].ports.v[i];

			span_add(&s, (struct gate_span){p->lo, p->hi, p->tcp, p->udp});
		}
	for (uint32_t r = 0; c->l4 && r < c->l4->allow.n; r++)
		for (uint32_t i = 0; c->l4->allow.v[r]->enabled && i < c->l4->allow.v[r]->ports.n;
		     i++) {
			const struct port_span *p = &c->l4->allow.v[r]->ports.v[i];

			span_add(&s, (struct gate_span){p->lo, p->hi, p->tcp, p->udp});
		}
	/* What is not on a port of it is the engine's, where it would let it pass or tell. */
	out->any_port = s.full || c->apps.n || lets;
	memcpy(out->span, s.v, sizeof(out->span));
	out->n_spans = (uint8_t)s.n;
}

static struct gate_conduit *
gate_conduits(struct policy *p, const struct ruleset *rs)
{
	struct gate_conduit *v = arena_array(&p->keep, rs->n_conduits + 1u, sizeof(*v));

	for (uint32_t i = 0; i < rs->n_conduits; i++) {
		gate_conduit(rs, &rs->conduits[i], &v[i]);
		gate_blocks(p, rs, i, &v[i]);
	}
	return v;
}

/* --- all of it ------------------------------------------------------------------------------ */

void
compile_gate_spec(struct policy *p, const struct ruleset *rs)
{
	struct arena *a = &p->keep;
	struct gate_spec *g = arena_get(a, sizeof(*g));
	uint8_t arp = rs->l2.arp;
	struct gate_net *nets = arena_array(a, p->n_nets + 1u, sizeof(*nets));
	struct gate_conduit *conduits = gate_conduits(p, rs);

	for (uint32_t i = 0; i < p->n_nets; i++)
		nets[i] = (struct gate_net){p->nets[i].p, p->nets[i].zone};
	*g = (struct gate_spec){.fail_open = rs->fail_open,
	    .default_pass = rs->mode != MODE_ENFORCE,
	    .n_zones = rs->n_zones,
	    .n_nets = p->n_nets,
	    .n_devices = rs->n_devices,
	    .n_conduits = rs->n_conduits,
	    .zones = gate_zones(a, rs),
	    .nets = nets,
	    .devices = gate_devices(a, rs),
	    .conduits = conduits,
	    .words = p->w,
	    .n_words = p->n_w,
	    .n_rules = rs->n_rules};
	g->pairs = gate_pairs(p, &g->n_pairs);
	mark_counted(rs, g->pairs, g->n_pairs, conduits);
	if (arp == GATE_ARP_DROP && rs->mode != MODE_ENFORCE)
		arp = GATE_ARP_ANY;
	g->l2 = (struct gate_l2){.arp = arp,
	    .mac = mode_apply(rs->mode, rs->l2.mac),
	    .place = mode_apply(rs->mode, VERDICT_DROP),
	    .otherwise = mode_apply(rs->mode, rs->l2.otherwise),
	    .ra = mode_apply(rs->mode, rs->l2.ra),
	    .mld = mode_apply(rs->mode, rs->l2.mld),
	    .stp = rs->l2.stp,
	    .dcp = rs->l2.dcp,
	    .n_types = rs->l2.n_types,
	    .types = rs->l2.types};
	p->gate = g;
}

const struct gate_spec *
policy_gate(const struct policy *p)
{
	return p->gate;
}
