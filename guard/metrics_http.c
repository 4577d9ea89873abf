/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics_http.c - the process of metrics.h.  libmicrohttpd without threads: its descriptors are polled here, and
 * nothing runs that this file does not call.
 */
#include "guard/metrics.h"

#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "guard/ctl.h"

#define PER_ADDRESS 8u
#define IDLE_S	    10u
#define ASK_MS	    2000 /* the parent answers in a turn of its loop */

static const char type_text[] = "text/plain; version=0.0.4; charset=utf-8";

/* --- what the parent says --------------------------------------------------------------------- */

struct server {
	int ctl_fd;
	bool lost;  /* the parent is gone */
	char *line; /* CTL_REPLY */
};

/* The text, to be freed, or NULL. */
static char *
ask(struct server *s)
{
	static const char request[] = "{\"v\":1,\"verb\":\"metrics\"}\n";
	size_t n = 0;
	json_t *root;
	char *text = NULL;
	const char *said;

	if (send(s->ctl_fd, request, sizeof(request) - 1, MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(request) - 1)
		goto lost;
	for (;;) {
		struct pollfd p = {.fd = s->ctl_fd, .events = POLLIN};
		ssize_t k;

		if (poll(&p, 1, ASK_MS) <=
		    0) /* an answer that comes later would be the next one's */
			goto lost;
		k = recv(s->ctl_fd, s->line + n, CTL_REPLY - n, 0);
		if (k <= 0)
			goto lost;
		n += (size_t)k;
		if (s->line[n - 1] == '\n')
			break;
		if (n == CTL_REPLY)
			goto lost;
	}
	root = json_loadb(s->line, n, 0, NULL);
	said = json_string_value(json_object_get(json_object_get(root, "result"), "text"));
	if (said)
		text = strdup(said);
	json_decref(root);
	return text;
lost:
	s->lost = true;
	return NULL;
}

/* --- HTTP --------------------------------------------------------------------------------------- */

static enum MHD_Result
say(struct MHD_Connection *c, unsigned status, const char *type, char *text, bool own)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    strlen(text), text, own ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	enum MHD_Result ok = MHD_NO;

	if (!r) {
		if (own)
			free(text);
		return MHD_NO;
	}
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
		ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
    const char *version, const char *body, size_t *body_size, void **state)
{
	static char busy[] = "the guard does not answer\n", nothing[] = "there is only /metrics\n",
		    no[] = "only GET\n";
	static int seen;
	struct server *s = ctx;
	char *text;

	(void)version;
	(void)body;
	if (!*state) { /* the headers are here; is there a body? */
		*state = &seen;
		return MHD_YES;
	}
	if (*body_size != 0) { /* thrown away */
		*body_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", no, false);
	if (strcmp(url, "/metrics") != 0)
		return say(c, MHD_HTTP_NOT_FOUND, "text/plain", nothing, false);
	text = ask(s);
	if (!text)
		return say(c, MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain", busy, false);
	return say(c, MHD_HTTP_OK, type_text, text, true);
}

/* What the library would print goes to our log. */
static void
on_log(void *ctx, const char *fmt, va_list ap)
{
	char text[256];

	(void)ctx;
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	log_debug("metrics: %s", text);
}

static int
serve(struct server *s, struct MHD_Daemon *d)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd p[2] = {{.fd = info ? info->epoll_fd : -1, .events = POLLIN},
	    {.fd = s->ctl_fd, .events = POLLIN}};

	while (!s->lost) {
		MHD_UNSIGNED_LONG_LONG wait;
		int ms = MHD_get_timeout(d, &wait) == MHD_YES && wait < 1000 ? (int)wait : 1000;

		if (poll(p, 2, ms) < 0 && errno != EINTR)
			return 1;
		if (p[1].revents) /* nothing was asked: it closed its end */
			return 0;
		if (MHD_run(d) != MHD_YES)
			return 1;
	}
	return 1;
}

int
metrics_run(const struct metrics_conf *conf)
{
	struct server s = {.ctl_fd = conf->ctl_fd, .line = malloc(CTL_REPLY)};
	struct MHD_Daemon *d;
	char err[256];
	int r;

	(void)signal(SIGPIPE, SIG_IGN);
	/* What these read from files, they read now: the Date of an answer, a seed of tables. */
	tzset();
	json_object_seed(0);
	d = s.line ? MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
			 &s, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET,
			 conf->listen_fd, MHD_OPTION_CONNECTION_LIMIT, METRICS_CONNECTIONS,
			 MHD_OPTION_PER_IP_CONNECTION_LIMIT, PER_ADDRESS,
			 MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
			 (size_t)16384, MHD_OPTION_END)
		   : NULL;
	if (!d) {
		log_error("metrics: the HTTP server does not start");
		free(s.line);
		return 1;
	}
	if (conf->confine && conf->confine(conf->ctx, err, sizeof(err)) < 0) {
		log_error("metrics: %s", err);
		r = 1;
	} else {
		r = serve(&s, d);
	}
	MHD_stop_daemon(d);
	free(s.line);
	return r;
}
