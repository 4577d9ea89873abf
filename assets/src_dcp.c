/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_dcp.c - PROFINET DCP, IEC 61158-6-10 4.3: what a device answers to Identify, and says of itself by Hello.
 *
 *    0          2         3        4      8       10       12
 *   +----------+---------+--------+------+-------+--------+-------------------------------------------+
 *   | frame id | service |  type  | xid  | delay | length | (option, suboption, length, info, value)* |
 *   +----------+---------+--------+------+-------+--------+-------------------------------------------+
 *
 * Blocks begin at even places.  A Set says what somebody wants a device to be, and is left alone: what became of it
 * the next answer says.
 */
#include <stdio.h>

#include "assets/table.h"

enum { FRAME_FIRST = 0xfefc, FRAME_LAST = 0xfeff }; /* hello, get and set, identify, its answer */
enum {
	SERVICE_GET = 3,
	SERVICE_IDENTIFY = 5,
	SERVICE_HELLO = 6,
	TYPE_REQUEST = 0,
	TYPE_SUCCESS = 1
};

static void
ids(struct seen *s, struct cur c)
{
	unsigned vendor = cur_be16(&c), device = cur_be16(&c);
	char text[40];
	int n;

	if (!cur_ok(&c))
		return;
	n = snprintf(text, sizeof(text), "PROFINET vendor 0x%04x device 0x%04x", vendor, device);
	note_station(s, s->station, IDENT_ORDER, cur_make(text, (size_t)n));
}

static void
block(struct seen *s, unsigned what, unsigned info, struct cur c)
{
	struct net_addr ip;
	uint8_t role;

	switch (what) {
	case 0x0102: /* IP parameter; info: 0 = none set, 1 and 2 = set; 0x80: somebody else has it too */
		if ((info & 0x7f) != 0 && cur_left(&c) >= 4) {
			ip = net_addr_from4(c.p);
			claim(s, s->station, &ip);
		}
		break;
	case 0x0201: /* type of station */
		note_station(s, s->station, IDENT_MODEL, c);
		break;
	case 0x0202: /* name of station */
		note_station(s, s->station, IDENT_NAME, c);
		break;
	case 0x0203:
		ids(s, c);
		break;
	case 0x0204: /* role */
		role = cur_u8(&c);
		if (s->station != NONE)
			s->a->station[s->station].flags |=
			    (uint8_t)((role & 1 ? ST_IO_DEVICE : 0) |
				      (role & 2 ? ST_IO_CONTROLLER : 0) |
				      (role & 8 ? ST_IO_SUPERVISOR : 0));
		break;
	default:
		break;
	}
}

static bool
dcp_read(struct seen *s, struct cur c)
{
	uint16_t frame = cur_be16(&c);
	uint8_t service, type;
	struct cur list;

	if (!cur_ok(&c))
		return false;
	if (frame < FRAME_FIRST || frame > FRAME_LAST) /* cyclic data, alarms, fragments */
		return true;
	service = cur_u8(&c);
	type = cur_u8(&c);
	cur_skip(&c, 6);
	list = cur_take(&c, cur_be16(&c));
	if (!cur_ok(&c))
		return false;
	if (!(service == SERVICE_HELLO && type == TYPE_REQUEST) &&
	    !((service == SERVICE_IDENTIFY || service == SERVICE_GET) && type == TYPE_SUCCESS))
		return true;
	while (cur_left(&list) > 0) {
		unsigned what = cur_be16(&list), n = cur_be16(&list), info;
		struct cur body = cur_take(&list, n);

		if (!cur_ok(&list))
			return false;
		info = cur_be16(&body);
		if (cur_ok(&body))
			block(s, what, info, body);
		if (n & 1 && cur_left(&list) > 0)
			cur_skip(&list, 1);
	}
	return true;
}

const struct asset_source asset_source_dcp = {.ethertype = 0x8892, .read = dcp_read};
