/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate_fast.c - which blocks a filter in the kernel may judge by the tables themselves
 * (gate.h: gate_conduit.block).
 *
 * It knows rules, blocks and conduits of one form only.  A copy is made of the members that are
 * understood here, and what is not the same as its copy has something else set: a member that
 * is added to the language is the engine's until it is named here.
 */
#include "policy/gate.h"

#include <string.h>

#include "policy/table.h"

#define KEEP(to, from, member) memcpy(&(to)->member, &(from)->member, sizeof((to)->member))

static bool
limit_known(const struct limit *l)
{
	struct limit k;

	memset(&k, 0, sizeof(k));
	KEEP(&k, l, at);
	KEEP(&k, l, shape);
	KEEP(&k, l, set);
	KEEP(&k, l, step);
	KEEP(&k, l, base);
	KEEP(&k, l, place);
	return memcmp(&k, l, sizeof(k)) == 0;
}

static bool
rule_known(const struct rule *r, const struct dis_schema *sc)
{
	struct rule k;

	memset(&k, 0, sizeof(k));
	KEEP(&k, r, name);
	KEEP(&k, r, place);
	KEEP(&k, r, index);
	KEEP(&k, r, deny);
	KEEP(&k, r, enabled);
	KEEP(&k, r, everything);
	KEEP(&k, r, subs_stated);
	KEEP(&k, r, verdict);
	KEEP(&k, r, mode);
	KEEP(&k, r, ops);
	KEEP(&k, r, units);
	KEEP(&k, r, reach);
	KEEP(&k, r, names);
	KEEP(&k, r, limits);
	KEEP(&k, r, subs);
	KEEP(&k, r, conds);
	if (memcmp(&k, r, sizeof(k)) != 0)
		return false;
	for (uint32_t s = 0; s < sc->n_spaces; s++)
		for (uint32_t i = 0; r->limits && i < r->limits[s].n; i++)
			if (!limit_known(&r->limits[s].v[i]))
				return false;
	return true;
}

/* What a block asks beside its rules shows in its table (.gate, .rate); this is for what may come. */
static bool
block_known(const struct block *b)
{
	struct block k;

	memset(&k, 0, sizeof(k));
	KEEP(&k, b, dis);
	KEEP(&k, b, proto);
	KEEP(&k, b, place);
	KEEP(&k, b, opt);
	KEEP(&k, b, ports);
	KEEP(&k, b, deny);
	KEEP(&k, b, allow);
	KEEP(&k, b, floor);
	KEEP(&k, b, limits);
	KEEP(&k, b, rate);
	KEEP(&k, b, over);
	KEEP(&k, b, encrypted);
	KEEP(&k, b, endpoint_only);
	KEEP(&k, b, learn_once);
	return memcmp(&k, b, sizeof(k)) == 0;
}

static bool
conduit_known(const struct conduit *c)
{
	struct conduit k;

	memset(&k, 0, sizeof(k));
	KEEP(&k, c, name);
	KEEP(&k, c, place);
	KEEP(&k, c, index);
	KEEP(&k, c, from);
	KEEP(&k, c, to);
	KEEP(&k, c, otherwise);
	KEEP(&k, c, mode);
	KEEP(&k, c, cond);
	KEEP(&k, c, fail_open);
	KEEP(&k, c, apps);
	KEEP(&k, c, yaml);
	KEEP(&k, c, strict);
	KEEP(&k, c, echo);
	KEEP(&k, c, latency_ns);
	KEEP(&k, c, flows);
	KEEP(&k, c, blocks);
	KEEP(&k, c, n_blocks);
	return memcmp(&k, c, sizeof(k)) == 0;
}

/* A rule may ask what another connection has last read: one that is not known stops all of them. */
bool
gate_fast_rules(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->n_rules; i++)
		if (!rule_known(rs->rules[i], rs->rule_block[i]->dis->schema))
			return false;
	return true;
}

uint32_t
gate_fast_block(
    const struct policy *p, const struct ruleset *rs, uint32_t conduit, const char *proto)
{
	const struct conduit *c = &rs->conduits[conduit];
	const struct tb_block *t;
	uint32_t off;

	if (!conduit_known(c))
		return 0;
	for (uint32_t i = 0; i < c->n_blocks; i++) {
		if (strcmp(c->blocks[i].dis->name, proto) != 0)
			continue;
		off = p->block_of[conduit * p->n_protos + c->blocks[i].proto];
		t = (const struct tb_block *)(p->w + off);
		return off != 0 && block_known(&c->blocks[i]) && t->gate == 0 && t->rate == 0 &&
			       t->timeout_us == 0
			   ? off
			   : 0;
	}
	return 0;
}
