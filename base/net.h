/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - addresses and tuples, in the one form every folder uses.
 *
 * An address is 16 bytes in network order; IPv4 is kept as the mapped form
 * ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so one comparison serves both families.
 * Ports, VLAN ids and protocol numbers are in host order.
 */
#ifndef BASE_NET_H
#define BASE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NET_ADDR_STRLEN 46 /* longest text of an address, with its NUL */
#define NET_MAC_STRLEN 18

enum {
	NET_PROTO_ICMP = 1,
	NET_PROTO_IGMP = 2,
	NET_PROTO_TCP = 6,
	NET_PROTO_UDP = 17,
	NET_PROTO_ICMP6 = 58,
};

struct net_addr {
	uint8_t b[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
};

/* An address prefix; len counts bits of the 16-byte form (IPv4 /24 = 120). */
struct net_prefix {
	struct net_addr addr;
	uint8_t len;
};

/* A conversation as policy and alerts see it: src is the side that sent the
 * packet or PDU in question. */
struct net_tuple {
	struct net_addr src, dst;
	uint16_t sport, dport;	/* host order; 0 when the protocol has none */
	uint16_t vlan;		/* outermost VLAN id, 0 = untagged */
	uint8_t proto;		/* IP protocol number; 0 = not IP */
	uint8_t port;		/* 0 = outside or only port, 1 = inside; with NET_PORT_TWO where
				 * there are two, so that it is known (and VLAN tags are) */
	uint8_t smac[6], dmac[6];
};

static inline bool
net_addr_is4(const struct net_addr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static inline bool
net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

/* Of a tuple's port: the frame came in by one of two ports of ours, and as it was on the
 * wire.  A capture or a SPAN port shows neither. */
#define NET_PORT_TWO 2u

/* From the four bytes of an IPv4 header field, network order. */
static inline struct net_addr
net_addr_from4(const uint8_t *p)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct net_addr a;

	memcpy(a.b, mapped, sizeof(mapped));
	memcpy(a.b + sizeof(mapped), p, 4);
	return a;
}

static inline struct net_addr
net_addr_from6(const uint8_t *p)
{
	struct net_addr a;

	memcpy(a.b, p, sizeof(a.b));
	return a;
}

/* Text as RFC 5952 writes it (IPv4 dotted); buf holds NET_ADDR_STRLEN. Returns buf. */
char *net_addr_str(const struct net_addr *a, char *buf);
char *net_mac_str(const uint8_t mac[6], char *buf);

/* Parse text. 0, or ERR_SYNTAX; out written only on success. */
int net_addr_parse(const char *text, struct net_addr *out);
int net_prefix_parse(const char *text, struct net_prefix *out); /* host bits must be 0 */
int net_mac_parse(const char *text, uint8_t out[6]);

/* True when the address lies in the prefix. */
bool net_prefix_has(const struct net_prefix *p, const struct net_addr *a);

/* The tuple of the opposite direction (addresses, ports and MACs swapped; what comes in by one
 * of two ports is answered by the other). */
struct net_tuple net_tuple_reverse(const struct net_tuple *t);

#endif /* BASE_NET_H */
