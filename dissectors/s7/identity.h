/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.h - what a CPU says of itself in its system status lists; included by s7.c only, not on the packet path.
 *
 *   answer: SZL id, index, length of a record, number of records, then these (big endian)
 *     0x0011  module identification      index, order number (20 characters), type, version (2 x 2)
 *     0x001c  component identification   index, text (32)
 *
 * Both lists stand in "System Software for S7-300/400, System and Standard Functions", volume 2.  Of a list in several
 * PDUs the first is read, which has the records that matter.
 */
#ifndef S7_IDENTITY_H
#define S7_IDENTITY_H

#include <stdio.h>

#include "dissectors/s7/common.h"

enum { SZL_MODULE = 0x11, SZL_COMPONENT = 0x1c };

static void
identity_module(unsigned index, struct cur c, dis_identity_put *put, void *ctx)
{
	struct cur order = cur_take(&c, 20);
	unsigned version, rest;
	char text[24];
	int n;

	cur_skip(&c, 2); /* type of the module */
	version = cur_be16(&c);
	rest = cur_be16(&c);
	if (!cur_ok(&c))
		return;
	if (index == 1) {
		put(ctx, IDENT_ORDER, order.p, 20);
		n = snprintf(text, sizeof(text), "%u", rest);
		if (rest != 0)
			put(ctx, IDENT_HARDWARE, text, (size_t)n);
	} else if (index == 7 &&
		   version >> 8 == 'V') { /* basic firmware: 'V', then three numbers */
		n = snprintf(
		    text, sizeof(text), "%u.%u.%u", version & 0xff, rest >> 8, rest & 0xff);
		put(ctx, IDENT_FIRMWARE, text, (size_t)n);
	}
}

static void
identity_component(unsigned index, struct cur c, dis_identity_put *put, void *ctx)
{
	static const struct {
		uint8_t index, key;
	} texts[] = {
	    {1, IDENT_NAME},   /* of the automation system */
	    {2, IDENT_NAME},   /* of the module */
	    {3, IDENT_TEXT},   /* plant designation */
	    {5, IDENT_SERIAL}, /* of the module */
	    {7, IDENT_MODEL},  /* module type */
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].index == index)
			put(ctx, (enum dis_identity_key)texts[i].key, c.p, cur_left(&c));
}

static void
s7_identity(const struct fact *f, dis_identity_put *put, void *ctx)
{
	const struct s7_ext *x = f->ext;
	unsigned id, size, n;
	struct cur c;

	if (f->kind != FACT_RESPONSE || f->opx != OPX_UD_4_1 || !x || !(x->present & HAS(P_SZL_ID)))
		return;
	c = x->data;
	cur_skip(&c, 4); /* return code, type, length */
	id = cur_be16(&c);
	cur_skip(&c, 2); /* index */
	size = cur_be16(&c);
	n = cur_be16(&c);
	/* The upper byte says which part of the list; a later PDU of a list has no such head. */
	if (!cur_ok(&c) || id != x->szl_id ||
	    ((id & 0xff) != SZL_MODULE && (id & 0xff) != SZL_COMPONENT))
		return;
	if (size != ((id & 0xff) == SZL_MODULE ? 28 : 34))
		return;
	while (n-- > 0 && cur_left(&c) > 0) {
		struct cur record = cur_take(&c, size);
		unsigned index = cur_be16(&record);

		if (!cur_ok(&record))
			return;
		if ((id & 0xff) == SZL_MODULE)
			identity_module(index, record, put, ctx);
		else
			identity_component(index, record, put, ctx);
	}
}

#endif /* S7_IDENTITY_H */
