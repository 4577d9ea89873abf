/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_dhcp.c - RFC 2131 2, options of RFC 2132: what a client calls itself (12, FQDN 81 of RFC 4702) and its maker (60), and which address
 * a server gives it (an ACK, option 53 = 5).  The client is chaddr, since a relay may have sent the frame.
 */
#include "assets/table.h"

enum { OP_REQUEST = 1, OP_REPLY = 2, COOKIE = 0x63825363, ACK = 5, FQDN_HEAD = 3 };

static bool
dhcp_read(struct seen *s, struct cur c)
{
	uint8_t op = cur_u8(&c), hw = cur_u8(&c), hw_len = cur_u8(&c), type = 0;
	const uint8_t *mac, *given;
	struct net_addr ip;
	uint32_t client;

	cur_skip(&c, 1 + 4 + 4); /* hops, xid, secs, flags */
	cur_skip(&c, 4);	 /* ciaddr: what the client believes to have */
	given = cur_bytes(&c, 4);
	cur_skip(&c, 8);
	mac = cur_bytes(&c, 16);
	cur_skip(&c, 64 + 128);
	if (cur_be32(&c) != COOKIE || !cur_ok(&c))
		return false;
	if (hw != 1 || hw_len != 6 || (op != OP_REQUEST && op != OP_REPLY))
		return true;
	client = station_get(s->a, mac);
	while (cur_left(&c) > 0) {
		uint8_t option = cur_u8(&c);
		struct cur body;

		if (option == 0)
			continue;
		if (option == 255)
			break;
		body = cur_take(&c, cur_u8(&c));
		if (!cur_ok(&c))
			return false;
		if (option == 53)
			type = cur_u8(&body);
		if (op != OP_REQUEST)
			continue;
		if (option == 12) {
			note_station(s, client, IDENT_NAME, body);
		} else if (option == 60) {
			note_station(s, client, IDENT_TEXT, body);
		} else if (option == 81 && cur_left(&body) > FQDN_HEAD) {
			bool wire = (cur_u8(&body) & 4) != 0; /* E: as in DNS, with lengths */

			cur_skip(&body, 2);
			if (!wire)
				note_station(s, client, IDENT_NAME, body);
		}
	}
	if (op == OP_REPLY && type == ACK) {
		ip = net_addr_from4(given);
		claim(s, client, &ip);
	}
	return true;
}

const struct asset_source asset_source_dhcp = {.ports = {67, 68}, .read = dhcp_read};
