/* SPDX-License-Identifier: Apache-2.0 */
/* enrol.c - see enrol.h. */
#include "collector/enrol.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/batch.h"
#include "alerts/jws.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/incident.h"
#include "collector/model.h"
#include "collector/pki.h"
#include "collector/query.h"
#include "collector/relay.h"
#include "collector/sse.h"
#include "collector/store.h"

#define TOKEN 24u

bool
enrol_good_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 128 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

/* --- tokens ------------------------------------------------------------------------------- */

struct token {
	uint8_t hash[CRYPTO_SHA256_LEN];
	const struct enrol_what *what;
	int64_t now_ms;
};

static int
token_put(struct store_tx *tx, void *ctx)
{
	const struct token *t = ctx;
	int r = tx_exec(tx, "DELETE FROM token WHERE expires < ?", "i", t->now_ms);

	if (r < 0)
		return r;
	return tx_exec(tx,
	    "INSERT INTO token(hash, name, site, kid, approve, expires, kind)"
	    " VALUES(?, ?, ?, ?, ?, ?, ?)",
	    "btttiii", t->hash, sizeof(t->hash), t->what->name, t->what->site ? t->what->site : "",
	    t->what->kid, (int64_t)t->what->approve, t->now_ms + ENROL_TOKEN_S * INT64_C(1000),
	    (int64_t)t->what->kind);
}

int
enrol_token(struct store *s, const struct enrol_what *what, int64_t now_ms, char *text, char *err,
    size_t err_size)
{
	struct token t = {.what = what, .now_ms = now_ms};
	uint8_t bytes[TOKEN];
	int r;

	if (!enrol_good_name(what->name))
		return err_say(err, err_size, ERR_USAGE,
		    "a sensor's name is 1 to 128 letters, digits, '._-', as its batches have it");
	if (what->site && strlen(what->site) > 200)
		return err_say(err, err_size, ERR_USAGE, "the site's name is too long");
	if (what->kid && strlen(what->kid) != KEY_ID_CHARS)
		return err_say(
		    err, err_size, ERR_USAGE, "a key id has %u characters", (unsigned)KEY_ID_CHARS);
	crypto_random(bytes, sizeof(bytes));
	crypto_b64url(bytes, sizeof(bytes), text);
	crypto_sha256(text, strlen(text), t.hash);
	if ((r = store_write(s, token_put, &t)) < 0)
		(void)err_say(err, err_size, r, "not stored: %s", err_str(r));
	return r;
}

static void
token_answer(struct call *c, const struct enrol_what *what)
{
	char token[48], err[200], hex[2 * CRYPTO_SHA256_LEN + 1];
	uint8_t fp[CRYPTO_SHA256_LEN];
	int r = pki_ca_fingerprint(c->co->conf.dir, fp, err, sizeof(err));

	if (r == 0)
		r = enrol_token(c->co->store, what, c->now_ms, token, err, sizeof(err));
	audit_log(c, what->kind == KIND_SENSOR ? "sensor.token" : "relay.token", what->name, r == 0,
	    "%s%s",
	    r < 0	    ? err
	    : what->approve ? "approved"
	    : what->kid	    ? what->kid
			    : "",
	    r == 0 && what->kind == KIND_VOUCHES ? ", vouches" : "");
	if (r == ERR_USAGE) {
		call_error(c, 400, "bad_request", "%s", err);
	} else if (r < 0) {
		call_store_error(c, r);
	} else if (call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "token", token);
		jw_i(&c->w, "expires", c->now_ms + ENROL_TOKEN_S * INT64_C(1000));
		if (c->co->ingest_port) {
			jw_i(&c->w, "ingest_port", c->co->ingest_port);
		} else {
			jw_key(&c->w, "ingest_port");
			jw_raw(&c->w, "null", 4);
		}
		jw_str(&c->w, "ca_fingerprint", crypto_hex(fp, sizeof(fp), hex));
		jw_close(&c->w, '}');
	}
}

void
enrol_tokens(struct call *c)
{
	json_t *o = call_json(c);
	const char *name;

	if (!o)
		return;
	name = json_string_value(json_object_get(o, "name"));
	token_answer(c, &(struct enrol_what){
			    .name = name ? name : "",
			    .site = json_string_value(json_object_get(o, "site")),
			    .kid = json_string_value(json_object_get(o, "kid")),
			    .approve = json_is_true(json_object_get(o, "approve")),
			    .kind = json_is_true(json_object_get(o, "vouches")) ? KIND_VOUCHES
				    : json_is_true(json_object_get(o, "relay")) ? KIND_RELAY
										: KIND_SENSOR,
			});
	json_decref(o);
}

/* --- enrolment ------------------------------------------------------------------------------- */

struct enrol {
	uint8_t token[CRYPTO_SHA256_LEN];
	const char *name;
	const struct key *key;
	const uint8_t *fp;    /* NULL: none */
	const uint8_t *asked; /* renewal: of the one in use */
	int64_t now_ms, until_ms;
	/* found */
	int64_t sensor;
	bool active;
	const char *why;
};

static int
put_key(struct store_tx *tx, int64_t sensor, const struct key *k, int64_t now_ms)
{
	int r = tx_exec(tx,
	    "UPDATE sensor_key SET state = ? WHERE sensor = ? AND state = ? AND kid <> ?", "iiit",
	    (int64_t)KEY_RETIRED, sensor, (int64_t)KEY_ACTIVE, k->kid);

	if (r < 0)
		return r;
	return tx_exec(tx,
	    "INSERT INTO sensor_key(sensor, kid, pk, since, state) VALUES(?1, ?2, ?3, ?4, ?5)"
	    " ON CONFLICT(sensor, kid) DO UPDATE SET state = CASE sensor_key.state WHEN 2 THEN 2 "
	    "ELSE ?5 END",
	    "itbii", sensor, k->kid, k->pk, sizeof(k->pk), now_ms, (int64_t)KEY_ACTIVE);
}

static int64_t
put_sensor(struct store_tx *tx, const char *name, const char *site, bool active,
    enum sensor_kind kind, int64_t now_ms)
{
	int r = tx_exec(tx,
	    "INSERT INTO sensor(name, site, state, created, nid, kind) VALUES(?1, ?2, ?3, ?4, ?5, "
	    "?6) ON CONFLICT(name) DO UPDATE SET site = CASE ?2 WHEN '' THEN sensor.site ELSE ?2 "
	    "END, "
	    "state = ?3, kind = ?6",
	    "ttiiii", name, site, (int64_t)(active ? SENSOR_ACTIVE : SENSOR_PENDING), now_ms,
	    tx_name(tx, name, strlen(name)), (int64_t)kind);

	return r < 0 ? r
		     : db_number(
			   tx_db(tx), ERR_IO, "SELECT id FROM sensor WHERE name = ?", "t", name);
}

static int
enrol_job(struct store_tx *tx, void *ctx)
{
	struct enrol *e = ctx;
	struct db_stmt *st = db_query(tx_db(tx),
	    "SELECT name, site, kid, approve, kind FROM token WHERE hash = ? AND expires >= ?",
	    "bi", e->token, sizeof(e->token), e->now_ms);
	enum sensor_kind kind = KIND_SENSOR;
	char site[256] = "";
	int r = 0;

	if (!st || db_step(st) != DB_ROW) {
		e->why = "the token is not known, was used, or is too old";
	} else if (strcmp(db_text(st, 0), e->name) != 0) {
		e->why = "the token is for a sensor of another name";
	} else if (db_text(st, 2)[0] && strcmp(db_text(st, 2), e->key->kid) != 0) {
		e->why = "the token is for another signing key";
	} else if ((db_int(st, 4) == KIND_SENSOR) !=
		   (db_number(tx_db(tx), db_int(st, 4), "SELECT kind FROM sensor WHERE name = ?",
			"t", e->name) == KIND_SENSOR)) {
		e->why = "the name is taken: by a sensor, when it is for a relay, or by a relay";
	} else {
		kind = (enum sensor_kind)db_int(st, 4);
		e->active = db_text(st, 2)[0] || db_int(st, 3);
		snprintf(site, sizeof(site), "%s", db_text(st, 1));
	}
	db_finalize(st);
	if (e->why) /* a name or key that does not fit leaves the token good */
		return 0;
	r = tx_exec(tx, "DELETE FROM token WHERE hash = ?", "b", e->token, sizeof(e->token));
	if (r == 0 && (e->sensor = put_sensor(tx, e->name, site, e->active, kind, e->now_ms)) < 0)
		r = (int)e->sensor;
	if (r == 0)
		r = put_key(tx, e->sensor, e->key, e->now_ms);
	if (r == 0) /* one certificate at a time: the one before was of who is replaced */
		r = tx_exec(tx, "UPDATE cert SET state = ? WHERE sensor = ? AND state = ?", "iii",
		    (int64_t)KEY_RETIRED, e->sensor, (int64_t)KEY_ACTIVE);
	if (r == 0)
		r = tx_exec(tx,
		    "INSERT INTO cert(fp, sensor, since, until, state) VALUES(?, ?, ?, ?, ?)",
		    "biiii", e->fp, (size_t)CRYPTO_SHA256_LEN, e->sensor, e->now_ms, e->until_ms,
		    (int64_t)KEY_ACTIVE);
	return r;
}

/* The one key of "jwks", and does "proof" show that the sensor has it? */
static bool
proof_ok(const json_t *o, const char *token, struct key *key, char *err, size_t err_size)
{
	json_t *jwks = json_object_get(o, "jwks"), *payload = NULL;
	const json_t *proof = json_object_get(o, "proof");
	char *text = json_dumps(jwks, JSON_COMPACT), said[64];
	struct key_set *set = calloc(1, sizeof(*set));
	const struct key *by;
	bool ok = false;

	if (text && set && key_set_parse(set, text, strlen(text), err, err_size) == 0 &&
	    set->n == 1 && json_is_string(proof) &&
	    jws_open(json_string_value(proof), json_string_length(proof), ENROL_TYP, set, &by,
		&payload, err, err_size) == 0) {
		ok = jws_text(payload, "token", said, sizeof(said)) && strcmp(said, token) == 0;
		if (!ok)
			snprintf(err, err_size, "the proof is about another token");
		*key = *by;
	}
	json_decref(payload);
	free(text);
	free(set);
	return ok;
}

static void
enrol_answer(struct call *c, const struct enrol *e, const char *crt)
{
	char jwk[KEY_JWK_MAX];

	if (!call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "certificate", crt);
	jw_str(&c->w, "ca", c->co->ca_pem);
	jw_obj(&c->w, "receipt_jwks");
	jw_arr(&c->w, "keys");
	key_jwk(&c->co->receipt_key, jwk);
	jw_key(&c->w, NULL);
	jw_raw(&c->w, jwk, strlen(jwk));
	jw_close(&c->w, ']');
	jw_close(&c->w, '}');
	jw_str(&c->w, "sensor", e->name);
	jw_str(&c->w, "state", e->active ? "active" : "pending");
	jw_close(&c->w, '}');
}

static bool
token_known(struct call *c, const char *token)
{
	struct db *db = call_db(c);
	uint8_t hash[CRYPTO_SHA256_LEN];

	crypto_sha256(token, strlen(token), hash);
	return db && db_number(db, 0, "SELECT count(*) FROM token WHERE hash = ? AND expires >= ?",
			 "bi", hash, sizeof(hash), c->now_ms) > 0;
}

void
enrol_post(struct call *c)
{
	json_t *o = call_json(c);
	const char *token, *name, *csr;
	char err[300] = "not a key, or no proof of it", *crt = NULL;
	uint8_t fp[CRYPTO_SHA256_LEN];
	struct enrol e = {.now_ms = c->now_ms, .fp = fp};
	struct key key;
	int r;

	if (!o)
		return;
	token = json_string_value(json_object_get(o, "token"));
	name = json_string_value(json_object_get(o, "name"));
	csr = json_string_value(json_object_get(o, "csr"));
	if (!token || strlen(token) > 47 || !name || !enrol_good_name(name) || !csr) {
		call_error(c, 400, "bad_request", "token, name, csr, jwks and proof");
	} else if (!token_known(c, token)) {
		if (c->status == 0) { /* before anything that costs */
			audit_refused(c, "enrol: token");
			call_error(
			    c, 403, "token", "the token is not known, was used, or is too old");
		}
	} else if (!proof_ok(o, token, &key, err, sizeof(err))) {
		audit_refused(c, "enrol: proof");
		call_error(c, 422, "proof", "%s", err);
	} else if (pki_issue(c->co->conf.dir, csr, strlen(csr), name, c->now_ms, c->co->conf.cert_s,
		       &crt, fp, &e.until_ms, err, sizeof(err)) < 0) {
		call_error(c, 422, "csr", "%s", err);
	} else {
		e.name = name;
		e.key = &key;
		crypto_sha256(token, strlen(token), e.token);
		if ((r = store_write(c->co->store, enrol_job, &e)) < 0) {
			call_store_error(c, r);
		} else if (e.why) {
			audit_refused(c, "enrol: token");
			call_error(c, 403, "token", "%s", e.why);
		} else {
			audit_log(c, "sensor.enrol", name, true, "key %s, %s", key.kid,
			    e.active ? "active" : "pending");
			sse_sensor(c->co->bus, e.sensor);
			enrol_answer(c, &e, crt);
		}
	}
	free(crt);
	json_decref(o);
}

/* --- renewal ------------------------------------------------------------------------------ */

static int
retire_others(struct store_tx *tx, int64_t sensor, const uint8_t fp[CRYPTO_SHA256_LEN])
{
	return tx_exec(tx, "UPDATE cert SET state = ? WHERE sensor = ? AND state = ? AND fp <> ?",
	    "iiib", (int64_t)KEY_RETIRED, sensor, (int64_t)KEY_ACTIVE, fp,
	    (size_t)CRYPTO_SHA256_LEN);
}

/* The new one beside the one that asked; one that was renewed before and never used goes. */
static int
renew_job(struct store_tx *tx, void *ctx)
{
	const struct enrol *e = ctx;
	int r = retire_others(tx, e->sensor, e->asked);

	return r < 0
		   ? r
		   : tx_exec(tx,
			 "INSERT INTO cert(fp, sensor, since, until, state) VALUES(?, ?, ?, ?, ?)",
			 "biiii", e->fp, (size_t)CRYPTO_SHA256_LEN, e->sensor, e->now_ms,
			 e->until_ms, (int64_t)KEY_ACTIVE);
}

/* It was used: those before it are of no more use to anybody. */
static int
used_job(struct store_tx *tx, void *ctx)
{
	const struct call *c = ctx;

	return retire_others(tx, c->sensor, c->cert_fp);
}

void
enrol_renew(struct call *c)
{
	json_t *o = call_json(c);
	const char *csr = json_string_value(json_object_get(o, "csr"));
	uint8_t fp[CRYPTO_SHA256_LEN];
	struct enrol e = {.now_ms = c->now_ms, .fp = fp, .asked = c->cert_fp, .sensor = c->sensor};
	char err[300], *crt = NULL;
	int r;

	if (!o)
		return;
	if (c->relay) {
		call_error(c, 403, "relay", "a relay renews its own certificate");
	} else if (!csr) {
		call_error(c, 400, "bad_request", "csr");
	} else if (pki_issue(c->co->conf.dir, csr, strlen(csr), c->sensor_name, c->now_ms,
		       c->co->conf.cert_s, &crt, fp, &e.until_ms, err, sizeof(err)) < 0) {
		call_error(c, 422, "csr", "%s", err);
	} else if ((r = store_write(c->co->store, renew_job, &e)) < 0) {
		call_store_error(c, r);
	} else {
		audit_log(c, "sensor.renew", c->sensor_name, true, "%s", "");
		if (call_begin(c, 200)) {
			jw_obj(&c->w, NULL);
			jw_str(&c->w, "certificate", crt);
			jw_i(&c->w, "until", e.until_ms);
			jw_close(&c->w, '}');
		}
	}
	free(crt);
	json_decref(o);
}

static int
local_job(struct store_tx *tx, void *ctx)
{
	struct enrol *e = ctx;

	e->sensor = put_sensor(tx, e->name, (const char *)e->fp, true, KIND_SENSOR, e->now_ms);
	return e->sensor < 0 ? (int)e->sensor : put_key(tx, e->sensor, e->key, e->now_ms);
}

int64_t
enrol_local(
    struct store *s, const char *name, const char *site, const struct key *k, int64_t now_ms)
{
	struct enrol e = {.name = name, .key = k, .now_ms = now_ms, .fp = (const uint8_t *)site};
	int r = store_write(s, local_job, &e);

	return r < 0 ? r : e.sensor;
}

/* --- who is it ---------------------------------------------------------------------------------- */

bool
enrol_identify(struct call *c)
{
	const union MHD_ConnectionInfo *i =
	    MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	int r = i ? pki_peer(i->tls_session, c->cert_fp) : ERR_NOTFOUND;
	int64_t state = -1, cert = KEY_REVOKED, kind = KIND_SENSOR;
	bool before = false;
	struct db *db;
	struct db_stmt *st;

	if (r < 0) {
		audit_refused(c, r == ERR_NOTFOUND ? "no client certificate"
						   : "client certificate of somebody else");
		call_error(
		    c, 401, "certificate", "a client certificate of this collector is needed");
		return false;
	}
	if (!(db = call_db(c)))
		return false;
	st = db_query(db,
	    "SELECT s.id, s.name, s.site, s.state, c.state, s.kind, EXISTS(SELECT 1 FROM cert o "
	    "WHERE"
	    " o.sensor = c.sensor AND o.state = c.state AND o.since < c.since) FROM cert c"
	    " JOIN sensor s ON s.id = c.sensor WHERE c.fp = ?",
	    "b", c->cert_fp, sizeof(c->cert_fp));
	if (st && db_step(st) == DB_ROW) {
		c->sensor = db_i64(st, 0);
		snprintf(c->sensor_name, sizeof(c->sensor_name), "%s", db_text(st, 1));
		snprintf(c->sensor_site, sizeof(c->sensor_site), "%s", db_text(st, 2));
		state = db_i64(st, 3);
		cert = db_i64(st, 4);
		kind = db_i64(st, 5);
		before = db_int(st, 6) != 0;
	}
	db_finalize(st);
	if (!call_db_done(c)) /* not while a body comes in */
		return false;
	c->role = ROLE_SENSOR;
	if (cert != KEY_ACTIVE || state == SENSOR_REVOKED || state < 0) {
		audit_refused(c, "certificate revoked");
		call_error(c, 403, "revoked", "this certificate was revoked");
		return false;
	}
	if (state == SENSOR_PENDING) {
		c->retry_after = 10;
		call_error(c, 403, "pending", "an admin has not approved this sensor yet");
		return false;
	}
	if (before) /* if that fails, the next call does it */
		(void)!store_write(c->co->store, used_job, c);
	return relay_admit(c, kind);
}

int
enrol_keys(struct call *c, int64_t sensor, bool past, struct key_set *out)
{
	return enrol_keys_of(call_db(c), sensor, past, out);
}

int
enrol_keys_of(struct db *db, int64_t sensor, bool past, struct key_set *out)
{
	struct db_stmt *st = db ? db_query(db,
				      "SELECT pk FROM sensor_key WHERE sensor = ? AND state < ? "
				      "ORDER BY state, since DESC, kid"
				      " LIMIT 64",
				      "ii", sensor, INT64_C(2) + past)
				: NULL;
	int r;

	memset(out, 0, sizeof(*out));
	if (!st)
		return ERR_AGAIN;
	while ((r = db_step(st)) == DB_ROW) {
		struct key k;

		if (db_bytes(st, 0) != CRYPTO_PK_LEN)
			continue;
		key_from_public(&k, db_blob(st, 0));
		(void)key_set_add(out, &k);
	}
	db_finalize(st);
	return r;
}

/* --- what an admin does ----------------------------------------------------------------------------- */

struct act {
	int64_t sensor;
	const char *action;
	char name[256], site[256];
	enum sensor_kind kind;
	bool known;
};

static int
act_job(struct store_tx *tx, void *ctx)
{
	struct act *a = ctx;
	struct db_stmt *st =
	    db_query(tx_db(tx), "SELECT name, site, kind FROM sensor WHERE id = ?", "i", a->sensor);
	int r = 0;

	if (st && db_step(st) == DB_ROW) {
		a->known = true;
		snprintf(a->name, sizeof(a->name), "%s", db_text(st, 0));
		snprintf(a->site, sizeof(a->site), "%s", db_text(st, 1));
		a->kind = (enum sensor_kind)db_int(st, 2);
	}
	db_finalize(st);
	if (!a->known)
		return ERR_NOTFOUND;
	if (strcmp(a->action, "approve") == 0) {
		r = tx_exec(tx, "UPDATE sensor SET state = ? WHERE id = ? AND state = ?", "iii",
		    (int64_t)SENSOR_ACTIVE, a->sensor, (int64_t)SENSOR_PENDING);
		if (r == 0) /* announced by a relay that does not vouch */
			r = tx_exec(tx,
			    "UPDATE sensor_key SET state = ? WHERE sensor = ? AND state = ?", "iii",
			    (int64_t)KEY_ACTIVE, a->sensor, (int64_t)KEY_PENDING);
	}
	if (strcmp(a->action, "revoke") == 0) {
		r = tx_exec(tx, "UPDATE sensor SET state = ? WHERE id = ?", "ii",
		    (int64_t)SENSOR_REVOKED, a->sensor);
		if (r == 0)
			r = tx_exec(tx, "UPDATE sensor_key SET state = ? WHERE sensor = ?", "ii",
			    (int64_t)KEY_REVOKED, a->sensor);
		if (r == 0)
			r = tx_exec(tx, "UPDATE cert SET state = ? WHERE sensor = ?", "ii",
			    (int64_t)KEY_REVOKED, a->sensor);
	}
	return r;
}

void
enrol_sensor(struct call *c)
{
	json_t *o = call_json(c);
	struct act a = {.sensor = strtoll(c->part[0], NULL, 10)};
	int r;

	if (!o)
		return;
	a.action = json_string_value(json_object_get(o, "action"));
	if (!a.action || (strcmp(a.action, "approve") != 0 && strcmp(a.action, "revoke") != 0 &&
			     strcmp(a.action, "rotate") != 0)) {
		call_error(c, 400, "bad_request", "action is approve, revoke or rotate");
	} else if ((r = store_write(c->co->store, act_job, &a)) == ERR_NOTFOUND) {
		call_error(c, 404, "not_found", "no such sensor");
	} else if (r < 0) {
		call_store_error(c, r);
	} else if (strcmp(a.action, "rotate") == 0) {
		token_answer(
		    c, &(struct enrol_what){
			   .name = a.name, .site = a.site, .approve = true, .kind = a.kind});
	} else {
		audit_log(c, a.action[0] == 'a' ? "sensor.approve" : "sensor.revoke", a.name, true,
		    "%s", "");
		sse_sensor(c->co->bus, a.sensor);
		query_sensor_by(c, a.sensor);
	}
	json_decref(o);
}
