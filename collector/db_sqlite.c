/* SPDX-License-Identifier: Apache-2.0 */
/* db_sqlite.c - a file, SQLite in WAL mode.  [SQL] www.sqlite.org, 3.40. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/db_int.h"

#define WRITER_CACHE "-131072" /* KiB */
#define READER_CACHE "-16384"
#define BUSY_MS	     5000
#define LOOK_OPS     10000 /* of its machine, between two looks at the clock */

struct lite {
	struct db db;
	sqlite3 *h;
};

struct lite_stmt {
	struct db_stmt st;
	sqlite3_stmt *h;
};

static sqlite3 *
handle(struct db *db)
{
	return ((struct lite *)db)->h;
}

static sqlite3_stmt *
stmt(struct db_stmt *st)
{
	return ((struct lite_stmt *)st)->h;
}

/* ERR_* of a result of SQLite's, [SQL] rescode.html. */
static int
err_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_FULL:
		return ERR_NOSPC;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CONSTRAINT:
		return ERR_EXISTS;
	case SQLITE_INTERRUPT:
	case SQLITE_BUSY:
		return ERR_AGAIN;
	default:
		return ERR_IO;
	}
}

/* --- connections ------------------------------------------------------------------------- */

/* hit(bits, name...): is one of the names among those? */
static void
hit(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	const uint8_t *bits = sqlite3_value_blob(v[0]);
	int64_t most = (int64_t)sqlite3_value_bytes(v[0]) * 8;
	int found = 0;

	for (int i = 1; i < n && !found; i++) {
		int64_t id = sqlite3_value_int64(v[i]);

		found = id > 0 && id < most && (bits[id / 8] >> id % 8 & 1);
	}
	sqlite3_result_int(ctx, found);
}

static int
too_long(void *arg)
{
	const struct db *db = arg;

	return db->until_ns && clock_mono_ns() > db->until_ns;
}

static int
lite_close(struct db *db)
{
	if (sqlite3_close(handle(db)) != SQLITE_OK) {
		log_error("data base: not closed: %s", sqlite3_errmsg(handle(db)));
		return ERR_IO;
	}
	free(db);
	return 0;
}

/* Before the first connection.  Without statistics nobody reads, memory has no lock that all threads share. */
static void
configure(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int
lite_open(struct db **out, const char *path, enum db_use use, char *err, size_t err_size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct lite *l = calloc(1, sizeof(*l));
	bool writer = use == DB_WRITER;
	int rc, r;

	if (!l)
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	(void)pthread_once(&once, configure);
	l->db.be = &db_sqlite;
	rc = sqlite3_open_v2(path, &l->h,
	    writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
		   : SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
	    NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_busy_timeout(l->h, BUSY_MS);
		(void)sqlite3_db_config(l->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		(void)sqlite3_db_config(l->h, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		(void)sqlite3_db_config(l->h, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
		rc = sqlite3_exec(l->h,
		    writer
			? "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
			  "PRAGMA synchronous = FULL; PRAGMA cache_size = " WRITER_CACHE ";"
			  "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000;"
			  "PRAGMA temp_store = MEMORY"
			: "PRAGMA query_only = 1; PRAGMA cache_size = " READER_CACHE ";"
			  "PRAGMA temp_store = MEMORY",
		    NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_create_function(l->h, "hit", -1,
		    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, hit, NULL, NULL);
	if (rc != SQLITE_OK) {
		r = err_say(err, err_size, err_of(rc), "%s: %s", path,
		    l->h ? sqlite3_errmsg(l->h) : "out of memory");
		(void)lite_close(&l->db);
		return r;
	}
	if (!writer)
		sqlite3_progress_handler(l->h, LOOK_OPS, too_long, &l->db);
	*out = &l->db;
	return 0;
}

static int
lite_exec(struct db *db, const char *sql)
{
	return err_of(sqlite3_exec(handle(db), sql, NULL, NULL, NULL));
}

/* At once: a reader that would write later may find that another one has written, [SQL] lang_transaction.html 2.2. */
static int
lite_begin(struct db *db)
{
	return lite_exec(db, "BEGIN IMMEDIATE");
}

static bool
lite_in_tx(struct db *db)
{
	return !sqlite3_get_autocommit(handle(db));
}

static int
lite_failed(struct db *db)
{
	return err_of(sqlite3_extended_errcode(handle(db)));
}

static const char *
lite_error(struct db *db)
{
	return sqlite3_errmsg(handle(db));
}

static int64_t
lite_changes(struct db *db)
{
	return sqlite3_changes64(handle(db));
}

static int
lite_ready(struct db *db)
{
	(void)db;
	return 0;
}

/* A file has one collector. */
static bool
lite_leads(struct db *db)
{
	(void)db;
	return true;
}

static int
lite_room(struct db *db, int64_t now_ms, int64_t span_ms)
{
	(void)db;
	(void)now_ms;
	(void)span_ms;
	return 0;
}

static int
lite_drop(struct db *db, int64_t before_ms, const char *unless)
{
	(void)db;
	(void)before_ms;
	(void)unless;
	return 0;
}

static int
lite_schema(struct db *db)
{
	return (int)db_number(db, -1, "PRAGMA user_version", "");
}

static int
lite_set_schema(struct db *db, int version)
{
	char sql[48];

	(void)sqlite3_snprintf(sizeof(sql), sql, "PRAGMA user_version = %d", version);
	return lite_exec(db, sql);
}

/* --- statements ----------------------------------------------------------------------------- */

static struct db_stmt *
lite_prepare(struct db *db, const char *sql, bool kept)
{
	struct lite_stmt *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->st.db = db;
	if (sqlite3_prepare_v3(handle(db), sql, -1, kept ? SQLITE_PREPARE_PERSISTENT : 0, &s->h,
		NULL) != SQLITE_OK) {
		free(s);
		return NULL;
	}
	return &s->st;
}

static int
lite_bind(struct db_stmt *st, int at, const char *fmt, va_list ap)
{
	sqlite3_stmt *h = stmt(st);
	int rc = SQLITE_OK;

	for (; *fmt && rc == SQLITE_OK; fmt++) {
		const void *p;

		at++;
		switch (*fmt) {
		case 'i':
			rc = sqlite3_bind_int64(h, at, va_arg(ap, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_text(
			    h, at, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
			break;
		case 's':
			p = va_arg(ap, const void *);
			rc = sqlite3_bind_text64(
			    h, at, p, va_arg(ap, size_t), SQLITE_TRANSIENT, SQLITE_UTF8);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			rc = sqlite3_bind_blob64(h, at, p, va_arg(ap, size_t), SQLITE_TRANSIENT);
			break;
		default:
			rc = sqlite3_bind_null(h, at);
			break;
		}
	}
	return err_of(rc);
}

static int
lite_step(struct db_stmt *st)
{
	int rc = sqlite3_step(stmt(st));

	return rc == SQLITE_ROW ? DB_ROW : err_of(rc);
}

static int
lite_run(struct db_stmt *st)
{
	int rc = sqlite3_step(stmt(st));

	(void)sqlite3_reset(stmt(st));
	return err_of(rc);
}

static void
lite_reset(struct db_stmt *st)
{
	(void)sqlite3_reset(stmt(st));
}

static void
lite_finalize(struct db_stmt *st)
{
	(void)sqlite3_finalize(stmt(st));
	free(st);
}

static int64_t
lite_i64(struct db_stmt *st, int col)
{
	return sqlite3_column_int64(stmt(st), col);
}

static const void *
lite_blob(struct db_stmt *st, int col)
{
	return sqlite3_column_blob(stmt(st), col);
}

static size_t
lite_bytes(struct db_stmt *st, int col)
{
	return (size_t)sqlite3_column_bytes(stmt(st), col);
}

static const char *
lite_text(struct db_stmt *st, int col)
{
	return (const char *)sqlite3_column_text(stmt(st), col);
}

static bool
lite_null(struct db_stmt *st, int col)
{
	return sqlite3_column_type(stmt(st), col) == SQLITE_NULL;
}

static const struct db_migration migrations[] = {
#define MIGRATION(version, sql) {version, sql},
#include "collector/schema.def"
#undef MIGRATION
    {0, NULL}};

const struct db_backend db_sqlite = {
    .open = lite_open,
    .close = lite_close,
    .exec = lite_exec,
    .begin = lite_begin,
    .in_tx = lite_in_tx,
    .failed = lite_failed,
    .error = lite_error,
    .changes = lite_changes,
    .ready = lite_ready,
    .leads = lite_leads,
    .room = lite_room,
    .drop = lite_drop,
    .migrations = migrations,
    .schema = lite_schema,
    .set_schema = lite_set_schema,
    .prepare = lite_prepare,
    .bind = lite_bind,
    .step = lite_step,
    .run = lite_run,
    .reset = lite_reset,
    .finalize = lite_finalize,
    .i64 = lite_i64,
    .blob = lite_blob,
    .bytes = lite_bytes,
    .text = lite_text,
    .null = lite_null,
};

/* --- backup ----------------------------------------------------------------------------------- */

int
db_backup(const char *from, const char *to, char *err, size_t err_size)
{
	sqlite3 *a = NULL, *b = NULL;
	sqlite3_backup *bk;
	int rc, r;

	if (access(to, F_OK) == 0)
		return err_say(err, err_size, ERR_EXISTS, "%s: exists; it is not overwritten", to);
	if ((rc = sqlite3_open_v2(from, &a, SQLITE_OPEN_READONLY, NULL)) != SQLITE_OK ||
	    (rc = sqlite3_open_v2(to, &b, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)) !=
		SQLITE_OK) {
		r = err_say(
		    err, err_size, err_of(rc), "%s: %s", b ? to : from, sqlite3_errmsg(b ? b : a));
		goto out;
	}
	(void)sqlite3_busy_timeout(a, 5000);
	/* In one step: a read transaction in WAL mode holds nobody up, and nothing begins anew. */
	if (!(bk = sqlite3_backup_init(b, "main", a, "main"))) {
		r = err_say(err, err_size, ERR_IO, "%s: %s", to, sqlite3_errmsg(b));
		goto out;
	}
	rc = sqlite3_backup_step(bk, -1);
	(void)sqlite3_backup_finish(bk);
	r = rc == SQLITE_DONE
		? 0
		: err_say(err, err_size, err_of(rc), "%s: %s", to, sqlite3_errstr(rc));
out:
	(void)sqlite3_close(a);
	if (sqlite3_close(b) != SQLITE_OK && r == 0)
		r = err_say(err, err_size, ERR_IO, "%s: not closed", to);
	if (r < 0 && r != ERR_EXISTS)
		(void)unlink(to);
	return r;
}
