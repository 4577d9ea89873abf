/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_ssdp.c - UPnP Device Architecture 2.0, 1.2 and 1.3: SERVER of announcements and answers says system, version and product; USER-AGENT
 * of searches the same of who asks.
 */
#include "assets/lines.h"
#include "assets/table.h"

static bool
ssdp_read(struct seen *s, struct cur c)
{
	struct cur line = take_line(&c);

	if (!line_starts(&line, "NOTIFY ") && !line_starts(&line, "HTTP/1.1 200") &&
	    !line_starts(&line, "M-SEARCH "))
		return false;
	for (unsigned n = 0; n < LINES_MAX && cur_left(&c) > 0; n++) {
		unsigned skip;

		line = take_line(&c);
		skip = line_starts(&line, "SERVER:")	   ? 7
		       : line_starts(&line, "USER-AGENT:") ? 11
							   : 0;
		if (skip == 0)
			continue;
		cur_skip(&line, skip);
		note_host(s, s->host, NONE, IDENT_TEXT, line);
	}
	return true;
}

const struct asset_source asset_source_ssdp = {.ports = {1900, 0}, .read = ssdp_read};
