/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample.c - a frame that the filter in front of the engine has denied, alerted as the
 * engine would have.
 *
 * The policy is asked again, so that verdict, conduit and reason are those of the engine.
 * Where it would have let the frame pass (a flood, which only the filter counts) the
 * verdict is the filter's: dropped, by the conduit that governs it.  What the filter
 * said stands in the note.  A frame that cannot be decoded is a counter here as there.
 */
#include <string.h>

#include "alerts/alert.h"
#include "dataplane/engine_int.h"

/* What the policy says of the first packet of such a conversation, whoever opened it. */
static struct verdict
flow_verdict(const struct engine *e, const struct layers *l, const struct net_tuple *t)
{
	struct net_tuple back = net_tuple_reverse(t);
	struct policy_bind bind;

	return engine_bind(e, engine_from_client(l) ? t : &back, &bind);
}

static struct verdict
sample_verdict(
    struct engine *e, const struct pkt *p, const struct layers *l, const struct net_tuple *t)
{
	struct policy_icmp icmp;

	if (!(l->flags & LAYER_IP))
		return engine_l2_verdict(e, p, l);
	if (l->flags & LAYER_L4)
		return flow_verdict(e, l, t);
	if (engine_icmp_read(p, l, t, &icmp))
		return policy_eval_icmp_in(e->policy, &icmp, &e->windows.clock);
	return policy_condition(e->policy, NULL, COND_FRAGMENT);
}

bool
engine_lets_in(const struct engine *e, const struct pkt *p, const struct layers *l)
{
	struct policy_icmp icmp;
	struct policy_bind bind;
	struct net_tuple t, back;
	struct flow_key k;
	const struct flow *f;

	if (!(l->flags & LAYER_IP))
		return engine_l2_verdict(e, p, l).action < VERDICT_REJECT;
	if (l->flags & LAYER_L4) {
		flow_key_make(&e->flows, l, &k);
		if ((f = flow_lookup(&e->flows, &k)) != NULL && !engine_stale(e, f))
			return true; /* inline there is none that is not allowed */
	}
	engine_tuple(e, p, l, &t);
	if (!(l->flags & LAYER_L4))
		return !engine_icmp_read(p, l, &t, &icmp) ||
		       policy_eval_icmp_in(e->policy, &icmp, &e->windows.clock).action <
			   VERDICT_REJECT;
	back = net_tuple_reverse(&t);
	return engine_bind(e, &t, &bind).action < VERDICT_REJECT ||
	       engine_bind(e, &back, &bind).action < VERDICT_REJECT;
}

void
engine_sample(struct engine *e, const struct pkt *p, const char *reason, uint64_t count)
{
	struct layers l = {0};
	enum drop_reason why = decode(p, &l);
	bool l2 = !(l.flags & LAYER_IP);
	struct net_tuple t;
	struct event ev = {
	    .kind = l2 ? EVENT_L2 : EVENT_FLOW,
	    .ts_ns = p->ts_ns,
	    .frame = p->frame,
	    .tuple = &t,
	    .note = reason,
	    .count = count,
	};

	if (!e->policy || (why != DROP_NONE && why != DROP_CAP_TRUNCATED))
		return;
	engine_tuple(e, p, &l, &t);
	ev.verdict = sample_verdict(e, p, &l, &t);
	ev.flow_id = engine_flow_id(e, &l);
	if (ev.verdict.would < VERDICT_REJECT) {
		ev.verdict.action = ev.verdict.would = VERDICT_DROP;
		ev.verdict.mode = MODE_ENFORCE; /* the filter's counters know no other */
		ev.verdict.reason = REASON_NO_CONDUIT;
		ev.verdict.rule = RULE_NONE;
	}
	if (e->conf.alerts)
		alerts_put(e->conf.alerts, &ev);
	if (e->conf.on_event)
		e->conf.on_event(e->conf.ctx, &ev);
}
