/* SPDX-License-Identifier: Apache-2.0 */
/* propose_int.h - what propose.c, propose_read.c (an alert) and propose_rule.c (a rule, as text in its place) share. */
#ifndef ALERTS_PROPOSE_INT_H
#define ALERTS_PROPOSE_INT_H

#include <jansson.h>
#include <stdio.h>

#include "alerts/propose.h"
#include "alerts/record.h"
#include "policy/arena.h"
#include "policy/yaml.h"

#define PROPOSE_ITEMS  64u /* of one rule */
#define PROPOSE_VALUES 64u /* addresses of one rule whose values are limited */
#define PROPOSE_NAME   64u

struct wanted_item {
	uint8_t space, access;
	uint32_t sub, first, count;
	char name[RECORD_NAME_MAX + 1]; /* of a named one; else "" */
};
struct wanted_value {
	uint32_t at, min, max;
};

/* One rule that is to be: one operation of one unit, between two. */
struct wanted {
	struct net_tuple tuple;
	uint8_t proto;
	const struct dis_op *op;
	uint32_t unit;
	uint32_t conduit;			   /* of the policy, or RULE_NONE: a new one */
	bool new_block;				   /* which has no block of the protocol */
	char from[PROPOSE_NAME], to[PROPOSE_NAME]; /* names of the devices */
	bool new_from, new_to;			   /* not declared yet */
	char zone_from[PROPOSE_NAME],
	    zone_to[PROPOSE_NAME]; /* of those: their nets have the address */
	char conduit_name[2 * PROPOSE_NAME + 2], name[PROPOSE_NAME];
	uint32_t n_items, n_values;
	struct wanted_item items[PROPOSE_ITEMS];
	struct wanted_value values[PROPOSE_VALUES];
	bool values_over;
	struct wanted *also;	 /* of a rule: the requests that it is to allow, each by itself */
	char when[32], why[256]; /* time of the first alert; its sentence, printable */
};

/* --- propose_read.c: an EVE line, parsed; texts are borrowed from it, "" = not there */

const char *alert_meta(
    const json_t *alert, const char *key); /* of alert.metadata, the first of the list */
const char *alert_text(const json_t *o, const char *key);
bool alert_tuple(const json_t *alert, struct net_tuple *t); /* false: no IP addresses */
/* The row of the operation that it names; NULL: none. */
const struct dis_op *alert_op(const struct dis_schema *sc, const json_t *alert, const json_t *pdu);
/* All objects, each with what is done to it, into items.  False: they are not known. */
bool alert_items(struct wanted *w, const json_t *alert, const json_t *pdu);
/* Values that were written, into values. */
void alert_values(struct wanted *w, const json_t *pdu);

/* --- propose_rule.c */

/*
 * The rule as a flow mapping: {name: ..., enabled: false, ...}.  block: the YAML of the protocol's block it is to stand in,
 * for its notation; NULL: a new one.  False: it cannot be said, why in why.
 */
bool wanted_rule(const struct wanted *w, const struct ynode *block, bool enabled, FILE *to,
    char *why, size_t size);

/*
 * The text of a policy with the rule in it: malloc'd, NUL-ended; NULL: its place cannot be edited, why in why.
 */
char *wanted_insert(
    const struct wanted *w, const char *text, size_t len, bool enabled, char *why, size_t size);

/* The conduit of this name in the text; NULL: it is not in it. */
const struct ynode *wanted_conduit(const struct ynode *root, const char *name);
const struct ynode *wanted_get(const struct ynode *map, const char *key);

#endif /* ALERTS_PROPOSE_INT_H */
