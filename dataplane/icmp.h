/* SPDX-License-Identifier: Apache-2.0 */
/*
 * icmp.h - what an ICMP error speaks of, without anything that an engine knows.
 *
 * [792] RFC 792 ICMP	[4443] RFC 4443 ICMPv6
 */
#ifndef DATAPLANE_ICMP_H
#define DATAPLANE_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/decode.h"

enum { /* IANA: types */
	T4_UNREACHABLE = 3,
	T4_REDIRECT = 5,
	T4_TIME = 11,
	T4_PARAMETER = 12,
	T6_UNREACHABLE = 1,
	T6_TOO_BIG = 2,
	T6_TIME = 3,
	T6_PARAMETER = 4,
	T6_MLD_QUERY = 130,
	T6_MLD_DONE = 132,
	T6_RS = 133,
	T6_RA = 134,
	T6_NS = 135,
	T6_NA = 136,
	T6_REDIRECT = 137,
	T6_MLD2_REPORT = 143,
};

#define ICMP_HEAD 8u /* bytes of all messages that we look at */

/* A type that says of another datagram that it did not arrive. */
bool icmp_is_error(bool v6, uint8_t type);
/* The headers of the datagram that is quoted at that byte of the packet, of which only the front is here.  False: not of
 * TCP or UDP, not of the same IP, or too little to have ports in it. */
bool icmp_quoted(const struct pkt *p, const struct layers *l, uint32_t at, struct layers *q);
/* Is it an ICMP error that quotes TCP or UDP?  Then q is what it quotes, as far as it does. */
bool icmp_error_of(const struct pkt *p, const struct layers *l, struct layers *q);

#endif /* DATAPLANE_ICMP_H */
