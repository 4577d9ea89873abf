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
#include "policy/rules.h"

#define COMPLAINTS_MAX 1000u /* kept; beyond that only counted */

/* line 0: the file as a whole. */
void complain_at(struct complaints *c, enum complaint_level level, unsigned line, unsigned col,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same in one of several files, with a va_list. */
void complain_v(struct complaints *c, enum complaint_level level, const struct place *at,
    const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));
void complain_place(struct complaints *c, enum complaint_level level, const struct place *at,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* One more file: its number, or 0 when there is no memory. */
uint16_t complain_file_add(struct complaints *c, const char *name);
/* "line 7", or "line 7 of cells/a.yaml" where that is not the first file. */
struct where {
	char text[120];
};
const char *where_is(const struct complaints *c, const struct place *at, struct where *w);
/* Of the complaint just made: its stable id (static text), and what it is also about, or NULL. */
void complain_tag(struct complaints *c, const char *id, const struct place *also);
/*
 * Warnings and notes that the text of a file accepts on purpose: a comment "# interlock: accept ID ID..."
 * in their line, or alone in the line before.  They stay in the list, marked, and are not counted.
 */
void complaints_accept(struct complaints *c, uint16_t file, const char *text, size_t len);
/* By place in the file; complaints about one place keep their order. */
void complaints_sort(struct complaints *c);

/* The entry of a NULL-ended list nearest to word, or NULL when none is near. */
const char *complain_nearest(const char *word, const char *const *list);

#endif /* POLICY_COMPLAIN_H */
