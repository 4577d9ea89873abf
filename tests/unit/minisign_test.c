/* SPDX-License-Identifier: Apache-2.0 */
/* minisign_test.c - signature files: our own, changed at every byte, and cut. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/minisign.h"

static const char text[] = "interlock: 1\nmode: enforce\n";
static const uint8_t seed[CRYPTO_SEED_LEN] = {7, 1, 2};

static void
both_ways(void **state)
{
	static struct key_set set, other;
	char sig[MINISIGN_MAX], pub[MINISIGN_MAX], err[256];
	struct minisign m;
	struct key k, k2;

	(void)state;
	key_from_seed(&k, seed);
	key_init(&k2);
	minisign_sign(&k, text, sizeof(text), 1795875016, "file:a\thashed\x01\x1b[31m", sig);
	minisign_public(&k, pub);
	assert_int_equal(key_set_parse(&set, pub, strlen(pub), err, sizeof(err)), 0);
	assert_int_equal(set.n, 1);
	assert_string_equal(set.key[0].kid, k.kid);
	assert_int_equal(
	    minisign_verify(&set, text, sizeof(text), sig, strlen(sig), &m, err, sizeof(err)), 0);
	assert_int_equal(m.timestamp, 1795875016);
	assert_string_equal(m.comment, "timestamp:1795875016\tfile:a\thashed[31m");
	assert_ptr_equal(m.key, &set.key[0]);
	assert_int_equal(key_set_add(&other, &k2), 0);
	assert_int_equal(
	    minisign_verify(&other, text, sizeof(text), sig, strlen(sig), &m, err, sizeof(err)),
	    ERR_NOTFOUND);
	assert_int_equal(
	    minisign_verify(&set, text, sizeof(text) - 1, sig, strlen(sig), &m, err, sizeof(err)),
	    ERR_SIGNATURE);
	/* A long comment is cut, and what is there is signed. */
	{
		char longer[600];

		memset(longer, 'x', sizeof(longer) - 1);
		longer[sizeof(longer) - 1] = '\0';
		minisign_sign(&k, text, sizeof(text), 1, longer, sig);
		assert_int_equal(minisign_verify(&set, text, sizeof(text), sig, strlen(sig), &m,
				     err, sizeof(err)),
		    0);
		assert_int_equal(strlen(m.comment), MINISIGN_COMMENT - 1);
	}
	key_wipe(&k);
	key_wipe(&k2);
}

/* Every byte changed, and every length: never accepted as the same.  The first line and the
 * key's number are not covered (minisign's format), nor is what follows the last line. */
static void
changed(void **state)
{
	static struct key_set set;
	char sig[MINISIGN_MAX], bad[MINISIGN_MAX], err[256];
	struct minisign m;
	struct key k;
	size_t n, line, number;

	(void)state;
	key_from_seed(&k, seed);
	set.n = 0;
	assert_int_equal(key_set_add(&set, &k), 0);
	minisign_sign(&k, text, sizeof(text), 5, "c", sig);
	n = strlen(sig);
	line = (size_t)(strchr(sig, '\n') - sig) + 1;
	number = (2 + 8) * 4 / 3 + 1;
	for (size_t i = 0; i < n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			int r;

			memcpy(bad, sig, n);
			bad[i] = (char)(bad[i] ^ 1 << bit);
			r = minisign_verify(&set, text, sizeof(text), bad, n, &m, err, sizeof(err));
			if (i < line - 1 || (i >= line + 2 && i < line + number))
				continue; /* must not crash; may be refused */
			assert_int_not_equal(r, 0);
			assert_int_not_equal(err[0], 0);
		}
	for (size_t cut = 0; cut < n; cut++) {
		char *exact = malloc(cut + 1);

		memcpy(exact, sig, cut);
		assert_int_not_equal(
		    minisign_verify(&set, text, sizeof(text), exact, cut, &m, err, sizeof(err)), 0);
		assert_int_equal(minisign_key_parse(&set, exact, cut), ERR_FORMAT);
		free(exact);
	}
	key_wipe(&k);
}

static void
base64(void **state)
{
	static const struct {
		const char *text;
		int want;
	} lines[] = {
	    {"", ERR_FORMAT},
	    {"QQ", ERR_FORMAT},
	    {"QQ==", 0},
	    {"QUI=", 0},
	    {"QUJD", 0},
	    {"QUJDRA==", ERR_RANGE},
	    {"Q===", ERR_FORMAT},
	    {"QR==", ERR_FORMAT},
	    {"QQ=\n", ERR_FORMAT},
	    {"\xd1UJD", ERR_FORMAT},
	    {"QU-D", ERR_FORMAT},
	};
	uint8_t out[3];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(
		    crypto_b64_decode(lines[i].text, strlen(lines[i].text), out, sizeof(out), &len),
		    lines[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_ways),
	    cmocka_unit_test(changed),
	    cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
