/* SPDX-License-Identifier: Apache-2.0 */
/*
 * incident.h - what belongs together is one thing to look at.
 *
 * Alerts of one sensor, between the same two devices, by the same rule fold into one incident
 * while not more than INCIDENT_WINDOW_MS pass between them and nobody closed it.  What a sensor or
 * its chain of batches does wrong is an incident as well, of a kind of its own.
 */
#ifndef COLLECTOR_INCIDENT_H
#define COLLECTOR_INCIDENT_H

#include <stdint.h>

#include "base/crypto.h"

#define INCIDENT_WINDOW_MS (30 * 60 * 1000)
#define INCIDENT_FOLD	   16u

enum incident_kind { INCIDENT_POLICY = 0, INCIDENT_SENSOR, INCIDENT_CHAIN };
enum incident_state { INCIDENT_OPEN = 0, INCIDENT_ACK, INCIDENT_CLOSED };

struct store_tx;

struct incident_what {
	enum incident_kind kind;
	uint8_t sev;
	const char *title, *site, *sensor, *src, *dst;
	const char *rule; /* what folds beside sensor, src and dst */
	const char *tech; /* joined by commas */
	int64_t time_ms;
};

/* What folds into one has the same bytes. */
void incident_fold(const struct incident_what *w, uint8_t out[INCIDENT_FOLD]);
/* Inside a job: the number of the open one, or of a new one; or ERR_*. */
int64_t incident_find(struct store_tx *tx, const struct incident_what *w);
/* n more of first..last belong to it.  0 or ERR_*. */
int incident_add(
    struct store_tx *tx, int64_t id, int64_t n, int64_t first_ms, int64_t last_ms, uint8_t sev);
/* Both of one happening, with a line in its log (text NULL: none); its number or ERR_*. */
int64_t incident_tell(struct store_tx *tx, const struct incident_what *w, const char *text);

/* said.def */
enum incident_said {
#define SAID(id, key, text) SAID_##id,
#include "collector/said.def"
#undef SAID
};
/* A line of its log: what it says by itself, with a value or NULL; what somebody wrote.  0 or ERR_*. */
int incident_say(struct store_tx *tx, int64_t id, int64_t now_ms, const char *user,
    enum incident_said what, const char *value);
int incident_note(
    struct store_tx *tx, int64_t id, int64_t now_ms, const char *user, const char *text);

/* The job: what somebody changes, with lines in its log.  0, ERR_NOTFOUND, ERR_*. */
struct incident_edit {
	int64_t id, now_ms;
	int state;			    /* enum incident_state, -1: as it is */
	const char *user, *assignee, *note; /* the last two: NULL, as it is; none */
};
int incident_edit(struct store_tx *tx, void *ctx);

#endif /* COLLECTOR_INCIDENT_H */
