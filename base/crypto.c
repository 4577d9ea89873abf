/* SPDX-License-Identifier: Apache-2.0 */
/* crypto.c - the only includer of libsodium and nettle. */
#include "base/crypto.h"

#include <nettle/hmac.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/err.h"

_Static_assert(sizeof(struct crypto_sha256) >= sizeof(struct sha256_ctx), "context too small");
_Static_assert(alignof(struct crypto_sha256) >= alignof(struct sha256_ctx), "context alignment");
_Static_assert(CRYPTO_SK_LEN == crypto_sign_SECRETKEYBYTES, "secret key");
_Static_assert(CRYPTO_SALT_LEN == crypto_pwhash_SALTBYTES, "salt");

/* libsodium chooses its implementations for this CPU once, before main(). */
static void __attribute__((constructor)) library_init(void)
{
	if (sodium_init() < 0)
		abort();
}

void
crypto_sha256_init(struct crypto_sha256 *h)
{
	sha256_init((struct sha256_ctx *)h->opaque);
}

void
crypto_sha256_update(struct crypto_sha256 *h, const void *p, size_t n)
{
	sha256_update((struct sha256_ctx *)h->opaque, n, p);
}

void
crypto_sha256_final(struct crypto_sha256 *h, uint8_t out[CRYPTO_SHA256_LEN])
{
	sha256_digest((struct sha256_ctx *)h->opaque, CRYPTO_SHA256_LEN, out);
}

void
crypto_sha256(const void *p, size_t n, uint8_t out[CRYPTO_SHA256_LEN])
{
	struct sha256_ctx h;

	sha256_init(&h);
	sha256_update(&h, n, p);
	sha256_digest(&h, CRYPTO_SHA256_LEN, out);
}

void
crypto_sha1(const void *p, size_t n, uint8_t out[CRYPTO_SHA1_LEN])
{
	struct sha1_ctx h;

	sha1_init(&h);
	sha1_update(&h, n, p);
	sha1_digest(&h, CRYPTO_SHA1_LEN, out);
}

void
crypto_hmac_sha256(
    const void *key, size_t key_len, const void *p, size_t n, uint8_t out[CRYPTO_SHA256_LEN])
{
	struct hmac_sha256_ctx h;

	hmac_sha256_set_key(&h, key_len, key);
	hmac_sha256_update(&h, n, p);
	hmac_sha256_digest(&h, CRYPTO_SHA256_LEN, out);
}

void
crypto_blake2b(const void *p, size_t n, uint8_t *out, size_t out_len)
{
	if (crypto_generichash_blake2b(out, out_len, p, n, NULL, 0) != 0)
		abort(); /* out_len is our own mistake */
}

int
crypto_argon2id(const char *password, size_t n, const uint8_t salt[CRYPTO_SALT_LEN], uint8_t *out,
    size_t out_len)
{
	return crypto_pwhash(out, out_len, password, n, salt, crypto_pwhash_OPSLIMIT_INTERACTIVE,
		   crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13) == 0
		   ? 0
		   : ERR_NOMEM;
}

void
crypto_ed25519_pair(
    const uint8_t seed[CRYPTO_SEED_LEN], uint8_t pk[CRYPTO_PK_LEN], uint8_t sk[CRYPTO_SK_LEN])
{
	(void)crypto_sign_seed_keypair(pk, sk, seed); /* cannot fail */
}

void
crypto_ed25519_sign(
    const void *p, size_t n, const uint8_t sk[CRYPTO_SK_LEN], uint8_t sig[CRYPTO_SIG_LEN])
{
	(void)crypto_sign_detached(sig, NULL, p, n, sk); /* cannot fail */
}

int
crypto_ed25519_verify(
    const void *p, size_t n, const uint8_t sig[CRYPTO_SIG_LEN], const uint8_t pk[CRYPTO_PK_LEN])
{
	return crypto_sign_verify_detached(sig, p, n, pk) == 0 ? 0 : ERR_SIGNATURE;
}

void
crypto_random(void *p, size_t n)
{
	randombytes_buf(p, n);
}

void
crypto_wipe(void *p, size_t n)
{
	sodium_memzero(p, n);
}

char *
crypto_b64url(const void *p, size_t n, char *out)
{
	return sodium_bin2base64(
	    out, CRYPTO_B64URL_CHARS(n) + 1, p, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

char *
crypto_b64(const void *p, size_t n, char *out)
{
	return sodium_bin2base64(
	    out, CRYPTO_B64_CHARS(n) + 1, p, n, sodium_base64_VARIANT_ORIGINAL);
}

/* libsodium 1.0.18 takes some characters for the letter without bit 7. */
static bool
seven_bits(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((uint8_t)s[i] >= 0x80)
			return false;
	return true;
}

static int
b64_decode(const char *s, size_t n, void *out, size_t size, size_t *len, int variant)
{
	if (!seven_bits(s, n))
		return ERR_FORMAT;
	return sodium_base642bin(out, size, s, n, NULL, len, NULL, variant) == 0 ? 0 : ERR_FORMAT;
}

int
crypto_b64url_decode(const char *s, size_t n, void *out, size_t size, size_t *len)
{
	size_t want = n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0);

	if (n % 4 == 1)
		return ERR_FORMAT;
	if (seven_bits(s, n) && want > size)
		return ERR_RANGE;
	return b64_decode(s, n, out, size, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int
crypto_b64_decode(const char *s, size_t n, void *out, size_t size, size_t *len)
{
	if (n == 0 || n % 4 != 0)
		return ERR_FORMAT;
	if (seven_bits(s, n) && n / 4 * 3 - (s[n - 1] == '=') - (s[n - 2] == '=') > size)
		return ERR_RANGE;
	return b64_decode(s, n, out, size, len, sodium_base64_VARIANT_ORIGINAL);
}

char *
crypto_hex(const uint8_t *p, size_t n, char *out)
{
	return sodium_bin2hex(out, 2 * n + 1, p, n);
}
