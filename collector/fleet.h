/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet.h - which build and policy each sensor runs, which it should, and how its clock stands.
 *
 * Build and policy are what its signed lines say.  An admin pins what they should be, for some sensors at a time: whoever differs has
 * drifted, and one that begins to is an incident.  Nothing is changed at a sensor from here.
 *
 * A clock's offset is estimated from batches alone: the time at which one was signed, less the time at which it came, is the offset
 * less the way; of ten minutes the greatest is the one that waited least (a heartbeat is signed every 5 s).  After
 * a sensor was away it is right again with the window in which it has caught up.
 */
#ifndef COLLECTOR_FLEET_H
#define COLLECTOR_FLEET_H

#include <stdint.h>

#define FLEET_WINDOW_MS 600000

struct call;

/* Calls of routes.def. */
void fleet_list(struct call *c);
void fleet_pin(struct call *c);

#endif /* COLLECTOR_FLEET_H */
