/* SPDX-License-Identifier: Apache-2.0 */
/* shard.c - see shard.h. */
#include "dataplane/shard.h"

#include "dataplane/decode_fast.h"
#include "dataplane/icmp.h"

void
shard_init(struct shard *s, unsigned n, uint64_t seed, bool as_devices)
{
	s->n = n;
	s->as_devices = as_devices;
	s->seed = hash_seed_make(seed);
	for (unsigned at = 0; at < 4; at++)
		for (unsigned byte = 0; byte < 256; byte++) {
			uint32_t h = 0;

			for (unsigned bit = 0; bit < 8; bit++) {
				unsigned turn = at * 8 + bit;

				if (byte & (0x80u >> bit))
					h ^= turn == 0
						 ? SHARD_KEY
						 : SHARD_KEY << turn | SHARD_KEY >> (32 - turn);
			}
			s->table[at][byte] = h;
		}
}

/* T of 32 bits in network order, as they lie in memory. */
static uint32_t
toeplitz(const struct shard *s, uint32_t word)
{
	uint8_t b[4];

	memcpy(b, &word, sizeof(b));
	return s->table[0][b[0]] ^ s->table[1][b[1]] ^ s->table[2][b[2]] ^ s->table[3][b[3]];
}

uint32_t
shard_toeplitz(const struct shard *s, const uint8_t *a, const uint8_t *b, unsigned len)
{
	uint32_t both = 0, word;

	for (unsigned i = 0; i < len; i += 4) {
		memcpy(&word, a + i, 4);
		both ^= word;
		memcpy(&word, b + i, 4);
		both ^= word;
	}
	return toeplitz(s, both);
}

/* Of the pair, whichever comes first. */
static uint64_t
mixed(const struct shard *s, const uint8_t *a, const uint8_t *b, unsigned len)
{
	uint64_t x, y;

	if (len == 4) {
		x = decode_be32(a);
		y = decode_be32(b);
	} else {
		x = hash_16(s->seed, a);
		y = hash_16(s->seed, b);
	}
	return hash_mix(s->seed, x < y ? x : y, x < y ? y : x);
}

unsigned
shard_owner(const struct shard *s, const uint8_t *a, const uint8_t *b, unsigned len)
{
	if (s->as_devices)
		return SHARD_ENTRY(shard_toeplitz(s, a, b, len), s->n);
	/* the upper half of a product: even also where n is no power of two */
	return (unsigned)((mixed(s, a, b, len) >> 32) * s->n >> 32);
}

static unsigned
general(const struct shard *s, const struct pkt *p)
{
	struct layers l, quoted;

	/* Also of what breaks off behind its addresses, and is dropped: that load is spread too. */
	(void)decode_general(p, &l);
	if (!(l.flags & LAYER_IP))
		return 0;
	if (icmp_error_of(p, &l, &quoted))
		return shard_owner(s, quoted.src, quoted.dst, quoted.flags & LAYER_V6 ? 16 : 4);
	return shard_owner(s, l.src, l.dst, l.flags & LAYER_V6 ? 16 : 4);
}

unsigned
shard_of(const struct shard *s, const struct pkt *p)
{
	struct head h;

	if (!decode_head(p, &h))
		return general(s, p);
	return shard_owner(s, p->bytes + h.l4_off - 8, p->bytes + h.l4_off - 4, 4);
}
