/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convs_test.c - the table of conversations: bounds, evictions, clocks that jump, who is the client.
 *
 * Facts and frames are made by hand; what the table has of them is read from its JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/jw.h"
#include "dataplane/decode.h"
#include "dataplane/engine.h"
#include "tests/unit/wire.h"
#include "watch/convs.h"
#include "watch/public.h"

#define TEXT_MAX (8u << 20)
#define S	 UINT64_C(1000000000)
#define T0	 (UINT64_C(1700000000) * S)

static char text[TEXT_MAX];

static json_t *
list(const struct convs *c)
{
	const struct convs_view view = {.convs = c};
	struct jw w = jw_make(text, sizeof(text));
	json_error_t err;
	json_t *root;

	convs_json(&w, &view);
	assert_true(jw_end(&w));
	root = json_loads(text, 0, &err);
	if (!root)
		print_error("%s at %d\n", err.text, err.position);
	assert_non_null(root);
	return root;
}

static json_int_t
num(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	assert_non_null(v);
	return json_integer_value(v);
}

static struct net_addr
ip(uint32_t v)
{
	const uint8_t b[4] = {10, (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	return net_addr_from4(b);
}

/* A Modbus request or its answer, of one register. */
static void
fact(struct convs *c, uint32_t client, uint32_t server, bool answer, uint16_t code, uint32_t at,
    uint32_t value, uint32_t txn, uint64_t now)
{
	uint8_t index, vals[2] = {(uint8_t)(value >> 8), (uint8_t)value};
	struct fact f = {.kind = answer ? FACT_RESPONSE : FACT_REQUEST,
	    .dir = answer ? DIR_TO_CLIENT : DIR_TO_SERVER,
	    .access = code == 6 ? ACC_WRITE : ACC_READ,
	    .code = code,
	    .sub = FACT_NO_SUB,
	    .unit = 1,
	    .txn = txn,
	    .n_items = 1,
	    .op = code == 6 ? "write" : "read",
	    .item = {.first = at, .count = 1, .access = code == 6 ? ACC_WRITE : ACC_READ}};
	struct net_tuple t = {.src = ip(client),
	    .dst = ip(server),
	    .sport = 40000,
	    .dport = 502,
	    .proto = NET_PROTO_TCP};
	const struct net_tuple back = net_tuple_reverse(&t);
	const struct engine_pdu pdu = {.ts_ns = now, .tuple = answer ? &back : &t, .fact = &f};

	assert_non_null(dissector_lookup("modbus", &index));
	f.proto = index;
	if (code == 6) {
		f.item.enc = ENC_U16_BE;
		f.item.vals = vals;
	}
	convs_fact(c, &pdu);
}

static void
test_one(void **state)
{
	struct convs *c = convs_new(1 << 20, 3);
	const json_t *v, *f;
	json_t *root;

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		fact(c, 1, 2, false, 3, 7, 0, i, T0 + i * 2 * S);
		fact(c, 1, 2, true, 3, 7, 0, i, T0 + i * 2 * S + 5000000);
		fact(c, 1, 2, false, 6, 9, 100 + i, 100 + i, T0 + i * 2 * S + 10000000);
	}
	root = list(c);
	v = json_array_get(json_object_get(root, "conversations"), 0);
	assert_int_equal(json_array_size(json_object_get(root, "conversations")), 1);
	assert_int_equal(num(v, "requests"), 20);
	assert_int_equal(num(v, "answers"), 10);
	assert_int_equal(num(json_object_get(v, "response_ms"), "4"), 10); /* 5 ms lies in 4..8 */
	f = json_array_get(json_object_get(v, "functions"), 0);
	assert_int_equal(num(f, "code"), 3);
	assert_int_equal(num(json_object_get(f, "period_ms"), "1024"), 9); /* 2 s in 1024..2048 */
	f = json_array_get(json_object_get(v, "values"), 0);
	assert_int_equal(num(f, "min"), 100);
	assert_int_equal(num(f, "max"), 109);
	assert_string_equal(json_string_value(json_object_get(f, "monotonic")), "up");
	assert_null(json_object_get(f, "values")); /* ten different ones are too many for the set */
	json_decref(root);
	convs_free(c);
}

/* More of everything than there is room: nothing grows, all is counted, the last ones are there. */
static void
test_full(void **state)
{
	enum { MANY = 3000 };
	struct convs *c = convs_new(64 << 10, 3);
	json_t *root;
	size_t n;

	(void)state;
	assert_non_null(c);
	for (uint32_t i = 0; i < MANY; i++)
		for (uint32_t k = 0; k < 8; k++)
			fact(c, 1000 + i, 2, false, k % 2 ? 6 : 3, k * 7, k, k, T0 + i * S);
	root = list(c);
	n = json_array_size(json_object_get(root, "conversations"));
	assert_true(n >= 2 && n < MANY / 10);
	assert_int_equal((size_t)num(root, "evicted") + n, MANY);
	for (uint32_t k = 0; k < 5000; k++) /* one conversation with more than it may have */
		fact(c, 1, 2, false, (uint16_t)(k % 300), k, k, k, T0 + 2 * MANY * S);
	json_decref(root);
	root = list(c);
	assert_true(
	    num(json_object_get(root, "no_room_for"), "objects") +
		num(json_object_get(
			json_array_get(json_object_get(root, "conversations"), 0), "not_kept"),
		    "objects") >
	    0);
	json_decref(root);
	convs_free(c);
}

/* Packet time that goes back, stands still or jumps by years. */
static void
test_clock(void **state)
{
	static const uint64_t at[] = {
	    T0, T0 + S, T0 - 3600 * S, T0 + S, 0, UINT64_MAX / 2, T0 + 2 * S};
	struct convs *c = convs_new(1 << 20, 3);
	const json_t *v;
	json_t *root;

	(void)state;
	for (uint32_t i = 0; i < 7; i++) {
		fact(c, 1, 2, false, 3, 7, 0, i, at[i]);
		fact(c, 1, 2, true, 3, 7, 0, i, at[i] - (i == 3 ? S : 0));
	}
	root = list(c);
	v = json_array_get(json_object_get(root, "conversations"), 0);
	assert_int_equal(num(v, "requests"), 7);
	assert_int_equal(num(v, "answers"), 7);
	json_decref(root);
	convs_free(c);
}

/* Midstream: the lower port is taken for the server's, until a dissector knows better. */
static void
test_turned(void **state)
{
	struct wire w = {.side = {{0x0a000001, 400, 1}, {0x0a000002, 502, 1}}, .now_ns = T0};
	struct convs *c = convs_new(1 << 20, 3);
	const json_t *v;
	json_t *root;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct pkt p = wire_tcp_at(&w, 0, 1, TCP_ACK, "x", 1);
		struct layers l = {0};

		assert_int_equal(decode(&p, &l), DROP_NONE);
		convs_frame(c, &p, &l);
	}
	root = list(c);
	v = json_array_get(json_object_get(root, "conversations"), 0);
	assert_int_equal(num(v, "port"), 400);
	json_decref(root);
	{
		uint8_t index;
		struct fact f = {.kind = FACT_REQUEST, .code = 3, .sub = FACT_NO_SUB, .op = "read"};
		const struct net_tuple t = {
		    .src = ip(1), .dst = ip(2), .sport = 400, .dport = 502, .proto = NET_PROTO_TCP};
		const struct engine_pdu pdu = {.ts_ns = T0, .tuple = &t, .fact = &f};

		assert_non_null(dissector_lookup("modbus", &index));
		f.proto = index;
		convs_fact(c, &pdu);
	}
	root = list(c);
	assert_int_equal(json_array_size(json_object_get(root, "conversations")), 1);
	v = json_array_get(json_object_get(root, "conversations"), 0);
	assert_int_equal(num(v, "port"), 502);
	assert_int_equal(num(json_object_get(v, "to_server"), "frames"), 3);
	assert_int_equal(num(root, "evicted"), 0);
	json_decref(root);
	convs_free(c);
}

static void
test_public(void **state)
{
	static const struct {
		const char *ip;
		bool public;
	} cases[] = {{"8.8.8.8", true}, {"10.1.2.3", false}, {"172.15.0.1", true},
	    {"172.16.0.1", false}, {"172.31.255.255", false}, {"172.32.0.1", true},
	    {"192.168.1.1", false}, {"100.64.0.1", false}, {"100.128.0.1", true},
	    {"169.254.1.1", false}, {"224.0.0.1", false}, {"255.255.255.255", false},
	    {"192.0.2.7", false}, {"198.18.0.1", false}, {"198.20.0.1", true},
	    {"2001:db8::1", false}, {"2606:4700::1", true}, {"fe80::1", false}, {"fd00::1", false},
	    {"::1", false}, {"0.0.0.0", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_addr a;

		assert_int_equal(net_addr_parse(cases[i].ip, &a), 0);
		if (net_is_public(&a) != cases[i].public)
			fail_msg("%s", cases[i].ip);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_clock),
	    cmocka_unit_test(test_turned),
	    cmocka_unit_test(test_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
