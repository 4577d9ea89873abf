/* SPDX-License-Identifier: Apache-2.0 */
/*
 * permit.c - what a permit is in the numbers of a policy, and which requests are among what it is for.
 * Cold: when a permit comes, and for requests that nothing but a permit may let pass.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/table.h"
#include "policy/window.h"

uint64_t
window_permits(const struct ruleset *rs)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < rs->n_windows; i++)
		bits |= (uint64_t)rs->windows[i].needs_permit << i;
	return bits;
}

static int __attribute__((format(printf, 4, 5)))
unfit(char *err, size_t size, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return code;
}

static int
fit_ends(const struct ruleset *rs, const char (*names)[PERMIT_NAME], uint8_t n, const char *side,
    struct net_addr *out, char *err, size_t size)
{
	if (n == 0 || n > PERMIT_ENDS)
		return unfit(err, size, ERR_RANGE, "%s: 1 to %u devices", side, PERMIT_ENDS);
	for (uint8_t i = 0; i < n; i++) {
		uint32_t d = 0;

		while (d < rs->n_devices && strcmp(rs->devices[d].name, names[i]) != 0)
			d++;
		if (d == rs->n_devices)
			return unfit(err, size, ERR_NOTFOUND,
			    "%s: the policy has no device \"%.64s\"", side, names[i]);
		out[i] = rs->devices[d].ip;
	}
	return 0;
}

static bool
same_word(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return *a == *b;
}

/* The functions of a protocol that a word stands for. */
static bool
word_ops(const struct dis_schema *sc, const char *word, uint64_t *ops)
{
	bool all = strcmp(word, "all") == 0, hit = false;
	int set = -1;

	for (int i = 0; sc->sets && sc->sets[i]; i++)
		if (same_word(sc->sets[i], word))
			set = i;
	for (unsigned i = 0; i < sc->n_ops; i++) {
		const struct dis_op *op = &sc->ops[i];

		if (all	       ? !op->known
		    : set >= 0 ? !(op->sets >> set & 1)
			       : !same_word(op->name, word))
			continue;
		ops[op->opx / 64] |= UINT64_C(1) << (op->opx % 64);
		hit = true;
	}
	return hit;
}

/* Is it about this conduit? */
static bool
opens_in(const struct ruleset *rs, const struct policy_permit *m, uint32_t conduit)
{
	return m->conduit != RULE_NONE ? conduit == m->conduit
				       : (rules_windows(rs, conduit) & m->windows) != 0;
}

static int
fit_functions(const struct ruleset *rs, const struct permit *m, struct policy_permit *out,
    char *err, size_t size)
{
	out->all = m->n_functions == 0;
	if (m->n_functions > PERMIT_WORDS)
		return unfit(err, size, ERR_RANGE, "functions: at most %u", PERMIT_WORDS);
	for (uint8_t i = 0; i < m->n_functions; i++) {
		bool hit = false;

		for (uint32_t c = 0; c < rs->n_conduits; c++) {
			if (!opens_in(rs, out, c))
				continue;
			for (uint32_t b = 0; b < rs->conduits[c].n_blocks; b++) {
				const struct block *bl = &rs->conduits[c].blocks[b];

				if (bl->proto >= PERMIT_PROTOS ||
				    bl->dis->schema->n_opx > PERMIT_OPX)
					return unfit(err, size, ERR_RANGE, "functions: not for %s",
					    bl->dis->name);
				hit |=
				    word_ops(bl->dis->schema, m->functions[i], out->ops[bl->proto]);
			}
		}
		if (!hit)
			return unfit(err, size, ERR_NOTFOUND,
			    "functions: no protocol of these conduits has \"%.64s\"",
			    m->functions[i]);
	}
	return 0;
}

/* "setpoints", or "hmi-filler/setpoints" */
static bool
rule_called(const struct ruleset *rs, uint32_t i, const char *want)
{
	const char *conduit = rs->rule_conduit[i]->name;
	size_t n = strlen(conduit);

	if (rs->rules[i]->deny)
		return false;
	return strcmp(rs->rules[i]->name, want) == 0 ||
	       (strncmp(want, conduit, n) == 0 && want[n] == '/' &&
		   strcmp(want + n + 1, rs->rules[i]->name) == 0);
}

/* Would it open this rule? */
static bool
opens_rule(const struct ruleset *rs, const struct policy_permit *m, uint32_t i)
{
	uint64_t own = rs->rules[i]->only_in, outer = rs->rule_conduit[i]->only_in;

	return (own | outer) != 0 && (own == 0 || own & m->windows) &&
	       (outer == 0 || outer & m->windows);
}

static int
fit_rules(const struct ruleset *rs, const struct permit *m, struct policy_permit *out, char *err,
    size_t size)
{
	if (m->n_rules > PERMIT_WORDS)
		return unfit(err, size, ERR_RANGE, "rules: at most %u", PERMIT_WORDS);
	for (uint8_t i = 0; i < m->n_rules; i++) {
		bool known = false, hit = false;

		for (uint32_t r = 0; r < rs->n_rules; r++) {
			if (!rule_called(rs, r, m->rules[i]) ||
			    !opens_in(rs, out, rs->rule_conduit[r]->index))
				continue;
			known = true;
			if (!opens_rule(rs, out, r))
				continue;
			hit = true;
			if (out->n_rules == PERMIT_WORDS)
				return unfit(err, size, ERR_RANGE,
				    "rules: more than %u rules are called so", PERMIT_WORDS);
			out->rule[out->n_rules++] = r;
		}
		if (!hit)
			return unfit(err, size, known ? ERR_RANGE : ERR_NOTFOUND,
			    known ? "rule \"%.64s\" is not only-in a window that it opens"
				  : "rules: no allow rule of these conduits is \"%.64s\"",
			    m->rules[i]);
	}
	return 0;
}

static const struct dis_key *
blocks_key(const struct dis_schema *sc)
{
	for (unsigned i = 0; sc->parse_range && i < sc->n_keys; i++)
		if (sc->keys[i].kind == KEY_RANGE && sc->keys[i].space != DIS_SPACE_ANY &&
		    strcmp(sc->keys[i].name, "blocks") == 0)
			return &sc->keys[i];
	return NULL;
}

/* What of m->blocks a protocol has to say: how they are written is its matter. */
static int
fit_proto_blocks(const struct block *bl, const struct permit *m, struct policy_permit *out,
    char *err, size_t size)
{
	const struct dis_key *key = blocks_key(bl->dis->schema);
	char why[160] = "";

	for (uint8_t i = 0; i < out->n_blocks; i++)
		if (out->block[i].proto == bl->proto)
			return 0;
	for (uint8_t i = 0; key && i < m->n_blocks; i++) {
		struct policy_permit_block *b = &out->block[out->n_blocks];
		struct dis_range r = {0};

		if (out->n_blocks == PERMIT_WORDS)
			return unfit(err, size, ERR_RANGE, "blocks: too many");
		if (bl->dis->schema->parse_range(key, bl->opt, m->blocks[i], &r, why, sizeof(why)) <
		    0)
			return unfit(err, size, ERR_RANGE, "blocks: %s", why);
		*b = (struct policy_permit_block){
		    bl->proto, key->space, r.sub, r.sub_last, r.first, r.last};
		out->n_blocks++;
	}
	return 0;
}

static int
fit_blocks(const struct ruleset *rs, const struct permit *m, struct policy_permit *out, char *err,
    size_t size)
{
	int r = 0;

	if (m->n_blocks > PERMIT_WORDS)
		return unfit(err, size, ERR_RANGE, "blocks: at most %u", PERMIT_WORDS);
	for (uint32_t c = 0; m->n_blocks != 0 && r == 0 && c < rs->n_conduits; c++)
		for (uint32_t b = 0; opens_in(rs, out, c) && b < rs->conduits[c].n_blocks && r == 0;
		     b++)
			r = fit_proto_blocks(&rs->conduits[c].blocks[b], m, out, err, size);
	if (r == 0 && m->n_blocks != 0 && out->n_blocks == 0)
		r = unfit(
		    err, size, ERR_NOTFOUND, "blocks: no protocol of these conduits loads any");
	return r;
}

static int
fit_places(const struct ruleset *rs, const struct permit *m, struct policy_permit *out, char *err,
    size_t size)
{
	uint64_t may = window_permits(rs), spoken = 0;
	uint32_t i;

	out->conduit = RULE_NONE;
	if (m->window[0] == '\0' && m->conduit[0] == '\0')
		return unfit(err, size, ERR_RANGE, "it names neither window nor conduit");
	if (m->window[0]) {
		for (i = 0; i < rs->n_windows && strcmp(rs->windows[i].name, m->window) != 0; i++)
			;
		if (i == rs->n_windows)
			return unfit(err, size, ERR_NOTFOUND, "the policy has no window \"%.64s\"",
			    m->window);
		if (!rs->windows[i].needs_permit)
			return unfit(
			    err, size, ERR_RANGE, "window \"%.64s\" needs no permit", m->window);
		may = UINT64_C(1) << i;
	}
	if (m->conduit[0]) {
		for (i = 0; i < rs->n_conduits && strcmp(rs->conduits[i].name, m->conduit) != 0;
		     i++)
			;
		if (i == rs->n_conduits)
			return unfit(err, size, ERR_NOTFOUND, "the policy has no conduit \"%.64s\"",
			    m->conduit);
		out->conduit = i;
		spoken = rules_windows(rs, i);
	} else {
		for (i = 0; i < rs->n_conduits; i++)
			spoken |= rules_windows(rs, i);
	}
	out->windows = may & spoken;
	if (out->windows == 0)
		return unfit(err, size, ERR_RANGE,
		    "nothing in %s%.64s is only-in a window that needs a permit",
		    m->conduit[0] ? "conduit " : "the policy", m->conduit);
	return 0;
}

int
policy_permit_fit(const struct policy *p, const struct permit *m, struct policy_permit *out,
    char *err, size_t size)
{
	const struct ruleset *rs = p->rs;
	uint32_t k = 0;
	int r;

	memset(out, 0, sizeof(*out));
	while (k < rs->n_permit_keys && memcmp(rs->permit_key[k], m->key, 32) != 0)
		k++;
	if (k == rs->n_permit_keys)
		return unfit(
		    err, size, ERR_NOTFOUND, "signed by a key that is not among permits: keys");
	if (strcmp(m->site, rs->site) != 0)
		return unfit(err, size, ERR_RANGE, "it is for site \"%.96s\", this is \"%.96s\"",
		    m->site, rs->site);
	if ((r = fit_places(rs, m, out, err, size)) < 0 ||
	    (r = fit_ends(rs, m->from, m->n_from, "from", out->from, err, size)) < 0 ||
	    (r = fit_ends(rs, m->to, m->n_to, "to", out->to, err, size)) < 0)
		return r;
	out->n_from = m->n_from;
	out->n_to = m->n_to;
	if ((r = fit_rules(rs, m, out, err, size)) < 0 ||
	    (r = fit_blocks(rs, m, out, err, size)) < 0)
		return r;
	return fit_functions(rs, m, out, err, size);
}

uint64_t
policy_permit_until(
    const struct policy *p, const struct permit *m, const struct policy_permit *fit, uint64_t now_s)
{
	const struct ruleset *rs = p->rs;
	uint64_t until = m->until_s;

	if (m->max_s && now_s + m->max_s < until)
		until = now_s + m->max_s;
	if (rs->permit_max_s && now_s + rs->permit_max_s < until)
		until = now_s + rs->permit_max_s;
	for (uint32_t i = 0; i < rs->n_windows; i++)
		if (fit->windows >> i & 1 && rs->windows[i].max_s &&
		    now_s + rs->windows[i].max_s < until)
			until = now_s + rs->windows[i].max_s;
	return until;
}

/* --- requests ------------------------------------------------------------------------------ */

/* Blocks that are named, and whatever programs without saying which. */
static bool
block_has(const struct policy_permit *m, const struct fact *f, const struct fact_item *it)
{
	bool asked = false;

	for (uint8_t i = 0; i < m->n_blocks; i++) {
		const struct policy_permit_block *b = &m->block[i];

		if (b->proto != f->proto)
			continue;
		asked |= b->space == it->space || f->access & ACC_PROGRAM;
		if (b->space == it->space && b->sub <= it->sub && it->sub <= b->sub_last &&
		    b->first <= it->first && it->count != 0 && it->first <= b->last &&
		    it->count - 1 <= b->last - it->first)
			return true;
	}
	return !asked;
}

const char *
permit_lacks(const struct policy_permit *m, uint32_t conduit, const struct fact *f)
{
	struct fact_iter at = {0};
	struct fact_item it;

	if (m->conduit != RULE_NONE && m->conduit != conduit)
		return "another conduit";
	if (!m->all && !(f->proto < PERMIT_PROTOS && f->opx < PERMIT_OPX &&
			   m->ops[f->proto][f->opx / 64] >> (f->opx % 64) & 1))
		return "other functions";
	while (m->n_blocks != 0 && fact_next(f, &at, &it))
		if (!block_has(m, f, &it))
			return "other blocks";
	return NULL;
}

bool
permit_rule(const struct policy *p, const struct policy_permit *m, uint64_t open, uint32_t rule)
{
	const struct rule *r;

	if (m->n_rules == 0)
		return true;
	if (rule >= p->rs->n_rules)
		return false;
	for (uint8_t i = 0; i < m->n_rules; i++)
		if (m->rule[i] == rule)
			return true;
	r = p->rs->rules[rule];
	return (r->only_in == 0 || r->only_in & open) &&
	       (p->rs->rule_conduit[rule]->only_in == 0 ||
		   p->rs->rule_conduit[rule]->only_in & open);
}
