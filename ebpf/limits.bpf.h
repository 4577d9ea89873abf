/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* limits.bpf.h - how much of something may happen in a second. */
#ifndef EBPF_LIMITS_BPF_H
#define EBPF_LIMITS_BPF_H

#include "ebpf/maps.bpf.h"

#define TAKE_TRIES 8

static __always_inline __u64
ticks_now(void)
{
	return bpf_ktime_get_coarse_ns() * (GATE_TICKS_PER_S / 1000000000);
}

/*
 * n tokens out of a bucket that holds a second's worth (the generic cell rate algorithm: *earned is
 * when all that was taken will have been earned).  Exact on any number of CPUs, since only who
 * moves *earned has them.
 */
static __always_inline bool
bucket_take(__u64 *earned, __u64 cost)
{
	__u64 now = ticks_now(), was, from;

	for (int i = 0; i < TAKE_TRIES; i++) {
		was = *(volatile __u64 *)earned;
		from = was > now ? was : now;
		if (from + cost > now + GATE_TICKS_PER_S)
			return false;
		if (__sync_val_compare_and_swap(earned, was, from + cost) == was)
			return true;
	}
	return true; /* so many others were quicker: not a reason to lose a frame */
}

/* One token of this CPU's; it takes some from the bucket when it has none. */
static __always_inline bool
limit_take(const struct gate_limit *l, __u64 *earned, __u32 *mine)
{
	if (l->cost == 0)
		return true;
	if (*mine == 0) {
		if (!bucket_take(earned, l->cost * l->batch))
			return false;
		*mine = l->batch;
	}
	(*mine)--;
	return true;
}

/* What the zone of row may still give to the engine. */
__noinline int
zone_limits(__u32 row, __u32 opens)
{
	const struct gate_zone_row *z = bpf_map_lookup_elem(&gate_zones, &row);
	struct gate_bucket *b;
	struct gate_tokens *t;

	if (!z || (z->packets.cost == 0 && (z->flows.cost == 0 || !opens)))
		return GATE_TO_ENGINE;
	b = bpf_map_lookup_elem(&gate_buckets, &row);
	t = bpf_map_lookup_elem(&gate_tokens, &row);
	if (!b || !t)
		return GATE_TO_ENGINE;
	if (opens && !limit_take(&z->flows, &b->flows, &t->flows))
		return GATE_FLOWS;
	if (limit_take(&z->packets, &b->packets, &t->packets))
		return GATE_TO_ENGINE;
	if (opens && z->flows.cost != 0)
		t->flows++; /* not opened after all */
	return GATE_PACKETS;
}

#endif /* EBPF_LIMITS_BPF_H */
