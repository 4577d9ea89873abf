/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.h - the files that a policy includes, as they were at one moment, in one file: for each
 * "LENGTH NAME\n" and its bytes.  Names are those below the policy's directory (policy/files.h).
 *
 * The builder's parent puts together what it hands out, so that a policy which is kept, or comes from
 * somebody else, has them with it.  Nobody looks into the texts.
 */
#ifndef POLICY_BUNDLE_H
#define POLICY_BUNDLE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/crypto.h"
#include "policy/files.h"

#define BUNDLE_MAX (96u << 20) /* bytes; more than all files of a policy may have */

struct bundle_file {
	char name[POLICY_FILE_NAME + 1];
	off_t at; /* where its bytes begin */
	uint64_t len;
};

/* One more, from the front of a file; *fd -1: a bundle in memory is made.  0 or ERR_*, said. */
int bundle_add(int *fd, const char *name, int from, char *err, size_t size);
/* The file whose header is at *next, which moves on: 1; 0: there is none any more; ERR_FORMAT: it is no bundle. */
int bundle_next(int fd, off_t *next, struct bundle_file *f);
/* A sealed copy of one of them: a descriptor, ERR_NOTFOUND, or ERR_*, said. */
int bundle_get(int fd, const char *name, char *err, size_t size);
/* SHA-256 of len bytes from `at` on (UINT64_MAX: to the end).  0 or ERR_IO. */
int bundle_hash(int fd, off_t at, uint64_t len, uint8_t sha256[CRYPTO_SHA256_LEN]);

#endif /* POLICY_BUNDLE_H */
