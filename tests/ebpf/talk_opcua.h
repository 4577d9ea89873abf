/* SPDX-License-Identifier: Apache-2.0 */
/*
 * talk_opcua.h - messages of OPC UA binary ([P6] 6.7.2), one chunk each, as a client and a server would
 * say them: written field by field from OPC 10000-6 and -4, with nothing of what reads them.
 */
#ifndef TESTS_EBPF_TALK_OPCUA_H
#define TESTS_EBPF_TALK_OPCUA_H

#include <stdint.h>
#include <string.h>

#define TALK_UA_MAX 2000u

/* Where a conversation stands. */
struct talk_ua {
	uint32_t channel, token;
	uint32_t seq[2]; /* of the last message */
	uint32_t request, handle;
	uint64_t time;
	uint32_t sig; /* bytes of signature */
};

struct talk_ua_put {
	uint8_t *p;
	uint32_t n;
};

static inline void
talk_le(struct talk_ua_put *o, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		o->p[o->n++] = (uint8_t)(v >> 8 * i);
}

static inline void
talk_ua_text(struct talk_ua_put *o, const char *s)
{
	uint32_t n = s ? (uint32_t)strlen(s) : 0;

	talk_le(o, s ? n : UINT32_MAX, 4);
	memcpy(o->p + o->n, s ? s : "", n);
	o->n += n;
}

/* The head of the next message in a direction, its size still to come. */
static inline void
talk_ua_begin(struct talk_ua_put *o, struct talk_ua *t, uint8_t *p, unsigned dir, uint32_t request)
{
	*o = (struct talk_ua_put){.p = p};
	memcpy(p, "MSGF", 4);
	o->n = 8;
	talk_le(o, t->channel, 4);
	talk_le(o, t->token, 4);
	talk_le(o, ++t->seq[dir], 4);
	talk_le(o, request, 4);
}

static inline uint32_t
talk_ua_end(struct talk_ua_put *o, struct talk_ua *t)
{
	struct talk_ua_put size = {.p = o->p, .n = 4};

	for (uint32_t i = 0; i < t->sig; i++) /* who looks does not know the key: any bytes do */
		o->p[o->n++] = (uint8_t)(t->seq[0] * 31 + t->seq[1] * 17 + i);
	talk_le(&size, o->n, 4);
	return o->n;
}

/* Type, [P4] 7.33 RequestHeader with a session token of 16 opaque bytes. */
static inline void
talk_ua_request(struct talk_ua_put *o, struct talk_ua *t, uint8_t *p, uint16_t type)
{
	talk_ua_begin(o, t, p, 0, ++t->request);
	talk_le(o, 1, 2);
	talk_le(o, type, 2);
	talk_le(o, 5, 1);
	talk_le(o, 0, 2);
	talk_le(o, 16, 4);
	for (unsigned i = 0; i < 16; i++)
		talk_le(o, 0xa0 + i, 1);
	talk_le(o, t->time += 10000, 8);
	talk_le(o, ++t->handle, 4);
	talk_le(o, 0, 4); /* no diagnostics */
	talk_ua_text(o, NULL);
	talk_le(o, 10000, 4);
	talk_le(o, 0, 3);
}

/* n nodes "ns=2;s=<name><first + i>" by Read. */
static inline uint32_t
talk_ua_read(struct talk_ua *t, uint8_t *p, const char *name, unsigned first, unsigned n)
{
	struct talk_ua_put o;
	char text[64];

	talk_ua_request(&o, t, p, 631);
	talk_le(&o, 0, 8); /* maxAge */
	talk_le(&o, 3, 4); /* no timestamps */
	talk_le(&o, n, 4);
	for (unsigned i = 0; i < n; i++) {
		size_t k = strlen(name);

		memcpy(text, name, k);
		text[k] = (char)('0' + (first + i) % 10);
		text[k + 1] = '\0';
		talk_le(&o, 3, 1);
		talk_le(&o, 2, 2);
		talk_ua_text(&o, text);
		talk_le(&o, 13, 4);
		talk_ua_text(&o, NULL);
		talk_le(&o, 0, 2);
		talk_ua_text(&o, NULL);
	}
	return talk_ua_end(&o, t);
}

/* A Double to "ns=2;s=<name>". */
static inline uint32_t
talk_ua_write(struct talk_ua *t, uint8_t *p, const char *name, uint64_t value)
{
	struct talk_ua_put o;

	talk_ua_request(&o, t, p, 673);
	talk_le(&o, 1, 4);
	talk_le(&o, 3, 1);
	talk_le(&o, 2, 2);
	talk_ua_text(&o, name);
	talk_le(&o, 13, 4);
	talk_ua_text(&o, NULL);
	talk_le(&o, 1, 1);
	talk_le(&o, 11, 1);
	talk_le(&o, value, 8);
	return talk_ua_end(&o, t);
}

static inline uint32_t
talk_ua_publish(struct talk_ua *t, uint8_t *p, unsigned acks)
{
	struct talk_ua_put o;

	talk_ua_request(&o, t, p, 826);
	talk_le(&o, acks, 4);
	for (unsigned i = 0; i < acks; i++) {
		talk_le(&o, 7, 4);
		talk_le(&o, t->request + i, 4);
	}
	return talk_ua_end(&o, t);
}

/* References of "ns=2;s=<name>", forward. */
static inline uint32_t
talk_ua_browse(struct talk_ua *t, uint8_t *p, const char *name)
{
	struct talk_ua_put o;

	talk_ua_request(&o, t, p, 527);
	talk_le(&o, 0, 2); /* no view: NodeId 0, time, version */
	talk_le(&o, 0, 8);
	talk_le(&o, 0, 4);
	talk_le(&o, 100, 4);
	talk_le(&o, 1, 4);
	talk_le(&o, 3, 1);
	talk_le(&o, 2, 2);
	talk_ua_text(&o, name);
	talk_le(&o, 0, 4);
	talk_le(&o, 0, 2);
	talk_le(&o, 1, 1);
	talk_le(&o, 0, 4);
	talk_le(&o, 63, 4);
	return talk_ua_end(&o, t);
}

/* RegisterNodes of one node, or (694) its like: a request whose answer changes what names mean. */
static inline uint32_t
talk_ua_register(struct talk_ua *t, uint8_t *p, const char *name)
{
	struct talk_ua_put o;

	talk_ua_request(&o, t, p, 560);
	talk_le(&o, 1, 4);
	talk_le(&o, 3, 1);
	talk_le(&o, 2, 2);
	talk_ua_text(&o, name);
	return talk_ua_end(&o, t);
}

/* [P4] 7.34 ResponseHeader of a type, to a request; then body bytes of anything. */
static inline uint32_t
talk_ua_answer(
    struct talk_ua *t, uint8_t *p, uint16_t type, uint32_t request, uint32_t status, uint32_t body)
{
	struct talk_ua_put o;

	talk_ua_begin(&o, t, p, 1, request);
	talk_le(&o, 1, 2);
	talk_le(&o, type, 2);
	talk_le(&o, t->time, 8);
	talk_le(&o, t->handle, 4);
	talk_le(&o, status, 4);
	talk_le(&o, 0, 1);
	talk_le(&o, 0, 4);
	talk_le(&o, 0, 3);
	for (uint32_t i = 0; i < body; i++)
		talk_le(&o, i * 7 + t->seq[1], 1);
	return talk_ua_end(&o, t);
}

/* The same in a message whose numbers are given back: as if it had not been said. */
static inline void
talk_ua_unsaid(struct talk_ua *t, unsigned dir)
{
	t->seq[dir]--;
}

static inline uint32_t
talk_ua_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* HEL and ACK, [P6] 7.1.2; OPN and its answer, 6.7.2 and [P4] 5.6.2: for mode None, or as if encrypted. */
static inline uint32_t
talk_ua_hello(uint8_t *p, bool ack)
{
	struct talk_ua_put o = {.p = p, .n = 8}, size = {.p = p, .n = 4};

	memcpy(p, ack ? "ACKF" : "HELF", 4);
	talk_le(&o, 0, 4);
	talk_le(&o, 65536, 4);
	talk_le(&o, 65536, 4);
	talk_le(&o, 0, 4);
	talk_le(&o, 0, 4);
	if (!ack)
		talk_ua_text(&o, "opc.tcp://10.0.1.3:4840");
	talk_le(&size, o.n, 4);
	return o.n;
}

static inline uint32_t
talk_ua_open(struct talk_ua *t, uint8_t *p, bool answer)
{
	struct talk_ua_put o = {.p = p, .n = 8}, size = {.p = p, .n = 4};

	memcpy(p, "OPNF", 4);
	talk_le(&o, answer || t->token ? t->channel : 0, 4);
	if (t->sig) { /* certificate, thumbprint, and what only the two can read */
		talk_ua_text(&o, "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256");
		talk_le(&o, 120, 4);
		for (unsigned i = 0; i < 120; i++)
			talk_le(&o, i * 37, 1);
		talk_le(&o, 20, 4);
		for (unsigned i = 0; i < 20 + 256; i++)
			talk_le(&o, i * 91 + 7, 1);
		t->seq[answer]++;
		t->request += !answer;
		t->token += answer;
		talk_le(&size, o.n, 4);
		return o.n;
	}
	talk_ua_text(&o, "http://opcfoundation.org/UA/SecurityPolicy#None");
	talk_ua_text(&o, NULL);
	talk_ua_text(&o, NULL);
	talk_le(&o, ++t->seq[answer], 4);
	talk_le(&o, answer ? t->request : ++t->request, 4);
	talk_le(&o, 1, 2);
	talk_le(&o, answer ? 449 : 446, 2);
	if (answer) {
		talk_le(&o, t->time, 8);
		talk_le(&o, t->handle, 4);
		talk_le(&o, 0, 4);
		talk_le(&o, 0, 1);
		talk_le(&o, 0, 4);
		talk_le(&o, 0, 3);
		talk_le(&o, 0, 4); /* protocol version */
		talk_le(&o, t->channel, 4);
		talk_le(&o, ++t->token, 4);
		talk_le(&o, t->time, 8);
		talk_le(&o, 3600000, 4);
		talk_ua_text(&o, NULL);
	} else {
		talk_le(&o, 0, 2);
		talk_le(&o, t->time, 8);
		talk_le(&o, ++t->handle, 4);
		talk_le(&o, 0, 4);
		talk_ua_text(&o, NULL);
		talk_le(&o, 10000, 4);
		talk_le(&o, 0, 3);
		talk_le(&o, 0, 4);
		talk_le(&o, t->token ? 1 : 0, 4); /* issue, or renew */
		talk_le(&o, 1, 4);		  /* mode None */
		talk_ua_text(&o, NULL);
		talk_le(&o, 3600000, 4);
	}
	talk_le(&size, o.n, 4);
	return o.n;
}

#endif /* TESTS_EBPF_TALK_OPCUA_H */
