/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ctl.c - what arrives at the control socket of a guard.
 *
 * The input is what a client sends; its first byte says whether it is an admin, and in pieces of
 * which size it comes.  Checked beside memory: each answer is one line of JSON with the version
 * and ok, no verb for admins is acted on for a viewer, and a client never gets more answers
 * than it sent lines, but one for what is too long.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cur.h"
#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"
#include "guard/ctl.h"

static bool is_admin;

/* Said here and not taken from the table, so that a verb which becomes a viewer's is noticed. */
static bool
for_viewers(enum ctl_verb id)
{
	return id == CTL_status || id == CTL_counters || id == CTL_flows || id == CTL_metrics ||
	       id == CTL_shadow || id == CTL_permits;
}

static int
act(void *ctx, struct ctl_request *rq, struct jw *out, char *err, size_t err_size)
{
	(void)ctx;
	if (!is_admin && !for_viewers(rq->id))
		abort();
	if (!json_is_object(rq->args) || rq->id >= CTL__VERBS)
		abort();
	if (rq->id == CTL_counters)
		return err_say(err, err_size, ERR_IO, "no");
	jw_str(out, "verb", rq->verb);
	return 0;
}

static unsigned
answers(int fd)
{
	static char buf[1u << 20];
	size_t n = 0, start = 0;
	unsigned lines = 0;
	ssize_t k;

	while (n < sizeof(buf) && (k = recv(fd, buf + n, sizeof(buf) - n, MSG_DONTWAIT)) > 0)
		n += (size_t)k;
	for (size_t i = 0; i < n; i++) {
		json_t *o;

		if (buf[i] != '\n')
			continue;
		o = json_loadb(buf + start, i - start, JSON_REJECT_DUPLICATES, NULL);
		if (json_integer_value(json_object_get(o, "v")) != 1 ||
		    !json_is_boolean(json_object_get(o, "ok")))
			abort();
		json_decref(o);
		start = i + 1;
		lines++;
	}
	if (start != n && n < sizeof(buf))
		abort();
	return lines;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ctl *c;
	struct cur in = cur_make(data, size);
	uint8_t how = cur_u8(&in);
	size_t piece = (how >> 1) ? how >> 1 : 4096;
	unsigned lines = 1, got = 0;
	int p[2];

	if (!c) {
		char path[64], err[200];
		struct ctl_conf conf = {.path = path, .act = act};

		snprintf(path, sizeof(path), "/tmp/interlock-fuzz-%d.sock", (int)getpid());

		log_set_level(LOG_L_ERROR);
		c = ctl_open(&conf, err, sizeof(err));
		if (!c)
			abort();
		(void)unlink(path); /* clients come by socketpair */
	}
	is_admin = how & 1;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) != 0 || ctl_adopt(c, p[0], is_admin) != 0)
		abort();
	while (cur_left(&in) > 0) {
		uint8_t buf[4096];
		size_t n = cur_copy(&in, buf, piece < sizeof(buf) ? piece : sizeof(buf));

		for (size_t i = 0; i < n; i++)
			lines += buf[i] == '\n';
		if (send(p[1], buf, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n)
			break;
		ctl_run(c, 1);
		got += answers(p[1]);
	}
	(void)shutdown(p[1], SHUT_WR);
	for (unsigned i = 0; i < 8; i++) {
		ctl_run(c, 1);
		got += answers(p[1]);
	}
	if (got > lines)
		abort();
	(void)close(p[1]);
	ctl_run(c, 1);
	return 0;
}
