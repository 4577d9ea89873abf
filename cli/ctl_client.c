/* SPDX-License-Identifier: Apache-2.0 */
/* ctl_client.c - see ctl_client.h. */
#include "cli/ctl_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"

#define REPLY_MAX (8u << 20)
#define WAIT_S	  60 /* a reload builds a policy meanwhile */

static int
dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = WAIT_S};
	int fd;

	if (strlen(path) >= sizeof(a.sun_path)) {
		cli_say("%s: the path is too long for a socket", path);
		return -1;
	}
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
		cli_say("%s: %s%s", path, strerror(errno),
		    errno == ENOENT || errno == ECONNREFUSED ? ": is a guard running?" : "");
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

/* One line, to be freed, and the descriptor that came with it (-1: none).  NULL: said why. */
static char *
hear(int sock, const char *path, size_t *len, int *fd)
{
	char *buf = malloc(REPLY_MAX), *nl = NULL;
	size_t n = 0;

	*fd = -1;
	while (buf && !nl && n < REPLY_MAX) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} control;
		struct iovec iov = {buf + n, REPLY_MAX - n};
		struct msghdr mh = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = control.buf,
		    .msg_controllen = sizeof(control.buf)};
		ssize_t k = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
		const struct cmsghdr *h = k > 0 ? CMSG_FIRSTHDR(&mh) : NULL;

		if (k < 0 && errno == EINTR)
			continue;
		if (h && h->cmsg_type == SCM_RIGHTS && *fd < 0)
			memcpy(fd, CMSG_DATA(h), sizeof(*fd));
		if (k <= 0) {
			cli_say("%s: %s", path,
			    k == 0	      ? "it hung up"
			    : errno == EAGAIN ? "no answer"
					      : strerror(errno));
			free(buf);
			return NULL;
		}
		nl = memchr(buf + n, '\n', (size_t)k);
		n += (size_t)k;
	}
	if (!nl) {
		cli_say("%s: %s", path, buf ? "the answer has no end" : "out of memory");
		free(buf);
		return NULL;
	}
	*len = (size_t)(nl - buf);
	return buf;
}

/* The request, and with its first byte the descriptors. */
static void
say(int sock, const char *buf, size_t n, const int *fd, size_t fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(CTL_ASK_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)buf, n};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fds > 0) {
		struct cmsghdr *h;

		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		h = CMSG_FIRSTHDR(&mh);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(h), fd, fds * sizeof(int));
	}
	/* One who may not even ask is told so before: the answer is there though sending fails. */
	(void)sendmsg(sock, &mh, MSG_NOSIGNAL);
}

char *
ctl_ask(const char *path, const char *line, size_t n, const int *fds, size_t n_fds, size_t *len,
    int *fd)
{
	int sock = dial(path);
	char *answer;

	*fd = -1;
	if (sock < 0)
		return NULL;
	say(sock, line, n, fds, n_fds);
	answer = hear(sock, path, len, fd);
	(void)close(sock);
	return answer;
}
