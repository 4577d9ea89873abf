/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - what values devices have last had, as far as their answers say, for rules that
 * ask (`when:`, `change:`).
 *
 * One memory belongs to one engine.  It has a fixed size, taken when it is made; what does
 * not fit is forgotten, and what is forgotten is not known.  A value is remembered by server
 * address, unit, protocol and place, whoever read it.
 *
 * A value is known
 *   from the answer to a read that the rules allow, when no write to it was under way between
 *     that request and its answer;
 *   from the answer that says a write that the rules allow was done, when no other write to it was
 *     under way.
 * It is not known any more from the moment a write to it goes by, until one of the two.  A
 * write without an answer is under way for MEMORY_OPEN_NS.  Answers that answer nothing, come
 * late, or are odd in any way, say nothing.
 *
 * Only what a policy watches is remembered, and nothing is looked at that it does not.
 */
#ifndef POLICY_MEMORY_H
#define POLICY_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

#define MEMORY_OPEN_NS UINT64_C(10000000000) /* a request waits this long for its answer */

/* About bytes of memory, at least a few values; NULL: there is not that much. */
struct policy_memory *policy_memory_new(size_t bytes, uint64_t seed);
void policy_memory_free(struct policy_memory *m);
size_t policy_memory_bytes(const struct policy_memory *m);

/* A fact of a flow with BIND_STATE has been judged; st->memory is the one that learns.
 * carried: the PDU goes on (or nobody can stop it). */
void policy_memory_note(const struct policy *pol, const struct policy_state *st,
    struct policy_memory *m, const struct fact *f, const struct verdict *v, bool carried);

/* Another policy from now on: all is forgotten, unless it watches the same; and since nobody knows
 * what is under way then, nothing is believed for MEMORY_OPEN_NS. */
void policy_memory_rebind(struct policy_memory *m, const struct policy *before,
    const struct policy *after, uint64_t now_ns);

struct memory_stats {
	uint64_t learned; /* values, each time */
	uint64_t evicted; /* places that had to give way */
	uint64_t lost;	  /* requests whose answers will teach nothing: too many, too long */
};
void policy_memory_stats(const struct policy_memory *m, struct memory_stats *out);

/* A place of a device. */
struct memory_key {
	struct net_addr server;
	uint32_t unit;
	uint32_t what; /* protocol << 24 | space << 16 | addresses it takes */
	uint32_t sub, first;
};

/* The last value: its bits, high byte first, and since when (ns).  False: not known. */
struct memory_value {
	uint64_t raw;
	uint64_t known_ns;
	uint64_t written_ns; /* the last write that went by; 0: none did */
};
bool policy_memory_get(
    const struct policy_memory *m, const struct memory_key *k, struct memory_value *out);

#endif /* POLICY_MEMORY_H */
