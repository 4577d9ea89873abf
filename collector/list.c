/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - a page of alerts, newest first.  See query.h.
 *
 * What one index gives in order is read along that index.  What does not (a text, a technique, two things at once) is found
 * by the table `seen`: it has, for every name, in which SEEN_MS of time some alert had it.  The newest such stretch that every
 * set of the filter has a name in is read, then the one before it, until the page is full; the rest is never looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "collector/collector.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/store.h"

static bool
page_of(struct call *c, struct list_page *p, int64_t most)
{
	const char *s = call_arg(c, "cursor");
	char *end;

	*p = (struct list_page){INT64_MAX, INT64_MAX, call_number(c, "limit", 50, most)};
	if (p->limit < 1)
		p->limit = 1;
	if (!s || !*s)
		return true;
	p->time = strtoll(s, &end, 10);
	if (*end == '.') {
		p->id = strtoll(end + 1, &end, 10);
		if (*end == '\0')
			return true;
	}
	call_error(c, 400, "cursor", "the cursor is not one of ours");
	return false;
}

/* --- one statement ------------------------------------------------------------------------ */

#define NOTHING                                                                                    \
	100u /* stretches in a row that had all names and no alert with all of them: they do not meet */

/* Values: 1, 2 the time and number behind which, 3 how many, 4, 5 names as bits, 6 the least time. */
#define P_TEXT	4
#define P_TECH	5
#define P_LEAST 6

struct db_stmt *
query_list_statement(struct db *db, const struct filter *f)
{
	static const char ids[] =
	    "SELECT a.id AS id, a.time AS time FROM alert a INDEXED BY %s WHERE %s%s%s a.time >= "
	    "?6 AND"
	    " a.time <= ?1 AND (a.time < ?1 OR a.id < ?2) ORDER BY a.time DESC, a.id DESC LIMIT ?3";
	const char *and = f->where[0] ? " AND" : "";
	size_t size = 16384, n = 0;
	char *sql = malloc(size), side[96];
	struct db_stmt *st;

	if (!sql)
		return NULL;
	n += (size_t)snprintf(sql, size, "WITH page AS (");
	if (f->device) {
		snprintf(side, sizeof(side), "a.src = %lld AND ", (long long)f->device);
		n += (size_t)snprintf(sql + n, size - n, "SELECT * FROM (");
		n += (size_t)snprintf(sql + n, size - n, ids, "alert_src", side, f->where, and);
		snprintf(side, sizeof(side), "a.dst = %lld AND a.src <> %lld AND ",
		    (long long)f->device, (long long)f->device);
		n += (size_t)snprintf(sql + n, size - n, ") AS s UNION ALL SELECT * FROM (");
		n += (size_t)snprintf(sql + n, size - n, ids, "alert_dst", side, f->where, and);
		n += (size_t)snprintf(sql + n, size - n, ") AS d");
	} else {
		n += (size_t)snprintf(sql + n, size - n, ids, f->index, "", f->where, and);
	}
	(void)snprintf(sql + n, size - n,
	    ") SELECT %s FROM page JOIN alert a ON a.id = page.id ORDER BY a.time DESC, a.id DESC "
	    "LIMIT ?3",
	    query_alert_columns);
	st = db_query(db, sql, "");
	free(sql);
	if (st && f->text.bits)
		(void)db_bind(st, P_TEXT - 1, "b", f->text.bits, f->text.n_bytes);
	if (st && f->tech.bits)
		(void)db_bind(st, P_TECH - 1, "b", f->tech.bits, f->tech.n_bytes);
	return st;
}

void
query_list_bind(struct db_stmt *st, const struct list_page *p, int64_t least_ms)
{
	db_reset(st);
	(void)db_bind(st, 0, "iii", p->time, p->id, p->limit);
	(void)db_bind(st, P_LEAST - 1, "i", least_ms);
}

/* --- where it was seen --------------------------------------------------------------------- */

/* The newest stretch not behind t in which a name of the set was seen, or -1. */
static int64_t
seen(struct db_stmt *st, const struct filter_set *set, int64_t t)
{
	int64_t found = -1;

	if (!set->list)
		return t;
	db_reset(st);
	(void)db_bind(st, 0, "ti", set->list, t);
	if (db_step(st) == DB_ROW && !db_null(st, 0))
		found = db_i64(st, 0);
	return found;
}

/* The newest not behind t that has a name of each set; -1: none. */
static int64_t
stretch(struct db_stmt *st, const struct filter *f, int64_t t)
{
	int64_t before;

	do {
		before = t;
		t = seen(st, &f->text, t);
		if (t >= 0)
			t = seen(st, &f->tech, t);
		for (unsigned i = 0; i < f->n_one && t >= 0; i++)
			t = seen(st, &f->one[i], t);
	} while (t >= 0 && t != before);
	return t;
}

/* --- the page -------------------------------------------------------------------------------- */

/* Rows of one run into w, until limit.  True: there was one more. */
static bool
rows(struct jw *w, struct db_stmt *st, struct list_page *p, int64_t *left, int *rc)
{
	while ((*rc = db_step(st)) == DB_ROW) {
		if ((*left)-- == 0)
			return true;
		p->time = db_i64(st, C_TIME);
		p->id = db_i64(st, C_ID);
		jw_obj(w, NULL);
		query_alert_members(w, st);
		jw_close(w, '}');
	}
	return false;
}

/* Is there an index that reads less than everything? */
static bool
by_own_index(const struct filter *f)
{
	return f->device || strcmp(f->index, "alert_time") != 0;
}

static bool
by_stretch(struct jw *w, struct db *db, const struct filter *f, struct list_page *p,
    struct db_stmt *st, int *rc)
{
	struct db_stmt *where = db_query(db,
	    "SELECT max((SELECT max(t) FROM seen WHERE name = h.value AND t <= ?2)) FROM"
	    " json_each(?1) h",
	    "");
	int64_t newest = db_number(db, -1, "SELECT max(time) FROM alert", ""), left = p->limit,
		before, upto = p->time < newest ? p->time : newest,
		id = p->time < newest ? p->id : INT64_MAX;
	unsigned nothing = 0;
	bool more = false;

	*rc = DB_DONE;
	while (where && !more && *rc == DB_DONE && upto >= f->from) {
		int64_t t = stretch(where, f, upto / SEEN_MS), least = t * SEEN_MS;
		struct list_page one = {.limit = left + 1};

		if (t < 0)
			break;
		if (nothing > NOTHING && by_own_index(f)) {
			one.time = upto;
			one.id = id;
			query_list_bind(st, &one, f->from);
			more = rows(w, st, p, &left, rc);
			break;
		}
		one.time = upto < least + SEEN_MS - 1 ? upto : least + SEEN_MS - 1;
		one.id = one.time == upto ? id : INT64_MAX;
		query_list_bind(st, &one, least);
		before = left;
		more = rows(w, st, p, &left, rc);
		nothing = before == left ? nothing + 1 : 0;
		upto = least - 1;
		id = INT64_MAX;
	}
	db_finalize(where);
	return more;
}

bool
query_list(struct jw *w, struct db *db, const struct filter *f, struct list_page *p, int *rc)
{
	struct db_stmt *st = f->nothing ? NULL : query_list_statement(db, f);
	int64_t left = p->limit;
	bool more = false;

	*rc = DB_DONE;
	if (st && f->sparse) {
		more = by_stretch(w, db, f, p, st, rc);
	} else if (st) {
		p->limit++;
		query_list_bind(st, p, INT64_MIN);
		more = rows(w, st, p, &left, rc);
	}
	db_finalize(st);
	return more;
}

void
query_next(struct jw *w, bool more, int64_t time, int64_t id)
{
	char cursor[48];

	jw_close(w, ']');
	if (more) {
		snprintf(cursor, sizeof(cursor), "%lld.%lld", (long long)time, (long long)id);
		jw_str(w, "next", cursor);
	} else {
		jw_key(w, "next");
		jw_raw(w, "null", 4);
	}
	jw_close(w, '}');
}

/* Did a statement end because it took too long?  Then it has answered. */
bool
query_late(struct call *c, int rc)
{
	if (rc != ERR_AGAIN)
		return false;
	call_error(c, 503, "too_long", "that takes too long: narrow the time or the filter");
	return true;
}

void
query_alerts(struct call *c)
{
	struct db *db = call_db(c);
	struct list_page p;
	struct filter f;
	bool more;
	int rc;

	if (!db || !page_of(c, &p, 500))
		return;
	query_filter(c, db, &f);
	if (call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		jw_arr(&c->w, "items");
		more = query_list(&c->w, db, &f, &p, &rc);
		if (!query_late(c, rc))
			query_next(&c->w, more, p.time, p.id);
	}
	query_filter_free(&f);
}
