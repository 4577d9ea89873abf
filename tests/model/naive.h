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

#endif /* TESTS_MODEL_NAIVE_H */
