/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jump.h - when the clock of this machine jumps, ahead or back.
 *
 * What lasts only while the collector runs (sessions, failed logins, connections) is counted by a clock that does not jump.
 * What the data base keeps is by the wall clock.  When that goes JUMP_MS or more beside the other one between two looks,
 * it is an incident (`collector.clock`) and a line in the log; what is due is moved by as much (silence of sensors, notifications,
 * trials of policies); and for JUMP_HOLD_MS nothing is removed for its age, no incident is closed for its quiet, no certificate of our own
 * is made anew, and no sensor is blamed for a clock that is off by just that much.
 */
#ifndef COLLECTOR_JUMP_H
#define COLLECTOR_JUMP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define JUMP_MS	     INT64_C(60000)
#define JUMP_HOLD_MS INT64_C(86400000)
#define JUMP_AWAY_MS INT64_C(604800000)

#define JUMPS 8u /* of those while it is held, the last */

struct collector;

/* By how much the clock may be off, ms: all jumps from one of them on, if it was right before that one. */
struct jump_off {
	int64_t ms[JUMPS];
	unsigned n;
};

struct jump {
	pthread_mutex_t lock;
	int64_t wall_ms, boot_ms; /* at the last look */
	int64_t untold_ms;	  /* of a jump that could not be written yet; 0: none */
	int64_t hold_ms;	  /* until then, by the clock that does not jump */
	struct jump_off off;
};

/* The store is open.  A store whose newest batch is older than JUMP_AWAY_MS, or of the future, is held as after a jump. */
void jump_start(struct collector *co);
/* Compare both clocks, and do what is said above.  Returns now, ms since 1970.  To be called before kept times are compared with it;
 * not from within a job of the store. */
int64_t jump_look(struct collector *co);
/* Is what goes by age held? */
bool jump_held(struct collector *co);
/* What is known of it while it is held; else nothing.  Is it why somebody's clock seems to be ms ahead (or, negative, behind)? */
void jump_off(struct collector *co, struct jump_off *out);
bool jump_explains(const struct jump_off *off, int64_t ms);

#endif /* COLLECTOR_JUMP_H */
