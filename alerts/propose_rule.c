/* SPDX-License-Identifier: Apache-2.0 */
/*
 * propose_rule.c - a wanted rule as text, and its place in the text of a policy, of which nothing else is touched.
 *
 * Keys and notations are those of the protocol's schema; nothing here knows a protocol.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/propose_int.h"
#include "base/err.h"
#include "base/jw.h"
#include "policy/explain.h"

#define VALUES_EACH 16u /* limits that are written one by one; beyond that one for all */

/* --- the rule ---------------------------------------------------------------------------------------- */

static void
put_quoted(FILE *to, const char *s)
{
	char buf[6 * RECORD_NAME_MAX + 16];
	struct jw w = jw_make(buf, sizeof(buf));

	jw_quote(&w, s, strlen(s)); /* a JSON string is a YAML one */
	fwrite(buf, 1, jw_len(&w), to);
}

/* A name as a pattern that matches it, and as little else as can be. */
static void
put_pattern(FILE *to, const char *name)
{
	char buf[RECORD_NAME_MAX + 1];
	size_t n = 0;

	for (; name[n]; n++)
		buf[n] = name[n] == '*' || name[n] < ' ' || name[n] > '~' ? '?' : name[n];
	buf[n] = '\0';
	put_quoted(to, buf);
}

/* Which words the block has chosen; a new one chooses the first. */
static void
options_of(const struct dis_schema *sc, const struct ynode *block, uint8_t opt[DIS_OPTION_MAX])
{
	memset(opt, 0, DIS_OPTION_MAX);
	for (unsigned i = 0; i < sc->n_options && i < DIS_OPTION_MAX; i++) {
		const struct ynode *n = wanted_get(block, sc->options[i].name);

		for (uint8_t w = 0; n && n->kind == Y_SCALAR && sc->options[i].words[w]; w++)
			if (strcmp(n->s, sc->options[i].words[w]) == 0)
				opt[i] = w;
	}
}

/* A run in the notation of the block. */
static bool
run_text(const struct dis_schema *sc, const struct dis_key *k, const uint8_t *opt,
    const struct wanted_item *it, char *buf, size_t size)
{
	const struct dis_range r = {.space = it->space,
	    .sub = it->sub,
	    .sub_last = it->sub,
	    .first = it->first,
	    .last = it->first + (it->count - 1)};

	return policy_notation_run(sc, k, opt, &r, buf, size);
}

struct say {
	const struct wanted *w;
	const struct dis_schema *sc;
	uint8_t opt[DIS_OPTION_MAX];
	FILE *to;
	char *why;
	size_t size;
};

/* "holding: [100..101, 7], " of one access (0: all); false: cannot be said. */
static bool
put_items(const struct say *s, uint8_t access, bool *any)
{
	for (unsigned i = 0; i < s->sc->n_keys; i++) {
		const struct dis_key *k = &s->sc->keys[i];
		bool first = true;

		if (k->kind != KEY_RANGE && k->kind != KEY_PATTERN)
			continue;
		for (uint32_t n = 0; n < s->w->n_items; n++) {
			const struct wanted_item *it = &s->w->items[n];
			char text[96];

			if ((access && it->access != access) ||
			    dis_schema_key(s->sc, it->name[0] ? KEY_PATTERN : KEY_RANGE, it->space,
				it->access) != k)
				continue;
			if (!it->name[0] && !run_text(s->sc, k, s->opt, it, text, sizeof(text))) {
				snprintf(s->why, s->size, "no rule can say what it touches");
				return false;
			}
			if (first)
				fprintf(s->to, "%s%s: [", *any ? ", " : "", k->name);
			else
				fputs(", ", s->to);
			if (it->name[0])
				put_pattern(s->to, it->name);
			else
				fputs(text, s->to);
			first = false;
			*any = true;
		}
		if (!first)
			fputs("]", s->to);
	}
	return true;
}

/* What was written, and nothing else. */
static bool
put_values(const struct say *s)
{
	const struct wanted *w = s->w;
	uint8_t space = w->n_items ? w->items[0].space : 0;
	const struct dis_key *k = dis_schema_key(s->sc, KEY_VALUES, space, 0);
	const struct dis_key *range = dis_schema_key(s->sc, KEY_RANGE, space, 0);
	uint32_t lo = UINT32_MAX, hi = 0;

	if (w->n_values == 0 || w->values_over || !k || !range || k->space != space)
		return true;
	fprintf(s->to, ", %s: {", k->name);
	for (uint32_t i = 0; i < w->n_values; i++) {
		struct wanted_item it = {.space = space, .first = w->values[i].at, .count = 1};
		char text[96];

		lo = w->values[i].min < lo ? w->values[i].min : lo;
		hi = w->values[i].max > hi ? w->values[i].max : hi;
		if (w->n_values > VALUES_EACH && i + 1 < w->n_values)
			continue;
		if (w->n_values > VALUES_EACH) {
			it.first = w->values[0].at;
			it.count = w->values[i].at - w->values[0].at + 1;
		} else {
			lo = w->values[i].min;
			hi = w->values[i].max;
		}
		if (!run_text(s->sc, range, s->opt, &it, text, sizeof(text))) {
			snprintf(s->why, s->size, "no rule can say which values it writes");
			return false;
		}
		fprintf(s->to, lo != hi ? "%s%s: %u..%u" : "%s%s: %u",
		    i && w->n_values <= VALUES_EACH ? ", " : "", text, lo, hi);
	}
	fputs("}", s->to);
	return true;
}

/* An operation by its name, where no other has it. */
static void
put_op(const struct say *s)
{
	const struct dis_op *op = s->w->op;
	unsigned same = 0;

	for (unsigned i = 0; i < s->sc->n_ops; i++)
		same += strcmp(s->sc->ops[i].name, op->name) == 0;
	if (same == 1)
		fputs(op->name, s->to);
	else if (op->sub == FACT_NO_SUB)
		fprintf(s->to, "%u", op->code);
	else
		fprintf(s->to, "%u/%u", op->code, op->sub);
}

bool
wanted_rule(const struct wanted *w, const struct ynode *block, bool enabled, FILE *to, char *why,
    size_t size)
{
	struct say s = {
	    .w = w, .sc = dissectors[w->proto]->schema, .to = to, .why = why, .size = size};
	const struct dis_key *maps[2] = {NULL, NULL}, *ops = NULL, *unit = NULL;
	bool has[2] = {false, false}, any = true, ok = true;

	options_of(s.sc, block, s.opt);
	for (unsigned i = 0; i < s.sc->n_keys; i++) {
		const struct dis_key *k = &s.sc->keys[i];

		if (k->kind == KEY_ACCESS)
			maps[k->access == ACC_WRITE] = k;
		ops = k->kind == KEY_OPS ? k : ops;
		unit = k->kind == KEY_UNIT ? k : unit;
	}
	for (uint32_t i = 0; i < w->n_items; i++)
		has[w->items[i].access == ACC_WRITE] = true;
	fprintf(to, "{name: %s%s", w->name, enabled ? "" : ", enabled: false");
	if (unit)
		fprintf(to, ", %s: [%u]", unit->name, w->unit);
	fprintf(to, ", %s: [", ops->name);
	put_op(&s);
	fputs("]", to);
	if (has[0] && has[1] && maps[0] && maps[1]) {
		for (unsigned a = 0; a < 2 && ok; a++) {
			fprintf(to, ", %s: {", maps[a]->name);
			any = false;
			ok = put_items(&s, a ? ACC_WRITE : ACC_READ, &any);
			fputs("}", to);
		}
	} else {
		ok = put_items(&s, 0, &any) && (!has[1] || has[0] || put_values(&s));
	}
	fputs("}", to);
	return ok;
}

/* --- its place ------------------------------------------------------------------------------------------ */

const struct ynode *
wanted_get(const struct ynode *map, const char *key)
{
	for (uint32_t i = 0; map && map->kind == Y_MAP && i < map->n; i++)
		if (strcmp(map->kids[2 * (size_t)i]->s, key) == 0)
			return map->kids[2 * (size_t)i + 1];
	return NULL;
}

/* Where a line begins, and a character of it, as libyaml counts both; files with other line ends are not edited. */
static size_t
offset_of(const char *text, size_t len, uint32_t line, uint32_t col)
{
	size_t i = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	for (; i < len && line > 1; i++)
		line -= text[i] == '\n';
	for (; i < len && col > 1; col--)
		for (i++; i < len && ((unsigned char)text[i] & 0xc0) == 0x80; i++)
			;
	return i;
}

/* The text that is to be put in, and in front of which byte. */
struct edit {
	const char *text;
	size_t len;
	struct {
		size_t at;
		char *s;
	} put[4];
	unsigned n;
};

/* Where the line of a node begins, if nothing but blanks is in front of it; else SIZE_MAX. */
static size_t
line_of(const struct edit *e, const struct ynode *n)
{
	size_t first = offset_of(e->text, e->len, n->line, 1);
	size_t at = offset_of(e->text, e->len, n->line, n->col);

	for (size_t i = first; i < at; i++)
		if (e->text[i] != ' ')
			return SIZE_MAX;
	return first;
}

/* A new first element of a list, on a line of its own in front of its present one. */
static int
first_element(const struct edit *e, const struct ynode *kid, const char *what, size_t *at, char **s)
{
	size_t first = offset_of(e->text, e->len, kid->line, 1), dash;

	dash = offset_of(e->text, e->len, kid->line, kid->col);
	while (dash > first && e->text[dash - 1] == ' ')
		dash--;
	if (dash == first || e->text[--dash] != '-')
		return -1;
	*at = dash;
	return asprintf(s, "- %s\n%*s", what, (int)(dash - first), "");
}

/* A new pair of a map; its first one may stand behind the "- " of a list, then in front of the second. */
static int
first_pair(const struct edit *e, const struct ynode *n, const char *what, size_t *at, char **s)
{
	for (uint32_t i = 0; i < n->n && i < 2; i++) {
		const struct ynode *key = n->kids[2 * (size_t)i];

		if ((*at = line_of(e, key)) != SIZE_MAX)
			return asprintf(s, "%*s%s\n", (int)key->col - 1, "", what);
	}
	return -1;
}

/* On a line of its own where the others are, else behind the bracket.  what is freed here. */
static bool
edit_first(struct edit *e, const struct ynode *n, bool list, char *what)
{
	size_t at = offset_of(e->text, e->len, n->line, n->col);
	char *s = NULL;
	int r = -1;

	if (e->n == sizeof(e->put) / sizeof(e->put[0]) || !what) {
		free(what);
		return false;
	}
	if (at < e->len && (e->text[at] == '[' || e->text[at] == '{')) {
		at++;
		r = asprintf(&s, "%s%s", what, n->n ? ", " : "");
	} else if (n->n != 0) {
		r = list ? first_element(e, n->kids[0], what, &at, &s)
			 : first_pair(e, n, what, &at, &s);
	}
	free(what);
	if (r < 0)
		return false;
	e->put[e->n].at = at;
	e->put[e->n++].s = s;
	return true;
}

/* The rule, with as much around it as is not there; malloc'd. */
static char *
piece(const struct wanted *w, const struct ynode *block, bool enabled, unsigned levels, char *why,
    size_t size)
{
	const struct dis_schema *sc = dissectors[w->proto]->schema;
	char *s = NULL;
	size_t n;
	FILE *to = open_memstream(&s, &n);
	bool ok;

	if (!to)
		return NULL;
	if (levels > 2)
		fprintf(to, "{name: %s, from: [%s], to: [%s], ", w->conduit_name, w->from, w->to);
	if (levels > 1) {
		fprintf(to, "%s: {", dissectors[w->proto]->name);
		for (unsigned i = 0; i < sc->n_options; i++)
			if (sc->options[i].required)
				fprintf(
				    to, "%s: %s, ", sc->options[i].name, sc->options[i].words[0]);
	}
	if (levels > 0)
		fputs("allow: [", to);
	ok = wanted_rule(w, block, enabled, to, why, size);
	fputs(levels > 2 ? "]}}" : levels > 1 ? "]}" : levels > 0 ? "]" : "", to);
	if (fclose(to) != 0 || !ok) {
		free(s);
		return NULL;
	}
	return s;
}

const struct ynode *
wanted_conduit(const struct ynode *root, const char *name)
{
	const struct ynode *conduits = wanted_get(root, "conduits");

	for (uint32_t i = 0; conduits && conduits->kind == Y_LIST && i < conduits->n; i++) {
		const struct ynode *n = wanted_get(conduits->kids[i], "name");

		if (n && n->kind == Y_SCALAR && strcmp(n->s, name) == 0)
			return conduits->kids[i];
	}
	return NULL;
}

static bool
edit_device(struct edit *e, const struct ynode *root, const char *name, const struct net_addr *a,
    const char *zone)
{
	const struct ynode *devices = wanted_get(root, "devices");
	char addr[NET_ADDR_STRLEN], *s = NULL;

	if (wanted_get(devices, name)) /* another alert has brought it */
		return true;
	if (!devices || devices->kind != Y_MAP ||
	    asprintf(&s, "%s: {zone: %s, ip: \"%s\"}", name, zone, net_addr_str(a, addr)) < 0)
		return false;
	return edit_first(e, devices, false, s);
}

/* All that is to be put in; false: why says why not, if it can be said. */
static bool
edits(const struct wanted *w, const struct ynode *root, bool enabled, struct edit *e, char *why,
    size_t size)
{
	const struct ynode *conduits = wanted_get(root, "conduits");
	const struct ynode *conduit = wanted_conduit(root, w->conduit_name);
	const struct ynode *block = wanted_get(conduit, dissectors[w->proto]->name);
	const struct ynode *allow = wanted_get(block, "allow");

	if (w->conduit != RULE_NONE && !conduit)
		return false;
	if ((w->new_from && !edit_device(e, root, w->from, &w->tuple.src, w->zone_from)) ||
	    (w->new_to && !edit_device(e, root, w->to, &w->tuple.dst, w->zone_to)))
		return false;
	if (allow && allow->kind == Y_LIST)
		return edit_first(e, allow, true, piece(w, block, enabled, 0, why, size));
	if (block && block->kind == Y_MAP)
		return edit_first(e, block, false, piece(w, block, enabled, 1, why, size));
	if (conduit)
		return edit_first(e, conduit, false, piece(w, NULL, enabled, 2, why, size));
	return conduits && conduits->kind == Y_LIST &&
	       edit_first(e, conduits, true, piece(w, NULL, enabled, 3, why, size));
}

static int
by_place(const void *va, const void *vb)
{
	const size_t *a = va, *b = vb; /* .at is the first member */

	return (*a > *b) - (*a < *b);
}

/* The text with all that is put in; malloc'd. */
static char *
spliced(struct edit *e)
{
	char *s = NULL;
	size_t n, at = 0;
	FILE *to = open_memstream(&s, &n);

	if (!to)
		return NULL;
	qsort(e->put, e->n, sizeof(e->put[0]), by_place);
	for (unsigned i = 0; i < e->n; i++) {
		fwrite(e->text + at, 1, e->put[i].at - at, to);
		fputs(e->put[i].s, to);
		at = e->put[i].at;
	}
	fwrite(e->text + at, 1, e->len - at, to);
	if (fclose(to) == 0)
		return s;
	free(s);
	return NULL;
}

char *
wanted_insert(
    const struct wanted *w, const char *text, size_t len, bool enabled, char *why, size_t size)
{
	struct complaints c = {0};
	struct arena a = {0};
	jmp_buf oom;
	struct edit e = {.text = text, .len = len};
	char *volatile out = NULL;

	why[0] = '\0';
	/* cppcheck-suppress autoVariables ; the arena ends with this function */
	a.oom = &oom;
	if (setjmp(oom) == 0 && edits(w, yaml_read(&a, &c, text, len), enabled, &e, why, size))
		out = spliced(&e);
	for (unsigned i = 0; i < e.n; i++)
		free(e.put[i].s);
	complaints_fini(&c);
	arena_fini(&a);
	if (!out && !why[0])
		snprintf(why, size, "its place in the text cannot be edited: put it in by hand");
	return out;
}
