/* SPDX-License-Identifier: Apache-2.0 */
/* view_int.h - what view.c, view_metrics.c and view_past.c share. */
#ifndef GUARD_VIEW_INT_H
#define GUARD_VIEW_INT_H

#include "guard/view.h"
#include "policy/policy.h"

#define PAST_NAME 64u

/* Latency of one conduit since the guard started, over all workers and policies. */
struct past_latency {
	char name[PAST_NAME];
	uint64_t n, sum_ns, max_ns, over;
	uint64_t bucket[LAT_BUCKETS];
	uint64_t window[2][LAT_BUCKETS]; /* .bucket as it was when a window began */
	uint64_t told_bucket[LAT_BUCKETS], told_n, told_over, told_ns; /* view_late() */
	struct latency last;					       /* what was read before */
};

struct past_rule {
	uint32_t id; /* EVE signature_id */
	uint64_t hits, last, kernel_last;
};

struct view_past {
	int32_t pid;
	uint64_t worker_ns; /* start of the worker that was read last */
	uint32_t generation;
	uint64_t window_ns; /* when the newer window began */
	unsigned window;    /* which that is */
	struct engine_stats engine, engine_last;
	struct io_stats io, io_last;
	uint64_t loops, loops_last, sleeps, sleeps_last;
	uint32_t n_conduits, n_rules;
	struct past_latency conduit[GUARD_CONDUITS + 1]; /* [GUARD_CONDUITS]: of none */
	struct past_rule rule[GUARD_RULES];
	struct past_rule old_rule[GUARD_RULES];
};

/* The numbers to show: those of the past when there is one, else of this worker. */
struct view_numbers {
	struct engine_stats engine;
	struct io_stats io;
	uint64_t loops, sleeps;
};
void view_numbers(const struct guard_view *v, struct view_numbers *out);

/* Of the shadow of this view; false: none, or it is not judged yet. */
bool view_shadow_snapshot(const struct guard_view *v, struct shadow_report *out);
/* Its numbers, in the object that w is in (view_status()). */
void view_shadow_short(struct jw *w, const struct guard_view *v);

/* Latency as it is shown. */
struct view_latency {
	uint64_t n, over, max_ns;	 /* since the guard started */
	uint64_t recent, p50, p99, p999; /* in the last 30 to 60 seconds */
};
/* i: a conduit, or GUARD_CONDUITS for none.  False: nothing ever passed. */
bool view_latency(const struct guard_view *v, uint32_t i, struct view_latency *out);

/* Like lat_percentile(), of wide counters; end: what the last bucket means. */
uint64_t view_percentile(
    const uint64_t *now, const uint64_t *before, uint32_t per_million, uint64_t end);

/* Is the policy the one the shared numbers are of? */
static inline bool
view_fits_shared(const struct guard_view *v)
{
	return v->shared && v->policy && v->shared->generation == policy_generation(v->policy);
}

/* Those, or the ones of the past. */
static inline bool
view_fits(const struct guard_view *v)
{
	return view_fits_shared(v) ||
	       (v->past && v->policy && v->past->generation == policy_generation(v->policy));
}

/* view_fast.c: a member `fast_path`, where there is one. */
void view_fast_json(struct jw *w, const struct guard_view *v);

#endif /* GUARD_VIEW_INT_H */
