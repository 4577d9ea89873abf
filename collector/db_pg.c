/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db_pg.c - a server, PostgreSQL 15 by libpq.  [PG] www.postgresql.org/docs/15; its home.
 *
 * SQL is that of db_sqlite.c but for what db_pg_sql() changes and what functions of schema_pg.def give.  One who writes holds
 * an advisory lock for his transaction, so of several collectors one writes at a time, as with a file: what the chain, names
 * and sums need.  What gives no rows within a transaction is sent on without waiting (pipeline mode, [PG] 34.5); an
 * error in it is said by the next thing that waits, at the latest by the end of the savepoint.
 */
#include <endian.h>
#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "collector/db_int.h"
#include "collector/db_pg.h"

#define VALUES_MAX 32u
#define QUEUE_MAX                                                                                  \
	100u /* answers of so many fit into a socket: neither side waits for the other ([PG] 34.5.1.1) */
#define FETCH	   "500"
#define WAIT_MIN   250u /* ms until a connection is tried again, doubled up to */
#define WAIT_MAX   5000u
#define QUERY_MS   5000u	/* of a reader, as STORE_QUERY_MS */
#define LOCK_WRITE "7812734551" /* any numbers that no other program takes in this data base */
#define LOCK_LEAD  "7812734552"

/* [PG] src/include/catalog/pg_type.dat */
enum oid {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_NUMERIC = 1700
};

struct pg {
	struct db db;
	PGconn *c;
	bool writer, longer; /* longer: statement_timeout is not QUERY_MS */
	bool piped, cursor, leads;
	unsigned queued, names;
	int failed;
	char error[400];
	int64_t changes;
	uint64_t retry_ns;
	unsigned wait_ms;
};

struct value {
	Oid type; /* 0: the server finds out */
	bool null;
	int len;
	size_t room;
	char *p;
};

struct pg_stmt {
	struct db_stmt st;
	char *sql;
	char name[16]; /* "": not prepared; it is when it is kept, or runs again */
	bool kept, again;
	unsigned made; /* renewed + 1 of the connection that knows it; 0: none */
	uint64_t used; /* values that occur in it */
	unsigned n;
	bool ran, cursor;
	PGresult *res;
	int row;
	char number[8][24]; /* text of numbers: columns that db_text() was asked for last */
	unsigned at;
	struct value v[VALUES_MAX];
};

static atomic_bool away; /* said in the log */

static struct pg *
pg_of(struct db *db)
{
	return (struct pg *)db;
}

static struct pg_stmt *
stmt_of(struct db_stmt *st)
{
	return (struct pg_stmt *)st;
}

/* --- errors ---------------------------------------------------------------------------------- */

/* [PG] appendix A. */
static int
err_of(const char *state)
{
	static const struct {
		const char *state; /* or its class */
		int err;
	} list[] = {{"23", ERR_EXISTS}, {"57", ERR_AGAIN}, {"55P03", ERR_AGAIN}, {"40", ERR_AGAIN},
	    {"08", ERR_AGAIN}, {"25P03", ERR_AGAIN}, {"25006", ERR_AGAIN}, {"53100", ERR_NOSPC},
	    {"53200", ERR_NOMEM}, {"53300", ERR_AGAIN}};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (strncmp(state, list[i].state, strlen(list[i].state)) == 0)
			return list[i].err;
	return ERR_IO;
}

/* The connection is of no use any more. */
static void
lose(struct pg *p)
{
	if (!p->db.lost && !atomic_exchange(&away, true))
		log_error("data base: the server is away, nothing is accepted until it is back: %s",
		    p->error);
	p->db.lost = true;
	p->leads = false;
	p->queued = 0;
}

static int
fail(struct pg *p, const PGresult *res)
{
	const char *state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL,
		   *text = res ? PQresultErrorMessage(res) : PQerrorMessage(p->c);

	/* What follows an error until it is rolled back says nothing of why. */
	if (state && strcmp(state, "25P02") == 0 && p->failed)
		return p->failed;
	p->failed = state ? err_of(state) : ERR_AGAIN;
	snprintf(p->error, sizeof(p->error), "%s", text);
	for (char *s = p->error; *s; s++)
		if (*s == '\n' || *s == '\t')
			*s = s[1] ? ' ' : '\0';
	/* A server that became one that only follows is of no use to a writer. */
	if (PQstatus(p->c) != CONNECTION_OK || (state && strcmp(state, "25006") == 0 && p->writer))
		lose(p);
	return p->failed;
}

static bool
is_good(const PGresult *res)
{
	ExecStatusType t = PQresultStatus(res);

	return t == PGRES_COMMAND_OK || t == PGRES_TUPLES_OK;
}

/* --- the pipeline ------------------------------------------------------------------------------ */

static void
count(struct pg *p, PGresult *res)
{
	p->changes = strtoll(PQcmdTuples(res), NULL, 10);
}

/* Wait for all that was sent.  0 or the first error. */
static int
drain(struct pg *p)
{
	PGresult *res;
	int r = 0;

	if (!p->piped)
		return 0;
	if (!PQpipelineSync(p->c))
		r = fail(p, NULL);
	while (r == 0 || PQstatus(p->c) == CONNECTION_OK) {
		ExecStatusType t;

		if (!(res = PQgetResult(p->c))) { /* the end of one */
			if (PQstatus(p->c) != CONNECTION_OK)
				r = fail(p, NULL);
			continue;
		}
		t = PQresultStatus(res);
		if (is_good(res))
			count(p, res);
		else if (t != PGRES_PIPELINE_SYNC && t != PGRES_PIPELINE_ABORTED && r == 0)
			r = fail(p, res);
		PQclear(res);
		if (t == PGRES_PIPELINE_SYNC)
			break;
	}
	p->queued = 0;
	p->piped = false;
	if (PQstatus(p->c) == CONNECTION_OK && !PQexitPipelineMode(p->c))
		r = fail(p, NULL);
	return r;
}

static int
queued(struct pg *p, int sent)
{
	if (!sent)
		return fail(p, NULL);
	return ++p->queued >= QUEUE_MAX ? drain(p) : 0;
}

static int
pipe_on(struct pg *p)
{
	if (!p->piped && !PQenterPipelineMode(p->c))
		return fail(p, NULL);
	p->piped = true;
	return 0;
}

/* --- connections --------------------------------------------------------------------------------- */

static int
pg_ready(struct db *db)
{
	struct pg *p = pg_of(db);
	uint64_t now = clock_mono_ns();

	if (!db->lost && PQstatus(p->c) == CONNECTION_OK)
		return 0;
	if (now < p->retry_ns)
		return p->failed = ERR_AGAIN;
	p->piped = p->cursor = p->longer = p->leads = false;
	p->queued = 0;
	PQreset(p->c);
	if (PQstatus(p->c) != CONNECTION_OK) {
		p->wait_ms = p->wait_ms ? p->wait_ms * 2 : WAIT_MIN;
		if (p->wait_ms > WAIT_MAX)
			p->wait_ms = WAIT_MAX;
		p->retry_ns = clock_mono_ns() + UINT64_C(1000000) * p->wait_ms;
		(void)fail(p, NULL);
		return p->failed = ERR_AGAIN;
	}
	if (atomic_exchange(&away, false))
		log_warn("data base: the server is back");
	p->wait_ms = 0;
	db->lost = false;
	db->renewed++;
	return 0;
}

static bool
is_local(const char *hosts)
{
	static const char *const local[] = {"localhost", "127.0.0.1", "::1"};

	for (const char *s = hosts; s && *s; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");
		bool here = *s == '/' || *s == '@';

		for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++)
			here = here || (n == strlen(local[i]) && strncmp(s, local[i], n) == 0);
		if (!here)
			return false;
		s += n;
	}
	return true;
}

static void
no_notice(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

static int
pg_close(struct db *db)
{
	struct pg *p = pg_of(db);

	PQfinish(p->c);
	free(p);
	return 0;
}

/* What the URL says, between what it may say otherwise and what it may not. */
static PGconn *
dial(const char *url, const PQconninfoOption *said, bool writer)
{
	const char *own = "", *host = "", *address = "";
	const char *key[24], *value[24];
	char options[1024];
	unsigned n = 0;

	for (; said->keyword; said++) {
		if (!said->val)
			continue;
		if (strcmp(said->keyword, "options") == 0)
			own = said->val;
		else if (strcmp(said->keyword, "host") == 0)
			host = said->val;
		else if (strcmp(said->keyword, "hostaddr") == 0)
			address = said->val;
	}
	snprintf(options, sizeof(options),
	    "%s -c client_min_messages=error -c jit=off -c synchronous_commit=on -c "
	    "tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3 -c "
	    "tcp_user_timeout=10000 -c idle_in_transaction_session_timeout=%u %s",
	    own, writer ? 10000u : 600000u,
	    writer ? "-c lock_timeout=5000" : "-c default_transaction_read_only=on");
	if (!writer)
		snprintf(options + strlen(options), sizeof(options) - strlen(options),
		    " -c statement_timeout=%u", QUERY_MS);
#define KEY(k, v) (key[n] = (k), value[n++] = (v))
	KEY("connect_timeout", "3");
	KEY("keepalives_idle", "5");
	KEY("keepalives_interval", "2");
	KEY("keepalives_count", "3");
	KEY("tcp_user_timeout", "10000");
	KEY("target_session_attrs", writer ? "read-write" : "any");
	if (!is_local(host) || !is_local(address))
		KEY("sslmode", "verify-full");
	KEY("fallback_application_name", "interlock");
	KEY("dbname", url);
	KEY("client_encoding", "UTF8");
	KEY("options", options);
	key[n] = value[n] = NULL;
#undef KEY
	return PQconnectdbParams(key, value, 1);
}

static int
pg_open(struct db **out, const char *url, enum db_use use, char *err, size_t err_size)
{
	struct pg *p = calloc(1, sizeof(*p));
	char *why = NULL;
	PQconninfoOption *said = PQconninfoParse(url, &why);
	const char *encoding;
	int r = 0;

	if (!p || !said) {
		r = err_say(err, err_size, said ? ERR_NOMEM : ERR_FORMAT, "data base: %s",
		    why ? why : "out of memory");
		goto out;
	}
	for (const PQconninfoOption *o = said; o->keyword; o++)
		if (o->val && strcmp(o->keyword, "password") == 0) {
			r = err_say(err, err_size, ERR_FORMAT,
			    "data base: a password in the URL is seen by others: put it into a "
			    "file that passfile= names ([PG] 34.16)");
			goto out;
		}
	p->db.be = &db_pg;
	p->writer = use == DB_WRITER;
	p->c = dial(url, said, p->writer);
	if (PQstatus(p->c) != CONNECTION_OK) {
		(void)fail(p, NULL);
		r = err_say(err, err_size, ERR_AGAIN, "data base: %s", p->error);
		goto out;
	}
	(void)PQsetNoticeProcessor(p->c, no_notice, NULL);
	encoding = PQparameterStatus(p->c, "server_encoding");
	if (PQserverVersion(p->c) < 150000 || !encoding || strcmp(encoding, "UTF8") != 0)
		r = err_say(err, err_size, ERR_UNSUPPORTED,
		    "data base: it has to be of PostgreSQL 15 or newer and in UTF8");
out:
	PQconninfoFree(said);
	PQfreemem(why);
	if (r < 0) {
		if (p)
			PQfinish(p->c);
		free(p);
	} else {
		*out = &p->db;
	}
	return r;
}

static int
simple(struct pg *p, const char *sql)
{
	PGresult *res = PQexec(p->c, sql);
	int r = is_good(res) ? 0 : fail(p, res);

	PQclear(res);
	return r;
}

/* One statement of a writer goes by the pipeline; a savepoint is not waited for. */
static int
pg_exec(struct db *db, const char *sql)
{
	struct pg *p = pg_of(db);
	bool back = strncmp(sql, "ROLLBACK", 8) == 0;
	int r;

	if (back || strchr(sql, ';') || !p->writer) {
		if ((r = drain(p)) < 0 && !back)
			return r;
		if (p->db.lost)
			return ERR_AGAIN;
		if ((r = simple(p, sql)) == 0 && back)
			p->failed = 0;
		return r;
	}
	if (db->lost)
		return ERR_AGAIN;
	if (strcmp(sql, "COMMIT") == 0 &&
	    p->failed) /* the server would roll back, and call that well */
		return p->failed;
	if ((r = pipe_on(p)) < 0 ||
	    (r = queued(p, PQsendQueryParams(p->c, sql, 0, NULL, NULL, NULL, NULL, 1))) < 0)
		return r;
	return strncmp(sql, "SAVEPOINT", 9) == 0 ? 0 : drain(p);
}

static int
pg_begin(struct db *db)
{
	static const char sql[] = "BEGIN; SELECT pg_advisory_xact_lock(" LOCK_WRITE ")";
	struct pg *p = pg_of(db);
	int r = pg_ready(db);

	if (r < 0)
		return r;
	p->failed = 0;
	r = simple(p, sql);
	if (r < 0 && db->lost) { /* it may be back already */
		p->retry_ns = 0;
		if ((r = pg_ready(db)) == 0)
			r = simple(p, sql);
	}
	if (r < 0 && !db->lost && PQtransactionStatus(p->c) != PQTRANS_IDLE) {
		int why = p->failed;

		(void)simple(p, "ROLLBACK");
		p->failed = why;
	}
	return r;
}

static bool
pg_in_tx(struct db *db)
{
	PGTransactionStatusType t = PQtransactionStatus(pg_of(db)->c);

	return t == PQTRANS_ACTIVE || t == PQTRANS_INTRANS || t == PQTRANS_INERROR;
}

static int
pg_failed(struct db *db)
{
	return pg_of(db)->failed;
}

static const char *
pg_error(struct db *db)
{
	return pg_of(db)->error;
}

static int64_t
pg_changes(struct db *db)
{
	(void)drain(pg_of(db));
	return pg_of(db)->changes;
}

static int
pg_schema(struct db *db)
{
	if (db_number(db, 0, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('interlock')",
		"") == 0)
		return 0;
	return (int)db_number(db, -1, "SELECT version FROM interlock", "");
}

static int
pg_set_schema(struct db *db, int version)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "UPDATE interlock SET version = %d", version);
	return pg_exec(db, sql);
}

/* --- statements ------------------------------------------------------------------------------------- */

static struct db_stmt *
pg_prepare(struct db *db, const char *sql, bool kept)
{
	struct pg_stmt *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->st.db = db;
	if (!(s->sql = db_pg_sql(sql, VALUES_MAX, &s->n, &s->used))) {
		pg_of(db)->failed = ERR_NOMEM;
		free(s);
		return NULL;
	}
	s->kept = kept;
	if (kept)
		snprintf(s->name, sizeof(s->name), "il%u", pg_of(db)->names++);
	for (unsigned i = 0; i < s->n; i++)
		s->v[i].null = true;
	return &s->st;
}

/* Copied; bytes that are no text to the server (NUL, not UTF-8) are '?'. */
static int
put(struct value *v, Oid type, const char *p, size_t n)
{
	if (n > INT32_MAX)
		return ERR_RANGE;
	v->type = type;
	v->null = !p;
	if (!p)
		return 0;
	if (v->room < n + 1) {
		char *more = realloc(v->p, n + 1);

		if (!more)
			return ERR_NOMEM;
		v->p = more;
		v->room = n + 1;
	}
	memcpy(v->p, p, n);
	v->p[n] = '\0';
	v->len = (int)n;
	if (type == OID_TEXT)
		for (size_t i = 0; i < n;) {
			size_t one = (unsigned char)v->p[i] >= 0x80 ? jw_utf8(v->p + i, n - i)
				     : v->p[i]			    ? 1
								    : 0;

			if (one == 0)
				v->p[i] = '?';
			i += one ? one : 1;
		}
	return 0;
}

static int
pg_bind(struct db_stmt *st, int at, const char *fmt, va_list ap)
{
	struct pg_stmt *s = stmt_of(st);
	int r = 0;

	for (; *fmt && r == 0; fmt++, at++) {
		struct value *v = &s->v[at];
		const char *p;
		uint64_t be;

		if ((unsigned)at >= s->n && *fmt != 'n')
			r = ERR_RANGE;
		else if (*fmt == 'i') {
			be = htobe64((uint64_t)va_arg(ap, int64_t));
			r = put(v, OID_INT8, (const char *)&be, sizeof(be));
		} else if (*fmt == 't') {
			p = va_arg(ap, const char *);
			r = put(v, OID_TEXT, p, p ? strlen(p) : 0);
		} else if (*fmt == 's' || *fmt == 'b') {
			p = va_arg(ap, const char *);
			r = put(v, *fmt == 's' ? OID_TEXT : OID_BYTEA, p, va_arg(ap, size_t));
		} else {
			v->null = true;
		}
	}
	if (r < 0)
		pg_of(st->db)->failed = r;
	return r;
}

struct args {
	Oid type[VALUES_MAX];
	const char *value[VALUES_MAX];
	int len[VALUES_MAX], format[VALUES_MAX];
};

static void
args_of(const struct pg_stmt *s, struct args *a)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct value *v = &s->v[i];

		/* Of one that does not occur the server cannot find out. */
		a->type[i] = v->type || s->used >> i & 1 ? v->type : OID_TEXT;
		a->value[i] = v->null ? NULL : v->p;
		a->len[i] = v->len;
		a->format[i] = 1;
	}
}

/* Known to this connection, when it is kept. */
static int
known(struct pg *p, struct pg_stmt *s, const struct args *a)
{
	PGresult *res;
	int r;

	if (!s->name[0] || s->made == p->db.renewed + 1)
		return 0;
	if ((r = drain(p)) < 0)
		return r;
	res = PQprepare(p->c, s->name, s->sql, (int)s->n, a->type);
	r = is_good(res) ? 0 : fail(p, res);
	PQclear(res);
	if (r == 0)
		s->made = p->db.renewed + 1;
	return r;
}

/* A long export is not fetched as a whole: a cursor, in a transaction of its own ([PG] DECLARE). */
static int
declare(struct pg *p, struct pg_stmt *s, const struct args *a)
{
	size_t size = strlen(s->sql) + 64;
	char *sql = malloc(size);
	PGresult *res;
	int r;

	if (!sql)
		return p->failed = ERR_NOMEM;
	snprintf(sql, size, "DECLARE il_export NO SCROLL CURSOR FOR %s", s->sql);
	if ((r = simple(p, "BEGIN")) == 0) {
		res = PQexecParams(p->c, sql, (int)s->n, a->type, a->value, a->len, a->format, 1);
		r = is_good(res) ? 0 : fail(p, res);
		PQclear(res);
		if (r < 0 && !p->db.lost)
			(void)simple(p, "ROLLBACK");
	}
	free(sql);
	s->cursor = p->cursor = r == 0;
	return r;
}

static int
fetch(struct pg *p, struct pg_stmt *s)
{
	PQclear(s->res);
	s->row = -1;
	s->res = PQexecParams(p->c, "FETCH " FETCH " FROM il_export", 0, NULL, NULL, NULL, NULL, 1);
	return is_good(s->res) ? 0 : fail(p, s->res);
}

/* A reader has QUERY_MS for each statement, or what db_until() gave it when that is more. */
static int
time_of(struct pg *p)
{
	uint64_t left =
	    p->db.until_ns > clock_mono_ns() ? (p->db.until_ns - clock_mono_ns()) / 1000000 : 0;
	bool longer = left > 2 * QUERY_MS;
	char sql[64];
	int r;

	if (p->writer || longer == p->longer || p->cursor)
		return 0;
	snprintf(sql, sizeof(sql), "SET statement_timeout = %llu",
	    longer ? (unsigned long long)left : (unsigned long long)QUERY_MS);
	if ((r = simple(p, sql)) == 0)
		p->longer = longer;
	return r;
}

static int
ask(struct pg *p, struct pg_stmt *s)
{
	struct args a;
	int r;

	if (s->again && !s->name[0])
		snprintf(s->name, sizeof(s->name), "il%u", p->names++);
	s->again = true;
	args_of(s, &a);
	if ((r = drain(p)) < 0 || (r = time_of(p)) < 0 || (r = known(p, s, &a)) < 0)
		return r;
	if (p->longer && !p->cursor && !s->name[0])
		return (r = declare(p, s, &a)) < 0 ? r : fetch(p, s);
	s->res = s->name[0]
		     ? PQexecPrepared(p->c, s->name, (int)s->n, a.value, a.len, a.format, 1)
		     : PQexecParams(p->c, s->sql, (int)s->n, a.type, a.value, a.len, a.format, 1);
	if (!is_good(s->res))
		return fail(p, s->res);
	count(p, s->res);
	return 0;
}

static int
pg_step(struct db_stmt *st)
{
	struct pg_stmt *s = stmt_of(st);
	struct pg *p = pg_of(st->db);
	int r;

	if (!s->ran) {
		if (st->db->lost && (p->writer || pg_ready(st->db) < 0))
			return ERR_AGAIN;
		s->row = -1;
		r = ask(p, s);
		if (r < 0 && st->db->lost && !p->writer) { /* it may be back already */
			PQclear(s->res);
			s->res = NULL;
			p->retry_ns = 0;
			if (pg_ready(st->db) == 0)
				r = ask(p, s);
		}
		if (r < 0)
			return r;
		s->ran = true;
	}
	if (++s->row < PQntuples(s->res))
		return DB_ROW;
	if (!s->cursor || PQntuples(s->res) == 0)
		return DB_DONE;
	if ((r = fetch(p, s)) < 0)
		return r;
	return ++s->row < PQntuples(s->res) ? DB_ROW : DB_DONE;
}

static void
pg_reset(struct db_stmt *st)
{
	struct pg_stmt *s = stmt_of(st);
	struct pg *p = pg_of(st->db);

	PQclear(s->res);
	s->res = NULL;
	s->ran = false;
	if (s->cursor) {
		s->cursor = p->cursor = false;
		(void)simple(p, "ROLLBACK");
	}
}

static int
pg_run(struct db_stmt *st)
{
	struct pg_stmt *s = stmt_of(st);
	struct pg *p = pg_of(st->db);
	struct args a;
	int r;

	if (!p->writer || !s->kept || !pg_in_tx(st->db)) {
		r = pg_step(st);
		pg_reset(st);
		return r < 0 ? r : 0;
	}
	if (st->db->lost)
		return ERR_AGAIN;
	args_of(s, &a);
	if ((r = known(p, s, &a)) < 0 || (r = pipe_on(p)) < 0)
		return r;
	return queued(
	    p, PQsendQueryPrepared(p->c, s->name, (int)s->n, a.value, a.len, a.format, 1));
}

static void
pg_finalize(struct db_stmt *st)
{
	struct pg_stmt *s = stmt_of(st);

	pg_reset(st);
	if (s->name[0] && !s->kept && s->made == st->db->renewed + 1 && !st->db->lost) {
		char sql[40];

		snprintf(sql, sizeof(sql), "DEALLOCATE %s", s->name);
		(void)pg_exec(st->db, sql);
	}
	for (unsigned i = 0; i < s->n; i++)
		free(s->v[i].p);
	free(s->sql);
	free(s);
}

/* --- columns ------------------------------------------------------------------------------------------ */

static bool
pg_null(struct db_stmt *st, int col)
{
	const struct pg_stmt *s = stmt_of(st);

	return !s->res || PQgetisnull(s->res, s->row, col);
}

static uint16_t
be16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* What sum() gives: digits of 10000, the first weighs 10000^weight ([PG] src/backend/utils/adt/numeric.c). */
static int64_t
numeric(const char *p)
{
	int digits = be16(p), weight = (int16_t)be16(p + 2);
	bool negative = be16(p + 4) == 0x4000;
	int64_t v = 0;

	for (int i = 0; i <= weight; i++)
		v = v * 10000 + (i < digits ? be16(p + 8 + 2 * i) : 0);
	return negative ? -v : v;
}

static int64_t
pg_i64(struct db_stmt *st, int col)
{
	const struct pg_stmt *s = stmt_of(st);
	const char *p;
	uint64_t v8;
	uint32_t v4;

	if (pg_null(st, col))
		return 0;
	p = PQgetvalue(s->res, s->row, col);
	switch (PQftype(s->res, col)) {
	case OID_BOOL:
		return *p != 0;
	case OID_INT2:
		return (int16_t)be16(p);
	case OID_INT4:
		memcpy(&v4, p, sizeof(v4));
		return (int32_t)be32toh(v4);
	case OID_INT8:
		memcpy(&v8, p, sizeof(v8));
		return (int64_t)be64toh(v8);
	case OID_NUMERIC:
		return numeric(p);
	default:
		return strtoll(p, NULL, 10);
	}
}

static const void *
pg_blob(struct db_stmt *st, int col)
{
	const struct pg_stmt *s = stmt_of(st);

	return pg_null(st, col) ? NULL : PQgetvalue(s->res, s->row, col);
}

static size_t
pg_bytes(struct db_stmt *st, int col)
{
	const struct pg_stmt *s = stmt_of(st);

	return pg_null(st, col) ? 0 : (size_t)PQgetlength(s->res, s->row, col);
}

static const char *
pg_text(struct db_stmt *st, int col)
{
	struct pg_stmt *s = stmt_of(st);
	char *number;

	if (pg_null(st, col))
		return NULL;
	switch (PQftype(s->res, col)) {
	case OID_BOOL:
	case OID_INT2:
	case OID_INT4:
	case OID_INT8:
	case OID_NUMERIC:
		number = s->number[s->at++ % (sizeof(s->number) / sizeof(s->number[0]))];
		snprintf(number, sizeof(s->number[0]), "%lld", (long long)pg_i64(st, col));
		return number;
	default:
		return PQgetvalue(s->res, s->row, col);
	}
}

/* --- several collectors -------------------------------------------------------------------- */

static bool
pg_leads(struct db *db)
{
	struct pg *p = pg_of(db);

	if (!p->leads)
		p->leads = db_number(db, 0, "SELECT pg_try_advisory_lock(" LOCK_LEAD ")", "") == 1;
	return p->leads;
}

static const struct db_migration migrations[] = {
#define MIGRATION(version, sql) {version, sql},
#include "collector/schema_pg.def"
#undef MIGRATION
    {0, NULL}};

const struct db_backend db_pg = {
    .open = pg_open,
    .close = pg_close,
    .exec = pg_exec,
    .begin = pg_begin,
    .in_tx = pg_in_tx,
    .failed = pg_failed,
    .error = pg_error,
    .changes = pg_changes,
    .ready = pg_ready,
    .leads = pg_leads,
    .room = db_pg_room,
    .drop = db_pg_drop,
    .finds_like = true,
    .migrations = migrations,
    .schema = pg_schema,
    .set_schema = pg_set_schema,
    .prepare = pg_prepare,
    .bind = pg_bind,
    .step = pg_step,
    .run = pg_run,
    .reset = pg_reset,
    .finalize = pg_finalize,
    .i64 = pg_i64,
    .blob = pg_blob,
    .bytes = pg_bytes,
    .text = pg_text,
    .null = pg_null,
};
