/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item.h - the variables a PDU names, and the values that go with them;
 * included by s7.c only.
 *
 * A variable specification, whatever its syntax:
 *
 *    0      1       2
 *   +------+-------+--------+- - - - - - - - -+
 *   | 0x12 | bytes | syntax | address         |  and a fill byte when that is
 *   +------+-------+--------+- - - - - - - - -+  odd and another one follows
 *
 * S7ANY (0x10) is type, count, DB, area and a 24 bit address in bits; DB-READ
 * (0xb0) a list of byte runs; 1200SYM (0xb2) a DB or area and the path of a
 * symbol in it; NCK (0x82..0x84) and drives (0xa2) have spaces of their own.
 * A value is a return code, a type, its length in bits or bytes, the bytes, and
 * again a fill byte.
 *
 * What cannot be placed (unknown syntax, area or type) is an item in a space
 * that no range of a policy reaches.  A symbol may lie anywhere in its DB, so
 * its item is the whole of it.
 */
#ifndef S7_ITEM_H
#define S7_ITEM_H

#include "dissectors/s7/common.h"

enum syntax { SYN_ANY = 0x10, SYN_NCK = 0x82, SYN_NCK_M, SYN_NCK_I, SYN_DRIVE = 0xa2, SYN_DB = 0xb0,
	SYN_SYM = 0xb2 };

#define ITEM_ANY    12 /* bytes of an S7ANY specification */
#define ITEM_HEAD   3  /* 0x12, length, syntax */
#define TYPE_BIT    1
#define TYPE_NUMBERS 28 /* counter, timer, and those of the 200: areas have the same codes */
#define TYPE_NUMBERS_LAST 31
#define VAL_OK	    0xff

/* Area of S7ANY to space + 1; 0 = unknown. */
static const uint8_t area_space[256] = {
	[0x01] = SPACE_RECORD + 1, [0x03] = SPACE_SYS + 1, [0x05] = SPACE_SM + 1,
	[0x06] = SPACE_AI + 1, [0x07] = SPACE_AQ + 1, [0x1c] = SPACE_C + 1, [0x1d] = SPACE_T + 1,
	[0x1e] = SPACE_HC + 1, [0x1f] = SPACE_HT + 1, [0x80] = SPACE_P + 1, [0x81] = SPACE_I + 1,
	[0x82] = SPACE_Q + 1, [0x83] = SPACE_M + 1, [0x84] = SPACE_DB + 1, [0x85] = SPACE_DI + 1,
	[0x86] = SPACE_L + 1, [0x87] = SPACE_V + 1,
};

/* Bits of one element of a type; 0 = unknown. */
static const uint8_t type_bits[] = {
    [1] = 1,
    [2] = 8,
    [3] = 8,
    [4] = 16,
    [5] = 16,
    [6] = 32,
    [7] = 32,
    [8] = 32,
    [9] = 16,
    [10] = 32,
    [11] = 32,
    [12] = 16,
    [15] = 64,
    [28] = 16,
    [29] = 16,
    [30] = 16,
    [31] = 16,
    [32] = 32,
};

static inline void
item_clear(struct fact_item *it, uint8_t access)
{
	it->access = access;
	it->enc = ENC_NONE;
	it->masked = false;
	it->sub = 0;
	it->vals = NULL;
	it->name = it->uri = NULL;
	it->name_len = it->uri_len = 0;
}

static inline void
item_set(struct fact_item *it, uint8_t space, uint32_t sub, uint32_t first, uint32_t count)
{
	it->space = space;
	it->sub = sub;
	it->first = first;
	it->count = count;
}

static inline void
item_nowhere(struct fact_item *it)
{
	item_set(it, SPACE_NOWHERE, 0, 1, 1);
}

/* The specifications of a PDU, one fact item after the other. */
struct walk {
	struct cur spec, data;
	uint16_t wire; /* specifications not begun */
	uint8_t runs;  /* byte runs left of a DB-READ */
	bool fill;     /* the last specification had an odd length */
	bool write;    /* values follow in data, one per specification */
	bool vague;    /* where the next value begins, servers may see otherwise */
};

/* What an item asks or brings, beside the fact_item. */
struct walk_out {
	uint64_t anomalies;
	uint32_t bytes; /* of values, in the answer; or BYTES_UNKNOWN */
};
#define BYTES_UNKNOWN (1u << 24)

/* Counters and timers have types of their own, which have their own area: servers look at
 * either to tell whether an address is a number or a bit. */
static inline bool
type_of_numbers(uint8_t type)
{
	return type >= TYPE_NUMBERS && type <= TYPE_NUMBERS_LAST;
}

static inline struct walk_out
item_any(const uint8_t *p, struct fact_item *it)
{
	struct walk_out o = {0, 0};
	uint32_t count = be16(p + 4), addr = (uint32_t)p[9] << 16 | be16(p + 10), bits;
	uint8_t space = area_space[p[8]], type = p[3];

	bits = type < sizeof(type_bits) ? type_bits[type] : 0;
	if (__builtin_expect(space == 0 || bits == 0 ||
	    type_of_numbers(type) != type_of_numbers(p[8]), 0)) {
		item_nowhere(it);
		o.anomalies = space == 0 ? S7_A(AREA_UNKNOWN) : S7_A(TYPE_UNKNOWN);
		o.bytes = BYTES_UNKNOWN;
		return o;
	}
	space--;
	if (__builtin_expect(!space_of_bits(space), 0)) {
		item_set(it, space, 0, addr, count);
		o.bytes = count * 2;
		if (addr + count > 65536)
			o.anomalies = S7_A(ADDRESS_OVERFLOW);
	} else {
		bits *= count;
		o.bytes = (bits + 7) / 8;
		item_set(it, space, space >= SPACE_DB ? be16(p + 6) : 0, addr, bits);
		if (__builtin_expect((addr & 7) != 0 && type != TYPE_BIT, 0)) {
			/* a device may ignore the bits: judged wherever it may be */
			it->first = addr & ~7u;
			it->count = bits + 7;
			o.anomalies = S7_A(BIT_OFFSET);
		}
		if (addr + bits > AREA_BITS)
			o.anomalies |= S7_A(ADDRESS_OVERFLOW);
	}
	if (__builtin_expect(count == 0, 0))
		o.anomalies |= S7_A(COUNT_ZERO);
	return o;
}

/* The whole of what a symbolic address names: [area1, area2, crc, LIDs]. */
static struct walk_out
item_symbol(struct cur c, struct fact_item *it)
{
	static const uint8_t areas[] = {[0] = SPACE_I + 1, SPACE_Q + 1, SPACE_M + 1, SPACE_C + 1,
	    SPACE_T + 1};
	struct walk_out o = {0, BYTES_UNKNOWN};
	unsigned area1, area2;

	cur_skip(&c, 1);
	area1 = cur_be16(&c);
	area2 = cur_be16(&c);
	cur_skip(&c, 4);
	if (!cur_ok(&c) || cur_left(&c) % 4 != 0)
		o.anomalies = S7_A(ITEM_LENGTH);
	if (area1 == 0x8a0e) {
		item_set(it, SPACE_DB, area2, 0, AREA_BITS);
	} else if (area1 == 0 && area2 >= 0x50 && area2 - 0x50 < sizeof(areas)) {
		uint8_t space = (uint8_t)(areas[area2 - 0x50] - 1);

		item_set(it, space, 0, 0, space_of_bits(space) ? AREA_BITS : 65536);
	} else {
		item_nowhere(it);
		o.anomalies |= S7_A(AREA_UNKNOWN);
	}
	return o;
}

/* One byte run of a DB-READ: bytes, DB, first byte. */
static struct walk_out
item_db_run(struct cur *c, struct fact_item *it)
{
	uint32_t n = cur_u8(c), db = cur_be16(c), at = cur_be16(c);
	struct walk_out o = {at + n > 65536 ? S7_A(ADDRESS_OVERFLOW) : 0, n};

	item_set(it, SPACE_DB, db, at * 8, n * 8);
	if (!cur_ok(c))
		o.anomalies = S7_A(BODY_SHORT);
	else if (n == 0)
		o.anomalies |= S7_A(COUNT_ZERO);
	return o;
}

/* Syntaxes other than S7ANY; c is behind the syntax byte. */
static struct walk_out
item_rare(struct walk *w, uint8_t syntax, struct cur c, struct fact_item *it)
{
	struct walk_out o = {0, BYTES_UNKNOWN};
	uint32_t a, b, n, line;

	switch (syntax) {
	case SYN_DB:
		w->runs = cur_u8(&c);
		if (cur_left(&c) != (size_t)w->runs * 5)
			o.anomalies = S7_A(ITEM_LENGTH);
		if (w->runs == 0) {
			item_nowhere(it);
			o.anomalies |= S7_A(COUNT_ZERO);
			return o;
		}
		if (o.anomalies) {
			w->runs = 0;
			item_nowhere(it);
			return o;
		}
		w->runs--;
		o = item_db_run(&c, it);
		if (w->runs) /* the parts come in one value */
			o.bytes = BYTES_UNKNOWN;
		return o;
	case SYN_SYM:
		return item_symbol(c, it);
	case SYN_NCK:
	case SYN_NCK_M:
	case SYN_NCK_I: /* area and unit, column, line, module, lines */
		a = cur_u8(&c);
		b = cur_be16(&c);
		line = cur_be16(&c);
		n = cur_u8(&c);
		item_set(it, SPACE_NCK, a << 8 | n, b << 16 | line, 1);
		it->count = cur_u8(&c);
		it->count += it->count == 0; /* who knows what no line means to the device */
		break;
	case SYN_DRIVE: /* 1 and 2 bytes unknown, drive, parameter, index */
		cur_skip(&c, 3);
		a = cur_be16(&c);
		b = cur_be16(&c);
		item_set(it, SPACE_DRIVE, a, b << 16 | cur_be16(&c), 1);
		break;
	default:
		item_nowhere(it);
		o.anomalies = S7_A(SYNTAX_UNKNOWN);
		return o;
	}
	if (!cur_ok(&c) || cur_left(&c) != 0)
		o.anomalies |= S7_A(ITEM_LENGTH);
	return o;
}

/* A value behind its specification: *bytes are its length.  NULL: not all there. */
static inline const uint8_t *
value_take(struct cur *c, bool more, uint8_t *code, uint8_t *type, uint32_t *bytes)
{
	const uint8_t *p = cur_bytes(c, 4);
	uint32_t n;

	if (!p)
		return NULL;
	*code = p[0];
	*type = p[1];
	n = be16(p + 2);
	if (p[1] >= 3 && p[1] <= 5) /* bits */
		n = (n + 7) / 8;
	*bytes = n;
	p = cur_bytes(c, n);
	if (n & 1 && more && cur_left(c) > 0)
		cur_skip(c, 1);
	return p;
}

/*
 * The same in the answer to a read.  An item that was refused has no value, whatever its
 * length says: Snap7's server leaves the 4 of its own header there.
 */
static inline const uint8_t *
answer_take(struct cur *c, bool more, uint8_t *code, uint8_t *type, uint32_t *bytes)
{
	struct cur head = *c;
	const uint8_t *p = cur_bytes(&head, 4);

	if (__builtin_expect(p && p[0] != VAL_OK && p[1] == 0, 0)) {
		*code = p[0];
		*type = 0;
		*bytes = 0;
		*c = head;
		return p;
	}
	return value_take(c, more, code, type, bytes);
}

/*
 * Is it beyond doubt how long the value with this head is?  Of type 6 some servers count
 * bits and some bytes, and bits that fill no byte are rounded up or down.
 */
static inline bool
value_certain(const uint8_t *head)
{
	unsigned type = head[1], n = be16(head + 2);

	return type == 4 || type == 5 ? n % 8 == 0 : type == 3 ? n == 1 : type == 7 || type == 9;
}

/* n bytes at p are the item's, if that can be told apart by address. */
static inline void
item_take(struct fact_item *it, const uint8_t *p, uint32_t n)
{
	if (space_of_bits(it->space)) {
		if ((it->first & 7) == 0 ? it->count == n * 8 || it->count == 1 : it->count == 1) {
			it->vals = p;
			it->enc = it->count == 1 ? ENC_U8 : ENC_BIT_LSB;
		}
	} else if (n == it->count * 2) {
		it->vals = p;
		it->enc = ENC_U16_BE;
	}
}

/* The bytes to be written, when they can be told apart by address. */
static inline uint64_t
item_values(struct walk *w, struct fact_item *it, uint32_t want)
{
	uint8_t code, type;
	uint32_t n;
	const uint8_t *p = value_take(&w->data, w->wire != 0, &code, &type, &n);
	bool vague = w->vague;

	if (!p)
		return S7_A(BODY_SHORT);
	w->vague |= !value_certain(p - 4);
	if (it->space == SPACE_NOWHERE || vague || want == BYTES_UNKNOWN)
		return 0;
	if (n != want)
		return S7_A(VALUE_LENGTH);
	item_take(it, p, n);
	return 0;
}

/* The next fact item; there must be one.  The cursors are bad where it ended too early. */
static inline struct walk_out
walk_next(struct walk *w, struct fact_item *it)
{
	struct walk_out o;
	const uint8_t *p;

	item_clear(it, w->write ? ACC_WRITE : ACC_READ);
	if (__builtin_expect(w->runs != 0, 0)) {
		w->runs--;
		return item_db_run(&w->spec, it);
	}
	if (w->fill)
		cur_skip(&w->spec, 1);
	w->fill = false;
	w->wire--;
	p = cur_left(&w->spec) >= ITEM_ANY ? w->spec.p : NULL;
	if (__builtin_expect(p && p[0] == 0x12 && p[1] == ITEM_ANY - 2 && p[2] == SYN_ANY, 1)) {
		cur_skip(&w->spec, ITEM_ANY);
		o = item_any(p, it);
	} else {
		uint8_t mark = cur_u8(&w->spec), len = cur_u8(&w->spec), syntax;
		struct cur c = w->spec, all = cur_take(&c, len);

		syntax = cur_u8(&all);
		if (!cur_ok(&all)) {
			cur_skip(&w->spec, SIZE_MAX); /* bad from here on */
			item_nowhere(it);
			return (struct walk_out){S7_A(BODY_SHORT), 0};
		}
		w->fill = len & 1;
		o = item_rare(w, syntax, all, it);
		if (mark != 0x12 || syntax == SYN_ANY)
			o.anomalies |= S7_A(ITEM_LENGTH);
		if (w->runs != 0) { /* go on behind the first run */
			cur_skip(&w->spec, 2 + 5);
			o.bytes = BYTES_UNKNOWN;
		} else {
			w->spec = c;
		}
	}
	if (w->write)
		o.anomalies |= item_values(w, it, o.bytes);
	return o;
}

static inline void
walk_save(const struct walk *w, struct fact_iter *it)
{
	it->p = w->spec.p;
	it->scratch[0] = (uint64_t)(uintptr_t)w->data.p;
	it->scratch[1] = w->wire | (uint64_t)w->runs << 16 | (uint64_t)w->fill << 24 |
	    (uint64_t)w->vague << 25;
}

/* The fact's iterator over variable specifications. */
static bool
next_variable(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct s7_ext *x = f->ext;
	struct walk w = {.spec = x->spec, .data = x->data, .wire = x->n_wire,
	    .write = f->code == FN_WRITE};

	if (it->i > 1) {
		w.spec.p = it->p;
		w.data.p = (const uint8_t *)(uintptr_t)it->scratch[0];
		w.wire = (uint16_t)it->scratch[1];
		w.runs = (uint8_t)(it->scratch[1] >> 16);
		w.fill = it->scratch[1] >> 24 & 1;
		w.vague = it->scratch[1] >> 25 & 1;
	} else {
		(void)walk_next(&w, out);
	}
	(void)walk_next(&w, out);
	walk_save(&w, it);
	return true;
}

/* --- variables of a status or modify job (programmer commands) ------------- */

/*
 * Eight bytes shorter than S7ANY: area and width in one byte, repetitions, DB,
 * first byte.  Of a bit only its byte is judged: where the bit stands is not known.
 */
#define VARTAB_ITEM 6

static struct walk_out
vartab_take(struct cur *c, uint8_t access, struct fact_item *it)
{
	static const uint8_t spaces[] = {[0] = SPACE_M + 1, SPACE_I + 1, SPACE_Q + 1, SPACE_P + 1,
	    [7] = SPACE_DB + 1};
	static const uint8_t widths[] = {1, 1, 2, 4};
	unsigned area = cur_u8(c), n = cur_u8(c), db = cur_be16(c), at = cur_be16(c);
	struct walk_out o = {0, 0};

	n += n == 0; /* who knows what no repetition means to the device */

	item_clear(it, access);
	if (!cur_ok(c)) {
		o.anomalies = S7_A(BODY_SHORT);
		item_nowhere(it);
	} else if (area == 0x54 || area == 0x64) {
		item_set(it, area == 0x54 ? SPACE_T : SPACE_C, 0, at, n);
	} else if (area >> 4 < sizeof(spaces) && spaces[area >> 4] &&
		   (area & 15) < sizeof(widths)) {
		uint8_t space = (uint8_t)(spaces[area >> 4] - 1);

		item_set(it, space, space == SPACE_DB ? db : 0, at * 8, 8 * n * widths[area & 15]);
		if (it->first + it->count > AREA_BITS)
			o.anomalies = S7_A(ADDRESS_OVERFLOW);
	} else {
		item_nowhere(it);
		o.anomalies = S7_A(AREA_UNKNOWN);
	}
	return o;
}

static bool
next_vartab(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct s7_ext *x = f->ext;
	struct cur c = x->spec;

	cur_skip(&c, (size_t)it->i * VARTAB_ITEM);
	(void)vartab_take(&c, f->item.access, out);
	return true;
}

/* --- blocks ---------------------------------------------------------------- */

#define BLOCK_FILE  16	 /* sub of a file that is no block (numerical controls) */
#define BLOCK_TEXT  8	 /* "0A00001P": type, number, file system */
#define BLOCK_NO_MAX 65535

static int
hex_digit(uint8_t ch)
{
	return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

/* "0A00001P"; false: not a block. */
static bool
block_parse(struct cur c, uint8_t *type, uint32_t *number)
{
	const uint8_t *p = cur_bytes(&c, BLOCK_TEXT);
	uint32_t n = 0;

	if (!p || cur_left(&c) != 0 || p[0] != '0' || hex_digit(p[1]) < 0)
		return false;
	for (unsigned i = 2; i < 7; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(p[i] - '0');
	}
	if (n > BLOCK_NO_MAX || (p[7] != 'P' && p[7] != 'A' && p[7] != 'B'))
		return false;
	*type = (uint8_t)hex_digit(p[1]);
	*number = n;
	return true;
}

static void
block_item(struct fact_item *it, struct cur name, uint8_t access)
{
	uint8_t type;
	uint32_t number;

	item_clear(it, access);
	if (block_parse(name, &type, &number))
		item_set(it, SPACE_BLOCK, type, number, 1);
	else
		item_nowhere(it);
}

/* Further blocks of _INSE and _DELE. */
static bool
next_block(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	const struct s7_ext *x = f->ext;
	struct cur c = x->spec;

	cur_skip(&c, (size_t)it->i * BLOCK_TEXT);
	block_item(out, cur_take(&c, BLOCK_TEXT), f->item.access);
	return true;
}

#endif /* S7_ITEM_H */
