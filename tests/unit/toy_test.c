/* SPDX-License-Identifier: Apache-2.0 */
/*
 * toy_test.c - what Modbus does not ask of the engine, asked with the toy
 * protocol of dissectors/_template: state too large for the flow record, PDUs
 * longer than max_pdu that go to part(), a PDU whose length is known only with
 * its last byte, cut at every place, and that nothing leased is kept.
 *
 * The test has its own dissectors[]: the toy, with a state that needs a cell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dissectors/_template/toy.c"

#include "dataplane/engine_int.h"
#include "tests/unit/wire.h"

enum { CLIENT = 0, SERVER = 1, PAYLOAD_MAX = 1400, VALUES = 495 };

/* Room for the toy's state and more than a flow record has. */
#define WIDE_STATE (DIS_STATE_INLINE + 64)

static const struct dissector wide_toy = {
	.name = "toy",
	.spec = "the top comment of toy.c",
	.ports = ports,
	.max_pdu = TOY_HEAD + TOY_BODY_MAX,
	.state_size = WIDE_STATE,
	.schema = &schema,
	.probe = toy_probe,
	.frame = toy_frame,
	.pdu = toy_pdu,
	.part = toy_part,
	.gap = toy_gap,
	.refuse = toy_refuse,
};

const struct dissector *const dissectors[] = {&wide_toy, NULL};
const unsigned n_dissectors = 1;

static const char rules[] =
    "interlock: 1\nsite: test\nmode: enforce\n"
    "zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"
    "  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
    "conduits:\n  - name: poll\n    from: [it/*]\n    to: [ot/*]\n    otherwise: drop\n"
    "    conditions: {unsolicited: alert}\n"
    "    toy:\n      allow:\n"
    "        - {name: reads, functions: [1], units: [5], cells: [0..99]}\n";

struct world {
	struct engine *e;
	struct policy *pol;
	struct wire w;
	unsigned facts, last_kind, denied;
	uint32_t values; /* of writes */
	uint32_t disorder; /* of them, not at 100, 101, ... */
	uint64_t last_frame, anomalies;
	uint32_t out; /* payload bytes of the client that went on */
};

static void
on_fact(void *ctx, const struct engine_pdu *pdu)
{
	struct world *x = ctx;
	struct fact_iter it = {0};
	struct fact_item item;

	x->facts += !pdu->fact->more;
	x->last_kind = pdu->fact->kind;
	x->denied += pdu->verdict->would >= VERDICT_REJECT;
	x->last_frame = pdu->frame;
	x->anomalies |= pdu->fact->anomalies;
	while (fact_next(pdu->fact, &it, &item))
		for (uint32_t i = 0; item.vals && i < item.count; i++, x->values++)
			x->disorder += item.first + i != 100 + x->values;
}

static struct pkt
say(struct world *x, unsigned who, uint8_t flags, const void *p, size_t n)
{
	struct pkt f = wire_tcp(&x->w, who, flags, p, n);

	engine_burst(x->e, &f, 1);
	assert_true(engine_balanced(engine_stats(x->e)));
	if (who == CLIENT && f.fate == FATE_FORWARD)
		x->out += f.caplen - 54;
	return f;
}

static void
world(struct world *x, bool guard)
{
	struct complaints cs = {0};
	struct engine_conf conf = {
	    .memory_bytes = 2u << 20, .seed = 3, .on_fact = on_fact, .ctx = x,
	    .inline_mode = guard,
	};

	memset(x, 0, sizeof(*x));
	if (guard) {
		x->pol = policy_build_text("rules", rules, sizeof(rules) - 1, &cs);
		if (!x->pol)
			complaints_print(&cs, stderr);
		assert_non_null(x->pol);
		conf.policy = x->pol;
		complaints_fini(&cs);
	}
	x->e = engine_new(&conf);
	assert_non_null(x->e);
	x->w.now_ns = UINT64_C(1700000000000000000);
	x->w.side[CLIENT] = (struct wire_side){0x0a010205, 40000, 0xfffffff0u};
	x->w.side[SERVER] = (struct wire_side){0x0a010282, 7007, 9000};
	say(x, CLIENT, TCP_SYN, NULL, 0);
	say(x, SERVER, TCP_SYN | TCP_ACK, NULL, 0);
	say(x, CLIENT, TCP_ACK, NULL, 0);
}

static void
world_end(struct world *x)
{
	engine_finish(x->e);
	for (unsigned c = 0; c < CELL__CLASSES; c++)
		assert_int_equal(x->e->cells.used[c], 0);
	engine_free(x->e);
	policy_free(x->pol);
}

static const uint8_t read1[12] = "TY\1\5\0\1\0\4\0\7\0\2";
static const uint8_t answer_write[8] = "TY\202\5\0\2\0"; /* nothing behind the header */

static size_t
long_write(uint8_t *b)
{
	size_t n = TOY_HEAD + 2 + 2 * VALUES;

	memset(b, 7, n);
	memcpy(b, "TY\2\5\0\2", 6);
	b[6] = (uint8_t)((n - TOY_HEAD) >> 8);
	b[7] = (uint8_t)(n - TOY_HEAD);
	b[8] = 0;
	b[9] = 100;
	return n;
}

/* A read, a long write and a read in one stream, cut in two at every place. */
static void
parts_at_every_cut(void **state)
{
	uint8_t b[PAYLOAD_MAX];
	size_t n = 12 + long_write(b + 12) + 12;
	struct world x;

	(void)state;
	memcpy(b, read1, 12);
	memcpy(b + n - 12, read1, 12);
	for (size_t cut = 1; cut < n; cut++) {
		world(&x, false);
		say(&x, CLIENT, TCP_ACK, b, cut);
		say(&x, CLIENT, TCP_ACK, b + cut, n - cut);
		say(&x, SERVER, TCP_ACK, answer_write, 8);
		assert_int_equal(x.facts, 4);
		assert_int_equal(x.values, VALUES);
		assert_int_equal(x.disorder, 0);
		assert_int_equal(x.anomalies & ~FACT_A_UNSOLICITED, 0);
		world_end(&x);
	}
	world(&x, false); /* and byte by byte */
	for (size_t i = 0; i < n; i++)
		say(&x, CLIENT, TCP_ACK, b + i, 1);
	assert_int_equal(x.facts, 3);
	assert_int_equal(x.values, VALUES);
	assert_int_equal(x.disorder, 0);
	world_end(&x);
}

/* What the engine has to say of the PDU before does not stick to the next. */
static void
parts_have_their_own_anomalies(void **state)
{
	uint8_t b[PAYLOAD_MAX];
	size_t n = long_write(b);
	struct world x;

	(void)state;
	world(&x, false);
	say(&x, CLIENT, TCP_ACK, read1, 12);
	x.w.side[CLIENT].seq += 20; /* lost */
	say(&x, CLIENT, TCP_ACK, read1, 12);
	say(&x, SERVER, TCP_ACK, NULL, 0);
	assert_true(x.anomalies & FACT_A_GAP);
	x.anomalies = 0;
	say(&x, CLIENT, TCP_ACK, b, n);
	assert_int_equal(x.values, VALUES);
	assert_int_equal(x.anomalies, 0);
	world_end(&x);
}

/* A PDU that is all header is whole with its header's last byte: it is judged
 * then, not with whatever comes next. */
static void
judged_with_its_last_byte(void **state)
{
	struct world x;

	(void)state;
	for (size_t cut = 1; cut < 8; cut++) {
		world(&x, false);
		say(&x, CLIENT, TCP_ACK, read1, 12);
		say(&x, SERVER, TCP_ACK, answer_write, cut);
		assert_int_equal(x.facts, 1);
		say(&x, SERVER, TCP_ACK, answer_write + cut, 8 - cut);
		assert_int_equal(x.facts, 2);
		assert_int_equal(x.last_frame, x.w.frame);
		world_end(&x);
	}
}

/* A denied PDU, however cut: not all of it goes on; an allowed one does. */
static void
inline_at_every_cut(void **state)
{
	static const uint8_t empty[8] = "TY\11\5\0\1"; /* unknown, all header */
	uint8_t b[PAYLOAD_MAX];
	size_t n = 12 + long_write(b + 12);
	struct world x;

	(void)state;
	memcpy(b, read1, 12);
	for (size_t cut = 1; cut < n; cut++) {
		world(&x, true);
		say(&x, CLIENT, TCP_ACK, b, cut);
		say(&x, CLIENT, TCP_ACK, b + cut, n - cut);
		assert_true(x.denied > 0);
		assert_true(x.out >= (cut < 12 ? cut : 12) && x.out < n);
		world_end(&x);
	}
	for (size_t cut = 1; cut < 8; cut++) {
		world(&x, true);
		say(&x, CLIENT, TCP_ACK, read1, 12);
		say(&x, CLIENT, TCP_ACK, empty, cut);
		say(&x, CLIENT, TCP_ACK, empty + cut, 8 - cut);
		assert_true(x.denied > 0);
		assert_true(x.out >= 12 && x.out < 20);
		world_end(&x);
	}
}

/* State and carry of flows that end in every way go back to the pool. */
static void
nothing_leased_is_kept(void **state)
{
	uint8_t b[PAYLOAD_MAX];
	struct world x;

	(void)state;
	(void)long_write(b);
	for (unsigned guard = 0; guard < 2; guard++) {
		world(&x, guard);
		for (unsigned i = 0; i < 4000; i++) {
			x.w.side[CLIENT].port = (uint16_t)(1024 + i % 3000);
			x.w.side[CLIENT].seq += 777;
			x.w.side[SERVER].seq += 999;
			say(&x, CLIENT, TCP_SYN, NULL, 0);
			say(&x, SERVER, TCP_SYN | TCP_ACK, NULL, 0);
			say(&x, CLIENT, TCP_ACK, read1, 12);
			say(&x, CLIENT, TCP_ACK, b, 1 + i % 600); /* half a write */
			x.w.side[CLIENT].seq += i % 3;		  /* or a hole */
			say(&x, CLIENT, TCP_ACK, read1, i % 13);
			if (i % 5 == 0)
				say(&x, CLIENT, TCP_RST | TCP_ACK, NULL, 0);
			if (i % 97 == 0)
				engine_tick(x.e, x.w.now_ns += 15000000000u);
		}
		world_end(&x);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parts_at_every_cut),
	    cmocka_unit_test(parts_have_their_own_anomalies),
	    cmocka_unit_test(judged_with_its_last_byte),
	    cmocka_unit_test(inline_at_every_cut),
	    cmocka_unit_test(nothing_leased_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
