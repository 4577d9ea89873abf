/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lint.h - between lint.c (rules by themselves, denials, limits, levels), lint_pairs.c (allow
 * rules against each other, parts that denials take away) and lint_plant.c (conduits, devices, zones).
 */
#ifndef POLICY_LINT_H
#define POLICY_LINT_H

#include "policy/complain.h"
#include "policy/rules.h"

/* Pairs of rules are compared; a policy that needs more is not compared to the end. */
#define LINT_STEPS UINT64_C(40000000)

struct lint {
	struct complaints *c;
	const struct ruleset *rs;
	const struct conduit *conduit;
	const struct block *b;
	const struct dis_schema *sc;
	struct rule_list limited;  /* allow rules of the block that limit values */
	struct rule_list shadowed; /* of the block: denials cover all of it, as was said */
	uint64_t steps;
};

/* Counts one; false: enough was compared. */
static inline bool
lint_work_left(struct lint *l)
{
	return ++l->steps < LINT_STEPS;
}

/* Two rules of the block l->b: functions in common; all of the first among those of the second. */
bool lint_ops_meet(const struct lint *l, const struct rule *a, const struct rule *b);
bool lint_ops_within(const struct lint *l, const struct rule *in, const struct rule *of);
/* The same of units. */
bool lint_units_meet(const struct rule *a, const struct rule *b);
bool lint_units_within(const struct rule *in, const struct rule *of);
/* Has it addresses or names to read (write 0) or write (1)?  Limits of values? */
bool lint_rule_reaches(const struct lint *l, const struct rule *r, unsigned write);
bool lint_rule_limits(const struct lint *l, const struct rule *r);

/* Of one block: allow rules that others cover, and what denials take of them. */
void lint_pairs(struct lint *l, struct arena *scratch);
/* Conduits that never govern or that a guard never sees, devices and zones. */
void lint_plant(const struct ruleset *rs, struct arena *scratch, struct complaints *c);
/* Windows with no more than dates that are past; now_s: since 1970, UTC.  Not part of a build, which looks at no clock. */
void lint_dates(const struct ruleset *rs, uint64_t now_s, struct complaints *c);

#endif /* POLICY_LINT_H */
