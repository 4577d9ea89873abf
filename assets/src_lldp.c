/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_lldp.c - IEEE 802.1AB-2016 8.4, 8.5: a row of TLVs (7 bits of type, 9 of length), ended by type 0.
 *
 * Also the MAC of a PROFINET device whose ports have their own (IEC 61158-6-10, LLDP_PNIO_CHASSIS_MAC: 00-0E-CF, subtype 5), and the
 * inventory of LLDP-MED (ANSI/TIA-1057 10.2.6: 00-12-BB, subtypes 5 to 10).
 */
#include "assets/table.h"

enum {
	TLV_END = 0,
	TLV_CHASSIS = 1,
	TLV_NAME = 5,
	TLV_DESCRIPTION = 6,
	TLV_CAPABILITIES = 7,
	TLV_MANAGEMENT = 8,
	TLV_ORGANISATION = 127
};
enum { CHASSIS_MAC = 4, CHASSIS_ADDRESS = 5, CHASSIS_LOCAL = 7 }; /* table 8-2 */
enum { CAP_BRIDGE = 1 << 2, CAP_ROUTER = 1 << 4 };		  /* table 8-4 */
enum { FAMILY_4 = 1, FAMILY_6 = 2 };				  /* IANA address families */
enum { OUI_PROFINET = 0x000ecf, OUI_MED = 0x0012bb };

/* Its ports speak with MACs of their own, this one is its name. */
static void
same_as(struct seen *s, const uint8_t mac[6])
{
	uint32_t to = station_get(s->a, mac);

	if (to != NONE && s->station != NONE && to != s->station)
		s->a->station[s->station].chassis = to;
}

static void
address(struct seen *s, struct cur c)
{
	uint8_t family = cur_u8(&c);
	struct net_addr ip;

	if (family == FAMILY_4 && cur_left(&c) == 4)
		ip = net_addr_from4(c.p);
	else if (family == FAMILY_6 && cur_left(&c) == 16)
		ip = net_addr_from6(c.p);
	else
		return; /* a MAC, mostly: says nothing new */
	claim(s, s->station, &ip);
}

static void
chassis(struct seen *s, struct cur c)
{
	uint8_t subtype = cur_u8(&c);

	if (subtype == CHASSIS_MAC && cur_left(&c) == 6)
		same_as(s, c.p);
	else if (subtype == CHASSIS_ADDRESS)
		address(s, c);
	else if (subtype == CHASSIS_LOCAL) /* PROFINET: the name of station */
		note_station(s, s->station, IDENT_NAME, c);
}

static void
organisation(struct seen *s, struct cur c)
{
	static const uint8_t med[] = {
	    IDENT_HARDWARE, IDENT_FIRMWARE, IDENT__MAX, IDENT_SERIAL, IDENT_VENDOR, IDENT_MODEL};
	uint32_t oui = (uint32_t)cur_be16(&c) << 8;
	uint8_t subtype;

	oui |= cur_u8(&c);
	subtype = cur_u8(&c);
	if (!cur_ok(&c))
		return;
	if (oui == OUI_PROFINET && subtype == 5 && cur_left(&c) == 6)
		same_as(s, c.p);
	else if (oui == OUI_MED && subtype >= 5 && subtype <= 10 && med[subtype - 5] != IDENT__MAX)
		note_station(s, s->station, med[subtype - 5], c);
}

static void
capabilities(struct seen *s, struct cur c)
{
	uint16_t on;

	cur_skip(&c, 2); /* what it could */
	on = cur_be16(&c);
	if (s->station == NONE)
		return;
	if (on & CAP_BRIDGE)
		s->a->station[s->station].flags |= ST_BRIDGE;
	if (on & CAP_ROUTER)
		s->a->station[s->station].flags |= ST_ROUTER;
}

static bool
lldp_read(struct seen *s, struct cur c)
{
	for (unsigned n = 0; cur_left(&c) > 0; n++) {
		uint16_t head = cur_be16(&c);
		unsigned type = head >> 9;
		struct cur body = cur_take(&c, head & 0x1ff);

		if (!cur_ok(&c) || (n == 0) != (type == TLV_CHASSIS)) /* 8.2: first, and once */
			return false;
		switch (type) {
		case TLV_END:
			return n >= 3; /* behind chassis, port, time to live */
		case TLV_CHASSIS:
			chassis(s, body);
			break;
		case TLV_NAME:
			note_station(s, s->station, IDENT_NAME, body);
			break;
		case TLV_DESCRIPTION:
			note_station(s, s->station, IDENT_TEXT, body);
			break;
		case TLV_CAPABILITIES:
			capabilities(s, body);
			break;
		case TLV_MANAGEMENT:
			address(s, cur_take(&body, cur_u8(&body)));
			break;
		case TLV_ORGANISATION:
			organisation(s, body);
			break;
		default:
			break;
		}
	}
	return false; /* 8.2: the end is said */
}

const struct asset_source asset_source_lldp = {.ethertype = 0x88cc, .read = lldp_read};
