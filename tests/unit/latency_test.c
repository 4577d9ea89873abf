/* SPDX-License-Identifier: Apache-2.0 */
/* latency_test.c - the histogram of guard/latency.h against a naive list of all times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard/latency.h"

#define N 4000u

static uint64_t state = 88172645463325252u;

static uint64_t
next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The obvious way: the last bucket whose floor is not above. */
static unsigned
naive_bucket(uint64_t ns)
{
	unsigned i = 0;

	while (i + 1 < LAT_BUCKETS && lat_floor(i + 1) <= ns)
		i++;
	return i;
}

static void
test_bucket(void **st)
{
	(void)st;
	assert_int_equal(lat_floor(0), 256);
	assert_int_equal(lat_floor(1), 320);
	assert_int_equal(lat_floor(4), 512);
	assert_int_equal(lat_floor(LAT_BUCKETS), UINT64_C(4) << 30);
	for (unsigned i = 0; i < LAT_BUCKETS; i++) {
		uint64_t f = lat_floor(i);

		assert_true(f < lat_floor(i + 1));
		/* Steps of a quarter to a fifth of the value: no bucket is wider than 25 %. */
		assert_true((lat_floor(i + 1) - f) * 4 <= f);
		for (int d = -1; d <= 1; d++)
			assert_int_equal(
			    lat_bucket(f + (uint64_t)d), naive_bucket(f + (uint64_t)d));
	}
	assert_int_equal(lat_bucket(0), 0);
	assert_int_equal(lat_bucket(UINT64_MAX), LAT_BUCKETS - 1);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t ns = next() >> (next() & 63);

		assert_int_equal(lat_bucket(ns), naive_bucket(ns));
	}
}

static int
cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The answer is never below the true percentile and at most a bucket above it. */
static void
check(const struct latency *now, const struct latency *before, uint64_t *v, unsigned n)
{
	static const uint32_t ppm[] = {1, 500000, 900000, 990000, 999000, 1000000};

	qsort(v, n, sizeof(*v), cmp);
	for (unsigned i = 0; i < sizeof(ppm) / sizeof(ppm[0]); i++) {
		uint64_t rank = ((uint64_t)n * ppm[i] + 999999) / 1000000;
		uint64_t exact = v[rank - 1], got = lat_percentile(now, before, ppm[i]);

		assert_true(got >= exact);
		assert_int_equal(got, lat_bucket(exact) + 1 < LAT_BUCKETS &&
					      lat_floor(lat_bucket(exact) + 1) < now->max_ns
					  ? lat_floor(lat_bucket(exact) + 1)
					  : now->max_ns);
	}
}

static void
test_percentile(void **st)
{
	static struct latency l, before;
	static uint64_t v[N], all[2 * N];
	uint64_t sum = 0, over = 0;

	(void)st;
	assert_int_equal(lat_percentile(&l, NULL, 500000), 0);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < N; i++) {
			/* second round: ten times slower */
			v[i] = (20000 + next() % 60000) * (round ? 10 : 1);
			if (next() % 1000 == 0)
				v[i] = next() >> 30; /* up to 17 s: outliers */
			all[round * N + i] = v[i];
			sum += v[i];
			over += v[i] > 70000;
			lat_record(&l, v[i], 70000);
		}
		check(&l, round ? &before : NULL, v, N);
		before = l;
	}
	check(&l, NULL, all, 2 * N);
	assert_int_equal(l.n, 2 * N);
	assert_int_equal(l.sum_ns, sum);
	assert_int_equal(l.over, over);
	assert_true(over > 0);
	assert_int_equal(l.max_ns, all[2 * N - 1]);
	assert_int_equal(lat_percentile(&l, &before, 990000), 0); /* nothing since */
}

/* Counters of buckets wrap; differences do not mind. */
static void
test_wrap(void **st)
{
	static struct latency l, before;

	(void)st;
	l.bucket[lat_bucket(5000)] = UINT32_MAX - 1;
	before = l;
	for (unsigned i = 0; i < 10; i++)
		lat_record(&l, 5000, 0);
	assert_int_equal(l.bucket[lat_bucket(5000)], 8);
	assert_int_equal(lat_percentile(&l, &before, 500000), 5000); /* max_ns */
	lat_record(&l, 90000, 0);
	assert_int_equal(lat_percentile(&l, &before, 500000), lat_floor(lat_bucket(5000) + 1));
	assert_int_equal(lat_percentile(&l, &before, 999999), 90000);
	assert_int_equal(l.over, 0); /* no budget: never over */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bucket),
	    cmocka_unit_test(test_percentile),
	    cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
