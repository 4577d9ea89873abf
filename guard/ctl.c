/* SPDX-License-Identifier: Apache-2.0 */
/* ctl.c - see ctl.h and docs/PROTOCOL.ctl.md. */
#include "guard/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/jw.h"
#include "base/log.h"

#define EVENTS	   64
#define BACKLOG	   16
#define ID_MAX	   128u /* bytes of a client's own id, as JSON */
#define GROUPS_MAX 256u
#define LISTEN	   CTL_CLIENTS /* data of the listening socket's epoll event */

static const struct {
	const char *name;
	bool admin;
} verbs[CTL__VERBS] = {
#define CTL_VERB(name, admin, text) {#name, admin},
#include "guard/ctl.def"
#undef CTL_VERB
};

struct client {
	int fd; /* -1: free */
	bool admin, adopted;
	bool eof;     /* it sends no more */
	bool last;    /* close when the answer is out */
	bool waiting; /* act() said later */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint64_t token;
	uint64_t since_ns; /* of the last progress */
	uint32_t events;   /* what epoll was told */
	char id[ID_MAX];   /* of the request that is open; "" = none */
	char *in;	   /* CTL_LINE */
	size_t in_len;
	char *out; /* NULL: nothing to send */
	size_t out_len, out_off;
	int in_fd[CTL_FDS], out_fd[CTL_FDS];
	unsigned n_in_fds, n_out_fds;
};

struct ctl {
	struct ctl_conf conf;
	int epfd, listen_fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino;
	uint64_t now_ns, tokens;
	struct ctl_stats st;
	struct client client[CTL_CLIENTS];
	char *reply; /* CTL_REPLY */
};

/* --- clients -------------------------------------------------------------------------------- */

static void
close_fds(int *fd, unsigned *n)
{
	for (unsigned i = 0; i < *n; i++)
		if (fd[i] >= 0)
			(void)close(fd[i]);
	*n = 0;
}

static void
client_close(struct client *k)
{
	if (k->fd >= 0)
		(void)close(k->fd); /* epoll forgets it */
	close_fds(k->in_fd, &k->n_in_fds);
	close_fds(k->out_fd, &k->n_out_fds);
	free(k->in);
	free(k->out);
	*k = (struct client){.fd = -1};
}

/* What epoll is to wait for: nothing that would wake us in vain. */
static void
client_arm(struct ctl *c, struct client *k)
{
	bool reads = !k->eof && !k->last && k->in_len < CTL_LINE && !k->out && !k->waiting;
	uint32_t want = (reads ? EPOLLIN : 0u) | (k->out ? EPOLLOUT : 0u);
	struct epoll_event ev = {.events = want, .data.u64 = (uint64_t)(k - c->client)};

	if (want == k->events)
		return;
	k->events = want;
	(void)epoll_ctl(c->epfd, EPOLL_CTL_MOD, k->fd, &ev);
}

static struct client *
client_new(struct ctl *c, int fd)
{
	struct client *k = NULL, *idle = NULL;
	struct epoll_event ev = {.events = EPOLLIN};

	for (unsigned i = 0; i < CTL_CLIENTS && !k; i++) {
		struct client *at = &c->client[i];

		if (at->fd < 0)
			k = at;
		else if (!at->adopted && !at->out && !at->waiting &&
			 (!idle || at->since_ns < idle->since_ns))
			idle = at;
	}
	if (!k && idle) { /* one that only holds its place has to give it up */
		c->st.dropped++;
		client_close(idle);
		k = idle;
	}
	if (!k)
		return NULL;
	k->in = malloc(CTL_LINE);
	ev.data.u64 = (uint64_t)(k - c->client);
	if (!k->in || epoll_ctl(c->epfd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		free(k->in);
		k->in = NULL;
		return NULL;
	}
	k->fd = fd;
	k->events = EPOLLIN;
	k->since_ns = c->now_ns;
	c->st.clients++;
	return k;
}

/* --- who is it ------------------------------------------------------------------------------ */

static bool
has_group(const gid_t *v, size_t n, gid_t want)
{
	if (want == CTL_NO_GROUP)
		return false;
	for (size_t i = 0; i < n; i++)
		if (v[i] == want)
			return true;
	return false;
}

/* As the kernel says; false: neither viewer nor admin. */
static bool
peer_role(const struct ctl *c, int fd, struct ucred *cred, bool *admin)
{
	gid_t group[GROUPS_MAX + 1];
	socklen_t len = sizeof(*cred);
	size_t n;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len) != 0)
		return false;
	len = (socklen_t)(GROUPS_MAX * sizeof(gid_t));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &len) != 0)
		len = 0; /* in too many: its own group counts */
	n = len / sizeof(gid_t);
	group[n++] = cred->gid;
	*admin = cred->uid == 0 || cred->uid == geteuid() || has_group(group, n, c->conf.admin_gid);
	return *admin || has_group(group, n, c->conf.viewer_gid);
}

/* --- answers -------------------------------------------------------------------------------- */

static const char *
code_word(int code)
{
	switch (code) {
	case ERR_PERM:
		return "permission";
	case ERR_SYNTAX:
	case ERR_FORMAT:
		return "syntax";
	case ERR_NOTFOUND:
		return "unknown";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_AGAIN:
	case ERR_EXISTS:
		return "busy";
	case ERR_FULL:
		return "too_long";
	default:
		return "failed";
	}
}

static void
client_send(struct ctl *c, struct client *k)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int) * CTL_FDS)];
	} control = {.buf = {0}};

	while (k->out) {
		struct iovec iov = {k->out + k->out_off, k->out_len - k->out_off};
		struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		if (k->n_out_fds > 0) {
			struct cmsghdr *h;

			mh.msg_control = control.buf;
			mh.msg_controllen = CMSG_SPACE(sizeof(int) * k->n_out_fds);
			h = CMSG_FIRSTHDR(&mh);
			h->cmsg_level = SOL_SOCKET;
			h->cmsg_type = SCM_RIGHTS;
			h->cmsg_len = CMSG_LEN(sizeof(int) * k->n_out_fds);
			memcpy(CMSG_DATA(h), k->out_fd, sizeof(int) * k->n_out_fds);
		}
		n = sendmsg(k->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				client_close(k);
			return;
		}
		close_fds(k->out_fd, &k->n_out_fds);
		k->since_ns = c->now_ns;
		k->out_off += (size_t)n;
		if (k->out_off == k->out_len) {
			free(k->out);
			k->out = NULL;
		}
	}
	if (k->last)
		client_close(k);
}

/* {"v":1,"id":...  The rest follows. */
static struct jw
answer_begin(struct ctl *c, const struct client *k)
{
	struct jw w = jw_make(c->reply, CTL_REPLY - 1);

	jw_obj(&w, NULL);
	jw_u(&w, "v", 1);
	if (k->id[0]) {
		jw_key(&w, "id");
		jw_raw(&w, k->id, strlen(k->id));
	}
	return w;
}

static void
answer_end(struct ctl *c, struct client *k, struct jw *w)
{
	jw_ch(w, '\n');
	k->id[0] = '\0';
	k->waiting = false;
	k->since_ns = c->now_ns;
	k->out = w->full ? NULL : malloc(jw_len(w));
	if (!k->out) {
		client_close(k);
		return;
	}
	k->out_len = jw_len(w);
	k->out_off = 0;
	memcpy(k->out, c->reply, k->out_len);
	client_send(c, k);
}

static void
answer_error(struct ctl *c, struct client *k, int code, const char *text)
{
	struct jw w = answer_begin(c, k);

	jw_bool(&w, "ok", false);
	jw_str(&w, "code", code_word(code));
	jw_str(&w, "error", text);
	jw_close(&w, '}');
	close_fds(k->out_fd, &k->n_out_fds);
	answer_end(c, k, &w);
}

/* --- requests ------------------------------------------------------------------------------- */

static int
verb_lookup(const char *name)
{
	for (int i = 0; i < CTL__VERBS; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return i;
	return -1;
}

static void
act(struct ctl *c, struct client *k, struct ctl_request *rq)
{
	struct jw w = answer_begin(c, k);
	char err[512] = "";
	int r;

	jw_bool(&w, "ok", true);
	jw_obj(&w, "result");
	r = c->conf.act(c->conf.ctx, rq, &w, err, sizeof(err));
	memcpy(k->in_fd, rq->fd, sizeof(k->in_fd)); /* -1: kept; an answer may end the client */
	if (r == CTL_LATER) {
		k->waiting = true;
		k->token = rq->token;
		return;
	}
	if (r < 0) {
		answer_error(c, k, r, err[0] ? err : err_str(r));
		return;
	}
	for (unsigned i = 0; i < rq->n_reply_fds && i < CTL_FDS; i++) {
		int fd = fcntl(rq->reply_fd[i], F_DUPFD_CLOEXEC, 0);

		if (fd >= 0)
			k->out_fd[k->n_out_fds++] = fd;
	}
	jw_close(&w, '}');
	jw_close(&w, '}');
	if (w.full)
		answer_error(c, k, ERR_FULL, "the answer is longer than one may be");
	else
		answer_end(c, k, &w);
}

/* The client's own id goes back as it came: a number or a short string. */
static bool
id_keep(struct client *k, const json_t *id)
{
	char *text;
	bool ok;

	if (!id)
		return true;
	if (!json_is_integer(id) && !json_is_string(id))
		return false;
	text = json_dumps(id, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
	ok = text && strlen(text) < sizeof(k->id);
	if (ok)
		snprintf(k->id, sizeof(k->id), "%s", text);
	free(text);
	return ok;
}

static void
request(struct ctl *c, struct client *k, const char *line, size_t len)
{
	json_t *root = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const json_t *v = json_object_get(root, "v");
	const char *name = json_string_value(json_object_get(root, "verb"));
	struct ctl_request rq = {.args = root,
	    .pid = k->pid,
	    .uid = k->uid,
	    .gid = k->gid,
	    .admin = k->admin,
	    .token = ++c->tokens};
	char text[160];
	int id = name ? verb_lookup(name) : -1;

	c->st.requests++;
	if (!json_is_object(root) || !name || !id_keep(k, json_object_get(root, "id"))) {
		c->st.malformed++;
		answer_error(c, k, ERR_SYNTAX,
		    "a request is one line: {\"v\":1,\"verb\":\"status\"}, with an id or without");
	} else if (v && json_integer_value(v) != 1) {
		c->st.malformed++;
		answer_error(c, k, ERR_UNSUPPORTED, "only version 1 is known here");
	} else if (id < 0) {
		answer_error(c, k, ERR_NOTFOUND, "there is no such verb");
	} else if (verbs[id].admin && !k->admin) {
		c->st.refused++;
		log_warn("ctl: %s refused to user %u (pid %d): it is for admins", verbs[id].name,
		    (unsigned)k->uid, (int)k->pid);
		snprintf(text, sizeof(text), "%s is for admins, you are a viewer", verbs[id].name);
		answer_error(c, k, ERR_PERM, text);
	} else {
		rq.id = (uint8_t)id;
		rq.verb = verbs[id].name;
		rq.n_fds = k->n_in_fds;
		memcpy(rq.fd, k->in_fd, sizeof(rq.fd));
		if (verbs[id].admin)
			log_info("ctl: %s, asked by user %u (pid %d)", rq.verb, (unsigned)k->uid,
			    (int)k->pid);
		act(c, k, &rq);
	}
	json_decref(root);
	close_fds(k->in_fd, &k->n_in_fds);
}

/* Whole lines, one after the other, as far as answers can go out. */
static void
client_lines(struct ctl *c, struct client *k)
{
	while (k->fd >= 0 && !k->waiting && !k->out) {
		char *nl = memchr(k->in, '\n', k->in_len);
		size_t n;

		if (!nl)
			break;
		n = (size_t)(nl - k->in);
		request(c, k, k->in, n);
		if (k->fd < 0)
			return;
		k->in_len -= n + 1;
		memmove(k->in, nl + 1, k->in_len);
		k->since_ns = c->now_ns;
	}
	if (k->fd < 0 || k->waiting || k->out)
		return;
	if (k->in_len == CTL_LINE) {
		c->st.malformed++;
		k->last = true;
		answer_error(c, k, ERR_FULL, "the request is longer than one may be");
	} else if (k->eof) {
		client_close(k);
	}
}

static void
take_fds(struct client *k, struct msghdr *mh)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h; h = CMSG_NXTHDR(mh, h)) {
		size_t n;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(fd));
			if (k->admin && k->n_in_fds < CTL_FDS)
				k->in_fd[k->n_in_fds++] = fd;
			else
				(void)close(fd);
		}
	}
}

static void
client_read(struct ctl *c, struct client *k)
{
	while (!k->eof && k->in_len < CTL_LINE) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int) * CTL_FDS)];
		} control;
		struct iovec iov = {k->in + k->in_len, CTL_LINE - k->in_len};
		struct msghdr mh = {.msg_iov = &iov,
		    .msg_iovlen = 1,
		    .msg_control = control.buf,
		    .msg_controllen = sizeof(control.buf)};
		ssize_t n = recvmsg(k->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			client_close(k);
			return;
		}
		take_fds(k, &mh);
		if (n == 0)
			k->eof = true;
		else if (k->in_len == 0)
			k->since_ns = c->now_ns; /* a line begins; it is to be finished soon */
		k->in_len += (size_t)n;
	}
	client_lines(c, k);
}

static void
client_accept(struct ctl *c)
{
	for (unsigned i = 0; i < BACKLOG; i++) {
		int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct ucred cred = {0};
		struct client *k;
		bool admin = false;

		if (fd < 0)
			return;
		if (!peer_role(c, fd, &cred, &admin)) {
			static const char no[] =
			    "{\"v\":1,\"ok\":false,\"code\":\"permission\","
			    "\"error\":\"you are neither viewer nor admin\"}\n";

			c->st.refused++;
			log_warn("ctl: user %u (pid %d) is neither viewer nor admin",
			    (unsigned)cred.uid, (int)cred.pid);
			(void)send(fd, no, sizeof(no) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
			(void)close(fd);
			continue;
		}
		k = client_new(c, fd);
		if (!k) {
			c->st.dropped++;
			(void)close(fd);
			continue;
		}
		k->admin = admin;
		k->pid = cred.pid;
		k->uid = cred.uid;
		k->gid = cred.gid;
	}
}

/* --- the rest ------------------------------------------------------------------------------- */

static void
drop_slow(struct ctl *c)
{
	for (unsigned i = 0; i < CTL_CLIENTS; i++) {
		struct client *k = &c->client[i];

		if (k->fd < 0 || k->waiting || (!k->out && k->in_len == 0) ||
		    c->now_ns < k->since_ns || c->now_ns - k->since_ns < CTL_PATIENCE_NS)
			continue;
		c->st.dropped++;
		log_warn(
		    "ctl: client of user %u (pid %d) is too slow", (unsigned)k->uid, (int)k->pid);
		client_close(k);
	}
}

void
ctl_run(struct ctl *c, uint64_t mono_ns)
{
	struct epoll_event ev[EVENTS];
	bool knocked = false;
	int n;

	c->now_ns = mono_ns;
	n = epoll_wait(c->epfd, ev, EVENTS, 0);
	for (int i = 0; i < n; i++) {
		struct client *k;

		if (ev[i].data.u64 == LISTEN) {
			knocked = true;
			continue;
		}
		k = &c->client[ev[i].data.u64];
		if (k->fd < 0)
			continue;
		if (ev[i].events & EPOLLOUT)
			client_send(c, k);
		if (k->fd >= 0 && (ev[i].events & EPOLLIN))
			client_read(c, k);
		else if (k->fd >= 0)
			client_lines(c, k); /* an answer is out: the next request */
		if (k->fd >= 0 && (ev[i].events & (EPOLLHUP | EPOLLERR)) &&
		    !(ev[i].events & EPOLLIN))
			client_close(k);
	}
	if (knocked) /* last: who comes may get the place of one of whom there was an event */
		client_accept(c);
	for (unsigned i = 0; i < CTL_CLIENTS; i++)
		if (c->client[i].fd >= 0)
			client_arm(c, &c->client[i]);
	drop_slow(c);
}

static struct client *
client_of(struct ctl *c, uint64_t token)
{
	for (unsigned i = 0; i < CTL_CLIENTS; i++) {
		struct client *k = &c->client[i];

		if (k->fd >= 0 && k->waiting && k->token == token)
			return k;
	}
	return NULL;
}

static void
answer_late(struct ctl *c, struct client *k, const char *result, size_t len)
{
	struct jw w = answer_begin(c, k);

	jw_bool(&w, "ok", true);
	jw_obj(&w, "result");
	if (result)
		jw_raw(&w, result, len);
	jw_close(&w, '}');
	jw_close(&w, '}');
	if (w.full)
		answer_error(c, k, ERR_FULL, "the answer is longer than one may be");
	else
		answer_end(c, k, &w);
}

/* What it sent meanwhile. */
static void
client_go_on(struct ctl *c, struct client *k)
{
	if (k->fd >= 0)
		client_lines(c, k);
	if (k->fd >= 0)
		client_arm(c, k);
}

void
ctl_answer(struct ctl *c, uint64_t token, int code, const char *text, const char *result,
    size_t result_len)
{
	struct client *k = client_of(c, token);

	if (!k)
		return;
	if (code < 0)
		answer_error(c, k, code, text ? text : err_str(code));
	else
		answer_late(c, k, result, result_len);
	client_go_on(c, k);
}

void
ctl_answer_fd(struct ctl *c, uint64_t token, int fd)
{
	struct client *k = client_of(c, token);
	int own = k && k->n_out_fds < CTL_FDS ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	if (own >= 0)
		k->out_fd[k->n_out_fds++] = own;
}

int
ctl_adopt(struct ctl *c, int fd, bool admin)
{
	struct client *k = client_new(c, fd);

	if (!k)
		return ERR_FULL;
	k->adopted = true;
	k->admin = admin;
	k->pid = getpid();
	k->uid = geteuid();
	k->gid = getegid();
	return 0;
}

int
ctl_fd(const struct ctl *c)
{
	return c->epfd;
}

const struct ctl_stats *
ctl_stats(const struct ctl *c)
{
	return &c->st;
}

/* Is somebody there? */
static bool
answers(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return yes;
}

/* A socket under another name, then renamed: who connects finds the old one or the new one. */
static int
listen_at(struct ctl *c, char *err, size_t size)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, tmp = {.sun_family = AF_UNIX};
	const char *path = c->path, *slash = strrchr(path, '/');
	char dir[sizeof(c->path)];
	struct stat st;

	memcpy(a.sun_path, path, strlen(path) + 1);
	if ((size_t)snprintf(tmp.sun_path, sizeof(tmp.sun_path), "%s.%d", path, (int)getpid()) >=
	    sizeof(tmp.sun_path))
		return err_say(err, size, ERR_RANGE, "ctl %s: the path is too long", path);
	if (slash && slash != path) { /* /run is empty after a boot */
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
		(void)mkdir(dir, 0755);
	}
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode))
			return err_say(
			    err, size, ERR_EXISTS, "ctl %s: is there, and is no socket", path);
		if (!c->conf.replace && answers(&a))
			return err_say(
			    err, size, ERR_EXISTS, "ctl %s: another guard answers", path);
	}
	(void)unlink(tmp.sun_path);
	c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listen_fd < 0 ||
	    bind(c->listen_fd, (const struct sockaddr *)&tmp, sizeof(tmp)) != 0 ||
	    chmod(tmp.sun_path, 0666) != 0 || listen(c->listen_fd, BACKLOG) != 0 ||
	    lstat(tmp.sun_path, &st) != 0 || rename(tmp.sun_path, path) != 0) {
		int e = errno;

		(void)unlink(tmp.sun_path);
		return err_say(err, size, err_from_errno(e), "ctl %s: %s", path, strerror(e));
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	return 0;
}

struct ctl *
ctl_open(const struct ctl_conf *conf, char *err, size_t size)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = LISTEN};
	const char *path = conf->path ? conf->path : CTL_PATH;
	struct ctl *c = calloc(1, sizeof(*c));

	if (!c || !(c->reply = malloc(CTL_REPLY))) {
		free(c);
		(void)err_say(err, size, ERR_NOMEM, "ctl: out of memory");
		return NULL;
	}
	c->conf = *conf;
	c->listen_fd = -1;
	for (unsigned i = 0; i < CTL_CLIENTS; i++)
		c->client[i].fd = -1;
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	if ((size_t)snprintf(c->path, sizeof(c->path), "%s", path) >= sizeof(c->path)) {
		(void)err_say(err, size, ERR_RANGE, "ctl %s: the path is too long", path);
		c->path[0] = '\0';
		ctl_close(c);
		return NULL;
	}
	if (listen_at(c, err, size) < 0) {
		ctl_close(c);
		return NULL;
	}
	if (c->epfd < 0 || epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->listen_fd, &ev) != 0) {
		(void)err_say(
		    err, size, err_from_errno(errno), "ctl %s: %s", path, strerror(errno));
		ctl_close(c);
		return NULL;
	}
	return c;
}

void
ctl_close(struct ctl *c)
{
	struct stat st;

	if (!c)
		return;
	for (unsigned i = 0; i < CTL_CLIENTS; i++) {
		if (c->client[i].fd >= 0 && c->client[i].out)
			client_send(c, &c->client[i]);
		client_close(&c->client[i]);
	}
	if (c->ino != 0 && lstat(c->path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		(void)unlink(c->path);
	if (c->listen_fd >= 0)
		(void)close(c->listen_fd);
	if (c->epfd >= 0)
		(void)close(c->epfd);
	free(c->reply);
	free(c);
}
