/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naive.h - the policy language again, the obvious way: every conduit, every
 * rule, every element, one after the other, from the rules as checked.  Slow,
 * and meant to be right at a glance.  It shares no table and no helper with
 * policy/compile.c, bind.c or eval.c.
 */
#ifndef TESTS_MODEL_NAIVE_H
#define TESTS_MODEL_NAIVE_H

#include "policy/rules.h"

/* Verdict on a fact of a connection that t->src opened to t->dst.  Facts are
 * requests; generation is left 0. */
struct verdict naive_judge(const struct ruleset *rs, const struct net_tuple *t,
    const struct fact *f);

/* Verdict on opening that connection (or, echo, on an ICMP echo request). */
struct verdict naive_open(const struct ruleset *rs, const struct net_tuple *t, bool echo);
/* On t->src with MAC `claimed` asking for, or answering to, t->dst (ARP, ND); an unspecified
 * address is nobody. */
struct verdict naive_neighbour(
    const struct ruleset *rs, const struct net_tuple *t, const uint8_t claimed[6]);

#endif /* TESTS_MODEL_NAIVE_H */
