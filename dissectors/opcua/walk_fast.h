/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_fast.h - whole structures at once, when all their bytes are in the input and
 * nothing is unusual; included by walk_run.h only.
 *
 * Each of these either takes the structure, leaves the walk as the interpreter would
 * and says the same event, or takes nothing and says WALK_MORE.
 */
#include "dissectors/opcua/walk.h" /* before the guard: walk.h includes this in its place */

#ifndef OPCUA_WALK_FAST_H
#define OPCUA_WALK_FAST_H

#include "dissectors/opcua/walk_types.h"

#define FAST_MIN 7 /* bytes before the text of a NodeId, the longest of them */

/* A NodeId of which at least FAST_MIN bytes are there; -> what follows it, or NULL. */
static inline const uint8_t *
walk_fast_node(
    struct walk_node *n, const uint8_t *p, const uint8_t *end, uint8_t role, uint8_t access)
{
	uint32_t len;

	n->flags = 0;
	n->role = role;
	n->access = access;
	n->value_type = n->value_len = 0;
	n->attribute = n->array_len = 0;
	n->array = false;
	memset(n->value, 0, sizeof(n->value));
	n->id = NULL;
	n->id_len = 0;
	n->id_type = ID_NUMERIC;
	n->num = 0;
	if (p[0] <= 2) {
		if (p[0] == 1) {
			n->ns = p[1];
			n->num = walk_le16(p + 2);
			p += 4;
		} else if (p[0] == 0) {
			n->ns = 0;
			n->num = p[1];
			p += 2;
		} else {
			n->ns = walk_le16(p + 1);
			n->num = walk_le32(p + 3);
			p += 7;
		}
		n->flags = (n->ns | n->num) == 0 ? NODE_NULL : 0;
		return p;
	}
	n->ns = walk_le16(p + 1);
	if (p[0] == 4) {
		n->id_type = ID_GUID;
		len = 16;
		p += 3;
	} else if (p[0] <= 5) {
		n->id_type = p[0] == 3 ? ID_STRING : ID_OPAQUE;
		len = walk_le32(p + 3);
		p += 7;
	} else {
		return NULL;
	}
	if (len > WALK_NAME_MAX || len > (size_t)(end - p))
		return NULL;
	n->id = p;
	n->id_len = len;
	return p + len;
}

/* What follows the node of a ReadValueId: attribute, no range, no encoding.  Bytes, or 0. */
static inline uint32_t
walk_fast_select(const uint8_t *p, const uint8_t *end)
{
	return end - p >= 14 && (walk_le32(p + 4) + 1) <= 1 && (walk_le32(p + 10) + 1) <= 1 ? 14 : 0;
}

static inline enum walk_event
walk_fast_read(struct walk *w, struct walk_in *in)
{
	const uint8_t *p = in->p, *end = in->end;
	uint32_t n;

	if (end - p < FAST_MIN || !(p = walk_fast_node(&w->node, p, end, ROLE_TARGET, ACC_READ)) ||
	    (n = walk_fast_select(p, end)) == 0)
		return WALK_MORE;
	w->node.attribute = walk_le32(p);
	w->pc = WALK_RET(ReadValueId);
	in->p = p + n;
	return WALK_NODE;
}

/* What follows the node of a WriteValue: attribute, no range, a scalar of up to 8 bytes, which
 * begins at VALUE_AT.  Bytes, or 0. */
#define VALUE_AT 10
static inline uint32_t
walk_fast_value(const uint8_t *p, const uint8_t *end)
{
	static const uint8_t tails[64] = {
#define T(m)                                                                                       \
	((m)&2 ? 4 : 0) + ((m)&4 ? 8 : 0) + ((m)&8 ? 8 : 0) + ((m)&16 ? 2 : 0) + ((m)&32 ? 2 : 0)
#define T8(m)                                                                                      \
	T(m), T((m) + 1), T((m) + 2), T((m) + 3), T((m) + 4), T((m) + 5), T((m) + 6), T((m) + 7)
	    T8(0), T8(8), T8(16), T8(24), T8(32), T8(40), T8(48), T8(56)
#undef T8
#undef T
	};
	uint32_t n;

	if (end - p < VALUE_AT || (walk_le32(p + 4) + 1) > 1 || (p[8] & 0xc1) != 0x01 || p[9] > 19 ||
	    walk_fixed[p[9]] == 0 || walk_fixed[p[9]] > 8)
		return 0;
	n = (uint32_t)VALUE_AT + walk_fixed[p[9]] + tails[p[8]];
	return (size_t)(end - p) >= n ? n : 0;
}

static inline enum walk_event
walk_fast_write(struct walk *w, struct walk_in *in)
{
	const uint8_t *p = in->p, *end = in->end;
	uint32_t n;

	if (end - p < FAST_MIN || !(p = walk_fast_node(&w->node, p, end, ROLE_TARGET, ACC_WRITE)) ||
	    (n = walk_fast_value(p, end)) == 0)
		return WALK_MORE;
	w->node.attribute = walk_le32(p);
	w->node.value_type = p[9];
	w->node.value_len = walk_fixed[p[9]];
	for (uint8_t i = 0; i < w->node.value_len; i++)
		w->node.value[i] = p[VALUE_AT + i];
	w->field.elem = 0;
	w->pc = WALK_RET(WriteValue);
	in->p = p + n;
	return WALK_NODE;
}

/* A body that is, behind a few bytes, one array: up to its first element. */
static inline void
walk_fast_array(struct walk *w, struct walk_in *in)
{
	const uint8_t *code = (const uint8_t *)&walk_code + w->pc, *p = in->p;
	const bool skips = code[0] == OP_SKIP;
	uint8_t op, size;
	uint32_t count;

	if (skips) {
		p += code[1];
		code += 2;
	}
	op = code[0];
	size = op == OP_ARRAY_OF ? code[1] : 1;
	if ((op != OP_ARRAY && op != OP_ARRAY_OF) || in->end - in->p < (skips ? code[-1] : 0) + 4)
		return;
	in->p = p + 4;
	if (!walk_count(in, p, size, &count) ||
	    (op == OP_ARRAY_OF && count * size > walk_here(in))) {
		in->p = p - (skips ? code[-1] : 0);
		return;
	}
	w->pc = (uint16_t)(w->pc + (skips ? 4 : 2));
	if (op == OP_ARRAY_OF)
		in->p += count * size;
	else if (count != 0)
		(void)walk_push(w, count, w->pc); /* the first frame */
}

/* Type and request or response header, without diagnostics, texts and additions. */
static inline enum walk_event
walk_fast_header(struct walk *w, struct walk_in *in)
{
	const uint8_t *p = in->p, *end = in->end;
	uint32_t type, handle;
	uint8_t service;
	bool response;

	if (end - p < 4 + 24 || p[0] != 1 || p[1] != 0)
		return WALK_MORE;
	type = walk_le16(p + 2);
	service = walk_service_lookup(type, &response);
	p += 4;
	if (response) {
		if (p[16] != 0 || (walk_le32(p + 17) + 1) > 1 || (p[21] | p[22] | p[23]) != 0)
			return WALK_MORE;
		handle = walk_le32(p + 8);
		w->status = walk_le32(p + 12);
		p += 24;
	} else {
		if (service == SVC_NONE ||
		    !(p = walk_fast_node(&w->node, p, end, ROLE_TARGET, NODE_NONE)) ||
		    end - p < 27 || (walk_le32(p + 16) + 1) > 1 || (p[24] | p[25] | p[26]) != 0)
			return WALK_MORE;
		handle = walk_le32(p + 8);
		w->auth = walk_auth(&w->node);
		p += 27;
	}
	w->type = type;
	w->service = service;
	w->response = response;
	w->handle = handle;
	w->pc = walk_body(w);
	in->p = p;
	walk_fast_array(w, in);
	return WALK_HEADER;
}

static inline enum walk_event
walk_fast(struct walk *w, struct walk_in *in, uint8_t kind)
{
	switch (kind) {
	case TRY_HEADER:
		return walk_fast_header(w, in);
	case TRY_READ_VALUE_ID:
		return walk_fast_read(w, in);
	case TRY_WRITE_VALUE:
		return walk_fast_write(w, in);
	}
	return WALK_MORE;
}

#endif /* OPCUA_WALK_FAST_H */
