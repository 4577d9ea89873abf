/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src_banner.c - what servers of TCP say of their program in their first words: Server of an HTTP answer (RFC 9110, 10.2.4), the
 * identification line of SSH (RFC 4253, 4.2), of both ends.
 *
 * Looked for in single segments that begin with them, on any port; one that is cut in the middle is not told.
 */
#include "assets/lines.h"
#include "assets/table.h"

static bool
banner_read(struct seen *s, struct cur c)
{
	struct cur line = take_line(&c);

	if (cur_left(&line) == 0 || line.end[-1] != '\n')
		return true; /* goes on in another segment */
	if (line_starts(&line, "SSH-")) {
		note_host(s, s->host, NONE, IDENT_TEXT, line);
		return true;
	}
	for (unsigned n = 0; n < LINES_MAX && cur_left(&c) > 0; n++) {
		line = take_line(&c);
		if (line.end[-1] != '\n' || line.p[0] == '\r' || line.p[0] == '\n')
			break; /* the rest is content */
		if (!line_starts(&line, "Server:"))
			continue;
		cur_skip(&line, sizeof("Server:") - 1);
		note_host(s, s->host, NONE, IDENT_TEXT, line);
		break;
	}
	return true;
}

const struct asset_source asset_source_banner = {.ip_proto = NET_PROTO_TCP, .read = banner_read};
