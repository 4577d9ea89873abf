/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - equal things in memory that was taken once, and the hash that finds them.  For watch/ alone. */
#ifndef WATCH_POOL_H
#define WATCH_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

/* First in everything that lies in a pool. */
struct cell {
	uint64_t hash;
	uint32_t chain; /* the next in its hash bucket, or of the free ones */
	uint32_t next;	/* the next of its conversation */
};

struct pool {
	uint8_t *items;
	size_t size;
	uint32_t n, max, free, mask, *bucket;
	uint64_t lost; /* asked for when there was no room */
};

static inline void *
pool_at(const struct pool *p, uint32_t i)
{
	return i == NONE ? NULL : p->items + (size_t)i * p->size;
}
static inline bool
pool_init(struct pool *p, uint32_t max, size_t size)
{
	uint32_t slots = 16;

	while (slots < max)
		slots *= 2;
	*p = (struct pool){.size = size, .max = max, .free = NONE, .mask = slots - 1};
	p->items = calloc(max, size);
	p->bucket = malloc(slots * sizeof(*p->bucket));
	for (uint32_t i = 0; p->bucket && i < slots; i++)
		p->bucket[i] = NONE;
	return p->items && p->bucket;
}

static inline struct cell *
cell_at(const struct pool *p, uint32_t i)
{
	return pool_at(p, i);
}

static inline void *
pool_find(const struct pool *p, uint64_t hash)
{
	uint32_t i = p->bucket[hash & p->mask];

	while (i != NONE && cell_at(p, i)->hash != hash)
		i = cell_at(p, i)->chain;
	return pool_at(p, i);
}

static inline uint32_t
pool_index(const struct pool *p, const void *item)
{
	return (uint32_t)((size_t)((const uint8_t *)item - p->items) / p->size);
}

/* Zeroed, entered under its hash.  NULL: full. */
static inline void *
pool_take(struct pool *p, uint64_t hash)
{
	uint32_t i = p->free;
	struct cell *x;

	if (i != NONE)
		p->free = cell_at(p, i)->chain;
	else if (p->n < p->max)
		i = p->n++;
	else
		return NULL;
	x = cell_at(p, i);
	memset(x, 0, p->size);
	x->hash = hash;
	x->next = NONE;
	x->chain = p->bucket[hash & p->mask];
	p->bucket[hash & p->mask] = i;
	return x;
}

static inline void
pool_give(struct pool *p, uint32_t i)
{
	uint32_t *link = &p->bucket[cell_at(p, i)->hash & p->mask];

	while (*link != i)
		link = &cell_at(p, *link)->chain;
	*link = cell_at(p, i)->chain;
	cell_at(p, i)->chain = p->free;
	p->free = i;
}

#endif /* WATCH_POOL_H */
