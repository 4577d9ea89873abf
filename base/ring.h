/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - one writer, one reader, records of 1..64 slots of 64 bytes.
 *
 * The ring is one flat piece of memory without pointers, so two processes can
 * map it at different places and it outlives both.  Nobody waits: a writer
 * finds it full, a reader finds it empty.  A record is contiguous: where it
 * would cross the end of the memory, the slots left there are skipped.
 *
 *   memory  struct ring | slot 0 | slot 1 | ... | slot n-1        n a power of two
 *   record  u32 slots (0 in the upper half: data, 1: skip) | bytes of the caller
 *
 * head and tail count slots for ever; head - tail is what is in use.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RING_SLOT	64u
#define RING_RECORD_MAX (64u * RING_SLOT - RING_HEAD) /* bytes of the caller */
#define RING_HEAD	8u			      /* before them; keeps them aligned to 8 */
#define RING_SKIP	0x80000000u

struct ring {
	_Alignas(64) _Atomic uint64_t head; /* the writer's */
	_Alignas(64) _Atomic uint64_t tail; /* the reader's */
	_Alignas(64) uint32_t n_slots;
	_Alignas(64) uint8_t slot[];
};

static inline size_t
ring_bytes(uint32_t n_slots)
{
	return sizeof(struct ring) + (size_t)n_slots * RING_SLOT;
}

/* In zeroed memory of ring_bytes(n_slots), aligned to 64; n_slots a power of two, >= 128. */
static inline void
ring_init(struct ring *r, uint32_t n_slots)
{
	r->n_slots = n_slots;
	atomic_store(&r->head, 0);
	atomic_store(&r->tail, 0);
}

static inline uint8_t *
ring_at(struct ring *r, uint64_t pos)
{
	return r->slot + (size_t)(pos & (r->n_slots - 1)) * RING_SLOT;
}

static inline uint32_t
ring_need(size_t n)
{
	return (uint32_t)((n + RING_HEAD + RING_SLOT - 1) / RING_SLOT);
}

/*
 * Room for a record of at most max bytes (<= RING_RECORD_MAX), or NULL: full.
 * Write there, then ring_put() it with its real length, or leave it.
 */
static inline void *
ring_room(struct ring *r, size_t max)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t need = ring_need(max), to_end = r->n_slots - (uint32_t)(head & (r->n_slots - 1));
	uint64_t used = head - tail;

	if (need > to_end) {
		uint32_t skip = to_end | RING_SKIP;

		if (used + to_end + need > r->n_slots)
			return NULL;
		memcpy(ring_at(r, head), &skip, sizeof(skip));
		atomic_store_explicit(&r->head, head + to_end, memory_order_release);
		head += to_end;
	} else if (used + need > r->n_slots) {
		return NULL;
	}
	return ring_at(r, head) + RING_HEAD;
}

static inline void
ring_put(struct ring *r, size_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t slots = ring_need(n);

	memcpy(ring_at(r, head), &slots, sizeof(slots));
	atomic_store_explicit(&r->head, head + slots, memory_order_release);
}

/* The oldest record, or NULL: empty.  It stays until ring_take(). */
static inline const void *
ring_peek(struct ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint32_t slots;

	while (tail != head) {
		memcpy(&slots, ring_at(r, tail), sizeof(slots));
		if (!(slots & RING_SKIP))
			return ring_at(r, tail) + RING_HEAD;
		tail += slots & ~RING_SKIP;
		atomic_store_explicit(&r->tail, tail, memory_order_release);
	}
	return NULL;
}

/* Done with what ring_peek() gave. */
static inline void
ring_take(struct ring *r)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t slots;

	memcpy(&slots, ring_at(r, tail), sizeof(slots));
	atomic_store_explicit(&r->tail, tail + slots, memory_order_release);
}

#endif /* BASE_RING_H */
