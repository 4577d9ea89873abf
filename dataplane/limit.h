/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limit.h - how much a zone may send: its `limits:`, where no filter in the kernel stands in front of the engine.
 *
 * Does what that filter does (ebpf/limits.bpf.h), with the same reasons, counters and samples.  Of a burst it keeps back
 * what is above the limits; the engine never sees it:
 *
 *	rx() | limit_burst() | engine_burst() of what is left | done() of all
 *
 * A bucket holds a second's worth of tokens: N packets within a second are never refused, and in any time T no more than
 * N(T + 1) pass (and one for rounding), whoever of several workers gets them, for all take from the same bucket.  A worker takes up to 1/256
 * of a second's worth at once (64 at most), so that most frames touch nothing that is shared.  Nobody waits: who loses a race
 * for a bucket tries again, and each race that is lost is tokens that another has got.
 *
 * Only frames that the engine would let in cost tokens: what the policy denies between these ends anyway, or speaks in the
 * name of a zone from the wrong side, uses up nobody's share; the engine denies it, and says why.
 *
 * Time is the burst's; when its clock is put back by more than a second buckets are full again.
 */
#ifndef DATAPLANE_LIMIT_H
#define DATAPLANE_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/pkt.h"

#define LIMIT_ZONES	  1024u /* of a policy with limits; as many as the filter has */
#define LIMIT_BATCH	  64u	/* tokens that a worker takes at once, at most */
#define LIMIT_KNOWN	  1024u /* addresses whose zone need not be looked for; a power of two */
#define LIMIT_SAMPLE_RATE 8u	/* frames told of per second, reason and port; as many at once */

enum limit_kind { LIMIT_PACKETS = 0, LIMIT_FLOWS, LIMIT_KINDS };

/* When all that was taken from it will have been earned, ns: the generic cell rate algorithm. */
typedef _Atomic uint64_t limit_bucket;

/* How many a worker takes at once. */
uint32_t limit_batch(uint32_t per_s);
/* Up to `most` tokens out of a bucket of per_s (> 0) a second; how many there were.  Any thread. */
uint32_t limit_take(limit_bucket *b, uint32_t per_s, uint32_t most, uint64_t now_ns);

/* What the workers of a process share. */
struct limits {
	struct {
		limit_bucket bucket[LIMIT_KINDS];
	} __attribute__((aligned(64))) zone[LIMIT_ZONES];
	limit_bucket pace[LIMIT_KINDS][2]; /* of samples, by port */
};

/* Packets that were dropped, and their bytes, by port. */
struct limit_count {
	uint64_t packets[2], bytes[2];
};
const char *limit_reason(enum limit_kind kind); /* a name of drop.def */

struct policy;
struct gate_spec;

/* Of one worker. */
struct limiter {
	struct limits *all;
	struct limit_count *count; /* [LIMIT_KINDS]; only ever added to */
	const struct policy *policy;
	const struct gate_spec *spec; /* its tables; NULL: it limits nobody */
	uint64_t untold[LIMIT_KINDS][2];
	uint32_t left[LIMIT_ZONES][LIMIT_KINDS]; /* tokens that were taken, and not used */
	struct {
		uint32_t addr, zone;
	} known[LIMIT_KNOWN]; /* IPv4 addresses that were asked for last, as they lie in memory */
};

/* Another policy, or NULL, with full buckets; while no worker judges.  The policy has LIMIT_ZONES zones at most, and outlives
 * this or the next call. */
void limits_reset(struct limits *all);
void limiter_set_policy(struct limiter *l, const struct policy *pol);

struct engine;

/* How many of n frames may go to the engine: these come first then, in their order, and the others are dropped.
 * A sample of these is told by the engine (engine_sample()).  Between two bursts of it. */
unsigned limit_burst_slow(
    struct limiter *l, struct engine *e, struct pkt *burst, unsigned n, uint64_t now_ns);

static inline unsigned
limit_burst(struct limiter *l, struct engine *e, struct pkt *burst, unsigned n, uint64_t now_ns)
{
	return l->spec ? limit_burst_slow(l, e, burst, n, now_ns) : n;
}

#endif /* DATAPLANE_LIMIT_H */
