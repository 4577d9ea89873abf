/* SPDX-License-Identifier: Apache-2.0 */
/* builder.c - both ends of the process that compiles a policy (builder.h). */
#include "guard/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "policy/image.h"

#define SENT_MAX 100u /* complaints that are passed on; the socket holds as many */

/* --- the child ------------------------------------------------------------------------------- */

static void
send_last(
    const struct msg_peer *p, uint16_t type, const struct complaints *c, const char *text, int fd)
{
	struct msg m = {.type = type, .a = c->errors, .b = c->warnings};

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	(void)msg_send(p, &m, fd);
}

static void
send_complaints(const struct msg_peer *p, const struct complaints *c)
{
	for (size_t i = 0; i < c->n && i < SENT_MAX; i++) {
		struct msg m = {.type = MSG_COMPLAINT, .a = c->v[i].level, .b = c->v[i].line};

		m.result = (int32_t)c->v[i].col;
		(void)snprintf(m.text, sizeof(m.text), "%s", c->v[i].text);
		(void)msg_send(p, &m, -1);
	}
}

/* The whole text; NULL and a reason when it cannot be had. */
static char *
read_all(int fd, size_t *len, const char **why)
{
	char *buf = malloc(BUILDER_TEXT_MAX + 1);
	size_t n = 0;
	ssize_t got = 0;

	while (
	    buf && n <= BUILDER_TEXT_MAX && (got = read(fd, buf + n, BUILDER_TEXT_MAX + 1 - n)) > 0)
		n += (size_t)got;
	*why = !buf		      ? err_str(ERR_NOMEM)
	       : got < 0	      ? strerror(errno)
	       : n > BUILDER_TEXT_MAX ? "longer than 16 MiB"
				      : NULL;
	*len = n;
	return *why ? NULL : buf;
}

static _Noreturn void
child(const struct builder_conf *conf, int text_fd, int sock)
{
	const struct sandbox_limits limits = {
	    .cpu_s = conf->limits.cpu_s ? conf->limits.cpu_s : BUILDER_CPU_S,
	    .data_bytes = conf->limits.data_bytes ? conf->limits.data_bytes : BUILDER_DATA,
	    .file_bytes = conf->limits.file_bytes ? conf->limits.file_bytes : POLICY_SLOT_BYTES,
	};
	const int keep[] = {text_fd, sock};
	const struct sandbox sb = {.role = SANDBOX_BUILDER,
	    .uid = conf->uid,
	    .gid = conf->gid,
	    .keep = keep,
	    .n_keep = 2,
	    .with_parent = true};
	static const struct msg_rule nothing[] = {{MSG_NONE, 0, NULL}};
	struct complaints c = {.file = conf->path};
	struct msg_peer peer;
	const char *why = "";
	char err[MSG_TEXT] = "", *text;
	size_t len;
	int fd;

	if (conf->child)
		conf->child(conf->ctx);
	msg_init(&peer, sock, nothing, NULL);
	if (sandbox_limit(&limits) < 0 || sandbox_enter(&sb, err, sizeof(err)) < 0) {
		send_last(&peer, MSG_FAILED, &c, *err ? err : "limits", -1);
		_exit(1);
	}
	if (!(text = read_all(text_fd, &len, &why))) {
		send_last(&peer, MSG_FAILED, &c, why, -1);
		_exit(1);
	}
	fd = policy_image_build(conf->path, text, len, conf->slot, conf->generation, &c);
	send_complaints(&peer, &c);
	send_last(&peer, fd < 0 ? MSG_FAILED : MSG_BUILT, &c,
	    fd < 0 && c.errors == 0 ? err_str(fd) : "", fd);
	_exit(fd < 0);
}

/* --- the parent ------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3))) say(struct builder *b, const char *fmt, ...)
{
	size_t room = sizeof(b->said) - b->said_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(b->said + b->said_len, room, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < room)
		b->said_len += (size_t)n;
	else
		b->said[b->said_len] = '\0'; /* whole lines only */
}

static void
failed(struct builder *b, const char *why)
{
	say(b, "%s: %s\n", b->path, why);
	if (b->errors == 0)
		b->errors = 1;
	b->ended = true;
}

static int
on_complaint(void *ctx, const struct msg *m, int fd)
{
	struct builder *b = ctx;
	const char *what = m->a == COMPLAINT_WARNING ? "warning: " : "";

	(void)fd;
	if (m->b != 0)
		say(b, "%s:%u:%d: %s%s\n", b->path, (unsigned)m->b, m->result, what, m->text);
	else
		say(b, "%s: %s%s\n", b->path, what, m->text);
	return 0;
}

static int
on_built(void *ctx, const struct msg *m, int fd)
{
	struct builder *b = ctx;

	b->image_fd = fd;
	b->warnings = m->b;
	b->ended = true;
	return ERR_EOF; /* nothing more is heard from it */
}

static int
on_failed(void *ctx, const struct msg *m, int fd)
{
	struct builder *b = ctx;

	(void)fd;
	b->errors = m->a;
	b->warnings = m->b;
	b->ended = true;
	if (m->text[0] != '\0' || m->a == 0)
		failed(b, m->text[0] != '\0' ? m->text : "it could not be compiled");
	return ERR_EOF;
}

static const struct msg_rule rules[] = {
    {MSG_COMPLAINT, 0, on_complaint},
    {MSG_BUILT, MSG_F_FD, on_built},
    {MSG_FAILED, 0, on_failed},
    {MSG_NONE, 0, NULL},
};

static int
open_text(const char *path, char *err, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_say(err, size, err_from_errno(errno), "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return err_say(err, size, ERR_USAGE, "%s: not a file", path);
}

int
builder_start(struct builder *b, const struct builder_conf *conf, char *err, size_t size)
{
	int text_fd = open_text(conf->path, err, size), pair[2], r;

	*b = (struct builder){.image_fd = -1, .peer = {.fd = -1}};
	if (text_fd < 0)
		return text_fd;
	(void)snprintf(b->path, sizeof(b->path), "%s", conf->path);
	if ((r = msg_pair(pair)) < 0) {
		close(text_fd);
		return err_say(err, size, r, "builder: %s", err_str(r));
	}
	b->deadline_ns = clock_mono_ns() + BUILDER_WAIT_NS;
	if ((b->pid = fork()) == 0)
		child(conf, text_fd, pair[1]);
	r = b->pid < 0 ? err_say(err, size, err_from_errno(errno), "builder: %s", strerror(errno))
		       : 0;
	b->pid = b->pid < 0 ? 0 : b->pid;
	close(text_fd);
	close(pair[1]);
	msg_init(&b->peer, pair[0], rules, b);
	if (r < 0)
		msg_close(&b->peer);
	return r;
}

int
builder_fd(const struct builder *b)
{
	return b->peer.fd;
}

bool
builder_step(struct builder *b, uint64_t mono_ns)
{
	int r = 0;

	if (b->ended)
		return true;
	if (b->peer.fd >= 0 && (r = msg_run(&b->peer)) == ERR_FORMAT)
		failed(b, "the builder said something it must not say");
	if (!b->ended && mono_ns >= b->deadline_ns)
		failed(b, "not compiled within 30 s");
	if (!b->ended && b->pid == 0)
		failed(b, "the builder ended without an answer");
	return b->ended;
}

bool
builder_reaped(struct builder *b, pid_t pid, int status)
{
	if (b->pid == 0 || pid != b->pid)
		return false;
	b->pid = 0;
	while (b->peer.fd >= 0 && !b->ended)
		(void)msg_run(&b->peer); /* all it has said; then comes the end */
	if (b->ended)
		return true;
	if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
		failed(b, "it takes more than 20 s of processor time to compile");
	else if (WIFSIGNALED(status))
		failed(b, WTERMSIG(status) == SIGSYS
			      ? "the builder was stopped: it did what it must not do"
			      : "the builder fell over it");
	else
		failed(b, "the builder ended without an answer");
	return true;
}

void
builder_end(struct builder *b)
{
	msg_close(&b->peer);
	if (b->pid != 0) {
		(void)kill(b->pid, SIGKILL);
		(void)waitpid(b->pid, NULL, 0);
		b->pid = 0;
	}
	if (b->image_fd >= 0)
		close(b->image_fd);
	b->image_fd = -1;
}
