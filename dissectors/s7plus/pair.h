/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair.h - which request an answer belongs to; included by s7plus.c only.
 *
 * The protocol has a sequence number of 16 bits that a client does not repeat
 * soon, so the ring of the last REQUESTS requests needs no order.  Requests
 * that say in their flags that they want no answer may get one all the same
 * (opcode 2), so they are remembered like the others, and displaced unnoticed.
 */
#ifndef S7PLUS_PAIR_H
#define S7PLUS_PAIR_H

#include "dissectors/s7plus/common.h"

#define SLOT_NONE    UINT8_MAX
#define FLAG_NO_ANSWER 0x40 /* of the transport flags */

struct pair_hit {
	uint8_t slot;
	uint64_t anomalies;
};

static uint8_t
pair_slot(const struct conn *st, uint32_t among, uint16_t seq)
{
	for (; among; among &= among - 1) {
		unsigned i = (unsigned)__builtin_ctz(among);

		if (st->req[i].seq == seq)
			return (uint8_t)i;
	}
	return SLOT_NONE;
}

static struct pair_hit
pair_find(const struct conn *st, uint16_t seq, uint8_t opx, bool midstream)
{
	struct pair_hit hit = {pair_slot(st, st->open, seq), 0};

	if (hit.slot != SLOT_NONE) {
		if (st->req[hit.slot].opx != opx) {
			hit.slot = SLOT_NONE;
			hit.anomalies = S7P_A(FUNCTION_MISMATCH) | FACT_A_UNSOLICITED;
		}
	} else if (pair_slot(st, st->done, seq) != SLOT_NONE) {
		hit.anomalies = S7P_A(DUPLICATE) | FACT_A_UNSOLICITED;
	} else if (st->evicted) {
		hit.anomalies = S7P_A(LATE);
	} else if (!(midstream && !st->matched) && !st->lost) {
		hit.anomalies = FACT_A_UNSOLICITED;
	}
	return hit;
}

static uint64_t
pair_check(const struct conn *st, uint16_t seq)
{
	uint64_t a = 0;

	if (pair_slot(st, st->open, seq) != SLOT_NONE)
		a |= S7P_A(SEQ_IN_USE);
	if (st->open == UINT32_MAX)
		a |= S7P_A(PENDING_FULL);
	return a;
}

static void
pair_push(struct conn *st, uint16_t seq, uint8_t opx, uint8_t as, bool wants_answer)
{
	uint32_t bit = 1u << st->next;

	if (st->open & bit & ~st->done)
		st->evicted = true;
	st->req[st->next] = (struct req){seq, opx, as};
	st->open |= bit;
	/* displaced without a word when nobody waits for the answer */
	st->done = wants_answer ? st->done & ~bit : st->done | bit;
	st->next = (uint8_t)((st->next + 1) % REQUESTS);
}

static void
pair_close(struct conn *st, const struct pair_hit *hit)
{
	if (hit->slot == SLOT_NONE)
		return;
	st->open &= ~(1u << hit->slot);
	st->done |= 1u << hit->slot;
	st->matched = true;
	st->lost = false;
}

#endif /* S7PLUS_PAIR_H */
