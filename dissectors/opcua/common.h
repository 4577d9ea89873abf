/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.h - constants, anomaly bits, operations, the state of a flow and what goes
 * with a fact; like all headers of this folder it is for opcua.c alone, and holds
 * static tables so that the folder exports one symbol.
 */
#ifndef OPCUA_COMMON_H
#define OPCUA_COMMON_H

#include "base/crypto.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/jw.h"
#include "dissectors/dissector.h"
#include "dissectors/opcua/walk.h"

#define MSG_HEAD    8u	       /* [P6] 7.1.2.2: type, chunk kind, size of it all */
#define SYM_HEAD    24u	       /* and channel, token, sequence number, request id: 6.7.2 */
#define TYPE_BYTES  4u	       /* of the usual encoding of a body's type: 01 00 id id */
#define CHUNK_MAX   (1u << 24) /* bytes of a chunk; what is announced as longer is no OPC UA */
#define BUFFER_MIN  8192u      /* [P6] 7.1.2.3: the least that a peer may offer to receive */
#define URL_MAX	    4096u      /* [P6] 7.1.2.3 */
#define HASH_CHARS  (2 * CRYPTO_SHA1_LEN)
#define APP_URI_MAX 160u /* of an application URI that policy can ask for */

/* Type and chunk kind as they stand on the wire, first byte lowest. */
#define LETTERS(a, b, c, d)                                                                        \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define MSG_TYPE(m) ((m)&0xffffff)
#define MSG_KIND(m) ((uint8_t)((m) >> 24))
enum {
	HEL = LETTERS('H', 'E', 'L', 0),
	ACK = LETTERS('A', 'C', 'K', 0),
	ERR = LETTERS('E', 'R', 'R', 0),
	RHE = LETTERS('R', 'H', 'E', 0),
	OPN = LETTERS('O', 'P', 'N', 0),
	MSG = LETTERS('M', 'S', 'G', 0),
	CLO = LETTERS('C', 'L', 'O', 0),
};

enum {
#define ANOM(bit, id, name, malformed) BIT_##id = (bit),
#include "dissectors/opcua/anomalies.def"
#undef ANOM
};
#define UA_A(id) (UINT64_C(1) << BIT_##id)

static const uint64_t malformed_bits = 0
#define ANOM(bit, id, name, malformed) | (uint64_t)(malformed) << (bit)
#include "dissectors/opcua/anomalies.def"
#undef ANOM
    ;

/* --- security policies -------------------------------------------------------------- */

#define POLICY_URI "http://opcfoundation.org/UA/SecurityPolicy#"

enum {
	POLICY_UNKNOWN = 0, /* no OPN was seen */
#define POLICY(name, rank, sig) POLICY_##name,
#include "dissectors/opcua/policies.def"
#undef POLICY
	POLICY_OTHER, /* a URI that is none of them */
};
static const struct {
	const char *uri;
	uint8_t len, rank, sig;
} policies[POLICY_OTHER + 1] = {
    [POLICY_UNKNOWN] = {.len = 0},
#define POLICY(name, rank, sig) {POLICY_URI #name, sizeof(POLICY_URI #name) - 1, rank, sig},
#include "dissectors/opcua/policies.def"
#undef POLICY
};

/* MessageSecurityMode, [P4] 7.20. */
enum { MODE_UNKNOWN = 0, MODE_NONE, MODE_SIGN, MODE_CRYPT };

static uint8_t
policy_of(const uint8_t *uri, uint32_t n)
{
	for (uint8_t i = POLICY_None; i < POLICY_OTHER; i++)
		if (n == policies[i].len && memcmp(uri, policies[i].uri, n) == 0)
			return i;
	return POLICY_OTHER;
}

/* --- operations: the services, then what is none ---------------------------------------- */

enum {
	S_SESSION = 1 << 0,
	S_DISCOVERY = 1 << 1,
	S_READ = 1 << 2,
	S_WRITE = 1 << 3,
	S_BROWSE = 1 << 4,
	S_SUBSCRIBE = 1 << 5,
	S_CALL = 1 << 6,
	S_HISTORY = 1 << 7,
	S_NODES = 1 << 8,
	S_QUERY = 1 << 9,
};
static const char *const sets[] = {"session", "discovery", "read", "write", "browse", "subscribe",
    "call", "history", "node-management", "query", NULL};

/* opx of a service is its enum walk_service. */
enum {
	OPX_UNKNOWN = SVC_NONE,
	OPX_HELLO = SVC_LAST,
	OPX_ACKNOWLEDGE,
	OPX_ERROR,
	OPX_REVERSE_HELLO,
	OPX_CHUNK,
	OPX_ENCRYPTED,
	N_OPX
};

enum { /* type ids of the requests */
#define SERVICE(name, request, response, answer) TYPE_##name = (request),
#include "dissectors/opcua/services.def"
#undef SERVICE
};

static const struct dis_op ops[N_OPX] = {
#define OP(name, access, sets)                                                                     \
	[SVC_##name] = {                                                                           \
	    SVC_##name, TYPE_##name, FACT_NO_SUB, access, TYPE_##name != 0, sets, #name},
#define MSG(id, name, known, access)                                                               \
	[OPX_##id] = {OPX_##id, 0, FACT_NO_SUB, access, known, known ? S_SESSION : 0, name},
#include "dissectors/opcua/ops.def"
#undef OP
#undef MSG
};

/* --- what policy may ask of the session ---------------------------------------------------- */

enum {
	N_MESSAGE = 0, /* these three are written with every chunk */
	N_CHUNKS,
	N_CHUNK,
	N_POLICY,
	N_MODE,
	N_TOKEN,
	N_OFFER_POLICY,
	N_OFFER_MODE,
	N_PENDING
};
enum { T_THUMBPRINT = 0, T_APP_URI, T_ENDPOINT };
#define KNOW(n)	     (1u << (n))
#define KNOW_TEXT(t) (1u << (16 + (t)))

/* --- state of a flow ---------------------------------------------------------------------- */

enum dir_flags {
	D_SEQ = 1 << 0,	    /* seq is known */
	D_TOKEN = 1 << 1,   /* token is known */
	D_MSG = 1 << 2,	    /* a message is begun and goes on */
	D_BAD = 1 << 3,	    /* its body cannot be read */
	D_DONE = 1 << 4,    /* its body has been walked to the end */
	D_PLAIN = 1 << 5,   /* bodies have been readable in spite of a policy: mode Sign */
	D_CRYPT = 1 << 6,   /* bodies are cipher text */
	D_PART_OK = 1 << 7, /* the chunk in pieces is one that we read */
};

struct ua_dir {
	uint32_t seq; /* of the last chunk */
	uint32_t token;
	uint32_t chunk_max, message_max, chunks_max; /* agreed by HEL and ACK; 0 = no limit */
	uint8_t flags;				     /* enum dir_flags */
	uint8_t head_len;			     /* of ua_piece.head */
};

#define PIECE_HEAD (SYM_HEAD + TYPE_BYTES)

/* A message that does not come in one piece; but for head it holds while D_MSG is set. */
struct ua_piece {
	uint8_t head[PIECE_HEAD];	 /* of a chunk that comes in pieces */
	uint32_t request;		 /* id of the message */
	uint32_t chunks, bytes, nodes; /* of it so far */
	struct walk w;			 /* its body */
};

#define PENDING 24 /* requests remembered; a client keeps several Publish requests open */

struct ua_pending {
	uint32_t request;
	uint8_t service;
	uint8_t asked;	/* Read: 1 = there are entries of it in ua.asked */
	uint16_t extra; /* Read: 1 + index of the NamespaceArray; ActivateSession: 1 + token type;
			 * CloseSession: 1 = of the session with names; FindServers: 1 = of some by name */
};

/* A node that an open Read asks for, and that says what the server is: identity.h. */
#define ASKED 16
struct ua_asked {
	uint8_t slot;	/* of the Read in pending[] */
	uint8_t node;	/* i=2255 + this; 0 = no entry */
	uint16_t index; /* of its result */
};

enum ua_flags {
	F_REVERSED = 1 << 0,   /* RHE: who opened the connection is the server */
	F_SEEN = 1 << 1,       /* a message has shown who is who */
	F_CHANNEL = 1 << 2,    /* channel is known */
	F_NEXT_TOKEN = 1 << 3, /* a token was granted: the next one that is not in use */
	F_NEXT_KNOWN = 1 << 4, /* ... and that is token_next */
	F_CREATED = 1 << 5,    /* this connection created a session */
	F_ACTIVE = 1 << 6,     /* ... or took one over */
	F_SIG = 1 << 7,	       /* sig is known: bytes of signature in each chunk */
	F_NUMBERS = 1 << 8,    /* a request was refused: number[] holds */
};

/* refuse.h: numbers of the last chunk, as its sender and as its receiver counts. */
struct ua_number {
	uint32_t in, out;
};

/* The URIs of a session's namespaces: none was read; they have changed; the digest is theirs;
 * they are too many for one. */
enum { NS_NONE = 0, NS_CHANGED, NS_KNOWN, NS_MANY };
#define NS_DIGEST 3 /* words of a SHA-256: nobody finds two tables with one digest */

struct ua { /* what every chunk needs comes first, in two lines that the engine fetches early */
	struct ua_dir dir[2]; /* 0: requests, 1: responses */
	uint32_t channel;
	uint8_t policy; /* POLICY_*; of the channel */
	uint8_t sig;
	uint8_t ns_state; /* NS_*: of ns_digest */
	uint8_t offer_mode;
	uint16_t flags;	       /* enum ua_flags */
	uint16_t offer_policy; /* bits, as those of offer_mode, by the list being read */
	uint8_t lost[2]; /* bytes of this direction were never seen, since the last message */
	/* pairing */
	uint8_t next;		 /* slot of the next request */
	bool matched;		 /* an answer to a request we saw has come */
	uint32_t open, done;	 /* bit per slot */
	struct ua_pending young; /* the slot before next: what is usually answered */
	struct names *names;	 /* leased; NULL = none */
	struct fact_props props; /* of its numbers the first three */

	uint32_t evicted;	      /* open requests overwritten and not answered since */
	uint8_t mode;		      /* MODE_* */
	uint8_t ep_mode;	      /* of the endpoint being read */
	uint8_t registering, leaving; /* 1 = there is one, see register_id */
	uint32_t token_next;
	uint64_t ns_digest[NS_DIGEST];	     /* of the namespaces that were read: names_digest() */
	uint32_t listed_policy, listed_mode; /* by GetEndpoints */
	uint32_t register_id; /* request id of the RegisterNodes that waits for its answer; with */
	uint32_t leave_id;    /* ... of the UnregisterNodes */
	struct ua_pending pending[PENDING];
	struct ua_asked asked[ASKED];
	struct ua_piece piece[2];
	char thumbprint[HASH_CHARS + 2]; /* of the client's certificate, with NUL */
	struct ua_number number[2];	 /* of the channel below */
	uint32_t number_channel;
	uint8_t app_uri_len;
	char app_uri[APP_URI_MAX]; /* of the client */
};
static_assert(sizeof(struct ua) <= 2032, "state is one cell");
static_assert(
    offsetof(struct ua, props.num[N_CHUNK]) + 4 <= 112, "two lines, with the cell's header");
static_assert(POLICY_OTHER <= 16, "a bit each in offer_policy");

/* --- what goes with a fact --------------------------------------------------------------- */

enum {
	P_MSG = 0,
	P_CHANNEL,
	P_TOKEN,
	P_SEQ,
	P_REQUEST,
	P_SIZE,
	P_CHUNK,
	P_CHUNKS,
	P_POLICY,
	P_MODE,
	P_STATUS,
	P_STATUS_NAME,
	P_HANDLE,
	P_REQTYPE,
	P_LIFETIME,
	P_THUMB,
	P_RECEIVER,
	P_USER_TOKEN,
	P_BODY_ERROR,
	P_VERSION,
	P_RECEIVE,
	P_SEND,
	P_MAX_MESSAGE,
	P_MAX_CHUNKS,
	P_ENCRYPTED,
};
#define HAS(bit) (1u << (bit))

/* Texts off the wire, in the order of text_keys[]. */
enum {
	X_ENDPOINT = 0,
	X_APP_URI,
	X_PRODUCT_URI,
	X_SERVER_URI,
	X_APP_NAME,
	X_SESSION,
	X_USER,
	X_REASON,
	X_POLICY,
	N_TEXTS
};
static const char *const text_keys[N_TEXTS] = {"endpoint", "app_uri", "product_uri", "server_uri",
    "app_name", "session_name", "user_name", "reason", "policy_uri"};

struct ua_text {
	const char *p;
	uint32_t n;
};

#define SPILL 1024 /* bytes of texts that came in pieces, so that they lie together nowhere else */

struct ua_ext {
	uint32_t present; /* comes first */
	uint32_t channel, token, seq, request, size, chunks, status, handle, lifetime;
	uint32_t version, receive, send, max_message, max_chunks;
	const char *msg, *chunk, *policy, *mode, *status_name, *request_type, *user_token;
	const char *body_error, *thumbprint, *receiver;
	char hash[2][HASH_CHARS + 1]; /* thumbprints of an OPN: sender, receiver */
	uint16_t has_text;	      /* bit per X_ */
	uint16_t spilled;
	struct ua_text text[N_TEXTS];
	/* The nodes, read again for whoever asks: */
	struct cur body;	 /* of this chunk or piece */
	uint32_t left;		 /* what walk_start() was told of it */
	const struct walk *from; /* what was known before it; NULL: the body begins here */
	const struct ua *st;
	uint32_t at;  /* nodes that again has given */
	bool walking; /* again is in use */
	struct cur rest;
	struct walk again, before;
	char name[2][WALK_TEXT_MAX]; /* of the first item, and of the one given last */
	char spill[SPILL];
};

/* A text that outlives the next step of the walk. */
static void
ext_text(struct ua_ext *x, unsigned which, const uint8_t *p, uint32_t n)
{
	if (n > (uint32_t)(SPILL - x->spilled) || n == 0)
		return;
	x->text[which] = (struct ua_text){x->spill + x->spilled, n};
	memcpy(x->spill + x->spilled, p, n);
	x->spilled = (uint16_t)(x->spilled + n);
	x->has_text |= (uint16_t)(1u << which);
}

static inline uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#endif /* OPCUA_COMMON_H */
