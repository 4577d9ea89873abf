/* SPDX-License-Identifier: Apache-2.0 */
/* static.h - the built page, file by file, and the headers every answer has. */
#ifndef COLLECTOR_STATIC_H
#define COLLECTOR_STATIC_H

#include <stdbool.h>

struct call;
struct MHD_Response;

/* What forbids a browser everything that the page does not need. */
void static_headers(struct MHD_Response *r, bool tls);

/* A file below conf.web; index.html for a path without a dot.  Nothing outside, no link, no
 * hidden file. */
void static_file(struct call *c);
/* The description of the API. */
void static_openapi(struct call *c);

#endif /* COLLECTOR_STATIC_H */
