/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_stp.c - who sends BPDUs is a bridge: IEEE 802.1D-2004 9.3, behind LLC 42 42 03.  Protocol 0; version 0, 2, 3; type
 * 0 (configuration), 2 (rapid), 80 (topology change).
 */
#include "assets/table.h"

static bool
stp_read(struct seen *s, struct cur c)
{
	uint8_t dsap = cur_u8(&c), ssap = cur_u8(&c), control = cur_u8(&c);
	uint16_t protocol = cur_be16(&c);
	uint8_t version = cur_u8(&c), type = cur_u8(&c);

	if (!cur_ok(&c) || dsap != 0x42 || ssap != 0x42 || control != 3 || protocol != 0 ||
	    version > 4 || (type != 0 && type != 2 && type != 0x80))
		return false;
	if (s->station != NONE)
		s->a->station[s->station].flags |= ST_STP;
	return true;
}

static const uint8_t group[6] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x00}; /* 7.12.3 */
const struct asset_source asset_source_stp = {.group = group, .read = stp_read};
