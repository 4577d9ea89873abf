/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.h - which request a response answers: by request id and service; included by
 * opcua.c only.
 *
 * A ring of PENDING requests with a bit each for open and answered.  Publish
 * requests stay open for long and are passed by younger ones, so the usual answer is
 * looked for from the youngest request down; and a new one takes the place of one that is
 * open only when all are.
 */
#ifndef OPCUA_PAIR_H
#define OPCUA_PAIR_H

#include "dissectors/opcua/common.h"

#define PAIR_NONE UINT8_MAX

/* The youngest request with this id in a set of slots, or PAIR_NONE. */
static inline unsigned
pair_slot(const struct ua *st, uint32_t request, uint32_t set)
{
	/* Turned so that the highest bit is the youngest. */
	uint32_t turned = (set >> st->next | set << (PENDING - st->next)) & ((1u << PENDING) - 1);

	while (turned != 0) {
		unsigned bit = 31u - (unsigned)__builtin_clz(turned), s = bit + st->next;

		if (s >= PENDING)
			s -= PENDING;
		if (st->pending[s].request == request)
			return s;
		turned ^= 1u << bit;
	}
	return PAIR_NONE;
}

/* The same of the open ones, and what it asked; usually without a look at the ring. */
static inline unsigned
pair_open(const struct ua *st, uint32_t request, struct ua_pending *asked)
{
	unsigned s = st->next == 0 ? PENDING - 1 : st->next - 1u;

	if (__builtin_expect((st->open >> s & 1) && st->young.request == request, 1)) {
		*asked = st->young;
		return s;
	}
	s = pair_slot(st, request, st->open);
	if (s != PAIR_NONE)
		*asked = st->pending[s];
	return s;
}

/* Requests that wait for their answers, a new one included; while the ring is full, those too
 * that fell out of it. */
static inline void
pair_pending(struct ua *st)
{
	if (st->open == 0) /* one cannot be too many */
		return;
	st->props.num[N_PENDING] = 1u + (uint32_t)__builtin_popcount(st->open) +
				   (st->open == (1u << PENDING) - 1 ? st->evicted : 0u);
	st->props.known |= KNOW(N_PENDING);
}

/* Anomalies of a new request. */
static inline uint64_t
pair_check(const struct ua *st, uint32_t request)
{
	uint64_t a = 0;

	if (st->open == 0)
		return 0;
	if (pair_slot(st, request, st->open) != PAIR_NONE)
		a = UA_A(REQUEST_IN_USE);
	if (st->open == (1u << PENDING) - 1)
		a |= UA_A(PENDING_FULL);
	return a;
}

/*
 * Whose answer is whose cannot be told among requests with the same id: what an open one
 * expects of its answer is not to be believed of any.  True: there are such.
 */
static bool
pair_void(struct ua *st, uint32_t request)
{
	bool any = false;

	if (st->young.request == request)
		st->young.extra = 0;
	for (unsigned s = 0; s < PENDING; s++)
		if ((st->open >> s & 1) && st->pending[s].request == request) {
			st->pending[s].extra = st->pending[s].asked = 0;
			any = true;
		}
	return any;
}

/* Member by member: one copied from another just written would wait for it. */
static inline void
pending_set(struct ua_pending *p, uint32_t request, uint8_t service, uint16_t extra)
{
	p->request = request;
	p->service = service;
	p->asked = 0;
	p->extra = extra;
}

/* Its bit.  A place where nothing is open, while there is one: what waits for long, a Publish, is passed by
 * all that come and go meanwhile. */
static inline uint32_t
pair_push(struct ua *st, uint32_t request, uint8_t service, uint16_t extra)
{
	uint32_t bit = 1u << st->next, free = ~st->open & ((1u << PENDING) - 1), ahead;

	if (__builtin_expect((st->open & bit) && free != 0, 0)) {
		ahead = free >> st->next << st->next;
		st->next = (uint8_t)__builtin_ctz(ahead ? ahead : free);
		bit = 1u << st->next;
	}
	if (st->open & bit)
		st->evicted++;
	pending_set(&st->young, request, service, extra);
	pending_set(&st->pending[st->next], request, service, extra);
	st->open |= bit;
	st->done &= ~bit;
	st->next = (uint8_t)(st->next + 1 == PENDING ? 0 : st->next + 1);
	return bit;
}

/* Anomalies of an answer that fits no open request. */
static uint64_t
pair_stray(const struct ua *st, uint32_t request, bool midstream)
{
	if (pair_slot(st, request, st->done) != PAIR_NONE)
		return UA_A(DUPLICATE_RESPONSE) | FACT_A_UNSOLICITED;
	if (st->evicted || st->lost[0])
		return UA_A(LATE_RESPONSE);
	if (midstream && !st->matched)
		return 0;
	return FACT_A_UNSOLICITED;
}

static inline void
pair_close(struct ua *st, unsigned slot)
{
	if (slot == PAIR_NONE) {
		st->evicted -= st->evicted > 0;
		return;
	}
	st->open &= ~(1u << slot);
	st->done |= 1u << slot;
	st->matched = true;
	st->lost[0] = 0;
}

#endif /* OPCUA_PAIR_H */
