/* SPDX-License-Identifier: Apache-2.0 */
/* reload_test.c - one policy after another while connections live on (rebind.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/plant.h"

#define HEAD                                                                                       \
	"interlock: 1\nsite: test\nmode: enforce\n"                                                \
	"zones:\n  it: {level: 3, port: outside, nets: [10.1.2.0/25]}\n"                           \
	"  ot: {level: 1, port: inside, nets: [10.1.2.128/25]}\n"
/* Rules differ in number and place, so that an index of one means another thing, or
 * nothing, in the next. */
#define CONDUIT(name, from, range)                                                                 \
	"  - name: " name "\n    from: [" from "]\n    to: [ot/*]\n    otherwise: drop\n"          \
	"    modbus:\n      addressing: zero-based\n      allow:\n"                                \
	"        - {name: reads, units: [1], functions: [3], holding: [" range "]}\n"

static const char low[] = HEAD "conduits:\n" CONDUIT("poll", "it/*", "0..99");
static const char high[] =
    HEAD "devices:\n  a: {zone: it, ip: 10.1.2.77}\n  b: {zone: it, ip: 10.1.2.78}\n"
	 "conduits:\n" CONDUIT("other", "a", "0..9") CONDUIT("more", "b", "0..9")
	     CONDUIT("poll", "it/*", "100..199");
static const char none[] = HEAD "devices:\n  a: {zone: it, ip: 10.1.2.77}\n"
				"conduits:\n" CONDUIT("other", "a", "0..9");
static const char watchful[] =
    "interlock: 1\nsite: test\nmode: alert\n"
    "zones:\n  it: {level: 3, nets: [10.1.2.0/25]}\n  ot: {level: 1, nets: [10.1.2.128/25]}\n"
    "devices:\n  a: {zone: it, ip: 10.1.2.77}\n"
    "conduits:\n" CONDUIT("other", "a", "0..9");

#define HMI 0x0a010205
#define PLC 0x0a010282

static void
another_policy_judges_from_the_next_pdu(void **state)
{
	struct plant *x = plant_new(true, low, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

	(void)state;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 1, 0, 10));
	assert_int_equal(engine_rule_hits(x->e)[0], 1);
	plant_policy(x, high);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(engine_rule_hits(x->e)[i], 0);
	assert_true(plant_poll(x, &w, 2, 100, 10));
	assert_int_equal(engine_rule_hits(x->e)[2], 1);
	assert_int_equal(x->verdict.generation, policy_generation(x->pol));
	assert_string_equal(policy_conduit_name(x->pol, x->verdict.conduit), "poll");
	assert_int_equal(x->events, 0);
	plant_policy(x, low);
	assert_false(plant_poll(x, &w, 3, 100, 10)); /* what was right is wrong */
	assert_int_equal(x->denied, 1);
	plant_free(x);
}

/* A conversation that nobody may have any more. */
static void
what_is_not_allowed_ends(void **state)
{
	struct plant *x = plant_new(true, low, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	struct pkt p;

	(void)state;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 1, 0, 10));
	/* one segment waits behind a hole */
	p = plant_put(x, wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq + 12, ACK | PSH,
			     "\0\3\0\0\0\6\1\3\0\0\0\1", 12));
	assert_int_equal(p.fate, FATE_HELD);
	plant_policy(x, none);
	assert_int_equal(plant_stats(x)->flows_active, 1); /* nothing has come of it yet */
	assert_int_equal(x->flow_events, 0);
	p = plant_put(x, wire_tcp(&w, SERVER, ACK, NULL, 0));
	assert_int_equal(p.fate, FATE_DROP);
	assert_int_equal(p.reason, DROP_POLICY_CONDUIT);
	assert_int_equal(x->flow_events, 1);
	assert_int_equal(x->event_verdict.reason, REASON_NO_CONDUIT);
	assert_int_equal(plant_stats(x)->flows_ended, 1);
	assert_int_equal(plant_stats(x)->flows_active, 0);
	assert_int_equal(plant_stats(x)->held, 0);
	assert_false(plant_poll(x, &w, 2, 0, 10));
	assert_false(plant_open(x, &w));
	plant_policy(x, low); /* and again allowed: from its next handshake on */
	w.side[CLIENT].port++;
	assert_true(plant_open(x, &w));
	assert_true(plant_poll(x, &w, 3, 0, 10));
	assert_int_equal(plant_stats(x)->flows_ended, 1);
	plant_free(x);
}

/* Halves: the PDU is judged once, whole, by the policy that sees its end. */
static void
half_a_pdu(void **state)
{
	static const uint8_t read[] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10};
	struct plant *x = plant_new(true, low, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

	(void)state;
	assert_true(plant_open(x, &w));
	for (unsigned cut = 1; cut < sizeof(read); cut++) {
		unsigned facts = x->facts;

		plant_policy(x, high);
		plant_say(x, &w, CLIENT, read, cut); /* `high` would deny it */
		assert_int_equal(x->facts, facts);
		plant_policy(x, low);
		assert_int_equal(
		    plant_say(x, &w, CLIENT, read + cut, sizeof(read) - cut).fate, FATE_FORWARD);
		assert_int_equal(x->facts, facts + 1);
		assert_int_equal(x->verdict.generation, policy_generation(x->pol));
	}
	/* and the other way round */
	plant_say(x, &w, CLIENT, read, 7);
	plant_policy(x, high);
	assert_int_equal(plant_say(x, &w, CLIENT, read + 7, 5).fate, FATE_DROP);
	assert_int_equal(x->verdict.generation, policy_generation(x->pol));
	plant_free(x);
}

/* Held segments: judged by whoever rules when the hole is filled. */
static void
held_ones_are_judged_anew(void **state)
{
	static const uint8_t a[] = {0, 1, 0, 0, 0, 6, 1, 3, 0, 150, 0, 1};
	static const uint8_t b[] = {0, 2, 0, 0, 0, 6, 1, 3, 0, 10, 0, 1};
	struct plant *x = plant_new(true, low, 0, 0);
	struct wire w = plant_wire(x, HMI, 40000, PLC, 502);
	struct pkt p;

	(void)state;
	assert_true(plant_open(x, &w));
	p = plant_put(x, wire_tcp_at(&w, CLIENT, w.side[CLIENT].seq + 12, ACK | PSH, b, 12));
	assert_int_equal(p.fate, FATE_HELD); /* `low` allows it */
	plant_policy(x, high);
	assert_int_equal(plant_say(x, &w, CLIENT, a, 12).fate, FATE_FORWARD);
	assert_int_equal(x->sent, 0); /* `high` does not */
	assert_int_equal(x->facts, 2);
	assert_int_equal(x->denied, 1);
	assert_int_equal(plant_stats(x)->held, 0);
	plant_free(x);
}

/* Watching, what is denied is told once and goes on being read. */
static void
watching(void **state)
{
	for (unsigned kept = 0; kept < 2; kept++) {
		struct plant *x = plant_new(false, low, 0, 0);
		struct wire w = plant_wire(x, HMI, 40000, PLC, 502);

		(void)state;
		assert_true(plant_open(x, &w));
		assert_true(plant_poll(x, &w, 1, 0, 10));
		if (kept) { /* a timer finds what waits behind a hole, and the flow is of another policy */
			w.side[CLIENT].seq += 7;
			plant_put(
			    x, wire_tcp(&w, CLIENT, ACK | PSH, "\0\3\0\0\0\6\1\3\0\0\0\1", 12));
		}
		plant_policy(x, watchful);
		if (kept)
			engine_tick(x->e, x->now_ns += UINT64_C(3000000000));
		else
			assert_true(plant_poll(x, &w, 2, 0, 10));
		assert_int_equal(x->flow_events, 1);
		assert_int_equal(plant_stats(x)->flows_ended, 1);
		assert_int_equal(x->verdict.generation, policy_generation(x->pol));
		assert_int_equal(x->verdict.reason, REASON_NO_CONDUIT);
		plant_policy(x, NULL);
		assert_true(plant_poll(x, &w, 4, 0, 10));
		assert_int_equal(x->verdict.reason, REASON_NO_POLICY);
		plant_free(x);
	}
}

/* A thousand policies under traffic of several conversations, cut anywhere. */
static void
a_thousand_swaps(void **state)
{
	static const char *const texts[] = {low, high};
	struct plant *x = plant_new(true, low, 0, 0);
	struct wire w[4];
	uint16_t txn = 0;
	uint32_t seed = 1;
	unsigned polls = 0;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		w[i] = plant_wire(x, HMI + i, (uint16_t)(40000 + i), PLC + i, 502);
		assert_true(plant_open(x, &w[i]));
	}
	x->e->epoch = UINT16_MAX - 400; /* comes round on the way */
	for (unsigned i = 0; i < 4; i++)
		assert_true(plant_poll(x, &w[i], txn++, 0, 5));
	for (unsigned swap = 0; swap < 1000; swap++) {
		unsigned which = swap & 1, facts;
		uint8_t ask[12] = {0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1};
		struct wire *c = &w[(seed = seed * 1103515245 + 12345) >> 16 & 3];
		unsigned cut = 1 + (seed >> 20) % 11;

		ask[0] = (uint8_t)(++txn >> 8);
		ask[1] = (uint8_t)txn;
		ask[9] = which ? 120 : 20; /* allowed by the policy to come */
		facts = x->facts;
		plant_say(x, c, CLIENT, ask, cut);
		plant_policy(x, texts[which]);
		assert_int_equal(plant_say(x, c, CLIENT, ask + cut, 12 - cut).fate, FATE_FORWARD);
		assert_int_equal(x->facts, facts + 1);
		assert_int_equal(x->verdict.generation, policy_generation(x->pol));
		{
			uint8_t say[11] = {ask[0], ask[1], 0, 0, 0, 5, 1, 3, 2, 0, 0};

			assert_int_equal(plant_say(x, c, SERVER, say, 11).fate, FATE_FORWARD);
		}
		if (swap % 3 == 0)
			for (unsigned i = 0; i < 4; i++, polls++)
				assert_true(plant_poll(x, &w[i], ++txn, which ? 100 : 0, 5));
	}
	assert_true(polls > 1000);
	assert_int_equal(x->events, 0);
	assert_int_equal(x->anomalies, 0);
	assert_int_equal(plant_stats(x)->flows, 4);
	assert_int_equal(plant_stats(x)->flows_ended, 0);
	plant_free(x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(another_policy_judges_from_the_next_pdu),
	    cmocka_unit_test(what_is_not_allowed_ends),
	    cmocka_unit_test(half_a_pdu),
	    cmocka_unit_test(held_ones_are_judged_anew),
	    cmocka_unit_test(watching),
	    cmocka_unit_test(a_thousand_swaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
