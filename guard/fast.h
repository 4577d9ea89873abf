/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fast.h - `guard --fast-path`: the kernel's connections (ebpf/fast.h) as the engine asks for
 * them (dataplane/fastpath.h).  The worker's; one.
 */
#ifndef GUARD_FAST_H
#define GUARD_FAST_H

#include <stddef.h>

#include "dataplane/fastpath.h"
#include "policy/policy.h"

struct gate;

/* After the fork, before rights are given up.  *policy is the one in force, whenever it is looked at.
 * NULL, and why in err. */
const struct fast_path *guard_fast_open(
    const struct gate *g, const struct policy *const *policy, char *err, size_t size);

/* Hits per rule that the kernel counted are added to the n numbers.  Some are read anew each time
 * (a system call each), so they may be a few calls old. */
void guard_fast_rule_hits(uint64_t *hits, uint32_t n);
/* Another policy: they begin at 0. */
void guard_fast_new_rules(void);

#endif /* GUARD_FAST_H */
