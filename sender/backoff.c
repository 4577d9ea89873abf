/* SPDX-License-Identifier: Apache-2.0 */
#include "sender/backoff.h"

#define ASKED_MAX_MS UINT64_C(3600000)

/* A part of `of` as large as random is of 2^32. */
static uint64_t
part(uint64_t of, uint32_t random)
{
	return of * random >> 32;
}

uint64_t
backoff_next(struct backoff *b, uint64_t at_least_ms, uint32_t random)
{
	uint64_t wait = BACKOFF_FIRST_MS;

	for (uint32_t i = 0; i < b->tries && wait < b->max_ms; i++)
		wait *= 2;
	if (wait > b->max_ms)
		wait = b->max_ms;
	if (b->tries < UINT32_MAX)
		b->tries++;
	wait = wait / 2 + part(wait - wait / 2, random);
	if (at_least_ms > ASKED_MAX_MS)
		at_least_ms = ASKED_MAX_MS;
	if (wait < at_least_ms)
		wait = at_least_ms + part(at_least_ms / 10, random);
	return wait;
}
