/* SPDX-License-Identifier: Apache-2.0 */
/* receive.c - see receive.h. */
#include "collector/receive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/receipt.h"
#include "base/clock.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/incident.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/relay.h"
#include "collector/sse.h"
#include "collector/store.h"
#include "collector/stream.h"

#define ASSETS_MAX 20000u /* of one sensor */

/* --- incidents of a sensor itself -------------------------------------------------------- */

struct trouble {
	struct incident_what what;
	int64_t id;
};

static int
trouble_job(struct store_tx *tx, void *ctx)
{
	struct trouble *t = ctx;

	t->id = incident_tell(tx, &t->what, t->what.title);
	return t->id < 0 ? (int)t->id : 0;
}

static void
trouble(struct call *c, enum incident_kind kind, uint8_t sev, const char *rule, const char *title)
{
	struct trouble t = {.what = {.kind = kind,
				.sev = sev,
				.title = title,
				.rule = rule,
				.sensor = c->sensor_name,
				.site = c->sensor_site,
				.time_ms = c->now_ms}};

	if (store_write(c->co->store, trouble_job, &t) == 0)
		sse_incident(c->co->bus, t.id);
}

/* The clock of a sensor that says what time it has. */
static int
clock_job(struct store_tx *tx, void *ctx)
{
	const int64_t *v = ctx;

	return tx_exec(tx, "UPDATE sensor SET skew = ? WHERE id = ?", "ii", v[0], v[1]);
}

static void
clock_seen(struct call *c)
{
	const char *s = call_header(c, "Interlock-Time");
	int64_t v[2] = {s ? strtoll(s, NULL, 10) - c->now_ms : 0, c->sensor}, was;
	struct jump_off own;
	char title[120];

	if (!s || c->relay || !call_db(c)) /* a relay has a clock of its own */
		return;
	was = db_number(c->db, 0, "SELECT skew FROM sensor WHERE id = ?", "i", c->sensor);
	if (llabs(v[0] - was) < 2000 && was != 0)
		return;
	(void)!store_write(c->co->store, clock_job, v);
	jump_off(c->co, &own);
	if (llabs(v[0]) <= INGEST_SKEW_MS || llabs(was) > INGEST_SKEW_MS ||
	    jump_explains(&own, v[0]))
		return;
	snprintf(title, sizeof(title), "its clock is %lld s %s", llabs((long long)v[0]) / 1000,
	    v[0] > 0 ? "ahead" : "behind");
	trouble(c, INCIDENT_SENSOR, 2, "sensor.clock", title);
}

/* --- batches ---------------------------------------------------------------------------------- */

void
receive_told(struct collector *co, const struct ingest_job *job)
{
	for (unsigned i = 0; i < job->n_first; i++)
		sse_alert(co->bus, job->first_alert[i]);
	if (job->alerts > job->n_first)
		sse_more(co->bus, (int64_t)job->alerts - job->n_first);
	for (unsigned i = 0; i < job->n_incident; i++)
		sse_incident(co->bus, job->incident[i]);
	if (job->stored)
		sse_sensor(co->bus, job->sensor);
}

static void
stored(struct call *c, const struct ingest_job *job)
{
	struct receipt r = {.epoch = job->last->b.epoch,
	    .batch = job->last->b.number,
	    .iat_ms = (uint64_t)c->now_ms};
	char jws[RECEIPT_JWS_MAX];

	snprintf(r.iss, sizeof(r.iss), "%s", c->co->name);
	snprintf(r.sub, sizeof(r.sub), "%s", c->sensor_name);
	memcpy(r.hash, job->last->hash, sizeof(r.hash));
	if (receipt_sign(&r, &c->co->receipt_key, jws) == 0 || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "receipt", jws);
	jw_u(&c->w, "stored", job->stored);
	jw_u(&c->w, "duplicate", job->duplicate);
	jw_close(&c->w, '}');
}

static void
not_stored(struct call *c, const struct ingest_job *job)
{
	if (!call_begin(c, 409))
		return;
	jw_obj(&c->w, NULL);
	jw_obj(&c->w, "error");
	jw_str(&c->w, "code", job->result == INGEST_GAP ? "gap" : "fork");
	jw_str(&c->w, "message", job->why);
	jw_close(&c->w, '}');
	jw_obj(&c->w, "have");
	jw_u(&c->w, "epoch", job->have_epoch);
	jw_u(&c->w, "batch", job->have_batch);
	jw_close(&c->w, '}');
	jw_close(&c->w, '}');
}

/* What did not parse or verify. */
static void
refused(struct call *c, int r, const char *why)
{
	char title[300];

	if (r == ERR_NOMEM) {
		c->retry_after = 5;
		call_error(c, 503, "busy", "out of memory");
		return;
	}
	if (r == ERR_SIGNATURE) {
		snprintf(title, sizeof(title), "sent what does not verify: %.250s", why);
		trouble(c, INCIDENT_CHAIN, 1, "chain.signature", title);
	}
	audit_refused(c, why);
	call_error(c, r == ERR_SIGNATURE ? 422 : 400,
	    r == ERR_SIGNATURE ? "signature" : "malformed", "%s", why);
}

/* At once; or by way of the stream, when there is one.  (What a statement has to explain is rare, and stays here.) */
static int
store_batches(struct call *c, struct ingest_job *job)
{
#ifdef HAVE_NATS
	if (c->co->stream && !job->oldest)
		return stream_store(c->co->stream, job);
#endif
	return store_write_again(c->co->store, ingest_store, job);
}

void
receive_batches(struct call *c)
{
	const char *oldest = call_header(c, "Interlock-Statement");
	struct key_set *keys = malloc(sizeof(*keys));
	struct ingest in = {0};
	struct batch later, kept;
	struct ingest_job job = {.sensor = c->sensor,
	    .name = c->sensor_name,
	    .site = c->sensor_site,
	    .in = &in,
	    .now_ms = c->now_ms};
	char err[300] = "";
	int r;

	jump_off(c->co, &job.own);
	if (!keys || enrol_keys(c, c->sensor, false, keys) < 0)
		goto out;
	clock_seen(c);
	if ((r = relay_loss(c, &kept, err, sizeof(err))) == ERR_AGAIN)
		goto out;
	if (r < 0) {
		refused(c, r, err);
		goto out;
	}
	if (r > 0) {
		job.oldest = &kept;
		job.relay = c->relay_name;
	}
	if (!call_db_done(c)) /* not while the writer works */
		goto out;
	if ((r = ingest_parse(&in, c->body ? c->body : "", c->body_len, keys, c->sensor_name, err,
		 sizeof(err))) < 0 ||
	    (oldest &&
		(r = batch_open(oldest, strlen(oldest), keys, &later, err, sizeof(err))) < 0)) {
		refused(c, r, err);
		goto out;
	}
	if (!job.relay && oldest && strcmp(later.iss, c->sensor_name) == 0)
		job.oldest = &later;
	if ((r = store_batches(c, &job)) < 0) {
		call_store_error(c, r);
		goto out;
	}
	receive_told(c->co, &job);
	if (job.result == INGEST_REVOKED)
		call_error(c, 403, "revoked", "this sensor may not send");
	else if (job.result != INGEST_STORED)
		not_stored(c, &job);
	else
		stored(c, &job);
out:
	ingest_fini(&in);
	free(keys);
	if (c->status == 0) {
		c->retry_after = 5;
		call_error(c, 503, "busy", "try again");
	}
}

void
receive_position(struct call *c)
{
	struct db *db = call_db(c);

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_i(&c->w, "epoch",
	    db_number(db, 0, "SELECT epoch FROM sensor WHERE id = ?", "i", c->sensor));
	jw_i(&c->w, "batch",
	    db_number(db, 0, "SELECT batch FROM sensor WHERE id = ?", "i", c->sensor));
	jw_close(&c->w, '}');
}

static void
done(struct call *c, int r)
{
	if (r < 0) {
		call_store_error(c, r);
	} else if (call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		jw_bool(&c->w, "ok", true);
		jw_close(&c->w, '}');
	}
}

/* --- evidence ------------------------------------------------------------------------------------ */

struct evidence {
	int64_t sensor, epoch, seq, now_ms;
	const void *data;
	size_t n;
};

static int
evidence_job(struct store_tx *tx, void *ctx)
{
	const struct evidence *e = ctx;

	return tx_exec(tx,
	    "INSERT INTO evidence(sensor, epoch, seq, time, data) VALUES(?, ?, ?, ?, ?)"
	    " ON CONFLICT(sensor, epoch, seq) DO UPDATE SET time = excluded.time, data = "
	    "excluded.data",
	    "iiiib", e->sensor, e->epoch, e->seq, e->now_ms, e->data, e->n);
}

/* The line of an alert of this sensor, as JSON; NULL: it is not here (yet). */
static json_t *
line_of(struct db *db, int64_t sensor, int64_t epoch, int64_t seq)
{
	struct db_stmt *st = db_query(db,
	    "SELECT first, n, size, lines FROM batch WHERE sensor = ? AND epoch = ? AND first <= ? "
	    "AND n > 0"
	    " ORDER BY first DESC LIMIT 1",
	    "iii", sensor, epoch, seq);
	json_t *o = NULL;
	const char *line;
	char *text = NULL;
	size_t n;

	if (st && db_step(st) == DB_ROW && seq < db_i64(st, 0) + db_i64(st, 1) &&
	    (text = ingest_unpack(db_blob(st, 3), db_bytes(st, 3), (size_t)db_i64(st, 2)))) {
		line = ingest_line(text, seq - db_i64(st, 0), &n);
		o = line ? feed_json(line, n) : NULL;
	}
	free(text);
	db_finalize(st);
	return o;
}

int
receive_packets(struct collector *co, int64_t sensor, int64_t epoch, int64_t seq, const void *data,
    size_t n, int64_t now_ms)
{
	struct evidence e = {sensor, epoch, seq, now_ms, data, n};
	struct db *db = store_get(co->store);
	uint8_t sum[CRYPTO_SHA256_LEN];
	char hex[2 * CRYPTO_SHA256_LEN + 1];
	json_t *line = db ? line_of(db, sensor, epoch, seq) : NULL;
	int r = line ? 0 : db && !db_lost(db) ? ERR_NOTFOUND : ERR_AGAIN;

	store_put(co->store, db);
	crypto_sha256(n ? data : "", n, sum);
	if (r == 0 && (n == 0 || strcmp(crypto_hex(sum, sizeof(sum), hex),
				     feed_meta(line, "il_evidence_sha256")) != 0))
		r = ERR_SIGNATURE;
	if (r == 0)
		r = store_write(co->store, evidence_job, &e);
	json_decref(line);
	return r;
}

void
receive_evidence(struct call *c)
{
	int r = receive_packets(c->co, c->sensor, strtoll(c->part[0], NULL, 10),
	    strtoll(c->part[1], NULL, 10), c->body, c->body_len, c->now_ms);

	if (r == ERR_NOTFOUND)
		call_error(c, 404, "not_found", "that alert is not here");
	else if (r == ERR_SIGNATURE)
		call_error(c, 422, "hash", "its SHA-256 is not the one that the alert has");
	else
		done(c, r);
}

/* --- assets and model -------------------------------------------------------------------------------- */

struct document {
	int64_t sensor, now_ms;
	const json_t *o;
	char *text;
};

/* The first text of a member, itself or in a list of objects. */
static const char *
member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static int64_t
time_of(const json_t *o, const char *name)
{
	const char *s = member(o, name);

	return feed_time(s, strlen(s));
}

static int
asset_put(struct store_tx *tx, const struct document *d, const json_t *a)
{
	const json_t *list = json_object_get(a, "addresses"), *macs = json_object_get(a, "macs");
	char text[1024], *doc;
	const char *name =
	    member(a, "declared_name")[0] ? member(a, "declared_name") : member(a, "name");
	const char *role =
	    member(a, "declared_role")[0] ? member(a, "declared_role") : member(a, "role");
	int n = snprintf(text, sizeof(text), "%.100s %.100s %.100s %.100s %.60s", name,
	    member(a, "vendor"), member(a, "model"), member(a, "serial"), member(a, "firmware"));
	int r;

	for (size_t i = 0; i < json_array_size(list) && n < 700; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %.46s",
		    member(json_array_get(list, i), "ip"));
	for (size_t i = 0; i < json_array_size(macs) && n < 900; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %.20s",
		    member(json_array_get(macs, i), "mac"));
	if (!(doc = json_dumps(a, JSON_COMPACT | JSON_ENSURE_ASCII)))
		return ERR_NOMEM;
	r = tx_exec(tx,
	    "INSERT INTO asset(sensor, key, name, zone, role, text, first, last, doc)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(sensor, key) DO UPDATE SET "
	    "name = ?3,"
	    " zone = ?4, role = ?5, text = ?6, first = min(asset.first, ?7), last = "
	    "max(asset.last, ?8), doc = "
	    "?9",
	    "itttttiit", d->sensor, member(a, "id"), name, member(a, "zone"), role, text,
	    time_of(a, "first_seen"), time_of(a, "last_seen"), doc);
	free(doc);
	return r;
}

static int
assets_job(struct store_tx *tx, void *ctx)
{
	const struct document *d = ctx;
	const json_t *devices = json_object_get(d->o, "devices");
	int r = 0;

	for (size_t i = 0; i < json_array_size(devices) && i < ASSETS_MAX && r == 0; i++)
		if (member(json_array_get(devices, i), "id")[0])
			r = asset_put(tx, d, json_array_get(devices, i));
	if (r == 0)
		r = tx_exec(tx,
		    "DELETE FROM asset WHERE sensor = ?1 AND id NOT IN"
		    " (SELECT id FROM asset WHERE sensor = ?1 ORDER BY last DESC LIMIT ?2)",
		    "ii", d->sensor, (int64_t)ASSETS_MAX);
	return r;
}

static int
model_job(struct store_tx *tx, void *ctx)
{
	const struct document *d = ctx;

	return tx_exec(tx,
	    "INSERT INTO model(sensor, time, doc) VALUES(?, ?, ?)"
	    " ON CONFLICT(sensor) DO UPDATE SET time = excluded.time, doc = excluded.doc",
	    "iit", d->sensor, d->now_ms, d->text);
}

/* ERR_FORMAT: not what it should be. */
static int
keep(struct store *s, int64_t sensor, const json_t *o, bool model)
{
	struct document d = {sensor, (int64_t)(clock_wall_ns() / 1000000), o, NULL};
	int r = ERR_FORMAT;

	if (model && json_is_array(json_object_get(o, "zones")) &&
	    json_is_array(json_object_get(o, "devices"))) {
		d.text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
		r = d.text ? store_write(s, model_job, &d) : ERR_NOMEM;
		free(d.text);
	} else if (!model && json_is_array(json_object_get(o, "devices"))) {
		r = store_write(s, assets_job, &d);
	}
	return r;
}

int
receive_document(struct collector *co, int64_t sensor, const char *text, size_t n, bool model)
{
	json_t *o = feed_json(text, n);
	int r = json_is_object(o) ? keep(co->store, sensor, o, model) : ERR_FORMAT;

	json_decref(o);
	return r;
}

static void
document(struct call *c, bool model, const char *what)
{
	json_t *o = call_json(c);
	int r;

	if (!o)
		return;
	if ((r = keep(c->co->store, c->sensor, o, model)) == ERR_FORMAT)
		call_error(c, 400, "malformed", "%s", what);
	else
		done(c, r);
	json_decref(o);
}

void
receive_assets(struct call *c)
{
	document(c, false, "a list of devices (docs/FORMATS.md section 8)");
}

void
receive_model(struct call *c)
{
	document(c, true, "zones, devices and conduits");
}

/* --- proposals ------------------------------------------------------------------------------------------ */

static int
fetched_job(struct store_tx *tx, void *ctx)
{
	const struct call *c = ctx;

	return tx_exec(tx, "UPDATE proposal SET state = ? WHERE sensor = ? AND state = ?", "iii",
	    (int64_t)PROPOSAL_FETCHED, c->sensor, (int64_t)PROPOSAL_PROPOSED);
}

void
receive_proposals(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;
	int64_t after = call_number(c, "after", -1, INT64_MAX);
	bool any = false;

	if (!db || !call_begin(c, 200))
		return;
	/* A sender asks for those that are new, the oldest first, and has little room. */
	st = db_query(db,
#define COLUMNS                                                                                    \
	"SELECT id, time, user, alert, rule_yaml, note, diff, policy, expected, notes FROM "       \
	"proposal"
	    after >= 0 ? COLUMNS " WHERE sensor = ? AND id > ? AND state < 2 ORDER BY id LIMIT 5"
		       : COLUMNS
		" WHERE sensor = ? AND id > ? AND state < 2 ORDER BY id DESC LIMIT 200",
	    "ii", c->sensor, after >= 0 ? after : (int64_t)0);
#undef COLUMNS
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW) {
		any = true;
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "id", db_i64(st, 0));
		jw_i(&c->w, "time", db_i64(st, 1));
		jw_str(&c->w, "user", db_text(st, 2));
		jw_i(&c->w, "alert", db_i64(st, 3));
		jw_str(&c->w, "rule_yaml", db_text(st, 4));
		jw_str(&c->w, "note", db_text(st, 5));
		jw_str(&c->w, "diff", db_text(st, 6));
		jw_str(&c->w, "policy", db_text(st, 7));
		jw_str(&c->w, "expected", db_text(st, 8));
		jw_str(&c->w, "notes", db_text(st, 9));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
	if (any)
		(void)!store_write(c->co->store, fetched_job, c);
}
