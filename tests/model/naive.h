/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naive.h - the policy language again, the obvious way: every conduit, every
 * rule, every element, one after the other, from the rules as checked.  Slow,
 * and meant to be right at a glance.  It shares no table and no helper with
 * policy/compile.c, bind.c or eval.c.
 */
#ifndef TESTS_MODEL_NAIVE_H
#define TESTS_MODEL_NAIVE_H

#include "tests/model/naive_past.h"

/* Verdict on a fact of a connection that t->src opened to t->dst, after what has been asked and
 * answered (NULL: nothing).  Facts are requests or answers; generation is left 0.  open: bit w:
 * window w is. */
struct verdict naive_judge(const struct ruleset *rs, const struct net_tuple *t,
    const struct fact *f, const struct past *past, uint64_t open);

/* Requests of one connection per second: a bucket of a second's worth.  True: the request is
 * above it.  Start with zeros. */
struct naive_bucket {
	uint64_t full_ns, at_ns;
};
bool naive_over_rate(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    struct naive_bucket *b, uint64_t now_ns);
/* The verdict of such a request, which would otherwise be v. */
struct verdict naive_above(const struct ruleset *rs, const struct net_tuple *t,
    const struct fact *f, struct verdict v, uint32_t key);

/* How long a request may wait, in ns (0: nobody said), and the verdict on an answer that came
 * after that and would otherwise be v. */
uint64_t naive_patience(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f);
struct verdict naive_late(const struct ruleset *rs, const struct net_tuple *t, const struct fact *f,
    struct verdict v, uint32_t key);

/* How often it was asked for a last value, and what came of it. */
extern struct naive_seen {
	uint64_t known, unknown, met,
	    changes; /* met: when: of a rule, all known; changes: measured */
} naive_seen;

/* Verdict on opening that connection (or, echo, on an ICMP echo request). */
struct verdict naive_open(
    const struct ruleset *rs, const struct net_tuple *t, bool echo, uint64_t open);
/* On t->src with MAC `claimed` asking for, or answering to, t->dst (ARP, ND); an unspecified
 * address is nobody. */
struct verdict naive_neighbour(
    const struct ruleset *rs, const struct net_tuple *t, const uint8_t claimed[6]);

#endif /* TESTS_MODEL_NAIVE_H */
