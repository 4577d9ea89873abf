/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_keys.c - the generated parts of docs/POLICY.md.
 *
 *   policy_keys PROTOCOL         prints the part of one protocol
 *   policy_keys -u FILE          puts all of them between their marks in FILE
 *   policy_keys -s               prints docs/policy.schema.json
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jw.h"
#include "policy/policy.h"

/* What stands between "<!-- begin NAME -->" and its end is replaced. */
static void
put_part(const struct dissector *dis, const char **from, FILE *to)
{
	char begin[80], end[80];
	const char *a, *b;

	snprintf(begin, sizeof(begin), "<!-- begin %s -->\n", dis->name);
	snprintf(end, sizeof(end), "<!-- end %s -->\n", dis->name);
	a = strstr(*from, begin);
	b = a ? strstr(a, end) : NULL;
	if (!b)
		return;
	fwrite(*from, 1, (size_t)(a - *from) + strlen(begin), to);
	policy_describe(dis, to);
	*from = b;
}

static int
update(const char *path)
{
	static char text[1 << 20];
	const char *at = text;
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (f)
		fclose(f);
	f = n != 0 ? fopen(path, "w") : NULL;
	if (!f) {
		perror(path);
		return 2;
	}
	for (unsigned i = 0; i < n_dissectors; i++) /* parts stand in the order of names */
		put_part(dissectors[i], &at, f);
	fputs(at, f);
	return fclose(f) == 0 ? 0 : 2;
}

/* Indented, so that a change can be read. */
static int
schema(void)
{
	static char text[1 << 20];
	struct jw w = jw_make(text, sizeof(text));
	unsigned depth = 0;
	bool quoted = false;

	policy_schema(&w);
	if (w.full)
		return 2;
	for (const char *p = text; p < w.p; p++) {
		if (*p == '"' && (p == text || p[-1] != '\\'))
			quoted = !quoted;
		if (!quoted && (*p == '}' || *p == ']'))
			printf("%s%*s", p[-1] == '{' || p[-1] == '[' ? "" : "\n",
			    p[-1] == '{' || p[-1] == '[' ? 0 : (int)(depth - 1), "");
		depth -= !quoted && (*p == '}' || *p == ']');
		putchar(*p);
		depth += !quoted && (*p == '{' || *p == '[');
		if (!quoted &&
		    (*p == ',' || ((*p == '{' || *p == '[') && p[1] != '}' && p[1] != ']')))
			printf("\n%*s", (int)depth, "");
	}
	putchar('\n');
	return 0;
}

int
main(int argc, char **argv)
{
	const struct dissector *dis = argc == 2 ? dissector_lookup(argv[1], NULL) : NULL;

	if (argc == 2 && strcmp(argv[1], "-s") == 0)
		return schema();
	if (argc == 3 && strcmp(argv[1], "-u") == 0)
		return update(argv[2]);
	if (!dis || !dis->schema) {
		fprintf(stderr, "usage: policy_keys PROTOCOL | -u FILE | -s\n");
		return 2;
	}
	policy_describe(dis, stdout);
	return 0;
}
