/* SPDX-License-Identifier: Apache-2.0 */
/* window.c - when windows are open.  Cold: once a second. */
#include "policy/window.h"

#include <stdio.h>
#include <string.h>

#include "policy/table.h"

#define SECOND_NS UINT64_C(1000000000)
#define DAY_S	  86400
#define WEEK_MIN  10080

/* --- hours ------------------------------------------------------------------------------- */

static bool
window_hours(const struct window *w, int64_t unix_s)
{
	int64_t there = unix_s + tz_offset(w->turn, w->n_turns, unix_s);
	int64_t day = there / DAY_S - (there % DAY_S < 0), in_day = there - day * DAY_S;
	/* 1970-01-01 was a Thursday. */
	int64_t minute = ((day % 7 + 7 + 3) % 7 * DAY_S + in_day) / 60;

	if (w->week.n != 0 && ivals_has(&w->week, (uint32_t)(minute % WEEK_MIN)))
		return true;
	for (uint32_t i = 0; i < w->dates.n; i++)
		if (there >= 0 && w->dates.v[i].lo <= (uint64_t)there &&
		    (uint64_t)there <= w->dates.v[i].hi)
			return true;
	return false;
}

uint64_t
policy_hours(const struct policy *p, int64_t unix_s)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < p->rs->n_windows; i++)
		bits |= (uint64_t)window_hours(&p->rs->windows[i], unix_s) << i;
	return bits;
}

/* --- asking ------------------------------------------------------------------------------ */

uint32_t
policy_window_count(const struct policy *p)
{
	return p->rs->n_windows;
}

const char *
policy_window_name(const struct policy *p, uint32_t window)
{
	return window < p->rs->n_windows ? p->rs->windows[window].name : "-";
}

bool
policy_window_needs_permit(const struct policy *p, uint32_t window)
{
	return window < p->rs->n_windows && p->rs->windows[window].needs_permit;
}

uint64_t
policy_rule_windows(const struct policy *p, uint32_t rule)
{
	return rule < p->rs->n_rules ? p->rs->rules[rule]->only_in : 0;
}

const uint8_t *
policy_permit_key(const struct policy *p, uint32_t i)
{
	return i < p->rs->n_permit_keys ? p->rs->permit_key[i] : NULL;
}

uint32_t
policy_permit_max_s(const struct policy *p)
{
	return p->rs->permit_max_s;
}

uint32_t
policy_grace_s(const struct policy *p)
{
	return p->rs->grace_s;
}

bool
policy_clock_synchronised(const struct policy *p)
{
	return p->rs->clock_sync;
}

/* --- the clock itself ---------------------------------------------------------------------- */

void
windows_permit(struct windows *w, unsigned i, const struct policy_permit *fit,
    const struct permit *m, uint64_t until_s)
{
	w->clock.permit[i] = *fit;
	(void)snprintf(w->text[i], sizeof(w->text[i]), "%.48s, by %.70s", m->id, m->by);
	w->permit[i].windows = fit->windows;
	w->permit[i].from_s = m->from_s;
	w->permit[i].until_s = until_s;
	w->permit[i].state = PERMIT_OPEN;
	w->permit[i].over_ns = 0;
}

void
windows_revoke(struct windows *w, unsigned i, uint64_t over_ns)
{
	if (w->permit[i].state != PERMIT_OPEN)
		return;
	w->permit[i].state = PERMIT_ENDING;
	w->permit[i].over_ns = over_ns;
}

/* A permit's bits and its windows, now. */
static bool
step_permit(struct windows *w, unsigned i, int64_t unix_s, uint64_t steady_ns, uint64_t grace_ns)
{
	struct policy_clock *c = &w->clock;
	uint16_t bit = (uint16_t)(1u << i);
	bool time = unix_s >= 0 && (uint64_t)unix_s < w->permit[i].until_s;
	bool was = (c->permits & bit) != 0, is;

	if (w->permit[i].state == PERMIT_OPEN && !time)
		windows_revoke(w, i, steady_ns + grace_ns);
	is = w->permit[i].state == PERMIT_OPEN && (uint64_t)unix_s >= w->permit[i].from_s &&
	     (w->permit[i].windows & c->hours) != 0;
	c->permits = (uint16_t)(is ? c->permits | bit : c->permits & ~bit);
	if (is) {
		c->permit[i].windows = w->permit[i].windows & c->hours;
		c->ending = (uint16_t)(c->ending & ~bit);
		return false;
	}
	if (was) { /* hours over, revoked, or its time is: what runs may go on */
		c->permit[i].windows = w->permit[i].windows;
		c->ending |= bit;
		if (w->permit[i].over_ns == 0 || w->permit[i].state == PERMIT_OPEN)
			w->permit[i].over_ns = steady_ns + grace_ns;
	}
	if (!(c->ending & bit) && w->permit[i].state != PERMIT_ENDING)
		return false;
	if (steady_ns < w->permit[i].over_ns)
		return false;
	c->ending = (uint16_t)(c->ending & ~bit);
	if (w->permit[i].state == PERMIT_ENDING)
		w->permit[i].state = PERMIT_NONE;
	return true;
}

bool
windows_step(
    struct windows *w, const struct policy *p, int64_t unix_s, uint64_t steady_ns, bool trusted)
{
	struct policy_clock *c = &w->clock;
	uint64_t grace_ns = policy_grace_s(p) * SECOND_NS, was = c->open;
	bool over = false;

	c->hours = trusted ? policy_hours(p, unix_s) : 0;
	c->open = c->hours & ~window_permits(p->rs);
	c->grace &= ~c->open;
	for (uint64_t m = was & ~c->open; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		w->over_ns[i] = steady_ns + grace_ns;
		c->grace |= UINT64_C(1) << i;
	}
	for (uint64_t m = c->grace; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		if (steady_ns < w->over_ns[i])
			continue;
		c->grace &= ~(UINT64_C(1) << i);
		over = true;
	}
	for (unsigned i = 0; i < PERMITS_MAX; i++)
		if (w->permit[i].state != PERMIT_NONE)
			over |= step_permit(w, i, unix_s, steady_ns, grace_ns);
	return over;
}
