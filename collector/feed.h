/* SPDX-License-Identifier: Apache-2.0 */
/*
 * feed.h - one EVE line as a row, and JSON that others wrote.
 *
 * A line is hostile: names in it came from the wire of a plant, and a sensor may be in other
 * hands.  It has to be one JSON object of bounded depth; what it lacks is left empty, and control
 * characters in texts become '?'.  The line itself is kept untouched elsewhere.
 */
#ifndef COLLECTOR_FEED_H
#define COLLECTOR_FEED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_DEPTH_MAX 24u
#define FEED_TEXT_MAX  512u /* bytes of one text; more is cut between characters */

enum feed_text {
#define FEED(name, level, member) FT_##name,
#include "collector/feed.def"
#undef FEED
	FT_N
};

struct feed_row {
	int64_t time_ms;
	uint64_t seq; /* il_seq */
	int64_t sid;  /* signature_id */
	uint8_t sev;  /* 1..3 */
	bool blocked;
	int64_t count; /* events behind the line, 1 or more */
	uint16_t sport, dport;
	struct feed_span {
		const char *p; /* into the arena, no NUL */
		uint16_t n;
	} text[FT_N];
};

/* The objects of a line that texts are read from. */
enum feed_level { FEED_TOP = 0, FEED_ALERT, FEED_META };
struct feed_member {
	uint8_t level;
	uint8_t n;
	const char *name;
};
extern const struct feed_member feed_member[FT_N];

/* Where texts go; nothing is freed one by one. */
struct feed_arena {
	char *p, *end;
};

/* Parse JSON of at most FEED_DEPTH_MAX levels (checked before the parser recurses), no duplicate
 * members; NULL: none.  To be json_decref()'d. */
json_t *feed_json(const char *text, size_t n);

/* A line without its newline.  0, ERR_FORMAT, or ERR_FULL: the arena. */
int feed_line(const char *line, size_t n, struct feed_row *row, struct feed_arena *a);

/*
 * Its two halves.  feed_quick() reads in one pass, without a tree, what sensors write, and is about ten times as fast; it gives up (false,
 * the arena as it was) on all that is wrong or rare: broken JSON, a member twice, \u, fractions, very long texts.  feed_tree() takes
 * anything.  Where both take a line they make the same row of it; tests hold one against the other.
 */
bool feed_quick(const char *line, size_t n, struct feed_row *row, struct feed_arena *a);
int feed_tree(const char *line, size_t n, struct feed_row *row, struct feed_arena *a);
/* For both, at their end: what is used for what a line lacks. */
void feed_finish(struct feed_row *row);

/* "2026-11-23T10:00:00.123456+0000" in ms since 1970, or -1. */
int64_t feed_time(const char *s, size_t n);

/* The first text of metadata member `name` of an alert line, "" when there is none. */
const char *feed_meta(const json_t *line, const char *name);

#endif /* COLLECTOR_FEED_H */
