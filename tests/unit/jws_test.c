/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws_test.c - batch statements: signed, read back, and refused when they are
 * not exactly ours.  Whether others can read them is tested with npm's jose
 * and openssl in tests/e2e/journal.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/batch.h"
#include "alerts/proof.h"
#include "base/err.h"
#include "base/jw.h"

static struct key key;
static struct key_set keys;

/* Sign any header and payload with the right key. */
static size_t
sign_raw(const char *header, const char *payload, char *jws)
{
	uint8_t sig[CRYPTO_SIG_LEN];
	size_t n;

	crypto_b64url(header, strlen(header), jws);
	n = strlen(jws);
	jws[n++] = '.';
	crypto_b64url(payload, strlen(payload), jws + n);
	n += strlen(jws + n);
	crypto_ed25519_sign(jws, n, key.sk, sig);
	jws[n++] = '.';
	crypto_b64url(sig, sizeof(sig), jws + n);
	return n + strlen(jws + n);
}

static void
round_trip(void **state)
{
	struct batch in =
			 {
			     .iss = "plant \"7\" \xc3\xa4",
			     .epoch = 1795477929,
			     .number = 12,
			     .first = 100,
			     .last = 102,
			     .n = 3,
			     .iat_ms = 1795477929123,
			     .capture_clock = true,
			     .final = true,
			     .lost = 7,
			     .oldest = 4,
			     .clock = BATCH_CLOCK_FREE,
			     .clock_error_ms = 16000,
			 },
		     out;
	char jws[BATCH_JWS_MAX], err[128];
	size_t n;

	(void)state;
	memset(in.sha256, 0xa1, sizeof(in.sha256));
	memset(in.root, 0xb2, sizeof(in.root));
	memset(in.prev, 0xc3, sizeof(in.prev));
	n = batch_sign(&in, &key, jws);
	assert_int_equal(batch_open(jws, n, &keys, &out, err, sizeof(err)), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(batch_peek(jws, n, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	/* The longest name fits, even when every byte of it needs an escape. */
	memset(in.iss, 1, BATCH_ISS_MAX);
	n = batch_sign(&in, &key, jws);
	assert_true(n < BATCH_JWS_MAX);
	assert_int_equal(batch_open(jws, n, &keys, &out, err, sizeof(err)), 0);
}

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define GOOD                                                                                       \
	"\"iss\":\"s\",\"epoch\":1,\"batch\":1,\"first\":1,\"last\":0,\"n\":0,\"sha256\":\"" HASH  \
	"\",\"root\":\"" HASH "\",\"prev\":\"" HASH "\",\"iat\":1.5"

static void
headers(void **state)
{
	static const struct {
		const char *fmt;
		bool ok;
	} v[] = {
	    {"{\"alg\":\"Ed25519\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\"}", true},
	    {"{\"alg\":\"EdDSA\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\"}", true},
	    {"{\"alg\":\"none\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\"}", false},
	    {"{\"alg\":\"HS256\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\"}", false},
	    {"{\"alg\":\"Ed25519\",\"typ\":\"JWT\",\"kid\":\"%s\"}", false},
	    {"{\"alg\":\"Ed25519\",\"kid\":\"%s\"}", false},
	    {"{\"alg\":\"Ed25519\",\"typ\":\"interlock-batch+jws\",\"kid\":\"x%s\"}", false},
	    {"{\"alg\":\"Ed25519\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\",\"crit\":["
	     "\"b64\"]}",
		false},
	    {"{\"alg\":\"none\",\"alg\":\"Ed25519\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%"
	     "s\"}",
		false},
	    {"[\"%s\"]", false},
	};
	char header[256], jws[BATCH_JWS_MAX], err[128];
	struct batch b;

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		size_t n;

		snprintf(header, sizeof(header), v[i].fmt, key.kid);
		n = sign_raw(header, "{\"v\":1," GOOD "}", jws);
		assert_int_equal(batch_open(jws, n, &keys, &b, err, sizeof(err)) == 0, v[i].ok);
	}
}

/* What a stranger calls his key reaches a terminal only as the name of a key. */
static void
strangers(void **state)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {9};
	struct batch b = {.iss = "s", .number = 1, .first = 1, .oldest = 1};
	char jws[BATCH_JWS_MAX], err[128], want[128];
	struct key other;
	size_t n;

	(void)state;
	key_from_seed(&other, seed);
	n = batch_sign(&b, &other, jws);
	snprintf(want, sizeof(want), "signed by key %s, which was not given", other.kid);
	assert_int_equal(batch_open(jws, n, &keys, &b, err, sizeof(err)), ERR_SIGNATURE);
	assert_string_equal(err, want);
	n = sign_raw("{\"alg\":\"Ed25519\",\"typ\":\"" BATCH_TYP "\",\"kid\":\"\\u001b[2J\"}",
	    "{\"v\":1," GOOD "}", jws);
	assert_int_equal(batch_open(jws, n, &keys, &b, err, sizeof(err)), ERR_SIGNATURE);
	assert_string_equal(err, "signed by key (odd id), which was not given");
}

static void
payloads(void **state)
{
	static const struct {
		const char *text;
		int want;
	} v[] = {
	    {"{\"v\":1," GOOD "}", 0},
	    {"{\"v\":1,\"new\":{}," GOOD "}", 0}, /* members may be added within a version */
	    {"{\"v\":2," GOOD "}", ERR_UNSUPPORTED},
	    {"{" GOOD "}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"iat\":2}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"final\":1}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"time\":{\"in_step\":true,\"error_ms\":1}}", 0},
	    {"{\"v\":1," GOOD ",\"time\":{\"in_step\":true}}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"time\":{\"in_step\":1,\"error_ms\":1}}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"time\":{\"in_step\":true,\"error_ms\":4294967296}}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"time\":null}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"lost\":-1}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"lost\":9007199254740993}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"oldest\":2}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"clock\":\"sun\"}", ERR_UNSUPPORTED},
	    {"{\"v\":1,\"iss\":\"a\\u0000b\",\"epoch\":1}", ERR_FORMAT},
	    {"[]", ERR_FORMAT},
	    {"", ERR_FORMAT},
	};
	char header[256], jws[BATCH_JWS_MAX], err[128];
	struct batch b;

	(void)state;
	snprintf(header, sizeof(header),
	    "{\"alg\":\"Ed25519\",\"typ\":\"interlock-batch+jws\",\"kid\":\"%s\"}", key.kid);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		size_t n = sign_raw(header, v[i].text, jws);

		assert_int_equal(batch_open(jws, n, &keys, &b, err, sizeof(err)), v[i].want);
	}
	assert_true(batch_open("", 0, &keys, &b, err, sizeof(err)) < 0);
	assert_true(batch_open("a.b", 3, &keys, &b, err, sizeof(err)) < 0);
	assert_true(batch_open("..", 2, &keys, &b, err, sizeof(err)) < 0);
}

/* A proof of every line of batches of every size; then with anything changed. */
static void
proofs(void **state)
{
	static uint8_t leaf[9][MERKLE_LEN];
	static char lines[9][64], buf[16384], bad[16384];
	const char *line[10];
	struct proof_result res;
	char jws[BATCH_JWS_MAX], err[256], *all = malloc(9 * 64);

	(void)state;
	assert_non_null(all);
	for (uint64_t n = 1; n <= 9; n++) {
		struct batch b = {.iss = "s",
		    .epoch = 1,
		    .number = 1,
		    .first = 5,
		    .last = 4 + n,
		    .n = n,
		    .oldest = 1};
		struct journal_batch jb = {
		    .b = &b, .jws = jws, .line = line, .leaf = (const uint8_t(*)[MERKLE_LEN])leaf};
		struct merkle m;
		char *p = all;

		merkle_init(&m);
		for (uint64_t i = 0; i < n; i++) {
			int len = snprintf(
			    lines[i], 64, "{\"say\":\"\\\"%u\\\" \xc3\xa4\"}\n", (unsigned)i);

			line[i] = p;
			memcpy(p, lines[i], (size_t)len);
			p += len;
			merkle_leaf(lines[i], (size_t)len - 1, leaf[i]);
			merkle_add(&m, leaf[i]);
		}
		line[n] = p;
		merkle_root(&m, b.root);
		jb.jws_len = batch_sign(&b, &key, jws);
		for (uint64_t i = 0; i < n; i++) {
			struct jw w = jw_make(buf, sizeof(buf));
			char *at;

			proof_write(&w, &jb, i, &key);
			assert_true(jw_end(&w));
			assert_int_equal(
			    proof_check(buf, jw_len(&w), &keys, &res, err, sizeof(err)), 0);
			assert_int_equal(res.seq, 5 + i);
			assert_false(res.own_key);
			assert_int_equal(
			    proof_check(buf, jw_len(&w), NULL, &res, err, sizeof(err)), 0);
			assert_true(res.own_key);
			memcpy(bad, buf, sizeof(buf));
			assert_non_null(at = strstr(bad, "say"));
			*at = 'S';
			assert_int_equal(
			    proof_check(bad, jw_len(&w), &keys, &res, err, sizeof(err)), ERR_CHAIN);
			memcpy(bad, buf, sizeof(buf));
			assert_non_null(at = strstr(bad, "\"seq\":"));
			at[6] = at[6] == '5' ? '6' : '5';
			assert_int_equal(
			    proof_check(bad, jw_len(&w), &keys, &res, err, sizeof(err)), ERR_CHAIN);
		}
	}
	assert_int_equal(proof_check("{}", 2, &keys, &res, err, sizeof(err)), ERR_FORMAT);
	free(all);
}

static int
setup(void **state)
{
	static const uint8_t seed[CRYPTO_SEED_LEN] = {1};

	(void)state;
	key_from_seed(&key, seed);
	return key_set_add(&keys, &key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip), cmocka_unit_test(headers),
	    cmocka_unit_test(strangers), cmocka_unit_test(payloads), cmocka_unit_test(proofs)};

	return cmocka_run_group_tests(tests, setup, NULL);
}
