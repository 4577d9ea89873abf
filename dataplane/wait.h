/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait.h - requests that wait for their answers, where `limits: {timeout:}` says how long they
 * may.  A table of fixed size; what does not fit is not watched, and counted.  Time is the
 * packets' own; it is noticed within a twentieth of a second, and before a late answer is judged.
 */
#ifndef DATAPLANE_WAIT_H
#define DATAPLANE_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dissectors/fact.h"

struct waits;

/* A request that waits. */
struct wait {
	uint64_t flow_hash, asked_ns, deadline_ns, frame;
	uint64_t seq;				    /* order; 0: this place is free */
	uint32_t flow;				    /* index in the table */
	uint32_t isn;				    /* tells connections of the same ends apart */
	uint32_t txn, unit, sub_item, first, count; /* of its first item, when has_item */
	uint16_t code, sub, opx;
	uint8_t proto, dir, access, space, item_access;
	bool has_item;
	bool late; /* its time is up, and that has been told */
	const char *op;
};

/* About bytes of memory, at least a few places; NULL: there is not that much. */
struct waits *waits_new(size_t bytes, uint64_t seed);
/* NULL is fine. */
void waits_free(struct waits *w);
/* What it takes. */
size_t waits_bytes(const struct waits *w);
/* Requests that found no place, or lost it to a younger one. */
uint64_t waits_lost(const struct waits *w);

/* A request has gone on its way; w has its flow, times and frame. */
void waits_add(struct waits *ws, struct wait w, const struct fact *f);
/* The oldest request that answer f belongs to: it waits no longer. False: none is known. */
bool waits_take(
    struct waits *ws, uint64_t flow_hash, uint32_t isn, const struct fact *f, struct wait *out);
/* One whose time is up and was not told: now it is (.late).  NULL: no more.  Call until then. */
const struct wait *waits_due(struct waits *ws, uint64_t now_ns);
/* Is it worth asking? */
bool waits_maybe_due(const struct waits *ws, uint64_t now_ns);
/* The request as a fact, without what it pointed to. */
void waits_fact(const struct wait *w, struct fact *f);

#endif /* DATAPLANE_WAIT_H */
