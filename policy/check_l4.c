/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_l4.c - `l4:` of a conduit: ports that may be used without anybody reading what is said there.
 *
 * Such a rule may not take a port from those who read: not one that a block of the conduit serves,
 * nor the usual port of a protocol that Interlock reads.
 */
#include <stdio.h>
#include <string.h>

#include "policy/check.h"

/* Rules of a verdict have a block, which says the protocol; l4 has no functions and no keys. */
static const struct dis_schema l4_schema = {.n_opx = 1};
static const struct dissector l4_dissector = {.name = "l4", .schema = &l4_schema};

static bool
spans_meet(const struct port_span *a, const struct port_span *b)
{
	return a->lo <= b->hi && b->lo <= a->hi && ((a->tcp && b->tcp) || (a->udp && b->udp));
}

/* The first rule of a block that such a port would take from it, or NULL. */
static const struct rule *
block_rule(const struct block *b)
{
	return b->allow.n ? b->allow.v[0] : b->deny.n ? b->deny.v[0] : NULL;
}

/* A port that a dissector of this conduit, or of any, is there for.  True: said. */
static bool
silences(struct check *k, const struct ynode *at, const char *who, const struct conduit *c,
    const struct port_span *p)
{
	struct where w;

	for (uint32_t i = 0; i < c->n_blocks; i++)
		for (uint32_t j = 0; j < c->blocks[i].ports.n; j++) {
			const struct block *b = &c->blocks[i];
			const struct rule *r = block_rule(b);

			if (!spans_meet(p, &b->ports.v[j]))
				continue;
			if (r)
				check_error(k, at, "%s: %s would silence rule \"%s\" of %s (%s)",
				    who, at->s, r->name, b->dis->name,
				    where_is(k->c, &r->place, &w));
			else
				check_error(k, at, "%s: %s would silence %s (%s)", who, at->s,
				    b->dis->name, where_is(k->c, &b->place, &w));
			return true;
		}
	for (unsigned d = 0; d < n_dissectors; d++)
		for (const uint16_t *port = dissectors[d]->ports; port && *port; port++) {
			struct port_span usual = {*port, *port, true, dissectors[d]->datagrams};

			if (!spans_meet(p, &usual))
				continue;
			check_error(k, at,
			    "%s: %s holds port %u of %s, which is read and not just "
			    "passed: it takes a block of its own",
			    who, at->s, *port, dissectors[d]->name);
			return true;
		}
	return false;
}

/* "443", "8000..8010", "tcp/443", "udp/123". */
static void
check_l4_port(struct check *k, const struct ynode *n, const char *who, const struct conduit *c,
    struct rule *r)
{
	struct port_span p = {.tcp = true};
	struct ival span;
	const char *s;

	if (!check_text(k, n, who, &s))
		return;
	if (strncmp(s, "tcp/", 4) == 0 || strncmp(s, "udp/", 4) == 0) {
		p.tcp = s[0] == 't';
		p.udp = !p.tcp;
		s += 4;
	}
	if (strcmp(s, "any") == 0)
		span = (struct ival){1, UINT16_MAX};
	else if (text_span(s, UINT16_MAX, &span) < 0) {
		check_error(
		    k, n, "%s: ports: \"%s\" is none of 443, 8000..8010, udp/123", who, n->s);
		return;
	}
	p.lo = (uint16_t)span.lo;
	p.hi = (uint16_t)span.hi;
	if (!silences(k, n, who, c, &p))
		vec_push(k->keep, &r->ports, p);
}

static void
check_l4_rule(struct check *k, const struct ynode *n, struct conduit *c)
{
	enum { NAME, PORTS, VERDICT, MODE, ENABLED, N };
	static const struct field fields[N] = {{"name", FIELD_MUST}, {"ports", FIELD_MUST},
	    {"verdict", FIELD_MAY}, {"mode", FIELD_MAY}, {"enabled", FIELD_MAY}};
	const struct ynode *v[N], *name = NULL;
	struct what what = {""};
	struct rule *r;
	const char *who;

	if (k->rules.n == RULES_MAX || c->l4->allow.n == L4_RULES_MAX) {
		check_error(k, n, "more than %u rules in %s",
		    k->rules.n == RULES_MAX ? RULES_MAX : L4_RULES_MAX,
		    k->rules.n == RULES_MAX ? "a policy" : "l4 of one conduit");
		return;
	}
	for (uint32_t i = 0; n->kind == Y_MAP && i < n->n; i++)
		if (strcmp(n->kids[2 * (size_t)i]->s, "name") == 0)
			name = n->kids[2 * (size_t)i + 1];
	who = what_name(&what, "rule", name && name->kind == Y_SCALAR ? name->s : "?");
	r = rule_new(k, &l4_schema, false, c);
	r->place = place_of(n);
	if (!check_map(k, n, who, fields, N, v, NULL, NULL))
		return;
	if (v[NAME])
		check_name(k, v[NAME], "rule", &r->name);
	if (v[VERDICT])
		check_action(
		    k, v[VERDICT], who, 1u << VERDICT_ALLOW | 1u << VERDICT_ALERT, &r->verdict);
	if (v[MODE])
		check_mode(k, v[MODE], who, &r->mode);
	if (v[ENABLED])
		check_bool(k, v[ENABLED], who, &r->enabled);
	if (v[PORTS] && (v[PORTS]->kind == Y_MAP || list_n(v[PORTS]) == 0))
		check_error(k, v[PORTS], "%s: ports: expected a list of ports", who);
	else if (v[PORTS])
		for (uint32_t i = 0; i < list_n(v[PORTS]); i++)
			check_l4_port(k, list_at(v[PORTS], i), who, c, r);
	vec_push(k->keep, &k->rules, r);
	vec_push(k->keep, &c->l4->allow, r);
}

void
check_l4(struct check *k, const struct ynode *n, struct conduit *c, const char *who)
{
	c->l4 = arena_get(k->keep, sizeof(*c->l4));
	c->l4->dis = &l4_dissector;
	c->l4->proto = FACT_PROTO_NONE;
	c->l4->place = place_of(n);
	if (n->kind != Y_LIST || n->n == 0) {
		check_error(k, n, "%s: l4: expected a list of rules", who);
		return;
	}
	for (uint32_t i = 0; i < n->n; i++)
		check_l4_rule(k, n->kids[i], c);
}
