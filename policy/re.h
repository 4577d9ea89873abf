/* SPDX-License-Identifier: Apache-2.0 */
/*
 * re.h - regular expressions of names ("re:PATTERN"), matched in one step per byte.
 *
 * A pattern becomes a table of states when the policy is read; nothing is tried twice, so a name
 * costs its length whatever the pattern is. What cannot be such a table is refused with a
 * reason: back references, lookaround, and patterns that need more than RE_STATES states.
 *
 *   .  [a-z] [^a-z]  \d \w \s \D \W \S  \. (any punctuation)  ( ) (?: )  |  * + ? {m} {m,} {m,n}
 *
 * It is about the whole text, and about bytes: . and [^a] are any one byte; a letter outside ASCII is its bytes in
 * UTF-8, repeated as one, and not for [].
 */
#ifndef POLICY_RE_H
#define POLICY_RE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RE_STATES 256u	     /* of a table, the one without a way out included */
#define RE_NFA	  1024u	     /* places in the pattern, repeats written out */
#define RE_SETS	  256u	     /* different sets of bytes */
#define RE_DEPTH  16u	     /* groups in groups */
#define RE_REPEAT 255u	     /* of {m,n} */
#define RE_STEPS  (1u << 20) /* of making the table */
#define RE_LEN	  512u	     /* bytes of a pattern */
#define RE_MAX	  1024u	     /* expressions of a policy */

/*
 * Of what follows the literal beginning that all matches have.  State 0 has no way out; those from
 * accept on are matches.  Behind next[] stand the bytes of the beginning.
 */
struct re_table {
	uint32_t words; /* of the whole table */
	uint16_t states, classes, start, accept;
	uint16_t from, lit; /* how much of the pattern the beginning is; how many bytes */
	uint8_t class_of[256];
	uint8_t next[]; /* [state * classes + class] */
};

/* The table of a pattern, malloc'd: the caller's.  NULL and why (static text) when it is refused. */
struct re_table *re_make(const char *re, const char **why);

/* The literal beginning. */
static inline const char *
re_lit(const struct re_table *t)
{
	return (const char *)t->next + (size_t)t->states * t->classes;
}

/* Does what follows the beginning match? */
static inline bool
re_fits(const struct re_table *t, const char *text, size_t len)
{
	uint32_t s = t->start;

	for (size_t i = 0; i < len && s != 0; i++)
		s = t->next[s * t->classes + t->class_of[(uint8_t)text[i]]];
	return s >= t->accept;
}

#endif /* POLICY_RE_H */
