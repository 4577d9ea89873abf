/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_types.h - the built-in types whose first byte says what follows ([P6] 5.2.2), and
 * the ExtensionObjects that are looked into; included by walk_run.h only.
 *
 * Functions that can fail say why in w->bad.
 */
#include "dissectors/opcua/walk.h" /* before the guard: walk.h includes this in its place */

#ifndef OPCUA_WALK_TYPES_H
#define OPCUA_WALK_TYPES_H

#include "dissectors/opcua/walk_base.h"

/* clang-format off */
/* w->arg of the steps of a NodeId; the encoding byte's own flags beside them */
enum { NODE_KEEP = 1, NODE_EXPANDED = 2, XNODE_SERVER = 0x40, XNODE_URI = 0x80 }; /* [P6] 5.2.2.10 */

/* Type ids of ExtensionObjects we look into, [P6] annex A.3, <name>_Encoding_DefaultBinary */
enum {
	ID_ANONYMOUS_IDENTITY_TOKEN = 321, ID_USER_NAME_IDENTITY_TOKEN = 324,
	ID_X509_IDENTITY_TOKEN = 327, ID_ISSUED_IDENTITY_TOKEN = 940,
	ID_UPDATE_DATA_DETAILS = 682, ID_UPDATE_EVENT_DETAILS = 685,
	ID_DELETE_RAW_MODIFIED_DETAILS = 688, ID_DELETE_AT_TIME_DETAILS = 691,
	ID_DELETE_EVENT_DETAILS = 694, ID_UPDATE_STRUCTURE_DATA_DETAILS = 11300,
	ID_BUILD_INFO = 340, ID_SERVER_STATUS = 864,
};

enum { EXT_NO_BODY = 0, EXT_BINARY = 1, EXT_XML = 2 }; /* [P6] 5.2.2.15 */
/* clang-format on */

/* One array of a Variant: past the count.  false: w->bad. */
static bool
walk_variant_array(struct walk *w, struct walk_in *in, const uint8_t *p)
{
	const uint8_t type = w->arg & 0x3f;
	const bool dims = w->arg & 0x40, text = w->value && w->response && type == 12;
	const uint8_t size = walk_fixed[type];
	uint32_t count;

	w->bad = WALK_BAD_COUNT;
	if (!walk_count(in, p, size ? size : 1, &count))
		return false;
	if (w->value && !w->response)
		w->node.array_len = count;
	w->value = false;
	w->bad = WALK_BAD_DEPTH;
	if (count != 0 && size == 0) {
		if (text)
			return walk_push_nested(w, count,
			    dims ? WALK_AT(after_texts_dims) + 1u : WALK_AT(after_texts) + 1u);
		return walk_push_nested(w, count,
		    dims ? WALK_AT(after_dims) + 4u * type + 1
			 : WALK_AT(after_variant) + 2u * type + 1);
	}
	walk_pass(w, in, count * size);
	w->pc = dims ? WALK_AT(dims) : WALK_RET(Variant);
	return true;
}

/* The encoding byte of a Variant, [P6] 5.2.2.16.  false: w->bad. */
static bool
walk_variant(struct walk *w, struct walk_in *in, uint8_t mask)
{
	const uint8_t type = mask & 0x3f, size = walk_fixed[type];
	const bool array = mask & 0x80, counts = w->value;

	w->bad = WALK_BAD_MASK;
	if (type > 31 || (mask & 0xc0) == 0x40 || (type == 0 && array) || (type == 24 && !array))
		return false;
	if (counts && !w->response) {
		w->node.value_type = type;
		w->node.array = array;
	}
	if (array) {
		w->arg = mask;
		w->micro = ST_VARIANT_COUNT;
		return true;
	}
	w->value = false;
	if (type == 0 || size != 0) {
		w->pc = WALK_RET(Variant);
		if (counts && !w->response && size != 0 && size <= sizeof(w->node.value)) {
			w->arg = size;
			w->micro = ST_VARIANT_VALUE;
		} else if (counts && w->response && w->opts & WALK_OPT_IDENT && type == 13) {
			w->micro = ST_VARIANT_TIME;
		} else {
			walk_pass(w, in, size);
		}
		return true;
	}
	w->bad = WALK_BAD_DEPTH;
	if (counts && w->response && type == 12)
		return walk_push_nested(w, 1, WALK_AT(after_texts) + 1u);
	if (counts && w->response && w->opts & WALK_OPT_IDENT && type == 22)
		return walk_push_nested(w, 1, WALK_AT(after_build) + 1u);
	return walk_push_nested(w, 1, WALK_AT(after_variant) + 2u * type + 1);
}

/* The encoding byte of a DataValue, [P6] 5.2.2.17.  false: w->bad. */
static bool
walk_data_value(struct walk *w, struct walk_in *in, uint8_t mask)
{
	/* status, source time and picoseconds, server time and picoseconds */
	const unsigned tail = (mask & 0x02 ? 4u : 0) + (mask & 0x04 ? 8u : 0) +
			      (mask & 0x08 ? 8u : 0) + (mask & 0x10 ? 2u : 0) +
			      (mask & 0x20 ? 2u : 0);

	w->bad = WALK_BAD_MASK;
	if (mask & 0xc0)
		return false;
	if (mask & 0x01) {
		w->bad = WALK_BAD_DEPTH;
		return walk_push_nested(w, 1, WALK_AT(data_tail) + tail / 2 * 3 + 1);
	}
	walk_pass(w, in, tail);
	w->pc++;
	return true;
}

/* The encoding byte of a DiagnosticInfo, [P6] 5.2.2.12. */
static bool
walk_diagnostic(struct walk *w, struct walk_in *in, uint8_t mask)
{
	w->bad = WALK_BAD_MASK;
	if (mask & 0x80)
		return false;
	walk_pass(w, in,
	    4u * (unsigned)((mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1) + (mask >> 3 & 1)));
	w->pc = (uint16_t)(WALK_AT(diagnostic) + walk_diagnostic_at[mask >> 4]);
	return true;
}

/* The encoding byte of a NodeId, [P6] 5.2.2.9 and 5.2.2.10. */
static bool
walk_node_encoding(struct walk *w, uint8_t enc)
{
	static const uint8_t steps[6] = {
	    ST_NODE_2, ST_NODE_4, ST_NODE_N, ST_NODE_S, ST_NODE_G, ST_NODE_S};
	static const uint8_t types[6] = {
	    ID_NUMERIC, ID_NUMERIC, ID_NUMERIC, ID_STRING, ID_GUID, ID_OPAQUE};
	uint8_t flags = enc & (XNODE_SERVER | XNODE_URI);

	w->bad = WALK_BAD_NODEID;
	if ((enc & 0x3f) >= sizeof(steps) || (flags != 0 && !(w->arg & NODE_EXPANDED)))
		return false;
	w->arg |= flags;
	w->micro = steps[enc & 0x3f];
	if (w->arg & NODE_KEEP) {
		w->node.id_type = types[enc & 0x3f];
		if (flags & XNODE_URI)
			w->node.flags |= NODE_URI;
	}
	return true;
}

/* What follows the identifier. */
static inline void
walk_node_on(struct walk *w)
{
	w->micro = w->arg & XNODE_URI ? ST_NODE_URI : w->arg & XNODE_SERVER ? ST_NODE_SERVER : 0;
}

static inline void
walk_node_number(struct walk *w, uint16_t ns, uint32_t num)
{
	if (w->arg & NODE_KEEP) {
		w->node.ns = ns;
		w->node.num = num;
		if (ns == 0 && num == 0 && !(w->arg & XNODE_URI))
			w->node.flags |= NODE_NULL;
	}
	walk_node_on(w);
}

/* An identifier of len bytes. */
static void
walk_node_name(struct walk *w, struct walk_in *in, uint16_t ns, uint32_t len)
{
	if (w->arg & NODE_KEEP) {
		w->node.ns = ns;
		w->node.id_len = len;
		if (len > WALK_NAME_MAX)
			w->node.flags |= NODE_TRUNCATED;
		w->id_at = walk_name(w, in, len, &w->node.id) ? 1 : 2;
	} else {
		walk_pass(w, in, len);
	}
	walk_node_on(w);
}

static inline uint8_t
walk_user_token(const struct walk_node *type, uint8_t enc)
{
	if (type->id_type != ID_NUMERIC || type->ns != 0 || enc == EXT_XML)
		return TOKEN_UNKNOWN;
	if (enc == EXT_NO_BODY) /* a null token is an anonymous one, [P4] 5.7.3.2, whatever its type */
		return type->num == 0 || type->num == ID_ANONYMOUS_IDENTITY_TOKEN ? TOKEN_ANONYMOUS
										  : TOKEN_UNKNOWN;
	switch (type->num) {
	case ID_ANONYMOUS_IDENTITY_TOKEN:
		return TOKEN_ANONYMOUS;
	case ID_USER_NAME_IDENTITY_TOKEN:
		return TOKEN_USER_NAME;
	case ID_X509_IDENTITY_TOKEN:
		return TOKEN_CERTIFICATE;
	case ID_ISSUED_IDENTITY_TOKEN:
		return TOKEN_ISSUED;
	}
	return TOKEN_UNKNOWN;
}

/* Where to go on in the body of a UserIdentityToken. */
static inline uint16_t
walk_user_token_at(uint64_t token)
{
	return token == TOKEN_USER_NAME	    ? WALK_AT(UserNameIdentityToken)
	       : token == TOKEN_CERTIFICATE ? WALK_AT(X509IdentityToken)
					    : WALK_AT(AnonymousIdentityToken);
}

/* Do these details begin with the node they change?  OPC 10000-11, 6.9. */
static inline bool
walk_details_known(const struct walk_node *type)
{
	if (type->id_type != ID_NUMERIC || type->ns != 0)
		return false;
	switch (type->num) {
	case ID_UPDATE_DATA_DETAILS:
	case ID_UPDATE_EVENT_DETAILS:
	case ID_DELETE_RAW_MODIFIED_DETAILS:
	case ID_DELETE_AT_TIME_DETAILS:
	case ID_DELETE_EVENT_DETAILS:
	case ID_UPDATE_STRUCTURE_DATA_DETAILS:
		return true;
	}
	return false;
}

/* Where the body of such a structure is read; 0: it is passed over. */
static inline uint16_t
walk_build_at(const struct walk_node *type)
{
	if (type->id_type != ID_NUMERIC || type->ns != 0)
		return 0;
	return type->num == ID_BUILD_INFO      ? WALK_AT(BuildInfoBody)
	       : type->num == ID_SERVER_STATUS ? WALK_AT(ServerStatusBody)
					       : 0;
}

/* A number for an authentication token.  Servers make tokens unguessable and check
 * them; this only tells the sessions of one channel apart. */
static inline uint64_t
walk_auth(const struct walk_node *n)
{
	const uint64_t k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = ((uint64_t)n->ns << 40 | (uint64_t)n->id_type << 32 |
			 (n->id_type ? n->id_len : n->num)) *
		     k;
	uint32_t left = n->id_type == ID_NUMERIC    ? 0
			: n->id_len < WALK_NAME_MAX ? n->id_len
						    : WALK_NAME_MAX;
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

#endif /* OPCUA_WALK_TYPES_H */
