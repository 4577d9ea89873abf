/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - lists of alerts, one of them with its proof, evidence, export.  See query.h. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/proof.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/feed.h"
#include "collector/guide.h"
#include "collector/http.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/store.h"

#define N(column) "(SELECT text FROM name WHERE id = a." column ")"

const char
    query_alert_columns[] =
	"a.id, a.time, (SELECT name FROM sensor WHERE id = a.sensor), coalesce(" N(
	    "site") ","
		    " (SELECT site FROM sensor WHERE id = a.sensor)), a.sev, a.blocked, " N(
			"ve"
			"rd"
			"ic"
			"t") ", " N("sig") ","
					   " a.sid, " N("category") ", " N("rule") ", " N("conduit") ", " N("reason") ", " N(
					       "proto") ","
							" " N("op") ", " N("access") ", " N(
							    "objec"
							    "t") ", " N("src_ip") ", a.sport, " N("src") ","
													 " " N("dst_ip") ", a.dport, " N("dst") ", " N("dir") ", a.count, " N(
													     "tec"
													     "h") ", a.incident,"
														  " " N(
														      "event") ", a.seq";

enum col {
	C_ID,
	C_TIME,
	C_SENSOR,
	C_SITE,
	C_SEV,
	C_BLOCKED,
	C_VERDICT,
	C_SIG,
	C_SID,
	C_CATEGORY,
	C_RULE,
	C_CONDUIT,
	C_REASON,
	C_PROTO,
	C_OP,
	C_ACCESS,
	C_OBJECT,
	C_SRC_IP,
	C_SPORT,
	C_SRC,
	C_DST_IP,
	C_DPORT,
	C_DST,
	C_DIR,
	C_COUNT,
	C_TECH,
	C_INCIDENT,
	C_EVENT,
	C_SEQ,
	C_N
};

static void
text_or_null(struct jw *w, const char *key, const char *s)
{
	if (*s) {
		jw_str(w, key, s);
	} else {
		jw_key(w, key);
		jw_raw(w, "null", 4);
	}
}

static void
end(struct jw *w, const char *key, sqlite3_stmt *st, int ip, int port, int name)
{
	const char *address = db_text(st, ip), *known = db_text(st, name);

	jw_obj(w, key);
	text_or_null(w, "ip", address);
	if (sqlite3_column_int(st, port)) {
		jw_i(w, "port", sqlite3_column_int(st, port));
	} else {
		jw_key(w, "port");
		jw_raw(w, "null", 4);
	}
	text_or_null(w, "name", strcmp(address, known) == 0 ? "" : known);
	jw_close(w, '}');
}

void
query_alert_members(struct jw *w, struct sqlite3_stmt *st)
{
	static const struct {
		const char *name;
		enum col col;
	} plain[] = {
	    {"verdict", C_VERDICT},
	    {"signature", C_SIG},
	    {"category", C_CATEGORY},
	    {"rule", C_RULE},
	    {"conduit", C_CONDUIT},
	    {"reason", C_REASON},
	    {"proto", C_PROTO},
	    {"op", C_OP},
	    {"access", C_ACCESS},
	    {"object", C_OBJECT},
	    {"direction", C_DIR},
	    {"event", C_EVENT},
	};
	const char *t = db_text(st, C_TECH);

	jw_i(w, "id", sqlite3_column_int64(st, C_ID));
	jw_i(w, "time", sqlite3_column_int64(st, C_TIME));
	jw_str(w, "sensor", db_text(st, C_SENSOR));
	jw_str(w, "site", db_text(st, C_SITE));
	jw_i(w, "severity", sqlite3_column_int(st, C_SEV));
	jw_str(w, "action", sqlite3_column_int(st, C_BLOCKED) ? "blocked" : "allowed");
	jw_i(w, "signature_id", sqlite3_column_int64(st, C_SID));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		text_or_null(w, plain[i].name, db_text(st, (int)plain[i].col));
	end(w, "src", st, C_SRC_IP, C_SPORT, C_SRC);
	end(w, "dst", st, C_DST_IP, C_DPORT, C_DST);
	jw_i(w, "count", sqlite3_column_int64(st, C_COUNT));
	jw_arr(w, "techniques");
	while (*t) {
		size_t n = strcspn(t, ",");

		jw_strn(w, NULL, t, n);
		t += n + (t[n] == ',');
	}
	jw_close(w, ']');
	jw_i(w, "incident", sqlite3_column_int64(st, C_INCIDENT));
}

bool
query_alert_write(struct jw *w, struct sqlite3 *db, int64_t id)
{
	char sql[2048];
	sqlite3_stmt *st;
	bool ok;

	snprintf(sql, sizeof(sql), "SELECT %s FROM alert a WHERE a.id = ?", query_alert_columns);
	st = db_query(db, sql, "i", id);
	ok = st && sqlite3_step(st) == SQLITE_ROW;
	if (ok) {
		jw_obj(w, NULL);
		query_alert_members(w, st);
		jw_close(w, '}');
	}
	sqlite3_finalize(st);
	return ok;
}

/* --- lists --------------------------------------------------------------------------------- */

struct page {
	int64_t time, id, limit;
};

static bool
page_of(struct call *c, struct page *p, int64_t most)
{
	const char *s = call_arg(c, "cursor");
	char *end;

	*p = (struct page){INT64_MAX, INT64_MAX, call_number(c, "limit", 50, most)};
	if (p->limit < 1)
		p->limit = 1;
	if (!s || !*s)
		return true;
	p->time = strtoll(s, &end, 10);
	if (*end == '.') {
		p->id = strtoll(end + 1, &end, 10);
		if (*end == '\0')
			return true;
	}
	call_error(c, 400, "cursor", "the cursor is not one of ours");
	return false;
}

/* The statement of a page of alerts: which numbers, by one index, newest first; then their columns. */
static sqlite3_stmt *
alerts_of(struct call *c, struct sqlite3 *db, const struct filter *f, const struct page *p)
{
	static const char ids[] =
	    "SELECT a.id AS id, a.time AS time FROM alert a INDEXED BY %s WHERE %s%s%s"
	    " a.time <= ?1 AND (a.time < ?1 OR a.id < ?2) ORDER BY a.time DESC, a.id DESC LIMIT ?3";
	const char *q = call_arg(c, "q");
	size_t size = 32768, n = 0;
	char *sql = malloc(size), side[64], hits[64] = "";
	sqlite3_stmt *st;

	if (!sql)
		return NULL;
	if (q && *q)
		snprintf(hits, sizeof(hits), "%s", "1");
	n += (size_t)snprintf(sql, size, "WITH %s page AS (",
	    hits[0] ? "hits(id) AS MATERIALIZED (SELECT id FROM name WHERE text LIKE ?4 ESCAPE "
		      "'\\' LIMIT 200),"
		    : "");
	if (f->device) {
		snprintf(side, sizeof(side), "a.src = %lld AND ", (long long)f->device);
		n += (size_t)snprintf(sql + n, size - n, "SELECT * FROM (");
		n += (size_t)snprintf(
		    sql + n, size - n, ids, "alert_src", side, f->where, f->where[0] ? " AND" : "");
		snprintf(side, sizeof(side), "a.dst = %lld AND a.src <> %lld AND ",
		    (long long)f->device, (long long)f->device);
		n += (size_t)snprintf(sql + n, size - n, ") UNION ALL SELECT * FROM (");
		n += (size_t)snprintf(
		    sql + n, size - n, ids, "alert_dst", side, f->where, f->where[0] ? " AND" : "");
		n += (size_t)snprintf(sql + n, size - n, ")");
	} else {
		n += (size_t)snprintf(
		    sql + n, size - n, ids, f->index, "", f->where, f->where[0] ? " AND" : "");
	}
	(void)snprintf(sql + n, size - n,
	    ") SELECT %s FROM page JOIN alert a ON a.id = page.id ORDER BY a.time DESC, a.id DESC "
	    "LIMIT ?3",
	    query_alert_columns);
	st = db_query(db, sql, "iii", p->time, p->id, p->limit + 1);
	if (st && hits[0]) {
		char pattern[300];

		query_like(q, pattern, sizeof(pattern));
		(void)db_bind(st, 3, "t", pattern);
	}
	free(sql);
	return st;
}

void
query_next(struct jw *w, bool more, int64_t time, int64_t id)
{
	char cursor[48];

	jw_close(w, ']');
	if (more) {
		snprintf(cursor, sizeof(cursor), "%lld.%lld", (long long)time, (long long)id);
		jw_str(w, "next", cursor);
	} else {
		jw_key(w, "next");
		jw_raw(w, "null", 4);
	}
	jw_close(w, '}');
}

/* Did a statement end because it took too long?  Then it has answered. */
bool
query_late(struct call *c, int rc)
{
	if (store_err(rc) != ERR_AGAIN)
		return false;
	call_error(c, 503, "too_long", "that takes too long: narrow the time or the filter");
	return true;
}

void
query_alerts(struct call *c)
{
	struct sqlite3 *db = call_db(c);
	struct filter f;
	struct page p;
	sqlite3_stmt *st;
	int64_t n = 0, time = 0, id = 0;
	int rc = SQLITE_DONE;

	if (!db || !page_of(c, &p, 500) || !query_filter(c, db, &f) || !call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	st = f.nothing ? NULL : alerts_of(c, db, &f, &p);
	while (st && (rc = sqlite3_step(st)) == SQLITE_ROW && n++ < p.limit) {
		time = sqlite3_column_int64(st, C_TIME);
		id = sqlite3_column_int64(st, C_ID);
		jw_obj(&c->w, NULL);
		query_alert_members(&c->w, st);
		jw_close(&c->w, '}');
	}
	sqlite3_finalize(st);
	if (!query_late(c, rc))
		query_next(&c->w, n > p.limit, time, id);
}

/* --- one ---------------------------------------------------------------------------------------- */

struct found {
	int64_t sensor, epoch, number, first, n, index;
	char name[256];
	struct journal_batch jb;
	struct batch b;
	char *text, *jws;
	size_t len;
	const char **line;
	uint8_t (*leaf)[MERKLE_LEN];
	struct key_set keys;
	const char *state; /* of its proof */
};

static void
found_free(struct found *f)
{
	if (!f)
		return;
	free(f->text);
	free(f->jws);
	free(f->line);
	free(f->leaf);
	free(f);
}

static bool
cut_lines(struct found *f)
{
	const char *p = f->text, *stop = p + f->len;

	f->line = calloc((size_t)f->n + 1, sizeof(*f->line));
	f->leaf = calloc((size_t)f->n, sizeof(*f->leaf));
	if (!f->line || !f->leaf)
		return false;
	for (int64_t i = 0; i < f->n; i++) {
		const char *nl = memchr(p, '\n', (size_t)(stop - p));

		if (!nl)
			return false;
		f->line[i] = p;
		merkle_leaf(p, (size_t)(nl - p), f->leaf[i]);
		p = nl + 1;
	}
	f->line[f->n] = p;
	return p == stop;
}

/* Does what is stored still hold?  Verified anew, each time. */
static const char *
verify(struct found *f, size_t jws_len)
{
	uint8_t root[MERKLE_LEN];
	struct merkle m;
	char why[200];
	int r = batch_open(f->jws, jws_len, &f->keys, &f->b, why, sizeof(why));

	if (r < 0)
		return f->keys.n == 0 ? "unverified" : "broken";
	merkle_init(&m);
	for (int64_t i = 0; i < f->n; i++)
		merkle_add(&m, (const uint8_t *)f->leaf[i]);
	merkle_root(&m, root);
	return f->b.n == (uint64_t)f->n && memcmp(root, f->b.root, sizeof(root)) == 0 ? "verified"
										      : "broken";
}

/* The batch of an alert, or NULL: it has answered. */
static struct found *
find_alert(struct call *c, struct sqlite3 *db, int64_t id)
{
	struct found *f = calloc(1, sizeof(*f));
	sqlite3_stmt *st = db_query(db,
	    "SELECT b.sensor, b.epoch, b.number, b.first, b.n, b.size, s.name, b.jws, b.lines FROM "
	    "batch b"
	    " JOIN sensor s ON s.id = b.sensor WHERE b.id = ? AND EXISTS (SELECT 1 FROM alert "
	    "WHERE id = ?)",
	    "ii", id / ALERTS_PER_BATCH, id);
	size_t jws_len = 0;
	bool ok = false;

	if (f && st && sqlite3_step(st) == SQLITE_ROW) {
		f->sensor = sqlite3_column_int64(st, 0);
		f->epoch = sqlite3_column_int64(st, 1);
		f->number = sqlite3_column_int64(st, 2);
		f->first = sqlite3_column_int64(st, 3);
		f->n = sqlite3_column_int64(st, 4);
		f->len = (size_t)sqlite3_column_int64(st, 5);
		snprintf(f->name, sizeof(f->name), "%s", db_text(st, 6));
		jws_len = (size_t)sqlite3_column_bytes(st, 7);
		f->jws = strndup(sqlite3_column_blob(st, 7), jws_len);
		f->text = ingest_unpack(
		    sqlite3_column_blob(st, 8), (size_t)sqlite3_column_bytes(st, 8), f->len);
		f->index = id % ALERTS_PER_BATCH;
		ok = f->jws && f->text && f->index < f->n && cut_lines(f) &&
		     enrol_keys(c, f->sensor, true, &f->keys) == 0;
	}
	sqlite3_finalize(st);
	if (!ok) {
		found_free(f);
		call_error(c, 404, "not_found", "no such alert");
		return NULL;
	}
	f->state = verify(f, jws_len);
	f->jb = (struct journal_batch){.b = &f->b,
	    .jws = f->jws,
	    .jws_len = jws_len,
	    .line = f->line,
	    .leaf = (const uint8_t(*)[MERKLE_LEN])f->leaf};
	return f;
}

static int64_t
id_of(const struct call *c)
{
	char *end;
	long long v = strtoll(c->part[0], &end, 10);

	return *end || v < 0 ? -1 : v;
}

static const struct key *
signer(const struct found *f)
{
	char why[100];
	static const struct key none;

	for (unsigned i = 0; i < f->keys.n; i++) {
		struct key_set one = {1, {f->keys.key[i]}};
		struct batch b;

		if (batch_open(f->jb.jws, f->jb.jws_len, &one, &b, why, sizeof(why)) == 0)
			return &f->keys.key[i];
	}
	return &none;
}

static void
proof_members(struct jw *w, const struct found *f)
{
	char hex[2 * MERKLE_LEN + 1];

	jw_obj(w, "proof");
	jw_str(w, "state", f->state);
	jw_str(w, "sensor", f->name);
	jw_i(w, "epoch", f->epoch);
	jw_i(w, "batch", f->number);
	jw_i(w, "seq", f->first + f->index);
	jw_str(w, "kid", signer(f)->kid);
	jw_strn(w, "root", crypto_hex(f->b.root, MERKLE_LEN, hex), 2 * (size_t)MERKLE_LEN);
	jw_close(w, '}');
}

static void
pdu_member(struct jw *w, const char *line, size_t n)
{
	json_t *o = feed_json(line, n), *pdu;
	const char *text = feed_meta(o, "il_pdu");
	char *dump = NULL;

	pdu = *text ? feed_json(text, strlen(text)) : NULL;
	jw_key(w, "pdu");
	if (json_is_object(pdu) && (dump = json_dumps(pdu, JSON_COMPACT | JSON_ENSURE_ASCII)))
		jw_raw(w, dump, strlen(dump));
	else
		jw_raw(w, "null", 4);
	free(dump);
	json_decref(pdu);
	json_decref(o);
}

static void
related(struct jw *w, struct sqlite3 *db, int64_t id)
{
	char sql[2048];
	sqlite3_stmt *st;

	snprintf(sql, sizeof(sql),
	    "SELECT %s FROM alert a INDEXED BY alert_incident WHERE a.incident ="
	    " (SELECT incident FROM alert WHERE id = ?1) AND a.id <> ?1 ORDER BY a.time DESC LIMIT "
	    "20",
	    query_alert_columns);
	st = db_query(db, sql, "i", id);
	jw_arr(w, "related");
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		jw_obj(w, NULL);
		query_alert_members(w, st);
		jw_close(w, '}');
	}
	sqlite3_finalize(st);
	jw_close(w, ']');
}

void
query_alert(struct call *c)
{
	struct sqlite3 *db = call_db(c);
	int64_t id = id_of(c);
	struct found *f;
	sqlite3_stmt *st;
	char sql[2048];
	const char *line;
	size_t n;

	if (!db || !(f = find_alert(c, db, id)))
		return;
	line = f->line[f->index];
	n = (size_t)(f->line[f->index + 1] - line) - 1;
	snprintf(sql, sizeof(sql), "SELECT %s FROM alert a WHERE a.id = ?", query_alert_columns);
	st = db_query(db, sql, "i", id);
	if (st && sqlite3_step(st) == SQLITE_ROW && call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		query_alert_members(&c->w, st);
		jw_strn(&c->w, "eve", line, n);
		pdu_member(&c->w, line, n);
		proof_members(&c->w, f);
		jw_bool(&c->w, "evidence",
		    db_number(db, 0,
			"SELECT count(*) FROM evidence WHERE sensor = ? AND epoch = ? AND seq = ?",
			"iii", f->sensor, f->epoch, f->first + f->index) > 0);
		related(&c->w, db, id);
		guide_members(c, db, sqlite3_column_int64(st, C_INCIDENT), NULL, line, n);
		jw_close(&c->w, '}');
	}
	sqlite3_finalize(st);
	found_free(f);
}

void
query_proof(struct call *c)
{
	struct sqlite3 *db = call_db(c);
	struct found *f = db ? find_alert(c, db, id_of(c)) : NULL;

	if (f && strcmp(f->state, "verified") != 0)
		call_error(c, 409, f->state, "what is stored of it does not verify");
	else if (f && call_begin(c, 200))
		proof_write(&c->w, &f->jb, (uint64_t)f->index, signer(f));
	found_free(f);
}

void
query_evidence(struct call *c)
{
	struct sqlite3 *db = call_db(c);
	int64_t id = id_of(c);
	sqlite3_stmt *st;
	size_t n;

	if (!db)
		return;
	st = db_query(db,
	    "SELECT e.data FROM alert a JOIN batch b ON b.id = a.id / 65536 JOIN evidence e ON "
	    "e.sensor = b.sensor"
	    " AND e.epoch = b.epoch AND e.seq = b.first + a.id % 65536 WHERE a.id = ?",
	    "i", id);
	if (st && sqlite3_step(st) == SQLITE_ROW && call_begin(c, 200)) {
		n = (size_t)sqlite3_column_bytes(st, 0);
		jw_raw(&c->w, sqlite3_column_blob(st, 0), n);
		c->type = "application/x-pcapng";
		snprintf(c->download, sizeof(c->download),
		    "attachment; filename=\"alert-%lld.pcapng\"", (long long)id);
	} else {
		call_error(c, 404, "not_found", "there is no evidence");
	}
	sqlite3_finalize(st);
}

/* --- export --------------------------------------------------------------------------------------- */

#define EXPORTS_MAX 2u
#define EXPORT_S    600u

enum format { FORMAT_NDJSON = 0, FORMAT_CSV, FORMAT_EVE };

struct export
{
	struct collector *co;
	struct sqlite3 *db;
	sqlite3_stmt *st;
	enum format format;
	uint64_t conn_id;
	char *buf;
	size_t n, off, size;
	bool head;
	/* eve: the batch whose lines are at hand */
	int64_t batch;
	char *text;
};

/* A cell: quoted, and nothing that a spreadsheet takes for a formula. */
static void
cell(struct jw *w, const char *s, bool last)
{
	jw_ch(w, '"');
	if (*s && strchr("=+-@\t\r", *s))
		jw_ch(w, '\'');
	for (; *s; s++) {
		if (*s == '"')
			jw_ch(w, '"');
		jw_ch(w, *s);
	}
	jw_raw(w, last ? "\"\r\n" : "\",", last ? 3 : 2);
}

static const struct {
	const char *name;
	enum col col;
} cells[] = {
    {"id", C_ID},
    {"time", C_TIME},
    {"sensor", C_SENSOR},
    {"site", C_SITE},
    {"severity", C_SEV},
    {"blocked", C_BLOCKED},
    {"signature_id", C_SID},
    {"signature", C_SIG},
    {"rule", C_RULE},
    {"conduit", C_CONDUIT},
    {"proto", C_PROTO},
    {"op", C_OP},
    {"object", C_OBJECT},
    {"src_ip", C_SRC_IP},
    {"src", C_SRC},
    {"dst_ip", C_DST_IP},
    {"dst", C_DST},
    {"count", C_COUNT},
    {"techniques", C_TECH},
};
#define CELLS (sizeof(cells) / sizeof(cells[0]))

static void
eve_line(struct export *x, struct jw *w)
{
	int64_t id = sqlite3_column_int64(x->st, C_ID), batch = id / ALERTS_PER_BATCH;
	const char *p;
	size_t n;

	if (x->batch != batch) {
		sqlite3_stmt *st =
		    db_query(x->db, "SELECT size, lines FROM batch WHERE id = ?", "i", batch);

		free(x->text);
		x->text = NULL;
		if (st && sqlite3_step(st) == SQLITE_ROW)
			x->text = ingest_unpack(sqlite3_column_blob(st, 1),
			    (size_t)sqlite3_column_bytes(st, 1),
			    (size_t)sqlite3_column_int64(st, 0));
		sqlite3_finalize(st);
		x->batch = batch;
	}
	if ((p = ingest_line(x->text, id % ALERTS_PER_BATCH, &n)))
		jw_raw(w, p, n + 1);
}

static ssize_t
on_export(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct export *x = arg;
	int rc = SQLITE_OK;
	size_t n;

	(void)pos;
	if (x->off == x->n) {
		struct jw w = jw_make(x->buf, x->size);

		x->off = 0;
		if (x->format == FORMAT_CSV && !x->head)
			for (size_t i = 0; i < CELLS; i++)
				cell(&w, cells[i].name, i + 1 == CELLS);
		x->head = true;
		if (jw_len(&w) == 0 && (rc = sqlite3_step(x->st)) == SQLITE_ROW) {
			if (x->format == FORMAT_EVE) {
				eve_line(x, &w);
			} else if (x->format == FORMAT_CSV) {
				for (size_t i = 0; i < CELLS; i++)
					cell(&w, db_text(x->st, (int)cells[i].col), i + 1 == CELLS);
			} else {
				jw_obj(&w, NULL);
				query_alert_members(&w, x->st);
				jw_raw(&w, "}\n", 2);
			}
		}
		x->n = w.full ? 0 : jw_len(&w);
		if (x->n == 0) /* a cut export must not look like a whole one */
			return rc == SQLITE_DONE ? MHD_CONTENT_READER_END_OF_STREAM
						 : MHD_CONTENT_READER_END_WITH_ERROR;
	}
	n = x->n - x->off < max ? x->n - x->off : max;
	memcpy(buf, x->buf + x->off, n);
	x->off += n;
	return (ssize_t)n;
}

static void
on_export_end(void *arg)
{
	struct export *x = arg;

	sqlite3_finalize(x->st);
	store_put(x->co->store, x->db);
	(void)atomic_fetch_sub(&x->co->exports, 1);
	free(x->text);
	free(x->buf);
	free(x);
}

void
query_export(struct call *c)
{
	const char *format = call_arg(c, "format");
	struct sqlite3 *db = call_db(c);
	struct page p = {INT64_MAX, INT64_MAX, call_number(c, "limit", 100000, 1000000)};
	struct export *x;
	struct filter f;
	bool csv = format && strcmp(format, "csv") == 0, eve = format && strcmp(format, "eve") == 0;

	if (!db || !query_filter(c, db, &f))
		return;
	if (atomic_fetch_add(&c->co->exports, 1) >= EXPORTS_MAX) {
		(void)atomic_fetch_sub(&c->co->exports, 1);
		c->retry_after = 10;
		call_error(c, 503, "busy", "%u exports are running", EXPORTS_MAX);
		return;
	}
	if (!(x = calloc(1, sizeof(*x))) || !(x->buf = malloc(2 * BATCH_LINE_MAX + 16384))) {
		free(x);
		(void)atomic_fetch_sub(&c->co->exports, 1);
		return;
	}
	x->size = 2 * BATCH_LINE_MAX + 16384;
	x->co = c->co;
	x->batch = -1;
	x->format = csv ? FORMAT_CSV : eve ? FORMAT_EVE : FORMAT_NDJSON;
	if (f.nothing)
		snprintf(f.where, sizeof(f.where), "a.id < 0");
	if (f.nothing)
		f.device = 0, f.index = "alert_time";
	x->db = db;
	c->db = NULL; /* it goes with the stream */
	store_longer(c->co->store, db, EXPORT_S);
	http_unlimited(c->co->http, c->conn_id);
	x->st = alerts_of(c, db, &f, &p);
	c->response = x->st ? MHD_create_response_from_callback(
				  MHD_SIZE_UNKNOWN, 65536, on_export, x, on_export_end)
			    : NULL;
	if (!c->response) {
		on_export_end(x);
		return;
	}
	(void)MHD_add_response_header(c->response, "Content-Type",
	    csv ? "text/csv; charset=utf-8" : "application/x-ndjson; charset=utf-8");
	snprintf(c->download, sizeof(c->download), "attachment; filename=\"alerts.%s\"",
	    csv ? "csv" : "jsonl");
	c->status = 200;
	audit_log(c, "export", eve ? "eve" : csv ? "csv" : "ndjson", true, "%s", "");
}
