/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top.h - watch --top: what goes by, once a second: devices, conversations, rates, newest alerts, frames missed, memory.
 *
 * On a terminal it is a page of it (standard output; keys from standard input): q ends, tab goes on to the next list, arrows and
 * page keys move in it.  Else the same is said in plain lines, alerts as they come.  Plain ANSI (ECMA-48), no library.
 *
 * Words of the wire are shown with everything that a terminal would act on replaced.  Memory is taken once.  It only looks:
 * nothing of it is on the path of a packet.
 */
#ifndef CLI_TOP_H
#define CLI_TOP_H

#include <stdbool.h>
#include <stdint.h>

struct convs;
struct event;
struct policy;
struct top;

struct top_conf {
	const char *iface;
	const struct policy *policy; /* names of devices; or NULL */
	const struct convs *convs;
	bool plain; /* lines, even on a terminal */
};
/* NULL: no memory, said.  A terminal is in another mode from here on, until top_free(). */
struct top *top_new(const struct top_conf *conf);
void top_free(struct top *t); /* NULL is allowed */

/* Names are of this policy from now on. */
void top_policy(struct top *t, const struct policy *pol);
/* Something that an alert was, or would have been, written about. */
void top_event(struct top *t, const struct event *ev);

struct top_numbers {
	uint64_t frames, bytes, pdus, connections, denied, missed, alerts;
};
/* Often, also when nothing comes: keys, and once a second what is shown.  now_ns: of a clock that only goes on.  False: q. */
bool top_turn(struct top *t, uint64_t now_ns, uint64_t wall_ns, const struct top_numbers *n);

#endif /* CLI_TOP_H */
