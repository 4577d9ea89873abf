/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl_test.c - the control socket: round trips, roles by what the kernel says of the peer, answers
 * that come later, descriptors both ways, clients that are slow, rude or too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "guard/ctl.h"

#define SEC UINT64_C(1000000000)

static char dir[] = "/tmp/interlock-ctl-XXXXXX", path[64];
static uint64_t now = 1000 * SEC;

static struct {
	unsigned acted, verb;
	bool admin;
	uid_t uid;
	uint64_t later;
	char got[64]; /* what stood in the descriptor that came */
	bool keep;    /* that descriptor */
	int kept;
} seen;

/* --- the guard's side ------------------------------------------------------------------------- */

static int
act(void *ctx, struct ctl_request *rq, struct jw *out, char *err, size_t err_size)
{
	static char big[CTL_REPLY];
	ssize_t n;

	(void)ctx;
	seen.acted++;
	seen.verb = rq->id;
	seen.admin = rq->admin;
	seen.uid = rq->uid;
	switch (rq->id) {
	case CTL_status:
		jw_str(out, "verb", rq->verb);
		jw_i(out, "n", json_integer_value(json_object_get(rq->args, "n")));
		return 0;
	case CTL_flows: /* half of what may be */
		memset(big, 'x', sizeof(big));
		jw_strn(out, "text", big, sizeof(big) / 2);
		return 0;
	case CTL_counters: /* more than may be */
		jw_strn(out, "text", big, sizeof(big));
		return 0;
	case CTL_reload:
		seen.later = rq->token;
		return CTL_LATER;
	case CTL_takeover:
		if (rq->n_fds != 1)
			return err_say(err, err_size, ERR_USAGE, "one descriptor, please");
		n = read(rq->fd[0], seen.got, sizeof(seen.got) - 1);
		seen.got[n > 0 ? n : 0] = '\0';
		if (seen.keep) {
			seen.kept = rq->fd[0];
			rq->fd[0] = -1;
			return 0;
		}
		rq->reply_fd[rq->n_reply_fds++] = STDIN_FILENO;
		return 0;
	default:
		return err_say(err, err_size, ERR_IO, "the \"disk\" is on fire");
	}
}

static struct ctl *
start(gid_t viewer, gid_t admin)
{
	struct ctl_conf conf = {.path = path, .viewer_gid = viewer, .admin_gid = admin, .act = act};
	char err[256] = "";
	struct ctl *c = ctl_open(&conf, err, sizeof(err));

	assert_string_equal(err, "");
	assert_non_null(c);
	memset(&seen, 0, sizeof(seen));
	return c;
}

static void
turn(struct ctl *c)
{
	for (unsigned i = 0; i < 4; i++)
		ctl_run(c, now);
}

/* --- the asker's side ------------------------------------------------------------------------- */

static int
dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* A line, or NULL: nothing there.  closed: the other end has hung up. */
static char *
hear(struct ctl *c, int fd, bool *closed)
{
	static char buf[CTL_REPLY + 1];
	size_t n = 0;

	*closed = false;
	for (unsigned idle = 0; idle < 3;) {
		ssize_t k = recv(fd, buf + n, 1, MSG_DONTWAIT);

		if (k == 1 && buf[n++] == '\n') {
			buf[n] = '\0';
			return buf;
		}
		if (k == 1) { /* the rest in one go, up to the newline */
			ssize_t peek =
			    recv(fd, buf + n, sizeof(buf) - 1 - n, MSG_DONTWAIT | MSG_PEEK);
			char *nl = peek > 0 ? memchr(buf + n, '\n', (size_t)peek) : NULL;
			size_t take = peek <= 0 ? 0 : nl ? (size_t)(nl - buf) - n : (size_t)peek;

			n += take ? (size_t)recv(fd, buf + n, take, MSG_DONTWAIT) : 0;
			idle = 0;
			continue;
		}
		if (k == 0) {
			*closed = true;
			return NULL;
		}
		ctl_run(c, now);
		idle++;
	}
	return NULL;
}

static json_t *
ask(struct ctl *c, int fd, const char *line)
{
	bool closed;
	char *answer;
	json_t *o;

	say(fd, line);
	turn(c);
	answer = hear(c, fd, &closed);
	assert_non_null(answer);
	o = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(o);
	assert_int_equal(json_integer_value(json_object_get(o, "v")), 1);
	return o;
}

static void
expect(struct ctl *c, int fd, const char *line, const char *code)
{
	json_t *o = ask(c, fd, line);

	assert_false(json_is_true(json_object_get(o, "ok")));
	assert_string_equal(json_string_value(json_object_get(o, "code")), code);
	assert_true(json_string_length(json_object_get(o, "error")) > 0);
	json_decref(o);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void
round_trip(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	int fd = dial();
	json_t *o = ask(c, fd, "{\"v\":1,\"verb\":\"status\",\"n\":-7,\"id\":12}\n");
	const json_t *r = json_object_get(o, "result");

	(void)state;
	assert_true(json_is_true(json_object_get(o, "ok")));
	assert_int_equal(json_integer_value(json_object_get(o, "id")), 12);
	assert_string_equal(json_string_value(json_object_get(r, "verb")), "status");
	assert_int_equal(json_integer_value(json_object_get(r, "n")), -7);
	assert_true(seen.admin); /* this user's own guard */
	assert_int_equal(seen.uid, getuid());
	json_decref(o);
	/* Without v and id; a string id; two in one segment, answered in their order. */
	o = ask(c, fd, "{\"verb\":\"status\"}\n");
	assert_null(json_object_get(o, "id"));
	json_decref(o);
	o = ask(c, fd,
	    "{\"verb\":\"status\",\"id\":\"a\\\"\\u00e4\"}\n{\"verb\":\"status\",\"id\":2}\n");
	assert_string_equal(json_string_value(json_object_get(o, "id")), "a\"\xc3\xa4");
	json_decref(o);
	o = ask(c, fd, "");
	assert_int_equal(json_integer_value(json_object_get(o, "id")), 2);
	json_decref(o);
	/* Byte by byte. */
	for (const char *p = "{\"verb\":\"status\",\"id\":3}"; *p; p++) {
		assert_int_equal(send(fd, p, 1, 0), 1);
		ctl_run(c, now);
	}
	o = ask(c, fd, "\n");
	assert_int_equal(json_integer_value(json_object_get(o, "id")), 3);
	json_decref(o);
	assert_int_equal(ctl_stats(c)->requests, 5);
	assert_int_equal(ctl_stats(c)->malformed, 0);
	(void)close(fd);
	ctl_close(c);
	assert_int_equal(access(path, F_OK), -1);
}

static void
errors(void **state)
{
	static const char *const bad[] = {"\n", "{}\n", "[1]\n", "{\"verb\":1}\n", "status\n",
	    "{\"verb\":\"status\",\"verb\":\"stop\"}\n", "{\"verb\":\"status\",\"id\":[]}\n",
	    "{\"verb\":\"status\"} {}\n", "\xff\xfe\n"};
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	int fd = dial();
	json_t *o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect(c, fd, bad[i], "syntax");
	expect(c, fd, "{\"verb\":\"explode\"}\n", "unknown");
	expect(c, fd, "{\"v\":2,\"verb\":\"status\"}\n", "unsupported");
	assert_int_equal(seen.acted, 0);
	o = ask(c, fd, "{\"verb\":\"stop\"}\n");
	assert_string_equal(
	    json_string_value(json_object_get(o, "error")), "the \"disk\" is on fire");
	json_decref(o);
	expect(c, fd, "{\"verb\":\"counters\"}\n", "too_long");
	assert_int_equal(ctl_stats(c)->malformed, sizeof(bad) / sizeof(bad[0]) + 1);
	(void)close(fd);
	ctl_close(c);
}

/* Children of other users ask; what they are is what the kernel says. */
static void
roles(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid, extra;
		const char *verb, *want; /* code, or "ok" */
	} v[] = {
	    {65534, 65534, 0, "status", "permission"},
	    {65534, 2001, 0, "status", "ok"},
	    {65534, 2001, 0, "stop", "permission"},
	    {65534, 65534, 2001, "status", "ok"}, /* a supplementary group counts */
	    {65534, 65534, 2002, "stop", "failed"},
	    {65534, 2002, 0, "stop", "failed"}, /* it was let through to act() */
	    {65534, 2002, 0, "status", "ok"},
	    {0, 0, 0, "stop", "failed"},
	};
	struct ctl *c;

	(void)state;
	if (geteuid() != 0)
		skip(); /* needs root to become others */
	c = start(2001, 2002);
	assert_int_equal(chmod(dir, 0755), 0);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		int p[2], status;
		char answer[256] = "";
		pid_t pid;

		assert_int_equal(pipe(p), 0);
		pid = fork();
		if (pid == 0) {
			char line[64], buf[256];
			ssize_t n;
			int fd;

			if (setgroups(v[i].extra ? 1 : 0, &v[i].extra) != 0 ||
			    setgid(v[i].gid) != 0 || setuid(v[i].uid) != 0)
				_exit(1);
			fd = dial();
			snprintf(line, sizeof(line), "{\"verb\":\"%s\"}\n", v[i].verb);
			(void)!write(fd, line, strlen(line));
			n = read(fd, buf, sizeof(buf));
			(void)!write(p[1], buf, n > 0 ? (size_t)n : 0);
			_exit(0);
		}
		(void)close(p[1]);
		while (waitpid(pid, &status, WNOHANG) == 0) {
			struct pollfd pf = {.fd = ctl_fd(c), .events = POLLIN};

			(void)poll(&pf, 1, 10);
			ctl_run(c, now);
		}
		assert_int_equal(status, 0);
		assert_true(read(p[0], answer, sizeof(answer) - 1) > 0);
		(void)close(p[0]);
		if (strcmp(v[i].want, "ok") == 0)
			assert_non_null(strstr(answer, "\"ok\":true"));
		else
			assert_non_null(strstr(answer, v[i].want));
	}
	assert_int_equal(ctl_stats(c)->refused, 2);
	ctl_close(c);
}

/* An answer that takes its time does not keep others waiting, and may find nobody. */
static void
later(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	int fd = dial(), other = dial();
	static const char members[] = "\"generation\":3";
	bool closed;
	char *answer;
	json_t *o;

	(void)state;
	say(fd, "{\"verb\":\"reload\",\"id\":1}\n{\"verb\":\"status\",\"id\":2}\n");
	turn(c);
	assert_null(hear(c, fd, &closed));
	now += 60 * SEC; /* it waits for us, not we for it */
	o = ask(c, other, "{\"verb\":\"status\"}\n");
	json_decref(o);
	ctl_answer(c, seen.later + 100, 0, NULL, NULL, 0); /* nobody's */
	ctl_answer(c, seen.later, 0, NULL, members, sizeof(members) - 1);
	answer = hear(c, fd, &closed);
	assert_string_equal(
	    answer, "{\"v\":1,\"id\":1,\"ok\":true,\"result\":{\"generation\":3}}\n");
	answer = hear(c, fd, &closed);
	assert_non_null(answer);
	assert_non_null(strstr(answer, "\"id\":2"));
	/* Refused, with a reason. */
	say(fd, "{\"verb\":\"reload\"}\n");
	turn(c);
	ctl_answer(c, seen.later, ERR_SYNTAX, "plant.yaml:3:1: no", NULL, 0);
	answer = hear(c, fd, &closed);
	assert_non_null(strstr(answer, "plant.yaml:3:1: no"));
	/* It goes away before. */
	say(fd, "{\"verb\":\"reload\"}\n");
	turn(c);
	(void)close(fd);
	turn(c);
	ctl_answer(c, seen.later, 0, NULL, NULL, 0);
	(void)close(other);
	ctl_close(c);
}

/* A request with a descriptor. */
static void
give(int fd, char *line, int what)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u = {.buf = {0}};
	struct iovec iov = {line, strlen(line)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = u.buf,
	    .msg_controllen = sizeof(u.buf)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&mh);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &what, sizeof(int));
	assert_true(sendmsg(fd, &mh, 0) > 0);
}

static char takeover[] = "{\"verb\":\"takeover\"}\n";

/* The asker is gone when the answer is sent: what the verb has kept is not closed with the rest. */
static void
kept(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	int fd = dial(), p[2];
	char buf[2];

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	seen.keep = true;
	turn(c); /* it is a client */
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "hello", 5), 5);
	give(fd, takeover, p[0]);
	(void)close(fd);
	turn(c);
	assert_string_equal(seen.got, "hello");
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(read(seen.kept, buf, 2), 1);
	(void)close(seen.kept);
	(void)close(p[0]);
	(void)close(p[1]);
	ctl_close(c);
}

static void
descriptors(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u;
	char buf[256];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = u.buf,
	    .msg_controllen = sizeof(u.buf)};
	struct cmsghdr *h;
	struct stat a, b;
	int fd = dial(), p[2], got;

	(void)state;
	expect(c, fd, takeover, "failed"); /* without one */
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "hello", 5), 5);
	give(fd, takeover, p[0]);
	turn(c);
	assert_string_equal(seen.got, "hello");
	(void)close(p[0]);
	/* Nobody kept it: the pipe has no reader. */
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(write(p[1], "x", 1), -1);
	(void)close(p[1]);
	assert_true(recvmsg(fd, &mh, 0) > 0);
	h = CMSG_FIRSTHDR(&mh);
	assert_non_null(h);
	memcpy(&got, CMSG_DATA(h), sizeof(got));
	assert_int_equal(fstat(got, &a), 0);
	assert_int_equal(fstat(STDIN_FILENO, &b), 0);
	assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	(void)close(got);
	(void)close(fd);
	ctl_close(c);
}

static void
rude(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	static char big[CTL_LINE + 10];
	int fd = dial(), many[CTL_CLIENTS + 8];
	bool closed = false;
	char *answer;
	json_t *o;

	(void)state;
	/* A line without an end. */
	memset(big, 'a', sizeof(big));
	for (size_t n = 0; n < CTL_LINE;) {
		ssize_t k = send(fd, big, CTL_LINE - n, MSG_DONTWAIT);

		n += k > 0 ? (size_t)k : 0;
		ctl_run(c, now);
	}
	turn(c);
	answer = hear(c, fd, &closed);
	assert_non_null(answer);
	assert_non_null(strstr(answer, "too_long"));
	(void)hear(c, fd, &closed);
	assert_true(closed);
	(void)close(fd);
	/* Half a line, then silence. */
	fd = dial();
	say(fd, "{\"verb\":");
	turn(c);
	now += CTL_PATIENCE_NS - SEC;
	turn(c);
	assert_int_equal(ctl_stats(c)->dropped, 0);
	now += 2 * SEC;
	turn(c);
	assert_int_equal(ctl_stats(c)->dropped, 1);
	(void)hear(c, fd, &closed);
	assert_true(closed);
	(void)close(fd);
	/* An answer nobody reads. */
	fd = dial();
	say(fd, "{\"verb\":\"flows\"}\n");
	turn(c);
	now += CTL_PATIENCE_NS + SEC;
	turn(c);
	assert_int_equal(ctl_stats(c)->dropped, 2);
	(void)close(fd);
	/* Silence without a line is no offence; but holds no place against others. */
	for (unsigned i = 0; i < CTL_CLIENTS + 8; i++) {
		many[i] = dial();
		turn(c);
		now += SEC;
	}
	assert_int_equal(ctl_stats(c)->dropped, 2 + 8);
	o = ask(c, many[CTL_CLIENTS + 7], "{\"verb\":\"status\"}\n");
	json_decref(o);
	(void)hear(c, many[0], &closed);
	assert_true(closed);
	for (unsigned i = 0; i < CTL_CLIENTS + 8; i++)
		(void)close(many[i]);
	turn(c);
	/* A large answer to one that reads slowly arrives whole. */
	fd = dial();
	say(fd, "{\"verb\":\"flows\"}\n");
	turn(c);
	answer = hear(c, fd, &closed);
	assert_non_null(answer);
	assert_true(strlen(answer) > CTL_REPLY / 2);
	(void)close(fd);
	/* shutdown() of its sending side, as nc does: it still hears the answer. */
	fd = dial();
	say(fd, "{\"verb\":\"status\"}\n");
	(void)shutdown(fd, SHUT_WR);
	turn(c);
	assert_non_null(hear(c, fd, &closed));
	(void)hear(c, fd, &closed);
	assert_true(closed);
	(void)close(fd);
	ctl_close(c);
}

/* A living guard's socket is left alone; a dead one's, and a predecessor's, is replaced. */
static void
places(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP), *next;
	struct ctl_conf conf = {.path = path, .act = act};
	char err[256], line[] = "{\"verb\":\"status\"}\n";
	json_t *o;
	int fd;

	(void)state;
	assert_null(ctl_open(&conf, err, sizeof(err)));
	assert_non_null(strstr(err, "another guard answers"));
	conf.replace = true;
	next = ctl_open(&conf, err, sizeof(err));
	assert_non_null(next);
	ctl_close(c); /* does not take the path with it */
	fd = dial();
	o = ask(next, fd, line);
	json_decref(o);
	(void)close(fd);
	/* As kill -9 leaves it. */
	if (fork() == 0)
		_exit(0);
	(void)wait(NULL);
	{
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		int dead = socket(AF_UNIX, SOCK_STREAM, 0);

		ctl_close(next);
		snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
		assert_int_equal(bind(dead, (struct sockaddr *)&a, sizeof(a)), 0);
		(void)close(dead);
	}
	c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	ctl_close(c);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	(void)close(fd);
	assert_null(ctl_open(&conf, err, sizeof(err)));
	assert_non_null(strstr(err, "is no socket"));
	(void)unlink(path);
	conf.path = "/nowhere/at/all/ctl.sock";
	assert_null(ctl_open(&conf, err, sizeof(err)));
	conf.path = "/tmp/"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	assert_null(ctl_open(&conf, err, sizeof(err)));
	assert_non_null(strstr(err, "too long"));
}

static void
adopted(void **state)
{
	struct ctl *c = start(CTL_NO_GROUP, CTL_NO_GROUP);
	json_t *o;
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	assert_int_equal(ctl_adopt(c, p[0], false), 0);
	o = ask(c, p[1], "{\"verb\":\"status\"}\n");
	json_decref(o);
	assert_false(seen.admin);
	expect(c, p[1], "{\"verb\":\"stop\"}\n", "permission");
	(void)close(p[1]);
	ctl_close(c);
}

static int
setup(void **state)
{
	(void)state;
	log_set_level(LOG_L_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/ctl.sock", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(errors),
	    cmocka_unit_test(roles),
	    cmocka_unit_test(later),
	    cmocka_unit_test(descriptors),
	    cmocka_unit_test(kept),
	    cmocka_unit_test(rude),
	    cmocka_unit_test(places),
	    cmocka_unit_test(adopted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
