/* SPDX-License-Identifier: Apache-2.0 */
/* community.c - the Community ID of a flow, for eve.h: Community ID Flow Hashing v1. */
#include <string.h>

#include "alerts/eve.h"
#include "base/crypto.h"

bool
eve_community_id(const struct net_tuple *t, char *out)
{
	bool ports = t->proto == NET_PROTO_TCP || t->proto == NET_PROTO_UDP || t->proto == 132;
	uint8_t in[2 + 16 + 16 + 2 + 4] = {0}, hash[CRYPTO_SHA1_LEN], *p = in + 2;
	const struct net_addr *a = &t->src, *b = &t->dst;
	uint16_t ap = t->sport, bp = t->dport;
	bool v4 = net_addr_is4(a) && net_addr_is4(b);
	size_t off = v4 ? 12 : 0, len = 16 - off;
	int order = memcmp(a->b + off, b->b + off, len);

	/* For ICMP the types would stand for ports, and they are not known here. */
	if (t->proto == 0 || t->proto == NET_PROTO_ICMP || t->proto == NET_PROTO_ICMP6)
		return false;
	if (order > 0 || (order == 0 && ap > bp)) {
		a = &t->dst;
		b = &t->src;
		ap = t->dport;
		bp = t->sport;
	}
	memcpy(p, a->b + off, len);
	p += len;
	memcpy(p, b->b + off, len);
	p += len;
	*p++ = t->proto;
	*p++ = 0;
	if (ports) {
		*p++ = (uint8_t)(ap >> 8);
		*p++ = (uint8_t)ap;
		*p++ = (uint8_t)(bp >> 8);
		*p++ = (uint8_t)bp;
	}
	crypto_sha1(in, (size_t)(p - in), hash);
	out[0] = '1';
	out[1] = ':';
	crypto_b64(hash, sizeof(hash), out + 2);
	return true;
}
