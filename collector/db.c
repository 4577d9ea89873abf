/* SPDX-License-Identifier: Apache-2.0 */
/* db.c - see db.h. */
#include "collector/db.h"

#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "collector/db_int.h"

/* --- connections ------------------------------------------------------------------------- */

/* [URI] PostgreSQL 15, 34.1.1.2. */
bool
db_is_url(const char *where)
{
	return strncmp(where, "postgresql://", 13) == 0 || strncmp(where, "postgres://", 11) == 0;
}

int
db_open(struct db **out, const char *where, enum db_use use, char *err, size_t err_size)
{
	if (!db_is_url(where))
		return db_sqlite.open(out, where, use, err, err_size);
#ifdef HAVE_PG
	return db_pg.open(out, where, use, err, err_size);
#else
	return err_say(err, err_size, ERR_UNSUPPORTED, "this program was built without PostgreSQL");
#endif
}

int
db_close(struct db *db)
{
	return db ? db->be->close(db) : 0;
}

void
db_until(struct db *db, uint64_t mono_ns)
{
	db->until_ns = mono_ns;
}

int
db_exec(struct db *db, const char *sql)
{
	return db->be->exec(db, sql);
}

int
db_begin(struct db *db)
{
	return db->be->begin(db);
}

bool
db_in_tx(struct db *db)
{
	return db->be->in_tx(db);
}

int
db_failed(struct db *db)
{
	return db->be->failed(db);
}

const char *
db_error(struct db *db)
{
	return db->be->error(db);
}

int64_t
db_changes(struct db *db)
{
	return db->be->changes(db);
}

int
db_ready(struct db *db)
{
	return db->be->ready(db);
}

bool
db_lost(struct db *db)
{
	return db->lost;
}

unsigned
db_renewed(struct db *db)
{
	return db->renewed;
}

bool
db_leads(struct db *db)
{
	return db->be->leads(db);
}

int
db_room(struct db *db, int64_t now_ms, int64_t span_ms)
{
	return db->be->room(db, now_ms, span_ms);
}

int
db_drop(struct db *db, int64_t before_ms, const char *unless)
{
	return db->be->drop(db, before_ms, unless);
}

bool
db_finds_like(struct db *db)
{
	return db->be->finds_like;
}

int
db_migrate(struct db *db, char *err, size_t err_size)
{
	const struct db_migration *m = db->be->migrations;
	int have = db->be->schema(db), newest = 0;

	for (size_t i = 0; m[i].sql; i++)
		newest = m[i].version;
	if (have > newest)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "made by a newer version (schema %d, this program knows %d)", have, newest);
	for (; m->sql; m++) {
		if (m->version <= have)
			continue;
		if (db_begin(db) < 0)
			goto failed;
		if (db->be->schema(db) >= m->version) { /* another one was faster */
			(void)db_exec(db, "ROLLBACK");
			continue;
		}
		if (db_exec(db, m->sql) < 0 || db->be->set_schema(db, m->version) < 0 ||
		    db_exec(db, "COMMIT") < 0)
			goto failed;
	}
	return 0;
failed:
	return err_say(err, err_size, db_failed(db), "schema %d: %s", m->version, db_error(db));
}

int
db_complain(struct db *db, const char *what)
{
	int r = db_failed(db);

	if (r != ERR_AGAIN && r != ERR_EXISTS)
		log_error("data base: %s: %s", what, db_error(db));
	return r ? r : ERR_IO;
}

/* --- statements ----------------------------------------------------------------------------- */

struct db_stmt *
db_prepare(struct db *db, const char *sql, bool kept)
{
	return db->be->prepare(db, sql, kept);
}

struct db_stmt *
db_query_v(struct db *db, const char *sql, const char *fmt, va_list ap)
{
	struct db_stmt *st = db->be->prepare(db, sql, false);

	if (!st || db->be->bind(st, 0, fmt, ap) < 0) {
		(void)db_complain(db, "query");
		db_finalize(st);
		return NULL;
	}
	return st;
}

struct db_stmt *
db_query(struct db *db, const char *sql, const char *fmt, ...)
{
	struct db_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = db_query_v(db, sql, fmt, ap);
	va_end(ap);
	return st;
}

int
db_bind(struct db_stmt *st, int at, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = db_bind_v(st, at, fmt, ap);
	va_end(ap);
	return r;
}

int
db_bind_v(struct db_stmt *st, int at, const char *fmt, va_list ap)
{
	return st->db->be->bind(st, at, fmt, ap);
}

int
db_step(struct db_stmt *st)
{
	return st->db->be->step(st);
}

int
db_run(struct db_stmt *st)
{
	return st->db->be->run(st);
}

void
db_reset(struct db_stmt *st)
{
	st->db->be->reset(st);
}

void
db_finalize(struct db_stmt *st)
{
	if (st)
		st->db->be->finalize(st);
}

int64_t
db_i64(struct db_stmt *st, int col)
{
	return st->db->be->i64(st, col);
}

int
db_int(struct db_stmt *st, int col)
{
	return (int)st->db->be->i64(st, col);
}

const void *
db_blob(struct db_stmt *st, int col)
{
	return st->db->be->blob(st, col);
}

size_t
db_bytes(struct db_stmt *st, int col)
{
	return st->db->be->bytes(st, col);
}

const char *
db_text(struct db_stmt *st, int col)
{
	const char *s = st->db->be->text(st, col);

	return s ? s : "";
}

bool
db_null(struct db_stmt *st, int col)
{
	return st->db->be->null(st, col);
}

int64_t
db_number(struct db *db, int64_t otherwise, const char *sql, const char *fmt, ...)
{
	struct db_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = db_query_v(db, sql, fmt, ap);
	va_end(ap);
	if (st && db_step(st) == DB_ROW && !db_null(st, 0))
		otherwise = db_i64(st, 0);
	db_finalize(st);
	return otherwise;
}
