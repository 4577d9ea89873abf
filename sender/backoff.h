/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff.h - how long to wait before the next try: twice as long each time up to a limit, and of that
 * a random part between half and all, so that a hundred sensors do not come back together.  Pure.
 */
#ifndef SENDER_BACKOFF_H
#define SENDER_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 500u
#define BACKOFF_MAX_MS	 60000u /* default */

struct backoff {
	uint32_t max_ms; /* not 0 */
	uint32_t tries;	 /* in vain, since it worked last */
};

/* Another try was in vain: milliseconds until the next.  at_least_ms: what the other side asked for (Retry-After),
 * at most an hour is believed; up to a tenth more is added to it.  random: 32 random bits. */
uint64_t backoff_next(struct backoff *b, uint64_t at_least_ms, uint32_t random);

#endif /* SENDER_BACKOFF_H */
