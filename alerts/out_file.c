/* SPDX-License-Identifier: Apache-2.0 */
/* out_file.c - EVE lines to a file, a pipe or standard output ("-"). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alerts/out.h"
#include "base/err.h"

struct alert_conn {
	int fd;
	bool torn; /* what was written last is half a line, and could not be cut off */
};

static struct alert_conn *
file_open(const char *url, bool fresh, char *err, size_t err_size)
{
	const char *path = strncmp(url, "file:", 5) == 0 ? url + 5 : url;
	struct alert_conn *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(err, err_size, "%s: out of memory", path);
		return NULL;
	}
	c->fd =
	    strcmp(path, "-") == 0
		? STDOUT_FILENO
		: open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (fresh ? O_TRUNC : O_APPEND), 0640);
	if (c->fd < 0) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		free(c);
		return NULL;
	}
	return c;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			if (w == 0)
				errno = ENOSPC;
			return false;
		}
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static int
file_send(struct alert_conn *c, const struct alert_bytes *b)
{
	off_t start = lseek(c->fd, 0, SEEK_END); /* -1: a pipe */
	int e;

	if ((!c->torn || write_all(c->fd, "\n", 1)) && write_all(c->fd, b->lines, b->len)) {
		c->torn = false;
		return 0;
	}
	e = errno;
	c->torn = start < 0 || ftruncate(c->fd, start) != 0;
	errno = e;
	return err_from_errno(e);
}

static int
file_close(struct alert_conn *c)
{
	int r = c->fd != STDOUT_FILENO && close(c->fd) != 0 ? err_from_errno(errno) : 0;

	free(c);
	return r;
}

const struct alert_out alert_out_file = {"file:", file_open, file_send, file_close};

const struct alert_out *const alert_outs[] = {&alert_out_file, NULL};
