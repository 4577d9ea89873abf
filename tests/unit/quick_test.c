/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quick_test.c - the quick look (dataplane/quick.h) changes nothing but the time it takes.
 *
 * Two engines get the same frames, one of which reads every PDU in full (conf.no_quick).  After each
 * burst all that they can be asked is the same: what became of each frame and its bytes, frames
 * of their own, events, counters, hits per rule, PDUs per flow and operation; now and then all flows as they are written
 * for a handover, which has numbers, remembered bytes, half PDUs, what the dissector knows.
 *
 * What is played are polls of three protocols by many clients of one policy whose conduits differ in what
 * they ask, with writes, answers that are wrong in all ways, and a network that loses,
 * repeats, alters, cuts, joins and reorders; policies that come and go, time that passes.
 *
 * More than 1000 lines: three protocols, a network, and all that is compared make one play.
 *
 * usage: quick_test [SEED FRAMES [1]]      1: bursts of one, to see where they part
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/alert.h"
#include "alerts/alert_int.h"
#include "dataplane/engine_int.h"
#include "dataplane/handover.h"
#include "dataplane/io/io.h"
#include "dataplane/shadow.h"
#include "tests/unit/wire.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { MODBUS, S7, OPCUA, PROTOS };

#define CELLS_LEFT 16u
#define FLOWS_MOST 400u
#define TALKS	   48u
#define PDU_MAX	   300u
#define OPEN_MOST  4u
#define LATER	   24u /* frames on a detour */
#define EPOCH	   UINT64_C(1700000000000000000)
#define DUMP_BYTES (16u << 20)

static uint64_t seed = 20261128;
#ifdef __SANITIZE_ADDRESS__
#define FRAMES 60000 /* it is slow */
#else
#define FRAMES 200000
#endif
static unsigned long frames = FRAMES;
static bool one_by_one;

static uint64_t rng;

static uint32_t
draw(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)((rng >> 32) % n);
}

static bool
once_in(uint32_t n)
{
	return draw(n) == 0;
}

/* --- what is asked of the engines ---------------------------------------------------------- */

struct party {
	struct io io; /* first: tx() casts */
	struct engine *e;
	struct alerts *alerts;
	uint64_t told, sent; /* hashes */
	unsigned long events, frames, known;
	uint64_t counted; /* a sum over PDUs, so that their order does not matter */
	uint64_t *seen;	  /* id of the flow that on_fact was told of last, by flow_index; or NULL */
	char text[64][512]; /* the last events */
};

static uint64_t
hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

static int
on_tx(struct io *io, const struct pkt *p)
{
	struct party *x = (struct party *)(void *)io;

	x->sent = hash(hash(x->sent, &p->caplen, sizeof(p->caplen)), p->bytes, p->caplen);
	x->sent = hash(x->sent, &p->port, 1);
	x->frames++;
	return 0;
}

static const struct io_backend backend = {.scheme = "test", .tx = on_tx};

static void
on_event(void *ctx, const struct event *ev)
{
	struct party *x = ctx;
	const struct net_tuple *t = ev->tuple;
	const struct verdict *v = &ev->verdict;
	char *text = x->text[x->events % 64];
	int n = snprintf(text, sizeof(x->text[0]),
	    "kind %u cond %u at %lu frame %lu flow %lx %u->%u port %u to_client %d verdict %u %u "
	    "%u %u rule %u "
	    "conduit %u item %u permit %u count %lu note %s",
	    ev->kind, ev->cond, (unsigned long)ev->ts_ns, (unsigned long)ev->frame,
	    (unsigned long)ev->flow_id, t->sport, t->dport, t->port, ev->to_client, v->action,
	    v->would, v->reason, v->mode, v->rule, v->conduit, v->item, v->permit,
	    (unsigned long)ev->count, ev->note ? ev->note : "");

	if (ev->fact)
		(void)snprintf(text + n, sizeof(x->text[0]) - (size_t)n,
		    " %s kind %u txn %u anomalies %lx", ev->fact->op, ev->fact->kind, ev->fact->txn,
		    (unsigned long)ev->fact->anomalies);
	x->told = hash(x->told, text, strlen(text));
	x->events++;
}

static uint64_t
count(uint64_t flow_id, unsigned proto, unsigned opx, unsigned kind, const char *op, unsigned code)
{
	const uint64_t of[] = {flow_id, proto, opx, kind, kind == FACT_REQUEST ? code : 0};

	return hash(hash(1, of, sizeof(of)), op, strlen(op));
}

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct party *x = ctx;
	const struct fact *f = pdu->fact;

	assert_true(pdu->flow_index < FLOWS_MOST);
	x->counted += count(pdu->flow_id, f->proto, f->opx, f->kind, f->op, f->code);
	x->seen[pdu->flow_index] = pdu->flow_id;
}

static void
on_known(void *ctx, const struct engine_known *k, unsigned n)
{
	struct party *x = ctx;

	assert_in_range(n, 1, PKT_BURST);
	for (unsigned i = 0; i < n; i++, k++) {
		const struct dis_op *row = dissector_op(dissectors[k->proto]->schema, k->opx);

		assert_non_null(row);
		assert_true(k->flow_index < FLOWS_MOST);
		assert_true(x->seen[k->flow_index] == k->flow_id);
		x->counted += count(k->flow_id, k->proto, k->opx, k->kind, row->name, row->code);
	}
	x->known += n;
}

/* --- policies -------------------------------------------------------------------------------- */

#define HEAD                                                                                       \
	"interlock: 1\nsite: t\nmode: enforce\n"                                                   \
	"zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"                           \
	"  a: {level: 1, port: inside, nets: [10.2.0.0/24]}\n"                                     \
	"  b: {level: 1, port: inside, nets: [10.2.1.0/24]}\n"                                     \
	"  c: {level: 1, port: inside, nets: [10.2.2.0/24]}\n"                                     \
	"  d: {level: 1, port: inside, nets: [10.2.3.0/24]}\n"                                     \
	"  e: {level: 1, port: inside, nets: [10.2.4.0/24]}\n"                                     \
	"windows:\n  w: {when: daily 06:00-18:00, tz: UTC}\n"                                      \
	"conduits:\n"
#define MB(more, top)                                                                              \
	"    modbus:\n      addressing: zero-based\n" more "      allow:\n"                        \
	"        - {name: poll, units: [1, 2], functions: [3, 4], holding: [0..29], input: all}\n" \
	"        - {name: bits, units: [1], functions: [1, 2, 15], coils: all, discrete: all}\n"   \
	"        - {name: set, units: [1], functions: [6, 16], holding: [0..9], "                  \
	"values: {0..9: 0.." top "}}\n"
#define S7_RULES(more)                                                                             \
	"    s7:\n" more "      allow:\n"                                                          \
	"        - {name: r7, functions: [setup, read], read: [DB10.DBB0..40]}\n"                  \
	"        - {name: w7, functions: [write], write: [DB10.DBB0..9]}\n"
#define S7_CLASS                                                                                   \
	"    s7:\n      allow:\n"                                                                  \
	"        - {name: c7, functions: [setup, read], tsap-class: [op], read: "                  \
	"[DB10.DBB0..40]}\n"
#define UA_RULES(more)                                                                             \
	"    opcua:\n" more "      allow:\n"                                                       \
	"        - {name: s, services: [session, discovery, subscribe]}\n"                         \
	"        - {name: rw, services: [Read, Write], nodes: [\"ns=2;s=Rec*\", "                  \
	"\"ns=0;i=2258\"]}\n"
#define UA_BY_URI                                                                                  \
	"    opcua:\n      allow:\n"                                                               \
	"        - {name: s, services: [session, discovery, subscribe]}\n"                         \
	"        - {name: u, services: [Read, Write], nodes: [\"nsu=urn:plant;s=Rec*\", "          \
	"\"ns=0;i=2255\"]}\n"
#define CONDUIT(z, otherwise, more)                                                                \
	"  - name: to-" z "\n    from: [it/*]\n    to: [" z "/*]\n    otherwise: " otherwise       \
	"\n" more

static const char *const policies[] = {
    HEAD CONDUIT("a", "drop", MB("", "100") S7_RULES("") UA_RULES("")) CONDUIT("b", "reject",
	"    strict: true\n" MB("      limits: {rate: 40/s, timeout: 900ms}\n", "100") S7_RULES("")
	    UA_RULES("")) CONDUIT("c", "reset",
	MB("      limits: {pending: 2}\n", "50")
	    S7_RULES("      limits: {pending: 1, pdu-size: 120}\n")
		UA_RULES("      limits: {chunk: 100000}\n")) CONDUIT("d", "alert",
	"    only-in: w\n" MB("", "3") S7_RULES("") UA_RULES("")) CONDUIT("e", "drop", UA_BY_URI),
    /* the same requests, and others are allowed */
    HEAD CONDUIT("a", "reject", MB("", "2") S7_RULES("") UA_RULES(""))
	CONDUIT("b", "alert", S7_RULES("") MB("", "9"))
	    CONDUIT("d", "drop", MB("", "9") UA_RULES("")) CONDUIT("e", "alert", UA_RULES("")),
    HEAD CONDUIT("a", "alert",
	"    modbus:\n      addressing: zero-based\n      allow:\n"
	"        - {name: one, units: [1], functions: [3], holding: [0..29]}\n" S7_RULES("")
	    UA_RULES("")) CONDUIT("b", "drop", MB("", "100") S7_RULES("") UA_RULES("")),
};
#define POLICIES (sizeof(policies) / sizeof(policies[0]))

/* --- conversations ------------------------------------------------------------------------------- */

#define UA_NAMES 100u /* a kind of OPC UA request: which namespaces are there? */

/* A request that waits for its answer. */
struct asked {
	uint32_t number, kind, arg, value;
};

struct said {
	uint32_t seq, n;
	uint8_t b[2 * PDU_MAX];
};

struct talk {
	unsigned proto;
	struct wire_side side[2];
	uint32_t acked[2]; /* by the other side */
	bool open, tagged, stamped, v;
	uint32_t number, ua_seq[2], stamp;
	struct asked wait[OPEN_MOST];
	unsigned n_wait;
	struct said old[2][3];	  /* the last segments of each side */
	uint8_t rest[2][PDU_MAX]; /* half a PDU that has to go out first */
	uint32_t n_rest[2];
};

struct frame {
	struct pkt p;
	uint8_t b[1024];
	unsigned wait; /* frames that overtake it */
};

struct world {
	struct party x[2];
	struct policy *pol[POLICIES];
	unsigned in_force, shadow;
	bool guard;
	struct talk talk[TALKS];
	uint64_t now_ns, frame;
	struct frame burst[PKT_BURST], later[LATER];
	unsigned n, n_later;
	unsigned long known; /* PDUs that the quick look saw */
	uint8_t *dump[2];
	size_t n_dump[2];
	unsigned to;
};

static void
le32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static uint32_t
modbus_request(struct talk *t, uint8_t *p, const struct asked *q)
{
	static const uint8_t fc[] = {3, 3, 4, 1, 2, 6, 16, 15, 5, 43, 3, 3};
	uint8_t f = fc[q->kind % 12];
	uint32_t n = 12;

	(void)t;
	memset(p, 0, 6);
	wire_put16(p, q->number);
	p[6] = (uint8_t)(1 + q->arg % 2);
	p[7] = f;
	wire_put16(p + 8, q->kind == 11 ? 100 : q->arg % 5 * 4); /* 11: not allowed */
	wire_put16(p + 10, q->kind == 10 ? 0 : 1 + q->arg % 9);	 /* 10: no quantity */
	if (f == 6)
		wire_put16(p + 10, q->value);
	if (f == 5)
		wire_put16(p + 10, q->value & 1 ? 0xff00 : 0);
	if (f == 16) {
		wire_put16(p + 10, 2);
		p[12] = 4;
		wire_put32(p + 13, q->value * 0x10001);
		n = 17;
	}
	if (f == 15) {
		wire_put16(p + 10, 9);
		p[12] = 2;
		wire_put16(p + 13, q->value);
		n = 15;
	}
	if (f == 43) {
		p[8] = 14;
		p[9] = 1;
		p[10] = 0;
		n = 11;
	}
	wire_put16(p + 4, n - 6);
	return n;
}

static uint32_t
modbus_answer(struct talk *t, uint8_t *p, const struct asked *q, unsigned wrong)
{
	uint32_t n = modbus_request(t, p, q), count = (uint32_t)p[10] << 8 | p[11];
	uint8_t f = p[7];

	if (f <= 4) {
		p[8] = (uint8_t)(f <= 2 ? (count + 7) / 8 : 2 * count);
		for (unsigned i = 0; i < p[8]; i++)
			p[9 + i] = (uint8_t)draw(256);
		n = 9u + p[8];
	} else if (f != 43) {
		n = 12;
	}
	switch (wrong) {
	case 1:
		p[7] |= 0x80;
		p[8] = (uint8_t)(1 + draw(5));
		n = 9;
		break;
	case 2:
		p[1] ^= 1;
		break;
	case 3:
		p[6] ^= 1;
		break;
	case 4:
		n += 2;
		p[8] = (uint8_t)(p[8] + 2);
		memset(p + n - 2, 7, 2);
		break;
	case 5:
		p[n - 1] ^= 1; /* of a write: the echo */
		break;
	case 6:
		n++; /* and one byte more */
		p[n - 1] = 0;
		break;
	case 7:
		p[2] = 1;
		break;
	default:
		break;
	}
	wire_put16(p + 4, n - 6);
	return n;
}

static uint32_t
s7_request(struct talk *t, uint8_t *p, const struct asked *q)
{
	static const uint8_t head[] = "\x03\0\0\0\2\xf0\x80\x32\1\0\0\0\0\0\0\0\0";
	unsigned items = 1 + (q->kind % 5 == 1 ? q->arg % 3 : 0), n = 19;
	bool write = q->kind % 5 >= 3;

	(void)t;
	memcpy(p, head, sizeof(head) - 1);
	p[17] = write ? 5 : 4;
	if (write)
		items = 1;
	p[18] = (uint8_t)items;
	for (unsigned i = 0; i < items; i++, n += 12) {
		memcpy(p + n, "\x12\x0a\x10\2\0\2\0\x0a\x84\0\0\0", 12);
		p[n + 5] = (uint8_t)(2 + q->arg % 4 * 2);
		p[n + 11] = (uint8_t)((q->arg % 6 * 8 + i) * 8 & 0xff); /* bits: byte times eight */
	}
	if (q->kind == 2)
		p[27 - 8 + 7] = 11; /* another DB: not allowed */
	wire_put16(p + 13, n - 17);
	if (write) {
		unsigned bytes = p[24];

		memcpy(p + n, "\0\4", 2);
		wire_put16(p + n + 2, bytes * 8);
		memset(p + n + 4, (int)q->value, bytes);
		wire_put16(p + 15, 4 + bytes);
		n += 4 + bytes;
	}
	wire_put16(p + 11, q->number);
	wire_put16(p + 2, n);
	return n;
}

static uint32_t
s7_answer(struct talk *t, uint8_t *p, const struct asked *q, unsigned wrong)
{
	static const uint8_t head[] = "\x03\0\0\0\2\xf0\x80\x32\3\0\0\0\0\0\2\0\0\0\0";
	uint8_t req[PDU_MAX];
	unsigned n = 21, items, bytes;

	(void)s7_request(t, req, q);
	items = req[18];
	memcpy(p, head, sizeof(head) - 1);
	p[19] = req[17];
	p[20] = (uint8_t)items;
	if (req[17] == 5) {
		p[n++] = wrong == 4 ? 5 : 0xff;
	} else {
		for (unsigned i = 0; i < items; i++) {
			bytes = req[24];
			if (wrong == 4 && i == 0) { /* this item is refused */
				memcpy(p + n, "\x0a\0\0\4", 4);
				n += 4;
				continue;
			}
			memcpy(p + n, wrong == 9 ? "\x0a\4" : "\xff\4", 2); /* 9: all of them are */
			wire_put16(p + n + 2, bytes * 8 + (wrong == 5 ? 16 : 0));
			for (unsigned k = 0; k < bytes; k++)
				p[n + 4 + k] = (uint8_t)draw(256);
			n += 4 + bytes;
		}
	}
	wire_put16(p + 11, q->number ^ (wrong == 2));
	if (wrong == 1)
		p[17] = 0x81;
	if (wrong == 3)
		p[19] ^= 1;
	if (wrong == 6)
		p[n++] = 0;
	if (wrong == 7)
		p[10] = 1;
	wire_put16(p + 15, n - 21 + (wrong == 8));
	wire_put16(p + 2, n);
	return n;
}

static uint32_t
ua_end(struct talk *t, uint8_t *p, uint8_t *end, unsigned dir, uint32_t request, unsigned wrong)
{
	memcpy(p, "MSGF", 4);
	le32(p + 4, (uint32_t)(end - p));
	le32(p + 8, 1 + (wrong == 6));
	le32(p + 12, 1 + (wrong == 7));
	le32(p + 16, t->ua_seq[dir] += wrong == 5 ? 2 : 1);
	le32(p + 20, request ^ (wrong == 2));
	return (uint32_t)(end - p);
}

static uint32_t
ua_request(struct talk *t, uint8_t *p, const struct asked *q)
{
	static const char *const names[] = {"Recipe.A", "Recipe.Bc", "Recipe", "Other.B"};
	const bool tables = q->kind == UA_NAMES;
	const char *name = names[q->arg % 4];
	uint8_t *b = p + 24;
	uint32_t n = 1 + (q->kind % 4 == 1 ? q->arg % 3 : 0);
	static const uint16_t types[] = {631, 631, 673, 826};

	*b++ = 1;
	*b++ = 0;
	*b++ = (uint8_t)types[q->kind % 4];
	*b++ = (uint8_t)(types[q->kind % 4] >> 8);
	memcpy(b,
	    "\5\0\0\x10\0\0\0"
	    "0123456789abcdef",
	    23);
	b[22] = (uint8_t)t->side[0].port;
	b += q->arg & 16 ? 23 : 0;
	if (!(q->arg & 16)) {
		memcpy(b, "\2\0\0\1\0\0\0", 7);
		b += 7;
	}
	le32(b, draw(~0u));
	le32(b + 4, draw(~0u));
	le32(b + 8, t->stamp++);
	memcpy(b + 12, "\0\0\0\0\xff\xff\xff\xff\x10\x27\0\0\0\0\0", 15);
	b += 27;
	if (q->kind % 4 == 3) { /* Publish: nothing to acknowledge */
		memset(b, 0, 4);
		b += 4;
		return ua_end(t, p, b, 0, q->number, 0);
	}
	if (q->kind % 4 != 2) {
		memset(b, 0, 12);
		b += 12;
	}
	le32(b, n);
	b += 4;
	for (uint32_t i = 0; i < n; i++) {
		if (tables) {
			memcpy(b, "\1\0\xcf\x08", 4);
			b += 4;
		} else {
			memcpy(b, "\3\2\0", 3);
			le32(b + 3, (uint32_t)strlen(name));
			memcpy(b + 7, name, strlen(name));
			b += 7 + strlen(name);
		}
		memcpy(b, "\x0d\0\0\0\xff\xff\xff\xff", 8);
		b += 8;
		if (q->kind % 4 == 2) {
			memcpy(b, "\1\x0a", 2);
			le32(b + 2, q->value);
			b += 6;
		} else {
			memcpy(b, "\0\0\xff\xff\xff\xff", 6);
			b += 6;
		}
	}
	return ua_end(t, p, b, 0, q->number, 0);
}

static uint32_t
ua_answer(struct talk *t, uint8_t *p, const struct asked *q, unsigned wrong)
{
	static const uint16_t types[] = {634, 634, 676, 829};
	uint16_t type = types[(q->kind + (wrong == 3)) % 4];
	uint8_t *b = p + 24;

	*b++ = 1;
	*b++ = 0;
	*b++ = (uint8_t)type;
	*b++ = (uint8_t)(type >> 8);
	le32(b, draw(~0u));
	le32(b + 4, draw(~0u));
	le32(b + 8, t->stamp);
	le32(b + 12, wrong == 1 ? 0x80350000 : 0);
	memcpy(b + 16, "\0\xff\xff\xff\xff\0\0\0", 8);
	if (wrong == 4)
		b[16] = 1;
	b += 24;
	le32(b, 1);
	if (q->kind ==
	    UA_NAMES) { /* the server's namespaces, of which the last is not always the same */
		static const char *const uri[] = {"http://opcfoundation.org/UA/", "urn:server",
		    "urn:plant", "urn:other", "urn:third"};

		memcpy(b + 4, "\1\x8c\3\0\0\0", 6);
		b += 10;
		for (unsigned i = 0; i < 3; i++) {
			const char *u = uri[i < 2 ? i : 2 + q->arg % 3];

			le32(b, (uint32_t)strlen(u));
			memcpy(b + 4, u, strlen(u));
			b += 4 + strlen(u);
		}
		memset(b, 0xff, 4);
		return ua_end(t, p, b + 4, 1, q->number, wrong);
	}
	memcpy(b + 4,
	    "\x0d\x0a\0\0\x80\x3f"
	    "01234567"
	    "01234567"
	    "\xff\xff\xff\xff",
	    26);
	b += 30;
	return ua_end(t, p, b, 1, q->number, wrong);
}

static uint32_t (*const request_of[PROTOS])(struct talk *t, uint8_t *p, const struct asked *q) = {
    modbus_request, s7_request, ua_request};
static uint32_t (*const answer_of[PROTOS])(struct talk *t, uint8_t *p, const struct asked *q,
    unsigned wrong) = {modbus_answer, s7_answer, ua_answer};

/* --- comparing ----------------------------------------------------------------------------------- */

static int
keep(void *ctx, const void *p, size_t n)
{
	struct world *w = ctx;

	assert_true(w->n_dump[w->to] + n <= DUMP_BYTES);
	memcpy(w->dump[w->to] + w->n_dump[w->to], p, n);
	w->n_dump[w->to] += n;
	return 0;
}

/* Storms are the same, whether each of their events was made or only counted (alerts_again()). */
static void
same_storms(struct world *w)
{
	const struct alerts *a = w->x[0].alerts, *b = w->x[1].alerts;

	assert_memory_equal(a->fold->entry, b->fold->entry, sizeof(a->fold->entry));
	assert_memory_equal(a->fold->count, b->fold->count, sizeof(a->fold->count));
	assert_memory_equal(a->fold->tag, b->fold->tag, sizeof(a->fold->tag));
	assert_int_equal(a->fold->oldest, b->fold->oldest);
	assert_int_equal(a->fold->evicted, b->fold->evicted);
	assert_memory_equal(&a->shared->packet[0].writer, &b->shared->packet[0].writer,
	    sizeof(a->shared->packet[0].writer));
	assert_memory_equal(alerts_stats(a), alerts_stats(b), sizeof(*alerts_stats(a)));
}

/* Two addresses of two heaps: what a dissector's state has of them. */
static bool
addresses(uint64_t a, uint64_t b)
{
	return a >> 40 != 0 && b >> 40 != 0 && a >> 48 == 0 && b >> 48 == 0;
}

static void
same_flows(struct world *w)
{
	same_storms(w);
	for (w->to = 0; w->to < 2; w->to++) {
		w->n_dump[w->to] = 0;
		assert_int_equal(engine_export(w->x[w->to].e, false, keep, w), 0);
	}
	assert_int_equal(w->n_dump[0], w->n_dump[1]);
	for (size_t i = 0; i < w->n_dump[0]; i++) {
		size_t from = i < 7 ? 0 : i - 7;
		bool excused = false;

		if (w->dump[0][i] == w->dump[1][i])
			continue;
		for (size_t k = from; k <= i && k + 8 <= w->n_dump[0]; k++) {
			uint64_t a, b;

			memcpy(&a, w->dump[0] + k, 8);
			memcpy(&b, w->dump[1] + k, 8);
			excused |= addresses(a, b);
		}
		if (!excused)
			fail_msg("flows differ at byte %zu of %zu (frame %lu)", i, w->n_dump[0],
			    (unsigned long)w->frame);
	}
}

static void
same(struct world *w, const struct pkt *a, const struct pkt *b, unsigned n)
{
	const struct engine_stats *s = engine_stats(w->x[0].e), *t = engine_stats(w->x[1].e);

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(a[i].fate, b[i].fate);
		assert_int_equal(a[i].reason, b[i].reason);
		assert_int_equal(a[i].conduit, b[i].conduit);
		assert_int_equal(a[i].caplen, b[i].caplen);
		assert_memory_equal(a[i].bytes, b[i].bytes, a[i].caplen);
	}
	assert_memory_equal(s, t, sizeof(*s));
	assert_true(engine_balanced(s));
	assert_int_equal(w->x[0].events, w->x[1].events);
	assert_int_equal(w->x[0].frames, w->x[1].frames);
	for (unsigned i = 0; i < 64; i++)
		if (w->x[0].told != w->x[1].told && strcmp(w->x[0].text[i], w->x[1].text[i]) != 0)
			fail_msg("events differ:\n  %s\n  %s", w->x[0].text[i], w->x[1].text[i]);
	assert_true(w->x[0].told == w->x[1].told);
	assert_true(w->x[0].sent == w->x[1].sent);
	assert_true(w->x[0].counted == w->x[1].counted);
	assert_memory_equal(engine_shadow(w->x[0].e)->judged, engine_shadow(w->x[1].e)->judged,
	    offsetof(struct shadow_report, kind) - offsetof(struct shadow_report, judged));
	assert_memory_equal(engine_rule_hits(w->x[0].e), engine_rule_hits(w->x[1].e),
	    policy_rule_count(w->pol[w->in_force]) * sizeof(uint64_t));
}

static void
flush(struct world *w)
{
	struct pkt in[2][PKT_BURST];

	for (unsigned who = 0; who < 2; who++) {
		for (unsigned i = 0; i < w->n; i++)
			in[who][i] = w->burst[i].p;
		engine_burst(w->x[who].e, in[who], w->n);
	}
	same(w, in[0], in[1], w->n);
	w->n = 0;
	if (once_in(40))
		same_flows(w);
}

/* --- the network ------------------------------------------------------------------------------------ */

static void
arrive(struct world *w, const struct frame *f)
{
	struct frame *at = &w->burst[w->n++];

	*at = *f;
	at->p.bytes = at->b;
	at->p.ts_ns = w->now_ns += 200000 + draw(2000000);
	at->p.frame = ++w->frame;
	if (w->n == PKT_BURST || once_in(one_by_one ? 1 : 8))
		flush(w);
}

static void
enter(struct world *w, struct frame *f)
{
	if (once_in(250)) { /* something happens to it on the way, and it is sent again */
		struct frame bad = *f;

		bad.b[draw(bad.p.caplen)] ^= (uint8_t)(1u << draw(8));
		arrive(w, &bad);
	}
	if (w->n_later < LATER && once_in(60)) {
		f->wait = 1 + draw(6);
		w->later[w->n_later++] = *f;
		return;
	}
	if (once_in(300)) /* lost */
		return;
	arrive(w, f);
	if (once_in(200)) {
		if (once_in(2))
			f->b[draw(f->p.caplen)] ^= (uint8_t)(1 + draw(255));
		arrive(w, f);
	}
	for (unsigned i = 0; i < w->n_later; i++) {
		if (w->later[i].wait-- > 0)
			continue;
		arrive(w, &w->later[i]);
		w->later[i--] = w->later[--w->n_later];
	}
}

/* A segment of a talk, with headers that add up. */
static void
segment(struct world *w, struct talk *t, unsigned from, uint32_t seq, uint8_t flags,
    const uint8_t *p, uint32_t n)
{
	struct frame f;
	uint8_t *b = f.b, *ip, *tcp;
	uint32_t sum, opt = t->stamped ? 12 : 0, ack = t->side[from ^ 1].seq;

	memset(b, 0, 80);
	memcpy(b,
	    from ? "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0" : "\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0", 14);
	ip = b + 14;
	if (t->tagged) {
		memcpy(b + 12, "\x81\0\0\7\x08\0", 6);
		ip += 4;
	}
	tcp = ip + 20;
	ip[0] = 0x45;
	wire_put16(ip + 2, 40 + opt + n);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	wire_put32(ip + 12, t->side[from].ip);
	wire_put32(ip + 16, t->side[from ^ 1].ip);
	wire_put16(ip + 10, ~wire_sum(ip, 20, 0) & 0xffff);
	wire_put16(tcp, t->side[from].port);
	wire_put16(tcp + 2, t->side[from ^ 1].port);
	wire_put32(tcp + 4, seq);
	if (once_in(30)) /* says it later */
		ack = t->acked[from ^ 1];
	else if (once_in(400))
		ack += draw(100);
	t->acked[from ^ 1] = ack;
	wire_put32(tcp + 8, flags & ACK ? ack : 0);
	tcp[12] = (uint8_t)((20 + opt) / 4 << 4);
	tcp[13] = flags;
	wire_put16(tcp + 14, once_in(50) ? draw(65536) : 64240);
	if (opt) {
		memcpy(tcp + 20, "\1\1\x08\x0a", 4);
		wire_put32(tcp + 24, t->stamp++);
		wire_put32(tcp + 28, t->stamp);
	}
	if (n)
		memcpy(tcp + 20 + opt, p, n);
	sum = wire_sum(ip + 12, 8, 6 + 20 + opt + n);
	wire_put16(tcp + 16, ~wire_sum(tcp, 20 + opt + n, sum) & 0xffff);
	n += (uint32_t)(tcp - b) + 20 + opt;
	f.p = (struct pkt){.caplen = n, .wirelen = n, .port = (uint8_t)(w->guard ? from : 0)};
	enter(w, &f);
}

/* Bytes of a side, remembered to be said again. */
static void
say(struct world *w, struct talk *t, unsigned from, const uint8_t *p, uint32_t n)
{
	struct said *old = &t->old[from][draw(3)];

	*old = (struct said){.seq = t->side[from].seq, .n = n};
	memcpy(old->b, p, n);
	segment(w, t, from, t->side[from].seq, once_in(4) ? ACK : PSH | ACK, p, n);
	t->side[from].seq += n;
}

/* A PDU leaves: whole, with half of it behind, or with what was kept back in front. */
static void
pdu(struct world *w, struct talk *t, unsigned from, const uint8_t *p, uint32_t n)
{
	uint8_t b[2 * PDU_MAX];
	uint32_t had = t->n_rest[from];

	memcpy(b, t->rest[from], had);
	memcpy(b + had, p, n);
	n += had;
	t->n_rest[from] = 0;
	if (n < PDU_MAX && once_in(had ? 3 : 40)) { /* with the next one */
		memcpy(t->rest[from], b, n);
		t->n_rest[from] = n;
		return;
	}
	if (once_in(30)) {
		uint32_t cut = 1 + draw(n - 1);

		say(w, t, from, b, cut);
		say(w, t, from, b + cut, n - cut);
	} else {
		say(w, t, from, b, n);
	}
	if (once_in(25)) /* a bare acknowledgement of the other side */
		segment(w, t, from ^ 1, t->side[from ^ 1].seq, ACK, NULL, 0);
}

static void
again(struct world *w, struct talk *t)
{
	unsigned from = draw(2);
	struct said o = t->old[from][draw(3)];
	uint32_t skip = once_in(2) ? 0 : draw(o.n + 1);

	if (o.n == 0)
		return;
	if (once_in(4))
		o.b[draw(o.n)] ^= 1;
	segment(w, t, from, o.seq + skip, PSH | ACK, o.b + skip, o.n - skip);
}

/* Both sides of S7 agree on a size of PDUs; some on less than is asked for. */
static void
s7_setup(struct world *w, struct talk *t, uint8_t size)
{
	uint8_t answer[27] =
	    "\x03\0\0\x1b\2\xf0\x80\x32\3\0\0\xff\xff\0\x08\0\0\0\0\xf0\0\0\1\0\1\0";

	answer[26] = size;
	pdu(w, t, 0,
	    (const uint8_t
		    *)"\x03\0\0\x19\2\xf0\x80\x32\1\0\0\xff\xff\0\x08\0\0\xf0\0\0\1\0\1\1\xe0",
	    25);
	pdu(w, t, 1, answer, 27);
}

/* The client asks for the namespaces; the third is one of three. */
static void
ua_names(struct world *w, struct talk *t, unsigned third)
{
	const struct asked q = {.number = t->number++ & 0xffff, .kind = UA_NAMES, .arg = third};
	uint8_t b[PDU_MAX];

	pdu(w, t, 0, b, ua_request(t, b, &q));
	pdu(w, t, 1, b, ua_answer(t, b, &q, 0));
}

static void
begin(struct world *w, unsigned i)
{
	static const uint16_t ports[PROTOS] = {502, 102, 4840};
	struct talk *t = &w->talk[i];
	uint32_t seqs[2] = {draw(~0u), draw(~0u)};

	if (t->open && once_in(3)) /* reset, or forgotten */
		segment(w, t, draw(2), t->side[0].seq, once_in(2) ? RST | ACK : FIN | ACK, NULL, 0);
	memset(t, 0, sizeof(*t));
	t->proto = i % PROTOS;
	t->side[0] = (struct wire_side){0x0a010000u + i % 7, (uint16_t)(20000 + i), seqs[0]};
	t->side[1] = (struct wire_side){
	    0x0a020000u + (i % 8 < 4 ? 0 : i % 8 - 3) * 256 + i % 2, ports[t->proto], seqs[1]};
	t->tagged = i % 11 == 3;
	t->stamped = i % 5 == 1;
	t->number = draw(65536);
	t->open = true;
	if (once_in(6)) { /* we come in the middle of it */
		t->ua_seq[0] = draw(1000);
		t->ua_seq[1] = draw(1000);
		return;
	}
	segment(w, t, 0, t->side[0].seq++, SYN, NULL, 0);
	segment(w, t, 1, t->side[1].seq++, SYN | ACK, NULL, 0);
	segment(w, t, 0, t->side[0].seq, ACK, NULL, 0);
	if (t->proto == S7) {
		pdu(w, t, 0,
		    (const uint8_t
			    *)(i & 1
				   ? "\x03\0\0\x16\x11\xe0\0\0\0\1\0\xc1\2\1\0\xc2\2\1\2\xc0\1\x0a"
				   : "\x03\0\0\x16\x11\xe0\0\0\0\1\0\xc1\2\2\0\xc2\2\2\2\xc0\1"
				     "\x0a"),
		    22);
		pdu(w, t, 1,
		    (const uint8_t *)"\x03\0\0\x16\x11\xd0\0\1\0\2\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2",
		    22);
		s7_setup(w, t, i & 4 ? 60 : 240);
	} else if (t->proto == OPCUA) {
#define UA_NONE                                                                                    \
	"\x2f\0\0\0http://opcfoundation.org/UA/"                                                   \
	"SecurityPolicy#None\xff\xff\xff\xff\xff\xff\xff\xff"
		static const char hel[] = "HELF\x33\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0"
					  "\x13\0\0\0opc.tcp://plc:4840/";
		static const char ack[] = "ACKF\x1c\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0";
		static const char opn[] = "OPNF\x84\0\0\0\0\0\0\0" UA_NONE "\1\0\0\0\1\0\0\0"
					  "\1\0\xbe\1"
					  "\0\0"
					  "\0\0\0\0\0\0\0\0"
					  "\1\0\0\0"
					  "\0\0\0\0"
					  "\xff\xff\xff\xff"
					  "\0\0\0\0"
					  "\0\0\0"
					  "\0\0\0\0\0\0\0\0\1\0\0\0\xff\xff\xff\xff\x80\xee\x36\0";
		static const char opened[] =
		    "OPNF\x87\0\0\0\1\0\0\0" UA_NONE "\1\0\0\0\1\0\0\0"
		    "\1\0\xc1\1"
		    "\0\0\0\0\0\0\0\0"
		    "\1\0\0\0"
		    "\0\0\0\0"
		    "\0"
		    "\xff\xff\xff\xff"
		    "\0\0\0"
		    "\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x80\xee\x36\0\xff\xff\xff\xff";

		pdu(w, t, 0, (const uint8_t *)hel, sizeof(hel) - 1);
		pdu(w, t, 1, (const uint8_t *)ack, sizeof(ack) - 1);
		pdu(w, t, 0, (const uint8_t *)opn, sizeof(opn) - 1);
		pdu(w, t, 1, (const uint8_t *)opened, sizeof(opened) - 1);
		t->ua_seq[0] = t->ua_seq[1] = 1;
		if (i % 8 >= 4)
			ua_names(w, t, i % 8 == 4 ? 0 : draw(3));
	}
}

/* A client asks, or a server answers. */
static void
step(struct world *w, unsigned i)
{
	struct talk *t = &w->talk[i];
	uint8_t b[PDU_MAX];
	uint32_t n;

	if (!t->open || once_in(w->guard ? 90 : 300)) {
		begin(w, i);
		return;
	}
	if (once_in(60)) {
		again(w, t);
		return;
	}
	if (t->proto == OPCUA && t->n_wait == 0 && i % 8 > 4 && once_in(40))
		ua_names(w, t, draw(3));
	if (t->proto == S7 && t->n_wait == 0 && once_in(60))
		s7_setup(w, t, once_in(2) ? 27 : 60);
	if (t->n_wait == 0 || (t->n_wait < OPEN_MOST && once_in(30))) {
		struct asked *q = &t->wait[t->n_wait++];
		uint32_t pick = draw(100);

		*q = (struct asked){.number = t->number & 0xffff,
		    .kind = pick < 75 ? i / 3 % 2 : draw(12),
		    .arg = pick < 85 ? i / 2 % 16 & ~2u : draw(32),
		    .value = draw(6) * 20};
		t->number += once_in(30) ? 0 : 1;
		n = request_of[t->proto](t, b, q);
		if (once_in(120))
			b[draw(n)] ^= (uint8_t)(1u << draw(8));
		pdu(w, t, 0, b, n);
		if (once_in(200)) /* nobody answers */
			t->n_wait--;
		return;
	}
	n = once_in(12) ? draw(t->n_wait) : 0;
	{
		struct asked q = t->wait[n];

		t->wait[n] = t->wait[--t->n_wait];
		pdu(w, t, 1, b, answer_of[t->proto](t, b, &q, once_in(15) ? draw(10) : 0));
	}
}

static void
change_policy(struct world *w)
{
	w->in_force = once_in(3) ? draw(POLICIES) : 0;
	for (unsigned k = 0; k < 2; k++)
		engine_set_policy(w->x[k].e, w->pol[w->in_force]);
}

static void
change_shadow(struct world *w)
{
	w->shadow = once_in(6) ? draw(POLICIES) : (unsigned)POLICIES;
	for (unsigned k = 0; k < 2; k++)
		engine_set_shadow(w->x[k].e, w->shadow < POLICIES ? w->pol[w->shadow] : NULL);
}

/* Only some of the small ones are left: now and then there is none. */
static void
few_cells(struct cells *c)
{
	for (unsigned class = CELL_S; class <= CELL_P; class ++)
		while (c->used[class] + CELLS_LEFT < c->n[class])
			(void)cell_get_small(c, class);
}

/* heard: somebody is told of events; else they are only folded.  counts: ... and of facts, which he counts. */
static void
play(bool guard, bool tight, bool heard, bool counts)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned long most = frames;

	assert_non_null(w);
	rng = seed * 2 + guard + 0x9e3779b97f4a7c15u;
	w->guard = guard;
	w->now_ns = EPOCH;
	for (unsigned i = 0; i < POLICIES; i++) {
		struct complaints c = {0};

		w->pol[i] = policy_build_text("t", policies[i], strlen(policies[i]), &c);
		if (!w->pol[i])
			complaints_print(&c, stderr);
		assert_non_null(w->pol[i]);
		complaints_fini(&c);
	}
	for (unsigned k = 0; k < 2; k++) {
		struct engine_conf conf = {
		    .memory_bytes = tight ? 2u << 20 : 16u << 20,
		    .max_flows = tight ? 64 : FLOWS_MOST,
		    .seed = 7,
		    .inline_mode = guard,
		    .policy = w->pol[0],
		    .io = &w->x[k].io,
		    .on_event = heard ? on_event : NULL,
		    .on_fact = counts ? on_fact : NULL,
		    .on_known = counts ? on_known : NULL,
		    .ctx = &w->x[k],
		    .no_quick = k == 1,
		};
		const struct alerts_conf ac = {
		    .policy = w->pol[0],
		    .sensor = "t",
		    .fold_window_ns = ALERT_FOLD_WINDOW_NS,
		    .fold_seed = 5,
		};
		char err[128];

		conf.alerts = w->x[k].alerts = alerts_new(&ac, err, sizeof(err));
		assert_non_null(conf.alerts);

		w->x[k].seen = calloc(FLOWS_MOST, sizeof(*w->x[k].seen));
		assert_non_null(w->x[k].seen);
		w->x[k].io.be = &backend;
		w->x[k].e = engine_new(&conf);
		assert_non_null(w->x[k].e);
		if (tight) /* all that is known has to be told apart in one place */
			w->x[k].e->quick.small_mask = w->x[k].e->quick.large_mask = 0;
		w->x[k].e->quick.denied_most = heard ? QUICK_DENIED : 2;
		if (tight)
			few_cells(&w->x[k].e->cells);
		w->dump[k] = malloc(DUMP_BYTES);
		assert_non_null(w->dump[k]);
	}
	while (w->frame < most) {
		step(w, draw(TALKS));
		if (once_in(500))
			for (unsigned k = 0; k < 2; k++)
				(void)alerts_pump(w->x[k].alerts, w->now_ns);
		if (once_in(4000))
			change_policy(w);
		if (once_in(6000))
			change_shadow(w);
		if (once_in(1500))
			w->now_ns += (uint64_t)1 << (28 + draw(14)); /* at most an hour */
		if (once_in(20000))
			w->now_ns += UINT64_C(100000) * 1000000000u;
	}
	flush(w);
	same_flows(w);
	w->known = w->x[0].e->quick.known;
	print_message(
	    "%s%s: %lu frames, %lu PDUs, %lu of them known; %lu events, %lu frames of ours\n",
	    guard ? "guard" : "watch", tight ? ", little memory" : "", (unsigned long)w->frame,
	    (unsigned long)engine_stats(w->x[0].e)->pdus, w->known, w->x[0].events, w->x[0].frames);
	assert_true(w->known > most / (tight ? 300 : guard ? 50 : 12));
	assert_int_equal(w->x[1].e->quick.known, 0);
	assert_int_equal(w->x[0].known, counts ? w->known : 0);
	assert_int_equal(w->x[1].known, 0);
	assert_true((w->x[0].counted != 0) == counts);
	assert_true(w->x[0].e->quick.denies || guard || heard || tight);
	for (unsigned k = 0; k < 2; k++) {
		engine_finish(w->x[k].e);
		free(w->dump[k]);
	}
	same(w, NULL, NULL, 0);
	same_storms(w);
	assert_true(alerts_stats(w->x[0].alerts)->folded > w->x[0].events / 4);
	for (unsigned k = 0; k < 2; k++) {
		engine_free(w->x[k].e);
		alerts_free(w->x[k].alerts);
		free(w->x[k].seen);
	}
	for (unsigned i = 0; i < POLICIES; i++)
		policy_free(w->pol[i]);
	free(w);
}

static void
watch(void **state)
{
	(void)state;
	play(false, false, true, false);
	play(false, false, false, true);
}

static void
guard(void **state)
{
	(void)state;
	play(true, false, true, false);
	play(true, false, true, true);
}

static void
little_memory(void **state)
{
	(void)state;
	play(false, true, false, false);
	play(true, true, true, false);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(watch),
	    cmocka_unit_test(guard),
	    cmocka_unit_test(little_memory),
	};

	if (argc > 2) {
		seed = strtoull(argv[1], NULL, 10);
		frames = strtoul(argv[2], NULL, 10);
		one_by_one = argc > 3;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
