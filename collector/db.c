/* SPDX-License-Identifier: Apache-2.0 */
/* db.c - see db.h. */
#include "collector/db.h"

#include "base/err.h"
#include "base/log.h"
#include "collector/db_int.h"

/* --- connections ------------------------------------------------------------------------- */

int
db_open(struct db **out, const char *where, enum db_use use, char *err, size_t err_size)
{
	return db_sqlite.open(out, where, use, err, err_size);
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

int64_t
db_last_id(struct db *db)
{
	return db->be->last_id(db);
}

int
db_schema(struct db *db)
{
	return db->be->schema(db);
}

int
db_set_schema(struct db *db, int version)
{
	return db->be->set_schema(db, version);
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
