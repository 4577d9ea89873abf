/* SPDX-License-Identifier: Apache-2.0 */
/*
 * takeover.c - one guard goes on where another one stops, with the same connections.
 *
 *	new                                     old
 *	policy, filter, ports: all ready
 *	takeover {flows file, word pipe} ------> worker: receives no more, writes its flows, ends
 *	                                         signer: ends its journal
 *	          <------------------------ ok   (its filter drops meanwhile)
 *	filter attached, worker receives
 *	a byte into the pipe ------------------> closes what it has; the ports are the new one's
 *
 * Frames that come between the old worker's last and the new one's first are lost, and TCP sends
 * them again.  When the pipe closes without a byte the new guard has failed: the old one
 * starts a worker, which finds its connections again in the middle.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/guard_int.h"

#define EXPORT_WAIT_NS UINT64_C(5000000000)
#define WORD_WAIT_NS   UINT64_C(30000000000)
#define ASK_WAIT_S     15
#define REPLY_MAX      4096u

/* --- the old one ----------------------------------------------------------------------------- */

int
takeover_asked(struct guard *g, struct ctl_request *rq, char *err, size_t size)
{
	const struct msg m = {.type = MSG_EXPORT,
	    .a = g->pins.written && json_is_true(json_object_get(rq->args, "pins"))};
	struct handing *h = &g->handing;
	int r;

	if (h->step != HAND_NONE)
		return err_say(err, size, ERR_AGAIN, "another guard takes over already");
	if (rq->n_fds != 2)
		return err_say(err, size, ERR_USAGE, "takeover: two descriptors come with it");
	if ((r = worker_ask(g, &m, rq->fd[0])) < 0)
		return err_say(err, size, r, "the worker cannot be asked now; try again");
	/* It ends with this; others may wait for it. */
	(void)setpriority(PRIO_PROCESS, (id_t)g->worker.pid, HURRY_NICE);
	*h = (struct handing){.step = HAND_EXPORT,
	    .word_fd = rq->fd[1],
	    .ctl_token = rq->token,
	    .leave = m.a != 0,
	    .deadline_ns = g->now_ns + EXPORT_WAIT_NS};
	rq->fd[1] = -1;
	log_info("guard: process %d takes over", (int)rq->pid);
	return CTL_LATER;
}

/* The successor has failed, or never was one. */
static void
resume(struct guard *g, const char *why)
{
	struct handing *h = &g->handing;

	log_error("takeover: %s: this guard goes on", why);
	if (h->step == HAND_EXPORT || h->step == HAND_EMPTY)
		ctl_answer(g->ctl, h->ctl_token, ERR_IO, why, NULL, 0);
	close(h->word_fd);
	*h = (struct handing){.step = HAND_NONE};
	if (g->worker.pid != 0)
		(void)kill(g->worker.pid, SIGKILL);
	pins_resume(g);
	g->worker.wanted = true;
	g->worker.again_ns = g->now_ns;
	g->signer.wanted = g->alerts_shared != NULL;
	g->signer.again_ns = g->now_ns;
}

void
takeover_exported(struct guard *g, int result, uint64_t bytes, const char *text)
{
	struct handing *h = &g->handing;

	if (h->step != HAND_EXPORT)
		return;
	if (result < 0) { /* it still receives */
		log_error("takeover: refused: %s", text);
		ctl_answer(g->ctl, h->ctl_token, result, text, NULL, 0);
		close(h->word_fd);
		*h = (struct handing){.step = HAND_NONE};
		return;
	}
	/* It ends now; with it the sockets that are bound to the ports' queues. */
	h->bytes = bytes;
	h->step = HAND_EMPTY;
	g->worker.wanted = g->signer.wanted = false;
	guard_tell(g, GUARD_TAKEN_OVER, NULL);
	(void)msg_say(&g->worker.peer, MSG_STOP, 0);
	if (g->signer.pid != 0)
		(void)signer_send_stop(g->signer.peer.fd);
}

static void
answer(struct guard *g)
{
	char text[96];
	int n = snprintf(text, sizeof(text), "\"generation\":%u,\"bytes\":%llu,\"pins\":%s",
	    g->generation, (unsigned long long)g->handing.bytes,
	    g->handing.leave ? "true" : "false");

	ctl_answer(g->ctl, g->handing.ctl_token, 0, NULL, text, (size_t)n);
	g->handing.step = HAND_WAIT;
	g->handing.deadline_ns = g->now_ns + WORD_WAIT_NS;
}

void
takeover_step(struct guard *g)
{
	struct handing *h = &g->handing;
	char word = 0;
	ssize_t n;

	if (h->step == HAND_NONE)
		return;
	if (h->step == HAND_EMPTY && g->worker.pid == 0)
		answer(g);
	if (h->step == HAND_WAIT) {
		n = read(h->word_fd, &word, 1);
		if (n == 1) {
			log_info("guard: its ports and connections are another's now");
			g->handed = g->stop = true;
			close(h->word_fd);
			h->step = HAND_NONE; /* the pipe's end, which comes next, means nothing */
			return;
		}
		if (n == 0) {
			resume(g, "the other guard is gone");
			return;
		}
	}
	if (g->now_ns >= h->deadline_ns)
		resume(g, h->step == HAND_WAIT ? "the other guard says nothing"
					       : "the worker does not answer");
}

/* --- the new one ----------------------------------------------------------------------------- */

static int
connect_old(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = ASK_WAIT_S};
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
			   connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static int
send_request(int fd, bool pins, const int pass[2])
{
	const char *line = pins ? "{\"v\":1,\"verb\":\"takeover\",\"pins\":true}\n"
				: "{\"v\":1,\"verb\":\"takeover\"}\n";
	const size_t len = strlen(line);
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control = {.buf = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)line, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.buf,
	    .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), pass, 2 * sizeof(int));
	return sendmsg(fd, &mh, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* One line, without its end. */
static int
receive_line(int fd, char *buf, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		ssize_t n = recv(fd, buf + len, size - 1 - len, 0);

		if (n <= 0)
			return -1;
		len += (size_t)n;
		buf[len] = '\0';
		if (strchr(buf, '\n')) {
			*strchr(buf, '\n') = '\0';
			return 0;
		}
	}
	return -1;
}

int
takeover_ask(struct guard *g, char *err, size_t size)
{
	const char *path = g->conf->ctl_path ? g->conf->ctl_path : CTL_PATH;
	int fd = connect_old(path), pass[2] = {-1, -1}, word[2], r = -1;
	char reply[REPLY_MAX];

	if (fd < 0)
		return -1; /* nobody there: a clean start */
	if (pipe2(word, O_CLOEXEC | O_NONBLOCK) < 0) {
		close(fd);
		return err_say(err, size, ERR_IO, "pipe: %s", strerror(errno));
	}
	pass[0] = memfd_create("interlock-handover", MFD_CLOEXEC);
	pass[1] = word[0];
	if (pass[0] < 0 || send_request(fd, g->pins.found, pass) < 0 ||
	    receive_line(fd, reply, sizeof(reply)) < 0)
		r = err_say(err, size, ERR_IO, "%s: the guard there does not answer", path);
	else if (!strstr(reply, "\"ok\":true"))
		r = err_say(
		    err, size, ERR_IO, "%s: the guard there does not let go: %s", path, reply);
	else
		r = pass[0];
	g->pins.left = r >= 0 && strstr(reply, "\"pins\":true") != NULL;
	close(fd);
	close(word[0]);
	if (r < 0) {
		close(word[1]);
		if (pass[0] >= 0)
			close(pass[0]);
		return r;
	}
	g->word_fd = word[1];
	return r;
}

void
takeover_done(struct guard *g)
{
	if (g->word_fd < 0)
		return;
	(void)!write(g->word_fd, "k", 1);
	close(g->word_fd);
	g->word_fd = -1;
}
