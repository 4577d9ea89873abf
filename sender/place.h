/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - how far an output is, on disk: a small file that a crash leaves old or new, never half.
 *
 *   {"v":1,"epoch":E,"batch":B,"sha256":"of its JWS","seq":il_seq of its last line,"iat":ms}
 */
#ifndef SENDER_PLACE_H
#define SENDER_PLACE_H

#include <stddef.h>

#include "alerts/follow.h"

/* Where an output is, and what its batch said: for how far behind it is. */
struct place {
	struct follow_place at;
	uint64_t seq;	 /* il_seq of the last alert that was delivered */
	uint64_t iat_ms; /* when its batch was signed */
};

/* Write a file in an open directory so that who reads it finds the old or the new one; sync: also after a crash.
 * 0 or ERR_*, errno says more. */
int place_replace(int dirfd, const char *name, const void *text, size_t n, bool sync);

int place_save(int dirfd, const char *name, const struct place *p); /* 0 or ERR_* */
/* 0; ERR_NOTFOUND: there is none yet; ERR_FORMAT: it is damaged. */
int place_load(int dirfd, const char *name, struct place *p);

#endif /* SENDER_PLACE_H */
