/* SPDX-License-Identifier: Apache-2.0 */
/* rollout.c - see rollout.h. */
#include "collector/rollout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/permit.h"
#include "base/err.h"
#include "base/minisign.h"
#include "collector/collector.h"
#include "collector/guide.h"
#include "collector/incident.h"
#include "collector/propose.h"
#include "collector/rollout_int.h"
#include "collector/sse.h"
#include "collector/store.h"
#include "policy/policy.h"

#define HASH_HEX (2u * PROPOSE_HASH_BYTES)
#define WHY_MAX	 300u

/* --- a new one ------------------------------------------------------------------------- */

struct make {
	const struct rollout_spec *spec;
	struct rollout_what what;
	char *doc; /* NULL: a permit */
	int64_t id;
	char *err;
	size_t err_size;
};

/* How the log of an incident calls it. */
static void
told(char text[WHY_MAX], int64_t id, const char *name)
{
	snprintf(text, WHY_MAX, "#%lld%s%.100s", (long long)id, *name ? " " : "", name);
}

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
	static const struct rollout_step none = {.playbook = "", .step = ""};
	struct make *m = ctx;
	const struct rollout_spec *s = m->spec;
	const struct rollout_step *of = s->of ? s->of : &none;
	const json_t *stage, *name;
	char text[WHY_MAX];
	size_t i, k, n = 0;
	int r;

	if (s->of && db_number(tx_db(tx), 0, "SELECT count(*) FROM incident WHERE id = ?", "i",
			 of->incident) == 0)
		return err_say(m->err, m->err_size, ERR_NOTFOUND, "no such incident");
	m->id = tx_new(tx,
	    "INSERT INTO rollout(time, username, name, policy, doc, minisig, trial_s, soak_s, "
	    "automatic, state, stage, stages, accepted, why, kind, expires, incident, playbook, "
	    "step, version)"
	    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, 0, '', ?, ?, ?, ?, ?, ?) RETURNING id",
	    "itttttiiiiiiitti", s->now_ms, s->user,
	    s->permit ? s->name : json_string_value(json_object_get(s->doc, "name")), m->what.id,
	    s->permit ? s->permit : m->doc, s->permit ? "" : s->minisig, s->trial_s, s->soak_s,
	    (int64_t)s->automatic, (int64_t)json_array_size(s->stages),
	    (int64_t)(s->permit ? PERMIT : 0), m->what.expires_s * 1000, of->incident, of->playbook,
	    of->step, of->version);
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
	if (!s->of)
		return 0;
	told(text, m->id, s->permit ? s->name : json_string_value(json_object_get(s->doc, "name")));
	return incident_say(tx, of->incident, s->now_ms, s->user, SAID_OFFERED, text);
}

/* Is this text a signature at all, and does it say that it covers every file?  Whose it is, the sensors know. */
static int
look_signed(const struct rollout_spec *s, const struct policy_source *src, int64_t *signed_s,
    char *err, size_t size)
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
	*signed_s = strncmp(t, "timestamp:", 10) == 0 ? strtoll(t + 10, NULL, 10) : 0;
	snprintf(comment, sizeof(comment), "%.*s", (int)strcspn(t, "\r\n"), t);
	if (!policy_files_signed(src, comment))
		return err_say(err, size, ERR_FORMAT,
		    "the signature is not of these files, or not of all of them");
	return 0;
}

int
rollout_look(const struct rollout_spec *spec, struct rollout_what *out, char *err, size_t err_size)
{
	char hash[HASH_HEX + 1];
	struct policy_source src;
	struct permit m;
	int r;

	*err = '\0';
	*out = (struct rollout_what){0};
	if (!spec->permit) {
		r = propose_policy(spec->doc, &src, hash, err, err_size);
		snprintf(out->id, sizeof(out->id), "%s", r < 0 ? "" : hash);
		return r < 0 ? r : look_signed(spec, &src, &out->signed_s, err, err_size);
	}
	if ((r = permit_peek(spec->permit, strlen(spec->permit), &m, err, err_size)) < 0)
		return ERR_FORMAT;
	snprintf(out->id, sizeof(out->id), "%s", m.id);
	out->signed_s = (int64_t)m.iat_s;
	out->expires_s = (int64_t)m.until_s;
	return 0;
}

int
rollout_make(
    struct store *s, const struct rollout_spec *spec, int64_t *id, char *err, size_t err_size)
{
	struct make m = {.spec = spec, .err = err, .err_size = err_size};
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
	if ((r = rollout_look(spec, &m.what, err, err_size)) < 0)
		return r;
	if (spec->permit && m.what.expires_s * 1000 <= spec->now_ms)
		return err_say(err, err_size, ERR_RANGE, "the permit has expired");
	m.doc = spec->permit ? NULL : json_dumps(spec->doc, JSON_COMPACT);
	r = !m.doc && !spec->permit		     ? ERR_NOMEM
	    : m.doc && strlen(m.doc) > ROLLOUT_BYTES ? ERR_RANGE
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
	const char *user;
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
stop(struct store_tx *tx, const struct edit *e)
{
	int64_t incident = rollout_incident(tx_db(tx), e->id);
	char text[WHY_MAX];
	int r = tx_exec(tx, "UPDATE rollout SET state = 3, why = '' WHERE id = ?", "i", e->id);

	told(text, e->id, "");
	return r < 0 || incident == 0
		   ? r
		   : incident_say(tx, incident, e->now_ms, e->user, SAID_STOPPED, text);
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
		return err_say(
		    e->err, e->err_size, ERR_EXISTS, "it is %s", rollout_state_name(state));
	if (!e->go)
		return stop(tx, e);
	return tx_exec(tx,
	    "UPDATE rollout SET state = 0, why = '', accepted = ?, stage = ? WHERE id = ?", "iii",
	    e->now_ms, left(db, e->id, stage) == 0 ? stage + 1 : stage, e->id);
}

int
rollout_change(struct store *s, int64_t id, bool go, const char *user, int64_t now_ms, char *err,
    size_t err_size)
{
	struct edit e = {
	    .id = id, .go = go, .user = user, .now_ms = now_ms, .err = err, .err_size = err_size};
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
	int64_t id, state, stage, stages, soak_s, automatic, accepted, kind, expires, incident;
	char policy[PERMIT_TEXT], name[128];
};

/* Somebody may be looking at that incident. */
static void
touch(struct turn *t, int64_t incident)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->incident[i] == incident)
			return;
	if (incident > 0 && t->n < sizeof(t->incident) / sizeof(t->incident[0]))
		t->incident[t->n++] = incident;
}

/* The step that it is the action of: done, or not. */
static int
close_step(struct store_tx *tx, const struct one *o, bool done, const char *why, struct turn *t)
{
	struct db_stmt *st;
	char user[128] = "", playbook[128] = "", step[128] = "", text[WHY_MAX];
	struct guide_tick k = {.incident = o->incident,
	    .playbook = playbook,
	    .step = step,
	    .note = text,
	    .user = user,
	    .own = true,
	    .done = true,
	    .now_ms = t->now_ms};
	int r;

	if (o->incident == 0)
		return 0;
	st = db_query(tx_db(tx),
	    "SELECT username, playbook, step, version FROM rollout WHERE id = ?", "i", o->id);
	if (st && db_step(st) == DB_ROW) {
		snprintf(user, sizeof(user), "%s", db_text(st, 0));
		snprintf(playbook, sizeof(playbook), "%s", db_text(st, 1));
		snprintf(step, sizeof(step), "%s", db_text(st, 2));
		k.version = db_i64(st, 3);
	}
	db_finalize(st);
	touch(t, o->incident);
	told(text, o->id, o->name);
	if (!done)
		return incident_say(tx, o->incident, t->now_ms, user, SAID_NOT_APPLIED, why);
	r = incident_say(tx, o->incident, t->now_ms, user, SAID_APPLIED, text);
	return r < 0 ? r : guide_tick(tx, &k);
}

static int
fail(struct store_tx *tx, const struct one *o, const char *sensor, const char *what, struct turn *t)
{
	char title[WHY_MAX], why[WHY_MAX];
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
	touch(t, id);
	snprintf(
	    why, sizeof(why), "#%lld %.100s: %.100s %s", (long long)o->id, o->name, sensor, what);
	if ((id = close_step(tx, o, false, why, t)) < 0)
		return (int)id;
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
hold(struct store_tx *tx, const struct one *o, const char *why, struct turn *t)
{
	if (o->state == HELD)
		return 0;
	touch(t, o->incident);
	return tx_exec(tx, "UPDATE rollout SET state = 1, why = ? WHERE id = ?", "ti", why, o->id);
}

static int
moved(struct store_tx *tx, const struct one *o, int64_t sensor, enum step to, struct turn *t)
{
	touch(t, o->incident);
	return step_to(tx, o->id, sensor, to, t->now_ms);
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

	if (o->kind == PERMIT)
		return t->now_ms < o->expires
			   ? 0
			   : fail(tx, o, s->name, "has not taken it in its time", t);
	if (s->step == OFFERED)
		return has ? moved(tx, o, s->sensor, TRIAL, t) : 0;
	if (!has) {
		int r = moved(tx, o, s->sensor, BACK, t);

		return r < 0 ? r : fail(tx, o, s->name, "runs another policy again", t);
	}
	if (s->step != TRIAL || o->state != RUNS || t->now_ms - s->time < o->soak_s * 1000)
		return 0;
	incident = db_number(tx_db(tx), 0,
	    "SELECT min(id) FROM incident WHERE sensor = ? AND kind = 0 AND sev <= 2 AND first >= "
	    "?",
	    "ti", s->name, since);
	if (incident == 0)
		return moved(tx, o, s->sensor, CONFIRM, t);
	snprintf(why, sizeof(why), "%s has incident %lld since it runs that policy", s->name,
	    (long long)incident);
	return hold(tx, o, why, t);
}

static int
finish_stage(struct store_tx *tx, const struct one *o, struct turn *t)
{
	char why[WHY_MAX];

	if (o->state != RUNS || left(tx_db(tx), o->id, o->stage) > 0)
		return 0;
	if (o->stage + 1 >= o->stages) {
		/* What they run now is what they should run (fleet.h). */
		int r =
		    o->kind == PERMIT
			? 0
			: tx_exec(tx,
			      "INSERT INTO pin(sensor, build, policy, time, user) SELECT sensor, "
			      "'', ?1, ?2, "
			      "?3"
			      " FROM rollout_sensor WHERE rollout = ?4"
			      " ON CONFLICT(sensor) DO UPDATE SET policy = excluded.policy, time = "
			      "excluded.time",
			      "titi", o->policy, t->now_ms, "rollout", o->id);

		if (r == 0)
			r = close_step(tx, o, true, NULL, t);
		return r < 0 ? r
			     : tx_exec(tx, "UPDATE rollout SET state = 2 WHERE id = ?", "i", o->id);
	}
	if (o->automatic)
		return tx_exec(
		    tx, "UPDATE rollout SET stage = ? WHERE id = ?", "ii", o->stage + 1, o->id);
	snprintf(why, sizeof(why), "stage %lld of %lld is done", (long long)o->stage + 1,
	    (long long)o->stages);
	return hold(tx, o, why, t);
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
	if (o->state == RUNS && db_changes(db) > 0)
		touch(t, o->incident);
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
	    "SELECT id, state, stage, stages, soak_s, automatic, accepted, policy, name, kind, "
	    "expires, incident FROM rollout"
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
		    .accepted = db_i64(st, 6),
		    .kind = db_i64(st, 9),
		    .expires = db_i64(st, 10),
		    .incident = db_i64(st, 11)};
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

static bool
is_permit(struct db *db, int64_t rollout)
{
	return db_number(db, 0, "SELECT kind FROM rollout WHERE id = ?", "i", rollout) == PERMIT;
}

int
rollout_heard(struct store_tx *tx, int64_t sensor, const char *event, size_t n, int64_t now_ms)
{
	static const char confirmed[] = "policy.confirmed", opened[] = "permit.opened";
	bool opens = n == sizeof(opened) - 1 && memcmp(event, opened, n) == 0;
	int64_t id;

	if ((!opens && (n != sizeof(confirmed) - 1 || memcmp(event, confirmed, n) != 0)) ||
	    (id = current(tx_db(tx), sensor)) == 0 || is_permit(tx_db(tx), id) != opens)
		return 0;
	if (opens) /* which one, its sender says */
		return step_to(tx, id, sensor, CONFIRM, now_ms);
	return step_of(tx_db(tx), id, sensor) == OFFERED || !runs_it(tx_db(tx), id, sensor)
		   ? 0
		   : step_to(tx, id, sensor, IN_FORCE, now_ms);
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
	o.incident = rollout_incident(db, p->id);
	if (strcmp(p->state, "in_force") == 0) {
		bool heard = is_permit(db, p->id)
				 ? step == CONFIRM
				 : step != OFFERED && runs_it(db, p->id, p->sensor);

		return heard ? moved(tx, &o, p->sensor, IN_FORCE, &p->turn) : 0;
	}
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
	st = db_query(db, "SELECT id, policy, name, trial_s, kind FROM rollout WHERE id = ?", "i",
	    c->relay == 0 ? current(db, c->sensor) : (int64_t)0);
	if (st && db_step(st) == DB_ROW) {
		jw_i(&c->w, "id", db_i64(st, 0));
		if (db_i64(st, 4) == PERMIT) {
			jw_str(&c->w, "kind", "permit");
			jw_str(&c->w, "permit", db_text(st, 1));
		} else {
			jw_str(&c->w, "policy", db_text(st, 1));
			jw_str(&c->w, "name", db_text(st, 2));
			jw_i(&c->w, "trial_s", db_i64(st, 3));
			jw_bool(&c->w, "confirm", step_of(db, db_i64(st, 0), c->sensor) == CONFIRM);
		}
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

/* A permit as it is; all files of a policy and the signature, in the form of policy/bundle.h. */
void
rollout_bundle(struct call *c)
{
	struct db *db = call_db(c);
	int64_t id = db ? current(db, c->sensor) : 0;
	struct db_stmt *st;
	json_t *doc = NULL;
	bool permit = false;
	char with[300];

	if (!db)
		return;
	st = db_query(db, "SELECT doc, minisig, name, kind FROM rollout WHERE id = ?", "i",
	    c->relay == 0 && strtoll(c->part[0], NULL, 10) == id ? id : (int64_t)0);
	if (st && db_step(st) == DB_ROW && !(permit = db_i64(st, 3) == PERMIT))
		doc = json_loadb(db_blob(st, 0), db_bytes(st, 0), 0, NULL);
	if (permit && call_begin(c, 200)) {
		jw_raw(&c->w, db_text(st, 0), strlen(db_text(st, 0)));
		c->type = "application/octet-stream";
	} else if (!doc) {
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
