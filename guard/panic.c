/* SPDX-License-Identifier: Apache-2.0 */
/*
 * panic.c - the switch that is stronger than the policy: `ctl panic open|island|off`.
 *
 *	open     everything passes; it is judged and told as ever
 *	island   nothing of IP passes between the ports; what is below IP goes by the policy, so that
 *		 rings and switches behind the ports do not notice
 *
 * Filter and worker both do it: the filter gets tables that let all through to the worker, or no pair of
 * addresses.  A worker that is started anew begins with it; a guard that is started anew does not.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"

#define FOR_MAX_S (7u * 86400u)
#define RETRY_NS  UINT64_C(1000000000)

static const char *const names[] = {
    [PANIC_OFF] = "off", [PANIC_OPEN] = "open", [PANIC_ISLAND] = "island"};

/* --- the filter ------------------------------------------------------------------------------ */

int
panic_filter(struct guard *g, const struct policy *pol, uint32_t generation, char *err, size_t size)
{
	struct gate_spec spec = *policy_gate(pol);

	if (!g->gate) /* the engine has the policy, and knows of the panic */
		return 0;
	switch (g->panic.mode) {
	case PANIC_OPEN: /* nobody is known, so nobody is in the wrong place or above a limit */
		spec = (struct gate_spec){.fail_open = true,
		    .default_pass = true,
		    .l2 = {.arp = GATE_ARP_ANY, .stp = true, .dcp = true}};
		break;
	case PANIC_ISLAND:
		spec.n_pairs = spec.n_conduits = spec.n_words = spec.n_rules = 0;
		spec.fail_open = spec.default_pass = false;
		break;
	default:
		break;
	}
	if (gate_pin_policy(g->gate, generation, policy_hash(pol)) < 0)
		return err_say(err, size, ERR_IO, "the record of the pins cannot be written");
	return gate_set_policy(g->gate, &spec, generation, err, size);
}

/* --- on and off ------------------------------------------------------------------------------ */

static void
tell(struct guard *g, enum panic_mode was)
{
	static const enum guard_event events[] = {[PANIC_OFF] = GUARD_PANIC_OFF,
	    [PANIC_OPEN] = GUARD_PANIC_OPEN,
	    [PANIC_ISLAND] = GUARD_PANIC_ISLAND};
	const struct panic *p = &g->panic;
	char note[300], until[CLOCK_STRLEN];

	if (p->mode == PANIC_OFF)
		(void)snprintf(note, sizeof(note), "%s is over: %s", names[was], p->who);
	else
		(void)snprintf(note, sizeof(note), "%s, %s%s", p->who,
		    p->until_ns ? "until " : "until somebody says panic off",
		    p->until_ns ? clock_str(p->until_ns, until) : "");
	log_warn("PANIC: %s: %s", names[p->mode], note);
	guard_tell(g, events[p->mode], note);
}

static void
answer(struct guard *g, int result, const char *text)
{
	struct panic *p = &g->panic;
	char buf[64];
	int n = snprintf(buf, sizeof(buf), "\"mode\":\"%s\"", names[p->mode]);

	if (p->ctl_token != 0)
		ctl_answer(g->ctl, p->ctl_token, result, text, buf, result < 0 ? 0 : (size_t)n);
	p->ctl_token = 0;
}

/* Filter, then worker.  0: both have it; CTL_LATER; or ERR_*, said: nothing has changed. */
static int
set(struct guard *g, enum panic_mode mode, uint64_t for_ns, char *err, size_t size)
{
	const struct msg m = {.type = MSG_PANIC, .a = mode};
	struct panic *p = &g->panic, was = *p;
	int r;

	if (g->worker.pid != 0 && (!g->worker.ready || g->asked != MSG_NONE))
		return err_say(err, size, ERR_AGAIN, "the worker cannot be told now; try again");
	p->mode = mode;
	p->since_ns = clock_wall_ns();
	p->deadline_ns = for_ns ? g->now_ns + for_ns : 0;
	p->until_ns = for_ns ? p->since_ns + for_ns : 0;
	if ((r = panic_filter(g, g->policy, g->generation, err, size)) < 0 ||
	    (g->worker.pid != 0 && (r = worker_ask(g, &m, -1)) < 0)) {
		char again[200];

		*p = was;
		if (panic_filter(g, g->policy, g->generation, again, sizeof(again)) < 0)
			log_error("filter: %s", again);
		return r;
	}
	return g->worker.pid != 0 ? CTL_LATER : 0;
}

int
panic_asked(struct guard *g, struct ctl_request *rq, uint64_t for_s, char *err, size_t size)
{
	const char *name = json_string_value(json_object_get(rq->args, "mode"));
	enum panic_mode mode = PANIC_OFF, was = g->panic.mode;
	int r;

	while (name && mode <= PANIC_ISLAND && strcmp(name, names[mode]) != 0)
		mode++;
	if (!name || mode > PANIC_ISLAND || for_s > FOR_MAX_S || (mode == PANIC_OFF && for_s != 0))
		return err_say(err, size, ERR_USAGE, "panic: mode open, island or off; for_s to %u",
		    FOR_MAX_S);
	if (mode == PANIC_OFF && was == PANIC_OFF)
		return err_say(err, size, ERR_USAGE, "there is no panic");
	if (g->panic.ctl_token != 0)
		return err_say(err, size, ERR_AGAIN, "somebody is at the switch; try again");
	if ((r = set(g, mode, for_s * NS_PER_S, err, size)) < 0)
		return r;
	(void)snprintf(g->panic.who, sizeof(g->panic.who), "by user %u (process %d)",
	    (unsigned)rq->uid, (int)rq->pid);
	tell(g, was);
	if (r == CTL_LATER)
		g->panic.ctl_token = rq->token;
	return r;
}

void
panic_step(struct guard *g)
{
	enum panic_mode was = g->panic.mode;
	char err[200] = "";

	if (g->panic.deadline_ns == 0 || g->now_ns < g->panic.deadline_ns)
		return;
	if (set(g, PANIC_OFF, 0, err, sizeof(err)) < 0) {
		log_error("PANIC: cannot end yet: %s", err);
		g->panic.deadline_ns = g->now_ns + RETRY_NS;
		return;
	}
	(void)snprintf(g->panic.who, sizeof(g->panic.who), "its time has passed");
	tell(g, was);
}

void
panic_answer(struct guard *g, int result)
{
	answer(g, result, result < 0 ? err_str(result) : NULL);
}

void
panic_worker_gone(struct guard *g)
{
	answer(g, 0, NULL); /* the next one begins with it */
}

void
panic_ends(struct guard *g, const char *why)
{
	enum panic_mode was = g->panic.mode;

	if (was == PANIC_OFF)
		return;
	g->panic = (struct panic){.mode = PANIC_OFF};
	(void)snprintf(g->panic.who, sizeof(g->panic.who), "%s", why);
	tell(g, was);
}

const char *
panic_name(const struct guard *g)
{
	return names[g->panic.mode];
}
