/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shard.h - which of several workers a frame belongs to.
 *
 * The owner is a function of the two addresses, without direction and without ports.  So all connections between two
 * hosts, both directions, their fragments (which have no ports), and what ICMP says of them are judged by one
 * engine, which alone knows them.  An ICMP error belongs to the packet that it quotes, as in the engine (icmp.c).  What
 * is not IP, or no frame at all, has nothing that an engine remembers, and is worker 0's.
 *
 * Whose frame it is does not depend on who received it: a device may spread frames over its queues as it likes, and
 * who finds another's frame hands it over (io_dpdk.c).
 *
 * Two ways to compute it:
 *
 *   mixed	a seeded hash of the pair: even, and nobody outside can choose whose he is
 *   as devices	what receive side scaling computes over the two addresses alone with a key whose bits repeat after 32
 *		(Toeplitz, by the Microsoft RSS specification: the hash of (a, b) is then T(a) ^ T(b), the same as
 *		of (b, a), for IPv4 and for IPv6): where both devices can do that, no frame has to be handed over.  T is
 *		linear: pairs with the same a ^ b are together, so a plant numbered 10.1.x.5 to 10.1.x.9, line by line, is one worker's
 */
#ifndef DATAPLANE_SHARD_H
#define DATAPLANE_SHARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "dataplane/pkt.h"

#define SHARDS_MAX	  16u
#define SHARD_KEY	  UINT32_C(0x6d5a56da) /* its first 32 bits, again and again */
#define SHARD_KEY_BYTE(i) ((uint8_t)(SHARD_KEY >> (24 - (i) % 4 * 8)))
/* Queue of a device: SHARD_ENTRY(i, n) in the i-th place of its table. */
#define SHARD_ENTRIES	  128u /* places of a table, a power of two, that shard_of() goes by */
#define SHARD_ENTRY(i, n) ((i) % SHARD_ENTRIES % (n))

struct shard {
	unsigned n;
	bool as_devices;
	struct hash_seed seed;
	uint32_t table[4][256]; /* T of each byte of 32 bits */
};

/* n: workers, 1 to SHARDS_MAX. */
void shard_init(struct shard *s, unsigned n, uint64_t seed, bool as_devices);

/* Its owner, < n.  Any thread; reads the frame's headers alone, and p's bytes, lengths and link. */
unsigned shard_of(const struct shard *s, const struct pkt *p);

/* The owner of what goes between two addresses of 4 or 16 bytes (len), network order. */
unsigned shard_owner(const struct shard *s, const uint8_t *a, const uint8_t *b, unsigned len);

/* The hash of two addresses of 4 or 16 bytes (len), network order, as devices compute it. */
uint32_t shard_toeplitz(const struct shard *s, const uint8_t *a, const uint8_t *b, unsigned len);

#endif /* DATAPLANE_SHARD_H */
