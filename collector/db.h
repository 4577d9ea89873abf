/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db.h - the one door to the data base: connections, statements, rows.
 *
 * A data base is a file (SQLite, db_sqlite.c), or `postgresql://...` (db_pg.c).  SQL is written so that both take
 * it; what is left between them is in those files and in their schemas.
 *
 * A connection belongs to one thread at a time.  A statement is made from SQL with `?` or `?N` for values,
 * bound, stepped until it has no more rows, and finalised (or reset and bound anew).  What a column gives
 * is the statement's and lives until it is stepped, reset or finalised.  Values are whole numbers of 64 bits,
 * text in UTF-8, bytes, or NULL, which reads as 0 and as nothing.
 */
#ifndef COLLECTOR_DB_H
#define COLLECTOR_DB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What db_step() says, or ERR_*: ERR_AGAIN took too long or found it locked, ERR_EXISTS breaks a constraint. */
enum { DB_DONE = 0, DB_ROW = 1 };

enum db_use { DB_READER = 0, DB_WRITER }; /* a writer makes what is not there */

struct db;
struct db_stmt;

/* 0, or ERR_* said in err (at least 1 byte).  db_close() refuses while a statement is left: ERR_*, said in the log. */
int db_open(struct db **out, const char *where, enum db_use use, char *err, size_t err_size);
int db_close(struct db *db); /* NULL is closed */
/* What runs may take until then, clock_mono_ns(); 0: as long as it likes. */
void db_until(struct db *db, uint64_t mono_ns);

/* Statements without values, `;` between; rows are dropped.  0 or ERR_*. */
int db_exec(struct db *db, const char *sql);
/* Take the right to write for a transaction; db_exec() ends it.  Is there one?  A full disk ends it by itself. */
int db_begin(struct db *db);
bool db_in_tx(struct db *db);
/* The connection is there, or is made again when it is time to try: 0 or ERR_AGAIN.  Not within a transaction. */
int db_ready(struct db *db);
/* Was the server away when something was last asked of it?  How often the connection was made anew. */
bool db_lost(struct db *db);
unsigned db_renewed(struct db *db);
/* Is this connection the one of all collectors that does what one of them has to (housekeeping)?  Of a writer. */
bool db_leads(struct db *db);
/* Make room for what comes now where rows are kept by stretches of time, span_ms each.  Within a transaction. */
int db_room(struct db *db, int64_t now_ms, int64_t span_ms);
/* Remove alerts and batches that came before that, except batches of which the condition `unless` (SQL) is true: 1,
 * 0 when rows have to be deleted one by one, or ERR_*.  Within a transaction. */
int db_drop(struct db *db, int64_t before_ms, const char *unless);
/* Is `LIKE '%...%'` of names helped by an index? */
bool db_finds_like(struct db *db);
/* Of what failed last: ERR_*, and its words (until the next call). */
int db_failed(struct db *db);
const char *db_error(struct db *db);
/* Rows that the last statement changed. */
int64_t db_changes(struct db *db);
/* Bring the schema to what this program knows.  0, or ERR_* said in err: ERR_UNSUPPORTED, it is newer. */
int db_migrate(struct db *db, char *err, size_t err_size);

/* NULL: db_error().  kept: it will run often. */
struct db_stmt *db_prepare(struct db *db, const char *sql, bool kept);
/* Prepare and bind; fmt as db_bind()'s.  NULL: said in the log. */
struct db_stmt *db_query(struct db *db, const char *sql, const char *fmt, ...);
/* Bind behind the first `at` values, copied.  fmt has a letter per value: i int64_t, t text or NULL, b blob (pointer,
 * size_t), n NULL, s text and its length (pointer, size_t).  0 or ERR_*. */
int db_bind(struct db_stmt *st, int at, const char *fmt, ...);
struct db_stmt *db_query_v(struct db *db, const char *sql, const char *fmt, va_list ap);
int db_bind_v(struct db_stmt *st, int at, const char *fmt, va_list ap);
int db_step(struct db_stmt *st);
/* Run to the end, for what gives no rows.  Within a transaction an error may be said by a later call instead. */
int db_run(struct db_stmt *st);
void db_reset(struct db_stmt *st);    /* what was bound stays */
void db_finalize(struct db_stmt *st); /* NULL is none */
/* Columns are counted from 0. */
int64_t db_i64(struct db_stmt *st, int col);
int db_int(struct db_stmt *st, int col);
const void *db_blob(struct db_stmt *st, int col); /* or text */
size_t db_bytes(struct db_stmt *st, int col);	  /* of db_blob() */
const char *db_text(struct db_stmt *st, int col); /* "" for NULL */
bool db_null(struct db_stmt *st, int col);
/* A number that one row has, or otherwise. */
int64_t db_number(struct db *db, int64_t otherwise, const char *sql, const char *fmt, ...);

/* Log why the last call failed, with what it was for; ERR_*, never 0. */
int db_complain(struct db *db, const char *what);

/* Is that one of a server? */
bool db_is_url(const char *where);
/* A consistent copy of the file while others write.  0 or ERR_* said in err. */
int db_backup(const char *from, const char *to, char *err, size_t err_size);

#endif /* COLLECTOR_DB_H */
