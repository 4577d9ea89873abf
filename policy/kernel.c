/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.c - see kernel.h. */
#include "policy/kernel.h"

#include <string.h>

#include "policy/gate.h"
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
    [KERNEL_LIMITS] = {"limits", "the block limits a rate, sizes, or waiting requests to fewer than four"},
    [KERNEL_VALUES] = {"values", "a rule limits what is written there"},
    [KERNEL_WINDOW] = {"window", "it is only-in a window"},
    [KERNEL_PAST] = {"past", "it asks for values read before, or makes them known"},
    [KERNEL_RANGE] = {"range", "its addresses are not all within one run of the rules"},
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

/* The functions that it reads (ebpf/fast_pdu.h), by protocol. */
static const struct {
	uint8_t n;
	uint16_t code[20];
} reads[GATE__PROTOS] = {
    [GATE_MODBUS] = {8, {1, 2, 3, 4, 5, 6, 15, 16}}, /* [APP] 6.1 to 6.6, 6.11, 6.12 */
    [GATE_S7] = {2, {4, 5}},			     /* read, write */
    /* OPC 10000-4 5.9 to 5.11, 5.13, 5.14: reads, writes, browses, watches, and their answers change
     * nothing by which the next request is judged (dissectors/opcua/lend.h) */
    [GATE_OPCUA] = {19, {527, 533, 554, 615, 621, 631, 664, 673, 700, 751, 763, 769, 775, 781, 799,
			    826, 832, 841, 847}},
};

static enum kernel_why
function_why(const char *proto, uint16_t code, uint8_t access)
{
	unsigned k = gate_fast_proto(proto);

	if (access & KERNEL_ACTS)
		return KERNEL_FUNCTION;
	if (access & ACC_SESSION)
		return KERNEL_SESSION;
	for (unsigned i = 0; k < GATE__PROTOS && i < reads[k].n; i++)
		if (reads[k].code[i] == code)
			return KERNEL_YES;
	return KERNEL_FUNCTION;
}

/* The memory it reads: all four of Modbus, and I, Q, M and DB of S7. */
static bool
reads_space(const char *proto, const struct dis_schema *sc, uint8_t space)
{
	static const char *const s7[] = {"I", "Q", "M", "DB"};

	if (space >= sc->n_spaces)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (strcmp(sc->spaces[space].name, s7[i]) == 0)
			return true;
	return gate_fast_proto(proto) != GATE_S7;
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

/* Do the tables of the block allow it at once: one run of addresses, of which nothing else is asked? */
static bool
at_once(const struct policy *p, uint32_t conduit, const struct fact *f)
{
	uint32_t block = p->block_of[conduit * p->n_protos + f->proto];
	const struct tb_seg *s = tables_seg(p, block, f);

	return s && s->list == 0 && f->item.count != 0 && f->item.first <= s->last &&
	       f->item.count - 1 <= s->last - f->item.first;
}

static enum kernel_why
request_why(const struct policy *p, uint32_t conduit, const struct block *b, const struct fact *f,
    const struct verdict *v)
{
	const struct dis_schema *sc = b->dis->schema;
	uint32_t i = (uint32_t)(b - p->rs->conduits[conduit].blocks);
	enum kernel_why w;

	if (v->action != VERDICT_ALLOW || v->would != VERDICT_ALLOW)
		return KERNEL_VERDICT;
	if ((w = function_why(b->dis->name, f->code, f->access)) != KERNEL_YES)
		return w;
	/* The engine's word on one that is alike: whatever the rules ask of it. */
	if (gate_fast_proto(b->dis->name) == GATE_OPCUA)
		return f->more != 0 ? KERNEL_SEGMENT
				    : (enum kernel_why)gate_fast_why(p, p->rs, conduit, i);
	if (f->n_items > 1 || f->more != 0)
		return KERNEL_ITEMS;
	if (f->n_items == 1 && (f->item.name || schema_has(sc, KEY_PATTERN, f->item.space)))
		return KERNEL_NAMES;
	if (f->n_items == 0 || f->item.masked || !reads_space(b->dis->name, sc, f->item.space))
		return KERNEL_FUNCTION;
	if ((w = (enum kernel_why)gate_fast_why(p, p->rs, conduit, i)) != KERNEL_YES)
		return w;
	if (at_once(p, conduit, f))
		return KERNEL_YES;
	if ((w = list_asks(sc, &b->deny, f)) != KERNEL_YES ||
	    (w = list_asks(sc, &b->allow, f)) != KERNEL_YES)
		return w;
	return KERNEL_RANGE;
}

enum kernel_why
policy_kernel_eligible(const struct policy *p, const struct policy_bind *bind, const struct fact *f,
    const struct verdict *v, const struct kernel_segment *s)
{
	const struct block *b = block_for(p, bind->conduit, f->proto);
	bool answer = f->kind == FACT_RESPONSE || f->kind == FACT_EXCEPTION;

	if (!s->tcp)
		return KERNEL_UDP;
	if (f->proto >= n_dissectors ||
	    gate_fast_proto(dissectors[f->proto]->name) == GATE__PROTOS || !s->plain)
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
		return request_why(p, bind->conduit, b, f, v);
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
	const struct conduit *c = p->rs->rule_conduit[rule];
	bool writes_only, limited = false, open = false;
	bool alike = gate_fast_proto(b->dis->name) == GATE_OPCUA;
	enum kernel_why w;

	if (gate_fast_proto(b->dis->name) == GATE__PROTOS)
		return KERNEL_PROTOCOL;
	if (r->deny || !r->enabled || r->verdict != VERDICT_ALLOW)
		return KERNEL_VERDICT;
	if ((w = functions_why(sc, b->dis->name, r, &writes_only)) != KERNEL_YES)
		return w;
	for (unsigned s = 0; s < 2u * sc->n_spaces && !alike; s++)
		if (r->names[s].n != 0)
			return KERNEL_NAMES;
	if (r->conds.n != 0 && !alike)
		return KERNEL_CONDITION;
	if (r->whens.n != 0)
		return KERNEL_PAST;
	w = (enum kernel_why)gate_fast_why(p, p->rs, c->index, (uint32_t)(b - c->blocks));
	if (w != KERNEL_YES)
		return w;
	for (unsigned s = 0; s < sc->n_spaces; s++) {
		limited = limited || r->limits[s].n != 0;
		open = open || (r->reach[2 * s + 1].n != 0 && r->limits[s].n == 0);
	}
	return writes_only && limited && !open ? KERNEL_VALUES : KERNEL_YES;
}
