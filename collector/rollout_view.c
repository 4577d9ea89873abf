/* SPDX-License-Identifier: Apache-2.0 */
/* rollout_view.c - see rollout.h: people ask, and say what is to become of one. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/query.h"
#include "collector/rollout_int.h"
#include "collector/sse.h"
#include "collector/store.h"

static const char *const states[] = {"running", "held", "done", "stopped", "failed"};
static const char *const steps[] = {
    "waits", "offered", "on_trial", "confirming", "in_force", "refused", "rolled_back"};

const char *
rollout_state_name(int64_t state)
{
	return states[state >= 0 && state <= FAILED ? state : FAILED];
}

static void
members(struct jw *w, struct db *db, struct db_stmt *st)
{
	int64_t id = db_i64(st, 0), state = db_i64(st, 5);
	bool permit = db_i64(st, 12) == PERMIT;
	struct db_stmt *of;

	jw_obj(w, NULL);
	jw_i(w, "id", id);
	jw_i(w, "time", db_i64(st, 1));
	jw_str(w, "user", db_text(st, 2));
	jw_str(w, "kind", permit ? "permit" : "policy");
	jw_str(w, "name", db_text(st, 3));
	jw_str(w, "policy", permit ? "" : db_text(st, 4));
	jw_str(w, "permit", permit ? db_text(st, 4) : "");
	jw_i(w, "expires", db_i64(st, 13));
	jw_i(w, "incident", db_i64(st, 14));
	jw_str(w, "playbook", db_text(st, 15));
	jw_str(w, "step", db_text(st, 16));
	jw_str(w, "state", rollout_state_name(state));
	jw_str(w, "why", db_text(st, 6));
	jw_i(w, "stage", db_i64(st, 7) + 1);
	jw_i(w, "stages", db_i64(st, 8));
	jw_i(w, "trial_s", db_i64(st, 9));
	jw_i(w, "soak_s", db_i64(st, 10));
	jw_bool(w, "automatic", db_i64(st, 11) != 0);
	jw_arr(w, "sensors");
	of = db_query(db,
	    "SELECT s.id, s.name, rs.stage, rs.step, rs.time, rs.said FROM rollout_sensor rs JOIN "
	    "sensor s ON"
	    " s.id = rs.sensor WHERE rs.rollout = ? ORDER BY rs.stage, s.name",
	    "i", id);
	while (of && db_step(of) == DB_ROW) {
		int64_t step = db_i64(of, 3);

		jw_obj(w, NULL);
		jw_i(w, "id", db_i64(of, 0));
		jw_str(w, "name", db_text(of, 1));
		jw_i(w, "stage", db_i64(of, 2) + 1);
		jw_str(w, "step", steps[step >= 0 && step <= BACK ? step : BACK]);
		jw_i(w, "time", db_i64(of, 4));
		jw_str(w, "said", db_text(of, 5));
		jw_close(w, '}');
	}
	db_finalize(of);
	jw_close(w, ']');
	jw_close(w, '}');
}

#define COLUMNS                                                                                    \
	"SELECT id, time, username, name, policy, state, why, stage, stages, trial_s, soak_s, "    \
	"automatic, kind, expires, incident, playbook, step FROM rollout"

bool
rollout_write(struct jw *w, struct db *db, int64_t id)
{
	struct db_stmt *st = db_query(db, COLUMNS " WHERE id = ?", "i", id);
	bool any = st && db_step(st) == DB_ROW;

	if (any)
		members(w, db, st);
	db_finalize(st);
	return any;
}

void
rollout_items(struct jw *w, struct db *db)
{
	struct db_stmt *st = db_query(db, COLUMNS " ORDER BY id DESC LIMIT 100", "");

	jw_arr(w, "items");
	while (st && db_step(st) == DB_ROW)
		members(w, db, st);
	db_finalize(st);
}

int64_t
rollout_incident(struct db *db, int64_t id)
{
	return db_number(db, 0, "SELECT incident FROM rollout WHERE id = ?", "i", id);
}

void
rollout_of_incident(struct jw *w, struct db *db, int64_t incident)
{
	struct db_stmt *st =
	    db_query(db, COLUMNS " WHERE incident = ? AND incident > 0 ORDER BY id DESC LIMIT 32",
		"i", incident);

	jw_arr(w, "applied");
	while (st && db_step(st) == DB_ROW)
		members(w, db, st);
	db_finalize(st);
	jw_close(w, ']');
}

void
rollout_list(struct call *c)
{
	struct db *db = call_db(c);

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	rollout_items(&c->w, db);
	query_next(&c->w, false, 0, 0);
}

static void
answer_one(struct call *c, int64_t id)
{
	struct db *db = call_db(c);

	if (db && call_begin(c, 200) && !rollout_write(&c->w, db, id))
		call_error(c, 404, "not_found", "no such roll-out");
}

void
rollout_one(struct call *c)
{
	answer_one(c, strtoll(c->part[0], NULL, 10));
}

void
rollout_answer(struct call *c, int r, const char *err, int64_t id)
{
	if (r >= 0)
		answer_one(c, id);
	else if (r == ERR_NOTFOUND)
		call_error(c, 404, "not_found", "%s", err);
	else if (r == ERR_EXISTS)
		call_error(c, 409, "conflict", "%s", err);
	else if (r == ERR_FORMAT || r == ERR_RANGE)
		call_error(c, 400, "bad_request", "%s", err);
	else
		call_store_error(c, r);
}

static int64_t
seconds(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : v ? -1 : otherwise;
}

void
rollout_post(struct call *c)
{
	json_t *o = call_json(c);
	struct rollout_spec s = {.doc = json_object_get(o, "policy"),
	    .minisig = json_string_value(json_object_get(o, "minisig")),
	    .stages = json_object_get(o, "stages"),
	    .trial_s = seconds(o, "trial_s", ROLLOUT_TRIAL_S),
	    .soak_s = seconds(o, "soak_s", ROLLOUT_SOAK_S),
	    .automatic = json_is_true(json_object_get(o, "automatic")),
	    .user = c->user,
	    .now_ms = c->now_ms};
	char err[400];
	int64_t id;
	int r;

	if (!o)
		return;
	r = rollout_make(c->co->store, &s, &id, err, sizeof(err));
	audit_log(c, "rollout.begin", json_string_value(json_object_get(s.doc, "name")), r == 0,
	    "%s", r < 0 ? err : "");
	rollout_answer(c, r, err, id);
	json_decref(o);
}

void
rollout_post_one(struct call *c)
{
	json_t *o = call_json(c);
	const char *word = json_string_value(json_object_get(o, "do"));
	int64_t id = strtoll(c->part[0], NULL, 10), incident;
	char err[200];
	int r;

	if (!o)
		return;
	if (!word || (strcmp(word, "go") != 0 && strcmp(word, "stop") != 0)) {
		call_error(c, 400, "bad_request", "do: go or stop");
	} else {
		r = rollout_change(
		    c->co->store, id, word[0] == 'g', c->user, c->now_ms, err, sizeof(err));
		audit_log(c, word[0] == 'g' ? "rollout.go" : "rollout.stop", c->part[0], r == 0,
		    "%s", r < 0 ? err : "");
		if (r == 0 && call_db(c) && (incident = rollout_incident(c->db, id)) > 0)
			sse_incident(c->co->bus, incident);
		rollout_answer(c, r, err, id);
	}
	json_decref(o);
}
