/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define KINDS	 64u	  /* messages that are limited apart; more share */
#define BURST	 20u	  /* of one message at once, then ... */
#define EVERY_NS NS_PER_S /* ... one in that time */

static enum log_level max_level = LOG_L_WARN;
static bool limited;
static int to_journal = -1; /* not asked yet */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of what stands above and below */

/* How many lines of one message were written lately, and left out. */
static struct kind {
	const char *fmt;
	uint64_t full_ns; /* until then its burst is used up */
	uint64_t left_out;
} kinds[KINDS];

void
log_set_level(enum log_level level)
{
	max_level = level;
}

void
log_set_limit(bool on)
{
	limited = on;
}

/* Is standard error the journal's own stream?  It says so by device and inode (systemd.exec). */
static bool
is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	char want[64];
	struct stat st;

	if (!env || fstat(STDERR_FILENO, &st) != 0)
		return false;
	snprintf(want, sizeof(want), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	for (size_t i = 0; i < sizeof(want); i++) {
		if (env[i] != want[i])
			return false;
		if (want[i] == '\0')
			return true;
	}
	return false;
}

void
log_init(void)
{
	to_journal = is_journal();
}

/* May this line be written?  *left_out: how many of its kind were not, before it. */
static bool
within_limit(const char *fmt, uint64_t *left_out)
{
	struct kind *k = &kinds[((uintptr_t)fmt >> 3) % KINDS];
	uint64_t now = clock_mono_ns();

	*left_out = 0;
	if (!limited)
		return true;
	if (k->fmt != fmt)
		*k = (struct kind){.fmt = fmt};
	if (k->full_ns < now)
		k->full_ns = now;
	if (k->full_ns - now > (BURST - 1) * EVERY_NS) {
		k->left_out++;
		return false;
	}
	k->full_ns += EVERY_NS;
	*left_out = k->left_out;
	k->left_out = 0;
	return true;
}

/* One line, whatever is in the words: what arrives from outside is in some of them. */
static void
emit(enum log_level level, const char *what, const char *fmt, va_list ap)
{
	static const char *const priority[] = {"<3>", "<4>", "<6>", "<7>"}; /* sd-daemon(3) */
	char line[1024], more[48] = "";
	uint64_t left_out = 0;
	bool ok, journal;

	if (level > max_level)
		return;
	(void)pthread_mutex_lock(&lock);
	ok = within_limit(fmt, &left_out);
	if (to_journal < 0)
		log_init();
	journal = to_journal;
	(void)pthread_mutex_unlock(&lock);
	if (!ok)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	if (left_out)
		snprintf(more, sizeof(more), " (%ju like it left out)", (uintmax_t)left_out);
	if (journal) /* it knows who writes */
		fprintf(stderr, "%s%s%s\n", priority[level], line, more);
	else
		fprintf(stderr, "interlock: %s%s%s\n", what, line, more);
}

#define LOG_FN(name, level, what)        \
	void name(const char *fmt, ...)  \
	{                                \
		va_list ap;              \
                                         \
		va_start(ap, fmt);       \
		emit(level, what, fmt, ap); \
		va_end(ap);              \
	}

LOG_FN(log_error, LOG_L_ERROR, "")
LOG_FN(log_warn, LOG_L_WARN, "warning: ")
LOG_FN(log_info, LOG_L_INFO, "")
LOG_FN(log_debug, LOG_L_DEBUG, "debug: ")
