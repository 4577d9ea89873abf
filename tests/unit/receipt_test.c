/* SPDX-License-Identifier: Apache-2.0 */
/* receipt_test.c - receipts of a collector: signed, read back, and refused when anything is not as it was signed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/jws.h"
#include "alerts/receipt.h"
#include "base/err.h"

static struct key key, other;
static struct key_set keys;

static const struct receipt sample = {
    .iss = "soc.example",
    .sub = "plant \"7\" \xc3\xa4",
    .epoch = 1795477929,
    .batch = 41,
    .hash = {0xde, 0xad, [31] = 0xef},
    .iat_ms = 1795477929012,
};

static void
round_trip(void **state)
{
	char jws[RECEIPT_JWS_MAX], err[200] = "";
	size_t n = receipt_sign(&sample, &key, jws);
	struct receipt r;

	(void)state;
	assert_true(n > 0 && jws[n] == '\0');
	assert_int_equal(receipt_open(jws, n, &keys, &r, err, sizeof(err)), 0);
	assert_memory_equal(&r, &sample, sizeof(r));
}

/* Any byte that is another one, any byte less, any byte more. */
static void
no_byte_may_change(void **state)
{
	char jws[RECEIPT_JWS_MAX], bad[RECEIPT_JWS_MAX], err[200];
	size_t n = receipt_sign(&sample, &key, jws);
	struct receipt r;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		memcpy(bad, jws, n + 1);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_int_not_equal(receipt_open(bad, n, &keys, &r, err, sizeof(err)), 0);
		assert_int_not_equal(receipt_open(jws, i, &keys, &r, err, sizeof(err)), 0);
	}
	memcpy(bad, jws, n);
	bad[n] = 'A';
	assert_int_not_equal(receipt_open(bad, n + 1, &keys, &r, err, sizeof(err)), 0);
}

static void
another_key_is_refused(void **state)
{
	char jws[RECEIPT_JWS_MAX], err[200] = "";
	size_t n = receipt_sign(&sample, &other, jws);
	struct receipt r;

	(void)state;
	assert_int_equal(receipt_open(jws, n, &keys, &r, err, sizeof(err)), ERR_SIGNATURE);
	assert_non_null(strstr(err, other.kid));
}

/* A statement of another kind by the same key: a batch is no receipt, and a receipt no batch. */
static void
another_kind_is_refused(void **state)
{
	char jws[RECEIPT_JWS_MAX], err[200] = "";
	struct batch b = {.iss = "a", .epoch = 1, .number = 1, .first = 1, .oldest = 1};
	size_t n = batch_sign(&b, &key, jws);
	struct receipt r;

	(void)state;
	assert_int_equal(receipt_open(jws, n, &keys, &r, err, sizeof(err)), ERR_SIGNATURE);
	assert_string_equal(err, "header: typ is not " RECEIPT_TYP);
	n = receipt_sign(&sample, &key, jws);
	assert_int_equal(batch_open(jws, n, &keys, &b, err, sizeof(err)), ERR_SIGNATURE);
}

#define GOOD                                                                                       \
	"\"iss\":\"c\",\"sub\":\"s\",\"epoch\":5,\"batch\":6,\"iat\":7.5,\"prev\":"                \
	"\"00000000000000000000000000000000000000000000000000000000000000ff\""

static void
payloads(void **state)
{
	static const struct {
		const char *text;
		int r;
	} t[] = {
	    {"{\"v\":1," GOOD "}", 0},
	    {"{\"v\":1," GOOD ",\"later\":[1]}", 0}, /* a member that is not known */
	    {"{\"v\":2," GOOD "}", ERR_UNSUPPORTED},
	    {"{" GOOD "}", ERR_FORMAT},
	    {"{\"v\":1," GOOD ",\"epoch\":9}", ERR_FORMAT}, /* twice */
	    {"{\"v\":1,\"iss\":\"c\",\"sub\":\"s\"}", ERR_FORMAT},
	    {"{\"v\":1,\"iss\":\"c\\u0000\",\"sub\":\"s\",\"epoch\":5,\"batch\":6,\"iat\":7,"
	     "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
		ERR_FORMAT},
	    {"{\"v\":1,\"iss\":\"c\",\"sub\":\"s\",\"epoch\":5,\"batch\":0,\"iat\":7,"
	     "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
		ERR_FORMAT},
	    {"{\"v\":1,\"iss\":\"c\",\"sub\":\"s\",\"epoch\":-5,\"batch\":1,\"iat\":7,"
	     "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
		ERR_FORMAT},
	    {"{\"v\":1,\"iss\":\"c\",\"sub\":\"s\",\"epoch\":5,\"batch\":1,\"iat\":7,"
	     "\"prev\":\"00000000000000000000000000000000000000000000000000000000000000FF\"}",
		ERR_FORMAT},
	    {"[1]", ERR_FORMAT},
	    {"", ERR_FORMAT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char jws[RECEIPT_JWS_MAX], err[200];
		size_t n = jws_sign(
		    JWS_ALG_OLD, RECEIPT_TYP, t[i].text, strlen(t[i].text), &key, jws, sizeof(jws));
		struct receipt r;
		int got = receipt_open(jws, n, &keys, &r, err, sizeof(err));

		if (got != t[i].r)
			fail_msg("%s: %d", t[i].text, got);
	}
}

/* What would not fit is not cut. */
static void
too_long(void **state)
{
	char jws[RECEIPT_JWS_MAX], text[64] = "{}";

	(void)state;
	assert_int_equal(jws_sign(JWS_ALG, RECEIPT_TYP, text, 2, &key, jws, 100), 0);
	assert_int_not_equal(jws_sign(JWS_ALG, RECEIPT_TYP, text, 2, &key, jws, 300), 0);
}

static int
group_setup(void **state)
{
	(void)state;
	key_from_seed(&key, (const uint8_t[32]){1});
	key_from_seed(&other, (const uint8_t[32]){2});
	return key_set_add(&keys, &key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(no_byte_may_change),
	    cmocka_unit_test(another_key_is_refused),
	    cmocka_unit_test(another_kind_is_refused),
	    cmocka_unit_test(payloads),
	    cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests_name("receipt", tests, group_setup, NULL);
}
