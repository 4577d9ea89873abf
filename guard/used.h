/* SPDX-License-Identifier: Apache-2.0 */
/*
 * used.h - ids of permits that were given to a guard: each opens once, also after a restart.
 *
 * They are in used-PORT.json (keep.h), which is written before a permit opens.  There are at most
 * USED_MAX; when they are so many, those whose permit has expired make room, and when all are good
 * still nothing more opens.
 */
#ifndef GUARD_USED_H
#define GUARD_USED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guard/keep.h"
#include "policy/window.h"

#define USED_MAX 512u

struct used {
	const struct keep *keep;
	bool known; /* what is on disk was read */
	uint32_t n;
	struct {
		char id[PERMIT_TEXT];
		uint64_t until_s; /* Unix time: the first second at which its permit has expired */
	} v[USED_MAX];
};

/*
 * An id is used from now on, and on disk when this returns 0.  Else nothing has changed: ERR_EXISTS (it was
 * used before), ERR_FULL, or ERR_* of the file; all said.  What cannot be read is not nothing: as long as
 * it is there no id is new.
 */
int used_take(
    struct used *u, const char *id, uint64_t until_s, uint64_t now_s, char *err, size_t size);

#endif /* GUARD_USED_H */
