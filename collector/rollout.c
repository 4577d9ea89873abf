/* SPDX-License-Identifier: Apache-2.0 */
/* rollout.c - see rollout.h. */
#include "collector/rollout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/minisign.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/incident.h"
#include "collector/propose.h"
#include "collector/query.h"
#include "collector/sse.h"
#include "collector/store.h"
#include "policy/policy.h"

#define HASH_HEX (2u * PROPOSE_HASH_BYTES)
#define WHY_MAX	 300u

/* The numbers are in the data base. */
enum state { RUNS = 0, HELD, DONE, STOPPED, FAILED };
enum step { WAITS = 0, OFFERED, TRIAL, CONFIRM, IN_FORCE, REFUSED, BACK };
static const char *const states[] = {"running", "held", "done", "stopped", "failed"};
static const char *const steps[] = {
    "waits", "offered", "on_trial", "confirming", "in_force", "refused", "rolled_back"};

/* --- a new one ------------------------------------------------------------------------- */

struct make {
	const struct rollout_spec *spec;
	const char *hash;
	char *doc;
	int64_t id;
	char *err;
	size_t err_size;
};

static int
make_sensor(struct store_tx *tx, struct make *m, int64_t stage, const char *name)
{
	struct db *db = tx_db(tx);
	int64_t sensor =
	    name ? db_number(db, 0,
		       "SELECT id FROM sensor WHERE kind = 0 AND state = 1 AND name = ?"
		       " AND NOT EXISTS (SELECT 1 FROM via WHERE via.sensor = sensor.id)",
		       "t", name)
		 : 0;

	if (sensor == 0)
		return err_say(m->err, m->err_size, ERR_NOTFOUND,
		    "%.100s: no enrolled sensor of this collector itself", name ? name : "?");
	if (db_number(db, 0,
		"SELECT count(*) FROM rollout_sensor rs JOIN rollout r ON r.id = rs.rollout WHERE"
		" rs.sensor = ? AND r.state < 2 AND rs.step < 4",
		"i", sensor) > 0)
		return err_say(m->err, m->err_size, ERR_EXISTS,
		    "%.100s has part in another roll-out (or is named twice)", name);
	return tx_exec(tx,
	    "INSERT INTO rollout_sensor(rollout, sensor, stage, step, time, said)"
	    " VALUES(?, ?, ?, 0, ?, '')",
	    "iiii", m->id, sensor, stage, m->spec->now_ms);
}

static int
make_job(struct store_tx *tx, void *ctx)
{
	struct make *m = ctx;
	const struct rollout_spec *s = m->spec;
	const json_t *stage, *name;
	size_t i, k, n = 0;
	int r;

	m->id = tx_new(tx,
	    "INSERT INTO rollout(time, username, name, policy, doc, minisig, trial_s, soak_s, "
	    "automatic,"
	    " state, stage, stages, accepted, why) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, "
	    "'')"
	    " RETURNING id",
	    "itttttiiii", s->now_ms, s->user, json_string_value(json_object_get(s->doc, "name")),
	    m->hash, m->doc, s->minisig, s->trial_s, s->soak_s, (int64_t)s->automatic,
	    (int64_t)json_array_size(s->stages));

	if (m->id < 0)
		return (int)m->id;
	json_array_foreach(s->stages, i, stage)
	{
		if (!json_is_array(stage) || json_array_size(stage) == 0)
			return err_say(m->err, m->err_size, ERR_FORMAT, "a stage without sensors");
		json_array_foreach(stage, k, name)
		{
			if (++n > ROLLOUT_SENSORS)
				return err_say(m->err, m->err_size, ERR_FORMAT,
				    "more than %u sensors", ROLLOUT_SENSORS);
			if ((r = make_sensor(tx, m, (int64_t)i, json_string_value(name))) < 0)
				return r;
		}
	}
	return 0;
}

/* Is this text a signature at all, and does it say that it covers every file?  Whose it is, the sensors know. */
static int
look_signed(const struct rollout_spec *s, const struct policy_source *src, char *err, size_t size)
{
	static const struct key_set nobody;
	char comment[MINISIGN_COMMENT] = "", why[200];
	const char *t = s->minisig ? strstr(s->minisig, "\ntrusted comment: ") : NULL;
	struct minisign m;

	if (!t || minisign_verify(&nobody, src->text, src->len, s->minisig, strlen(s->minisig), &m,
		      why, sizeof(why)) != ERR_NOTFOUND)
		return err_say(err, size, ERR_FORMAT,
		    "it has to be signed (interlock policy sign), and the signature brought with "
		    "it");
	t += strlen("\ntrusted comment: ");
	snprintf(comment, sizeof(comment), "%.*s", (int)strcspn(t, "\r\n"), t);
	if (!policy_files_signed(src, comment))
		return err_say(err, size, ERR_FORMAT,
		    "the signature is not of these files, or not of all of them");
	return 0;
}

int
rollout_make(
    struct store *s, const struct rollout_spec *spec, int64_t *id, char *err, size_t err_size)
{
	struct make m = {.spec = spec, .err = err, .err_size = err_size};
	char hash[HASH_HEX + 1];
	struct policy_source src;
	size_t n = json_array_size(spec->stages);
	int r;

	*err = '\0';
	if (n == 0 || n > ROLLOUT_STAGES)
		return err_say(err, err_size, ERR_FORMAT, "1 to %u stages", ROLLOUT_STAGES);
	if (spec->trial_s < 5 || spec->trial_s > 604800 || spec->soak_s < 0 ||
	    spec->soak_s + ROLLOUT_SPARE_S > spec->trial_s)
		return err_say(err, err_size, ERR_FORMAT,
		    "a trial is at most 7 days, and %d s longer than the soak at least",
		    ROLLOUT_SPARE_S);
	if ((r = propose_policy(spec->doc, &src, hash, err, err_size)) < 0 ||
	    (r = look_signed(spec, &src, err, err_size)) < 0)
		return r;
	m.hash = hash;
	m.doc = json_dumps(spec->doc, JSON_COMPACT);
	r = !m.doc			    ? ERR_NOMEM
	    : strlen(m.doc) > ROLLOUT_BYTES ? ERR_RANGE
					    : store_write(s, make_job, &m);
	free(m.doc);
	if (r < 0 && *err == '\0')
		(void)err_say(err, err_size, r, "%s", err_str(r));
	*id = m.id;
	return r;
}

/* --- what an admin says of it ------------------------------------------------------------- */

struct edit {
	int64_t id, now_ms;
	bool go;
	char *err;
	size_t err_size;
};

/* How many of the stages up to this one are not done. */
static int64_t
left(struct db *db, int64_t id, int64_t stage)
{
	return db_number(db, 1,
	    "SELECT count(*) FROM rollout_sensor WHERE rollout = ? AND stage <= ? AND step <> 4",
	    "ii", id, stage);
}

static int
edit_job(struct store_tx *tx, void *ctx)
{
	struct edit *e = ctx;
	struct db *db = tx_db(tx);
	int64_t state = db_number(db, -1, "SELECT state FROM rollout WHERE id = ?", "i", e->id),
		stage = db_number(db, 0, "SELECT stage FROM rollout WHERE id = ?", "i", e->id);

	if (state < 0)
		return err_say(e->err, e->err_size, ERR_NOTFOUND, "no such roll-out");
	if (e->go ? state != HELD : state > HELD)
		return err_say(e->err, e->err_size, ERR_EXISTS, "it is %s",
		    states[state <= FAILED ? state : 0]);
	if (!e->go)
		return tx_exec(
		    tx, "UPDATE rollout SET state = 3, why = '' WHERE id = ?", "i", e->id);
	return tx_exec(tx,
	    "UPDATE rollout SET state = 0, why = '', accepted = ?, stage = ? WHERE id = ?", "iii",
	    e->now_ms, left(db, e->id, stage) == 0 ? stage + 1 : stage, e->id);
}

int
rollout_change(struct store *s, int64_t id, bool go, int64_t now_ms, char *err, size_t err_size)
{
	struct edit e = {.id = id, .go = go, .now_ms = now_ms, .err = err, .err_size = err_size};
	int r;

	*err = '\0';
	if ((r = store_write(s, edit_job, &e)) < 0 && *err == '\0')
		(void)err_say(err, err_size, r, "%s", err_str(r));
	return r;
}

/* --- what becomes of it ---------------------------------------------------------------------- */

struct turn {
	int64_t now_ms;
	int64_t incident[8];
	unsigned n;
};

struct one {
	int64_t id, state, stage, stages, soak_s, automatic, accepted;
	char policy[HASH_HEX + 1], name[128];
};

static int
fail(struct store_tx *tx, const struct one *o, const char *sensor, const char *what, struct turn *t)
{
	char title[WHY_MAX];
	struct incident_what w = {.kind = INCIDENT_SENSOR,
	    .sev = 2,
	    .title = title,
	    .rule = "rollout.failed",
	    .site = "",
	    .sensor = sensor,
	    .time_ms = t->now_ms};
	int64_t id;

	snprintf(title, sizeof(title), "roll-out %lld of %s ends: %s %s", (long long)o->id, o->name,
	    sensor, what);
	if ((id = incident_tell(tx, &w, title)) < 0)
		return (int)id;
	if (t->n < sizeof(t->incident) / sizeof(t->incident[0]))
		t->incident[t->n++] = id;
	return tx_exec(
	    tx, "UPDATE rollout SET state = 4, why = ? WHERE id = ?", "ti", title, o->id);
}

static int
step_to(struct store_tx *tx, int64_t rollout, int64_t sensor, enum step to, int64_t now_ms)
{
	return tx_exec(tx,
	    "UPDATE rollout_sensor SET step = ?, time = ? WHERE rollout = ? AND sensor = ?", "iiii",
	    (int64_t)to, now_ms, rollout, sensor);
}

static int
hold(struct store_tx *tx, const struct one *o, const char *why)
{
	return o->state == HELD ? 0
				: tx_exec(tx, "UPDATE rollout SET state = 1, why = ? WHERE id = ?",
				      "ti", why, o->id);
}

struct row {
	int64_t sensor, step, time, offered;
	char name[256], policy[HASH_HEX + 1];
};

/* One sensor that has it, or was offered it. */
static int
look(struct store_tx *tx, const struct one *o, const struct row *s, struct turn *t)
{
	bool has = strcmp(s->policy, o->policy) == 0;
	/* What came before its signed lines told of the policy may have come of it, too. */
	int64_t since = s->offered > o->accepted ? s->offered : o->accepted, incident;
	char why[WHY_MAX];

	if (s->step == OFFERED)
		return has ? step_to(tx, o->id, s->sensor, TRIAL, t->now_ms) : 0;
	if (!has) {
		int r = step_to(tx, o->id, s->sensor, BACK, t->now_ms);

		return r < 0 ? r : fail(tx, o, s->name, "runs another policy again", t);
	}
	if (s->step != TRIAL || o->state != RUNS || t->now_ms - s->time < o->soak_s * 1000)
		return 0;
	incident = db_number(tx_db(tx), 0,
	    "SELECT min(id) FROM incident WHERE sensor = ? AND kind = 0 AND sev <= 2 AND first >= "
	    "?",
	    "ti", s->name, since);
	if (incident == 0)
		return step_to(tx, o->id, s->sensor, CONFIRM, t->now_ms);
	snprintf(why, sizeof(why), "%s has incident %lld since it runs that policy", s->name,
	    (long long)incident);
	return hold(tx, o, why);
}

static int
finish_stage(struct store_tx *tx, const struct one *o, struct turn *t)
{
	char why[WHY_MAX];

	if (o->state != RUNS || left(tx_db(tx), o->id, o->stage) > 0)
		return 0;
	if (o->stage + 1 >= o->stages) {
		/* What they run now is what they should run (fleet.h). */
		int r = tx_exec(tx,
		    "INSERT INTO pin(sensor, build, policy, time, user) SELECT sensor, '', ?1, ?2, "
		    "?3"
		    " FROM rollout_sensor WHERE rollout = ?4"
		    " ON CONFLICT(sensor) DO UPDATE SET policy = excluded.policy, time = "
		    "excluded.time",
		    "titi", o->policy, t->now_ms, "rollout", o->id);

		return r < 0 ? r
			     : tx_exec(tx, "UPDATE rollout SET state = 2 WHERE id = ?", "i", o->id);
	}
	if (o->automatic)
		return tx_exec(
		    tx, "UPDATE rollout SET stage = ? WHERE id = ?", "ii", o->stage + 1, o->id);
	snprintf(why, sizeof(why), "stage %lld of %lld is done", (long long)o->stage + 1,
	    (long long)o->stages);
	return hold(tx, o, why);
}

static int
turn_one(struct store_tx *tx, struct one *o, struct turn *t)
{
	struct db *db = tx_db(tx);
	struct row *rows = NULL;
	size_t n = 0, room = 0;
	struct db_stmt *st;
	int r = o->state != RUNS ? 0
				 : tx_exec(tx,
				       "UPDATE rollout_sensor SET step = 1, time = ?1, offered = "
				       "?1 WHERE rollout = ?2 AND"
				       " stage <= ?3 AND step = 0",
				       "iii", t->now_ms, o->id, o->stage);

	if (r < 0)
		return r;
	st = db_query(db,
	    "SELECT rs.sensor, rs.step, rs.time, s.name, coalesce(s.policy, ''), rs.offered FROM "
	    "rollout_sensor rs"
	    " JOIN sensor s ON s.id = rs.sensor WHERE rs.rollout = ? AND rs.step BETWEEN 1 AND 3",
	    "i", o->id);
	while (st && r == 0 && db_step(st) == DB_ROW) {
		if (n == room) {
			struct row *more =
			    realloc(rows, (room = room ? 2 * room : 16) * sizeof(*rows));

			if (!more) {
				r = ERR_NOMEM;
				break;
			}
			rows = more;
		}
		rows[n] = (struct row){.sensor = db_i64(st, 0),
		    .step = db_i64(st, 1),
		    .time = db_i64(st, 2),
		    .offered = db_i64(st, 5)};
		snprintf(rows[n].name, sizeof(rows[n].name), "%s", db_text(st, 3));
		snprintf(rows[n].policy, sizeof(rows[n].policy), "%s", db_text(st, 4));
		n++;
	}
	db_finalize(st);
	for (size_t i = 0; i < n && r == 0; i++) {
		r = look(tx, o, &rows[i], t);
		o->state =
		    db_number(db, FAILED, "SELECT state FROM rollout WHERE id = ?", "i", o->id);
		if (o->state == FAILED)
			break;
	}
	free(rows);
	return r < 0 || o->state == FAILED ? r : finish_stage(tx, o, t);
}

static int
turn_job(struct store_tx *tx, void *ctx)
{
	struct one all[16];
	size_t n = 0;
	struct db_stmt *st = db_query(tx_db(tx),
	    "SELECT id, state, stage, stages, soak_s, automatic, accepted, policy, name FROM "
	    "rollout"
	    " WHERE state < 2 ORDER BY id LIMIT 16",
	    "");
	int r = 0;

	while (st && db_step(st) == DB_ROW) {
		struct one *o = &all[n++];

		*o = (struct one){.id = db_i64(st, 0),
		    .state = db_i64(st, 1),
		    .stage = db_i64(st, 2),
		    .stages = db_i64(st, 3),
		    .soak_s = db_i64(st, 4),
		    .automatic = db_i64(st, 5),
		    .accepted = db_i64(st, 6)};
		snprintf(o->policy, sizeof(o->policy), "%s", db_text(st, 7));
		snprintf(o->name, sizeof(o->name), "%s", db_text(st, 8));
	}
	db_finalize(st);
	for (size_t i = 0; i < n && r == 0; i++)
		r = turn_one(tx, &all[i], ctx);
	return r;
}

void
rollout_turn(struct collector *co, int64_t now_ms)
{
	struct turn t = {.now_ms = now_ms};

	if (store_write(co->store, turn_job, &t) < 0)
		return;
	for (unsigned i = 0; i < t.n; i++)
		sse_incident(co->bus, t.incident[i]);
}

/* What one sensor has part in now: the number of the roll-out, 0 none. */
static int64_t
current(struct db *db, int64_t sensor)
{
	return db_number(db, 0,
	    "SELECT max(r.id) FROM rollout_sensor rs JOIN rollout r ON r.id = rs.rollout WHERE "
	    "rs.sensor = ?"
	    " AND r.state < 2 AND rs.step BETWEEN 1 AND 3",
	    "i", sensor);
}

static int64_t
step_of(struct db *db, int64_t rollout, int64_t sensor)
{
	return db_number(db, WAITS,
	    "SELECT step FROM rollout_sensor WHERE rollout = ? AND sensor = ?", "ii", rollout,
	    sensor);
}

static bool
runs_it(struct db *db, int64_t rollout, int64_t sensor)
{
	return db_number(db, 0,
		   "SELECT count(*) FROM sensor s JOIN rollout r ON r.policy = s.policy WHERE s.id "
		   "= ? AND"
		   " r.id = ?",
		   "ii", sensor, rollout) > 0;
}

int
rollout_heard(struct store_tx *tx, int64_t sensor, const char *event, size_t n, int64_t now_ms)
{
	static const char confirmed[] = "policy.confirmed";
	int64_t id;

	if (n != sizeof(confirmed) - 1 || memcmp(event, confirmed, n) != 0 ||
	    (id = current(tx_db(tx), sensor)) == 0 || step_of(tx_db(tx), id, sensor) == OFFERED ||
	    !runs_it(tx_db(tx), id, sensor))
		return 0;
	return step_to(tx, id, sensor, IN_FORCE, now_ms);
}

/* --- sensors ask ------------------------------------------------------------------------------ */

/* What a sensor says of the one that it was offered; its certificate says who it is. */
struct report {
	int64_t id, sensor, now_ms;
	const char *sensor_name, *state, *why;
	struct turn turn;
};

static int
report_job(struct store_tx *tx, void *ctx)
{
	struct report *p = ctx;
	struct db *db = tx_db(tx);
	struct one o = {.id = p->id};
	int64_t step = step_of(db, p->id, p->sensor);
	struct db_stmt *st;
	int r;

	if (p->id == 0 || current(db, p->sensor) != p->id)
		return 0;
	if (strcmp(p->state, "in_force") == 0)
		return step != OFFERED && runs_it(db, p->id, p->sensor)
			   ? step_to(tx, p->id, p->sensor, IN_FORCE, p->now_ms)
			   : 0;
	if (strcmp(p->state, "refused") != 0 && strcmp(p->state, "rolled_back") != 0)
		return 0;
	st = db_query(db, "SELECT name FROM rollout WHERE id = ?", "i", p->id);
	if (st && db_step(st) == DB_ROW)
		snprintf(o.name, sizeof(o.name), "%s", db_text(st, 0));
	db_finalize(st);
	r = tx_exec(tx,
	    "UPDATE rollout_sensor SET step = ?, time = ?, said = ? WHERE rollout = ? AND sensor = "
	    "?",
	    "iitii", (int64_t)(p->state[1] == 'e' ? REFUSED : BACK), p->now_ms, p->why, p->id,
	    p->sensor);
	return r < 0 ? r
		     : fail(tx, &o, p->sensor_name,
			   p->state[1] == 'e' ? "refuses it" : "went back to its policy", &p->turn);
}

void
rollout_offer(struct call *c)
{
	struct db *db;
	struct report p = {.id = call_number(c, "id", 0, INT64_MAX),
	    .sensor = c->sensor,
	    .now_ms = c->now_ms,
	    .sensor_name = c->sensor_name,
	    .state = call_arg(c, "state"),
	    .why = call_arg(c, "why"),
	    .turn = {.now_ms = c->now_ms}};
	char why[WHY_MAX];
	struct db_stmt *st;

	snprintf(why, sizeof(why), "%s", p.why ? p.why : "");
	p.why = why;
	if (c->relay == 0 && p.state && p.id > 0) {
		if (store_write(c->co->store, report_job, &p) < 0) {
			call_store_error(c, ERR_IO);
			return;
		}
		for (unsigned i = 0; i < p.turn.n; i++)
			sse_incident(c->co->bus, p.turn.incident[i]);
	}
	if (!(db = call_db(c)) || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	st = db_query(db, "SELECT id, policy, name, trial_s FROM rollout WHERE id = ?", "i",
	    c->relay == 0 ? current(db, c->sensor) : (int64_t)0);
	if (st && db_step(st) == DB_ROW) {
		jw_i(&c->w, "id", db_i64(st, 0));
		jw_str(&c->w, "policy", db_text(st, 1));
		jw_str(&c->w, "name", db_text(st, 2));
		jw_i(&c->w, "trial_s", db_i64(st, 3));
		jw_bool(&c->w, "confirm", step_of(db, db_i64(st, 0), c->sensor) == CONFIRM);
	}
	db_finalize(st);
	jw_close(&c->w, '}');
}

static void
put_file(struct jw *w, const char *name, const char *text, size_t n)
{
	char head[64];

	snprintf(head, sizeof(head), "%zu ", n);
	jw_raw(w, head, strlen(head));
	jw_raw(w, name, strlen(name));
	jw_raw(w, "\n", 1);
	jw_raw(w, text, n);
}

/* All files and the signature, in the form of policy/bundle.h. */
void
rollout_bundle(struct call *c)
{
	struct db *db = call_db(c);
	int64_t id = db ? current(db, c->sensor) : 0;
	struct db_stmt *st;
	json_t *doc = NULL;
	char with[300];

	if (!db)
		return;
	st = db_query(db, "SELECT doc, minisig, name FROM rollout WHERE id = ?", "i",
	    c->relay == 0 && strtoll(c->part[0], NULL, 10) == id ? id : (int64_t)0);
	if (st && db_step(st) == DB_ROW)
		doc = json_loadb(db_blob(st, 0), db_bytes(st, 0), 0, NULL);
	if (!doc) {
		call_error(c, 404, "not_found", "this sensor is not offered that");
	} else if (call_begin(c, 200)) {
		const char *name;
		json_t *text;

		snprintf(with, sizeof(with), "%.200s.minisig", db_text(st, 2));
		put_file(&c->w, with, db_text(st, 1), strlen(db_text(st, 1)));
		json_object_foreach(json_object_get(doc, "files"), name, text)
		{
			put_file(&c->w, name, json_string_value(text), json_string_length(text));
		}
		c->type = "application/octet-stream";
	}
	db_finalize(st);
	json_decref(doc);
}

/* --- people ask ------------------------------------------------------------------------------- */

static void
members(struct jw *w, struct db *db, struct db_stmt *st)
{
	int64_t id = db_i64(st, 0), state = db_i64(st, 5);
	struct db_stmt *of;

	jw_obj(w, NULL);
	jw_i(w, "id", id);
	jw_i(w, "time", db_i64(st, 1));
	jw_str(w, "user", db_text(st, 2));
	jw_str(w, "name", db_text(st, 3));
	jw_str(w, "policy", db_text(st, 4));
	jw_str(w, "state", states[state >= 0 && state <= FAILED ? state : FAILED]);
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
	"automatic FROM rollout"

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

/* That roll-out, or 404, 409 or 400 for what rollout_make() and rollout_change() say. */
static void
answer(struct call *c, int r, const char *err, int64_t id)
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
	answer(c, r, err, id);
	json_decref(o);
}

void
rollout_post_one(struct call *c)
{
	json_t *o = call_json(c);
	const char *word = json_string_value(json_object_get(o, "do"));
	int64_t id = strtoll(c->part[0], NULL, 10);
	char err[200];
	int r;

	if (!o)
		return;
	if (!word || (strcmp(word, "go") != 0 && strcmp(word, "stop") != 0)) {
		call_error(c, 400, "bad_request", "do: go or stop");
	} else {
		r = rollout_change(c->co->store, id, word[0] == 'g', c->now_ms, err, sizeof(err));
		audit_log(c, word[0] == 'g' ? "rollout.go" : "rollout.stop", c->part[0], r == 0,
		    "%s", r < 0 ? err : "");
		answer(c, r, err, id);
	}
	json_decref(o);
}
