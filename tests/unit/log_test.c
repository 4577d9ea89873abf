/* SPDX-License-Identifier: Apache-2.0 */
/* log_test.c - lines for people, for the journal, and how many of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

static char got[16384];

/* What a process that does this writes to standard error.  journal: is it the journal's? */
static const char *
of(void (*talk)(void), bool journal)
{
	char path[] = "/tmp/interlock-log-XXXXXX", stream[64];
	int fd = mkstemp(path), status;
	struct stat st;
	ssize_t n;
	pid_t pid;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* The variable alone says nothing: standard error may have been sent elsewhere. */
		(void)setenv("JOURNAL_STREAM", journal ? stream : "1:2", 1);
		(void)dup2(fd, STDERR_FILENO);
		log_init();
		talk();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	n = pread(fd, got, sizeof(got) - 1, 0);
	got[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	(void)unlink(path);
	return got;
}

static void
each_level(void)
{
	log_set_level(LOG_L_DEBUG);
	log_error("journal %s: %s", "/x", "no space");
	log_warn("a");
	log_info("b");
	log_debug("c");
	log_set_level(LOG_L_ERROR);
	log_warn("not this");
}

static void
levels(void **state)
{
	(void)state;
	assert_string_equal(of(each_level, false), "interlock: journal /x: no space\n"
						   "interlock: warning: a\n"
						   "interlock: b\n"
						   "interlock: debug: c\n");
	assert_string_equal(of(each_level, true), "<3>journal /x: no space\n<4>a\n<6>b\n<7>c\n");
}

static void
strange_words(void)
{
	char longer[3000];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	log_error("%s", "eth0\n<0>the sky falls\x1b[31m \xc3\xa4");
	log_error("%s", longer);
}

/* What arrives from outside cannot make a second line, a priority or a colour. */
static void
one_line(void **state)
{
	const char *s = of(strange_words, true);

	(void)state;
	static const char want[] = "<3>eth0?<0>the sky falls?[31m \xc3\xa4\n<3>xxx";

	assert_int_equal(strncmp(s, want, sizeof(want) - 1), 0);
	assert_true(strlen(s) < 1200);
	assert_int_equal(s[strlen(s) - 1], '\n');
}

static void
flood(void)
{
	log_set_limit(true);
	for (int i = 0; i < 100; i++)
		log_error("the same, %d", i);
	log_error("another");
	(void)usleep(1100000);
	log_error("the same, %d", 100); /* another place in the program: another message */
	for (int i = 0; i < 2; i++)
		log_warn("once more %d", i);
}

static void
slow_flood(void)
{
	log_set_limit(true);
	for (int i = 0; i < 101; i++) {
		if (i == 100)
			(void)usleep(1100000);
		log_error("the same, %d", i);
	}
}

static void
limited(void **state)
{
	unsigned lines = 0;
	const char *s = of(flood, false);

	(void)state;
	for (const char *p = s; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_true(lines >= 23 && lines <= 26);
	assert_non_null(strstr(s, "interlock: another\n"));
	assert_non_null(strstr(s, "once more 1\n"));
	s = of(slow_flood, false);
	assert_non_null(strstr(s, "interlock: the same, 100 (80 like it left out)\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(levels),
	    cmocka_unit_test(one_line),
	    cmocka_unit_test(limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
