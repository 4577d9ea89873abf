/* SPDX-License-Identifier: Apache-2.0 */
/* merkle_test.c - the tree of RFC 6962 against published roots and a slow twin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/merkle.h"

#define MAX 70u

static uint8_t leaves[MAX][MERKLE_LEN];

/* RFC 6962 2.1 as it is written. */
static void
slow(const uint8_t (*d)[MERKLE_LEN], size_t n, uint8_t out[MERKLE_LEN])
{
	uint8_t in[1 + 2 * MERKLE_LEN] = {1};
	size_t k = 1;

	if (n == 1) {
		memcpy(out, d[0], MERKLE_LEN);
		return;
	}
	while (k * 2 < n)
		k *= 2;
	slow(d, k, in + 1);
	slow(d + k, n - k, in + 1 + MERKLE_LEN);
	crypto_sha256(in, sizeof(in), out);
}

static void
fast(size_t n, uint8_t out[MERKLE_LEN])
{
	struct merkle m;

	merkle_init(&m);
	for (size_t i = 0; i < n; i++)
		merkle_add(&m, leaves[i]);
	merkle_root(&m, out);
}

/* The eight inputs and the roots that Certificate Transparency implementations test with. */
static void
published(void **state)
{
	static const struct {
		const char *data;
		size_t n;
	} in[8] = {{"", 0}, {"\0", 1}, {"\x10", 1}, {"\x20\x21", 2}, {"\x30\x31", 2},
	    {"\x40\x41\x42\x43", 4}, {"\x50\x51\x52\x53\x54\x55\x56\x57", 8},
	    {"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16}};
	static const char *const roots[] = {
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	};
	uint8_t root[MERKLE_LEN];
	char hex[2 * MERKLE_LEN + 1];

	(void)state;
	for (size_t i = 0; i < 8; i++)
		merkle_leaf(in[i].data, in[i].n, leaves[i]);
	for (size_t n = 0; n <= 8; n++) {
		fast(n, root);
		assert_string_equal(crypto_hex(root, MERKLE_LEN, hex), roots[n]);
	}
}

static void
fill(void)
{
	for (unsigned i = 0; i < MAX; i++)
		merkle_leaf(&i, sizeof(i), leaves[i]);
}

static void
equals_slow(void **state)
{
	uint8_t a[MERKLE_LEN], b[MERKLE_LEN];

	(void)state;
	fill();
	for (size_t n = 1; n <= MAX; n++) {
		fast(n, a);
		slow((const uint8_t(*)[MERKLE_LEN])leaves, n, b);
		assert_memory_equal(a, b, MERKLE_LEN);
	}
}

/* Every path of every tree leads to the root, and to no other; nothing else does. */
static void
paths(void **state)
{
	(void)state;
	fill();
	for (size_t n = 1; n <= MAX; n++) {
		uint8_t root[MERKLE_LEN], path[MERKLE_PATH_MAX][MERKLE_LEN];
		const uint8_t(*p)[MERKLE_LEN] = (const uint8_t(*)[MERKLE_LEN])path;

		fast(n, root);
		for (size_t i = 0; i < n; i++) {
			unsigned len =
			    merkle_path((const uint8_t(*)[MERKLE_LEN])leaves, n, i, path);

			assert_true(merkle_check(leaves[i], i, n, p, len, root));
			assert_false(merkle_check(leaves[i], i, n, p, len + 1, root));
			assert_false(merkle_check(leaves[(i + 1) % MAX], i, n, p, len, root));
			if (n > 1) {
				assert_false(merkle_check(leaves[i], (i + 1) % n, n, p, len, root));
				assert_false(merkle_check(leaves[i], i, n, p, len - 1, root));
			}
			assert_false(merkle_check(leaves[i], n, n, p, len, root));
			for (unsigned k = 0; k < len; k++) {
				path[k][i % MERKLE_LEN] ^= 1;
				assert_false(merkle_check(leaves[i], i, n, p, len, root));
				path[k][i % MERKLE_LEN] ^= 1;
			}
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published), cmocka_unit_test(equals_slow), cmocka_unit_test(paths)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
