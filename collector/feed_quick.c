/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed_quick.c - see feed.h: a line in one pass.  [JSON] RFC 8259.
 *
 * Every function is false where it gives up, and then nothing that it left counts.  What it takes is valid JSON: a false
 * "valid" would let a line in that feed_tree() refuses.
 */
#include <string.h>

#include "base/jw.h"
#include "collector/feed.h"

#define KEYS_MAX   64u /* members of one object */
#define DIGITS_MAX 18u /* of a number: fits int64_t */
#define LIST_MAX   16u /* texts of a list that are looked at */

struct text {
	const char *p; /* in the line, as it stands there */
	size_t n;
	bool odd; /* has escapes or DEL: not what it means */
};

struct quick {
	const char *p, *end;
	struct feed_row *row;
	struct feed_arena *arena;
	struct text proto;
};

static void
space(struct quick *q)
{
	while (q->p < q->end && (*q->p == ' ' || *q->p == '\t' || *q->p == '\r' || *q->p == '\n'))
		q->p++;
}

/* The next byte that is no space, taken when it is c. */
static bool
next(struct quick *q, char c)
{
	space(q);
	if (q->p == q->end || *q->p != c)
		return false;
	q->p++;
	return true;
}

/* Behind the quote that begins it, [JSON] 7. */
static bool
string(struct quick *q, struct text *t)
{
	*t = (struct text){.p = q->p};
	for (;;) {
		unsigned char c;
		size_t n;

		while (q->end - q->p >= 8 && jw_plain8(q->p))
			q->p += 8;
		if (q->p == q->end)
			return false;
		c = (unsigned char)*q->p;
		if (c == '"') {
			t->n = (size_t)(q->p++ - t->p);
			return true;
		}
		n = 1;
		if (c == '\\') {
			if (q->end - q->p < 2 || !strchr("\"\\/bfnrt", q->p[1]) || q->p[1] == '\0')
				return false;
			n = 2;
			t->odd = true;
		} else if (c >= 0x80) {
			n = jw_utf8(q->p, (size_t)(q->end - q->p));
		} else if (c < 0x20) {
			return false;
		} else if (c == 0x7f) {
			t->odd = true;
		}
		if (n == 0)
			return false;
		q->p += n;
	}
}

/* A whole number, [JSON] 6. */
static bool
number(struct quick *q, int64_t *v)
{
	bool minus = q->p < q->end && *q->p == '-';
	const char *start;

	q->p += minus;
	start = q->p;
	for (*v = 0; q->p < q->end && *q->p >= '0' && *q->p <= '9' && q->p - start < DIGITS_MAX;
	     q->p++)
		*v = *v * 10 + (*q->p - '0');
	if (q->p == start || (*start == '0' && q->p - start > 1))
		return false;
	if (minus)
		*v = -*v;
	return q->p < q->end && !strchr("0123456789.eE", *q->p);
}

static bool
word(struct quick *q, const char *w, size_t n)
{
	if ((size_t)(q->end - q->p) < n || memcmp(q->p, w, n) != 0)
		return false;
	q->p += n;
	return true;
}

static bool object(struct quick *q, unsigned depth, int level);

#define NO_LEVEL (-1) /* an object whose members are not ours */

/* Any value, only judged. */
static bool
skip(struct quick *q, unsigned depth)
{
	struct text t;
	int64_t v;

	space(q);
	if (q->p == q->end)
		return false;
	switch (*q->p) {
	case '"':
		q->p++;
		return string(q, &t);
	case '{':
		return object(q, depth, NO_LEVEL);
	case '[':
		if (depth == FEED_DEPTH_MAX)
			return false;
		q->p++;
		if (next(q, ']'))
			return true;
		do {
			if (!skip(q, depth + 1))
				return false;
		} while (next(q, ','));
		return next(q, ']');
	case 't':
		return word(q, "true", 4);
	case 'f':
		return word(q, "false", 5);
	case 'n':
		return word(q, "null", 4);
	default:
		return number(q, &v);
	}
}

/* --- what is taken --------------------------------------------------------------------- */

static char
unescaped(char c)
{
	return c == '"' || c == '\\' || c == '/' ? c : '?'; /* the others are control characters */
}

/* Behind what out has already, with a comma between. */
static bool
put(struct quick *q, const struct text *t, struct feed_span *out)
{
	struct feed_arena *a = q->arena;
	const char *end;

	if (t->n == 0)
		return true;
	end = t->p + t->n;
	if (out->n + t->n + 1 > FEED_TEXT_MAX || (size_t)(a->end - a->p) < t->n + 1)
		return false;
	if (out->n > 0)
		*a->p++ = ',';
	else
		out->p = a->p;
	if (t->odd) {
		for (const char *p = t->p; p < end; p++)
			*a->p++ = *p == '\\' ? unescaped(*++p) : *p == 0x7f ? '?' : *p;
	} else {
		memcpy(a->p, t->p, t->n);
		a->p += t->n;
	}
	out->n = (uint16_t)(a->p - out->p);
	return true;
}

/* A text, or those of a list: the first, or all. */
static bool
texts(struct quick *q, unsigned depth, bool all, struct feed_span *out)
{
	struct text t;

	space(q);
	if (q->p < q->end && *q->p == '"') {
		q->p++;
		return string(q, &t) && put(q, &t, out);
	}
	if (q->p == q->end || *q->p != '[' || depth == FEED_DEPTH_MAX)
		return skip(q, depth);
	q->p++;
	if (next(q, ']'))
		return true;
	for (unsigned i = 0;; i++) {
		if (next(q, '"')) {
			if (!string(q, &t) || (i == LIST_MAX && all))
				return false;
			if ((i == 0 || all) && !put(q, &t, out))
				return false;
		} else if (!skip(q, depth + 1)) {
			return false;
		}
		if (!next(q, ','))
			return next(q, ']');
	}
}

/* The one text of a value, as it stands; n = 0 for anything else. */
static bool
one(struct quick *q, unsigned depth, struct text *t)
{
	*t = (struct text){0};
	return next(q, '"') ? string(q, t) && !t->odd : skip(q, depth);
}

/* A list that begins with the digits of a number, as metadata has them. */
static bool
count(struct quick *q, unsigned depth, uint64_t *v)
{
	struct text t = {0};

	space(q);
	if (q->p == q->end || *q->p != '[' || depth == FEED_DEPTH_MAX)
		return skip(q, depth);
	q->p++;
	if (!next(q, '"') || !string(q, &t) || t.n > 15 || !next(q, ']'))
		return false;
	*v = 0;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] < '0' || t.p[i] > '9')
			return false;
		*v = *v * 10 + (uint64_t)(t.p[i] - '0');
	}
	return true;
}

/* Not a number, or out of range: 0. */
static bool
whole(struct quick *q, unsigned depth, int64_t most, int64_t *v)
{
	space(q);
	if (q->p == q->end || (*q->p != '-' && (*q->p < '0' || *q->p > '9')))
		return skip(q, depth);
	if (!number(q, v))
		return false;
	if (*v < 0 || *v > most)
		*v = 0;
	return true;
}

static bool
is(const struct text *key, const char *name, size_t n)
{
	return key->n == n && memcmp(key->p, name, n) == 0;
}
#define IS(key, name) is(key, name, sizeof(name) - 1)

/* The value of a member that is no text of feed.def. */
static bool
other(struct quick *q, unsigned depth, int level, const struct text *key)
{
	struct feed_row *row = q->row;
	struct text t;
	int64_t v = 0;
	bool ok;

	if (level == FEED_TOP && IS(key, "alert")) {
		space(q);
		return q->p < q->end && *q->p == '{' ? object(q, depth, FEED_ALERT)
						     : skip(q, depth);
	}
	if (level == FEED_ALERT && IS(key, "metadata")) {
		space(q);
		return q->p < q->end && *q->p == '{' ? object(q, depth, FEED_META) : skip(q, depth);
	}
	if (level == FEED_TOP && IS(key, "proto"))
		return next(q, '"') ? string(q, &q->proto) : false;
	if (level == FEED_TOP && IS(key, "timestamp")) {
		ok = one(q, depth, &t);
		row->time_ms = ok && t.p ? feed_time(t.p, t.n) : -1;
		return ok;
	}
	if (level == FEED_ALERT && IS(key, "action")) {
		ok = one(q, depth, &t);
		row->blocked = ok && IS(&t, "blocked");
		return ok;
	}
	if (level == FEED_META && IS(key, "il_seq"))
		return count(q, depth, &row->seq);
	if (level == FEED_META && IS(key, "il_count")) {
		uint64_t n = 0;

		ok = count(q, depth, &n);
		row->count = (int64_t)n;
		return ok;
	}
	if (level == FEED_TOP && IS(key, "src_port")) {
		ok = whole(q, depth, UINT16_MAX, &v);
		row->sport = (uint16_t)v;
		return ok;
	}
	if (level == FEED_TOP && IS(key, "dest_port")) {
		ok = whole(q, depth, UINT16_MAX, &v);
		row->dport = (uint16_t)v;
		return ok;
	}
	if (level == FEED_ALERT && IS(key, "signature_id"))
		return whole(q, depth, UINT32_MAX, &row->sid);
	if (level == FEED_ALERT && IS(key, "severity")) {
		ok = whole(q, depth, 3, &v);
		row->sev = (uint8_t)v;
		return ok;
	}
	return skip(q, depth);
}

static bool
member(struct quick *q, unsigned depth, int level, const struct text *key)
{
	for (unsigned i = 0; level != NO_LEVEL && i < FT_N; i++) {
		const struct feed_member *m = &feed_member[i];

		if (m->level == level && is(key, m->name, m->n))
			return texts(q, depth, i == FT_TECH, &q->row->text[i]);
	}
	return other(q, depth, level, key);
}

/* At its bracket, inside of depth others.  Recursion ends at FEED_DEPTH_MAX. */
static bool
object(struct quick *q, unsigned depth, int level)
{
	struct text keys[KEYS_MAX];
	uint64_t have = 0; /* a bit of each key */
	unsigned n = 0;

	if (depth == FEED_DEPTH_MAX || !next(q, '{'))
		return false;
	if (next(q, '}'))
		return true;
	do {
		struct text *key = &keys[n];
		uint64_t bit;

		if (n == KEYS_MAX || !next(q, '"') || !string(q, key) || key->odd)
			return false;
		bit = UINT64_C(1) << ((key->n * 7 +
					  (key->n ? (unsigned char)key->p[0] * 5u +
							(unsigned char)key->p[key->n - 1] * 11u +
							(unsigned char)key->p[key->n / 2]
						  : 0)) %
				      64);
		for (unsigned i = 0; (have & bit) && i < n; i++)
			if (is(key, keys[i].p, keys[i].n))
				return false;
		have |= bit;
		n++;
		if (!next(q, ':') || !member(q, depth + 1, level, key))
			return false;
	} while (next(q, ','));
	return next(q, '}');
}

bool
feed_quick(const char *line, size_t n, struct feed_row *row, struct feed_arena *a)
{
	struct quick q = {.p = line, .end = line + n, .row = row, .arena = a};
	char *was = a->p;

	memset(row, 0, sizeof(*row));
	row->time_ms = -1;
	if (!object(&q, 0, FEED_TOP))
		goto give_up;
	space(&q);
	if (q.p != q.end)
		goto give_up;
	if (row->text[FT_PROTO].n == 0 && !put(&q, &q.proto, &row->text[FT_PROTO]))
		goto give_up;
	feed_finish(row);
	return true;
give_up:
	a->p = was;
	return false;
}
