/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c - see kernel.h. */
#include "policy/kernel.h"

#include <string.h>

#include "policy/table.h"

static const struct {
	const char *name, *text;
} whys[KERNEL__MAX] = {
    [KERNEL_YES] = {"yes", "the kernel can pass it"},
    [KERNEL_UDP] = {"udp", "a datagram has no order"},
    [KERNEL_PROTOCOL] = {"protocol", "a protocol or framing that the kernel does not read"},
    [KERNEL_SEGMENT] = {"segment", "its segment is not exactly one whole PDU in order"},
    [KERNEL_ANOMALY] = {"anomaly", "there is something to tell about it"},
    [KERNEL_KIND] = {"kind", "neither a request nor an answer"},
    [KERNEL_ENCRYPTED] = {"encrypted", "its body cannot be read"},
    [KERNEL_VERDICT] = {"verdict", "it is told, refused or denied, which the engine does"},
    [KERNEL_SESSION] = {"session", "it opens, changes or closes a session"},
    [KERNEL_FUNCTION] = {"function", "its function controls, programs or holds several parts"},
    [KERNEL_ITEMS] = {"items", "it has more than one item"},
    [KERNEL_NAMES] = {"names", "names decide"},
    [KERNEL_CONDITION] = {"condition", "a rule asks for a property of the session or message"},
    [KERNEL_LIMITS] = {"limits", "the block counts waiting requests or their rate"},
    [KERNEL_VALUES] = {"values", "a rule limits what is written there"},
    [KERNEL_WINDOW] = {"window", "it is only-in a window"},
    [KERNEL_PAST] = {"past", "it asks for values read before, or makes them known"},
    [KERNEL_UNPAIRED] = {"unpaired", "it answers a request that was the engine's"},
};

const char *
kernel_why_name(enum kernel_why w)
{
	return w < KERNEL__MAX ? whys[w].name : "unknown";
}

const char *
kernel_why_text(enum kernel_why w)
{
	return w < KERNEL__MAX ? whys[w].text : "unknown";
}

/* --- functions -------------------------------------------------------------------------- */

#define KERNEL_ACTS (ACC_CONTROL | ACC_PROGRAM)

static bool
reads_protocol(const char *name)
{
	return strcmp(name, "modbus") == 0 || strcmp(name, "s7") == 0 || strcmp(name, "opcua") == 0;
}

/* Parts, masks, two ranges, queues, object lists: [APP] 6.14 to 6.18, 6.20, 6.21. */
static bool
several_parts(const char *proto, uint16_t code)
{
	return strcmp(proto, "modbus") == 0 && ((code >= 20 && code <= 24) || code == 43);
}

static enum kernel_why
function_why(const char *proto, uint16_t code, uint8_t access)
{
	if (access & KERNEL_ACTS)
		return KERNEL_FUNCTION;
	if (access & ACC_SESSION)
		return KERNEL_SESSION;
	return several_parts(proto, code) ? KERNEL_FUNCTION : KERNEL_YES;
}

/* --- rules ------------------------------------------------------------------------------ */

static bool
limits_meet(const struct limits *ls, const struct fact_item *it)
{
	uint64_t last = (uint64_t)it->first + it->count - 1;

	for (uint32_t i = 0; i < ls->n; i++)
		if (ls->v[i].at.sub <= it->sub && it->sub <= ls->v[i].at.sub_last &&
		    ls->v[i].at.first <= last && it->first <= ls->v[i].at.last)
			return true;
	return false;
}

/* What rule r, that holds unit and function, would ask of this fact beyond its range. */
static enum kernel_why
rule_asks(const struct dis_schema *sc, const struct rule *r, const struct fact *f)
{
	const struct fact_item *it = &f->item;

	if (r->conds.n != 0)
		return KERNEL_CONDITION;
	if (r->only_in != 0)
		return KERNEL_WINDOW;
	if (r->whens.n != 0)
		return KERNEL_PAST;
	if (f->n_items == 0 || it->space >= sc->n_spaces || !(it->access & ACC_WRITE))
		return KERNEL_YES;
	return limits_meet(&r->limits[it->space], it) ? KERNEL_VALUES : KERNEL_YES;
}

static enum kernel_why
list_asks(const struct dis_schema *sc, const struct rule_list *l, const struct fact *f)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct rule *r = l->v[i];
		enum kernel_why w;

		if (!r->enabled || !rule_has_op(r, f->opx) || !ivals_has(&r->units, f->unit))
			continue;
		if ((w = rule_asks(sc, r, f)) != KERNEL_YES)
			return w;
	}
	return KERNEL_YES;
}

static const struct block *
block_for(const struct policy *p, uint32_t conduit, uint8_t proto)
{
	const struct conduit *c;

	if (conduit >= p->rs->n_conduits)
		return NULL;
	c = &p->rs->conduits[conduit];
	for (uint32_t i = 0; i < c->n_blocks; i++)
		if (c->blocks[i].proto == proto)
			return &c->blocks[i];
	return NULL;
}

/* A size is seen in the one PDU itself; what waits and for how long is the engine's to count. */
static bool
block_counts(const struct block *b)
{
	for (uint32_t i = 0; i < b->limits.n; i++)
		if (strcmp(b->limits.v[i].key->name, "pending") == 0)
			return true;
	return b->rate != 0 || b->timeout_ns != 0;
}

/* Is some address of the item one whose last value rules ask for? */
static bool
watched(const struct policy *p, uint8_t proto, const struct fact_item *it)
{
	uint64_t last = (uint64_t)it->first + it->count - 1;

	for (uint32_t i = p->watch_at[proto]; i < p->watch_at[proto + 1]; i++) {
		const struct tb_watch *w = &p->watch[i];

		if (w->space == it->space && w->sub <= it->sub && it->sub <= w->sub_last &&
		    w->first <= last && it->first <= w->last)
			return true;
	}
	return false;
}

static enum kernel_why
request_why(const struct policy *p, const struct conduit *c, const struct block *b,
    const struct fact *f, const struct verdict *v)
{
	const struct dis_schema *sc = b->dis->schema;
	enum kernel_why w;

	if (v->action != VERDICT_ALLOW || v->would != VERDICT_ALLOW)
		return KERNEL_VERDICT;
	if ((w = function_why(b->dis->name, f->code, f->access)) != KERNEL_YES)
		return w;
	if (f->n_items > 1 || f->more != 0)
		return KERNEL_ITEMS;
	if (f->n_items == 1 && (f->item.name || schema_has(sc, KEY_PATTERN, f->item.space)))
		return KERNEL_NAMES;
	if (block_counts(b))
		return KERNEL_LIMITS;
	if (c->only_in != 0)
		return KERNEL_WINDOW;
	if (f->n_items == 1 && f->item.masked)
		return KERNEL_FUNCTION;
	if (f->n_items == 1 && watched(p, f->proto, &f->item))
		return KERNEL_PAST;
	if ((w = list_asks(sc, &b->deny, f)) != KERNEL_YES)
		return w;
	return list_asks(sc, &b->allow, f);
}

enum kernel_why
policy_kernel_eligible(const struct policy *p, const struct policy_bind *bind, const struct fact *f,
    const struct verdict *v, const struct kernel_segment *s)
{
	const struct block *b = block_for(p, bind->conduit, f->proto);
	bool answer = f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION;

	if (!s->tcp)
		return KERNEL_UDP;
	if (f->proto >= n_dissectors || !reads_protocol(dissectors[f->proto]->name) || !s->plain)
		return KERNEL_PROTOCOL;
	if (!s->whole)
		return KERNEL_SEGMENT;
	if (f->anomalies & FACT_A_ENCRYPTED)
		return KERNEL_ENCRYPTED;
	if (f->anomalies != 0 || f->kind == FACT_MALFORMED)
		return KERNEL_ANOMALY;
	if (f->kind != FACT_REQUEST && !answer)
		return KERNEL_KIND;
	if (!b || !(bind->flags & BIND_PORT_OK))
		return KERNEL_VERDICT;
	if (!answer)
		return request_why(p, &p->rs->conduits[bind->conduit], b, f, v);
	if (v->action != VERDICT_ALLOW || v->would != VERDICT_ALLOW)
		return KERNEL_VERDICT;
	return s->paired ? KERNEL_YES : KERNEL_UNPAIRED;
}

/* --- rules by themselves ----------------------------------------------------------------- */

/* The best that any function of the rule can do; worse reasons come first in the enum. */
static enum kernel_why
functions_why(
    const struct dis_schema *sc, const char *proto, const struct rule *r, bool *writes_only)
{
	enum kernel_why why = KERNEL_FUNCTION, w;

	*writes_only = true;
	for (unsigned i = 0; i < sc->n_ops; i++) {
		if (!rule_has_op(r, sc->ops[i].opx))
			continue;
		w = function_why(proto, sc->ops[i].code, sc->ops[i].access);
		if (w == KERNEL_YES && !(sc->ops[i].access & ACC_WRITE))
			*writes_only = false;
		if (why != KERNEL_YES)
			why = w;
	}
	return why;
}

enum kernel_why
policy_kernel_rule(const struct policy *p, uint32_t rule)
{
	const struct block *b = p->rs->rule_block[rule];
	const struct rule *r = p->rs->rules[rule];
	const struct dis_schema *sc = b->dis->schema;
	bool writes_only, limited = false, open = false;
	enum kernel_why w;

	if (!reads_protocol(b->dis->name))
		return KERNEL_PROTOCOL;
	if (r->deny || !r->enabled || r->verdict != VERDICT_ALLOW)
		return KERNEL_VERDICT;
	if ((w = functions_why(sc, b->dis->name, r, &writes_only)) != KERNEL_YES)
		return w;
	for (unsigned s = 0; s < 2u * sc->n_spaces; s++)
		if (r->names[s].n != 0)
			return KERNEL_NAMES;
	if (r->conds.n != 0)
		return KERNEL_CONDITION;
	if (r->whens.n != 0)
		return KERNEL_PAST;
	if (block_counts(b))
		return KERNEL_LIMITS;
	for (unsigned s = 0; s < sc->n_spaces; s++) {
		limited = limited || r->limits[s].n != 0;
		open = open || (r->reach[2 * s + 1].n != 0 && r->limits[s].n == 0);
	}
	return writes_only && limited && !open ? KERNEL_VALUES : KERNEL_YES;
}
