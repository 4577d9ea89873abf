/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cef.h - an EVE line as ArcSight's Common Event Format, revision 25 (version 0), which many SIEMs read:
 *
 *   CEF:0|Interlock|Interlock|VERSION|signature_id|signature|severity|rt=... src=... dst=... act=...
 *
 * docs/FORMATS.md has the table of what becomes which key.  Pure.
 */
#ifndef SENDER_CEF_H
#define SENDER_CEF_H

#include <stddef.h>
#include <stdint.h>

#define CEF_MAX 8192u /* bytes of one; values are cut to fit */

/* epoch: of the batch of the line, for externalId.  Bytes written, without newline; 0: the line is not an alert of ours.  out holds CEF_MAX. */
size_t cef_write(const char *eve, size_t n, uint64_t epoch, const char *version, char *out);

#endif /* SENDER_CEF_H */
