/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - Ed25519 keys in files, as JSON Web Keys (RFC 7517, RFC 8037 "OKP").
 *
 *   FILE      {"kty":"OKP","crv":"Ed25519","x":"...","d":"...","kid":...}   mode 0600
 *   FILE.pub  the same without "d"; any JOSE library reads it
 *
 * The key id is the thumbprint of RFC 7638, so nobody has to be believed about
 * it.  Where a public key is asked for, a JWK Set (RFC 7517 5) is fine as well.
 * Secret keys are refused when others than the owner may read the file.
 */
#ifndef BASE_KEY_H
#define BASE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"

#define KEY_ID_CHARS CRYPTO_B64URL_CHARS(CRYPTO_SHA256_LEN) /* 43 */
#define KEY_FILE_MAX 65536 /* bytes of a key file we are ready to read */
#define KEY_SET_MAX  64
#define KEY_JWK_MAX  320 /* bytes of one key as JSON, with its NUL */

struct key {
	uint8_t pk[CRYPTO_PK_LEN];
	uint8_t sk[CRYPTO_SK_LEN]; /* zero without has_secret */
	bool has_secret;
	char kid[KEY_ID_CHARS + 1];
};

struct key_set {
	unsigned n;
	struct key key[KEY_SET_MAX];
};

/* A new random pair; key_wipe() it when done. */
void key_init(struct key *k);
/* A pair of known seed, for tests; or a public key alone. */
void key_from_seed(struct key *k, const uint8_t seed[CRYPTO_SEED_LEN]);
void key_from_public(struct key *k, const uint8_t pk[CRYPTO_PK_LEN]);
void key_wipe(struct key *k);

/* Write FILE and FILE.pub; never over an existing file.  0, ERR_EXISTS or another
 * ERR_* with one line for the user in err. */
int key_save(const struct key *k, const char *path, char *err, size_t err_size);
/* Read a secret key. */
int key_load(struct key *k, const char *path, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* Read public keys: a JWK, a JWK Set, a minisign .pub file, or a secret key file (its secret is
 * ignored). */
int key_set_load(struct key_set *set, const char *path, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* The same from memory; err names no file. */
int key_set_parse(struct key_set *set, const char *text, size_t len, char *err, size_t err_size)
    __attribute__((warn_unused_result));

/* By key id (n characters), or NULL. */
const struct key *key_set_lookup(const struct key_set *set, const char *kid, size_t n);
/* Adds a key that is not yet there. 0 or ERR_FULL. */
int key_set_add(struct key_set *set, const struct key *k);

/* The public half as a JWK, NUL-terminated; buf holds KEY_JWK_MAX.  Returns buf. */
char *key_jwk(const struct key *k, char *buf);
/* The public half for OpenSSL: PEM of RFC 8410 SubjectPublicKeyInfo; buf holds KEY_JWK_MAX. */
char *key_pem(const struct key *k, char *buf);

#endif /* BASE_KEY_H */
