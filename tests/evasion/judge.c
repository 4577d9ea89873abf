/* SPDX-License-Identifier: Apache-2.0 */
/*
 * judge.c - the victim's reading of what its socket delivered: whole PDUs, the answers a
 * device would give, and whether a forbidden one was among them.
 *
 * Modbus TCP:  MODBUS Messaging on TCP/IP V1.0b 3.1.3: MBAP header, length, PDU.
 * S7:	       RFC 1006 TPKT, ISO 8073 class 0 DT with EOT bit, S7 message of all DTs.
 * OPC UA:     Part 6 6.7.2: chunks C, F, A; the body's first node says which service.
 *
 * Only a fixed little is allowed (pdu_*() below, and the policy that the device under test
 * gets): whatever else is complete is forbidden.  Devices differ in what they do behind
 * a PDU they cannot read, so there a forbidden message counts wherever it begins.
 */
#include <string.h>

#include "tests/evasion/evade.h"

#define ANSWER_MAX 600u
#define WHOLE_MAX  8192u

enum { PDU_MORE = 0, PDU_NONE = -1 }; /* else its length */

struct walk {
	enum proto proto;
	void (*found)(void *ctx, int ask, struct bytes answer);
	void *ctx;
	uint8_t answer[ANSWER_MAX], whole[WHOLE_MAX];
	uint32_t n_whole;
	uint32_t chunks; /* server's sequence number */
};

static void
found(struct walk *k, int ask, uint32_t n)
{
	k->found(k->ctx, ask, (struct bytes){k->answer, n});
}

/* The canned answer of that name; its length. */
static uint32_t
canned(struct walk *k, const char *name)
{
	const struct bytes *m = message_find(k->proto, name);

	if (!m || m->n > ANSWER_MAX)
		return 0;
	memcpy(k->answer, m->p, m->n);
	return m->n;
}

/* --- Modbus ------------------------------------------------------------------------------------ */

static int
modbus_next(struct walk *k, struct bytes b)
{
	uint32_t len, count;

	if (b.n < 6)
		return PDU_MORE;
	len = get16(b.p + 4);
	if (get16(b.p + 2) != 0 || len < 2 || len > 254)
		return PDU_NONE;
	if (b.n < 6 + len)
		return PDU_MORE;
	memcpy(k->answer, b.p, 8);
	count = len >= 6 ? get16(b.p + 10) : 0;
	if (b.p[7] == 3 && len == 6 && count >= 1 && count <= 125) {
		put16(k->answer + 4, 3 + 2 * count);
		k->answer[8] = (uint8_t)(2 * count);
		memset(k->answer + 9, 0x11, 2 * count);
		found(k, b.p[6] == 1 && get16(b.p + 8) + count <= 100 ? ASK_ALLOWED : ASK_FORBIDDEN,
		    9 + 2 * count);
	} else if (b.p[7] == 6 && len == 6) {
		memcpy(k->answer, b.p, 12);
		found(k, ASK_FORBIDDEN, 12);
	} else {
		put16(k->answer + 4, 3);
		k->answer[7] |= 0x80;
		k->answer[8] = 1;
		found(k, ASK_FORBIDDEN, 9);
	}
	return (int)(6 + len);
}

/* --- S7 ------------------------------------------------------------------------------------------ */

static void
s7_message(struct walk *k, struct bytes b)
{
	static const struct {
		uint8_t function;
		int ask;
		const char *answer;
	} functions[] = {{0xf0, ASK_ALLOWED, "answer-setup"}, {4, ASK_ALLOWED, "answer-read"},
	    {5, ASK_FORBIDDEN, "answer-write"}, {0x29, ASK_FORBIDDEN, "answer-stop"}};
	uint32_t n = 0;
	int ask = ASK_FORBIDDEN;

	if (b.n < 11 || b.p[0] != 0x32 || b.p[1] != 1)
		return;
	for (unsigned i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (functions[i].function == b.p[10]) {
			ask = functions[i].ask;
			if ((n = canned(k, functions[i].answer)) > 13)
				memcpy(k->answer + 11, b.p + 4, 2); /* its reference */
		}
	found(k, ask, n);
}

static int
s7_next(struct walk *k, struct bytes b)
{
	uint32_t len, hl;

	if (b.n > 0 && b.p[0] != 3)
		return PDU_NONE;
	if (b.n < 7)
		return PDU_MORE;
	len = get16(b.p + 2);
	if (len < 7)
		return PDU_NONE;
	if (b.n < len)
		return PDU_MORE;
	hl = b.p[4];
	if (b.p[5] == 0xe0) {
		k->n_whole = 0;
		found(k, ASK_ALLOWED, canned(k, "answer-connect"));
	} else if (b.p[5] == 0xf0) {
		if (hl != 2 || k->n_whole + len - 7 > WHOLE_MAX)
			return PDU_NONE;
		memcpy(k->whole + k->n_whole, b.p + 7, len - 7);
		k->n_whole += len - 7;
		if (b.p[6] & 0x80) {
			s7_message(k, (struct bytes){k->whole, k->n_whole});
			k->n_whole = 0;
		}
	}
	return (int)len;
}

/* --- OPC UA -------------------------------------------------------------------------------------- */

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* The number of a service's type node (Part 6 5.2.2.9), in any form of namespace 0. */
static uint32_t
type_node(struct bytes b)
{
	if (b.n >= 2 && b.p[0] == 0)
		return b.p[1];
	if (b.n >= 4 && b.p[0] == 1 && b.p[1] == 0)
		return (uint32_t)b.p[3] << 8 | b.p[2];
	if (b.n >= 7 && b.p[0] == 2 && b.p[1] == 0 && b.p[2] == 0)
		return le32(b.p + 3);
	return 0;
}

static void
opcua_message(struct walk *k, const uint8_t *chunk)
{
	static const struct {
		uint32_t type;
		int ask;
		const char *answer;
	} services[] = {{461, ASK_ALLOWED, "answer-create"}, {467, ASK_ALLOWED, "answer-activate"},
	    {631, ASK_ALLOWED, "answer-read"}, {673, ASK_FORBIDDEN, "answer-write"}};
	uint32_t type = type_node((struct bytes){k->whole, k->n_whole}), n = 0;
	int ask = ASK_FORBIDDEN;

	for (unsigned i = 0; i < sizeof(services) / sizeof(*services); i++)
		if (services[i].type == type) {
			ask = services[i].ask;
			if ((n = canned(k, services[i].answer)) > 24) {
				k->chunks++;
				k->answer[16] = (uint8_t)(k->chunks + 1);
				memcpy(k->answer + 20, chunk + 20, 4); /* its request id */
			}
		}
	found(k, ask, n);
}

static int
opcua_next(struct walk *k, struct bytes b)
{
	uint32_t len;

	if (b.n < 8)
		return PDU_MORE;
	len = le32(b.p + 4);
	if (len < 8 || len > 65536)
		return PDU_NONE;
	if (b.n < len)
		return PDU_MORE;
	if (memcmp(b.p, "HEL", 3) == 0) {
		found(k, ASK_ALLOWED, canned(k, "answer-hello"));
	} else if (memcmp(b.p, "OPN", 3) == 0) {
		found(k, ASK_ALLOWED, canned(k, "answer-open"));
	} else if (memcmp(b.p, "MSG", 3) == 0 && len >= 24) {
		if (b.p[3] == 'A' || k->n_whole + len - 24 > WHOLE_MAX) {
			k->n_whole = 0;
			return (int)len;
		}
		memcpy(k->whole + k->n_whole, b.p + 24, len - 24);
		k->n_whole += len - 24;
		if (b.p[3] == 'F') {
			opcua_message(k, b.p);
			k->n_whole = 0;
		}
	} else if (memcmp(b.p, "CLO", 3) != 0) {
		return PDU_NONE;
	}
	return (int)len;
}

/* --- all of it ------------------------------------------------------------------------------------ */

struct bytes
pdu_walk(enum proto proto, struct bytes b, void (*cb)(void *, int, struct bytes), void *ctx)
{
	static int (*const next[PROTOS])(struct walk *, struct bytes) = {
	    modbus_next, s7_next, opcua_next};
	static struct walk k;
	int n;

	k.proto = proto;
	k.found = cb;
	k.ctx = ctx;
	k.n_whole = k.chunks = 0;
	while ((n = next[proto](&k, b)) > 0) {
		b.p += n;
		b.n -= (uint32_t)n;
	}
	return n == PDU_NONE ? b : (struct bytes){NULL, 0};
}

static void
note_forbidden(void *ctx, int ask, struct bytes answer)
{
	(void)answer;
	*(bool *)ctx |= ask == ASK_FORBIDDEN;
}

bool
bytes_forbidden(enum proto proto, struct bytes b)
{
	/* What comes before the part that acts: MBAP without the unit; TPKT, DT and the
	 * header of S7; the chunk's header. */
	static const uint32_t head[PROTOS] = {6, 17, 24};
	const struct bytes *m = message_find(proto, "forbidden");
	bool bad = false;
	struct bytes rest = pdu_walk(proto, b, note_forbidden, &bad);

	return bad || (rest.n > 0 && m &&
			  memmem(rest.p, rest.n, m->p + head[proto], m->n - head[proto]) != NULL);
}
