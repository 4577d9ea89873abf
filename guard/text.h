/* SPDX-License-Identifier: Apache-2.0 */
/*
 * text.h - the bytes of a policy and of its signature, as they were at one moment.
 *
 * They are copied into a sealed memfd once, so what is verified is what is compiled, and what is in
 * force can be kept when the file on disk is another one already.  The parent copies; it
 * does not look at them.
 */
#ifndef GUARD_TEXT_H
#define GUARD_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/minisign.h"

#define TEXT_MAX (16u << 20) /* bytes of a policy file; one more is kept, so that it is seen */

struct text {
	int fd;	   /* sealed, its position at the front; -1 = none */
	int files; /* what it includes: bundle.h; -1 = nothing, or nobody knows yet */
	size_t sig_len;
	char sig[MINISIGN_MAX + 1]; /* FILE.minisig; longer: cut, and no signature any more */
	uint8_t sha256[CRYPTO_SHA256_LEN];
};

#define TEXT_NONE                                                                                  \
	{                                                                                          \
		.fd = -1, .files = -1                                                              \
	}

/* Copy a file, and FILE.minisig when there is one.  0 or ERR_*, said in err. */
int text_take(struct text *t, const char *path, char *err, size_t size);
/* The same of descriptors that somebody else has opened (sig -1: none), which stay his; regular files. */
int text_take_fd(struct text *t, int fd, int sig, char *err, size_t size);
/* Copy the bundle of what it includes, from a descriptor that stays the caller's.  0 or ERR_*, said. */
int text_take_files(struct text *t, int fd, char *err, size_t size);
/* What text_save() has written. */
int text_take_kept(struct text *t, const char *path, char *err, size_t size);
/* Another one with the same bytes and descriptors of its own.  0 or ERR_*, said. */
int text_dup(struct text *t, const struct text *of, char *err, size_t size);
/* A sealed copy of a file below a directory that a policy is in (policy/files.h): a descriptor, or
 * ERR_* and why. */
int text_copy(int dir, const char *rel, char *err, size_t size);
/* Write it, its signature and what it includes as PATH, PATH.minisig and PATH.files: each whole or not at all, on disk when it
 * returns, mode 0600.  0 or ERR_*, said in err. */
int text_save(const struct text *t, const char *path, char *err, size_t size);
/* Remove them. */
void text_forget(const char *path);
void text_drop(struct text *t);

#endif /* GUARD_TEXT_H */
