/* SPDX-License-Identifier: Apache-2.0 */
/* include.h - `include:` of a policy, for the reader of the whole (check.c). */
#ifndef POLICY_INCLUDE_H
#define POLICY_INCLUDE_H

#include "policy/check.h"
#include "policy/files.h"

/* What root includes becomes part of it; what it is made of goes to k->rs. */
void include_all(struct check *k, struct ynode *root, struct policy_source *src);
/*
 * The text of a file that node `at` names and that is no policy, in scratch, NUL-ended; it becomes one of the
 * policy's files.  *rel, kept: its name below the directory of the policy.  NULL after a complaint, which
 * begins with what.
 */
const char *include_text(
    struct check *k, const struct ynode *at, const char *what, size_t *len, const char **rel);
/* The number of such a file in complaints; 0 without memory. */
uint16_t include_number(struct check *k, const char *rel);
/* What their texts accept on purpose (complaints_accept()); scratch is still there. */
struct inclusion;
void include_accept(const struct inclusion *x, struct complaints *c);
/* All files were read: what they are goes to src. */
void include_end(struct check *k);

#endif /* POLICY_INCLUDE_H */
