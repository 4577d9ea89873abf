/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ends_talk.h - what the two ends of ends.h say to each other: requests that a policy allows
 * and some that it rejects, in four protocols; who checks that each gets what it should.
 *
 * The server reads exactly the allowed requests, in order.  The client reads one answer for
 * each request: the server's, or the protocol's own refusal; in the order of the
 * requests where the protocol has no other way to tell.
 */
#ifndef TESTS_ENDS_TALK_H
#define TESTS_ENDS_TALK_H

#include "tests/unit/ends.h"
#include "tests/unit/opcua_talk.h"

#define JOBS 400u
#define PDU  600u

enum speech { SPEAK_MODBUS = 0, SPEAK_RTU, SPEAK_S7, SPEAK_OPCUA, SPEAK__N };

static const uint16_t speech_port[SPEAK__N] = {502, 4001, 102, 4840};
static const char *const speech_name[SPEAK__N] = {"modbus", "rtu", "s7", "opcua"};

static const char talk_rules[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25, \"fd00::/121\"]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25, \"fd00::80/121\"]}\n"
    "conduits:\n  - name: c\n    from: [it/*]\n    to: [ot/*]\n    otherwise: reject\n"
    "    modbus:\n      addressing: zero-based\n      ports: [502, 4001]\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n"
    "    s7:\n      allow:\n        - {name: poll, functions: [setup, read], read: [DB1]}\n"
    "    opcua:\n      allow:\n"
    "        - {name: session, services: [session, discovery]}\n"
    "        - {name: watch, services: [Read], nodes: [\"ns=2;*\", \"i=2255\"]}\n";

struct job {
	uint8_t req[PDU], res[PDU];
	uint32_t n_req, n_res;
	bool bad, alone, done; /* alone: nothing else is open meanwhile */
};

struct conversation {
	struct ends *w;
	enum speech speech;
	struct job job[JOBS];
	unsigned n, depth, split;  /* per mille of messages that are written in two */
	unsigned sent, open;	   /* client */
	unsigned served, answered; /* server */
	uint32_t parsed[2];	   /* offset of the next PDU each end reads */
	uint64_t think;		   /* ms a server takes, at most */
	uint64_t due[JOBS];
	uint32_t half[2]; /* bytes written of the message under way */
	uint64_t half_at[2];
	uint32_t seq[2], seen[2]; /* OPC UA: numbers given, numbers read */
	unsigned refusals, answers;
	struct talk talk;
	uint8_t *hear_to;
	uint32_t hear_n;
};

static inline uint16_t
talk_crc(const uint8_t *p, uint32_t n)
{
	uint16_t crc = 0xffff;

	while (n--) {
		crc ^= *p++;
		for (unsigned i = 0; i < 8; i++)
			crc = crc & 1 ? (uint16_t)(crc >> 1 ^ 0xa001) : crc >> 1;
	}
	return crc;
}

static inline uint32_t
talk_rtu_end(uint8_t *b, uint32_t n)
{
	uint16_t crc = talk_crc(b, n);

	b[n] = (uint8_t)crc;
	b[n + 1] = (uint8_t)(crc >> 8);
	return n + 2;
}

static inline void
talk_modbus(struct conversation *c, struct job *j, unsigned i)
{
	uint8_t body[300];
	uint32_t n, count = 1 + ends_random(c->w, 100), addr = ends_random(c->w, 100);
	bool rtu = c->speech == SPEAK_RTU;

	if (rtu && i == 0) /* an address of 0 would look like the head of Modbus/TCP */
		addr = 7;
	if (addr + count > 100)
		count = 100 - addr;
	body[0] = 1;
	if (!j->bad) {
		memcpy(body + 1, (uint8_t[]){3, 0, (uint8_t)addr, 0, (uint8_t)count}, 5);
		n = 6;
		j->res[6] = 1;
		j->res[7] = 3;
		j->res[8] = (uint8_t)(2 * count);
		for (uint32_t k = 0; k < 2 * count; k++)
			j->res[9 + k] = (uint8_t)(i + k);
		j->n_res = 9 + 2 * count;
	} else if (ends_random(c->w, 2)) {
		memcpy(body + 1, (uint8_t[]){6, 0, (uint8_t)addr, 0x12, 0x34}, 5);
		n = 6;
	} else { /* a long one */
		memcpy(body + 1, (uint8_t[]){16, 1, 1, 0, (uint8_t)count, (uint8_t)(2 * count)}, 6);
		for (uint32_t k = 0; k < 2 * count; k++)
			body[7 + k] = (uint8_t)(0xa0 + k);
		n = 7 + 2 * count;
	}
	if (rtu) {
		memcpy(j->req, body, n);
		j->n_req = talk_rtu_end(j->req, n);
		if (!j->bad) {
			memmove(j->res, j->res + 6, j->n_res - 6);
			j->n_res = talk_rtu_end(j->res, j->n_res - 6);
		}
		return;
	}
	memcpy(j->req, (uint8_t[]){(uint8_t)(i >> 8), (uint8_t)i, 0, 0, 0, (uint8_t)n}, 6);
	memcpy(j->req + 6, body, n);
	j->n_req = 6 + n;
	memcpy(j->res, (uint8_t[]){(uint8_t)(i >> 8), (uint8_t)i, 0, 0, 0, (uint8_t)(j->n_res - 6)},
	    6);
}

static inline uint32_t
talk_hex(uint8_t *to, const char *p)
{
	uint32_t n = 0;

	for (unsigned v; *p; p += 2) {
		while (*p == ' ')
			p++;
		if (!*p || sscanf(p, "%2x", &v) != 1)
			break;
		to[n++] = (uint8_t)v;
	}
	return n;
}

static inline void
talk_s7(struct conversation *c, struct job *j, unsigned i)
{
	uint32_t count = 1 + ends_random(c->w, 100);

	if (i == 0) {
		j->n_req = talk_hex(j->req, "03000016 11e00000000700 c1020100 c2020102 c0010a");
		j->n_res = talk_hex(j->res, "03000016 11d00007000300 c0010a c1020100 c2020102");
	} else if (i == 1) {
		j->n_req =
		    talk_hex(j->req, "03000019 02f080 3201 0000 0001 0008 0000 f0000001000101e0");
		j->n_res = talk_hex(
		    j->res, "0300001b 02f080 3203 0000 0001 0008 0000 0000 f0000001000100f0");
	} else if (!j->bad) {
		j->n_req = talk_hex(j->req,
		    "0300001f 02f080 3201 0000 0000 000e 0000 0401 120a1002 0000 0001 84 000000");
		j->req[24] = (uint8_t)count;
		j->n_res = talk_hex(
		    j->res, "0300001d 02f080 3203 0000 0000 0002 0000 0000 0401 ff04 0000");
		j->res[15] = (uint8_t)((4 + count) >> 8);
		j->res[16] = (uint8_t)(4 + count);
		j->res[23] = (uint8_t)((8 * count) >> 8);
		j->res[24] = (uint8_t)(8 * count);
		for (uint32_t k = 0; k < count; k++)
			j->res[25 + k] = (uint8_t)(i + k);
		j->n_res = 25 + count;
		j->res[2] = (uint8_t)(j->n_res >> 8);
		j->res[3] = (uint8_t)j->n_res;
	} else { /* a write, short or long */
		j->n_req = talk_hex(j->req, "03000000 02f080 3201 0000 0000 000e 0000 0501 "
					    "120a1002 0000 0001 84 000000 0004 0000");
		j->req[24] = (uint8_t)count;
		j->req[15] = (uint8_t)((4 + count) >> 8);
		j->req[16] = (uint8_t)(4 + count);
		j->req[33] = (uint8_t)((8 * count) >> 8);
		j->req[34] = (uint8_t)(8 * count);
		memset(j->req + 35, 0x55, count);
		j->n_req = 35 + count;
		j->req[2] = (uint8_t)(j->n_req >> 8);
		j->req[3] = (uint8_t)j->n_req;
	}
	j->alone = i < 2;
	if (i >= 2) {
		j->req[11] = j->res[11] = (uint8_t)(i >> 8);
		j->req[12] = j->res[12] = (uint8_t)i;
	}
}

static inline void
talk_hears(void *ctx, unsigned dir, bool refuse, const uint8_t *p, size_t n)
{
	struct conversation *c = ctx;

	(void)dir;
	(void)refuse;
	if (n > PDU)
		abort();
	memcpy(c->hear_to, p, n);
	c->hear_n = (uint32_t)n;
}

static inline uint32_t
talk_words(struct conversation *c, uint8_t *to, const char *words)
{
	c->hear_to = to;
	talk(&c->talk, words);
	return c->hear_n;
}

static inline void
talk_opcua(struct conversation *c, struct job *j, unsigned i)
{
	static const char *const begin[][2] = {{"> HEL", "< ACK"},
	    {"> OPN None 1", "< OPN None grant=9"}, {"> MSG Create urn:me", "< MSG Created None"},
	    {"> MSG Activate anonymous", "< MSG Activated"}};
	char words[80];

	if (i == 0) {
		memset(&c->talk, 0, offsetof(struct talk, body));
		c->talk.channel = 5;
		c->talk.token = 9;
		c->talk.hear = talk_hears;
		c->talk.ctx = c;
	}
	j->alone = i < 4;
	if (i < 4) {
		j->n_req = talk_words(c, j->req, begin[i][0]);
		j->n_res = talk_words(c, j->res, begin[i][1]);
		return;
	}
	if (!j->bad) {
		snprintf(words, sizeof(words), "> MSG Read ns=2;s=Tag%u", i % 4); /* polls */
		j->n_req = talk_words(c, j->req, words);
		j->n_res = talk_words(c, j->res, "< MSG Read.");
	} else {
		snprintf(words, sizeof(words), "> MSG Write ns=3;s=Valve%u=7", i);
		j->n_req = talk_words(c, j->req, words);
	}
}

static inline void
talk_job(struct conversation *c, unsigned i, unsigned bad)
{
	struct job *j = &c->job[i];
	unsigned free_of = c->speech == SPEAK_S7 ? 2 : c->speech == SPEAK_OPCUA ? 4 : 0;

	j->bad = i >= free_of && ends_random(c->w, 1000) < bad;
	if (c->speech == SPEAK_S7)
		talk_s7(c, j, i);
	else if (c->speech == SPEAK_OPCUA)
		talk_opcua(c, j, i);
	else
		talk_modbus(c, j, i);
}

/* Whole length of the PDU at p, or 0. */
static inline uint32_t
talk_frame(const struct conversation *c, const uint8_t *p, uint32_t n, bool answer)
{
	uint32_t len = UINT32_MAX;

	switch (c->speech) {
	case SPEAK_MODBUS:
		if (n >= 6)
			len = 6 + (uint32_t)(p[4] << 8 | p[5]);
		break;
	case SPEAK_RTU:
		if (n >= 3)
			len = !answer	    ? (p[1] == 16 && n >= 7 ? 9u + p[6] : 8u)
			      : p[1] & 0x80 ? 5u
					    : 5u + p[2];
		break;
	case SPEAK_S7:
		if (n >= 4)
			len = (uint32_t)(p[2] << 8 | p[3]);
		break;
	default:
		if (n >= 8)
			len = (uint32_t)(p[4] | p[5] << 8);
	}
	return n >= len ? len : 0;
}

/* Where a chunk has its number; 0: it has none. */
static inline uint32_t
talk_seq_at(const struct conversation *c, const uint8_t *p)
{
	if (c->speech != SPEAK_OPCUA)
		return 0;
	if (memcmp(p, "MSG", 3) == 0)
		return 16;
	return memcmp(p, "OPN", 3) == 0 ? 12u + 4 + p[12] + 8 : 0;
}

static inline uint32_t
talk_le(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Each end gives its own numbers, and wants the other's without a gap. */
static inline void
talk_number(struct conversation *c, unsigned who, uint8_t *p)
{
	uint32_t at = talk_seq_at(c, p), v = ++c->seq[who];

	if (at)
		for (unsigned k = 0; k < 4; k++)
			p[at + k] = (uint8_t)(v >> 8 * k);
	else
		c->seq[who]--;
}

static inline void
talk_numbered(struct conversation *c, unsigned who, uint8_t *p)
{
	uint32_t at = talk_seq_at(c, p);

	if (!at)
		return;
	WANT(c->w, talk_le(p + at) == ++c->seen[who]);
	memset(p + at, 0, 4);
}

/* Is this the answer to that request, and a refusal exactly where it should be? */
static inline bool
talk_answers(struct conversation *c, struct job *j, uint8_t *p, uint32_t n)
{
	uint8_t want[PDU];
	bool mine;

	switch (c->speech) {
	case SPEAK_MODBUS:
		mine = memcmp(p, j->req, 2) == 0;
		if (mine && j->bad)
			WANT(c->w, n == 9 && p[6] == 1 && p[7] == (j->req[7] | 0x80) && p[8] == 2);
		break;
	case SPEAK_RTU:
		mine = true; /* order is all there is */
		if (j->bad)
			WANT(c->w, n == 5 && p[1] == (j->req[1] | 0x80) && talk_crc(p, 5) == 0);
		break;
	case SPEAK_S7:
		mine = j->alone || memcmp(p + 11, j->req + 11, 2) == 0;
		if (mine && j->bad)
			WANT(c->w, n == 22 && p[8] == 3 && p[19] == 5 && p[21] == 3);
		break;
	default:
		mine = j->alone || memcmp(p + 20, j->req + 20, 4) == 0;
		if (mine && j->bad)
			WANT(c->w, n == 52 && talk_le(p + 40) == 0x801f0000u);
	}
	if (mine && !j->bad) {
		memcpy(want, j->res, j->n_res);
		if (talk_seq_at(c, want))
			memset(want + talk_seq_at(c, want), 0, 4);
		WANT(c->w, n == j->n_res && memcmp(p, want, n) == 0);
	}
	return mine;
}

/* --- the two programs ------------------------------------------------------------------------ */

/* Write a message, perhaps in two steps; true when all of it is written. */
static inline bool
talk_write(struct conversation *c, unsigned who, uint8_t *p, uint32_t n)
{
	struct end *t = &c->w->end[who];
	uint32_t k = n - c->half[who];

	if (c->half_at[who] > c->w->now)
		return false;
	if (c->half[who] == 0) {
		talk_number(c, who, p);
		if (n > 1 && ends_random(c->w, 1000) < c->split)
			k = 1 + ends_random(c->w, n - 1);
	}
	end_write(c->w, t, p + c->half[who], k);
	c->half[who] += k;
	if (c->half[who] < n) {
		c->half_at[who] = c->w->now + ends_random(c->w, 30);
		return false;
	}
	c->half[who] = 0;
	return true;
}

static inline void
talk_client(struct conversation *c)
{
	struct end *t = &c->w->end[CLIENT];
	uint32_t n;

	while (t->state == END_OPEN && c->sent < c->n && c->open < c->depth &&
	       !(c->open > 0 && (c->job[c->sent].alone || c->job[c->sent - 1].alone))) {
		struct job *j = &c->job[c->sent];

		if (!talk_write(c, CLIENT, j->req, j->n_req))
			break;
		c->sent++;
		c->open++;
	}
	t->read = t->got;
	while (
	    (n = talk_frame(c, t->in + c->parsed[CLIENT], t->got - c->parsed[CLIENT], true)) > 0) {
		uint8_t p[PDU];
		bool found = false;

		memcpy(p, t->in + c->parsed[CLIENT], n < PDU ? n : PDU);
		talk_numbered(c, SERVER, p);
		for (unsigned i = 0; i < c->sent && !found; i++) {
			struct job *j = &c->job[i];

			if (j->done)
				continue;
			if ((found = talk_answers(c, j, p, n))) {
				j->done = true;
				c->refusals += j->bad;
				c->answers += !j->bad;
			}
		}
		WANT(c->w, found);
		c->open--;
		c->parsed[CLIENT] += n;
	}
}

static inline void
talk_server(struct conversation *c)
{
	struct end *t = &c->w->end[SERVER];
	uint32_t n;

	t->read = t->got;
	while (
	    (n = talk_frame(c, t->in + c->parsed[SERVER], t->got - c->parsed[SERVER], false)) > 0) {
		uint8_t p[PDU], want[PDU];
		struct job *j;

		memcpy(p, t->in + c->parsed[SERVER], n < PDU ? n : PDU);

		while (c->served < c->n && c->job[c->served].bad)
			c->served++;
		WANT(c->w, c->served < c->n);
		j = &c->job[c->served];
		talk_numbered(c, CLIENT, p);
		memcpy(want, j->req, j->n_req);
		if (talk_seq_at(c, want))
			memset(want + talk_seq_at(c, want), 0, 4);
		WANT(c->w, n == j->n_req && memcmp(p, want, n) == 0);
		c->due[c->served++] =
		    c->w->now + (c->think ? ends_random(c->w, (uint32_t)c->think) : 0);
		c->parsed[SERVER] += n;
	}
	for (; c->answered < c->served; c->answered++) {
		struct job *j = &c->job[c->answered];

		if (j->bad)
			continue;
		if (c->due[c->answered] > c->w->now || !talk_write(c, SERVER, j->res, j->n_res))
			break;
	}
}

static inline bool
talk_over(const struct conversation *c)
{
	return c->answers + c->refusals == c->n;
}

static inline void
talk_run(struct conversation *c, uint64_t until)
{
	while (!talk_over(c) && c->w->now < until) {
		ends_tick(c->w);
		talk_client(c);
		talk_server(c);
	}
}

#endif /* TESTS_ENDS_TALK_H */
