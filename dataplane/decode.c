/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - from a frame to its layers, every byte through base/cur.h.
 *
 * [802.3]  IEEE 802.3-2018, 802.2 (LLC, SNAP), RFC 1042
 * [802.1Q] IEEE 802.1Q-2018 9.5; 0x9100 is the QinQ type of older switches
 * [SLL]    tcpdump.org LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2
 * [791]    RFC 791 IPv4      [8200] RFC 8200 IPv6     [6946] RFC 6946 atomic fragments
 * [9293]   RFC 9293 TCP      [768]  RFC 768 UDP       [826]  RFC 826 ARP
 *
 * Each stage takes the cursor over what is left, bounded by what the layer
 * above it said, and moves it on.  A read that did not fit has one of two
 * causes, and short_of() tells them apart: the packet is broken, or the
 * capture kept too little of it.
 */
#include "dataplane/decode.h"

#include "base/cur.h"
#include "dataplane/decode_fast.h"
#include "policy/policy.h"

#define ENCAP_MAX   4 /* VLAN tags and SNAP headers of one frame */
#define IP6_EXT_MAX 8 /* IPv6 extension headers of one datagram */

enum {
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_QINQ = 0x88a8, /* [802.1Q] service tag */
	ETHERTYPE_QINQ_OLD = 0x9100,
	LLC_LENGTH_MAX = 1500, /* [802.3] 3.2.6: a length up to here; cooked captures say 4 */
	LLC_SNAP_SAP = 0xaa,
	LLC_UI = 0x03, /* unnumbered information */
	OUI_RFC1042 = 0x000000,
	OUI_802_1H = 0x0000f8, /* bridge tunnel encapsulation */
};

enum { IP6_HBH = 0, IP6_ROUTING = 43, IP6_FRAGMENT = 44, IP6_AH = 51, IP6_DSTOPTS = 60 };

#define IP6_MTU_MIN 1280 /* [8200] 5 */

static uint32_t
offset(const struct pkt *p, const struct cur *c)
{
	return (uint32_t)(c->p - p->bytes);
}

static uint32_t
wire_len(const struct pkt *p)
{
	return p->wirelen > p->caplen ? p->wirelen : p->caplen;
}

/* A header that ends at `need` does not fit: the capture's fault when the layer
 * around it goes on to there, else the packet's. */
static enum drop_reason
short_of(uint32_t need, uint32_t layer_end, enum drop_reason broken)
{
	return need <= layer_end ? DROP_CAP_TRUNCATED : broken;
}

/* The bytes of an IP datagram behind its header: up to l3_end, or as far as captured. */
static struct cur
ip_body(const struct pkt *p, struct layers *l, const struct cur *c)
{
	struct cur rest = *c;

	if (l->l3_end > p->caplen) {
		l->flags |= LAYER_CUT;
		return rest;
	}
	return cur_take(&rest, l->l3_end - offset(p, c));
}

static enum drop_reason
decode_tcp(const struct pkt *p, struct cur *c, struct layers *l)
{
	uint16_t off_flags;
	uint32_t doff;

	l->sport = cur_be16(c);
	l->dport = cur_be16(c);
	l->seq = cur_be32(c);
	l->ack = cur_be32(c);
	off_flags = cur_be16(c);
	l->tcp_win = cur_be16(c);
	cur_skip(c, 4); /* checksum, urgent pointer */
	if (!cur_ok(c))
		return short_of(l->l4_off + 20u, l->l3_end, DROP_L4_TRUNCATED);
	doff = (off_flags >> 12) * 4u;
	if (doff < 20)
		return DROP_L4_HEADER;
	cur_skip(c, doff - 20);
	if (!cur_ok(c))
		return short_of(l->l4_off + doff, l->l3_end, DROP_L4_TRUNCATED);
	l->tcp_flags = off_flags & 0x3f;
	l->pay_off = offset(p, c);
	l->pay_len = (uint32_t)cur_left(c);
	l->flags |= LAYER_L4;
	return DROP_NONE;
}

static enum drop_reason
decode_udp(const struct pkt *p, struct cur *c, struct layers *l)
{
	uint32_t len, rest = l->l3_end - l->l4_off;

	l->sport = cur_be16(c);
	l->dport = cur_be16(c);
	len = cur_be16(c);
	cur_skip(c, 2);
	if (!cur_ok(c))
		return short_of(l->l4_off + 8u, l->l3_end, DROP_L4_TRUNCATED);
	if (len == 0 && l->flags & LAYER_GSO)
		len = rest;
	if (len < 8 || len > rest)
		return DROP_L4_HEADER;
	l->pay_off = offset(p, c);
	l->pay_len = (uint32_t)cur_left(c);
	if (l->pay_len > len - 8)
		l->pay_len = len - 8;
	l->flags |= LAYER_L4;
	return DROP_NONE;
}

static enum drop_reason
decode_l4(const struct pkt *p, struct cur *c, struct layers *l)
{
	l->l4_off = (uint16_t)offset(p, c);
	l->pay_off = l->l4_off;
	l->pay_len = (uint32_t)cur_left(c);
	if (l->flags & LAYER_FRAGMENT)
		return DROP_NONE;
	if (l->proto == NET_PROTO_TCP)
		return decode_tcp(p, c, l);
	if (l->proto == NET_PROTO_UDP)
		return decode_udp(p, c, l);
	return DROP_NONE;
}

/* The version nibble must be there and must be `version`. */
static enum drop_reason
check_version(const struct pkt *p, const struct cur *c, unsigned version)
{
	struct cur peek = *c;
	uint8_t b = cur_u8(&peek);

	if (!cur_ok(&peek))
		return short_of(offset(p, c) + 1, wire_len(p), DROP_IP_TRUNCATED);
	return b >> 4 == version ? DROP_NONE : DROP_IP_VERSION;
}

static enum drop_reason
decode_ip4(const struct pkt *p, struct cur *c, struct layers *l)
{
	uint32_t start = offset(p, c), ihl, tot;
	enum drop_reason r = check_version(p, c, 4);
	uint16_t id, frag;

	l->l3_off = (uint16_t)start;
	if (r != DROP_NONE)
		return r;
	ihl = (cur_u8(c) & 0xfu) * 4u;
	if (ihl < 20)
		return DROP_IP_HEADER;
	cur_skip(c, 1); /* type of service */
	tot = cur_be16(c);
	id = cur_be16(c);
	frag = cur_be16(c);
	cur_skip(c, 1); /* time to live */
	l->proto = cur_u8(c);
	cur_skip(c, 2); /* checksum */
	l->src = cur_bytes(c, 4);
	l->dst = cur_bytes(c, 4);
	cur_skip(c, ihl - 20);
	if (!cur_ok(c)) {
		l->src = l->dst = NULL;
		return short_of(start + ihl, wire_len(p), DROP_IP_TRUNCATED);
	}
	l->flags |= LAYER_IP;
	if (tot == 0) {
		l->flags |= LAYER_GSO;
		l->l3_end = wire_len(p);
	} else {
		l->l3_end = start + tot;
	}
	frag &= 0x3fff; /* more, offset; the reserved bit and "do not" say nothing */
	if ((tot != 0 && tot < ihl) || l->l3_end > wire_len(p) || (tot == 0 && frag != 0))
		return DROP_IP_HEADER;
	if (frag != 0) {
		l->flags |= LAYER_FRAGMENT;
		l->frag_id = id;
		l->frag_off = (uint16_t)((frag & 0x1fff) * 8);
		l->frag_more = (frag & 0x2000) != 0;
	}
	*c = ip_body(p, l, c);
	return decode_l4(p, c, l);
}

/* [8200] 4.4; type 0 is to be treated as unknown (RFC 5095), yet some host may follow it. */
static void
note_routing(struct cur c, struct layers *l)
{
	uint8_t type = cur_u8(&c), left = cur_u8(&c);

	if (cur_ok(&c) && (type == 0 || left != 0))
		l->flags |= LAYER_ROUTED;
}

/* Walk the extension headers ([8200] 4) up to the transport header, or to the
 * data of a fragment. */
static enum drop_reason
decode_ip6_ext(const struct pkt *p, struct cur *c, struct layers *l)
{
	for (unsigned n = 0;; n++) {
		uint32_t start = offset(p, c), len = 8;
		uint16_t frag = 0;
		uint8_t next, units;

		switch (l->proto) {
		case IP6_HBH:
			if (n != 0) /* [8200] 4.1: only directly behind the IPv6 header */
				return DROP_IP_HEADER;
			break;
		case IP6_ROUTING:
		case IP6_FRAGMENT:
		case IP6_AH:
		case IP6_DSTOPTS:
			break;
		default:
			return DROP_NONE;
		}
		if (n == IP6_EXT_MAX)
			return DROP_IP_EXT_DEPTH;
		next = cur_u8(c);
		units = cur_u8(c);
		if (l->proto == IP6_FRAGMENT) {
			frag = cur_be16(c);
			l->frag_id = cur_be32(c);
			l->flags |= LAYER_ATOMIC;
		} else {
			if (l->proto == IP6_ROUTING)
				note_routing(*c, l);
			else if (l->proto == IP6_AH)
				l->flags |= LAYER_AUTH;
			if (cur_ok(c)) /* RFC 4302 2.2: AH counts words, less two */
				len = l->proto == IP6_AH ? (units + 2u) * 4 : (units + 1u) * 8;
			cur_skip(c, len - 2);
		}
		if (!cur_ok(c))
			return short_of(start + len, l->l3_end, DROP_IP_TRUNCATED);
		l->proto = next;
		if ((frag & 0xfff9) != 0) { /* else atomic: [6946] handles it as whole */
			l->flags = (uint16_t)((l->flags & ~LAYER_ATOMIC) | LAYER_FRAGMENT);
			l->frag_off = frag & 0xfff8;
			l->frag_more = (frag & 1) != 0;
			return DROP_NONE;
		}
	}
}

static bool
mapped(const uint8_t *addr)
{
	struct net_addr a = net_addr_from6(addr);

	return net_addr_is4(&a);
}

static enum drop_reason
decode_ip6(const struct pkt *p, struct cur *c, struct layers *l)
{
	uint32_t start = offset(p, c), len;
	enum drop_reason r = check_version(p, c, 6);

	l->l3_off = (uint16_t)start;
	if (r != DROP_NONE)
		return r;
	cur_skip(c, 4); /* version, traffic class, flow label */
	len = cur_be16(c);
	l->proto = cur_u8(c);
	cur_skip(c, 1); /* hop limit */
	l->src = cur_bytes(c, 16);
	l->dst = cur_bytes(c, 16);
	if (!cur_ok(c)) {
		l->src = l->dst = NULL;
		return short_of(start + 40, wire_len(p), DROP_IP_TRUNCATED);
	}
	l->flags |= LAYER_IP | LAYER_V6;
	if (mapped(l->src) || mapped(l->dst))
		l->flags |= LAYER_MAPPED;
	l->l3_end = start + 40 + len;
	if (len == 0 && wire_len(p) - l->l3_end > IP6_MTU_MIN) { /* no padding is that long */
		l->flags |= LAYER_GSO;
		l->l3_end = wire_len(p);
	}
	if (l->l3_end > wire_len(p))
		return DROP_IP_HEADER;
	*c = ip_body(p, l, c);
	if ((r = decode_ip6_ext(p, c, l)) != DROP_NONE)
		return r;
	return decode_l4(p, c, l);
}

/* SNAP behind an LLC length: true when *type is now an ethertype and c behind it. */
static bool
decode_snap(struct cur *c, uint16_t *type)
{
	struct cur s = *c;
	uint8_t dsap = cur_u8(&s), ssap = cur_u8(&s), control = cur_u8(&s);
	uint32_t oui = (uint32_t)cur_be16(&s) << 8;
	uint16_t inner;

	oui |= cur_u8(&s);
	inner = cur_be16(&s);
	if (!cur_ok(&s) || dsap != LLC_SNAP_SAP || ssap != LLC_SNAP_SAP || control != LLC_UI ||
	    (oui != OUI_RFC1042 && oui != OUI_802_1H))
		return false;
	*c = s;
	*type = inner;
	return true;
}

/* VLAN tags and SNAP, in whatever order they come; *type ends as the innermost. */
static enum drop_reason
decode_encaps(const struct pkt *p, struct cur *c, struct layers *l, uint16_t *type)
{
	bool tagged = false;

	for (unsigned n = 0;; n++) {
		uint32_t start = offset(p, c);
		uint16_t tci;

		switch (*type) {
		case ETHERTYPE_VLAN:
		case ETHERTYPE_QINQ:
		case ETHERTYPE_QINQ_OLD:
			if (n == ENCAP_MAX)
				return DROP_LINK_DEPTH;
			tci = cur_be16(c);
			*type = cur_be16(c);
			if (!cur_ok(c))
				return short_of(start + 4, wire_len(p), DROP_LINK_TRUNCATED);
			if (!tagged)
				l->vlan = tci & 0xfff;
			tagged = true;
			break;
		default:
			if (*type > LLC_LENGTH_MAX || !decode_snap(c, type))
				return DROP_NONE;
			if (n == ENCAP_MAX)
				return DROP_LINK_DEPTH;
		}
	}
}

/* A raw datagram says by its first nibble what it is. */
static uint16_t
ip_type(const struct cur *c)
{
	struct cur peek = *c;

	return cur_u8(&peek) >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
}

/* BSD loopback: an address family, in the byte order of whoever captured. */
static uint16_t
null_type(struct cur *c)
{
	uint32_t af = cur_le32(c);

	if (af > 0xffff)
		af = __builtin_bswap32(af);
	switch (af) {
	case 2: /* AF_INET everywhere */
		return ETHERTYPE_IPV4;
	case 10: /* AF_INET6: Linux, NetBSD, FreeBSD, Darwin */
	case 24:
	case 28:
	case 30:
		return ETHERTYPE_IPV6;
	default:
		return 0;
	}
}

enum drop_reason
decode_general(const struct pkt *p, struct layers *l)
{
	struct cur c = cur_make(p->bytes, p->caplen);
	enum drop_reason r = DROP_NONE;
	uint32_t header = 0;
	uint16_t type;

	memset(l, 0, sizeof(*l));
	switch ((enum link_type)p->link) {
	case LINK_ETHERNET:
		header = 14;
		l->dmac = cur_bytes(&c, 6);
		l->smac = cur_bytes(&c, 6);
		type = cur_be16(&c);
		break;
	case LINK_LINUX_SLL:
		header = 16;
		cur_skip(&c, 14);
		type = cur_be16(&c);
		break;
	case LINK_LINUX_SLL2:
		header = 20;
		type = cur_be16(&c);
		cur_skip(&c, 18);
		break;
	case LINK_RAW_IP:
		type = ip_type(&c);
		break;
	case LINK_NULL:
		header = 4;
		type = null_type(&c);
		break;
	case LINK_UNKNOWN:
	default:
		return DROP_LINK_UNKNOWN;
	}
	if (!cur_ok(&c)) {
		l->dmac = l->smac = NULL;
		return short_of(header, wire_len(p), DROP_LINK_TRUNCATED);
	}
	if (p->link == LINK_ETHERNET)
		l->flags |= LAYER_ETHERNET;
	if (p->link != LINK_RAW_IP && p->link != LINK_NULL)
		r = decode_encaps(p, &c, l, &type);
	if (r != DROP_NONE)
		return r;
	l->ethertype = type;
	l->l3_off = (uint16_t)offset(p, &c);
	if (type == ETHERTYPE_IPV4)
		return decode_ip4(p, &c, l);
	if (type == ETHERTYPE_IPV6)
		return decode_ip6(p, &c, l);
	if (type == ETHERTYPE_ARP)
		l->flags |= LAYER_ARP;
	return DROP_NONE;
}

enum drop_reason
decode(const struct pkt *p, struct layers *l)
{
	return decode_inline(p, l);
}

enum drop_reason
decode_ip(const uint8_t *ip, uint32_t len, bool v6, struct layers *l)
{
	struct pkt p = {.bytes = ip, .caplen = len, .wirelen = len, .link = LINK_RAW_IP};
	struct cur c = cur_make(ip, len);
	enum drop_reason r;

	memset(l, 0, sizeof(*l));
	l->ethertype = v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
	r = v6 ? decode_ip6(&p, &c, l) : decode_ip4(&p, &c, l);
	return r == DROP_NONE && l->flags & LAYER_FRAGMENT ? DROP_IP_HEADER : r;
}

bool
decode_ip_checksum_ok(const struct pkt *p, const struct layers *l)
{
	if (!(l->flags & LAYER_IP) || l->flags & LAYER_V6)
		return true;
	return decode_sum_ok(decode_sum(p->bytes + l->l3_off, (p->bytes[l->l3_off] & 0xfu) * 4));
}

bool
decode_l4_checksum_ok(const struct pkt *p, const struct layers *l)
{
	const uint8_t *l4 = p->bytes + l->l4_off;
	bool v6 = (l->flags & LAYER_V6) != 0, udp = l->proto == NET_PROTO_UDP;
	uint32_t len, addr_len = v6 ? 16 : 4;
	uint8_t tail[8] = {0}; /* of the pseudo-header: length, zero, protocol */
	uint64_t sum;

	if (!(l->flags & LAYER_L4) || l->flags & LAYER_CUT)
		return true;
	if (udp && l4[6] == 0 && l4[7] == 0)
		return !v6; /* [8200] 8.1: never without over IPv6 */
	len = udp ? 8 + l->pay_len : l->l3_end - l->l4_off;
	tail[0] = (uint8_t)(len >> 24);
	tail[1] = (uint8_t)(len >> 16);
	tail[2] = (uint8_t)(len >> 8);
	tail[3] = (uint8_t)len;
	tail[7] = l->proto;
	sum = decode_sum(l->src, addr_len) + decode_sum(l->dst, addr_len) +
	      decode_sum(tail, sizeof(tail));
	return decode_sum_ok(sum + decode_sum(l4, len));
}

bool
decode_icmp_checksum_ok(const struct pkt *p, const struct layers *l)
{
	uint8_t tail[8] = {0}; /* as above */
	uint64_t sum = 0;

	if (l->flags & LAYER_CUT)
		return true;
	if (l->flags & LAYER_V6) {
		tail[0] = (uint8_t)(l->pay_len >> 24);
		tail[1] = (uint8_t)(l->pay_len >> 16);
		tail[2] = (uint8_t)(l->pay_len >> 8);
		tail[3] = (uint8_t)l->pay_len;
		tail[7] = l->proto;
		sum = decode_sum(l->src, 16) + decode_sum(l->dst, 16) +
		      decode_sum(tail, sizeof(tail));
	}
	return decode_sum_ok(sum + decode_sum(p->bytes + l->pay_off, l->pay_len));
}

void
layers_tuple(const struct layers *l, uint8_t port, struct net_tuple *t)
{
	memset(t, 0, sizeof(*t));
	t->vlan = l->vlan;
	t->port = port;
	if (l->flags & LAYER_ETHERNET) {
		memcpy(t->smac, l->smac, 6);
		memcpy(t->dmac, l->dmac, 6);
	}
	if (!(l->flags & LAYER_IP))
		return;
	t->proto = l->proto;
	if (l->flags & LAYER_V6) {
		t->src = net_addr_from6(l->src);
		t->dst = net_addr_from6(l->dst);
	} else {
		t->src = net_addr_from4(l->src);
		t->dst = net_addr_from4(l->dst);
	}
	if (l->flags & LAYER_L4) {
		t->sport = l->sport;
		t->dport = l->dport;
	}
}

bool
decode_arp(const struct pkt *p, const struct layers *l, struct policy_l2 *out)
{
	struct cur c = cur_make(p->bytes, p->caplen);
	const uint8_t *sha, *spa, *tpa;
	uint16_t hardware, protocol;
	uint8_t hlen, plen;

	memset(out, 0, sizeof(*out));
	out->ethertype = l->ethertype;
	out->vlan = l->vlan;
	if (l->flags & LAYER_ETHERNET) {
		memcpy(out->smac, l->smac, 6);
		memcpy(out->dmac, l->dmac, 6);
	}
	if (!(l->flags & LAYER_ARP))
		return false;
	cur_skip(&c, l->l3_off);
	hardware = cur_be16(&c);
	protocol = cur_be16(&c);
	hlen = cur_u8(&c);
	plen = cur_u8(&c);
	cur_skip(&c, 2); /* operation: request and reply bind alike */
	sha = cur_bytes(&c, 6);
	spa = cur_bytes(&c, 4);
	cur_skip(&c, 6); /* target hardware address */
	tpa = cur_bytes(&c, 4);
	if (!cur_ok(&c) || hardware != 1 || protocol != ETHERTYPE_IPV4 || hlen != 6 || plen != 4)
		return false;
	out->arp = true;
	memcpy(out->arp_smac, sha, 6);
	out->arp_sip = net_addr_from4(spa);
	out->arp_tip = net_addr_from4(tpa);
	return true;
}
