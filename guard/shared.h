/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared.h - what the worker shows of itself: numbers in memory that the parent mapped
 * before it forked, so that status and metrics cost the packet path nothing and outlive it.
 *
 * One writer (the worker), any readers (parent: ctl, metrics).  Counters are written whole
 * (aligned 64-bit words); a reader may see one packet more in one than in another.  What
 * has to fit together is between begin and end of a sequence (seq, odd while it is written).
 */
#ifndef GUARD_SHARED_H
#define GUARD_SHARED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/engine.h"
#include "dataplane/fastpath.h"
#include "dataplane/io/io.h"
#include "dataplane/limit.h"
#include "guard/permits.h"
#include "dataplane/shadow.h"

#define GUARD_CONDUITS 1024u  /* with a histogram of their own; those behind share the last */
#define GUARD_WORKERS  16u
#define GUARD_RULES    16384u /* with counters; `ctl counters` says when a policy has more */

/*
 * Latency, receive to transmit, in buckets of powers of two with four steps each:
 * bucket i holds [lat_floor(i), lat_floor(i + 1)) nanoseconds; 256 ns to 4.4 s, the
 * first and last take the rest.  (latency.h has the functions.)
 */
#define LAT_BUCKETS 96u
struct latency {
	uint64_t n, sum_ns, max_ns, over; /* over: above the budget of the policy */
	uint32_t bucket[LAT_BUCKETS];	  /* wrap: readers take differences */
};

/* Of one worker; there is one for each, side by side, and [0] has what there is once: mtu, link_lost, permits,
 * carrier_lost.  shared_sum() makes one of them. */
struct guard_shared {
	/* worker writes */
	_Atomic uint32_t seq;
	uint32_t generation;	     /* of the policy in force */
	_Atomic uint64_t alive_ns;   /* CLOCK_MONOTONIC of its last turn: the watchdog's */
	uint64_t started_ns, now_ns; /* wall clock: start; of the last publication */
	int32_t pid;
	uint32_t mtu[2];	       /* of the ports, as the io knows it; 0 = it does not */
	_Atomic uint32_t link_lost[2]; /* the io knows that a port has no link */
	uint32_t n_rules, n_conduits;
	struct engine_stats engine;
	struct io_stats io;
	struct fast_stats fast; /* zeros without a fast path */
	uint64_t loops, bursts, sleeps;
	/* What `limits:` of a zone have kept from the engine, where no filter in the kernel does: since the guard began, over all
	 * workers that were. */
	struct limit_count limits[LIMIT_KINDS];
	/* [GUARD_CONDUITS]: of no conduit.  A worker begins with zeros, and under another policy. */
	struct latency latency[GUARD_CONDUITS + 1];
	uint64_t rule_hits[GUARD_RULES]; /* engine_rule_hits() of this generation */
	/* Of this generation, by the kernel, since it has its tables: they outlive a worker. */
	uint64_t kernel_hits[GUARD_RULES];
	struct shadow_report shadow;	 /* readers trust no number and no text of it */
	struct guard_permits permits;	 /* the parent writes, but what it says is the worker's */
	_Atomic uint32_t carrier_lost[2]; /* the parent writes: what the kernel says of the ports */
};

/* What n workers have published, added up as if it were one's.  Where they do not have the same policy at the moment,
 * its generation is 0, which is none's.  False: one of them was written all the time; *to is not to be used. */
bool shared_sum(struct guard_shared *to, const struct guard_shared *from, unsigned n);
/* What n workers have dropped of this kind. */
struct limit_count shared_limits(const struct guard_shared *s, unsigned n, enum limit_kind kind);
/* What fits together of one; false as above. */
bool shared_snapshot(
    const struct guard_shared *s, struct engine_stats *engine, struct io_stats *io);
/* CLOCK_MONOTONIC: when the one that is longest silent showed that it lives. */
uint64_t shared_alive_ns(const struct guard_shared *s, unsigned n);

#endif /* GUARD_SHARED_H */
