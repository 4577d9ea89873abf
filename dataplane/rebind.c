/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebind.c - another policy while connections live on.
 *
 * A flow keeps what policy_bind() found for it; indices of one policy mean nothing in
 * another.  So each bind carries the engine's epoch, a number that changes with
 * every policy, and a flow of another epoch is bound anew before anything of it is judged: at its
 * next packet, or when a timer wants to judge what it holds.  The epoch is the engine's
 * own, since generations of policies may repeat in their low 16 bits; when it has come round, flows
 * that nobody spoke on since are marked.
 */
#include <assert.h>
#include <string.h>

#include "dataplane/engine_int.h"
#include "policy/memory.h"

struct verdict
engine_bind(const struct engine *e, const struct net_tuple *t, struct policy_bind *out)
{
	struct net_tuple as = *t;
	struct verdict v;

	as.port |= e->two_ports ? NET_PORT_TWO : 0;
	v = policy_bind_in(e->policy, &as, &e->windows.clock, out);
	out->generation = e->epoch;
	return v;
}

void
engine_set_policy(struct engine *e, const struct policy *pol)
{
	assert(!pol || policy_rule_count(pol) <= ENGINE_RULES);
	if (e->policy)
		memset(e->rule_hits, 0, policy_rule_count(e->policy) * sizeof(*e->rule_hits));
	policy_memory_rebind(e->memory, e->policy, pol, e->now_ns);
	quick_clear(&e->quick);
	strangers_clear(&e->strangers);
	e->policy = e->conf.policy = pol;
	clock_policy(e);
	if (e->inline_mode)
		quotas_share(&e->quotas, &e->flows, pol);
	if (++e->epoch != 0)
		return;
	for (uint32_t i = 0; i < e->flows.max; i++)
		e->flows.flows[i].bind.generation = 0;
	e->epoch = 1;
}

const struct policy *
engine_policy(const struct engine *e)
{
	return e->policy;
}

bool
engine_rebind(struct engine *e, struct flow *f, unsigned dir, struct pkt *p, const struct layers *l)
{
	bool grown = e->inline_mode && quota_is_grown(e, f);
	struct net_tuple t;
	struct verdict v;

	f->quick = 0;
	if (e->inline_mode) {
		guard_of(e, f)->flags &= (uint8_t)~GUARD_NOT_FAST; /* may be asked again */
		quota_remove(e, f); /* of the old ones */
	}
	if (!e->policy) {
		f->bind = (struct policy_bind){.conduit = RULE_NONE, .generation = e->epoch};
		if (e->inline_mode)
			quota_add(e, f);
		if (grown)
			quota_grown(e, f);
		return true;
	}
	flow_tuple(&e->flows, f, true, &t);
	if (l && l->smac) {
		memcpy(t.smac, dir == DIR_TO_SERVER ? l->smac : l->dmac, 6);
		memcpy(t.dmac, dir == DIR_TO_SERVER ? l->dmac : l->smac, 6);
	}
	v = engine_bind(e, &t, &f->bind);
	if (e->inline_mode) {
		quota_add(e, f);
		if (grown)
			quota_grown(e, f);
	}
	if (v.would == VERDICT_ALLOW ||
	    (v.reason == REASON_WINDOW && /* closed, but what runs may come to its end */
		policy_conduit_open(e->policy, f->bind.conduit, &e->windows.clock, &t, true)))
		return true;
	judge_flow(e, &v, &t, flow_hash(&e->flows, f), false);
	e->st.flows_ended += v.would >= VERDICT_REJECT;
	panic_cap(e, &v);
	if (!e->inline_mode || v.action < VERDICT_REJECT)
		return true; /* watch goes on to say what is attempted */
	flow_remove(&e->flows, f);
	if (p)
		engine_drop(p, DROP_POLICY_CONDUIT);
	return false;
}
