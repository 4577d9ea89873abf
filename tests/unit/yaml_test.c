/* SPDX-License-Identifier: Apache-2.0 */
/* yaml_test.c - trees, places, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/yaml.h"

struct job {
	struct arena a;
	struct complaints c;
	jmp_buf oom;
};

static const struct ynode *
read_text(struct job *j, const char *text, size_t len)
{
	memset(j, 0, sizeof(*j));
	if (setjmp(j->oom) != 0)
		return NULL;
	j->a.oom = &j->oom;
	return yaml_read(&j->a, &j->c, text, len);
}

static void
done(struct job *j)
{
	arena_fini(&j->a);
	complaints_fini(&j->c);
}

static void
test_places(void **state)
{
	static const char text[] = "# a comment\n"
				   "one: 1\n"
				   "\xc3\xa4: [x, \"y\", 'z']\n" /* columns count characters */
				   "deep:\n"
				   "  - {k: v, l: }\n"
				   "  - last\n";
	struct job j;
	const struct ynode *n = read_text(&j, text, sizeof(text) - 1), *v;

	(void)state;
	assert_non_null(n);
	assert_int_equal(j.c.n, 0);
	assert_int_equal(n->kind, Y_MAP);
	assert_int_equal(n->n, 3);
	assert_int_equal(n->line, 2);
	assert_int_equal(n->col, 1);
	assert_string_equal(n->kids[1]->s, "1");
	assert_int_equal(n->kids[1]->col, 6);
	v = n->kids[3];
	assert_int_equal(v->kind, Y_LIST);
	assert_int_equal(v->n, 3);
	assert_int_equal(v->line, 3);
	assert_int_equal(v->col, 4);
	assert_false(v->kids[0]->quoted);
	assert_true(v->kids[1]->quoted);
	assert_true(v->kids[2]->quoted);
	v = n->kids[5]->kids[0];
	assert_int_equal(v->kind, Y_MAP);
	assert_int_equal(v->line, 5);
	assert_int_equal(v->col, 5);
	assert_string_equal(v->kids[2]->s, "l");
	assert_int_equal(v->kids[3]->n, 0);
	assert_string_equal(n->kids[5]->kids[1]->s, "last");
	done(&j);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* 0: a C string */
		unsigned line, col;
		const char *say;
	} cases[] = {
	    {"", 0, 1, 1, "the file is empty"},
	    {"# only a comment\n", 0, 1, 1, "the file is empty"},
	    {"a: 1\nb: 2\na: 3\n", 0, 3, 1, "key \"a\" was already given in line 1"},
	    {"{x: 1, y: 2, x: 3}", 0, 1, 14, "key \"x\" was already given in line 1"},
	    {"a: &anchor 1\n", 0, 1, 4, "anchors, aliases and tags are not part of the policy language"},
	    {"a: *anchor\n", 0, 1, 4, "anchors, aliases and tags are not part of the policy language"},
	    {"a: !!int 1\n", 0, 1, 4, "anchors, aliases and tags are not part of the policy language"},
	    {"a: !mine [1]\n", 0, 1, 4, "anchors, aliases and tags are not part of the policy language"},
	    {"a: ! x\n", 0, 1, 4, "anchors, aliases and tags are not part of the policy language"},
	    {"? [a, b]\n: 1\n", 0, 1, 3, "a key is one word, not a list or a map"},
	    {"a: 1\n---\nb: 2\n", 0, 2, 1, "a policy is one document"},
	    {"a: [1, 2\nb: 3\n", 0, 2, 2, "YAML: while parsing a flow sequence, did not find expected ',' or ']'"},
	    {"a:\n\t- 1\n", 0, 2, 1, "YAML: while scanning for the next token, found character that cannot start any token"},
	    {"a: b: c\n", 0, 1, 5, "YAML: mapping values are not allowed in this context"},
	    {"a: x\0y\n", 7, 1, 5, "byte 0x00: a NUL is not text"},
	    {"a: \"x\\0y\"\n", 0, 1, 4, "a NUL is not text"},
	    {"ok: 1\na: \xff\n", 0, 2, 4, "byte 0xff: not UTF-8"},
	    {"a: \xc0\xaf\n", 0, 1, 4, "byte 0xc0: not UTF-8"},	       /* overlong */
	    {"a: \xe0\x80\xaf\n", 0, 1, 4, "byte 0xe0: not UTF-8"},      /* overlong */
	    {"a: \xed\xa0\x80\n", 0, 1, 4, "byte 0xed: not UTF-8"},      /* surrogate */
	    {"a: \xf4\x90\x80\x80\n", 0, 1, 4, "byte 0xf4: not UTF-8"},  /* above U+10FFFF */
	    {"a: \xf5\x80\x80\x80\n", 0, 1, 4, "byte 0xf5: not UTF-8"},
	    {"a: \xe2\x82", 0, 1, 4, "byte 0xe2: not UTF-8"},	       /* cut */
	    {"\xff\xfe" "a\0:\0", 6, 1, 1, "byte 0xff: not UTF-8"},	       /* UTF-16 */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);
		struct job j;

		print_message("%u ", i);
		assert_null(read_text(&j, cases[i].text, len));
		assert_true(j.c.n >= 1);
		assert_string_equal(j.c.v[0].text, cases[i].say);
		assert_int_equal(j.c.v[0].line, cases[i].line);
		assert_int_equal(j.c.v[0].col, cases[i].col);
		assert_int_equal(j.c.v[0].level, COMPLAINT_ERROR);
		done(&j);
	}
	print_message("\n");
}

/* Reading goes on after what libyaml itself can read. */
static void
test_all_at_once(void **state)
{
	static const char text[] = "a: &x 1\nb: *x\nc: !!str 2\na: 4\nd: {e: 1, e: 2}\n";
	struct job j;

	(void)state;
	assert_null(read_text(&j, text, sizeof(text) - 1));
	assert_int_equal(j.c.errors, 5);
	done(&j);
}

static void
test_limits(void **state)
{
	size_t size = YAML_SIZE_MAX + 1;
	char *text = malloc(size), deep[80];
	struct job j;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', size);
	memcpy(text, "a: 1\n#", 6);
	assert_null(read_text(&j, text, size));
	assert_string_equal(j.c.v[0].text, "is 4194305 bytes long; at most 4194304 are read");
	done(&j);
	assert_non_null(read_text(&j, text, size - 1));
	done(&j);
	for (unsigned d = YAML_DEPTH_MAX - 1; d <= YAML_DEPTH_MAX + 1; d++) {
		memset(deep, '[', d);
		memset(deep + d, ']', d);
		if (d < YAML_DEPTH_MAX + 1) {
			assert_non_null(read_text(&j, deep, 2 * (size_t)d));
		} else {
			assert_null(read_text(&j, deep, 2 * (size_t)d));
			assert_string_equal(j.c.v[0].text, "nested too deeply");
		}
		done(&j);
	}
	for (size_t i = 0; i < size - 1; i++) /* two million empty words */
		text[i] = i == 0 ? '[' : i == size - 2 ? ']' : i % 2 ? '1' : ',';
	assert_null(read_text(&j, text, size - 1));
	assert_string_equal(j.c.v[0].text, "too many values in one file");
	assert_int_equal(j.c.errors, 1);
	done(&j);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_all_at_once),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
