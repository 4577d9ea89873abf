/* SPDX-License-Identifier: Apache-2.0 */
/* filter.c - the filter of a list of alerts: parameters to SQL that has numbers only. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/collector.h"
#include "collector/feed.h"
#include "collector/query.h"
#include "collector/store.h"

#define FILTER_HIT 1200u /* bytes of what asks for a text */
#define LIST_MAX   2000	 /* names that a text may fit and still be looked for one by one */

static void and (struct filter * f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void and (struct filter * f, const char *fmt, ...)
{
	size_t n = strlen(f->where);
	va_list ap;

	n += (size_t)snprintf(f->where + n, sizeof(f->where) - n, "%s", n ? " AND " : "");
	va_start(ap, fmt);
	if (n < sizeof(f->where) &&
	    (size_t)vsnprintf(f->where + n, sizeof(f->where) - n, fmt, ap) >= sizeof(f->where) - n)
		f->nothing = true; /* cannot be: parts are bounded */
	va_end(ap);
}

static int64_t
name_id(struct db *db, const char *text)
{
	return db_number(db, 0, "SELECT id FROM name WHERE text = ?", "t", text);
}

/* %text% for LIKE ... ESCAPE '\'. */
void
query_like(const char *text, char *out, size_t size)
{
	size_t n = 0;

	out[n++] = '%';
	for (; *text && n + 4 < size; text++) {
		if (*text == '%' || *text == '_' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n++] = '%';
	out[n] = '\0';
}

/* Three characters are what names are indexed by. */
static bool
long_enough(const char *text)
{
	unsigned n = 0;

	for (; *text && n < 3; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n == 3;
}

/* A statement that gives the names with that text in them. */
static struct db_stmt *
names_with(struct db *db, const char *text)
{
	char pattern[600];
	size_t n = 0;

	if (!long_enough(text) || db_finds_like(db)) {
		query_like(text, pattern, sizeof(pattern));
		return db_query(
		    db, "SELECT id FROM name WHERE text LIKE ? ESCAPE '\\'", "t", pattern);
	}
	pattern[n++] = '"'; /* a phrase of the index's language: quotes are doubled in it */
	for (; *text && n + 3 < sizeof(pattern); text++) {
		if (*text == '"')
			pattern[n++] = '"';
		pattern[n++] = *text;
	}
	pattern[n++] = '"';
	pattern[n] = '\0';
	return db_query(db, "SELECT rowid FROM name_text WHERE name_text MATCH ?", "t", pattern);
}

static void
set_list(struct filter_set *s, const int64_t *id, size_t n)
{
	size_t size = n * 21 + 3, at = 0;

	if (!(s->list = malloc(size)))
		return;
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(
		    s->list + at, size - at, "%c%lld", i ? ',' : '[', (long long)id[i]);
	(void)snprintf(s->list + at, size - at, "]");
}

/* All names with that text in them.  False: there are none. */
static bool
set_with(struct db *db, struct filter_set *s, const char *text)
{
	int64_t id[LIST_MAX], most = db_number(db, 0, "SELECT max(id) FROM name", "");
	struct db_stmt *st = names_with(db, text);
	size_t n = 0;

	s->n_bytes = (size_t)most / 8 + 1;
	s->bits = calloc(1, s->n_bytes);
	while (st && s->bits && db_step(st) == DB_ROW) {
		int64_t one = db_i64(st, 0);

		if (one < 0 || one > most) /* it came just now */
			continue;
		s->bits[one / 8] |= (uint8_t)(1u << one % 8);
		if (n < LIST_MAX)
			id[n] = one;
		n++;
	}
	db_finalize(st);
	if (n > 0 && n <= LIST_MAX)
		set_list(s, id, n);
	return n > 0;
}

/* One name, of a column that `seen` is about. */
static void
set_one(struct filter *f, int64_t id)
{
	if (f->n_one < FILTER_SETS)
		set_list(&f->one[f->n_one++], &id, 1);
}

static void
by_name(struct call *c, struct db *db, struct filter *f, const char *arg, const char *column)
{
	const char *s = call_arg(c, arg);
	int64_t id;

	if (!s || !*s)
		return;
	if ((id = name_id(db, s)) == 0)
		f->nothing = true;
	and(f, "a.%s = %lld", column, (long long)id);
	set_one(f, id);
}

static void
by_sensor(struct call *c, struct db *db, struct filter *f)
{
	const char *s = call_arg(c, "sensor");
	int64_t id;

	if (!s || !*s)
		return;
	id = db_number(db, 0,
	    "SELECT id FROM sensor WHERE name = ?1 OR CAST(id AS TEXT) = ?1 ORDER BY name = ?1 "
	    "DESC",
	    "t", s);
	if (id == 0)
		f->nothing = true;
	and(f, "a.sensor = %lld", (long long)id);
	f->index = "alert_sensor";
}

static void
by_severity(struct call *c, struct filter *f)
{
	const char *s = call_arg(c, "severity");
	bool has[4] = {false};

	if (!s || !*s)
		return;
	for (; *s; s++)
		if (*s >= '1' && *s <= '3')
			has[*s - '0'] = true;
	if (has[1] && !has[2] && !has[3])
		f->index = "alert_high";
	and(f, "a.sev IN (%d,%d,%d)", has[1] ? 1 : 0, has[2] ? 2 : 0, has[3] ? 3 : 0);
	if (has[1] && !has[2] && !has[3])
		and(f, "a.sev = 1"); /* as the index has it */
}

/* One of these columns has a name of the set, which is bound as bits.  A server has no such function of ours that is quick: it reads
 * the bits itself; names that came since are none of them. */
static void
hit(struct db *db, struct filter *f, const struct filter_set *s, int bound, const char *const *cols)
{
	char sql[FILTER_HIT] = "";
	size_t n = 0;

	for (size_t i = 0; cols[i]; i++)
		n += (size_t)(db_finds_like(db)
				  ? snprintf(sql + n, sizeof(sql) - n,
					"%sCASE WHEN a.%s < %zu THEN get_bit(CAST(?%d AS BYTEA), "
					"a.%s) "
					"END = 1",
					i ? " OR " : "", cols[i], 8 * s->n_bytes, bound, cols[i])
				  : snprintf(sql + n, sizeof(sql) - n, ", a.%s", cols[i]));
	if (db_finds_like(db))
		and(f, "(%s)", sql);
	else
		and(f, "hit(?%d%s)", bound, sql);
}

void
query_filter_text(struct db *db, struct filter *f, const char *q)
{
	static const char *const cols[] = {
	    "sig", "src", "dst", "rule", "object", "op", "src_ip", "dst_ip", "conduit", NULL};

	f->sparse = true;
	if (!set_with(db, &f->text, q))
		f->nothing = true;
	hit(db, f, &f->text, 4, cols);
}

static void
by_text(struct call *c, struct db *db, struct filter *f)
{
	const char *q = call_arg(c, "q"), *tech = call_arg(c, "technique");

	if (tech && *tech) { /* an alert's techniques are one name: "T0855,T1692.001" */
		f->sparse = true;
		if (!set_with(db, &f->tech, tech))
			f->nothing = true;
		hit(db, f, &f->tech, 5, (const char *const[]){"tech", NULL});
	}
	if (q && *q)
		query_filter_text(db, f, q);
}

void
query_filter(struct call *c, struct db *db, struct filter *f)
{
	const char *device = call_arg(c, "device"), *action = call_arg(c, "action"),
		   *rule = call_arg(c, "rule");
	int64_t to = call_number(c, "to", 0, INT64_MAX),
		incident = call_number(c, "incident", 0, INT64_MAX);

	memset(f, 0, sizeof(*f));
	f->index = "alert_time";
	f->from = call_number(c, "from", 0, INT64_MAX);
	by_severity(c, f);
	by_sensor(c, db, f);
	by_name(c, db, f, "site", "site");
	by_name(c, db, f, "proto", "proto");
	f->sparse = f->n_one > 0;
	by_name(c, db, f, "rule", "rule");
	if (rule && *rule)
		f->index = "alert_rule";
	if (action && *action)
		and(f, "a.blocked = %d", strcmp(action, "blocked") == 0);
	if (f->from)
		and(f, "a.time >= %lld", (long long)f->from);
	if (to)
		and(f, "a.time < %lld", (long long)to);
	if (device && *device) {
		f->index = NULL;
		if ((f->device = name_id(db, device)) == 0)
			f->nothing = true;
		set_one(f, f->device);
	}
	by_text(c, db, f);
	f->sparse = f->sparse || f->n_one > 1;
	if (incident) { /* one is not much to read */
		and(f, "a.incident = %lld", (long long)incident);
		f->index = "alert_incident";
		f->device = 0;
		if (device && *device)
			and(f, "(a.src = %lld OR a.dst = %lld)", (long long)name_id(db, device),
			    (long long)name_id(db, device));
		f->sparse = false;
	}
}

void
query_filter_free(struct filter *f)
{
	free(f->text.list);
	free(f->text.bits);
	free(f->tech.list);
	free(f->tech.bits);
	for (unsigned i = 0; i < f->n_one; i++)
		free(f->one[i].list);
}
