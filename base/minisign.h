/* SPDX-License-Identifier: Apache-2.0 */
/*
 * minisign.h - detached signatures of files in the format of minisign
 * (jedisct1.github.io/minisign, "Signature format"), so that a signed policy can be
 * checked on a machine that has never seen this project.
 *
 *   untrusted comment: <text>
 *   base64("ED" || key number[8] || Ed25519(BLAKE2b-512(file)))
 *   trusted comment: <text>
 *   base64(Ed25519(the 64 bytes of the signature || trusted comment))
 *
 * A public key is base64("Ed" || key number[8] || key[32]).  The key number of our keys is
 * the first 8 bytes of the key's BLAKE2b-256; it only helps to find the key.
 * Our trusted comment begins "timestamp:N" (seconds since 1970, UTC), as minisign's does.
 */
#ifndef BASE_MINISIGN_H
#define BASE_MINISIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/key.h"

#define MINISIGN_MAX	 1024u /* bytes of a signature file that we write or read */
#define MINISIGN_COMMENT 256u  /* of the trusted comment, with its NUL */

struct minisign {
	uint64_t timestamp;		/* of the trusted comment; 0 = it has none */
	char comment[MINISIGN_COMMENT]; /* trusted: covered by the second signature */
	const struct key *key;		/* of the set, that signed it */
};

/* The public half as a minisign .pub file, two lines, NUL-ended.  Returns buf. */
char *minisign_public(const struct key *k, char buf[MINISIGN_MAX]);

/* Sign n bytes.  Of comment only printable characters and tabs are kept.  Returns buf. */
char *minisign_sign(const struct key *k, const void *p, size_t n, uint64_t timestamp,
    const char *comment, char buf[MINISIGN_MAX]);

/* Which key of the set made the signature in `text`?  0 and *out; ERR_FORMAT: not a
 * signature file; ERR_UNSUPPORTED: another algorithm; ERR_NOTFOUND: none of these keys; ERR_SIGNATURE:
 * one of them, but not over these bytes or this comment.  err has one line. */
int minisign_verify(const struct key_set *keys, const void *p, size_t n, const char *text,
    size_t text_len, struct minisign *out, char *err, size_t err_size)
    __attribute__((warn_unused_result));

/* Is this a minisign .pub file? Then its key is added to the set.  0, ERR_FORMAT, ERR_FULL. */
int minisign_key_parse(struct key_set *set, const char *text, size_t len)
    __attribute__((warn_unused_result));

#endif /* BASE_MINISIGN_H */
