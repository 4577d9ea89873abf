/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - people: accounts, sessions, what a role may.
 *
 * Passwords are kept as Argon2id with a salt each.  A session is 32 random bytes in a cookie; we
 * keep their SHA-256, in memory: a restart logs everybody out.  At most AUTH_SESSIONS, the one that
 * was idle longest goes.  Whatever changes something carries the session's CSRF token in a header.
 * Failed log-ins: AUTH_TRIES per account and address, four times that per address, in AUTH_WINDOW_S;
 * one that is being looked at counts as failed.  A log-in or change of password that an admin's change of
 * the account overtakes has no effect.
 */
#ifndef COLLECTOR_AUTH_H
#define COLLECTOR_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTH_SESSIONS	  512u
#define AUTH_IDLE_S	  (8 * 3600)
#define AUTH_LONGEST_S	  (24 * 3600)
#define AUTH_TRIES	  5u
#define AUTH_WINDOW_S	  (15 * 60)
#define AUTH_PASSWORD_MIN 10u
#define AUTH_PASSWORD_MAX 256u
#define AUTH_HASH_LEN	  32u
#define AUTH_HASHING	  2u /* at a time: each takes 64 MiB */

struct auth;
struct call;
struct store;

struct auth *auth_new(struct store *s); /* NULL: no memory */
void auth_free(struct auth *a);

/* The role of the call's session (0: none); user and csrf are filled in. */
int auth_identify(struct call *c);
/* Does it carry the token of its session? */
bool auth_csrf(const struct call *c);
/* The session is still there: for streams.  Counts as use when `use`. */
bool auth_alive(const struct call *c);

/* Make an account, or give an existing one this password and role.  0 or ERR_*, said in err. */
int auth_user_put(struct store *s, const char *name, int role, const char *password, int64_t now_ms,
    char *err, size_t err_size);
/* Another password for an account that may be used and whose salt is still `was` (CRYPTO_SALT_LEN bytes).
 * Nothing else of it changes.  0; ERR_USAGE, said in err; ERR_NOTFOUND: somebody else changed it; or ERR_*. */
int auth_user_password(struct store *s, const char *name, const uint8_t *was, const char *password,
    char *err, size_t err_size);
/* All sessions of an account end, but the one with this CSRF token (or NULL). */
void auth_sessions_drop(struct auth *a, const char *user, const char *but);
const char *auth_role_name(int role);
int auth_role_parse(const char *name); /* or -1 */

/* Calls of routes.def. */
void auth_login(struct call *c);
void auth_logout(struct call *c);
void auth_me(struct call *c);
void auth_password(struct call *c);
void auth_users(struct call *c);
void auth_users_add(struct call *c);
void auth_users_change(struct call *c);

#endif /* COLLECTOR_AUTH_H */
