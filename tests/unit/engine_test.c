/* SPDX-License-Identifier: Apache-2.0 */
/* engine_test.c - TCP as hosts and attackers really speak it, watch and inline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/engine_int.h"
#include "dataplane/io/io.h"
#include "tests/unit/wire.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { CLIENT = 0, SERVER = 1 };

/* --- a small world: one engine, one conversation ------------------------------------ */

struct world {
	struct engine *e;
	struct wire w;
	struct policy *pol;
	struct io io;
	unsigned facts, requests, responses, denied, told, sent;
	uint64_t anomalies; /* of all facts */
	uint64_t last_frame;
	uint16_t last_code;
	const char *last_op;
	uint8_t out[4096]; /* last frame that came by tx() */
	uint32_t out_len;
};

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct world *x = ctx;

	x->facts++;
	x->requests += pdu->fact->kind == FACT_REQUEST;
	x->responses += pdu->fact->kind == FACT_RESPONSE;
	x->denied += pdu->verdict->would >= VERDICT_REJECT;
	x->told += pdu->fact->proto == FACT_PROTO_NONE;
	x->anomalies |= pdu->fact->anomalies;
	x->last_frame = pdu->frame;
	x->last_code = pdu->fact->code;
	x->last_op = pdu->fact->op;
}

static int
tx(struct io *io, const struct pkt *p)
{
	struct world *x = (struct world *)(void *)((char *)io - offsetof(struct world, io));

	x->sent++;
	x->out_len = p->caplen;
	memcpy(x->out, p->bytes, p->caplen < sizeof(x->out) ? p->caplen : sizeof(x->out));
	return 0;
}

static const struct io_backend backend = {.scheme = "test", .tx = tx};

static const char rules[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
    "    modbus:\n      addressing: zero-based\n      allow:\n"
    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";

static struct world *
world(bool inline_mode, bool with_policy, size_t memory, uint32_t flows)
{
	struct world *x = calloc(1, sizeof(*x));
	struct complaints cs = {0};
	struct engine_conf conf = {
	    .memory_bytes = memory ? memory : 4u << 20,
	    .max_flows = flows,
	    .seed = 3,
	    .inline_mode = inline_mode,
	    .on_fact = on_fact,
	    .ctx = x,
	    .io = &x->io,
	};

	x->io.be = &backend;
	if (with_policy) {
		x->pol = policy_build_text("rules", rules, sizeof(rules) - 1, &cs);
		if (!x->pol)
			complaints_print(&cs, stderr);
		assert_non_null(x->pol);
		complaints_fini(&cs);
		conf.policy = x->pol;
	}
	x->e = engine_new(&conf);
	assert_non_null(x->e);
	x->w.now_ns = UINT64_C(1700000000000000000);
	x->w.side[CLIENT] = (struct wire_side){0x0a010205, 40000, 1000};
	x->w.side[SERVER] = (struct wire_side){0x0a010282, 502, 9000};
	return x;
}

static void
world_end(struct world *x)
{
	engine_finish(x->e);
	assert_true(engine_balanced(engine_stats(x->e)));
	assert_int_equal(engine_stats(x->e)->held, 0);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		assert_int_equal(x->e->cells.used[c], 0); /* nothing leased is kept */
	engine_free(x->e);
	policy_free(x->pol);
	free(x);
}

static struct pkt
put(struct world *x, struct pkt p)
{
	engine_burst(x->e, &p, 1);
	assert_true(engine_balanced(engine_stats(x->e)));
	return p;
}

static void
handshake(struct world *x)
{
	put(x, wire_tcp(&x->w, CLIENT, SYN, NULL, 0));
	put(x, wire_tcp(&x->w, SERVER, SYN | ACK, NULL, 0));
	put(x, wire_tcp(&x->w, CLIENT, ACK, NULL, 0));
}

static const uint8_t read10[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};
static const uint8_t read5[12] = {0, 2, 0, 0, 0, 6, 1, 3, 0, 0, 0, 5};
static const uint8_t write1[12] = {0, 3, 0, 0, 0, 6, 1, 6, 0, 20, 0, 99};
static const uint8_t answer10[29] = {0, 1, 0, 0, 0, 23, 1, 3, 20, 1, 2};

static struct pkt
say(struct world *x, unsigned who, const void *data, size_t n)
{
	return put(x, wire_tcp(&x->w, who, ACK | PSH, data, n));
}

static struct pkt
say_at(struct world *x, unsigned who, int32_t off, const void *data, size_t n)
{
	return put(x, wire_tcp_at(&x->w, who, x->w.side[who].seq + (uint32_t)off, ACK | PSH, data, n));
}

#define STAT(x) (*engine_stats((x)->e))

/* --- watch ------------------------------------------------------------------------------ */

static void
a_plain_conversation(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	say(x, SERVER, answer10, 29);
	put(x, wire_tcp(&x->w, CLIENT, FIN | ACK, NULL, 0));
	put(x, wire_tcp(&x->w, SERVER, FIN | ACK, NULL, 0));
	put(x, wire_tcp(&x->w, CLIENT, ACK, NULL, 0));
	assert_int_equal(x->requests, 1);
	assert_int_equal(x->responses, 1);
	assert_int_equal(x->anomalies, 0);
	assert_int_equal(STAT(x).flows, 1);
	assert_int_equal(STAT(x).copied_bytes, 0); /* whole segments are not copied */
	world_end(x);
}

static void
retransmission_equal_and_different(void **state)
{
	struct world *x = world(false, false, 0, 0);
	uint8_t forged[12];

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	say_at(x, CLIENT, -12, read10, 12); /* the same again */
	say_at(x, CLIENT, -5, read10 + 7, 5); /* its tail, cut otherwise */
	assert_int_equal(x->facts, 1);
	assert_int_equal(STAT(x).overlap_differs, 0);
	assert_int_equal(STAT(x).retransmitted, 2);
	memcpy(forged, read10, 12);
	forged[7] = 6;
	say_at(x, CLIENT, -12, forged, 12);
	assert_int_equal(STAT(x).overlap_differs, 1);
	assert_true(x->anomalies & FACT_A_OVERLAP);
	assert_string_equal(x->last_op, "overlap_differs");
	assert_int_equal(x->requests, 1); /* first data won */
	say(x, SERVER, answer10, 29);	  /* acknowledges: the bytes are forgotten */
	say_at(x, CLIENT, -12, forged, 12);
	assert_int_equal(STAT(x).overlap_differs, 1);
	world_end(x);
}

static void
partial_overlap_that_differs(void **state)
{
	struct world *x = world(false, false, 0, 0);
	uint8_t tail[14];

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	memcpy(tail, "\xff\xff", 2); /* claims other last bytes of the first PDU */
	memcpy(tail + 2, read5, 12);
	say_at(x, CLIENT, -2, tail, 14);
	x->w.side[CLIENT].seq += 12;
	assert_int_equal(STAT(x).overlap_differs, 1);
	assert_int_equal(x->requests, 2); /* the new bytes still count */
	world_end(x);
}

static void
keepalive_and_zero_window(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	say(x, SERVER, answer10, 29);
	put(x, wire_tcp(&x->w, CLIENT, ACK, NULL, 0));
	put(x, wire_tcp_at(&x->w, CLIENT, x->w.side[CLIENT].seq - 1, ACK, NULL, 0));
	put(x, wire_tcp_at(&x->w, CLIENT, x->w.side[CLIENT].seq - 1, ACK, "\0", 1));
	say(x, CLIENT, read5, 12);
	assert_int_equal(x->requests, 2);
	assert_int_equal(x->anomalies, 0);
	assert_int_equal(STAT(x).overlap_differs, 0);
	world_end(x);
}

static void
a_lost_segment_is_a_gap_when_acknowledged(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	x->w.side[CLIENT].seq += 12; /* one request was never captured */
	say(x, CLIENT, read5, 12);
	assert_int_equal(x->requests, 1); /* waits for the hole */
	put(x, wire_tcp(&x->w, SERVER, ACK, NULL, 0)); /* the server has it all */
	assert_int_equal(x->requests, 2);
	assert_int_equal(STAT(x).gaps, 1);
	assert_true(x->anomalies & FACT_A_GAP);
	world_end(x);
}

static void
a_lost_segment_is_a_gap_after_a_while(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	x->w.side[CLIENT].seq += 7;
	say(x, CLIENT, read5, 12);
	assert_int_equal(x->requests, 1);
	engine_tick(x->e, x->w.now_ns + 3000000000u);
	assert_int_equal(x->requests, 2);
	assert_int_equal(STAT(x).gaps, 1);
	world_end(x);
}

static void
midstream_needs_a_boundary(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	say(x, CLIENT, read10 + 5, 7); /* the tail of something */
	assert_int_equal(x->facts, 0);
	say(x, CLIENT, read10, 12);
	assert_int_equal(x->requests, 1);
	assert_true(x->anomalies & FACT_A_MIDSTREAM);
	say(x, SERVER, answer10, 29);
	assert_int_equal(x->responses, 1);
	assert_int_equal(STAT(x).midstream, 1);
	world_end(x);
}

static void
midstream_on_an_unknown_port_finds_the_client(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	x->w.side[CLIENT].port = 1502; /* looks like a server by its number */
	x->w.side[SERVER].port = 50000;
	say(x, CLIENT, read10, 12);
	say(x, SERVER, answer10, 29);
	assert_int_equal(x->requests, 1);
	assert_int_equal(x->responses, 1);
	assert_false(x->anomalies & FACT_A_UNSOLICITED);
	world_end(x);
}

static void
any_port_by_content_and_not_everything_on_502(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	x->w.side[SERVER].port = 8080;
	handshake(x);
	say(x, CLIENT, read10, 12);
	assert_int_equal(x->requests, 1);
	world_end(x);

	x = world(false, false, 0, 0);
	handshake(x);
	say(x, CLIENT, "GET / HTTP/1.1\r\n", 16);
	say(x, CLIENT, "Host: plc\r\n\r\n", 13);
	assert_int_equal(x->requests, 0);
	assert_int_equal(x->told, 1); /* once per flow */
	assert_string_equal(x->last_op, "not_protocol");
	world_end(x);
}

static void
bad_adu_then_a_good_one(void **state)
{
	struct world *x = world(false, false, 0, 0);
	uint8_t bad[12];

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	memcpy(bad, read10, 12);
	bad[2] = 0x77; /* protocol id */
	say(x, CLIENT, bad, 12);
	assert_int_equal(x->told, 1);
	assert_string_equal(x->last_op, "lost_step");
	say(x, CLIENT, read5, 12); /* a server may skip the bad one: so do we */
	assert_int_equal(x->requests, 2);
	assert_true(x->anomalies & FACT_A_RESYNC);
	world_end(x);
}

static void
a_tuple_is_used_again(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	say(x, SERVER, answer10, 29);
	put(x, wire_tcp(&x->w, CLIENT, RST | ACK, NULL, 0));
	x->w.side[CLIENT].seq = 777000;
	x->w.side[SERVER].seq = 5;
	handshake(x);
	say(x, CLIENT, read5, 12);
	assert_int_equal(x->requests, 2);
	assert_int_equal(x->anomalies, 0);
	/* and without a reset in between */
	x->w.side[CLIENT].seq = 4000000000u;
	x->w.side[SERVER].seq = 55;
	handshake(x);
	say(x, CLIENT, read5, 12);
	assert_int_equal(x->requests, 3);
	assert_int_equal(x->anomalies, 0);
	/* a forged SYN alone ends nothing */
	put(x, wire_tcp_at(&x->w, CLIENT, 123, SYN, NULL, 0));
	say(x, CLIENT, read10, 12);
	assert_int_equal(x->requests, 4);
	assert_int_equal(x->anomalies, 0);
	world_end(x);
}

static void
pool_of_early_segments_is_bounded(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	x->w.side[CLIENT].seq += 12; /* a hole in front of everything */
	for (unsigned i = 0; i < 500; i++)
		say(x, CLIENT, i & 1 ? read10 : read5, 12);
	assert_true(STAT(x).pool_full > 0);
	assert_true(STAT(x).gaps >= 1);
	assert_true(x->requests > 400); /* nothing but the hole is missed */
	world_end(x);
}

static void
table_full_is_counted_and_survived(void **state)
{
	struct world *x = world(false, false, 1u << 20, 64);

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		x->w.side[CLIENT].port = (uint16_t)(1024 + i);
		put(x, wire_tcp(&x->w, CLIENT, SYN, NULL, 0));
		say(x, CLIENT, read10, 12);
	}
	assert_true(STAT(x).flows_evicted > 4000);
	assert_true(STAT(x).flows_active <= 64);
	assert_int_equal(x->requests, 5000);
	world_end(x);
}

/* --- inline ----------------------------------------------------------------------------- */

static void
inline_denied_pdu_never_leaves(void **state)
{
	struct world *x = world(true, true, 0, 0);
	uint8_t two[24];
	struct pkt p;

	(void)state;
	handshake(x);
	p = say(x, CLIENT, read10, 12);
	assert_int_equal(p.fate, FATE_FORWARD);
	p = say(x, CLIENT, write1, 12);
	assert_int_equal(p.fate, FATE_DROP);
	assert_int_equal(p.reason, DROP_POLICY_PDU);
	p = say_at(x, CLIENT, -12, write1, 12); /* the client tries again */
	assert_int_equal(p.fate, FATE_DROP);
	assert_int_equal(p.reason, DROP_TCP_BLOCKED);
	p = say(x, CLIENT, read10, 12); /* what lies behind cannot pass either */
	assert_int_equal(p.fate, FATE_DROP);
	p = say(x, SERVER, answer10, 29); /* the other direction goes on */
	assert_int_equal(p.fate, FATE_FORWARD);
	assert_int_equal(x->denied, 1);
	world_end(x);

	x = world(true, true, 0, 0); /* allowed and denied in one segment: trimmed */
	handshake(x);
	memcpy(two, read10, 12);
	memcpy(two + 12, write1, 12);
	p = say(x, CLIENT, two, 24);
	assert_int_equal(p.fate, FATE_FORWARD);
	assert_int_equal(p.caplen, 54 + 12);
	world_end(x);
}

static void
inline_overlap_cannot_change_what_was_judged(void **state)
{
	struct world *x = world(true, true, 0, 0);
	struct pkt p;

	(void)state;
	handshake(x);
	p = say(x, CLIENT, read10, 12);
	assert_int_equal(p.fate, FATE_FORWARD);
	p = say_at(x, CLIENT, -12, write1, 12);
	assert_int_equal(p.fate, FATE_DROP);
	assert_int_equal(p.reason, DROP_TCP_OVERLAP);
	p = say_at(x, CLIENT, -12, read10, 12);
	assert_int_equal(p.fate, FATE_FORWARD);
	world_end(x);
}

static void
inline_early_segments_are_held_and_released(void **state)
{
	struct world *x = world(true, true, 0, 0);
	struct pkt p;

	(void)state;
	handshake(x);
	p = say_at(x, CLIENT, 5, read10 + 5, 7);
	assert_int_equal(p.fate, FATE_HELD);
	assert_int_equal(STAT(x).held, 1);
	p = say_at(x, CLIENT, 0, read10, 5);
	assert_int_equal(p.fate, FATE_FORWARD);
	assert_int_equal(STAT(x).held, 0);
	assert_int_equal(x->sent, 1);
	assert_int_equal(x->out_len, 54 + 7);
	assert_memory_equal(x->out + 54, read10 + 5, 7);
	x->w.side[CLIENT].seq += 12;
	/* a hole that is never filled: the sender's business, not the device's */
	p = say_at(x, CLIENT, 100, read10, 12);
	assert_int_equal(p.fate, FATE_HELD);
	engine_tick(x->e, x->w.now_ns + 60000000000u);
	assert_int_equal(STAT(x).held, 0);
	assert_int_equal(STAT(x).dropped[DROP_TCP_HOLE_TIMEOUT], 1);
	world_end(x);
}

static void
inline_default_deny_and_damaged_packets(void **state)
{
	struct world *x = world(true, true, 0, 0);
	struct pkt p;

	(void)state;
	handshake(x);
	x->w.buf[0] = 0;
	p = wire_tcp_at(&x->w, CLIENT, x->w.side[CLIENT].seq, ACK | PSH, read10, 12);
	x->w.buf[54 + 3] ^= 1; /* checksum no longer fits */
	p = put(x, p);
	assert_int_equal(p.reason, DROP_L4_CHECKSUM);
	p = put(x, wire_tcp_at(&x->w, CLIENT, x->w.side[CLIENT].seq, SYN | FIN, NULL, 0));
	assert_int_equal(p.reason, DROP_TCP_FLAGS);
	p = put(x, wire_tcp_at(&x->w, CLIENT, x->w.side[CLIENT].seq + 50000000, ACK, read10, 12));
	assert_int_equal(p.reason, DROP_TCP_WINDOW);
	p = say(x, CLIENT, read10, 12);
	assert_int_equal(p.fate, FATE_FORWARD);
	x->w.side[CLIENT].ip = 0x0a010299; /* a device nobody allowed */
	p = put(x, wire_tcp(&x->w, CLIENT, SYN, NULL, 0));
	assert_int_equal(p.fate, FATE_DROP);
	assert_int_equal(p.reason, DROP_POLICY_CONDUIT);
	assert_int_equal(STAT(x).flows, 1); /* and no flow is made for it */
	world_end(x);
}

static void
inline_keepalive_passes_without_its_byte(void **state)
{
	struct world *x = world(true, true, 0, 0);
	struct pkt p;

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	say(x, SERVER, answer10, 29);
	p = put(x, wire_tcp_at(&x->w, CLIENT, x->w.side[CLIENT].seq - 1, ACK, "\x77", 1));
	assert_int_equal(p.fate, FATE_FORWARD);
	assert_int_equal(p.caplen, 54);
	world_end(x);
}

/* Held segments are judged when an acknowledgement shows that the hole is a loss;
 * what they say may turn the flow round under the packet that brought the news. */
static void
turned_round_by_what_was_held(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	x->w.side[CLIENT].port = 1502; /* looks like a server by its number */
	x->w.side[SERVER].port = 50000;
	say(x, SERVER, "\x55", 1); /* nobody's yet */
	say(x, CLIENT, "\x55", 1);
	x->w.side[CLIENT].seq += 30; /* lost */
	say(x, CLIENT, read10, 12);  /* waits */
	say(x, SERVER, answer10, 29); /* acknowledges it, and answers it */
	say(x, CLIENT, read5, 12);
	assert_int_equal(x->requests, 2);
	assert_int_equal(x->responses, 1);
	assert_int_equal(STAT(x).overlap_differs, 0);
	assert_int_equal(STAT(x).retransmitted, 0);
	world_end(x);
}

/* The same tuple, opened by the other end: it is the client now. */
static void
opened_from_the_other_end(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	x->w.side[CLIENT].port = 1502;
	x->w.side[SERVER].port = 50000;
	handshake(x);
	put(x, wire_tcp(&x->w, SERVER, RST | ACK, NULL, 0));
	x->w.side[CLIENT].seq += 100000;
	x->w.side[SERVER].seq += 100000;
	put(x, wire_tcp(&x->w, SERVER, SYN, NULL, 0));
	put(x, wire_tcp(&x->w, CLIENT, SYN | ACK, NULL, 0));
	say(x, SERVER, read10, 12);
	say(x, CLIENT, answer10, 29);
	assert_int_equal(x->requests, 1);
	assert_int_equal(x->responses, 1);
	assert_int_equal(STAT(x).flows, 2);
	world_end(x);
}

static void
reset_with_text_is_not_stream(void **state)
{
	struct world *x = world(false, false, 0, 0);

	(void)state;
	handshake(x);
	say(x, CLIENT, read10, 12);
	put(x, wire_tcp(&x->w, SERVER, RST | ACK, "go away", 7));
	assert_int_equal(x->facts, 1); /* RFC 9293 3.10.7: text of a RST says nothing */
	world_end(x);
}

/* All that an engine takes more where it may have more flows. */
static void
an_idle_flow_is_256_bytes(void **state)
{
	enum { FEW = 50001, MORE = 1000000 };

	(void)state;
	for (unsigned guard = 0; guard < 2; guard++) {
		struct world *few = world(guard, false, 1u << 20, FEW);
		struct world *many = world(guard, false, 1u << 20, MORE);
		size_t more =
		    engine_stats(many->e)->memory_bytes - engine_stats(few->e)->memory_bytes;

		assert_true(more <= 256u * (size_t)(MORE - FEW) + 1024);
		assert_true(engine_flow_bytes(guard) <= 256);
		assert_true(more >= (engine_flow_bytes(guard) - 1) * (size_t)(MORE - FEW));
		assert_int_equal(engine_max_flows(many->e), MORE);
		world_end(few);
		world_end(many);
	}
}

/* IPv6, VLAN tags and trimming together: what leaves is sound. */
static void
inline_trim_of_ip6_in_a_vlan(void **state)
{
	struct world *x = world(true, false, 0, 0);
	uint8_t b[14 + 4 + 40 + 20 + 24] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5, 0x86, 0xdd, 0x60};
	uint8_t *ip = b + 18, *tcp = ip + 40;
	struct layers l;
	struct pkt p;

	(void)state;
	ip[5] = 20;
	ip[6] = 6;
	ip[7] = 64;
	ip[23] = 1;
	ip[39] = 2;
	wire_put16(tcp, 40000);
	wire_put16(tcp + 2, 502);
	tcp[12] = 0x50;
	wire_put16(tcp + 14, 64240);
	for (unsigned i = 0; i < 5; i++) {
		bool syn = i < 2, server = i == 1;
		uint32_t n = i > 2 ? 24 : 0;

		ip[5] = (uint8_t)(20 + n);
		ip[23] = server ? 2 : 1;
		ip[39] = server ? 1 : 2;
		wire_put16(tcp, server ? 502 : 40000);
		wire_put16(tcp + 2, server ? 40000 : 502);
		wire_put32(tcp + 4, server ? 9000 : syn ? 1000 : 1001);
		wire_put32(tcp + 8, i == 0 ? 0 : server ? 1001 : 9001);
		tcp[13] = syn ? (server ? SYN | ACK : SYN) : ACK | PSH;
		memcpy(tcp + 20, read10, 12);
		memcpy(tcp + 32, read5, 12);
		wire_put16(tcp + 16, 0);
		wire_put16(tcp + 16, ~wire_sum(tcp, 20 + n, wire_sum(ip + 8, 32, 6 + 20 + n)) & 0xffff);
		p = (struct pkt){.bytes = b, .caplen = 78 + n, .wirelen = 78 + n, .port = server,
		    .ts_ns = x->w.now_ns += 1000000, .frame = i + 1};
		p = put(x, p);
		assert_int_equal(p.fate, FATE_FORWARD);
		assert_int_equal(decode(&p, &l), DROP_NONE);
		assert_int_equal(l.vlan, 5);
		assert_true(decode_l4_checksum_ok(&p, &l));
		if (i == 3) { /* the server acknowledges the first of the two */
			struct flow *f = &x->e->flows.flows[0];

			assert_int_equal(flow_vlan(f), 5);
			f->dir[DIR_TO_SERVER].acked = 1013;
		}
	}
	assert_int_equal(x->requests, 2);
	assert_int_equal(l.seq, 1013); /* without what was acknowledged */
	assert_int_equal(l.pay_len, 12);
	world_end(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_plain_conversation),
	    cmocka_unit_test(retransmission_equal_and_different),
	    cmocka_unit_test(partial_overlap_that_differs),
	    cmocka_unit_test(keepalive_and_zero_window),
	    cmocka_unit_test(a_lost_segment_is_a_gap_when_acknowledged),
	    cmocka_unit_test(a_lost_segment_is_a_gap_after_a_while),
	    cmocka_unit_test(midstream_needs_a_boundary),
	    cmocka_unit_test(midstream_on_an_unknown_port_finds_the_client),
	    cmocka_unit_test(any_port_by_content_and_not_everything_on_502),
	    cmocka_unit_test(bad_adu_then_a_good_one),
	    cmocka_unit_test(a_tuple_is_used_again),
	    cmocka_unit_test(pool_of_early_segments_is_bounded),
	    cmocka_unit_test(table_full_is_counted_and_survived),
	    cmocka_unit_test(inline_denied_pdu_never_leaves),
	    cmocka_unit_test(inline_overlap_cannot_change_what_was_judged),
	    cmocka_unit_test(inline_early_segments_are_held_and_released),
	    cmocka_unit_test(inline_default_deny_and_damaged_packets),
	    cmocka_unit_test(inline_keepalive_passes_without_its_byte),
	    cmocka_unit_test(turned_round_by_what_was_held),
	    cmocka_unit_test(opened_from_the_other_end),
	    cmocka_unit_test(reset_with_text_is_not_stream),
	    cmocka_unit_test(inline_trim_of_ip6_in_a_vlan),
	    cmocka_unit_test(an_idle_flow_is_256_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
