/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.h - constants, anomaly bits, operations and spaces that the parts of
 * S7 share; like all headers of this folder it is for s7.c alone, and holds
 * static tables so that the folder exports one symbol.
 */
#ifndef S7_COMMON_H
#define S7_COMMON_H

#include "base/err.h"
#include "base/jw.h"
#include "dissectors/iso_tcp.h"

#define S7_ID	    0x32
#define S7_HEAD	    10 /* bytes before the parameters; 12 with an error class and code */
#define S7_HEAD_ACK 12
#define S7_TSDU_MAX 8192 /* bytes of a message in several DTs; real PDUs have 240..960 */
#define PDU_MIN	    112	 /* the smallest PDU size any CPU or CP negotiates */
#define PDU_USUAL   960	 /* the largest that is usual, believed until setup was seen */
#define PDU_BELOW   240 /* who judges below the engine takes it for that: ebpf/fast_pdu.h, S7_PDU */
#define AREA_BITS   (65536u * 8)

enum rosctr { JOB = 1, ACK = 2, ACK_DATA = 3, USERDATA = 7 };

enum {
	FN_CPU = 0x00, FN_READ = 0x04, FN_WRITE = 0x05, FN_DL_REQUEST = 0x1a, FN_DL_BLOCK = 0x1b,
	FN_DL_ENDED = 0x1c, FN_UL_START = 0x1d, FN_UL_BLOCK = 0x1e, FN_UL_END = 0x1f, FN_PI = 0x28,
	FN_STOP = 0x29, FN_SETUP = 0xf0,
};
enum {
	GR_MODE = 0,
	GR_PROG = 1,
	GR_CYCLIC = 2,
	GR_BLOCK = 3,
	GR_CPU = 4,
	GR_SECURITY = 5,
	GR_PBC = 6,
	GR_TIME = 7,
	GR_NC = 15,
};
#define CODE_COTP 0x100 /* | TPDU code */
#define CODE_UD	  0x700 /* | group */

enum {
#define ANOM(bit, id, name, malformed) BIT_##id = (bit),
#include "dissectors/s7/anomalies.def"
#undef ANOM
};
#define S7_A(id) (UINT64_C(1) << BIT_##id)

static const uint64_t malformed_bits = 0
#define ANOM(bit, id, name, malformed) | (uint64_t)(malformed) << (bit)
#include "dissectors/s7/anomalies.def"
#undef ANOM
    ;

/* --- spaces ---------------------------------------------------------------- */

/* Up to SPACE_DI the unit is the bit.  Whole areas with names of their own follow. */
enum space {
	SPACE_I = 0,
	SPACE_Q,
	SPACE_M,
	SPACE_P,
	SPACE_L,
	SPACE_V,
	SPACE_SM,
	SPACE_AI,
	SPACE_AQ,
	SPACE_SYS,
	SPACE_DB,
	SPACE_DI, /* sub = number of the block */
	SPACE_T,
	SPACE_C,
	SPACE_HT,
	SPACE_HC, /* timers and counters, those of the 200 family */
	SPACE_RECORD,
	SPACE_NCK,
	SPACE_DRIVE,
	SPACE_BLOCK,   /* sub = type, first = number */
	SPACE_NOWHERE, /* address 1, which no range can name */
	N_SPACES,
};

static inline bool
space_of_bits(uint8_t space)
{
	return space <= SPACE_DI;
}

/* --- properties a policy may ask for (fact_props) -------------------------- */

enum { NUM_CLASS = 0, NUM_RACK, NUM_SLOT, NUM_PDU, NUM_ITEMS, NUM_SZL, NUM_SZL_INDEX, NUM_PENDING };
enum { TEXT_PI = 0 };
#define KNOWN_TEXT(i) (1u << (16 + (i)))

enum tsap_class { TSAP_OTHER = 0, TSAP_PG, TSAP_OP, TSAP_BASIC };

/* --- operations ------------------------------------------------------------ */

enum {
	IN_READ = 1 << 0,
	IN_WRITE = 1 << 1,
	IN_SETUP = 1 << 2,
	IN_SESS = 1 << 3,
	IN_PROG = 1 << 4,
	IN_DOWN = 1 << 5,
	IN_UP = 1 << 6,
	IN_CTRL = 1 << 7,
	IN_PI = 1 << 8,
	IN_DIAG = 1 << 9,
	IN_TEST = 1 << 10,
	IN_CYC = 1 << 11,
	IN_ALARM = 1 << 12,
	IN_SEC = 1 << 13,
	IN_TIME = 1 << 14,
	IN_BSEND = 1 << 15,
	IN_NC = 1 << 16,
};
static const char *const sets[] = {"read", "write", "setup", "session", "programming", "download",
    "upload", "control", "pi-service", "diagnostic", "test", "cyclic", "alarms", "security", "time",
    "bsend", "nc", NULL};

enum {
	OPX_JOBS = 255,
#define JOB(...)
#define COTP(code, ...)	  OPX_COTP_##code,
#define PI(sub, ...)	  OPX_PI_##sub,
#define UD(group, sub, ...) OPX_UD_##group##_##sub,
#define MISC(code, id, ...) OPX_##id,
#define GROUP(group, ...) OPX_GROUP_##group,
#include "dissectors/s7/ops.def"
#undef JOB
#undef COTP
#undef PI
#undef UD
#undef MISC
#undef GROUP
	N_OPX,
};

/* ops[opx].opx == opx */
static const struct dis_op ops[N_OPX] = {
#define JOB(code, name, known, access, sets) {code, code, FACT_NO_SUB, access, known, sets, name},
#define COTP(code, name, access, sets) \
	{OPX_COTP_##code, CODE_COTP | 0x##code, FACT_NO_SUB, access, true, sets, name},
#define PI(sub, text, name, access, sets) {OPX_PI_##sub, FN_PI, sub, access, true, sets, name},
#define MISC(code, id, name) {OPX_##id, code, FACT_NO_SUB, 0, false, 0, name},
#define UD(group, sub, name, access, sets) \
	{OPX_UD_##group##_##sub, CODE_UD | (group), sub, access, true, sets, name},
#define GROUP(group, name, known, access, sets) \
	{OPX_GROUP_##group, CODE_UD | (group), FACT_NO_SUB, access, known, sets, name},
#include "dissectors/s7/ops.def"
#undef JOB
#undef COTP
#undef PI
#undef UD
#undef MISC
#undef GROUP
};

#define UD_SUBS 32 /* sub-functions above have no row */
static const uint16_t ud_opx[16][UD_SUBS] = {
#define JOB(...)
#define COTP(...)
#define PI(...)
#define MISC(...)
#define GROUP(...)
#define UD(group, sub, ...) [group][sub] = OPX_UD_##group##_##sub,
#include "dissectors/s7/ops.def"
#undef UD
#undef GROUP
};
static const uint16_t group_opx[16] = {
#define GROUP(group, ...) [group] = OPX_GROUP_##group,
#define UD(...)
#include "dissectors/s7/ops.def"
#undef JOB
#undef COTP
#undef PI
#undef UD
#undef MISC
#undef GROUP
};
_Static_assert(N_OPX < 1 << 12, "pair.h keeps an opx in 12 bits");

/* --- what a fact says beside the common words ------------------------------ */

/* Bits of present: the members of schema.fields, in this order. */
enum {
	P_ROSCTR = 0,
	P_REF,
	P_GROUP,
	P_SUB,
	P_SZL_ID,
	P_SZL_INDEX,
	P_ERR_CLASS,
	P_ERR_CODE,
	P_ERROR,
	P_SEQ,
	P_PDU_SIZE,
	P_AMQ_CALLING,
	P_AMQ_CALLED,
	P_CLASS,
	P_RACK,
	P_SLOT,
	P_TPDU_SIZE,
	P_REASON,
	P_TYPE,
	/* and what json() says of these */
	X_ITEMS,
	X_STATUS,
	X_BLOCKS,
	X_FILE,
	X_PI,
	X_TSAPS,
	X_DATA,
	X_VARTAB,
	X_WRITTEN,
	X_LENGTHS,
	X_PASSWORD,
	X_CLOCK,
};
#define HAS(bit) (1u << (bit))

struct s7_ext {
	uint32_t present;
	uint16_t pdu_ref, szl_id, szl_index, error, pdu_size, amq_calling, amq_called, tpdu_size;
	uint16_t n_wire; /* items as the PDU counts them */
	uint8_t rosctr, group, subcode, error_class, error_code, seq, rack, slot, reason;
	const char *tsap_class, *type;
	struct cur spec; /* item specifications, block list, argument */
	struct cur data; /* behind the parameters; values written or read */
	struct cur name; /* file or PI service */
	struct cur src, dst; /* TSAPs */
};

static inline uint16_t
be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- state of a flow ------------------------------------------------------- */

#define PAIR_SLOTS 11
#define PAIR_FEW   3 /* 40 + 3 * 8 = DIS_STATE_INLINE */
#define TRANSFERS  3

typedef uint64_t pair_req; /* pair.h */

/* A block on its way to the server. */
struct transfer {
	uint8_t state; /* enum transfer_state */
	uint8_t type;  /* as in the file name; 0 = the name is no block's */
	uint16_t number;
};
enum transfer_state { TR_FREE = 0, TR_ASKED, TR_OPEN };

enum state_flags {
	ST_MATCHED = 1 << 0, /* an answer to a request we saw has come */
	ST_LOST = 1 << 1,    /* requests were lost in a gap, none matched since */
	ST_CONNECT = 1 << 2, /* connection request seen, not confirmed */
	ST_SETUP = 1 << 3,   /* setup communication was answered */
	ST_SETTLED = 1 << 4, /* an S7 message was seen, not only the transport's */
	ST_LOADED = 1 << 5, /* a block was loaded: to make it part of the program belongs to that */
	ST_WIDE = 1 << 6,   /* the state has grown: PAIR_SLOTS of req */
};

struct s7_state {
	uint16_t open, done; /* bit per slot */
	uint8_t next;	     /* slot of the next request */
	uint8_t old;	     /* no slot older than this one is open */
	uint8_t evicted;     /* open requests overwritten and not answered since */
	uint8_t flags;	     /* enum state_flags */
	uint16_t pdu_size;   /* negotiated, or asked; 0 = not known */
	uint16_t pushes;     /* bit per userdata group the client has asked something of */
	uint8_t known;	     /* of the next three; bit NUM_CLASS.. */
	uint8_t tsap_class, rack, slot;
	struct transfer transfer[TRANSFERS];
	uint16_t szl_id, szl_index; /* of the list that comes in several PDUs */
	uint8_t szl_seq;	    /* its sequence number, 0 = none */
	uint8_t transfer_next;
	pair_req req[PAIR_SLOTS]; /* PAIR_FEW, unless ST_WIDE */
};
#define STATE_SMALL offsetof(struct s7_state, req[PAIR_FEW])
_Static_assert(STATE_SMALL <= DIS_STATE_INLINE, "state leaves the flow record");

#endif /* S7_COMMON_H */
