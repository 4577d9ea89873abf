/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.h - the reading end of a ring (base/ring.h) whose writer is not trusted.
 *
 * Nothing that the writer can change is believed: not the size of the ring, not where it says
 * the reader is, not the length of a record, and a record is copied out before it is looked
 * at.  A head or length that cannot be ends in one step: the reader goes on at the head.
 * Reading and taking are two things: records that were read stay in the ring until
 * reader_commit().
 */
#ifndef ALERTS_READER_H
#define ALERTS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/record.h"

struct reader {
	struct ring *ring;
	uint32_t n_slots;
	uint64_t pos;	   /* of the next record to read */
	uint64_t rejected; /* records that were none, and jumps of the head */
	bool trusted;	   /* the writer is this process: records are not checked */
	bool own;	   /* ... is the parent: it may tell of all guard events */
	uint8_t *buf;	   /* RING_RECORD_MAX bytes, aligned to 8 */
	size_t len;	   /* of the record in buf; 0 = none */
	uint64_t after;	   /* pos behind it */
};

/* The next record, whole and checked, or NULL: none.  It stays the next one until reader_take(). */
const struct record *reader_peek(struct reader *rd);
/* On to the next. */
void reader_take(struct reader *rd);
/* What lies before pos may be overwritten. */
void reader_commit(struct reader *rd, uint64_t pos);

/* Is that a record that everything behind it can bear?  Reads n bytes; aligned to 8. */
bool record_check(const uint8_t *p, size_t n, bool own);

#endif /* ALERTS_READER_H */
