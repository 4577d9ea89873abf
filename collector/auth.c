/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - see auth.h. */
#include "collector/auth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/build_id.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/store.h"

#define TOKEN  32u
#define COOKIE "il_session="
#define LIMITS 1024u
#define WAYS   8u /* places that an entry may have */

struct session {
	uint8_t hash[CRYPTO_SHA256_LEN];
	char user[USER_MAX + 1], csrf[48];
	int role; /* 0: the place is free */
	int64_t since_ms, used_ms;
};

struct limit { /* of an account at an address, or of an address */
	uint64_t key;
	int64_t since_ms;
	unsigned failed;
};

struct auth {
	struct store *store;
	pthread_mutex_t lock;
	pthread_cond_t free;
	unsigned hashing;
	uint8_t secret[16]; /* nobody outside knows which entries share a place */
	struct session session[AUTH_SESSIONS];
	struct limit limit[LIMITS];
};

struct auth *
auth_new(struct store *s)
{
	struct auth *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;

	if (a) {
		a->store = s;
		crypto_random(a->secret, sizeof(a->secret));
		(void)pthread_mutex_init(&a->lock, NULL);
		(void)pthread_condattr_init(&attr);
		(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		(void)pthread_cond_init(&a->free, &attr);
		(void)pthread_condattr_destroy(&attr);
	}
	return a;
}

void
auth_free(struct auth *a)
{
	if (a)
		crypto_wipe(a, sizeof(*a));
	free(a);
}

static bool
same(const void *a, const void *b, size_t n) /* in constant time */
{
	const uint8_t *x = a, *y = b;
	uint8_t d = 0;

	for (size_t i = 0; i < n; i++)
		d |= x[i] ^ y[i];
	return d == 0;
}

/* Sessions and limits last by a clock that nobody sets, ms. */
static int64_t
steady_ms(void)
{
	return (int64_t)(clock_boot_ns() / 1000000);
}

/* --- passwords ------------------------------------------------------------------------ */

/* Two at a time; who would wait longer than 3 s is told to come again. */
static int
hash_in_turn(struct auth *a, const char *password, const uint8_t *salt, uint8_t *out)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 3;
	(void)pthread_mutex_lock(&a->lock);
	while (a->hashing == AUTH_HASHING && r == 0)
		r = pthread_cond_timedwait(&a->free, &a->lock, &until);
	if (a->hashing == AUTH_HASHING) {
		(void)pthread_mutex_unlock(&a->lock);
		return ERR_AGAIN;
	}
	a->hashing++;
	(void)pthread_mutex_unlock(&a->lock);
	r = crypto_argon2id(password, strlen(password), salt, out, AUTH_HASH_LEN);
	(void)pthread_mutex_lock(&a->lock);
	a->hashing--;
	(void)pthread_cond_signal(&a->free);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

/* Has the account still this role, and the password of this salt? */
static bool
unchanged(struct call *c, const char *user, int role, const uint8_t *salt)
{
	struct db *db = call_db(c);

	return db && db_number(db, 0,
			 "SELECT count(*) FROM user"
			 " WHERE name = ? AND role = ? AND salt = ? AND disabled = 0",
			 "tib", user, (int64_t)role, salt, (size_t)CRYPTO_SALT_LEN) == 1;
}

/* Is that the password of an account that may be used?  Its role, 0: no, or ERR_*, then it may have answered; and its salt. */
static int
check(struct call *c, const char *user, const char *password, uint8_t salt[CRYPTO_SALT_LEN])
{
	uint8_t want[AUTH_HASH_LEN] = {0}, got[AUTH_HASH_LEN];
	struct db *db = call_db(c);
	struct db_stmt *st;
	int role = 0, r;

	memset(salt, 1, CRYPTO_SALT_LEN);
	if (!db)
		return ERR_AGAIN;
	st = db_query(
	    db, "SELECT role, salt, hash FROM user WHERE name = ? AND disabled = 0", "t", user);
	if (st && db_step(st) == DB_ROW && db_bytes(st, 1) == CRYPTO_SALT_LEN &&
	    db_bytes(st, 2) == sizeof(want)) {
		role = db_int(st, 0);
		memcpy(salt, db_blob(st, 1), CRYPTO_SALT_LEN);
		memcpy(want, db_blob(st, 2), sizeof(want));
	}
	db_finalize(st);
	if (!call_db_done(c)) /* not while a password is hashed */
		return ERR_AGAIN;
	/* An account that is not there takes as long as one that is. */
	if ((r = hash_in_turn(c->co->auth, password, salt, got)) < 0)
		return r;
	return same(want, got, sizeof(got)) ? role : 0;
}

/* --- limits --------------------------------------------------------------------------------- */

/* When all its places are taken, the one with the fewest failures goes: whoever floods the table
 * with names forgets himself. */
static struct limit *
limit_of(struct auth *a, const char *user, const char *address, int64_t now_ms)
{
	char text[sizeof(a->secret) + USER_MAX + 80];
	uint8_t h[16];
	uint64_t key;
	struct limit *set, *worst;
	int n;

	memcpy(text, a->secret, sizeof(a->secret));
	n = snprintf(
	    text + sizeof(a->secret), sizeof(text) - sizeof(a->secret), "%s\n%s", user, address);
	crypto_blake2b(text, sizeof(a->secret) + (size_t)n, h, sizeof(h));
	memcpy(&key, h, sizeof(key));
	worst = set = &a->limit[key % (LIMITS / WAYS) * WAYS];
	for (unsigned i = 0; i < WAYS; i++) {
		if (now_ms - set[i].since_ms > AUTH_WINDOW_S * INT64_C(1000))
			set[i] = (struct limit){.since_ms = now_ms};
		if (set[i].key == key)
			return &set[i];
		if (set[i].failed < worst->failed)
			worst = &set[i];
	}
	*worst = (struct limit){.key = key, .since_ms = now_ms};
	return worst;
}

/* Seconds to wait; 0: he may try.  That counts as failed until limit_back(): those who try all at once, and
 * wait for their turn to be hashed, are counted before the first is known to be wrong. */
static unsigned
limit_try(struct auth *a, const char *user, const char *address, int64_t now_ms)
{
	struct limit *l[2];
	unsigned wait = 0;

	(void)pthread_mutex_lock(&a->lock);
	l[0] = limit_of(a, user, address, now_ms);
	l[1] = limit_of(a, "", address, now_ms);
	for (unsigned i = 0; i < 2; i++)
		if (l[i]->failed >= AUTH_TRIES * (i ? 4 : 1))
			wait = (unsigned)(AUTH_WINDOW_S - (now_ms - l[i]->since_ms) / 1000) + 1;
	for (unsigned i = 0; i < 2 && wait == 0; i++)
		l[i]->failed++;
	(void)pthread_mutex_unlock(&a->lock);
	return wait;
}

/* It was right, or was not looked at. */
static void
limit_back(struct auth *a, const char *user, const char *address, int64_t now_ms)
{
	const char *const who[2] = {user, ""};

	(void)pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < 2; i++) {
		struct limit *l = limit_of(a, who[i], address, now_ms);

		if (l->failed > 0)
			l->failed--;
	}
	(void)pthread_mutex_unlock(&a->lock);
}

/* --- sessions ----------------------------------------------------------------------------------- */

/* The session of a cookie; called with the lock. */
static struct session *
session_find(struct auth *a, const char *token, int64_t now_ms)
{
	uint8_t hash[CRYPTO_SHA256_LEN];

	if (strlen(token) != CRYPTO_B64URL_CHARS(TOKEN))
		return NULL;
	crypto_sha256(token, strlen(token), hash);
	for (unsigned i = 0; i < AUTH_SESSIONS; i++) {
		struct session *s = &a->session[i];

		if (!s->role || !same(s->hash, hash, sizeof(hash)))
			continue;
		if (now_ms - s->used_ms > AUTH_IDLE_S * INT64_C(1000) ||
		    now_ms - s->since_ms > AUTH_LONGEST_S * INT64_C(1000)) {
			memset(s, 0, sizeof(*s));
			return NULL;
		}
		return s;
	}
	return NULL;
}

static void
session_end(struct call *c)
{
	struct auth *a = c->co->auth;
	struct session *s;

	(void)pthread_mutex_lock(&a->lock);
	if ((s = session_find(a, c->session, steady_ms())))
		memset(s, 0, sizeof(*s));
	(void)pthread_mutex_unlock(&a->lock);
}

/* False: the account is no longer what it was when its password was looked at. */
static bool
session_begin(struct call *c, const char *user, int role, const uint8_t *salt)
{
	struct auth *a = c->co->auth;
	uint8_t token[TOKEN], csrf[24];
	struct session *s = &a->session[0];

	crypto_random(token, sizeof(token));
	crypto_random(csrf, sizeof(csrf));
	crypto_b64url(token, sizeof(token), c->session);
	(void)pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < AUTH_SESSIONS && s->role; i++)
		if (!a->session[i].role || a->session[i].used_ms < s->used_ms)
			s = &a->session[i];
	memset(s, 0, sizeof(*s));
	crypto_sha256(c->session, strlen(c->session), s->hash);
	crypto_b64url(csrf, sizeof(csrf), s->csrf);
	snprintf(s->user, sizeof(s->user), "%s", user);
	s->role = role;
	s->since_ms = s->used_ms = steady_ms();
	memcpy(c->csrf, s->csrf, sizeof(c->csrf));
	(void)pthread_mutex_unlock(&a->lock);
	snprintf(c->user, sizeof(c->user), "%s", user);
	c->role = (enum role)role;
	/* Who changes an account drops its sessions afterwards: this one, or it is seen here. */
	if (!unchanged(c, user, role, salt)) {
		session_end(c);
		return false;
	}
	snprintf(c->cookie, sizeof(c->cookie), COOKIE "%s; Path=/; HttpOnly; SameSite=Strict%s",
	    c->session, c->co->conf.plain ? "" : "; Secure");
	return true;
}

void
auth_sessions_drop(struct auth *a, const char *user, const char *but)
{
	(void)pthread_mutex_lock(&a->lock);
	for (unsigned i = 0; i < AUTH_SESSIONS; i++)
		if (a->session[i].role && strcmp(a->session[i].user, user) == 0 &&
		    (!but || strcmp(a->session[i].csrf, but) != 0))
			memset(&a->session[i], 0, sizeof(a->session[i]));
	(void)pthread_mutex_unlock(&a->lock);
}

int
auth_identify(struct call *c)
{
	const char *cookie = call_header(c, "Cookie"), *p = cookie;
	struct auth *a = c->co->auth;
	struct session *s;

	while (p && (p = strstr(p, COOKIE)) && p != cookie && p[-1] != ' ' && p[-1] != ';')
		p++;
	if (!p)
		return ROLE_ANY;
	p += sizeof(COOKIE) - 1;
	snprintf(c->session, sizeof(c->session), "%.*s", (int)strcspn(p, "; "), p);
	(void)pthread_mutex_lock(&a->lock);
	if ((s = session_find(a, c->session, steady_ms()))) {
		s->used_ms = steady_ms();
		c->role = (enum role)s->role;
		memcpy(c->user, s->user, sizeof(c->user));
		memcpy(c->csrf, s->csrf, sizeof(c->csrf));
	}
	(void)pthread_mutex_unlock(&a->lock);
	return s ? (int)c->role : ROLE_ANY;
}

bool
auth_csrf(const struct call *c)
{
	const char *h = call_header(c, "X-CSRF-Token");

	return h && strlen(h) == strlen(c->csrf) && same(h, c->csrf, strlen(h));
}

bool
auth_alive(const struct call *c)
{
	struct auth *a = c->co->auth;
	struct session *s;

	(void)pthread_mutex_lock(&a->lock);
	s = session_find(a, c->session, steady_ms());
	(void)pthread_mutex_unlock(&a->lock);
	return s != NULL;
}

/* --- calls ------------------------------------------------------------------------------------------ */

static void
say_me(struct call *c)
{
	if (!call_begin(c, 200))
		return;
	jw_obj(&c->w, NULL);
	jw_str(&c->w, "user", c->user);
	jw_str(&c->w, "role", auth_role_name((int)c->role));
	jw_str(&c->w, "csrf", c->csrf);
	jw_str(&c->w, "version", build_version);
	jw_close(&c->w, '}');
}

static int
seen(struct store_tx *tx, void *ctx)
{
	const struct call *c = ctx;

	return tx_exec(
	    tx, "UPDATE user SET last_login = ? WHERE name = ?", "it", c->now_ms, c->user);
}

void
auth_login(struct call *c)
{
	json_t *o = call_json(c);
	const char *user, *password;
	uint8_t salt[CRYPTO_SALT_LEN];
	unsigned wait;
	int role;

	if (!o)
		return;
	user = json_string_value(json_object_get(o, "user"));
	password = json_string_value(json_object_get(o, "password"));
	if (!user || !password || strlen(password) > AUTH_PASSWORD_MAX || strlen(user) > USER_MAX) {
		call_error(c, 400, "bad_request", "user and password");
	} else if ((wait = limit_try(c->co->auth, user, c->address, steady_ms())) > 0) {
		c->retry_after = wait;
		call_error(c, 429, "too_many", "too many failed log-ins");
	} else if ((role = check(c, user, password, salt)) < 0) {
		limit_back(c->co->auth, user, c->address, steady_ms());
		if (c->status == 0) { /* else the data base does not answer */
			c->retry_after = 2;
			call_error(c, 429, "busy", "too many log-ins at a time");
		}
	} else if (role == 0 || !session_begin(c, user, role, salt)) {
		snprintf(c->user, sizeof(c->user), "%s", user);
		audit_log(c, "login", user, false, "%s", "");
		call_error(c, 401, "login", "user or password is wrong");
	} else {
		limit_back(c->co->auth, user, c->address, steady_ms());
		(void)!store_write(c->co->store, seen, c);
		audit_log(c, "login", user, true, "%s", "");
		say_me(c);
	}
	json_decref(o);
}

void
auth_logout(struct call *c)
{
	session_end(c);
	snprintf(
	    c->cookie, sizeof(c->cookie), COOKIE "; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
	audit_log(c, "logout", c->user, true, "%s", "");
	if (call_begin(c, 200)) {
		jw_obj(&c->w, NULL);
		jw_close(&c->w, '}');
	}
}

void
auth_me(struct call *c)
{
	say_me(c);
}

void
auth_password(struct call *c)
{
	json_t *o = call_json(c);
	const char *old, *new;
	uint8_t salt[CRYPTO_SALT_LEN];
	char err[200] = "";
	int role, r;

	if (!o)
		return;
	old = json_string_value(json_object_get(o, "old"));
	new = json_string_value(json_object_get(o, "new"));
	if (!old || !new) {
		call_error(c, 400, "bad_request", "old and new");
	} else if (limit_try(c->co->auth, c->user, c->address, steady_ms()) > 0) {
		call_error(c, 429, "too_many", "too many wrong passwords");
	} else if ((role = check(c, c->user, old, salt)) < 0) {
		limit_back(c->co->auth, c->user, c->address, steady_ms());
		if (c->status == 0) { /* else the data base does not answer */
			c->retry_after = 2;
			call_error(c, 429, "busy", "too many log-ins at a time");
		}
	} else if (role == 0) {
		audit_log(c, "password", c->user, false, "the old one is wrong");
		call_error(c, 403, "password", "the old password is wrong");
	} else {
		limit_back(c->co->auth, c->user, c->address, steady_ms());
		if ((r = auth_user_password(c->co->store, c->user, salt, new, err, sizeof(err))) ==
		    0) {
			auth_sessions_drop(c->co->auth, c->user, c->csrf);
			audit_log(c, "password", c->user, true, "%s", "");
			say_me(c);
		} else if (r == ERR_USAGE) {
			call_error(c, 400, "password", "%s", err);
		} else if (r == ERR_NOTFOUND) {
			call_error(c, 403, "password", "the account was changed by somebody else");
		} else {
			call_store_error(c, r);
		}
	}
	json_decref(o);
}
