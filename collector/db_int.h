/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_int.h - what a data base has to be able to, for db.c alone.
 *
 * A backend's connection and statement begin with struct db and struct db_stmt.
 */
#ifndef COLLECTOR_DB_INT_H
#define COLLECTOR_DB_INT_H

#include <stdarg.h>

#include "collector/db.h"

struct db_migration {
	int version;
	const char *sql;
};

struct db_backend {
	int (*open)(
	    struct db **out, const char *where, enum db_use use, char *err, size_t err_size);
	int (*close)(struct db *db);
	int (*exec)(struct db *db, const char *sql);
	int (*begin)(struct db *db);
	bool (*in_tx)(struct db *db);
	int (*failed)(struct db *db);
	const char *(*error)(struct db *db);
	int64_t (*changes)(struct db *db);
	int (*ready)(struct db *db);
	bool (*leads)(struct db *db);
	int (*room)(struct db *db, int64_t now_ms, int64_t span_ms);
	int (*drop)(struct db *db, int64_t before_ms, const char *unless);
	bool finds_like;
	const struct db_migration *migrations; /* ended by one without SQL */
	int (*schema)(struct db *db);
	int (*set_schema)(struct db *db, int version);

	struct db_stmt *(*prepare)(struct db *db, const char *sql, bool kept);
	int (*bind)(struct db_stmt *st, int at, const char *fmt, va_list ap);
	int (*step)(struct db_stmt *st);
	int (*run)(struct db_stmt *st);
	void (*reset)(struct db_stmt *st);
	void (*finalize)(struct db_stmt *st);
	int64_t (*i64)(struct db_stmt *st, int col);
	const void *(*blob)(struct db_stmt *st, int col);
	size_t (*bytes)(struct db_stmt *st, int col);
	const char *(*text)(struct db_stmt *st, int col);
	bool (*null)(struct db_stmt *st, int col);
};

struct db {
	const struct db_backend *be;
	uint64_t until_ns; /* db_until() */
	bool lost;
	unsigned renewed;
};

struct db_stmt {
	struct db *db;
};

extern const struct db_backend db_sqlite, db_pg;

#endif /* COLLECTOR_DB_INT_H */
