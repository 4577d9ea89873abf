/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect_test.c - the collector without its listeners: what a body may be, what a line becomes, what
 * the writer keeps when something fails, what folds into one incident, whose password is good.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef HAVE_COLLECTOR
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "collector/auth.h"
#include "collector/collector.h"
#ifdef HAVE_PG
#include "collector/db_pg.h"
#endif
#include "collector/feed.h"
#include "collector/incident.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/store.h"

#define NOW INT64_C(1795923600000)

static struct key key;
static struct key_set keys;
static char dir[] = "/dev/shm/interlock-collect-XXXXXX";
static struct store *store;

/* --- helpers ------------------------------------------------------------------------- */

static char *
line_text(char *buf, size_t size, uint64_t seq, const char *src, const char *rule)
{
	snprintf(buf, size,
	    "{\"timestamp\":\"2026-11-29T10:00:00.123456+0000\",\"event_type\":\"alert\",\"src_"
	    "ip\":\"10.0.0.1\","
	    "\"dest_ip\":\"10.0.0.2\",\"dest_port\":502,\"proto\":\"TCP\",\"app_proto\":\"modbus\","
	    "\"alert\":{\"action\":"
	    "\"blocked\",\"signature_id\":1000000007,\"severity\":1,\"signature\":\"s\","
	    "\"metadata\":{\"il_seq\":[\"%llu\"],"
	    "\"il_src\":[\"%s\"],\"il_rule\":[\"%s\"],\"mitre_technique_id\":[\"T0855\",\"T0836\"]}"
	    "}}",
	    (unsigned long long)seq, src, rule);
	return buf;
}

/* A body of one batch behind prev; its length. */
static size_t
body_of(char *out, struct batch *b, unsigned n, const char *src, const char *rule)
{
	char *text = malloc(n * 1024u + 1), *p = text;
	uint8_t leaf[MERKLE_LEN];
	struct merkle m;
	size_t len;

	merkle_init(&m);
	for (unsigned i = 0; i < n; i++) {
		size_t k = strlen(line_text(p, 1024, b->first + i, src, rule));

		merkle_leaf(p, k, leaf);
		merkle_add(&m, leaf);
		p[k] = '\n';
		p += k + 1;
	}
	b->n = n;
	b->last = b->first + n - 1;
	crypto_sha256(text, (size_t)(p - text), b->sha256);
	merkle_root(&m, b->root);
	len = batch_sign(b, &key, out);
	crypto_sha256(out, len, b->prev); /* of the next one */
	out[len++] = '\n';
	memcpy(out + len, text, (size_t)(p - text));
	len += (size_t)(p - text);
	free(text);
	return len;
}

static int
sensor_job(struct store_tx *tx, void *ctx)
{
	(void)ctx;
	return tx_exec(tx,
	    "INSERT INTO sensor(name, site, state, created, nid) VALUES('s', '', ?, 0, ?)", "ii",
	    (int64_t)SENSOR_ACTIVE, tx_name(tx, "s", 1));
}

static int
set_up(void **state)
{
	char path[64], err[256];

	(void)state;
	log_set_level(LOG_L_ERROR);
	key_init(&key);
	(void)key_set_add(&keys, &key);
	if (!mkdtemp(dir) ||
	    store_open(&store, collector_path(dir, "db", path, sizeof(path)), err, sizeof(err)) < 0)
		return -1;
	return store_write(store, sensor_job, NULL);
}

static int
tear_down(void **state)
{
	static const char *const files[] = {
	    "db", "db-wal", "db-shm", "copy", "copy-wal", "copy-shm"};
	char path[64];

	(void)state;
	store_close(store);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlink(collector_path(dir, files[i], path, sizeof(path)));
	return rmdir(dir);
}

static int64_t
count(const char *sql)
{
	struct db *db = store_get(store);
	int64_t n = db_number(db, -1, sql, "");

	store_put(store, db);
	return n;
}

/* --- what a body may be ---------------------------------------------------------------- */

/* Ends at a page that may not be read. */
static int
parse(const char *body, size_t n, struct ingest *in)
{
	static char *pages;
	size_t size = 65536;
	char err[300];

	if (!pages) {
		pages = mmap(
		    NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_int_equal(mprotect(pages + size, 4096, PROT_NONE), 0);
	}
	assert_true(n <= size);
	memcpy(pages + size - n, body, n);
	return ingest_parse(in, pages + size - n, n, &keys, "s", err, sizeof(err));
}

static void
bodies(void **state)
{
	struct batch b = {
	    .iss = "s", .epoch = 7, .number = 1, .first = 1, .oldest = 1, .iat_ms = NOW};
	static char body[65536];
	struct ingest in;
	size_t n = body_of(body, &b, 3, "hmi", "poll"), one = n;

	(void)state;
	b.number = 2;
	b.first = 4;
	n += body_of(body + n, &b, 2, "hmi", "poll");
	assert_int_equal(parse(body, n, &in), 0);
	assert_int_equal(in.n, 2);
	assert_int_equal(in.batch[1].b.number, 2);
	assert_memory_equal(in.batch[0].row[2].text[FT_SRC].p, "hmi", 3);
	{
		char *text =
		    ingest_unpack(in.batch[0].packed, in.batch[0].packed_len, in.batch[0].size);

		assert_non_null(text);
		assert_memory_equal(text, body + in.batch[0].jws_len + 1, in.batch[0].size);
		free(text);
		assert_null(ingest_unpack(
		    in.batch[0].packed, in.batch[0].packed_len, in.batch[0].size + 1));
		assert_null(ingest_unpack(
		    in.batch[0].packed, in.batch[0].packed_len - 1, in.batch[0].size));
	}
	ingest_fini(&in);
	for (size_t cut = 0; cut < n; cut++) { /* every front of it: only whole batches are whole */
		int r = parse(body, cut, &in);

		assert_int_equal(r == 0, cut == one);
		ingest_fini(&in);
	}
	for (size_t at = 0; at < n; at += at % 7 + 1) { /* every bit counts */
		body[at] ^= 1;
		assert_true(parse(body, n, &in) < 0);
		body[at] ^= 1;
		ingest_fini(&in);
	}
}

/* --- what a line becomes ------------------------------------------------------------------ */

static void
lines(void **state)
{
	static const struct {
		const char *line;
		int r;
	} cases[] = {
	    {"{}", 0},
	    {"[]", ERR_FORMAT},
	    {"{", ERR_FORMAT},
	    {"{\"a\":1,\"a\":2}", ERR_FORMAT},
	    {"7", ERR_FORMAT},
	    {"{\"alert\":7,\"timestamp\":[],\"src_ip\":{}}", 0},
	    {"{\"alert\":{\"severity\":99,\"metadata\":{\"il_src\":[7,[],\"\"]}}}", 0},
	    {"{\"alert\":{\"signature\":\"a\\u0000b\\nc\"}}", 0},
	};
	char text[4096], deep[4096];
	struct feed_arena a = {text, text + sizeof(text)};
	struct feed_row row;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    feed_line(cases[i].line, strlen(cases[i].line), &row, &a), cases[i].r);
		assert_in_range(row.sev, cases[i].r ? 0 : 1, 3);
	}
	assert_memory_equal(row.text[FT_SIG].p, "a?b?c", 5); /* no control character gets further */
	for (unsigned depth = FEED_DEPTH_MAX - 1; depth <= FEED_DEPTH_MAX; depth++) {
		int n = snprintf(deep, sizeof(deep), "{\"a\":%.*s%.*s}", (int)depth,
		    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", (int)depth,
		    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");

		assert_int_equal(
		    feed_line(deep, (size_t)n, &row, &a), depth < FEED_DEPTH_MAX ? 0 : ERR_FORMAT);
	}
	a = (struct feed_arena){text, text + 3};
	assert_int_equal(feed_line("{\"src_ip\":\"1.2.3.4\"}", 20, &row, &a), ERR_FULL);
}

/* The two readers of a line: which the quick one takes, and that they agree, also on lines of which one byte is another. */
static void
halves(const char *line, size_t n, bool quick)
{
	static char texts[2][4096];
	struct feed_arena a = {texts[0], texts[0] + sizeof(texts[0])},
			  b = {texts[1], texts[1] + sizeof(texts[1])};
	struct feed_row q, t;
	bool took = feed_quick(line, n, &q, &a);

	if (quick != took)
		fail_msg("%s: %.*s", took ? "taken" : "not taken", (int)n, line);
	if (!took) {
		assert_ptr_equal(a.p, texts[0]);
		return;
	}
	if (feed_tree(line, n, &t, &b) != 0)
		fail_msg("only the quick one takes: %.*s", (int)n, line);
	assert_int_equal(q.time_ms, t.time_ms);
	assert_int_equal(q.seq, t.seq);
	assert_int_equal(q.sid, t.sid);
	assert_int_equal(q.sev, t.sev);
	assert_int_equal(q.blocked, t.blocked);
	assert_int_equal(q.count, t.count);
	assert_int_equal(q.sport, t.sport);
	assert_int_equal(q.dport, t.dport);
	for (unsigned i = 0; i < FT_N; i++) {
		assert_int_equal(q.text[i].n, t.text[i].n);
		if (q.text[i].n)
			assert_memory_equal(q.text[i].p, t.text[i].p, q.text[i].n);
	}
}

static void
two_readers(void **state)
{
	static const struct {
		bool quick;
		const char *line;
	} cases[] = {
	    {true,
		"{\"timestamp\":\"2026-11-23T12:00:00.123456+0200\",\"flow_id\":7,\"event_type\":"
		"\"alert\",\"src_ip\":"
		"\"10.1.0.2\",\"src_port\":40000,\"dest_ip\":\"10.2.0.1\",\"dest_port\":502,"
		"\"proto\":\"TCP\","
		"\"direction\":\"to_server\",\"app_proto\":\"modbus\",\"alert\":{\"action\":"
		"\"blocked\",\"gid\":62443,"
		"\"signature_id\":1000000001,\"signature\":\"write \xe6\xb0\xb4 not "
		"\\\"allowed\\\"\",\"severity\":2,\"metadata\":"
		"{\"il_seq\":[\"17\"],\"il_count\":[\"3\"],\"il_rule\":[\"r\"],\"il_dst\":[\"plc\","
		"\"x\"],\"il_src\":\"hmi\","
		"\"mitre_technique_id\":[\"T0855\",\"\",7,\"T0836\"],\"il_pdu\":[\"AA\\/=\"]}}}"},
	    {true,
		" { \"alert\" : [ { } , null , true , false , -0 , 12 ] , \"proto\" : \"UDP\" }"},
	    {true, "{\"alert\":{\"severity\":99,\"signature_id\":-1,\"metadata\":{\"il_src\":[7,[],"
		   "\"\"]}}}"},
	    {true, "{\"alert\":{\"metadata\":7},\"src_port\":\"x\",\"src_ip\":\"a\\nb\\\\\x7f\","
		   "\"\":{}}"},
	    {true, "{\"alert\":{\"signature_id\":90,\"metadata\":{\"il_count\":[\"5\"],\"il_seq\":"
		   "\"5\"}}}"},
	    {false, "{\"a\":1,\"a\":2}"},
	    {false, "{\"b\":1,\"a\":{\"b\":1,\"c\":2,\"b\":3}}"},
	    {false, "{\"a\":1.5}"},
	    {false, "{\"a\":01}"},
	    {false, "{\"a\":1234567890123456789}"},
	    {false, "{\"a\":\"\\u0041\"}"},
	    {false, "{\"a\":\"\xc0\x80\"}"},
	    {false, "{\"a\":\"\xed\xa0\x80\"}"},
	    {false, "{\"a\":\"\t\"}"},
	    {false, "{\"a\":tru}"},
	    {false, "{\"a\":1,}"},
	    {false, "{\"a\":[1,]}"},
	    {false, "{\"a\":1}x"},
	    {false, "{\"a\":1"},
	    {false, "[]"},
	    {false, ""},
	};
	static const char bytes[] = "\"\\{}[],: 0-.eu\x01\x7f\x80\xc3\xffn";
	char line[1024];
	size_t took = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		halves(cases[i].line, strlen(cases[i].line), cases[i].quick);
	for (size_t i = 0; i < 5; i++) {
		size_t n = strlen(cases[i].line);
		struct feed_row row;

		for (size_t k = 0; k < n * (sizeof(bytes) - 1); k++) {
			static char texts[4096];
			struct feed_arena a = {texts, texts + sizeof(texts)};
			bool quick;

			memcpy(line, cases[i].line, n);
			line[k % n] = bytes[k / n];
			quick = feed_quick(line, n, &row, &a);
			took += quick;
			halves(line, n, quick);
		}
		for (size_t k = 0; k < n; k++) { /* cut off */
			memcpy(line, cases[i].line, k);
			halves(line, k, false);
		}
	}
	assert_true(took > 1000); /* these ran, and not only into the first quote */
}

static void
times(void **state)
{
	static const struct {
		const char *s;
		int64_t ms;
	} cases[] = {
	    {"1970-01-01T00:00:00.000000+0000", 0},
	    {"2026-11-23T10:00:00.123456+0000", INT64_C(1795428000123)},
	    {"2026-11-23T12:00:00.123456+0200", INT64_C(1795428000123)},
	    {"2026-11-23T08:30:00.123456-0130", INT64_C(1795428000123)},
	    {"2026-11-23T10:00:00+0000", INT64_C(1795428000000)},
	    {"2024-02-29T23:59:60.999999+0000", INT64_C(1709251200999)},
	    {"2100-03-01T00:00:00.000000+0000", INT64_C(4107542400000)},
	    {"2000-12-31T00:00:00.000000+0000", INT64_C(978220800000)},
	    {"2026-13-23T10:00:00.123456+0000", -1},
	    {"2026-11-23 10:00:00.123456+0000", -1},
	    {"2026-11-23T10:00:00.123456", -1},
	    {"", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(feed_time(cases[i].s, strlen(cases[i].s)), cases[i].ms);
}

/* --- what the writer keeps ---------------------------------------------------------------- */

struct step {
	const char *name;
	int r;
	int64_t id;
};

static int
name_job(struct store_tx *tx, void *ctx)
{
	struct step *s = ctx;

	s->id = tx_name(tx, s->name, strlen(s->name));
	return s->r;
}

static void
rolled_back(void **state)
{
	struct step good = {"kept", 0, 0}, bad = {"gone", ERR_FORMAT, 0}, other = {"other", 0, 0},
		    again = {"gone", 0, 0};
	char sql[100];

	(void)state;
	assert_int_equal(store_write(store, name_job, &good), 0);
	assert_int_equal(store_write(store, name_job, &bad), ERR_FORMAT);
	assert_int_equal(count("SELECT count(*) FROM name WHERE text = 'gone'"), 0);
	/* Its number is given to the next; who asks for the name again must not get that one. */
	assert_int_equal(store_write(store, name_job, &other), 0);
	assert_int_equal(store_write(store, name_job, &again), 0);
	assert_int_not_equal(again.id, other.id);
	snprintf(sql, sizeof(sql), "SELECT id FROM name WHERE text = 'gone'");
	assert_int_equal(count(sql), again.id);
}

/* Jobs that wait together and may be run again: one that fails takes nothing from the others. */
static atomic_uint waiting;
static atomic_bool opened;

static int
gate_job(struct store_tx *tx, void *ctx)
{
	(void)tx;
	(void)ctx;
	while (!atomic_load(&opened))
		usleep(1000);
	return 0;
}

static void *
gate_main(void *arg)
{
	(void)arg;
	assert_int_equal(store_write(store, gate_job, NULL), 0);
	return NULL;
}

static void *
again_main(void *arg)
{
	struct step *s = arg;

	atomic_fetch_add(&waiting, 1);
	assert_int_equal(store_write_again(store, name_job, s), s->r);
	return NULL;
}

static void
together(void **state)
{
	struct step steps[] = {
	    {"first of three", 0, 0}, {"second of three", ERR_FORMAT, 0}, {"third of three", 0, 0}};
	pthread_t gate, t[3];

	(void)state;
	assert_int_equal(pthread_create(&gate, NULL, gate_main, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, again_main, &steps[i]), 0);
	while (atomic_load(&waiting) < 3)
		usleep(1000);
	usleep(20000); /* mostly they are in one transaction then */
	atomic_store(&opened, true);
	assert_int_equal(pthread_join(gate, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(
	    count("SELECT count(*) FROM name WHERE text IN ('first of three', 'third of three')"),
	    2);
	assert_int_equal(count("SELECT count(*) FROM name WHERE text = 'second of three'"), 0);
	assert_int_equal(store_write_again(store, name_job, &steps[2]), 0);
	assert_int_equal(count("SELECT id FROM name WHERE text = 'third of three'"), steps[2].id);
}

static void
newer_schema(void **state)
{
	char path[64], copy[64], err[256];
	struct store *s;
	struct db *db;

	(void)state;
	collector_path(dir, "db", path, sizeof(path));
	collector_path(dir, "copy", copy, sizeof(copy));
	assert_int_equal(db_backup(path, copy, err, sizeof(err)), 0); /* while it is open */
	assert_int_equal(db_backup(path, copy, err, sizeof(err)), ERR_EXISTS);
	assert_int_equal(db_open(&db, copy, DB_WRITER, err, sizeof(err)), 0);
	assert_int_equal(db_number(db, 0, "SELECT count(*) FROM sensor", ""), 1);
	assert_int_equal(db_exec(db, "PRAGMA user_version = 99"), 0);
	assert_int_equal(db_close(db), 0);
	assert_int_equal(store_open(&s, copy, err, sizeof(err)), ERR_UNSUPPORTED);
	assert_non_null(strstr(err, "newer"));
}

#ifdef HAVE_PG
/* --- SQL for PostgreSQL -------------------------------------------------------------------------- */

static const int newest[2][100] = {{
#define MIGRATION(version, sql) version,
#include "collector/schema.def"
				   },
    {
#include "collector/schema_pg.def"
#undef MIGRATION
    }};

/* Both schemas are of the same day. */
static void
schemas(void **state)
{
	int most[2] = {0, 0};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 100; k++)
			most[i] = newest[i][k] > most[i] ? newest[i][k] : most[i];
	assert_int_equal(most[0], most[1]);
	assert_true(most[0] > 0);
}

static void
dialect(void **state)
{
	static const struct {
		const char *sql, *want;
		unsigned values;
		uint64_t used;
	} cases[] = {
	    {"SELECT 1", "SELECT 1", 0, 0},
	    {"VALUES(?, ?)", "VALUES($1, $2)", 2, 3},
	    {"a = ?3 OR b = ?1 OR c = ?3", "a = $3 OR b = $1 OR c = $3", 3, 5},
	    {"x = ?32", "x = $32", 32, UINT64_C(1) << 31},
	    {"t LIKE ?1 ESCAPE '\\'", "t ILIKE $1 ESCAPE '\\'", 1, 1},
	    {"'? LIKE user ''?''' || ?", "'? LIKE user ''?''' || $1", 1, 1},
	    {"SELECT user, p.user, users, user_id, 'user' FROM user",
		"SELECT \"user\", p.\"user\", users, user_id, 'user' FROM \"user\"", 0, 0},
	    {"FROM alert a INDEXED BY alert_time WHERE x", "FROM alert a  WHERE x", 0, 0},
	    {"FROM alert INDEXED BY alert_time", "FROM alert ", 0, 0},
	    {"?,?,?,?,?,?,?,?,?,?,?", "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11", 11, 0x7ff},
	    {"x = ?33", NULL, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned values;
		uint64_t used;
		char *got = db_pg_sql(cases[i].sql, 32, &values, &used);

		if (cases[i].want) {
			assert_string_equal(got, cases[i].want);
			assert_int_equal(values, cases[i].values);
			assert_int_equal(used, cases[i].used);
		} else {
			assert_null(got);
		}
		free(got);
	}
}
#endif

/* --- the chain, and sums ---------------------------------------------------------------------- */

static void
ingest(const char *body, size_t n, struct ingest_job *job, int r)
{
	struct ingest in;

	assert_int_equal(parse(body, n, &in), 0);
	*job = (struct ingest_job){.sensor = 1, .name = "s", .site = "", .in = &in, .now_ms = NOW};
	assert_int_equal(store_write_again(store, ingest_store, job), 0);
	assert_int_equal(job->result, r);
	ingest_fini(&in);
}

static void
chain(void **state)
{
	struct batch b = {.iss = "s",
			 .epoch = 7,
			 .number = 1,
			 .first = 1,
			 .oldest = 1,
			 .iat_ms = NOW},
		     was;
	static char body[65536], second[65536];
	struct ingest_job job;
	size_t n = body_of(body, &b, 5, "hmi", "poll"), m;

	(void)state;
	ingest(body, n, &job, INGEST_STORED);
	assert_int_equal(job.alerts, 5);
	assert_int_equal(job.n_incident, 1);
	b.number = 2;
	b.first = 6;
	was = b;
	m = body_of(second, &b, 4, "eng", "poll");
	ingest(second, m, &job, INGEST_STORED);
	ingest(second, m, &job, INGEST_STORED);
	assert_int_equal(job.duplicate, 1);
	assert_int_equal(job.stored, 0);
	n = body_of(body, &was, 3, "eng", "poll"); /* the same number, other lines */
	ingest(body, n, &job, INGEST_FORK);
	b.number = 4;
	b.first = 20;
	n = body_of(body, &b, 1, "eng", "poll");
	ingest(body, n, &job, INGEST_GAP);
	assert_int_equal(job.have_batch, 2);
	/* Everything that is counted is what is there. */
	assert_int_equal(count("SELECT count(*) FROM alert"), 9);
	assert_int_equal(count("SELECT sum(n) FROM agg WHERE dim = 0"), 9);
	assert_int_equal(count("SELECT sum(n) FROM agg WHERE dim = 1"), 9);
	assert_int_equal(count("SELECT sum(n) FROM agg WHERE dim = 3"), 18); /* either end */
	assert_int_equal(count("SELECT sum(n) FROM minute"), 9);
	assert_int_equal(count("SELECT sum(n) FROM edge"), 9);
	assert_int_equal(count("SELECT sum(n) FROM technique"), 18);
	assert_int_equal(count("SELECT sum(alerts) FROM incident WHERE kind = 0"), 9);
	assert_int_equal(count("SELECT count(*) FROM incident WHERE kind = 0"), 2);
}

/* --- incidents ---------------------------------------------------------------------------------- */

struct fold {
	struct incident_what w;
	int64_t id;
	bool close;
};

static int
fold_job(struct store_tx *tx, void *ctx)
{
	struct fold *f = ctx;

	f->id = incident_tell(tx, &f->w, "x");
	if (f->close)
		return tx_exec(tx, "UPDATE incident SET state = 2 WHERE id = ?", "i", f->id);
	return f->id < 0 ? (int)f->id : 0;
}

static int64_t
fold(const char *src, const char *rule, int64_t at, bool close)
{
	struct fold f = {.w = {.sensor = "f",
			     .src = src,
			     .dst = "d",
			     .rule = rule,
			     .title = "t",
			     .sev = 2,
			     .time_ms = at},
	    .close = close};

	assert_int_equal(store_write(store, fold_job, &f), 0);
	return f.id;
}

static void
folding(void **state)
{
	int64_t a = fold("a", "r", NOW, false);

	(void)state;
	assert_int_equal(fold("a", "r", NOW + INCIDENT_WINDOW_MS, false), a);
	assert_int_not_equal(fold("b", "r", NOW, false), a);
	assert_int_not_equal(fold("a", "q", NOW, false), a);
	assert_int_not_equal(fold("ar", "", NOW, false),
	    fold("a", "r", NOW, false));			/* fields do not run together */
	a = fold("a", "r", NOW + 3 * INCIDENT_WINDOW_MS, true); /* too late: another; then closed */
	assert_int_not_equal(fold("a", "r", NOW + 3 * INCIDENT_WINDOW_MS + 1, false), a);
}

/* --- people ----------------------------------------------------------------------------------------- */

static void
accounts(void **state)
{
	static const struct {
		const char *name, *password;
		int role, r;
	} cases[] = {
	    {"anna", "long enough", ROLE_VIEWER, 0},
	    {"anna", "another one", ROLE_ADMIN, 0},
	    {"bob", "short", ROLE_VIEWER, ERR_USAGE},
	    {"bob'; DROP TABLE user; --", "long enough", ROLE_VIEWER, ERR_USAGE},
	    {"", "long enough", ROLE_VIEWER, ERR_USAGE},
	    {"bob", "long enough", -1, ERR_USAGE},
	    {"bob", "long enough", ROLE_SENSOR, ERR_USAGE},
	};
	char err[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(auth_user_put(store, cases[i].name, cases[i].role,
				     cases[i].password, NOW, err, sizeof(err)),
		    cases[i].r);
	assert_int_equal(count("SELECT count(*) FROM user"), 1);
	assert_int_equal(count("SELECT role FROM user"), ROLE_ADMIN);
	assert_int_equal(
	    count("SELECT count(*) FROM user WHERE CAST(hash AS TEXT) LIKE '%another%'"), 0);
	assert_int_equal(auth_role_parse("analyst"), ROLE_ANALYST);
	assert_int_equal(auth_role_parse("root"), -1);
	assert_int_equal(auth_role_parse(NULL), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bodies),
	    cmocka_unit_test(lines),
	    cmocka_unit_test(two_readers),
	    cmocka_unit_test(times),
	    cmocka_unit_test(rolled_back),
	    cmocka_unit_test(together),
	    cmocka_unit_test(newer_schema),
#ifdef HAVE_PG
	    cmocka_unit_test(dialect),
	    cmocka_unit_test(schemas),
#endif
	    cmocka_unit_test(chain),
	    cmocka_unit_test(folding),
	    cmocka_unit_test(accounts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

#else

int
main(void)
{
	printf("1..1\nok 1 # skip built without the collector\n");
	return 0;
}

#endif
