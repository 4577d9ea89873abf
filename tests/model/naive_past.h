/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naive_past.h - what has been asked and answered, as a list from which the last value of an
 * address is worked out anew each time.  It shares nothing with policy/memory.c; the meaning is
 * "What is known of a value" in docs/POLICY.md.
 */
#ifndef TESTS_MODEL_NAIVE_PAST_H
#define TESTS_MODEL_NAIVE_PAST_H

#include "policy/rules.h"

#define PAST_MOST  400u	 /* items */
#define PAST_BYTES 4096u /* values of one item */

/* One item of a request that went by, and what its answer said. */
struct past_item {
	unsigned request;     /* which one: all items of it have the same */
	bool write, believed; /* believed: a request that the rules allow */
	bool answered, clear; /* clear: the answer says that this item was done */
	uint64_t asked_ns, answered_ns;
	unsigned asked_no, answered_no; /* events in their order */
	struct net_addr server;
	uint32_t unit;
	uint8_t proto;
	struct fact_item it; /* with the values written, or read */
	uint8_t bytes[PAST_BYTES];
};

struct past {
	unsigned n, events;
	uint64_t now_ns;
	uint64_t blind_ns; /* what was asked before says nothing */
	struct past_item item[PAST_MOST];
};

void past_forget(struct past *p);
/* An item of request number `request`. False: the list is full. */
bool past_ask(struct past *p, unsigned request, const struct net_addr *server, const struct fact *f,
    const struct fact_item *it, bool believed);
/* The answer says of item i: done or not; vals of a read. */
void past_answer(struct past *p, unsigned i, bool clear, const uint8_t *vals, uint8_t enc);

/* Bit i (from the highest of the first address) of the last value; false: it is not known. */
struct past_value {
	bool bit[64];
	uint64_t known_ns, written_ns; /* written_ns 0: never */
};
bool past_last(const struct past *p, const struct net_addr *server, uint32_t unit, uint8_t proto,
    uint8_t space, uint32_t sub, uint32_t first, uint32_t cell, unsigned bits,
    struct past_value *out);

#endif /* TESTS_MODEL_NAIVE_PAST_H */
