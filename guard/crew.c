/* SPDX-License-Identifier: Apache-2.0 */
/* crew.c - see crew.h. */
#include "guard/crew.h"

#include <sched.h>

static void
wake_all(const struct crew *c)
{
	for (unsigned i = 1; i < c->n; i++)
		c->io[i]->be->wake(c->io[i]);
}

/* Others may need this processor to get there. */
static void
await(const _Atomic unsigned *count, unsigned n)
{
	while (atomic_load(count) < n)
		(void)sched_yield();
}

void
crew_halt(struct crew *c)
{
	if (c->n == 1)
		return;
	atomic_store(&c->halt, true);
	wake_all(c);
	await(&c->standing, c->n - 1);
}

void
crew_go_on(struct crew *c)
{
	atomic_store(&c->halt, false);
}

void
crew_stand(struct crew *c)
{
	/* Counted until it has seen that it may go; before anything else it asks again whether it is called. */
	atomic_fetch_add(&c->standing, 1);
	while (crew_called(c))
		(void)sched_yield();
	atomic_fetch_sub(&c->standing, 1);
}

void
crew_end(struct crew *c)
{
	if (c->n == 1)
		return;
	atomic_store(&c->end, true);
	wake_all(c);
	await(&c->ended, c->n - 1);
}
