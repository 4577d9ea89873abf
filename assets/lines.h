/* SPDX-License-Identifier: Apache-2.0 */
/* lines.h - text protocols of lines, for sources.  For assets/ alone. */
#ifndef ASSETS_LINES_H
#define ASSETS_LINES_H

#include <string.h>
#include <strings.h>

#include "base/cur.h"

#define LINES_MAX 64u /* headers that are looked at */

/* The next line, its end included; what is left when there is none. */
static inline struct cur
take_line(struct cur *c)
{
	const uint8_t *nl = cur_left(c) > 0 ? memchr(c->p, '\n', cur_left(c)) : NULL;

	return cur_take(c, nl ? (size_t)(nl - c->p) + 1 : cur_left(c));
}

/* Does it begin with this, in whatever case? */
static inline bool
line_starts(const struct cur *line, const char *word)
{
	size_t n = strlen(word);

	return cur_left(line) >= n && strncasecmp((const char *)line->p, word, n) == 0;
}

#endif /* ASSETS_LINES_H */
