/* SPDX-License-Identifier: Apache-2.0 */
/* store.c - see store.h. */
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

#define NAMES	  65536u /* of the writer's cache */
#define NAME_HASH 16u

struct job {
	store_job fn;
	void *ctx;
	int r;
	bool again; /* may be run once more */
	bool done;
	struct job *next;
};

struct name {
	uint8_t hash[NAME_HASH];
	int64_t id;
	int64_t seen; /* the stretch of time that was put last; -1 = none */
};

struct store_tx {
	struct db *db;
	struct db_stmt *st[ST_N];
	struct name *names;
	bool names_new; /* since the last commit, some may have been made or seen */
	uint64_t names_made;
	unsigned renewed; /* of the connection that the names are from */
};

struct store {
	struct store_tx tx;
	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct job *first, **last;
	bool stop, shared; /* shared: other collectors may write to it too */
	struct store_stats st;

	pthread_mutex_t read_lock;
	pthread_cond_t read_free;
	struct reader {
		struct db *db;
		bool busy;
	} reader[STORE_READERS];
};

static const char *const stmt_sql[] = {
#define STMT(name, sql) sql,
#include "collector/stmt.def"
#undef STMT
};

/* --- inside a job ------------------------------------------------------------------ */

struct db *
tx_db(struct store_tx *tx)
{
	return tx->db;
}

int
tx_run(struct store_tx *tx, enum stmt id, const char *fmt, ...)
{
	struct db_stmt *st = tx->st[id];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = db_bind_v(st, 0, fmt, ap);
	va_end(ap);
	if (r == 0)
		r = db_run(st);
	return r >= 0 ? 0 : db_complain(tx->db, "write");
}

/* The number in the one row that it gives. */
static int64_t
number_of(struct store_tx *tx, struct db_stmt *st)
{
	int r = db_step(st);

	return r == DB_ROW ? db_i64(st, 0) : r < 0 ? db_complain(tx->db, "write") : ERR_IO;
}

int64_t
tx_insert(struct store_tx *tx, enum stmt id, const char *fmt, ...)
{
	struct db_stmt *st = tx->st[id];
	va_list ap;
	int64_t n;
	int r;

	va_start(ap, fmt);
	r = db_bind_v(st, 0, fmt, ap);
	va_end(ap);
	n = r < 0 ? r : number_of(tx, st);
	db_reset(st);
	return n;
}

int64_t
tx_new(struct store_tx *tx, const char *sql, const char *fmt, ...)
{
	struct db_stmt *st;
	va_list ap;
	int64_t n;

	va_start(ap, fmt);
	st = db_query_v(tx->db, sql, fmt, ap);
	va_end(ap);
	n = st ? number_of(tx, st) : ERR_IO;
	db_finalize(st);
	return n;
}

struct db_stmt *
tx_query(struct store_tx *tx, enum stmt id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)db_bind_v(tx->st[id], 0, fmt, ap);
	va_end(ap);
	return tx->st[id];
}

void
tx_done(struct db_stmt *st)
{
	db_reset(st);
}

int
tx_exec(struct store_tx *tx, const char *sql, const char *fmt, ...)
{
	struct db_stmt *st;
	va_list ap;
	int r;

	va_start(ap, fmt);
	st = db_query_v(tx->db, sql, fmt, ap);
	va_end(ap);
	if (!st)
		return ERR_IO;
	while ((r = db_step(st)) == DB_ROW)
		;
	if (r < 0)
		r = db_complain(tx->db, "write");
	db_finalize(st);
	return r;
}

/* A name that was made and rolled back has no number any more: forget them all, it is seldom. */
static void
names_forget(struct store_tx *tx)
{
	if (tx->names_new)
		memset(tx->names, 0, NAMES * sizeof(*tx->names));
	tx->names_new = false;
}

/* Its place in the cache, found or made; NULL: an empty one. */
static struct name *
name_of(struct store_tx *tx, const char *text, size_t n)
{
	uint8_t hash[NAME_HASH];
	struct name *e;
	uint32_t at;
	struct db_stmt *st;
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
	(void)db_bind(st, 0, "s", text, n);
	if (db_step(st) == DB_ROW)
		id = db_i64(st, 0);
	db_reset(st);
	if (id == 0) {
		st = tx->st[ST_NAME_PUT];
		(void)db_bind(st, 0, "s", text, n);
		if (db_step(st) == DB_ROW)
			id = db_i64(st, 0);
		db_reset(st);
		if (!db_finds_like(tx->db))
			(void)tx_run(tx, ST_NAME_TEXT, "is", id, text, n);
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

	if (db_exec(tx->db, "SAVEPOINT job") < 0)
		return db_complain(tx->db, "savepoint");
	r = j->fn(tx, j->ctx);
	if (r >= 0 && db_in_tx(tx->db) && db_exec(tx->db, "RELEASE job") < 0)
		r = db_complain(tx->db, "write");
	if (db_lost(tx->db)) /* whatever the job made of it */
		return ERR_AGAIN;
	if (!db_in_tx(tx->db)) /* a full disk ended the transaction for all */
		return r < 0 ? r : ERR_NOSPC;
	if (r < 0) {
		(void)db_exec(tx->db, "ROLLBACK TO job");
		(void)db_exec(tx->db, "RELEASE job");
		names_forget(tx);
	}
	return r;
}

static int
begin(struct store_tx *tx)
{
	if (db_begin(tx->db) < 0)
		return db_complain(tx->db, "begin");
	if (tx->renewed != db_renewed(tx->db)) { /* another server may be there now */
		tx->names_new = true;
		names_forget(tx);
		tx->renewed = db_renewed(tx->db);
	}
	return 0;
}

/* A savepoint copies every page that a job changes.  Jobs that can all be run again do without: true when all of them went
 * well; else nothing of them is left. */
static bool
run_at_once(struct store_tx *tx, struct job *list)
{
	for (const struct job *j = list; j; j = j->next)
		if (!j->again)
			return false;
	if (begin(tx) < 0)
		return false;
	for (struct job *j = list; j; j = j->next)
		if ((j->r = j->fn(tx, j->ctx)) < 0 || db_lost(tx->db) || !db_in_tx(tx->db))
			goto undo;
	if (db_exec(tx->db, "COMMIT") < 0)
		goto undo;
	tx->names_new = false;
	return true;
undo:
	if (db_in_tx(tx->db))
		(void)db_exec(tx->db, "ROLLBACK");
	names_forget(tx);
	return false;
}

static int
run_all(struct store_tx *tx, struct job *list)
{
	int r;

	if (run_at_once(tx, list))
		return 0;
	if ((r = begin(tx)) < 0)
		return r;
	for (struct job *j = list; j; j = j->next) {
		j->r = run_job(tx, j);
		if (!db_in_tx(tx->db)) {
			r = j->r;
			break;
		}
	}
	if (r == 0 && db_exec(tx->db, "COMMIT") < 0)
		r = db_complain(tx->db, "commit");
	if (r < 0) {
		if (db_in_tx(tx->db))
			(void)db_exec(tx->db, "ROLLBACK");
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

static int
wait_for(struct store *s, store_job fn, void *ctx, bool again)
{
	struct job j = {.fn = fn, .ctx = ctx, .r = ERR_IO, .again = again};

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

int
store_write(struct store *s, store_job fn, void *ctx)
{
	return wait_for(s, fn, ctx, false);
}

int
store_write_again(struct store *s, store_job fn, void *ctx)
{
	return wait_for(s, fn, ctx, true);
}

void
store_stats(struct store *s, struct store_stats *out)
{
	(void)pthread_mutex_lock(&s->lock);
	*out = s->st;
	(void)pthread_mutex_unlock(&s->lock);
}

/* --- readers ---------------------------------------------------------------------------- */

struct db *
store_get(struct store *s)
{
	struct timespec until;
	struct reader *got = NULL;
	int rc = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
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
		db_until(got->db, clock_mono_ns() + UINT64_C(1000000) * STORE_QUERY_MS);
	}
	(void)pthread_mutex_unlock(&s->read_lock);
	if (got && db_ready(got->db) < 0) {
		store_put(s, got->db);
		return NULL;
	}
	return got ? got->db : NULL;
}

void
store_put(struct store *s, struct db *db)
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
store_longer(struct store *s, struct db *db, unsigned seconds)
{
	for (unsigned i = 0; i < STORE_READERS; i++)
		if (s->reader[i].db == db)
			db_until(db, clock_mono_ns() + seconds * NS_PER_S);
}

/* --- several collectors ------------------------------------------------------------------- */

static int
lead_job(struct store_tx *tx, void *ctx)
{
	bool *leads = ctx;

	*leads = db_leads(tx->db);
	return 0;
}

bool
store_leads(struct store *s)
{
	bool leads = false;

	return !s->shared || (store_write(s, lead_job, &leads) == 0 && leads);
}

/* --- opening -------------------------------------------------------------------------------- */

int
store_open(struct store **out, const char *path, char *err, size_t err_size)
{
	struct store *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;
	int r = 0;

	if (!s)
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	s->last = &s->first;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_mutex_init(&s->read_lock, NULL);
	(void)pthread_cond_init(&s->work, NULL);
	(void)pthread_cond_init(&s->done, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->read_free, &attr);
	(void)pthread_condattr_destroy(&attr);
	s->stop = true; /* until the writer runs */
	s->shared = db_is_url(path);
	if (!(s->tx.names = calloc(NAMES, sizeof(*s->tx.names))))
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	if (r == 0 && (r = db_open(&s->tx.db, path, DB_WRITER, err, err_size)) == 0)
		r = db_migrate(s->tx.db, err, err_size);
	for (unsigned i = 0; i < ST_N && r == 0; i++)
		if (!(s->tx.st[i] = db_prepare(s->tx.db, stmt_sql[i], true)))
			r = err_say(err, err_size, ERR_IO, "%s: %s", path, db_error(s->tx.db));
	for (unsigned i = 0; i < STORE_READERS && r == 0; i++)
		r = db_open(&s->reader[i].db, path, DB_READER, err, err_size);
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
		(void)db_close(s->reader[i].db);
	for (unsigned i = 0; i < ST_N; i++)
		db_finalize(s->tx.st[i]);
	(void)db_close(s->tx.db);
	free(s->tx.names);
	free(s);
}
