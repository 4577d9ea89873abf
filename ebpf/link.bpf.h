/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * link.bpf.h - the verdict on what keeps a link going: ARP, LLC and other ethertypes, neighbour
 * discovery, routers, listeners (policy/l2.c).
 */
#ifndef EBPF_LINK_BPF_H
#define EBPF_LINK_BPF_H

#include "ebpf/limits.bpf.h"
#include "ebpf/who.bpf.h"

#define TYPE_PN	  0x8892 /* PROFINET; DCP has FrameIDs of its own */
#define DCP_FIRST 0xfefc
#define DCP_LAST  0xfeff
#define LLC_STP	  0x4242 /* DSAP and SSAP, IEEE 802.1D 9.1 */
#define LLC_SNAP  0xaaaa

#define MAC_WORDS(a, b, c) __builtin_bswap16(a), __builtin_bswap16(b), __builtin_bswap16(c)

/* policy_eval_l2() of what is not ARP. */
static __always_inline enum gate_reason
judge_other(const struct gate_conf *c, const struct frame *f)
{
	const __u16 bridge[3] = {MAC_WORDS(0x0180, 0xc200, 0x0000)}; /* IEEE 802.1D 7.12.3 */
	const __u16 pvst[3] = {MAC_WORDS(0x0100, 0x0ccc, 0xcccd)};   /* the form per VLAN */
	bool pass;

	if (f->type < TYPE_MIN)
		pass =
		    c->stp && ((mac_eq(f->dmac, bridge) && (!f->has_head || f->head == LLC_STP)) ||
				  (mac_eq(f->dmac, pvst) && (!f->has_head || f->head == LLC_SNAP)));
	else
		pass = (c->types[f->type >> 3] >> (f->type & 7) & 1) != 0 ||
		       (c->dcp && f->type == TYPE_PN && f->has_head && f->head >= DCP_FIRST &&
			   f->head <= DCP_LAST);
	return pass || !c->other_drop ? GATE_TO_ENGINE : GATE_L2_POLICY;
}

/* Is the address a device's, or one that needs not be? */
static __always_inline bool
known(const struct who *w, const struct addr *a)
{
	return w->device != NONE || link_local(a);
}

/* neighbour_verdict() of policy/l2.c, for ARP: f->src says that it is at arp_smac, f->dst is whom
 * it wants; either may be nobody. */
__noinline int
judge_arp(const struct frame *f, __u32 set, __u32 port)
{
	const struct gate_conf *c = bpf_map_lookup_elem(&gate_confs, &set);
	struct who says, wants;
	bool probe, asks;

	if (!c || !f)
		return GATE_NO_POLICY;
	probe = unspecified(&f->src); /* RFC 5227: it claims what it asks for */
	asks = !unspecified(&f->dst);
	if (probe && !asks)
		return c->other_drop && (c->arp_bound || c->arp_drop) ? GATE_L2_ARP
								      : GATE_TO_ENGINE;
	if (c->arp_drop)
		return GATE_L2_ARP;
	who_is(set, &f->src, &says);
	if (c->arp_bound) {
		who_is(set, &f->dst, &wants);
		if (c->other_drop &&
		    ((!probe && says.device == NONE) || (asks && wants.device == NONE)))
			return GATE_L2_ARP;
		if (c->mac_drop && (!mac_eq(f->arp_smac, f->smac) ||
				       !mac_fits(probe ? &wants : &says, f->arp_smac)))
			return GATE_L2_MAC;
		if (c->place_drop && !probe && !port_fits(&says, port))
			return GATE_IP_SPOOFED;
		if (!asks)
			wants.vlan = 0;
		if (c->place_drop && !probe && !vlan_fits(f->vlan, &says, &wants))
			return GATE_L2_VLAN;
	}
	if (probe || !says.limited || !port_fits(&says, port))
		return GATE_TO_ENGINE;
	return zone_limits(set * GATE_ZONES + says.zone, 0);
}

/* The same for neighbour discovery (RFC 4861 7.1), but for the MAC: options are the engine's. */
__noinline int
judge_neighbour(const struct frame *f, __u32 set, __u32 port)
{
	const struct gate_conf *c = bpf_map_lookup_elem(&gate_confs, &set);
	struct who src, dst, target;
	bool nobody, ok;

	if (!c || !f)
		return GATE_NO_POLICY;
	nobody = unspecified(&f->src);
	ok = f->hop_limit == 255 && f->icmp_code == 0 && !(nobody && f->icmp_type == ND_SAY) &&
	     (f->icmp_type == ND_ROUTER_ASK || !multicast(&f->target));
	if ((!ok && !c->default_pass) || c->arp_drop)
		return GATE_ICMP_POLICY;
	if (!c->arp_bound)
		return GATE_TO_ENGINE;
	who_is(set, &f->src, &src);
	who_is(set, &f->dst, &dst);
	who_is(set, &f->target, &target);
	if (f->icmp_type == ND_SAY) { /* it speaks for the target */
		if (c->other_drop && (!known(&target, &f->target) || !known(&src, &f->src) ||
					 (!multicast(&f->dst) && !known(&dst, &f->dst))))
			return GATE_ICMP_POLICY;
		if (!c->place_drop)
			return GATE_TO_ENGINE;
		if (!port_fits(&target, port))
			return GATE_IP_SPOOFED;
		if (multicast(&f->dst))
			dst.vlan = 0;
		return vlan_fits(f->vlan, &target, &dst) ? GATE_TO_ENGINE : GATE_L2_VLAN;
	}
	if (c->other_drop && ((!nobody && !known(&src, &f->src)) ||
				 (f->icmp_type == ND_ASK && !known(&target, &f->target))))
		return GATE_ICMP_POLICY;
	if (nobody || !c->place_drop)
		return GATE_TO_ENGINE;
	if (!port_fits(&src, port))
		return GATE_IP_SPOOFED;
	if (f->icmp_type != ND_ASK)
		target.vlan = 0;
	return vlan_fits(f->vlan, &src, &target) ? GATE_TO_ENGINE : GATE_L2_VLAN;
}

/* Routers and groups: eval_link() of policy/l2.c. */
static __always_inline enum gate_reason
judge_link(const struct gate_conf *c, const struct frame *f, __u32 port, const struct who *src,
    bool drop, __u8 hops)
{
	if (drop || (f->v6 && f->hop_limit != hops && !c->default_pass))
		return GATE_ICMP_POLICY;
	return port_fits(src, port) || c->default_pass ? GATE_TO_ENGINE : GATE_IP_SPOOFED;
}

#define A_PAIR_SAYS GATE__REASONS

static __always_inline bool
is_icmp(const struct frame *f)
{
	return f->proto == (f->v6 ? PROTO_ICMP6 : PROTO_ICMP) && !f->fragment && !f->unsure;
}

/* ICMP, ICMPv6 and IGMP: policy_eval_icmp(). */
static __always_inline enum gate_reason
judge_icmp(
    const struct gate_conf *c, const struct frame *f, __u32 set, __u32 port, const struct who *src)
{
	if (f->proto == PROTO_IGMP)
		return judge_link(c, f, port, src, c->mld_drop, 0);
	switch (f->v6 ? f->icmp_type : f->icmp_type + 256) {
	case ICMP6_ECHO:
	case ICMP6_REPLY:
	case ICMP4_ECHO + 256:
	case ICMP4_REPLY + 256:
		return A_PAIR_SAYS;
	case 1:
	case 2:
	case 3:
	case ICMP6_ERROR_LAST:
	case ICMP4_UNREACHABLE + 256:
	case ICMP4_TIME + 256:
	case ICMP4_PARAMETER + 256:
		/* of another packet, whose flow the engine knows */
		return port_fits(src, port) || !c->place_drop ? GATE_TO_ENGINE : GATE_IP_SPOOFED;
	case ND_ASK:
	case ND_SAY:
	case ND_ROUTER_ASK:
		return (enum gate_reason)judge_neighbour(f, set, port);
	case ND_ROUTER:
	case ND_REDIRECT:
	case ICMP4_REDIRECT + 256:
	case ICMP4_ROUTER + 256:
	case ICMP4_ROUTER_ASK + 256:
		return judge_link(c, f, port, src, c->ra_drop, 255);
	case MLD_QUERY:
	case MLD_REPORT:
	case MLD_DONE:
	case MLD_REPORT_2:
		return judge_link(c, f, port, src, c->mld_drop, 1);
	default:
		return c->default_pass ? GATE_TO_ENGINE : GATE_ICMP_POLICY;
	}
}

#endif /* EBPF_LINK_BPF_H */
