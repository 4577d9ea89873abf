/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.c - ICMP, ICMPv6, IGMP and other IP protocols, in a guard.
 *
 * [792]  RFC 792 ICMP		    [4443] RFC 4443 ICMPv6
 * [5927] RFC 5927 attacks by ICMP  [4861] RFC 4861 neighbour discovery
 *
 * An error passes when it speaks of a packet that we have let through:
 *
 *   A -- packet --> | guard | --> B		the packet, as B's side saw it
 *   A <-- error --- | guard | <-- R		R: B, or a router on the way to it
 *
 * So it goes to the quoted packet's source, comes by the port that the packet left by,
 * quotes a flow that we know, and of TCP a number that is in flight ([5927] 4.1).  Blind
 * attackers cannot know one, and nobody can speak of packets of other plants.  Redirects never
 * pass: they move a conversation to a way round us.  All else (echo, neighbour discovery, routers, groups)
 * is the policy's, when it is well formed.
 */
#include <string.h>

#include "dataplane/icmp.h"
#include "dataplane/repair.h"

enum { OPT_SOURCE_LLA = 1, OPT_TARGET_LLA = 2 }; /* [4861] 4.6 */

#define MTU4_MIN	68u   /* RFC 1191 3 */
#define MTU6_MIN	1280u /* RFC 8200 5; a smaller one is an attack (RFC 8021) */

static bool
is_v6(const struct layers *l)
{
	return (l->flags & LAYER_V6) != 0;
}

/* --- reading ---------------------------------------------------------------------------- */

/* A link-layer address among the options of neighbour discovery; false: malformed. */
static bool
nd_options(struct cur c, struct policy_icmp *out)
{
	uint8_t want = out->type == T6_NA ? OPT_TARGET_LLA : OPT_SOURCE_LLA;

	while (cur_left(&c) > 0) {
		uint8_t type = cur_u8(&c);
		uint32_t len = cur_u8(&c) * 8u;
		struct cur o;
		const uint8_t *mac;

		if (!cur_ok(&c) || len == 0)
			return false;
		o = cur_take(&c, len - 2);
		if (!cur_ok(&c))
			return false;
		if (type != want || out->has_lladdr || !(mac = cur_bytes(&o, 6)))
			continue;
		memcpy(out->lladdr, mac, 6);
		out->has_lladdr = true;
	}
	return true;
}

/* RFC 4861 6.1, 7.1: bytes in front of the options; 0: no neighbour discovery. */
static uint32_t
nd_head(uint8_t type)
{
	switch (type) {
	case T6_RS:
		return 8;
	case T6_RA:
		return 16;
	case T6_NS:
	case T6_NA:
		return 24;
	case T6_REDIRECT:
		return 40;
	default:
		return 0;
	}
}

bool
engine_icmp_read(
    const struct pkt *p, const struct layers *l, const struct net_tuple *t, struct policy_icmp *out)
{
	struct cur ip = cur_make(p->bytes, p->caplen), c = ip;

	*out = (struct policy_icmp){.t = t, .v6 = is_v6(l)};
	if (!(l->flags & LAYER_IP) || l->flags & (LAYER_L4 | LAYER_FRAGMENT) ||
	    (l->proto != NET_PROTO_IGMP &&
		l->proto != (is_v6(l) ? NET_PROTO_ICMP6 : NET_PROTO_ICMP)))
		return false;
	cur_skip(&ip, l->l3_off + (is_v6(l) ? 7u : 8u));
	out->hop_limit = cur_u8(&ip);
	cur_skip(&c, l->pay_off);
	c = cur_take(&c, l->pay_len);
	out->type = cur_u8(&c);
	out->code = cur_u8(&c);
	cur_skip(&c, 6);
	if (!cur_ok(&c) || !cur_ok(&ip))
		return false;
	if (is_v6(l) && (out->type == T6_NS || out->type == T6_NA)) {
		const uint8_t *a = cur_bytes(&c, 16);

		if (a)
			out->target = net_addr_from6(a);
	} else if (is_v6(l) && nd_head(out->type) > 8) {
		cur_skip(&c, nd_head(out->type) - 8);
	}
	if (is_v6(l) && nd_head(out->type) != 0 && cur_ok(&c))
		(void)nd_options(c, out);
	return true;
}

/* What the receiver of neighbour discovery or group messages has to ignore, and the
 * policy does not ask for: lengths, options, to whom. */
static bool
well_formed(const struct pkt *p, const struct layers *l, const struct policy_icmp *icmp)
{
	static const uint8_t solicited[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
	static const uint8_t nobody[16];
	const uint8_t *m = p->bytes + l->pay_off;
	struct policy_icmp scratch = {.type = icmp->type};
	uint32_t head;

	if (l->proto == NET_PROTO_IGMP)
		return true;
	if (!is_v6(l))
		return true;
	if (icmp->type >= T6_MLD_QUERY && icmp->type <= T6_MLD_DONE)
		return l->pay_len >= 24; /* RFC 3810 5.1, RFC 2710 3 */
	if ((head = nd_head(icmp->type)) == 0)
		return true;
	if (l->pay_len < head || !nd_options(cur_make(m + head, l->pay_len - head), &scratch))
		return false;
	if (icmp->type == T6_NS && memcmp(l->src, nobody, 16) == 0)
		return memcmp(l->dst, solicited, sizeof(solicited)) == 0;
	if (icmp->type == T6_NA && l->dst[0] == 0xff)
		return (m[4] & 0x40) == 0; /* answers nobody: not "solicited" */
	return true;
}

/* --- errors --------------------------------------------------------------------------------- */

static bool
is_redirect(const struct policy_icmp *icmp)
{
	return icmp->type == (icmp->v6 ? T6_REDIRECT : T4_REDIRECT);
}

/* An MTU that no link has would make the sender cut its packets to nothing. */
static bool
mtu_possible(const uint8_t *m, const struct policy_icmp *icmp)
{
	uint32_t high = (uint32_t)m[4] << 8 | m[5], low = (uint32_t)m[6] << 8 | m[7];

	if (icmp->v6)
		return icmp->type != T6_TOO_BIG || high != 0 || low >= MTU6_MIN;
	/* 0: a router older than RFC 1191; the sender guesses (its section 5) */
	return icmp->type != T4_UNREACHABLE || icmp->code != 4 || low == 0 || low >= MTU4_MIN;
}

/* [5927] 4.1: a byte that has left and is not acknowledged, or the probe of a keep-alive. */
static bool
in_flight(struct engine *e, struct flow *f, unsigned dir, uint32_t seq)
{
	uint32_t acked, nxt;

	if (!(f->dir[dir].flags & DIR_SEEN))
		return (f->flags & FLOW_MIDSTREAM) != 0;
	path_numbers(e, f, dir, &acked, &nxt);
	return (int32_t)(seq - (acked - 1)) >= 0 && (int32_t)(nxt - seq) >= 0;
}

/* The quoted number as its sender knows it: the far side has seen another (repair.h). */
static bool
requote(
    struct engine *e, struct pkt *p, const struct layers *l, uint32_t at, uint32_t was, uint32_t is)
{
	uint8_t *f = e->scratch + e->scratch_used, *m = f + l->pay_off;
	uint32_t sum;

	if (p->caplen > SCRATCH_BYTES - e->scratch_used)
		return false;
	memcpy(f, p->bytes, p->caplen);
	put_be32(f + at, is);
	/* RFC 1624 3; each half of the number is a word, or two halves of words */
	sum = (uint16_t) ~((uint32_t)m[2] << 8 | m[3]);
	if ((at - l->pay_off) & 1) {
		was = (was & 0x00ff00ff) << 8 | (was >> 8 & 0x00ff00ff);
		is = (is & 0x00ff00ff) << 8 | (is >> 8 & 0x00ff00ff);
	}
	sum += (uint16_t) ~(was >> 16) + (uint32_t)(uint16_t)~was + (is >> 16) + (is & 0xffff);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put_be16(m + 2, ~sum & 0xffff);
	e->scratch_used += (p->caplen + 63u) & ~63u;
	p->bytes = f;
	return true;
}

/* False: it speaks of nothing that we let through. */
static bool
error_passes(
    struct engine *e, struct pkt *p, const struct layers *l, const struct policy_icmp *icmp)
{
	uint32_t quoted = l->pay_off + ICMP_HEAD, seq;
	const struct repair *r;
	struct layers q = {0};
	struct flow_key k;
	struct flow *f;
	unsigned dir;

	if (!mtu_possible(p->bytes + l->pay_off, icmp) || !icmp_quoted(p, l, quoted, &q) ||
	    memcmp(q.src, l->dst, is_v6(l) ? 16 : 4) != 0 ||
	    memcmp(l->src, l->dst, is_v6(l) ? 16 : 4) == 0)
		return false;
	flow_key_make(&e->flows, &q, &k);
	if (!(f = flow_lookup(&e->flows, &k)))
		return false;
	dir = engine_direction(f, k.src_is_lo);
	if (engine_stale(e, f) && !engine_rebind(e, f, dir, NULL, NULL))
		return false;
	if (engine_wrong_port(e, p, f, dir ^ 1))
		return false;
	if (q.proto == NET_PROTO_TCP) {
		r = repair_of(e, f);
		seq = r ? repair_in(r, dir, q.seq) : q.seq;
		if (!in_flight(e, f, dir, seq) ||
		    (seq != q.seq && !requote(e, p, l, quoted + q.l4_off + 4u, q.seq, seq)))
			return false;
	}
	p->conduit = f->bind.conduit;
	return true;
}

/* --- all of it --------------------------------------------------------------------------------- */

static void
deny(struct engine *e, struct pkt *p, const struct layers *l, const struct net_tuple *t,
    struct verdict v, enum drop_reason why)
{
	if (v.would < VERDICT_REJECT) {
		v.would = VERDICT_DROP;
		if (v.mode == MODE_ENFORCE)
			v.action = VERDICT_DROP;
	}
	judge_flow(e, &v, t, engine_flow_id(e, l), false);
	if (v.action >= VERDICT_REJECT)
		engine_drop(p, why);
}

void
engine_other_ip(struct engine *e, struct pkt *p, const struct layers *l)
{
	struct policy_icmp icmp;
	struct policy_bind bind;
	struct net_tuple t;
	struct verdict v;

	if (!e->inline_mode || !e->policy)
		return;
	e->two_ports |= p->port != 0;
	engine_tuple(e, p, l, &t);
	if (!engine_icmp_read(p, l, &t, &icmp)) {
		deny(e, p, l, &t, engine_bind(e, &t, &bind), DROP_IP_PROTO);
		return;
	}
	if (!decode_ip_checksum_ok(p, l)) {
		engine_drop(p, DROP_IP_CHECKSUM);
		return;
	}
	if (l->proto != NET_PROTO_IGMP && !decode_icmp_checksum_ok(p, l)) {
		engine_drop(p, DROP_ICMP_CHECKSUM);
		return;
	}
	if (l->proto != NET_PROTO_IGMP && icmp_is_error(icmp.v6, icmp.type) &&
	    error_passes(e, p, l, &icmp))
		return;
	v = policy_eval_icmp_in(e->policy, &icmp, &e->windows.clock);
	if (l->proto != NET_PROTO_IGMP && (icmp_is_error(icmp.v6, icmp.type) || is_redirect(&icmp)))
		deny(e, p, l, &t, v, DROP_ICMP_ERROR);
	else if (!well_formed(p, l, &icmp))
		deny(e, p, l, &t, v, DROP_ICMP_HEADER);
	else if (v.would != VERDICT_ALLOW && v.would != VERDICT_ALERT)
		deny(e, p, l, &t, v, DROP_ICMP_POLICY);
	else if (v.would == VERDICT_ALERT)
		judge_flow(e, &v, &t, engine_flow_id(e, l), false);
	if (p->fate == FATE_FORWARD) {
		p->conduit = v.conduit;
		(void)engine_fits(e, p, l);
	}
}
