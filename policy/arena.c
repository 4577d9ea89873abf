/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c - see arena.h. */
#include "policy/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK 65536u

struct arena_block {
	struct arena_block *next;
	size_t used, size; /* bytes of data */
	alignas(max_align_t) unsigned char data[];
};

/* The next n bytes of a place that was given. */
static void *
place_get(struct arena *a, size_t n)
{
	void *p = a->at;

	if (n > (size_t)(a->end - a->at) && !a->more(a, n))
		longjmp(*a->oom, 1);
	a->at += n;
	a->bytes += n;
	return p;
}

void *
arena_get(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	size_t size, align = alignof(max_align_t);
	void *p;

	if (n > SIZE_MAX / 2)
		longjmp(*a->oom, 1);
	n = (n + align - 1) / align * align;
	if (a->at)
		return place_get(a, n);
	if (!b || n > b->size - b->used) {
		size = n > ARENA_BLOCK ? n : ARENA_BLOCK;
		b = calloc(1, sizeof(*b) + size);
		if (!b)
			longjmp(*a->oom, 1);
		b->size = size;
		a->bytes += sizeof(*b) + size;
		if (a->head && n > ARENA_BLOCK) { /* keep the half-filled block in front */
			b->next = a->head->next;
			a->head->next = b;
		} else {
			b->next = a->head;
			a->head = b;
		}
	}
	p = b->data + b->used;
	b->used += n;
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / 2 / size)
		longjmp(*a->oom, 1);
	return arena_get(a, n * size);
}

char *
arena_strn(struct arena *a, const char *s, size_t n)
{
	char *p = arena_get(a, n + 1);

	memcpy(p, s, n);
	return p;
}

void *
arena_grow(struct arena *a, const void *v, uint32_t *cap, size_t size)
{
	uint32_t old = *cap, want = old < 4 ? 4 : old * 2;
	void *p;

	if (want <= old)
		longjmp(*a->oom, 1);
	p = arena_array(a, want, size);
	if (old != 0)
		memcpy(p, v, old * size);
	*cap = want;
	return p;
}

void
arena_fini(struct arena *a)
{
	struct arena_block *b, *next;

	for (b = a->head; b; b = next) {
		next = b->next;
		free(b);
	}
	a->head = NULL;
	a->bytes = 0;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *keep = a->head;

	if (!keep)
		return;
	a->head = keep->next;
	arena_fini(a);
	memset(keep->data, 0, keep->used);
	keep->used = 0;
	keep->next = NULL;
	a->head = keep;
	a->bytes = sizeof(*keep) + keep->size;
}
