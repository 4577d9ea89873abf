/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_arp.c - who says that an IPv4 address is his: RFC 826, and RFC 5227 for probes (sender address 0).
 *
 *    0       2       4     5     6      8          14         18         24         28
 *   +-------+-------+-----+-----+------+----------+----------+----------+----------+
 *   | hw  1 | 0800  |  6  |  4  |  op  | sender's | sender's | target's | target's |
 *   +-------+-------+-----+-----+------+-- MAC ---+-- IP ----+-- MAC ---+-- IP ----+
 */
#include <string.h>

#include "assets/table.h"

static bool
arp_read(struct seen *s, struct cur c)
{
	uint16_t hw = cur_be16(&c), proto = cur_be16(&c);
	uint8_t hw_len = cur_u8(&c), proto_len = cur_u8(&c);
	uint16_t op = cur_be16(&c);
	const uint8_t *mac, *ip;
	struct net_addr addr;
	uint32_t station;

	if (!cur_ok(&c))
		return false;
	if (hw != 1 || proto != 0x0800 || hw_len != 6 || proto_len != 4 || op == 0 || op > 2)
		return true; /* of another kind: nothing for us */
	mac = cur_bytes(&c, 6);
	ip = cur_bytes(&c, 4);
	cur_skip(&c, 10);
	if (!cur_ok(&c))
		return false;
	if (s->l->smac && s->station != NONE && memcmp(mac, s->l->smac, 6) != 0)
		s->a->station[s->station].flags |= ST_ARP_DIFFERS;
	station = station_get(s->a, mac);
	addr = net_addr_from4(ip);
	claim(s, station, &addr);
	return true;
}

const struct asset_source asset_source_arp = {.ethertype = 0x0806, .read = arp_read};
