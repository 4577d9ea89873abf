/* SPDX-License-Identifier: Apache-2.0 */
/*
 * userdata.h - ROSCTR 7: what a programmer asks of a CPU beside its variables;
 * included by s7.c only, nothing here is on the usual path.
 *
 *    0          3       4        5               6      7     8       9      10
 *   +----------+-------+--------+---------------+------+-----+- - - -+- - - -+- - - -+
 *   | 00 01 12 | bytes | method | type and group | sub | seq | unit  | last  | error |
 *   +----------+-------+--------+---------------+------+-----+- - - -+- - - -+- - - -+
 *              behind   0x11, 0x12                            with method 0x12
 *
 * then the data: return code, type, length, payload.  A long answer comes in
 * several PDUs (last = 1: more); for each the client repeats the request with
 * the sequence number of the answer and no payload.  What it repeats is
 * remembered, so that a rule on SZL ids holds for all of the list.
 */
#ifndef S7_USERDATA_H
#define S7_USERDATA_H

#include "dissectors/s7/body.h"

enum ud_type { UD_PUSH = 0, UD_REQUEST = 4, UD_RESPONSE = 8, UD_NC_PUSH = 3, UD_NC_REQUEST = 7,
	UD_NC_RESPONSE = 11 };

/* What is only looked at here. */
struct ud {
	uint8_t type, group, sub, seq;
	bool more;	  /* answer: another PDU of it follows */
	bool follow;	  /* request: for such a PDU, without a payload of its own */
	struct cur payload;
};

static uint16_t
ud_find_opx(uint8_t group, uint8_t sub)
{
	uint16_t opx = sub < UD_SUBS ? ud_opx[group][sub] : 0;

	return opx ? opx : group_opx[group];
}

static uint64_t
ud_head(struct cur c, struct ud *u, struct fact *f, struct s7_ext *x)
{
	const uint8_t *p = cur_bytes(&c, 8);
	uint64_t a = 0;
	unsigned len;

	*u = (struct ud){.payload = {0}};
	f->code = CODE_UD;
	f->opx = group_opx[0];
	if (!p)
		return S7_A(BODY_SHORT);
	len = p[3];
	if (p[0] != 0 || p[1] != 1 || p[2] != 0x12)
		a = S7_A(USERDATA_HEAD);
	u->type = p[5] >> 4;
	u->group = p[5] & 15;
	u->sub = p[6];
	u->seq = p[7];
	f->code = (uint16_t)(CODE_UD | u->group);
	f->sub = u->sub;
	f->opx = ud_find_opx(u->group, u->sub);
	x->group = u->group;
	x->subcode = u->sub;
	x->seq = u->seq;
	x->present |= HAS(P_GROUP) | HAS(P_SUB) | HAS(P_SEQ) | HAS(P_TYPE);
	if (len + 4 != 8 + cur_left(&c) || (len != 4 && len != 8))
		return a | S7_A(USERDATA_HEAD);
	if (len == 8) {
		p = cur_bytes(&c, 4);
		u->more = p[1] == 1;
		u->follow = u->seq != 0;
		x->error = be16(p + 2);
		x->present |= HAS(P_ERROR);
	}
	if (f->opx == group_opx[u->group] && u->group != GR_PBC)
		a |= S7_A(SUBFUNCTION_UNKNOWN);
	return a;
}

/* Return code, type, length; the payload is what the length says. */
static uint64_t
ud_data(struct s7_ext *x, struct ud *u)
{
	struct cur c = x->data;
	uint8_t code, type;
	uint32_t n;

	u->payload = c;
	if (cur_left(&c) == 0) /* some answers have none */
		return 0;
	if (!value_take(&c, false, &code, &type, &n))
		return S7_A(DATA_LENGTH);
	cur_skip(&u->payload, 4);
	u->payload = cur_take(&u->payload, n);
	u->follow = u->follow && n == 0; /* with a payload it asks for something new */
	return cur_left(&c) ? S7_A(DATA_LENGTH) : 0;
}

/* --- what reads or writes variables ---------------------------------------- */

/* Cyclic and change-driven reads: item count, time base, factor, specifications. */
static uint64_t
ud_cyclic(struct fact *f, struct s7_ext *x, const struct ud *u)
{
	struct cur c = u->payload;
	struct walk w = {.wire = cur_be16(&c)};
	uint32_t bytes;
	uint64_t a;

	cur_skip(&c, 2);
	if (!cur_ok(&c))
		return S7_A(BODY_SHORT);
	w.spec = x->spec = c;
	x->n_wire = w.wire;
	x->present |= HAS(X_ITEMS);
	if (w.wire == 0)
		return S7_A(COUNT_ZERO);
	a = items_all(&w, f, x, &bytes);
	if (!cur_ok(&w.spec))
		a |= S7_A(BODY_SHORT);
	return a | (cur_left(&w.spec) ? S7_A(BODY_LONG) : 0);
}

/*
 * Variable status, modify, force: lengths of a trigger part and a variable part;
 * this is number of variables, their specifications, and what is to be written.
 * What does not read like that may be any variable.
 */
static uint64_t
ud_vartab(struct fact *f, struct s7_ext *x, const struct ud *u, uint8_t access)
{
	struct cur c = u->payload, list;
	unsigned head = cur_be16(&c), n;
	struct fact_item it;
	uint64_t a = 0;

	cur_skip(&c, 2);
	cur_skip(&c, head);
	n = cur_be16(&c);
	list = cur_take(&c, (size_t)n * VARTAB_ITEM);
	if (!cur_ok(&list) || n == 0) {
		item_clear(&f->item, access);
		item_nowhere(&f->item);
		f->n_items = 1;
		return S7_A(SYNTAX_UNKNOWN);
	}
	x->spec = list;
	x->n_wire = (uint16_t)n;
	x->present |= HAS(X_VARTAB);
	for (unsigned i = 0; i < n; i++)
		a |= vartab_take(&list, access, i ? &it : &f->item).anomalies;
	f->n_items = (uint16_t)n;
	f->next = next_vartab;
	return a;
}

/* --- requests -------------------------------------------------------------- */

static uint64_t
ud_request(struct fact *f, struct s7_ext *x, const struct s7_state *st, const struct ud *u)
{
	struct cur c = u->payload;
	uint64_t a = 0;

	switch (f->opx) {
	case OPX_UD_1_2:
		return u->follow ? 0 : ud_vartab(f, x, u, ACC_READ);
	case OPX_UD_1_8: case OPX_UD_1_9:
		return u->follow ? 0 : ud_vartab(f, x, u, ACC_WRITE);
	case OPX_UD_2_1: case OPX_UD_2_5: case OPX_UD_2_7:
		return u->follow ? 0 : ud_cyclic(f, x, u);
	case OPX_UD_3_2: case OPX_UD_3_3:
		if (u->follow)
			return 0;
		x->spec = c;
		x->present |= HAS(X_BLOCKS);
		return cur_left(&c) == (f->opx == OPX_UD_3_2 ? 2 : BLOCK_TEXT) ? 0
									       : S7_A(BLOCK_NAME);
	case OPX_UD_4_1:
		if (u->follow) {
			if (st->szl_seq == 0 || st->szl_seq != u->seq)
				return 0;
			x->szl_id = st->szl_id;
			x->szl_index = st->szl_index;
		} else {
			x->szl_id = cur_be16(&c);
			x->szl_index = cur_be16(&c);
			a = !cur_ok(&c) ? S7_A(BODY_SHORT) : cur_left(&c) ? S7_A(BODY_LONG) : 0;
		}
		if (!a)
			x->present |= HAS(P_SZL_ID) | HAS(P_SZL_INDEX);
		return a;
	case OPX_UD_5_1: /* the password is nobody's business */
		return 0;
	case OPX_UD_7_2: case OPX_UD_7_4:
		x->spec = c;
		x->present |= HAS(X_CLOCK);
		return cur_left(&c) == 10 ? 0 : S7_A(DATA_LENGTH);
	default:
		if (cur_left(&c))
			x->present |= HAS(X_DATA);
		x->data = c;
		return 0;
	}
}

/* --- answers --------------------------------------------------------------- */

/* The first PDU of a list says which it is; later ones are told by their number. */
static void
ud_answer_szl(struct s7_ext *x, const struct s7_state *st, const struct ud *u)
{
	struct cur c = u->payload;

	if (st->szl_seq != 0 && st->szl_seq == u->seq) {
		x->szl_id = st->szl_id;
		x->szl_index = st->szl_index;
	} else {
		x->szl_id = cur_be16(&c);
		x->szl_index = cur_be16(&c);
		if (!cur_ok(&c))
			return;
	}
	x->present |= HAS(P_SZL_ID) | HAS(P_SZL_INDEX);
}

static void
ud_answer(struct fact *f, struct s7_ext *x, const struct s7_state *st, const struct ud *u)
{
	struct cur c = u->payload;

	if (x->present & HAS(P_ERROR) && x->error != 0)
		f->kind = FACT_EXCEPTION;
	switch (f->opx) {
	case OPX_UD_4_1:
		ud_answer_szl(x, st, u);
		break;
	case OPX_UD_7_1: case OPX_UD_7_3:
		if (cur_left(&c) == 10) {
			x->spec = c;
			x->present |= HAS(X_CLOCK);
		}
		break;
	default:
		if (cur_left(&c))
			x->present |= HAS(X_DATA);
		x->data = c;
		break;
	}
}

/* The answer has gone on its way: is there more of the list to come? */
static void
ud_answered(struct s7_state *st, const struct s7_ext *x, const struct ud *u)
{
	if (u->group != GR_CPU || u->sub != 1)
		return;
	if (u->more && x->present & HAS(P_SZL_ID)) {
		st->szl_id = x->szl_id;
		st->szl_index = x->szl_index;
		st->szl_seq = u->seq;
	} else if (st->szl_seq == u->seq) {
		st->szl_seq = 0;
	}
}

/* --- what the server sends by itself --------------------------------------- */

/* Mode transitions are told to who asked for messages. */
static uint16_t
push_bit(uint8_t group)
{
	return (uint16_t)(1u << (group == GR_MODE ? GR_CPU : group));
}

#endif /* S7_USERDATA_H */
