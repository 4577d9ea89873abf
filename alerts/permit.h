/* SPDX-License-Identifier: Apache-2.0 */
/*
 * permit.h - a permit as a token: a JWS in compact form (RFC 7515), Ed25519, that any JOSE library
 * verifies.  docs/FORMATS.md has the members.
 */
#ifndef ALERTS_PERMIT_H
#define ALERTS_PERMIT_H

#include <stddef.h>

#include "base/key.h"
#include "policy/window.h"

#define PERMIT_TYP     "interlock-permit+jws"
#define PERMIT_JWS_MAX 8192u /* bytes of one */

/* Sign; jws holds PERMIT_JWS_MAX and gets no newline, a NUL at its end.  Its length, or ERR_RANGE:
 * it would be longer.  m->key becomes the signer's. */
int permit_sign(struct permit *m, const struct key *k, char *jws);

/*
 * Verify the signature with a key of the set, then read it; blanks around it are no matter.  0, or
 * ERR_SIGNATURE, ERR_FORMAT, ERR_UNSUPPORTED with the reason in err.  Times are not looked at.
 */
int permit_open(const char *jws, size_t n, const struct key_set *keys, struct permit *out,
    char *err, size_t err_size) __attribute__((warn_unused_result));
/* Read it without looking at the signature (out->key is zeros): to show one. */
int permit_peek(const char *jws, size_t n, struct permit *out, char *err, size_t err_size)
    __attribute__((warn_unused_result));
/* The keys that a policy lets sign. */
void permit_keys(const struct policy *pol, struct key_set *out);

#endif /* ALERTS_PERMIT_H */
