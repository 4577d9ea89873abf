/* SPDX-License-Identifier: Apache-2.0 */
/*
 * away.c - with a fast path: how long no engine was there, and what the kernel did with the frames that were
 * its to judge.  Told when it is back, per conduit; counted for status and metrics.
 *
 * The kernel counts from the moment at which the tables are filled; what was told is taken out of its
 * counters, so that the next time begins at 0.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "guard/guard_int.h"

#define AWAY_NS	 UINT64_C(1000000000) /* silent for so long, or gone: it is away */
#define EVERY_NS UINT64_C(1000000000)
#define TOLD_MAX 16u /* conduits; the others are in the numbers */

/* Of the tables in force, into a->conduit[]; how many frames.  known: they are this policy's. */
static uint64_t
collect(struct guard *g, struct gate_away *now, bool known)
{
	uint32_t n = policy_gate(g->policy)->n_conduits;
	uint64_t frames = 0;

	for (uint32_t i = 0; i < n && i < GUARD_CONDUITS; i++) {
		now[i] = (struct gate_away){0};
		if (fast_away_take(g->fast, i, &now[i]) < 0)
			continue;
		frames += now[i].dropped + now[i].unjudged;
		if (known) {
			g->away.conduit[i].dropped += now[i].dropped;
			g->away.conduit[i].unjudged += now[i].unjudged;
		}
	}
	return frames;
}

static void
tell(struct guard *g, uint32_t conduit, uint64_t count, const char *note)
{
	const struct event ev = {.kind = EVENT_GUARD,
	    .cond = GUARD_ENGINE_BACK,
	    .ts_ns = clock_wall_ns(),
	    .verdict = {.rule = RULE_NONE, .conduit = conduit, .generation = g->generation},
	    .note = note,
	    .count = (uint32_t)(count < UINT32_MAX ? count : UINT32_MAX)};

	log_warn("engine: %s", note);
	if (g->alerts)
		alerts_put(g->alerts, &ev);
}

/* It is back after ns. */
static void
back(struct guard *g, uint64_t ns, const struct gate_away *now, uint64_t frames, bool known)
{
	uint32_t n = policy_gate(g->policy)->n_conduits, told = 0;
	char note[160];

	g->away.times++;
	g->away.last_ns = ns;
	g->away.total_ns += ns;
	for (uint32_t i = 0; i < n && i < GUARD_CONDUITS && told < TOLD_MAX; i++) {
		if (now[i].dropped + now[i].unjudged == 0)
			continue;
		(void)snprintf(note, sizeof(note),
		    "was away for %llu ms; %s%.40s: %llu frames were dropped, %llu passed unjudged",
		    (unsigned long long)(ns / 1000000), known ? "" : "by the policy before, as ",
		    policy_conduit_name(g->policy, i), (unsigned long long)now[i].dropped,
		    (unsigned long long)now[i].unjudged);
		tell(g, known ? i : RULE_NONE, now[i].dropped + now[i].unjudged, note);
		told++;
	}
	if (frames != 0)
		return;
	(void)snprintf(note, sizeof(note), "was away for %llu ms; no frame of a conduit needed it",
	    (unsigned long long)(ns / 1000000));
	tell(g, RULE_NONE, 0, note);
}

void
away_begin(struct guard *g)
{
	if (g->fast && g->pins.found)
		g->away.since_ns = fast_alive_ns(g->fast);
}

void
away_resumed(struct guard *g)
{
	struct away *a = &g->away;
	uint64_t now = clock_mono_ns();

	if (!g->fast || !g->pins.found)
		return;
	a->first_known =
	    memcmp(g->pins.policy, policy_hash(g->policy), sizeof(g->pins.policy)) == 0;
	a->first_frames = collect(g, a->first, a->first_known);
	a->first_ns = a->since_ns != 0 && now > a->since_ns ? now - a->since_ns : 0;
	a->since_ns = 0;
}

void
away_tell_first(struct guard *g)
{
	struct away *a = &g->away;

	if (a->first_ns != 0 && !g->conf->take_over)
		back(g, a->first_ns, a->first, a->first_frames, a->first_known);
	a->first_ns = 0;
}

void
away_new_policy(struct guard *g)
{
	memset(g->away.conduit, 0, sizeof(g->away.conduit));
}

void
away_step(struct guard *g)
{
	static struct gate_away now[GUARD_CONDUITS];
	struct away *a = &g->away;
	uint64_t alive, frames;
	bool here;

	if (!g->fast || g->stop || g->handing.step != HAND_NONE || !g->worker.wanted)
		return;
	alive = fast_alive_ns(g->fast);
	here = g->worker.ready && (alive > g->now_ns || g->now_ns - alive < AWAY_NS);
	if (!here && a->since_ns == 0) {
		a->since_ns = alive != 0 ? alive : g->now_ns;
		log_warn("engine: is away: the kernel goes on with the connections it has");
		guard_tell(g, GUARD_ENGINE_AWAY, NULL);
	}
	if (!here || (a->since_ns == 0 && g->now_ns - a->looked_ns < EVERY_NS))
		return;
	a->looked_ns = g->now_ns;
	frames = collect(g, now, true);
	if (a->since_ns != 0)
		back(g, g->now_ns - a->since_ns, now, frames, true);
	a->since_ns = 0;
}
