/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enrol.h - which sensors may send, and how they came to.
 *
 * An admin makes a one-time token for a name.  The sensor shows it together with its signing key (and
 * proves that it has it) and a certificate request; it gets a client certificate of our CA and the
 * key that signs receipts.  It is active at once when the token was made for that key's
 * fingerprint or says so, else pending until an admin has compared the fingerprint and approves.
 *
 * A certificate is renewed over the connection that it is good for.  Both are good then, until the new one is used: an
 * answer that was lost locks nobody out.
 */
#ifndef COLLECTOR_ENROL_H
#define COLLECTOR_ENROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"
#include "collector/model.h"

#define ENROL_TYP     "interlock-enrol+jws"
#define ENROL_TOKEN_S (24 * 3600)

struct call;
struct db;
struct store;

/* What a token is for. */
struct enrol_what {
	const char *name, *site; /* site may be NULL */
	const char *kid;	 /* only for that key, or NULL */
	bool approve;
	enum sensor_kind kind;
};
/* Make one; text holds 48 bytes.  0 or ERR_* said in err. */
int enrol_token(struct store *s, const struct enrol_what *what, int64_t now_ms, char *text,
    char *err, size_t err_size);
/* Letters, digits, "._-", 1 to 128 of them. */
bool enrol_good_name(const char *s);
/* A sensor of this name with this key, active, without a certificate: what the demo is.  Its number or ERR_*. */
int64_t enrol_local(
    struct store *s, const char *name, const char *site, const struct key *k, int64_t now_ms);
/* The call's sensor by its client certificate.  False: it has answered. */
bool enrol_identify(struct call *c);
/* Keys with which batches of a sensor may be signed; past: could have been (revoked ones too).  0 or ERR_*. */
int enrol_keys(struct call *c, int64_t sensor, bool past, struct key_set *out);
int enrol_keys_of(struct db *db, int64_t sensor, bool past, struct key_set *out);

/* Calls of routes.def. */
void enrol_post(struct call *c);
void enrol_renew(struct call *c);
void enrol_tokens(struct call *c);
void enrol_sensor(struct call *c);

#endif /* COLLECTOR_ENROL_H */
