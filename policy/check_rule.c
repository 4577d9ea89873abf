/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_rule.c - protocol blocks and their rules.  Which keys there are, and
 * what they hold, comes from the protocol's schema table alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/check.h"

#define VALUES_MAX 1024u /* entries under one values key where the space has subdivisions */

struct rule_check {
	struct check *k;
	const struct block *b;
	const struct dis_schema *sc;
	struct rule *r;
	const char *who; /* `rule "poll"` */
};

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

/* --- units ---------------------------------------------------------------------------------------- */

static void
check_units(struct rule_check *rc, const struct dis_key *key, const struct ynode *n)
{
	struct ival span;
	const char *s;
	int r;

	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *e = list_at(n, i);

		if (!check_text(rc->k, e, rc->who, &s))
			continue;
		if (strcmp(s, "all") == 0) {
			span = (struct ival){key->lo, key->hi};
		} else if ((r = text_span(s, UINT32_MAX, &span)) == ERR_SYNTAX) {
			check_error(rc->k, e, "%s: %s: \"%s\" is neither a number, a range a..b nor "
			    "all", rc->who, key->name, s);
			continue;
		} else if (r < 0 || span.lo < key->lo || span.hi > key->hi) {
			check_error(rc->k, e, "%s: %s: %s is outside %u..%u", rc->who, key->name, s,
			    key->lo, key->hi);
			continue;
		}
		vec_push(rc->k->keep, &rc->r->units, span);
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

static bool
parse_range(struct rule_check *rc, const struct dis_key *key, const struct ynode *n,
    struct dis_range *out)
{
	const struct dis_space *sp = &rc->sc->spaces[key->space];
	char err[160] = "not an address range";
	const char *s;
	int r;

	if (!check_text(rc->k, n, rc->who, &s))
		return false;
	if (strcmp(s, "all") == 0) {
		*out = (struct dis_range){.sub_last = sp->max_sub, .last = sp->max};
		return true;
	}
	r = rc->sc->parse_range ? rc->sc->parse_range(key, rc->b->opt, s, out, err, sizeof(err)) :
	    range_plain(sp, s, out, err, sizeof(err));
	if (r < 0) {
		check_error(rc->k, n, "%s: %s: %s", rc->who, key->name, err);
		return false;
	}
	if (out->first > out->last || out->last > sp->max || out->sub > out->sub_last ||
	    out->sub_last > sp->max_sub) {
		check_error(rc->k, n, "%s: %s: %s is outside the space", rc->who, key->name, s);
		return false;
	}
	return true;
}

/* access: which slots a range goes to; ACC_READ | ACC_WRITE outside of read: and write:. */
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
		if (!parse_range(rc, key, list_at(n, i), &range))
			continue;
		if (access & ACC_READ)
			vec_push(rc->k->keep, &rc->r->reach[slot_of(key->space, ACC_READ)], range);
		if (access & ACC_WRITE)
			vec_push(rc->k->keep, &rc->r->reach[slot_of(key->space, ACC_WRITE)], range);
	}
}

static void
check_patterns(struct rule_check *rc, const struct dis_key *key, const struct ynode *n,
    uint8_t access)
{
	const char *s;

	for (uint32_t i = 0; i < list_n(n); i++) {
		const struct ynode *e = list_at(n, i);

		if (!check_text(rc->k, e, rc->who, &s))
			continue;
		if (strncmp(s, "re:", 3) == 0) {
			check_error(rc->k, e, "%s: %s: regular expressions are not supported by this "
			    "version", rc->who, key->name);
			continue;
		}
		s = strcmp(s, "all") == 0 ? "*" : arena_strn(rc->k->keep, s, e->n);
		if (access & ACC_READ)
			vec_push(rc->k->keep, &rc->r->names[slot_of(key->space, ACC_READ)], s);
		if (access & ACC_WRITE)
			vec_push(rc->k->keep, &rc->r->names[slot_of(key->space, ACC_WRITE)], s);
	}
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
		if (rc->sc->keys[i].kind == KEY_RANGE || rc->sc->keys[i].kind == KEY_PATTERN) {
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

/* --- values ----------------------------------------------------------------------------------------- */

static bool
check_value_span(struct rule_check *rc, const struct ynode *n, const char *key, uint32_t max,
    struct ival *out)
{
	const char *s;

	if (!check_text(rc->k, n, rc->who, &s))
		return false;
	switch (text_span(s, max, out)) {
	case 0:
		return true;
	case ERR_RANGE:
		check_error(rc->k, n, "%s: %s: %s is outside 0..%u", rc->who, key, s, max);
		return false;
	default:
		check_error(rc->k, n, "%s: %s: \"%s\" is neither a value nor a range a..b", rc->who,
		    key, s);
		return false;
	}
}

static bool
check_step(struct rule_check *rc, const struct ynode *n, const char *key, uint32_t max,
    struct limit *out)
{
	enum { MIN, MAX, STEP, N };
	static const struct field fields[N] = {
	    {"min", FIELD_MUST}, {"max", FIELD_MUST}, {"step", FIELD_MAY}};
	const struct ynode *v[N];
	char who[NAME_LEN_MAX + 140];
	struct ival span;

	snprintf(who, sizeof(who), "%s: %s", rc->who, key);
	if (!check_map(rc->k, n, who, fields, N, v, NULL, NULL) || !v[MIN] || !v[MAX] ||
	    !check_number(rc->k, v[MIN], who, 0, max, &span.lo) ||
	    !check_number(rc->k, v[MAX], who, 0, max, &span.hi))
		return false;
	if (span.lo > span.hi) {
		check_error(rc->k, v[MAX], "%s: max %u is below min %u", who, span.hi, span.lo);
		return false;
	}
	if (v[STEP] && !check_number(rc->k, v[STEP], who, 1, max, &out->step))
		return false;
	vec_push(rc->k->keep, &out->set, span);
	return true;
}

/* 7, 0..1500, [0, 1, 10..20] or {min, max, step}. */
static bool
check_limit(struct rule_check *rc, const struct ynode *n, const char *key, uint32_t max,
    struct limit *out)
{
	struct ival span;
	bool ok = true;

	out->step = 1;
	out->place = place_of(n);
	if (n->kind == Y_MAP)
		return check_step(rc, n, key, max, out);
	if (list_n(n) == 0) {
		check_error(rc->k, n, "%s: %s: no value is permitted", rc->who, key);
		return false;
	}
	for (uint32_t i = 0; i < list_n(n); i++) {
		if (check_value_span(rc, list_at(n, i), key, max, &span))
			vec_push(rc->k->keep, &out->set, span);
		else
			ok = false;
	}
	ivals_normalise(&out->set);
	return ok;
}

static bool
rects_meet(const struct dis_range *a, const struct dis_range *b)
{
	return a->sub <= b->sub_last && b->sub <= a->sub_last && a->first <= b->last &&
	    b->first <= a->last;
}

static int
limit_cmp(const void *va, const void *vb)
{
	const struct limit *a = va, *b = vb;

	if (a->at.first != b->at.first)
		return a->at.first < b->at.first ? -1 : 1;
	return (a->place.line > b->place.line) - (a->place.line < b->place.line);
}

/* One address has at most one limit in a rule, and the rule must reach it. */
static void
check_limits_fit(struct rule_check *rc, const struct dis_key *key)
{
	struct limits *ls = &rc->r->limits[key->space];
	const struct rects *reach = &rc->r->reach[slot_of(key->space, ACC_WRITE)];
	uint32_t span = rc->sc->spaces[key->space].max_sub ? ls->n : 1;

	if (ls->n == 0)
		return;
	qsort(ls->v, ls->n, sizeof(*ls->v), limit_cmp);
	for (uint32_t i = 0; i < ls->n; i++) {
		const struct limit *l = &ls->v[i];
		bool reached = reach->n > 4096; /* too many to look through: believe it */

		for (uint32_t j = i; j > 0 && i - j < span; j--)
			if (rects_meet(&ls->v[j - 1].at, &l->at)) {
				complain_at(rc->k->c, COMPLAINT_ERROR, l->place.line, l->place.col,
				    "%s: %s: line %u already limits some of these addresses",
				    rc->who, key->name, ls->v[j - 1].place.line);
				break;
			}
		for (uint32_t j = 0; j < reach->n && !reached; j++)
			reached = rects_meet(&reach->v[j], &l->at);
		if (!reached)
			complain_at(rc->k->c, COMPLAINT_ERROR, l->place.line, l->place.col,
			    "%s: %s: a limit for addresses that no range of the rule reaches for "
			    "writing", rc->who, key->name);
	}
}

static void
check_values(struct rule_check *rc, const struct dis_key *key, const struct ynode *n)
{
	const struct dis_space *sp = &rc->sc->spaces[key->space];
	uint32_t max = sp->value_bits >= 32 ? UINT32_MAX : (1u << sp->value_bits) - 1;

	if (n->kind != Y_MAP) {
		check_error(rc->k, n, "%s: %s: expected a map from addresses to values", rc->who,
		    key->name);
		return;
	}
	if (sp->max_sub != 0 && n->n > VALUES_MAX) {
		check_error(rc->k, n, "%s: %s: at most %u entries", rc->who, key->name, VALUES_MAX);
		return;
	}
	for (uint32_t i = 0; i < n->n; i++) {
		struct limit l = {.step = 1};

		if (parse_range(rc, key, n->kids[2 * (size_t)i], &l.at) &&
		    check_limit(rc, n->kids[2 * (size_t)i + 1], key->name, max, &l))
			vec_push(rc->k->keep, &rc->r->limits[key->space], l);
	}
}

/* --- one rule --------------------------------------------------------------------------------------------- */

static struct rule *
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
	return r;
}

enum { R_NAME, R_VERDICT, R_MODE, R_ENABLED, R_OWN };

/* Keys every rule has, then the protocol's, then those to come. */
static unsigned
rule_fields(const struct dis_schema *sc, struct field *f)
{
	static const struct field own[R_OWN] = {{"name", FIELD_MUST}, {"verdict", FIELD_MAY},
	    {"mode", FIELD_MAY}, {"enabled", FIELD_MAY}};
	static const char *const later[] = {"limits", "only-in", "window", "permit", "rate", "when",
	    "unless", "interlock", "type", "attributes", "apps", "limit"};
	unsigned m = R_OWN;

	memcpy(f, own, sizeof(own));
	for (unsigned i = 0; i < sc->n_keys && m < FIELDS_MAX; i++)
		f[m++] = (struct field){sc->keys[i].name,
		    sc->keys[i].required ? FIELD_MUST : FIELD_MAY};
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
			check_units(rc, key, n);
			units = true;
			break;
		case KEY_RANGE:
			check_ranges(rc, key, n, ACC_READ | ACC_WRITE);
			break;
		case KEY_VALUES:
			check_values(rc, key, n);
			break;
		case KEY_PATTERN:
			check_patterns(rc, key, n, ACC_READ | ACC_WRITE);
			break;
		case KEY_ACCESS:
			check_access(rc, key, n);
			break;
		case KEY_SUB:
		case KEY_NUMBER:
		case KEY_WORD:
		case KEY_TEXT:
		case KEY_LIMIT:
			check_error(rc->k, n, "%s: %s: not supported by this version", rc->who,
			    key->name);
			break;
		}
	}
	if (!units)
		vec_push(rc->k->keep, &rc->r->units, ((struct ival){0, UINT32_MAX}));
	ivals_normalise(&rc->r->units);
	for (unsigned i = 0; i < rc->sc->n_keys; i++)
		if (rc->sc->keys[i].kind == KEY_VALUES)
			check_limits_fit(rc, &rc->sc->keys[i]);
	rule_absent(rc);
}

static void
check_rule(struct check *k, const struct ynode *n, struct conduit *c, struct block *b, bool deny)
{
	struct field fields[FIELDS_MAX];
	const struct ynode *v[FIELDS_MAX], *name = NULL;
	struct rule_check rc = {.k = k, .b = b, .sc = b->dis->schema};
	struct rule_list *list = deny ? &b->deny : &b->allow;
	struct what what;
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

	for (uint32_t i = 0; i < c->n_blocks; i++) {
		for (uint32_t j = 0; j < c->blocks[i].deny.n; j++)
			vec_push(k->scratch, &all, c->blocks[i].deny.v[j]);
		for (uint32_t j = 0; j < c->blocks[i].allow.n; j++)
			vec_push(k->scratch, &all, c->blocks[i].allow.v[j]);
	}
	if (all.n != 0)
		qsort(all.v, all.n, sizeof(*all.v), rule_name_cmp);
	for (uint32_t i = 1; i < all.n; i++)
		if (strcmp(all.v[i]->name, all.v[i - 1]->name) == 0 && strcmp(all.v[i]->name, "?"))
			check_error(k, &(struct ynode){.line = all.v[i]->place.line,
			    .col = all.v[i]->place.col}, "rule \"%s\": line %u of conduit \"%s\" already "
			    "has a rule of that name", all.v[i]->name, all.v[i - 1]->place.line, c->name);
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
		complain_at(k->c, COMPLAINT_ERROR, b->place.line, b->place.col,
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

void
check_block(struct check *k, const struct ynode *n, struct conduit *c, struct block *b)
{
	enum { PORTS, ALLOW, DENY, OWN };
	static const struct field own[OWN] = {
	    {"ports", FIELD_MAY}, {"allow", FIELD_MAY}, {"deny", FIELD_MAY}};
	static const char *const later[] = {"limits", "security", "encrypted", "midstream"};
	const struct dis_schema *sc = b->dis->schema;
	unsigned n_options = sc->n_options < DIS_OPTION_MAX ? sc->n_options : DIS_OPTION_MAX;
	struct field f[OWN + DIS_OPTION_MAX + sizeof(later) / sizeof(later[0])];
	const struct ynode *v[sizeof(f) / sizeof(f[0])];
	char who[NAME_LEN_MAX + 140];
	struct what what;
	unsigned m = OWN, w;

	memcpy(f, own, sizeof(own));
	for (unsigned i = 0; i < n_options; i++)
		f[m++] = (struct field){sc->options[i].name,
		    sc->options[i].required ? FIELD_MUST : FIELD_MAY};
	for (unsigned i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		f[m++] = (struct field){later[i], FIELD_LATER};
	snprintf(who, sizeof(who), "%s: %s", what_name(&what, "conduit", c->name), b->dis->name);
	if (!check_map(k, n, who, f, m, v, NULL, NULL))
		return;
	for (unsigned i = 0; i < n_options; i++) {
		char opt[NAME_LEN_MAX + 180];

		snprintf(opt, sizeof(opt), "%s: %s", who, sc->options[i].name);
		if (v[OWN + i] && check_word(k, v[OWN + i], opt, sc->options[i].words, &w))
			b->opt[i] = (uint8_t)w;
	}
	check_ports(k, v[PORTS], who, b);
	if (v[DENY])
		check_rule_list(k, v[DENY], who, c, b, true);
	if (v[ALLOW])
		check_rule_list(k, v[ALLOW], who, c, b, false);
}
