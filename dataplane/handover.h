/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handover.h - connections go from one engine to the next: a new process, perhaps a newer
 * version, goes on with them unbroken.  The bytes are specified in docs/FORMATS.md.
 *
 * Several engines (workers) write one behind the other, and each of those that go on takes what is its own: their numbers may
 * differ.
 *
 * Life: the old engine stops (no burst after it), engine_export() writes all flows; the new one
 * is made, gets its policy, and engine_import() makes them again.  They are bound by its
 * policy at their next packet.  Between the two, packets are lost, and come again.
 *
 *   always	who, where both directions stand, what was judged and not acknowledged, what was
 *		taken out and put in (shifts, open refusals, patches): without these a repaired
 *		connection would break
 *   same build	also half PDUs and what the dissector knows; else the flow is taken up as one
 *		from midstream, at a boundary that it proves
 *   never	segments ahead of a hole, IP fragments: their sender has them still
 *
 * The reader trusts no length and no number: what does not fit ends the import, and nothing of it
 * stays.  The state of dissectors it can only copy; it comes from a process of the same build
 * and the same rights.
 */
#ifndef DATAPLANE_HANDOVER_H
#define DATAPLANE_HANDOVER_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct net_addr;

#define HANDOVER_VERSION 1u

struct handover {
	uint32_t flows;	    /* made */
	uint32_t midstream; /* of them without their dissector's state */
	uint32_t lost;	    /* for which there was no room, or that cannot go on without it */
	uint32_t written;   /* as the old engine counted them */
};

/* put: 0, or ERR_*, which ends it.  ERR_NOMEM never; the first error of put.  leave: connections that are judged
 * below (fastpath.h) are not written and stay there; the next engine inherits them from there, and this one ends
 * without engine_finish(). */
int engine_export(
    struct engine *e, bool leave, int (*put)(void *ctx, const void *p, size_t n), void *ctx);

/* 0; ERR_FORMAT, ERR_VERSION: not ours, broken off, or of another format: nothing was made.  Several engines' bytes may stand one
 * behind the other. */
int engine_import(struct engine *e, const void *bytes, size_t n, struct handover *out);

/* The same, of several engines that share what came: only connections between two addresses that are this one's.  The others are
 * none of its concern; written counts all. */
struct handover_part {
	bool (*mine)(const void *ctx, const struct net_addr *client, const struct net_addr *server);
	const void *ctx;
};
int engine_import_part(struct engine *e, const void *bytes, size_t n,
    const struct handover_part *part, struct handover *out);

#endif /* DATAPLANE_HANDOVER_H */
