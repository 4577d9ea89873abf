/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tz.c - see tz.h.  The zone is made the process's own (TZ, tzset(3)) while its table is made,
 * so this belongs to the building of a policy, which is one thread's work.
 */
#include "policy/tz.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROBE_S	 21600 /* a change and the one back are further apart (Morocco: weeks) */
#define ZONE_DIR "/usr/share/zoneinfo"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tz *zones[TZ_ZONES_MAX];
static unsigned n_zones;
static bool (*asked)(void *ctx, const char *name, struct tz *out);
static void *asked_ctx;

/* Letters of names in the data base: no path leads out of it. */
static size_t
name_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && n < TZ_NAME_MAX &&
	       ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z') ||
		   (s[n] >= '0' && s[n] <= '9') || s[n] == '_' || s[n] == '+' || s[n] == '-' ||
		   s[n] == '/'))
		n++;
	return n;
}

static bool
zone_file(const char *name)
{
	char path[sizeof(ZONE_DIR) + TZ_NAME_MAX + 1], magic[4];
	bool ok;
	int fd;

	if (name[0] == '/' || strstr(name, "//"))
		return false;
	(void)snprintf(path, sizeof(path), ZONE_DIR "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return false;
	ok = read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
	     memcmp(magic, "TZif", sizeof(magic)) == 0; /* RFC 8536 3.1 */
	close(fd);
	return ok;
}

static int32_t
offset_at(int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;

	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

static int64_t
year_start(int year)
{
	struct tm tm = {.tm_year = year - 1900, .tm_mday = 1};

	return (int64_t)timegm(&tm);
}

/* Of the zone that TZ names now. */
static void
turns_of(struct tz *z)
{
	int64_t at = year_start(TZ_YEAR_FIRST), end = year_start(TZ_YEAR_LAST + 1);
	int32_t was = offset_at(at), now;

	z->turn[z->n++] = (struct tz_turn){.from_s = INT64_MIN, .offset_s = was};
	for (; at < end && z->n < TZ_TURNS_MAX; at += PROBE_S) {
		int64_t lo = at, hi = at + PROBE_S;

		if ((now = offset_at(hi)) == was)
			continue;
		while (hi - lo > 1) { /* the old offset at lo, another at hi */
			int64_t mid = lo + (hi - lo) / 2;

			if (offset_at(mid) == was)
				lo = mid;
			else
				hi = mid;
		}
		z->turn[z->n++] = (struct tz_turn){.from_s = hi, .offset_s = now};
		was = now;
	}
}

static struct tz *
zone_new(const char *name)
{
	bool utc = strcmp(name, "UTC") == 0;
	const char *had = getenv("TZ");
	struct tz *z;
	char *old, *set;

	if (!utc && !zone_file(name))
		return NULL;
	z = calloc(1, sizeof(*z));
	old = had ? strdup(had) : NULL;
	set = malloc(strlen(name) + 2);
	if (!z || !set || (had && !old)) {
		free(z);
		free(old);
		free(set);
		return NULL;
	}
	memcpy(z->name, name, strlen(name) + 1);
	if (utc) {
		z->turn[z->n++] = (struct tz_turn){.from_s = INT64_MIN};
	} else {
		set[0] = ':';
		memcpy(set + 1, name, strlen(name) + 1);
		(void)setenv("TZ", set, 1);
		tzset();
		turns_of(z);
		if (old)
			(void)setenv("TZ", old, 1);
		else
			(void)unsetenv("TZ");
		tzset();
	}
	free(old);
	free(set);
	return z;
}

static struct tz *
zone_asked(const char *name)
{
	struct tz *z = calloc(1, sizeof(*z));

	if (z && asked(asked_ctx, name, z) && strcmp(z->name, name) == 0)
		return z;
	free(z);
	return NULL;
}

const struct tz *
tz_lookup(const char *name)
{
	struct tz *z = NULL;

	if (*name == '\0' || strlen(name) >= TZ_NAME_MAX ||
	    name_len(name, strlen(name)) != strlen(name))
		return NULL;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < n_zones && !z; i++)
		if (strcmp(zones[i]->name, name) == 0)
			z = zones[i];
	if (!z && n_zones < TZ_ZONES_MAX && (z = asked ? zone_asked(name) : zone_new(name)))
		zones[n_zones++] = z;
	pthread_mutex_unlock(&lock);
	return z;
}

void
tz_ask(bool (*ask)(void *ctx, const char *name, struct tz *out), void *ctx)
{
	asked = ask;
	asked_ctx = ctx;
}

int32_t
tz_offset(const struct tz_turn *turn, uint32_t n, int64_t unix_s)
{
	uint32_t lo = 0, hi = n;

	while (hi - lo > 1) { /* the last whose time has come */
		uint32_t mid = lo + (hi - lo) / 2;

		if (turn[mid].from_s <= unix_s)
			lo = mid;
		else
			hi = mid;
	}
	return turn[lo].offset_s;
}
