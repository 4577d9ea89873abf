/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fact.h - what one PDU does, said the same way for every protocol.
 *
 * A fact is a small fixed head, plus items: the objects the PDU touches
 * (a range of registers, one S7 variable, one OPC UA node).  Policy judges
 * item by item and the worst verdict wins; alerts carry facts; tests compare
 * them.  The head is plain values.  What it points to (item list, values,
 * strings, ext) is borrowed from the PDU or from the dissector's stack and
 * is valid only until dis_emit() returns: copy what must live longer.
 */
#ifndef DISSECTORS_FACT_H
#define DISSECTORS_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum access {
	ACC_READ = 1 << 0,    /* reads process data */
	ACC_WRITE = 1 << 1,   /* changes process data */
	ACC_CONTROL = 1 << 2, /* start, stop, select, operate, reset */
	ACC_PROGRAM = 1 << 3, /* changes logic, firmware or configuration */
	ACC_DIAG = 1 << 4,    /* diagnostic counters, identification */
	ACC_SESSION = 1 << 5, /* opens, keeps or closes a session */
};

enum fact_kind {
	FACT_REQUEST = 0,
	FACT_RESPONSE,
	FACT_EXCEPTION, /* the protocol's own negative answer */
	FACT_MALFORMED, /* framing or body contradicts the specification */
	FACT_OTHER,	/* neither asks nor answers (broadcast, keep-alive) */
};

enum item_enc {
	ENC_NONE = 0, /* no values on the wire */
	ENC_U16_BE,   /* two bytes each, high byte first */
	ENC_BIT_LSB,  /* packed bits, first object in the lowest bit of the first byte; in a
		       * space of bits also the raw bytes of a run that starts at a byte */
	ENC_U8,	      /* one byte each */
	ENC_COIL,     /* two bytes each: 0xff00 on, 0x0000 off (Modbus [APP] 6.5) */
};

/* One object or one run of neighbouring objects. */
struct fact_item {
	uint8_t space;	 /* address space; the dissector's own enum, see dis_space */
	uint8_t access;	 /* ACC_READ or ACC_WRITE: what happens to this item */
	uint8_t enc;	 /* enum item_enc of vals */
	bool masked;	 /* the written value depends on the old one (FC 22) */
	uint32_t sub;	 /* subdivision of the space: DB number, file number; else 0 */
	uint32_t first;	 /* first object, zero-based, in the space's own unit */
	uint32_t count;	 /* objects; 0 is allowed and touches nothing */
	const uint8_t *vals; /* count values in enc, or NULL; borrowed */
	const char *name;    /* for pattern keys (NodeId text), or NULL; borrowed */
	uint32_t name_len;
	const char *uri;     /* what name's "ns=N" stands for, or NULL: not known; borrowed */
	uint32_t uri_len;
};

#define FACT_NO_SUB UINT16_MAX

/* fact.proto of what the engine itself has to say (lost step, overlap). */
#define FACT_PROTO_NONE 0xff

/* Anomaly bits 48..63 belong to the engine (names in fact.c); 0..47 to the
 * dissector (names in its anomaly table). */
#define FACT_A_ENGINE	    48
#define FACT_A_OVERLAP	    (UINT64_C(1) << 48) /* retransmission with other content */
#define FACT_A_GAP	    (UINT64_C(1) << 49) /* bytes before it were never seen */
#define FACT_A_MIDSTREAM    (UINT64_C(1) << 50) /* no handshake was seen for this flow */
#define FACT_A_UNSOLICITED  (UINT64_C(1) << 51) /* answers nothing that is open */
#define FACT_A_NOT_PROTO    (UINT64_C(1) << 52) /* port promises a protocol that it is not */
#define FACT_A_RESYNC	    (UINT64_C(1) << 53) /* first PDU after a loss of step */
#define FACT_A_CHECKSUM	    (UINT64_C(1) << 54) /* wrong TCP, UDP or IP checksum */
#define FACT_A_OVERLOAD	    (UINT64_C(1) << 55) /* some bound was hit; see the drop counters */
#define FACT_A_ENCRYPTED    (UINT64_C(1) << 56) /* body is not readable */
#define FACT_A_TRUNCATED    (UINT64_C(1) << 57) /* capture cut the packet (snaplen) */

struct fact;

/* Iterator over the items that do not fit the head.  Zero-initialise. */
struct fact_iter {
	uint32_t i;	   /* items given so far */
	const uint8_t *p;  /* dissector's place in the PDU */
	uint64_t scratch[4];
};

/*
 * What policy may ask about the session or the message as a whole, numbered by
 * the protocol (dis_key.prop): class of the connection, size of the message,
 * security policy.  Lies in the dissector's flow state or on its stack.
 */
#define FACT_NUMS  16
#define FACT_TEXTS 8
struct fact_props {
	uint32_t known; /* bit i: num[i] is known; bit 16 + i: text[i] is */
	uint32_t na;	/* same bits: cannot exist yet for this PDU (no token before a session is
			 * activated), or need not (no security for discovery), so no key asks
			 * for it, known or not; services that open, find and close only */
	bool midstream;	/* the opening was not seen: what is unknown was perhaps said then */
	uint32_t num[FACT_NUMS]; /* UINT32_MAX: known, and nothing a policy has a word for */
	struct {
		const char *p; /* borrowed, not NUL-ended */
		uint32_t n;
	} text[FACT_TEXTS];
};

struct fact {
	uint8_t proto;	 /* index in dissectors[] */
	uint8_t kind;	 /* enum fact_kind */
	uint8_t access;	 /* bit set of enum access */
	uint8_t dir;	 /* enum dis_dir */
	uint16_t code;	 /* function / service / type code as on the wire */
	uint16_t sub;	 /* sub-function, FACT_NO_SUB = none */
	uint16_t opx;	 /* dense policy index of (code, sub), < schema->n_opx */
	uint16_t n_items;
	bool goes_on;	 /* part of a transfer that an allowed request began */
	uint32_t unit;	 /* unit id, station, channel */
	uint32_t txn;	 /* transaction id, to pair request and response */
	uint32_t more;	 /* items not yet given: the PDU goes on (dis_call.part) */
	uint64_t anomalies;
	struct fact_item item; /* the first item, when n_items > 0 */
	/* Gives item i+1 of n_items; false at the end.  NULL when n_items < 2. */
	bool (*next)(const struct fact *f, struct fact_iter *it, struct fact_item *out);
	const char *op;	 /* "read_holding_registers"; static text, never NULL */
	const void *ext; /* the protocol's own fields, for its JSON table; or NULL */
	const void *iter_arg; /* whatever next() needs, e.g. struct cur * */
	const struct fact_props *props; /* or NULL: none are known */
};

/* Walk all items: struct fact_iter it = {0}; while (fact_next(f, &it, &item)) ... */
static inline bool
fact_next(const struct fact *f, struct fact_iter *it, struct fact_item *out)
{
	if (it->i >= f->n_items)
		return false;
	if (it->i == 0) {
		*out = f->item;
		it->i = 1;
		return true;
	}
	if (!f->next || !f->next(f, it, out))
		return false;
	it->i++;
	return true;
}

/* Item number i, counting from 0; false when there is none. */
static inline bool
fact_item_at(const struct fact *f, uint32_t i, struct fact_item *out)
{
	struct fact_iter it = {0};

	do
		if (!fact_next(f, &it, out))
			return false;
	while (i-- > 0);
	return true;
}

/* Value i (< count) of an item; the item must have values. */
static inline uint32_t
fact_value(const struct fact_item *it, uint32_t i)
{
	switch ((enum item_enc)it->enc) {
	case ENC_U16_BE:
		return (uint32_t)(it->vals[2 * (size_t)i] << 8 | it->vals[2 * (size_t)i + 1]);
	case ENC_BIT_LSB:
		return (uint32_t)it->vals[i / 8] >> (i % 8) & 1u;
	case ENC_U8:
		return it->vals[i];
	case ENC_COIL:
		return it->vals[2 * (size_t)i] != 0;
	case ENC_NONE:
		break;
	}
	return 0;
}

const char *fact_proto_name(const struct fact *f); /* "modbus"; "unknown" for FACT_PROTO_NONE */
const char *fact_kind_name(uint8_t kind);   /* "request", ... */
/* Anomaly bit of a protocol's facts, or (48 and up) of the engine; NULL = no such bit. */
const char *fact_anomaly_name(uint8_t proto, unsigned bit);
const char *fact_access_name(uint8_t access); /* strongest bit: program > control > write > ... */

/* ext of the engine's own facts about a flow that no dissector claims. */
struct fact_app {
	const char *app;  /* "TLS"; "unknown"; "not built" */
	const char *host; /* name the client asked for, or "" */
};

struct jw;
/* The members of DESIGN "facts" that follow the tuple: kind, code, op, access,
 * anomalies, then the protocol's own table.  Writes into an open object. */
void fact_json(struct jw *w, const struct fact *f);
/* Its two halves: what kind, code, op and access say, and nothing else; then the rest. */
void fact_json_head(struct jw *w, const struct fact *f);
void fact_json_body(struct jw *w, const struct fact *f);
/* Only the last part: what the protocol's own table says. */
void fact_json_proto(struct jw *w, const struct fact *f);

#endif /* DISSECTORS_FACT_H */
