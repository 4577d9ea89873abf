/* SPDX-License-Identifier: Apache-2.0 */
/* interim.c - stands in for what other files define later; goes when they are here. */
#include <unistd.h>

#include "alerts/alert.h"
#include "dataplane/engine.h"
#include "policy/gate.h"

__attribute__((weak)) const struct gate_spec *
policy_gate(const struct policy *pol)
{
	(void)pol;
	return NULL;
}

__attribute__((weak)) uint64_t
policy_latency_ns(const struct policy *pol, uint32_t conduit)
{
	(void)pol;
	(void)conduit;
	return 0;
}

/* The worker ends; the next one begins with the new policy. */
__attribute__((weak)) void
engine_set_policy(struct engine *e, const struct policy *pol)
{
	(void)e;
	(void)pol;
	_exit(3);
}

__attribute__((weak)) void
alerts_shared_keep(struct alerts_shared *s, enum alerts_side side)
{
	(void)s;
	(void)side;
}
