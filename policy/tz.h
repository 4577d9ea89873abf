/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tz.h - how far a place's clock is from UTC, and since when: the C library's time zone data
 * (tzdata) as a table, so that nobody asks it, or a file, once a policy is in force.
 *
 * A process that may open no file (guard/builder.c) asks another one: tz_ask().
 */
#ifndef POLICY_TZ_H
#define POLICY_TZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TZ_YEAR_FIRST 1990 /* before it and after TZ_YEAR_LAST the nearest known offset holds */
#define TZ_YEAR_LAST  2060
#define TZ_NAME_MAX   48u  /* bytes of a name */
#define TZ_ZONES_MAX  32u  /* different ones kept by a process */
#define TZ_TURNS_MAX  512u /* changes of one zone */

struct tz_turn {
	int64_t from_s;	  /* Unix time */
	int32_t offset_s; /* east of UTC, from then on */
	int32_t pad;
};
struct tz {
	char name[TZ_NAME_MAX];
	uint32_t n; /* >= 1; turn[0].from_s is INT64_MIN */
	struct tz_turn turn[TZ_TURNS_MAX];
};

/* The table of a zone ("Europe/Berlin", "UTC"); NULL: there is none of that name, or it cannot
 * be read.  It stays for the life of the process. */
const struct tz *tz_lookup(const char *name);
/* From now on tables come from here; false: there is none of that name. */
void tz_ask(bool (*ask)(void *ctx, const char *name, struct tz *out), void *ctx);
/* Seconds that the clock there is ahead of UTC. */
int32_t tz_offset(const struct tz_turn *turn, uint32_t n, int64_t unix_s);

#endif /* POLICY_TZ_H */
