/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - one alert, with its proof and evidence.  See query.h. */
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
end(struct jw *w, const char *key, struct db_stmt *st, int ip, int port, int name)
{
	const char *address = db_text(st, ip), *known = db_text(st, name);

	jw_obj(w, key);
	text_or_null(w, "ip", address);
	if (db_int(st, port)) {
		jw_i(w, "port", db_int(st, port));
	} else {
		jw_key(w, "port");
		jw_raw(w, "null", 4);
	}
	text_or_null(w, "name", strcmp(address, known) == 0 ? "" : known);
	jw_close(w, '}');
}

void
query_alert_members(struct jw *w, struct db_stmt *st)
{
	static const struct {
		const char *name;
		enum alert_col col;
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

	jw_i(w, "id", db_i64(st, C_ID));
	jw_i(w, "time", db_i64(st, C_TIME));
	jw_str(w, "sensor", db_text(st, C_SENSOR));
	jw_str(w, "site", db_text(st, C_SITE));
	jw_i(w, "severity", db_int(st, C_SEV));
	jw_str(w, "action", db_int(st, C_BLOCKED) ? "blocked" : "allowed");
	jw_i(w, "signature_id", db_i64(st, C_SID));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		text_or_null(w, plain[i].name, db_text(st, (int)plain[i].col));
	end(w, "src", st, C_SRC_IP, C_SPORT, C_SRC);
	end(w, "dst", st, C_DST_IP, C_DPORT, C_DST);
	jw_i(w, "count", db_i64(st, C_COUNT));
	jw_arr(w, "techniques");
	while (*t) {
		size_t n = strcspn(t, ",");

		jw_strn(w, NULL, t, n);
		t += n + (t[n] == ',');
	}
	jw_close(w, ']');
	jw_i(w, "incident", db_i64(st, C_INCIDENT));
}

bool
query_alert_write(struct jw *w, struct db *db, int64_t id)
{
	char sql[2048];
	struct db_stmt *st;
	bool ok;

	snprintf(sql, sizeof(sql), "SELECT %s FROM alert a WHERE a.id = ?", query_alert_columns);
	st = db_query(db, sql, "i", id);
	ok = st && db_step(st) == DB_ROW;
	if (ok) {
		jw_obj(w, NULL);
		query_alert_members(w, st);
		jw_close(w, '}');
	}
	db_finalize(st);
	return ok;
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
find_alert(struct call *c, struct db *db, int64_t id)
{
	struct found *f = calloc(1, sizeof(*f));
	struct db_stmt *st = db_query(db,
	    "SELECT b.sensor, b.epoch, b.number, b.first, b.n, b.size, s.name, b.jws, b.lines FROM "
	    "batch b"
	    " JOIN sensor s ON s.id = b.sensor WHERE b.id = ? AND EXISTS (SELECT 1 FROM alert "
	    "WHERE id = ?)",
	    "ii", id / ALERTS_PER_BATCH, id);
	size_t jws_len = 0;
	bool ok = false;

	if (f && st && db_step(st) == DB_ROW) {
		f->sensor = db_i64(st, 0);
		f->epoch = db_i64(st, 1);
		f->number = db_i64(st, 2);
		f->first = db_i64(st, 3);
		f->n = db_i64(st, 4);
		f->len = (size_t)db_i64(st, 5);
		snprintf(f->name, sizeof(f->name), "%s", db_text(st, 6));
		jws_len = db_bytes(st, 7);
		f->jws = strndup(db_blob(st, 7), jws_len);
		f->text = ingest_unpack(db_blob(st, 8), db_bytes(st, 8), f->len);
		f->index = id % ALERTS_PER_BATCH;
		ok = f->jws && f->text && f->index < f->n && cut_lines(f) &&
		     enrol_keys(c, f->sensor, true, &f->keys) == 0;
	}
	db_finalize(st);
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
related(struct jw *w, struct db *db, int64_t id)
{
	char sql[2048];
	struct db_stmt *st;

	snprintf(sql, sizeof(sql),
	    "SELECT %s FROM alert a INDEXED BY alert_incident WHERE a.incident ="
	    " (SELECT incident FROM alert WHERE id = ?1) AND a.id <> ?1 ORDER BY a.time DESC, a.id "
	    "DESC LIMIT "
	    "20",
	    query_alert_columns);
	st = db_query(db, sql, "i", id);
	jw_arr(w, "related");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(w, NULL);
		query_alert_members(w, st);
		jw_close(w, '}');
	}
	db_finalize(st);
	jw_close(w, ']');
}

void
query_alert(struct call *c)
{
	struct db *db = call_db(c);
	int64_t id = id_of(c);
	struct found *f;
	struct db_stmt *st;
	char sql[2048];
	const char *line;
	size_t n;

	if (!db || !(f = find_alert(c, db, id)))
		return;
	line = f->line[f->index];
	n = (size_t)(f->line[f->index + 1] - line) - 1;
	snprintf(sql, sizeof(sql), "SELECT %s FROM alert a WHERE a.id = ?", query_alert_columns);
	st = db_query(db, sql, "i", id);
	if (st && db_step(st) == DB_ROW && call_begin(c, 200)) {
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
		guide_members(c, db, db_i64(st, C_INCIDENT), NULL, line, n);
		jw_close(&c->w, '}');
	}
	db_finalize(st);
	found_free(f);
}

void
query_proof(struct call *c)
{
	struct db *db = call_db(c);
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
	struct db *db = call_db(c);
	int64_t id = id_of(c);
	struct db_stmt *st;
	size_t n;

	if (!db)
		return;
	st = db_query(db,
	    "SELECT e.data FROM alert a JOIN batch b ON b.id = a.id / 65536 JOIN evidence e ON "
	    "e.sensor = b.sensor"
	    " AND e.epoch = b.epoch AND e.seq = b.first + a.id % 65536 WHERE a.id = ?",
	    "i", id);
	if (st && db_step(st) == DB_ROW && call_begin(c, 200)) {
		n = db_bytes(st, 0);
		jw_raw(&c->w, db_blob(st, 0), n);
		c->type = "application/x-pcapng";
		snprintf(c->download, sizeof(c->download),
		    "attachment; filename=\"alert-%lld.pcapng\"", (long long)id);
	} else {
		call_error(c, 404, "not_found", "there is no evidence");
	}
	db_finalize(st);
}
