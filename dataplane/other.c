/* SPDX-License-Identifier: Apache-2.0 */
/*
 * other.c - frames that are not TCP: UDP, fragments, what is not IP, and IPv6 with headers
 * that a guard does not let pass.  ICMP is icmp.c.
 */
#include <string.h>

#include "dataplane/engine_int.h"

void
engine_udp(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    uint32_t candidate)
{
	struct flow *f = engine_find(e, k, candidate);
	enum drop_reason why = DROP_NONE;
	unsigned dir;

	if (f && engine_stale(e, f) &&
	    !engine_rebind(e, f, engine_direction(f, k->src_is_lo), p, l))
		return;
	if (!f && (f = engine_new_flow(e, p, l, k)) == NULL)
		return;
	dir = engine_direction(f, k->src_is_lo);
	p->conduit = f->bind.conduit;
	f->last_tick = e->flows.now_tick;
	f->state = FLOW_OPEN;
	if (e->inline_mode && dir == DIR_TO_CLIENT)
		quota_grown(e, f);
	engine_aim(e, f, dir, l);
	if (e->inline_mode && !engine_may_enter(e, p, l, f, dir))
		return;
	if (l->pay_len > 0 &&
	    !feed_datagram(e, f, dir, p->bytes + l->pay_off, l->pay_len, &why))
		engine_drop(p, why);
}

/* --- what is not TCP or UDP --------------------------------------------------------------- */

struct verdict
engine_l2_verdict(const struct engine *e, const struct pkt *p, const struct layers *l)
{
	struct policy_l2 l2 = {.ethertype = l->ethertype, .vlan = l->vlan};
	struct cur c = cur_make(p->bytes, p->caplen);

	if (l->flags & LAYER_ARP)
		(void)decode_arp(p, l, &l2);
	if (l->smac) {
		memcpy(l2.smac, l->smac, 6);
		memcpy(l2.dmac, l->dmac, 6);
	}
	cur_skip(&c, l->l3_off);
	l2.head = cur_be16(&c);
	l2.has_head = cur_ok(&c);
	l2.port = engine_port(e, p);
	return policy_eval_l2(e->policy, &l2);
}

void
engine_l2(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct net_tuple t;
	struct verdict v;

	if (!e->policy)
		return;
	engine_tuple(e, p, l, &t);
	v = engine_l2_verdict(e, p, l);
	if (v.would != VERDICT_ALLOW)
		judge_flow(e, &v, &t, engine_flow_id(e, l), true);
	if (e->inline_mode && v.action >= VERDICT_REJECT)
		engine_drop(p, DROP_L2_POLICY);
}

static void transport(struct engine *e, struct pkt *p, const struct layers *l);

static void
refuse_fragment(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct verdict v = policy_condition(e->policy, NULL, COND_FRAGMENT);
	struct net_tuple t;

	engine_tuple(e, p, l, &t);
	judge_flow(e, &v, &t, hash_mix(e->flows.seed, l->frag_id, 0), false);
	engine_drop(p, DROP_FRAG_POLICY);
}

/*
 * IPv6 headers that a host may read otherwise than we do.  A routing header sends the datagram on
 * (RFC 5095), as a source route of IPv4 does.  A datagram in one piece with a fragment header is
 * whole by RFC 6946, half of one to older hosts: a fragment.  What is authenticated
 * cannot be trimmed.  An address of IPv4 in a header of IPv6 is nobody's, least of all the device's that has it in
 * IPv4 (RFC 4942 2.2): no sender has it, and some receivers take it for the other.  ESP and headers nobody knows end the walk in decode.c, as a protocol
 * of their own.
 */
bool
engine_extension(struct engine *e, struct pkt *p, const struct layers *l)
{
	if (l->flags & LAYER_ROUTED)
		engine_drop(p, DROP_IP_ROUTED);
	else if (l->flags & LAYER_MAPPED)
		engine_drop(p, DROP_POLICY_CONDUIT);
	else if (l->flags & LAYER_AUTH)
		engine_drop(p, DROP_IP_AUTH);
	else if (e->policy)
		refuse_fragment(e, p, l);
	return p->fate == FATE_FORWARD;
}

/*
 * Watch reassembles and judges the whole.  Guard refuses: what has left in
 * pieces cannot be called back.
 */
void
engine_fragment(struct engine *e, struct pkt *p, const struct layers *l)
{
	enum drop_reason why = DROP_NONE;
	const uint8_t *ip;
	uint32_t len;

	if (e->inline_mode && e->policy) {
		refuse_fragment(e, p, l);
		return;
	}
	switch (frag_put(e->frags, p, l, e->now_ns, &ip, &len, &why)) {
	case FRAG_WAIT:
		return;
	case FRAG_DROP:
		engine_drop(p, why);
		return;
	case FRAG_WHOLE:
		break;
	}
	{
		struct pkt whole = *p;
		struct layers wl = {0};

		if ((why = decode_ip(ip, len, (l->flags & LAYER_V6) != 0, &wl)) != DROP_NONE) {
			engine_drop(p, why);
			return;
		}
		whole.bytes = ip;
		whole.caplen = whole.wirelen = len;
		wl.vlan = l->vlan;
		wl.smac = l->smac;
		wl.dmac = l->dmac;
		transport(e, &whole, &wl);
		p->fate = whole.fate;
		p->reason = whole.reason;
	}
}

static void
transport(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct flow_key k;

	if (!(l->flags & LAYER_L4)) {
		engine_other_ip(e, p, l);
		return;
	}
	flow_key_make(&e->flows, l, &k);
	if (l->proto == NET_PROTO_TCP)
		engine_tcp(e, p, l, &k, flow_lookup(&e->flows, &k));
	else
		engine_udp(e, p, l, &k, FLOW_NONE);
}
