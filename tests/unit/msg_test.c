/* SPDX-License-Identifier: Apache-2.0 */
/* msg_test.c - what a process of the guard accepts from another, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "guard/msg.h"

static struct {
	unsigned ready, policy, stop;
	uint64_t a;
	char text[MSG_TEXT];
	int answer;
} got;

static int
on_ready(void *ctx, const struct msg *m, int fd)
{
	assert_ptr_equal(ctx, &got);
	assert_int_equal(fd, -1);
	got.ready++;
	got.a = m->a;
	memcpy(got.text, m->text, sizeof(got.text));
	return got.answer;
}

static int
on_policy(void *ctx, const struct msg *m, int fd)
{
	char c = 0;

	(void)ctx;
	(void)m;
	got.policy++;
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, 'x');
	close(fd);
	return 0;
}

static int
on_stop(void *ctx, const struct msg *m, int fd)
{
	(void)ctx;
	(void)m;
	(void)fd;
	got.stop++;
	return 0;
}

static const struct msg_rule rules[] = {
    {MSG_READY, 0, on_ready},
    {MSG_POLICY, MSG_F_FD, on_policy},
    {MSG_STOP, MSG_F_ONCE, on_stop},
    {MSG_DONE, MSG_F_LATER, on_stop},
    {MSG_NONE, 0, NULL},
};
static const struct msg_rule none[] = {{MSG_NONE, 0, NULL}};

static struct msg_peer here, there;

static int
begin(void **st)
{
	int fd[2];

	(void)st;
	memset(&got, 0, sizeof(got));
	assert_int_equal(msg_pair(fd), 0);
	msg_init(&here, fd[0], rules, &got);
	msg_init(&there, fd[1], none, NULL);
	return 0;
}

static int
end(void **st)
{
	(void)st;
	msg_close(&here);
	msg_close(&there);
	return 0;
}

/* A pipe with one byte in it: its end to read from. */
static int
byte(void)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	close(p[1]);
	return p[0];
}

static void
test_message(void **st)
{
	struct msg m = {.type = MSG_READY, .a = 7, .text = "all is well"};
	int fd = byte();

	(void)st;
	assert_int_equal(msg_run(&here), 0); /* nothing yet is no error */
	assert_int_equal(msg_send(&there, &m, -1), 0);
	m.type = MSG_POLICY;
	assert_int_equal(msg_send(&there, &m, fd), 0);
	close(fd);
	assert_int_equal(msg_run(&here), 0);
	assert_int_equal(got.ready, 1);
	assert_int_equal(got.a, 7);
	assert_string_equal(got.text, "all is well");
	assert_int_equal(got.policy, 1);
}

static void
test_gone(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, MSG_READY, 1), 0);
	msg_close(&there);
	assert_int_equal(msg_run(&here), ERR_EOF);
	assert_int_equal(got.ready, 1); /* the last words are heard */
	assert_int_equal(here.fd, -1);
	assert_int_equal(msg_say(&here, MSG_STOP, 0), ERR_EOF);
}

/* Each of these ends the conversation, and nothing of it is handled. */
static void
refused(void)
{
	assert_int_equal(msg_run(&here), ERR_FORMAT);
	assert_int_equal(here.fd, -1);
	assert_int_equal(got.ready + got.policy + got.stop, 0);
}

static void
test_unknown(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, MSG_FLOWS, 0), 0);
	refused();
}

static void
test_no_type(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, MSG_NONE, 0), 0);
	refused();
}

static void
test_huge_type(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, 65535, 0), 0);
	refused();
}

static void
test_not_due(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, MSG_DONE, 0), 0);
	refused();
}

static void
test_due_later(void **st)
{
	(void)st;
	msg_due(&here, MSG_DONE, true);
	assert_int_equal(msg_say(&there, MSG_DONE, 0), 0);
	assert_int_equal(msg_run(&here), 0);
	assert_int_equal(got.stop, 1);
}

static void
test_once(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, MSG_STOP, 0), 0);
	assert_int_equal(msg_say(&there, MSG_STOP, 0), 0);
	assert_int_equal(msg_run(&here), ERR_FORMAT);
	assert_int_equal(got.stop, 1);
}

static void
test_short(void **st)
{
	const struct msg m = {.type = MSG_READY};

	(void)st;
	assert_int_equal(send(there.fd, &m, sizeof(m) - 1, 0), (ssize_t)sizeof(m) - 1);
	refused();
}

static void
test_long(void **st)
{
	struct {
		struct msg m;
		char more;
	} x = {.m = {.type = MSG_READY}};

	(void)st;
	assert_int_equal(send(there.fd, &x, sizeof(x), 0), (ssize_t)sizeof(x));
	refused();
}

static void
test_text_without_end(void **st)
{
	struct msg m = {.type = MSG_READY};

	(void)st;
	memset(m.text, 'a', sizeof(m.text));
	assert_int_equal(msg_send(&there, &m, -1), 0);
	refused();
}

static void
test_reserved(void **st)
{
	const struct msg m = {.type = MSG_READY, .reserved = 1};

	(void)st;
	assert_int_equal(msg_send(&there, &m, -1), 0);
	refused();
}

/* How many descriptors are open here. */
static int
open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += dup2(fd, fd) == fd;
	return n;
}

static void
test_descriptor_not_wanted(void **st)
{
	const struct msg m = {.type = MSG_READY};
	int fd = byte(), before = open_fds();

	(void)st;
	assert_int_equal(msg_send(&there, &m, fd), 0);
	refused();
	assert_int_equal(open_fds(), before - 1); /* here's own end; the passed one did not stay */
	close(fd);
}

static void
test_descriptor_missing(void **st)
{
	(void)st;
	assert_int_equal(msg_say(&there, MSG_POLICY, 0), 0);
	refused();
}

static void
test_descriptors_too_many(void **st)
{
	struct msg m = {.type = MSG_POLICY};
	int fds[3], before;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(fds))];
	} control = {.buf = {0}};
	struct iovec iov = {&m, sizeof(m)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	(void)st;
	for (unsigned i = 0; i < 3; i++)
		fds[i] = byte();
	before = open_fds();
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	assert_int_equal(sendmsg(there.fd, &mh, 0), (ssize_t)sizeof(m));
	refused();
	assert_int_equal(open_fds(), before - 1);
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
}

static void
test_handler_ends_it(void **st)
{
	(void)st;
	got.answer = ERR_SYNTAX;
	assert_int_equal(msg_say(&there, MSG_READY, 0), 0);
	assert_int_equal(msg_run(&here), ERR_SYNTAX);
	assert_int_equal(here.fd, -1);
}

/* A peer that does not read is no reason to wait; one that floods not to do anything else. */
static void
test_never_waits(void **st)
{
	unsigned sent = 0, before;

	(void)st;
	while (sent < 100000 && msg_say(&there, MSG_READY, 1) == 0)
		sent++;
	assert_in_range(sent, 101, 99999); /* a builder's 100 complaints and its last word fit */
	assert_int_equal(msg_say(&there, MSG_READY, 1), ERR_AGAIN);
	assert_int_equal(msg_run(&here), 0);
	before = got.ready;
	assert_in_range(before, 1, sent - 1);
	while (got.ready < sent)
		assert_int_equal(msg_run(&here), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_message),
	    CASE(test_gone),
	    CASE(test_unknown),
	    CASE(test_no_type),
	    CASE(test_huge_type),
	    CASE(test_not_due),
	    CASE(test_due_later),
	    CASE(test_once),
	    CASE(test_short),
	    CASE(test_long),
	    CASE(test_text_without_end),
	    CASE(test_reserved),
	    CASE(test_descriptor_not_wanted),
	    CASE(test_descriptor_missing),
	    CASE(test_descriptors_too_many),
	    CASE(test_handler_ends_it),
	    CASE(test_never_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
