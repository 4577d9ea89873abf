/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crypto.h - the only door to the cryptographic libraries.
 *
 * Hashes come from nettle, which uses the SHA instructions of the CPU;
 * signatures, BLAKE2b, Argon2id, random numbers and base64 from libsodium.
 * All functions are pure or work on the caller's memory; any thread.  What can
 * fail returns 0 or a negative ERR_*, and its result must be looked at.
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_SHA256_LEN 32
#define CRYPTO_SHA1_LEN	  20
#define CRYPTO_PK_LEN	  32 /* Ed25519 public key, RFC 8032 5.1.5 */
#define CRYPTO_SEED_LEN	  32 /* Ed25519 private key as RFC 8032 calls it */
#define CRYPTO_SK_LEN	  64 /* seed and public key, as libsodium signs with */
#define CRYPTO_SIG_LEN	  64
#define CRYPTO_SALT_LEN	  16

/* Characters, without NUL, of n bytes in base64 without and with padding. */
#define CRYPTO_B64URL_CHARS(n) (((n)*4 + 2) / 3)
#define CRYPTO_B64_CHARS(n)    (((n) + 2) / 3 * 4)

struct crypto_sha256 {
	uint64_t opaque[16];
};

/* FIPS 180-4; in one go, or in pieces. */
void crypto_sha256(const void *p, size_t n, uint8_t out[CRYPTO_SHA256_LEN]);
void crypto_sha256_init(struct crypto_sha256 *h);
void crypto_sha256_update(struct crypto_sha256 *h, const void *p, size_t n);
void crypto_sha256_final(struct crypto_sha256 *h, uint8_t out[CRYPTO_SHA256_LEN]);

/* Only for Community ID, which asks for it; it protects nothing. */
void crypto_sha1(const void *p, size_t n, uint8_t out[CRYPTO_SHA1_LEN]);

/* RFC 2104 with SHA-256; a key of any length. */
void crypto_hmac_sha256(
    const void *key, size_t key_len, const void *p, size_t n, uint8_t out[CRYPTO_SHA256_LEN]);

/* RFC 7693, out_len 16..64, unkeyed. */
void crypto_blake2b(const void *p, size_t n, uint8_t *out, size_t out_len);

/* RFC 9106, libsodium's "interactive" cost: 2 passes, 64 MiB. 0 or ERR_NOMEM. */
int crypto_argon2id(const char *password, size_t n, const uint8_t salt[CRYPTO_SALT_LEN],
    uint8_t *out, size_t out_len) __attribute__((warn_unused_result));

/* Ed25519, RFC 8032.  A key pair of a seed; a seed comes from crypto_random(). */
void crypto_ed25519_pair(
    const uint8_t seed[CRYPTO_SEED_LEN], uint8_t pk[CRYPTO_PK_LEN], uint8_t sk[CRYPTO_SK_LEN]);
void crypto_ed25519_sign(
    const void *p, size_t n, const uint8_t sk[CRYPTO_SK_LEN], uint8_t sig[CRYPTO_SIG_LEN]);
/* 0 or ERR_SIGNATURE. */
int crypto_ed25519_verify(const void *p, size_t n, const uint8_t sig[CRYPTO_SIG_LEN],
    const uint8_t pk[CRYPTO_PK_LEN]) __attribute__((warn_unused_result));

/* From the kernel.  Aborts when there is no randomness to be had. */
void crypto_random(void *p, size_t n);
/* Overwrite a secret; not optimised away. */
void crypto_wipe(void *p, size_t n);

/* RFC 4648 section 5 without padding, and section 4 with it; out has room for
 * the characters and a NUL.  Both return out. */
char *crypto_b64url(const void *p, size_t n, char *out);
char *crypto_b64(const void *p, size_t n, char *out);
/* The reverse of crypto_b64url(); strict: no padding, no line breaks, no stray
 * bits.  0, or ERR_FORMAT; or ERR_RANGE when out is too small. */
int crypto_b64url_decode(const char *s, size_t n, void *out, size_t size, size_t *len)
    __attribute__((warn_unused_result));
/* The reverse of crypto_b64(), as strict: padding has to be there. */
int crypto_b64_decode(const char *s, size_t n, void *out, size_t size, size_t *len)
    __attribute__((warn_unused_result));

/* Lower-case hexadecimal, 2n characters and a NUL; returns out. */
char *crypto_hex(const uint8_t *p, size_t n, char *out);

#endif /* BASE_CRYPTO_H */
