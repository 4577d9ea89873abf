/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - jobs and their answers: what stands in the parameters and data of
 * ROSCTR 1 and 3; included by s7.c only.  userdata.h has ROSCTR 7.
 *
 * request_*() fill the fact and its JSON fields from the parameters (x->spec)
 * and the data (x->data) and return the anomalies; *about says what the answer
 * must have.  answer_*() do the same for the other way.  Read and write are
 * inline, everything else is not.
 */
#ifndef S7_BODY_H
#define S7_BODY_H

#include "dissectors/s7/item.h"
#include "dissectors/s7/pair.h"

#define RARE static __attribute__((noinline))

static inline uint32_t
pdu_room(const struct s7_state *st)
{
	return st->pdu_size ? st->pdu_size : PDU_USUAL;
}

/* --- read and write -------------------------------------------------------- */

/* More than one specification, or one of another syntax than S7ANY. */
RARE uint64_t
items_all(struct walk *w, struct fact *f, const struct s7_ext *x, uint32_t *bytes)
{
	struct fact_item it;
	uint64_t a = 0;
	uint32_t n = 0, sum = 0;

	while ((w->wire > 0 || w->runs > 0) && cur_ok(&w->spec)) {
		struct walk_out o = walk_next(w, n == 0 ? &f->item : &it);

		a |= o.anomalies;
		o.bytes = x->n_wire > 1 ? (o.bytes + 1) & ~1u : o.bytes; /* values are filled up */
		sum =
		    o.bytes < BYTES_UNKNOWN && sum < BYTES_UNKNOWN ? sum + o.bytes : BYTES_UNKNOWN;
		if (n++ >= UINT16_MAX - 1)
			break;
	}
	if (w->fill && cur_left(&w->spec) == 1) /* some fill behind the last as well */
		cur_skip(&w->spec, 1);
	f->n_items = (uint16_t)n;
	f->next = next_variable;
	*bytes = sum;
	return a;
}

/*
 * Read and write: item count, specifications, and for a write the values.
 * Of several values each counts as an even number of bytes, as in the answer.
 */
static inline uint64_t
request_items(struct fact *f, struct s7_ext *x, const struct s7_state *st, bool write,
    uint32_t *bytes, uint32_t *room)
{
	struct walk w = {.spec = x->spec, .write = write};
	uint64_t a = 0;

	w.wire = cur_u8(&w.spec);
	x->n_wire = w.wire;
	x->spec = w.spec;
	w.data = x->data;
	if (__builtin_expect(w.wire == 1 && cur_left(&w.spec) == ITEM_ANY, 1)) {
		struct walk_out o = walk_next(&w, &f->item);

		f->n_items = 1;
		a = o.anomalies;
		*bytes = o.bytes;
		if (__builtin_expect(w.runs != 0, 0)) {
			w = (struct walk){
			    .spec = x->spec, .data = x->data, .wire = 1, .write = write};
			a = items_all(&w, f, x, bytes);
		}
	} else {
		a = items_all(&w, f, x, bytes);
	}
	x->present |= write ? HAS(X_ITEMS) | HAS(X_WRITTEN) : HAS(X_ITEMS);
	if (!cur_ok(&w.spec) || !cur_ok(&w.data))
		a |= S7_A(BODY_SHORT);
	else if (cur_left(&w.spec) > 0)
		a |= S7_A(BODY_LONG);
	else if (cur_left(&w.data) > 0)
		a |= S7_A(VALUE_COUNT);
	if (__builtin_expect(x->n_wire == 0, 0))
		a |= S7_A(COUNT_ZERO);
	/* S7_HEAD_ACK, function, count, and in front of each value four bytes */
	*room = write ? S7_HEAD_ACK + 2u + x->n_wire : S7_HEAD_ACK + 2u + 4u * x->n_wire + *bytes;
	if (*room > pdu_room(st) && *bytes < BYTES_UNKNOWN)
		a |= S7_A(ANSWER_OVER);
	if (write)
		*bytes = 0;
	return a;
}

/* Return codes and values; *ok counts the good ones. */
static inline uint64_t
answer_read(struct s7_ext *x, pair_req q)
{
	struct cur spec = x->spec, c = x->data;
	unsigned n = cur_u8(&spec), ok = 0;
	uint32_t sum = 0, len;
	uint8_t code, type;
	uint64_t a = 0;

	x->n_wire = (uint16_t)n;
	x->present |= HAS(X_STATUS);
	for (unsigned i = 0; i < n; i++) {
		if (!answer_take(&c, i + 1 < n, &code, &type, &len))
			return S7_A(BODY_SHORT);
		ok += code == VAL_OK;
		sum += n > 1 ? (len + 1) & ~1u : len;
	}
	if (!cur_ok(&spec) || !cur_ok(&c))
		return S7_A(BODY_SHORT);
	if (cur_left(&spec) > 0 || cur_left(&c) > 0)
		return S7_A(BODY_LONG);
	if (q != 0 && n != pair_items(q))
		a = S7_A(ITEM_COUNT) | FACT_A_UNSOLICITED;
	else if (q != 0 && ok == n && pair_bytes(q) != UINT16_MAX && sum != pair_bytes(q))
		a = S7_A(ITEM_SIZE) | FACT_A_UNSOLICITED;
	return a;
}

/* A return code per item. */
static inline uint64_t
answer_write(struct s7_ext *x, pair_req q)
{
	struct cur spec = x->spec, c = x->data;
	unsigned n = cur_u8(&spec);

	x->n_wire = (uint16_t)n;
	x->present |= HAS(X_STATUS);
	cur_skip(&c, n);
	if (!cur_ok(&spec) || !cur_ok(&c))
		return S7_A(BODY_SHORT);
	if (cur_left(&spec) > 0 || cur_left(&c) > 0)
		return S7_A(BODY_LONG);
	return q != 0 && n != pair_items(q) ? S7_A(ITEM_COUNT) | FACT_A_UNSOLICITED : 0;
}

/* No item of it was good: the negative answer of a read or write. */
static bool
all_refused(const struct s7_ext *x, bool write)
{
	struct cur c = x->data;
	uint8_t code, type;
	uint32_t len;

	for (unsigned i = 0; i < x->n_wire; i++) {
		if (write)
			code = cur_u8(&c);
		else if (!answer_take(&c, i + 1u < x->n_wire, &code, &type, &len))
			return false;
		if (code == VAL_OK)
			return false;
	}
	return x->n_wire != 0;
}

/* What a read or write answer says of one item: dissector.answer. */
static bool
s7_answer(const struct fact *f, uint32_t i, uint32_t n, struct fact_item *it)
{
	const struct s7_ext *x = f->ext;
	struct cur c = x->data;
	const uint8_t *p = NULL;
	uint8_t code = 0, type;
	uint32_t len = 0;

	/* a specification may stand for several items: then their numbers differ */
	if ((f->opx != FN_READ && f->opx != FN_WRITE) || n != x->n_wire || i >= n)
		return false;
	if (f->opx == FN_WRITE) {
		cur_skip(&c, i);
		return cur_u8(&c) == VAL_OK && cur_ok(&c);
	}
	for (uint32_t k = 0; k <= i; k++) {
		if (!(p = answer_take(&c, k + 1 < n, &code, &type, &len)))
			return false;
		if (k < i && len != 0 && !value_certain(p - 4))
			return false; /* where the next begins, others may see otherwise */
	}
	if (code != VAL_OK || it->space == SPACE_NOWHERE)
		return false;
	item_take(it, p, len);
	return it->vals != NULL;
}

/* --- setup communication --------------------------------------------------- */

/* reserved, jobs calling, jobs called, PDU size; the answer has the same. */
static uint64_t
setup_fields(struct s7_ext *x)
{
	struct cur c = x->spec;

	cur_skip(&c, 1);
	x->amq_calling = cur_be16(&c);
	x->amq_called = cur_be16(&c);
	x->pdu_size = cur_be16(&c);
	if (!cur_ok(&c))
		return S7_A(BODY_SHORT);
	x->present |= HAS(P_AMQ_CALLING) | HAS(P_AMQ_CALLED) | HAS(P_PDU_SIZE);
	if (cur_left(&c) > 0)
		return S7_A(BODY_LONG);
	return x->pdu_size < PDU_MIN ? S7_A(PDU_SIZE) : 0;
}

/* --- blocks ---------------------------------------------------------------- */

/*
 * "_0A00001P": how the block is kept ('_' whole, '$' its head), then the block.
 * Controls of machine tools name files instead.
 */
static void
file_block(struct cur name, uint8_t *type, uint32_t *number)
{
	struct cur block = name;
	uint8_t mark = cur_u8(&block);
	uint32_t h = 0x811c9dc5;

	if ((mark == '_' || mark == '$') && block_parse(block, type, number))
		return;
	while (cur_left(&name) > 0)
		h = (h ^ cur_u8(&name)) * 0x01000193;
	*type = BLOCK_FILE;
	*number = (h ^ h >> 16) & 0xffff;
}

/*
 * Functions 1a, 1b, 1c, 1d: status, 2 unknown (of 1c: error), upload id, and a
 * file name with its length.  1a adds the lengths of what will come.
 */
static uint64_t
request_file(struct fact *f, struct s7_ext *x, uint8_t access)
{
	struct cur c = x->spec;
	uint32_t number = 0;
	uint8_t type = 0;

	cur_skip(&c, 7);
	x->name = cur_take(&c, cur_u8(&c));
	if (!cur_ok(&c))
		return S7_A(BODY_SHORT);
	x->present |= HAS(X_FILE);
	if (f->code == FN_DL_REQUEST) {
		x->spec = cur_take(&c, cur_u8(&c));
		x->present |= HAS(X_LENGTHS);
	}
	file_block(x->name, &type, &number);
	item_clear(&f->item, access);
	item_set(&f->item, SPACE_BLOCK, type, type == BLOCK_FILE ? 0 : number, 1);
	f->n_items = 1;
	return !cur_ok(&c) ? S7_A(BODY_SHORT) : cur_left(&c) ? S7_A(BODY_LONG) : 0;
}

/* Which transfer x->name is. */
static struct transfer *
file_transfer(struct s7_state *st, const struct s7_ext *x)
{
	uint32_t number = 0;
	uint8_t type = 0;

	file_block(x->name, &type, &number);
	return transfer_find(st, type, number);
}

/*
 * The server fetches the next piece of a download, or ends it: that belongs to
 * the download the client asked for, and is judged as an answer to it.
 */
static uint64_t
server_fetches(struct dis_call *call, struct fact *f, struct s7_ext *x)
{
	struct s7_state *st = call->state;
	uint64_t a = request_file(f, x, ACC_WRITE);

	f->kind = FACT_RESPONSE;
	f->n_items = 0;
	if ((a & malformed_bits) || file_transfer(st, x))
		return a;
	for (unsigned i = 0; i < TRANSFERS; i++)
		if (st->transfer[i].state != TR_FREE)
			return a | S7_A(TRANSFER_NAME) | FACT_A_UNSOLICITED;
	/* a download that was under way before us goes on */
	return call->midstream || st->flags & ST_LOST ? a : a | FACT_A_UNSOLICITED;
}

/*
 * The client's answer with a piece of the program: the first one says itself
 * which block it is ("pp", version, attributes, language, type, number).
 */
static uint64_t
piece_fits(struct s7_ext *x, const struct transfer *t)
{
	struct cur c = x->data;
	const uint8_t *p;

	cur_skip(&c, 4); /* length, 00 fb */
	p = cur_bytes(&c, 8);
	if (!t || t->state != TR_ASKED || t->type == BLOCK_FILE)
		return 0;
	if (!p)
		return S7_A(TRANSFER_NAME) | FACT_A_UNSOLICITED;
	if (p[0] != 'p' || p[1] != 'p')
		return S7_A(TRANSFER_NAME);
	return p[5] == t->type && be16(p + 6) == t->number ? 0 :
	    S7_A(TRANSFER_NAME) | FACT_A_UNSOLICITED;
}

/* --- program invocation ---------------------------------------------------- */

static uint16_t
pi_opx(struct cur name)
{
	static const struct {
		const char *text;
		uint16_t opx;
	} names[] = {
#define JOB(...)
#define COTP(...)
#define MISC(...)
#define UD(...)
#define GROUP(...)
#define PI(sub, text, ...) {text, OPX_PI_##sub},
#include "dissectors/s7/ops.def"
#undef JOB
#undef COTP
#undef MISC
#undef UD
#undef GROUP
#undef PI
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct cur c = name;
		size_t n = strlen(names[i].text);
		const uint8_t *p = cur_bytes(&c, n);

		if (p && memcmp(p, names[i].text, n) == 0 &&
		    (cur_left(&c) == 0 || names[i].opx == OPX_PI_7))
			return names[i].opx;
	}
	return FN_PI;
}

/* The row of sub, as dis_op counts them; 0 = of another name. */
static uint16_t
pi_service(unsigned sub)
{
	_Static_assert(OPX_PI_7 - OPX_PI_1 == 6, "rows of PI services stand in order");
	return sub >= 1 && sub <= 7 ? (uint16_t)(OPX_PI_1 + sub - 1) : FN_PI;
}

/* 7 unknown, argument with 2 bytes of length, service with 1. */
static uint64_t
request_pi(struct fact *f, struct s7_ext *x)
{
	struct cur c = x->spec, blocks;
	uint64_t a = 0;
	unsigned n;

	cur_skip(&c, 7);
	x->spec = cur_take(&c, cur_be16(&c));
	x->name = cur_take(&c, cur_u8(&c));
	if (!cur_ok(&c))
		return S7_A(BODY_SHORT);
	x->present |= HAS(X_PI);
	f->opx = pi_opx(x->name);
	f->sub = ops[f->opx].sub;
	if (f->opx == FN_PI)
		a = S7_A(PI_UNKNOWN);
	if (f->opx == OPX_PI_2 || f->opx == OPX_PI_3 || f->opx == OPX_PI_4) { /* count, 0, blocks */
		n = cur_u8(&x->spec);
		cur_skip(&x->spec, 1);
		blocks = x->spec;
		if (!cur_ok(&blocks) || cur_left(&blocks) != (size_t)n * BLOCK_TEXT)
			return a | S7_A(BLOCK_NAME);
		x->n_wire = (uint16_t)n;
		x->present |= HAS(X_BLOCKS);
		f->n_items = (uint16_t)n;
		f->next = next_block;
		for (unsigned i = 0; i < n; i++) {
			struct fact_item it;

			block_item(i ? &it : &f->item, cur_take(&blocks, BLOCK_TEXT), ACC_WRITE);
			if ((i ? it : f->item).space != SPACE_BLOCK)
				a |= S7_A(BLOCK_NAME);
		}
		if (n == 0)
			a |= S7_A(COUNT_ZERO);
	}
	return a | (cur_left(&c) ? S7_A(BODY_LONG) : 0);
}

/* 5 unknown, then the service with its length. */
static uint64_t
request_stop(struct s7_ext *x)
{
	struct cur c = x->spec;

	cur_skip(&c, 5);
	x->name = cur_take(&c, cur_u8(&c));
	if (!cur_ok(&c))
		return S7_A(BODY_SHORT);
	x->spec = (struct cur){0};
	x->present |= HAS(X_PI);
	return cur_left(&c) ? S7_A(BODY_LONG) : 0;
}

/* --- the other jobs -------------------------------------------------------- */

RARE uint64_t
request_job(struct fact *f, struct s7_ext *x)
{
	struct cur c = x->spec;

	switch (f->code) {
	case FN_SETUP:
		return setup_fields(x);
	case FN_DL_REQUEST: case FN_DL_BLOCK: case FN_DL_ENDED:
		return request_file(f, x, ACC_WRITE);
	case FN_UL_START:
		return request_file(f, x, ACC_READ);
	case FN_UL_BLOCK: case FN_UL_END: /* status, 2 unknown or error, upload id */
		cur_skip(&c, 7);
		return !cur_ok(&c) ? S7_A(BODY_SHORT) : cur_left(&c) ? S7_A(BODY_LONG) : 0;
	case FN_PI:
		return request_pi(f, x);
	case FN_STOP:
		return request_stop(x);
	default:
		x->present |= HAS(X_DATA);
		return ops[f->opx].known ? 0 : S7_A(FUNCTION_UNKNOWN);
	}
}

/* Data in front of which stand its length and 00 fb. */
static uint64_t
piece_length(const struct s7_ext *x)
{
	struct cur c = x->data;
	size_t n = cur_be16(&c);

	cur_skip(&c, 2);
	return !cur_ok(&c) || cur_left(&c) < n ? S7_A(DATA_LENGTH) : 0;
}

RARE uint64_t
answer_job(struct fact *f, struct s7_ext *x, const struct s7_state *st)
{
	uint64_t a;

	switch (f->code) {
	case FN_SETUP:
		a = setup_fields(x);
		if (st->pdu_size && x->pdu_size > st->pdu_size)
			a |= S7_A(PDU_SIZE);
		return a;
	case FN_DL_BLOCK: case FN_UL_BLOCK:
		x->present |= HAS(X_DATA);
		return piece_length(x);
	default:
		return ops[f->opx].known || f->opx == FN_PI ? 0 : S7_A(FUNCTION_UNKNOWN);
	}
}

#endif /* S7_BODY_H */
