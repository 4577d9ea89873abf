/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - incidents for others: the record of one, the destinations it may go to, the exports.
 *
 * A destination (sharing/share.h) is made by an admin.  Who asks matters too: a viewer gets everything redacted
 * whatever the destination keeps, an analyst gets its names, addresses, users, objects and notes, an admin all that
 * it keeps.  Every export is a line of the audit log, with what was kept.
 */
#ifndef COLLECTOR_SHARE_H
#define COLLECTOR_SHARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sharing/share.h"

#define SHARE_ITEMS 100u /* alerts of one record, the newest */

struct call;
struct collector;
struct library;
struct db;
struct store;

enum share_format { SHARE_STIX = 0, SHARE_MISP, SHARE_JSON, SHARE__FORMATS };
int share_format_parse(const char *name); /* "stix", or -1 */

/* All that is known of an incident (sharing/field.def); lib may be NULL.  NULL: there is none.  To be json_decref()'d. */
json_t *share_record(struct db *db, int64_t incident, const struct library *lib);
/* Write an export of it.  False: no memory. */
bool share_export(struct jw *w, const json_t *record, const struct share_dest *dest, unsigned cap,
    enum share_format format);
/* The bundle of STIX as a document.  NULL: no memory.  To be json_decref()'d. */
json_t *share_bundle(const json_t *record, const struct share_dest *dest, unsigned cap);
/* What somebody of this role may see, as bits of SHARE_KEEP(). */
unsigned share_cap(int role);

/* A destination by name.  False: there is none. */
bool share_dest_get(struct db *db, const char *name, struct share_dest *out);
struct share_change {
	const char *name, *identity, *keep,
	    *tlp; /* NULL: as it is, or nothing, "Interlock", amber */
	int64_t now_ms;
};
/* Make or change one.  0 or ERR_*, said in err. */
int share_dest_put(struct store *s, const struct share_change *what, char *err, size_t err_size);

/* Calls of routes.def. */
void share_dests(struct call *c);
void share_dests_change(struct call *c);
void share_incident(struct call *c);

#endif /* COLLECTOR_SHARE_H */
