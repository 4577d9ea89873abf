/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulletin.h - an incident for people elsewhere: a page to read, evidence to check, a signature over both.
 *
 *   bulletin.html   one page without anything that has to be fetched; bulletin.pdf is made of it
 *   evidence.json   leaf, path and root of each alert; where raw parts may leave, the line, the sensor's JWS and key
 *   bulletin.jws    typ interlock-bulletin+jws: {"v":1,"iss","iat","incident","tlp","files":{NAME: SHA-256}}
 *   key.pem, key.jwk  the public half of the key that signed it
 */
#ifndef SHARING_BULLETIN_H
#define SHARING_BULLETIN_H

#include "base/key.h"
#include "sharing/share.h"

#define BULLETIN_TYP "interlock-bulletin+jws"

enum bulletin_lang { BULLETIN_EN = 0, BULLETIN_ZH, BULLETIN__LANGS };
int bulletin_lang_parse(const char *text); /* "en", "zh"; or -1 */

struct bulletin {
	enum bulletin_lang lang;
	int64_t now_ms;
	const char *kid;
	bool pdf; /* there is one */
};

/* The page, as HTML. */
void bulletin_html(struct jw *w, const struct shared *s, const struct bulletin *b);
/* The evidence, as JSON. */
void bulletin_evidence(struct jw *w, const struct shared *s);

struct bulletin_file {
	const char *name;
	const void *p; /* NULL: there is none */
	size_t n;
};
/* Sign files: a JWS, NUL-ended; 0: it does not fit. */
size_t bulletin_sign(const struct shared *s, const struct bulletin *b,
    const struct bulletin_file *f, unsigned n, const struct key *key, char *out, size_t size);

#endif /* SHARING_BULLETIN_H */
