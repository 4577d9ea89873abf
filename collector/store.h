/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the data base: one writer, many readers, SQLite in WAL mode.
 *
 * All that writes is a job: a function that one thread runs inside a transaction.  Jobs that wait
 * at the same time share one transaction, so one fsync serves many sensors; each has a savepoint
 * of its own (or all are run again with one, where they allow it), and one that fails leaves nothing.  store_write() returns when the job is on disk
 * (synchronous = FULL): what is acknowledged after it is kept, whatever happens.
 * Readers see what is committed; a query that takes longer than STORE_QUERY_MS is interrupted.
 */
#ifndef COLLECTOR_STORE_H
#define COLLECTOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "collector/db.h"

#define STORE_READERS  6u
#define STORE_QUERY_MS 5000u
#define STORE_NAME_MAX 512u /* bytes of a text that is kept as a name; more is cut */
#define STORE_JOBS_MAX 64u  /* in one transaction */

enum stmt {
#define STMT(name, sql) ST_##name,
#include "collector/stmt.def"
#undef STMT
	ST_N
};

struct store;
struct store_tx; /* what a job writes with */

/* Makes or upgrades the file.  0, or ERR_* said in err. */
int store_open(struct store **out, const char *path, char *err, size_t err_size);
void store_close(struct store *s);

/* Run fn in the writer and wait.  What it returned; or ERR_NOSPC, ERR_IO: nothing was kept. */
typedef int (*store_job)(struct store_tx *tx, void *ctx);
int store_write(struct store *s, store_job fn, void *ctx) __attribute__((warn_unused_result));
/* The same, for a job that may be run once more from its beginning when something failed, and gives the same then: many of
 * these together cost less. */
int store_write_again(struct store *s, store_job fn, void *ctx) __attribute__((warn_unused_result));

/* Inside a job.  fmt as db_bind()'s.  tx_run() runs to the end: 0 or ERR_*.  tx_query() gives a bound statement to step, which
 * tx_done() gives back.  tx_exec() is for what is run seldom. */
int tx_run(struct store_tx *tx, enum stmt id, const char *fmt, ...);
struct db_stmt *tx_query(struct store_tx *tx, enum stmt id, const char *fmt, ...);
void tx_done(struct db_stmt *st);
int tx_exec(struct store_tx *tx, const char *sql, const char *fmt, ...);
/* INSERT ... RETURNING id: the number of the new row, or ERR_*. */
int64_t tx_insert(struct store_tx *tx, enum stmt id, const char *fmt, ...);
int64_t tx_new(struct store_tx *tx, const char *sql, const char *fmt, ...);
struct db *tx_db(struct store_tx *tx);
/* The number of a text, made when it is new; 0 for none. */
int64_t tx_name(struct store_tx *tx, const char *text, size_t n);
/* The same, and an alert of that stretch of time has it (SEEN_MS). */
int64_t tx_name_seen(struct store_tx *tx, const char *text, size_t n, int64_t t);

/* Is this collector the one of those at the same data base that does what one of them has to: sweep, tell people? */
bool store_leads(struct store *s);

/* Readers.  NULL: none is free within a second, or the data base is away. */
struct db *store_get(struct store *s);
void store_put(struct store *s, struct db *db);
/* What this reader runs may take that long instead: exports. */
void store_longer(struct store *s, struct db *db, unsigned seconds);

struct store_stats {
	uint64_t jobs, commits, failed, names;
};
void store_stats(struct store *s, struct store_stats *out); /* since it was opened */

#endif /* COLLECTOR_STORE_H */
