/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock.c - windows and permits while connections live on: a guard steps them once a second, off the
 * packet path; a capture is judged as of when it was taken, packet by packet.  When the grace of one is over, the flows of conduits that are closed by then are
 * ended, a piece of the table per tick.
 */
#include <string.h>

#include "dataplane/repair.h"

#define SECOND_NS   UINT64_C(1000000000)
#define SWEEP_FLOWS 4096u /* looked at per tick */

struct windows *
engine_permits(struct engine *e)
{
	return &e->windows;
}

const struct policy_clock *
engine_clock(const struct engine *e)
{
	return &e->windows.clock;
}

void
engine_windows(struct engine *e, int64_t unix_s, uint64_t steady_ns, bool trusted)
{
	if (e->policy && windows_step(&e->windows, e->policy, unix_s, steady_ns, trusted))
		e->sweep_at = 0;
	if (e->shadow)
		shadow_windows(e, unix_s, steady_ns, trusted);
}

void
clock_again(struct engine *e)
{
	e->windows_s = 0;
	e->packet_clock = e->policy && !e->conf.own_clock &&
			  (policy_window_count(e->policy) != 0 ||
			      (e->shadow && policy_window_count(e->shadow) != 0));
}

void
clock_policy(struct engine *e)
{
	bool over = e->windows.clock.grace != 0 || e->windows.clock.ending != 0;

	/* permits are in the numbers of the old one */
	memset(&e->windows, 0, sizeof(e->windows));
	clock_again(e);
	if (e->packet_clock && e->now_ns != 0)
		clock_packet(e, e->now_ns);
	if (over)
		e->sweep_at = 0;
}

/* A transfer that a rule let begin whose window is closed by now, grace and all. */
static const struct transfer_slot *
transfer_over(const struct engine *e, const struct flow *f, const struct net_tuple *t)
{
	for (unsigned i = 0; e->transfers.n != 0 && i < TRANSFERS_MAX; i++) {
		const struct transfer_slot *s = &e->transfers.slot[i];

		if (s->flow == f && s->verdict.reason == REASON_RULE &&
		    s->verdict.generation == policy_generation(e->policy) &&
		    !policy_rule_open(e->policy, s->verdict.rule, &e->windows.clock, t))
			return s;
	}
	return NULL;
}

static void
end_flow(struct engine *e, struct flow *f)
{
	struct net_tuple t;
	struct policy_bind bind;
	struct verdict v;
	bool open;

	flow_tuple(&e->flows, f, true, &t);
	open = policy_conduit_open(e->policy, f->bind.conduit, &e->windows.clock, &t, true);
	if (open && !transfer_over(e, f, &t))
		return;
	v = engine_bind(e, &t, &bind);
	if (!open && v.reason != REASON_WINDOW)
		return; /* refused for another reason, which was told */
	v.reason = REASON_WINDOW;
	if (open)
		v.rule = (uint32_t)__builtin_ctzll(
		    policy_rule_windows(e->policy, transfer_over(e, f, &t)->verdict.rule));
	v.would = VERDICT_RESET;
	v.action = v.mode == MODE_ENFORCE ? VERDICT_RESET
		   : v.mode == MODE_ALERT ? VERDICT_ALERT
					  : VERDICT_ALLOW;
	panic_cap(e, &v);
	e->sink.ts_ns = e->now_ns;
	judge_flow(e, &v, &t, flow_hash(&e->flows, f), false);
	e->st.grace_over++;
	if (!e->inline_mode || v.action < VERDICT_REJECT)
		return;
	if ((uint8_t)(f->kb >> 8) == NET_PROTO_TCP) {
		e->at_hand = NULL;
		inject_reset(e, f);
	} else {
		flow_remove(&e->flows, f);
	}
}

static void
sweep(struct engine *e)
{
	uint32_t end = e->sweep_at + SWEEP_FLOWS;

	for (; e->sweep_at < e->flows.max && e->sweep_at != end; e->sweep_at++) {
		struct flow *f = &e->flows.flows[e->sweep_at];

		if (f->wheel_slot != UINT16_MAX && f->bind.flags & BIND_WINDOW &&
		    !engine_stale(e, f) && f->state != FLOW_CLOSED)
			end_flow(e, f);
	}
}

void
clock_tick(struct engine *e)
{
	if (__builtin_expect(e->sweep_at < e->flows.max, 0) && e->policy)
		sweep(e);
}

bool
clock_moves(const struct engine *e, uint64_t ts_ns)
{
	return ts_ns / SECOND_NS >
	       e->windows_s; /* a few packets are in another order than their times */
}

void
clock_packet(struct engine *e, uint64_t ts_ns)
{
	uint64_t s = ts_ns / SECOND_NS;

	if (!clock_moves(e, ts_ns))
		return;
	e->windows_s = s;
	engine_windows(e, (int64_t)s, ts_ns, true);
	while (e->sweep_at < e->flows.max)
		sweep(e);
}
