/* SPDX-License-Identifier: Apache-2.0 */
/* out_file.c - EVE lines to a file, a pipe or standard output ("-"). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alerts/out.h"
#include "base/err.h"

struct alert_conn {
	int fd;
	int dirfd; /* of its directory: a signer that gave up its privileges opens it again; -1 = none */
	char *name; /* in that directory */
	bool torn;  /* what was written last is half a line, and could not be cut off */
};

static int
open_in(int dirfd, const char *name, bool fresh)
{
	return openat(dirfd, name,
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (fresh ? O_TRUNC : O_APPEND),
	    0640);
}

/* A writer that was killed may have left half a line. */
static bool
ends_in_a_line(int fd)
{
	char last = '\n', path[32];
	off_t end = lseek(fd, 0, SEEK_END);
	int rd;

	if (end <= 0)
		return true;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	rd = open(path, O_RDONLY | O_CLOEXEC);
	if (rd < 0)
		return true;
	if (pread(rd, &last, 1, end - 1) != 1)
		last = '\n';
	(void)close(rd);
	return last == '\n';
}

static void
file_free(struct alert_conn *c)
{
	if (c->dirfd >= 0)
		(void)close(c->dirfd);
	free(c->name);
	free(c);
}

static struct alert_conn *
file_open(const char *url, bool fresh, char *err, size_t err_size)
{
	const char *path = strncmp(url, "file:", 5) == 0 ? url + 5 : url;
	const char *slash = strrchr(path, '/');
	struct alert_conn *c = calloc(1, sizeof(*c));
	char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

	if (c) {
		c->fd = c->dirfd = -1;
		c->name = strdup(slash ? slash + 1 : path);
	}
	if (!c || !c->name || !dir) {
		snprintf(err, err_size, "%s: out of memory", path);
		goto fail;
	}
	if (strcmp(path, "-") == 0) {
		c->fd = STDOUT_FILENO;
	} else {
		c->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		c->fd = c->dirfd < 0 ? -1 : open_in(c->dirfd, c->name, fresh);
	}
	if (c->fd < 0) {
		snprintf(err, err_size, "%s: %s", path, strerror(errno));
		goto fail;
	}
	if (c->dirfd >=
	    0) { /* a pipe without a reader is refused; one with a slow one is waited for */
		(void)fcntl(c->fd, F_SETFL, O_WRONLY | (fresh ? 0 : O_APPEND));
		c->torn = !ends_in_a_line(c->fd);
	}
	free(dir);
	return c;
fail:
	if (c)
		file_free(c);
	free(dir);
	return NULL;
}

static int
file_reopen(struct alert_conn *c, char *err, size_t err_size)
{
	int fd = c->dirfd < 0 ? -1 : open_in(c->dirfd, c->name, false);

	if (c->dirfd < 0)
		return 0;
	if (fd < 0)
		return err_say(
		    err, err_size, err_from_errno(errno), "%s: %s", c->name, strerror(errno));
	(void)fcntl(fd, F_SETFL, O_WRONLY | O_APPEND);
	(void)close(c->fd);
	c->fd = fd;
	c->torn = !ends_in_a_line(fd);
	return 0;
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
file_sync(struct alert_conn *c)
{
	if (fdatasync(c->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return err_from_errno(errno);
}

static bool
file_moved(const struct alert_conn *c)
{
	struct stat here, there;

	if (c->dirfd < 0 || fstat(c->fd, &here) != 0)
		return false;
	return fstatat(c->dirfd, c->name, &there, 0) != 0 || here.st_ino != there.st_ino ||
	       here.st_dev != there.st_dev;
}

static int
file_close(struct alert_conn *c)
{
	int r = c->fd != STDOUT_FILENO && close(c->fd) != 0 ? err_from_errno(errno) : 0;

	file_free(c);
	return r;
}

const struct alert_out alert_out_file = {
    "file:", file_open, file_send, file_close, file_reopen, file_sync, file_moved};

const struct alert_out *const alert_outs[] = {&alert_out_file, NULL};
