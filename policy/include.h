/* SPDX-License-Identifier: Apache-2.0 */
/* include.h - `include:` of a policy, for the reader of the whole (check.c). */
#ifndef POLICY_INCLUDE_H
#define POLICY_INCLUDE_H

#include "policy/check.h"
#include "policy/files.h"

/* What root includes becomes part of it; what it is made of goes to k->rs and src. */
void include_all(struct check *k, struct ynode *root, struct policy_source *src);

#endif /* POLICY_INCLUDE_H */
