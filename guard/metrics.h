/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.h - the numbers of a guard for Prometheus, over HTTP on a management address.
 *
 * A process of its own, without privileges, key, files or packets: an HTTP server (libmicrohttpd)
 * reads what strangers send, and must not be able to hurt the parent.  What it serves it asks of the
 * parent as any other viewer does, by `metrics` on a ctl connection that it was born with
 * (ctl_adopt()); it can do nothing a viewer cannot.  GET /metrics, and nothing else.
 *
 * It is another program, too (base/sibling.h): the library and what that brings along are in no other process of
 * the guard.  metrics.c is the parent's side, metrics_http.c what the program does.
 */
#ifndef GUARD_METRICS_H
#define GUARD_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* "127.0.0.1:9621", "[::1]:9621", ":9621" (loopback); 9621 when there is no port. */
#define METRICS_PORT	    9621u
#define METRICS_CONNECTIONS 16u /* at most, at one time */

struct metrics_conf {
	int listen_fd; /* of metrics_listen() */
	int ctl_fd;    /* the other end was given to ctl_adopt() */
	uid_t uid;     /* whom it becomes: metrics_exec() tells the program */
	gid_t gid;
	/* Before the first byte is read: give up privileges.  NULL: do not. */
	int (*confine)(void *ctx, char *err, size_t err_size);
	void *ctx;
};

/* Parent, before the fork: a listening socket, or ERR_* with a line in err. */
int metrics_listen(const char *address, char *err, size_t err_size);
/* In its process: becomes the program (`interlock-net metrics LISTEN CTL UID GID`).  ERR_*: it did not. */
int metrics_exec(int program_fd, const struct metrics_conf *conf);
/* The life of the process; ends when the parent has closed its end.  What to exit with. */
int metrics_run(const struct metrics_conf *conf);

#endif /* GUARD_METRICS_H */
