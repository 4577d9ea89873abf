/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory of one building job: taken piece by piece, given back at once.
 *
 * Everything that reading, checking and compiling a policy allocates comes from
 * an arena, so that no path has to undo what an earlier one did.  When memory
 * is out arena_get() does not return: it jumps to .oom, where the builder frees
 * its arenas and says so.  Pieces are zeroed and aligned for any type.
 *
 * An arena may also lie in one place its owner gives it (.at, .end: zeroed), as a policy image
 * does; more() then makes room for n bytes behind .at, or says that there is none.
 */
#ifndef POLICY_ARENA_H
#define POLICY_ARENA_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *head;
	size_t bytes; /* taken from the system */
	jmp_buf *oom;
	unsigned char *at, *end; /* NULL: blocks */
	bool (*more)(struct arena *a, size_t n);
};

void *arena_get(struct arena *a, size_t n);
/* n elements of size bytes each; their product may not overflow. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A NUL-terminated copy of n bytes. */
char *arena_strn(struct arena *a, const char *s, size_t n);
/* An array of *cap elements, copied into one at least twice as large. */
void *arena_grow(struct arena *a, const void *v, uint32_t *cap, size_t size);
void arena_fini(struct arena *a);
/* All pieces are given back; one block stays, for the next round. */
void arena_reset(struct arena *a);

/* A growing list: struct { T *v; uint32_t n, cap; }. */
#define vec_push(a, vec, val)                                                                      \
	do {                                                                                       \
		if ((vec)->n == (vec)->cap)                                                        \
			(vec)->v = arena_grow((a), (vec)->v, &(vec)->cap, sizeof(*(vec)->v));      \
		(vec)->v[(vec)->n++] = (val);                                                      \
	} while (0)

#endif /* POLICY_ARENA_H */
