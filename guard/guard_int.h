/* SPDX-License-Identifier: Apache-2.0 */
/* guard_int.h - what the files of the parent share (guard.h). */
#ifndef GUARD_GUARD_INT_H
#define GUARD_GUARD_INT_H

#include <sys/types.h>

#include "alerts/alert.h"
#include "guard/builder.h"
#include "guard/bypass.h"
#include "guard/ctl.h"
#include "guard/guard.h"
#include "guard/keep.h"
#include "guard/msg.h"
#include "guard/notify.h"
#include "guard/pins.h"
#include "guard/ports.h"
#include "guard/shared.h"
#include "guard/signer.h"
#include "guard/view.h"
#include "policy/policy.h"

#define HURRY_NICE (-15) /* priority of those for whom connections wait, in a take-over */

#define TURN_MS	       200		    /* at least this often everything is looked at */
#define HUNG_NS	       UINT64_C(3000000000) /* a worker that shows no sign of life for so long is ended */
#define START_WAIT_NS  UINT64_C(20000000000)
#define STOP_WAIT_NS   UINT64_C(3000000000)
#define BACKOFF_MIN_NS UINT64_C(100000000) /* before a process is started again: doubles ... */
#define BACKOFF_MAX_NS UINT64_C(10000000000)
#define STEADY_NS      UINT64_C(30000000000) /* ... and is forgotten after so long without */

struct guard;

/* A process of ours that is started again when it ends. */
struct child {
	const char *name;
	int (*start)(struct guard *g, char *err, size_t size); /* sets pid; 0 or ERR_*, said */
	pid_t pid;					       /* 0 = not running */
	struct msg_peer peer;
	bool ready, wanted;
	uint64_t since_ns, again_ns; /* CLOCK_MONOTONIC: start; when to start it again */
	uint64_t started_ns;	     /* wall clock */
	uint32_t restarts, failures; /* unexpected ends: all; since it was steady */
	char why[MSG_TEXT];	     /* what it said when it could not begin */
};

enum reload_kind { RELOAD_FILE = 0, RELOAD_BACK, RELOAD_PROMOTE };

struct reload {
	bool running;
	uint8_t kind; /* enum reload_kind: where the next policy comes from */
	struct builder builder;
	const struct policy *next; /* mapped; the worker has been told */
	int next_fd;
	struct text next_text;
	struct accepted last_signed; /* before it, for when it is not to be */
	struct accepted next_signed;
	uint64_t confirm_ns;	 /* in force on trial for so long; 0 = for good */
	uint32_t old_generation; /* while it is swapped: what was in force */
	unsigned old_slot;
	uint64_t deadline_ns;
	uint64_t ctl_token; /* who waits for the answer; 0 = nobody */
	char error[512];    /* why the last one was refused; "" = it was not */
	uint64_t error_ns;
};

/* The policy in force is on trial (confirm.c); what is here is the one before. */
struct confirm {
	bool waiting;
	int fd;
	struct text text;
	uint32_t generation;
	unsigned slot;
	bool from_file;
	struct accepted next_signed;	/* of the one on trial: noted when it is confirmed */
	uint64_t deadline_ns, until_ns; /* CLOCK_MONOTONIC; wall clock */
	char why[64];			/* it ends */
};

/* A policy beside the one in force (shadow.c). */
struct shadowing {
	enum { SHADOW_NONE = 0, SHADOW_BUILDING, SHADOW_TELLING, SHADOW_ON, SHADOW_ENDING } step;
	struct builder builder;
	const struct policy *policy; /* mapped */
	int fd;
	struct text text;
	struct accepted signed_by;
	char file[256];	   /* what who asked calls it */
	uint64_t since_ns; /* wall clock */
	uint64_t deadline_ns, ctl_token;
	char why[64]; /* it ends */
};

/* The switch that is stronger than the policy (panic.c). */
struct panic {
	enum panic_mode mode;
	uint64_t since_ns, until_ns; /* wall clock; until 0: no end */
	uint64_t deadline_ns;	     /* CLOCK_MONOTONIC; 0 = none */
	uint64_t ctl_token;
	char who[64];
};

/* A successor takes the ports over (takeover.c). */
struct handing {
	enum { HAND_NONE = 0, HAND_EXPORT, HAND_EMPTY, HAND_WAIT } step;
	int flows_fd;	    /* the successor's memory file */
	int word_fd;	    /* a byte comes when it has taken over; the end when it is gone */
	uint64_t ctl_token; /* of its request */
	bool leave;	    /* what the kernel has stays there: the successor has the same pins */
	uint64_t bytes, deadline_ns;
};

struct link {
	bool up, downed; /* downed: by us, since the other port has no link */
	uint32_t changes;
};

/* The hardware bypass (line.c); times are CLOCK_MONOTONIC. */
struct line {
	struct bypass bypass;
	enum bypass_state state; /* as it was set, or found */
	uint64_t steady_ns;	 /* there was a worker */
	uint64_t kicked_ns, looked_ns, again_ns;
};

/* No engine is there (away.c). */
struct away {
	uint64_t since_ns; /* CLOCK_MONOTONIC; 0: it is there */
	uint64_t last_ns, total_ns, looked_ns;
	uint32_t times;
	struct gate_away conduit[GUARD_CONDUITS]; /* frames, since the policy is in force */
	/* What a predecessor's pins say, until it can be told. */
	uint64_t first_ns, first_frames;
	bool first_known; /* of this policy */
	struct gate_away first[GUARD_CONDUITS];
};

struct guard {
	const struct guard_conf *conf;
	unsigned n_workers;
	struct guard_shared *shared; /* [n_workers] */
	struct guard_shared *sum;    /* of several; NULL = there is one */
	struct permits permits;
	struct gate *gate;
	struct fast *fast; /* its counters; NULL = no fast path */
	int gate_mode[2];
	struct pinning pins; /* what outlives us */
	struct away away;
	struct line line;
	struct ports ports;
	bool ports_set;
	struct link link[2];
	const struct policy *policy;
	int policy_fd;
	struct text text; /* of the policy in force */
	uint32_t generation;
	uint32_t last_generation; /* the greatest that was given to an image that lived */
	bool from_file; /* the policy in force was read from the file; else promoted, or kept */
	bool kept;	/* it is on disk in keep_dir: a start takes it instead of the file */
	const struct key_set *signers; /* NULL: policies need no signature */
	struct keep keep;
	struct accepted accepted; /* with signers: the newest */
	uint64_t policy_ns; /* wall clock */
	struct reload reload;
	struct confirm confirm;
	struct shadowing shadow;
	struct panic panic;
	struct handing handing;
	struct child worker, signer, metrics;
	uint16_t asked;	  /* enum msg_type: what the worker has not answered yet */
	int inherited_fd; /* flows of a predecessor, for the first worker; -1 = none */
	int word_fd;	  /* takeover.c: to tell the predecessor; -1 = none */
	bool handed;	  /* a successor has the ports */
	int flows_fd;	  /* act.c: what `ctl flows` waits for; -1 = nobody asks */
	uint64_t flows_token;
	uid_t worker_uid, signer_uid;
	gid_t worker_gid, signer_gid;
	struct alerts_shared *alerts_shared; /* NULL = no alerts are written */
	struct signer_shared *signer_shared;
	struct alerts *alerts; /* the parent's own */
	struct ctl *ctl;
	struct view_past *past;
	int metrics_fd;	     /* it listens; -1 = no metrics */
	int metrics_program; /* what serves it */
	int signals;
	bool stop;
	struct notify notify;
	uint64_t now_ns;     /* CLOCK_MONOTONIC of this turn */
	uint64_t started_ns; /* wall clock */
	uint64_t linked_ns, counted_ns;
};

/* --- guard.c --------------------------------------------------------------------------------- */

/* One turn: what has come, what is due. */
void guard_turn(struct guard *g, int timeout_ms);

/* An alert of the guard about itself; note may be NULL. */
void guard_tell(struct guard *g, enum guard_event ev, const char *note);

/* --- supervise.c ----------------------------------------------------------------------------- */

/* Begin again what has ended, end what hangs. */
void supervise(struct guard *g);
/* Collect the children that have ended. */
void supervise_reap(struct guard *g);
/* Fork; in the child 0, after what every child does first.  Else its pid, or ERR_*, said. */
pid_t child_fork(struct guard *g, struct child *c, char *err, size_t size);
/* It is told to end: see to it that it does. */
void child_end(struct guard *g, struct child *c, uint64_t patience_ns);
/* In every child, first thing. */
void child_begin(void *guard);
/* All children, running or not, whose process this is; NULL at the end. */
struct child *child_at(struct guard *g, unsigned i);

/* --- worker_child.c: the parent's end of the worker -------------------------------------------- */

/* As child.start. */
int worker_start(struct guard *g, char *err, size_t size);
/* POLICY, FLOWS or EXPORT; its answer comes to those who ask so.  ERR_AGAIN: it is busy, or not there. */
int worker_ask(struct guard *g, const struct msg *m, int fd);
/* Its numbers, of several workers the sum; NULL: they cannot be had now. */
const struct guard_shared *worker_numbers(struct guard *g);

/* --- service.c: signer and metrics ----------------------------------------------------------- */

/* Memory for alerts, and the parent's own half.  0 or ERR_*, said. */
int service_prepare(struct guard *g, char *err, size_t size);
/* Tell what the signer has seen of a sender. */
void service_step(struct guard *g);
/* As child.start. */
int signer_start(struct guard *g, char *err, size_t size);
int metrics_start(struct guard *g, char *err, size_t size);

/* --- act.c: what ctl asks -------------------------------------------------------------------- */

/* 0 or ERR_*, said. */
int act_open(struct guard *g, char *err, size_t size);
/* The worker has written its flows. */
void act_flows_done(struct guard *g, int result, uint64_t bytes);
/* Once a second: what adds up, and what was late. */
void act_count(struct guard *g);
void act_count_now(struct guard *g); /* not only once in a while */

/* --- takeover.c ------------------------------------------------------------------------------ */

/* The old guard: a successor asks (CTL_takeover).  As ctl_conf.act. */
int takeover_asked(struct guard *g, struct ctl_request *rq, char *err, size_t size);
/* What has come of it. */
void takeover_step(struct guard *g);
void takeover_exported(struct guard *g, int result, uint64_t bytes, const char *text);
/* The new guard: asks the old one to let go; the flows' descriptor, -1 when there is no old guard,
 * or ERR_* below -1, said.  Then tells it that all is well. */
int takeover_ask(struct guard *g, char *err, size_t size);
void takeover_done(struct guard *g);

/* --- reload.c -------------------------------------------------------------------------------- */

/* The first policy.  0 or ERR_*, all said on standard error. */
int policy_first(struct guard *g);
/* What somebody wants of a reload. */
struct reload_how {
	uint64_t ctl_token;  /* who waits; 0 = nobody */
	uint64_t confirm_ns; /* on trial for so long; 0 = for good */
	bool force;	     /* also when another one is on trial */
};
/* Begin to build the file again.  0 or ERR_*, said in err: one runs already, no file, a trial. */
int reload_start(struct guard *g, const struct reload_how *how, char *err, size_t size);
/* What is judged beside it is the policy.  CTL_LATER, or ERR_*, said. */
int reload_promote(struct guard *g, const struct reload_how *how, char *err, size_t size);
/* A builder of the next policy: of path, or, called so, of text, which it takes.  0 or ERR_*, said. */
int builder_for(struct guard *g, struct builder *b, const char *path, struct text *text, char *err,
    size_t size);
/* Its image, mapped, when a guard can use it and may (--require-signed); NULL: said in err. */
const struct policy *policy_usable(const struct guard *g, const struct builder *b, const char *name,
    int fd, struct accepted *by, char *err, size_t size);
/* The first line of what was said against it; cuts said there. */
const char *reload_first_line(char *said);
/* Back to the policy before the one on trial.  0: done; CTL_LATER; or ERR_*, said. */
int reload_back(struct guard *g, uint64_t ctl_token, char *err, size_t size);
void reload_step(struct guard *g);
/* The worker's answer to POLICY. */
void reload_answer(struct guard *g, int result, const char *text);
/* The worker is gone: the next one begins with the new policy. */
void reload_worker_gone(struct guard *g);
/* With --require-signed: on disk before it is in force.  0 or ERR_*, said. */
int note_accepted(struct guard *g, const struct accepted *a, char *err, size_t size);

/* --- confirm.c ------------------------------------------------------------------------------- */

/* Before `trial` is in force: on disk, so that a start does not begin with it.  0 or ERR_*, said. */
int confirm_keep(struct guard *g, const struct text *trial, char *err, size_t size);
/* The file on disk is the policy for good: nothing of it is kept. */
void confirm_forget(const struct guard *g);
/* The policy in force is so for good: kept, unless it is the file's. */
void confirm_settle(struct guard *g);
/* At the start: 1, path (KEEP_PATH) is the text to begin with instead of the file; 0; or ERR_*, said. */
int confirm_first(struct guard *g, char *path, char *err, size_t size);
/* The new policy is in force; the one before, taken from here, is kept. */
void confirm_begin(struct guard *g, int old_fd, struct text *old_text);
/* The one before is let go. */
void confirm_end(struct guard *g);
/* ctl confirm, ctl rollback (rq NULL: time is over).  As ctl_conf.act. */
int confirm_asked(struct guard *g, const struct ctl_request *rq, char *err, size_t size);
int confirm_back(struct guard *g, const struct ctl_request *rq, char *err, size_t size);
/* Is time over? */
void confirm_step(struct guard *g);
/* The one before is in force again, instead of this generation. */
void confirm_is_back(struct guard *g, uint32_t from);

/* --- shadow.c -------------------------------------------------------------------------------- */

/* As ctl_conf.act; how: of a promotion. */
int shadow_asked(
    struct guard *g, struct ctl_request *rq, const struct reload_how *how, char *err, size_t size);
void shadow_step(struct guard *g);
/* The worker's answer to SHADOW or SHADOW_END; or it is gone. */
void shadow_answer(struct guard *g, int result, const char *text);
void shadow_worker_gone(struct guard *g);
/* The worker does not judge it any more. */
void shadow_end(struct guard *g, const char *why);

/* --- panic.c --------------------------------------------------------------------------------- */

/* The tables of a policy, or what panic makes of them.  As gate_set_policy(). */
int panic_filter(
    struct guard *g, const struct policy *pol, uint32_t generation, char *err, size_t size);
/* As ctl_conf.act. */
int panic_asked(struct guard *g, struct ctl_request *rq, uint64_t for_s, char *err, size_t size);
/* Is its time over? */
void panic_step(struct guard *g);
/* The worker's answer to PANIC; or it is gone. */
void panic_answer(struct guard *g, int result);
void panic_worker_gone(struct guard *g);
/* The guard ends. */
void panic_ends(struct guard *g, const char *why);
const char *panic_name(const struct guard *g);

/* --- device.c -------------------------------------------------------------------------------- */

/* Are they ports of DPDK? */
bool device_ports(const struct guard *g);
/* Does a worker load XDP programs (net_af_xdp)? */
bool device_loads_programs(const struct guard *g);
/* Can these ports do what the policy asks?  0 or ERR_*, said with file, line and column. */
int device_policy(const struct guard *g, const struct policy *pol, char *err, size_t size);
/* What the workers dropped in the place of the filter in the kernel, as gate_counts(); 0 with that filter. */
unsigned device_counts(const struct guard *g, struct gate_count *out, unsigned max);
/* Of the interface, or what the device said; 0: nobody knows yet. */
uint32_t device_mtu(const struct guard *g, unsigned port);
/* While no worker has the ports: what its driver left on them is taken off. */
void device_clean(struct guard *g);

/* --- away.c ---------------------------------------------------------------------------------- */

/* A start over pins: since when nobody is there; what was counted, before other tables are in force; the alert. */
void away_begin(struct guard *g);
void away_resumed(struct guard *g);
void away_tell_first(struct guard *g);
/* Is it there? */
void away_step(struct guard *g);
/* Conduits have other numbers. */
void away_new_policy(struct guard *g);

/* --- line.c ---------------------------------------------------------------------------------- */

/* With a policy.  0 or ERR_*, said. */
int line_begin(struct guard *g, char *err, size_t size);
void line_ready(struct guard *g);
void line_step(struct guard *g);
/* Before the filter is taken off. */
void line_end(struct guard *g);

/* --- link.c ---------------------------------------------------------------------------------- */

/* Ask for both carriers when it is time. */
void link_step(struct guard *g);
/* Take up what was taken down. */
void link_end(struct guard *g);

#endif /* GUARD_GUARD_INT_H */
