/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send.h - a sender: follows one journal and serves outputs, each at its own pace and with its own place.
 *
 * It has no signing key and writes nothing but its state directory (and files that are outputs):
 *
 *   NAME.place    how far an output is (place.h)
 *   receipt       the collector's last receipt, for the signer
 *   status.json   what is shown by interlock send status
 *
 * Once all is open it confines itself (confine.c): who it becomes, what it may read, write and connect to, and which system
 * calls it has, is settled before the first byte of a peer.
 *
 * A thread per output, which never waits for another one.  Memory is taken at the start, per output about what
 * FOLLOW_LINES_BYTES and the transport's buffers are.
 */
#ifndef SENDER_SEND_H
#define SENDER_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sender/out.h"

#define SEND_OUTPUTS_MAX 16u

struct send_conf {
	const char *const *targets; /* n_targets outputs */
	size_t n_targets;
	const char *journal_dir, *state_dir;
	const char *identity, *evidence_dir, *assets_path; /* may be NULL */
	const char *proposals_dir;			   /* the same */
	const char *watchlist_path;			   /* the same */
	const char *rollouts_dir;			   /* the same */
	const char *policy_path; /* of the policy that policy() reads, for the sandbox */
	/* The policy and all its files as JSON (collector/openapi.yaml, PUT /ingest/v1/policy), when it is another
	 * one than at the last call; else NULL. */
	const char *(*policy)(void *ctx, size_t *n);
	void *policy_ctx;
	uint32_t retry_max_ms, timeout_ms, drain_ms;
	bool once; /* end when all that is there is delivered */
	uid_t uid; /* whom root becomes once all is open; all others stay who they are */
	gid_t gid;
};

/* How it ended. */
enum send_end {
	SEND_ALL = 0, /* everything that was there is delivered */
	SEND_LEFT,    /* something is not; the journal has it */
	SEND_UNABLE,  /* could not begin; said in err */
};

/* Until SIGTERM or SIGINT; SIGHUP opens files anew. */
enum send_end send_run(const struct send_conf *conf, char *err, size_t err_size);

#endif /* SENDER_SEND_H */
