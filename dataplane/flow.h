/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - the table of conversations: fixed size, seeded hash, timers on
 * packet time.
 *
 * A flow is keyed without direction: the numerically lower endpoint is "lo".
 * Three cache lines each: who it is and where its two TCP directions stand, the dissector's state, and
 * what is seldom needed.  What only a guard keeps lies beside, in an array that watch does not have.
 * Look-up touches one bucket line and the flow.
 * The addresses of IPv6 lie in the second half of the dissector's state, which is leased (feed.c) where the
 * first half does not hold it: so they cost no memory where there are none, and a flow of either family can
 * always be made.
 * Buckets hold eight; a flow lies in one of two buckets, and when both are
 * full the older of their flows is evicted and counted: bounded work, no
 * chains for an attacker to grow.
 */
#ifndef DATAPLANE_FLOW_H
#define DATAPLANE_FLOW_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/net.h"
#include "dataplane/cell.h"
#include "dataplane/decode.h"
#include "dissectors/dissector.h"
#include "policy/policy.h"

#define FLOW_NONE UINT32_MAX

/* flow.dis when no dissector is known */
#define FLOW_DIS_ASKING 0xff /* not enough bytes seen */
#define FLOW_DIS_NOBODY 0xfe /* no dissector claims it */

/* One tick of flow time is 2^27 ns (134 ms). */
#define FLOW_TICK_SHIFT 27
#define FLOW_TICKS(sec) ((uint32_t)(((uint64_t)(sec) * 1000000000u) >> FLOW_TICK_SHIFT))

enum flow_state {
	FLOW_OPENING = 0, /* SYN seen, no answer yet */
	FLOW_OPEN,
	FLOW_CLOSING, /* one FIN seen */
	FLOW_CLOSED,  /* both FIN, or RST */
};

enum flow_flags {
	FLOW_CLIENT_LO = 1 << 0,    /* the client is the lower endpoint */
	FLOW_MIDSTREAM = 1 << 1,    /* no handshake was seen */
	FLOW_CLIENT_PORT1 = 1 << 2, /* the client is on the inside port */
	FLOW_TOLD = 1 << 3,	    /* "not this protocol" was reported */
	FLOW_REOPEN = 1 << 4,	    /* SYN on a live flow; reopen_isn is its number */
	FLOW_STATE_CELL = 1 << 5,   /* dissector state is leased; id in the first 4 bytes */
	FLOW_NO_SCALE = 1 << 6,	    /* the client's SYN had no window scale: then nobody uses one */
	FLOW_V6 = 1 << 7,
};

/* flow.quick: quick.h */
enum quick_flags {
	QUICK_ON = 1 << 0,  /* its requests may be remembered, its plain answers pass */
	QUICK_OFF = 1 << 1, /* this protocol under this policy may not */
	QUICK_CALM =
	    1 << 2, /* nothing is under way but what the next packet acknowledges: see tcp.c */
	/* a guard's, of what it has denied; no two, and none with CALM */
	QUICK_STOPPED = 1 << 3, /* a direction is blocked, and nothing is owed: tcp.c */
	QUICK_ENDED = 1 << 4,	/* reset by us: what comes is answered with a reset */
	QUICK_REFUSING =
	    1 << 5, /* a request was refused, and nothing else is under way: refuse.c */
};

enum tcp_dir_flags {
	DIR_SEEN = 1 << 0,    /* nxt is valid */
	DIR_FIN = 1 << 1,
	DIR_DESYNC = 1 << 2,  /* no PDU boundary is known; look for one at segment starts */
	DIR_BLOCKED = 1 << 3, /* a PDU at nxt was denied: nothing further passes (inline) */
	DIR_PART = 1 << 4,    /* carry counts off a PDU longer than max_pdu */
	DIR_A_MIDSTREAM = 1 << 5, /* anomalies to put on the next fact */
	DIR_A_RESYNC = 1 << 6,
	DIR_A_GAP = 1 << 7,
};

/* What every packet needs, in the flow's first line. */
struct tcp_dir {
	uint32_t nxt;	/* next sequence number to judge */
	uint32_t acked; /* the peer has acknowledged up to here */
	cell_id retain; /* judged, unacknowledged bytes: circular, points to the last */
	uint16_t win;	/* last advertised window of this side, unscaled */
	uint8_t flags;	/* enum tcp_dir_flags */
	uint8_t n_retain;
};

/* ... and what those need that are not in order, not whole, or first: tcp_rare(). */
struct tcp_rare {
	cell_id ooo;	    /* segments ahead of a hole, by sequence number */
	cell_id carry;	    /* a PDU that is not whole yet */
	uint32_t carry_len; /* bytes of it here (DIR_PART: given to part() so far) */
	uint8_t wscale;
	uint8_t n_ooo;
	uint8_t tries; /* segments that no dissector recognised */
	bool is_long;  /* inline: the PDU at hand is longer than what may wait */
};

/*
 * A guard's own: what it holds back, and where the two ends have come to count
 * differently because it took bytes out or put its own in.  Sequence numbers are
 * those of the direction's sender ("in"); what its receiver counts is "out" (repair.h).
 */
enum guard_flags {
	GUARD_TS = 1 << 0,	 /* segments carry timestamps; ts[] are the newest */
	GUARD_ACKED = 1 << 1,	 /* << dir: we have acknowledged up to gacked[dir] ourselves */
	GUARD_OWES_ACK = 1 << 3, /* << dir: the sender waits for an acknowledgement of what waits */
	GUARD_RESET = 1 << 5,	 /* we have ended it: whoever still speaks is told so */
	GUARD_WANT_RESET = 1 << 6, /* a verdict says so; done when the packet at hand is */
	GUARD_NOT_FAST = 1 << 7,   /* no fast path serves it, as this policy has bound it */
};

struct flow_guard {
	uint32_t sent[2]; /* in: up to here the bytes may leave; < dir.nxt while half a PDU waits;
			   * see flow_sync() */
	/* with time stamps, what every packet asks for */
	uint32_t ts[2]; /* newest TSval of each side (RFC 7323) */
	cell_id repair; /* struct repair (repair.h): shifts, open edits; CELL_NONE: never needed */
	uint16_t part_tick; /* since when the oldest of n_part waits: low half */
	uint8_t flags;	    /* enum guard_flags */
	uint8_t ts_known;   /* bit dir: ts[dir] is of this side, not an echo of long ago */
	/* seldom */
	cell_id unseen; /* struct unseen: what the fast path judged and is not acknowledged */
	uint16_t n_part[2]; /* frames of which no byte has left: "held" */
	uint16_t big[2];    /* longest payload of one segment of each side, as far as it is more
			     * than what every path takes: the path takes that */
};
_Static_assert(sizeof(struct flow_guard) == 36, "an idle flow of a guard is 256 bytes: engine.c");

struct flow {
	/* line 0: who, since when, and both directions: all that a known packet needs but
	 * the dissector's state (burst.c) */
	uint64_t ka, kb; /* key; see flow.c; kb is 0 when the record is not in use */
	struct policy_bind bind;
	uint32_t last_tick;
	uint8_t dis; /* index in dissectors[], or FLOW_DIS_* */
	uint8_t variant;
	uint8_t flags;	       /* enum flow_flags */
	uint8_t quick;	       /* enum quick_flags; 0: ask again */
	struct tcp_dir dir[2]; /* [DIR_TO_SERVER], [DIR_TO_CLIENT] */
	/* line 1; of IPv6, the second half is both addresses, lo first */
	uint8_t dstate[DIS_STATE_INLINE];
	/* line 2: beginning, end, time, and what is seldom */
	uint64_t meter; /* policy_eval_rate() */
	uint32_t fast;	/* 1 + its slot in the fast path (fastpath.c); 0: it has none */
	uint32_t wheel_next, wheel_prev;
	uint32_t reopen_isn;
	uint32_t isn; /* number of the client's SYN, where one was seen */
	uint16_t wheel_slot;
	uint8_t state; /* enum flow_state */
	uint8_t pad;
	struct tcp_rare rare[2];
} __attribute__((aligned(64)));
_Static_assert(offsetof(struct flow, dstate) == 64, "one line for the usual packet");
_Static_assert(sizeof(struct flow) == 192, "three lines");

#define FLOW_ADDRS	32u /* bytes of both addresses of IPv6 */
#define FLOW_ADDRS_FROM (DIS_STATE_INLINE - FLOW_ADDRS)

/* Bytes of its record that a dissector's state may take. */
static inline uint32_t
flow_state_room(const struct flow *f)
{
	return f->flags & FLOW_V6 ? FLOW_ADDRS_FROM : DIS_STATE_INLINE;
}

/* Of a direction that lies in its flow, which no copy does. */
static inline struct tcp_rare *
tcp_rare(const struct tcp_dir *d)
{
	uintptr_t at = (uintptr_t)d, off = at % 64;
	struct flow *f = (struct flow *)(at - off);

	return &f->rare[off > offsetof(struct flow, dir)];
}

struct flow_key {
	uint64_t ka, kb, hash;
	const uint8_t *lo, *hi; /* 16-byte addresses of IPv6, else NULL */
	bool src_is_lo;
};

/* Eight 16-bit tags, eight flow numbers, and how many flows whose first choice
 * this is lie in their second choice. One cache line. */
#define FLOW_WAYS 8

struct flow_bucket {
	uint16_t tag[FLOW_WAYS]; /* 0 = empty */
	uint32_t idx[FLOW_WAYS];
	uint32_t spilled;
	uint32_t pad[3];
} __attribute__((aligned(64)));

struct flow_table {
	struct flow *flows;
	struct flow_bucket *buckets;
	struct flow_guard *guard; /* of each flow; NULL: the table is no guard's */
	uint32_t *wheel;	  /* first flow of each slot */
	struct hash_seed seed;
	uint32_t max, n_buckets, free_head, n_active;
	uint32_t now_tick, wheel_tick; /* wheel_tick: the last slot that was run */
	uint64_t last_ns, skew_ns; /* time of the last tick; what a clock that went back lacks */
	uint32_t hand;		       /* eviction's place */
	uint64_t created, evicted, expired;
	size_t bytes;
	/* Called before a flow goes: release what it holds. */
	void (*on_gone)(void *ctx, struct flow *f);
	/* Called when a flow's timer fires: ticks until it wants to be asked again,
	 * 0 = expire it now. */
	uint32_t (*on_timer)(void *ctx, struct flow *f);
	void *ctx;
};

/* 0 or ERR_NOMEM. Room for max flows (a power of two is not needed); guard: with flow_guard() of each. */
int flow_table_init(struct flow_table *t, uint32_t max, uint64_t seed, bool guard);
void flow_table_fini(struct flow_table *t);
/* Memory that max flows take, buckets included. */
size_t flow_table_cost(uint32_t max, bool guard);

/* The key of a packet; flow_key_make() below does IPv4 inline and calls this. */
void flow_key_make6(const struct flow_table *t, const struct layers *l, struct flow_key *k);
/* The flow with this key, or NULL. */
struct flow *flow_lookup(const struct flow_table *t, const struct flow_key *k);
/* A new, zeroed flow with dis = FLOW_DIS_ASKING and a timer of `ticks`; evicts
 * when it must; NULL only when not even that helps. */
struct flow *flow_create(struct flow_table *t, const struct flow_key *k, uint32_t ticks);
void flow_remove(struct flow_table *t, struct flow *f);
/* Ask again in `ticks` at the latest. */
void flow_timer(struct flow_table *t, struct flow *f, uint32_t ticks);
/* Move time on; runs timers of the slots that have passed. */
void flow_advance(struct flow_table *t, uint64_t now_ns);

/* Addresses and ports of the side `lo` says. */
void flow_tuple(const struct flow_table *t, const struct flow *f, bool from_client,
    struct net_tuple *out);

static inline uint16_t
flow_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48 | 1);
}

/* Of any number of buckets, the one where a random number falls: so there are no more than the load asks for. */
static inline struct flow_bucket *
flow_bucket(const struct flow_table *t, uint32_t random)
{
	return &t->buckets[(uint64_t)random * t->n_buckets >> 32];
}

static inline struct flow_bucket *
flow_bucket1(const struct flow_table *t, uint64_t hash)
{
	return flow_bucket(t, (uint32_t)hash);
}

static inline struct flow_bucket *
flow_bucket2(const struct flow_table *t, uint64_t hash)
{
	return flow_bucket(t, (uint32_t)(hash >> 24 ^ hash * 5));
}

/* Bit i: tag i of the bucket is this one. */
static inline unsigned
flow_tag_hits(const struct flow_bucket *b, uint16_t tag)
{
#ifdef __SSE2__
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tag);
	__m128i eq = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));

	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
#else
	unsigned hits = 0;

	for (unsigned i = 0; i < sizeof(b->tag) / sizeof(b->tag[0]); i++)
		hits |= (unsigned)(b->tag[i] == tag) << i;
	return hits;
#endif
}

/* Of IPv4; the 4-byte address and the port of either end. */
static inline void
flow_key_make4(const struct flow_table *t, const uint8_t *src, const uint8_t *dst, uint32_t sport,
    uint32_t dport, uint32_t vlan, uint32_t proto, struct flow_key *k)
{
	uint64_t src_end, dst_end, lo, hi;
	uint32_t a, b;

	memcpy(&a, src, sizeof(a));
	memcpy(&b, dst, sizeof(b));
	src_end = (uint64_t)__builtin_bswap32(a) << 16 | sport;
	dst_end = (uint64_t)__builtin_bswap32(b) << 16 | dport;
	k->src_is_lo = src_end <= dst_end;
	lo = k->src_is_lo ? src_end : dst_end;
	hi = k->src_is_lo ? dst_end : src_end;
	k->ka = lo >> 16 << 32 | hi >> 16;
	k->kb = lo << 48 | (hi & 0xffff) << 32 | (uint64_t)vlan << 16 | (uint64_t)proto << 8 | 4;
	k->lo = k->hi = NULL;
	k->hash = hash_mix(t->seed, k->ka, k->kb);
}

static inline void
flow_key_make(const struct flow_table *t, const struct layers *l, struct flow_key *k)
{
	if (__builtin_expect(l->flags & LAYER_V6, 0))
		flow_key_make6(t, l, k);
	else
		flow_key_make4(t, l->src, l->dst, l->sport, l->dport, l->vlan, l->proto, k);
}

static inline void
flow_prefetch_bucket(const struct flow_table *t, uint64_t hash)
{
	__builtin_prefetch(flow_bucket1(t, hash));
}

/* A flow that may be the one (a bucket has its tag); FLOW_NONE when surely absent. */
static inline uint32_t
flow_candidate(const struct flow_table *t, uint64_t hash)
{
	const struct flow_bucket *b = flow_bucket1(t, hash);
	unsigned hits = flow_tag_hits(b, flow_tag(hash));

	if (__builtin_expect(hits == 0, 0) && b->spilled != 0) {
		b = flow_bucket2(t, hash);
		hits = flow_tag_hits(b, flow_tag(hash));
	}
	return hits ? b->idx[__builtin_ctz(hits)] : FLOW_NONE;
}

static inline bool
flow_matches(const struct flow *f, const struct flow_key *k)
{
	if (f->ka != k->ka || f->kb != k->kb)
		return false;
	return k->lo == NULL || (memcmp(f->dstate + FLOW_ADDRS_FROM, k->lo, 16) == 0 &&
				    memcmp(f->dstate + FLOW_ADDRS_FROM + 16, k->hi, 16) == 0);
}

/* As in its key: of IPv6 as well, whose addresses are hashed into ka. */
static inline uint64_t
flow_hash(const struct flow_table *t, const struct flow *f)
{
	return hash_mix(t->seed, f->ka, f->kb);
}

/* What a guard keeps of a flow: of a table that was made so. */
static inline struct flow_guard *
flow_guard(const struct flow_table *t, const struct flow *f)
{
	return &t->guard[f - t->flows];
}

/* A guard's: all that was judged of this direction may leave. */
static inline void
flow_sent(const struct flow_table *t, const struct flow *f, unsigned dir)
{
	if (t->guard != NULL)
		flow_guard(t, f)->sent[dir] = f->dir[dir].nxt;
}

/*
 * A guard's: where both directions stand, of a calm flow, which is where all of it may leave.  What leaves them calm
 * does not write it (burst.c): whoever reads sent[] of a flow that may be calm asks for this first.
 */
static inline void
flow_sync(const struct flow_table *t, const struct flow *f)
{
	if (f->quick & QUICK_CALM)
		for (unsigned i = 0; i < 2; i++)
			flow_sent(t, f, i);
}

/* It is calm no more. */
static inline void
flow_stir(const struct flow_table *t, struct flow *f)
{
	flow_sync(t, f);
	f->quick &= (uint8_t) ~(QUICK_CALM | QUICK_STOPPED | QUICK_ENDED | QUICK_REFUSING);
}

static inline uint16_t
flow_vlan(const struct flow *f)
{
	return (uint16_t)(f->kb >> 16);
}

static inline uint32_t
flow_index(const struct flow_table *t, const struct flow *f)
{
	return (uint32_t)(f - t->flows);
}

#endif /* DATAPLANE_FLOW_H */
