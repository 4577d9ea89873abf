/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - big tables, taken once at start.
 *
 * Aligned to 2 MiB and offered to the kernel for huge pages: with 4 KiB pages a
 * look-up in a table of tens of megabytes pays more for address translation
 * than for the data.  Every page is touched here, so that none is on the
 * packet path.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Zeroed; NULL when the memory cannot be had. Release with free(). */
void *mem_table(size_t bytes);

#endif /* BASE_MEM_H */
