/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - what a guard is doing, said in JSON for `ctl` and as text for Prometheus.
 *
 * The parent fills a struct guard_view with what it knows and calls one of the writers; these only
 * read.  What is counted in memory of a worker (struct guard_shared) ends with that
 * worker or that policy, and its buckets wrap; struct view_past adds it up, so that counters never
 * go back: view_tick() once a second.  One thread.
 */
#ifndef GUARD_VIEW_H
#define GUARD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ebpf/fast.h"
#include "guard/shared.h"

struct jw;
struct policy;
struct signer_shared;
struct ctl_stats;
struct view_past;

struct view_process {
	const char *name;    /* "worker" */
	pid_t pid;	     /* 0: not running */
	uint64_t started_ns; /* wall clock */
	uint32_t restarts;   /* unexpected ends */
};

struct view_port {
	const char *name; /* of the interface; NULL = none */
	bool link;
	uint32_t mtu;
	unsigned queues;
	const char *mode;      /* how the filter is attached: "native", "generic" */
	uint32_t link_changes; /* since start */
};

/* guard --fast-path */
struct view_fast {
	const char *off; /* why the kernel judges nothing under this policy; NULL: it may */
	const struct fast_count *counts; /* by what became of a frame */
	unsigned n_counts;
	const char *pinned; /* where; NULL = nowhere */
	uint64_t away_ns, away_last_ns,
	    away_total_ns; /* it is away for so long, 0 = it is there; was */
	uint32_t away_times;
	uint32_t n_conduits;
	struct {
		bool served;
		uint64_t packets; /* since the policy is in force */
		uint64_t dropped, unjudged; /* of these while the engine was away */
	} conduit[GUARD_CONDUITS];
};

struct guard_view {
	uint64_t now_ns, started_ns;	   /* wall clock */
	const struct guard_shared
	    *shared; /* the worker's, or the sum of several; NULL = none yet */
	const struct guard_shared *workers; /* of several, each; NULL = there is one */
	unsigned n_workers;
	const struct view_past *past;	   /* NULL: numbers are those of this worker alone */
	const struct policy *policy;	   /* in force; NULL = none yet */
	const char *policy_path;
	uint64_t policy_ns;	  /* wall clock: since when */
	const char *policy_error; /* why the last reload was refused; NULL or "" = it was not */
	uint64_t policy_error_ns;
	uint64_t confirm_until_ns; /* wall clock: it is on trial; 0 = it is not */
	uint64_t confirm_left_ns;
	uint32_t confirm_generation;	 /* that comes back then */
	bool kept;		     /* it is the one confirmed or promoted last, not the file's */
	const char *panic;	     /* "open", "island"; NULL = there is none */
	const char *panic_by;
	uint64_t panic_ns, panic_until_ns; /* wall clock; until 0: no end */
	const struct policy *shadow;	   /* judged beside it; NULL = none */
	const char *shadow_file;
	uint64_t shadow_ns;		 /* wall clock: since when */
	const struct gate_totals *gate;	 /* the kernel's filter; NULL = none */
	const struct gate_count
	    *counts; /* n_counts of them; without that filter, what workers dropped in its place */
	unsigned n_counts;
	const char *bypass;		    /* what it is; NULL = there is none */
	const char *bypass_state;	    /* "armed", "disarmed", "unknown" */
	uint32_t bypass_watchdog_ms;	    /* 0 = it stands still */
	const struct view_fast *fast;	    /* NULL = not asked for */
	struct view_port port[2];	    /* outside, inside */
	const struct signer_shared *signer; /* NULL = no alerts are written */
	const char *journal_dir, *eve_path; /* or NULL */
	uint64_t journal_max;		    /* bytes; 0 = the default */
	const struct ctl_stats *ctl;	    /* or NULL */
	const struct view_process *process;
	unsigned n_processes;
};

/* NULL: no memory (about 4 MiB). */
struct view_past *view_past_new(void);
void view_past_free(struct view_past *p);
/* Add up what the worker counted since the last tick; policy: of the shared generation. */
void view_tick(struct view_past *p, const struct guard_shared *s, const struct policy *policy,
    uint64_t now_ns);

/* Another policy is in force: what its rules and conduits are called. */
void view_policy(struct view_past *p, const struct policy *policy);

/* Each writes members into the object that w is in (docs/PROTOCOL.ctl.md). */
void view_status(struct jw *w, const struct guard_view *v);
void view_counters(struct jw *w, const struct guard_view *v);
void view_shadow(struct jw *w, const struct guard_view *v);
/* Prometheus text format 0.0.4; not JSON. */
void view_metrics(struct jw *w, const struct guard_view *v);

/*
 * Conduits whose packets were late since the last call: calls fn for each, at most once a minute per
 * conduit.  The parent makes alerts of it (GUARD_LATENCY).
 */
struct view_late {
	uint32_t conduit;	/* index in the policy */
	uint64_t packets, late; /* since the last one told */
	uint64_t p99_ns, budget_ns;
	char text[128]; /* "12 of 4000 packets above 1 ms, p99 1.4 ms" */
};
/* fn gets each; needs view_tick() before. */
void view_late(struct view_past *p, const struct policy *policy, uint64_t now_ns,
    void (*fn)(void *ctx, const struct view_late *late), void *ctx);

#endif /* GUARD_VIEW_H */
