/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proposals.h - rules that a collector proposes for this sensor, as files for a person to read.
 *
 * DIR/proposal-ID.yaml, 0600, each once: a text of bounded size that says of itself that its rule is disabled, and in comments
 * what the rule would allow, and the entry of a baseline where a detection was expected.  Nothing of Interlock reads
 * these files; what becomes of one is a person's work (interlock policy).
 */
#ifndef SENDER_PROPOSALS_H
#define SENDER_PROPOSALS_H

#include "sender/client.h"
#include "sender/out.h"

#define PROPOSAL_YAML_MAX 8192u

struct proposals;

/* NULL: out of memory. */
struct proposals *proposals_new(const struct send_common *c, struct client *http);
void proposals_free(struct proposals *p); /* NULL: nothing */
/* Ask, when it is time.  0, or ERR_*, said in r. */
int proposals_turn(struct proposals *p, struct send_result *r);

/* Is it (n characters and a NUL) a text of people's characters, in which each rule is disabled (or none is: comments)?  NULL: yes; else what is wrong. */
const char *proposals_wrong(const char *yaml, size_t n);

#endif /* SENDER_PROPOSALS_H */
