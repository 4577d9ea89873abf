/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rule.c - the rules of a protocol block.  Which keys there are, and what
 * they hold, comes from the protocol's schema table alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/syms.h"

/* --- functions ------------------------------------------------------------------------------ */

static void
op_set(struct rule *r, uint32_t opx)
{
	r->ops[opx / 64] |= UINT64_C(1) << (opx % 64);
}

/* Names are compared with '-' and '_' alike. */
static bool
op_name_eq(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
			return false;
	return *a == *b;
}

/* "16", "43/14", "0x5a"; false after a complaint. */
static void
op_by_number(struct rule_check *rc, const struct ynode *n, const char *key)
{
	const char *slash = strchr(n->s, '/');
	char code_text[24];
	uint64_t code, sub = FACT_NO_SUB;
	size_t len = slash ? (size_t)(slash - n->s) : strlen(n->s);
	bool found = false;

	if (len >= sizeof(code_text)) {
		check_error(rc->k, n, "%s: %s: \"%s\" is not a code", rc->who, key, n->s);
		return;
	}
	memcpy(code_text, n->s, len);
	code_text[len] = '\0';
	if (text_number(code_text, UINT16_MAX, &code) < 0 ||
	    (slash && text_number(slash + 1, UINT16_MAX, &sub) < 0)) {
		check_error(rc->k, n, "%s: %s: \"%s\" is not a code such as 16 or 43/14", rc->who,
		    key, n->s);
		return;
	}
	for (unsigned i = 0; i < rc->sc->n_ops; i++) {
		const struct dis_op *op = &rc->sc->ops[i];

		if (op->code == code && (!slash || op->sub == sub)) {
			op_set(rc->r, op->opx);
			found = true;
		}
	}
	if (!found)
		check_error(rc->k, n, "%s: %s: %s is not a code of %s", rc->who, key, n->s,
		    rc->b->dis->name);
}

static void
op_by_name(struct rule_check *rc, const struct ynode *n, const char *key)
{
	const struct dis_schema *sc = rc->sc;
	const char **words, *near;
	bool all = strcmp(n->s, "all") == 0, found = all;
	unsigned m = 0;

	for (unsigned i = 0; i < sc->n_ops; i++) {
		const struct dis_op *op = &sc->ops[i];
		bool hit = all ? op->known : op_name_eq(op->name, n->s);

		for (unsigned s = 0; sc->sets && sc->sets[s] && s < 32; s++)
			if (op->sets >> s & 1 && strcmp(sc->sets[s], n->s) == 0)
				hit = true;
		if (hit) {
			op_set(rc->r, op->opx);
			found = true;
		}
	}
	if (found)
		return;
	words = arena_array(rc->k->scratch, sc->n_ops + 40u, sizeof(*words));
	for (unsigned s = 0; sc->sets && sc->sets[s] && s < 32; s++)
		words[m++] = sc->sets[s];
	for (unsigned i = 0; i < sc->n_ops; i++)
		words[m++] = sc->ops[i].name;
	words[m++] = "all";
	words[m] = NULL;
	near = complain_nearest(n->s, words);
	check_error(rc->k, n, "%s: %s: \"%s\" is neither a function nor a set of %s%s%s%s", rc->who,
	    key, n->s, rc->b->dis->name, near ? ", did you mean \"" : "", near ? near : "",
	    near ? "\"?" : "");
}

static void
check_ops(struct rule_check *rc, const struct dis_key *key, const struct ynode *n)
{
	const char *s;

	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *e = list_at(n, i);

		if (!check_text(rc->k, e, rc->who, &s))
			continue;
		if (s[0] >= '0' && s[0] <= '9')
			op_by_number(rc, e, key->name);
		else
			op_by_name(rc, e, key->name);
	}
}

/* --- addresses ------------------------------------------------------------------------------------- */

/* What a protocol without a notation of its own has: a..b, or sub:a..b. */
static int
range_plain(const struct dis_space *sp, const char *text, struct dis_range *out, char *err,
    size_t err_size)
{
	const char *colon = strchr(text, ':');
	struct ival sub = {0, 0}, at;
	char sub_text[48];
	int r = 0;

	if (colon && sp->max_sub != 0 && (size_t)(colon - text) < sizeof(sub_text)) {
		memcpy(sub_text, text, (size_t)(colon - text));
		sub_text[colon - text] = '\0';
		r = text_span(sub_text, sp->max_sub, &sub);
		text = colon + 1;
	}
	if (r == 0)
		r = text_span(text, sp->max, &at);
	if (r < 0) {
		snprintf(err, err_size, r == ERR_RANGE ? "\"%s\" is outside 0..%u" :
		    "\"%s\" is neither an address nor a range a..b", text, sp->max);
		return r;
	}
	*out = (struct dis_range){.sub = sub.lo, .sub_last = sub.hi, .first = at.lo, .last = at.hi};
	return 0;
}

/*
 * What names: call so.  r: what the protocol's own notation made of the text.  0 with *out; else ERR_*, and
 * when *told is set the complaint was made.
 */
static int
range_named(struct rule_check *rc, const struct dis_key *key, const struct ynode *n, int r,
    struct dis_range *out, bool *told)
{
	const struct sym *s[2] = {NULL, NULL};
	enum sym_found found = syms_find(rc->k->rs, rc->c, rc->b->proto, n->s, s);
	const struct device *lacks;
	const char *near;
	bool any;

	*told = true;
	if (found == SYM_NONE) {
		if (r < 0 && rc->k->names_bad)
			return r;
		any = r < 0 && syms_near(rc->k, rc->c, rc->b->proto, n->s, &near);
		*told = any && near;
		if (*told)
			check_error(rc->k, n,
			    "%s: %s: \"%s\" is neither an address nor a name, did you mean "
			    "\"%s\"?",
			    rc->who, key->name, n->s, near);
		else if (any)
			return ERR_NOTFOUND;
		return r;
	}
	if (found == SYM_TWO) {
		check_error(rc->k, n, "%s: %s: \"%s\" names two things: %s:%u and %s:%u", rc->who,
		    key->name, n->s, s[0]->file, s[0]->line, s[1]->file, s[1]->line);
	} else if (s[0]->node || (key->space != DIS_SPACE_ANY && key->space != s[0]->at.space)) {
		check_error(rc->k, n, "%s: %s: \"%s\" is %s, by %s:%u", rc->who, key->name, n->s,
		    s[0]->node ? "a node" : rc->sc->spaces[s[0]->at.space].name, s[0]->file,
		    s[0]->line);
	} else if (r == 0 && (out->first != s[0]->at.first || out->last != s[0]->at.last ||
				 out->sub != s[0]->at.sub)) {
		check_error(rc->k, n,
		    "%s: %s: \"%s\" is an address, and the name of another one in %s:%u", rc->who,
		    key->name, n->s, s[0]->file, s[0]->line);
	} else {
		lacks = syms_lack(rc->k->rs, rc->c, rc->b->proto, n->s);
		if (lacks)
			check_warn(rc->k,
			    &(struct place){.line = n->line, .col = n->col, .file = n->file},
			    "%s: %s: \"%s\" is a name of %s, and "
			    "the same address of %s is meant as well",
			    rc->who, key->name, n->s, rc->k->rs->devices[s[0]->device].name,
			    lacks->name);
		rc->sym = s[0];
		*out = s[0]->at;
		return 0;
	}
	return ERR_SYNTAX;
}

bool
check_range(struct rule_check *rc, const struct dis_key *key, const struct ynode *n,
    struct dis_range *out)
{
	const struct dis_space *sp;
	char err[160] = "not an address range";
	const char *s;
	bool told = false;
	int r;

	rc->sym = NULL;
	*out = (struct dis_range){0};
	if (!check_text(rc->k, n, rc->who, &s))
		return false;
	if (rc->sc->parse_range)
		r = rc->sc->parse_range(key, rc->b->opt, s, out, err, sizeof(err));
	else
		r = range_plain(&rc->sc->spaces[key->space], s, out, err, sizeof(err));
	if (rc->k->rs->syms.n != 0 || rc->k->names_bad)
		r = range_named(rc, key, n, r, out, &told);
	if (r < 0 && told)
		return false;
	if (r < 0) {
		check_error(rc->k, n, "%s: %s: %s%s", rc->who, key->name, err,
		    r == ERR_NOTFOUND ? ", and it is no name either" : "");
		return false;
	}
	if (key->space != DIS_SPACE_ANY)
		out->space = key->space;
	sp = &rc->sc->spaces[out->space < rc->sc->n_spaces ? out->space : 0];
	if (out->space >= rc->sc->n_spaces || out->first > out->last || out->last > sp->max ||
	    out->sub > out->sub_last || out->sub_last > sp->max_sub) {
		check_error(rc->k, n, "%s: %s: %s is outside the space", rc->who, key->name, s);
		return false;
	}
	return true;
}

static void
reach_add(struct rule_check *rc, const struct dis_range *range, uint8_t access)
{
	if (access & ACC_READ)
		vec_push(rc->k->keep, &rc->r->reach[slot_of(range->space, ACC_READ)], *range);
	if (access & ACC_WRITE)
		vec_push(rc->k->keep, &rc->r->reach[slot_of(range->space, ACC_WRITE)], *range);
}

/* Where the notation says the space, all of it is every space of data (one whose
 * values have a width) that has no key of its own. */
static void
reach_all(struct rule_check *rc, const struct dis_key *key, uint8_t access)
{
	for (uint8_t s = 0; s < rc->sc->n_spaces; s++) {
		const struct dis_space *sp = &rc->sc->spaces[s];

		if (key->space == DIS_SPACE_ANY ?
			sp->value_bits == 0 || schema_has(rc->sc, KEY_PATTERN, s) ||
			    schema_has(rc->sc, KEY_RANGE, s) : key->space != s)
			continue;
		reach_add(rc, &(struct dis_range){.sub_last = sp->max_sub, .last = sp->max, .space = s},
		    access);
	}
}

/* access: which slots a range goes to; both outside of read: and write:. */
static void
check_ranges(struct rule_check *rc, const struct dis_key *key, const struct ynode *n,
    uint8_t access)
{
	struct dis_range range;

	if (n->kind == Y_MAP) {
		check_error(rc->k, n, "%s: %s: expected a list of ranges", rc->who, key->name);
		return;
	}
	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *e = list_at(n, i);

		if (e->kind == Y_SCALAR && strcmp(e->s, "all") == 0)
			reach_all(rc, key, access);
		else if (check_range(rc, key, e, &range))
			reach_add(rc, &range, access);
	}
}

/* A node by its name: the pattern of it stands where the name stood. */
static void
pattern_named(
    struct rule_check *rc, const struct dis_key *key, const struct ynode *n, struct globs *g)
{
	const struct sym *s[2] = {NULL, NULL};
	const char *near;
	enum sym_found found;

	if (n->kind != Y_SCALAR || n->n == 0)
		return;
	found = syms_find(rc->k->rs, rc->c, rc->b->proto, n->s, s);
	if (found == SYM_TWO) {
		check_error(rc->k, n, "%s: %s: \"%s\" names two things: %s:%u and %s:%u", rc->who,
		    key->name, n->s, s[0]->file, s[0]->line, s[1]->file, s[1]->line);
	} else if (found == SYM_ONE && s[0]->node) {
		for (uint32_t i = 0; i < g->n; i++)
			if (strcmp(g->v[i], n->s) == 0)
				g->v[i] = s[0]->node;
	} else if (!rc->k->names_bad && !strpbrk(n->s, "=*?:") && strcmp(n->s, "all") != 0 &&
		   syms_near(rc->k, rc->c, rc->b->proto, n->s, &near)) {
		check_error(rc->k, n, "%s: %s: \"%s\" is neither a node nor a name%s%s%s", rc->who,
		    key->name, n->s, near ? ", did you mean \"" : "", near ? near : "",
		    near ? "\"?" : "");
	}
}

static void
check_patterns(struct rule_check *rc, const struct dis_key *key, const struct ynode *n,
    uint8_t access)
{
	struct globs g = {0};

	check_globs(rc->k, rc->who, key, n, true, &g);
	for (uint32_t i = 0; rc->k->rs->syms.n != 0 && i < list_n(n); i++)
		pattern_named(rc, key, list_at(n, i), &g);
	for (uint32_t i = 0; i < g.n; i++) {
		if (access & ACC_READ)
			vec_push(rc->k->keep, &rc->r->names[slot_of(key->space, ACC_READ)], g.v[i]);
		if (access & ACC_WRITE)
			vec_push(rc->k->keep, &rc->r->names[slot_of(key->space, ACC_WRITE)], g.v[i]);
	}
}

/* Which parts of a named thing (its attributes); 0 stands for the thing itself. */
static void
check_subs(struct rule_check *rc, const struct dis_key *key, const struct ynode *n)
{
	struct ivals set = {0};

	check_numbers(rc->k, rc->who, key, n, &set);
	vec_push(rc->k->keep, &set, ((struct ival){0, 0}));
	ivals_normalise(&set);
	rc->r->subs[slot_of(key->space, ACC_READ)] = set;
	rc->r->subs[slot_of(key->space, ACC_WRITE)] = set;
	rc->r->subs_stated = true;
}

/* A rule without the key: everything may be read, write_sub alone be written. */
static void
subs_absent(struct rule_check *rc, const struct dis_key *key)
{
	struct ivals *w = &rc->r->subs[slot_of(key->space, ACC_WRITE)];

	if (w->n != 0 || key->write_sub == 0 || rc->r->deny)
		return;
	vec_push(rc->k->keep, w, ((struct ival){0, 0}));
	vec_push(rc->k->keep, w, ((struct ival){key->write_sub, key->write_sub}));
	ivals_normalise(w);
}

/* read: and write: hold the address keys again. */
static void
check_access(struct rule_check *rc, const struct dis_key *key, const struct ynode *n)
{
	struct field fields[FIELDS_MAX];
	const struct ynode *v[FIELDS_MAX];
	unsigned which[FIELDS_MAX], m = 0;
	char who[NAME_LEN_MAX + 140];

	for (unsigned i = 0; i < rc->sc->n_keys && m < FIELDS_MAX; i++)
		if (!rc->sc->keys[i].map && rc->sc->keys[i].access == 0 &&
		    (rc->sc->keys[i].kind == KEY_RANGE || rc->sc->keys[i].kind == KEY_PATTERN)) {
			which[m] = i;
			fields[m++] = (struct field){rc->sc->keys[i].name, FIELD_MAY};
		}
	snprintf(who, sizeof(who), "%s: %s", rc->who, key->name);
	if (!check_map(rc->k, n, who, fields, m, v, NULL, NULL))
		return;
	for (unsigned i = 0; i < m; i++)
		if (v[i] && rc->sc->keys[which[i]].kind == KEY_RANGE)
			check_ranges(rc, &rc->sc->keys[which[i]], v[i], key->access);
		else if (v[i])
			check_patterns(rc, &rc->sc->keys[which[i]], v[i], key->access);
}

/* --- one rule --------------------------------------------------------------------------------------------- */

struct rule *
rule_new(struct check *k, const struct dis_schema *sc, bool deny, const struct conduit *c)
{
	struct rule *r = arena_get(k->keep, sizeof(*r));

	r->name = "?";
	r->deny = deny;
	r->enabled = true;
	r->mode = MODE_UNSET;
	r->verdict = VERDICT_ALLOW;
	if (deny) /* "alert" is what becomes of the rest; a denial denies */
		r->verdict = c->otherwise == VERDICT_ALERT ? VERDICT_DROP : c->otherwise;
	r->index = k->rules.n;
	r->ops = arena_array(k->keep, sc->n_opx / 64u + 1, sizeof(*r->ops));
	r->reach = arena_array(k->keep, 2u * sc->n_spaces + 1, sizeof(*r->reach));
	r->names = arena_array(k->keep, 2u * sc->n_spaces + 1, sizeof(*r->names));
	r->limits = arena_array(k->keep, sc->n_spaces + 1u, sizeof(*r->limits));
	r->subs = arena_array(k->keep, 2u * sc->n_spaces + 1, sizeof(*r->subs));
	return r;
}

enum { R_NAME, R_VERDICT, R_MODE, R_ENABLED, R_WHEN, R_ONLY_IN, R_OWN };

/* The others belong to a map of the block. */
static bool
key_of_rule(const struct dis_key *key)
{
	return !key->map && key->kind != KEY_LIMIT;
}

/* Keys every rule has, then the protocol's, then those to come. */
static unsigned
rule_fields(const struct dis_schema *sc, struct field *f)
{
	static const struct field own[R_OWN] = {{"name", FIELD_MUST}, {"verdict", FIELD_MAY},
	    {"mode", FIELD_MAY}, {"enabled", FIELD_MAY}, {"when", FIELD_MAY},
	    {"only-in", FIELD_MAY}};
	static const char *const later[] = {"limits", "window", "permit", "rate", "unless",
	    "interlock", "type", "attributes", "apps", "limit"};
	unsigned m = R_OWN;

	memcpy(f, own, sizeof(own));
	for (unsigned i = 0; i < sc->n_keys && m < FIELDS_MAX; i++)
		f[m++] = key_of_rule(&sc->keys[i]) ? (struct field){sc->keys[i].name,
		    sc->keys[i].required ? FIELD_MUST : FIELD_MAY} : (struct field){"", FIELD_LATER};
	for (unsigned i = 0; i < sizeof(later) / sizeof(later[0]) && m < FIELDS_MAX; i++)
		f[m++] = (struct field){later[i], FIELD_LATER};
	return m;
}

static void
rule_own_keys(struct rule_check *rc, const struct ynode *const *v)
{
	struct rule *r = rc->r;

	if (v[R_VERDICT])
		check_action(rc->k, v[R_VERDICT], rc->who,
		    r->deny ? 1u << VERDICT_REJECT | 1u << VERDICT_DROP | 1u << VERDICT_RESET :
			      1u << VERDICT_ALLOW | 1u << VERDICT_ALERT, &r->verdict);
	if (v[R_MODE])
		check_mode(rc->k, v[R_MODE], rc->who, &r->mode);
	if (v[R_ENABLED])
		check_bool(rc->k, v[R_ENABLED], rc->who, &r->enabled);
	if (v[R_WHEN])
		check_whens(rc, v[R_WHEN]);
	if (v[R_ONLY_IN])
		check_only_in(rc->k, v[R_ONLY_IN], rc->who, &r->only_in);
}

/* What an absent key of the protocol means. */
static void
rule_absent(struct rule_check *rc)
{
	const struct dis_schema *sc = rc->sc;
	struct rule *r = rc->r;
	bool addresses = false;

	if (!schema_has(sc, KEY_OPS, SPACE_NONE))
		for (unsigned i = 0; i < sc->n_opx; i++)
			op_set(r, i);
	for (unsigned s = 0; s < 2u * sc->n_spaces; s++)
		addresses = addresses || r->reach[s].n != 0 || r->names[s].n != 0;
	r->everything = r->deny && !addresses;
}

static void
rule_protocol_keys(struct rule_check *rc, const struct ynode *const *v)
{
	bool units = false;

	for (unsigned i = 0; i < rc->sc->n_keys; i++) {
		const struct dis_key *key = &rc->sc->keys[i];
		const struct ynode *n = i + R_OWN < FIELDS_MAX ? v[R_OWN + i] : NULL;

		if (!n)
			continue;
		switch ((enum dis_key_kind)key->kind) {
		case KEY_OPS:
			check_ops(rc, key, n);
			break;
		case KEY_UNIT:
			check_numbers(rc->k, rc->who, key, n, &rc->r->units);
			units = true;
			break;
		case KEY_RANGE:
			check_ranges(rc, key, n, key->access ? key->access : ACC_READ | ACC_WRITE);
			break;
		case KEY_VALUES:
			check_values(rc, key, n);
			break;
		case KEY_PATTERN:
			check_patterns(rc, key, n, key->access ? key->access : ACC_READ | ACC_WRITE);
			break;
		case KEY_ACCESS:
			check_access(rc, key, n);
			break;
		case KEY_SUB:
			check_subs(rc, key, n);
			break;
		case KEY_NUMBER:
		case KEY_WORD:
		case KEY_TEXT:
			check_cond(rc->k, rc->who, key, n, &rc->r->conds);
			break;
		case KEY_LIMIT:
			break; /* not a key of rules */
		}
	}
	if (!units)
		vec_push(rc->k->keep, &rc->r->units, ((struct ival){0, UINT32_MAX}));
	ivals_normalise(&rc->r->units);
	for (unsigned i = 0; i < rc->sc->n_keys; i++) {
		if (rc->sc->keys[i].kind == KEY_VALUES)
			check_limits_fit(rc, &rc->sc->keys[i]);
		if (rc->sc->keys[i].kind == KEY_SUB)
			subs_absent(rc, &rc->sc->keys[i]);
	}
	rule_absent(rc);
}

void
check_rule(struct check *k, const struct ynode *n, struct conduit *c, struct block *b, bool deny)
{
	struct field fields[FIELDS_MAX];
	const struct ynode *v[FIELDS_MAX], *name = NULL;
	struct rule_check rc = {.k = k, .c = c, .b = b, .sc = b->dis->schema};
	struct rule_list *list = deny ? &b->deny : &b->allow;
	struct what what = {""};
	unsigned nf = rule_fields(rc.sc, fields);

	if (k->rules.n == RULES_MAX || b->deny.n + b->allow.n == BLOCK_RULES_MAX) {
		check_error(k, n, "more than %u rules in %s", k->rules.n == RULES_MAX ? RULES_MAX :
		    BLOCK_RULES_MAX, k->rules.n == RULES_MAX ? "a policy" : "one protocol block");
		return;
	}
	for (uint32_t i = 0; n->kind == Y_MAP && i < n->n; i++)
		if (strcmp(n->kids[2 * (size_t)i]->s, "name") == 0)
			name = n->kids[2 * (size_t)i + 1];
	rc.who = what_name(&what, "rule", name && name->kind == Y_SCALAR ? name->s : "?");
	rc.r = rule_new(k, rc.sc, deny, c);
	rc.r->place = place_of(n);
	if (!check_map(k, n, rc.who, fields, nf, v, NULL, NULL))
		return;
	if (v[R_NAME])
		check_name(k, v[R_NAME], "rule", &rc.r->name);
	rule_own_keys(&rc, v);
	rule_protocol_keys(&rc, v);
	vec_push(k->keep, &k->rules, rc.r);
	vec_push(k->keep, list, rc.r);
}
