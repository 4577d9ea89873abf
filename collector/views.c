/* SPDX-License-Identifier: Apache-2.0 */
/* views.c - overview, incidents, sensors, timeline, search.  See query.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/build_id.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/guide.h"
#include "collector/incident.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/relay.h"
#include "collector/store.h"

#define HOUR_MS	  INT64_C(3600000)
#define MINUTE_MS INT64_C(60000)
#define DAY_H	  24
#define RATE_N	  60
#define BUCKETS	  2000

static void
list(struct jw *w, const char *key, const char *commas)
{
	jw_arr(w, key);
	while (*commas) {
		size_t n = strcspn(commas, ",");

		jw_strn(w, NULL, commas, n);
		commas += n + (commas[n] == ',');
	}
	jw_close(w, ']');
}

/* --- incidents ------------------------------------------------------------------------- */

const char query_incident_columns[] = "i.id, i.title, i.sev, i.state, i.site, i.sensor, i.src, "
				      "i.dst, i.rule, i.tech, i.alerts, i.first, i.last,"
				      " i.assignee, i.kind";

static const char *const state_names[] = {"open", "ack", "closed"};
static const char *const kind_names[] = {"policy", "sensor", "chain"};

void
query_incident_members(struct jw *w, struct db_stmt *st, int at)
{
	static const char *const texts[] = {"site", "sensor", "src", "dst", "rule"};
	int state = db_int(st, at + 3), kind = db_int(st, at + 14);

	jw_i(w, "id", db_i64(st, at));
	jw_str(w, "title", db_text(st, at + 1));
	jw_i(w, "severity", db_int(st, at + 2));
	jw_str(w, "state", state >= 0 && state < 3 ? state_names[state] : "open");
	for (int i = 0; i < 5; i++)
		jw_str(w, texts[i], db_text(st, at + 4 + i));
	list(w, "techniques", db_text(st, at + 9));
	jw_i(w, "alerts", db_i64(st, at + 10));
	jw_i(w, "first", db_i64(st, at + 11));
	jw_i(w, "last", db_i64(st, at + 12));
	jw_str(w, "assignee", db_text(st, at + 13));
	jw_str(w, "kind", kind >= 0 && kind < 3 ? kind_names[kind] : "policy");
}

static void
incident(struct jw *w, struct db_stmt *st)
{
	jw_obj(w, NULL);
	query_incident_members(w, st, 0);
	jw_close(w, '}');
}

bool
query_incident_write(struct jw *w, struct db *db, int64_t id)
{
	char sql[400];
	struct db_stmt *st;
	bool ok;

	snprintf(
	    sql, sizeof(sql), "SELECT %s FROM incident i WHERE i.id = ?", query_incident_columns);
	st = db_query(db, sql, "i", id);
	ok = st && db_step(st) == DB_ROW;
	if (ok)
		incident(w, st);
	db_finalize(st);
	return ok;
}

/* "open,ack" as bits. */
static unsigned
states(const char *s)
{
	unsigned bits = 0;

	for (unsigned i = 0; s && i < 3; i++)
		if (strstr(s, state_names[i]))
			bits |= 1u << i;
	return bits ? bits : 7;
}

void
query_incidents(struct call *c)
{
	const char *state = call_arg(c, "state"), *sensor = call_arg(c, "sensor"),
		   *q = call_arg(c, "q");
	const char *cursor = call_arg(c, "cursor");
	int64_t limit = call_number(c, "limit", 50, 500),
		severity = call_number(c, "severity", 0, 3);
	int64_t time = INT64_MAX, id = INT64_MAX, n = 0, last_time = 0, last_id = 0;
	unsigned bits = states(state);
	char sql[1200], pattern[300] = "%";
	struct db *db = call_db(c);
	struct db_stmt *st;
	int rc = DB_DONE;

	if (!db)
		return;
	if (cursor && sscanf(cursor, "%lld.%lld", (long long *)&time, (long long *)&id) != 2) {
		call_error(c, 400, "cursor", "the cursor is not one of ours");
		return;
	}
	if (q && *q)
		query_like(q, pattern, sizeof(pattern));
	snprintf(sql, sizeof(sql),
	    "SELECT %s FROM incident i WHERE i.last <= ?1 AND (i.last < ?1 OR i.id < "
	    "?2)%s%s%s%s%s%s"
	    " ORDER BY i.last DESC, i.id DESC LIMIT ?3",
	    query_incident_columns, bits & 1 ? "" : " AND i.state <> 0",
	    bits & 2 ? "" : " AND i.state <> 1", bits & 4 ? "" : " AND i.state <> 2",
	    severity ? " AND i.sev = ?4" : "", sensor && *sensor ? " AND i.sensor = ?5" : "",
	    q && *q ? " AND (i.title LIKE ?6 ESCAPE '\\' OR i.src LIKE ?6 ESCAPE '\\' OR i.dst "
		      "LIKE ?6 ESCAPE '\\'"
		      " OR i.rule LIKE ?6 ESCAPE '\\')"
		    : "");
	st = db_query(db, sql, "iii", time, id, limit + 1);
	if (!st || !call_begin(c, 200)) {
		db_finalize(st);
		return;
	}
	if (severity)
		(void)db_bind(st, 3, "i", severity);
	if (sensor && *sensor)
		(void)db_bind(st, 4, "t", sensor);
	if (q && *q)
		(void)db_bind(st, 5, "t", pattern);
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while ((rc = db_step(st)) == DB_ROW && n++ < limit) {
		last_id = db_i64(st, 0);
		last_time = db_i64(st, 12);
		incident(&c->w, st);
	}
	db_finalize(st);
	if (!query_late(c, rc))
		query_next(&c->w, n > limit, last_time, last_id);
}

void
query_incident(struct call *c)
{
	struct db *db = call_db(c);
	int64_t id = strtoll(c->part[0], NULL, 10);
	char sql[2048], rule[80] = "";
	struct db_stmt *st;

	if (!db)
		return;
	snprintf(
	    sql, sizeof(sql), "SELECT %s FROM incident i WHERE i.id = ?", query_incident_columns);
	st = db_query(db, sql, "i", id);
	if (!st || db_step(st) != DB_ROW) {
		db_finalize(st);
		call_error(c, 404, "not_found", "no such incident");
		return;
	}
	if (!call_begin(c, 200)) {
		db_finalize(st);
		return;
	}
	jw_obj(&c->w, NULL);
	query_incident_members(&c->w, st, 0);
	if (db_int(st, 14) != INCIDENT_POLICY) /* kind: told by the collector or sensor */
		snprintf(rule, sizeof(rule), "%s", db_text(st, 8));
	db_finalize(st);
	snprintf(sql, sizeof(sql),
	    "SELECT %s FROM alert a INDEXED BY alert_incident WHERE a.incident = ? ORDER BY a.time "
	    "DESC, a.id DESC LIMIT 50",
	    query_alert_columns);
	st = db_query(db, sql, "i", id);
	jw_arr(&c->w, "alerts_newest");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(&c->w, NULL);
		query_alert_members(&c->w, st);
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	jw_close(&c->w, ']');
	st = db_query(db,
	    "SELECT time, user, text, key, value FROM incident_log WHERE incident = ? ORDER BY id "
	    "DESC LIMIT "
	    "200",
	    "i", id);
	jw_arr(&c->w, "log");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "time", db_i64(st, 0));
		jw_str(&c->w, "user", db_text(st, 1));
		jw_str(&c->w, "text", db_text(st, 2));
		jw_str(&c->w, "key", db_text(st, 3));
		jw_str(&c->w, "value", db_text(st, 4));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	jw_close(&c->w, ']');
	guide_incident(c, db, id, rule);
	jw_close(&c->w, '}');
}

/* --- sensors ------------------------------------------------------------------------------- */

#define KEYS_MAX 64u /* of a sensor that are listed */
#define GAPS_MAX 20u

/* ?1: the hour behind which a day begins. */
#define SENSOR_DAY                                                                                 \
	"WITH day AS MATERIALIZED (SELECT key, sum(n) AS n FROM agg WHERE dim = 1 AND hour > ?1 "  \
	"GROUP BY key) "
#define SENSOR_FROM " FROM sensor s LEFT JOIN day ON day.key = s.nid"
#define SENSOR_COLUMNS                                                                             \
	"s.id, s.name, s.site, s.state, s.epoch, s.batch, s.seq, s.last_seen, s.skew, s.policy, "  \
	"s.build, s.chain,"                                                                        \
	" s.lost, s.silent, coalesce(day.n, 0), (SELECT max(until) FROM cert WHERE sensor = s.id " \
	"AND state = 0)," RELAY_PATH

/* Keys and gaps of the sensors of a query that is ordered by name, read beside it: two queries, however many sensors. */
struct parts {
	struct db_stmt *keys, *gaps;
	bool key, gap; /* there is a row that nobody has taken */
};

/* id 0: of all. */
static void
parts_begin(struct parts *p, struct db *db, int64_t id)
{
	p->keys = db_query(db,
	    id ? "SELECT sensor, kid, since, state, pk FROM sensor_key WHERE sensor = ? ORDER BY "
		 "since DESC, kid"
	       : "SELECT k.sensor, k.kid, k.since, k.state, k.pk FROM sensor s JOIN sensor_key k "
		 "ON "
		 "k.sensor = s.id WHERE s.kind = 0 ORDER BY s.name, k.since DESC, k.kid",
	    id ? "i" : "", id);
	p->gaps = db_query(db,
	    id ? "SELECT sensor, epoch, first, last, signed_loss FROM gap WHERE sensor = ? ORDER "
		 "BY "
		 "id DESC"
	       : "SELECT g.sensor, g.epoch, g.first, g.last, g.signed_loss FROM sensor s JOIN gap "
		 "g ON g.sensor = s.id WHERE s.kind = 0 ORDER BY s.name, g.id DESC",
	    id ? "i" : "", id);
	p->key = p->keys && db_step(p->keys) == DB_ROW;
	p->gap = p->gaps && db_step(p->gaps) == DB_ROW;
}

static void
parts_end(struct parts *p)
{
	db_finalize(p->keys);
	db_finalize(p->gaps);
}

static const char *
sensor_state(struct db_stmt *st)
{
	int64_t skew = db_i64(st, 8);

	if (db_int(st, 3) == SENSOR_PENDING)
		return "pending";
	if (db_int(st, 3) == SENSOR_REVOKED)
		return "revoked";
	if (db_int(st, 13))
		return "silent";
	return db_int(st, 11) == CHAIN_FORK || llabs(skew) > 60000 ? "trouble" : "ok";
}

static void
sensor(struct jw *w, struct db_stmt *st, struct parts *p)
{
	static const char *const chains[] = {"whole", "gap", "fork"}, *const keys[] = {"active",
									  "retired", "revoked",
									  "pending"};
	int64_t id = db_i64(st, 0);
	int chain = db_int(st, 11);

	jw_obj(w, NULL);
	jw_i(w, "id", id);
	jw_str(w, "name", db_text(st, 1));
	jw_str(w, "site", db_text(st, 2));
	relay_path_write(w, db_text(st, 16));
	jw_str(w, "state", sensor_state(st));
	jw_i(w, "epoch", db_i64(st, 4));
	jw_i(w, "batch", db_i64(st, 5));
	jw_i(w, "seq", db_i64(st, 6));
	if (db_i64(st, 7) == 0) {
		jw_key(w, "last_seen");
		jw_raw(w, "null", 4);
	} else {
		jw_i(w, "last_seen", db_i64(st, 7));
	}
	if (db_null(st, 8)) {
		jw_key(w, "clock_skew_ms");
		jw_raw(w, "null", 4);
	} else {
		jw_i(w, "clock_skew_ms", db_i64(st, 8));
	}
	jw_str(w, "policy", db_text(st, 9));
	jw_str(w, "build", db_text(st, 10));
	jw_str(w, "chain", chain >= 0 && chain < 3 ? chains[chain] : "broken");
	jw_i(w, "lost", db_i64(st, 12));
	jw_i(w, "alerts_24h", db_i64(st, 14));
	if (db_null(st, 15)) {
		jw_key(w, "certificate_until");
		jw_raw(w, "null", 4);
	} else {
		jw_i(w, "certificate_until", db_i64(st, 15));
	}
	jw_arr(w, "keys");
	for (unsigned n = 0; p->key && db_i64(p->keys, 0) == id;
	     p->key = db_step(p->keys) == DB_ROW) {
		char x[CRYPTO_B64URL_CHARS(CRYPTO_PK_LEN) + 1];
		int state = db_int(p->keys, 3);

		if (db_bytes(p->keys, 4) != CRYPTO_PK_LEN || n++ >= KEYS_MAX)
			continue;
		crypto_b64url(db_blob(p->keys, 4), CRYPTO_PK_LEN, x);
		jw_obj(w, NULL);
		jw_str(w, "kid", db_text(p->keys, 1));
		jw_str(w, "x", x);
		jw_i(w, "since", db_i64(p->keys, 2));
		jw_str(w, "state", keys[state >= 0 && state < 4 ? state : 2]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_arr(w, "gaps");
	for (unsigned n = 0; p->gap && db_i64(p->gaps, 0) == id;
	     p->gap = db_step(p->gaps) == DB_ROW) {
		if (n++ >= GAPS_MAX)
			continue;
		jw_obj(w, NULL);
		jw_i(w, "epoch", db_i64(p->gaps, 1));
		jw_i(w, "from", db_i64(p->gaps, 2));
		jw_i(w, "to", db_i64(p->gaps, 3));
		jw_bool(w, "signed_loss", db_int(p->gaps, 4));
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
}

bool
query_sensor_write(struct jw *w, struct db *db, int64_t id, int64_t now_ms)
{
	struct db_stmt *st =
	    db_query(db, SENSOR_DAY "SELECT " SENSOR_COLUMNS SENSOR_FROM " WHERE s.id = ?2", "ii",
		now_ms / HOUR_MS - DAY_H, id);
	bool ok = st && db_step(st) == DB_ROW;
	struct parts p;

	if (ok) {
		parts_begin(&p, db, id);
		sensor(w, st, &p);
		parts_end(&p);
	}
	db_finalize(st);
	return ok;
}

void
query_sensor_by(struct call *c, int64_t id)
{
	struct db *db = call_db(c);

	if (db && call_begin(c, 200) && !query_sensor_write(&c->w, db, id, c->now_ms))
		call_error(c, 404, "not_found", "no such sensor");
}

void
query_sensors(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;
	struct parts p;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db,
	    SENSOR_DAY "SELECT " SENSOR_COLUMNS SENSOR_FROM
		       " WHERE s.kind = 0 ORDER BY s.name LIMIT 2000",
	    "i", c->now_ms / HOUR_MS - DAY_H);
	parts_begin(&p, db, 0);
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW)
		sensor(&c->w, st, &p);
	parts_end(&p);
	db_finalize(st);
	query_next(&c->w, false, 0, 0);
}

/* --- overview -------------------------------------------------------------------------------- */

static void
rate(struct jw *w, struct db *db, int64_t now_ms)
{
	int64_t to = now_ms / MINUTE_MS, n[RATE_N] = {0}, blocked[RATE_N] = {0};
	struct db_stmt *st = db_query(
	    db, "SELECT t, n, blocked FROM minute WHERE t > ? AND t <= ?", "ii", to - RATE_N, to);

	while (st && db_step(st) == DB_ROW) {
		int64_t at = db_i64(st, 0) - (to - RATE_N + 1);

		n[at] += db_i64(st, 1);
		blocked[at] += db_i64(st, 2);
	}
	db_finalize(st);
	jw_arr(w, "rate");
	for (int i = 0; i < RATE_N; i++) {
		jw_obj(w, NULL);
		jw_i(w, "t", (to - RATE_N + 1 + i) * MINUTE_MS);
		jw_i(w, "n", n[i]);
		jw_i(w, "blocked", blocked[i]);
		jw_close(w, '}');
	}
	jw_close(w, ']');
}

static void
sensor_counts(struct jw *w, struct db *db)
{
	int64_t silent = db_number(
	    db, 0, "SELECT count(*) FROM sensor WHERE kind = 0 AND state = 1 AND silent = 1", "");
	int64_t trouble = db_number(db, 0,
	    "SELECT count(*) FROM sensor WHERE kind = 0 AND (state = 0 OR (state = 1 AND silent = "
	    "0 AND (chain = "
	    "2 OR abs(skew) > 60000)))",
	    "");
	int64_t all =
	    db_number(db, 0, "SELECT count(*) FROM sensor WHERE kind = 0 AND state < 2", "");

	jw_obj(w, "sensors");
	jw_i(w, "ok", all - silent - trouble);
	jw_i(w, "silent", silent);
	jw_i(w, "trouble", trouble);
	jw_close(w, '}');
}

void
query_overview(struct call *c)
{
	struct db *db = call_db(c);
	int64_t hour = c->now_ms / HOUR_MS - DAY_H;
	char sql[500], key[2] = "1";
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_i(&c->w, "now", c->now_ms);
	jw_obj(&c->w, "incidents");
	jw_obj(&c->w, "open");
	for (int sev = 1; sev <= 3; sev++, key[0]++)
		jw_i(&c->w, key,
		    db_number(db, 0, "SELECT count(*) FROM incident WHERE state = 0 AND sev = ?",
			"i", (int64_t)sev));
	jw_close(&c->w, '}');
	jw_close(&c->w, '}');
	jw_i(&c->w, "alerts_24h",
	    db_number(db, 0, "SELECT sum(n) FROM agg WHERE dim = 0 AND hour > ?", "i", hour));
	jw_i(&c->w, "blocked_24h",
	    db_number(db, 0, "SELECT sum(blocked) FROM agg WHERE dim = 0 AND hour > ?", "i", hour));
	rate(&c->w, db, c->now_ms);
	sensor_counts(&c->w, db);
	jw_arr(&c->w, "top");
	snprintf(sql, sizeof(sql),
	    "SELECT %s FROM incident i INDEXED BY incident_state WHERE i.state = 0 ORDER BY i.sev, "
	    "i.last DESC, i.id DESC LIMIT 5",
	    query_incident_columns);
	st = db_query(db, sql, "");
	while (st && db_step(st) == DB_ROW)
		incident(&c->w, st);
	db_finalize(st);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
}

/* --- timeline ------------------------------------------------------------------------------------ */

void
query_timeline(struct call *c)
{
	static const struct {
		const char *name;
		enum agg_dim dim;
	} dims[] = {{"sensor", DIM_SENSOR}, {"rule", DIM_RULE}, {"device", DIM_DEVICE}};
	int64_t to = call_number(c, "to", c->now_ms, INT64_MAX),
		from = call_number(c, "from", to - DAY_H * HOUR_MS, INT64_MAX);
	int64_t step = call_number(c, "step", HOUR_MS, 366 * DAY_H * HOUR_MS), bucket = -1, n = 0;
	const char *by = call_arg(c, "by");
	struct db *db = call_db(c);
	enum agg_dim dim = DIM_ALL;
	bool minutes, open = false;
	struct jw sub;
	char parts[65536], sql[900];
	struct db_stmt *st;
	int rc = DB_DONE;

	if (!db)
		return;
	for (size_t i = 0; by && i < sizeof(dims) / sizeof(dims[0]); i++)
		if (strcmp(by, dims[i].name) == 0)
			dim = dims[i].dim;
	minutes = dim == DIM_ALL && step < HOUR_MS;
	step = step < MINUTE_MS ? MINUTE_MS : dim != DIM_ALL && step < HOUR_MS ? HOUR_MS : step;
	step -= step % (minutes ? MINUTE_MS : HOUR_MS);
	if (to < from || (to - from) / step > BUCKETS) {
		call_error(c, 400, "bad_request", "at most %d steps between from and to", BUCKETS);
		return;
	}
	/* At most the 50 greatest of a kind: the rest is in n. */
	if (minutes)
		snprintf(sql, sizeof(sql),
		    "SELECT t * 60000 / ?3 * ?3 AS b, sev, sum(n) FROM minute"
		    " WHERE t >= ?1 / 60000 AND t < ?2 / 60000 + 1 GROUP BY b, sev ORDER BY b, "
		    "sev");
	else if (dim == DIM_ALL)
		snprintf(sql, sizeof(sql),
		    "SELECT hour * 3600000 / ?3 * ?3 AS b, sev, sum(n) FROM agg WHERE dim = 0"
		    " AND hour >= ?1 / 3600000 AND hour <= ?2 / 3600000 GROUP BY b, sev ORDER BY "
		    "b, sev");
	else
		snprintf(sql, sizeof(sql),
		    "WITH r AS MATERIALIZED (SELECT hour * 3600000 / ?3 * ?3 AS b, key, sum(n) AS "
		    "n FROM agg"
		    " WHERE dim = %d AND hour >= ?1 / 3600000 AND hour <= ?2 / 3600000 GROUP BY b, "
		    "key),"
		    " top AS MATERIALIZED (SELECT key FROM r GROUP BY key ORDER BY sum(n) DESC, "
		    "key "
		    "LIMIT 50),"
		    " s AS MATERIALIZED (SELECT b, CASE WHEN key IN (SELECT key FROM top) THEN key "
		    "ELSE 0 END AS k,"
		    " sum(n) AS n FROM r GROUP BY b, k)"
		    " SELECT b, coalesce((SELECT text FROM name WHERE id = k), ''), n FROM s ORDER "
		    "BY b, k",
		    (int)dim);
	st = db_query(db, sql, "iii", from, to, step);
	if (!st || !call_begin(c, 200)) {
		db_finalize(st);
		return;
	}
	jw_obj(&c->w, NULL);
	jw_i(&c->w, "step", step);
	jw_arr(&c->w, "buckets");
	for (;;) {
		rc = db_step(st);
		if (open && (rc != DB_ROW || db_i64(st, 0) != bucket)) {
			jw_i(&c->w, "n", n);
			jw_key(&c->w, "by");
			jw_close(&sub, '}');
			jw_raw(&c->w, sub.full ? "{}" : parts, sub.full ? 2 : jw_len(&sub));
			jw_close(&c->w, '}');
			open = false;
		}
		if (rc != DB_ROW)
			break;
		if (!open) {
			bucket = db_i64(st, 0);
			jw_obj(&c->w, NULL);
			jw_i(&c->w, "t", bucket);
			sub = jw_make(parts, sizeof(parts));
			jw_obj(&sub, NULL);
			n = 0;
			open = true;
		}
		n += db_i64(st, 2);
		if (sub.comma)
			jw_ch(&sub, ',');
		jw_quote(&sub, db_text(st, 1), strlen(db_text(st, 1)));
		jw_ch(&sub, ':');
		jw_dec(&sub, (uint64_t)db_i64(st, 2));
		sub.comma = true;
	}
	db_finalize(st);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
	(void)query_late(c, rc);
}

void
query_health(struct call *c)
{
	struct db *db = call_db(c);

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_bool(&c->w, "ok", db_number(db, -1, "SELECT count(*) FROM user LIMIT 1", "") >= 0);
	jw_str(&c->w, "version", build_version);
	jw_close(&c->w, '}');
}
