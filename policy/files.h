/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.h - the files that a policy is made of: the main one, what it includes, and what `names:` reads.
 *
 * Included files are named relative to the file that names them and lie in or below the
 * directory of the main one.  Who reads them is a callback, since a guard's builder may open
 * nothing: policy_dir_read() is the one for everybody else.
 *
 * policy_hash() of a policy of one file is the SHA-256 of its text.  Of several it is the SHA-256 of
 * what `sha256sum MAIN A B` prints in that directory, files in the order they are read (each one,
 * then what it includes; then those of `names:`, device by device, then of the policy; each once): lines of 64 hex digits, two blanks, the name.  So one signature of the
 * main file covers all of them when its trusted comment has this hash: `policy sign` writes
 * "policy:HEX" there, policy_files_signed() looks for it.
 */
#ifndef POLICY_FILES_H
#define POLICY_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/policy.h"

#define POLICY_FILES	  64u /* of one policy, the main one included */
#define POLICY_FILE_DEPTH 8u  /* files that include each other */
#define POLICY_FILE_NAME  200u
#define POLICY_FILE_BYTES (16u << 20) /* of one that is no policy; of a policy YAML_SIZE_MAX */
#define POLICY_TEXT_BYTES (64u << 20) /* of all of them that are none */

struct policy_source {
	const char
	    *name; /* of the main file, for complaints; its directory is put before the others */
	const char *text; /* of the main file */
	size_t len;
	/* The text of a file, POLICY_FILE_BYTES or one more of it, malloc'd: the caller's.  rel is clean: no "..", no "//".
	 * 0, or ERR_* and why.  NULL: nothing can be included. */
	int (*read)(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size);
	void *ctx;
	/* out, when the policy was read: */
	uint32_t n_files;
	uint8_t hash[32];
};

/* As policy_build_text(). */
struct policy *policy_build_source(struct policy_source *src, struct complaints *c)
    __attribute__((warn_unused_result));

/* The directory that a file is in; a descriptor, or ERR_*. */
int policy_dir_open(const char *path);
/* A regular file in or below it, without following any link: a descriptor, or ERR_* and why. */
int policy_dir_file(int dir, const char *rel, char *why, size_t size);
/* .read of a source; ctx: int *, from policy_dir_open(). */
int policy_dir_read(void *ctx, const char *rel, char **text, size_t *len, char *why, size_t size);

/* Does the trusted comment of the main file's signature cover all the files?  Of one file it need
 * not say so. */
bool policy_files_signed(const struct policy_source *src, const char *comment);

#endif /* POLICY_FILES_H */
