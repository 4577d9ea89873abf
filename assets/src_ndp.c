/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_ndp.c - the same for IPv6: RFC 4861 4.3 (solicitation: the sender's address and its MAC, option 1) and 4.4
 * (advertisement: the target address and its MAC, option 2).  Only with hop limit 255, which no router lets through (7.1).
 */
#include "assets/table.h"

enum { NDP_SOLICIT = 135, NDP_ADVERTISE = 136, OPT_SOURCE_MAC = 1, OPT_TARGET_MAC = 2 };

static bool
ndp_read(struct seen *s, struct cur c)
{
	struct cur ip = cur_make(s->pkt->bytes, s->pkt->caplen);
	uint8_t type = cur_u8(&c), code = cur_u8(&c), want, hops;
	struct net_addr addr;
	const uint8_t *target;

	if (!cur_ok(&c))
		return false;
	if (!(s->l->flags & LAYER_V6) || (type != NDP_SOLICIT && type != NDP_ADVERTISE) ||
	    code != 0)
		return true;
	cur_skip(&ip, s->l->l3_off + 7u);
	hops = cur_u8(&ip);
	cur_skip(&c, 6); /* checksum, flags */
	target = cur_bytes(&c, 16);
	if (!target || hops != 255)
		return false;
	addr = net_addr_from6(type == NDP_SOLICIT ? s->l->src : target);
	want = type == NDP_SOLICIT ? OPT_SOURCE_MAC : OPT_TARGET_MAC;
	while (cur_left(&c) > 0) {
		uint8_t option = cur_u8(&c), units = cur_u8(&c);
		struct cur body;

		if (!cur_ok(&c) || units == 0)
			return false; /* 4.6: no length of 0 */
		body = cur_take(&c, units * 8u - 2u);
		if (!cur_ok(&c))
			return false;
		if (option == want && units == 1)
			claim(s, station_get(s->a, body.p), &addr);
	}
	return true;
}

const struct asset_source asset_source_ndp = {.ip_proto = NET_PROTO_ICMP6, .read = ndp_read};
