/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdio.h>

static enum log_level max_level = LOG_L_WARN;

void
log_set_level(enum log_level level)
{
	max_level = level;
}

static void
emit(enum log_level level, const char *what, const char *fmt, va_list ap)
{
	char line[1024];

	if (level > max_level)
		return;
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "interlock: %s%s\n", what, line);
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
