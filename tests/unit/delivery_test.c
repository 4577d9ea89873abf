/* SPDX-License-Identifier: Apache-2.0 */
/* delivery_test.c - what a status file makes of events, over time that the test makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alerts/delivery.h"
#include "base/clock.h"

#define BASE_MS UINT64_C(1700000000000)
#define NONE	(-1)

static char dir[] = "/tmp/il-delivery-XXXXXX", path[64], note[DELIVERY_NOTE_MAX];
static struct delivery *d;

static void
status(uint64_t at_s, const char *outputs)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fprintf(f, "{\"v\":1,\"time\":%llu,\"outputs\":[%s]}\n",
	    (unsigned long long)(BASE_MS + at_s * 1000), outputs);
	assert_int_equal(fclose(f), 0);
}

/* What is told at that second, or NONE. */
static int
look(uint64_t at_s)
{
	enum guard_event ev;

	return delivery_look(d, (at_s + 1) * NS_PER_S, BASE_MS + at_s * 1000, &ev, note) ? (int)ev
											 : NONE;
}

#define OUT(name, state, more)                                                                     \
	"{\"name\":\"" name "\",\"state\":\"" state "\",\"last_error\":\"no route\"" more "}"
#define GOOD(name) OUT(name, "current", ",\"behind_alerts\":0,\"behind_ms\":0")
#define BAD(name)  OUT(name, "retrying", ",\"behind_alerts\":7,\"behind_ms\":5000")

static void
test_behind(void **st)
{
	(void)st;
	status(0, GOOD("a"));
	assert_int_equal(look(0), NONE);
	status(10, BAD("a"));
	assert_int_equal(look(10), NONE); /* not for so long */
	status(38, BAD("a"));
	assert_int_equal(look(38), NONE);
	status(40, BAD("a"));
	assert_int_equal(look(40), GUARD_SENDER_BEHIND);
	assert_string_equal(note, "a: 7 alerts wait: no route");
	status(60, BAD("a"));
	assert_int_equal(look(60), NONE); /* once */
	status(70, GOOD("a"));
	assert_int_equal(look(70), GUARD_SENDER_DELIVERED);
	assert_string_equal(note, "a: delivers again, after 60 s");
	assert_int_equal(look(74), NONE);
}

static void
test_short_trouble(void **st)
{
	(void)st;
	for (uint64_t s = 0; s < 200; s += 20) { /* never 30 s without success */
		status(s, s / 20 % 2 ? GOOD("a") : BAD("a"));
		assert_int_equal(look(s), NONE);
	}
}

static void
test_slow(void **st)
{
	(void)st;
	/* It sends, and does not keep up. */
	status(0, OUT("a", "sending", ",\"behind_alerts\":9,\"behind_ms\":31000"));
	assert_int_equal(look(0), NONE);
	status(30, OUT("a", "sending", ",\"behind_alerts\":99,\"behind_ms\":61000"));
	assert_int_equal(look(30), GUARD_SENDER_BEHIND);
	status(32, OUT("a", "sending", ",\"behind_alerts\":99,\"behind_ms\":30000"));
	assert_int_equal(look(32), GUARD_SENDER_DELIVERED);
}

static void
test_refused(void **st)
{
	(void)st;
	status(0, OUT("a", "refused", ",\"behind_alerts\":null,\"behind_ms\":null"));
	assert_int_equal(look(0), GUARD_SENDER_REFUSED);
	assert_string_equal(note, "a: no route");
	status(100, BAD("a")); /* tries again: still the same trouble */
	assert_int_equal(look(100), NONE);
	status(102, OUT("a", "refused", ""));
	assert_int_equal(look(102), NONE);
	status(104, GOOD("a"));
	assert_int_equal(look(104), GUARD_SENDER_DELIVERED);
	/* Behind first, then refused: worse is told. */
	status(110, BAD("a"));
	assert_int_equal(look(110), NONE);
	status(140, BAD("a"));
	assert_int_equal(look(140), GUARD_SENDER_BEHIND);
	status(142, OUT("a", "refused", ""));
	assert_int_equal(look(142), GUARD_SENDER_REFUSED);
}

static void
test_each_output(void **st)
{
	(void)st;
	status(0, BAD("a") "," BAD("b") "," GOOD("c"));
	assert_int_equal(look(0), NONE);
	status(30, BAD("a") "," BAD("b") "," GOOD("c"));
	assert_int_equal(look(30), GUARD_SENDER_BEHIND);
	assert_true(strncmp(note, "a:", 2) == 0);
	assert_int_equal(look(30), GUARD_SENDER_BEHIND); /* the next call says the next one */
	assert_true(strncmp(note, "b:", 2) == 0);
	assert_int_equal(look(30), NONE);
	status(40, GOOD("b") "," GOOD("c")); /* a is no output any more: nothing to tell of it */
	assert_int_equal(look(40), GUARD_SENDER_DELIVERED);
	assert_true(strncmp(note, "b:", 2) == 0);
	assert_int_equal(look(40), NONE);
}

static void
test_nobody(void **st)
{
	(void)st;
	/* No file, then one that nobody writes, one that is none, one of the future. */
	assert_int_equal(look(0), NONE);
	assert_int_equal(look(30), GUARD_SENDER_BEHIND);
	assert_string_equal(note, "the sender: it does not run, alerts wait in the journal");
	status(100, GOOD("a"));
	assert_int_equal(look(100), GUARD_SENDER_DELIVERED);
	assert_int_equal(look(130), NONE);
	assert_int_equal(look(132), NONE);
	assert_int_equal(look(162), GUARD_SENDER_BEHIND);
	status(165, GOOD("a"));
	assert_int_equal(look(165), GUARD_SENDER_DELIVERED);
	for (const char *const *bad =
		 (const char *const[]){"", "{", "[]", "{\"time\":-5,\"outputs\":7}",
		     "{\"v\":1,\"time\":1e99,\"outputs\":[1,null,{\"name\":3}]}", NULL};
	     *bad; bad++) {
		FILE *f = fopen(path, "we");

		assert_non_null(f);
		fputs(*bad, f);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(look(170), NONE);
	}
	status(500, GOOD("a"));
	assert_int_equal(look(198), NONE);
	assert_int_equal(look(200), GUARD_SENDER_BEHIND);
}

static void
test_proposals(void **st)
{
	FILE *f;

	(void)st;
	for (uint64_t i = 0; i < 3; i++) {
		f = fopen(path, "we");
		assert_non_null(f);
		fprintf(f,
		    "{\"v\":1,\"time\":%llu,\"proposals\":{\"newest\":%d,\"file\":\"4.yaml\"},"
		    "\"outputs\":[]}",
		    (unsigned long long)(BASE_MS + i * 4000), i < 1 ? 3 : 4);
		assert_int_equal(fclose(f), 0);
		assert_int_equal(look(i * 4), i == 1 ? GUARD_PROPOSAL : NONE);
	}
	assert_string_equal(note, "4.yaml: disabled, and not in force");
}

static int
setup(void **st)
{
	(void)st;
	(void)snprintf(dir, sizeof(dir), "/tmp/il-delivery-XXXXXX");
	if (!mkdtemp(dir) || !(d = delivery_new(dir, 30)))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/status.json", dir);
	return 0;
}

static int
teardown(void **st)
{
	(void)st;
	delivery_free(d);
	(void)unlink(path);
	return rmdir(dir);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_behind),
	    TEST(test_short_trouble),
	    TEST(test_slow),
	    TEST(test_refused),
	    TEST(test_each_output),
	    TEST(test_nobody),
	    TEST(test_proposals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
