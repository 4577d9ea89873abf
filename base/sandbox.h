/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - what a process of a guard, or a sender, can still do once it has what it needs.
 *
 * sandbox_enter() is one way: afterwards the process has another user, no capability and no
 * way to get one, the descriptors it named, no file system but what is listed, and the system calls
 * of its role (sandbox.c has each with its reason).  Another call ends the process with SIGSYS; in a sender and a
 * watch most others say ENOSYS.
 * A worker's heap is frozen: malloc() says NULL when its spare bytes are used up.  sandbox_parent() keeps the file system and
 * the rights that supervising takes.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct io;

enum sandbox_role {
	SANDBOX_WORKER = 0,
	SANDBOX_BUILDER,
	SANDBOX_SIGNER,
	SANDBOX_METRICS,
	SANDBOX_SENDER,
	SANDBOX_WATCH,
	SANDBOX__ROLES
};

struct sandbox {
	enum sandbox_role role;
	uid_t uid; /* what it becomes; that of the caller when it is not root */
	gid_t gid;
	const int *keep; /* n_keep descriptors stay open beside 0, 1, 2; NULL: all that are */
	size_t n_keep;
	/* Threads of a library beside the caller: runs fn in each; they give up the same.  NULL: there are
	 * none.  As threads() of an io (io.h). */
	int (*threads)(struct io *of, void (*fn)(void *), void *ctx);
	struct io *threads_of;
	bool driver;	  /* worker: has a driver of DPDK in it, which needs some calls more */
	bool maps;	  /* worker: may read, put in and take out of maps that it has (bpf(2)) */
	bool with_parent; /* is killed when its parent is gone */
	/* signer, sender, watch: below these it may make and write files; NULL-ended */
	const char *const *dirs;
	/* signer, sender, watch: files, and directories with what is below, that it may read; instead of one that is
	 * not there yet, what is beside it */
	const char *const *reads;
	const uint16_t *ports; /* sender: TCP ports it may connect to; 0-ended */
};

/* What the kernel lacks of it: "" = nothing. */
const char *sandbox_lacking(void);

/* 0 or ERR_*, said in err; the process is not to go on after an error. */
int sandbox_enter(const struct sandbox *s, char *err, size_t size);

/* Close all descriptors but 0, 1, 2 and these. */
void sandbox_close_others(const int *keep, size_t n);

/* For the parent: no new privileges, and only the capabilities it needs.  loads_programs: a new worker's
 * driver loads XDP programs by itself, which takes CAP_SYS_ADMIN and CAP_PERFMON.  0 or ERR_*, said. */
int sandbox_parent(bool loads_programs, char *err, size_t size);

/* Does this process have the rights to start a guard?  Said in err when not. */
bool sandbox_can_guard(char *err, size_t size);

/* Limits of a builder: seconds of CPU, bytes of memory and of the image. */
struct sandbox_limits {
	uint64_t cpu_s, data_bytes, file_bytes;
};
int sandbox_limit(const struct sandbox_limits *l); /* 0 or ERR_* */

#endif /* BASE_SANDBOX_H */
