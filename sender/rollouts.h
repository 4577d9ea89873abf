/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollouts.h - the policy or permit that a collector offers this sensor, as files for `interlock ctl rollout`, and what became of it.
 *
 *   offer.json      which (alerts/offer.h), written after
 *   policy.bundle   all files of a policy and MAIN.minisig (policy/bundle.h), or
 *   permit.jws      the permit (alerts/permit.h)
 *   state.json      {"v":1,"id":N,"state":WORD,"why":TEXT}, written by ctl rollout, told to the collector
 *
 * Nothing is looked into here, and nothing applied: who reads them verifies.  An offer that is withdrawn is removed.
 */
#ifndef SENDER_ROLLOUTS_H
#define SENDER_ROLLOUTS_H

#include "sender/client.h"
#include "sender/out.h"

struct rollouts;

/* NULL: out of memory. */
struct rollouts *rollouts_new(const struct send_common *c, struct client *http);
void rollouts_free(struct rollouts *r); /* NULL: nothing */
/* Ask, when it is time.  0, or ERR_*, said in r. */
int rollouts_turn(struct rollouts *o, struct send_result *r);

#endif /* SENDER_ROLLOUTS_H */
