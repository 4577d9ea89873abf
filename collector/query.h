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
struct db;
struct db_stmt;

/* One object; false: there is none. */
bool query_alert_write(struct jw *w, struct db *db, int64_t id);
bool query_incident_write(struct jw *w, struct db *db, int64_t id);
bool query_sensor_write(struct jw *w, struct db *db, int64_t id, int64_t now_ms);
/* Answer with that sensor. */
void query_sensor_by(struct call *c, int64_t id);
/* Columns of an alert, and its members from them (the object is open). */
extern const char query_alert_columns[];
void query_alert_members(struct jw *w, struct db_stmt *st);
void query_incident_members(struct jw *w, struct db_stmt *st, int at);
extern const char query_incident_columns[];

enum alert_col {
	C_ID,
	C_TIME,
	C_SENSOR,
	C_SITE,
	C_SEV,
	C_BLOCKED,
	C_VERDICT,
	C_SIG,
	C_SID,
	C_CATEGORY,
	C_RULE,
	C_CONDUIT,
	C_REASON,
	C_PROTO,
	C_OP,
	C_ACCESS,
	C_OBJECT,
	C_SRC_IP,
	C_SPORT,
	C_SRC,
	C_DST_IP,
	C_DPORT,
	C_DST,
	C_DIR,
	C_COUNT,
	C_TECH,
	C_INCIDENT,
	C_EVENT,
	C_SEQ,
	C_N
};

/*
 * The filter of a call as SQL behind WHERE, and how to find what it lets through without reading the rest: by one
 * index, and for names by where they were seen (table `seen`): an alert has to have one name of each set.
 */
#define FILTER_SETS 8u
struct filter_set {
	char *list;    /* "[1,2]", or NULL: so many that they are seen everywhere */
	uint8_t *bits; /* bit i: name i is one of them; for SQL's hit() */
	size_t n_bytes;
};
struct filter {
	char where[2048];
	const char *index; /* NULL: by device */
	int64_t device, from;
	bool nothing; /* it names something that is not there */
	bool sparse;  /* its index alone would read much */
	struct filter_set text, tech, one[FILTER_SETS];
	unsigned n_one; /* sets of one name */
};
void query_filter(struct call *c, struct db *db, struct filter *f);
void query_filter_text(struct db *db, struct filter *f, const char *q);
void query_filter_free(struct filter *f);
/* %text% for LIKE ... ESCAPE '\\'. */
void query_like(const char *text, char *out, size_t size);

/* A page of alerts behind time and id, newest first. */
struct list_page {
	int64_t time, id, limit;
};
/* Alerts as objects into an open list: at most limit.  True: there are more, behind *p then.  rc is SQLite's. */
bool query_list(struct jw *w, struct db *db, const struct filter *f, struct list_page *p, int *rc);
/* One statement for all of a page, columns as in query_alert_columns; NULL: said in the log. */
struct db_stmt *query_list_statement(struct db *db, const struct filter *f);
void query_list_bind(struct db_stmt *st, const struct list_page *p, int64_t least_ms);
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
