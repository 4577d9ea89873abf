/* SPDX-License-Identifier: Apache-2.0 */
/* crypto_test.c - base/crypto and base/key against the vectors of their standards. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/key.h"

static void
assert_hex(const uint8_t *p, size_t n, const char *want)
{
	char hex[257];

	assert_true(2 * n < sizeof(hex));
	assert_string_equal(crypto_hex(p, n, hex), want);
}

static void
unhex(const char *s, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		assert_int_equal(sscanf(s + 2 * i, "%2x", &v), 1);
		out[i] = (uint8_t)v;
	}
}

/* FIPS 180-4 examples, RFC 7693 appendix A (at 64 bytes). */
static void
hashes(void **state)
{
	struct crypto_sha256 h;
	uint8_t out[64], parts[32];

	(void)state;
	crypto_sha256("abc", 3, out);
	assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_sha256("", 0, out);
	assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_sha1("abc", 3, out);
	assert_hex(out, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
	crypto_blake2b("abc", 3, out, 64);
	assert_hex(out, 64,
	    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
	    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
	for (size_t cut = 0; cut <= 200; cut++) {
		uint8_t text[200];

		memset(text, 'x', sizeof(text));
		crypto_sha256(text, sizeof(text), out);
		crypto_sha256_init(&h);
		crypto_sha256_update(&h, text, cut);
		crypto_sha256_update(&h, text + cut, sizeof(text) - cut);
		crypto_sha256_final(&h, parts);
		assert_memory_equal(out, parts, 32);
	}
}

static void
argon2id(void **state)
{
	static const uint8_t salt[CRYPTO_SALT_LEN] = {1}, other[CRYPTO_SALT_LEN] = {2};
	uint8_t a[32], b[32];

	(void)state;
	assert_int_equal(crypto_argon2id("secret", 6, salt, a, 32), 0);
	assert_int_equal(crypto_argon2id("secret", 6, salt, b, 32), 0);
	assert_memory_equal(a, b, 32);
	assert_int_equal(crypto_argon2id("secret", 6, other, b, 32), 0);
	assert_memory_not_equal(a, b, 32);
}

/* RFC 8032 7.1, tests 1 to 3. */
static void
ed25519(void **state)
{
	static const struct {
		const char *seed, *pk, *msg, *sig;
	} v[] = {
	    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc6"
		"1e3970"
		"1cf9b46bd25bf5f0595bbe24655141438e7a100b"},
	    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e45"
		"8f3613"
		"d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
	    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		"fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae"
		"67f760"
		"984dc6594a7c15e9716ed28dc027beceea1ec40a"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		uint8_t seed[32], pk[32], sk[64], sig[64], msg[2];
		size_t n = strlen(v[i].msg) / 2;

		unhex(v[i].seed, seed, 32);
		unhex(v[i].msg, msg, n);
		crypto_ed25519_pair(seed, pk, sk);
		assert_hex(pk, 32, v[i].pk);
		crypto_ed25519_sign(msg, n, sk, sig);
		assert_hex(sig, 64, v[i].sig);
		assert_int_equal(crypto_ed25519_verify(msg, n, sig, pk), 0);
		for (unsigned bit = 0; bit < 512; bit += 37) {
			sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(crypto_ed25519_verify(msg, n, sig, pk), ERR_SIGNATURE);
			sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* RFC 4648 10, and what a strict reader refuses. */
static void
base64(void **state)
{
	static const char *const bad[] = {"Z", "Zg==", "Zh", "Zg\n", "Zm9/", "Zm+v", "Zm9vY",
	    "Zm9\xf6",
	    ("\xda"
	     "m9v")};
	char out[16];
	uint8_t bin[8];
	size_t n;

	(void)state;
	assert_string_equal(crypto_b64("foobar", 6, out), "Zm9vYmFy");
	assert_string_equal(crypto_b64("fo", 2, out), "Zm8=");
	assert_string_equal(crypto_b64url("fo", 2, out), "Zm8");
	assert_string_equal(crypto_b64url("\xfb\xff", 2, out), "-_8");
	assert_int_equal(crypto_b64url_decode("Zm9vYg", 6, bin, sizeof(bin), &n), 0);
	assert_int_equal(n, 4);
	assert_memory_equal(bin, "foob", 4);
	assert_int_equal(crypto_b64url_decode("Zm9vYmFy", 8, bin, 5, &n), ERR_RANGE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    crypto_b64url_decode(bad[i], strlen(bad[i]), bin, sizeof(bin), &n), ERR_FORMAT);
}

/* RFC 8037 appendix A: the key, its thumbprint (A.3). */
static void
jwk(void **state)
{
	static const char pub[] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
				  "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}";
	char err[128], buf[KEY_JWK_MAX];
	static struct key_set set;

	(void)state;
	assert_int_equal(key_set_parse(&set, pub, strlen(pub), err, sizeof(err)), 0);
	assert_string_equal(set.key[0].kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
	assert_false(set.key[0].has_secret);
	assert_non_null(strstr(key_jwk(&set.key[0], buf), "\"kid\":\"kPrK_"));
	assert_int_equal(key_set_parse(&set, buf, strlen(buf), err, sizeof(err)), 0);
}

static void
jwk_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "[]",
	    "{}",
	    "{\"keys\":[]}",
	    "{\"keys\":[1]}",
	    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\"}",
	    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}",
	    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
	    "7TyWQHOg7hcvPapiMlrwIaaPcHURo=\"}",
	    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
	    "7TyWQHOg7hcvPapiMlrwIaaPcHURo\","
	    "\"kid\":\"me\"}",
	};
	char err[128];
	static struct key_set set;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(key_set_parse(&set, bad[i], strlen(bad[i]), err, sizeof(err)) < 0);
		assert_int_not_equal(strlen(err), 0);
	}
}

static void
key_files(void **state)
{
	char dir[] = "/tmp/interlock-key-XXXXXX", path[64], pub[70], err[256];
	struct key a, b;
	struct stat st;
	static struct key_set set;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/k", dir);
	snprintf(pub, sizeof(pub), "%s.pub", path);
	key_init(&a);
	assert_int_equal(key_save(&a, path, err, sizeof(err)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(key_load(&b, path, err, sizeof(err)), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(key_set_load(&set, pub, err, sizeof(err)), 0);
	assert_string_equal(set.key[0].kid, a.kid);
	/* Neither half is overwritten, and a failure leaves nothing of the new key. */
	key_init(&b);
	assert_int_equal(key_save(&b, path, err, sizeof(err)), ERR_EXISTS);
	assert_int_equal(unlink(pub), 0);
	assert_int_equal(key_save(&b, path, err, sizeof(err)), ERR_EXISTS);
	assert_int_equal(access(pub, F_OK), -1);
	assert_int_equal(key_load(&b, path, err, sizeof(err)), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	/* Others may read it: refused, and the message says what to do. */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(key_load(&b, path, err, sizeof(err)), ERR_PERM);
	assert_non_null(strstr(err, "chmod 600"));
	assert_int_equal(key_load(&b, "/nowhere/k", err, sizeof(err)), ERR_NOTFOUND);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hashes),
	    cmocka_unit_test(argon2id),
	    cmocka_unit_test(ed25519),
	    cmocka_unit_test(base64),
	    cmocka_unit_test(jwk),
	    cmocka_unit_test(jwk_refused),
	    cmocka_unit_test(key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
