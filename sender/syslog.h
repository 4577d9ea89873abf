/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syslog.h - an alert as a message of RFC 5424, framed by octet counting (RFC 5425 4.3, RFC 6587 3.4.1):
 *
 *   LENGTH <PRI>1 TIMESTAMP HOST interlock - alert [interlock@ENTERPRISE epoch="..." ...] MSG
 *
 * MSG is the EVE line or CEF, without a byte order mark, which readers of JSON would stumble over.  Pure.
 */
#ifndef SENDER_SYSLOG_H
#define SENDER_SYSLOG_H

#include <stddef.h>
#include <stdint.h>

#include "sender/out.h"

#define SYSLOG_HEAD_MAX 2048u
#define SYSLOG_MAX	(BATCH_LINE_MAX + SYSLOG_HEAD_MAX) /* bytes of a frame */

/* eve: a line without newline, of batch b.  Bytes of the frame; 0: no alert of ours.  out holds SYSLOG_MAX. */
size_t syslog_write(
    const struct send_target *t, const struct batch *b, const char *eve, size_t n, char *out);

#endif /* SENDER_SYSLOG_H */
