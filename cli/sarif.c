/* SPDX-License-Identifier: Apache-2.0 */
/* sarif.c - see sarif.h. */
#include "cli/sarif.h"

#include <string.h>

/* A relative or absolute path as a URI reference (RFC 3986 section 3.3). */
void
sarif_uri(struct jw *w, const char *path)
{
	static const char hex[] = "0123456789ABCDEF";
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";

	jw_key(w, "uri");
	jw_ch(w, '"');
	if (*path == '/')
		jw_raw(w, "file://", 7);
	for (; *path; path++) {
		char e[3] = {'%', hex[(uint8_t)*path >> 4], hex[*path & 15]};

		if (strchr(plain, *path))
			jw_ch(w, *path);
		else
			jw_raw(w, e, sizeof(e));
	}
	jw_ch(w, '"');
}

void
sarif_message(struct jw *w, const char *text)
{
	jw_obj(w, "message");
	jw_str(w, "text", text);
	jw_close(w, '}');
}

void
sarif_location(struct jw *w, const char *path, unsigned line, unsigned col)
{
	jw_obj(w, "physicalLocation");
	jw_obj(w, "artifactLocation");
	sarif_uri(w, path);
	jw_close(w, '}');
	if (line != 0) {
		jw_obj(w, "region");
		jw_u(w, "startLine", line);
		if (col != 0)
			jw_u(w, "startColumn", col);
		jw_close(w, '}');
	}
	jw_close(w, '}');
}
