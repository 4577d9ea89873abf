/* SPDX-License-Identifier: Apache-2.0 */
/* export.c - alerts as a stream: NDJSON, CSV, or the lines as they were signed.  See query.h. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/http.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/query.h"
#include "collector/store.h"

#define EXPORTS_MAX 2u
#define EXPORT_S    600u

enum format { FORMAT_NDJSON = 0, FORMAT_CSV, FORMAT_EVE };

struct export
{
	struct collector *co;
	struct db *db;
	struct db_stmt *st;
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
	enum alert_col col;
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
	int64_t id = db_i64(x->st, C_ID), batch = id / ALERTS_PER_BATCH;
	const char *p;
	size_t n;

	if (x->batch != batch) {
		struct db_stmt *st =
		    db_query(x->db, "SELECT size, lines FROM batch WHERE id = ?", "i", batch);

		free(x->text);
		x->text = NULL;
		if (st && db_step(st) == DB_ROW)
			x->text =
			    ingest_unpack(db_blob(st, 1), db_bytes(st, 1), (size_t)db_i64(st, 0));
		db_finalize(st);
		x->batch = batch;
	}
	if ((p = ingest_line(x->text, id % ALERTS_PER_BATCH, &n)))
		jw_raw(w, p, n + 1);
}

static ssize_t
on_export(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct export *x = arg;
	int rc = ERR_FULL;
	size_t n;

	(void)pos;
	if (x->off == x->n) {
		struct jw w = jw_make(x->buf, x->size);

		x->off = 0;
		if (x->format == FORMAT_CSV && !x->head)
			for (size_t i = 0; i < CELLS; i++)
				cell(&w, cells[i].name, i + 1 == CELLS);
		x->head = true;
		if (jw_len(&w) == 0 && (rc = db_step(x->st)) == DB_ROW) {
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
			return rc == DB_DONE ? MHD_CONTENT_READER_END_OF_STREAM
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

	db_finalize(x->st);
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
	struct db *db = call_db(c);
	struct list_page p = {INT64_MAX, INT64_MAX, call_number(c, "limit", 100000, 1000000)};
	struct export *x;
	struct filter f;
	bool csv = format && strcmp(format, "csv") == 0, eve = format && strcmp(format, "eve") == 0;

	if (!db)
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
	query_filter(c, db, &f);
	if (f.nothing) {
		snprintf(f.where, sizeof(f.where), "a.id < 0");
		f.device = 0;
		f.index = "alert_time";
	}
	x->db = db;
	c->db = NULL; /* it goes with the stream */
	store_longer(c->co->store, db, EXPORT_S);
	http_unlimited(c->co->http, c->conn_id);
	if ((x->st = query_list_statement(db, &f)))
		query_list_bind(x->st, &p, INT64_MIN);
	query_filter_free(&f);
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
