/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_block.c - a protocol inside a conduit: its ports, options and rules, what
 * every request has to meet (the maps its keys name), and its limits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/check.h"

/* --- names of rules -------------------------------------------------------------------------- */

static int
rule_name_cmp(const void *va, const void *vb)
{
	const struct rule *a = *(const struct rule *const *)va;
	const struct rule *b = *(const struct rule *const *)vb;
	int d = strcmp(a->name, b->name);

	return d != 0 ? d : (a->place.line > b->place.line) - (a->place.line < b->place.line);
}

void
check_rule_names(struct check *k, const struct conduit *c)
{
	struct rule_list all = {0};
	struct where w;

	for (uint32_t i = 0; i < c->n_blocks; i++) {
		for (uint32_t j = 0; j < c->blocks[i].deny.n; j++)
			vec_push(k->scratch, &all, c->blocks[i].deny.v[j]);
		for (uint32_t j = 0; j < c->blocks[i].allow.n; j++)
			vec_push(k->scratch, &all, c->blocks[i].allow.v[j]);
	}
	for (uint32_t j = 0; c->l4 && j < c->l4->allow.n; j++)
		vec_push(k->scratch, &all, c->l4->allow.v[j]);
	if (all.n != 0)
		qsort(all.v, all.n, sizeof(*all.v), rule_name_cmp);
	for (uint32_t i = 1; i < all.n; i++)
		if (strcmp(all.v[i]->name, all.v[i - 1]->name) == 0 && strcmp(all.v[i]->name, "?"))
			complain_place(k->c, COMPLAINT_ERROR, &all.v[i]->place,
			    "rule \"%s\": %s of conduit \"%s\" already has a rule of that name",
			    all.v[i]->name, where_is(k->c, &all.v[i - 1]->place, &w), c->name);
}

/* --- the block ---------------------------------------------------------------------------------------------- */

/* "502", "5000..5010", "tcp/502", "udp/502". */
static void
check_port(struct check *k, const struct ynode *n, const char *who, struct block *b)
{
	struct port_span p = {.tcp = true, .udp = b->dis->datagrams};
	struct ival span;
	const char *s;

	if (!check_text(k, n, who, &s))
		return;
	if (strncmp(s, "tcp/", 4) == 0 || strncmp(s, "udp/", 4) == 0) {
		p.tcp = s[0] == 't';
		p.udp = !p.tcp;
		s += 4;
	}
	if (strcmp(s, "any") == 0) {
		span = (struct ival){0, UINT16_MAX};
	} else if (text_span(s, UINT16_MAX, &span) < 0) {
		check_error(k, n, "%s: ports: \"%s\" is none of 502, 5000..5010, udp/502, any", who,
		    n->s);
		return;
	}
	if (p.udp && !b->dis->datagrams) {
		check_error(k, n, "%s: ports: %s is not spoken over UDP", who, b->dis->name);
		return;
	}
	p.lo = (uint16_t)span.lo;
	p.hi = (uint16_t)span.hi;
	vec_push(k->keep, &b->ports, p);
}

static void
check_ports(struct check *k, const struct ynode *n, const char *who, struct block *b)
{
	if (n) {
		if (n->kind == Y_MAP || list_n(n) == 0)
			check_error(k, n, "%s: ports: expected a list of ports or any", who);
		else
			for (uint32_t i = 0; i < list_n(n); i++)
				check_port(k, list_at(n, i), who, b);
		return;
	}
	for (const uint16_t *p = b->dis->ports; p && *p; p++)
		vec_push(k->keep, &b->ports,
		    ((struct port_span){.lo = *p, .hi = *p, .tcp = true, .udp = b->dis->datagrams}));
	if (b->ports.n == 0)
		complain_place(k->c, COMPLAINT_ERROR, &b->place,
		    "%s: \"ports\" is missing, and the protocol has no usual one", who);
}

static void
check_rule_list(struct check *k, const struct ynode *n, const char *who, struct conduit *c,
    struct block *b, bool deny)
{
	if (n->kind != Y_LIST) {
		check_error(k, n, "%s: %s: expected a list of rules", who, deny ? "deny" : "allow");
		return;
	}
	for (uint32_t i = 0; i < n->n; i++)
		check_rule(k, n->kids[i], c, b, deny);
}

/* --- what holds for all requests ----------------------------------------------------------- */

/* One map of the block: the keys that name it. */
static void
check_floor(struct check *k, const struct ynode *n, const char *who, const char *map,
    struct block *b)
{
	const struct dis_schema *sc = b->dis->schema;
	struct field fields[FIELDS_MAX];
	const struct ynode *v[FIELDS_MAX];
	const struct dis_key *keys[FIELDS_MAX];
	char where[NAME_LEN_MAX + 160];
	unsigned m = 0;

	for (unsigned i = 0; i < sc->n_keys && m < FIELDS_MAX; i++)
		if (sc->keys[i].map && strcmp(sc->keys[i].map, map) == 0) {
			keys[m] = &sc->keys[i];
			fields[m++] = (struct field){sc->keys[i].name, FIELD_MAY};
		}
	snprintf(where, sizeof(where), "%s: %s", who, map);
	if (!check_map(k, n, where, fields, m, v, NULL, NULL))
		return;
	for (unsigned i = 0; i < m; i++)
		if (v[i])
			check_cond(k, where, keys[i], v[i], &b->floor);
}

/* Keys of kind LIMIT, and what becomes of a message above one of them. */
static void
check_maxima(struct check *k, const struct ynode *n, const char *who, struct block *b)
{
	const struct dis_schema *sc = b->dis->schema;
	struct field fields[FIELDS_MAX + 4];
	const struct ynode *v[FIELDS_MAX + 4];
	const struct dis_key *keys[FIELDS_MAX];
	char where[NAME_LEN_MAX + 160];
	unsigned m = 0;
	uint32_t max;

	for (unsigned i = 0; i < sc->n_keys && m < FIELDS_MAX; i++)
		if (sc->keys[i].kind == KEY_LIMIT) {
			keys[m] = &sc->keys[i];
			fields[m++] = (struct field){sc->keys[i].name, FIELD_MAY};
		}
	fields[m] = (struct field){"over", FIELD_MAY};
	fields[m + 1] = (struct field){"rate", FIELD_MAY};
	fields[m + 2] = (struct field){"timeout", FIELD_MAY};
	fields[m + 3] =
	    (struct field){"pending", FIELD_LATER}; /* where the schema has no such key */
	snprintf(where, sizeof(where), "%s: limits", who);
	if (!check_map(k, n, where, fields, m + 4, v, NULL, NULL))
		return;
	for (unsigned i = 0; i < m; i++)
		if (v[i] && check_size(k, where, keys[i], v[i], &max))
			vec_push(k->keep, &b->limits,
			    ((struct maximum){keys[i], max, place_of(v[i])}));
	if (v[m + 1])
		check_rate(k, v[m + 1], where, &b->rate);
	if (v[m + 2])
		check_time(k, v[m + 2], where, &b->timeout_ns);
	if (v[m])
		check_action(k, v[m], where, 1u << VERDICT_ALERT | 1u << VERDICT_DROP |
		    1u << VERDICT_REJECT | 1u << VERDICT_RESET, &b->over);
}

static void
check_encrypted(struct check *k, const struct ynode *n, const char *who, struct block *b)
{
	static const char *const words[] = {"endpoint-only", "alert", "drop", "reset", NULL};
	static const uint8_t actions[] = {VERDICT_ALLOW, VERDICT_ALERT, VERDICT_DROP, VERDICT_RESET};
	char where[NAME_LEN_MAX + 160];
	unsigned w;

	snprintf(where, sizeof(where), "%s: encrypted", who);
	if (!check_word(k, n, where, words, &w))
		return;
	b->encrypted = actions[w];
	b->endpoint_only = w == 0;
}

static void
check_midstream(struct check *k, const struct ynode *n, const char *who, struct block *b)
{
	static const char *const words[] = {"below-floor", "learn-once", NULL};
	char where[NAME_LEN_MAX + 160];
	unsigned w;

	snprintf(where, sizeof(where), "%s: midstream", who);
	if (check_word(k, n, where, words, &w))
		b->learn_once = w == 1;
}

/* --- the block ---------------------------------------------------------------------------------- */

enum { B_PORTS, B_ALLOW, B_DENY, B_LIMITS, B_ENCRYPTED, B_MIDSTREAM, B_OWN };

/* The language's keys, the protocol's options, the maps its keys name. */
static unsigned
block_fields(const struct dis_schema *sc, unsigned n_options, struct field *f)
{
	bool floor = false;
	unsigned m = B_OWN + n_options, seen;

	for (unsigned i = 0; i < sc->n_keys; i++) {
		const char *map = sc->keys[i].map;

		if (!map)
			continue;
		floor = true;
		for (seen = B_OWN + n_options; seen < m && strcmp(f[seen].key, map) != 0; seen++)
			;
		if (seen == m && m < FIELDS_MAX - 1)
			f[m++] = (struct field){map, FIELD_MAY};
	}
	f[B_PORTS] = (struct field){"ports", FIELD_MAY};
	f[B_ALLOW] = (struct field){"allow", FIELD_MAY};
	f[B_DENY] = (struct field){"deny", FIELD_MAY};
	f[B_LIMITS] = (struct field){"limits", FIELD_MAY};
	f[B_ENCRYPTED] = (struct field){"encrypted", schema_encrypts(sc) ? FIELD_MAY : FIELD_LATER};
	f[B_MIDSTREAM] = (struct field){"midstream", floor ? FIELD_MAY : FIELD_LATER};
	for (unsigned i = 0; i < n_options; i++)
		f[B_OWN + i] = (struct field){sc->options[i].name,
		    sc->options[i].required ? FIELD_MUST : FIELD_MAY};
	if (!floor) /* a known word of the language, but not for this protocol */
		f[m++] = (struct field){"security", FIELD_LATER};
	return m;
}

void
check_block(struct check *k, const struct ynode *n, struct conduit *c, struct block *b)
{
	const struct dis_schema *sc = b->dis->schema;
	unsigned n_options = sc->n_options < DIS_OPTION_MAX ? sc->n_options : DIS_OPTION_MAX;
	struct field f[FIELDS_MAX];
	const struct ynode *v[FIELDS_MAX];
	char who[NAME_LEN_MAX + 140];
	struct what what = {""};
	unsigned m = block_fields(sc, n_options, f), w;

	b->over = VERDICT_ALERT;
	b->encrypted = BLOCK_UNSAID;
	snprintf(who, sizeof(who), "%s: %s", what_name(&what, "conduit", c->name), b->dis->name);
	if (!check_map(k, n, who, f, m, v, NULL, NULL))
		return;
	for (unsigned i = 0; i < n_options; i++) {
		char opt[NAME_LEN_MAX + 180];

		snprintf(opt, sizeof(opt), "%s: %s", who, sc->options[i].name);
		if (v[B_OWN + i] && check_word(k, v[B_OWN + i], opt, sc->options[i].words, &w))
			b->opt[i] = (uint8_t)w;
	}
	for (unsigned i = B_OWN + n_options; i < m; i++)
		if (v[i])
			check_floor(k, v[i], who, f[i].key, b);
	check_ports(k, v[B_PORTS], who, b);
	if (v[B_LIMITS])
		check_maxima(k, v[B_LIMITS], who, b);
	if (v[B_ENCRYPTED])
		check_encrypted(k, v[B_ENCRYPTED], who, b);
	if (v[B_MIDSTREAM])
		check_midstream(k, v[B_MIDSTREAM], who, b);
	if (v[B_DENY])
		check_rule_list(k, v[B_DENY], who, c, b, true);
	if (v[B_ALLOW])
		check_rule_list(k, v[B_ALLOW], who, c, b, false);
}
