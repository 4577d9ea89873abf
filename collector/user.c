/* SPDX-License-Identifier: Apache-2.0 */
/* user.c - accounts: made, listed, changed (auth.h). */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/err.h"
#include "collector/audit.h"
#include "collector/auth.h"
#include "collector/collector.h"
#include "collector/store.h"

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
	uint8_t salt[CRYPTO_SALT_LEN], hash[AUTH_HASH_LEN];
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
		  " ON CONFLICT(name) DO UPDATE SET role = ?2, salt = ?3, hash = ?4, disabled = 0",
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
	return crypto_argon2id(password, strlen(password), u->salt, u->hash, sizeof(u->hash));
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

struct user_change {
	struct user_put put;
	int disabled; /* -1: as it is */
	bool password;
	const uint8_t
	    *was; /* by the account itself: only if it is as it was, with this salt; or NULL */
};

static int
user_change(struct store_tx *tx, void *ctx)
{
	struct user_change *u = ctx;
	int r = 0;

	if (db_number(tx_db(tx), 0, "SELECT count(*) FROM user WHERE name = ?", "t", u->put.name) ==
	    0)
		return ERR_NOTFOUND;
	if (u->was && db_number(tx_db(tx), 0,
			  "SELECT count(*) FROM user WHERE name = ? AND salt = ? AND disabled = 0",
			  "tb", u->put.name, u->was, (size_t)CRYPTO_SALT_LEN) == 0)
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

int
auth_user_password(struct store *s, const char *name, const uint8_t *was, const char *password,
    char *err, size_t err_size)
{
	struct user_put with = {.name = name, .role = ROLE_VIEWER};
	struct user_change u = {.disabled = -1, .password = true, .was = was};
	int r = make_user(&with, password, err, err_size);

	u.put = with;
	u.put.role = 0;
	return r < 0 ? r : store_write(s, user_change, &u);
}

/* --- calls ------------------------------------------------------------------------------------------ */

void
auth_users(struct call *c)
{
	struct db *db = call_db(c);
	struct db_stmt *st;

	if (!db || !call_begin(c, 200))
		return;
	st = db_query(db,
	    "SELECT name, role, disabled, created, last_login FROM user ORDER BY name LIMIT 1000",
	    "");
	jw_obj(&c->w, NULL);
	jw_arr(&c->w, "items");
	while (st && db_step(st) == DB_ROW) {
		jw_obj(&c->w, NULL);
		jw_str(&c->w, "name", db_text(st, 0));
		jw_str(&c->w, "role", auth_role_name(db_int(st, 1)));
		jw_bool(&c->w, "disabled", db_int(st, 2));
		jw_i(&c->w, "created", db_i64(st, 3));
		jw_i(&c->w, "last_login", db_i64(st, 4));
		jw_close(&c->w, '}');
	}
	db_finalize(st);
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
		auth_sessions_drop(
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
