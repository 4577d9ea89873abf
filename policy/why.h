/* SPDX-License-Identifier: Apache-2.0 */
/* why.h - what the parts of the explanation share; nobody else includes it. */
#ifndef POLICY_WHY_H
#define POLICY_WHY_H

#include "policy/rules.h"

/*
 * why_state.c.  The conditions of a rule in words; false: buf says the one that does not hold.
 * A denial is not kept from matching by what is not known.  st NULL: nothing is known.
 */
bool why_whens(const struct dis_schema *sc, const struct rule *r, const struct fact *f,
    const struct policy_state *st, char *buf, size_t size);
/* May element i of what is written differ so much from the last value?  False: buf says why not. */
bool why_change(const struct dis_schema *sc, const struct limit *l, const struct fact *f,
    const struct fact_item *it, uint32_t i, bool deny, const struct policy_state *st, char *buf,
    size_t size);

#endif /* POLICY_WHY_H */
