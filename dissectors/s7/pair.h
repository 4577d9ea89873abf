/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.h - which request an S7 answer belongs to; included by s7.c only.
 *
 * The state of a flow remembers its last requests, of both directions: during
 * a download the PLC asks and the programmer answers.  Stations agree on at most
 * a handful of jobs at a time (AMQ): there are 3 slots in the one cache line that the flow record
 * has, and 11 in a flow that would otherwise forget a request without an answer.  A slot is
 *
 *   open         remembered, not answered
 *   done         answered; a second answer is a duplicate
 *   superseded   neither: a younger request of the same reference has been
 *                answered, or the answer was lost in a gap; an answer is late
 *
 * An answer belongs to the oldest open request with the same reference,
 * operation and direction.  The usual flow has one open request, and that is
 * the first slot looked at.
 */
#ifndef S7_PAIR_H
#define S7_PAIR_H

#include "dissectors/s7/common.h"

#define PAIR_NONE UINT8_MAX

/*
 * A request in one word.  From the low end: reference 16, opx + 1 15, asked by
 * the server 1 (these 32 bits are the key), then what the answer must have:
 * bytes 16 (UINT16_MAX: not known), items 8.
 */
static inline pair_req
pair_key(uint16_t ref, uint16_t opx, bool server)
{
	return ref | (uint32_t)(opx + 1) << 16 | (uint32_t)server << 31;
}

static inline pair_req
pair_about(uint32_t bytes, unsigned items)
{
	return (uint64_t)(bytes < UINT16_MAX ? bytes : UINT16_MAX) << 32 | (uint64_t)(items & 0xff)
									       << 48;
}

static inline uint16_t
pair_opx(pair_req r)
{
	return (uint16_t)((r >> 16 & 0x7fff) - 1);
}

static inline uint16_t
pair_bytes(pair_req r)
{
	return (uint16_t)(r >> 32);
}

static inline uint8_t
pair_items(pair_req r)
{
	return (uint8_t)(r >> 48);
}

/* Same reference and direction, whatever the operation. */
static inline bool
pair_near(pair_req a, pair_req b)
{
	return ((a ^ b) & 0x8000ffff) == 0;
}

static inline bool
pair_same(pair_req a, pair_req b)
{
	return (uint32_t)a == (uint32_t)b;
}

struct pair_hit {
	uint8_t slot;	    /* of the request, or PAIR_NONE */
	uint64_t anomalies; /* S7_A(), FACT_A_UNSOLICITED */
};

static inline unsigned
pair_slots(const struct s7_state *st)
{
	return st->flags & ST_WIDE ? PAIR_SLOTS : PAIR_FEW;
}

static inline bool
pair_full(const struct s7_state *st)
{
	return st->open == (1u << pair_slots(st)) - 1;
}

static inline unsigned
pair_after(const struct s7_state *st, unsigned slot)
{
	return slot + 1 == pair_slots(st) ? 0 : slot + 1;
}

/* A request of the client: how many wait for their answers, the new one included; while the ring
 * is full, those too that fell out of it. */
static inline void
pair_pending(const struct s7_state *st, struct fact_props *pr)
{
	uint32_t n = 1;

	for (uint32_t open = st->open; open != 0; open &= open - 1)
		n += !(st->req[__builtin_ctz(open)] >> 31 & 1); /* not what the server asks */
	pr->num[NUM_PENDING] = pair_full(st) ? n + st->evicted : n;
	pr->known |= 1u << NUM_PENDING;
}

/* Anomalies of a new request when others are open. */
static uint64_t
pair_check(const struct s7_state *st, pair_req r)
{
	uint64_t a = pair_full(st) ? S7_A(PENDING_FULL) : 0;

	for (unsigned i = 0; i < pair_slots(st); i++)
		if ((st->open >> i & 1) && pair_near(st->req[i], r))
			a |= S7_A(REF_IN_USE);
	return a;
}

/* Is the next slot's request answered, or was there none, or is there no more room to be had? */
static inline bool
pair_spare(const struct s7_state *st)
{
	return st->flags & ST_WIDE || st->done >> st->next & 1 || st->req[st->next] == 0;
}

/* Rather more room than to forget a request that may yet be answered. */
static __attribute__((noinline)) struct s7_state *
pair_widen(struct dis_call *call, struct s7_state *st)
{
	struct s7_state was;

	memcpy(&was, st, STATE_SMALL);
	if (!call->grow || !(st = call->grow(call)))
		return call->state;
	st->open = st->done = 0;
	for (unsigned i = 0; i < PAIR_FEW; i++) { /* the oldest is the next one to go */
		unsigned at = (was.next + i) % PAIR_FEW;

		st->req[i] = was.req[at];
		st->open |= (uint16_t)((was.open >> at & 1) << i);
		st->done |= (uint16_t)((was.done >> at & 1) << i);
	}
	st->old = (uint8_t)(was.open ? (was.old + PAIR_FEW - was.next) % PAIR_FEW : PAIR_FEW);
	st->next = PAIR_FEW;
	st->flags |= ST_WIDE;
	return st;
}

/* The state, with room for one more request if possible. */
static inline struct s7_state *
pair_room(struct dis_call *call)
{
	struct s7_state *st = call->state;

	return __builtin_expect(pair_spare(st), 1) ? st : pair_widen(call, st);
}

static inline void
pair_push(struct s7_state *st, pair_req r)
{
	unsigned slot = st->next, bit = 1u << slot;

	if (st->open & bit) { /* the oldest goes */
		/* When younger ones were answered it has had its time; when none
		 * was, the client asks faster than we remember. */
		if (pair_full(st) && st->evicted < UINT8_MAX)
			st->evicted++;
		st->old = (uint8_t)pair_after(st, slot);
	} else if (st->open == 0) {
		st->old = (uint8_t)slot;
	}
	st->req[slot] = r;
	st->open = (uint16_t)(st->open | bit);
	st->done = (uint16_t)(st->done & ~bit);
	st->next = (uint8_t)pair_after(st, slot);
}

/* Not the oldest open request: the rare cases, in order of trust. */
static __attribute__((noinline)) struct pair_hit
pair_find_slow(const struct s7_state *st, pair_req key, bool midstream)
{
	unsigned done = PAIR_NONE, late = PAIR_NONE, near = PAIR_NONE, i = st->old;
	struct pair_hit hit = {PAIR_NONE, 0};

	for (unsigned k = 0; k < pair_slots(st); k++, i = pair_after(st, i)) {
		pair_req q = st->req[i];
		unsigned open = st->open >> i & 1u;

		if (open && near == PAIR_NONE && pair_near(q, key))
			near = i;
		if (!pair_same(q, key))
			continue;
		if (open) {
			hit.slot = (uint8_t)i; /* out of order, by reference */
			return hit;
		}
		if (st->done >> i & 1)
			done = i;
		else
			late = i;
	}
	if (late != PAIR_NONE) {
		hit.slot = (uint8_t)late;
		hit.anomalies = S7_A(LATE_RESPONSE);
	} else if (done != PAIR_NONE) {
		hit.anomalies = S7_A(DUPLICATE_RESPONSE) | FACT_A_UNSOLICITED;
	} else if (near != PAIR_NONE) {
		hit.anomalies = S7_A(FUNCTION_MISMATCH) | FACT_A_UNSOLICITED;
	} else if (st->evicted && !(key >> 31 & 1)) { /* what a client answers is program: never on trust */
		hit.anomalies = S7_A(LATE_RESPONSE);
	} else if (!(midstream && !(st->flags & ST_MATCHED)) && !(st->flags & ST_LOST)) {
		hit.anomalies = FACT_A_UNSOLICITED;
	}
	return hit;
}

static inline struct pair_hit
pair_find(const struct s7_state *st, pair_req key, bool midstream)
{
	if ((st->open >> st->old & 1) && pair_same(st->req[st->old], key))
		return (struct pair_hit){st->old, 0};
	return pair_find_slow(st, key, midstream);
}

/* An answer that does not say its function (ROSCTR 2): by reference alone. */
static struct pair_hit
pair_find_ref(const struct s7_state *st, pair_req key, bool midstream)
{
	unsigned i = st->old;

	for (unsigned k = 0; k < pair_slots(st); k++, i = pair_after(st, i))
		if ((st->open >> i & 1) && pair_near(st->req[i], key))
			return (struct pair_hit){(uint8_t)i, 0};
	return pair_find_slow(st, key, midstream);
}

/* The answer has gone on its way: its request is closed, and with it older
 * ones of the same reference, which the other side has passed over. */
static inline void
pair_close(struct s7_state *st, const struct pair_hit *hit)
{
	unsigned bit, open = st->open;

	if (hit->slot == PAIR_NONE) {
		if ((hit->anomalies & S7_A(LATE_RESPONSE)) && st->evicted)
			st->evicted--;
		return;
	}
	bit = 1u << hit->slot;
	for (unsigned i = st->old; (open & bit) && i != hit->slot; i = pair_after(st, i))
		if (pair_near(st->req[i], st->req[hit->slot]))
			open &= ~(1u << i);
	open &= ~bit;
	st->open = (uint16_t)open;
	st->done = (uint16_t)(st->done | bit);
	st->flags = (uint8_t)((st->flags | ST_MATCHED) & ~ST_LOST);
	if (open == 0) {
		st->old = st->next;
		return;
	}
	while (!(open >> st->old & 1))
		st->old = (uint8_t)pair_after(st, st->old);
}

/* Bytes were lost.  Requests among them: their answers will seem to answer
 * nothing, until one fits again.  Answers: what was open may be answered. */
static inline void
pair_gap(struct s7_state *st, bool server)
{
	unsigned keep = 0;

	if (!server || st->transfer[0].state != TR_FREE)
		st->flags |= ST_LOST;
	for (unsigned i = 0; i < pair_slots(st); i++)
		if ((st->open >> i & 1) && (st->req[i] >> 31 & 1) == server)
			keep |= 1u << i;
	st->open = (uint16_t)keep;
	st->old = st->next;
	for (unsigned k = 0; keep && !(keep >> st->old & 1) && k < pair_slots(st); k++)
		st->old = (uint8_t)pair_after(st, st->old);
}

/* --- transfers ------------------------------------------------------------- */

/* The download of this block that was asked for, or NULL. */
static struct transfer *
transfer_find(struct s7_state *st, uint8_t type, uint32_t number)
{
	for (unsigned i = 0; i < TRANSFERS; i++)
		if (st->transfer[i].state != TR_FREE && st->transfer[i].type == type &&
		    st->transfer[i].number == number)
			return &st->transfer[i];
	return NULL;
}

/* Its request has gone on its way. */
static void
transfer_begin(struct s7_state *st, uint8_t type, uint32_t number, uint8_t state)
{
	struct transfer *t = transfer_find(st, type, number);

	for (unsigned i = 0; !t && i < TRANSFERS; i++)
		if (st->transfer[i].state == TR_FREE)
			t = &st->transfer[i];
	if (!t) { /* the oldest has had its time */
		t = &st->transfer[st->transfer_next];
		st->transfer_next = (uint8_t)((st->transfer_next + 1) % TRANSFERS);
	}
	*t = (struct transfer){state, type, (uint16_t)number};
}

#endif /* S7_PAIR_H */
