/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_window.c - windows:, permits:, only-in:.
 *
 *	when: "Sun 22:00-02:00"                        every week; an end before the start is the next day's
 *	      ["Mon-Fri 06:00-22:00", "Sat 06:00-14:00"]    any of several
 *	      "daily 06:00-22:00"
 *	      "2026-12-24 06:00..2027-01-02 22:00"     once
 */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "policy/check.h"

#define DAY_MIN	    1440u
#define WEEK_MIN    (7 * DAY_MIN)
#define WHEN_MAX    64u	    /* entries of one window */
#define MAX_S	    604800u /* max: of a permit: a week */
#define GRACE_MAX_S 3600u

static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", NULL};

/* n decimal digits, at most max; false when they are not. */
static bool
digits(const char **s, unsigned n, unsigned max, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*out = *out * 10 + (unsigned)(**s - '0');
	}
	return *out <= max;
}

static bool
one_char(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* "22:00", "24:00" as the end of a day; minutes. */
static bool
clock_time(const char **s, unsigned *min)
{
	unsigned h, m;

	if (!digits(s, 2, 24, &h) || !one_char(s, ':') || !digits(s, 2, 59, &m) ||
	    (h == 24 && m != 0))
		return false;
	*min = h * 60 + m;
	return true;
}

static bool
day_name(const char **s, unsigned *day)
{
	for (*day = 0; days[*day]; (*day)++)
		if (strncmp(*s, days[*day], 3) == 0) {
			*s += 3;
			return true;
		}
	return false;
}

/* "Mon", "Mon-Fri", "Mon,Wed", "Fri-Mon", "daily"; bit per day. */
static bool
day_list(const char **s, unsigned *mask)
{
	unsigned a, b;

	*mask = 0;
	if (strncmp(*s, "daily", 5) == 0) {
		*s += 5;
		*mask = 0x7f;
		return true;
	}
	do {
		if (!day_name(s, &a))
			return false;
		b = a;
		if (one_char(s, '-') && !day_name(s, &b))
			return false;
		for (;; a = (a + 1) % 7) {
			*mask |= 1u << a;
			if (a == b)
				break;
		}
	} while (one_char(s, ','));
	return true;
}

static bool
when_week(struct check *k, const char *s, struct window *w)
{
	unsigned mask, from, to;

	if (!day_list(&s, &mask) || !one_char(&s, ' '))
		return false;
	while (*s == ' ')
		s++;
	if (!clock_time(&s, &from) || !one_char(&s, '-') || !clock_time(&s, &to) || *s != '\0' ||
	    from == to || from == DAY_MIN)
		return false;
	if (to < from)
		to += DAY_MIN; /* of the next day */
	for (unsigned d = 0; d < 7; d++) {
		uint32_t lo = d * DAY_MIN + from, hi = d * DAY_MIN + to - 1;

		if (!(mask >> d & 1))
			continue;
		vec_push(k->keep, &w->week, ((struct ival){lo, hi < WEEK_MIN ? hi : WEEK_MIN - 1}));
		if (hi >= WEEK_MIN) /* Sunday night */
			vec_push(k->keep, &w->week, ((struct ival){0, hi - WEEK_MIN}));
	}
	return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t
day_number(unsigned y, unsigned m, unsigned d)
{
	static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	unsigned leaps = (y - 1) / 4 - (y - 1) / 100 + (y - 1) / 400 - 477;
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return (int64_t)(y - 1970) * 365 + leaps + before[m - 1] + (m > 2 && leap) + d - 1;
}

static bool
date_ok(unsigned y, unsigned m, unsigned d)
{
	static const uint8_t most[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return m >= 1 && m <= 12 && d >= 1 && d <= most[m - 1] && (m != 2 || d < 29 || leap);
}

/* "2026-12-24 06:00", seconds on that clock. */
static bool
date_time(const char **s, uint64_t *out)
{
	unsigned y, m, d, min;

	if (!digits(s, 4, 9999, &y) || y < 1990 || !one_char(s, '-') || !digits(s, 2, 12, &m) ||
	    !one_char(s, '-') || !digits(s, 2, 31, &d) || !date_ok(y, m, d) || !one_char(s, ' ') ||
	    !clock_time(s, &min))
		return false;
	*out = (uint64_t)day_number(y, m, d) * 86400 + min * UINT64_C(60);
	return true;
}

static bool
when_dates(struct check *k, const char *s, struct window *w)
{
	uint64_t from, to;

	if (!date_time(&s, &from))
		return false;
	while (*s == ' ')
		s++;
	if (!one_char(&s, '.') || !one_char(&s, '.'))
		return false;
	while (*s == ' ')
		s++;
	if (!date_time(&s, &to) || *s != '\0' || to <= from)
		return false;
	vec_push(k->keep, &w->dates, ((struct span){from, to - 1}));
	return true;
}

static void
check_when(struct check *k, const struct ynode *n, const char *who, struct window *w)
{
	const char *s;

	if (n->kind == Y_MAP || list_n(n) == 0 || list_n(n) > WHEN_MAX) {
		check_error(k, n, "%s: when: expected 1 to %u times", who, WHEN_MAX);
		return;
	}
	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *at = list_at(n, i);

		if (!check_text(k, at, who, &s))
			continue;
		if (!when_week(k, s, w) && !when_dates(k, s, w))
			check_error(k, at,
			    "%s: when: \"%.60s\" is not a time such as \"Mon-Fri 06:00-22:00\", "
			    "\"daily 22:00-02:00\" or \"2026-12-24 06:00..2027-01-02 22:00\"",
			    who, s);
	}
	ivals_normalise(&w->week);
}

static void
check_zone_time(struct check *k, const struct ynode *n, const char *who, struct window *w)
{
	const struct tz *z;
	struct tz_turn *turn;
	const char *s;

	if (!check_text(k, n, who, &s))
		return;
	z = tz_lookup(s);
	if (!z) {
		check_error(k, n,
		    "%s: tz: there is no time zone \"%.60s\" here (as in Europe/Berlin, UTC)", who,
		    s);
		return;
	}
	for (uint32_t i = 0; i < k->rs->n_windows; i++) /* the table once per zone */
		if (k->rs->windows[i].tz && strcmp(k->rs->windows[i].tz, s) == 0) {
			w->tz = k->rs->windows[i].tz;
			w->turn = k->rs->windows[i].turn;
			w->n_turns = k->rs->windows[i].n_turns;
			return;
		}
	turn = arena_array(k->keep, z->n, sizeof(*turn));
	memcpy(turn, z->turn, z->n * sizeof(*turn));
	w->tz = arena_strn(k->keep, s, strlen(s));
	w->turn = turn;
	w->n_turns = z->n;
}

static void
check_window(struct check *k, const struct ynode *key, const struct ynode *n, struct window *w)
{
	enum { WHEN, TZ, MAX, NEEDS, N };
	static const struct field fields[N] = {
	    {"when", FIELD_MUST}, {"tz", FIELD_MUST}, {"max", FIELD_MAY}, {"needs", FIELD_MAY}};
	static const char *const needs[] = {"permit", NULL};
	const struct ynode *v[N];
	struct what what = {""};
	const char *who = what_name(&what, "window", key->s);
	unsigned word;

	w->place = place_of(key);
	if (!check_map(k, n, who, fields, N, v, NULL, NULL))
		return;
	if (v[WHEN])
		check_when(k, v[WHEN], who, w);
	if (v[TZ])
		check_zone_time(k, v[TZ], who, w);
	if (v[NEEDS])
		w->needs_permit = check_word(k, v[NEEDS], who, needs, &word);
	if (v[MAX] && check_seconds(k, v[MAX], who, MAX_S, &w->max_s) && !v[NEEDS])
		check_error(k, v[MAX],
		    "%s: max: is how long a permit opens it: it goes with needs: permit", who);
}

/* Of one file the reader has said it. */
static bool
window_new_name(struct check *k, const struct ynode *key, const char *name)
{
	struct where at;

	for (uint32_t i = 0; i < k->rs->n_windows; i++)
		if (strcmp(k->rs->windows[i].name, name) == 0) {
			check_error(k, key, "window \"%s\": %s already has a window of that name",
			    name, where_is(k->c, &k->rs->windows[i].place, &at));
			return false;
		}
	return true;
}

void
check_windows(struct check *k, const struct ynode *n)
{
	struct ruleset *rs = k->rs;

	if (n->kind != Y_MAP) {
		check_error(k, n, "windows: expected a map of windows by name");
		return;
	}
	if (n->n > WINDOWS_MAX) {
		check_error(k, n, "windows: a policy has at most %u", WINDOWS_MAX);
		return;
	}
	rs->windows = arena_array(k->keep, n->n + 1, sizeof(*rs->windows));
	for (uint32_t i = 0; i < n->n; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];
		struct window *w = &rs->windows[rs->n_windows];

		if (!check_name(k, key, "window", &w->name) || !window_new_name(k, key, w->name))
			continue;
		check_window(k, key, n->kids[2 * (size_t)i + 1], w);
		rs->n_windows++;
	}
}

void
check_permits(struct check *k, const struct ynode *n)
{
	enum { KEYS, MAX, GRACE, CLOCK, N };
	static const struct field fields[N] = {
	    {"keys", FIELD_MUST}, {"max", FIELD_MAY}, {"grace", FIELD_MAY}, {"clock", FIELD_MAY}};
	static const char *const clocks[] = {"steady", "synchronised", NULL};
	const struct ynode *v[N];
	struct ruleset *rs = k->rs;
	const char *s;
	unsigned word;
	size_t len;

	if (!check_map(k, n, "permits", fields, N, v, NULL, NULL))
		return;
	if (v[MAX])
		check_seconds(k, v[MAX], "permits: max", MAX_S, &rs->permit_max_s);
	if (v[GRACE])
		check_seconds(k, v[GRACE], "permits: grace", GRACE_MAX_S, &rs->grace_s);
	if (v[CLOCK] && check_word(k, v[CLOCK], "permits: clock", clocks, &word))
		rs->clock_sync = word == 1;
	if (!v[KEYS])
		return;
	if (v[KEYS]->kind == Y_MAP || list_n(v[KEYS]) == 0 || list_n(v[KEYS]) > PERMIT_KEYS) {
		check_error(k, v[KEYS], "permits: keys: expected 1 to %u public keys", PERMIT_KEYS);
		return;
	}
	rs->permit_key = arena_array(k->keep, list_n(v[KEYS]) + 1, sizeof(*rs->permit_key));
	for (uint32_t i = 0; i < list_n(v[KEYS]); i++) {
		const struct ynode *at = list_at(v[KEYS], i);

		if (!check_text(k, at, "permits: keys", &s))
			continue;
		if (crypto_b64url_decode(s, at->n, rs->permit_key[rs->n_permit_keys], 32, &len) ==
			0 &&
		    len == 32)
			rs->n_permit_keys++;
		else
			check_error(k, at,
			    "permits: keys: \"%.60s\" is not an Ed25519 public key: the 43 "
			    "characters of \"x\" in FILE.pub (interlock key show --jwk)",
			    s);
	}
}

void
check_only_in(struct check *k, const struct ynode *n, const char *who, uint64_t *out)
{
	const char *names[WINDOWS_MAX + 1], *s, *near;
	struct ruleset *rs = k->rs;
	uint32_t w;

	if (n->kind == Y_MAP || list_n(n) == 0) {
		check_error(k, n, "%s: only-in: expected a window, or a list of them", who);
		return;
	}
	for (w = 0; w < rs->n_windows; w++)
		names[w] = rs->windows[w].name;
	names[w] = NULL;
	for (uint32_t i = 0; i < list_n(n); i++) {
		if (!check_text(k, list_at(n, i), who, &s))
			continue;
		for (w = 0; w < rs->n_windows && strcmp(rs->windows[w].name, s) != 0; w++)
			;
		if (w < rs->n_windows) {
			*out |= UINT64_C(1) << w;
			rs->windows[w].used = true;
			continue;
		}
		near = complain_nearest(s, names);
		check_error(k, list_at(n, i), "%s: only-in: there is no window \"%.60s\"%s%s%s",
		    who, s, near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
}
