/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast.h - `guard --fast-path`: the kernel's connections (ebpf/fast.h) as the engine asks for
 * them (dataplane/fastpath.h).  The worker's; one.
 */
#ifndef GUARD_FAST_H
#define GUARD_FAST_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/fastpath.h"
#include "policy/policy.h"

#define GUARD_HOLD_NS UINT64_C(20000000000) /* a successor takes no longer */

struct gate;

/* After the fork, before rights are given up.  *policy is the one in force, whenever it is looked at.
 * NULL, and why in err. */
const struct fast_path *guard_fast_open(
    const struct gate *g, const struct policy *const *policy, char *err, size_t size);

/* Hits of the n rules of a policy that the kernel counted since it has its tables.  Some are read anew each
 * time (a system call each), so they may be a few calls old; all: every one, of a policy that ends. */
void guard_fast_rule_hits(uint32_t generation, uint64_t *hits, uint32_t n, bool all);
/* The engine lives: to be said more often than every KFLOW_PULSE_NS.  False: it was not, and the
 * kernel takes it for away since; it stays away until guard_fast_back(). */
bool guard_fast_alive(void);
void guard_fast_back(void);
/* Its connections are being handed to another engine, or not: what fails open waits meanwhile. */
void guard_fast_hold(bool on);
/* Another policy: they begin at 0. */
void guard_fast_new_rules(void);

#endif /* GUARD_FAST_H */
