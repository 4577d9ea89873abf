/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_fast.h - whole structures at once, when all their bytes are in the input and
 * nothing is unusual; included by walk_run.h only.
 *
 * Each of these either takes the structure, leaves the walk as the interpreter would
 * and says the same event, or takes nothing and says WALK_MORE.
 */
#ifndef OPCUA_WALK_FAST_H
#define OPCUA_WALK_FAST_H

#include "dissectors/opcua/walk.h"

/* A number for an authentication token.  Servers make tokens unguessable and check
 * them; this only tells the sessions of one channel apart. */
static inline uint64_t
walk_auth(const struct walk_node *n)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = ((uint64_t)n->ns << 40 | (uint64_t)n->id_type << 32 | (n->id_type ? n->id_len : n->num)) * k;
	uint32_t left = n->id_type == ID_NUMERIC ? 0 : n->id_len < WALK_NAME_MAX ? n->id_len : WALK_NAME_MAX;
	const uint8_t *p = n->id;
	uint64_t v;

	for (; left >= sizeof(v); left -= (uint32_t)sizeof(v), p += sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		h = ((h ^ h >> 29) + v) * k;
	}
	if (left != 0) {
		v = 0;
		memcpy(&v, p, left);
		h = ((h ^ h >> 29) + v) * k;
	}
	return h ^ h >> 32;
}

/* Where the interpreter goes on behind a header. */
static inline uint16_t
walk_body(const struct walk *w)
{
	return walk_whole(w) ? walk_messages[w->service].body[w->response] : WALK_RET(ServiceFaultResponse);
}

#define LE16(p) ((uint16_t)((p)[1] << 8 | (p)[0]))
#define LE32(p) ((uint32_t)(p)[3] << 24 | (uint32_t)(p)[2] << 16 | (uint32_t)(p)[1] << 8 | (p)[0])
#define FAST_MIN 14 /* what the caller has seen to be there, and less follows no NodeId below */

/* A NodeId with at least FAST_MIN bytes behind p; -> what follows it, or NULL. */
static inline const uint8_t *
walk_fast_node(struct walk_node *n, const uint8_t *p, const uint8_t *end, uint8_t role, uint8_t access)
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
	switch (p[0]) {
	case 0:
		n->ns = 0;
		n->num = p[1];
		n->flags = n->num == 0 ? NODE_NULL : 0;
		return p + 2;
	case 1:
		n->ns = p[1];
		n->num = LE16(p + 2);
		n->flags = (n->ns | n->num) == 0 ? NODE_NULL : 0;
		return p + 4;
	case 2:
		n->ns = LE16(p + 1);
		n->num = LE32(p + 3);
		n->flags = (n->ns | n->num) == 0 ? NODE_NULL : 0;
		return p + 7;
	case 3:
	case 5:
		n->id_type = p[0] == 3 ? ID_STRING : ID_OPAQUE;
		n->ns = LE16(p + 1);
		len = LE32(p + 3);
		p += 7;
		break;
	case 4:
		n->id_type = ID_GUID;
		n->ns = LE16(p + 1);
		len = 16;
		p += 3;
		break;
	default:
		return NULL;
	}
	if (len > WALK_NAME_MAX || len > (size_t)(end - p))
		return NULL;
	n->id = p;
	n->id_len = len;
	return p + len;
}

/* ReadValueId: node, attribute, no range, no encoding. */
static inline enum walk_event
walk_fast_read(struct walk *w, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *p = *at;

	if (end - p < FAST_MIN || !(p = walk_fast_node(&w->node, p, end, ROLE_TARGET, ACC_READ)) || end - p < 14)
		return WALK_MORE;
	if ((LE32(p + 4) + 1) > 1 || (LE32(p + 10) + 1) > 1)
		return WALK_MORE;
	w->node.attribute = LE32(p);
	w->pc = WALK_RET(ReadValueId);
	*at = p + 14;
	return WALK_NODE;
}

/* WriteValue: node, attribute, no range, a scalar of up to 8 bytes. */
static inline enum walk_event
walk_fast_write(struct walk *w, const uint8_t **at, const uint8_t *end)
{
	static const uint8_t tails[64] = {
#define T(m) ((m) & 2 ? 4 : 0) + ((m) & 4 ? 8 : 0) + ((m) & 8 ? 8 : 0) + ((m) & 16 ? 2 : 0) + ((m) & 32 ? 2 : 0)
#define T8(m) T(m), T((m) + 1), T((m) + 2), T((m) + 3), T((m) + 4), T((m) + 5), T((m) + 6), T((m) + 7)
		T8(0), T8(8), T8(16), T8(24), T8(32), T8(40), T8(48), T8(56)
#undef T8
#undef T
	};
	const uint8_t *p = *at;
	uint8_t mask, type, size;

	if (end - p < FAST_MIN || !(p = walk_fast_node(&w->node, p, end, ROLE_TARGET, ACC_WRITE)) || end - p < 10)
		return WALK_MORE;
	mask = p[8];
	type = p[9];
	if ((LE32(p + 4) + 1) > 1 || (mask & 0xc1) != 0x01 || type > 19)
		return WALK_MORE;
	size = walk_fixed[type];
	if (size == 0 || size > 8 || end - p < 10 + size + tails[mask])
		return WALK_MORE;
	w->node.attribute = LE32(p);
	w->node.value_type = type;
	w->node.value_len = size;
	for (uint8_t i = 0; i < size; i++)
		w->node.value[i] = p[10 + i];
	w->field.elem = 0;
	w->pc = WALK_RET(WriteValue);
	*at = p + 10 + size + tails[mask];
	return WALK_NODE;
}

/* Type and request or response header, without diagnostics, texts and additions. */
static inline enum walk_event
walk_fast_header(struct walk *w, const uint8_t **at, const uint8_t *end)
{
	const uint8_t *p = *at;
	uint32_t type, handle;
	uint8_t service;
	bool response;

	if (end - p < 4 + 24 || p[0] != 1 || p[1] != 0)
		return WALK_MORE;
	type = LE16(p + 2);
	service = walk_service_lookup(type, &response);
	p += 4;
	if (response) {
		if (p[16] != 0 || (LE32(p + 17) + 1) > 1 || (p[21] | p[22] | p[23]) != 0)
			return WALK_MORE;
		handle = LE32(p + 8);
		w->status = LE32(p + 12);
		p += 24;
	} else {
		if (service == SVC_NONE || !(p = walk_fast_node(&w->node, p, end, ROLE_TARGET, NODE_NONE)) ||
		    end - p < 27 || (LE32(p + 16) + 1) > 1 || (p[24] | p[25] | p[26]) != 0)
			return WALK_MORE;
		handle = LE32(p + 8);
		w->auth = walk_auth(&w->node);
		p += 27;
	}
	w->type = type;
	w->service = service;
	w->response = response;
	w->handle = handle;
	w->pc = walk_body(w);
	*at = p;
	return WALK_HEADER;
}

static inline enum walk_event
walk_fast(struct walk *w, const uint8_t **at, const uint8_t *end, uint8_t kind)
{
	switch (kind) {
	case TRY_HEADER:
		return walk_fast_header(w, at, end);
	case TRY_READ_VALUE_ID:
		return walk_fast_read(w, at, end);
	case TRY_WRITE_VALUE:
		return walk_fast_write(w, at, end);
	}
	return WALK_MORE;
}

#undef FAST_MIN

#endif /* OPCUA_WALK_FAST_H */
