/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query.h - what the page reads.
 *
 * Lists are paged by a key (time and number of the last), never by a count of rows to skip; sums
 * come from what was added up at insert.  Texts of a filter are looked up as names first, so a
 * statement that is built has numbers only.
 */
#ifndef COLLECTOR_QUERY_H
#define COLLECTOR_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/jw.h"

struct call;
struct sqlite3;
struct sqlite3_stmt;

/* One object; false: there is none. */
bool query_alert_write(struct jw *w, struct sqlite3 *db, int64_t id);
bool query_incident_write(struct jw *w, struct sqlite3 *db, int64_t id);
bool query_sensor_write(struct jw *w, struct sqlite3 *db, int64_t id, int64_t now_ms);
/* Answer with that sensor. */
void query_sensor_by(struct call *c, int64_t id);
/* Columns of an alert, and its members from them (the object is open). */
extern const char query_alert_columns[];
void query_alert_members(struct jw *w, struct sqlite3_stmt *st);
void query_incident_members(struct jw *w, struct sqlite3_stmt *st, int at);
extern const char query_incident_columns[];

/* The filter of a call as SQL behind WHERE; index: which one to read.  NULL: answered. */
struct filter {
	char where[6144];
	const char *index; /* NULL: by device */
	int64_t device;
	bool nothing; /* it names something that is not there */
};
bool query_filter(struct call *c, struct sqlite3 *db, struct filter *f);
/* %text% for LIKE ... ESCAPE '\\'. */
void query_like(const char *text, char *out, size_t size);
/* Ends "items" of a list: with a cursor behind that one when there are more. */
void query_next(struct jw *w, bool more, int64_t time, int64_t id);
/* Did a statement end because it took too long?  Then it has answered. */
bool query_late(struct call *c, int rc);

/* Calls of routes.def. */
void query_alerts(struct call *c);
void query_alert(struct call *c);
void query_proof(struct call *c);
void query_evidence(struct call *c);
void query_export(struct call *c);
void query_overview(struct call *c);
void query_incidents(struct call *c);
void query_incident(struct call *c);
void query_sensors(struct call *c);
void query_timeline(struct call *c);
void query_search(struct call *c);
void query_map(struct call *c);
void query_assets(struct call *c);
void query_asset(struct call *c);
void query_attack(struct call *c);
void query_health(struct call *c);
/* Changes. */
void change_incident(struct call *c);
void change_expected(struct call *c);
void change_proposal(struct call *c);
void query_proposals(struct call *c);

#endif /* COLLECTOR_QUERY_H */
