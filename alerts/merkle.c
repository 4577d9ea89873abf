/* SPDX-License-Identifier: Apache-2.0 */
/* merkle.c - see merkle.h.  [CT] RFC 6962, [CT2] RFC 9162 (same tree, clearer checks). */
#include "alerts/merkle.h"

#include <string.h>

void
merkle_leaf(const void *data, size_t n, uint8_t out[MERKLE_LEN])
{
	struct crypto_sha256 h;

	crypto_sha256_init(&h);
	crypto_sha256_update(&h, "\0", 1);
	crypto_sha256_update(&h, data, n);
	crypto_sha256_final(&h, out);
}

static void
node(const uint8_t l[MERKLE_LEN], const uint8_t r[MERKLE_LEN], uint8_t out[MERKLE_LEN])
{
	uint8_t in[1 + 2 * MERKLE_LEN] = {1};

	memcpy(in + 1, l, MERKLE_LEN);
	memcpy(in + 1 + MERKLE_LEN, r, MERKLE_LEN);
	crypto_sha256(in, sizeof(in), out);
}

void
merkle_init(struct merkle *m)
{
	m->n = 0;
}

/* Like adding one to a binary number: sub[k] holds 2^k leaves where bit k of n is set. */
void
merkle_add(struct merkle *m, const uint8_t leaf[MERKLE_LEN])
{
	uint8_t h[MERKLE_LEN];
	unsigned k = 0;

	memcpy(h, leaf, MERKLE_LEN);
	for (; m->n >> k & 1; k++)
		node(m->sub[k], h, h);
	memcpy(m->sub[k], h, MERKLE_LEN);
	m->n++;
}

/* The last subtree is the smallest: join from right to left. */
void
merkle_root(const struct merkle *m, uint8_t out[MERKLE_LEN])
{
	unsigned k = 0;

	if (m->n == 0) {
		crypto_sha256("", 0, out);
		return;
	}
	while (!(m->n >> k & 1))
		k++;
	memcpy(out, m->sub[k], MERKLE_LEN);
	for (k++; k < MERKLE_PATH_MAX; k++)
		if (m->n >> k & 1)
			node(m->sub[k], out, out);
}

/* The greatest power of two smaller than n, n > 1. */
static size_t
split(size_t n)
{
	size_t k = 1;

	while (k * 2 < n)
		k *= 2;
	return k;
}

unsigned
merkle_path(const uint8_t (*leaves)[MERKLE_LEN], size_t n, size_t i,
    uint8_t path[MERKLE_PATH_MAX][MERKLE_LEN])
{
	unsigned len = 0, half;

	/* Siblings from the root down; the order of a path is from the leaf up. */
	while (n > 1) {
		size_t k = split(n), from = i < k ? k : 0, to = i < k ? n : k;
		struct merkle m;

		merkle_init(&m);
		for (size_t j = from; j < to; j++)
			merkle_add(&m, leaves[j]);
		merkle_root(&m, path[len++]);
		if (i >= k) {
			leaves += k;
			i -= k;
			n -= k;
		} else {
			n = k;
		}
	}
	half = len / 2;
	for (unsigned a = 0; a < half; a++) {
		uint8_t t[MERKLE_LEN];

		memcpy(t, path[a], MERKLE_LEN);
		memcpy(path[a], path[len - 1 - a], MERKLE_LEN);
		memcpy(path[len - 1 - a], t, MERKLE_LEN);
	}
	return len;
}

/* [CT2] 2.1.3.2. */
bool
merkle_check(const uint8_t leaf[MERKLE_LEN], uint64_t i, uint64_t n,
    const uint8_t (*path)[MERKLE_LEN], unsigned len, const uint8_t root[MERKLE_LEN])
{
	uint64_t fn = i, sn = n - 1;
	uint8_t h[MERKLE_LEN];

	if (i >= n)
		return false;
	memcpy(h, leaf, MERKLE_LEN);
	for (unsigned p = 0; p < len; p++) {
		if (sn == 0)
			return false;
		if (fn & 1 || fn == sn) {
			node(path[p], h, h);
			while (!(fn & 1) && fn != 0) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			node(h, path[p], h);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(h, root, MERKLE_LEN) == 0;
}
