/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy.c - a protocol nobody speaks, complete and small, to copy from.
 *
 * Copy this folder to dissectors/<name>/ and replace toy by <name>: it builds,
 * policy has its keys and --facts its fields, and no other file changes.  Then
 * write your protocol over it.  The registry skips folders beginning with _.
 *
 * Spec: [TOY] is this comment.  Numbers are high byte first.
 *
 *    0     1     2      3      4        6        8
 *   +-----+-----+------+------+--------+--------+- - - - - -+
 *   | 'T' | 'Y' | type | unit | txn id | length | body      |  length: bytes of body
 *   +-----+-----+------+------+--------+--------+- - - - - -+
 *
 *   1 read     (address, count)*          129 answer   values, two bytes each
 *   2 write    address, value*            130 answer   nothing
 *                                         255 refusal  reason (one byte)
 *
 * A write may be longer than any buffer: toy_part() takes it in pieces.
 */
#include "base/jw.h"
#include "dissectors/dissector.h"

#define TOY_HEAD     8
#define TOY_BODY_MAX 256 /* what pdu() is given; longer writes go through part() */
#define TOY_CELLS    65536u

enum { TOY_READ = 1, TOY_WRITE = 2, TOY_ANSWER = 0x80, TOY_REFUSAL = 0xff };
enum space { SPACE_CELL = 0 };

/* Anomaly bits and their names, in one list. */
enum { BIT_BODY = 0, BIT_RANGE, BIT_TYPE };
static const char *const anomalies[] = {"body_length", "address_overflow", "unknown_type", NULL};
#define TOY_A(id) (UINT64_C(1) << BIT_##id)

/* Per-flow state: zeroed when the flow is claimed.  Up to DIS_STATE_INLINE
 * bytes live in the flow record. */
struct toy {
	uint16_t txn; /* of the one open request */
	uint8_t type;
	bool open;
	/* A long write in pieces: */
	uint8_t head[TOY_HEAD + 2]; /* header and address */
	uint8_t value[2];	    /* one cut in two by a piece's end */
	uint8_t value_len;
	uint32_t cell; /* address of the next value */
};
_Static_assert(sizeof(struct toy) <= DIS_STATE_INLINE, "state leaves the flow record");

/* What JSON shows besides the tuple; bit numbers of .present below. */
struct toy_ext {
	uint32_t present; /* must come first */
	uint16_t txn;
	uint8_t unit, reason;
	struct cur values; /* of an answer to a read */
};
enum { P_UNIT = 0, P_TXN, P_REASON };

static const struct dis_op ops[] = {
	{0, TOY_READ, FACT_NO_SUB, ACC_READ, true, 1 << 0, "read_cells"},
	{1, TOY_WRITE, FACT_NO_SUB, ACC_WRITE, true, 1 << 1, "write_cells"},
	{2, 0, FACT_NO_SUB, 0, false, 0, "unknown"},
};
enum { OPX_UNKNOWN = 2, N_OPX };
static const char *const sets[] = {"read", "write", NULL};

/* --- framing: pure functions of the window --------------------------------------- */

static int32_t
toy_frame(struct cur c, enum dis_dir dir, uint8_t variant)
{
	uint16_t magic = cur_be16(&c), len;

	(void)dir;
	(void)variant;
	cur_skip(&c, 4);
	len = cur_be16(&c);
	if (!cur_ok(&c))
		return FRAME_MORE;
	return magic == ('T' << 8 | 'Y') ? TOY_HEAD + (int32_t)len : FRAME_BAD;
}

/* YES only when the bytes could hardly be anything else: two magic bytes are
 * not enough, so the type must be one of ours and of this direction. */
static enum dis_probe_result
toy_probe(struct cur c, enum dis_dir dir, uint8_t *variant)
{
	int32_t n = toy_frame(c, dir, 0);
	uint8_t type;

	*variant = 0;
	if (n <= 0)
		return n == FRAME_MORE ? PROBE_MAYBE : PROBE_NO;
	cur_skip(&c, 2);
	type = cur_u8(&c);
	if (dir == DIR_TO_SERVER)
		return type == TOY_READ || type == TOY_WRITE ? PROBE_YES : PROBE_NO;
	return type & TOY_ANSWER ? PROBE_YES : PROBE_NO;
}

/* --- meaning ----------------------------------------------------------------------- */

/* One run of cells: of a read (address, count), with no values. */
static bool
take_read(struct cur *c, struct fact_item *out)
{
	*out = (struct fact_item){.space = SPACE_CELL, .access = ACC_READ};
	out->first = cur_be16(c);
	out->count = cur_be16(c);
	return cur_ok(c);
}

/* Item i > 0 of a read: the iterator keeps our place in the body. */
static bool
next_read(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct cur *body = f->iter_arg;
	struct cur c = *body;

	cur_skip(&c, 4 * (size_t)it->i);
	return take_read(&c, out);
}

static void
fact_head(struct dis_call *call, const uint8_t *head, struct fact *f, struct toy_ext *x)
{
	uint8_t type = head[2] & (uint8_t)~TOY_ANSWER;

	*f = (struct fact){.dir = call->dir, .sub = FACT_NO_SUB, .anomalies = call->anomalies};
	*x = (struct toy_ext){.present = 1 << P_UNIT | 1 << P_TXN};
	f->code = type;
	f->opx = type == TOY_READ ? 0 : type == TOY_WRITE ? 1 : OPX_UNKNOWN;
	f->op = ops[f->opx].name;
	f->access = ops[f->opx].access;
	f->unit = x->unit = head[3];
	x->txn = (uint16_t)(head[4] << 8 | head[5]);
	f->txn = x->txn;
	f->ext = x;
}

static void
request(struct cur body, struct fact *f)
{
	struct fact_iter it = {0};
	struct fact_item item;
	struct cur c = body;

	if (f->code == TOY_READ) {
		f->n_items = (uint16_t)(cur_left(&c) / 4);
		f->next = next_read;
		if (f->n_items == 0 || cur_left(&c) % 4 != 0 || !take_read(&c, &f->item))
			f->anomalies |= TOY_A(BODY);
	} else if (f->code == TOY_WRITE) {
		f->item = (struct fact_item){.space = SPACE_CELL, .access = ACC_WRITE};
		f->item.first = cur_be16(&c);
		f->item.count = (uint32_t)(cur_left(&c) / 2);
		f->item.enc = ENC_U16_BE;
		f->item.vals = c.p; /* borrowed from the PDU */
		f->n_items = 1;
		if (!cur_ok(&c) || cur_left(&c) == 0 || cur_left(&c) % 2 != 0)
			f->anomalies |= TOY_A(BODY);
	} else {
		f->anomalies |= TOY_A(TYPE);
	}
	if (f->anomalies & TOY_A(BODY)) { /* contradicts itself: no items, kind malformed */
		f->kind = FACT_MALFORMED;
		f->n_items = 0;
	}
	while (fact_next(f, &it, &item))
		if (item.first + item.count > TOY_CELLS)
			f->anomalies |= TOY_A(RANGE);
}

static void
answer(struct toy *st, uint8_t type, bool midstream, struct cur body, struct fact *f,
    struct toy_ext *x)
{
	bool ours = st->open && st->txn == f->txn;

	if (type == TOY_REFUSAL) {
		f->kind = FACT_EXCEPTION;
		x->reason = cur_u8(&body);
		x->present |= 1 << P_REASON;
		if (ours) { /* the refusal does not say of what: the request did */
			f->code = st->type;
			f->opx = st->type == TOY_READ ? 0 : 1;
			f->op = ops[f->opx].name;
			f->access = ops[f->opx].access;
		}
	} else {
		f->kind = FACT_RESPONSE;
		x->values = body;
		ours = ours && st->type == f->code;
	}
	if (!cur_ok(&body))
		f->anomalies |= TOY_A(BODY);
	if (!ours && !midstream)
		f->anomalies |= FACT_A_UNSOLICITED;
}

static void
toy_pdu(struct dis_call *call, struct cur c)
{
	struct toy *st = call->state;
	const uint8_t *head = cur_bytes(&c, TOY_HEAD);
	struct toy_ext x;
	struct fact f;

	if (!head) /* a stream never gives this; frame() asked for more */
		return;
	fact_head(call, head, &f, &x);
	f.iter_arg = &c;
	if (call->dir == DIR_TO_SERVER)
		request(c, &f);
	else
		answer(st, head[2], call->midstream, c, &f, &x);
	/* A request that the other side will not see must not be remembered. */
	if (!dis_emit(call->sink, &f))
		return;
	st->open = call->dir == DIR_TO_SERVER;
	if (st->open) {
		st->txn = x.txn;
		st->type = (uint8_t)f.code;
	}
}

/* --- a PDU that no buffer holds --------------------------------------------------------- */

/* The value that a piece's end had cut comes first, then the whole ones. */
static bool
next_part(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	(void)it;
	*out = *(const struct fact_item *)f->iter_arg;
	return true;
}

static void
toy_part(struct dis_call *call, struct cur piece, uint32_t off, uint32_t total)
{
	struct toy *st = call->state;
	struct fact_item whole = {.space = SPACE_CELL, .access = ACC_WRITE, .enc = ENC_U16_BE};
	struct fact_item cut = whole;
	uint32_t end = off + (uint32_t)cur_left(&piece);
	struct toy_ext x;
	struct fact f;

	if (off == 0)
		st->value_len = 0;
	for (; off < sizeof(st->head) && cur_left(&piece) > 0; off++)
		st->head[off] = cur_u8(&piece);
	if (end < sizeof(st->head))
		return;
	fact_head(call, st->head, &f, &x);
	if (call->dir != DIR_TO_SERVER || f.code != TOY_WRITE) { /* only writes are long */
		f.kind = FACT_MALFORMED;
		f.anomalies |= TOY_A(BODY);
		f.more = end < total;
		(void)dis_emit(call->sink, &f);
		return;
	}
	if (off == sizeof(st->head))
		st->cell = (uint32_t)st->head[TOY_HEAD] << 8 | st->head[TOY_HEAD + 1];
	if (st->value_len == 1 && cur_left(&piece) > 0) {
		st->value[1] = cur_u8(&piece);
		st->value_len = 0;
		cut.first = st->cell++;
		cut.count = 1;
		cut.vals = st->value;
	}
	whole.first = st->cell;
	whole.count = (uint32_t)(cur_left(&piece) / 2);
	whole.vals = cur_bytes(&piece, 2 * (size_t)whole.count);
	st->cell += whole.count;
	if (cut.count && whole.count) {
		f.item = cut;
		f.n_items = 2;
		f.next = next_part;
		f.iter_arg = &whole;
	} else if (cut.count || whole.count) {
		f.item = cut.count ? cut : whole;
		f.n_items = 1;
	}
	if (st->cell > TOY_CELLS)
		f.anomalies |= TOY_A(RANGE);
	f.more = (total - end + 1) / 2; /* values to come */
	if (end == total && (cur_left(&piece) || total % 2)) {
		f.kind = FACT_MALFORMED;
		f.anomalies |= TOY_A(BODY);
		f.n_items = 0;
	}
	/* The engine holds the verdicts of all pieces together. */
	st->open = dis_emit(call->sink, &f) && end == total;
	st->txn = x.txn;
	st->type = TOY_WRITE;
	if (cur_left(&piece)) { /* after the emit: the cut item borrowed value[] */
		st->value[0] = cur_u8(&piece);
		st->value_len = 1;
	}
}

static void
toy_gap(struct dis_call *call, uint32_t lost)
{
	struct toy *st = call->state;

	(void)lost;
	st->open = false;
}

/* The protocol's own "no", so that `otherwise: reject` keeps the session. */
static size_t
toy_refuse(struct dis_call *call, const struct fact *f, uint8_t *buf, size_t size)
{
	const uint8_t pdu[] = {'T', 'Y', TOY_REFUSAL, (uint8_t)f->unit, (uint8_t)(f->txn >> 8),
	    (uint8_t)f->txn, 0, 1, 1};

	(void)call;
	if (size < sizeof(pdu))
		return 0;
	memcpy(buf, pdu, sizeof(pdu));
	return sizeof(pdu);
}

/* --- schema: all that policy, JSON and documentation know of us ---------------------------- */

/* Members that the field table cannot say; may be left out. */
static void
toy_json(struct jw *w, const struct fact *f)
{
	const struct toy_ext *x = f->ext;
	struct cur c = x->values;

	if (f->kind != FACT_RESPONSE)
		return;
	jw_arr(w, "values");
	while (cur_left(&c) >= 2)
		jw_u(w, NULL, cur_be16(&c));
	jw_close(w, ']');
}

static const struct dis_space spaces[] = {
    [SPACE_CELL] = {"cell", TOY_CELLS - 1, 0, 16, false},
};
static const struct dis_key keys[] = {
	{.name = "functions", .kind = KEY_OPS, .required = true,
	 .help = "read_cells, write_cells, or the sets read, write"},
	{.name = "units", .kind = KEY_UNIT, .required = true, .hi = 255,
	 .help = "unit numbers"},
	{.name = "cells", .kind = KEY_RANGE, .space = SPACE_CELL,
	 .help = "cells that may be read or written"},
	{.name = "values", .kind = KEY_VALUES, .space = SPACE_CELL,
	 .help = "limits of values written"},
};
#define FIELD(name, type, member, bit, help)                                                       \
	DIS_FIELD(name, type, struct toy_ext, member, bit, help)
static const struct dis_field fields[] = {
	FIELD("unit", FIELD_U8, unit, P_UNIT, "unit number"),
	FIELD("txn", FIELD_U16, txn, P_TXN, "transaction id"),
	FIELD("refusal", FIELD_U8, reason, P_REASON, "why the server refused"),
};
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
static const struct dis_schema schema = {
	.n_opx = N_OPX,
	.n_ops = COUNT_OF(ops),
	.n_spaces = COUNT_OF(spaces),
	.n_keys = COUNT_OF(keys),
	.n_fields = COUNT_OF(fields),
	.ops = ops,
	.sets = sets,
	.spaces = spaces,
	.keys = keys,
	.fields = fields,
	.json = toy_json,
	.anomalies = anomalies,
};

static const uint16_t ports[] = {7007, 0};

const struct dissector dissector_toy = {
	.name = "toy",
	.spec = "the top comment of toy.c",
	.ports = ports,
	.max_pdu = TOY_HEAD + TOY_BODY_MAX,
	.state_size = sizeof(struct toy),
	.schema = &schema,
	.probe = toy_probe,
	.frame = toy_frame,
	.pdu = toy_pdu,
	.part = toy_part,
	.gap = toy_gap,
	.refuse = toy_refuse,
};
