/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer.h - the process that holds the key: records from the shared rings become EVE lines and
 * signed batches of the journal (alerts/alert.h, ALERTS_SIGNER).
 *
 * The parent forks it; signer_run() opens key, journal and EVE file, gives up what it does
 * not need any more (confine), and works until it is told to stop or the parent is
 * gone; a clean stop ends the journal with a signed `final: true`.  Parent and signer talk over a
 * socketpair (SOCK_SEQPACKET), by fixed-size messages and nothing else.  A signer that dies may be
 * forked again at once: rings and marks are in memory that outlives it, so nothing is signed twice
 * and nothing is left out; the parent sends it the images of all living policies again.
 */
#ifndef GUARD_SIGNER_H
#define GUARD_SIGNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "alerts/delivery.h"
#include "alerts/receipt.h"

struct alerts_shared;

/* What the signer shows of itself: memory of the parent's, mapped shared, that no worker has.
 * One writer; words are written whole. */
struct signer_shared {
	_Atomic uint64_t alive_ns; /* CLOCK_MONOTONIC of its last turn */
	_Atomic int32_t pid;
	_Atomic uint32_t ready;	   /* journal and outputs are open: it signs */
	_Atomic uint32_t failing;  /* the last write to the journal or an output failed */
	_Atomic uint32_t reopened; /* count of EVE files opened anew */
	_Atomic uint64_t events, folded, lost; /* as in struct alerts_stats */
	_Atomic uint64_t lines, batches, write_errors, rejected, removed, waiting;
	_Atomic uint64_t epoch, batch, next_seq, journal_bytes;
	_Atomic uint64_t last_batch_ns; /* wall clock */
	_Atomic uint64_t error_ns;	/* wall clock of the last error; 0 = none yet */
	_Atomic uint32_t error_seq;	/* odd while error is written */
	char error[256];		/* the last one; stays when it is over */
	/* What the sender's status says, for the parent to tell: said is heard, or one more than that. */
	_Atomic uint32_t sender_said, sender_heard;
	uint32_t sender_event;
	char sender_note[DELIVERY_NOTE_MAX];
};

struct signer_conf {
	struct alerts_shared *alerts;
	unsigned packets; /* packet sides of it; 0 = 1 */
	struct signer_shared *shared;
	int fd;					       /* its end of the socketpair */
	const char *journal_dir, *key_path, *eve_path; /* as in struct alerts_conf */
	struct receipt_files receipts;
	const char
	    *sender_dir; /* of a sender that follows the journal, or NULL (alerts/delivery.h) */
	uint64_t sender_behind_s;
	const char *sensor;
	const char *port_names[2]; /* outside, inside: EVE in_iface; NULL: */
	const char *in_iface;	   /* of all */
	const struct policy *
	    policy; /* of the first records, mapped before the fork; NULL: only those that are sent */
	/* As in struct alerts_conf. */
	void (*named)(void *ctx, uint64_t mark, uint64_t epoch, uint64_t seq);
	void *named_ctx;
	uint64_t journal_bytes;
	bool enforcing;
	uid_t
	    uid; /* who it will be after confine: journal and EVE file are made its own; 0 = as is */
	gid_t gid;
	unsigned patience_s; /* how long it waits for a predecessor to leave the journal */
	/* Everything is open: give up privileges.  NULL: do not.  0 or ERR_*, said in err. */
	int (*confine)(void *ctx, char *err, size_t err_size);
	void *ctx;
};

/*
 * What a signer gives up, as conf->confine with ctx = conf: everything but its journal, its outputs' directories and what
 * it looks at (receipts, the sender's status).  0 or ERR_*, said.
 */
int signer_confine(void *ctx, char *err, size_t err_size);

/* The life of the process; what to exit with: 0 after a clean stop, 1 could not start. */
int signer_run(const struct signer_conf *conf);

/* --- the parent's end of the socketpair; never blocks; 0 or ERR_* (AGAIN: try again soon) ------ */

/* An image (policy/image.h) whose generation records may name from now on: send it before the
 * worker gets it. */
int signer_send_policy(int fd, int image_fd);
/* No record of this generation can come any more. */
int signer_send_drop(int fd, uint32_t generation);
/* Open the EVE file anew. */
int signer_send_reopen(int fd);
/* Work off the rings, sign the end, exit. */
int signer_send_stop(int fd);

/* What is to be told of the sender, once: note holds DELIVERY_NOTE_MAX.  False: nothing. */
bool signer_heard(struct signer_shared *s, enum guard_event *event, char *note);

/* The last error, whole; false: there was none.  buf holds sizeof(s->error). */
bool signer_error(const struct signer_shared *s, char *buf);

#endif /* GUARD_SIGNER_H */
