/* SPDX-License-Identifier: Apache-2.0 */
/* db_pg_part.c - alerts and batches in partitions: made when it is time, dropped as a whole.  [PG] 5.11. */
#include <stdio.h>

#include "base/err.h"
#include "collector/db_pg.h"

#define CHUNK_BITS 26 /* numbers of batches in one partition */
#define CHUNK	   (INT64_C(1) << CHUNK_BITS)

/* Numbers of batches are given in the order in which they come, so a stretch of time is a stretch of numbers. */
int
db_pg_room(struct db *db, int64_t now_ms, int64_t span_ms)
{
	struct db_stmt *st = db_query(db,
	    "SELECT k, made, (SELECT last_value FROM batch_id) FROM part ORDER BY k DESC LIMIT 1",
	    "");
	int64_t k = -1, made = 0, last = 0;
	char sql[1024];

	if (st && db_step(st) == DB_ROW) {
		k = db_i64(st, 0);
		made = db_i64(st, 1);
		last = db_i64(st, 2);
	}
	db_finalize(st);
	if (k < 0)
		return db_failed(db) ? db_failed(db) : ERR_IO;
	if (made == 0) {
		snprintf(sql, sizeof(sql), "UPDATE part SET made = %lld WHERE k = %lld",
		    (long long)now_ms, (long long)k);
		return db_exec(db, sql);
	}
	if (now_ms - made < span_ms && last < (k + 1) * CHUNK - CHUNK / 16)
		return 0;
	k++;
	snprintf(sql, sizeof(sql),
	    "CREATE TABLE batch_%lld PARTITION OF batch FOR VALUES FROM (%lld) TO (%lld);"
	    "CREATE UNIQUE INDEX ON batch_%lld(sensor, epoch, number);"
	    "CREATE TABLE alert_%lld PARTITION OF alert FOR VALUES FROM (%lld) TO (%lld);"
	    "SELECT setval('batch_id', %lld, false);"
	    "INSERT INTO part(k, made) VALUES(%lld, %lld)",
	    (long long)k, (long long)(k * CHUNK), (long long)((k + 1) * CHUNK), (long long)k,
	    (long long)k, (long long)(k * CHUNK * 65536), (long long)((k + 1) * CHUNK * 65536),
	    (long long)(k * CHUNK), (long long)k, (long long)now_ms);
	return db_exec(db, sql);
}

int
db_pg_drop(struct db *db, int64_t before_ms, const char *unless)
{
	for (;;) {
		int64_t k = db_number(db, -1,
		    "SELECT min(k) FROM part WHERE k < (SELECT max(k) FROM part WHERE made <= ?)",
		    "i", before_ms);
		char sql[1024];
		int r;

		if (k < 0)
			return db_failed(db) ? db_failed(db) : 1;
		snprintf(sql, sizeof(sql),
		    "SELECT count(*) FROM (SELECT 1 FROM batch_%lld AS batch WHERE %s LIMIT 1) x",
		    (long long)k, unless);
		if (db_number(db, 1, sql, "") > 0)
			return db_failed(db) ? db_failed(db) : 1;
		/* Those who read now hold them: not for long, and nobody is to wait behind this. */
		snprintf(sql, sizeof(sql),
		    "SET LOCAL lock_timeout = 500; DROP TABLE alert_%lld, batch_%lld;"
		    "SET LOCAL lock_timeout = 5000; DELETE FROM part WHERE k = %lld",
		    (long long)k, (long long)k, (long long)k);
		if ((r = db_exec(db, sql)) < 0)
			return r;
	}
}
