/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_doc_test.c - docs/POLICY.md says what the program does: its examples
 * load, its generated parts are those of the schema tables, and the policies in
 * policies/ are without complaint.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

static char *
slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *buf = calloc(1, 1 << 20);

	assert_non_null(f);
	assert_non_null(buf);
	assert_true(fread(buf, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return buf;
}

/* Between the lines "<!-- begin modbus -->" and "<!-- end modbus -->". */
static void
test_generated(void **state)
{
	char *doc = slurp("docs/POLICY.md");

	(void)state;
	for (unsigned i = 0; i < n_dissectors; i++) {
		char mark[80], *begin, *end, *want = NULL;
		size_t n = 0;
		FILE *to = open_memstream(&want, &n);

		policy_describe(dissectors[i], to);
		fclose(to);
		snprintf(mark, sizeof(mark), "<!-- begin %s -->\n", dissectors[i]->name);
		begin = strstr(doc, mark);
		if (!begin)
			fail_msg("docs/POLICY.md has no part for %s", dissectors[i]->name);
		begin += strlen(mark);
		snprintf(mark, sizeof(mark), "<!-- end %s -->\n", dissectors[i]->name);
		end = strstr(begin, mark);
		assert_non_null(end);
		if ((size_t)(end - begin) != n || memcmp(begin, want, n) != 0)
			fail_msg("docs/POLICY.md: the part of %s is old: run "
			    "tests/tools/policy_keys -u docs/POLICY.md", dissectors[i]->name);
		free(want);
	}
	free(doc);
}

/* Every ```yaml block of the reference is a whole policy. */
static void
test_examples(void **state)
{
	char *doc = slurp("docs/POLICY.md"), *at = doc;
	unsigned n = 0;

	(void)state;
	while ((at = strstr(at, "\n```yaml\n")) != NULL) {
		char *begin = at + 9, *end = strstr(begin, "\n```\n");
		struct complaints c = {0};
		struct policy *p;

		assert_non_null(end);
		p = policy_build_text("docs/POLICY.md", begin, (size_t)(end - begin) + 1, &c);
		complaints_print(&c, stderr);
		assert_non_null(p);
		assert_int_equal(c.errors + c.warnings, 0);
		policy_free(p);
		complaints_fini(&c);
		at = end;
		n++;
	}
	assert_true(n >= 3);
	free(doc);
}

static void
test_policies(void **state)
{
	static const char *const paths[] = {"policies/cell.yaml", "policies/water-works.yaml",
	    "policies/filling-line.yaml", "policies/guard.yaml"};

	(void)state;
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct complaints c = {0};
		struct policy *p = policy_build(paths[i], &c);

		complaints_print(&c, stderr);
		assert_non_null(p);
		assert_int_equal(c.errors + c.warnings, 0);
		policy_free(p);
		complaints_fini(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_generated),
	    cmocka_unit_test(test_examples),
	    cmocka_unit_test(test_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
