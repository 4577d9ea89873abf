/* SPDX-License-Identifier: Apache-2.0 */
/*
 * follow.h - read a journal (journal.h) while it is written: batch after batch, whole and checked, and then
 * wait for the next.
 *
 * A batch is given away only when it is on disk: what a crash could still take back would, once it has left, be
 * a second batch of the same number later.  The follower syncs what it read by itself, so it need not
 * know how far the writer is.  Signature (keys of key.pub), order and the hash of the lines are
 * checked; what is behind damage in a segment is skipped when there is a later segment, and told.
 *
 * It takes no lock and writes nothing.  A segment that is removed meanwhile is read to its end; what was gone
 * before it could be read is a gap, and told.  Memory: one batch.  One thread per follower.
 */
#ifndef ALERTS_FOLLOW_H
#define ALERTS_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/batch.h"

#define FOLLOW_LINES_BYTES (4u << 20) /* of one batch; a signer closes it before */

struct follow;

/* A place in the chain: behind this batch. */
struct follow_place {
	uint64_t epoch, batch; /* 0, 0: before everything that is there */
	bool has_hash;
	uint8_t hash[CRYPTO_SHA256_LEN]; /* of its JWS */
};

/* Borrowed until the next call. */
struct follow_batch {
	struct batch b;
	uint8_t hash[CRYPTO_SHA256_LEN]; /* SHA-256 of the JWS */
	const char *jws;		 /* without newline */
	size_t jws_len;
	const char *lines; /* b.n of them, each with its newline */
	size_t len;
	uint64_t
	    gap; /* batches in front of it that are gone; epochs that are gone altogether count 1 */
};

/* NULL: out of memory, or there is no such directory (said in err).  It may be empty still. */
struct follow *follow_new(const char *dir, char *err, size_t err_size);
void follow_free(struct follow *f);

/*
 * The next batch will be the one behind `to`.  0; ERR_CHAIN: that batch is here and has another hash, so this is not the
 * journal that it was of; ERR_NOTFOUND: the journal ends before it; or ERR_*: it could not be read.  After an error
 * follow_next() is not to be called.
 */
int follow_seek(struct follow *f, const struct follow_place *to, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* Behind what is there now. 0 or ERR_*. */
int follow_seek_end(struct follow *f, char *err, size_t err_size)
    __attribute__((warn_unused_result));

/* 0: there is one; ERR_AGAIN: not yet; ERR_CHAIN: damage, and nothing behind it yet; ERR_* otherwise.  Said in err,
 * also with 0 when something was skipped on the way to it (else err is ""). */
int follow_next(struct follow *f, struct follow_batch *out, char *err, size_t err_size)
    __attribute__((warn_unused_result));

/* The last batch that is written in an open directory, on disk or not, unverified: to know how far behind one is.  jws: its statement,
 * NUL-ended, holds BATCH_JWS_MAX + 1; or NULL.  0, or ERR_NOTFOUND: none. */
int follow_head(int dirfd, struct batch *out, char *jws);

#endif /* ALERTS_FOLLOW_H */
