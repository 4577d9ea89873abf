/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws.h - what all our signed statements have in common: a JWS in compact form (RFC 7515) by an
 * Ed25519 key (RFC 8037, RFC 9864), whose header says what kind of statement it is.
 *
 *   {"alg":"Ed25519","typ":"interlock-batch+jws","kid":RFC 7638 thumbprint} . payload . signature
 *
 * The typ is the namespace inside the signed bytes: a statement of one kind is never taken for another.
 * The payload is a JSON object; who opens one reads it with the functions below.
 */
#ifndef ALERTS_JWS_H
#define ALERTS_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define JWS_MAX	    8192u /* bytes of any of them */
#define JWS_ALG	    "Ed25519"
#define JWS_ALG_OLD "EdDSA" /* RFC 8037's name for it; both are accepted */

struct json_t;

/* A JWS over n bytes of payload: its length, NUL-ended; 0: it would not fit into size. */
size_t jws_sign(const char *alg, const char *typ, const void *payload, size_t n,
    const struct key *k, char *out, size_t size);

/*
 * Verify one with a key of the set; *by is who signed, *payload to be json_decref()ed.  0, or
 * ERR_FORMAT; ERR_NOTFOUND: by a key that is not in the set; ERR_SIGNATURE: another alg or typ, a crit, no kid, a
 * signature that does not verify.  The reason is in err.
 */
int jws_open(const char *jws, size_t n, const char *typ, const struct key_set *keys,
    const struct key **by, struct json_t **payload, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* Its payload, whoever signed it: only for one's own files, and to show one.  NULL: it is no JWS. */
struct json_t *jws_peek(const char *jws, size_t n);

/* --- members of a payload; false: it is not there, or is no good -------------------------------- */

/* A whole number in 0..2^53, which every reader of JSON keeps exactly. */
bool jws_number(const struct json_t *o, const char *name, uint64_t *out);
/* 64 lower-case hexadecimal digits. */
bool jws_hash(const struct json_t *o, const char *name, uint8_t out[CRYPTO_SHA256_LEN]);
/* Text without NUL that fits into size with one. */
bool jws_text(const struct json_t *o, const char *name, char *out, size_t size);
/* A NumericDate with or without a fraction (RFC 7519 2), as milliseconds. */
bool jws_time(const struct json_t *o, const char *name, uint64_t *ms);

#endif /* ALERTS_JWS_H */
