/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <sys/timex.h>
#include <time.h>

static uint64_t
read_clock(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t
clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t
clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t
clock_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t
clock_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

bool
clock_in_step(uint64_t *error_us)
{
	struct timex t = {.modes = 0};
	int state = adjtimex(&t);

	if (error_us)
		*error_us = t.maxerror > 0 ? (uint64_t)t.maxerror : 0;
	return state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC);
}

static char *
put(char *p, unsigned v, unsigned digits)
{
	for (unsigned i = digits; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

/* Days since 1970 to a civil date: the proleptic Gregorian calendar in
 * 400-year eras that begin on 1 March, so the leap day comes last. */
char *
clock_str(uint64_t ns, char *buf)
{
	uint64_t s = ns / NS_PER_S, day = s / 86400;
	unsigned sod = (unsigned)(s % 86400);
	uint64_t z = day + 719468;
	unsigned doe = (unsigned)(z % 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;
	unsigned year = (unsigned)(z / 146097) * 400 + yoe + (month <= 2);
	char *p = buf;

	p = put(p, year % 10000, 4);
	*p++ = '-';
	p = put(p, month, 2);
	*p++ = '-';
	p = put(p, doy - (153 * mp + 2) / 5 + 1, 2);
	*p++ = 'T';
	p = put(p, sod / 3600, 2);
	*p++ = ':';
	p = put(p, sod / 60 % 60, 2);
	*p++ = ':';
	p = put(p, sod % 60, 2);
	*p++ = '.';
	p = put(p, (unsigned)(ns % NS_PER_S / 1000), 6);
	for (const char *z0 = "+0000"; *z0; z0++)
		*p++ = *z0;
	*p = '\0';
	return buf;
}
