/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_rollout.h - interlock ctl rollout: what a collector offers goes to the guard of this machine, a policy on trial.
 *
 * DIR is where `send --rollouts` leaves an offer (sender/rollouts.h).  It is not believed: the policy has to be signed by a key of --key,
 * and the guard looks at signature and age again if it was started with --require-signed.  What is offered is tried once; it is
 * confirmed when the collector has confirmed it, else the guard goes back by itself.  Then it takes the place of --policy, so that
 * the next start begins with it.
 *
 * A permit is given to the guard once, which verifies it by the keys of its policy; only with --permits.
 */
#ifndef CLI_CTL_ROLLOUT_H
#define CLI_CTL_ROLLOUT_H

#include <stdbool.h>

struct ctl_rollout {
	const char *dir, *key, *socket;
	const char *policy; /* or NULL: nothing is replaced */
	bool permits;	    /* are taken, else refused */
	bool follow;	    /* go on until a signal ends it, else one look */
};

/* An exit status: 0 nothing is wrong, 1 what is offered was refused or has gone back, 2 could not work. */
int ctl_rollout(const struct ctl_rollout *o);

#endif /* CLI_CTL_ROLLOUT_H */
