/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk_code.h - services.def and types.def as numbers and byte code; included by
 * walk.h only.
 *
 * A program is the bytes of one TYPE row, ending with RET.  All programs lie in one
 * constant struct, so a place in them is an offset.  CALL and ARRAY push a frame
 * {elements to come, where to go on}; the byte before that place is the type, so RET
 * either begins the type again or goes on.  What depends on a byte of the message
 * (a Variant's type, a DataValue's mask) picks a place instead of keeping the byte:
 * frames need nothing else.
 */
#include "dissectors/opcua/walk.h" /* before the guard: walk.h includes this in its place */

#ifndef OPCUA_WALK_CODE_H
#define OPCUA_WALK_CODE_H

enum walk_service {
	SVC_NONE = 0,
#define SERVICE(name, request, response, answer) SVC_##name,
#include "dissectors/opcua/services.def"
#undef SERVICE
	SVC_LAST
};

/* clang-format off */
enum walk_op {
	/* instructions; operands follow */
	OP_RET = 1,	    /* end of a structure */
	OP_RET_NESTED,	    /* ... and of a Variant around it */
	OP_SKIP,	    /* n: bytes passed over */
	OP_STRING,	    /* passed over */
	OP_TEXT,	    /* id: String or ByteString as a field */
	OP_NUMBER,	    /* id: four bytes as a field */
	OP_TIME,	    /* id: eight bytes as a field */
	OP_LOCALIZED,
	OP_LOCALIZED_TEXT,  /* STRING TEXT id follow, for the parts that are there */
	OP_NODE,	    /* role, access: into w->node, reported by EMIT */
	OP_XNODE,	    /* an ExpandedNodeId, the same */
	OP_NODE_SKIP,
	OP_XNODE_SKIP,
	OP_ATTRIBUTE,	    /* of w->node */
	OP_INDEX_RANGE,	    /* of w->node */
	OP_EMIT,	    /* report w->node */
	OP_EMIT_UNLESS_NULL,
	OP_CALL,	    /* type */
	OP_ARRAY,	    /* type */
	OP_ARRAY_OF,	    /* n: elements of n bytes, passed over */
	OP_VARIANT,
	OP_VALUE,	    /* the Variant of the DataValue that follows counts */
	OP_DATA_VALUE,
	OP_DATA_TAIL,	    /* n: what follows the Variant of a DataValue */
	OP_DIAGNOSTIC,
	OP_DIAGNOSTIC_INNER,
	OP_EXT_SKIP,	    /* encoding byte and body of an ExtensionObject */
	OP_EXT_TOKEN,	    /* ... of a UserIdentityToken whose type is in w->node */
	OP_EXT_DETAILS,	    /* ... of HistoryUpdateDetails */
	OP_EXT_BUILD,	    /* ... of a BuildInfo or a ServerStatus, or of what is passed over */
	OP_EXT_END,	    /* what is left of such a body */
	OP_NEXT_INDEX,	    /* field.index + 1 */
	OP_NEXT_ELEMENT,    /* field.elem + 1 */
	OP_MESSAGE,	    /* w->node is the message's type */
	OP_AUTH,	    /* w->node is the authentication token */
	OP_AUTH_FIELD,	    /* ... a new one */
	OP_HANDLE,
	OP_STATUS,
	OP_HEADER,	    /* the header is complete */
	OP_TRY,		    /* kind: walk_fast.h may do the whole structure at once */
	/* steps of instructions that take more than one piece */
	ST_TEXT_CUT,	    /* a field is complete in cap */
	ST_STRING,	    /* a String passed over */
	ST_NODE_ENC,	    /* encoding byte of a NodeId */
	ST_NODE_2, ST_NODE_4, ST_NODE_N, ST_NODE_S, ST_NODE_G,
	ST_NODE_URI, ST_NODE_SERVER,
	ST_VARIANT_COUNT,
	ST_VARIANT_VALUE,
	ST_VARIANT_TIME,
	ST_TOKEN_LEN,
	ST_DETAILS_LEN,
	ST_BUILD_LEN,
};

enum walk_try { TRY_HEADER = 0, TRY_READ_VALUE_ID, TRY_WRITE_VALUE };

/* Operands of NODE(): none for ids that are not what the request acts on. */
enum { NODE_NONE = 0, NODE_READ = ACC_READ, NODE_WRITE = ACC_WRITE, NODE_CONTROL = ACC_CONTROL };

#define NOTHING	     /* a message that is only its header */
#define SKIP(n)	     OP_SKIP, n,
#define STRING	     OP_STRING,
#define TEXT(id)     OP_TEXT, id,
#define NUMBER(id)   OP_NUMBER, id,
#define TIME(id)     OP_TIME, id,
#define LOCALIZED    OP_LOCALIZED,
#define LOCALIZED_TEXT(id) OP_LOCALIZED_TEXT, OP_STRING, OP_TEXT, id,
#define NODE(role, access)  OP_NODE, ROLE_##role, NODE_##access,
#define XNODE(role, access) OP_XNODE, ROLE_##role, NODE_##access,
#define NODE_SKIP    OP_NODE_SKIP,
#define XNODE_SKIP   OP_XNODE_SKIP,
#define ATTRIBUTE    OP_ATTRIBUTE,
#define INDEX_RANGE  OP_INDEX_RANGE,
#define EMIT	     OP_EMIT,
#define EMIT_UNLESS_NULL OP_EMIT_UNLESS_NULL,
#define CALL(type)   OP_CALL, TY_##type,
#define ARRAY(type)  OP_ARRAY, TY_##type,
#define ARRAY_OF(n)  OP_ARRAY_OF, n,
#define VARIANT	     OP_VARIANT,
#define VALUE	     OP_VALUE,
#define DATA_VALUE   OP_DATA_VALUE,
#define DIAGNOSTIC   OP_DIAGNOSTIC,
#define EXT_SKIP     OP_EXT_SKIP,
#define EXT_TOKEN    OP_EXT_TOKEN,
#define EXT_DETAILS  OP_EXT_DETAILS,
#define EXT_BUILD    OP_EXT_BUILD,
#define EXT_END	     OP_EXT_END,
#define NEXT_INDEX   OP_NEXT_INDEX,
#define NEXT_ELEMENT OP_NEXT_ELEMENT,
#define MESSAGE	     OP_MESSAGE,
#define AUTH	     OP_AUTH,
#define AUTH_FIELD   OP_AUTH_FIELD,
#define HANDLE	     OP_HANDLE,
#define STATUS	     OP_STATUS,
#define HEADER	     OP_HEADER,
#define TRY(kind)    OP_TRY, TRY_##kind,

enum walk_type {
#define TYPE(name, ...) TY_##name,
#include "dissectors/opcua/types.def"
#undef TYPE
	TY_LAST
};
static_assert(TY_LAST <= UINT8_MAX, "a type is one byte of code");

/* Where to go on behind a frame that an instruction pushes by itself.  Of Variants one
 * place per built-in type that has no fixed size, [P6] 5.1.2. */
#define PER_BUILTIN(X) \
	X(String) X(String) X(String) X(String) X(String) X(String) X(String) X(String) \
	X(String) X(String) X(String) X(String) X(String) X(String) X(String) X(String) \
	X(String) X(NodeId) X(ExpandedNodeId) X(String) X(QualifiedName) X(LocalizedText) \
	X(ExtensionObject) X(DataValue) X(Variant) X(DiagnosticInfo) \
	X(String) X(String) X(String) X(String) X(String) X(String)
#define AFTER_VARIANT(type)	 TY_##type, OP_RET_NESTED,
#define AFTER_VARIANT_DIMS(type) TY_##type, OP_ARRAY_OF, 4, OP_RET_NESTED,
#define TAIL(n)			 TY_Variant, OP_DATA_TAIL, n,
#define EXTRA(X) \
	X(after_variant, PER_BUILTIN(AFTER_VARIANT)) \
	X(after_dims, PER_BUILTIN(AFTER_VARIANT_DIMS)) \
	X(after_texts, TY_TextElement, OP_RET_NESTED,) \
	X(after_texts_dims, TY_TextElement, OP_ARRAY_OF, 4, OP_RET_NESTED,) \
	X(after_build, TY_BuildObject, OP_RET_NESTED,) \
	X(dims, OP_ARRAY_OF, 4, OP_RET,) \
	X(data_tail, TAIL(0) TAIL(2) TAIL(4) TAIL(6) TAIL(8) TAIL(10) TAIL(12) TAIL(14) TAIL(16) \
	    TAIL(18) TAIL(20) TAIL(22) TAIL(24)) \
	X(localized, OP_STRING, OP_STRING, OP_RET,) \
	/* additional info, status, inner: the eight ways to go on, see diagnostic_at[] */ \
	X(diagnostic, OP_STRING, OP_SKIP, 4, OP_DIAGNOSTIC_INNER, OP_STRING, OP_SKIP, 4, OP_RET, \
	    OP_STRING, OP_DIAGNOSTIC_INNER, OP_STRING, OP_RET,)

static const struct walk_code {
#define TYPE(name, ...) uint8_t name[sizeof((const uint8_t[]){__VA_ARGS__ OP_RET})];
#include "dissectors/opcua/types.def"
#undef TYPE
#define X(name, ...) uint8_t name[sizeof((const uint8_t[]){__VA_ARGS__})];
	EXTRA(X)
#undef X
} walk_code = {
#define TYPE(name, ...) .name = {__VA_ARGS__ OP_RET},
#include "dissectors/opcua/types.def"
#undef TYPE
#define X(name, ...) .name = {__VA_ARGS__},
	EXTRA(X)
#undef X
};

#define WALK_AT(name)  ((uint16_t)offsetof(struct walk_code, name))
/* The RET of a TYPE. */
#define WALK_RET(name) ((uint16_t)(offsetof(struct walk_code, name) + sizeof(walk_code.name) - 1))

static const uint16_t walk_type_at[] = {
#define TYPE(name, ...) offsetof(struct walk_code, name),
#include "dissectors/opcua/types.def"
#undef TYPE
};

/* Bits: 1 = additional info, 2 = inner status, 4 = inner DiagnosticInfo. */
static const uint8_t walk_diagnostic_at[8] = {7, 10, 5, 4, 3, 8, 1, 0};

/* Bytes of a built-in type, 0 = its length is in the data; [P6] 5.1.2, 5.2.2. */
static const uint8_t walk_fixed[64] = {
	[1] = 1, [2] = 1, [3] = 1, [4] = 2, [5] = 2, [6] = 4, [7] = 4, [8] = 8, [9] = 8,
	[10] = 4, [11] = 8, [13] = 8, [14] = 16, [19] = 4,
};

/* What follows the header: request, response; 0 = we stop there. */
static const struct walk_message {
	const char *name;
	uint16_t body[2];
	bool text; /* the response: only with WALK_OPT_TEXT */
} walk_messages[SVC_LAST] = {
	[SVC_NONE] = {"unknown", {0, 0}, false},
#define ServiceFaultRequest ServiceFaultResponse /* there is none */
#define ANSWER_WHOLE(name) {WALK_AT(name##Request), WALK_AT(name##Response)}, false
#define ANSWER_TEXT(name)  {WALK_AT(name##Request), WALK_AT(name##Response)}, true
#define ANSWER_HEAD(name)  {WALK_AT(name##Request), 0}, false
#define SERVICE(name, request, response, answer) [SVC_##name] = {#name, ANSWER_##answer(name)},
#include "dissectors/opcua/services.def"
#undef SERVICE
#undef ServiceFaultRequest
};

/* Type id -> service and, in bit 7, response.  The ids are in two runs. */
#define WALK_ID_MAX 850
#define WALK_ID_2   12208
static const uint8_t walk_by_id[WALK_ID_MAX + 1 + 8] = {
#define AT_ID(id) ((id) < WALK_ID_2 ? (id) : (id) - WALK_ID_2 + WALK_ID_MAX + 1)
#define SERVICE(name, request, response, answer) \
	[AT_ID(request)] = (request) ? SVC_##name : 0, [AT_ID(response)] = SVC_##name | 0x80,
#include "dissectors/opcua/services.def"
#undef SERVICE
#undef AT_ID
};
static_assert(SVC_LAST < 0x80, "bit 7 says response");

#undef NOTHING
#undef SKIP
#undef STRING
#undef TEXT
#undef NUMBER
#undef TIME
#undef LOCALIZED
#undef LOCALIZED_TEXT
#undef NODE
#undef XNODE
#undef NODE_SKIP
#undef XNODE_SKIP
#undef ATTRIBUTE
#undef INDEX_RANGE
#undef EMIT
#undef EMIT_UNLESS_NULL
#undef CALL
#undef ARRAY
#undef ARRAY_OF
#undef VARIANT
#undef VALUE
#undef DATA_VALUE
#undef DIAGNOSTIC
#undef EXT_SKIP
#undef EXT_TOKEN
#undef EXT_DETAILS
#undef EXT_BUILD
#undef EXT_END
#undef NEXT_INDEX
#undef NEXT_ELEMENT
#undef MESSAGE
#undef AUTH
#undef AUTH_FIELD
#undef HANDLE
#undef STATUS
#undef HEADER
#undef TRY
#undef PER_BUILTIN
#undef AFTER_VARIANT
#undef AFTER_VARIANT_DIMS
#undef TAIL
#undef EXTRA
#undef ANSWER_WHOLE
#undef ANSWER_TEXT
#undef ANSWER_HEAD

/* clang-format on */

#endif /* OPCUA_WALK_CODE_H */
