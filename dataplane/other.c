/* SPDX-License-Identifier: Apache-2.0 */
/* other.c - frames that are not TCP: UDP, ICMP, fragments, and what is not IP. */
#include <string.h>

#include "dataplane/engine_int.h"

void
engine_udp(struct engine *e, struct pkt *p, const struct layers *l, const struct flow_key *k,
    uint32_t candidate)
{
	struct flow *f = engine_find(e, k, candidate);
	enum drop_reason why = DROP_NONE;
	unsigned dir;

	if (f && engine_stale(e, f) && !engine_rebind(e, f, engine_direction(f, k), p, l))
		return;
	if (!f && (f = engine_new_flow(e, p, l, k)) == NULL)
		return;
	dir = engine_direction(f, k);
	f->last_tick = e->flows.now_tick;
	f->state = FLOW_OPEN;
	engine_aim(e, f, dir, l);
	if (e->inline_mode && !engine_may_enter(e, p, l, f, dir))
		return;
	if (l->pay_len > 0 &&
	    !feed_datagram(e, f, dir, p->bytes + l->pay_off, l->pay_len, &why))
		engine_drop(p, why);
}

/* --- what is not TCP or UDP --------------------------------------------------------------- */

void
engine_l2(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct policy_l2 l2 = {.ethertype = l->ethertype, .vlan = l->vlan};
	struct net_tuple t = {.vlan = l->vlan, .port = p->port};
	struct verdict v;

	if (!e->policy)
		return;
	if (l->smac) {
		memcpy(l2.smac, l->smac, 6);
		memcpy(l2.dmac, l->dmac, 6);
		memcpy(t.smac, l->smac, 6);
		memcpy(t.dmac, l->dmac, 6);
	}
	if (l->flags & LAYER_ARP)
		l2.arp = decode_arp(p, l, &l2);
	v = policy_eval_l2(e->policy, &l2);
	if (v.would != VERDICT_ALLOW)
		judge_flow(e, &v, &t, hash_mix(e->flows.seed, l->ethertype, l->vlan), true);
	if (e->inline_mode && v.action >= VERDICT_REJECT)
		engine_drop(p, DROP_L2_POLICY);
}

/* ICMP and other IP protocols.  Inline an ICMP error passes when it speaks of
 * a flow we know (RFC 792: it quotes IP header and 8 bytes); nothing else does. */
void
engine_other_ip(struct engine *e, struct pkt *p, const struct layers *l)
{
	const uint8_t *in = p->bytes + l->pay_off + 8;
	struct layers quoted = {0};
	struct flow_key k;
	uint32_t hl;

	if (!e->inline_mode || !e->policy)
		return;
	if (l->proto != NET_PROTO_ICMP || l->flags & LAYER_V6 || l->pay_len < 8 + 20 + 4)
		goto out;
	switch (p->bytes[l->pay_off]) {
	case 3:	 /* destination unreachable; path MTU needs it */
	case 11: /* time exceeded */
	case 12: /* parameter problem */
		break;
	default: /* echo, redirect and the like may quote what they want */
		goto out;
	}
	hl = (in[0] & 15u) * 4u;
	if (in[0] >> 4 != 4 || hl < 20 || l->pay_len < 8 + hl + 4)
		goto out;
	quoted.flags = LAYER_IP | LAYER_L4;
	quoted.proto = in[9];
	quoted.vlan = l->vlan;
	quoted.src = in + 12;
	quoted.dst = in + 16;
	quoted.sport = (uint16_t)(in[hl] << 8 | in[hl + 1]);
	quoted.dport = (uint16_t)(in[hl + 2] << 8 | in[hl + 3]);
	flow_key_make(&e->flows, &quoted, &k);
	if (flow_lookup(&e->flows, &k))
		return;
out:
	engine_drop(p, DROP_IP_PROTO);
}

static void transport(struct engine *e, struct pkt *p, const struct layers *l);

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
		struct net_tuple t;
		struct verdict v = policy_condition(e->policy, NULL, COND_FRAGMENT);

		layers_tuple(l, p->port, &t);
		judge_flow(e, &v, &t, hash_mix(e->flows.seed, l->frag_id, 0), false);
		engine_drop(p, DROP_FRAG_POLICY);
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
