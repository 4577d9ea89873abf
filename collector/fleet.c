/* SPDX-License-Identifier: Apache-2.0 */
/* fleet.c - see fleet.h. */
#include "collector/fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/relay.h"
#include "collector/store.h"

#define TEXT_MAX 64u

/* --- what there is ------------------------------------------------------------------- */

static void
counts(struct jw *w, struct db *db, const char *key, const char *sql)
{
	struct db_stmt *st = db_query(db, sql, "");

	jw_arr(w, key);
	while (st && db_step(st) == DB_ROW) {
		jw_obj(w, NULL);
		jw_str(w, "value", db_text(st, 0));
		jw_i(w, "sensors", db_i64(st, 1));
		jw_close(w, '}');
	}
	db_finalize(st);
	jw_close(w, ']');
}

/* From column at on: window, its greatest, that of the one before.  NULL: nothing came for a while. */
static void
offset(struct jw *w, struct db_stmt *st, int at, int64_t now_ms)
{
	int64_t window = now_ms / FLEET_WINDOW_MS, a = db_i64(st, at + 1), b = db_i64(st, at + 2);

	if (db_null(st, at) || db_i64(st, at) < window - 1) {
		jw_key(w, "clock_offset_ms");
		jw_raw(w, "null", 4);
		return;
	}
	if (db_i64(st, at) == window && !db_null(st, at + 2) && b > a)
		a = b;
	jw_i(w, "clock_offset_ms", a);
}

/* From column at on: does something keep its clock in step, and how well; null where it does not say. */
static void
kept(struct jw *w, struct db_stmt *st, int at)
{
	if (db_null(st, at)) {
		jw_key(w, "time");
		jw_raw(w, "null", 4);
		return;
	}
	jw_obj(w, "time");
	jw_bool(w, "in_step", db_i64(st, at) != 0);
	jw_i(w, "error_ms", db_i64(st, at + 1));
	jw_close(w, '}');
}

static bool
differs(const char *have, const char *pinned)
{
	return *pinned && strcmp(have, pinned) != 0;
}

static void
item(struct jw *w, struct db_stmt *st, int64_t now_ms)
{
	/* db_text() is borrowed from st until it steps. */
	const char *build = db_text(st, 3), *policy = db_text(st, 4);

	jw_obj(w, NULL);
	jw_i(w, "id", db_i64(st, 0));
	jw_str(w, "name", db_text(st, 1));
	jw_str(w, "site", db_text(st, 2));
	relay_path_write(w, db_text(st, 12));
	jw_str(w, "build", build);
	jw_str(w, "policy", policy);
	jw_str(w, "pinned_build", db_text(st, 5));
	jw_str(w, "pinned_policy", db_text(st, 6));
	jw_arr(w, "drift");
	if (differs(build, db_text(st, 5)))
		jw_str(w, NULL, "build");
	if (differs(policy, db_text(st, 6)))
		jw_str(w, NULL, "policy");
	jw_close(w, ']');
	offset(w, st, 7, now_ms);
	kept(w, st, 10);
	jw_close(w, '}');
}

void
fleet_list(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	counts(&c->w, db, "builds",
	    "SELECT coalesce(build, ''), count(*) FROM sensor WHERE kind = 0 AND state = 1 GROUP "
	    "BY "
	    "1 ORDER BY 2 DESC, 1 LIMIT 100");
	counts(&c->w, db, "policies",
	    "SELECT coalesce(policy, ''), count(*) FROM sensor WHERE kind = 0 AND state = 1 GROUP "
	    "BY 1 ORDER BY 2 DESC, 1 LIMIT 100");
	jw_arr(&c->w, "items");
	st = db_query(db,
	    "SELECT s.id, s.name, s.site, s.build, s.policy, p.build, p.policy, s.off_w, s.off_a, "
	    "s.off_b, s.time_kept, s.time_error, " RELAY_PATH
	    " FROM sensor s LEFT JOIN pin p ON p.sensor = s.id WHERE s.kind = 0 AND s.state "
	    "= 1 ORDER BY s.name LIMIT 5000",
	    "");
	while (st && db_step(st) == DB_ROW)
		item(&c->w, st, c->now_ms);
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

/* --- what there should be ----------------------------------------------------------------- */

struct pins {
	const json_t *names;
	const char *build, *policy; /* NULL: as it is; "": none; "current"; or the value */
	const char *user;
	int64_t now_ms;
	const char *unknown;
};

static int
pin_job(struct store_tx *tx, void *ctx)
{
	struct pins *p = ctx;
	size_t i;
	json_t *name;
	int r = 0;

	json_array_foreach(p->names, i, name)
	{
		const char *s = json_string_value(name);
		int64_t id = s ? db_number(tx_db(tx), 0,
				     "SELECT id FROM sensor WHERE kind = 0 AND name = ?", "t", s)
			       : 0;

		if (id == 0) {
			p->unknown = s ? s : "?";
			return ERR_NOTFOUND;
		}
		r = tx_exec(tx,
		    "INSERT INTO pin(sensor, build, policy, time, user) VALUES(?, '', '', ?, ?)"
		    " ON CONFLICT(sensor) DO UPDATE SET time = excluded.time, user = excluded.user",
		    "iit", id, p->now_ms, p->user);
		if (r == 0 && p->build)
			r = tx_exec(tx,
			    "UPDATE pin SET build = CASE ?2 WHEN 'current' THEN coalesce((SELECT "
			    "build FROM sensor WHERE id = ?1), '') ELSE ?2 END WHERE sensor = ?1",
			    "it", id, p->build);
		if (r == 0 && p->policy)
			r = tx_exec(tx,
			    "UPDATE pin SET policy = CASE ?2 WHEN 'current' THEN coalesce((SELECT "
			    "policy FROM sensor WHERE id = ?1), '') ELSE ?2 END WHERE sensor = ?1",
			    "it", id, p->policy);
		if (r < 0)
			return r;
	}
	return tx_exec(tx, "DELETE FROM pin WHERE build = '' AND policy = ''", "");
}

/* Absent, or a short text of letters and digits. */
static bool
value(const json_t *o, const char *key, const char **out)
{
	const json_t *v = json_object_get(o, key);

	*out = json_string_value(v);
	return !v || (*out && strlen(*out) <= TEXT_MAX &&
			 strspn(*out, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(*out));
}

void
fleet_pin(struct call *c)
{
	json_t *o = call_json(c);
	struct pins p = {.user = c->user, .now_ms = c->now_ms};
	char what[200];
	int r;

	if (!o)
		return;
	p.names = json_object_get(o, "sensors");
	if (!json_is_array(p.names) || json_array_size(p.names) == 0 ||
	    !value(o, "build", &p.build) || !value(o, "policy", &p.policy) ||
	    (!p.build && !p.policy)) {
		call_error(c, 400, "bad_request",
		    "sensors, and build or policy: its value, \"current\", or \"\"");
	} else {
		snprintf(what, sizeof(what), "%zu sensors: build %s, policy %s",
		    json_array_size(p.names), p.build ? p.build : "as it was",
		    p.policy ? p.policy : "as it was");
		r = store_write(c->co->store, pin_job, &p);
		audit_log(c, "fleet.pin", json_string_value(json_array_get(p.names, 0)), r == 0,
		    "%s", what);
		if (r == ERR_NOTFOUND)
			call_error(c, 404, "not_found", "no sensor %.100s", p.unknown);
		else if (r < 0)
			call_store_error(c, r);
		else
			fleet_list(c);
	}
	json_decref(o);
}
