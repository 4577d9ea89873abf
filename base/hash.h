/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.h - seeded hashes for keys that an attacker chooses.
 *
 * hash_mix() is one 64x64 -> 128 bit multiplication folded in half over two
 * seeded words: about a nanosecond, good distribution, and without the seed
 * collisions cannot be prepared off line.  It is not a MAC.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>
#include <string.h>

struct hash_seed {
	uint64_t s0, s1;
};

static inline uint64_t
hash_mum(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Spread one number over two seed words (splitmix64 steps). */
static inline struct hash_seed
hash_seed_make(uint64_t seed)
{
	struct hash_seed s;
	uint64_t z = seed + 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	s.s0 = (z ^ z >> 27) | 1;
	z = (seed ^ 0x94d049bb133111ebu) + 2 * 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0x94d049bb133111ebu;
	s.s1 = (z ^ z >> 31) | 1;
	return s;
}

static inline uint64_t
hash_mix(struct hash_seed s, uint64_t a, uint64_t b)
{
	return hash_mum(hash_mum(a ^ s.s0, b ^ s.s1) ^ s.s0, 0x9fb21c651e98df25u);
}

/* 16 bytes of any alignment. */
static inline uint64_t
hash_16(struct hash_seed s, const uint8_t *p)
{
	uint64_t a, b;

	memcpy(&a, p, 8);
	memcpy(&b, p + 8, 8);
	return hash_mix(s, a, b);
}

#endif /* BASE_HASH_H */
