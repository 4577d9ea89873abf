/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merkle.h - the tree hash of RFC 6962 section 2.1 with SHA-256.
 *
 *   leaf(d) = SHA-256(0x00 || d)      node(l, r) = SHA-256(0x01 || l || r)
 *   root of no leaves = SHA-256("")
 *
 * One leaf is one EVE line without its newline.
 */
#ifndef ALERTS_MERKLE_H
#define ALERTS_MERKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"

#define MERKLE_LEN	CRYPTO_SHA256_LEN
#define MERKLE_PATH_MAX 32 /* hashes in a path: 2^32 leaves */

/* Builds a root while leaves arrive: the roots of the full subtrees so far. */
struct merkle {
	uint64_t n;
	uint8_t sub[MERKLE_PATH_MAX][MERKLE_LEN];
};

/* The hash of one line. */
void merkle_leaf(const void *data, size_t n, uint8_t out[MERKLE_LEN]);

/* No leaves yet. */
void merkle_init(struct merkle *m);
/* At most 2^32 - 1 leaves. */
void merkle_add(struct merkle *m, const uint8_t leaf[MERKLE_LEN]);
void merkle_root(const struct merkle *m, uint8_t out[MERKLE_LEN]);

/* The audit path of leaf i of n (RFC 6962 2.1.1), nearest sibling first; returns its length. */
unsigned merkle_path(const uint8_t (*leaves)[MERKLE_LEN], size_t n, size_t i,
    uint8_t path[MERKLE_PATH_MAX][MERKLE_LEN]);
/* Does the path lead from leaf i of n to root? */
bool merkle_check(const uint8_t leaf[MERKLE_LEN], uint64_t i, uint64_t n,
    const uint8_t (*path)[MERKLE_LEN], unsigned len, const uint8_t root[MERKLE_LEN]);

#endif /* ALERTS_MERKLE_H */
