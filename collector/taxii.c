/* SPDX-License-Identifier: Apache-2.0 */
/* taxii.c - see taxii.h.  Numbers of sections are those of TAXII 2.1. */
#include "collector/taxii.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/guide.h"
#include "collector/indicators.h"
#include "collector/share.h"
#include "collector/store.h"
#include "sharing/share.h"

#define ROOT	    "/taxii2/share/"
#define STIX_TYPE   "application/stix+json;version=2.1"
#define VERSIONS    512u /* bytes of match[version], as numbers */
#define ANSWER_ROOM (BODY_ONE + 4096u)
#define BODY_ONE    (TAXII_BODY + 1u) /* no object is longer than what may come */

/* --- answers --------------------------------------------------------------------------- */

/* An error message of 3.6.1. */
static void __attribute__((format(printf, 4, 5)))
refuse(struct call *c, unsigned status, const char *title, const char *fmt, ...)
{
	char text[300], number[8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!call_begin(c, status))
		return;
	c->type = TAXII_TYPE;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "title", title);
	jw_str(&c->w, "description", text);
	snprintf(number, sizeof(number), "%u", status);
	jw_str(&c->w, "http_status", number);
	jw_close(&c->w, '}');
}

/* May it be answered in our type (1.6.8.1)?  It has answered when not. */
static bool
begin(struct call *c, unsigned status)
{
	const char *accept = call_header(c, "Accept");

	if (accept && *accept && !strstr(accept, "*/*") &&
	    !strstr(accept, "application/taxii+json") && !strstr(accept, "application/*")) {
		refuse(c, 406, "Not acceptable", "answers are %s", TAXII_TYPE);
		return false;
	}
	if (accept && strstr(accept, "application/taxii+json") && strstr(accept, "version=") &&
	    !strstr(accept, "version=2.1")) {
		refuse(c, 406, "Not acceptable", "this is TAXII 2.1");
		return false;
	}
	if (!call_begin(c, status))
		return false;
	c->type = TAXII_TYPE;
	return true;
}

/* 2026-11-29T10:00:00.123456Z (1.6.3), without needless digits where a version has none. */
static const char *
stamp(int64_t us, bool full, char *buf)
{
	char ms[SHARE_TIME];

	(void)share_time(us / 1000, ms);
	if (!full && us % 1000 == 0)
		snprintf(buf, SHARE_TIME, "%s", ms);
	else
		snprintf(buf, SHARE_TIME, "%.23s%03dZ", ms, (int)(us % 1000));
	return buf;
}

/* --- accounts ------------------------------------------------------------------------------ */

static bool
token_of(const struct call *c, char *name, size_t size, char *token)
{
	const char *h = call_header(c, "Authorization");
	char plain[256];
	size_t n;
	const char *colon;

	if (h && strncmp(h, "Bearer ", 7) == 0 && strlen(h + 7) < TAXII_TOKEN) {
		snprintf(token, TAXII_TOKEN, "%s", h + 7);
		name[0] = '\0';
		return true;
	}
	if (!h || strncmp(h, "Basic ", 6) != 0 ||
	    crypto_b64_decode(h + 6, strlen(h + 6), plain, sizeof(plain) - 1, &n) < 0)
		return false;
	plain[n] = '\0';
	if (!(colon = strchr(plain, ':')) || strlen(colon + 1) >= TAXII_TOKEN ||
	    (size_t)(colon - plain) >= size)
		return false;
	snprintf(name, size, "%.*s", (int)(colon - plain), plain);
	snprintf(token, TAXII_TOKEN, "%s", colon + 1);
	return true;
}

bool
taxii_identify(struct call *c)
{
	char name[SHARE_NAME_MAX + 1], token[TAXII_TOKEN];
	uint8_t hash[CRYPTO_SHA256_LEN];
	struct db *db;
	struct db_stmt *st;
	bool ok = false;

	if (token_of(c, name, sizeof(name), token) && (db = call_db(c))) {
		crypto_sha256(
		    token, strlen(token), hash); /* 256 random bits: their hash tells nothing */
		st = db_query(db,
		    "SELECT name FROM destination WHERE token = ? AND (name = ? OR ? = '')", "btt",
		    hash, sizeof(hash), name, name);
		if (st && db_step(st) == DB_ROW) {
			snprintf(c->user, sizeof(c->user), "%s", db_text(st, 0));
			ok = true;
		}
		db_finalize(st);
		if (!call_db_done(c))
			return false;
	}
	if (!ok && c->status == 0) {
		audit_refused(c, "taxii");
		refuse(c, 401, "Unauthorized", "the account of a destination: Basic or Bearer");
		call_answer_header(c, "WWW-Authenticate", "Basic realm=\"interlock\"");
	}
	return ok;
}

struct token_set {
	const char *dest;
	bool writes;
	uint8_t hash[CRYPTO_SHA256_LEN];
};

static int
token_job(struct store_tx *tx, void *ctx)
{
	const struct token_set *t = ctx;
	int r = tx_exec(tx, "UPDATE destination SET token = ?, writes = ? WHERE name = ?", "bit",
	    t->hash, sizeof(t->hash), (int64_t)t->writes, t->dest);

	return r < 0 ? r : db_changes(tx_db(tx)) == 0 ? ERR_NOTFOUND : 0;
}

int
taxii_token(struct store *s, const char *dest, bool writes, char token[TAXII_TOKEN], char *err,
    size_t err_size)
{
	struct token_set t = {.dest = dest, .writes = writes};
	uint8_t secret[32];
	int r;

	crypto_random(secret, sizeof(secret));
	crypto_b64url(secret, sizeof(secret), token);
	crypto_sha256(token, strlen(token), t.hash);
	r = store_write(s, token_job, &t);
	if (r == ERR_NOTFOUND)
		return err_say(err, err_size, r, "no such destination");
	return r < 0 ? err_say(err, err_size, r, "%s", err_str(r)) : 0;
}

/* --- what is there ---------------------------------------------------------------------------- */

static const char *const titles[] = {"incidents", "indicators"};

static void
collection_id(struct call *c, enum taxii_collection which, char out[SHARE_UUID])
{
	struct share_dest d = {.name = ""};

	(void)!share_dest_get(call_db(c), c->user, &d);
	(void)share_id(&d, "taxii collection", (int64_t)which, out);
}

/* Which one a path names; -1: it has answered. */
static int
collection_of(struct call *c)
{
	char id[SHARE_UUID];

	for (int i = 0; i < 2; i++) {
		collection_id(c, (enum taxii_collection)i, id);
		if (strcmp(id, c->part[0]) == 0)
			return i;
	}
	refuse(c, 404, "Not found", "there is no such collection");
	return -1;
}

static bool
writes(struct call *c)
{
	return db_number(call_db(c), 0, "SELECT writes FROM destination WHERE name = ?", "t",
		   c->user) > 0;
}

void
taxii_nothing(struct call *c)
{
	refuse(c, 404, "Not found", "there is no such path; all of them end with a slash");
}

void
taxii_discovery(struct call *c)
{
	if (!begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "title", "Interlock collector");
	jw_str(&c->w, "default", ROOT);
	jw_arr(&c->w, "api_roots");
	jw_str(&c->w, NULL, ROOT);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
}

void
taxii_root(struct call *c)
{
	if (!begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "title", "What is shared with this account");
	jw_arr(&c->w, "versions");
	jw_str(&c->w, NULL, TAXII_TYPE);
	jw_close(&c->w, ']');
	jw_u(&c->w, "max_content_length", TAXII_BODY);
	jw_close(&c->w, '}');
}

static void
one_collection(struct call *c, enum taxii_collection which)
{
	char id[SHARE_UUID];

	collection_id(c, which, id);
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "id", id);
	jw_str(&c->w, "title", titles[which]);
	jw_bool(&c->w, "can_read", true);
	jw_bool(&c->w, "can_write", which == TAXII_INDICATORS && writes(c));
	jw_arr(&c->w, "media_types");
	jw_str(&c->w, NULL, STIX_TYPE);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
}

void
taxii_collections(struct call *c)
{
	if (!begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "collections");
	one_collection(c, TAXII_INCIDENTS);
	one_collection(c, TAXII_INDICATORS);
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
}

void
taxii_collection(struct call *c)
{
	int which = collection_of(c);

	if (which >= 0 && begin(c, 200))
		one_collection(c, (enum taxii_collection)which);
}

/* --- objects ------------------------------------------------------------------------------------- */

/* match[version]: words, and times as numbers, between commas. */
static bool
versions_of(const char *text, char out[VERSIONS])
{
	size_t n = (size_t)snprintf(out, VERSIONS, ",");

	while (*text && n < VERSIONS) {
		size_t k = strcspn(text, ",");
		char one[64];

		snprintf(one, sizeof(one), "%.*s", (int)k, text);
		if (strcmp(one, "all") == 0 || strcmp(one, "first") == 0 ||
		    strcmp(one, "last") == 0)
			n += (size_t)snprintf(out + n, VERSIONS - n, "%s,", one);
		else if (share_time_parse(one) >= 0)
			n += (size_t)snprintf(
			    out + n, VERSIONS - n, "%lld,", (long long)share_time_parse(one));
		else
			return false;
		text += k + (text[k] == ',');
	}
	return n < VERSIONS;
}

struct asked {
	int which;
	int64_t after, limit;
	const char *ids, *types;
	char versions[VERSIONS];
	bool nothing; /* another version of STIX */
};

/* What a call asks for (3.4, 3.5); false: it has answered. */
static bool
asked(struct call *c, struct asked *a)
{
	const char *after = call_arg(c, "added_after"), *next = call_arg(c, "next"),
		   *limit = call_arg(c, "limit"), *version = call_arg(c, "match[version]"),
		   *spec = call_arg(c, "match[spec_version]");

	memset(a, 0, sizeof(*a));
	if ((a->which = collection_of(c)) < 0)
		return false;
	a->ids = c->part[1][0] ? c->part[1] : call_arg(c, "match[id]");
	a->types = call_arg(c, "match[type]");
	a->ids = a->ids ? a->ids : "";
	a->types = a->types ? a->types : "";
	a->limit = call_number(c, "limit", TAXII_PAGE, INT64_MAX);
	a->limit = a->limit > TAXII_MOST ? TAXII_MOST : a->limit;
	a->after = next	   ? call_number(c, "next", -1, INT64_MAX)
		   : after ? share_time_parse(after)
			   : 0;
	a->nothing = spec && !strstr(spec, "2.1");
	if (a->limit <= 0 || (limit && strspn(limit, "0123456789") != strlen(limit)) ||
	    a->after < 0 || !versions_of(version && *version ? version : "last", a->versions)) {
		refuse(c, 400, "Bad request",
		    "limit is a number from 1 on; added_after and match[version] are times, or "
		    "all, first, last; next is "
		    "what we said");
		return false;
	}
	return true;
}

#define IN_LIST(list, what) "instr(',' || " list " || ',', ',' || " what " || ',') > 0"
#define OTHERS		    " FROM taxii_object x WHERE x.dest = o.dest AND x.coll = o.coll AND x.stix = o.stix)"

static struct db_stmt *
objects_of(struct call *c, const struct asked *a, int64_t limit)
{
	return db_query(call_db(c),
	    "SELECT added, stix, version, doc FROM taxii_object o WHERE dest = ?1 AND coll = ?2 "
	    "AND added > ?3"
	    " AND (?4 = '' OR " IN_LIST("?4", "stix") ") AND (?5 = '' OR " IN_LIST("?5",
		"type") ")"
			" AND (instr(?6, ',all,') > 0 OR instr(?6, ',' || version || ',') > 0"
			" OR (instr(?6, ',last,') > 0 AND version = (SELECT max(version)" OTHERS ")"
			" OR (instr(?6, ',first,') > 0 AND version = (SELECT min(version)" OTHERS
			"))"
			" ORDER BY added LIMIT ?7",
	    "tiittti", c->user, (int64_t)a->which, a->after, a->ids, a->types, a->versions,
	    a->nothing ? (int64_t)0 : limit);
}

typedef void write_one(struct jw *w, struct db_stmt *st);

static void
write_object(struct jw *w, struct db_stmt *st)
{
	const char *doc = db_text(st, 3);

	jw_key(w, NULL);
	jw_raw(w, doc, strlen(doc));
}

static void
write_manifest(struct jw *w, struct db_stmt *st)
{
	char text[SHARE_TIME];

	jw_obj(w, NULL);
	jw_str(w, "id", db_text(st, 1));
	jw_str(w, "date_added", stamp(db_i64(st, 0), true, text));
	jw_str(w, "version", stamp(db_i64(st, 2), false, text));
	jw_str(w, "media_type", STIX_TYPE);
	jw_close(w, '}');
}

static void
write_version(struct jw *w, struct db_stmt *st)
{
	char text[SHARE_TIME];

	jw_str(w, NULL, stamp(db_i64(st, 2), false, text));
}

/* One page of whatever: envelope (3.7), manifest (5.6), versions (5.8). */
static void
page(struct call *c, struct asked *a, const char *key, write_one *one, bool must)
{
	struct db_stmt *st = objects_of(c, a, a->limit + 1);
	int64_t n = 0, first = 0, last = 0;
	char text[SHARE_TIME];
	bool more = false;

	if (!st || !begin(c, 200)) {
		db_finalize(st);
		return;
	}
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, key);
	while (db_step(st) == DB_ROW) {
		if (n == a->limit || jw_len(&c->w) + ANSWER_ROOM > ANSWER_MAX) {
			more = true;
			break;
		}
		last = db_i64(st, 0);
		first = n++ == 0 ? last : first;
		one(&c->w, st);
	}
	db_finalize(st);
	if (n == 0 && must) {
		refuse(c, 404, "Not found", "there is no such object");
		return;
	}
	if (n == 0) { /* an empty envelope is {} */
		(void)call_begin(c, 200);
		jw_obj(&c->w, NULL);
		jw_close(&c->w, '}');
		return;
	}
	jw_close(&c->w, ']');
	jw_bool(&c->w, "more", more);
	if (more) {
		char next[24];

		snprintf(next, sizeof(next), "%lld", (long long)last);
		jw_str(&c->w, "next", next);
	}
	jw_close(&c->w, '}');
	call_answer_header(c, "X-TAXII-Date-Added-First", stamp(first, true, text));
	call_answer_header(c, "X-TAXII-Date-Added-Last", stamp(last, true, text));
}

void
taxii_objects(struct call *c)
{
	struct asked a;

	if (asked(c, &a))
		page(c, &a, "objects", write_object, false);
}

void
taxii_object(struct call *c)
{
	struct asked a;

	if (asked(c, &a))
		page(c, &a, "objects", write_object, true);
}

void
taxii_manifest(struct call *c)
{
	struct asked a;

	if (asked(c, &a))
		page(c, &a, "objects", write_manifest, false);
}

void
taxii_versions(struct call *c)
{
	struct asked a;

	if (!asked(c, &a))
		return;
	snprintf(a.versions, sizeof(a.versions), ",all,");
	page(c, &a, "versions", write_version, true);
}

/* --- coming in ------------------------------------------------------------------------------------- */

struct put {
	const char *dest;
	enum taxii_collection which;
	const json_t *objects;
	int64_t now_ms;
	unsigned fresh;
	const char *status; /* NULL: nobody asks */
	char *answer;	    /* status resource; to be freed */
};

static int64_t
version_of(const json_t *o, int64_t now_us)
{
	const char *m = shared_text(o, "modified"), *created = shared_text(o, "created");
	int64_t us = share_time_parse(*m ? m : created);

	return us >= 0 ? us : now_us; /* 3.4.1: of observables, when they were added */
}

static bool
acceptable(const json_t *o)
{
	const char *id = shared_text(o, "id"), *type = shared_text(o, "type");
	size_t n = strlen(type);

	return json_is_object(o) && n > 0 && strncmp(id, type, n) == 0 &&
	       strncmp(id + n, "--", 2) == 0 && strlen(id + n + 2) == 36 && strlen(id) < 200 &&
	       !strpbrk(id, ", \"'") && strcmp(shared_text(o, "spec_version"), "2.1") == 0;
}

/* 0, 1: it is there already; or ERR_*. */
static int
put_one(struct store_tx *tx, struct put *p, const json_t *o)
{
	struct db *db = tx_db(tx);
	const char *id = shared_text(o, "id");
	int64_t now = p->now_ms * 1000, version = version_of(o, now), last, same;
	bool dated = *shared_text(o, "modified") || *shared_text(o, "created");
	char *doc;
	int r;

	same = db_number(db, 0,
	    "SELECT count(*) FROM taxii_object WHERE dest = ? AND coll = ? AND stix = ? AND "
	    "(version = ? OR ? = 0)",
	    "titii", p->dest, (int64_t)p->which, id, version, (int64_t)dated);
	if (same > 0)
		return 1;
	last = db_number(db, 0, "SELECT max(added) FROM taxii_object WHERE dest = ? AND coll = ?",
	    "ti", p->dest, (int64_t)p->which);
	if (!(doc = json_dumps(o, JSON_COMPACT)))
		return ERR_NOMEM;
	r = tx_exec(tx,
	    "INSERT INTO taxii_object(dest, coll, stix, type, version, added, doc) VALUES(?, ?, ?, "
	    "?, ?, ?, ?)",
	    "tittiit", p->dest, (int64_t)p->which, id, shared_text(o, "type"), version,
	    now > last ? now : last + 1, doc);
	free(doc);
	p->fresh += r == 0;
	return r;
}

static void
said(struct jw *w, const json_t *o, int64_t version, const char *message)
{
	char text[SHARE_TIME];

	jw_obj(w, NULL);
	jw_str(w, "id", shared_text(o, "id"));
	jw_str(w, "version", stamp(version, false, text));
	if (message)
		jw_str(w, "message", message);
	jw_close(w, '}');
}

/* The status resource (4.3.1): what became of each. */
static int
status_put(struct store_tx *tx, struct put *p, const char *const *message)
{
	size_t size = 1024 + json_array_size(p->objects) * 640, i;
	unsigned failed = 0, total = (unsigned)json_array_size(p->objects);
	char *buf = malloc(size), text[SHARE_TIME];
	struct jw w = jw_make(buf, buf ? size : 0);
	const json_t *o;

	for (unsigned k = 0; k < total; k++)
		failed += message[k] && message[k][0] == '!';
	jw_obj(&w, NULL);
	jw_str(&w, "id", p->status);
	jw_str(&w, "status", "complete");
	jw_str(&w, "request_timestamp", stamp(p->now_ms * 1000, true, text));
	jw_u(&w, "total_count", total);
	jw_u(&w, "success_count", total - failed);
	for (unsigned bad = 0; bad < 2; bad++) {
		jw_arr(&w, bad ? "failures" : "successes");
		json_array_foreach(p->objects, i, o)
		{
			if ((message[i] && message[i][0] == '!') == bad)
				said(&w, o, version_of(o, p->now_ms * 1000),
				    message[i] ? message[i] + bad : NULL);
		}
		jw_close(&w, ']');
		if (!bad)
			jw_u(&w, "failure_count", failed);
	}
	jw_u(&w, "pending_count", 0);
	jw_close(&w, '}');
	if (!jw_end(&w)) {
		free(buf);
		return ERR_NOMEM;
	}
	p->answer = buf;
	return tx_exec(tx, "INSERT INTO taxii_status(id, dest, time, doc) VALUES(?, ?, ?, ?)",
	    "ttit", p->status, p->dest, p->now_ms, buf);
}

static int
put_job(struct store_tx *tx, void *ctx)
{
	struct put *p = ctx;
	const char *message[INDICATOR_BATCH] = {0};
	const json_t *o;
	size_t i;
	int r = 0;

	json_array_foreach(p->objects, i, o)
	{
		if (!acceptable(o)) {
			message[i] = "!not an object of STIX 2.1";
			continue;
		}
		if ((r = put_one(tx, p, o)) < 0)
			return r;
		if (r == 1 || p->which != TAXII_INDICATORS)
			continue;
		if ((r = indicator_take(tx, o, p->dest, p->now_ms)) < 0)
			return r;
		message[i] = r ? refusal_text((enum refusal)r) : "watched for";
	}
	r = tx_exec(tx,
	    "DELETE FROM taxii_object WHERE id IN (SELECT id FROM taxii_object WHERE dest = ? "
	    "ORDER BY added DESC LIMIT ? OFFSET ?)",
	    "tii", p->dest, INT64_MAX, (int64_t)TAXII_OBJECTS);
	if (r == 0)
		r = tx_exec(tx, "DELETE FROM taxii_status WHERE time < ?", "i",
		    p->now_ms - INT64_C(86400000));
	return r < 0 || !p->status ? r : status_put(tx, p, message);
}

int
taxii_publish(struct store *s, const char *dest, const json_t *objects, int64_t now_ms)
{
	struct put p = {
	    .dest = dest, .which = TAXII_INCIDENTS, .objects = objects, .now_ms = now_ms};
	int r;

	if (json_array_size(objects) > INDICATOR_BATCH)
		return ERR_RANGE;
	r = store_write(s, put_job, &p);
	return r < 0 ? r : (int)p.fresh;
}

void
taxii_add(struct call *c)
{
	const char *type = call_header(c, "Content-Type");
	int which = collection_of(c);
	uint8_t random[16];
	char id[SHARE_UUID];
	struct put p = {
	    .dest = c->user, .which = TAXII_INDICATORS, .now_ms = c->now_ms, .status = id};
	json_t *o;
	int r;

	if (which < 0)
		return;
	if (!type || strncmp(type, "application/taxii+json", 22) != 0 ||
	    (strstr(type, "version=") && !strstr(type, "version=2.1"))) {
		refuse(c, 415, "Unsupported media type", "an envelope of %s", TAXII_TYPE);
		return;
	}
	if (which != TAXII_INDICATORS || !writes(c)) {
		refuse(c, 403, "Forbidden", "this account may not write there");
		return;
	}
	o = call_json(c);
	p.objects = json_object_get(o, "objects");
	if (!json_is_array(p.objects) || json_array_size(p.objects) == 0 ||
	    json_array_size(p.objects) > INDICATOR_BATCH) {
		refuse(
		    c, 422, "Unprocessable", "an envelope with 1 to %u objects", INDICATOR_BATCH);
		json_decref(o);
		return;
	}
	crypto_random(random, sizeof(random));
	(void)share_uuid5(random, "status", 6, id);
	r = store_write(c->co->store, put_job, &p);
	audit_log(c, "taxii.add", c->user, r == 0, "%u objects are new", p.fresh);
	if (r < 0)
		refuse(c, 503, "Not stored", "%s", err_str(r));
	else if (begin(c, 202))
		jw_raw(&c->w, p.answer, strlen(p.answer));
	free(p.answer);
	json_decref(o);
}

void
taxii_status(struct call *c)
{
	struct db_stmt *st = db_query(call_db(c),
	    "SELECT doc FROM taxii_status WHERE id = ? AND dest = ?", "tt", c->part[0], c->user);

	if (!st || db_step(st) != DB_ROW)
		refuse(c, 404, "Not found", "there is no such status; they are kept for a day");
	else if (begin(c, 200))
		jw_raw(&c->w, db_text(st, 0), strlen(db_text(st, 0)));
	db_finalize(st);
}

/* --- going out ---------------------------------------------------------------------------------------- */

void
taxii_share(struct call *c)
{
	json_t *o = call_json(c), *record = NULL, *bundle = NULL;
	const char *to = shared_text(o, "to");
	struct db *db = o ? call_db(c) : NULL;
	struct share_dest d;
	int r = ERR_NOTFOUND;

	if (!db) {
		json_decref(o);
		return;
	}
	if (share_dest_get(db, to, &d)) {
		record = share_record(db, strtoll(c->part[0], NULL, 10), guide_hold(c->co));
		guide_release(c->co);
	}
	if (!call_db_done(c))
		goto out;
	if (record && (bundle = share_bundle(record, &d, share_cap((int)c->role))))
		r = taxii_publish(
		    c->co->store, d.name, json_object_get(bundle, "objects"), c->now_ms);
	audit_log(c, "share", c->part[0], r >= 0, "taxii to %s", to);
	if (!record) {
		call_error(c, 404, "not_found", "no such incident or destination");
	} else if (r < 0) {
		call_store_error(c, r);
	} else if (call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		jw_i(&c->w, "objects", r);
		jw_close(&c->w, '}');
	}
out:
	json_decref(bundle);
	json_decref(record);
	json_decref(o);
}
