/* SPDX-License-Identifier: Apache-2.0 */
/*
 * out_lines.c - alerts one by one to who reads lines or messages: syslog over TLS and TCP, Unix sockets, files.
 *
 * None of these says what it has stored.  Sent means: the peer's TCP has acknowledged it, the reader of a Unix socket has
 * read it, the file is synced.  The place moves then; after a failure everything behind it is sent again, so
 * each alert arrives at least once (il_seq tells which came twice).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts/out.h"
#include "base/build_id.h"
#include "base/err.h"
#include "base/log.h"
#include "sender/cef.h"
#include "sender/dial.h"
#include "sender/out.h"
#include "sender/syslog.h"

#define BUFFER (256u << 10)

struct send_conn {
	const struct send_target *target;
	const struct send_common *common;
	bool tls, syslog, datagram;
	struct dial *dial;
	struct alert_conn *file;
	unsigned reopened;
	size_t len;
	char buf[BUFFER];
};

size_t
send_line(const struct send_target *t, const struct batch *b, const char *eve, size_t n, char *out)
{
	if (t->format == SEND_CEF) {
		n = cef_write(eve, n, b->epoch, build_version, out);
		if (n == 0)
			return 0;
	} else {
		if (n >= BATCH_LINE_MAX)
			return 0;
		memcpy(out, eve, n);
	}
	out[n] = '\n';
	return n + 1;
}

/* --- life ------------------------------------------------------------------------- */

static bool
hurry(void *ctx)
{
	return send_hurry(ctx);
}

static struct send_conn *
lines_new(const struct send_target *t, const struct send_common *common, char *err, size_t err_size)
{
	struct send_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		(void)err_say(err, err_size, 0, "out of memory");
		return NULL;
	}
	c->target = t;
	c->common = common;
	return c;
}

static struct send_conn *
syslog_tcp_new(
    const struct send_target *t, const struct send_common *common, char *err, size_t err_size)
{
	struct send_conn *c = lines_new(t, common, err, err_size);

	if (c)
		c->syslog = true;
	return c;
}

static struct send_conn *
syslog_tls_new(
    const struct send_target *t, const struct send_common *common, char *err, size_t err_size)
{
	struct send_conn *c;

	if (!t->ca[0] || !t->cert[0] != !t->key[0]) {
		(void)err_say(err, err_size, 0,
		    "syslog+tls://%s:%s: needs ca=FILE (whom to believe); cert= and key= go "
		    "together",
		    t->host, t->port);
		return NULL;
	}
	c = syslog_tcp_new(t, common, err, err_size);
	if (c)
		c->tls = true;
	return c;
}

static struct send_conn *
unix_dgram_new(
    const struct send_target *t, const struct send_common *common, char *err, size_t err_size)
{
	struct send_conn *c = lines_new(t, common, err, err_size);

	if (c)
		c->datagram = true;
	return c;
}

static void
lines_close(struct send_conn *c)
{
	dial_close(c->dial);
	c->dial = NULL;
	c->len = 0;
	if (c->file)
		(void)alert_out_file.close(c->file);
	c->file = NULL;
}

static void
lines_free(struct send_conn *c)
{
	lines_close(c);
	free(c);
}

/* --- sockets ---------------------------------------------------------------------- */

static int
dial_now(struct send_conn *c, struct send_result *r)
{
	const struct send_target *t = c->target;
	const struct dial_conf conf = {
	    .host = t->host[0] ? t->host : NULL,
	    .port = t->port,
	    .path = t->path,
	    .datagram = c->datagram,
	    .tls = c->tls,
	    .ca = t->ca,
	    .cert = t->cert[0] ? t->cert : NULL,
	    .key = t->key,
	    .timeout_ms = c->common->timeout_ms / 3,
	    .hurry = hurry,
	    .ctx = (void *)(uintptr_t)c->common,
	};

	lines_close(c);
	return (c->dial = dial_open(&conf, r->why, sizeof(r->why))) ? 0 : ERR_IO;
}

static int
write_out(struct send_conn *c, struct send_result *r)
{
	size_t n = c->len;

	c->len = 0;
	return n ? dial_write(c->dial, c->buf, n, r->why, sizeof(r->why)) : 0;
}

/* One alert into the buffer; a datagram goes at once, since it is a message. */
static int
put_line(
    struct send_conn *c, const struct batch *b, const char *eve, size_t n, struct send_result *r)
{
	int e = 0;

	if (sizeof(c->buf) - c->len < SYSLOG_MAX && (e = write_out(c, r)) < 0)
		return e;
	c->len += c->syslog ? syslog_write(c->target, b, eve, n, c->buf + c->len)
			    : send_line(c->target, b, eve, n, c->buf + c->len);
	return c->datagram ? write_out(c, r) : 0;
}

static int
socket_put(struct send_conn *c, const struct follow_batch *b, struct send_result *r)
{
	const char *p = b->lines, *end = p + b->len, *nl;
	int e = 0;

	for (; p < end && e == 0 && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1)
		e = put_line(c, &b->b, p, (size_t)(nl - p), r);
	return e;
}

static int
socket_flush(struct send_conn *c, struct send_result *r)
{
	int e = write_out(c, r);

	return e < 0 ? e : dial_drain(c->dial, r->why, sizeof(r->why));
}

/* --- files ------------------------------------------------------------------------ */

static int
file_open(struct send_conn *c, struct send_result *r)
{
	lines_close(c);
	c->reopened = atomic_load(&c->common->reopen);
	c->file = alert_out_file.open(c->target->path, false, r->why, sizeof(r->why));
	return c->file ? 0 : ERR_IO;
}

/* It was rotated: by name, or we were told. */
static void
file_again(struct send_conn *c)
{
	unsigned told = atomic_load(&c->common->reopen);
	char why[200];

	if (told == c->reopened && !alert_out_file.moved(c->file))
		return;
	if (alert_out_file.reopen(c->file, why, sizeof(why)) < 0)
		log_warn("%s: open anew: %s", c->target->path, why);
	else
		c->reopened = told;
}

static int
file_write(struct send_conn *c, const char *text, size_t n, struct send_result *r)
{
	const struct alert_bytes bytes = {.lines = text, .len = n};
	int e = n ? alert_out_file.send(c->file, &bytes) : 0;

	return e < 0 ? send_fail(r, e, "%s: %s", c->target->path, strerror(errno)) : 0;
}

static int
file_put(struct send_conn *c, const struct follow_batch *b, struct send_result *r)
{
	const char *p = b->lines, *end = p + b->len, *nl;
	int e = 0;

	file_again(c);
	if (c->target->format == SEND_EVE)
		return file_write(c, b->lines, b->len, r);
	for (; p < end && e == 0 && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1) {
		if (sizeof(c->buf) - c->len < BATCH_LINE_MAX) {
			e = file_write(c, c->buf, c->len, r);
			c->len = 0;
		}
		c->len += send_line(c->target, &b->b, p, (size_t)(nl - p), c->buf + c->len);
	}
	if (e == 0)
		e = file_write(c, c->buf, c->len, r);
	c->len = 0;
	return e;
}

static int
file_flush(struct send_conn *c, struct send_result *r)
{
	int e = alert_out_file.sync(c->file);

	return e < 0 ? send_fail(r, e, "%s: %s", c->target->path, strerror(errno)) : 0;
}

#define SOCKET(what, make)                                                                         \
	{                                                                                          \
		.scheme = what, .new = make, .open = dial_now, .put = socket_put,                  \
		.flush = socket_flush, .close = lines_close, .free = lines_free                    \
	}
const struct send_out send_out_syslog_tls = SOCKET("syslog+tls://", syslog_tls_new);
const struct send_out send_out_syslog_tcp = SOCKET("syslog+tcp://", syslog_tcp_new);
const struct send_out send_out_unix = SOCKET("unix:", lines_new);
const struct send_out send_out_unix_dgram = SOCKET("unix-dgram:", unix_dgram_new);
const struct send_out send_out_file = {.scheme = "file:",
    .new = lines_new,
    .open = file_open,
    .put = file_put,
    .flush = file_flush,
    .close = lines_close,
    .free = lines_free};
