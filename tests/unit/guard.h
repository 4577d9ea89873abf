/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guard.h - bytes that end exactly where unreadable memory begins, so that a
 * test that reads one byte too far ends at once, also without a sanitizer.
 */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
	uint8_t *map, *end; /* end: first byte of the unreadable page */
	size_t size;
};

/* Room for n bytes. */
static inline struct guard
guard_new(size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = (n + page - 1) / page * page;
	struct guard g = {.size = room + page};

	g.map = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (g.map == MAP_FAILED || mprotect(g.map + room, page, PROT_NONE) != 0)
		abort();
	g.end = g.map + room;
	return g;
}

/* A copy of the bytes that ends at the unreadable page. */
static inline uint8_t *
guard_put(struct guard *g, const void *bytes, size_t n)
{
	if (n != 0)
		memcpy(g->end - n, bytes, n);
	return g->end - n;
}

static inline void
guard_free(struct guard *g)
{
	munmap(g->map, g->size);
}

#endif /* TESTS_GUARD_H */
