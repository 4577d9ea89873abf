/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - see auth.h. */
#include "collector/auth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/build_id.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/collector.h"
#include "collector/store.h"

#define HASH_LEN 32u
#define TOKEN	 32u
#define COOKIE	 "il_session="
#define LIMITS	 1024u
#define WAYS	 8u /* places that an entry may have */

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

static const char *const role_names[] = {"", "viewer", "analyst", "admin"};

const char *
auth_role_name(int role)
{
	return role >= ROLE_VIEWER && role <= ROLE_ADMIN ? role_names[role] : "none";
}

int
auth_role_parse(const char *name)
{
	for (int i = ROLE_VIEWER; name && i <= ROLE_ADMIN; i++)
		if (strcmp(name, role_names[i]) == 0)
			return i;
	return -1;
}

struct auth *
auth_new(struct store *s)
{
	struct auth *a = calloc(1, sizeof(*a));

	if (a) {
		a->store = s;
		crypto_random(a->secret, sizeof(a->secret));
		(void)pthread_mutex_init(&a->lock, NULL);
		(void)pthread_cond_init(&a->free, NULL);
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

/* --- passwords ------------------------------------------------------------------------ */

static int
hash_password(const char *password, const uint8_t salt[CRYPTO_SALT_LEN], uint8_t out[HASH_LEN])
{
	return crypto_argon2id(password, strlen(password), salt, out, HASH_LEN);
}

/* Two at a time; who would wait longer than 3 s is told to come again. */
static int
hash_in_turn(struct auth *a, const char *password, const uint8_t *salt, uint8_t *out)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
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
	r = hash_password(password, salt, out);
	(void)pthread_mutex_lock(&a->lock);
	a->hashing--;
	(void)pthread_cond_signal(&a->free);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}

static bool
good_name(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= USER_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") == n;
}

struct user_put {
	const char *name;
	int role;
	uint8_t salt[CRYPTO_SALT_LEN], hash[HASH_LEN];
	int64_t now_ms;
	bool only_new;
};

static int
user_put(struct store_tx *tx, void *ctx)
{
	struct user_put *u = ctx;

	return tx_exec(tx,
	    u->only_new
		? "INSERT INTO user(name, role, salt, hash, created) VALUES(?1, ?2, ?3, ?4, ?5)"
		: "INSERT INTO user(name, role, salt, hash, created) VALUES(?1, ?2, ?3, ?4, ?5)"
		  " ON CONFLICT DO UPDATE SET role = ?2, salt = ?3, hash = ?4, disabled = 0",
	    "tibbi", u->name, (int64_t)u->role, u->salt, sizeof(u->salt), u->hash, sizeof(u->hash),
	    u->now_ms);
}

static int
make_user(struct user_put *u, const char *password, char *err, size_t err_size)
{
	if (!good_name(u->name))
		return err_say(err, err_size, ERR_USAGE,
		    "a name is 1 to %u letters, digits, '._@-'", USER_MAX);
	if (u->role < ROLE_VIEWER || u->role > ROLE_ADMIN)
		return err_say(err, err_size, ERR_USAGE, "a role is viewer, analyst or admin");
	if (strlen(password) < AUTH_PASSWORD_MIN || strlen(password) > AUTH_PASSWORD_MAX)
		return err_say(err, err_size, ERR_USAGE, "a password has %u to %u bytes",
		    AUTH_PASSWORD_MIN, AUTH_PASSWORD_MAX);
	crypto_random(u->salt, sizeof(u->salt));
	return hash_password(password, u->salt, u->hash);
}

int
auth_user_put(struct store *s, const char *name, int role, const char *password, int64_t now_ms,
    char *err, size_t err_size)
{
	struct user_put u = {.name = name, .role = role, .now_ms = now_ms};
	int r = make_user(&u, password, err, err_size);

	if (r == 0 && (r = store_write(s, user_put, &u)) < 0)
		(void)err_say(err, err_size, r, "not stored: %s", err_str(r));
	return r;
}

/* Is that the password of an account that may be used?  Its role, 0: no, or ERR_*. */
static int
check(struct call *c, const char *user, const char *password)
{
	uint8_t salt[CRYPTO_SALT_LEN] = {1}, want[HASH_LEN] = {0}, got[HASH_LEN];
	struct sqlite3 *db = call_db(c);
	sqlite3_stmt *st;
	int role = 0, r;

	if (!db)
		return ERR_AGAIN;
	st = db_query(
	    db, "SELECT role, salt, hash FROM user WHERE name = ? AND disabled = 0", "t", user);
	if (st && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 1) == sizeof(salt) &&
	    sqlite3_column_bytes(st, 2) == sizeof(want)) {
		role = sqlite3_column_int(st, 0);
		memcpy(salt, sqlite3_column_blob(st, 1), sizeof(salt));
		memcpy(want, sqlite3_column_blob(st, 2), sizeof(want));
	}
	sqlite3_finalize(st);
	store_put(c->co->store, c->db); /* not while a password is hashed */
	c->db = NULL;
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

/* Seconds to wait, 0: he may try; failed: he did, and it was wrong. */
static unsigned
limited(struct auth *a, const char *user, const char *address, int64_t now_ms, bool failed)
{
	struct limit *l[2];
	unsigned wait = 0;

	(void)pthread_mutex_lock(&a->lock);
	l[0] = limit_of(a, user, address, now_ms);
	l[1] = limit_of(a, "", address, now_ms);
	for (unsigned i = 0; i < 2; i++) {
		if (failed)
			l[i]->failed++;
		else if (l[i]->failed >= AUTH_TRIES * (i ? 4 : 1))
			wait = (unsigned)(AUTH_WINDOW_S - (now_ms - l[i]->since_ms) / 1000) + 1;
	}
	(void)pthread_mutex_unlock(&a->lock);
	return wait;
}

/* --- sessions ----------------------------------------------------------------------------------- */

static void
session_begin(struct call *c, const char *user, int role)
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
	s->since_ms = s->used_ms = c->now_ms;
	memcpy(c->csrf, s->csrf, sizeof(c->csrf));
	(void)pthread_mutex_unlock(&a->lock);
	snprintf(c->user, sizeof(c->user), "%s", user);
	c->role = (enum role)role;
	snprintf(c->cookie, sizeof(c->cookie), COOKIE "%s; Path=/; HttpOnly; SameSite=Strict%s",
	    c->session, c->co->conf.plain ? "" : "; Secure");
}

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
sessions_drop(struct auth *a, const char *user, const char *but)
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
	if ((s = session_find(a, c->session, c->now_ms))) {
		s->used_ms = c->now_ms;
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
	s = session_find(a, c->session, c->now_ms);
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
	unsigned wait;
	int role;

	if (!o)
		return;
	user = json_string_value(json_object_get(o, "user"));
	password = json_string_value(json_object_get(o, "password"));
	if (!user || !password || strlen(password) > AUTH_PASSWORD_MAX || strlen(user) > USER_MAX) {
		call_error(c, 400, "bad_request", "user and password");
	} else if ((wait = limited(c->co->auth, user, c->address, c->now_ms, false)) > 0) {
		c->retry_after = wait;
		call_error(c, 429, "too_many", "too many failed log-ins");
	} else if ((role = check(c, user, password)) < 0) {
		c->retry_after = 2;
		call_error(c, 429, "busy", "too many log-ins at a time");
	} else if (role == 0) {
		(void)limited(c->co->auth, user, c->address, c->now_ms, true);
		snprintf(c->user, sizeof(c->user), "%s", user);
		audit_log(c, "login", user, false, "%s", "");
		call_error(c, 401, "login", "user or password is wrong");
	} else {
		session_begin(c, user, role);
		(void)!store_write(c->co->store, seen, c);
		audit_log(c, "login", user, true, "%s", "");
		say_me(c);
	}
	json_decref(o);
}

void
auth_logout(struct call *c)
{
	struct auth *a = c->co->auth;
	struct session *s;

	(void)pthread_mutex_lock(&a->lock);
	if ((s = session_find(a, c->session, c->now_ms)))
		memset(s, 0, sizeof(*s));
	(void)pthread_mutex_unlock(&a->lock);
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
	char err[200] = "";
	int role, r;

	if (!o)
		return;
	old = json_string_value(json_object_get(o, "old"));
	new = json_string_value(json_object_get(o, "new"));
	if (!old || !new) {
		call_error(c, 400, "bad_request", "old and new");
	} else if (limited(c->co->auth, c->user, c->address, c->now_ms, false) > 0) {
		call_error(c, 429, "too_many", "too many wrong passwords");
	} else if ((role = check(c, c->user, old)) <= 0) {
		(void)limited(c->co->auth, c->user, c->address, c->now_ms, true);
		audit_log(c, "password", c->user, false, "the old one is wrong");
		call_error(c, 403, "password", "the old password is wrong");
	} else if ((r = auth_user_put(
			c->co->store, c->user, role, new, c->now_ms, err, sizeof(err))) < 0) {
		if (r == ERR_USAGE)
			call_error(c, 400, "password", "%s", err);
		else
			call_store_error(c, r);
	} else {
		sessions_drop(c->co->auth, c->user, c->csrf);
		audit_log(c, "password", c->user, true, "%s", "");
		say_me(c);
	}
	json_decref(o);
}

void
auth_users(struct call *c)
{
	struct sqlite3 *db = call_db(c);
	sqlite3_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db,
	    "SELECT name, role, disabled, created, last_login FROM user ORDER BY name LIMIT 1000",
	    "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "name", db_text(st, 0));
		jw_str(&c->w, "role", auth_role_name(sqlite3_column_int(st, 1)));
		jw_bool(&c->w, "disabled", sqlite3_column_int(st, 2));
		jw_i(&c->w, "created", sqlite3_column_int64(st, 3));
		jw_i(&c->w, "last_login", sqlite3_column_int64(st, 4));
		jw_close(&c->w, '}');
	}
	sqlite3_finalize(st);
	jw_close(&c->w, ']');
	jw_key(&c->w, "next");
	jw_raw(&c->w, "null}", 5);
}

void
auth_users_add(struct call *c)
{
	json_t *o = call_json(c);
	const char *name, *password;
	struct user_put u = {.now_ms = c->now_ms, .only_new = true};
	char err[200] = "";
	int r;

	if (!o)
		return;
	name = json_string_value(json_object_get(o, "name"));
	password = json_string_value(json_object_get(o, "password"));
	u.name = name ? name : "";
	u.role = auth_role_parse(json_string_value(json_object_get(o, "role")));
	r = make_user(&u, password ? password : "", err, sizeof(err));
	if (r == ERR_USAGE)
		call_error(c, 400, "bad_request", "%s", err);
	else if (r < 0 || (r = store_write(c->co->store, user_put, &u)) < 0)
		call_store_error(c, r);
	audit_log(c, "user.add", u.name, r == 0, "%s", auth_role_name(u.role));
	if (r == 0)
		auth_users(c);
	json_decref(o);
}

struct user_change {
	struct user_put put;
	int disabled; /* -1: as it is */
	bool password;
	bool last_admin;
};

static int
user_change(struct store_tx *tx, void *ctx)
{
	struct user_change *u = ctx;
	int r = 0;

	if (db_number(tx_db(tx), 0, "SELECT count(*) FROM user WHERE name = ?", "t", u->put.name) ==
	    0)
		return ERR_NOTFOUND;
	if (u->put.role > 0)
		r = tx_exec(tx, "UPDATE user SET role = ? WHERE name = ?", "it",
		    (int64_t)u->put.role, u->put.name);
	if (r == 0 && u->password)
		r = tx_exec(tx, "UPDATE user SET salt = ?, hash = ? WHERE name = ?", "bbt",
		    u->put.salt, sizeof(u->put.salt), u->put.hash, sizeof(u->put.hash),
		    u->put.name);
	if (r == 0 && u->disabled >= 0)
		r = tx_exec(tx, "UPDATE user SET disabled = ? WHERE name = ?", "it",
		    (int64_t)u->disabled, u->put.name);
	/* Nobody locks everybody out. */
	if (r == 0 && db_number(tx_db(tx), 0,
			  "SELECT count(*) FROM user WHERE role = 3 AND disabled = 0", "") == 0)
		return ERR_USAGE;
	return r;
}

void
auth_users_change(struct call *c)
{
	json_t *o = call_json(c), *disabled;
	struct user_change u = {.disabled = -1};
	const char *role, *password;
	char err[200] = "";
	int r = 0;

	if (!o)
		return;
	u.put.name = c->part[0];
	role = json_string_value(json_object_get(o, "role"));
	password = json_string_value(json_object_get(o, "password"));
	disabled = json_object_get(o, "disabled");
	u.put.role = role ? auth_role_parse(role) : 0;
	if (json_is_boolean(disabled))
		u.disabled = json_is_true(disabled);
	u.password = password != NULL;
	if (password) {
		struct user_put with = {.name = c->part[0], .role = ROLE_VIEWER};

		r = make_user(&with, password, err, sizeof(err));
		memcpy(u.put.salt, with.salt, sizeof(with.salt));
		memcpy(u.put.hash, with.hash, sizeof(with.hash));
	}
	if (r == 0 && u.put.role < 0)
		r = err_say(err, sizeof(err), ERR_USAGE, "a role is viewer, analyst or admin");
	if (r == 0 && (r = store_write(c->co->store, user_change, &u)) == ERR_USAGE)
		(void)err_say(err, sizeof(err), r, "one admin has to remain");
	if (r == 0)
		sessions_drop(
		    c->co->auth, c->part[0], NULL); /* also one's own: its role is another */
	audit_log(c, "user.change", c->part[0], r == 0, "%s%s%s", role ? role : "",
	    password ? " password" : "", u.disabled == 1 ? " disabled" : "");
	if (r == ERR_USAGE)
		call_error(c, 400, "bad_request", "%s", err);
	else if (r == ERR_NOTFOUND)
		call_error(c, 404, "not_found", "no such user");
	else if (r < 0)
		call_store_error(c, r);
	else
		auth_users(c);
	json_decref(o);
}
