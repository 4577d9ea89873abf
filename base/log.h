/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line per message on standard error, for people.
 * error: a person must act; warn: degraded, still running; info: life cycle;
 * debug: off unless asked.  Never called per packet.
 *
 * When standard error is the journal's (JOURNAL_STREAM of systemd), a line begins with its
 * priority, <3> for error to <7> for debug, and without the program's name.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum log_level { LOG_L_ERROR = 0, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };

void log_set_level(enum log_level level); /* default LOG_L_WARN */

/* A service that runs for months: of one message (its fmt) at most 20 lines at once, then one per
 * second; the next line says how many were left out.  Off unless asked. */
void log_set_limit(bool on);
/* Look at standard error and the environment now: before a sandbox; else the first line does. */
void log_init(void);

/* Lower case, object first, no trailing dot or newline: "journal /x: open: Permission denied". */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* BASE_LOG_H */
