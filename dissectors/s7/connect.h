/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect.h - facts begin and end here, and the TPDUs that open and close a
 * connection ([X.224] 13); included by s7.c only.
 */
#ifndef S7_CONNECT_H
#define S7_CONNECT_H

#include "dissectors/s7/body.h"

/*
 * Class, rack and slot of a partner's TSAP: [class] [rack << 5 | slot].  LOGO! and
 * S7-200 use other numbers, by which they are known: 02.00, 10.00, 20.00, 4D.57.
 */
static bool
tsap_read(struct cur tsap, uint8_t *class, uint8_t *rack, uint8_t *slot)
{
	size_t n = cur_left(&tsap);
	uint8_t hi = cur_u8(&tsap), lo = cur_u8(&tsap);

	*class = TSAP_OTHER;
	*rack = lo >> 5;
	*slot = lo & 31;
	if (n != 2 || hi == 0 || hi > TSAP_BASIC)
		return false;
	*class = hi;
	return true;
}

/* --- the connection -------------------------------------------------------- */

static inline void
props_begin(struct fact_props *pr, const struct s7_state *st, bool midstream)
{
	pr->known = st->known;
	pr->na = 1u << NUM_ITEMS | 1u << NUM_SZL | 1u << NUM_SZL_INDEX | KNOWN_TEXT(TEXT_PI);
	pr->midstream = midstream;
	pr->num[NUM_CLASS] = st->tsap_class;
	pr->num[NUM_RACK] = st->rack;
	pr->num[NUM_SLOT] = st->slot;
	pr->num[NUM_PDU] = st->pdu_size;
	if (st->pdu_size)
		pr->known |= 1u << NUM_PDU;
	else
		pr->na |= 1u << NUM_PDU;
}

static inline void
prop_num(struct fact_props *pr, unsigned i, uint32_t value)
{
	pr->num[i] = value;
	pr->known |= 1u << i;
	pr->na &= ~(1u << i);
}

static inline void
fact_begin(struct fact *f, struct s7_ext *x, const struct fact_props *pr, uint8_t dir)
{
	f->proto = 0; /* the engine knows our index */
	f->dir = dir;
	f->sub = FACT_NO_SUB;
	f->n_items = 0;
	f->unit = 0;
	f->txn = 0;
	f->more = 0;
	f->goes_on = false;
	f->next = NULL;
	f->ext = x;
	f->iter_arg = NULL;
	f->props = pr;
	x->present = 0;
	x->n_wire = 0;
}

/* Set what policy asks of a fact, and emit it. */
static bool
fact_end(struct dis_call *call, struct fact *f, uint64_t a)
{
	f->op = ops[f->opx].name;
	f->access = ops[f->opx].access;
	f->code = ops[f->opx].code;
	f->anomalies = a;
	if (a & malformed_bits) {
		f->kind = FACT_MALFORMED;
		f->n_items = 0;
	}
	return dis_emit(call->sink, f);
}

/* TPDUs other than a DT with data. */
RARE void
control(struct dis_call *call, struct cur c, uint64_t a)
{
	static const char *const classes[] = {"other", "pg", "op", "basic"};
	bool server = call->dir == DIR_TO_CLIENT;
	struct s7_state *st = call->state;
	uint8_t before[offsetof(struct s7_state, req)];
	struct fact_props pr;
	struct iso_ctl o;
	struct s7_ext x;
	struct fact f;
	bool read = iso_read_ctl(c, &o);

	memcpy(before, st, sizeof(before));
	if (!read)
		a |= S7_A(COTP_HEADER);
	if (o.short_ || o.unknown)
		a |= S7_A(COTP_PARAM);
	f.kind = FACT_REQUEST;
	switch (o.type) {
	case ISO_CR:
		f.opx = OPX_COTP_e0;
		if (st->open || st->flags & (ST_CONNECT | ST_SETUP))
			a |= S7_A(SETUP_AGAIN);
		if (tsap_read(o.dst, &st->tsap_class, &st->rack, &st->slot))
			st->known |= 1u << NUM_RACK | 1u << NUM_SLOT;
		else
			st->known = 0;
		st->known |= 1u << NUM_CLASS;
		st->flags |= ST_CONNECT;
		if (server) {
			f.kind = FACT_RESPONSE;
			a |= S7_A(DIRECTION) | FACT_A_UNSOLICITED;
		}
		break;
	case ISO_CC:
		f.opx = OPX_COTP_e0;
		f.kind = FACT_RESPONSE;
		if (!server)
			a |= S7_A(DIRECTION) | FACT_A_UNSOLICITED;
		else if (!(st->flags & ST_CONNECT) && !call->midstream)
			a |= FACT_A_UNSOLICITED;
		st->flags &= (uint8_t)~ST_CONNECT;
		break;
	case ISO_DR: case ISO_DC:
		f.opx = OPX_COTP_80;
		if (server) /* refuses a connection, ends it, or confirms the end */
			f.kind = o.type == ISO_DR && st->flags & ST_CONNECT ? FACT_EXCEPTION
									    : FACT_RESPONSE;
		if (o.type == ISO_DC)
			a |= S7_A(COTP_CLASS);
		break;
	case ISO_ER:
		f.opx = OPX_COTP_70;
		f.kind = server ? FACT_EXCEPTION : FACT_REQUEST;
		break;
	case ISO_DT:
		f.opx = OPX_COTP_f0;
		f.kind = server ? FACT_RESPONSE : FACT_REQUEST;
		a &= ~S7_A(COTP_HEADER);
		break;
	default:
		f.opx = OPX_COTP_00;
		a |= S7_A(COTP_CLASS);
		break;
	}
	if (o.type == ISO_CR || o.type == ISO_CC) {
		if (o.option & 0xf0)
			a |= S7_A(COTP_CLASS);
	}
	if (o.type != ISO_DT && read && cur_left(&o.data) > 0)
		a |= S7_A(COTP_HEADER);
	props_begin(&pr, st, call->midstream);
	fact_begin(&f, &x, &pr, call->dir);
	f.txn = o.src_ref;
	if (o.type == ISO_CR || o.type == ISO_CC) {
		x.src = o.src;
		x.dst = o.dst;
		x.present |= HAS(X_TSAPS) | (st->known ? HAS(P_CLASS) : 0) |
		    (st->known & 1u << NUM_RACK ? HAS(P_RACK) | HAS(P_SLOT) : 0);
		x.tsap_class = classes[st->tsap_class];
		x.rack = st->rack;
		x.slot = st->slot;
		if (o.tpdu_size >= 7 && o.tpdu_size <= 13) {
			x.present |= HAS(P_TPDU_SIZE);
			x.tpdu_size = (uint16_t)(1u << o.tpdu_size);
		} else if (o.tpdu_size != 0) {
			a |= S7_A(COTP_PARAM);
		}
	} else if (read && (o.type == ISO_DR || o.type == ISO_ER)) {
		x.present |= HAS(P_REASON);
		x.reason = o.option;
	}
	if (!fact_end(call, &f, a))
		memcpy(st, before, sizeof(before));
}

#endif /* S7_CONNECT_H */
