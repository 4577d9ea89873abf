/* SPDX-License-Identifier: Apache-2.0 */
/*
 * latency.h - the histogram of shared.h: how long packets were inside.
 *
 * Written by the worker, once per packet, without a branch that depends on the value.  Read
 * by differences: counters of a bucket wrap, so a reader keeps an earlier copy (or zeros, when
 * fewer than 2^32 packets are behind it) and asks about what came since.
 *
 *   bucket   0: [0, 320) ns    1: [320, 384)    2: [384, 448)    3: [448, 512)
 *            4: [512, 640) ... 95: [3.76 s, for ever)
 */
#ifndef GUARD_LATENCY_H
#define GUARD_LATENCY_H

#include "guard/shared.h"

#define LAT_SHIFT 8u /* the first bucket begins at 2^8 ns; it takes all below as well */

/* The bucket of a time. */
static inline unsigned
lat_bucket(uint64_t ns)
{
	uint64_t v = ns < UINT64_C(1) << LAT_SHIFT ? UINT64_C(1) << LAT_SHIFT : ns;
	unsigned log = 63u - (unsigned)__builtin_clzll(v);
	unsigned i = (log - LAT_SHIFT) * 4 + (unsigned)(v >> (log - 2) & 3);

	return i < LAT_BUCKETS ? i : LAT_BUCKETS - 1;
}

/* Where bucket i begins, in ns; lat_floor(i + 1) is where it ends.  i <= LAT_BUCKETS. */
static inline uint64_t
lat_floor(unsigned i)
{
	return (uint64_t)(4 + i % 4) << (LAT_SHIFT - 2 + i / 4);
}

/* One packet that was inside for ns; budget_ns of its conduit, 0 = none. */
static inline void
lat_record(struct latency *l, uint64_t ns, uint64_t budget_ns)
{
	l->n++;
	l->sum_ns += ns;
	l->max_ns = ns > l->max_ns ? ns : l->max_ns;
	l->over += (budget_ns != 0) & (ns > budget_ns);
	l->bucket[lat_bucket(ns)]++;
}

/*
 * The time that per_million of the packets since `before` (NULL: all) stayed within: the end of
 * the bucket where that many are reached, at most max_ns; 0 when there were none.
 */
static inline uint64_t
lat_percentile(const struct latency *now, const struct latency *before, uint32_t per_million)
{
	uint64_t n = 0, seen = 0, want, end;

	for (unsigned i = 0; i < LAT_BUCKETS; i++)
		n += (uint32_t)(now->bucket[i] - (before ? before->bucket[i] : 0));
	if (n == 0)
		return 0;
	want = (n / 1000000) * per_million + ((n % 1000000) * per_million + 999999) / 1000000;
	for (unsigned i = 0; i < LAT_BUCKETS; i++) {
		seen += (uint32_t)(now->bucket[i] - (before ? before->bucket[i] : 0));
		if (seen >= want && seen > 0) {
			end = i + 1 < LAT_BUCKETS ? lat_floor(i + 1) : now->max_ns;
			return end < now->max_ns ? end : now->max_ns;
		}
	}
	return now->max_ns;
}

#endif /* GUARD_LATENCY_H */
