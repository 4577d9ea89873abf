/* SPDX-License-Identifier: Apache-2.0 */
/* guide.c - see guide.h. */
#include "collector/guide.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/feed.h"
#include "collector/ingest.h"
#include "collector/incident.h"
#include "collector/model.h"
#include "collector/playbook.h"
#include "collector/query.h"
#include "collector/rollout.h"
#include "collector/sse.h"
#include "collector/store.h"

#define TECHNIQUES 16u
#define PROBLEMS   20u /* complaints that an answer has */

struct guide {
	pthread_rwlock_t lock; /* held while an answer is written */
	struct library *lib;
	bool refused; /* what was read last */
	unsigned n_problems;
	char problem[PROBLEMS][400];
};

struct guide *
guide_new(void)
{
	struct guide *g = calloc(1, sizeof(*g));

	if (g)
		(void)pthread_rwlock_init(&g->lock, NULL);
	return g;
}

void
guide_free(struct guide *g)
{
	if (!g)
		return;
	library_free(g->lib);
	(void)pthread_rwlock_destroy(&g->lock);
	free(g);
}

/* --- reading it ------------------------------------------------------------------------ */

static int
last_job(struct store_tx *tx, void *ctx)
{
	struct library_last *last = ctx;
	struct db_stmt *st = db_query(
	    tx_db(tx), "SELECT version, manifest FROM library ORDER BY version DESC LIMIT 1", "");

	if (st && db_step(st) == DB_ROW && db_bytes(st, 1) == sizeof(last->manifest)) {
		last->version = (uint32_t)db_i64(st, 0);
		memcpy(last->manifest, db_blob(st, 1), sizeof(last->manifest));
	}
	db_finalize(st);
	return 0;
}

static int
accepted_job(struct store_tx *tx, void *ctx)
{
	const struct library *l = ctx;

	return tx_exec(tx,
	    "INSERT INTO library(version, manifest, kid, time) VALUES(?, ?, ?, ?) ON CONFLICT DO "
	    "NOTHING",
	    "ibti", (int64_t)l->version, l->manifest, sizeof(l->manifest), l->kid,
	    (int64_t)(clock_wall_ns() / 1000000));
}

static void
problems(struct guide *g, const struct complaints *c)
{
	g->n_problems = 0;
	for (size_t i = 0; i < c->n && g->n_problems < PROBLEMS; i++) {
		const struct complaint *one = &c->v[i];
		char *to = g->problem[g->n_problems];

		if (one->level != COMPLAINT_ERROR)
			continue;
		snprintf(to, sizeof(g->problem[0]), "%.160s:%u:%u: %s", complaint_file(c, one),
		    one->line, one->col, one->text);
		log_error("library: %s", to);
		g->n_problems++;
	}
}

/* What is there, verified when there is a key and then not older than the last; NULL: c says why. */
static struct library *
read_library(struct collector *co, struct complaints *c, char *err, size_t err_size)
{
	struct key_set *keys = NULL;
	struct library_last last = {0};
	struct library *l = NULL;
	int r;

	if (co->conf.library_key &&
	    (!(keys = calloc(1, sizeof(*keys))) ||
		key_set_load(keys, co->conf.library_key, err, err_size) < 0))
		goto out;
	if (keys && (r = store_write(co->store, last_job, &last)) < 0) {
		(void)err_say(err, err_size, r, "data base: %s", err_str(r));
		goto out;
	}
	l = library_load(co->conf.library, keys, keys ? &last : NULL, c);
	if (l && keys && (r = store_write(co->store, accepted_job, l)) < 0) {
		(void)err_say(err, err_size, r, "data base: %s", err_str(r));
		library_free(l);
		l = NULL;
	}
out:
	free(keys);
	return l;
}

bool
guide_load(struct collector *co)
{
	struct guide *g = co->guide;
	struct complaints c = {0};
	char err[400] = "";
	struct library *l, *old = NULL;

	if (!co->conf.library)
		return true;
	l = read_library(co, &c, err, sizeof(err));
	(void)pthread_rwlock_wrlock(&g->lock);
	problems(g, &c);
	g->refused = !l;
	if (err[0]) {
		log_error("library: %s", err);
		snprintf(g->problem[0], sizeof(g->problem[0]), "%s", err);
		g->n_problems = 1;
	}
	if (l) {
		old = g->lib;
		g->lib = l;
		log_info("library %s: version %u, %u playbooks, %u pages, %s", co->conf.library,
		    l->version, l->n_playbooks, l->n_pages, l->verified ? l->kid : "not verified");
	}
	(void)pthread_rwlock_unlock(&g->lock);
	library_free(old);
	complaints_fini(&c);
	return l != NULL;
}

const struct library *
guide_hold(struct collector *co)
{
	(void)pthread_rwlock_rdlock(&co->guide->lock);
	return co->guide->lib;
}

void
guide_release(struct collector *co)
{
	(void)pthread_rwlock_unlock(&co->guide->lock);
}

/* --- beside an alert ----------------------------------------------------------------------- */

static void
null_member(struct jw *w, const char *key)
{
	jw_key(w, key);
	jw_raw(w, "null", 4);
}

static void
ticks(struct jw *w, struct db *db, int64_t incident)
{
	struct db_stmt *st = db_query(db,
	    "SELECT playbook, step, version, user, time, note FROM step WHERE incident = ?"
	    " ORDER BY time, playbook, step LIMIT ?",
	    "ii", incident, (int64_t)GUIDE_TICKS);

	jw_arr(w, "ticks");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(w, NULL);
		jw_str(w, "playbook", db_text(st, 0));
		jw_str(w, "step", db_text(st, 1));
		jw_i(w, "version", db_i64(st, 2));
		jw_str(w, "user", db_text(st, 3));
		jw_i(w, "time", db_i64(st, 4));
		jw_str(w, "note", db_text(st, 5));
		jw_close(w, '}');
	}
	db_finalize(st);
	jw_close(w, ']');
}

/* What the sensor's list of devices says it is: "plc"; "" when it says nothing. */
static void
role_of(struct db *db, int64_t incident, const char *device, char *out, size_t size)
{
	struct db_stmt *st = db_query(db,
	    "SELECT a.role FROM asset a JOIN sensor s ON s.id = a.sensor JOIN incident i ON"
	    " i.sensor = s.name WHERE i.id = ? AND a.name = ? AND a.role <> '' LIMIT 1",
	    "it", incident, device);

	out[0] = '\0';
	if (st && db_step(st) == DB_ROW)
		snprintf(out, size, "%s", db_text(st, 0));
	db_finalize(st);
}

static void
lists(struct jw *w, const struct library *l, const struct library_query *q)
{
	const struct playbook *books[GUIDE_OTHERS + 1];
	const struct knowledge *pages[GUIDE_OTHERS];
	unsigned n = l ? library_find(l, q, books, GUIDE_OTHERS + 1) : 0;

	if (n > 0)
		playbook_json(w, "playbook", books[0], true);
	else
		null_member(w, "playbook");
	jw_arr(w, "playbooks");
	for (unsigned i = 1; i < n; i++)
		playbook_json(w, NULL, books[i], false);
	jw_close(w, ']');
	n = l ? library_find_pages(l, q, pages, GUIDE_OTHERS) : 0;
	jw_arr(w, "pages");
	for (unsigned i = 0; i < n; i++)
		knowledge_json(w, NULL, pages[i], false);
	jw_close(w, ']');
}

void
guide_members(
    struct call *c, struct db *db, int64_t incident, const char *rule, const char *line, size_t n)
{
	static const char *const found[] = {"il_event", "il_condition", "il_key"};
	json_t *o = line ? feed_json(line, n) : NULL, *tech, *v;
	const char *techniques[TECHNIQUES], *detections[4];
	struct library_query q = {.techniques = techniques, .detections = detections};
	const json_t *alert = json_object_get(o, "alert");
	struct guide *g = c->co->guide;
	char role[64] = "";
	size_t i;

	if (rule && *rule)
		detections[q.n_detections++] = rule;
	for (i = 0; o && i < sizeof(found) / sizeof(found[0]); i++)
		if (*feed_meta(o, found[i]))
			detections[q.n_detections++] = feed_meta(o, found[i]);
	tech = json_object_get(json_object_get(alert, "metadata"), "mitre_technique_id");
	json_array_foreach(tech, i, v) if (json_is_string(v) && q.n_techniques < TECHNIQUES)
	    techniques[q.n_techniques++] = json_string_value(v);
	if (o) {
		q.signature_id =
		    (uint32_t)json_integer_value(json_object_get(alert, "signature_id"));
		q.reason = feed_meta(o, "il_reason");
		q.op = feed_meta(o, "il_op");
		q.access = feed_meta(o, "il_access");
		q.proto = json_string_value(json_object_get(o, "app_proto"));
		role_of(db, incident, feed_meta(o, "il_dst"), role, sizeof(role));
		q.role = role[0] ? role : NULL;
	}
	(void)pthread_rwlock_rdlock(&g->lock);
	lists(&c->w, g->lib, &q);
	(void)pthread_rwlock_unlock(&g->lock);
	ticks(&c->w, db, incident);
	rollout_of_incident(&c->w, db, incident);
	json_decref(o);
}

void
guide_incident(struct call *c, struct db *db, int64_t incident, const char *rule)
{
	int64_t id = db_number(db, 0,
	    "SELECT id FROM (SELECT id, sev FROM alert INDEXED BY alert_incident WHERE incident = ?"
	    " ORDER BY time DESC, id DESC LIMIT 50) AS x ORDER BY sev, id DESC LIMIT 1",
	    "i", incident);
	struct db_stmt *st =
	    db_query(db, "SELECT size, lines FROM batch WHERE id = ?", "i", id / ALERTS_PER_BATCH);
	const char *line = NULL;
	char *text = NULL;
	size_t n = 0;

	if (id > 0 && st && db_step(st) == DB_ROW)
		text = ingest_unpack(db_blob(st, 1), db_bytes(st, 1), (size_t)db_i64(st, 0));
	db_finalize(st);
	if (text)
		line = ingest_line(text, id % ALERTS_PER_BATCH, &n);
	guide_members(c, db, incident, rule, line, n);
	free(text);
}

/* --- the library itself ----------------------------------------------------------------------- */

static const char *
state_of(const struct guide *g)
{
	return g->refused && !g->lib ? "refused"
	       : !g->lib	     ? "none"
	       : g->lib->verified    ? "verified"
				     : "unverified";
}

static void
library_members(struct jw *w, const struct guide *g, bool admin)
{
	const struct library *l = g->lib;

	jw_str(w, "state", state_of(g));
	jw_bool(w, "refused", g->refused);
	jw_arr(w, "problems"); /* they name paths of this machine */
	for (unsigned i = 0; admin && i < g->n_problems; i++)
		jw_str(w, NULL, g->problem[i]);
	jw_close(w, ']');
	jw_i(w, "version", l ? l->version : 0);
	jw_str(w, "kid", l ? l->kid : "");
	jw_i(w, "signed", l ? (int64_t)l->signed_s * 1000 : 0);
	jw_arr(w, "playbooks");
	for (uint32_t i = 0; l && i < l->n_playbooks; i++)
		playbook_json(w, NULL, &l->playbooks[i], false);
	jw_close(w, ']');
	jw_arr(w, "pages");
	for (uint32_t i = 0; l && i < l->n_pages; i++)
		knowledge_json(w, NULL, &l->pages[i], false);
	jw_close(w, ']');
}

void
guide_library(struct call *c)
{
	struct guide *g = c->co->guide;

	if (!call_begin(c, 200))
		return;
	(void)pthread_rwlock_rdlock(&g->lock);
	jw_obj(&c->w, NULL);
	library_members(&c->w, g, c->role == ROLE_ADMIN);
	jw_close(&c->w, '}');
	(void)pthread_rwlock_unlock(&g->lock);
}

void
guide_playbook(struct call *c)
{
	struct guide *g = c->co->guide;
	const struct playbook *p;

	(void)pthread_rwlock_rdlock(&g->lock);
	p = g->lib ? library_playbook(g->lib, c->part[0]) : NULL;
	if (!p)
		call_error(c, 404, "not_found", "no such playbook");
	else if (call_begin(c, 200))
		playbook_json(&c->w, NULL, p, true);
	(void)pthread_rwlock_unlock(&g->lock);
}

void
guide_page(struct call *c)
{
	struct guide *g = c->co->guide;
	const struct knowledge *k;

	(void)pthread_rwlock_rdlock(&g->lock);
	k = g->lib ? library_page(g->lib, c->part[0]) : NULL;
	if (!k)
		call_error(c, 404, "not_found", "no such page");
	else if (call_begin(c, 200))
		knowledge_json(&c->w, NULL, k, true);
	(void)pthread_rwlock_unlock(&g->lock);
}

void
guide_reload(struct call *c)
{
	bool ok = guide_load(c->co);

	audit_log(c, "library", "reload", ok, "%s", ok ? "" : "refused; what was is in force");
	guide_library(c);
}

/* --- steps -------------------------------------------------------------------------------------- */

int
guide_tick(struct store_tx *tx, void *ctx)
{
	struct guide_tick *t = ctx;
	char text[201];
	int r;

	if (db_number(
		tx_db(tx), 0, "SELECT count(*) FROM incident WHERE id = ?", "i", t->incident) == 0)
		return ERR_NOTFOUND;
	/* Who was first stays: ticked again it is as it was. */
	if (t->done)
		r = tx_exec(tx,
		    "INSERT INTO step(incident, playbook, step, version, user, time, "
		    "note)"
		    " VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		    "ittitit", t->incident, t->playbook, t->step, t->version, t->user, t->now_ms,
		    t->note);
	else
		r = tx_exec(tx, "DELETE FROM step WHERE incident = ? AND playbook = ? AND step = ?",
		    "itt", t->incident, t->playbook, t->step);
	t->changed = r == 0 && db_changes(tx_db(tx)) > 0;
	if (!t->changed)
		return r;
	snprintf(text, sizeof(text), "%.99s/%.99s", t->playbook, t->step);
	r = incident_say(
	    tx, t->incident, t->now_ms, t->user, t->done ? SAID_DONE : SAID_UNDONE, text);
	if (r == 0 && t->done && *t->note && !t->own)
		r = incident_note(tx, t->incident, t->now_ms, t->user, t->note);
	return r;
}

/* The version of the playbook that has this step; 0: there is none. */
static int64_t
version_of(struct guide *g, const char *playbook, const char *step)
{
	const struct playbook *p;
	int64_t version = 0;

	(void)pthread_rwlock_rdlock(&g->lock);
	p = g->lib ? library_playbook(g->lib, playbook) : NULL;
	for (uint32_t i = 0; p && i < p->n_steps; i++)
		if (strcmp(p->steps[i].id, step) == 0)
			version = p->version;
	(void)pthread_rwlock_unlock(&g->lock);
	return version;
}

bool
guide_action_of(
    struct collector *co, const char *playbook, const char *step, struct guide_action *out)
{
	struct guide *g = co->guide;
	const struct playbook *p;
	bool found = false;

	(void)pthread_rwlock_rdlock(&g->lock);
	p = g->lib ? library_playbook(g->lib, playbook) : NULL;
	for (uint32_t i = 0; p && i < p->n_steps; i++) {
		const struct playbook_step *s = &p->steps[i];

		if (strcmp(s->id, step) != 0 || !s->has_action)
			continue;
		found = true;
		out->version = p->version;
		out->kind = s->action;
		snprintf(
		    out->prepared, sizeof(out->prepared), "%s", s->prepared ? s->prepared : "");
	}
	(void)pthread_rwlock_unlock(&g->lock);
	return found;
}

static void
tick_answer(struct call *c, const struct guide_tick *t)
{
	struct db *db;

	if (t->changed) {
		audit_log(c, "step", c->part[0], true, "%s %s/%s version %lld",
		    t->done ? "done" : "undone", t->playbook, t->step, (long long)t->version);
		sse_incident(c->co->bus, t->incident);
	}
	if (!(db = call_db(c)) || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	ticks(&c->w, db, t->incident);
	jw_close(&c->w, '}');
}

void
guide_step(struct call *c)
{
	json_t *o = call_json(c);
	struct guide_tick t = {
	    .incident = strtoll(c->part[0], NULL, 10), .now_ms = c->now_ms, .user = c->user};
	const json_t *done;
	int r;

	if (!o)
		return;
	t.playbook = json_string_value(json_object_get(o, "playbook"));
	t.step = json_string_value(json_object_get(o, "step"));
	t.note = json_string_value(json_object_get(o, "note"));
	t.note = t.note ? t.note : "";
	done = json_object_get(o, "done");
	t.done = json_is_true(done);
	if (!t.playbook || !t.step || !json_is_boolean(done) || strlen(t.note) > GUIDE_NOTE)
		call_error(c, 400, "bad_request", "playbook, step, done true or false; note");
	else if ((t.version = version_of(c->co->guide, t.playbook, t.step)) == 0)
		call_error(c, 404, "not_found", "the library has no such step");
	else if ((r = store_write(c->co->store, guide_tick, &t)) == ERR_NOTFOUND)
		call_error(c, 404, "not_found", "no such incident");
	else if (r < 0)
		call_store_error(c, r);
	else
		tick_answer(c, &t);
	json_decref(o);
}
