/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_test.c - connections whose PDUs the kernel judges: what the engine does with their
 * entries and offers, and frame by frame what the kernel makes of them (BPF_PROG_TEST_RUN).
 * More than 1000 lines, because every reason has a frame of its own in the same world.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <cmocka.h>

#include "base/err.h"
#include "ebpf/fast.h"
#include "ebpf/gate_int.h"
#include "policy/gate.h"
#include "tests/ebpf/kit.h"
#include "tests/ebpf/talk.h"

static struct gate *gate;
static struct fast *fast;

/* hmi is outside, the rest inside; plc and s7 closed, plc2 open when the engine is away. */
#define ZONES(limits)                                                                              \
	"interlock: 1\nsite: t\nmode: enforce\nzones:\n"                                           \
	"  a: {nets: [10.0.0.0/24], port: outside" limits "}\n"                                    \
	"  b: {nets: [10.0.1.0/24], port: inside}\n"                                               \
	"devices:\n  hmi: {zone: a, ip: 10.0.0.1}\n  plc: {zone: b, ip: 10.0.1.1}\n"               \
	"  plc2: {zone: b, ip: 10.0.1.2}\n  s7: {zone: b, ip: 10.0.1.3}\n"                         \
	"  rated: {zone: b, ip: 10.0.1.4}\nconduits:\n"
#define ALLOW                                                                                      \
	"[{name: poll, units: [1], functions: [1, 2, 3, 4, 5, 6, 15, 16], coils: all, discrete: "  \
	"all, "                                                                                    \
	"input: all, holding: [0..199]}, {name: told-poll, units: [1], functions: [6], "           \
	"holding: [200..209], verdict: alert}, {name: valued-poll, units: [1], functions: [6], "   \
	"holding: [210..219], values: {210..219: 0..5}}]"
static const char conduits[] =
    " - {name: c-closed, from: [hmi], to: [plc], fail: closed, modbus: {addressing: zero-based, "
    "allow: " ALLOW "}}\n"
    " - {name: c-open, from: [hmi], to: [plc2], fail: open, modbus: {addressing: zero-based, "
    "allow: [{name: o, units: [1], functions: read, holding: all}]}}\n"
    " - {name: c-s7, from: [hmi], to: [s7], s7: {allow: [{name: db, functions: [read, write], "
    "read: [DB1.DBB0..99], write: [DB1.DBB0..9]}]}}\n"
    " - {name: c-rated, from: [hmi], to: [rated], modbus: {addressing: zero-based, "
    "limits: {rate: 100/s}, allow: [{name: r, units: [1], functions: read, holding: all}]}}\n";
enum { CLOSED, OPEN, S7, RATED }; /* conduits, and devices less one */
static uint32_t generation = 100;

static struct kflow_key
key_of(unsigned n)
{
	struct kflow_key k = {.lo_port = (uint16_t)(40000 + n), .hi_port = 502, .proto = 6};

	k.lo[15] = 1;
	k.hi[15] = 2;
	return k;
}

static void
entries(void **state)
{
	const struct fast_new new = {
	    .slot = 7, .conduit = 3, .proto = KFLOW_S7, .client_lo = true, .client_port = 1};
	struct kflow_key a = key_of(1), b = key_of(2);
	struct fast_new bad = new;
	struct kflow v;

	(void)state;
	assert_int_equal(fast_read(fast, &a, &v), ERR_NOTFOUND);
	assert_int_equal(fast_put(fast, &a, &new), 0);
	assert_int_equal(fast_put(fast, &a, &new), ERR_EXISTS);
	assert_int_equal(fast_read(fast, &b, &v), ERR_NOTFOUND);
	assert_int_equal(fast_read(fast, &a, &v), 0);
	assert_int_equal(v.slot, 7);
	assert_int_equal(v.conduit, 3);
	assert_int_equal(v.proto, KFLOW_S7);
	assert_int_equal(v.client_lo, 1);
	assert_int_equal(v.client_port, 1);
	assert_int_equal(v.owner, KFLOW_ENGINE);
	assert_int_equal(v.up, 0);
	assert_int_equal(fast_drop(fast, &a), 0);
	assert_int_equal(fast_drop(fast, &a), ERR_NOTFOUND);
	bad.slot = KFLOW_MAX;
	assert_int_equal(fast_put(fast, &b, &bad), ERR_RANGE);
	bad = new;
	bad.proto = KFLOW__PROTOS;
	assert_int_equal(fast_put(fast, &b, &bad), ERR_RANGE);
}

/* All slots can be used, but for the few whose two buckets are full before; none twice. */
static void
full(void **state)
{
	struct fast_new new = {0};
	struct kflow_key k;
	unsigned slot = 0, n = 0, refused = 0;
	struct kflow v;

	(void)state;
	for (; slot < KFLOW_MAX; n++) {
		k = key_of(0);
		memcpy(k.lo, &n, sizeof(n));
		new.slot = slot;
		if (fast_put(fast, &k, &new) == 0)
			slot++;
		else
			refused++;
		assert_true(refused < KFLOW_MAX / 100);
	}
	k.lo[15] ^= 1;
	new.slot = 7;
	assert_int_equal(fast_put(fast, &k, &new), ERR_FULL);
	while (n-- > 0) {
		k = key_of(0);
		memcpy(k.lo, &n, sizeof(n));
		if (fast_read(fast, &k, &v) < 0) {
			refused--;
			continue;
		}
		assert_memory_equal(&v.key, &k, sizeof(k));
		assert_int_equal(fast_drop(fast, &k), 0);
	}
	assert_int_equal(refused, 0);
}

/* Equal bytes have equal hashes; one bit or one place more makes another. */
static void
hashes(void **state)
{
	uint8_t p[KFLOW_PAYLOAD], q[KFLOW_PAYLOAD];

	(void)state;
	for (unsigned i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 7);
	for (unsigned n = 1; n <= sizeof(p); n += 3)
		for (unsigned bit = 0; bit < n * 8; bit += 5) {
			memcpy(q, p, n);
			assert_true(fast_hash(fast, p, n) == fast_hash(fast, q, n));
			q[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_true(fast_hash(fast, p, n) != fast_hash(fast, q, n));
		}
}

static void
without(void **state)
{
	char err[128] = "";
	struct gate *g = gate_open(err, sizeof(err));

	(void)state;
	assert_non_null(g);
	assert_null(fast_open(g, err, sizeof(err)));
	assert_string_equal(err, "the filter was loaded without the fast path");
	assert_true(gate_memory(g) < 40u << 20);
	assert_true(gate_memory(gate) > gate_memory(g) + (20u << 20));
	gate_close(g);
}

/* --- policies ------------------------------------------------------------------------------- */

static struct policy *policy;

static const char *
put_policy(const char *head)
{
	struct complaints c = {0};
	char text[4096], err[256] = "";
	struct policy *old = policy;

	(void)snprintf(text, sizeof(text), "%s%s", head, conduits);
	policy = policy_build_text("t.yaml", text, strlen(text), &c);
	if (!policy)
		complaints_print(&c, stderr);
	complaints_fini(&c);
	assert_non_null(policy);
	if (gate_set_policy(gate, policy_gate(policy), ++generation, err, sizeof(err)) < 0)
		fail_msg("%s", err);
	policy_free(old);
	return gate_not_fast(gate);
}

/* --- a connection ----------------------------------------------------------------------------- */

static struct talk_ends ends;
static struct kflow_key key;
static uint32_t cli, srv; /* what each would send next */
static uint16_t vlan;

/* What became of a frame: the reason of fast_reason.def; where none counted it, the gate's. */
static const char *
ran(const uint8_t *frame, size_t n, unsigned port)
{
	struct fast_count was[FAST_COUNT_MAX], now[FAST_COUNT_MAX];
	unsigned rows = fast_counts(fast, was, FAST_COUNT_MAX);
	struct gate_totals t, u;
	const char *said = NULL;

	gate_totals(gate, &t);
	(void)kit_passes(gate, port, frame, n, 1, NULL);
	gate_totals(gate, &u);
	assert_int_equal(u.rx[port], t.rx[port] + 1);
	(void)fast_counts(fast, now, FAST_COUNT_MAX);
	for (unsigned i = 0; i < rows; i++) {
		if (now[i].packets[port] == was[i].packets[port])
			continue;
		assert_null(said);
		said = now[i].reason;
		assert_int_equal(now[i].packets[port], was[i].packets[port] + 1);
		assert_int_equal(now[i].bytes[port], was[i].bytes[port] + n);
	}
	if (!said)
		return u.to_engine[port] != t.to_engine[port] ? "gate: engine"
		       : u.passed[port] != t.passed[port]     ? "gate: passed"
							      : "gate: dropped";
	if (strcmp(said, "forwarded") == 0 || strcmp(said, "away_open") == 0)
		assert_int_equal(u.passed[port], t.passed[port] + 1);
	else if (strcmp(said, "away_closed") == 0 || strcmp(said, "busy") == 0)
		assert_int_equal(u.dropped[port], t.dropped[port] + 1);
	else
		assert_int_equal(u.to_engine[port], t.to_engine[port] + 1);
	return said;
}

static const char *
sent(struct talk_seg s)
{
	uint8_t frame[TALK_FRAME];

	s.vlan = vlan;
	s.win = s.win ? s.win : 64240;
	return ran(frame, talk_frame(frame, &ends, &s), s.dir);
}

static struct kflow
entry(void)
{
	struct kflow v;

	assert_int_equal(fast_read(fast, &key, &v), 0);
	return v;
}

static struct kflow_offer
offer(void)
{
	struct kflow_offer o = {.seen = entry().up, .generation = generation};

	o.next[0] = o.acked[0] = cli;
	o.next[1] = o.acked[1] = srv;
	o.edge[0] = cli + 64240;
	o.edge[1] = srv + 64240;
	o.win[0] = o.win[1] = 64240;
	return o;
}

static void
begin(unsigned to)
{
	static const uint8_t hmi_mac[6] = {2, 0, 0, 0, 0, 'h'}, plc_mac[6] = {2, 0, 0, 0, 0, 'p'};
	struct fast_new new = {
	    .slot = 9, .conduit = to, .proto = to == S7 ? KFLOW_S7 : KFLOW_MODBUS};

	(void)fast_drop(fast, &key); /* of the case before */
	ends = (struct talk_ends){.client = {10, 0, 0, 1},
	    .server = {10, 0, 1, (uint8_t)(to + 1)},
	    .client_port = 40000,
	    .server_port = to == S7 ? 102 : 502};
	memcpy(ends.client_mac, hmi_mac, 6);
	memcpy(ends.server_mac, plc_mac, 6);
	talk_key(&ends, vlan, &key, &new.client_lo);
	assert_int_equal(fast_put(fast, &key, &new), 0);
	cli = 0xfffffff0u; /* the numbers go round at once */
	srv = 5000;
}

static void
begin_offered(unsigned to)
{
	struct kflow_offer o;

	begin(to);
	o = offer();
	fast_offer(fast, 9, &o);
}

#define ALLOWED(what) assert_string_equal(what, "forwarded")

static struct talk_seg
from_client(const uint8_t *p, uint32_t n)
{
	return (struct talk_seg){.dir = 0, .seq = cli, .ack = srv, .pay = p, .len = n};
}

static struct talk_seg
from_server(const uint8_t *p, uint32_t n)
{
	return (struct talk_seg){.dir = 1, .seq = srv, .ack = cli, .pay = p, .len = n};
}

/* A request that is forwarded; q keeps it. */
static void
asked(uint8_t *q, uint16_t txn, uint8_t fc, uint16_t addr, uint16_t n)
{
	uint32_t len = talk_modbus(q, txn, 1, fc, addr, n);

	ALLOWED(sent(from_client(q, len)));
	cli += len;
}

/* A whole poll and its last acknowledgement. */
static void
polled(uint16_t txn, uint8_t fc, uint16_t addr, uint16_t n)
{
	uint8_t q[300], p[300];
	uint32_t len;

	asked(q, txn, fc, addr, n);
	len = talk_modbus_answer(p, q);
	ALLOWED(sent(from_server(p, len)));
	srv += len;
	ALLOWED(sent(from_client(NULL, 0)));
}

static void
polling(void **state)
{
	struct fast_counter before, after;
	uint64_t hits, more;
	struct kflow v;

	(void)state;
	begin_offered(CLOSED);
	assert_int_equal(fast_share(fast, CLOSED, &before), 0);
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), 0, &hits), 0);
	for (uint16_t i = 0; i < 20; i++) {
		static const uint8_t fcs[] = {1, 2, 3, 4, 5, 6, 15, 16};
		uint8_t fc = fcs[i % 8];

		polled(i, fc, i, fc == 5 ? 0xff00 : 7);
	}
	v = entry();
	assert_int_equal(v.owner, KFLOW_KERNEL);
	assert_int_equal(v.packets, 60);
	assert_int_equal(v.pdus, 40);
	assert_int_equal(v.up, 0);
	assert_int_equal(v.epoch, 0);
	assert_int_equal(v.n_open, 0);
	assert_true(v.way[0].next == cli && v.way[0].acked == cli && v.way[0].n_sent == 0);
	assert_true(v.way[1].next == srv && v.way[1].acked == srv && v.way[1].n_sent == 0);
	assert_int_equal(fast_share(fast, CLOSED, &after), 0);
	assert_int_equal(after.packets - before.packets, 60);
	assert_int_equal(after.pdus - before.pdus, 40);
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), 0, &more), 0);
	assert_int_equal(more - hits, 20);
}

/* A poll that was there before is known by all of its bytes but the number. */
static void
known(void **state)
{
	static const struct {
		uint8_t unit, fc;
		uint16_t addr, n;
		const char *said;
	} cases[] = {{1, 3, 7, 2, "forwarded"}, {1, 3, 8, 2, "forwarded"}, {2, 3, 7, 2, "verdict"},
	    {1, 3, 199, 2, "verdict"}, {1, 3, 7, 500, "pdu"}, {1, 6, 200, 2, "verdict"}};
	uint64_t hits, more;
	uint8_t q[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_offered(CLOSED);
		assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), 0, &hits), 0);
		for (uint16_t k = 0; k < 8; k++)
			polled(k, 3, 7, 2);
		assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), 0, &more), 0);
		assert_int_equal(more - hits, 8);
		assert_string_equal(
		    sent(from_client(q,
			talk_modbus(q, 9, cases[i].unit, cases[i].fc, cases[i].addr, cases[i].n))),
		    cases[i].said);
	}
}

/* An exception is an answer, and counted as what it is. */
static void
exceptions(void **state)
{
	uint8_t q[300], p[9];

	(void)state;
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	assert_int_equal(entry().errors, 0);
	asked(q, 2, 3, 0, 1);
	memcpy(p, q, 8);
	talk_be(p + 4, 3, 2);
	p[7] |= 0x80;
	p[8] = 2;
	ALLOWED(sent(from_server(p, 9)));
	ALLOWED(sent(from_server(p, 9))); /* again: the same one */
	srv += 9;
	assert_int_equal(entry().errors, 1);
	assert_int_equal(entry().pdus, 4);
	polled(3, 3, 0, 1);
	assert_int_equal(entry().errors, 1);
}

static void
s7_polling(void **state)
{
	uint8_t q[300], p[300];

	(void)state;
	begin_offered(S7);
	for (uint16_t i = 0; i < 10; i++) {
		uint32_t n = talk_s7(q, i, i % 2 ? 5 : 4, 1, 2, (uint16_t)(1 + i % 8));

		ALLOWED(sent(from_client(q, n)));
		cli += n;
		n = talk_s7_answer(p, q);
		ALLOWED(sent(from_server(p, n)));
		srv += n;
	}
	assert_string_equal(sent(from_client(q, talk_s7(q, 99, 4, 2, 0, 4))), "verdict"); /* DB2 */
	begin_offered(S7);
	assert_string_equal(
	    sent(from_client(q, talk_s7(q, 99, 5, 1, 8, 4))), "verdict"); /* DBB11 */
	begin_offered(S7);
	(void)talk_s7(q, 1, 4, 1, 0, 4);
	q[21] = 0xff; /* not an answer, and its error is the engine's to tell */
	assert_string_equal(sent(from_client(q, 31)), "pdu");
}

/* Up to four requests may wait; answers come in their order. */
static void
open_requests(void **state)
{
	uint8_t q[6][300], p[300];
	uint32_t n;

	(void)state;
	begin_offered(CLOSED);
	for (uint16_t i = 0; i < 4; i++)
		asked(q[i], i, 3, 0, (uint16_t)(i + 1));
	assert_int_equal(entry().n_open, 4);
	n = talk_modbus_answer(p, q[0]);
	ALLOWED(sent(from_server(p, n))); /* acknowledges them all */
	srv += n;
	asked(q[4], 4, 3, 0, 5);
	for (unsigned i = 1; i < 5; i++) {
		n = talk_modbus_answer(p, q[i]);
		ALLOWED(sent(from_server(p, n)));
		srv += n;
		ALLOWED(sent(from_client(NULL, 0)));
	}
	assert_int_equal(entry().n_open, 0);
	for (uint16_t i = 0; i < 4; i++) {
		asked(q[i], i, 3, 0, (uint16_t)(i + 1));
		ALLOWED(sent(from_server(NULL, 0)));
	}
	n = talk_modbus(q[4], 4, 1, 3, 0, 5);
	assert_string_equal(sent(from_client(q[4], n)), "open_full");
}

static void
repeated(void **state)
{
	uint8_t q[300], p[300];
	struct talk_seg first, s;
	uint32_t n;

	(void)state;
	begin_offered(CLOSED);
	polled(1, 3, 0, 4);
	n = talk_modbus(q, 2, 1, 6, 7, 1234);
	first = from_client(q, n);
	ALLOWED(sent(first));
	cli += n;
	for (unsigned i = 0; i < 3; i++)
		ALLOWED(sent(first)); /* not answered, not acknowledged */
	assert_int_equal(entry().pdus, 3);
	assert_int_equal(entry().n_open, 1);
	s = from_client(NULL, 0); /* keep-alive */
	s.seq--;
	ALLOWED(sent(s));
	n = talk_modbus_answer(p, q);
	ALLOWED(sent(from_server(p, n)));
	ALLOWED(sent(from_server(p, n)));
	srv += n;
	ALLOWED(sent(from_client(NULL, 0)));
	first.ack = srv;
	assert_string_equal(sent(first), "sequence"); /* acknowledged meanwhile: forgotten */
	/* the same place, one bit another */
	begin_offered(CLOSED);
	n = talk_modbus(q, 2, 1, 6, 7, 1234);
	first = from_client(q, n);
	ALLOWED(sent(first));
	cli += n;
	q[11] ^= 1;
	assert_string_equal(sent(first), "sequence");
	assert_int_equal(entry().way[0].next, cli);
	assert_int_equal(entry().n_open, 1);
	assert_memory_equal(entry().turn[entry().open_at].head, (q[11] ^= 1, q), 12);
	assert_int_equal(entry().way[0].n_sent, 1);
	assert_true(entry().turn[entry().sent_at[0]].sent[0].hash == fast_hash(fast, q, 12));
}

/* --- what is handed up --------------------------------------------------------------------------- */

static uint8_t pdu[KFLOW_PAYLOAD + 8], ask[300];

static struct talk_seg
request(uint8_t unit, uint8_t fc, uint16_t addr, uint16_t n)
{
	return from_client(pdu, talk_modbus(pdu, 77, unit, fc, addr, n));
}

/* The answer to the request that begins each case. */
static struct talk_seg
answer(void)
{
	return from_server(pdu, talk_modbus_answer(pdu, ask));
}

static void
make(unsigned i, struct talk_seg *s, const char **why)
{
	static const uint8_t sack[] = {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9};
	unsigned at = 0;

#define CASE(reason, expr)                                                                         \
	if (i == at++) {                                                                           \
		*s = expr;                                                                         \
		*why = reason;
#define END                                                                                        \
	return;                                                                                    \
	}
	CASE("verdict", request(1, 3, 195, 10))
	END CASE("verdict", request(2, 3, 0, 10)) END CASE("verdict", request(1, 6, 200, 1))
	    END						   /* told of */
		CASE("verdict", request(1, 6, 210, 1)) END /* depends on the value */
		    CASE("pdu", request(1, 3, 0, 126)) END CASE("pdu", request(1, 3, 0, 0))
			END CASE("pdu", request(1, 5, 0, 1)) END CASE("pdu", request(1, 22, 0, 1))
			    END CASE("long", request(1, 16, 0, 40))
				END CASE("pdu", request(1, 3, 0, 1)) s->len = 11;
	END /* half of it */
	    CASE("pdu", request(1, 3, 0, 1)) s->len = 13;
	END /* and something behind */
	    CASE("pdu", request(1, 3, 0, 1)) memcpy(pdu + 12, pdu, 12);
	s->len = 24;
	END CASE("pdu", request(1, 3, 0, 1)) pdu[3] = 1;
	END CASE("flags", request(1, 3, 0, 1)) s->flags = 0x11;
	END CASE("flags", request(1, 3, 0, 1)) s->flags = 0x04;
	END CASE("flags", request(1, 3, 0, 1)) s->flags = 0x02;
	END CASE("flags", request(1, 3, 0, 1)) s->flags = 0x30;
	END CASE("flags", request(1, 3, 0, 1)) s->flags = 0x08;
	END CASE("options", from_client(NULL, 0)) memcpy(s->options, sack, 12);
	s->n_options = 12;
	END CASE("options", request(1, 3, 0, 1)) s->n_options = 4;
	END CASE("timestamp", request(1, 3, 0, 1)) s->ts = true;
	END CASE("checksum", request(1, 3, 0, 1)) s->bad_tcp_sum = true;
	END CASE("checksum", request(1, 3, 0, 1)) s->bad_ip_sum = true;
	END CASE("header", request(1, 3, 0, 1)) s->ip_options = 1;
	END CASE("sequence", request(1, 3, 0, 1)) s->seq++;
	END CASE("sequence", request(1, 3, 0, 1)) s->seq--;
	END CASE("sequence", from_client(NULL, 0)) s->seq++;
	END CASE("sequence", from_client(NULL, 0)) s->seq -= 2;
	END CASE("pdu", from_client((const uint8_t *)"", 1)) s->seq--;
	END /* a keep-alive with a byte */
	    CASE("ack", request(1, 3, 0, 1)) s->ack++;
	END CASE("ack", request(1, 3, 0, 1)) s->ack--;
	END CASE("ack", from_client(NULL, 0)) s->ack += 0x80000000u;
	END CASE("open_full", from_client(pdu, talk_modbus(pdu, 1, 1, 3, 5, 1)))
	    END /* same transaction */
		CASE("unpaired", answer()) pdu[1] ^= 1;
	END CASE("unpaired", answer()) pdu[6] ^= 1;
	END CASE("unpaired", answer()) pdu[7] = 4;
	END CASE("unpaired", from_server(pdu, talk_modbus_answer(pdu, ask) - 2)) pdu[5] -= 2;
	pdu[8] -= 2;
	END CASE("unpaired", answer()) s->len--;
	END CASE("long", from_server(pdu, KFLOW_PAYLOAD + 1)) END CASE("unpaired", answer())
	    pdu[7] = 0x83;
	pdu[8] = 9;
	pdu[5] = 3;
	s->len = 9;
	END CASE("sequence", answer()) s->seq += 3;
	END
#undef CASE
#undef END
	    *why = NULL;
}

static void
handed_up(void **state)
{
	const char *why;
	struct talk_seg s;
	struct kflow v;
	unsigned i;

	(void)state;
	for (i = 0;; i++) {
		begin_offered(CLOSED);
		asked(ask, 1, 3, 0, 4);
		make(i, &s, &why);
		if (!why)
			break;
		if (strcmp(sent(s), why) != 0) {
			begin_offered(CLOSED);
			asked(ask, 1, 3, 0, 4);
			make(i, &s, &why);
			fail_msg("case %u: %s, not %s", i, sent(s), why);
		}
		v = entry();
		assert_int_equal(v.owner, KFLOW_ENGINE);
		assert_int_equal(v.epoch, 1);
		assert_int_equal(v.up, 1);
		/* frozen, and it stays so */
		assert_true(v.way[0].next == cli && v.way[1].next == srv);
		assert_int_equal(v.n_open, 1);
		assert_memory_equal(v.turn[v.open_at].head, ask, 12);
		assert_string_equal(sent(from_client(NULL, 0)), "engine_owns");
		assert_int_equal(entry().up, 2);
		assert_int_equal(entry().epoch, 1);
	}
	assert_int_equal(i, 41);
	/* an exception that the specification names is an answer */
	begin_offered(CLOSED);
	asked(ask, 1, 3, 0, 4);
	s = answer();
	pdu[7] = 0x83;
	pdu[8] = 2;
	pdu[5] = 3;
	s.len = 9;
	ALLOWED(sent(s));
	srv += 9;
	assert_string_equal(sent(s = answer()), "unpaired"); /* nothing waits */
}

static void
windows(void **state)
{
	struct kflow_offer o;
	struct talk_seg s;

	(void)state;
	begin(CLOSED);
	o = offer();
	o.edge[0] = cli + 11;
	fast_offer(fast, 9, &o);
	assert_string_equal(sent(request(1, 3, 0, 1)), "window");
	begin(CLOSED);
	o = offer();
	o.edge[0] = cli + 11;
	o.wscale[1] = 3;
	fast_offer(fast, 9, &o);
	s = from_server(NULL, 0);
	s.win = 2; /* 16 bytes */
	ALLOWED(sent(s));
	ALLOWED(sent(request(1, 3, 0, 1)));
	cli += 12;
	assert_string_equal(sent(request(1, 3, 0, 1)), "window");
}

static void
timestamps(void **state)
{
	struct kflow_offer o;
	struct talk_seg s;

	(void)state;
	begin(CLOSED);
	o = offer();
	o.has_ts = 3;
	o.ts[0] = 0xffffffff;
	o.ts[1] = 7;
	fast_offer(fast, 9, &o);
	s = request(1, 3, 0, 1);
	s.ts = true;
	s.tsval = 1; /* gone round */
	ALLOWED(sent(s));
	cli += 12;
	s = from_server(NULL, 0);
	s.ts = true;
	s.tsval = 7;
	ALLOWED(sent(s));
	assert_int_equal(entry().way[0].ts, 1);
	s.tsval = 6;
	assert_string_equal(sent(s), "timestamp");
}

/* --- offers --------------------------------------------------------------------------------------- */

static void
offers(void **state)
{
	struct kflow_offer o;

	(void)state;
	begin(CLOSED);
	assert_string_equal(sent(request(1, 3, 0, 1)), "engine_owns");
	o = offer(); /* made of what is there now */
	fast_offer(fast, 9, &o);
	fast_withdraw(fast, 9);
	assert_string_equal(sent(from_client(NULL, 0)), "engine_owns");
	o = offer();
	o.seen--; /* a frame is still on its way up */
	fast_offer(fast, 9, &o);
	assert_string_equal(sent(from_client(NULL, 0)), "engine_owns");
	o = offer();
	fast_offer(fast, 9, &o);
	fast_withdraw(fast, 9);
	o.generation--;
	fast_offer(fast, 9, &o);
	assert_string_equal(sent(from_client(NULL, 0)), "engine_owns");
	/* does not fit: stays there, and the offer is void by that */
	o = offer();
	fast_offer(fast, 9, &o);
	cli++;
	assert_string_equal(sent(from_client(NULL, 0)), "sequence");
	cli--;
	assert_int_equal(entry().owner, KFLOW_ENGINE);
	assert_int_equal(entry().epoch, 0);
	assert_string_equal(sent(from_client(NULL, 0)), "engine_owns");
	o = offer();
	fast_offer(fast, 9, &o);
	ALLOWED(sent(from_client(NULL, 0)));
	/* the engine owns: the first frame may be a server's as well, and one with a PDU */
	begin(CLOSED);
	o = offer();
	fast_offer(fast, 9, &o);
	polled(1, 3, 0, 1);
}

static void
places(void **state)
{
	uint8_t frame[TALK_FRAME];
	struct talk_seg s;
	size_t n;

	(void)state;
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	s = from_client(NULL, 0);
	s.win = 64240;
	n = talk_frame(frame, &ends, &s);
	assert_string_equal(ran(frame, n, 1), "gate: dropped"); /* hmi is not inside */
	assert_int_equal(entry().owner, KFLOW_KERNEL);
	frame[11] ^= 1; /* another sender's MAC; the policy names none */
	assert_string_equal(ran(frame, n, 0), "place");
	assert_int_equal(entry().owner, KFLOW_ENGINE);
	/* a VLAN is part of who it is */
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	s = from_client(NULL, 0);
	s.vlan = 5;
	s.win = 64240;
	assert_string_equal(ran(frame, talk_frame(frame, &ends, &s), 0), "gate: engine");
	assert_int_equal(entry().owner, KFLOW_KERNEL);
	vlan = 7;
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	vlan = 0;
	/* bytes behind the datagram are nobody's */
	begin_offered(CLOSED);
	s = from_client(NULL, 0);
	s.pad = 6;
	ALLOWED(sent(s));
}

/* --- policies, and an engine that is away ------------------------------------------------------------ */

static void
generations(void **state)
{
	uint64_t before, hits;
	uint32_t old;

	(void)state;
	begin_offered(CLOSED);
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), 0, &before), 0);
	polled(1, 3, 0, 1);
	old = generation;
	assert_null(put_policy(ZONES("")));
	/* what was counted stays with its generation, until the set is filled anew */
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, old), 0, &hits), 0);
	assert_int_equal(hits, before + 1);
	assert_int_equal(fast_rule_hits(fast, fast_set(fast, generation), 0, &hits), 0);
	assert_int_equal(hits, 0);
	assert_int_equal(fast_set(fast, old - 1), ERR_NOTFOUND);
	assert_string_equal(sent(from_client(NULL, 0)), "generation");
	assert_int_equal(entry().epoch, 1);
	begin_offered(RATED);
	assert_string_equal(sent(from_client(NULL, 0)), "no_block");
}

/* A zone's limit counts what the kernel passes as well; the other zone's answers are its own. */
static void
zone_limits(void **state)
{
	const char *said = "forwarded";
	unsigned n = 0;

	(void)state;
	assert_null(put_policy(ZONES(", limits: {packets: 30/s}")));
	assert_true(policy_gate(policy)->conduits[CLOSED].counted);
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	for (; n < 2000 && strcmp(said, "forwarded") == 0; n++)
		said = sent(from_client(NULL, 0));
	assert_string_equal(said, "gate: dropped");
	assert_true(n >= 28); /* a second's worth at least; 2000 frames take less than two */
	assert_int_equal(entry().owner, KFLOW_KERNEL);
	for (unsigned i = 0; i < 50; i++)
		ALLOWED(sent(from_server(NULL, 0)));
	/* what counts connections is not about these */
	assert_null(put_policy(ZONES(", limits: {flows: 1/s}")));
	assert_false(policy_gate(policy)->conduits[CLOSED].counted);
	begin_offered(CLOSED);
	for (uint16_t i = 0; i < 100; i++)
		polled(i, 3, 0, 1);
	assert_null(put_policy(ZONES("")));
}

static void
too_large(void **state)
{
	const struct gate_spec *s = policy_gate(policy);
	struct gate_spec large = *s;
	uint32_t *words = calloc((4u << 20) / 4 + 1, 4);
	char err[128] = "";

	(void)state;
	assert_non_null(words);
	memcpy(words, s->words, s->n_words * 4u);
	large.words = words;
	large.n_words = (4u << 20) / 4;
	assert_int_equal(gate_set_policy(gate, &large, ++generation, err, sizeof(err)), 0);
	assert_null(gate_not_fast(gate));
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	large.n_words++;
	assert_int_equal(gate_set_policy(gate, &large, ++generation, err, sizeof(err)), 0);
	assert_string_equal(gate_not_fast(gate),
	    "the policy's tables have 1048577 words, the filter holds 1048576");
	assert_string_equal(sent(from_client(NULL, 0)), "no_block");
	free(words);
	assert_null(put_policy(ZONES("")));
}

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
away(void **state)
{
	struct talk_seg bad;

	(void)state;
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	fast_alive(fast, now_ns() - 5 * KFLOW_PULSE_NS);
	polled(2, 3, 0, 1); /* goes on */
	bad = request(1, 3, 0, 1);
	bad.flags = 0x11;
	assert_string_equal(sent(bad), "away_closed");
	assert_int_equal(entry().owner, KFLOW_KERNEL);
	assert_string_equal(sent(request(1, 6, 200, 1)), "away_closed");
	polled(3, 3, 0, 1);
	ends.client_port++; /* a connection without an entry */
	assert_string_equal(sent(from_client(NULL, 0)), "gate: dropped");
	fast_alive(fast, now_ns() + KFLOW_PULSE_NS); /* back */
	ends.client_port--;
	assert_string_equal(sent(request(1, 6, 200, 1)), "verdict");
	/* open */
	begin_offered(OPEN);
	polled(1, 3, 0, 1);
	fast_alive(fast, now_ns() - 5 * KFLOW_PULSE_NS);
	polled(2, 3, 0, 1);
	bad = request(1, 16, 0, 4);
	assert_string_equal(sent(bad), "away_open");
	assert_int_equal(entry().owner, KFLOW_ENGINE);
	assert_int_equal(entry().lost, 1);
	assert_string_equal(sent(from_client(NULL, 0)), "away_open");
	assert_int_equal(entry().lost, 2);
	ends.client_port++;
	assert_string_equal(sent(from_client(NULL, 0)), "gate: passed");
	fast_alive(fast, 0);
	/* no socket: the same at once */
	kit_take_socket(gate);
	begin_offered(CLOSED);
	polled(1, 3, 0, 1);
	assert_string_equal(sent(request(1, 6, 200, 1)), "away_closed");
	assert_null(kit_socket(gate));
}

/* --- a slot that becomes another connection's -------------------------------------------------- */

static struct {
	uint8_t frame[TALK_FRAME];
	size_t n;
	volatile bool stop;
	uint64_t runs;
} other;

static void *
send_on(void *arg)
{
	(void)arg;
	for (; !other.stop; other.runs++)
		(void)kit_passes(gate, 0, other.frame, other.n, 50, NULL);
	return NULL;
}

/* Frames of the one run all the time; nothing of them is ever counted in the other's entry. */
static void
reused(void **state)
{
	uint8_t q[64];
	struct talk_seg s;
	struct fast_new new = {.slot = 9};
	struct kflow_key one, two;
	unsigned taken = 0;
	struct kflow v;
	pthread_t t;

	(void)state;
	begin(CLOSED);
	one = two = key;
	s = from_client(q, talk_modbus(q, 1, 1, 3, 0, 1));
	s.win = 64240;
	other.n = talk_frame(other.frame, &ends, &s);
	two.lo_port ^= 1;
	assert_int_equal(fast_drop(fast, &one), 0);
	assert_int_equal(pthread_create(&t, NULL, send_on, NULL), 0);
	for (unsigned i = 0; i < 20000; i++) {
		struct kflow_offer o = {
		    .generation = generation, .edge = {cli + 64240, srv + 64240}};

		o.next[0] = o.acked[0] = cli;
		o.next[1] = o.acked[1] = srv;
		new.client_lo = one.lo_port == 40000;
		assert_int_equal(fast_put(fast, &one, &new), 0);
		fast_offer(fast, 9, &o);
		for (unsigned k = 0; k < i % 16; k++)
			assert_int_equal(fast_read(fast, &one, &v), 0);
		taken += v.owner == KFLOW_KERNEL;
		assert_int_equal(fast_drop(fast, &one), 0);
		assert_int_equal(fast_put(fast, &two, &new), 0);
		fast_offer(fast, 9, &o);
		for (unsigned k = 0; k < i % 8; k++)
			assert_int_equal(fast_read(fast, &two, &v), 0);
		assert_int_equal(fast_read(fast, &two, &v), 0);
		if (v.up != 0 || v.packets != 0 || v.owner != KFLOW_ENGINE)
			fail_msg("round %u: up %u, packets %ju", i, v.up, (uintmax_t)v.packets);
		assert_int_equal(fast_drop(fast, &two), 0);
	}
	other.stop = true;
	assert_int_equal(pthread_join(t, NULL), 0);
	print_message(
	    "# %ju runs, taken in %u of 20000 rounds\n", (uintmax_t)other.runs * 50, taken);
}

/* The lock of an entry, held by a CPU that is stopped, and by an engine that was killed. */
static void
held(void **state)
{
	const size_t bytes = (KFLOW_MAX * sizeof(struct kflow) + 4095) / 4096 * 4096;
	struct gate_fast_fds fds;
	struct kflow *all, was, v;
	uint8_t q[64];

	(void)state;
	assert_int_equal(gate_fast_fds(gate, &fds), 0);
	all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds.flows, 0);
	assert_true(all != MAP_FAILED);
	begin_offered(CLOSED);
	asked(q, 1, 3, 0, 4);
	was = entry();
	assert_int_equal(was.version & (KFLOW_HELD | KFLOW_GONE), 0);
	all[9].version |= KFLOW_HELD;
	assert_string_equal(sent(from_client(NULL, 0)), "busy");
	all[9].version ^= KFLOW_HELD;
	v = entry();
	assert_memory_equal(&v, &was, sizeof(v)); /* as if the frame had not come */
	ALLOWED(sent(from_client(NULL, 0)));
	assert_int_equal(entry().version, was.version + 2);

	all[9].version |= KFLOW_GONE;
	was = all[9];
	assert_int_equal(fast_read(fast, &key, &v), ERR_NOTFOUND);
	assert_string_equal(sent(from_client(NULL, 0)), "gate: engine");
	assert_memory_equal(
	    &all[9], &was, sizeof(was)); /* nor is it counted: the entry is not there */
	all[9].generation ^= 1;		 /* half written */
	begin_offered(CLOSED);		 /* by the next one */
	asked(q, 1, 3, 0, 4);
	assert_int_equal(entry().owner, KFLOW_KERNEL);
	(void)munmap(all, bytes);
}

static void
verifier(void **state)
{
	struct gate_program p;

	(void)state;
	for (unsigned port = 0; port < 2; port++) {
		assert_int_equal(gate_program(gate, port, &p), 0);
		print_message(
		    "# %s: %u instructions, %u verified\n", p.name, p.instructions, p.verified);
		assert_in_range(p.verified, 1, 400000);
	}
	print_message("# maps: %zu KiB\n", gate_memory(gate) / 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries),
	    cmocka_unit_test(full),
	    cmocka_unit_test(hashes),
	    cmocka_unit_test(without),
	    cmocka_unit_test(reused),
	    cmocka_unit_test(held),
	    cmocka_unit_test(verifier),
	    cmocka_unit_test(polling),
	    cmocka_unit_test(known),
	    cmocka_unit_test(exceptions),
	    cmocka_unit_test(s7_polling),
	    cmocka_unit_test(open_requests),
	    cmocka_unit_test(repeated),
	    cmocka_unit_test(handed_up),
	    cmocka_unit_test(windows),
	    cmocka_unit_test(timestamps),
	    cmocka_unit_test(offers),
	    cmocka_unit_test(places),
	    cmocka_unit_test(generations),
	    cmocka_unit_test(zone_limits),
	    cmocka_unit_test(too_large),
	    cmocka_unit_test(away),
	};
	int r = kit_fast_begin(&gate, &fast);

	if (r != 0)
		return r;
	(void)put_policy(ZONES(""));
	r = cmocka_run_group_tests(tests, NULL, NULL);
	kit_fast_end(gate, fast);
	policy_free(policy);
	return r;
}
