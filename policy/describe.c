/* SPDX-License-Identifier: Apache-2.0 */
/* describe.c - a protocol's part of the policy reference, from its schema table. */
#include <stdio.h>
#include <string.h>

#include "policy/policy.h"

static const char *
kind_name(uint8_t kind)
{
	static const char *const names[] = {
	    [KEY_OPS] = "functions", [KEY_UNIT] = "numbers", [KEY_RANGE] = "ranges",
	    [KEY_VALUES] = "map of range to limit", [KEY_PATTERN] = "globs",
	    [KEY_ACCESS] = "map of the range keys"};

	return kind < sizeof(names) / sizeof(names[0]) && names[kind] ? names[kind] : "?";
}

static void
describe_keys(const struct dis_schema *sc, FILE *to)
{
	fprintf(to, "| key of a rule | holds | meaning |\n|---|---|---|\n");
	for (unsigned i = 0; i < sc->n_keys; i++) {
		const struct dis_key *k = &sc->keys[i];

		fprintf(to, "| `%s`%s | %s", k->name, k->required ? " (required)" : "",
		    kind_name(k->kind));
		if (k->kind == KEY_UNIT)
			fprintf(to, " %u..%u", k->lo, k->hi);
		if (k->kind == KEY_VALUES)
			fprintf(to, ", %u bits", sc->spaces[k->space].value_bits);
		if (k->kind == KEY_RANGE && sc->spaces[k->space].max_sub)
			fprintf(to, ", 0..%u of 0..%u", sc->spaces[k->space].max,
			    sc->spaces[k->space].max_sub);
		else if (k->kind == KEY_RANGE)
			fprintf(to, ", 0..%u on the wire", sc->spaces[k->space].max);
		fprintf(to, " | %s |\n", k->help);
	}
}

static void
describe_code(const struct dis_op *op, FILE *to)
{
	if (op->sub == FACT_NO_SUB)
		fprintf(to, "%u", op->code);
	else
		fprintf(to, "%u/%u", op->code, op->sub);
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
		describe_code(op, to);
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
	fprintf(to, "\n| set | codes |\n|---|---|\n");
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
