/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rollout.h - a signed policy goes to sensors in stages.
 *
 * An admin brings a policy that was signed elsewhere, and says which sensors get it first.  A sensor fetches what it is
 * offered (send --rollouts) and hands it to its guard, on trial (ctl rollout): the guard checks signature and age by its own keys and
 * its own record, the collector cannot make it take anything.  When its signed lines say that it runs that policy, and for the time of the
 * soak no new incident came of it, the collector confirms; who is not confirmed in time goes back by itself, also when the new policy cut
 * it off from here.  The next stage begins when every sensor of this one is done, by itself or when an admin says so.
 * One that refuses or goes back ends the roll-out, which is an incident.
 *
 * A permit goes the same way, without a trial: offered, given to the guard once, in force when the sensor's signed lines say that a permit
 * opened and its sender says that it was this one.  It has to be taken before it expires.
 *
 * A roll-out may be the action of a step of a playbook (prepared.h): when it is done the step is, when it fails its incident's log says so.
 */
#ifndef COLLECTOR_ROLLOUT_H
#define COLLECTOR_ROLLOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/window.h"

#define ROLLOUT_BYTES	(3u << 20) /* of all files of a policy, as JSON */
#define ROLLOUT_STAGES	16u
#define ROLLOUT_SENSORS 5000u
#define ROLLOUT_TRIAL_S 600
#define ROLLOUT_SOAK_S	120
#define ROLLOUT_SPARE_S 15 /* a trial lasts longer than the soak by that: to fetch, to confirm */

struct call;
struct collector;
struct db;
struct jw;
struct store;
struct store_tx;

struct rollout_spec {
	const json_t *doc;    /* {"name":MAIN,"files":{NAME:TEXT,...}} */
	const char *minisig;  /* of MAIN; its comment covers the others */
	const char *permit;   /* instead of doc and minisig: a permit's JWS, of any key */
	const json_t *stages; /* arrays of names of sensors */
	int64_t trial_s, soak_s;
	bool automatic; /* the next stage begins by itself */
	const char *user;
	int64_t now_ms;
	const struct rollout_step *of; /* or NULL: of no incident */
	const char *name;	       /* of a permit */
};
/* Whose action it is. */
struct rollout_step {
	int64_t incident, version; /* of the playbook */
	const char *playbook, *step;
};

/* What a policy or a permit is, whoever signed it. */
struct rollout_what {
	char id[PERMIT_TEXT];	     /* hash of a policy, id of a permit */
	int64_t signed_s, expires_s; /* 0: not said; never */
};
/* 0; ERR_FORMAT, said in err: it is none, or has no signature. */
int rollout_look(
    const struct rollout_spec *spec, struct rollout_what *out, char *err, size_t err_size);

/* 0 and its number, or ERR_* said in err: ERR_FORMAT what was brought is no good, ERR_NOTFOUND no such sensor, ERR_EXISTS one of
 * them has part in another that is not over. */
int rollout_make(
    struct store *s, const struct rollout_spec *spec, int64_t *id, char *err, size_t err_size);
/* Go on with one that is held, or stop one.  0, ERR_NOTFOUND, or ERR_EXISTS: it is not in that state. */
int rollout_change(struct store *s, int64_t id, bool go, const char *user, int64_t now_ms,
    char *err, size_t err_size);
/* Its incident, 0: it has none. */
int64_t rollout_incident(struct db *db, int64_t id);
/* Member "applied": those of an incident, newest first. */
void rollout_of_incident(struct jw *w, struct db *db, int64_t incident);
/* One as an object, or all as "items", newest first. */
bool rollout_write(struct jw *w, struct db *db, int64_t id);
void rollout_items(struct jw *w, struct db *db);

/* Inside a job: a signed line of this sensor says what became of a policy ("policy.confirmed", ...).  0 or ERR_*. */
int rollout_heard(struct store_tx *tx, int64_t sensor, const char *event, size_t n, int64_t now_ms);
/* Once a second, in one of the collectors at a data base. */
void rollout_turn(struct collector *co, int64_t now_ms);

/* The answer to a call that began or changed one: it, or 404, 409, 400 with err. */
void rollout_answer(struct call *c, int r, const char *err, int64_t id);
/* Calls of routes.def. */
void rollout_list(struct call *c);
void rollout_one(struct call *c);
void rollout_post(struct call *c);
void rollout_post_one(struct call *c);
void rollout_offer(struct call *c);
void rollout_bundle(struct call *c);

#endif /* COLLECTOR_ROLLOUT_H */
