/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bypass.h - a hardware bypass: a relay that joins the two cables, so that the guard is out of the way.
 *
 *	armed		the cables are joined: everything passes, nothing is seen
 *	disarmed	the guard is in line; a watchdog arms it when nobody kicks it in time
 *
 * The relay is thought of as normally closed: without power it joins.  Who may arm it is the policy's
 * word: with `fail: open` the watchdog runs, and a guard that stops, hangs, dies or has no worker ends armed; with
 * `fail: closed` the watchdog stands still, and only `ctl panic open` arms.
 *
 * Backends:
 *	file:PATH	a fake, for tests and rehearsals: PATH holds the state, and until when
 *	exec:PROGRAM	PROGRAM arm | disarm MS | kick | state; MS: of the watchdog, 0 = none.  Exit status 0
 *			when it is done; state prints "armed" or "disarmed".  2 s, then it is killed
 *
 * The parent calls; a PROGRAM runs beside it.  All functions: 0 or ERR_*, said in err.
 */
#ifndef GUARD_BYPASS_H
#define GUARD_BYPASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BYPASS_WATCHDOG_MS 2000u /* without a kick: armed */
#define BYPASS_KICK_MS	   500u
#define BYPASS_PATH	   256u

enum bypass_state { BYPASS_UNKNOWN = 0, BYPASS_ARMED, BYPASS_DISARMED };

struct bypass {
	const struct bypass_ops *ops; /* NULL: there is none */
	char path[BYPASS_PATH];
	uint32_t watchdog_ms; /* since it was disarmed */
	pid_t pid;	      /* of a kick that runs; 0 = none */
};

struct bypass_ops {
	const char *scheme; /* "file:" */
	int (*arm)(struct bypass *b, char *err, size_t size);
	int (*disarm)(struct bypass *b, uint32_t watchdog_ms, char *err, size_t size);
	/* Does not wait; what came of it shows in state(). */
	int (*kick)(struct bypass *b, char *err, size_t size);
	int (*state)(struct bypass *b, enum bypass_state *out, char *err, size_t size);
};

/* spec: a backend's.  Nothing of the relay changes. */
int bypass_open(struct bypass *b, const char *spec, char *err, size_t size);
/* The cables are joined, and stay so. */
int bypass_arm(struct bypass *b, char *err, size_t size);
/* The guard is in line; watchdog_ms: armed again after so long without a kick, 0 = never. */
int bypass_disarm(struct bypass *b, uint32_t watchdog_ms, char *err, size_t size);
/* Every BYPASS_KICK_MS; nothing to do when the watchdog stands still. */
int bypass_kick(struct bypass *b, char *err, size_t size);
/* As the relay says. */
int bypass_state(struct bypass *b, enum bypass_state *out, char *err, size_t size);
/* A child has ended; true: it was ours. */
bool bypass_reaped(struct bypass *b, pid_t pid);
const char *bypass_state_name(enum bypass_state s);

#endif /* GUARD_BYPASS_H */
