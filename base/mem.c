/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *
mem_table(size_t bytes)
{
	size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
	void *p;

	if (bytes > SIZE_MAX - HUGE_PAGE)
		return NULL;
	bytes = (bytes + align - 1) / align * align;
	if ((p = aligned_alloc(align, bytes ? bytes : align)) == NULL)
		return NULL;
	if (align == HUGE_PAGE)
		(void)madvise(p, bytes, MADV_HUGEPAGE); /* a wish, not a need */
	memset(p, 0, bytes);
	return p;
}
