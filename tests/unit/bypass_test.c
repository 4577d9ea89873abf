/* SPDX-License-Identifier: Apache-2.0 */
/* bypass_test.c - a hardware bypass by a file and by a program (guard/bypass.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "guard/bypass.h"

static char dir[] = "/tmp/bypass.XXXXXX";
static char err[256];

static enum bypass_state
state(struct bypass *b)
{
	enum bypass_state s = BYPASS_UNKNOWN;

	assert_int_equal(bypass_state(b, &s, err, sizeof(err)), 0);
	return s;
}

static const char *
path(const char *scheme, const char *name)
{
	static char buf[128];

	(void)snprintf(buf, sizeof(buf), "%s%s/%s", scheme, dir, name);
	return buf;
}

static void
test_specs(void **st)
{
	struct bypass b;

	(void)st;
	assert_int_equal(bypass_open(&b, "relay0", err, sizeof(err)), ERR_USAGE);
	assert_int_equal(bypass_open(&b, "file:state", err, sizeof(err)), ERR_USAGE);
	assert_non_null(strstr(err, "file:state"));
	assert_null(b.ops);
	/* Without one everything is done at once. */
	assert_int_equal(bypass_arm(&b, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_UNKNOWN);
}

static void
test_file(void **st)
{
	struct bypass b;
	enum bypass_state s;

	(void)st;
	assert_int_equal(bypass_open(&b, path("file:", "state"), err, sizeof(err)), 0);
	assert_true(bypass_state(&b, &s, err, sizeof(err)) < 0); /* there is none yet */
	assert_int_equal(bypass_disarm(&b, 0, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_DISARMED);
	assert_int_equal(bypass_arm(&b, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_ARMED);
	/* A watchdog that is kicked, and one that is not. */
	assert_int_equal(bypass_disarm(&b, 60000, err, sizeof(err)), 0);
	assert_int_equal(bypass_kick(&b, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_DISARMED);
	assert_int_equal(bypass_disarm(&b, 1, err, sizeof(err)), 0);
	(void)usleep(5000);
	assert_int_equal(state(&b), BYPASS_ARMED);
	assert_int_equal(bypass_kick(&b, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_ARMED); /* a kick does not bring it back */
}

static void
test_program(void **st)
{
	static const char text[] =
	    "#!/bin/sh\n"
	    "cd \"${0%/*}\"\n"
	    "echo \"$@\" >>said\n"
	    "case $1 in state) cat is ;; kick) ;; *) echo \"$1\"ed >is ;; esac\n";
	char buf[256] = "";
	struct bypass b;
	FILE *f;
	int status;

	(void)st;
	f = fopen(path("", "relay"), "w");
	assert_non_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
	assert_int_equal(chmod(path("", "relay"), 0700), 0);
	assert_int_equal(bypass_open(&b, path("exec:", "relay"), err, sizeof(err)), 0);
	assert_int_equal(bypass_disarm(&b, 2000, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_DISARMED);
	assert_int_equal(bypass_kick(&b, err, sizeof(err)), 0);
	assert_int_equal(bypass_kick(&b, err, sizeof(err)), ERR_AGAIN); /* one at a time */
	assert_false(bypass_reaped(&b, b.pid + 1));
	assert_int_equal(waitpid(b.pid, &status, 0), b.pid);
	assert_true(bypass_reaped(&b, b.pid));
	assert_int_equal(bypass_arm(&b, err, sizeof(err)), 0);
	assert_int_equal(state(&b), BYPASS_ARMED);
	f = fopen(path("", "said"), "r");
	assert_non_null(f);
	(void)!fread(buf, 1, sizeof(buf) - 1, f);
	(void)fclose(f);
	assert_string_equal(buf, "disarm 2000\nstate\nkick\narm\nstate\n");
	/* One that is not there. */
	assert_int_equal(bypass_open(&b, path("exec:", "none"), err, sizeof(err)), 0);
	assert_int_equal(bypass_arm(&b, err, sizeof(err)), ERR_IO);
	assert_non_null(strstr(err, "none arm: failed"));
}

static int
clean(void **st)
{
	static const char *const names[] = {"state", "relay", "said", "is"};

	(void)st;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(path("", names[i]));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_specs),
	    cmocka_unit_test(test_file), cmocka_unit_test(test_program)};

	if (!mkdtemp(dir))
		return 1;
	return cmocka_run_group_tests(tests, NULL, clean);
}
