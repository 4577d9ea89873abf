/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulletins.h - bulletins of incidents: made, signed with share.key, kept, handed out (sharing/bulletin.h).
 *
 * A bulletin does not change: its PDF is made once, by weasyprint (Debian), a process of its own that gets one page and
 * PDF_S seconds, one at a time.  Without that program there are bulletins without a PDF, when nobody insists.
 * The newest BULLETINS are kept.
 */
#ifndef COLLECTOR_BULLETINS_H
#define COLLECTOR_BULLETINS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/jws.h"
#include "sharing/bulletin.h"

#define BULLETINS    1000
#define BULLETIN_MAX (2u << 20) /* bytes of the page, and of the evidence */
#define PDF_MAX	     (4u << 20)
#define PDF_S	     90u

struct call;

struct bulletin_done {
	char *html, *evidence, *pdf; /* malloc'd; pdf NULL: none */
	size_t html_len, evidence_len, pdf_len;
	char jws[JWS_MAX], pem[KEY_JWK_MAX], jwk[KEY_JWK_MAX];
};

/* Make one for a destination; dir: the collector's.  0 or ERR_*, said in err; to be bulletin_done_fini()'d then. */
int bulletin_make(const char *dir, const json_t *record, const struct share_dest *dest,
    unsigned cap, enum bulletin_lang lang, bool pdf, int64_t now_ms, struct bulletin_done *out,
    char *err, size_t err_size);
void bulletin_done_fini(struct bulletin_done *b);

/* Calls of routes.def. */
void bulletins_make(struct call *c);
void bulletins_list(struct call *c);
void bulletins_file(struct call *c);

#endif /* COLLECTOR_BULLETINS_H */
