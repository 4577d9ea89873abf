/* SPDX-License-Identifier: Apache-2.0 */
/* explain_int.h - who governs whom, between the writers of explain.h. */
#ifndef POLICY_EXPLAIN_INT_H
#define POLICY_EXPLAIN_INT_H

#include "policy/explain.h"
#include "policy/table.h"

/* A declared device, or any other address of a zone: numbers from 0, devices first. */
static inline uint32_t
party_count(const struct ruleset *rs)
{
	return rs->n_devices + rs->n_zones;
}

/* "hmi1", or "any other address of zone scada"; returns buf or a name of the policy. */
const char *party_name(const struct ruleset *rs, uint32_t party, char *buf, size_t size);
/* The conduit by which one may open connections to the other, or RULE_NONE. */
uint32_t party_conduit(const struct policy *p, uint32_t from, uint32_t to);
/* ", only in window night with a permit or ..."; nothing when 0. */
void explain_windows(const struct ruleset *rs, uint64_t only_in, FILE *to);
/* What becomes of a request that no rule of the conduit allows, in words. */
const char *explain_otherwise(const struct conduit *c);

#endif /* POLICY_EXPLAIN_INT_H */
