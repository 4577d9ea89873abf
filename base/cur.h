/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cur.h - bounded read cursor over bytes we do not own.
 *
 * Every byte that came from a network or a file is read through here.
 *
 * Contract:
 *   - A read that does not fit returns 0 and makes the cursor bad and empty.
 *     It stays bad: later reads also fail, loops on cur_left() end, and one
 *     cur_ok() after a run of reads covers the whole run.
 *   - Test cur_ok() before a value that was read is used as a count, a
 *     length, an index, or is emitted.
 *   - Nested lengths become sub-cursors (cur_take), never subtractions.
 *   - The name says the byte order: be = network order, le = little endian.
 *     What comes back is in host order.  No alignment is assumed.
 */
#ifndef BASE_CUR_H
#define BASE_CUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Two words, so that a cursor travels in registers when it is passed by value
 * (as frame() and pdu() get theirs).  Bad is p == NULL, which sticks because
 * then nothing is left to read.
 */
struct cur {
	const uint8_t *p;	/* next unread byte; borrowed, never freed; NULL = bad */
	const uint8_t *end;	/* one past the last readable byte */
};

static inline struct cur
cur_make(const void *buf, size_t len)
{
	const uint8_t *p = buf ? buf : (const void *)"";

	return (struct cur){ .p = p, .end = p + len };
}

static inline size_t
cur_left(const struct cur *c)
{
	return (size_t)(c->end - c->p);
}

static inline bool
cur_ok(const struct cur *c)
{
	return c->p != NULL;
}

/* Borrow the next n bytes, or NULL (and go bad) when they are not there. */
static inline const uint8_t *
cur_bytes(struct cur *c, size_t n)
{
	const uint8_t *p = c->p;

	if (n > cur_left(c)) {
		c->p = c->end = NULL;
		return NULL;
	}
	if (n != 0) /* a bad cursor stays NULL */
		c->p += n;
	return p;
}

/* Copy up to n of the bytes left to dst; returns how many.  Never goes bad. */
static inline size_t
cur_copy(struct cur *c, void *dst, size_t n)
{
	if (n > cur_left(c))
		n = cur_left(c);
	if (n != 0) {
		memcpy(dst, c->p, n);
		c->p += n;
	}
	return n;
}

static inline void
cur_skip(struct cur *c, size_t n)
{
	(void)cur_bytes(c, n);
}

/* Split off the next n bytes as a cursor of their own; empty and bad when
 * they are not there (the parent is then bad too). */
static inline struct cur
cur_take(struct cur *c, size_t n)
{
	const uint8_t *p = cur_bytes(c, n);

	return (struct cur){ .p = p, .end = p ? p + n : NULL };
}

static inline uint8_t
cur_u8(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 1);

	return p ? p[0] : 0;
}

static inline uint16_t
cur_be16(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 2);

	return (uint16_t)(p ? p[0] << 8 | p[1] : 0);
}

static inline uint16_t
cur_le16(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 2);

	return (uint16_t)(p ? p[1] << 8 | p[0] : 0);
}

static inline uint32_t
cur_le24(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 3);

	return p ? (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0] : 0;
}

static inline uint32_t
cur_be32(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint32_t
cur_le32(struct cur *c)
{
	const uint8_t *p = cur_bytes(c, 4);

	return p ? (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[1] << 8 | p[0] : 0;
}

static inline uint64_t
cur_be64(struct cur *c)
{
	uint64_t hi = cur_be32(c);

	return hi << 32 | cur_be32(c);
}

static inline uint64_t
cur_le64(struct cur *c)
{
	uint64_t lo = cur_le32(c);

	return (uint64_t)cur_le32(c) << 32 | lo;
}

#endif /* BASE_CUR_H */
