/* SPDX-License-Identifier: Apache-2.0 */
/* jw_test.c - whatever the wire says, jansson reads what jw.h wrote. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include <cmocka.h>

#include "base/jw.h"
#include "tests/unit/guard.h"

static void
test_shape(void **state)
{
	char buf[512];
	struct jw w = jw_make(buf, sizeof(buf));

	(void)state;
	jw_obj(&w, NULL);
	jw_u(&w, "u", UINT64_MAX);
	jw_i(&w, "i", INT64_MIN);
	jw_i(&w, "zero", 0);
	jw_bool(&w, "yes", true);
	jw_bool(&w, "no", false);
	jw_str(&w, "s", "a");
	jw_arr(&w, "a");
	jw_u(&w, NULL, 1);
	jw_str(&w, NULL, "");
	jw_obj(&w, NULL);
	jw_close(&w, '}');
	jw_arr(&w, NULL);
	jw_close(&w, ']');
	jw_close(&w, ']');
	jw_obj(&w, "o");
	jw_strn(&w, "k", "abc", 2);
	jw_close(&w, '}');
	jw_u(&w, "last", 7);
	jw_close(&w, '}');
	assert_true(jw_end(&w));
	assert_string_equal(buf,
	    "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"zero\":0,\"yes\":true,"
	    "\"no\":false,\"s\":\"a\",\"a\":[1,\"\",{},[]],\"o\":{\"k\":\"ab\"},\"last\":7}");
	assert_int_equal(jw_len(&w), strlen(buf));
}

static void
test_numbers_and_time(void **state)
{
	static const struct {
		uint64_t v;
		const char *want;
	} cases[] = {{0, "0"}, {9, "9"}, {10, "10"}, {1000000, "1000000"},
	    {UINT64_MAX, "18446744073709551615"}};
	char buf[64];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jw w = jw_make(buf, sizeof(buf));

		jw_dec(&w, cases[i].v);
		assert_true(jw_end(&w));
		assert_string_equal(buf, cases[i].want);
	}
	{
		struct jw w = jw_make(buf, sizeof(buf));

		jw_time(&w, UINT64_C(1700000000123456789));
		assert_true(jw_end(&w));
		assert_string_equal(buf, "2023-11-14T22:13:20.123456+0000");
	}
}

/* What jansson makes of a quoted string, NULL when it refuses it. */
static json_t *
quoted(const char *s, size_t n)
{
	char buf[4096];
	struct jw w = jw_make(buf, sizeof(buf));

	jw_quote(&w, s, n);
	assert_true(jw_end(&w));
	return json_loads(buf, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

static void
test_escapes(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *want;
	} cases[] = {
	    {"plain", 5, "\"plain\""},
	    {"\"\\", 2, "\"\\\"\\\\\""},
	    {"\0\n\t\x1f\x7f", 5, "\"\\u0000\\u000a\\u0009\\u001f\\u007f\""},
	    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
	    {"\xff", 1, "\"\\u00ff\""},
	    {"\xc3", 1, "\"\\u00c3\""},		   /* cut */
	    {"\xc3x", 2, "\"\\u00c3x\""},	   /* no continuation */
	    {"\xc0\xaf", 2, "\"\\u00c0\\u00af\""}, /* overlong */
	    {"\xe0\x80\xaf", 3, "\"\\u00e0\\u0080\\u00af\""},
	    {"\xf0\x80\x80\xaf", 4, "\"\\u00f0\\u0080\\u0080\\u00af\""},
	    {"\xed\xa0\x80", 3, "\"\\u00ed\\u00a0\\u0080\""},		 /* surrogate */
	    {"\xf4\x90\x80\x80", 4, "\"\\u00f4\\u0090\\u0080\\u0080\""}, /* beyond U+10FFFF */
	    {"a\x80"
	     "b",
		3, "\"a\\u0080b\""},
	};
	char buf[128];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jw w = jw_make(buf, sizeof(buf));

		jw_quote(&w, cases[i].in, cases[i].n);
		assert_true(jw_end(&w));
		assert_string_equal(buf, cases[i].want);
	}
}

/* All pairs of bytes, and random strings: always valid, and well-formed text unchanged. */
static void
test_any_bytes(void **state)
{
	struct guard g = guard_new(256);
	uint32_t rnd = 1;

	(void)state;
	for (unsigned v = 0; v < 65536; v++) {
		char two[2] = {(char)(v >> 8), (char)v};
		json_t *j = quoted((char *)guard_put(&g, two, 2), 2);

		if (!j)
			fail_msg("%02x %02x", v >> 8, v & 0xff);
		if (v >> 8 < 0x80 && (v & 0xff) < 0x80) {
			assert_int_equal(json_string_length(j), 2);
			assert_memory_equal(json_string_value(j), two, 2);
		}
		json_decref(j);
	}
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t s[64];
		size_t n;
		json_t *j;

		for (n = 0; n < sizeof(s); n++) {
			rnd = rnd * 1664525 + 1013904223;
			s[n] = (uint8_t)(rnd >> 24 | (n % 2 ? 0x80 : 0));
		}
		n = rnd >> 8 & 63;
		j = quoted((char *)guard_put(&g, s, n), n);
		assert_non_null(j);
		json_decref(j);
	}
	guard_free(&g);
}

static bool
write_some(struct jw *w)
{
	jw_obj(w, NULL);
	jw_str(w, "text", "quote \" byte \xff end");
	jw_u(w, "number", 1234567890);
	jw_key(w, "bytes");
	jw_hex(w, (const uint8_t *)"\x00\x7f\xa5\xff", 4);
	jw_arr(w, "times");
	jw_key(w, NULL);
	jw_time(w, 0);
	jw_close(w, ']');
	jw_close(w, '}');
	return jw_end(w);
}

/* Numbers near every power of two and of ten, and nanoseconds, as printf has them. */
static void
test_numbers_as_printf(void **state)
{
	char buf[64], want[64];
	uint64_t ten = 1;

	(void)state;
	for (unsigned k = 0; k < 64 + 20; k++) {
		uint64_t mid = k < 64 ? UINT64_C(1) << k : ten;

		for (uint64_t v = mid - 3; v != mid + 4; v++) {
			struct jw w = jw_make(buf, sizeof(buf));

			jw_dec(&w, v);
			assert_true(jw_end(&w));
			(void)snprintf(want, sizeof(want), "%" PRIu64, v);
			assert_string_equal(buf, want);
			w = jw_make(buf, sizeof(buf));
			jw_nano(&w, (uint32_t)(v % 1000000000u));
			assert_true(jw_end(&w));
			(void)snprintf(want, sizeof(want), ".%09u", (unsigned)(v % 1000000000u));
			assert_string_equal(buf, want);
		}
		ten *= k < 64 ? 1 : 10;
	}
}

/* Every byte at every place of a string: escaped there and nowhere else. */
static void
test_every_byte_everywhere(void **state)
{
	static const char as[] = "aaaaaaaaaaaaaaaaaaaaaaa"; /* 23: words, and a rest */
	char text[sizeof(as) - 1], buf[64], want[64];

	(void)state;
	for (unsigned b = 1; b < 256; b++)
		for (unsigned at = 0; at < sizeof(text); at++) {
			struct jw w = jw_make(buf, sizeof(buf));
			bool plain = b >= 0x20 && b < 0x7f && b != '"' && b != '\\';

			memset(text, 'a', sizeof(text));
			text[at] = (char)b;
			jw_quote(&w, text, sizeof(text));
			assert_true(jw_end(&w));
			(void)snprintf(want, sizeof(want),
			    plain		    ? "\"%.*s%c%s\""
			    : b == '"' || b == '\\' ? "\"%.*s\\%c%s\""
						    : "\"%.*s\\u00%02x%s\"",
			    (int)at, as, b, as + at + 1);
			assert_string_equal(buf, want);
		}
}

/* Whatever the room, nothing is written past it, and a cut text is never taken for whole. */
static void
test_full(void **state)
{
	struct guard g = guard_new(256);
	char ample[256];
	struct jw w = jw_make(ample, sizeof(ample));
	size_t need;

	(void)state;
	assert_true(write_some(&w));
	need = strlen(ample) + 1;
	for (size_t size = 0; size < need + 2; size++) {
		char *buf = (char *)g.end - size;

		w = jw_make(buf, size);
		assert_int_equal(write_some(&w), size >= need);
		assert_true(jw_len(&w) <= size);
		if (size >= need)
			assert_string_equal(buf, ample);
		else
			assert_memory_equal(buf, ample, jw_len(&w));
	}
	guard_free(&g);
}

/* Once something did not fit, nothing shorter gets in behind it. */
static void
test_full_is_sticky(void **state)
{
	char buf[8];
	struct jw w = jw_make(buf, sizeof(buf));

	(void)state;
	jw_raw(&w, "12345", 5);
	jw_raw(&w, "6789", 4);
	jw_ch(&w, 'x');
	jw_raw(&w, "y", 1);
	assert_true(w.full);
	assert_int_equal(jw_len(&w), 5);
	assert_false(jw_end(&w));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_shape),
	    cmocka_unit_test(test_numbers_and_time),
	    cmocka_unit_test(test_escapes),
	    cmocka_unit_test(test_any_bytes),
	    cmocka_unit_test(test_numbers_as_printf),
	    cmocka_unit_test(test_every_byte_everywhere),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_full_is_sticky),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
