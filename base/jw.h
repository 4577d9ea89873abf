/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jw.h - append-only writer of JSON and other text into a buffer of the caller.
 *
 * The buffer never grows.  What does not fit sets .full and is left out from
 * that byte on; the caller looks once, at the end.  Commas are the writer's
 * business: open with jw_obj/jw_arr, name members with the key argument
 * (NULL inside an array).  Strings are escaped as RFC 8259 section 7 asks;
 * bytes that are not well-formed UTF-8 are written as \u00XX of each byte,
 * so the output is always valid JSON whatever the wire said.
 */
#ifndef BASE_JW_H
#define BASE_JW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct jw {
	char *p;	/* next byte to write; not NUL-terminated until jw_end() */
	char *start;
	char *end;	/* one past the last writable byte */
	bool full;	/* something did not fit */
	bool comma;	/* a value precedes at this level */
};

static inline struct jw
jw_make(char *buf, size_t size)
{
	return (struct jw){.p = buf, .start = buf, .end = buf + size};
}

static inline size_t
jw_len(const struct jw *w)
{
	return (size_t)(w->p - w->start);
}

/* Always inline: with a literal it becomes a few moves and no call. */
static inline __attribute__((always_inline)) void
jw_raw(struct jw *w, const char *s, size_t n)
{
	if (n > (size_t)(w->end - w->p)) {
		w->full = true;
		w->end = w->p; /* nothing more gets in: no half-written tail */
		return;
	}
	memcpy(w->p, s, n);
	w->p += n;
}

static inline void
jw_ch(struct jw *w, char c)
{
	if (w->p == w->end) {
		w->full = true;
		return;
	}
	*w->p++ = c;
}

/* Are these eight bytes all plain: ASCII but controls, quote, backslash and DEL?  Each comparison leaves its answer in the
 * high bit of its byte; no carry or borrow leaves a byte that is below 0x80, and one that is not has said no already. */
static inline bool
jw_plain8(const char *s)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	uint64_t v, quote, slash;

	memcpy(&v, s, sizeof(v));
	quote = v ^ ones * '"';
	slash = v ^ ones * '\\';
	/* a control character; one of the two; DEL */
	return ((v | (v - ones * 0x20) | (quote - ones) | (slash - ones) | (v + ones)) & high) == 0;
}

/* Bytes of the well-formed UTF-8 sequence at s (RFC 3629 4), of which n > 0 are there; 0: none is. */
size_t jw_utf8(const char *s, size_t n);
void jw_quote(struct jw *w, const char *s, size_t n); /* "s", escaped, no comma logic */
void jw_dec(struct jw *w, uint64_t v);		       /* bare decimal digits */
void jw_hex(
    struct jw *w, const uint8_t *p, size_t n); /* "00ff": two digits a byte, no comma logic */
void jw_nano(struct jw *w, uint32_t v);		       /* bare .012345678 of v < 10^9 */
void jw_time(struct jw *w, uint64_t ns); /* bare 2026-11-23T10:00:00.123456+0000 */

void jw_when(struct jw *w, const char *key, uint64_t ns); /* a member: "jw_time()", or null for 0 */

/* For lines that are written by the million: into room that the caller knows is there.  Each returns what is behind
 * what it wrote. */
#define JW_DEC_MAX  20			    /* digits of a uint64_t */
#define JW_NANO_LEN 10			    /* .012345678 */
char *jw_put_dec_long(char *p, uint64_t v); /* any v */
char *jw_put_nano(char *p, uint32_t v);

extern const char jw_pairs[201]; /* 00 to 99: two digits for one division */

static inline char *
jw_put_dec(char *p, uint64_t v)
{
	if (v < 10) {
		*p = (char)('0' + v);
		return p + 1;
	}
	if (v >= 100)
		return jw_put_dec_long(p, v);
	memcpy(p, jw_pairs + 2 * v, 2);
	return p + 2;
}

/* The comma and the key where little room is left: as much of them as fits. */
void jw_key_tight(struct jw *w, const char *key);

/* Begins a value: comma if needed, then "key": when key is not NULL.
 * Keys are our own literals and are not escaped. */
static inline __attribute__((always_inline)) void
jw_key(struct jw *w, const char *key)
{
	const size_t n = key ? strlen(key) : 0;
	char *p = w->p;

	if (n + 4 > (size_t)(w->end - p)) {
		jw_key_tight(w, key);
		return;
	}
	*p = ','; /* overwritten where none is needed */
	p += w->comma;
	w->comma = true;
	if (key) {
		*p++ = '"';
		memcpy(p, key, n);
		p += n;
		memcpy(p, "\":", 2);
		p += 2;
	}
	w->p = p;
}

static inline void
jw_obj(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_ch(w, '{');
	w->comma = false;
}

static inline void
jw_arr(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_ch(w, '[');
	w->comma = false;
}

static inline void
jw_close(struct jw *w, char bracket) /* '}' or ']' */
{
	jw_ch(w, bracket);
	w->comma = true;
}

static inline void
jw_u(struct jw *w, const char *key, uint64_t v)
{
	jw_key(w, key);
	jw_dec(w, v);
}

static inline void
jw_i(struct jw *w, const char *key, int64_t v)
{
	jw_key(w, key);
	if (v < 0)
		jw_ch(w, '-');
	jw_dec(w, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static inline void
jw_bool(struct jw *w, const char *key, bool v)
{
	jw_key(w, key);
	jw_raw(w, v ? "true" : "false", v ? 4 : 5);
}

static inline void
jw_strn(struct jw *w, const char *key, const char *s, size_t n)
{
	jw_key(w, key);
	jw_quote(w, s, n);
}

static inline void
jw_str(struct jw *w, const char *key, const char *s)
{
	jw_strn(w, key, s, strlen(s));
}

/* NUL-terminate; false when something did not fit. */
static inline bool
jw_end(struct jw *w)
{
	if (w->full || w->p == w->end)
		return false;
	*w->p = '\0';
	return true;
}

#endif /* BASE_JW_H */
