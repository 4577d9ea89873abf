/* SPDX-License-Identifier: Apache-2.0 */
/* cur_test.c - the reader of hostile bytes, in front of an unreadable page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/cur.h"
#include "tests/unit/guard.h"

static const uint8_t bytes[] = {0x81, 0x02, 0x83, 0x04, 0x85, 0x06, 0x87, 0x08};

/* Every width and order, by one type of function. */
static uint64_t
rd_u8(struct cur *c)
{
	return cur_u8(c);
}
static uint64_t
rd_be16(struct cur *c)
{
	return cur_be16(c);
}
static uint64_t
rd_le16(struct cur *c)
{
	return cur_le16(c);
}
static uint64_t
rd_le24(struct cur *c)
{
	return cur_le24(c);
}
static uint64_t
rd_be32(struct cur *c)
{
	return cur_be32(c);
}
static uint64_t
rd_le32(struct cur *c)
{
	return cur_le32(c);
}
static uint64_t
rd_be64(struct cur *c)
{
	return cur_be64(c);
}
static uint64_t
rd_le64(struct cur *c)
{
	return cur_le64(c);
}

static const struct {
	uint64_t (*read)(struct cur *c);
	unsigned width;
	uint64_t want;
} readers[] = {
    {rd_u8, 1, 0x81},
    {rd_be16, 2, 0x8102},
    {rd_le16, 2, 0x0281},
    {rd_le24, 3, 0x830281},
    {rd_be32, 4, 0x81028304},
    {rd_le32, 4, 0x04830281},
    {rd_be64, 8, 0x8102830485068708},
    {rd_le64, 8, 0x0887068504830281},
};
#define N_READERS (sizeof(readers) / sizeof(readers[0]))

static void
test_values(void **state)
{
	(void)state;
	for (unsigned i = 0; i < N_READERS; i++) {
		struct cur c = cur_make(bytes, sizeof(bytes));

		assert_true(readers[i].read(&c) == readers[i].want);
		assert_true(cur_ok(&c));
		assert_int_equal(cur_left(&c), sizeof(bytes) - readers[i].width);
	}
}

/* One byte too few: zero, at the end, bad, and bad it stays. */
static void
test_short(void **state)
{
	struct guard g = guard_new(64);

	(void)state;
	for (unsigned i = 0; i < N_READERS; i++) {
		for (unsigned n = 0; n < readers[i].width; n++) {
			struct cur c = cur_make(guard_put(&g, bytes, n), n);

			assert_true(readers[i].read(&c) == 0 || readers[i].width == 8);
			assert_false(cur_ok(&c));
			assert_int_equal(cur_left(&c), 0);
			assert_int_equal(cur_u8(&c), 0);
			assert_false(cur_ok(&c));
		}
	}
	guard_free(&g);
}

static void
test_empty(void **state)
{
	struct cur c = cur_make(NULL, 0);
	uint8_t out[4];

	(void)state;
	assert_int_equal(cur_left(&c), 0);
	assert_non_null(cur_bytes(&c, 0)); /* NULL would mean that it did not fit */
	assert_true(cur_ok(&c));
	assert_int_equal(cur_copy(&c, out, sizeof(out)), 0);
	assert_true(cur_ok(&c));
	assert_null(cur_bytes(&c, 1));
	assert_false(cur_ok(&c));
}

static void
test_bytes_and_copy(void **state)
{
	struct cur c = cur_make(bytes, sizeof(bytes));
	uint8_t out[8] = {0};

	(void)state;
	assert_ptr_equal(cur_bytes(&c, 3), bytes);
	assert_int_equal(cur_copy(&c, out, 2), 2);
	assert_memory_equal(out, bytes + 3, 2);
	assert_int_equal(cur_copy(&c, out, sizeof(out)), 3); /* what is left, without going bad */
	assert_memory_equal(out, bytes + 5, 3);
	assert_true(cur_ok(&c));
	c = cur_make(bytes, sizeof(bytes));
	assert_null(cur_bytes(&c, SIZE_MAX));
	assert_false(cur_ok(&c));
}

static void
test_take(void **state)
{
	struct cur c = cur_make(bytes, sizeof(bytes)), inner, none;

	(void)state;
	inner = cur_take(&c, 4);
	assert_int_equal(cur_left(&inner), 4);
	assert_int_equal(cur_left(&c), 4);
	cur_skip(&inner, 5); /* leaves the inner one only */
	assert_false(cur_ok(&inner));
	assert_true(cur_ok(&c));
	none = cur_take(&c, 0);
	assert_true(cur_ok(&none) && cur_left(&none) == 0);
	inner = cur_take(&c, 5); /* goes bad on both sides */
	assert_false(cur_ok(&inner));
	assert_false(cur_ok(&c));
	assert_int_equal(cur_left(&inner), 0);
	inner = cur_take(&c, 0); /* and what comes from a bad one is bad */
	assert_false(cur_ok(&inner));
}

/* A loop over what is left ends, whatever the bytes say. */
static void
test_loops_end(void **state)
{
	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct cur c = cur_make(bytes, n);
		unsigned rounds = 0;

		while (cur_left(&c) > 0) {
			cur_skip(&c, cur_u8(&c));
			rounds++;
		}
		assert_true(rounds <= n);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_short),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_bytes_and_copy),
	    cmocka_unit_test(test_take),
	    cmocka_unit_test(test_loops_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
