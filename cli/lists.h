/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lists.h - the files of watch that are written again and again while it listens: devices, conversations, map.
 *
 * A child is forked for it: it has all as it was at that moment, writes beside the file and to disk, and ends; packets are
 * taken meanwhile.  Only what is there whole takes the place of the file (keeper.h), so whoever reads it reads one or
 * the other.  What cannot be written (a full disk) is said and counted, the file stays, and the next time comes.
 */
#ifndef CLI_LISTS_H
#define CLI_LISTS_H

#include "cli/keeper.h"
#include "cli/sensor.h"

#define LISTS_EVERY 300u /* seconds */

struct lists {
	struct keeper *keeper;
	struct sensor *sensor;
	uint64_t every_ns, due_ns; /* CLOCK_MONOTONIC; every_ns 0: only when asked */
	bool now;		   /* set by who wants it at once */
	enum { LISTS_IDLE = 0, LISTS_PLACES, LISTS_WRITING } step;
	pid_t child;
	uint64_t written, failed; /* files */
};

_Static_assert((unsigned)SENSOR_LISTS == KEEPER_LISTS, "one place each");

/* Before sensor_open() and keeper_start(): which files will be replaced; list gets their paths.  What is no file of its own ("-", a pipe) is
 * written once, at the end. */
void lists_plan(struct sensor *s, const char *list[KEEPER_LISTS]);
/* Can they be written?  False: not, said. */
bool lists_begin(struct lists *l, struct keeper *k, struct sensor *s, uint64_t every_s);
/* Now and then, with the policy in force. */
void lists_turn(struct lists *l, const struct policy *pol);
/* No more packets come: wait for a child that writes, and write all as it is now.  False: said. */
bool lists_end(struct lists *l, const struct policy *pol);

#endif /* CLI_LISTS_H */
