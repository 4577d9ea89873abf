/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions of names: the table against regexec(), what is refused, and that nothing costs more than it says. */
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/re.h"
#include "policy/rules.h"

static uint64_t seed = 20261128;

static unsigned
below(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(seed >> 33) % n;
}

/* As the rest of the program asks: literal beginning, then the table.  -1: refused. */
static int
ours(const char *re, const char *text, size_t len, const char **why)
{
	struct re_table *t = re_make(re, why);
	int hit;

	if (!t)
		return -1;
	hit = len >= t->lit && memcmp(text, re_lit(t), t->lit) == 0 &&
	      re_fits(t, text + t->lit, len - t->lit);
	free(t);
	return hit;
}

static bool
hits(const char *re, const char *text)
{
	const char *why = "";
	int hit = ours(re, text, strlen(text), &why);

	if (hit < 0)
		fail_msg("%s: refused: %s", re, why);
	return hit == 1;
}

static void
test_meaning(void **state)
{
	(void)state;
	assert_true(hits("ns=2;s=Tank[0-9]+\\.Level", "ns=2;s=Tank17.Level"));
	assert_false(hits("ns=2;s=Tank[0-9]+\\.Level", "ns=2;s=Tank.Level"));
	assert_false(hits("ns=2;s=Tank[0-9]+\\.Level", "ns=2;s=Tank1xLevel"));
	assert_false(hits("Tank", "Tanks")); /* whole names only */
	assert_false(hits("Tank", "aTank"));
	assert_true(hits("a|bc", "bc"));
	assert_false(hits("a|bc", "ac"));
	assert_true(hits("(?:a|b){2,3}", "aba"));
	assert_false(hits("(a|b){2,3}", "a"));
	assert_false(hits("(a|b){2,3}", "abab"));
	assert_true(hits("a{2,}", "aaaaa"));
	assert_false(hits("a{2,}", "a"));
	assert_true(hits("a{0,2}b", "b"));
	assert_true(hits("(a*)*(b?)+", "aaab"));
	assert_true(hits("\\w+\\s\\d\\D\\S\\W", "Ab_9 1x!."));
	assert_true(hits("[^a-z]", "Z"));
	assert_false(hits("[^a-z]", "q"));
	assert_true(hits("[a\\]\\-.-]+", "a]-."));
	assert_true(hits("Größe+", "Größeee"));
	assert_true(hits("Grö{2}", "Gröö"));	  /* a letter of two bytes is one */
	assert_true(hits("Gr..(ß|s)e", "Größe")); /* . is a byte */
	assert_true(hits("a.c", "a\nc"));
	assert_true(hits("\\(\\)\\{\\}\\*\\\\", "(){}*\\"));
	assert_int_equal(ours("a.c", "a\0c", 3, &(const char *){0}), 1);
}

static void
test_refused(void **state)
{
	static const char *const bad[][2] = {{"(a", "( without )"}, {"a)", ") without ("},
	    {"[a", "[ without ]"}, {"*a", "nothing to repeat"}, {"a**", "repeat of a repeat"},
	    {"a+?", "repeat of a repeat"}, {"(a)\\1", "references to groups"},
	    {"(?=a)", "no lookaround"}, {"(?i)a", "no lookaround, flags"}, {"^a", "not needed"},
	    {"a$", "not needed"}, {"\\bx", "whole name"}, {"a\\", "backslash"},
	    {"\\q", "what is this backslash for"}, {"[[:alpha:]]", "[:names:]"}, {"[]", "empty []"},
	    {"[z-a]", "a range"}, {"[a-\\d]", "a range"}, {"[ä]", "outside ASCII"},
	    {"()", "empty alternative"}, {"(a|)", "empty alternative"}, {"a{0}", "a repeat is"},
	    {"a{,3}", "a repeat is"}, {"a{3,2}", "a repeat is"}, {"a{256}", "a repeat is"},
	    {"a{2", "a repeat is"}, {"a{1,0}", "a repeat is"}, {".*a.{9}", "more than 256 states"},
	    {"(x(y(a{99}){99}){99}){99}", "more than 1024 places"},
	    {"((((((((((((((((((a))))))))))))))))))", "more than 16 groups"}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *why = "";

		if (ours(bad[i][0], "", 0, &why) != -1 || !strstr(why, bad[i][1]))
			fail_msg("%s: \"%s\", not \"%s\"", bad[i][0], why, bad[i][1]);
	}
}

/* --- at random ------------------------------------------------------------------------------------- */

struct text {
	char s[400];
	size_t n;
};

static void
put(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (t->n + n < sizeof(t->s)) {
		memcpy(t->s + t->n, s, n + 1);
		t->n += n;
	}
}

/* A pattern that both understand in the same way. */
static void
pattern(struct text *t, unsigned depth)
{
	static const char *const atoms[] = {
	    "a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", "\\.", "[^bc.]", "ab", "[.]"};
	static const char *const repeats[] = {"*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"};
	unsigned n = 1 + below(4);

	for (unsigned i = 0; i < n; i++) {
		if (i != 0 && below(5) == 0)
			put(t, "|");
		if (depth < 3 && below(4) == 0) {
			put(t, "(");
			pattern(t, depth + 1);
			put(t, ")");
		} else {
			put(t, atoms[below(11)]);
		}
		if (below(3) == 0)
			put(t, repeats[below(7)]);
	}
}

static void
test_random(void **state)
{
	unsigned agreed = 0, refused = 0, yes = 0;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		struct text re = {"", 0}, whole = {"^(", 2};
		const char *why = "";
		regex_t posix;

		pattern(&re, 0);
		put(&whole, re.s);
		put(&whole, ")$");
		assert_int_equal(regcomp(&posix, whole.s, REG_EXTENDED | REG_NOSUB), 0);
		for (unsigned k = 0; k < 12; k++) {
			char s[12];
			unsigned len = below(11);
			int hit;

			for (unsigned c = 0; c < len; c++)
				s[c] = "abcab.ab\xc3"[below(9)];
			s[len] = '\0';
			hit = ours(re.s, s, len, &why);
			if (hit < 0) {
				refused++;
				break;
			}
			agreed++;
			yes += hit == 1;
			if (hit != (regexec(&posix, s, 0, NULL, 0) == 0))
				fail_msg("%s against \"%s\": %d", re.s, s, hit);
		}
		regfree(&posix);
	}
	if (agreed < 20000 || yes < 2000 || refused > 1000)
		fail_msg(
		    "%u agreed, %u of them match, %u refused: says little", agreed, yes, refused);
}

/* Anything at all: an answer, and no more steps than there may be. */
static void
test_hostile(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		static const char bytes[] = "ab.*+?{}()[]|\\^$-,0129dwsDWS:=!<\xc3\xa4\xff\x80";
		char re[64];
		unsigned len = below(sizeof(re) - 1);
		const char *why = NULL;

		for (unsigned k = 0; k < len; k++)
			re[k] = bytes[below(sizeof(bytes) - 1)];
		re[len] = '\0';
		if (ours(re, "ab", 2, &why) < 0)
			assert_non_null(why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_meaning),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
