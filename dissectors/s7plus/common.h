/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.h - what the files of this folder share: operations, anomalies, the
 * state of a connection, what JSON shows.  Included by s7plus.c and its parts only.
 */
#ifndef S7PLUS_COMMON_H
#define S7PLUS_COMMON_H

#include "base/jw.h"
#include "dissectors/dissector.h"
#include "dissectors/iso_tcp.h"

#define S7P_ID	     0x72
#define S7P_HEAD     4
#define S7P_TRAILER  4
#define S7P_DIGEST   32 /* version 3: HMAC-SHA256 in front of the data */
#define TSAP_MAX     32 /* [X.224] 13.3.4 leaves it open; ISO TSAPs have at most 32 octets */
#define REQUESTS     32 /* remembered open, of each connection */
#define SUBSCRIPTIONS 8 /* remembered, of each connection */

enum version { V_1 = 1, V_2 = 2, V_3 = 3, V_EVENT = 0xfe, V_KEEP_ALIVE = 0xff };
enum opcode { OC_REQUEST = 0x31, OC_RESPONSE = 0x32, OC_NOTIFICATION = 0x33, OC_RESPONSE_2 = 0x02 };

/* Objects and classes of the server that every CPU numbers alike. */
enum {
	ID_EXEC_UNIT = 52,	      /* the CPU's execution unit */
	ID_SESSION_CONTAINER = 285,
	ID_SESSION_CLASS = 287,
	ID_NULL_SESSION = 288,	      /* session id of a request before there is one */
	ID_SUBSCRIPTION_CLASS = 1001,
	ID_OPERATING_STATE = 2167,    /* attribute of the execution unit: 1 stop, 3 run */
};

enum set { IN_READ = 1 << 0, IN_WRITE = 1 << 1, IN_PROG = 1 << 2, IN_CTRL = 1 << 3, IN_SESS = 1 << 4 };
static const char *const sets[] = {"read", "write", "programming", "control", "session", NULL};

enum opx {
#define XX(id, code, name, access, sets) OPX_##id,
#define FN(id, code, name, access, sets) OPX_##id,
#define SUB(id, code, sub, name, access, sets) OPX_##id,
#include "dissectors/s7plus/ops.def"
#undef XX
#undef FN
#undef SUB
	N_OPX,
};

static const struct dis_op ops[N_OPX] = {
#define ROW(id, code, sub, name, access, sets) \
	[OPX_##id] = {OPX_##id, code, sub, access, (access) != 0, sets, name},
#define XX(id, code, name, access, sets) ROW(id, code, FACT_NO_SUB, name, access, sets)
#define FN(id, code, name, access, sets) ROW(id, code, FACT_NO_SUB, name, access, sets)
#define SUB(id, code, sub, name, access, sets) ROW(id, code, sub, name, access, sets)
#include "dissectors/s7plus/ops.def"
#undef ROW
#undef XX
#undef FN
#undef SUB
};

#define FN_FIRST 0x04b1
#define FN_LAST	 0x05b3
/* Function code to row; 0 is OPX_UNKNOWN. */
static const uint8_t fn_opx[FN_LAST - FN_FIRST + 1] = {
#define XX(id, code, name, access, sets)
#define FN(id, code, name, access, sets) [code - FN_FIRST] = OPX_##id,
#define SUB(id, code, sub, name, access, sets)
#include "dissectors/s7plus/ops.def"
#undef XX
#undef FN
#undef SUB
};

enum {
#define ANOM(bit, id, name, malformed) BIT_##id = bit,
#include "dissectors/s7plus/anomalies.def"
#undef ANOM
};
#define S7P_A(id) (UINT64_C(1) << BIT_##id)

static const uint64_t malformed_bits = 0
#define ANOM(bit, id, name, malformed) | (uint64_t)(malformed) << (bit)
#include "dissectors/s7plus/anomalies.def"
#undef ANOM
    ;

/* fact.props of this protocol. */
enum { NUM_VERSION = 0, NUM_PDU };
enum { TEXT_TSAP = 0 };
#define KNOWS_NUM(n)  (1u << (n))
#define KNOWS_TEXT(n) (1u << (16 + (n)))

/* What --facts shows; the members that no table can say are written by s7plus_json(). */
struct ext {
	uint32_t present; /* bit set of the following */
	uint32_t session, object, attribute, count, tls_bytes;
	uint16_t seq, data_len, tls_version, dst_ref, src_ref;
	uint8_t version, opcode, flags, fragment, integrity, tick, tpdu_size, reason;
	const char *tpdu, *tls_record, *tls_handshake;
	int64_t error;
	bool has_error, encrypted;
	struct cur sni;
	const struct conn *conn; /* TSAPs, on connect and confirm */
};
enum {
	P_VERSION = 0, P_OPCODE, P_SEQ, P_SESSION, P_FLAGS, P_OBJECT, P_ATTRIBUTE, P_COUNT, P_FRAGMENT,
	P_INTEGRITY, P_TICK, P_LENGTH, P_TPDU, P_REFS, P_TPDU_SIZE, P_REASON, P_TLS, P_TLS_RECORD,
	P_TLS_HANDSHAKE,
};
#define HAS(bit) (1u << (bit))

/* A TSAP as people write it: text when it is text, else hex. */
struct tsap {
	uint8_t n;
	char text[2 * TSAP_MAX];
};

/* A request that waits for its answer, or has just had it. */
struct req {
	uint16_t seq;
	uint8_t opx; /* of the function, and of what it was taken for */
	uint8_t as;
};

/* One direction of a PDU that spans several frames. */
struct frag {
	bool on;
	uint8_t version, opcode, kind, opx;
	uint8_t n; /* parts so far, at most 255 are counted */
	uint16_t code, seq;
	uint32_t bytes; /* of data so far */
};

/* One direction of TLS: where the current record ends. */
struct tls {
	bool on;	/* a record has been seen */
	bool lost;	/* bytes are missing: the next record header at a TSDU's start counts */
	uint8_t head_n; /* bytes of a record header cut by the end of a TSDU */
	uint8_t head[5];
	uint8_t type;
	uint32_t left; /* bytes of the record still to come */
};

struct conn {
	uint32_t open, done; /* bit per slot of req */
	struct req req[REQUESTS];
	uint8_t next;	  /* slot of the next request */
	bool evicted;	  /* an open request was overwritten */
	bool lost;	  /* bytes towards the server were, and no answer has fitted since */
	bool matched;	  /* an answer to a request we saw has come */
	bool spoken;	  /* a message, or TLS, has gone through */
	bool asked;	  /* a connection request is open */
	bool connected;	  /* and was confirmed */
	bool session_known;
	bool subs_full;	  /* there are subscriptions we do not remember */
	uint8_t n_subs;
	uint32_t session; /* id the server gave */
	uint32_t sub[SUBSCRIPTIONS];
	struct frag frag[2];
	struct tls tls[2];
	struct tsap calling, called;
	struct fact_props props;
};

static inline void
fact_op(struct fact *f, uint8_t opx)
{
	f->opx = opx;
	f->op = ops[opx].name;
	f->access = ops[opx].access;
	f->sub = ops[opx].sub;
}

#endif /* S7PLUS_COMMON_H */
