/* SPDX-License-Identifier: Apache-2.0 */
/* change.c - what analysts change: incidents, proposals.  See query.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/incident.h"
#include "collector/model.h"
#include "collector/propose.h"
#include "collector/query.h"
#include "collector/sse.h"
#include "collector/store.h"

#define NOTE_MAX 4000u

/* --- incidents ------------------------------------------------------------------------- */

void
change_incident(struct call *c)
{
	static const char *const states[] = {"open", "ack", "closed"};
	json_t *o = call_json(c);
	struct incident_edit e = {
	    .id = strtoll(c->part[0], NULL, 10), .now_ms = c->now_ms, .state = -1, .user = c->user};
	const char *state;
	int r;

	if (!o)
		return;
	state = json_string_value(json_object_get(o, "state"));
	e.assignee = json_string_value(json_object_get(o, "assignee"));
	e.note = json_string_value(json_object_get(o, "note"));
	for (int i = 0; state && i < 3; i++)
		if (strcmp(state, states[i]) == 0)
			e.state = i;
	if ((state && e.state < 0) || (e.assignee && strlen(e.assignee) > USER_MAX) ||
	    (e.note && strlen(e.note) > NOTE_MAX)) {
		call_error(c, 400, "bad_request", "state open, ack or closed; assignee; note");
	} else if ((r = store_write(c->co->store, incident_edit, &e)) == ERR_NOTFOUND) {
		call_error(c, 404, "not_found", "no such incident");
	} else if (r < 0) {
		call_store_error(c, r);
	} else {
		audit_log(c, "incident", c->part[0], true, "%s%s%s", state ? state : "",
		    e.assignee ? " assignee" : "", e.note ? " note" : "");
		sse_incident(c->co->bus, e.id);
		if (call_db(c) && call_begin(c, 200))
			(void)query_incident_write(&c->w, c->db, e.id);
	}
	json_decref(o);
}

/* --- proposals ------------------------------------------------------------------------------ */

#define PROPOSAL_COLUMNS                                                                           \
	"p.id, p.time, p.user, (SELECT name FROM sensor WHERE id = p.sensor), p.alert, "           \
	"p.rule_yaml, p.diff, p.state, p.note, p.policy, p.expected, p.notes"

static void
proposal(struct jw *w, struct db_stmt *st)
{
	static const char *const states[] = {"proposed", "fetched", "withdrawn"};
	int state = db_int(st, 7);

	jw_obj(w, NULL);
	jw_i(w, "id", db_i64(st, 0));
	jw_i(w, "time", db_i64(st, 1));
	jw_str(w, "user", db_text(st, 2));
	jw_str(w, "sensor", db_text(st, 3));
	jw_i(w, "alert", db_i64(st, 4));
	jw_str(w, "rule_yaml", db_text(st, 5));
	jw_str(w, "diff", db_text(st, 6));
	jw_str(w, "state", states[state >= 0 && state < 3 ? state : 0]);
	jw_str(w, "note", db_text(st, 8));
	jw_str(w, "policy", db_text(st, 9));
	jw_str(w, "expected", db_text(st, 10));
	jw_str(w, "notes", db_text(st, 11));
	jw_close(w, '}');
}

void
query_proposals(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(
	    db, "SELECT " PROPOSAL_COLUMNS " FROM proposal p ORDER BY p.id DESC LIMIT 500", "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW)
		proposal(&c->w, st);
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

struct put {
	const struct call *c;
	int64_t alert, sensor, id;
	const struct proposed *what;
	const char *note;
};

static int
put_job(struct store_tx *tx, void *ctx)
{
	struct put *p = ctx;

	p->id = tx_new(tx,
	    "INSERT INTO proposal(time, user, sensor, alert, rule_yaml, diff, state, note, policy,"
	    " expected, notes) VALUES(?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?) RETURNING id",
	    "itiitttttt", p->c->now_ms, p->c->user, p->sensor, p->alert, p->what->text,
	    p->what->p.diff ? p->what->p.diff : "", p->note, p->what->policy,
	    p->what->p.expected ? p->what->p.expected : "", p->what->notes);
	return p->id < 0 ? (int)p->id : 0;
}

static void
answer(struct call *c, int64_t id, const char *key)
{
	struct db *db = call_db(c);
	struct db_stmt *st =
	    db ? db_query(db, "SELECT " PROPOSAL_COLUMNS " FROM proposal p WHERE p.id = ?", "i", id)
	       : NULL;

	if (st && db_step(st) == DB_ROW && call_begin(c, 200)) {
		if (key) {
			jw_obj(&c->w, NULL);
			jw_key(&c->w, key);
			c->w.comma = false;
		}
		proposal(&c->w, st);
		if (key)
			jw_close(&c->w, '}');
	}
	db_finalize(st);
}

void
change_expected(struct call *c)
{
	json_t *o = call_json(c);
	struct db *db = o ? call_db(c) : NULL;
	struct put p = {.c = c, .alert = strtoll(c->part[0], NULL, 10)};
	struct proposed what;
	char err[500];
	int r;

	if (!db) {
		json_decref(o);
		return;
	}
	p.note = json_string_value(json_object_get(o, "note"));
	p.note = p.note ? p.note : "";
	p.sensor = db_number(db, 0, "SELECT sensor FROM alert WHERE id = ?", "i", p.alert);
	if (p.sensor == 0) {
		call_error(c, 404, "not_found", "no such alert");
	} else if (strlen(p.note) > NOTE_MAX) {
		call_error(c, 400, "bad_request", "the note is too long");
	} else if ((r = propose_alert(db, p.sensor, p.alert, &what, err, sizeof(err))) < 0) {
		call_error(c, r == ERR_NOTFOUND ? 404 : 422, "no_rule", "%s", err);
	} else {
		p.what = &what;
		if (!call_db_done(c)) {
			r = ERR_AGAIN;
		} else if ((r = store_write(c->co->store, put_job, &p)) < 0) {
			call_store_error(c, r);
		} else {
			audit_log(
			    c, "expected", c->part[0], true, "proposal %lld", (long long)p.id);
			answer(c, p.id, "proposal");
		}
		proposed_fini(&what);
	}
	json_decref(o);
}

static int
withdraw_job(struct store_tx *tx, void *ctx)
{
	const struct put *p = ctx;

	if (db_number(tx_db(tx), 0, "SELECT count(*) FROM proposal WHERE id = ?", "i", p->id) == 0)
		return ERR_NOTFOUND;
	return tx_exec(tx, "UPDATE proposal SET state = ? WHERE id = ?", "ii", p->alert, p->id);
}

void
change_proposal(struct call *c)
{
	json_t *o = call_json(c);
	struct put p = {.id = strtoll(c->part[0], NULL, 10), .alert = -1};
	const char *state;
	int r;

	if (!o)
		return;
	state = json_string_value(json_object_get(o, "state"));
	if (state && strcmp(state, "withdrawn") == 0)
		p.alert = PROPOSAL_WITHDRAWN;
	if (state && strcmp(state, "proposed") == 0)
		p.alert = PROPOSAL_PROPOSED;
	if (p.alert < 0) {
		call_error(c, 400, "bad_request", "state is withdrawn or proposed");
	} else if ((r = store_write(c->co->store, withdraw_job, &p)) == ERR_NOTFOUND) {
		call_error(c, 404, "not_found", "no such proposal");
	} else if (r < 0) {
		call_store_error(c, r);
	} else {
		audit_log(c, "proposal", c->part[0], true, "%s", state);
		answer(c, p.id, NULL);
	}
	json_decref(o);
}
