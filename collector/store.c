/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - see store.h.  [SQL] www.sqlite.org, 3.40. */
#include "collector/store.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/log.h"

#define NAMES	     65536u /* of the writer's cache */
#define NAME_HASH    16u
#define WRITER_CACHE "-131072" /* KiB */
#define READER_CACHE "-16384"

struct job {
	store_job fn;
	void *ctx;
	int r;
	bool done;
	struct job *next;
};

struct name {
	uint8_t hash[NAME_HASH];
	int64_t id;
	int64_t seen; /* the stretch of time that was put last; -1 = none */
};

struct store_tx {
	sqlite3 *db;
	sqlite3_stmt *st[ST_N];
	struct name *names;
	bool names_new; /* since the last commit, some may have been made or seen */
	uint64_t names_made;
};

struct store {
	struct store_tx tx;
	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct job *first, **last;
	bool stop;
	struct store_stats st;

	pthread_mutex_t read_lock;
	pthread_cond_t read_free;
	struct reader {
		sqlite3 *db;
		uint64_t until_ns;
		bool busy;
	} reader[STORE_READERS];
};

static const char *const stmt_sql[] = {
#define STMT(name, sql) sql,
#include "collector/stmt.def"
#undef STMT
};

static const struct {
	int version;
	const char *sql;
} migrations[] = {
#define MIGRATION(version, sql) {version, sql},
#include "collector/schema.def"
#undef MIGRATION
};

int
store_err(int rc)
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

static int
complain(sqlite3 *db, const char *what)
{
	int r = store_err(sqlite3_extended_errcode(db));

	if (r != ERR_AGAIN && r != ERR_EXISTS)
		log_error("data base: %s: %s", what, sqlite3_errmsg(db));
	return r ? r : ERR_IO;
}

/* --- values ----------------------------------------------------------------------- */

static int
bind_v(sqlite3_stmt *st, int at, const char *fmt, va_list ap)
{
	int rc = SQLITE_OK;

	for (; *fmt && rc == SQLITE_OK; fmt++) {
		const void *p;

		at++;
		switch (*fmt) {
		case 'i':
			rc = sqlite3_bind_int64(st, at, va_arg(ap, int64_t));
			break;
		case 't':
			rc = sqlite3_bind_text(
			    st, at, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
			break;
		case 'b':
			p = va_arg(ap, const void *);
			rc = sqlite3_bind_blob64(st, at, p, va_arg(ap, size_t), SQLITE_TRANSIENT);
			break;
		default:
			rc = sqlite3_bind_null(st, at);
			break;
		}
	}
	return rc;
}

int
db_bind(sqlite3_stmt *st, int at, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = bind_v(st, at, fmt, ap);
	va_end(ap);
	return store_err(rc);
}

static sqlite3_stmt *
query_v(sqlite3 *db, const char *sql, const char *fmt, va_list ap)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK ||
	    bind_v(st, 0, fmt, ap) != SQLITE_OK) {
		(void)complain(db, "query");
		sqlite3_finalize(st);
		return NULL;
	}
	return st;
}

sqlite3_stmt *
db_query(sqlite3 *db, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = query_v(db, sql, fmt, ap);
	va_end(ap);
	return st;
}

int64_t
db_number(sqlite3 *db, int64_t otherwise, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;

	va_start(ap, fmt);
	st = query_v(db, sql, fmt, ap);
	va_end(ap);
	if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		otherwise = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return otherwise;
}

const char *
db_text(sqlite3_stmt *st, int col)
{
	const char *s = (const char *)sqlite3_column_text(st, col);

	return s ? s : "";
}

/* --- inside a job ------------------------------------------------------------------ */

sqlite3 *
tx_db(struct store_tx *tx)
{
	return tx->db;
}

int
tx_run(struct store_tx *tx, enum stmt id, const char *fmt, ...)
{
	sqlite3_stmt *st = tx->st[id];
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = bind_v(st, 0, fmt, ap);
	va_end(ap);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	(void)sqlite3_reset(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : complain(tx->db, "write");
}

sqlite3_stmt *
tx_query(struct store_tx *tx, enum stmt id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)bind_v(tx->st[id], 0, fmt, ap);
	va_end(ap);
	return tx->st[id];
}

void
tx_done(sqlite3_stmt *st)
{
	(void)sqlite3_reset(st);
}

int
tx_exec(struct store_tx *tx, const char *sql, const char *fmt, ...)
{
	sqlite3_stmt *st;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	st = query_v(tx->db, sql, fmt, ap);
	va_end(ap);
	if (!st)
		return ERR_IO;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		;
	if (rc != SQLITE_DONE)
		rc = complain(tx->db, "write");
	else
		rc = 0;
	sqlite3_finalize(st);
	return rc;
}

/* A name that was made and rolled back has no number any more: forget them all, it is seldom. */
static void
names_forget(struct store_tx *tx)
{
	if (tx->names_new)
		memset(tx->names, 0, NAMES * sizeof(*tx->names));
	tx->names_new = false;
}

int
tx_mark(struct store_tx *tx)
{
	return sqlite3_exec(tx->db, "SAVEPOINT part", NULL, NULL, NULL) == SQLITE_OK
		   ? 0
		   : complain(tx->db, "savepoint");
}

void
tx_back(struct store_tx *tx)
{
	(void)sqlite3_exec(tx->db, "ROLLBACK TO part; RELEASE part", NULL, NULL, NULL);
	names_forget(tx);
}

void
tx_keep(struct store_tx *tx)
{
	(void)sqlite3_exec(tx->db, "RELEASE part", NULL, NULL, NULL);
}

/* Its place in the cache, found or made; NULL: an empty one. */
static struct name *
name_of(struct store_tx *tx, const char *text, size_t n)
{
	uint8_t hash[NAME_HASH];
	struct name *e;
	uint32_t at;
	sqlite3_stmt *st;
	int64_t id = 0;

	if (n == 0)
		return NULL;
	if (n > STORE_NAME_MAX) { /* not in the middle of a character */
		for (n = STORE_NAME_MAX; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
			;
	}
	crypto_blake2b(text, n, hash, sizeof(hash));
	memcpy(&at, hash, sizeof(at));
	e = &tx->names[at % NAMES];
	if (e->id && memcmp(e->hash, hash, sizeof(hash)) == 0)
		return e;
	st = tx->st[ST_NAME_GET];
	(void)sqlite3_bind_text(st, 1, text, (int)n, SQLITE_STATIC);
	if (sqlite3_step(st) == SQLITE_ROW)
		id = sqlite3_column_int64(st, 0);
	(void)sqlite3_reset(st);
	if (id == 0) {
		st = tx->st[ST_NAME_PUT];
		(void)sqlite3_bind_text(st, 1, text, (int)n, SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_DONE)
			id = sqlite3_last_insert_rowid(tx->db);
		(void)sqlite3_reset(st);
		st = tx->st[ST_NAME_TEXT];
		(void)sqlite3_bind_int64(st, 1, id);
		(void)sqlite3_bind_text(st, 2, text, (int)n, SQLITE_STATIC);
		(void)sqlite3_step(st);
		(void)sqlite3_reset(st);
		tx->names_new = true;
		tx->names_made++;
	}
	memcpy(e->hash, hash, sizeof(hash));
	e->id = id;
	e->seen = -1;
	return e;
}

int64_t
tx_name(struct store_tx *tx, const char *text, size_t n)
{
	const struct name *e = name_of(tx, text, n);

	return e ? e->id : 0;
}

int64_t
tx_name_seen(struct store_tx *tx, const char *text, size_t n, int64_t t)
{
	struct name *e = name_of(tx, text, n);

	if (!e)
		return 0;
	if (e->seen != t) {
		(void)tx_run(tx, ST_SEEN_PUT, "ii", e->id, t);
		e->seen = t;
		tx->names_new = true;
	}
	return e->id;
}

/* --- the writer ---------------------------------------------------------------------- */

static int
run_job(struct store_tx *tx, struct job *j)
{
	int r;

	if (sqlite3_exec(tx->db, "SAVEPOINT job", NULL, NULL, NULL) != SQLITE_OK)
		return complain(tx->db, "savepoint");
	r = j->fn(tx, j->ctx);
	if (sqlite3_get_autocommit(tx->db)) /* a full disk ended the transaction for all */
		return r < 0 ? r : ERR_NOSPC;
	if (r < 0) {
		(void)sqlite3_exec(tx->db, "ROLLBACK TO job", NULL, NULL, NULL);
		names_forget(tx);
	}
	(void)sqlite3_exec(tx->db, "RELEASE job", NULL, NULL, NULL);
	return r;
}

static int
run_all(struct store_tx *tx, struct job *list)
{
	int r = 0;

	if (sqlite3_exec(tx->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return complain(tx->db, "begin");
	for (struct job *j = list; j; j = j->next) {
		j->r = run_job(tx, j);
		if (sqlite3_get_autocommit(tx->db)) {
			r = j->r;
			break;
		}
	}
	if (r == 0 && sqlite3_exec(tx->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		r = complain(tx->db, "commit");
	if (r < 0) {
		if (!sqlite3_get_autocommit(tx->db))
			(void)sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
		names_forget(tx);
	}
	tx->names_new = false;
	return r;
}

static void *
writer_main(void *arg)
{
	struct store *s = arg;

	(void)pthread_mutex_lock(&s->lock);
	for (;;) {
		struct job *list, *j;
		unsigned n = 0;
		int r;

		while (!s->first && !s->stop)
			(void)pthread_cond_wait(&s->work, &s->lock);
		if (!s->first)
			break;
		list = s->first;
		for (j = list; j->next && ++n < STORE_JOBS_MAX; j = j->next)
			;
		s->first = j->next;
		j->next = NULL;
		if (!s->first)
			s->last = &s->first;
		(void)pthread_mutex_unlock(&s->lock);
		r = run_all(&s->tx, list);
		(void)pthread_mutex_lock(&s->lock);
		s->st.commits++;
		for (j = list; j;) {
			struct job *next = j->next; /* j is gone once its owner sees done */

			if (r < 0)
				j->r = r;
			s->st.jobs++;
			s->st.failed += j->r < 0;
			j->done = true;
			j = next;
		}
		s->st.names = s->tx.names_made;
		(void)pthread_cond_broadcast(&s->done);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return NULL;
}

int
store_write(struct store *s, store_job fn, void *ctx)
{
	struct job j = {.fn = fn, .ctx = ctx, .r = ERR_IO};

	(void)pthread_mutex_lock(&s->lock);
	*s->last = &j; /* out of the list before this returns */
	/* cppcheck-suppress autoVariables */
	s->last = &j.next;
	(void)pthread_cond_signal(&s->work);
	while (!j.done)
		(void)pthread_cond_wait(&s->done, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
	return j.r;
}

void
store_stats(struct store *s, struct store_stats *out)
{
	(void)pthread_mutex_lock(&s->lock);
	*out = s->st;
	(void)pthread_mutex_unlock(&s->lock);
}

/* --- readers ---------------------------------------------------------------------------- */

static int
too_long(void *arg)
{
	const struct reader *r = arg;

	return clock_mono_ns() > r->until_ns;
}

sqlite3 *
store_get(struct store *s)
{
	struct timespec until;
	struct reader *got = NULL;
	int rc = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	(void)pthread_mutex_lock(&s->read_lock);
	while (!got && rc == 0) {
		for (unsigned i = 0; i < STORE_READERS && !got; i++)
			if (!s->reader[i].busy)
				got = &s->reader[i];
		if (!got)
			rc = pthread_cond_timedwait(&s->read_free, &s->read_lock, &until);
	}
	if (got) {
		got->busy = true;
		got->until_ns = clock_mono_ns() + UINT64_C(1000000) * STORE_QUERY_MS;
	}
	(void)pthread_mutex_unlock(&s->read_lock);
	return got ? got->db : NULL;
}

void
store_put(struct store *s, sqlite3 *db)
{
	if (!db)
		return;
	(void)pthread_mutex_lock(&s->read_lock);
	for (unsigned i = 0; i < STORE_READERS; i++)
		if (s->reader[i].db == db)
			s->reader[i].busy = false;
	(void)pthread_cond_signal(&s->read_free);
	(void)pthread_mutex_unlock(&s->read_lock);
}

void
store_longer(struct store *s, sqlite3 *db, unsigned seconds)
{
	for (unsigned i = 0; i < STORE_READERS; i++)
		if (s->reader[i].db == db)
			s->reader[i].until_ns = clock_mono_ns() + seconds * NS_PER_S;
}

/* --- opening -------------------------------------------------------------------------------- */

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
migrate(sqlite3 *db, char *err, size_t err_size)
{
	int have = (int)db_number(db, -1, "PRAGMA user_version", "");
	const int newest = migrations[sizeof(migrations) / sizeof(migrations[0]) - 1].version;

	if (have > newest)
		return err_say(err, err_size, ERR_UNSUPPORTED,
		    "made by a newer version (schema %d, this program knows %d)", have, newest);
	for (size_t i = 0; i < sizeof(migrations) / sizeof(migrations[0]); i++) {
		char mark[64];

		if (migrations[i].version <= have)
			continue;
		snprintf(
		    mark, sizeof(mark), "PRAGMA user_version = %d; COMMIT", migrations[i].version);
		if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
		    sqlite3_exec(db, migrations[i].sql, NULL, NULL, NULL) != SQLITE_OK ||
		    sqlite3_exec(db, mark, NULL, NULL, NULL) != SQLITE_OK)
			return err_say(err, err_size, store_err(sqlite3_errcode(db)),
			    "schema %d: %s", migrations[i].version, sqlite3_errmsg(db));
	}
	return 0;
}

static int
open_db(sqlite3 **db, const char *path, bool writer, char *err, size_t err_size)
{
	int rc = sqlite3_open_v2(path, db,
	    writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
		   : SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
	    NULL);

	if (rc == SQLITE_OK) {
		(void)sqlite3_busy_timeout(*db, 5000);
		(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		(void)sqlite3_db_config(*db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
		rc = sqlite3_exec(*db,
		    writer
			? "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL;"
			  "PRAGMA synchronous = FULL; PRAGMA cache_size = " WRITER_CACHE ";"
			  "PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000;"
			  "PRAGMA temp_store = MEMORY"
			: "PRAGMA query_only = 1; PRAGMA cache_size = " READER_CACHE ";"
			  "PRAGMA temp_store = MEMORY",
		    NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_create_function(*db, "hit", -1,
			    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, hit, NULL,
			    NULL);
	}
	if (rc != SQLITE_OK)
		return err_say(err, err_size, store_err(rc), "%s: %s", path,
		    *db ? sqlite3_errmsg(*db) : "out of memory");
	return 0;
}

int
store_open(struct store **out, const char *path, char *err, size_t err_size)
{
	struct store *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	s->last = &s->first;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_mutex_init(&s->read_lock, NULL);
	(void)pthread_cond_init(&s->work, NULL);
	(void)pthread_cond_init(&s->done, NULL);
	(void)pthread_cond_init(&s->read_free, NULL);
	s->stop = true; /* until the writer runs */
	if (!(s->tx.names = calloc(NAMES, sizeof(*s->tx.names))))
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	if (r == 0 && (r = open_db(&s->tx.db, path, true, err, err_size)) == 0)
		r = migrate(s->tx.db, err, err_size);
	for (unsigned i = 0; i < ST_N && r == 0; i++)
		if (sqlite3_prepare_v3(s->tx.db, stmt_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
			&s->tx.st[i], NULL) != SQLITE_OK)
			r = err_say(
			    err, err_size, ERR_IO, "%s: %s", path, sqlite3_errmsg(s->tx.db));
	for (unsigned i = 0; i < STORE_READERS && r == 0; i++) {
		r = open_db(&s->reader[i].db, path, false, err, err_size);
		if (r == 0)
			sqlite3_progress_handler(s->reader[i].db, 10000, too_long, &s->reader[i]);
	}
	if (r == 0) {
		s->stop = false;
		if (pthread_create(&s->writer, NULL, writer_main, s) != 0) {
			s->stop = true;
			r = err_say(err, err_size, ERR_NOMEM, "no thread");
		}
	}
	if (r < 0) {
		store_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void
store_close(struct store *s)
{
	bool running;

	if (!s)
		return;
	(void)pthread_mutex_lock(&s->lock);
	running = !s->stop;
	s->stop = true;
	(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->lock);
	if (running)
		(void)pthread_join(s->writer, NULL);
	for (unsigned i = 0; i < STORE_READERS; i++)
		(void)sqlite3_close(s->reader[i].db);
	for (unsigned i = 0; i < ST_N; i++)
		(void)sqlite3_finalize(s->tx.st[i]);
	if (sqlite3_close(s->tx.db) != SQLITE_OK)
		log_error("data base: not closed: %s", sqlite3_errmsg(s->tx.db));
	free(s->tx.names);
	free(s);
}

/* --- backup ----------------------------------------------------------------------------------- */

int
store_backup(const char *from, const char *to, char *err, size_t err_size)
{
	sqlite3 *a = NULL, *b = NULL;
	sqlite3_backup *bk;
	int rc, r;

	if (access(to, F_OK) == 0)
		return err_say(err, err_size, ERR_EXISTS, "%s: exists; it is not overwritten", to);
	if ((rc = sqlite3_open_v2(from, &a, SQLITE_OPEN_READONLY, NULL)) != SQLITE_OK ||
	    (rc = sqlite3_open_v2(to, &b, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL)) !=
		SQLITE_OK) {
		r = err_say(err, err_size, store_err(rc), "%s: %s", b ? to : from,
		    sqlite3_errmsg(b ? b : a));
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
		: err_say(err, err_size, store_err(rc), "%s: %s", to, sqlite3_errstr(rc));
out:
	(void)sqlite3_close(a);
	if (sqlite3_close(b) != SQLITE_OK && r == 0)
		r = err_say(err, err_size, ERR_IO, "%s: not closed", to);
	if (r < 0 && r != ERR_EXISTS)
		(void)unlink(to);
	return r;
}
