/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c - see forward.h.
 *
 * One thread.  A peer is a sensor of ours as the collector above has it: where its chain is there, what was announced of it
 * (a hash, so that a new key is announced), when it may be tried again.  Peers live in memory; their places are written once a
 * second, so that retention knows them.  After a start the answers to the announcements say where each is.
 */
#include "collector/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alerts/jws.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "collector/collector.h"
#include "collector/ingest.h"
#include "collector/model.h"
#include "collector/relay.h"
#include "collector/store.h"
#include "sender/backoff.h"
#include "sender/enrol.h"
#include "sender/identity.h"
#include "sender/renew.h"
#include "sender/talk.h"

#define PEERS_MAX    20000u
#define IDLE_MS	     100u
#define LOOK_NS	     (1 * NS_PER_S)  /* how often keys are looked at, and places written */
#define ALIVE_NS     (10 * NS_PER_S) /* announced at least so often, if of nobody */
#define AGAIN_NS     (3 * NS_PER_S)  /* a sensor that was not taken */
#define REFUSED_NS   (60 * NS_PER_S) /* ... whose batches were refused */
#define TIMEOUT_MS   60000u
#define BODY_WANT    (1u << 20)
#define BATCHES	     1024u
#define DESCRIBE_MAX 4096u
#define ANNOUNCE_MAX 5400u /* bytes of a payload: its JWS is below JWS_MAX */

struct peer {
	int64_t id;
	struct follow_place at;		 /* the collector above has */
	struct follow_place here;	 /* we have */
	struct follow_place had;	 /* by the last 409 */
	bool conflict, lost;		 /* lost: what follows is not here any more */
	uint8_t hash[CRYPTO_SHA256_LEN]; /* what was announced; zeros: nothing */
	bool known, taken, dirty;	 /* taken: active above */
	uint64_t again_ns;
	char name[256], state[16];
	char *receipt; /* the newest, or NULL */
};

struct forward {
	struct collector *co;
	struct identity id;
	struct renew renew; /* of its certificate, in upstream/ as well */
	int dirfd;
	struct key key;
	struct client *http;
	struct backoff backoff;
	pthread_t thread;
	atomic_bool stop;
	struct peer *peer;
	size_t n, next;
	size_t want;
	uint64_t look_ns, said_ns, all_ns;
	bool all; /* those who were announced are looked at as well */
	char *body;
	size_t len;
	/* for who looks */
	pthread_mutex_t lock;
	bool running;
	int64_t ok_ms, error_ms, next_ms;
	uint64_t batches, alerts, tries;
	char error[SEND_WHY_MAX];
};

static bool
hurry(void *ctx)
{
	const struct forward *f = ctx;

	return atomic_load(&f->stop);
}

static int64_t
now_ms(void)
{
	return (int64_t)(clock_wall_ns() / 1000000);
}

static void
failed(struct forward *f, const struct send_result *r, uint64_t wait_ms)
{
	bool said;

	(void)pthread_mutex_lock(&f->lock);
	said = f->error_ms > f->ok_ms && strcmp(f->error, r->why) == 0;
	f->error_ms = now_ms();
	f->next_ms = f->error_ms + (int64_t)wait_ms;
	f->tries++;
	(void)snprintf(f->error, sizeof(f->error), "%s", r->why);
	(void)pthread_mutex_unlock(&f->lock);
	if (!said)
		log_warn("forward: %s", r->why);
}

static void
worked(struct forward *f, uint64_t batches, uint64_t alerts)
{
	f->backoff.tries = 0;
	(void)pthread_mutex_lock(&f->lock);
	f->ok_ms = now_ms();
	f->next_ms = 0;
	f->batches += batches;
	f->alerts += alerts;
	(void)pthread_mutex_unlock(&f->lock);
}

/* --- who there is -------------------------------------------------------------------- */

static struct peer *
peer_of(struct forward *f, int64_t id)
{
	struct peer *p;

	for (size_t lo = 0, hi = f->n; lo < hi;) { /* in the order of numbers */
		size_t mid = (lo + hi) / 2;

		if (f->peer[mid].id == id)
			return &f->peer[mid];
		if (f->peer[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (f->n == PEERS_MAX || (f->n > 0 && f->peer[f->n - 1].id > id))
		return NULL; /* numbers only grow */
	p = realloc(f->peer, (f->n + 1) * sizeof(*p));
	if (!p)
		return NULL;
	f->peer = p;
	p = &f->peer[f->n++];
	*p = (struct peer){.id = id, .dirty = true};
	return p;
}

/* All sensors that are not pending, and where their chains are. */
static void
look(struct forward *f)
{
	struct db *db = store_get(f->co->store);
	struct db_stmt *st =
	    db ? db_query(db,
		     "SELECT id, name, epoch, batch FROM sensor WHERE kind = 0 AND "
		     "state <> ? ORDER BY id",
		     "i", (int64_t)SENSOR_PENDING)
	       : NULL;

	(void)pthread_mutex_lock(&f->lock);
	while (st && db_step(st) == DB_ROW) {
		struct peer *p = peer_of(f, db_i64(st, 0));

		if (!p)
			break;
		if (!p->name[0])
			(void)snprintf(p->name, sizeof(p->name), "%s", db_text(st, 1));
		p->here.epoch = (uint64_t)db_i64(st, 2);
		p->here.batch = (uint64_t)db_i64(st, 3);
	}
	(void)pthread_mutex_unlock(&f->lock);
	db_finalize(st);
	store_put(f->co->store, db);
}

static int
places_job(struct store_tx *tx, void *ctx)
{
	struct forward *f = ctx;
	int r = 0;

	for (size_t i = 0; i < f->n && r == 0; i++) {
		struct peer *p = &f->peer[i];

		if (!p->dirty)
			continue;
		r = tx_exec(tx,
		    "INSERT INTO forward(sensor, epoch, batch, time, receipt) VALUES(?1, ?2, ?3, ?4"
		    ", ?5) ON CONFLICT(sensor) DO UPDATE SET epoch = ?2, batch = ?3, time = ?4, "
		    "receipt = coalesce(?5, forward.receipt)",
		    "iiiit", p->id, (int64_t)p->at.epoch, (int64_t)p->at.batch, now_ms(),
		    p->receipt);
	}
	return r;
}

static void
save(struct forward *f)
{
	bool any = false;

	for (size_t i = 0; i < f->n && !any; i++)
		any = f->peer[i].dirty;
	if (!any || store_write(f->co->store, places_job, f) < 0)
		return;
	for (size_t i = 0; i < f->n; i++)
		f->peer[i].dirty = false;
}

/* --- announcing ---------------------------------------------------------------------------- */

/* One sensor as an object; its bytes are what is compared. */
static void
describe(struct jw *w, struct db *db, const struct peer *p)
{
	static const char *const states[] = {"active", "retired", "revoked"};
	char path[RELAY_PATH_MAX];
	struct db_stmt *st = db_query(db, "SELECT site FROM sensor WHERE id = ?", "i", p->id);

	jw_obj(w, NULL);
	jw_str(w, "name", p->name);
	jw_str(w, "site", st && db_step(st) == DB_ROW ? db_text(st, 0) : "");
	db_finalize(st);
	relay_path(db, p->id, path);
	relay_path_write(w, path);
	jw_arr(w, "keys");
	st = db_query(db,
	    "SELECT pk, state FROM sensor_key WHERE sensor = ? AND state < 3 ORDER BY state, since "
	    "DESC LIMIT ?",
	    "ii", p->id, (int64_t)RELAY_KEYS_MAX);
	while (st && db_step(st) == DB_ROW) {
		char jwk[KEY_JWK_MAX], x[CRYPTO_B64URL_CHARS(CRYPTO_PK_LEN) + 1];

		if (db_bytes(st, 0) != CRYPTO_PK_LEN)
			continue;
		crypto_b64url(db_blob(st, 0), CRYPTO_PK_LEN, x);
		(void)snprintf(jwk, sizeof(jwk),
		    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\",\"state\":\"%s\"}", x,
		    states[db_int(st, 1) % 3]);
		jw_key(w, NULL);
		jw_raw(w, jwk, strlen(jwk));
	}
	db_finalize(st);
	jw_close(w, ']');
	jw_close(w, '}');
}

static bool
as_announced(struct db *db, const struct peer *p)
{
	uint8_t hash[CRYPTO_SHA256_LEN];
	char one[DESCRIBE_MAX];
	struct jw o = jw_make(one, sizeof(one));

	describe(&o, db, p);
	crypto_sha256(one, jw_len(&o), hash);
	return memcmp(hash, p->hash, sizeof(hash)) == 0;
}

struct saying {
	struct jw w;
	char text[JWS_MAX];
	struct peer *peer[RELAY_SENSORS_MAX];
	uint8_t hash[RELAY_SENSORS_MAX][CRYPTO_SHA256_LEN];
	unsigned n;
	bool lost; /* the data base was away */
};

/* Those that are to be announced, as many as fit; true: there are more. */
static bool
gather(struct forward *f, struct saying *s, uint64_t now)
{
	struct db *db = store_get(f->co->store);
	const char *aud = f->id.receipts.key[0].kid;
	bool more = false;

	s->n = 0;
	s->w = jw_make(s->text, sizeof(s->text));
	jw_obj(&s->w, NULL);
	jw_u(&s->w, "v", 1);
	jw_str(&s->w, "iss", f->id.sensor);
	jw_str(&s->w, "aud", aud);
	jw_arr(&s->w, "sensors");
	for (size_t i = 0; i < f->n && db && !more; i++) {
		struct peer *p = &f->peer[i];
		char one[DESCRIBE_MAX];
		struct jw o = jw_make(one, sizeof(one));
		uint8_t hash[CRYPTO_SHA256_LEN];

		if (p->taken && !f->all)
			continue;
		describe(&o, db, p);
		crypto_sha256(one, jw_len(&o), hash);
		if (o.full ||
		    (memcmp(hash, p->hash, sizeof(hash)) == 0 && (p->taken || now < p->again_ns)))
			continue;
		if ((more = s->n == RELAY_SENSORS_MAX || jw_len(&s->w) + jw_len(&o) > ANNOUNCE_MAX))
			break;
		jw_key(&s->w, NULL);
		jw_raw(&s->w, one, jw_len(&o));
		memcpy(s->hash[s->n], hash, sizeof(hash));
		s->peer[s->n++] = p;
	}
	s->lost = db && db_lost(db); /* what was read of them may be less than there is */
	store_put(f->co->store, db);
	jw_close(&s->w, ']');
	jw_close(&s->w, '}');
	return more;
}

static void
heard_of(struct forward *f, const struct saying *s, const json_t *items, uint64_t now)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct peer *p = s->peer[i];
		const json_t *o = json_array_get(items, i);
		struct follow_place at;
		char name[256], was[16];

		if (!jws_text(o, "sensor", name, sizeof(name)) || strcmp(name, p->name) != 0 ||
		    !talk_place(o, &at))
			continue;
		(void)pthread_mutex_lock(&f->lock);
		memcpy(was, p->state, sizeof(was));
		if (!jws_text(o, "state", p->state, sizeof(p->state)))
			p->state[0] = '\0';
		p->taken = strcmp(p->state, "active") == 0;
		memcpy(p->hash, s->hash[i], sizeof(p->hash));
		p->at = at;
		p->known = p->dirty = true;
		p->again_ns = p->taken ? 0 : now + AGAIN_NS;
		(void)pthread_mutex_unlock(&f->lock);
		if (strcmp(was, p->state) != 0)
			log_info("forward: %s is %s there", p->name, p->state);
	}
}

static int
announce(struct forward *f, uint64_t now, struct send_result *r)
{
	struct saying *s = malloc(sizeof(*s));
	bool more = true;
	int e = s ? 0 : ERR_NOMEM;

	while (e == 0 && more && !atomic_load(&f->stop)) {
		char jws[JWS_MAX], why[200];
		struct client_answer a;
		size_t n;
		json_t *o;

		more = gather(f, s, now);
		if (s->lost) {
			e = send_fail(r, ERR_AGAIN, "the data base does not answer");
			break;
		}
		if (s->n == 0 && now - f->said_ns < ALIVE_NS)
			break;
		n = jws_sign(
		    JWS_ALG, RELAY_ANNOUNCE_TYP, s->text, jw_len(&s->w), &f->key, jws, sizeof(jws));
		if (n == 0) {
			e = send_fail(r, ERR_RANGE, "an announcement is too long");
			break;
		}
		if ((e = client_request(f->http, "PUT", "/ingest/v1/sensors", "application/jose",
			 NULL, jws, n, &a, why, sizeof(why))) < 0) {
			e = send_fail(r, e, "%s: %s", f->id.url, why);
			break;
		}
		if (a.status != 200) {
			e = talk_refusal(&a, "sensors", r);
			break;
		}
		f->said_ns = now;
		o = json_loadb(a.body, a.len, JSON_REJECT_DUPLICATES, NULL);
		heard_of(f, s, json_object_get(o, "items"), now);
		json_decref(o);
		worked(f, 0, 0);
	}
	free(s);
	return e;
}

/* --- batches -------------------------------------------------------------------------------- */

struct taken {
	struct talk_sent last;
	uint64_t n, alerts;
	bool gap; /* the first does not follow what is above */
	uint64_t first_epoch, first_batch;
};

/* The next of a chain into the body, byte for byte as they came; ERR_* when they cannot be read. */
static int
fill(struct forward *f, const struct peer *p, struct taken *t)
{
	struct db *db = store_get(f->co->store);
	struct db_stmt *st =
	    db ? db_query(db,
		     "SELECT epoch, number, n, size, jws, lines, hash FROM batch WHERE sensor = ?1"
		     " AND (epoch, number) > (?2, ?3) ORDER BY epoch, number LIMIT ?4",
		     "iiii", p->id, (int64_t)p->at.epoch, (int64_t)p->at.batch, (int64_t)BATCHES)
	       : NULL;
	int e = st ? 0 : ERR_AGAIN;

	*t = (struct taken){0};
	f->len = 0;
	while (e == 0 && db_step(st) == DB_ROW) {
		size_t size = (size_t)db_i64(st, 3);
		size_t jws = db_bytes(st, 4), need = jws + 1 + size;
		uint64_t epoch = (uint64_t)db_i64(st, 0);
		uint64_t batch = (uint64_t)db_i64(st, 1);
		char *lines = NULL;

		if (need > TALK_BODY_MAX || (t->n > 0 && f->len + need > f->want))
			break;
		if (t->n == 0) {
			t->first_epoch = epoch;
			t->first_batch = batch;
			t->gap = batch != (epoch == p->at.epoch ? p->at.batch + 1 : 1);
		} else if (batch != (epoch == t->last.epoch ? t->last.batch + 1 : 1)) {
			break; /* a gap is told in front of a request */
		}
		if (db_i64(st, 2) > 0 &&
		    !(lines = ingest_unpack(db_blob(st, 5), db_bytes(st, 5), size))) {
			e = ERR_FORMAT;
			break;
		}
		memcpy(f->body + f->len, db_blob(st, 4), jws);
		f->len += jws;
		f->body[f->len++] = '\n';
		if (lines)
			memcpy(f->body + f->len, lines, size);
		f->len += lines ? size : 0;
		free(lines);
		t->last.epoch = epoch;
		t->last.batch = batch;
		if (db_bytes(st, 6) == sizeof(t->last.hash))
			memcpy(t->last.hash, db_blob(st, 6), sizeof(t->last.hash));
		t->n++;
		t->alerts += (uint64_t)db_i64(st, 2);
	}
	db_finalize(st);
	/* A key is there before what it signs: one that is not announced yet goes in front. */
	if (t->n > 0 && !as_announced(db, p)) {
		t->n = 0;
		f->look_ns = f->all_ns = 0;
	}
	store_put(f->co->store, db);
	return e;
}

/* The headers: whose they are, and our word for what is not here any more. */
static bool
headers(struct forward *f, const struct peer *p, const struct taken *t, char *out, size_t size)
{
	char text[900], jws[2048];
	struct jw w = jw_make(text, sizeof(text));
	int n;

	if (!t->gap)
		return snprintf(out, size, RELAY_SENSOR_HEADER ": %s", p->name) < (int)size;
	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	jw_str(&w, "iss", f->id.sensor);
	jw_str(&w, "sub", p->name);
	jw_u(&w, "epoch", t->first_epoch);
	jw_u(&w, "batch", t->first_batch);
	jw_close(&w, '}');
	if (w.full ||
	    jws_sign(JWS_ALG, RELAY_LOSS_TYP, text, jw_len(&w), &f->key, jws, sizeof(jws)) == 0)
		return false;
	n = snprintf(
	    out, size, RELAY_SENSOR_HEADER ": %s\n" RELAY_LOSS_HEADER ": %s", p->name, jws);
	return n < (int)size;
}

/* What was not taken: ERR_* when it is of no use to go on with the others now. */
static int
not_taken(struct forward *f, struct peer *p, const struct client_answer *a, const struct taken *t,
    struct send_result *r)
{
	uint64_t now = clock_mono_ns();
	int e;

	if (a->status == 409) {
		json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
		struct follow_place have;
		bool ok = talk_place(json_object_get(o, "have"), &have);

		json_decref(o);
		if (ok &&
		    !(p->conflict && p->had.epoch == have.epoch && p->had.batch == have.batch)) {
			p->conflict = true;
			p->had = p->at = have;
			return 0;
		}
	}
	if (a->status == 413 && t->n > 1) {
		f->want = f->len / 2;
		return 0;
	}
	e = talk_refusal(a, p->name, r);
	if (a->status == 429 || a->status >= 500)
		return e;
	/* This sensor's trouble alone: announced and tried again later. */
	(void)pthread_mutex_lock(&f->lock);
	(void)snprintf(p->state, sizeof(p->state), "%s", a->status == 403 ? "pending" : "refused");
	(void)pthread_mutex_unlock(&f->lock);
	p->taken = p->conflict = false;
	p->again_ns = now + (a->status == 403 ? AGAIN_NS : REFUSED_NS);
	failed(f, r, (p->again_ns - now) / 1000000);
	return 0;
}

/* One request for one sensor.  1: something arrived, 0: nothing is there, ERR_*. */
static int
pass_on(struct forward *f, struct peer *p, struct send_result *r)
{
	char extra[3072], why[200], jws[RECEIPT_JWS_MAX];
	struct client_answer a;
	struct taken t;
	int e = fill(f, p, &t);

	if (e < 0)
		return send_fail(r, e, "%s: its batches cannot be read: %s", p->name, err_str(e));
	if (t.n == 0)
		return 0;
	if (!headers(f, p, &t, extra, sizeof(extra)))
		return send_fail(r, ERR_RANGE, "%s: its name is too long", p->name);
	if ((e = client_request(f->http, "POST", "/ingest/v1/batches", TALK_TYPE, extra, f->body,
		 f->len, &a, why, sizeof(why))) < 0)
		return send_fail(r, e, "%s: %s", f->id.url, why);
	if (a.status != 200)
		return not_taken(f, p, &a, &t, r);
	if ((e = talk_receipt(&a, &f->id.receipts, p->name, &t.last, jws, r)) < 0)
		return e;
	(void)pthread_mutex_lock(&f->lock);
	p->at = (struct follow_place){.epoch = t.last.epoch, .batch = t.last.batch};
	free(p->receipt);
	p->receipt = strdup(jws);
	p->dirty = true;
	p->conflict = false;
	(void)pthread_mutex_unlock(&f->lock);
	worked(f, t.n, t.alerts);
	return 1;
}

static bool
behind(const struct peer *p)
{
	return p->here.epoch > p->at.epoch ||
	       (p->here.epoch == p->at.epoch && p->here.batch > p->at.batch);
}

/* Each of those that are behind, once, beginning where the last turn ended. */
static int
turn(struct forward *f, uint64_t now, struct send_result *r)
{
	int any = 0, e = 0;

	for (size_t i = 0; i < f->n && !atomic_load(&f->stop); i++) {
		struct peer *p = &f->peer[f->next = (f->next + 1) % f->n];

		if (!p->known || !p->taken || !behind(p) || now < p->again_ns)
			continue;
		if ((e = pass_on(f, p, r)) < 0)
			return e;
		any |= e;
	}
	return any;
}

/* --- life -------------------------------------------------------------------------------------- */

static void
wait_ms(struct forward *f, uint64_t ms)
{
	for (; ms > 0 && !atomic_load(&f->stop); ms -= ms < IDLE_MS ? ms : IDLE_MS) {
		const struct timespec t = {0, (long)(ms < IDLE_MS ? ms : IDLE_MS) * 1000000L};

		(void)nanosleep(&t, NULL);
	}
}

static void *
forward_main(void *arg)
{
	struct forward *f = arg;

	while (!atomic_load(&f->stop)) {
		struct send_result r = {0};
		uint64_t now = clock_mono_ns(), wait = IDLE_MS;
		uint32_t random;
		int e = 0;

		look(f);
		if (now - f->look_ns >= LOOK_NS || f->look_ns == 0) {
			f->look_ns = now;
			f->all = now - f->all_ns >= ALIVE_NS || f->all_ns == 0;
			f->all_ns = f->all ? now : f->all_ns;
			save(f);
			renew_turn(&f->renew, &f->id, f->http, f->dirfd);
			e = announce(f, now, &r);
		}
		if (e == 0)
			e = turn(f, now, &r);
		if (e > 0)
			continue;
		if (e < 0) {
			crypto_random(&random, sizeof(random));
			wait = backoff_next(
			    &f->backoff, r.refused ? f->backoff.max_ms : r.wait_ms, random);
			f->look_ns = 0; /* asked anew */
			failed(f, &r, wait);
		}
		wait_ms(f, wait);
	}
	save(f);
	return NULL;
}

static int
forget_job(struct store_tx *tx, void *ctx)
{
	(void)ctx;
	return tx_exec(tx, "DELETE FROM forward", "");
}

int
forward_new(struct forward **out, struct collector *co, char *err, size_t err_size)
{
	struct client_conf hc = {.timeout_ms = TIMEOUT_MS, .hurry = hurry};
	struct forward *f;
	char path[512];
	int r;

	*out = NULL;
	collector_path(co->conf.dir, "upstream/collector.json", path, sizeof(path));
	if (access(path, F_OK) != 0) /* has left, or never joined: nothing is kept for it */
		return store_write(co->store, forget_job, NULL);
	if (!(f = calloc(1, sizeof(*f))))
		return err_say(err, err_size, ERR_NOMEM, "out of memory");
	f->co = co;
	f->dirfd = -1;
	f->want = BODY_WANT;
	f->backoff.max_ms = BACKOFF_MAX_MS / 2;
	(void)pthread_mutex_init(&f->lock, NULL);
	collector_path(co->conf.dir, "upstream", path, sizeof(path));
	if ((f->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		r = err_say(err, err_size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	else
		r = identity_load(&f->id, path, err, err_size);
	if (r == 0)
		renew_begin(&f->renew, &f->id, f->dirfd);
	if (r < 0 ||
	    (r = key_load(&f->key, collector_path(co->conf.dir, "relay.key", path, sizeof(path)),
		 err, err_size)) < 0)
		goto fail;
	hc.base = f->id.url;
	hc.ca = f->id.ca;
	hc.cert = f->id.cert;
	hc.key = f->id.key;
	hc.ctx = f;
	if (client_init() < 0 || !(f->http = client_new(&hc)) || !(f->body = malloc(TALK_BODY_MAX)))
		r = err_say(err, err_size, ERR_NOMEM, "out of memory");
	else if (pthread_create(&f->thread, NULL, forward_main, f) != 0)
		r = err_say(err, err_size, ERR_NOMEM, "no thread");
	if (r < 0)
		goto fail;
	f->running = true;
	*out = f;
	return 0;
fail:
	forward_free(f);
	return r;
}

void
forward_free(struct forward *f)
{
	if (!f)
		return;
	atomic_store(&f->stop, true);
	if (f->running)
		(void)pthread_join(f->thread, NULL);
	client_free(f->http);
	if (f->dirfd >= 0)
		(void)close(f->dirfd);
	for (size_t i = 0; i < f->n; i++)
		free(f->peer[i].receipt);
	free(f->peer);
	free(f->body);
	key_wipe(&f->key);
	free(f);
}

int
forward_join(const char *dir, struct forward_join *j, char *err, size_t err_size)
{
	char key[512], up[512];
	struct enrol e = {.url = j->url,
	    .token = j->token,
	    .fingerprint = j->fingerprint,
	    .ca = j->ca,
	    .name = j->name,
	    .key = collector_path(dir, "relay.key", key, sizeof(key)),
	    .dir = collector_path(dir, "upstream", up, sizeof(up)),
	    .gid = getgid()};
	struct key k;
	int r = 0;

	if (access(key, F_OK) != 0) {
		key_init(&k);
		r = key_save(&k, key, err, err_size);
		key_wipe(&k);
	}
	if (r == 0)
		r = enrol_run(&e, err, err_size);
	(void)snprintf(j->state, sizeof(j->state), "%s", e.state);
	return r;
}

/* --- what is shown ------------------------------------------------------------------------------ */

static void
number_or_null(struct jw *w, const char *name, int64_t v)
{
	if (v != 0) {
		jw_i(w, name, v);
		return;
	}
	jw_key(w, name);
	jw_raw(w, "null", 4);
}

void
forward_write(struct jw *w, const char *key, struct forward *f)
{
	uint64_t late = 0, left = 0;

	if (!f) {
		jw_key(w, key);
		jw_raw(w, "null", 4);
		return;
	}
	(void)pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n; i++) {
		const struct peer *p = &f->peer[i];

		late += behind(p);
		left += !behind(p)		       ? 0
			: p->here.epoch == p->at.epoch ? p->here.batch - p->at.batch
						       : p->here.batch;
	}
	jw_obj(w, key);
	jw_str(w, "url", f->id.url);
	jw_str(w, "name", f->id.sensor);
	jw_str(w, "state",
	    f->error_ms > f->ok_ms ? "retrying"
	    : late > 0		   ? "sending"
	    : f->ok_ms		   ? "current"
				   : "starting");
	number_or_null(w, "last_ok", f->ok_ms);
	number_or_null(w, "last_error_time", f->error_ms);
	jw_str(w, "last_error", f->error);
	jw_u(w, "behind_sensors", late);
	jw_u(w, "behind_batches", left);
	jw_u(w, "batches", f->batches);
	jw_u(w, "alerts", f->alerts);
	jw_arr(w, "sensors");
	for (size_t i = 0; i < f->n && i < 2000; i++) {
		const struct peer *p = &f->peer[i];

		jw_obj(w, NULL);
		jw_str(w, "name", p->name);
		jw_str(w, "state", p->known ? p->state : "unknown");
		jw_u(w, "epoch", p->at.epoch);
		jw_u(w, "batch", p->at.batch);
		jw_close(w, '}');
	}
	jw_close(w, ']');
	jw_close(w, '}');
	(void)pthread_mutex_unlock(&f->lock);
}
