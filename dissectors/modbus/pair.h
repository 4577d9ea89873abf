/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.h - which request a Modbus response answers; included by modbus.c only.
 *
 * The state of a flow is a ring of its last requests: 7 of them, in the one cache line that the
 * flow record has for it; 15 in a flow that would otherwise forget one without an answer.  A slot is
 *
 *   open         remembered, not answered
 *   done         answered; a second answer is a duplicate
 *   superseded   neither: a younger request of the same transaction has been
 *                answered, or the answer was lost in a gap; an answer is late
 *
 * A response belongs to the oldest open request with the same transaction,
 * unit and function.  RTU has no transactions: all are 0, which leaves order.
 * The usual flow has one open request, and that is the first slot looked at.
 */
#ifndef MODBUS_PAIR_H
#define MODBUS_PAIR_H

#include "dissectors/modbus/common.h"

#define PAIR_SLOTS 15
#define PAIR_FEW   7 /* 8 + 7 * 8 = DIS_STATE_INLINE */
#define PAIR_NONE  UINT8_MAX

/*
 * What is remembered of a request, in one word: it is written and compared
 * whole.  From the low end: transaction, unit, function (these 32 bits are the
 * key), address (or sub-function, MEI type), count (quantity, value, or what
 * else the answer must repeat).
 */
typedef uint64_t pair_req;

static inline pair_req
pair_key(uint16_t txn, uint8_t unit, uint8_t fc)
{
	return txn | (uint32_t)unit << 16 | (uint32_t)fc << 24;
}

static inline pair_req
pair_about(uint16_t addr, uint16_t count)
{
	return (uint64_t)addr << 32 | (uint64_t)count << 48;
}

static inline uint16_t
pair_txn(pair_req r)
{
	return (uint16_t)r;
}

static inline uint8_t
pair_unit(pair_req r)
{
	return (uint8_t)(r >> 16);
}

static inline uint8_t
pair_fc(pair_req r)
{
	return (uint8_t)(r >> 24);
}

static inline uint16_t
pair_addr(pair_req r)
{
	return (uint16_t)(r >> 32);
}

static inline uint16_t
pair_count(pair_req r)
{
	return (uint16_t)(r >> 48);
}

struct pair {
	uint16_t open; /* bit per slot */
	uint16_t done; /* bit per slot */
	uint8_t next;  /* slot of the next request */
	uint8_t old;   /* no slot older than this one is open */
	uint8_t evicted; /* open requests overwritten and not answered since */
	uint8_t flags; /* enum pair_flags */
	pair_req req[PAIR_SLOTS]; /* PAIR_FEW, unless PAIR_WIDE */
};
#define PAIR_SMALL offsetof(struct pair, req[PAIR_FEW])
_Static_assert(PAIR_SMALL <= DIS_STATE_INLINE, "pairing state leaves the flow record");

enum pair_flags {
	PAIR_MATCHED = 1 << 0, /* an answer to a request we saw has come */
	PAIR_LOST = 1 << 1,    /* requests were lost in a gap, none matched since */
	PAIR_WIDE = 1 << 2,    /* the state has grown */
};

/* How a response relates to the requests seen. */
struct pair_hit {
	uint8_t slot;	    /* of the request, or PAIR_NONE */
	uint64_t anomalies; /* MB_A(), FACT_A_UNSOLICITED */
};

static inline unsigned
pair_slots(const struct pair *st)
{
	return st->flags & PAIR_WIDE ? PAIR_SLOTS : PAIR_FEW;
}

static inline bool
pair_full(const struct pair *st)
{
	return st->open == (1u << pair_slots(st)) - 1;
}

/* Open requests; while the ring is full, those too that fell out of it.  (A device that was
 * silent for a while owes no answers for ever.) */
static inline uint32_t
pair_pending(const struct pair *st)
{
	uint32_t n = pair_full(st) ? st->evicted : 0;

	for (uint32_t open = st->open; open != 0; open &= open - 1)
		n++;
	return n;
}

static inline unsigned
pair_after(const struct pair *st, unsigned slot)
{
	return slot + 1 == pair_slots(st) ? 0 : slot + 1;
}

static inline bool
pair_same(pair_req a, pair_req b)
{
	return (uint32_t)a == (uint32_t)b;
}

/*
 * Anomalies of a new request when others are open.  *keep is cleared when it must not be remembered
 * because it is already: the retransmission of a datagram.
 */
static uint64_t
pair_check(const struct pair *st, pair_req r, bool datagram, bool has_txn, bool *keep)
{
	uint64_t anomalies = 0;

	for (unsigned i = 0; has_txn && i < pair_slots(st); i++) {
		pair_req q = st->req[i];

		if (!(st->open >> i & 1) || pair_txn(q) != pair_txn(r))
			continue;
		if (datagram && q == r) {
			*keep = false;
			return 0;
		}
		anomalies = MB_A(TXN_IN_USE);
	}
	if (pair_full(st))
		anomalies |= MB_A(PENDING_FULL);
	return anomalies;
}

/* Is the next slot's request answered, or was there none, or is there no more room to be had? */
static inline bool
pair_spare(const struct pair *st)
{
	return st->flags & PAIR_WIDE || st->done >> st->next & 1 || st->req[st->next] == 0;
}

/* Rather more room than to forget a request that may yet be answered. */
static __attribute__((noinline)) struct pair *
pair_widen(struct dis_call *call, struct pair *st)
{
	struct pair was;

	memcpy(&was, st, PAIR_SMALL);
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
	st->flags |= PAIR_WIDE;
	return st;
}

/* The state, with room for one more if possible. */
static inline struct pair *
pair_room(struct dis_call *call)
{
	struct pair *st = call->state;

	return __builtin_expect(pair_spare(st), 1) ? st : pair_widen(call, st);
}

static inline void
pair_push(struct pair *st, pair_req r)
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
static struct pair_hit
pair_find_slow(const struct pair *st, pair_req key, bool datagram, bool midstream)
{
	unsigned done = PAIR_NONE, late = PAIR_NONE, near = PAIR_NONE, i = st->old;
	struct pair_hit hit = {PAIR_NONE, 0};

	for (unsigned k = 0; k < pair_slots(st); k++, i = pair_after(st, i)) {
		pair_req q = st->req[i];
		unsigned open = st->open >> i & 1u;

		if (open && near == PAIR_NONE && pair_txn(q) == pair_txn(key))
			near = i;
		if (!pair_same(q, key))
			continue;
		if (open) {
			hit.slot = (uint8_t)i; /* out of order, by transaction */
			return hit;
		}
		if (st->done >> i & 1)
			done = i;
		else if (pair_fc(q) != 0) /* an unused slot is all zero */
			late = i;
	}
	if (late != PAIR_NONE) {
		hit.slot = (uint8_t)late;
		hit.anomalies = MB_A(LATE_RESPONSE);
	} else if (done != PAIR_NONE) {
		if (!datagram)
			hit.anomalies = MB_A(DUPLICATE_RESPONSE) | FACT_A_UNSOLICITED;
	} else if (near != PAIR_NONE) {
		hit.anomalies = FACT_A_UNSOLICITED;
		if (pair_fc(st->req[near]) != pair_fc(key))
			hit.anomalies |= MB_A(FUNCTION_MISMATCH);
		if (pair_unit(st->req[near]) != pair_unit(key))
			hit.anomalies |= MB_A(UNIT_MISMATCH);
	} else if (st->evicted) {
		hit.anomalies = MB_A(LATE_RESPONSE);
	} else if (!(midstream && !(st->flags & PAIR_MATCHED)) && !(st->flags & PAIR_LOST)) {
		hit.anomalies = FACT_A_UNSOLICITED;
	}
	return hit;
}

static inline struct pair_hit
pair_find(const struct pair *st, pair_req key, bool datagram, bool midstream)
{
	if ((st->open >> st->old & 1) && pair_same(st->req[st->old], key))
		return (struct pair_hit){st->old, 0};
	return pair_find_slow(st, key, datagram, midstream);
}

/* The response has gone on its way: its request is closed, and with it older
 * ones of the same transaction, which the server has passed over. */
static inline void
pair_close(struct pair *st, const struct pair_hit *hit)
{
	unsigned bit, open = st->open;

	if (hit->slot == PAIR_NONE) {
		if ((hit->anomalies & MB_A(LATE_RESPONSE)) && st->evicted)
			st->evicted--;
		return;
	}
	bit = 1u << hit->slot;
	for (unsigned i = st->old; (open & bit) && i != hit->slot; i = pair_after(st, i))
		if (pair_txn(st->req[i]) == pair_txn(st->req[hit->slot]))
			open &= ~(1u << i);
	open &= ~bit;
	st->open = (uint16_t)open;
	st->done = (uint16_t)(st->done | bit);
	st->flags = (uint8_t)((st->flags & PAIR_WIDE) | PAIR_MATCHED);
	if (open == 0) {
		st->old = st->next;
		return;
	}
	while (!(open >> st->old & 1))
		st->old = (uint8_t)pair_after(st, st->old);
}

/* Bytes were lost.  Requests among them: their answers will seem to answer
 * nothing, until one fits again.  Responses: what was open may be answered. */
static inline void
pair_gap(struct pair *st, bool to_server)
{
	if (to_server)
		st->flags |= PAIR_LOST;
	else
		st->open = 0, st->old = st->next;
}

#endif /* MODBUS_PAIR_H */
