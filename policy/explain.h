/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - a policy in plain sentences: what each device may ask of whom, and who may ask it.
 *
 * Sentences are made of the rules as written and of the conduit that really governs a pair
 * (the most specific one), so they say what holds and not what stands somewhere.  The same order
 * every time.  Addresses are written as the block's `addressing` counts.
 */
#ifndef POLICY_EXPLAIN_H
#define POLICY_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "policy/policy.h"

struct jw;

struct explain {
	const struct policy *policy;
	const char *device;   /* only this one; NULL: all */
	const uint64_t *hits; /* policy_rule_count() of them, from captures; NULL: none */
};

/* All of it, or of one device: paragraphs for people. */
void policy_explain(const struct explain *x, FILE *to);
/* Who may do what with whom: a row per sender, R W C P. */
void policy_explain_matrix(const struct explain *x, FILE *to);
/* The same facts for machines, ranges as on the wire; false: no memory for a sentence. */
bool policy_explain_json(const struct explain *x, struct jw *w);

/* Is there a device of this name? */
bool policy_explain_knows(const struct policy *pol, const char *device);

/* What one rule says, as the end of "may ..." or "must not ..."; one line without its end. */
void policy_explain_rule(const struct policy *pol, uint32_t rule, FILE *to);
/* Letters of what the enabled rules of a conduit allow, a subset of "RWCP"; without any "apps",
 * "ping" or "-". */
const char *policy_explain_letters(const struct policy *pol, uint32_t conduit, char buf[8]);

/* The number that a block's notation (opt: the words it has chosen) gives to address 0 of a space. */
uint32_t policy_notation_base(const struct dis_schema *sc, const uint8_t *opt, uint8_t space);
/* A run of addresses of one sub as a key of such a block writes it.  False: it has no way to write it. */
bool policy_notation_run(const struct dis_schema *sc, const struct dis_key *k, const uint8_t *opt,
    const struct dis_range *r, char *buf, size_t size);
/* The words that a conduit's block of a protocol has chosen, DIS_OPTION_MAX of them.  False: it has no such block. */
bool policy_block_options(const struct policy *pol, uint32_t conduit, uint8_t proto, uint8_t *opt);

#endif /* POLICY_EXPLAIN_H */
