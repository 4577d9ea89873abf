/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refuse.h - the PLC's own way to say no; included by s7.c only.
 */
#ifndef S7_REFUSE_H
#define S7_REFUSE_H

#include "dissectors/s7/userdata.h"

#define ERR_PROTECTION 0xd241 /* "not permitted in the current protection level" */
#define CODE_DENIED    0x03   /* item: "accessing the object is not allowed" */

static uint8_t *
put_header(uint8_t *p, size_t n, uint8_t rosctr, uint16_t ref, size_t params, size_t data)
{
	const uint8_t head[] = {3, 0, (uint8_t)(n >> 8), (uint8_t)n, ISO_DT_LI, ISO_DT, ISO_EOT,
	    S7_ID, rosctr, 0, 0, (uint8_t)(ref >> 8), (uint8_t)ref, (uint8_t)(params >> 8),
	    (uint8_t)params, (uint8_t)(data >> 8), (uint8_t)data};

	memcpy(p, head, sizeof(head));
	return p + sizeof(head);
}

/*
 * What a PLC itself says to what it does not permit: for each item of a read or
 * write "accessing the object is not allowed", which every client handles per
 * variable; to all else its protection level.  A connection is refused with a
 * disconnect.
 */
static size_t
s7_refuse(struct dis_call *call, const struct fact *f, uint8_t *buf, size_t size)
{
	bool items = (f->opx == FN_READ || f->opx == FN_WRITE) && f->n_items > 0;
	size_t data = items ? f->n_items * (f->opx == FN_READ ? 4u : 1u) : 0,
	       params = items ? 2 : 1, n;
	uint8_t *p;

	(void)call;
	if (f->kind != FACT_REQUEST)
		return 0;
	if (f->opx == OPX_COTP_e0) {
		const uint8_t dr[] = {
		    3, 0, 0, 11, 6, ISO_DR, (uint8_t)(f->txn >> 8), (uint8_t)f->txn, 0, 0, 0};

		if (size < sizeof(dr))
			return 0;
		memcpy(buf, dr, sizeof(dr));
		return sizeof(dr);
	}
	if ((f->code & ~15u) == CODE_UD) {
		n = ISO_DT_LEN + S7_HEAD + 12 + 4;
		if (size < n)
			return 0;
		p = put_header(buf, n, USERDATA, (uint16_t)f->txn, 12, 4);
		{
			const uint8_t rest[] = {0, 1, 0x12, 8, 0x12,
			    (uint8_t)(UD_RESPONSE << 4 | (f->code & 15)), (uint8_t)f->sub, 0, 0, 0,
			    ERR_PROTECTION >> 8, ERR_PROTECTION & 0xff, 0x0a, 0, 0, 0};

			memcpy(p, rest, sizeof(rest));
		}
		return n;
	}
	if (f->code > 0xff)
		return 0;
	n = ISO_DT_LEN + S7_HEAD_ACK + params + data;
	if (size < n || f->n_items > 255)
		return 0;
	p = put_header(buf, n, ACK_DATA, (uint16_t)f->txn, params, data);
	*p++ = items ? 0 : ERR_PROTECTION >> 8;
	*p++ = items ? 0 : ERR_PROTECTION & 0xff;
	*p++ = (uint8_t)f->code;
	if (items) {
		*p++ = (uint8_t)f->n_items;
		memset(p, 0, data);
		for (size_t i = 0; i < data; i += data / f->n_items)
			p[i] = CODE_DENIED;
	}
	return n;
}

#endif /* S7_REFUSE_H */
