/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - a protocol's part of the policy reference, from its schema table. */
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

static void
describe_words(const struct dis_key *k, FILE *to)
{
	const char *between = "";

	for (unsigned i = 0; k->words && k->words[i]; i++)
		if (k->words[i][0]) {
			fprintf(to, "%s`%s`", between, k->words[i]);
			between = ", ";
		}
}

static void
describe_holds(const struct dis_schema *sc, const struct dis_key *k, FILE *to)
{
	const struct dis_space *sp =
	    k->space < sc->n_spaces ? &sc->spaces[k->space] : NULL; /* or the notation says it */

	switch ((enum dis_key_kind)k->kind) {
	case KEY_OPS:
		fprintf(to, "functions");
		break;
	case KEY_RANGE:
		fprintf(to, "ranges");
		if (sp && sp->max_sub)
			fprintf(to, ", 0..%u of 0..%u", sp->max, sp->max_sub);
		else if (sp)
			fprintf(to, ", 0..%u on the wire", sp->max);
		break;
	case KEY_VALUES:
		fprintf(to, "map of range to limit");
		if (sp)
			fprintf(to, ", %u bits", sp->value_bits);
		break;
	case KEY_PATTERN:
	case KEY_TEXT:
		fprintf(to, "globs");
		break;
	case KEY_ACCESS:
		fprintf(to, "map of the range keys");
		break;
	case KEY_UNIT:
	case KEY_NUMBER:
	case KEY_LIMIT:
		fprintf(to, "%s %u..%u", k->kind == KEY_LIMIT ? "a number" : "numbers", k->lo, k->hi);
		break;
	case KEY_SUB:
	case KEY_WORD:
		if (k->words)
			describe_words(k, to);
		if (k->kind == KEY_SUB)
			fprintf(to, "%snumbers %u..%u", k->words ? "; " : "", k->lo, k->hi);
		break;
	}
}

static void
describe_key(const struct dis_schema *sc, const struct dis_key *k, FILE *to)
{
	fprintf(to, "| `%s`%s | ", k->name, k->required ? " (required)" : "");
	describe_holds(sc, k, to);
	fprintf(to, " | %s |\n", k->help);
}

/* The keys of one map of the block, where i is the first of them; limits are one too. */
static void
describe_map(const struct dis_schema *sc, unsigned first, const char *map, FILE *to)
{
	bool limits = strcmp(map, "limits") == 0;

	fprintf(to, "\n| key of `%s` in the block | holds | meaning |\n|---|---|---|\n", map);
	for (unsigned i = first; i < sc->n_keys; i++)
		if (limits ? sc->keys[i].kind == KEY_LIMIT :
			     sc->keys[i].map && strcmp(sc->keys[i].map, map) == 0)
			describe_key(sc, &sc->keys[i], to);
}

static void
describe_keys(const struct dis_schema *sc, FILE *to)
{
	bool limits = false;

	fprintf(to, "| key of a rule | holds | meaning |\n|---|---|---|\n");
	for (unsigned i = 0; i < sc->n_keys; i++)
		if (!sc->keys[i].map && sc->keys[i].kind != KEY_LIMIT)
			describe_key(sc, &sc->keys[i], to);
	for (unsigned i = 0; i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];
		bool seen = false;

		for (unsigned j = 0; k->map && j < i; j++)
			seen = seen || (sc->keys[j].map && strcmp(sc->keys[j].map, k->map) == 0);
		if (k->map && !seen)
			describe_map(sc, i, k->map, to);
	}
	for (unsigned i = 0; i < sc->n_keys && !limits; i++)
		if (sc->keys[i].kind == KEY_LIMIT) {
			describe_map(sc, i, "limits", to);
			limits = true;
		}
}

static void
describe_code(const struct dis_op *op, FILE *to)
{
	if (op->sub == FACT_NO_SUB)
		fprintf(to, "%u", op->code);
	else
		fprintf(to, op->code > 255 ? "0x%x/%u" : "%u/%u", op->code, op->sub);
}

/* Codes that people know by heart are small; else the names say more. */
static bool
codes_known(const struct dis_schema *sc)
{
	for (unsigned i = 0; i < sc->n_ops; i++)
		if (sc->ops[i].code > 255)
			return false;
	return true;
}

static void
describe_set(const struct dis_schema *sc, const char *name, unsigned bit, FILE *to)
{
	bool first = true;

	fprintf(to, "| `%s` | ", name);
	for (unsigned i = 0; i < sc->n_ops; i++) {
		const struct dis_op *op = &sc->ops[i];

		if (bit < 32 ? !(op->sets >> bit & 1) : !op->known)
			continue;
		fputs(first ? "" : ", ", to);
		if (codes_known(sc))
			describe_code(op, to);
		else
			fprintf(to, "`%s`", op->name);
		first = false;
	}
	fprintf(to, " |\n");
}

void
policy_describe(const struct dissector *dis, FILE *to)
{
	const struct dis_schema *sc = dis->schema;

	for (unsigned i = 0; i < sc->n_options; i++) {
		fprintf(to, "`%s` (%s): ", sc->options[i].name,
		    sc->options[i].required ? "required" : "optional, the first is the default");
		for (unsigned w = 0; sc->options[i].words[w]; w++)
			fprintf(to, "%s`%s`", w ? ", " : "", sc->options[i].words[w]);
		fprintf(to, ". %s\n\n", sc->options[i].help);
	}
	describe_keys(sc, to);
	fprintf(to, "\n| set | %s |\n|---|---|\n", codes_known(sc) ? "codes" : "functions");
	for (unsigned s = 0; sc->sets && sc->sets[s] && s < 32; s++)
		describe_set(sc, sc->sets[s], s, to);
	describe_set(sc, "all", 32, to);
	fprintf(to, "\n| code | name | access |\n|---|---|---|\n");
	for (unsigned i = 0; i < sc->n_ops; i++) {
		if (!sc->ops[i].known && sc->ops[i].sets == 0)
			continue;
		fprintf(to, "| ");
		describe_code(&sc->ops[i], to);
		fprintf(to, " | `%s` | %s |\n", sc->ops[i].name, fact_access_name(sc->ops[i].access));
	}
}
