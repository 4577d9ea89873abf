/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collect.c - the process: its directory, its start, its housekeeping, its end.
 *
 *   DIR/collector.db            everything (store.h)
 *   DIR/ca.*, server.*, page.*  pki.h
 *   DIR/receipt.key, .pub       signs receipts; sensors pin its public half when they enrol
 *   DIR/audit.key, .pub, audit/ audit.h
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/audit.h"
#include "collector/auth.h"
#include "collector/bulletins.h"
#include "collector/collector.h"
#include "collector/enrol.h"
#include "collector/fleet.h"
#include "collector/prepared.h"
#include "collector/rollout.h"
#include "collector/forward.h"
#include "collector/guide.h"
#include "collector/http.h"
#include "collector/incident.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/notify.h"
#include "collector/pki.h"
#include "collector/propose.h"
#include "collector/query.h"
#include "collector/receive.h"
#include "collector/indicators.h"
#include "collector/share.h"
#include "collector/taxii.h"
#include "collector/relay.h"
#include "collector/sse.h"
#include "collector/static.h"
#include "collector/store.h"
#include "collector/stream.h"

#define DAY_MS	 INT64_C(86400000)
#define SILENT_S 30
#define KEEP_D	 365
#define SWEPT	 32u  /* incidents that are told at a time */
#define PARTS	 32   /* of the time alerts are kept for, where they are removed by stretches */
#define SWEEP_N	 5000 /* rows removed at a time, so that nobody waits for it */

const struct route routes[] = {
#define ROUTE(side, role, method, path, most, run)                                                 \
	{SIDE_##side, ROLE_##role, method, path, most, run},
#include "collector/routes.def"
#undef ROUTE
    {0},
};

char *
collector_path(const char *dir, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", dir, name);
	return buf;
}

#define DB_FILE "collector.db"
#define DB_URL	"database.url"

int
collector_store_path(const char *dir, const char *said, char *buf, size_t size)
{
	char path[512];
	FILE *f;

	if (said) {
		snprintf(buf, size, "%s", said);
		return strlen(said) < size ? 0 : ERR_RANGE;
	}
	if (!(f = fopen(collector_path(dir, DB_URL, path, sizeof(path)), "re"))) {
		collector_path(dir, DB_FILE, buf, size);
		return errno == ENOENT ? 0 : err_from_errno(errno);
	}
	if (!fgets(buf, (int)size, f))
		buf[0] = '\0';
	(void)fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	return db_is_url(buf) ? 0 : ERR_FORMAT;
}

/* So that whoever works with the directory finds the data base. */
static int
keep_url(const char *dir, const char *url, char *err, size_t err_size)
{
	char path[512];
	int fd = open(collector_path(dir, DB_URL, path, sizeof(path)),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok = f && fprintf(f, "%s\n", url) > 0;

	if (f)
		ok = fclose(f) == 0 && ok;
	return ok ? 0
		  : err_say(err, err_size, err_from_errno(errno), "%s: %s", path, strerror(errno));
}

static int
make_key(const char *dir, const char *name, char *err, size_t err_size)
{
	char path[512];
	struct key k;
	int r = 0;

	if (access(collector_path(dir, name, path, sizeof(path)), F_OK) == 0)
		return 0;
	key_init(&k);
	r = key_save(&k, path, err, err_size);
	key_wipe(&k);
	return r;
}

int
collector_init(const char *dir, const char *host, const char *store, uint64_t cert_s, char *err,
    size_t err_size)
{
	char path[STORE_PATH_MAX];
	struct store *s = NULL;
	int r;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", dir, strerror(errno));
	if ((r = pki_init(dir, host, cert_s, err, err_size)) < 0 ||
	    (r = make_key(dir, "receipt.key", err, err_size)) < 0 ||
	    (r = make_key(dir, "audit.key", err, err_size)) < 0)
		return r;
	if ((r = collector_store_path(dir, store, path, sizeof(path))) < 0)
		return err_say(err, err_size, r, "%s/" DB_URL ": %s", dir, err_str(r));
	r = store_open(&s, path, err, err_size);
	store_close(s);
	return r == 0 && store && db_is_url(store) ? keep_url(dir, store, err, err_size) : r;
}

void
collector_free(struct collector *co)
{
	if (!co)
		return;
	atomic_store(&co->stop, true);
	if (co->bus)
		bus_stop(co->bus);
#ifdef HAVE_SEND
	forward_free(co->forward);
#endif
	notify_free(co->notify);
	http_free(co->http);
#ifdef HAVE_NATS
	stream_free(co->stream);
#endif
	audit_free(co->audit);
	store_close(co->store);
	auth_free(co->auth);
	bus_free(co->bus);
	guide_free(co->guide);
	key_wipe(&co->receipt_key);
	free(co->ca_pem);
	free(co);
}

struct collector *
collector_new(const struct collector_conf *conf, char *err, size_t err_size)
{
	struct collector *co = calloc(1, sizeof(*co));
	char path[STORE_PATH_MAX], store[STORE_PATH_MAX];
	int r;

	if (!co) {
		(void)err_say(err, err_size, ERR_NOMEM, "out of memory");
		return NULL;
	}
	co->conf = *conf;
	if ((r = collector_store_path(conf->dir, conf->store, store, sizeof(store))) < 0) {
		(void)err_say(err, err_size, r, "%s/" DB_URL ": %s", conf->dir, err_str(r));
		goto fail;
	}
	if (key_load(&co->receipt_key, collector_path(conf->dir, "receipt.key", path, sizeof(path)),
		err, err_size) < 0 ||
	    pki_ca(conf->dir, &co->ca_pem, err, err_size) < 0 ||
	    store_open(&co->store, store, err, err_size) < 0 ||
	    !(co->audit = audit_new(co, err, err_size)))
		goto fail;
	snprintf(co->name, sizeof(co->name), "collector:%s", co->receipt_key.kid);
	co->auth = auth_new(co->store);
	co->bus = bus_new();
	co->guide = guide_new();
	if (!co->auth || !co->bus || !co->guide) {
		(void)err_say(err, err_size, ERR_NOMEM, "out of memory");
		goto fail;
	}
	jump_start(co);
	(void)guide_load(co); /* one that is not in order is no reason to be deaf */
#ifdef HAVE_NATS
	if (conf->nats && stream_new(&co->stream, co, err, err_size) < 0)
		goto fail;
#endif
	if (!(co->http = http_new(co, err, err_size)))
		goto fail;
	if (!(co->notify = notify_new(co))) {
		(void)err_say(err, err_size, ERR_NOMEM, "no thread for notifications");
		goto fail;
	}
#ifdef HAVE_SEND
	if (forward_new(&co->forward, co, err, err_size) < 0)
		goto fail;
#endif
	return co;
fail:
	collector_free(co);
	return NULL;
}

/* --- housekeeping ----------------------------------------------------------------------- */

struct sweep {
	int64_t now_ms, silent_ms, keep_ms, beats_ms, quiet_ms;
	int64_t sensor[SWEPT], incident[SWEPT]; /* 0: none */
	unsigned n;
	bool more, held; /* held: jump.h */
};

/* Sensors that were not heard for a while, once each time. */
static int
silent_job(struct store_tx *tx, void *ctx)
{
	struct sweep *s = ctx;
	struct db_stmt *st = db_query(tx_db(tx),
	    "SELECT id, name, site, last_seen, kind FROM sensor WHERE state = ? AND silent = 0 AND "
	    "last_seen > 0"
	    " AND last_seen < ? AND NOT EXISTS (SELECT 1 FROM via v JOIN sensor r ON r.id = v.relay"
	    " WHERE v.sensor = sensor.id AND r.silent = 1) LIMIT ?", /* then the relay is told of */
	    "iii", (int64_t)SENSOR_ACTIVE, s->now_ms - s->silent_ms, (int64_t)SWEPT);
	int r = 0;

	while (st && r == 0 && db_step(st) == DB_ROW) {
		struct incident_what w = {.kind = INCIDENT_SENSOR,
		    .sev = 1,
		    .title = db_int(st, 4) == KIND_SENSOR
				 ? "the sensor is silent: no batch, not even an empty one"
				 : "the relay is silent: nothing of the sensors behind it comes",
		    .rule = "sensor.silent",
		    .sensor = db_text(st, 1),
		    .site = db_text(st, 2),
		    .time_ms = s->now_ms};

		s->sensor[s->n] = db_i64(st, 0);
		s->incident[s->n] = incident_tell(tx, &w, NULL);
		r = s->incident[s->n] < 0 ? (int)s->incident[s->n]
					  : incident_say(tx, s->incident[s->n], s->now_ms,
						"collector", SAID_SILENT, NULL);
		if (r == 0)
			r = tx_exec(
			    tx, "UPDATE sensor SET silent = 1 WHERE id = ?", "i", s->sensor[s->n]);
		s->n++;
	}
	db_finalize(st);
	return r;
}

/* Incidents that nobody took up and that went quiet.  A silent sensor is quiet by nature: it is over when it is heard. */
static int
quiet_job(struct store_tx *tx, void *ctx)
{
	struct sweep *s = ctx;
	struct db_stmt *st = db_query(tx_db(tx),
	    "SELECT id FROM incident WHERE state = ? AND last < ? AND rule <> 'sensor.silent' "
	    "LIMIT ?",
	    "iii", (int64_t)INCIDENT_OPEN, s->now_ms - s->quiet_ms, (int64_t)SWEPT);
	int r = 0;

	while (st && s->n < SWEPT && db_step(st) == DB_ROW)
		s->incident[s->n++] = db_i64(st, 0);
	db_finalize(st);
	for (unsigned i = 0; i < s->n && r == 0; i++) {
		r = tx_run(tx, ST_INCIDENT_OVER, "i", s->incident[i]);
		if (r == 0)
			r = incident_say(
			    tx, s->incident[i], s->now_ms, "collector", SAID_QUIET, NULL);
	}
	return r;
}

/* A batch that is not at the collector above yet. */
#define UNSENT                                                                                     \
	"EXISTS (SELECT 1 FROM forward f WHERE f.sensor = batch.sensor AND"                        \
	" (batch.epoch, batch.number) > (f.epoch, f.batch))"

/* The newest of the oldest batches that hold some SWEEP_N alerts and are older than that; 0: none. */
static int64_t
sweep_to(struct db *db, int64_t before_ms)
{
	struct db_stmt *st =
	    db_query(db, "SELECT id, n, time, " UNSENT " FROM batch ORDER BY id LIMIT 500", "");
	int64_t last = 0, n = 0;

	while (st && db_step(st) == DB_ROW && n < SWEEP_N && db_i64(st, 2) < before_ms &&
	       !db_int(st, 3)) {
		last = db_i64(st, 0);
		n += db_i64(st, 1);
	}
	db_finalize(st);
	return last;
}

/* Incidents that are over, and what was said and done about them. */
#define OVER "(SELECT id FROM incident WHERE last < ? AND state = 2)"
static const char *const of_incident[] = {
    "DELETE FROM incident_log WHERE incident IN " OVER,
    "DELETE FROM step WHERE incident IN " OVER,
    "DELETE FROM incident WHERE id IN " OVER,
};

/* Oldest first, whole batches, a bounded number at a time. */
static int
retention_job(struct store_tx *tx, void *ctx)
{
	struct sweep *s = ctx;
	struct db *db = tx_db(tx);
	int64_t last;
	int r = db_room(db, s->now_ms, s->keep_ms / PARTS < DAY_MS ? DAY_MS : s->keep_ms / PARTS);

	if (r < 0 || s->held)
		return r;
	r = db_drop(db, s->now_ms - s->keep_ms, UNSENT);
	last = r == 0 ? sweep_to(db, s->now_ms - s->keep_ms) : 0;
	r = r < 0 ? r : 0;
	if (last > 0) {
		r = tx_exec(
		    tx, "DELETE FROM alert WHERE id < ?", "i", (last + 1) * ALERTS_PER_BATCH);
		if (r == 0)
			r = tx_exec(tx, "DELETE FROM batch WHERE id <= ?", "i", last);
		s->more = true;
	}
	if (r == 0)
		r = tx_exec(tx, "DELETE FROM evidence WHERE time < ?", "i", s->now_ms - s->keep_ms);
	/* A heartbeat is worth its line in the chain for a while; what it stood for is in `sensor`. */
	if (r == 0)
		r = tx_exec(tx,
		    "DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE n = 0 AND time < ? "
		    "AND NOT " UNSENT " LIMIT ?)",
		    "ii", s->now_ms - s->beats_ms, (int64_t)SWEEP_N);
	if (r == 0 && db_changes(db) == SWEEP_N)
		s->more = true;
	if (r == 0)
		r = tx_exec(
		    tx, "DELETE FROM minute WHERE t < ?", "i", (s->now_ms - 7 * DAY_MS) / 60000);
	if (r == 0)
		r = tx_exec(tx, "DELETE FROM agg WHERE hour < ? AND dim IN (0, 1, 2, 3)", "i",
		    (s->now_ms - s->keep_ms) / 3600000);
	for (size_t i = 0; i < sizeof(of_incident) / sizeof(of_incident[0]) && r == 0; i++)
		r = tx_exec(tx, of_incident[i], "i", s->now_ms - s->keep_ms);
	if (r == 0)
		r = tx_exec(tx, "DELETE FROM audit WHERE time < ?", "i", s->now_ms - s->keep_ms);
	return r;
}

/* --- certificates ------------------------------------------------------------------------ */

#define CERT_RETRY_S 600

/* Show what lies in the directory; a certificate of our own first has another one made when it is due. */
static void
certificates(struct collector *co, int64_t now_s, int64_t *due_s, bool asked)
{
	char err[300];
	int r = pki_renew_server(co->conf.dir, co->conf.cert_s, now_s, due_s, err, sizeof(err));

	if (r > 0)
		(void)pki_renew_server(
		    co->conf.dir, co->conf.cert_s, now_s, due_s, err, sizeof(err));
	if (r == 0 && !asked)
		return;
	for (unsigned page = 0; page < 2 && r >= 0; page++)
		if (page == 0 || !co->conf.plain)
			r = pki_listen(co->conf.dir, page == 1, err, sizeof(err)) < 0 ? -1 : r;
	if (r < 0) {
		log_error("certificate: %s", err);
		*due_s = now_s + CERT_RETRY_S;
	}
	audit_own(co, "certificate", r < 0 ? err : r > 0 ? "server.crt renewed" : "read again");
}

/* SIGHUP: what lies in files is read again. */
static void
read_again(struct collector *co, int64_t now_s, int64_t *due_s)
{
	audit_own(co, "library", guide_load(co) ? "read again" : "refused; what was is in force");
	certificates(co, now_s, due_s, true);
}

static void
sweep(struct collector *co, store_job job, struct sweep *s)
{
	s->n = 0;
	memset(s->sensor, 0, sizeof(s->sensor));
	if (store_write(co->store, job, s) < 0)
		return;
	for (unsigned i = 0; i < s->n; i++) {
		sse_incident(co->bus, s->incident[i]);
		if (s->sensor[i] > 0)
			sse_sensor(co->bus, s->sensor[i]);
	}
}

int
collector_run(struct collector *co)
{
	struct sweep s = {0};
	int64_t due_s = 0, last_ms = 0;
	unsigned tick = 0;
	bool leads = false; /* of the collectors at this data base */
	sigset_t set;

	s.silent_ms = (int64_t)(co->conf.silent_s ? co->conf.silent_s : SILENT_S) * 1000;
	s.beats_ms = (int64_t)(co->conf.beats_days ? co->conf.beats_days : 1) * DAY_MS;
	s.quiet_ms = (int64_t)co->conf.quiet_s * 1000;
	s.keep_ms = (int64_t)(co->conf.keep_days ? co->conf.keep_days : KEEP_D) * DAY_MS;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	audit_own(co, "start", "");
	while (!atomic_load(&co->stop)) {
		const struct timespec wait = {0, SSE_TICK_MS * 1000000L};

		int sig = sigtimedwait(&set, NULL, &wait);

		if (sig == SIGHUP)
			read_again(co, (int64_t)(clock_wall_ns() / NS_PER_S), &due_s);
		else if (sig > 0)
			break;
		bus_tick(co->bus);
		if (++tick % 2 == 0)
			http_reap(co->http);
		s.now_ms = jump_look(co);
		s.held = jump_held(co);
		if (s.now_ms < last_ms - JUMP_MS) /* a certificate may be of the future now */
			due_s = 0;
		last_ms = s.now_ms;
		if (tick % 4 == 0)
			leads = store_leads(co->store);
		if (tick % 4 == 0 && leads)
			sweep(co, silent_job, &s);
		if (tick % 4 == 3 && leads)
			rollout_turn(co, s.now_ms);
		if (s.now_ms / 1000 >= due_s && (due_s == 0 || !s.held))
			certificates(co, s.now_ms / 1000, &due_s, false);
		if (tick % 4 == 2 && s.quiet_ms > 0 && leads && !s.held)
			sweep(co, quiet_job, &s);
		if ((tick % 120 == 5 || s.more) && leads) {
			s.more = false;
			sweep(co, retention_job, &s);
		}
	}
	audit_own(co, "stop", "");
	return 0;
}
