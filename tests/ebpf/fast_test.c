/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast_test.c - connections whose PDUs the kernel judges: what the engine does with their
 * entries and offers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "ebpf/fast.h"
#include "tests/ebpf/kit.h"

static struct gate *gate;
static struct fast *fast;

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

static void
full(void **state)
{
	struct fast_new new = {0};
	struct kflow_key k;
	unsigned n = 0;

	(void)state;
	for (int r = 0; r == 0; n++) {
		k = key_of(0);
		memcpy(k.lo, &n, sizeof(n));
		new.slot = n % KFLOW_MAX;
		r = fast_put(fast, &k, &new);
		assert_true(r == 0 || r == ERR_FULL);
		assert_true(n <= KFLOW_MAX);
	}
	assert_int_equal(n, KFLOW_MAX + 1);
	while (n-- > 0) {
		memcpy(k.lo, &n, sizeof(n));
		(void)fast_drop(fast, &k);
	}
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(entries),
	    cmocka_unit_test(full),
	    cmocka_unit_test(hashes),
	    cmocka_unit_test(without),
	};
	const char *why = kit_why_not();
	char err[256] = "";
	int r;

	if (why) {
		puts(why);
		return 77;
	}
	gate = gate_open_fast(err, sizeof(err));
	fast = gate ? fast_open(gate, err, sizeof(err)) : NULL;
	if (!fast) {
		(void)fprintf(stderr, "%s\n", err);
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	fast_close(fast);
	gate_close(gate);
	return r;
}
