/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quick.h - what is asked again and again is read once: the quick look.
 *
 * Plants poll: the same few requests for months, and answers that differ in nothing but
 * their values.  An engine remembers requests that were allowed, by all of their bytes but
 * their numbers (transaction, sequence number, time stamp), and which rule let them pass:
 *
 *   slow   frame(), pdu(), policy -> allowed, and plain --> learnt: words of gist(), memo, rule
 *   quick  gist() -> the same words, compared whole, conduit, protocol and length with them
 *          -> again() does to the state what pdu() would have done -> hit counted, goes on
 *
 * Requests that nobody may make are remembered as well, with what their events are folded by: as long as the
 * storm is open that the flow's last event went to, one more is counted in it.  A guard remembers those that
 * it refuses, and the refusal; in a flow that says nothing else (QUICK_REFUSING) the next one is taken
 * out, and refused, without being read.
 *
 * Answers are not remembered: again() looks whether it is the plain answer to an open request.
 *
 * Why that is exact.  "Plain" is a PDU with one fact, without anomaly, allowed and not to be told, in a
 * flow where the verdict is a function of conduit and fact alone (policy_plain(): no rates,
 * windows, values of before, properties of the session), and whose fact is a function of the words
 * and of what again() checks (dissector.h).  Words are compared, not hashes of them: nobody can
 * make one request pass as another.  The hash only says where to look, and is seeded: who fills
 * the table with requests of his own gets the slow path back, for himself and neighbours.
 * Whenever somebody wants to see facts, or another policy is tried beside this one, nobody takes
 * the quick look.  tests/unit/quick_test.c plays the same frames with it and without.
 *
 * A policy that is exchanged empties the table.  Entries are of two sizes, two to a place.
 */
#ifndef DATAPLANE_QUICK_H
#define DATAPLANE_QUICK_H

#include "dataplane/flow.h"

struct engine;

#define QUICK_SMALL_WORDS 5u
#define QUICK_WAYS	  2u
#define QUICK_NO_HIT	  UINT32_MAX
#define QUICK_CREDIT	  (1u << 14)
#define QUICK_PRICE	  4u  /* hits that a request has to bring */
#define QUICK_SELDOM	  16u /* where they do not: one burst in so many is looked at */

struct quick_entry {
	uint64_t meta; /* quick_meta() */
	uint64_t memo; /* for again() */
	uint32_t rule; /* whose hit it is; QUICK_NO_HIT: nobody's */
	uint8_t n;     /* words; 0: empty */
	uint8_t used;  /* since it was last in the way */
	uint16_t denied; /* 1 + index in quick.denied; 0: it is allowed */
	uint64_t w[];
};
#define QUICK_SMALL_BYTES (sizeof(struct quick_entry) + 8u * QUICK_SMALL_WORDS)
#define QUICK_LARGE_BYTES (sizeof(struct quick_entry) + 8u * DIS_GIST_WORDS)

#define QUICK_DENIED  512u
#define QUICK_REFUSAL 48u /* bytes of a refusal that is remembered */

struct quick_denied; /* quick.c */

struct quick {
	/*
	 * To look and to learn costs more than to read at once, and hits pay for it.  Where requests
	 * are never said twice it is tried with some bursts only.
	 */
	uint32_t credit; /* hits that have not been spent */
	uint32_t bursts;
	bool look;	/* with this burst */
	uint64_t known; /* PDUs that were not read */
	uint64_t
	    stopped; /* packets of flows that are stopped or ended, which were not looked at further */
	uint8_t *small, *large;
	struct quick_denied *denied;
	uint64_t marks;			   /* that were given: alerts_marked() */
	uint32_t denied_next, denied_most; /* place to take, of so many */
	bool denies;			   /* there are some */
	uint32_t small_mask, large_mask; /* of places */
	struct hash_seed seed;
	size_t bytes;
};

/* A request of the burst at hand, before it is its turn. */
struct quick_probe {
	struct quick_entry *at; /* its place */
	uint32_t n;		/* words; 0: there is nothing to look for */
};

/* 0 or ERR_NOMEM. */
int quick_init(struct quick *q, size_t memory_bytes, uint64_t seed);
void quick_fini(struct quick *q);
/* Another policy. */
void quick_clear(struct quick *q);
/* Request p is entry en's, which is denied: counted, told, and the state is as pdu() would have left it.  False: it has
 * to be read, and nothing was changed. */
bool quick_deny(struct engine *e, const struct quick_entry *en, struct flow *f,
    const struct pkt *pkt, const uint8_t *p, uint32_t len);
/* A guard refuses it: the same, and *n bytes, QUICK_REFUSAL at most, are its refusal. */
bool quick_refuse(struct engine *e, const struct quick_entry *en, struct flow *f,
    const struct pkt *pkt, const uint8_t *p, uint8_t *refusal, uint32_t *n);
/* Of PDU p of flow f a plain fact came, and nothing else: is it one to remember (call->memo), and may its
 * flow take the quick look? */
void quick_learn(struct engine *e, struct flow *f, const uint8_t *p, uint32_t len);

static inline uint64_t
quick_meta(const struct flow *f, uint32_t len)
{
	return (uint64_t)f->bind.conduit << 32 | (uint64_t)(len & 0xffff) << 16 |
	       (uint64_t)f->dis << 8 | f->variant;
}

static inline struct quick_entry *
quick_place(const struct quick *q, uint64_t meta, const uint64_t *w, uint32_t n)
{
	uint64_t h = hash_mum(w[0] ^ q->seed.s0, w[n - 1] ^ q->seed.s1) ^ meta;

	for (uint32_t i = 1; i + 1 < n; i += 2)
		h ^= hash_mum(w[i] ^ q->seed.s1 ^ i, w[i + 1] ^ q->seed.s0);
	h = hash_mum(h ^ q->seed.s0, 0x9fb21c651e98df25u);
	if (n <= QUICK_SMALL_WORDS)
		return (
		    struct quick_entry *)(void *)(q->small + (size_t)((uint32_t)h & q->small_mask) *
								 QUICK_WAYS * QUICK_SMALL_BYTES);
	return (struct quick_entry *)(void *)(q->large + (size_t)((uint32_t)h & q->large_mask) *
							     QUICK_WAYS * QUICK_LARGE_BYTES);
}

static inline bool
quick_same(const struct quick_entry *en, uint64_t meta, const uint64_t *w, uint32_t n)
{
	uint64_t differ = (en->meta ^ meta) | (en->n ^ n);

	for (uint32_t i = 0; i < n; i++)
		differ |= en->w[i] ^ w[i];
	return differ == 0;
}

/* The other entry of a place, or the one behind it. */
static inline struct quick_entry *
quick_second(struct quick_entry *at, uint32_t n)
{
	return (struct quick_entry *)(void *)((uint8_t *)at + (n <= QUICK_SMALL_WORDS
								      ? QUICK_SMALL_BYTES
								      : QUICK_LARGE_BYTES));
}

/* What is remembered of the request, or NULL. */
static inline __attribute__((always_inline)) struct quick_entry *
quick_find(struct quick_entry *at, uint64_t meta, const uint64_t *w, uint32_t n)
{
	if (__builtin_expect(quick_same(at, meta, w, n), 1))
		return at;
	at = quick_second(at, n);
	return quick_same(at, meta, w, n) ? at : NULL;
}

/* A burst begins: is it looked at? */
static inline bool
quick_begin(struct quick *q)
{
	q->look = q->credit >= QUICK_PRICE || ++q->bursts % QUICK_SELDOM == 0;
	return q->look;
}

static inline void
quick_hit(struct quick *q, struct quick_entry *en)
{
	if (q->credit < QUICK_CREDIT)
		q->credit += q->credit < QUICK_PRICE ? QUICK_SELDOM : 1;
	if (!en->used)
		en->used = 1;
}

/* While the flow's lines are still on their way to others: where to look. */
static inline void
quick_prepare(const struct quick *q, struct quick_probe *pr, uint64_t *w, const struct flow *f,
    const void *state, const uint8_t *p, uint32_t len)
{
	pr->n = dissectors[f->dis]->gist(state, p, len, f->variant, w);
	if (pr->n == 0)
		return;
	pr->at = quick_place(q, quick_meta(f, len), w, pr->n);
	__builtin_prefetch(pr->at);
}

#endif /* DATAPLANE_QUICK_H */
