/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepared.h - policies and permits that were signed on a quiet day, for the steps of playbooks.
 *
 * Who has the collector's command line brings one, and says for which sensors it is (`interlock collect prepare`): a policy of one cell
 * is no good in another.  A step of a playbook whose action is of its kind offers it; an admin confirms, on the page, to which
 * of these sensors it goes, and that is a roll-out of one stage (rollout.h): the sensor verifies by its own keys, a policy is on trial first,
 * the step is ticked off when the sensor has confirmed.  One is never changed: what was confirmed is what goes.
 */
#ifndef COLLECTOR_PREPARED_H
#define COLLECTOR_PREPARED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PREPARED_NAME 65u /* bytes of a name, with its NUL: small letters, digits, dashes */
#define PREPARED_MAX  500u

struct call;
struct db;
struct jw;
struct store;

struct prepared_spec {
	const char *name, *file; /* file: how it was called */
	const json_t *doc;	 /* of a policy, as in rollout_spec */
	const char *minisig;
	const char *permit;    /* instead of both */
	const json_t *sensors; /* names */
	const char *user;
	int64_t now_ms;
};

/* 0 and its number, or ERR_* said in err: ERR_FORMAT it is no good or not signed, ERR_RANGE it has expired, ERR_NOTFOUND no such
 * sensor, ERR_FULL there are PREPARED_MAX. */
int prepared_make(
    struct store *s, const struct prepared_spec *spec, int64_t *id, char *err, size_t err_size);
/* 0, or ERR_NOTFOUND. */
int prepared_remove(struct store *s, int64_t id);
/* All as "items", by name; the array and the object are left open. */
void prepared_items(struct jw *w, struct db *db);

/* Calls of routes.def. */
void prepared_list(struct call *c);
void prepared_apply(struct call *c);

#endif /* COLLECTOR_PREPARED_H */
