/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow.h - the state of one flow as an engine has it: state_size bytes, that become state_most
 * elsewhere when the dissector asks (dis_call.grow).  Behind either lies unreadable memory, and the
 * first is overwritten when it was left.
 */
#ifndef TESTS_GROW_H
#define TESTS_GROW_H

#include <assert.h>

#include "dissectors/dissector.h"
#include "tests/unit/guard.h"

static const struct dissector *grow_of;
static void *grow_old;
static unsigned grow_times; /* it was asked for */

static inline void *
grow_zero(uint32_t n)
{
	static struct guard small, large;
	struct guard *g = n > DIS_STATE_INLINE ? &large : &small;

	if (!g->map)
		*g = guard_new(4096);
	assert(n % 8 == 0 && n <= 4096);
	memset(g->end - n, 0, n);
	return g->end - n;
}

static inline void *
grow_now(struct dis_call *call)
{
	void *to = grow_zero(grow_of->state_most);

	assert(call->state == grow_old);
	memcpy(to, grow_old, grow_of->state_size);
	memset(grow_old, 0x5a, grow_of->state_size);
	grow_times++;
	return call->state = to;
}

/* A flow of d begins with this call. */
static inline void
grow_begin(const struct dissector *d, struct dis_call *call)
{
	grow_of = d;
	call->state = grow_old = grow_zero(d->state_size);
	call->grow = d->state_most ? grow_now : NULL;
}

#endif /* TESTS_GROW_H */
