/* SPDX-License-Identifier: Apache-2.0 */
/* clock_test.c - the calendar against gmtime_r(), and clocks that go forward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"

static void
test_known(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} cases[] = {
	    {0, "1970-01-01T00:00:00.000000+0000"},
	    {999, "1970-01-01T00:00:00.000000+0000"},
	    {1000, "1970-01-01T00:00:00.000001+0000"},
	    {951782399 * NS_PER_S + 999999999, "2000-02-28T23:59:59.999999+0000"},
	    {951782400 * NS_PER_S, "2000-02-29T00:00:00.000000+0000"},
	    {1709210096 * NS_PER_S + 123456789, "2024-02-29T12:34:56.123456+0000"},
	    {1795428000 * NS_PER_S, "2026-11-23T10:00:00.000000+0000"},
	    {UINT64_C(2147483648) * NS_PER_S, "2038-01-19T03:14:08.000000+0000"},
	    {UINT64_C(4107542400) * NS_PER_S, "2100-03-01T00:00:00.000000+0000"}, /* no leap year */
	    {UINT64_MAX, "2554-07-21T23:34:33.709551+0000"},
	};
	char buf[CLOCK_STRLEN];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_ptr_equal(clock_str(cases[i].ns, buf), buf);
		assert_string_equal(buf, cases[i].want);
		assert_true(strlen(buf) < CLOCK_STRLEN);
	}
}

/* Every day for 580 years, at a second that moves through the day. */
static void
test_every_day(void **state)
{
	char buf[CLOCK_STRLEN], want[CLOCK_STRLEN];

	(void)state;
	for (uint64_t day = 0; day < 580 * UINT64_C(365); day++) {
		uint64_t s = day * 86400 + day * 7919 % 86400;
		time_t t = (time_t)s;
		struct tm tm;

		assert_non_null(gmtime_r(&t, &tm));
		assert_int_equal(
		    strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000+0000", &tm), 31);
		if (strcmp(clock_str(s * NS_PER_S, buf), want) != 0)
			fail_msg("%s, not %s", buf, want);
	}
}

static void
test_clocks(void **state)
{
	uint64_t wall = clock_wall_ns(), mono = clock_mono_ns(), cpu = clock_cpu_ns();

	(void)state;
	assert_true(wall / NS_PER_S > 1700000000); /* 2023 */
	/* On a busy machine others may have the processor for all of the 2 ms. */
	while (clock_mono_ns() - mono < 2000000 || clock_cpu_ns() == cpu)
		continue;
	assert_true(clock_cpu_ns() - cpu <= clock_mono_ns() - mono + 1000000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_known),
	    cmocka_unit_test(test_every_day),
	    cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
