/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - which share of recorded traffic the kernel could have served alone (policy/kernel.h),
 * and the reasons why not of the rest.
 *
 * A poll is a request that a rule allows, with its answer; it is the kernel's when both are.
 */
#ifndef CLI_SHARE_H
#define CLI_SHARE_H

#include <stdio.h>

#include "policy/kernel.h"

struct jw;

struct share {
	const struct policy *policy;
	uint64_t requests, kernel; /* of the protocols with rules */
	uint64_t answers, kernel_answers;
	uint64_t bare, segments;   /* TCP segments of these flows without payload; all */
	uint64_t kernel_segments;  /* without payload, or with one PDU that is the kernel's */
	uint64_t why[KERNEL__MAX]; /* of requests */
	uint64_t why_answer[KERNEL__MAX];
};

/* Judge a capture; hits per rule are added to hits[].  EXIT_OK or EXIT_UNABLE, said why. */
int share_capture(struct share *s, const char *path, uint64_t *hits);
void share_text(const struct share *s, FILE *to);
/* Members of an open object. */
void share_json(const struct share *s, struct jw *w);

#endif /* CLI_SHARE_H */
