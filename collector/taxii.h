/* SPDX-License-Identifier: Apache-2.0 */
/*
 * taxii.h - incidents for programs of others: a server of TAXII 2.1 (OASIS Standard, 10 June 2021).
 *
 *   /taxii2/                              discovery
 *   /taxii2/share/                        the one API root; every account sees what is its own there:
 *     collections/ID/ "incidents"         what was shared with that destination, and nothing else (can_read)
 *     collections/ID/ "indicators"        what it sent us (can_write, when an admin said so)
 *
 * An account is a destination (share.h) with a token: HTTP Basic (its name, the token) or Bearer.  We keep the SHA-256 of the
 * token.  Objects are kept by version; of each destination at most TAXII_OBJECTS, the oldest go.
 */
#ifndef COLLECTOR_TAXII_H
#define COLLECTOR_TAXII_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAXII_OBJECTS 100000
#define TAXII_PAGE    100 /* objects of an answer, when limit= is not given */
#define TAXII_MOST    1000
#define TAXII_BODY    (1u << 20)
#define TAXII_TYPE    "application/taxii+json;version=2.1"
#define TAXII_TOKEN   48u /* bytes of a token as text, with NUL */

enum taxii_collection { TAXII_INCIDENTS = 0, TAXII_INDICATORS };

struct call;
struct store;

/* The destination of a call's credentials; its name becomes the call's user.  False: it has answered. */
bool taxii_identify(struct call *c);
/* Another token for a destination, written to token.  writes: it may send indicators.  0 or ERR_*, said in err. */
int taxii_token(struct store *s, const char *dest, bool writes, char token[TAXII_TOKEN], char *err,
    size_t err_size);
/* Put the objects of a bundle where that destination finds them: how many are new, or ERR_*. */
int taxii_publish(struct store *s, const char *dest, const json_t *objects, int64_t now_ms);

/* Calls of routes.def. */
void taxii_discovery(struct call *c);
void taxii_root(struct call *c);
void taxii_collections(struct call *c);
void taxii_collection(struct call *c);
void taxii_objects(struct call *c);
void taxii_object(struct call *c);
void taxii_versions(struct call *c);
void taxii_manifest(struct call *c);
void taxii_add(struct call *c);
void taxii_status(struct call *c);
void taxii_nothing(struct call *c);
void taxii_share(struct call *c);

#endif /* COLLECTOR_TAXII_H */
