/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - the parent's side of metrics.h: a listening socket, and the program that serves it. */
#include "guard/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/err.h"

int
metrics_listen(const char *address, char *err, size_t err_size)
{
	struct sockaddr_storage a;
	const int on = 1;
	socklen_t len;
	int fd;

#ifndef HAVE_METRICS
	return err_say(err, err_size, ERR_UNSUPPORTED,
	    "metrics %s: this program was built without libmicrohttpd", address);
#endif
	if (!endpoint_parse(address, METRICS_PORT, &a, &len))
		return err_say(err, err_size, ERR_SYNTAX,
		    "metrics %s: an address and a port, like 127.0.0.1:%u", address, METRICS_PORT);
	fd = socket(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (const struct sockaddr *)&a, len) != 0 ||
	    listen(fd, METRICS_CONNECTIONS) != 0) {
		int e = errno;

		if (fd >= 0)
			(void)close(fd);
		return err_say(
		    err, err_size, err_from_errno(e), "metrics %s: %s", address, strerror(e));
	}
	return fd;
}

int
metrics_exec(int program_fd, const struct metrics_conf *conf)
{
	char number[4][16], verb[] = "metrics", name[] = "interlock";
	char *argv[] = {name, verb, number[0], number[1], number[2], number[3], NULL};
	const int given[] = {conf->listen_fd, conf->ctl_fd};

	for (unsigned i = 0; i < 2; i++) {
		(void)snprintf(number[i], sizeof(number[i]), "%d", given[i]);
		if (fcntl(given[i], F_SETFD, 0) < 0)
			return err_from_errno(errno);
	}
	(void)snprintf(number[2], sizeof(number[2]), "%u", (unsigned)conf->uid);
	(void)snprintf(number[3], sizeof(number[3]), "%u", (unsigned)conf->gid);
	(void)fexecve(program_fd, argv, environ);
	return err_from_errno(errno);
}
