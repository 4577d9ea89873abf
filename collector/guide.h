/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guide.h - what to do about an alert: the library beside it (playbook.h), and what was done of it.
 *
 * The library is read at the start and when an admin or SIGHUP asks for it, and replaced as a whole;
 * one that is not in order leaves the one before in force.  With a key (conf.library_key) it has to
 * be signed by it, and what was accepted is kept in the data base: an older one, or the same version
 * with other contents, is refused, also after a restart.  Without a key what is there is shown as
 * "unverified".  A step that was done belongs to an incident; who and when is stored, in the
 * incident's log and in the audit log.
 */
#ifndef COLLECTOR_GUIDE_H
#define COLLECTOR_GUIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/jw.h"

#define GUIDE_OTHERS 8u	 /* playbooks behind the best one, and pages, that an answer lists */
#define GUIDE_TICKS  256 /* steps of one incident, in an answer */
#define GUIDE_NOTE   500u

struct call;
struct collector;
struct guide;
struct library;
struct store_tx;
struct db;

struct guide *guide_new(void); /* NULL: no memory */
void guide_free(struct guide *g);
/* Read conf.library of co (NULL: there is none).  false: refused, said in the log; what was stays. */
bool guide_load(struct collector *co);
/* What is in force, or NULL; it stays until guide_release(), which is due in any case and soon. */
const struct library *guide_hold(struct collector *co);
void guide_release(struct collector *co);

/*
 * Members "playbook" (the best one, whole, or null), "playbooks" (what else fits), "pages",
 * "ticks" and "applied" (rollout.h) of an open object.  incident: whose ticks; rule: what the collector itself told
 * ("sensor.silent"), or NULL; line: of an alert, n bytes, or NULL.
 */
void guide_members(
    struct call *c, struct db *db, int64_t incident, const char *rule, const char *line, size_t n);
/* The same for an incident: by the worst of its newest alerts. */
void guide_incident(struct call *c, struct db *db, int64_t incident, const char *rule);

/* The action of a step, as the library in force has it. */
struct guide_action {
	int64_t version;   /* of the playbook */
	uint8_t kind;	   /* enum playbook_action */
	char prepared[65]; /* the one that is meant; "": any */
};
/* False: no such step, or it has none. */
bool guide_action_of(
    struct collector *co, const char *playbook, const char *step, struct guide_action *out);

/* The job: a step is done, or not after all, with a line in the log of its incident.  0, ERR_NOTFOUND, ERR_*. */
struct guide_tick {
	int64_t incident, version, now_ms;
	const char *playbook, *step, *note, *user;
	bool own;	    /* the collector's doing: the note is not in the log once more */
	bool done, changed; /* changed: set by it */
};
int guide_tick(struct store_tx *tx, void *ctx);

/* Calls of routes.def. */
void guide_library(struct call *c);
void guide_playbook(struct call *c);
void guide_page(struct call *c);
void guide_reload(struct call *c);
void guide_step(struct call *c);

#endif /* COLLECTOR_GUIDE_H */
