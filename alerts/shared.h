/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared.h - the memory that joins packet side, parent and signer, and outlives all of them.
 *
 *   page 0 ...   parent part: counters, a small ring         written by the parent
 *   then         signer part: two marks, totals              written by the signer
 *   then         packet parts: counters, storms, ring        written by a worker: hostile; one for each of
 *		  its threads that judges packets, so that each has one writer
 *
 * Each part has pages of its own, so that a process can unmap what is not its business.
 *
 * A writer may be killed between any two instructions; what the next one needs to know lies
 * here in an order that says how far it came (struct alerts_writer).  The signer takes a
 * record for good when its batch is in the journal: before it appends a batch it writes what will
 * be true afterwards to the mark that is not in force, with the batch's number; then it
 * appends, then it puts that mark in force.  The next signer compares with the end of the journal,
 * and knows on which side of the append the last one died.
 */
#ifndef ALERTS_SHARED_H
#define ALERTS_SHARED_H

#include "alerts/fold.h"
#include "base/ring.h"

#define PACKET_SLOTS 65536u /* 4 MiB: 1024 of the largest records, 8000 usual ones */
#define PARENT_SLOTS 2048u
#define SHARED_PAGE  4096u

/* One who puts records into a ring. */
enum writer_state { WRITER_IDLE = 0, WRITER_BUSY, WRITER_PUTTING };
struct alerts_writer {
	_Alignas(64) _Atomic uint64_t events, folded;
	_Atomic uint64_t lost; /* events whose record found the ring full, or died with a writer */
	_Atomic uint64_t busy_count; /* events that are being put */
	_Atomic uint64_t put_at;     /* ring's head before the record of PUTTING */
	_Atomic uint32_t state;	     /* enum writer_state */
};

/* The parent, then who judges packets. */
#define PACKET_PARTS_MAX 16u
#define SOURCES_MAX	 (1u + PACKET_PARTS_MAX)
enum { SOURCE_PARENT = 0, SOURCE_PACKET };

struct alerts_mark {
	uint64_t tail[SOURCES_MAX];	  /* per source: where the next record to be told begins */
	uint64_t lost_taken[SOURCES_MAX]; /* of the writer's lost */
	uint64_t untold_lost, untold_removed;
	uint64_t epoch, batch; /* of the journal's last batch then */
};

struct alerts_packet {
	_Alignas(SHARED_PAGE) struct alerts_writer writer;
	struct fold fold;
	_Alignas(64) uint8_t ring[sizeof(struct ring) + PACKET_SLOTS * RING_SLOT];
};

struct alerts_shared {
	/* parent part */
	_Alignas(SHARED_PAGE) struct alerts_writer parent;
	_Alignas(64) uint8_t parent_ring[sizeof(struct ring) + PARENT_SLOTS * RING_SLOT];
	/* signer part */
	_Alignas(SHARED_PAGE) struct alerts_mark mark[2];
	_Atomic uint32_t current;	 /* the mark in force */
	uint64_t sent_epoch, sent_batch; /* the outputs have it up to here */
	struct alerts_stats total;	 /* of all signers so far */
	/* packet parts: as many as alerts_conf says, which no writer can change */
	struct alerts_packet packet[];
};

static inline struct ring *
shared_ring(struct alerts_shared *s, unsigned source)
{
	return (struct ring *)(source == SOURCE_PARENT ? s->parent_ring
						       : s->packet[source - SOURCE_PACKET].ring);
}

#endif /* ALERTS_SHARED_H */
