/* SPDX-License-Identifier: Apache-2.0 */
/* feed.c - see feed.h. */
#include "collector/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

const struct feed_member feed_member[FT_N] = {
#define FEED(name, level, member) [FT_##name] = {FEED_##level, sizeof(member) - 1, member},
#include "collector/feed.def"
#undef FEED
};

/* Brackets outside of strings, without recursion: the parser behind has one frame per level. */
static bool
shallow(const char *s, size_t n)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		if (quoted) {
			if (s[i] == '\\')
				i++;
			else if (s[i] == '"')
				quoted = false;
		} else if (s[i] == '"') {
			quoted = true;
		} else if (s[i] == '{' || s[i] == '[') {
			if (++depth > FEED_DEPTH_MAX)
				return false;
		} else if ((s[i] == '}' || s[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

json_t *
feed_json(const char *text, size_t n)
{
	return shallow(text, n) ? json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL)
				: NULL;
}

static int
digits(const char *s, unsigned n)
{
	int v = 0;

	for (unsigned i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		v = v * 10 + (s[i] - '0');
	}
	return v;
}

int64_t
feed_time(const char *s, size_t n)
{
	int year, month, day, hour, minute, sec, ms = 0, zone;
	int64_t days;

	if (n < 24 || n > 40 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' ||
	    s[16] != ':')
		return -1;
	year = digits(s, 4);
	month = digits(s + 5, 2);
	day = digits(s + 8, 2);
	hour = digits(s + 11, 2);
	minute = digits(s + 14, 2);
	sec = digits(s + 17, 2);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
	    minute < 0 || sec < 0 || hour > 23 || minute > 59 || sec > 60)
		return -1;
	if (s[19] == '.' && (ms = digits(s + 20, 3)) < 0)
		return -1;
	zone = digits(s + n - 4, 4);
	if (zone < 0 || (s[n - 5] != '+' && s[n - 5] != '-'))
		return -1;
	zone = zone / 100 * 60 + zone % 100;
	/* Years that begin in March: a leap day is the last of one. */
	year -= month < 3;
	days = (int64_t)365 * year + year / 4 - year / 100 + year / 400 +
	       (153 * (month + (month < 3 ? 9 : -3)) + 2) / 5 + day - 719469;
	return (((days * 24 + hour) * 60 + minute - (s[n - 5] == '-' ? -zone : zone)) * 60 + sec) *
		   1000 +
	       ms;
}

/* Texts of a member that is a string or a list of strings, joined by commas. */
static int
take(struct feed_arena *a, const json_t *v, bool all, struct feed_span *out)
{
	size_t many = json_is_array(v) ? (all ? json_array_size(v) : 1) : 1, n = 0;
	char *to = a->p;

	for (size_t i = 0; i < many && i < 16; i++) {
		const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
		const char *s = json_string_value(one);
		size_t len = json_string_length(one);

		if (!s || len == 0)
			continue;
		if (n + len + 1 > FEED_TEXT_MAX) {
			if (n > 0)
				break;
			len = FEED_TEXT_MAX;
			while (len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80)
				len--;
		}
		if ((size_t)(a->end - a->p) < len + 1)
			return ERR_FULL;
		if (n > 0)
			*a->p++ = ',', n++;
		for (size_t k = 0; k < len; k++)
			*a->p++ = (unsigned char)s[k] < 0x20 || s[k] == 0x7f ? '?' : s[k];
		n += len;
	}
	*out = (struct feed_span){to, (uint16_t)n};
	return 0;
}

static int64_t
whole(const json_t *o, const char *name, int64_t most)
{
	json_int_t v = json_integer_value(json_object_get(o, name));

	return v < 0 || v > most ? 0 : v;
}

const char *
feed_meta(const json_t *line, const char *name)
{
	const json_t *m = json_object_get(json_object_get(line, "alert"), "metadata");
	const char *s = json_string_value(json_array_get(json_object_get(m, name), 0));

	return s ? s : "";
}

static uint64_t
count_of(const json_t *line, const char *name)
{
	const char *s = feed_meta(line, name);
	char *end;
	unsigned long long v = strtoull(s, &end, 10);

	return *s >= '0' && *s <= '9' && *end == '\0' && v < UINT64_C(1) << 53 ? v : 0;
}

void
feed_finish(struct feed_row *row)
{
	/* A device without a name is known by its address. */
	if (row->text[FT_SRC].n == 0)
		row->text[FT_SRC] = row->text[FT_SRC_IP];
	if (row->text[FT_DST].n == 0)
		row->text[FT_DST] = row->text[FT_DST_IP];
	if (row->sev == 0)
		row->sev = 3;
	if (row->count < 1 || row->sid == 90 || row->sid == 91) /* those count what is not here */
		row->count = 1;
}

int
feed_tree(const char *line, size_t n, struct feed_row *row, struct feed_arena *a)
{
	json_t *o = feed_json(line, n), *at[3];
	const json_t *ts;
	int r = 0;

	memset(row, 0, sizeof(*row));
	if (!json_is_object(o)) {
		json_decref(o);
		return ERR_FORMAT;
	}
	at[0] = o;
	at[1] = json_object_get(o, "alert");
	at[2] = json_object_get(at[1], "metadata");
	for (size_t i = 0; i < FT_N && r == 0; i++)
		r = take(a, json_object_get(at[feed_member[i].level], feed_member[i].name),
		    i == FT_TECH, &row->text[i]);
	if (r == 0 && row->text[FT_PROTO].n == 0) /* one that nobody read: its transport */
		r = take(a, json_object_get(o, "proto"), false, &row->text[FT_PROTO]);
	ts = json_object_get(o, "timestamp");
	row->time_ms =
	    json_is_string(ts) ? feed_time(json_string_value(ts), json_string_length(ts)) : -1;
	row->sid = whole(at[1], "signature_id", UINT32_MAX);
	row->sev = (uint8_t)whole(at[1], "severity", 3);
	row->blocked = json_is_string(json_object_get(at[1], "action")) &&
		       strcmp(json_string_value(json_object_get(at[1], "action")), "blocked") == 0;
	row->sport = (uint16_t)whole(o, "src_port", UINT16_MAX);
	row->dport = (uint16_t)whole(o, "dest_port", UINT16_MAX);
	row->seq = count_of(o, "il_seq");
	row->count = (int64_t)count_of(o, "il_count");
	feed_finish(row);
	json_decref(o);
	return r;
}

int
feed_line(const char *line, size_t n, struct feed_row *row, struct feed_arena *a)
{
	return feed_quick(line, n, row, a) ? 0 : feed_tree(line, n, row, a);
}
