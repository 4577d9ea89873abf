/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modbus.c - Modbus over TCP, over UDP, and RTU frames in a TCP stream.
 *
 * Spec: MODBUS Application Protocol Specification V1.1b3          [APP]
 *       MODBUS Messaging on TCP/IP Implementation Guide V1.0b     [MSG]
 *       MODBUS over Serial Line V1.02 (RTU framing: rtu.h)        [SER]
 *
 * MBAP header, [MSG] 3.1.3; all fields high byte first:
 *
 *    0        2        4        6      7      8
 *   +--------+--------+--------+------+------+- - - - -+
 *   | txn id | proto  | length | unit | code | body    |
 *   +--------+--------+--------+------+------+- - - - -+
 *              == 0      bytes from unit to the end, 2..254
 *
 * This file has the framing, the probe and the life of one PDU.  body.h reads
 * the bodies, pair.h knows which request is answered, rtu.h the serial frames,
 * show.h what people read and write.  The lists are ops.def and anomalies.def.
 * All are included here, so that the folder exports one symbol.
 */
#include "dissectors/modbus/body.h"
#include "dissectors/modbus/common.h"
#include "dissectors/modbus/identity.h"
#include "dissectors/modbus/pair.h"
#include "dissectors/modbus/rtu.h"
#include "dissectors/modbus/show.h"

/* --- framing ---------------------------------------------------------------------- */

static int32_t
mbap_frame(struct cur c)
{
	const uint8_t *p = cur_bytes(&c, MBAP_LEN);
	unsigned len;

	if (!p)
		return FRAME_MORE;
	len = (unsigned)p[4] << 8 | p[5];
	if ((p[2] | p[3]) != 0 || len < MBAP_COUNT_MIN || len > MBAP_COUNT_UMAS)
		return FRAME_BAD;
	if (len > MBAP_COUNT_MAX) { /* only Schneider's programming protocol may */
		cur_skip(&c, 1);
		if ((cur_u8(&c) & FC_MASK) != FC_UMAS)
			return cur_ok(&c) ? FRAME_BAD : FRAME_MORE;
	}
	return MBAP_LEN + (int32_t)len;
}

static int32_t
modbus_frame(struct cur c, enum dis_dir dir, uint8_t variant)
{
	return variant == VARIANT_RTU ? rtu_frame(c, dir) : mbap_frame(c);
}

/* frame() for a probe: a header that is not all there must not be wrong so far. */
static int32_t
mbap_head(struct cur c)
{
	int32_t n = mbap_frame(c);

	cur_skip(&c, 2);
	if (n == FRAME_MORE && ((cur_left(&c) > 0 && c.p[0] != 0) || (cur_left(&c) > 1 && c.p[1] != 0)))
		return FRAME_BAD;
	return n;
}

/*
 * YES: the window is exactly one ADU (protocol id 0 and a length that agrees
 * with the segment: 1 in 2^32, so it may even be malformed), or starts with an
 * ADU whose length fits its function code and goes on with the head of another.
 */
static enum dis_probe_result
mbap_probe(struct cur c, enum dis_dir dir)
{
	size_t all = cur_left(&c);
	int32_t n = mbap_head(c), next;
	enum fit fit, other;

	if (n <= 0)
		return n == FRAME_BAD ? PROBE_NO : PROBE_MAYBE;
	cur_skip(&c, MBAP_LEN + 1);
	fit = pdu_fits(c, (size_t)n - MBAP_LEN - 1, dir);
	if (all == (size_t)n) { /* fills the segment: ours, if perhaps of the other direction */
		other = pdu_fits(c, (size_t)n - MBAP_LEN - 1, (enum dis_dir)(dir ^ 1));
		return fit == FIT_NO && other == FIT_YES ? PROBE_MAYBE : PROBE_YES;
	}
	if (fit == FIT_NO)
		return PROBE_NO;
	if (all < (size_t)n)
		return PROBE_MAYBE;
	cur_skip(&c, (size_t)n - MBAP_LEN - 1);
	next = mbap_head(c);
	if (next == FRAME_BAD)
		return PROBE_NO;
	return next > 0 || fit == FIT_YES ? PROBE_YES : PROBE_MAYBE;
}

/* Could a frame of a code whose length we know start like this? */
static bool
rtu_plausible(struct cur c, enum dis_dir dir)
{
	uint8_t unit = cur_u8(&c), code = cur_u8(&c);

	if (unit > RTU_UNIT_MAX || (code & FC_EXCEPTION && dir == DIR_TO_SERVER))
		return false;
	return !cur_ok(&c) || pdu_len[dir][code & FC_MASK].base != 0;
}

/*
 * YES: nothing but frames of known codes with the right CRC, the last of which
 * may be incomplete.  One frame is 1 in 2^16 times its code and length; bytes
 * of a user function are believed only behind such a frame.
 */
static enum dis_probe_result
rtu_probe(struct cur c, enum dis_dir dir)
{
	enum dis_probe_result r = PROBE_MAYBE;

	do {
		int32_t n = rtu_frame(c, dir);

		if (!rtu_plausible(c, dir) || n == FRAME_BAD)
			return PROBE_NO;
		if (n == FRAME_MORE || cur_left(&c) < (size_t)n)
			return r;
		if (!crc16_ok(cur_take(&c, (size_t)n)))
			return PROBE_NO;
		r = PROBE_YES;
	} while (cur_left(&c) > 0);
	return r;
}

static enum dis_probe_result
modbus_probe(struct cur c, enum dis_dir dir, uint8_t *variant)
{
	enum dis_probe_result mbap = mbap_probe(c, dir), rtu;

	*variant = VARIANT_MBAP;
	if (mbap == PROBE_YES)
		return PROBE_YES;
	rtu = rtu_probe(c, dir);
	if (rtu == PROBE_YES || mbap == PROBE_NO)
		*variant = VARIANT_RTU;
	return rtu > mbap ? rtu : mbap;
}

/* --- one PDU ---------------------------------------------------------------------------- */

/* A datagram without a whole header; in a stream frame() lets no such thing pass. */
static void
headless(struct dis_call *call, struct fact *f, struct mb_ext *x)
{
	x->present = 0;
	x->body = x->end = NULL;
	f->kind = FACT_MALFORMED;
	f->access = 0;
	f->code = f->opx = 0;
	f->unit = f->txn = 0;
	f->item = (struct fact_item){0};
	f->op = ops[0].name;
	(void)dis_emit(call->sink, f);
}

static void
modbus_pdu(struct dis_call *call, struct cur c)
{
	struct pair *st = call->state;
	struct pair_hit hit = {PAIR_NONE, 0};
	pair_req key, about = 0;
	bool rtu = call->variant == VARIANT_RTU, keep = true;
	uint64_t a = call->anomalies;
	struct fact f; /* member by member: clearing it all costs more than reading the PDU */
	struct fact_props props;
	struct mb_ext x;
	const struct dis_op *op;
	const struct fc *fc;
	const uint8_t *p;
	uint8_t code, fcode, unit;
	uint16_t txn = 0;

	f.proto = 0; /* the engine knows our index */
	f.dir = call->dir;
	f.sub = FACT_NO_SUB;
	f.n_items = 0;
	f.more = 0;
	f.goes_on = false;
	f.next = NULL;
	f.ext = &x;
	f.iter_arg = NULL;
	f.props = &props;
	props.known = props.na = 0;
	if (rtu) {
		a |= rtu_trailer(&c);
		p = cur_bytes(&c, 2);
		x.present = HAS(P_UNIT);
	} else {
		size_t all = cur_left(&c);

		p = cur_bytes(&c, MBAP_LEN + 2);
		if (p) {
			unsigned len = be16(p + 4);

			if (len != all - MBAP_LEN)
				a |= MB_A(ADU_LENGTH);
			if (len > MBAP_COUNT_MAX)
				a |= MB_A(LENGTH_OVER);
			txn = be16(p);
			p += MBAP_LEN;
		}
		x.present = HAS(P_UNIT) | HAS(P_TXN);
	}
	if (!p) {
		f.anomalies = a | MB_A(BODY_SHORT);
		headless(call, &f, &x);
		return;
	}
	unit = p[0];
	code = p[1];
	fcode = code & FC_MASK;
	fc = &fcs[fcode];
	key = pair_key(txn, unit, fcode);
	f.unit = x.unit = unit;
	f.txn = x.txn = txn;
	f.code = f.opx = fcode;
	x.body = c.p;
	x.end = c.end;

	if (call->dir == DIR_TO_SERVER) {
		st = pair_room(call);
		f.kind = FACT_REQUEST;
		if (code & FC_EXCEPTION) { /* an answer that goes the wrong way */
			struct cur rest = c;

			a |= MB_A(EXCEPTION_REQUEST) | exception(&rest, &f, &x, NULL);
			c = rest;
			keep = false;
		} else {
			a |= request(fc, &c, &f, &x, &about);
			key |= about;
		}
		props.known = 1u << NUM_PENDING;
		props.num[NUM_PENDING] = 1;
		if (st->open)
			props.num[NUM_PENDING] += pair_pending(st);
		if (st->open)
			a |= pair_check(st, key, call->datagram, !rtu, &keep);
		if (rtu && unit == 0) { /* [SER] 2.1: a broadcast has no answer */
			keep = false;
			if (ops[f.opx].access & (ACC_READ | ACC_DIAG))
				a |= MB_A(BROADCAST_READ);
		}
	} else {
		const pair_req *q;

		hit = pair_find(st, key, call->datagram, call->midstream);
		a |= hit.anomalies;
		q = hit.slot == PAIR_NONE ? NULL : &st->req[hit.slot];
		if (code & FC_EXCEPTION) {
			struct cur rest = c;

			a |= exception(&rest, &f, &x, q);
			c = rest;
		} else {
			f.kind = FACT_RESPONSE;
			a |= response(fc, &c, &f, &x, q);
		}
	}

	op = &ops[f.opx];
	f.op = op->name;
	f.access = op->access;
	if (fc->shape == SH_OPAQUE || fc->shape == SH_UMAS)
		a |= MB_A(FUNCTION_PRIVATE) | (fcode == 0 ? MB_A(FUNCTION_ZERO) : 0) |
		    (fcode == FC_UMAS ? MB_A(UMAS) : 0);
	if (!cur_ok(&c))
		a |= MB_A(BODY_SHORT);
	else if (cur_left(&c) > 0)
		a |= MB_A(BODY_LONG);
	if (a & malformed_bits) {
		f.kind = FACT_MALFORMED;
		f.n_items = 0;
		if (!cur_ok(&c) && call->dir == DIR_TO_SERVER && !(code & FC_EXCEPTION))
			short_body(fc, &x);
	}
	f.anomalies = a;

	if (!dis_emit(call->sink, &f))
		return;
	if (call->dir == DIR_TO_CLIENT) {
		pair_close(st, &hit);
	} else if (keep) {
		pair_push(st, key);
		call->memo = rtu ? 0 : key & ~(pair_req)UINT16_MAX;
	}
}

/* --- the quick look ------------------------------------------------------------------- */

/*
 * All but the transaction number, of the functions that plants use every second.  Nothing else of
 * a request depends on anything but its bytes, as long as no other is open: see pair_check(), and
 * pending, which then is 1.
 */
static uint32_t
modbus_gist(const void *state, const uint8_t *p, uint32_t len, uint8_t variant, uint64_t *w)
{
	(void)state;
	if (variant != VARIANT_MBAP || len < MBAP_LEN + 6 || len > MBAP_LEN + MBAP_COUNT_MAX)
		return 0;
	switch ((enum shape)fcs[p[7] & FC_MASK].shape) {
	case SH_READ:
	case SH_WRITE_ONE:
	case SH_WRITE_MANY:
		return dis_words(w, p + 2, len - 2);
	default:
		return 0;
	}
}
_Static_assert((MBAP_LEN + MBAP_COUNT_MAX - 2 + 7) / 8 <= DIS_GIST_WORDS, "all of it fits");

/* What response() has no anomaly for: the values of a read, the echo of a write. */
static inline bool
plain_answer(const uint8_t *p, uint32_t len, pair_req q)
{
	const struct fc *fc = &fcs[p[7]];

	if (fc->shape == SH_READ)
		return p[8] != 0 && p[8] <= READ_BYTES && len == MBAP_LEN + 3u + p[8] &&
		       p[8] == value_bytes(fc, pair_count(q));
	if (fc->shape != SH_WRITE_ONE && fc->shape != SH_WRITE_MANY)
		return false;
	return len == MBAP_LEN + 6 && be16(p + 8) == pair_addr(q) && be16(p + 10) == pair_count(q);
}

static bool
modbus_again(
    void *state, const uint8_t *p, uint32_t len, enum dis_dir dir, bool midstream, uint64_t memo)
{
	struct pair *st = state;
	struct pair_hit hit = {st->old, 0};
	pair_req q = st->req[st->old];

	(void)midstream; /* excuses answers to what was not seen: not plain */
	if (dir == DIR_TO_SERVER) {
		if (st->open != 0 || !pair_spare(st))
			return false;
		pair_push(st, memo | be16(p));
		return true;
	}
	if (len < MBAP_LEN + 3 || (p[2] | p[3]) != 0 || be16(p + 4) != len - MBAP_LEN ||
	    be16(p + 4) > MBAP_COUNT_MAX || !(st->open >> st->old & 1) || p[7] & FC_EXCEPTION ||
	    !pair_same(q, pair_key(be16(p), p[6], p[7])) || !plain_answer(p, len, q))
		return false;
	pair_close(st, &hit);
	return true;
}

static uint16_t
modbus_known_opx(const uint8_t *p, enum dis_dir dir)
{
	(void)dir;
	return p[7];
}

/* Nothing is open, which pair_check() or pending would ask, and there is room: see modbus_again(). */
static bool
modbus_unmoved(const void *state)
{
	const struct pair *st = state;

	return st->open == 0 && pair_spare(st);
}

static void
modbus_gap(struct dis_call *call, uint32_t lost)
{
	(void)lost;
	pair_gap(call->state, call->dir == DIR_TO_SERVER);
}

/*
 * The exception the device itself would send, [APP] 7: 01 for a function that
 * names no object, 03 when the request breaks a limit, else 02, since what the
 * policy withholds is the address.
 */
static size_t
modbus_refuse(struct dis_call *call, const struct fact *f, uint8_t *buf, size_t size)
{
	uint8_t why = f->n_items ? 2 : 1;
	uint16_t crc = 0xffff;

	if (f->anomalies & (malformed_bits | MB_A(QUANTITY_ZERO) | MB_A(QUANTITY_OVER) |
	    MB_A(COIL_VALUE)))
		why = 3;
	if (call->variant == VARIANT_RTU) {
		const uint8_t pdu[] = {(uint8_t)f->unit, (uint8_t)(f->code | FC_EXCEPTION), why};

		if (size < sizeof(pdu) + 2 || f->unit == 0)
			return 0;
		for (size_t i = 0; i < sizeof(pdu); i++)
			crc = crc16(crc, buf[i] = pdu[i]);
		buf[3] = (uint8_t)crc;
		buf[4] = (uint8_t)(crc >> 8);
		return sizeof(pdu) + 2;
	}
	if (size < MBAP_LEN + 3)
		return 0;
	buf[0] = (uint8_t)(f->txn >> 8);
	buf[1] = (uint8_t)f->txn;
	buf[2] = buf[3] = buf[4] = 0;
	buf[5] = 3; /* unit, code, exception */
	buf[6] = (uint8_t)f->unit;
	buf[7] = (uint8_t)(f->code | FC_EXCEPTION);
	buf[8] = why;
	return MBAP_LEN + 3;
}

/* [SER] 2.1: a broadcast has no answer.  Modbus/TCP has none of these. */
static bool
modbus_patient(const struct fact *f)
{
	const struct mb_ext *x = f->ext;

	return f->unit == 0 && !(x->present & HAS(P_TXN));
}

/* A serial frame says nothing of the request it answers. */
static unsigned
modbus_unanswered(const void *state, uint8_t variant)
{
	const struct pair *st = state;

	return variant == VARIANT_RTU ? (unsigned)__builtin_popcount(st->open) : 0;
}

static bool
modbus_at_rest(const void *state, uint8_t variant)
{
	const struct pair *st = state;

	return variant == VARIANT_MBAP && st->open == 0 && !(st->flags & PAIR_LOST);
}

/* --- schema --------------------------------------------------------------------------------- */

static const struct dis_space spaces[] = {
    [SPACE_COIL] = {"coil", ADDRESSES - 1, 0, 1, true},
    [SPACE_DISCRETE] = {"discrete", ADDRESSES - 1, 0, 1, true},
    [SPACE_HOLDING] = {"holding", ADDRESSES - 1, 0, 16, true},
    [SPACE_INPUT] = {"input", ADDRESSES - 1, 0, 16, true},
    [SPACE_FILE] = {"file", FILE_RECORDS - 1, UINT16_MAX, 16, false},
};

static const struct dis_key keys[] = {
    {.name = "functions",
	.kind = KEY_OPS,
	.required = true,
	.help = "function codes, names, or the sets read, write, programming, diagnostic, control, "
		"all"},
    {.name = "units",
	.kind = KEY_UNIT,
	.required = true,
	.hi = 255,
	.help = "unit identifiers; 0 and 255 mean the device itself"},
    {.name = "coils",
	.kind = KEY_RANGE,
	.space = SPACE_COIL,
	.help = "coils that may be read or written"},
    {.name = "discrete",
	.kind = KEY_RANGE,
	.space = SPACE_DISCRETE,
	.help = "discrete inputs that may be read"},
    {.name = "holding",
	.kind = KEY_RANGE,
	.space = SPACE_HOLDING,
	.help = "holding registers that may be read or written"},
    {.name = "input",
	.kind = KEY_RANGE,
	.space = SPACE_INPUT,
	.help = "input registers that may be read"},
    {.name = "files",
	.kind = KEY_RANGE,
	.space = SPACE_FILE,
	.help = "file records, as FILE, FILE..FILE or FILE:RECORD..RECORD"},
    {.name = "read",
	.kind = KEY_ACCESS,
	.access = ACC_READ,
	.help = "ranges that hold for what is read"},
    {.name = "write",
	.kind = KEY_ACCESS,
	.access = ACC_WRITE,
	.help = "ranges that hold for what is written"},
    {.name = "values",
	.kind = KEY_VALUES,
	.space = SPACE_HOLDING,
	.help = "limits of values written to holding registers"},
    {.name = "coil-values",
	.kind = KEY_VALUES,
	.space = SPACE_COIL,
	.help = "limits of values written to coils"},
    {.name = "pending",
	.kind = KEY_LIMIT,
	.prop = NUM_PENDING,
	.lo = 1,
	.hi = UINT8_MAX,
	.help = "requests of a connection that wait for their answers, the new one included"},
};

static const struct dis_option options[] = {
	{"addressing", addressing_words, true,
	 "how addresses are written: as on the wire, counted from 1, or with the Modicon prefix"},
};

#define FIELD(name, type, member, bit, help) DIS_FIELD(name, type, struct mb_ext, member, bit, help)
static const struct dis_field fields[] = {
	FIELD("unit", FIELD_U8, unit, P_UNIT, "unit identifier"),
	FIELD("txn", FIELD_U16, txn, P_TXN, "transaction identifier; RTU has none"),
	FIELD("addr", FIELD_U16, addr, P_ADDR,
	    "first object, zero-based; of a read response: that of its request"),
	FIELD("count", FIELD_U16, count, P_COUNT, "objects read, or written by other than FC 23"),
	FIELD("write_addr", FIELD_U16, write_addr, P_WADDR, "FC 23: first register written"),
	FIELD("write_count", FIELD_U16, write_count, P_WCOUNT, "FC 23: registers written"),
	FIELD("subcode", FIELD_U16, sub, P_SUB, "FC 8 sub-function, FC 43 MEI type, FC 90 function"),
	FIELD("exception", FIELD_U8, exception, P_EXC, "exception code"),
	FIELD("exception_name", FIELD_STR, exception_name, P_EXC_NAME, "its name in [APP] 7"),
};

static const char *const anomaly_names[] = {
#define ANOM(bit, id, name, malformed) [bit] = name,
#include "dissectors/modbus/anomalies.def"
#undef ANOM
	NULL,
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))
static const struct dis_schema schema = {
	.n_opx = N_OPX,
	.n_ops = N_OPX,
	.n_spaces = COUNT_OF(spaces),
	.n_keys = COUNT_OF(keys),
	.n_options = COUNT_OF(options),
	.n_fields = COUNT_OF(fields),
	.ops = ops,
	.sets = sets,
	.spaces = spaces,
	.keys = keys,
	.options = options,
	.fields = fields,
	.json = modbus_json,
	.parse_range = modbus_parse_range,
	.show_addr = modbus_show_addr,
	.anomalies = anomaly_names,
};

static const uint16_t ports[] = {502, 0};

const struct dissector dissector_modbus = {
    .name = "modbus",
    .spec = "MODBUS Application Protocol V1.1b3; Messaging on TCP/IP V1.0b; Serial Line V1.02",
    .ports = ports,
    .max_pdu = MBAP_LEN + MBAP_COUNT_UMAS,
    .state_size = PAIR_SMALL,
    .state_most = sizeof(struct pair),
    .datagrams = true,
    .schema = &schema,
    .probe = modbus_probe,
    .frame = modbus_frame,
    .pdu = modbus_pdu,
    .gap = modbus_gap,
    .refuse = modbus_refuse,
    .unanswered = modbus_unanswered,
    .at_rest = modbus_at_rest,
    .patient = modbus_patient,
    .gist = modbus_gist,
    .again = modbus_again,
    .known_opx = modbus_known_opx,
    .unmoved = modbus_unmoved,
    .number_at = 0,
    .identity = modbus_identity,
};
