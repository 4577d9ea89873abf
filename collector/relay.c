/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c - see relay.h. */
#include "collector/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/batch.h"
#include "alerts/jws.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/forward.h"
#include "collector/incident.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/sse.h"
#include "collector/store.h"

/* --- who may send what --------------------------------------------------------------- */

static bool
named(struct call *c, const char *name)
{
	struct db *db = call_db(c);
	int64_t state = -1;
	struct db_stmt *st;

	if (!db)
		return false;
	st = db_query(db,
	    "SELECT s.id, s.name, s.site, s.state FROM via v JOIN sensor s ON s.id = v.sensor"
	    " WHERE v.relay = ? AND s.name = ?",
	    "it", c->sensor, name);
	if (st && db_step(st) == DB_ROW) {
		c->relay = c->sensor;
		snprintf(c->relay_name, sizeof(c->relay_name), "%s", c->sensor_name);
		c->sensor = db_i64(st, 0);
		snprintf(c->sensor_name, sizeof(c->sensor_name), "%s", db_text(st, 1));
		snprintf(c->sensor_site, sizeof(c->sensor_site), "%s", db_text(st, 2));
		state = db_i64(st, 3);
	}
	db_finalize(st);
	if (!call_db_done(c)) /* not while a body comes in */
		return false;
	if (state < 0) {
		audit_refused(c, "relay: not announced");
		call_error(c, 403, "unknown", "that sensor was not announced by this relay");
	} else if (state == SENSOR_PENDING) {
		c->retry_after = 10;
		call_error(c, 403, "pending", "an admin has not approved this sensor yet");
	} else if (state == SENSOR_REVOKED) {
		call_error(c, 403, "revoked", "this sensor was revoked");
	}
	return c->status == 0;
}

bool
relay_admit(struct call *c, int64_t kind)
{
	const char *name = call_header(c, RELAY_SENSOR_HEADER);

	if (kind != KIND_SENSOR && name)
		return named(c, name);
	if (c->route->run == enrol_renew && !name) /* its own certificate */
		return true;
	if ((kind != KIND_SENSOR) == (c->route->run == relay_announce) && !name)
		return true;
	audit_refused(c, "relay");
	call_error(c, 403, "relay",
	    kind == KIND_SENSOR ? "a sensor sends its own batches, and announces nobody"
				: "a relay says whose batches it sends");
	return false;
}

int
relay_loss(struct call *c, struct batch *out, char *err, size_t err_size)
{
	const char *jws = c->relay ? call_header(c, RELAY_LOSS_HEADER) : NULL;
	struct key_set *keys;
	const struct key *by;
	json_t *o = NULL;
	char iss[256], sub[256];
	uint64_t v;
	int r;

	if (!jws)
		return 0;
	if (!(keys = malloc(sizeof(*keys))))
		return ERR_NOMEM;
	memset(out, 0, sizeof(*out));
	if ((r = enrol_keys(c, c->relay, false, keys)) == 0)
		r = jws_open(jws, strlen(jws), RELAY_LOSS_TYP, keys, &by, &o, err, err_size);
	free(keys);
	if (r < 0)
		return r == ERR_NOTFOUND ? ERR_SIGNATURE : r;
	if (jws_number(o, "v", &v) && v == 1 && jws_text(o, "iss", iss, sizeof(iss)) &&
	    jws_text(o, "sub", sub, sizeof(sub)) && strcmp(iss, c->relay_name) == 0 &&
	    strcmp(sub, c->sensor_name) == 0 && jws_number(o, "epoch", &out->epoch) &&
	    jws_number(o, "batch", &out->oldest))
		r = 1;
	else
		r = err_say(err, err_size, ERR_SIGNATURE, "a loss of another relay or sensor");
	json_decref(o);
	return r;
}

/* --- an announcement ------------------------------------------------------------------- */

enum said { SAID_ACTIVE = 0, SAID_RETIRED, SAID_REVOKED };
static const char *const said_names[] = {"active", "retired", "revoked"};

struct announced {
	char name[256], site[256], path[RELAY_PATH_MAX];
	struct key key[RELAY_KEYS_MAX];
	uint8_t said[RELAY_KEYS_MAX]; /* enum said */
	unsigned n;
	/* found */
	int64_t id, state, epoch, batch, pending, incident;
	bool taken, fresh;
};

struct announcement {
	const struct call *c;
	bool vouches;
	unsigned n;
	int64_t heard[8];
	unsigned n_heard;
	struct announced sensor[RELAY_SENSORS_MAX];
};

static bool
read_keys(const json_t *list, struct announced *a)
{
	struct key_set *one = malloc(sizeof(*one));
	char err[100];
	size_t i;
	json_t *k;
	bool ok = one && json_array_size(list) > 0 && json_array_size(list) <= RELAY_KEYS_MAX;

	json_array_foreach(list, i, k)
	{
		const char *state = json_string_value(json_object_get(k, "state"));
		char *text = ok ? json_dumps(k, JSON_COMPACT) : NULL;

		ok = text && state &&
		     key_set_parse(one, text, strlen(text), err, sizeof(err)) == 0 && one->n == 1;
		free(text);
		if (!ok)
			break;
		a->said[a->n] = 0;
		while (a->said[a->n] <= SAID_REVOKED && strcmp(state, said_names[a->said[a->n]]))
			a->said[a->n]++;
		ok = a->said[a->n] <= SAID_REVOKED;
		a->key[a->n++] = one->key[0];
	}
	free(one);
	return ok;
}

static bool
read_sensor(const json_t *o, const char *relay, struct announced *a)
{
	const json_t *path = json_object_get(o, "path"), *hop;
	size_t n = (size_t)snprintf(a->path, sizeof(a->path), "%s", relay), i;

	if (!jws_text(o, "name", a->name, sizeof(a->name)) || !enrol_good_name(a->name) ||
	    !jws_text(o, "site", a->site, sizeof(a->site)) ||
	    !read_keys(json_object_get(o, "keys"), a) || !json_is_array(path) ||
	    json_array_size(path) >= RELAY_DEPTH_MAX)
		return false;
	json_array_foreach(path, i, hop)
	{
		const char *s = json_string_value(hop);

		if (!s || !enrol_good_name(s))
			return false;
		n += (size_t)snprintf(a->path + n, sizeof(a->path) - n, "/%s", s);
	}
	return true;
}

/* NULL: said. */
static struct announcement *
read_announcement(struct call *c, char *err, size_t err_size)
{
	struct announcement *a = calloc(1, sizeof(*a));
	struct key_set *keys = malloc(sizeof(*keys));
	char iss[256], aud[KEY_ID_CHARS + 1];
	const struct key *by;
	json_t *o = NULL, *list, *s;
	uint64_t v;
	size_t i;
	bool ok = a && keys && enrol_keys(c, c->sensor, false, keys) == 0 &&
		  jws_open(c->body ? c->body : "", c->body_len, RELAY_ANNOUNCE_TYP, keys, &by, &o,
		      err, err_size) == 0;

	if (ok && !(ok = jws_number(o, "v", &v) && v == 1 && jws_text(o, "iss", iss, sizeof(iss)) &&
			 strcmp(iss, c->sensor_name) == 0 && jws_text(o, "aud", aud, sizeof(aud)) &&
			 strcmp(aud, c->co->receipt_key.kid) == 0))
		snprintf(
		    err, err_size, "an announcement of another relay, or to another collector");
	list = json_object_get(o, "sensors");
	ok = ok && json_is_array(list) && json_array_size(list) <= RELAY_SENSORS_MAX;
	json_array_foreach(list, i, s)
	{
		if (ok && !(ok = read_sensor(s, c->sensor_name, &a->sensor[a->n++])))
			snprintf(err, err_size, "sensor %zu of the announcement is no good", i + 1);
	}
	json_decref(o);
	free(keys);
	if (ok) {
		a->c = c;
		return a;
	}
	free(a);
	return NULL;
}

/* --- ... and what becomes of it ----------------------------------------------------------- */

static int
put_key(struct store_tx *tx, int64_t sensor, const struct key *k, int64_t state, int64_t now_ms)
{
	return tx_exec(tx,
	    "INSERT INTO sensor_key(sensor, kid, pk, since, state) VALUES(?, ?, ?, ?, ?)"
	    " ON CONFLICT DO NOTHING",
	    "itbii", sensor, k->kid, k->pk, sizeof(k->pk), now_ms, state);
}

static int64_t
key_state_of(struct store_tx *tx, int64_t sensor, const struct key *k)
{
	return db_number(tx_db(tx), -1, "SELECT state FROM sensor_key WHERE sensor = ? AND kid = ?",
	    "it", sensor, k->kid);
}

/* A name that nobody has yet. */
static int
put_new(struct store_tx *tx, struct announcement *a, struct announced *s)
{
	int64_t now = a->c->now_ms;
	int r =
	    tx_exec(tx, "INSERT INTO sensor(name, site, state, created, nid) VALUES(?, ?, ?, ?, ?)",
		"ttiii", s->name, s->site, (int64_t)(a->vouches ? SENSOR_ACTIVE : SENSOR_PENDING),
		now, tx_name(tx, s->name, strlen(s->name)));

	s->fresh = true;
	if (r == 0)
		s->id = db_number(
		    tx_db(tx), ERR_IO, "SELECT id FROM sensor WHERE name = ?", "t", s->name);
	for (unsigned i = 0; i < s->n && r == 0; i++)
		r = put_key(tx, s->id, &s->key[i], s->said[i], now);
	return r;
}

/* Its keys as the relay has them: who is behind it already may lose some by its word; a new one is believed only
 * when it vouches. */
static int
put_keys(struct store_tx *tx, struct announcement *a, struct announced *s)
{
	int r = 0;

	for (unsigned i = 0; i < s->n && r == 0; i++) {
		int64_t have = key_state_of(tx, s->id, &s->key[i]);

		if (have < 0)
			r = put_key(tx, s->id, &s->key[i],
			    a->vouches || s->said[i] == SAID_REVOKED ? s->said[i] : KEY_PENDING,
			    a->c->now_ms);
		else if (have < (int64_t)s->said[i])
			r = tx_exec(tx,
			    "UPDATE sensor_key SET state = ? WHERE sensor = ? AND kid = ?", "iit",
			    (int64_t)s->said[i], s->id, s->key[i].kid);
	}
	if (r == 0 &&
	    db_number(tx_db(tx), 1,
		"SELECT count(*) FROM sensor_key WHERE sensor = ? AND state <> 2", "i", s->id) == 0)
		r = tx_exec(tx, "UPDATE sensor SET state = ? WHERE id = ?", "ii",
		    (int64_t)SENSOR_REVOKED, s->id);
	return r;
}

static bool
knows_key(struct store_tx *tx, const struct announced *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->said[i] == SAID_ACTIVE && key_state_of(tx, s->id, &s->key[i]) == KEY_ACTIVE)
			return true;
	return false;
}

static int
put_taken(struct store_tx *tx, struct announcement *a, struct announced *s)
{
	char title[200];
	struct incident_what w = {.kind = INCIDENT_SENSOR,
	    .sev = 1,
	    .title = title,
	    .rule = "relay.conflict",
	    .sensor = a->c->sensor_name,
	    .site = a->c->sensor_site,
	    .time_ms = a->c->now_ms};

	s->taken = true;
	snprintf(title, sizeof(title),
	    "announces %.100s with a key that is not that sensor's: refused", s->name);
	s->incident = incident_tell(tx, &w, title);
	return s->incident < 0 ? (int)s->incident : 0;
}

static int
put_one(struct store_tx *tx, struct announcement *a, struct announced *s)
{
	const char *sql = "SELECT s.id, s.kind, EXISTS(SELECT 1 FROM via WHERE relay = ? AND sensor"
			  " = s.id) FROM sensor s WHERE s.name = ?";
	struct db_stmt *st = db_query(tx_db(tx), sql, "it", a->c->sensor, s->name);
	bool any = st && db_step(st) == DB_ROW, behind = false;
	int64_t kind = KIND_SENSOR;
	int r = 0;

	if (any) {
		s->id = db_i64(st, 0);
		kind = db_i64(st, 1);
		behind = db_int(st, 2);
	}
	db_finalize(st);
	if (!any)
		r = put_new(tx, a, s);
	else if (kind != KIND_SENSOR || (!behind && !knows_key(tx, s)))
		return put_taken(tx, a, s);
	else if (behind)
		r = put_keys(tx, a, s);
	if (r == 0 && (!any || behind))
		r = tx_exec(tx, "UPDATE sensor SET site = ? WHERE id = ?", "ti", s->site, s->id);
	if (r == 0)
		r = tx_exec(tx,
		    "INSERT INTO via(relay, sensor, path, since) VALUES(?1, ?2, ?3, ?4)"
		    " ON CONFLICT(relay, sensor) DO UPDATE SET path = ?3",
		    "iiti", a->c->sensor, s->id, s->path, a->c->now_ms);
	return r;
}

static void
look(struct db *db, struct announced *s)
{
	struct db_stmt *st = db_query(db,
	    "SELECT state, epoch, batch, (SELECT count(*) FROM sensor_key WHERE sensor = s.id AND "
	    "state = 3)"
	    " FROM sensor s WHERE id = ?",
	    "i", s->id);

	if (st && db_step(st) == DB_ROW) {
		s->state = db_i64(st, 0);
		s->epoch = db_i64(st, 1);
		s->batch = db_i64(st, 2);
		s->pending = db_i64(st, 3);
	}
	db_finalize(st);
}

static int
announce_job(struct store_tx *tx, void *ctx)
{
	struct announcement *a = ctx;
	int r = ingest_heard(tx, a->c->sensor_name, a->c->now_ms, a->heard, &a->n_heard);

	a->vouches = db_number(tx_db(tx), KIND_RELAY, "SELECT kind FROM sensor WHERE id = ?", "i",
			 a->c->sensor) == KIND_VOUCHES;
	if (r == 0)
		r = tx_run(tx, ST_SENSOR_SEEN, "ii", a->c->sensor, a->c->now_ms);
	for (unsigned i = 0; i < a->n && r == 0; i++) {
		if ((r = put_one(tx, a, &a->sensor[i])) == 0 && !a->sensor[i].taken)
			look(tx_db(tx), &a->sensor[i]);
	}
	return r;
}

static void
told(struct call *c, const struct announcement *a)
{
	for (unsigned i = 0; i < a->n_heard; i++)
		sse_incident(c->co->bus, a->heard[i]);
	for (unsigned i = 0; i < a->n; i++) {
		const struct announced *s = &a->sensor[i];

		if (s->incident)
			sse_incident(c->co->bus, s->incident);
		if (!s->fresh)
			continue;
		sse_sensor(c->co->bus, s->id);
		audit_log(c, "relay.announce", s->name, true, "by %s, key %s, %s", c->sensor_name,
		    s->key[0].kid, a->vouches ? "active" : "pending");
	}
}

void
relay_announce(struct call *c)
{
	static const char *const states[] = {"pending", "active", "revoked"};
	char err[300] = "not an announcement";
	struct announcement *a = read_announcement(c, err, sizeof(err));
	int r;

	if (!a) {
		audit_refused(c, err);
		if (c->status == 0)
			call_error(c, 422, "announcement", "%s", err);
		return;
	}
	if ((r = store_write(c->co->store, announce_job, a)) < 0) {
		call_store_error(c, r);
	} else if (call_begin(c, 200)) {
		told(c, a);
		jw_obj(&c->w, NULL);
		jw_arr(&c->w, "items");
		for (unsigned i = 0; i < a->n; i++) {
			const struct announced *s = &a->sensor[i];

			jw_obj(&c->w, NULL);
			jw_str(&c->w, "sensor", s->name);
			jw_str(&c->w, "state",
			    s->taken	 ? "taken"
			    : s->pending ? "pending"
					 : states[s->state]);
			jw_i(&c->w, "epoch", s->epoch);
			jw_i(&c->w, "batch", s->batch);
			jw_close(&c->w, '}');
		}
		jw_close(&c->w, ']');
		jw_close(&c->w, '}');
	}
	free(a);
}

/* --- what is shown ---------------------------------------------------------------------- */

void
relay_path(struct db *db, int64_t sensor, char *out)
{
	struct db_stmt *st =
	    db_query(db, "SELECT " RELAY_PATH " FROM sensor s WHERE s.id = ?", "i", sensor);

	*out = '\0';
	if (st && db_step(st) == DB_ROW)
		snprintf(out, RELAY_PATH_MAX, "%s", db_text(st, 0));
	db_finalize(st);
}

void
relay_path_write(struct jw *w, const char *path)
{
	const char *p = path;

	jw_arr(w, "path");
	while (*p) {
		size_t n = strcspn(p, "/");

		jw_strn(w, NULL, p, n);
		p += n + (p[n] == '/');
	}
	jw_close(w, ']');
}

void
relay_network(struct call *c)
{
	struct db *db = call_db(c);
	static const char *const states[] = {"pending", "ok", "revoked", "silent"};
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "name", c->co->name);
#ifdef HAVE_SEND
	forward_write(&c->w, "upstream", c->co->forward);
#else
	jw_key(&c->w, "upstream");
	jw_raw(&c->w, "null", 4);
#endif
	jw_arr(&c->w, "relays");
	st = db_query(db,
	    "SELECT id, name, state, kind, last_seen, silent, (SELECT count(*) FROM via WHERE relay"
	    " = s.id), (SELECT kid FROM sensor_key k WHERE k.sensor = s.id AND k.state = 0 LIMIT 1)"
	    " FROM sensor s WHERE kind > 0 ORDER BY name LIMIT 2000",
	    "");
	while (st && db_step(st) == DB_ROW) {
		int64_t state = db_i64(st, 2);

		if (state == SENSOR_ACTIVE && db_int(st, 5))
			state = 3;
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "id", db_i64(st, 0));
		jw_str(&c->w, "name", db_text(st, 1));
		jw_str(&c->w, "state", states[state & 3]);
		jw_bool(&c->w, "vouches", db_int(st, 3) == KIND_VOUCHES);
		jw_i(&c->w, "last_seen", db_i64(st, 4));
		jw_i(&c->w, "sensors", db_i64(st, 6));
		jw_str(&c->w, "kid", db_text(st, 7));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
}
