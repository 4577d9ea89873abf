/* SPDX-License-Identifier: Apache-2.0 */
/* guard_int.h - what the files of the parent share (guard.h). */
#ifndef GUARD_GUARD_INT_H
#define GUARD_GUARD_INT_H

#include <sys/types.h>

#include "alerts/alert.h"
#include "guard/builder.h"
#include "guard/guard.h"
#include "guard/msg.h"
#include "guard/notify.h"
#include "guard/ports.h"
#include "guard/shared.h"
#include "policy/policy.h"

#define TURN_MS	       200		    /* at least this often everything is looked at */
#define HUNG_NS	       UINT64_C(3000000000) /* a worker that shows no sign of life for so long is ended */
#define START_WAIT_NS  UINT64_C(20000000000)
#define STOP_WAIT_NS   UINT64_C(3000000000)
#define BACKOFF_MIN_NS UINT64_C(100000000) /* before a process is started again: doubles ... */
#define BACKOFF_MAX_NS UINT64_C(10000000000)
#define STEADY_NS      UINT64_C(30000000000) /* ... and is forgotten after so long without */

/* A process of ours that is started again when it ends. */
struct child {
	const char *name;
	pid_t pid; /* 0 = not running */
	struct msg_peer peer;
	bool ready, wanted;
	uint64_t since_ns, again_ns; /* CLOCK_MONOTONIC: start; when to start it again */
	uint64_t started_ns;	     /* wall clock */
	uint32_t restarts, failures; /* unexpected ends: all; since it was steady */
	char why[MSG_TEXT];	     /* what it said when it could not begin */
};

struct reload {
	bool running;
	struct builder builder;
	const struct policy *next; /* mapped; the worker has been told */
	int next_fd;
	uint64_t deadline_ns;
	uint64_t ctl_token; /* who waits for the answer; 0 = nobody */
	char error[512];    /* why the last one was refused; "" = it was not */
	uint64_t error_ns;
};

struct link {
	bool up, downed; /* downed: by us, since the other port has no link */
	uint32_t changes;
};

struct guard {
	const struct guard_conf *conf;
	struct guard_shared *shared;
	struct gate *gate;
	int gate_mode[2];
	struct ports ports;
	bool ports_set;
	struct link link[2];
	const struct policy *policy;
	int policy_fd;
	uint32_t generation;
	uint64_t policy_ns; /* wall clock */
	struct reload reload;
	struct child worker;
	uid_t worker_uid;
	gid_t worker_gid;
	int signals;
	bool stop;
	struct notify notify;
	uint64_t now_ns; /* CLOCK_MONOTONIC of this turn */
	uint64_t started_ns, linked_ns;
};

/* --- guard.c --------------------------------------------------------------------------------- */

/* One turn: what has come, what is due. */
void guard_turn(struct guard *g, int timeout_ms);

/* --- supervise.c ----------------------------------------------------------------------------- */

/* 0 or ERR_*, said in err. */
int worker_start(struct guard *g, char *err, size_t size);
/* Begin again what has ended, end what hangs. */
void supervise(struct guard *g);
/* Collect the children that have ended. */
void supervise_reap(struct guard *g);
/* Ask a child to end, and see to it that it does. */
void child_end(struct guard *g, struct child *c, uint64_t patience_ns);
/* In every child, first thing. */
void child_begin(void *guard);

/* --- reload.c -------------------------------------------------------------------------------- */

/* The first policy: NULL when it cannot be had, all said on standard error. */
int policy_first(struct guard *g);
/* Begin to build the file again.  0 or ERR_*, said in err: one runs already, no file. */
int reload_start(struct guard *g, uint64_t ctl_token, char *err, size_t size);
void reload_step(struct guard *g);
/* The worker's answer to POLICY. */
void reload_answer(struct guard *g, int result, const char *text);
/* The worker is gone: the next one begins with the new policy. */
void reload_worker_gone(struct guard *g);

/* --- link.c ---------------------------------------------------------------------------------- */

/* Ask for both carriers when it is time. */
void link_step(struct guard *g);

#endif /* GUARD_GUARD_INT_H */
