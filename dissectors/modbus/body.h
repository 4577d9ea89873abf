/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.h - what stands behind the function code, [APP] section 6; included by
 * modbus.c only.
 *
 * One row per function code says the shape of its body.  request() and
 * response() read a shape: they fill the fact and its JSON fields, set the
 * anomalies, and leave the cursor behind the last field, so that the caller
 * sees whether the body was too short or too long.  The functions that plants
 * use every second come first and inline, the others in the *_rare() ones.
 */
#ifndef MODBUS_BODY_H
#define MODBUS_BODY_H

#include "dissectors/modbus/common.h"
#include "dissectors/modbus/pair.h"
#include "dissectors/modbus/show.h"

enum shape {
	SH_OPAQUE = 0, /* not specified */
	SH_READ,       /* address, quantity -> byte count, values */
	SH_WRITE_ONE,  /* address, value -> the same */
	SH_WRITE_MANY, /* address, quantity, byte count, values -> address, quantity */
	SH_EMPTY,      /* nothing -> status (7, 11, 12, 17) */
	SH_DIAG, SH_FILE_READ, SH_FILE_WRITE, SH_MASK, SH_READ_WRITE, SH_FIFO, SH_MEI, SH_UMAS,
};

/* [APP] section 6, a row per function code with a body we know. */
static const struct fc {
	uint8_t shape; /* enum shape */
	uint8_t space; /* enum space */
	uint8_t enc;   /* enum item_enc of values read or written */
	uint16_t max;  /* limit of the quantity */
} fcs[128] = {
	[1] = {SH_READ, SPACE_COIL, ENC_BIT_LSB, 2000},		  /* 6.1: 0x7D0 */
	[2] = {SH_READ, SPACE_DISCRETE, ENC_BIT_LSB, 2000},	  /* 6.2 */
	[3] = {SH_READ, SPACE_HOLDING, ENC_U16_BE, 125},	  /* 6.3: 0x7D */
	[4] = {SH_READ, SPACE_INPUT, ENC_U16_BE, 125},		  /* 6.4 */
	[5] = {SH_WRITE_ONE, SPACE_COIL, ENC_COIL, 1},		  /* 6.5 */
	[6] = {SH_WRITE_ONE, SPACE_HOLDING, ENC_U16_BE, 1},	  /* 6.6 */
	[7] = {SH_EMPTY, 0, 0, 0},				  /* 6.7 */
	[8] = {SH_DIAG, 0, 0, 0},				  /* 6.8 */
	[11] = {SH_EMPTY, 0, 0, 0},				  /* 6.9 */
	[12] = {SH_EMPTY, 0, 0, 0},				  /* 6.10 */
	[15] = {SH_WRITE_MANY, SPACE_COIL, ENC_BIT_LSB, 1968},	  /* 6.11: 0x7B0 */
	[16] = {SH_WRITE_MANY, SPACE_HOLDING, ENC_U16_BE, 123},	  /* 6.12: 0x7B */
	[17] = {SH_EMPTY, 0, 0, 0},				  /* 6.13 */
	[20] = {SH_FILE_READ, SPACE_FILE, ENC_U16_BE, 0},	  /* 6.14 */
	[21] = {SH_FILE_WRITE, SPACE_FILE, ENC_U16_BE, 0},	  /* 6.15 */
	[22] = {SH_MASK, SPACE_HOLDING, ENC_NONE, 1},		  /* 6.16 */
	[23] = {SH_READ_WRITE, SPACE_HOLDING, ENC_U16_BE, 125},	  /* 6.17 */
	[24] = {SH_FIFO, SPACE_HOLDING, ENC_NONE, 32},		  /* 6.18 */
	[43] = {SH_MEI, 0, 0, 0},				  /* 6.19 */
	[FC_UMAS] = {SH_UMAS, 0, 0, 0},
};

#define RW_WRITE_MAX	 121  /* [APP] 6.17: 0x79 */
#define FIFO_MAX	 31   /* [APP] 6.18 */
#define READ_BYTES	 250  /* [APP] 6.1..6.4, 6.17: bytes of values in an answer */
#define FILE_RECORDS	 10000 /* [APP] 6.14: records 0..9999 */
#define FILE_REF	 6
#define FILE_READ_BYTES	 245  /* [APP] 6.14: byte count 7..0xF5 */
#define FILE_WRITE_BYTES 251  /* [APP] 6.15: byte count 9..0xFB */

/* One run of objects. */
static inline void
item_set(struct fact_item *it, const struct fc *fc, uint8_t access, uint32_t addr, uint32_t count,
    const uint8_t *vals)
{
	it->space = fc->space;
	it->access = access;
	it->enc = vals ? fc->enc : ENC_NONE;
	it->masked = false;
	it->sub = 0;
	it->first = addr;
	it->count = count;
	it->vals = vals;
	it->name = NULL;
	it->name_len = 0;
}

static inline uint64_t
quantity_anomalies(unsigned addr, unsigned quantity, unsigned max)
{
	uint64_t a = 0;

	if (quantity - 1 >= max) /* 0 wraps round */
		a = quantity ? MB_A(QUANTITY_OVER) : MB_A(QUANTITY_ZERO);
	if (addr + quantity > ADDRESSES)
		a |= MB_A(ADDRESS_OVERFLOW);
	return a;
}

/* Bytes that quantity values of this encoding take. */
static inline unsigned
value_bytes(const struct fc *fc, unsigned quantity)
{
	return fc->enc == ENC_BIT_LSB ? (quantity + 7) / 8 : 2 * quantity;
}

/* Both masks of FC 22 in the 16 bits that pairing has for them. */
static inline uint16_t
mask_digest(const uint8_t *masks)
{
	return (uint16_t)(be16(masks) ^ be16(masks + 2) * 3u);
}

/* FC 23: the write after the read. */
static bool
next_read_write(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct mb_ext *x = f->ext;
	struct cur c = ext_body(x);

	(void)it;
	cur_skip(&c, 9); /* both ranges and the byte count */
	item_set(out, &fcs[23], ACC_WRITE, x->write_addr, x->write_count, c.p);
	return true;
}

/* FC 20 and 21: the sub-request at the cursor; body_short when it is not all there. */
static uint64_t
file_take(struct cur *c, uint8_t code, struct fact_item *out)
{
	unsigned type = cur_u8(c), file = cur_be16(c), record = cur_be16(c), len = cur_be16(c);
	uint64_t a = 0;

	item_set(out, &fcs[code], code == 20 ? ACC_READ : ACC_WRITE, record, len,
	    code == 20 ? NULL : cur_bytes(c, 2 * (size_t)len));
	out->sub = file;
	if (!cur_ok(c))
		return MB_A(BODY_SHORT);
	if (type != FILE_REF)
		a |= MB_A(FILE_TYPE);
	if (file == 0)
		a |= MB_A(FILE_NUMBER);
	if (record + len > FILE_RECORDS)
		a |= MB_A(FILE_RECORD);
	if (len == 0)
		a |= MB_A(FILE_LENGTH);
	return a;
}

static bool
next_file(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct mb_ext *x = f->ext;
	struct cur c = ext_body(x);

	cur_skip(&c, 1);
	if (it->i > 1) /* p is behind item i - 1 */
		cur_skip(&c, (size_t)(it->p - c.p));
	else
		(void)file_take(&c, (uint8_t)f->code, out);
	(void)file_take(&c, (uint8_t)f->code, out);
	it->p = c.p;
	return cur_ok(&c);
}

/* Requests of FC 20 and 21, and the answer of 21, which repeats its request.
 * *answer: the byte count that the answer to it must have. */
static uint64_t
file_items(struct cur *c, struct fact *f, uint16_t *answer)
{
	unsigned bytes = cur_u8(c), n = 0, back = 0;
	struct cur list = cur_take(c, bytes);
	struct fact_item it;
	uint64_t a = 0;

	if (bytes < (f->code == 20 ? 7 : 9) ||
	    bytes > (f->code == 20 ? FILE_READ_BYTES : FILE_WRITE_BYTES))
		a |= MB_A(FILE_LENGTH);
	while (cur_left(&list) > 0) {
		a |= file_take(&list, (uint8_t)f->code, &it);
		if (n++ == 0)
			f->item = it;
		back += 2 + 2 * it.count;
	}
	f->n_items = (uint16_t)n;
	f->next = next_file;
	if (f->code == 20 && back > FILE_READ_BYTES)
		a |= MB_A(QUANTITY_OVER);
	*answer = (uint16_t)(f->code == 20 ? back : bytes);
	return a;
}

/* [APP] 6.8.1: what the data field must hold. */
static uint64_t
diag_anomalies(uint16_t sub, struct cur data)
{
	size_t len = cur_left(&data);
	uint16_t word = cur_be16(&data);

	if (sub_opx(8, sub) == 8)
		return MB_A(SUB_FUNCTION);
	if (sub == 0) /* any bytes, echoed */
		return 0;
	if (len > 2)
		return MB_A(BODY_LONG);
	if (sub == 1)
		return word != 0 && word != 0xff00 ? MB_A(DIAG_DATA) : 0;
	if (sub == 3)
		return (word & 0xff) != 0 ? MB_A(DIAG_DATA) : 0;
	return word != 0 ? MB_A(DIAG_DATA) : 0;
}

/* A body that is too short still shows the fields that are there. */
static void
short_body(const struct fc *fc, struct mb_ext *x)
{
	struct cur c = ext_body(x);

	if (fc->max == 0 || fc->shape == SH_OPAQUE)
		return;
	x->addr = cur_be16(&c);
	x->present |= cur_ok(&c) ? HAS(P_ADDR) : 0;
	x->count = cur_be16(&c);
	if (fc->shape != SH_WRITE_ONE && fc->shape != SH_MASK && fc->shape != SH_FIFO)
		x->present |= cur_ok(&c) ? HAS(P_COUNT) : 0;
	if (fc->shape != SH_READ_WRITE)
		return;
	x->write_addr = cur_be16(&c);
	x->present |= cur_ok(&c) ? HAS(P_WADDR) : 0;
	x->write_count = cur_be16(&c);
	x->present |= cur_ok(&c) ? HAS(P_WCOUNT) : 0;
}

static inline void
set_sub(struct fact *f, struct mb_ext *x, uint16_t sub)
{
	f->sub = sub;
	f->opx = sub_opx((uint8_t)f->code, sub);
	x->sub = sub;
	x->present |= HAS(P_SUB);
}

/*
 * Functions that are seldom used.  Both directions return anomalies, leave the
 * cursor behind what they have read, and (requests) say in *about what the
 * answer must repeat.
 */
static uint64_t
request_rare(const struct fc *fc, struct cur *c, struct fact *f, struct mb_ext *x, pair_req *about)
{
	const uint8_t *p;
	uint64_t a = 0;
	uint16_t word;
	unsigned n;

	f->item = (struct fact_item){0};
	switch ((enum shape)fc->shape) {
	case SH_MASK:
		if (!(p = cur_bytes(c, 6)))
			break;
		x->addr = be16(p);
		x->present |= HAS(P_ADDR);
		*about = pair_about(x->addr, mask_digest(p + 2));
		item_set(&f->item, fc, ACC_WRITE, x->addr, 1, NULL);
		f->item.masked = true;
		f->n_items = 1;
		break;
	case SH_READ_WRITE:
		if (!(p = cur_bytes(c, 9)))
			break;
		x->addr = be16(p);
		x->count = be16(p + 2);
		x->write_addr = be16(p + 4);
		x->write_count = be16(p + 6);
		x->present |= HAS(P_ADDR) | HAS(P_COUNT) | HAS(P_WADDR) | HAS(P_WCOUNT);
		*about = pair_about(x->addr, x->count);
		cur_skip(c, p[8]);
		a |= quantity_anomalies(x->addr, x->count, fc->max) |
		    quantity_anomalies(x->write_addr, x->write_count, RW_WRITE_MAX);
		if (p[8] != 2u * x->write_count)
			a |= MB_A(BYTE_COUNT);
		item_set(&f->item, fc, ACC_READ, x->addr, x->count, NULL);
		f->n_items = 2;
		f->next = next_read_write;
		break;
	case SH_FIFO:
		if (!(p = cur_bytes(c, 2)))
			break;
		x->addr = be16(p);
		x->present |= HAS(P_ADDR);
		*about = pair_about(x->addr, 0);
		/* The answer may hold the count register and 31 behind it. */
		n = ADDRESSES - x->addr < fc->max ? ADDRESSES - x->addr : fc->max;
		item_set(&f->item, fc, ACC_READ, x->addr, n, NULL);
		f->n_items = 1;
		break;
	case SH_FILE_READ:
	case SH_FILE_WRITE:
		a |= file_items(c, f, &word);
		*about = pair_about(0, word);
		break;
	case SH_DIAG:
		if (!(p = cur_bytes(c, 2)))
			break;
		set_sub(f, x, be16(p));
		a |= diag_anomalies(f->sub, *c);
		word = cur_be16(c);
		*about = pair_about(f->sub, word);
		if (f->sub == 0 || f->opx == 8) /* any length */
			cur_skip(c, cur_left(c));
		break;
	case SH_MEI:
		if (!(p = cur_bytes(c, 1)))
			break;
		set_sub(f, x, p[0]);
		*about = pair_about(p[0], 0);
		if (p[0] == 14) {
			n = cur_u8(c);
			cur_skip(c, 1);
			if (cur_ok(c) && (n < 1 || n > 4))
				a |= MB_A(DEVICE_ID_CODE);
			break;
		}
		if (p[0] != 13)
			a |= MB_A(MEI_TYPE);
		cur_skip(c, cur_left(c));
		break;
	case SH_UMAS: /* session key, function */
		if (cur_left(c) >= 2) {
			cur_skip(c, 1);
			set_sub(f, x, cur_u8(c));
			*about = pair_about(f->sub, 0);
		}
		cur_skip(c, cur_left(c));
		break;
	case SH_OPAQUE:
		cur_skip(c, cur_left(c));
		break;
	case SH_EMPTY:
	case SH_READ:
	case SH_WRITE_ONE:
	case SH_WRITE_MANY:
		break;
	}
	return a;
}

static inline uint64_t
request(const struct fc *fc, struct cur *c, struct fact *f, struct mb_ext *x, pair_req *about)
{
	unsigned shape = fc->shape, addr, word, bytes;
	const uint8_t *p, *vals;
	struct cur rest;
	uint64_t a = 0;

	if (shape != SH_READ && shape != SH_WRITE_ONE && shape != SH_WRITE_MANY) {
		rest = *c; /* so that the hot cursor stays in registers */
		a = request_rare(fc, &rest, f, x, about);
		*c = rest;
		return a;
	}
	if (!(p = cur_bytes(c, 4)))
		return 0;
	addr = be16(p);
	word = be16(p + 2);
	*about = pair_about((uint16_t)addr, (uint16_t)word);
	x->addr = (uint16_t)addr;
	x->present |= HAS(P_ADDR) | HAS(P_COUNT);
	f->n_items = 1;
	if (shape == SH_READ) {
		x->count = (uint16_t)word;
		item_set(&f->item, fc, ACC_READ, addr, word, NULL);
		return quantity_anomalies(addr, word, fc->max);
	}
	if (shape == SH_WRITE_ONE) {
		x->count = 1;
		item_set(&f->item, fc, ACC_WRITE, addr, 1, p + 2);
		if (fc->enc == ENC_COIL && word != 0 && word != 0xff00) {
			/* No device may obey it; no rule about values may match it. */
			f->item.masked = true;
			a = MB_A(COIL_VALUE);
		}
		return a;
	}
	x->count = (uint16_t)word;
	bytes = cur_u8(c);
	vals = cur_bytes(c, bytes);
	item_set(&f->item, fc, ACC_WRITE, addr, word, vals);
	if (bytes != value_bytes(fc, word))
		a = MB_A(BYTE_COUNT);
	return a | quantity_anomalies(addr, word, fc->max);
}

/* q: the request that is answered, or NULL when we have not seen it. */
static uint64_t
response_rare(const struct fc *fc, struct cur *c, struct fact *f, struct mb_ext *x,
    const pair_req *q)
{
	const uint8_t *p;
	uint64_t a = 0;
	uint16_t word;
	unsigned n;

	f->item = (struct fact_item){0};
	switch ((enum shape)fc->shape) {
	case SH_MASK:
		if (!(p = cur_bytes(c, 6)))
			break;
		x->addr = be16(p);
		x->present |= HAS(P_ADDR);
		if (q && pair_addr(*q) != x->addr)
			a |= MB_A(ECHO_ADDRESS) | FACT_A_UNSOLICITED;
		if (q && pair_count(*q) != mask_digest(p + 2))
			a |= MB_A(ECHO_VALUE);
		break;
	case SH_FIFO:
		word = cur_be16(c);
		n = cur_be16(c);
		if (!cur_ok(c))
			break;
		if (n > FIFO_MAX)
			a |= MB_A(FIFO_COUNT);
		if (word != 2 + 2 * n)
			a |= MB_A(BYTE_COUNT);
		cur_skip(c, 2 * (size_t)n);
		x->count = (uint16_t)n;
		x->present |= HAS(P_COUNT);
		if (q) {
			x->addr = pair_addr(*q);
			x->present |= HAS(P_ADDR);
		}
		break;
	case SH_FILE_READ:
		n = cur_u8(c);
		if (q && pair_count(*q) != n)
			a |= MB_A(COUNT_MISMATCH) | FACT_A_UNSOLICITED;
		for (struct cur list = cur_take(c, n); cur_left(&list) > 0;) {
			n = cur_u8(&list); /* bytes of type and records */
			if (n % 2 == 0)
				a |= MB_A(ODD_BYTES);
			if (cur_u8(&list) != FILE_REF)
				a |= MB_A(FILE_TYPE);
			cur_skip(&list, n ? n - 1 : 0);
			if (!cur_ok(&list))
				a |= MB_A(BODY_SHORT);
		}
		break;
	case SH_FILE_WRITE:
		a |= file_items(c, f, &word);
		if (q && pair_count(*q) != word)
			a |= MB_A(COUNT_MISMATCH) | FACT_A_UNSOLICITED;
		break;
	case SH_DIAG:
		if (!(p = cur_bytes(c, 2)))
			break;
		set_sub(f, x, be16(p));
		if (f->opx == 8)
			a |= MB_A(SUB_FUNCTION);
		if (q && pair_addr(*q) != f->sub)
			a |= MB_A(ECHO_ADDRESS) | FACT_A_UNSOLICITED;
		word = cur_be16(c);
		/* Counters and the register (2, 11..18) answer with news. */
		if (q && pair_count(*q) != word &&
		    (f->sub < 2 || f->sub == 3 || f->sub == 10 || f->sub == 20))
			a |= MB_A(ECHO_VALUE);
		if (f->sub == 0 || f->opx == 8)
			cur_skip(c, cur_left(c));
		break;
	case SH_MEI:
		if (!(p = cur_bytes(c, 1)))
			break;
		set_sub(f, x, p[0]);
		if (q && pair_addr(*q) != p[0])
			a |= MB_A(ECHO_ADDRESS) | FACT_A_UNSOLICITED;
		if (p[0] == 14) {
			a |= device_id_anomalies(c);
			break;
		}
		if (p[0] != 13)
			a |= MB_A(MEI_TYPE);
		cur_skip(c, cur_left(c));
		break;
	case SH_UMAS: /* session key, 0xFE done or 0xFD failed: the function is the request's */
		if (q)
			set_sub(f, x, pair_addr(*q));
		cur_skip(c, cur_left(c));
		break;
	case SH_EMPTY:
		if (f->code == 7) {
			cur_skip(c, 1);
		} else if (f->code == 11) {
			word = cur_be16(c);
			cur_skip(c, 2);
			if (cur_ok(c) && word != 0 && word != 0xffff)
				a |= MB_A(STATUS_WORD);
		} else {
			n = cur_u8(c);
			/* [APP] 6.10: three words, then at most 64 events. */
			if (f->code == 12 && cur_ok(c) && (n < 6 || n > 6 + 64))
				a |= MB_A(BYTE_COUNT);
			cur_skip(c, n);
		}
		break;
	case SH_OPAQUE:
		cur_skip(c, cur_left(c));
		break;
	case SH_READ:
	case SH_READ_WRITE:
	case SH_WRITE_ONE:
	case SH_WRITE_MANY:
		break;
	}
	return a;
}

static inline uint64_t
response(const struct fc *fc, struct cur *c, struct fact *f, struct mb_ext *x, const pair_req *q)
{
	unsigned shape = fc->shape, addr, word, bytes;
	const uint8_t *p, *vals;
	struct cur rest;
	uint64_t a = 0;

	if (shape == SH_READ || shape == SH_READ_WRITE) {
		bytes = cur_u8(c);
		vals = cur_bytes(c, bytes);
		if (fc->enc == ENC_U16_BE && bytes % 2)
			a |= MB_A(ODD_BYTES);
		if (bytes - 1 >= READ_BYTES)
			a |= bytes ? MB_A(QUANTITY_OVER) : MB_A(QUANTITY_ZERO);
		if (!q || !vals) /* values of we do not know which objects */
			return a;
		x->addr = pair_addr(*q);
		x->count = pair_count(*q);
		x->present |= HAS(P_ADDR) | HAS(P_COUNT);
		if (bytes != value_bytes(fc, x->count))
			return a | MB_A(COUNT_MISMATCH) | FACT_A_UNSOLICITED;
		item_set(&f->item, fc, ACC_READ, x->addr, x->count, vals);
		f->n_items = 1;
		return a;
	}
	if (shape != SH_WRITE_ONE && shape != SH_WRITE_MANY) {
		rest = *c;
		a = response_rare(fc, &rest, f, x, q);
		*c = rest;
		return a;
	}
	if (!(p = cur_bytes(c, 4)))
		return 0;
	addr = be16(p);
	word = be16(p + 2); /* value, or quantity */
	x->addr = (uint16_t)addr;
	x->count = shape == SH_WRITE_ONE ? 1 : (uint16_t)word;
	x->present |= HAS(P_ADDR) | HAS(P_COUNT);
	item_set(&f->item, fc, ACC_WRITE, addr, x->count, shape == SH_WRITE_ONE ? p + 2 : NULL);
	f->n_items = 1;
	if (!q)
		return 0;
	if (pair_addr(*q) != addr)
		a |= MB_A(ECHO_ADDRESS) | FACT_A_UNSOLICITED;
	if (pair_count(*q) != word) /* a device that clamps a value says so here */
		a |= shape == SH_WRITE_ONE ? MB_A(ECHO_VALUE) : MB_A(COUNT_MISMATCH) | FACT_A_UNSOLICITED;
	return a;
}

static uint64_t
exception(struct cur *c, struct fact *f, struct mb_ext *x, const pair_req *q)
{
	uint64_t a = 0;

	f->kind = FACT_EXCEPTION;
	x->exception = cur_u8(c);
	if (!cur_ok(c))
		return 0;
	x->exception_name = exception_name(x->exception);
	x->present |= HAS(P_EXC) | HAS(P_EXC_NAME);
	if (!x->exception_name)
		a = MB_A(EXCEPTION_CODE);
	if (q && fcs[f->code].max) { /* say what was refused */
		x->addr = pair_addr(*q);
		x->present |= HAS(P_ADDR);
	} else if (q && (f->code == 8 || f->code == 43 || f->code == FC_UMAS)) {
		set_sub(f, x, pair_addr(*q));
	}
	return a;
}

#endif /* MODBUS_BODY_H */
