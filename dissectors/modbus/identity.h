/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - what a Modbus server says of itself: [APP] 6.13 (report server id) and 6.21 (read device
 * identification); included by modbus.c only, not on the packet path.
 */
#ifndef MODBUS_IDENTITY_H
#define MODBUS_IDENTITY_H

#include "dissectors/modbus/common.h"

/* [APP] 6.21, table of objects: their ids 0 to 6. */
static void
identity_objects(struct cur c, dis_identity_put *put, void *ctx)
{
	static const uint8_t keys[] = {IDENT_VENDOR, IDENT_ORDER, IDENT_FIRMWARE, IDENT_URI,
	    IDENT_MODEL, IDENT_MODEL, IDENT_NAME};
	unsigned n;

	cur_skip(&c, 5); /* MEI type, code, conformity, more follows, next object */
	n = cur_u8(&c);
	while (n-- > 0 && cur_left(&c) > 0) {
		unsigned id = cur_u8(&c);
		struct cur value = cur_take(&c, cur_u8(&c));

		if (!cur_ok(&c))
			return;
		if (id < sizeof(keys))
			put(ctx, (enum dis_identity_key)keys[id], value.p, cur_left(&value));
	}
}

/* Device specific, mostly an id, FF or 00 for run, text: its longest run of printable ASCII, if that is four long. */
static void
identity_server_id(struct cur c, dis_identity_put *put, void *ctx)
{
	struct cur data = cur_take(&c, cur_u8(&c));
	const uint8_t *run = data.p, *best = data.p;
	size_t n = 0, best_n = 0;

	for (; cur_left(&data) > 0; cur_skip(&data, 1)) {
		if (*data.p < ' ' || *data.p > '~') {
			n = 0;
			continue;
		}
		if (n++ == 0)
			run = data.p;
		if (n > best_n) {
			best = run;
			best_n = n;
		}
	}
	if (best_n >= 4)
		put(ctx, IDENT_TEXT, best, best_n);
}

static void
modbus_identity(const struct fact *f, dis_identity_put *put, void *ctx)
{
	if (f->kind != FACT_RESPONSE || !f->ext)
		return;
	if (f->code == 43 && f->sub == 14)
		identity_objects(ext_body(f->ext), put, ctx);
	else if (f->code == 17)
		identity_server_id(ext_body(f->ext), put, ctx);
}

#endif /* MODBUS_IDENTITY_H */
