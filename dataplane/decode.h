/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.h - link, network and transport headers of one frame.
 *
 * decode() finds the layers; it does not judge.  A frame that cannot be
 * decoded has exactly one drop reason, and *l then holds what was found
 * before it broke off.  Offsets are from pkt->bytes.
 *
 *   pkt->bytes  l3_off     l4_off    pay_off           l3_end     caplen
 *   | Ethernet, |  IP,     |  TCP or  |  payload       |  padding  |
 *   |   tags    |  options |  UDP     |  (pay_len)     |           |
 *
 * A frame that is not IP is no failure: it has neither LAYER_IP nor a reason,
 * and ethertype says what follows at l3_off.  IP that is neither TCP nor UDP
 * has LAYER_IP only; payload then starts behind the IP header.
 *
 * When the capture cut the datagram short (LAYER_CUT), l3_end lies beyond
 * caplen and pay_len counts only what is here: l3_end - pay_off - pay_len
 * bytes of a TCP segment are missing.  A datagram longer than its frame was on
 * the wire is no cut: its receiver discards it (ip.header).
 *
 * Borrowed: the pointers in struct layers live as long as the frame's bytes.
 * Any thread; no state.
 */
#ifndef DATAPLANE_DECODE_H
#define DATAPLANE_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/net.h"
#include "dataplane/drop.h"
#include "dataplane/pkt.h"

enum layer_flags {
	LAYER_IP = 1 << 0,	 /* ip_ver, src, dst, proto are set */
	LAYER_L4 = 1 << 1,	 /* sport, dport, payload are set (TCP or UDP) */
	LAYER_FRAGMENT = 1 << 2, /* an IP fragment: payload is the fragment's data, no ports */
	LAYER_ETHERNET = 1 << 3, /* smac, dmac are set */
	LAYER_CUT = 1 << 4,	 /* the capture holds less than the IP length says */
	LAYER_ARP = 1 << 5,
	LAYER_V6 = 1 << 6,
	LAYER_GSO = 1 << 7, /* IP length 0: an offloaded frame as its sender's host captured it; the
			     * length is the frame's.  Never valid on a wire: a guard drops it */
	LAYER_ROUTED = 1 << 8,	/* IPv6: routing header of type 0, or one that leads on from dst */
	LAYER_ATOMIC = 1 << 9,	/* IPv6: fragment header of a datagram in one piece (RFC 6946) */
	LAYER_AUTH = 1 << 10,	/* IPv6: authentication header (RFC 4302) in front of the rest */
	LAYER_MAPPED = 1 << 11, /* IPv6: an address that stands for one of IPv4 (RFC 4942 2.2) */
};

enum tcp_flags {
	TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32,
};

struct layers {
	uint16_t flags;	    /* enum layer_flags */
	uint16_t ethertype; /* innermost, host order; < 0x0600: LLC length; 0 = none */
	uint16_t vlan;	    /* outermost VLAN id, 0 = untagged */
	uint8_t proto;	    /* IP protocol after extension headers */
	uint8_t tcp_flags; /* enum tcp_flags; ECE and CWR are masked out */
	uint16_t sport, dport; /* host order */
	uint16_t tcp_win;      /* unscaled, host order */
	uint16_t l3_off, l4_off;
	uint32_t pay_off;   /* transport payload (fragment: IP payload) */
	uint32_t pay_len;   /* bytes of it that are here */
	uint32_t seq, ack;  /* TCP, host order */
	uint32_t l3_end;    /* end of the IP datagram by its own length; see above */
	const uint8_t *src, *dst;   /* 4 or 16 bytes in the frame; NULL without IP */
	const uint8_t *smac, *dmac; /* NULL without Ethernet */
	/* fragments only */
	uint32_t frag_id;
	uint16_t frag_off; /* bytes */
	bool frag_more;
};

/* DROP_NONE and *l filled, or the reason.  The common frame (Ethernet, at most
 * one VLAN tag, IPv4 without options, TCP) takes a straight path, which
 * decode_fast.h offers for inlining. */
enum drop_reason decode(const struct pkt *p, struct layers *l);

/* Layers of a reassembled IP datagram (starting at its IP header); one that is
 * itself a fragment is refused (ip.header). */
enum drop_reason decode_ip(const uint8_t *ip, uint32_t len, bool v6, struct layers *l);

/* Recompute and compare: IPv4 header, and TCP or UDP when the whole datagram is
 * here (a UDP checksum of 0 over IPv4 means none).  True when there is nothing
 * to compare.  The pseudo-header takes the destination as it stands in the IP
 * header, so a source-routed IPv6 datagram that is still under way is false. */
bool decode_ip_checksum_ok(const struct pkt *p, const struct layers *l);
bool decode_l4_checksum_ok(const struct pkt *p, const struct layers *l);
/* The same of ICMP (RFC 792) and ICMPv6 (RFC 4443 2.3), proto being one of them. */
bool decode_icmp_checksum_ok(const struct pkt *p, const struct layers *l);

/* Tuple in the direction the packet travels; what the frame has not got is 0. */
void layers_tuple(const struct layers *l, uint8_t port, struct net_tuple *t);

/* What policy_eval_l2() asks of a frame that is not IP.  True for ARP about IPv4
 * over Ethernet, whose addresses are then in out->arp_*; false for the rest, also
 * for an ARP frame with another body (LAYER_ARP without out->arp). */
struct policy_l2;
bool decode_arp(const struct pkt *p, const struct layers *l, struct policy_l2 *out);

#endif /* DATAPLANE_DECODE_H */
