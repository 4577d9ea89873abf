/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery.h - does what is signed arrive?  Read from the status of a sender, for events that are signed as alerts are.
 *
 * The sender speaks with networks and has no key; so it says how it stands in a file (status.json, docs/FORMATS.md), and
 * who signs, or watches beside who signs, reads that file and tells: an output that gets nothing through for
 * longer than a patience (sender.behind), that is refused (sender.refused), that delivers again (sender.delivered), a
 * sender that does not run (sender.behind), a rule that a collector proposes (proposal.received).  The file may be a lie: it
 * is bounded, and nothing but these events comes of it.
 */
#ifndef ALERTS_DELIVERY_H
#define ALERTS_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "alerts/alert.h"

#define DELIVERY_NOTE_MAX   200u
#define DELIVERY_PATIENCE_S 60u
#define DELIVERY_LOOK_NS    UINT64_C(2000000000) /* between two looks */

struct delivery;

/* dir: --state of the sender, which may not be there yet.  NULL: out of memory. */
struct delivery *delivery_new(const char *dir, uint64_t patience_s);
void delivery_free(struct delivery *d); /* NULL: nothing */

/*
 * Look, when it is time, and say at most one thing; what else there is to say the next calls say.  mono_ns only goes
 * forward, wall_ms is what the sender's clock says, too.  False: there is nothing to tell.
 */
bool delivery_look(struct delivery *d, uint64_t mono_ns, uint64_t wall_ms, enum guard_event *event,
    char note[DELIVERY_NOTE_MAX]);

#endif /* ALERTS_DELIVERY_H */
