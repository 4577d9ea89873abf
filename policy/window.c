/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window.c - when windows are open, and what a permit is in the numbers of a policy.  Cold: once a
 * second, or when a permit comes.
 */
#include "policy/window.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
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

/* Windows that need a permit. */
static uint64_t
permit_windows(const struct ruleset *rs)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < rs->n_windows; i++)
		bits |= (uint64_t)rs->windows[i].needs_permit << i;
	return bits;
}

/* --- a permit in the numbers of a policy -------------------------------------------------- */

static int __attribute__((format(printf, 4, 5)))
unfit(char *err, size_t size, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return code;
}

static int
fit_ends(const struct ruleset *rs, const char (*names)[PERMIT_NAME], uint8_t n, const char *side,
    struct net_addr *out, char *err, size_t size)
{
	if (n == 0 || n > PERMIT_ENDS)
		return unfit(err, size, ERR_RANGE, "%s: 1 to %u devices", side, PERMIT_ENDS);
	for (uint8_t i = 0; i < n; i++) {
		uint32_t d = 0;

		while (d < rs->n_devices && strcmp(rs->devices[d].name, names[i]) != 0)
			d++;
		if (d == rs->n_devices)
			return unfit(err, size, ERR_NOTFOUND,
			    "%s: the policy has no device \"%.64s\"", side, names[i]);
		out[i] = rs->devices[d].ip;
	}
	return 0;
}

static bool
same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return *a == *b;
}

/* The functions of a protocol that a word stands for. */
static bool
word_ops(const struct dis_schema *sc, const char *word, uint64_t *ops)
{
	bool all = strcmp(word, "all") == 0, hit = false;
	int set = -1;

	for (int i = 0; sc->sets && sc->sets[i]; i++)
		if (same_word(sc->sets[i], word))
			set = i;
	for (unsigned i = 0; i < sc->n_ops; i++) {
		const struct dis_op *op = &sc->ops[i];

		if (all	       ? !op->known
		    : set >= 0 ? !(op->sets >> set & 1)
			       : !same_word(op->name, word))
			continue;
		ops[op->opx / 64] |= UINT64_C(1) << (op->opx % 64);
		hit = true;
	}
	return hit;
}

static int
fit_functions(const struct ruleset *rs, const struct permit *m, struct policy_permit *out,
    char *err, size_t size)
{
	out->all = m->n_functions == 0;
	if (m->n_functions > PERMIT_WORDS)
		return unfit(err, size, ERR_RANGE, "functions: at most %u", PERMIT_WORDS);
	for (uint8_t i = 0; i < m->n_functions; i++) {
		bool hit = false;

		for (uint32_t c = 0; c < rs->n_conduits; c++) {
			if (out->conduit != RULE_NONE ? c != out->conduit
						      : !(rules_windows(rs, c) & out->windows))
				continue;
			for (uint32_t b = 0; b < rs->conduits[c].n_blocks; b++) {
				const struct block *bl = &rs->conduits[c].blocks[b];

				if (bl->proto >= PERMIT_PROTOS ||
				    bl->dis->schema->n_opx > PERMIT_OPX)
					return unfit(err, size, ERR_RANGE, "functions: not for %s",
					    bl->dis->name);
				hit |=
				    word_ops(bl->dis->schema, m->functions[i], out->ops[bl->proto]);
			}
		}
		if (!hit)
			return unfit(err, size, ERR_NOTFOUND,
			    "functions: no protocol of these conduits has \"%.64s\"",
			    m->functions[i]);
	}
	return 0;
}

static int
fit_places(const struct ruleset *rs, const struct permit *m, struct policy_permit *out, char *err,
    size_t size)
{
	uint64_t may = permit_windows(rs), spoken = 0;
	uint32_t i;

	out->conduit = RULE_NONE;
	if (m->window[0] == '\0' && m->conduit[0] == '\0')
		return unfit(err, size, ERR_RANGE, "it names neither window nor conduit");
	if (m->window[0]) {
		for (i = 0; i < rs->n_windows && strcmp(rs->windows[i].name, m->window) != 0; i++)
			;
		if (i == rs->n_windows)
			return unfit(err, size, ERR_NOTFOUND, "the policy has no window \"%.64s\"",
			    m->window);
		if (!rs->windows[i].needs_permit)
			return unfit(
			    err, size, ERR_RANGE, "window \"%.64s\" needs no permit", m->window);
		may = UINT64_C(1) << i;
	}
	if (m->conduit[0]) {
		for (i = 0; i < rs->n_conduits && strcmp(rs->conduits[i].name, m->conduit) != 0;
		     i++)
			;
		if (i == rs->n_conduits)
			return unfit(err, size, ERR_NOTFOUND, "the policy has no conduit \"%.64s\"",
			    m->conduit);
		out->conduit = i;
		spoken = rules_windows(rs, i);
	} else {
		for (i = 0; i < rs->n_conduits; i++)
			spoken |= rules_windows(rs, i);
	}
	out->windows = may & spoken;
	if (out->windows == 0)
		return unfit(err, size, ERR_RANGE,
		    "nothing in %s%.64s is only-in a window that needs a permit",
		    m->conduit[0] ? "conduit " : "the policy", m->conduit);
	return 0;
}

int
policy_permit_fit(const struct policy *p, const struct permit *m, struct policy_permit *out,
    char *err, size_t size)
{
	const struct ruleset *rs = p->rs;
	uint32_t k = 0;
	int r;

	memset(out, 0, sizeof(*out));
	while (k < rs->n_permit_keys && memcmp(rs->permit_key[k], m->key, 32) != 0)
		k++;
	if (k == rs->n_permit_keys)
		return unfit(
		    err, size, ERR_NOTFOUND, "signed by a key that is not among permits: keys");
	if (strcmp(m->site, rs->site) != 0)
		return unfit(err, size, ERR_RANGE, "it is for site \"%.96s\", this is \"%.96s\"",
		    m->site, rs->site);
	if ((r = fit_places(rs, m, out, err, size)) < 0 ||
	    (r = fit_ends(rs, m->from, m->n_from, "from", out->from, err, size)) < 0 ||
	    (r = fit_ends(rs, m->to, m->n_to, "to", out->to, err, size)) < 0)
		return r;
	out->n_from = m->n_from;
	out->n_to = m->n_to;
	return fit_functions(rs, m, out, err, size);
}

uint64_t
policy_permit_until(
    const struct policy *p, const struct permit *m, const struct policy_permit *fit, uint64_t now_s)
{
	const struct ruleset *rs = p->rs;
	uint64_t until = m->until_s;

	if (m->max_s && now_s + m->max_s < until)
		until = now_s + m->max_s;
	if (rs->permit_max_s && now_s + rs->permit_max_s < until)
		until = now_s + rs->permit_max_s;
	for (uint32_t i = 0; i < rs->n_windows; i++)
		if (fit->windows >> i & 1 && rs->windows[i].max_s &&
		    now_s + rs->windows[i].max_s < until)
			until = now_s + rs->windows[i].max_s;
	return until;
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
	c->open = c->hours & ~permit_windows(p->rs);
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
