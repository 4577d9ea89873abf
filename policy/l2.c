/* SPDX-License-Identifier: Apache-2.0 */
/*
 * l2.c - frames below IP, and what IPv6 and ICMP do in their place: who has which address
 * (ARP: RFC 826, RFC 5227; neighbour discovery: RFC 4861), who routes, who listens
 * (RFC 3810), who answers (RFC 792, RFC 4443).
 */
#include <string.h>

#include "policy/table.h"
#include "policy/window.h"

#define L2_LLC_MAX   0x0600u /* below: a length, so LLC (IEEE 802.3) */
#define LLC_STP	     0x4242u /* DSAP, SSAP of the bridge protocol (IEEE 802.1D 9.1) */
#define LLC_SNAP     0xaaaau
#define TYPE_PN	     0x8892u
#define DCP_FIRST    0xfefcu /* FrameIDs of DCP: hello, get/set, identify request, response */
#define DCP_LAST     0xfeffu
#define ND_HOP_LIMIT 255u /* RFC 4861 7.1: it was sent on this link */
#define MLD_HOPS     1u	  /* RFC 3810 5 */

enum { /* IANA: ICMP type numbers */
	ICMP4_ECHO_REPLY = 0,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_ROUTER = 9,
	ICMP4_ROUTER_ASK = 10,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	MLD_QUERY = 130,
	MLD_REPORT = 131,
	MLD_DONE = 132,
	MLD_REPORT_2 = 143,
	ND_ROUTER_ASK = 133,
	ND_ROUTER = 134,
	ND_ASK = 135,
	ND_SAY = 136,
	ND_REDIRECT = 137,
};

/* --- who has which address ----------------------------------------------------------------- */

/* What ARP or neighbour discovery says, in one form. */
struct neighbour {
	const struct net_addr *says;  /* the address that somebody claims, or NULL */
	const struct net_addr *wants; /* the one he asks for or answers to, or NULL */
	const struct net_addr *from;  /* of the packet, where that need not be either; or NULL */
	const uint8_t *mac, *smac;    /* the MAC he claims; the frame's own */
	uint16_t vlan;
	uint8_t port;
	bool probe; /* he claims what he asks for, if nobody else does */
};

static bool
mac_is_none(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return memcmp(mac, none, 6) == 0;
}

/* fe80::/10: belongs to no zone and is nobody's declared address, yet hosts ask from it. */
static bool
link_local(const struct net_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static bool
known(const struct policy *p, const struct net_addr *a)
{
	return !a || link_local(a) || bind_device(p, a) != UINT32_MAX;
}

/* He must be where his zone is; whom he asks may be anywhere, since a question goes to all. */
static bool
speaks_in_place(const struct policy *p, const struct neighbour *n)
{
	uint32_t zs, zd;

	if (!n->says)
		return true;
	zs = bind_zone(p, n->says);
	zd = n->wants ? bind_zone(p, n->wants) : UINT32_MAX;
	return bind_port_fits(p, zs, n->port) && bind_vlan_fits(p, zs, zd, n->vlan, n->port);
}

static bool
mac_claimed_well(const struct policy *p, const struct neighbour *n)
{
	const struct net_addr *claims = n->probe ? n->wants : n->says;

	if (!mac_is_none(n->smac) && memcmp(n->mac, n->smac, 6) != 0)
		return false;
	return !claims || bind_mac_fits(p, claims, n->mac);
}

static struct verdict
neighbour_verdict(const struct policy *p, const struct neighbour *n)
{
	const struct l2_rules *r = &p->rs->l2;
	uint8_t would = VERDICT_ALLOW, reason = REASON_L2;

	if (r->arp == ARP_DROP)
		would = VERDICT_DROP;
	if (r->arp == ARP_BOUND) {
		if (!known(p, n->says) || !known(p, n->wants) || !known(p, n->from))
			would = r->otherwise;
		if (would < r->mac && !mac_claimed_well(p, n))
			would = r->mac;
		if (would < VERDICT_DROP && !speaks_in_place(p, n)) {
			would = VERDICT_DROP;
			reason = REASON_PLACE;
		}
	}
	return bind_verdict(p, p->rs->mode, would, reason, RULE_NONE);
}

/* --- frames that are not IP --------------------------------------------------------------------- */

static bool
l2_is_stp(const struct policy_l2 *f)
{
	static const uint8_t bridge[6] = {0x01, 0x80, 0xc2, 0, 0, 0}; /* IEEE 802.1D 7.12.3 */
	static const uint8_t pvst[6] = {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd}; /* the per-VLAN form */

	if (memcmp(f->dmac, bridge, 6) == 0)
		return !f->has_head || f->head == LLC_STP;
	return memcmp(f->dmac, pvst, 6) == 0 && (!f->has_head || f->head == LLC_SNAP);
}

static bool
l2_type_allowed(const struct l2_rules *r, const struct policy_l2 *f)
{
	uint32_t lo = 0, hi = r->n_types;

	if (r->dcp && f->ethertype == TYPE_PN && f->has_head && f->head >= DCP_FIRST &&
	    f->head <= DCP_LAST)
		return true;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->types[mid] < f->ethertype)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n_types && r->types[lo] == f->ethertype;
}

/* Nobody's address yet (RFC 5227 1.1), in either form. */
static bool
unspecified(const struct net_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->b, zero, 16) == 0 || (net_addr_is4(a) && memcmp(a->b + 12, zero, 4) == 0);
}

struct verdict
policy_eval_l2(const struct policy *p, const struct policy_l2 *f)
{
	const struct l2_rules *r = &p->rs->l2;
	struct neighbour n = {
	    .mac = f->arp_smac, .smac = f->smac, .vlan = f->vlan, .port = f->port};
	bool pass;

	if (f->arp) {
		n.says = unspecified(&f->arp_sip) ? NULL : &f->arp_sip;
		n.wants = unspecified(&f->arp_tip) ? NULL : &f->arp_tip;
		n.probe = !n.says;
		if (r->arp == ARP_BOUND && !n.says && !n.wants) /* neither probe nor question */
			return bind_verdict(p, p->rs->mode, r->otherwise, REASON_L2, RULE_NONE);
		return neighbour_verdict(p, &n);
	}
	pass = f->ethertype < L2_LLC_MAX ? r->stp && l2_is_stp(f) : l2_type_allowed(r, f);
	return bind_verdict(
	    p, p->rs->mode, pass ? VERDICT_ALLOW : r->otherwise, REASON_L2, RULE_NONE);
}

/* --- ICMP ----------------------------------------------------------------------------------------- */

static bool
multicast(const struct net_addr *a)
{
	return a->b[0] == 0xff || (net_addr_is4(a) && (a->b[12] & 0xf0) == 0xe0);
}

/* A solicitation or advertisement: an asker speaks for his source, an answerer for his target. */
static struct verdict
eval_neighbour(const struct policy *p, const struct policy_icmp *c)
{
	const struct net_tuple *t = c->t;
	struct neighbour n = {.mac = c->has_lladdr ? c->lladdr : t->smac,
	    .smac = t->smac,
	    .vlan = t->vlan,
	    .port = t->port};
	bool nobody = unspecified(&t->src);

	n.from = nobody ? NULL : &t->src;

	if (c->type == ND_SAY) {
		n.says = &c->target;
		n.wants = multicast(&t->dst) ? NULL : &t->dst;
	} else {
		n.says = nobody ? NULL : &t->src;
		n.wants = c->type == ND_ASK ? &c->target : NULL;
		n.probe = nobody && c->type == ND_ASK;
	}
	/* RFC 4861 7.1: from this link; who is nobody has no address to tell, and answers nothing;
	 * what is asked for is not a group. */
	if (c->hop_limit != ND_HOP_LIMIT || c->code != 0 || (nobody && c->has_lladdr) ||
	    (c->type == ND_SAY && nobody) || (c->type != ND_ROUTER_ASK && multicast(&c->target)))
		return bind_verdict(p, p->rs->mode, VERDICT_DROP, REASON_L2, RULE_NONE);
	return neighbour_verdict(p, &n);
}

/* Routers and groups: the word of the policy, for what is well formed and in its place. */
static struct verdict
eval_link(const struct policy *p, const struct policy_icmp *c, uint8_t word, uint8_t hops)
{
	uint8_t would = word, reason = REASON_L2;

	if (c->v6 && c->hop_limit != hops)
		would = VERDICT_DROP;
	if (would < VERDICT_DROP && !bind_port_fits(p, bind_zone(p, &c->t->src), c->t->port)) {
		would = VERDICT_DROP;
		reason = REASON_PLACE;
	}
	return bind_verdict(p, p->rs->mode, would, reason, RULE_NONE);
}

static struct verdict
eval_echo(
    const struct policy *p, const struct net_tuple *t, bool reply, const struct policy_clock *clock)
{
	struct net_tuple request = reply ? net_tuple_reverse(t) : *t;
	uint32_t c = bind_lookup(p, &request.src, &request.dst);

	return bind_window(p, &request, clock,
	    bind_between(p, &request, c, c != RULE_NONE && p->rs->conduits[c].echo));
}

struct verdict
policy_eval_icmp(const struct policy *p, const struct policy_icmp *c)
{
	return policy_eval_icmp_in(p, c, NULL);
}

struct verdict
policy_eval_icmp_in(
    const struct policy *p, const struct policy_icmp *c, const struct policy_clock *clock)
{
	const struct l2_rules *r = &p->rs->l2;

	if (c->t->proto == NET_PROTO_IGMP)
		return eval_link(p, c, r->mld, 0);
	switch (c->v6 ? c->type : c->type + 256u) {
	case ICMP6_ECHO:
	case ICMP6_ECHO_REPLY:
		return eval_echo(p, c->t, c->type == ICMP6_ECHO_REPLY, clock);
	case ICMP4_ECHO + 256u:
	case ICMP4_ECHO_REPLY + 256u:
		return eval_echo(p, c->t, c->type == ICMP4_ECHO_REPLY, clock);
	case ND_ASK:
	case ND_SAY:
	case ND_ROUTER_ASK:
		return eval_neighbour(p, c);
	case ND_ROUTER:
	case ND_REDIRECT:
	case ICMP4_REDIRECT + 256u:
	case ICMP4_ROUTER + 256u:
	case ICMP4_ROUTER_ASK + 256u:
		return eval_link(p, c, r->ra, ND_HOP_LIMIT);
	case MLD_QUERY:
	case MLD_REPORT:
	case MLD_DONE:
	case MLD_REPORT_2:
		return eval_link(p, c, r->mld, MLD_HOPS);
	default:
		return bind_verdict(p, p->rs->mode, VERDICT_DROP, REASON_NO_CONDUIT, RULE_NONE);
	}
}
