/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctl.h - the socket by which a running guard is asked and told.
 *
 * A Unix stream socket; a request is one line of JSON, its answer is another (the form is
 * in docs/PROTOCOL.ctl.md).  Who asks is what the kernel says (SO_PEERCRED, SO_PEERGROUPS): user 0
 * and the guard's own user are admins, members of two groups are admins or viewers,
 * anybody else gets an answer that says so, and a line in the log.
 *
 * Life of a request: a whole line arrived; its verb is in ctl.def and the peer may use it; act() is
 * called, and answers at once or later.  A client has one request open at a time; what it
 * sends meanwhile waits.  Bounds: CTL_CLIENTS connections, CTL_LINE bytes of a request,
 * CTL_REPLY of an answer, CTL_PATIENCE_NS for a client that does not read, or does not finish its
 * line.  Nothing here blocks; one thread.
 */
#ifndef GUARD_CTL_H
#define GUARD_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CTL_PATH	"/run/interlock/ctl.sock"
#define CTL_CLIENTS	32u
#define CTL_LINE	65536u	   /* bytes of a request, newline included */
#define CTL_REPLY	(4u << 20) /* bytes of an answer, newline included */
#define CTL_FDS		16u	   /* descriptors beside a request or an answer */
#define CTL_PATIENCE_NS UINT64_C(10000000000)
#define CTL_NO_GROUP	((gid_t)-1)
#define CTL_LATER	1 /* act(): ctl_answer() comes */

struct jw;
struct json_t; /* jansson's */
struct ctl;

enum ctl_verb {
#define CTL_VERB(name, admin, text) CTL_##name,
#include "guard/ctl.def"
#undef CTL_VERB
	CTL__VERBS
};

struct ctl_request {
	uint8_t id;	  /* enum ctl_verb */
	const char *verb; /* "status" */
	const struct json_t
	    *args;	/* the request object; its members but v, verb, id are arguments */
	uint64_t token; /* for ctl_answer() */
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool admin;
	/* Descriptors that came with it; whoever keeps one sets its place to -1. */
	int fd[CTL_FDS];
	unsigned n_fds;
	/* Descriptors to send with the answer; duplicated, the caller keeps its own. */
	int reply_fd[CTL_FDS];
	unsigned n_reply_fds;
};

struct ctl_conf {
	const char *path;	     /* of the socket; NULL = CTL_PATH */
	gid_t viewer_gid, admin_gid; /* CTL_NO_GROUP: nobody by group */
	bool replace; /* a predecessor's socket may be there, and is to be replaced */
	void *ctx;
	/*
	 * 0: the members written to out are the result (out is inside an object); CTL_LATER; or
	 * ERR_*, with a line for the asker in err.  Everything in rq is borrowed.
	 */
	int (*act)(void *ctx, struct ctl_request *rq, struct jw *out, char *err, size_t err_size);
};

/* NULL on failure, one line for the user in err.  Without `replace` a socket that answers is not
 * touched; one that nobody answers is. */
struct ctl *ctl_open(const struct ctl_conf *conf, char *err, size_t err_size);
/* For poll(): readable when ctl_run() has something to do. */
int ctl_fd(const struct ctl *c);
/* Do what can be done now; mono_ns is CLOCK_MONOTONIC.  To be called at least once a second too. */
void ctl_run(struct ctl *c, uint64_t mono_ns);

/* A socket of the caller's (one end of a socketpair) as one more client, which is
 * closed with it: for processes of our own.  0 or ERR_FULL. */
int ctl_adopt(struct ctl *c, int fd, bool admin);

/*
 * The answer to a request that act() left for later.  result: the members of an object, as
 * written with a struct jw ("\"generation\":3"), or NULL for none; code ERR_*: it failed, and text
 * says why.  A client that has gone away meanwhile is no error.
 */
void ctl_answer(struct ctl *c, uint64_t token, int code, const char *text, const char *result,
    size_t result_len);

/* A descriptor to send with the answer that comes: duplicated.  Before ctl_answer(). */
void ctl_answer_fd(struct ctl *c, uint64_t token, int fd);

struct ctl_stats {
	uint64_t clients, requests, refused, malformed, dropped; /* dropped: slow or too many */
};
/* What it has seen so far. */
const struct ctl_stats *ctl_stats(const struct ctl *c);

/* Sends what is already written as far as it goes, then closes; the path is removed when it is
 * still ours. */
void ctl_close(struct ctl *c);

#endif /* GUARD_CTL_H */
