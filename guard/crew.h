/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crew.h - several workers, threads of one process: worker 0 leads.
 *
 * Each has an io, an engine and numbers of its own, and nobody waits for another while packets go by: what they read of this
 * is one word per turn.  What is rare is the lead's alone (it hears the parent), and where that touches engines, of all of
 * them, all others stand still, between two bursts:
 *
 *	lead	  ... burst | crew_halt() | policy of all engines | crew_go_on() | burst ...
 *	follower  ... burst | crew_stand() ...................................... | burst ...
 *
 * So no two policies are ever in force at once.  It takes as long as the longest burst that runs, since who sleeps is woken.
 * One that hangs keeps the lead waiting, and the parent ends them all (supervise.c): all have to show that they live.
 */
#ifndef GUARD_CREW_H
#define GUARD_CREW_H

#include <stdatomic.h>
#include <stdbool.h>

#include "dataplane/io/io.h"

struct crew {
	unsigned n;
	struct io *const *io; /* n of them */
	_Atomic bool halt;
	_Atomic unsigned standing;
	_Atomic bool end; /* followers are to come to their end */
	_Atomic unsigned ended;
};

/* The lead: none of the others runs from here to crew_go_on(). */
void crew_halt(struct crew *c);
void crew_go_on(struct crew *c);
/* The lead: they are to end, and have. */
void crew_end(struct crew *c);

/* A follower: is it to stand still?  It then calls crew_stand(), and asks again. */
static inline bool
crew_called(const struct crew *c)
{
	return atomic_load_explicit(&c->halt, memory_order_acquire);
}
void crew_stand(struct crew *c);

#endif /* GUARD_CREW_H */
