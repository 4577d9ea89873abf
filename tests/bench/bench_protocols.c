/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_protocols.c - what a PDU of each protocol costs in the engine, beside Modbus.
 *
 * One engine and one policy per protocol; 1 000 flows each, opened with the protocol's own
 * handshake.  A lap is one request and one response of every flow in random order, with fresh
 * sequence, acknowledgement and transaction numbers.  Laps of the protocols alternate, and what
 * is printed is the median over laps of thread CPU time per packet, and of the ratio to the
 * Modbus lap beside it.  The common read and the common write: one object each, allowed by a rule.
 *
 * usage: bench_protocols [quick]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dataplane/engine.h"

#define SLOT	256u /* bytes between frames in memory */
#define FLOWS	1000u
#define LAPS_MAX 400

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
	struct tmpl open[4]; /* request, answer, request, answer */
	struct tmpl pdu[2][2]; /* [read, write][request, response] */
};

#define T(s, ...) {.bytes = (s), .len = sizeof(s) - 1, __VA_ARGS__}

/* [S7] TPKT, COTP, S7comm: read or write of DB10 from byte 0, 10 bytes and one word. */
#define S7_JOB "\x03\x00\x00\x1f\x02\xf0\x80\x32\x01\x00\x00\x00\x00\x00\x0e\x00\x00"
#define S7_ANY "\x12\x0a\x10\x02\x00\x0a\x00\x0a\x84\x00\x00\x00"

/* OPC UA binary: chunk header, channel 1, token 1; a session token of 32 bytes. */
#define UA_HEAD(size) size "\0\0\0\x01\0\0\0\x01\0\0\0" "\0\0\0\0\0\0\0\0"
#define UA_REQUEST \
	"\x05\0\0\x20\0\0\0" "0123456789abcdef0123456789abcdef" \
	"\0\0\0\0\0\0\0\0" "\1\0\0\0" "\0\0\0\0" "\xff\xff\xff\xff" "\x10\x27\0\0" "\0\0\0"
#define UA_NULL_REQUEST "\0\0" "\0\0\0\0\0\0\0\0" "\1\0\0\0" "\0\0\0\0" "\xff\xff\xff\xff" "\0\0\0\0" "\0\0\0"
#define UA_RESPONSE "\0\0\0\0\0\0\0\0" "\1\0\0\0" "\0\0\0\0" "\0" "\xff\xff\xff\xff" "\0\0\0"
#define UA_NODE "\x03\x02\0\x0c\0\0\0Recipe.Speed" "\x0d\0\0\0" "\xff\xff\xff\xff"
#define UA_NONE "\x2f\0\0\0http://opcfoundation.org/UA/SecurityPolicy#None\xff\xff\xff\xff\xff\xff\xff\xff"

static const struct protocol protocols[] = {
    {
	.name = "modbus",
	.port = 502,
	.rules = "modbus:\n      addressing: zero-based\n      allow:\n"
		 "        - {name: r, units: [1], functions: [3], holding: [0..99]}\n"
		 "        - {name: w, units: [1], functions: [16], holding: [0..99]}\n",
	.pdu = {{T("\0\0\0\0\0\6\1\3\0\0\0\5", .txn16_be = 1),
		    T("\0\0\0\0\0\x0d\1\3\x0a" "0123456789", .txn16_be = 1)},
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
		    T("\x03\0\0\x23\2\xf0\x80\x32\3\0\0\0\0\0\2\0\x0e\0\0\4\1\xff\4\0\x50" "0123456789",
			.txn16_be = 12)},
	    {T("\x03\0\0\x25\2\xf0\x80\x32\1\0\0\0\0\0\x0e\0\6\5\1"
	       "\x12\x0a\x10\2\0\2\0\x0a\x84\0\0\0" "\0\4\0\x10\0\7",
		 .txn16_be = 12),
		T("\x03\0\0\x16\2\xf0\x80\x32\3\0\0\0\0\0\2\0\1\0\0\5\1\xff", .txn16_be = 12)}},
    },
    {
	.name = "opcua",
	.port = 4840,
	.rules = "opcua:\n      allow:\n"
		 "        - {name: s, services: [session]}\n"
		 "        - {name: rw, services: [Read, Write], nodes: [\"ns=2;s=Recipe.*\"]}\n",
	.open = {T("HELF\x33\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\x13\0\0\0opc.tcp://plc:4840/"),
	    T("ACKF\x1c\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0"),
	    T("OPNF\x84\0\0\0\0\0\0\0" UA_NONE "\1\0\0\0\1\0\0\0" "\1\0\xbe\1" UA_NULL_REQUEST
	      "\0\0\0\0\0\0\0\0\1\0\0\0\xff\xff\xff\xff\x80\xee\x36\0"),
	    T("OPNF\x87\0\0\0\1\0\0\0" UA_NONE "\1\0\0\0\1\0\0\0" "\1\0\xc1\1" UA_RESPONSE
	      "\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\x80\xee\x36\0\xff\xff\xff\xff")},
	.pdu = {{T("MSGF" UA_HEAD("\x8f") "\1\0\x77\2" UA_REQUEST
		   "\0\0\0\0\0\0\0\0" "\0\0\0\0" "\1\0\0\0" UA_NODE "\0\0\xff\xff\xff\xff",
		     .seq32_le = 16),
		    T("MSGF" UA_HEAD("\x52") "\1\0\x7a\2" UA_RESPONSE
		      "\1\0\0\0" "\x0d\x0a\0\0\x80\x3f" "01234567" "01234567" "\xff\xff\xff\xff",
			.seq32_le = 16)},
	    {T("MSGF" UA_HEAD("\x83") "\1\0\xa1\2" UA_REQUEST "\1\0\0\0" UA_NODE
	       "\x01\x0a\0\0\x80\x3f", .seq32_le = 16),
		T("MSGF" UA_HEAD("\x40") "\1\0\xa4\2" UA_RESPONSE "\1\0\0\0" "\0\0\0\0" "\xff\xff\xff\xff",
		    .seq32_le = 16)}},
    },
};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

struct load {
	const struct protocol *proto;
	struct engine *e;
	struct policy *pol;
	uint8_t *mem;
	struct pkt pkts[2 * FLOWS];
	uint32_t order[2 * FLOWS];
	uint32_t seq[FLOWS][2], said[FLOWS][2]; /* TCP; OPC UA's own */
	uint64_t now_ns, frame;
	uint32_t lap, n;
};

static uint32_t
rnd(void)
{
	static uint64_t s = 0x243f6a8885a308d3u;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (uint32_t)(s >> 32);
}

static void
put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void
put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static void
put32le(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* Frame number i of the lap: what side `who` of a flow says, after what was said before. */
static void
frame_make(struct load *ld, uint32_t i, uint32_t flow, unsigned who, uint8_t flags, const struct tmpl *t)
{
	uint8_t *b = ld->mem + (size_t)i * SLOT, *ip = b + 14, *tcp = ip + 20, *pay = tcp + 20;
	uint32_t client = 0x0a010001u + flow % 200, server = 0x0a020001u;
	uint16_t cport = (uint16_t)(20000 + flow);
	unsigned n = t ? t->len : 0;

	if (54u + n > SLOT)
		exit(2);
	memset(b, 0, 54);
	memcpy(b, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", 14);
	ip[0] = 0x45;
	put16(ip + 2, 40 + n);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	put32(ip + 12, who ? server : client);
	put32(ip + 16, who ? client : server);
	put16(tcp, who ? ld->proto->port : cport);
	put16(tcp + 2, who ? cport : ld->proto->port);
	put32(tcp + 4, ld->seq[flow][who]);
	put32(tcp + 8, flags & 16 ? ld->seq[flow][who ^ 1] : 0);
	tcp[12] = 0x50;
	tcp[13] = flags;
	put16(tcp + 14, 64240);
	if (n) {
		memcpy(pay, t->bytes, n);
		if (t->txn16_be)
			put16(pay + t->txn16_be - 1, ld->lap + 1);
		if (t->seq32_le) {
			put32le(pay + t->seq32_le, ld->said[flow][who]);
			put32le(pay + t->seq32_le + 4, ld->lap + 1);
		}
		ld->said[flow][who]++;
	}
	ld->seq[flow][who] += n + (flags & 2 ? 1 : 0);
	ld->pkts[i] = (struct pkt){.bytes = b, .caplen = 54 + n, .wirelen = 54 + n,
	    .ts_ns = ld->now_ns += 100, .frame = ++ld->frame};
}

static void
run(struct load *ld, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += PKT_BURST)
		engine_burst(ld->e, ld->pkts + i, n - i < PKT_BURST ? n - i : PKT_BURST);
}

static void
make_lap(struct load *ld, unsigned what)
{
	ld->lap++;
	for (uint32_t i = 0; i < 2 * FLOWS; i++)
		frame_make(ld, i, ld->order[i], i >= FLOWS, 0x18, &ld->proto->pdu[what][i >= FLOWS]);
}

/* TCP's handshake, then the protocol's. */
static void
open_flows(struct load *ld)
{
	for (uint32_t f = 0; f < FLOWS; f++) {
		uint32_t n = 0;

		frame_make(ld, n++, f, 0, 0x02, NULL);
		frame_make(ld, n++, f, 1, 0x12, NULL);
		frame_make(ld, n++, f, 0, 0x10, NULL);
		for (unsigned i = 0; i < 4; i++)
			if (ld->proto->open[i].len) {
				ld->said[f][i & 1] = i / 2;
				frame_make(ld, n++, f, i & 1, 0x18, &ld->proto->open[i]);
				ld->n++;
			}
		ld->said[f][0] = ld->said[f][1] = 2;
		run(ld, n);
	}
}

static struct load *
load_new(const struct protocol *proto)
{
	struct load *ld = calloc(1, sizeof(*ld));
	struct complaints c = {0};
	struct engine_conf conf = {.memory_bytes = 64u << 20, .max_flows = FLOWS * 5 / 4 + 64, .seed = 42};
	char text[2048];
	int n;

	if (!ld)
		exit(2);
	n = snprintf(text, sizeof(text),
	    "interlock: 1\nsite: bench\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.0.0/16]}\n"
	    "  ot: {level: 1, port: inside, nets: [10.2.0.0/16]}\n"
	    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
	    "    %s", proto->rules);
	ld->proto = proto;
	ld->pol = policy_build_text("bench", text, (size_t)n, &c);
	if (!ld->pol) {
		complaints_print(&c, stderr);
		exit(2);
	}
	complaints_fini(&c);
	conf.policy = ld->pol;
	ld->e = engine_new(&conf);
	ld->mem = mem_table((size_t)2 * FLOWS * SLOT);
	if (!ld->e || !ld->mem)
		exit(2);
	ld->now_ns = UINT64_C(1700000000) * NS_PER_S;
	for (unsigned half = 0; half < 2; half++) {
		uint32_t *o = ld->order + half * FLOWS;

		for (uint32_t i = 0; i < FLOWS; i++)
			o[i] = i;
		for (uint32_t i = FLOWS - 1; i > 0; i--) {
			uint32_t j = rnd() % (i + 1), t = o[i];

			o[i] = o[j];
			o[j] = t;
		}
	}
	open_flows(ld);
	return ld;
}

/* Nothing is measured that was not judged, and allowed. */
static void
load_end(struct load *ld)
{
	const struct engine_stats *s = engine_stats(ld->e);

	if (s->pdus != ld->n || s->would[VERDICT_ALLOW] != ld->n || s->flows_evicted ||
	    s->retransmitted || !engine_balanced(s)) {
		fprintf(stderr, "%s: %lu PDUs judged, %lu allowed, of %lu\n", ld->proto->name,
		    (unsigned long)s->pdus, (unsigned long)s->would[VERDICT_ALLOW],
		    (unsigned long)ld->n);
		exit(1);
	}
	engine_free(ld->e);
	policy_free(ld->pol);
	free(ld->mem);
	free(ld);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

static void
compare(unsigned what, unsigned laps)
{
	static double ns[N_PROTOCOLS][LAPS_MAX], ratio[N_PROTOCOLS][LAPS_MAX];
	struct load *ld[N_PROTOCOLS];

	for (unsigned p = 0; p < N_PROTOCOLS; p++)
		ld[p] = load_new(&protocols[p]);
	for (unsigned i = 0; i < laps + 3; i++) {
		unsigned at = i < 3 ? 0 : i - 3;

		for (unsigned k = 0; k < N_PROTOCOLS; k++) {
			unsigned p = i & 1 ? (unsigned)N_PROTOCOLS - 1 - k : k;
			uint64_t t0;

			make_lap(ld[p], what);
			t0 = clock_cpu_ns();
			run(ld[p], 2 * FLOWS);
			ns[p][at] = (double)(clock_cpu_ns() - t0) / (2 * FLOWS);
			ld[p]->n += 2 * FLOWS;
		}
		for (unsigned p = 0; p < N_PROTOCOLS; p++)
			ratio[p][at] = ns[p][at] / ns[0][at];
	}
	for (unsigned p = 0; p < N_PROTOCOLS; p++) {
		printf("%-8s %-8s %8.1f %7.2f   %u + %u bytes\n", ld[p]->proto->name, what ? "write" : "read",
		    median(ns[p], laps), median(ratio[p], laps), 54u + ld[p]->proto->pdu[what][0].len,
		    54u + ld[p]->proto->pdu[what][1].len);
		load_end(ld[p]);
	}
}

int
main(int argc, char **argv)
{
	unsigned laps = argc > 1 && strcmp(argv[1], "quick") == 0 ? 40 : LAPS_MAX;

	printf("ns of CPU per packet, 1 000 flows, median of interleaved laps; ratio to modbus (goal 1.50)\n");
	compare(0, laps);
	compare(1, laps);
	return 0;
}
