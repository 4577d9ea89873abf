/* SPDX-License-Identifier: Apache-2.0 */
/* flow_test.c - the flow table against a list, its timers, its evictions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/flow.h"

#define NS_TICK (UINT64_C(1) << FLOW_TICK_SHIFT)

static uint8_t addrs[512][16];

/* A conversation named by a number; every fourth is IPv6. */
static void
name(struct layers *l, unsigned id, bool reverse)
{
	bool v6 = id % 4 == 3;
	uint8_t *src = addrs[id % 256], *dst = addrs[256 + id % 97];

	memset(l, 0, sizeof(*l));
	for (unsigned i = 0; i < 16; i++) {
		src[i] = (uint8_t)(id % 256 + i);
		dst[i] = (uint8_t)(id % 97 + 2 * i);
	}
	l->flags = (uint16_t)(LAYER_IP | LAYER_L4 | (v6 ? LAYER_V6 : 0));
	l->proto = id & 1 ? NET_PROTO_UDP : NET_PROTO_TCP;
	l->vlan = (uint16_t)(id % 3);
	l->src = reverse ? dst : src;
	l->dst = reverse ? src : dst;
	l->sport = reverse ? 502 : (uint16_t)(1024 + id);
	l->dport = reverse ? (uint16_t)(1024 + id) : 502;
}

static void
agrees_with_a_list(void **state)
{
	enum { IDS = 4000 };
	struct flow_table t;
	struct flow *mine[IDS] = {0};
	unsigned live = 0;
	uint32_t rng = 12345;

	(void)state;
	assert_int_equal(flow_table_init(&t, IDS, 99, true), 0);
	flow_advance(&t, 1000 * NS_TICK);
	for (unsigned step = 0; step < 200000; step++) {
		unsigned id = (rng = rng * 1664525u + 1013904223u) >> 8 & 0xffff;
		struct flow_key k, back;
		struct layers l, lb;
		struct flow *f;

		id %= IDS;
		name(&l, id, false);
		flow_key_make(&t, &l, &k);
		name(&lb, id, true);
		flow_key_make(&t, &lb, &back);
		assert_int_equal(k.hash, back.hash); /* both directions are one flow */
		assert_int_not_equal(k.src_is_lo, back.src_is_lo);
		f = flow_lookup(&t, step & 1 ? &k : &back);
		assert_ptr_equal(f, mine[id]);
		if (f == NULL) {
			struct net_tuple tup;

			mine[id] = f = flow_create(&t, &k, 100);
			assert_non_null(f);
			live++;
			f->flags |= k.src_is_lo ? FLOW_CLIENT_LO : 0;
			flow_tuple(&t, f, true, &tup);
			assert_int_equal(tup.sport, 1024 + id);
			assert_int_equal(tup.dport, 502);
			assert_int_equal(tup.vlan, id % 3);
			if (id % 4 == 3)
				assert_memory_equal(tup.src.b, l.src, 16);
			else
				assert_memory_equal(tup.src.b + 12, l.src, 4);
		} else if (rng >> 30 == 0) {
			flow_remove(&t, f);
			mine[id] = NULL;
			live--;
		}
		assert_int_equal(t.n_active, live);
	}
	assert_int_equal(t.evicted, 0);
	flow_table_fini(&t);
}

/* A key that is the same but for the addresses of IPv6, which a hash of them stands for in it, is another's. */
static void
addresses_are_compared_whole(void **state)
{
	struct flow_table t;
	struct flow_key k;
	struct layers l;
	struct flow *f;

	(void)state;
	assert_int_equal(flow_table_init(&t, 64, 1, false), 0);
	name(&l, 3, false);
	flow_key_make(&t, &l, &k);
	assert_non_null(f = flow_create(&t, &k, 100));
	memset(f->dstate, 0xff, flow_state_room(f)); /* what a dissector may write over */
	assert_int_equal(flow_hash(&t, f), k.hash);
	for (unsigned i = 0; i < 32; i++) {
		uint8_t a[2][16];
		struct flow_key other = k;

		memcpy(a[0], k.lo, 16);
		memcpy(a[1], k.hi, 16);
		other.lo = a[0];
		other.hi = a[1];
		assert_ptr_equal(flow_lookup(&t, &other), f);
		a[i / 16][i % 16] ^= 1;
		assert_null(flow_lookup(&t, &other));
	}
	flow_remove(&t, f);
	assert_null(flow_lookup(&t, &k));
	flow_table_fini(&t);
}

/* Of any size, not of the lucky ones only: what an idle flow may take, and what a test of the engine adds. */
static void
a_flow_is_small(void **state)
{
	(void)state;
	for (uint32_t max = 64; max <= 4000000; max += max / 3 + 1) {
		assert_true(flow_table_cost(max, true) <= 244u * (size_t)max + 1024);
		assert_true(flow_table_cost(max, false) <= 208u * (size_t)max + 1024);
	}
}

static unsigned gone, asked;
static uint32_t answer;

static void
on_gone(void *ctx, struct flow *f)
{
	(void)ctx;
	(void)f;
	gone++;
}

static uint32_t
on_timer(void *ctx, struct flow *f)
{
	(void)ctx;
	(void)f;
	asked++;
	return answer;
}

static void
timers_follow_packet_time(void **state)
{
	struct flow_table t;
	struct flow_key k;
	struct layers l;

	(void)state;
	gone = asked = answer = 0;
	assert_int_equal(flow_table_init(&t, 100, 1, true), 0);
	t.on_gone = on_gone;
	t.on_timer = on_timer;
	flow_advance(&t, 5000 * NS_TICK);
	for (unsigned i = 0; i < 50; i++) {
		name(&l, i, false);
		flow_key_make(&t, &l, &k);
		assert_non_null(flow_create(&t, &k, 10 + i));
	}
	flow_advance(&t, 5009 * NS_TICK);
	assert_int_equal(gone, 0);
	flow_advance(&t, 5010 * NS_TICK);
	assert_int_equal(gone, 1);
	flow_advance(&t, 5034 * NS_TICK);
	assert_int_equal(gone, 25);
	flow_advance(&t, 4000 * NS_TICK); /* time goes back: nothing happens */
	assert_int_equal(gone, 25);
	answer = 300; /* wants more time */
	flow_advance(&t, 5100 * NS_TICK);
	assert_int_equal(gone, 25);
	assert_int_equal(asked, 50);
	answer = 0;
	flow_advance(&t, 900000000u * NS_TICK); /* a jump of years ends in one turn */
	assert_int_equal(gone, 50);
	assert_int_equal(t.n_active, 0);
	assert_int_equal(t.expired, 50);
	flow_table_fini(&t);
}

static void
full_table_evicts_the_old_and_counts(void **state)
{
	struct flow_table t;
	struct flow_key k;
	struct layers l;

	(void)state;
	gone = 0;
	assert_int_equal(flow_table_init(&t, 64, 1, true), 0);
	t.on_gone = on_gone;
	flow_advance(&t, 1000 * NS_TICK);
	for (unsigned i = 0; i < 1000; i++) {
		struct flow *f;

		name(&l, i, false);
		flow_key_make(&t, &l, &k);
		flow_advance(&t, (1000 + i) * NS_TICK);
		f = flow_create(&t, &k, UINT32_MAX / 4);
		assert_non_null(f);
		f->state = FLOW_OPEN;
		assert_true(t.n_active <= 64);
		assert_ptr_equal(flow_lookup(&t, &k), f);
	}
	assert_true(t.evicted + t.expired >= 1000 - 64);
	assert_int_equal(gone, t.evicted + t.expired);
	flow_table_fini(&t);
}

static void
half_open_goes_before_established(void **state)
{
	struct flow_table t;
	struct flow_key k, good;
	struct layers l;

	(void)state;
	assert_int_equal(flow_table_init(&t, 64, 1, true), 0);
	flow_advance(&t, 1000 * NS_TICK);
	name(&l, 0, false);
	flow_key_make(&t, &l, &good);
	flow_create(&t, &good, UINT32_MAX / 4)->state = FLOW_OPEN;
	/* a SYN flood: none of it ever opens */
	for (unsigned i = 4; i < 4000; i += 4) {
		name(&l, i, false);
		flow_key_make(&t, &l, &k);
		assert_non_null(flow_create(&t, &k, 100));
	}
	name(&l, 0, false);
	flow_key_make(&t, &l, &good);
	assert_non_null(flow_lookup(&t, &good));
	flow_table_fini(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_a_list),
	    cmocka_unit_test(addresses_are_compared_whole),
	    cmocka_unit_test(a_flow_is_small),
	    cmocka_unit_test(timers_follow_packet_time),
	    cmocka_unit_test(full_table_evicts_the_old_and_counts),
	    cmocka_unit_test(half_open_goes_before_established),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
