/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_ssdp.c - UPnP Device Architecture 2.0, 1.2 and 1.3: SERVER of announcements and answers says system, version and product; USER-AGENT
 * of searches the same of who asks.
 */
#include <string.h>
#include <strings.h>

#include "assets/table.h"

enum { LINES_MAX = 64 };

static struct cur
take_line(struct cur *c)
{
	const uint8_t *nl = cur_left(c) > 0 ? memchr(c->p, '\n', cur_left(c)) : NULL;

	return cur_take(c, nl ? (size_t)(nl - c->p) + 1 : cur_left(c));
}

static bool
starts(const struct cur *line, const char *word)
{
	size_t n = strlen(word);

	return cur_left(line) >= n && strncasecmp((const char *)line->p, word, n) == 0;
}

static bool
ssdp_read(struct seen *s, struct cur c)
{
	struct cur line = take_line(&c);

	if (!starts(&line, "NOTIFY ") && !starts(&line, "HTTP/1.1 200") &&
	    !starts(&line, "M-SEARCH "))
		return false;
	for (unsigned n = 0; n < LINES_MAX && cur_left(&c) > 0; n++) {
		unsigned skip;

		line = take_line(&c);
		skip = starts(&line, "SERVER:") ? 7 : starts(&line, "USER-AGENT:") ? 11 : 0;
		if (skip == 0)
			continue;
		cur_skip(&line, skip);
		note_host(s, s->host, NONE, IDENT_TEXT, line);
	}
	return true;
}

const struct asset_source asset_source_ssdp = {.ports = {1900, 0}, .read = ssdp_read};
