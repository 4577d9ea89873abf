/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plant.c - map, assets, ATT&CK matrix, search.  See query.h.
 *
 * The map is what the policies in force say (model), and over it what was tried (edges: sums of
 * alerts by both devices and protocol).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/class.h"
#include "collector/collector.h"
#include "collector/feed.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/store.h"

#define HOUR_MS	   INT64_C(3600000)
#define EDGES_MAX  2000
#define MODELS_MAX 200
#define ZONES_MAX  1000
#define PAIRS_MAX  20000 /* of conduits that are looked at: a model is somebody else's */
#define OPS_MAX	   8
#define ASSETS_MAX 20000
#define NO_LEVEL   (-1)	  /* nobody has said on which level it is */
#define ANY_SITE   "\x01" /* no site is called that: control characters do not get in */

/* --- map ---------------------------------------------------------------------------------- */

struct map {
	struct db *db;
	int64_t hour;
	unsigned pairs;
	json_t *zones, *edges,
	    *where;   /* where: site\nname of a device -> it: two sites may have a plc1 */
	json_t *day;  /* site\nname of a device -> [alerts, severity] of the last 24 hours */
	json_t *made; /* site\nname and site\naddress of a device -> [vendor, model] */
	json_t *by;   /* site\nfrom\nto\nproto -> its edge */
};

/* What is at a site: "site\nname". */
static json_t *
at(const json_t *o, const char *site, const char *name)
{
	char key[1100];

	snprintf(key, sizeof(key), "%.512s\n%.512s", site, name);
	return json_object_get(o, key);
}

static void
at_set(json_t *o, const char *site, const char *name, json_t *v)
{
	char key[1100];

	snprintf(key, sizeof(key), "%.512s\n%.512s", site, name);
	(void)json_object_set(o, key, v);
}

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static json_t *
zone_of(struct map *m, const char *site, const char *name, json_int_t level)
{
	char id[600];
	json_t *z;
	size_t i;

	snprintf(id, sizeof(id), "%.250s/%.250s", site, name);
	for (i = 0; (z = json_array_get(m->zones, i)); i++) {
		if (strcmp(text(z, "id"), id) == 0)
			return z;
	}
	if (json_array_size(m->zones) >= ZONES_MAX)
		return NULL;
	z = json_pack("{s:s%,s:s%,s:s%,s:o,s:[]}", "id", id, strlen(id), "site", site, strlen(site),
	    "name", name, strlen(name), "level",
	    level < 0 ? json_null() : json_integer(level > 5 ? 5 : level), "devices");
	if (z)
		(void)json_array_append_new(m->zones, z);
	return z;
}

static json_t *
device(struct map *m, json_t *zone, const char *name)
{
	const char *site = text(zone, "site");
	json_t *d = at(m->where, site, name);
	const json_t *day[2];
	json_int_t n = 0, worst = 0;

	if (d)
		return d;
	day[0] = at(m->day, site, name);
	day[1] = at(m->day, ANY_SITE, name);
	for (int i = 0; i < 2; i++) {
		json_int_t sev = json_integer_value(json_array_get(day[i], 1));

		n += json_integer_value(json_array_get(day[i], 0));
		worst = worst == 0 || (sev > 0 && sev < worst) ? sev : worst;
	}
	d = json_pack("{s:s%,s:s,s:s,s:n,s:n,s:I,s:o}", "name", name, strlen(name), "ip", "",
	    "role", "unknown", "vendor", "model", "alerts_24h", n, "severity",
	    worst ? json_integer(worst) : json_null());
	if (!d)
		return NULL;
	(void)json_array_append_new(json_object_get(zone, "devices"), d);
	at_set(m->where, site, name, d);
	return d;
}

static json_t *
edge(struct map *m, const char *site, const char *from, const char *to, const char *proto,
    bool allowed)
{
	char key[2100];
	json_t *e;

	snprintf(key, sizeof(key), "%.512s\n%.512s\n%.512s\n%.512s", site, from, to, proto);
	if ((e = json_object_get(m->by, key)))
		return e;
	e = json_pack("{s:s%,s:s%,s:s%,s:s%,s:b,s:i,s:i,s:n,s:[]}", "site", site, strlen(site),
	    "from", from, strlen(from), "to", to, strlen(to), "proto", proto, strlen(proto),
	    "allowed", allowed, "alerts", 0, "blocked", 0, "last", "ops");
	if (!e)
		return NULL;
	(void)json_array_append_new(m->edges, e);
	(void)json_object_set(m->by, key, e);
	return e;
}

/* Who a side of a conduit is: a device, or a zone by its number. */
static const char *
end_of(const struct map *m, const char *site, const char *name, char *buf, size_t size)
{
	json_t *z;
	size_t i;

	if (at(m->where, site, name))
		return name;
	snprintf(buf, size, "%.250s/%.250s", site, name);
	for (i = 0; (z = json_array_get(m->zones, i)); i++) {
		if (strcmp(text(z, "id"), buf) == 0)
			return buf;
	}
	return name;
}

static void
conduit(struct map *m, const char *site, const json_t *c)
{
	const json_t *from = json_object_get(c, "from"), *to = json_object_get(c, "to"),
		     *protos = json_object_get(c, "protos");
	char a[600], b[600];

	for (size_t i = 0; i < json_array_size(from) && m->pairs < PAIRS_MAX; i++)
		for (size_t k = 0; k < json_array_size(to) && m->pairs < PAIRS_MAX; k++, m->pairs++)
			for (size_t p = 0; p < json_array_size(protos) && m->pairs < PAIRS_MAX &&
					   json_array_size(m->edges) < EDGES_MAX;
			     p++, m->pairs++) {
				const char *f = json_string_value(json_array_get(from, i));
				const char *t = json_string_value(json_array_get(to, k));
				const char *proto = json_string_value(json_array_get(protos, p));

				if (f && t && proto)
					(void)edge(m, site, end_of(m, site, f, a, sizeof(a)),
					    end_of(m, site, t, b, sizeof(b)), proto, true);
			}
}

static void
model(struct map *m, const char *site, const json_t *o)
{
	json_t *v, *d, *z;
	size_t i;

	if (text(o, "site")[0])
		site = text(o, "site");
	for (i = 0; (v = json_array_get(json_object_get(o, "zones"), i)); i++) {
		const json_t *level = json_object_get(v, "level");

		(void)zone_of(m, site, text(v, "name"),
		    json_is_integer(level) ? json_integer_value(level) : NO_LEVEL);
	}
	for (i = 0; (v = json_array_get(json_object_get(o, "devices"), i)); i++) {
		const char *ip = json_string_value(json_array_get(json_object_get(v, "ips"), 0));

		if (!(z = zone_of(m, site, text(v, "zone"), NO_LEVEL)) || !text(v, "name")[0] ||
		    !(d = device(m, z, text(v, "name"))))
			continue;
		(void)json_object_set_new(d, "ip", json_string(ip ? ip : ""));
		(void)json_object_set_new(
		    d, "role", json_string(text(v, "role")[0] ? text(v, "role") : "unknown"));
	}
	for (i = 0; (v = json_array_get(json_object_get(o, "conduits"), i)); i++)
		conduit(m, site, v);
}

static void
models(struct map *m, const char *site)
{
	struct db_stmt *st = db_query(m->db,
	    "SELECT s.site, m.doc FROM model m JOIN sensor s ON s.id = m.sensor WHERE ?1 IS NULL "
	    "OR s.site = ?1"
	    " ORDER BY m.sensor LIMIT ?2",
	    "ti", site, (int64_t)MODELS_MAX);

	while (st && db_step(st) == DB_ROW) {
		json_t *o = feed_json(db_text(st, 1), strlen(db_text(st, 1)));

		model(m, db_text(st, 0), o);
		json_decref(o);
	}
	db_finalize(st);
}

static void
add(json_t *e, const char *key, int64_t n)
{
	(void)json_object_set_new(
	    e, key, json_integer(json_integer_value(json_object_get(e, key)) + n));
}

static void
tried(struct map *m, const char *site)
{
	struct db_stmt *st = db_query(m->db,
	    "SELECT (SELECT text FROM name WHERE id = e.site), (SELECT text FROM name WHERE id = "
	    "e.src),"
	    " (SELECT text FROM name WHERE id = e.dst), (SELECT text FROM name WHERE id = e.proto),"
	    " (SELECT text FROM name WHERE id = e.op), e.n, e.blocked, e.last FROM edge e"
	    " WHERE ?1 IS NULL OR e.site = (SELECT id FROM name WHERE text = ?1) ORDER BY e.last "
	    "DESC, e.site, e.src, e.dst, e.proto, e.op LIMIT ?2",
	    "ti", site, (int64_t)EDGES_MAX * 2);

	while (st && db_step(st) == DB_ROW) {
		const char *place = db_text(st, 0), *from = db_text(st, 1), *to = db_text(st, 2),
			   *op = db_text(st, 4);
		json_t *unknown = NULL, *e, *ops;

		if (!at(m->where, place, from) || !at(m->where, place, to))
			unknown = zone_of(m, place, "not in the policy", NO_LEVEL);
		if (unknown && (!device(m, unknown, from) || !device(m, unknown, to)))
			continue;
		if (!(e = edge(m, place, from, to, db_text(st, 3), false)))
			continue;
		add(e, "alerts", db_i64(st, 5));
		add(e, "blocked", db_i64(st, 6));
		if (db_i64(st, 7) > json_integer_value(json_object_get(e, "last")))
			(void)json_object_set_new(e, "last", json_integer(db_i64(st, 7)));
		ops = json_object_get(e, "ops");
		if (*op && json_array_size(ops) < OPS_MAX)
			(void)json_array_append_new(ops, json_string(op));
	}
	db_finalize(st);
}

static void
dump(struct call *c, json_t *o)
{
	char *s = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (s && call_begin(c, 200))
		jw_raw(&c->w, s, strlen(s));
	free(s);
	json_decref(o);
}

static void
days(struct map *m)
{
	struct db_stmt *st = db_query(m->db,
	    "WITH d AS MATERIALIZED (SELECT key, site, sum(n) AS n, min(sev) AS sev FROM agg WHERE "
	    "dim = 3 AND hour > ? GROUP BY key, site) SELECT (SELECT text FROM name WHERE id = "
	    "d.key), (SELECT text FROM name WHERE id = d.site), n, sev, site FROM d",
	    "i", m->hour);

	while (st && db_step(st) == DB_ROW) {
		json_t *v =
		    json_pack("[I,I]", (json_int_t)db_i64(st, 2), (json_int_t)db_i64(st, 3));

		at_set(m->day, db_i64(st, 4) == SITE_UNKNOWN ? ANY_SITE : db_text(st, 1),
		    db_text(st, 0), v);
		json_decref(v);
	}
	db_finalize(st);
}

/* What the sensors' lists of devices know of vendor and model, by name and, where that is another, by address. */
static void
makers(struct map *m, const char *site)
{
	struct db_stmt *st = db_query(m->db,
	    "WITH place AS MATERIALIZED (SELECT s.id, coalesce(nullif(CASE WHEN json_valid(m.doc) "
	    "THEN json_extract(m.doc, '$.site') END, ''), s.site) AS site FROM sensor s LEFT JOIN "
	    "model m ON m.sensor = s.id)"
	    " SELECT a.name, json_extract(a.doc, '$.addresses[0].ip'), json_extract(a.doc, "
	    "'$.vendor'),"
	    " json_extract(a.doc, '$.model'), p.site FROM asset a JOIN sensor s ON s.id = a.sensor "
	    "JOIN place p ON p.id = s.id WHERE (?1 IS NULL OR s.site = ?1) AND json_valid(a.doc) "
	    "ORDER BY a.last, a.id LIMIT ?2",
	    "ti", site, (int64_t)ASSETS_MAX);

	while (st && db_step(st) == DB_ROW) {
		const char *vendor = db_text(st, 2), *model = db_text(st, 3);
		json_t *both = *vendor || *model ? json_pack("[s,s]", vendor, model) : NULL;

		for (int i = 0; i < 2 && both; i++)
			if (*db_text(st, i))
				at_set(m->made, db_text(st, 4), db_text(st, i), both);
		json_decref(both);
	}
	db_finalize(st);
}

static void
made_by(const struct map *m)
{
	static const char *const what[] = {"vendor", "model"};
	const json_t *both;
	json_t *z, *d;
	size_t i, k, n;

	json_array_foreach(m->zones, i, z)
	{
		json_array_foreach(json_object_get(z, "devices"), k, d)
		{
			if (!(both = at(m->made, text(z, "site"), text(d, "name"))))
				both = at(m->made, text(z, "site"), text(d, "ip"));
			for (n = 0; n < 2 && both; n++)
				if (json_string_length(json_array_get(both, n)) > 0)
					(void)json_object_set(d, what[n], json_array_get(both, n));
		}
	}
}

void
query_map(struct call *c)
{
	struct map m = {.db = call_db(c), .hour = c->now_ms / HOUR_MS - 24};
	const char *site = call_arg(c, "site");

	if (!m.db)
		return;
	if (site && !*site)
		site = NULL;
	m.zones = json_array();
	m.edges = json_array();
	m.where = json_object();
	m.by = json_object();
	m.day = json_object();
	m.made = json_object();
	makers(&m, site);
	days(&m);
	models(&m, site);
	tried(&m, site);
	made_by(&m);
	json_decref(m.where);
	json_decref(m.day);
	json_decref(m.made);
	json_decref(m.by);
	dump(c, json_pack("{s:o,s:o}", "zones", m.zones, "edges", m.edges));
}

/* --- assets ---------------------------------------------------------------------------------- */

#define ASSET_COLUMNS "a.id, s.site, s.name, a.name, a.zone, a.role, a.first, a.last, a.doc"

static void
asset(struct jw *w, struct db_stmt *st, bool whole)
{
	static const char *const plain[][2] = {{"vendor", "vendor"}, {"model", "model"},
	    {"firmware", "firmware"}, {"serial", "serial"}};
	const char *doc = db_text(st, 8);
	json_t *o = feed_json(doc, strlen(doc)), *v;
	const char *confidence = text(json_array_get(json_object_get(o, "roles"), 0), "confidence");
	size_t i;

	jw_obj(w, NULL);
	jw_i(w, "id", db_i64(st, 0));
	jw_str(w, "site", db_text(st, 1));
	jw_str(w, "sensor", db_text(st, 2));
	jw_str(w, "name", db_text(st, 3));
	jw_str(w, "zone", db_text(st, 4));
	jw_str(w, "role", db_text(st, 5)[0] ? db_text(st, 5) : "unknown");
	jw_i(w, "first", db_i64(st, 6));
	jw_i(w, "last", db_i64(st, 7));
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		jw_str(w, plain[i][0], text(o, plain[i][1]));
	jw_str(w, "confidence", confidence);
	jw_key(w, "level");
	jw_raw(w, "null", 4);
	jw_arr(w, "ips");
	for (i = 0; (v = json_array_get(json_object_get(o, "addresses"), i)); i++)
		jw_str(w, NULL, text(v, "ip"));
	jw_close(w, ']');
	jw_arr(w, "macs");
	for (i = 0; (v = json_array_get(json_object_get(o, "macs"), i)); i++)
		jw_str(w, NULL, text(v, "mac"));
	jw_close(w, ']');
	jw_arr(w, "conflicts");
	for (i = 0; (v = json_array_get(json_object_get(o, "questions"), i)); i++)
		jw_str(w, NULL, text(v, "text"));
	jw_close(w, ']');
	if (whole && o) {
		jw_key(w, "doc"); /* written by us when it came in */
		jw_raw(w, doc, strlen(doc));
	}
	jw_close(w, '}');
	json_decref(o);
}

static void
assets_into(struct jw *w, struct db *db, const char *q, const char *zone, const char *role,
    int64_t after, int64_t limit, int64_t *n, int64_t *last)
{
	char pattern[300] = "%";
	struct db_stmt *st;

	if (q && *q)
		query_like(q, pattern, sizeof(pattern));
	st = db_query(db,
	    "SELECT " ASSET_COLUMNS
	    " FROM asset a JOIN sensor s ON s.id = a.sensor WHERE a.id > ?1 AND a.text LIKE ?2"
	    " ESCAPE '\\' AND (?3 = '' OR a.zone = ?3) AND (?4 = '' OR a.role = ?4) ORDER BY a.id "
	    "LIMIT ?5",
	    "ittti", after, pattern, zone ? zone : "", role ? role : "", limit + 1);
	while (st && db_step(st) == DB_ROW && (*n)++ < limit) {
		*last = db_i64(st, 0);
		asset(w, st, false);
	}
	db_finalize(st);
}

void
query_assets(struct call *c)
{
	int64_t limit = call_number(c, "limit", 50, 500), n = 0, last = 0;
	const char *cursor = call_arg(c, "cursor");
	struct db *db = call_db(c);
	int64_t after = 0, ignored = 0;

	if (cursor &&
	    sscanf(cursor, "%lld.%lld", (long long *)&ignored, (long long *)&after) != 2) {
		call_error(c, 400, "cursor", "the cursor is not one of ours");
		return;
	}
	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	assets_into(&c->w, db, call_arg(c, "q"), call_arg(c, "zone"), call_arg(c, "role"), after,
	    limit, &n, &last);
	query_next(&c->w, n > limit, 0, last);
}

void
query_asset(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st =
	    db ? db_query(db,
		     "SELECT " ASSET_COLUMNS
		     " FROM asset a JOIN sensor s ON s.id = a.sensor WHERE a.id = ?",
		     "i", (int64_t)strtoll(c->part[0], NULL, 10))
	       : NULL;

	if (st && db_step(st) == DB_ROW && call_begin(c, 200))
		asset(&c->w, st, true);
	else if (db)
		call_error(c, 404, "not_found", "no such asset");
	db_finalize(st);
}

/* --- ATT&CK ----------------------------------------------------------------------------------- */

static const struct {
	unsigned bit;
	const char *id, *name;
} tactics[] = {
#define TACTIC(bit, id, name) {bit, id, name},
#include "alerts/technique.def"
#undef TACTIC
};

static const struct {
	const char *id, *newer, *name;
	unsigned tactics;
} techniques[] = {
#define TECHNIQUE(id, newer, name, tactics) {id, newer, name, tactics},
#include "alerts/technique.def"
#undef TECHNIQUE
};

/* What an alert may tell. */
static bool
covered(const char *id)
{
	static const char *const ids[] = {
#define ATTACK(proto, code, sub, when, id, newer, name) id,
#include "alerts/attack.def"
#undef ATTACK
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (strcmp(ids[i], id) == 0)
			return true;
	return false;
}

static void
number_or_null(struct jw *w, const char *key, int64_t v)
{
	if (v) {
		jw_i(w, key, v);
	} else {
		jw_key(w, key);
		jw_raw(w, "null", 4);
	}
}

void
query_attack(struct call *c)
{
	struct db *db = call_db(c);

	if (!db || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "version", "ATT&CK for ICS v18; id of v19 where it moved");
	jw_arr(&c->w, "tactics");
	for (size_t i = 0; i < sizeof(tactics) / sizeof(tactics[0]); i++) {
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "id", tactics[i].id);
		jw_str(&c->w, "name", tactics[i].name);
		jw_close(&c->w, '}');
	}
	jw_close(&c->w, ']');
	jw_arr(&c->w, "techniques");
	for (size_t i = 0; i < sizeof(techniques) / sizeof(techniques[0]); i++) {
		const char *id = techniques[i].id;
		int64_t name = db_number(db, 0, "SELECT id FROM name WHERE text = ?", "t", id);

		jw_obj(&c->w, NULL);
		jw_str(&c->w, "id", techniques[i].newer ? techniques[i].newer : id);
		if (techniques[i].newer) {
			jw_str(&c->w, "old_id", id);
		} else {
			jw_key(&c->w, "old_id");
			jw_raw(&c->w, "null", 4);
		}
		jw_str(&c->w, "name", techniques[i].name);
		jw_arr(&c->w, "tactics");
		for (size_t k = 0; k < sizeof(tactics) / sizeof(tactics[0]); k++)
			if (techniques[i].tactics & tactics[k].bit)
				jw_str(&c->w, NULL, tactics[k].id);
		jw_close(&c->w, ']');
		jw_i(&c->w, "alerts",
		    db_number(db, 0, "SELECT n FROM technique WHERE id = ?", "i", name));
		number_or_null(&c->w, "last",
		    db_number(db, 0, "SELECT last FROM technique WHERE id = ?", "i", name));
		jw_bool(&c->w, "covered", covered(id));
		jw_close(&c->w, '}');
	}
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
}

/* --- search -------------------------------------------------------------------------------------- */

void
query_search(struct call *c)
{
	const char *q = call_arg(c, "q");
	struct db *db = call_db(c);
	struct filter f = {.index = "alert_time"};
	struct list_page p = {INT64_MAX, INT64_MAX, 20};
	char pattern[300], sql[1200];
	int64_t n = 0, last = 0;
	struct db_stmt *st;
	int rc = DB_DONE;

	if (!db)
		return;
	if (!q || strlen(q) < 2) {
		call_error(c, 400, "bad_request", "q has at least two characters");
		return;
	}
	query_like(q, pattern, sizeof(pattern));
	if (!call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	query_filter_text(db, &f, q);
	jw_arr(&c->w, "alerts");
	(void)query_list(&c->w, db, &f, &p, &rc);
	query_filter_free(&f);
	jw_close(&c->w, ']');
	if (query_late(c, rc))
		return;
	snprintf(sql, sizeof(sql),
	    "SELECT %s FROM incident i WHERE i.title LIKE ?1 ESCAPE '\\' OR i.src LIKE ?1 ESCAPE "
	    "'\\' OR i.dst LIKE ?1"
	    " ESCAPE '\\' OR i.rule LIKE ?1 ESCAPE '\\' ORDER BY i.last DESC, i.id DESC LIMIT 20",
	    query_incident_columns);
	st = db_query(db, sql, "t", pattern);
	jw_arr(&c->w, "incidents");
	while (st && (rc = db_step(st)) == DB_ROW) {
		jw_obj(&c->w, NULL);
		query_incident_members(&c->w, st, 0);
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	jw_close(&c->w, ']');
	jw_arr(&c->w, "assets");
	assets_into(&c->w, db, q, NULL, NULL, 0, 20, &n, &last);
	jw_close(&c->w, ']');
	st = db_query(db,
	    "SELECT id FROM sensor WHERE name LIKE ?1 ESCAPE '\\' OR site LIKE ?1 ESCAPE '\\' "
	    "LIMIT 20",
	    "t", pattern);
	jw_arr(&c->w, "sensors");
	while (st && db_step(st) == DB_ROW)
		(void)query_sensor_write(&c->w, db, db_i64(st, 0), c->now_ms);
	db_finalize(st);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
	(void)query_late(c, rc);
}
