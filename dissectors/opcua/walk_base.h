/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_base.h - what the parts of the walker share: taking input that may end at any
 * byte, the frames, the tables' look-ups; included by walk.h only.
 *
 * A piece of fixed size is taken whole or not at all: when the input ends in it, the
 * bytes there are wait in w->part.  Texts are never waited for: they become w->skip and
 * w->cap_want, which the loop works off before anything else.
 */
#include "dissectors/opcua/walk.h" /* before the guard: walk.h includes this in its place */

#ifndef OPCUA_WALK_BASE_H
#define OPCUA_WALK_BASE_H

/* The input of one call. */
struct walk_in {
	const uint8_t *p, *start, *end; /* end: not beyond what the body may have */
	size_t left;			/* at start: bytes that may still come */
};

static inline uint16_t
walk_le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

static inline uint32_t
walk_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t
walk_le64(const uint8_t *p)
{
	return (uint64_t)walk_le32(p + 4) << 32 | walk_le32(p);
}

static inline size_t
walk_here(const struct walk_in *in)
{
	return (size_t)(in->end - in->p);
}

/* Bytes that may still come. */
static inline size_t
walk_left(const struct walk_in *in)
{
	return in->left - (size_t)(in->p - in->start);
}

/* The next n bytes out of several inputs; NULL: not all there yet. */
static const uint8_t *
walk_piece_cut(struct walk *w, struct walk_in *in, unsigned n)
{
	size_t k = n - w->held;

	if (k > walk_here(in))
		k = walk_here(in);
	if (k != 0)
		memcpy(w->part + w->held, in->p, k);
	in->p += k;
	w->held = (uint8_t)(w->held + k);
	if (w->held < n)
		return NULL;
	w->held = 0;
	return w->part;
}

static inline const uint8_t *
walk_piece(struct walk *w, struct walk_in *in, unsigned n)
{
	const uint8_t *p = in->p;

	if (w->held != 0 || walk_here(in) < n)
		return walk_piece_cut(w, in, n);
	in->p += n;
	return p;
}

static inline void
walk_pass(struct walk *w, struct walk_in *in, uint32_t n)
{
	if (n <= walk_here(in))
		in->p += n;
	else
		w->skip = n;
}

/* Work off cap_want and skip; false: the input was not enough. */
static bool
walk_drain(struct walk *w, struct walk_in *in)
{
	size_t n = w->cap_want;

	if (n > walk_here(in))
		n = walk_here(in);
	if (n != 0)
		memcpy(w->cap + w->cap_len, in->p, n);
	in->p += n;
	w->cap_len = (uint16_t)(w->cap_len + n);
	w->cap_want = (uint16_t)(w->cap_want - n);
	if (w->cap_want != 0)
		return false;
	n = w->skip;
	if (n > walk_here(in))
		n = walk_here(in);
	in->p += n;
	w->skip -= (uint32_t)n;
	return w->skip == 0;
}

/* Length of a String or ByteString; -1 is a null one ([P6] 5.2.2.4). */
static inline bool
walk_length(const struct walk_in *in, const uint8_t *p, uint32_t *len)
{
	*len = walk_le32(p);
	if (*len == UINT32_MAX)
		*len = 0;
	return *len <= INT32_MAX && *len <= walk_left(in);
}

/* A name of len bytes: true when it is here as a whole, *p is then where; else it
 * goes to cap, and what is longer than that is passed over. */
static inline bool
walk_name(struct walk *w, struct walk_in *in, uint32_t len, const uint8_t **p)
{
	*p = in->p;
	if (len <= walk_here(in)) {
		in->p += len;
		return true;
	}
	w->cap_len = 0;
	w->cap_want = (uint16_t)(len < WALK_NAME_MAX ? len : WALK_NAME_MAX);
	w->skip = len - w->cap_want;
	return false;
}

/* Elements of an array, the smallest of them has size bytes; -1 is a null one (5.2.5). */
static inline bool
walk_count(const struct walk_in *in, const uint8_t *p, uint32_t size, uint32_t *count)
{
	*count = walk_le32(p);
	if (*count == UINT32_MAX)
		*count = 0;
	return *count <= INT32_MAX && (uint64_t)*count * size <= walk_left(in);
}

/* --- frames ------------------------------------------------------------------------ */

/* Go through count elements of a type, then on at ret; the byte before is the type. */
static inline bool
walk_push(struct walk *w, uint32_t count, unsigned ret)
{
	if (w->sp == WALK_STACK)
		return false;
	w->count[w->sp] = count;
	w->ret[w->sp++] = (uint16_t)ret;
	w->pc = walk_type_at[((const uint8_t *)&walk_code)[ret - 1]];
	return true;
}

/* The same inside a Variant or DataValue. */
static inline bool
walk_push_nested(struct walk *w, uint32_t count, unsigned ret)
{
	return w->depth++ < WALK_DEPTH && walk_push(w, count, ret);
}

/* End of an element; false: of everything. */
static inline bool
walk_ret(struct walk *w)
{
	unsigned ret;

	if (w->sp == 0)
		return false;
	ret = w->ret[w->sp - 1];
	if (--w->count[w->sp - 1] != 0) {
		w->pc = walk_type_at[((const uint8_t *)&walk_code)[ret - 1]];
	} else {
		w->pc = (uint16_t)ret;
		w->sp--;
	}
	return true;
}

/* --- look-ups ---------------------------------------------------------------------- */

static uint8_t
walk_service_lookup(uint32_t type, bool *response)
{
	uint8_t row = 0;

	if (type <= WALK_ID_MAX)
		row = walk_by_id[type];
	else if (type - WALK_ID_2 < sizeof(walk_by_id) - WALK_ID_MAX - 1)
		row = walk_by_id[type - WALK_ID_2 + WALK_ID_MAX + 1];
	*response = row & 0x80;
	return row & 0x7f;
}

static bool
walk_whole(const struct walk *w)
{
	const struct walk_message *m = &walk_messages[w->service];

	return !(w->opts & WALK_OPT_HEADER) && m->body[w->response] != 0 &&
	       (!w->response || !m->text || (w->opts & WALK_OPT_TEXT));
}

/* Where the interpreter goes on behind a header. */
static inline uint16_t
walk_body(const struct walk *w)
{
	return walk_whole(w) ? walk_messages[w->service].body[w->response]
			     : WALK_RET(ServiceFaultResponse);
}

static inline const char *
walk_service_name(uint8_t service)
{
	return walk_messages[service < SVC_LAST ? service : 0].name;
}

static const char *
walk_bad_name(uint8_t bad)
{
	static const char *const names[WALK_BAD_LAST] = {
	    "none",
	    "type",
	    "nodeid",
	    "string_length",
	    "array_length",
	    "encoding",
	    "depth",
	    "details",
	    "extent",
	};

	return names[bad < WALK_BAD_LAST ? bad : 0];
}

#endif /* OPCUA_WALK_BASE_H */
