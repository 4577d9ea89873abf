/* SPDX-License-Identifier: Apache-2.0 */
/*
 * line.c - when the guard is in line, and when its hardware bypass (bypass.h) joins the cables.
 *
 *	start		as it was, until the worker receives; then disarmed
 *	worker gone	for PATIENCE_NS with `fail: open`: armed, until there is one again
 *	panic open	armed; the end of it disarms
 *	stop		armed with `fail: open`; else it stays disarmed, and nothing passes
 *	crash, hang	nobody kicks: the watchdog arms, with `fail: open`
 */
#include <stdio.h>

#include "base/log.h"
#include "guard/guard_int.h"

#define PATIENCE_NS UINT64_C(2000000000)
#define KICK_NS	    ((uint64_t)BYPASS_KICK_MS * 1000000)
#define LOOK_NS	    UINT64_C(5000000000) /* whether it is as it should be */
#define RETRY_NS    UINT64_C(1000000000)

static bool
fails_open(const struct guard *g)
{
	return policy_fail_open(g->policy, RULE_NONE);
}

static uint32_t
watchdog(const struct guard *g)
{
	return fails_open(g) ? BYPASS_WATCHDOG_MS : 0;
}

static void
set(struct guard *g, bool armed, const char *why)
{
	struct line *l = &g->line;
	char err[256] = "", note[320];
	int r = armed ? bypass_arm(&l->bypass, err, sizeof(err))
		      : bypass_disarm(&l->bypass, watchdog(g), err, sizeof(err));

	l->again_ns = g->now_ns + RETRY_NS;
	if (r < 0) {
		log_error("bypass: cannot be %s (%s): %s", armed ? "armed" : "disarmed", why, err);
		return;
	}
	l->looked_ns = l->kicked_ns = g->now_ns;
	if (l->state == (armed ? BYPASS_ARMED : BYPASS_DISARMED))
		return;
	l->state = armed ? BYPASS_ARMED : BYPASS_DISARMED;
	(void)snprintf(note, sizeof(note), "%s", why);
	log_warn("bypass: %s: %s", bypass_state_name(l->state), why);
	guard_tell(g, armed ? GUARD_BYPASS_ARMED : GUARD_BYPASS_DISARMED, note);
}

int
line_begin(struct guard *g, char *err, size_t size)
{
	int r = g->conf->bypass ? bypass_open(&g->line.bypass, g->conf->bypass, err, size) : 0;

	if (r == 0 && g->conf->bypass)
		log_info("bypass: %s: %s", g->conf->bypass,
		    fails_open(g)
			? "the policy fails open: armed by a stop, a failure, its watchdog"
			: "the policy fails closed: armed by panic open alone");
	return r;
}

void
line_ready(struct guard *g)
{
	if (!g->line.bypass.ops)
		return;
	g->line.steady_ns = g->now_ns;
	set(g, false, "the guard is in force");
}

/* Has it bitten, or has somebody else been there? */
static void
look(struct guard *g)
{
	struct line *l = &g->line;
	enum bypass_state s;
	char err[256] = "";

	l->looked_ns = g->now_ns;
	if (bypass_state(&l->bypass, &s, err, sizeof(err)) < 0)
		log_error("bypass: %s", err);
	else if (s != l->state && s != BYPASS_UNKNOWN) {
		l->state = s;
		if (s == BYPASS_ARMED)
			guard_tell(g, GUARD_BYPASS_ARMED, "found armed: its watchdog, or by hand");
	}
}

void
line_step(struct guard *g)
{
	struct line *l = &g->line;
	char err[256] = "";
	bool arm, lost;

	if (!l->bypass.ops || g->stop || g->handing.step != HAND_NONE)
		return;
	if (g->worker.ready)
		l->steady_ns = g->now_ns;
	lost = fails_open(g) && g->now_ns - l->steady_ns > PATIENCE_NS;
	arm = g->panic.mode == PANIC_OPEN || (lost && g->panic.mode != PANIC_ISLAND);
	if (g->now_ns - l->looked_ns >= LOOK_NS)
		look(g);
	if (l->state != (arm ? BYPASS_ARMED : BYPASS_DISARMED) ||
	    (!arm && l->bypass.watchdog_ms != watchdog(g))) {
		if (g->now_ns >= l->again_ns)
			set(g, arm,
			    g->panic.mode == PANIC_OPEN ? "panic open"
			    : arm			? "there is no worker"
							: "the guard is in line");
		return;
	}
	if (arm || g->now_ns - l->kicked_ns < KICK_NS)
		return;
	l->kicked_ns = g->now_ns;
	if (bypass_kick(&l->bypass, err, sizeof(err)) < 0)
		log_error("bypass: %s", err);
}

void
line_end(struct guard *g)
{
	if (g->line.bypass.ops && !g->handed && fails_open(g))
		set(g, true, "the guard stops");
}
