/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - a pull parser over the bodies of OPC UA messages: what a request acts
 * on, and what of an answer a monitor wants to know; included by opcua.c only.
 * Specs:
 *   [P6] OPC 10000-6 v1.05, section 5.2 (binary encoding), annex A.3 (ids)
 *   [P4] OPC 10000-4 v1.05, sections 5 (services) and 7 (common parameters)
 *
 * A body is the NodeId of the message's type, then the structure itself.  It may
 * come in pieces of any size, so nothing here keeps a pointer into the input:
 *
 *	walk_start(&w, left, opts);
 *	while ((e = walk_next(&w, &cur)) > WALK_MORE)
 *		... w.node or w.field, valid until the next call ...
 *
 *   WALK_MORE    the cursor is empty and the body goes on: come back with the
 *                next piece.  Came the last piece already, the body is cut short.
 *   WALK_HEADER  w.service, w.type, w.handle, w.auth or w.status are known
 *   WALK_NODE    w.node: one node that the request acts on
 *   WALK_FIELD   w.field: one of enum walk_field_id
 *   WALK_END     the body is complete and the cursor stands behind it (a body that
 *                is not walked to its end, see walk_whole(): somewhere in it)
 *   WALK_BAD     w.bad says why; w.type is set when it was there.  Final.
 *
 * A struct walk is plain data.  To look twice at a body, walk a copy (walk_copy
 * copies only what is in use).  Nothing recurses or allocates, nesting is bounded,
 * and each step takes input or ends, so the work is bounded by the bytes.
 *
 * services.def (messages) and types.def (structures) become byte code in walk_code.h;
 * walk_run.h interprets it, with walk_base.h and walk_types.h; walk_fast.h does the same
 * for the common encodings when all bytes are at hand; walk_text.h writes NodeIds.
 */
#ifndef OPCUA_WALK_H
#define OPCUA_WALK_H

#include <assert.h>

#include "base/cur.h"
#include "dissectors/fact.h"

/* Bytes of a name that are kept; [P6] 5.2.2.9 permits 4096 characters, and what
 * is longer has no name that a policy could match. */
#define WALK_NAME_MAX 256

/* clang-format off */
enum walk_event { WALK_END = 0, WALK_BAD, WALK_MORE, WALK_HEADER, WALK_NODE, WALK_FIELD };

enum walk_bad {
	WALK_OK = 0,
	WALK_BAD_TYPE,	 /* no message type of ours: w.type is its number, or 0 when it has none */
	WALK_BAD_NODEID, /* encoding byte of a NodeId */
	WALK_BAD_LENGTH, /* of a string: negative, or beyond the end of the message */
	WALK_BAD_COUNT,	 /* of an array: negative, or more elements than bytes left */
	WALK_BAD_MASK,	 /* encoding byte of another type */
	WALK_BAD_DEPTH,	 /* Variants, DataValues, DiagnosticInfos inside each other */
	WALK_BAD_DETAILS, /* HistoryUpdate: details that name no node we could find */
	WALK_BAD_EXTENT, /* an ExtensionObject is shorter than what must be in it */
	WALK_BAD_LAST,
};

/* What the request does with a node, or what the node is to it. */
enum walk_role {
	ROLE_TARGET = 0, /* read, written, browsed, watched, deleted, ... */
	ROLE_OBJECT,	 /* Call: the method's object */
	ROLE_METHOD,
	ROLE_PARENT,	 /* AddNodes: parent; references: source */
	ROLE_NEW,	 /* AddNodes: the id asked for; not reported when left to the server */
	ROLE_REFTYPE,	 /* reference type; not reported when null (= all) */
	ROLE_TYPEDEF,	 /* AddNodes, QueryFirst: type definition */
	ROLE_REFERENCE,	 /* target of an added or deleted reference */
	ROLE_VIEW,	 /* Browse, QueryFirst: not reported when null (= no view) */
	ROLE_REGISTER,	 /* RegisterNodes, in the order of the answer's ROLE_ALIAS */
	ROLE_ALIAS,	 /* RegisterNodes answer */
	ROLE_UNREGISTER,
};

enum walk_id_type { ID_NUMERIC = 0, ID_STRING, ID_GUID, ID_OPAQUE }; /* [P6] 5.2.2.9, IdType */

enum walk_node_flags {
	NODE_TRUNCATED = 1 << 0, /* id has id_len > WALK_NAME_MAX bytes: only the first are here */
	NODE_URI = 1 << 1,	 /* ExpandedNodeId: the namespace is a URI, ns says nothing */
	NODE_REMOTE = 1 << 2,	 /* ExpandedNodeId: lives on another server */
	NODE_RANGE = 1 << 3,	 /* an index range limits what is read or written */
	NODE_NULL = 1 << 4,	 /* ns=0;i=0: no node */
	/* There is no text for it that means this node and no other. */
	NODE_NAMELESS = NODE_TRUNCATED | NODE_URI | NODE_REMOTE,
};

struct walk_node {
	const uint8_t *id; /* STRING, GUID, OPAQUE: min(id_len, WALK_NAME_MAX) bytes; valid until
			    * the next walk_next() of this walk, and as long as the input is */
	uint32_t num;	   /* NUMERIC */
	uint32_t id_len;   /* as on the wire; a null string has 0 */
	uint16_t ns;
	uint8_t id_type;   /* enum walk_id_type */
	uint8_t flags;	   /* enum walk_node_flags */
	uint8_t role;	   /* enum walk_role */
	uint8_t access;	   /* ACC_READ, ACC_WRITE or (Call) ACC_CONTROL */
	/* Write: what is written to the attribute */
	uint8_t value_type; /* built-in type id 1..25, [P6] 5.1.2; 0 = none */
	uint8_t value_len;  /* bytes of value; 0 = not a scalar of at most 8 bytes */
	uint32_t attribute; /* [P6] annex A.1: 13 = Value; 0 = the service names none */
	uint32_t array_len;
	uint8_t value[8];   /* as on the wire: little endian */
	bool array;	    /* value is an array of array_len elements */
};

enum walk_field_id {
	WF_ENDPOINT_URL = 1, /* text: where the client wants to (requests) */
	WF_APP_URI,	   /* text: ApplicationUri; CreateSession: the client's, else a server's */
	WF_PRODUCT_URI, /* text */
	WF_APP_NAME,	   /* text */
	WF_SERVER_URI,  /* text */
	WF_SESSION_NAME, /* text */
	WF_NONCE,	   /* bytes; num = total length */
	WF_CERTIFICATE, /* bytes; num = total length */
	WF_REQUEST_TYPE, /* num: OpenSecureChannel, 0 = issue, 1 = renew */
	WF_MODE,	   /* num: MessageSecurityMode 1 = None, 2 = Sign, 3 = SignAndEncrypt */
	WF_LIFETIME,	   /* num: ms, of the channel's token, asked or granted */
	WF_CHANNEL_ID,  /* num: OpenSecureChannel answer */
	WF_TOKEN_ID,	   /* num: OpenSecureChannel answer */
	WF_AUTH,	   /* num: CreateSession answer, the walk.auth of all its requests */
	WF_USER_TOKEN,  /* num: enum walk_token */
	WF_USER_NAME,   /* text */
	WF_SUBSCRIPTION, /* num: id in TransferSubscriptions, DeleteSubscriptions */
	WF_TEXT,	   /* text: string in the value of Read result index, element elem; only
			    * with WALK_OPT_TEXT */
	/* An EndpointDescription, in this order; index = its number. */
	WF_EP_URL,	   /* text */
	WF_EP_MODE,	   /* num */
	WF_EP_POLICY,   /* text: security policy URI */
	WF_EP_TOKEN,	   /* num: UserTokenType 0 = anonymous, 1 = user name, 2 = certificate, 3 = issued */
	WF_APP_TYPE,	   /* num: ApplicationType 0 = server, 1 = client, 2 = both, 3 = discovery server */
	/* Of the value of Read result index; only with WALK_OPT_IDENT: a DateTime, and a BuildInfo in its order. */
	WF_TIME,	   /* num: 100 ns since 1601 */
	WF_BUILD_URI,   /* text: product */
	WF_BUILD_MAKER, /* text */
	WF_BUILD_NAME,  /* text: product */
	WF_BUILD_VERSION, /* text */
	WF_BUILD_NUMBER, /* text */
	WF_BUILD_DATE,  /* num: as WF_TIME */
};

enum walk_token { TOKEN_ANONYMOUS = 0, TOKEN_USER_NAME, TOKEN_CERTIFICATE, TOKEN_ISSUED, TOKEN_UNKNOWN };

struct walk_field {
	const uint8_t *p; /* text and bytes: len of them; lives like walk_node.id */
	uint64_t num;	  /* numbers; of text and bytes the length on the wire */
	uint32_t len;	  /* min(length, WALK_NAME_MAX) */
	uint32_t elem;	  /* WF_TEXT: which element of the array */
	uint16_t index;	  /* which endpoint, which Read result; at most 65535 */
	uint8_t id;	  /* enum walk_field_id */
	bool truncated;	  /* there was more than len */
};

enum walk_opt {
	WALK_OPT_TEXT = 1 << 0,	  /* ReadResponse: walk it, and report strings (NamespaceArray) */
	WALK_OPT_HEADER = 1 << 1, /* WALK_END after the header */
	WALK_OPT_NODES = 1 << 2,  /* no WALK_FIELD: for looking a second time */
	WALK_OPT_SLOW = 1 << 3,	  /* without walk_fast.h; for tests */
	WALK_OPT_IDENT = 1 << 4,  /* with WALK_OPT_TEXT: look into a BuildInfo and a ServerStatus, report DateTimes */
};

/* clang-format on */
#include "dissectors/opcua/walk_code.h"

#define WALK_STACK 22 /* structures and arrays inside each other */
#define WALK_DEPTH 16 /* of them Variants and DataValues; DiagnosticInfos in each other */

/* clang-format off */
struct walk {
	/* for the caller */
	uint64_t auth;	   /* requests: a number that stands for the authentication token */
	uint32_t type;	   /* numeric id of the type node; 0 = not known yet */
	uint32_t handle;   /* request handle */
	uint32_t status;   /* answers: service result */
	uint8_t service;   /* enum walk_service; 0 = not known yet */
	bool response;
	uint8_t bad;	   /* enum walk_bad */
	uint8_t opts;	   /* enum walk_opt */
	struct walk_node node;
	struct walk_field field;
	/* the machine */
	uint32_t end;	   /* of the body at most, as an offset */
	uint16_t pc;	   /* next instruction */
	uint16_t cap_len;  /* bytes in cap */
	uint32_t off;	   /* bytes taken */
	uint32_t skip;	   /* bytes to pass over first */
	uint32_t ext_end;  /* where the ExtensionObject we look into ends */
	uint16_t cap_want; /* bytes to put into cap first */
	uint8_t micro;	   /* the step within an instruction; 0 = at its beginning */
	uint8_t arg;	   /* what the step has to know */
	uint8_t sp;	   /* frames in use */
	uint8_t depth;	   /* of them Variants and DataValues */
	uint8_t diag;	   /* DiagnosticInfos around this one */
	uint8_t held;	   /* bytes in part */
	uint8_t id_at;	   /* node.id: 0 = given away or none, 1 = in the input, 2 = in cap */
	bool value;	   /* the next Variant is the one that counts */
	bool quick;	   /* nothing is pending: walk_fast.h may try */
	uint8_t part[20];  /* the begun piece of a field of fixed size */
	uint32_t count[WALK_STACK]; /* elements still to come, this one included */
	uint16_t ret[WALK_STACK];
	uint8_t cap[WALK_NAME_MAX]; /* a name that came in pieces */
};
/* clang-format on */
static_assert(sizeof(struct walk) <= 640, "two of them are in the state of a flow");

/* Begin a body of which at most left bytes will come (UINT32_MAX: who knows). */
static void walk_start(struct walk *w, uint32_t left, uint8_t opts);

/* From here on at most left bytes will come; what needs more is WALK_BAD. */
static void walk_limit(struct walk *w, uint32_t left);

/* Take from the cursor up to the next event. */
static enum walk_event walk_next(struct walk *w, struct cur *c);

/* A second walk at the same place. */
static void walk_copy(struct walk *to, const struct walk *from);

/* Does WALK_END stand behind the last byte of this message? */
static bool walk_whole(const struct walk *w);

/* Type id of a message -> enum walk_service, 0 = none of ours. */
static uint8_t walk_service_lookup(uint32_t type, bool *response);

/* "Read"; never NULL. */
static inline const char *walk_service_name(uint8_t service);

/* "depth"; never NULL. */
static const char *walk_bad_name(uint8_t bad);

/* "i=2258", "ns=2;s=Recipe.1", "ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a", "b=M/Rb":
 * [P6] 5.3.1.10.  Returns its length, not NUL-ended; WALK_TEXT_MAX always fits.  Of a
 * NODE_NAMELESS node it is for people only. */
#define WALK_TEXT_MAX 360
static uint32_t walk_node_text(const struct walk_node *node, char *buf);

#include "dissectors/opcua/walk_base.h"
#include "dissectors/opcua/walk_run.h"
#include "dissectors/opcua/walk_text.h"

#endif /* OPCUA_WALK_H */
