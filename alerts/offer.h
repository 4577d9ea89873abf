/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer.h - what a collector offers the guard of a sensor: a policy, or a permit, that somebody else has signed.
 *
 *   {"v":1,"id":N,"policy":HASH,"name":MAIN,"trial_s":N,"confirm":BOOL}
 *   {"v":1,"id":N,"kind":"permit","permit":ID}
 *
 * It comes from a collector (GET /ingest/v1/rollout) and lies in a file for `interlock ctl rollout` (docs/FORMATS.md,
 * section 9).  Nothing in it is signed: it only says what lies beside it, which is.
 */
#ifndef ALERTS_OFFER_H
#define ALERTS_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/files.h"
#include "policy/window.h"

#define OFFER_MAX    4096u /* bytes of one, and of what became of it */
#define OFFER_HASH   32u   /* hexadecimal digits of a policy's */
#define OFFER_BUNDLE "policy.bundle"
#define OFFER_PERMIT "permit.jws"

struct offer {
	uint64_t id; /* of the roll-out, not 0 */
	bool is_permit;
	char permit[PERMIT_TEXT]; /* its id */
	char policy[OFFER_HASH + 1], name[POLICY_FILE_NAME + 1];
	uint64_t trial_s; /* 5 s to 7 days */
	bool confirm;	  /* a policy on trial may stay */
};

struct json_t;

/* False: it is none.  A name is that of a file in the directory itself; nothing else of *out is good for a path. */
bool offer_read(const struct json_t *o, struct offer *out);
bool offer_parse(const char *text, size_t n, struct offer *out);
/* As a file, with a newline; its length, 0: size is too small. */
size_t offer_write(const struct offer *f, char *buf, size_t size);

#endif /* ALERTS_OFFER_H */
