/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stranger.h - pairs of hosts that no conduit has, as a guard remembers them.
 *
 * A packet that begins no flow costs a guard more than one that goes on with it: the policy is asked for
 * both zones, and an event is made that is looked for among the storms.  What is asked again and again,
 * or sent in floods, is the same few pairs, whatever the ports of their senders.  So the engine keeps
 *
 *   source, destination, destination's port, protocol -> neither direction has a conduit, and its storm
 *
 * and a packet of these is dropped and counted in its storm, as long as that is open.  Nothing but
 * the policy decides whether two addresses have a conduit: that is why it is exact, and why a policy that
 * is exchanged empties the table.  Keys are compared whole; the hash only says where to look, and is seeded.
 * Of a fixed size, two to a line: who fills it with pairs of his own gets the slow path back.
 *
 * IPv4 only; nothing is remembered where somebody wants each event, or another policy is tried.
 */
#ifndef DATAPLANE_STRANGER_H
#define DATAPLANE_STRANGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/alert.h"
#include "base/hash.h"

#define STRANGER_WAYS 2u

struct engine;
struct pkt;
struct flow_key;
struct net_tuple;

struct stranger {
	uint64_t ends; /* source, destination */
	uint64_t what; /* STRANGER_WHAT(); 0: empty */
	struct alerts_place storm;
	uint8_t action, would;
	uint8_t pad[6];
};
_Static_assert(STRANGER_WAYS * sizeof(struct stranger) == 64, "two to a line");

struct strangers {
	struct stranger *at; /* [places][STRANGER_WAYS] */
	uint32_t mask;	     /* of places */
	bool some;
	struct hash_seed seed;
	uint64_t known; /* packets of theirs that were not asked about again */
	size_t bytes;
};

/* 0 or ERR_NOMEM. */
int strangers_init(struct strangers *s, size_t memory_bytes, uint64_t seed);
void strangers_fini(struct strangers *s);
/* Another policy. */
void strangers_clear(struct strangers *s);

/* Source and destination of a packet with this key, and the rest. */
static inline uint64_t
stranger_ends(uint64_t ka, bool src_is_lo)
{
	return src_is_lo ? ka : ka << 32 | ka >> 32;
}

static inline uint64_t
stranger_what(uint64_t kb, bool src_is_lo)
{
	/* port asked for, protocol, version of IP: see flow_key_make4() */
	return (src_is_lo ? kb >> 32 & 0xffff : kb >> 48) << 16 | (kb & 0xffff);
}

static inline struct stranger *
stranger_place(const struct strangers *s, uint64_t ends, uint64_t what)
{
	uint64_t h = hash_mum(ends ^ s->seed.s0, what ^ s->seed.s1);

	return &s->at[((uint32_t)h & s->mask) * STRANGER_WAYS];
}

/* Where these are remembered, if they are. */
static inline const struct stranger *
stranger_fetch(const struct strangers *s, uint64_t ka, uint64_t kb, bool src_is_lo)
{
	const struct stranger *x =
	    stranger_place(s, stranger_ends(ka, src_is_lo), stranger_what(kb, src_is_lo));

	__builtin_prefetch(x);
	return x;
}

/* Of a place, the one that it may be. */
static inline const struct stranger *
stranger_way(const struct stranger *at, uint64_t ka, bool src_is_lo)
{
	return at + (at->ends != stranger_ends(ka, src_is_lo));
}

/*
 * The packet at hand, whose key and place these are and of which no flow exists, is a known stranger's: p is dropped, counted,
 * told.  False: it has to be looked at, and nothing was changed.
 */
bool stranger_known(struct engine *e, struct pkt *p, const struct stranger *at, uint64_t ka,
    uint64_t kb, bool src_is_lo);
/* One was told that has this tuple, and dropped for want of a conduit. */
struct verdict;
void stranger_learn(
    struct engine *e, const struct flow_key *k, const struct net_tuple *t, const struct verdict *v);

#endif /* DATAPLANE_STRANGER_H */
