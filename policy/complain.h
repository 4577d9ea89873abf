/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complain.h - collecting what is wrong with a policy, with its place.
 * Nothing a file says reaches a terminal unfiltered: control characters
 * become '?', long texts are cut at a character's boundary.
 */
#ifndef POLICY_COMPLAIN_H
#define POLICY_COMPLAIN_H

#include <stdarg.h>

#include "policy/policy.h"

#define COMPLAINTS_MAX 1000u /* kept; beyond that only counted */

/* line 0: the file as a whole. */
void complain_at(struct complaints *c, enum complaint_level level, unsigned line, unsigned col,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same with a va_list. */
void complain_v(struct complaints *c, enum complaint_level level, unsigned line, unsigned col,
    const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));
/* By place in the file; complaints about one place keep their order. */
void complaints_sort(struct complaints *c);

/* The entry of a NULL-ended list nearest to word, or NULL when none is near. */
const char *complain_nearest(const char *word, const char *const *list);

#endif /* POLICY_COMPLAIN_H */
