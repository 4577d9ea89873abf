/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - the process that sees packets: ports, engine, and nothing else.
 *
 * The parent forks it with everything it needs already open or mapped.  It takes its memory, opens
 * the ports' sockets, gives up every right (sandbox.h), and then receives.  From then on
 * it allocates nothing; it hears the parent by messages (msg.h) and shows itself in struct
 * guard_shared.  It ends when it is told to, or when the parent is gone.
 */
#ifndef GUARD_WORKER_H
#define GUARD_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dataplane/io/io.h"
#include "guard/shared.h"
#include "policy/policy.h"

struct alerts_shared;
struct gate;

struct worker_conf {
	unsigned workers;	      /* threads that judge packets, 1 to GUARD_WORKERS */
	struct guard_shared *shared;  /* [workers] */
	struct alerts_shared *alerts; /* NULL = no alerts are written */
	struct gate *gate;	      /* samples of what it denied; NULL = none */
	struct io_port ports[2];
	const char *io_target;	     /* of io_conf: "" or "zerocopy" */
	const struct policy *policy; /* an image, mapped before the fork */
	const struct policy *shadow; /* the same, judged beside it; NULL = none */
	enum panic_mode panic;	     /* begins with it */
	size_t memory_bytes;	     /* of the engines together; 0 = the default of each */
	uint64_t seed;
	int sock;     /* its end of the messages */
	bool fast_path; /* of the kernel's filter; needs gate */
	int handover; /* flows of a predecessor, or -1 */
	uid_t uid;    /* what it becomes */
	gid_t gid;
};

/* The life of the process. What goes wrong before it receives is said in a STOPPED message. */
_Noreturn void worker_run(const struct worker_conf *conf);

#endif /* GUARD_WORKER_H */
