/* SPDX-License-Identifier: Apache-2.0 */
/* db_pg.h - what db_pg.c is made of. */
#ifndef COLLECTOR_DB_PG_H
#define COLLECTOR_DB_PG_H

#include "collector/db.h"

/*
 * ?, ?N are $N; LIKE of SQLite is blind to case; INDEXED BY does not exist; user has to be quoted ([PG] appendix C).
 * values: the highest N; used: bit N - 1 for each that occurs.  To be freed; NULL: no memory, or one above `most` (at most 64).
 */
char *db_pg_sql(const char *sql, unsigned most, unsigned *values, uint64_t *used);

/* db_room(), db_drop(). */
int db_pg_room(struct db *db, int64_t now_ms, int64_t span_ms);
int db_pg_drop(struct db *db, int64_t before_ms, const char *unless);

#endif /* COLLECTOR_DB_PG_H */
