/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the only place that reads a real clock; everyone else is handed now_ns. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_STRLEN 32
#define NS_PER_S     UINT64_C(1000000000)

uint64_t clock_wall_ns(void); /* ns since 1970-01-01 UTC */
uint64_t clock_mono_ns(void);
uint64_t clock_boot_ns(void); /* as clock_mono_ns(), and goes on while the machine sleeps */
uint64_t clock_cpu_ns(void); /* CPU time of the calling thread */

/*
 * Does something (NTP, PTP) keep the clock of this machine in step with others, by the word of its kernel (adjtimex(2),
 * STA_UNSYNC)?  *error_us, if not NULL: the greatest error it claims, microseconds; it grows by itself while nothing
 * corrects it.
 */
bool clock_in_step(uint64_t *error_us);

/* "2026-11-23T10:00:00.123456+0000", the form of EVE; buf holds CLOCK_STRLEN. Returns buf. */
char *clock_str(uint64_t ns, char *buf);

#endif /* BASE_CLOCK_H */
