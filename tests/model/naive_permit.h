/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naive_permit.h - permits again, by the names that they are written with: every word is looked up
 * anew for every request.  It shares nothing with policy/permit.c; the meaning is "windows and permits" in
 * docs/POLICY.md.
 */
#ifndef TESTS_MODEL_NAIVE_PERMIT_H
#define TESTS_MODEL_NAIVE_PERMIT_H

#include "policy/window.h"
#include "tests/model/naive.h"

struct naive_permits {
	uint64_t open, grace; /* windows that need none */
	struct {
		bool on, ending;
		struct permit m;
	} v[PERMITS_MAX];
};

/* naive_judge() and naive_open() with permits; .permit of the verdict counts from 1. */
struct verdict naive_permitted(const struct ruleset *rs, const struct net_tuple *t,
    const struct fact *f, const struct past *past, const struct naive_permits *n);
struct verdict naive_permitted_open(
    const struct ruleset *rs, const struct net_tuple *t, bool echo, const struct naive_permits *n);

#endif /* TESTS_MODEL_NAIVE_PERMIT_H */
