/* SPDX-License-Identifier: Apache-2.0 */
/* builder.c - both ends of the process that compiles a policy (builder.h). */
#include "guard/builder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/minisign.h"
#include "policy/bundle.h"
#include "policy/files.h"
#include "policy/image.h"
#include "policy/tz.h"

#define SENT_MAX 100u /* complaints that are passed on; the socket holds as many */

/* --- the child ------------------------------------------------------------------------------- */

static void
send_failed(const struct msg_peer *p, const struct complaints *c, const char *text)
{
	struct msg m = {.type = MSG_FAILED, .a = c->errors, .b = c->warnings};

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	(void)msg_send(p, &m, -1);
}

static void
send_complaints(const struct msg_peer *p, const struct complaints *c)
{
	for (size_t i = 0; i < c->n && i < SENT_MAX; i++) {
		struct msg m = {.type = MSG_COMPLAINT, .a = c->v[i].level, .b = c->v[i].line};

		m.result = (int32_t)c->v[i].col;
		/* No text of a complaint holds a tab: in front of it stands an included file. */
		(void)snprintf(m.text, sizeof(m.text), "%s%s%s",
		    c->v[i].file ? complaint_file(c, &c->v[i]) : "", c->v[i].file ? "\t" : "",
		    c->v[i].text);
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

	while (buf && n <= BUILDER_TEXT_MAX &&
	       (got = pread(fd, buf + n, BUILDER_TEXT_MAX + 1 - n, (off_t)n)) > 0)
		n += (size_t)got;
	*why = !buf		      ? err_str(ERR_NOMEM)
	       : got < 0	      ? strerror(errno)
	       : n > BUILDER_TEXT_MAX ? "longer than 16 MiB"
				      : NULL;
	*len = n;
	return *why ? NULL : buf;
}

/* The very bytes that are compiled next. False: why not. */
static bool
signature_holds(const struct builder_conf *conf, const struct text *t, const char *text, size_t len,
    struct minisign *by, char *why, size_t size)
{
	char err[160];
	int r;

	if (t->sig_len == 0) {
		(void)snprintf(why, size, "is not signed: there is no .minisig beside it");
		return false;
	}
	r = minisign_verify(conf->keys, text, len, t->sig, t->sig_len, by, err, sizeof(err));
	if (r < 0)
		(void)snprintf(why, size, "%s%s",
		    r == ERR_FORMAT || r == ERR_UNSUPPORTED ? "is not signed: its .minisig " : "",
		    err);
	return r == 0;
}

/* --- files and time zones: asked for, since nothing can be opened here --- */

struct asked {
	struct msg_peer *peer;
	int fd; /* what came */
	bool answered;
	int32_t result;
	char *why;
	size_t why_size;
};

static int
on_file(void *ctx, const struct msg *m, int fd)
{
	struct asked *a = ctx;

	(void)m;

	a->answered = true;
	a->fd = fd;
	return 0;
}

static int
on_no_file(void *ctx, const struct msg *m, int fd)
{
	struct asked *a = ctx;

	(void)fd;
	a->answered = true;
	a->result = m->result < 0 ? m->result : ERR_IO;
	(void)snprintf(a->why, a->why_size, "%s", m->text);
	return 0;
}

static const struct msg_rule answers[] = {
    {MSG_FILE, MSG_F_FD, on_file},
    {MSG_NO_FILE, 0, on_no_file},
    {MSG_NONE, 0, NULL},
};

/* The parent opens it and this is its descriptor, or says why not. */
static int
ask(struct msg_peer *peer, uint16_t type, const char *name, char *why, size_t size)
{
	struct asked a = {.peer = peer, .fd = -1, .why = why, .why_size = size};
	struct msg m = {.type = type};
	int r = 0;

	(void)snprintf(m.text, sizeof(m.text), "%s", name);
	/* cppcheck-suppress autoVariables ; taken back below */
	peer->ctx = &a;
	r = msg_send(peer, &m, -1);
	while (!a.answered && r == 0) {
		struct pollfd p = {.fd = peer->fd, .events = POLLIN};

		(void)poll(&p, 1, -1);
		r = msg_run(peer);
	}
	peer->ctx = NULL;
	if (!a.answered)
		return err_say(why, size, r, "%s", err_str(r));
	return a.result < 0 ? a.result : a.fd;
}

/* .read of struct policy_source */
static int
read_included(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size)
{
	int fd = ask(ctx, MSG_WANT, rel, why, size);
	const char *failed = NULL;

	if (fd < 0)
		return fd;
	*text = read_all(fd, len, &failed);
	close(fd);
	return failed ? err_say(why, size, ERR_IO, "%s", failed) : 0;
}

/* tz_ask() */
static bool
read_zone(void *ctx, const char *name, struct tz *out)
{
	char why[MSG_TEXT];
	int fd = ask(ctx, MSG_ZONE, name, why, sizeof(why));
	bool ok = fd >= 0 && pread(fd, out, sizeof(*out), 0) == (ssize_t)sizeof(*out);

	if (fd >= 0)
		close(fd);
	return ok && out->n >= 1 && out->n <= TZ_TURNS_MAX;
}

static _Noreturn void
child(const struct builder_conf *conf, const struct text *from, int sock)
{
	const struct sandbox_limits limits = {
	    .cpu_s = conf->limits.cpu_s ? conf->limits.cpu_s : BUILDER_CPU_S,
	    .data_bytes = conf->limits.data_bytes ? conf->limits.data_bytes : BUILDER_DATA,
	    .file_bytes = conf->limits.file_bytes ? conf->limits.file_bytes : POLICY_SLOT_BYTES,
	};
	const int keep[] = {from->fd, sock};
	const struct sandbox sb = {.role = SANDBOX_BUILDER,
	    .uid = conf->uid,
	    .gid = conf->gid,
	    .keep = keep,
	    .n_keep = 2,
	    .with_parent = true};
	const char *name = conf->name ? conf->name : conf->path, *why = "";
	struct complaints c = {.file = name};
	struct msg m = {.type = MSG_BUILT};
	struct policy_source src;
	struct minisign by = {0};
	struct msg_peer peer;
	char err[MSG_TEXT] = "", *text;
	size_t len;
	int fd;

	if (conf->child)
		conf->child(conf->ctx);
	msg_init(&peer, sock, answers, NULL);
	tz_ask(read_zone, &peer);
	if (sandbox_limit(&limits) < 0 || sandbox_enter(&sb, err, sizeof(err)) < 0) {
		send_failed(&peer, &c, *err ? err : "limits");
		_exit(1);
	}
	if (!(text = read_all(from->fd, &len, &why))) {
		send_failed(&peer, &c, why);
		_exit(1);
	}
	if (conf->keys && !signature_holds(conf, from, text, len, &by, err, sizeof(err))) {
		send_failed(&peer, &c, err);
		_exit(1);
	}
	src = (struct policy_source){
	    .name = name, .text = text, .len = len, .read = read_included, .ctx = &peer};
	fd = policy_image_build_source(&src, conf->slot, conf->generation, &c);
	send_complaints(&peer, &c);
	if (fd >= 0 && conf->keys && !policy_files_signed(&src, by.comment)) {
		send_failed(&peer, &c, "its signature does not cover the files that it includes");
		_exit(1);
	}
	if (fd < 0) {
		send_failed(&peer, &c, c.errors == 0 ? err_str(fd) : "");
		_exit(1);
	}
	m.a = by.timestamp;
	m.b = c.warnings;
	(void)snprintf(m.text, sizeof(m.text), "%s", by.key ? by.key->kid : "");
	(void)msg_send(&peer, &m, fd);
	_exit(0);
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
	const char *tab = strchr(m->text, '\t'), *text = tab ? tab + 1 : m->text;
	const char *file = tab ? m->text : b->path;
	int n = tab ? (int)(tab - m->text) : (int)strlen(b->path);

	(void)fd;
	if (m->b != 0 && m->result != 0)
		say(b, "%.*s:%u:%d: %s%s\n", n, file, (unsigned)m->b, m->result, what, text);
	else if (m->b != 0) /* a line of a table has no column */
		say(b, "%.*s:%u: %s%s\n", n, file, (unsigned)m->b, what, text);
	else
		say(b, "%.*s: %s%s\n", n, file, what, text);
	return 0;
}

/* It gets a descriptor (closed here), or the reason why not. */
static int
answer(struct builder *b, int fd, const char *why)
{
	struct msg no = {.type = MSG_NO_FILE, .result = fd}, yes = {.type = MSG_FILE};

	if (fd >= 0) {
		(void)msg_send(&b->peer, &yes, fd);
		close(fd);
		return 0;
	}
	(void)snprintf(no.text, sizeof(no.text), "%s", why);
	(void)msg_send(&b->peer, &no, -1);
	return 0;
}

/* A file as it is now, below the policy's directory; kept with the text. */
static int
from_disk(struct builder *b, const char *rel, char *why, size_t size)
{
	int dir = b->from ? policy_dir_open(b->from) : ERR_UNSUPPORTED, fd, r;

	if (dir < 0)
		return err_say(why, size, dir, "%s", err_str(dir));
	fd = text_copy(dir, rel, why, size);
	close(dir);
	if (fd >= 0 && (r = bundle_add(&b->text.files, rel, fd, why, size)) < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/* It may have any file below the policy's directory, POLICY_FILES of them. */
static int
on_want(void *ctx, const struct msg *m, int fd)
{
	struct builder *b = ctx;
	char why[MSG_TEXT] = "";

	(void)fd;
	if (++b->wanted >= POLICY_FILES)
		return ERR_FORMAT;
	fd = b->given ? bundle_get(b->text.files, m->text, why, sizeof(why))
		      : from_disk(b, m->text, why, sizeof(why));
	return answer(b, fd, why);
}

/* And the table of any zone: a name leads nowhere else (tz.h). */
static int
on_zone(void *ctx, const struct msg *m, int fd)
{
	struct builder *b = ctx;
	const struct tz *z;

	(void)fd;
	if (++b->zones > TZ_ZONES_MAX)
		return ERR_FORMAT;
	if (!(z = tz_lookup(m->text)))
		return answer(b, ERR_NOTFOUND, "there is no such zone");
	fd = memfd_create("interlock-zone", MFD_CLOEXEC);
	if (fd >= 0 && pwrite(fd, z, sizeof(*z), 0) == (ssize_t)sizeof(*z))
		return answer(b, fd, "");
	if (fd >= 0)
		close(fd);
	return answer(b, ERR_NOMEM, err_str(ERR_NOMEM));
}

static int
on_built(void *ctx, const struct msg *m, int fd)
{
	struct builder *b = ctx;

	b->image_fd = fd;
	b->signed_s = m->a;
	(void)snprintf(b->kid, sizeof(b->kid), "%.*s", KEY_ID_CHARS, m->text);
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
    {MSG_WANT, 0, on_want},
    {MSG_ZONE, 0, on_zone},
    {MSG_BUILT, MSG_F_FD, on_built},
    {MSG_FAILED, 0, on_failed},
    {MSG_NONE, 0, NULL},
};

int
builder_start(struct builder *b, const struct builder_conf *conf, char *err, size_t size)
{
	int pair[2], r;

	*b = (struct builder){.image_fd = -1, .peer = {.fd = -1}, .text = TEXT_NONE};
	if (conf->text) {
		b->text = *conf->text;
		*conf->text = (struct text)TEXT_NONE;
	} else if ((r = conf->kept ? text_take_kept(&b->text, conf->path, err, size)
				   : text_take(&b->text, conf->path, err, size)) < 0) {
		return r;
	}
	b->given = b->text.files >= 0;
	(void)snprintf(b->path, sizeof(b->path), "%s", conf->name ? conf->name : conf->path);
	b->from = conf->beside || conf->text ? conf->beside : conf->path;
	if ((r = msg_pair(pair)) < 0) {
		text_drop(&b->text);
		return err_say(err, size, r, "builder: %s", err_str(r));
	}
	b->deadline_ns = clock_mono_ns() + BUILDER_WAIT_NS;
	if ((b->pid = fork()) == 0)
		child(conf, &b->text, pair[1]);
	r = b->pid < 0 ? err_say(err, size, err_from_errno(errno), "builder: %s", strerror(errno))
		       : 0;
	b->pid = b->pid < 0 ? 0 : b->pid;
	close(pair[1]);
	msg_init(&b->peer, pair[0], rules, b);
	if (r < 0) {
		msg_close(&b->peer);
		text_drop(&b->text);
	}
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
	text_drop(&b->text);
}
