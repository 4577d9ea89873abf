/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propose.h - an alert that somebody expected, as what would have kept it quiet: disabled, for the sensor to fetch.
 *
 * alerts/propose.h makes it, out of the alert's line as it was signed and the sensor's policy, which the sensor has
 * uploaded (PUT /ingest/v1/policy).  Without the policy no rule can be written; then the text says how the sensor
 * does it itself.
 */
#ifndef COLLECTOR_PROPOSE_H
#define COLLECTOR_PROPOSE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/propose.h"
#include "policy/files.h"

#define PROPOSE_HASH_BYTES 16u /* of a policy, as il_policy of an alert has it */

struct call;
struct db;

struct proposed {
	struct proposal p;
	char *text;	 /* rule_yaml: p.rules, or a comment that says why there are none */
	char policy[40]; /* that it is a change of, as il_policy has it; "" = it is not here */
	char notes[2048];
};

/* 0; ERR_UNSUPPORTED: nothing can be proposed, said in err; other ERR_*.  To be proposed_fini()'d when 0. */
int propose_alert(
    struct db *db, int64_t sensor, int64_t alert, struct proposed *out, char *err, size_t err_size);
void proposed_fini(struct proposed *p);

/* Call of routes.def: {"v":1,"name":MAIN,"files":{NAME:TEXT}}.  It has to be a policy; its picture for the map is made of it. */
void receive_policy(struct call *c);
/* The same without a call: 0, ERR_FORMAT (no policy, said in err), or other ERR_*. */
struct store;
int propose_keep_policy(struct store *s, int64_t sensor, const char *json, size_t n, int64_t now_ms,
    char *err, size_t err_size);
/* Is such a document a policy?  0 and its hash, in hex; src is its source, which borrows from doc.  Or ERR_FORMAT, said in err. */
int propose_policy(const json_t *doc, struct policy_source *src,
    char hash[2 * PROPOSE_HASH_BYTES + 1], char *err, size_t err_size);

#endif /* COLLECTOR_PROPOSE_H */
