/* SPDX-License-Identifier: Apache-2.0 */
/* prepared.c - see prepared.h. */
#include "collector/prepared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/guide.h"
#include "collector/playbook.h"
#include "collector/query.h"
#include "collector/rollout.h"
#include "collector/sse.h"
#include "collector/store.h"

#define ERR_TEXT 400u

/* --- the library of what is signed ---------------------------------------------------------- */

struct make {
	const struct prepared_spec *spec;
	struct rollout_what what;
	char *doc, *sensors;
	int64_t id;
	char *err;
	size_t err_size;
};

static int
make_job(struct store_tx *tx, void *ctx)
{
	struct make *m = ctx;
	const struct prepared_spec *s = m->spec;
	const json_t *name;
	size_t i;

	if (db_number(tx_db(tx), 0, "SELECT count(*) FROM prepared", "") >= PREPARED_MAX)
		return err_say(
		    m->err, m->err_size, ERR_FULL, "there are %u: remove some", PREPARED_MAX);
	json_array_foreach(s->sensors, i, name)
	{
		const char *n = json_string_value(name);

		if (!n ||
		    db_number(tx_db(tx), 0,
			"SELECT count(*) FROM sensor WHERE kind = 0 AND name = ?", "t", n) == 0)
			return err_say(m->err, m->err_size, ERR_NOTFOUND, "%.100s: no such sensor",
			    n ? n : "?");
	}
	m->id = tx_new(tx,
	    "INSERT INTO prepared(time, username, name, kind, file, policy, doc, minisig, sensors, "
	    "signed, expires) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
	    "ittittttt"
	    "ii",
	    s->now_ms, s->user, s->name, (int64_t)(s->permit != NULL), s->file, m->what.id,
	    s->permit ? s->permit : m->doc, s->permit ? "" : s->minisig, m->sensors,
	    m->what.signed_s * 1000, m->what.expires_s * 1000);
	return m->id < 0 ? (int)m->id : 0;
}

static bool
good_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n < PREPARED_NAME && s[n] == '\0' && s[0] >= 'a' && s[0] <= 'z';
}

int
prepared_make(
    struct store *s, const struct prepared_spec *spec, int64_t *id, char *err, size_t err_size)
{
	struct rollout_spec as = {
	    .doc = spec->doc, .minisig = spec->minisig, .permit = spec->permit};
	struct make m = {.spec = spec, .err = err, .err_size = err_size};
	int r;

	if (!good_name(spec->name))
		return err_say(err, err_size, ERR_FORMAT,
		    "a name is of small letters, digits and dashes, %u at most", PREPARED_NAME - 1);
	if (json_array_size(spec->sensors) == 0 || json_array_size(spec->sensors) > ROLLOUT_SENSORS)
		return err_say(
		    err, err_size, ERR_FORMAT, "it is for 1 to %u sensors", ROLLOUT_SENSORS);
	if ((r = rollout_look(&as, &m.what, err, err_size)) < 0)
		return r;
	if (spec->permit && m.what.expires_s * 1000 <= spec->now_ms)
		return err_say(err, err_size, ERR_RANGE, "the permit has expired");
	m.doc = spec->permit ? NULL : json_dumps(spec->doc, JSON_COMPACT);
	m.sensors = json_dumps(spec->sensors, JSON_COMPACT);
	r = !m.sensors || (!m.doc && !spec->permit)  ? ERR_NOMEM
	    : m.doc && strlen(m.doc) > ROLLOUT_BYTES ? ERR_RANGE
						     : store_write(s, make_job, &m);
	free(m.doc);
	free(m.sensors);
	if (r < 0 && *err == '\0')
		(void)err_say(err, err_size, r, "%s", err_str(r));
	*id = m.id;
	return r;
}

static int
remove_job(struct store_tx *tx, void *ctx)
{
	int r = tx_exec(tx, "DELETE FROM prepared WHERE id = ?", "i", *(const int64_t *)ctx);

	return r < 0 ? r : db_changes(tx_db(tx)) > 0 ? 0 : ERR_NOTFOUND;
}

int
prepared_remove(struct store *s, int64_t id)
{
	return store_write(s, remove_job, &id);
}

static const char *
kind_name(int64_t kind)
{
	return kind == 1 ? "permit" : "policy";
}

static void
write_names(struct jw *w, const char *key, const char *list)
{
	json_t *a = json_loads(list, 0, NULL);
	const json_t *v;
	size_t i;

	jw_arr(w, key);
	json_array_foreach(a, i, v)
	{
		jw_str(w, NULL, json_is_string(v) ? json_string_value(v) : "");
	}
	jw_close(w, ']');
	json_decref(a);
}

void
prepared_items(struct jw *w, struct db *db)
{
	struct db_stmt *st = db_query(db,
	    "SELECT id, time, username, name, kind, file, policy, sensors, signed, expires FROM "
	    "prepared ORDER BY name, id DESC",
	    "");

	jw_arr(w, "items");
	while (st && db_step(st) == DB_ROW) {
		bool permit = db_i64(st, 4) == 1;

		jw_obj(w, NULL);
		jw_i(w, "id", db_i64(st, 0));
		jw_i(w, "time", db_i64(st, 1));
		jw_str(w, "user", db_text(st, 2));
		jw_str(w, "name", db_text(st, 3));
		jw_str(w, "kind", kind_name(db_i64(st, 4)));
		jw_str(w, "file", db_text(st, 5));
		jw_str(w, "policy", permit ? "" : db_text(st, 6));
		jw_str(w, "permit", permit ? db_text(st, 6) : "");
		jw_i(w, "signed", db_i64(st, 8));
		jw_i(w, "expires", db_i64(st, 9));
		write_names(w, "sensors", db_text(st, 7));
		jw_close(w, '}');
	}
	db_finalize(st);
}

void
prepared_list(struct call *c)
{
	struct db *db = call_db(c);

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	prepared_items(&c->w, db);
	query_next(&c->w, false, 0, 0);
}

/* --- applied ------------------------------------------------------------------------------------ */

/* A prepared one, out of the data base. */
struct applied {
	char name[PREPARED_NAME], file[200];
	int64_t kind;
	json_t *doc, *sensors; /* doc: of a policy */
	char *text, *minisig;  /* text: of a permit */
};

static void
applied_free(struct applied *a)
{
	json_decref(a->doc);
	json_decref(a->sensors);
	free(a->text);
	free(a->minisig);
}

static bool
applied_read(struct db *db, int64_t id, struct applied *a)
{
	struct db_stmt *st = db_query(db,
	    "SELECT name, file, kind, doc, minisig, sensors FROM prepared WHERE id = ?", "i", id);
	bool ok = st && db_step(st) == DB_ROW;

	if (ok) {
		snprintf(a->name, sizeof(a->name), "%s", db_text(st, 0));
		snprintf(a->file, sizeof(a->file), "%s", db_text(st, 1));
		a->kind = db_i64(st, 2);
		if (a->kind == 1)
			a->text = strdup(db_text(st, 3));
		else
			a->doc = json_loadb(db_blob(st, 3), db_bytes(st, 3), 0, NULL);
		a->minisig = strdup(db_text(st, 4));
		a->sensors = json_loads(db_text(st, 5), 0, NULL);
		ok = (a->text || a->doc) && a->minisig && a->sensors;
	}
	db_finalize(st);
	return ok;
}

static bool
among(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (name && json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return true;
	}
	return false;
}

/* Which of its sensors: those that were chosen, else the incident's.  NULL: said why. */
static json_t *
stages_of(struct db *db, int64_t incident, const json_t *chosen, const struct applied *a, char *err,
    size_t size)
{
	json_t *stage = json_array(), *stages, *v;
	struct db_stmt *st;
	size_t i;

	if (json_array_size(chosen) == 0) {
		st = db_query(db, "SELECT sensor FROM incident WHERE id = ?", "i", incident);
		if (st && db_step(st) == DB_ROW)
			(void)json_array_append_new(stage, json_string(db_text(st, 0)));
		db_finalize(st);
	}
	json_array_foreach(chosen, i, v)
	{
		(void)json_array_append(stage, v);
	}
	json_array_foreach(stage, i, v)
	{
		const char *name = json_string_value(v);

		if (among(a->sensors, name))
			continue;
		(void)err_say(err, size, ERR_NOTFOUND, "%.64s was not prepared for sensor %.100s",
		    a->name, name ? name : "?");
		json_decref(stage);
		return NULL;
	}
	stages = json_array();
	(void)json_array_append_new(stages, stage);
	return stages;
}

/* Does what was asked fit the step?  0, or ERR_* said. */
static int
fits(struct collector *co, const struct rollout_step *of, const struct applied *a,
    struct guide_action *act, char *err, size_t size)
{
	if (!guide_action_of(co, of->playbook, of->step, act))
		return err_say(err, size, ERR_NOTFOUND, "the library has no action at that step");
	if (act->kind != (a->kind == 1 ? PB_ACTION_PERMIT : PB_ACTION_POLICY))
		return err_say(err, size, ERR_FORMAT, "the action is a %s, and %.64s is a %s",
		    playbook_action_name(act->kind), a->name, kind_name(a->kind));
	if (act->prepared[0] && strcmp(act->prepared, a->name) != 0)
		return err_say(err, size, ERR_FORMAT, "the action is %.64s, not %.64s",
		    act->prepared, a->name);
	return 0;
}

static int64_t
seconds(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(o, key);

	return json_is_integer(v) ? json_integer_value(v) : v ? -1 : otherwise;
}

static void
apply(struct call *c, struct db *db, const json_t *o, struct rollout_step *of)
{
	struct rollout_spec s = {.user = c->user,
	    .now_ms = c->now_ms,
	    .of = of,
	    .trial_s = seconds(o, "trial_s", ROLLOUT_TRIAL_S),
	    .soak_s = seconds(o, "soak_s", ROLLOUT_SOAK_S)};
	struct guide_action act = {0};
	struct applied a = {0};
	json_t *stages = NULL;
	char err[ERR_TEXT] = "", *to = NULL;
	int64_t id = 0;
	int r;

	r = applied_read(db, json_integer_value(json_object_get(o, "prepared")), &a)
		? fits(c->co, of, &a, &act, err, sizeof(err))
		: err_say(err, sizeof(err), ERR_NOTFOUND, "no such prepared policy or permit");
	if (r == 0) {
		of->version = act.version;
		stages = stages_of(
		    db, of->incident, json_object_get(o, "sensors"), &a, err, sizeof(err));
		r = stages ? 0 : ERR_NOTFOUND;
	}
	if (r == 0) {
		s.doc = a.doc;
		s.minisig = a.minisig;
		s.permit = a.text;
		s.name = a.file;
		s.stages = stages;
		r = rollout_make(c->co->store, &s, &id, err, sizeof(err));
		to = json_dumps(json_array_get(stages, 0), JSON_COMPACT);
	}
	audit_log(c, "step.apply", c->part[0], r == 0, "%s/%s: %s %s%s%s", of->playbook, of->step,
	    kind_name(a.kind), a.name, to ? " to " : "",
	    r < 0 ? err
	    : to  ? to
		  : "");
	if (r == 0)
		sse_incident(c->co->bus, of->incident);
	rollout_answer(c, r, err, id);
	free(to);
	json_decref(stages);
	applied_free(&a);
}

void
prepared_apply(struct call *c)
{
	json_t *o = call_json(c);
	struct rollout_step of = {.incident = strtoll(c->part[0], NULL, 10),
	    .playbook = json_string_value(json_object_get(o, "playbook")),
	    .step = json_string_value(json_object_get(o, "step"))};
	const json_t *sensors = json_object_get(o, "sensors");
	struct db *db;

	if (!o)
		return;
	if (!of.playbook || !of.step || !json_is_integer(json_object_get(o, "prepared")) ||
	    (sensors && !json_is_array(sensors)))
		call_error(c, 400, "bad_request",
		    "playbook, step, prepared: its number; sensors: names; trial_s, soak_s");
	else if ((db = call_db(c)) != NULL)
		apply(c, db, o, &of);
	json_decref(o);
}
