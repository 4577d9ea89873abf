/* SPDX-License-Identifier: Apache-2.0 */
/* msg.c - fixed-size messages over a socket pair, accepted by table and turn (msg.h). */
#include "guard/msg.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"

#define BATCH_MAX                                                                                  \
	64u /* messages of one msg_run(): a peer that floods is no reason to do nothing else */

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

int
msg_pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) < 0)
		return err_from_errno(errno);
	return 0;
}

void
msg_init(struct msg_peer *p, int fd, const struct msg_rule *rules, void *ctx)
{
	*p = (struct msg_peer){.fd = fd, .rules = rules, .ctx = ctx};
	for (const struct msg_rule *r = rules; r->type != MSG_NONE; r++)
		if (!(r->flags & MSG_F_LATER))
			p->due |= UINT32_C(1) << r->type;
}

void
msg_due(struct msg_peer *p, uint16_t type, bool on)
{
	if (on)
		p->due |= UINT32_C(1) << type;
	else
		p->due &= ~(UINT32_C(1) << type);
}

void
msg_close(struct msg_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

/* Takes the descriptors out of a control message; all but one in order are closed. */
static int
passed(struct msghdr *mh, unsigned *count)
{
	int first = -1;

	*count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if ((*count)++ == 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

static const struct msg_rule *
rule_of(const struct msg_peer *p, uint16_t type)
{
	if (type == MSG_NONE || type >= MSG__MAX || !(p->due & UINT32_C(1) << type))
		return NULL;
	for (const struct msg_rule *r = p->rules; r->type != MSG_NONE; r++)
		if (r->type == type)
			return r;
	return NULL;
}

/* One message.  1, 0 = none now, or ERR_*. */
static int
one(struct msg_peer *p)
{
	struct msg m;
	union control control;
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	ssize_t n = recvmsg(p->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct msg_rule *r;
	unsigned count;
	int fd, rc;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : ERR_EOF;
	if (n == 0)
		return ERR_EOF;
	fd = passed(&mh, &count);
	r = (size_t)n == sizeof(m) && !(mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		? rule_of(p, m.type)
		: NULL;
	if (!r || m.reserved != 0 || m.text[MSG_TEXT - 1] != '\0' ||
	    count != (r->flags & MSG_F_FD ? 1u : 0u)) {
		if (fd >= 0)
			close(fd);
		return ERR_FORMAT;
	}
	if (r->flags & MSG_F_ONCE)
		msg_due(p, m.type, false);
	rc = r->handle(p->ctx, &m, fd);
	return rc < 0 ? rc : 1;
}

int
msg_run(struct msg_peer *p)
{
	int r = 1;

	for (unsigned i = 0; i < BATCH_MAX && r > 0 && p->fd >= 0; i++)
		r = one(p);
	if (r < 0)
		msg_close(p);
	return r < 0 ? r : 0;
}

int
msg_send(const struct msg_peer *p, const struct msg *m, int pass)
{
	union control control = {.buf = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (p->fd < 0)
		return ERR_EOF;
	if (pass >= 0) {
		struct cmsghdr *c;

		mh.msg_control = control.buf;
		mh.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(pass));
	}
	if (sendmsg(p->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*m))
		return 0;
	return errno == EAGAIN || errno == ENOBUFS ? ERR_AGAIN : ERR_EOF;
}

int
msg_say(const struct msg_peer *p, uint16_t type, uint64_t a)
{
	const struct msg m = {.type = type, .a = a};

	return msg_send(p, &m, -1);
}
