/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast.h - the engine's hold on the connections whose PDUs the kernel judges (flow_abi.h,
 * docs/PROTOCOL.kernel.md).
 *
 * Life: fast_open() on a filter that gate_open_fast() has loaded, by the process that has it or
 * a child that has kept it; what it returns does not need the filter any more and may be kept
 * after gate_leave().  One thread at a time.
 *
 *   system calls under a seccomp filter: bpf(2) with BPF_MAP_LOOKUP_ELEM (fast_read, counters),
 *   BPF_MAP_UPDATE_ELEM (fast_put, fast_drop).  No right is needed, the
 *   descriptors are.  fast_offer(), fast_withdraw(), fast_alive() and fast_hash() only touch memory.
 *
 * Order of things, from the engine's side:
 *   put; then, for as long as it is the owner: read `up`, see both receive rings empty, offer.
 *   When a frame of it comes: withdraw, read.  owner KERNEL: the frame was late, drop it (its sender
 *   repeats it).  Another epoch than before: the numbers of the entry are the current ones.
 */
#ifndef EBPF_FAST_H
#define EBPF_FAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ebpf/abi.h"
#include "ebpf/flow_abi.h"
#include "ebpf/gate.h"

struct fast;

/* NULL on failure, one line for the user in err. */
struct fast *fast_open(const struct gate *g, char *err, size_t err_size);
void fast_close(struct fast *f);

struct fast_new {
	uint32_t slot; /* below KFLOW_MAX; of this entry alone */
	uint32_t conduit;
	uint8_t proto; /* enum kflow_proto */
	bool client_lo;
	uint8_t client_port; /* 0 outside, 1 inside */
};
/* 0; ERR_EXISTS, ERR_RANGE, ERR_FULL: the slot is taken, or the index has no place.  The slot's offer is
 * withdrawn. */
int fast_put(struct fast *f, const struct kflow_key *k, const struct fast_new *new);
/* The entry as it is at one moment: 0 or ERR_NOTFOUND. */
int fast_read(const struct fast *f, const struct kflow_key *k, struct kflow *out);
/* Keys of the entries there are, at most max; how many.  Before anything else when another process has
 * put them in. */
unsigned fast_keys(struct fast *f, struct kflow_key *out, unsigned max);
/* 0 or ERR_NOTFOUND.  From then on its frames go to the engine uncounted. */
int fast_drop(struct fast *f, const struct kflow_key *k);

/* All entries: their frames go to the engine.  When no engine runs; how many there were. */
unsigned fast_forget(struct fast *f);

/* .version and .valid are set here. */
void fast_offer(struct fast *f, uint32_t slot, const struct kflow_offer *o);
/* What the kernel has comes back with its next frame.
 * Programs read the offer under the entry's lock: when fast_read() has returned behind this, either it
 * says that the kernel has the connection, or the offer is not taken any more. */
void fast_withdraw(struct fast *f, uint32_t slot);
/* now_ns: CLOCK_MONOTONIC. */
void fast_alive(struct fast *f, uint64_t now_ns);
/* Until then (CLOCK_MONOTONIC) nothing passes unjudged; 0: what fails open does so again. */
void fast_hold(struct fast *f, uint64_t until_ns);
/* When fast_alive() was last said; 0: never. */
uint64_t fast_alive_ns(const struct fast *f);
/* What kflow_sent.hash is of these bytes; n at most KFLOW_PAYLOAD. */
uint64_t fast_hash(const struct fast *f, const uint8_t *p, size_t n);

/* --- what it counted --------------------------------------------------------------------- */

/* BPF_MAP_LOOKUP_ELEM each, once per row: not for the packet path. */
struct fast_count {
	const char *reason; /* fast_reason.def; "forwarded" is first */
	uint64_t packets[2], bytes[2], pdus[2];
};
#define FAST_COUNT_MAX 32u
/* n of them written: every reason, zeros included. */
unsigned fast_counts(struct fast *f, struct fast_count *out, unsigned max);
/* Which of the two sets of tables has the policy of this generation: it is in force, or was the last
 * before.  ERR_NOTFOUND: neither, or no policy is in force. */
int fast_set(const struct fast *f, uint32_t generation);
/* Requests that a rule of a set has allowed since the set was filled. */
int fast_rule_hits(struct fast *f, int set, uint32_t rule, uint64_t *hits);
/* Of the tables in force (since they are): what of a conduit was passed on.  ERR_NOTFOUND when no
 * policy is in force. */
int fast_share(struct fast *f, uint32_t conduit, struct fast_counter *out);
/* Frames of a conduit that came while the engine was away, and are counted anew from here on (what comes at
 * this moment may be lost to the count).  BPF_MAP_UPDATE_ELEM when there are some. */
int fast_away_take(struct fast *f, uint32_t conduit, struct gate_away *out);

#endif /* EBPF_FAST_H */
