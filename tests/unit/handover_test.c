/* SPDX-License-Identifier: Apache-2.0 */
/* handover_test.c - connections go on in another engine (handover.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "dataplane/handover.h"
#include "dataplane/repair.h"
#include "tests/unit/opcua_talk.h"
#include "tests/unit/plant.h"

#define HMI	 0x0a010205u
#define PLC	 0x0a010282u
#define BUILD_AT 24u /* docs/FORMATS.md: of the build in HEAD */

#define RULES(otherwise, more)                                                                     \
	"interlock: 1\nsite: test\nmode: enforce\n"                                                \
	"zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"                           \
	"  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"                                  \
	"conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: " otherwise   \
	"\n" more "    modbus:\n      addressing: zero-based\n      allow:\n"                      \
	"        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n"

static const char dropping[] = RULES("drop", "");
static const char strict[] = RULES("drop", "    strict: true\n");
static const char rejecting[] = RULES("reject", "");
static const char opcua[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: mes\n    from: [it/*]\n    to: [ot/*]\n    otherwise: reject\n"
    "    opcua:\n      security: {modes: [None], application-uris: ['urn:me']}\n      allow:\n"
    "        - {name: session, services: [session, discovery]}\n"
    "        - {name: reads, services: [read, browse, subscribe], nodes: ['*']}\n"
    "        - {name: named, services: [write], nodes: ['nsu=urn:plant;s=Ok']}\n";

/* --- from one to the other ------------------------------------------------------------- */

static struct {
	uint8_t *b;
	size_t n, cap, fail_at;
} blob;

static int
blob_put(void *ctx, const void *p, size_t n)
{
	(void)ctx;
	if (blob.fail_at && blob.n + n > blob.fail_at)
		return ERR_NOSPC;
	if (blob.n + n > blob.cap) {
		blob.cap = (blob.n + n) * 2;
		blob.b = realloc(blob.b, blob.cap);
		assert_non_null(blob.b);
	}
	memcpy(blob.b + blob.n, p, n);
	blob.n += n;
	return 0;
}

static struct handover
take_over(struct plant *x, bool other_build)
{
	struct engine *old = x->e;
	struct handover h;

	blob.n = 0;
	assert_int_equal(engine_export(old, false, blob_put, NULL), 0);
	if (other_build)
		blob.b[BUILD_AT] ^= 1;
	engine_finish(old);
	assert_true(engine_balanced(engine_stats(old)));
	engine_free(old);
	x->conf.policy = x->pol;
	x->conf.seed++; /* every start has its own */
	x->e = engine_new(&x->conf);
	assert_non_null(x->e);
	assert_int_equal(engine_import(x->e, blob.b, blob.n, &h), 0);
	assert_int_equal(h.flows + h.lost, h.written);
	assert_int_equal(engine_stats(x->e)->flows_active, h.flows);
	return h;
}

static void
an_open_session(void **state)
{
	struct plant *x = plant_new(true, dropping, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

	(void)state;
	plant_put(x, wire_tcp(&w, CLIENT, SYN, NULL, 0));
	assert_int_equal(take_over(x, false).flows, 1);
	plant_put(x, wire_tcp(&w, SERVER, SYN | ACK, NULL, 0));
	assert_int_equal(take_over(x, false).midstream, 0);
	plant_put(x, wire_tcp(&w, CLIENT, ACK, NULL, 0));
	for (uint16_t i = 0; i < 50; i++) {
		uint8_t ask[12] = {0, (uint8_t)i, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
		uint8_t say[11] = {0, (uint8_t)i, 0, 0, 0, 5, 1, 3, 2, 0, 0};

		assert_int_equal(plant_say(x, &w, CLIENT, ask, 12).fate, FATE_FORWARD);
		assert_int_equal(take_over(x, false).flows, 1);
		/* what was judged is remembered: the same again passes, something else does not */
		assert_int_equal(
		    plant_put(x, wire_tcp_at(&w, CLIENT, w.side[0].seq - 12, ACK, ask, 12)).fate,
		    FATE_FORWARD);
		ask[7] = 6;
		assert_int_equal(
		    plant_put(x, wire_tcp_at(&w, CLIENT, w.side[0].seq - 12, ACK, ask, 12)).reason,
		    DROP_TCP_OVERLAP);
		assert_int_equal(plant_say(x, &w, SERVER, say, 11).fate, FATE_FORWARD);
	}
	assert_int_equal(x->requests, 50);
	assert_int_equal(x->responses, 50);
	assert_int_equal(x->denied, 50);
	assert_int_equal(x->events, 50); /* the 50 forgeries, nothing unsolicited */
	assert_int_equal(engine_stats(x->e)->midstream, 0);
	plant_free(x);
}

/* The frame over IPv6: its addresses behind fd00::. */
static struct pkt
over_ip6(struct pkt p)
{
	static const uint8_t net[12] = {0xfd};
	static uint8_t b[WIRE_FRAME_MAX];
	uint8_t *ip = b + 14, *tcp = ip + 40;
	const uint32_t n = p.caplen - 34;

	memcpy(b, p.bytes, 12);
	wire_put16(b + 12, 0x86dd);
	memset(ip, 0, 40);
	ip[0] = 0x60;
	wire_put16(ip + 4, n);
	ip[6] = 6;
	ip[7] = 64;
	for (unsigned i = 0; i < 2; i++) {
		memcpy(ip + 8 + 16 * i, net, sizeof(net));
		memcpy(ip + 20 + 16 * i, p.bytes + 26 + 4 * i, 4);
	}
	memcpy(tcp, p.bytes + 34, n);
	wire_put16(tcp + 16, 0);
	wire_put16(tcp + 16, ~wire_sum(tcp, n, wire_sum(ip + 8, 32, 6 + n)) & 0xffff);
	p.bytes = b;
	p.caplen = p.wirelen = 54 + n;
	return p;
}

/*
 * IPv6 leases what its dissector knows, IPv4 has it in the record until there are many requests: what is found is
 * the same, with a take-over behind every frame and without.
 */
static void
the_same_over_ip6(void **state)
{
	static const char both[] =
	    "interlock: 1\nsite: test\nmode: enforce\n"
	    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25, 'fd00::a01:200/121']}\n"
	    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25, 'fd00::a01:280/121']}\n"
	    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: reject\n"
	    "    modbus:\n      addressing: zero-based\n      allow:\n"
	    "        - {name: reads, units: [1], functions: [3], holding: [0..99]}\n";
	enum { OPEN = 14 }; /* at once: more than a record holds */
	unsigned want[3] = {0};
	uint64_t anomalies = 0;

	(void)state;
	for (unsigned run = 0; run < 4; run++) {
		const bool six = run & 1, moves = run & 2;
		struct plant *x = plant_new(true, both, 8u << 20, 256);
		struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
		uint32_t base = x->e->cells.used[CELL_P];

		for (unsigned i = 0; i < 3 + 2 * OPEN + 1; i++) {
			uint8_t ask[12] = {0, (uint8_t)(i - 2), 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
			uint8_t say[11] = {0, (uint8_t)(i - 2 - OPEN), 0, 0, 0, 5, 1, 3, 2, 0, 0};
			struct pkt p;

			w.now_ns = x->now_ns;
			if (i < 3)
				p = wire_tcp(&w, i == 1,
				    i == 0   ? SYN
				    : i == 1 ? SYN | ACK
					     : ACK,
				    NULL, 0);
			else if (i < 3 + OPEN)
				p = wire_tcp(&w, CLIENT, ACK | PSH, ask, 12);
			else /* one more than was asked */
				p = wire_tcp(&w, SERVER, ACK | PSH, say, 11);
			p = plant_put(x, six ? over_ip6(p) : p);
			assert_int_equal(p.fate, i < 3 + 2 * OPEN ? FATE_FORWARD : FATE_DROP);
			if (i == 3) /* where it lies */
				assert_int_equal(x->e->cells.used[CELL_P] - base, six);
			if (moves)
				assert_int_equal(take_over(x, false).midstream, 0);
		}
		if (run == 0) {
			want[0] = x->requests;
			want[1] = x->responses;
			want[2] = x->events;
			anomalies = x->anomalies;
			assert_int_equal(want[0], OPEN);
			assert_int_equal(want[1], OPEN + 1);
			assert_int_equal(anomalies, FACT_A_UNSOLICITED);
		}
		assert_int_equal(x->requests, want[0]);
		assert_int_equal(x->responses, want[1]);
		assert_int_equal(x->events, want[2]);
		assert_int_equal(x->anomalies, anomalies);
		plant_free(x);
	}
}

/* --- what leaves, as the server gets it ------------------------------------------------------ */

static struct {
	uint8_t b[2][4096]; /* by number, from the first on */
	uint32_t first[2], end[2];
	uint32_t ack; /* last acknowledgement the client got */
} got;

static void
on_leaves(void *ctx, const struct pkt *p)
{
	unsigned to = p->port == 0 ? 0 : 1; /* 0: the server gets it */
	struct layers l;

	(void)ctx;
	assert_int_equal(decode(p, &l), DROP_NONE);
	assert_true(decode_l4_checksum_ok(p, &l));
	if (l.tcp_flags & TCP_SYN)
		got.first[to] = got.end[to] = l.seq + 1;
	if (to == 1)
		got.ack = l.ack;
	for (uint32_t i = 0; i < l.pay_len; i++) {
		uint32_t at = l.seq + i - got.first[to];

		assert_true(at < sizeof(got.b[0]));
		got.b[to][at] = p->bytes[l.pay_off + i];
		if (l.seq + i + 1 - got.end[to] < 0x80000000u)
			got.end[to] = l.seq + i + 1;
	}
}

static struct plant *
plant_seen(const char *rules, struct wire *w, uint16_t port)
{
	struct plant *x = plant_new(true, rules, 8u << 20, 256);

	memset(&got, 0, sizeof(got));
	x->leaves = on_leaves;
	*w = plant_wire(x, HMI, 40000, PLC, port);
	assert_true(plant_open(x, w));
	return x;
}

static void
half_a_pdu(void **state)
{
	static const char *const policies[] = {dropping, strict, rejecting};
	static const uint8_t ask[12] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};

	(void)state;
	for (unsigned p = 0; p < 3; p++)
		for (unsigned cut = 1; cut < 12; cut++) {
			struct wire w;
			struct plant *x = plant_seen(policies[p], &w, 502);

			plant_say(x, &w, CLIENT, ask, cut);
			assert_int_equal(got.end[0] - got.first[0], p == 0 ? cut : 0);
			assert_int_equal(take_over(x, false).flows, 1);
			plant_say(x, &w, CLIENT, ask + cut, 12 - cut);
			assert_int_equal(x->requests, 1);
			assert_int_equal(x->events, 0);
			assert_int_equal(got.end[0] - got.first[0], 12);
			assert_memory_equal(got.b[0], ask, 12);
			plant_free(x);
		}
}

/* A request was refused: numbers, and the refusal that has not arrived, go with it. */
static void
after_a_reject(void **state)
{
	static const uint8_t write[12] = {0, 9, 0, 0, 0, 6, 1, 6, 0, 20, 0, 1};

	(void)state;
	for (unsigned build = 0; build < 2; build++)
		for (unsigned acked = 0; acked < 2; acked++) {
			struct wire w;
			struct plant *x = plant_seen(rejecting, &w, 502);
			uint32_t base;

			assert_true(plant_poll(x, &w, 1, 0, 1));
			plant_say(x, &w, CLIENT, write, 12);
			assert_int_equal(got.end[1] - got.first[1], 11 + 9); /* the exception */
			assert_memory_equal(got.b[1] + 11, "\0\x09\0\0\0\3\1\x86", 8);
			base = w.side[SERVER]
				   .seq; /* the server counts without it, the client with it */
			if (acked) {
				w.side[SERVER].seq = base + 9;
				plant_put(x, wire_tcp(&w, CLIENT, ACK, NULL, 0));
				w.side[SERVER].seq = base;
			}
			assert_int_equal(take_over(x, build).lost, 0);
			if (!acked) { /* lost on its way: comes again, from the new one */
				unsigned sent = x->sent;

				memset(got.b[1] + 11, 0, 9);
				engine_tick(x->e, x->now_ns += UINT64_C(1000000000));
				engine_tick(x->e, x->now_ns += UINT64_C(1000000000));
				assert_true(x->sent > sent);
				assert_memory_equal(got.b[1] + 11, "\0\x09\0\0\0\3\1\x86", 8);
			}
			for (uint16_t i = 0; i < 20; i++) {
				uint8_t ask[12] = {1, (uint8_t)i, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
				uint8_t say[11] = {1, (uint8_t)i, 0, 0, 0, 5, 1, 3, 2, 0, 0};

				w.side[SERVER].seq +=
				    9; /* the client acknowledges in its numbers */
				assert_int_equal(
				    plant_say(x, &w, CLIENT, ask, 12).fate, FATE_FORWARD);
				w.side[SERVER].seq -= 9;
				w.side[CLIENT].seq -= 12; /* ... and the server in its own */
				assert_int_equal(
				    plant_say(x, &w, SERVER, say, 11).fate, FATE_FORWARD);
				w.side[CLIENT].seq += 12;
				assert_int_equal(got.end[0] - got.first[0], 12u + 12u * (i + 1u));
				assert_memory_equal(got.b[0] + 12 + 12 * i, ask, 12);
				assert_int_equal(got.end[1] - got.first[1], 20u + 11u * (i + 1u));
				assert_memory_equal(got.b[1] + 20 + 11 * i, say, 11);
				assert_int_equal(got.ack, w.side[CLIENT].seq);
				if (i % 4 == 1)
					assert_int_equal(take_over(x, false).lost, 0);
			}
			assert_int_equal(x->denied, 1);
			plant_free(x);
		}
}

/* --- a protocol with state, leases and numbers of its own ------------------------------------------ */

static struct {
	struct plant *x;
	struct wire w;
	struct talk talk;
	uint32_t in[2], out[2]; /* bytes taken out of, put into a direction so far */
	unsigned hand_every, chunks, said;
} ua;

static void
ua_hear(void *ctx, unsigned dir, bool refuse, const uint8_t *p, size_t n)
{
	static const uint32_t fault = 52;
	uint32_t cut = n > 30 ? 29 : 3, in1 = ua.in[1], out0 = ua.out[0];

	(void)ctx;
	/* a fault has its time in it: the same with and without what is sent again */
	ua.x->now_ns = PLANT_EPOCH + UINT64_C(10000000) * ++ua.said;
	/* acknowledgements as each side counts */
	ua.w.side[dir ^ 1].seq += dir == 0 ? in1 : -out0;
	plant_say(ua.x, &ua.w, dir, p, cut);
	if (ua.hand_every == 1)
		assert_int_equal(take_over(ua.x, false).midstream, 0);
	plant_say(ua.x, &ua.w, dir, p + cut, n - cut);
	ua.w.side[dir ^ 1].seq -= dir == 0 ? in1 : -out0;
	if (refuse) {
		ua.out[0] += (uint32_t)n;
		ua.in[1] += fault;
	}
	if (ua.hand_every && ++ua.chunks % ua.hand_every == 0) {
		assert_int_equal(take_over(ua.x, false).lost, 0);
		if (!refuse) { /* once more, as if it had been lost: it leaves as it did */
			ua.w.side[dir ^ 1].seq += dir == 0 ? in1 : -out0;
			plant_put(ua.x, wire_tcp_at(&ua.w, dir, ua.w.side[dir].seq - (uint32_t)n,
					    ACK | PSH, p, n));
			ua.w.side[dir ^ 1].seq -= dir == 0 ? in1 : -out0;
		}
	}
}

static void
opc_ua(void **state)
{
	static uint8_t want[2][4096];
	static uint32_t n[2];

	(void)state;
	for (unsigned every = 0; every < 4; every++) {
		ua.x = plant_seen(opcua, &ua.w, 4840);
		memset(&ua.talk, 0, offsetof(struct talk, body));
		memset(ua.in, 0, sizeof(ua.in));
		memset(ua.out, 0, sizeof(ua.out));
		ua.hand_every = every;
		ua.chunks = ua.said = 0;
		ua.talk.channel = 5;
		ua.talk.token = 9;
		ua.talk.hear = ua_hear;
		talk(&ua.talk, "> HEL; < ACK; > OPN None 1; < OPN None grant=9;"
			       "> MSG Create urn:me; < MSG Created None; > MSG Activate anonymous; "
			       "< MSG Activated;"
			       "> MSG Read i=2255; < MSG Namespaces urn:one urn:plant;"
			       "> MSG Write ns=1;s=Ok=1; < MSG Written;"
			       "!> MSG Write ns=1;s=No=1; > MSG Read 1; < MSG Read.;"
			       "> MSG Read 1 2 3 4 5 cut=50; < MSG Read.; !> MSG Write ns=1;s=No=1;"
			       "> OPN None 1 renew; < OPN None grant=10; > MSG Write ns=1;s=Ok=1; "
			       "< MSG Written;");
		assert_int_equal(ua.x->denied, 2);
		assert_int_equal(ua.x->anomalies, 0);
		/* byte for byte what arrives without any take-over */
		for (unsigned d = 0; d < 2; d++) {
			if (every == 0) {
				n[d] = got.end[d] - got.first[d];
				memcpy(want[d], got.b[d], sizeof(want[d]));
			}
			assert_int_equal(got.end[d] - got.first[d], n[d]);
			assert_memory_equal(got.b[d], want[d], n[d]);
		}
		plant_free(ua.x);
	}
}

/* --- another build, other readers -------------------------------------------------------------- */

static void
another_build(void **state)
{
	struct wire w;
	struct plant *x = plant_seen(dropping, &w, 502);
	struct handover h;

	(void)state;
	assert_true(plant_poll(x, &w, 1, 0, 5));
	h = take_over(x, true);
	assert_int_equal(h.flows, 1);
	assert_int_equal(h.midstream, 1);
	for (uint16_t i = 0; i < 20; i++)
		assert_true(plant_poll(x, &w, i, 0, 5));
	assert_int_equal(x->requests, 21);
	assert_true(x->anomalies & FACT_A_MIDSTREAM);
	/* an OPC UA session whose numbers were rewritten cannot go on without its counts */
	plant_free(x);
	ua.x = plant_seen(opcua, &ua.w, 4840);
	memset(&ua.talk, 0, offsetof(struct talk, body));
	ua.in[1] = ua.out[0] = ua.hand_every = ua.said = 0;
	ua.talk.channel = 5;
	ua.talk.token = 9;
	ua.talk.hear = ua_hear;
	talk(&ua.talk,
	    "> HEL; < ACK; > OPN None 1; < OPN None grant=9;"
	    "> MSG Create urn:me; < MSG Created None; > MSG Activate anonymous; < MSG Activated;"
	    "!> MSG Write ns=1;s=No=1");
	assert_int_equal(ua.x->denied, 1);
	h = take_over(ua.x, true);
	assert_int_equal(h.lost, 1);
	plant_free(ua.x);
}

static void
too_little_room(void **state)
{
	struct plant *x = plant_new(true, dropping, 0, 256);
	struct wire w[200];
	struct handover h;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		w[i] = plant_wire(x, HMI + i % 100, (uint16_t)(40000 + i), PLC, 502);
		assert_true(plant_open(x, &w[i]));
		assert_true(plant_poll(x, &w[i], 1, 0, 3));
	}
	x->conf.max_flows = 64;
	h = take_over(x, false);
	assert_int_equal(h.written, 100);
	assert_int_equal(h.flows, 64);
	assert_int_equal(h.lost, 36);
	plant_free(x);
}

/* Cut anywhere, with any byte changed: nothing of it, or flows that can be thrown away. */
static void
hostile_bytes(void **state)
{
	static const uint8_t write[12] = {0, 9, 0, 0, 0, 6, 1, 6, 0, 20, 0, 1};
	struct wire w, v;
	struct plant *x = plant_seen(rejecting, &w, 502);
	struct engine_conf conf;
	struct handover h;
	uint8_t *good;
	size_t n;
	uint32_t seed = 7;

	(void)state;
	assert_true(plant_poll(x, &w, 1, 0, 5));
	plant_say(x, &w, CLIENT, write, 12);
	plant_say(x, &w, CLIENT, write, 5);
	v = plant_wire(x, HMI + 1, 40001, PLC, 4840);
	blob.n = 0;
	assert_int_equal(engine_export(x->e, false, blob_put, NULL), 0);
	n = blob.n;
	good = malloc(n);
	memcpy(good, blob.b, n);
	(void)v;
	conf = x->conf;
	conf.on_fact = NULL;
	conf.on_event = NULL;
	conf.io = NULL;
	conf.memory_bytes = 1u << 20;
	conf.max_flows = 64;
	for (unsigned i = 0; i < 3000 + n; i++) {
		size_t len = i < n ? i : n;
		uint8_t *copy = malloc(len ? len : 1); /* ends where it ends */
		struct engine *e = engine_new(&conf);
		int r;

		assert_non_null(e);
		memcpy(copy, good, len);
		if (i >= n)
			for (unsigned k = 0; k < 1 + i % 3; k++) {
				seed = seed * 1103515245 + 12345;
				copy[(seed >> 8) % len] ^= (uint8_t)(1u << (seed >> 4) % 8);
			}
		r = engine_import(e, copy, len, &h);
		if (i < n)
			assert_int_not_equal(r, 0);
		if (r != 0)
			assert_int_equal(engine_stats(e)->flows_active, 0);
		engine_tick(e, x->now_ns + UINT64_C(100000000000));
		engine_finish(e);
		assert_true(engine_balanced(engine_stats(e)));
		for (unsigned c = 0; c < CELL__CLASSES; c++)
			assert_int_equal(e->cells.used[c], 0);
		engine_free(e);
		free(copy);
	}
	/* and a writer that fails is asked no further */
	for (blob.fail_at = 1; blob.fail_at < n; blob.fail_at += 37) {
		blob.n = 0;
		assert_int_equal(engine_export(x->e, false, blob_put, NULL), ERR_NOSPC);
	}
	blob.fail_at = 0;
	free(good);
	plant_free(x);
}

/* --- several engines ------------------------------------------------------------------------- */

#define PAIRS 16u

static bool
of_three(const void *ctx, const struct net_addr *client, const struct net_addr *server)
{
	assert_int_equal(server->b[15], PLC & 0xff);
	return (client->b[15] - (HMI & 0xff)) % 3u == *(const unsigned *)ctx;
}

/* Two write, three go on: each connection is one's, with all that is known of it. */
static void
from_two_to_three(void **state)
{
	struct plant *old[2], *next[3];
	static struct wire w[PAIRS];
	struct handover h;
	size_t first;

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		old[i] = plant_new(true, strict, 0, 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		w[i] = plant_wire(old[i % 2], HMI + i, 40000, PLC, 502);
		assert_true(plant_open(old[i % 2], &w[i]));
		assert_true(plant_poll(old[i % 2], &w[i], 1, 0, 1));
	}
	blob.n = first = 0;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(engine_export(old[i]->e, false, blob_put, NULL), 0);
		first = i == 0 ? blob.n : first;
	}
	for (unsigned k = 0; k < 3; k++) {
		const struct handover_part part = {.mine = of_three, .ctx = &k};

		next[k] = plant_new(true, strict, 0, 0);
		assert_int_equal(engine_import_part(next[k]->e, blob.b, blob.n, &part, &h), 0);
		assert_int_equal(h.written, PAIRS);
		assert_int_equal(h.flows, k == 0 ? 6 : 5);
		assert_int_equal(h.lost + h.midstream, 0);
		assert_int_equal(engine_stats(next[k]->e)->flows_active, h.flows);
	}
	for (unsigned i = 0; i < PAIRS; i++) /* the policy takes none up in the middle */
		for (uint16_t n = 2; n < 10; n++)
			assert_true(plant_poll(next[i % 3], &w[i], n, n, 1));
	for (unsigned k = 0; k < 3; k++) {
		assert_int_equal(engine_stats(next[k]->e)->midstream, 0);
		assert_int_equal(next[k]->events, 0);
		plant_free(next[k]);
	}
	/* one takes all; what breaks off in the second part leaves nothing of the first */
	next[0] = plant_new(true, strict, 0, 0);
	assert_int_equal(engine_import(next[0]->e, blob.b, blob.n - 1, &h), ERR_FORMAT);
	assert_int_equal(h.flows, 0);
	assert_int_equal(engine_stats(next[0]->e)->flows_active, 0);
	assert_int_equal(engine_import(next[0]->e, blob.b, first + 20, &h), ERR_FORMAT);
	assert_int_equal(engine_stats(next[0]->e)->flows_active, 0);
	assert_int_equal(engine_import(next[0]->e, blob.b, blob.n, &h), 0);
	assert_int_equal(h.flows, PAIRS);
	plant_free(next[0]);
	for (unsigned i = 0; i < 2; i++)
		plant_free(old[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_open_session),
	    cmocka_unit_test(the_same_over_ip6),
	    cmocka_unit_test(half_a_pdu),
	    cmocka_unit_test(after_a_reject),
	    cmocka_unit_test(opc_ua),
	    cmocka_unit_test(another_build),
	    cmocka_unit_test(too_little_room),
	    cmocka_unit_test(hostile_bytes),
	    cmocka_unit_test(from_two_to_three),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	free(blob.b);
	return r;
}
