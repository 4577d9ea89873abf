/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value.h - a value as it lies in the addresses of a space: read it from what is
 * written, and make a key of it that sorts as the values of its type do.
 *
 * A value takes one address or several (a REAL two Modbus registers, a WORD
 * sixteen bits of a data block); high byte first.  Keys: unsigned integers as
 * they are, signed ones with the sign bit turned, IEEE 754 numbers as doubles
 * with all bits turned when negative and only the sign otherwise.
 */
#ifndef POLICY_VALUE_H
#define POLICY_VALUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dissectors/fact.h"

enum value_kind { VALUE_UNSIGNED = 0, VALUE_SIGNED, VALUE_REAL };

struct value_shape {
	uint32_t first;	/* address where the first of the values starts */
	uint32_t cell;	/* addresses a value takes */
	uint8_t bits;	/* 1..64 */
	uint8_t kind;	/* enum value_kind */
	bool low_word_first; /* 16-bit words in the other order */
};

#define VALUE_SIGN (UINT64_C(1) << 63)

static inline uint64_t
value_real_key(double d)
{
	uint64_t u;

	d += 0.0; /* -0 is 0 */
	memcpy(&u, &d, sizeof(u));
	return u & VALUE_SIGN ? ~u : u | VALUE_SIGN;
}

/* The key of raw bits; false: not a number, which no limit can speak of. */
static inline bool
value_key(const struct value_shape *s, uint64_t raw, uint64_t *key)
{
	uint32_t low = (uint32_t)raw;
	double d;
	float f;

	switch ((enum value_kind)s->kind) {
	case VALUE_UNSIGNED:
		*key = raw;
		return true;
	case VALUE_SIGNED:
		*key = (uint64_t)((int64_t)(raw << (64 - s->bits)) >> (64 - s->bits)) ^ VALUE_SIGN;
		return true;
	case VALUE_REAL:
		break;
	}
	if (s->bits == 32) {
		memcpy(&f, &low, sizeof(f));
		d = (double)f;
	} else {
		memcpy(&d, &raw, sizeof(d));
	}
	*key = value_real_key(d);
	return d == d;
}

/* Byte at bit off of packed bits (lowest first). */
static inline uint8_t
value_bits_at(const uint8_t *v, uint64_t off)
{
	unsigned sh = off % 8;

	return (uint8_t)(sh ? v[off / 8] >> sh | v[off / 8 + 1] << (8 - sh) : v[off / 8]);
}

/*
 * Bits of the value that element i of an item belongs to; false when they cannot be
 * known: nothing on the wire, masked, or a part of the value is outside the item.
 */
static inline bool
value_raw(const struct value_shape *s, const struct fact_item *it, uint32_t i, uint64_t *out)
{
	uint64_t at, off, raw = 0;
	unsigned unit, bytes = s->bits / 8u;

	if (it->masked || !it->vals)
		return false;
	if (s->cell == 1) {
		*out = fact_value(it, i);
		return true;
	}
	at = (uint64_t)it->first + i;
	at -= (at - s->first) % s->cell;
	if (at < it->first || at + s->cell > (uint64_t)it->first + it->count)
		return false;
	off = at - it->first;
	unit = it->enc == ENC_U16_BE ? 16 : it->enc == ENC_U8 ? 8 : it->enc == ENC_BIT_LSB ? 1 : 0;
	if (s->cell * unit != s->bits)
		return false;
	for (unsigned b = 0; b < bytes; b++) {
		unsigned from = s->low_word_first ? (bytes - 2 - (b & ~1u)) | (b & 1) : b;

		raw = raw << 8 | (unit == 1 ? value_bits_at(it->vals, off + 8u * from) :
					      it->vals[off * (unit / 8) + from]);
	}
	*out = raw;
	return true;
}

/* The key of the same. */
static inline bool
value_read(const struct value_shape *s, const struct fact_item *it, uint32_t i, uint64_t *key)
{
	uint64_t raw;

	return value_raw(s, it, i, &raw) && value_key(s, raw, key);
}

/* Bits that were read with the high word first, as the shape has them. */
static inline uint64_t
value_turn(const struct value_shape *s, uint64_t raw)
{
	uint64_t out = 0;

	if (!s->low_word_first)
		return raw;
	for (unsigned b = 0; b < s->bits; b += 16, raw >>= 16)
		out = out << 16 | (raw & 0xffff);
	return out;
}

static inline double
value_key_real(uint64_t key)
{
	uint64_t u = key & VALUE_SIGN ? key & ~VALUE_SIGN : ~key;
	double d;

	memcpy(&d, &u, sizeof(d));
	return d;
}

/* By how much a value may differ from the last one known. */
struct value_change {
	uint64_t most;	 /* of integers; of real numbers the bits of a double */
	uint64_t per_ns; /* 0: by that much at once; else in this time, since it was last written */
	uint64_t within; /* ns: what was known before is not known any more */
};

/* Both keys are of shape s; since: ns since anybody wrote it, UINT64_MAX: nobody did. */
static inline bool
value_change_ok(const struct value_shape *s, const struct value_change *c, uint64_t key,
    uint64_t last, uint64_t since)
{
	uint64_t by = key > last ? key - last : last - key, part = c->per_ns;
	double d, most;

	if (since < part)
		part = since;
	if (s->kind == VALUE_REAL) {
		memcpy(&most, &c->most, sizeof(most));
		if (c->per_ns)
			most = most * (double)part / (double)c->per_ns;
		d = value_key_real(key) - value_key_real(last);
		return d <= most && -d <= most;
	}
	if (!c->per_ns)
		return by <= c->most;
	return by <= (uint64_t)((unsigned __int128)c->most * part / c->per_ns);
}

#endif /* POLICY_VALUE_H */
