/* SPDX-License-Identifier: Apache-2.0 */
/* sarif.h - pieces of SARIF 2.1.0 that more than one report has. */
#ifndef CLI_SARIF_H
#define CLI_SARIF_H

#include "base/jw.h"

#define SARIF_SCHEMA                                                                               \
	"https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"                      \
	"sarif-schema-2.1.0.json"

/* "uri" of a relative or absolute path (RFC 3986 section 3.3). */
void sarif_uri(struct jw *w, const char *path);
/* "message" of one text. */
void sarif_message(struct jw *w, const char *text);
/* "physicalLocation"; line 0: the file as a whole. */
void sarif_location(struct jw *w, const char *path, unsigned line, unsigned col);

#endif /* CLI_SARIF_H */
