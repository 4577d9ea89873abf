/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keep.h - what a guard has to know after a restart: small files in a directory of its own.
 *
 *   accepted-PORT.json   the newest signed policy that was in force (--require-signed), so that
 *                        an older one is not put in force by starting the guard again
 *   used-PORT.json       permits that were given to it (used.h)
 *
 * PORT is the outside interface: two guards of one machine do not share files.  Who can
 * write there is who can replace the guard: the directory is root's, and no process but the parent
 * opens it.
 */
#ifndef GUARD_KEEP_H
#define GUARD_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "base/crypto.h"
#include "base/key.h"

#define KEEP_DIR  "/var/lib/interlock-guard"
#define KEEP_PATH 512u

struct keep {
	char dir[256];
	char port[32];
};

/* dir: NULL = KEEP_DIR.  0 or ERR_USAGE, said: too long. */
int keep_init(struct keep *k, const char *dir, const char *port, char *err, size_t size);
/* Make the directory when it is not there.  0 or ERR_*, said. */
int keep_open(const struct keep *k, char *err, size_t size);
/* DIR/WHAT-PORT.END.  Returns buf. */
char *keep_path(const struct keep *k, const char *what, const char *end, char buf[KEEP_PATH]);
/* Small texts; whole or not at all, and on disk when it returns.  0 or ERR_*, said. */
int keep_write(const char *path, const char *text, size_t len, char *err, size_t size);
/* How many bytes; ERR_NOTFOUND (nothing said), or ERR_*, said. */
int keep_read(const char *path, char *buf, size_t buf_size, char *err, size_t size);

/* A signed policy that is or was in force. */
struct accepted {
	uint64_t signed_s; /* seconds since 1970, of its trusted comment; 0 = there was none yet */
	uint8_t sha256[CRYPTO_SHA256_LEN];
	char kid[KEY_ID_CHARS + 1];
};
/* What was written; zeros when nothing was.  0 or ERR_*, said: unreadable is not nothing. */
int accepted_load(const struct keep *k, struct accepted *a, char *err, size_t size);
int accepted_save(const struct keep *k, const struct accepted *a, char *err, size_t size);
/* May this one follow that one?  It was signed later, or is the same.  0 or ERR_SIGNATURE, said. */
int accepted_check(
    const struct accepted *last, const struct accepted *next, char *err, size_t size);

#endif /* GUARD_KEEP_H */
