/* SPDX-License-Identifier: Apache-2.0 */
/*
 * permits.h - permits that were given to a guard (ctl permit): checked by the parent, shown to the
 * worker in shared memory, so that they outlive it and fit the policy that it has.
 *
 * The parent writes a slot, then seq (odd while it writes); the worker takes what has changed
 * between two bursts.  The worker says what it thinks of the clock.  Tokens are not kept over a
 * restart of the guard, nothing is open then; that they were used is (used.h).
 */
#ifndef GUARD_PERMITS_H
#define GUARD_PERMITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/used.h"
#include "policy/window.h"

#define CLOCK_SET_S   UINT64_C(1767225600) /* 2026-01-01: before it no clock has been set */
#define CLOCK_JUMP_NS INT64_C(5000000000)

enum clock_state { CLOCK_GOOD = 0, CLOCK_UNSET, CLOCK_JUMPED, CLOCK_LOOSE };

/* What is known of a wall clock.  Zeroed: it was not looked at. */
struct clock_watch {
	uint32_t state; /* enum clock_state */
	bool begun;
	int64_t base_ns; /* wall less steady, while it was good */
};

/*
 * Once in a while: is the wall clock to be believed?  It is not before it was set, after it has
 * gone another way than the steady one by more than 5 s (until it is back where it would have
 * been, or somebody accepts it), and while it is not kept in step where that is asked for.
 */
enum clock_state clock_watch(
    struct clock_watch *c, uint64_t wall_ns, uint64_t steady_ns, bool in_step);
/* The wall clock as it is now is right: somebody who may says so. */
void clock_accept(struct clock_watch *c);
const char *clock_state_name(uint32_t state); /* "good", "unset", "jumped", "not in step" */

struct permit_slot {
	uint8_t state;	  /* enum permit_state */
	uint64_t until_s; /* wall clock */
	uint64_t over_ns; /* of PERMIT_ENDING: CLOCK_BOOTTIME */
	struct permit m;
};

struct guard_permits {
	/* the parent writes */
	_Atomic uint32_t seq;
	_Atomic uint32_t in_step;  /* the system keeps the clock in step (adjtimex) */
	_Atomic uint32_t accepted; /* counts: the clock as it is is right */
	struct permit_slot slot[PERMITS_MAX];
	/* the worker writes */
	struct clock_watch clock;
	_Atomic uint32_t clock_state; /* enum clock_state, as of its last look */
};

/* The worker's copy; for each policy, since one may have a place for a permit that the other has not. */
struct permits_taken {
	uint8_t state[PERMITS_MAX];
	char id[PERMITS_MAX][PERMIT_TEXT];
};
struct permits_view {
	uint32_t seq, accepted;
	struct permits_taken live, shadow;
	uint32_t shadow_generation; /* whose .shadow is; 0 = none */
	uint64_t stepped_s;
	bool begun;
	/* One of several workers, not the first: that one watches the clock. */
	bool follows;
	uint32_t clock_state;		      /* as it was last taken from there */
	struct permit_slot slot[PERMITS_MAX]; /* a copy, while it is looked at */
	struct policy_permit fit;
};

struct engine;
/* The worker, between two bursts: clock, windows and what has changed of the permits.  pol: in force;
 * shadow: judged beside it, or NULL; again: pol is another one. */
void permits_take(struct permits_view *v, struct guard_permits *sh, struct engine *e,
    const struct policy *pol, const struct policy *shadow, uint64_t wall_ns, bool again);

/* --- the parent's ------------------------------------------------------------------------------ */

struct jw;
struct permits {
	struct guard_permits *sh;
	uint32_t generation; /* of the policy that they were last held against */
	uint32_t clock_state;
	struct used used;
	/* An alert about a permit or the clock; note may be NULL. */
	void (*tell)(void *ctx, unsigned event, const char *note);
	void *ctx;
};

/* A token came: 0 and it is open, its id in out; or ERR_*, with a line why. */
int permits_open(struct permits *p, const struct policy *pol, const char *jws, size_t n,
    uint64_t wall_ns, char id[PERMIT_TEXT], char *err, size_t err_size);
/* 0, or ERR_NOTFOUND. */
int permits_revoke(
    struct permits *p, const struct policy *pol, const char *id, char *err, size_t err_size);
/* Each turn: what has run out, whose grace is over, what another policy has no place for; the clock. */
void permits_step(struct permits *p, const struct policy *pol, uint64_t wall_ns);
/* All of them, as members of an object. */
void permits_write(const struct permits *p, struct jw *w);

#endif /* GUARD_PERMITS_H */
