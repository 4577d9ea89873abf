/* SPDX-License-Identifier: Apache-2.0 */
/* median.h - the middle of what was measured. */
#ifndef TESTS_BENCH_MEDIAN_H
#define TESTS_BENCH_MEDIAN_H

#include <stdlib.h>

static inline int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Of n >= 1 values, which are sorted then. */
static inline double
median(double *v, unsigned n)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[n / 2];
}

#endif /* TESTS_BENCH_MEDIAN_H */
