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

#include "policy/kernel.h"
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
	KEEP(&k, c, l4); /* other ports */
	return memcmp(&k, c, sizeof(k)) == 0;
}

static bool
rules_known(const struct rule_list *l, const struct dis_schema *sc)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i]->enabled && !rule_known(l->v[i], sc))
			return false;
	return true;
}

static bool
rules_window(const struct rule_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (l->v[i]->enabled && l->v[i]->only_in != 0)
			return true;
	return false;
}

unsigned
gate_fast_proto(const char *name)
{
	static const char *const protos[GATE__PROTOS] = {
	    [GATE_MODBUS] = "modbus", [GATE_S7] = "s7", [GATE_OPCUA] = "opcua"};
	unsigned k = 0;

	while (k < GATE__PROTOS && strcmp(protos[k], name) != 0)
		k++;
	return k;
}

/* The most that a PDU which the filter passes can have of what a block's limits: may count. */
static const struct {
	uint8_t proto; /* enum gate_proto */
	const char *key;
	uint32_t most;
} counts[] = {
    {GATE_MODBUS, "pending", GATE_OPEN},
    {GATE_S7, "pending", GATE_OPEN},
    {GATE_S7, "items", 1},
    {GATE_OPCUA, "pending", GATE_UA_OPEN},
    {GATE_OPCUA, "message", GATE_UA_MESSAGE},
    {GATE_OPCUA, "chunk", GATE_UA_MESSAGE},
    {GATE_OPCUA, "chunks", 1},
};

/* Is no limit of the block below that? */
static bool
limits_idle(const struct block *b)
{
	unsigned proto = gate_fast_proto(b->dis->name);

	for (uint32_t i = 0; i < b->limits.n; i++) {
		const struct maximum *m = &b->limits.v[i];
		bool idle = false;

		for (unsigned k = 0; k < sizeof(counts) / sizeof(counts[0]); k++)
			idle |= counts[k].proto == proto &&
				strcmp(counts[k].key, m->key->name) == 0 && counts[k].most <= m->max;
		if (!idle)
			return false;
	}
	return true;
}

/*
 * What else of a block the filter does not look at.  OPC UA: nothing that it asks of the session, for what
 * the filter passes was allowed by the engine in the same session, in the state that it still has.
 */
static uint32_t
gates_idle(const struct block *b)
{
	return gate_fast_proto(b->dis->name) != GATE_OPCUA
		   ? (uint32_t)GATE_LIMITS
		   : (uint32_t)(GATE_LIMITS | GATE_STEPS | GATE_FLOOR | GATE_LEARN | GATE_ENDPOINT |
				GATE_OFFERS | GATE_ENCRYPTED);
}

unsigned
gate_fast_why(const struct policy *p, const struct ruleset *rs, uint32_t conduit, uint32_t i)
{
	const struct conduit *c = &rs->conduits[conduit];
	const struct block *b = &c->blocks[i];
	uint32_t off = p->block_of[conduit * p->n_protos + b->proto];
	const struct tb_block *t = (const struct tb_block *)(p->w + off);

	if (off == 0 || gate_fast_proto(b->dis->name) == GATE__PROTOS)
		return KERNEL_PROTOCOL;
	if (!limits_idle(b) || t->rate != 0 || t->timeout_us != 0)
		return KERNEL_LIMITS;
	if (c->only_in != 0 || rules_window(&b->deny) || rules_window(&b->allow))
		return KERNEL_WINDOW;
	/* What one connection reads, a rule of another may ask for. */
	if (p->conduits[conduit].states >> i & 1)
		return KERNEL_PAST;
	if ((t->gate & ~gates_idle(b)) != 0 || !conduit_known(c) || !block_known(b) ||
	    !rules_known(&b->deny, b->dis->schema) || !rules_known(&b->allow, b->dis->schema))
		return KERNEL_CONDITION;
	return KERNEL_YES;
}
