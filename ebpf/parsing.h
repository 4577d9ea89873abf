/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * parsing.h - the headers of a frame, for the programs in the kernel.
 *
 * [802.1Q] IEEE 802.1Q-2018 9.5   [802.2] LLC and SNAP, RFC 1042   [826] RFC 826 ARP
 * [791]    RFC 791 IPv4           [8200]  RFC 8200 IPv6            [6946] RFC 6946
 *
 * It finds the same layers as dataplane/decode.c, or fewer: what it cannot read is PARSE_UNSURE,
 * and the engine reads on.  Nothing is read that was not compared with the frame's end
 * before, and every walk has a named bound, so that the verifier can follow.
 *
 * A frame of several buffers is read in its first only.
 */
#ifndef EBPF_PARSING_H
#define EBPF_PARSING_H

#include <stdbool.h>

#include <linux/types.h>

#define ENCAPS_MAX  4	  /* VLAN tags and SNAP headers of one frame */
#define EXTS_MAX    8	  /* IPv6 extension headers of one datagram */
#define OFFSET_MASK 0xfff /* no header that is read begins behind */

enum {
	TYPE_IPV4 = 0x0800,
	TYPE_ARP = 0x0806,
	TYPE_VLAN = 0x8100,
	TYPE_IPV6 = 0x86dd,
	TYPE_QINQ = 0x88a8,	/* [802.1Q] service tag */
	TYPE_QINQ_OLD = 0x9100, /* of older switches */
	TYPE_MIN = 0x0600,	/* below: a length, so LLC */
	LENGTH_MAX = 1500,
};
enum {
	PROTO_HBH = 0,
	PROTO_ICMP = 1,
	PROTO_IGMP = 2,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_DSTOPTS = 60,
};

enum { /* IANA: ICMP types */
	ICMP4_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_ROUTER = 9,
	ICMP4_ROUTER_ASK = 10,
	ICMP4_TIME = 11,
	ICMP4_PARAMETER = 12,
	ICMP6_ERROR_LAST = 4, /* 1 to 4, RFC 4443 3 */
	ICMP6_ECHO = 128,
	ICMP6_REPLY = 129,
	MLD_QUERY = 130,
	MLD_REPORT = 131,
	MLD_DONE = 132,
	ND_ROUTER_ASK = 133,
	ND_ROUTER = 134,
	ND_ASK = 135,
	ND_SAY = 136,
	ND_REDIRECT = 137,
	MLD_REPORT_2 = 143,
};

enum parse_result {
	PARSE_OK = 0,
	PARSE_UNSURE,  /* the engine may see more in it */
	PARSE_SHORT,   /* the frame ends inside the header */
	PARSE_DEPTH,   /* too many encapsulations */
	PARSE_VERSION, /* IP says another version than the type before it */
};

/* IPv4 as ::ffff:a.b.c.d, so that d[1] of it is the address over 0xffff0000. */
struct addr {
	union {
		__u8 b[16];
		__be32 w_be[4];
		__u64 d[2];
	};
};
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "load_addr4() is written for little-endian machines"
#endif

/* Bytes still to be read. */
struct cursor {
	const __u8 *data, *end;
	__u32 at; /* offset of the next */
	__u32
	    bytes; /* of the frame; more than lies between data and end when it has more buffers */
	__u32 ip_end; /* offset behind the IP datagram, by its own length */
};

/* Is the engine there?  One answer for a frame: what is counted as going up must not be passed unjudged. */
enum frame_away { NOT_ASKED = 0, ALIVE, AWAY };

/* What was found.  Nothing but numbers, so that it can be handed to functions which the verifier
 * looks at one by one. */
struct frame {
	__u16 dmac[3], smac[3];
	__u16 type;	      /* innermost ethertype, or an LLC length */
	__u16 vlan;	      /* outermost id; 0 = untagged */
	struct addr src, dst; /* IP; of ARP sender and target */
	__u8 proto;	      /* behind the extension headers */
	__u8 v6, fragment;
	__u8 unsure;	/* what follows the IP header is not known */
	__u8 opens;	/* TCP: SYN without ACK */
	__u8 hop_limit; /* IPv6 */
	__u8 icmp_type, icmp_code;
	__u8 has_head;
	__u16 head;	    /* not IP: the two bytes behind the type, when has_head */
	__u16 sport, dport; /* TCP and UDP */
	__u16 arp_smac[3];
	__u8 whole; /* parse_whole() */
	__u8 plain; /* IPv4 without options, IPv6 without extension headers; whole, no fragment */
	__u16 l3_off, l4_off, ip_end;
	__u32 bytes; /* of the frame */
	__u8 open;   /* passes when the engine is away */
	__u8 away;   /* enum frame_away */
	__u32 row;	    /* of that conduit in gate_conduits, from 1; 0 = of none */
	struct addr target; /* of NS and NA */
};

/* In one load each: every CPU with a JIT for these programs can do so at any address. */
static __always_inline __u16
load_be16(const __u8 *p)
{
	return __builtin_bswap16(*(const __u16 *)p);
}

static __always_inline void
load_mac(__u16 to[3], const __u8 *p)
{
	const __u16 *w = (const __u16 *)p;

	to[0] = w[0];
	to[1] = w[1];
	to[2] = w[2];
}

static __always_inline void
load_addr6(struct addr *a, const __u8 *p)
{
	const __u64 *d = (const __u64 *)p;

	a->d[0] = d[0];
	a->d[1] = d[1];
}

/* RFC 4291 2.5.5.2 */
static __always_inline void
load_addr4(struct addr *a, const __u8 *p)
{
	a->d[0] = 0;
	a->d[1] = (__u64) * (const __u32 *)p << 32 | 0xffff0000;
}

/* The next n bytes, and the cursor behind them; NULL when the buffer ends before. */
static __always_inline const __u8 *
parse_take(struct cursor *c, __u32 n)
{
	const __u8 *p = c->data + (c->at & OFFSET_MASK);

	if (c->at > OFFSET_MASK || p + n > c->end)
		return (const __u8 *)0;
	c->at += n;
	return p;
}

static __always_inline bool
parse_whole(const struct cursor *c)
{
	return c->bytes <= (__u32)(c->end - c->data);
}

/* A header did not fit. */
static __always_inline enum parse_result
parse_short(const struct cursor *c)
{
	return parse_whole(c) && c->at <= OFFSET_MASK ? PARSE_SHORT : PARSE_UNSURE;
}

/* SNAP with the OUI of RFC 1042 or of 802.1H: an ethertype follows. */
static __always_inline bool
parse_snap(struct cursor *c, struct frame *f)
{
	__u32 at = c->at;
	const __u8 *p = parse_take(c, 8);

	if (p && p[0] == 0xaa && p[1] == 0xaa && p[2] == 0x03 && p[3] == 0 && p[4] == 0 &&
	    (p[5] == 0 || p[5] == 0xf8)) {
		f->type = load_be16(p + 6);
		return true;
	}
	c->at = at;
	return false;
}

/* Ethernet, VLAN tags and SNAP in whatever order they come. */
static __always_inline enum parse_result
parse_link(struct cursor *c, struct frame *f)
{
	const __u8 *p = parse_take(c, 14);
	bool tagged = false;

	if (!p)
		return parse_short(c);
	load_mac(f->dmac, p);
	load_mac(f->smac, p + 6);
	f->type = load_be16(p + 12);
	for (int n = 0; n <= ENCAPS_MAX; n++) {
		if (f->type == TYPE_VLAN || f->type == TYPE_QINQ || f->type == TYPE_QINQ_OLD) {
			if (n == ENCAPS_MAX)
				return PARSE_DEPTH;
			p = parse_take(c, 4);
			if (!p)
				return parse_short(c);
			if (!tagged)
				f->vlan = load_be16(p) & 0xfff;
			tagged = true;
			f->type = load_be16(p + 2);
		} else if (f->type <= LENGTH_MAX && parse_snap(c, f)) {
			if (n == ENCAPS_MAX)
				return PARSE_DEPTH;
		} else {
			return f->type <= LENGTH_MAX && !parse_whole(c) ? PARSE_UNSURE : PARSE_OK;
		}
	}
	return PARSE_DEPTH;
}

/* The IP header is too short: a wrong version is told all the same. */
static __always_inline enum parse_result
parse_ip_short(struct cursor *c, __u8 version)
{
	const __u8 *p = parse_take(c, 1);

	return p && p[0] >> 4 != version ? PARSE_VERSION : parse_short(c);
}

static __always_inline enum parse_result
parse_ip4(struct cursor *c, struct frame *f)
{
	__u32 start = c->at, ihl, total;
	const __u8 *p = parse_take(c, 20);

	if (!p)
		return parse_ip_short(c, 4);
	if (p[0] >> 4 != 4)
		return PARSE_VERSION;
	load_addr4(&f->src, p + 12);
	load_addr4(&f->dst, p + 16);
	f->proto = p[9];
	ihl = (p[0] & 15u) * 4;
	total = load_be16(p + 2);
	f->fragment = (load_be16(p + 6) & 0x3fff) != 0; /* more of them, or an offset */
	c->at = start + ihl;
	c->ip_end = start + total;
	f->unsure = ihl < 20 || total < ihl || c->ip_end > c->bytes;
	f->plain = ihl == 20 && !f->fragment && !f->unsure && f->whole;
	f->l3_off = (__u16)start;
	return PARSE_OK;
}

static __always_inline bool
is_ext(__u8 proto)
{
	return proto == PROTO_HBH || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT ||
	       proto == PROTO_AH || proto == PROTO_DSTOPTS;
}

/* Up to the transport header, or to the data of a fragment ([8200] 4). */
static __always_inline void
parse_exts(struct cursor *c, struct frame *f)
{
	const __u8 *p;

	for (int n = 0; n < EXTS_MAX; n++) {
		if (!is_ext(f->proto))
			return;
		p = parse_take(c, 8);
		if (!p)
			break;
		if (f->proto == PROTO_FRAGMENT) {
			f->proto = p[0];
			if ((load_be16(p + 2) & 0xfff9) !=
			    0) { /* else atomic, as good as whole: [6946] */
				f->fragment = 1;
				return;
			}
			continue;
		}
		/* RFC 4302 2.2: AH counts words, less two; the others octets of bytes, less one */
		c->at += f->proto == PROTO_AH ? (__u32)p[1] * 4 : (__u32)p[1] * 8;
		f->proto = p[0];
	}
	f->unsure |= is_ext(f->proto);
}

static __always_inline enum parse_result
parse_ip6(struct cursor *c, struct frame *f)
{
	__u32 start = c->at;
	const __u8 *p = parse_take(c, 40);

	if (!p)
		return parse_ip_short(c, 6);
	if (p[0] >> 4 != 6)
		return PARSE_VERSION;
	load_addr6(&f->src, p + 8);
	load_addr6(&f->dst, p + 24);
	f->v6 = 1;
	f->proto = p[6];
	f->hop_limit = p[7];
	c->ip_end = start + 40 + load_be16(p + 4);
	f->unsure = c->ip_end > c->bytes;
	f->plain = !is_ext(f->proto) && !f->unsure && f->whole;
	f->l3_off = (__u16)start;
	parse_exts(c, f);
	return PARSE_OK;
}

/* What decides behind the IP header: ports, and whether a connection is opened; ICMP's type. */
static __always_inline void
parse_transport(struct cursor *c, struct frame *f)
{
	const __u8 *p;

	if (f->fragment || f->unsure)
		return;
	if (f->proto == PROTO_TCP || f->proto == PROTO_UDP) {
		f->l4_off = (__u16)c->at;
		f->ip_end = (__u16)c->ip_end;
		p = parse_take(c, 8);
		if (p) {
			f->sport = load_be16(p);
			f->dport = load_be16(p + 2);
		}
		f->unsure = !p || c->at > c->ip_end;
		if (p && f->proto == PROTO_TCP) {
			p = parse_take(c, 6);
			f->opens = p && (p[5] & 0x12) == 0x02;
		}
	} else if (f->proto == PROTO_IGMP) {
		f->unsure = c->at + 8 > c->ip_end; /* RFC 3376 4: every message has 8 */
	} else if (f->proto == (f->v6 ? PROTO_ICMP6 : PROTO_ICMP)) {
		p = parse_take(c, 8);
		f->unsure = !p || c->at > c->ip_end; /* else it is padding that is read */
		if (f->unsure)
			return;
		f->icmp_type = p[0];
		f->icmp_code = p[1];
		if (f->v6 && (p[0] == ND_ASK || p[0] == ND_SAY)) {
			p = parse_take(c, 16);
			f->unsure = !p || c->at > c->ip_end;
			if (p)
				load_addr6(&f->target, p);
		}
	}
}

/* What is not IP: the first two bytes (LLC DSAP and SSAP, FrameID of PROFINET). */
static __always_inline void
parse_head(struct cursor *c, struct frame *f)
{
	const __u8 *p = parse_take(c, 2);

	f->has_head = p != (const __u8 *)0;
	if (p)
		f->head = load_be16(p);
}

/* Sender and target of an ARP frame about IPv4 over Ethernet ([826]). */
static __always_inline enum parse_result
parse_arp(struct cursor *c, struct frame *f)
{
	const __u8 *p = parse_take(c, 28);

	if (!p || load_be16(p) != 1 || load_be16(p + 2) != TYPE_IPV4 || p[4] != 6 || p[5] != 4)
		return parse_short(c);
	load_mac(f->arp_smac, p + 8);
	load_addr4(&f->src, p + 14);
	load_addr4(&f->dst, p + 24);
	return PARSE_OK;
}

#endif /* EBPF_PARSING_H */
