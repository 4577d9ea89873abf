/* SPDX-License-Identifier: Apache-2.0 */
/*
 * indicators.h - what others warn of: indicators that came by TAXII or by hand, and the watch list made of them.
 *
 * An indicator is taken whole or refused with its reason, which is counted (sharing/refusal.def); at most INDICATORS_MAX
 * values.  A newer version of one replaces it, one that is revoked takes its values away.  The watch list is a text signed
 * with the collector's share.key (watch/watch_list.h has its form); its serial grows whenever what is in it changes.
 */
#ifndef COLLECTOR_INDICATORS_H
#define COLLECTOR_INDICATORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/key.h"
#include "base/minisign.h"
#include "sharing/pattern.h"

#define INDICATORS_MAX	8192
#define INDICATOR_BATCH 1000u /* objects of one bundle or envelope */
#define INDICATOR_ID	63u   /* bytes of an id */

struct call;
struct store;
struct store_tx;
struct db;

/* A new or newer object of STIX, inside a job.  REFUSAL_*, or ERR_*: nothing was kept. */
int indicator_take(struct store_tx *tx, const json_t *object, const char *source, int64_t now_ms);

struct indicator_import {
	const json_t *objects; /* an array; others are refused as a whole */
	const char *source;
	int64_t now_ms;
	unsigned taken, refused[REFUSAL__MAX];
};
/* The job: every object by itself.  0 or ERR_*. */
int indicator_import(struct store_tx *tx, void *ctx);

/* The list as it is now, with its signature.  NULL: no memory.  To be freed. */
char *indicator_list(
    struct db *db, const struct key *key, int64_t now_ms, size_t *n, char sig[MINISIGN_MAX]);
/* DIR/share.key, made when it is not there. */
int share_key(const char *dir, struct key *out, char *err, size_t err_size);

/* Calls of routes.def. */
void indicators_list(struct call *c);
void indicators_import(struct call *c);
void indicators_remove(struct call *c);
void indicators_watch_list(struct call *c);

#endif /* COLLECTOR_INDICATORS_H */
