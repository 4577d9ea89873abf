/* SPDX-License-Identifier: Apache-2.0 */
/*
 * learn_int.h - between learn_rules.c (a pair as lines) and learn_write.c (lines as a policy).
 */
#ifndef CLI_LEARN_INT_H
#define CLI_LEARN_INT_H

#include "cli/learn.h"

/* A line of a conduit, evidence beside it. */
struct line {
	const char *text;
	bool approval; /* "enabled: false": left out of what is checked */
	bool risky;
	bool proof; /* .seen is its evidence */
	uint32_t peak; /* not 0: the line is `limits:`, from this many requests in a second */
	struct learn_evidence seen;
};
struct body {
	struct line *v;
	uint32_t n, cap;
};

/* Append, as printf() does; the text moves when it grows. */
void learn_put(struct learn *l, struct learn_text *t, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Two rows of evidence for one thing. */
void learn_merge(struct learn_evidence *to, const struct learn_evidence *e);
/*
 * What `limits: {rate:}` a peak asks for.  A second of the clock may lie anywhere, so any second has at most twice as
 * many; that is rounded up to 1, 2 or 5 times a power of ten.
 */
uint32_t learn_rate_of(uint32_t peak);
/* Everything of a pair below `to:`; or only its rules, to be put into a conduit that is there. */
void learn_body(struct learn *l, struct body *b, const struct learn_pair *p, bool rules_only);

#endif /* CLI_LEARN_INT_H */
