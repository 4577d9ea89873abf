/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pdus.h - the conversations that benchmarks and made captures consist of: per protocol its handshake, a common
 * read and a common write of one object, and an Ethernet frame around any of them.
 */
#ifndef TESTS_BENCH_PDUS_H
#define TESTS_BENCH_PDUS_H

#include <stdint.h>
#include <string.h>

/* A PDU and where its numbers stand; 0: it has none there. */
struct tmpl {
	const char *bytes;
	uint16_t len;
	uint8_t txn16_be; /* 1 + offset of a 16-bit transaction number */
	uint8_t seq32_le; /* of OPC UA's sequence number; the request id follows it */
};

struct protocol {
	const char *name, *rules;
	uint16_t port;
	struct tmpl open[4];   /* request, answer, request, answer */
	struct tmpl pdu[2][2]; /* [read, write][request, response] */
};

#define T(s, ...)                                                                                  \
	{                                                                                          \
		.bytes = (s), .len = sizeof(s) - 1, __VA_ARGS__                                    \
	}

/* [S7] TPKT, COTP, S7comm: read or write of DB10 from byte 0, 10 bytes and one word. */
#define S7_JOB "\x03\x00\x00\x1f\x02\xf0\x80\x32\x01\x00\x00\x00\x00\x00\x0e\x00\x00"
#define S7_ANY "\x12\x0a\x10\x02\x00\x0a\x00\x0a\x84\x00\x00\x00"

/* OPC UA binary: chunk header, channel 1, token 1; a session token of 32 bytes. */
#define UA_HEAD(size)                                                                              \
	size "\0\0\0\x01\0\0\0\x01\0\0\0"                                                          \
	     "\0\0\0\0\0\0\0\0"
#define UA_REQUEST                                                                                 \
	"\x05\0\0\x20\0\0\0"                                                                       \
	"0123456789abcdef0123456789abcdef"                                                         \
	"\0\0\0\0\0\0\0\0"                                                                         \
	"\1\0\0\0"                                                                                 \
	"\0\0\0\0"                                                                                 \
	"\xff\xff\xff\xff"                                                                         \
	"\x10\x27\0\0"                                                                             \
	"\0\0\0"
#define UA_NULL_REQUEST                                                                            \
	"\0\0"                                                                                     \
	"\0\0\0\0\0\0\0\0"                                                                         \
	"\1\0\0\0"                                                                                 \
	"\0\0\0\0"                                                                                 \
	"\xff\xff\xff\xff"                                                                         \
	"\0\0\0\0"                                                                                 \
	"\0\0\0"
#define UA_RESPONSE                                                                                \
	"\0\0\0\0\0\0\0\0"                                                                         \
	"\1\0\0\0"                                                                                 \
	"\0\0\0\0"                                                                                 \
	"\0"                                                                                       \
	"\xff\xff\xff\xff"                                                                         \
	"\0\0\0"
#define UA_NODE                                                                                    \
	"\x03\x02\0\x0c\0\0\0Recipe.Speed"                                                         \
	"\x0d\0\0\0"                                                                               \
	"\xff\xff\xff\xff"
#define UA_NONE                                                                                    \
	"\x2f\0\0\0http://opcfoundation.org/UA/"                                                   \
	"SecurityPolicy#None\xff\xff\xff\xff\xff\xff\xff\xff"

static const struct protocol protocols[] = {
    {
	.name = "modbus",
	.port = 502,
	.rules = "modbus:\n      addressing: zero-based\n      allow:\n"
		 "        - {name: r, units: [1], functions: [3], holding: [0..99]}\n"
		 "        - {name: w, units: [1], functions: [16], holding: [0..99]}\n",
	.pdu = {{T("\0\0\0\0\0\6\1\3\0\0\0\5", .txn16_be = 1), T("\0\0\0\0\0\x0d\1\3\x0a"
								 "0123456789",
								   .txn16_be = 1)},
	    {T("\0\0\0\0\0\x09\1\x10\0\0\0\1\2\0\7", .txn16_be = 1),
		T("\0\0\0\0\0\6\1\x10\0\0\0\1", .txn16_be = 1)}},
    },
    {
	.name = "s7",
	.port = 102,
	.rules = "s7:\n      allow:\n"
		 "        - {name: r, functions: [setup, read], read: [DB10.DBB0..20]}\n"
		 "        - {name: w, functions: [write], write: [DB10.DBB0..20]}\n",
	.open = {T("\x03\0\0\x16\x11\xe0\0\0\0\1\0\xc1\2\1\0\xc2\2\1\2\xc0\1\x0a"),
	    T("\x03\0\0\x16\x11\xd0\0\1\0\2\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"),
	    T("\x03\0\0\x19\2\xf0\x80\x32\1\0\0\xff\xff\0\x08\0\0\xf0\0\0\1\0\1\1\xe0"),
	    T("\x03\0\0\x1b\2\xf0\x80\x32\3\0\0\xff\xff\0\x08\0\0\0\0\xf0\0\0\1\0\1\0\xf0")},
	.pdu = {{T(S7_JOB "\4\1" S7_ANY, .txn16_be = 12),
		    T("\x03\0\0\x23\2\xf0\x80\x32\3\0\0\0\0\0\2\0\x0e\0\0\4\1\xff\4\0\x50"
		      "0123456789",
			.txn16_be = 12)},
	    {T("\x03\0\0\x25\2\xf0\x80\x32\1\0\0\0\0\0\x0e\0\6\5\1"
	       "\x12\x0a\x10\2\0\2\0\x0a\x84\0\0\0"
	       "\0\4\0\x10\0\7",
		 .txn16_be = 12),
		T("\x03\0\0\x16\2\xf0\x80\x32\3\0\0\0\0\0\2\0\1\0\0\5\1\xff", .txn16_be = 12)}},
    },
    {
	.name = "opcua",
	.port = 4840,
	.rules = "opcua:\n      allow:\n"
		 "        - {name: s, services: [session]}\n"
		 "        - {name: rw, services: [Read, Write], nodes: [\"ns=2;s=Recipe.*\"]}\n",
	.open = {T("HELF\x33\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\x13\0\0\0opc.tcp://"
		   "plc:4840/"),
	    T("ACKF\x1c\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0"),
	    T("OPNF\x84\0\0\0\0\0\0\0" UA_NONE "\1\0\0\0\1\0\0\0"
	      "\1\0\xbe\1" UA_NULL_REQUEST
	      "\0\0\0\0\0\0\0\0\1\0\0\0\xff\xff\xff\xff\x80\xee\x36\0"),
	    T("OPNF\x87\0\0\0\1\0\0\0" UA_NONE "\1\0\0\0\1\0\0\0"
	      "\1\0\xc1\1" UA_RESPONSE
	      "\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x80\xee\x36\0\xff\xff\xff\xff")},
	.pdu = {{T("MSGF" UA_HEAD("\x8f") "\1\0\x77\2" UA_REQUEST "\0\0\0\0\0\0\0\0"
					  "\0\0\0\0"
					  "\1\0\0\0" UA_NODE "\0\0\xff\xff\xff\xff",
		     .seq32_le = 16),
		    T("MSGF" UA_HEAD("\x52") "\1\0\x7a\2" UA_RESPONSE "\1\0\0\0"
					     "\x0d\x0a\0\0\x80\x3f"
					     "01234567"
					     "01234567"
					     "\xff\xff\xff\xff",
			.seq32_le = 16)},
	    {T("MSGF" UA_HEAD("\x83") "\1\0\xa1\2" UA_REQUEST "\1\0\0\0" UA_NODE
				      "\x01\x0a\0\0\x80\x3f",
		 .seq32_le = 16),
		T("MSGF" UA_HEAD("\x40") "\1\0\xa4\2" UA_RESPONSE "\1\0\0\0"
					 "\0\0\0\0"
					 "\xff\xff\xff\xff",
		    .seq32_le = 16)}},
    },
};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

static inline void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static inline void
put32le(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* The frame around a PDU; addresses and numbers as they stand, no checksums (nobody asks). */
struct talk {
	uint32_t client, server;
	uint16_t cport, port;
	uint32_t seq[2], said[2]; /* TCP; OPC UA's own: by who speaks, 0 the client */
};

#define FRAME_HEAD 54u

/*
 * What side `who` says next, into b (FRAME_HEAD + t->len bytes); flags are TCP's, t may be NULL.  txn: the
 * number of a transaction, of both its PDUs.  Returns the length.
 */
static inline uint32_t
frame_put(
    uint8_t *b, struct talk *k, unsigned who, uint8_t flags, const struct tmpl *t, uint32_t txn)
{
	uint8_t *ip = b + 14, *tcp = ip + 20, *pay = tcp + 20;
	uint32_t n = t ? t->len : 0;

	memset(b, 0, FRAME_HEAD);
	memcpy(b, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", 14);
	ip[0] = 0x45;
	put16(ip + 2, 40 + n);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + 12, who ? k->server : k->client);
	put32(ip + 16, who ? k->client : k->server);
	put16(tcp, who ? k->port : k->cport);
	put16(tcp + 2, who ? k->cport : k->port);
	put32(tcp + 4, k->seq[who]);
	put32(tcp + 8, flags & 16 ? k->seq[who ^ 1] : 0);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put16(tcp + 14, 64240);
	if (n) {
		memcpy(pay, t->bytes, n);
		if (t->txn16_be)
			put16(pay + t->txn16_be - 1, txn & 0xffff);
		if (t->seq32_le) {
			put32le(pay + t->seq32_le, k->said[who]);
			put32le(pay + t->seq32_le + 4, txn);
		}
		k->said[who]++;
	}
	k->seq[who] += n + (flags & 2 ? 1 : 0);
	return FRAME_HEAD + n;
}

#endif /* TESTS_BENCH_PDUS_H */
