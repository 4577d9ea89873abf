/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dissector.h - the one interface between the engine, policy and a protocol.
 *
 * The engine owns reassembly, buffering, time and memory.  A dissector owns
 * only the meaning of bytes.  It says how long the PDU at the start of a
 * window is (frame), and, given exactly one whole PDU in contiguous memory,
 * says what it does (pdu).  It never sees half a PDU, never allocates, never
 * blocks, never logs; it holds per-flow state of a size it declares.
 *
 * Life of a segment, for one direction of one flow:
 *
 *   segment --> window --> frame() --len <= window--> pdu() --> fact --> sink
 *                 ^           |
 *                 |           +--FRAME_MORE or len > window--> carry buffer
 *                 +-----------------next segment-------------------+
 *
 * The window points into the packet itself unless a PDU straddles segments;
 * then, and only then, are its bytes copied (at most max_pdu of them).  A PDU
 * longer than max_pdu is given in pieces to part(), if there is one.
 *
 * A protocol is a folder.  Its schema tables are all that policy, the JSON
 * writers and the documentation know of it.
 */
#ifndef DISSECTORS_DISSECTOR_H
#define DISSECTORS_DISSECTOR_H

#include <string.h>

#include "base/cur.h"
#include "dissectors/fact.h"

enum dis_dir { DIR_TO_SERVER = 0, DIR_TO_CLIENT = 1 };

enum dis_probe_result { PROBE_NO = 0, PROBE_MAYBE, PROBE_YES };

/* frame() answers: > 0 = whole length in bytes of the first PDU, whether or
 * not it is all here; else one of these. */
#define FRAME_MORE  0	 /* header incomplete: ask again with one byte more */
#define FRAME_BAD   (-1) /* this is not our framing; the engine desyncs */
#define FRAME_OTHER (-2) /* a PDU of some other protocol begins here: the flow is
			  * asked for its owner again, from this byte on */
/* In variant, of frame() and pdu(): nobody else wants the PDU that frame() called
 * FRAME_OTHER, and the flow is settled(): say its length, report it as malformed. */
#define VARIANT_OURS 0x80
/* The length cannot be known before n bytes are here (a PDU in several frames
 * of a lower layer): ask again then.  n > what the window held, <= max_pdu. */
#define FRAME_NEED(n)	  (INT32_MIN + (int32_t)(n))
#define FRAME_IS_NEED(r)  ((r) < FRAME_OTHER)
#define FRAME_NEEDED(r)	  ((uint32_t)((r) - INT32_MIN))

/* Per-flow state of at most this size lies inside the flow record, in one cache line; a larger
 * state is leased from a pool.  What only few flows need more they may grow(). */
#define DIS_STATE_INLINE 64

struct dis_sink;

/*
 * Judge and report one fact; the engine's.  True: the PDU goes on its way (or
 * we only watch).  False: the other side will not see it, so a request must
 * not be remembered as open.
 */
bool dis_emit(struct dis_sink *sink, struct fact *f);

struct dis_call;

/*
 * Memory beside the state, for flows that turn out to need it (names a server
 * announced): at least want bytes (<= 64 KiB), what was there is kept, new bytes
 * are zero, the place may move.  Given back when the flow ends.  NULL: none left,
 * counted; what cannot be remembered must then not be relied on.  Only for
 * dissectors whose state is leased (state_size > DIS_STATE_INLINE).
 */
void *dis_lease(struct dis_call *call, uint32_t want);

/*
 * What a transfer in many PDUs (a block on its way to a controller, or out of it) has come to.
 * Told to dis_call.transfer beside the facts, always after dis_emit() let the PDU go on its way,
 * so that its end can be reported with the hash of what was moved.  Pieces of one flow and block
 * come in order; the object is one of the protocol's spaces.
 */
enum dis_transfer_step {
	TRANSFER_BEGIN = 0, /* asked for; fact: the request, whose verdict is the transfer's */
	TRANSFER_JOINED,    /* it was under way when we came: its begin is not known */
	TRANSFER_PIECE,	    /* data, borrowed */
	TRANSFER_END,	    /* both sides say that it is complete */
	TRANSFER_FAILED,    /* one of them says that it is not */
	TRANSFER_REFUSED,   /* it never began */
	TRANSFER_LOST,	    /* bytes were lost: no transfer of this flow is whole any more */
};
struct dis_transfer {
	uint8_t step; /* enum dis_transfer_step */
	bool out;     /* from the server to the client; a flow has one of these at a time, whose
		       * object only BEGIN has to name */
	uint8_t space;
	uint32_t sub, first;
	struct cur data;
	const struct fact *fact;
};

struct dis_call {
	uint8_t dir;	  /* enum dis_dir */
	uint8_t variant;  /* what probe() chose: the protocol's own framings */
	bool datagram;	  /* UDP: a PDU may be lost or repeated */
	bool midstream;	  /* no handshake seen: requests before us are unknown */
	uint64_t now_ns;  /* packet time, ns since the epoch, UTC */
	uint64_t anomalies; /* engine bits that belong to this PDU; copy into the fact */
	void *state;	  /* state_size bytes, zeroed when the flow is claimed */
	/* Set by who finds that gist() of this flow will say something else than before; who has asked it
	 * ahead clears it, and asks again. */
	bool gist_moved;
	struct dis_sink *sink;
	void (*transfer)(struct dis_sink *sink, const struct dis_transfer *t); /* or NULL */
	/*
	 * For dissectors with a state_most, from pdu(): this flow's state becomes so many bytes,
	 * what there was is kept, new bytes are zero, the place moves (it is call->state from
	 * now on).  The state says itself that it has grown.  NULL (the pointer, or what
	 * it returns): there is no room, counted; go on with what there is.
	 */
	void *(*grow)(struct dis_call *call);
	uint64_t memo; /* out, 0 before pdu(): what again() needs of this request; see there */
};

/* --- schema: how policy and the writers see the protocol ------------------- */

/* One thing a client can ask for; a row per (code, sub) pair. */
struct dis_op {
	uint16_t opx;	   /* dense index used by compiled policy, unique, < n_opx */
	uint16_t code;
	uint16_t sub;	   /* FACT_NO_SUB when the code has none */
	uint8_t access;	   /* enum access bits of a request */
	bool known;	   /* part of `functions: all` */
	uint32_t sets;	   /* bit i: member of dis_schema.sets[i] */
	const char *name;  /* "read_holding_registers"; what facts call op */
};

/* An address space that items live in. */
struct dis_space {
	const char *name;  /* "holding" */
	uint32_t max;	   /* highest address, zero-based */
	uint32_t max_sub;  /* highest sub (DB, file number); 0 = the space has none */
	uint8_t value_bits; /* width of one value for `values:` checks; 0 = has none */
	bool told;	    /* answers say values: with those of the facts' items, or by answer() */
};

enum dis_key_kind {
	KEY_OPS = 1, /* function / service codes, names and sets -> fact.opx */
	KEY_UNIT,    /* set of integers lo..hi -> fact.unit */
	KEY_RANGE,   /* address ranges in dis_key.space -> items */
	KEY_VALUES,  /* map address range -> constraint, in dis_key.space */
	KEY_PATTERN, /* list of globs -> item.name in dis_key.space */
	KEY_ACCESS,  /* sub-map of KEY_RANGE keys that hold only for items with .access */
	KEY_SUB,     /* set of words, or integers lo..hi -> item.sub in dis_key.space */
	KEY_NUMBER,  /* set of integers lo..hi -> props.num[prop] */
	KEY_WORD,    /* list of words -> props.num[prop], an index into words */
	KEY_TEXT,    /* list of globs -> props.text[prop] */
	KEY_LIMIT,   /* one integer lo..hi (8192, 64KiB, 1MiB) that props.num[prop] must
		      * not exceed; stands in the block's `limits:` */
};

/* A key of kind RANGE or VALUES whose notation itself says the space. */
#define DIS_SPACE_ANY 0xff

struct dis_range {
	uint32_t sub, sub_last, first, last; /* inclusive */
	uint32_t width; /* addresses one value takes as written (DBW: 16 bits); 0 = 1 */
	uint8_t space;	/* set by parse_range() where the key says DIS_SPACE_ANY */
};

/* A key a rule of this protocol may have. */
struct dis_key {
	const char *name; /* "functions", "units", "holding" */
	uint8_t kind;	  /* enum dis_key_kind */
	uint8_t space;	  /* for RANGE, VALUES, PATTERN, SUB; DIS_SPACE_ANY: the text says it */
	uint8_t access;	  /* for ACCESS, RANGE, PATTERN: ACC_READ or ACC_WRITE only; 0 = both */
	bool required;	  /* a rule without it can match nothing: load error */
	uint32_t lo, hi;  /* for UNIT, SUB, NUMBER, LIMIT: permitted integers */
	const char *help; /* one sentence for docs and error texts */
	/* A key of this map of the block ("security") instead of a rule's: what every
	 * request of the block has to meet before rules are looked at.  NUMBER, WORD, TEXT. */
	const char *map;
	const char *const *words; /* for SUB, WORD: NULL-ended; "" = no word for this index */
	uint8_t prop;	  /* for NUMBER, WORD, LIMIT: index of props.num; TEXT: of props.text */
	uint8_t offer;	  /* for WORD in a map: 1 + index of the num that holds, in an answer, the
			   * bit set of words the server offers; one outside the list is told */
	uint32_t
	    refuse; /* for WORD in a map: bits of the words with which refuse() can answer at all;
			   * 0 = whatever it is */
	uint32_t write_sub; /* for SUB: the one sub that a rule without the key may write; 0 = any */
};

/* A key of the protocol block itself, one word out of a list ("addressing"). */
struct dis_option {
	const char *name;
	const char *const *words; /* NULL-ended */
	bool required;
	const char *help;
};

#define DIS_OPTION_MAX 8

/* A member of the protocol's JSON objects, read from fact.ext. */
enum dis_field_type { FIELD_U8 = 1, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_STR };
struct dis_field {
	const char *name;
	uint8_t type;	 /* enum dis_field_type; STR is a const char * */
	uint16_t off;	 /* offsetof in the ext struct */
	uint8_t present; /* bit of the uint32_t at offset 0 of ext that says it is there */
	const char *help;
	uint8_t key_len;
	char key[24]; /* ,"name": for the JSON writer, which copies all 24; see DIS_FIELD */
};
/* A field of the ext struct.  Names are literals of 20 characters at most. */
#define DIS_FIELD(name, type, ext, member, bit, help)                                              \
	{                                                                                          \
		name, type, offsetof(ext, member), bit, help, sizeof(name) + 3, ",\"" name "\":"   \
	}

struct dis_schema {
	uint16_t n_opx;
	uint16_t n_ops, n_spaces, n_keys, n_options, n_fields;
	const struct dis_op *ops;
	const char *const *sets; /* NULL-ended: "read", "write", "programming" */
	const struct dis_space *spaces;
	const struct dis_key *keys;
	const struct dis_option *options;
	const struct dis_field *fields;
	/* Members that no table can say (arrays, nested objects); may be NULL. */
	void (*json)(struct jw *w, const struct fact *f);
	/* One range as an engineer writes it ("0..99", "DB10.DBW0..20").  opt[i]
	 * is the index of the word chosen for options[i]; *out is zeroed.  0, or ERR_SYNTAX or
	 * ERR_RANGE with a reason in err.  NULL: plain zero-based a..b. */
	int (*parse_range)(const struct dis_key *key, const uint8_t *opt, const char *text,
	    struct dis_range *out, char *err, size_t err_size);
	/* The reverse, for messages and alerts; returns buf. NULL: decimal. */
	char *(*show_addr)(uint8_t space, uint32_t sub, uint32_t addr, char *buf, size_t size);
	/* A run first..last, its space included ("DB10.DBB4..5"). NULL: the space's name and
	 * both ends. */
	char *(*show_range)(uint8_t space, uint32_t sub, uint32_t first, uint32_t last, char *buf,
	    size_t size);
	const char *const *anomalies; /* names of bits 0..47, NULL-ended */
};

/* Bytes of a PDU that leave with another value (renumber()). */
#define DIS_PATCHES 4
struct dis_patch {
	uint32_t off; /* in the PDU */
	uint8_t len;  /* <= 4 */
	uint8_t bytes[4];
};

/* Words that gist() may write. */
#define DIS_GIST_WORDS 37u

/* n bytes, 8 at least, as words: the last one may overlap the one before it. */
static inline uint32_t
dis_words(uint64_t *w, const uint8_t *p, uint32_t n)
{
	uint32_t k = 0, i = 0;

	for (; i + 8 <= n; i += 8)
		memcpy(&w[k++], p + i, 8);
	if (i < n)
		memcpy(&w[k++], p + n - 8, 8);
	return k;
}

/*
 * What somebody who judges a flow for a while has to know of it, and what he gives back, where the
 * requests that are open do not say it all.  Host byte order; [0] is client to server.
 */
#define DIS_LENT_OPEN 16
struct dis_lent {
	uint32_t channel, token[2]; /* each message names them */
	uint32_t seq[2];	    /* of the last message; each has one more */
	uint32_t max[2];	    /* bytes of a message, all of it */
	uint8_t sig;		    /* bytes at its end that say nothing */
	uint8_t policy, mode, user; /* the dissector's own */
	uint8_t n_open;
	uint32_t request[DIS_LENT_OPEN]; /* open requests: id */
	uint16_t type[DIS_LENT_OPEN];	 /* ... and what it asks for, as it stands in the message */
};
#define DIS_ALIKE_NONE (-1)

/*
 * What an answer (or a request) says of the device that sent it.  Texts are the wire's, borrowed for the call, and
 * neither NUL-ended nor checked.
 */
enum dis_identity_key {
	IDENT_NAME = 0, /* of this very device, or its program */
	IDENT_VENDOR,
	IDENT_MODEL,
	IDENT_ORDER,	/* what to order another by */
	IDENT_HARDWARE, /* its version */
	IDENT_FIRMWARE, /* its version */
	IDENT_SERIAL,
	IDENT_URI,     /* a name for programs */
	IDENT_TEXT,    /* a description in its own words */
	IDENT_SERVICE, /* something it offers */
	IDENT_BUILD,   /* of its program: number of the build */
	IDENT_BUILT,   /* ... and when it was made, as RFC 3339 has it */
	IDENT_CERT,    /* of its server of TLS: "CN=panel-7, O=Maker" */
	IDENT_CERT_ISSUER,
	IDENT__MAX
};
typedef void dis_identity_put(void *ctx, enum dis_identity_key key, const void *text, size_t len);

struct dissector {
	const char *name; /* "modbus": policy key, fact field, test folder */
	const char *spec; /* normative documents and editions */
	const uint16_t *ports; /* 0-terminated, host order; a hint, never proof */
	uint32_t max_pdu;      /* bytes one direction may hold back */
	uint32_t state_size;   /* bytes of per-flow state */
	uint32_t state_most;   /* ... after grow(); 0: it never does */
	bool datagrams;	       /* also spoken over UDP */
	const struct dis_schema *schema;

	/*
	 * Is the window the start of our protocol?  YES only when the bytes could
	 * hardly be anything else; *variant is then the framing.  Asked again
	 * with more bytes after MAYBE.  Pure.
	 */
	enum dis_probe_result (*probe)(struct cur window, enum dis_dir dir, uint8_t *variant);
	/* Length of the first PDU; pure: no state, no side effects. */
	int32_t (*frame)(struct cur window, enum dis_dir dir, uint8_t variant);
	/*
	 * frame() again, after it answered FRAME_NEED(asked) to the first bytes of
	 * this window and asked <= its length: no need to look at them twice.  NULL:
	 * frame() does it all.  Pure as well.
	 */
	int32_t (*frame_on)(struct cur window, enum dis_dir dir, uint8_t variant, uint32_t asked);
	/*
	 * Has this flow said anything that only our protocol says?  Then what frame()
	 * calls FRAME_OTHER and nobody else claims is ours, and malformed (VARIANT_OURS).
	 * NULL: never; a handshake that others share is no proof.
	 */
	bool (*settled)(const void *state);
	/* Exactly one whole PDU. */
	void (*pdu)(struct dis_call *call, struct cur pdu);
	/*
	 * A piece of a PDU longer than max_pdu: bytes off.. of total.  State lives
	 * in call->state.  Facts emitted before the last piece have .more set and
	 * their verdicts accumulate.  NULL: such a PDU is a loss of step.
	 */
	void (*part)(struct dis_call *call, struct cur piece, uint32_t off, uint32_t total);
	/* Bytes were lost in call->dir; forget what depended on them. May be NULL. */
	void (*gap)(struct dis_call *call, uint32_t lost);
	/*
	 * The protocol's own refusal of request f, into buf: bytes to send to the
	 * client, or 0 when there is none (then reject becomes reset). May be NULL.  Called
	 * while f is being judged; call->state says what the flow knows (channel, sequence
	 * numbers), and is told that both were one PDU shorter and longer from here on.
	 * Where there is a renumber(), the refusal has its number: it leaves in front of
	 * every PDU of the server that is given to renumber() from here on.
	 */
	size_t (*refuse)(struct dis_call *call, const struct fact *f, uint8_t *buf, size_t size);
	/*
	 * Answers that must come in front of a refusal, because nothing but their order says
	 * which request they answer.  NULL: none, there are transaction ids.  Pure.
	 */
	unsigned (*unanswered)(const void *state, uint8_t variant);
	/*
	 * Is nothing open of which a later PDU is judged by more than its own bytes?  Then somebody else
	 * may judge the flow for a while; the requests that are open when it comes back are given to
	 * pdu() again.  NULL: never.  Pure.
	 */
	bool (*at_rest)(const void *state, uint8_t variant);
	/*
	 * Where that is not enough (struct dis_lent): what he is told of a flow at rest; and what he gives back,
	 * in place of open requests.  The state is that of lend(), or zero: another process has lent it.
	 * alike() is asked of each PDU behind pdu(), when it was allowed: > 0, a request of which so many
	 * bytes at out are those of every other one that has the same verdict, as long as none has
	 * answered DIS_ALIKE_NONE since; 0: nothing to remember.  DIS_ALIKE_NONE: what was judged so far is
	 * not to be relied on any more.  Pure, but for back().  All three or none.
	 */
	void (*lend)(const void *state, struct dis_lent *out);
	void (*back)(void *state, const struct dis_lent *in);
	int32_t (*alike)(
	    const void *state, enum dis_dir dir, struct cur pdu, uint8_t *out, size_t size);
	/*
	 * After a refusal the two ends number their messages differently.  Called inline for
	 * each whole PDU that goes on, in flows with a refusal behind them: what of it must
	 * leave otherwise; how many patches, at most DIS_PATCHES.  NULL: the protocol does not number.
	 */
	unsigned (*renumber)(struct dis_call *call, struct cur pdu, struct dis_patch *out);
	/*
	 * Does request f wait for news, or is there no answer to it at all?  Then nobody asks why
	 * it has none.  NULL: no.  Requests that only open, keep or close a session count as such.
	 */
	bool (*patient)(const struct fact *f);
	/*
	 * What answer f says of the i-th of n items of the request it answers: true, and of a
	 * read its values in *it, which is that item without them; false: it was refused, or who
	 * knows.  NULL: the answer's own items say it.  Called while f is being judged.
	 */
	bool (*answer)(const struct fact *f, uint32_t i, uint32_t n, struct fact_item *it);
	/*
	 * What fact f says of who sent it, for lists of devices: put() is called for each.  NULL: nothing.  Called by
	 * who was told of the fact, while it is borrowed; never by the engine.  Pure.
	 */
	void (*identity)(const struct fact *f, dis_identity_put *put, void *ctx);
	/*
	 * A flow has come over from another process of this very build: state and lease (NULL
	 * where there was none; bytes long) are copies, pointers in them mean nothing yet.
	 * False: it does not hold together.  NULL: there are none.
	 */
	bool (*moved)(void *state, void *lease, uint32_t bytes);
	/*
	 * The quick look (dataplane/quick.h), of a protocol that polls and its variant 0; all three or none.
	 *
	 * gist(): all of request p (whole, by its segment) that it is judged by, as words: its bytes
	 * without what merely counts, and perhaps something of the state.  How many words, 0: not
	 * one to remember.  Two requests of one length and variant with the same words have the same
	 * frame(), and, where again() says yes with the memo that pdu() left of the first,
	 * the same fact but for txn, and anomalies none.  pdu() leaves a memo only of such
	 * requests.  Pure.
	 *
	 * again(): to the server, p is a request whose words pdu() has left memo for.  To the
	 * client, memo is 0, and p is a whole segment of bytes nobody has looked at.  True: this
	 * is one whole PDU, to the client the plain answer to an open request (FACT_RESPONSE, no
	 * anomaly), and state is what pdu() would have made of it, the fact being allowed.
	 * False: nothing was changed.
	 *
	 * known_opx(): the opx of the fact that pdu() would have made of p, to which again() has just said
	 * yes.  The fact's op and (of a request) code are those of the schema's row.  Pure.
	 */
	uint32_t (*gist)(
	    const void *state, const uint8_t *p, uint32_t len, uint8_t variant, uint64_t *w);
	bool (*again)(void *state, const uint8_t *p, uint32_t len, enum dis_dir dir, bool midstream,
	    uint64_t memo);
	uint16_t (*known_opx)(const uint8_t *p, enum dis_dir dir);
	/*
	 * The same for requests that are refused: is state one that pdu() leaves as it is when a request with
	 * words is not let pass (dis_emit() says no), and in which the fact of such a request, but for txn, and its
	 * refuse() are a function of the words?  NULL: never.  Pure.  Where it says yes, such a request and its
	 * refusal have their 16-bit number (txn), big-endian, at number_at, and differ in nothing else.
	 */
	bool (*unmoved)(const void *state);
	uint8_t number_at;
};

/* All dissectors, NULL-terminated; generated from dissectors/ by the Makefile. */
extern const struct dissector *const dissectors[];
extern const unsigned n_dissectors;

/* By name; NULL when there is none. */
const struct dissector *dissector_lookup(const char *name, uint8_t *index);

/* The row of ops with this opx, or NULL. */
const struct dis_op *dissector_op(const struct dis_schema *s, uint16_t opx);

/*
 * An item as people write it: its name (unprintable bytes as '?'), or
 * "holding 100..119", or what show_range() says.  Cut to size; returns buf.
 */
char *dissector_show_item(const struct dis_schema *s, const struct fact_item *it, char *buf,
    size_t size);

/* The key of a rule that says this of a space (or of every space), for this access; 0: any.  NULL: the protocol has none. */
const struct dis_key *dis_schema_key(
    const struct dis_schema *sc, enum dis_key_kind kind, uint8_t space, uint8_t access);

#endif /* DISSECTORS_DISSECTOR_H */
