/* SPDX-License-Identifier: Apache-2.0 */
/*
 * again.h - an alert made once more, from the frames that it names (replay ALERT.json).
 *
 * The same: all members but those that say where and when it was written: il_seq, il_frame, il_evidence*, flow_id, host,
 * in_iface, pcap_filename, pcap_cnt.  il_build and il_policy are compared too, and a difference is said first.
 */
#ifndef CLI_AGAIN_H
#define CLI_AGAIN_H

#include <stdbool.h>

#include "cli/sensor.h"

struct policy;

/* Is this the name of an alert, not of a capture? */
bool again_is_alert(const char *path);

/* The first line of the file.  sensor: its options --baseline and --evidence (where the frames lie; else beside the file). */
int again(const char *path, struct sensor *options, const struct policy *pol);

#endif /* CLI_AGAIN_H */
