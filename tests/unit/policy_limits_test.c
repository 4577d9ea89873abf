/* SPDX-License-Identifier: Apache-2.0 */
/* policy_limits_test.c - limits of a block that are about a connection: rate, pending. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

#define MS UINT64_C(1000000)

struct dis_sink {
	struct policy *pol;
	struct policy_bind bind;
	uint64_t meter, now;
	struct verdict v;
	uint32_t over;
	bool emitted;
};

bool
dis_emit(struct dis_sink *s, struct fact *f)
{
	assert_string_equal(dissectors[f->proto]->name, "modbus");
	s->v = policy_eval(s->pol, &s->bind, f);
	if (s->bind.flags & BIND_RATE)
		s->v = policy_eval_rate(s->pol, &s->bind, f, s->v, &s->meter, s->now);
	s->over += s->v.reason == REASON_LIMIT;
	s->emitted = true;
	return s->v.action < VERDICT_REJECT;
}

void *
dis_lease(struct dis_call *call, uint32_t want)
{
	(void)call;
	(void)want;
	return NULL;
}

struct talk {
	struct dis_sink sink;
	struct dis_call call;
	_Alignas(8) uint8_t state[DIS_STATE_INLINE];
};

static void
start(struct talk *k, const char *limits, const char *mode)
{
	struct complaints c = {0};
	struct net_tuple t = {.proto = NET_PROTO_TCP, .sport = 50000, .dport = 502};
	char text[1024];

	memset(k, 0, sizeof(*k));
	snprintf(text, sizeof(text),
	    "interlock: 1\nmode: %s\n"
	    "zones: {a: {nets: [10.0.0.0/24]}, b: {nets: [10.0.1.0/24]}}\n"
	    "conduits:\n  - {name: c, from: [a/*], to: [b/*], modbus: {addressing: zero-based, "
	    "limits: "
	    "{%s}, deny: [{name: d, verdict: reset, units: all, functions: [6]}], allow: [{name: "
	    "r, "
	    "units: all, functions: [3], holding: [0..9]}]}}\n",
	    mode, limits);
	k->sink.pol = policy_build_text("limits", text, strlen(text), &c);
	complaints_print(&c, stderr);
	assert_non_null(k->sink.pol);
	complaints_fini(&c);
	assert_int_equal(net_addr_parse("10.0.0.5", &t.src), 0);
	assert_int_equal(net_addr_parse("10.0.1.1", &t.dst), 0);
	(void)policy_bind(k->sink.pol, &t, &k->sink.bind);
	k->call.sink = &k->sink;
	k->call.state = k->state;
	k->sink.now = UINT64_C(1700000000000) * MS;
}

static struct verdict
pdu(struct talk *k, enum dis_dir dir, uint16_t txn, uint8_t fc)
{
	uint8_t req[] = {(uint8_t)(txn >> 8), (uint8_t)txn, 0, 0, 0, 6, 1, fc, 0, 0, 0, 1};
	uint8_t rsp[] = {(uint8_t)(txn >> 8), (uint8_t)txn, 0, 0, 0, 5, 1, fc, 2, 0, 7};
	uint8_t modbus;
	const struct dissector *d = dissector_lookup("modbus", &modbus);

	k->call.dir = (uint8_t)dir;
	k->sink.emitted = false;
	if (dir == DIR_TO_SERVER)
		d->pdu(&k->call, cur_make(req, sizeof(req)));
	else
		d->pdu(&k->call, cur_make(rsp, sizeof(rsp)));
	assert_true(k->sink.emitted);
	return k->sink.v;
}

/* A poll and its answer. */
static uint8_t
poll(struct talk *k)
{
	struct verdict v = pdu(k, DIR_TO_SERVER, 7, 3);

	if (v.action < VERDICT_REJECT)
		assert_int_equal(pdu(k, DIR_TO_CLIENT, 7, 3).action, VERDICT_ALLOW);
	return v.action;
}

static void
test_rate(void **state)
{
	struct talk k;
	struct verdict v;

	(void)state;
	start(&k, "rate: 10/s, over: drop", "enforce");
	assert_true(k.sink.bind.flags & BIND_RATE);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(poll(&k), VERDICT_ALLOW);
	v = pdu(&k, DIR_TO_SERVER, 8, 3);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_LIMIT);
	assert_string_equal(policy_key_name(v.rule), "rate");
	v = pdu(&k, DIR_TO_SERVER, 8, 6); /* a rule may be worse */
	assert_int_equal(v.action, VERDICT_RESET);
	assert_int_equal(v.reason, REASON_RULE);
	k.sink.now += 100 * MS; /* what was refused has cost nothing */
	assert_int_equal(poll(&k), VERDICT_ALLOW);
	assert_int_equal(poll(&k), VERDICT_DROP);
	k.sink.now += 5000 * MS; /* a second's worth, not five */
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(poll(&k), VERDICT_ALLOW);
	assert_int_equal(poll(&k), VERDICT_DROP);
	k.sink.now -= 3600000 * MS; /* the clock is set back by an hour */
	assert_int_equal(poll(&k), VERDICT_ALLOW);
	policy_free(k.sink.pol);
}

/* At the limit for a minute, and above it for another: exactly that much passes. */
static void
test_rate_long(void **state)
{
	struct talk k;
	unsigned passed = 0;

	(void)state;
	start(&k, "rate: 200/s", "enforce");
	for (unsigned i = 0; i < 12000; i++, k.sink.now += 5 * MS)
		assert_int_equal(poll(&k), VERDICT_ALLOW);
	for (unsigned i = 0; i < 24000; i++, k.sink.now += 5 * MS / 2)
		passed += poll(&k) == VERDICT_ALLOW;
	assert_in_range(passed, 60 * 200, 60 * 200 + 201);
	assert_int_equal(k.sink.v.reason == REASON_LIMIT || k.sink.v.action == VERDICT_ALLOW, 1);
	policy_free(k.sink.pol);
	start(&k, "rate: 1/s, over: reset", "alert");
	assert_int_equal(poll(&k), VERDICT_ALLOW);
	assert_int_equal(pdu(&k, DIR_TO_SERVER, 9, 3).action, VERDICT_ALERT);
	assert_int_equal(k.sink.v.would, VERDICT_RESET);
	policy_free(k.sink.pol);
}

static void
test_pending(void **state)
{
	struct talk k;
	struct verdict v;

	(void)state;
	start(&k, "pending: 3, over: drop", "enforce");
	assert_false(k.sink.bind.flags & BIND_RATE);
	for (uint16_t txn = 1; txn <= 3; txn++)
		assert_int_equal(pdu(&k, DIR_TO_SERVER, txn, 3).action, VERDICT_ALLOW);
	v = pdu(&k, DIR_TO_SERVER, 4, 3);
	assert_int_equal(v.action, VERDICT_DROP);
	assert_int_equal(v.reason, REASON_LIMIT);
	assert_string_equal(policy_key_name(v.rule), "pending");
	assert_int_equal(pdu(&k, DIR_TO_CLIENT, 2, 3).action, VERDICT_ALLOW);
	assert_int_equal(pdu(&k, DIR_TO_SERVER, 5, 3).action, VERDICT_ALLOW);
	policy_free(k.sink.pol);
}

/* Told, not stopped: a device that is silent for long, then answers, is not told of for ever. */
static void
test_pending_heals(void **state)
{
	struct talk k;

	(void)state;
	start(&k, "pending: 16", "enforce");
	for (uint16_t txn = 1; txn <= 400; txn++)
		(void)pdu(&k, DIR_TO_SERVER, txn, 3);
	assert_int_equal(k.sink.v.action, VERDICT_ALERT);
	assert_int_equal(k.sink.over, 400 - 16);
	for (uint16_t txn = 386; txn <= 400; txn++)
		(void)pdu(&k, DIR_TO_CLIENT, txn, 3);
	k.sink.over = 0;
	for (uint16_t txn = 1000; txn < 1100; txn++) {
		(void)pdu(&k, DIR_TO_SERVER, txn, 3);
		(void)pdu(&k, DIR_TO_CLIENT, txn, 3);
	}
	assert_int_equal(k.sink.over, 0);
	policy_free(k.sink.pol);
}

static void
test_words(void **state)
{
	static const struct {
		const char *block, *say;
	} cases[] = {
	    {"modbus: {addressing: zero-based, limits: {rate: 200}}",
		"conduit \"c\": modbus: limits: \"200\" is not a rate such as 200/s"},
	    {"modbus: {addressing: zero-based, limits: {pending: 0}}",
		"conduit \"c\": modbus: limits: pending: 0 is outside 1..255"},
	    {"s7plus: {limits: {pending: 4}}",
		"conduit \"c\": s7plus: limits: \"pending\" is not supported by this version"},
	    {"s7: {limits: {rates: 4/s}}",
		"conduit \"c\": s7: limits: unknown key \"rates\", did you mean \"rate\"?"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct complaints c = {0};
		char text[512];
		bool found = false;

		snprintf(text, sizeof(text),
		    "interlock: 1\nmode: enforce\nzones: {a: {nets: "
		    "[10.0.0.0/24]}}\nconduits:\n  - {name: c, from: [a/*], to: [a/*], %s}\n",
		    cases[i].block);
		assert_null(policy_build_text("t", text, strlen(text), &c));
		for (size_t j = 0; j < c.n; j++)
			found = found || strcmp(c.v[j].text, cases[i].say) == 0;
		if (!found)
			complaints_print(&c, stderr);
		assert_true(found);
		complaints_fini(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_rate_long),
	    cmocka_unit_test(test_pending),
	    cmocka_unit_test(test_pending_heals),
	    cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
