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

#define IDS_MAX 200 /* names that a search text may fit */

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
name_id(struct sqlite3 *db, const char *text)
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

/* "1,2,3" of the names that have the text in them; their number. */
static unsigned
names_like(struct sqlite3 *db, const char *text, char *out, size_t size)
{
	char pattern[300];
	sqlite3_stmt *st;
	unsigned k = 0;
	size_t n = 0;

	query_like(text, pattern, sizeof(pattern));
	st = db_query(db, "SELECT id FROM name WHERE text LIKE ? ESCAPE '\\' LIMIT ?", "ti",
	    pattern, (int64_t)IDS_MAX);
	out[0] = '\0';
	while (st && sqlite3_step(st) == SQLITE_ROW && n + 24 < size) {
		n += (size_t)snprintf(out + n, size - n, "%s%lld", k ? "," : "",
		    (long long)sqlite3_column_int64(st, 0));
		k++;
	}
	sqlite3_finalize(st);
	return k;
}

static void
by_name(struct call *c, struct sqlite3 *db, struct filter *f, const char *arg, const char *column)
{
	const char *s = call_arg(c, arg);
	int64_t id;

	if (!s || !*s)
		return;
	if ((id = name_id(db, s)) == 0)
		f->nothing = true;
	and(f, "a.%s = %lld", column, (long long)id);
}

static void
by_sensor(struct call *c, struct sqlite3 *db, struct filter *f)
{
	const char *s = call_arg(c, "sensor");
	int64_t id;

	if (!s || !*s)
		return;
	id = db_number(db, 0,
	    "SELECT id FROM sensor WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC", "t", s);
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

static void
by_text(struct call *c, struct sqlite3 *db, struct filter *f)
{
	const char *q = call_arg(c, "q"), *tech = call_arg(c, "technique");
	static const char *const in[] = {
	    "sig", "src", "dst", "rule", "object", "op", "src_ip", "dst_ip", "conduit"};
	char ids[1024];

	if (tech && *tech) {
		if (names_like(db, tech, ids, sizeof(ids)) == 0)
			f->nothing = true;
		and(f, "a.tech IN (%s)", ids[0] ? ids : "0");
	}
	if (!q || !*q)
		return;
	/* Whoever runs it puts the numbers of the names in front, as `hits`. */
	and(f, "(a.%s IN (SELECT id FROM hits)", in[0]);
	for (size_t i = 1; i < sizeof(in) / sizeof(in[0]); i++) {
		size_t n = strlen(f->where);

		(void)snprintf(
		    f->where + n, sizeof(f->where) - n, " OR a.%s IN (SELECT id FROM hits)", in[i]);
	}
	(void)strncat(f->where, ")", sizeof(f->where) - strlen(f->where) - 1);
}

bool
query_filter(struct call *c, struct sqlite3 *db, struct filter *f)
{
	const char *device = call_arg(c, "device"), *action = call_arg(c, "action"),
		   *rule = call_arg(c, "rule");
	int64_t from = call_number(c, "from", 0, INT64_MAX),
		to = call_number(c, "to", 0, INT64_MAX);
	int64_t incident = call_number(c, "incident", 0, INT64_MAX);

	memset(f, 0, sizeof(*f));
	f->index = "alert_time";
	by_severity(c, f);
	by_sensor(c, db, f);
	by_name(c, db, f, "site", "site");
	by_name(c, db, f, "proto", "proto");
	by_name(c, db, f, "rule", "rule");
	if (rule && *rule)
		f->index = "alert_rule";
	if (action && *action)
		and(f, "a.blocked = %d", strcmp(action, "blocked") == 0);
	if (incident) {
		and(f, "a.incident = %lld", (long long)incident);
		f->index = "alert_incident";
	}
	if (from)
		and(f, "a.time >= %lld", (long long)from);
	if (to)
		and(f, "a.time < %lld", (long long)to);
	if (device && *device) {
		f->index = NULL;
		if ((f->device = name_id(db, device)) == 0)
			f->nothing = true;
	}
	by_text(c, db, f);
	return true;
}
